// SPDX-License-Identifier: GPL-2.0-only
/* What each WAN is used for; the daemon's patience; its events as text. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "daemon/event.h"
#include "health/wanstate.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define WANS 4

/*
 * One letter a WAN. Asked: u(p), r (drain), d(own). Fitness: g(ood), p(oor), b(ad). States before
 * and after: U(p), P (degraded), S (standby, up), R (drain), Q (standby, drain), D(own), K
 * (standby, down).
 */
struct row {
	const char *what;
	const char *tiers, *asked, *fitness;
	enum pcc_failback failback;
	const char *before, *after;
	bool alarm;
};

static const struct row rows[] = {
	{"all are well", "11", "uu", "gg", 0, "UU", "UU", false},
	{"one is bad", "111", "uuu", "gbg", 0, "UUU", "UDU", false},
	{"it is good again", "111", "uuu", "ggg", 0, "UDU", "UUU", false},
	{"one is poor", "11", "uu", "gp", 0, "UU", "UP", false},
	{"all are poor", "11", "uu", "pp", 0, "UU", "PP", false},
	{"by hand drain and down", "111", "urd", "ggg", 0, "UUU", "URD", false},
	{"by hand down, and bad", "11", "ud", "gb", 0, "UU", "UD", false},
	{"a backup stands by", "112", "uuu", "ggg", 0, "UUU", "UUS", false},
	{"the tier has one left", "112", "uuu", "bgg", 0, "UUS", "DUS", false},
	{"a poor one is enough", "12", "uu", "pg", 0, "US", "PS", false},
	{"the tier is gone", "112", "uuu", "bbg", 0, "DUS", "DDU", false},
	{"three tiers", "123", "uuu", "bbg", 0, "USS", "DDU", false},
	{"the tier is back: stay", "112", "uuu", "gbg", PCC_FAILBACK_STAY, "DDU", "UDS", false},
	{"the tier is back: drain", "112", "uuu", "gbg", PCC_FAILBACK_DRAIN, "DDU", "UDQ", false},
	{"the tier is back: kill", "112", "uuu", "gbg", PCC_FAILBACK_KILL, "DDU", "UDK", false},
	{"a backup that is killed is used again", "12", "uu", "bg", PCC_FAILBACK_KILL, "UK", "DU",
		false},
	{"none is fit: the last stays", "112", "uuu", "bbb", 0, "DUS", "DUS", true},
	{"none is fit: the backup was the last", "112", "uuu", "bbb", 0, "DDU", "DDU", true},
	{"none is fit at the start", "11", "uu", "bb", 0, "UU", "UU", true},
	{"none is fit, and the last is set down by hand", "11", "ud", "bb", 0, "DU", "UD", true},
	{"none is fit, the backup never was in use", "12", "ud", "bb", 0, "DU", "UD", true},
	{"one is fit again", "11", "uu", "bg", 0, "UD", "DU", false},
	{"all are down by hand: no alarm", "11", "dd", "gg", 0, "UU", "DD", false},
	{"a backup alone by hand", "12", "du", "gg", 0, "US", "DU", false},
};

static struct pcc_wan_out out_of(char c)
{
	struct pcc_wan_out out = {.state = PCC_WAN_UP};

	out.standby = strchr("SQK", c) != NULL;
	out.degraded = c == 'P';
	if (c == 'R' || c == 'Q')
		out.state = PCC_WAN_DRAIN;
	if (c == 'D' || c == 'K')
		out.state = PCC_WAN_DOWN;
	return out;
}

static void states_follow_from_what_is_asked_fitness_and_tiers(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct row *r = &rows[i];
		struct pcc_wan_in in[WANS] = {};
		struct pcc_wan_out out[WANS] = {};
		uint32_t n = (uint32_t)strlen(r->tiers);

		for (uint32_t w = 0; w < n; w++) {
			in[w].tier = (uint32_t)(r->tiers[w] - '0');
			in[w].asked = r->asked[w] == 'u'   ? PCC_WAN_UP
				      : r->asked[w] == 'r' ? PCC_WAN_DRAIN
							   : PCC_WAN_DOWN;
			in[w].fitness = r->fitness[w] == 'g'   ? PCC_FIT
					: r->fitness[w] == 'p' ? PCC_FIT_POOR
							       : PCC_UNFIT;
			in[w].reason = in[w].fitness == PCC_FIT ? "" : "why";
			in[w].failback = r->failback;
			out[w] = out_of(r->before[w]);
		}
		if (pcc_wan_states(in, out, n) != r->alarm)
			fail_msg("%s: alarm", r->what);
		for (uint32_t w = 0; w < n; w++) {
			struct pcc_wan_out want = out_of(r->after[w]);

			if (out[w].state != want.state || out[w].standby != want.standby ||
				out[w].degraded != want.degraded)
				fail_msg("%s: WAN %u is %s", r->what, w,
					pcc_wan_state_text(
						out[w].state, out[w].degraded, out[w].standby));
		}
	}
}

static void who_set_a_state_is_known(void **state)
{
	struct pcc_wan_in in[3] = {
		{.asked = PCC_WAN_UP, .fitness = PCC_UNFIT, .reason = "no carrier", .tier = 1},
		{.asked = PCC_WAN_DOWN, .tier = 1},
		{.asked = PCC_WAN_UP, .tier = 1},
	};
	struct pcc_wan_out out[3] = {};

	(void)state;
	assert_false(pcc_wan_states(in, out, 3));
	assert_true(out[0].by_daemon);
	assert_string_equal(out[0].reason, "no carrier");
	assert_false(out[1].by_daemon);
	assert_string_equal(out[1].reason, "set by hand");
	assert_false(out[2].by_daemon);
	assert_string_equal(out[2].reason, "");
}

static void a_crowd_is_waited_for_but_not_for_ever(void **state)
{
	struct pcc_debounce d = {};
	uint64_t due = 0;

	(void)state;
	assert_int_equal(pcc_debounce_heard(&d, 1000, PCC_QUIET_MS), 1050);
	assert_int_equal(pcc_debounce_heard(&d, 1030, PCC_QUIET_MS), 1080);
	for (uint64_t now = 1040; now < 2000; now += 10)
		due = pcc_debounce_heard(&d, now, PCC_QUIET_MS);
	assert_int_equal(due, 1000 + PCC_PATIENCE_MS);
	pcc_debounce_done(&d);
	assert_int_equal(pcc_debounce_heard(&d, 3000, PCC_QUIET_MS), 3050);
}

static void what_is_urgent_is_not_put_off(void **state)
{
	struct pcc_debounce d = {};

	(void)state;
	assert_int_equal(pcc_debounce_heard(&d, 1000, PCC_QUIET_MS), 1050);
	assert_int_equal(pcc_debounce_heard(&d, 1010, PCC_URGENT_MS), 1010 + PCC_URGENT_MS);
	assert_int_equal(pcc_debounce_heard(&d, 1012, PCC_QUIET_MS), 1010 + PCC_URGENT_MS);
	assert_int_equal(pcc_debounce_heard(&d, 1013, PCC_URGENT_MS), 1010 + PCC_URGENT_MS);
}

static void what_is_missing_for_a_moment_is_waited_for(void **state)
{
	struct pcc_grace g = {};

	(void)state;
	assert_false(pcc_grace_holds(&g, false, true, 1000));
	/* A WAN in use, from when it is missed until the grace is over, and no longer. */
	assert_true(pcc_grace_holds(&g, true, true, 2000));
	assert_true(pcc_grace_holds(&g, true, true, 2000 + PCC_GRACE_MS - 1));
	assert_false(pcc_grace_holds(&g, true, true, 2000 + PCC_GRACE_MS));
	assert_false(pcc_grace_holds(&g, true, true, 60000));
	/* It comes back: the next time counts anew. */
	assert_false(pcc_grace_holds(&g, false, true, 61000));
	assert_true(pcc_grace_holds(&g, true, true, 62000));
	/* One that is in no use has nothing to lose. */
	assert_false(pcc_grace_holds(&g, false, true, 63000));
	assert_false(pcc_grace_holds(&g, true, false, 64000));
	assert_false(pcc_grace_holds(&g, true, true, 64001));
}

static void a_fight_is_slowed_down(void **state)
{
	struct pcc_fight f = {};
	uint64_t now = 10000;

	(void)state;
	for (uint32_t i = 0; i < PCC_FIGHT_REPAIRS; i++) {
		pcc_fight_note(&f, now += 100, true);
		assert_int_equal(pcc_fight_until(&f), 0);
	}
	pcc_fight_note(&f, now += 100, true);
	assert_int_equal(pcc_fight_until(&f), now + PCC_FIGHT_GAP_MS);
	pcc_fight_note(&f, now += 500, false);
	assert_true(pcc_fight_until(&f) != 0);
	pcc_fight_note(&f, now += PCC_FIGHT_PAUSE_MS, false);
	assert_int_equal(pcc_fight_until(&f), 0);
}

static const struct pcc_event down = {
	.time_us = 1700000000123456ull,
	.kind = PCC_EVENT_WAN,
	.wan = "eth1",
	.old_state = "up",
	.new_state = "down",
	.reason = "too \"few\"",
};

static void events_read_well(void **state)
{
	static const struct {
		struct pcc_event e;
		const char *text;
	} events[] = {
		{{.kind = PCC_EVENT_WAN,
			 .wan = "eth1",
			 .old_state = "up",
			 .new_state = "up",
			 .time_us = 0},
			"1970-01-01T00:00:00.000Z eth1 up\n"},
		{{.kind = PCC_EVENT_REPAIR, .reason = "2 rules", .time_us = 1999},
			"1970-01-01T00:00:00.001Z repair: 2 rules\n"},
	};
	char buf[PCC_EVENT_BYTES];

	(void)state;
	pcc_event_text(&down, buf, sizeof(buf));
	assert_string_equal(buf, "2023-11-14T22:13:20.123Z eth1 up -> down: too \"few\"\n");
	for (size_t i = 0; i < COUNT(events); i++) {
		pcc_event_text(&events[i].e, buf, sizeof(buf));
		assert_string_equal(buf, events[i].text);
	}
}

static void events_come_back_from_json(void **state)
{
	char buf[PCC_EVENT_BYTES];
	struct pcc_event e;
	size_t len;

	(void)state;
	len = pcc_event_json(&down, buf, sizeof(buf));
	assert_int_equal(len, strlen(buf));
	assert_string_equal(buf,
		"{\"time\":\"2023-11-14T22:13:20.123Z\",\"event\":\"wan\",\"wan\":\"eth1\",\"old\":\"up\","
		"\"new\":\"down\",\"reason\":\"too \\\"few\\\"\"}\n");
	assert_int_equal(pcc_event_parse(buf, &e), 0);
	assert_int_equal(e.time_us, 1700000000123000ull);
	assert_int_equal(e.kind, down.kind);
	assert_string_equal(e.wan, down.wan);
	assert_string_equal(e.new_state, down.new_state);
	assert_string_equal(e.reason, down.reason);
	assert_int_equal(pcc_event_parse("{}", &e), -22);
	assert_int_equal(pcc_event_parse("nonsense", &e), -22);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_follow_from_what_is_asked_fitness_and_tiers),
		cmocka_unit_test(who_set_a_state_is_known),
		cmocka_unit_test(a_crowd_is_waited_for_but_not_for_ever),
		cmocka_unit_test(what_is_urgent_is_not_put_off),
		cmocka_unit_test(a_fight_is_slowed_down),
		cmocka_unit_test(what_is_missing_for_a_moment_is_waited_for),
		cmocka_unit_test(events_read_well),
		cmocka_unit_test(events_come_back_from_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
