/* SPDX-License-Identifier: GPL-2.0-only */
/* The memory of connections, pcc_conns: how they are entered, and whether an entry still holds. */
#ifndef PCC_CONN_BPF_H
#define PCC_CONN_BPF_H

#include "stats.bpf.h"
#include "packet.bpf.h"
#include "mark.bpf.h"
#include "conntrack.bpf.h"
#include "route.bpf.h"
#include "classify.bpf.h"

#define PCC_RECHECK_NS (2ull * 1000 * 1000 * 1000)
#define PCC_IDLE_NS (30ull * 1000 * 1000 * 1000) /* nf_conntrack_udp_timeout */
#define PCC_IDLE_NO_CT_NS                                                                          \
	(180ull * 1000 * 1000 * 1000) /* beyond nf_conntrack_udp_timeout_stream                    \
				       */

/* May pinned connections stay on this WAN? */
static __always_inline int wan_keeps(__u32 id)
{
	struct pcc_wan *wan = bpf_map_lookup_elem(&pcc_wans, &id);

	return id && wan && (wan->state == PCC_WAN_UP || wan->state == PCC_WAN_DRAIN);
}

static __always_inline void conn_count_tx(struct pcc_conn *conn, __u32 bytes, __u64 now)
{
	conn->seen_ns = now;
	__sync_fetch_and_add(&conn->tx_packets, 1);
	__sync_fetch_and_add(&conn->tx_bytes, bytes);
}

static __always_inline void conn_count_rx(struct pcc_conn *conn, __u32 bytes, __u64 now)
{
	conn->seen_ns = now;
	__sync_fetch_and_add(&conn->rx_packets, 1);
	__sync_fetch_and_add(&conn->rx_bytes, bytes);
}

/*
 * Is it worth learning a lease for the connection? A lease costs as much as two or three packets on
 * the kernel's way, so TCP is learned only after the packets that open the connection and send a
 * request.
 */
static __always_inline int worth_learning(__u64 packets, __u8 proto)
{
	return proto != IPPROTO_TCP || packets > 2;
}

/*
 * Writes the WAN id into the connection's conntrack entry. This is done when the connection is
 * worth learning, which is before it has a lease, and whenever the routing decision is checked.
 * There is no conntrack entry yet when the first packet passes, so it is tried again with the next
 * packets and with those whose number is a power of two. User space deletes the conntrack entries
 * of a lost WAN by their marks, and entries without a mark by the tuples in pcc_conns.
 */
static __always_inline void conn_mark_ct(struct __sk_buff *skb, const struct pcc_tuple *key,
	const struct pcc_meta *meta, struct pcc_conn *conn)
{
	struct pcc_ct_info info;

	if (ct_lookup(skb, key, &info, meta->mark_mask, conn->mark), info.found)
		conn->flags |= PCC_CONN_CT_DONE;
}

static __always_inline int conn_wants_ct_mark(
	const struct pcc_conn *conn, __u64 packets, __u8 proto)
{
	return pcc_have_ct && !(conn->flags & PCC_CONN_CT_DONE) && worth_learning(packets, proto) &&
	       (packets <= 4 || !(packets & (packets - 1)));
}

/* conntrack's functions for programs know TCP and UDP only. */
static __always_inline __u8 conn_first_flags(__u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP ? 0 : PCC_CONN_CT_DONE;
}

/*
 * A SYN with a remembered tuple: does it belong to the remembered connection (1), or does it open a
 * new one (0)?
 */
static __noinline int syn_belongs(
	struct __sk_buff *skb, const struct pcc_tuple *key, const struct pcc_conn *conn, __u64 now)
{
	struct pcc_ct_info info;

	if (!skb || !key || !conn)
		return 0;
	if (!pcc_have_ct)
		return now - conn->seen_ns < PCC_IDLE_NO_CT_NS;
	ct_lookup(skb, key, &info, 0, 0);
	/* If it was answered, the answer got lost on its way to the client. */
	return info.found && (info.established || info.answered);
}

/*
 * Has conntrack forgotten the connection, so that the next packet opens a new one? Not asked for
 * TCP, where a SYN tells.
 */
static __always_inline int conn_expired(
	struct __sk_buff *skb, const struct pcc_tuple *key, const struct pcc_conn *conn, __u64 now)
{
	__u64 idle = now - conn->seen_ns;
	struct pcc_ct_info info;

	if (key->proto == IPPROTO_TCP || idle < PCC_IDLE_NS)
		return 0;
	if (key->proto != IPPROTO_UDP || !pcc_have_ct)
		return key->proto != IPPROTO_UDP || idle >= PCC_IDLE_NO_CT_NS;
	ct_lookup(skb, key, &info, 0, 0);
	return !info.found;
}

/*
 * Called every two seconds for a pinned connection: is it still to be balanced, and is it still the
 * same connection?
 */
static __noinline int conn_recheck(struct __sk_buff *skb, const struct pcc_packet *p,
	const struct pcc_meta *meta, struct pcc_conn *conn, __u64 now)
{
	if (!skb || !p || !meta || !conn)
		return 0;
	if (conn_expired(skb, &p->tuple, conn, now))
		return 0;
	/*
	 * The answer of a connection that came in by a WAN goes by that WAN, whatever route there
	 * is.
	 */
	if (conn->origin != PCC_ORIGIN_WAN && route_own(skb, p) != ROUTE_DEFAULT)
		return 0;
	if (pcc_have_ct && !(conn->flags & PCC_CONN_CT_DONE))
		conn_mark_ct(skb, &p->tuple, meta, conn);
	conn->checked_ns = now;
	return 1;
}

/* Does the entry of this LAN packet's connection still hold? */
static __always_inline int conn_holds(struct __sk_buff *skb, const struct pcc_packet *p,
	const struct pcc_meta *meta, struct pcc_conn *conn, __u64 now)
{
	if (!conn->wan_id)
		return now - conn->checked_ns < PCC_RECHECK_NS;
	if (!wan_keeps(conn->wan_id))
		return 0;
	if (packet_is_syn(p))
		return syn_belongs(skb, &p->tuple, conn, now);
	if (now - conn->checked_ns >= PCC_RECHECK_NS)
		return conn_recheck(skb, p, meta, conn, now);
	return 1;
}

/*
 * Looks up a copy of the tuple, since the verifier of 6.1 does not accept a map's key inside a
 * packet that was passed to a function which is not static.
 */
static __noinline struct pcc_conn *conn_find(const struct pcc_tuple *t)
{
	struct pcc_tuple key;

	if (!t)
		return NULL;
	key = *t;
	return bpf_map_lookup_elem(&pcc_conns, &key);
}

/* Does a new connection start with this decision, which is to be counted? */
static __always_inline int decision_is_new(const struct pcc_decision *d)
{
	return d->reason == PCC_R_NEW || d->reason == PCC_R_NEXT_BEST ||
	       d->reason == PCC_R_POLICY || d->reason == PCC_R_POLICY_NEXT ||
	       d->reason == PCC_R_POLICY_FALLBACK;
}

static __always_inline void conn_fill(struct pcc_conn *conn, const struct pcc_meta *meta,
	const struct pcc_decision *d, __u8 proto, __u64 now)
{
	conn->wan_id = d->wan_id;
	conn->bucket = d->wan_id ? d->bucket : PCC_NO_BUCKET;
	conn->mark = mark_of_conn(meta, d->wan_id, d->origin);
	conn->origin = d->origin;
	conn->flags = conn_first_flags(proto);
	conn->created_ns = now;
	conn->seen_ns = now;
	conn->checked_ns = now;
	conn->tx_packets = 0;
	conn->tx_bytes = 0;
	conn->rx_packets = 0;
	conn->rx_bytes = 0;
}

/*
 * Remembers a decision about a tuple that has no entry, and counts d->tx_bytes as its first packet.
 * Returns 0, or the error of the map.
 */
static __noinline int conn_insert(
	const struct pcc_tuple *t, const struct pcc_meta *meta, struct pcc_decision *d)
{
	struct pcc_conn fresh = {};
	struct pcc_tuple key; /* as in conn_find() */
	long err;

	if (!t || !meta || !d)
		return -1;
	key = *t;
	conn_fill(&fresh, meta, d, key.proto, bpf_ktime_get_coarse_ns());
	fresh.tx_packets = !!d->tx_bytes;
	fresh.tx_bytes = d->tx_bytes;
	err = bpf_map_update_elem(&pcc_conns, &key, &fresh, BPF_NOEXIST);
	if (!err && decision_is_new(d))
		count_new(meta, d->wan_id, pcc_tuple_is_v4(&key) ? PCC_V4 : PCC_V6, d->bucket);
	return err;
}

/*
 * Remembers a decision: in place if the tuple has an entry (`conn`), else in a new entry. Returns
 * the entry; if another CPU was faster, the entry of that CPU; NULL if the map refused a new one. A
 * new entry counts d->tx_bytes as its first packet, and then the result is NULL with d->entry
 * CONN_ENTERED, which spares a look-up.
 */
static __noinline struct pcc_conn *conn_remember(const struct pcc_tuple *key,
	const struct pcc_meta *meta, struct pcc_decision *d, struct pcc_conn *conn)
{
	__u64 now = bpf_ktime_get_coarse_ns();
	int err;

	if (!key || !meta || !d)
		return NULL;
	if (conn) {
		/*
		 * A SYN that is sent again belongs to the same connection, which keeps its age and
		 * its counters.
		 */
		if (conn->wan_id == d->wan_id && !conn->rx_packets && d->wan_id) {
			conn->checked_ns = now;
			return conn;
		}
		if (decision_is_new(d)) {
			count_reason(PCC_R_REPINNED);
			count_new(
				meta, d->wan_id, pcc_tuple_is_v4(key) ? PCC_V4 : PCC_V6, d->bucket);
		}
		conn_fill(conn, meta, d, key->proto, now);
		return conn;
	}
	err = conn_insert(key, meta, d);
	if (!err) {
		d->entry = CONN_ENTERED;
		return d->tx_bytes ? NULL : conn_find(key);
	}
	if (err == -PCC_EEXIST)
		d->entry = CONN_WAS_THERE;
	else
		count_reason(PCC_R_UNREMEMBERED);
	return conn_find(key);
}

#endif
