// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <jansson.h>
#include "bench.h"

static const char *bare_name(const struct variant *v)
{
	if (v->kind == KIND_STACK)
		return NULL;
	return v->kind == KIND_XDP ? "bare-xdp" : "bare-tc";
}

static double bare_ratio(const struct results *all, const struct result *r)
{
	const char *name = bare_name(r->variant);

	return name ? result_ratio(r, results_find(all, name, r->wans, r->flows)) : -1;
}

static double pcc_ratio(const struct results *all, const struct result *r)
{
	return result_ratio(r, results_find(all, "nft-pcc", r->wans, r->flows));
}

static void print_ratio(double ratio)
{
	if (ratio > 0)
		printf(" %9.3f", ratio);
	else
		printf(" %9s", "-");
}

/* Half the distance between the quartiles, in percent of the median. */
static double spread_percent(const struct result *r)
{
	double sorted[BENCH_MAX_ROUNDS];
	int n = 0;

	for (int i = 0; i < r->rounds; i++)
		if (r->ns[i] > 0)
			sorted[n++] = r->ns[i];
	qsort(sorted, (size_t)n, sizeof(*sorted), compare_double);
	return n ? 50 * (sorted[3 * (n - 1) / 4] - sorted[(n - 1) / 4]) / result_ns(r) : 0;
}

void report_table(const struct options *o, const struct results *all)
{
	printf("%-20s %4s %7s %8s %9s %6s %9s %9s\n", "variant", "WANs",
		o->measurement == MEASURE_RATE ? "flows" : "new", "Mpps", "ns/packet", "+-%",
		"/nft-pcc", "/bare");
	for (int i = 0; i < all->count; i++) {
		const struct result *r = &all->rows[i];
		double ns = result_ns(r);

		printf("%-20s %4d %7d", r->variant->name, r->wans, r->flows);
		if (r->skipped) {
			printf(" skipped: %s\n", r->why);
			continue;
		}
		if (ns < 0) {
			printf(" invalid: %s\n", r->why);
			continue;
		}
		printf(" %8.3f %9.1f %6.1f", 1000 / ns, ns, spread_percent(r));
		print_ratio(pcc_ratio(all, r));
		print_ratio(bare_ratio(all, r));
		if (r->valid < r->rounds)
			printf("  %d of %d rounds invalid: %s", r->rounds - r->valid, r->rounds,
				r->why);
		printf("\n");
	}
}

static json_t *number_or_null(double value)
{
	return value > 0 ? json_real(value) : json_null();
}

static json_t *result_json(const struct results *all, const struct result *r)
{
	double ns = result_ns(r);
	json_t *rounds = json_array(), *row;

	for (int i = 0; i < r->rounds; i++)
		json_array_append_new(rounds, number_or_null(r->ns[i]));
	row = json_pack("{s:s, s:i, s:i, s:b, s:b, s:o, s:o, s:o, s:o, s:o}", "variant",
		r->variant->name, "wans", r->wans, "flows", r->flows, "skipped", r->skipped,
		"valid", r->valid > 0 && r->valid == r->rounds, "ns_per_packet", number_or_null(ns),
		"mpps", number_or_null(ns > 0 ? 1000 / ns : -1), "ratio_nft_pcc",
		number_or_null(pcc_ratio(all, r)), "ratio_bare", number_or_null(bare_ratio(all, r)),
		"rounds_ns", rounds);
	if (row && (r->skipped || r->valid < r->rounds))
		json_object_set_new(row, "reason", json_string(r->why));
	return row;
}

static int json_write(const struct options *o, json_t *root)
{
	int err = !root || json_dump_file(root, o->json_path, JSON_INDENT(2)) ? -EIO : 0;

	json_decref(root);
	if (err)
		fprintf(stderr, "pccbench: %s: cannot write\n", o->json_path);
	return err;
}

int report_wan_add(
	const struct options *o, long conntracks, const double *add_ms, const double *del_ms)
{
	json_t *adds = json_array(), *dels = json_array();

	for (int i = 0; i < o->rounds; i++) {
		json_array_append_new(adds, json_real(add_ms[i]));
		json_array_append_new(dels, json_real(del_ms[i]));
	}
	return json_write(o, json_pack("{s:s, s:i, s:f, s:o, s:o}", "measurement", "wan-add",
				     "conntracks", (int)conntracks, "median_ms",
				     median(add_ms, o->rounds), "add_ms", adds, "del_ms", dels));
}

int report_json(const struct options *o, const struct results *all)
{
	struct utsname host;
	json_t *rows = json_array();

	uname(&host);
	for (int i = 0; i < all->count; i++)
		json_array_append_new(rows, result_json(all, &all->rows[i]));
	return json_write(
		o, json_pack("{s:s, s:s, s:i, s:i, s:b, s:i, s:i, s:o}", "measurement",
			   o->measurement == MEASURE_RATE ? "rate" : "connections", "kernel",
			   host.release, "family", o->family, "rounds", o->rounds,
			   "bidirectional_warm_up", o->bidir, "packets", (int)o->packets,
			   "new_connections", (int)o->connections, "results", rows));
}
