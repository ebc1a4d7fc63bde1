/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long an entry of the fast path may be used: its lease. flow_valid() asks, learn_store()
 * gives.
 *
 *               2 s          this packet goes to the kernel
 *    FRESH -----------> LATE ------------------------------> RENEWING
 *      ^                 |  ^                                 |    |
 *      |   too many are  |  | something in the kernel         |    | 100 ms: the kernel
 *      |   late at once  v  | has changed, or 18 s            |    | did not forward it
 *      |             STRETCHED                                |    v
 *      +------------------------------------------------------+  ENDED
 *             the kernel forwarded it: learned again
 *
 * FRESH, STRETCHED: packets use the entry. LATE: one packet goes to the kernel, which forwards it
 * or not, by the rules of this moment. RENEWING: the other packets still use the entry. ENDED: all
 * packets go to the kernel, and the first one that the kernel forwards makes the lease FRESH. A
 * lease with another epoch than pcc_meta's has ended; FIN and RST set the epoch of both directions
 * to 0.
 */
#ifndef PCC_LEASE_BPF_H
#define PCC_LEASE_BPF_H

#include "generation.bpf.h"
#include "stats.bpf.h"

#define PCC_LEASE_NS (2ull * 1000 * 1000 * 1000)
#define PCC_LEASE_UNITS ((__s32)(PCC_LEASE_NS >> PCC_LEASE_SHIFT))
#define PCC_RENEW_NS (100ull * 1000 * 1000)

/*
 * How many packets a CPU sends to the kernel to renew leases in a slice of time: about 50,000 a
 * second. If more leases end, the other leases are stretched, to 20 s in all, as long as nothing in
 * the kernel's tables and rules has changed.
 */
#define PCC_SLICE_SHIFT 24 /* 2^24 ns, 16.8 ms */
#define PCC_RENEWALS_PER_SLICE 839u
#define PCC_STRETCH_UNITS (9 * PCC_LEASE_UNITS)

struct renewals {
	__u32 slice;
	__u32 count;
};

/* Written and read by the ingress programs. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct renewals);
} pcc_renewals SEC(".maps");

/* May one more packet go to the kernel to renew a lease? */
static __always_inline int renewal_take(__u64 now)
{
	__u32 zero = 0, slice = now >> PCC_SLICE_SHIFT;
	struct renewals *r = bpf_map_lookup_elem(&pcc_renewals, &zero);

	if (!r)
		return 1;
	if ((__s32)(slice - r->slice) > 0) {
		r->slice = slice;
		r->count = 0;
	}
	return r->count++ < PCC_RENEWALS_PER_SLICE;
}

/*
 * May a late lease be used further? If there are more busy connections than the kernel's way can
 * carry one packet of every two seconds, then without this nearly all packets would take the
 * kernel's way.
 */
static __always_inline int flow_stretches(
	struct pcc_flow *flow, void *ctx, enum hook hook, __s32 late, __u64 now)
{
	if (!PCC_HAVE_GENERATION() || late >= PCC_STRETCH_UNITS || renewal_take(now))
		return 0;
	return flow->generation && flow->generation == ctx_generation(ctx, hook);
}

enum lease { LEASE_FRESH, LEASE_LATE, LEASE_RENEWING, LEASE_ENDED };

/*
 * The state, except STRETCHED, which flow_stretches() finds. late: by how much the lease is late,
 * in units.
 */
static __always_inline enum lease lease_state(
	const struct pcc_flow *flow, const struct pcc_meta *meta, __s32 late, __u64 now)
{
	__u64 renew;

	if (flow->epoch != meta->epoch)
		return LEASE_ENDED;
	if (late < 0)
		return LEASE_FRESH;
	renew = flow->renew_ns;
	if (!renew)
		return LEASE_LATE;
	return now < renew + PCC_RENEW_NS && late < PCC_LEASE_UNITS ? LEASE_RENEWING : LEASE_ENDED;
}

/* Is this the packet that renews the lease? If several CPUs ask, only one gets 1. */
static __always_inline int lease_renews(struct pcc_flow *flow, __u64 now)
{
	if (__sync_val_compare_and_swap(&flow->renew_ns, 0, now))
		return 0;
	count_reason(PCC_R_FAST_RENEW);
	return 1;
}

/* May the packet use the lease? late_ok: also if the lease is not FRESH. */
static __always_inline int flow_valid(struct pcc_flow *flow, const struct pcc_meta *meta, void *ctx,
	enum hook hook, __u64 now, __u32 late_ok)
{
	__s32 late = (__u32)(now >> PCC_LEASE_SHIFT) - flow->lease;

	switch (lease_state(flow, meta, late, now)) {
	case LEASE_FRESH:
		return 1;
	case LEASE_LATE:
		return late_ok &&
		       (flow_stretches(flow, ctx, hook, late, now) || !lease_renews(flow, now));
	case LEASE_RENEWING:
		return late_ok;
	default:
		return 0;
	}
}

/* May there be a valid lease for this key? 0: there is none. */
static __always_inline int flow_may_be(const struct pcc_flow_key *key)
{
	__u32 zero = 0, place = pcc_leased_place(key);
	struct pcc_leased *leased = bpf_map_lookup_elem(&pcc_leased, &zero);

	return leased &&
	       (leased->at[place >> 5][0] | leased->at[place >> 5][1]) & 1u << (place & 31);
}

struct leased_clear {
	struct pcc_leased *leased;
	__u32 which; /* bit 0: the even period's, bit 1: the odd one's */
};

static long leased_clear_word(__u32 i, void *arg)
{
	struct leased_clear *c = arg;

	i &= (1 << (PCC_LEASED_BITS - 5)) - 1;
	if (c->which & 1)
		c->leased->at[i][0] = 0;
	if (c->which & 2)
		c->leased->at[i][1] = 0;
	return 0;
}

/* A new period begins: clears the bits of two periods ago, or earlier. */
static __noinline int leased_turn(struct pcc_leased *leased, __u32 period)
{
	struct leased_clear c = {.leased = leased, .which = 1u << (period & 1)};

	if (!leased)
		return 0;
	if (period - leased->period > 1)
		c.which = 3;
	leased->period = period;
	bpf_loop(1 << (PCC_LEASED_BITS - 5), leased_clear_word, &c, 0);
	return 0;
}

/* Sets the bit of a key that gets a lease. */
static __always_inline void leased_note(const struct pcc_flow_key *key, __u64 now)
{
	__u32 zero = 0, place = pcc_leased_place(key), period = now >> PCC_LEASED_PERIOD_SHIFT;
	struct pcc_leased *leased = bpf_map_lookup_elem(&pcc_leased, &zero);
	__u32 *bits;

	if (!leased)
		return;
	if (leased->period != period)
		leased_turn(leased, period);
	bits = &leased->at[place >> 5][period & 1];
	if (!(*bits & 1u << (place & 31)))
		*bits |= 1u << (place & 31);
}

#endif
