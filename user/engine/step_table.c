// SPDX-License-Identifier: GPL-2.0-only
#include "engine/step_table.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/plan.h"
#include "kernel/conntrack.h"
#include "pins/nexthop.h"
#include "pins/offload.h"
#include "pins/own.h"
#include "pins/xdp.h"

/*
 * Before what such packets need is taken away they have left: the kernel holds rcu_read_lock() from
 * a packet's ingress program to its egress, and the system call waits for all who do
 * (kernel/sched/membarrier.c: synchronize_rcu()). It refuses on kernels with nohz_full.
 */
static void packets_through(struct pcc_work *w)
{
	if (w->committed)
		syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	w->committed = false;
}

static int do_sysctl(struct pcc_work *w, const struct pcc_step *step, struct pcc_err *err)
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

static int do_sysctl_back(struct pcc_work *w, const struct pcc_step *step)
{
	/* Of an interface that is gone: nothing to restore. */
	pcc_sysctl_write(step->sysctl.path, step->sysctl.value, NULL);
	return pcc_dp_sysctl_forget(&w->s->dp, step->sysctl.path);
}

static int do_nat(struct pcc_work *w, bool with_old, struct pcc_err *err)
{
	struct pcc_nat_cfg nat;

	pcc_plan_nat(w->cfg, with_old ? w->old : NULL, w->s->dp.no_ct, &nat);
	return pcc_nat_apply(&nat, NULL, err);
}

/* Conntrack has forgotten what nobody answered for so long (nf_conntrack_tcp_timeout_syn_sent). */
#define UNANSWERED_NS (600ull * 1000 * 1000 * 1000)

/* Forgetting the connections of a WAN. */
struct release {
	uint32_t wan_id;
	bool unmarked; /* conntrack entries are marked later than they are made */
	uint64_t now_ns;
	struct pcc_ct_deleter deleter;
	struct pcc_err why; /* of a deletion that failed */
};

/* Has the connection perhaps a conntrack entry that has no mark? */
static bool is_unmarked(const struct release *r, const struct pcc_conn *conn)
{
	if (!r->unmarked || conn->flags & PCC_CONN_CT_DONE)
		return false;
	return conn->rx_packets || r->now_ns < conn->seen_ns + UNANSWERED_NS;
}

static int release_one(const struct pcc_tuple *key, const struct pcc_conn *conn, void *arg)
{
	struct release *r = arg;
	int ret = 0;

	if (conn->wan_id != r->wan_id)
		return 0;
	if (is_unmarked(r, conn))
		ret = pcc_ct_delete(&r->deleter, key, conn->origin == PCC_ORIGIN_WAN, &r->why);
	return ret ? ret : 1;
}

static int do_release(struct pcc_work *w, const struct pcc_step *step, struct pcc_err *err)
{
	struct release r = {
		.wan_id = step->wan_id, .unmarked = !w->s->dp.no_ct, .now_ns = pcc_now_ns()};
	uint32_t mask = w->s->dp.meta->mark_mask;
	int ret;

	packets_through(w);
	ret = pcc_dp_conns(&w->s->dp, release_one, &r, err);
	pcc_ct_deleter_close(&r.deleter);
	if (ret && err && r.why.object[0])
		*err = r.why;
	if (!ret)
		ret = pcc_offload_release(
			&w->s->dp, step->wan_id, w->old_locals, w->nold_locals, err);
	if (!ret)
		ret = pcc_ct_flush_mark(step->wan_id << w->s->dp.meta->mark_shift, mask, err);
	if (!pcc_ct_is_mute(ret))
		return ret;
	if (w->opts->warn && err)
		w->opts->warn(err);
	return 0;
}

/* A driver that cannot is no failure: the fast path of that interface stays in tc. */
static int do_xdp(struct pcc_work *w, const struct pcc_step *step)
{
	struct pcc_err why = {};
	struct pcc_link link = {};

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

/* No failure either: leases end by themselves. */
static void do_nexthop(struct pcc_work *w)
{
	struct pcc_err why = {};

	if (!pcc_nexthop_watch(&w->s->dp, &why) || !w->opts->warn)
		return;
	pcc_err_hint(&why, 0, "the fast path follows a changed MAC after two seconds");
	w->opts->warn(&why);
}

static bool is_gone(int ret)
{
	return ret == -ENOENT || ret == -ESRCH || ret == -ENODEV;
}

static int do_del(struct pcc_work *w, const struct pcc_step *step, struct pcc_err *err)
{
	struct pcc_nl *nl = &w->s->nl;
	int ret;

	packets_through(w);
	ret = step->kind == PCC_STEP_RULE_DEL ? pcc_rule_del(nl, &step->rule, err)
					      : pcc_route_del(nl, &step->route, err);
	return is_gone(ret) ? 0 : ret;
}

int pcc_do_step(struct pcc_work *w, const struct pcc_step *step, struct pcc_err *err)
{
	struct pcc_session *s = w->s;

	switch (step->kind) {
	case PCC_STEP_SYSCTL:
		return do_sysctl(w, step, err);
	case PCC_STEP_ROUTE_ADD:
		return step->replaces ? pcc_route_replace(&s->nl, &step->route, err)
				      : pcc_route_add(&s->nl, &step->route, err);
	case PCC_STEP_RULE_ADD:
		return pcc_rule_add(&s->nl, &step->rule, err);
	case PCC_STEP_NAT_FIRST:
		return do_nat(w, true, err);
	case PCC_STEP_NAT_LAST:
		return do_nat(w, false, err);
	case PCC_STEP_HOOK_ON:
		return pcc_hook_attach(&s->dp, step->hook.ifindex, step->hook.ifname,
			step->hook.dir, step->hook.prog, err);
	case PCC_STEP_HOOK_OFF:
		return pcc_hook_detach(&s->dp, step->hook.ifindex, step->hook.dir);
	case PCC_STEP_OWN_ON:
		return pcc_own_attach(&s->dp, err);
	case PCC_STEP_OWN_OFF:
		pcc_own_detach(&s->dp);
		return 0;
	case PCC_STEP_XDP_ON:
		return do_xdp(w, step);
	case PCC_STEP_XDP_OFF:
		pcc_xdp_detach(&s->dp, step->hook.ifindex);
		return 0;
	case PCC_STEP_XDP_SEND:
		pcc_xdp_send_to(&s->dp, step->hook.ifindex, step->hook.ifname);
		return 0;
	case PCC_STEP_NEXTHOP_ON:
		do_nexthop(w);
		return 0;
	case PCC_STEP_NEXTHOP_OFF:
		pcc_nexthop_unwatch(&s->dp);
		return 0;
	case PCC_STEP_COMMIT:
		w->committed = true;
		return pcc_dp_commit(&s->dp, w->cfg, w->locals, w->nlocals, err);
	case PCC_STEP_RELEASE:
		return do_release(w, step, err);
	case PCC_STEP_RULE_DEL:
	case PCC_STEP_ROUTE_DEL:
		return do_del(w, step, err);
	case PCC_STEP_SYSCTL_BACK:
		do_sysctl_back(w, step);
		return 0;
	}
	return -EINVAL;
}

/* The reverse of a step that was done. */
void pcc_undo_step(struct pcc_work *w, const struct pcc_step *step)
{
	struct pcc_session *s = w->s;
	struct pcc_nat_cfg nat;

	switch (step->kind) {
	case PCC_STEP_SYSCTL:
		pcc_sysctl_write(step->sysctl.path, step->sysctl.old, NULL);
		pcc_dp_sysctl_forget(&s->dp, step->sysctl.path);
		break;
	case PCC_STEP_ROUTE_ADD:
		if (step->replaces)
			pcc_route_replace(&s->nl, &step->old_route, NULL);
		else
			pcc_route_del(&s->nl, &step->route, NULL);
		break;
	case PCC_STEP_RULE_ADD:
		pcc_rule_del(&s->nl, &step->rule, NULL);
		break;
	case PCC_STEP_NAT_FIRST:
	case PCC_STEP_NAT_LAST:
		if (!w->old) {
			pcc_nat_remove(NULL);
			break;
		}
		pcc_plan_nat(w->old, NULL, s->dp.no_ct, &nat);
		pcc_nat_apply(&nat, NULL, NULL);
		break;
	case PCC_STEP_HOOK_ON:
		/* One that was there before runs the same program on the same maps: it stays. */
		if (!w->old)
			pcc_hook_detach(&s->dp, step->hook.ifindex, step->hook.dir);
		break;
	case PCC_STEP_COMMIT:
		if (w->old)
			pcc_dp_commit(&s->dp, w->old, w->old_locals, w->nold_locals, NULL);
		break;
	case PCC_STEP_RULE_DEL:
		pcc_rule_add(&s->nl, &step->rule, NULL);
		break;
	case PCC_STEP_ROUTE_DEL:
		pcc_route_add(&s->nl, &step->route, NULL);
		break;
	case PCC_STEP_HOOK_OFF:
		pcc_hook_attach(&s->dp, step->hook.ifindex, step->hook.ifname, step->hook.dir,
			step->hook.prog, NULL);
		break;
	case PCC_STEP_OWN_ON:
		if (!w->old || !w->old->own)
			pcc_own_detach(&s->dp);
		break;
	case PCC_STEP_OWN_OFF:
		pcc_own_attach(&s->dp, NULL);
		break;
	case PCC_STEP_XDP_ON:
		pcc_xdp_detach(&s->dp, step->hook.ifindex);
		break;
	case PCC_STEP_XDP_OFF:
		pcc_xdp_attach(&s->dp, step->hook.ifindex, step->hook.ifname, NULL);
		break;
	case PCC_STEP_NEXTHOP_ON:
		if (!w->old)
			pcc_nexthop_unwatch(&s->dp);
		break;
	case PCC_STEP_NEXTHOP_OFF:
		pcc_nexthop_watch(&s->dp, NULL);
		break;
	case PCC_STEP_SYSCTL_BACK:
		pcc_dp_sysctl_remember(&s->dp, step->sysctl.path, step->sysctl.value);
		pcc_sysctl_write(step->sysctl.path, step->sysctl.old, NULL);
		break;
	case PCC_STEP_XDP_SEND: /* as the driver allows it, with either configuration */
	case PCC_STEP_RELEASE:
		break;
	}
}
