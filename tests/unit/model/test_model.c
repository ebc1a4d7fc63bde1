// SPDX-License-Identifier: GPL-2.0-only
/* The configuration: what may be attached, and which ids WANs get. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "text/parse.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static struct pcc_config cfg, prev;

static void setup_two_wans(struct pcc_config *c)
{
	pcc_config_defaults(c);
	assert_int_equal(pcc_parse_lans("br0", c, NULL), 0);
	assert_int_equal(pcc_parse_wans("eth1,eth2", c, NULL), 0);
}

static void add_wans(struct pcc_config *c, uint32_t n, uint32_t weight)
{
	c->nwans = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct pcc_wan_cfg *wan = &c->wans[c->nwans++];

		*wan = (struct pcc_wan_cfg){.weight = weight, .state = PCC_WAN_UP, .order = i};
		snprintf(wan->name, sizeof(wan->name), "w%u", i);
	}
}

static void defaults_are_valid_once_there_are_interfaces(void **state)
{
	struct pcc_err err;

	(void)state;
	setup_two_wans(&cfg);
	assert_string_equal(pcc_classifier_name(cfg.classifier), "src-address-and-port");
	assert_int_equal(cfg.buckets, 1024);
	assert_int_equal(cfg.mark_mask, 0xff00);
	assert_true(cfg.nat4 && cfg.nat6);
	assert_int_equal(pcc_config_validate(&cfg, &err), 0);
	assert_int_equal(pcc_config_assign_ids(&cfg, NULL), 0);
	assert_int_equal(pcc_config_validate(&cfg, &err), 0);
}

static void no_lan(void)
{
	cfg.nlans = 0;
}
static void no_wan(void)
{
	cfg.nwans = 0;
}
static void wan_is_lan(void)
{
	strcpy(cfg.wans[1].name, "br0");
}
static void wan_twice(void)
{
	strcpy(cfg.wans[1].name, "eth1");
}
static void lan_twice(void)
{
	assert_int_equal(pcc_parse_lans("br0", &cfg, NULL), 0);
}
static void weight_zero(void)
{
	cfg.wans[1].weight = 0;
}
static void weight_large(void)
{
	cfg.wans[1].weight = 256;
}
static void sixty_four_wans(void)
{
	add_wans(&cfg, 64, 255);
	cfg.scheme = PCC_SCHEME_MODULO;
	assert_int_equal(pcc_config_assign_ids(&cfg, NULL), 0);
}
static void too_many_wans(void)
{
	add_wans(&cfg, 65, 1);
}
static void mask_too_narrow(void)
{
	cfg.mark_mask = 0x3000;
	add_wans(&cfg, 4, 1);
}
static void mask_fits_three(void)
{
	cfg.mark_mask = 0x3000;
	add_wans(&cfg, 3, 1);
	assert_int_equal(pcc_config_assign_ids(&cfg, NULL), 0);
}
static void id_outside_mask(void)
{
	cfg.mark_mask = 0x3000;
	cfg.wans[0].id = 1;
	cfg.wans[1].id = 4;
}
static void id_twice(void)
{
	cfg.wans[0].id = cfg.wans[1].id = 2;
}
static void id_large(void)
{
	cfg.wans[1].id = 65;
}
static void mask_with_hole(void)
{
	cfg.mark_mask = 0x50;
}
static void mask_zero(void)
{
	cfg.mark_mask = 0;
}
static void mask_all(void)
{
	cfg.mark_mask = 0xffffffff;
}
static void buckets_few(void)
{
	cfg.buckets = 63;
}
static void buckets_many(void)
{
	cfg.buckets = 16385;
}
static void main_table(void)
{
	cfg.table_base = 253;
	cfg.wans[0].id = 1;
}
static void table_base_below_reserved(void)
{
	cfg.table_base = 188;
	sixty_four_wans();
}
static void table_base_above_reserved(void)
{
	cfg.table_base = 255;
	sixty_four_wans();
}
static void table_base_wraps(void)
{
	cfg.table_base = UINT32_MAX - 10;
}
static void pref_behind_main(void)
{
	cfg.rule_pref = 32766;
}
static void pref_zero(void)
{
	cfg.rule_pref = 0;
}
static void state_unused(void)
{
	cfg.wans[0].state = PCC_WAN_UNUSED;
}

static void what_cannot_be_attached_is_refused(void **state)
{
	static const struct {
		void (*spoil)(void);
		const char *object, *text; /* NULL: it is valid */
	} rows[] = {
		{no_lan, "--lan", "no LAN interface"},
		{no_wan, "--wan", "no WAN interface"},
		{wan_is_lan, "--wan", "'br0' is a LAN"},
		{wan_twice, "--wan", "'eth1' is there twice"},
		{lan_twice, "--lan", "'br0' is there twice"},
		{weight_zero, "eth2", "'0' is out of range"},
		{weight_large, "eth2", "'256' is out of range"},
		{sixty_four_wans, NULL, NULL},
		{too_many_wans, "--wan", "there can be 64 WANs"},
		{mask_too_narrow, "--mark-mask", "room for 3 WANs, there are 4"},
		{mask_fits_three, NULL, NULL},
		{id_outside_mask, "--mark-mask", "'eth2' has id 4"},
		{id_twice, "eth2", "id 2 is not usable"},
		{id_large, "eth2", "id 65 is not usable"},
		{mask_with_hole, "--mark-mask", "0x50 is not a usable mask"},
		{mask_zero, "--mark-mask", "0x0 is not a usable mask"},
		{mask_all, NULL, NULL},
		{buckets_few, "--buckets", "'63' is out of range"},
		{buckets_many, "--buckets", "'16385' is out of range"},
		{main_table, "--table-base", "table 254"},
		{table_base_below_reserved, NULL, NULL},
		{table_base_above_reserved, NULL, NULL},
		{table_base_wraps, "--table-base", "out of range"},
		{pref_behind_main, "--rule-pref", "'32766' is out of range"},
		{pref_zero, "--rule-pref", "'0' is out of range"},
		{state_unused, "eth1", "state"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct pcc_err err = {0};
		int ret;

		setup_two_wans(&cfg);
		rows[i].spoil();
		ret = pcc_config_validate(&cfg, &err);
		if (!rows[i].text) {
			if (ret)
				fail_msg("row %zu: %s: %s", i, err.object, err.cause);
			continue;
		}
		assert_int_equal(ret, -EINVAL);
		assert_string_equal(err.object, rows[i].object);
		if (!strstr(err.cause, rows[i].text))
			fail_msg("row %zu: %s", i, err.cause);
		assert_int_equal(pcc_config_validate(&cfg, NULL), -EINVAL);
	}
}

/* The list before, with ids; the list now; the ids that it gets. */
static void ids_stay_with_names(void **state)
{
	static const struct {
		const char *before;
		uint32_t before_ids[4];
		const char *now;
		uint32_t ids[4];
	} rows[] = {
		{NULL, {0}, "a,b,c", {1, 2, 3}},
		{"a,b", {1, 2}, "a,b", {1, 2}},
		{"a,b", {1, 2}, "b,a", {2, 1}},
		{"a,b,c", {1, 2, 3}, "a,c", {1, 3}},
		{"a,c", {1, 3}, "a,c,d", {1, 3, 2}},
		{"a,c", {1, 3}, "d,e,c", {1, 2, 3}},
		{"a,b", {1, 64}, "x,b,y,z", {1, 64, 2, 3}},
		{"a,b", {65, 0}, "a,b", {1, 2}}, /* foreign numbers are not kept */
		{"a,b", {2, 2}, "a,b", {2, 1}},
	};

	(void)state;
	for (size_t r = 0; r < COUNT(rows); r++) {
		pcc_config_defaults(&prev);
		pcc_config_defaults(&cfg);
		if (rows[r].before)
			assert_int_equal(pcc_parse_wans(rows[r].before, &prev, NULL), 0);
		for (uint32_t i = 0; i < prev.nwans; i++)
			prev.wans[i].id = rows[r].before_ids[i];
		assert_int_equal(pcc_parse_wans(rows[r].now, &cfg, NULL), 0);
		assert_int_equal(pcc_config_assign_ids(&cfg, rows[r].before ? &prev : NULL), 0);
		for (uint32_t i = 0; i < cfg.nwans; i++) {
			assert_int_equal(cfg.wans[i].id, rows[r].ids[i]);
			assert_int_equal(cfg.wans[i].order, i);
		}
	}
	add_wans(&cfg, 65, 1);
	assert_int_equal(pcc_config_assign_ids(&cfg, NULL), -ENOSPC);
	assert_int_equal(cfg.wans[0].id, 0);
}

static void wans_and_lans_are_found(void **state)
{
	(void)state;
	setup_two_wans(&cfg);
	assert_ptr_equal(pcc_config_find_wan(&cfg, "eth2"), &cfg.wans[1]);
	assert_null(pcc_config_find_wan(&cfg, "eth"));
	assert_null(pcc_config_find_wan_id(&cfg, 0));
	assert_int_equal(pcc_config_assign_ids(&cfg, NULL), 0);
	assert_ptr_equal(pcc_config_find_wan_id(&cfg, 2), &cfg.wans[1]);
	assert_null(pcc_config_find_wan_id(&cfg, 3));
	assert_ptr_equal(pcc_config_find_lan(&cfg, "br0"), &cfg.lans[0]);
	assert_null(pcc_config_find_lan(&cfg, "eth2"));
}

static void shift_is_the_lowest_bit(void **state)
{
	static const struct {
		uint32_t mask, shift;
	} rows[] = {{0xff00, 8}, {0x3, 0}, {0xc0000000, 30}, {0xffffffff, 0}, {0, 0}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(pcc_mark_shift(rows[i].mask), rows[i].shift);
}

/* The highest bit of the mask, as long as no id needs it. */
static void answers_have_a_bit_to_spare(void **state)
{
	static const struct {
		uint32_t mask, id[2], bit;
	} rows[] = {{0xff00, {1, 64}, 0x8000}, {0x7f0000, {1, 63}, 0x400000},
		{0x7f0000, {1, 64}, 0}, {0x7, {3, 1}, 0x4}, {0x7, {3, 4}, 0}, {0x3, {1, 2}, 0},
		{0x3, {1, 3}, 0}, {0xff000000, {2, 5}, 0x80000000}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		pcc_config_defaults(&cfg);
		cfg.mark_mask = rows[i].mask;
		cfg.nwans = 2;
		cfg.wans[0].id = rows[i].id[0];
		cfg.wans[1].id = rows[i].id[1];
		assert_int_equal(pcc_answer_mark(&cfg), rows[i].bit);
	}
}

static void a_wan_serves_families_with_a_next_hop(void **state)
{
	static const struct {
		enum pcc_gw_source source;
		int serves;
	} rows[] = {{PCC_GW_NONE, 0}, {PCC_GW_AUTO, 0}, {PCC_GW_GIVEN, 1}, {PCC_GW_FOUND, 1},
		{PCC_GW_ONLINK, 1}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct pcc_wan_cfg wan = {.gw[PCC_V6].source = rows[i].source};

		assert_int_equal(pcc_wan_serves(&wan, PCC_V6), rows[i].serves);
		assert_false(pcc_wan_serves(&wan, PCC_V4));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_valid_once_there_are_interfaces),
		cmocka_unit_test(what_cannot_be_attached_is_refused),
		cmocka_unit_test(ids_stay_with_names),
		cmocka_unit_test(wans_and_lans_are_found),
		cmocka_unit_test(shift_is_the_lowest_bit),
		cmocka_unit_test(answers_have_a_bit_to_spare),
		cmocka_unit_test(a_wan_serves_families_with_a_next_hop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
