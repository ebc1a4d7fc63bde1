/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The addresses and frames of the benchmark, read by the BPF programs (which write and check the
 * frames) and by the topology code (which configures the router for them).
 *
 * Flow number i has host i % 256, source port 1024 + i % 63997 and destination i / 63997. All three
 * together are unique up to 16 million, and no two flows to one destination share a source port, so
 * NAT never has to search for a free one.
 */
#ifndef BENCH_FRAME_H
#define BENCH_FRAME_H

#define FRAME_BYTES 64
#define FRAME_TCP_BYTES 74 /* Ethernet, IPv6, TCP */
#define FLOW_HOSTS 256u
#define FLOW_PORTS 63997u /* prime, so that host and port do not repeat together */
#define FLOW_FIRST_PORT 1024u
#define FLOW_DST_PORT 9u
#define FLOW_MAX (FLOW_HOSTS * FLOW_PORTS)

/* IPv4, host order: LAN 10.1.0.0/16, hosts 10.1.1.0 to 10.1.1.255, destinations from 198.18.0.1. */
#define V4_LAN_HOST0 0x0a010100u
#define V4_LAN_NET 0x0a010000u
#define V4_LAN_MASK 0xffff0000u
#define V4_DST0 0xc6120001u

/* IPv6: LAN fd01::/64, hosts fd01::1:0 to fd01::1:ff, destinations from 2001:db8::1. */
#define V6_LAN_WORD0 0xfd010000u
#define V6_LAN_HOST0 0x00010000u
#define V6_DST_WORD0 0x20010db8u
#define V6_DST0 1u

/* MAC addresses are 02:00:00:00:KIND:NUMBER. */
#define MAC_ROUTER_LAN 1
#define MAC_LAN 2
#define MAC_ROUTER_WAN 3
#define MAC_ISP 4

#define SINK_SLOTS 256 /* one counter per ifindex modulo this */

/* Positions in the generator's order of flows, and flows whose WAN the sink can record. */
#define GEN_ORDER_MAX 65536u
#define SINK_FLOWS_MAX 32768u

enum sink_mode {
	SINK_DROP = 0,
	SINK_REFLECT = 1,
	SINK_HANDSHAKE = 2, /* answer SYN with SYN+ACK, and that with ACK, which counts */
};

/* Sequence numbers of the two ends' SYNs. */
#define TCP_SEQ_LAN 1000u
#define TCP_SEQ_ISP 2000u

/* What path_xdp and path_tc do with a packet. */
#define PATH_MAX_WANS 64

#endif
