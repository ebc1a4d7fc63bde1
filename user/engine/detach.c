// SPDX-License-Identifier: GPL-2.0-only
/* Undoes everything that pccbpf did, also what an interrupted command left. */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/list.h"
#include "engine/apply.h"
#include "kernel/conntrack.h"
#include "kernel/nat.h"
#include "pins/nexthop.h"
#include "engine/observe.h"
#include "engine/step_table.h"
#include "pins/xdp.h"

/* What is to be undone, in the order in which it is done. */
struct remains {
	struct pcc_link_list links;
	struct pcc_route_list routes;
	struct pcc_rule_list rules;
	bool nat;
};

static void remains_free(struct remains *r)
{
	pcc_link_list_free(&r->links);
	pcc_route_list_free(&r->routes);
	pcc_rule_list_free(&r->rules);
}

/* Finds all routes and rules with our protocol number, in every table and both families. */
static int remains_find(struct pcc_session *s, struct remains *r, struct pcc_err *err)
{
	int ret;

	memset(r, 0, sizeof(*r));
	ret = pcc_link_dump(&s->nl, &r->links, err);
	for (int f = 0; !ret && f < (pcc_has_v6() ? 2 : 1); f++) {
		struct pcc_route_list routes = {};
		struct pcc_rule_list rules = {};

		ret = pcc_route_dump(&s->nl, pcc_af[f], 0, &routes, err);
		if (!ret)
			ret = pcc_rule_dump(&s->nl, pcc_af[f], &rules, err);
		for (size_t i = 0; !ret && i < routes.n; i++)
			if (routes.v[i].protocol == PCC_RTPROT)
				ret = PCC_LIST_APPEND(&r->routes, &routes.v[i]);
		for (size_t i = 0; !ret && i < rules.n; i++)
			if (rules.v[i].protocol == PCC_RTPROT && !rules.v[i].other)
				ret = PCC_LIST_APPEND(&r->rules, &rules.v[i]);
		pcc_route_list_free(&routes);
		pcc_rule_list_free(&rules);
	}
	if (!ret)
		r->nat = pcc_nat_present(NULL) == 1;
	return ret;
}

static void print_step(const struct pcc_step *step)
{
	pcc_step_types[step->kind].print(step, stdout);
}

/* Prints the removal of a program at a hook or in XDP. */
static void print_off(enum pcc_step_kind kind, const struct pcc_link *link, enum pcc_hook_dir dir)
{
	struct pcc_step step = {.kind = kind, .hook.dir = dir};

	memcpy(step.hook.ifname, link->name, sizeof(step.hook.ifname));
	print_step(&step);
}

static void print_remains(struct pcc_session *s, const struct remains *r)
{
	char path[PCC_SYSCTL_KEY_BYTES] = "", value[32];

	for (size_t i = 0; i < r->links.n; i++)
		for (int dir = 0; dir < 2; dir++)
			if (pcc_hook_find(&s->dp, r->links.v[i].ifindex, dir, NULL))
				print_off(PCC_STEP_HOOK_OFF, &r->links.v[i], dir);
	for (size_t i = 0; i < r->links.n; i++)
		if (pcc_xdp_present(r->links.v[i].ifindex))
			print_off(PCC_STEP_XDP_OFF, &r->links.v[i], PCC_HOOK_IN);
	if (r->nat)
		printf("nft delete table inet pccbpf\n");
	for (size_t i = 0; i < r->rules.n; i++)
		print_step(&(struct pcc_step){.kind = PCC_STEP_RULE_DEL, .rule = r->rules.v[i]});
	for (size_t i = 0; i < r->routes.n; i++)
		print_step(&(struct pcc_step){.kind = PCC_STEP_ROUTE_DEL, .route = r->routes.v[i]});
	while (s->dp.map_fd[PCC_MAP_SYSCTLS] >= 0 && !pcc_dp_sysctl_next(&s->dp, path, path))
		if (!pcc_dp_sysctl_old(&s->dp, path, value))
			printf("sysctl -w %s=%s\n", path, value);
	if (s->state != PCC_DP_ABSENT)
		printf("bpf: remove the pins in %s\n", s->dp.dir);
}

/* Is a pccbpf with another pin directory attached somewhere? Then the rules found are its rules. */
static bool is_other_instance(struct pcc_session *s, const struct pcc_link_list *links)
{
	for (size_t i = 0; i < links->n; i++)
		if (pcc_hook_is_foreign(&s->dp, links->v[i].ifindex, PCC_HOOK_IN) ||
			pcc_hook_is_foreign(&s->dp, links->v[i].ifindex, PCC_HOOK_OUT))
			return true;
	return false;
}

static void restore_sysctls(struct pcc_session *s, pcc_warn_fn warn)
{
	char path[PCC_SYSCTL_KEY_BYTES], value[32];

	while (s->dp.map_fd[PCC_MAP_SYSCTLS] >= 0 && !pcc_dp_sysctl_next(&s->dp, "", path)) {
		struct pcc_err w = {};
		int ret = 0;

		if (!pcc_dp_sysctl_old(&s->dp, path, value))
			ret = pcc_sysctl_write(path, value, &w);
		if (ret && ret != -ENOENT && warn)
			warn(&w);
		if (pcc_dp_sysctl_forget(&s->dp, path))
			break;
	}
}

/* Keeps the first error and continues, so that as much as possible is undone. */
static void note(int ret, const struct pcc_err *w, int *first, struct pcc_err *err)
{
	if (!ret || ret == -ENOENT || ret == -ESRCH || ret == -ENODEV || *first)
		return;
	*first = ret;
	if (err)
		*err = *w;
}

static void clear_marks(uint32_t mask, pcc_warn_fn warn, int *first, struct pcc_err *err)
{
	struct pcc_err w = {};
	int ret = pcc_ct_clear_mark(mask, &w);

	if (!pcc_ct_is_mute(ret))
		note(ret, &w, first, err);
	else if (warn)
		warn(&w);
}

static int take_back(
	struct pcc_session *s, const struct remains *r, pcc_warn_fn warn, struct pcc_err *err)
{
	uint32_t mask = s->dp.meta && s->dp.meta->mark_mask ? s->dp.meta->mark_mask : 0;
	struct pcc_err w = {};
	int first = 0;

	/*
	 * Clear the magic first: the programs stop marking, and if this is interrupted, later
	 * commands can tell.
	 */
	if (s->dp.meta)
		__atomic_store_n(&s->dp.meta->magic, 0, __ATOMIC_RELEASE);
	for (size_t i = 0; i < r->links.n; i++) {
		pcc_xdp_detach(&s->dp, r->links.v[i].ifindex);
		pcc_hook_detach(&s->dp, r->links.v[i].ifindex, PCC_HOOK_IN);
		pcc_hook_detach(&s->dp, r->links.v[i].ifindex, PCC_HOOK_OUT);
	}
	pcc_nexthop_unwatch(&s->dp);
	if (r->nat)
		note(pcc_nat_remove(&w), &w, &first, err);
	for (size_t i = 0; i < r->rules.n; i++)
		note(pcc_rule_del(&s->nl, &r->rules.v[i], &w), &w, &first, err);
	for (size_t i = 0; i < r->routes.n; i++)
		note(pcc_route_del(&s->nl, &r->routes.v[i], &w), &w, &first, err);
	/*
	 * Clear the marks of connections, as their WAN ids may mean other WANs after the next
	 * attach. Do this before the sysctls: connections of the fast path need the liberal sysctl
	 * until each entry is liberal itself.
	 */
	if (mask)
		clear_marks(mask, warn, &first, err);
	restore_sysctls(s, warn);
	if (!first)
		pcc_dp_remove(&s->dp);
	return first;
}

int pcc_detach(
	struct pcc_session *s, bool force, bool dry_run, pcc_warn_fn warn, struct pcc_err *err)
{
	struct remains r;
	int ret;

	if (s->state == PCC_DP_DAMAGED && !force) {
		*err = s->why;
		return -EBADF;
	}
	s->dp.any_instance = force && s->state == PCC_DP_DAMAGED;
	ret = remains_find(s, &r, err);
	if (ret)
		goto out;
	if (s->state == PCC_DP_ABSENT && is_other_instance(s, &r.links)) {
		pcc_err_set(err, -EBUSY, "detach", "pccbpf is attached from another pin directory");
		ret = pcc_err_hint(err, -EBUSY, "name that directory with --bpffs DIR");
		goto out;
	}
	if (dry_run)
		print_remains(s, &r);
	else
		ret = take_back(s, &r, warn, err);
out:
	remains_free(&r);
	return ret;
}
