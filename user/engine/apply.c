// SPDX-License-Identifier: GPL-2.0-only
#include "engine/apply.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/conntrack.h"
#include "engine/fastpath.h"
#include "kernel/flowtable.h"
#include "pins/nexthop.h"
#include "engine/observe.h"
#include "engine/plan_print.h"
#include "pins/offload.h"
#include "pins/own.h"
#include "pins/xdp.h"

int pcc_session_open(struct pcc_session *s, const char *dir, enum pcc_session_mode mode,
	unsigned int wait_s, struct pcc_err *err)
{
	int ret;

	memset(s, 0, sizeof(*s));
	pcc_dp_init(&s->dp, dir);
	if (geteuid()) {
		pcc_err_set(err, -EPERM, "permission", "pccbpf must run as root");
		return pcc_err_hint(err, -EPERM, "sudo pccbpf ...");
	}
	ret = pcc_nl_open(&s->nl, NETLINK_ROUTE);
	if (ret)
		return pcc_err_set(err, ret, "netlink", "%s", strerror(-ret));
	if (mode != PCC_SESSION_READ) {
		ret = pcc_dp_lock(&s->dp, mode == PCC_SESSION_CREATE, wait_s, err);
		if (ret && (ret != -ENOENT || err->object[0]))
			return ret;
	}
	s->state = pcc_dp_open(&s->dp, &s->why);
	/* Seen by a reader while a command is at work: not interrupted, but not done. */
	if (s->state == PCC_DP_INCOMPLETE && mode == PCC_SESSION_READ &&
		pcc_dp_lock(&s->dp, false, 0, NULL) == -EBUSY) {
		pcc_err_set(&s->why, -EBUSY, s->dp.dir, "pccbpf attach or detach is at work here");
		pcc_err_hint(&s->why, -EBUSY, "ask again when it has ended");
	}
	if (s->state != PCC_DP_ATTACHED)
		return 0;
	ret = pcc_dp_config(&s->dp, &s->cfg, err);
	if (!ret)
		return 0;
	s->state = PCC_DP_DAMAGED;
	s->why = *err;
	pcc_err_hint(&s->why, ret, "pccbpf detach --force removes what is recognised");
	return 0;
}

void pcc_session_close(struct pcc_session *s)
{
	pcc_nl_close(&s->nl);
	if (s->dp.dir[0])
		pcc_dp_close(&s->dp);
}

/* What the steps of a plan need. */
struct work {
	struct pcc_session *s;
	const struct pcc_config *cfg;
	const struct pcc_config *old; /* NULL where nothing was attached */
	struct pcc_dp_local *locals, *old_locals;
	uint32_t nlocals, nold_locals;
	const struct pcc_apply_opts *opts;
	uint8_t missed[PCC_WAN_SLOTS]; /* by id: families without a way out, FAMILY_BIT() */
	bool lan_missed[PCC_MAX_LANS];
	bool committed; /* packets may be under way that saw the maps as they were before */
};

/*
 * Before what such packets need is taken away they have left: the kernel holds rcu_read_lock() from
 * a packet's ingress program to its egress, and the system call waits for all who do
 * (kernel/sched/membarrier.c: synchronize_rcu()). It refuses on kernels with nohz_full.
 */
static void packets_through(struct work *w)
{
	if (w->committed)
		syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	w->committed = false;
}

static int do_sysctl(struct work *w, const struct pcc_op *op, struct pcc_err *err)
{
	char known[sizeof(op->sysctl.old)];
	bool fresh = pcc_dp_sysctl_old(&w->s->dp, op->sysctl.path, known) != 0;
	int ret = pcc_dp_sysctl_remember(&w->s->dp, op->sysctl.path, op->sysctl.old);

	if (ret)
		return pcc_err_set(
			err, ret, op->sysctl.path, "cannot be remembered: %s", strerror(-ret));
	ret = pcc_sysctl_write(op->sysctl.path, op->sysctl.value, err);
	if (ret && fresh)
		pcc_dp_sysctl_forget(&w->s->dp, op->sysctl.path);
	return ret;
}

static int do_sysctl_back(struct work *w, const struct pcc_op *op)
{
	/* Of an interface that is gone: nothing to restore. */
	pcc_sysctl_write(op->sysctl.path, op->sysctl.value, NULL);
	return pcc_dp_sysctl_forget(&w->s->dp, op->sysctl.path);
}

static int do_nat(struct work *w, bool with_old, struct pcc_err *err)
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

static int do_release(struct work *w, const struct pcc_op *op, struct pcc_err *err)
{
	struct release r = {
		.wan_id = op->wan_id, .unmarked = !w->s->dp.no_ct, .now_ns = pcc_dp_now_ns()};
	uint32_t mask = w->s->dp.meta->mark_mask;
	int ret;

	packets_through(w);
	ret = pcc_dp_conns(&w->s->dp, release_one, &r, err);
	pcc_ct_deleter_close(&r.deleter);
	if (ret && err && r.why.object[0])
		*err = r.why;
	if (!ret)
		ret = pcc_offload_release(
			&w->s->dp, op->wan_id, w->old_locals, w->nold_locals, err);
	if (!ret)
		ret = pcc_ct_flush_mark(op->wan_id << w->s->dp.meta->mark_shift, mask, NULL, err);
	if (!pcc_ct_is_mute(ret))
		return ret;
	if (w->opts->warn && err)
		w->opts->warn(err);
	return 0;
}

/* A driver that cannot is no failure: the fast path of that interface stays in tc. */
static int do_xdp(struct work *w, const struct pcc_op *op)
{
	struct pcc_err why = {};
	struct pcc_link link = {};

	if (w->opts->warn && !pcc_link_by_name(&w->s->nl, op->hook.ifname, &link, NULL) &&
		!strcmp(link.kind, "veth")) {
		pcc_err_set(&why, 0, op->hook.ifname,
			"XDP cannot see that a peer on this machine leaves checksums to be completed");
		pcc_err_hint(&why, 0, "there: ethtool -K DEV tx off gro on; or use --fastpath tc");
		w->opts->warn(&why);
	}
	if (pcc_xdp_attach(&w->s->dp, op->hook.ifindex, op->hook.ifname, &why) && w->opts->warn) {
		pcc_err_hint(&why, 0, "its fast path runs in tc");
		w->opts->warn(&why);
	}
	return 0;
}

/* No failure either: leases end by themselves. */
static void do_nexthop(struct work *w)
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

static int do_del(struct work *w, const struct pcc_op *op, struct pcc_err *err)
{
	struct pcc_nl *nl = &w->s->nl;
	int ret;

	packets_through(w);
	ret = op->kind == PCC_OP_RULE_DEL ? pcc_rule_del(nl, &op->rule, err)
					  : pcc_route_del(nl, &op->route, err);
	return is_gone(ret) ? 0 : ret;
}

static int do_op(struct work *w, const struct pcc_op *op, struct pcc_err *err)
{
	struct pcc_session *s = w->s;

	switch (op->kind) {
	case PCC_OP_SYSCTL:
		return do_sysctl(w, op, err);
	case PCC_OP_ROUTE_ADD:
		return op->replaces ? pcc_route_replace(&s->nl, &op->route, err)
				    : pcc_route_add(&s->nl, &op->route, err);
	case PCC_OP_RULE_ADD:
		return pcc_rule_add(&s->nl, &op->rule, err);
	case PCC_OP_NAT_FIRST:
		return do_nat(w, true, err);
	case PCC_OP_NAT_LAST:
		return do_nat(w, false, err);
	case PCC_OP_HOOK_ON:
		return pcc_hook_attach(&s->dp, op->hook.ifindex, op->hook.ifname, op->hook.dir,
			op->hook.prog, err);
	case PCC_OP_HOOK_OFF:
		return pcc_hook_detach(&s->dp, op->hook.ifindex, op->hook.dir);
	case PCC_OP_OWN_ON:
		return pcc_own_attach(&s->dp, err);
	case PCC_OP_OWN_OFF:
		pcc_own_detach(&s->dp);
		return 0;
	case PCC_OP_XDP_ON:
		return do_xdp(w, op);
	case PCC_OP_XDP_OFF:
		pcc_xdp_detach(&s->dp, op->hook.ifindex);
		return 0;
	case PCC_OP_XDP_SEND:
		pcc_xdp_send_to(&s->dp, op->hook.ifindex, op->hook.ifname);
		return 0;
	case PCC_OP_NEXTHOP_ON:
		do_nexthop(w);
		return 0;
	case PCC_OP_NEXTHOP_OFF:
		pcc_nexthop_unwatch(&s->dp);
		return 0;
	case PCC_OP_COMMIT:
		w->committed = true;
		return pcc_dp_commit(&s->dp, w->cfg, w->locals, w->nlocals, err);
	case PCC_OP_RELEASE:
		return do_release(w, op, err);
	case PCC_OP_RULE_DEL:
	case PCC_OP_ROUTE_DEL:
		return do_del(w, op, err);
	case PCC_OP_SYSCTL_BACK:
		do_sysctl_back(w, op);
		return 0;
	}
	return -EINVAL;
}

/* The reverse of a step that was done. */
static void undo_op(struct work *w, const struct pcc_op *op)
{
	struct pcc_session *s = w->s;
	struct pcc_nat_cfg nat;

	switch (op->kind) {
	case PCC_OP_SYSCTL:
		pcc_sysctl_write(op->sysctl.path, op->sysctl.old, NULL);
		pcc_dp_sysctl_forget(&s->dp, op->sysctl.path);
		break;
	case PCC_OP_ROUTE_ADD:
		if (op->replaces)
			pcc_route_replace(&s->nl, &op->old_route, NULL);
		else
			pcc_route_del(&s->nl, &op->route, NULL);
		break;
	case PCC_OP_RULE_ADD:
		pcc_rule_del(&s->nl, &op->rule, NULL);
		break;
	case PCC_OP_NAT_FIRST:
	case PCC_OP_NAT_LAST:
		if (!w->old) {
			pcc_nat_remove(NULL);
			break;
		}
		pcc_plan_nat(w->old, NULL, s->dp.no_ct, &nat);
		pcc_nat_apply(&nat, NULL, NULL);
		break;
	case PCC_OP_HOOK_ON:
		/* One that was there before runs the same program on the same maps: it stays. */
		if (!w->old)
			pcc_hook_detach(&s->dp, op->hook.ifindex, op->hook.dir);
		break;
	case PCC_OP_COMMIT:
		if (w->old)
			pcc_dp_commit(&s->dp, w->old, w->old_locals, w->nold_locals, NULL);
		break;
	case PCC_OP_RULE_DEL:
		pcc_rule_add(&s->nl, &op->rule, NULL);
		break;
	case PCC_OP_ROUTE_DEL:
		pcc_route_add(&s->nl, &op->route, NULL);
		break;
	case PCC_OP_HOOK_OFF:
		pcc_hook_attach(&s->dp, op->hook.ifindex, op->hook.ifname, op->hook.dir,
			op->hook.prog, NULL);
		break;
	case PCC_OP_OWN_ON:
		if (!w->old || !w->old->own)
			pcc_own_detach(&s->dp);
		break;
	case PCC_OP_OWN_OFF:
		pcc_own_attach(&s->dp, NULL);
		break;
	case PCC_OP_XDP_ON:
		pcc_xdp_detach(&s->dp, op->hook.ifindex);
		break;
	case PCC_OP_XDP_OFF:
		pcc_xdp_attach(&s->dp, op->hook.ifindex, op->hook.ifname, NULL);
		break;
	case PCC_OP_NEXTHOP_ON:
		if (!w->old)
			pcc_nexthop_unwatch(&s->dp);
		break;
	case PCC_OP_NEXTHOP_OFF:
		pcc_nexthop_watch(&s->dp, NULL);
		break;
	case PCC_OP_SYSCTL_BACK:
		pcc_dp_sysctl_remember(&s->dp, op->sysctl.path, op->sysctl.value);
		pcc_sysctl_write(op->sysctl.path, op->sysctl.old, NULL);
		break;
	case PCC_OP_XDP_SEND: /* as the driver allows it, with either configuration */
	case PCC_OP_RELEASE:
		break;
	}
}

/* Takes the hooks off that are on interfaces which the old configuration does not have. */
static void undo_new_hooks(struct work *w)
{
	for (uint32_t i = 0; w->old && i < w->cfg->nwans + w->cfg->nlans; i++) {
		bool wan = i < w->cfg->nwans;
		const char *name =
			wan ? w->cfg->wans[i].name : w->cfg->lans[i - w->cfg->nwans].name;
		uint32_t ifindex =
			wan ? w->cfg->wans[i].ifindex : w->cfg->lans[i - w->cfg->nwans].ifindex;

		if (pcc_config_find_wan_const(w->old, name) || pcc_config_find_lan(w->old, name))
			continue;
		pcc_hook_detach(&w->s->dp, ifindex, PCC_HOOK_IN);
		pcc_hook_detach(&w->s->dp, ifindex, PCC_HOOK_OUT);
	}
}

/* --- what one interface cannot have -------------------------------------------------------- */

#define FAMILY_BIT(f) (1u << (f))

/* What a WAN is without when the step fails. accept_local only spares a look-up. */
static uint8_t families_of(const struct pcc_op *op)
{
	if (op->kind == PCC_OP_ROUTE_ADD)
		return FAMILY_BIT(op->route.family == AF_INET6 ? PCC_V6 : PCC_V4);
	if (op->kind == PCC_OP_SYSCTL && strstr(op->sysctl.path, "/accept_local"))
		return 0;
	return FAMILY_BIT(PCC_V4) | FAMILY_BIT(PCC_V6);
}

static bool is_of_use(const struct work *w, const struct pcc_wan_cfg *wan)
{
	for (int f = 0; f < PCC_FAMILIES; f++)
		if (pcc_wan_serves(wan, f) && !(w->missed[wan->id] & FAMILY_BIT(f)))
			return true;
	return false;
}

/* The WAN misses it; how much that is. */
static enum pcc_step wan_misses(struct work *w, const struct pcc_op *op)
{
	const struct pcc_wan_cfg *wan = pcc_config_find_wan_id(w->cfg, op->wan_id);

	w->missed[op->wan_id] |= families_of(op);
	return wan && is_of_use(w, wan) ? PCC_STEP_MISSED : PCC_STEP_LOST;
}

static void lan_misses(struct work *w, const struct pcc_op *op)
{
	for (uint32_t i = 0; op->kind == PCC_OP_HOOK_ON && i < w->cfg->nlans; i++)
		if (w->cfg->lans[i].ifindex == op->lan_ifindex)
			w->lan_missed[i] = true;
}

/* Is there a LAN and a WAN left? The daemon goes on without: it tries again. */
static bool others_left(const struct work *w)
{
	bool wan = false, lan = false;

	for (uint32_t i = 0; i < w->cfg->nwans; i++)
		wan = wan || is_of_use(w, &w->cfg->wans[i]);
	for (uint32_t i = 0; i < w->cfg->nlans; i++)
		lan = lan || !w->lan_missed[i];
	return (wan && lan) || w->opts->settled;
}

/* Without NAT the table is only to write marks into conntrack's entries, where there are any. */
static bool is_only_marks(const struct work *w, const struct pcc_op *op)
{
	return (op->kind == PCC_OP_NAT_FIRST || op->kind == PCC_OP_NAT_LAST) && !w->cfg->nat4 &&
	       !w->cfg->nat6;
}

/* A step failed: is it passed over, as only one interface needs it? */
static bool pass_over(struct work *w, struct pcc_op *op, const struct pcc_err *why)
{
	enum pcc_step how = PCC_STEP_MISSED;

	if (op->wan_id && op->kind != PCC_OP_RELEASE)
		how = wan_misses(w, op);
	else if (op->lan_ifindex)
		lan_misses(w, op);
	else if (!is_only_marks(w, op))
		return false;
	if (!others_left(w))
		return false;
	op->skipped = true;
	if (w->opts->step)
		w->opts->step(w->s, op, how, why, w->opts->arg);
	if (w->opts->warn)
		w->opts->warn(why);
	return true;
}

/* Does the step come after one that its interface has missed? */
static bool comes_too_late(const struct work *w, const struct pcc_op *op)
{
	uint8_t families = families_of(op);

	if (op->kind == PCC_OP_RELEASE)
		return false;
	if (op->wan_id && families && (w->missed[op->wan_id] & families) == families)
		return true;
	for (uint32_t i = 0; op->lan_ifindex && i < w->cfg->nlans; i++)
		if (w->lan_missed[i] && w->cfg->lans[i].ifindex == op->lan_ifindex)
			return true;
	return false;
}

/* --- doing it ------------------------------------------------------------------------------ */

/*
 * Test aid: PCCBPF_FAIL_AT=N makes step N fail, so that undoing is tested for every step.
 */
static bool fails_at(size_t step)
{
	const char *at = getenv("PCCBPF_FAIL_AT");

	return at && strtoul(at, NULL, 10) == step + 1;
}

static void tell_step(struct work *w, const struct pcc_op *op, enum pcc_step how)
{
	if (w->opts->step)
		w->opts->step(w->s, op, how, NULL, w->opts->arg);
}

/* One step. 0 also where it is passed over. */
static int take_step(struct work *w, struct pcc_op *op, struct pcc_err *why)
{
	int ret;

	op->skipped = comes_too_late(w, op);
	if (op->skipped)
		return 0;
	tell_step(w, op, PCC_STEP_NEXT);
	ret = do_op(w, op, why);
	if (!ret)
		tell_step(w, op, PCC_STEP_DONE);
	return ret && pass_over(w, op, why) ? 0 : ret;
}

static int carry_out(struct work *w, struct pcc_plan *plan, struct pcc_err *err)
{
	size_t done;
	int ret = 0;

	for (done = 0; done < plan->n; done++) {
		struct pcc_err why = {};

		if (fails_at(done))
			ret = pcc_err_set(&why, -ECANCELED, "PCCBPF_FAIL_AT",
				"step %zu fails as asked", done + 1);
		else
			ret = take_step(w, &plan->ops[done], &why);
		if (ret && err)
			*err = why;
		if (ret)
			break;
	}
	if (!ret)
		return 0;
	while (done > 0)
		if (!plan->ops[--done].skipped)
			undo_op(w, &plan->ops[done]);
	undo_new_hooks(w);
	return ret;
}

/*
 * Is another instance at work in this network namespace, from another pin directory? Rules, tables
 * and the nft table would be shared.
 */
static int check_alone(struct pcc_session *s, const struct pcc_observed *now, struct pcc_err *err)
{
	for (size_t i = 0; i < now->links.n; i++) {
		uint32_t ifindex = now->links.v[i].ifindex;

		if (!pcc_hook_is_foreign(&s->dp, ifindex, PCC_HOOK_IN) &&
			!pcc_hook_is_foreign(&s->dp, ifindex, PCC_HOOK_OUT))
			continue;
		pcc_err_set(err, -EBUSY, now->links.v[i].name,
			"pccbpf is attached to it from another pin directory");
		return pcc_err_hint(err, -EBUSY, "name that directory with --bpffs DIR");
	}
	return 0;
}

/* A fresh attach that failed leaves nothing; one that was interrupted before is cleared away first.
 */
static int prepare(struct pcc_session *s, struct pcc_config *cfg, const struct pcc_apply_opts *opts,
	struct pcc_err *err)
{
	int ret;

	if (s->state == PCC_DP_DAMAGED) {
		*err = s->why;
		return -EBADF;
	}
	if (s->state == PCC_DP_INCOMPLETE && !opts->dry_run) {
		bool made = s->dp.dir_made;

		ret = pcc_detach(s, false, false, opts->warn, err);
		if (ret)
			return ret;
		s->state = PCC_DP_ABSENT;
		s->dp.dir_made = made;
		close(s->dp.lock_fd); /* the directory may be gone; a lock of our own would bar us
				       */
		s->dp.lock_fd = -1;
		ret = pcc_dp_lock(&s->dp, true, 1, err);
		if (ret)
			return ret;
	}
	if (s->state != PCC_DP_ATTACHED && !opts->attach) {
		pcc_err_set(err, -ENOENT, "not attached", "there is nothing to change");
		return pcc_err_hint(err, -ENOENT, "pccbpf attach --lan IF --wan IF,IF");
	}
	(void)cfg;
	return 0;
}

static int load_if_needed(struct pcc_session *s, const struct pcc_config *cfg,
	const struct pcc_apply_opts *opts, struct pcc_err *err)
{
	if (s->state == PCC_DP_ATTACHED && !pcc_dp_wants_load(&s->dp, cfg))
		return 0;
	if (opts->dry_run) {
		printf("bpf: load the programs, pin them in %s\n", s->dp.dir);
		return 0;
	}
	return pcc_dp_load(&s->dp, cfg, err);
}

static int plan_and_do(struct pcc_session *s, struct pcc_config *cfg, struct pcc_observed *now,
	const struct pcc_apply_opts *opts, struct pcc_err *err)
{
	struct work w = {
		.s = s,
		.cfg = cfg,
		.old = s->state == PCC_DP_ATTACHED ? &s->cfg : NULL,
		.opts = opts,
	};
	struct pcc_plan plan = {};
	int ret;

	ret = pcc_observe_locals(s, cfg, now, &w.locals, &w.nlocals, err);
	if (!ret && w.old)
		ret = pcc_observe_locals(s, w.old, now, &w.old_locals, &w.nold_locals, err);
	if (!ret)
		ret = pcc_observe_rest(s, cfg, now, w.locals, w.nlocals, err);
	if (!ret)
		ret = pcc_plan_make(&plan, cfg, w.old, now);
	if (ret)
		goto out;
	if (opts->dry_run) {
		if (plan.n || !opts->also)
			pcc_plan_print(&plan, stdout);
		if (opts->also)
			puts(opts->also);
		goto out;
	}
	ret = carry_out(&w, &plan, err);
	if (!ret && !w.old)
		pcc_dp_finish(&s->dp);
	if (!ret)
		pcc_fastpath_warn(s, cfg, w.old, opts->warn);
	if (!ret)
		pcc_warn_wans(s, cfg, w.old, now, opts->warn);
	if (!ret)
		pcc_flowtable_warn(&s->nl, cfg, opts->warn);
out:
	pcc_plan_free(&plan);
	free(w.locals);
	free(w.old_locals);
	return ret;
}

/* Settles what is open; the daemon's way takes what is missing as it is. */
static int settle(struct pcc_session *s, struct pcc_config *cfg, struct pcc_observed *now,
	const struct pcc_apply_opts *opts, struct pcc_err *err)
{
	struct pcc_err *trouble;
	int ret;

	if (!opts->settled)
		return pcc_settle(s, cfg, now, NULL, opts, err);
	trouble = calloc(PCC_MAX_WANS + 1, sizeof(*trouble));
	ret = trouble ? pcc_settle(s, cfg, now, trouble, opts, err) : -ENOMEM;
	if (!ret)
		opts->settled(cfg, now, trouble, opts->arg);
	free(trouble);
	return ret;
}

/*
 * What the kernel can do, before anything is decided by it. Where conntrack is a module, its
 * parameters, and its functions for BPF, are there once it is loaded.
 */
static void see_features(struct pcc_session *s, const struct pcc_apply_opts *opts)
{
	bool loaded = pcc_ct_present();

	if (!loaded && !opts->dry_run)
		pcc_ct_load();
	pcc_dp_see_features(&s->dp);
	if (loaded || !opts->dry_run || s->state == PCC_DP_ATTACHED)
		return;
	s->dp.no_ct = false;
	puts("modprobe -a nf_conntrack nf_conntrack_netlink");
}

static int apply_once(struct pcc_session *s, struct pcc_config *cfg,
	const struct pcc_apply_opts *opts, struct pcc_err *err)
{
	struct pcc_observed now = {};
	int ret;

	ret = prepare(s, cfg, opts, err);
	if (!ret)
		see_features(s, opts);
	if (!ret)
		ret = pcc_observe_network(s, cfg, &now, err);
	if (!ret)
		ret = settle(s, cfg, &now, opts, err);
	if (!ret && s->state != PCC_DP_ATTACHED)
		ret = check_alone(s, &now, err);
	if (!ret)
		ret = load_if_needed(s, cfg, opts, err);
	if (!ret)
		ret = plan_and_do(s, cfg, &now, opts, err);
	if (ret && s->state == PCC_DP_ABSENT && !opts->dry_run)
		pcc_dp_remove(&s->dp);
	pcc_observed_free(&now);
	return ret;
}

int pcc_apply(struct pcc_session *s, struct pcc_config *cfg, const struct pcc_apply_opts *opts,
	struct pcc_err *err)
{
	int ret = apply_once(s, cfg, opts, err);
	struct pcc_err why = {};

	/* The NAT table has conntrack loaded, too: also where it could not be asked for alone. */
	if (ret || opts->dry_run || !pcc_dp_gained_ct(&s->dp))
		return ret;
	s->cfg = *cfg;
	s->state = PCC_DP_ATTACHED;
	/* What was asked for is done, and stays: only the fast path would come on top. */
	if (apply_once(s, cfg, opts, &why) && opts->warn) {
		pcc_err_hint(&why, 0, "there is no fast path until the same command succeeds");
		opts->warn(&why);
	}
	return 0;
}
