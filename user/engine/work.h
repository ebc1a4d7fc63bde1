/* SPDX-License-Identifier: GPL-2.0-only */
/* The state of carrying out a plan. */
#ifndef PCC_WORK_H
#define PCC_WORK_H

#include "engine/apply.h"

/* What the steps of a plan work with. */
struct pcc_work {
	struct pcc_session *s;
	const struct pcc_config *cfg;
	const struct pcc_config *old; /* NULL if nothing was attached */
	struct pcc_dp_local *locals, *old_locals;
	uint32_t nlocals, nold_locals;
	const struct pcc_apply_opts *opts;
	/* By WAN id: the families (PCC_FAMILY_BIT()) for which the WAN has no way out. */
	uint8_t missed[PCC_WAN_SLOTS];
	bool lan_missed[PCC_MAX_LANS];
	bool committed; /* packets that saw the old maps may still be under way */
};

/*
 * Waits until all packets that saw the maps as they were before the commit have left. Call it
 * before removing anything that those packets may need.
 */
void pcc_work_packets_through(struct pcc_work *w);

/*
 * Forgets the connections of a WAN that is down or gone: those in the maps, in conntrack and in
 * flowtables. Returns 0 or a negative errno with err filled.
 */
int pcc_work_release(struct pcc_work *w, uint32_t wan_id, struct pcc_err *err);

#endif
