// SPDX-License-Identifier: GPL-2.0-only
/* What an interface has on the wire of the device below it, from the links and from
 * /proc/net/pppoe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>

#include "kernel/wire.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static void sessions_are_read_and_other_lines_are_not(void **state)
{
	/* As the kernel prints them: the id as it stands in memory. */
	char text[] = "Id       Address              Device\n"
		      "00001200 52:54:00:00:02:02     dsl\n"
		      "00000000 52:54:00:00:02:02     dsl\n"
		      "00012345 52:54:00:00:02:02     dsl\n"
		      "0000ffff 02:00:00:00:ac:01 dsl2.7\n"
		      "nonsense\n";
	struct pcc_pppoe s[4];
	FILE *in = fmemopen(text, strlen(text), "r");

	(void)state;
	assert_non_null(in);
	assert_int_equal(pcc_pppoe_read(in, s, ARRAY_LEN(s)), 2);
	assert_int_equal(s[0].session, 0x1200);
	assert_memory_equal(s[0].peer, "\x52\x54\x00\x00\x02\x02", 6);
	assert_string_equal(s[0].device, "dsl");
	assert_int_equal(s[1].session, 0xffff);
	assert_string_equal(s[1].device, "dsl2.7");
	rewind(in);
	assert_int_equal(pcc_pppoe_read(in, s, 1), 1);
	fclose(in);
}

/* The ifindex of each is its place, from 1 on. */
static struct pcc_link links_all[] = {
	{.name = "card", .ifindex = 1, .mtu = 1500},
	{.name = "card.10", .ifindex = 2, .kind = "vlan", .lower_ifindex = 1, .vlan_id = 10},
	{.name = "card.s", .ifindex = 3, .kind = "vlan", .lower_ifindex = 1, .vlan_id = 4094},
	{.name = "card.s.7", .ifindex = 4, .kind = "vlan", .lower_ifindex = 3, .vlan_id = 7},
	{.name = "third", .ifindex = 5, .kind = "vlan", .lower_ifindex = 4, .vlan_id = 8},
	{.name = "away", .ifindex = 6, .kind = "vlan", .lower_ifindex = 1, .vlan_id = 9},
	{.name = "large", .ifindex = 7, .mtu = 65536},
	{.name = "large.1", .ifindex = 8, .kind = "vlan", .lower_ifindex = 7, .vlan_id = 1},
	{.name = "lost", .ifindex = 9, .kind = "vlan", .lower_ifindex = 77, .vlan_id = 1},
};
static const struct pcc_link_list list = {.v = links_all, .n = ARRAY_LEN(links_all)};

static int set_up(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(links_all); i++) {
		links_all[i].type = ARPHRD_ETHER;
		links_all[i].mac_bytes = 6;
		links_all[i].vlan_proto = links_all[i].kind[0] ? htons(0x8100) : 0;
	}
	links_all[2].vlan_proto = htons(0x88a8);
	links_all[5].lower_elsewhere = true;
	return 0;
}

static const struct {
	uint32_t ifindex, below;
	uint16_t tpid[2], vid[2], bytes, mtu;
} wires[] = {
	{1, 0, {0, 0}, {0, 0}, 2, 1500},
	{2, 1, {0x8100, 0}, {10, 0}, 6, 1500},
	{3, 1, {0x88a8, 0}, {4094, 0}, 6, 1500},
	{4, 1, {0x88a8, 0x8100}, {4094, 7}, 10, 1500},
	{8, 7, {0x8100, 0}, {1, 0}, 6, 65535},
};

static void tags_are_those_on_the_wire_the_outer_one_first(void **state)
{
	struct pcc_wire_out out;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wires); i++) {
		const struct pcc_link *link = pcc_link_numbered(&list, wires[i].ifindex);

		assert_int_equal(pcc_wire_of(&list, link, &out, NULL), 0);
		assert_int_equal(out.wire.ifindex, wires[i].below);
		for (int t = 0; t < 2; t++) {
			assert_int_equal(ntohs(out.wire.tpid[t]), wires[i].tpid[t]);
			assert_int_equal(ntohs(out.wire.vid[t]), wires[i].vid[t]);
		}
		assert_int_equal(out.wire.session, 0);
		assert_int_equal(out.bytes, wires[i].bytes);
		assert_int_equal(out.mtu, wires[i].mtu);
	}
}

static void what_cannot_be_is_said(void **state)
{
	static const struct {
		uint32_t ifindex;
		const char *why;
	} rows[] = {
		{5, "XDP knows two VLAN tags at most"},
		{6, "the device below is in another network namespace"},
		{9, "the device below is in another network namespace"},
	};
	struct pcc_wire_out out;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *why = "";

		assert_int_equal(
			pcc_wire_of(&list, pcc_link_numbered(&list, rows[i].ifindex), &out, &why),
			-1);
		assert_string_equal(why, rows[i].why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sessions_are_read_and_other_lines_are_not),
		cmocka_unit_test(tags_are_those_on_the_wire_the_outer_one_first),
		cmocka_unit_test(what_cannot_be_is_said),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
