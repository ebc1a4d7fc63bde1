/* SPDX-License-Identifier: GPL-2.0-only */
/* The classifier: hash -> bucket -> WAN, and another WAN if that one has lost its route. */
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
	__u32 base;	 /* of the bucket table in force */
	__u32 policy;	 /* entry of pcc_policies + 1; 0: no rule matched */
	__u32 tx_bytes;	 /* of the packet from the LAN; 0: not one */
	__u16 nbuckets;	 /* of the table in force; 0: the family has no WAN */
	__u8 origin;	 /* enum pcc_origin: who opened the connection */
	__u8 entry;	 /* enum conn_entry */
	__u8 looked_up;	 /* the tuple was looked up in pcc_conns before the decision */
	__u8 was_bypass; /* it was found, as a connection that is left alone */
	__u16 pad;
};

/* What became of the connection's entry in pcc_conns. */
enum conn_entry {
	CONN_NOT_NEW,  /* it was changed in place, or the map refused it */
	CONN_ENTERED,  /* it is new, and the packet, if there is one, is counted in it */
	CONN_WAS_THERE /* it existed: another CPU was faster, or it was not looked up before */
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

/* The WAN with that id, if such connections may go to it; else NULL. */
static __always_inline const struct pcc_wan *wan_for_new(__u32 id, __u32 family)
{
	const struct pcc_wan *wan = bpf_map_lookup_elem(&pcc_wans, &id);

	return id && wan && wan_takes_new(wan, family) ? wan : NULL;
}

/* Can a packet take the WAN, to whose destination only default routes lead? */
static __always_inline int wan_try(struct __sk_buff *skb, const struct pcc_packet *p, __u32 id)
{
	const struct pcc_wan *wan = wan_for_new(id, p->family);

	return wan ? route_marked(skb, p, wan) : ROUTE_DEAD_END;
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
	if (wan_try(s->skb, s->p, id) == ROUTE_WAN)
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
 * Finds another WAN for a bucket whose own WAN has no route. It tries the owners of other buckets,
 * going through the table in steps whose width depends on the bucket. So each bucket has a fixed
 * order of WANs, and the buckets of a lost WAN are spread over the others by their weights.
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

/*
 * A function of its own, since the stack has no room for its variables beside those of the callers.
 */
static __noinline __u32 hash_tuple(const struct pcc_tuple *t, __u32 fields, __u32 seed)
{
	return t ? pcc_hash(t, fields, seed) : 0;
}

/*
 * Fills in hash and bucket of a tuple. Returns the WAN that owns the bucket, or 0 if no WAN owns
 * it. If the family has no WAN at all, d->nbuckets is 0.
 */
static __always_inline __u32 classify(const struct pcc_meta *meta, const struct pcc_tuple *t,
	__u32 family, struct pcc_decision *d)
{
	__u32 half = meta->active_half & 1, key, *owner;

	/*
	 * All values come from this half: if user space switches now, that holds for the next
	 * packet.
	 */
	d->nbuckets = meta->half[half].nbuckets[family & 1];
	d->base = meta->half[half].base[family & 1];
	d->hash = hash_tuple(t, meta->half[half].fields, meta->half[half].seed);
	d->bucket = PCC_NO_BUCKET;
	if (!d->nbuckets)
		return 0;
	d->bucket = d->hash % d->nbuckets;
	key = d->base + d->bucket;
	owner = bpf_map_lookup_elem(&pcc_buckets, &key);
	return owner ? *owner : 0;
}

/*
 * The bucket's own WAN, d->wan_id, has no route: takes another one. If no WAN has a route,
 * d->wan_id stays, and the kernel answers "unreachable".
 */
static __noinline int classify_next(
	struct __sk_buff *skb, const struct pcc_packet *p, struct pcc_decision *d)
{
	struct next_search s = {.skb = skb, .p = p};
	__u32 other;

	if (!skb || !p || !d)
		return 0;
	s.base = d->base;
	s.nbuckets = d->nbuckets;
	s.bucket = d->bucket;
	s.tried = d->wan_id ? 1ull << ((d->wan_id - 1) & 63) : 0;
	other = next_best(&s);
	d->reason = other ? PCC_R_NEXT_BEST : PCC_R_NO_WAN;
	if (other)
		d->wan_id = other;
	return 0;
}

#endif
