// SPDX-License-Identifier: GPL-2.0-only
/* What all of user/ needs: addresses, checksums, files. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/address.h"
#include "base/array.h"
#include "base/checksum.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/list.h"

static void addresses(void **state)
{
	static const struct {
		const char *text;
		bool v4;
	} rows[] = {{"::ffff:192.0.2.1", true}, {"::ffff:0.0.0.0", true}, {"::", false},
		{"2001:db8::ffff:1", false}, {"::fffe:c000:201", false},
		{"1::ffff:c000:201", false}, {"0:1::ffff:c000:201", false}};
	__be32 addr[4] = {1, 2, 3, 4};
	char buf[PCC_ADDR_TEXT];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(inet_pton(AF_INET6, rows[i].text, addr), 1);
		assert_int_equal(pcc_addr_is_v4(addr), rows[i].v4);
		pcc_addr_text(addr, buf);
		assert_string_equal(buf, rows[i].text + (rows[i].v4 ? strlen("::ffff:") : 0));
	}
	pcc_addr_map_v4(addr, htonl(0xc6336407));
	assert_string_equal(pcc_addr_text(addr, buf), "198.51.100.7");
	assert_int_equal(pcc_af[PCC_V4], AF_INET);
	assert_int_equal(pcc_af[PCC_V6], AF_INET6);
}

/* The example of RFC 1071, section 3, an odd length, and a sum that carries twice. */
static void prefixes(void **state)
{
	static const struct {
		int family;
		const char *addr, *net;
		unsigned int bits;
		bool inside;
	} rows[] = {
		{AF_INET, "192.0.2.7", "192.0.2.0", 24, true},
		{AF_INET, "192.0.3.7", "192.0.2.0", 24, false},
		{AF_INET, "192.0.3.7", "192.0.2.0", 23, true},
		{AF_INET, "192.0.2.128", "192.0.2.1", 25, false},
		{AF_INET, "192.0.2.1", "192.0.2.1", 32, true},
		{AF_INET, "192.0.2.0", "192.0.2.1", 32, false},
		{AF_INET, "203.0.113.1", "192.0.2.1", 0, true},
		{AF_INET6, "2001:db8::1", "2001:db8::", 127, true},
		{AF_INET6, "2001:db8::2", "2001:db8::", 127, false},
		{AF_INET6, "fe80::1", "fe80::", 10, true},
		{AF_INET6, "fec0::1", "fe80::", 10, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		union pcc_ip addr, net;

		assert_int_equal(inet_pton(rows[i].family, rows[i].addr, &addr), 1);
		assert_int_equal(inet_pton(rows[i].family, rows[i].net, &net), 1);
		assert_int_equal(pcc_ip_in_prefix(&addr, &net, rows[i].bits), rows[i].inside);
	}
}

static void checksums(void **state)
{
	static const uint8_t example[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
	static const uint8_t ones[] = {0xff, 0xff, 0xff, 0xff, 0x00, 0x02};
	uint8_t whole[10] = {0x45, 0, 0x12};
	uint16_t check;

	(void)state;
	assert_int_equal(pcc_checksum_add(0, example, sizeof(example)), 0x2ddf0);
	assert_int_equal(pcc_checksum_end(0x2ddf0), htons(0x220d));
	assert_int_equal(pcc_checksum_add(0, example, 3), 0x0001 + 0xf200);
	assert_int_equal(pcc_checksum_end(pcc_checksum_add(0, ones, sizeof(ones))), htons(0xfffd));
	assert_int_equal(pcc_checksum_end(0x1fffe), htons(0));
	check = pcc_checksum_end(pcc_checksum_add(0, whole, sizeof(whole)));
	memcpy(whole + 4, &check, 2);
	assert_int_equal(pcc_checksum_end(pcc_checksum_add(0, whole, sizeof(whole))), 0);
}

static int file_of(size_t bytes)
{
	int fd = memfd_create("slurp", MFD_CLOEXEC);

	assert_true(fd >= 0);
	for (size_t i = 0; i < bytes; i++)
		assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void files(void **state)
{
	static const struct {
		size_t bytes, max;
		int ret;
	} rows[] = {{0, 0, 0}, {0, 5, 0}, {4, 5, 0}, {5, 5, 0}, {6, 5, -EFBIG}, {60, 5, -EFBIG}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int fd = file_of(rows[i].bytes);
		char *data = (char *)1;
		size_t len = 99;

		assert_int_equal(pcc_slurp(fd, rows[i].max, &data, &len), rows[i].ret);
		if (rows[i].ret) {
			assert_null(data);
		} else {
			assert_int_equal(len, rows[i].bytes);
			assert_int_equal(strlen(data), len);
		}
		free(data);
		close(fd);
	}
}

static void programs_of_others_are_not_run(void **state)
{
	static const struct {
		mode_t mode;
		uid_t owner;
		const char *why;
	} rows[] = {{0700, 0, NULL}, {0755, 0, NULL}, {0644, 0, "Permission denied"},
		{0775, 0, "others"}, {0757, 0, "others"}, {0755, 65534, "another user"}};
	char path[] = "/tmp/pccbpf-base-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	for (size_t i = 0; i < COUNT(rows) && !geteuid(); i++) {
		const char *why;

		assert_int_equal(chown(path, rows[i].owner, 0), 0);
		assert_int_equal(chmod(path, rows[i].mode), 0);
		why = pcc_may_not_run(path);
		if (rows[i].why)
			assert_true(why && strstr(why, rows[i].why));
		else
			assert_null(why);
	}
	unlink(path);
	assert_string_equal(pcc_may_not_run(path), "No such file or directory");
	assert_non_null(strstr(pcc_may_not_run("/tmp"), "no regular file"));
}

static void unreadable(void **state)
{
	char *data;
	size_t len;

	(void)state;
	assert_int_equal(pcc_slurp(-1, 10, &data, &len), -EBADF);
	assert_null(data);
}

static void clocks(void **state)
{
	uint64_t ns = pcc_now_ns(), us = pcc_now_us(), ms = pcc_now_ms(), end = pcc_now_ns();

	(void)state;
	assert_in_range(us, ns / 1000, end / 1000);
	assert_in_range(ms, ns / 1000000, end / 1000000);
	assert_true(pcc_clock_ns(CLOCK_REALTIME) > 1700000000ull * 1000000000ull);
}

/* A list grows past its room, item by item; what was in it stays, and so does its neighbour. */
static void lists(void **state)
{
	struct {
		uint16_t *v;
		size_t n, room;
		uint32_t after;
	} list = {.after = 7};

	(void)state;
	for (uint16_t i = 0; i < 1000; i++)
		assert_int_equal(PCC_LIST_APPEND(&list, &i), 0);
	assert_int_equal(list.n, 1000);
	assert_true(list.room >= list.n);
	for (uint16_t i = 0; i < 1000; i++)
		assert_int_equal(list.v[i], i);
	assert_int_equal(list.after, 7);
	list.n = 0;
	assert_int_equal(PCC_LIST_APPEND(&list, &list.v[999]), 0);
	assert_int_equal(list.v[0], 999);
	PCC_LIST_FREE(&list);
	assert_null(list.v);
	assert_int_equal(list.n + list.room, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(checksums),
		cmocka_unit_test(files),
		cmocka_unit_test(programs_of_others_are_not_run),
		cmocka_unit_test(unreadable),
		cmocka_unit_test(clocks),
		cmocka_unit_test(lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
