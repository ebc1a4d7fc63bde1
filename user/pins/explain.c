// SPDX-License-Identifier: GPL-2.0-only
/* Asks the data plane what it would do with a packet, by test-running a program. */
#include "pins/dataplane.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <string.h>

#include "base/address.h"

/*
 * Builds a packet with this tuple: Ethernet, IP, and as much of the next header as the parser
 * reads.
 */
static size_t explain_packet(
	const struct pcc_tuple *t, const uint8_t mac[6], uint8_t *buf, size_t len)
{
	bool v4 = pcc_addr_is_v4(t->src);
	size_t l3 = ETH_HLEN, l4 = l3 + (v4 ? sizeof(struct iphdr) : sizeof(struct ip6_hdr));
	struct ethhdr eth = {.h_proto = htons(v4 ? ETH_P_IP : ETH_P_IPV6)};

	memset(buf, 0, len);
	memcpy(eth.h_dest, mac, ETH_ALEN);
	memcpy(buf, &eth, sizeof(eth));
	if (v4) {
		struct iphdr ip = {.version = 4,
			.ihl = 5,
			.ttl = 64,
			.protocol = t->proto,
			.tot_len = htons(len - ETH_HLEN),
			.saddr = t->src[3],
			.daddr = t->dst[3]};

		memcpy(buf + l3, &ip, sizeof(ip));
	} else {
		struct ip6_hdr ip6 = {};

		ip6.ip6_flow = htonl(6u << 28);
		ip6.ip6_plen = htons(len - l4);
		ip6.ip6_nxt = t->proto;
		ip6.ip6_hops = 64;
		memcpy(&ip6.ip6_src, t->src, 16);
		memcpy(&ip6.ip6_dst, t->dst, 16);
		memcpy(buf + l3, &ip6, sizeof(ip6));
	}
	if (t->proto == IPPROTO_ICMP || t->proto == IPPROTO_ICMPV6) {
		buf[l4] = t->proto == IPPROTO_ICMP ? 8 : 128;
		memcpy(buf + l4 + 4, &t->sport, 2);
		return len;
	}
	memcpy(buf + l4, &t->sport, 2);
	memcpy(buf + l4 + 2, &t->dport, 2);
	if (t->proto == IPPROTO_TCP)
		buf[l4 + 13] =
			0x10; /* ACK: a known connection is recognised by its conntrack entry */
	return len;
}

int pcc_dp_explain(struct pcc_dp *dp, uint32_t lan_ifindex, const uint8_t mac[6],
	const struct pcc_tuple *tuple, struct pcc_dp_verdict *verdict, struct pcc_err *err)
{
	struct __sk_buff in = {.ifindex = lan_ifindex}, out = {};
	uint8_t packet[ETH_HLEN + 40 + 20];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet,
		.data_size_in = explain_packet(tuple, mac, packet, sizeof(packet)), .ctx_in = &in,
		.ctx_size_in = sizeof(in), .ctx_out = &out, .ctx_size_out = sizeof(out),
		.repeat = 1);

	if (bpf_prog_test_run_opts(dp->prog_fd[PCC_PROG_EXPLAIN], &opts))
		return pcc_err_set(err, -errno, "explain", "the kernel refused the test packet: %s",
			strerror(errno));
	memset(verdict, 0, sizeof(*verdict));
	verdict->bucket = PCC_NO_BUCKET;
	verdict->reason = opts.retval;
	if (opts.retval)
		return 0;
	verdict->hash = out.cb[0];
	verdict->bucket = out.cb[1];
	verdict->wan_id = out.cb[2];
	verdict->reason = out.cb[3];
	verdict->pinned = out.cb[4] & 0xff;
	verdict->policy = out.cb[4] >> 8;
	return 0;
}
