// SPDX-License-Identifier: GPL-2.0-only
/* The plan's steps for sysctls. Pure. */
#include "engine/plan_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/array.h"
#include "base/list.h"

/*
 * Stays set until detach, even if the fast path is switched off; otherwise conntrack would regard
 * the connections that the fast path had as invalid.
 */
static const char liberal_sysctl[] = "net/netfilter/nf_conntrack_tcp_be_liberal";

/* Sysctls of the network namespace. */
static const struct {
	const char *path, *value;
	bool fastpath; /* only if there is a fast path */
} global_sysctls[] = {
	/*
	 * A socket accepted from a marked SYN answers with that mark, so by the WAN of the request.
	 */
	{"net/ipv4/tcp_fwmark_accept", "1", false},
	/* The same for echo replies, RSTs and ICMP errors of the router. */
	{"net/ipv4/fwmark_reflect", "1", false},
	{"net/ipv6/fwmark_reflect", "1", false},
	/*
	 * NAT also translates a reset with an old sequence number, as sent after its WAN went down.
	 */
	{"net/netfilter/nf_conntrack_tcp_ignore_invalid_rst", "1", false},
	/*
	 * Of an offloaded connection conntrack sees one packet in two seconds, so it cannot check
	 * windows.
	 */
	{liberal_sysctl, "1", true},
};

/* Sysctls of each WAN. */
static const struct {
	int family;
	const char *name, *value;
} wan_sysctls[] = {
	/* Reverse path filtering uses the table of the mark, so strict filtering can stay on. */
	{AF_INET, "src_valid_mark", "1"},
	/* A WAN without carrier has no route, so new connections use another WAN at once. */
	{AF_INET, "ignore_routes_with_linkdown", "1"},
	{AF_INET6, "ignore_routes_with_linkdown", "1"},
};

static int want_global(struct pcc_sysctl_list *list, const char *path, const char *value)
{
	struct pcc_sysctl_now want = {};

	snprintf(want.path, sizeof(want.path), "%s", path);
	snprintf(want.value, sizeof(want.value), "%s", value);
	return PCC_LIST_APPEND(list, &want);
}

/* Adds a sysctl of an interface; want says who needs it. */
static int want_iface(struct pcc_sysctl_list *list, int family, const char *ifname,
	const char *name, const char *value, struct pcc_sysctl_now want)
{
	if (pcc_sysctl_if_key(want.path, sizeof(want.path), family, "conf", ifname, name))
		return 0;
	snprintf(want.value, sizeof(want.value), "%s", value);
	return PCC_LIST_APPEND(list, &want);
}

/*
 * Adds accept_local of an interface where nothing else validates sources. It only saves a look-up
 * of the source of every packet. A WAN that cannot have it is not worse off, so the step has no
 * families.
 */
static int want_accept_local(
	struct pcc_sysctl_list *list, const char *ifname, struct pcc_sysctl_now want)
{
	return want_iface(list, AF_INET, ifname, "accept_local", "1", want);
}

int pcc_plan_sysctls(const struct pcc_config *cfg, bool has_v6, struct pcc_sysctl_list *list)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < COUNT(global_sysctls); i++)
		if ((has_v6 || !strstr(global_sysctls[i].path, "ipv6")) &&
			(cfg->fastpath != PCC_FP_OFF || !global_sysctls[i].fastpath))
			ret = want_global(list, global_sysctls[i].path, global_sysctls[i].value);
	for (uint32_t w = 0; !ret && w < cfg->nwans; w++) {
		struct pcc_sysctl_now want = {
			.wan_id = cfg->wans[w].id, .families = PCC_BOTH_FAMILIES};

		for (size_t i = 0; !ret && i < COUNT(wan_sysctls); i++)
			if (has_v6 || wan_sysctls[i].family != AF_INET6)
				ret = want_iface(list, wan_sysctls[i].family, cfg->wans[w].name,
					wan_sysctls[i].name, wan_sysctls[i].value, want);
	}
	for (uint32_t w = 0; !ret && w < cfg->nwans; w++)
		if (cfg->wans[w].accept_local)
			ret = want_accept_local(list, cfg->wans[w].name,
				(struct pcc_sysctl_now){.wan_id = cfg->wans[w].id});
	for (uint32_t l = 0; !ret && l < cfg->nlans; l++)
		if (cfg->lans[l].accept_local)
			ret = want_accept_local(list, cfg->lans[l].name,
				(struct pcc_sysctl_now){.lan_ifindex = cfg->lans[l].ifindex});
	if (ret)
		PCC_LIST_FREE(list);
	return ret;
}

static const struct pcc_sysctl_now *find_sysctl(
	const struct pcc_sysctl_list *list, const char *path)
{
	for (size_t i = 0; i < list->n; i++)
		if (!strcmp(list->v[i].path, path))
			return &list->v[i];
	return NULL;
}

/* Adds a step with the path, the value to write, and the present value. */
static struct pcc_step *step_sysctl(struct pcc_plan *plan, enum pcc_step_kind kind,
	const struct pcc_sysctl_now *to, const char *is)
{
	struct pcc_step *step = pcc_plan_add(plan, kind);

	if (!step)
		return NULL;
	memcpy(step->sysctl.path, to->path, sizeof(step->sysctl.path));
	memcpy(step->sysctl.value, to->value, sizeof(step->sysctl.value));
	memcpy(step->sysctl.old, is, sizeof(step->sysctl.old));
	return step;
}

int pcc_plan_add_sysctls(
	struct pcc_plan *plan, const struct pcc_config *cfg, const struct pcc_observed *now)
{
	struct pcc_sysctl_list want = {};
	int ret = pcc_plan_sysctls(cfg, now->has_v6, &want);

	for (size_t i = 0; !ret && i < want.n; i++) {
		const struct pcc_sysctl_now *is = find_sysctl(&now->sysctls, want.v[i].path);
		struct pcc_step *step;

		if (!is || !strcmp(is->value, want.v[i].value))
			continue;
		step = step_sysctl(plan, PCC_STEP_SYSCTL, &want.v[i], is->value);
		if (!step) {
			ret = -ENOMEM;
			break;
		}
		step->wan_id = want.v[i].wan_id;
		step->lan_ifindex = want.v[i].lan_ifindex;
		step->families = want.v[i].families;
	}
	PCC_LIST_FREE(&want);
	return ret;
}

/* Sysctls that were changed before and are no longer wanted. */
int pcc_plan_add_sysctls_back(
	struct pcc_plan *plan, const struct pcc_config *cfg, const struct pcc_observed *now)
{
	struct pcc_sysctl_list want = {};
	int ret = pcc_plan_sysctls(cfg, now->has_v6, &want);

	for (size_t i = 0; !ret && i < now->remembered.n; i++) {
		const struct pcc_sysctl_now *was = &now->remembered.v[i];

		if (find_sysctl(&want, was->path) || !strcmp(was->path, liberal_sysctl))
			continue;
		if (!step_sysctl(plan, PCC_STEP_SYSCTL_BACK, was, was->now))
			ret = -ENOMEM;
	}
	PCC_LIST_FREE(&want);
	return ret;
}
