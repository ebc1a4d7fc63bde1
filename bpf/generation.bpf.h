/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Have the routing tables, rules, links or nftables of this network namespace changed? The kernel
 * keeps numbers that grow with each change; they are mixed into one word here. Before 6.17 the
 * kernel has no such number for nftables, and the word is 0.
 */
#ifndef PCC_GENERATION_BPF_H
#define PCC_GENERATION_BPF_H

#include "common.bpf.h"

extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym __weak;

/*
 * The members of struct net that are read. They are found by their names, since other kernels have
 * them at other offsets.
 */
struct netns_nftables___pcc {
	__u32 base_seq; /* net/netfilter/nf_tables_api.c: each transaction */
} __attribute__((preserve_access_index));

struct netns_ipv4___pcc {
	atomic_t rt_genid; /* include/net/net_namespace.h: IPv4 routes, rules, addresses, links */
	unsigned int fib_rules_require_fldissect; /* net/core/fib_rules.c: rules with protocol or
						     ports */
} __attribute__((preserve_access_index));

struct rt6_statistics___pcc {
	__u32 fib_discarded_routes; /* net/ipv6/ip6_fib.c, fib6_del_route() */
} __attribute__((preserve_access_index));

struct netns_ipv6___pcc {
	atomic_t fib6_sernum; /* net/ipv6/ip6_fib.c: each IPv6 route that comes or changes, rules */
	struct rt6_statistics___pcc *rt6_stats;
	unsigned int fib6_rules_require_fldissect;
} __attribute__((preserve_access_index));

struct net___pcc {
	struct netns_ipv4___pcc ipv4;
	struct netns_ipv6___pcc ipv6;
	struct netns_nftables___pcc nft;
} __attribute__((preserve_access_index));

#define PCC_HAVE_GENERATION() bpf_core_field_exists(struct net___pcc, nft.base_seq)

/*
 * The generation of IPv6 routes, rules and addresses, mixed with that of IPv4. IPv6 needs both:
 * when a link loses its carrier, IPv6 stops using its routes without counting
 * (rt6_sync_down_dev()), but IPv4 counts it (fib_netdev_event()).
 */
static __always_inline __u32 generation6_of(const struct net___pcc *net)
{
	return net->ipv6.fib6_sernum.counter +
	       net->ipv6.rt6_stats->fib_discarded_routes * 0x85ebca6bu +
	       net->ipv4.rt_genid.counter * 0x9e3779b1u;
}

static __always_inline __u32 generation_of(const struct net_device *dev)
{
	const struct net___pcc *net = (const void *)dev->nd_net.net;
	__u32 gen = net->nft.base_seq * 0x9e3779b1u;

	gen = (gen ^ gen >> 15) + generation6_of(net);
	return gen ? gen : 1;
}

/* The hook at which the program runs, and so the type of its context. */
enum hook { HOOK_TC, HOOK_XDP };

/*
 * The generation of the packet's namespace. The hook is a constant wherever this function is
 * inlined, so the verifier sees only one of the two branches.
 */
static __always_inline __u32 ctx_generation(void *ctx, enum hook hook)
{
	struct sk_buff *skb;
	struct xdp_buff *xdp;

	if (hook == HOOK_TC) {
		skb = bpf_cast_to_kern_ctx(ctx);
		return generation_of(skb->dev);
	}
	xdp = bpf_cast_to_kern_ctx(ctx);
	return generation_of(xdp->rxq->dev);
}

#endif
