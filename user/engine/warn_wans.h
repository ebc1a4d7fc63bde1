/* SPDX-License-Identifier: GPL-2.0-only */
/* What a command says of the WANs that it has put in force. */
#ifndef PCC_WARN_WANS_H
#define PCC_WARN_WANS_H

#include "engine/observed.h"
#include "engine/session.h"

/*
 * Warns of WANs without link that old (may be NULL) has not, and of gateways that do not answer: of
 * every WAN that old has not with that gateway.
 */
void pcc_warn_wans(struct pcc_session *s, const struct pcc_config *cfg,
	const struct pcc_config *old, const struct pcc_observed *now, pcc_warn_fn warn);

#endif
