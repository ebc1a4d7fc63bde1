/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Policies: rules for new connections; the first rule that matches decides. They are asked once per
 * connection, when nothing is known of it, and never for an established one.
 */
#ifndef PCC_POLICY_BPF_H
#define PCC_POLICY_BPF_H

#include "classify.bpf.h"

/* The search for the first rule that matches, for bpf_loop(). */
struct policy_search {
	const struct pcc_packet *p;
	__u64 sets; /* those that hold the destination */
	__u32 first;
	__u32 ifindex;
	__u32 found; /* entry of pcc_policies + 1 */
	__u16 sport, dport;
};

/* The search for another WAN of a group, for bpf_loop(). */
struct group_search {
	struct __sk_buff *skb;
	const struct pcc_packet *p;
	__u64 members; /* bit id-1 */
	__u32 hash;
	__u32 best;
	__u32 wan_id; /* the answer, 0 for none */
};

static __always_inline const struct pcc_policy_head *policy_head(__u32 half)
{
	return bpf_map_lookup_elem(&pcc_policy_head, &half);
}

static __always_inline int in_prefix(const __be32 addr[4], const __be32 net[4], const __be32 m[4])
{
	return !(((addr[3] ^ net[3]) & m[3]) | ((addr[2] ^ net[2]) & m[2]) |
		 ((addr[1] ^ net[1]) & m[1]) | ((addr[0] ^ net[0]) & m[0]));
}

/* Everything that the rule names must match. Cheap tests come first. */
static __always_inline int policy_matches(const struct pcc_policy *r, const struct policy_search *s)
{
	const struct pcc_packet *p = s->p;
	__u32 flags = r->flags;

	if (r->proto && r->proto != p->tuple.proto)
		return 0;
	if (flags & PCC_POLICY_F_PORTS &&
		(!pcc_proto_has_ports(p->tuple.proto) || s->dport < r->dport_min ||
			s->dport > r->dport_max || s->sport < r->sport_min ||
			s->sport > r->sport_max))
		return 0;
	if (flags & PCC_POLICY_F_LAN && r->lan_ifindex != s->ifindex)
		return 0;
	if (flags & PCC_POLICY_F_DSCP && r->dscp != p->dscp_ecn >> 2)
		return 0;
	if (flags & PCC_POLICY_F_SET && !(r->sets & s->sets))
		return 0;
	if (flags & PCC_POLICY_F_SRC && !in_prefix(p->tuple.src, r->src, r->src_mask))
		return 0;
	return !(flags & PCC_POLICY_F_DST) || in_prefix(p->tuple.dst, r->dst, r->dst_mask);
}

static long policy_try(__u32 i, void *arg)
{
	struct policy_search *s = arg;
	__u32 key = s->first + i;
	const struct pcc_policy *r = bpf_map_lookup_elem(&pcc_policies, &key);

	if (!r || !policy_matches(r, s))
		return !r;
	s->found = key + 1;
	return 1;
}

/* The sets that hold the connection's destination. */
static __noinline __u64 sets_of(const struct pcc_packet *p, __u32 set_half)
{
	struct pcc_set_key key = {.prefixlen = 32 + 128, .half = set_half};
	__u64 *sets;

	if (!p)
		return 0;
	addr_copy6(key.addr, p->tuple.dst);
	sets = bpf_map_lookup_elem(&pcc_sets, &key);
	return sets ? *sets : 0;
}

/*
 * Entry in pcc_policies of the first rule that matches, + 1; 0 for none. ifindex: of the LAN, 0 for
 * the router itself.
 */
static __noinline __u32 policy_find(__u32 ifindex, const struct pcc_packet *p, __u32 half)
{
	const struct pcc_policy_head *head = policy_head(half);
	struct policy_search s = {.p = p, .first = half * PCC_POLICY_SLOTS};

	if (!p || !head)
		return 0;
	s.ifindex = ifindex;
	s.sport = bpf_ntohs(p->tuple.sport);
	s.dport = bpf_ntohs(p->tuple.dport);
	if (head->nsets)
		s.sets = sets_of(p, head->set_half);
	bpf_loop(head->npolicies, policy_try, &s, 0);
	return s.found;
}

/* Does the packet end here? */
static __always_inline int policy_drops(__u32 reason)
{
	return reason == PCC_R_POLICY_REJECT || reason == PCC_R_POLICY_NO_WAN;
}

/* ---------------------------------------------------------------- WANs of a group */

static __always_inline __u32 group_owner(__u32 base, __u32 bucket)
{
	__u32 key = base + bucket / 64;
	const struct pcc_group_block *block = bpf_map_lookup_elem(&pcc_group_table, &key);

	return block ? block->wan_id[bucket & 63] : 0;
}

/*
 * Looks for the usable member with the highest score for this hash, so that each hash has a fixed
 * order of WANs.
 */
static long group_try(__u32 i, void *arg)
{
	struct group_search *s = arg;
	__u32 score = (s->hash ^ (i + 1) * 0x9e3779b1u) * 0x85ebca6bu;

	score = (score ^ score >> 15) | 1;
	if (!(s->members >> (i & 63) & 1) || score <= s->best)
		return 0;
	if (wan_try(s->skb, s->p, i + 1) != ROUTE_WAN)
		return 0;
	s->best = score;
	s->wan_id = i + 1;
	return 0;
}

static __always_inline const struct pcc_group *policy_group(const struct pcc_policy *r, __u32 half)
{
	__u32 key = half * PCC_MAX_GROUPS + (r->target & (PCC_MAX_GROUPS - 1));

	return bpf_map_lookup_elem(&pcc_groups, &key);
}

/*
 * The WAN of a rule for this hash: the WAN that the rule names, or the owner of the hash's bucket
 * in its group; 0 if the group has no WAN in this family. The caller has to check whether this WAN
 * can be used.
 */
static __always_inline __u32 policy_owner(
	const struct pcc_policy *r, const struct pcc_group *g, __u32 family, __u32 hash)
{
	__u32 n;

	if (r->action != PCC_POLICY_GROUP)
		return r->target;
	n = g ? g->nbuckets[family & 1] : 0;
	return n ? group_owner(g->base[family & 1], hash % n) : 0;
}

/* Chooses a WAN of the rule itself; 0 if none is usable. Sets the reason. */
static __always_inline __u32 policy_pick(struct __sk_buff *skb, const struct pcc_packet *p,
	const struct pcc_policy *r, struct pcc_decision *d, __u32 half)
{
	const struct pcc_group *g = r->action == PCC_POLICY_GROUP ? policy_group(r, half) : NULL;
	struct group_search s = {.skb = skb, .p = p, .hash = d->hash};
	__u32 id = policy_owner(r, g, p->family, d->hash), verdict = wan_try(skb, p, id);

	if (verdict == ROUTE_DEAD_END) {
		if (!g || !g->nbuckets[p->family & 1])
			return 0;
		s.members = g->members;
		d->reason = PCC_R_POLICY_NEXT;
		bpf_loop(PCC_MAX_WANS, group_try, &s, 0);
		return s.wan_id;
	}
	d->reason = verdict == ROUTE_OVERRIDDEN ? PCC_R_BYPASS_ROUTE : PCC_R_POLICY;
	return id;
}

/* ---------------------------------------------------------------- sticky */

static __always_inline void sticky_key(
	struct pcc_sticky_key *key, const struct pcc_packet *p, const struct pcc_policy *r)
{
	addr_copy6(key->src, p->tuple.src);
	key->policy = r->sticky_id;
	if (r->sticky != PCC_STICKY_SOURCE_SITE)
		return;
	addr_copy6(key->site, p->tuple.dst);
	if (p->family == PCC_V4) {
		key->site[3] &= bpf_htonl(0xffffff00u);
	} else {
		key->site[1] &= bpf_htonl(0xffff0000u);
		key->site[2] = key->site[3] = 0;
	}
}

/* The WAN of the source's last connections under this rule; 0 if there is none. */
static __noinline __u32 sticky_get(const struct pcc_packet *p, const struct pcc_policy *r)
{
	struct pcc_sticky_key key = {};
	struct pcc_sticky_wan *last;

	if (!p || !r)
		return 0;
	sticky_key(&key, p, r);
	last = bpf_map_lookup_elem(&pcc_sticky, &key);
	if (!last || bpf_ktime_get_coarse_ns() - last->seen_ns >= r->sticky_s * 1000000000ull)
		return 0;
	return last->wan_id;
}

/* Changes an existing entry in place, since an update may evict another one. */
static __noinline void sticky_put(
	const struct pcc_packet *p, const struct pcc_policy *r, __u32 wan_id)
{
	struct pcc_sticky_wan fresh = {.wan_id = wan_id}, *last;
	struct pcc_sticky_key key = {};

	if (!p || !r)
		return;
	fresh.seen_ns = bpf_ktime_get_coarse_ns();
	sticky_key(&key, p, r);
	last = bpf_map_lookup_elem(&pcc_sticky, &key);
	if (!last) {
		bpf_map_update_elem(&pcc_sticky, &key, &fresh, BPF_NOEXIST);
		return;
	}
	last->wan_id = wan_id;
	last->seen_ns = fresh.seen_ns;
}

/* Is the WAN one of the rule's own? (A fallback may be any WAN.) */
static __always_inline int policy_allows(const struct pcc_policy *r, __u32 half, __u32 id)
{
	const struct pcc_group *g;

	if (r->action == PCC_POLICY_WAN)
		return r->target == id;
	g = policy_group(r, half);
	return g && id && g->members >> ((id - 1) & 63) & 1;
}

/* ---------------------------------------------------------------- the decision */

/*
 * Decides by a rule that names WANs. Returns 0 if the bucket table for all connections has to
 * choose.
 */
static __noinline int policy_wan(struct __sk_buff *skb, const struct pcc_packet *p,
	const struct pcc_policy *r, struct pcc_decision *d, __u32 half)
{
	__u32 last = 0;

	if (!skb || !p || !r || !d)
		return 0;
	if (r->sticky)
		last = sticky_get(p, r);
	if (last && wan_try(skb, p, last) != ROUTE_WAN)
		last = 0;
	d->reason = PCC_R_POLICY;
	d->wan_id = last && policy_allows(r, half, last) ? last : policy_pick(skb, p, r, d, half);
	if (d->reason == PCC_R_BYPASS_ROUTE)
		d->wan_id = 0;
	else if (!d->wan_id && r->flags & PCC_POLICY_F_STRICT)
		d->reason = PCC_R_POLICY_NO_WAN;
	else if (!d->wan_id && last) {
		d->wan_id = last;
		d->reason = PCC_R_POLICY_FALLBACK;
	} else if (!d->wan_id)
		return 0;
	return 1;
}

/*
 * Decides a new connection by the policies. Returns 0 if they do not decide and the bucket table
 * for all connections has to choose; d->policy is set if a rule matched. d->hash must be set. Reads
 * only. Not static, so that the verifier checks the function once, and not once for each path that
 * leads here.
 */
__noinline int policy_decide(struct __sk_buff *skb, const struct pcc_packet *p,
	const struct pcc_meta *meta, struct pcc_decision *d, __u32 half)
{
	const struct pcc_policy *r;
	__u32 found, key;

	if (!skb || !p || !meta || !d)
		return 0;
	half &= 1;
	found = policy_find(skb->ifindex, p, half);
	key = found - 1;
	r = found ? bpf_map_lookup_elem(&pcc_policies, &key) : NULL;
	if (!r)
		return 0;
	d->policy = found;
	if (r->action <= PCC_POLICY_WAN)
		return policy_wan(skb, p, r, d, half);
	d->reason = r->action == PCC_POLICY_REJECT ? PCC_R_POLICY_REJECT : PCC_R_POLICY_BYPASS;
	return 1;
}

/* Is there any policy? If not, a new connection pays one load only. */
static __always_inline int policies_stand(__u32 half)
{
	const struct pcc_policy_head *head = policy_head(half);

	return head && head->npolicies;
}

/* As policy_decide(). */
static __always_inline int policies(struct __sk_buff *skb, const struct pcc_packet *p,
	const struct pcc_meta *meta, struct pcc_decision *d)
{
	__u32 half = meta->active_half & 1;

	return policies_stand(half) && policy_decide(skb, p, meta, d, half);
}

/*
 * If a rule matched, but the bucket table for all connections chose, changes the reason
 * accordingly.
 */
static __always_inline void policy_fell_back(struct pcc_decision *d)
{
	if (d->policy && (d->reason == PCC_R_NEW || d->reason == PCC_R_NEXT_BEST))
		d->reason = PCC_R_POLICY_FALLBACK;
}

static __always_inline void policy_count(const struct pcc_policy *r, __u32 dropped)
{
	__u32 key = r->hit;
	struct pcc_policy_hit *hit = bpf_map_lookup_elem(&pcc_policy_hit, &key);

	if (!hit)
		return;
	if (dropped)
		hit->dropped += 1;
	else
		hit->connections += 1;
}

/*
 * A connection for which a rule matched is remembered: counts it if it is new, and remembers its
 * WAN if the rule is sticky.
 */
static __noinline void policy_done(
	const struct pcc_packet *p, const struct pcc_decision *d, __u32 fresh)
{
	__u32 key = d && d->policy ? d->policy - 1 : PCC_NO_BUCKET;
	const struct pcc_policy *r = bpf_map_lookup_elem(&pcc_policies, &key);

	if (!p || !d || !r)
		return;
	if (fresh)
		policy_count(r, 0);
	if (r->sticky && d->wan_id)
		sticky_put(p, r, d->wan_id);
}

/* Does a rule drop the packet? Then counts it. */
static __noinline int policy_dropped(const struct pcc_decision *d)
{
	__u32 key = d && d->policy ? d->policy - 1 : PCC_NO_BUCKET;
	const struct pcc_policy *r = bpf_map_lookup_elem(&pcc_policies, &key);

	if (!d || !r || !policy_drops(d->reason))
		return 0;
	policy_count(r, 1);
	return 1;
}

#endif
