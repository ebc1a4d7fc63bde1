/* SPDX-License-Identifier: GPL-2.0-only */
/* Connections that a flowtable forwards now: conntrack's entries with the status OFFLOAD. */
#ifndef PCC_OFFLOAD_H
#define PCC_OFFLOAD_H

#include "pins/dataplane.h"

/* What they are of one WAN. */
struct pcc_offloaded {
	uint64_t connections;
	bool counted;		 /* the rest is known */
	uint64_t packets, bytes; /* of those connections, that pccbpf has not seen */
};

/* By WAN id; 0: of none that is known. Zeroes where there is no flowtable. */
int pcc_offload_count(struct pcc_dp *dp, struct pcc_offloaded by_wan[PCC_MAX_WANS + 1]);

/* The tuples of them all, sorted. The empty value is all zeroes, and has none. */
struct pcc_offload_set {
	struct pcc_tuple *v;
	size_t n, room;
};

/* Reads them; none where there is no flowtable. */
int pcc_offload_set_read(struct pcc_offload_set *set);
bool pcc_offload_set_has(const struct pcc_offload_set *set, const struct pcc_tuple *key);
void pcc_offload_set_free(struct pcc_offload_set *set);

/*
 * Deletes the entries of a WAN that have no mark and are perhaps not in pcc_conns: those that a
 * flowtable took before pccbpf could mark them. Their NAT address tells the WAN. 0 or -errno with
 * err filled.
 */
int pcc_offload_release(struct pcc_dp *dp, uint32_t wan_id, const struct pcc_dp_local *locals,
	uint32_t nlocals, struct pcc_err *err);

#endif
