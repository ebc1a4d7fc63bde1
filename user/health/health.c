// SPDX-License-Identifier: GPL-2.0-only
/* The state of a WAN and the reason for it, from link, gateways, traffic and probes. Pure. */
#include "health/health.h"

#include <string.h>

#include "health/health_parts.h"
#include "health/target.h"

/*
 * If replies to other traffic go on for this long after the targets failed, the targets are at
 * fault and not the link.
 */
#define VOUCH_MS 10000u

void pcc_health_defaults(struct pcc_health_cfg *cfg)
{
	*cfg = (struct pcc_health_cfg){
#define X(name, initial, least) .name = (initial),
		PCC_HEALTH_NUMBERS(X)
#undef X
	};
}

/*
 * Stores a configuration that makes sense: each number at least its minimum, the quorum at most the
 * number of targets.
 */
static void cfg_set(struct pcc_health *h, const struct pcc_health_cfg *cfg)
{
	struct pcc_health_cfg *c = &h->cfg;

	*c = *cfg;
	if (c->ntargets > PCC_MAX_TARGETS)
		c->ntargets = PCC_MAX_TARGETS;
	if (c->quorum > c->ntargets)
		c->quorum = c->ntargets;
#define X(name, initial, least) c->name = pcc_max_u32(c->name, (least));
	PCC_HEALTH_NUMBERS(X)
#undef X
	c->hold_max_ms = pcc_max_u32(c->hold_max_ms, c->hold_ms);
	h->hold_ms = pcc_max_u32(h->hold_ms, c->hold_ms);
	if (h->hold_ms > c->hold_max_ms)
		h->hold_ms = c->hold_max_ms;
}

void pcc_health_init(struct pcc_health *h, const struct pcc_health_cfg *cfg, uint64_t now_ms)
{
	*h = (struct pcc_health){
		.now_ms = now_ms,
		.state = PCC_HEALTH_UP,
		.reason = PCC_HEALTH_R_OK,
		.link_up = true,
		.works = true,
	};
	cfg_set(h, cfg);
}

void pcc_health_configure(struct pcc_health *h, const struct pcc_health_cfg *cfg, uint64_t now_ms)
{
	struct pcc_health_target old[PCC_MAX_TARGETS];
	struct pcc_health_cfg old_cfg = h->cfg;

	pcc_health_advance(h, now_ms);
	memcpy(old, h->target, sizeof(old));
	memset(h->target, 0, sizeof(h->target));
	cfg_set(h, cfg);
	h->judged = false;
	for (uint32_t i = 0; i < h->cfg.ntargets; i++)
		for (uint32_t j = 0; j < old_cfg.ntargets; j++)
			if (pcc_target_same(&h->cfg.targets[i], &old_cfg.targets[j]))
				h->target[i] = old[j];
	h->probe_now &= pcc_health_all_targets(h);
}

void pcc_health_link(struct pcc_health *h, bool up, uint64_t now_ms)
{
	pcc_health_advance(h, now_ms);
	if (up && !h->link_up)
		h->probe_now = pcc_health_all_targets(h);
	h->link_up = up;
}

/*
 * Too few targets answer: is the link at fault or the targets? The targets, if other traffic gets
 * replies at the same time. If replies go on for VOUCH_MS, the targets stay to blame until packets
 * are sent and none comes back: so a WAN without traffic is not given up just because its only
 * target has moved.
 */
static enum pcc_health_reason blame(struct pcc_health *h)
{
	if (pcc_health_targets_where(h, pcc_health_target_portal))
		return PCC_HEALTH_R_PORTAL;
	if (!h->failing_ms)
		h->failing_ms = h->now_ms;
	if (pcc_health_is_live(h)) {
		h->vouched |= h->flow.live_ms > h->failing_ms &&
			      h->flow.live_ms - h->failing_ms >= VOUCH_MS;
		return PCC_HEALTH_R_QUIET_TARGETS;
	}
	if (h->vouched && !pcc_health_is_silent(h, pcc_health_live_window_ms(h)))
		return PCC_HEALTH_R_QUIET_TARGETS;
	return PCC_HEALTH_R_TARGETS;
}

/* Returns what is wrong at this moment, regardless of the WAN's past. */
static enum pcc_health_reason fault(struct pcc_health *h)
{
	uint32_t gone = pcc_health_gateways_gone(h);

	if (!h->link_up)
		return PCC_HEALTH_R_LINK;
	if (gone && gone == pcc_health_gateways(h))
		return PCC_HEALTH_R_GATEWAY;
	if (!pcc_health_targets_suffice(h))
		return blame(h);
	h->failing_ms = 0;
	h->vouched = false;
	return PCC_HEALTH_R_OK;
}

/* Returns whether a WAN that works also works well: why it is degraded, or OK. */
static enum pcc_health_reason quality(struct pcc_health *h, enum pcc_health_reason cause)
{
	pcc_health_judge_windows(h);
	if (cause != PCC_HEALTH_R_OK)
		return cause;
	if (pcc_health_gateways_gone(h))
		return PCC_HEALTH_R_GATEWAY;
	if (!h->cfg.ntargets && pcc_health_is_unanswered(h))
		return PCC_HEALTH_R_SILENT;
	if (h->lossy)
		return PCC_HEALTH_R_LOSS;
	return h->slow ? PCC_HEALTH_R_LATENCY : PCC_HEALTH_R_OK;
}

static void fall(struct pcc_health *h)
{
	h->works = false;
	h->falls++;
	h->hold_until_ms = h->now_ms + h->hold_ms;
	h->hold_ms = h->hold_ms > h->cfg.hold_max_ms / 2 ? h->cfg.hold_max_ms : h->hold_ms * 2;
	for (uint32_t i = 0; i < PCC_MAX_TARGETS; i++)
		h->target[i].passes = 0;
}

static void rise(struct pcc_health *h)
{
	h->works = true;
	h->failing_ms = 0;
	h->vouched = false;
	pcc_health_clear_windows(h);
	pcc_health_silence_ends(&h->flow);
	h->decay_ms = 0;
}

static bool is_held(const struct pcc_health *h)
{
	return h->works && h->now_ms < h->hold_until_ms;
}

/* Halves the hold of the next fall each time the WAN has worked for twice as long as that hold. */
static void decay(struct pcc_health *h)
{
	if (!h->works || is_held(h))
		return;
	if (!h->decay_ms)
		h->decay_ms = h->now_ms + 2ull * h->hold_ms;
	while (h->hold_ms > h->cfg.hold_ms && h->now_ms >= h->decay_ms) {
		h->hold_ms = pcc_max_u32(h->hold_ms / 2, h->cfg.hold_ms);
		h->decay_ms += 2ull * h->hold_ms;
	}
}

/* Do enough targets answer again for a WAN that has fallen to rise? */
static bool is_back(const struct pcc_health *h)
{
	return !h->cfg.ntargets ||
	       pcc_health_targets_where(h, pcc_health_target_good) >= h->cfg.quorum;
}

/* Computes the state and the reason of this moment. */
static enum pcc_health_reason judge(struct pcc_health *h, enum pcc_health_state *state)
{
	enum pcc_health_reason cause = fault(h);
	bool bad = cause != PCC_HEALTH_R_OK && cause != PCC_HEALTH_R_QUIET_TARGETS;

	if (h->works && bad)
		fall(h);
	else if (!h->works && !bad && is_back(h))
		rise(h);
	*state = PCC_HEALTH_DOWN;
	if (!h->works)
		return bad ? cause : PCC_HEALTH_R_RISING;
	if (is_held(h))
		return PCC_HEALTH_R_HOLD;
	decay(h);
	cause = quality(h, cause);
	*state = cause == PCC_HEALTH_R_OK ? PCC_HEALTH_UP : PCC_HEALTH_DEGRADED;
	return cause;
}

static void sooner(uint64_t *deadline_ms, uint64_t ms)
{
	if (ms < *deadline_ms)
		*deadline_ms = ms;
}

static uint64_t deadline(const struct pcc_health *h)
{
	uint64_t d = UINT64_MAX;

	if (is_held(h))
		sooner(&d, h->hold_until_ms);
	if (h->works && h->reason == PCC_HEALTH_R_QUIET_TARGETS && pcc_health_is_live(h))
		sooner(&d, h->flow.live_ms + pcc_health_live_window_ms(h));
	sooner(&d, pcc_health_gateway_due_ms(h));
	return d;
}

struct pcc_health_verdict pcc_health_step(struct pcc_health *h, uint64_t now_ms)
{
	struct pcc_health_verdict v = {};

	pcc_health_advance(h, now_ms);
	h->reason = judge(h, &v.state);
	v.changed = v.state != h->state;
	h->state = v.state;
	v.reason = h->reason;
	pcc_health_watch_gateway(h);
	v.probe_now = h->probe_now;
	v.ask_gateway = h->ask_gateway;
	h->probe_now = 0;
	h->ask_gateway = false;
	v.deadline_ms = deadline(h);
	return v;
}

uint64_t pcc_health_hold_left(const struct pcc_health *h)
{
	return h->now_ms < h->hold_until_ms ? h->hold_until_ms - h->now_ms : 0;
}
