/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the fast path has counted of connections and not yet added to them: it does so with every
 * renewal.
 */
#ifndef PCC_FLOWS_H
#define PCC_FLOWS_H

#include "pins/dataplane.h"

/* One direction of a connection in the fast path. */
struct pcc_flow_part {
	struct pcc_tuple conn; /* key in pcc_conns */
	uint64_t packets, bytes;
	bool to_lan;
	bool valid; /* the lease stands */
};

/* All of them, sorted by connection. The empty value is all zeroes. */
struct pcc_flows {
	struct pcc_flow_part *v;
	size_t n, room;
};

/* Reads pcc_flows. 0 or a negative errno with err filled. */
int pcc_flows_read(struct pcc_flows *flows, struct pcc_dp *dp, struct pcc_err *err);

/* Adds what is there of a connection to it. True where the fast path has it now. */
bool pcc_flows_add(
	const struct pcc_flows *flows, const struct pcc_tuple *key, struct pcc_conn *conn);

void pcc_flows_free(struct pcc_flows *flows);

#endif
