// SPDX-License-Identifier: GPL-2.0-only
/* Readers of the daemon's events: served, and dropped where they do not read. Hooks: timeouts. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/hook_run.h"
#include "daemon/monitor.h"
#include "report/run.h"

static char dir[64];
static sd_event *loop;

static int setup(void **state)
{
	sigset_t child;

	(void)state;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	snprintf(dir, sizeof(dir), "/tmp/pccbpf-unit-%d", getpid());
	return mkdir(dir, 0700) || sd_event_new(&loop) < 0;
}

static int teardown(void **state)
{
	char path[100];

	(void)state;
	snprintf(path, sizeof(path), "%s/script", dir);
	unlink(path);
	rmdir(dir);
	loop = sd_event_unref(loop);
	return 0;
}

static void nothing_at_first(struct pcc_monitor *m, int reader, void *arg)
{
	(void)m;
	(void)reader;
	++*(int *)arg;
}

static void turn(uint64_t wait_us)
{
	while (sd_event_run(loop, wait_us) > 0)
		;
}

static void a_reader_that_does_not_read_is_dropped(void **state)
{
	struct pcc_event e = {.kind = PCC_EVENT_REPAIR, .time_us = 1, .reason = "rules"};
	char pins[100], line[PCC_EVENT_BYTES];
	struct pcc_monitor *m;
	int lazy, keen, readers = 0, got = 0, left = 0;

	(void)state;
	snprintf(pins, sizeof(pins), "%s/pins", dir);
	if (geteuid() || pcc_run_make(pins, NULL))
		skip();
	assert_int_equal(pcc_monitor_connect(pins, NULL), -ENOENT);
	assert_int_equal(pcc_monitor_new(&m, loop, pins, nothing_at_first, &readers, NULL), 0);
	lazy = pcc_monitor_connect(pins, NULL);
	keen = pcc_monitor_connect(pins, NULL);
	assert_true(lazy >= 0 && keen >= 0);
	turn(10000);
	assert_int_equal(readers, 2);
	for (int i = 0; i < 5000; i++) {
		pcc_monitor_send(m, &e);
		got += recv(keen, line, sizeof(line), MSG_DONTWAIT) > 0;
	}
	assert_int_equal(got, 5000);
	/* What was queued for the other can still be read, then the connection ends. */
	while (recv(lazy, line, sizeof(line), MSG_DONTWAIT) > 0)
		left++;
	assert_true(left > 0 && left < 5000);
	assert_int_equal(recv(lazy, line, sizeof(line), MSG_DONTWAIT), 0);
	close(lazy);
	close(keen);
	turn(10000);
	pcc_monitor_free(m);
	pcc_run_remove(pins);
}

/* What the runner says of the script. */
static char said[8][64];
static int nsaid;

static void say(const char *path, const char *what, void *arg)
{
	(void)path;
	(void)arg;
	if (nsaid < 8)
		snprintf(said[nsaid++], sizeof(said[0]), "%s", what);
}

static void script(char path[100], const char *text)
{
	FILE *f;

	snprintf(path, 100, "%s/script", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s\n", text);
	fclose(f);
	assert_int_equal(chmod(path, 0700), 0);
}

static void scripts_end_in_time_and_are_told_of(void **state)
{
	static const struct {
		const char *text, *said;
	} rows[] = {
		{"exit 0", NULL},
		{"exit 3", "failed with status 3"},
		{"sleep 9", "ended after 100 ms: too slow"},
		{"trap '' TERM; sleep 9", "ended after 100 ms: too slow"},
		{"[ \"$PCCBPF_EVENT $PCCBPF_WAN $PCCBPF_OLD $PCCBPF_NEW $PCCBPF_REASON\" = "
		 "'wan eth1 up down no carrier' ]",
			NULL},
		{"kill -USR1 $$", "ended by signal 10"},
	};
	struct pcc_event e = {.kind = PCC_EVENT_WAN,
		.wan = "eth1",
		.old_state = "up",
		.new_state = "down",
		.reason = "no carrier"};
	struct pcc_hook_conf conf = {.timeout_ms = 100};
	struct pcc_hook_runner *h;
	char path[100];
	time_t start;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		nsaid = 0;
		script(path, rows[i].text);
		memcpy(conf.path, path, sizeof(path));
		assert_int_equal(pcc_hook_runner_new(&h, loop, say, NULL), 0);
		pcc_hook_runner_configure(h, &conf, 1);
		/* Valgrind is slow to start a script; one that must succeed may take its time. */
		if (!rows[i].said || !strstr(rows[i].said, "slow")) {
			conf.timeout_ms = 5000;
			pcc_hook_runner_configure(h, &conf, 1);
		}
		pcc_hook_runner_event(h, &e);
		start = time(NULL);
		for (int n = 0; n < 100 && sd_event_run(loop, 800000) > 0 && !nsaid; n++)
			;
		assert_true(time(NULL) - start < 7); /* and not the 9 s of the sleep */
		assert_int_equal(nsaid, rows[i].said ? 1 : 0);
		if (rows[i].said)
			assert_string_equal(said[0], rows[i].said);
		pcc_hook_runner_free(h);
		conf.timeout_ms = 100;
	}
}

static void a_slow_script_loses_old_events_and_holds_nothing_up(void **state)
{
	struct pcc_hook_conf conf = {.timeout_ms = 5000};
	struct pcc_event e = {.kind = PCC_EVENT_WAN};
	struct pcc_hook_runner *h;
	char path[100];

	(void)state;
	nsaid = 0;
	script(path, "sleep 9");
	memcpy(conf.path, path, sizeof(path));
	assert_int_equal(pcc_hook_runner_new(&h, loop, say, NULL), 0);
	pcc_hook_runner_configure(h, &conf, 1);
	for (uint32_t i = 0; i < 10 * PCC_HOOK_QUEUE; i++)
		pcc_hook_runner_event(h, &e);
	assert_int_equal(nsaid, 1);
	assert_string_equal(said[0], "is too slow, events are given up");
	pcc_hook_runner_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reader_that_does_not_read_is_dropped),
		cmocka_unit_test(scripts_end_in_time_and_are_told_of),
		cmocka_unit_test(a_slow_script_loses_old_events_and_holds_nothing_up),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
