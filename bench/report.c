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

	return name ? result_ratio(r, results_find(all, name, r)) : -1;
}

static double pcc_ratio(const struct results *all, const struct result *r)
{
	return result_ratio(r, results_find(all, "nft-pcc", r));
}

static double fewest_wans_ratio(const struct results *all, const struct result *r)
{
	return result_ratio(r, results_find_fewest_wans(all, r));
}

static double pcc_ratio_spread(const struct results *all, const struct result *r)
{
	return result_ratio_spread(r, results_find(all, "nft-pcc", r));
}

/* How a time is shown: value = scale / ns, or, where scale is negative, ns / -scale. */
static const struct {
	const char *name, *unit, *per;
	double scale;
} measurements[MEASURE_COUNT] = {
	[MEASURE_RATE] = {"rate", "Mpps", "packet", 1000},
	[MEASURE_CONNECTIONS] = {"connections", "kconn/s", "connection", 1000000},
	[MEASURE_HANDSHAKES] = {"handshakes", "kconn/s", "connection", 1000000},
	[MEASURE_BULK] = {"bulk", "Gbit/s", "kilobyte", 8000},
	[MEASURE_BULK_CPU] = {"bulk-1cpu", "Gbit/s", "kilobyte", 8000},
	[MEASURE_P50] = {"latency-p50", "us", "request", -1000},
	[MEASURE_P99] = {"latency-p99", "us", "request", -1000},
};

static double result_value(const struct result *r)
{
	double ns = result_ns(r), scale = measurements[r->measurement].scale;

	if (ns < 0)
		return -1;
	return scale > 0 ? scale / ns : ns / -scale;
}

static void print_or_dash(double value, int width, int digits)
{
	if (value > 0)
		printf(" %*.*f", width, digits, value);
	else
		printf(" %*s", width, "-");
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

static void print_row(const struct results *all, const struct result *r)
{
	double share = result_share(r);

	printf("%-11s %-11s %2d %-12s %4d %7d", r->section, measurements[r->measurement].name,
		r->family, r->variant->name, r->wans, r->flows);
	if (r->skipped || r->valid == 0) {
		printf(" %s: %s\n", r->skipped ? "skipped" : "invalid", r->why);
		return;
	}
	printf(" %9.3f %-7s %5.1f", result_value(r), measurements[r->measurement].unit,
		spread_percent(r));
	print_or_dash(pcc_ratio(all, r), 9, 3);
	print_or_dash(pcc_ratio_spread(all, r), 5, 1);
	print_or_dash(bare_ratio(all, r), 9, 3);
	print_or_dash(fewest_wans_ratio(all, r), 9, 3);
	print_or_dash(100 * share, 6, 1);
	if (r->valid < r->rounds)
		printf("  %d of %d rounds invalid: %s", r->rounds - r->valid, r->rounds, r->why);
	printf("\n");
}

void report_table(const struct results *all)
{
	printf("%-11s %-11s %2s %-12s %4s %7s %9s %-7s %5s %9s %5s %9s %9s %6s\n", "section",
		"measurement", "IP", "variant", "WANs", "flows", "value", "", "+-%", "/nft-pcc",
		"+-%", "/bare", "/2 WANs", "fast%");
	for (int i = 0; i < all->count; i++)
		print_row(all, &all->rows[i]);
}

void report_memory(const struct memory *m)
{
	printf("memory per connection with --max-conns %d: pcc_conns %.0f bytes, pcc_flows %.0f "
	       "bytes (two entries), other maps %.0f kB once; the kernel's own conntrack entry: "
	       "%.0f bytes, with extensions and NAT %.0f\n",
		m->max_conns, m->conns, m->flows, m->fixed / 1000, m->conntrack,
		m->conntrack_growth);
}

static json_t *number_or_null(double value)
{
	return value > 0 ? json_real(value) : json_null();
}

static json_t *rounds_json(const double *values, int count)
{
	json_t *rounds = json_array();

	for (int i = 0; i < count; i++)
		json_array_append_new(rounds, number_or_null(values[i]));
	return rounds;
}

static json_t *result_json(const struct results *all, const struct result *r)
{
	json_t *row = json_pack("{s:s, s:s, s:i, s:s, s:i, s:i, s:b, s:b}", "section", r->section,
		"measurement", measurements[r->measurement].name, "family", r->family, "variant",
		r->variant->name, "wans", r->wans, "flows", r->flows, "skipped", r->skipped,
		"valid", r->valid > 0 && r->valid == r->rounds);
	json_t *numbers = json_pack("{s:o, s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
		"value", number_or_null(result_value(r)), "unit", measurements[r->measurement].unit,
		"ns", number_or_null(result_ns(r)), "ns_per", measurements[r->measurement].per,
		"spread_percent", number_or_null(spread_percent(r)), "ratio_nft_pcc",
		number_or_null(pcc_ratio(all, r)), "ratio_nft_pcc_spread_percent",
		number_or_null(pcc_ratio_spread(all, r)), "ratio_bare",
		number_or_null(bare_ratio(all, r)), "ratio_fewest_wans",
		number_or_null(fewest_wans_ratio(all, r)), "fast_share",
		number_or_null(result_share(r)), "rounds_ns", rounds_json(r->ns, r->rounds));

	json_object_update(row, numbers);
	json_decref(numbers);
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

int report_wan_add(const struct options *o, long conntracks, const double *add_ms,
	const double *del_ms, int rounds)
{
	json_t *adds = json_array(), *dels = json_array();

	for (int i = 0; i < rounds; i++) {
		json_array_append_new(adds, json_real(add_ms[i]));
		json_array_append_new(dels, json_real(del_ms[i]));
	}
	return json_write(o, json_pack("{s:s, s:i, s:f, s:o, s:o}", "measurement", "wan-add",
				     "conntracks", (int)conntracks, "median_ms",
				     median(add_ms, rounds), "add_ms", adds, "del_ms", dels));
}

static json_t *memory_json(const struct memory *m)
{
	if (!m)
		return json_null();
	return json_pack("{s:i, s:f, s:f, s:f, s:f, s:f}", "max_conns", m->max_conns,
		"pcc_conns_bytes", m->conns, "pcc_flows_bytes", m->flows, "conntrack_entry_bytes",
		m->conntrack, "conntrack_growth_bytes", m->conntrack_growth, "other_maps_bytes",
		m->fixed);
}

int report_json(const struct options *o, const struct results *all, const struct memory *memory)
{
	struct utsname host;
	json_t *rows = json_array();

	uname(&host);
	for (int i = 0; i < all->count; i++)
		json_array_append_new(rows, result_json(all, &all->rows[i]));
	return json_write(
		o, json_pack("{s:s, s:b, s:i, s:o, s:o}", "kernel", host.release,
			   "bidirectional_warm_up", o->bidir, "conntrack_buckets",
			   (int)sysctl_read_long("/proc/sys/net/netfilter/nf_conntrack_buckets"),
			   "memory", memory_json(memory), "results", rows));
}
