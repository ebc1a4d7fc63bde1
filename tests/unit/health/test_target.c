// SPDX-License-Identifier: GPL-2.0-only
/* Targets as users write them, and the bytes of probes and answers, right, wrong and random. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "health/kind.h"
#include "health/target.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static void targets_are_read(void **state)
{
	static const struct {
		const char *word;
		enum pcc_target_kind kind;
		const char *addr;
		uint16_t port, status;
		const char *path;
		const char *text; /* NULL: the word itself */
	} rows[] = {
		{"9.9.9.9", PCC_TARGET_ICMP, "9.9.9.9", 0, 0, "", NULL},
		{"icmp://9.9.9.9", PCC_TARGET_ICMP, "9.9.9.9", 0, 0, "", "9.9.9.9"},
		{"2620:fe::fe", PCC_TARGET_ICMP, "2620:fe::fe", 0, 0, "", NULL},
		{"icmp://[2620:fe::fe]", PCC_TARGET_ICMP, "2620:fe::fe", 0, 0, "", "2620:fe::fe"},
		{"tcp://1.1.1.1:443", PCC_TARGET_TCP, "1.1.1.1", 443, 0, "", NULL},
		{"tcp://[2606:4700::1111]:65535", PCC_TARGET_TCP, "2606:4700::1111", 65535, 0, "",
			NULL},
		{"dns://1.1.1.1/example.com", PCC_TARGET_DNS, "1.1.1.1", 53, 0, "example.com",
			NULL},
		{"dns://1.1.1.1:5353/example.com.", PCC_TARGET_DNS, "1.1.1.1", 5353, 0,
			"example.com", "dns://1.1.1.1:5353/example.com"},
		{"dns://[2620:fe::fe]/a", PCC_TARGET_DNS, "2620:fe::fe", 53, 0, "a", NULL},
		{"http://192.0.2.80", PCC_TARGET_HTTP, "192.0.2.80", 80, 0, "/", NULL},
		{"http://192.0.2.80/", PCC_TARGET_HTTP, "192.0.2.80", 80, 0, "/",
			"http://192.0.2.80"},
		{"http://192.0.2.80/generate_204", PCC_TARGET_HTTP, "192.0.2.80", 80, 204,
			"/generate_204", NULL},
		{"http://192.0.2.80/a/gen_204#expect=204", PCC_TARGET_HTTP, "192.0.2.80", 80, 204,
			"/a/gen_204", "http://192.0.2.80/a/gen_204"},
		{"http://192.0.2.80:8080/x?a=b&c=d#expect=301", PCC_TARGET_HTTP, "192.0.2.80", 8080,
			301, "/x?a=b&c=d", NULL},
		{"http://[2001:db8::1]:81#expect=200", PCC_TARGET_HTTP, "2001:db8::1", 81, 200, "/",
			NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char addr[INET6_ADDRSTRLEN], text[PCC_TARGET_TEXT_MAX];
		struct pcc_target t, again;
		struct pcc_err err = {};

		if (pcc_target_parse(rows[i].word, &t, &err))
			fail_msg("%s: %s", rows[i].word, err.cause);
		inet_ntop(t.family, &t.addr, addr, sizeof(addr));
		assert_string_equal(addr, rows[i].addr);
		assert_int_equal(t.kind, rows[i].kind);
		assert_int_equal(t.port, rows[i].port);
		assert_int_equal(t.status, rows[i].status);
		assert_string_equal(t.path, rows[i].path);
		assert_string_equal(t.text, rows[i].word);
		pcc_target_format(&t, text);
		assert_string_equal(text, rows[i].text ? rows[i].text : rows[i].word);
		assert_int_equal(pcc_target_parse(text, &again, NULL), 0);
		assert_true(pcc_target_same(&t, &again));
	}
}

static void bad_targets_are_refused_and_quoted(void **state)
{
	static const struct {
		const char *word, *says;
	} rows[] = {
		{"", "is empty"},
		{"example.com", "is not an address"},
		{"1.2.3", "is not an address"},
		{"1.2.3.4 ", "is not an address"},
		{"tcp://example.com:80", "a name would need a resolver"},
		{"tcp://1.1.1.1", "the port is missing"},
		{"tcp://1.1.1.1:", "not a number from 1 to 65535"},
		{"tcp://1.1.1.1:0", "not a number from 1 to 65535"},
		{"tcp://1.1.1.1:65536", "not a number from 1 to 65535"},
		{"tcp://1.1.1.1:443/", "nothing may follow"},
		{"tcp://2606:4700::1111:443", "in brackets"},
		{"tcp://[2606:4700::1111:443", "']' is missing"},
		{"tcp://[2606:4700::1111]443", "only a port"},
		{"tcp://[1.1.1.1]:443", "is not an address"},
		{"icmp://1.1.1.1:1", "an echo has no port"},
		{"icmp://", "is not an address"},
		{"https://1.1.1.1/", "icmp, tcp, dns and http"},
		{"dns://1.1.1.1", "the name to ask for is missing"},
		{"dns://1.1.1.1/", "the name to ask for is missing"},
		{"dns://1.1.1.1/a..b", "a part of the name is empty"},
		{"dns://1.1.1.1/.a", "a part of the name is empty"},
		{"dns://1.1.1.1/a b", "a character that no name has"},
		{"dns://1.1.1.1/a/b", "a character that no name has"},
		{"dns://1.1.1.1/"
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b",
			"over 63 characters"},
		{"http://192.0.2.80?a=b", "has a path before it"},
		{"http://192.0.2.80/a b", "a character that no path has"},
		{"http://192.0.2.80/#x", "expect="},
		{"http://192.0.2.80/#expect=", "expect="},
		{"http://192.0.2.80/#expect=99", "expect="},
		{"http://192.0.2.80/#expect=204x", "expect="},
		{"0.0.0.0", "of this machine"},
		{"127.0.0.1", "of this machine"},
		{"224.0.0.1", "of many"},
		{"255.255.255.255", "of many"},
		{"::1", "of this machine"},
		{"fe80::1", "of a link"},
		{"ff02::1", "of many"},
		{"::ffff:1.2.3.4", "of this machine"},
	};
	struct pcc_target untouched;
	char word[400];

	(void)state;
	memset(&untouched, 0x5a, sizeof(untouched));
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct pcc_target t = untouched;
		struct pcc_err err = {};

		assert_int_equal(pcc_target_parse(rows[i].word, &t, &err), -EINVAL);
		assert_memory_equal(&t, &untouched, sizeof(t));
		snprintf(word, sizeof(word), "target '%s'", rows[i].word);
		if (!strstr(err.cause, rows[i].says) ||
			strncmp(err.object, word, sizeof(err.object) - 20))
			fail_msg("%s: %s: %s", rows[i].word, err.object, err.cause);
	}
	memset(word, 'a', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	assert_int_equal(pcc_target_parse(word, &untouched, NULL), -EINVAL);
	memcpy(word, "http://192.0.2.1/", 17);
	word[150] = '\0';
	assert_int_equal(pcc_target_parse(word, &untouched, NULL), -EINVAL);
}

static void echoes_are_told_apart(void **state)
{
	static const uint8_t nonce[PCC_PROBE_NONCE] = {1, 2, 3, 4, 5, 6, 7, 8};
	static const uint8_t other[PCC_PROBE_NONCE] = {1, 2, 3, 4, 5, 6, 7, 9};
	uint8_t in[64] = {0x45}, v6[PCC_ECHO_BYTES], *icmp = in + 20;
	uint32_t sum = 0;
	uint16_t seq = 0;

	(void)state;
	pcc_echo_write(icmp, AF_INET, 0x1234, 0xabcd, nonce);
	for (size_t i = 0; i < PCC_ECHO_BYTES; i += 2)
		sum += (uint32_t)icmp[i] << 8 | icmp[i + 1];
	assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
	assert_int_equal(icmp[0], 8);
	assert_false(pcc_echo_read(in, 20 + PCC_ECHO_BYTES, AF_INET, 0x1234, nonce, &seq));
	icmp[0] = 0;
	assert_true(pcc_echo_read(in, 20 + PCC_ECHO_BYTES, AF_INET, 0x1234, nonce, &seq));
	assert_int_equal(seq, 0xabcd);
	for (size_t len = 0; len < 20 + 16; len++)
		assert_false(pcc_echo_read(in, len, AF_INET, 0x1234, nonce, &seq));
	assert_false(pcc_echo_read(in, 20 + PCC_ECHO_BYTES, AF_INET, 0x1235, nonce, &seq));
	assert_false(pcc_echo_read(in, 20 + PCC_ECHO_BYTES, AF_INET, 0x1234, other, &seq));
	/* IP options move the header. */
	in[0] = 0x46;
	assert_false(pcc_echo_read(in, 20 + PCC_ECHO_BYTES, AF_INET, 0x1234, nonce, &seq));
	in[0] = 0x44;
	assert_false(pcc_echo_read(in, 20 + PCC_ECHO_BYTES, AF_INET, 0x1234, nonce, &seq));
	pcc_echo_write(v6, AF_INET6, 1, 2, nonce);
	assert_int_equal(v6[0], 128);
	v6[0] = 129;
	assert_true(pcc_echo_read(v6, sizeof(v6), AF_INET6, 1, nonce, &seq));
	assert_int_equal(seq, 2);
}

/* A query with an answer of these records behind it. Returns its length. */
static size_t dns_answer(uint8_t *out, const char *name, uint8_t rcode, uint16_t records,
	const void *rr, size_t rr_len)
{
	size_t len = pcc_dns_write(out, name, 0x0102);

	out[2] |= 0x80;
	out[3] = 0x80 | rcode;
	out[6] = records >> 8;
	out[7] = records & 0xff;
	memcpy(out + len, rr, rr_len);
	return len + rr_len;
}

#define RR_HEAD(type, len) 0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, len
#define RR_A RR_HEAD(1, 4), 192, 0, 2, 1
#define RR_CNAME RR_HEAD(5, 3), 1, 'x', 0
#define RR_AAAA                                                                                    \
	1, 'x', 0, 0, 28, 0, 1, 0, 0, 0, 60, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1

static void dns_answers_are_read(void **state)
{
	static const struct {
		const char *name;
		uint8_t rcode;
		uint16_t records;
		uint8_t rr[40];
		size_t len;
		bool has_address;
	} rows[] = {
		{"example.com", 0, 1, {RR_A}, 16, true}, {"EXAMPLE.com", 0, 1, {RR_A}, 16, true},
		{"example.com", 0, 2, {RR_CNAME, RR_A}, 31, true},
		{"example.com", 0, 1, {RR_AAAA}, 29, true},
		{"example.com", 0, 1, {RR_CNAME}, 15, false},
		{"example.com", 0, 0, {0}, 0, false}, /* no data */
		{"example.com", 2, 0, {0}, 0, false}, /* server failure */
		{"example.com", 3, 0, {0}, 0, false}, /* no such name */
		{"example.com", 3, 1, {RR_A}, 16, false},
		{"example.com", 0, 1, {RR_A}, 15, false}, /* cut off */
		{"example.com", 0, 9, {RR_CNAME}, 15, false},
		{"example.com", 0, 1, {0xc0}, 1, false},
		{"example.com", 0, 1, {0x80, 0}, 2, false}, /* no such label */
	};
	uint8_t in[300], query[PCC_DNS_QUERY_MAX];
	uint16_t id = 0;
	size_t len;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		len = dns_answer(
			in, rows[i].name, rows[i].rcode, rows[i].records, rows[i].rr, rows[i].len);
		if (!pcc_dns_answers(in, len, "example.com", &id) || id != 0x0102 ||
			pcc_dns_has_address(in, len) != rows[i].has_address)
			fail_msg("row %zu", i);
	}
	len = dns_answer(in, "example.org", 0, 0, "", 0);
	assert_false(pcc_dns_answers(in, len, "example.com", &id));
	assert_true(pcc_dns_answers(in, len, "example.org", &id));
	assert_false(pcc_dns_answers(in, len - 1, "example.org", &id));
	in[2] |= 0x02; /* truncated: too many addresses for a datagram */
	assert_true(pcc_dns_has_address(in, len));
	in[len - 3] = 28; /* of another type */
	assert_false(pcc_dns_answers(in, len, "example.org", &id));
	in[len - 3] = 1;
	in[2] = 0x01; /* a query */
	assert_false(pcc_dns_answers(in, len, "example.org", &id));
	/* An error may come without the question; anything else may not. */
	memset(in, 0, 12);
	in[2] = 0x80;
	assert_false(pcc_dns_answers(in, 12, "example.org", &id));
	in[3] = 5;
	assert_true(pcc_dns_answers(in, 12, "example.org", &id));
	assert_false(pcc_dns_has_address(in, 12));
	assert_false(pcc_dns_answers(in, 11, "example.org", &id));
	assert_int_equal(pcc_dns_write(query, "", 1), 0);
	assert_int_equal(pcc_dns_write(query, "a..b", 1), 0);
	assert_int_equal(pcc_dns_write(query, "a.", 1), 0);
	assert_int_equal(pcc_dns_write(query, "a.b", 1), 12 + 5 + 4);
}

static void http_statuses_are_read(void **state)
{
	static const struct {
		const char *text;
		int status;
	} rows[] = {
		{"", 0},
		{"H", 0},
		{"HTTP/1.1 20", 0},
		{"HTTP/1.1 204", 204},
		{"HTTP/1.0 302 Found\r\n", 302},
		{"HTTP/1.1 099", -EINVAL},
		{"HTTP/2 204 x", -EINVAL},
		{"HTTP/1.1  204", -EINVAL},
		{"SSH-2.0-x", -EINVAL},
		{"HTTP/1.1 2x4", -EINVAL},
	};
	char out[PCC_HTTP_REQUEST_MAX], word[160];
	struct pcc_target t;
	size_t len;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(
			pcc_http_status(rows[i].text, strlen(rows[i].text)), rows[i].status);
	assert_int_equal(pcc_target_parse("http://[2001:db8::1]:81/a?b", &t, NULL), 0);
	len = pcc_http_write(out, &t);
	assert_int_equal(len, strlen(out));
	assert_ptr_equal(strstr(out, "GET /a?b HTTP/1.1\r\nHost: [2001:db8::1]:81\r\n"), out);
	assert_string_equal(out + len - 4, "\r\n\r\n");
	assert_true(pcc_http_expected(&t, 200) && pcc_http_expected(&t, 299));
	assert_false(pcc_http_expected(&t, 302) || pcc_http_expected(&t, 199));
	t.status = 204;
	assert_true(pcc_http_expected(&t, 204));
	assert_false(pcc_http_expected(&t, 200));
	/* The longest. */
	snprintf(word, sizeof(word), "http://[2001:db8:1111:2222:3333:4444:5555:6666]:65535/%0100d",
		0);
	assert_int_equal(pcc_target_parse(word, &t, NULL), 0);
	memset(t.path, 'a', sizeof(t.path) - 1);
	len = pcc_http_write(out, &t);
	assert_string_equal(out + len - 4, "\r\n\r\n");
}

/* Random bytes, and right answers with random changes, in memory that ends where they end. */
static void no_answer_is_read_beyond_its_end(void **state)
{
	static const uint8_t nonce[PCC_PROBE_NONCE], rr[] = {RR_CNAME, RR_A};
	uint8_t model[300];
	size_t model_len = dns_answer(model, "example.com", 0, 2, rr, sizeof(rr));
	uint64_t x = 88172645463325252ull;

	(void)state;
	for (uint32_t n = 0; n < 200000; n++) {
		size_t len;
		uint8_t *in;
		uint16_t v;

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		len = n & 1 ? x % 64 : x % (model_len + 1);
		in = malloc(len ? len : 1);
		memcpy(in, model, len);
		for (size_t i = 0; i < len; i++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			if (n & 1 || x >> 60 == 0)
				in[i] = (uint8_t)(x >> 32);
		}
		pcc_dns_answers(in, len, "example.com", &v);
		pcc_dns_has_address(in, len);
		pcc_echo_read(in, len, n & 2 ? AF_INET : AF_INET6, 0, nonce, &v);
		pcc_http_status((const char *)in, len);
		free(in);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets_are_read),
		cmocka_unit_test(bad_targets_are_refused_and_quoted),
		cmocka_unit_test(echoes_are_told_apart),
		cmocka_unit_test(dns_answers_are_read),
		cmocka_unit_test(http_statuses_are_read),
		cmocka_unit_test(no_answer_is_read_beyond_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
