/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fast path: for two seconds, the lease, it does with the packets of a connection what the
 * kernel did with an earlier one. This is the part that is the same in tc and XDP.
 */
#ifndef PCC_FLOW_BPF_H
#define PCC_FLOW_BPF_H

#include "fast_parse.bpf.h"
#include "lease.bpf.h"

/* The key in pcc_conns of the connection to which the entry belongs. */
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

/* Is the entry for packets with these addresses? (The key of IPv6 has only a digest of them.) */
static __always_inline int flow_is_from(
	const struct pcc_flow *flow, const __be32 src[4], const __be32 dst[4])
{
	const struct pcc_tuple *in = &flow->in;

	return in->src[0] == src[0] && in->src[1] == src[1] && in->src[2] == src[2] &&
	       in->src[3] == src[3] && in->dst[0] == dst[0] && in->dst[1] == dst[1] &&
	       in->dst[2] == dst[2] && in->dst[3] == dst[3];
}

/* Adds to the connection what the fast path has counted since the last call. */
static __always_inline void flow_fold(struct pcc_flow *flow, struct pcc_conn *conn)
{
	__u64 sum = *(volatile __u64 *)&flow->counted + *(volatile __u64 *)&flow->counted_others;
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
 * Ends an entry. It is deleted by the next packet of the connection, because another CPU may still
 * be counting in it; without such a packet the LRU evicts it in time.
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

/*
 * Looks the packet up. NULL: it goes to the kernel. len is the length that has to fit the egress's
 * MTU, from the IP header on.
 */
static __always_inline struct pcc_flow *flow_find(struct fast_packet *f, void *ctx, enum hook hook,
	__u32 ifindex, const struct pcc_meta *meta, __u32 len)
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
	if (len <= flow->mtu &&
		flow_valid(flow, meta, ctx, hook, bpf_ktime_get_coarse_ns(), f->late_ok))
		return flow;
	if (flow->flags & PCC_FLOW_ENDED)
		flow_end(&f->key, flow);
	return NULL;
}

/* Counts a packet of the fast path in all counters in which the kernel's way would count it. */
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
		__sync_fetch_and_add(&flow->counted_others, one);
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

#endif
