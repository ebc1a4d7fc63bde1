/* SPDX-License-Identifier: GPL-2.0-only */
/* What the router is like: reads, changes nothing. */
#ifndef PCC_OBSERVE_H
#define PCC_OBSERVE_H

#include "engine/observed.h"
#include "engine/session.h"

/* Links, addresses, routes, rules: before the configuration is settled. */
int pcc_observe_network(struct pcc_session *s, const struct pcc_config *cfg,
	struct pcc_observed *now, struct pcc_err *err);

/* Sysctls, hooks, NAT and maps against the settled cfg. */
int pcc_observe_rest(struct pcc_session *s, const struct pcc_config *cfg, struct pcc_observed *now,
	const struct pcc_dp_local *locals, uint32_t nlocals, struct pcc_err *err);

/* The router's own and broadcast addresses, allocated. */
int pcc_observe_locals(struct pcc_session *s, const struct pcc_config *cfg,
	const struct pcc_observed *now, struct pcc_dp_local **locals, uint32_t *n,
	struct pcc_err *err);

/* Do the maps of what is attached hold cfg and these addresses already? */
bool pcc_observe_maps_match(struct pcc_session *s, const struct pcc_config *cfg,
	const struct pcc_dp_local *locals, uint32_t nlocals);

/* Has this kernel IPv6? */
bool pcc_has_v6(void);

#endif
