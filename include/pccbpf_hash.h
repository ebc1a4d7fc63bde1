/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The classifier's hash: one definition for the data plane and for `explain`.
 *
 * It is jhash() over the selected fields, concatenated in network byte order without padding. The
 * function is Bob Jenkins' lookup3 as in Linux (include/linux/jhash.h, public domain); RouterOS
 * hashes the same bytes with it. The words are built from the fields directly: jhash() reads
 * consecutive bytes of memory as little-endian words, so a 2-byte field shifts what follows by 16
 * bits.
 */
#ifndef PCCBPF_HASH_H
#define PCCBPF_HASH_H

#include "pccbpf.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the hash words are assembled for little-endian machines only"
#endif

#define PCC_JHASH_INITVAL 0xdeadbeefu

static inline __attribute__((always_inline)) __u32 pcc_rol32(__u32 word, __u32 shift)
{
	return (word << shift) | (word >> (32 - shift));
}

#define PCC_JHASH_MIX(a, b, c)                                                                     \
	do {                                                                                       \
		a -= c;                                                                            \
		a ^= pcc_rol32(c, 4);                                                              \
		c += b;                                                                            \
		b -= a;                                                                            \
		b ^= pcc_rol32(a, 6);                                                              \
		a += c;                                                                            \
		c -= b;                                                                            \
		c ^= pcc_rol32(b, 8);                                                              \
		b += a;                                                                            \
		a -= c;                                                                            \
		a ^= pcc_rol32(c, 16);                                                             \
		c += b;                                                                            \
		b -= a;                                                                            \
		b ^= pcc_rol32(a, 19);                                                             \
		a += c;                                                                            \
		c -= b;                                                                            \
		c ^= pcc_rol32(b, 4);                                                              \
		b += a;                                                                            \
	} while (0)

#define PCC_JHASH_FINAL(a, b, c)                                                                   \
	do {                                                                                       \
		c ^= b;                                                                            \
		c -= pcc_rol32(b, 14);                                                             \
		a ^= c;                                                                            \
		a -= pcc_rol32(c, 11);                                                             \
		b ^= a;                                                                            \
		b -= pcc_rol32(a, 25);                                                             \
		c ^= b;                                                                            \
		c -= pcc_rol32(b, 16);                                                             \
		a ^= c;                                                                            \
		a -= pcc_rol32(c, 4);                                                              \
		b ^= a;                                                                            \
		b -= pcc_rol32(a, 14);                                                             \
		c ^= b;                                                                            \
		c -= pcc_rol32(b, 24);                                                             \
	} while (0)

/*
 * Linux jhash() of the len bytes in w[], which is zero-padded to a multiple of 12 bytes. For len 0
 * the result is the initial value, as in the kernel.
 */
static inline __attribute__((always_inline)) __u32 pcc_jhash_words(
	const __u32 w[12], __u32 len, __u32 seed)
{
	__u32 a, b, c;

	a = b = c = PCC_JHASH_INITVAL + len + seed;
	if (len > 12) {
		a += w[0];
		b += w[1];
		c += w[2];
		PCC_JHASH_MIX(a, b, c);
		w += 3;
	}
	if (len > 24) {
		a += w[0];
		b += w[1];
		c += w[2];
		PCC_JHASH_MIX(a, b, c);
		w += 3;
	}
	if (!len)
		return c;
	a += w[0];
	b += w[1];
	c += w[2];
	PCC_JHASH_FINAL(a, b, c);
	return c;
}

/*
 * Does the protocol have ports in its first four bytes? RouterOS hashes ports for these protocols.
 */
static inline __attribute__((always_inline)) int pcc_proto_has_ports(__u8 proto)
{
	return proto == 6 /* TCP */ || proto == 17 /* UDP */ || proto == 136 /* UDP-Lite */ ||
	       proto == 132 /* SCTP */ || proto == 33 /* DCCP */;
}

/* Is the tuple one of IPv4 (v4-mapped addresses)? The source address decides. */
static inline __attribute__((always_inline)) int pcc_tuple_is_v4(const struct pcc_tuple *t)
{
	return t->src[0] == 0 && t->src[1] == 0 && t->src[2] == (__be32)0xffff0000u;
}

static inline __attribute__((always_inline)) void pcc_hash_addr6(__u32 *w, const __be32 addr[4])
{
	w[0] = addr[0];
	w[1] = addr[1];
	w[2] = addr[2];
	w[3] = addr[3];
}

/*
 * Returns the hash of the fields PCC_F_* of a tuple. If the protocol has no ports, ports are left
 * out; if no field is left then, both addresses are hashed. Every word is stored at a constant
 * index, as the verifier requires for the stack.
 */
static inline __attribute__((always_inline)) __u32 pcc_hash(
	const struct pcc_tuple *t, __u32 fields, __u32 seed)
{
	__u32 w[12] = {0};
	__u32 ports = 0, len = 0, addrs;
	int v4 = pcc_tuple_is_v4(t);

	if (!pcc_proto_has_ports(t->proto)) {
		fields &= ~(PCC_F_SPORT | PCC_F_DPORT);
		if (!fields)
			fields = PCC_F_SRC | PCC_F_DST;
	}
	if (fields & PCC_F_DPORT) {
		ports = t->dport;
		len = 2;
	}
	if (fields & PCC_F_SPORT) {
		ports = ports << 16 | t->sport;
		len += 2;
	}
	addrs = fields & (PCC_F_SRC | PCC_F_DST);
	if (!addrs) {
		w[0] = ports;
	} else if (v4 && addrs == (PCC_F_SRC | PCC_F_DST)) {
		w[0] = t->src[3];
		w[1] = t->dst[3];
		w[2] = ports;
		len += 8;
	} else if (v4) {
		w[0] = addrs == PCC_F_SRC ? t->src[3] : t->dst[3];
		w[1] = ports;
		len += 4;
	} else if (addrs == (PCC_F_SRC | PCC_F_DST)) {
		pcc_hash_addr6(w, t->src);
		pcc_hash_addr6(w + 4, t->dst);
		w[8] = ports;
		len += 32;
	} else {
		pcc_hash_addr6(w, addrs == PCC_F_SRC ? t->src : t->dst);
		w[4] = ports;
		len += 16;
	}
	return pcc_jhash_words(w, len, seed);
}

#endif
