/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses and tuples. */
#ifndef PCC_TUPLE_BPF_H
#define PCC_TUPLE_BPF_H

#include "common.bpf.h"

#define PCC_TCP_FIN 0x01
#define PCC_TCP_SYN 0x02
#define PCC_TCP_RST 0x04
#define PCC_TCP_ACK 0x10
#define PCC_TCP_ENDS (PCC_TCP_FIN | PCC_TCP_RST)

static __always_inline void addr_map4(__be32 to[4], __be32 addr)
{
	to[0] = 0;
	to[1] = 0;
	to[2] = bpf_htonl(0xffff);
	to[3] = addr;
}

static __always_inline void addr_copy6(__be32 to[4], const __be32 from[4])
{
	to[0] = from[0];
	to[1] = from[1];
	to[2] = from[2];
	to[3] = from[3];
}

/*
 * Exchanges source and destination in place: a second tuple would cost stack, and 6.1 has little of
 * it.
 */
static __always_inline void tuple_turn(struct pcc_tuple *t)
{
	__be16 port = t->sport;

	for (int i = 0; i < 4; i++) {
		__be32 word = t->src[i];

		t->src[i] = t->dst[i];
		t->dst[i] = word;
	}
	t->sport = t->dport;
	t->dport = port;
}

static __always_inline void tuple_reverse(struct pcc_tuple *to, const struct pcc_tuple *from)
{
	addr_copy6(to->src, from->dst);
	addr_copy6(to->dst, from->src);
	to->sport = from->dport;
	to->dport = from->sport;
	to->proto = from->proto;
	to->pad[0] = to->pad[1] = to->pad[2] = 0;
}

#endif
