/* SPDX-License-Identifier: GPL-2.0-only */
/* The fast path in XDP: the part that its two programs share. */
#ifndef PCC_FAST_XDP_BPF_H
#define PCC_FAST_XDP_BPF_H

#include "flow.bpf.h"
#include "rewrite.bpf.h"

/* Is the frame addressed to the interface's own MAC? */
static __always_inline int xdp_is_ours(const __u8 *dst, const struct pcc_flow *flow)
{
	return *(__u32 *)dst == *(__u32 *)flow->in_mac &&
	       *(__u16 *)(dst + 4) == *(__u16 *)(flow->in_mac + 4);
}

/*
 * A cache of pcc_ifaces: ifindex (20 bits), master (20 bits) and the low bits of the epoch in which
 * the map was asked, in one word, so that one store publishes all of them. User space changes
 * pcc_ifaces before it changes the epoch. If the slot has another interface or epoch, the map is
 * asked.
 */
#define XDP_SEEN_SLOTS 64
#define XDP_SEEN_BITS 20
static volatile __u64 xdp_seen[XDP_SEEN_SLOTS];

/* The ifindex under which a frame is looked up: for the port of a bridge that of the bridge. */
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

/* Flags of a lease whose packets do not both arrive and leave as plain frames. */
#define XDP_NOT_PLAIN (PCC_FLOW_IN_L3 | PCC_FLOW_OUT_L3 | PCC_FLOW_WIRE)

/* The entry for a plain frame that has been parsed. NULL: the frame goes to the kernel. */
static __always_inline struct pcc_flow *xdp_find(
	struct xdp_md *ctx, const struct pcc_meta *meta, void *data, struct fast_packet *f)
{
	__u32 ifindex = xdp_ifindex(ctx->ingress_ifindex, *(volatile __u32 *)&meta->epoch);
	struct pcc_flow *flow = flow_find(f, ctx, HOOK_XDP, ifindex, meta, f->l3_len);

	return flow && xdp_is_ours(data, flow) ? flow : NULL;
}

/* Rewrites a plain frame that leaves as a plain frame. Returns XDP_REDIRECT if that was done. */
static __always_inline int xdp_send(
	void *data, void *end, const struct pcc_flow *flow, const struct fast_packet *f)
{
	if (bpf_redirect_map(&pcc_xdp_ports, flow->egress_ifindex, XDP_PASS) != XDP_REDIRECT)
		return XDP_PASS;
	if (rewrite_packet(data + 14, end, flow, f->v6, f->proto, CSUM_WHOLE))
		return XDP_PASS;
	rewrite_macs(data, flow);
	return XDP_REDIRECT;
}

#endif
