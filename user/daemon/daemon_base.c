// SPDX-License-Identifier: GPL-2.0-only
/* What all parts of the daemon need: timers, reporting, when to look next, the file in force. */
#include "daemon/daemon.h"
#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void log_event(const struct pcc_event *e)
{
	bool bad = e->kind == PCC_EVENT_ALARM || e->kind == PCC_EVENT_ERROR;
	char line[PCC_EVENT_BYTES];
	const char *text;

	pcc_event_text(e, line, sizeof(line));
	text = strchr(line, ' '); /* the log has its own time */
	fprintf(stderr, "%s%s", getenv("JOURNAL_STREAM") ? bad ? "<3>" : "<6>" : "pccbpf: ",
		text ? text + 1 : line);
}

void pcc_daemon_tell(struct pcc_daemon *d, enum pcc_event_kind kind, const char *wan,
	const char *old_state, const char *new_state, const char *format, ...)
{
	struct pcc_event e = {.time_us = pcc_clock_ns(CLOCK_REALTIME) / 1000, .kind = kind};
	va_list args;

	snprintf(e.wan, sizeof(e.wan), "%s", wan ? wan : "");
	snprintf(e.old_state, sizeof(e.old_state), "%s", old_state ? old_state : "");
	snprintf(e.new_state, sizeof(e.new_state), "%s", new_state ? new_state : "");
	va_start(args, format);
	vsnprintf(e.reason, sizeof(e.reason), format, args);
	va_end(args);
	log_event(&e);
	if (d->monitor)
		pcc_monitor_send(d->monitor, &e);
	/*
	 * Hooks are not run for errors, as failing hooks would never end; and not at the end, when
	 * the daemon could not watch them.
	 */
	if (d->hooks && kind != PCC_EVENT_ERROR && kind != PCC_EVENT_STOP)
		pcc_hook_runner_event(d->hooks, &e);
}

void pcc_daemon_arm(sd_event_source *timer, uint64_t at_ms)
{
	sd_event_source_set_time(timer, at_ms * 1000);
	sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

void pcc_daemon_look_soon(struct pcc_daemon *d, uint32_t quiet_ms)
{
	uint64_t now = pcc_now_ms(), due = pcc_debounce_heard(&d->debounce, now, quiet_ms);
	uint64_t until = pcc_fight_until(&d->fight);

	pcc_daemon_arm(d->look_timer, due < until ? until : due);
}

void pcc_daemon_conf_free(struct pcc_conf **conf)
{
	if (*conf)
		pcc_conf_free(*conf);
	free(*conf);
	*conf = NULL;
}

void pcc_daemon_take_conf(struct pcc_daemon *d, struct pcc_conf *conf)
{
	pcc_daemon_conf_free(&d->conf);
	d->conf = conf;
	pcc_hook_runner_configure(d->hooks, conf->hooks, conf->nhooks);
}
