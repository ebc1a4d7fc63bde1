/* SPDX-License-Identifier: GPL-2.0-only */
/* The fast path in XDP: what its two programs have in common. */
#ifndef PCC_FAST_XDP_BPF_H
#define PCC_FAST_XDP_BPF_H

#include "flow.bpf.h"
#include "rewrite.bpf.h"

/* The checksum is whole here: what is sent one to complete has no XDP (docs/GUIDE.md, Limits). */
static __always_inline void xdp_csum(void *l4, void *end, const struct pcc_flow *flow, __u8 proto)
{
	__u32 diff = (__u32)flow->addr_diff + flow->port_diff;

	if (proto == IPPROTO_TCP) {
		struct tcphdr *tcp = l4;

		if ((void *)(tcp + 1) > end)
			return;
		tcp->check = csum_apply(tcp->check, diff);
		return;
	}
	struct udphdr *udp = l4;

	if ((void *)(udp + 1) > end || !udp->check)
		return; /* 0 says that there is none (RFC 768) */
	udp->check = csum_apply(udp->check, diff);
	if (!udp->check)
		udp->check = 0xffff;
}

/* New addresses, ports and TTL into the packet whose IP header is at l3. */
static __always_inline int xdp_rewrite(
	void *l3, void *end, const struct pcc_flow *flow, __u32 v6, __u8 proto)
{
	void *l4;

	if (v6) {
		struct ipv6hdr *ip6 = l3;

		if ((void *)(ip6 + 1) + 4 > end)
			return -1;
		rewrite_ip6(ip6, flow);
		l4 = ip6 + 1;
	} else {
		struct iphdr *ip = l3;

		if ((void *)(ip + 1) + 4 > end)
			return -1;
		rewrite_ip4(ip, flow);
		l4 = ip + 1;
	}
	xdp_csum(l4, end, flow, proto);
	((__be16 *)l4)[0] = flow->sport;
	((__be16 *)l4)[1] = flow->dport;
	return 0;
}

/* Is the frame addressed to the interface's own MAC? */
static __always_inline int xdp_is_ours(const __u8 *dst, const struct pcc_flow *flow)
{
	return *(__u32 *)dst == *(__u32 *)flow->in_mac &&
	       *(__u16 *)(dst + 4) == *(__u16 *)(flow->in_mac + 4);
}

/*
 * What pcc_ifaces said of an interface: ifindex (20 bits), master (20 bits) and the low bits of the
 * epoch in which it was asked, in one word, so that a store publishes all of it. User space changes
 * pcc_ifaces before it changes the epoch. A slot that is wrong for the packet costs a look-up.
 */
#define XDP_SEEN_SLOTS 64
#define XDP_SEEN_BITS 20
static volatile __u64 xdp_seen[XDP_SEEN_SLOTS];

/* What a frame from a port of a bridge is known under is the bridge. */
static __always_inline __u32 xdp_ifindex(__u32 ifindex, __u32 epoch)
{
	__u64 key = (__u64)epoch << (2 * XDP_SEEN_BITS) | (__u64)ifindex << XDP_SEEN_BITS;
	__u64 seen = xdp_seen[ifindex % XDP_SEEN_SLOTS];
	struct pcc_iface *iface;
	__u32 master;

	if (!(ifindex >> XDP_SEEN_BITS) && (seen ^ key) >> XDP_SEEN_BITS == 0)
		return seen & ((1u << XDP_SEEN_BITS) - 1);
	iface = bpf_map_lookup_elem(&pcc_ifaces, &ifindex);
	master = iface ? iface->master_ifindex : ifindex;
	if (!((ifindex | master) >> XDP_SEEN_BITS))
		xdp_seen[ifindex % XDP_SEEN_SLOTS] = key | master;
	return master;
}

/*
 * What fast_parse() does not take, and a packet whose lease says more than new MACs: each program
 * has its own answer. l3 is the packet's IP header.
 */
static __always_inline int xdp_other(
	struct xdp_md *ctx, const struct pcc_meta *meta, __be16 protocol);
static __always_inline int xdp_elsewhere(
	struct xdp_md *ctx, const struct pcc_flow *flow, const struct fast_packet *f);

static __always_inline int xdp_fast(struct xdp_md *ctx, const struct pcc_meta *meta)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct fast_packet f = {};
	struct pcc_flow *flow;
	__u32 bytes, ifindex;
	__be16 protocol;
	int verdict;

	if (data + 14 > end)
		return XDP_PASS;
	f.grace = 1;
	bytes = bpf_xdp_get_buff_len(ctx);
	protocol = *(__be16 *)(data + 12);
	if (fast_parse(data + 14, end, bytes - 14, protocol, &f))
		return xdp_other(ctx, meta, protocol);
	ifindex = xdp_ifindex(ctx->ingress_ifindex, *(volatile __u32 *)&meta->epoch);
	flow = flow_find(&f, ctx, ifindex, meta, f.l3_len);
	if (!flow || !xdp_is_ours(data, flow))
		return XDP_PASS;
	if (flow->flags & (PCC_FLOW_IN_L3 | PCC_FLOW_OUT_L3 | PCC_FLOW_WIRE)) {
		verdict = xdp_elsewhere(ctx, flow, &f);
		if (verdict != XDP_REDIRECT)
			return verdict;
	} else {
		if (bpf_redirect_map(&pcc_xdp_ports, flow->egress_ifindex, XDP_PASS) !=
			XDP_REDIRECT)
			return XDP_PASS;
		if (xdp_rewrite(data + 14, end, flow, f.v6, f.proto))
			return XDP_PASS;
		rewrite_macs(data, flow);
	}
	flow_count(flow, meta, bytes);
	return XDP_REDIRECT;
}

#endif
