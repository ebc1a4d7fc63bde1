// SPDX-License-Identifier: GPL-2.0-only
/* The command use: runs a command whose connections all leave by one WAN. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/array.h"
#include "kernel/cgroup.h"
#include "cli/cmds.h"

/* Exit statuses as env(1) and shells have them for a command that was not run. */
#define EXIT_OURS 125
#define EXIT_CANNOT_RUN 126
#define EXIT_NOT_FOUND 127
#define EXIT_BY_SIGNAL 128

static volatile sig_atomic_t child;

static void pass_on(int sig)
{
	if (child > 0)
		kill(child, sig);
}

/* Signals that are passed on to the command. Those of the terminal reach both processes anyway. */
static const int passed[] = {SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
static const int ignored[] = {SIGINT, SIGQUIT};

#define N_PASSED (COUNT(passed))
#define N_IGNORED (COUNT(ignored))

static void run_child(const struct pcc_cgroup *cg, char *const *argv, const struct sigaction *was)
{
	int ret = pcc_cgroup_enter(cg);
	struct pcc_err err = {};

	for (size_t i = 0; i < N_PASSED; i++)
		sigaction(passed[i], &was[i], NULL);
	for (size_t i = 0; i < N_IGNORED; i++)
		sigaction(ignored[i], &was[N_PASSED + i], NULL);
	if (ret) {
		pcc_err_set(&err, ret, cg->path, "cannot be entered: %s", strerror(-ret));
	} else {
		execvp(argv[0], argv);
		ret = -errno;
		pcc_err_set(&err, ret, argv[0], "cannot be run: %s", strerror(errno));
	}
	pcc_err_print(&err);
	_exit(ret == -ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN);
}

static int exit_status(int status)
{
	return WIFSIGNALED(status) ? EXIT_BY_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Runs the command in the group. Returns its exit status. */
static int run(const struct pcc_cgroup *cg, char *const *argv)
{
	struct sigaction was[N_PASSED + N_IGNORED];
	struct sigaction pass = {.sa_handler = pass_on, .sa_flags = SA_RESTART};
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct pcc_err err = {};
	sigset_t all, before;
	int status;

	/* Signals that arrive before the child's process id is known are blocked until then. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	for (size_t i = 0; i < N_PASSED; i++)
		sigaction(passed[i], &pass, &was[i]);
	for (size_t i = 0; i < N_IGNORED; i++)
		sigaction(ignored[i], &ignore, &was[N_PASSED + i]);
	fflush(NULL);
	child = fork();
	if (child == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		run_child(cg, argv, was);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (child < 0) {
		pcc_err_set(&err, -errno, argv[0], "cannot be run: %s", strerror(errno));
		pcc_cmd_failed(&err);
		return EXIT_OURS;
	}
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_OURS;
	return exit_status(status);
}

/* Finds the mark and the mask of the WAN. */
static int find_mark(struct pcc_session *s, const char *name, uint32_t *mark, uint32_t *mask,
	struct pcc_err *err)
{
	const struct pcc_wan_cfg *wan = pcc_config_find_wan_const(&s->cfg, name);

	if (!wan) {
		pcc_err_set(err, -ENOENT, "WAN", "'%s' is not attached", name);
		return pcc_err_hint(err, -ENOENT, "pccbpf wan list");
	}
	*mask = s->cfg.mark_mask;
	*mark = wan->id << pcc_mark_shift(*mask);
	return 0;
}

int pcc_cmd_use(const struct pcc_args *args)
{
	uint32_t mark = 0, mask = 0;
	struct pcc_cgroup cg = {};
	struct pcc_err err = {};
	struct pcc_session s;
	int status;

	status = pcc_cmd_open(&s, args, PCC_SESSION_READ);
	if (!status && find_mark(&s, args->words[0], &mark, &mask, &err))
		status = pcc_cmd_failed(&err);
	pcc_session_close(&s);
	if (!status && pcc_cgroup_make(&cg, mark, mask, &err))
		status = pcc_cmd_failed(&err);
	if (status)
		return EXIT_OURS;
	status = run(&cg, args->rest);
	pcc_cgroup_remove(&cg);
	return status;
}
