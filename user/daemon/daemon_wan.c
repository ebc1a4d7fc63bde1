// SPDX-License-Identifier: GPL-2.0-only
/* The daemon's WANs: their links, whether they can be used, and reports about them. */
#include <errno.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/clock.h"
#include "daemon/daemon.h"
#include "kernel/gateway.h"
#include "report/run.h"

#define INHERIT_MS 3000u /* the health has its own result within this time */

static struct pcc_daemon_wan *find_wan(struct pcc_daemon *d, const char *name)
{
	for (uint32_t i = 0; i < PCC_MAX_WANS; i++)
		if (d->wans[i].name[0] && !strcmp(d->wans[i].name, name))
			return &d->wans[i];
	return NULL;
}

static struct pcc_daemon_wan *wan_new(struct pcc_daemon *d, const char *name)
{
	for (uint32_t i = 0; i < PCC_MAX_WANS; i++) {
		if (d->wans[i].name[0])
			continue;
		memset(&d->wans[i], 0, sizeof(d->wans[i]));
		snprintf(d->wans[i].name, sizeof(d->wans[i].name), "%s", name);
		pcc_wan_conf_defaults(&d->wans[i].conf);
		pcc_daemon_health_start(d, &d->wans[i]);
		return &d->wans[i];
	}
	return NULL;
}

/* Takes what the file says of a WAN. One that was added by hand gets the defaults. */
static void take_conf(struct pcc_daemon *d, struct pcc_daemon_wan *w)
{
	struct pcc_wan_conf conf;

	pcc_wan_conf_defaults(&conf);
	for (uint32_t i = 0; i < d->conf->base.nwans; i++)
		if (!strcmp(d->conf->base.wans[i].name, w->name))
			conf = d->conf->wans[i];
	pcc_daemon_health_configure(w, &conf.health);
	w->conf = conf;
}

static void wan_free(struct pcc_daemon_wan *w)
{
	pcc_daemon_health_stop(w);
	w->name[0] = '\0';
	w->in_force = false;
}

void pcc_daemon_wans_free(struct pcc_daemon *d)
{
	for (uint32_t i = 0; i < PCC_MAX_WANS; i++)
		wan_free(&d->wans[i]);
}

void pcc_daemon_wans_update(struct pcc_daemon *d, const struct pcc_config *cfg)
{
	for (uint32_t i = 0; i < cfg->nwans && i < PCC_MAX_WANS; i++) {
		struct pcc_daemon_wan *w = find_wan(d, cfg->wans[i].name);

		if (!w) {
			w = wan_new(d, cfg->wans[i].name);
			if (w && cfg->wans[i].by_daemon && !cfg->wans[i].standby)
				w->inherit_until_ms = pcc_now_ms() + INHERIT_MS;
		}
		if (!w)
			continue;
		take_conf(d, w);
		w->marked = true;
	}
	for (uint32_t i = 0; i < PCC_MAX_WANS; i++) {
		if (d->wans[i].name[0] && !d->wans[i].marked)
			wan_free(&d->wans[i]);
		d->wans[i].marked = false;
	}
}

static bool has_address(const struct pcc_observed *now, uint32_t ifindex, int family)
{
	for (size_t i = 0; i < now->addrs.n; i++)
		if (now->addrs.v[i].ifindex == ifindex && now->addrs.v[i].family == family &&
			now->addrs.v[i].scope < RT_SCOPE_LINK)
			return true;
	return false;
}

/*
 * Drops the gateway of a family that has no address any more. A gateway that the user gave stays.
 */
static void drop_addressless(struct pcc_wan_cfg *wan, const struct pcc_observed *now)
{
	for (int f = 0; f < PCC_FAMILIES; f++)
		if (wan->gw[f].source == PCC_GW_FOUND && !wan->waits[f] &&
			!has_address(now, wan->ifindex, pcc_af[f]))
			wan->gw[f].source = PCC_GW_NONE;
}

/* Returns why the device cannot be used, or NULL if it can. */
static const char *device_trouble(const struct pcc_link *link)
{
	if (!link)
		return "the interface is missing";
	if (!(link->flags & IFF_UP))
		return "the interface is down";
	return link->flags & IFF_LOWER_UP ? NULL : "no carrier";
}

/*
 * An address of a served family may be missing for only a moment. Until it is back, or the grace is
 * over, the family has no route but keeps its gateway, which may be announced later than the
 * address. Returns true if an address is waited for.
 */
static bool wait_for_addresses(struct pcc_daemon_wan *w, struct pcc_wan_cfg *wan,
	const struct pcc_link *link, const struct pcc_observed *now)
{
	bool can = !device_trouble(link) && !pcc_link_is_p2p(link);
	bool used = w->in_force && wan->state != PCC_WAN_DOWN;

	for (int f = 0; f < PCC_FAMILIES; f++) {
		bool missing = can && pcc_wan_serves(wan, f) &&
			       !has_address(now, link->ifindex, pcc_af[f]);

		wan->waits[f] = pcc_grace_holds(&w->grace[f], missing, used, pcc_now_ms());
	}
	return wan->waits[PCC_V4] || wan->waits[PCC_V6];
}

static const char *link_trouble(struct pcc_wan_cfg *wan, const struct pcc_link *link,
	const struct pcc_observed *now, const struct pcc_err *trouble)
{
	const char *wrong = device_trouble(link);

	if (wrong)
		return wrong;
	if (trouble->object[0])
		return trouble->cause;
	if (!pcc_link_is_p2p(link)) {
		drop_addressless(wan, now);
		if (!has_address(now, link->ifindex, AF_INET) &&
			!has_address(now, link->ifindex, AF_INET6))
			return "the interface has no address";
	}
	return pcc_wan_serves(wan, PCC_V4) || pcc_wan_serves(wan, PCC_V6) ? NULL : "no gateway";
}

/*
 * Tells the health about the link. A link that goes down and up is held down for a while, but not
 * if it comes back with a new device, and not a PPP link, whose device is down or gone between two
 * calls.
 */
static void tell_health(struct pcc_daemon_wan *w, const struct pcc_link *link)
{
	bool up = (link->flags & (IFF_UP | IFF_LOWER_UP)) == (IFF_UP | IFF_LOWER_UP);

	if (up)
		w->up_ifindex = link->ifindex;
	if (up || (w->up_ifindex == link->ifindex && !pcc_link_is_p2p(link)))
		pcc_daemon_health_link(w, up);
}

static void look_at_link(struct pcc_daemon_wan *w, struct pcc_wan_cfg *wan,
	const struct pcc_observed *now, const struct pcc_err *trouble)
{
	const struct pcc_link *link = pcc_observed_link_named(now, wan->name);
	bool waits = wait_for_addresses(w, wan, link, now);
	const char *wrong = waits ? NULL : link_trouble(wan, link, now, trouble);

	w->link.present = link;
	snprintf(w->link.reason, sizeof(w->link.reason), "%.*s", PCC_REASON_BYTES - 1,
		wrong ? wrong : "");
	if (link)
		tell_health(w, link);
}

/* Reads the state in force from the pins. A new WAN is not used yet. */
static void out_of_cfg(struct pcc_daemon *d, struct pcc_wan_out *out, const struct pcc_wan_cfg *wan)
{
	memset(out, 0, sizeof(*out));
	if (d->s.state != PCC_DP_ATTACHED || !pcc_config_find_wan_const(&d->s.cfg, wan->name)) {
		out->state = PCC_WAN_DOWN;
		out->by_daemon = true;
		return;
	}
	out->state = wan->state;
	out->by_daemon = wan->by_daemon;
	out->degraded = wan->degraded;
	out->standby = wan->standby;
}

void pcc_daemon_wans_decide(struct pcc_config *cfg, const struct pcc_observed *now,
	const struct pcc_err *trouble, void *arg)
{
	struct pcc_wan_out out[PCC_MAX_WANS] = {};
	struct pcc_wan_in in[PCC_MAX_WANS] = {};
	struct pcc_daemon *d = arg;
	bool alarm;

	for (uint32_t i = 0; i < cfg->nwans; i++) {
		struct pcc_wan_cfg *wan = &cfg->wans[i];
		struct pcc_daemon_wan *w = find_wan(d, wan->name);

		out_of_cfg(d, &out[i], wan);
		w->id = wan->id;
		look_at_link(w, wan, now, &trouble[i]);
		in[i].asked = pcc_wan_asked(wan);
		in[i].tier = w->conf.tier;
		in[i].failback = w->conf.failback;
		in[i].fitness = pcc_daemon_health_fitness(w, &in[i].reason);
		if (!w->link.reason[0] && !wan->waits[PCC_V4] && !wan->waits[PCC_V6])
			memcpy(w->link.reason, w->miss, sizeof(w->link.reason));
		w->miss_now[0] = '\0';
		if (w->link.reason[0]) {
			in[i].fitness = PCC_UNFIT;
			in[i].reason = w->link.reason;
		}
	}
	alarm = pcc_wan_states(in, out, cfg->nwans);
	for (uint32_t i = 0; i < cfg->nwans; i++) {
		struct pcc_wan_cfg *wan = &cfg->wans[i];

		wan->state = out[i].state;
		wan->by_daemon = out[i].by_daemon;
		wan->degraded = out[i].degraded;
		wan->standby = out[i].standby;
		d->next_out[i] = out[i];
	}
	d->next_alarm = alarm;
}

/* The object of an error is the route for a route, and the interface for a program. */
void pcc_daemon_wans_miss(struct pcc_daemon *d, const struct pcc_step *step, enum pcc_fate how,
	const struct pcc_err *why)
{
	struct pcc_daemon_wan *w = NULL;
	char text[sizeof(d->last_miss)];

	for (uint32_t i = 0; i < PCC_MAX_WANS; i++)
		if (d->wans[i].name[0] && d->wans[i].id == step->wan_id)
			w = &d->wans[i];
	if (w && how == PCC_FATE_LOST) {
		snprintf(
			w->miss_now, sizeof(w->miss_now), "%.*s", PCC_REASON_BYTES - 1, why->cause);
		return;
	}
	snprintf(text, sizeof(text), "%.63s: %.*s", why->object, PCC_REASON_BYTES - 1, why->cause);
	if (strcmp(text, d->last_miss))
		pcc_daemon_tell(d, PCC_EVENT_ERROR, NULL, NULL, NULL, "%s", text);
	memcpy(d->last_miss, text, sizeof(text));
}

bool pcc_daemon_wans_missed(struct pcc_daemon *d)
{
	bool changed = false;

	for (uint32_t i = 0; i < d->next.nwans; i++) {
		struct pcc_daemon_wan *w = find_wan(d, d->next.wans[i].name);

		if (!w || !strcmp(w->miss, w->miss_now))
			continue;
		memcpy(w->miss, w->miss_now, sizeof(w->miss));
		changed = true;
	}
	return changed;
}

static const char *text_of(const struct pcc_wan_out *out)
{
	return pcc_wan_state_text(out->state, out->degraded, out->standby);
}

static void settled_one(
	struct pcc_daemon_wan *w, const struct pcc_wan_cfg *cfg, const struct pcc_wan_out *out)
{
	w->before = w->out;
	w->was_in_force = w->in_force;
	if (!w->in_force || strcmp(text_of(&w->before), text_of(out)))
		w->since_s = (uint64_t)time(NULL);
	w->cfg = *cfg;
	w->out = *out;
	w->in_force = true;
}

static void write_run(struct pcc_daemon *d)
{
	struct pcc_run_wan *list = calloc(PCC_MAX_WANS, sizeof(*list));
	uint32_t n = 0;

	for (uint32_t i = 0; list && i < PCC_MAX_WANS; i++) {
		const struct pcc_daemon_wan *w = &d->wans[i];

		if (!w->in_force)
			continue;
		memcpy(list[n].name, w->name, sizeof(list[n].name));
		memcpy(list[n].reason, w->out.reason, sizeof(list[n].reason));
		pcc_run_health_of(&w->health, &list[n].health);
		list[n++].since_s = w->since_s;
	}
	if (list)
		pcc_run_write(d->dir, list, n);
	free(list);
	d->noted_ms = pcc_now_ms();
}

/* How often the numbers of the probes are written to the runtime file. */
#define NOTE_MS 2000u

void pcc_daemon_wans_note(struct pcc_daemon *d)
{
	uint64_t now = pcc_now_ms();
	bool probed = false;

	for (uint32_t i = 0; i < PCC_MAX_WANS; i++)
		probed = probed || (d->wans[i].in_force && d->wans[i].prober);
	if (!probed || now < d->noted_ms + NOTE_MS || d->s.state != PCC_DP_ATTACHED)
		return;
	write_run(d);
}

void pcc_daemon_wans_settled(struct pcc_daemon *d)
{
	for (uint32_t i = 0; i < d->next.nwans; i++) {
		struct pcc_daemon_wan *w = find_wan(d, d->next.wans[i].name);

		if (w)
			settled_one(w, &d->next.wans[i], &d->next_out[i]);
	}
	write_run(d);
}

static void tell_one(struct pcc_daemon *d, const struct pcc_daemon_wan *w)
{
	const char *old = w->was_in_force ? text_of(&w->before) : "new";

	if (!w->was_in_force || strcmp(old, text_of(&w->out)) ||
		strcmp(w->before.reason, w->out.reason))
		pcc_daemon_tell(
			d, PCC_EVENT_WAN, w->name, old, text_of(&w->out), "%s", w->out.reason);
}

void pcc_daemon_wans_tell(struct pcc_daemon *d)
{
	for (uint32_t i = 0; i < d->next.nwans; i++) {
		struct pcc_daemon_wan *w = find_wan(d, d->next.wans[i].name);

		if (!w)
			continue;
		tell_one(d, w);
		pcc_daemon_health_follow(d, w);
	}
	if (d->next_alarm && !d->alarm)
		pcc_daemon_tell(d, PCC_EVENT_ALARM, NULL, NULL, NULL,
			"no WAN is fit; the last ones stay in use");
	if (!d->next_alarm && d->alarm)
		pcc_daemon_tell(d, PCC_EVENT_ALARM_OVER, NULL, NULL, NULL, "a WAN is fit again");
	d->alarm = d->next_alarm;
}
