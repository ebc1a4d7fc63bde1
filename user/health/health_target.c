// SPDX-License-Identifier: GPL-2.0-only
/* What the probes of each target tell: whether the target has failed, or is good again. */
#include "health/health_parts.h"

/* A loss that is noticed this late does not count: our process was not running in the meantime. */
#define STALL_MS 500u
/* A probe that lost so many tries before its answer does not count towards rising. */
#define LOST_TO_DOUBT 2u

/*
 * Counts probes that were lost as a whole before a probe with an answer: the link loses packets,
 * but it is not dead.
 */
static void count_pending(struct pcc_health *h, struct pcc_health_target *t)
{
	for (; t->pending; t->pending--)
		pcc_health_push_loss(h, 1);
}

/*
 * Counts the tries of a probe in the window of losses. The tries of lost probes wait until the
 * target answers again. If it fails instead they are dropped, as they say nothing about how many
 * packets a working link loses, and a dead link is not a lossy one.
 */
static void count_tries(
	struct pcc_health *h, struct pcc_health_target *t, const struct pcc_probe_result *r)
{
	if (t->fails >= h->cfg.fall)
		t->pending = 0;
	if (r->outcome == PCC_PROBE_LOST) {
		t->pending = t->pending + r->tries < PCC_HEALTH_LOSSES ? t->pending + r->tries
								       : PCC_HEALTH_LOSSES;
		return;
	}
	count_pending(h, t);
	for (uint32_t i = 0; i < r->tries; i++)
		pcc_health_push_loss(h, i < r->lost);
}

void pcc_health_probe(struct pcc_health *h, const struct pcc_probe_result *r)
{
	struct pcc_health_target *t;

	pcc_health_advance(h, r->ended_ms);
	if (r->target >= h->cfg.ntargets)
		return;
	t = &h->target[r->target];
	if (r->outcome == PCC_PROBE_LATE) {
		count_pending(h, t);
		t->fails = 0;
		pcc_health_push_latency(h, r->rtt_us);
		return;
	}
	if (r->outcome == PCC_PROBE_LOST &&
		r->ended_ms - r->started_ms > (uint64_t)h->cfg.timeout_ms + STALL_MS) {
		h->probe_now |= 1u << r->target;
		return;
	}
	count_tries(h, t, r);
	t->seen = true;
	t->last = r->outcome;
	if (r->outcome == PCC_PROBE_OK) {
		t->fails = 0;
		/*
		 * Only prompt answers count towards rising, so that a flapping link does not rise.
		 */
		t->passes = h->works || r->lost < LOST_TO_DOUBT ? t->passes + 1 : 0;
		t->rtt_us = r->rtt_us;
		pcc_health_push_latency(h, r->rtt_us);
		pcc_health_gateway_answers(h, r);
		return;
	}
	t->passes = 0;
	t->fails++;
	if (r->outcome != PCC_PROBE_LOST)
		return;
	if (t->fails < h->cfg.fall && h->works)
		h->probe_now |= 1u << r->target;
	pcc_health_ask_gateway(h);
}

uint32_t pcc_health_targets_where(const struct pcc_health *h, pcc_health_target_is is)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < h->cfg.ntargets; i++)
		n += is(h, i);
	return n;
}

bool pcc_health_target_failed(const struct pcc_health *h, uint32_t target)
{
	return target < h->cfg.ntargets && h->target[target].fails >= h->cfg.fall;
}

void pcc_health_target_seen(
	const struct pcc_health *h, uint32_t target, struct pcc_health_seen *seen)
{
	seen->known = h->target[target].seen;
	seen->failed = pcc_health_target_failed(h, target);
	seen->lost = h->target[target].fails;
	seen->rtt_us = h->target[target].rtt_us;
}

bool pcc_health_target_good(const struct pcc_health *h, uint32_t i)
{
	return h->target[i].passes >= h->cfg.rise;
}

bool pcc_health_target_portal(const struct pcc_health *h, uint32_t i)
{
	return pcc_health_target_failed(h, i) && h->target[i].last == PCC_PROBE_PORTAL;
}

bool pcc_health_targets_suffice(const struct pcc_health *h)
{
	return !h->cfg.ntargets ||
	       h->cfg.ntargets - pcc_health_targets_where(h, pcc_health_target_failed) >=
		       h->cfg.quorum;
}
