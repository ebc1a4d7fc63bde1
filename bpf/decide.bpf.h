/* SPDX-License-Identifier: GPL-2.0-only */
/* The decision: which WAN a LAN packet gets whose connection is not remembered. */
#ifndef PCC_DECIDE_BPF_H
#define PCC_DECIDE_BPF_H

#include "conn.bpf.h"
#include "policy.bpf.h"

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

#endif
