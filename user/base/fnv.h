/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * FNV-1a with 64 bits (draft-eastlake-fnv), for telling whether data has changed; it is no
 * protection against an attacker. Begin with PCC_FNV1A_BASIS; to hash several pieces, pass the
 * result of one call to the next.
 */
#ifndef PCC_FNV_H
#define PCC_FNV_H

#include <stddef.h>
#include <stdint.h>

#define PCC_FNV1A_BASIS 0xcbf29ce484222325ull

static inline uint64_t pcc_fnv1a(uint64_t hash, const void *data, size_t len)
{
	const unsigned char *byte = data;

	while (len--)
		hash = (hash ^ *byte++) * 0x100000001b3ull;
	return hash;
}

#endif
