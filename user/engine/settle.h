/* SPDX-License-Identifier: GPL-2.0-only */
/* Settles what a configuration leaves open, from the present state of the router. */
#ifndef PCC_SETTLE_H
#define PCC_SETTLE_H

#include "engine/apply.h"

/*
 * Settles cfg: ids and order, ifindexes, gateways to be found, seed and number of connections.
 * Checks what only the machine can tell: do the interfaces exist, are the gateways possible? A
 * problem with an interface is an error; a gateway that is not known yet is a warning as long as
 * another WAN has one. If trouble is not NULL (an empty error for each WAN), both are written there
 * instead; ifindex 0 then means an interface that never existed. Returns 0 or a negative errno with
 * err filled.
 */
int pcc_settle(struct pcc_session *s, struct pcc_config *cfg, const struct pcc_observed *now,
	struct pcc_err *trouble, const struct pcc_apply_opts *opts, struct pcc_err *err);

#endif
