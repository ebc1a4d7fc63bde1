// SPDX-License-Identifier: GPL-2.0-only
/*
 * Probes "9.9.9.9" and "icmp://9.9.9.9": an echo request must be answered (RFC 792; ICMPv6: RFC
 * 4443).
 */
#include <errno.h>
#include <linux/filter.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/array.h"
#include "base/checksum.h"
#include "health/kind.h"

#define HEADER_BYTES 8u
#define ECHO_BYTES (HEADER_BYTES + PCC_PROBE_NONCE + 8u)

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = v >> 8;
	p[1] = v & 0xff;
}

static uint8_t reply_type(const struct pcc_asker *who)
{
	return who->target.family == AF_INET ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY;
}

/*
 * Attaches a filter to the socket, so that only echo replies with our id wake the process. On a raw
 * socket the filter sees the IP header for IPv4, but not for IPv6.
 */
static int icmp_prepare(const struct pcc_asker *who, int fd)
{
	struct sock_filter code[] = {
		who->target.family == AF_INET
			? (struct sock_filter)BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0)
			: (struct sock_filter)BPF_STMT(BPF_LDX | BPF_IMM, 0),
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, who->id, 0, 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, reply_type(who), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0xffff),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = {.len = COUNT(code), .filter = code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) ? -errno : 0;
}

static size_t icmp_send(const struct pcc_asker *who, uint16_t number, uint8_t out[PCC_PROBE_BYTES])
{
	bool v4 = who->target.family == AF_INET;

	memset(out, 0, ECHO_BYTES);
	out[0] = v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
	put16(out + 4, who->id);
	put16(out + 6, number);
	memcpy(out + HEADER_BYTES, who->nonce, PCC_PROBE_NONCE);
	memcpy(out + HEADER_BYTES + PCC_PROBE_NONCE, "pccbpf", 6);
	/* The kernel fills in the checksum of ICMPv6. */
	if (v4)
		put16(out + 2, ntohs(pcc_checksum_end(pcc_checksum_add(0, out, ECHO_BYTES))));
	return ECHO_BYTES;
}

static bool icmp_read(
	const struct pcc_asker *who, const uint8_t *in, size_t len, struct pcc_answer *answer)
{
	size_t ip = 0;

	if (who->target.family == AF_INET) {
		if (len < 20 || in[0] >> 4 != 4)
			return false;
		ip = (in[0] & 0x0fu) * 4u;
		if (ip < 20)
			return false;
	}
	if (len < ip + HEADER_BYTES + PCC_PROBE_NONCE)
		return false;
	in += ip;
	if (in[0] != reply_type(who) || in[1] || get16(in + 4) != who->id ||
		memcmp(in + HEADER_BYTES, who->nonce, PCC_PROBE_NONCE))
		return false;
	*answer = (struct pcc_answer){PCC_PROBE_OK, get16(in + 6)};
	return true;
}

const struct pcc_kind pcc_kind_icmp = {
	.scheme = "icmp",
	.example = "9.9.9.9",
	.no_port = "an echo has no port",
	.type = SOCK_RAW,
	.protocol = {[PCC_V4] = IPPROTO_ICMP, [PCC_V6] = IPPROTO_ICMPV6},
	.prepare = icmp_prepare,
	.send = icmp_send,
	.read = icmp_read,
};
