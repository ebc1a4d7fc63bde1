// SPDX-License-Identifier: GPL-2.0-only
/*
 * The programs at the tc hooks. A packet's way, and which header has the code for each step:
 *
 *   LAN host -> pcc_lan_in -> conntrack, NAT, ip rules, FORWARD -> pcc_wan_out -> ISP
 *   ISP      -> pcc_wan_in -> conntrack, NAT, routing,  FORWARD -> pcc_lan_out -> LAN host
 *
 *   pcc_lan_in, pcc_wan_in (and pcc_fast, pcc_fast_wire in XDP), the fast path first:
 *       fast_tc or fast_xdp -> fast_parse    a plain packet?
 *                           -> flow          does it have an entry? -> lease: may that be used?
 *                           -> rewrite       what the kernel did with the one before
 *   pcc_lan_in, what that leaves:
 *       lan_in -> packet       parse it
 *              -> conn         is its connection remembered, and does that hold?
 *              -> decide       if not: -> classify    which WAN has the bucket of its hash?
 *                                      -> route       do only defaults lead there, and by that WAN?
 *                                      -> conntrack   does the kernel know the connection?
 *                                      -> policy      does a rule say something else?
 *              -> conn, mark   remember it, set the mark
 *   pcc_wan_in:   wan_in  -> packet, mark     the mark of the WAN that it came in by
 *   pcc_wan_out:  wan_out -> learn            count; learn an entry of the fast path
 *   pcc_lan_out:  lan_out -> packet, conn     count, pin what came in by a WAN
 *                         -> learn            as above; pcc_port_out does nothing else
 *   pcc_connect4, pcc_connect6: own -> policy, classify   the same choice without a packet
 *   all: maps, stats, tuple, common, kernel; generation for lease and route
 *
 * Each program looks at the packet, sets a mark, counts one reason, and lets the next program run.
 * Only the fast path changes bytes. A packet is dropped only if the kernel or the ISP would drop
 * it, or if a policy says so.
 */
#include "fast_tc.bpf.h"
#include "lan_in.bpf.h"
#include "wan_out.bpf.h"
#include "wan_in.bpf.h"
#include "lan_out.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* The common exit of the programs: counts the reason, and the next program runs. */
static __always_inline int leave(int reason)
{
	if (reason != PCC_R_NONE)
		count_reason(reason);
	return PCC_NEXT;
}

SEC("tc")
int pcc_lan_in(struct __sk_buff *skb)
{
	const struct pcc_meta *meta = meta_get();

	int reason, verdict;

	if (meta && meta->flags & PCC_META_FASTPATH) {
		verdict = fast_tc(skb, meta);
		if (verdict)
			return verdict;
	}
	reason = meta ? lan_in(skb, meta) : PCC_R_NO_CONFIG;
	leave(reason);
	return reason == PCC_R_MARTIAN || reason == PCC_R_UNTRACKED || policy_drops(reason)
		       ? PCC_DROP
		       : PCC_NEXT;
}

SEC("tc")
int pcc_lan_out(struct __sk_buff *skb)
{
	__u32 note = note_take(skb);
	const struct pcc_meta *meta;

	if (note == PCC_NOTE_FAST)
		return PCC_NEXT; /* counted where it came in */
	meta = meta_get();
	return leave(meta ? lan_out(skb, meta) : PCC_R_NO_CONFIG);
}

SEC("tc")
int pcc_wan_in(struct __sk_buff *skb)
{
	const struct pcc_meta *meta = meta_get();
	int reason, verdict;

	if (meta && meta->flags & PCC_META_FASTPATH) {
		verdict = fast_tc(skb, meta);
		if (verdict)
			return verdict;
	}
	reason = meta ? wan_in(skb, meta) : PCC_R_NO_CONFIG;
	leave(reason);
	return reason == PCC_R_MARTIAN ? PCC_DROP : PCC_NEXT;
}

SEC("tc")
int pcc_wan_out(struct __sk_buff *skb)
{
	__u32 note = note_take(skb);
	const struct pcc_meta *meta;

	if (note == PCC_NOTE_FAST)
		return PCC_NEXT; /* counted where it came in */
	meta = meta_get();
	return leave(meta ? wan_out(skb, meta, note) : PCC_R_NO_CONFIG);
}

/* For the ports of a bridge that run XDP: only learns. */
SEC("tc")
int pcc_port_out(struct __sk_buff *skb)
{
	const struct pcc_meta *meta = meta_get();

	if (meta && meta->flags & PCC_META_FASTPATH && skb->tc_index != PCC_NOTE_FAST)
		learn_to_port(skb, meta);
	return PCC_NEXT;
}

/*
 * For `pccbpf explain`: tells what pcc_lan_in would do with this packet, without doing it. This
 * program runs only with test packets. Output: cb[0] hash, cb[1] bucket, cb[2] WAN id, cb[3]
 * reason, cb[4] 1 if a pin decided, and << 8 the policy's entry + 1.
 */
SEC("tc")
int pcc_explain(struct __sk_buff *skb)
{
	const struct pcc_meta *meta = meta_get();
	struct pcc_decision d = {};
	struct pcc_packet p = {};
	struct pcc_conn *conn;
	__u32 hash, bucket;
	int err;

	if (!meta)
		return PCC_R_NO_CONFIG;
	err = parse_packet(skb, &p);
	if (err < 0)
		return -err;
	classify(meta, &p.tuple, p.family, &d);
	hash = d.hash;
	bucket = d.bucket;
	conn = bpf_map_lookup_elem(&pcc_conns, &p.tuple);
	if (packet_is_link_scope(&p)) {
		d.reason = PCC_R_BYPASS_MULTICAST;
	} else if (conn && conn->wan_id && wan_keeps(conn->wan_id) &&
		   (conn->origin == PCC_ORIGIN_WAN || route_own(skb, &p) == ROUTE_DEFAULT)) {
		d.reason = PCC_R_PINNED;
		d.wan_id = conn->wan_id;
		bucket = conn->bucket;
		skb->cb[4] = 1;
		d.policy = policy_find(skb->ifindex, &p, meta->active_half & 1);
	} else {
		decide(skb, &p, meta, &d);
		if (d.reason == PCC_R_POLICY || d.reason == PCC_R_POLICY_NEXT)
			bucket = PCC_NO_BUCKET;
	}
	skb->cb[0] = hash;
	skb->cb[1] = bucket;
	skb->cb[4] |= d.policy << 8;
	skb->cb[2] = d.wan_id;
	skb->cb[3] = d.reason;
	return 0;
}
