/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The map pcc_flows: making a key from a packet, and reading the counters. Used by bpf/ and user/.
 */
#ifndef PCCBPF_FLOW_H
#define PCCBPF_FLOW_H

#include "pccbpf.h"

/*
 * Adds two words to a digest. It need not be strong, because callers detect collisions by comparing
 * the whole packet.
 */
static inline __attribute__((always_inline)) __u64 pcc_digest(__u64 digest, __u32 high, __u32 low)
{
	digest = (digest ^ ((__u64)high << 32 | low)) * 0x9e3779b97f4a7c15ull;
	return digest ^ digest >> 32;
}

/* Returns the member `where` of struct pcc_flow_key. */
static inline __attribute__((always_inline)) __u32 pcc_flow_where(
	__u32 ifindex, __u32 v6, __u8 proto)
{
	return ifindex << 2 | (v6 ? 2 : 0) | (proto == 17 /* UDP */);
}

/*
 * Fill in the key under which pcc_flows has a packet with this tuple from this interface.
 * pcc_flow_key_set() leaves the ports to the caller. v6: not 0 for IPv6.
 */
static inline __attribute__((always_inline)) void pcc_flow_key_set(struct pcc_flow_key *key,
	const __be32 src[4], const __be32 dst[4], __u32 ifindex, __u32 v6, __u8 proto)
{
	__u64 digest;

	key->src = src[3];
	key->dst = dst[3];
	key->where = pcc_flow_where(ifindex, v6, proto);
	if (v6) {
		digest = pcc_digest(0, src[0], src[1]);
		digest = pcc_digest(digest, src[2], src[3]);
		digest = pcc_digest(digest, dst[0], dst[1]);
		digest = pcc_digest(digest, dst[2], dst[3]);
		key->src = digest >> 32;
		key->dst = digest;
	}
}

static inline __attribute__((always_inline)) void pcc_flow_key_of(
	struct pcc_flow_key *key, const struct pcc_tuple *t, __u32 ifindex, __u32 v6)
{
	pcc_flow_key_set(key, t->src, t->dst, ifindex, v6, t->proto);
	key->sport = t->sport;
	key->dport = t->dport;
}

/* Returns the place of a key in pcc_leased. */
static inline __attribute__((always_inline)) __u32 pcc_leased_place(const struct pcc_flow_key *key)
{
	__u64 digest = pcc_digest(0, key->src, key->dst);

	digest ^= (__u64)key->where << 32 | (__u32)key->sport << 16 | key->dport;
	return digest * 0x9e3779b97f4a7c15ull >> (64 - PCC_LEASED_BITS);
}

/*
 * Computes the packets and bytes that an entry has counted between two readings of the sum of its
 * counters. If another CPU was faster, the later reading may be the smaller one; both results are
 * then negative, modulo 2^64.
 */
static inline __attribute__((always_inline)) void pcc_flow_uncounted(
	__u64 sum, __u64 folded, __u64 *packets, __u64 *bytes)
{
	__u64 n = sum - folded;

	if (n >> 63) {
		*packets = -(-n >> PCC_FLOW_BYTES_BITS);
		*bytes = -(-n & PCC_FLOW_BYTES_MASK);
		return;
	}
	*packets = n >> PCC_FLOW_BYTES_BITS;
	*bytes = n & PCC_FLOW_BYTES_MASK;
}

#endif
