// SPDX-License-Identifier: GPL-2.0-only
/* The health of the daemon's WANs: connects the state machine, the probers and the loop. */
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/clock.h"
#include "daemon/daemon.h"
#include "kernel/neighbour.h"

/*
 * Does the WAN have a gateway that can be asked? On a device without a link layer there are no
 * neighbours.
 */
static bool has_gateway(const struct pcc_wan_cfg *wan, enum pcc_family f)
{
	if (wan->l3)
		return false;
	return wan->gw[f].source == PCC_GW_GIVEN || wan->gw[f].source == PCC_GW_FOUND;
}

static void ask_gateways(struct pcc_daemon *d, const struct pcc_daemon_wan *w)
{
	for (int f = 0; f < PCC_FAMILIES; f++)
		if (has_gateway(&w->cfg, f) && w->cfg.ifindex)
			pcc_neigh_ask(&d->asker, w->cfg.ifindex, pcc_af[f], &w->cfg.gw[f].addr);
}

static void step(struct pcc_daemon *d, struct pcc_daemon_wan *w);

static int on_deadline(sd_event_source *source, uint64_t usec, void *arg)
{
	struct pcc_daemon_wan *w = arg;

	(void)source;
	(void)usec;
	step(w->daemon, w);
	return 0;
}

static void arm_deadline(struct pcc_daemon *d, struct pcc_daemon_wan *w, uint64_t at_ms)
{
	if (!w->deadline && sd_event_add_time(d->loop, &w->deadline, CLOCK_MONOTONIC, at_ms * 1000,
				    5000, on_deadline, w) < 0)
		return;
	sd_event_source_set_time(w->deadline, at_ms * 1000);
	sd_event_source_set_enabled(
		w->deadline, at_ms == UINT64_MAX ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

/*
 * Stores a verdict. The text is taken only when the reason changes, as its numbers change all the
 * time.
 */
static void take_verdict(struct pcc_daemon_wan *w, const struct pcc_health_verdict *v)
{
	if (v->changed || v->reason != w->health_reason || v->state != w->health_state)
		pcc_health_describe(&w->health, w->health_text, sizeof(w->health_text));
	w->health_state = v->state;
	w->health_reason = v->reason;
}

/* Steps the state machine after an input or at its deadline. */
static void step(struct pcc_daemon *d, struct pcc_daemon_wan *w)
{
	uint64_t now = pcc_now_ms(), at;
	enum pcc_health_state was = w->health_state;
	struct pcc_health_verdict v;

	v = pcc_health_step(&w->health, now);
	take_verdict(w, &v);
	if (v.probe_now && w->prober)
		pcc_prober_now(w->prober, v.probe_now);
	if (v.ask_gateway)
		ask_gateways(d, w);
	if (v.state != was)
		pcc_daemon_look_soon(d, PCC_URGENT_MS);
	at = v.deadline_ms;
	if (w->inherit_until_ms > now && w->inherit_until_ms < at)
		at = w->inherit_until_ms;
	for (int f = 0; f < PCC_FAMILIES; f++) {
		if (w->cfg.waits[f] && w->grace[f].until_ms <= now)
			pcc_daemon_look_soon(d, PCC_URGENT_MS);
		else if (w->cfg.waits[f] && w->grace[f].until_ms < at)
			at = w->grace[f].until_ms;
	}
	if (w->inherit_until_ms && w->inherit_until_ms <= now) {
		w->inherit_until_ms = 0;
		pcc_daemon_look_soon(d, PCC_URGENT_MS);
	}
	arm_deadline(d, w, at);
}

static void on_probe(const struct pcc_probe_result *result, void *arg)
{
	struct pcc_daemon_wan *w = arg;

	pcc_health_probe(&w->health, result);
	step(w->daemon, w);
}

/* Replaces the prober if the WAN's ifindex, its mark or the targets have changed. */
static void follow_prober(struct pcc_daemon *d, struct pcc_daemon_wan *w)
{
	struct pcc_probe_wan wan = {
		.ifindex = w->cfg.ifindex,
		.mark = w->cfg.id << pcc_mark_shift(d->s.cfg.mark_mask),
	};
	struct pcc_err err = {};

	memcpy(wan.name, w->name, sizeof(wan.name));
	if (w->prober && !memcmp(&wan, &w->probes_by, sizeof(wan)) && !w->conf_changed)
		return;
	pcc_prober_free(w->prober);
	w->prober = NULL;
	w->probes_by = wan;
	w->conf_changed = false;
	if (!w->conf.health.ntargets || !wan.ifindex || !w->link.present)
		return;
	if (pcc_prober_new(&w->prober, d->loop, &wan, &w->conf.health, on_probe, w, &err))
		pcc_daemon_tell(
			d, PCC_EVENT_ERROR, w->name, NULL, NULL, "%s: %s", err.object, err.cause);
}

/* Tells the state machine about new gateways, of which nothing is known yet. */
static void follow_gateways(struct pcc_daemon *d, struct pcc_daemon_wan *w)
{
	uint64_t now = pcc_now_ms();

	for (int f = 0; f < PCC_FAMILIES; f++) {
		const struct pcc_gateway *gw = &w->cfg.gw[f];

		if (gw->source == w->gw_seen[f].source && w->ifindex_seen == w->cfg.ifindex &&
			!memcmp(&gw->addr, &w->gw_seen[f].addr, f == PCC_V4 ? 4 : 16))
			continue;
		w->gw_seen[f] = *gw;
		pcc_health_gateway(&w->health, f, PCC_NEIGH_NONE, now);
		if (has_gateway(&w->cfg, f) && w->link.present)
			pcc_neigh_ask(&d->asker, w->cfg.ifindex, pcc_af[f], &gw->addr);
	}
	w->ifindex_seen = w->cfg.ifindex;
}

static int on_sample(sd_event_source *source, uint64_t usec, void *arg)
{
	struct pcc_daemon *d = arg;
	uint64_t now = pcc_now_ms();
	struct pcc_wan_stats sum;

	(void)usec;
	for (uint32_t i = 0; i < PCC_MAX_WANS && d->s.state == PCC_DP_ATTACHED; i++) {
		struct pcc_daemon_wan *w = &d->wans[i];
		struct pcc_health_traffic t;

		if (!w->in_force || pcc_dp_wan_stats(&d->s.dp, w->cfg.id, &sum))
			continue;
		t.tx_packets = sum.tx_packets;
		t.rx_packets = sum.rx_packets;
		t.rx_errors = sum.rx_errors;
		t.syn_sent = sum.syn_sent;
		t.syn_answered = sum.syn_answered;
		pcc_health_traffic(&w->health, &t, now);
		step(d, w);
	}
	sd_event_source_set_time(source, (now + PCC_HEALTH_SAMPLE_MS) * 1000);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int pcc_daemon_health_sample(struct pcc_daemon *d)
{
	int ret = sd_event_add_time(
		d->loop, &d->sample_timer, CLOCK_MONOTONIC, 0, 20000, on_sample, d);

	return ret < 0 ? ret : 0;
}

void pcc_daemon_health_follow(struct pcc_daemon *d, struct pcc_daemon_wan *w)
{
	follow_prober(d, w);
	follow_gateways(d, w);
	step(d, w);
}

void pcc_daemon_health_start(struct pcc_daemon *d, struct pcc_daemon_wan *w)
{
	w->daemon = d;
	pcc_health_init(&w->health, &w->conf.health, pcc_now_ms());
	w->health_state = PCC_HEALTH_UP;
}

void pcc_daemon_health_stop(struct pcc_daemon_wan *w)
{
	pcc_prober_free(w->prober);
	w->prober = NULL;
	w->deadline = sd_event_source_disable_unref(w->deadline);
}

void pcc_daemon_health_configure(struct pcc_daemon_wan *w, const struct pcc_health_cfg *cfg)
{
	if (!memcmp(&w->conf.health, cfg, sizeof(*cfg)))
		return;
	w->conf.health = *cfg;
	w->conf_changed = true;
	pcc_health_configure(&w->health, cfg, pcc_now_ms());
}

void pcc_daemon_health_link(struct pcc_daemon_wan *w, bool up)
{
	pcc_health_link(&w->health, up, pcc_now_ms());
	step(w->daemon, w);
}

enum pcc_fitness pcc_daemon_health_fitness(const struct pcc_daemon_wan *w, const char **reason)
{
	*reason = w->health_text;
	if (w->inherit_until_ms && w->health_state == PCC_HEALTH_UP) {
		*reason = "was down before the daemon was started again";
		return PCC_UNFIT;
	}
	switch (w->health_state) {
	case PCC_HEALTH_UP:
		break;
	case PCC_HEALTH_DEGRADED:
		return PCC_FIT_POOR;
	case PCC_HEALTH_DOWN:
		return PCC_UNFIT;
	}
	*reason = "";
	return PCC_FIT;
}

/* Is the neighbour of the message a gateway of the WAN? *f is its family. */
static bool is_gateway(const struct pcc_daemon_wan *w, const struct ndmsg *ndm, const void *addr,
	enum pcc_family *f)
{
	if (!w->in_force || w->cfg.ifindex != (uint32_t)ndm->ndm_ifindex)
		return false;
	*f = ndm->ndm_family == AF_INET6 ? PCC_V6 : PCC_V4;
	return has_gateway(&w->cfg, *f) &&
	       !memcmp(&w->cfg.gw[*f].addr, addr, *f == PCC_V4 ? 4 : 16);
}

void pcc_daemon_health_neigh(struct pcc_daemon *d, const struct nlmsghdr *nlh)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr, *dst = NULL;
	enum pcc_neigh neigh;
	enum pcc_family f;

	if (nlh->nlmsg_type != RTM_NEWNEIGH || mnl_nlmsg_get_payload_len(nlh) < sizeof(*ndm) ||
		!pcc_neigh_of_nud(ndm->ndm_state, &neigh))
		return;
	mnl_attr_for_each(attr, nlh, sizeof(*ndm))
	{
		if (mnl_attr_get_type(attr) == NDA_DST)
			dst = attr;
	}
	if (!dst || mnl_attr_get_payload_len(dst) != (ndm->ndm_family == AF_INET6 ? 16 : 4))
		return;
	for (uint32_t i = 0; i < PCC_MAX_WANS; i++) {
		struct pcc_daemon_wan *w = &d->wans[i];

		if (!is_gateway(w, ndm, mnl_attr_get_payload(dst), &f))
			continue;
		pcc_health_gateway(&w->health, f, neigh, pcc_now_ms());
		step(d, w);
	}
}
