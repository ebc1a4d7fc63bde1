// SPDX-License-Identifier: GPL-2.0-only
/* Which flowtable takes packets of an interface, and whether pccbpf sees them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/flowtable.h"

/* br0 has the ports lan1 and lan2.5, a VLAN of lan2; eth0.7 and br0.9 are VLANs; wan1's veth peer
 * is elsewhere, and has the number of lan1. */
static struct pcc_link links_v[] = {
	{.name = "br0", .ifindex = 1, .kind = "bridge"},
	{.name = "lan1", .ifindex = 2, .kind = "veth", .master_ifindex = 1},
	{.name = "lan2", .ifindex = 3},
	{.name = "lan2.5", .ifindex = 4, .kind = "vlan", .lower_ifindex = 3, .master_ifindex = 1},
	{.name = "eth0", .ifindex = 5},
	{.name = "eth0.7", .ifindex = 6, .kind = "vlan", .lower_ifindex = 5},
	{.name = "br0.9", .ifindex = 7, .kind = "vlan", .lower_ifindex = 1},
	{.name = "wan1", .ifindex = 8, .kind = "veth", .lower_ifindex = 2},
	{.name = "loop.1", .ifindex = 9, .kind = "vlan", .lower_ifindex = 10},
	{.name = "loop.2", .ifindex = 10, .kind = "vlan", .lower_ifindex = 9},
};
static const struct pcc_link_list links = {.v = links_v, .n = sizeof(links_v) / sizeof(links_v[0])};

static void test_use(void **state)
{
	static const struct {
		const char *devices[3], *ifname, *at;
		bool prefix, hardware, unseen;
	} rows[] = {
		{{"br0"}, "br0", "br0", false, false, false},
		{{"lan1"}, "br0", "lan1", false, false, true},
		{{"br0", "lan1"}, "br0", "lan1", false, false, true},
		{{"lan1", "br0"}, "br0", "lan1", false, false, true},
		{{"lan2"}, "br0", "lan2", false, false, true},
		{{"lan2.5"}, "br0", "", false, false, false}, /* not the lowest: it takes nothing */
		{{"eth0"}, "br0", "", false, false, false},
		{{"eth0"}, "eth0.7", "eth0", false, false, true},
		{{"eth0.7"}, "eth0.7", "eth0.7", false, false, false},
		{{"lan1"}, "br0.9", "lan1", false, false, true},
		{{"lan1"}, "wan1", "", false, false, false},
		{{"wan1"}, "wan1", "wan1", false, false, false},
		{{"wan1"}, "wan1", "wan1", false, true, true},
		{{"wan"}, "wan1", "", false, false, false},
		{{"wan"}, "wan1", "wan1", true, false, false},
		{{"lan"}, "br0", "lan1", true, false, true},
		{{"eth0"}, "loop.1", "", false, false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pcc_flowtable v[3] = {};
		struct pcc_flowtable_list list = {.v = v};
		struct pcc_flowtable_use use;
		uint32_t ifindex = 0;

		for (; list.n < 3 && rows[i].devices[list.n]; list.n++) {
			strcpy(v[list.n].device, rows[i].devices[list.n]);
			v[list.n].prefix = rows[i].prefix;
			v[list.n].hardware = rows[i].hardware;
		}
		for (size_t k = 0; k < links.n; k++)
			if (!strcmp(links.v[k].name, rows[i].ifname))
				ifindex = links.v[k].ifindex;
		pcc_flowtable_use_of(&list, &links, ifindex, &use);
		assert_string_equal(use.device, rows[i].at);
		assert_int_equal(use.unseen, rows[i].unseen);
		assert_int_equal(!!use.table, rows[i].at[0] != '\0');
	}
}

static void test_text(void **state)
{
	struct pcc_flowtable t = {.name = "inet user ft"};
	struct pcc_flowtable_use use = {.table = &t, .device = "lan1", .unseen = true};
	char text[PCC_FLOWTABLE_TEXT], hint[PCC_FLOWTABLE_TEXT];

	(void)state;
	pcc_flowtable_text(&use, "br0", text, hint);
	assert_string_equal(text, "the flowtable 'inet user ft' takes established connections at "
				  "lan1, before pccbpf sees or counts them");
	assert_string_equal(hint, "name br0 in its devices in place of lan1, or take it out: the "
				  "fast path does the same");
	pcc_flowtable_text(&use, "lan1", text, hint);
	assert_non_null(strstr(text, "by the hardware"));
	use.unseen = false;
	pcc_flowtable_text(&use, "lan1", text, hint);
	assert_non_null(strstr(text, "sees and counts"));
	assert_string_equal(hint, "");
	use.table = NULL;
	pcc_flowtable_text(&use, "lan1", text, hint);
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_use),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
