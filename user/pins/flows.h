/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The packets and bytes that the fast path has counted but not yet added to their connections,
 * which it does whenever it renews a lease.
 */
#ifndef PCC_FLOWS_H
#define PCC_FLOWS_H

#include "pins/dataplane.h"

/* One direction of a connection in the fast path. */
struct pcc_flow_part {
	struct pcc_tuple conn; /* the connection's key in pcc_conns */
	uint64_t packets, bytes;
	bool to_lan;
	bool valid; /* the lease has not ended */
};

/* All directions in the fast path, sorted by connection. The empty value is all zeroes. */
struct pcc_flows {
	struct pcc_flow_part *v;
	size_t n, room;
};

/* Reads the map pcc_flows. Returns 0 or a negative errno with err filled. */
int pcc_flows_read(struct pcc_flows *flows, struct pcc_dp *dp, struct pcc_err *err);

/*
 * Adds the counts of a connection's directions to it. Returns true if the fast path has the
 * connection now.
 */
bool pcc_flows_add(
	const struct pcc_flows *flows, const struct pcc_tuple *key, struct pcc_conn *conn);

void pcc_flows_free(struct pcc_flows *flows);

#endif
