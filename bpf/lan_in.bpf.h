/* SPDX-License-Identifier: GPL-2.0-only */
/* What happens to a packet that comes from the LAN, and to one that goes to it. */
#ifndef PCC_LAN_BPF_H
#define PCC_LAN_BPF_H

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

static __always_inline void mark_set(
	struct __sk_buff *skb, const struct pcc_meta *meta, __u32 wan_id)
{
	__u32 mark = (skb->mark & ~meta->mark_mask) |
		     ((wan_id << (meta->mark_shift & 31)) & meta->mark_mask);

	if (skb->mark != mark)
		skb->mark = mark;
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
 * Writes the WAN id into the connection's conntrack entry: when the connection is worth learning,
 * which is before it has a lease, and whenever the routing decision is checked. The entry is not
 * there yet when the first packet passes; so it is tried again with the next ones and those whose
 * number is a power of two. User space deletes entries of a lost WAN by their marks, and those
 * without one by the tuples in pcc_conns.
 */
static __always_inline void conn_mark_ct(struct __sk_buff *skb, const struct pcc_tuple *key,
	const struct pcc_meta *meta, struct pcc_conn *conn)
{
	struct pcc_ct_info info;

	if (ct_lookup(skb, key, &info, meta->mark_mask, conn->mark), info.found)
		conn->flags |= PCC_CONN_CT_MARKED;
}

static __always_inline int conn_wants_ct_mark(
	const struct pcc_conn *conn, __u64 packets, __u8 proto)
{
	return pcc_have_ct && !(conn->flags & PCC_CONN_CT_MARKED) &&
	       worth_learning(packets, proto) && (packets <= 4 || !(packets & (packets - 1)));
}

static __always_inline __u8 conn_first_flags(__u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP ? 0 : PCC_CONN_CT_MARKED;
}

/* A SYN on a remembered tuple: does the connection still stand (then it stays), or is this a new
 * one? */
static __noinline int syn_belongs(
	struct __sk_buff *skb, const struct pcc_tuple *key, const struct pcc_conn *conn, __u64 now)
{
	struct pcc_ct_info info;

	if (!skb || !key || !conn)
		return 0;
	if (!pcc_have_ct)
		return now - conn->seen_ns < PCC_IDLE_NO_CT_NS;
	ct_lookup(skb, key, &info, 0, 0);
	/* Answered: the answer did not get as far as the client. */
	return info.found && (info.established || info.answered);
}

/* Has conntrack forgotten the connection? Then the next packet opens a new one. TCP opens with SYN.
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

/* Every two seconds of a pinned connection's life: is it still to be balanced, and still the same
 * one? */
static __noinline int conn_recheck(struct __sk_buff *skb, const struct pcc_packet *p,
	const struct pcc_meta *meta, struct pcc_conn *conn, __u64 now)
{
	if (!skb || !p || !meta || !conn)
		return 0;
	if (conn_expired(skb, &p->tuple, conn, now))
		return 0;
	if (route_own(skb, p) != ROUTE_DEFAULT)
		return 0;
	if (pcc_have_ct && !(conn->flags & PCC_CONN_CT_MARKED))
		conn_mark_ct(skb, &p->tuple, meta, conn);
	conn->checked_ns = now;
	return 1;
}

/* Does what is remembered of this LAN packet's connection still hold? */
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
 * The WAN that an existing conntrack entry belongs to: by its mark, or, for a connection that is
 * older than its mark, by the WAN address that NAT gave it. 0 for none.
 */
static __always_inline __u32 ct_wan(
	const struct pcc_meta *meta, const struct pcc_ct_info *info, __u32 *reason)
{
	__u32 id = (info->mark & meta->mark_mask) >> (meta->mark_shift & 31);
	struct pcc_addr addr;
	__u32 *owner;

	*reason = PCC_R_FROM_CTMARK;
	if (id)
		return id;
	*reason = PCC_R_ADOPTED;
	if (!info->nat)
		return 0;
	addr_copy6(addr.a, info->nat_addr);
	owner = bpf_map_lookup_elem(&pcc_local, &addr);
	return owner ? *owner : 0;
}

/*
 * A TCP packet that conntrack can make no connection of, and so NAT no translation for: FIN, RST or
 * SYN+ACK of a connection that it does not know (any more, after its WAN went down). It would leave
 * with the LAN's private address.
 */
static __always_inline int untranslatable(const struct pcc_packet *p, const struct pcc_meta *meta)
{
	return pcc_have_ct && p->tuple.proto == IPPROTO_TCP && !(p->flags & PCC_P_ERROR) &&
	       meta->flags & (p->family == PCC_V4 ? PCC_META_NAT4 : PCC_META_NAT6) &&
	       p->tcp_flags & (PCC_TCP_FIN | PCC_TCP_RST | PCC_TCP_SYN);
}

/* What routes and conntrack say of a LAN packet whose connection is not remembered. Returns the
 * origin; d->reason PCC_R_MAX: a WAN is to be chosen. */
static __noinline int decide_known(struct __sk_buff *skb, const struct pcc_packet *p,
	const struct pcc_meta *meta, struct pcc_decision *d)
{
	struct pcc_ct_info info;
	__u32 base, n, id, reason;

	if (!skb || !p || !meta || !d)
		return PCC_ORIGIN_LAN;
	if (!packet_is_syn(p)) {
		ct_lookup(skb, &p->tuple, &info, 0, 0);
		if (!info.found && untranslatable(p, meta)) {
			d->reason = PCC_R_UNTRACKED;
			return PCC_ORIGIN_LAN;
		}
		id = info.found ? ct_wan(meta, &info, &reason) : 0;
		if (id && wan_keeps(id)) {
			classify_bucket(meta, &p->tuple, p->family, d, &base, &n);
			if (info.reply_dir || reason == PCC_R_ADOPTED)
				d->bucket = PCC_NO_BUCKET;
			d->wan_id = id;
			d->reason = reason;
			return info.reply_dir ? PCC_ORIGIN_WAN : PCC_ORIGIN_LAN;
		}
	}
	d->reason = PCC_R_MAX;
	return PCC_ORIGIN_LAN;
}

static __noinline void decide_hash(struct __sk_buff *skb, const struct pcc_packet *p,
	const struct pcc_meta *meta, struct pcc_decision *d)
{
	if (skb && p && meta && d)
		classify(skb, p, meta, d);
}

/*
 * The plain case, with few questions to the routing tables: nothing known of the connection, no
 * policies, and the bucket's WAN has a default route, which wins over nothing but defaults. Returns
 * 1 if that is so. Not for TCP that is under way. Not static, as policy_decide().
 */
__noinline int decide_plain(struct __sk_buff *skb, const struct pcc_packet *p,
	const struct pcc_meta *meta, struct pcc_decision *d)
{
	__u32 base, n, key, id, *owner;
	struct pcc_ct_info info;
	struct pcc_wan *wan;

	if (!skb || !p || !meta || !d || p->flags || policies_stand(meta->active_half & 1))
		return 0;
	if (p->tuple.proto == IPPROTO_UDP && (ct_lookup(skb, &p->tuple, &info, 0, 0), info.found))
		return 0;
	if (!classify_bucket(meta, &p->tuple, p->family, d, &base, &n))
		return 0;
	key = base + d->bucket;
	owner = bpf_map_lookup_elem(&pcc_buckets, &key);
	id = owner ? *owner : 0;
	wan = bpf_map_lookup_elem(&pcc_wans, &id);
	if (!id || !wan || !wan_takes_new(wan, p->family) || !route_is_plain(skb, p, meta, wan))
		return 0;
	d->wan_id = id;
	d->reason = PCC_R_NEW;
	return 1;
}

/*
 * Decides about a LAN packet whose connection is not remembered. Reads only. Returns the origin. In
 * the plain case lan_in_plain() comes to the same.
 */
static __always_inline int decide(struct __sk_buff *skb, const struct pcc_packet *p,
	const struct pcc_meta *meta, struct pcc_decision *d)
{
	int origin;

	d->bucket = PCC_NO_BUCKET;
	switch (route_own(skb, p)) {
	case ROUTE_LOCAL:
		d->reason = PCC_R_BYPASS_LOCAL;
		return PCC_ORIGIN_LAN;
	case ROUTE_OTHER:
		d->reason = PCC_R_BYPASS_ROUTE;
		return PCC_ORIGIN_LAN;
	}
	origin = decide_known(skb, p, meta, d);
	if (d->reason == PCC_R_MAX && !policies(skb, p, meta, d)) {
		decide_hash(skb, p, meta, d);
		policy_fell_back(d);
	}
	return origin;
}

/* Is the decision the start of a connection, to be counted as one? */
static __always_inline int decision_is_new(const struct pcc_decision *d)
{
	return d->reason == PCC_R_NEW || d->reason == PCC_R_NEXT_BEST ||
	       d->reason == PCC_R_POLICY || d->reason == PCC_R_POLICY_NEXT ||
	       d->reason == PCC_R_POLICY_FALLBACK;
}

static __always_inline void conn_fill(struct pcc_conn *conn, const struct pcc_meta *meta,
	const struct pcc_decision *d, __u8 origin, __u8 proto, __u64 now)
{
	conn->wan_id = d->wan_id;
	conn->bucket = d->wan_id ? d->bucket : PCC_NO_BUCKET;
	conn->mark = (d->wan_id << (meta->mark_shift & 31)) & meta->mark_mask;
	conn->origin = origin;
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
 * Remembers a decision about a tuple that is not known, with d->tx_bytes as its first packet. 0, or
 * the error of the map.
 */
static __noinline int conn_insert(const struct pcc_tuple *key, const struct pcc_meta *meta,
	struct pcc_decision *d, __u32 origin)
{
	struct pcc_conn fresh = {};
	long err;

	if (!key || !meta || !d)
		return -1;
	conn_fill(&fresh, meta, d, origin, key->proto, bpf_ktime_get_coarse_ns());
	fresh.tx_packets = !!d->tx_bytes;
	fresh.tx_bytes = d->tx_bytes;
	err = bpf_map_update_elem(&pcc_conns, key, &fresh, BPF_NOEXIST);
	if (!err && decision_is_new(d))
		count_new(meta, d->wan_id, pcc_tuple_is_v4(key) ? PCC_V4 : PCC_V6, d->bucket);
	return err;
}

/*
 * Remembers a decision: in place where the tuple was known (`conn`), else as a new entry. Returns
 * the entry, which is another CPU's if that one was first, or NULL where the map took none. A new
 * entry counts d->tx_bytes as its first packet; NULL and d->counted then spare looking it up again.
 */
static __noinline struct pcc_conn *conn_remember(const struct pcc_tuple *key,
	const struct pcc_meta *meta, struct pcc_decision *d, __u32 origin, struct pcc_conn *conn)
{
	__u64 now = bpf_ktime_get_coarse_ns();
	int err;

	if (!key || !meta || !d)
		return NULL;
	if (conn) {
		/* A SYN sent again is the same connection: it keeps its age and its counters. */
		if (conn->wan_id == d->wan_id && !conn->rx_packets && d->wan_id) {
			conn->checked_ns = now;
			return conn;
		}
		if (decision_is_new(d)) {
			count_reason(PCC_R_REPINNED);
			count_new(
				meta, d->wan_id, pcc_tuple_is_v4(key) ? PCC_V4 : PCC_V6, d->bucket);
		}
		conn_fill(conn, meta, d, origin, key->proto, now);
		return conn;
	}
	err = conn_insert(key, meta, d, origin);
	if (err && err != -PCC_EEXIST)
		count_reason(PCC_R_UNREMEMBERED);
	d->counted = !err && d->tx_bytes;
	return d->counted ? NULL : bpf_map_lookup_elem(&pcc_conns, key);
}

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

/*
 * A packet from a WAN to the LAN whose connection is pinned to another WAN, or not remembered. It
 * is an inbound connection, which gets pinned to the WAN that it came in on, or a reply whose entry
 * was evicted, which is put back. p->tuple is the connection's key here, the packet's reversed.
 */
static __noinline int lan_out_new(struct __sk_buff *skb, const struct pcc_packet *p,
	const struct pcc_meta *meta, struct pcc_conn *conn, __u32 wan_id)
{
	struct pcc_decision d = {.bucket = PCC_NO_BUCKET, .wan_id = wan_id};
	__u32 origin = PCC_ORIGIN_WAN, base, n, reason, id;
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
		goto count; /* an answer that came another way: the pin stands */
	}
	if (info.found && !info.reply_dir) {
		if (conn && !conn->wan_id)
			return PCC_R_LAN_OUT_OTHER;
		id = ct_wan(meta, &info, &reason);
		d.wan_id = id && wan_keeps(id) ? id : wan_id;
		d.reason = PCC_R_HEALED;
		origin = PCC_ORIGIN_LAN;
		classify_bucket(meta, key, p->family, &d, &base, &n);
	}
	conn = conn_remember(key, meta, &d, origin, conn);
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
 * What says how a WAN does: the first answer to a connection that was asked for, and ICMP errors,
 * which a gateway without an uplink sends as well.
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
