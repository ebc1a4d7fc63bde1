/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Policies: from the configuration to the rules that the data plane reads. Compiling is pure but
 * for the files of prefixes; the maps are pins/policy_maps.c's.
 */
#ifndef PCC_POLICY_H
#define PCC_POLICY_H

#include <stddef.h>

#include "base/err.h"
#include "config/conf.h"

/* A prefix and the sets that hold it. */
struct pcc_set_entry {
	struct pcc_addr addr; /* v4-mapped, bits after the prefix are 0 */
	uint32_t len;	      /* 0..128 */
	uint64_t sets;
};

/*
 * Rules, groups and sets. WANs and LANs are names here: ids and ifindexes, and the groups' tables,
 * are settled whenever the maps are written. The empty value is all zeroes.
 */
struct pcc_policies {
	struct pcc_policy *rules;
	uint32_t nrules;
	struct pcc_group *groups; /* PCC_MAX_GROUPS */
	uint32_t ngroups;
	struct pcc_set_entry *sets;
	size_t nsets;
};

/* Name of the rule that is made of the exclusions. */
#define PCC_EXCLUSIONS_NAME "exclusions"

/*
 * Compiles the policies, groups and exclusions of conf; reads the files of prefixes. Returns 0, or
 * a negative errno with err filled (FILE:LINE for a file); out is then empty. Otherwise it is to be
 * released with pcc_policies_free().
 */
int pcc_policy_compile(struct pcc_policies *out, const struct pcc_conf *conf, struct pcc_err *err);
void pcc_policies_free(struct pcc_policies *p);

/* Room for rules and groups; -ENOMEM. */
int pcc_policies_alloc(struct pcc_policies *p);

/* FNV-1a over what was compiled; 0 where there is nothing. */
uint64_t pcc_policies_hash(const struct pcc_policies *p);

/* Appends a prefix to the sets; -ENOMEM, -ENOSPC. */
int pcc_policy_set_add(struct pcc_policies *p, const struct pcc_prefix *prefix, uint64_t sets,
	struct pcc_err *err);

/*
 * Appends the prefixes of a text, one a line; blank lines and what follows a # are skipped. file is
 * for errors. 0, -EINVAL, -ENOMEM, -ENOSPC.
 */
int pcc_policy_set_parse(struct pcc_policies *p, const char *text, const char *file, uint64_t sets,
	struct pcc_err *err);

/* The whole text of a file of prefixes, allocated. 0 or a negative errno with err filled. */
int pcc_policy_set_read(const char *path, char **text, struct pcc_err *err);

/*
 * Sorts the prefixes, joins equal ones, and gives each the sets of the shorter ones around it: a
 * longest-prefix look-up then finds all sets at once.
 */
void pcc_policy_sets_settle(struct pcc_policies *p);

#endif
