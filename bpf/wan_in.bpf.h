/* SPDX-License-Identifier: GPL-2.0-only */
/* What happens to a packet that comes in through a WAN. */
#ifndef PCC_WAN_IN_BPF_H
#define PCC_WAN_IN_BPF_H

#include "packet.bpf.h"
#include "mark.bpf.h"

/*
 * Reads the addresses from the network header, and whether the packet is neighbour discovery (RFC
 * 4861).
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
 * pcc_wan_in: the packet gets the mark of its WAN, so that answers of the router itself leave by
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

#endif
