// SPDX-License-Identifier: GPL-2.0-only
/*
 * Yardsticks: the least that a program in the router can do. Bare redirects that take the WANs in
 * turn, a classifier that only marks by source port, and empty programs.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "frame.h"

#define TCX_NEXT (-1)

const volatile __u32 path_wans = 2;
const volatile __u32 path_const_mark = 0; /* not 0: path_mark sets this one */
const volatile __u32 path_mark_shift = 0;
const volatile __u32 path_mark_or = 0;
const volatile __u32 path_use_map = 0;
const volatile __u32 path_use_hash =
	0; /* path_mark steers a multipath route by the packet's hash */
const volatile __u32 path_ifindexes[PATH_MAX_WANS] = {};
const volatile __u32 path_burst = 1; /* frames in a row by one WAN */
volatile __u32 path_turn;
volatile __u32 path_sent; /* frames of the turn */

/* WAN number -> ifindex; filled by the benchmark before the run. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, PATH_MAX_WANS);
	__type(key, __u32);
	__type(value, __u32);
} path_ports SEC(".maps");

/* A connection map like the product's: path_mark looks up every frame when path_use_map is set. */
struct path_key {
	__u32 src[4], dst[4];
	__u32 ports, protocol;
};

struct path_value {
	__u64 last_seen_ns, packets, bytes;
	__u32 mark, pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 262144);
	__type(key, struct path_key);
	__type(value, struct path_value);
} path_conns SEC(".maps");

/* One CPU generates, so that one at a time is here. */
static __always_inline __u32 next_wan(void)
{
	__u32 wan = path_turn;

	if (path_burst > 1 && ++path_sent < path_burst)
		return wan;
	path_sent = 0;
	path_turn = wan + 1 < path_wans ? wan + 1 : 0;
	return wan;
}

SEC("xdp")
int path_xdp(struct xdp_md *ctx)
{
	(void)ctx;
	return bpf_redirect_map(&path_ports, next_wan(), XDP_DROP);
}

SEC("xdp")
int path_xdp_drop(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_DROP;
}

SEC("tc")
int path_tc(struct __sk_buff *skb)
{
	__u32 wan = next_wan();

	(void)skb;
	return bpf_redirect(wan < PATH_MAX_WANS ? path_ifindexes[wan] : 0, 0);
}

/* A cheap hash, so that neighbouring flows do not simply alternate. */
static __always_inline __u32 mark_of(__u16 port)
{
	return (1 + ((port * 0x9e3779b1u) >> 16) % path_wans) << path_mark_shift;
}

static __always_inline __u32 mark_by_map(const struct path_key *key, __u16 port, __u32 bytes)
{
	struct path_value *value = bpf_map_lookup_elem(&path_conns, key), fresh = {};

	if (!value) {
		fresh.mark = mark_of(port);
		bpf_map_update_elem(&path_conns, key, &fresh, BPF_NOEXIST);
		return fresh.mark;
	}
	value->last_seen_ns = bpf_ktime_get_coarse_ns();
	value->packets++;
	value->bytes += bytes;
	return value->mark;
}

/*
 * With fib_multipath_hash_policy 1 the kernel takes a layer 4 hash that the packet has already, and
 * its upper 31 bits choose among next hops of equal weight: aim at the middle of the WAN's range.
 */
static __always_inline int steer(struct __sk_buff *skb, __u32 mark)
{
	__u64 wan = mark >> path_mark_shift;

	skb->mark = mark | path_mark_or;
	if (path_use_hash)
		bpf_set_hash(skb, (__u32)(((2 * wan - 1) << 31) / path_wans));
	return TCX_NEXT;
}

SEC("tc")
int path_mark(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct path_key key = {.protocol = 17};
	struct ethhdr *eth = data;
	struct ipv6hdr *ip6 = data + sizeof(*eth);
	struct iphdr *ip4 = data + sizeof(*eth);
	struct udphdr *udp;

	if (path_const_mark)
		return steer(skb, path_const_mark << path_mark_shift);
	if (data + FRAME_BYTES > end)
		return TCX_NEXT;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		udp = (void *)(ip4 + 1);
		key.src[3] = ip4->saddr;
		key.dst[3] = ip4->daddr;
	} else {
		udp = (void *)(ip6 + 1);
		__builtin_memcpy(key.src, &ip6->saddr, sizeof(key.src));
		__builtin_memcpy(key.dst, &ip6->daddr, sizeof(key.dst));
	}
	key.ports = (__u32)udp->source << 16 | udp->dest;
	return steer(skb, path_use_map ? mark_by_map(&key, bpf_ntohs(udp->source), skb->len)
				       : mark_of(bpf_ntohs(udp->source)));
}

SEC("tc")
int path_next(struct __sk_buff *skb)
{
	(void)skb;
	return TCX_NEXT;
}

char LICENSE[] SEC("license") = "GPL";
