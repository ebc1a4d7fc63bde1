// SPDX-License-Identifier: GPL-2.0-only
/*
 * When the MAC of a neighbour changes, all leases end at once; else the fast path would send to the
 * old MAC for up to two seconds more. The programs are attached to tracepoints of the kernel's
 * neighbour tables. They are an object of its own, since a kernel may lack or forbid tracing; then
 * the old MAC is used until the lease ends.
 */
#include "maps.bpf.h"
#include <bpf/bpf_tracing.h>
#include "stats.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* A host that changes its MAC all the time must not keep all others from the fast path. */
#define MOVES_A_SECOND 10

/* Neighbours that are about to get another MAC. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 256);
	__type(key, __u64);
	__type(value, __u8);
} neigh_moves SEC(".maps");

static volatile __u64 moves; /* second << 8, and the number of changes in it */

static __always_inline int moves_too_often(void)
{
	__u64 second = (bpf_ktime_get_ns() >> 30) << 8, m = moves;

	if (m >> 8 != second >> 8)
		m = second;
	if ((m & 255) >= MOVES_A_SECOND)
		return 1;
	moves = m + 1;
	return 0;
}

/* Is the device one of ours, in our network namespace? */
static __always_inline int device_is_ours(struct net_device *dev, const struct pcc_meta *meta)
{
	__u32 ifindex = dev->ifindex;

	return dev->nd_net.net->net_cookie == meta->netns_cookie &&
	       bpf_map_lookup_elem(&pcc_ifaces, &ifindex);
}

/* Runs before the change. lladdr: the new MAC; NULL if the MAC does not change. */
SEC("tp_btf/neigh_update")
int BPF_PROG(pcc_neigh, struct neighbour *n, const __u8 *lladdr)
{
	const struct pcc_meta *meta = meta_get();
	__u64 key = (unsigned long)n, from = 0, to = 0;
	__u8 one = 1;

	if (!meta || !lladdr || !device_is_ours(n->dev, meta) ||
		bpf_probe_read_kernel(&from, 6, n->ha) || bpf_probe_read_kernel(&to, 6, lladdr))
		return 0;
	if (from && from != to) /* 0: it had none, so no entry has it */
		bpf_map_update_elem(&neigh_moves, &key, &one, BPF_ANY);
	return 0;
}

/* Runs after the change: entries that are learned from now on have the new MAC. */
SEC("tp_btf/neigh_update_done")
int BPF_PROG(pcc_neigh_done, struct neighbour *n, int err)
{
	__u64 key = (unsigned long)n;
	struct pcc_meta *meta;
	__u32 zero = 0;

	if (bpf_map_delete_elem(&neigh_moves, &key) || err || moves_too_often())
		return 0;
	meta = bpf_map_lookup_elem(&pcc_meta, &zero);
	if (meta)
		__sync_fetch_and_add(&meta->epoch, 1);
	return 0;
}
