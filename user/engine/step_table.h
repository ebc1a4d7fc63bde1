/* SPDX-License-Identifier: GPL-2.0-only */
/* The table of all kinds of steps. Code that depends on the kind uses this table. */
#ifndef PCC_STEP_TABLE_H
#define PCC_STEP_TABLE_H

#include <stdio.h>

#include "base/err.h"
#include "engine/step.h"

struct pcc_work;

/* The part of the system that a step changes. */
enum pcc_step_about {
	PCC_ABOUT_RULES,
	PCC_ABOUT_ROUTES,
	PCC_ABOUT_PROGRAMS,
	PCC_ABOUT_SYSCTLS,
	PCC_ABOUT_NAT,
	PCC_ABOUT_MAPS,
	PCC_ABOUT_CONNS,
	PCC_ABOUT_MAX
};

struct pcc_step_type {
	const char *name; /* for messages about a plan that are meant for developers */
	enum pcc_step_about about;
	/* Takes the step. Returns 0 or a negative errno with err (may be NULL) filled. */
	int (*act)(struct pcc_work *w, const struct pcc_step *step, struct pcc_err *err);
	/* Undoes a step that was taken. NULL: it cannot be undone. */
	void (*undo)(struct pcc_work *w, const struct pcc_step *step);
	/* Prints the step as a command of ip, sysctl, tc or nft. */
	void (*print)(const struct pcc_step *step, FILE *out);
};

extern const struct pcc_step_type pcc_step_types[PCC_STEP_MAX];

/* Prints a line for each step, for --dry-run. */
void pcc_plan_print(const struct pcc_plan *plan, FILE *out);

#endif
