// SPDX-License-Identifier: GPL-2.0-only
#include "engine/plan_parts.h"

#include <errno.h>
#include <string.h>

static void nat_add(struct pcc_nat_cfg *nat, const struct pcc_wan_cfg *wan)
{
	struct pcc_nat_wan *to;

	if (nat->nwans == PCC_MAX_WANS)
		return;
	to = &nat->wans[nat->nwans++];
	memcpy(to->name, wan->name, sizeof(to->name));
	to->id = wan->id;
	to->mark = wan->id << pcc_mark_shift(nat->mark_mask);
}

void pcc_plan_nat(const struct pcc_config *cfg, const struct pcc_config *old, bool write_ctmark,
	struct pcc_nat_cfg *nat)
{
	memset(nat, 0, sizeof(*nat));
	nat->mark_mask = cfg->mark_mask;
	nat->answer_mark = pcc_answer_mark(cfg);
	nat->nat4 = cfg->nat4;
	nat->nat6 = cfg->nat6;
	nat->write_ctmark = write_ctmark;
	for (uint32_t i = 0; i < cfg->nwans; i++)
		nat_add(nat, &cfg->wans[i]);
	for (uint32_t i = 0; old && i < old->nwans; i++)
		if (!pcc_config_find_wan_const(cfg, old->wans[i].name) &&
			!pcc_config_find_wan_id(cfg, old->wans[i].id))
			nat_add(nat, &old->wans[i]);
}

/* WANs that are gone, or down now and were not before: their connections must leave them. */
static int plan_releases(
	struct pcc_plan *plan, const struct pcc_config *cfg, const struct pcc_config *old)
{
	for (uint32_t i = 0; old && i < old->nwans; i++) {
		const struct pcc_wan_cfg *wan = pcc_config_find_wan_const(cfg, old->wans[i].name);
		struct pcc_step *step;

		if (wan && (wan->state != PCC_WAN_DOWN || old->wans[i].state == PCC_WAN_DOWN))
			continue;
		step = pcc_plan_add(plan, PCC_STEP_RELEASE);
		if (!step)
			return -ENOMEM;
		step->release.wan_id = old->wans[i].id;
		memcpy(step->release.wan_name, old->wans[i].name, sizeof(step->release.wan_name));
	}
	return 0;
}

static bool drops_wans(const struct pcc_config *cfg, const struct pcc_config *old)
{
	for (uint32_t i = 0; old && i < old->nwans; i++)
		if (!pcc_config_find_wan_const(cfg, old->wans[i].name))
			return true;
	return false;
}

static int step_simple(struct pcc_plan *plan, enum pcc_step_kind kind)
{
	return pcc_plan_add(plan, kind) ? 0 : -ENOMEM;
}

/* Leases end when a next hop changes its MAC, where there are leases. */
static int plan_nexthops(
	struct pcc_plan *plan, const struct pcc_config *cfg, const struct pcc_observed *now)
{
	bool wanted = cfg->fastpath != PCC_FP_OFF && now->nexthops_possible;

	if (wanted == now->nexthops_watched)
		return 0;
	return step_simple(plan, wanted ? PCC_STEP_NEXTHOP_ON : PCC_STEP_NEXTHOP_OFF);
}

/* Is accept_local about to be set somewhere? The data plane must then drop what the kernel lets
 * pass. */
static bool sets_accept_local(const struct pcc_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		if (plan->v[i].kind == PCC_STEP_SYSCTL &&
			strstr(plan->v[i].sysctl.path, "/accept_local"))
			return true;
	return false;
}

int pcc_plan_make(struct pcc_plan *plan, const struct pcc_config *cfg, const struct pcc_config *old,
	const struct pcc_observed *now)
{
	struct pcc_wanted w;
	int ret;

	memset(plan, 0, sizeof(*plan));
	ret = pcc_wanted_make(&w, cfg, now);
	if (!ret)
		ret = pcc_plan_add_sysctls(plan, cfg, now);
	if (!ret)
		ret = pcc_plan_add_wan_hooks(plan, cfg, now);
	if (!ret)
		ret = pcc_plan_add_routes(plan, &w, cfg, now);
	if (!ret && !now->nat_matches)
		ret = step_simple(plan, PCC_STEP_NAT_FIRST);
	if (!ret)
		ret = pcc_plan_add_lan_hooks(plan, cfg, now);
	if (!ret && (!now->maps_match || sets_accept_local(plan)))
		ret = step_simple(plan, PCC_STEP_COMMIT);
	if (!ret && cfg->own && !now->own_current)
		ret = step_simple(plan, PCC_STEP_OWN_ON);
	if (!ret && !cfg->own && now->own)
		ret = step_simple(plan, PCC_STEP_OWN_OFF);
	if (!ret && now->asked_possible && !now->asked)
		ret = step_simple(plan, PCC_STEP_ASKED_ON);
	if (!ret)
		ret = pcc_plan_xdp(plan, cfg, now);
	if (!ret)
		ret = plan_nexthops(plan, cfg, now);
	if (!ret)
		ret = pcc_plan_del_hooks(plan, cfg, old, now);
	if (!ret)
		ret = pcc_plan_del_routes(plan, &w, now);
	if (!ret && !now->nat_matches && drops_wans(cfg, old))
		ret = step_simple(plan, PCC_STEP_NAT_LAST);
	if (!ret)
		ret = pcc_plan_add_sysctls_back(plan, cfg, now);
	if (!ret)
		ret = plan_releases(plan, cfg, old);
	pcc_wanted_free(&w);
	if (ret)
		pcc_plan_free(plan);
	return ret;
}
