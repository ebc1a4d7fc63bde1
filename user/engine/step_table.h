/* SPDX-License-Identifier: GPL-2.0-only */
/* The one table of all kinds of steps: who has to know the kinds asks it. */
#ifndef PCC_STEP_TABLE_H
#define PCC_STEP_TABLE_H

#include <stdio.h>

#include "base/err.h"
#include "engine/step.h"

struct pcc_work;

/* What a step is about. */
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
	const char *name; /* for who looks for a mistake in a plan */
	enum pcc_step_about about;
	/* Takes the step: 0 or a negative errno with err (may be NULL) filled. */
	int (*act)(struct pcc_work *w, const struct pcc_step *step, struct pcc_err *err);
	/* The reverse of one that was taken. NULL: there is none. */
	void (*undo)(struct pcc_work *w, const struct pcc_step *step);
	/* A line in the words of ip, sysctl, tc and nft. */
	void (*print)(const struct pcc_step *step, FILE *out);
};

extern const struct pcc_step_type pcc_step_types[PCC_STEP_MAX];

/* --dry-run: a line for each step. */
void pcc_plan_print(const struct pcc_plan *plan, FILE *out);

#endif
