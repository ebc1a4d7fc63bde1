// SPDX-License-Identifier: GPL-2.0-only
/* Builds and parses the packets that reset a client's TCP connection. Pure. */
#include "base/array.h"
#include "base/checksum.h"
#include "daemon/reset_packet.h"
#include "base/address.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <string.h>

/*
 * Writes the IP header of a packet from the server (conn->dst) to the client (conn->src). Returns
 * its length.
 */
static size_t put_ip(uint8_t *buf, const struct pcc_tuple *conn)
{
	if (pcc_addr_is_v4(conn->src)) {
		struct iphdr ip = {
			.version = 4,
			.ihl = 5,
			.tot_len = htons(sizeof(ip) + sizeof(struct tcphdr)),
			.frag_off = htons(IP_DF),
			.ttl = 64,
			.protocol = IPPROTO_TCP,
			.saddr = conn->dst[3],
			.daddr = conn->src[3],
		};

		ip.check = pcc_checksum_end(pcc_checksum_add(0, &ip, sizeof(ip)));
		memcpy(buf, &ip, sizeof(ip));
		return sizeof(ip);
	}
	struct ip6_hdr ip6 = {};

	ip6.ip6_flow = htonl(6u << 28);
	ip6.ip6_plen = htons(sizeof(struct tcphdr));
	ip6.ip6_nxt = IPPROTO_TCP;
	ip6.ip6_hops = 64;
	memcpy(&ip6.ip6_src, conn->dst, 16);
	memcpy(&ip6.ip6_dst, conn->src, 16);
	memcpy(buf, &ip6, sizeof(ip6));
	return sizeof(ip6);
}

static size_t build(uint8_t buf[PCC_RESET_BYTES], const struct pcc_tuple *conn, struct tcphdr *tcp)
{
	size_t at = put_ip(buf, conn), from = pcc_addr_is_v4(conn->src) ? 3 : 0;
	uint32_t sum = IPPROTO_TCP + sizeof(*tcp);

	tcp->source = conn->dport;
	tcp->dest = conn->sport;
	tcp->doff = sizeof(*tcp) / 4;
	sum = pcc_checksum_add(sum, &conn->src[from], 16 - 4 * from);
	sum = pcc_checksum_add(sum, &conn->dst[from], 16 - 4 * from);
	tcp->check = pcc_checksum_end(pcc_checksum_add(sum, tcp, sizeof(*tcp)));
	memcpy(buf + at, tcp, sizeof(*tcp));
	return at + sizeof(*tcp);
}

size_t pcc_reset_syn(uint8_t buf[PCC_RESET_BYTES], const struct pcc_tuple *conn, uint32_t seq)
{
	struct tcphdr tcp = {.seq = htonl(seq), .syn = 1, .window = htons(1024)};

	return build(buf, conn, &tcp);
}

size_t pcc_reset_rst(
	uint8_t buf[PCC_RESET_BYTES], const struct pcc_tuple *conn, uint32_t seq, uint32_t ack)
{
	struct tcphdr tcp = {.seq = htonl(seq), .ack_seq = htonl(ack), .rst = 1, .ack = 1};

	return build(buf, conn, &tcp);
}

/*
 * Reads the addresses. Returns the offset of the TCP header; 0 for a fragment, for another
 * protocol, and for IPv6 extension headers.
 */
static size_t parse_ip(const uint8_t *packet, size_t len, struct pcc_tuple *conn)
{
	struct ip6_hdr ip6;
	struct iphdr ip;

	if (len >= sizeof(ip) && packet[0] >> 4 == 4) {
		memcpy(&ip, packet, sizeof(ip));
		if (ip.ihl < 5 || ip.protocol != IPPROTO_TCP ||
			ip.frag_off & htons(IP_MF | IP_OFFMASK))
			return 0;
		pcc_addr_map_v4(conn->src, ip.saddr);
		pcc_addr_map_v4(conn->dst, ip.daddr);
		return ip.ihl * 4u;
	}
	if (len < sizeof(ip6) || packet[0] >> 4 != 6)
		return 0;
	memcpy(&ip6, packet, sizeof(ip6));
	if (ip6.ip6_nxt != IPPROTO_TCP)
		return 0;
	memcpy(conn->src, &ip6.ip6_src, 16);
	memcpy(conn->dst, &ip6.ip6_dst, 16);
	return sizeof(ip6);
}

bool pcc_reset_parse(
	const uint8_t *packet, size_t len, struct pcc_tuple *conn, uint32_t *seq, uint32_t *ack)
{
	struct tcphdr tcp;
	size_t at;

	memset(conn, 0, sizeof(*conn));
	at = parse_ip(packet, len, conn);
	if (!at || len < at + sizeof(tcp))
		return false;
	memcpy(&tcp, packet + at, sizeof(tcp));
	if (!tcp.ack || tcp.syn || tcp.fin || tcp.rst)
		return false;
	conn->sport = tcp.source;
	conn->dport = tcp.dest;
	conn->proto = IPPROTO_TCP;
	*seq = ntohl(tcp.seq);
	*ack = ntohl(tcp.ack_seq);
	return true;
}

/* The jump targets in the fixed part of the filter. */
enum { AT_V6 = 10, AT_TCP = 13, AT_DROP = 16 };

/*
 * An instruction at index `at` that continues if the test holds and else drops the packet; and the
 * reverse.
 */
#define NEED(at, code, k) BPF_JUMP(BPF_JMP | (code) | BPF_K, k, 0, AT_DROP - (at)-1)
#define REFUSE(at, code, k) BPF_JUMP(BPF_JMP | (code) | BPF_K, k, AT_DROP - (at)-1, 0)

size_t pcc_reset_filter(struct sock_filter *insns, const __be16 *ports, size_t n)
{
	static const struct sock_filter head[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x60, AT_V6 - 3, 0),
		NEED(3, BPF_JEQ, 0x40),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
		NEED(5, BPF_JEQ, IPPROTO_TCP),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 6),
		REFUSE(7, BPF_JSET, IP_MF | IP_OFFMASK),
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
		BPF_STMT(BPF_JMP | BPF_JA, AT_TCP - 10),
		[AT_V6] = BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6),
		NEED(11, BPF_JEQ, IPPROTO_TCP),
		BPF_STMT(BPF_LDX | BPF_W | BPF_IMM, sizeof(struct ip6_hdr)),
		[AT_TCP] = BPF_STMT(BPF_LD | BPF_B | BPF_IND, 13),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, TH_FIN | TH_SYN | TH_RST | TH_ACK),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TH_ACK, 1, 0),
		[AT_DROP] = BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, 0),
	};
	size_t used = COUNT(head);

	memcpy(insns, head, sizeof(head));
	for (size_t i = 0; i < n; i++) {
		const struct sock_filter is =
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohs(ports[i]), 0, 1);
		const struct sock_filter take = BPF_STMT(BPF_RET | BPF_K, 128);

		insns[used++] = is;
		insns[used++] = take;
	}
	insns[used++] = head[AT_DROP];
	return used;
}
