// SPDX-License-Identifier: GPL-2.0-only
/*
 * pccbench: how fast the ways to balance several links are, as ratios measured in one run.
 *
 * A supervisor process forks the one that measures, waits for it, and then removes whatever is
 * left: namespaces, the bpffs, raised limits. So a signal or a crash leaves nothing behind.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <bpf/libbpf.h>
#include "bench.h"
#include "frame.h"

#define CONNTRACK_MAX "/proc/sys/net/netfilter/nf_conntrack_max"
#define EXIT_USAGE 2

enum command_id {
	COMMAND_RATE,
	COMMAND_CONNECTIONS,
	COMMAND_HANDSHAKES,
	COMMAND_TCP,
	COMMAND_PLAN,
	COMMAND_WAN_ADD,
	COMMAND_COUNT
};
#define PLAN_FLOWS 1000000 /* the most of the plan */

struct command {
	const char *name;
	const char *help;
	int (*run)(const struct options *o);
};
static const struct command commands[COMMAND_COUNT];

static volatile sig_atomic_t worker_pid;

static void help(void)
{
	printf("usage: pccbench [COMMAND] [OPTIONS]\n\ncommands:\n");
	for (int i = 0; i < COMMAND_COUNT; i++)
		printf("  %-12s %s\n", commands[i].name, commands[i].help);
	printf("\noptions:\n"
	       "  --variants A,B,...  which (default: the marked ones; \"all\")\n"
	       "  --flows N,...       flows in the rate test (default 1,1024,100000)\n"
	       "  --wans N,...        WANs, 1 to 64 (default 2)\n"
	       "  --packets N         packets per turn, at least one per flow (default 25000)\n"
	       "  --conns N           new connections of all rounds (default 100000; wan-add: 500000)\n"
	       "  --burst N           frames in a row that leave by one WAN (default 1: as the flows fall)\n"
	       "  --rounds N          rounds, variants interleaved (default: rate: 25, 3 or 1 by flows;\n"
	       "                      connections: 100; tcp: 30; wan-add: 5)\n"
	       "  --family 4|6        IP version of the frames (default 4)\n"
	       "  --spread            new connections: each to a destination of its own\n"
	       "  --no-bidir          warm up without answers from the ISPs\n"
	       "  --cpu N             CPU of the generator (default: the last allowed)\n"
	       "  --json FILE         write the results there, too\n"
	       "  --pccbpf PATH       the product (default: pccbpf beside this program's directory)\n"
	       "  --other PATH        another pccbpf for the variants other-off, -tc and -xdp\n"
	       "  --max-conns N       pccbpf attach --max-conns (default: enough)\n"
	       "  --min-ratio V=X,... fail if variant V is below X of nft-pcc\n"
	       "  --only NAME,...     plan: these sections (rate, handshakes, connections, spread, tcp,\n"
	       "                      bursts, wans, ipv6, million, memory)\n"
	       "  --verbose           each measurement as it is made\n"
	       "\nvariants (* by default):\n");
	for (const struct variant *v = variants; v->name; v++)
		printf("%c %-20s %s\n", v->standard ? '*' : ' ', v->name, v->help);
}

__attribute__((format(printf, 1, 2))) static int usage_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "pccbench: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, " (see pccbench --help)\n");
	va_end(args);
	return -EINVAL;
}

static int parse_number(const char *what, const char *text, long low, long high, long *out)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || end == text || *end || value < low || value > high)
		return usage_error(
			"%s: '%s' is not a number from %ld to %ld", what, text, low, high);
	*out = value;
	return 0;
}

static int parse_list(const char *what, char *text, long high, int *out, int max, int *count)
{
	char *save = NULL;
	long value;

	*count = 0;
	for (char *word = strtok_r(text, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		if (*count == max)
			return usage_error("%s: more than %d values", what, max);
		if (parse_number(what, word, 1, high, &value))
			return -EINVAL;
		out[(*count)++] = (int)value;
	}
	return *count ? 0 : usage_error("%s: no value", what);
}

static int parse_variants(char *text, struct options *o)
{
	char *save = NULL;

	o->chosen_count = 0;
	for (char *word = strtok_r(text, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		if (o->chosen_count == BENCH_MAX_VARIANTS)
			return usage_error("--variants: too many");
		o->chosen[o->chosen_count] = variant_find(word);
		if (!o->chosen[o->chosen_count++])
			return usage_error("--variants: '%s' is not known", word);
	}
	return o->chosen_count ? 0 : usage_error("--variants: no value");
}

static void choose_variants(struct options *o, bool all)
{
	o->chosen_count = 0;
	for (const struct variant *v = variants; v->name; v++)
		if ((all || v->standard) && o->chosen_count < BENCH_MAX_VARIANTS)
			o->chosen[o->chosen_count++] = v;
}

enum option_id {
	OPT_VARIANTS = 256,
	OPT_FLOWS,
	OPT_WANS,
	OPT_PACKETS,
	OPT_CONNS,
	OPT_BURST,
	OPT_SPREAD,
	OPT_ROUNDS,
	OPT_FAMILY,
	OPT_NO_BIDIR,
	OPT_CPU,
	OPT_JSON,
	OPT_PCCBPF,
	OPT_OTHER,
	OPT_MAX_CONNS,
	OPT_MIN_RATIO,
	OPT_ONLY,
	OPT_VERBOSE,
	OPT_HELP
};

static const struct option long_options[] = {
	{"variants", required_argument, NULL, OPT_VARIANTS},
	{"flows", required_argument, NULL, OPT_FLOWS},
	{"wans", required_argument, NULL, OPT_WANS},
	{"packets", required_argument, NULL, OPT_PACKETS},
	{"conns", required_argument, NULL, OPT_CONNS},
	{"burst", required_argument, NULL, OPT_BURST},
	{"rounds", required_argument, NULL, OPT_ROUNDS},
	{"family", required_argument, NULL, OPT_FAMILY},
	{"spread", no_argument, NULL, OPT_SPREAD},
	{"no-bidir", no_argument, NULL, OPT_NO_BIDIR},
	{"cpu", required_argument, NULL, OPT_CPU},
	{"json", required_argument, NULL, OPT_JSON},
	{"pccbpf", required_argument, NULL, OPT_PCCBPF},
	{"other", required_argument, NULL, OPT_OTHER},
	{"max-conns", required_argument, NULL, OPT_MAX_CONNS},
	{"min-ratio", required_argument, NULL, OPT_MIN_RATIO},
	{"only", required_argument, NULL, OPT_ONLY},
	{"verbose", no_argument, NULL, OPT_VERBOSE},
	{"help", no_argument, NULL, OPT_HELP},
	{0},
};

static int parse_count(int option, const char *text, struct options *o)
{
	long value = 0;
	int err;

	switch (option) {
	case OPT_PACKETS:
		err = parse_number("--packets", text, 1000, 1000000000, &value);
		o->packets = (uint32_t)value;
		return err;
	case OPT_CONNS:
		err = parse_number("--conns", text, 1000, FLOW_MAX - 1024, &value);
		o->connections = (uint32_t)value;
		return err;
	case OPT_BURST:
		err = parse_number("--burst", text, 1, 1024, &value);
		o->burst = (uint32_t)value;
		return err;
	case OPT_ROUNDS:
		err = parse_number("--rounds", text, 1, BENCH_MAX_ROUNDS, &value);
		o->rounds = (int)value;
		return err;
	case OPT_MAX_CONNS:
		err = parse_number("--max-conns", text, 1024, FLOW_MAX, &value);
		o->max_conns = (int)value;
		return err;
	case OPT_FAMILY:
		err = parse_number("--family", text, 4, 6, &value);
		o->family = (int)value;
		return !err && value == 5 ? usage_error("--family: '5' is neither 4 nor 6") : err;
	default:
		err = parse_number("--cpu", text, 0, CPU_SETSIZE - 1, &value);
		o->cpu = (int)value;
		return err;
	}
}

/* Is this VARIANT=X,...? */
static int check_ratios(const char *text)
{
	char name[32], *end;
	double ratio;

	for (;; text = end + 1) {
		size_t length = strcspn(text, "=");

		snprintf(name, sizeof(name), "%.*s", (int)length, text);
		if (length >= sizeof(name) || !variant_find(name) || text[length] != '=')
			return usage_error("--min-ratio: '%s' is not VARIANT=X", text);
		ratio = strtod(text + length + 1, &end);
		if (end == text + length + 1 || (*end && *end != ',') ||
			!(ratio > 0 && ratio < 1000))
			return usage_error("--min-ratio: '%s' has no positive number", text);
		if (!*end)
			return 0;
	}
}

static int parse_option(int option, char *text, struct options *o)
{
	switch (option) {
	case OPT_VARIANTS:
		if (strcmp(text, "all") == 0)
			return choose_variants(o, true), 0;
		return parse_variants(text, o);
	case OPT_FLOWS:
		return parse_list("--flows", text, FLOW_MAX, o->flow_counts, BENCH_MAX_FLOW_COUNTS,
			&o->flow_count);
	case OPT_WANS:
		return parse_list("--wans", text, BENCH_MAX_WANS, o->wan_counts,
			BENCH_MAX_WAN_COUNTS, &o->wan_count);
	case OPT_SPREAD:
		o->spread = true;
		return 0;
	case OPT_NO_BIDIR:
		o->bidir = false;
		return 0;
	case OPT_JSON:
		o->json_path = text;
		return 0;
	case OPT_PCCBPF:
		o->pccbpf = text;
		return 0;
	case OPT_OTHER:
		o->other = text;
		return 0;
	case OPT_MIN_RATIO:
		o->min_ratio = text;
		return check_ratios(text);
	case OPT_ONLY:
		o->only = text;
		return plan_check_only(text) ? usage_error("--only: '%s' is not known", text) : 0;
	case OPT_VERBOSE:
		o->verbose = true;
		return 0;
	case '?':
		fprintf(stderr, "pccbench: see pccbench --help\n");
		return -EINVAL;
	default:
		return parse_count(option, text, o);
	}
}

static int last_cpu(void)
{
	cpu_set_t set;
	int last = 0;

	if (sched_getaffinity(0, sizeof(set), &set))
		return 0;
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			last = i;
	return last;
}

/* 0: go on; 1: help was printed. */
static int parse_arguments(int argc, char **argv, struct options *o)
{
	int option, err = 0;

	opterr = 1;
	while (!err && (option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		if (option == OPT_HELP || option == 'h')
			return help(), 1;
		err = parse_option(option, optarg, o);
	}
	if (!err && optind < argc)
		err = usage_error("'%s' is not an option", argv[optind]);
	return err;
}

/* ---- commands ---- */

/* A row that must be there, valid, and fast enough. */
static int check_row(const struct results *all, const struct result *r, double least)
{
	double ratio = result_ratio(r, results_find(all, "nft-pcc", r));

	if (r->skipped || !r->valid) {
		fprintf(stderr, "pccbench: %s: not measured: %s\n", r->variant->name, r->why);
		return -ENOENT;
	}
	if (ratio >= least)
		return 0;
	fprintf(stderr, "pccbench: %s: %.3f of nft-pcc, %.3f wanted\n", r->variant->name, ratio,
		least);
	return -EIO;
}

/* "VARIANT=X,...", checked when the options were parsed. */
static int check_min_ratio(const struct options *o, const struct results *all)
{
	char *save = NULL, *text = strdup(o->min_ratio);
	int err = text ? 0 : -ENOMEM;

	for (char *word = text ? strtok_r(text, ",", &save) : NULL; word;
		word = strtok_r(NULL, ",", &save)) {
		char *equals = strchr(word, '=');

		*equals = '\0';
		for (int i = 0; i < all->count; i++)
			if (strcmp(all->rows[i].variant->name, word) == 0 &&
				check_row(all, &all->rows[i], strtod(equals + 1, NULL)))
				err = -EIO;
	}
	free(text);
	return err;
}

/* Rows that were not skipped and have no valid round are a failure of the run. */
static int report(const struct options *o, const struct results *all, const struct memory *memory)
{
	int err = 0;

	report_table(all);
	if (memory)
		report_memory(memory);
	if (o->json_path)
		err = report_json(o, all, memory);
	if (!err && o->min_ratio)
		err = check_min_ratio(o, all);
	for (int i = 0; i < all->count && !err; i++)
		if (!all->rows[i].skipped && all->rows[i].valid == 0)
			err = -EIO;
	return err;
}

static int run_measurement(const struct options *o)
{
	struct results all = {0};
	int err = measure_all(o, &all);

	if (!err)
		err = report(o, &all, NULL);
	free(all.rows);
	return err;
}

static int run_plan(const struct options *o)
{
	struct results all = {0};
	struct memory memory;
	char why[BENCH_WHY] = "";
	bool wanted = plan_has(o, "memory");
	int no_memory = wanted ? measure_memory(o, &memory, why) : -ENOENT;
	int err = measure_plan(o, &all);

	if (wanted && no_memory)
		fprintf(stderr, "pccbench: memory: %s\n", why);
	if (!err)
		err = report(o, &all, no_memory ? NULL : &memory);
	free(all.rows);
	return err;
}

static const struct command commands[COMMAND_COUNT] = {
	[COMMAND_RATE] = {"rate", "packets per second over established flows (default)",
		run_measurement},
	[COMMAND_CONNECTIONS] = {"connections", "new connections: each packet is a new flow",
		run_measurement},
	[COMMAND_HANDSHAKES] = {"handshakes",
		"new TCP connections: SYN, SYN+ACK and ACK of each pass the router",
		run_measurement},
	[COMMAND_TCP] = {"tcp", "TCP: downloads over 1 and 32 streams, request and response",
		run_measurement},
	[COMMAND_PLAN] = {"plan", "everything, in less than 20 minutes (make bench)", run_plan},
	[COMMAND_WAN_ADD] = {"wan-add", "time of \"wan add\" with a full conntrack table",
		measure_wan_add},
};

/* ---- supervisor ---- */

static void forward_signal(int number)
{
	if (worker_pid > 0)
		kill((pid_t)worker_pid, number);
}

static int bpffs_mount(const char *dir)
{
	char parent[64];

	snprintf(parent, sizeof(parent), "%s", dir);
	*strrchr(parent, '/') = '\0';
	if (mkdir(parent, 0700) || mkdir(dir, 0700))
		return -errno;
	return mount("bpf", dir, "bpf", 0, NULL) ? -errno : 0;
}

static void bpffs_unmount(const char *dir)
{
	char parent[64];

	snprintf(parent, sizeof(parent), "%s", dir);
	*strrchr(parent, '/') = '\0';
	umount2(dir, MNT_DETACH);
	rmdir(dir);
	rmdir(parent);
}

/* Removes what a supervisor that was killed outright left behind: its name tells its pid. */
static void sweep(const char *dir, const char *format)
{
	struct dirent *entry;
	char bpffs[48];
	DIR *d = opendir(dir);
	int pid;

	while (d && (entry = readdir(d))) {
		if (sscanf(entry->d_name, format, &pid) != 1 || pid <= 0)
			continue;
		if (kill(pid, 0) == 0 || errno != ESRCH)
			continue;
		topo_clean(pid);
		snprintf(bpffs, sizeof(bpffs), "/run/pccbench-%d/bpf", pid);
		bpffs_unmount(bpffs);
	}
	if (d)
		closedir(d);
}

static int supervise(const struct options *o, enum command_id command)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = forward_signal};
	int status = 0;
	pid_t pid;

	for (int i = 0; i < 3; i++)
		sigaction(signals[i], &action, NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		for (int i = 0; i < 3; i++)
			signal(signals[i], SIG_DFL);
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		exit(commands[command].run(o) ? EXIT_FAILURE : EXIT_SUCCESS);
	}
	worker_pid = pid;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	worker_pid = 0;
	if (WIFSIGNALED(status))
		fprintf(stderr, "pccbench: ended by signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

/* The limit is shared by all namespaces: raised for the run, restored afterwards. */
static long conntrack_max_raise(const struct options *o, enum command_id command)
{
	long old = sysctl_read_long(CONNTRACK_MAX), wanted = 0;
	char text[32];

	if (command == COMMAND_PLAN)
		wanted = PLAN_FLOWS;
	for (int i = 0; i < o->flow_count && command == COMMAND_RATE; i++)
		wanted = o->flow_counts[i] > wanted ? o->flow_counts[i] : wanted;
	if (command == COMMAND_CONNECTIONS || command == COMMAND_HANDSHAKES ||
		command == COMMAND_WAN_ADD)
		wanted = o->connections;
	wanted += wanted / 4 + 4096;
	if (old < 0 || old >= wanted)
		return -1;
	snprintf(text, sizeof(text), "%ld", wanted);
	return sysctl_write(CONNTRACK_MAX, text) ? -1 : old;
}

static int run(struct options *o, enum command_id command)
{
	char bpffs[48], text[32];
	long old_max;
	int err;

	snprintf(bpffs, sizeof(bpffs), "/run/pccbench-%d/bpf", (int)o->owner);
	o->bpffs = bpffs;
	sweep("/run/netns", "pccb-%d-");
	sweep("/run", "pccbench-%d");
	old_max = conntrack_max_raise(o, command);
	err = bpffs_mount(bpffs);
	if (err)
		fprintf(stderr, "pccbench: %s: %s\n", bpffs, strerror(-err));
	else
		err = supervise(o, command);
	topo_clean(o->owner);
	bpffs_unmount(bpffs);
	if (old_max > 0) {
		snprintf(text, sizeof(text), "%ld", old_max);
		sysctl_write(CONNTRACK_MAX, text);
	}
	return err;
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN && getenv("PCCBENCH_DEBUG") ? vfprintf(stderr, format, args)
								: 0;
}

/* build/bench/pccbench -> build/pccbpf */
static void default_pccbpf(char *path, size_t size)
{
	ssize_t got = readlink("/proc/self/exe", path, size - 1);
	char *slash;

	path[got > 0 ? got : 0] = '\0';
	for (int i = 0; i < 2; i++) {
		slash = strrchr(path, '/');
		if (slash)
			*slash = '\0';
	}
	strncat(path, "/pccbpf", size - strlen(path) - 1);
}

int main(int argc, char **argv)
{
	enum command_id command = COMMAND_RATE;
	char pccbpf[4096];
	struct options o = {.owner = getpid(),
		.flow_counts = {1, 1024, 100000},
		.flow_count = 3,
		.wan_counts = {2},
		.wan_count = 1,
		.packets = 25000,
		.burst = 1,
		.family = 4,
		.cpu = last_cpu(),
		.bidir = true,
		.pccbpf = pccbpf};
	int err;

	default_pccbpf(pccbpf, sizeof(pccbpf));
	choose_variants(&o, false);
	if (argc > 1 && argv[1][0] != '-') {
		while (command < COMMAND_COUNT && strcmp(commands[command].name, argv[1]))
			command++;
		if (command == COMMAND_COUNT)
			return usage_error("'%s' is not a command", argv[1]), EXIT_USAGE;
		argv[1] = argv[0];
		argc--;
		argv++;
	}
	o.connections = command == COMMAND_WAN_ADD ? 500000 : 100000;
	o.section = commands[command].name;
	if (command == COMMAND_CONNECTIONS)
		o.measurement = MEASURE_CONNECTIONS;
	else if (command == COMMAND_HANDSHAKES)
		o.measurement = MEASURE_HANDSHAKES;
	else
		o.measurement = command == COMMAND_TCP ? MEASURE_BULK : MEASURE_RATE;
	err = parse_arguments(argc, argv, &o);
	if (err)
		return err < 0 ? EXIT_USAGE : EXIT_SUCCESS;
	if (geteuid() != 0) {
		fprintf(stderr, "pccbench: needs root (namespaces, BPF)\n");
		return EXIT_FAILURE;
	}
	libbpf_set_print(quiet);
	return run(&o, command) ? EXIT_FAILURE : EXIT_SUCCESS;
}
