// SPDX-License-Identifier: GPL-2.0-only
/* How a probe ends, and when the next one begins. */
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "health/probe_parts.h"
#include "health/probe_socket.h"

/*
 * The interval varies by so much in both directions, so that routers that were started together do
 * not stay in step.
 */
#define JITTER_PERCENT 10u

uint32_t pcc_probe_random(void)
{
	uint32_t r;

	/*
	 * Early at boot there may be no entropy yet. Then the time is used, as nothing here has to
	 * be secret.
	 */
	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r))
		r = (uint32_t)pcc_now_us() * 2654435761u;
	return r;
}

void pcc_probe_arm(struct pcc_slot *slot, uint64_t us)
{
	sd_event_source_set_time(slot->timer, us);
	sd_event_source_set_enabled(slot->timer, SD_EVENT_ONESHOT);
}

static void arm_next(struct pcc_slot *slot, uint64_t now_us)
{
	uint64_t interval = slot->prober->interval_us, span = interval * JITTER_PERCENT / 100;
	uint64_t at = slot->started_us + interval - span + pcc_probe_random() % (2 * span + 1);

	pcc_probe_arm(slot, at > now_us ? at : now_us);
}

/*
 * Forgets all questions, so that no answer is expected. After a lost probe they are kept: a late
 * answer is a sign of life.
 */
void pcc_probe_forget_sent(struct pcc_slot *slot)
{
	memset(slot->sent, 0, sizeof(slot->sent));
}

void pcc_probe_close_tries(struct pcc_slot *slot)
{
	for (uint32_t i = 0; i < PCC_PROBE_TRIES; i++)
		pcc_probe_close(&slot->try[i].fd, &slot->try[i].io);
	if (!pcc_probe_lasts(slot))
		pcc_probe_close(&slot->fd, &slot->io);
}

void pcc_probe_conclude(
	struct pcc_slot *slot, enum pcc_probe_outcome outcome, uint32_t n, uint32_t rtt_us)
{
	struct pcc_prober *p = slot->prober;
	uint64_t now_us = pcc_now_us();
	struct pcc_probe_result r = {
		.target = slot->index,
		.outcome = outcome,
		.tries = outcome == PCC_PROBE_LOST ? slot->ntries : n + 1,
		.lost = outcome == PCC_PROBE_LOST ? slot->ntries : n,
		.rtt_us = rtt_us,
		.started_ms = slot->started_us / 1000,
		.ended_ms = now_us / 1000,
	};

	slot->running = false;
	pcc_probe_close_tries(slot);
	if (outcome != PCC_PROBE_LOST)
		pcc_probe_forget_sent(slot);
	arm_next(slot, now_us);
	p->fn(&r, p->arg);
}

void pcc_probe_late(struct pcc_slot *slot, uint32_t rtt_us)
{
	struct pcc_prober *p = slot->prober;
	uint64_t now_us = pcc_now_us();
	struct pcc_probe_result r = {
		.target = slot->index,
		.outcome = PCC_PROBE_LATE,
		.rtt_us = rtt_us,
		.started_ms = (now_us - rtt_us) / 1000,
		.ended_ms = now_us / 1000,
	};

	p->fn(&r, p->arg);
}
