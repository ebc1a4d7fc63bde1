/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Addresses of both families in one form: 16 bytes in network byte order, an IPv4 address as a
 * v4-mapped IPv6 address (RFC 4291, 2.5.5.2).
 */
#ifndef PCC_ADDRESS_H
#define PCC_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "pccbpf.h"

/* Bytes that the text of an address of either family needs, with the terminating 0. */
#define PCC_ADDR_TEXT INET6_ADDRSTRLEN

/*
 * An address of either family, in network byte order. Whoever uses it keeps the family beside it.
 */
union pcc_ip {
	struct in_addr v4;
	struct in6_addr v6;
	uint8_t bytes[16];
};

static inline size_t pcc_ip_bytes(int family)
{
	return family == AF_INET ? 4 : 16;
}

/* The address family of sockets (AF_INET, AF_INET6) for each enum pcc_family. */
extern const int pcc_af[PCC_FAMILIES];

/*
 * Is the address inside net/bits? Both point to addresses of the same family, in network byte
 * order; bits is at most the address's length.
 */
bool pcc_ip_in_prefix(const void *addr, const void *net, unsigned int bits);

/* Is the address a v4-mapped one, ::ffff:a.b.c.d? */
bool pcc_addr_is_v4(const __be32 addr[4]);

/* Writes the IPv4 address to `to` as a v4-mapped address. */
void pcc_addr_map_v4(__be32 to[4], __be32 v4);

/* Writes the address to buf as users write it, a v4-mapped one as a.b.c.d. Returns buf. */
const char *pcc_addr_text(const __be32 addr[4], char buf[PCC_ADDR_TEXT]);

#endif
