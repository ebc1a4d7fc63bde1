/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * UDP services of the router that are bound to no address answer from the address that was asked
 * (bpf/pccbpf_asked.bpf.c). Three links of the root of the control groups, pinned as
 * link_asked_in, link_asked_out4 and link_asked_out6. Where there is no cgroup version 2, or the
 * kernel refuses, such answers come from the address that main's route has, as without pccbpf.
 */
#ifndef PCC_ASKED_H
#define PCC_ASKED_H

#include "pins/dataplane.h"

/* Has no attempt of this process failed? So that it is not made again and again. */
bool pcc_asked_possible(void);

/* Attaches all, in place of older ones of ours. 0 or a negative errno with err filled. */
int pcc_asked_attach(struct pcc_dp *dp, struct pcc_err *err);

/* Takes them away. Nothing there is fine. */
void pcc_asked_detach(struct pcc_dp *dp);

/* The object that the programs are loaded from. */
const void *pcc_asked_object(size_t *len);

/* Are all attached? */
bool pcc_asked_present(struct pcc_dp *dp);

#endif
