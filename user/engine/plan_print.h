/* SPDX-License-Identifier: GPL-2.0-only */
/* What a plan says to people: --dry-run. */
#ifndef PCC_PLAN_PRINT_H
#define PCC_PLAN_PRINT_H

#include <stdio.h>

#include "engine/plan.h"

/* Prints the plan, one line an action, in the words of ip, sysctl, tc and nft. */
void pcc_plan_print(const struct pcc_plan *plan, FILE *out);

#endif
