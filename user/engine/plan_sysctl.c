// SPDX-License-Identifier: GPL-2.0-only
#include "engine/plan_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/array.h"

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

/* Adds "accept_local" of an interface where nothing else validates sources. It only spares every
 * packet a look-up of its source: who cannot have it is without nothing. */
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
			v[*n].families = PCC_BOTH_FAMILIES;
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

int pcc_plan_add_sysctls(
	struct pcc_plan *plan, const struct pcc_config *cfg, const struct pcc_observed *now)
{
	const struct pcc_sysctl_now *is;
	struct pcc_sysctl_now *want;
	struct pcc_step *step;
	size_t n;
	int ret;

	ret = pcc_plan_sysctls(cfg, now->has_v6, &want, &n);
	for (size_t i = 0; !ret && i < n; i++) {
		is = find_sysctl(now->sysctls, now->nsysctls, want[i].path);
		if (!is || !strcmp(is->value, want[i].value))
			continue;
		step = pcc_plan_add(plan, PCC_STEP_SYSCTL);
		if (!step) {
			ret = -ENOMEM;
			break;
		}
		memcpy(step->sysctl.path, want[i].path, sizeof(step->sysctl.path));
		memcpy(step->sysctl.value, want[i].value, sizeof(step->sysctl.value));
		memcpy(step->sysctl.old, is->value, sizeof(step->sysctl.old));
		step->wan_id = want[i].wan_id;
		step->lan_ifindex = want[i].lan_ifindex;
		step->families = want[i].families;
	}
	free(want);
	return ret;
}

/* Sysctls that were changed once and are not wanted any more. */
int pcc_plan_add_sysctls_back(
	struct pcc_plan *plan, const struct pcc_config *cfg, const struct pcc_observed *now)
{
	struct pcc_sysctl_now *want;
	struct pcc_step *step;
	size_t n;
	int ret;

	ret = pcc_plan_sysctls(cfg, now->has_v6, &want, &n);
	for (size_t i = 0; !ret && i < now->nremembered; i++) {
		if (find_sysctl(want, n, now->remembered[i].path) ||
			!strcmp(now->remembered[i].path, liberal_sysctl))
			continue;
		step = pcc_plan_add(plan, PCC_STEP_SYSCTL_BACK);
		if (!step) {
			ret = -ENOMEM;
			break;
		}
		memcpy(step->sysctl.path, now->remembered[i].path, sizeof(step->sysctl.path));
		memcpy(step->sysctl.value, now->remembered[i].value, sizeof(step->sysctl.value));
		memcpy(step->sysctl.old, now->remembered[i].now, sizeof(step->sysctl.old));
	}
	free(want);
	return ret;
}
