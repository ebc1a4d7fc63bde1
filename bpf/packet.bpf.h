/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parser, one for Ethernet, L3 devices and out-of-band VLAN tags, and for both families. It
 * reads relative to the network header, which the kernel has set for every kind of device. For a
 * packet that it does not understand it returns a negative reason, and the packet goes to the
 * kernel untouched.
 */
#ifndef PCC_PACKET_BPF_H
#define PCC_PACKET_BPF_H

#include "maps.bpf.h"
#include "tuple.bpf.h"

#define PCC_FRAG_MAX_AGE_NS (30ull * 1000 * 1000 * 1000) /* net.ipv4.ipfrag_time */
#define PCC_MAX_EXT_HEADERS 6

/* struct pcc_packet.flags */
#define PCC_P_FRAG_FIRST 0x1u
#define PCC_P_FRAG_LATER 0x2u
#define PCC_P_ERROR 0x8u  /* an ICMP error: opens no connection */
#define PCC_P_QUOTED 0x4u /* an ICMP error: the tuple is that of the quoted packet, reversed */

/*
 * The fields of a packet that pccbpf uses. The tuple is the packet's own (source = sender). An ICMP
 * error gets the tuple that an answer to the quoted packet would have, so that it belongs to the
 * connection that it is about.
 */
struct pcc_packet {
	struct pcc_tuple tuple;
	__u32 family; /* enum pcc_family */
	__u32 l4_off; /* from the network header */
	__u32 flags;  /* PCC_P_* */
	__u8 tcp_flags;
	__u8 dscp_ecn; /* the whole TOS / traffic class byte */
	__u16 pad;
	struct in6_addr
		dst; /* in the IP header, v4-mapped: for routing, and for the router itself */
	struct in6_addr src;
};

static __always_inline int load_net(struct __sk_buff *skb, __u32 off, void *to, __u32 len)
{
	return bpf_skb_load_bytes_relative(skb, off, to, len, BPF_HDR_START_NET);
}

/* Never balanced, never marked: multicast, broadcast, link-local (RFC 1112, 3927, 4291). */
static __always_inline int packet_is_link_scope(const struct pcc_packet *p)
{
	if (p->family == PCC_V4) {
		__u32 d = bpf_ntohl(p->dst.in6_u.u6_addr32[3]);

		return d >= 0xe0000000u || (d & 0xffff0000u) == 0xa9fe0000u || d == 0;
	}
	return (p->dst.in6_u.u6_addr8[0] == 0xff) ||
	       (p->dst.in6_u.u6_addr8[0] == 0xfe && (p->dst.in6_u.u6_addr8[1] & 0xc0) == 0x80) ||
	       (p->src.in6_u.u6_addr8[0] == 0xfe && (p->src.in6_u.u6_addr8[1] & 0xc0) == 0x80);
}

/*
 * Does a packet from outside have a source address of the router itself? The kernel drops such
 * packets (RFC 1812, 5.3.7) unless accept_local is set. Where nothing else validates sources,
 * attach sets accept_local, which spares every packet the look-up of its source; then this check
 * replaces the kernel's.
 */
static __always_inline int packet_is_martian(
	const struct pcc_packet *p, const struct pcc_iface *iface)
{
	struct pcc_addr addr;

	if (p->family != PCC_V4 || !(iface->flags & PCC_IFACE_DROP_LOCAL_SRC))
		return 0;
	addr_copy6(addr.a, p->src.in6_u.u6_addr32);
	return !!bpf_map_lookup_elem(&pcc_local, &addr);
}

static __always_inline int packet_is_syn(const struct pcc_packet *p)
{
	return (p->tcp_flags & (PCC_TCP_SYN | PCC_TCP_ACK | PCC_TCP_RST | PCC_TCP_FIN)) ==
	       PCC_TCP_SYN;
}

/* IPv4 header at off -> tuple addresses and protocol, offset of the next header. */
static __always_inline int parse_ip4(
	struct __sk_buff *skb, __u32 off, struct pcc_tuple *t, struct iphdr *ip, __u32 *l4_off)
{
	if (load_net(skb, off, ip, sizeof(*ip)))
		return -PCC_R_MALFORMED;
	if (ip->version != 4 || ip->ihl < 5)
		return -PCC_R_MALFORMED;
	addr_map4(t->src, ip->saddr);
	addr_map4(t->dst, ip->daddr);
	t->proto = ip->protocol;
	*l4_off = off + ip->ihl * 4u;
	return 0;
}

/* The walk through a chain of IPv6 extension headers: what was found, and where it is now. */
struct ip6_chain {
	struct __sk_buff *skb;
	__u32 off; /* of the next header, from the network header */
	__u8 proto;
	__u8 fragmented;
	__be16 frag_off; /* of the fragment header, network order; 0 when there is none */
	__be32 frag_id;
	__u32 done; /* the walk has reached the end; else the chain is too long or cut off */
};

static __always_inline int ip6_is_extension(__u8 proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_DSTOPTS ||
	       proto == IPPROTO_FRAGMENT || proto == IPPROTO_AH;
}

/* One header, for bpf_loop(). Returns 1 at the end of the walk. */
static long walk_ip6_step(__u32 i, void *arg)
{
	struct ip6_chain *c = arg;
	__u8 h[8];

	if (load_net(c->skb, c->off, h, sizeof(h)))
		return 1;
	if (c->proto == IPPROTO_FRAGMENT) {
		c->frag_off = *(__be16 *)(h + 2);
		c->frag_id = *(__be32 *)(h + 4);
		c->fragmented = 1;
		c->off += 8;
	} else if (c->proto == IPPROTO_AH) {
		c->off += (h[1] + 2u) * 4u;
	} else {
		c->off += (h[1] + 1u) * 8u;
	}
	c->proto = h[0];
	/* Only the first fragment has the headers that follow the fragment header. */
	c->done =
		!ip6_is_extension(c->proto) || (c->fragmented && (c->frag_off & bpf_htons(0xfff8)));
	return c->done;
}

/*
 * Walks the extension headers from c->off (RFC 8200, 4), at most PCC_MAX_EXT_HEADERS of them. Not a
 * loop of C: the verifier of 6.1 accepts only conditional jumps back, and the compiler decides
 * which kind of jump it makes.
 */
static __always_inline int walk_ip6(struct ip6_chain *c)
{
	if (!ip6_is_extension(c->proto))
		return 0;
	bpf_loop(PCC_MAX_EXT_HEADERS, walk_ip6_step, c, 0);
	return c->done ? 0 : -PCC_R_MALFORMED;
}

/* Ports, TCP flags or the ICMP echo identifier at l4_off. A header that is cut off is malformed. */
static __always_inline int parse_l4(
	struct __sk_buff *skb, struct pcc_tuple *t, __u32 l4_off, __u8 *tcp_flags)
{
	__be16 ports[2];
	__u8 icmp[8];

	t->sport = 0;
	t->dport = 0;
	if (pcc_proto_has_ports(t->proto)) {
		if (load_net(skb, l4_off, ports, sizeof(ports)))
			return -PCC_R_MALFORMED;
		t->sport = ports[0];
		t->dport = ports[1];
		if (t->proto == IPPROTO_TCP && tcp_flags &&
			load_net(skb, l4_off + 13, tcp_flags, 1))
			return -PCC_R_MALFORMED;
	} else if (t->proto == IPPROTO_ICMP || t->proto == IPPROTO_ICMPV6) {
		if (load_net(skb, l4_off, icmp, sizeof(icmp)))
			return 0;
		if ((t->proto == IPPROTO_ICMP && (icmp[0] == 8 || icmp[0] == 0)) ||
			(t->proto == IPPROTO_ICMPV6 && (icmp[0] == 128 || icmp[0] == 129))) {
			t->sport = *(__be16 *)(icmp + 4);
			t->dport = t->sport;
		}
	}
	return 0;
}

/* Ports of a later fragment: those of the first fragment, if that came before. */
static __always_inline int frag_ports(struct pcc_packet *p, struct pcc_frag_key *key, __u64 now)
{
	struct pcc_frag *f = bpf_map_lookup_elem(&pcc_frags, key);

	if (!f || now - f->seen_ns > PCC_FRAG_MAX_AGE_NS)
		return -PCC_R_FRAG_UNKNOWN;
	p->tuple.sport = f->sport;
	p->tuple.dport = f->dport;
	return 0;
}

/*
 * Remembers the ports of a first fragment. Identifications are used again after a while, so an old
 * entry is overwritten.
 */
static __noinline int frag_remember(struct pcc_packet *p, struct pcc_frag_key *key, __u64 now)
{
	struct pcc_frag f = {
		.sport = p->tuple.sport,
		.dport = p->tuple.dport,
		.seen_ns = now,
	};

	return bpf_map_update_elem(&pcc_frags, key, &f, BPF_ANY);
}

static __noinline int parse_fragment(struct __sk_buff *skb, struct pcc_packet *p, __be32 id)
{
	struct pcc_frag_key key = {.id = id, .proto = p->tuple.proto};
	__u64 now = bpf_ktime_get_coarse_ns();
	int err;

	if (!skb || !p)
		return -PCC_R_MALFORMED;
	addr_copy6(key.src, p->tuple.src);
	addr_copy6(key.dst, p->tuple.dst);
	if (p->flags & PCC_P_FRAG_LATER)
		return frag_ports(p, &key, now);
	err = parse_l4(skb, &p->tuple, p->l4_off, &p->tcp_flags);
	if (!err)
		frag_remember(p, &key, now);
	return err;
}

/* Is it an ICMP error, which quotes the packet that it is about? (RFC 792, RFC 4443) */
static __always_inline int icmp_is_error(__u8 proto, __u8 type)
{
	if (proto == IPPROTO_ICMP)
		return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
	return proto == IPPROTO_ICMPV6 && type >= 1 && type <= 4;
}

/* The tuple of the packet quoted at off, reversed, into p->tuple. */
static __noinline int parse_quoted(struct __sk_buff *skb, struct pcc_packet *p)
{
	struct pcc_tuple quoted = {};
	__u32 off, l4_off;

	if (!skb || !p)
		return -PCC_R_MALFORMED;
	off = p->l4_off + 8;
	if (p->family == PCC_V4) {
		struct iphdr ip;

		if (parse_ip4(skb, off, &quoted, &ip, &l4_off))
			return -PCC_R_MALFORMED;
		if (ip.frag_off & bpf_htons(0x1fff))
			return -PCC_R_FRAG_UNKNOWN;
	} else {
		struct ip6_chain chain = {.skb = skb};
		struct ipv6hdr ip6;

		if (load_net(skb, off, &ip6, sizeof(ip6)) || ip6.version != 6)
			return -PCC_R_MALFORMED;
		addr_copy6(quoted.src, ip6.saddr.in6_u.u6_addr32);
		addr_copy6(quoted.dst, ip6.daddr.in6_u.u6_addr32);
		chain.proto = ip6.nexthdr;
		chain.off = off + sizeof(ip6);
		if (walk_ip6(&chain))
			return -PCC_R_MALFORMED;
		l4_off = chain.off;
		if (chain.frag_off & bpf_htons(0xfff8))
			return -PCC_R_FRAG_UNKNOWN;
		quoted.proto = chain.proto;
	}
	if (parse_l4(skb, &quoted, l4_off, NULL))
		return -PCC_R_MALFORMED;
	tuple_reverse(&p->tuple, &quoted);
	p->flags |= PCC_P_QUOTED;
	return 0;
}

/* Ports of whatever is not a fragment; ICMP errors follow the connection that they quote. */
static __always_inline int parse_transport(struct __sk_buff *skb, struct pcc_packet *p)
{
	__u8 type;

	if (p->tuple.proto == IPPROTO_ICMP || p->tuple.proto == IPPROTO_ICMPV6) {
		if (load_net(skb, p->l4_off, &type, 1))
			return -PCC_R_MALFORMED;
		/* Where the quotation cannot be read the error goes by its own addresses. */
		if (icmp_is_error(p->tuple.proto, type)) {
			p->flags |= PCC_P_ERROR;
			if (!parse_quoted(skb, p))
				return 0;
		}
	}
	return parse_l4(skb, &p->tuple, p->l4_off, &p->tcp_flags);
}

/*
 * Does the packet end before its ports? What follows is padding then. A length of 0 is that of a
 * packet of more than 64 KiB (BIG TCP).
 */
static __always_inline int ip_is_short(struct __sk_buff *skb, const struct iphdr *ip)
{
	__u32 need, len = bpf_ntohs(ip->tot_len);

	if (ip->frag_off & bpf_htons(0x1fff))
		return 0;
	if (!len && skb->gso_size)
		return 0;
	if (ip->protocol == IPPROTO_TCP)
		need = 14;
	else if (pcc_proto_has_ports(ip->protocol))
		need = 4;
	else
		need = ip->protocol == IPPROTO_ICMP;
	return len < ip->ihl * 4u + need;
}

static __always_inline int parse_packet4(struct __sk_buff *skb, struct pcc_packet *p)
{
	struct iphdr ip;
	int err;

	p->family = PCC_V4;
	err = parse_ip4(skb, 0, &p->tuple, &ip, &p->l4_off);
	if (err)
		return err;
	if (ip_is_short(skb, &ip))
		return -PCC_R_MALFORMED;
	p->dscp_ecn = ip.tos;
	addr_copy6(p->dst.in6_u.u6_addr32, p->tuple.dst);
	addr_copy6(p->src.in6_u.u6_addr32, p->tuple.src);
	if (ip.frag_off & bpf_htons(0x3fff)) {
		p->flags |= ip.frag_off & bpf_htons(0x1fff) ? PCC_P_FRAG_LATER : PCC_P_FRAG_FIRST;
		return parse_fragment(skb, p, bpf_htonl(bpf_ntohs(ip.id)));
	}
	return parse_transport(skb, p);
}

static __always_inline int parse_packet6(struct __sk_buff *skb, struct pcc_packet *p)
{
	struct ip6_chain chain = {.skb = skb};
	struct ipv6hdr ip6;
	int err;

	p->family = PCC_V6;
	if (load_net(skb, 0, &ip6, sizeof(ip6)) || ip6.version != 6)
		return -PCC_R_MALFORMED;
	addr_copy6(p->tuple.src, ip6.saddr.in6_u.u6_addr32);
	addr_copy6(p->tuple.dst, ip6.daddr.in6_u.u6_addr32);
	p->dst = ip6.daddr;
	p->src = ip6.saddr;
	p->dscp_ecn = ip6.priority << 4 | ip6.flow_lbl[0] >> 4;
	chain.off = sizeof(ip6);
	chain.proto = ip6.nexthdr;
	err = walk_ip6(&chain);
	if (err)
		return err;
	p->l4_off = chain.off;
	p->tuple.proto = chain.proto;
	/* An atomic fragment (RFC 6946) is a whole packet. */
	if (chain.frag_off & bpf_htons(0xfff9)) {
		p->flags |=
			chain.frag_off & bpf_htons(0xfff8) ? PCC_P_FRAG_LATER : PCC_P_FRAG_FIRST;
		return parse_fragment(skb, p, chain.frag_id);
	}
	return parse_transport(skb, p);
}

/*
 * Fills p (zeroed by the caller). Returns 0, or minus the reason for which the packet is left
 * alone.
 */
static __always_inline int parse_packet(struct __sk_buff *skb, struct pcc_packet *p)
{
	/* A tagged frame belongs to the VLAN interface above; tag 0 carries a priority only
	 * (802.1Q). */
	if (skb->vlan_present && (skb->vlan_tci & 0x0fff))
		return -PCC_R_VLAN;
	if (skb->pkt_type == PCC_PACKET_OTHERHOST)
		return -PCC_R_OTHERHOST;
	if (skb->protocol == bpf_htons(PCC_ETH_P_IP))
		return parse_packet4(skb, p);
	if (skb->protocol == bpf_htons(PCC_ETH_P_IPV6))
		return parse_packet6(skb, p);
	return -PCC_R_NOT_IP;
}

#endif
