// SPDX-License-Identifier: GPL-2.0-only
/* What "make bench" measures, in the order of importance: what no time is left for comes last. */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench.h"

/* Groups of rows begin no later than this after the start. */
#define PLAN_LIMIT_NS (1000 * 1000000000ull)
#define MEMORY_CONNS 262144
#define MEMORY_FLOWS 100000

#define ALL                                                                                        \
	"plain,ecmp-masq,nft-pcc,nft-flowtable,mwan3,bare-tc,bare-xdp,pccbpf-off,pccbpf-tc,pccbpf-xdp"
#define NAT "ecmp-masq,nft-pcc,nft-flowtable,mwan3,pccbpf-off,pccbpf-tc,pccbpf-xdp"
#define SOME "nft-pcc,nft-flowtable,bare-tc,bare-xdp,pccbpf-off,pccbpf-tc,pccbpf-xdp"

struct section {
	const char *name;
	enum measurement measurement;
	const char *variants;
	int family;
	int wans[BENCH_MAX_WAN_COUNTS];
	int flows[BENCH_MAX_FLOW_COUNTS];
	uint32_t burst; /* 0: as the flows fall */
	bool spread;	/* each flow to a destination of its own */
};

static const struct section plan[] = {
	{"rate", MEASURE_RATE, ALL, 4, {2}, {1, 1024, 100000}, 0, false},
	{"handshakes", MEASURE_HANDSHAKES, "plain," NAT, 4, {2}, {0}, 0, false},
	{"connections", MEASURE_CONNECTIONS, ALL, 4, {2}, {0}, 0, false},
	{"spread", MEASURE_CONNECTIONS, NAT, 4, {2}, {0}, 0, true},
	{"spread", MEASURE_HANDSHAKES, NAT, 4, {2}, {0}, 0, true},
	{"tcp", MEASURE_BULK, "plain," NAT, 4, {2}, {0}, 0, false},
	{"bursts", MEASURE_RATE, SOME, 4, {2, 8, 64}, {2048}, 32, false},
	{"wans", MEASURE_RATE, SOME, 4, {2, 8, 64}, {1024}, 0, false},
	{"ipv6", MEASURE_RATE, ALL, 6, {2}, {1, 1024}, 0, false},
	{"ipv6", MEASURE_HANDSHAKES, "plain," NAT, 6, {2}, {0}, 0, false},
	{"ipv6", MEASURE_CONNECTIONS, ALL, 6, {2}, {0}, 0, false},
	{"ipv6", MEASURE_BULK, "plain," NAT, 6, {2}, {0}, 0, false},
	{"million", MEASURE_RATE, ALL, 4, {2}, {1000000}, 0, false},
};

static int count_set(const int *values, int max)
{
	int n = 0;

	while (n < max && values[n])
		n++;
	return n;
}

static int section_variants(const char *names, struct options *o)
{
	char *save = NULL, *text = strdup(names);

	o->chosen_count = 0;
	if (!text)
		return -ENOMEM;
	for (char *word = strtok_r(text, ",", &save); word; word = strtok_r(NULL, ",", &save))
		o->chosen[o->chosen_count++] = variant_find(word);
	free(text);
	return 0;
}

static bool list_has(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (const char *word = list; *word; word += word[0] == ',') {
		size_t end = strcspn(word, ",");

		if (end == length && strncmp(word, name, length) == 0)
			return true;
		word += end;
	}
	return false;
}

bool plan_has(const struct options *o, const char *section)
{
	return !o->only || list_has(o->only, section);
}

int plan_check_only(const char *only)
{
	char *save = NULL, *text = strdup(only);
	int err = text ? 0 : -ENOMEM;

	for (char *word = text ? strtok_r(text, ",", &save) : NULL; word;
		word = strtok_r(NULL, ",", &save)) {
		bool known = strcmp(word, "memory") == 0;

		for (size_t i = 0; i < sizeof(plan) / sizeof(plan[0]); i++)
			known |= strcmp(word, plan[i].name) == 0;
		err = known ? err : -EINVAL;
	}
	free(text);
	return err;
}

int measure_plan(const struct options *base, struct results *out)
{
	uint64_t start = now_ns(), deadline = start + PLAN_LIMIT_NS;
	int err = 0;

	for (size_t i = 0; i < sizeof(plan) / sizeof(plan[0]) && !err; i++) {
		const struct section *s = &plan[i];
		struct options o = *base;

		if (!plan_has(base, s->name))
			continue;
		o.section = s->name;
		o.measurement = s->measurement;
		o.family = s->family;
		o.burst = s->burst ? s->burst : 1;
		o.spread = s->spread;
		o.deadline_ns = deadline;
		memcpy(o.wan_counts, s->wans, sizeof(o.wan_counts));
		o.wan_count = count_set(s->wans, BENCH_MAX_WAN_COUNTS);
		memcpy(o.flow_counts, s->flows, sizeof(o.flow_counts));
		o.flow_count = count_set(s->flows, BENCH_MAX_FLOW_COUNTS);
		fprintf(stderr, "%3.0f s: %s\n", (double)(now_ns() - start) / 1e9, s->name);
		err = section_variants(s->variants, &o);
		if (!err)
			err = measure_all(&o, out);
	}
	return err;
}

/* ---- memory ---- */

/* Bytes that the kernel has charged for an object (fdinfo), or -errno. */
static long fd_memlock(int fd)
{
	char path[48], line[128];
	long bytes = -ENOENT;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "r");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "memlock: %ld", &bytes) == 1)
			break;
	fclose(f);
	return bytes;
}

static void add_map(const char *path, struct memory *out)
{
	struct bpf_map_info info = {0};
	unsigned int size = sizeof(info);
	int fd = bpf_obj_get(path);
	long bytes;

	if (fd < 0)
		return;
	bytes = fd_memlock(fd);
	if (bytes < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) || !info.max_entries)
		goto out;
	if (strcmp(info.name, "pcc_conns") == 0) {
		out->conns = (double)bytes / info.max_entries;
		out->max_conns = (int)info.max_entries;
	} else if (strcmp(info.name, "pcc_flows") == 0) {
		out->flows = 2.0 * (double)bytes / info.max_entries;
	} else {
		out->fixed += (double)bytes;
	}
out:
	close(fd);
}

/* The pinned maps; a program's pin has no memlock of a map and no entries. */
static int add_maps(const char *dir, struct memory *out)
{
	struct dirent *entry;
	char path[512];
	DIR *d = opendir(dir);

	if (!d)
		return -errno;
	while ((entry = readdir(d))) {
		if (strncmp(entry->d_name, "pcc_", 4))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		add_map(path, out);
	}
	closedir(d);
	return out->max_conns ? 0 : -ENOENT;
}

static double conntrack_bytes(void)
{
	FILE *f = fopen("/proc/slabinfo", "r");
	char line[512];
	int bytes = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "nf_conntrack %*d %*d %d", &bytes) == 1)
			break;
	if (f)
		fclose(f);
	return bytes;
}

/* Kernel memory in slabs that it cannot get back; 0: not known. */
static double slab_bytes(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	double kilobytes = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "SUnreclaim: %lf", &kilobytes) == 1)
			break;
	if (f)
		fclose(f);
	return kilobytes * 1024;
}

/* What the kernel's memory grows by, by connection, with NAT and without pccbpf. */
static int conntrack_growth(const struct options *o, double *bytes, char *why)
{
	struct stand s;
	int err = stand_open(&s, o, variant_find("nft-pcc"), 2, 0, why);
	double before = slab_bytes();

	if (!err)
		err = traffic_warm_up(s.traffic, 0, MEMORY_FLOWS, 1, true, true, why);
	if (!err)
		*bytes = (slab_bytes() - before) / MEMORY_FLOWS;
	stand_close(&s);
	return err;
}

static int map_sizes(const struct options *o, struct memory *out, char *why)
{
	struct stand s;
	int err = stand_open(&s, o, variant_find("pccbpf-xdp"), 2, 0, why);

	if (!err) {
		err = add_maps(s.setup.bpffs, out);
		if (err)
			snprintf(
				why, BENCH_WHY, "maps in %.80s: %s", s.setup.bpffs, strerror(-err));
	}
	stand_close(&s);
	return err;
}

int measure_memory(const struct options *base, struct memory *out, char *why)
{
	struct options o = *base;
	int err;

	*out = (struct memory){.conntrack = conntrack_bytes()};
	o.measurement = MEASURE_RATE;
	o.max_conns = MEMORY_CONNS;
	err = conntrack_growth(&o, &out->conntrack_growth, why);
	return err ? err : map_sizes(&o, out, why);
}
