/* SPDX-License-Identifier: GPL-2.0-only */
/* From the nodes of a file to the model: what the readers of keys share, and the readers. */
#ifndef PCC_CONF_READ_H
#define PCC_CONF_READ_H

#include "config/conf_keys.h"

/* A file on its way into the model. */
struct pcc_reader {
	const char *name; /* of the file */
	struct pcc_conf *conf;
	enum pcc_conf_check check;
	struct pcc_wan_file template; /* what every WAN begins with */
	struct pcc_conf_pos pos;      /* what is to blame; line 0 while nothing is */
	struct pcc_err *err;	      /* not NULL */
};

/* Unknown keys, keys that are there twice, values of the wrong kind. 0 or -EINVAL, blamed. */
int pcc_conf_check_keys(
	struct pcc_reader *r, const struct pcc_key *keys, const struct pcc_node *root);

/* The values of a mapping that has been checked, in the order of the keys; map may be NULL. */
int pcc_read_map(
	struct pcc_reader *r, const struct pcc_key *keys, const struct pcc_node *map, void *model);

/* Blames the node (NULL: the file) for the error, unless another one is blamed. Returns ret. */
int pcc_read_blame(struct pcc_reader *r, int ret, const struct pcc_node *node);

/* A name that leads to nothing: what was meant? */
int pcc_read_unknown(struct pcc_reader *r, const char *what, const char *word,
	const char *const *names, size_t n);

/* Nothing else may be meant by the name: no WAN, group, interface, action of policies. */
int pcc_read_name_free(struct pcc_reader *r, const char *name, const char *key);

/* conf_top.c: model is struct pcc_conf, or pcc_hook_conf for run. */
pcc_read_fn pcc_read_lan, pcc_read_nat, pcc_read_exclusion, pcc_read_hook, pcc_read_hook_run;

/* conf_wans.c: struct pcc_conf; pcc_wan_file, pcc_health_cfg, pcc_group_conf for their keys. */
pcc_read_fn pcc_read_template, pcc_read_wan, pcc_read_interface, pcc_read_wan_name;
pcc_read_fn pcc_read_gateway, pcc_read_health, pcc_read_target;
pcc_read_fn pcc_begin_targets;
pcc_read_fn pcc_read_group, pcc_read_group_name, pcc_read_group_wan;

/* conf_policies.c: struct pcc_conf, or the pcc_policy_conf. */
pcc_read_fn pcc_begin_policies;
pcc_read_fn pcc_read_policy;
pcc_read_fn pcc_read_policy_name, pcc_read_policy_source, pcc_read_policy_destination;
pcc_read_fn pcc_read_policy_destination_file, pcc_read_policy_protocol;
pcc_read_fn pcc_read_policy_source_port, pcc_read_policy_destination_port, pcc_read_policy_dscp;
pcc_read_fn pcc_read_policy_lan, pcc_read_policy_use, pcc_read_policy_strict;
pcc_read_fn pcc_read_policy_sticky, pcc_read_policy_sticky_time;

#endif
