// SPDX-License-Identifier: GPL-2.0-only
/* Applies a configuration: settles, observes, loads, plans and carries out. */
#include "engine/apply.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/carry.h"
#include "kernel/conntrack.h"
#include "engine/fastpath.h"
#include "kernel/flowtable.h"
#include "engine/observe.h"
#include "engine/plan.h"
#include "engine/settle.h"
#include "engine/step_table.h"
#include "engine/warn_wans.h"

/*
 * Is another instance, with another pin directory, attached in this network namespace? Both would
 * use the same rules, tables and nft table.
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

/*
 * Gets the pin directory ready. What an interrupted attach left is removed first, so that an attach
 * that fails leaves nothing behind.
 */
static int prepare(struct pcc_session *s, const struct pcc_apply_opts *opts, struct pcc_err *err)
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
		/* The directory may have been removed, and our own lock would block us. */
		close(s->dp.lock_fd);
		s->dp.lock_fd = -1;
		ret = pcc_dp_lock(&s->dp, true, 1, err);
		if (ret)
			return ret;
	}
	if (s->state != PCC_DP_ATTACHED && !opts->attach) {
		pcc_err_set(err, -ENOENT, "not attached", "there is nothing to change");
		return pcc_err_hint(err, -ENOENT, "pccbpf attach --lan IF --wan IF,IF");
	}
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
	struct pcc_work w = {
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
	ret = pcc_carry_out(&w, &plan, err);
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

/*
 * Settles what the configuration leaves open. For the daemon a missing interface or gateway is no
 * error.
 */
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
 * Finds out what the kernel can do, before anything is decided. If conntrack is a module, its
 * sysctls and its functions for BPF exist only once it is loaded.
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

	ret = prepare(s, opts, err);
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

	/* The NAT table makes the kernel load conntrack, even if loading it by a request failed. */
	if (ret || opts->dry_run || !pcc_dp_gained_ct(&s->dp))
		return ret;
	s->cfg = *cfg;
	s->state = PCC_DP_ATTACHED;
	/*
	 * The configuration is in force and stays so even if this fails: only the fast path would
	 * be added.
	 */
	if (apply_once(s, cfg, opts, &why) && opts->warn) {
		pcc_err_hint(&why, 0, "there is no fast path until the same command succeeds");
		opts->warn(&why);
	}
	return 0;
}
