/* SPDX-License-Identifier: GPL-2.0-only */
/* A plan at work. */
#ifndef PCC_WORK_H
#define PCC_WORK_H

#include "engine/apply.h"

/* What the steps of a plan need. */
struct pcc_work {
	struct pcc_session *s;
	const struct pcc_config *cfg;
	const struct pcc_config *old; /* NULL where nothing was attached */
	struct pcc_dp_local *locals, *old_locals;
	uint32_t nlocals, nold_locals;
	const struct pcc_apply_opts *opts;
	uint8_t missed[PCC_WAN_SLOTS]; /* by id: families without a way out, PCC_FAMILY_BIT() */
	bool lan_missed[PCC_MAX_LANS];
	bool committed; /* packets may be under way that saw the maps as they were before */
};

/*
 * Waits until the packets have left that saw the maps as they were before the commit: to be called
 * before anything is taken away that they may need.
 */
void pcc_work_packets_through(struct pcc_work *w);

/*
 * Forgets the connections of a WAN that is down or gone: those of the maps, of conntrack and of
 * flowtables. 0 or a negative errno with err filled.
 */
int pcc_work_release(struct pcc_work *w, uint32_t wan_id, struct pcc_err *err);

#endif
