/* SPDX-License-Identifier: GPL-2.0-only */
/* Counters. A counter that cannot be found never changes a verdict. */
#ifndef PCC_STATS_BPF_H
#define PCC_STATS_BPF_H

#include "maps.bpf.h"

/* In place of a reason: there is nothing to count, or it has been counted already. */
#define PCC_R_NONE (-1)

static __always_inline void count_reason(__u32 reason)
{
	__u64 *n = bpf_map_lookup_elem(&pcc_counters, &reason);

	if (n)
		*n += 1;
}

static __always_inline struct pcc_bucket_stats *bucket_stats(
	const struct pcc_meta *meta, __u32 family, __u32 bucket)
{
	__u32 key = family * meta->bucket_stride + bucket;

	if (bucket >= meta->bucket_stride)
		return NULL;
	return bpf_map_lookup_elem(&pcc_stats, &key);
}

static __always_inline void count_bucket_tx(
	const struct pcc_meta *meta, __u32 family, __u32 bucket, __u32 bytes)
{
	struct pcc_bucket_stats *s = bucket_stats(meta, family, bucket);

	if (s) {
		s->tx_packets += 1;
		s->tx_bytes += bytes;
	}
}

static __always_inline void count_bucket_rx(
	const struct pcc_meta *meta, __u32 family, __u32 bucket, __u32 bytes)
{
	struct pcc_bucket_stats *s = bucket_stats(meta, family, bucket);

	if (s) {
		s->rx_packets += 1;
		s->rx_bytes += bytes;
	}
}

static __always_inline void count_wan_tx(__u32 wan_id, __u32 bytes)
{
	struct pcc_wan_stats *s = bpf_map_lookup_elem(&pcc_wan_stats, &wan_id);

	if (s) {
		s->tx_packets += 1;
		s->tx_bytes += bytes;
	}
}

/*
 * Counts a packet from the LAN. The WAN is counted here only if no program at its egress does that.
 */
static __always_inline void count_tx(
	const struct pcc_meta *meta, __u32 wan_id, __u32 family, __u32 bucket, __u32 bytes)
{
	count_bucket_tx(meta, family, bucket, bytes);
	if (meta->flags & PCC_META_NO_WAN_OUT)
		count_wan_tx(wan_id, bytes);
}

static __always_inline void count_wan_rx(__u32 wan_id, __u32 bytes)
{
	struct pcc_wan_stats *s = bpf_map_lookup_elem(&pcc_wan_stats, &wan_id);

	if (s) {
		s->rx_packets += 1;
		s->rx_bytes += bytes;
	}
}

static __always_inline void count_wan_error(__u32 wan_id)
{
	struct pcc_wan_stats *s = bpf_map_lookup_elem(&pcc_wan_stats, &wan_id);

	if (s)
		s->rx_errors += 1;
}

static __always_inline void count_syn_sent(__u32 wan_id)
{
	struct pcc_wan_stats *s = bpf_map_lookup_elem(&pcc_wan_stats, &wan_id);

	if (s)
		s->syn_sent += 1;
}

static __always_inline void count_syn_answered(__u32 wan_id, __u64 rtt_ns)
{
	struct pcc_wan_stats *s = bpf_map_lookup_elem(&pcc_wan_stats, &wan_id);

	if (s) {
		s->syn_answered += 1;
		s->rtt_sum_us += rtt_ns / 1000;
	}
}

static __always_inline void count_new(
	const struct pcc_meta *meta, __u32 wan_id, __u32 family, __u32 bucket)
{
	struct pcc_wan_stats *w = bpf_map_lookup_elem(&pcc_wan_stats, &wan_id);
	struct pcc_bucket_stats *b = bucket_stats(meta, family, bucket);

	if (w)
		w->new_connections += 1;
	if (b)
		b->new_connections += 1;
}

/* Moves the count of a new connection from WAN from to WAN to. */
static __always_inline void count_new_moved(
	const struct pcc_meta *meta, __u32 from, __u32 to, __u32 family, __u32 bucket)
{
	struct pcc_wan_stats *w = bpf_map_lookup_elem(&pcc_wan_stats, &from);
	struct pcc_bucket_stats *b = bucket_stats(meta, family, bucket);

	/*
	 * Another CPU may have counted the connection: each CPU has counters of its own, and only
	 * their sum is used.
	 */
	if (w)
		w->new_connections -= 1;
	if (b)
		b->new_connections -= 1;
	count_new(meta, to, family, PCC_NO_BUCKET);
}

#endif
