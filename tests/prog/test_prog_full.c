// SPDX-License-Identifier: GPL-2.0-only
/* A connection map that is full: hits evict nothing, and what cannot be remembered is still balanced. */
#include "harness.h"

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
	return load(1024, BPF_MAP_TYPE_LRU_HASH);
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
 * An update call on an existing key of an LRU takes a free node first, and so evicts another entry when
 * there is none: the programs must change a known connection in place.
 */
static void packets_of_known_connections_evict_nothing(void **state)
{
	static struct pcc_tuple before[2048], after[2048];
	uint32_t n, hits = 0;

	(void)state;
	for (uint32_t i = 0; i < 5000; i++) {
		struct spec s = udp(i);
		struct frame f = lan_frame(&s);
		struct shot shot = {.prog = PCC_PROG_LAN_IN, .ifindex = B.lan, .mark = MARK_IN};

		assert_int_equal(shot_run(&shot, f.b, f.len, __FILE__, __LINE__), 0);
		mark_is(&shot, spec_wan(&s), __FILE__, __LINE__);
	}
	n = all_keys(before, ARRAY_LEN(before));
	assert_in_range(n, 512, 1024);
	for (uint32_t i = 0; i < 5000; i++) {
		struct spec s = udp(i), r = spec_reply(&s);
		struct frame f = lan_frame(&s), g = lan_frame(&r);
		struct shot shot = {.prog = PCC_PROG_LAN_IN, .ifindex = B.lan, .mark = MARK_IN};
		struct pcc_conn conn;

		if (!conn_get(&s, &conn))
			continue;
		hits++;
		conn_age(&s, i & 1 ? 3 * SEC_NS : 0, 0);
		assert_int_equal(shot_run(&shot, f.b, f.len, __FILE__, __LINE__), 0);
		shot.prog = PCC_PROG_LAN_OUT;
		shot.ingress_ifindex = B.wan[conn.wan_id];
		assert_int_equal(shot_run(&shot, g.b, g.len, __FILE__, __LINE__), 0);
	}
	/* conn_age() is an update call itself: look at what the programs did alone, too. */
	assert_true(hits > 256);
	n = all_keys(before, ARRAY_LEN(before));
	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < n; i++) {
			struct spec s = udp((ntohs(before[i].sport) - 1024u) +
					    60000u * (ntohs(before[i].dport) - 53u));
			struct spec r = spec_reply(&s);
			struct frame f = lan_frame(&s), g = lan_frame(&r);
			struct shot in = {
				.prog = PCC_PROG_LAN_IN, .ifindex = B.lan, .mark = MARK_IN};
			struct shot out = {.prog = PCC_PROG_LAN_OUT,
				.ifindex = B.lan,
				.ingress_ifindex = B.wan[spec_wan(&s)],
				.mark = MARK_IN};

			assert_int_equal(shot_run(&in, f.b, f.len, __FILE__, __LINE__), 0);
			assert_int_equal(shot_run(&out, g.b, g.len, __FILE__, __LINE__), 0);
		}
	}
	assert_int_equal(all_keys(after, ARRAY_LEN(after)), n);
	assert_memory_equal(before, after, n * sizeof(before[0]));
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
			what_is_not_remembered_is_still_balanced_and_counted, one_entry, bench_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
