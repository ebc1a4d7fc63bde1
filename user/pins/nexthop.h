/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Next hops that change their MAC end all leases at once (bpf/pccbpf_neigh.bpf.c). Two links on
 * tracepoints, pinned as link_neigh and link_neigh_done. Where the kernel has no such tracepoints,
 * or refuses, the fast path follows when leases end, within 2.1 s.
 */
#ifndef PCC_NEXTHOP_H
#define PCC_NEXTHOP_H

#include "pins/dataplane.h"

/* Can this kernel do it, as far as its BTF says? */
bool pcc_nexthop_possible(void);

/* Are the programs there, and do they work on the pinned maps? */
bool pcc_nexthop_watched(struct pcc_dp *dp);

/* Puts the programs there, in the place of older ones. 0 or a negative errno with err filled. */
int pcc_nexthop_watch(struct pcc_dp *dp, struct pcc_err *err);

/* The object that the programs are loaded from. */
const void *pcc_nexthop_object(size_t *len);

/* Takes them away. Nothing there is fine. */
void pcc_nexthop_unwatch(struct pcc_dp *dp);

#endif
