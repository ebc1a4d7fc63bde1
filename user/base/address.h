/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Addresses of both families in one form: 16 bytes, an IPv4 address v4-mapped (RFC 4291, 2.5.5.2),
 * in network order.
 */
#ifndef PCC_ADDRESS_H
#define PCC_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "pccbpf.h"

/* Room for an address as text, with its end. */
#define PCC_ADDR_TEXT INET6_ADDRSTRLEN

/* An address of either family; the family stands beside it. Network byte order. */
union pcc_ip {
	struct in_addr v4;
	struct in6_addr v6;
	uint8_t bytes[16];
};

static inline size_t pcc_ip_bytes(int family)
{
	return family == AF_INET ? 4 : 16;
}

/* AF_INET and AF_INET6, by enum pcc_family. */
extern const int pcc_af[PCC_FAMILIES];

/* Is the address inside net/bits? */
bool pcc_ip_in_prefix(const void *addr, const void *net, unsigned int bits);

/* Is it a v4-mapped address? */
bool pcc_addr_is_v4(const __be32 addr[4]);

/* Writes the IPv4 address v4-mapped. */
void pcc_addr_map_v4(__be32 to[4], __be32 v4);

/* The address as users write it, IPv4 as a.b.c.d. Returns buf. */
const char *pcc_addr_text(const __be32 addr[4], char buf[PCC_ADDR_TEXT]);

#endif
