// SPDX-License-Identifier: GPL-2.0-only
/* What is measured: packet rate, new connections, and the time that "wan add" takes. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"
#include "frame.h"

/*
 * Other load only ever adds time, for seconds or for milliseconds. So in the rate test all variants
 * stand side by side and take turns every few milliseconds; a ratio is that of one turn. New
 * connections want an empty conntrack table: there a round is cut into pieces, whose lowest decile
 * counts.
 */
#define PIECES 80
/* A piece that lost frames is repeated: a ring overflows where its receiver was kept from running.
 */
#define PIECE_TRIES 4
#define WARM_UP_PASSES 3
#define FAST_SHARE_MIN 0.95
#define LONG_CYCLE_FLOWS 200000
#define STREAM_ROWS 4
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

double result_share(const struct result *r)
{
	return median(r->share, r->rounds);
}

const struct result *results_find(
	const struct results *all, const char *variant, const struct result *r)
{
	for (int i = 0; i < all->count; i++)
		if (strcmp(all->rows[i].section, r->section) == 0 &&
			all->rows[i].measurement == r->measurement &&
			all->rows[i].family == r->family && all->rows[i].wans == r->wans &&
			all->rows[i].flows == r->flows &&
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

/* What one variant is measured in: its namespaces, its set-up, its traffic. */
struct stand {
	const struct options *o;
	const struct variant *variant;
	struct topo topo;
	struct setup setup;
	struct traffic *traffic;
};

/* Is the variant one that forwards established packets itself, before the stack does? */
static bool has_fast_path(const struct variant *v)
{
	return v->flags & VAR_PCCBPF && v->kind != KIND_STACK;
}

/*
 * Share of the packets between two readings that the fast path forwarded, or -1 with why where it
 * is so small that the row would say nothing of the fast path. Where a cycle through the flows may
 * take longer than a lease, packets that were let through for the kernel to renew it are the fast
 * path's own cost.
 */
static double fast_share(const struct fast_counts *from, const struct fast_counts *to,
	uint64_t packets, bool long_cycle, char *why)
{
	double forwarded = to->forwarded - from->forwarded;
	double renewed = long_cycle ? to->renewed - from->renewed : 0;

	if (forwarded + renewed < FAST_SHARE_MIN * (double)packets) {
		snprintf(why, BENCH_WHY, "only %.1f %% of the packets took the fast path",
			100 * forwarded / (double)packets);
		return -1;
	}
	return forwarded / (double)packets;
}

/* Sends until all of it arrives. Returns ns per packet. */
static double run_piece(struct stand *s, uint32_t packets, uint32_t *sent, char *why)
{
	double ns = -1;

	why[0] = '\0';
	for (int i = 0; ns < 0 && i < PIECE_TRIES; i++) {
		ns = traffic_run(s->traffic, packets, !(s->variant->flags & VAR_DROP), why);
		*sent += packets;
	}
	return ns;
}

/*
 * One turn of a variant. The flows pass once before: what it knows of them is as fresh as in steady
 * traffic, although the others have had their turns since.
 */
static double run_turn(
	struct stand *s, const struct result *r, bool count, double *share, char *why)
{
	uint32_t flows = (uint32_t)r->flows, piece = s->o->packets, sent = 0, before = 0;
	struct fast_counts from = {0}, to = {0};
	double ns;

	count = count && has_fast_path(s->variant);
	traffic_flows(s->traffic, 0, flows);
	if (run_piece(s, flows, &before, why) < 0)
		return -1;
	if (count && pccbpf_fast_counts(&s->topo, s->o, &s->setup, &from, why))
		return -1;
	traffic_flows(s->traffic, 0, flows);
	ns = run_piece(s, piece < flows ? flows : piece, &sent, why);
	if (ns < 0 || check_spread(s->traffic, s->variant, r->wans, r->flows, why))
		return -1;
	if (count && pccbpf_fast_counts(&s->topo, s->o, &s->setup, &to, why))
		return -1;
	if (count) {
		*share = fast_share(&from, &to, sent, flows > LONG_CYCLE_FLOWS, why);
		if (*share < 0)
			return -1;
	}
	return ns;
}

/*
 * Three passes before: the first opens the flows and is answered, the second is what pccbpf learns
 * from, the third finds everything in place.
 */
static int warm_up(struct stand *s, uint32_t flows, char *why)
{
	const struct variant *v = s->variant;
	bool answers = s->o->bidir && !(v->flags & (VAR_BARE | VAR_DROP));

	if (v->flags & VAR_DROP)
		return 0;
	return traffic_warm_up(s->traffic, 0, flows, WARM_UP_PASSES, answers,
		v->flags & (VAR_MASQUERADE | VAR_PCCBPF), why);
}

static double measure_connections(struct stand *s, const struct result *r, char *why)
{
	uint32_t piece = s->o->connections / PIECES;
	struct traffic *tr = s->traffic;
	double ns[PIECES];
	int count = 0;

	/* A few flows beforehand, outside the measured range: neighbours, caches, code. */
	if (traffic_warm_up(tr, s->o->connections, 1024, 1, false, false, why))
		return -1;
	traffic_flows(tr, 0, s->o->connections);
	for (; count < PIECES; count++) {
		ns[count] = traffic_run(tr, piece, true, why);
		if (ns[count] < 0)
			return -1;
	}
	return check_spread(tr, s->variant, r->wans, (int)piece, why) ? -1
								      : lowest_decile(ns, count);
}

static void round_add(struct result *r, double ns, double share)
{
	r->share[r->rounds] = share;
	r->ns[r->rounds++] = ns;
	r->valid += ns > 0;
}

/* TCP streams: the four rows come out of one visit. */
static int measure_streams(struct stand *s, struct result *rows, int count)
{
	struct stream_times times;
	int err = topo_add_hosts(&s->topo, s->variant->kind == KIND_XDP, rows->why);

	if (!err)
		err = streams_measure(&s->topo, s->o, &times, rows->why);
	for (int i = 0; i < count; i++) {
		double ns = -1;

		if (!err && rows[i].measurement == MEASURE_BULK)
			ns = rows[i].flows == 1 ? times.bulk1_ns : times.bulk32_ns;
		else if (!err)
			ns = rows[i].measurement == MEASURE_P50 ? times.p50_ns : times.p99_ns;
		round_add(&rows[i], ns, -1);
		if (err && i)
			memcpy(rows[i].why, rows->why, BENCH_WHY);
	}
	return err;
}

static void measure_row(struct stand *s, struct result *r)
{
	double ns = -1;

	if (!traffic_open(&s->traffic, &s->topo, s->o->cpu, r->why))
		ns = measure_connections(s, r, r->why);
	traffic_close(s->traffic);
	round_add(r, ns, -1);
}

static void print_rows(const struct result *rows, int count)
{
	for (int i = 0; i < count; i++)
		fprintf(stderr, "%s: %d WANs, %d flows: %.1f ns %s\n", rows[i].variant->name,
			rows[i].wans, rows[i].flows,
			rows[i].rounds ? rows[i].ns[rows[i].rounds - 1] : -1.0, rows[i].why);
}

/* One variant in fresh namespaces: rows that differ only in the number of flows. */
static void measure_group(const struct options *o, struct result *rows, int count)
{
	struct stand s = {.o = o, .variant = rows->variant};
	char why[BENCH_WHY] = "";
	int err = topo_create(&s.topo, o->owner, 0, rows->wans, o->family, why);

	if (!err)
		err = variant_setup(s.variant, &s.topo, o, &s.setup, why);
	if (err) {
		for (int i = 0; i < count; i++) {
			memcpy(rows[i].why, why, BENCH_WHY);
			rows[i].skipped = err == -ENOENT;
			round_add(&rows[i], -1, -1);
		}
	} else if (rows->measurement >= MEASURE_BULK) {
		measure_streams(&s, rows, count);
	} else {
		measure_row(&s, rows);
	}
	variant_teardown(&s.topo, o, &s.setup);
	topo_destroy(&s.topo, o->owner);
	if (o->verbose)
		print_rows(rows, count);
}

/* The rows of one variant that one visit measures. */
static int group_size(const struct options *o)
{
	if (o->measurement == MEASURE_RATE)
		return o->flow_count;
	return o->measurement == MEASURE_CONNECTIONS ? 1 : STREAM_ROWS;
}

static struct result group_row(const struct options *o, int w, int v, int i)
{
	static const struct {
		enum measurement measurement;
		int streams;
	} streams[STREAM_ROWS] = {
		{MEASURE_BULK, 1}, {MEASURE_BULK, 32}, {MEASURE_P50, 1}, {MEASURE_P99, 1}};
	struct result row = {.variant = o->chosen[v],
		.section = o->section,
		.measurement = o->measurement,
		.family = o->family,
		.wans = o->wan_counts[w],
		.flows = (int)o->connections};

	if (o->measurement == MEASURE_RATE)
		row.flows = o->flow_counts[i];
	if (o->measurement >= MEASURE_BULK) {
		row.measurement = streams[i].measurement;
		row.flows = streams[i].streams;
	}
	return row;
}

/* Adds o's rows, the rows of a group next to each other. Returns the number of groups or -errno. */
static int prepare(const struct options *o, struct results *out)
{
	int groups = o->wan_count * o->chosen_count, size = group_size(o);
	struct result *rows =
		reallocarray(out->rows, (size_t)(out->count + groups * size), sizeof(*out->rows));

	if (!rows)
		return -ENOMEM;
	out->rows = rows;
	for (int w = 0; w < o->wan_count; w++)
		for (int v = 0; v < o->chosen_count; v++)
			for (int i = 0; i < size; i++)
				out->rows[out->count++] = group_row(o, w, v, i);
	return groups;
}

/* Is there no time left for these rows? What earlier rounds have found stays. */
static bool is_late(const struct options *o, struct result *rows, int count)
{
	if (!o->deadline_ns || now_ns() < o->deadline_ns)
		return false;
	for (int i = 0; i < count; i++) {
		if (!rows[i].rounds)
			snprintf(rows[i].why, BENCH_WHY, "no time left");
		rows[i].skipped = !rows[i].rounds;
	}
	return true;
}

/* ---- rate: all variants side by side ---- */

/*
 * All namespaces share conntrack's hash table: entries of one variant would lengthen the chains of
 * the others. With more flows than this a variant is measured alone.
 */
#define MANY_FLOWS 10000
#define ALONE_TURNS 3

static int rounds_for(const struct options *o, int flows)
{
	if (o->rounds)
		return o->rounds;
	if (flows <= MANY_FLOWS)
		return 25;
	return flows > LONG_CYCLE_FLOWS ? 1 : 3;
}

/* The rows of a variant that cannot be measured. */
static void rows_fail(struct result *rows, int count, const char *why, bool skipped)
{
	for (int i = 0; i < count; i++) {
		if (rows[i].why != why)
			snprintf(rows[i].why, BENCH_WHY, "%s", why);
		rows[i].skipped = skipped;
		round_add(&rows[i], -1, -1);
	}
}

/* rows: all rows of the variant, count of them. */
static void stand_open(
	struct stand *s, const struct options *o, int number, struct result *rows, int count)
{
	char why[BENCH_WHY] = "";
	int err;

	*s = (struct stand){.o = o, .variant = rows->variant};
	err = topo_create(&s->topo, o->owner, number, rows->wans, o->family, why);
	if (!err)
		err = variant_setup(s->variant, &s->topo, o, &s->setup, why);
	if (err)
		rows_fail(rows, count, why, err == -ENOENT);
	else if (traffic_open(&s->traffic, &s->topo, o->cpu, why))
		rows_fail(rows, count, why, false);
}

static void stand_close(struct stand *s)
{
	traffic_close(s->traffic);
	variant_teardown(&s->topo, s->o, &s->setup);
	topo_destroy(&s->topo, s->o->owner);
}

/* One number of flows: rows[i * o->flow_count + f] is stand i's. */
static void measure_flows(const struct options *o, struct stand *stands, struct result *rows, int f)
{
	int rounds = rounds_for(o, o->flow_counts[f]), count = o->chosen_count;

	for (int i = 0; i < count; i++) {
		struct result *r = &rows[i * o->flow_count + f];

		if (stands[i].traffic && warm_up(&stands[i], (uint32_t)r->flows, r->why))
			rows_fail(r, 1, r->why, false);
	}
	for (int round = 0; round < rounds; round++) {
		for (int turn = 0; turn < count; turn++) {
			/* Every other round backwards: nobody always follows the same one. */
			int i = round % 2 ? count - 1 - turn : turn;
			struct result *r = &rows[i * o->flow_count + f];
			double share = -1, ns;

			if (!stands[i].traffic || (r->rounds > r->valid && !round))
				continue;
			ns = run_turn(&stands[i], r, round == rounds - 1, &share, r->why);
			round_add(r, ns, share);
		}
	}
}

static void measure_side_by_side(const struct options *o, struct result *rows)
{
	struct stand *stands = calloc((size_t)o->chosen_count, sizeof(*stands));

	if (!stands) {
		rows_fail(rows, o->chosen_count * o->flow_count, "no memory", false);
		return;
	}
	for (int i = 0; i < o->chosen_count; i++)
		stand_open(&stands[i], o, i, &rows[i * o->flow_count], o->flow_count);
	for (int f = 0; f < o->flow_count; f++)
		if (o->flow_counts[f] <= MANY_FLOWS)
			measure_flows(o, stands, rows, f);
	for (int i = 0; i < o->chosen_count; i++)
		stand_close(&stands[i]);
	free(stands);
	if (o->verbose)
		print_rows(rows, o->chosen_count * o->flow_count);
}

/* A visit of one variant with many flows: the best of a few turns. */
static void measure_alone(const struct options *o, struct result *r)
{
	double ns[ALONE_TURNS], share = -1;
	struct stand s;
	int turns = 0;

	stand_open(&s, o, 0, r, 1);
	if (s.traffic && warm_up(&s, (uint32_t)r->flows, r->why)) {
		rows_fail(r, 1, r->why, false);
	} else if (s.traffic) {
		for (; turns < ALONE_TURNS; turns++)
			ns[turns] = run_turn(&s, r, turns == ALONE_TURNS - 1, &share, r->why);
		round_add(r, ns[turns - 1] < 0 ? -1 : lowest_decile(ns, turns), share);
	}
	stand_close(&s);
	if (o->verbose)
		print_rows(r, 1);
}

static void measure_many_flows(const struct options *o, struct result *rows, int f)
{
	int rounds = rounds_for(o, o->flow_counts[f]), count = o->chosen_count;

	for (int round = 0; round < rounds; round++) {
		for (int turn = 0; turn < count; turn++) {
			int i = round % 2 ? count - 1 - turn : turn;
			struct result *r = &rows[i * o->flow_count + f];

			if (!r->skipped && !is_late(o, r, 1))
				measure_alone(o, r);
		}
	}
}

static void measure_rates(const struct options *o, struct result *rows)
{
	int size = o->chosen_count * o->flow_count;
	bool few = false;

	for (int f = 0; f < o->flow_count; f++)
		few |= o->flow_counts[f] <= MANY_FLOWS;
	for (int w = 0; w < o->wan_count; w++) {
		if (few && !is_late(o, &rows[w * size], size))
			measure_side_by_side(o, &rows[w * size]);
		for (int f = 0; f < o->flow_count; f++)
			if (o->flow_counts[f] > MANY_FLOWS)
				measure_many_flows(o, &rows[w * size], f);
	}
}

/* ---- */

static void measure_groups(const struct options *o, struct result *first, int groups)
{
	int size = group_size(o), rounds = o->rounds ? o->rounds : 5;

	for (int round = 0; round < rounds; round++) {
		for (int i = 0; i < groups; i++) {
			int group = round % 2 ? groups - 1 - i : i;
			struct result *rows = &first[group * size];

			if (!rows->skipped && !is_late(o, rows, size))
				measure_group(o, rows, size);
		}
		fprintf(stderr, "%s: round %d of %d done\n", o->section, round + 1, rounds);
	}
}

int measure_all(const struct options *o, struct results *out)
{
	int first = out->count, groups = prepare(o, out);

	if (groups < 0)
		return groups;
	if (o->measurement == MEASURE_RATE)
		measure_rates(o, out->rows + first);
	else
		measure_groups(o, out->rows + first, groups);
	return 0;
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
