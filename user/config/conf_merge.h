/* SPDX-License-Identifier: GPL-2.0-only */
/* What a file said and what was changed by hand since, as one configuration. Pure. */
#ifndef PCC_CONF_MERGE_H
#define PCC_CONF_MERGE_H

#include "base/err.h"
#include "config/conf.h"

/*
 * The running configuration with the names, health, groups, policies and hooks of the file that was
 * applied (file may be the empty one). usual_conns is what max-conns is by default here. Groups and
 * policies that make no sense any more are left out, and warn (may be NULL) is told. *out is to be
 * freed. 0 or -ENOMEM.
 */
int pcc_conf_merge(struct pcc_conf *out, const struct pcc_conf *file,
	const struct pcc_config *running, uint32_t usual_conns, pcc_warn_fn warn);

#endif
