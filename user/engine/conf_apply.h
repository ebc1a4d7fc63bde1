/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A configuration file at work. What the data plane does not know of it (names, health, groups,
 * policies, hooks) is kept as text in a map that is pinned beside the others, as pcc_conf: it is
 * there as long as they are, for every instance by itself, and detach takes it away with them.
 */
#ifndef PCC_CONF_APPLY_H
#define PCC_CONF_APPLY_H

#include "engine/apply.h"
#include "config/conf.h"

/* The text that was applied last. None: NULL. */
struct pcc_conf_kept {
	char *text;
	size_t len;
};

/*
 * Makes the file what the router does: pcc_apply() with its base (which is settled in place), then
 * keeps its text. WANs that are attached keep the state they have now. Attaches where nothing is
 * attached. All or nothing. 0 or a negative errno with err filled.
 */
int pcc_conf_apply(struct pcc_session *s, struct pcc_conf *conf, const struct pcc_apply_opts *opts,
	struct pcc_err *err);

/* The same with another text to keep, or with none: for going back to what was before. */
int pcc_conf_restore(struct pcc_session *s, struct pcc_conf *conf, const struct pcc_conf_kept *kept,
	const struct pcc_apply_opts *opts, struct pcc_err *err);

/* Reads what is kept; nothing kept is no error. To be freed. */
int pcc_conf_load_kept(const char *dir, struct pcc_conf_kept *kept, struct pcc_err *err);
void pcc_conf_kept_free(struct pcc_conf_kept *kept);

/*
 * What runs, as a configuration: what the data plane does, with what the kept text says beyond
 * that. Changes that were made by hand since are in it. What refers to a WAN or LAN that is gone is
 * left out, and warn (may be NULL) is told. conf->base is as the file would have it (gateways that
 * were found are PCC_GW_AUTO, and so on). To be freed.
 */
int pcc_conf_running(
	struct pcc_session *s, struct pcc_conf *conf, pcc_warn_fn warn, struct pcc_err *err);

#endif
