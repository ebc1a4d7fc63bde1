// SPDX-License-Identifier: GPL-2.0-only
/* The plan's steps for programs at tc hooks and in XDP. Pure. */
#include "engine/plan_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool hook_is_current(const struct pcc_observed *now, uint32_t ifindex, enum pcc_hook_dir dir)
{
	for (size_t i = 0; i < now->hooks.n; i++)
		if (now->hooks.v[i].ifindex == ifindex && now->hooks.v[i].dir == dir)
			return now->hooks.v[i].current;
	return false;
}

/* Adds a step that attaches a program. wan_id is 0 for a LAN and its ports. */
static int plan_hook_on(struct pcc_plan *plan, const struct pcc_observed *now, uint32_t ifindex,
	const char *name, enum pcc_hook_dir dir, enum pcc_prog prog, uint32_t wan_id)
{
	struct pcc_step *step;

	if (!pcc_observed_link(now, ifindex) || hook_is_current(now, ifindex, dir))
		return 0;
	step = pcc_plan_add(plan, PCC_STEP_HOOK_ON);
	if (!step)
		return -ENOMEM;
	step->hook.ifindex = ifindex;
	snprintf(step->hook.ifname, sizeof(step->hook.ifname), "%s", name);
	step->hook.dir = dir;
	step->hook.prog = prog;
	step->wan_id = wan_id;
	step->lan_ifindex = wan_id ? 0 : ifindex;
	step->families = PCC_BOTH_FAMILIES;
	return 0;
}

/*
 * Planned before the routes: a WAN that cannot have the programs then gets no routes either, so no
 * connections are sent there.
 */
int pcc_plan_add_wan_hooks(
	struct pcc_plan *plan, const struct pcc_config *cfg, const struct pcc_observed *now)
{
	int ret = 0;

	for (uint32_t i = 0; !ret && i < cfg->nwans; i++) {
		const struct pcc_wan_cfg *wan = &cfg->wans[i];

		ret = plan_hook_on(
			plan, now, wan->ifindex, wan->name, PCC_HOOK_IN, PCC_PROG_WAN_IN, wan->id);
		if (!ret && cfg->fastpath != PCC_FP_OFF)
			ret = plan_hook_on(plan, now, wan->ifindex, wan->name, PCC_HOOK_OUT,
				PCC_PROG_WAN_OUT, wan->id);
	}
	return ret;
}

/*
 * The ingress of LANs is last: when it begins to mark, everything that a marked packet needs is in
 * place.
 */
int pcc_plan_add_lan_hooks(
	struct pcc_plan *plan, const struct pcc_config *cfg, const struct pcc_observed *now)
{
	int ret = 0;

	for (uint32_t i = 0; !ret && i < cfg->nlans; i++)
		ret = plan_hook_on(plan, now, cfg->lans[i].ifindex, cfg->lans[i].name, PCC_HOOK_OUT,
			PCC_PROG_LAN_OUT, 0);
	for (uint32_t i = 0; !ret && i < cfg->nports; i++)
		ret = plan_hook_on(plan, now, cfg->ports[i].ifindex, cfg->ports[i].name,
			PCC_HOOK_OUT, PCC_PROG_PORT_OUT, 0);
	for (uint32_t i = 0; !ret && i < cfg->nlans; i++)
		ret = plan_hook_on(plan, now, cfg->lans[i].ifindex, cfg->lans[i].name, PCC_HOOK_IN,
			PCC_PROG_LAN_IN, 0);
	return ret;
}

/*
 * Should the hook have a program? Not at a WAN's egress without a fast path: pcc_wan_out costs time
 * for every packet and would have little to do.
 */
static bool hook_wanted(const struct pcc_config *cfg, uint32_t ifindex, enum pcc_hook_dir dir)
{
	for (uint32_t i = 0; i < cfg->nlans; i++)
		if (cfg->lans[i].ifindex == ifindex)
			return true;
	for (uint32_t i = 0; i < cfg->nwans; i++)
		if (cfg->wans[i].ifindex == ifindex)
			return dir == PCC_HOOK_IN || cfg->fastpath != PCC_FP_OFF;
	for (uint32_t i = 0; i < cfg->nports; i++)
		if (cfg->ports[i].ifindex == ifindex)
			return dir == PCC_HOOK_OUT;
	return false;
}

/* Returns the program that an interface of the configuration has at a hook. */
static enum pcc_prog hook_prog(
	const struct pcc_config *cfg, uint32_t ifindex, enum pcc_hook_dir dir)
{
	for (uint32_t i = 0; cfg && i < cfg->nlans; i++)
		if (cfg->lans[i].ifindex == ifindex)
			return dir == PCC_HOOK_IN ? PCC_PROG_LAN_IN : PCC_PROG_LAN_OUT;
	for (uint32_t i = 0; cfg && i < cfg->nports; i++)
		if (cfg->ports[i].ifindex == ifindex)
			return PCC_PROG_PORT_OUT;
	return dir == PCC_HOOK_IN ? PCC_PROG_WAN_IN : PCC_PROG_WAN_OUT;
}

/* Returns the kind of step that an interface needs for XDP. False: it needs none. */
static bool xdp_needs(const struct pcc_observed *now, uint32_t ifindex, enum pcc_step_kind *kind)
{
	*kind = PCC_STEP_XDP_ON;
	for (size_t i = 0; i < now->xdps.n; i++) {
		if (now->xdps.v[i].ifindex != ifindex)
			continue;
		if (now->xdps.v[i].current)
			*kind = PCC_STEP_XDP_SEND;
		return !now->xdps.v[i].current || !now->xdps.v[i].sends_right;
	}
	return true;
}

/*
 * Enumerates the interfaces that should run XDP: for a bridge its ports, and for an interface on
 * top of another device that device. *ifindex is 0 for one that should not; false: there is no n-th
 * one.
 */
static bool xdp_nth(const struct pcc_config *cfg, uint32_t n, uint32_t *ifindex)
{
	const struct pcc_lan_cfg *lan = n < cfg->nlans ? &cfg->lans[n] : NULL;
	const struct pcc_wan_cfg *wan;

	*ifindex = 0;
	if (lan) {
		bool bridge = false;

		for (uint32_t i = 0; i < cfg->nports; i++)
			bridge = bridge || cfg->ports[i].bridge_ifindex == lan->ifindex;
		*ifindex = lan->xdp && !bridge ? pcc_config_carrier(cfg, lan->ifindex) : 0;
		return true;
	}
	n -= cfg->nlans;
	if (n < cfg->nwans) {
		wan = &cfg->wans[n];
		*ifindex = wan->xdp ? pcc_config_carrier(cfg, wan->ifindex) : 0;
		return true;
	}
	n -= cfg->nwans;
	if (n >= cfg->nports)
		return false;
	*ifindex = pcc_config_carrier(cfg, cfg->ports[n].ifindex);
	return true;
}

/* Is there a step for this device already? Several VLANs may be on top of one device. */
static bool xdp_planned(const struct pcc_plan *plan, uint32_t ifindex)
{
	for (size_t i = 0; i < plan->n; i++)
		if ((plan->v[i].kind == PCC_STEP_XDP_ON || plan->v[i].kind == PCC_STEP_XDP_SEND) &&
			plan->v[i].hook.ifindex == ifindex)
			return true;
	return false;
}

static int step_xdp(
	struct pcc_plan *plan, enum pcc_step_kind kind, uint32_t ifindex, const char *name)
{
	struct pcc_step *step = pcc_plan_add(plan, kind);

	if (!step)
		return -ENOMEM;
	step->hook.ifindex = ifindex;
	snprintf(step->hook.ifname, sizeof(step->hook.ifname), "%s", name);
	return 0;
}

int pcc_plan_xdp(
	struct pcc_plan *plan, const struct pcc_config *cfg, const struct pcc_observed *now)
{
	const struct pcc_link *below;
	enum pcc_step_kind kind;
	uint32_t ifindex;
	int ret = 0;

	for (uint32_t n = 0; !ret && xdp_nth(cfg, n, &ifindex); n++) {
		below = ifindex ? pcc_observed_link(now, ifindex) : NULL;
		if (below && xdp_needs(now, ifindex, &kind) && !xdp_planned(plan, ifindex))
			ret = step_xdp(plan, kind, ifindex, below->name);
	}
	for (size_t i = 0; !ret && i < now->xdps.n; i++) {
		const struct pcc_link *link = pcc_observed_link(now, now->xdps.v[i].ifindex);
		bool wanted = false;

		for (uint32_t n = 0; xdp_nth(cfg, n, &ifindex); n++)
			wanted = wanted || ifindex == now->xdps.v[i].ifindex;
		if (!wanted)
			ret = step_xdp(plan, PCC_STEP_XDP_OFF, now->xdps.v[i].ifindex,
				link ? link->name : "?");
	}
	return ret;
}

int pcc_plan_del_hooks(struct pcc_plan *plan, const struct pcc_config *cfg,
	const struct pcc_config *old, const struct pcc_observed *now)
{
	for (size_t i = 0; i < now->hooks.n; i++) {
		const struct pcc_link *link = pcc_observed_link(now, now->hooks.v[i].ifindex);
		struct pcc_step *step;

		if (hook_wanted(cfg, now->hooks.v[i].ifindex, now->hooks.v[i].dir))
			continue;
		step = pcc_plan_add(plan, PCC_STEP_HOOK_OFF);
		if (!step)
			return -ENOMEM;
		step->hook.ifindex = now->hooks.v[i].ifindex;
		snprintf(step->hook.ifname, sizeof(step->hook.ifname), "%s",
			link ? link->name : "?");
		step->hook.dir = now->hooks.v[i].dir;
		step->hook.prog = hook_prog(old, step->hook.ifindex, step->hook.dir);
	}
	return 0;
}
