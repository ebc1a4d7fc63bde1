// SPDX-License-Identifier: GPL-2.0-only
/* Takes a change back unless it is confirmed in time; confirm.h describes how. */
#include "engine/confirm.h"
#include "base/clock.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define LOCK_WAIT_S 60u
#define TRIES 10
#define PAUSE_S 3u

/*
 * The messages through the socket: the child is ready; then that the change is done, or was
 * cancelled.
 */
#define READY 'r'
#define GO 'g'
#define CANCEL 'c'

/*
 * Returns when the process started, in ticks: field 22 of /proc/PID/stat (proc(5)). 0: there is no
 * such process.
 */
static uint64_t started(uint32_t pid)
{
	char path[32], line[512];
	unsigned long long ticks = 0;
	char state = 0, *rest;
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	len = fread(line, 1, sizeof(line) - 1, f);
	line[len] = '\0';
	fclose(f);
	rest = strrchr(line, ')'); /* the name before the last ')' may contain anything */
	if (!rest || sscanf(rest + 1, " %c", &state) != 1 || state == 'Z' || state == 'X')
		return 0;
	for (int field = 2; rest && field < 22; field++)
		rest = strchr(rest + 1, ' ');
	return rest && sscanf(rest, " %llu", &ticks) == 1 ? ticks : 0;
}

/* --- the pin -------------------------------------------------------------------------------- */

static void pin_path(const char *dir, char path[320])
{
	snprintf(path, 320, "%s/%s", dir, PCC_CONFIRM_PIN);
}

static int pin_read(const char *dir, struct pcc_confirm *c)
{
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info), zero = 0;
	char path[320];
	int fd, ret = 0;

	pin_path(dir, path);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -errno;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) || info.value_size != sizeof(*c))
		ret = -EBADF;
	else if (bpf_map_lookup_elem(fd, &zero, c))
		ret = -errno;
	close(fd);
	return ret;
}

static void pin_remove(const char *dir)
{
	char path[320];

	pin_path(dir, path);
	unlink(path);
}

static int pin_write(const char *dir, const struct pcc_confirm *c, struct pcc_err *err)
{
	uint32_t zero = 0;
	char path[320];
	int fd, ret = 0;

	pin_path(dir, path);
	unlink(path);
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, PCC_CONFIRM_PIN, 4, sizeof(*c), 1, NULL);
	if (fd < 0 || bpf_map_update_elem(fd, &zero, c, BPF_ANY) || bpf_obj_pin(fd, path))
		ret = pcc_err_set(err, -errno, path, "cannot be made: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return ret;
}

enum pcc_confirm_state pcc_confirm_look(const char *dir, uint32_t *left_s)
{
	struct pcc_confirm c;
	uint64_t now = pcc_clock_ns(CLOCK_BOOTTIME) / 1000000;

	*left_s = 0;
	if (pin_read(dir, &c))
		return PCC_CONFIRM_NONE;
	if (!c.started || started(c.pid) != c.started)
		return PCC_CONFIRM_LOST;
	*left_s = c.deadline_ms > now ? (uint32_t)((c.deadline_ms - now + 999) / 1000) : 0;
	return PCC_CONFIRM_WAITING;
}

enum pcc_confirm_state pcc_confirm_keep(const char *dir)
{
	struct pcc_confirm c = {};
	uint32_t left;
	enum pcc_confirm_state state = pcc_confirm_look(dir, &left);
	int pidfd;

	if (state == PCC_CONFIRM_NONE)
		return state;
	pin_read(dir, &c);
	pin_remove(dir);
	/* The pin has decided; the signal only ends the wait early. */
	pidfd = state == PCC_CONFIRM_WAITING ? (int)syscall(SYS_pidfd_open, c.pid, 0) : -1;
	if (pidfd < 0)
		return state;
	if (started(c.pid) == c.started)
		syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0);
	close(pidfd);
	return state;
}

/* --- going back ----------------------------------------------------------------------------- */

int pcc_rollback_take(struct pcc_rollback *back, struct pcc_session *s, struct pcc_err *err)
{
	int ret;

	memset(back, 0, sizeof(*back));
	snprintf(back->dir, sizeof(back->dir), "%s", s->dp.dir);
	back->attached = s->state == PCC_DP_ATTACHED;
	if (!back->attached)
		return 0;
	back->conf = calloc(1, sizeof(*back->conf));
	if (!back->conf)
		return pcc_err_set(err, -ENOMEM, "memory", "cannot be had");
	ret = pcc_conf_running(s, back->conf, NULL, err);
	if (!ret)
		ret = pcc_conf_load_kept(s->dp.dir, &back->kept, err);
	back->conf->base = s->cfg;
	return ret;
}

void pcc_rollback_free(struct pcc_rollback *back)
{
	if (back->conf)
		pcc_conf_free(back->conf);
	free(back->conf);
	pcc_conf_kept_free(&back->kept);
	memset(back, 0, sizeof(*back));
}

static void tell(const struct pcc_err *w)
{
	syslog(LOG_WARNING, "%s: %s", w->object, w->cause);
}

/*
 * Tries once to go back. ours: only if our pin is still there. Returns 0 if nothing more has to be
 * done.
 */
static int go_back(const struct pcc_rollback *back, bool ours, struct pcc_err *err)
{
	const struct pcc_apply_opts opts = {.warn = tell};
	struct pcc_session s = {};
	struct pcc_confirm c = {};
	int ret;

	ret = pcc_session_open(&s, back->dir, PCC_SESSION_CHANGE, LOCK_WAIT_S, err);
	if (!ret && ours && (pin_read(back->dir, &c) || c.pid != (uint32_t)getpid())) {
		pcc_session_close(&s); /* confirmed or detached in the meantime */
		return 0;
	}
	if (!ret && back->attached)
		ret = pcc_conf_restore(&s, back->conf, &back->kept, &opts, err);
	else if (!ret)
		ret = pcc_detach(&s, false, false, tell, err);
	if (!ret) {
		pin_remove(back->dir);
		syslog(LOG_WARNING, "%s: not confirmed in time, %s", back->dir,
			back->attached ? "the configuration before is back" : "detached");
	}
	pcc_session_close(&s);
	return ret;
}

static void go_back_surely(const struct pcc_rollback *back, bool ours)
{
	const struct timespec pause = {.tv_sec = PAUSE_S};
	struct pcc_err err = {};

	for (int i = 0; i < TRIES; i++) {
		if (!go_back(back, ours, &err))
			return;
		syslog(LOG_ERR, "%s: cannot go back: %s: %s", back->dir, err.object, err.cause);
		nanosleep(&pause, NULL);
	}
}

/* --- the process that waits ----------------------------------------------------------------- */

/*
 * Detaches the process from the terminal, closes its files, and blocks all signals except those
 * that end the wait.
 */
static void leave_terminal(int fd, sigset_t *wake)
{
	int null = open("/dev/null", O_RDWR);

	setsid();
	for (int i = 0; null >= 0 && i < 3; i++)
		dup2(null, i);
	if (fd != 3)
		dup2(fd, 3);
	syscall(SYS_close_range, 4, ~0u, 0);
	if (chdir("/"))
		syslog(LOG_DEBUG, "stays where it is");
	sigemptyset(wake);
	sigaddset(wake, SIGTERM);
	sigaddset(wake, SIGINT);
	sigprocmask(SIG_BLOCK, wake, NULL);
	openlog("pccbpf", LOG_PID, LOG_DAEMON);
}

/* Waits until the deadline, or until a signal ends the wait; the pin then says what to do. */
static void wait_until(uint64_t deadline_ms, const sigset_t *wake)
{
	for (uint64_t now = pcc_clock_ns(CLOCK_BOOTTIME) / 1000000; now < deadline_ms;
		now = pcc_clock_ns(CLOCK_BOOTTIME) / 1000000) {
		struct timespec left = {.tv_sec = (time_t)((deadline_ms - now) / 1000),
			.tv_nsec = (long)((deadline_ms - now) % 1000) * 1000000};

		if (sigtimedwait(wake, NULL, &left) > 0)
			return;
	}
}

__attribute__((noreturn)) static void wait_and_go_back(int fd, const struct pcc_rollback *back)
{
	const char ready = READY;
	uint64_t deadline_ms;
	sigset_t wake;
	char word = 0;

	leave_terminal(fd, &wake);
	if (write(3, &ready, 1) != 1)
		_exit(1);
	if (read(3, &word, 1) == 1 && word == CANCEL)
		_exit(0);
	if (word != GO || read(3, &deadline_ms, sizeof(deadline_ms)) != sizeof(deadline_ms)) {
		/* the command was killed during its change */
		go_back_surely(back, false);
		_exit(0);
	}
	close(3);
	wait_until(deadline_ms, &wake);
	go_back_surely(back, true);
	_exit(0);
}

int pcc_waiter_start(struct pcc_waiter *w, const struct pcc_rollback *back, struct pcc_err *err)
{
	int fds[2];
	char word = 0;
	pid_t pid;

	w->fd = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return pcc_err_set(err, -errno, "--confirm", "%s", strerror(errno));
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		wait_and_go_back(fds[1], back);
	}
	close(fds[1]);
	if (pid < 0 || read(fds[0], &word, 1) != 1 || word != READY) {
		close(fds[0]);
		return pcc_err_set(err, -EAGAIN, "--confirm", "no process can be started to wait");
	}
	w->fd = fds[0];
	w->pid = (uint32_t)pid;
	return 0;
}

int pcc_waiter_go(struct pcc_waiter *w, const char *dir, uint32_t seconds, struct pcc_err *err)
{
	struct pcc_confirm c = {
		.started = started(w->pid),
		.deadline_ms = pcc_clock_ns(CLOCK_BOOTTIME) / 1000000 + seconds * 1000ull,
		.pid = w->pid,
	};
	char words[1 + sizeof(c.deadline_ms)] = {GO};
	int ret = pin_write(dir, &c, err);

	if (ret)
		return ret;
	memcpy(words + 1, &c.deadline_ms, sizeof(c.deadline_ms));
	if (send(w->fd, words, sizeof(words), MSG_NOSIGNAL) != (ssize_t)sizeof(words))
		return pcc_err_set(err, -EPIPE, "--confirm", "the waiting process is gone");
	close(w->fd);
	w->fd = -1;
	return 0;
}

void pcc_waiter_cancel(struct pcc_waiter *w)
{
	const char cancel = CANCEL;

	if (w->fd < 0)
		return;
	send(w->fd, &cancel, 1, MSG_NOSIGNAL);
	close(w->fd);
	w->fd = -1;
}
