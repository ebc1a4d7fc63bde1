// SPDX-License-Identifier: GPL-2.0-only
/* A connection map that is full: hits evict nothing, and what cannot be remembered is still
 * balanced. */
#include "harness.h"

#define CONNS 1024u

static struct spec udp(uint32_t n)
{
	return (struct spec){.proto = IPPROTO_UDP,
		.src = host4,
		.dst = inet4,
		.sport = 1024 + n % 60000,
		.dport = 53 + n / 60000};
}

static int load(uint32_t max_conns, enum bpf_map_type type)
{
	if (!B.lan)
		namespace_make();
	programs_load(max_conns, type);
	bench_usual(NULL);
	return 0;
}

static int small_lru(void **state)
{
	(void)state;
	return load(CONNS, BPF_MAP_TYPE_LRU_HASH);
}

/* The only way to have the kernel refuse an entry: not an LRU. */
static int one_entry(void **state)
{
	(void)state;
	return load(1, BPF_MAP_TYPE_HASH);
}

static int cmp_tuple(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct pcc_tuple));
}

static uint32_t all_keys(struct pcc_tuple *keys, uint32_t room)
{
	uint32_t n = 0;

	for (void *at = NULL; n < room && !bpf_map_get_next_key(FD(pcc_conns), at, &keys[n]); n++)
		at = &keys[n];
	qsort(keys, n, sizeof(*keys), cmp_tuple);
	return n;
}

/*
 * An update call on an existing key of an LRU takes a free node first, and evicts others when there
 * is none: the programs must change a known connection in place. Filled from one CPU to the last
 * entry, the map has no free node left.
 */
static void packets_of_known_connections_evict_nothing(void **state)
{
	static struct pcc_tuple before[CONNS + 1], after[CONNS + 1];
	cpu_set_t old, one;

	(void)state;
	CPU_ZERO(&one);
	sched_getaffinity(0, sizeof(old), &old);
	for (int cpu = 0; cpu < CPU_SETSIZE && !CPU_COUNT(&one); cpu++)
		if (CPU_ISSET(cpu, &old))
			CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	for (int round = 0; round < 4; round++) {
		for (uint32_t i = 0; i < CONNS; i++) {
			struct spec s = udp(i), r = spec_reply(&s);
			struct frame f = lan_frame(&s), g = lan_frame(&r);
			struct shot in = {
				.prog = PCC_PROG_LAN_IN, .ifindex = B.lan, .mark = MARK_IN};
			struct shot out = {.prog = PCC_PROG_LAN_OUT,
				.ifindex = B.lan,
				.ingress_ifindex = B.wan[spec_wan(&s)],
				.mark = MARK_IN};

			assert_int_equal(shot_run(&in, f.b, f.len, __FILE__, __LINE__), 0);
			mark_is(&in, spec_wan(&s), __FILE__, __LINE__);
			if (round)
				assert_int_equal(shot_run(&out, g.b, g.len, __FILE__, __LINE__), 0);
		}
		assert_int_equal(all_keys(after, CONNS + 1), CONNS);
		if (round)
			assert_memory_equal(before, after, sizeof(before[0]) * CONNS);
		memcpy(before, after, sizeof(before));
	}
	/* One more is taken in, and something old makes room. */
	struct spec s = udp(CONNS);
	struct frame f = lan_frame(&s);

	lan_in(&f, PCC_R_NEW, spec_wan(&s));
	lan_in(&f, PCC_R_PINNED, spec_wan(&s));
	assert_true(conns() <= CONNS);
	sched_setaffinity(0, sizeof(old), &old);
}

static void what_is_not_remembered_is_still_balanced_and_counted(void **state)
{
	struct spec first = udp(0);
	struct frame f = lan_frame(&first);

	(void)state;
	lan_in(&f, PCC_R_NEW, spec_wan(&first));
	for (uint32_t i = 1; i < 50; i++) {
		struct spec s = udp(i);

		f = lan_frame(&s);
		lan_in_extra(&f, PCC_R_NEW, PCC_R_UNREMEMBERED, spec_wan(&s));
		/* Each packet anew, and always to the same WAN. */
		lan_in_extra(&f, PCC_R_NEW, PCC_R_UNREMEMBERED, spec_wan(&s));
	}
	assert_int_equal(conns(), 1);
	f = lan_frame(&first);
	lan_in(&f, PCC_R_PINNED, spec_wan(&first));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			packets_of_known_connections_evict_nothing, small_lru, bench_down),
		cmocka_unit_test_setup_teardown(
			what_is_not_remembered_is_still_balanced_and_counted, one_entry,
			bench_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
