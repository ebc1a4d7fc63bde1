/* SPDX-License-Identifier: GPL-2.0-only */
/* Settles one interface of a configuration. old (may be NULL) is the configuration in force. */
#ifndef PCC_SETTLE_IFACE_H
#define PCC_SETTLE_IFACE_H

#include "engine/observed.h"
#include "engine/session.h"

/*
 * Sets the LAN's ifindex and kind of link. An interface that is gone keeps the ifindex that it had.
 */
int pcc_settle_lan(const struct pcc_config *old, struct pcc_lan_cfg *lan,
	const struct pcc_observed *now, struct pcc_err *err);

/*
 * The same for a WAN, and its gateways: finds those that are to be found, and checks those given.
 * Returns -ENOENT if no gateway is known.
 */
int pcc_settle_wan(struct pcc_session *s, const struct pcc_config *old, struct pcc_wan_cfg *wan,
	const struct pcc_observed *now, struct pcc_err *err);

#endif
