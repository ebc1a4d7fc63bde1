/* SPDX-License-Identifier: GPL-2.0-only */
/* Policies in the maps: compiled ones go in, those in force and their counters come out. */
#ifndef PCC_POLICY_MAPS_H
#define PCC_POLICY_MAPS_H

#include "config/policy.h"
#include "pins/dataplane.h"

/*
 * Makes p what new connections are decided by: writes the half that is not active and switches. All
 * or nothing; what is in force already is left as it is. cfg is what is attached. 0 or a negative
 * errno with err filled.
 */
int pcc_policy_commit(struct pcc_dp *dp, const struct pcc_config *cfg, const struct pcc_policies *p,
	struct pcc_err *err);

/*
 * Writes the policies of half `half`, with ids, ifindexes and tables for cfg: those of
 * dp->policies, or, where that is NULL, those in force. For pcc_dp_commit(). 0 or a negative errno.
 */
int pcc_policy_write(struct pcc_dp *dp, const struct pcc_config *cfg, uint32_t half);

/* The half that is active, and its head or the other's, checked. 0, -EBADF or another errno. */
uint32_t pcc_policy_half(const struct pcc_dp *dp);
int pcc_policy_head_get(struct pcc_dp *dp, uint32_t half, struct pcc_policy_head *head);

/* Number of rules in force; place 0 is the first. */
uint32_t pcc_policy_count(struct pcc_dp *dp);

/* A rule in force and its counters, summed over the CPUs. 0 or a negative errno. */
int pcc_policy_stats(
	struct pcc_dp *dp, uint32_t place, struct pcc_policy *rule, struct pcc_policy_hit *hit);

/* Name of the rule at an entry of pcc_policies (struct pcc_dp_verdict.policy - 1), "" for none. */
const char *pcc_policy_name(struct pcc_dp *dp, uint32_t entry, char name[PCC_NAME_BYTES]);

#endif
