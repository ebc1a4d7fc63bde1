// SPDX-License-Identifier: GPL-2.0-only
#include "health/health.h"

#include <linux/neighbour.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "health/target.h"

/* A loss that is noticed this much too late was no loss: the process did not run. */
#define STALL_MS 500u
/* Samples further apart than this say nothing about what came in between. */
#define SAMPLE_GAP_MS (4 * PCC_HEALTH_SAMPLE_MS)
/* Silence: so many packets sent and none received. */
#define QUIET_PACKETS 4u
/* Without a target, degraded: so many requests for connections without any packet in so long. */
#define SILENT_SYNS 8u
#define SILENT_MS 3000u
/* Of so many requests in a second less than half answered: worth a probe. */
#define SYNS_TO_JUDGE 5u
/* Between two probes for the same suspicion. */
#define SUSPICION_MS 2000u
/* Replies that go on for so long after the targets failed: the targets are to blame. */
#define VOUCH_MS 10000u
/* Tries lost before the answer: such a probe is no step towards rising. */
#define LOST_TO_DOUBT 2u
#define GATEWAY_ASK_MS 1000u
#define LATENCIES_TO_JUDGE 16u

static uint32_t max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

void pcc_health_defaults(struct pcc_health_cfg *cfg)
{
	*cfg = (struct pcc_health_cfg){
		.quorum = 1,
		.interval_ms = 500,
		.timeout_ms = 1000,
		.fall = 2,
		.rise = 6,
		.loss_percent = 25,
		.latency_ms = 500,
		.hold_ms = 10000,
		.hold_max_ms = 120000,
	};
}

bool pcc_neigh_of_nud(uint16_t nud, enum pcc_neigh *neigh)
{
	if (nud & NUD_FAILED)
		*neigh = PCC_NEIGH_FAILED;
	else if (nud &
		 (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_NOARP | NUD_PERMANENT))
		*neigh = PCC_NEIGH_GOOD;
	else
		return false;
	return true;
}

static void advance(struct pcc_health *h, uint64_t now_ms)
{
	if (now_ms > h->now_ms)
		h->now_ms = now_ms;
}

static uint32_t all_targets(const struct pcc_health *h)
{
	return (1u << h->cfg.ntargets) - 1;
}

/* A configuration that can be worked with. */
static void cfg_set(struct pcc_health *h, const struct pcc_health_cfg *cfg)
{
	struct pcc_health_cfg *c = &h->cfg;

	*c = *cfg;
	if (c->ntargets > PCC_MAX_TARGETS)
		c->ntargets = PCC_MAX_TARGETS;
	if (c->quorum > c->ntargets)
		c->quorum = c->ntargets;
	c->quorum = max_u32(c->quorum, 1);
	c->fall = max_u32(c->fall, 1);
	c->rise = max_u32(c->rise, 1);
	c->hold_max_ms = max_u32(c->hold_max_ms, c->hold_ms);
	h->hold_ms = max_u32(h->hold_ms, c->hold_ms);
	if (h->hold_ms > c->hold_max_ms)
		h->hold_ms = c->hold_max_ms;
}

void pcc_health_init(struct pcc_health *h, const struct pcc_health_cfg *cfg, uint64_t now_ms)
{
	*h = (struct pcc_health){
		.now_ms = now_ms,
		.since_ms = now_ms,
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

	advance(h, now_ms);
	memcpy(old, h->target, sizeof(old));
	memset(h->target, 0, sizeof(h->target));
	cfg_set(h, cfg);
	h->judged = false;
	for (uint32_t i = 0; i < h->cfg.ntargets; i++)
		for (uint32_t j = 0; j < old_cfg.ntargets; j++)
			if (pcc_target_same(&h->cfg.targets[i], &old_cfg.targets[j]))
				h->target[i] = old[j];
	h->probe_now &= all_targets(h);
}

/* ---------------------------------------------------------------- what happened */

static void ask_gateway(struct pcc_health *h)
{
	if (h->gateway_asked_ms && h->now_ms - h->gateway_asked_ms < GATEWAY_ASK_MS)
		return;
	h->gateway_asked_ms = h->now_ms;
	h->ask_gateway = h->link_up && (h->gateway[PCC_V4] != PCC_NEIGH_NONE ||
					       h->gateway[PCC_V6] != PCC_NEIGH_NONE);
}

void pcc_health_link(struct pcc_health *h, bool up, uint64_t now_ms)
{
	advance(h, now_ms);
	if (up && !h->link_up)
		h->probe_now = all_targets(h);
	h->link_up = up;
}

void pcc_health_gateway(
	struct pcc_health *h, enum pcc_family family, enum pcc_neigh neigh, uint64_t now_ms)
{
	advance(h, now_ms);
	h->gateway[family] = neigh;
	h->gateway_ms[family] = h->now_ms;
}

static void loss_push(struct pcc_health *h, uint8_t lost)
{
	h->judged = false;
	h->lost_sum = h->lost_sum + lost - h->lost[h->lost_at];
	h->lost[h->lost_at] = lost;
	h->lost_at = (h->lost_at + 1) % PCC_HEALTH_LOSSES;
	if (h->lost_n < PCC_HEALTH_LOSSES)
		h->lost_n++;
}

static void latency_push(struct pcc_health *h, uint32_t rtt_us)
{
	h->judged = false;
	h->latency_us[h->latency_at] = rtt_us;
	h->latency_at = (h->latency_at + 1) % PCC_HEALTH_LATENCIES;
	if (h->latency_n < PCC_HEALTH_LATENCIES)
		h->latency_n++;
}

static void windows_clear(struct pcc_health *h)
{
	memset(h->lost, 0, sizeof(h->lost));
	h->lost_at = h->lost_n = h->lost_sum = 0;
	h->latency_at = h->latency_n = 0;
	h->lossy = h->slow = false;
}

/* An answer came through the gateway, so it works, whatever was said of it before. */
static void gateway_answers(struct pcc_health *h, const struct pcc_probe_result *r)
{
	enum pcc_family f = h->cfg.targets[r->target].family == AF_INET6 ? PCC_V6 : PCC_V4;

	if (h->gateway[f] == PCC_NEIGH_FAILED && r->started_ms >= h->gateway_ms[f])
		h->gateway[f] = PCC_NEIGH_GOOD;
}

/* Whole probes that were lost before an answer: the link loses, it is not dead. */
static void count_pending(struct pcc_health *h, struct pcc_health_target *t)
{
	for (; t->pending; t->pending--)
		loss_push(h, 1);
}

/*
 * Losses count once the target answers again: one that has failed says nothing about how much a
 * working link loses, and a dead link is not a lossy one.
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
		loss_push(h, i < r->lost);
}

void pcc_health_probe(struct pcc_health *h, const struct pcc_probe_result *r)
{
	struct pcc_health_target *t;

	advance(h, r->ended_ms);
	if (r->target >= h->cfg.ntargets)
		return;
	t = &h->target[r->target];
	if (r->outcome == PCC_PROBE_LATE) {
		count_pending(h, t);
		t->fails = 0;
		latency_push(h, r->rtt_us);
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
		/* Back for good is what is answered without delay; a flapping link is not. */
		t->passes = h->works || r->lost < LOST_TO_DOUBT ? t->passes + 1 : 0;
		t->rtt_us = r->rtt_us;
		latency_push(h, r->rtt_us);
		gateway_answers(h, r);
		return;
	}
	t->passes = 0;
	t->fails++;
	if (r->outcome != PCC_PROBE_LOST)
		return;
	if (t->fails < h->cfg.fall && h->works)
		h->probe_now |= 1u << r->target;
	ask_gateway(h);
}

/* ---------------------------------------------------------------- what others see */

static void suspect(struct pcc_health *h)
{
	if (h->flow.asked_ms && h->now_ms - h->flow.asked_ms < SUSPICION_MS)
		return;
	h->flow.asked_ms = h->now_ms;
	h->probe_now = all_targets(h);
	ask_gateway(h);
}

/* Requests for connections, second by second. */
static void judge_syns(struct pcc_health *h, uint64_t sent, uint64_t answered)
{
	struct pcc_health_flow *f = &h->flow;

	f->syns += sent;
	f->answers += answered;
	if (h->now_ms - f->second_ms < 1000)
		return;
	if (f->syns >= SYNS_TO_JUDGE && f->answers * 2 < f->syns)
		suspect(h);
	f->second_ms = h->now_ms;
	f->syns = f->answers = 0;
}

static void judge_silence(struct pcc_health *h, uint64_t tx, uint64_t syns)
{
	struct pcc_health_flow *f = &h->flow;

	if (!tx && !f->quiet_tx)
		return;
	if (!f->quiet_tx)
		f->quiet_ms = h->now_ms;
	f->quiet_tx += tx;
	f->quiet_syns += syns;
	if (f->quiet_tx >= QUIET_PACKETS && h->now_ms - f->quiet_ms >= PCC_HEALTH_SAMPLE_MS)
		suspect(h);
}

static void silence_ends(struct pcc_health_flow *f)
{
	f->quiet_tx = f->quiet_syns = 0;
}

void pcc_health_traffic(struct pcc_health *h, const struct pcc_health_traffic *c, uint64_t now_ms)
{
	struct pcc_health_flow *f = &h->flow;
	struct pcc_health_traffic was = f->at;
	bool known = f->known && now_ms - f->sampled_ms <= SAMPLE_GAP_MS;

	advance(h, now_ms);
	f->at = *c;
	f->sampled_ms = now_ms;
	f->known = true;
	/* After a pause, or when the counters began anew, this sample is the first. */
	if (!known || c->tx_packets < was.tx_packets || c->rx_packets < was.rx_packets ||
		c->syn_sent < was.syn_sent || c->syn_answered < was.syn_answered) {
		silence_ends(f);
		return;
	}
	judge_syns(h, c->syn_sent - was.syn_sent, c->syn_answered - was.syn_answered);
	if (c->rx_packets - was.rx_packets > c->rx_errors - was.rx_errors) {
		f->live_ms = h->now_ms;
		silence_ends(f);
		return;
	}
	judge_silence(h, c->tx_packets - was.tx_packets, c->syn_sent - was.syn_sent);
}

/* How long a packet is a sign of life. */
static uint32_t live_window_ms(const struct pcc_health *h)
{
	return max_u32(h->cfg.timeout_ms, 1000);
}

static bool is_live(const struct pcc_health *h)
{
	return h->flow.live_ms && h->now_ms - h->flow.live_ms < live_window_ms(h);
}

static bool is_silent(const struct pcc_health *h, uint32_t for_ms)
{
	return h->flow.quiet_tx >= QUIET_PACKETS && h->now_ms - h->flow.quiet_ms >= for_ms;
}

/* ---------------------------------------------------------------- what follows */

static uint32_t targets_where(
	const struct pcc_health *h, bool (*is)(const struct pcc_health *h, uint32_t i))
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

static bool target_is_good(const struct pcc_health *h, uint32_t i)
{
	return h->target[i].passes >= h->cfg.rise;
}

static bool target_sees_portal(const struct pcc_health *h, uint32_t i)
{
	return pcc_health_target_failed(h, i) && h->target[i].last == PCC_PROBE_PORTAL;
}

/* Gateways of which something is known, and those that are gone. */
static uint32_t gateways_where(const struct pcc_health *h, bool failed)
{
	uint32_t n = 0;

	for (int f = 0; f < PCC_FAMILIES; f++)
		n += failed ? h->gateway[f] == PCC_NEIGH_FAILED : h->gateway[f] != PCC_NEIGH_NONE;
	return n;
}

static bool targets_suffice(const struct pcc_health *h)
{
	return !h->cfg.ntargets ||
	       h->cfg.ntargets - targets_where(h, pcc_health_target_failed) >= h->cfg.quorum;
}

/*
 * Too few targets answer. Is it the link or the targets? Whoever gets replies at the same time
 * says: the targets. If that goes on for a while it stays so until something is sent and nothing
 * comes back: a WAN without traffic is not taken away because its only target has moved.
 */
static enum pcc_health_reason blame(struct pcc_health *h)
{
	if (targets_where(h, target_sees_portal))
		return PCC_HEALTH_R_PORTAL;
	if (!h->failing_ms)
		h->failing_ms = h->now_ms;
	if (is_live(h)) {
		h->vouched |= h->flow.live_ms > h->failing_ms &&
			      h->flow.live_ms - h->failing_ms >= VOUCH_MS;
		return PCC_HEALTH_R_QUIET_TARGETS;
	}
	return h->vouched && !is_silent(h, live_window_ms(h)) ? PCC_HEALTH_R_QUIET_TARGETS
							      : PCC_HEALTH_R_TARGETS;
}

/* What is wrong at this moment, without a look at the past of the WAN. */
static enum pcc_health_reason fault(struct pcc_health *h)
{
	uint32_t gone = gateways_where(h, true);

	if (!h->link_up)
		return PCC_HEALTH_R_LINK;
	if (gone && gone == gateways_where(h, false))
		return PCC_HEALTH_R_GATEWAY;
	if (!targets_suffice(h))
		return blame(h);
	h->failing_ms = 0;
	h->vouched = false;
	return PCC_HEALTH_R_OK;
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

bool pcc_health_latency(const struct pcc_health *h, uint32_t *rtt_us)
{
	uint32_t sorted[PCC_HEALTH_LATENCIES];

	if (!h->latency_n)
		return false;
	memcpy(sorted, h->latency_us, sizeof(sorted));
	qsort(sorted, h->latency_n, sizeof(sorted[0]), by_size);
	*rtt_us = sorted[h->latency_n / 2];
	return true;
}

bool pcc_health_loss(const struct pcc_health *h, uint32_t *percent)
{
	if (!h->lost_n)
		return false;
	*percent = (h->lost_sum * 100 + h->lost_n / 2) / h->lost_n;
	return true;
}

/*
 * The windows against their limits. The losses are held against the whole window, however few have
 * been counted: a handful says nothing yet. Both go back only well below the limit.
 */
static void judge_windows(struct pcc_health *h)
{
	uint64_t lost = (uint64_t)h->lost_sum * 100,
		 limit = h->cfg.loss_percent * PCC_HEALTH_LOSSES;
	uint64_t slow_us = (uint64_t)h->cfg.latency_ms * 1000;
	uint32_t rtt_us;

	if (h->judged)
		return;
	h->judged = true;
	h->lossy = h->cfg.loss_percent < 100 && (h->lossy ? lost * 5 > limit * 3 : lost > limit);
	if (!h->cfg.latency_ms)
		h->slow = false;
	else if (h->latency_n >= LATENCIES_TO_JUDGE && pcc_health_latency(h, &rtt_us))
		h->slow = h->slow ? (uint64_t)rtt_us * 4 > slow_us * 3 : rtt_us > slow_us;
}

/* A WAN that works: does it work well? */
static enum pcc_health_reason quality(struct pcc_health *h, enum pcc_health_reason cause)
{
	judge_windows(h);
	if (cause != PCC_HEALTH_R_OK)
		return cause;
	if (gateways_where(h, true))
		return PCC_HEALTH_R_GATEWAY;
	if (!h->cfg.ntargets && h->flow.quiet_syns >= SILENT_SYNS && is_silent(h, SILENT_MS))
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
	windows_clear(h);
	silence_ends(&h->flow);
	h->decay_ms = 0;
}

static bool is_held(const struct pcc_health *h)
{
	return h->works && h->now_ms < h->hold_until_ms;
}

/* The hold of the next fall is halved for every quiet time of twice its length. */
static void decay(struct pcc_health *h)
{
	if (!h->works || is_held(h))
		return;
	if (!h->decay_ms)
		h->decay_ms = h->now_ms + 2ull * h->hold_ms;
	while (h->hold_ms > h->cfg.hold_ms && h->now_ms >= h->decay_ms) {
		h->hold_ms = max_u32(h->hold_ms / 2, h->cfg.hold_ms);
		h->decay_ms += 2ull * h->hold_ms;
	}
}

/* State and reason of this moment. */
static enum pcc_health_reason judge(struct pcc_health *h, enum pcc_health_state *state)
{
	enum pcc_health_reason cause = fault(h);
	bool bad = cause != PCC_HEALTH_R_OK && cause != PCC_HEALTH_R_QUIET_TARGETS;

	if (h->works && bad)
		fall(h);
	else if (!h->works && !bad &&
		 (!h->cfg.ntargets || targets_where(h, target_is_good) >= h->cfg.quorum))
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

/*
 * Without targets the gateway is all that can be asked; one that has failed is asked in any case:
 * who is back need not say so by himself.
 */
static bool gateway_is_watched(const struct pcc_health *h)
{
	return gateways_where(h, true) || (!h->cfg.ntargets && gateways_where(h, false));
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
	if (h->works && h->reason == PCC_HEALTH_R_QUIET_TARGETS && is_live(h))
		sooner(&d, h->flow.live_ms + live_window_ms(h));
	if (h->link_up && gateway_is_watched(h))
		sooner(&d, h->gateway_asked_ms + max_u32(h->cfg.interval_ms, GATEWAY_ASK_MS));
	return d;
}

struct pcc_health_verdict pcc_health_step(struct pcc_health *h, uint64_t now_ms)
{
	struct pcc_health_verdict v = {};

	advance(h, now_ms);
	h->reason = judge(h, &v.state);
	v.changed = v.state != h->state;
	if (v.changed)
		h->since_ms = h->now_ms;
	h->state = v.state;
	v.reason = h->reason;
	if (gateway_is_watched(h) && h->now_ms - h->gateway_asked_ms >= h->cfg.interval_ms)
		ask_gateway(h);
	v.probe_now = h->probe_now;
	v.ask_gateway = h->ask_gateway;
	h->probe_now = 0;
	h->ask_gateway = false;
	v.deadline_ms = deadline(h);
	return v;
}

/* ---------------------------------------------------------------- for people */

uint64_t pcc_health_hold_left(const struct pcc_health *h)
{
	return h->now_ms < h->hold_until_ms ? h->hold_until_ms - h->now_ms : 0;
}

const char *pcc_health_state_name(enum pcc_health_state state)
{
	static const char *const names[] = {
		[PCC_HEALTH_UP] = "up",
		[PCC_HEALTH_DEGRADED] = "degraded",
		[PCC_HEALTH_DOWN] = "down",
	};

	return state < COUNT(names) ? names[state] : "?";
}

const char *pcc_health_reason_name(enum pcc_health_reason reason)
{
	static const char *const names[] = {
#define X(sym, name, text) [PCC_HEALTH_R_##sym] = name,
		PCC_HEALTH_REASONS(X)
#undef X
	};

	return reason < PCC_HEALTH_R_MAX ? names[reason] : "?";
}

const char *pcc_health_reason_text(enum pcc_health_reason reason)
{
	static const char *const texts[] = {
#define X(sym, name, text) [PCC_HEALTH_R_##sym] = text,
		PCC_HEALTH_REASONS(X)
#undef X
	};

	return reason < PCC_HEALTH_R_MAX ? texts[reason] : "?";
}

/* Appends to a text that may be full already. */
static void add(char *text, size_t size, const char *before, const char *word)
{
	size_t len = strlen(text);

	snprintf(text + len, size - len, "%s%s", before, word);
}

static void describe_targets(const struct pcc_health *h, char *text, size_t size)
{
	const char *before = "; not ";
	char word[64];

	snprintf(word, sizeof(word), "%u of %u, %u needed",
		h->cfg.ntargets - targets_where(h, pcc_health_target_failed), h->cfg.ntargets,
		h->cfg.quorum);
	add(text, size, ": ", word);
	for (uint32_t i = 0; i < h->cfg.ntargets; i++) {
		if (!pcc_health_target_failed(h, i))
			continue;
		add(text, size, before, h->cfg.targets[i].text);
		before = ", ";
	}
}

void pcc_health_describe(const struct pcc_health *h, char *text, size_t size)
{
	uint32_t n;
	char word[64];

	snprintf(text, size, "%s", pcc_health_reason_text(h->reason));
	if (!targets_suffice(h) && h->cfg.ntargets)
		describe_targets(h, text, size);
	if (h->reason == PCC_HEALTH_R_HOLD) {
		snprintf(word, sizeof(word), "%llu s",
			(unsigned long long)(pcc_health_hold_left(h) + 999) / 1000);
		add(text, size, ": ", word);
	}
	if (h->reason == PCC_HEALTH_R_LOSS && pcc_health_loss(h, &n)) {
		snprintf(word, sizeof(word), "%u %%", n);
		add(text, size, ": ", word);
	}
	if (h->reason == PCC_HEALTH_R_LATENCY && pcc_health_latency(h, &n)) {
		snprintf(word, sizeof(word), "%u ms", n / 1000);
		add(text, size, ": ", word);
	}
}
