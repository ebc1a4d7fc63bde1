// SPDX-License-Identifier: GPL-2.0-only
/* What each kind of probe sends, and what it makes of answers that are right, wrong and random. */
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
#include <sys/socket.h>

#include "health/kind.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define ECHO_BYTES (8u + PCC_PROBE_NONCE + 8u)
#define DNS_HEADER 12u

static struct pcc_asker asker(const char *word)
{
	struct pcc_asker who = {.id = 0x1234, .nonce = {1, 2, 3, 4, 5, 6, 7, 8}};

	assert_int_equal(pcc_target_parse(word, &who.target, NULL), 0);
	return who;
}

static size_t send_as(const struct pcc_asker *who, uint16_t number, uint8_t out[PCC_PROBE_BYTES])
{
	return pcc_kind(who->target.kind)->send(who, number, out);
}

/* Reads bytes that end where their memory ends, so that nothing behind them is read unnoticed. */
static bool read_as(
	const struct pcc_asker *who, const void *in, size_t len, struct pcc_answer *answer)
{
	uint8_t *exact = malloc(len ? len : 1);
	bool ret;

	assert_non_null(exact);
	memcpy(exact, in, len);
	ret = pcc_kind(who->target.kind)->read(who, exact, len, answer);
	free(exact);
	return ret;
}

/* Is it an answer, and to which question? */
static bool answers(const struct pcc_asker *who, const void *in, size_t len, uint16_t *number)
{
	struct pcc_answer answer;

	if (!read_as(who, in, len, &answer))
		return false;
	*number = answer.number;
	return true;
}

/* Is it the answer that is hoped for? */
static bool is_ok(const struct pcc_asker *who, const void *in, size_t len)
{
	struct pcc_answer answer;

	return read_as(who, in, len, &answer) && answer.outcome == PCC_PROBE_OK;
}

/* What the driver relies on, and what a user is told. */
static void every_kind_is_complete(void **state)
{
	struct pcc_err err = {};
	struct pcc_target none;

	(void)state;
	assert_int_equal(pcc_target_parse("gopher://1.1.1.1", &none, &err), -EINVAL);
	for (unsigned int k = 0; k < PCC_TARGET_KIND_MAX; k++) {
		const struct pcc_kind *kind = pcc_kind(k);
		struct pcc_target t;

		assert_non_null(kind->scheme);
		assert_int_equal(pcc_target_parse(kind->example, &t, NULL), 0);
		assert_int_equal(t.kind, k);
		assert_true(kind->type == SOCK_RAW || kind->type == SOCK_DGRAM ||
			    kind->type == SOCK_STREAM);
		assert_non_null(strstr(err.cause, kind->scheme));
		assert_non_null(strstr(err.hint, kind->example));
		assert_true(!kind->send == !kind->read);
		assert_true(kind->send || kind->type == SOCK_STREAM);
	}
}

static void echoes_are_told_apart(void **state)
{
	struct pcc_asker who = asker("9.9.9.9"), v6 = asker("2620:fe::fe");
	struct pcc_asker other_id = who, other_nonce = who;
	uint8_t in[20 + PCC_PROBE_BYTES] = {0x45}, out[PCC_PROBE_BYTES], *icmp = in + 20;
	uint32_t sum = 0;
	uint16_t seq = 0;

	(void)state;
	other_id.id++;
	other_nonce.nonce[7]++;
	assert_int_equal(send_as(&who, 0xabcd, icmp), ECHO_BYTES);
	for (size_t i = 0; i < ECHO_BYTES; i += 2)
		sum += (uint32_t)icmp[i] << 8 | icmp[i + 1];
	assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
	assert_int_equal(icmp[0], 8);
	assert_false(answers(&who, in, 20 + ECHO_BYTES, &seq));
	icmp[0] = 0;
	assert_true(answers(&who, in, 20 + ECHO_BYTES, &seq));
	assert_true(is_ok(&who, in, 20 + ECHO_BYTES));
	assert_int_equal(seq, 0xabcd);
	for (size_t len = 0; len < 20 + 16; len++)
		assert_false(answers(&who, in, len, &seq));
	assert_false(answers(&other_id, in, 20 + ECHO_BYTES, &seq));
	assert_false(answers(&other_nonce, in, 20 + ECHO_BYTES, &seq));
	/* IP options move the header. */
	in[0] = 0x46;
	assert_false(answers(&who, in, 20 + ECHO_BYTES, &seq));
	in[0] = 0x44;
	assert_false(answers(&who, in, 20 + ECHO_BYTES, &seq));
	assert_int_equal(send_as(&v6, 2, out), ECHO_BYTES);
	assert_int_equal(out[0], 128);
	out[0] = 129;
	assert_true(answers(&v6, out, ECHO_BYTES, &seq));
	assert_int_equal(seq, 2);
}

/* A query with an answer of these records behind it. Returns its length. */
static size_t dns_answer(uint8_t *out, const char *target, uint8_t rcode, uint16_t records,
	const void *rr, size_t rr_len)
{
	struct pcc_asker who = asker(target);
	size_t len = send_as(&who, 0x0102, out);

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
/* Where the first record of an answer for example.com begins. */
#define RR_AT (DNS_HEADER + 13 + 4)
/* The name of a record: a pointer to this offset. */
#define RR_A_NAMED(at) 0xc0, at, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1

static void dns_answers_are_read(void **state)
{
	static const struct {
		const char *target;
		uint8_t rcode;
		uint16_t records;
		uint8_t rr[40];
		size_t len;
		bool has_address;
	} rows[] = {
		{"dns://1.1.1.1/example.com", 0, 1, {RR_A}, 16, true},
		{"dns://1.1.1.1/EXAMPLE.com", 0, 1, {RR_A}, 16, true},
		{"dns://1.1.1.1/example.com", 0, 2, {RR_CNAME, RR_A}, 31, true},
		{"dns://1.1.1.1/example.com", 0, 1, {RR_AAAA}, 29, true},
		{"dns://1.1.1.1/example.com", 0, 1, {RR_CNAME}, 15, false},
		{"dns://1.1.1.1/example.com", 0, 0, {0}, 0, false}, /* no data */
		{"dns://1.1.1.1/example.com", 2, 0, {0}, 0, false}, /* server failure */
		{"dns://1.1.1.1/example.com", 3, 0, {0}, 0, false}, /* no such name */
		{"dns://1.1.1.1/example.com", 3, 1, {RR_A}, 16, false},
		{"dns://1.1.1.1/example.com", 0, 1, {RR_A}, 15, false}, /* cut off */
		{"dns://1.1.1.1/example.com", 0, 9, {RR_CNAME}, 15, false},
		{"dns://1.1.1.1/example.com", 0, 9, {RR_A}, 16, false},
		{"dns://1.1.1.1/example.com", 0, 1, {RR_A, 0}, 17,
			false}, /* goes on behind its end */
		{"dns://1.1.1.1/example.com", 0, 1, {0xc0}, 1, false},
		{"dns://1.1.1.1/example.com", 0, 1, {0x80, 0}, 2, false}, /* no such label */
		/* Names that have no end: one that is itself, two that are each other. */
		{"dns://1.1.1.1/example.com", 0, 1, {RR_A_NAMED(RR_AT)}, 16, false},
		{"dns://1.1.1.1/example.com", 0, 1,
			{1, 'x', 0xc0, RR_AT, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1}, 18,
			false},
		{"dns://1.1.1.1/example.com", 0, 2, {RR_A_NAMED(RR_AT + 16), RR_A_NAMED(RR_AT)}, 32,
			false},
		{"dns://1.1.1.1/example.com", 0, 1, {RR_A_NAMED(200)}, 16, false}, /* outside */
	};
	struct pcc_asker com = asker("dns://1.1.1.1/example.com");
	struct pcc_asker org = asker("dns://1.1.1.1/example.org");
	uint8_t in[PCC_PROBE_BYTES + 40];
	uint16_t id = 0;
	size_t len;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		len = dns_answer(in, rows[i].target, rows[i].rcode, rows[i].records, rows[i].rr,
			rows[i].len);
		if (!answers(&com, in, len, &id) || id != 0x0102 ||
			is_ok(&com, in, len) != rows[i].has_address)
			fail_msg("row %zu", i);
	}
	len = dns_answer(in, "dns://1.1.1.1/example.org", 0, 0, "", 0);
	assert_false(answers(&com, in, len, &id));
	assert_true(answers(&org, in, len, &id));
	assert_false(answers(&org, in, len - 1, &id));
	in[2] |= 0x02; /* truncated: too many addresses for a datagram */
	assert_true(is_ok(&org, in, len));
	in[len - 3] = 28; /* of another type */
	assert_false(answers(&org, in, len, &id));
	in[len - 3] = 1;
	in[len - 1] = 3; /* of another class */
	assert_false(answers(&org, in, len, &id));
	in[len - 1] = 1;
	in[2] = 0x88; /* of another kind than a query */
	assert_false(answers(&org, in, len, &id));
	in[2] = 0x01; /* a query */
	assert_false(answers(&org, in, len, &id));
	in[2] = 0x81;
	in[5] = 2; /* two questions */
	assert_false(answers(&org, in, len, &id));
	/* An error may come without the question; anything else may not. */
	memset(in, 0, DNS_HEADER);
	in[2] = 0x80;
	assert_false(answers(&org, in, DNS_HEADER, &id));
	in[3] = 5;
	assert_true(answers(&org, in, DNS_HEADER, &id));
	assert_false(is_ok(&org, in, DNS_HEADER));
	assert_false(answers(&org, in, DNS_HEADER - 1, &id));
}

static void dns_queries_are_written(void **state)
{
	static const uint8_t query[] = {
		0x0f, 0x0e, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 1, 'b', 0, 0, 1, 0, 1};
	static const struct {
		const char *name;
		size_t len;
	} rows[] = {
		{"", 0},
		{"a..b", 0},
		{"a.", 0},
		{".a", 0},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b", 0},
		{"a.b", 12 + 5 + 4},
	};
	struct pcc_asker who = asker("dns://1.1.1.1/a.b");
	uint8_t out[PCC_PROBE_BYTES];
	uint16_t id;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		strcpy(who.target.path, rows[i].name);
		assert_int_equal(send_as(&who, 0x0f0e, out), rows[i].len);
	}
	assert_memory_equal(out, query, sizeof(query));
	/* The longest that a target holds, and an answer to it. */
	for (size_t i = 0; i < sizeof(who.target.path) - 1; i++)
		who.target.path[i] = i % 2 ? '.' : 'x';
	who.target.path[sizeof(who.target.path) - 1] = '\0';
	assert_int_equal(send_as(&who, 1, out), 12 + 129 + 4);
	out[2] |= 0x80;
	assert_true(answers(&who, out, 12 + 129 + 4, &id));
}

static void http_statuses_are_read(void **state)
{
	static const struct {
		const char *text;
		int status; /* 0: not known yet, -1: none */
	} rows[] = {
		{"", 0},
		{"H", 0},
		{"HTTP/1.1 20", 0},
		{"HTTP/1.1 204", 204},
		{"HTTP/1.0 302 Found\r\n", 302},
		{"HTTP/1.1 099", -1},
		{"HTTP/2 204 x", -1},
		{"HTTP/1.1  204", -1},
		{"SSH-2.0-x", -1},
		{"HTTP/1.1 2x4", -1},
	};
	static const struct {
		uint16_t want;
		const char *text;
		bool ok;
	} wanted[] = {
		{0, "HTTP/1.1 200", true},
		{0, "HTTP/1.1 299", true},
		{0, "HTTP/1.1 302", false},
		{0, "HTTP/1.1 199", false},
		{204, "HTTP/1.1 204", true},
		{204, "HTTP/1.1 200", false},
	};
	struct pcc_asker who = asker("http://[2001:db8::1]:81/a?b");
	struct pcc_answer answer;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t len = strlen(rows[i].text);

		who.target.status = rows[i].status > 0 ? rows[i].status : 204;
		assert_int_equal(read_as(&who, rows[i].text, len, &answer), rows[i].status != 0);
		if (rows[i].status)
			assert_int_equal(answer.outcome,
				rows[i].status > 0 ? PCC_PROBE_OK : PCC_PROBE_PORTAL);
		/* Another one is wanted. */
		who.target.status = 203;
		assert_false(is_ok(&who, rows[i].text, len));
	}
	for (size_t i = 0; i < COUNT(wanted); i++) {
		who.target.status = wanted[i].want;
		assert_true(read_as(&who, wanted[i].text, strlen(wanted[i].text), &answer));
		assert_int_equal(answer.outcome, wanted[i].ok ? PCC_PROBE_OK : PCC_PROBE_PORTAL);
	}
}

static void http_requests_are_written(void **state)
{
	struct pcc_asker who = asker("http://[2001:db8::1]:81/a?b");
	uint8_t out[PCC_PROBE_BYTES];
	const char *text = (const char *)out;
	char word[160];
	size_t len = send_as(&who, 0, out);

	(void)state;
	assert_int_equal(len, strlen(text));
	assert_ptr_equal(strstr(text, "GET /a?b HTTP/1.1\r\nHost: [2001:db8::1]:81\r\n"), text);
	assert_string_equal(text + len - 4, "\r\n\r\n");
	/* The longest. */
	snprintf(word, sizeof(word), "http://[2001:db8:1111:2222:3333:4444:5555:6666]:65535/%0100d",
		0);
	who = asker(word);
	memset(who.target.path, 'a', sizeof(who.target.path) - 1);
	len = send_as(&who, 0, out);
	assert_string_equal(text + len - 4, "\r\n\r\n");
}

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/*
 * Random bytes, and right answers with random changes. What is no response to our question is never
 * taken for one, whatever else is in it.
 */
static void no_answer_is_read_beyond_its_end(void **state)
{
	static const uint8_t rr[] = {RR_CNAME, RR_A};
	const struct pcc_asker who[] = {asker("dns://1.1.1.1/example.com"), asker("9.9.9.9"),
		asker("2620:fe::fe"), asker("http://192.0.2.80")};
	uint8_t model[PCC_PROBE_BYTES + 40], in[PCC_PROBE_BYTES + 40];
	size_t model_len = dns_answer(model, "dns://1.1.1.1/example.com", 0, 2, rr, sizeof(rr));
	uint32_t ok = 0, refused = 0;
	uint64_t x = 88172645463325252ull;
	struct pcc_answer answer;

	(void)state;
	for (uint32_t n = 0; n < 200000; n++) {
		size_t len = n & 1   ? next_random(&x) % 64
			     : n & 2 ? model_len
				     : next_random(&x) % (model_len + 1);

		memcpy(in, model, len);
		for (size_t i = 0; i < len; i++) {
			next_random(&x);
			if (n & 1 || (x >> 60 == 0 && x >> 56 < 8))
				in[i] = (uint8_t)(x >> 32);
		}
		if (read_as(&who[0], in, len, &answer)) {
			assert_true(len >= DNS_HEADER && (in[2] & 0xf8) == 0x80);
			assert_true(in[5] == 0 || len >= RR_AT);
			assert_int_equal(answer.number, in[0] << 8 | in[1]);
			ok += answer.outcome == PCC_PROBE_OK;
			refused += answer.outcome == PCC_PROBE_REFUSED;
		}
		for (size_t i = 1; i < COUNT(who); i++)
			read_as(&who[i], in, len, &answer);
	}
	/* The changes were few enough to get through to every check. */
	assert_true(ok > 1000 && refused > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_is_complete),
		cmocka_unit_test(echoes_are_told_apart),
		cmocka_unit_test(dns_answers_are_read),
		cmocka_unit_test(dns_queries_are_written),
		cmocka_unit_test(http_statuses_are_read),
		cmocka_unit_test(http_requests_are_written),
		cmocka_unit_test(no_answer_is_read_beyond_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
