/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads the present state of the router and changes nothing. */
#ifndef PCC_OBSERVE_H
#define PCC_OBSERVE_H

#include "engine/observed.h"
#include "engine/session.h"

/* Reads links, addresses, routes and rules, before the configuration is settled. */
int pcc_observe_network(struct pcc_session *s, const struct pcc_config *cfg,
	struct pcc_observed *now, struct pcc_err *err);

/* Reads sysctls, hooks, NAT and maps, as far as the settled cfg concerns them. */
int pcc_observe_rest(struct pcc_session *s, const struct pcc_config *cfg, struct pcc_observed *now,
	const struct pcc_dp_local *locals, uint32_t nlocals, struct pcc_err *err);

/* Reads the router's own and its broadcast addresses. The caller frees them. */
int pcc_observe_locals(struct pcc_session *s, const struct pcc_config *cfg,
	const struct pcc_observed *now, struct pcc_dp_local **locals, uint32_t *n,
	struct pcc_err *err);

/* Do the attached maps already contain cfg and these addresses? */
bool pcc_observe_maps_match(struct pcc_session *s, const struct pcc_config *cfg,
	const struct pcc_dp_local *locals, uint32_t nlocals);

/* Does this kernel have IPv6? */
bool pcc_has_v6(void);

#endif
