// SPDX-License-Identifier: GPL-2.0-only
/* Addresses of both families: comparing with a prefix, converting, printing. */
#include "base/address.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#define MAPPED htonl(0xffff) /* third word of a v4-mapped address */

const int pcc_af[PCC_FAMILIES] = {AF_INET, AF_INET6};

bool pcc_ip_in_prefix(const void *addr, const void *net, unsigned int bits)
{
	const uint8_t *a = addr, *n = net;
	unsigned int whole = bits / 8, rest = bits % 8;

	return !memcmp(a, n, whole) && (!rest || !((a[whole] ^ n[whole]) >> (8 - rest)));
}

bool pcc_addr_is_v4(const __be32 addr[4])
{
	return !addr[0] && !addr[1] && addr[2] == MAPPED;
}

void pcc_addr_map_v4(__be32 to[4], __be32 v4)
{
	to[0] = to[1] = 0;
	to[2] = MAPPED;
	to[3] = v4;
}

const char *pcc_addr_text(const __be32 addr[4], char buf[PCC_ADDR_TEXT])
{
	bool v4 = pcc_addr_is_v4(addr);

	/* inet_ntop() cannot fail here: the family is known, and the buffer is large enough. */
	inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? &addr[3] : addr, buf, PCC_ADDR_TEXT);
	return buf;
}
