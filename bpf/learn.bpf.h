/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Learning: at egress the packet carries the final tuple, MACs and device that the kernel chose;
 * conntrack knows the tuple that it came in with. Entry = "what came in" -> "what went out".
 */
#ifndef PCC_LEARN_BPF_H
#define PCC_LEARN_BPF_H

#include "conn.bpf.h"
#include "mark.bpf.h"
#include "flow.bpf.h"
#include "rewrite.bpf.h"

extern int bpf_ct_change_timeout(struct nf_conn *ct, __u32 timeout) __ksym __weak;

#define PCC_NF_CT_EXT_HELPER 0

/* One entry under construction a CPU: it is too large for the stack beside the parser's state. */
struct learn_scratch {
	struct pcc_flow_key key;
	struct pcc_flow flow;
	struct pcc_tuple conn_key;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct learn_scratch);
} pcc_scratch SEC(".maps");

/* Has the connection a helper (FTP, SIP, ...), which must see every packet? */
static __always_inline int ct_has_helper(struct nf_conn *ct)
{
	struct nf_ct_ext *ext = ct->ext;
	void *helper = NULL;
	__u8 off;

	if (ct->status & IPS_HELPER)
		return 1;
	if (!ext)
		return 0;
	off = ext->offset[PCC_NF_CT_EXT_HELPER];
	if (!off)
		return 0;
	return bpf_probe_read_kernel(&helper, sizeof(helper), (void *)ext + off) || helper;
}

/* Is this a connection whose packets conntrack need not see each? */
static __always_inline int ct_is_learnable(struct nf_conn *ct, __u8 proto)
{
	__u32 status = ct->status;

	if (!(status & IPS_CONFIRMED) || !(status & IPS_SEEN_REPLY) ||
		status & (IPS_DYING | IPS_SEQ_ADJUST | IPS_TEMPLATE))
		return 0;
	if (proto == IPPROTO_TCP &&
		(!(status & IPS_ASSURED) || ct->proto.tcp.state != PCC_TCP_CONNTRACK_ESTABLISHED))
		return 0;
	return !ct_has_helper(ct);
}

/* Finds the connection of the packet that leaves, by the tuple of the way back, and the tuple that
 * it came in with. 0 if learnable. */
static __noinline int learn_ct(struct __sk_buff *skb, const struct pcc_tuple *back,
	const struct pcc_meta *meta, struct pcc_tuple *in)
{
	struct nf_conn *ct;
	int err = -1;
	__u32 family, dir;

	if (!skb || !back || !meta || !in)
		return -1;
	family = pcc_tuple_is_v4(back) ? PCC_V4 : PCC_V6;
	ct = ct_find(skb, back, family, &dir);
	if (!ct)
		return -1;
	if (ct_is_learnable(ct, back->proto)) {
		ct_in_tuple(ct, !dir, family, in);
		/* It sees a packet in two seconds, perhaps data without its acknowledgement:
		 * without this it would end a quiet connection after five minutes instead of five
		 * days. */
		if (back->proto == IPPROTO_TCP && meta->tcp_timeout_ms)
			bpf_ct_change_timeout(ct, meta->tcp_timeout_ms);
		err = 0;
	}
	bpf_ct_release(ct);
	return err;
}

/*
 * Has IPsec decrypted the packet, or does a policy take it on its way out (a card may encrypt after
 * this hook)? Each such packet is for the kernel to check: a lease would let what somebody else
 * sends in clear with the same addresses pass the policy by.
 */
static __always_inline int packet_is_ipsec(struct __sk_buff *skb)
{
	const struct sk_buff *kernel_skb = (const void *)skb;
	const struct dst_entry *dst;
	const void *xfrm = NULL;
	unsigned long ref = 0;
	__u8 extensions = 0;

	if (bpf_core_enum_value_exists(enum skb_ext_id, SKB_EXT_SEC_PATH)) {
		if (bpf_core_read(&extensions, sizeof(extensions), &kernel_skb->active_extensions))
			return 1;
		if (extensions >> bpf_core_enum_value(enum skb_ext_id, SKB_EXT_SEC_PATH) & 1)
			return 1;
	}
	if (!bpf_core_field_exists(struct dst_entry, xfrm))
		return 0;
	if (bpf_core_read(&ref, sizeof(ref), &kernel_skb->_skb_refdst))
		return 1;
	dst = (const void *)(ref & ~1ul);
	return dst && (bpf_core_read(&xfrm, sizeof(xfrm), &dst->xfrm) || xfrm);
}

static __always_inline __u16 learn_diff(__be32 *from, __be32 *to, __u32 bytes)
{
	return csum_fold32(bpf_csum_diff(from, bytes, to, bytes, 0));
}

static __always_inline void learn_diffs(struct pcc_flow *flow, __u32 v6)
{
	struct pcc_tuple *in = &flow->in;
	__be32 from[2] = {in->src[3], in->dst[3]}, to[2] = {flow->src[3], flow->dst[3]};

	flow->src4 = to[0];
	flow->dst4 = to[1];
	if (v6)
		flow->addr_diff = csum_fold32((__u32)learn_diff(in->src, flow->src, 16) +
					      learn_diff(in->dst, flow->dst, 16));
	else
		flow->addr_diff = learn_diff(from, to, 8);
	for (int i = 0; i < 4; i++)
		if (in->src[i] != flow->src[i] || in->dst[i] != flow->dst[i])
			flow->flags |= PCC_FLOW_ADDRS;
	from[0] = (__u32)in->sport | (__u32)in->dport << 16;
	to[0] = (__u32)flow->sport | (__u32)flow->dport << 16;
	flow->port_diff = learn_diff(from, to, 4);
	if (from[0] != to[0])
		flow->flags |= PCC_FLOW_PORTS;
}

/* The link-layer header that the kernel wrote, and whether there is one on either side. */
static __always_inline int learn_link(
	struct __sk_buff *skb, struct pcc_flow *flow, const struct pcc_iface *in)
{
	__u32 out_ifindex = skb->ifindex;
	struct pcc_iface *iface;
	struct ethhdr eth;

	if (in->flags & PCC_IFACE_L3)
		flow->flags |= PCC_FLOW_IN_L3;
	__builtin_memcpy(flow->in_mac, in->mac, 6);
	iface = bpf_map_lookup_elem(&pcc_ifaces, &out_ifindex);
	if (!iface || iface->flags & PCC_IFACE_PORTS_LEARN)
		return -1;
	flow->back_ifindex = iface->master_ifindex;
	if (iface->flags & PCC_IFACE_WIRE)
		flow->flags |= PCC_FLOW_WIRE;
	if (iface->flags & PCC_IFACE_L3) {
		flow->flags |= PCC_FLOW_OUT_L3;
		return 0;
	}
	/* Another kind of header than Ethernet's: not to be written. */
	if (bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)) || eth.h_proto != (__be16)skb->protocol)
		return -1;
	__builtin_memcpy(flow->dmac, eth.h_dest, 6);
	__builtin_memcpy(flow->smac, eth.h_source, 6);
	return 0;
}

/* What is learned, in words: from egress_ifindex and from back_ifindex on. */
#define PCC_LEARNED_HOT (__builtin_offsetof(struct pcc_flow, egress_ifindex) / 8)
#define PCC_LEARNED_HOT_END (__builtin_offsetof(struct pcc_flow, counted_others) / 8)
#define PCC_LEARNED_COLD (__builtin_offsetof(struct pcc_flow, back_ifindex) / 8)
#define PCC_FLOW_WORDS (sizeof(struct pcc_flow) / 8)
_Static_assert(__builtin_offsetof(struct pcc_flow, egress_ifindex) % 8 == 0 &&
		       __builtin_offsetof(struct pcc_flow, counted_others) == 64 &&
		       __builtin_offsetof(struct pcc_flow, back_ifindex) % 8 == 0,
	"pcc_flow is compared by words");

/* Makes an entry what the new one is; not written where it is that already. */
static __always_inline void flow_overwrite(struct pcc_flow *old, const struct pcc_flow *fresh)
{
	const __u64 *from = (const __u64 *)fresh;
	__u64 *to = (__u64 *)old, differs = 0;

	for (__u32 i = PCC_LEARNED_HOT; i < PCC_LEARNED_HOT_END; i++)
		differs |= to[i] ^ from[i];
	for (__u32 i = PCC_LEARNED_COLD; i < PCC_FLOW_WORDS; i++)
		differs |= to[i] ^ from[i];
	if (!differs)
		return;
	*(volatile __u32 *)&old->epoch = 0;
	for (__u32 i = PCC_LEARNED_HOT; i < PCC_LEARNED_HOT_END; i++)
		to[i] = from[i];
	for (__u32 i = PCC_LEARNED_COLD; i < PCC_FLOW_WORDS; i++)
		to[i] = from[i];
}

/* Puts the entry into the map, or renews the one that is there. An old entry is written in place,
 * invalid while that lasts. */
static __always_inline void learn_store(
	struct learn_scratch *s, struct pcc_conn *conn, __u32 epoch, __u32 generation)
{
	struct pcc_flow *old = bpf_map_lookup_elem(&pcc_flows, &s->key);
	__u64 now = bpf_ktime_get_coarse_ns();
	__u32 lease = (now + PCC_LEASE_NS) >> PCC_LEASE_SHIFT;

	leased_note(&s->key, now);
	if (!old) {
		/* Most often the packets arrive on the CPU that forwards them. */
		s->flow.cpu = bpf_get_smp_processor_id();
		s->flow.lease = lease;
		s->flow.epoch = epoch;
		s->flow.generation = generation;
		bpf_map_update_elem(&pcc_flows, &s->key, &s->flow, BPF_NOEXIST);
		return;
	}
	if (!flow_is_from(old, s->flow.in.src, s->flow.in.dst))
		return; /* two IPv6 connections with one digest: the first has the place */
	if (old->flags & PCC_FLOW_ENDED) /* of an earlier connection with this tuple */
		old->folded = old->counted + old->counted_others;
	flow_fold(old, conn);
	s->flow.cpu = old->cpu;
	s->flow.generation = old->generation;
	flow_overwrite(old, &s->flow);
	old->lease = lease;
	old->generation = generation;
	old->renew_ns = 0;
	*(volatile __u32 *)&old->epoch = epoch;
}

/*
 * Learns from a packet that the kernel has forwarded and that is about to leave. p->tuple is that
 * of the way back here, the packet's reversed. Whatever is not plain is not learned, and stays with
 * the kernel.
 */
static __noinline int learn(struct __sk_buff *skb, const struct pcc_packet *p,
	const struct pcc_meta *meta, __u32 to_lan)
{
	__u32 zero = 0, epoch, generation = 0, mtu = 0, in_ifindex;
	struct learn_scratch *s = bpf_map_lookup_elem(&pcc_scratch, &zero);
	struct pcc_iface *in;
	struct pcc_conn *conn;

	if (!skb || !p || !meta || !s)
		return 0;
	epoch = meta->epoch; /* before anything is looked at: a change in between spoils the entry
			      */
	if (PCC_HAVE_GENERATION())
		generation = ctx_generation(skb, HOOK_TC);
	if (p->flags || p->l4_off != (p->family == PCC_V4 ? 20 : 40) ||
		(p->tuple.proto != IPPROTO_TCP && p->tuple.proto != IPPROTO_UDP) ||
		p->tcp_flags & (PCC_TCP_SYN | PCC_TCP_ENDS) || packet_is_ipsec(skb))
		return 0;
	in_ifindex = skb->ingress_ifindex;
	in = bpf_map_lookup_elem(&pcc_ifaces, &in_ifindex);
	if (!in || in->flags & PCC_IFACE_NO_FAST || in_ifindex > PCC_FLOW_MAX_IFINDEX)
		return 0;
	__builtin_memset(s, 0, sizeof(*s));
	if (learn_ct(skb, &p->tuple, meta, &s->flow.in))
		return 0;
	pcc_flow_key_of(&s->key, &s->flow.in, in_ifindex, p->family == PCC_V6);
	addr_copy6(s->flow.src, p->tuple.dst);
	addr_copy6(s->flow.dst, p->tuple.src);
	s->flow.sport = p->tuple.dport;
	s->flow.dport = p->tuple.sport;
	s->flow.egress_ifindex = skb->ifindex;
	s->flow.flags = (p->family == PCC_V6 ? PCC_FLOW_V6 : 0) | (to_lan ? PCC_FLOW_TO_LAN : 0);
	flow_conn_key(&s->conn_key, &s->flow);
	conn = bpf_map_lookup_elem(&pcc_conns, &s->conn_key);
	if (!conn || !conn->wan_id || learn_link(skb, &s->flow, in))
		return 0;
	learn_diffs(&s->flow, p->family == PCC_V6);
	bpf_check_mtu(skb, 0, &mtu, 0, 0);
	s->flow.mtu = mtu < 65535 ? mtu : 65535;
	s->flow.wan_id = conn->wan_id;
	s->flow.bucket = conn->bucket;
	learn_store(s, conn, epoch, generation);
	count_reason(PCC_R_FAST_LEARNED);
	return 0;
}

/* The same for pcc_port_out: the port that the bridge chose, for XDP, which knows no bridges. */
static __noinline int learn_to_port(struct __sk_buff *skb, const struct pcc_meta *meta)
{
	__u32 ifindex = skb->ingress_ifindex;
	struct pcc_packet p = {};
	struct pcc_iface *iface;
	struct pcc_conn *conn;

	if (!meta)
		return 0;
	iface = bpf_map_lookup_elem(&pcc_ifaces, &ifindex);
	if (!iface || iface->role != PCC_ROLE_WAN || parse_packet(skb, &p))
		return 0;
	tuple_turn(&p.tuple); /* the connection's key */
	conn = bpf_map_lookup_elem(&pcc_conns, &p.tuple);
	if (conn && conn->wan_id == iface->wan_id && conn->tx_packets &&
		worth_learning(conn->rx_packets, p.tuple.proto))
		learn(skb, &p, meta, 1);
	return 0;
}

/* The same for pcc_wan_out, which has not parsed the packet. */
static __noinline int learn_to_wan(struct __sk_buff *skb, const struct pcc_meta *meta)
{
	struct pcc_packet p = {};

	if (!skb || !meta || parse_packet(skb, &p))
		return 0;
	tuple_turn(&p.tuple);
	return learn(skb, &p, meta, 0);
}

#endif
