/* SPDX-License-Identifier: GPL-2.0-only */
/* New addresses, ports and MACs, and what that does to checksums. */
#ifndef PCC_REWRITE_BPF_H
#define PCC_REWRITE_BPF_H

#include "tuple.bpf.h"

/* Both MACs of the frame that leaves, which stand beside each other here as there. */
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

/* New addresses and TTL into an IPv4 header. One less TTL is one less in the first byte of its
 * word. */
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

#endif
