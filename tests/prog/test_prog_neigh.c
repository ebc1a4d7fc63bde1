// SPDX-License-Identifier: GPL-2.0-only
/*
 * A neighbour that names a new MAC, by ARP or neighbour discovery, ends all leases; one that
 * repeats itself does not, and nobody can end them all the time.
 */
#include "harness.h"

#define PAUSE_MS 100

static uint32_t epoch(void)
{
	struct pcc_meta meta;
	__u32 zero = 0;

	assert_int_equal(bpf_map_lookup_elem(FD(pcc_meta), &zero, &meta), 0);
	return meta.epoch;
}

static void wait_ms(long ms)
{
	const struct timespec t = {.tv_nsec = ms * 1000000};

	nanosleep(&t, NULL);
}

/* An ARP reply: 192.0.2.HOST is at 02:00:00:00:00:MAC. */
static struct frame arp(uint8_t host, uint8_t mac)
{
	static const uint8_t head[] = {0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 2};
	struct frame f = {.len = 60};

	memset(f.b, 0xff, 6);
	memcpy(f.b + 6, (uint8_t[]){2, 0, 0, 0, 0, mac}, 6);
	memcpy(f.b + 12, head, sizeof(head));
	memcpy(f.b + 22, (uint8_t[]){2, 0, 0, 0, 0, mac, 192, 0, 2, host}, 10);
	return f;
}

/* A neighbour advertisement of fe80::HOST from the same. */
static struct frame advertisement(uint8_t host, uint8_t mac, uint8_t type)
{
	struct frame f = {.len = 86};

	memcpy(f.b, (uint8_t[]){0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, mac, 0x86, 0xdd, 0x60}, 15);
	f.b[19] = 32;
	f.b[20] = IPPROTO_ICMPV6;
	f.b[21] = 255;
	memcpy(f.b + 22, (uint8_t[]){0xfe, 0x80}, 2);
	f.b[37] = host;
	memcpy(f.b + 38, (uint8_t[]){0xff, 0x02}, 2);
	f.b[53] = 1;
	f.b[54] = type;
	memcpy(f.b + 62, f.b + 22, 16);
	return f;
}

/* How often the leases were ended by the frame, on a LAN or on WAN 1. */
static uint32_t ends(struct frame f, bool lan)
{
	struct shot s = {
		.prog = lan ? PCC_PROG_LAN_IN : PCC_PROG_WAN_IN, .ifindex = lan ? B.lan : B.wan[1]};
	uint32_t before = epoch();

	shoot_at(&s, &f, __FILE__, __LINE__);
	assert_int_equal(s.verdict, -1);
	assert_int_equal(epoch() - before, s.moved[PCC_R_NEIGH_CHANGED]);
	return epoch() - before;
}

/* The same, later than the pause after the last one. */
static uint32_t ends_later(struct frame f, bool lan)
{
	wait_ms(PAUSE_MS + 12); /* the coarse clock's tick */
	return ends(f, lan);
}

static int fast_path_on(void **state)
{
	bench_usual(state);
	B.meta.flags |= PCC_META_FASTPATH;
	meta_put();
	return 0;
}

static void a_new_mac_ends_the_leases_once(void **state)
{
	(void)state;
	for (int lan = 0; lan < 2; lan++) {
		assert_int_equal(ends_later(arp(7, 1), lan), 1); /* never seen before */
		assert_int_equal(ends_later(arp(7, 1), lan), 0);
		assert_int_equal(ends_later(arp(7, 2), lan), 1);
		assert_int_equal(ends_later(arp(7, 2), lan), 0);
		assert_int_equal(ends_later(arp(8, 2), lan), 1); /* another address */
		assert_int_equal(ends_later(advertisement(7, 1, 136), lan), 1);
		assert_int_equal(ends_later(advertisement(7, 1, 135), lan), 0);
		assert_int_equal(ends_later(advertisement(7, 3, 134), lan), 1);
	}
}

static void what_is_no_such_message_ends_nothing(void **state)
{
	struct frame probe = arp(9, 1), short_arp = arp(9, 1), token = arp(9, 1),
		     unspecified = advertisement(9, 1, 135);

	(void)state;
	memset(probe.b + 28, 0, 4); /* RFC 5227: has no sender address yet */
	short_arp.len = 30;
	token.b[15] = 6;
	memset(unspecified.b + 22, 0, 16); /* duplicate address detection */
	assert_int_equal(ends_later(probe, false), 0);
	assert_int_equal(ends(short_arp, false), 0);
	assert_int_equal(ends(token, false), 0);
	assert_int_equal(ends(unspecified, false), 0);
	assert_int_equal(ends(advertisement(9, 1, 128), false), 0); /* a ping */
	assert_int_equal(ends(advertisement(9, 1, 138), false), 0);
	assert_int_equal(ends(arp(9, 1), false), 1);
	/* Without the fast path nobody listens. */
	B.meta.flags &= ~PCC_META_FASTPATH;
	meta_put();
	assert_int_equal(ends_later(arp(10, 1), false), 0);
}

/* Whoever invents addresses ends the leases ten times a second at most. */
static void a_flood_ends_them_seldom(void **state)
{
	uint32_t ended;

	(void)state;
	ended = ends_later(arp(20, 1), true);
	for (int i = 0; i < 50; i++)
		ended += ends(arp(21 + i, 2), true);
	assert_in_range(ended, 1, 2);
	/* What was passed over is noticed when it is said again. */
	assert_int_equal(ends_later(arp(70, 2), true), 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, fast_path_on)
	const struct CMUnitTest tests[] = {
		T(a_new_mac_ends_the_leases_once),
		T(what_is_no_such_message_ends_nothing),
		T(a_flood_ends_them_seldom),
	};

	return cmocka_run_group_tests(tests, bench_up, bench_down);
}
