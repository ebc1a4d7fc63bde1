// SPDX-License-Identifier: GPL-2.0-only
#include "engine/settle.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/address.h"
#include "kernel/conntrack.h"
#include "kernel/gateway.h"
#include "kernel/wire.h"
#include "pins/xdp.h"

#define PROBE_MS 1000
#define DEFAULT_MAX_CONNS 262144u

static int unknown_interface(const char *name, struct pcc_err *err)
{
	pcc_err_set(err, -ENODEV, "interface", "'%s' does not exist", name);
	return pcc_err_hint(err, -ENODEV, "`ip link` lists the interfaces");
}

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
	const struct pcc_link *master = pcc_observed_link(now, link->master_ifindex);

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
	const struct pcc_link *link = pcc_observed_link_named(now, lan->name);
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
	const struct pcc_link *link = pcc_observed_link_named(now, wan->name);
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
	const struct pcc_link *link = pcc_observed_link(now, ifindex);
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
		const struct pcc_link *link = pcc_observed_link(now, lan->ifindex);

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
	const struct pcc_link *link = pcc_observed_link(now, wan->ifindex);
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
