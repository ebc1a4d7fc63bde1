// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drives the probers and the state machine of one WAN, without the daemon:
 *
 *   probetool [--interval MS] [--timeout MS] [--fall N] [--quorum N] [--seconds S] [--quiet]
 *             IF MARK TARGET...
 *   probetool --ask IF GATEWAY          have the kernel check a neighbour
 *
 * Prints a line per probe, "probe TARGET OUTCOME TRIES LOST RTT_US", per change, "state MS STATE
 * REASON" with MS of the monotonic clock, and at the end "end PROBES OPEN-FILES".
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "health/probe.h"
#include "health/probe_neigh.h"
#include "health/target.h"

struct tool {
	sd_event *event;
	sd_event_source *deadline;
	struct pcc_health_cfg cfg;
	struct pcc_health health;
	struct pcc_probe_wan wan;
	struct pcc_prober *prober;
	unsigned long probes;
	unsigned int seconds;
	bool quiet;
};

static const char *const outcomes[] = {
	[PCC_PROBE_OK] = "ok",
	[PCC_PROBE_LOST] = "lost",
	[PCC_PROBE_REFUSED] = "refused",
	[PCC_PROBE_PORTAL] = "portal",
	[PCC_PROBE_LATE] = "late",
};

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...)
{
	va_list args;

	fputs("probetool: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static uint64_t now_ms(struct tool *t)
{
	uint64_t us = 0;

	sd_event_now(t->event, CLOCK_MONOTONIC, &us);
	return us / 1000;
}

/* What is printed for states and reasons. */
static const char *const state_names[] = {
	[PCC_HEALTH_UP] = "up",
	[PCC_HEALTH_DEGRADED] = "degraded",
	[PCC_HEALTH_DOWN] = "down",
};

static const char *const reason_names[] = {
#define X(sym, name, text) [PCC_HEALTH_R_##sym] = name,
	PCC_HEALTH_REASONS(X)
#undef X
};

static void step(struct tool *t)
{
	struct pcc_health_verdict v = pcc_health_step(&t->health, now_ms(t));
	char text[200];

	if (v.changed) {
		printf("state %llu %s %s\n", (unsigned long long)now_ms(t), state_names[v.state],
			reason_names[v.reason]);
		pcc_health_describe(&t->health, text, sizeof(text));
		fprintf(stderr, "%s: %s\n", state_names[v.state], text);
	}
	pcc_prober_now(t->prober, v.probe_now);
	sd_event_source_set_time(
		t->deadline, v.deadline_ms > UINT64_MAX / 1000 ? UINT64_MAX : v.deadline_ms * 1000);
	sd_event_source_set_enabled(t->deadline, SD_EVENT_ONESHOT);
}

static int on_deadline(sd_event_source *s, uint64_t usec, void *arg)
{
	(void)s;
	(void)usec;
	step(arg);
	return 0;
}

static void on_result(const struct pcc_probe_result *r, void *arg)
{
	struct tool *t = arg;

	t->probes++;
	if (!t->quiet)
		printf("probe %s %s %u %u %u\n", t->cfg.targets[r->target].text,
			outcomes[r->outcome], r->tries, r->lost, r->rtt_us);
	pcc_health_probe(&t->health, r);
	step(t);
}

static int on_end(sd_event_source *s, uint64_t usec, void *arg)
{
	struct tool *t = arg;

	(void)s;
	(void)usec;
	return sd_event_exit(t->event, 0);
}

static unsigned int open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	if (!d)
		die("/proc/self/fd: %s", strerror(errno));
	while (readdir(d))
		n++;
	closedir(d);
	return n - 3; /* ".", "..", the directory */
}

static int ask(const char *ifname, const char *gateway)
{
	uint8_t address[16];
	struct pcc_nl nl = {};
	int family = strchr(gateway, ':') ? AF_INET6 : AF_INET, err;

	if (inet_pton(family, gateway, address) != 1)
		die("'%s' is no address", gateway);
	err = pcc_nl_open(&nl, NETLINK_ROUTE);
	if (!err)
		err = pcc_neigh_ask(&nl, if_nametoindex(ifname), family, address);
	if (err)
		die("%s", pcc_nl_reason(&nl, err));
	pcc_nl_close(&nl);
	return 0;
}

static void run(struct tool *t)
{
	struct pcc_err err = {};
	unsigned int before = open_files();
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	if (sd_event_new(&t->event) < 0 ||
		sd_event_add_signal(t->event, NULL, SIGTERM, NULL, NULL) < 0 ||
		sd_event_add_time(
			t->event, &t->deadline, CLOCK_MONOTONIC, UINT64_MAX, 1, on_deadline, t) < 0)
		die("no event loop");
	if (t->seconds && sd_event_add_time_relative(t->event, NULL, CLOCK_MONOTONIC,
				  t->seconds * 1000000ull, 1, on_end, t) < 0)
		die("no timer");
	pcc_health_init(&t->health, &t->cfg, now_ms(t));
	if (pcc_prober_new(&t->prober, t->event, &t->wan, &t->cfg, on_result, t, &err)) {
		pcc_err_print(&err);
		exit(1);
	}
	sd_event_loop(t->event);
	pcc_prober_free(t->prober);
	sd_event_source_unref(t->deadline);
	sd_event_unref(t->event);
	printf("end %lu %d\n", t->probes, (int)open_files() - (int)before);
}

static void option(struct tool *t, int c)
{
	static const char names[] = "itfqs";
	uint32_t *const values[] = {
		&t->cfg.interval_ms, &t->cfg.timeout_ms, &t->cfg.fall, &t->cfg.quorum, &t->seconds};
	const char *name = strchr(names, c);

	if (c == 'Q')
		t->quiet = true;
	else if (!name)
		exit(2);
	else
		*values[name - names] = (uint32_t)strtoul(optarg, NULL, 10);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"interval", required_argument, NULL, 'i'},
		{"timeout", required_argument, NULL, 't'},
		{"fall", required_argument, NULL, 'f'},
		{"quorum", required_argument, NULL, 'q'},
		{"seconds", required_argument, NULL, 's'},
		{"quiet", no_argument, NULL, 'Q'},
		{"ask", no_argument, NULL, 'a'},
		{0},
	};
	struct pcc_err err = {};
	struct tool t = {};
	int c;

	setvbuf(stdout, NULL, _IOLBF, 0);
	pcc_health_defaults(&t.cfg);
	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (c == 'a' && argc - optind == 2)
			return ask(argv[optind], argv[optind + 1]);
		option(&t, c);
	}
	if (argc - optind < 3 || argc - optind > 2 + (int)PCC_MAX_TARGETS)
		die("IF MARK TARGET... is missing");
	snprintf(t.wan.name, sizeof(t.wan.name), "%s", argv[optind]);
	t.wan.ifindex = if_nametoindex(t.wan.name);
	t.wan.mark = (uint32_t)strtoul(argv[optind + 1], NULL, 0);
	for (int i = optind + 2; i < argc; i++)
		if (pcc_target_parse(argv[i], &t.cfg.targets[t.cfg.ntargets++], &err)) {
			pcc_err_print(&err);
			return 2;
		}
	run(&t);
	return 0;
}
