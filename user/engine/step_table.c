// SPDX-License-Identifier: GPL-2.0-only
/* Each kind of step: how it is taken, undone and printed. The table is at the end. */
#include "engine/step_table.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "engine/plan.h"
#include "engine/step_parts.h"
#include "engine/work.h"
#include "kernel/route_text.h"
#include "pins/xdp.h"

/* --- sysctls ------------------------------------------------------------------------------- */

static int sysctl_act(struct pcc_work *w, const struct pcc_step *step, struct pcc_err *err)
{
	char known[sizeof(step->sysctl.old)];
	bool fresh = pcc_dp_sysctl_old(&w->s->dp, step->sysctl.path, known) != 0;
	int ret = pcc_dp_sysctl_remember(&w->s->dp, step->sysctl.path, step->sysctl.old);

	if (ret)
		return pcc_err_set(
			err, ret, step->sysctl.path, "cannot be remembered: %s", strerror(-ret));
	ret = pcc_sysctl_write(step->sysctl.path, step->sysctl.value, err);
	if (ret && fresh)
		pcc_dp_sysctl_forget(&w->s->dp, step->sysctl.path);
	return ret;
}

static void sysctl_undo(struct pcc_work *w, const struct pcc_step *step)
{
	pcc_sysctl_write(step->sysctl.path, step->sysctl.old, NULL);
	pcc_dp_sysctl_forget(&w->s->dp, step->sysctl.path);
}

static void sysctl_print(const struct pcc_step *step, FILE *out)
{
	fprintf(out, "sysctl -w %s=%s    # is %s\n", step->sysctl.path, step->sysctl.value,
		step->sysctl.old);
}

static int sysctl_back_act(struct pcc_work *w, const struct pcc_step *step, struct pcc_err *err)
{
	(void)err;
	/* Of an interface that is gone: nothing to restore. */
	pcc_sysctl_write(step->sysctl.path, step->sysctl.value, NULL);
	pcc_dp_sysctl_forget(&w->s->dp, step->sysctl.path);
	return 0;
}

static void sysctl_back_undo(struct pcc_work *w, const struct pcc_step *step)
{
	pcc_dp_sysctl_remember(&w->s->dp, step->sysctl.path, step->sysctl.value);
	pcc_sysctl_write(step->sysctl.path, step->sysctl.old, NULL);
}

static void sysctl_back_print(const struct pcc_step *step, FILE *out)
{
	fprintf(out, "sysctl -w %s=%s    # as it was\n", step->sysctl.path, step->sysctl.value);
}

/* --- routes and rules ---------------------------------------------------------------------- */

static bool is_gone(int ret)
{
	return ret == -ENOENT || ret == -ESRCH || ret == -ENODEV;
}

static void route_print(const struct pcc_step *step, const char *verb, FILE *out)
{
	char text[256];

	fprintf(out, "ip%s route %s %s\n", step->route.family == AF_INET6 ? " -6" : "", verb,
		pcc_route_format(text, sizeof(text), &step->route));
}

static void rule_print(const struct pcc_step *step, const char *verb, FILE *out)
{
	char text[256];

	fprintf(out, "ip%s rule %s %s\n", step->rule.family == AF_INET6 ? " -6" : "", verb,
		pcc_rule_format(text, sizeof(text), &step->rule));
}

static int route_add_act(struct pcc_work *w, const struct pcc_step *step, struct pcc_err *err)
{
	return step->replaces ? pcc_route_replace(&w->s->nl, &step->route, err)
			      : pcc_route_add(&w->s->nl, &step->route, err);
}

static void route_add_undo(struct pcc_work *w, const struct pcc_step *step)
{
	if (step->replaces)
		pcc_route_replace(&w->s->nl, &step->old_route, NULL);
	else
		pcc_route_del(&w->s->nl, &step->route, NULL);
}

static void route_add_print(const struct pcc_step *step, FILE *out)
{
	route_print(step, step->replaces ? "replace" : "add", out);
}

static int route_del_act(struct pcc_work *w, const struct pcc_step *step, struct pcc_err *err)
{
	int ret;

	pcc_work_packets_through(w);
	ret = pcc_route_del(&w->s->nl, &step->route, err);
	return is_gone(ret) ? 0 : ret;
}

static void route_del_undo(struct pcc_work *w, const struct pcc_step *step)
{
	pcc_route_add(&w->s->nl, &step->route, NULL);
}

static void route_del_print(const struct pcc_step *step, FILE *out)
{
	route_print(step, "del", out);
}

static int rule_add_act(struct pcc_work *w, const struct pcc_step *step, struct pcc_err *err)
{
	return pcc_rule_add(&w->s->nl, &step->rule, err);
}

static void rule_add_undo(struct pcc_work *w, const struct pcc_step *step)
{
	pcc_rule_del(&w->s->nl, &step->rule, NULL);
}

static void rule_add_print(const struct pcc_step *step, FILE *out)
{
	rule_print(step, "add", out);
}

static int rule_del_act(struct pcc_work *w, const struct pcc_step *step, struct pcc_err *err)
{
	int ret;

	pcc_work_packets_through(w);
	ret = pcc_rule_del(&w->s->nl, &step->rule, err);
	return is_gone(ret) ? 0 : ret;
}

static void rule_del_undo(struct pcc_work *w, const struct pcc_step *step)
{
	pcc_rule_add(&w->s->nl, &step->rule, NULL);
}

static void rule_del_print(const struct pcc_step *step, FILE *out)
{
	rule_print(step, "del", out);
}

/* --- NAT ----------------------------------------------------------------------------------- */

static int nat_apply(struct pcc_work *w, const struct pcc_config *old, struct pcc_err *err)
{
	struct pcc_nat_cfg nat;

	pcc_plan_nat(w->cfg, old, w->s->dp.no_ct, &nat);
	return pcc_nat_apply(&nat, NULL, err);
}

static int nat_first_act(struct pcc_work *w, const struct pcc_step *step, struct pcc_err *err)
{
	(void)step;
	return nat_apply(w, w->old, err);
}

static int nat_last_act(struct pcc_work *w, const struct pcc_step *step, struct pcc_err *err)
{
	(void)step;
	return nat_apply(w, NULL, err);
}

static void nat_undo(struct pcc_work *w, const struct pcc_step *step)
{
	struct pcc_nat_cfg nat;

	(void)step;
	if (!w->old) {
		pcc_nat_remove(NULL);
		return;
	}
	pcc_plan_nat(w->old, NULL, w->s->dp.no_ct, &nat);
	pcc_nat_apply(&nat, NULL, NULL);
}

static void nat_print(const struct pcc_step *step, FILE *out)
{
	(void)step;
	fprintf(out, "nft replace table inet pccbpf\n");
}

/* --- programs at tc hooks ------------------------------------------------------------------ */

static const char *const prog_names[] = {
#define X(sym, name) #name,
	PCC_PROGS(X)
#undef X
};

static const char *dir_name(const struct pcc_step *step)
{
	return step->hook.dir == PCC_HOOK_IN ? "ingress" : "egress";
}

static int hook_on_act(struct pcc_work *w, const struct pcc_step *step, struct pcc_err *err)
{
	return pcc_hook_attach(&w->s->dp, step->hook.ifindex, step->hook.ifname, step->hook.dir,
		step->hook.prog, err);
}

static void hook_on_undo(struct pcc_work *w, const struct pcc_step *step)
{
	/* One that was there before runs the same program on the same maps: it stays. */
	if (!w->old)
		pcc_hook_detach(&w->s->dp, step->hook.ifindex, step->hook.dir);
}

static void hook_on_print(const struct pcc_step *step, FILE *out)
{
	fprintf(out, "tc attach dev %s %s %s\n", step->hook.ifname, dir_name(step),
		prog_names[step->hook.prog]);
}

static int hook_off_act(struct pcc_work *w, const struct pcc_step *step, struct pcc_err *err)
{
	(void)err;
	return pcc_hook_detach(&w->s->dp, step->hook.ifindex, step->hook.dir);
}

static void hook_off_undo(struct pcc_work *w, const struct pcc_step *step)
{
	hook_on_act(w, step, NULL);
}

static void hook_off_print(const struct pcc_step *step, FILE *out)
{
	fprintf(out, "tc detach dev %s %s\n", step->hook.ifname, dir_name(step));
}

/* --- programs in XDP ----------------------------------------------------------------------- */

/* A driver that cannot is no failure: the fast path of that interface stays in tc. */
static int xdp_on_act(struct pcc_work *w, const struct pcc_step *step, struct pcc_err *err)
{
	struct pcc_err why = {};
	struct pcc_link link = {};

	(void)err;
	if (w->opts->warn && !pcc_link_by_name(&w->s->nl, step->hook.ifname, &link, NULL) &&
		!strcmp(link.kind, "veth")) {
		pcc_err_set(&why, 0, step->hook.ifname,
			"XDP cannot see that a peer on this machine leaves checksums to be completed");
		pcc_err_hint(&why, 0, "there: ethtool -K DEV tx off gro on; or use --fastpath tc");
		w->opts->warn(&why);
	}
	if (pcc_xdp_attach(&w->s->dp, step->hook.ifindex, step->hook.ifname, &why) &&
		w->opts->warn) {
		pcc_err_hint(&why, 0, "its fast path runs in tc");
		w->opts->warn(&why);
	}
	return 0;
}

static void xdp_on_undo(struct pcc_work *w, const struct pcc_step *step)
{
	pcc_xdp_detach(&w->s->dp, step->hook.ifindex);
}

static void xdp_on_print(const struct pcc_step *step, FILE *out)
{
	fprintf(out, "xdp attach dev %s pcc_fast\n", step->hook.ifname);
}

static int xdp_off_act(struct pcc_work *w, const struct pcc_step *step, struct pcc_err *err)
{
	(void)err;
	pcc_xdp_detach(&w->s->dp, step->hook.ifindex);
	return 0;
}

static void xdp_off_undo(struct pcc_work *w, const struct pcc_step *step)
{
	pcc_xdp_attach(&w->s->dp, step->hook.ifindex, step->hook.ifname, NULL);
}

static void xdp_off_print(const struct pcc_step *step, FILE *out)
{
	fprintf(out, "xdp detach dev %s pcc_fast\n", step->hook.ifname);
}

static int xdp_send_act(struct pcc_work *w, const struct pcc_step *step, struct pcc_err *err)
{
	(void)err;
	pcc_xdp_send_to(&w->s->dp, step->hook.ifindex, step->hook.ifname);
	return 0;
}

static void xdp_send_print(const struct pcc_step *step, FILE *out)
{
	fprintf(out, "maps: XDP sends to %s, if its driver takes that now\n", step->hook.ifname);
}

/* --- maps and connections ------------------------------------------------------------------ */

static int commit_act(struct pcc_work *w, const struct pcc_step *step, struct pcc_err *err)
{
	(void)step;
	w->committed = true;
	return pcc_dp_commit(&w->s->dp, w->cfg, w->locals, w->nlocals, err);
}

static void commit_undo(struct pcc_work *w, const struct pcc_step *step)
{
	(void)step;
	if (w->old)
		pcc_dp_commit(&w->s->dp, w->old, w->old_locals, w->nold_locals, NULL);
}

static void commit_print(const struct pcc_step *step, FILE *out)
{
	(void)step;
	fprintf(out, "maps: write WANs, interfaces and bucket tables, switch to them\n");
}

static int release_act(struct pcc_work *w, const struct pcc_step *step, struct pcc_err *err)
{
	return pcc_work_release(w, step->release.wan_id, err);
}

static void release_print(const struct pcc_step *step, FILE *out)
{
	fprintf(out, "release the connections of %s\n", step->release.wan_name);
}

/* --- the table ----------------------------------------------------------------------------- */

const struct pcc_step_type pcc_step_types[PCC_STEP_MAX] = {
	[PCC_STEP_SYSCTL] = {"sysctl", PCC_ABOUT_SYSCTLS, sysctl_act, sysctl_undo, sysctl_print},
	[PCC_STEP_HOOK_ON] = {"hook on", PCC_ABOUT_PROGRAMS, hook_on_act, hook_on_undo,
		hook_on_print},
	[PCC_STEP_ROUTE_ADD] = {"route add", PCC_ABOUT_ROUTES, route_add_act, route_add_undo,
		route_add_print},
	[PCC_STEP_RULE_ADD] = {"rule add", PCC_ABOUT_RULES, rule_add_act, rule_add_undo,
		rule_add_print},
	[PCC_STEP_NAT_FIRST] = {"NAT first", PCC_ABOUT_NAT, nat_first_act, nat_undo, nat_print},
	[PCC_STEP_COMMIT] = {"commit", PCC_ABOUT_MAPS, commit_act, commit_undo, commit_print},
	[PCC_STEP_OWN_ON] = {"own on", PCC_ABOUT_PROGRAMS, pcc_step_own_on_act,
		pcc_step_own_on_undo, pcc_step_own_on_print},
	[PCC_STEP_OWN_OFF] = {"own off", PCC_ABOUT_PROGRAMS, pcc_step_own_off_act,
		pcc_step_own_off_undo, pcc_step_own_off_print},
	[PCC_STEP_ASKED_ON] = {"asked on", PCC_ABOUT_PROGRAMS, pcc_step_asked_on_act,
		pcc_step_asked_on_undo, pcc_step_asked_on_print},
	[PCC_STEP_XDP_ON] = {"XDP on", PCC_ABOUT_PROGRAMS, xdp_on_act, xdp_on_undo, xdp_on_print},
	[PCC_STEP_XDP_OFF] = {"XDP off", PCC_ABOUT_PROGRAMS, xdp_off_act, xdp_off_undo,
		xdp_off_print},
	/* As the driver allows it, with either configuration: nothing to undo. */
	[PCC_STEP_XDP_SEND] = {"XDP send", PCC_ABOUT_PROGRAMS, xdp_send_act, NULL, xdp_send_print},
	[PCC_STEP_NEXTHOP_ON] = {"next hops on", PCC_ABOUT_PROGRAMS, pcc_step_nexthop_on_act,
		pcc_step_nexthop_on_undo, pcc_step_nexthop_on_print},
	[PCC_STEP_NEXTHOP_OFF] = {"next hops off", PCC_ABOUT_PROGRAMS, pcc_step_nexthop_off_act,
		pcc_step_nexthop_off_undo, pcc_step_nexthop_off_print},
	[PCC_STEP_HOOK_OFF] = {"hook off", PCC_ABOUT_PROGRAMS, hook_off_act, hook_off_undo,
		hook_off_print},
	[PCC_STEP_RULE_DEL] = {"rule del", PCC_ABOUT_RULES, rule_del_act, rule_del_undo,
		rule_del_print},
	[PCC_STEP_ROUTE_DEL] = {"route del", PCC_ABOUT_ROUTES, route_del_act, route_del_undo,
		route_del_print},
	[PCC_STEP_NAT_LAST] = {"NAT last", PCC_ABOUT_NAT, nat_last_act, nat_undo, nat_print},
	[PCC_STEP_SYSCTL_BACK] = {"sysctl back", PCC_ABOUT_SYSCTLS, sysctl_back_act,
		sysctl_back_undo, sysctl_back_print},
	/* Last in a plan: no undoing brings connections back. */
	[PCC_STEP_RELEASE] = {"release", PCC_ABOUT_CONNS, release_act, NULL, release_print},
};

void pcc_plan_print(const struct pcc_plan *plan, FILE *out)
{
	if (!plan->n)
		fprintf(out, "nothing to do\n");
	for (size_t i = 0; i < plan->n; i++)
		pcc_step_types[plan->v[i].kind].print(&plan->v[i], out);
}
