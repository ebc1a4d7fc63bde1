/* SPDX-License-Identifier: GPL-2.0-only */
/* Warnings about the WANs that a command has put in force. */
#ifndef PCC_WARN_WANS_H
#define PCC_WARN_WANS_H

#include "engine/observed.h"
#include "engine/session.h"

/*
 * Warns of WANs without a link, and of gateways that do not answer. WANs that old (may be NULL) has
 * in the same way, or with the same gateway, are not reported again.
 */
void pcc_warn_wans(struct pcc_session *s, const struct pcc_config *cfg,
	const struct pcc_config *old, const struct pcc_observed *now, pcc_warn_fn warn);

#endif
