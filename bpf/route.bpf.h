/* SPDX-License-Identifier: GPL-2.0-only */
/* Questions to the kernel's routing tables. */
#ifndef PCC_ROUTE_BPF_H
#define PCC_ROUTE_BPF_H

#include "generation.bpf.h"
#include "packet.bpf.h"

/* Bits of bpf_fib_lookup() by number: headers of older kernels lack the last ones. */
#define PCC_FIB_DIRECT 0x1u
#define PCC_FIB_SKIP_NEIGH 0x4u
#define PCC_FIB_TBID 0x8u
#define PCC_FIB_MARK 0x20u

#define PCC_TABLE_MAIN 254u
#define PCC_LOOPBACK_IFINDEX 1u

/* From 6.10 on the helper takes a mark, and so applies all rules to the packet. */
struct bpf_fib_lookup___pcc {
	__u32 mark;
} __attribute__((preserve_access_index));

#define PCC_HAVE_FIB_MARK() bpf_core_field_exists(struct bpf_fib_lookup___pcc, mark)

/* What becomes of a LAN's packet, by the router's tables, if it gets the mark of a WAN. */
enum route_answer {
	ROUTE_WAN,	  /* only default routes lead there, and it leaves by the WAN */
	ROUTE_DEAD_END,	  /* as ROUTE_WAN, but the WAN has no route, perhaps since its link is
			     down */
	ROUTE_OVERRIDDEN, /* as ROUTE_WAN, but a rule of the user's comes before the mark */
	ROUTE_OTHER,	  /* it has a route of its own, or is rejected: leave it alone */
	ROUTE_LOCAL,	  /* it is for the router itself */
	ROUTE_MARTIAN,	  /* it must not come from there: packet_is_martian() */
	ROUTE_DEFAULT,	  /* only default routes lead there, or none, as they may be gone with
			     their link; whether a WAN can be used was not asked */
};

static __always_inline void fib_params(
	struct __sk_buff *skb, const struct pcc_packet *p, struct bpf_fib_lookup *fib)
{
	fib->ifindex = skb->ifindex;
	fib->l4_protocol = p->tuple.proto;
	if (p->family == PCC_V4) {
		fib->family = PCC_AF_INET;
		fib->tos = p->dscp_ecn & 0x1c; /* IPTOS_RT_MASK */
		fib->ipv4_src = p->src.in6_u.u6_addr32[3];
		fib->ipv4_dst = p->dst.in6_u.u6_addr32[3];
	} else {
		fib->family = PCC_AF_INET6;
		addr_copy6(fib->ipv6_src, p->src.in6_u.u6_addr32);
		addr_copy6(fib->ipv6_dst, p->dst.in6_u.u6_addr32);
	}
	if (!(p->flags & PCC_P_QUOTED)) {
		fib->sport = p->tuple.sport;
		fib->dport = p->tuple.dport;
	}
}

static __always_inline int fib_found(long ret)
{
	return ret == BPF_FIB_LKUP_RET_SUCCESS || ret == BPF_FIB_LKUP_RET_NO_NEIGH ||
	       ret == BPF_FIB_LKUP_RET_FRAG_NEEDED || ret == BPF_FIB_LKUP_RET_UNSUPP_LWT;
}

/*
 * The kernel forwards IPv6 if net.ipv6.conf.all.forwarding is set (net/ipv6/ip6_output.c,
 * ip6_forward()). The helper looks at the flag of the device that the packet came in by, which
 * network managers may have cleared. Then the question is asked again for the loopback device.
 */
static __always_inline long fib_lookup6(
	struct __sk_buff *skb, struct bpf_fib_lookup *fib, __u32 flags)
{
	long ret = bpf_fib_lookup(skb, fib, sizeof(*fib), flags);

	if (ret != BPF_FIB_LKUP_RET_FWD_DISABLED)
		return ret;
	fib->ifindex = PCC_LOOPBACK_IFINDEX;
	return bpf_fib_lookup(skb, fib, sizeof(*fib), flags);
}

/* Does the main table have a "prohibit" route for the address? */
static __noinline int main_prohibits(struct __sk_buff *skb, const struct pcc_packet *p, __be32 dst)
{
	struct bpf_fib_lookup fib = {};

	if (!skb || !p)
		return 0;
	fib_params(skb, p, &fib);
	fib.ipv4_dst = dst;
	fib.tbid = PCC_TABLE_MAIN;
	return bpf_fib_lookup(skb, &fib, sizeof(fib), PCC_FIB_DIRECT | PCC_FIB_TBID) ==
	       BPF_FIB_LKUP_RET_PROHIBIT;
}

/*
 * Does the destination have a route of its own, or only a default route? Connected nets and static
 * routes win over every mark (the rule that suppresses defaults comes first), so packets to them
 * are not balanced, even if they leave by a WAN. The helper does not tell the length of the prefix
 * that it found.
 *
 * IPv4: the look-up uses a source for which pccbpf has made the default route "prohibit". A
 * "prohibit" route of the user's gives the same result; the look-up with the mark tells the two
 * apart, and before 6.10 a look-up in the main table.
 */
static __noinline int route_own4(struct __sk_buff *skb, const struct pcc_packet *p)
{
	struct bpf_fib_lookup fib = {};
	long ret;

	if (!skb || !p)
		return ROUTE_OTHER;
	fib_params(skb, p, &fib);
	fib.ipv4_src = bpf_htonl(PCC_PROBE_V4);
	ret = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	if (ret == BPF_FIB_LKUP_RET_PROHIBIT && !PCC_HAVE_FIB_MARK() &&
		main_prohibits(skb, p, p->dst.in6_u.u6_addr32[3]) &&
		!main_prohibits(skb, p, bpf_htonl(PCC_PROBE_V4)))
		return ROUTE_OTHER; /* "prohibit" for this destination, and not as the default */
	if (ret == BPF_FIB_LKUP_RET_PROHIBIT)
		return ROUTE_DEFAULT;
	/* An address that pcc_local does not know yet. */
	return ret == BPF_FIB_LKUP_RET_NOT_FWDED ? ROUTE_LOCAL : ROUTE_OTHER;
}

/*
 * The result of a look-up: device, metric, next hop (the helper has written the gateway into the
 * destination).
 */
struct way6 {
	__u32 ifindex;
	__u32 metric;
	__be32 hop[4];
};

static __always_inline void way6_of(struct way6 *way, const struct bpf_fib_lookup *fib)
{
	way->ifindex = fib->ifindex;
	way->metric = fib->rt_metric;
	addr_copy6(way->hop, fib->ipv6_dst);
}

/*
 * Without a gateway the helper leaves both destinations as they were: this is the default route of
 * a point-to-point WAN.
 */
static __always_inline int on_link_default(
	const struct way6 *way, const struct bpf_fib_lookup *def, const struct pcc_packet *p)
{
	return def->ipv6_dst[0] == bpf_htonl(PCC_NOBODY_V6_0) &&
			       def->ipv6_dst[3] == bpf_htonl(PCC_NOBODY_V6_3) &&
			       way->hop[0] == p->dst.in6_u.u6_addr32[0] &&
			       way->hop[3] == p->dst.in6_u.u6_addr32[3]
		       ? ROUTE_DEFAULT
		       : ROUTE_OTHER;
}

/*
 * IPv6: the helper does not suppress defaults (fib6_rule_suppress() needs a route that the helper
 * does not create). So the result is compared with that for an address that nobody has: with the
 * same device, next hop and metric it is the default route. A static route through the next hop of
 * the default route is mistaken for the default.
 */
static __noinline int route_own6(struct __sk_buff *skb, const struct pcc_packet *p)
{
	struct bpf_fib_lookup fib = {};
	struct way6 way;
	long ret;

	if (!skb || !p)
		return ROUTE_OTHER;
	fib_params(skb, p, &fib);
	ret = fib_lookup6(skb, &fib, 0);
	if (ret == BPF_FIB_LKUP_RET_NOT_FWDED)
		return ROUTE_DEFAULT;
	if (!fib_found(ret))
		return ROUTE_OTHER;
	way6_of(&way, &fib);
	__builtin_memset(&fib, 0, sizeof(fib));
	fib_params(skb, p, &fib);
	fib.ipv6_dst[0] = bpf_htonl(PCC_NOBODY_V6_0);
	fib.ipv6_dst[1] = fib.ipv6_dst[2] = 0;
	fib.ipv6_dst[3] = bpf_htonl(PCC_NOBODY_V6_3);
	ret = fib_lookup6(skb, &fib, PCC_FIB_DIRECT);
	if (!fib_found(ret) || fib.ifindex != way.ifindex || fib.rt_metric != way.metric)
		return ROUTE_OTHER;
	return fib.ipv6_dst[0] == way.hop[0] && fib.ipv6_dst[1] == way.hop[1] &&
			       fib.ipv6_dst[2] == way.hop[2] && fib.ipv6_dst[3] == way.hop[3]
		       ? ROUTE_DEFAULT
		       : on_link_default(&way, &fib, p);
}

/* ROUTE_DEFAULT, ROUTE_OTHER or ROUTE_LOCAL. */
static __noinline int route_own(struct __sk_buff *skb, const struct pcc_packet *p)
{
	struct pcc_addr addr;

	if (!skb || !p)
		return ROUTE_OTHER;
	addr_copy6(addr.a, p->dst.in6_u.u6_addr32);
	if (bpf_map_lookup_elem(&pcc_local, &addr))
		return ROUTE_LOCAL;
	return p->family == PCC_V4 ? route_own4(skb, p) : route_own6(skb, p);
}

/* Where the mark of this WAN sends a packet to which only defaults lead: ROUTE_WAN, ROUTE_DEAD_END
 * or ROUTE_OVERRIDDEN. */
static __noinline int route_marked(
	struct __sk_buff *skb, const struct pcc_packet *p, const struct pcc_wan *wan)
{
	struct bpf_fib_lookup fib = {};
	long ret;

	if (!skb || !p || !wan)
		return ROUTE_DEAD_END;
	fib_params(skb, p, &fib);
	*(__u32 *)fib.smac =
		wan->mark; /* `mark` shares its place with the MACs, which are output */
	ret = p->family == PCC_V4 ? bpf_fib_lookup(skb, &fib, sizeof(fib), PCC_FIB_MARK) : -1;
	if (ret < 0) { /* IPv6 (see route_own6()), and before 6.10: look into the WAN's own table */
		fib_params(skb, p, &fib);
		fib.tbid = wan->table;
		ret = p->family == PCC_V4 ? bpf_fib_lookup(skb, &fib, sizeof(fib),
						    PCC_FIB_DIRECT | PCC_FIB_TBID)
					  : fib_lookup6(skb, &fib, PCC_FIB_DIRECT | PCC_FIB_TBID);
	}
	if (ret < 0 || ret == BPF_FIB_LKUP_RET_FWD_DISABLED)
		return ROUTE_WAN; /* the helper cannot tell */
	if (!fib_found(ret))
		return ret == BPF_FIB_LKUP_RET_PROHIBIT || ret == BPF_FIB_LKUP_RET_BLACKHOLE
			       ? ROUTE_OVERRIDDEN
			       : ROUTE_DEAD_END;
	return fib.ifindex == wan->ifindex ? ROUTE_WAN : ROUTE_OVERRIDDEN;
}

/* Is the packet from the LAN a martian (packet_is_martian())? */
static __noinline int is_martian(struct __sk_buff *skb, const struct pcc_packet *p)
{
	struct pcc_iface *iface;
	__u32 ifindex;

	if (!skb || !p)
		return 0;
	ifindex = skb->ifindex;
	iface = bpf_map_lookup_elem(&pcc_ifaces, &ifindex);
	return iface && packet_is_martian(p, iface);
}

/*
 * The answers "ROUTE_WAN" for pairs of hosts. They are used as long as the kernel's tables and
 * rules of the family do not change, and help since clients often open several connections to the
 * same server. If two questions have the same place, the last one overwrites the other. The maps
 * are small, so that they stay in the cache.
 */
#define PCC_ROUTES_SEEN_BITS 10
#define PCC_ROUTES_SEEN (1u << PCC_ROUTES_SEEN_BITS)

struct route_seen4 {
	__be32 src;
	__be32 dst;
	__u32 ifindex; /* where the packet came in */
	__u32 mark;
	__u32 tos;
	__u32 generation;
	__u32 epoch; /* pcc_meta.epoch: the router's own addresses, of which the source is none */
	__u32 pad;
};

struct route_seen6 {
	__be32 src[4];
	__be32 dst[4];
	__u32 ifindex;
	__u32 mark;
	__u32 pad;
	__u32 generation;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PCC_ROUTES_SEEN);
	__type(key, __u32);
	__type(value, struct route_seen4);
} pcc_routes_seen4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PCC_ROUTES_SEEN);
	__type(key, __u32);
	__type(value, struct route_seen6);
} pcc_routes_seen6 SEC(".maps");

/*
 * The generation of the tables and rules of a family; 0 if answers cannot be kept: on older
 * kernels, and with rules that look at protocols or ports.
 */
static __always_inline __u32 route_generation(struct __sk_buff *skb, __u32 family)
{
	const struct net___pcc *net;
	struct sk_buff *kernel_skb;

	if (!PCC_HAVE_GENERATION())
		return 0;
	kernel_skb = bpf_cast_to_kern_ctx(skb);
	net = (const void *)kernel_skb->dev->nd_net.net;
	if (family == PCC_V4)
		return net->ipv4.fib_rules_require_fldissect ? 0 : net->ipv4.rt_genid.counter;
	return net->ipv6.fib6_rules_require_fldissect ? 0 : generation6_of(net);
}

/* The place of a question. The hosts of one network have different places. */
static __always_inline __u32 route_place(__be32 src, __be32 dst, __u32 mark)
{
	return (bpf_ntohl(src) * 2 + (dst + mark) * 0x85ebca6bu) * 0x9e3779b1u >>
	       (32 - PCC_ROUTES_SEEN_BITS);
}

/*
 * IPv4: ROUTE_WAN if that answer is known, or if one look-up with the mark ends at the default
 * route of the WAN's own table: then no other route or rule decided. Else ROUTE_MARTIAN, or
 * ROUTE_DEFAULT: the caller has to ask route_own() and route_marked(), as always before 6.10.
 */
static __noinline int route_short4(struct __sk_buff *skb, const struct pcc_packet *p,
	const struct pcc_meta *meta, const struct pcc_wan *wan)
{
	struct bpf_fib_lookup fib = {};
	struct route_seen4 *seen, now;
	__u32 place;
	long ret;

	if (!skb || !p || !meta)
		return ROUTE_DEFAULT;
	if (!wan || !PCC_HAVE_FIB_MARK())
		return is_martian(skb, p) ? ROUTE_MARTIAN : ROUTE_DEFAULT;
	now.src = p->src.in6_u.u6_addr32[3];
	now.dst = p->dst.in6_u.u6_addr32[3];
	now.ifindex = skb->ifindex;
	now.mark = wan->mark;
	now.tos = p->dscp_ecn & 0x1c;
	now.generation = route_generation(skb, PCC_V4);
	now.epoch = meta->epoch;
	now.pad = 0;
	place = route_place(now.src, now.dst, now.mark);
	seen = now.generation ? bpf_map_lookup_elem(&pcc_routes_seen4, &place) : NULL;
	if (seen && seen->src == now.src && seen->dst == now.dst && seen->ifindex == now.ifindex &&
		seen->mark == now.mark && seen->tos == now.tos &&
		seen->generation == now.generation && seen->epoch == now.epoch)
		return ROUTE_WAN;
	if (is_martian(skb, p))
		return ROUTE_MARTIAN;
	fib_params(skb, p, &fib);
	*(__u32 *)fib.smac = wan->mark;
	ret = bpf_fib_lookup(skb, &fib, sizeof(fib), PCC_FIB_MARK | PCC_FIB_SKIP_NEIGH);
	if (!fib_found(ret) || fib.rt_metric != PCC_DEFAULT_METRIC || fib.ifindex != wan->ifindex)
		return ROUTE_DEFAULT;
	if (seen)
		*seen = now;
	return ROUTE_WAN;
}

/*
 * The place of an IPv6 question; NULL if answers cannot be kept. *generation: the generation now.
 */
static __always_inline struct route_seen6 *route_seen6_of(struct __sk_buff *skb,
	const struct pcc_packet *p, const struct pcc_wan *wan, __u32 *generation)
{
	__u32 place = route_place(p->src.in6_u.u6_addr32[2] ^ p->src.in6_u.u6_addr32[3],
		p->dst.in6_u.u6_addr32[1] ^ p->dst.in6_u.u6_addr32[2] ^ p->dst.in6_u.u6_addr32[3],
		wan->mark);

	*generation = route_generation(skb, PCC_V6);
	return *generation ? bpf_map_lookup_elem(&pcc_routes_seen6, &place) : NULL;
}

/* IPv6: ROUTE_WAN if that answer is known, else ROUTE_DEFAULT. */
static __noinline int route_short6(
	struct __sk_buff *skb, const struct pcc_packet *p, const struct pcc_wan *wan)
{
	const struct route_seen6 *seen;
	const __be32 *src, *dst;
	__u32 generation;

	if (!skb || !p || !wan)
		return ROUTE_DEFAULT;
	src = p->src.in6_u.u6_addr32;
	dst = p->dst.in6_u.u6_addr32;
	seen = route_seen6_of(skb, p, wan, &generation);
	return seen && seen->src[0] == src[0] && seen->src[1] == src[1] && seen->src[2] == src[2] &&
			       seen->src[3] == src[3] && seen->dst[0] == dst[0] &&
			       seen->dst[1] == dst[1] && seen->dst[2] == dst[2] &&
			       seen->dst[3] == dst[3] && seen->ifindex == skb->ifindex &&
			       seen->mark == wan->mark && seen->generation == generation
		       ? ROUTE_WAN
		       : ROUTE_DEFAULT;
}

/* Keeps the answer ROUTE_WAN to an IPv6 question. */
static __noinline int route_note6(
	struct __sk_buff *skb, const struct pcc_packet *p, const struct pcc_wan *wan)
{
	struct route_seen6 *seen;
	__u32 generation;

	if (!skb || !p || !wan)
		return 0;
	seen = route_seen6_of(skb, p, wan, &generation);
	if (!seen)
		return 0;
	addr_copy6(seen->src, p->src.in6_u.u6_addr32);
	addr_copy6(seen->dst, p->dst.in6_u.u6_addr32);
	seen->ifindex = skb->ifindex;
	seen->mark = wan->mark;
	seen->generation = generation;
	return 0;
}

/*
 * The question to the routes: what becomes of the packet with the mark of this WAN? Answers
 * ROUTE_WAN are kept. If wan is NULL the answer is ROUTE_DEAD_END in place of ROUTE_DEFAULT.
 */
static __always_inline int route_ask(struct __sk_buff *skb, const struct pcc_packet *p,
	const struct pcc_meta *meta, const struct pcc_wan *wan)
{
	int answer;

	answer = p->family == PCC_V4 ? route_short4(skb, p, meta, wan) : route_short6(skb, p, wan);
	if (answer != ROUTE_DEFAULT)
		return answer;
	answer = route_own(skb, p);
	if (answer != ROUTE_DEFAULT)
		return answer;
	answer = wan ? route_marked(skb, p, wan) : ROUTE_DEAD_END;
	if (answer == ROUTE_WAN && p->family == PCC_V6)
		route_note6(skb, p, wan);
	return answer;
}

#endif
