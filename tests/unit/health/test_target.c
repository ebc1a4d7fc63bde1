// SPDX-License-Identifier: GPL-2.0-only
/* Targets as users write them, right and wrong. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

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
		const char *other; /* another way to write it; NULL: none */
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
		char addr[INET6_ADDRSTRLEN];
		const char *other;
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
		other = rows[i].other ? rows[i].other : rows[i].word;
		assert_int_equal(pcc_target_parse(other, &again, NULL), 0);
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
		{"https://1.1.1.1/", "no such kind: icmp, tcp, dns"},
		{"dns://1.1.1.1", "the name to ask for is missing"},
		{"dns://1.1.1.1/", "the name to ask for is missing"},
		{"dns://1.1.1.1/a..b", "a part of the name is empty"},
		{"dns://1.1.1.1/.a", "a part of the name is empty"},
		{"dns://1.1.1.1/a b", "a character that no name has"},
		{"dns://1.1.1.1/a/b", "a character that no name has"},
		{"dns://1.1.1.1/a\\b", "a character that no name has"},
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets_are_read),
		cmocka_unit_test(bad_targets_are_refused_and_quoted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
