// SPDX-License-Identifier: GPL-2.0-only
#include "engine/observe.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <linux/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/address.h"
#include "kernel/conntrack.h"
#include "kernel/gateway.h"
#include "kernel/neighbour.h"
#include "pins/nexthop.h"
#include "pins/own.h"
#include "kernel/wire.h"
#include "pins/xdp.h"
#include "text/parse.h"

#define PROBE_MS 1000
#define DEFAULT_MAX_CONNS 262144u

bool pcc_has_v6(void)
{
	return !access("/proc/net/if_inet6", F_OK);
}

static const struct pcc_link *link_named(const struct pcc_observed *now, const char *name)
{
	for (size_t i = 0; i < now->links.n; i++)
		if (!strcmp(now->links.v[i].name, name))
			return &now->links.v[i];
	return NULL;
}

static const struct pcc_link *link_numbered(const struct pcc_observed *now, uint32_t ifindex)
{
	for (size_t i = 0; i < now->links.n; i++)
		if (now->links.v[i].ifindex == ifindex)
			return &now->links.v[i];
	return NULL;
}

static int unknown_interface(const char *name, struct pcc_err *err)
{
	pcc_err_set(err, -ENODEV, "interface", "'%s' does not exist", name);
	return pcc_err_hint(err, -ENODEV, "`ip link` lists the interfaces");
}

/* --- settling ------------------------------------------------------------------------------ */

/* An IPv4 sysctl of an interface; 0 where there is none. */
static long sysctl_of(const char *ifname, const char *name)
{
	char path[PCC_SYSCTL_KEY_BYTES];
	long value = 0;

	if (pcc_sysctl_if_key(path, sizeof(path), AF_INET, "conf", ifname, name) ||
		pcc_sysctl_read_int(path, &value, NULL))
		return 0;
	return value;
}

/* Does the kernel look up the sources of what arrives there only to find the router's own? */
static bool nobody_validates(const char *ifname)
{
	return !sysctl_of("all", "rp_filter") && !sysctl_of(ifname, "rp_filter") &&
	       !sysctl_of("all", "accept_local");
}

/*
 * The kernel's rule for VRFs (1000: from all lookup [l3mdev-table]) stands before the rules of the
 * marks, so there the mark of a WAN would choose nothing.
 */
static int check_vrf(
	const struct pcc_link *link, const struct pcc_observed *now, struct pcc_err *err)
{
	const struct pcc_link *master = link_numbered(now, link->master_ifindex);

	if (!strcmp(link->kind, "vrf")) {
		pcc_err_set(err, -EOPNOTSUPP, link->name,
			"it is a VRF; its rule decides before the marks of WANs");
		return pcc_err_hint(err, -EOPNOTSUPP,
			"name the interface itself, after `ip link set INTERFACE nomaster`");
	}
	if (!master || strcmp(master->kind, "vrf") != 0)
		return 0;
	pcc_err_set(err, -EOPNOTSUPP, link->name,
		"it is in the VRF %s, whose rule decides before the marks of WANs", master->name);
	return pcc_err_hint(err, -EOPNOTSUPP, "`ip link set %s nomaster` takes it out", link->name);
}

static int settle_lan(const struct pcc_config *old, struct pcc_lan_cfg *lan,
	const struct pcc_observed *now, struct pcc_err *err)
{
	const struct pcc_link *link = link_named(now, lan->name);
	const struct pcc_lan_cfg *was = old ? pcc_config_find_lan(old, lan->name) : NULL;

	lan->accept_local = nobody_validates(lan->name);
	lan->l3 = link && !pcc_link_is_ethernet(link);
	if (link)
		memcpy(lan->mac, link->mac, sizeof(lan->mac));
	if (link)
		lan->ifindex = link->ifindex;
	else if (was)
		lan->ifindex = was->ifindex;
	else
		return unknown_interface(lan->name, err);
	return link ? check_vrf(link, now, err) : 0;
}

static void gateway_text(
	const struct pcc_gateway *gw, enum pcc_family f, char buf[INET6_ADDRSTRLEN])
{
	if (!inet_ntop(pcc_af[f], &gw->addr, buf, INET6_ADDRSTRLEN))
		buf[0] = '\0';
}

/* A gateway that was given: is it somebody else, and on the WAN's network? */
static int check_given(const struct pcc_wan_cfg *wan, enum pcc_family f,
	const struct pcc_observed *now, struct pcc_err *err)
{
	size_t len = f == PCC_V4 ? 4 : 16;
	char text[INET6_ADDRSTRLEN];
	bool connected = false, any = false;

	gateway_text(&wan->gw[f], f, text);
	for (size_t i = 0; i < now->addrs.n; i++) {
		const struct pcc_ifaddr *a = &now->addrs.v[i];
		const uint8_t *net = a->has_peer ? a->peer.bytes : a->addr.bytes;
		const uint8_t *gw = (const uint8_t *)&wan->gw[f].addr;
		unsigned int whole = a->prefixlen / 8, rest = a->prefixlen % 8;

		if (a->family != pcc_af[f])
			continue;
		if (!memcmp(a->addr.bytes, gw, len)) {
			pcc_err_set(err, -EINVAL, wan->name,
				"the gateway '%s' is an address of this router", text);
			return pcc_err_hint(err, -EINVAL, "give the ISP's address");
		}
		if (a->ifindex != wan->ifindex)
			continue;
		any = true;
		if (!memcmp(net, gw, whole) && (!rest || !((net[whole] ^ gw[whole]) >> (8 - rest))))
			connected = true;
	}
	if (connected || !any)
		return 0;
	pcc_err_set(err, -EINVAL, wan->name,
		"the gateway '%s' is not on a network of this interface", text);
	return pcc_err_hint(err, -EINVAL, "`ip addr show dev %s` lists them", wan->name);
}

static int settle_gateway(struct pcc_session *s, const struct pcc_link *link,
	struct pcc_wan_cfg *wan, enum pcc_family f, const struct pcc_wan_cfg *was,
	struct pcc_err *err)
{
	struct pcc_gateway found = {};
	int ret;

	if (wan->gw[f].source != PCC_GW_AUTO)
		return 0;
	wan->gw[f].source = PCC_GW_NONE;
	ret = pcc_gateway_find(&s->nl, link, pcc_af[f], "", &found, err);
	if (!ret || ret == -ENOENT)
		wan->gw[f] = found;
	/* A default route that went away with its link does not make us forget the gateway. */
	if (wan->gw[f].source == PCC_GW_NONE && was && pcc_wan_serves(was, f)) {
		wan->gw[f] = was->gw[f];
		return 0;
	}
	if (f == PCC_V6 && ret == -ENOENT)
		return 0;
	return ret;
}

static int settle_wan(struct pcc_session *s, const struct pcc_config *old, struct pcc_wan_cfg *wan,
	const struct pcc_observed *now, struct pcc_err *err)
{
	const struct pcc_link *link = link_named(now, wan->name);
	const struct pcc_wan_cfg *was = old ? pcc_config_find_wan_const(old, wan->name) : NULL;
	int ret = 0;

	if (!link && !was)
		return unknown_interface(wan->name, err);
	wan->ifindex = link ? link->ifindex : was->ifindex;
	wan->l3 = link && !pcc_link_is_ethernet(link);
	if (wan->gw[PCC_V4].source == PCC_GW_NONE && wan->gw[PCC_V6].source == PCC_GW_NONE)
		wan->gw[PCC_V4].source = wan->gw[PCC_V6].source = PCC_GW_AUTO;
	wan->accept_local = nobody_validates(wan->name);
	if (link)
		memcpy(wan->mac, link->mac, sizeof(wan->mac));
	if (!link) { /* unplugged: everything but the link stays as it was */
		for (int f = 0; f < PCC_FAMILIES; f++)
			if (wan->gw[f].source == PCC_GW_AUTO)
				wan->gw[f] = was->gw[f];
		return 0;
	}
	if (link->flags & IFF_LOOPBACK) {
		pcc_err_set(err, -EINVAL, "WAN", "'%s' is the loopback interface", wan->name);
		return pcc_err_hint(err, -EINVAL, "name an interface that leads to an ISP");
	}
	ret = check_vrf(link, now, err);
	for (int f = 0; !ret && f < PCC_FAMILIES; f++) {
		if (wan->gw[f].source == PCC_GW_GIVEN)
			ret = check_given(wan, f, now, err);
		else if (f == PCC_V4 && wan->gw[PCC_V6].source == PCC_GW_GIVEN &&
			 settle_gateway(s, link, wan, f, was, NULL))
			wan->gw[f].source = PCC_GW_NONE; /* an IPv6-only WAN, as the user said */
		else
			ret = settle_gateway(s, link, wan, f, was, err);
	}
	if (ret)
		return ret;
	if (pcc_wan_serves(wan, PCC_V4) || pcc_wan_serves(wan, PCC_V6))
		return 0;
	pcc_err_set(err, -ENOENT, wan->name, "no gateway was found");
	return pcc_err_hint(err, -ENOENT, "write %s@GATEWAY", wan->name);
}

/* What stands in the numbering of tables, rules and marks cannot change under a running data plane.
 */
static int check_fixed(
	const struct pcc_config *cfg, const struct pcc_config *old, struct pcc_err *err)
{
	const char *what = NULL;

	if (cfg->mark_mask != old->mark_mask)
		what = "--mark-mask";
	else if (cfg->table_base != old->table_base)
		what = "--table-base";
	else if (cfg->rule_pref != old->rule_pref)
		what = "--rule-pref";
	if (!what)
		return 0;
	pcc_err_set(err, -EINVAL, what, "cannot change while attached");
	return pcc_err_hint(err, -EINVAL, "pccbpf detach, then attach");
}

/* conntrack's timeout of established TCP; 0 where it does not say. */
static uint32_t tcp_timeout_ms(void)
{
	long seconds;

	if (pcc_sysctl_read_int(
		    "net/netfilter/nf_conntrack_tcp_timeout_established", &seconds, NULL) ||
		seconds < 1)
		return 0;
	return seconds > UINT32_MAX / 1000 ? UINT32_MAX : (uint32_t)seconds * 1000;
}

static int settle_numbers(struct pcc_config *cfg, const struct pcc_config *old, struct pcc_err *err)
{
	int ret;

	for (uint32_t i = 0; i < cfg->nwans; i++)
		cfg->wans[i].order = i;
	cfg->tcp_timeout_ms = tcp_timeout_ms();
	ret = pcc_config_assign_ids(cfg, old);
	if (ret)
		return pcc_config_validate(cfg, err) ?: ret;
	if (!cfg->seed_given && old)
		cfg->seed = old->seed;
	else if (!cfg->seed_given && getrandom(&cfg->seed, sizeof(cfg->seed), 0) < 0)
		return pcc_err_set(err, -errno, "seed", "%s", strerror(errno));
	if (!cfg->max_conns && old)
		cfg->max_conns = old->max_conns;
	if (!cfg->max_conns && (pcc_ct_max(&cfg->max_conns, NULL) || !cfg->max_conns))
		cfg->max_conns = DEFAULT_MAX_CONNS;
	return old ? check_fixed(cfg, old, err) : 0;
}

static void warn_forwarding(pcc_warn_fn warn)
{
	static const char *const paths[] = {"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"};
	struct pcc_err w = {};
	long on;

	for (int f = 0; f < PCC_FAMILIES; f++) {
		if (pcc_sysctl_read_int(paths[f], &on, NULL) || on)
			continue;
		pcc_err_set(&w, 0, paths[f], "is 0: the router forwards nothing");
		pcc_err_hint(&w, 0, "sysctl -w %s=1", paths[f]);
		warn(&w);
	}
}

/* The ports of a LAN bridge, which run XDP in its stead. */
static void settle_ports(
	struct pcc_config *cfg, uint32_t bridge_ifindex, const struct pcc_observed *now)
{
	for (size_t i = 0; i < now->links.n && cfg->nports < PCC_MAX_PORTS; i++) {
		const struct pcc_link *link = &now->links.v[i];
		struct pcc_port_cfg *port = &cfg->ports[cfg->nports];
		struct pcc_wire_out wire;

		if (link->master_ifindex != bridge_ifindex || !pcc_link_is_ethernet(link))
			continue;
		memset(port, 0, sizeof(*port));
		memcpy(port->name, link->name, sizeof(port->name));
		port->ifindex = link->ifindex;
		port->bridge_ifindex = bridge_ifindex;
		cfg->nports++;
		if (!pcc_wire_of(&now->links, link, &wire, NULL))
			pcc_config_wire_add(cfg, link->ifindex, &wire);
	}
}

/*
 * Where the fast path of an interface runs. With auto it takes nothing from where somebody else's
 * program or filter would then not see it: a shaper of downloads (ifb), a policer.
 */
static void settle_fast_iface(struct pcc_session *s, struct pcc_config *cfg,
	const struct pcc_observed *now, uint32_t ifindex, bool *xdp, bool *no_fast)
{
	const struct pcc_link *link = link_numbered(now, ifindex);
	bool on = link && cfg->fastpath != PCC_FP_OFF && !s->dp.no_ct;
	char why[PCC_XDP_WHY], what[PCC_OTHERS_TEXT];
	struct pcc_wire_out wire;

	*no_fast = on && cfg->fastpath == PCC_FP_AUTO &&
		   pcc_hook_others(&s->dp, link->ifindex, PCC_HOOK_IN, PCC_OTHERS_BEHIND, what);
	*xdp = on && pcc_xdp_wanted(&s->dp, &now->links, link, cfg->fastpath, &wire, why);
	cfg->xdp = cfg->xdp || *xdp;
	if (*xdp)
		pcc_config_wire_add(cfg, ifindex, &wire);
}

static void settle_fastpath(
	struct pcc_session *s, struct pcc_config *cfg, const struct pcc_observed *now)
{
	cfg->nports = 0;
	cfg->nwires = 0;
	cfg->xdp = false;
	for (uint32_t i = 0; i < cfg->nlans; i++) {
		struct pcc_lan_cfg *lan = &cfg->lans[i];
		const struct pcc_link *link = link_numbered(now, lan->ifindex);

		settle_fast_iface(s, cfg, now, lan->ifindex, &lan->xdp, &lan->no_fast);
		if (lan->xdp && !strcmp(link->kind, "bridge"))
			settle_ports(cfg, link->ifindex, now);
	}
	for (uint32_t i = 0; i < cfg->nwans; i++) {
		struct pcc_wan_cfg *wan = &cfg->wans[i];

		settle_fast_iface(s, cfg, now, wan->ifindex, &wan->xdp, &wan->no_fast);
	}
}

/* A WAN that cannot be settled: no interface, no gateway, or a wrong one. */
static void leave_open(struct pcc_wan_cfg *wan)
{
	for (int f = 0; f < PCC_FAMILIES; f++)
		if (wan->gw[f].source == PCC_GW_AUTO)
			wan->gw[f].source = PCC_GW_NONE;
}

static int settle_lans(const struct pcc_config *old, struct pcc_config *cfg,
	const struct pcc_observed *now, bool may_be_missing, struct pcc_err *err)
{
	int ret = 0;

	for (uint32_t i = 0; !ret && i < cfg->nlans; i++) {
		ret = settle_lan(old, &cfg->lans[i], now, err);
		/* What is missing may come; what runs goes on. */
		if (ret && may_be_missing && (old || ret != -EOPNOTSUPP))
			ret = 0;
	}
	return ret;
}

/* For the daemon: whatever is wrong with a WAN is its own trouble. */
static void settle_wans_that_can(struct pcc_session *s, const struct pcc_config *old,
	struct pcc_config *cfg, const struct pcc_observed *now, struct pcc_err *trouble)
{
	for (uint32_t i = 0; i < cfg->nwans; i++) {
		if (settle_wan(s, old, &cfg->wans[i], now, &trouble[i]))
			leave_open(&cfg->wans[i]);
		else /* no IPv6 is fine, but somebody may have said so */
			memset(&trouble[i], 0, sizeof(trouble[i]));
	}
}

/*
 * For a command: a gateway that is not known yet is no mistake. The WAN does without connections,
 * as long as there are others; one that the command is about must have its gateway. waits has room
 * for what is to be said of each.
 */
static int settle_wans(struct pcc_session *s, const struct pcc_config *old, struct pcc_config *cfg,
	const struct pcc_observed *now, const struct pcc_apply_opts *opts, struct pcc_err *waits,
	struct pcc_err *err)
{
	uint32_t nwaits = 0;

	for (uint32_t i = 0; i < cfg->nwans; i++) {
		struct pcc_wan_cfg *wan = &cfg->wans[i];
		bool known = old && pcc_config_find_wan_const(old, wan->name);
		struct pcc_err *why = &waits[nwaits];
		int ret;

		memset(why, 0, sizeof(*why));
		ret = settle_wan(s, old, wan, now, why);
		if (ret == -ENOENT && (opts->attach || known)) {
			leave_open(wan);
			nwaits++;
			continue;
		}
		if (ret && err)
			*err = *why;
		if (ret)
			return ret;
	}
	if (!opts->attach)
		return 0;
	if (nwaits == cfg->nwans) {
		if (err)
			*err = waits[0];
		return -ENOENT;
	}
	for (uint32_t i = 0; opts->warn && i < nwaits; i++)
		opts->warn(&waits[i]);
	return 0;
}

static int settle_all_wans(struct pcc_session *s, const struct pcc_config *old,
	struct pcc_config *cfg, const struct pcc_observed *now, const struct pcc_apply_opts *opts,
	struct pcc_err *err)
{
	struct pcc_err *waits = calloc(PCC_MAX_WANS + 1, sizeof(*waits));
	int ret = -ENOMEM;

	if (waits)
		ret = settle_wans(s, old, cfg, now, opts, waits, err);
	free(waits);
	return ret;
}

int pcc_settle(struct pcc_session *s, struct pcc_config *cfg, const struct pcc_observed *now,
	struct pcc_err *trouble, const struct pcc_apply_opts *opts, struct pcc_err *err)
{
	const struct pcc_config *old = s->state == PCC_DP_ATTACHED ? &s->cfg : NULL;
	int ret;

	ret = pcc_config_validate(cfg, err);
	if (!ret)
		ret = settle_numbers(cfg, old, err);
	if (!ret)
		ret = pcc_config_validate(cfg, err);
	if (!ret)
		ret = settle_lans(old, cfg, now, trouble, err);
	if (!ret && trouble)
		settle_wans_that_can(s, old, cfg, now, trouble);
	else if (!ret)
		ret = settle_all_wans(s, old, cfg, now, opts, err);
	if (!ret)
		settle_fastpath(s, cfg, now);
	if (!ret && !old && opts->warn)
		warn_forwarding(opts->warn);
	return ret;
}

/* Is the WAN of no use as it has no link? Then that is told. */
static bool warn_link(
	const struct pcc_wan_cfg *wan, const struct pcc_observed *now, pcc_warn_fn warn)
{
	const struct pcc_link *link = link_numbered(now, wan->ifindex);
	struct pcc_err w = {};

	if (!link || (link->flags & (IFF_UP | IFF_LOWER_UP)) == (IFF_UP | IFF_LOWER_UP))
		return false;
	if (link->flags & IFF_UP) {
		pcc_err_set(&w, 0, wan->name, "it has no carrier");
		pcc_err_hint(&w, 0, "connections go over the other WANs until it has");
	} else {
		pcc_err_set(&w, 0, wan->name, "it is down, and takes no connections");
		pcc_err_hint(&w, 0,
			"ip link set %s up, then pccbpf wan set %s --state up; the daemon does the "
			"second by itself",
			wan->name, wan->name);
	}
	warn(&w);
	return true;
}

static void warn_gateway(struct pcc_session *s, const struct pcc_wan_cfg *wan, enum pcc_family f,
	const struct pcc_wan_cfg *was, pcc_warn_fn warn)
{
	char text[INET6_ADDRSTRLEN];
	struct pcc_err w = {};

	if (wan->l3 || (wan->gw[f].source != PCC_GW_GIVEN && wan->gw[f].source != PCC_GW_FOUND))
		return;
	if (was && !memcmp(&was->gw[f].addr, &wan->gw[f].addr, f == PCC_V4 ? 4 : 16))
		return;
	if (pcc_neigh_probe(&s->nl, wan->ifindex, pcc_af[f], (const union pcc_ip *)&wan->gw[f].addr,
		    PROBE_MS) != -EHOSTUNREACH)
		return;
	gateway_text(&wan->gw[f], f, text);
	pcc_err_set(&w, 0, wan->name, "the gateway %s does not answer", text);
	pcc_err_hint(&w, 0,
		"connections sent there fail until it does; check cable and address, or pccbpf wan "
		"set %s --state down",
		wan->name);
	warn(&w);
}

void pcc_warn_wans(struct pcc_session *s, const struct pcc_config *cfg,
	const struct pcc_config *old, const struct pcc_observed *now, pcc_warn_fn warn)
{
	for (uint32_t i = 0; warn && i < cfg->nwans; i++) {
		const struct pcc_wan_cfg *wan = &cfg->wans[i], *was;

		was = old ? pcc_config_find_wan_const(old, wan->name) : NULL;
		if (!was && warn_link(wan, now, warn))
			continue;
		for (int f = 0; f < PCC_FAMILIES; f++)
			warn_gateway(s, wan, f, was, warn);
	}
}

/* --- observing ----------------------------------------------------------------------------- */

static int keep_ours(struct pcc_route_list *to, const struct pcc_route_list *from, uint32_t base)
{
	for (size_t i = 0; i < from->n; i++) {
		const struct pcc_route *r = &from->v[i];
		struct pcc_route *grown;

		if (r->protocol != PCC_RTPROT || r->table <= base ||
			r->table > PCC_PROBE_TABLE(base))
			continue;
		grown = reallocarray(to->v, to->n + 1, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		to->v = grown;
		to->v[to->n++] = *r;
		to->room = to->n;
	}
	return 0;
}

/* Our routes of one family: the tables that can have any. */
static int observe_routes(struct pcc_session *s, const struct pcc_config *cfg, int family,
	struct pcc_observed *now, struct pcc_err *err)
{
	struct pcc_route_list all = {};
	int ret = 0;

	for (uint32_t id = 1; !ret && id <= PCC_MAX_WANS + 1; id++) {
		ret = pcc_route_dump(&s->nl, family, cfg->table_base + id, &all, err);
		if (!ret)
			ret = keep_ours(&now->routes, &all, cfg->table_base);
	}
	pcc_route_list_free(&all);
	return ret;
}

static int observe_rules(struct pcc_session *s, const struct pcc_config *cfg, int family,
	struct pcc_observed *now, struct pcc_err *err)
{
	struct pcc_rule_list all = {};
	int ret = pcc_rule_dump(&s->nl, family, &all, err);

	for (size_t i = 0; !ret && i < all.n; i++) {
		const struct pcc_rule *r = &all.v[i];
		struct pcc_rule *grown;

		if (r->other || r->protocol != PCC_RTPROT || r->pref < cfg->rule_pref ||
			r->pref > cfg->rule_pref + 200)
			continue;
		grown = reallocarray(now->rules.v, now->rules.n + 1, sizeof(*grown));
		if (!grown) {
			ret = -ENOMEM;
			break;
		}
		now->rules.v = grown;
		now->rules.v[now->rules.n++] = *r;
		now->rules.room = now->rules.n;
	}
	pcc_rule_list_free(&all);
	return ret;
}

int pcc_observe_network(struct pcc_session *s, const struct pcc_config *cfg,
	struct pcc_observed *now, struct pcc_err *err)
{
	int ret;

	now->has_v6 = pcc_has_v6();
	ret = pcc_link_dump(&s->nl, &now->links, err);
	if (!ret)
		ret = pcc_ifaddr_dump(&s->nl, AF_UNSPEC, 0, &now->addrs, err);
	for (int f = 0; !ret && f < (now->has_v6 ? 2 : 1); f++) {
		ret = observe_routes(s, cfg, pcc_af[f], now, err);
		if (!ret)
			ret = observe_rules(s, cfg, pcc_af[f], now, err);
	}
	return ret;
}

static int observe_sysctls(
	struct pcc_session *s, const struct pcc_config *cfg, struct pcc_observed *now)
{
	struct pcc_sysctl_now *want;
	char path[PCC_SYSCTL_KEY_BYTES] = "";
	size_t n;
	int ret;

	ret = pcc_plan_sysctls(cfg, now->has_v6, &want, &n);
	if (ret)
		return ret;
	now->sysctls = want;
	for (size_t i = 0; i < n; i++) {
		if (pcc_sysctl_read(want[i].path, want[i].value, sizeof(want[i].value), NULL))
			continue; /* this kernel has none of it */
		now->sysctls[now->nsysctls++] = want[i];
	}
	while (s->state == PCC_DP_ATTACHED && !pcc_dp_sysctl_next(&s->dp, path, path)) {
		struct pcc_sysctl_now *grown;

		grown = reallocarray(now->remembered, now->nremembered + 1, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		now->remembered = grown;
		memset(&grown[now->nremembered], 0, sizeof(*grown));
		snprintf(grown[now->nremembered].path, sizeof(grown->path), "%s", path);
		pcc_sysctl_read(path, grown[now->nremembered].now, sizeof(grown->now), NULL);
		pcc_dp_sysctl_old(&s->dp, path, grown[now->nremembered++].value);
	}
	return 0;
}

static int hook_add(struct pcc_session *s, struct pcc_observed *now, uint32_t ifindex,
	enum pcc_hook_dir dir, enum pcc_prog prog)
{
	struct bpf_prog_info info = {};
	uint32_t len = sizeof(info), id = 0;
	enum pcc_hook_kind kind = pcc_hook_find(&s->dp, ifindex, dir, &id);
	struct pcc_hook_now *grown;

	for (size_t i = 0; i < now->nhooks; i++)
		if (now->hooks[i].ifindex == ifindex && now->hooks[i].dir == dir)
			return 0;
	if (kind == PCC_HOOK_NONE)
		return 0;
	grown = reallocarray(now->hooks, now->nhooks + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	now->hooks = grown;
	grown[now->nhooks].ifindex = ifindex;
	grown[now->nhooks].dir = dir;
	grown[now->nhooks].current = prog < PCC_PROG_MAX && s->dp.prog_fd[prog] >= 0 &&
				     !bpf_obj_get_info_by_fd(s->dp.prog_fd[prog], &info, &len) &&
				     info.id == id && (kind == PCC_HOOK_CLSACT) == s->dp.no_tcx;
	now->nhooks++;
	return 0;
}

static int observe_hooks(
	struct pcc_session *s, const struct pcc_config *cfg, struct pcc_observed *now)
{
	const struct pcc_config *old = s->state == PCC_DP_ATTACHED ? &s->cfg : NULL;
	int ret = 0;

	for (uint32_t i = 0; !ret && i < cfg->nlans; i++) {
		ret = hook_add(s, now, cfg->lans[i].ifindex, PCC_HOOK_IN, PCC_PROG_LAN_IN);
		if (!ret)
			ret = hook_add(
				s, now, cfg->lans[i].ifindex, PCC_HOOK_OUT, PCC_PROG_LAN_OUT);
	}
	for (uint32_t i = 0; !ret && i < cfg->nwans; i++) {
		ret = hook_add(s, now, cfg->wans[i].ifindex, PCC_HOOK_IN, PCC_PROG_WAN_IN);
		if (!ret)
			ret = hook_add(
				s, now, cfg->wans[i].ifindex, PCC_HOOK_OUT, PCC_PROG_WAN_OUT);
	}
	for (uint32_t i = 0; !ret && i < cfg->nports; i++)
		ret = hook_add(s, now, cfg->ports[i].ifindex, PCC_HOOK_OUT, PCC_PROG_PORT_OUT);
	for (size_t i = 0; old && !ret && i < now->links.n; i++)
		if (now->links.v[i].master_ifindex)
			ret = hook_add(s, now, now->links.v[i].ifindex, PCC_HOOK_OUT, PCC_PROG_MAX);
	/* Those of interfaces that cfg does not have any more. */
	for (uint32_t i = 0; old && !ret && i < old->nlans + old->nwans; i++) {
		uint32_t ifindex =
			i < old->nlans ? old->lans[i].ifindex : old->wans[i - old->nlans].ifindex;

		ret = hook_add(s, now, ifindex, PCC_HOOK_IN, PCC_PROG_MAX);
		if (!ret)
			ret = hook_add(s, now, ifindex, PCC_HOOK_OUT, PCC_PROG_MAX);
	}
	return ret;
}

/* Which interfaces have our XDP program, and the right one. After a load of the programs it is
 * another build's. */
static int observe_xdp(
	struct pcc_session *s, const struct pcc_config *cfg, struct pcc_observed *now)
{
	struct pcc_xdp_now *x;

	if (s->state != PCC_DP_ATTACHED)
		return 0;
	now->xdps = calloc(now->links.n + 1, sizeof(*now->xdps));
	if (!now->xdps)
		return -ENOMEM;
	for (size_t i = 0; i < now->links.n; i++) {
		if (!pcc_xdp_present(now->links.v[i].ifindex))
			continue;
		x = &now->xdps[now->nxdps++];
		x->ifindex = now->links.v[i].ifindex;
		x->current = !s->dp.loaded && pcc_xdp_knows_wires(x->ifindex) == !!cfg->nwires;
		x->sends_right = pcc_xdp_sends_right(&s->dp, x->ifindex, now->links.v[i].name);
	}
	return 0;
}

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

int pcc_observe_rest(struct pcc_session *s, const struct pcc_config *cfg, struct pcc_observed *now,
	const struct pcc_dp_local *locals, uint32_t nlocals, struct pcc_err *err)
{
	bool attached = s->state == PCC_DP_ATTACHED;
	struct pcc_nat_cfg nat;
	int ret;

	ret = observe_sysctls(s, cfg, now);
	if (!ret)
		ret = observe_hooks(s, cfg, now);
	if (!ret)
		ret = observe_xdp(s, cfg, now);
	now->nexthops_possible = pcc_nexthop_possible();
	now->nexthops_watched = attached && !s->dp.loaded && pcc_nexthop_watched(&s->dp);
	if (ret)
		return pcc_err_set(err, ret, "router", "cannot be read: %s", strerror(-ret));
	now->own = attached && pcc_own_present(&s->dp);
	now->own_current = now->own && !s->dp.loaded;
	pcc_plan_nat(cfg, NULL, s->dp.no_ct, &nat);
	ret = pcc_nat_matches(&nat, err);
	if (ret < 0)
		return ret;
	now->nat_matches = ret;
	now->maps_match = attached && config_equal(cfg, &s->cfg) &&
			  pcc_dp_flags_match(&s->dp, cfg) && locals_match(s, locals, nlocals);
	return 0;
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
