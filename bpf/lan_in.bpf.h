/* SPDX-License-Identifier: GPL-2.0-only */
/* What happens to a packet that comes from the LAN. */
#ifndef PCC_LAN_IN_BPF_H
#define PCC_LAN_IN_BPF_H

#include "decide.bpf.h"
#include "mark.bpf.h"

/* In place of a reason: the tuple has an entry already; nothing has been changed. */
#define LAN_IN_KNOWN (-2)

/*
 * Counts and marks a packet for which d was decided; conn is the entry of its connection, or NULL.
 */
static __noinline int lan_in_decided(struct __sk_buff *skb, const struct pcc_packet *p,
	const struct pcc_meta *meta, struct pcc_conn *conn, struct pcc_decision *d)
{
	__u32 first = d && d->entry == CONN_ENTERED; /* it was counted when it was inserted */

	if (!skb || !p || !meta || !d)
		return PCC_R_NO_CONFIG;
	if (conn) {
		first |= !conn->tx_packets;
		d->wan_id = conn->wan_id;
		conn_count_tx(conn, skb->len, bpf_ktime_get_coarse_ns());
	}
	if (first && d->wan_id && packet_is_syn(p))
		count_syn_sent(d->wan_id);
	if (d->policy && (conn || d->entry == CONN_ENTERED))
		policy_done(p, d, first && (d->wan_id || !d->was_bypass));
	mark_set(skb, meta, d->wan_id);
	if (d->wan_id)
		count_tx(meta, d->wan_id, p->family, d->bucket, skb->len);
	return d->reason;
}

/*
 * A LAN packet of a connection that is not remembered (conn NULL), or whose entry no longer holds.
 * If the tuple was not looked up before (looked_up 0), inserting it tells whether there is an
 * entry. Not static, so that the verifier checks the function once, and not once for each call.
 */
__noinline int lan_in_new(struct __sk_buff *skb, const struct pcc_packet *p,
	const struct pcc_meta *meta, struct pcc_conn *conn, __u32 looked_up)
{
	struct pcc_decision d = {};

	if (!skb || !p || !meta)
		return PCC_R_NO_CONFIG;
	d.looked_up = looked_up;
	d.was_bypass = conn && !conn->wan_id;
	d.tx_bytes = skb->len;
	decide(skb, p, meta, &d);
	/* An ICMP error opens no connection. */
	if (decision_lasts(&d) && !(p->flags & PCC_P_ERROR)) {
		conn = conn_remember(&p->tuple, meta, &d, conn);
		if (d.entry == CONN_WAS_THERE && !d.looked_up)
			return LAN_IN_KNOWN;
		return lan_in_decided(skb, p, meta, conn, &d);
	}
	if (!d.looked_up && conn_find(&p->tuple))
		return LAN_IN_KNOWN;
	if (d.reason == PCC_R_MARTIAN || d.reason == PCC_R_UNTRACKED)
		return d.reason;
	if (d.policy && policy_dropped(&d))
		return d.reason;
	return lan_in_decided(skb, p, meta, NULL, &d);
}

/*
 * Is it a RST or FIN of a connection that conntrack has forgotten, most often because its WAN went
 * down? NAT would not translate it. Only a missing entry counts, and not the state of an entry:
 * with br_netfilter conntrack has seen this very packet before it reaches a bridge's tc.
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
	int err, reason, is_syn;
	__u64 now;

	err = parse_packet(skb, &p);
	if (err < 0)
		return is_martian(skb, &p) ? PCC_R_MARTIAN : -err;
	if (packet_is_link_scope(&p))
		return is_martian(skb, &p) ? PCC_R_MARTIAN : PCC_R_BYPASS_MULTICAST;
	if (meta->flags & PCC_META_BRIDGED)
		ct_undo_nat(skb, &p.tuple);
	/* A SYN most often opens a connection, so it is inserted without a look-up first. */
	is_syn = packet_is_syn(&p);
	conn = is_syn ? NULL : bpf_map_lookup_elem(&pcc_conns, &p.tuple);
	if (!conn) {
		reason = lan_in_new(skb, &p, meta, NULL, !is_syn);
		if (reason != LAN_IN_KNOWN)
			return reason;
		conn = bpf_map_lookup_elem(&pcc_conns, &p.tuple);
	}
	now = bpf_ktime_get_coarse_ns();
	if (!conn || !conn_holds(skb, &p, meta, conn, now))
		return lan_in_new(skb, &p, meta, conn, 1);
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
