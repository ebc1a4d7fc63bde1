// SPDX-License-Identifier: GPL-2.0-only
/* The classifier's hash against an independent implementation (gen_jhash_vectors.py). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include "text/parse.h"
#include "pccbpf_hash.h"

struct jhash_vector {
	const char *classifier;
	int family;
	uint8_t proto;
	const char *src, *dst;
	uint16_t sport, dport; /* host order */
	uint32_t seed, hash;
};

#include "jhash_vectors.h"

static void address(int family, const char *text, __be32 out[4])
{
	memset(out, 0, 16);
	if (family == 4)
		out[2] = htonl(0xffff);
	assert_int_equal(
		inet_pton(family == 4 ? AF_INET : AF_INET6, text, family == 4 ? &out[3] : out), 1);
}

static struct pcc_tuple tuple_of(const struct jhash_vector *v)
{
	struct pcc_tuple t = {
		.sport = htons(v->sport), .dport = htons(v->dport), .proto = v->proto};

	address(v->family, v->src, t.src);
	address(v->family, v->dst, t.dst);
	return t;
}

static void every_vector_gives_the_same_hash(void **state)
{
	size_t n = sizeof(jhash_vectors) / sizeof(jhash_vectors[0]);

	(void)state;
	assert_true(n >= 300);
	for (size_t i = 0; i < n; i++) {
		const struct jhash_vector *v = &jhash_vectors[i];
		struct pcc_tuple t = tuple_of(v);
		uint32_t classifier;

		assert_int_equal(
			pcc_parse_keyword(v->classifier, "--classifier", pcc_classifier_names,
				PCC_N_CLASSIFIERS, &classifier, NULL),
			0);
		if (pcc_hash(&t, pcc_classifier_fields(classifier), v->seed) != v->hash)
			fail_msg("vector %zu: %s proto %d %s -> %s", i, v->classifier, v->proto,
				v->src, v->dst);
	}
}

/* lookup3.c, driver5(): jhash() is hashlittle() with a 32-bit initval. */
static void words_give_jenkins_published_values(void **state)
{
	static const struct {
		const char *text;
		uint32_t seed, hash;
	} rows[] = {
		{"", 0, 0xdeadbeef},
		{"Four score and seven years ago", 0, 0x17770551},
		{"Four score and seven years ago", 1, 0xcd628161},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		__u32 w[12] = {0};

		memcpy(w, rows[i].text, strlen(rows[i].text));
		assert_int_equal(pcc_jhash_words(w, (__u32)strlen(rows[i].text), rows[i].seed),
			rows[i].hash);
	}
}

/* What is not selected has no influence; what is selected has. */
static void only_selected_fields_count(void **state)
{
	static const struct jhash_vector base = {
		NULL, 4, IPPROTO_TCP, "192.0.2.1", "198.51.100.7", 1234, 443, 0, 0};

	(void)state;
	for (uint32_t c = 0; c < PCC_N_CLASSIFIERS; c++) {
		uint32_t fields = pcc_classifier_fields(c);

		for (uint32_t field = PCC_F_SRC; field <= PCC_F_DPORT; field <<= 1) {
			struct pcc_tuple t = tuple_of(&base), changed = t;
			bool same;

			if (field == PCC_F_SRC)
				changed.src[3] ^= htonl(1);
			else if (field == PCC_F_DST)
				changed.dst[3] ^= htonl(1);
			else if (field == PCC_F_SPORT)
				changed.sport ^= htons(1);
			else
				changed.dport ^= htons(1);
			same = pcc_hash(&t, fields, 7) == pcc_hash(&changed, fields, 7);
			assert_int_equal(same, !(fields & field));
		}
	}
}

/* A port classifier and a protocol without ports: both addresses are hashed, ports are not. */
static void without_ports_the_addresses_are_hashed(void **state)
{
	static const struct jhash_vector ping = {
		NULL, 4, IPPROTO_ICMP, "192.0.2.1", "198.51.100.7", 77, 77, 0, 0};
	struct pcc_tuple t = tuple_of(&ping);

	(void)state;
	assert_int_equal(
		pcc_hash(&t, PCC_F_SPORT | PCC_F_DPORT, 9), pcc_hash(&t, PCC_F_SRC | PCC_F_DST, 9));
	assert_int_equal(pcc_hash(&t, PCC_F_SRC | PCC_F_SPORT, 9), pcc_hash(&t, PCC_F_SRC, 9));
	t.proto = IPPROTO_TCP;
	assert_int_not_equal(
		pcc_hash(&t, PCC_F_SPORT | PCC_F_DPORT, 9), pcc_hash(&t, PCC_F_SRC | PCC_F_DST, 9));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_vector_gives_the_same_hash),
		cmocka_unit_test(words_give_jenkins_published_values),
		cmocka_unit_test(only_selected_fields_count),
		cmocka_unit_test(without_ports_the_addresses_are_hashed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
