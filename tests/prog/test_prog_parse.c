// SPDX-License-Identifier: GPL-2.0-only
/* What pcc_lan_in understands of a packet, and that it leaves alone what it does not. */
#include "harness.h"

#include "model/model.h"
#include "text/parse.h"

struct jhash_vector {
	const char *classifier;
	int family;
	uint8_t proto;
	const char *src, *dst;
	uint16_t sport, dport; /* host order */
	uint32_t seed, hash;
};

#include "unit/include/jhash_vectors.h"

static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE, IPPROTO_SCTP,
	IPPROTO_DCCP, IPPROTO_ICMP, IPPROTO_GRE, IPPROTO_ESP};

static struct spec usual(int v6, uint8_t proto, uint16_t sport)
{
	if (v6 && proto == IPPROTO_ICMP)
		proto = IPPROTO_ICMPV6;
	return (struct spec){.proto = proto,
		.src = v6 ? host6 : host4,
		.dst = v6 ? inet6 : inet4,
		.sport = sport,
		.dport = 443};
}

static void check_fresh(const struct spec *s, const struct frame *f, uint64_t from, uint64_t to)
{
	struct pcc_conn conn;
	uint8_t proto = spec_proto(s);

	assert_true(conn_get(s, &conn));
	assert_int_equal(conn.wan_id, spec_wan(s));
	assert_int_equal(conn.bucket, spec_bucket(s));
	assert_int_equal(conn.mark, spec_wan(s) << 8);
	assert_int_equal(conn.origin, PCC_ORIGIN_LAN);
	/* Conntrack's kfuncs know TCP and UDP; for the rest there is no mark to write. */
	assert_int_equal(
		conn.flags, proto == IPPROTO_TCP || proto == IPPROTO_UDP ? 0 : PCC_CONN_CT_DONE);
	assert_int_equal(conn.pad[0] | conn.pad[1], 0);
	assert_in_range(conn.created_ns, from, to);
	assert_int_equal(conn.seen_ns, conn.created_ns);
	assert_int_equal(conn.checked_ns, conn.created_ns);
	assert_int_equal(conn.tx_packets, 1);
	assert_int_equal(conn.tx_bytes, f->len);
	assert_int_equal(conn.rx_packets, 0);
	assert_int_equal(conn.rx_bytes, 0);
}

static void each_protocol_opens_one_connection_and_stays_on_its_wan(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(protocols); i++) {
		uint32_t family = i / ARRAY_LEN(protocols);
		struct spec s = usual(family, protocols[i % ARRAY_LEN(protocols)], 40000);
		struct frame f = lan_frame(&s);
		struct pcc_bucket_stats b = bucket_stats(family, spec_bucket(&s)), b2;
		uint64_t before = coarse_ns();
		struct pcc_conn conn;

		lan_in(&f, PCC_R_NEW, spec_wan(&s));
		assert_int_equal(conns(), i + 1);
		check_fresh(&s, &f, before, coarse_ns());
		lan_in(&f, PCC_R_PINNED, spec_wan(&s));
		lan_in(&f, PCC_R_PINNED, spec_wan(&s));
		assert_int_equal(conns(), i + 1);
		assert_true(conn_get(&s, &conn));
		assert_int_equal(conn.tx_packets, 3);
		assert_int_equal(conn.tx_bytes, 3 * f.len);
		b2 = bucket_stats(family, spec_bucket(&s));
		assert_int_equal(b2.new_connections - b.new_connections, 1);
		assert_int_equal(b2.tx_packets - b.tx_packets, 3);
		assert_int_equal(b2.tx_bytes - b.tx_bytes, 3 * f.len);
		assert_int_equal(b2.rx_packets - b.rx_packets, 0);
	}
	assert_int_equal(wan_stats(1).new_connections + wan_stats(2).new_connections +
				 wan_stats(3).new_connections,
		2 * ARRAY_LEN(protocols));
}

static void the_icmp_echo_identifier_tells_pings_apart(void **state)
{
	(void)state;
	for (uint16_t id = 1; id <= 5; id++) {
		for (int v6 = 0; v6 < 2; v6++) {
			struct spec s = usual(v6, IPPROTO_ICMP, id);
			struct frame f = lan_frame(&s);

			lan_in(&f, PCC_R_NEW, spec_wan(&s));
			lan_in(&f, PCC_R_PINNED, spec_wan(&s));
			/* The answer to a ping from outside belongs to that ping. */
			s.icmp_type = v6 ? 129 : 0;
			f = lan_frame(&s);
			if (!v6)
				f.b[f.l4] = 0;
			lan_in(&f, PCC_R_PINNED, spec_wan(&s));
		}
		assert_int_equal(conns(), 2u * id);
	}
}

static void ipv4_options_are_skipped(void **state)
{
	(void)state;
	for (uint8_t ihl = 6; ihl <= 15; ihl++) {
		for (size_t p = 0; p < ARRAY_LEN(protocols); p++) {
			struct spec s = usual(0, protocols[p], 1000 + ihl);
			struct frame f;

			s.ihl = ihl;
			f = lan_frame(&s);
			lan_in(&f,
				proto_ports(s.proto) || s.proto == IPPROTO_ICMP || ihl == 6
					? PCC_R_NEW
					: PCC_R_PINNED,
				spec_wan(&s));
			assert_true(conn_get(&s, &(struct pcc_conn){}));
		}
	}
}

static void a_header_length_below_five_words_is_malformed(void **state)
{
	struct spec s = usual(0, IPPROTO_UDP, 1);

	(void)state;
	for (uint8_t ihl = 0; ihl < 5; ihl++) {
		struct frame f = lan_frame(&s);

		f.b[ETH_HLEN] = 0x40 | ihl;
		lan_in(&f, PCC_R_MALFORMED, UNTOUCHED);
	}
	assert_int_equal(conns(), 0);
}

static void another_version_than_the_ethertype_says_is_malformed(void **state)
{
	(void)state;
	for (uint8_t version = 0; version < 16; version++) {
		for (int v6 = 0; v6 < 2; v6++) {
			struct spec s = usual(v6, IPPROTO_UDP, 1);
			struct frame f = lan_frame(&s);

			if (version == (v6 ? 6 : 4))
				continue;
			f.b[ETH_HLEN] = version << 4 | (f.b[ETH_HLEN] & 0xf);
			lan_in(&f, PCC_R_MALFORMED, UNTOUCHED);
		}
	}
	assert_int_equal(conns(), 0);
}

/* Bytes of the transport header that the parser must have seen. */
static uint32_t transport_needs(uint8_t proto)
{
	if (proto == IPPROTO_TCP)
		return 14;
	return proto_ports(proto) ? 4 : proto_is_icmp(proto) ? 1 : 0;
}

/* From the shortest frame that BPF_PROG_TEST_RUN takes; test_prog_wire has the shorter ones. */
static void truncated_frames_are_left_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(protocols); i++) {
		int v6 = i / ARRAY_LEN(protocols);
		struct spec s = usual(v6, protocols[i % ARRAY_LEN(protocols)], 77);
		struct frame whole = lan_frame(&s), f = whole;
		uint32_t need = whole.l4 + transport_needs(s.proto);

		for (f.len = ETH_HLEN; f.len <= 60; f.len++) {
			struct shot shot = {
				.prog = PCC_PROG_LAN_IN, .ifindex = B.lan, .mark = MARK_IN};
			uint32_t before = conns();

			if (f.len < whole.l4 &&
				shot_run(&shot, f.b, f.len, __FILE__, __LINE__) == -EINVAL)
				continue;
			if (f.len < need) {
				lan_in(&f, PCC_R_MALFORMED, UNTOUCHED);
				assert_int_equal(conns(), before);
			} else {
				shoot_at(&shot, &f, __FILE__, __LINE__);
				assert_int_equal(shot.verdict, -1);
			}
		}
		map_clear(FD(pcc_conns), sizeof(struct pcc_tuple));
	}
	assert_int_equal(map_count(FD(pcc_frags)), 0);
}

static void a_total_length_shorter_than_the_header_is_malformed(void **state)
{
	static const uint16_t lies[] = {0, 1, 19, 23};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
		struct spec s = usual(0, IPPROTO_UDP, 5);
		struct frame f;

		s.ihl = 6;
		f = lan_frame(&s);
		put16(f.b + ETH_HLEN + 2, lies[i]);
		lan_in(&f, PCC_R_MALFORMED, UNTOUCHED);
	}
	assert_int_equal(conns(), 0);
}

/* A short packet is padded to 60 bytes on Ethernet: the padding is no transport header. */
static void ports_are_not_read_from_padding(void **state)
{
	(void)state;
	for (size_t p = 0; p < ARRAY_LEN(protocols); p++) {
		struct spec s = usual(0, protocols[p], 5);
		uint32_t needs = transport_needs(s.proto);

		for (uint16_t have = 0; have < needs; have++) {
			struct frame f = lan_frame(&s);

			put16(f.b + ETH_HLEN + 2, 20 + have);
			lan_in(&f, PCC_R_MALFORMED, UNTOUCHED);
		}
	}
	assert_int_equal(conns(), 0);
}

static const uint8_t extensions[] = {IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, IPPROTO_ROUTING, IPPROTO_AH,
	IPPROTO_DSTOPTS, IPPROTO_ROUTING, IPPROTO_HOPOPTS, IPPROTO_AH};

static void ipv6_extension_headers_are_walked(void **state)
{
	(void)state;
	/* Each kind on its own, then chains of one to six. */
	for (uint32_t from = 0; from < 4; from++) {
		struct spec s = usual(1, IPPROTO_UDP, 100 + from);
		struct frame f;

		s.ext = extensions + from;
		s.ext_n = 1;
		f = lan_frame(&s);
		lan_in(&f, PCC_R_NEW, spec_wan(&s));
		assert_true(conn_get(&s, &(struct pcc_conn){}));
	}
	for (uint32_t n = 1; n <= 6; n++) {
		struct spec s = usual(1, n & 1 ? IPPROTO_TCP : IPPROTO_UDP, 200 + n);
		struct frame f;

		s.ext = extensions;
		s.ext_n = n;
		f = lan_frame(&s);
		lan_in(&f, PCC_R_NEW, spec_wan(&s));
		assert_true(conn_get(&s, &(struct pcc_conn){}));
	}
}

static void too_many_extension_headers_are_left_alone(void **state)
{
	(void)state;
	for (uint32_t n = 7; n <= 8; n++) {
		struct spec s = usual(1, IPPROTO_UDP, 300);
		struct frame f;

		s.ext = extensions;
		s.ext_n = n;
		f = lan_frame(&s);
		lan_in(&f, PCC_R_MALFORMED, UNTOUCHED);
	}
	assert_int_equal(conns(), 0);
}

static void an_extension_header_that_is_cut_off_is_malformed(void **state)
{
	(void)state;
	for (uint32_t n = 1; n <= 4; n++) {
		struct spec s = usual(1, IPPROTO_UDP, 300);
		struct frame f;

		s.ext = extensions;
		s.ext_n = n;
		f = lan_frame(&s);
		for (f.len = ETH_HLEN + 40; f.len < f.l4 + 4; f.len++)
			lan_in(&f, PCC_R_MALFORMED, UNTOUCHED);
		/* A length field that leads out of the packet. */
		f = lan_frame(&s);
		f.b[ETH_HLEN + 40 + 1] = 255;
		lan_in(&f, PCC_R_MALFORMED, UNTOUCHED);
	}
	assert_int_equal(conns(), 0);
}

static void atomic_fragments_are_whole_packets(void **state)
{
	struct spec s = usual(1, IPPROTO_TCP, 4321), same = s;
	struct frame f;

	(void)state;
	s.frag_header = 1;
	s.frag_id = 9;
	f = lan_frame(&s);
	lan_in(&f, PCC_R_NEW, spec_wan(&s));
	f = lan_frame(&same);
	lan_in(&f, PCC_R_PINNED, spec_wan(&s));
	assert_int_equal(map_count(FD(pcc_frags)), 0);
}

static void later_fragments_follow_the_first(void **state)
{
	static const uint8_t dst_opts[] = {IPPROTO_DSTOPTS};

	(void)state;
	for (uint32_t row = 0; row < 2 * ARRAY_LEN(protocols) + 1; row++) {
		uint8_t proto = protocols[row % ARRAY_LEN(protocols)];
		int v6 = row >= ARRAY_LEN(protocols);
		struct spec first = usual(v6, proto, 500 + row), later;
		struct frame f, g;
		struct pcc_conn conn;

		first.frag = IP4_MF;
		first.frag_id = v6 ? 0x12340000 + row : 100 + row;
		if (row == 2 * ARRAY_LEN(protocols)) {
			first.ext = dst_opts;
			first.ext_n = 1;
		}
		later = first;
		later.frag = 185 | IP4_MF;
		f = lan_frame(&first);
		g = lan_frame(&later);
		/* Before the first one nobody knows the ports: the kernel puts them together. */
		lan_in(&g, PCC_R_FRAG_UNKNOWN, UNTOUCHED);
		lan_in(&f, PCC_R_NEW, spec_wan(&first));
		lan_in(&g, PCC_R_PINNED, spec_wan(&first));
		later.frag = 370; /* the last one */
		g = lan_frame(&later);
		lan_in(&g, PCC_R_PINNED, spec_wan(&first));
		assert_true(conn_get(&first, &conn));
		assert_int_equal(conn.tx_packets, 3);
		/* Another datagram's fragment is not confused with it. */
		later.frag_id++;
		g = lan_frame(&later);
		lan_in(&g, PCC_R_FRAG_UNKNOWN, UNTOUCHED);
		map_clear(FD(pcc_conns), sizeof(struct pcc_tuple));
		map_clear(FD(pcc_frags), sizeof(struct pcc_frag_key));
	}
}

static void a_first_fragment_is_forgotten_after_30_seconds(void **state)
{
	struct spec first = usual(0, IPPROTO_UDP, 600), later;
	struct pcc_frag_key key;
	struct pcc_frag frag;
	struct frame f, g;

	(void)state;
	first.frag = IP4_MF;
	first.frag_id = 77;
	later = first;
	later.frag = 100;
	f = lan_frame(&first);
	g = lan_frame(&later);
	lan_in(&f, PCC_R_NEW, spec_wan(&first));
	assert_int_equal(bpf_map_get_next_key(FD(pcc_frags), NULL, &key), 0);
	assert_int_equal(bpf_map_lookup_elem(FD(pcc_frags), &key, &frag), 0);
	assert_int_equal(frag.sport, htons(600));
	assert_int_equal(frag.dport, htons(443));
	assert_int_equal(key.id, htonl(77));
	assert_int_equal(key.proto, IPPROTO_UDP);
	frag.seen_ns -= 31 * SEC_NS;
	assert_int_equal(bpf_map_update_elem(FD(pcc_frags), &key, &frag, BPF_EXIST), 0);
	lan_in(&g, PCC_R_FRAG_UNKNOWN, UNTOUCHED);
	/* The identification came round again with other ports. */
	first.sport = 601;
	f = lan_frame(&first);
	lan_in(&f, PCC_R_NEW, spec_wan(&first));
	lan_in(&g, PCC_R_PINNED, spec_wan(&first));
}

static void a_first_fragment_too_short_for_its_ports_is_malformed(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct spec s = usual(v6, IPPROTO_TCP, 700);
		struct frame f;

		s.frag = IP4_MF;
		f = lan_frame(&s);
		for (f.len = f.l4; f.len < f.l4 + 14; f.len++)
			lan_in(&f, PCC_R_MALFORMED, UNTOUCHED);
	}
	assert_int_equal(conns(), 0);
	assert_int_equal(map_count(FD(pcc_frags)), 0);
}

/* ---------------------------------------------------------------- ICMP errors */

struct error_row {
	int v6;
	uint8_t type;
};

static const struct error_row errors[] = {{0, 3}, {0, 11}, {0, 12}, {1, 1}, {1, 2}, {1, 3}, {1, 4}};

/* A connection pinned to another WAN than the error's own addresses would give. */
static struct spec pinned_elsewhere(int v6, uint8_t proto, int other_than)
{
	struct spec s = usual(v6, proto, 0);
	struct frame f;

	for (s.sport = 1000; spec_wan(&s) == other_than; s.sport++)
		;
	f = lan_frame(&s);
	lan_in(&f, PCC_R_NEW, spec_wan(&s));
	return s;
}

static void icmp_errors_follow_the_connection_that_they_quote(void **state)
{
	static const uint8_t quotable[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(errors) * ARRAY_LEN(quotable); i++) {
		const struct error_row *row = &errors[i / ARRAY_LEN(quotable)];
		struct spec e = usual(row->v6, IPPROTO_ICMP, 0), s, r, unknown;
		struct frame f, quoted;

		e.icmp_type = row->type;
		s = pinned_elsewhere(row->v6, quotable[i % ARRAY_LEN(quotable)], spec_wan(&e));
		r = spec_reply(&s);
		quoted = lan_frame(&r);
		e.quoted = &quoted;
		f = lan_frame(&e);
		lan_in(&f, PCC_R_PINNED, spec_wan(&s));
		/* Eight bytes of the transport header are all that RFC 792 asks for. */
		e.quoted_len = (row->v6 ? 40 : 20) + 8;
		f = lan_frame(&e);
		lan_in(&f, PCC_R_PINNED, spec_wan(&s));
		assert_int_equal(conns(), 1);

		/* About a connection that nobody knows: by the hash of that one, and none is
		 * opened. */
		unknown = r;
		unknown.dport = 9;
		quoted = lan_frame(&unknown);
		unknown = spec_reply(&unknown);
		f = lan_frame(&e);
		lan_in(&f, PCC_R_NEW, spec_wan(&unknown));
		assert_int_equal(conns(), 1);
		map_clear(FD(pcc_conns), sizeof(struct pcc_tuple));
	}
}

static void icmp_errors_with_a_truncated_quotation_go_by_their_addresses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		struct spec e = usual(errors[i].v6, IPPROTO_ICMP, 0), s, r;
		uint32_t l3 = errors[i].v6 ? 40 : 20;
		struct frame f, quoted;

		e.icmp_type = errors[i].type;
		s = pinned_elsewhere(errors[i].v6, IPPROTO_UDP, spec_wan(&e));
		r = spec_reply(&s);
		quoted = lan_frame(&r);
		e.quoted = &quoted;
		for (e.quoted_len = 1; e.quoted_len < l3 + 4; e.quoted_len++) {
			struct shot shot = {
				.prog = PCC_PROG_LAN_IN, .ifindex = B.lan, .mark = MARK_IN};

			f = lan_frame(&e);
			shoot_at(&shot, &f, __FILE__, __LINE__);
			assert_int_equal(shot.verdict, -1);
			mark_is(&shot, spec_wan(&e), __FILE__, __LINE__);
		}
		map_clear(FD(pcc_conns), sizeof(struct pcc_tuple));
	}
}

/* An unreadable quotation must not become a connection either. */
static void icmp_errors_open_no_connection(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		struct spec e = usual(errors[i].v6, IPPROTO_ICMP, 0), s, r;
		struct frame f, quoted;

		s = usual(errors[i].v6, IPPROTO_UDP, 1);
		r = spec_reply(&s);
		quoted = lan_frame(&r);
		e.icmp_type = errors[i].type;
		e.quoted = &quoted;
		f = lan_frame(&e);
		lan_in(&f, PCC_R_NEW, spec_wan(&s));
		e.quoted_len = 10;
		f = lan_frame(&e);
		lan_in(&f, PCC_R_NEW, spec_wan(&e));
		assert_int_equal(conns(), 0);
	}
}

static void a_ping_error_follows_the_ping(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct spec e = usual(v6, IPPROTO_ICMP, 0), s = usual(v6, IPPROTO_ICMP, 99), r;
		struct frame f = lan_frame(&s), quoted;

		lan_in(&f, PCC_R_NEW, spec_wan(&s));
		r = spec_reply(&s);
		quoted = lan_frame(&r);
		e.icmp_type = v6 ? 1 : 3;
		e.quoted = &quoted;
		f = lan_frame(&e);
		lan_in(&f, PCC_R_PINNED, spec_wan(&s));
		assert_int_equal(conns(), 1);
		map_clear(FD(pcc_conns), sizeof(struct pcc_tuple));
	}
}

/* ---------------------------------------------------------------- not ours */

static void link_scope_destinations_are_not_touched(void **state)
{
	static const struct {
		const char *src, *dst;
	} rows[] = {
		{"192.168.1.10", "224.0.0.1"},
		{"192.168.1.10", "239.255.255.250"},
		{"192.168.1.10", "255.255.255.255"},
		{"192.168.1.10", "240.0.0.1"},
		{"192.168.1.10", "169.254.0.1"},
		{"192.168.1.10", "169.254.255.255"},
		{"0.0.0.0", "255.255.255.255"},
		{"fd00:1::10", "ff02::1"},
		{"fd00:1::10", "ff0e::101"},
		{"fd00:1::10", "fe80::1"},
		{"fd00:1::10", "febf::1"},
		{"fe80::10", "fd00:1::1"},
		{"fe80::10", "2001:db8:ffff::80"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct spec s = {.proto = IPPROTO_UDP,
			.src = rows[i].src,
			.dst = rows[i].dst,
			.sport = 1,
			.dport = 2};
		struct frame f = lan_frame(&s);

		lan_in(&f, PCC_R_BYPASS_MULTICAST, UNTOUCHED);
	}
	assert_int_equal(conns(), 0);
}

static void addresses_beside_the_link_scope_are_balanced(void **state)
{
	static const char *const dst[] = {"169.253.255.255", "169.255.0.1", "223.255.255.254",
		"fec0::1", "fe00::1", "2001:db8::fe80"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(dst); i++) {
		struct spec s = {.proto = IPPROTO_UDP,
			.src = strchr(dst[i], ':') ? host6 : host4,
			.dst = dst[i],
			.sport = 1,
			.dport = 2};
		struct frame f = lan_frame(&s);

		lan_in(&f, PCC_R_NEW, spec_wan(&s));
	}
}

static void what_is_not_ip_is_not_touched(void **state)
{
	static const uint16_t types[] = {
		ETH_P_ARP, ETH_P_8021Q, ETH_P_8021AD, 0x8863, 0x8864, 0x88cc, 0x0001, 0x8847};
	struct spec s = usual(0, IPPROTO_UDP, 1);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct frame f = lan_frame(&s);

		put16(f.b + 12, types[i]);
		lan_in(&f, PCC_R_NOT_IP, UNTOUCHED);
		wan_in(&f, 1, PCC_R_NOT_IP, UNTOUCHED);
	}
	assert_int_equal(conns(), 0);
}

static void frames_for_another_machine_are_not_touched(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct spec s = usual(v6, IPPROTO_UDP, 1);
		struct frame f = frame_make(&s, (const uint8_t *)"\x02\x00\x00\x00\x00\x77");

		lan_in(&f, PCC_R_OTHERHOST, UNTOUCHED);
	}
	assert_int_equal(conns(), 0);
}

static void no_valid_configuration_touches_nothing(void **state)
{
	static const uint32_t magics[] = {0, PCC_MAGIC + 1};
	struct spec s = usual(0, IPPROTO_UDP, 1);
	struct frame f = lan_frame(&s);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(magics); i++) {
		B.meta.magic = magics[i];
		meta_put();
		lan_in(&f, PCC_R_NO_CONFIG, UNTOUCHED);
		lan_out(&f, B.wan[1], PCC_R_NO_CONFIG);
		wan_in(&f, 1, PCC_R_NO_CONFIG, UNTOUCHED);
		expect_at(PCC_PROG_WAN_OUT, B.wan[1], B.lan, &f, PCC_R_NO_CONFIG, PCC_R_MAX,
			UNTOUCHED, __FILE__, __LINE__);
	}
	assert_int_equal(conns(), 0);
}

/* ---------------------------------------------------------------- classifiers */

static struct shot explain(const struct frame *f)
{
	struct shot s = {.prog = PCC_PROG_EXPLAIN, .ifindex = B.lan, .mark = MARK_IN};

	shoot_at(&s, f, __FILE__, __LINE__);
	moved_only(&s, PCC_R_MAX, PCC_R_MAX, __FILE__, __LINE__);
	mark_is(&s, UNTOUCHED, __FILE__, __LINE__);
	return s;
}

static void every_classifier_hashes_as_the_vectors_say(void **state)
{
	uint32_t seen = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(jhash_vectors); i++) {
		const struct jhash_vector *v = &jhash_vectors[i];
		struct spec s = {.proto = v->proto,
			.src = v->src,
			.dst = v->dst,
			.sport = v->sport,
			.dport = v->dport};
		struct frame f;
		struct shot shot;
		struct pcc_tuple t;
		uint32_t classifier;

		if (s.proto == IPPROTO_ICMP && v->family == 6)
			s.proto = IPPROTO_ICMPV6;
		assert_int_equal(pcc_parse_classifier(v->classifier, &classifier, NULL), 0);
		B.meta.half[0].fields = pcc_classifier_fields(classifier);
		B.meta.half[0].seed = v->seed;
		meta_put();
		f = lan_frame(&s);
		shot = explain(&f);
		t = spec_tuple(&s);
		if (shot.cb[0] != v->hash ||
			shot.cb[0] != pcc_hash(&t, B.meta.half[0].fields, v->seed))
			fail_msg("vector %zu: %s proto %d %s: 0x%08x, expected 0x%08x", i,
				v->classifier, v->proto, v->src, shot.cb[0], v->hash);
		assert_int_equal(shot.cb[1], v->hash % BUCKETS);
		/* Some of the random destinations are multicast or 127/8. */
		if (shot.cb[3] != PCC_R_NEW && shot.cb[3] != PCC_R_BYPASS_MULTICAST &&
			shot.cb[3] != PCC_R_BYPASS_LOCAL)
			fail_msg("vector %zu to %s: %s", i, v->dst, pcc_reason_name(shot.cb[3]));
		assert_int_equal(
			shot.cb[2], shot.cb[3] == PCC_R_NEW ? 1 + v->hash % BUCKETS % WANS : 0);
		seen |= 1u << classifier;
	}
	assert_int_equal(seen, 0x1ff);
	assert_int_equal(conns(), 0);
}

static void every_classifier_gives_the_wan_of_its_fields(void **state)
{
	static const uint32_t fields[] = {
#define X(sym, name, f) f,
		PCC_CLASSIFIERS(X)
#undef X
	};

	(void)state;
	for (size_t c = 0; c < ARRAY_LEN(fields); c++) {
		B.meta.half[0].fields = fields[c];
		meta_put();
		for (size_t p = 0; p < 2 * ARRAY_LEN(protocols); p++) {
			struct spec s = usual(p & 1, protocols[p / 2], 3000 + c);
			struct frame f = lan_frame(&s);

			lan_in(&f, PCC_R_NEW, spec_wan(&s));
		}
		map_clear(FD(pcc_conns), sizeof(struct pcc_tuple));
	}
}

static void a_table_in_the_other_half_counts_only_after_the_switch(void **state)
{
	static const uint32_t all_two[] = {2};

	(void)state;
	buckets_put(1, PCC_V4, all_two, 1);
	buckets_put(1, PCC_V6, all_two, 1);
	B.meta.half[1].seed = 99;
	meta_put();
	for (uint16_t port = 1; port <= 60; port++) {
		struct spec s = usual(port & 1, IPPROTO_UDP, port);
		struct frame f = lan_frame(&s);

		lan_in(&f, PCC_R_NEW, spec_wan(&s));
	}
	B.meta.active_half = 1;
	meta_put();
	for (uint16_t port = 61; port <= 120; port++) {
		struct spec s = usual(port & 1, IPPROTO_UDP, port);
		struct frame f = lan_frame(&s);
		struct pcc_conn conn;

		lan_in(&f, PCC_R_NEW, 2);
		assert_true(conn_get(&s, &conn));
		assert_int_equal(conn.bucket, spec_bucket(&s)); /* with the other seed */
	}
	/* Who was pinned before does not move. */
	B.meta.active_half = 0;
	for (uint16_t port = 1; port <= 60; port++) {
		struct spec s = usual(port & 1, IPPROTO_UDP, port);
		struct frame f = lan_frame(&s);

		lan_in(&f, PCC_R_PINNED, spec_wan(&s));
	}
}

static void explain_foretells_what_happens_and_changes_nothing(void **state)
{
	(void)state;
	for (uint16_t port = 1; port <= 50; port++) {
		struct spec s = usual(port & 1, port & 2 ? IPPROTO_TCP : IPPROTO_UDP, port);
		struct frame f = lan_frame(&s);
		struct shot shot = explain(&f);
		struct pcc_conn conn;

		assert_int_equal(shot.verdict, 0);
		assert_int_equal(shot.cb[2], spec_wan(&s));
		assert_int_equal(shot.cb[3], PCC_R_NEW);
		assert_int_equal(shot.cb[4], 0);
		assert_false(conn_get(&s, &conn));
		lan_in(&f, PCC_R_NEW, spec_wan(&s));
		/* A pin on another WAN overrides the hash. */
		assert_true(conn_get(&s, &conn));
		conn.wan_id = 1 + conn.wan_id % WANS;
		conn_put(&s, &conn);
		shot = explain(&f);
		assert_int_equal(shot.cb[1], spec_bucket(&s));
		assert_int_equal(shot.cb[2], conn.wan_id);
		assert_int_equal(shot.cb[3], PCC_R_PINNED);
		assert_int_equal(shot.cb[4], 1);
		lan_in(&f, PCC_R_PINNED, conn.wan_id);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, bench_usual)
	const struct CMUnitTest tests[] = {
		T(each_protocol_opens_one_connection_and_stays_on_its_wan),
		T(the_icmp_echo_identifier_tells_pings_apart),
		T(ipv4_options_are_skipped),
		T(a_header_length_below_five_words_is_malformed),
		T(another_version_than_the_ethertype_says_is_malformed),
		T(truncated_frames_are_left_alone),
		T(a_total_length_shorter_than_the_header_is_malformed),
		T(ports_are_not_read_from_padding),
		T(ipv6_extension_headers_are_walked),
		T(too_many_extension_headers_are_left_alone),
		T(an_extension_header_that_is_cut_off_is_malformed),
		T(atomic_fragments_are_whole_packets),
		T(later_fragments_follow_the_first),
		T(a_first_fragment_is_forgotten_after_30_seconds),
		T(a_first_fragment_too_short_for_its_ports_is_malformed),
		T(icmp_errors_follow_the_connection_that_they_quote),
		T(icmp_errors_with_a_truncated_quotation_go_by_their_addresses),
		T(icmp_errors_open_no_connection),
		T(a_ping_error_follows_the_ping),
		T(link_scope_destinations_are_not_touched),
		T(addresses_beside_the_link_scope_are_balanced),
		T(what_is_not_ip_is_not_touched),
		T(frames_for_another_machine_are_not_touched),
		T(no_valid_configuration_touches_nothing),
		T(every_classifier_hashes_as_the_vectors_say),
		T(every_classifier_gives_the_wan_of_its_fields),
		T(a_table_in_the_other_half_counts_only_after_the_switch),
		T(explain_foretells_what_happens_and_changes_nothing),
	};

	return cmocka_run_group_tests(tests, bench_up, bench_down);
}
