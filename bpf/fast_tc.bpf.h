/* SPDX-License-Identifier: GPL-2.0-only */
/* The fast path in tc: for every kind of device, with GRO and GSO, through the egress's qdisc. */
#ifndef PCC_FAST_TC_BPF_H
#define PCC_FAST_TC_BPF_H

#include "conntrack.bpf.h"
#include "flow.bpf.h"
#include "mark.bpf.h"
#include "rewrite.bpf.h"

/* Writes new addresses, ports, TTL and MACs into the packet; l3 is the offset of the IP header. */
static __always_inline int fast_tc_rewrite(
	struct __sk_buff *skb, const struct pcc_flow *flow, __u32 l3, __u32 v6)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	if (rewrite_packet(data + l3, end, flow, v6, 0, CSUM_IS_DONE))
		return -1;
	if (l3 && !(flow->flags & PCC_FLOW_OUT_L3))
		rewrite_macs(data, flow);
	return 0;
}

/* Adds the Ethernet header to a packet from a device without one, for a device that needs it. */
static __noinline int fast_tc_add_mac(struct __sk_buff *skb, const struct pcc_flow *flow)
{
	struct ethhdr eth;

	if (!skb || !flow || bpf_skb_change_head(skb, sizeof(eth), 0))
		return -1;
	__builtin_memcpy(eth.h_dest, flow->dmac, 6);
	__builtin_memcpy(eth.h_source, flow->smac, 6);
	eth.h_proto = skb->protocol;
	return bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0);
}

/* What must fit the MTU: the packet, or a segment of it. */
static __always_inline __u32 fast_tc_len(struct __sk_buff *skb, const struct fast_packet *f)
{
	if (skb->gso_size)
		return skb->gso_size + (f->v6 ? 40 : 20) + f->tcp_hdr_len;
	return f->l3_len;
}

/*
 * Forwards the packet if there is a valid lease for it. Returns the verdict, or 0 if the packet
 * takes the kernel's way, untouched. A function of its own, so that its stack and that of the slow
 * path are not needed at the same time.
 */
static __noinline int fast_tc(struct __sk_buff *skb, const struct pcc_meta *meta)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct fast_packet f = {};
	struct pcc_flow *flow;
	__u32 l3 = 14, l2_len;

	if (!meta || skb->pkt_type || skb->vlan_present || data + 14 > end)
		return 0;
	/*
	 * Without a link-layer header the packet begins with IP. If the guess is wrong, no entry
	 * has the key.
	 */
	if (*(__be16 *)(data + 12) != (__be16)skb->protocol)
		l3 = 0;
	f.gso = !!skb->gso_size;
	/*
	 * Where XDP runs, a packet that gets here has been let through by XDP to renew the lease.
	 */
	f.late_ok = !(meta->flags & PCC_META_XDP);
	if (l3 ? fast_parse(data + 14, end, skb->len - 14, skb->protocol, &f)
	       : fast_parse(data, end, skb->len, skb->protocol, &f))
		return 0;
	flow = flow_find(&f, skb, HOOK_TC, skb->ifindex, meta, fast_tc_len(skb, &f));
	if (!flow || !(flow->flags & PCC_FLOW_IN_L3) != !!l3)
		return 0;
	/*
	 * If NAT has changed the packet already, this lease may belong to another connection that
	 * looks alike.
	 */
	if (meta->flags & PCC_META_BRIDGED && ct_nat_is_done(skb, &flow->in))
		return 0;
	l2_len = skb->len;
	if (csum_skb(skb, flow, l3 + (f.v6 ? 40 : 20), f.proto))
		return 0;
	if (l3 ? fast_tc_rewrite(skb, flow, 14, f.v6) : fast_tc_rewrite(skb, flow, 0, f.v6))
		return PCC_DROP; /* the checksum is changed already; cannot happen, it was parsed */
	if (!l3 && !(flow->flags & PCC_FLOW_OUT_L3) && fast_tc_add_mac(skb, flow))
		return PCC_DROP;
	flow_count(flow, meta, l2_len);
	skb->tc_index = PCC_NOTE_FAST;
	return bpf_redirect(flow->egress_ifindex, 0);
}

#endif
