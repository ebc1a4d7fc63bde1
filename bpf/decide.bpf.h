/* SPDX-License-Identifier: GPL-2.0-only */
/* The decision: which WAN does a LAN packet get, if its connection is not remembered? */
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
	__u32 id = mark_wan(meta, info->mark);
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
 * Is it a TCP packet that NAT does not translate if conntrack does not know its connection (any
 * more, after the WAN went down)? conntrack creates no connection for a FIN, RST or SYN+ACK, so
 * such a packet would leave with the LAN's private address.
 */
static __always_inline int untranslatable(const struct pcc_packet *p, const struct pcc_meta *meta)
{
	return pcc_have_ct && p->tuple.proto == IPPROTO_TCP && !(p->flags & PCC_P_ERROR) &&
	       meta->flags & (p->family == PCC_V4 ? PCC_META_NAT4 : PCC_META_NAT6) &&
	       p->tcp_flags & (PCC_TCP_FIN | PCC_TCP_RST | PCC_TCP_SYN);
}

/*
 * Asks conntrack about a packet whose connection is not remembered, and which is no SYN. Returns 1
 * if d has the decision. A connection that came in by a WAN gets no bucket, and neither does a
 * connection whose WAN was found by its NAT address.
 */
static __noinline int decide_known(struct __sk_buff *skb, const struct pcc_packet *p,
	const struct pcc_meta *meta, struct pcc_decision *d)
{
	struct pcc_ct_info info;
	__u32 id, reason;

	if (!skb || !p || !meta || !d)
		return 0;
	ct_lookup(skb, &p->tuple, &info, 0, 0);
	if (!info.found && untranslatable(p, meta)) {
		d->reason = PCC_R_UNTRACKED;
		return 1;
	}
	id = info.found ? ct_wan(meta, &info, &reason) : 0;
	if (!id || !wan_keeps(id))
		return 0;
	if (info.reply_dir || reason == PCC_R_ADOPTED)
		d->bucket = PCC_NO_BUCKET;
	d->origin = info.reply_dir ? PCC_ORIGIN_WAN : PCC_ORIGIN_LAN;
	d->wan_id = id;
	d->reason = reason;
	return 1;
}

/* The answer of a connection that came in by a WAN goes by that WAN, whatever route there is. */
static __noinline int decide_answer(struct __sk_buff *skb, const struct pcc_packet *p,
	const struct pcc_meta *meta, struct pcc_decision *d)
{
	struct pcc_ct_info info;
	__u32 id;

	if (!skb || !p || !meta || !d || packet_is_syn(p))
		return 0;
	ct_lookup(skb, &p->tuple, &info, 0, 0);
	id = mark_wan(meta, info.mark);
	if (!info.found || !info.reply_dir || !(info.mark & mark_answer(meta)) || !wan_keeps(id))
		return 0;
	d->bucket = PCC_NO_BUCKET;
	d->origin = PCC_ORIGIN_WAN;
	d->wan_id = id;
	d->reason = PCC_R_FROM_CTMARK;
	return 1;
}

/*
 * Decides by the bucket table for all connections. owner: the WAN of the bucket; answer: what the
 * routes say of that WAN.
 */
static __always_inline void decide_by_bucket(struct __sk_buff *skb, const struct pcc_packet *p,
	struct pcc_decision *d, __u32 owner, int answer)
{
	d->wan_id = 0;
	if (!d->nbuckets) {
		d->reason = PCC_R_BYPASS_FAMILY;
	} else if (answer == ROUTE_OVERRIDDEN) {
		d->reason = PCC_R_BYPASS_ROUTE;
	} else {
		d->wan_id = owner;
		d->reason = PCC_R_NEW;
		if (answer == ROUTE_DEAD_END)
			classify_next(skb, p, d);
	}
}

/*
 * Decides about a LAN packet whose connection is not remembered, in this order: its routes, what
 * conntrack knows, the policies, the bucket of its hash. Reads only; fills d, which is zeroed.
 */
static __always_inline void decide(struct __sk_buff *skb, const struct pcc_packet *p,
	const struct pcc_meta *meta, struct pcc_decision *d)
{
	__u32 owner = classify(meta, &p->tuple, p->family, d);
	int answer = route_ask(skb, p, meta, wan_for_new(owner, p->family));

	if (answer >= ROUTE_OTHER) {
		if (answer != ROUTE_MARTIAN && decide_answer(skb, p, meta, d))
			return;
		d->reason = answer == ROUTE_LOCAL     ? PCC_R_BYPASS_LOCAL
			    : answer == ROUTE_MARTIAN ? PCC_R_MARTIAN
						      : PCC_R_BYPASS_ROUTE;
		return;
	}
	if (!packet_is_syn(p) && decide_known(skb, p, meta, d))
		return;
	if (policies(skb, p, meta, d)) {
		d->bucket = PCC_NO_BUCKET;
		return;
	}
	decide_by_bucket(skb, p, d, owner, answer);
	policy_fell_back(d);
}

/* Is the decision to be remembered? Not if no WAN can be used, or if the packet is dropped. */
static __always_inline int decision_lasts(const struct pcc_decision *d)
{
	return d->reason != PCC_R_NO_WAN && d->reason != PCC_R_BYPASS_FAMILY &&
	       d->reason != PCC_R_MARTIAN && d->reason != PCC_R_UNTRACKED &&
	       !policy_drops(d->reason);
}

#endif
