/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Policies: from the configuration to the rules that the data plane reads. Compiling is pure,
 * except that it reads the files of prefixes. pins/policy_maps.c writes the result to the maps.
 */
#ifndef PCC_POLICY_H
#define PCC_POLICY_H

#include <stddef.h>

#include "base/err.h"
#include "config/conf.h"

/* A prefix and the sets that contain it. */
struct pcc_set_entry {
	struct pcc_addr addr; /* v4-mapped for IPv4; the bits after the prefix are 0 */
	uint32_t len;	      /* 0..128 */
	uint64_t sets;
};

/*
 * Compiled policies: rules, groups and sets. WANs and LANs are still names here; ids, ifindexes and
 * the groups' tables are filled in whenever the maps are written. The empty value is all zeroes.
 */
struct pcc_policies {
	struct pcc_policy *rules;
	uint32_t nrules;
	struct pcc_group *groups; /* room for PCC_MAX_GROUPS */
	uint32_t ngroups;
	struct pcc_set_entry *sets;
	size_t nsets;
};

/* The name of the rule that is made from the exclusions. */
#define PCC_EXCLUSIONS_NAME "exclusions"

/*
 * Compiles the policies, groups and exclusions of conf, and reads the files of prefixes. Returns 0,
 * and then pcc_policies_free() must be called; or a negative errno with err filled (FILE:LINE for a
 * file), and then out is empty.
 */
int pcc_policy_compile(struct pcc_policies *out, const struct pcc_conf *conf, struct pcc_err *err);
void pcc_policies_free(struct pcc_policies *p);

/* Allocates room for rules and groups. Returns 0 or -ENOMEM. */
int pcc_policies_alloc(struct pcc_policies *p);

/* FNV-1a over the compiled policies; 0 if there are none. */
uint64_t pcc_policies_hash(const struct pcc_policies *p);

/* Appends a prefix to the sets (bits). Returns 0, -ENOMEM or -ENOSPC. */
int pcc_policy_set_add(struct pcc_policies *p, const struct pcc_prefix *prefix, uint64_t sets,
	struct pcc_err *err);

/*
 * Appends the prefixes of a text, one a line, to the sets (bits). Blank lines and everything after
 * a # are ignored. file is the name for errors. Returns 0, -EINVAL, -ENOMEM or -ENOSPC.
 */
int pcc_policy_set_parse(struct pcc_policies *p, const char *text, const char *file, uint64_t sets,
	struct pcc_err *err);

/*
 * Reads a file of prefixes into *text, which the caller frees. Returns 0 or a negative errno with
 * err filled.
 */
int pcc_policy_set_read(const char *path, char **text, struct pcc_err *err);

/*
 * Sorts the prefixes, joins equal ones, and adds to each one the sets of the shorter prefixes that
 * contain it, so that one longest-prefix look-up finds all sets.
 */
void pcc_policy_sets_settle(struct pcc_policies *p);

#endif
