// SPDX-License-Identifier: GPL-2.0-only
/* What the daemon leaves to be read: reasons, and what the probes say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "report/run.h"

static void probe(struct pcc_health *h, enum pcc_probe_outcome outcome, uint32_t rtt_us)
{
	struct pcc_probe_result result = {.outcome = outcome,
		.tries = 1,
		.lost = outcome == PCC_PROBE_LOST,
		.rtt_us = rtt_us,
		.started_ms = 100,
		.ended_ms = 200};

	pcc_health_probe(h, &result);
}

static void health_make(struct pcc_health *h)
{
	struct pcc_health_cfg cfg;

	pcc_health_defaults(&cfg);
	cfg.ntargets = 2;
	assert_int_equal(pcc_target_parse("9.9.9.9", &cfg.targets[0], NULL), 0);
	assert_int_equal(pcc_target_parse("tcp://1.1.1.1:443", &cfg.targets[1], NULL), 0);
	pcc_health_init(h, &cfg, 0);
}

static void probes_in_numbers(void **state)
{
	struct pcc_run_health seen;
	struct pcc_health h;

	(void)state;
	health_make(&h);
	pcc_run_health_of(&h, &seen);
	assert_int_equal(seen.ntargets, 2);
	assert_string_equal(seen.targets[1].text, "tcp://1.1.1.1:443");
	assert_false(seen.targets[0].seen.known || seen.targets[1].seen.known);
	assert_false(seen.loss_known || seen.rtt_known);
	probe(&h, PCC_PROBE_OK, 12000);
	pcc_run_health_of(&h, &seen);
	assert_true(seen.targets[0].seen.known && !seen.targets[0].seen.failed);
	assert_int_equal(seen.targets[0].seen.rtt_us, 12000);
	assert_int_equal(seen.rtt_us, 12000);
	assert_false(seen.targets[1].seen.known);
	for (uint32_t i = 0; i < h.cfg.fall; i++)
		probe(&h, PCC_PROBE_LOST, 0);
	pcc_run_health_of(&h, &seen);
	assert_true(seen.targets[0].seen.failed);
	assert_int_equal(seen.targets[0].seen.lost, h.cfg.fall);
}

static void what_is_written_is_read(void **state)
{
	struct pcc_run_wan wans[2] = {}, back[3] = {};
	char pins[64];
	struct pcc_health h;

	(void)state;
	snprintf(pins, sizeof(pins), "/tmp/pccbpf-unit-run-%d", getpid());
	if (geteuid() || pcc_run_make(pins, NULL))
		skip();
	assert_int_equal(pcc_run_read(pins, back, 3), 0);
	health_make(&h);
	probe(&h, PCC_PROBE_OK, 34000);
	strcpy(wans[0].name, "wan1");
	strcpy(wans[0].reason, "too few targets answer");
	wans[0].since_s = 1234567890;
	pcc_run_health_of(&h, &wans[0].health);
	strcpy(wans[1].name, "wan2"); /* nothing is asked */
	assert_int_equal(pcc_run_write(pins, wans, 2), 0);
	assert_false(pcc_run_alive(pins));
	assert_int_equal(pcc_run_read(pins, back, 3), 2);
	assert_memory_equal(back, wans, sizeof(wans));
	assert_int_equal(pcc_run_read(pins, back, 1), 1);
	pcc_run_remove(pins);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probes_in_numbers),
		cmocka_unit_test(what_is_written_is_read),
	};

	return cmocka_run_group_tests_name("run", tests, NULL, NULL);
}
