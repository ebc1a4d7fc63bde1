// SPDX-License-Identifier: GPL-2.0-only
#include "health/kind.h"
#include "base/checksum.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DNS_HEADER 12u
#define DNS_TYPE_A 1u
#define DNS_TYPE_AAAA 28u

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = v >> 8;
	p[1] = v & 0xff;
}

void pcc_echo_write(uint8_t out[PCC_ECHO_BYTES], int family, uint16_t id, uint16_t seq,
	const uint8_t nonce[PCC_PROBE_NONCE])
{
	memset(out, 0, PCC_ECHO_BYTES);
	out[0] = family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
	put16(out + 4, id);
	put16(out + 6, seq);
	memcpy(out + 8, nonce, PCC_PROBE_NONCE);
	memcpy(out + 8 + PCC_PROBE_NONCE, "pccbpf", 6);
	/* That of ICMPv6 is the kernel's to fill in. */
	if (family == AF_INET)
		put16(out + 2, ntohs(pcc_checksum_end(pcc_checksum_add(0, out, PCC_ECHO_BYTES))));
}

bool pcc_echo_read(const uint8_t *in, size_t len, int family, uint16_t id,
	const uint8_t nonce[PCC_PROBE_NONCE], uint16_t *seq)
{
	size_t ip = 0;

	if (family == AF_INET) {
		if (len < 20 || in[0] >> 4 != 4)
			return false;
		ip = (in[0] & 0x0fu) * 4u;
		if (ip < 20)
			return false;
	}
	if (len < ip + 8 + PCC_PROBE_NONCE)
		return false;
	in += ip;
	if (in[0] != (family == AF_INET ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY) || in[1] ||
		get16(in + 4) != id || memcmp(in + 8, nonce, PCC_PROBE_NONCE))
		return false;
	*seq = get16(in + 6);
	return true;
}

/* The name as labels; length, or 0. */
static size_t dns_name_write(uint8_t *out, size_t room, const char *name)
{
	size_t at = 0;

	while (*name) {
		size_t label = strcspn(name, ".");

		if (!label || label > 63 || at + 1 + label + 1 > room)
			return 0;
		out[at] = label;
		memcpy(out + at + 1, name, label);
		at += 1 + label;
		name += label;
		if (*name == '.' && !*++name)
			return 0;
	}
	if (!at)
		return 0;
	out[at] = 0;
	return at + 1;
}

size_t pcc_dns_write(uint8_t out[PCC_DNS_QUERY_MAX], const char *name, uint16_t id)
{
	size_t len;

	memset(out, 0, PCC_DNS_QUERY_MAX);
	put16(out, id);
	put16(out + 2, 0x0100); /* recursion desired */
	put16(out + 4, 1);	/* one question */
	len = dns_name_write(out + DNS_HEADER, PCC_DNS_QUERY_MAX - DNS_HEADER - 4, name);
	if (!len)
		return 0;
	put16(out + DNS_HEADER + len, DNS_TYPE_A);
	put16(out + DNS_HEADER + len + 2, 1); /* IN */
	return DNS_HEADER + len + 4;
}

/* Names are compared without case; the length bytes of labels are below 64, no letters. */
static bool same_question(const uint8_t *in, const uint8_t *query, size_t len)
{
	return !strncasecmp((const char *)in + DNS_HEADER, (const char *)query + DNS_HEADER,
		       len - 4 - DNS_HEADER) &&
	       !memcmp(in + len - 4, query + len - 4, 4);
}

bool pcc_dns_answers(const uint8_t *in, size_t len, const char *name, uint16_t *id)
{
	uint8_t query[PCC_DNS_QUERY_MAX];
	size_t asked = pcc_dns_write(query, name, 0);

	/* A response to a standard query, with one question (RFC 1035, 4.1.1). */
	if (!asked || len < DNS_HEADER || (in[2] & 0xf8) != 0x80)
		return false;
	/* Some servers leave the question out of an error. */
	if (get16(in + 4) != 1 && ((in[3] & 0x0f) == 0 || get16(in + 4)))
		return false;
	if (get16(in + 4) && (len < asked || !same_question(in, query, asked)))
		return false;
	*id = get16(in);
	return true;
}

/* The offset behind a name, which may end in a pointer; 0 where it does not end. */
static size_t dns_name_skip(const uint8_t *in, size_t len, size_t at)
{
	while (at < len) {
		uint8_t label = in[at];

		if (!label)
			return at + 1;
		if (label >= 0xc0)
			return at + 2 <= len ? at + 2 : 0;
		if (label > 63)
			return 0;
		at += 1u + label;
	}
	return 0;
}

bool pcc_dns_has_address(const uint8_t *in, size_t len)
{
	size_t at = DNS_HEADER;

	if (len < DNS_HEADER || in[3] & 0x0f)
		return false;
	if (in[2] & 0x02)
		return true;
	for (uint16_t n = get16(in + 4); n; n--) {
		at = dns_name_skip(in, len, at);
		if (!at || at + 4 > len)
			return false;
		at += 4;
	}
	for (uint16_t n = get16(in + 6); n; n--) {
		uint16_t type;

		at = dns_name_skip(in, len, at);
		if (!at || at + 10 > len || at + 10 + get16(in + at + 8) > len)
			return false;
		type = get16(in + at);
		if (type == DNS_TYPE_A || type == DNS_TYPE_AAAA)
			return true;
		at += 10u + get16(in + at + 8);
	}
	return false;
}

size_t pcc_http_write(char out[PCC_HTTP_REQUEST_MAX], const struct pcc_target *t)
{
	char host[INET6_ADDRSTRLEN] = "", port[8] = "";
	bool v6 = t->family == AF_INET6;
	int len;

	inet_ntop(t->family, &t->addr, host, sizeof(host));
	if (t->port != 80)
		snprintf(port, sizeof(port), ":%u", t->port);
	len = snprintf(out, PCC_HTTP_REQUEST_MAX,
		"GET %s HTTP/1.1\r\nHost: %s%s%s%s\r\nUser-Agent: pccbpf\r\nAccept: */*\r\n"
		"Connection: close\r\n\r\n",
		t->path, v6 ? "[" : "", host, v6 ? "]" : "", port);
	return len > 0 ? (size_t)len : 0;
}

int pcc_http_status(const char *in, size_t len)
{
	static const char shape[] = "HTTP/1.# ###";
	int status = 0;

	for (size_t i = 0; i < len && i < PCC_HTTP_STATUS_BYTES; i++) {
		bool digit = in[i] >= '0' && in[i] <= '9';

		if (shape[i] == '#' ? !digit : in[i] != shape[i])
			return -EINVAL;
		if (i >= 9)
			status = status * 10 + (in[i] - '0');
	}
	if (len < PCC_HTTP_STATUS_BYTES)
		return 0;
	return status >= 100 ? status : -EINVAL;
}

bool pcc_http_expected(const struct pcc_target *t, int status)
{
	return t->status ? status == t->status : status >= 200 && status <= 299;
}
