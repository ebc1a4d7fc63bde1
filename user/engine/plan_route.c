// SPDX-License-Identifier: GPL-2.0-only
/* The plan's steps for routes and rules. Pure. */
#include "engine/plan_parts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"

#define RULE_MARK(cfg, id) ((cfg)->rule_pref + (id))
#define RULE_PROBE(cfg) ((cfg)->rule_pref + 99)
#define RULE_FROM(cfg, id) ((cfg)->rule_pref + 100 + (id))

/* Is the address inside a prefix of one of the interface's addresses? */
static bool is_connected(
	const struct pcc_observed *now, uint32_t ifindex, int family, const union pcc_ip *addr)
{
	for (size_t i = 0; i < now->addrs.n; i++) {
		const struct pcc_ifaddr *a = &now->addrs.v[i];
		const uint8_t *net = a->has_peer ? a->peer.bytes : a->addr.bytes;

		if (a->ifindex == ifindex && a->family == family &&
			pcc_ip_in_prefix(addr, net, a->prefixlen))
			return true;
	}
	return family == AF_INET6 && addr->bytes[0] == 0xfe && (addr->bytes[1] & 0xc0) == 0x80;
}

/*
 * Does the kernel consider the gateway unreachable? On a link without carrier and with
 * ignore_routes_with_linkdown it finds no way to an IPv6 gateway and refuses the route
 * (net/ipv6/route.c, ip6_route_check_nh()), unless the route says that the gateway is on the link
 * ("onlink"). Such a route is added with that flag, so that it works as soon as the carrier comes.
 */
static bool looks_unreachable(const struct pcc_link *link, enum pcc_family f)
{
	return f == PCC_V6 && !(link->flags & IFF_LOWER_UP);
}

static void want_routes(struct pcc_wanted *w, const struct pcc_config *cfg,
	const struct pcc_wan_cfg *wan, enum pcc_family f, const struct pcc_observed *now)
{
	const struct pcc_gateway *gw = &wan->gw[f];
	const struct pcc_link *link = pcc_observed_link(now, wan->ifindex);
	struct pcc_route r = {
		.family = pcc_af[f],
		.type = RTN_UNREACHABLE,
		.protocol = PCC_RTPROT,
		.table = cfg->table_base + wan->id,
		.metric = PCC_UNREACHABLE_METRIC,
	};

	w->routes[w->nroutes++] = r;
	/* The kernel accepts no route over a device that is down. The next command adds it. */
	if (!pcc_wan_serves(wan, f) || wan->waits[f] || !link || !(link->flags & IFF_UP))
		return;
	r.type = RTN_UNICAST;
	r.metric = f == PCC_V6 ? 1024 : PCC_DEFAULT_METRIC;
	r.oif = wan->ifindex;
	if (gw->source != PCC_GW_ONLINK) {
		r.has_gateway = true;
		r.gateway_family = pcc_af[f];
		memcpy(&r.gateway, &gw->addr, f == PCC_V4 ? 4 : 16);
		r.onlink = !is_connected(now, wan->ifindex, pcc_af[f], &r.gateway) ||
			   looks_unreachable(link, f);
	}
	w->routes[w->nroutes++] = r;
}

static bool is_usable_source(const struct pcc_ifaddr *a, uint32_t ifindex, int family)
{
	return a->ifindex == ifindex && a->family == family &&
	       (a->scope == RT_SCOPE_UNIVERSE || a->scope == RT_SCOPE_SITE);
}

static void want_rules(struct pcc_wanted *w, const struct pcc_config *cfg,
	const struct pcc_wan_cfg *wan, enum pcc_family f, const struct pcc_observed *now)
{
	struct pcc_rule r = {
		.family = pcc_af[f],
		.pref = RULE_MARK(cfg, wan->id),
		.action = FR_ACT_TO_TBL,
		.protocol = PCC_RTPROT,
		.table = cfg->table_base + wan->id,
		.fwmark = wan->id << pcc_mark_shift(cfg->mark_mask),
		.fwmask = cfg->mark_mask & ~pcc_answer_mark(cfg),
		.suppress_prefixlen = -1,
	};

	w->rules[w->nrules++] = r;
	r.fwmark = r.fwmask = 0;
	r.pref = RULE_FROM(cfg, wan->id);
	for (size_t i = 0; i < now->addrs.n; i++) {
		if (!is_usable_source(&now->addrs.v[i], wan->ifindex, pcc_af[f]))
			continue;
		r.src = now->addrs.v[i].addr;
		r.src_prefixlen = f == PCC_V4 ? 32 : 128;
		w->rules[w->nrules++] = r;
	}
}

/*
 * By these the data plane finds routes that are more specific than a default (bpf/route.bpf.h): a
 * rule, ...
 */
static struct pcc_rule probe_rule(const struct pcc_config *cfg)
{
	struct pcc_rule r = {
		.family = AF_INET,
		.pref = RULE_PROBE(cfg),
		.action = FR_ACT_TO_TBL,
		.protocol = PCC_RTPROT,
		.table = PCC_PROBE_TABLE(cfg->table_base),
		.suppress_prefixlen = -1,
		.src.v4.s_addr = htonl(PCC_PROBE_V4),
		.src_prefixlen = 32,
	};

	return r;
}

/* ... and the only route in its table. */
static struct pcc_route probe_route(const struct pcc_config *cfg)
{
	struct pcc_route r = {
		.family = AF_INET,
		.type = RTN_PROHIBIT,
		.protocol = PCC_RTPROT,
		.table = PCC_PROBE_TABLE(cfg->table_base),
		.metric = PCC_UNREACHABLE_METRIC,
	};

	return r;
}

int pcc_wanted_make(
	struct pcc_wanted *w, const struct pcc_config *cfg, const struct pcc_observed *now)
{
	memset(w, 0, sizeof(*w));
	w->routes = calloc(cfg->nwans * 4 + 2, sizeof(*w->routes));
	w->rules = calloc(cfg->nwans * 2 + now->addrs.n * 2 + 4, sizeof(*w->rules));
	if (!w->routes || !w->rules)
		return -ENOMEM;
	for (int f = 0; f < PCC_FAMILIES; f++) {
		struct pcc_rule main_first = {
			.family = pcc_af[f],
			.pref = cfg->rule_pref,
			.action = FR_ACT_TO_TBL,
			.protocol = PCC_RTPROT,
			.table = RT_TABLE_MAIN,
			.suppress_prefixlen = 0,
			/* Answers leave by the WAN of their mark, wherever the main table leads. */
			.fwmark = pcc_answer_mark(cfg),
			.fwmask = pcc_answer_mark(cfg),
			.invert = pcc_answer_mark(cfg) != 0,
		};

		if (f == PCC_V6 && !now->has_v6)
			continue;
		w->rules[w->nrules++] = main_first;
		if (f == PCC_V4) {
			w->rules[w->nrules++] = probe_rule(cfg);
			w->routes[w->nroutes++] = probe_route(cfg);
		}
		for (uint32_t i = 0; i < cfg->nwans; i++) {
			want_routes(w, cfg, &cfg->wans[i], f, now);
			want_rules(w, cfg, &cfg->wans[i], f, now);
		}
	}
	return 0;
}

/* Returns our route with the same family, table, metric and type as another one. */
static const struct pcc_route *same_place(
	const struct pcc_route_list *list, const struct pcc_route *r)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct pcc_route *x = &list->v[i];

		if (x->family == r->family && x->table == r->table && x->metric == r->metric &&
			x->type == r->type && !x->prefixlen && !r->prefixlen)
			return x;
	}
	return NULL;
}

/*
 * Is the route in v? "onlink" matters only when a route is added: an existing one works the same
 * with and without it.
 */
static bool route_in(const struct pcc_route *r, const struct pcc_route *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct pcc_route x = v[i];

		x.onlink = r->onlink;
		if (pcc_route_equal(r, &x))
			return true;
	}
	return false;
}

/* Returns the WAN that uses the route; 0 for routes that reject packets, which all need. */
static uint32_t wan_of_route(const struct pcc_config *cfg, const struct pcc_route *r)
{
	return r->type == RTN_UNICAST ? r->table - cfg->table_base : 0;
}

static bool rule_in(const struct pcc_rule *r, const struct pcc_rule *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (pcc_rule_equal(r, &v[i]))
			return true;
	return false;
}

int pcc_plan_add_routes(struct pcc_plan *plan, const struct pcc_wanted *w,
	const struct pcc_config *cfg, const struct pcc_observed *now)
{
	for (size_t i = 0; i < w->nroutes; i++) {
		const struct pcc_route *old;
		struct pcc_step *step;

		if (route_in(&w->routes[i], now->routes.v, now->routes.n))
			continue;
		step = pcc_plan_add(plan, PCC_STEP_ROUTE_ADD);
		if (!step)
			return -ENOMEM;
		step->route = w->routes[i];
		step->wan_id = wan_of_route(cfg, &w->routes[i]);
		step->families = PCC_FAMILY_BIT(step->route.family == AF_INET6 ? PCC_V6 : PCC_V4);
		old = same_place(&now->routes, &w->routes[i]);
		if (old) {
			step->replaces = true;
			step->old_route = *old;
		}
	}
	for (size_t i = 0; i < w->nrules; i++) {
		struct pcc_step *step;

		if (rule_in(&w->rules[i], now->rules.v, now->rules.n))
			continue;
		step = pcc_plan_add(plan, PCC_STEP_RULE_ADD);
		if (!step)
			return -ENOMEM;
		step->rule = w->rules[i];
	}
	return 0;
}

static bool is_replaced(const struct pcc_wanted *w, const struct pcc_route *r)
{
	struct pcc_route_list list = {.v = w->routes, .n = w->nroutes};

	return same_place(&list, r) != NULL;
}

int pcc_plan_del_routes(
	struct pcc_plan *plan, const struct pcc_wanted *w, const struct pcc_observed *now)
{
	for (size_t i = 0; i < now->rules.n; i++) {
		struct pcc_step *step;

		if (rule_in(&now->rules.v[i], w->rules, w->nrules))
			continue;
		step = pcc_plan_add(plan, PCC_STEP_RULE_DEL);
		if (!step)
			return -ENOMEM;
		step->rule = now->rules.v[i];
	}
	for (size_t i = 0; i < now->routes.n; i++) {
		struct pcc_step *step;

		if (route_in(&now->routes.v[i], w->routes, w->nroutes) ||
			is_replaced(w, &now->routes.v[i]))
			continue;
		step = pcc_plan_add(plan, PCC_STEP_ROUTE_DEL);
		if (!step)
			return -ENOMEM;
		step->route = now->routes.v[i];
	}
	return 0;
}

void pcc_wanted_free(struct pcc_wanted *w)
{
	free(w->routes);
	free(w->rules);
}
