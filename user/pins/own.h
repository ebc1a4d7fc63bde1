/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The door to connect() of the machine's processes: programs that give the router's own connections
 * the mark of a WAN. Links of the root of the control groups, pinned as link_connect4 and
 * link_connect6; the programs look at sockets of their own network namespace only.
 */
#ifndef PCC_OWN_H
#define PCC_OWN_H

#include "pins/dataplane.h"

/* Attaches both, in place of older ones of ours. 0 or a negative errno with err filled. */
int pcc_own_attach(struct pcc_dp *dp, struct pcc_err *err);

/* Takes them away. Nothing there is fine. */
void pcc_own_detach(struct pcc_dp *dp);

/* The object that the programs are loaded from. */
const void *pcc_own_object(size_t *len);

/* Are both attached? */
bool pcc_own_present(struct pcc_dp *dp);

#endif
