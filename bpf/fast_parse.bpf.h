/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fast path's own parser: a few comparisons for a plain packet; every other packet goes to the
 * kernel.
 */
#ifndef PCC_FAST_PARSE_BPF_H
#define PCC_FAST_PARSE_BPF_H

#include "tuple.bpf.h"

/* A packet that the fast path may treat: the headers are where a plain packet has them. */
struct fast_packet {
	struct pcc_flow_key key;
	struct ipv6hdr *ip6; /* NULL: IPv4. The key has only a digest of these addresses */
	__u32 l3_len;	     /* from the IP header on, as the header says */
	__u8 v6;
	__u8 proto;
	__u8 tcp_flags;
	__u8 tcp_hdr_len; /* bytes; 8 for UDP */
	__u8 gso;	  /* an aggregate */
	__u8 late_ok;	  /* may use a lease that is late (lease.bpf.h) */
};

/*
 * Reads the ports of a plain TCP or UDP packet. room is the number of bytes after the IP header.
 * Packets that conntrack calls invalid (nf_conntrack_proto_tcp.c, tcp_error();
 * nf_conntrack_proto_udp.c, udp_error()) are not plain.
 */
static __always_inline int fast_parse_l4(void *l4, void *end, __u32 room, struct fast_packet *f)
{
	if (f->proto == IPPROTO_TCP) {
		struct tcphdr *tcp = l4;

		if ((void *)(tcp + 1) > end)
			return -1;
		f->key.sport = tcp->source;
		f->key.dport = tcp->dest;
		f->tcp_flags = ((__u8 *)tcp)[13];
		f->tcp_hdr_len = tcp->doff * 4;
		return f->tcp_hdr_len < sizeof(*tcp) || f->tcp_hdr_len > room ||
				       !(f->tcp_flags & (PCC_TCP_ACK | PCC_TCP_RST))
			       ? -1
			       : 0;
	}
	if (f->proto == IPPROTO_UDP) {
		struct udphdr *udp = l4;

		if ((void *)(udp + 1) > end)
			return -1;
		f->key.sport = udp->source;
		f->key.dport = udp->dest;
		f->tcp_hdr_len = sizeof(*udp);
		return room < sizeof(*udp) || (!f->gso && (bpf_ntohs(udp->len) < sizeof(*udp) ||
								  bpf_ntohs(udp->len) > room))
			       ? -1
			       : 0;
	}
	return -1;
}

/*
 * Returns 0 for a packet that may take the fast path: a plain header, no fragment, a TTL above 1,
 * and complete. avail is the number of bytes from the IP header on. An aggregate of GRO (f->gso)
 * may be longer than the length field of its header can say.
 */
static __always_inline int fast_parse(
	void *l3, void *end, __u32 avail, __be16 protocol, struct fast_packet *f)
{
	if (protocol == bpf_htons(PCC_ETH_P_IP)) {
		struct iphdr *ip = l3;

		if ((void *)(ip + 1) > end || *(__u8 *)ip != 0x45 ||
			(ip->frag_off & bpf_htons(0x3fff)) || ip->ttl <= 1)
			return -1;
		f->proto = ip->protocol;
		f->key.src = ip->saddr;
		f->key.dst = ip->daddr;
		f->key.where = pcc_flow_where(0, 0, f->proto);
		f->l3_len = f->gso ? avail : bpf_ntohs(ip->tot_len);
		if (f->l3_len > avail || f->l3_len < sizeof(*ip))
			return -1;
		return fast_parse_l4(ip + 1, end, f->l3_len - sizeof(*ip), f);
	}
	if (protocol == bpf_htons(PCC_ETH_P_IPV6)) {
		struct ipv6hdr *ip6 = l3;

		if ((void *)(ip6 + 1) > end || ip6->version != 6 || ip6->hop_limit <= 1)
			return -1;
		f->ip6 = ip6;
		f->proto = ip6->nexthdr;
		pcc_flow_key_set(&f->key, ip6->saddr.in6_u.u6_addr32, ip6->daddr.in6_u.u6_addr32, 0,
			1, f->proto);
		f->l3_len = f->gso ? avail : sizeof(*ip6) + bpf_ntohs(ip6->payload_len);
		f->v6 = 1;
		if (f->l3_len > avail || f->l3_len < sizeof(*ip6))
			return -1;
		return fast_parse_l4(ip6 + 1, end, f->l3_len - sizeof(*ip6), f);
	}
	return -1;
}

#endif
