// SPDX-License-Identifier: GPL-2.0-only
/* Runs the user's scripts as child processes of the event loop. */
#include "base/clock.h"
#include "daemon/hook_run.h"
#include "base/array.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

struct script {
	struct pcc_hook_runner *runner;
	struct pcc_hook_conf conf; /* path "": this entry is free */
	struct pcc_event queue[PCC_HOOK_QUEUE];
	uint32_t first, n;
	pid_t pid; /* 0: the script is not running */
	bool terminated, lost;
	sd_event_source *child, *timer;
};

struct pcc_hook_runner {
	sd_event *loop;
	pcc_hook_fn fn;
	void *arg;
	struct script *scripts[PCC_MAX_HOOKS]; /* NULL: no script */
};

/* --- one script ---------------------------------------------------------------------------- */

#define VARS 8

static void make_env(const struct pcc_event *e, char text[VARS][320], char *env[VARS + 1])
{
	const struct {
		const char *name, *value;
	} vars[] = {
		{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		{"PCCBPF_EVENT", pcc_event_name(e->kind)},
		{"PCCBPF_WAN", e->wan},
		{"PCCBPF_OLD", e->old_state},
		{"PCCBPF_NEW", e->new_state},
		{"PCCBPF_REASON", e->reason},
	};
	size_t n = COUNT(vars);

	for (size_t i = 0; i < n; i++) {
		snprintf(text[i], 320, "%s=%s", vars[i].name, vars[i].value);
		env[i] = text[i];
	}
	snprintf(text[n], 320, "PCCBPF_TIME=%llu", (unsigned long long)(e->time_us / 1000000));
	env[n] = text[n];
	env[n + 1] = NULL;
}

/*
 * Starts the script in its own process group, with no signal blocked, and with /dev/null as its
 * input.
 */
static int spawn(const char *path, const struct pcc_event *e, pid_t *pid)
{
	char text[VARS][320], *env[VARS + 1], *argv[] = {(char *)path, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int ret;

	make_env(e, text, env);
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(
		&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	ret = posix_spawn(pid, path, &files, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return -ret;
}

static void start_next(struct script *s);

static void tell(const struct script *s, const char *what)
{
	s->runner->fn(s->conf.path, what, s->runner->arg);
}

static void script_free(struct script *s)
{
	sd_event_source_disable_unref(s->child);
	sd_event_source_disable_unref(s->timer);
	free(s);
}

static int on_exit_of(sd_event_source *source, const siginfo_t *si, void *arg)
{
	struct script *s = arg;
	char what[64];

	(void)source;
	kill(-s->pid, SIGKILL); /* processes that it left behind are in its process group */
	s->pid = 0;
	s->child = sd_event_source_disable_unref(s->child);
	s->timer = sd_event_source_disable_unref(s->timer);
	if (s->terminated) {
		snprintf(what, sizeof(what), "ended after %u ms: too slow", s->conf.timeout_ms);
		tell(s, what);
	} else if (si->si_code != CLD_EXITED || si->si_status) {
		snprintf(what, sizeof(what), "%s %d",
			si->si_code == CLD_EXITED ? "failed with status" : "ended by signal",
			si->si_status);
		tell(s, what);
	}
	if (!s->conf.path[0]) /* the script is no longer in the configuration */
		script_free(s);
	else
		start_next(s);
	return 0;
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *arg)
{
	struct script *s = arg;

	(void)usec;
	kill(-s->pid, s->terminated ? SIGKILL : SIGTERM);
	if (s->terminated)
		return 0;
	s->terminated = true;
	sd_event_source_set_time(source, pcc_now_us() + PCC_HOOK_KILL_MS * 1000);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void start_next(struct script *s)
{
	sd_event *loop = s->runner->loop;
	struct pcc_event e;
	int ret;

	if (s->pid || !s->n)
		return;
	e = s->queue[s->first];
	s->first = (s->first + 1) % PCC_HOOK_QUEUE;
	s->n--;
	s->terminated = false;
	ret = spawn(s->conf.path, &e, &s->pid);
	if (ret) {
		s->pid = 0;
		tell(s, strerror(-ret));
		return;
	}
	ret = sd_event_add_child(loop, &s->child, s->pid, WEXITED, on_exit_of, s);
	if (ret >= 0)
		ret = sd_event_add_time(loop, &s->timer, CLOCK_MONOTONIC,
			pcc_now_us() + s->conf.timeout_ms * 1000ull, 10000, on_timeout, s);
	if (ret < 0)
		tell(s, "cannot be watched");
}

static void enqueue(struct script *s, const struct pcc_event *e)
{
	bool full = s->n == PCC_HOOK_QUEUE;

	if (full) {
		s->first = (s->first + 1) % PCC_HOOK_QUEUE;
		s->n--;
		if (!s->lost)
			tell(s, "is too slow, events are given up");
	}
	s->lost = full; /* reported once, until there is room again */
	s->queue[(s->first + s->n++) % PCC_HOOK_QUEUE] = *e;
	start_next(s);
}

/* --- all of them --------------------------------------------------------------------------- */

int pcc_hook_runner_new(struct pcc_hook_runner **h, sd_event *loop, pcc_hook_fn fn, void *arg)
{
	*h = calloc(1, sizeof(**h));
	if (!*h)
		return -ENOMEM;
	(*h)->loop = sd_event_ref(loop);
	(*h)->fn = fn;
	(*h)->arg = arg;
	return 0;
}

void pcc_hook_runner_free(struct pcc_hook_runner *h)
{
	if (!h)
		return;
	for (uint32_t i = 0; i < PCC_MAX_HOOKS; i++) {
		struct script *s = h->scripts[i];

		if (!s)
			continue;
		if (s->pid > 0)
			kill(-s->pid, SIGKILL);
		script_free(s);
	}
	sd_event_unref(h->loop);
	free(h);
}

static struct script *take_script(struct script **old, const struct pcc_hook_conf *conf)
{
	for (uint32_t i = 0; i < PCC_MAX_HOOKS; i++) {
		struct script *s = old[i];

		if (!s || strcmp(s->conf.path, conf->path))
			continue;
		old[i] = NULL;
		return s;
	}
	return calloc(1, sizeof(struct script));
}

/* Drops a script that is no longer wanted. If it is running it may end first. */
static void give_up(struct script *s)
{
	if (!s)
		return;
	s->n = 0;
	s->conf.path[0] = '\0';
	if (!s->pid)
		script_free(s);
}

void pcc_hook_runner_configure(
	struct pcc_hook_runner *h, const struct pcc_hook_conf *hooks, uint32_t n)
{
	struct script *old[PCC_MAX_HOOKS];

	memcpy(old, h->scripts, sizeof(old));
	memset(h->scripts, 0, sizeof(h->scripts));
	for (uint32_t i = 0; i < n && i < PCC_MAX_HOOKS; i++) {
		h->scripts[i] = take_script(old, &hooks[i]);
		if (!h->scripts[i])
			continue;
		h->scripts[i]->runner = h;
		h->scripts[i]->conf = hooks[i];
	}
	for (uint32_t i = 0; i < PCC_MAX_HOOKS; i++)
		give_up(old[i]);
}

void pcc_hook_runner_event(struct pcc_hook_runner *h, const struct pcc_event *e)
{
	for (uint32_t i = 0; i < PCC_MAX_HOOKS; i++)
		if (h->scripts[i])
			enqueue(h->scripts[i], e);
}
