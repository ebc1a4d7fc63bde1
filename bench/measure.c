// SPDX-License-Identifier: GPL-2.0-only
/* What is measured: packet rate, new connections, and the time that "wan add" takes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"
#include "frame.h"

/* A round is cut into pieces and their median counts: a piece that was disturbed does no harm. */
#define PIECES 20
#define WARM_UP_PASSES 3
#define WAN_ADD_LIMIT_MS 200.0
#define CONNTRACK_COUNT "/proc/sys/net/netfilter/nf_conntrack_count"

double result_ns(const struct result *r)
{
	return median(r->ns, r->rounds);
}

double result_ratio(const struct result *r, const struct result *base)
{
	double ratios[BENCH_MAX_ROUNDS];
	int count = 0;

	if (!base)
		return -1;
	for (int i = 0; i < r->rounds && i < base->rounds; i++)
		if (r->ns[i] > 0 && base->ns[i] > 0)
			ratios[count++] = base->ns[i] / r->ns[i];
	return median(ratios, count);
}

const struct result *results_find(
	const struct results *all, const char *variant, int wans, int flows)
{
	for (int i = 0; i < all->count; i++)
		if (all->rows[i].wans == wans && all->rows[i].flows == flows &&
			strcmp(all->rows[i].variant->name, variant) == 0)
			return &all->rows[i];
	return NULL;
}

/* Each WAN must have had its share, or the variant does not do the job that it is named for. */
static int check_spread(struct traffic *tr, const struct variant *v, int wans, int flows, char *why)
{
	if (v->flags & (VAR_ONE_WAN | VAR_DROP) || flows < 64 * wans)
		return 0;
	for (int i = 0; i < wans; i++) {
		if (traffic_wan_frames(tr, i) == 0) {
			snprintf(why, BENCH_WHY, "nothing went through wan%d", i + 1);
			return -EINVAL;
		}
	}
	return 0;
}

static double run_pieces(
	struct traffic *tr, const struct variant *v, uint32_t piece, uint32_t packets, char *why)
{
	double ns[PIECES];
	int count = 0;

	for (uint32_t sent = 0; count < PIECES && sent < packets; sent += piece) {
		ns[count] = traffic_run(tr, piece, !(v->flags & VAR_DROP), why);
		if (ns[count++] < 0)
			return -1;
	}
	return median(ns, count);
}

static double measure_rate(
	struct traffic *tr, const struct options *o, const struct result *r, char *why)
{
	const struct variant *v = r->variant;
	uint32_t flows = (uint32_t)r->flows, piece = o->packets / PIECES;
	bool answers = o->bidir && !(v->flags & (VAR_BARE | VAR_DROP));
	double ns;

	if (!(v->flags & VAR_DROP) && traffic_warm_up(tr, 0, flows, WARM_UP_PASSES, answers,
					      v->flags & (VAR_MASQUERADE | VAR_PCCBPF), why))
		return -1;
	if (piece < flows)
		piece = flows;
	traffic_flows(tr, 0, flows);
	ns = run_pieces(tr, v, piece, o->packets, why);
	if (ns > 0 && check_spread(tr, v, r->wans, r->flows, why))
		return -1;
	return ns;
}

static double measure_connections(
	struct traffic *tr, const struct options *o, const struct result *r, char *why)
{
	double ns;

	/* A few flows beforehand, outside the measured range: neighbours, caches, code. */
	if (traffic_warm_up(tr, o->connections, 1024, 1, false, false, why))
		return -1;
	traffic_flows(tr, 0, o->connections);
	ns = run_pieces(tr, r->variant, o->connections / PIECES, o->connections, why);
	if (ns > 0 && check_spread(tr, r->variant, r->wans, (int)o->connections / PIECES, why))
		return -1;
	return ns;
}

/* One variant in fresh namespaces. */
static void measure_one(const struct options *o, struct result *r)
{
	struct traffic *tr = NULL;
	struct topo topo;
	struct setup setup = {0};
	double ns = -1;
	int err = topo_create(&topo, o->owner, r->wans, o->family, r->why);

	if (!err)
		err = variant_setup(r->variant, &topo, o, &setup, r->why);
	if (err == -ENOENT)
		r->skipped = true;
	if (!err)
		err = traffic_open(&tr, &topo, o->cpu, r->why);
	if (!err)
		ns = o->measurement == MEASURE_RATE ? measure_rate(tr, o, r, r->why)
						    : measure_connections(tr, o, r, r->why);
	r->ns[r->rounds++] = ns;
	r->valid += ns > 0;
	if (tr && o->verbose)
		for (int i = 0; i < r->wans; i++)
			fprintf(stderr, "%s%llu", i ? " " : "frames of the last piece by WAN: ",
				(unsigned long long)traffic_wan_frames(tr, i));
	traffic_close(tr);
	variant_teardown(&topo, o, &setup);
	topo_destroy(&topo, o->owner);
	if (o->verbose)
		fprintf(stderr, "\n%s: %d WANs, %d flows: %.1f ns %s\n", r->variant->name, r->wans,
			r->flows, ns, ns > 0 ? "" : r->why);
}

static int prepare(const struct options *o, struct results *out)
{
	int flow_count = o->measurement == MEASURE_RATE ? o->flow_count : 1;

	out->rows =
		calloc((size_t)(o->wan_count * flow_count * o->chosen_count), sizeof(*out->rows));
	if (!out->rows)
		return -ENOMEM;
	for (int w = 0; w < o->wan_count; w++)
		for (int f = 0; f < flow_count; f++)
			for (int v = 0; v < o->chosen_count; v++)
				out->rows[out->count++] = (struct result){.variant = o->chosen[v],
					.wans = o->wan_counts[w],
					.flows = o->measurement == MEASURE_RATE
							 ? o->flow_counts[f]
							 : (int)o->connections};
	return 0;
}

int measure_all(const struct options *o, struct results *out)
{
	int err = prepare(o, out);

	for (int round = 0; round < o->rounds && !err; round++) {
		for (int i = 0; i < out->count; i++) {
			/* Every other round backwards, so that nobody always follows the same one.
			 */
			struct result *r = &out->rows[round % 2 ? out->count - 1 - i : i];

			if (!r->skipped)
				measure_one(o, r);
		}
		fprintf(stderr, "round %d of %d done\n", round + 1, o->rounds);
	}
	return err;
}

/* ---- wan add ---- */

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

	int err;

	topo_gateway(t, 2, gateway, sizeof(gateway));
	snprintf(wan, sizeof(wan), "wan3@%s", gateway);
	for (int i = 0; i < o->rounds; i++) {
		add[i] = time_pccbpf(t, o, s, add_words, why);
		if (add[i] < 0)
			return -EIO;
		slowest = add[i] > slowest ? add[i] : slowest;
		del[i] = time_pccbpf(t, o, s, del_words, why);
		if (del[i] < 0)
			return -EIO;
	}
	err = o->json_path ? report_wan_add(o, conntrack_count(t), add, del) : 0;
	printf("wan add with %ld conntrack entries: median %.1f ms, slowest %.1f ms; "
	       "wan del: median %.1f ms\n",
		conntrack_count(t), median(add, o->rounds), slowest, median(del, o->rounds));
	if (!err && median(add, o->rounds) > WAN_ADD_LIMIT_MS) {
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
	int err = topo_create(&topo, o->owner, 3, o->family, why);

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
