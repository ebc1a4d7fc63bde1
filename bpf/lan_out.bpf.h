/* SPDX-License-Identifier: GPL-2.0-only */
/* What happens to a packet that goes to the LAN. */
#ifndef PCC_LAN_OUT_BPF_H
#define PCC_LAN_OUT_BPF_H

#include "decide.bpf.h"
#include "learn.bpf.h"

/*
 * A packet from a WAN to the LAN whose connection is pinned to another WAN, or not remembered. It
 * is an inbound connection, which is pinned to the WAN that it came in by, or a reply whose entry
 * was evicted and is put back. p->tuple is the connection's key here, the packet's reversed.
 */
static __noinline int lan_out_new(struct __sk_buff *skb, const struct pcc_packet *p,
	const struct pcc_meta *meta, struct pcc_conn *conn, __u32 wan_id)
{
	struct pcc_decision d = {
		.bucket = PCC_NO_BUCKET, .wan_id = wan_id, .origin = PCC_ORIGIN_WAN};
	__u32 reason, id;
	struct pcc_ct_info info;
	const struct pcc_tuple *key;

	if (!skb || !p || !meta)
		return PCC_R_NO_CONFIG;
	key = &p->tuple;
	d.reason = PCC_R_INBOUND;
	ct_lookup(skb, key, &info, 0, 0);
	if (conn && conn->wan_id && !packet_is_syn(p) &&
		(!info.found || !info.reply_dir || info.established)) {
		d.reason = PCC_R_WAN_REPLY;
		goto count; /* an answer that came by another WAN: the connection stays */
	}
	if (info.found && !info.reply_dir) {
		if (conn && !conn->wan_id)
			return PCC_R_LAN_OUT_OTHER;
		id = ct_wan(meta, &info, &reason);
		d.wan_id = id && wan_keeps(id) ? id : wan_id;
		d.reason = PCC_R_HEALED;
		d.origin = PCC_ORIGIN_LAN;
		classify(meta, key, p->family, &d);
	}
	conn = conn_remember(key, meta, &d, conn);
	if (conn && d.reason == PCC_R_INBOUND)
		count_new(meta, d.wan_id, p->family, PCC_NO_BUCKET);
count:
	if (conn) {
		conn_count_rx(conn, skb->len, bpf_ktime_get_coarse_ns());
		count_bucket_rx(meta, p->family, conn->bucket, skb->len);
	}
	count_wan_rx(wan_id, skb->len);
	return d.reason;
}

/*
 * Counts signs of whether a WAN works: the first answer to a connection that the LAN opened, and
 * ICMP errors, which a gateway without an uplink sends as well.
 */
static __noinline int count_signs(const struct pcc_packet *p, const struct pcc_conn *conn)
{
	if (!p || !conn)
		return 0;
	if (p->flags & PCC_P_ERROR)
		count_wan_error(conn->wan_id);
	else if (p->tcp_flags & PCC_TCP_ACK && conn->origin == PCC_ORIGIN_LAN && !conn->rx_packets)
		count_syn_answered(conn->wan_id, bpf_ktime_get_coarse_ns() - conn->created_ns);
	return 0;
}

/* pcc_lan_out: a packet to the LAN. Returns the reason to count. */
static __always_inline int lan_out(struct __sk_buff *skb, const struct pcc_meta *meta)
{
	__u32 ifindex = skb->ingress_ifindex;
	struct pcc_packet p = {};
	struct pcc_iface *iface;
	struct pcc_conn *conn;
	int err;

	/* 0: from the router itself. */
	iface = ifindex ? bpf_map_lookup_elem(&pcc_ifaces, &ifindex) : NULL;
	if (!iface || iface->role != PCC_ROLE_WAN)
		return PCC_R_LAN_OUT_OTHER;
	err = parse_packet(skb, &p);
	if (err < 0)
		return -err;
	if (packet_is_link_scope(&p))
		return PCC_R_BYPASS_MULTICAST;
	tuple_turn(&p.tuple); /* the connection's key */
	conn = bpf_map_lookup_elem(&pcc_conns, &p.tuple);
	if (!conn && (p.flags & PCC_P_ERROR)) {
		count_wan_error(iface->wan_id);
		count_wan_rx(iface->wan_id, skb->len);
		return PCC_R_WAN_REPLY;
	}
	if (!conn || conn->wan_id != iface->wan_id || (packet_is_syn(&p) && conn->tx_packets))
		return lan_out_new(skb, &p, meta, conn, iface->wan_id);
	if (p.tcp_flags & PCC_TCP_SYN || p.flags & PCC_P_ERROR)
		count_signs(&p, conn);
	conn_count_rx(conn, skb->len, bpf_ktime_get_coarse_ns());
	if (conn_wants_ct_mark(conn, conn->rx_packets, p.tuple.proto))
		conn_mark_ct(skb, &p.tuple, meta, conn);
	if (meta->flags & PCC_META_FASTPATH && conn->tx_packets &&
		worth_learning(conn->rx_packets, p.tuple.proto))
		learn(skb, &p, meta, 1);
	count_bucket_rx(meta, p.family, conn->bucket, skb->len);
	count_wan_rx(conn->wan_id, skb->len);
	return PCC_R_WAN_REPLY;
}

#endif
