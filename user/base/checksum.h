/* SPDX-License-Identifier: GPL-2.0-only */
/* The Internet checksum (RFC 1071) of packets that are not longer than an Ethernet frame. */
#ifndef PCC_CHECKSUM_H
#define PCC_CHECKSUM_H

#include <arpa/inet.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Adds len bytes to a sum, which begins with 0, and returns the new sum. After an odd last byte a 0
 * is assumed, so only the last piece of a packet may have an odd length.
 */
static inline uint32_t pcc_checksum_add(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

/*
 * Makes the checksum, in network byte order, from the sum. The result is 0 if the data contained
 * its own correct checksum.
 */
static inline uint16_t pcc_checksum_end(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

#endif
