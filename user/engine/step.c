// SPDX-License-Identifier: GPL-2.0-only
#include "engine/step.h"

#include <stdlib.h>
#include <string.h>

struct pcc_op *pcc_plan_add(struct pcc_plan *plan, enum pcc_op_kind kind)
{
	struct pcc_op *grown, *op;

	if (plan->n == plan->room) {
		size_t room = plan->room ? plan->room * 2 : 64;

		grown = realloc(plan->ops, room * sizeof(*grown));
		if (!grown)
			return NULL;
		plan->ops = grown;
		plan->room = room;
	}
	op = &plan->ops[plan->n++];
	memset(op, 0, sizeof(*op));
	op->kind = kind;
	return op;
}

void pcc_plan_free(struct pcc_plan *plan)
{
	free(plan->ops);
	memset(plan, 0, sizeof(*plan));
}
