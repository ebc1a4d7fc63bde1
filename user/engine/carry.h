/* SPDX-License-Identifier: GPL-2.0-only */
/* Carries a plan out. */
#ifndef PCC_CARRY_H
#define PCC_CARRY_H

#include "engine/work.h"

/*
 * Takes one step after another. If a step fails that all interfaces need, the steps taken are
 * undone in reverse order. If a step fails that only one interface needs, the others go on. Returns
 * 0 or a negative errno with err filled.
 */
int pcc_carry_out(struct pcc_work *w, struct pcc_plan *plan, struct pcc_err *err);

#endif
