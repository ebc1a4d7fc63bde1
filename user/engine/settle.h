/* SPDX-License-Identifier: GPL-2.0-only */
/* Settles what a configuration leaves open, by what the router is like. */
#ifndef PCC_SETTLE_H
#define PCC_SETTLE_H

#include "engine/apply.h"

/*
 * Settles cfg: ids and order, ifindexes, gateways that are to be found, seed and number of
 * connections. Checks what only the machine can tell: do the interfaces exist, can the gateways be
 * right. What is wrong with an interface is an error, a gateway that is not known yet a warning as
 * long as another WAN has one. With trouble (room for one each WAN, all empty) either is written
 * there instead: ifindex 0 is then an interface that was never there.
 */
int pcc_settle(struct pcc_session *s, struct pcc_config *cfg, const struct pcc_observed *now,
	struct pcc_err *trouble, const struct pcc_apply_opts *opts, struct pcc_err *err);

#endif
