/* SPDX-License-Identifier: GPL-2.0-only */
/* What happens to a packet that leaves by a WAN. */
#ifndef PCC_WAN_OUT_BPF_H
#define PCC_WAN_OUT_BPF_H

#include "learn.bpf.h"

/*
 * Finds the tuple that an outgoing packet had when it came in, in the conntrack entry that has the
 * tuple back. Returns 0 if there is such an entry.
 */
static __noinline int ct_origin(
	struct __sk_buff *skb, const struct pcc_tuple *back, struct pcc_tuple *in)
{
	struct nf_conn *ct;
	__u32 family, dir;

	if (!skb || !back || !in)
		return -1;
	family = pcc_tuple_is_v4(back) ? PCC_V4 : PCC_V6;
	ct = ct_find(skb, back, family, &dir);
	if (!ct)
		return -1;
	ct_in_tuple(ct, !dir, family, in);
	bpf_ct_release(ct);
	return 0;
}

/* Changes the WAN of a connection to the one that it really takes. */
static __always_inline void conn_move(
	const struct pcc_meta *meta, struct pcc_conn *conn, __u32 wan_id, __u32 family)
{
	if (conn->tx_packets <= 1 && !conn->rx_packets)
		count_new_moved(meta, conn->wan_id, wan_id, family, conn->bucket);
	conn->bucket = PCC_NO_BUCKET;
	conn->mark = mark_of_conn(meta, wan_id, conn->origin);
	conn->flags &= ~PCC_CONN_CT_DONE;
	*(volatile __u32 *)&conn->wan_id = wan_id;
	count_reason(PCC_R_CORRECTED);
}

/*
 * A packet from the LAN leaves by WAN wan_id, but has the mark of another WAN: a rule or route of
 * the user's came first, which pcc_lan_in did not see (before 6.10 it sees no IPv4 rule that looks
 * at marks or sources). This is correct if the packet has this WAN's address; then the connection
 * is remembered on the WAN that it takes. Returns 0 for a leak.
 */
static __noinline int wan_out_correct(
	struct __sk_buff *skb, const struct pcc_meta *meta, __u32 wan_id)
{
	struct pcc_packet p = {};
	struct pcc_tuple in = {};
	struct pcc_conn *conn;
	struct pcc_addr addr;
	__u32 *owner;

	if (!skb || !meta || parse_packet(skb, &p) || p.flags & PCC_P_ERROR ||
		packet_is_link_scope(&p))
		return 0;
	addr_copy6(addr.a, p.src.in6_u.u6_addr32);
	owner = bpf_map_lookup_elem(&pcc_local, &addr);
	if (owner ? *owner != wan_id
		  : meta->flags & (p.family == PCC_V4 ? PCC_META_NAT4 : PCC_META_NAT6))
		return 0;
	if (!owner)
		in = p.tuple;
	tuple_turn(&p.tuple);
	if (owner && ct_origin(skb, &p.tuple, &in))
		return 1;
	conn = bpf_map_lookup_elem(&pcc_conns, &in);
	if (conn && conn->wan_id && conn->wan_id != wan_id && conn->origin == PCC_ORIGIN_LAN)
		conn_move(meta, conn, wan_id, p.family);
	return 1;
}

/*
 * A packet leaves by another interface than that of the WAN in its mark. The cause may be a rule or
 * route of the user's (wan_out_correct()), a packet that was on its way when the WAN was deleted, a
 * packet of the router itself, or a leak. Packets of the router itself are no leak in these cases:
 * in its own IGMP and MLD reports the kernel keeps a length in the place of the mark
 * (skb->reserved_tailroom); if the router's own connections are marked, connected nets win over the
 * mark; a tunnel's packet (GRE, IPIP, SIT) has the mark of the packet inside, but is routed to the
 * tunnel's other end.
 */
static __noinline int wan_out_stray(struct __sk_buff *skb, const struct pcc_meta *meta, __u32 id)
{
	struct pcc_iface *iface;
	__u32 ifindex, v6;
	__u8 dst = 0, proto = 0;

	if (!skb || !meta)
		return PCC_R_LEAK;
	ifindex = skb->ifindex;
	iface = bpf_map_lookup_elem(&pcc_ifaces, &ifindex);
	if (!iface || iface->wan_id == id)
		return PCC_R_WAN_OUT_OTHER;
	if (skb->ingress_ifindex) {
		if (!wan_out_correct(skb, meta, iface->wan_id))
			return PCC_R_LEAK;
		count_wan_tx(iface->wan_id, skb->len);
		return PCC_R_NONE; /* counted by pcc_lan_in already */
	}
	if (meta->flags & PCC_META_OWN)
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
	__u32 id = mark_wan(meta, skb->mark);
	struct pcc_wan *wan;

	/* While this program is being attached or removed, pcc_lan_in does the counting. */
	if (meta->flags & PCC_META_NO_WAN_OUT)
		return PCC_R_NONE;
	if (!id)
		return PCC_R_WAN_OUT_OTHER;
	wan = bpf_map_lookup_elem(&pcc_wans, &id);
	if (!wan || wan->ifindex != skb->ifindex)
		return wan_out_stray(skb, meta, id);
	if (!skb->ingress_ifindex)
		return PCC_R_WAN_OUT_OTHER; /* the router's own answer */
	count_wan_tx(id, skb->len);
	if (note == PCC_NOTE_LEARN)
		learn_to_wan(skb, meta);
	return PCC_R_NONE; /* counted by pcc_lan_in already */
}

#endif
