/* SPDX-License-Identifier: GPL-2.0-only */
/* Writing the model into the nodes of a file: what the writers of keys share, and the writers. */
#ifndef PCC_CONF_WRITE_H
#define PCC_CONF_WRITE_H

#include "config/conf_keys.h"

/* The state of writing one configuration. */
struct pcc_writer {
	const struct pcc_conf *conf;
	struct pcc_tree tree; /* also remembers whether memory ran out */
};

/* Adds to the mapping the keys whose value differs from that in `usual`. */
void pcc_write_map(struct pcc_writer *w, const struct pcc_key *keys, struct pcc_node *map,
	const void *model, const void *usual);

/* The writer of a key that is only read, never written. */
pcc_write_fn pcc_write_nothing;

/* The writers of lists. Their models are those of the readers (conf_read.h). */
pcc_write_fn pcc_write_lans, pcc_write_exclusions, pcc_write_wans, pcc_write_targets;
pcc_write_fn pcc_write_groups, pcc_write_group_wans, pcc_write_policies, pcc_write_hooks;

/* The functions that convert single values to text, in conf_text.c. */
pcc_text_fn pcc_text_interface, pcc_text_wan_name, pcc_text_gateway, pcc_text_gateway6;
pcc_text_fn pcc_text_group_name, pcc_text_hook_run;
pcc_text_fn pcc_text_policy_name, pcc_text_policy_source, pcc_text_policy_destination;
pcc_text_fn pcc_text_policy_destination_file, pcc_text_policy_protocol;
pcc_text_fn pcc_text_policy_source_port, pcc_text_policy_destination_port, pcc_text_policy_dscp;
pcc_text_fn pcc_text_policy_lan, pcc_text_policy_use, pcc_text_policy_strict;
pcc_text_fn pcc_text_policy_sticky, pcc_text_policy_sticky_time;

#endif
