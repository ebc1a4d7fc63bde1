// SPDX-License-Identifier: GPL-2.0-only
/* Routes, rules, neighbours, sysctls, conntrack: against the kernel, in a network namespace. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/address.h"
#include "kernel/conntrack.h"
#include "kernel/link.h"
#include "kernel/neighbour.h"
#include "kernel/netlink.h"
#include "kernel/netns.h"
#include "kernel/route.h"
#include "kernel/route_text.h"
#include "kernel/rule.h"
#include "kernel/sysctl.h"

/* ---- the namespace of each test ---- */

static struct pcc_nl nl;
static struct pcc_err err;

static void sh(const char *command)
{
	if (system(command) != 0)
		fail_msg("%s", command);
}

/* w0 (192.0.2.2/24, 2001:db8::2/64) with its peer p0, which answers for 192.0.2.1, elsewhere. */
static int setup(void **state)
{
	(void)state;
	memset(&err, 0, sizeof(err));
	if (unshare(CLONE_NEWNET) < 0)
		return 0;
	sh("echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad;"
	   "ip link set lo up; ip link add w0 type veth peer name p0;"
	   "ip link set w0 up; ip link set p0 up;"
	   "ip addr add 192.0.2.2/24 dev w0; ip addr add 2001:db8::2/64 dev w0 nodad");
	return pcc_nl_open(&nl, NETLINK_ROUTE);
}

static int teardown(void **state)
{
	(void)state;
	pcc_nl_close(&nl);
	return 0;
}

static void need_netns(void)
{
	if (!nl.sock) {
		print_message("skipped: no private network namespace (not root?)\n");
		skip();
	}
}

static union pcc_ip ip(const char *text)
{
	union pcc_ip a = {0};

	assert_int_equal(inet_pton(strchr(text, ':') ? AF_INET6 : AF_INET, text, &a), 1);
	return a;
}

static struct pcc_route route(int family, uint32_t table, const char *gateway)
{
	struct pcc_route r = {.family = family,
		.gateway_family = family,
		.type = RTN_UNICAST,
		.protocol = PCC_RTPROT,
		.table = table,
		.oif = if_nametoindex("w0")};

	if (gateway) {
		r.has_gateway = true;
		r.gateway = ip(gateway);
	}
	return r;
}

/* How many routes of the table are equal to r. */
static size_t routes_like(const struct pcc_route *r, size_t *all)
{
	struct pcc_route_list list = {0};
	size_t i, n = 0;

	assert_int_equal(pcc_route_dump(&nl, r->family, r->table, &list, &err), 0);
	for (i = 0; i < list.n; i++) {
		assert_int_equal(list.v[i].table, r->table);
		n += pcc_route_equal(&list.v[i], r);
	}
	if (all)
		*all = list.n;
	pcc_route_list_free(&list);
	return n;
}

/* ---- netlink and links ---- */

/* Closing the empty value, and closing twice, are harmless. */
static void empty_values(void **state)
{
	struct pcc_nl none = {0};
	struct pcc_route_list routes = {0};

	(void)state;
	pcc_nl_close(&none);
	pcc_nl_close(&none);
	pcc_route_list_free(&routes);
	assert_int_equal(pcc_nl_dump(&none, NULL, NULL, NULL), -EBADF);
}

/* A link is read with its kind, master, MTU, MAC and flags; a missing one is -ENODEV and a hint. */
static void links(void **state)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};
	struct pcc_link_list list = {0};
	struct pcc_link link, bridge;

	(void)state;
	need_netns();
	sh("ip link add br0 type bridge; ip link set p0 master br0 mtu 1400 address 02:00:00:00:00:09;"
	   "ip tuntap add tun0 mode tun");
	assert_int_equal(pcc_link_by_name(&nl, "br0", &bridge, &err), 0);
	assert_string_equal(bridge.kind, "bridge");
	assert_int_equal(pcc_link_by_name(&nl, "p0", &link, &err), 0);
	assert_string_equal(link.name, "p0");
	assert_string_equal(link.kind, "veth");
	assert_int_equal(link.ifindex, if_nametoindex("p0"));
	assert_int_equal(link.lower_ifindex, if_nametoindex("w0"));
	assert_int_equal(link.master_ifindex, bridge.ifindex);
	assert_int_equal(link.mtu, 1400);
	assert_int_equal(link.type, 1);
	assert_int_equal(link.mac_bytes, 6);
	assert_memory_equal(link.mac, mac, 6);
	assert_true(pcc_link_is_ethernet(&link));
	assert_true(link.flags & IFF_UP && link.flags & 0x10000 /* IFF_LOWER_UP */);
	assert_int_equal(pcc_link_by_name(&nl, "tun0", &link, &err), 0);
	assert_true(link.flags & IFF_POINTOPOINT);
	assert_string_equal(link.kind, "tun");
	assert_int_equal(link.mac_bytes, 0);
	assert_false(pcc_link_is_ethernet(&link));
	/* A tunnel over IPv4 has an address of 4 bytes; InfiniBand has one of 20, and another
	 * header. */
	link.type = 768; /* ARPHRD_TUNNEL */
	link.mac_bytes = 4;
	assert_false(pcc_link_is_ethernet(&link));
	link.type = 32;
	link.mac_bytes = 20;
	assert_false(pcc_link_is_ethernet(&link));
	assert_int_equal(pcc_link_by_name(&nl, "nosuch", &link, &err), -ENODEV);
	assert_string_equal(err.object, "nosuch");
	assert_true(err.hint[0]);
	assert_int_equal(pcc_link_by_name(&nl, "far-too-long-a-name", &link, &err), -ENODEV);
	assert_int_equal(pcc_link_by_name(&nl, "", &link, &err), -ENODEV);
	assert_int_equal(pcc_link_dump(&nl, &list, &err), 0);
	assert_in_range(list.n, 5, 64); /* lo, w0, p0, br0, tun0, and the kernel's own tunnels */
	pcc_link_list_free(&list);
}

/* Addresses of one interface only, local and peer told apart. */
static void addresses(void **state)
{
	struct pcc_ifaddr_list list = {0};
	union pcc_ip want;
	size_t i, v4 = 0, v6 = 0;

	(void)state;
	need_netns();
	sh("ip addr add 198.51.100.9 peer 198.51.100.1/32 dev p0; ip addr add 203.0.113.1/24 dev lo");
	assert_int_equal(pcc_ifaddr_dump(&nl, AF_INET, if_nametoindex("p0"), &list, &err), 0);
	assert_int_equal(list.n, 1);
	want = ip("198.51.100.9");
	assert_memory_equal(&list.v[0].addr, &want, 4);
	assert_true(list.v[0].has_peer);
	want = ip("198.51.100.1");
	assert_memory_equal(&list.v[0].peer, &want, 4);
	assert_int_equal(list.v[0].prefixlen, 32);
	assert_int_equal(pcc_ifaddr_dump(&nl, AF_UNSPEC, if_nametoindex("w0"), &list, &err), 0);
	for (i = 0; i < list.n; i++) {
		v4 += list.v[i].family == AF_INET;
		v6 += list.v[i].family == AF_INET6;
		assert_false(list.v[i].has_peer);
		assert_int_equal(list.v[i].ifindex, if_nametoindex("w0"));
	}
	assert_int_equal(v4, 1);
	assert_in_range(v6, 1, 2); /* the link-local one may still be on its way */
	pcc_ifaddr_list_free(&list);
}

/* ---- routes ---- */

/* A route goes in once, is read back equal, is refused twice, is replaced, goes out once. */
static void route_life(void **state)
{
	static const struct {
		int family;
		uint32_t table, metric;
		const char *gateway, *other;
	} rows[] = {
		{AF_INET, 101, 0, "192.0.2.1", "192.0.2.3"},
		{AF_INET, 70000, 5, "192.0.2.1", "192.0.2.3"},
		{AF_INET6, 101, 0, "2001:db8::1", "2001:db8::3"},
		{AF_INET6, 70000, 5, "fe80::1", "fe80::3"},
	};
	size_t i, all;

	(void)state;
	need_netns();
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pcc_route r = route(rows[i].family, rows[i].table, rows[i].gateway);
		struct pcc_route other = route(rows[i].family, rows[i].table, rows[i].other);

		r.metric = other.metric = rows[i].metric;
		assert_int_equal(routes_like(&r, &all), 0);
		assert_int_equal(all, 0);
		assert_int_equal(pcc_route_add(&nl, &r, &err), 0);
		assert_int_equal(pcc_route_add(&nl, &r, &err), -EEXIST);
		assert_int_equal(pcc_route_add(&nl, &other, &err), -EEXIST);
		assert_int_equal(routes_like(&r, &all), 1);
		assert_int_equal(all, 1);
		assert_int_equal(pcc_route_replace(&nl, &other, &err), 0);
		assert_int_equal(routes_like(&r, NULL), 0);
		assert_int_equal(routes_like(&other, &all), 1);
		assert_int_equal(all, 1);
		assert_int_equal(pcc_route_del(&nl, &r, &err), -ESRCH);
		assert_int_equal(pcc_route_del(&nl, &other, &err), 0);
		assert_int_equal(pcc_route_del(&nl, &other, &err), -ESRCH);
		assert_int_equal(routes_like(&other, NULL), 0);
	}
}

/* The guard route of every WAN table lives beside the default and is read back equal. */
static void unreachable_beside_default(void **state)
{
	static const int families[] = {AF_INET, AF_INET6};
	size_t i, all;

	(void)state;
	need_netns();
	for (i = 0; i < 2; i++) {
		struct pcc_route onlink = route(families[i], 101, NULL);
		struct pcc_route guard = route(families[i], 101, NULL);

		guard.type = RTN_UNREACHABLE;
		guard.oif = 0;
		guard.metric = PCC_UNREACHABLE_METRIC;
		assert_int_equal(pcc_route_add(&nl, &guard, &err), 0);
		assert_int_equal(pcc_route_add(&nl, &onlink, &err), 0);
		assert_int_equal(routes_like(&guard, &all), 1);
		assert_int_equal(all, 2);
		assert_int_equal(routes_like(&onlink, NULL), 1);
		assert_int_equal(pcc_route_del(&nl, &guard, &err), 0);
		assert_int_equal(routes_like(&onlink, &all), 1);
		assert_int_equal(all, 1);
		assert_int_equal(pcc_route_del(&nl, &onlink, &err), 0);
	}
}

/* The kernel's reason reaches the error; an on-link flag helps where the gateway is off-subnet. */
static void route_refused(void **state)
{
	struct pcc_route r = route(AF_INET, 101, "203.0.113.1");

	(void)state;
	need_netns();
	assert_int_equal(pcc_route_add(&nl, &r, &err), -ENETUNREACH);
	assert_non_null(strstr(err.object, "default via 203.0.113.1 dev w0 table 101"));
	assert_non_null(strstr(err.cause, "invalid gateway"));
	assert_non_null(strstr(err.hint, "w0"));
	r.onlink = true;
	assert_int_equal(pcc_route_add(&nl, &r, &err), 0);
	assert_int_equal(routes_like(&r, NULL), 1);
	r.onlink = false;
	assert_int_equal(routes_like(&r, NULL), 0);
	sh("ip link set w0 down");
	r = route(AF_INET, 102, NULL);
	assert_int_equal(pcc_route_add(&nl, &r, &err), -ENETDOWN);
	assert_non_null(strstr(err.hint, "ip link set w0 up"));
}

/* Next hops of a multipath route come one by one; the dump by interface sees only its own. */
static void multipath(void **state)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct pcc_route_list list = {0};
	size_t i, j, hops;

	(void)state;
	need_netns();
	sh("ip addr add 198.51.100.2/24 dev p0; ip addr add 2001:db8:1::2/64 dev p0 nodad;"
	   "ip route add default proto static metric 7 nexthop via 192.0.2.1 dev w0 nexthop via"
	   " 198.51.100.1 dev p0; ip -6 route add default proto static metric 7 nexthop via"
	   " 2001:db8::1 dev w0 nexthop via 2001:db8:1::1 dev p0");
	for (i = 0; i < 2; i++) {
		assert_int_equal(pcc_route_dump(&nl, families[i], RT_TABLE_MAIN, &list, &err), 0);
		for (j = hops = 0; j < list.n; j++)
			hops += list.v[j].multipath && list.v[j].has_gateway &&
				list.v[j].metric == 7 && list.v[j].prefixlen == 0;
		assert_int_equal(hops, 2);
		assert_int_equal(
			pcc_route_dump_oif(&nl, families[i], if_nametoindex("p0"), &list, &err), 0);
		for (j = hops = 0; j < list.n; j++) {
			hops += list.v[j].multipath;
			assert_int_equal(list.v[j].oif, if_nametoindex("p0"));
		}
		assert_int_equal(hops, 1);
	}
	pcc_route_list_free(&list);
}

/* An IPv4 route via an IPv6 next hop is read for what it is. */
static void via_inet6(void **state)
{
	struct pcc_route r = route(AF_INET, 103, NULL);
	char buf[200];

	(void)state;
	need_netns();
	r.has_gateway = true;
	r.gateway_family = AF_INET6;
	r.gateway = ip("fe80::1");
	assert_int_equal(pcc_route_add(&nl, &r, &err), 0);
	assert_int_equal(routes_like(&r, NULL), 1);
	assert_string_equal(pcc_route_format(buf, sizeof(buf), &r),
		"default via inet6 fe80::1 dev w0 table 103 proto 172");
}

/* Text as `ip` writes it, cut rather than overflowing. */
static void formats(void **state)
{
	struct pcc_route r = {.family = AF_INET,
		.gateway_family = AF_INET,
		.type = RTN_UNREACHABLE,
		.table = 101,
		.protocol = PCC_RTPROT,
		.metric = PCC_UNREACHABLE_METRIC};
	struct pcc_rule u = {.family = AF_INET6,
		.pref = 10001,
		.action = FR_ACT_TO_TBL,
		.table = RT_TABLE_MAIN,
		.suppress_prefixlen = 0,
		.protocol = PCC_RTPROT};
	char buf[200];
	size_t i;

	(void)state;
	assert_string_equal(pcc_route_format(buf, sizeof(buf), &r),
		"unreachable default table 101 proto 172 metric 4278198272");
	memset(buf, '#', sizeof(buf));
	assert_string_equal(pcc_route_format(buf, 12, &r), "unreachable");
	for (i = 12; i < sizeof(buf); i++)
		assert_int_equal(buf[i], '#');
	assert_string_equal(pcc_route_format(buf, 1, &r), "");
	r.type = RTN_UNICAST;
	r.family = r.gateway_family = AF_INET6;
	r.dst = ip("2001:db8::");
	r.prefixlen = 32;
	r.metric = 0;
	r.table = RT_TABLE_MAIN;
	assert_string_equal(pcc_route_format(buf, sizeof(buf), &r),
		"2001:db8::/32 table main proto 172 metric 1024");
	assert_string_equal(pcc_rule_format(buf, sizeof(buf), &u),
		"pref 10001 from all lookup main suppress_prefixlength 0 proto 172");
	u.suppress_prefixlen = -1;
	u.fwmark = 0x100;
	u.fwmask = 0xff00;
	u.src = ip("2001:db8::2");
	u.src_prefixlen = 128;
	u.table = 101;
	assert_string_equal(pcc_rule_format(buf, sizeof(buf), &u),
		"pref 10001 from 2001:db8::2 fwmark 0x100/0xff00 lookup 101 proto 172");
}

/* ---- rules ---- */

static size_t rules_like(const struct pcc_rule *r, size_t *all)
{
	struct pcc_rule_list list = {0};
	size_t i, n = 0;

	assert_int_equal(pcc_rule_dump(&nl, r->family, &list, &err), 0);
	for (i = 0; i < list.n; i++)
		n += pcc_rule_equal(&list.v[i], r);
	*all = list.n;
	pcc_rule_list_free(&list);
	return n;
}

/* Each kind of rule that pccbpf makes: in once, read back equal, refused twice, out once. */
static void rule_life(void **state)
{
	struct pcc_rule rows[] = {
		{.table = RT_TABLE_MAIN, .suppress_prefixlen = 0},
		{.table = 101, .suppress_prefixlen = -1, .fwmark = 0x100, .fwmask = 0xff00},
		{.table = 70000, .suppress_prefixlen = -1, .src_prefixlen = 128},
	};
	static const int families[] = {AF_INET, AF_INET6};
	size_t i, f, all, before;

	(void)state;
	need_netns();
	for (f = 0; f < 2; f++) {
		for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			struct pcc_rule r = rows[i];

			r.family = families[f];
			r.pref = 10000 + (uint32_t)i;
			r.action = FR_ACT_TO_TBL;
			r.protocol = PCC_RTPROT;
			if (r.src_prefixlen) {
				r.src = ip(f ? "2001:db8::2" : "192.0.2.2");
				r.src_prefixlen = f ? 128 : 32;
			}
			assert_int_equal(rules_like(&r, &before), 0);
			assert_int_equal(pcc_rule_add(&nl, &r, &err), 0);
			assert_int_equal(pcc_rule_add(&nl, &r, &err), -EEXIST);
			assert_int_equal(rules_like(&r, &all), 1);
			assert_int_equal(all, before + 1);
			assert_int_equal(pcc_rule_del(&nl, &r, &err), 0);
			assert_int_equal(pcc_rule_del(&nl, &r, &err), -ENOENT);
			assert_int_equal(rules_like(&r, &all), 0);
			assert_int_equal(all, before);
		}
	}
}

/* Other people's rule that differs only in a selector that we never use is not ours. */
static void foreign_rule(void **state)
{
	struct pcc_rule r = {.family = AF_INET,
		.pref = 10001,
		.action = FR_ACT_TO_TBL,
		.table = 101,
		.suppress_prefixlen = -1,
		.fwmark = 0x100,
		.fwmask = 0xff00,
		.protocol = PCC_RTPROT};
	size_t all;

	(void)state;
	need_netns();
	sh("ip rule add pref 10001 iif w0 fwmark 0x100/0xff00 lookup 101 proto 172;"
	   "ip rule add pref 10001 ipproto 6 fwmark 0x100/0xff00 lookup 101 proto 172;"
	   "ip rule add pref 10001 fwmark 0x100/0xff00 lookup 101 proto static");
	assert_int_equal(rules_like(&r, &all), 0);
	assert_int_equal(all, 6);
	sh("ip rule add pref 10001 fwmark 0x100/0xff00 lookup 101 proto 172");
	assert_int_equal(rules_like(&r, &all), 1);
	/* The kernel takes `not` and a missing `to` for no difference, so these stand alone. */
	sh("ip rule flush; ip rule add pref 10001 not fwmark 0x100/0xff00 lookup 101 proto 172");
	assert_int_equal(rules_like(&r, &all), 0);
	assert_int_equal(pcc_rule_add(&nl, &r, &err), -EEXIST);
	sh("ip rule flush; ip rule add pref 10001 to 192.0.2.9 fwmark 0x100/0xff00 lookup 101"
	   " proto 172");
	assert_int_equal(rules_like(&r, &all), 0);
	assert_int_equal(pcc_rule_add(&nl, &r, &err), -EEXIST);
}

/* ---- neighbours, namespace cookie ---- */

/* A gateway that answers, one that does not, and no entry of the second left. */
static void neighbour_probe(void **state)
{
	union pcc_ip there = ip("192.0.2.1"), gone = ip("192.0.2.7"), there6 = ip("2001:db8::1");
	uint32_t w0;

	(void)state;
	need_netns();
	w0 = if_nametoindex("w0");
	sh("unshare -n sleep 3 >/dev/null 2>&1 & pid=$!; sleep 0.2; ip link set p0 netns $pid;"
	   "nsenter --net=/proc/$pid/ns/net sh -c 'ip link set p0 up; ip addr add 192.0.2.1/24 dev p0;"
	   " ip addr add 2001:db8::1/64 dev p0 nodad'");
	assert_int_equal(pcc_neigh_probe(&nl, w0, AF_INET, &there, 2000), 0);
	assert_int_equal(pcc_neigh_probe(&nl, w0, AF_INET6, &there6, 2000), 0);
	sh("ip neigh change 192.0.2.1 dev w0 nud stale");
	assert_int_equal(pcc_neigh_probe(&nl, w0, AF_INET, &there, 2000), 0);
	sh("ip neigh show 192.0.2.1 dev w0 | grep -q REACHABLE");
	assert_int_equal(pcc_neigh_probe(&nl, w0, AF_INET, &gone, 100), -EHOSTUNREACH);
	sh("test -z \"$(ip neigh show 192.0.2.7)\"");
	sh("test -z \"$(ip -4 neigh show nud permanent dev w0)\"");
	assert_int_equal(pcc_neigh_probe(&nl, 9999, AF_INET, &there, 100), -ENODEV);
}

/* Two namespaces have two cookies. */
static void netns_cookie(void **state)
{
	uint64_t a = 0, b = 0, c = 0;

	(void)state;
	need_netns();
	assert_int_equal(pcc_netns_cookie(&a), 0);
	assert_int_equal(pcc_netns_cookie(&b), 0);
	assert_true(a != 0 && a == b);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(pcc_netns_cookie(&c), 0);
	assert_true(c != a);
}

/* ---- sysctl ---- */

static void sysctl_paths(void **state)
{
	static const char *const bad[] = {"", "/net/ipv4/ip_forward", "net/", "net//ipv4",
		"net/../kernel/hostname", "net/ipv4/conf/./x", "kernel/hostname", "net/ipv4/.."};
	char buf[PCC_SYSCTL_KEY_BYTES + 32];
	size_t i;

	(void)state;
	assert_int_equal(pcc_sysctl_path(buf, sizeof(buf), "net/ipv4/conf/eth1.100/rp_filter"), 0);
	assert_string_equal(buf, "/proc/sys/net/ipv4/conf/eth1.100/rp_filter");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(pcc_sysctl_path(buf, sizeof(buf), bad[i]), -EINVAL);
	assert_int_equal(pcc_sysctl_path(buf, 10, "net/ipv4/ip_forward"), -ENAMETOOLONG);
	assert_int_equal(
		pcc_sysctl_if_key(buf, sizeof(buf), AF_INET6, "conf", "a.1", "accept_ra"), 0);
	assert_string_equal(buf, "net/ipv6/conf/a.1/accept_ra");
	assert_int_equal(
		pcc_sysctl_if_key(buf, sizeof(buf), AF_INET, "conf", "../all", "x"), -EINVAL);
}

/* A dotted interface has its own parameters, in this namespace; missing ones are -ENOENT. */
static void sysctl_values(void **state)
{
	char key[PCC_SYSCTL_KEY_BYTES], buf[PCC_SYSCTL_VALUE_BYTES];
	long value;

	(void)state;
	need_netns();
	sh("ip link add w1.100 type veth peer name p1.100");
	pcc_sysctl_if_key(key, sizeof(key), AF_INET, "conf", "w1.100", "rp_filter");
	assert_int_equal(pcc_sysctl_write(key, "2", &err), 0);
	assert_int_equal(pcc_sysctl_read(key, buf, sizeof(buf), &err), 0);
	assert_string_equal(buf, "2");
	assert_int_equal(pcc_sysctl_read(key, buf, 2, &err), -ENOSPC);
	assert_int_equal(pcc_sysctl_read_int(key, &value, &err), 0);
	assert_int_equal(value, 2);
	assert_int_equal(pcc_sysctl_write(key, "junk", &err), -EINVAL);
	assert_int_equal(
		pcc_sysctl_read("net/ipv4/conf/nosuch/rp_filter", buf, sizeof(buf), &err), -ENOENT);
	assert_string_equal(err.object, "net/ipv4/conf/nosuch/rp_filter");
	assert_int_equal(pcc_sysctl_write("net/ipv4/nosuch", "1", &err), -ENOENT);
	assert_int_equal(pcc_sysctl_read("net/ipv4/ping_group_range", buf, sizeof(buf), &err), 0);
	assert_null(strchr(buf, '\n'));
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(pcc_sysctl_read(key, buf, sizeof(buf), &err), -ENOENT);
}

/* ---- conntrack ---- */

/* One UDP entry of either family with this port and mark. */
static void ct_create(struct nfct_handle *h, int family, uint16_t port, uint32_t mark)
{
	struct nf_conntrack *ct = nfct_new();
	union pcc_ip a = ip(family == AF_INET ? "10.0.0.1" : "2001:db8:a::1");
	union pcc_ip b = ip(family == AF_INET ? "10.0.0.2" : "2001:db8:a::2");
	bool v4 = family == AF_INET;

	assert_non_null(ct);
	nfct_set_attr_u8(ct, ATTR_L3PROTO, (uint8_t)family);
	nfct_set_attr(ct, v4 ? ATTR_IPV4_SRC : ATTR_IPV6_SRC, &a);
	nfct_set_attr(ct, v4 ? ATTR_IPV4_DST : ATTR_IPV6_DST, &b);
	nfct_set_attr_u8(ct, ATTR_L4PROTO, IPPROTO_UDP);
	nfct_set_attr_u16(ct, ATTR_PORT_SRC, htons(port));
	nfct_set_attr_u16(ct, ATTR_PORT_DST, htons(53));
	nfct_setobjopt(ct, NFCT_SOPT_SETUP_REPLY);
	nfct_set_attr_u32(ct, ATTR_TIMEOUT, 600);
	nfct_set_attr_u32(ct, ATTR_MARK, mark);
	assert_int_equal(nfct_query(h, NFCT_Q_CREATE, ct), 0);
	nfct_destroy(ct);
}

struct counting {
	uint32_t mark, mask, n;
};

static int ct_count_one(enum nf_conntrack_msg_type type, struct nf_conntrack *ct, void *arg)
{
	struct counting *c = arg;

	(void)type;
	c->n += (nfct_get_attr_u32(ct, ATTR_MARK) & c->mask) == c->mark;
	return NFCT_CB_CONTINUE;
}

/* How many entries have that mark, by the library. */
static uint32_t ct_count(uint32_t mark, uint32_t mask)
{
	struct counting c = {.mark = mark, .mask = mask};
	struct nfct_handle *h = nfct_open(CONNTRACK, 0);
	uint8_t family = AF_UNSPEC;

	assert_non_null(h);
	nfct_callback_register(h, NFCT_T_ALL, ct_count_one, &c);
	assert_int_equal(nfct_query(h, NFCT_Q_DUMP, &family), 0);
	nfct_close(h);
	return c.n;
}

/* 40 entries of each family: marks 0, 0x100, 0x200, 0x10100 and 0x7, eight of each. */
static void ct_fill(void)
{
	static const uint32_t marks[] = {0, 0x100, 0x200, 0x10100, 0x7};
	struct nfct_handle *h = nfct_open(CONNTRACK, 0);
	uint16_t i;

	assert_non_null(h);
	for (i = 0; i < 40; i++) {
		ct_create(h, AF_INET, (uint16_t)(1000 + i), marks[i % 5]);
		ct_create(h, AF_INET6, (uint16_t)(1000 + i), marks[i % 5]);
	}
	nfct_close(h);
	assert_int_equal(ct_count(0, 0), 80);
}

/* Deleting by mark takes exactly the marked ones, of both families, whatever other bits they have.
 */
static void ct_flush(void **state)
{
	(void)state;
	need_netns();
	ct_fill();
	assert_int_equal(ct_count(0x100, 0xff00), 32);
	assert_int_equal(pcc_ct_flush_mark(0x100, 0xff00, &err), 0);
	assert_int_equal(ct_count(0, 0), 48);
	assert_int_equal(ct_count(0x100, 0xff00), 0);
	assert_int_equal(ct_count(0x200, 0xff00), 16);
	assert_int_equal(ct_count(0, 0xff00), 32);
	assert_int_equal(pcc_ct_flush_mark(0x100, 0xff00, &err), 0);
	assert_int_equal(pcc_ct_flush_mark(0x200, 0xff00, &err), 0);
	assert_int_equal(ct_count(0, 0), 32);
	assert_int_equal(pcc_ct_flush_mark(0, 0, &err), -EINVAL); /* would be everything */
	assert_int_equal(pcc_ct_flush_mark(0x100, 0xff, &err), -EINVAL);
	assert_int_equal(ct_count(0, 0), 32);
}

/* Clearing takes our bits out of every mark and leaves the entries and all other bits. */
static void ct_clear(void **state)
{
	(void)state;
	need_netns();
	ct_fill();
	assert_int_equal(pcc_ct_clear_mark(0xff00, &err), 0);
	assert_int_equal(ct_count(0, 0), 80);
	assert_int_equal(ct_count(0, 0xff00), 80);
	assert_int_equal(ct_count(0x10000, UINT32_MAX), 16);
	assert_int_equal(ct_count(0x7, UINT32_MAX), 16);
	assert_int_equal(pcc_ct_clear_mark(0xff00, &err), 0);
}

/* A connection as pccbpf remembers it: from the LAN's side. */
static struct pcc_tuple tuple(int family, uint8_t proto, uint16_t sport, uint16_t dport)
{
	union pcc_ip a = ip(family == AF_INET ? "10.0.0.1" : "2001:db8:a::1");
	union pcc_ip b = ip(family == AF_INET ? "10.0.0.2" : "2001:db8:a::2");
	struct pcc_tuple t = {.proto = proto, .sport = htons(sport), .dport = htons(dport)};

	if (family == AF_INET) {
		pcc_addr_map_v4(t.src, a.v4.s_addr);
		pcc_addr_map_v4(t.dst, b.v4.s_addr);
	} else {
		memcpy(t.src, &a, sizeof(t.src));
		memcpy(t.dst, &b, sizeof(t.dst));
	}
	return t;
}

static struct pcc_tuple reversed(const struct pcc_tuple *t)
{
	struct pcc_tuple r = {.proto = t->proto, .sport = t->dport, .dport = t->sport};

	memcpy(r.src, t->dst, sizeof(r.src));
	memcpy(r.dst, t->src, sizeof(r.dst));
	return r;
}

/* The entry of a ping, of either family. */
static void ct_create_ping(struct nfct_handle *h, int family, const char *from, const char *to)
{
	struct nf_conntrack *ct = nfct_new();
	union pcc_ip a = ip(from), b = ip(to);
	bool v4 = family == AF_INET;

	assert_non_null(ct);
	nfct_set_attr_u8(ct, ATTR_L3PROTO, (uint8_t)family);
	nfct_set_attr(ct, v4 ? ATTR_IPV4_SRC : ATTR_IPV6_SRC, &a);
	nfct_set_attr(ct, v4 ? ATTR_IPV4_DST : ATTR_IPV6_DST, &b);
	nfct_set_attr_u8(ct, ATTR_L4PROTO, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	nfct_set_attr_u8(ct, ATTR_ICMP_TYPE, v4 ? 8 : 128);
	nfct_set_attr_u8(ct, ATTR_ICMP_CODE, 0);
	nfct_set_attr_u16(ct, ATTR_ICMP_ID, htons(77));
	nfct_setobjopt(ct, NFCT_SOPT_SETUP_REPLY);
	nfct_set_attr_u32(ct, ATTR_TIMEOUT, 600);
	assert_int_equal(nfct_query(h, NFCT_Q_CREATE, ct), 0);
	nfct_destroy(ct);
}

/* One entry is deleted by its tuple, and no other; from outside by its reply; what is not there is
 * fine.
 */
static void ct_delete(void **state)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct pcc_ct_deleter d = {0};

	(void)state;
	need_netns();
	ct_fill();
	for (size_t i = 0; i < 2; i++) {
		struct pcc_tuple t = tuple(families[i], IPPROTO_UDP, 999, 53), r;

		assert_int_equal(pcc_ct_delete(&d, &t, false, &err), 0);
		assert_int_equal(ct_count(0, 0), 80 - 2 * i);
		t.sport = htons(1001);
		assert_int_equal(pcc_ct_delete(&d, &t, false, &err), 0);
		assert_int_equal(ct_count(0, 0), 79 - 2 * i);
		assert_int_equal(ct_count(0x100, UINT32_MAX), 15 - i);
		t.sport = htons(1002);
		r = reversed(&t);
		assert_int_equal(pcc_ct_delete(&d, &r, true, &err), 0);
		assert_int_equal(ct_count(0x200, UINT32_MAX), 15 - i);
		assert_int_equal(pcc_ct_delete(&d, &r, true, &err), 0);
		assert_int_equal(ct_count(0, 0), 78 - 2 * i);
	}
	pcc_ct_deleter_close(&d);
	assert_null(d.nl.sock);
}

/* A ping is found by the id in place of ports, also one that came in. */
static void ct_delete_pings(void **state)
{
	struct pcc_tuple four = tuple(AF_INET, IPPROTO_ICMP, 77, 0);
	struct pcc_tuple six = tuple(AF_INET6, IPPROTO_ICMPV6, 77, 0);
	struct pcc_ct_deleter d = {0};
	struct nfct_handle *h;

	(void)state;
	need_netns();
	h = nfct_open(CONNTRACK, 0);
	assert_non_null(h);
	ct_create_ping(h, AF_INET, "10.0.0.1", "10.0.0.2");
	ct_create_ping(h, AF_INET6, "2001:db8:a::1", "2001:db8:a::2");
	assert_int_equal(pcc_ct_delete(&d, &four, true, &err), 0);
	assert_int_equal(pcc_ct_delete(&d, &six, true, &err), 0);
	assert_int_equal(ct_count(0, 0), 2);
	assert_int_equal(pcc_ct_delete(&d, &four, false, &err), 0);
	assert_int_equal(ct_count(0, 0), 1);
	assert_int_equal(pcc_ct_delete(&d, &six, false, &err), 0);
	assert_int_equal(ct_count(0, 0), 0);
	ct_create_ping(h, AF_INET, "10.0.0.2", "10.0.0.1");
	ct_create_ping(h, AF_INET6, "2001:db8:a::2", "2001:db8:a::1");
	assert_int_equal(pcc_ct_delete(&d, &four, true, &err), 0);
	assert_int_equal(ct_count(0, 0), 1);
	assert_int_equal(pcc_ct_delete(&d, &six, true, &err), 0);
	assert_int_equal(ct_count(0, 0), 0);
	pcc_ct_deleter_close(&d);
	nfct_close(h);
}

struct seen {
	uint32_t n, marked, wrong;
};

static int see(const struct pcc_ct_entry *e, void *arg)
{
	struct seen *seen = arg;
	struct pcc_tuple t, r;

	if (!e) {
		memset(seen, 0, sizeof(*seen));
		return 0;
	}
	t = tuple(pcc_addr_is_v4(e->orig.src) ? AF_INET : AF_INET6, IPPROTO_UDP, 0, 53);
	t.sport = e->orig.sport;
	r = reversed(&t);
	seen->n++;
	seen->marked += e->mark == 0x100;
	seen->wrong += memcmp(&e->orig, &t, sizeof(t)) || memcmp(&e->reply, &r, sizeof(r)) ||
		       ntohs(t.sport) < 1000 || ntohs(t.sport) > 1039;
	return seen->n == 90 ? -ECANCELED : 0;
}

/* Entries are read with both tuples, mark and status; those without the status are left out. */
static void ct_read(void **state)
{
	struct seen seen = {0};

	(void)state;
	need_netns();
	ct_fill();
	assert_int_equal(pcc_ct_dump(IPS_CONFIRMED, see, &seen), 0);
	assert_int_equal(seen.n, 80);
	assert_int_equal(seen.marked, 16);
	assert_int_equal(seen.wrong, 0);
	assert_int_equal(pcc_ct_dump(IPS_OFFLOAD, see, &seen), 0);
	assert_int_equal(seen.n, 80);
	assert_int_equal(pcc_ct_dump(IPS_CONFIRMED, see, &seen), -ECANCELED);
	assert_int_equal(seen.wrong, 0);
}

static void ct_limit(void **state)
{
	uint32_t max = 0;

	(void)state;
	need_netns();
	assert_int_equal(pcc_ct_max(&max, &err), 0);
	assert_true(max > 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_values),
		cmocka_unit_test(formats),
		cmocka_unit_test(sysctl_paths),
		TEST(links),
		TEST(addresses),
		TEST(route_life),
		TEST(unreachable_beside_default),
		TEST(route_refused),
		TEST(multipath),
		TEST(via_inet6),
		TEST(rule_life),
		TEST(foreign_rule),
		TEST(neighbour_probe),
		TEST(netns_cookie),
		TEST(sysctl_values),
		TEST(ct_flush),
		TEST(ct_clear),
		TEST(ct_delete),
		TEST(ct_delete_pings),
		TEST(ct_read),
		TEST(ct_limit),
	};

	return cmocka_run_group_tests_name("kernel doors", tests, NULL, NULL);
}
