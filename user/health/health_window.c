// SPDX-License-Identifier: GPL-2.0-only
/* The windows of the last losses and latencies, each over all targets of a WAN. */
#include <stdlib.h>
#include <string.h>

#include "health/health_parts.h"

#define LATENCIES_TO_JUDGE 16u

void pcc_health_push_loss(struct pcc_health *h, uint8_t lost)
{
	h->judged = false;
	h->lost_sum = h->lost_sum + lost - h->lost[h->lost_at];
	h->lost[h->lost_at] = lost;
	h->lost_at = (h->lost_at + 1) % PCC_HEALTH_LOSSES;
	if (h->lost_n < PCC_HEALTH_LOSSES)
		h->lost_n++;
}

void pcc_health_push_latency(struct pcc_health *h, uint32_t rtt_us)
{
	h->judged = false;
	h->latency_us[h->latency_at] = rtt_us;
	h->latency_at = (h->latency_at + 1) % PCC_HEALTH_LATENCIES;
	if (h->latency_n < PCC_HEALTH_LATENCIES)
		h->latency_n++;
}

void pcc_health_clear_windows(struct pcc_health *h)
{
	memset(h->lost, 0, sizeof(h->lost));
	h->lost_at = h->lost_n = h->lost_sum = 0;
	h->latency_at = h->latency_n = 0;
	h->lossy = h->slow = false;
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
 * Compares the windows with their limits. Losses are compared with the size of the whole window
 * even while it is not full, as a few losses say nothing yet. Once a limit is exceeded, the value
 * must fall well below it for the state to end: below 3/5 for losses, 3/4 for latency.
 */
void pcc_health_judge_windows(struct pcc_health *h)
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
