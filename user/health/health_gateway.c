// SPDX-License-Identifier: GPL-2.0-only
/*
 * The gateways of a WAN: what the kernel's neighbour entries say, and when the kernel is to check
 * them.
 */
#include <linux/neighbour.h>

#include "health/health_parts.h"

/* The least time between two checks. */
#define ASK_MS 1000u

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

uint32_t pcc_health_gateways(const struct pcc_health *h)
{
	return (h->gateway[PCC_V4] != PCC_NEIGH_NONE) + (h->gateway[PCC_V6] != PCC_NEIGH_NONE);
}

uint32_t pcc_health_gateways_gone(const struct pcc_health *h)
{
	return (h->gateway[PCC_V4] == PCC_NEIGH_FAILED) + (h->gateway[PCC_V6] == PCC_NEIGH_FAILED);
}

void pcc_health_ask_gateway(struct pcc_health *h)
{
	if (h->gateway_asked_ms && h->now_ms - h->gateway_asked_ms < ASK_MS)
		return;
	h->gateway_asked_ms = h->now_ms;
	h->ask_gateway = h->link_up && pcc_health_gateways(h);
}

void pcc_health_gateway(
	struct pcc_health *h, enum pcc_family family, enum pcc_neigh neigh, uint64_t now_ms)
{
	pcc_health_advance(h, now_ms);
	h->gateway[family] = neigh;
	h->gateway_ms[family] = h->now_ms;
}

/*
 * An answer came through the gateway, so the gateway works, even if the neighbour table said
 * otherwise before.
 */
void pcc_health_gateway_answers(struct pcc_health *h, const struct pcc_probe_result *r)
{
	enum pcc_family f = h->cfg.targets[r->target].family == AF_INET6 ? PCC_V6 : PCC_V4;

	if (h->gateway[f] == PCC_NEIGH_FAILED && r->started_ms >= h->gateway_ms[f])
		h->gateway[f] = PCC_NEIGH_GOOD;
}

/*
 * Is the gateway to be checked regularly? Without targets it is all that can be asked. A gateway
 * that has failed is checked in any case, as it need not send anything when it is back.
 */
static bool is_watched(const struct pcc_health *h)
{
	return pcc_health_gateways_gone(h) || (!h->cfg.ntargets && pcc_health_gateways(h));
}

void pcc_health_watch_gateway(struct pcc_health *h)
{
	if (is_watched(h) && h->now_ms - h->gateway_asked_ms >= h->cfg.interval_ms)
		pcc_health_ask_gateway(h);
}

uint64_t pcc_health_gateway_due_ms(const struct pcc_health *h)
{
	if (!h->link_up || !is_watched(h))
		return UINT64_MAX;
	return h->gateway_asked_ms + pcc_max_u32(h->cfg.interval_ms, ASK_MS);
}
