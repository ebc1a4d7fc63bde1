// SPDX-License-Identifier: GPL-2.0-only
/* The list of steps that is a plan. */
#include "engine/step.h"

#include "base/list.h"

struct pcc_step *pcc_plan_add(struct pcc_plan *plan, enum pcc_step_kind kind)
{
	struct pcc_step step = {.kind = kind};

	return PCC_LIST_APPEND(plan, &step) ? NULL : &plan->v[plan->n - 1];
}

void pcc_plan_free(struct pcc_plan *plan)
{
	PCC_LIST_FREE(plan);
}
