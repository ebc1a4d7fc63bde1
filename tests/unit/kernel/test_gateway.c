// SPDX-License-Identifier: GPL-2.0-only
/* Finding gateways: the lease parsers on what real clients write, and the search in a namespace. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/gateway.h"
#include "kernel/lease.h"

static const char networkd[] = "# This is private data. Do not parse.\n"
			       "ADDRESS=192.0.2.77\n"
			       "NETMASK=255.255.255.0\n"
			       "ROUTER=192.0.2.1 192.0.2.254\n"
			       "SERVER_ADDRESS=192.0.2.1\n"
			       "MTU=1500\n"
			       "T1=43200\n"
			       "DNS=192.0.2.53 192.0.2.54\n"
			       "CLIENTID=ffeb37d28500020000ab11\n";

static const char dhclient[] = "default-duid \"\\000\\001\\000\\001,\\033\\361\\012RT\";\n"
			       "lease {\n"
			       "  interface \"eth1\";\n"
			       "  fixed-address 198.51.100.7;\n"
			       "  option subnet-mask 255.255.255.0;\n"
			       "  option routers 198.51.100.1,198.51.100.2;\n"
			       "  option domain-name \"a{b}c.example\";\n"
			       "  renew 2 2024/01/02 03:04:05;\n"
			       "  expire 3 2024/01/03 03:04:05;\n"
			       "}\n"
			       "lease {\n"
			       "  interface \"eth10\";\n"
			       "  fixed-address 203.0.113.9;\n"
			       "  option routers 203.0.113.1;\n"
			       "}\n"
			       "lease {\n"
			       "  interface \"eth1\";\n"
			       "  fixed-address 192.0.2.77;\n"
			       "  option dhcp-lease-time 3600;\n"
			       "  option routers 192.0.2.1;\n"
			       "  expire epoch 1704250000; # Wed Jan 03 03:06:40 2024\n"
			       "}\n";

/* A DHCP acknowledgement as dhcpcd keeps it. Returns its length. */
static size_t bootp(uint8_t p[300], const char *address, const char *router)
{
	static const uint8_t head[] = {
		0x63, 0x82, 0x53, 0x63, 53, 1, 5, 0, 0, 1, 4, 255, 255, 255, 0, 3, 8};
	static const uint8_t tail[] = {192, 0, 2, 254, 6, 4, 9, 9, 9, 9, 255};

	memset(p, 0, 300);
	p[0] = 2;
	p[1] = 1;
	p[2] = 6;
	inet_pton(AF_INET, address, p + 16);
	memcpy(p + 236, head, sizeof(head));
	inet_pton(AF_INET, router, p + 236 + sizeof(head));
	memcpy(p + 240 + sizeof(head), tail, sizeof(tail));
	return 240 + sizeof(head) + sizeof(tail);
}

static void assert_ip(struct in_addr a, const char *want)
{
	char buf[INET_ADDRSTRLEN];

	assert_string_equal(inet_ntop(AF_INET, &a, buf, sizeof(buf)), want);
}

/* ---- parsers ---- */

static void networkd_lease(void **state)
{
	static const char *const bad[] = {"", "ROUTER=", "ROUTER=\n", "ROUTER=192.0.2\n",
		"ROUTER=192.0.2.1", "ROUTER=0.0.0.0\n", "ROUTER=127.0.0.1\n", "ROUTER=224.0.0.1\n",
		"XROUTER=192.0.2.1\n", "ROUTER=192.0.2.1x\n", "ROUTER=fe80::1\n", "\n\n\n",
		"ROUTER=1921111111111111111.168.111.111\n"};
	struct pcc_lease lease;
	size_t i;

	(void)state;
	assert_int_equal(pcc_lease_networkd(networkd, strlen(networkd), &lease), 0);
	assert_ip(lease.address, "192.0.2.77");
	assert_ip(lease.router, "192.0.2.1");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(pcc_lease_networkd(bad[i], strlen(bad[i]), &lease), -ENOENT);
}

static void dhclient_lease(void **state)
{
	static const char *const bad[] = {"", "}", "lease {\n", "lease {\n interface \"eth1\";\n",
		"lease {\n  interface \"eth1\";\n  option routers 192.0.2.1;\n",
		"lease {\n  interface \"eth1\";\n  option routers ;\n}\n",
		"lease {\n  interface \"eth1\";\n  option routers 300.0.2.1;\n}\n",
		"lease {\n  interface \"eth1.5\";\n  option routers 192.0.2.1;\n}\n",
		"lease {\n  interface \"eth1\n  option routers 192.0.2.1;\n}\n",
		"lease6 {\n  interface \"eth1\";\n  option routers 192.0.2.1;\n}\n",
		"interface \"eth1\";\noption routers 192.0.2.1;\n}\n"};
	struct in_addr first, none;
	struct pcc_lease lease;
	size_t i;

	(void)state;
	inet_pton(AF_INET, "198.51.100.7", &first);
	inet_pton(AF_INET, "198.51.100.8", &none);
	assert_int_equal(pcc_lease_dhclient(dhclient, strlen(dhclient), "eth1", NULL, &lease), 0);
	assert_ip(lease.router, "192.0.2.1");
	assert_ip(lease.address, "192.0.2.77");
	assert_int_equal(pcc_lease_dhclient(dhclient, strlen(dhclient), "eth1", &first, &lease), 0);
	assert_ip(lease.router, "198.51.100.1");
	assert_int_equal(pcc_lease_dhclient(dhclient, strlen(dhclient), "eth10", NULL, &lease), 0);
	assert_ip(lease.router, "203.0.113.1");
	assert_int_equal(
		pcc_lease_dhclient(dhclient, strlen(dhclient), "eth", NULL, &lease), -ENOENT);
	assert_int_equal(
		pcc_lease_dhclient(dhclient, strlen(dhclient), "eth1", &none, &lease), -ENOENT);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(
			pcc_lease_dhclient(bad[i], strlen(bad[i]), "eth1", NULL, &lease), -ENOENT);
}

static void dhcpcd_lease(void **state)
{
	struct pcc_lease lease;
	uint8_t p[300];
	size_t n = bootp(p, "192.0.2.77", "192.0.2.1");

	(void)state;
	assert_int_equal(pcc_lease_dhcpcd(p, n, &lease), 0);
	assert_ip(lease.address, "192.0.2.77");
	assert_ip(lease.router, "192.0.2.1");
	p[236] = 0; /* no magic cookie: BOOTP without options */
	assert_int_equal(pcc_lease_dhcpcd(p, n, &lease), -ENOENT);
	n = bootp(p, "192.0.2.77", "0.0.0.0");
	assert_int_equal(pcc_lease_dhcpcd(p, n, &lease), -ENOENT);
	n = bootp(p, "192.0.2.77", "192.0.2.1");
	p[240] = 255; /* the end option comes first */
	assert_int_equal(pcc_lease_dhcpcd(p, n, &lease), -ENOENT);
	p[240] = 3; /* a router option of one byte, then the real one */
	assert_int_equal(pcc_lease_dhcpcd(p, n, &lease), 0);
	assert_ip(lease.router, "192.0.2.1");
}

/*
 * Cut anywhere, a lease is found whole or not at all, and nothing beyond the end is read: each
 * piece lives in memory of exactly its size.
 */
static void cut_leases(void **state)
{
	static const char *const good[] = {"192.0.2.1", "198.51.100.1"};
	struct pcc_lease lease;
	uint8_t p[300];
	size_t n, max = bootp(p, "192.0.2.77", "192.0.2.1");
	int which;

	(void)state;
	for (which = 0; which < 3; which++) {
		const void *from = which == 0	? (const void *)networkd
				   : which == 1 ? (const void *)dhclient
						: (const void *)p;
		size_t len = which == 0 ? strlen(networkd) : which == 1 ? strlen(dhclient) : max;

		for (n = 0; n <= len; n++) {
			char *piece = malloc(n ? n : 1), text[INET_ADDRSTRLEN];
			int code;

			memcpy(piece, from, n);
			code = which == 0   ? pcc_lease_networkd(piece, n, &lease)
			       : which == 1 ? pcc_lease_dhclient(piece, n, "eth1", NULL, &lease)
					    : pcc_lease_dhcpcd(piece, n, &lease);
			free(piece);
			inet_ntop(AF_INET, &lease.router, text, sizeof(text));
			if (code)
				assert_int_equal(lease.router.s_addr, 0);
			else
				assert_true(!strcmp(text, good[0]) || !strcmp(text, good[1]));
		}
	}
}

/* Any bytes at all: an answer, and no access outside (for the sanitizers to see). */
static void garbage_leases(void **state)
{
	unsigned int seed = 1;
	struct pcc_lease lease;
	size_t round, i;

	(void)state;
	for (round = 0; round < 3000; round++) {
		size_t n = (size_t)rand_r(&seed) % 400;
		char *data = malloc(n ? n : 1);

		for (i = 0; i < n; i++)
			data[i] = (char)rand_r(&seed);
		if (n >= 240)
			memcpy(data + 236, "\x63\x82\x53\x63", 4);
		pcc_lease_networkd(data, n, &lease);
		pcc_lease_dhclient(data, n, "eth1", NULL, &lease);
		pcc_lease_dhcpcd(data, n, &lease);
		free(data);
	}
}

/* ---- the search ---- */

struct row {
	const char *what;
	const char *commands; /* shell, with $R the lease root; the interface is w0, tun0 exists */
	const char *link;
	int family;
	enum pcc_gw_source source;
	const char *gateway;
	int code;
};

#define V4 "ip addr add 192.0.2.77/24 dev w0;"
#define V6 "ip addr add 2001:db8::2/64 dev w0 nodad;"
#define NETWORKD                                                                                   \
	"mkdir -p $R/run/systemd/netif/leases; printf 'ADDRESS=192.0.2.77\\nROUTER=192.0.2.9\\n' " \
	">$R/run/systemd/netif/leases/$(ip -o link show w0 | cut -d: -f1);"
#define DHCLIENT                                                                                   \
	"mkdir -p $R/var/lib/dhcp; printf 'lease {\\n  interface \"w0\";\\n  fixed-address "       \
	"192.0.2.77;\\n  option routers 192.0.2.8;\\n}\\n' >$R/var/lib/dhcp/dhclient.w0.leases;"

static const struct row rows[] = {
	{"nothing at all", "", "w0", AF_INET, PCC_GW_NONE, NULL, 0},
	{"nothing at all, IPv6", "", "w0", AF_INET6, PCC_GW_NONE, NULL, 0},
	{"address, no gateway", V4, "w0", AF_INET, PCC_GW_NONE, NULL, -ENOENT},
	{"link-local address only", "ip addr add 169.254.3.3/16 dev w0", "w0", AF_INET, PCC_GW_NONE,
		NULL, 0},
	{"global address, no gateway", V6, "w0", AF_INET6, PCC_GW_NONE, NULL, -ENOENT},
	{"unique local address, no gateway", "ip addr add fd00::2/64 dev w0 nodad", "w0", AF_INET6,
		PCC_GW_NONE, NULL, 0},
	{"default route", V4 "ip route add default via 192.0.2.1", "w0", AF_INET, PCC_GW_FOUND,
		"192.0.2.1", 0},
	{"default route in another table", V4 "ip route add default via 192.0.2.1 table 7777", "w0",
		AF_INET, PCC_GW_FOUND, "192.0.2.1", 0},
	{"lowest metric wins over table",
		V4 "ip route add default via 192.0.2.1 metric 9;"
		   "ip route add default via 192.0.2.2 metric 5 table 7777",
		"w0", AF_INET, PCC_GW_FOUND, "192.0.2.2", 0},
	{"lowest metric wins, in the main table",
		V4 "ip route add default via 192.0.2.1 metric 5;"
		   "ip route add default via 192.0.2.2 metric 9 table 7777",
		"w0", AF_INET, PCC_GW_FOUND, "192.0.2.1", 0},
	{"table main wins at the same metric",
		V4 "ip route add default via 192.0.2.2 metric 5 table 77;"
		   "ip route add default via 192.0.2.1 metric 5;"
		   "ip route add default via 192.0.2.3 metric 5 table 7777",
		"w0", AF_INET, PCC_GW_FOUND, "192.0.2.1", 0},
	{"default of another interface", V4 "ip route add default dev p0", "w0", AF_INET,
		PCC_GW_NONE, NULL, -ENOENT},
	{"multipath default", V4 "ip route add default nexthop dev p0 nexthop via 192.0.2.1 dev w0",
		"w0", AF_INET, PCC_GW_FOUND, "192.0.2.1", 0},
	{"unreachable default", V4 "ip route add unreachable default", "w0", AF_INET, PCC_GW_NONE,
		NULL, -ENOENT},
	{"on-link default", V4 "ip route add default dev w0", "w0", AF_INET, PCC_GW_ONLINK, NULL,
		0},
	{"ours only as the last resort",
		V4 "ip route add default via 192.0.2.1 table 101 proto 172;"
		   "ip route add default via 192.0.2.2 metric 50",
		"w0", AF_INET, PCC_GW_FOUND, "192.0.2.2", 0},
	{"ours if nothing else", V4 "ip route add default via 192.0.2.1 table 101 proto 172", "w0",
		AF_INET, PCC_GW_FOUND, "192.0.2.1", 0},
	{"lease before ours", V4 NETWORKD "ip route add default via 192.0.2.1 table 101 proto 172",
		"w0", AF_INET, PCC_GW_FOUND, "192.0.2.9", 0},
	{"route before lease", V4 NETWORKD "ip route add default via 192.0.2.1", "w0", AF_INET,
		PCC_GW_FOUND, "192.0.2.1", 0},
	{"networkd lease", V4 NETWORKD, "w0", AF_INET, PCC_GW_FOUND, "192.0.2.9", 0},
	{"dhclient lease", V4 DHCLIENT, "w0", AF_INET, PCC_GW_FOUND, "192.0.2.8", 0},
	{"dhcpcd lease", V4 "mkdir -p $R/var/lib/dhcpcd; cp $R/bootp $R/var/lib/dhcpcd/w0.lease",
		"w0", AF_INET, PCC_GW_FOUND, "192.0.2.7", 0},
	{"dhcpcd lease of a wireless network",
		V4 "mkdir -p $R/var/lib/dhcpcd; cp $R/bootp $R/var/lib/dhcpcd/w0-home.lease", "w0",
		AF_INET, PCC_GW_FOUND, "192.0.2.7", 0},
	{"old lease of an address that is gone",
		"ip addr add 198.51.100.2/24 dev w0;" NETWORKD DHCLIENT, "w0", AF_INET, PCC_GW_NONE,
		NULL, -ENOENT},
	{"lease but no address", NETWORKD, "w0", AF_INET, PCC_GW_NONE, NULL, 0},
	{"router advertisement", "ip -6 route add default via fe80::1 dev w0 proto ra metric 1024",
		"w0", AF_INET6, PCC_GW_FOUND, "fe80::1", 0},
	{"IPv6 default beside an address", V6 "ip -6 route add default via 2001:db8::1", "w0",
		AF_INET6, PCC_GW_FOUND, "2001:db8::1", 0},
	{"IPv4 via an IPv6 next hop is no IPv4 gateway",
		V4 "ip -4 route add default via inet6 fe80::1 dev w0", "w0", AF_INET, PCC_GW_NONE,
		NULL, -ENOENT},
	{"point-to-point", "ip addr add 198.51.100.2 peer 198.51.100.1 dev tun0", "tun0", AF_INET,
		PCC_GW_ONLINK, NULL, 0},
	{"point-to-point, only IPv4", "ip addr add 198.51.100.2 peer 198.51.100.1 dev tun0", "tun0",
		AF_INET6, PCC_GW_NONE, NULL, 0},
	{"point-to-point, unique local IPv6", "ip addr add fd00::2/64 dev tun0", "tun0", AF_INET6,
		PCC_GW_ONLINK, NULL, 0},
	{"point-to-point without address", "", "tun0", AF_INET, PCC_GW_NONE, NULL, 0},
	{"point-to-point with a gateway",
		"ip addr add 198.51.100.2/24 dev tun0; ip route add default via 198.51.100.1",
		"tun0", AF_INET, PCC_GW_FOUND, "198.51.100.1", 0},
};

static void check_row(const struct row *row, const char *lease_root)
{
	struct pcc_gateway gw;
	struct pcc_link link;
	struct pcc_err err = {0};
	struct pcc_nl nl;
	char command[1200], text[INET6_ADDRSTRLEN];
	int code;

	snprintf(command, sizeof(command),
		"set -e; R=%s; rm -rf $R/run $R/var; ip link set lo up; ip tuntap add tun0 mode tun;"
		"echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad;"
		"ip link add w0 type veth peer name p0; for i in w0 p0 tun0; do ip link set $i up;"
		"done; %s",
		lease_root, row->commands);
	if (system(command) != 0)
		fail_msg("%s: %s", row->what, row->commands);
	assert_int_equal(pcc_nl_open(&nl, NETLINK_ROUTE), 0);
	assert_int_equal(pcc_link_by_name(&nl, row->link, &link, &err), 0);
	code = pcc_gateway_find(&nl, &link, row->family, lease_root, &gw, &err);
	if (code != row->code || gw.source != row->source)
		fail_msg("%s: %d, source %d, %s: %s", row->what, code, (int)gw.source, err.object,
			err.cause);
	if (row->gateway) {
		inet_ntop(row->family, &gw.addr, text, sizeof(text));
		assert_string_equal(text, row->gateway);
	}
	if (code) {
		assert_string_equal(err.object, row->link);
		assert_non_null(strstr(err.hint, "--wan w0@"));
	}
	pcc_nl_close(&nl);
}

static char root[32]; /* where the leases of the rows are */

/* Every row in a network namespace of its own. */
static void search(void **state)
{
	char path[64];
	uint8_t p[300];
	size_t i, n = bootp(p, "192.0.2.77", "192.0.2.7");
	FILE *f;

	(void)state;
	if (unshare(CLONE_NEWNET) < 0) {
		print_message("skipped: no private network namespace: %s\n", strerror(errno));
		skip();
	}
	assert_non_null(mkdtemp(strcpy(root, "/tmp/pccbpf-gateway-XXXXXX")));
	snprintf(path, sizeof(path), "%s/bootp", root);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, n, f), n);
	fclose(f);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(unshare(CLONE_NEWNET), 0);
		check_row(&rows[i], root);
	}
}

static int remove_root(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return root[0] ? system(command) : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(networkd_lease),
		cmocka_unit_test(dhclient_lease),
		cmocka_unit_test(dhcpcd_lease),
		cmocka_unit_test(cut_leases),
		cmocka_unit_test(garbage_leases),
		cmocka_unit_test_teardown(search, remove_root),
	};

	return cmocka_run_group_tests_name("gateway", tests, NULL, NULL);
}
