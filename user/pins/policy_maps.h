/* SPDX-License-Identifier: GPL-2.0-only */
/* Policies in the maps: writing compiled ones, reading those in force and their counters. */
#ifndef PCC_POLICY_MAPS_H
#define PCC_POLICY_MAPS_H

#include "config/policy.h"
#include "pins/dataplane.h"

/*
 * Puts the policies p in force for new connections: writes the half that is not active and switches
 * to it. All or nothing; policies that are in force already are not written again. cfg is the
 * attached configuration. Returns 0 or a negative errno with err filled.
 */
int pcc_policy_commit(struct pcc_dp *dp, const struct pcc_config *cfg, const struct pcc_policies *p,
	struct pcc_err *err);

/*
 * Writes policies to half `half`, with ids, ifindexes and tables for cfg: those of dp->policies, or
 * if that is NULL those in force. Used by pcc_dp_commit(). Returns 0 or a negative errno.
 */
int pcc_policy_write(struct pcc_dp *dp, const struct pcc_config *cfg, uint32_t half);

/* The active half; and the head of a half, checked: 0, -EBADF or another negative errno. */
uint32_t pcc_policy_half(const struct pcc_dp *dp);
int pcc_policy_head_get(struct pcc_dp *dp, uint32_t half, struct pcc_policy_head *head);

/* Returns the number of rules in force; index 0 is the first. */
uint32_t pcc_policy_count(struct pcc_dp *dp);

/* Reads a rule in force and its counters, summed over the CPUs. Returns 0 or a negative errno. */
int pcc_policy_stats(
	struct pcc_dp *dp, uint32_t place, struct pcc_policy *rule, struct pcc_policy_hit *hit);

/*
 * Writes the name of the rule with this index in pcc_policies (struct pcc_dp_verdict.policy - 1) to
 * name, "" if there is none. Returns name.
 */
const char *pcc_policy_name(struct pcc_dp *dp, uint32_t entry, char name[PCC_NAME_BYTES]);

#endif
