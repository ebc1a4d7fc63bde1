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

/* The hash, FNV-1a, goes on over the object that the programs are loaded from. */
uint64_t pcc_own_object_hash(uint64_t hash);

/* Are both attached? */
bool pcc_own_present(struct pcc_dp *dp);

#endif
