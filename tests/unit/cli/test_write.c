// SPDX-License-Identifier: GPL-2.0-only
/* One made-up report in every form and view: the words and numbers, and that no two disagree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <jansson.h>

#include "cli/write.h"

static struct pcc_report r;
static struct pcc_report_bucket buckets4[] = {
	{.wan_id = 1, .counters = {11, 1100, 12, 1200, 1}},
	{.wan_id = 1, .counters = {21, 2100, 22, 2200, 2}},
	{.wan_id = 3, .counters = {31, 3100, 32, 3200, 3}},
	{.wan_id = 9}, /* of no WAN that is attached */
};
static struct pcc_report_bucket buckets6[] = {{.wan_id = 3}};
static struct pcc_report_policy policies[] = {{.name = "voip", .hit = {7, 2}}};

static void lan_make(void)
{
	r.cfg.nlans = 1;
	strcpy(r.cfg.lans[0].name, "br0");
	r.lans[0].hook = PCC_HOOK_TCX;
	r.lans[0].fastpath.mode = "tc";
	r.lans[0].fastpath.hint = "attach again";
	strcpy(r.lans[0].fastpath.why, "no native XDP");
	strcpy(r.lans[0].fastpath.passes, "filter u32, pref 10");
	strcpy(r.lans[0].flowtable.text, "a flowtable takes packets");
	strcpy(r.lans[0].flowtable.hint, "nothing helps");
	strcpy(r.lans[0].flowtable.name, "inet t f");
	strcpy(r.lans[0].flowtable.device, "lan1");
	r.lans[0].flowtable.unseen = true;
}

static void wan_make(uint32_t i, const char *name, uint32_t id, const char *gateway)
{
	struct pcc_wan_cfg *wan = &r.cfg.wans[i];

	snprintf(wan->name, sizeof(wan->name), "%s", name);
	wan->id = id;
	wan->weight = 10 * id;
	wan->state = PCC_WAN_UP;
	wan->gw[PCC_V4].source = PCC_GW_GIVEN;
	inet_pton(AF_INET, gateway, &wan->gw[PCC_V4].addr);
	r.wans[i].at.hook = PCC_HOOK_TCX;
	r.wans[i].at.fastpath.mode = "xdp";
	r.wans[i].at.fastpath.hint = "";
}

static int setup(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	pcc_config_defaults(&r.cfg);
	r.attached = true;
	r.daemon = true;
	r.conntrack_kfuncs = true;
	r.parts = PCC_REPORT_STATE | PCC_REPORT_COUNTERS | PCC_REPORT_BUCKETS;
	r.cfg.seed = 42;
	r.cfg.mark_mask = 0xff00;
	r.cfg.table_base = 1000;
	r.cfg.max_conns = 4096;
	r.cfg.nat4 = true;
	r.cfg.nat6 = false;
	lan_make();
	r.cfg.nwans = 2;
	wan_make(0, "wan1", 1, "192.0.2.1");
	wan_make(1, "wan3", 3, "198.51.100.1");
	r.wans[0].share = 0.75;
	r.wans[0].buckets[PCC_V4] = 2;
	r.wans[0].counters =
		(struct pcc_wan_stats){101, 102400, 103, 104, 105, 106, 107, 108, 109, 110};
	r.wans[0].offloaded = (struct pcc_offloaded){2, true, 5, 2048};
	r.cfg.wans[1].state = PCC_WAN_DOWN;
	r.cfg.wans[1].by_daemon = true;
	strcpy(r.wans[1].reason, "too few targets answer");
	r.wans[1].share = 0.25;
	r.wans[1].link = PCC_LINK_NO_ROUTE;
	r.wans[1].buckets[PCC_V4] = r.wans[1].buckets[PCC_V6] = 1;
	r.wans[1].offloaded.connections = 1; /* conntrack does not count */
	r.wans[1].counters.new_connections = 35;
	r.buckets[PCC_V4] = buckets4;
	r.nbuckets[PCC_V4] = 4;
	r.buckets[PCC_V6] = buckets6;
	r.nbuckets[PCC_V6] = 1;
	r.policies = policies;
	r.npolicies = 1;
	r.counters[PCC_R_NEW] = 140;
	return 0;
}

/* What the form makes of a view; to be freed. */
static char *written(pcc_show_fn write, enum pcc_view view)
{
	size_t size = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(write(&r, view, out), 0);
	fclose(out);
	return text;
}

static json_t *parsed(enum pcc_view view)
{
	char *text = written(pcc_show_json, view);
	json_t *json = json_loads(text, 0, NULL);

	assert_non_null(json);
	free(text);
	return json;
}

static void status_in_words(void **state)
{
	static const char expected[] =
		"pccbpf " PCC_VERSION
		", classifier src-address-and-port, scheme consistent, seed 42, "
		"mark mask 0xff00, nat masquerade, nat6 none, daemon running\n"
		"LAN br0: hook tcx, fast path tc: no native XDP\n"
		"br0: the filter u32, pref 10 does not see what the fast path forwards (attach again)\n"
		"br0: a flowtable takes packets (nothing helps)\n"
		"WAN              ID STATE    WEIGHT   SHARE     MARK  TABLE HOOK     FAST LINK       GATEWAYS\n"
		"wan1              1 up           10   75.0%    0x100   1001 tcx      xdp  up         192.0.2.1 \n"
		"wan3              3 down         30   25.0%    0x300   1003 tcx      xdp  no route   198.51.100.1 \n"
		"wan3 is down: too few targets answer\n"
		"wan1: 2 connections are offloaded to a flowtable; pccbpf has not seen 5 of their packets (2.0 KiB)\n"
		"wan3: 1 connection is offloaded to a flowtable; what pccbpf does not see of them is not "
		"counted (it is with `counter` in the flowtable and net.netfilter.nf_conntrack_acct=1)\n"
		"wan3: its table 1003 has no default route, it takes no connections; `pccbpf wan set wan3 "
		"--state up` puts it back or says what is in the way\n";
	char *text = written(pcc_show_text, PCC_VIEW_STATUS);

	(void)state;
	assert_string_equal(text, expected);
	free(text);
}

static void wan_list_is_a_part_of_status(void **state)
{
	char *status = written(pcc_show_text, PCC_VIEW_STATUS);
	char *list = written(pcc_show_text, PCC_VIEW_WANS);
	json_t *whole = parsed(PCC_VIEW_STATUS), *part = parsed(PCC_VIEW_WANS);

	(void)state;
	assert_non_null(strstr(status, list));
	assert_true(json_equal(json_object_get(whole, "wans"), part));
	assert_int_equal(json_array_size(part), 2);
	json_decref(whole);
	json_decref(part);
	free(status);
	free(list);
}

static void status_as_json(void **state)
{
	json_t *status = parsed(PCC_VIEW_STATUS), *wan3, *expected;

	(void)state;
	wan3 = json_array_get(json_object_get(status, "wans"), 1);
	expected = json_pack(
		"{s:s, s:i, s:s, s:s, s:i, s:s, s:i, s:s, s:n, s:i, s:i, s:f, s:s, s:s, s:s, s:s, "
		"s:s, s:s, s:s, s:b, s:i, s:n, s:n}",
		"name", "wan3", "id", 3, "state", "down", "reason", "too few targets answer",
		"weight", 30, "mark", "0x300", "table", 1003, "gateway", "198.51.100.1", "gateway6",
		"buckets", 1, "buckets6", 1, "share", 0.25, "hook", "tcx", "fastpath", "xdp",
		"fastpath_reason", "", "fastpath_passes_by", "", "link", "no route", "flowtable",
		"", "flowtable_device", "", "flowtable_unseen", 0, "offloaded", 1,
		"offloaded_unseen_packets", "offloaded_unseen_bytes");
	assert_non_null(expected);
	assert_true(json_equal(wan3, expected));
	json_decref(expected);
	assert_int_equal(json_integer_value(json_object_get(status, "buckets")), 4);
	assert_true(json_is_true(json_object_get(status, "daemon")));
	json_decref(status);
}

static void stats_in_words(void **state)
{
	static const char *const rows[] = {
		"wan1                     101  100.0 KiB          103      104 B        105   75.0%\n",
		"wan3                       0        0 B            0        0 B         35   25.0%\n",
		"IPv4      2  wan3                      31    3.0 KiB           32    3.1 KiB          3\n",
		"IPv4      3                             0        0 B            0        0 B          0\n",
		"IPv6      0  wan3                       0        0 B            0        0 B          0\n",
		"voip                                       7            2\n",
	};
	char *text = written(pcc_show_text, PCC_VIEW_STATS);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strstr(text, rows[i]))
			fail_msg("'%s' is not in:\n%s", rows[i], text);
	free(text);
	r.parts &= ~PCC_REPORT_BUCKETS;
	text = written(pcc_show_text, PCC_VIEW_STATS);
	assert_null(strstr(text, "BUCKET"));
	free(text);
}

/* The numbers of an object, in the order of the struct. */
static void counters_equal(
	const json_t *object, const char *const *names, const void *counters, size_t n)
{
	const uint64_t *values = counters;

	for (size_t i = 0; i < n; i++) {
		const json_t *number = json_object_get(object, names[i]);

		assert_true(json_is_integer(number));
		assert_int_equal(json_integer_value(number), values[i]);
	}
}

static void stats_as_json(void **state)
{
	json_t *stats = parsed(PCC_VIEW_STATS), *status = parsed(PCC_VIEW_STATUS), *a, *b;

	(void)state;
	for (size_t i = 0; i < r.cfg.nwans; i++) {
		a = json_array_get(json_object_get(stats, "wans"), i);
		b = json_array_get(json_object_get(status, "wans"), i);
		assert_true(json_equal(json_object_get(a, "name"), json_object_get(b, "name")));
		counters_equal(a, pcc_wan_counter_names, &r.wans[i].counters, PCC_WAN_COUNTERS);
	}
	a = json_object_get(stats, "buckets");
	assert_int_equal(json_array_size(a), 5);
	for (size_t i = 0; i < 4; i++)
		counters_equal(json_array_get(a, i), pcc_bucket_counter_names,
			&buckets4[i].counters, PCC_BUCKET_COUNTERS);
	b = json_array_get(a, 4);
	assert_int_equal(json_integer_value(json_object_get(b, "family")), 6);
	assert_string_equal(json_string_value(json_object_get(b, "wan")), "wan3");
	a = json_object_get(stats, "counters");
	assert_int_equal(json_object_size(a), PCC_R_MAX);
	assert_int_equal(json_integer_value(json_object_get(a, pcc_reason_name(PCC_R_NEW))), 140);
	b = json_array_get(json_object_get(stats, "policies"), 0);
	assert_int_equal(json_integer_value(json_object_get(b, "connections")), 7);
	assert_int_equal(json_integer_value(json_object_get(b, "dropped_packets")), 2);
	json_decref(stats);
	json_decref(status);
}

static void nothing_attached(void **state)
{
	json_t *status;
	char *text;

	(void)state;
	memset(&r, 0, sizeof(r));
	text = written(pcc_show_text, PCC_VIEW_STATUS);
	assert_string_equal(text, "not attached\n");
	free(text);
	status = parsed(PCC_VIEW_STATUS);
	assert_true(json_is_false(json_object_get(status, "attached")));
	assert_int_equal(json_array_size(json_object_get(status, "wans")), 0);
	json_decref(status);
	assert_false(pcc_report_any_down(&r));
}

/* Every form there is, so that one that is added comes along. */
static void every_form_has_every_view(void **state)
{
	static const pcc_show_fn forms[] = {
#define X(name, option, buckets) pcc_show_##name,
		PCC_WRITERS(X)
#undef X
	};

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		for (int view = PCC_VIEW_STATUS; view <= PCC_VIEW_STATS; view++) {
			char *text = written(forms[i], view);

			assert_non_null(strstr(text, "wan3"));
			free(text);
		}
}

static void down_is_what_is_meant_to_be_used(void **state)
{
	(void)state;
	assert_true(pcc_report_any_down(&r));
	r.wans[1].link = PCC_LINK_UP;
	assert_true(pcc_report_any_down(&r));
	r.cfg.wans[1].standby = true;
	assert_false(pcc_report_any_down(&r));
	r.wans[0].link = PCC_LINK_NO_CARRIER;
	assert_true(pcc_report_any_down(&r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(status_in_words, setup),
		cmocka_unit_test_setup(wan_list_is_a_part_of_status, setup),
		cmocka_unit_test_setup(status_as_json, setup),
		cmocka_unit_test_setup(stats_in_words, setup),
		cmocka_unit_test_setup(stats_as_json, setup),
		cmocka_unit_test_setup(nothing_attached, setup),
		cmocka_unit_test_setup(every_form_has_every_view, setup),
		cmocka_unit_test_setup(down_is_what_is_meant_to_be_used, setup),
	};

	return cmocka_run_group_tests_name("write", tests, NULL, NULL);
}
