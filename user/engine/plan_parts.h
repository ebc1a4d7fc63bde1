/* SPDX-License-Identifier: GPL-2.0-only */
/* The parts of a plan, for plan.c, which has their order. Each function returns 0 or -ENOMEM. */
#ifndef PCC_PLAN_PARTS_H
#define PCC_PLAN_PARTS_H

#include "engine/plan.h"

/* Sysctls that do not have the wanted value yet; and those that are no longer wanted. */
int pcc_plan_add_sysctls(
	struct pcc_plan *plan, const struct pcc_config *cfg, const struct pcc_observed *now);
int pcc_plan_add_sysctls_back(
	struct pcc_plan *plan, const struct pcc_config *cfg, const struct pcc_observed *now);

/* All routes and rules that a configuration needs. The empty value is all zeroes. */
struct pcc_wanted {
	struct pcc_route *routes;
	size_t nroutes;
	struct pcc_rule *rules;
	size_t nrules;
};

int pcc_wanted_make(
	struct pcc_wanted *w, const struct pcc_config *cfg, const struct pcc_observed *now);
void pcc_wanted_free(struct pcc_wanted *w);

/* Routes and rules that are missing; and those of ours that are no longer wanted. */
int pcc_plan_add_routes(struct pcc_plan *plan, const struct pcc_wanted *w,
	const struct pcc_config *cfg, const struct pcc_observed *now);
int pcc_plan_del_routes(
	struct pcc_plan *plan, const struct pcc_wanted *w, const struct pcc_observed *now);

/*
 * Programs at tc hooks that are missing. Those of WANs come first, before the routes: a WAN that
 * cannot have the programs then gets no routes, so no connections are sent there. Those of LANs
 * come when everything that a marked packet needs is in place. The last function removes programs
 * that are no longer wanted; old (may be NULL) is the configuration in force.
 */
int pcc_plan_add_wan_hooks(
	struct pcc_plan *plan, const struct pcc_config *cfg, const struct pcc_observed *now);
int pcc_plan_add_lan_hooks(
	struct pcc_plan *plan, const struct pcc_config *cfg, const struct pcc_observed *now);
int pcc_plan_del_hooks(struct pcc_plan *plan, const struct pcc_config *cfg,
	const struct pcc_config *old, const struct pcc_observed *now);

/* XDP programs that are missing, of another build, or no longer wanted. */
int pcc_plan_xdp(
	struct pcc_plan *plan, const struct pcc_config *cfg, const struct pcc_observed *now);

#endif
