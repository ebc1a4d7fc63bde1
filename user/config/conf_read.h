/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading the nodes of a file into the model: what the readers of keys share, and the readers. */
#ifndef PCC_CONF_READ_H
#define PCC_CONF_READ_H

#include "config/conf_keys.h"

/* The state of reading one file. */
struct pcc_reader {
	const char *name; /* the file's name, for errors */
	struct pcc_conf *conf;
	enum pcc_conf_check check;
	struct pcc_wan_file template; /* `defaults`: the initial values of every WAN */
	struct pcc_conf_pos pos;      /* the place of the error; line 0 while there is none */
	struct pcc_err *err;	      /* not NULL */
};

/*
 * Checks a mapping for unknown keys, duplicate keys and values of the wrong kind. Returns 0, or
 * -EINVAL with the error and its place filled.
 */
int pcc_conf_check_keys(
	struct pcc_reader *r, const struct pcc_key *keys, const struct pcc_node *root);

/*
 * Reads the values of a mapping that has been checked, in the order of the keys. map may be NULL.
 * Returns 0, -EINVAL or -ENOMEM.
 */
int pcc_read_map(
	struct pcc_reader *r, const struct pcc_key *keys, const struct pcc_node *map, void *model);

/*
 * Sets the place of the error to that of node (NULL: the file as a whole), unless it has a place
 * already. Returns ret.
 */
int pcc_read_blame(struct pcc_reader *r, int ret, const struct pcc_node *node);

/* Reports a name that does not exist, and suggests the one that was probably meant. */
int pcc_read_unknown(struct pcc_reader *r, const char *what, const char *word,
	const char *const *names, size_t n);

/* Checks that a new name is not that of a WAN, a group, an interface or an action of policies. */
int pcc_read_name_free(struct pcc_reader *r, const char *name, const char *key);

/* In conf_top.c. The model is struct pcc_conf; for run, struct pcc_hook_conf. */
pcc_read_fn pcc_read_lan, pcc_read_nat, pcc_read_exclusion, pcc_read_hook, pcc_read_hook_run;

/*
 * In conf_wans.c. The model is struct pcc_conf; for the keys of a WAN, of health and of a group it
 * is pcc_wan_file, pcc_health_cfg and pcc_group_conf.
 */
pcc_read_fn pcc_read_template, pcc_read_wan, pcc_read_interface, pcc_read_wan_name;
pcc_read_fn pcc_read_gateway, pcc_read_health, pcc_read_target;
pcc_read_fn pcc_begin_targets;
pcc_read_fn pcc_read_group, pcc_read_group_name, pcc_read_group_wan;

/* In conf_policies.c. The model is struct pcc_conf, or the struct pcc_policy_conf. */
pcc_read_fn pcc_begin_policies;
pcc_read_fn pcc_read_policy;
pcc_read_fn pcc_read_policy_name, pcc_read_policy_source, pcc_read_policy_destination;
pcc_read_fn pcc_read_policy_destination_file, pcc_read_policy_protocol;
pcc_read_fn pcc_read_policy_source_port, pcc_read_policy_destination_port, pcc_read_policy_dscp;
pcc_read_fn pcc_read_policy_lan, pcc_read_policy_use, pcc_read_policy_strict;
pcc_read_fn pcc_read_policy_sticky, pcc_read_policy_sticky_time;

#endif
