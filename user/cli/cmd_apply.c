// SPDX-License-Identifier: GPL-2.0-only
/* The commands apply and confirm. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmds.h"
#include "engine/confirm.h"

/* What one run of apply works with. */
struct job {
	struct pcc_apply_opts opts;
	struct pcc_conf *conf;
	struct pcc_session s;
	uint32_t confirm_s; /* 0: the change need not be confirmed */
};

/*
 * Refuses to run while another apply waits to be confirmed, because the configuration that it goes
 * back to must not change meanwhile.
 */
static int check_nothing_waits(const struct job *j, struct pcc_err *err)
{
	uint32_t left;

	if (j->opts.dry_run || pcc_confirm_look(j->s.dp.dir, &left) != PCC_CONFIRM_WAITING)
		return 0;
	pcc_err_set(err, -EBUSY, "apply",
		"the configuration before this one waits %u s more to be confirmed", left);
	return pcc_err_hint(err, -EBUSY, "pccbpf confirm keeps it");
}

/* Applies a change that is taken back unless it is confirmed. */
static int apply_for_now(struct job *j, struct pcc_err *err)
{
	struct pcc_rollback back;
	struct pcc_waiter waiter;
	int ret;

	ret = pcc_rollback_take(&back, &j->s, err);
	if (!ret)
		ret = pcc_waiter_start(&waiter, &back, err);
	if (ret)
		goto out;
	ret = pcc_conf_apply(&j->s, j->conf, &j->opts, err);
	if (ret) {
		pcc_waiter_cancel(&waiter);
		goto out;
	}
	ret = pcc_waiter_go(&waiter, j->s.dp.dir, j->confirm_s, err);
	if (ret && waiter.fd >= 0)
		close(waiter.fd); /* the process goes back at once, as if we had been killed */
out:
	pcc_rollback_free(&back);
	return ret;
}

static int apply(struct job *j, const struct pcc_args *args, struct pcc_err *err)
{
	enum pcc_session_mode mode = j->opts.dry_run ? PCC_SESSION_CHANGE : PCC_SESSION_CREATE;
	unsigned int wait_s;
	int ret;

	ret = pcc_cmd_wait(args, &wait_s, err);
	if (!ret)
		ret = pcc_session_open(&j->s, pcc_cmd_dir(args), mode, wait_s, err);
	if (ret)
		return ret;
	ret = check_nothing_waits(j, err);
	if (!ret && j->confirm_s && !j->opts.dry_run)
		ret = apply_for_now(j, err);
	else if (!ret)
		ret = pcc_conf_apply(&j->s, j->conf, &j->opts, err);
	if (ret && j->s.state == PCC_DP_ABSENT && !j->opts.dry_run)
		pcc_dp_remove(&j->s.dp); /* the directory that was made for the lock */
	return ret;
}

int pcc_cmd_apply(const struct pcc_args *args)
{
	const char *file = args->nwords ? args->words[0] : PCC_DEF_CONF_FILE;
	const char *confirm = pcc_args_value(args, PCC_OPT_CONFIRM, NULL);
	struct job j = {
		.opts = {.attach = true,
			.dry_run = args->opt[PCC_OPT_DRY_RUN].set,
			.warn = pcc_warn_print},
		.conf = calloc(1, sizeof(*j.conf)),
	};
	struct pcc_err err = {};
	int status = PCC_EXIT_OK;

	if (!j.conf)
		return PCC_EXIT_FAILED;
	if (confirm && pcc_parse_u32(confirm, "--confirm", PCC_DECIMAL, 1, PCC_MAX_CONFIRM_S,
			       &j.confirm_s, &err))
		status = pcc_cmd_misused(&err);
	else if (pcc_conf_read(file, PCC_CONF_FILES, j.conf, NULL, &err) || apply(&j, args, &err))
		status = pcc_cmd_failed(&err);
	if (!status && !j.opts.dry_run)
		pcc_cmd_report(&j.conf->base);
	if (!status && !j.opts.dry_run && j.confirm_s)
		printf("taken back in %u s unless you type: pccbpf confirm\n", j.confirm_s);
	pcc_session_close(&j.s);
	pcc_conf_free(j.conf);
	free(j.conf);
	return status;
}

int pcc_cmd_confirm(const struct pcc_args *args)
{
	struct pcc_session s;
	struct pcc_err err = {};
	int status = pcc_cmd_open(&s, args, PCC_SESSION_CHANGE);

	if (status)
		goto out;
	switch (pcc_confirm_keep(s.dp.dir)) {
	case PCC_CONFIRM_WAITING:
		puts("confirmed");
		break;
	case PCC_CONFIRM_LOST:
		pcc_err_set(&err, 0, "confirm",
			"the process that would have taken the configuration back was gone: it "
			"stays");
		pcc_warn_print(&err);
		break;
	case PCC_CONFIRM_NONE:
		pcc_err_set(&err, -ENOENT, "confirm", "nothing waits to be confirmed");
		pcc_err_hint(&err, -ENOENT, "pccbpf show config prints what runs");
		status = pcc_cmd_failed(&err);
		break;
	}
out:
	pcc_session_close(&s);
	return status;
}
