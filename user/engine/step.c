// SPDX-License-Identifier: GPL-2.0-only
#include "engine/step.h"

#include <stdlib.h>
#include <string.h>

struct pcc_step *pcc_plan_add(struct pcc_plan *plan, enum pcc_step_kind kind)
{
	struct pcc_step *grown, *step;

	if (plan->n == plan->room) {
		size_t room = plan->room ? plan->room * 2 : 64;

		grown = realloc(plan->steps, room * sizeof(*grown));
		if (!grown)
			return NULL;
		plan->steps = grown;
		plan->room = room;
	}
	step = &plan->steps[plan->n++];
	memset(step, 0, sizeof(*step));
	step->kind = kind;
	return step;
}

void pcc_plan_free(struct pcc_plan *plan)
{
	free(plan->steps);
	memset(plan, 0, sizeof(*plan));
}
