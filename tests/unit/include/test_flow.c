// SPDX-License-Identifier: GPL-2.0-only
/* Keys and counters of the fast path (pccbpf_flow.h). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "pccbpf_flow.h"

#define ONE(packets, bytes) (((uint64_t)(packets) << PCC_FLOW_BYTES_BITS) + (bytes))

static void a_difference_of_counters_is_packets_and_bytes(void **state)
{
	static const struct {
		uint64_t from, by_packets, by_bytes;
	} rows[] = {
		{0, 0, 0},
		{0, 1, 64},
		{ONE(5, 320), 3, 4500},
		{ONE(0, PCC_FLOW_BYTES_MASK), 1, 1},		     /* bytes carry into packets */
		{ONE((1u << 28) - 1, PCC_FLOW_BYTES_MASK), 2, 3000}, /* the word wraps */
		{UINT64_MAX, 1, 1},
		{0, (1u << 27) - 1, PCC_FLOW_BYTES_MASK},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t sum = rows[i].from + ONE(rows[i].by_packets, rows[i].by_bytes);
		__u64 packets, bytes;

		pcc_flow_uncounted(sum, rows[i].from, &packets, &bytes);
		assert_int_equal(packets, rows[i].by_packets);
		assert_int_equal(bytes, rows[i].by_bytes);
		/* The other way round, which another CPU has added already. */
		pcc_flow_uncounted(rows[i].from, sum, &packets, &bytes);
		assert_int_equal(-packets, rows[i].by_packets);
		assert_int_equal(-bytes, rows[i].by_bytes);
	}
}

/* Whatever is different in the packet is different in the key. */
static void a_key_tells_packets_apart(void **state)
{
	struct pcc_tuple v4 = {.src = {0, 0, 0xffff, 1}, .dst = {0, 0, 0xffff, 2}, .proto = 17};
	struct pcc_tuple v6 = {.src = {1, 2, 3, 4}, .dst = {5, 6, 7, 8}, .proto = 6};
	struct pcc_flow_key keys[24];
	size_t n = 0;

	(void)state;
	for (int family = 0; family < 2; family++) {
		const struct pcc_tuple *t = family ? &v6 : &v4;
		struct pcc_tuple other;

		pcc_flow_key_of(&keys[n++], t, 7, family);
		pcc_flow_key_of(&keys[n++], t, 8, family);
		pcc_flow_key_of(&keys[n++], t, PCC_FLOW_MAX_IFINDEX, family);
		for (int word = family ? 0 : 3; word < 4; word++) {
			other = *t;
			other.src[word] ^= 0x100;
			pcc_flow_key_of(&keys[n++], &other, 7, family);
			other = *t;
			other.dst[word] ^= 0x100;
			pcc_flow_key_of(&keys[n++], &other, 7, family);
		}
		other = *t;
		other.sport = 1;
		pcc_flow_key_of(&keys[n++], &other, 7, family);
		other = *t;
		other.dport = 1;
		pcc_flow_key_of(&keys[n++], &other, 7, family);
		other = *t;
		other.proto = 23 - t->proto;
		pcc_flow_key_of(&keys[n++], &other, 7, family);
	}
	assert_true(n <= sizeof(keys) / sizeof(keys[0]));
	for (size_t a = 0; a < n; a++)
		for (size_t b = 0; b < a; b++)
			assert_memory_not_equal(&keys[a], &keys[b], sizeof(keys[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_difference_of_counters_is_packets_and_bytes),
		cmocka_unit_test(a_key_tells_packets_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
