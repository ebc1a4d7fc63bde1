// SPDX-License-Identifier: GPL-2.0-only
/* The daemon's event loop: signals, netlink, timers; its start and end. */
#include "daemon/daemon.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "report/run.h"

/* For changes that the kernel does not announce: two ticks and a look take less than 1 s. */
#define TICK_MS 400u
#define BUSY_MS 50u	/* retry while another command is running */
#define RELOAD_TRIES 3u /* a device may disappear during the reload */
#define RETRY_MS 200u	/* after a failure; doubles each time */
#define RETRY_MAX_MS 5000u

/* Tells a new reader of `monitor` the present states. */
static void on_reader(struct pcc_monitor *m, int reader, void *arg)
{
	struct pcc_daemon *d = arg;

	for (uint32_t i = 0; i < PCC_MAX_WANS; i++) {
		const struct pcc_daemon_wan *w = &d->wans[i];
		struct pcc_event e = {
			.time_us = pcc_clock_ns(CLOCK_REALTIME) / 1000, .kind = PCC_EVENT_WAN};
		const char *state;

		if (!w->in_force)
			continue;
		state = pcc_wan_state_text(w->out.state, w->out.degraded, w->out.standby);
		memcpy(e.wan, w->name, sizeof(e.wan));
		snprintf(e.old_state, sizeof(e.old_state), "%s", state);
		snprintf(e.new_state, sizeof(e.new_state), "%s", state);
		snprintf(e.reason, sizeof(e.reason), "%s", w->out.reason);
		pcc_monitor_send_to(m, reader, &e);
	}
}

static void on_hook(const char *path, const char *what, void *arg)
{
	pcc_daemon_tell(arg, PCC_EVENT_ERROR, NULL, NULL, NULL, "hook %s: %s", path, what);
}

/* --- looking ------------------------------------------------------------------------------- */

static void tell_systemd(struct pcc_daemon *d)
{
	uint32_t used = 0, n = 0;

	for (uint32_t i = 0; i < PCC_MAX_WANS; i++) {
		n += d->wans[i].in_force;
		used += d->wans[i].in_force && d->wans[i].out.state == PCC_WAN_UP &&
			!d->wans[i].out.standby;
	}
	if (d->detached)
		sd_notify(0, "STATUS=detached");
	else
		sd_notifyf(0, "STATUS=%u of %u WANs in use%s", used, n,
			d->alarm ? ", none of them fit" : "");
}

/*
 * Tries to put a file in force that was read again. The configuration before is kept until that has
 * succeeded.
 */
static void try_conf(struct pcc_daemon *d, struct pcc_conf *conf)
{
	if (!d->before) {
		d->before = d->conf;
		d->conf = NULL;
	}
	pcc_daemon_take_conf(d, conf);
	d->conf_pending = true;
	d->failures = 0;
}

/* Ends a reload. If the file could not be put in force, the configuration before stays. */
static void end_reload(struct pcc_daemon *d, bool stands)
{
	if (!stands) {
		struct pcc_conf *before = d->before;

		d->before = NULL;
		d->conf_pending = false;
		pcc_daemon_take_conf(d, before);
		pcc_daemon_tell(d, PCC_EVENT_ERROR, NULL, NULL, NULL,
			"%s cannot be put in force; the old configuration stays", d->file);
	}
	pcc_daemon_conf_free(&d->before);
	sd_notify(0, "READY=1");
}

static int on_look(sd_event_source *source, uint64_t usec, void *arg)
{
	struct pcc_daemon *d = arg;
	uint64_t wait;
	int ret;

	(void)source;
	(void)usec;
	pcc_debounce_done(&d->debounce);
	ret = pcc_daemon_look(d);
	if (ret == -EBUSY) {
		pcc_daemon_look_soon(d, BUSY_MS);
	} else if (ret) {
		wait = RETRY_MS << (d->failures < 5 ? d->failures : 5);
		if (++d->failures == RELOAD_TRIES && d->before)
			end_reload(d, false);
		pcc_daemon_arm(
			d->look_timer, pcc_now_ms() + (wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS));
	} else {
		d->failures = 0;
		if (d->before && !d->conf_pending)
			end_reload(d, true);
		tell_systemd(d);
	}
	return 0;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *arg)
{
	struct pcc_daemon *d = arg;

	if (pcc_daemon_needs_look(d))
		pcc_daemon_look_soon(d, PCC_URGENT_MS);
	pcc_daemon_wans_note(d);
	(void)usec;
	pcc_daemon_arm(source, pcc_now_ms() + TICK_MS);
	return 0;
}

static void on_message(const struct nlmsghdr *nlh, uint32_t heard, void *arg)
{
	if (heard & PCC_HEARD_NEIGH)
		pcc_daemon_health_neigh(arg, nlh);
}

static int on_netlink(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct pcc_daemon *d = arg;
	bool route = fd == mnl_socket_get_fd(d->watch.route);
	uint32_t heard;

	(void)source;
	(void)revents;
	heard = pcc_watch_read(&d->watch, route ? d->watch.route : d->watch.nft, on_message, d);
	if (heard & PCC_HEARD_NFT)
		pcc_daemon_repair_nat(d);
	if (heard & ~PCC_HEARD_NEIGH)
		pcc_daemon_look_soon(d, heard & PCC_HEARD_LINK ? PCC_URGENT_MS : PCC_QUIET_MS);
	return 0;
}

/* --- signals ------------------------------------------------------------------------------- */

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
	struct pcc_daemon *d = arg;
	struct pcc_conf *conf = calloc(1, sizeof(*conf));
	struct pcc_err err = {};

	(void)source;
	(void)info;
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)pcc_now_us());
	if (!conf || pcc_conf_read(d->file, PCC_CONF_FILES, conf, NULL, &err)) {
		free(conf);
		pcc_daemon_tell(d, PCC_EVENT_ERROR, NULL, NULL, NULL,
			"%s: %s; the old configuration stays in force", err.object, err.cause);
		sd_notify(0, "READY=1");
		return 0;
	}
	try_conf(d, conf);
	pcc_daemon_look_soon(d, PCC_URGENT_MS);
	return 0;
}

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
	struct pcc_daemon *d = arg;

	(void)info;
	sd_notify(0, "STOPPING=1");
	pcc_daemon_tell(d, PCC_EVENT_STOP, NULL, NULL, NULL, "the data plane stays as it is");
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

static int add_signals(struct pcc_daemon *d)
{
	static const int stops[] = {SIGTERM, SIGINT};
	sigset_t set;
	int ret = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; !ret && i < COUNT(stops); i++)
		ret = sd_event_add_signal(d->loop, NULL, stops[i], on_stop, d);
	if (ret >= 0)
		ret = sd_event_add_signal(d->loop, NULL, SIGHUP, on_hangup, d);
	return ret < 0 ? ret : 0;
}

/* --- start and end ------------------------------------------------------------------------- */

static int add_timer(struct pcc_daemon *d, sd_event_source **timer, uint64_t accuracy_us,
	sd_event_time_handler_t fn)
{
	return sd_event_add_time(d->loop, timer, CLOCK_MONOTONIC, pcc_now_us(), accuracy_us, fn, d);
}

static int add_netlink(struct pcc_daemon *d, struct mnl_socket *sock)
{
	if (!sock)
		return 0;
	return sd_event_add_io(d->loop, NULL, mnl_socket_get_fd(sock), EPOLLIN, on_netlink, d);
}

static void on_reset(uint32_t told, uint32_t silent, void *arg)
{
	if (told || silent)
		pcc_daemon_tell(arg, PCC_EVENT_RESET, NULL, NULL, NULL,
			"%u connections were reset, %u clients did not answer", told, silent);
}

static int add_sources(struct pcc_daemon *d)
{
	int ret = sd_event_new(&d->loop);

	if (ret >= 0)
		ret = add_signals(d);
	if (ret >= 0)
		ret = add_netlink(d, d->watch.route);
	if (ret >= 0)
		ret = add_netlink(d, d->watch.nft);
	if (ret >= 0)
		ret = pcc_reset_new(&d->reset, d->loop, on_reset, d);
	if (ret >= 0)
		ret = pcc_hook_runner_new(&d->hooks, d->loop, on_hook, d);
	if (ret >= 0)
		ret = add_timer(d, &d->look_timer, 1000, on_look);
	if (ret >= 0)
		ret = add_timer(d, &d->tick_timer, 20000, on_tick);
	if (ret >= 0)
		ret = pcc_daemon_health_sample(d);
	return ret < 0 ? ret : 0;
}

static void daemon_free(struct pcc_daemon *d)
{
	if (!d)
		return;
	pcc_daemon_wans_free(d);
	pcc_reset_free(d->reset);
	pcc_monitor_free(d->monitor);
	pcc_hook_runner_free(d->hooks);
	pcc_nl_close(&d->asker);
	sd_event_source_unref(d->look_timer);
	sd_event_source_unref(d->tick_timer);
	sd_event_source_unref(d->sample_timer);
	sd_event_unref(d->loop);
	pcc_watch_close(&d->watch);
	pcc_session_close(&d->s);
	pcc_daemon_conf_free(&d->conf);
	pcc_daemon_conf_free(&d->before);
	if (d->run_lock >= 0)
		close(d->run_lock);
	free(d);
}

/* The first look, before READY. What cannot be put in force now is an error. */
static int start(struct pcc_daemon *d, struct pcc_err *err)
{
	uint64_t until = pcc_now_ms() + 10000;
	int ret = pcc_watch_open(&d->watch, err);

	if (ret)
		return ret;
	ret = pcc_nl_open(&d->asker, NETLINK_ROUTE);
	if (!ret)
		ret = add_sources(d);
	if (ret)
		return pcc_err_set(err, ret, "event loop", "%s", strerror(-ret));
	ret = pcc_monitor_new(&d->monitor, d->loop, d->dir, on_reader, d, err);
	if (ret)
		return ret;
	pcc_hook_runner_configure(d->hooks, d->conf->hooks, d->conf->nhooks);
	d->conf_pending = true;
	do
		ret = pcc_daemon_look(d);
	while (ret == -EBUSY && pcc_now_ms() < until && !usleep(BUSY_MS * 1000));
	if (ret)
		return pcc_err_set(err, ret, "daemon", "cannot start: %s",
			d->last_error[0] ? d->last_error : strerror(-ret));
	sd_event_source_set_enabled(d->look_timer, SD_EVENT_OFF);
	d->ready = true;
	malloc_trim(0); /* loading the programs takes megabytes for a moment */
	/*
	 * Not earlier, because the first sign of life starts the watchdog's clock, and a slow
	 * machine may need long to load the programs.
	 */
	sd_event_set_watchdog(d->loop, true);
	return 0;
}

int pcc_daemon_run(const char *file, const char *dir, struct pcc_err *err)
{
	struct pcc_daemon *d = calloc(1, sizeof(*d));
	int ret;

	if (!d)
		return pcc_err_set(err, -ENOMEM, "daemon", "%s", strerror(ENOMEM));
	d->file = file;
	d->dir = dir;
	d->run_lock = -1;
	pcc_dp_init(&d->s.dp, dir);
	d->conf = calloc(1, sizeof(*d->conf));
	ret = d->conf ? pcc_conf_read(file, PCC_CONF_FILES, d->conf, NULL, err) : -ENOMEM;
	if (!ret)
		ret = pcc_run_make(dir, err);
	if (!ret)
		ret = pcc_run_lock(dir, &d->run_lock, err);
	if (!ret)
		ret = start(d, err);
	if (!ret) {
		tell_systemd(d);
		sd_notify(0, "READY=1");
		ret = sd_event_loop(d->loop);
		if (ret)
			pcc_err_set(err, ret, "event loop", "%s", strerror(-ret));
	}
	if (d->detached)
		pcc_run_remove(dir);
	daemon_free(d);
	return ret;
}
