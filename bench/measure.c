// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which rows there are, and who has a turn when.
 *
 * Other load only ever adds time, for seconds or for milliseconds. So all variants stand side by
 * side and take turns every few milliseconds; a ratio is that of one turn. With many flows each
 * variant is measured alone, because all namespaces share conntrack's hash table: entries of one
 * variant would lengthen the chains of the others.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"

#define MANY_FLOWS 10000
#define ALONE_TURNS 3
#define ALONE_LONG_TURNS 2
#define TCP_ROWS 6

double result_ns(const struct result *r)
{
	return median(r->ns, r->rounds);
}

/* The quotients of one turn, sorted. Returns how many. */
static int turn_ratios(const struct result *r, const struct result *base, double *ratios)
{
	int count = 0;

	for (int i = 0; base && i < r->rounds && i < base->rounds; i++)
		if (r->ns[i] > 0 && base->ns[i] > 0)
			ratios[count++] = base->ns[i] / r->ns[i];
	qsort(ratios, (size_t)count, sizeof(*ratios), compare_double);
	return count;
}

double result_ratio(const struct result *r, const struct result *base)
{
	double ratios[BENCH_MAX_ROUNDS];

	return median(ratios, turn_ratios(r, base, ratios));
}

double result_ratio_spread(const struct result *r, const struct result *base)
{
	double ratios[BENCH_MAX_ROUNDS];
	int n = turn_ratios(r, base, ratios);

	return n ? 50 * (ratios[3 * (n - 1) / 4] - ratios[(n - 1) / 4]) / median(ratios, n) : -1;
}

double result_share(const struct result *r)
{
	return median(r->share, r->rounds);
}

/* Do they differ in the variant and the number of WANs at most? */
static bool same_measurement(const struct result *a, const struct result *b)
{
	return strcmp(a->section, b->section) == 0 && a->measurement == b->measurement &&
	       a->family == b->family && a->flows == b->flows;
}

const struct result *results_find(
	const struct results *all, const char *variant, const struct result *r)
{
	for (int i = 0; i < all->count; i++)
		if (same_measurement(&all->rows[i], r) && all->rows[i].wans == r->wans &&
			strcmp(all->rows[i].variant->name, variant) == 0)
			return &all->rows[i];
	return NULL;
}

const struct result *results_find_fewest_wans(const struct results *all, const struct result *r)
{
	const struct result *found = NULL;

	for (int i = 0; i < all->count; i++)
		if (same_measurement(&all->rows[i], r) && all->rows[i].variant == r->variant &&
			all->rows[i].wans < (found ? found->wans : r->wans))
			found = &all->rows[i];
	return found;
}

static void round_add(struct result *r, double ns, double share)
{
	r->share[r->rounds] = share;
	r->ns[r->rounds++] = ns;
	r->valid += ns > 0;
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

static void print_rows(const struct result *rows, int count)
{
	for (int i = 0; i < count; i++)
		fprintf(stderr, "%s: %d WANs, %d flows: %.1f ns %s\n", rows[i].variant->name,
			rows[i].wans, rows[i].flows,
			rows[i].rounds ? rows[i].ns[rows[i].rounds - 1] : -1.0, rows[i].why);
}

/* ---- rows ---- */

/* Are new connections measured? */
static bool opens(const struct options *o)
{
	return o->measurement == MEASURE_CONNECTIONS || o->measurement == MEASURE_HANDSHAKES;
}

/* The rows of one variant and number of WANs; all of TCP's come out of one turn. */
static int group_size(const struct options *o)
{
	if (o->measurement == MEASURE_RATE)
		return o->flow_count;
	return opens(o) ? 1 : TCP_ROWS;
}

static struct result group_row(const struct options *o, int w, int v, int i)
{
	static const struct {
		enum measurement measurement;
		int streams;
	} tcp[TCP_ROWS] = {{MEASURE_BULK, 1}, {MEASURE_BULK, STREAMS_MAX}, {MEASURE_BULK_CPU, 1},
		{MEASURE_BULK_CPU, STREAMS_MAX}, {MEASURE_P50, 1}, {MEASURE_P99, 1}};
	struct result row = {.variant = o->chosen[v],
		.section = o->section,
		.measurement = o->measurement,
		.family = o->family,
		.wans = o->wan_counts[w],
		.flows = (int)o->connections};

	if (o->measurement == MEASURE_RATE)
		row.flows = o->flow_counts[i];
	if (o->measurement == MEASURE_BULK) {
		row.measurement = tcp[i].measurement;
		row.flows = tcp[i].streams;
	}
	return row;
}

/* Adds o's rows: by number of WANs, then by variant, then those of a group. */
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
	return 0;
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

static int rounds_for(const struct options *o, int flows)
{
	if (o->rounds)
		return o->rounds;
	if (opens(o))
		return 100;
	if (o->measurement == MEASURE_BULK)
		return 30;
	if (flows <= MANY_FLOWS)
		return o->burst > 1 ? 50 : 25;
	return flows > LONG_CYCLE_FLOWS ? 1 : 3;
}

/* ---- turns ---- */

/* One turn of a stand: fills one value of each of the rows. */
typedef void (*turn_fn)(struct stand *s, struct result *rows, bool last);

static void rate_turn(struct stand *s, struct result *r, bool last)
{
	double share = -1, ns = -1;

	if (!stand_refresh(s, r->flows, r->why))
		ns = stand_rate_turn(s, r->flows, last, &share, r->why);
	round_add(r, ns, share);
}

static void connections_turn(struct stand *s, struct result *r, bool last)
{
	int rounds = rounds_for(s->o, 0);

	(void)last;
	round_add(r, stand_connections_turn(s, s->o->connections / (uint32_t)rounds, r->why), -1);
}

static void tcp_turn(struct stand *s, struct result *rows, bool last)
{
	struct tcp_times t;

	(void)last;
	if (stand_tcp_turn(s, &t, rows->why)) {
		rows_fail(rows, TCP_ROWS, rows->why, false);
		return;
	}
	for (int i = 0; i < TCP_ROWS; i++) {
		struct result *r = &rows[i];
		int many = r->flows > 1;
		double ns = r->measurement == MEASURE_P50 ? t.exchanges.p50_ns : t.exchanges.p99_ns;

		if (r->measurement == MEASURE_BULK)
			ns = t.bulk_ns[many];
		else if (r->measurement == MEASURE_BULK_CPU)
			ns = t.bulk_cpu_ns[many];
		round_add(r, ns, -1);
	}
}

/* rows[i * stride] is the first of stand i's. Who fails in the first round is left out. */
static void take_turns(const struct options *o, struct stand *stands, struct result *rows,
	int stride, turn_fn turn)
{
	int rounds = rounds_for(o, rows->flows), count = o->wan_count * o->chosen_count;

	for (int round = 0; round < rounds; round++) {
		for (int n = 0; n < count; n++) {
			/* Every other round backwards: nobody always follows the same one. */
			int i = round % 2 ? count - 1 - n : n;
			struct result *r = &rows[i * stride];

			if (stands[i].ready && r->rounds == round && (r->valid || !round))
				turn(&stands[i], r, round == rounds - 1);
		}
	}
}

/* One number of flows, the f-th. */
static void measure_flows(const struct options *o, struct stand *stands, struct result *rows, int f)
{
	for (int i = 0; i < o->wan_count * o->chosen_count; i++) {
		struct result *r = &rows[i * o->flow_count + f];

		if (stands[i].ready && stand_warm_up(&stands[i], r->flows, r->why))
			rows_fail(r, 1, r->why, false);
	}
	take_turns(o, stands, rows + f, o->flow_count, rate_turn);
}

static void measure_side_by_side(const struct options *o, struct result *rows)
{
	int count = o->wan_count * o->chosen_count, size = group_size(o), err;
	struct stand *stands = calloc((size_t)count, sizeof(*stands));
	char why[BENCH_WHY];

	if (!stands) {
		rows_fail(rows, count * size, "no memory", false);
		return;
	}
	for (int i = 0; i < count; i++) {
		struct result *r = &rows[i * size];

		err = stand_open(&stands[i], o, r->variant, r->wans, i, why);
		if (err)
			rows_fail(r, size, why, err == -ENOENT);
	}
	if (opens(o))
		take_turns(o, stands, rows, size, connections_turn);
	else if (o->measurement == MEASURE_BULK)
		take_turns(o, stands, rows, size, tcp_turn);
	for (int f = 0; f < o->flow_count && o->measurement == MEASURE_RATE; f++)
		if (o->flow_counts[f] <= MANY_FLOWS)
			measure_flows(o, stands, rows, f);
	for (int i = 0; i < count; i++)
		stand_close(&stands[i]);
	free(stands);
	if (o->verbose)
		print_rows(rows, count * size);
}

/* ---- many flows ---- */

/* A visit of one variant: the best of a few turns. */
static void measure_alone(const struct options *o, struct result *r)
{
	double ns[ALONE_TURNS], share = -1;
	struct stand s;
	int turns = 0, most = r->flows > LONG_CYCLE_FLOWS ? ALONE_LONG_TURNS : ALONE_TURNS;
	int err = stand_open(&s, o, r->variant, r->wans, 0, r->why);

	if (!err)
		err = stand_warm_up(&s, r->flows, r->why) ? -EIO : 0;
	if (err) {
		rows_fail(r, 1, r->why, err == -ENOENT);
	} else {
		for (; turns < most; turns++)
			ns[turns] =
				stand_rate_turn(&s, r->flows, turns == most - 1, &share, r->why);
		round_add(r, ns[turns - 1] < 0 ? -1 : lowest_decile(ns, turns), share);
	}
	stand_close(&s);
	if (o->verbose)
		print_rows(r, 1);
}

static void measure_many_flows(const struct options *o, struct result *rows, int f)
{
	int rounds = rounds_for(o, o->flow_counts[f]), count = o->wan_count * o->chosen_count;

	for (int round = 0; round < rounds; round++) {
		for (int turn = 0; turn < count; turn++) {
			int i = round % 2 ? count - 1 - turn : turn;
			struct result *r = &rows[i * o->flow_count + f];

			if (!r->skipped && !is_late(o, r, 1))
				measure_alone(o, r);
		}
	}
}

int measure_all(const struct options *o, struct results *out)
{
	int first = out->count, err = prepare(o, out);
	struct result *rows = out->rows + first;
	bool few = o->measurement != MEASURE_RATE;

	if (err)
		return err;
	for (int f = 0; f < o->flow_count; f++)
		few |= o->flow_counts[f] <= MANY_FLOWS;
	if (few && !is_late(o, rows, out->count - first))
		measure_side_by_side(o, rows);
	for (int f = 0; f < o->flow_count && o->measurement == MEASURE_RATE; f++)
		if (o->flow_counts[f] > MANY_FLOWS)
			measure_many_flows(o, rows, f);
	return 0;
}
