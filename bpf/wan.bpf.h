/* SPDX-License-Identifier: GPL-2.0-only */
/* What happens to a packet that comes in through a WAN, and to one that leaves by it. */
#ifndef PCC_WAN_BPF_H
#define PCC_WAN_BPF_H

/* Addresses out of the network header, and whether the packet is neighbour discovery (RFC 4861).
 */
static __always_inline int wan_in_header(struct __sk_buff *skb, struct pcc_packet *p)
{
	__u8 type;

	if (skb->vlan_present && (skb->vlan_tci & 0x0fff))
		return -PCC_R_WAN_IN_SKIPPED;
	if (skb->protocol == bpf_htons(PCC_ETH_P_IP)) {
		__be32 addrs[2];

		p->family = PCC_V4;
		if (load_net(skb, 12, addrs, sizeof(addrs)))
			return -PCC_R_MALFORMED;
		addr_map4(p->src.in6_u.u6_addr32, addrs[0]);
		addr_map4(p->dst.in6_u.u6_addr32, addrs[1]);
		return 0;
	}
	if (skb->protocol != bpf_htons(PCC_ETH_P_IPV6))
		return -PCC_R_NOT_IP;
	p->family = PCC_V6;
	if (load_net(skb, 8, &p->src, sizeof(p->src)) ||
		load_net(skb, 24, &p->dst, sizeof(p->dst)) || load_net(skb, 6, &p->tuple.proto, 1))
		return -PCC_R_MALFORMED;
	if (p->tuple.proto == IPPROTO_ICMPV6 && !load_net(skb, 40, &type, 1) && type >= 133 &&
		type <= 137)
		return -PCC_R_WAN_IN_SKIPPED;
	return 0;
}

/*
 * pcc_wan_in: the packet gets the mark of its WAN, so that what the router itself answers leaves by
 * the same WAN (tcp_fwmark_accept, fwmark_reflect) and reverse path filtering looks into that WAN's
 * table.
 */
static __always_inline int wan_in(struct __sk_buff *skb, const struct pcc_meta *meta)
{
	__u32 ifindex = skb->ifindex;
	struct pcc_iface *iface = bpf_map_lookup_elem(&pcc_ifaces, &ifindex);
	struct pcc_packet p = {};
	int err;

	if (!iface || iface->role != PCC_ROLE_WAN)
		return PCC_R_NO_CONFIG;
	err = wan_in_header(skb, &p);
	if (err < 0)
		return -err;
	if (packet_is_martian(&p, iface))
		return PCC_R_MARTIAN;
	if (packet_is_link_scope(&p))
		return PCC_R_WAN_IN_SKIPPED;
	mark_set(skb, meta, iface->wan_id);
	return PCC_R_WAN_IN;
}

/*
 * Not what pcc_wans says of the mark: a leak, but for what was under way when the WAN was taken
 * out, and what the router itself tells its neighbours. In its own IGMP and MLD reports the kernel
 * keeps a length where the mark is (skb->reserved_tailroom). Where its own connections are marked,
 * connected nets win over the mark. The outside of a tunnel (GRE, IPIP, SIT) still has the mark of
 * what is inside, and goes where the tunnel's other end is.
 */
static __noinline int wan_out_stray(struct __sk_buff *skb, __u32 id, __u32 own)
{
	struct pcc_iface *iface;
	__u32 ifindex, v6;
	__u8 dst = 0, proto = 0;

	if (!skb)
		return PCC_R_LEAK;
	ifindex = skb->ifindex;
	iface = bpf_map_lookup_elem(&pcc_ifaces, &ifindex);
	if (!iface || iface->wan_id == id)
		return PCC_R_WAN_OUT_OTHER;
	if (skb->ingress_ifindex)
		return PCC_R_LEAK;
	if (own)
		return PCC_R_WAN_OUT_OTHER;
	v6 = skb->protocol == bpf_htons(PCC_ETH_P_IPV6);
	if (load_net(skb, v6 ? 6 : 9, &proto, 1) || load_net(skb, v6 ? 24 : 16, &dst, 1))
		return PCC_R_LEAK;
	if (proto == IPPROTO_GRE || proto == IPPROTO_IPIP || proto == IPPROTO_IPV6)
		return PCC_R_WAN_OUT_OTHER;
	if (v6)
		return dst != 0xff ? PCC_R_LEAK : PCC_R_WAN_OUT_OTHER;
	return dst < 0xe0 ? PCC_R_LEAK : PCC_R_WAN_OUT_OTHER;
}

/* pcc_wan_out: counts what the WAN sends for others, and a packet that carries another WAN's mark.
 */
static __always_inline int wan_out(struct __sk_buff *skb, const struct pcc_meta *meta, __u32 note)
{
	__u32 id = (skb->mark & meta->mark_mask) >> (meta->mark_shift & 31);
	struct pcc_wan *wan;

	/* While the program is being attached or taken off, pcc_lan_in still or already counts. */
	if (meta->flags & PCC_META_NO_WAN_OUT)
		return PCC_R_MAX;
	if (!id)
		return PCC_R_WAN_OUT_OTHER;
	wan = bpf_map_lookup_elem(&pcc_wans, &id);
	if (!wan || wan->ifindex != skb->ifindex)
		return wan_out_stray(skb, id, meta->flags & PCC_META_OWN);
	if (!skb->ingress_ifindex)
		return PCC_R_WAN_OUT_OTHER; /* the router's own answer */
	count_wan_tx(id, skb->len);
	if (note == PCC_NOTE_LEARN)
		learn_to_wan(skb, meta);
	return PCC_R_MAX; /* counted by pcc_lan_in already */
}

#endif
