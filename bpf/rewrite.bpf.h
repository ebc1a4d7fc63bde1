/* SPDX-License-Identifier: GPL-2.0-only */
/* Writes new addresses, ports and MACs into a packet, and corrects its checksums. */
#ifndef PCC_REWRITE_BPF_H
#define PCC_REWRITE_BPF_H

#include "tuple.bpf.h"

/*
 * Writes both MACs of the frame. They are next to each other in the frame and in struct pcc_flow.
 */
static __always_inline void rewrite_macs(void *eth, const struct pcc_flow *flow)
{
	_Static_assert(__builtin_offsetof(struct pcc_flow, smac) ==
			       __builtin_offsetof(struct pcc_flow, dmac) + 6,
		"a frame's MACs in its order");
	*(__u64 *)eth = *(__u64 *)flow->dmac;
	*(__u32 *)(eth + 8) = *(__u32 *)(flow->dmac + 8);
}

/* Ones' complement arithmetic (RFC 1624). */
static __always_inline __u16 csum_fold32(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static __always_inline __sum16 csum_apply(__sum16 check, __u32 diff)
{
	return ~csum_fold32((__u16)~check + csum_fold32(diff));
}

/*
 * Writes new addresses and TTL into an IPv4 header. The TTL is the first byte of its 16-bit word,
 * so one less is 0x0100 less in the sum.
 */
static __always_inline void rewrite_ip4(struct iphdr *ip, const struct pcc_flow *flow)
{
	ip->check = csum_apply(ip->check, (__u32)flow->addr_diff + bpf_htons(0xfeff));
	ip->ttl -= 1;
	ip->saddr = flow->src4;
	ip->daddr = flow->dst4;
}

static __always_inline void rewrite_ip6(struct ipv6hdr *ip6, const struct pcc_flow *flow)
{
	ip6->hop_limit -= 1;
	addr_copy6(ip6->saddr.in6_u.u6_addr32, flow->src);
	addr_copy6(ip6->daddr.in6_u.u6_addr32, flow->dst);
}

/*
 * Corrects the transport checksum of a frame in XDP. It is complete there: XDP must not be used
 * where frames arrive with unfinished checksums (docs/GUIDE.md, Limits).
 */
static __always_inline void csum_frame(void *l4, void *end, const struct pcc_flow *flow, __u8 proto)
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

/*
 * The same in tc, for the header at off. The checksum of an skb may be partial, or be computed by
 * the card; only the kernel's helpers handle these cases. Has to be called before the headers are
 * rewritten, since helpers make pointers into the packet invalid. Returns 0 or -1.
 */
static __always_inline int csum_skb(
	struct __sk_buff *skb, const struct pcc_flow *flow, __u32 off, __u8 proto)
{
	__u64 udp = proto == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;

	off += proto == IPPROTO_TCP ? 16 : 6;
	if (flow->flags & PCC_FLOW_ADDRS &&
		bpf_l4_csum_replace(skb, off, 0, flow->addr_diff, BPF_F_PSEUDO_HDR | udp))
		return -1;
	if (flow->flags & PCC_FLOW_PORTS && bpf_l4_csum_replace(skb, off, 0, flow->port_diff, udp))
		return -1;
	return 0;
}

/* Who corrects the transport checksum; a constant of the caller. */
enum rewrite_csum { CSUM_IS_DONE, CSUM_WHOLE };

/*
 * Writes new addresses, ports and TTL into the packet whose IP header is at l3, and corrects its
 * checksums. Returns -1, with nothing changed, if the packet ends before its ports.
 */
static __always_inline int rewrite_packet(void *l3, void *end, const struct pcc_flow *flow,
	__u32 v6, __u8 proto, enum rewrite_csum csum)
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
	if (csum == CSUM_WHOLE)
		csum_frame(l4, end, flow, proto);
	((__be16 *)l4)[0] = flow->sport;
	((__be16 *)l4)[1] = flow->dport;
	return 0;
}

#endif
