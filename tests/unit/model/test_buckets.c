// SPDX-License-Identifier: GPL-2.0-only
/* Bucket tables: shares, independence of order and history, buckets moved, speed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/buckets.h"

#define TRIALS 200

static uint8_t table_a[PCC_MAX_BUCKETS], table_b[PCC_MAX_BUCKETS];

static uint32_t random_below(uint32_t limit)
{
	static uint64_t seed = 20240607;

	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((seed >> 32) * limit >> 32);
}

/* n WANs with names that differ and weights 1..max_weight. */
static void random_members(struct pcc_bucket_member *m, uint32_t n, uint32_t max_weight)
{
	static const char *const kinds[] = {"eth", "wan", "ppp", "enp3s0f", "wwan", "br0."};

	memset(m, 0, n * sizeof(*m));
	for (uint32_t i = 0; i < n; i++) {
		snprintf(m[i].name, sizeof(m[i].name), "%s%u", kinds[random_below(6)],
			random_below(12) * 64 + i);
		m[i].id = i + 1;
		m[i].weight = 1 + random_below(max_weight);
		m[i].order = i;
	}
}

static void make(const struct pcc_bucket_member *m, uint32_t n, uint32_t nbuckets, uint8_t *table)
{
	uint32_t got;

	assert_int_equal(pcc_bucket_table(m, n, PCC_SCHEME_CONSISTENT, nbuckets, table, &got), 0);
	assert_int_equal(got, nbuckets);
}

/* Buckets that have another owner. */
static uint32_t buckets_moved(const uint8_t *a, const uint8_t *b, uint32_t n)
{
	uint32_t moved = 0;

	for (uint32_t i = 0; i < n; i++)
		moved += a[i] != b[i];
	return moved;
}

static void shuffle(struct pcc_bucket_member *m, uint32_t n)
{
	for (uint32_t i = n - 1; i > 0; i--) {
		uint32_t j = random_below(i + 1);
		struct pcc_bucket_member swap = m[i];

		m[i] = m[j];
		m[j] = swap;
	}
}

static void share_exact_to_one_bucket(void **state)
{
	static const uint32_t sizes[] = {64, 100, 256, 1000, 1024, 4096, 16384};
	struct pcc_bucket_member m[PCC_MAX_WANS];

	(void)state;
	for (uint32_t trial = 0; trial < 70; trial++) {
		uint32_t nbuckets = sizes[trial % 7], n = 1 + random_below(trial % 2 ? 64 : 8);
		uint32_t count[PCC_WAN_SLOTS] = {0}, quota[PCC_MAX_WANS];
		uint64_t sum = 0;

		random_members(m, n, trial % 3 ? 255 : 1);
		make(m, n, nbuckets, table_a);
		pcc_bucket_quotas(m, n, nbuckets, quota);
		for (uint32_t b = 0; b < nbuckets; b++)
			count[table_a[b]]++;
		for (uint32_t i = 0; i < n; i++)
			sum += m[i].weight;
		for (uint32_t i = 0; i < n; i++) {
			uint64_t exact = (uint64_t)nbuckets * m[i].weight; /* times sum */

			assert_int_equal(count[m[i].id], quota[i]);
			assert_true((count[m[i].id] + 1) * sum > exact);
			assert_true(count[m[i].id] * sum < exact + sum);
		}
	}
}

static void largest_remainder_then_name_decides_quotas(void **state)
{
	static const struct {
		uint32_t n, nbuckets, weights[4], quotas[4];
	} rows[] = {
		{1, 1024, {7}, {1024}}, {2, 1024, {1, 1}, {512, 512}},
		{3, 1024, {1, 1, 1}, {342, 341, 341}},
		{3, 64, {1, 2, 4}, {9, 18, 37}}, /* 9.14, 18.29, 36.57 */
		{4, 66, {5, 5, 5, 5}, {17, 17, 16, 16}},
		{2, 64, {255, 1}, {64, 0}}, /* 63.75, 0.25 */
	};

	(void)state;
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct pcc_bucket_member m[4] = {0};
		uint32_t quotas[4];

		/* given in reverse, so that place and name differ */
		for (uint32_t i = 0; i < rows[r].n; i++) {
			struct pcc_bucket_member *one = &m[rows[r].n - 1 - i];

			snprintf(one->name, sizeof(one->name), "eth%u", i);
			one->weight = rows[r].weights[i];
		}
		pcc_bucket_quotas(m, rows[r].n, rows[r].nbuckets, quotas);
		for (uint32_t i = 0; i < rows[r].n; i++)
			assert_int_equal(quotas[rows[r].n - 1 - i], rows[r].quotas[i]);
	}
}

static void order_independent(void **state)
{
	struct pcc_bucket_member m[PCC_MAX_WANS];

	(void)state;
	for (uint32_t trial = 0; trial < TRIALS; trial++) {
		uint32_t n = 2 + random_below(trial % 10 ? 8 : 62);

		random_members(m, n, trial % 2 ? 10 : 1);
		make(m, n, 1024, table_a);
		shuffle(m, n);
		for (uint32_t i = 0; i < n; i++)
			m[i].order = i;
		make(m, n, 1024, table_b);
		assert_int_equal(buckets_moved(table_a, table_b, 1024), 0);
	}
}

/* Ids only label the result: other ids, the same owners. */
static void ids_do_not_choose(void **state)
{
	struct pcc_bucket_member m[8];

	(void)state;
	random_members(m, 8, 10);
	make(m, 8, 1024, table_a);
	for (uint32_t i = 0; i < 8; i++)
		m[i].id = 64 - i;
	make(m, 8, 1024, table_b);
	for (uint32_t b = 0; b < 1024; b++)
		assert_int_equal(table_b[b], 65 - table_a[b]);
}

/* The owners are part of the contract between routers: they must not change with a release. */
static void the_same_on_every_machine(void **state)
{
	static const struct {
		uint32_t n, nbuckets;
		uint64_t fingerprint; /* FNV-1a of the table */
	} rows[] = {
		{2, 64, 0x85bb5d4d05778a72},
		{5, 1024, 0x154983dba22dafdf},
		{64, 16384, 0xd65735a249cecbd7},
	};

	(void)state;
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct pcc_bucket_member m[PCC_MAX_WANS] = {0};
		uint64_t hash = 0xcbf29ce484222325ull;

		for (uint32_t i = 0; i < rows[r].n; i++) {
			snprintf(m[i].name, sizeof(m[i].name), "eth%u", i + 1);
			m[i].id = i + 1;
			m[i].weight = 1 + i % 3;
		}
		make(m, rows[r].n, rows[r].nbuckets, table_a);
		for (uint32_t b = 0; b < rows[r].nbuckets; b++)
			hash = (hash ^ table_a[b]) * 0x100000001b3ull;
		if (hash != rows[r].fingerprint)
			fail_msg("%u WANs, %u buckets: 0x%016llx", rows[r].n, rows[r].nbuckets,
				(unsigned long long)hash);
	}
}

/* Buckets that must change owners, given the quotas of both sets (b is a and one more). */
static uint32_t must_move(const struct pcc_bucket_member *m, uint32_t n, uint32_t nbuckets)
{
	uint32_t qa[PCC_MAX_WANS], qb[PCC_MAX_WANS], least = 0;

	pcc_bucket_quotas(m, n, nbuckets, qa);
	pcc_bucket_quotas(m, n + 1, nbuckets, qb);
	for (uint32_t i = 0; i < n; i++)
		least += qa[i] > qb[i] ? qa[i] - qb[i] : 0;
	return least;
}

/*
 * Adding a WAN and removing it again are the same two tables. Equal weights: never more than 1.2
 * times the minimum. The noise of the shares before their correction is what moves too much, and it
 * goes with the square root of the buckets that must move, so small shares and few buckets are
 * bounded in buckets, not as a ratio.
 */
static void moves_at_most_1_2_x_minimum(void **state)
{
	static const struct {
		uint32_t nbuckets, max_weight, trials;
		double max_ratio, mean_ratio, max_excess;
	} rows[] = {
		{1024, 1, 200, 1.2, 1.12, 40},
		{4096, 1, 40, 1.15, 1.07, 80},
		{16384, 1, 10, 1.1, 1.04, 160},
		{256, 1, 200, 1.5, 1.25, 20},
		{64, 1, 200, 2.5, 1.5, 12},
		{1024, 10, 200, 9, 1.15, 40},
		{4096, 10, 40, 9, 1.1, 80},
	};

	(void)state;
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		double worst = 0, worst_excess = 0;

		for (uint32_t n = 2; n < 8; n++) {
			double sum = 0;

			for (uint32_t trial = 0; trial < rows[r].trials; trial++) {
				struct pcc_bucket_member m[8];
				uint32_t least, moved, size = rows[r].nbuckets;
				double ratio;

				random_members(m, n + 1, rows[r].max_weight);
				make(m, n, size, table_a);
				make(m, n + 1, size, table_b);
				moved = buckets_moved(table_a, table_b, size);
				least = must_move(m, n, size);
				assert_true(moved >= least);
				ratio = least ? (double)moved / least : 1;
				sum += ratio;
				worst = ratio > worst ? ratio : worst;
				if (moved - least > worst_excess)
					worst_excess = moved - least;
			}
			if (sum / rows[r].trials > rows[r].mean_ratio)
				fail_msg("%u buckets, weights to %u, %u WANs: mean %.3f",
					rows[r].nbuckets, rows[r].max_weight, n,
					sum / rows[r].trials);
		}
		print_message("%u buckets, weights to %u: max ratio %.3f, max excess %.0f\n",
			rows[r].nbuckets, rows[r].max_weight, worst, worst_excess);
		assert_true(worst <= rows[r].max_ratio);
		assert_true(worst_excess <= rows[r].max_excess);
	}
}

/* A WAN that goes away gives its buckets away; few others change hands. */
static void the_leaver_keeps_nothing(void **state)
{
	struct pcc_bucket_member m[8];

	(void)state;
	for (uint32_t trial = 0; trial < 20; trial++) {
		random_members(m, 8, 10);
		make(m, 7, 1024, table_a);
		for (uint32_t b = 0; b < 1024; b++)
			assert_in_range(table_a[b], 1, 7);
	}
}

static void modulo_takes_consecutive_buckets_in_order(void **state)
{
	static const struct pcc_bucket_member m[] = {
		{"eth3", 3, 1, 2}, {"eth1", 7, 2, 0}, {"eth2", 1, 3, 1}};
	static const uint8_t expected[] = {7, 7, 1, 1, 1, 3};
	struct pcc_bucket_member full[PCC_MAX_WANS];
	uint32_t n;

	(void)state;
	assert_int_equal(pcc_bucket_table(m, 3, PCC_SCHEME_MODULO, 0, table_a, &n), 0);
	assert_int_equal(n, sizeof(expected));
	assert_memory_equal(table_a, expected, sizeof(expected));
	random_members(full, PCC_MAX_WANS, 1);
	for (uint32_t i = 0; i < PCC_MAX_WANS; i++)
		full[i].weight = PCC_MAX_WEIGHT;
	assert_int_equal(
		pcc_bucket_table(full, PCC_MAX_WANS, PCC_SCHEME_MODULO, 0, table_a, &n), 0);
	assert_int_equal(n, PCC_MAX_WANS * PCC_MAX_WEIGHT);
	assert_int_equal(table_a[n - 1], 64);
}

static void refuses_what_is_out_of_range(void **state)
{
	static const struct {
		struct pcc_bucket_member m[2];
		uint32_t n, wanted;
		enum pcc_scheme scheme;
		int ret;
	} rows[] = {
		{{{"a", 1, 1, 0}}, 0, 1024, PCC_SCHEME_CONSISTENT, 0},
		{{{"a", 1, 1, 0}}, 1, 1024, PCC_SCHEME_CONSISTENT, 0},
		{{{"a", 1, 1, 0}}, 65, 1024, PCC_SCHEME_CONSISTENT, -EINVAL},
		{{{"a", 0, 1, 0}}, 1, 1024, PCC_SCHEME_CONSISTENT, -EINVAL},
		{{{"a", 65, 1, 0}}, 1, 1024, PCC_SCHEME_CONSISTENT, -EINVAL},
		{{{"a", 1, 0, 0}}, 1, 1024, PCC_SCHEME_CONSISTENT, -EINVAL},
		{{{"a", 1, 511, 0}}, 1, 1024, PCC_SCHEME_MODULO, -EINVAL},
		{{{"a", 1, 1, 0}}, 1, 63, PCC_SCHEME_CONSISTENT, -EINVAL},
		{{{"a", 1, 1, 0}}, 1, 16385, PCC_SCHEME_CONSISTENT, -EINVAL},
		{{{"a", 1, 1, 0}, {"a", 2, 1, 1}}, 2, 1024, PCC_SCHEME_CONSISTENT, -EINVAL},
		{{{"a", 1, 1, 0}}, 1, 1024, (enum pcc_scheme)2, -EINVAL},
		{{{"a", 1, 1, 0}}, 0, 0, PCC_SCHEME_MODULO, 0},
	};

	(void)state;
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		uint32_t n = 99;

		assert_int_equal(pcc_bucket_table(rows[r].m, rows[r].n, rows[r].scheme,
					 rows[r].wanted, table_a, &n),
			rows[r].ret);
		if (rows[r].n != 1 || rows[r].ret)
			assert_int_equal(n, 0);
	}
}

static double cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Ten times what is measured with -O2, for sanitizers and slow machines. */
static void fast_enough_to_recompute_at_every_change(void **state)
{
	struct pcc_bucket_member m[PCC_MAX_WANS];
	double start, large, small;

	(void)state;
	random_members(m, PCC_MAX_WANS, 1);
	start = cpu_ms();
	make(m, PCC_MAX_WANS, PCC_MAX_BUCKETS, table_a);
	large = cpu_ms() - start;
	start = cpu_ms();
	make(m, 5, PCC_DEF_BUCKETS, table_a);
	small = cpu_ms() - start;
	print_message("64 WANs x 16384 buckets %.1f ms, 5 x 1024 %.2f ms\n", large, small);
	assert_true(large < 800);
	assert_true(small < 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(share_exact_to_one_bucket),
		cmocka_unit_test(largest_remainder_then_name_decides_quotas),
		cmocka_unit_test(order_independent),
		cmocka_unit_test(ids_do_not_choose),
		cmocka_unit_test(the_same_on_every_machine),
		cmocka_unit_test(moves_at_most_1_2_x_minimum),
		cmocka_unit_test(the_leaver_keeps_nothing),
		cmocka_unit_test(modulo_takes_consecutive_buckets_in_order),
		cmocka_unit_test(refuses_what_is_out_of_range),
		cmocka_unit_test(fast_enough_to_recompute_at_every_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
