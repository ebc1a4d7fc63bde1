// SPDX-License-Identifier: GPL-2.0-only
/* What pcc_lan_in decides: routes, WAN states, remembered connections, marks. */
#include "ct.h"
#include "harness.h"

static struct spec udp(int v6, uint16_t sport)
{
	return (struct spec){.proto = IPPROTO_UDP,
		.src = v6 ? host6 : host4,
		.dst = v6 ? inet6 : inet4,
		.sport = sport,
		.dport = 53};
}

static struct spec tcp(int v6, uint16_t sport, uint8_t flags)
{
	struct spec s = udp(v6, sport);

	s.proto = IPPROTO_TCP;
	s.tcp_flags = flags;
	return s;
}

/* The first source port from `from` on whose bucket belongs to the WAN. */
static uint16_t port_of(struct spec s, uint16_t from, int wan)
{
	for (s.sport = from; spec_wan(&s) != wan; s.sport++)
		;
	return s.sport;
}

/* ---------------------------------------------------------------- routes */

static const char *const v4_routes[] = {
	"route add 192.0.2.0/24 via 192.168.2.9 dev lan1 proto 99\n",
	"route add 192.0.2.80 dev lan1 proto 99\n",
	"route add unreachable 192.0.2.0/24 proto 99\n",
	"route add prohibit 192.0.2.0/24 proto 99\n",
	"route add blackhole 192.0.2.0/24 proto 99\n",
};

static const char *const v6_routes[] = {
	"route add 2001:db8:ffff::/48 via fd00:2::9 dev lan1 proto 99\n",
	"route add 2001:db8:ffff::80 dev lan1 proto 99\n",
	"route add unreachable 2001:db8:ffff::/48 proto 99\n",
	"route add prohibit 2001:db8:ffff::/48 proto 99\n",
	"route add blackhole 2001:db8:ffff::/48 proto 99\n",
};

static void check_bypass(const struct spec *s, uint32_t reason)
{
	struct frame f = lan_frame(s);
	struct pcc_conn conn;

	lan_in(&f, reason, 0);
	assert_true(conn_get(s, &conn));
	assert_int_equal(conn.wan_id, 0);
	assert_int_equal(conn.bucket, PCC_NO_BUCKET);
	assert_int_equal(conn.mark, 0);
	assert_int_equal(conn.tx_packets, 1);
	lan_in(&f, PCC_R_BYPASS_CACHED, 0);
	assert_true(conn_get(s, &conn));
	assert_int_equal(conn.tx_packets, 2);
}

static void shot_is_next_best(const struct frame *f, uint32_t lost)
{
	struct shot shot = {.prog = PCC_PROG_LAN_IN, .ifindex = B.lan, .mark = MARK_IN};

	shoot_at(&shot, f, __FILE__, __LINE__);
	moved_only(&shot, PCC_R_NEXT_BEST, PCC_R_MAX, __FILE__, __LINE__);
	assert_int_not_equal(shot.mark_out & MASK, lost << 8);
}

static void routes_that_lead_elsewhere_are_respected(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v4_routes); i++) {
		struct spec a = udp(0, 1000 + i), b = udp(1, 1000 + i);

		ip4(v4_routes[i]);
		ip6(v6_routes[i]);
		check_bypass(&a, PCC_R_BYPASS_ROUTE);
		check_bypass(&b, PCC_R_BYPASS_ROUTE);
		bench_usual(NULL);
	}
	assert_int_equal(bucket_stats(PCC_V4, 0).tx_packets, 0);
}

static void another_lan_is_bypassed(void **state)
{
	struct spec a = udp(0, 1), b = udp(1, 1);

	(void)state;
	a.dst = "192.168.2.44";
	b.dst = "fd00:2::44";
	check_bypass(&a, PCC_R_BYPASS_ROUTE);
	check_bypass(&b, PCC_R_BYPASS_ROUTE);
}

static void the_router_itself_is_bypassed(void **state)
{
	static const char *const own[] = {"192.168.1.1", "192.168.1.255", "192.168.2.1", "10.0.2.2",
		"fd00:1::1", "2001:db8:3::2"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		struct spec s = udp(strchr(own[i], ':') != NULL, 7);

		s.dst = own[i];
		check_bypass(&s, PCC_R_BYPASS_LOCAL);
	}
}

/*
 * A connected net of a WAN and a static route through one win over every mark: the packet goes
 * there whatever is marked, so it gets no mark. Only what a default route carries is spread.
 */
static void only_what_a_default_route_carries_is_balanced(void **state)
{
	struct spec a = udp(0, 1), b = udp(1, 1);

	(void)state;
	a.dst = "10.0.3.77";
	b.dst = "2001:db8:3::77";
	check_bypass(&a, PCC_R_BYPASS_ROUTE);
	check_bypass(&b, PCC_R_BYPASS_ROUTE);
	ip4("route add 192.0.2.0/24 via 10.0.3.1 dev wan3 proto 99\n");
	ip6("route add 2001:db8:ffff::/48 via 2001:db8:3::1 dev wan3 proto 99\n");
	a = udp(0, 2);
	b = udp(1, 2);
	check_bypass(&a, PCC_R_BYPASS_ROUTE);
	check_bypass(&b, PCC_R_BYPASS_ROUTE);
	/* A default through any WAN, or several, is a default. */
	routes_usual();
	ip4("route replace default proto static nexthop via 10.0.2.1 dev wan2 "
	    "nexthop via 10.0.3.1 dev wan3\n");
	ip6("route replace default via 2001:db8:3::1 dev wan3\n");
	for (uint16_t port = 10; port <= 30; port++) {
		struct spec s = udp(port & 1, port);
		struct frame f = lan_frame(&s);

		lan_in(&f, PCC_R_NEW, spec_wan(&s));
	}
}

static void no_route_in_the_main_table_is_balanced(void **state)
{
	(void)state;
	ip4("route del default via 10.0.1.1 dev wan1\n");
	ip6("route del default via 2001:db8:1::1 dev wan1\n");
	for (uint16_t port = 1; port <= 20; port++) {
		struct spec s = udp(port & 1, port);
		struct frame f = lan_frame(&s);

		lan_in(&f, PCC_R_NEW, spec_wan(&s));
	}
}

static void a_users_rule_is_respected(void **state)
{
	struct spec a = udp(0, 4444), b = udp(0, 4445);
	struct frame f;

	(void)state;
	if (!sees_rules()) {
		print_message(
			"skip: before 6.10 the way out corrects this (tests/e2e/test_userrules.sh)\n");
		skip();
	}
	ip4("rule add from 192.168.1.10 ipproto udp sport 4444 prohibit pref 500 protocol 99\n");
	check_bypass(&a, PCC_R_BYPASS_ROUTE);
	f = lan_frame(&b);
	lan_in(&f, PCC_R_NEW, spec_wan(&b));
	/* DSCP may choose a route, too. */
	ip4("rule add tos 0x10 prohibit pref 501 protocol 99\n");
	b.tos = 0x10;
	b.sport++;
	check_bypass(&b, PCC_R_BYPASS_ROUTE);
}

/*
 * What the routing tables said of a pair of hosts is remembered for the next connection, and
 * forgotten with whatever changes there, once the two have been asked for.
 */
static void an_answer_of_the_tables_is_forgotten_with_any_change(void **state)
{
	static const struct {
		const char *change4, *change6;
		uint32_t reason;
		uint8_t tos;
	} cases[] = {
		{"route add 192.0.2.80 dev lan1 proto 99\n",
			"route add 2001:db8:ffff::80 dev lan1 proto 99\n", PCC_R_BYPASS_ROUTE, 0},
		{"route add 192.0.2.0/24 via 10.0.3.1 dev wan3 proto 99\n",
			"route add 2001:db8:ffff::/48 via 2001:db8:3::1 dev wan3 proto 99\n",
			PCC_R_BYPASS_ROUTE, 0},
		{"route add prohibit 192.0.2.0/24 proto 99\n",
			"route add prohibit 2001:db8:ffff::/48 proto 99\n", PCC_R_BYPASS_ROUTE, 0},
		{"rule add from 192.168.1.10 prohibit pref 500 protocol 99\n",
			"rule add from fd00:1::10 lookup 99 pref 500 protocol 99\n",
			PCC_R_BYPASS_ROUTE, 0},
		{"rule add iif lan0 prohibit pref 500 protocol 99\n",
			"rule add iif lan0 lookup 99 pref 500 protocol 99\n", PCC_R_BYPASS_ROUTE,
			0},
		{"rule add ipproto udp prohibit pref 500 protocol 99\n",
			"rule add ipproto udp lookup 99 pref 500 protocol 99\n", PCC_R_BYPASS_ROUTE,
			0},
		{"rule add fwmark 0x200/0xff00 prohibit pref 500 protocol 99\n", NULL,
			PCC_R_BYPASS_ROUTE, 0},
		{"rule add tos 0x10 prohibit pref 500 protocol 99\n", NULL, PCC_R_BYPASS_ROUTE,
			0x10},
		{"route del default table 102 metric 172\n", "route del default table 102\n",
			PCC_R_NEXT_BEST, 0},
	};

	(void)state;
	/* Of IPv6 rules that forbid the data plane sees nothing, of those that lead elsewhere it
	 * does. */
	ip6("route replace default via 2001:db8:3::1 dev wan3 table 99\n");
	for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
		int v6 = i & 1, tos = cases[i / 2].tos;
		struct spec s = udp(v6, 1000 + 100 * i);
		struct frame f;

		if (v6 && !cases[i / 2].change6)
			continue;
		if (!v6 && !sees_rules() && !strncmp(cases[i / 2].change4, "rule", 4))
			continue;
		for (int n = 0; n < 3; n++) {
			s.sport = port_of(s, s.sport + 1, 2);
			f = lan_frame(&s);
			lan_in(&f, PCC_R_NEW, 2);
		}
		if (v6)
			ip6(cases[i / 2].change6);
		else
			ip4(cases[i / 2].change4);
		for (int n = 0; n < 2; n++) {
			s.sport = port_of(s, s.sport + 1, 2);
			s.tos = n ? tos : 0;
			f = lan_frame(&s);
			if (!n && tos)
				lan_in(&f, PCC_R_NEW, 2);
			else if (cases[i / 2].reason == PCC_R_BYPASS_ROUTE)
				check_bypass(&s, PCC_R_BYPASS_ROUTE);
			else
				shot_is_next_best(&f, 2);
		}
		bench_usual(NULL);
	}
	/* Rules for a port leave the other ports of the pair alone. */
	for (int v6 = sees_rules() ? 0 : 1; v6 < 2; v6++) {
		struct spec a = udp(v6, 4000), b = udp(v6, 5000);
		struct frame f;

		b.sport = port_of(b, 5000, spec_wan(&a));
		ip_batch(v6 ? "-6" : "-4",
			v6 ? "rule add ipproto udp sport 4000 lookup 99 pref 500 protocol 99\n"
			   : "rule add ipproto udp sport 4000 prohibit pref 500 protocol 99\n");
		f = lan_frame(&b);
		lan_in(&f, PCC_R_NEW, spec_wan(&b));
		check_bypass(&a, PCC_R_BYPASS_ROUTE);
	}
}

static void a_bypass_is_decided_again_after_two_seconds(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct spec s = udp(v6, 9);
		struct frame f = lan_frame(&s);
		struct pcc_conn conn;

		ip4(v4_routes[0]);
		ip6(v6_routes[0]);
		check_bypass(&s, PCC_R_BYPASS_ROUTE);
		/* Still the same route: decided again, same answer, remembered again. */
		conn_checked_ago(&s, 2 * SEC_NS);
		lan_in(&f, PCC_R_BYPASS_ROUTE, 0);
		lan_in(&f, PCC_R_BYPASS_CACHED, 0);
		routes_usual();
		conn_checked_ago(&s, SEC_NS);
		lan_in(&f, PCC_R_BYPASS_CACHED, 0);
		conn_checked_ago(&s, 2 * SEC_NS);
		lan_in_extra(&f, PCC_R_NEW, PCC_R_REPINNED, spec_wan(&s));
		lan_in(&f, PCC_R_PINNED, spec_wan(&s));
		assert_true(conn_get(&s, &conn));
		assert_int_equal(conn.tx_packets, 2);
		assert_int_equal(conn.bucket, spec_bucket(&s));
		assert_int_equal(conn.mark, spec_wan(&s) << 8);
	}
}

static void a_pinned_connection_follows_a_new_static_route_within_two_seconds(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct spec s = udp(v6, 9);
		struct frame f = lan_frame(&s);

		lan_in(&f, PCC_R_NEW, spec_wan(&s));
		ip4(v4_routes[0]);
		ip6(v6_routes[0]);
		conn_checked_ago(&s, SEC_NS);
		lan_in(&f, PCC_R_PINNED, spec_wan(&s));
		conn_checked_ago(&s, 2 * SEC_NS);
		lan_in(&f, PCC_R_BYPASS_ROUTE, 0);
		lan_in(&f, PCC_R_BYPASS_CACHED, 0);
		assert_int_equal(conns(), 1u + v6);
		routes_usual();
	}
}

static void a_pinned_connection_is_checked_once_in_two_seconds(void **state)
{
	struct spec s = udp(0, 9);
	struct frame f = lan_frame(&s);
	struct pcc_conn conn;
	uint64_t from;

	(void)state;
	lan_in(&f, PCC_R_NEW, spec_wan(&s));
	conn_age(&s, 3 * SEC_NS, 3 * SEC_NS);
	from = coarse_ns();
	lan_in(&f, PCC_R_PINNED, spec_wan(&s));
	assert_true(conn_get(&s, &conn));
	assert_in_range(conn.checked_ns, from, coarse_ns());
	assert_in_range(conn.seen_ns, from, coarse_ns());
	assert_int_equal(conn.tx_packets, 2);
}

/* ---------------------------------------------------------------- WANs without a route */

static void without_a_route_the_next_best_wan_takes_over(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		uint32_t got[WANS + 1] = {}, moved = 0;
		int first[400];

		if (v6)
			ip6("route del default table 102\n");
		else
			ip4("route del default table 102\n");
		for (uint16_t i = 0; i < 400; i++) {
			struct spec s = udp(v6, 2000 + i);
			struct frame f = lan_frame(&s);
			struct shot shot = {
				.prog = PCC_PROG_LAN_IN, .ifindex = B.lan, .mark = MARK_IN};
			struct pcc_conn conn;

			if (spec_wan(&s) != 2) {
				lan_in(&f, PCC_R_NEW, spec_wan(&s));
				continue;
			}
			shoot_at(&shot, &f, __FILE__, __LINE__);
			moved_only(&shot, PCC_R_NEXT_BEST, PCC_R_MAX, __FILE__, __LINE__);
			assert_true(conn_get(&s, &conn));
			assert_int_equal(shot.mark_out, (MARK_IN & ~MASK) | conn.wan_id << 8);
			assert_int_equal(conn.bucket, spec_bucket(&s));
			assert_true(conn.wan_id == 1 || conn.wan_id == 3);
			lan_in(&f, PCC_R_PINNED, (int)conn.wan_id);
			got[conn.wan_id]++;
			first[moved++] = (int)conn.wan_id;
		}
		/* Both of the others take a fair part of what WAN 2 had. */
		assert_true(got[1] > moved / 4 && got[3] > moved / 4);
		/* The same tuple gets the same WAN, each time. */
		map_clear(FD(pcc_conns), sizeof(struct pcc_tuple));
		moved = 0;
		for (uint16_t i = 0; i < 400; i++) {
			struct spec s = udp(v6, 2000 + i);
			struct frame f = lan_frame(&s);

			if (spec_wan(&s) == 2)
				lan_in(&f, PCC_R_NEXT_BEST, first[moved++]);
		}
		map_clear(FD(pcc_conns), sizeof(struct pcc_tuple));
	}
}

/* A user's rule that comes before ours sends the host out of WAN 1 whatever is marked. */
static void a_users_rule_for_another_wan_overrides_the_mark(void **state)
{
	struct spec s = udp(0, 0);
	struct frame f;

	(void)state;
	if (!sees_rules()) {
		print_message(
			"skip: before 6.10 the way out corrects this (tests/e2e/test_userrules.sh)\n");
		skip();
	}
	ip4("rule add from 192.168.1.10 lookup 101 pref 500 protocol 99\n");
	s.sport = port_of(s, 100, 2);
	check_bypass(&s, PCC_R_BYPASS_ROUTE);
	s.sport = port_of(s, 200, 1);
	f = lan_frame(&s);
	lan_in(&f, PCC_R_NEW, 1);
}

static void without_any_route_the_buckets_own_wan_is_marked_and_nothing_remembered(void **state)
{
	(void)state;
	ip4("route del default table 101\nroute del default table 102\nroute del default table 103\n");
	ip6("route del default table 101\nroute del default table 102\nroute del default table 103\n");
	for (uint16_t port = 1; port <= 12; port++) {
		struct spec s = udp(port & 1, port);
		struct frame f = lan_frame(&s);

		lan_in(&f, PCC_R_NO_WAN, spec_wan(&s));
		lan_in(&f, PCC_R_NO_WAN, spec_wan(&s));
		assert_int_equal(bucket_stats(port & 1, spec_bucket(&s)).new_connections, 0);
	}
	assert_int_equal(conns(), 0);
	/* The link is back: the same packet finds its way at once. */
	routes_usual();
	for (uint16_t port = 1; port <= 12; port++) {
		struct spec s = udp(port & 1, port);
		struct frame f = lan_frame(&s);

		lan_in(&f, PCC_R_NEW, spec_wan(&s));
	}
}

static void a_family_without_wans_is_left_alone(void **state)
{
	(void)state;
	for (uint32_t family = 0; family < PCC_FAMILIES; family++) {
		struct spec s = udp(family, 5), other = udp(!family, 5);
		struct frame f = lan_frame(&s), g = lan_frame(&other);

		B.meta.half[0].nbuckets[family] = 0;
		meta_put();
		lan_in(&f, PCC_R_BYPASS_FAMILY, 0);
		lan_in(&f, PCC_R_BYPASS_FAMILY, 0);
		assert_int_equal(conns(), 0);
		lan_in(&g, PCC_R_NEW, spec_wan(&other));
		bench_usual(NULL);
	}
}

static void a_wan_takes_only_families_in_which_it_has_a_gateway(void **state)
{
	struct spec a = udp(0, 1), b = udp(1, 1);
	struct frame f;

	(void)state;
	wan_put(2, PCC_WAN_UP, PCC_WAN_V4);
	a.sport = port_of(a, 1, 2);
	b.sport = port_of(b, 1, 2);
	f = lan_frame(&a);
	lan_in(&f, PCC_R_NEW, 2);
	f = lan_frame(&b);
	shot_is_next_best(&f, 2);
}

/* One to 64 WANs: the search finds the only one with a route wherever its buckets are. */
static void the_last_usable_wan_is_always_found(void **state)
{
	static const uint32_t only_two[] = {2};

	(void)state;
	buckets_put(0, PCC_V4, only_two, 1);
	ip4("route del default table 102\nroute del default table 101\n");
	for (uint16_t port = 1; port <= 50; port++) {
		struct spec s = udp(0, port);
		struct frame f = lan_frame(&s);

		lan_in(&f, PCC_R_NEXT_BEST, 3); /* owns no bucket at all */
	}
}

/* ---------------------------------------------------------------- WAN states */

static void a_draining_wan_keeps_its_connections_and_takes_no_new_ones(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct spec s = udp(v6, 1), fresh;
		struct frame f, g;
		struct shot shot = {.prog = PCC_PROG_LAN_IN, .ifindex = B.lan, .mark = MARK_IN};

		s.sport = port_of(s, 1, 2);
		f = lan_frame(&s);
		lan_in(&f, PCC_R_NEW, 2);
		wan_put(2, PCC_WAN_DRAIN, PCC_WAN_V4 | PCC_WAN_V6);
		lan_in(&f, PCC_R_PINNED, 2);
		conn_age(&s, 5 * SEC_NS, 0);
		lan_in(&f, PCC_R_PINNED, 2);
		fresh = s;
		fresh.sport = port_of(s, s.sport + 1, 2);
		g = lan_frame(&fresh);
		shoot_at(&shot, &g, __FILE__, __LINE__);
		moved_only(&shot, PCC_R_NEXT_BEST, PCC_R_MAX, __FILE__, __LINE__);
		assert_int_not_equal(shot.mark_out & MASK, 2 << 8);
		wan_put(2, PCC_WAN_UP, PCC_WAN_V4 | PCC_WAN_V6);
	}
}

static void a_wan_that_goes_down_or_away_releases_its_connections(void **state)
{
	static const uint32_t states[] = {PCC_WAN_DOWN, PCC_WAN_UNUSED};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(states); i++) {
		struct spec s = udp(i & 1, 50 + i);
		struct shot shot = {.prog = PCC_PROG_LAN_IN, .ifindex = B.lan, .mark = MARK_IN};
		struct pcc_conn conn;
		struct frame f;

		s.sport = port_of(s, 50 + 20 * i, 2);
		f = lan_frame(&s);
		lan_in(&f, PCC_R_NEW, 2);
		lan_in(&f, PCC_R_PINNED, 2);
		wan_put(2, states[i / 2], PCC_WAN_V4 | PCC_WAN_V6);
		shoot_at(&shot, &f, __FILE__, __LINE__);
		assert_int_equal(shot.verdict, -1);
		moved_only(&shot, PCC_R_NEXT_BEST, PCC_R_REPINNED, __FILE__, __LINE__);
		assert_true(conn_get(&s, &conn));
		assert_int_not_equal(conn.wan_id, 2);
		assert_int_not_equal(conn.wan_id, 0);
		assert_int_equal(conn.mark, conn.wan_id << 8);
		assert_int_equal(conn.tx_packets, 1);
		lan_in(&f, PCC_R_PINNED, (int)conn.wan_id);
		/* It does not come back by itself when the WAN does. */
		wan_put(2, PCC_WAN_UP, PCC_WAN_V4 | PCC_WAN_V6);
		lan_in(&f, PCC_R_PINNED, (int)conn.wan_id);
	}
}

/* ---------------------------------------------------------------- connections */

static void a_syn_sent_again_is_the_same_connection(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct spec s = tcp(v6, 80, TCP_SYN);
		struct frame f = lan_frame(&s);
		struct pcc_conn first, conn;

		lan_in(&f, PCC_R_NEW, spec_wan(&s));
		assert_true(conn_get(&s, &first));
		for (int i = 0; i < 3; i++) {
			struct shot shot = {
				.prog = PCC_PROG_LAN_IN, .ifindex = B.lan, .mark = MARK_IN};

			shoot_at(&shot, &f, __FILE__, __LINE__);
			assert_int_equal(shot.moved[PCC_R_NEW] + shot.moved[PCC_R_PINNED], 1);
			assert_int_equal(shot.moved[PCC_R_REPINNED], 0);
			mark_is(&shot, spec_wan(&s), __FILE__, __LINE__);
		}
		assert_true(conn_get(&s, &conn));
		assert_int_equal(conn.created_ns, first.created_ns);
		assert_int_equal(conn.tx_packets, 4);
		assert_int_equal(conn.tx_bytes, 4 * f.len);
		assert_int_equal(bucket_stats(v6, spec_bucket(&s)).new_connections, 1);
		assert_int_equal(bucket_stats(v6, spec_bucket(&s)).tx_packets, 4);
	}
}

static void a_syn_on_a_used_tuple_is_a_new_connection(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct spec s = tcp(v6, 81, TCP_SYN);
		struct frame f = lan_frame(&s);
		struct pcc_conn conn;

		lan_in(&f, PCC_R_NEW, spec_wan(&s));
		/* It was answered, on a WAN that the table gave then. Conntrack has forgotten it.
		 */
		assert_true(conn_get(&s, &conn));
		conn.rx_packets = 3;
		conn.wan_id = 1 + conn.wan_id % WANS;
		conn.created_ns -= SEC_NS;
		conn_put(&s, &conn);
		lan_in_extra(&f, PCC_R_NEW, PCC_R_REPINNED, spec_wan(&s));
		assert_true(conn_get(&s, &conn));
		assert_int_equal(conn.wan_id, spec_wan(&s));
		assert_int_equal(conn.tx_packets, 1);
		assert_int_equal(conn.rx_packets, 0);
		assert_in_range(conn.created_ns, coarse_ns() - SEC_NS / 2, coarse_ns());
		assert_int_equal(bucket_stats(v6, spec_bucket(&s)).new_connections, 2);
		assert_int_equal(conns(), 1u + v6);
	}
}

/* seen_ns is "last packet, either way", whatever the packet was taken for. */
static void every_packet_is_seen(void **state)
{
	struct spec rows[] = {
		udp(0, 1), tcp(0, 2, TCP_SYN), tcp(1, 3, TCP_SYN), udp(1, 4), udp(0, 5)};

	(void)state;
	rows[4].proto = IPPROTO_GRE;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct spec *s = &rows[i];
		struct frame f = lan_frame(s);
		struct shot shot = {.prog = PCC_PROG_LAN_IN, .ifindex = B.lan, .mark = MARK_IN};
		struct pcc_conn conn;
		uint64_t from;

		lan_in(&f, PCC_R_NEW, spec_wan(s));
		conn_age(s, 40 * SEC_NS, 40 * SEC_NS);
		from = coarse_ns();
		shoot_at(&shot, &f, __FILE__, __LINE__);
		assert_true(conn_get(s, &conn));
		if (conn.seen_ns < from)
			fail_msg("row %zu: seen %llu ns before the packet", i,
				(unsigned long long)(from - conn.seen_ns));
	}
}

/*
 * A one-way connection (a tunnel whose peer is silent, a log stream) that paused for longer than
 * conntrack remembers: the first packet decides again, those after it take the short way.
 */
static void a_one_way_connection_settles_after_a_pause(void **state)
{
	static const uint8_t protocols[] = {IPPROTO_GRE, IPPROTO_ESP, IPPROTO_ICMP, IPPROTO_SCTP};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
		struct spec s = udp(0, 1);
		struct shot shot = {.prog = PCC_PROG_LAN_IN, .ifindex = B.lan, .mark = MARK_IN};
		struct frame f;

		s.proto = protocols[i];
		f = lan_frame(&s);
		lan_in(&f, PCC_R_NEW, spec_wan(&s));
		conn_age(&s, 40 * SEC_NS, 40 * SEC_NS);
		shoot_at(&shot, &f, __FILE__, __LINE__);
		mark_is(&shot, spec_wan(&s), __FILE__, __LINE__);
		lan_in(&f, PCC_R_PINNED, spec_wan(&s));
		lan_in(&f, PCC_R_PINNED, spec_wan(&s));
	}
}

static void an_idle_connection_that_conntrack_forgot_is_new(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct spec s = udp(v6, 11);
		struct frame f = lan_frame(&s);
		struct pcc_conn conn;

		lan_in(&f, PCC_R_NEW, spec_wan(&s));
		assert_true(conn_get(&s, &conn));
		conn.rx_packets = 1;
		conn.wan_id = 1 + conn.wan_id % WANS;
		conn.mark = conn.wan_id << 8;
		conn_put(&s, &conn);
		conn_age(&s, 29 * SEC_NS, 29 * SEC_NS);
		lan_in(&f, PCC_R_PINNED, (int)conn.wan_id);
		conn_age(&s, 31 * SEC_NS, 31 * SEC_NS);
		lan_in_extra(&f, PCC_R_NEW, PCC_R_REPINNED, spec_wan(&s));
		lan_in(&f, PCC_R_PINNED, spec_wan(&s));
	}
}

static void mark_bits_of_others_survive_thousands_of_random_marks(void **state)
{
	struct spec s = udp(0, 1), local = udp(0, 2), mcast = udp(0, 3);
	struct frame frames[3];
	uint32_t x = 0x9e3779b9;

	(void)state;
	local.dst = "192.168.1.1";
	mcast.dst = "224.0.0.251";
	frames[0] = lan_frame(&s);
	frames[1] = lan_frame(&local);
	frames[2] = lan_frame(&mcast);
	for (int i = 0; i < 9000; i++) {
		struct shot shot = {.prog = PCC_PROG_LAN_IN, .ifindex = B.lan};
		int want[3] = {spec_wan(&s), 0, UNTOUCHED};

		x ^= x << 13, x ^= x >> 17, x ^= x << 5;
		shot.mark = x;
		/* shot_run() checks the bits outside the mask. */
		assert_int_equal(
			shot_run(&shot, frames[i % 3].b, frames[i % 3].len, __FILE__, __LINE__), 0);
		mark_is(&shot, want[i % 3], __FILE__, __LINE__);
	}
}

static void another_mark_mask_is_obeyed(void **state)
{
	static const struct {
		uint32_t mask, shift;
	} rows[] = {{0xff, 0}, {0x7f000000, 24}, {0x00ff0000, 16}, {0x3f0, 4}, {0x7f0, 4}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct spec s = udp(0, 100 + i);
		struct frame f = lan_frame(&s);

		B.meta.mark_mask = rows[i].mask;
		B.meta.mark_shift = rows[i].shift;
		meta_put();
		for (int again = 0; again < 2; again++) {
			struct shot shot = {
				.prog = PCC_PROG_LAN_IN, .ifindex = B.lan, .mark = 0xdeadbeef};

			shoot_at(&shot, &f, __FILE__, __LINE__);
			assert_int_equal(
				shot.mark_out, (0xdeadbeef & ~rows[i].mask) |
						       ((uint32_t)spec_wan(&s) << rows[i].shift));
		}
	}
}

/* ---------------------------------------------------------------- conntrack */

static const char *const wan_addr[2][WANS + 1] = {{NULL, "10.0.1.2", "10.0.2.2", "10.0.3.2"},
	{NULL, "2001:db8:1::2", "2001:db8:2::2", "2001:db8:3::2"}};

static struct spec ct_row(int row)
{
	return row & 2 ? tcp(row & 1, 900 + row, TCP_ACK) : udp(row & 1, 900 + row);
}

static void a_forgotten_connection_returns_to_the_wan_in_its_conntrack_mark(void **state)
{
	(void)state;
	for (int row = 0; row < 4; row++) {
		struct spec s = ct_row(row);
		int other = 1 + spec_wan(&s) % WANS;
		struct frame f = lan_frame(&s);
		struct pcc_conn conn;

		ct_put(&s, wan_addr[row & 1][other], 0xab0000cd | (uint32_t)other << 8);
		lan_in(&f, PCC_R_FROM_CTMARK, other);
		lan_in(&f, PCC_R_PINNED, other);
		assert_true(conn_get(&s, &conn));
		assert_int_equal(conn.wan_id, other);
		assert_int_equal(conn.origin, PCC_ORIGIN_LAN);
		assert_int_equal(conn.tx_packets, 2);
		/* Not a new connection to anybody. */
		assert_int_equal(wan_stats(other).new_connections, 0);
		/* A WAN that is down is not returned to. */
		map_clear(FD(pcc_conns), sizeof(struct pcc_tuple));
		wan_put(other, PCC_WAN_DOWN, PCC_WAN_V4 | PCC_WAN_V6);
		lan_in(&f, PCC_R_NEW, spec_wan(&s));
		ct_flush();
		bench_usual(NULL);
	}
}

static void a_connection_older_than_pccbpf_stays_where_nat_put_it(void **state)
{
	(void)state;
	for (int row = 0; row < 4; row++) {
		struct spec s = ct_row(row);
		int other = 1 + spec_wan(&s) % WANS;
		struct frame f = lan_frame(&s);
		struct pcc_conn conn;

		ct_put(&s, wan_addr[row & 1][other], 0);
		lan_in(&f, PCC_R_ADOPTED, other);
		assert_true(conn_get(&s, &conn));
		assert_int_equal(conn.wan_id, other);
		/* pccbpf.h: no bucket for adopted connections, the hash had no say. */
		assert_int_equal(conn.bucket, PCC_NO_BUCKET);
		assert_int_equal(wan_stats(other).new_connections, 0);
		ct_flush();
		bench_usual(NULL);
	}
}

static void a_connection_without_nat_and_mark_is_classified(void **state)
{
	(void)state;
	for (int row = 0; row < 4; row++) {
		struct spec s = ct_row(row);
		struct frame f = lan_frame(&s);

		ct_put(&s, NULL, 0);
		lan_in(&f, PCC_R_NEW, spec_wan(&s));
		ct_flush();
	}
}

static void the_conntrack_mark_is_written_and_its_other_bits_kept(void **state)
{
	(void)state;
	for (int row = 0; row < 4; row++) {
		struct spec s = ct_row(row);
		struct frame f = lan_frame(&s);
		struct pcc_conn conn;

		lan_in(&f, PCC_R_NEW, spec_wan(&s));
		ct_put(&s, NULL, 0xab0000cd);
		lan_in(&f, PCC_R_PINNED, spec_wan(&s));
		if (s.proto == IPPROTO_TCP) { /* which may be no more than a handshake */
			assert_int_equal(ct_mark(row & 1), 0xab0000cd);
			lan_in(&f, PCC_R_PINNED, spec_wan(&s));
		}
		assert_int_equal(ct_mark(row & 1), 0xab0000cd | (uint32_t)spec_wan(&s) << 8);
		assert_true(conn_get(&s, &conn));
		assert_int_equal(conn.flags, PCC_CONN_CT_DONE);
		ct_flush();
	}
}

static void a_syn_on_an_established_connection_stays_pinned(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct spec s = tcp(v6, 81, TCP_SYN);
		struct frame f = lan_frame(&s);
		struct pcc_conn conn;

		lan_in(&f, PCC_R_NEW, spec_wan(&s));
		assert_true(conn_get(&s, &conn));
		conn.rx_packets = 3;
		conn.wan_id = 1 + conn.wan_id % WANS;
		conn_put(&s, &conn);
		ct_put(&s, NULL, conn.wan_id << 8);
		lan_in(&f, PCC_R_PINNED, (int)conn.wan_id);
		ct_flush();
	}
}

/* The answer got lost between router and client: the same attempt, to be counted once. */
static void a_syn_sent_again_after_a_lost_answer_stays_pinned(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct spec s = tcp(v6, 82, TCP_SYN);
		struct frame f = lan_frame(&s);
		struct pcc_conn conn;

		lan_in(&f, PCC_R_NEW, spec_wan(&s));
		assert_true(conn_get(&s, &conn));
		conn.rx_packets = 1;
		conn_put(&s, &conn);
		ct_put_as(&s, NULL, conn.wan_id << 8, CT_SEQ_PLAIN, TCP_CONNTRACK_SYN_RECV);
		lan_in(&f, PCC_R_PINNED, (int)conn.wan_id);
		assert_true(conn_get(&s, &conn));
		assert_int_equal(conn.tx_packets, 2);
		assert_int_equal(conn.rx_packets, 1);
		assert_int_equal(bucket_stats(v6, spec_bucket(&s)).new_connections, 1);
		ct_flush();
	}
}

static void an_idle_connection_that_conntrack_keeps_stays(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct spec s = udp(v6, 11);
		struct frame f = lan_frame(&s);
		struct pcc_conn conn;

		lan_in(&f, PCC_R_NEW, spec_wan(&s));
		assert_true(conn_get(&s, &conn));
		conn.rx_packets = 1;
		conn.wan_id = 1 + conn.wan_id % WANS;
		conn_put(&s, &conn);
		ct_put(&s, NULL, conn.wan_id << 8);
		conn_age(&s, 3600 * SEC_NS, 3600 * SEC_NS);
		lan_in(&f, PCC_R_PINNED, (int)conn.wan_id);
		ct_flush();
	}
}

/* ---------------------------------------------------------------- martians */

/* As user space does when it has changed addresses or interfaces. */
static void epoch_next(void)
{
	B.meta.epoch++;
	meta_put();
}

/*
 * Where attach set accept_local on an interface, the check that the kernel skips is made here: a
 * source address of the router's own does not come from outside (RFC 1812, 5.3.7).
 */
static void martian_sources_are_dropped_only_where_the_kernel_would(void **state)
{
	static const char *const dst[] = {"192.0.2.80", "192.168.1.1", "224.0.0.1", "192.168.2.44"};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(dst); i++) {
		struct shot shot = {.prog = PCC_PROG_LAN_IN, .ifindex = B.lan, .mark = MARK_IN};
		struct spec s = i & 1 ? tcp(0, 1, TCP_SYN) : udp(0, 1);
		struct frame f;

		s.src = "192.168.1.1";
		s.dst = dst[i / 2];
		f = lan_frame(&s);
		iface_put(B.lan, PCC_ROLE_LAN, 0, B.lan_mac, PCC_IFACE_DROP_LOCAL_SRC);
		epoch_next();
		shoot_at(&shot, &f, __FILE__, __LINE__);
		assert_int_equal(shot.verdict, 2);
		moved_only(&shot, PCC_R_MARTIAN, PCC_R_MAX, __FILE__, __LINE__);
		mark_is(&shot, UNTOUCHED, __FILE__, __LINE__);
		assert_int_equal(conns(), 0);
		s.src = host4;
		f = lan_frame(&s);
		shoot_at(&shot, &f, __FILE__, __LINE__);
		assert_int_equal(shot.verdict, -1);
		map_clear(FD(pcc_conns), sizeof(struct pcc_tuple));
		/* Without the flag it is the kernel's business. */
		iface_put(B.lan, PCC_ROLE_LAN, 0, B.lan_mac, 0);
		epoch_next();
		s.src = "192.168.1.1";
		f = lan_frame(&s);
		shoot_at(&shot, &f, __FILE__, __LINE__);
		assert_int_equal(shot.verdict, -1);
		assert_int_equal(shot.moved[PCC_R_MARTIAN], 0);
		map_clear(FD(pcc_conns), sizeof(struct pcc_tuple));
	}
}

/* An address that opened connections becomes the router's own. */
static void an_address_that_becomes_local_is_a_martian_from_then_on(void **state)
{
	(void)state;
	iface_put(B.lan, PCC_ROLE_LAN, 0, B.lan_mac, PCC_IFACE_DROP_LOCAL_SRC);
	epoch_next();
	for (int i = 0; i < 4; i++) {
		struct shot shot = {.prog = PCC_PROG_LAN_IN, .ifindex = B.lan, .mark = MARK_IN};
		struct spec s = i & 1 ? tcp(0, 1, TCP_SYN) : udp(0, 1);
		struct pcc_addr addr;
		struct frame f;

		s.src = i & 2 ? "192.168.1.66" : "192.168.1.67";
		f = lan_frame(&s);
		for (int again = 0; again < 3; again++) {
			map_clear(FD(pcc_conns), sizeof(struct pcc_tuple));
			lan_in(&f, PCC_R_NEW, spec_wan(&s));
		}
		map_clear(FD(pcc_conns), sizeof(struct pcc_tuple));
		local_put(s.src, 0);
		epoch_next();
		shoot_at(&shot, &f, __FILE__, __LINE__);
		assert_int_equal(shot.verdict, 2);
		moved_only(&shot, PCC_R_MARTIAN, PCC_R_MAX, __FILE__, __LINE__);
		text_addr(s.src, addr.a);
		assert_int_equal(bpf_map_delete_elem(FD(pcc_local), &addr), 0);
		epoch_next();
	}
}

/*
 * Where pccbpf does NAT: TCP that conntrack makes no connection of would leave with the LAN's
 * private address. SYN and plain ACK open one.
 */
static void tcp_that_nat_cannot_translate_is_dropped(void **state)
{
	static const struct {
		uint8_t flags;
		int verdict;
	} rows[] = {{0x01, 2}, {0x04, 2}, {0x11, 2}, {0x14, 2}, {0x12, 2}, {0x02, -1}, {0x10, -1},
		{0x18, -1}};

	(void)state;
	for (size_t i = 0; i < 4 * ARRAY_LEN(rows); i++) {
		int v6 = i & 1, nat = !!(i & 2), drop;
		struct spec s = tcp(v6, 100 + i, rows[i / 4].flags);
		struct frame f = lan_frame(&s);
		struct shot shot = {.prog = PCC_PROG_LAN_IN, .ifindex = B.lan, .mark = MARK_IN};

		B.meta.flags = nat ? (v6 ? PCC_META_NAT6 : PCC_META_NAT4)
				   : (v6 ? PCC_META_NAT4 : PCC_META_NAT6);
		meta_put();
		drop = nat && rows[i / 4].verdict == 2;
		shoot_at(&shot, &f, __FILE__, __LINE__);
		assert_int_equal(shot.verdict, drop ? 2 : -1);
		moved_only(
			&shot, drop ? PCC_R_UNTRACKED : PCC_R_NEW, PCC_R_MAX, __FILE__, __LINE__);
		mark_is(&shot, drop ? UNTOUCHED : spec_wan(&s), __FILE__, __LINE__);
		assert_int_equal(conn_get(&s, &(struct pcc_conn){}), !drop);
	}
}

/* The same of a connection that is remembered, but that conntrack has forgotten: its WAN went down.
 */
static void the_end_of_a_forgotten_connection_is_dropped(void **state)
{
	static const uint8_t ends[] = {0x04, 0x14, 0x01, 0x11, 0x19};

	(void)state;
	B.meta.flags = PCC_META_NAT4 | PCC_META_NAT6;
	meta_put();
	for (size_t i = 0; i < 2 * ARRAY_LEN(ends); i++) {
		int v6 = i & 1;
		struct spec opens = tcp(v6, 300 + i, 0x02), ends_it = tcp(v6, 300 + i, ends[i / 2]);
		struct frame syn = lan_frame(&opens), end = lan_frame(&ends_it);
		struct shot shot = {.prog = PCC_PROG_LAN_IN, .ifindex = B.lan, .mark = MARK_IN};

		shoot_at(&shot, &syn, __FILE__, __LINE__);
		assert_int_equal(shot.verdict, -1);
		shoot_at(&shot, &end, __FILE__, __LINE__);
		assert_int_equal(shot.verdict, 2);
		moved_only(&shot, PCC_R_UNTRACKED, PCC_R_MAX, __FILE__, __LINE__);
		/* conntrack knows it: it passes. */
		ct_put(&opens, NULL, 0);
		shoot_at(&shot, &end, __FILE__, __LINE__);
		assert_int_equal(shot.verdict, -1);
		ct_flush();
	}
}

static int usual_without_conntrack(void **state)
{
	ct_flush();
	return bench_usual(state);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, usual_without_conntrack)
	const struct CMUnitTest tests[] = {
		T(routes_that_lead_elsewhere_are_respected),
		T(another_lan_is_bypassed),
		T(the_router_itself_is_bypassed),
		T(only_what_a_default_route_carries_is_balanced),
		T(no_route_in_the_main_table_is_balanced),
		T(a_users_rule_is_respected),
		T(an_answer_of_the_tables_is_forgotten_with_any_change),
		T(a_bypass_is_decided_again_after_two_seconds),
		T(a_pinned_connection_follows_a_new_static_route_within_two_seconds),
		T(a_pinned_connection_is_checked_once_in_two_seconds),
		T(without_a_route_the_next_best_wan_takes_over),
		T(a_users_rule_for_another_wan_overrides_the_mark),
		T(without_any_route_the_buckets_own_wan_is_marked_and_nothing_remembered),
		T(a_family_without_wans_is_left_alone),
		T(a_wan_takes_only_families_in_which_it_has_a_gateway),
		T(the_last_usable_wan_is_always_found),
		T(a_draining_wan_keeps_its_connections_and_takes_no_new_ones),
		T(a_wan_that_goes_down_or_away_releases_its_connections),
		T(a_syn_sent_again_is_the_same_connection),
		T(a_syn_on_a_used_tuple_is_a_new_connection),
		T(every_packet_is_seen),
		T(a_one_way_connection_settles_after_a_pause),
		T(an_idle_connection_that_conntrack_forgot_is_new),
		T(mark_bits_of_others_survive_thousands_of_random_marks),
		T(another_mark_mask_is_obeyed),
		T(a_forgotten_connection_returns_to_the_wan_in_its_conntrack_mark),
		T(a_connection_older_than_pccbpf_stays_where_nat_put_it),
		T(a_connection_without_nat_and_mark_is_classified),
		T(the_conntrack_mark_is_written_and_its_other_bits_kept),
		T(a_syn_on_an_established_connection_stays_pinned),
		T(a_syn_sent_again_after_a_lost_answer_stays_pinned),
		T(an_idle_connection_that_conntrack_keeps_stays),
		T(martian_sources_are_dropped_only_where_the_kernel_would),
		T(an_address_that_becomes_local_is_a_martian_from_then_on),
		T(tcp_that_nat_cannot_translate_is_dropped),
		T(the_end_of_a_forgotten_connection_is_dropped),
	};

	return cmocka_run_group_tests(tests, bench_up, bench_down);
}
