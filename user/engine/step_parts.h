/* SPDX-License-Identifier: GPL-2.0-only */
/* Of the table of steps, what is in another file than the table. */
#ifndef PCC_STEP_PARTS_H
#define PCC_STEP_PARTS_H

#include "engine/step_table.h"

/* act, undo and print of a kind of step, as struct pcc_step_type has them. */
#define PCC_STEP_FUNCTIONS(kind)                                                                   \
	int pcc_step_##kind##_act(                                                                 \
		struct pcc_work *w, const struct pcc_step *step, struct pcc_err *err);             \
	void pcc_step_##kind##_undo(struct pcc_work *w, const struct pcc_step *step);              \
	void pcc_step_##kind##_print(const struct pcc_step *step, FILE *out)

/* step_machine.c: programs that belong to no interface */
PCC_STEP_FUNCTIONS(own_on);
PCC_STEP_FUNCTIONS(own_off);
PCC_STEP_FUNCTIONS(asked_on);
PCC_STEP_FUNCTIONS(nexthop_on);
PCC_STEP_FUNCTIONS(nexthop_off);

#endif
