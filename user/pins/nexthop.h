/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When a next hop changes its MAC, programs on two tracepoints end all leases at once
 * (bpf/pccbpf_neigh.bpf.c). Their links are pinned as link_neigh and link_neigh_done. If the kernel
 * has no such tracepoints, or refuses the programs, the fast path uses the new MAC when leases end,
 * within 2.1 s.
 */
#ifndef PCC_NEXTHOP_H
#define PCC_NEXTHOP_H

#include "pins/dataplane.h"

/* Does this kernel have the tracepoints, as far as its BTF says? */
bool pcc_nexthop_possible(void);

/* Are the programs attached, and do they use the pinned maps? */
bool pcc_nexthop_watched(struct pcc_dp *dp);

/*
 * Attaches the programs; older ones of ours are replaced. Returns 0 or a negative errno with err
 * filled.
 */
int pcc_nexthop_watch(struct pcc_dp *dp, struct pcc_err *err);

/* Returns the BPF object that the programs are loaded from, and its length in bytes. */
const void *pcc_nexthop_object(size_t *len);

/* Removes the programs. It is no error if there are none. */
void pcc_nexthop_unwatch(struct pcc_dp *dp);

#endif
