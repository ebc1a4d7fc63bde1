/* SPDX-License-Identifier: GPL-2.0-only */
/* What happens to a packet that comes from the LAN. */
#ifndef PCC_LAN_IN_BPF_H
#define PCC_LAN_IN_BPF_H

#include "decide.bpf.h"
#include "mark.bpf.h"

/* A LAN packet of a connection that is not remembered, or no longer right. */
static __noinline int lan_in_new(struct __sk_buff *skb, const struct pcc_packet *p,
	const struct pcc_meta *meta, struct pcc_conn *conn)
{
	struct pcc_decision d = {.bucket = PCC_NO_BUCKET};
	__u32 origin, first, bypassed = conn && !conn->wan_id;

	if (!skb || !p || !meta)
		return PCC_R_NO_CONFIG;
	d.tx_bytes = skb->len;
	origin = decide(skb, p, meta, &d);
	if (d.reason == PCC_R_UNTRACKED)
		return d.reason;
	if (d.policy && policy_dropped(&d))
		return d.reason;
	/* An ICMP error opens no connection, and a dead end is not worth remembering. */
	if (!(p->flags & PCC_P_ERROR) && d.reason != PCC_R_NO_WAN &&
		d.reason != PCC_R_BYPASS_FAMILY)
		conn = conn_remember(&p->tuple, meta, &d, origin, conn);
	else
		conn = NULL;
	if (conn || d.counted) {
		first = !conn || !conn->tx_packets; /* NULL: counted as it was entered */
		if (conn) {
			d.wan_id = conn->wan_id;
			conn_count_tx(conn, skb->len, bpf_ktime_get_coarse_ns());
		}
		if (first && d.wan_id && packet_is_syn(p))
			count_syn_sent(d.wan_id);
		if (d.policy)
			policy_done(p, &d, first && (d.wan_id || !bypassed));
	}
	mark_set(skb, meta, d.wan_id);
	if (d.wan_id)
		count_tx(meta, d.wan_id, p->family, d.bucket, skb->len);
	return d.reason;
}

/*
 * A packet that most often opens a connection, if that is the plain case; entering it tells whether
 * it was known. PCC_R_MAX: it was, or the plain case does not hold; nothing is changed then.
 */
static __noinline int lan_in_plain(
	struct __sk_buff *skb, const struct pcc_packet *p, const struct pcc_meta *meta)
{
	struct pcc_decision d = {.bucket = PCC_NO_BUCKET};

	if (!skb || !p || !meta || !decide_plain(skb, p, meta, &d))
		return PCC_R_MAX;
	d.tx_bytes = skb->len;
	if (conn_insert(&p->tuple, meta, &d, PCC_ORIGIN_LAN))
		return PCC_R_MAX;
	if (packet_is_syn(p))
		count_syn_sent(d.wan_id);
	mark_set(skb, meta, d.wan_id);
	count_tx(meta, d.wan_id, p->family, d.bucket, skb->len);
	return d.reason;
}

/*
 * A RST or FIN of a connection that conntrack has forgotten, most often because its WAN went down:
 * it would not be translated. The entry's state says nothing here: with br_netfilter conntrack has
 * seen this very packet before it reaches a bridge's tc.
 */
static __noinline int end_is_late(
	struct __sk_buff *skb, const struct pcc_packet *p, const struct pcc_meta *meta)
{
	struct pcc_ct_info info;

	if (!skb || !p || !meta || !untranslatable(p, meta))
		return 0;
	ct_lookup(skb, &p->tuple, &info, 0, 0);
	return !info.found;
}

/* pcc_lan_in: a packet from the LAN. Returns the reason to count. */
static __always_inline int lan_in(struct __sk_buff *skb, const struct pcc_meta *meta)
{
	struct pcc_packet p = {};
	struct pcc_conn *conn;
	int err, reason;
	__u64 now;

	err = parse_packet(skb, &p);
	if (err < 0)
		return is_martian(skb, &p) ? PCC_R_MARTIAN : -err;
	if (packet_is_link_scope(&p))
		return is_martian(skb, &p) ? PCC_R_MARTIAN : PCC_R_BYPASS_MULTICAST;
	/* A SYN is entered without asking first, other protocols when they are not found. */
	conn = packet_is_syn(&p) ? NULL : bpf_map_lookup_elem(&pcc_conns, &p.tuple);
	if (!conn && (p.tuple.proto != IPPROTO_TCP || packet_is_syn(&p))) {
		reason = lan_in_plain(skb, &p, meta);
		if (reason != PCC_R_MAX)
			return reason;
		conn = bpf_map_lookup_elem(&pcc_conns, &p.tuple);
	}
	now = bpf_ktime_get_coarse_ns();
	if (!conn || !conn_holds(skb, &p, meta, conn, now))
		return is_martian(skb, &p) ? PCC_R_MARTIAN : lan_in_new(skb, &p, meta, conn);
	if (p.tcp_flags & PCC_TCP_ENDS && conn->wan_id && end_is_late(skb, &p, meta))
		return PCC_R_UNTRACKED;
	conn_count_tx(conn, skb->len, now);
	mark_set(skb, meta, conn->wan_id);
	if (!conn->wan_id)
		return PCC_R_BYPASS_CACHED;
	if (conn_wants_ct_mark(conn, conn->tx_packets, p.tuple.proto))
		conn_mark_ct(skb, &p.tuple, meta, conn);
	if (meta->flags & PCC_META_FASTPATH && conn->rx_packets &&
		worth_learning(conn->tx_packets, p.tuple.proto))
		skb->tc_index = PCC_NOTE_LEARN;
	count_tx(meta, conn->wan_id, p.family, conn->bucket, skb->len);
	return PCC_R_PINNED;
}

#endif
