/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Applying a configuration file. What the data plane does not know of the file (names, health,
 * groups, policies, hooks) is kept as text in the pinned map pcc_conf. It exists as long as the
 * other pins, each instance has its own, and detach removes it with them.
 */
#ifndef PCC_CONF_APPLY_H
#define PCC_CONF_APPLY_H

#include "engine/apply.h"
#include "config/conf.h"

/* The text that was applied last; NULL: there is none. */
struct pcc_conf_kept {
	char *text;
	size_t len;
};

/*
 * Applies a file: calls pcc_apply() with its base (which is settled in place), then keeps its text.
 * WANs that are attached keep their present state. Attaches if nothing is attached. All or nothing.
 * Returns 0 or a negative errno with err filled.
 */
int pcc_conf_apply(struct pcc_session *s, struct pcc_conf *conf, const struct pcc_apply_opts *opts,
	struct pcc_err *err);

/* The same, but keeps another text, or none. For going back to an earlier configuration. */
int pcc_conf_restore(struct pcc_session *s, struct pcc_conf *conf, const struct pcc_conf_kept *kept,
	const struct pcc_apply_opts *opts, struct pcc_err *err);

/*
 * Reads the kept text, which the caller frees. It is no error if there is none. Returns 0 or a
 * negative errno with err filled.
 */
int pcc_conf_load_kept(const char *dir, struct pcc_conf_kept *kept, struct pcc_err *err);
void pcc_conf_kept_free(struct pcc_conf_kept *kept);

/*
 * Returns the running configuration: what the data plane does, together with what only the kept
 * text says. Changes made by hand since then are included. Parts that refer to a WAN or LAN that is
 * gone are left out, and reported to warn (may be NULL). conf->base is as in a file (gateways that
 * were found are PCC_GW_AUTO, and so on). The caller frees conf.
 */
int pcc_conf_running(
	struct pcc_session *s, struct pcc_conf *conf, pcc_warn_fn warn, struct pcc_err *err);

#endif
