// SPDX-License-Identifier: GPL-2.0-only
/* Compares the maps with a configuration, and reads the addresses for them. */
#include "engine/observe.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"

static bool wan_equal(const struct pcc_wan_cfg *a, const struct pcc_wan_cfg *b)
{
	for (int f = 0; f < PCC_FAMILIES; f++) {
		if (a->gw[f].source != b->gw[f].source)
			return false;
		if ((a->gw[f].source == PCC_GW_GIVEN || a->gw[f].source == PCC_GW_FOUND) &&
			memcmp(&a->gw[f].addr, &b->gw[f].addr, f == PCC_V4 ? 4 : 16))
			return false;
	}
	if (memcmp(a->mac, b->mac, sizeof(a->mac)) || a->l3 != b->l3 || a->no_fast != b->no_fast)
		return false;
	return !strcmp(a->name, b->name) && a->id == b->id && a->ifindex == b->ifindex &&
	       a->weight == b->weight && a->state == b->state && a->order == b->order &&
	       a->by_daemon == b->by_daemon && a->degraded == b->degraded &&
	       a->standby == b->standby;
}

static bool config_equal(const struct pcc_config *a, const struct pcc_config *b)
{
	if (a->nlans != b->nlans || a->nwans != b->nwans || a->classifier != b->classifier ||
		a->scheme != b->scheme || a->buckets != b->buckets || a->seed != b->seed ||
		a->seed_given != b->seed_given || a->fastpath != b->fastpath ||
		a->nports != b->nports || a->xdp != b->xdp || a->nwires != b->nwires ||
		memcmp(a->wires, b->wires, a->nwires * sizeof(a->wires[0])) ||
		a->tcp_timeout_ms != b->tcp_timeout_ms || a->nat4 != b->nat4 ||
		a->nat6 != b->nat6 || a->own != b->own || a->max_conns != b->max_conns)
		return false;
	for (uint32_t i = 0; i < a->nlans; i++)
		if (strcmp(a->lans[i].name, b->lans[i].name) ||
			a->lans[i].ifindex != b->lans[i].ifindex ||
			a->lans[i].l3 != b->lans[i].l3 ||
			a->lans[i].no_fast != b->lans[i].no_fast ||
			memcmp(a->lans[i].mac, b->lans[i].mac, sizeof(a->lans[i].mac)))
			return false;
	for (uint32_t i = 0; i < a->nwans; i++)
		if (!wan_equal(&a->wans[i], &b->wans[i]))
			return false;
	return true;
}

static bool locals_match(struct pcc_session *s, const struct pcc_dp_local *locals, uint32_t n)
{
	struct pcc_addr key, *prev = NULL;
	uint32_t there = 0, wan_id;

	for (uint32_t i = 0; i < n; i++)
		if (bpf_map_lookup_elem(s->dp.map_fd[PCC_MAP_LOCAL], &locals[i].addr, &wan_id) ||
			wan_id != locals[i].wan_id)
			return false;
	while (there <= n && !bpf_map_get_next_key(s->dp.map_fd[PCC_MAP_LOCAL], prev, &key)) {
		prev = &key;
		there++;
	}
	return there <= n;
}

bool pcc_observe_maps_match(struct pcc_session *s, const struct pcc_config *cfg,
	const struct pcc_dp_local *locals, uint32_t nlocals)
{
	return config_equal(cfg, &s->cfg) && pcc_dp_flags_match(&s->dp, cfg) &&
	       locals_match(s, locals, nlocals);
}

static uint32_t wan_of_address(const struct pcc_config *cfg, const struct pcc_observed *now,
	int family, const union pcc_ip *addr)
{
	for (size_t i = 0; i < now->addrs.n; i++) {
		const struct pcc_ifaddr *a = &now->addrs.v[i];

		if (a->family != family ||
			memcmp(a->addr.bytes, addr->bytes, family == AF_INET ? 4 : 16))
			continue;
		for (uint32_t w = 0; w < cfg->nwans; w++)
			if (cfg->wans[w].ifindex == a->ifindex)
				return cfg->wans[w].id;
	}
	return 0;
}

int pcc_observe_locals(struct pcc_session *s, const struct pcc_config *cfg,
	const struct pcc_observed *now, struct pcc_dp_local **locals, uint32_t *n,
	struct pcc_err *err)
{
	struct pcc_route_list list = {};
	int ret = 0;

	*locals = NULL;
	*n = 0;
	for (int f = 0; !ret && f < (now->has_v6 ? 2 : 1); f++) {
		struct pcc_dp_local *grown;

		ret = pcc_route_dump(&s->nl, pcc_af[f], RT_TABLE_LOCAL, &list, err);
		if (ret)
			break;
		grown = reallocarray(*locals, *n + list.n + 1, sizeof(*grown));
		if (!grown) {
			ret = -ENOMEM;
			break;
		}
		*locals = grown;
		for (size_t i = 0; i < list.n; i++) {
			const struct pcc_route *r = &list.v[i];
			struct pcc_dp_local *to = &grown[*n];

			if (r->prefixlen != (f == PCC_V4 ? 32 : 128) ||
				(r->type != RTN_LOCAL && r->type != RTN_BROADCAST &&
					r->type != RTN_ANYCAST))
				continue;
			memset(to, 0, sizeof(*to));
			if (f == PCC_V4)
				pcc_addr_map_v4(to->addr.a, r->dst.v4.s_addr);
			else
				memcpy(to->addr.a, &r->dst.v6, 16);
			to->wan_id = r->type == RTN_LOCAL
					     ? wan_of_address(cfg, now, pcc_af[f], &r->dst)
					     : 0;
			if (*n < 4096)
				(*n)++;
		}
	}
	pcc_route_list_free(&list);
	return ret;
}
