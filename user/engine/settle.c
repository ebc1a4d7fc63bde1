// SPDX-License-Identifier: GPL-2.0-only
/* Settles what a configuration leaves open: numbers, interfaces, gateways, fast path. */
#include "engine/settle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "engine/settle_iface.h"
#include "kernel/conntrack.h"
#include "kernel/wire.h"
#include "pins/xdp.h"

#define DEFAULT_MAX_CONNS 262144u

/* Refuses changes to the numbering of tables, rules and marks while attached. */
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

/* Returns conntrack's timeout for established TCP connections; 0 if it is not known. */
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

/* Lists the ports of a LAN bridge. They run XDP in place of the bridge. */
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
 * Decides where the fast path of an interface runs. With `auto` it takes no packets on an interface
 * where somebody else's program or filter would then not see them: a shaper of downloads (ifb), a
 * policer.
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

/*
 * Is the link a bridge, or on top of one? With br_netfilter, conntrack sees the packets of such a
 * link before our programs do.
 */
static bool is_bridged(const struct pcc_observed *now, const struct pcc_link *link)
{
	const struct pcc_link *below =
		link && !link->lower_elsewhere ? pcc_observed_link(now, link->lower_ifindex) : NULL;

	return link && (!strcmp(link->kind, "bridge") || (below && !strcmp(below->kind, "bridge")));
}

static void settle_fastpath(
	struct pcc_session *s, struct pcc_config *cfg, const struct pcc_observed *now)
{
	cfg->nports = 0;
	cfg->nwires = 0;
	cfg->xdp = false;
	cfg->bridged = false;
	for (uint32_t i = 0; i < cfg->nlans; i++) {
		struct pcc_lan_cfg *lan = &cfg->lans[i];
		const struct pcc_link *link = pcc_observed_link(now, lan->ifindex);

		cfg->bridged = cfg->bridged || is_bridged(now, link);
		settle_fast_iface(s, cfg, now, lan->ifindex, &lan->xdp, &lan->no_fast);
		if (lan->xdp && !strcmp(link->kind, "bridge"))
			settle_ports(cfg, link->ifindex, now);
	}
	for (uint32_t i = 0; i < cfg->nwans; i++) {
		struct pcc_wan_cfg *wan = &cfg->wans[i];

		settle_fast_iface(s, cfg, now, wan->ifindex, &wan->xdp, &wan->no_fast);
	}
}

/*
 * Leaves a WAN without gateways that cannot be settled: its interface or gateway is missing or
 * wrong.
 */
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
		ret = pcc_settle_lan(old, &cfg->lans[i], now, err);
		/* A missing WAN may still appear, and what runs goes on. */
		if (ret && may_be_missing && (old || ret != -EOPNOTSUPP))
			ret = 0;
	}
	return ret;
}

/* For the daemon: an error of one WAN does not affect the others. */
static void settle_wans_that_can(struct pcc_session *s, const struct pcc_config *old,
	struct pcc_config *cfg, const struct pcc_observed *now, struct pcc_err *trouble)
{
	for (uint32_t i = 0; i < cfg->nwans; i++) {
		if (pcc_settle_wan(s, old, &cfg->wans[i], now, &trouble[i]))
			leave_open(&cfg->wans[i]);
		else /* a missing IPv6 gateway is no error, but it may have a message */
			memset(&trouble[i], 0, sizeof(trouble[i]));
	}
}

/*
 * For a command: a gateway that is not known yet is only a warning as long as other WANs have one;
 * this WAN gets no connections. A WAN that the command is about must have its gateway. waits has
 * room for the warning of each WAN.
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
		ret = pcc_settle_wan(s, old, wan, now, why);
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
