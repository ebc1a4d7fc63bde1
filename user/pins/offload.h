/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connections that a flowtable forwards at this moment: entries of conntrack with the status
 * OFFLOAD.
 */
#ifndef PCC_OFFLOAD_H
#define PCC_OFFLOAD_H

#include "pins/dataplane.h"

/* The connections of one WAN. */
struct pcc_offloaded {
	uint64_t connections;
	bool counted;		 /* packets and bytes are known */
	uint64_t packets, bytes; /* of those connections: what pccbpf has not seen */
};

/*
 * Counts the connections by WAN id; index 0 is for those whose WAN is not known. All are zero if
 * there is no flowtable. Returns 0 or -errno.
 */
int pcc_offload_count(struct pcc_dp *dp, struct pcc_offloaded by_wan[PCC_MAX_WANS + 1]);

/* The tuples of all such connections, sorted. The empty value is all zeroes. */
struct pcc_offload_set {
	struct pcc_tuple *v;
	size_t n, room;
};

/* Reads the set; it is empty if there is no flowtable. Returns 0 or -errno. */
int pcc_offload_set_read(struct pcc_offload_set *set);
bool pcc_offload_set_has(const struct pcc_offload_set *set, const struct pcc_tuple *key);
void pcc_offload_set_free(struct pcc_offload_set *set);

/*
 * Deletes the conntrack entries of a WAN that have no mark and may be missing in pcc_conns: a
 * flowtable took over these connections before pccbpf could mark them. The WAN is found by the
 * address that NAT gave them. Returns 0 or -errno with err filled.
 */
int pcc_offload_release(struct pcc_dp *dp, uint32_t wan_id, const struct pcc_dp_local *locals,
	uint32_t nlocals, struct pcc_err *err);

#endif
