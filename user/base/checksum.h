/* SPDX-License-Identifier: GPL-2.0-only */
/* The Internet checksum (RFC 1071), of packets that are not longer than an Ethernet frame. */
#ifndef PCC_CHECKSUM_H
#define PCC_CHECKSUM_H

#include <arpa/inet.h>
#include <stddef.h>
#include <stdint.h>

/* Adds the bytes, an odd last one as if a 0 followed, to a sum that begins with 0. */
static inline uint32_t pcc_checksum_add(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

/* The checksum in network order. Over data that holds its own checksum it is 0. */
static inline uint16_t pcc_checksum_end(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

#endif
