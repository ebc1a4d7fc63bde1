// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random and mutated frames through every program: the verdict is always "next", no byte changes,
 * no mark bit outside the mask does, and each packet is counted once. FUZZ_SEED=N repeats a run,
 * FUZZ_FRAMES=N makes it longer.
 */
#include "harness.h"

#define FRAMES 200000u
#define SOURCES 64u

static uint64_t rng;

static uint32_t rnd(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)(rng >> 16);
}

static struct frame sources[SOURCES];

/* Well-formed packets of every kind, to start from. */
static void sources_make(void)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE, IPPROTO_SCTP,
		IPPROTO_DCCP, IPPROTO_ICMP, IPPROTO_GRE, IPPROTO_ESP};
	static const uint8_t ext[] = {
		IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, IPPROTO_ROUTING, IPPROTO_AH, IPPROTO_DSTOPTS};

	for (uint32_t i = 0; i < SOURCES; i++) {
		int v6 = i & 1;
		struct spec s = {.proto = protocols[i / 2 % ARRAY_LEN(protocols)],
			.src = v6 ? host6 : host4,
			.dst = v6 ? inet6 : inet4,
			.sport = 1000 + i,
			.dport = 443,
			.frag = i % 5 == 4   ? IP4_MF
				: i % 7 == 6 ? 100
					     : 0,
			.frag_id = i % 4,
			.tcp_flags = i & 16 ? TCP_SYN : TCP_ACK,
			.ihl = i % 3 ? 0 : 5 + i % 11,
			.payload = i % 9 == 8 ? 1400 : 64};

		if (v6 && s.proto == IPPROTO_ICMP)
			s.proto = IPPROTO_ICMPV6;
		if (v6 && i % 3 == 0) {
			s.ext = ext;
			s.ext_n = i % 6;
		}
		if (i >= 32 && proto_is_icmp(s.proto)) {
			s.quoted = &sources[i - 31 + (v6 ? 1 : 0) - 1];
			s.icmp_type = v6 ? 1 + i % 4 : 11;
			s.frag = 0;
			if (s.quoted->len > 600)
				s.quoted_len = 100;
		}
		sources[i] = lan_frame(&s);
	}
}

/* The next frame, 14 to 1514 bytes. */
static void frame_next(struct frame *f)
{
	uint32_t kind = rnd() % 16;

	*f = sources[rnd() % SOURCES];
	if (!kind) { /* nothing but noise behind the MACs and, mostly, an IP type */
		f->len = 14 + rnd() % 1501;
		for (uint32_t i = 12; i < f->len; i += 4)
			memcpy(f->b + i, &(uint32_t){rnd()}, 4);
		if (rnd() % 4)
			put16(f->b + 12, rnd() & 1 ? ETH_P_IP : ETH_P_IPV6);
		if (rnd() % 4)
			f->b[14] = f->b[13] == 0xdd ? 0x60 : 0x40 | (f->b[14] & 0xf);
		return;
	}
	for (uint32_t n = rnd() % 4; n; n--) { /* a few bytes or bits, mostly in the headers */
		uint32_t span = rnd() & 7 ? (f->len < 90 ? f->len : 90) : f->len;
		uint32_t at = 6 + rnd() % (span - 6);

		f->b[at] = rnd() & 1 ? (uint8_t)rnd() : f->b[at] ^ (1u << rnd() % 8);
	}
	if (kind < 4)
		f->len = 14 + rnd() % (f->len - 13); /* cut */
	else if (kind == 4)
		f->len += rnd() % (1515 - (f->len < 1514 ? f->len : 1514)); /* stretched */
	if (f->len > 1514)
		f->len = 1514;
	if (kind == 5)
		f->b[0] ^= 1; /* multicast or somebody else's MAC */
	if (kind > 8)	      /* other ports: new connections */
		memcpy(f->b + f->l4, &(uint32_t){rnd() & 0x3fff00ff}, f->l4 + 4 <= f->len ? 4 : 0);
}

static uint64_t counted(void)
{
	uint64_t n[PCC_R_MAX], sum = 0;

	counters_get(n);
	/* These are said of a packet besides its own reason. */
	n[PCC_R_REPINNED] = 0;
	n[PCC_R_UNREMEMBERED] = 0;
	for (int r = 0; r < PCC_R_MAX; r++)
		sum += n[r];
	return sum;
}

static void fuzz(enum pcc_prog prog, bool counts_every_packet)
{
	const char *seed = getenv("FUZZ_SEED"), *want = getenv("FUZZ_FRAMES");
	uint64_t start = seed ? strtoull(seed, NULL, 0) : 0x9e3779b97f4a7c15ull ^ coarse_ns();
	uint32_t frames = want ? (uint32_t)strtoul(want, NULL, 0) : FRAMES;
	uint64_t before = counted();
	uint32_t ran = 0, changed = 0, refused = 0;

	rng = (start + prog) | 1;
	while (ran < frames) {
		struct shot s = {.prog = prog, .ifindex = B.lan, .mark = rnd()};
		struct frame f;
		int err;

		frame_next(&f);
		if (prog == PCC_PROG_WAN_IN || prog == PCC_PROG_WAN_OUT) {
			uint32_t id = 1 + rnd() % WANS;

			s.ifindex = B.wan[id];
			memcpy(f.b, B.wan_mac[id], 6);
			if (rnd() & 1)
				s.mark = (s.mark & ~MASK) | (rnd() & 7) << 8;
		}
		if (prog == PCC_PROG_LAN_OUT || prog == PCC_PROG_WAN_OUT)
			s.ingress_ifindex = (uint32_t[]){0, B.lan, B.wan[1], B.wan[2]}[rnd() % 4];
		err = shot_run(&s, f.b, f.len, __FILE__, __LINE__);
		if (err == -EINVAL && refused++ < 4 * frames)
			continue; /* too short for the kernel to run it */
		if (err || (prog != PCC_PROG_EXPLAIN && s.verdict != -1))
			fail_msg("FUZZ_SEED=0x%llx frame %u: error %d, verdict %d",
				(unsigned long long)start, ran, err, s.verdict);
		changed += s.mark != s.mark_out;
		ran++;
	}
	if (counts_every_packet)
		assert_int_equal(counted() - before, frames);
	if (prog == PCC_PROG_LAN_IN || prog == PCC_PROG_WAN_IN)
		assert_true(changed > frames / 4); /* the noise did not hide the signal */
	else
		assert_int_equal(changed, 0);
}

static void pcc_lan_in_never_harms(void **state)
{
	(void)state;
	fuzz(PCC_PROG_LAN_IN, true);
}

static void pcc_lan_out_never_harms(void **state)
{
	(void)state;
	fuzz(PCC_PROG_LAN_OUT, true);
}

static void pcc_wan_in_never_harms(void **state)
{
	(void)state;
	fuzz(PCC_PROG_WAN_IN, true);
}

static void pcc_wan_out_never_harms(void **state)
{
	(void)state;
	fuzz(PCC_PROG_WAN_OUT, false);
}

static void pcc_port_out_never_harms(void **state)
{
	(void)state;
	fuzz(PCC_PROG_PORT_OUT, false);
}

static void pcc_explain_never_harms(void **state)
{
	uint32_t before;

	(void)state;
	before = conns();
	fuzz(PCC_PROG_EXPLAIN, false);
	assert_int_equal(conns(), before);
}

static int fuzz_up(void **state)
{
	bench_up(state);
	bench_usual(state);
	sources_make();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pcc_lan_in_never_harms),
		cmocka_unit_test(pcc_lan_out_never_harms),
		cmocka_unit_test(pcc_wan_in_never_harms),
		cmocka_unit_test(pcc_wan_out_never_harms),
		cmocka_unit_test(pcc_port_out_never_harms),
		cmocka_unit_test(pcc_explain_never_harms),
	};

	return cmocka_run_group_tests(tests, fuzz_up, bench_down);
}
