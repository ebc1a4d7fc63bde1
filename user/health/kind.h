/* SPDX-License-Identifier: GPL-2.0-only */
/* What probes send and how answers are read. Pure: bytes in, a verdict out. */
#ifndef PCC_KIND_H
#define PCC_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "health/health.h"

#define PCC_PROBE_NONCE 8u			   /* bytes in an echo that only we know */
#define PCC_ECHO_BYTES (8u + PCC_PROBE_NONCE + 8u) /* of a request, from the ICMP header on */
#define PCC_DNS_QUERY_MAX (12u + 129u + 4u)	   /* header, name of a target, type and class */
#define PCC_HTTP_REQUEST_MAX 384u
#define PCC_HTTP_STATUS_BYTES 12u /* "HTTP/1.1 204" */

/* An ICMP or ICMPv6 echo request (RFC 792, RFC 4443), for a raw socket of that family. */
void pcc_echo_write(uint8_t out[PCC_ECHO_BYTES], int family, uint16_t id, uint16_t seq,
	const uint8_t nonce[PCC_PROBE_NONCE]);

/*
 * What a raw socket gave: with the IP header for IPv4, without for IPv6. True if it is the answer
 * to a request with this id and nonce; *seq is its number.
 */
bool pcc_echo_read(const uint8_t *in, size_t len, int family, uint16_t id,
	const uint8_t nonce[PCC_PROBE_NONCE], uint16_t *seq);

/* A query for the IPv4 address of name (RFC 1035). Its length; 0 for what is no name. */
size_t pcc_dns_write(uint8_t out[PCC_DNS_QUERY_MAX], const char *name, uint16_t id);

/* Is it an answer to a query for name, whatever it says? *id is that of the query. */
bool pcc_dns_answers(const uint8_t *in, size_t len, const char *name, uint16_t *id);

/* Does such an answer have an address of the name? Or was it too long for a datagram? */
bool pcc_dns_has_address(const uint8_t *in, size_t len);

/* The request of an HTTP target (RFC 9112). Its length. */
size_t pcc_http_write(char out[PCC_HTTP_REQUEST_MAX], const struct pcc_target *target);

/* The status of a response, 0 while there is too little of it, -EINVAL if it is none. */
int pcc_http_status(const char *in, size_t len);

/* Is it what the target should say? */
bool pcc_http_expected(const struct pcc_target *target, int status);

#endif
