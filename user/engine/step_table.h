/* SPDX-License-Identifier: GPL-2.0-only */
/* What each kind of step does, and how it is undone. */
#ifndef PCC_STEP_TABLE_H
#define PCC_STEP_TABLE_H

#include "engine/apply.h"

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

int pcc_do_step(struct pcc_work *w, const struct pcc_step *step, struct pcc_err *err);

/* The reverse of a step that was done. */
void pcc_undo_step(struct pcc_work *w, const struct pcc_step *step);

#endif
