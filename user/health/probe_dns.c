// SPDX-License-Identifier: GPL-2.0-only
/*
 * Probe "dns://1.1.1.1/example.com": the name must have an address (RFC 1035). libresolv writes and
 * reads the messages.
 */
#include <arpa/nameser.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "health/kind.h"

/*
 * Reads the name: labels of 1 to 63 characters (RFC 1035, 2.3.4). Backslashes are refused, as
 * libresolv would take them for escapes.
 */
static const char *dns_parse(const char *rest, struct pcc_target *t)
{
	const char *name = *rest == '/' ? rest + 1 : rest;
	size_t len = strlen(name), label = 0;

	if (len && name[len - 1] == '.')
		len--;
	if (!len)
		return "the name to ask for is missing, as in dns://1.1.1.1/example.com";
	if (len >= sizeof(t->path))
		return "the name is too long";
	for (size_t i = 0; i < len; i++) {
		unsigned char c = name[i];

		if (c <= ' ' || c >= 0x7f || c == '/' || c == '\\')
			return "a character that no name has";
		label = c == '.' ? 0 : label + 1;
		if (label > 63 || (c == '.' && (!i || name[i - 1] == '.')))
			return "a part of the name is empty or over 63 characters";
	}
	memcpy(t->path, name, len);
	t->path[len] = '\0';
	return NULL;
}

/* Writes a query for the IPv4 address of the name. Returns 0 if it is not a valid name. */
static size_t dns_send(const struct pcc_asker *who, uint16_t number, uint8_t out[PCC_PROBE_BYTES])
{
	HEADER header = {.id = htons(number), .rd = 1, .qdcount = htons(1)};
	const char *name = who->target.path;
	uint8_t *at = out + NS_HFIXEDSZ;
	const uint8_t *end = at;

	memcpy(out, &header, NS_HFIXEDSZ);
	if (!*name || ns_name_pton(name, at, NS_MAXCDNAME) ||
		ns_name_skip(&end, out + PCC_PROBE_BYTES - NS_QFIXEDSZ))
		return 0;
	at += end - at;
	NS_PUT16(ns_t_a, at);
	NS_PUT16(ns_c_in, at);
	return (size_t)(at - out);
}

/*
 * Is the question of the response that of the query? Names are compared without regard to case; the
 * bytes with lengths of labels are no letters, so this does not change them.
 */
static bool same_question(const uint8_t *in, const uint8_t *query, size_t len)
{
	size_t name = len - NS_HFIXEDSZ - NS_QFIXEDSZ;

	in += NS_HFIXEDSZ;
	query += NS_HFIXEDSZ;
	return !strncasecmp((const char *)in, (const char *)query, name) &&
	       !memcmp(in + name, query + name, NS_QFIXEDSZ);
}

/* Is the whole message well-formed, and does it contain an address as an answer? */
static bool has_address(const uint8_t *in, size_t len)
{
	ns_msg msg;
	ns_rr rr;

	if (ns_initparse(in, (int)len, &msg))
		return false;
	for (int i = 0; i < ns_msg_count(msg, ns_s_an); i++) {
		if (ns_parserr(&msg, ns_s_an, i, &rr))
			return false;
		if (ns_rr_type(rr) == ns_t_a || ns_rr_type(rr) == ns_t_aaaa)
			return true;
	}
	return false;
}

/*
 * An answer is any response to a standard query with our question (RFC 1035, 4.1.1), also one with
 * an error; some servers leave the question out of an error. A truncated response counts as
 * success, as it has too many addresses for a datagram.
 */
static bool dns_read(
	const struct pcc_asker *who, const uint8_t *in, size_t len, struct pcc_answer *answer)
{
	uint8_t query[PCC_PROBE_BYTES];
	size_t asked = dns_send(who, 0, query);
	HEADER header;

	if (!asked || len < NS_HFIXEDSZ)
		return false;
	memcpy(&header, in, NS_HFIXEDSZ);
	if (!header.qr || header.opcode != ns_o_query)
		return false;
	if (header.qdcount) {
		if (ntohs(header.qdcount) != 1 || len < asked || !same_question(in, query, asked))
			return false;
	} else if (header.rcode == ns_r_noerror) {
		return false;
	}
	answer->number = ntohs(header.id);
	if (header.rcode == ns_r_noerror && (header.tc || has_address(in, len)))
		answer->outcome = PCC_PROBE_OK;
	else
		answer->outcome = PCC_PROBE_REFUSED;
	return true;
}

const struct pcc_kind pcc_kind_dns = {
	.scheme = "dns",
	.example = "dns://1.1.1.1/example.com",
	.port = NS_DEFAULTPORT,
	.parse = dns_parse,
	.type = SOCK_DGRAM,
	.send = dns_send,
	.read = dns_read,
};
