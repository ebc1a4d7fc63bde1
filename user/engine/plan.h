/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The plan: the steps that change the router from its present state to a configuration. Pure:
 * computed from plain data. --dry-run prints it, carry.c carries it out. For a configuration that
 * is in force already the plan is empty.
 */
#ifndef PCC_PLAN_H
#define PCC_PLAN_H

#include "engine/observed.h"
#include "engine/step.h"
#include "kernel/nat.h"
#include "model/model.h"

/*
 * Fills an empty list with the sysctls that cfg wants; value is the wanted value. Returns 0 or
 * -ENOMEM.
 */
int pcc_plan_sysctls(const struct pcc_config *cfg, bool has_v6, struct pcc_sysctl_list *list);

/* Computes NAT for cfg, and for those WANs of old (may be NULL) that cfg no longer has. */
void pcc_plan_nat(const struct pcc_config *cfg, const struct pcc_config *old, bool write_ctmark,
	struct pcc_nat_cfg *nat);

/*
 * Computes the plan from old (NULL: not attached) and the present state to cfg, whose ids,
 * ifindexes and gateways are settled. Returns 0 or -ENOMEM.
 */
int pcc_plan_make(struct pcc_plan *plan, const struct pcc_config *cfg, const struct pcc_config *old,
	const struct pcc_observed *now);

#endif
