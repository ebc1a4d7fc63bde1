/* SPDX-License-Identifier: GPL-2.0-only */
/* The classifier: hash -> bucket -> WAN, and the next WAN where that one has lost its route. */
#ifndef PCC_CLASSIFY_BPF_H
#define PCC_CLASSIFY_BPF_H

#include "route.bpf.h"

#define PCC_PROBES 64u /* buckets looked at for another WAN before all ids are tried in turn */

/* What is decided about a LAN packet. */
struct pcc_decision {
	__u32 reason; /* enum pcc_reason */
	__u32 wan_id; /* 0: leave alone */
	__u32 bucket; /* PCC_NO_BUCKET where the hash had no say */
	__u32 hash;
	__u32 policy;	/* entry of pcc_policies + 1; 0: no rule matched */
	__u32 tx_bytes; /* of the packet from the LAN; 0: not one */
	__u32 counted;	/* a new entry of pcc_conns has the packet in its counters */
};

/* The search for another WAN, for bpf_loop(). */
struct next_search {
	struct __sk_buff *skb;
	const struct pcc_packet *p;
	__u64 tried; /* bit id-1 */
	__u32 base;  /* of the bucket table in pcc_buckets */
	__u32 nbuckets;
	__u32 bucket;
	__u32 step;
	__u32 wan_id; /* the answer, 0 for none */
};

/* May new connections of this family go to the WAN, whatever its routes say? */
static __always_inline int wan_takes_new(const struct pcc_wan *wan, __u32 family)
{
	return wan->state == PCC_WAN_UP &&
	       (wan->flags & (family == PCC_V4 ? PCC_WAN_V4 : PCC_WAN_V6));
}

static __always_inline int wan_try(struct __sk_buff *skb, const struct pcc_packet *p, __u32 id)
{
	struct pcc_wan *wan = bpf_map_lookup_elem(&pcc_wans, &id);

	return id && wan && wan_takes_new(wan, p->family) ? route_marked(skb, p, wan)
							  : MARK_DEAD_END;
}

static __always_inline void next_try(struct next_search *s, __u32 id)
{
	__u64 bit;

	if (!id || id > PCC_MAX_WANS)
		return;
	bit = 1ull << ((id - 1) & 63);
	if (s->tried & bit)
		return;
	s->tried |= bit;
	if (wan_try(s->skb, s->p, id) == MARK_WORKS)
		s->wan_id = id;
}

static long next_by_bucket(__u32 i, void *arg)
{
	struct next_search *s = arg;
	__u32 key, *id;

	s->bucket += s->step;
	if (s->bucket >= s->nbuckets)
		s->bucket -= s->nbuckets;
	key = s->base + s->bucket;
	id = bpf_map_lookup_elem(&pcc_buckets, &key);
	if (id)
		next_try(s, *id);
	return s->wan_id != 0;
}

static long next_by_id(__u32 i, void *arg)
{
	struct next_search *s = arg;

	next_try(s, i + 1);
	return s->wan_id != 0;
}

/*
 * Another WAN for a bucket whose own has no route: the owners of the buckets that follow at a
 * distance given by the bucket, so the order is fixed for each bucket and what a lost WAN had is
 * spread over the others by their weights.
 */
static __noinline __u32 next_best(struct next_search *s)
{
	if (!s)
		return 0;
	if (s->nbuckets > 1)
		s->step = 1 + (s->bucket * 2654435761u >> 8) % (s->nbuckets - 1);
	bpf_loop(PCC_PROBES, next_by_bucket, s, 0);
	if (!s->wan_id)
		bpf_loop(PCC_MAX_WANS, next_by_id, s, 0);
	return s->wan_id;
}

/* A function of its own: its words would not fit beside the callers' on the stack. */
static __noinline __u32 hash_tuple(const struct pcc_tuple *t, __u32 fields, __u32 seed)
{
	return t ? pcc_hash(t, fields, seed) : 0;
}

/* Hash and bucket of a tuple. Returns 0 where the family has no WAN at all. */
static __always_inline int classify_bucket(const struct pcc_meta *meta, const struct pcc_tuple *t,
	__u32 family, struct pcc_decision *d, __u32 *base, __u32 *nbuckets)
{
	__u32 half = meta->active_half & 1;

	/* Everything below comes from this half: a switch in between changes the next packet. */
	*nbuckets = meta->half[half].nbuckets[family & 1];
	*base = meta->half[half].base[family & 1];
	d->hash = hash_tuple(t, meta->half[half].fields, meta->half[half].seed);
	d->bucket = PCC_NO_BUCKET;
	if (!*nbuckets)
		return 0;
	d->bucket = d->hash % *nbuckets;
	return 1;
}

/* The WAN of a new connection. */
static __always_inline void classify(struct __sk_buff *skb, const struct pcc_packet *p,
	const struct pcc_meta *meta, struct pcc_decision *d)
{
	__u32 base, nbuckets, key, *owner, id = 0;
	int verdict;

	if (!classify_bucket(meta, &p->tuple, p->family, d, &base, &nbuckets)) {
		d->reason = PCC_R_BYPASS_FAMILY;
		return;
	}
	key = base + d->bucket;
	owner = bpf_map_lookup_elem(&pcc_buckets, &key);
	if (owner)
		id = *owner;
	d->reason = PCC_R_NEW;
	verdict = wan_try(skb, p, id);
	if (verdict == MARK_OVERRIDDEN) {
		d->reason = PCC_R_BYPASS_ROUTE;
		d->bucket = PCC_NO_BUCKET;
		return;
	}
	if (verdict == MARK_DEAD_END) {
		struct next_search s = {
			.skb = skb,
			.p = p,
			.base = base,
			.nbuckets = nbuckets,
			.bucket = d->bucket,
			.tried = id ? 1ull << ((id - 1) & 63) : 0,
		};
		__u32 other = next_best(&s);

		/* No WAN has a route: keep the bucket's own, the kernel then answers "unreachable".
		 */
		d->reason = other ? PCC_R_NEXT_BEST : PCC_R_NO_WAN;
		id = other ? other : id;
	}
	d->wan_id = id;
}

#endif
