/* SPDX-License-Identifier: GPL-2.0-only */
/* What a file said and what was changed by hand since, as one configuration. Pure. */
#ifndef PCC_CONF_MERGE_H
#define PCC_CONF_MERGE_H

#include "base/err.h"
#include "config/conf.h"

/* What the file said that makes no sense any more: each as a warning. To be freed. */
struct pcc_left_out {
	struct pcc_err *what;
	uint32_t n;
};

/*
 * The running configuration with the names, health, groups, policies and hooks of the file that was
 * applied (file may be the empty one). usual_conns is what max-conns is by default here. Groups and
 * policies that make no sense any more are in `left` instead. *out is to be freed, and left->what,
 * also after an error. 0 or -ENOMEM.
 */
int pcc_conf_merge(struct pcc_conf *out, struct pcc_left_out *left, const struct pcc_conf *file,
	const struct pcc_config *running, uint32_t usual_conns);

#endif
