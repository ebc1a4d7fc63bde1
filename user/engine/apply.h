/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Applies a configuration to the router: settles what is open (ids, interfaces, gateways),
 * observes, plans, carries the plan out, and undoes everything if a step fails.
 */
#ifndef PCC_APPLY_H
#define PCC_APPLY_H

#include "engine/observed.h"
#include "engine/session.h"
#include "engine/step.h"

/* What happened to a step of the plan. */
enum pcc_fate {
	PCC_FATE_NEXT, /* it is about to be taken */
	PCC_FATE_DONE,
	PCC_FATE_MISSED, /* it failed for one interface; the others go on */
	PCC_FATE_LOST,	 /* the same, and the WAN is useless without it */
};

struct pcc_apply_opts {
	bool attach;  /* this is `attach`, not a change of what is attached */
	bool dry_run; /* print the plan to stdout and change nothing */
	pcc_warn_fn warn;
	/* For dry_run: a line about what the caller will do after the plan, or NULL. */
	const char *also;
	/*
	 * For the daemon. If settled is set, a missing interface or gateway is no error. settled is
	 * then called with cfg, settled as far as possible, and with the error of each WAN (empty:
	 * none), by its index in cfg; it decides the states. step is called for every step before
	 * it is taken, and again with the result; why is the error of a step that failed for one
	 * interface, else NULL.
	 */
	void (*settled)(struct pcc_config *cfg, const struct pcc_observed *now,
		const struct pcc_err *trouble, void *arg);
	void (*step)(struct pcc_session *s, const struct pcc_step *step, enum pcc_fate how,
		const struct pcc_err *why, void *arg);
	void *arg;
};

/*
 * Puts cfg in force; its open points are settled in place. All or nothing: if a step fails that all
 * interfaces need, everything is undone. If a step fails that only one interface needs (a route, a
 * program, a gateway that is not known yet), that is a warning and the others go on; for a command
 * only as long as other interfaces are left. Returns 0 or a negative errno with err filled.
 */
int pcc_apply(struct pcc_session *s, struct pcc_config *cfg, const struct pcc_apply_opts *opts,
	struct pcc_err *err);

/*
 * Undoes everything that pccbpf did. Also works on what an interrupted command left, and with force
 * on damaged pins.
 */
int pcc_detach(
	struct pcc_session *s, bool force, bool dry_run, pcc_warn_fn warn, struct pcc_err *err);

#endif
