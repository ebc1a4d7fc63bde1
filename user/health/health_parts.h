/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of the state machine share; health.h is for everybody else. A part may use those
 * before it in this order: windows, gateways, traffic, targets, health.c, which puts them together.
 */
#ifndef PCC_HEALTH_PARTS_H
#define PCC_HEALTH_PARTS_H

#include "health/health.h"

static inline uint32_t pcc_max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* Sets the current time. An earlier time than the last one is ignored. */
static inline void pcc_health_advance(struct pcc_health *h, uint64_t now_ms)
{
	if (now_ms > h->now_ms)
		h->now_ms = now_ms;
}

/* All targets, as bits. */
static inline uint32_t pcc_health_all_targets(const struct pcc_health *h)
{
	return (1u << h->cfg.ntargets) - 1;
}

/* --- health_window.c: loss and latency of the last answers ------------------------------------ */

void pcc_health_push_loss(struct pcc_health *h, uint8_t lost);
void pcc_health_push_latency(struct pcc_health *h, uint32_t rtt_us);
void pcc_health_clear_windows(struct pcc_health *h);
/* Sets h->lossy and h->slow from the windows. */
void pcc_health_judge_windows(struct pcc_health *h);

/* --- health_gateway.c: what is known of the gateways ------------------------------------------ */

/* The number of gateways of which something is known, and of those among them that are gone. */
uint32_t pcc_health_gateways(const struct pcc_health *h);
uint32_t pcc_health_gateways_gone(const struct pcc_health *h);
/* Takes note of a probe that was answered. */
void pcc_health_gateway_answers(struct pcc_health *h, const struct pcc_probe_result *r);
/* Asks for a check of the gateways, at most once a second. */
void pcc_health_ask_gateway(struct pcc_health *h);
/*
 * Asks for a check if a gateway is watched and the next check is due; _due_ms() says when that is
 * (UINT64_MAX: never).
 */
void pcc_health_watch_gateway(struct pcc_health *h);
uint64_t pcc_health_gateway_due_ms(const struct pcc_health *h);

/* --- health_traffic.c: what the connections of others tell ------------------------------------ */

/* How long after its arrival a packet counts as a sign of life. */
uint32_t pcc_health_live_window_ms(const struct pcc_health *h);
/* Has a packet arrived within this time? */
bool pcc_health_is_live(const struct pcc_health *h);
/* Have packets been sent for at least for_ms, and none received? */
bool pcc_health_is_silent(const struct pcc_health *h, uint32_t for_ms);
/*
 * Have connection requests been sent for a while, and no packet received? That is reason enough to
 * doubt a WAN without targets.
 */
bool pcc_health_is_unanswered(const struct pcc_health *h);
void pcc_health_silence_ends(struct pcc_health_flow *f);

/* --- health_target.c: what the probes of each target tell ------------------------------------- */

typedef bool (*pcc_health_target_is)(const struct pcc_health *h, uint32_t target);

/*
 * The number of targets for which `is` returns true. pcc_health_target_failed() may be passed, too.
 */
uint32_t pcc_health_targets_where(const struct pcc_health *h, pcc_health_target_is is);
bool pcc_health_target_good(const struct pcc_health *h, uint32_t target);
bool pcc_health_target_portal(const struct pcc_health *h, uint32_t target);
/* Is there a quorum among the targets that have not failed? True if there are no targets. */
bool pcc_health_targets_suffice(const struct pcc_health *h);

#endif
