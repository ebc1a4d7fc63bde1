/* SPDX-License-Identifier: GPL-2.0-only */
/* What the router is like: reads, changes nothing. */
#ifndef PCC_OBSERVE_H
#define PCC_OBSERVE_H

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

/* Links, addresses, routes, rules: before pcc_settle(). */
int pcc_observe_network(struct pcc_session *s, const struct pcc_config *cfg,
	struct pcc_observed *now, struct pcc_err *err);

/* Sysctls, hooks, NAT and maps against the settled cfg. */
int pcc_observe_rest(struct pcc_session *s, const struct pcc_config *cfg, struct pcc_observed *now,
	const struct pcc_dp_local *locals, uint32_t nlocals, struct pcc_err *err);

/* The router's own and broadcast addresses, allocated. */
int pcc_observe_locals(struct pcc_session *s, const struct pcc_config *cfg,
	const struct pcc_observed *now, struct pcc_dp_local **locals, uint32_t *n,
	struct pcc_err *err);

/*
 * Warns of WANs without link that old (may be NULL) has not, and of gateways that do not answer: of
 * every WAN that old has not with that gateway.
 */
void pcc_warn_wans(struct pcc_session *s, const struct pcc_config *cfg,
	const struct pcc_config *old, const struct pcc_observed *now, pcc_warn_fn warn);

/* Has this kernel IPv6? */
bool pcc_has_v6(void);

#endif
