/* SPDX-License-Identifier: GPL-2.0-only */
/* Questions to the kernel's routing tables. */
#ifndef PCC_ROUTE_BPF_H
#define PCC_ROUTE_BPF_H

/* Bits of bpf_fib_lookup() by number: headers of older kernels lack the last one. */
#define PCC_FIB_DIRECT 0x1u
#define PCC_FIB_TBID 0x8u

/* Where the router's own tables would send a packet that has no mark. */
enum route_verdict {
	ROUTE_WAN,   /* out of a WAN: balance */
	ROUTE_NONE,  /* nowhere; the main default may be gone with its link: balance */
	ROUTE_OTHER, /* somewhere else, or rejected by a rule or route of the user: leave alone */
	ROUTE_LOCAL, /* the router itself */
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

/*
 * Is there no route to the destination but a default? A connected net of a WAN and a static route through one
 * win over every mark (the rule that suppresses defaults comes first), so such packets are not ours to
 * spread. The helper does not tell the length of the prefix: ask for a source that has no default.
 */
static __noinline int route_is_default(struct __sk_buff *skb, const struct pcc_packet *p)
{
	struct bpf_fib_lookup fib = {};
	long ret;

	if (!skb || !p)
		return 0;
	fib_params(skb, p, &fib);
	if (p->family == PCC_V4) {
		fib.ipv4_src = bpf_htonl(PCC_PROBE_V4);
	} else {
		fib.ipv6_src[0] = bpf_htonl(PCC_PROBE_V6_0);
		fib.ipv6_src[1] = fib.ipv6_src[2] = 0;
		fib.ipv6_src[3] = bpf_htonl(PCC_PROBE_V6_3);
	}
	ret = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	return ret != BPF_FIB_LKUP_RET_SUCCESS && ret != BPF_FIB_LKUP_RET_NO_NEIGH &&
	       ret != BPF_FIB_LKUP_RET_FRAG_NEEDED && ret != BPF_FIB_LKUP_RET_UNSUPP_LWT;
}

static __noinline int route_unmarked(struct __sk_buff *skb, const struct pcc_packet *p)
{
	struct bpf_fib_lookup fib = {};
	struct pcc_iface *iface;
	struct pcc_addr addr;
	__u32 ifindex;
	long ret;

	if (!skb || !p)
		return ROUTE_OTHER;
	addr_copy6(addr.a, p->dst.in6_u.u6_addr32);
	if (bpf_map_lookup_elem(&pcc_local, &addr))
		return ROUTE_LOCAL;
	fib_params(skb, p, &fib);
	ret = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	switch (ret) {
	case BPF_FIB_LKUP_RET_SUCCESS:
	case BPF_FIB_LKUP_RET_NO_NEIGH:
	case BPF_FIB_LKUP_RET_FRAG_NEEDED:
	case BPF_FIB_LKUP_RET_UNSUPP_LWT:
		break;
	case BPF_FIB_LKUP_RET_NOT_FWDED:
		return ROUTE_NONE;
	default:
		return ROUTE_OTHER;
	}
	ifindex = fib.ifindex;
	iface = bpf_map_lookup_elem(&pcc_ifaces, &ifindex);
	if (!iface || iface->role != PCC_ROLE_WAN)
		return ROUTE_OTHER;
	return route_is_default(skb, p) ? ROUTE_WAN : ROUTE_OTHER;
}

/*
 * Does the WAN's own table still lead out of the WAN? The kernel takes the default route away with
 * the link. A kernel that cannot look into a given table answers -EINVAL: then nobody can tell, and
 * it does.
 */
static __noinline int route_reaches(
	struct __sk_buff *skb, const struct pcc_packet *p, __u32 table, __u32 ifindex)
{
	struct bpf_fib_lookup fib = {};
	long ret;

	if (!skb || !p)
		return 0;
	fib_params(skb, p, &fib);
	fib.tbid = table;
	ret = bpf_fib_lookup(skb, &fib, sizeof(fib), PCC_FIB_DIRECT | PCC_FIB_TBID);
	switch (ret) {
	case BPF_FIB_LKUP_RET_SUCCESS:
	case BPF_FIB_LKUP_RET_NO_NEIGH:
	case BPF_FIB_LKUP_RET_FRAG_NEEDED:
	case BPF_FIB_LKUP_RET_UNSUPP_LWT:
		return fib.ifindex == ifindex;
	case BPF_FIB_LKUP_RET_FWD_DISABLED:
		return 1;
	default:
		return ret < 0;
	}
}

#endif
