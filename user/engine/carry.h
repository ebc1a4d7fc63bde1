/* SPDX-License-Identifier: GPL-2.0-only */
/* Carrying a plan out. */
#ifndef PCC_CARRY_H
#define PCC_CARRY_H

#include "engine/apply.h"
#include "engine/plan.h"

/* What the steps of a plan need. */
struct pcc_work {
	struct pcc_session *s;
	const struct pcc_config *cfg;
	const struct pcc_config *old; /* NULL where nothing was attached */
	struct pcc_dp_local *locals, *old_locals;
	uint32_t nlocals, nold_locals;
	const struct pcc_apply_opts *opts;
	uint8_t missed[PCC_WAN_SLOTS]; /* by id: families without a way out, FAMILY_BIT() */
	bool lan_missed[PCC_MAX_LANS];
	bool committed; /* packets may be under way that saw the maps as they were before */
};

/*
 * Takes one step after another. If one fails that all need, those that were taken are undone, the
 * last one first. What only one interface needs is passed over. 0 or a negative errno with err
 * filled.
 */
int pcc_carry_out(struct pcc_work *w, struct pcc_plan *plan, struct pcc_err *err);

#endif
