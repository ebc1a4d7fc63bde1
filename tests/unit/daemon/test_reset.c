// SPDX-License-Identifier: GPL-2.0-only
/* The packets that reset a client's connection, byte by byte; the filter that catches its answer.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/rtnetlink.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/reset_packet.h"
#include "kernel/watch.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static struct pcc_tuple conn_of(const char *src, uint16_t sport, const char *dst, uint16_t dport)
{
	struct pcc_tuple t = {.sport = htons(sport), .dport = htons(dport), .proto = IPPROTO_TCP};

	if (!strchr(src, ':')) {
		t.src[2] = t.dst[2] = htonl(0xffff);
		inet_pton(AF_INET, src, &t.src[3]);
		inet_pton(AF_INET, dst, &t.dst[3]);
	} else {
		inet_pton(AF_INET6, src, t.src);
		inet_pton(AF_INET6, dst, t.dst);
	}
	return t;
}

static void ipv4_bytes(void **state)
{
	/* Checksums worked out by hand from RFC 791 and RFC 9293. */
	static const uint8_t rst[] = {0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0xb3, 0x38, 203, 0, 113,
		5, 192, 168, 1, 10, 1, 0xbb, 0x9c, 0x40, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
		0x88, 0x50, 0x14, 0, 0, 0x40, 0x2c, 0, 0};
	struct pcc_tuple conn = conn_of("192.168.1.10", 40000, "203.0.113.5", 443);
	uint8_t buf[PCC_RESET_BYTES];

	(void)state;
	assert_int_equal(pcc_reset_rst(buf, &conn, 0x11223344, 0x55667788), sizeof(rst));
	assert_memory_equal(buf, rst, 10);
	assert_memory_equal(buf + 12, rst + 12, 24);
}

/* RFC 1071: over all with the checksum in place it is 0xffff. */
static uint16_t sum(uint32_t start, const uint8_t *p, size_t len)
{
	uint32_t s = start;

	for (size_t i = 0; i < len; i += 2)
		s += (uint32_t)p[i] << 8 | p[i + 1];
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)s;
}

static void checksums_are_right(void **state)
{
	static const struct {
		const char *src, *dst;
	} rows[] = {{"192.168.1.10", "203.0.113.5"}, {"10.0.0.1", "255.254.253.252"},
		{"fd77::11", "2001:db8:ffff::4"}, {"fe80::ffff:ffff", "ffff::1"}};
	uint8_t buf[PCC_RESET_BYTES];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct pcc_tuple conn = conn_of(rows[i].src, 65535, rows[i].dst, 1);
		bool v4 = !strchr(rows[i].src, ':');
		size_t l4 = v4 ? 20 : 40, addrs = v4 ? 12 : 8, n = v4 ? 8 : 32;

		for (int rst = 0; rst < 2; rst++) {
			size_t len = rst ? pcc_reset_rst(buf, &conn, 0xfffffff0, 7)
					 : pcc_reset_syn(buf, &conn, 0x80000001);

			assert_int_equal(len, l4 + 20);
			if (v4)
				assert_int_equal(sum(0, buf, 20), 0xffff);
			assert_int_equal(
				sum(IPPROTO_TCP + 20u + sum(0, buf + addrs, n), buf + l4, 20),
				0xffff);
			assert_int_equal(buf[l4 + 13], rst ? 0x14 : 0x02);
		}
	}
}

/* What a client sends: the packet turned around, with other flags. */
static size_t answer(uint8_t *buf, const struct pcc_tuple *conn, uint8_t flags)
{
	struct pcc_tuple turned = *conn;
	size_t len;

	memcpy(turned.src, conn->dst, 16);
	memcpy(turned.dst, conn->src, 16);
	turned.sport = conn->dport;
	turned.dport = conn->sport;
	len = pcc_reset_rst(buf, &turned, 1000, 2000);
	buf[len - 20 + 13] = flags;
	return len;
}

static void only_acknowledgements_are_taken(void **state)
{
	static const struct {
		uint8_t flags;
		bool taken;
	} rows[] = {{0x10, true}, {0x18, true}, {0x50, true}, {0x12, false}, {0x14, false},
		{0x11, false}, {0x02, false}, {0x00, false}};
	struct pcc_tuple conns[] = {conn_of("192.168.1.10", 40000, "203.0.113.5", 443),
		conn_of("fd77::11", 40000, "2001:db8::5", 443)},
			 seen;
	uint8_t buf[PCC_RESET_BYTES];
	uint32_t seq, ack;

	(void)state;
	for (size_t c = 0; c < COUNT(conns); c++) {
		for (size_t i = 0; i < COUNT(rows); i++) {
			size_t len = answer(buf, &conns[c], rows[i].flags);

			assert_int_equal(
				pcc_reset_parse(buf, len, &seen, &seq, &ack), rows[i].taken);
			if (!rows[i].taken)
				continue;
			assert_memory_equal(&seen, &conns[c], sizeof(seen));
			assert_int_equal(seq, 1000);
			assert_int_equal(ack, 2000);
			for (size_t cut = 0; cut < len; cut++)
				assert_false(pcc_reset_parse(buf, cut, &seen, &seq, &ack));
		}
	}
}

/* Puts packets through the kernel's own interpreter of the filter, on a pair of sockets. */
static bool passes(int fds[2], const uint8_t *packet, size_t len)
{
	uint8_t got[256];

	send(fds[0], packet, len, 0);
	return recv(fds[1], got, sizeof(got), MSG_DONTWAIT) > 0;
}

static void the_filter_takes_answers_from_these_ports_only(void **state)
{
	__be16 ports[] = {htons(40000), htons(40002)};
	struct sock_filter insns[PCC_RESET_INSNS(COUNT(ports))];
	struct sock_fprog prog = {.filter = insns};
	const char *addrs[][2] = {{"192.168.1.10", "203.0.113.5"}, {"fd77::11", "2001:db8::5"}};
	uint8_t buf[PCC_RESET_BYTES];
	int fds[2];

	(void)state;
	prog.len = (unsigned short)pcc_reset_filter(insns, ports, COUNT(ports));
	assert_true(prog.len <= COUNT(insns));
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
	assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)), 0);
	for (size_t i = 0; i < COUNT(addrs); i++) {
		for (uint16_t port = 39999; port < 40004; port++) {
			struct pcc_tuple conn = conn_of(addrs[i][0], port, addrs[i][1], 443);
			bool ours = port == 40000 || port == 40002;
			size_t len = answer(buf, &conn, 0x10);

			assert_int_equal(passes(fds, buf, len), ours);
			len = answer(buf, &conn, 0x14);
			assert_false(passes(fds, buf, len));
			len = answer(buf, &conn, 0x10);
			buf[i ? 6 : 9] = IPPROTO_UDP;
			assert_false(passes(fds, buf, len));
		}
	}
	close(fds[0]);
	close(fds[1]);
}

/* --- watch: which messages concern us ------------------------------------------------------- */

static struct nlmsghdr *route(char *buf, uint8_t dst_len, uint8_t protocol, uint32_t table)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rtm;

	nlh->nlmsg_type = RTM_NEWROUTE;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_dst_len = dst_len;
	rtm->rtm_protocol = protocol;
	mnl_attr_put_u32(nlh, RTA_TABLE, table);
	return nlh;
}

static void routes_of_others_are_not_heard(void **state)
{
	static const struct {
		uint8_t dst_len, protocol;
		uint32_t table, heard;
	} rows[] = {
		{0, RTPROT_DHCP, RT_TABLE_MAIN, PCC_HEARD_ROUTE},
		{24, RTPROT_BGP, RT_TABLE_MAIN, 0},
		{32, RTPROT_KERNEL, RT_TABLE_LOCAL, PCC_HEARD_ROUTE},
		{24, RTPROT_KERNEL, RT_TABLE_MAIN, 0},
		{0, PCC_RTPROT, 101, PCC_HEARD_ROUTE},
		{24, PCC_RTPROT, 101, PCC_HEARD_ROUTE},
	};
	char buf[512] __attribute__((aligned(8)));

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		memset(buf, 0, sizeof(buf));
		assert_int_equal(pcc_watch_about(route(buf, rows[i].dst_len, rows[i].protocol,
							 rows[i].table),
					 NETLINK_ROUTE),
			rows[i].heard);
	}
}

static void nft_tables_of_others_are_not_heard(void **state)
{
	static const struct {
		uint16_t message, attr;
		const char *table;
		uint32_t heard;
	} rows[] = {
		{NFT_MSG_DELTABLE, NFTA_TABLE_NAME, "pccbpf", PCC_HEARD_NFT},
		{NFT_MSG_DELTABLE, NFTA_TABLE_NAME, "filter", 0},
		{NFT_MSG_DELRULE, NFTA_RULE_TABLE, "pccbpf", PCC_HEARD_NFT},
		{NFT_MSG_NEWCHAIN, NFTA_CHAIN_TABLE, "pccbpf", PCC_HEARD_NFT},
		{NFT_MSG_NEWSETELEM, NFTA_SET_ELEM_LIST_TABLE, "pccbpf", 0},
		{NFT_MSG_NEWGEN, NFTA_TABLE_NAME, "pccbpf", 0},
	};
	char buf[512] __attribute__((aligned(8)));

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct nlmsghdr *nlh;

		memset(buf, 0, sizeof(buf));
		nlh = mnl_nlmsg_put_header(buf);
		nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | rows[i].message);
		mnl_nlmsg_put_extra_header(nlh, sizeof(struct nfgenmsg));
		mnl_attr_put_strz(nlh, rows[i].attr, rows[i].table);
		assert_int_equal(pcc_watch_about(nlh, NETLINK_NETFILTER), rows[i].heard);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4_bytes),
		cmocka_unit_test(checksums_are_right),
		cmocka_unit_test(only_acknowledgements_are_taken),
		cmocka_unit_test(the_filter_takes_answers_from_these_ports_only),
		cmocka_unit_test(routes_of_others_are_not_heard),
		cmocka_unit_test(nft_tables_of_others_are_not_heard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
