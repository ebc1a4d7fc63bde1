/* SPDX-License-Identifier: GPL-2.0-only */
/* Merges what a file said and what was changed by hand since into one configuration. Pure. */
#ifndef PCC_CONF_MERGE_H
#define PCC_CONF_MERGE_H

#include "base/err.h"
#include "config/conf.h"

/*
 * The parts of the file that make no sense any more, one warning for each. The caller frees `what`.
 */
struct pcc_left_out {
	struct pcc_err *what;
	uint32_t n;
};

/*
 * Builds in *out the running configuration with the names, health, groups, policies and hooks of
 * the file that was applied (file may be the empty configuration). usual_conns is the default of
 * max-conns on this machine. Groups and policies that make no sense any more are reported in `left`
 * instead. The caller frees *out and left->what, also after an error. Returns 0 or -ENOMEM.
 */
int pcc_conf_merge(struct pcc_conf *out, struct pcc_left_out *left, const struct pcc_conf *file,
	const struct pcc_config *running, uint32_t usual_conns);

#endif
