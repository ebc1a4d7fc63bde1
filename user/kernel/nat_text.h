/* SPDX-License-Identifier: GPL-2.0-only */
/* The rules of the nftables table `inet pccbpf` as text. Pure. */
#ifndef PCC_NAT_TEXT_H
#define PCC_NAT_TEXT_H

#include <stdint.h>

#include "base/err.h"
#include "kernel/nat.h"

#define PCC_NAT_TABLE "pccbpf"
#define PCC_NAT_OBJECT "nftables table inet " PCC_NAT_TABLE /* in errors */
#define PCC_NAT_COMMENT PCC_NAT_TABLE " " /* begins the comment of a rule of ours */

/* What identifies a ruleset of ours: the comment of a rule of postrouting, and how many
 * rules stand in the table. */
struct pcc_nat_identity {
	char comment[64];
	uint32_t nrules;
};

/*
 * Writes the nftables transaction that makes the table from nothing (pure: touches no kernel).
 * *text is allocated, the caller frees it; it is NULL, and 0 returned, where the configuration
 * needs no table. -EINVAL for an interface name that cannot stand in a ruleset, two WANs with one
 * name or id, or a mark outside the mask; -ENOMEM.
 */
int pcc_nat_render(const struct pcc_nat_cfg *cfg, char **text, struct pcc_nat_identity *id,
	struct pcc_err *err);

#endif
