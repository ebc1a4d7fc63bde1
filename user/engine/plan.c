// SPDX-License-Identifier: GPL-2.0-only
#include "base/array.h"
#include "engine/plan.h"
#include "base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <linux/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULE_MARK(cfg, id) ((cfg)->rule_pref + (id))
#define RULE_PROBE(cfg) ((cfg)->rule_pref + 99)
#define RULE_FROM(cfg, id) ((cfg)->rule_pref + 100 + (id))

static struct pcc_op *op_new(struct pcc_plan *plan, enum pcc_op_kind kind)
{
	struct pcc_op *grown, *op;

	if (plan->n == plan->room) {
		size_t room = plan->room ? plan->room * 2 : 64;

		grown = realloc(plan->ops, room * sizeof(*grown));
		if (!grown)
			return NULL;
		plan->ops = grown;
		plan->room = room;
	}
	op = &plan->ops[plan->n++];
	memset(op, 0, sizeof(*op));
	op->kind = kind;
	return op;
}

void pcc_plan_free(struct pcc_plan *plan)
{
	free(plan->ops);
	memset(plan, 0, sizeof(*plan));
}

/* --- sysctls ------------------------------------------------------------------------------- */

/*
 * Stays set until detach, even when the fast path goes: conntrack would take the connections that
 * it had for invalid.
 */
static const char liberal_sysctl[] = "net/netfilter/nf_conntrack_tcp_be_liberal";

/* One per network namespace. */
static const struct {
	const char *path, *value;
	bool fastpath; /* only where there is one */
} global_sysctls[] = {
	/* A socket accepted from a marked SYN answers with the mark: by the WAN that it came in on.
	 */
	{"net/ipv4/tcp_fwmark_accept", "1", false},
	/* So do echo replies, RSTs and errors of the router. */
	{"net/ipv4/fwmark_reflect", "1", false},
	{"net/ipv6/fwmark_reflect", "1", false},
	/* A reset with an old sequence number, as after its WAN went down, is translated, too. */
	{"net/netfilter/nf_conntrack_tcp_ignore_invalid_rst", "1", false},
	/* conntrack sees one packet in two seconds of an offloaded connection: windows mean
	   nothing. */
	{liberal_sysctl, "1", true},
};

/* One per WAN. */
static const struct {
	int family;
	const char *name, *value;
} wan_sysctls[] = {
	/* Reverse path filtering looks into the table of the mark: strict filtering can stay on. */
	{AF_INET, "src_valid_mark", "1"},
	/* A WAN without carrier has no route: new connections go elsewhere at once. */
	{AF_INET, "ignore_routes_with_linkdown", "1"},
	{AF_INET6, "ignore_routes_with_linkdown", "1"},
};

/* Adds "accept_local" of an interface where nothing else validates sources: it spares every packet
 * a look-up of its source. */
static struct pcc_sysctl_now *add_accept_local(
	struct pcc_sysctl_now *list, size_t *n, const char *ifname, bool wanted)
{
	struct pcc_sysctl_now *to = &list[*n];

	if (!wanted || pcc_sysctl_if_key(
			       to->path, sizeof(to->path), AF_INET, "conf", ifname, "accept_local"))
		return NULL;
	snprintf(to->value, sizeof(to->value), "1");
	(*n)++;
	return to;
}

static void add_accept_locals(const struct pcc_config *cfg, struct pcc_sysctl_now *list, size_t *n)
{
	struct pcc_sysctl_now *added;

	for (uint32_t w = 0; w < cfg->nwans; w++) {
		added = add_accept_local(list, n, cfg->wans[w].name, cfg->wans[w].accept_local);
		if (added)
			added->wan_id = cfg->wans[w].id;
	}
	for (uint32_t l = 0; l < cfg->nlans; l++) {
		added = add_accept_local(list, n, cfg->lans[l].name, cfg->lans[l].accept_local);
		if (added)
			added->lan_ifindex = cfg->lans[l].ifindex;
	}
}

int pcc_plan_sysctls(
	const struct pcc_config *cfg, bool has_v6, struct pcc_sysctl_now **list, size_t *n)
{
	struct pcc_sysctl_now *v =
		calloc(COUNT(global_sysctls) + cfg->nwans * (COUNT(wan_sysctls) + 1) + cfg->nlans,
			sizeof(*v));

	*list = v;
	*n = 0;
	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < COUNT(global_sysctls); i++) {
		if ((!has_v6 && strstr(global_sysctls[i].path, "ipv6")) ||
			(global_sysctls[i].fastpath && cfg->fastpath == PCC_FP_OFF))
			continue;
		snprintf(v[*n].path, sizeof(v->path), "%s", global_sysctls[i].path);
		snprintf(v[(*n)++].value, sizeof(v->value), "%s", global_sysctls[i].value);
	}
	for (uint32_t w = 0; w < cfg->nwans; w++) {
		for (size_t i = 0; i < COUNT(wan_sysctls); i++) {
			if (!has_v6 && wan_sysctls[i].family == AF_INET6)
				continue;
			if (pcc_sysctl_if_key(v[*n].path, sizeof(v->path), wan_sysctls[i].family,
				    "conf", cfg->wans[w].name, wan_sysctls[i].name))
				continue;
			v[*n].wan_id = cfg->wans[w].id;
			snprintf(v[(*n)++].value, sizeof(v->value), "%s", wan_sysctls[i].value);
		}
	}
	add_accept_locals(cfg, v, n);
	return 0;
}

static const struct pcc_sysctl_now *find_sysctl(
	const struct pcc_sysctl_now *list, size_t n, const char *path)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i].path, path))
			return &list[i];
	return NULL;
}

static int plan_sysctls(
	struct pcc_plan *plan, const struct pcc_config *cfg, const struct pcc_observed *now)
{
	const struct pcc_sysctl_now *is;
	struct pcc_sysctl_now *want;
	struct pcc_op *op;
	size_t n;
	int ret;

	ret = pcc_plan_sysctls(cfg, now->has_v6, &want, &n);
	for (size_t i = 0; !ret && i < n; i++) {
		is = find_sysctl(now->sysctls, now->nsysctls, want[i].path);
		if (!is || !strcmp(is->value, want[i].value))
			continue;
		op = op_new(plan, PCC_OP_SYSCTL);
		if (!op) {
			ret = -ENOMEM;
			break;
		}
		memcpy(op->sysctl.path, want[i].path, sizeof(op->sysctl.path));
		memcpy(op->sysctl.value, want[i].value, sizeof(op->sysctl.value));
		memcpy(op->sysctl.old, is->value, sizeof(op->sysctl.old));
		op->wan_id = want[i].wan_id;
		op->lan_ifindex = want[i].lan_ifindex;
	}
	free(want);
	return ret;
}

/* Sysctls that were changed once and are not wanted any more. */
static int plan_sysctls_back(
	struct pcc_plan *plan, const struct pcc_config *cfg, const struct pcc_observed *now)
{
	struct pcc_sysctl_now *want;
	struct pcc_op *op;
	size_t n;
	int ret;

	ret = pcc_plan_sysctls(cfg, now->has_v6, &want, &n);
	for (size_t i = 0; !ret && i < now->nremembered; i++) {
		if (find_sysctl(want, n, now->remembered[i].path) ||
			!strcmp(now->remembered[i].path, liberal_sysctl))
			continue;
		op = op_new(plan, PCC_OP_SYSCTL_BACK);
		if (!op) {
			ret = -ENOMEM;
			break;
		}
		memcpy(op->sysctl.path, now->remembered[i].path, sizeof(op->sysctl.path));
		memcpy(op->sysctl.value, now->remembered[i].value, sizeof(op->sysctl.value));
		memcpy(op->sysctl.old, now->remembered[i].now, sizeof(op->sysctl.old));
	}
	free(want);
	return ret;
}

/* --- routes and rules ---------------------------------------------------------------------- */

struct wanted {
	struct pcc_route *routes;
	size_t nroutes;
	struct pcc_rule *rules;
	size_t nrules;
};

/* Is the address inside a prefix of one of the interface's addresses? */
static bool is_connected(
	const struct pcc_observed *now, uint32_t ifindex, int family, const union pcc_ip *addr)
{
	for (size_t i = 0; i < now->addrs.n; i++) {
		const struct pcc_ifaddr *a = &now->addrs.v[i];
		const uint8_t *net = a->has_peer ? a->peer.bytes : a->addr.bytes;
		unsigned int whole = a->prefixlen / 8, rest = a->prefixlen % 8;

		if (a->ifindex != ifindex || a->family != family || memcmp(net, addr->bytes, whole))
			continue;
		if (!rest || !((net[whole] ^ addr->bytes[whole]) >> (8 - rest)))
			return true;
	}
	return family == AF_INET6 && addr->bytes[0] == 0xfe && (addr->bytes[1] & 0xc0) == 0x80;
}

/*
 * Without carrier, and with ignore_routes_with_linkdown, the kernel finds no way to an IPv6 gateway
 * and refuses the route (net/ipv6/route.c, ip6_route_check_nh()), unless it is told that it is
 * there. It is told: when the carrier comes the route works without any command.
 */
static bool looks_unreachable(const struct pcc_link *link, enum pcc_family f)
{
	return f == PCC_V6 && !(link->flags & IFF_LOWER_UP);
}

static void want_routes(struct wanted *w, const struct pcc_config *cfg,
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
	/* The kernel takes no route over a device that is down: it comes with the next command. */
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

static void want_rules(struct wanted *w, const struct pcc_config *cfg,
	const struct pcc_wan_cfg *wan, enum pcc_family f, const struct pcc_observed *now)
{
	struct pcc_rule r = {
		.family = pcc_af[f],
		.pref = RULE_MARK(cfg, wan->id),
		.action = FR_ACT_TO_TBL,
		.protocol = PCC_RTPROT,
		.table = cfg->table_base + wan->id,
		.fwmark = wan->id << pcc_mark_shift(cfg->mark_mask),
		.fwmask = cfg->mark_mask,
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

/* The data plane's probe for routes that are more than a default (bpf/route.bpf.h): a rule ... */
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

/* ... and all that there is in its table. */
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

static int want(struct wanted *w, const struct pcc_config *cfg, const struct pcc_observed *now)
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

/* The route of ours that has the place (family, table, metric, type) of another one. */
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

/* "onlink" counts when a route is added only: one that stands works alike with it and without. */
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

/* The WAN whose way out the route is; what only rejects, all need. */
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

static int plan_adds(struct pcc_plan *plan, const struct wanted *w, const struct pcc_config *cfg,
	const struct pcc_observed *now)
{
	for (size_t i = 0; i < w->nroutes; i++) {
		const struct pcc_route *old;
		struct pcc_op *op;

		if (route_in(&w->routes[i], now->routes.v, now->routes.n))
			continue;
		op = op_new(plan, PCC_OP_ROUTE_ADD);
		if (!op)
			return -ENOMEM;
		op->route = w->routes[i];
		op->wan_id = wan_of_route(cfg, &w->routes[i]);
		old = same_place(&now->routes, &w->routes[i]);
		if (old) {
			op->replaces = true;
			op->old_route = *old;
		}
	}
	for (size_t i = 0; i < w->nrules; i++) {
		struct pcc_op *op;

		if (rule_in(&w->rules[i], now->rules.v, now->rules.n))
			continue;
		op = op_new(plan, PCC_OP_RULE_ADD);
		if (!op)
			return -ENOMEM;
		op->rule = w->rules[i];
	}
	return 0;
}

static bool is_replaced(const struct wanted *w, const struct pcc_route *r)
{
	struct pcc_route_list list = {.v = w->routes, .n = w->nroutes};

	return same_place(&list, r) != NULL;
}

static int plan_dels(struct pcc_plan *plan, const struct wanted *w, const struct pcc_observed *now)
{
	for (size_t i = 0; i < now->rules.n; i++) {
		struct pcc_op *op;

		if (rule_in(&now->rules.v[i], w->rules, w->nrules))
			continue;
		op = op_new(plan, PCC_OP_RULE_DEL);
		if (!op)
			return -ENOMEM;
		op->rule = now->rules.v[i];
	}
	for (size_t i = 0; i < now->routes.n; i++) {
		struct pcc_op *op;

		if (route_in(&now->routes.v[i], w->routes, w->nroutes) ||
			is_replaced(w, &now->routes.v[i]))
			continue;
		op = op_new(plan, PCC_OP_ROUTE_DEL);
		if (!op)
			return -ENOMEM;
		op->route = now->routes.v[i];
	}
	return 0;
}

/* --- NAT, hooks, maps ---------------------------------------------------------------------- */

static void nat_add(struct pcc_nat_cfg *nat, const struct pcc_wan_cfg *wan)
{
	struct pcc_nat_wan *to;

	if (nat->nwans == PCC_MAX_WANS)
		return;
	to = &nat->wans[nat->nwans++];
	memcpy(to->name, wan->name, sizeof(to->name));
	to->id = wan->id;
	to->mark = wan->id << pcc_mark_shift(nat->mark_mask);
}

void pcc_plan_nat(const struct pcc_config *cfg, const struct pcc_config *old, bool write_ctmark,
	struct pcc_nat_cfg *nat)
{
	memset(nat, 0, sizeof(*nat));
	nat->mark_mask = cfg->mark_mask;
	nat->nat4 = cfg->nat4;
	nat->nat6 = cfg->nat6;
	nat->write_ctmark = write_ctmark;
	for (uint32_t i = 0; i < cfg->nwans; i++)
		nat_add(nat, &cfg->wans[i]);
	for (uint32_t i = 0; old && i < old->nwans; i++)
		if (!pcc_config_find_wan_const(cfg, old->wans[i].name) &&
			!pcc_config_find_wan_id(cfg, old->wans[i].id))
			nat_add(nat, &old->wans[i]);
}

static bool hook_is_current(const struct pcc_observed *now, uint32_t ifindex, enum pcc_hook_dir dir)
{
	for (size_t i = 0; i < now->nhooks; i++)
		if (now->hooks[i].ifindex == ifindex && now->hooks[i].dir == dir)
			return now->hooks[i].current;
	return false;
}

/* wan_id: of a WAN's; what is a LAN's or of its ports has none. */
static int plan_hook_on(struct pcc_plan *plan, const struct pcc_observed *now, uint32_t ifindex,
	const char *name, enum pcc_hook_dir dir, enum pcc_prog prog, uint32_t wan_id)
{
	struct pcc_op *op;

	if (!pcc_observed_link(now, ifindex) || hook_is_current(now, ifindex, dir))
		return 0;
	op = op_new(plan, PCC_OP_HOOK_ON);
	if (!op)
		return -ENOMEM;
	op->hook.ifindex = ifindex;
	snprintf(op->hook.ifname, sizeof(op->hook.ifname), "%s", name);
	op->hook.dir = dir;
	op->hook.prog = prog;
	op->wan_id = wan_id;
	op->lan_ifindex = wan_id ? 0 : ifindex;
	return 0;
}

/* Before its routes: a WAN that cannot have the programs gets none, so nobody is sent there. */
static int plan_wan_hooks_on(
	struct pcc_plan *plan, const struct pcc_config *cfg, const struct pcc_observed *now)
{
	int ret = 0;

	for (uint32_t i = 0; !ret && i < cfg->nwans; i++) {
		const struct pcc_wan_cfg *wan = &cfg->wans[i];

		ret = plan_hook_on(
			plan, now, wan->ifindex, wan->name, PCC_HOOK_IN, PCC_PROG_WAN_IN, wan->id);
		if (!ret && cfg->fastpath != PCC_FP_OFF)
			ret = plan_hook_on(plan, now, wan->ifindex, wan->name, PCC_HOOK_OUT,
				PCC_PROG_WAN_OUT, wan->id);
	}
	return ret;
}

/* The LAN's ingress comes last: when it starts to mark, everything behind it stands. */
static int plan_lan_hooks_on(
	struct pcc_plan *plan, const struct pcc_config *cfg, const struct pcc_observed *now)
{
	int ret = 0;

	for (uint32_t i = 0; !ret && i < cfg->nlans; i++)
		ret = plan_hook_on(plan, now, cfg->lans[i].ifindex, cfg->lans[i].name, PCC_HOOK_OUT,
			PCC_PROG_LAN_OUT, 0);
	for (uint32_t i = 0; !ret && i < cfg->nports; i++)
		ret = plan_hook_on(plan, now, cfg->ports[i].ifindex, cfg->ports[i].name,
			PCC_HOOK_OUT, PCC_PROG_PORT_OUT, 0);
	for (uint32_t i = 0; !ret && i < cfg->nlans; i++)
		ret = plan_hook_on(plan, now, cfg->lans[i].ifindex, cfg->lans[i].name, PCC_HOOK_IN,
			PCC_PROG_LAN_IN, 0);
	return ret;
}

/* pcc_wan_out costs every packet, and without a fast path there is little for it to do. */
static bool hook_wanted(const struct pcc_config *cfg, uint32_t ifindex, enum pcc_hook_dir dir)
{
	for (uint32_t i = 0; i < cfg->nlans; i++)
		if (cfg->lans[i].ifindex == ifindex)
			return true;
	for (uint32_t i = 0; i < cfg->nwans; i++)
		if (cfg->wans[i].ifindex == ifindex)
			return dir == PCC_HOOK_IN || cfg->fastpath != PCC_FP_OFF;
	for (uint32_t i = 0; i < cfg->nports; i++)
		if (cfg->ports[i].ifindex == ifindex)
			return dir == PCC_HOOK_OUT;
	return false;
}

/* The program that an interface of the configuration has at a hook. */
static enum pcc_prog hook_prog(
	const struct pcc_config *cfg, uint32_t ifindex, enum pcc_hook_dir dir)
{
	for (uint32_t i = 0; cfg && i < cfg->nlans; i++)
		if (cfg->lans[i].ifindex == ifindex)
			return dir == PCC_HOOK_IN ? PCC_PROG_LAN_IN : PCC_PROG_LAN_OUT;
	for (uint32_t i = 0; cfg && i < cfg->nports; i++)
		if (cfg->ports[i].ifindex == ifindex)
			return PCC_PROG_PORT_OUT;
	return dir == PCC_HOOK_IN ? PCC_PROG_WAN_IN : PCC_PROG_WAN_OUT;
}

/* What the interface is to get; PCC_OP_COMMIT: nothing. */
static enum pcc_op_kind xdp_needs(const struct pcc_observed *now, uint32_t ifindex)
{
	for (size_t i = 0; i < now->nxdps; i++) {
		if (now->xdps[i].ifindex != ifindex)
			continue;
		if (!now->xdps[i].current)
			return PCC_OP_XDP_ON;
		return now->xdps[i].sends_right ? PCC_OP_COMMIT : PCC_OP_XDP_SEND;
	}
	return PCC_OP_XDP_ON;
}

/*
 * The interfaces that are to run XDP, one after another; a bridge's ports instead of the bridge,
 * and the device below in the place of one that has its frames from there.
 */
static bool xdp_nth(const struct pcc_config *cfg, uint32_t n, uint32_t *ifindex)
{
	const struct pcc_lan_cfg *lan = n < cfg->nlans ? &cfg->lans[n] : NULL;
	const struct pcc_wan_cfg *wan;

	*ifindex = 0;
	if (lan) {
		bool bridge = false;

		for (uint32_t i = 0; i < cfg->nports; i++)
			bridge = bridge || cfg->ports[i].bridge_ifindex == lan->ifindex;
		*ifindex = lan->xdp && !bridge ? pcc_config_carrier(cfg, lan->ifindex) : 0;
		return true;
	}
	n -= cfg->nlans;
	if (n < cfg->nwans) {
		wan = &cfg->wans[n];
		*ifindex = wan->xdp ? pcc_config_carrier(cfg, wan->ifindex) : 0;
		return true;
	}
	n -= cfg->nwans;
	if (n >= cfg->nports)
		return false;
	*ifindex = pcc_config_carrier(cfg, cfg->ports[n].ifindex);
	return true;
}

/* Several VLANs may have one device below them. */
static bool xdp_planned(const struct pcc_plan *plan, uint32_t ifindex)
{
	for (size_t i = 0; i < plan->n; i++)
		if ((plan->ops[i].kind == PCC_OP_XDP_ON || plan->ops[i].kind == PCC_OP_XDP_SEND) &&
			plan->ops[i].hook.ifindex == ifindex)
			return true;
	return false;
}

static int op_xdp(struct pcc_plan *plan, enum pcc_op_kind kind, uint32_t ifindex, const char *name)
{
	struct pcc_op *op = op_new(plan, kind);

	if (!op)
		return -ENOMEM;
	op->hook.ifindex = ifindex;
	snprintf(op->hook.ifname, sizeof(op->hook.ifname), "%s", name);
	return 0;
}

static int plan_xdp(
	struct pcc_plan *plan, const struct pcc_config *cfg, const struct pcc_observed *now)
{
	const struct pcc_link *below;
	enum pcc_op_kind needs;
	uint32_t ifindex;
	int ret = 0;

	for (uint32_t n = 0; !ret && xdp_nth(cfg, n, &ifindex); n++) {
		below = ifindex ? pcc_observed_link(now, ifindex) : NULL;
		needs = below ? xdp_needs(now, ifindex) : PCC_OP_COMMIT;
		if (needs != PCC_OP_COMMIT && !xdp_planned(plan, ifindex))
			ret = op_xdp(plan, needs, ifindex, below->name);
	}
	for (size_t i = 0; !ret && i < now->nxdps; i++) {
		const struct pcc_link *link = pcc_observed_link(now, now->xdps[i].ifindex);
		bool wanted = false;

		for (uint32_t n = 0; xdp_nth(cfg, n, &ifindex); n++)
			wanted = wanted || ifindex == now->xdps[i].ifindex;
		if (!wanted)
			ret = op_xdp(plan, PCC_OP_XDP_OFF, now->xdps[i].ifindex,
				link ? link->name : "?");
	}
	return ret;
}

static int plan_hooks_off(struct pcc_plan *plan, const struct pcc_config *cfg,
	const struct pcc_config *old, const struct pcc_observed *now)
{
	for (size_t i = 0; i < now->nhooks; i++) {
		const struct pcc_link *link = pcc_observed_link(now, now->hooks[i].ifindex);
		struct pcc_op *op;

		if (hook_wanted(cfg, now->hooks[i].ifindex, now->hooks[i].dir))
			continue;
		op = op_new(plan, PCC_OP_HOOK_OFF);
		if (!op)
			return -ENOMEM;
		op->hook.ifindex = now->hooks[i].ifindex;
		snprintf(op->hook.ifname, sizeof(op->hook.ifname), "%s", link ? link->name : "?");
		op->hook.dir = now->hooks[i].dir;
		op->hook.prog = hook_prog(old, op->hook.ifindex, op->hook.dir);
	}
	return 0;
}

/* WANs that are gone, or down now and were not before: their connections must leave them. */
static int plan_releases(
	struct pcc_plan *plan, const struct pcc_config *cfg, const struct pcc_config *old)
{
	for (uint32_t i = 0; old && i < old->nwans; i++) {
		const struct pcc_wan_cfg *wan = pcc_config_find_wan_const(cfg, old->wans[i].name);
		struct pcc_op *op;

		if (wan && (wan->state != PCC_WAN_DOWN || old->wans[i].state == PCC_WAN_DOWN))
			continue;
		op = op_new(plan, PCC_OP_RELEASE);
		if (!op)
			return -ENOMEM;
		op->wan_id = old->wans[i].id;
		memcpy(op->wan_name, old->wans[i].name, sizeof(op->wan_name));
	}
	return 0;
}

static bool drops_wans(const struct pcc_config *cfg, const struct pcc_config *old)
{
	for (uint32_t i = 0; old && i < old->nwans; i++)
		if (!pcc_config_find_wan_const(cfg, old->wans[i].name))
			return true;
	return false;
}

static int op_simple(struct pcc_plan *plan, enum pcc_op_kind kind)
{
	return op_new(plan, kind) ? 0 : -ENOMEM;
}

/* Leases end when a next hop changes its MAC, where there are leases. */
static int plan_nexthops(
	struct pcc_plan *plan, const struct pcc_config *cfg, const struct pcc_observed *now)
{
	bool wanted = cfg->fastpath != PCC_FP_OFF && now->nexthops_possible;

	if (wanted == now->nexthops_watched)
		return 0;
	return op_simple(plan, wanted ? PCC_OP_NEXTHOP_ON : PCC_OP_NEXTHOP_OFF);
}

/* Is accept_local about to be set somewhere? The data plane must then drop what the kernel lets
 * pass. */
static bool sets_accept_local(const struct pcc_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		if (plan->ops[i].kind == PCC_OP_SYSCTL &&
			strstr(plan->ops[i].sysctl.path, "/accept_local"))
			return true;
	return false;
}

int pcc_plan_make(struct pcc_plan *plan, const struct pcc_config *cfg, const struct pcc_config *old,
	const struct pcc_observed *now)
{
	struct wanted w;
	int ret;

	memset(plan, 0, sizeof(*plan));
	ret = want(&w, cfg, now);
	if (!ret)
		ret = plan_sysctls(plan, cfg, now);
	if (!ret)
		ret = plan_wan_hooks_on(plan, cfg, now);
	if (!ret)
		ret = plan_adds(plan, &w, cfg, now);
	if (!ret && !now->nat_matches)
		ret = op_simple(plan, PCC_OP_NAT_FIRST);
	if (!ret)
		ret = plan_lan_hooks_on(plan, cfg, now);
	if (!ret && (!now->maps_match || sets_accept_local(plan)))
		ret = op_simple(plan, PCC_OP_COMMIT);
	if (!ret && cfg->own && !now->own_current)
		ret = op_simple(plan, PCC_OP_OWN_ON);
	if (!ret && !cfg->own && now->own)
		ret = op_simple(plan, PCC_OP_OWN_OFF);
	if (!ret)
		ret = plan_xdp(plan, cfg, now);
	if (!ret)
		ret = plan_nexthops(plan, cfg, now);
	if (!ret)
		ret = plan_hooks_off(plan, cfg, old, now);
	if (!ret)
		ret = plan_dels(plan, &w, now);
	if (!ret && !now->nat_matches && drops_wans(cfg, old))
		ret = op_simple(plan, PCC_OP_NAT_LAST);
	if (!ret)
		ret = plan_sysctls_back(plan, cfg, now);
	if (!ret)
		ret = plan_releases(plan, cfg, old);
	free(w.routes);
	free(w.rules);
	if (ret)
		pcc_plan_free(plan);
	return ret;
}
