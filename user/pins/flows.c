// SPDX-License-Identifier: GPL-2.0-only
/* Reads what the fast path has counted of connections. */
#include "pins/flows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "pccbpf_flow.h"
#include "pins/pins.h"

static void conn_key(struct pcc_tuple *to, const struct pcc_flow *flow)
{
	*to = flow->in;
	if (!(flow->flags & PCC_FLOW_TO_LAN))
		return;
	memcpy(to->src, flow->dst, sizeof(to->src));
	memcpy(to->dst, flow->src, sizeof(to->dst));
	to->sport = flow->dport;
	to->dport = flow->sport;
}

struct flows_walk {
	struct pcc_flows *flows;
	const struct pcc_meta *meta;
	uint64_t now_ns;
};

static int add_part(const struct flows_walk *walk, const struct pcc_flow *flow)
{
	struct pcc_flows *flows = walk->flows;
	struct pcc_flow_part *part;
	__u64 packets, bytes;

	if (flows->n == flows->room) {
		size_t room = flows->room ? flows->room * 2 : 1024;

		part = reallocarray(flows->v, room, sizeof(*part));
		if (!part)
			return -ENOMEM;
		flows->v = part;
		flows->room = room;
	}
	part = &flows->v[flows->n++];
	memset(part, 0, sizeof(*part));
	conn_key(&part->conn, flow);
	pcc_flow_uncounted(flow->counted + flow->counted_others, flow->folded, &packets, &bytes);
	part->packets = packets;
	part->bytes = bytes;
	part->to_lan = flow->flags & PCC_FLOW_TO_LAN;
	part->valid = flow->epoch == walk->meta->epoch &&
		      (int32_t)((uint32_t)(walk->now_ns >> PCC_LEASE_SHIFT) - flow->lease) < 0;
	return 0;
}

static int add_parts(const void *keys, const void *values, uint32_t n, void *arg)
{
	const struct pcc_flow *flow = values;
	int ret = 0;

	(void)keys;
	for (uint32_t i = 0; !ret && i < n; i++)
		ret = add_part(arg, &flow[i]);
	return ret;
}

static int part_cmp(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct pcc_tuple));
}

int pcc_flows_read(struct pcc_flows *flows, struct pcc_dp *dp, struct pcc_err *err)
{
	struct flows_walk walk = {.flows = flows, .meta = dp->meta, .now_ns = pcc_now_ns()};
	int ret = pcc_map_walk(dp->map_fd[PCC_MAP_FLOWS], sizeof(struct pcc_flow_key),
		sizeof(struct pcc_flow), add_parts, &walk);

	if (ret)
		return pcc_err_set(err, ret, "pcc_flows", "cannot be read: %s", strerror(-ret));
	if (flows->n)
		qsort(flows->v, flows->n, sizeof(*flows->v), part_cmp);
	return 0;
}

bool pcc_flows_add(
	const struct pcc_flows *flows, const struct pcc_tuple *key, struct pcc_conn *conn)
{
	const struct pcc_flow_part *part;
	bool valid = false;

	if (!flows->n)
		return false;
	part = bsearch(key, flows->v, flows->n, sizeof(*part), part_cmp);
	while (part && part > flows->v && !part_cmp(part - 1, key))
		part--;
	for (; part && part < flows->v + flows->n && !part_cmp(part, key); part++) {
		valid = valid || part->valid;
		if (part->to_lan) {
			conn->rx_packets += part->packets;
			conn->rx_bytes += part->bytes;
		} else {
			conn->tx_packets += part->packets;
			conn->tx_bytes += part->bytes;
		}
	}
	return valid;
}

void pcc_flows_free(struct pcc_flows *flows)
{
	free(flows->v);
	memset(flows, 0, sizeof(*flows));
}
