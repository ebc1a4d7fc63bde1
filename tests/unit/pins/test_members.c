// SPDX-License-Identifier: GPL-2.0-only
/* Which WANs get new connections, with which weights. No root: the maps are not asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pins/dataplane.h"

static struct pcc_config cfg;
static struct pcc_bucket_member members[PCC_MAX_WANS];

/* Three WANs, ids 1, 2 and 64, weights 1, 2 and 3; the second serves IPv6 only. */
static int setup(void **state)
{
	static const uint32_t ids[] = {1, 2, 64};

	(void)state;
	pcc_config_defaults(&cfg);
	cfg.nwans = 3;
	for (uint32_t i = 0; i < 3; i++) {
		struct pcc_wan_cfg *wan = &cfg.wans[i];

		memset(wan, 0, sizeof(*wan));
		strcpy(wan->name, i == 0 ? "wan1" : i == 1 ? "wan2" : "wan3");
		wan->id = ids[i];
		wan->weight = i + 1;
		wan->order = i;
		wan->state = PCC_WAN_UP;
		wan->gw[PCC_V4].source = i == 1 ? PCC_GW_NONE : PCC_GW_FOUND;
		wan->gw[PCC_V6].source = i == 1 ? PCC_GW_ONLINK : PCC_GW_NONE;
	}
	return 0;
}

static uint32_t of(enum pcc_family family, uint64_t among, bool standby)
{
	return pcc_dp_members(&cfg, family, among, standby, members);
}

static void those_that_serve_the_family(void **state)
{
	(void)state;
	assert_int_equal(of(PCC_V4, UINT64_MAX, false), 2);
	assert_string_equal(members[0].name, "wan1");
	assert_string_equal(members[1].name, "wan3");
	assert_int_equal(members[1].id, 64);
	assert_int_equal(members[1].order, 2);
	assert_int_equal(of(PCC_V6, UINT64_MAX, false), 1);
	assert_int_equal(members[0].id, 2);
}

static void only_of_those_that_are_asked_for(void **state)
{
	(void)state;
	assert_int_equal(of(PCC_V4, 1ull << 63, false), 1);
	assert_int_equal(members[0].id, 64);
	assert_int_equal(of(PCC_V4, 1ull << 1, false), 0);
}

static void only_what_is_up(void **state)
{
	(void)state;
	cfg.wans[0].state = PCC_WAN_DRAIN;
	assert_int_equal(of(PCC_V4, UINT64_MAX, false), 1);
	cfg.wans[2].state = PCC_WAN_DOWN;
	assert_int_equal(of(PCC_V4, UINT64_MAX, false), 0);
}

static void standby_where_it_is_asked_for(void **state)
{
	(void)state;
	cfg.wans[0].standby = true;
	assert_int_equal(of(PCC_V4, UINT64_MAX, false), 1);
	assert_int_equal(of(PCC_V4, UINT64_MAX, true), 2);
}

/* In the consistent scheme only ratios count; with modulo the numbers of buckets are the weights.
 */
static void degraded_counts_half(void **state)
{
	static const struct {
		enum pcc_scheme scheme;
		bool degraded;
		uint32_t weight;
	} rows[] = {
		{PCC_SCHEME_CONSISTENT, false, 6},
		{PCC_SCHEME_CONSISTENT, true, 3},
		{PCC_SCHEME_MODULO, false, 3},
		{PCC_SCHEME_MODULO, true, 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cfg.scheme = rows[i].scheme;
		cfg.wans[2].degraded = rows[i].degraded;
		assert_int_equal(of(PCC_V4, UINT64_MAX, false), 2);
		assert_int_equal(members[1].weight, rows[i].weight);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(those_that_serve_the_family, setup),
		cmocka_unit_test_setup(only_of_those_that_are_asked_for, setup),
		cmocka_unit_test_setup(only_what_is_up, setup),
		cmocka_unit_test_setup(standby_where_it_is_asked_for, setup),
		cmocka_unit_test_setup(degraded_counts_half, setup),
	};

	return cmocka_run_group_tests_name("members", tests, NULL, NULL);
}
