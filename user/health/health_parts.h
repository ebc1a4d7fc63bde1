/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of the state machine, to each other; health.h is for everybody else. Each part may use
 * those that stand before it: windows, gateways, traffic, targets, and health.c, which puts them
 * together.
 */
#ifndef PCC_HEALTH_PARTS_H
#define PCC_HEALTH_PARTS_H

#include "health/health.h"

static inline uint32_t pcc_max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* Time goes on, never back. */
static inline void pcc_health_advance(struct pcc_health *h, uint64_t now_ms)
{
	if (now_ms > h->now_ms)
		h->now_ms = now_ms;
}

/* As bits. */
static inline uint32_t pcc_health_all_targets(const struct pcc_health *h)
{
	return (1u << h->cfg.ntargets) - 1;
}

/* --- health_window.c: loss and latency of the last answers ------------------------------------ */

void pcc_health_push_loss(struct pcc_health *h, uint8_t lost);
void pcc_health_push_latency(struct pcc_health *h, uint32_t rtt_us);
void pcc_health_clear_windows(struct pcc_health *h);
/* Sets h->lossy and h->slow. */
void pcc_health_judge_windows(struct pcc_health *h);

/* --- health_gateway.c: what is known of the gateways ------------------------------------------ */

/* Gateways of which something is known; those of them that are gone. */
uint32_t pcc_health_gateways(const struct pcc_health *h);
uint32_t pcc_health_gateways_gone(const struct pcc_health *h);
/* A probe was answered. */
void pcc_health_gateway_answers(struct pcc_health *h, const struct pcc_probe_result *r);
/* Wants a gateway to be asked, though not more often than once a second. */
void pcc_health_ask_gateway(struct pcc_health *h);
/* The same where a gateway is watched and it is time; and when that is, UINT64_MAX: never. */
void pcc_health_watch_gateway(struct pcc_health *h);
uint64_t pcc_health_gateway_due_ms(const struct pcc_health *h);

/* --- health_traffic.c: what the connections of others tell ------------------------------------ */

/* How long a packet is a sign of life. */
uint32_t pcc_health_live_window_ms(const struct pcc_health *h);
/* Has there been one so recently? */
bool pcc_health_is_live(const struct pcc_health *h);
/* Have packets left for so long, and none come? */
bool pcc_health_is_silent(const struct pcc_health *h, uint32_t for_ms);
/* The same for requests for connections: reason enough to doubt a WAN without targets. */
bool pcc_health_is_unanswered(const struct pcc_health *h);
void pcc_health_silence_ends(struct pcc_health_flow *f);

/* --- health_target.c: what the probes of each target tell ------------------------------------- */

typedef bool (*pcc_health_target_is)(const struct pcc_health *h, uint32_t target);

/* How many are? pcc_health_target_failed() is one of these as well. */
uint32_t pcc_health_targets_where(const struct pcc_health *h, pcc_health_target_is is);
bool pcc_health_target_good(const struct pcc_health *h, uint32_t target);
bool pcc_health_target_portal(const struct pcc_health *h, uint32_t target);
/* Have so few failed that there is a quorum? True where there is no target. */
bool pcc_health_targets_suffice(const struct pcc_health *h);

#endif
