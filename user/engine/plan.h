/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The plan: what has to be done so that the router does what a configuration says, given what is
 * there. Pure: computed from plain data. --dry-run prints it, carry.c carries it out. A
 * configuration that is in force already has an empty plan.
 */
#ifndef PCC_PLAN_H
#define PCC_PLAN_H

#include "engine/observed.h"
#include "engine/step.h"
#include "kernel/nat.h"
#include "model/model.h"

/* The sysctls that cfg wants, into the empty list. Value is what they shall be. 0 or -ENOMEM. */
int pcc_plan_sysctls(const struct pcc_config *cfg, bool has_v6, struct pcc_sysctl_list *list);

/* NAT for cfg, and for those WANs of old (may be NULL) that cfg no longer has. */
void pcc_plan_nat(const struct pcc_config *cfg, const struct pcc_config *old, bool write_ctmark,
	struct pcc_nat_cfg *nat);

/*
 * Computes the plan that leads from old (NULL: not attached) and what is there to cfg, whose ids,
 * ifindexes and gateways are settled. 0 or -ENOMEM.
 */
int pcc_plan_make(struct pcc_plan *plan, const struct pcc_config *cfg, const struct pcc_config *old,
	const struct pcc_observed *now);

#endif
