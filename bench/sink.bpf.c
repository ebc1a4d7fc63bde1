// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sinks: sink_isp stands on the far end of every WAN, sink_lan on the LAN host. Both count the
 * generator's frames (and nothing else) and drop them; while sink_mode is SINK_REFLECT the ISP end
 * answers each frame with its mirror image, so that conntrack sees a reply of every flow. While it
 * is SINK_HANDSHAKE both ends open the TCP connection that a SYN asks for, and count its last ACK.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "frame.h"

volatile __u32 sink_mode = SINK_DROP; /* written by the benchmark between runs */

/* The ifindex by which a flow came last, by the flow's number, which its source port tells. */
volatile __u32 sink_record = 0;
__u32 sink_flow_ifindex[SINK_FLOWS_MAX];

/* Frames that arrived, by ifindex. The programs write, the benchmark reads and clears. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SINK_SLOTS);
	__type(key, __u32);
	__type(value, __u64);
} isp_frames SEC(".maps"), lan_frames SEC(".maps");

/* Frames that arrived at an ISP with a LAN source address, seen only while reflecting. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} isp_unmasked SEC(".maps");

static __always_inline void count(void *map, __u32 slot)
{
	__u64 *value = bpf_map_lookup_elem(map, &slot);

	if (value)
		(*value)++;
}

#define SWAP(a, b)                                                                                 \
	do {                                                                                       \
		__typeof__(a) tmp_ = (a);                                                          \
		(a) = (b);                                                                         \
		(b) = tmp_;                                                                        \
	} while (0)

/*
 * Sent back with a redirect to the same device: veth wakes its peer after XDP_TX only if the peer
 * has an XDP program, which the router need not have.
 */
static __always_inline int reflect(struct ethhdr *eth, __u32 ifindex)
{
	struct ipv6hdr *ip6 = (void *)(eth + 1);
	struct iphdr *ip4 = (void *)(eth + 1);
	struct udphdr *udp;
	__u8 mac[ETH_ALEN];

	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		udp = (void *)(ip4 + 1);
		if ((bpf_ntohl(ip4->saddr) & V4_LAN_MASK) == V4_LAN_NET)
			count(&isp_unmasked, 0);
		SWAP(ip4->saddr, ip4->daddr);
	} else {
		udp = (void *)(ip6 + 1);
		if (ip6->saddr.in6_u.u6_addr32[0] == bpf_htonl(V6_LAN_WORD0))
			count(&isp_unmasked, 0);
		SWAP(ip6->saddr, ip6->daddr);
	}
	SWAP(udp->source, udp->dest);
	__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
	return bpf_redirect(ifindex, 0);
}

/* The checksum of a TCP header without data whose own is 0 now. pseudo: of addresses and protocol.
 */
static __always_inline __sum16 tcp_csum(struct tcphdr *tcp, __wsum pseudo)
{
	__u64 sum = (__u32)bpf_csum_diff(NULL, 0, (__be32 *)tcp, sizeof(*tcp), pseudo);

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__sum16)~sum;
}

/* Addresses of the frame swapped; returns the sum for the checksum of what follows. */
static __always_inline __wsum turn_ip(struct ethhdr *eth)
{
	__be32 rest = bpf_htonl(IPPROTO_TCP + sizeof(struct tcphdr));
	struct ipv6hdr *ip6 = (void *)(eth + 1);
	struct iphdr *ip4 = (void *)(eth + 1);

	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		SWAP(ip4->saddr, ip4->daddr);
		return bpf_csum_diff(NULL, 0, &ip4->saddr, 8, bpf_csum_diff(NULL, 0, &rest, 4, 0));
	}
	SWAP(ip6->saddr, ip6->daddr);
	return bpf_csum_diff(
		NULL, 0, (__be32 *)&ip6->saddr, 32, bpf_csum_diff(NULL, 0, &rest, 4, 0));
}

/* The TCP header of a frame, or NULL. */
static __always_inline struct tcphdr *tcp_of(struct ethhdr *eth, void *end)
{
	struct ipv6hdr *ip6 = (void *)(eth + 1);
	struct iphdr *ip4 = (void *)(eth + 1);

	if ((void *)(ip4 + 1) + sizeof(struct tcphdr) > end)
		return NULL;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		return ip4->protocol == IPPROTO_TCP ? (void *)(ip4 + 1) : NULL;
	if ((void *)(ip6 + 1) + sizeof(struct tcphdr) > end ||
		eth->h_proto != bpf_htons(ETH_P_IPV6))
		return NULL;
	return ip6->nexthdr == IPPROTO_TCP ? (void *)(ip6 + 1) : NULL;
}

/* The next packet of the handshake, or the count of its last one. */
static __always_inline int handshake(
	struct ethhdr *eth, struct tcphdr *tcp, __u32 ifindex, void *counter)
{
	__u16 *words = (void *)tcp, flags = bpf_ntohs(words[6]) & 0x3f;
	__u8 mac[ETH_ALEN];
	__be32 seq;

	if (flags != 0x02 && flags != 0x12) { /* neither SYN nor SYN+ACK */
		count(counter, ifindex % SINK_SLOTS);
		return XDP_DROP;
	}
	seq = flags == 0x02 ? bpf_htonl(TCP_SEQ_ISP) : tcp->ack_seq;
	tcp->ack_seq = bpf_htonl(bpf_ntohl(tcp->seq) + 1);
	tcp->seq = seq;
	words[6] = bpf_htons(flags == 0x02 ? 0x5012 : 0x5010);
	SWAP(tcp->source, tcp->dest);
	tcp->check = 0;
	tcp->check = tcp_csum(tcp, turn_ip(eth));
	__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
	return bpf_redirect(ifindex, 0);
}

static __always_inline int is_ours(struct ethhdr *eth)
{
	const struct ipv6hdr *ip6 = (const void *)(eth + 1);
	const struct iphdr *ip4 = (const void *)(eth + 1);

	if (eth->h_proto == bpf_htons(ETH_P_IP))
		return ip4->protocol == IPPROTO_UDP;
	return eth->h_proto == bpf_htons(ETH_P_IPV6) && ip6->nexthdr == IPPROTO_UDP;
}

static __always_inline void record(const struct ethhdr *eth, __u32 ifindex)
{
	const struct ipv6hdr *ip6 = (const void *)(eth + 1);
	const struct iphdr *ip4 = (const void *)(eth + 1);
	const struct udphdr *udp = eth->h_proto == bpf_htons(ETH_P_IP) ? (const void *)(ip4 + 1)
								       : (const void *)(ip6 + 1);
	__u32 flow = bpf_ntohs(udp->source) - FLOW_FIRST_PORT;

	if (flow < SINK_FLOWS_MAX)
		sink_flow_ifindex[flow] = ifindex;
}

SEC("xdp")
int sink_isp(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct tcphdr *tcp;

	if (sink_mode == SINK_HANDSHAKE) {
		tcp = tcp_of(data, end);
		return tcp ? handshake(data, tcp, ctx->ingress_ifindex, &isp_frames) : XDP_DROP;
	}
	if (data + FRAME_BYTES > end || !is_ours(data))
		return XDP_DROP;
	count(&isp_frames, ctx->ingress_ifindex % SINK_SLOTS);
	if (sink_record)
		record(data, ctx->ingress_ifindex);
	return sink_mode == SINK_REFLECT ? reflect(data, ctx->ingress_ifindex) : XDP_DROP;
}

SEC("xdp")
int sink_lan(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct tcphdr *tcp;

	if (sink_mode == SINK_HANDSHAKE) {
		tcp = tcp_of(data, end);
		return tcp ? handshake(data, tcp, ctx->ingress_ifindex, &lan_frames) : XDP_DROP;
	}
	if (data + FRAME_BYTES > end || !is_ours(data))
		return XDP_DROP;
	count(&lan_frames, ctx->ingress_ifindex % SINK_SLOTS);
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
