// SPDX-License-Identifier: GPL-2.0-only
/* pcc_wan_in, pcc_wan_out and pcc_lan_out: what comes from a WAN and what leaves by one. */
#include "ct.h"
#include "harness.h"

static const char *const lan_host[] = {"192.168.1.10", "fd00:1::10"};
static const char *const outside[] = {"192.0.2.80", "2001:db8:ffff::80"};

/* A packet from the Internet to a LAN host, as pcc_lan_out sees it: after NAT, before it leaves. */
static struct spec inbound(int v6, uint8_t proto, uint16_t sport)
{
	struct spec s = {.proto = proto,
		.src = outside[v6],
		.dst = lan_host[v6],
		.sport = sport,
		.dport = 8080,
		.tcp_flags = proto == IPPROTO_TCP ? TCP_SYN : 0};

	if (v6 && proto == IPPROTO_ICMP)
		s.proto = IPPROTO_ICMPV6;
	return s;
}

static struct frame wan_frame(const struct spec *s, uint32_t id)
{
	return frame_make(s, B.wan_mac[id]);
}

/* ---------------------------------------------------------------- pcc_wan_in */

static void unicast_from_a_wan_gets_its_mark(void **state)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_GRE};
	static const char *const own[2][WANS] = {{"10.0.1.2", "10.0.2.2", "10.0.3.2"},
		{"2001:db8:1::2", "2001:db8:2::2", "2001:db8:3::2"}};

	(void)state;
	for (uint32_t id = 1; id <= WANS; id++) {
		for (size_t i = 0; i < 2 * ARRAY_LEN(protocols); i++) {
			struct spec s = inbound(i & 1, protocols[i / 2], 1);
			struct frame f;

			s.dst = own[i & 1][id - 1];
			f = wan_frame(&s, id);
			wan_in(&f, id, PCC_R_WAN_IN, (int)id);
		}
	}
	assert_int_equal(conns(), 0);
}

/* As in pcc_lan_in, but of each packet: connections are not looked up here. */
static void martian_sources_from_a_wan_are_dropped_only_where_the_kernel_would(void **state)
{
	static const char *const src[] = {"10.0.1.2", "10.0.2.2", "192.168.1.1"};

	(void)state;
	for (int n = 0; n < 2; n++) {
		for (size_t i = 0; i < ARRAY_LEN(src); i++) {
			struct shot shot = {
				.prog = PCC_PROG_WAN_IN, .ifindex = B.wan[1], .mark = MARK_IN};
			struct spec s = inbound(0, IPPROTO_UDP, 1);
			struct frame f;

			iface_put(B.wan[1], PCC_ROLE_WAN, 1, B.wan_mac[1],
				n ? 0 : PCC_IFACE_DROP_LOCAL_SRC);
			f = wan_frame(&s, 1);
			wan_in(&f, 1, PCC_R_WAN_IN, 1);
			s.src = src[i];
			f = wan_frame(&s, 1);
			shoot_at(&shot, &f, __FILE__, __LINE__);
			assert_int_equal(shot.verdict, n ? -1 : 2);
			moved_only(&shot, n ? PCC_R_WAN_IN : PCC_R_MARTIAN, PCC_R_MAX, __FILE__,
				__LINE__);
			mark_is(&shot, n ? 1 : UNTOUCHED, __FILE__, __LINE__);
		}
	}
}

static void link_scope_and_neighbour_discovery_from_a_wan_are_not_touched(void **state)
{
	static const struct {
		const char *src, *dst;
		uint8_t icmp; /* ICMPv6 type, 0: UDP */
	} rows[] = {
		{"10.0.1.1", "224.0.0.5", 0},
		{"10.0.1.1", "255.255.255.255", 0},
		{"10.0.1.1", "169.254.1.1", 0},
		{"2001:db8:1::1", "ff02::1", 0},
		{"2001:db8:1::1", "fe80::2", 0},
		{"fe80::1", "2001:db8:1::2", 0},
		{"2001:db8:1::1", "2001:db8:1::2", 133},
		{"2001:db8:1::1", "2001:db8:1::2", 134},
		{"2001:db8:1::1", "2001:db8:1::2", 135},
		{"2001:db8:1::1", "2001:db8:1::2", 136},
		{"2001:db8:1::1", "2001:db8:1::2", 137},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct spec s = {.proto = rows[i].icmp ? IPPROTO_ICMPV6 : IPPROTO_UDP,
			.src = rows[i].src,
			.dst = rows[i].dst,
			.icmp_type = rows[i].icmp,
			.sport = 1,
			.dport = 2};
		struct frame f = wan_frame(&s, 1);

		wan_in(&f, 1, PCC_R_WAN_IN_SKIPPED, UNTOUCHED);
	}
}

static void other_icmp6_from_a_wan_gets_the_mark(void **state)
{
	static const uint8_t types[] = {1, 2, 3, 4, 128, 129, 132, 138};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct spec s = {.proto = IPPROTO_ICMPV6,
			.src = "2001:db8:ffff::80",
			.dst = "2001:db8:2::2",
			.icmp_type = types[i]};
		struct frame f = wan_frame(&s, 2);

		wan_in(&f, 2, PCC_R_WAN_IN, 2);
	}
}

static void truncated_frames_from_a_wan_are_not_touched(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct spec s = inbound(v6, IPPROTO_UDP, 1);
		struct frame f = wan_frame(&s, 1);
		uint32_t whole = ETH_HLEN + (v6 ? 40 : 20);

		for (f.len = ETH_HLEN; f.len < whole; f.len++) {
			struct shot shot = {
				.prog = PCC_PROG_WAN_IN, .ifindex = B.wan[1], .mark = MARK_IN};

			if (shot_run(&shot, f.b, f.len, __FILE__, __LINE__) == -EINVAL)
				continue; /* the kernel refuses to run it */
			wan_in(&f, 1, PCC_R_MALFORMED, UNTOUCHED);
		}
	}
}

static void an_interface_that_is_no_wan_marks_nothing(void **state)
{
	struct spec s = inbound(0, IPPROTO_UDP, 1);
	struct frame f = lan_frame(&s);

	(void)state;
	expect_at(PCC_PROG_WAN_IN, B.lan, 0, &f, PCC_R_NO_CONFIG, PCC_R_MAX, UNTOUCHED, __FILE__,
		__LINE__);
}

static void foreign_mark_bits_survive_pcc_wan_in(void **state)
{
	struct spec s = inbound(0, IPPROTO_UDP, 1);
	struct frame f = wan_frame(&s, 3);
	uint32_t x = 0x12345678;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		struct shot shot = {.prog = PCC_PROG_WAN_IN, .ifindex = B.wan[3]};

		x ^= x << 13, x ^= x >> 17, x ^= x << 5;
		shot.mark = x;
		assert_int_equal(shot_run(&shot, f.b, f.len, __FILE__, __LINE__), 0);
		mark_is(&shot, 3, __FILE__, __LINE__);
	}
}

/* ---------------------------------------------------------------- pcc_wan_out */

static struct shot wan_out(uint32_t id, uint32_t ingress, uint32_t mark, const struct frame *f)
{
	struct shot s = {.prog = PCC_PROG_WAN_OUT,
		.ifindex = B.wan[id],
		.ingress_ifindex = ingress,
		.mark = mark};

	shoot_at(&s, f, __FILE__, __LINE__);
	assert_int_equal(s.verdict, -1);
	assert_int_equal(s.mark_out, mark);
	return s;
}

static void a_mark_of_another_wan_is_a_leak(void **state)
{
	(void)state;
	for (uint32_t id = 1; id <= WANS; id++) {
		struct spec s = {.proto = IPPROTO_UDP, .dst = "192.0.2.80"};
		struct frame f;
		/* 64 is a WAN that does not exist, 255 is beyond the map. */
		static const uint32_t marks[] = {1, 2, 3, 64, 255};

		for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
			struct shot shot;

			if (marks[i] == id)
				continue;
			/* With another WAN's address, or, where NAT is on, the LAN's. */
			B.meta.flags = i & 1 ? PCC_META_NAT4 : 0;
			meta_put();
			s.src = i & 1 ? "192.168.1.10" : id == 1 ? "10.0.2.2" : "10.0.1.2";
			f = wan_frame(&s, 1);
			shot = wan_out(id, B.lan, 0xab0000cd | marks[i] << 8, &f);
			moved_only(&shot, PCC_R_LEAK, PCC_R_MAX, __FILE__, __LINE__);
		}
	}
	for (uint32_t id = 1; id <= WANS; id++)
		assert_int_equal(wan_stats(id).tx_packets, 0);
}

/*
 * A rule of the user's sends a connection by another WAN than pcc_lan_in chose. That is no leak,
 * with that WAN's address, and the connection is remembered where it goes.
 */
static void a_connection_that_the_kernel_sends_elsewhere_is_remembered_there(void **state)
{
	(void)state;
	for (int n = 0; n < 8; n++) {
		int v6 = n & 1, nat = n & 2, tcp = n & 4;
		struct spec s = {.proto = tcp ? IPPROTO_TCP : IPPROTO_UDP,
			.src = lan_host[v6],
			.dst = outside[v6],
			.sport = 4000 + 100 * n,
			.dport = 443,
			.tcp_flags = tcp ? TCP_SYN : 0};
		const char *own = v6 ? "2001:db8:2::2" : "10.0.2.2";
		struct spec out;
		struct pcc_conn conn;
		struct frame f;
		uint32_t was;

		while (spec_wan(&s) == 2)
			s.sport++;
		was = spec_wan(&s);
		B.meta.flags = nat ? PCC_META_NAT4 | PCC_META_NAT6 : 0;
		meta_put();
		ct_flush();
		f = lan_frame(&s);
		lan_in(&f, PCC_R_NEW, was);
		if (nat)
			ct_put(&s, own, 0);
		out = s;
		if (nat)
			out.src = own;
		f = wan_frame(&out, 2);
		for (int again = 0; again < 2; again++) {
			struct shot shot = wan_out(2, B.lan, was << 8, &f);

			moved_only(&shot, again ? PCC_R_MAX : PCC_R_CORRECTED, PCC_R_MAX, __FILE__,
				__LINE__);
			assert_true(conn_get(&s, &conn));
			assert_int_equal(conn.wan_id, 2);
			assert_int_equal(conn.mark, 0x200);
			assert_int_equal(conn.bucket, PCC_NO_BUCKET);
		}
		assert_int_equal(wan_stats(was).new_connections, 0);
		assert_int_equal(wan_stats(2).new_connections, n + 1);
		assert_int_equal(wan_stats(2).tx_packets, 2 * (n + 1));
		assert_int_equal(bucket_stats(v6, spec_bucket(&s)).new_connections, 0);
		s.tcp_flags = tcp ? TCP_ACK : 0;
		f = lan_frame(&s);
		lan_in(&f, PCC_R_PINNED, 2);
	}
}

/* Taking a WAN out clears its slot in pcc_wans first, then its interface's entry. */
static void what_was_under_way_when_its_wan_was_taken_out_is_no_leak(void **state)
{
	struct spec s = {.proto = IPPROTO_UDP, .src = "10.0.2.2", .dst = "192.0.2.80"};
	struct frame f = wan_frame(&s, 2);
	struct pcc_wan gone = {};
	uint32_t id = 2;
	struct shot shot;

	(void)state;
	assert_int_equal(bpf_map_update_elem(FD(pcc_wans), &id, &gone, BPF_ANY), 0);
	shot = wan_out(2, B.lan, 0x200, &f);
	moved_only(&shot, PCC_R_WAN_OUT_OTHER, PCC_R_MAX, __FILE__, __LINE__);
	shot = wan_out(1, B.lan, 0x200, &f);
	moved_only(&shot, PCC_R_LEAK, PCC_R_MAX, __FILE__, __LINE__);
	assert_int_equal(bpf_map_delete_elem(FD(pcc_ifaces), &B.wan[2]), 0);
	shot = wan_out(2, B.lan, 0x200, &f);
	moved_only(&shot, PCC_R_WAN_OUT_OTHER, PCC_R_MAX, __FILE__, __LINE__);
	shot = wan_out(1, B.lan, 0x200, &f);
	moved_only(&shot, PCC_R_LEAK, PCC_R_MAX, __FILE__, __LINE__);
}

/* The kernel's own MLD reports have a length where the mark is. */
static void what_the_router_tells_its_neighbours_is_no_leak(void **state)
{
	static const uint8_t hop_by_hop[] = {IPPROTO_HOPOPTS};
	struct spec s = {.proto = IPPROTO_ICMPV6,
		.src = "fe80::1",
		.dst = "ff02::16",
		.icmp_type = 143,
		.ext = hop_by_hop,
		.ext_n = 1};
	struct frame f = wan_frame(&s, 2);
	struct shot shot;

	(void)state;
	shot = wan_out(2, 0, 0x138, &f);
	moved_only(&shot, PCC_R_WAN_OUT_OTHER, PCC_R_MAX, __FILE__, __LINE__);
	/* Whoever else sends it. */
	shot = wan_out(2, B.lan, 0x138, &f);
	moved_only(&shot, PCC_R_LEAK, PCC_R_MAX, __FILE__, __LINE__);
	/* What goes further has the router's choice of a WAN. */
	s = (struct spec){.proto = IPPROTO_UDP, .src = "10.0.1.2", .dst = "192.0.2.80"};
	f = wan_frame(&s, 2);
	shot = wan_out(2, 0, 0x138, &f);
	moved_only(&shot, PCC_R_LEAK, PCC_R_MAX, __FILE__, __LINE__);
}

/* Kernels leave the mark of what is inside on the outside of a tunnel, which the router sends where
 * its other end is. */
static void the_outside_of_a_tunnel_is_no_leak(void **state)
{
	static const uint8_t protos[] = {4 /* IPIP */, 41 /* SIT */, 47 /* GRE */};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(protos); i++) {
		struct spec s = {.proto = protos[i], .src = "10.0.2.2", .dst = "192.0.2.80"};
		struct frame f = wan_frame(&s, 2);
		struct shot shot;

		shot = wan_out(2, 0, 0x100, &f);
		moved_only(&shot, PCC_R_WAN_OUT_OTHER, PCC_R_MAX, __FILE__, __LINE__);
		/* A tunnel of somebody on the LAN, with another WAN's address. */
		s.src = "10.0.1.2";
		f = wan_frame(&s, 2);
		shot = wan_out(2, B.lan, 0x100, &f);
		moved_only(&shot, PCC_R_LEAK, PCC_R_MAX, __FILE__, __LINE__);
		s = (struct spec){.proto = protos[i], .src = "2001:db8::1", .dst = "2001:db8::2"};
		f = wan_frame(&s, 2);
		shot = wan_out(2, 0, 0x100, &f);
		moved_only(&shot, PCC_R_WAN_OUT_OTHER, PCC_R_MAX, __FILE__, __LINE__);
	}
}

static void what_a_wan_forwards_is_counted_to_it(void **state)
{
	(void)state;
	for (uint32_t id = 1; id <= WANS; id++) {
		struct spec s = {.proto = IPPROTO_UDP,
			.src = "10.0.1.2",
			.dst = "192.0.2.80",
			.payload = 100 * id};
		struct frame f = wan_frame(&s, id);
		struct shot shot;

		for (int i = 0; i < 3; i++) {
			shot = wan_out(id, B.lan, 0xab0000cd | id << 8, &f);
			/* pcc_lan_in has counted this packet. */
			moved_only(&shot, PCC_R_MAX, PCC_R_MAX, __FILE__, __LINE__);
		}
		assert_int_equal(wan_stats(id).tx_packets, 3);
		assert_int_equal(wan_stats(id).tx_bytes, 3 * f.len);
		/* The router's own answer has the mark, but nobody forwarded it. */
		shot = wan_out(id, 0, 0xab0000cd | id << 8, &f);
		moved_only(&shot, PCC_R_WAN_OUT_OTHER, PCC_R_MAX, __FILE__, __LINE__);
		shot = wan_out(id, B.lan, 0xab0000cd, &f);
		moved_only(&shot, PCC_R_WAN_OUT_OTHER, PCC_R_MAX, __FILE__, __LINE__);
		assert_int_equal(wan_stats(id).tx_packets, 3);
		assert_int_equal(wan_stats(id).rx_packets, 0);
	}
}

/* Between attaching it and switching over, or the other way round, each packet is counted once. */
static void what_pcc_lan_in_counts_is_not_counted_again(void **state)
{
	struct spec s = {.proto = IPPROTO_UDP, .src = "10.0.1.2", .dst = "192.0.2.80"};
	struct frame f = wan_frame(&s, 1);
	struct shot shot;

	(void)state;
	B.meta.flags |= PCC_META_NO_WAN_OUT;
	meta_put();
	shot = wan_out(1, B.lan, 0xab000000 | 1 << 8, &f);
	moved_only(&shot, PCC_R_MAX, PCC_R_MAX, __FILE__, __LINE__);
	assert_int_equal(wan_stats(1).tx_packets, 0);
}

/* ---------------------------------------------------------------- pcc_lan_out */

static void an_inbound_connection_is_pinned_to_the_wan_it_came_in_on(void **state)
{
	static const uint8_t protocols[] = {
		IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMP, IPPROTO_GRE};

	(void)state;
	for (uint32_t i = 0; i < 2 * ARRAY_LEN(protocols) * WANS; i++) {
		uint32_t id = 1 + i % WANS;
		struct spec in = inbound(i & 1, protocols[i / 2 % ARRAY_LEN(protocols)], 2000 + i);
		struct spec key = spec_reply(&in), answer = key;
		struct frame f = lan_frame(&in), g;
		struct pcc_conn conn;
		uint64_t from = coarse_ns();
		struct pcc_wan_stats before = wan_stats(id), after;

		map_clear(FD(pcc_conns), sizeof(struct pcc_tuple));
		lan_out(&f, B.wan[id], PCC_R_INBOUND);
		assert_int_equal(conns(), 1);
		assert_true(conn_get(&key, &conn));
		assert_int_equal(conn.wan_id, id);
		assert_int_equal(conn.bucket, PCC_NO_BUCKET);
		assert_int_equal(conn.mark, id << 8);
		assert_int_equal(conn.origin, PCC_ORIGIN_WAN);
		assert_in_range(conn.created_ns, from, coarse_ns());
		assert_int_equal(conn.rx_packets, 1);
		assert_int_equal(conn.rx_bytes, f.len);
		assert_int_equal(conn.tx_packets, 0);
		lan_out(&f, B.wan[id], PCC_R_WAN_REPLY);
		/* The answer goes back the way it came, whatever the hash says. */
		answer.tcp_flags = TCP_SYN | TCP_ACK;
		g = lan_frame(&answer);
		lan_in(&g, PCC_R_PINNED, (int)id);
		assert_int_equal(conns(), 1);
		assert_true(conn_get(&key, &conn));
		assert_int_equal(conn.rx_packets, 2);
		assert_int_equal(conn.tx_packets, 1);
		assert_int_equal(conn.tx_bytes, g.len);
		after = wan_stats(id);
		assert_int_equal(after.new_connections - before.new_connections, 1);
		assert_int_equal(after.rx_packets - before.rx_packets, 2);
		assert_int_equal(after.rx_bytes - before.rx_bytes, 2 * f.len);
	}
}

static void replies_are_counted_to_connection_bucket_and_wan(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct spec s = spec_reply(&(struct spec){.proto = IPPROTO_UDP,
			.src = outside[v6],
			.dst = lan_host[v6],
			.sport = 53,
			.dport = 5353});
		struct spec r = spec_reply(&s);
		struct frame f = lan_frame(&s), g;
		uint32_t id = spec_wan(&s);
		struct pcc_bucket_stats b;
		struct pcc_conn conn;
		struct pcc_wan_stats before = wan_stats(id), after;

		r.payload = 600;
		g = lan_frame(&r);
		lan_in(&f, PCC_R_NEW, (int)id);
		for (int i = 0; i < 5; i++)
			lan_out(&g, B.wan[id], PCC_R_WAN_REPLY);
		assert_true(conn_get(&s, &conn));
		assert_int_equal(conn.tx_packets, 1);
		assert_int_equal(conn.rx_packets, 5);
		assert_int_equal(conn.rx_bytes, 5 * g.len);
		assert_int_equal(conn.origin, PCC_ORIGIN_LAN);
		b = bucket_stats(v6, spec_bucket(&s));
		assert_int_equal(b.rx_packets, 5);
		assert_int_equal(b.rx_bytes, 5 * g.len);
		assert_int_equal(b.tx_packets, 1);
		assert_int_equal(b.new_connections, 1);
		after = wan_stats(id);
		assert_int_equal(after.rx_packets - before.rx_packets, 5);
		assert_int_equal(after.rx_bytes - before.rx_bytes, 5 * g.len);
		assert_int_equal(conns(), 1u + v6);
	}
}

/* Requests and their first answers, not the repetitions; ICMP errors; nothing of inbound ones. */
static void requests_and_answers_say_how_a_wan_does(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct spec in = inbound(v6, IPPROTO_TCP, 4000), s = spec_reply(&in), r = in;
		struct spec e = {.proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
			.src = outside[v6],
			.dst = lan_host[v6],
			.icmp_type = v6 ? 1 : 3};
		uint32_t id = spec_wan(&s);
		struct pcc_wan_stats before = wan_stats(id), after;
		struct frame syn, synack, ack, error;
		uint64_t from = coarse_ns();

		map_clear(FD(pcc_conns), sizeof(struct pcc_tuple));
		s.tcp_flags = TCP_SYN;
		syn = lan_frame(&s);
		r.tcp_flags = TCP_SYN | TCP_ACK;
		synack = lan_frame(&r);
		r.tcp_flags = TCP_ACK;
		ack = lan_frame(&r);
		e.quoted = &syn;
		error = lan_frame(&e);
		lan_in(&syn, PCC_R_NEW, (int)id);
		lan_in(&syn, PCC_R_NEW, (int)id);
		after = wan_stats(id);
		assert_int_equal(after.syn_sent - before.syn_sent, 1);
		assert_int_equal(after.syn_answered - before.syn_answered, 0);
		lan_out(&error, B.wan[id], PCC_R_WAN_REPLY);
		after = wan_stats(id);
		assert_int_equal(after.rx_errors - before.rx_errors, 1);
		assert_int_equal(after.rx_packets - before.rx_packets, 1);
		assert_int_equal(after.syn_answered - before.syn_answered, 0);
		map_clear(FD(pcc_conns), sizeof(struct pcc_tuple));
		lan_in(&syn, PCC_R_NEW, (int)id);
		lan_out(&synack, B.wan[id], PCC_R_WAN_REPLY);
		lan_out(&synack, B.wan[id], PCC_R_WAN_REPLY);
		lan_out(&ack, B.wan[id], PCC_R_WAN_REPLY);
		after = wan_stats(id);
		assert_int_equal(after.syn_sent - before.syn_sent, 2);
		assert_int_equal(after.syn_answered - before.syn_answered, 1);
		assert_in_range(
			after.rtt_sum_us - before.rtt_sum_us, 0, (coarse_ns() - from) / 1000);
		/* From outside: neither asked for by the LAN nor answered to it. */
		map_clear(FD(pcc_conns), sizeof(struct pcc_tuple));
		syn = lan_frame(&in);
		lan_out(&syn, B.wan[id], PCC_R_INBOUND);
		s.tcp_flags = TCP_SYN | TCP_ACK;
		synack = lan_frame(&s);
		lan_in(&synack, PCC_R_PINNED, (int)id);
		/* An error about a connection that is not remembered. */
		map_clear(FD(pcc_conns), sizeof(struct pcc_tuple));
		lan_out(&error, B.wan[id], PCC_R_WAN_REPLY);
		after = wan_stats(id);
		assert_int_equal(after.syn_sent - before.syn_sent, 2);
		assert_int_equal(after.syn_answered - before.syn_answered, 1);
		assert_int_equal(after.rx_errors - before.rx_errors, 2);
	}
}

static void an_answer_on_another_wan_moves_nothing(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct spec s = spec_reply(&(struct spec){.proto = IPPROTO_UDP,
			.src = outside[v6],
			.dst = lan_host[v6],
			.sport = 53,
			.dport = 5353});
		struct spec r = spec_reply(&s);
		struct frame f = lan_frame(&s), g = lan_frame(&r);
		uint32_t id = spec_wan(&s), other = 1 + id % WANS;
		struct pcc_conn conn;
		struct pcc_wan_stats before = wan_stats(other);

		lan_in(&f, PCC_R_NEW, (int)id);
		/* "packets from a WAN to the LAN of a remembered connection" */
		lan_out(&g, B.wan[other], PCC_R_WAN_REPLY);
		assert_true(conn_get(&s, &conn));
		assert_int_equal(conn.wan_id, id);
		assert_int_equal(conn.rx_packets, 1);
		assert_int_equal(wan_stats(other).rx_packets - before.rx_packets, 1);
		assert_int_equal(wan_stats(other).new_connections, before.new_connections);
		lan_in(&f, PCC_R_PINNED, (int)id);
	}
}

static void a_new_inbound_syn_on_another_wan_moves_the_tuple(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct spec in = inbound(v6, IPPROTO_TCP, 3000), key = spec_reply(&in);
		struct frame f = lan_frame(&in);
		struct pcc_conn conn;

		lan_out(&f, B.wan[1], PCC_R_INBOUND);
		lan_out(&f, B.wan[3], PCC_R_INBOUND);
		assert_true(conn_get(&key, &conn));
		assert_int_equal(conn.wan_id, 3);
		assert_int_equal(conn.mark, 3 << 8);
		assert_int_equal(conn.rx_packets, 1);
		assert_int_equal(conns(), 1u + v6);
	}
}

static void what_does_not_come_from_a_wan_is_not_ours(void **state)
{
	struct spec s = inbound(0, IPPROTO_UDP, 1);
	struct frame f = lan_frame(&s);

	(void)state;
	lan_out(&f, 0, PCC_R_LAN_OUT_OTHER);	  /* the router itself */
	lan_out(&f, B.lan1, PCC_R_LAN_OUT_OTHER); /* another LAN */
	lan_out(&f, 1, PCC_R_LAN_OUT_OTHER);	  /* loopback */
	assert_int_equal(conns(), 0);
}

static void an_evicted_entry_is_put_back_by_a_reply(void **state)
{
	static const char *const wan_addr[2][WANS + 1] = {
		{NULL, "10.0.1.2", "10.0.2.2", "10.0.3.2"},
		{NULL, "2001:db8:1::2", "2001:db8:2::2", "2001:db8:3::2"}};

	(void)state;
	for (int row = 0; row < 4; row++) {
		int v6 = row & 1;
		struct spec in = inbound(v6, row & 2 ? IPPROTO_TCP : IPPROTO_UDP, 3000 + row), s;
		struct pcc_conn conn;
		struct frame f;
		uint32_t id;

		in.tcp_flags = TCP_ACK;
		s = spec_reply(&in);
		id = 1 + spec_wan(&s) % WANS;
		ct_put(&s, wan_addr[v6][id], id << 8);
		f = lan_frame(&in);
		lan_out(&f, B.wan[id], PCC_R_HEALED);
		lan_out(&f, B.wan[id], PCC_R_WAN_REPLY);
		assert_true(conn_get(&s, &conn));
		assert_int_equal(conn.wan_id, id);
		assert_int_equal(conn.origin, PCC_ORIGIN_LAN);
		assert_int_equal(conn.rx_packets, 2);
		assert_int_equal(wan_stats(id).new_connections, 0);
		f = lan_frame(&s);
		lan_in(&f, PCC_R_PINNED, (int)id);
		ct_flush();
	}
}

static void icmp_errors_from_outside_belong_to_the_connection(void **state)
{
	static const uint8_t types[2][4] = {{3, 11, 12, 3}, {1, 2, 3, 4}};

	(void)state;
	for (int i = 0; i < 8; i++) {
		int v6 = i & 1;
		struct spec s = spec_reply(&(struct spec){.proto = IPPROTO_TCP,
			.src = outside[v6],
			.dst = lan_host[v6],
			.sport = 443,
			.dport = 6000 + i});
		struct spec e = inbound(v6, IPPROTO_ICMP, 0);
		struct frame f = lan_frame(&s), g;
		uint32_t id = spec_wan(&s), n = conns();
		struct pcc_conn conn;

		e.src = v6 ? "2001:db8:7::7" : "203.0.113.7"; /* a router on the way */
		e.icmp_type = types[v6][i / 2];
		e.quoted = &f;
		g = lan_frame(&e);
		/* Nobody knows the connection: nothing is opened. */
		lan_out(&g, B.wan[id], PCC_R_WAN_REPLY);
		assert_int_equal(conns(), n);
		lan_in(&f, PCC_R_NEW, (int)id);
		lan_out(&g, B.wan[id], PCC_R_WAN_REPLY);
		assert_true(conn_get(&s, &conn));
		assert_int_equal(conn.rx_packets, 1);
		assert_int_equal(conn.wan_id, id);
		assert_int_equal(conns(), n + 1);
	}
}

static void fragments_from_outside_follow_their_first(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct spec first = inbound(v6, IPPROTO_UDP, 3000), later, key = spec_reply(&first);
		struct frame f, g;
		struct pcc_conn conn;

		first.frag = IP4_MF;
		first.frag_id = 5;
		later = first;
		later.frag = 100;
		f = lan_frame(&first);
		g = lan_frame(&later);
		lan_out(&g, B.wan[2], PCC_R_FRAG_UNKNOWN);
		lan_out(&f, B.wan[2], PCC_R_INBOUND);
		lan_out(&g, B.wan[2], PCC_R_WAN_REPLY);
		assert_true(conn_get(&key, &conn));
		assert_int_equal(conn.rx_packets, 2);
	}
}

static void link_scope_and_malformed_packets_to_the_lan_open_nothing(void **state)
{
	struct spec mcast = inbound(0, IPPROTO_UDP, 1), bad = inbound(0, IPPROTO_TCP, 1);
	struct frame f;

	(void)state;
	mcast.dst = "239.1.1.1";
	f = lan_frame(&mcast);
	lan_out(&f, B.wan[1], PCC_R_BYPASS_MULTICAST);
	f = lan_frame(&bad);
	f.len = f.l4 + 13;
	lan_out(&f, B.wan[1], PCC_R_MALFORMED);
	f = lan_frame(&bad);
	f.b[ETH_HLEN] = 0x43;
	lan_out(&f, B.wan[1], PCC_R_MALFORMED);
	assert_int_equal(conns(), 0);
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
		T(unicast_from_a_wan_gets_its_mark),
		T(martian_sources_from_a_wan_are_dropped_only_where_the_kernel_would),
		T(link_scope_and_neighbour_discovery_from_a_wan_are_not_touched),
		T(other_icmp6_from_a_wan_gets_the_mark),
		T(truncated_frames_from_a_wan_are_not_touched),
		T(an_interface_that_is_no_wan_marks_nothing),
		T(foreign_mark_bits_survive_pcc_wan_in),
		T(a_mark_of_another_wan_is_a_leak),
		T(a_connection_that_the_kernel_sends_elsewhere_is_remembered_there),
		T(what_was_under_way_when_its_wan_was_taken_out_is_no_leak),
		T(what_the_router_tells_its_neighbours_is_no_leak),
		T(the_outside_of_a_tunnel_is_no_leak),
		T(what_pcc_lan_in_counts_is_not_counted_again),
		T(what_a_wan_forwards_is_counted_to_it),
		T(an_inbound_connection_is_pinned_to_the_wan_it_came_in_on),
		T(replies_are_counted_to_connection_bucket_and_wan),
		T(requests_and_answers_say_how_a_wan_does),
		T(an_answer_on_another_wan_moves_nothing),
		T(a_new_inbound_syn_on_another_wan_moves_the_tuple),
		T(what_does_not_come_from_a_wan_is_not_ours),
		T(an_evicted_entry_is_put_back_by_a_reply),
		T(icmp_errors_from_outside_belong_to_the_connection),
		T(fragments_from_outside_follow_their_first),
		T(link_scope_and_malformed_packets_to_the_lan_open_nothing),
	};

	return cmocka_run_group_tests(tests, bench_up, bench_down);
}
