/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fast path: what the kernel was seen to do with a connection is repeated for a lease of two
 * seconds. This is the part that does not care whether tc or XDP has the packet; the program
 * includes generation_tc.bpf.h or generation_xdp.bpf.h before it.
 */
#ifndef PCC_FLOW_BPF_H
#define PCC_FLOW_BPF_H

#include "tuple.bpf.h"

#define PCC_LEASE_NS (2ull * 1000 * 1000 * 1000)
#define PCC_LEASE_UNITS ((__s32)(PCC_LEASE_NS >> PCC_LEASE_SHIFT))
#define PCC_RENEW_NS (100ull * 1000 * 1000)

/*
 * Renewals that a CPU sends to the kernel in a slice of time: about 50,000 a second. Where more
 * leases than that end, the others are stretched, to 20 s in all, while nothing in the kernel's
 * tables and rules has changed.
 */
#define PCC_SLICE_SHIFT 24 /* 2^24 ns, 16.8 ms */
#define PCC_RENEWALS_PER_SLICE 839u
#define PCC_STRETCH_UNITS (9 * PCC_LEASE_UNITS)

struct renewals {
	__u32 slice;
	__u32 count;
};

/* Written and read by the ingress programs. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct renewals);
} pcc_renewals SEC(".maps");

#define PCC_TCP_ENDS (PCC_TCP_FIN | PCC_TCP_RST)

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
	__u8 grace;	  /* may use a lease that is being renewed */
};

/*
 * Ports of a plain TCP or UDP packet. room is what the IP header leaves for it. What conntrack
 * calls invalid (nf_conntrack_proto_tcp.c, tcp_error(); nf_conntrack_proto_udp.c, udp_error()) is
 * not plain.
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
 * 0 for a packet that may take the fast path: plain header, no fragment, TTL to spare, all of it
 * there. avail is the number of bytes from the IP header on. An aggregate of GRO (f->gso) may be
 * longer than its header can say.
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

/* What the two directions have in common: the connection's key in pcc_conns. */
static __always_inline void flow_conn_key(struct pcc_tuple *to, const struct pcc_flow *flow)
{
	if (!(flow->flags & PCC_FLOW_TO_LAN)) {
		*to = flow->in;
		return;
	}
	addr_copy6(to->src, flow->dst);
	addr_copy6(to->dst, flow->src);
	to->sport = flow->dport;
	to->dport = flow->sport;
	to->proto = flow->in.proto;
	to->pad[0] = to->pad[1] = to->pad[2] = 0;
}

/* Does the entry belong to packets with these addresses? (A digest in the key may not tell.) */
static __always_inline int flow_is_from(
	const struct pcc_flow *flow, const __be32 src[4], const __be32 dst[4])
{
	const struct pcc_tuple *in = &flow->in;

	return in->src[0] == src[0] && in->src[1] == src[1] && in->src[2] == src[2] &&
	       in->src[3] == src[3] && in->dst[0] == dst[0] && in->dst[1] == dst[1] &&
	       in->dst[2] == dst[2] && in->dst[3] == dst[3];
}

/* Adds what the fast path has counted since the last time to the connection. */
static __always_inline void flow_fold(struct pcc_flow *flow, struct pcc_conn *conn)
{
	__u64 sum = *(volatile __u64 *)&flow->counted + *(volatile __u64 *)&flow->counted_else;
	__u64 packets, bytes;

	pcc_flow_uncounted(sum, __sync_lock_test_and_set(&flow->folded, sum), &packets, &bytes);
	if (flow->flags & PCC_FLOW_TO_LAN) {
		__sync_fetch_and_add(&conn->rx_packets, packets);
		__sync_fetch_and_add(&conn->rx_bytes, bytes);
	} else {
		__sync_fetch_and_add(&conn->tx_packets, packets);
		__sync_fetch_and_add(&conn->tx_bytes, bytes);
	}
}

/*
 * Ends an entry. It stays until the next packet of the connection, because another CPU may be about
 * to count in it; where none comes it is the first that the LRU gives up.
 */
static __always_inline void flow_end(const struct pcc_flow_key *key, struct pcc_flow *flow)
{
	struct pcc_tuple conn_key;
	struct pcc_conn *conn;

	flow_conn_key(&conn_key, flow);
	conn = bpf_map_lookup_elem(&pcc_conns, &conn_key);
	if (conn)
		flow_fold(flow, conn);
	if (flow->flags & PCC_FLOW_ENDED) {
		bpf_map_delete_elem(&pcc_flows, key);
		return;
	}
	*(volatile __u32 *)&flow->epoch = 0;
	flow->flags |= PCC_FLOW_ENDED;
}

/* FIN or RST: both directions go back to the kernel for good. */
static __noinline int flow_forget(const struct pcc_flow_key *key, struct pcc_flow *flow)
{
	struct pcc_flow_key back = {};
	struct pcc_flow *other;

	if (!key || !flow)
		return 0;
	if (!(flow->flags & PCC_FLOW_ENDED))
		count_reason(PCC_R_FAST_FORGOTTEN);
	pcc_flow_key_set(&back, flow->dst, flow->src, flow->back_ifindex, flow->flags & PCC_FLOW_V6,
		flow->in.proto);
	back.sport = flow->dport;
	back.dport = flow->sport;
	other = bpf_map_lookup_elem(&pcc_flows, &back);
	if (other && flow_is_from(other, flow->dst, flow->src))
		flow_end(&back, other);
	flow_end(key, flow);
	return 0;
}

/* May one more packet go to the kernel to renew a lease? */
static __always_inline int renewal_take(__u64 now)
{
	__u32 zero = 0, slice = now >> PCC_SLICE_SHIFT;
	struct renewals *r = bpf_map_lookup_elem(&pcc_renewals, &zero);

	if (!r)
		return 1;
	if ((__s32)(slice - r->slice) > 0) {
		r->slice = slice;
		r->count = 0;
	}
	return r->count++ < PCC_RENEWALS_PER_SLICE;
}

/*
 * May a lease that has ended be used on? Where more connections are busy than the kernel's way can
 * carry a packet of every two seconds, insisting on it would leave all of them to that way.
 */
static __always_inline int flow_stretches(struct pcc_flow *flow, void *ctx, __s32 late, __u64 now)
{
	if (!PCC_HAVE_GENERATION() || late >= PCC_STRETCH_UNITS || renewal_take(now))
		return 0;
	return flow->generation && flow->generation == ctx_generation(ctx);
}

/*
 * Is the lease good? When it has ended one packet is let through to the kernel; while that is under
 * way the others may go on for at most 100 ms.
 */
static __always_inline int flow_valid(
	struct pcc_flow *flow, const struct pcc_meta *meta, void *ctx, __u64 now, __u32 grace)
{
	__s32 late = (__u32)(now >> PCC_LEASE_SHIFT) - flow->lease;
	__u64 renew;

	if (flow->epoch != meta->epoch)
		return 0;
	if (late < 0)
		return 1;
	if (!grace)
		return 0;
	renew = flow->renew_ns;
	if (!renew) {
		if (flow_stretches(flow, ctx, late, now))
			return 1;
		if (!__sync_val_compare_and_swap(&flow->renew_ns, 0, now)) {
			count_reason(PCC_R_FAST_RENEW);
			return 0;
		}
		return 1;
	}
	return now < renew + PCC_RENEW_NS && late < PCC_LEASE_UNITS;
}

/* May there be a good lease under this key? 0: surely not. */
static __always_inline int flow_may_be(const struct pcc_flow_key *key)
{
	__u32 zero = 0, place = pcc_leased_place(key);
	struct pcc_leased *leased = bpf_map_lookup_elem(&pcc_leased, &zero);

	return leased &&
	       (leased->at[place >> 5][0] | leased->at[place >> 5][1]) & 1u << (place & 31);
}

/*
 * Looks the packet up. NULL: it goes to the kernel. len is what has to fit the egress's MTU, from
 * the IP header on.
 */
static __always_inline struct pcc_flow *flow_find(
	struct fast_packet *f, void *ctx, __u32 ifindex, const struct pcc_meta *meta, __u32 len)
{
	struct pcc_flow *flow;

	if (f->tcp_flags & PCC_TCP_SYN)
		return NULL;
	f->key.where |= pcc_flow_where(ifindex, 0, 0);
	if (!(f->tcp_flags & PCC_TCP_ENDS) && !flow_may_be(&f->key))
		return NULL;
	flow = bpf_map_lookup_elem(&pcc_flows, &f->key);
	if (!flow || (f->ip6 && !flow_is_from(flow, f->ip6->saddr.in6_u.u6_addr32,
					f->ip6->daddr.in6_u.u6_addr32)))
		return NULL;
	if (f->tcp_flags & PCC_TCP_ENDS) {
		flow_forget(&f->key, flow);
		return NULL;
	}
	if (len <= flow->mtu && flow_valid(flow, meta, ctx, bpf_ktime_get_coarse_ns(), f->grace))
		return flow;
	if (flow->flags & PCC_FLOW_ENDED)
		flow_end(&f->key, flow);
	return NULL;
}

/* Counts a packet of the fast path wherever it counts on the kernel's way. */
static __always_inline void flow_count(
	struct pcc_flow *flow, const struct pcc_meta *meta, __u32 bytes)
{
	__u32 key = (flow->flags & PCC_FLOW_V6 ? PCC_V6 : PCC_V4) * meta->bucket_stride;
	struct pcc_bucket_stats *b = NULL;
	struct pcc_wan_stats *w;
	__u64 one = 1ull << PCC_FLOW_BYTES_BITS | bytes;
	__u32 wan_id = flow->wan_id;

	if (flow->cpu == (__u16)bpf_get_smp_processor_id())
		flow->counted += one;
	else
		__sync_fetch_and_add(&flow->counted_else, one);
	if (flow->bucket < meta->bucket_stride) {
		key += flow->bucket;
		b = bpf_map_lookup_elem(&pcc_stats, &key);
	}
	w = bpf_map_lookup_elem(&pcc_wan_stats, &wan_id);
	if (w)
		w->fastpath_packets += 1;
	if (flow->flags & PCC_FLOW_TO_LAN) {
		if (b) {
			b->rx_packets += 1;
			b->rx_bytes += bytes;
		}
		if (w) {
			w->rx_packets += 1;
			w->rx_bytes += bytes;
		}
	} else {
		if (b) {
			b->tx_packets += 1;
			b->tx_bytes += bytes;
		}
		if (w) {
			w->tx_packets += 1;
			w->tx_bytes += bytes;
		}
	}
}

/* Both MACs of the frame that leaves, which stand beside each other here as there. */
static __always_inline void rewrite_macs(void *eth, const struct pcc_flow *flow)
{
	_Static_assert(__builtin_offsetof(struct pcc_flow, smac) ==
			       __builtin_offsetof(struct pcc_flow, dmac) + 6,
		"a frame's MACs in its order");
	*(__u64 *)eth = *(__u64 *)flow->dmac;
	*(__u32 *)(eth + 8) = *(__u32 *)(flow->dmac + 8);
}

/* Ones' complement arithmetic (RFC 1624). */
static __always_inline __u16 csum_fold32(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static __always_inline __sum16 csum_apply(__sum16 check, __u32 diff)
{
	return ~csum_fold32((__u16)~check + csum_fold32(diff));
}

/* New addresses and TTL into an IPv4 header. One less TTL is one less in the first byte of its
 * word. */
static __always_inline void rewrite_ip4(struct iphdr *ip, const struct pcc_flow *flow)
{
	ip->check = csum_apply(ip->check, (__u32)flow->addr_diff + bpf_htons(0xfeff));
	ip->ttl -= 1;
	ip->saddr = flow->src4;
	ip->daddr = flow->dst4;
}

static __always_inline void rewrite_ip6(struct ipv6hdr *ip6, const struct pcc_flow *flow)
{
	ip6->hop_limit -= 1;
	addr_copy6(ip6->saddr.in6_u.u6_addr32, flow->src);
	addr_copy6(ip6->daddr.in6_u.u6_addr32, flow->dst);
}

#endif
