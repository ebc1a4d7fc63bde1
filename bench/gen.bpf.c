// SPDX-License-Identifier: GPL-2.0-only
/*
 * Generator: run with BPF_F_TEST_XDP_LIVE_FRAMES on the LAN host's end of the wire. Every header
 * field of every frame is written each time, because the kernel recycles the pages together with
 * what the router has made of them.
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

/* Written by the benchmark between runs; only one CPU generates. */
volatile __u32 gen_family = 4;
volatile __u32 gen_spread = 0; /* each flow to a destination of its own */
volatile __u32 gen_tcp = 0;    /* SYN instead of UDP */
volatile __u32 gen_first = 0;  /* positions gen_first .. gen_end - 1, in a cycle */
volatile __u32 gen_end = 1;
volatile __u32 gen_next = 0;
volatile __u32 gen_ordered = 0; /* not 0: a position is one in gen_order; else it is the flow */
__u32 gen_order[GEN_ORDER_MAX];

static __always_inline __sum16 csum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__sum16)~sum;
}

static __always_inline __u32 csum_word(__u32 word)
{
	return (word & 0xffff) + (word >> 16);
}

static __always_inline __u32 destination(__u32 flow)
{
	return gen_spread ? flow : flow / FLOW_PORTS;
}

static __always_inline void write_eth(struct ethhdr *eth, __be16 proto)
{
	const __u8 dst[ETH_ALEN] = {2, 0, 0, 0, MAC_ROUTER_LAN, 0};
	const __u8 src[ETH_ALEN] = {2, 0, 0, 0, MAC_LAN, 0};

	__builtin_memcpy(eth->h_dest, dst, ETH_ALEN);
	__builtin_memcpy(eth->h_source, src, ETH_ALEN);
	eth->h_proto = proto;
}

/* pseudo: sum over the addresses in memory order. The payload is all zero. */
static __always_inline void write_udp(struct udphdr *udp, __u16 length, __u32 flow, __u32 pseudo)
{
	__sum16 check;

	udp->source = bpf_htons(FLOW_FIRST_PORT + flow % FLOW_PORTS);
	udp->dest = bpf_htons(FLOW_DST_PORT);
	udp->len = bpf_htons(length);
	check = csum_fold(
		pseudo + bpf_htons(IPPROTO_UDP) + udp->len + udp->source + udp->dest + udp->len);
	udp->check = check ? check : 0xffff;
}

static __always_inline void write_syn(struct tcphdr *tcp, __u32 flow, __u32 pseudo)
{
	__u16 *words = (void *)tcp;

	tcp->source = bpf_htons(FLOW_FIRST_PORT + flow % FLOW_PORTS);
	tcp->dest = bpf_htons(FLOW_DST_PORT);
	tcp->seq = bpf_htonl(TCP_SEQ_LAN);
	tcp->ack_seq = 0;
	words[6] = bpf_htons(0x5002); /* 20 bytes, SYN */
	tcp->window = bpf_htons(65535);
	tcp->check = 0;
	tcp->urg_ptr = 0;
	tcp->check =
		csum_fold(pseudo + bpf_htons(IPPROTO_TCP) + bpf_htons(sizeof(*tcp)) + tcp->source +
			  tcp->dest + csum_word(tcp->seq) + words[6] + tcp->window);
}

static __always_inline void write_v4(struct ethhdr *eth, __u32 flow, __u32 tcp)
{
	const __u16 length =
		tcp ? sizeof(struct iphdr) + sizeof(struct tcphdr) : FRAME_BYTES - sizeof(*eth);
	const __u8 proto = tcp ? IPPROTO_TCP : IPPROTO_UDP;
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);
	__u32 addresses;

	write_eth(eth, bpf_htons(ETH_P_IP));
	*(__be16 *)ip = bpf_htons(0x4500);
	ip->tot_len = bpf_htons(length);
	ip->id = 0;
	ip->frag_off = 0;
	ip->ttl = 64;
	ip->protocol = proto;
	ip->saddr = bpf_htonl(V4_LAN_HOST0 + flow % FLOW_HOSTS);
	ip->daddr = bpf_htonl(V4_DST0 + destination(flow));
	addresses = csum_word(ip->saddr) + csum_word(ip->daddr);
	ip->check = csum_fold(
		addresses + bpf_htons(0x4500) + ip->tot_len + bpf_htons((64 << 8) | proto));
	if (tcp) {
		write_syn((void *)(ip + 1), flow, addresses);
		return;
	}
	__builtin_memset(udp + 1, 0, FRAME_BYTES - sizeof(*eth) - sizeof(*ip) - sizeof(*udp));
	write_udp(udp, length - sizeof(*ip), flow, addresses);
}

static __always_inline void write_v6(struct ethhdr *eth, __u32 flow, __u32 tcp)
{
	const __u16 length =
		tcp ? sizeof(struct tcphdr) : FRAME_BYTES - sizeof(*eth) - sizeof(struct ipv6hdr);
	__u32 addresses;
	struct ipv6hdr *ip = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);
	__be32 *src = ip->saddr.in6_u.u6_addr32, *dst = ip->daddr.in6_u.u6_addr32;

	write_eth(eth, bpf_htons(ETH_P_IPV6));
	*(__be32 *)ip = bpf_htonl(0x60000000);
	ip->payload_len = bpf_htons(length);
	ip->nexthdr = tcp ? IPPROTO_TCP : IPPROTO_UDP;
	ip->hop_limit = 64;
	src[0] = bpf_htonl(V6_LAN_WORD0);
	src[1] = 0;
	src[2] = 0;
	src[3] = bpf_htonl(V6_LAN_HOST0 + flow % FLOW_HOSTS);
	dst[0] = bpf_htonl(V6_DST_WORD0);
	dst[1] = 0;
	dst[2] = 0;
	dst[3] = bpf_htonl(V6_DST0 + destination(flow));
	addresses = csum_word(src[0]) + csum_word(src[3]) + csum_word(dst[0]) + csum_word(dst[3]);
	if (tcp) {
		write_syn((void *)(ip + 1), flow, addresses);
		return;
	}
	*(__u16 *)(udp + 1) = 0;
	write_udp(udp, length, flow, addresses);
}

SEC("xdp")
int gen(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 position = gen_next, flow = position;

	if (data + FRAME_BYTES > end)
		return XDP_DROP; /* counted as lost */
	gen_next = position + 1 < gen_end ? position + 1 : gen_first;
	if (gen_ordered)
		flow = gen_order[position % GEN_ORDER_MAX];
	if (gen_tcp) {
		if (data + FRAME_TCP_BYTES > end)
			return XDP_DROP;
		if (gen_family == 4)
			write_v4(data, flow, 1);
		else
			write_v6(data, flow, 1);
		return XDP_TX;
	}
	if (gen_family == 4)
		write_v4(data, flow, 0);
	else
		write_v6(data, flow, 0);
	return XDP_TX;
}

char LICENSE[] SEC("license") = "GPL";
