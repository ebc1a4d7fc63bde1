/* SPDX-License-Identifier: GPL-2.0-only */
/* Carrying a plan out. */
#ifndef PCC_CARRY_H
#define PCC_CARRY_H

#include "engine/work.h"

/*
 * Takes one step after another. If one fails that all need, those that were taken are undone, the
 * last one first. What only one interface needs is passed over. 0 or a negative errno with err
 * filled.
 */
int pcc_carry_out(struct pcc_work *w, struct pcc_plan *plan, struct pcc_err *err);

#endif
