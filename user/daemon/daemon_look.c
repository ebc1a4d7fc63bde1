// SPDX-License-Identifier: GPL-2.0-only
/* A look: read what is there, plan, do. */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "engine/conf_apply.h"
#include "engine/plan.h"
#include "kernel/conntrack.h"
#include "daemon/daemon.h"
#include "kernel/flowtable.h"
#include "pins/asked.h"
#include "pins/hooks.h"
#include "pins/own.h"
#include "report/run.h"

#define ASK_MODULES_MS 30000u

static int failed(struct pcc_daemon *d, int ret, const struct pcc_err *err)
{
	char text[sizeof(d->last_error)];

	snprintf(text, sizeof(text), "%s: %s%s%s%s", err->object, err->cause,
		err->hint[0] ? " (" : "", err->hint, err->hint[0] ? ")" : "");
	/* The same again is tried again, but not told again. */
	if (d->ready && strcmp(text, d->last_error))
		pcc_daemon_tell(d, PCC_EVENT_ERROR, NULL, NULL, NULL, "%s", text);
	memcpy(d->last_error, text, sizeof(d->last_error));
	return ret;
}

static void release_lock(struct pcc_daemon *d)
{
	if (d->s.dp.lock_fd >= 0)
		close(d->s.dp.lock_fd);
	d->s.dp.lock_fd = -1;
}

/* Opens the pins anew, with the lock. 1: nothing is attached, and nothing is to be. */
static int open_session(struct pcc_daemon *d, struct pcc_err *err)
{
	enum pcc_session_mode mode = d->conf_pending ? PCC_SESSION_CREATE : PCC_SESSION_CHANGE;
	int ret;

	pcc_session_close(&d->s);
	ret = pcc_session_open(&d->s, d->dir, mode, 0, err);
	if (ret)
		return ret;
	if (d->conf_pending || d->s.state == PCC_DP_ATTACHED)
		return 0;
	if (d->s.state == PCC_DP_ABSENT)
		return 1;
	if (d->s.state == PCC_DP_INCOMPLETE)
		return -EBUSY; /* a detach that goes on, or one that was killed: that is for people
				*/
	*err = d->s.why;
	return -EBADF;
}

static bool lan_there(const struct pcc_config *cfg, const char *name)
{
	return pcc_config_find_lan(cfg, name) != NULL;
}

/* The pins do not know an interface that was never there: LANs of the file that appear are added.
 */
static void add_lans(struct pcc_daemon *d)
{
	struct pcc_config *cfg = &d->next;

	for (uint32_t i = 0; i < d->nabsent; i++) {
		struct pcc_lan_cfg *to = &cfg->lans[cfg->nlans];

		if (cfg->nlans == PCC_MAX_LANS || lan_there(cfg, d->absent[i]) ||
			(cfg->nlans && !if_nametoindex(d->absent[i])))
			continue;
		memset(to, 0, sizeof(*to));
		memcpy(to->name, d->absent[i], sizeof(to->name));
		cfg->nlans++;
	}
}

/* Those that are not there are left out, but for the last. */
static void drop_absent_lans(struct pcc_daemon *d)
{
	struct pcc_config *cfg = &d->next;
	uint32_t kept = 0;

	d->nabsent = 0;
	for (uint32_t i = 0; i < cfg->nlans; i++) {
		if (if_nametoindex(cfg->lans[i].name))
			cfg->lans[kept++] = cfg->lans[i];
		else
			memcpy(d->absent[d->nabsent++], cfg->lans[i].name, PCC_IFNAMSIZ);
	}
	if (kept)
		cfg->nlans = kept;
	else if (cfg->nlans)
		cfg->nlans = 1;
}

/* What is wanted: what the file says when it was read just now, else what is attached. */
static void make_next(struct pcc_daemon *d)
{
	d->next = d->conf_pending ? d->conf->base : d->s.cfg;
	if (d->conf_pending)
		drop_absent_lans(d);
	else
		add_lans(d);
	if (d->conf_pending && d->s.state == PCC_DP_ATTACHED)
		pcc_config_keep_states(&d->next, &d->s.cfg);
	for (uint32_t i = 0; i < d->next.nwans; i++) {
		struct pcc_wan_cfg *wan = &d->next.wans[i];

		for (int f = 0; f < PCC_FAMILIES; f++)
			if (wan->gw[f].source != PCC_GW_GIVEN)
				wan->gw[f].source = PCC_GW_AUTO;
	}
}

static void on_step(struct pcc_session *s, const struct pcc_step *step, enum pcc_fate how,
	const struct pcc_err *why, void *arg)
{
	struct pcc_daemon *d = arg;

	switch (how) {
	case PCC_FATE_NEXT: /* the last moment at which its connections are known */
		if (step->kind == PCC_STEP_RELEASE)
			pcc_reset_collect(d->reset, &s->dp, &d->next, step->release.wan_id);
		break;
	case PCC_FATE_DONE:
		/* One that was refused has put nothing right. */
		if (step->kind != PCC_STEP_ASKED_ON || pcc_asked_possible())
			d->did[pcc_step_types[step->kind].about]++;
		break;
	case PCC_FATE_MISSED:
	case PCC_FATE_LOST:
		pcc_daemon_wans_miss(d, step, how, why);
		break;
	}
}

/* What is told of the steps of a look, in this order. */
static const struct {
	enum pcc_step_about about;
	bool counted;
	const char *what;
} told[] = {
	{PCC_ABOUT_RULES, true, "rules"},
	{PCC_ABOUT_ROUTES, true, "routes"},
	{PCC_ABOUT_PROGRAMS, true, "programs"},
	{PCC_ABOUT_SYSCTLS, true, "sysctls"},
	{PCC_ABOUT_NAT, false, "the nft table"},
};

static bool did_network(const struct pcc_daemon *d)
{
	for (size_t i = 0; i < COUNT(told); i++)
		if (d->did[told[i].about])
			return true;
	return false;
}

/* Where the maps stay as they are it was something of ours that was missing. */
static void tell_what(struct pcc_daemon *d)
{
	char text[160] = "";
	size_t used = 0;

	for (size_t i = 0; i < COUNT(told); i++) {
		uint32_t n = d->did[told[i].about];
		const char *comma = used ? ", " : "";

		if (n && told[i].counted)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%u %s", comma,
				n, told[i].what);
		else if (n)
			used += (size_t)snprintf(
				text + used, sizeof(text) - used, "%s%s", comma, told[i].what);
	}
	pcc_daemon_tell(d, d->did[PCC_ABOUT_MAPS] ? PCC_EVENT_FOLLOW : PCC_EVENT_REPAIR, NULL, NULL,
		NULL, "%s", text);
}

/* Pins of hooks whose device is gone. */
static void drop_stale(struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir, void *arg)
{
	char name[IF_NAMESIZE];

	(void)arg;
	if (!if_indextoname(ifindex, name))
		pcc_hook_detach(dp, ifindex, dir);
}

static void tell_flowtables(struct pcc_daemon *d)
{
	char now[sizeof(d->flowtables)];

	pcc_flowtable_summary(&d->s.nl, &d->s.cfg, now, sizeof(now));
	if (!strcmp(now, d->flowtables))
		return;
	memcpy(d->flowtables, now, sizeof(now));
	pcc_daemon_tell(d, PCC_EVENT_FLOWTABLE, NULL, NULL, NULL, "%s%s",
		now[0] ? "takes connections before pccbpf sees them: " : "none takes any", now);
}

static void done(struct pcc_daemon *d)
{
	bool loaded = d->conf_pending, was_detached = d->detached;
	bool adopted = d->s.state == PCC_DP_ATTACHED;

	d->s.cfg = d->next;
	d->s.state = PCC_DP_ATTACHED;
	d->conf_pending = false;
	d->detached = false;
	d->last_error[0] = '\0';
	pcc_daemon_wans_settled(d);
	if (!d->ready || was_detached)
		pcc_daemon_tell(d, PCC_EVENT_READY, NULL, NULL, NULL, "%s",
			adopted ? "adopted what was attached" : "attached");
	else if (loaded)
		pcc_daemon_tell(d, PCC_EVENT_RELOAD, NULL, NULL, NULL, "%s is in force", d->file);
	else if (did_network(d))
		tell_what(d);
	pcc_fight_note(&d->fight, pcc_now_ms(), did_network(d) && !d->did[PCC_ABOUT_MAPS]);
	pcc_hook_pins(&d->s.dp, drop_stale, NULL);
	pcc_daemon_wans_tell(d);
	if (pcc_daemon_wans_missed(d))
		pcc_daemon_look_soon(d, PCC_URGENT_MS);
	tell_flowtables(d);
	d->epoch = d->s.dp.meta->epoch;
}

/* Somebody detached: he is right. */
static int gone(struct pcc_daemon *d)
{
	if (!d->detached)
		pcc_daemon_tell(d, PCC_EVENT_DETACHED, NULL, NULL, NULL,
			"nothing is done until it is attached again, or SIGHUP");
	d->detached = true;
	for (uint32_t i = 0; i < PCC_MAX_WANS; i++)
		d->wans[i].in_force = false;
	pcc_session_close(&d->s);
	pcc_run_write(d->dir, NULL, 0);
	return 0;
}

/* The file anew: its text is kept in the pins, as by `apply`. LANs that are not there yet are in
 * it. */
static int apply_file(struct pcc_daemon *d, const struct pcc_apply_opts *opts, struct pcc_err *err)
{
	struct pcc_conf *conf = malloc(sizeof(*conf));
	struct pcc_conf_kept kept = {};
	int ret = conf ? pcc_conf_text(d->conf, &kept.text, &kept.len) : -ENOMEM;

	if (ret) {
		free(conf);
		return pcc_err_set(err, ret, "configuration", "%s", strerror(-ret));
	}
	*conf = *d->conf; /* and what it points to, which stays d->conf's */
	conf->base = d->next;
	ret = pcc_conf_restore(&d->s, conf, &kept, opts, err);
	d->next = conf->base;
	pcc_conf_kept_free(&kept);
	free(conf);
	return ret;
}

/* Somebody ran `apply`: what the file says of health, tiers and hooks counts for the daemon, too.
 */
static void take_kept(struct pcc_daemon *d)
{
	struct pcc_conf *conf = calloc(1, sizeof(*conf));
	struct pcc_conf_kept kept = {};
	struct pcc_err err = {};

	if (conf && !pcc_conf_load_kept(d->dir, &kept, &err) && kept.text &&
		!pcc_conf_parse(kept.text, kept.len, d->file, PCC_CONF_TEXT, conf, NULL, &err)) {
		pcc_daemon_take_conf(d, conf);
		pcc_daemon_tell(d, PCC_EVENT_RELOAD, NULL, NULL, NULL, "what was applied by hand");
	} else {
		free(conf);
	}
	pcc_conf_kept_free(&kept);
	if (err.object[0])
		failed(d, -EINVAL, &err);
}

static uint64_t kept_id(const struct pcc_daemon *d)
{
	char path[320];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", d->dir, PCC_CONF_PIN);
	return stat(path, &st) ? 0 : (uint64_t)st.st_ino;
}

int pcc_daemon_look(struct pcc_daemon *d)
{
	struct pcc_apply_opts opts = {
		.attach = d->conf_pending,
		.settled = pcc_daemon_wans_decide,
		.step = on_step,
		.arg = d,
	};
	struct pcc_err err = {};
	int ret;

	ret = open_session(d, &err);
	if (ret == 1)
		return gone(d);
	if (ret) {
		release_lock(d);
		return ret == -EBUSY ? ret : failed(d, ret, &err);
	}
	if (!d->conf_pending && kept_id(d) != d->kept_id)
		take_kept(d);
	memset(d->did, 0, sizeof(d->did));
	make_next(d);
	pcc_daemon_wans_update(d, &d->next);
	ret = d->conf_pending ? apply_file(d, &opts, &err)
			      : pcc_apply(&d->s, &d->next, &opts, &err);
	if (!ret)
		done(d);
	d->kept_id = kept_id(d);
	release_lock(d);
	return ret ? failed(d, ret, &err) : 0;
}

void pcc_daemon_repair_nat(struct pcc_daemon *d)
{
	uint64_t now = pcc_now_ms();
	struct pcc_nat_cfg nat;
	bool changed = false;

	if (d->detached || d->s.state != PCC_DP_ATTACHED || pcc_fight_until(&d->fight) > now ||
		pcc_dp_lock(&d->s.dp, false, 0, NULL))
		return;
	if (d->s.dp.meta->magic == PCC_MAGIC && d->s.dp.meta->epoch == d->epoch) {
		pcc_plan_nat(&d->s.cfg, NULL, d->s.dp.no_ct, &nat);
		if (!pcc_nat_apply(&nat, &changed, NULL) && changed) {
			pcc_fight_note(&d->fight, now, true);
			pcc_daemon_tell(d, PCC_EVENT_REPAIR, NULL, NULL, NULL, "the nft table");
		}
	}
	release_lock(d);
}

static bool hooks_there(struct pcc_daemon *d, uint32_t ifindex, bool both)
{
	char name[IF_NAMESIZE];

	if (!ifindex || (pcc_hook_find(&d->s.dp, ifindex, PCC_HOOK_IN, NULL) &&
				(!both || pcc_hook_find(&d->s.dp, ifindex, PCC_HOOK_OUT, NULL))))
		return true;
	return !if_indextoname(ifindex, name); /* that is told by netlink */
}

/*
 * What the kernel could not do when it was booted it can do once a module is there: loaded by
 * somebody, or by us, who ask again from time to time.
 */
static bool gains_something(struct pcc_daemon *d)
{
	uint64_t now = pcc_now_ms();

	if (!(d->s.dp.meta->flags & PCC_META_NO_CT))
		return false;
	if (now >= d->ask_modules_ms) {
		d->ask_modules_ms = now + ASK_MODULES_MS;
		pcc_ct_load();
	}
	return pcc_dp_gained_ct(&d->s.dp);
}

bool pcc_daemon_needs_look(struct pcc_daemon *d)
{
	char path[300];

	if (d->detached || d->s.state != PCC_DP_ATTACHED) {
		snprintf(path, sizeof(path), "%s/pcc_meta", d->dir);
		return d->detached && !access(path, F_OK);
	}
	if (d->s.dp.meta->magic != PCC_MAGIC || d->s.dp.meta->epoch != d->epoch ||
		kept_id(d) != d->kept_id)
		return true;
	if ((d->s.cfg.own && !pcc_own_present(&d->s.dp)) ||
		(pcc_asked_possible() && !pcc_asked_present(&d->s.dp)) || gains_something(d))
		return true;
	for (uint32_t i = 0; i < d->s.cfg.nlans; i++)
		if (!hooks_there(d, d->s.cfg.lans[i].ifindex, true))
			return true;
	for (uint32_t i = 0; i < d->s.cfg.nwans; i++)
		if (!hooks_there(d, d->s.cfg.wans[i].ifindex, d->s.cfg.fastpath != PCC_FP_OFF))
			return true;
	return false;
}
