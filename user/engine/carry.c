// SPDX-License-Identifier: GPL-2.0-only
/* Carries a plan out step by step, and undoes it if a step fails. */
#include "engine/carry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/step_table.h"

/* Removes hooks from interfaces that the old configuration does not have. */
static void undo_new_hooks(struct pcc_work *w)
{
	for (uint32_t i = 0; w->old && i < w->cfg->nwans + w->cfg->nlans; i++) {
		bool wan = i < w->cfg->nwans;
		const char *name =
			wan ? w->cfg->wans[i].name : w->cfg->lans[i - w->cfg->nwans].name;
		uint32_t ifindex =
			wan ? w->cfg->wans[i].ifindex : w->cfg->lans[i - w->cfg->nwans].ifindex;

		if (pcc_config_find_wan_const(w->old, name) || pcc_config_find_lan(w->old, name))
			continue;
		pcc_hook_detach(&w->s->dp, ifindex, PCC_HOOK_IN);
		pcc_hook_detach(&w->s->dp, ifindex, PCC_HOOK_OUT);
	}
}

/* --- what one interface cannot have -------------------------------------------------------- */

static bool is_of_use(const struct pcc_work *w, const struct pcc_wan_cfg *wan)
{
	for (int f = 0; f < PCC_FAMILIES; f++)
		if (pcc_wan_serves(wan, f) && !(w->missed[wan->id] & PCC_FAMILY_BIT(f)))
			return true;
	return false;
}

/* Notes that the WAN lacks what this step provides. Returns whether it is still of use. */
static enum pcc_fate wan_misses(struct pcc_work *w, const struct pcc_step *step)
{
	const struct pcc_wan_cfg *wan = pcc_config_find_wan_id(w->cfg, step->wan_id);

	w->missed[step->wan_id] |= step->families;
	return wan && is_of_use(w, wan) ? PCC_FATE_MISSED : PCC_FATE_LOST;
}

static void lan_misses(struct pcc_work *w, const struct pcc_step *step)
{
	for (uint32_t i = 0; step->families && i < w->cfg->nlans; i++)
		if (w->cfg->lans[i].ifindex == step->lan_ifindex)
			w->lan_missed[i] = true;
}

/* Is at least one LAN and one WAN left? The daemon goes on without, as it will try again. */
static bool others_left(const struct pcc_work *w)
{
	bool wan = false, lan = false;

	for (uint32_t i = 0; i < w->cfg->nwans; i++)
		wan = wan || is_of_use(w, &w->cfg->wans[i]);
	for (uint32_t i = 0; i < w->cfg->nlans; i++)
		lan = lan || !w->lan_missed[i];
	return (wan && lan) || w->opts->settled;
}

/*
 * Is it the NAT table of a configuration without NAT? It then only writes marks into conntrack's
 * entries, if there are any.
 */
static bool is_only_marks(const struct pcc_work *w, const struct pcc_step *step)
{
	return pcc_step_types[step->kind].about == PCC_ABOUT_NAT && !w->cfg->nat4 && !w->cfg->nat6;
}

/* A step failed. May the plan go on, because only one interface needs the step? */
static bool pass_over(struct pcc_work *w, struct pcc_step *step, const struct pcc_err *why)
{
	enum pcc_fate how = PCC_FATE_MISSED;

	if (step->wan_id)
		how = wan_misses(w, step);
	else if (step->lan_ifindex)
		lan_misses(w, step);
	else if (!is_only_marks(w, step))
		return false;
	if (!others_left(w))
		return false;
	step->skipped = true;
	if (w->opts->step)
		w->opts->step(w->s, step, how, why, w->opts->arg);
	if (w->opts->warn)
		w->opts->warn(why);
	return true;
}

/* Does the step depend on one that failed for the same interface? */
static bool comes_too_late(const struct pcc_work *w, const struct pcc_step *step)
{
	uint8_t families = step->families;

	if (step->wan_id && families && (w->missed[step->wan_id] & families) == families)
		return true;
	for (uint32_t i = 0; step->lan_ifindex && i < w->cfg->nlans; i++)
		if (w->lan_missed[i] && w->cfg->lans[i].ifindex == step->lan_ifindex)
			return true;
	return false;
}

/* --- doing it ------------------------------------------------------------------------------ */

/* For tests: PCCBPF_FAIL_AT=N makes step N fail, so that undoing is tested for every step. */
static bool fails_at(size_t step)
{
	const char *at = getenv("PCCBPF_FAIL_AT");

	return at && strtoul(at, NULL, 10) == step + 1;
}

static void tell_step(struct pcc_work *w, const struct pcc_step *step, enum pcc_fate how)
{
	if (w->opts->step)
		w->opts->step(w->s, step, how, NULL, w->opts->arg);
}

/* Takes one step. Also returns 0 if the step failed and the plan may go on. */
static int take_step(struct pcc_work *w, struct pcc_step *step, struct pcc_err *why)
{
	int ret;

	step->skipped = comes_too_late(w, step);
	if (step->skipped)
		return 0;
	tell_step(w, step, PCC_FATE_NEXT);
	ret = pcc_step_types[step->kind].act(w, step, why);
	if (!ret)
		tell_step(w, step, PCC_FATE_DONE);
	return ret && pass_over(w, step, why) ? 0 : ret;
}

static void undo_step(struct pcc_work *w, const struct pcc_step *step)
{
	const struct pcc_step_type *type = &pcc_step_types[step->kind];

	if (!step->skipped && type->undo)
		type->undo(w, step);
}

int pcc_carry_out(struct pcc_work *w, struct pcc_plan *plan, struct pcc_err *err)
{
	size_t done;
	int ret = 0;

	for (done = 0; done < plan->n; done++) {
		struct pcc_err why = {};

		if (fails_at(done))
			ret = pcc_err_set(&why, -ECANCELED, "PCCBPF_FAIL_AT",
				"step %zu fails as asked (%s)", done + 1,
				pcc_step_types[plan->v[done].kind].name);
		else
			ret = take_step(w, &plan->v[done], &why);
		if (ret && err)
			*err = why;
		if (ret)
			break;
	}
	if (!ret)
		return 0;
	while (done > 0)
		undo_step(w, &plan->v[--done]);
	undo_new_hooks(w);
	return ret;
}
