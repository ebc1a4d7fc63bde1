/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From a configuration to a router that follows it: settle what is open (ids, interfaces,
 * gateways), observe, plan, carry out, and undo everything when a step fails.
 */
#ifndef PCC_APPLY_H
#define PCC_APPLY_H

#include "engine/observed.h"
#include "engine/session.h"
#include "engine/step.h"

/* What becomes of a step of the plan. */
enum pcc_fate {
	PCC_FATE_NEXT, /* it is taken now */
	PCC_FATE_DONE,
	PCC_FATE_MISSED, /* one interface cannot have it; the others go on */
	PCC_FATE_LOST,	 /* the same, and the WAN is of no use without it */
};

struct pcc_apply_opts {
	bool attach;  /* attach, not a change of what is attached */
	bool dry_run; /* print the plan to stdout, change nothing */
	pcc_warn_fn warn;
	const char *also; /* dry_run: a line on what the caller will do beyond the plan, or NULL */
	/*
	 * For the daemon. With settled, an interface or gateway that is not there is no error:
	 * settled gets cfg with what could be settled, and what is wrong with each WAN (the empty
	 * error: it is fine), by its place in cfg; it decides the states. step sees every step
	 * before it is taken, and what became of it; why: of one that was missed, else NULL.
	 */
	void (*settled)(struct pcc_config *cfg, const struct pcc_observed *now,
		const struct pcc_err *trouble, void *arg);
	void (*step)(struct pcc_session *s, const struct pcc_step *step, enum pcc_fate how,
		const struct pcc_err *why, void *arg);
	void *arg;
};

/*
 * Makes cfg, whose open points are settled in place, what the router does. All or nothing: if a
 * step fails that all need, everything is undone. What only one interface needs and cannot have (a
 * route, a program, a gateway that is not known yet) is a warning, and the others go on; for a
 * command, as long as there are others. Returns 0 or a negative errno with err filled.
 */
int pcc_apply(struct pcc_session *s, struct pcc_config *cfg, const struct pcc_apply_opts *opts,
	struct pcc_err *err);

/*
 * Takes everything back. Works on what an interrupted command left, too, and with force on damaged
 * pins.
 */
int pcc_detach(
	struct pcc_session *s, bool force, bool dry_run, pcc_warn_fn warn, struct pcc_err *err);

#endif
