/* SPDX-License-Identifier: GPL-2.0-only */
/* Settles one interface of a configuration. old (may be NULL) is what is in force. */
#ifndef PCC_SETTLE_IFACE_H
#define PCC_SETTLE_IFACE_H

#include "engine/observed.h"
#include "engine/session.h"

/* Its number and kind of link. An interface that is gone keeps the number that it had. */
int pcc_settle_lan(const struct pcc_config *old, struct pcc_lan_cfg *lan,
	const struct pcc_observed *now, struct pcc_err *err);

/*
 * The same, and its gateways: those to be found are looked for, those given are checked. -ENOENT:
 * none is known.
 */
int pcc_settle_wan(struct pcc_session *s, const struct pcc_config *old, struct pcc_wan_cfg *wan,
	const struct pcc_observed *now, struct pcc_err *err);

#endif
