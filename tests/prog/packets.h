/* SPDX-License-Identifier: GPL-2.0-only */
/* Crafted frames for the program tests: a description of a packet, its bytes and its tuple. */
#ifndef TEST_PACKETS_H
#define TEST_PACKETS_H

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pccbpf.h"

#define TCP_SYN 0x02
#define TCP_ACK 0x10
#define IP4_MF 0x2000

struct frame {
	uint32_t len;
	uint32_t l4; /* offset of the transport header */
	uint8_t b[2048];
};

/* What a packet is to be. Zero means the usual: TCP with ACK, no options, 32 bytes of payload. */
struct spec {
	uint8_t proto; /* 0: TCP. Hop-by-hop options go into ext[] */
	const char *src, *dst;
	uint16_t sport, dport; /* an ICMP echo has its identifier in sport */
	uint8_t tcp_flags;     /* 0: ACK */
	uint8_t icmp_type;     /* 0: echo request */
	uint8_t ihl;	       /* 0: 5 */
	uint16_t frag; /* IPv4: flags and offset / 8; IPv6: offset / 8 and IP4_MF; no header if 0 */
	uint8_t frag_header; /* IPv6: a fragment header even so */
	uint32_t frag_id;
	const uint8_t *ext; /* IPv6: protocols of extension headers before the transport header */
	uint32_t ext_n;
	uint16_t payload; /* bytes, 0: 32 */
	uint8_t tos;
	const struct frame *quoted; /* ICMP error: the frame it is about... */
	uint32_t quoted_len;	    /* ...and how many bytes of its network layer, 0: all */
};

static inline int spec_is_v6(const struct spec *s)
{
	return strchr(s->src, ':') != NULL;
}

static inline uint8_t spec_proto(const struct spec *s)
{
	return s->proto ? s->proto : IPPROTO_TCP;
}

static inline int proto_is_icmp(uint8_t proto)
{
	return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
}

static inline int proto_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE ||
	       proto == IPPROTO_SCTP || proto == IPPROTO_DCCP;
}

static inline void text_addr(const char *text, __be32 to[4])
{
	if (strchr(text, ':')) {
		if (inet_pton(AF_INET6, text, to) != 1)
			abort();
		return;
	}
	to[0] = to[1] = 0;
	to[2] = htonl(0xffff);
	if (inet_pton(AF_INET, text, &to[3]) != 1)
		abort();
}

/* The tuple by which pcc_conns must know the packet. */
static inline struct pcc_tuple spec_tuple(const struct spec *s)
{
	struct pcc_tuple t = {.proto = spec_proto(s)};

	text_addr(s->src, t.src);
	text_addr(s->dst, t.dst);
	if (proto_ports(t.proto)) {
		t.sport = htons(s->sport);
		t.dport = htons(s->dport);
	} else if (proto_is_icmp(t.proto)) {
		t.sport = t.dport = htons(s->sport);
	}
	return t;
}

/* The same connection seen from the other side. */
static inline struct spec spec_reply(const struct spec *s)
{
	struct spec r = *s;

	r.src = s->dst;
	r.dst = s->src;
	if (proto_ports(spec_proto(s))) {
		r.sport = s->dport;
		r.dport = s->sport;
	}
	if (s->proto == IPPROTO_ICMPV6)
		r.icmp_type = 129;
	return r;
}

static inline void put16(uint8_t *at, uint16_t host)
{
	at[0] = host >> 8;
	at[1] = host & 0xff;
}

static inline uint32_t put_transport(const struct spec *s, uint8_t *at)
{
	static const struct {
		uint8_t proto, len;
	} headers[] = {
		{IPPROTO_TCP, 20},
		{IPPROTO_UDP, 8},
		{IPPROTO_UDPLITE, 8},
		{IPPROTO_SCTP, 12},
		{IPPROTO_DCCP, 16},
	};
	uint8_t proto = spec_proto(s);

	if (proto_is_icmp(proto)) {
		at[0] = s->icmp_type ? s->icmp_type : proto == IPPROTO_ICMP ? 8 : 128;
		put16(at + 4, s->sport);
		put16(at + 6, 1);
		if (!s->quoted)
			return 8;
		uint32_t n = s->quoted_len ? s->quoted_len : s->quoted->len - ETH_HLEN;

		put16(at + 4, 0);
		memcpy(at + 8, s->quoted->b + ETH_HLEN, n);
		return 8 + n;
	}
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		if (headers[i].proto != proto)
			continue;
		put16(at, s->sport);
		put16(at + 2, s->dport);
		if (proto == IPPROTO_TCP) {
			at[12] = 0x50;
			at[13] = s->tcp_flags ? s->tcp_flags : TCP_ACK;
		} else if (proto == IPPROTO_UDP) {
			put16(at + 4, 8 + (s->payload ? s->payload : 32));
		}
		return headers[i].len;
	}
	memset(at, 0xe7, 8); /* GRE, ESP and what has no ports */
	return 8;
}

static inline uint32_t put_ip4(const struct spec *s, uint8_t *at)
{
	uint32_t ihl = s->ihl ? s->ihl : 5;

	at[0] = 0x40 | ihl;
	at[1] = s->tos;
	put16(at + 4, s->frag_id);
	put16(at + 6, s->frag);
	at[8] = 64;
	at[9] = spec_proto(s);
	inet_pton(AF_INET, s->src, at + 12);
	inet_pton(AF_INET, s->dst, at + 16);
	if (ihl > 5)
		memset(at + 20, 1 /* NOP */, (ihl - 5) * 4);
	return ihl * 4;
}

/* Bytes of an extension header as put_ip6() writes it: the length field differs between them. */
static inline uint32_t put_ext(uint8_t proto, uint8_t *at)
{
	memset(at, 0, 24);
	if (proto == IPPROTO_AH) {
		at[1] = 4; /* (4 + 2) * 4 bytes */
		return 24;
	}
	if (proto == IPPROTO_DSTOPTS) {
		at[1] = 1;
		return 16;
	}
	return 8;
}

static inline uint32_t put_ip6(const struct spec *s, uint8_t *at)
{
	uint8_t *next = at + 6;
	uint32_t off = 40;

	at[0] = 0x60 | s->tos >> 4;
	at[1] = s->tos << 4;
	at[7] = 64;
	inet_pton(AF_INET6, s->src, at + 8);
	inet_pton(AF_INET6, s->dst, at + 24);
	for (uint32_t i = 0; i < s->ext_n; i++) {
		*next = s->ext[i];
		next = at + off;
		off += put_ext(s->ext[i], at + off);
	}
	if (s->frag || s->frag_header) {
		*next = IPPROTO_FRAGMENT;
		next = at + off;
		at[off + 1] = 0;
		put16(at + off + 2, (s->frag & 0x1fff) << 3 | !!(s->frag & IP4_MF));
		memcpy(at + off + 4, &(uint32_t){htonl(s->frag_id)}, 4);
		off += 8;
	}
	*next = spec_proto(s);
	return off;
}

static inline struct frame frame_make(const struct spec *s, const uint8_t mac[6])
{
	struct frame f = {.len = ETH_HLEN};
	uint32_t payload = s->payload ? s->payload : 32;
	int v6 = spec_is_v6(s);

	memcpy(f.b, mac, 6);
	memcpy(f.b + 6, "\x02\x00\x00\x00\x00\x99", 6);
	put16(f.b + 12, v6 ? ETH_P_IPV6 : ETH_P_IP);
	f.len += v6 ? put_ip6(s, f.b + f.len) : put_ip4(s, f.b + f.len);
	f.l4 = f.len;
	/* Only the first fragment has a transport header. */
	if (!(s->frag & 0x1fff))
		f.len += put_transport(s, f.b + f.len);
	if (!s->quoted) {
		memset(f.b + f.len, 0xda, payload);
		f.len += payload;
	}
	if (v6)
		put16(f.b + ETH_HLEN + 4, f.len - ETH_HLEN - 40);
	else
		put16(f.b + ETH_HLEN + 2, f.len - ETH_HLEN);
	return f;
}

#endif
