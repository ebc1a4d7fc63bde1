// SPDX-License-Identifier: GPL-2.0-only
#include "engine/observe.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/address.h"
#include "base/list.h"
#include "engine/plan.h"
#include "kernel/conntrack.h"
#include "kernel/gateway.h"
#include "kernel/neighbour.h"
#include "pins/asked.h"
#include "pins/nexthop.h"
#include "pins/own.h"
#include "pins/xdp.h"

bool pcc_has_v6(void)
{
	return !access("/proc/net/if_inet6", F_OK);
}

static int keep_ours(struct pcc_route_list *to, const struct pcc_route_list *from, uint32_t base)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < from->n; i++) {
		const struct pcc_route *r = &from->v[i];

		if (r->protocol == PCC_RTPROT && r->table > base &&
			r->table <= PCC_PROBE_TABLE(base))
			ret = PCC_LIST_APPEND(to, r);
	}
	return ret;
}

/* Our routes of one family: the tables that can have any. */
static int observe_routes(struct pcc_session *s, const struct pcc_config *cfg, int family,
	struct pcc_observed *now, struct pcc_err *err)
{
	struct pcc_route_list all = {};
	int ret = 0;

	for (uint32_t id = 1; !ret && id <= PCC_MAX_WANS + 1; id++) {
		ret = pcc_route_dump(&s->nl, family, cfg->table_base + id, &all, err);
		if (!ret)
			ret = keep_ours(&now->routes, &all, cfg->table_base);
	}
	pcc_route_list_free(&all);
	return ret;
}

static int observe_rules(struct pcc_session *s, const struct pcc_config *cfg, int family,
	struct pcc_observed *now, struct pcc_err *err)
{
	struct pcc_rule_list all = {};
	int ret = pcc_rule_dump(&s->nl, family, &all, err);

	for (size_t i = 0; !ret && i < all.n; i++) {
		const struct pcc_rule *r = &all.v[i];

		if (!r->other && r->protocol == PCC_RTPROT && r->pref >= cfg->rule_pref &&
			r->pref <= cfg->rule_pref + 200)
			ret = PCC_LIST_APPEND(&now->rules, r);
	}
	pcc_rule_list_free(&all);
	return ret;
}

int pcc_observe_network(struct pcc_session *s, const struct pcc_config *cfg,
	struct pcc_observed *now, struct pcc_err *err)
{
	int ret;

	now->has_v6 = pcc_has_v6();
	ret = pcc_link_dump(&s->nl, &now->links, err);
	if (!ret)
		ret = pcc_ifaddr_dump(&s->nl, AF_UNSPEC, 0, &now->addrs, err);
	for (int f = 0; !ret && f < (now->has_v6 ? 2 : 1); f++) {
		ret = observe_routes(s, cfg, pcc_af[f], now, err);
		if (!ret)
			ret = observe_rules(s, cfg, pcc_af[f], now, err);
	}
	return ret;
}

static int observe_sysctls(
	struct pcc_session *s, const struct pcc_config *cfg, struct pcc_observed *now)
{
	struct pcc_sysctl_list want = {};
	char path[PCC_SYSCTL_KEY_BYTES] = "";
	int ret = pcc_plan_sysctls(cfg, now->has_v6, &want);

	for (size_t i = 0; !ret && i < want.n; i++) {
		struct pcc_sysctl_now *is = &want.v[i];

		if (!pcc_sysctl_read(is->path, is->value, sizeof(is->value), NULL))
			ret = PCC_LIST_APPEND(&now->sysctls, is);
		/* Else this kernel has none of it. */
	}
	PCC_LIST_FREE(&want);
	while (!ret && s->state == PCC_DP_ATTACHED && !pcc_dp_sysctl_next(&s->dp, path, path)) {
		struct pcc_sysctl_now was = {};

		memcpy(was.path, path, sizeof(was.path));
		pcc_sysctl_read(path, was.now, sizeof(was.now), NULL);
		pcc_dp_sysctl_old(&s->dp, path, was.value);
		ret = PCC_LIST_APPEND(&now->remembered, &was);
	}
	return ret;
}

/* PCC_PROG_MAX: no program is right there. */
static int hook_add(struct pcc_session *s, struct pcc_observed *now, uint32_t ifindex,
	enum pcc_hook_dir dir, enum pcc_prog prog)
{
	struct bpf_prog_info info = {};
	uint32_t len = sizeof(info), id = 0;
	enum pcc_hook_kind kind = pcc_hook_find(&s->dp, ifindex, dir, &id);
	struct pcc_hook_now is = {.ifindex = ifindex, .dir = dir};

	for (size_t i = 0; i < now->hooks.n; i++)
		if (now->hooks.v[i].ifindex == ifindex && now->hooks.v[i].dir == dir)
			return 0;
	if (kind == PCC_HOOK_NONE)
		return 0;
	is.current = prog < PCC_PROG_MAX && s->dp.prog_fd[prog] >= 0 &&
		     !bpf_obj_get_info_by_fd(s->dp.prog_fd[prog], &info, &len) && info.id == id &&
		     (kind == PCC_HOOK_CLSACT) == s->dp.no_tcx;
	return PCC_LIST_APPEND(&now->hooks, &is);
}

static int observe_hooks(
	struct pcc_session *s, const struct pcc_config *cfg, struct pcc_observed *now)
{
	const struct pcc_config *old = s->state == PCC_DP_ATTACHED ? &s->cfg : NULL;
	int ret = 0;

	for (uint32_t i = 0; !ret && i < cfg->nlans; i++) {
		ret = hook_add(s, now, cfg->lans[i].ifindex, PCC_HOOK_IN, PCC_PROG_LAN_IN);
		if (!ret)
			ret = hook_add(
				s, now, cfg->lans[i].ifindex, PCC_HOOK_OUT, PCC_PROG_LAN_OUT);
	}
	for (uint32_t i = 0; !ret && i < cfg->nwans; i++) {
		ret = hook_add(s, now, cfg->wans[i].ifindex, PCC_HOOK_IN, PCC_PROG_WAN_IN);
		if (!ret)
			ret = hook_add(
				s, now, cfg->wans[i].ifindex, PCC_HOOK_OUT, PCC_PROG_WAN_OUT);
	}
	for (uint32_t i = 0; !ret && i < cfg->nports; i++)
		ret = hook_add(s, now, cfg->ports[i].ifindex, PCC_HOOK_OUT, PCC_PROG_PORT_OUT);
	for (size_t i = 0; old && !ret && i < now->links.n; i++)
		if (now->links.v[i].master_ifindex)
			ret = hook_add(s, now, now->links.v[i].ifindex, PCC_HOOK_OUT, PCC_PROG_MAX);
	/* Those of interfaces that cfg does not have any more. */
	for (uint32_t i = 0; old && !ret && i < old->nlans + old->nwans; i++) {
		uint32_t ifindex =
			i < old->nlans ? old->lans[i].ifindex : old->wans[i - old->nlans].ifindex;

		ret = hook_add(s, now, ifindex, PCC_HOOK_IN, PCC_PROG_MAX);
		if (!ret)
			ret = hook_add(s, now, ifindex, PCC_HOOK_OUT, PCC_PROG_MAX);
	}
	return ret;
}

/*
 * Which interfaces have our XDP program, and the right one. After a load of the programs it is
 * another build's.
 */
static int observe_xdp(
	struct pcc_session *s, const struct pcc_config *cfg, struct pcc_observed *now)
{
	int ret = 0;

	for (size_t i = 0; s->state == PCC_DP_ATTACHED && !ret && i < now->links.n; i++) {
		struct pcc_xdp_now is = {.ifindex = now->links.v[i].ifindex};

		if (!pcc_xdp_present(is.ifindex))
			continue;
		is.current = !s->dp.loaded && pcc_xdp_knows_wires(is.ifindex) == !!cfg->nwires;
		is.sends_right = pcc_xdp_sends_right(&s->dp, is.ifindex, now->links.v[i].name);
		ret = PCC_LIST_APPEND(&now->xdps, &is);
	}
	return ret;
}

int pcc_observe_rest(struct pcc_session *s, const struct pcc_config *cfg, struct pcc_observed *now,
	const struct pcc_dp_local *locals, uint32_t nlocals, struct pcc_err *err)
{
	bool attached = s->state == PCC_DP_ATTACHED;
	struct pcc_nat_cfg nat;
	int ret;

	ret = observe_sysctls(s, cfg, now);
	if (!ret)
		ret = observe_hooks(s, cfg, now);
	if (!ret)
		ret = observe_xdp(s, cfg, now);
	now->nexthops_possible = pcc_nexthop_possible();
	now->nexthops_watched = attached && !s->dp.loaded && pcc_nexthop_watched(&s->dp);
	if (ret)
		return pcc_err_set(err, ret, "router", "cannot be read: %s", strerror(-ret));
	now->own = attached && pcc_own_present(&s->dp);
	now->own_current = now->own && !s->dp.loaded;
	now->asked_possible = pcc_asked_possible();
	now->asked = attached && !s->dp.loaded && pcc_asked_present(&s->dp);
	pcc_plan_nat(cfg, NULL, s->dp.no_ct, &nat);
	ret = pcc_nat_matches(&nat, err);
	if (ret < 0)
		return ret;
	now->nat_matches = ret;
	now->maps_match = attached && pcc_observe_maps_match(s, cfg, locals, nlocals);
	return 0;
}
