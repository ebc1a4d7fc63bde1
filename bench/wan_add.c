// SPDX-License-Identifier: GPL-2.0-only
/* The time that "wan add" takes with a full conntrack table. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"

#define WAN_ADD_LIMIT_MS 200.0
#define CONNTRACK_COUNT "/proc/sys/net/netfilter/nf_conntrack_count"

/* words ends with NULL. Wall-clock milliseconds, or -1 with why. */
static double time_pccbpf(const struct topo *t, const struct options *o, const struct setup *s,
	const char *const *words, char *why)
{
	uint64_t start = now_ns();
	int status = pccbpf_run(t, o, s, words, why);

	return status ? -1 : (double)(now_ns() - start) / 1e6;
}

static int fill_conntrack(const struct topo *t, const struct options *o, char *why)
{
	struct traffic *tr = NULL;
	int err = traffic_open(&tr, t, o->cpu, why);

	if (!err)
		err = traffic_warm_up(tr, 0, o->connections, 1, o->bidir, true, why);
	traffic_close(tr);
	return err;
}

static long conntrack_count(const struct topo *t)
{
	char text[32], why[BENCH_WHY];
	char *argv[] = {"cat", CONNTRACK_COUNT, NULL};

	if (run_in(t->router_fd, NULL, argv, why))
		return -1;
	snprintf(text, sizeof(text), "%.31s", why);
	return strtol(text, NULL, 10);
}

static int time_wan_add(
	const struct topo *t, const struct options *o, const struct setup *s, char *why)
{
	double add[BENCH_MAX_ROUNDS], del[BENCH_MAX_ROUNDS], slowest = 0;
	char wan[BENCH_WHY], gateway[64];
	const char *const add_words[] = {"wan", "add", wan, NULL};
	const char *const del_words[] = {"wan", "del", "wan3", NULL};
	int rounds = o->rounds ? o->rounds : 5;

	int err;

	topo_gateway(t, 2, gateway, sizeof(gateway));
	snprintf(wan, sizeof(wan), "wan3@%s", gateway);
	for (int i = 0; i < rounds; i++) {
		add[i] = time_pccbpf(t, o, s, add_words, why);
		if (add[i] < 0)
			return -EIO;
		slowest = add[i] > slowest ? add[i] : slowest;
		del[i] = time_pccbpf(t, o, s, del_words, why);
		if (del[i] < 0)
			return -EIO;
	}
	err = o->json_path ? report_wan_add(o, conntrack_count(t), add, del, rounds) : 0;
	printf("wan add with %ld conntrack entries: median %.1f ms, slowest %.1f ms; "
	       "wan del: median %.1f ms\n",
		conntrack_count(t), median(add, rounds), slowest, median(del, rounds));
	if (!err && median(add, rounds) > WAN_ADD_LIMIT_MS) {
		snprintf(why, BENCH_WHY, "slower than %.0f ms", WAN_ADD_LIMIT_MS);
		err = -ETIME;
	}
	return err;
}

int measure_wan_add(const struct options *o)
{
	struct variant v = *variant_find("pccbpf-off");
	char why[BENCH_WHY] = "";
	struct setup setup = {0};
	struct topo topo, attached;
	int err = topo_create(&topo, o->owner, 0, 3, o->family, why);

	attached = topo;
	attached.wans = 2; /* wan3 exists but is not attached yet */
	if (!err)
		err = variant_setup(&v, &attached, o, &setup, why);
	if (!err)
		err = fill_conntrack(&topo, o, why);
	if (!err)
		err = time_wan_add(&topo, o, &setup, why);
	variant_teardown(&topo, o, &setup);
	topo_destroy(&topo, o->owner);
	if (err == -ENOENT)
		fprintf(stderr, "pccbench: wan-add skipped: %s\n", why);
	else if (err)
		fprintf(stderr, "pccbench: wan-add: %s\n", why);
	return err;
}
