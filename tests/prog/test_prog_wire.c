// SPDX-License-Identifier: GPL-2.0-only
/*
 * What BPF_PROG_TEST_RUN cannot make: frames too short for an IP header, and VLAN tags that the
 * kernel has taken out of the frame. The programs are attached with clsact and the frames come over
 * a veth pair.
 */
#include "harness.h"

#include <linux/if_packet.h>

static int wire = -1;

static void attach(uint32_t ifindex, enum pcc_prog prog)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1, .prog_fd = B.prog[prog]);

	assert_int_equal(bpf_tc_hook_create(&hook), 0);
	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
}

static int wire_up(void **state)
{
	bench_up(state);
	/* The far ends send nothing of their own. */
	put_file("/proc/sys/net/ipv6/conf/lan0p/disable_ipv6", "1");
	put_file("/proc/sys/net/ipv6/conf/wan1p/disable_ipv6", "1");
	attach(B.lan, PCC_PROG_LAN_IN);
	attach(B.wan[1], PCC_PROG_WAN_IN);
	wire = socket(AF_PACKET, SOCK_RAW, 0);
	assert_true(wire >= 0);
	return 0;
}

static int wire_down(void **state)
{
	close(wire);
	return bench_down(state);
}

/* Sends the frame and waits for the counter to move by one. */
static void arrives(const char *from, const uint8_t *data, uint32_t len, uint32_t reason)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(from), .sll_halen = 6};
	uint64_t before[PCC_R_MAX], after[PCC_R_MAX];

	counters_get(before);
	assert_int_equal(sendto(wire, data, len, 0, (struct sockaddr *)&to, sizeof(to)), len);
	for (int ms = 0; ms < 1000; ms++) {
		const struct timespec tick = {.tv_nsec = 1000 * 1000};

		counters_get(after);
		if (after[reason] != before[reason])
			break;
		nanosleep(&tick, NULL);
	}
	for (uint32_t r = 0; r < PCC_R_MAX; r++)
		if (after[r] - before[r] != (r == reason))
			fail_msg("%u bytes on %s: counter %s moved by %llu (expected reason %s)",
				len, from, pcc_reason_name(r),
				(unsigned long long)(after[r] - before[r]),
				pcc_reason_name(reason));
}

static void frames_shorter_than_their_headers_are_malformed(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct spec s = {.src = v6 ? host6 : host4,
			.dst = v6 ? inet6 : inet4,
			.sport = 1,
			.dport = 2};
		struct frame f = lan_frame(&s);

		for (uint32_t len = ETH_HLEN; len < f.l4 + 14 && len <= 60; len++)
			arrives("lan0p", f.b, len, PCC_R_MALFORMED);
		memcpy(f.b, B.wan_mac[1], 6);
		/* pcc_wan_in looks at addresses only. */
		for (uint32_t len = ETH_HLEN; len < ETH_HLEN + (v6 ? 40u : 20u); len++)
			arrives("wan1p", f.b, len, PCC_R_MALFORMED);
	}
	assert_int_equal(conns(), 0);
	assert_int_equal(map_count(FD(pcc_frags)), 0);
}

static uint32_t tag(const struct frame *f, uint16_t tci, uint8_t *out)
{
	memcpy(out, f->b, 12);
	put16(out + 12, ETH_P_8021Q);
	put16(out + 14, tci);
	memcpy(out + 16, f->b + 12, f->len - 12);
	return f->len + 4;
}

static void tagged_frames_belong_to_the_vlan_interface(void **state)
{
	static const uint16_t tcis[] = {1, 5, 0xe005, 0x0fff};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(tcis); i++) {
		int v6 = i & 1;
		struct spec s = {.src = v6 ? host6 : host4,
			.dst = v6 ? inet6 : inet4,
			.sport = 1,
			.dport = 2};
		struct frame f = lan_frame(&s);
		uint8_t tagged[2052];
		uint32_t len = tag(&f, tcis[i / 2], tagged);

		arrives("lan0p", tagged, len, PCC_R_VLAN);
		memcpy(tagged, B.wan_mac[1], 6);
		arrives("wan1p", tagged, len, PCC_R_WAN_IN_SKIPPED);
	}
	assert_int_equal(conns(), 0);
}

/* VLAN 0 carries a priority only (802.1Q): the frame is the interface's own. */
static void priority_tagged_frames_are_balanced(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct spec s = {.src = v6 ? host6 : host4,
			.dst = v6 ? inet6 : inet4,
			.sport = 1,
			.dport = 2};
		struct frame f = lan_frame(&s);
		uint8_t tagged[2052];
		uint32_t len = tag(&f, 0xa000, tagged);

		arrives("lan0p", tagged, len, PCC_R_NEW);
		arrives("lan0p", f.b, f.len, PCC_R_PINNED);
		assert_true(conn_get(&s, &(struct pcc_conn){}));
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, bench_usual)
	const struct CMUnitTest tests[] = {
		T(frames_shorter_than_their_headers_are_malformed),
		T(tagged_frames_belong_to_the_vlan_interface),
		T(priority_tagged_frames_are_balanced),
	};

	return cmocka_run_group_tests(tests, wire_up, wire_down);
}
