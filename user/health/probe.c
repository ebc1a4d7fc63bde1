// SPDX-License-Identifier: GPL-2.0-only
/* The course of a probe in the event loop: when a probe begins and when it asks again. */
#include "health/probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "health/probe_parts.h"
#include "health/probe_socket.h"

/* How late a timer may be, so that the event loop can do several things when it wakes up. */
#define ACCURACY_US 5000u
/* Shorter intervals and timeouts are raised to this. */
#define SHORTEST_MS 20u

/*
 * Sets the timer for the next try, or for the end of the probe: a fifth of the timeout after the
 * last try. If our process is late, the probe therefore takes longer, but does not ask less often.
 */
static void arm_running(struct pcc_slot *slot)
{
	pcc_probe_arm(slot,
		slot->try[slot->ntries - 1].sent_us + slot->prober->timeout_us / PCC_PROBE_TRIES);
}

static void next_try(struct pcc_slot *slot)
{
	struct pcc_attempt *try = &slot->try[slot->ntries++];

	*try = (struct pcc_attempt){.slot = slot, .fd = -1, .sent_us = pcc_now_us()};
	if (slot->kind->type == SOCK_STREAM)
		pcc_probe_connect(slot, try);
	else
		pcc_probe_ask(slot, try);
}

static void begin(struct pcc_slot *slot)
{
	slot->running = true;
	slot->started_us = pcc_now_us();
	slot->ntries = 0;
	if (pcc_probe_lasts(slot))
		return;
	/*
	 * Each probe has a new socket. Its numbers start at a random value, so that they cannot be
	 * guessed from those of the last probe.
	 */
	pcc_probe_forget_sent(slot);
	slot->number = (uint16_t)pcc_probe_random();
}

static int on_timer(sd_event_source *s, uint64_t usec, void *arg)
{
	struct pcc_slot *slot = arg;

	(void)s;
	(void)usec;
	if (slot->running && slot->ntries == PCC_PROBE_TRIES) {
		pcc_probe_conclude(slot, PCC_PROBE_LOST, 0, 0);
		return 0;
	}
	if (!slot->running)
		begin(slot);
	next_try(slot);
	arm_running(slot);
	return 0;
}

static int slot_init(struct pcc_prober *p, uint32_t i, const struct pcc_target *target)
{
	struct pcc_slot *slot = &p->slot[i];
	uint64_t at = pcc_now_us() + pcc_probe_random() % (p->interval_us + 1);
	int err;

	slot->prober = p;
	slot->index = i;
	slot->kind = pcc_kind(target->kind);
	slot->fd = -1;
	slot->number = (uint16_t)pcc_probe_random();
	slot->who.target = *target;
	slot->who.id = (uint16_t)pcc_probe_random();
	for (uint32_t n = 0; n < PCC_PROBE_NONCE; n++)
		slot->who.nonce[n] = (uint8_t)pcc_probe_random();
	for (uint32_t n = 0; n < PCC_PROBE_TRIES; n++)
		slot->try[n].fd = -1;
	err = sd_event_add_time(
		p->event, &slot->timer, CLOCK_MONOTONIC, at, ACCURACY_US, on_timer, slot);
	return err < 0 ? err : 0;
}

static uint32_t at_least(uint32_t value, uint32_t least)
{
	return value > least ? value : least;
}

/* Checks that this process may open the sockets that probes need. */
static int check_rights(const struct pcc_probe_wan *wan, struct pcc_err *err)
{
	int fd = pcc_probe_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP, wan);

	if (fd >= 0)
		close(fd);
	if (fd != -EPERM)
		return 0;
	pcc_err_set(
		err, -EPERM, wan->name, "cannot probe: raw sockets and marks are not permitted");
	return pcc_err_hint(err, -EPERM, "run it as root, or with CAP_NET_ADMIN and CAP_NET_RAW");
}

int pcc_prober_new(struct pcc_prober **prober, sd_event *event, const struct pcc_probe_wan *wan,
	const struct pcc_health_cfg *cfg, pcc_probe_fn fn, void *arg, struct pcc_err *err)
{
	struct pcc_prober *p;
	int ret = check_rights(wan, err);

	if (ret)
		return ret;
	p = calloc(1, sizeof(*p));
	if (!p)
		return pcc_err_set(err, -ENOMEM, wan->name, "%s", strerror(ENOMEM));
	p->event = sd_event_ref(event);
	p->wan = *wan;
	p->interval_us = at_least(cfg->interval_ms, SHORTEST_MS) * 1000ull;
	p->timeout_us = at_least(cfg->timeout_ms, SHORTEST_MS) * 1000ull;
	p->fn = fn;
	p->arg = arg;
	for (uint32_t i = 0; i < cfg->ntargets && i < PCC_MAX_TARGETS && !ret; i++) {
		ret = slot_init(p, i, &cfg->targets[i]);
		p->nslots = i + 1;
	}
	if (ret) {
		pcc_prober_free(p);
		return pcc_err_set(err, ret, wan->name, "cannot start probes: %s", strerror(-ret));
	}
	*prober = p;
	return 0;
}

void pcc_prober_free(struct pcc_prober *p)
{
	if (!p)
		return;
	for (uint32_t i = 0; i < p->nslots; i++) {
		struct pcc_slot *slot = &p->slot[i];

		sd_event_source_disable_unref(slot->timer);
		pcc_probe_close_tries(slot);
		pcc_probe_close(&slot->fd, &slot->io);
	}
	sd_event_unref(p->event);
	free(p);
}

void pcc_prober_now(struct pcc_prober *p, uint32_t targets)
{
	for (uint32_t i = 0; i < p->nslots; i++)
		if (targets & 1u << i && !p->slot[i].running)
			pcc_probe_arm(&p->slot[i], pcc_now_us());
}
