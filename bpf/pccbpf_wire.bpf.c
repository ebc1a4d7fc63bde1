// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fast path in XDP for VLANs and PPPoE sessions on a card: as pccbpf_xdp.bpf.c, but it also
 * removes and adds tags and PPPoE headers. It is an object of its own because it changes where
 * frames begin. Since Linux 6.13 (6.12.8) the kernel refuses that in an extension of a dispatcher
 * that does not do so itself, as that of libxdp before 1.5.
 */
#include "fast_xdp.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* The most bytes between the MACs and the type of the IP packet: two tags and PPPoE. */
#define WIRE_MAX 16
#define ETH_MIN 60 /* without the check sum */
#define PPPOE_BYTES 8
#define VLAN_BYTES 4

/* Writes tags, session and type, from data + 12 on, in front of the IP header at l3. */
static __always_inline void wire_write(
	void *data, void *l3, const struct pcc_wire_out *out, __u32 v6, __u32 l3_len)
{
	__be16 *at = data + 12;

	for (__u32 i = 0; i < 2; i++) {
		if (!out->wire.tpid[i])
			break;
		at[0] = out->wire.tpid[i];
		at[1] = out->wire.vid[i];
		at += 2;
	}
	at = l3;
	if (!out->wire.session) {
		at[-1] = v6 ? bpf_htons(PCC_ETH_P_IPV6) : bpf_htons(PCC_ETH_P_IP);
		return;
	}
	at[-1] = v6 ? bpf_htons(PCC_PPP_IPV6) : bpf_htons(PCC_PPP_IP);
	at[-2] = bpf_htons(l3_len + 2);
	at[-3] = out->wire.session;
	at[-4] = bpf_htons(0x1100); /* version 1, type 1, code 0: data (RFC 2516) */
	at[-5] = bpf_htons(PCC_ETH_P_PPP_SES);
}

/* What xdp_reframe() needs of the packet besides the lease, in a word. */
#define REFRAME(f, off) ((off) | (__u32)(f)->v6 << 8 | (__u32)(f)->proto << 16)

/*
 * Rewrites a frame that has tags or a PPPoE header now, or has to get them. The room for the new
 * headers is made first; if that fails the frame is unchanged.
 */
static __noinline int xdp_reframe(
	struct xdp_md *ctx, const struct pcc_flow *flow, __u32 what, __u32 l3_len)
{
	__u32 off = what & 0xff, v6 = what >> 8 & 1, proto = what >> 16 & 0xff, egress, bytes = 2;
	const struct pcc_wire_out *out = NULL;
	void *data, *end, *l3;
	int delta;

	if (!ctx || !flow)
		return XDP_PASS;
	if (flow->flags & PCC_FLOW_WIRE) {
		egress = flow->egress_ifindex;
		out = bpf_map_lookup_elem(&pcc_wire_out, &egress);
		if (!out)
			return XDP_PASS;
		bytes = out->bytes;
		/* The kernel drops what is longer than the MTU and one tag (xdp_ok_fwd_dev()). */
		if (l3_len + bytes > (__u32)out->mtu + 2 + VLAN_BYTES)
			return XDP_PASS;
	}
	if (bytes < 2 || bytes > WIRE_MAX + 2)
		return XDP_PASS;
	delta = (int)off - 12 - (int)bytes;
	if (delta && bpf_xdp_adjust_head(ctx, delta))
		return XDP_PASS;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + 12 + WIRE_MAX + 2 > end)
		return XDP_DROP; /* cannot happen: a TCP or UDP header follows */
	l3 = data + 12 + bytes;
	if (l3 + sizeof(struct iphdr) > end || rewrite_packet(l3, end, flow, v6, proto, CSUM_WHOLE))
		return XDP_DROP;
	if (out && out->wire.session) {
		__builtin_memcpy(data, out->dmac, 6);
		__builtin_memcpy(data + 6, out->smac, 6);
	} else {
		rewrite_macs(data, flow);
	}
	if (out)
		wire_write(data, l3, out, v6, l3_len);
	else
		((__be16 *)l3)[-1] = v6 ? bpf_htons(PCC_ETH_P_IPV6) : bpf_htons(PCC_ETH_P_IP);
	/* A frame that was long enough with a tag may be too short without it. */
	if (delta > 0 && bpf_xdp_get_buff_len(ctx) < ETH_MIN)
		bpf_xdp_adjust_tail(ctx, ETH_MIN - (int)bpf_xdp_get_buff_len(ctx));
	return XDP_REDIRECT;
}

/*
 * Reads tags and session of a frame, and the type of what follows. Returns the offset of the IP
 * header, or 0 if the frame is left alone. room is the number of bytes from the IP header on.
 */
static __always_inline __u32 wire_parse(
	void *data, void *end, struct pcc_wire *wire, __be16 *protocol, __u32 *room)
{
	__be16 *at = data + 12;
	__u32 off = 14, len;

	if (data + 14 + WIRE_MAX > end)
		return 0;
	*protocol = at[0];
	for (__u32 i = 0; i < 2; i++) {
		if (*protocol != bpf_htons(PCC_ETH_P_8021Q) &&
			*protocol != bpf_htons(PCC_ETH_P_8021AD))
			break;
		wire->tpid[i] = *protocol;
		wire->vid[i] = at[1] & bpf_htons(0x0fff);
		if (!wire->vid[i])
			return 0; /* a priority only */
		*protocol = at[2];
		at += 2;
		off += 4;
		*room -= 4;
	}
	if (*protocol != bpf_htons(PCC_ETH_P_PPP_SES))
		return off;
	if (at[1] != bpf_htons(0x1100))
		return 0;
	wire->session = at[2];
	len = bpf_ntohs(at[3]);
	*room -= PPPOE_BYTES;
	if (!wire->session || len < 2 || len - 2 > *room)
		return 0;
	*room = len - 2; /* the rest is padding */
	if (at[4] == bpf_htons(PCC_PPP_IP))
		*protocol = bpf_htons(PCC_ETH_P_IP);
	else if (at[4] == bpf_htons(PCC_PPP_IPV6))
		*protocol = bpf_htons(PCC_ETH_P_IPV6);
	else
		return 0; /* LCP and the like: for pppd */
	return off + PPPOE_BYTES;
}

/* Is the frame from the access concentrator of that session, and addressed to us? */
static __always_inline int wire_is_session(const void *data, __u32 ifindex)
{
	const struct pcc_wire_out *in = bpf_map_lookup_elem(&pcc_wire_out, &ifindex);

	return in && *(__u32 *)data == *(__u32 *)in->smac &&
	       *(__u16 *)(data + 4) == *(__u16 *)(in->smac + 4) &&
	       *(__u16 *)(data + 6) == *(__u16 *)in->dmac &&
	       *(__u32 *)(data + 8) == *(__u32 *)(in->dmac + 2);
}

/* The fast path for a frame with tags, or of a PPPoE session. */
static __noinline int xdp_fast_wire(struct xdp_md *ctx, const struct pcc_meta *meta)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct pcc_wire wire = {.ifindex = ctx->ingress_ifindex};
	__u32 *ifindex, off, room, len, counted;
	struct fast_packet f = {};
	struct pcc_flow *flow;
	__be16 protocol;
	int verdict;

	if (!meta)
		return XDP_PASS;
	len = bpf_xdp_get_buff_len(ctx);
	room = len - 14;
	off = wire_parse(data, end, &wire, &protocol, &room);
	f.late_ok = 1;
	if (!off || off > 14 + WIRE_MAX || fast_parse(data + off, end, room, protocol, &f))
		return XDP_PASS;
	ifindex = bpf_map_lookup_elem(&pcc_wire_in, &wire);
	if (!ifindex)
		return XDP_PASS;
	flow = flow_find(&f, ctx, HOOK_XDP, xdp_ifindex(*ifindex, *(volatile __u32 *)&meta->epoch),
		meta, f.l3_len);
	if (!flow || !(flow->flags & PCC_FLOW_IN_L3) != !wire.session ||
		(flow->flags & (PCC_FLOW_OUT_L3 | PCC_FLOW_WIRE)) == PCC_FLOW_OUT_L3)
		return XDP_PASS;
	if (wire.session ? !wire_is_session(data, *ifindex) : !xdp_is_ours(data, flow))
		return XDP_PASS;
	if (bpf_redirect_map(&pcc_xdp_ports, flow->egress_ifindex, XDP_PASS) != XDP_REDIRECT)
		return XDP_PASS;
	/*
	 * Count bytes as the interface does: a VLAN counts the frame without tags, ppp the IP
	 * packet.
	 */
	counted = wire.session ? room : len - (off - 14);
	verdict = xdp_reframe(ctx, flow, REFRAME(&f, off), f.l3_len);
	if (verdict == XDP_REDIRECT)
		flow_count(flow, meta, counted);
	return verdict;
}

/* Does the frame have tags, or is it of a PPPoE session? */
static __always_inline int wire_stands(__be16 protocol)
{
	return protocol == bpf_htons(PCC_ETH_P_8021Q) || protocol == bpf_htons(PCC_ETH_P_8021AD) ||
	       protocol == bpf_htons(PCC_ETH_P_PPP_SES);
}

/* Sends a plain frame that leaves with tags, or in a PPPoE session. */
static __always_inline int xdp_send_wire(
	struct xdp_md *ctx, const struct pcc_flow *flow, const struct fast_packet *f)
{
	if ((flow->flags & (PCC_FLOW_IN_L3 | PCC_FLOW_WIRE)) != PCC_FLOW_WIRE ||
		bpf_redirect_map(&pcc_xdp_ports, flow->egress_ifindex, XDP_PASS) != XDP_REDIRECT)
		return XDP_PASS;
	return xdp_reframe(ctx, flow, REFRAME(f, 14), f->l3_len);
}

/* The fast path for a frame of any kind. */
static __always_inline int xdp_fast(struct xdp_md *ctx, const struct pcc_meta *meta)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct fast_packet f = {.late_ok = 1};
	struct pcc_flow *flow;
	__be16 protocol;
	__u32 bytes;
	int verdict;

	if (data + 14 > end)
		return XDP_PASS;
	bytes = bpf_xdp_get_buff_len(ctx);
	protocol = *(__be16 *)(data + 12);
	if (fast_parse(data + 14, end, bytes - 14, protocol, &f))
		return wire_stands(protocol) ? xdp_fast_wire(ctx, meta) : XDP_PASS;
	flow = xdp_find(ctx, meta, data, &f);
	if (!flow)
		return XDP_PASS;
	if (flow->flags & XDP_NOT_PLAIN) {
		verdict = xdp_send_wire(ctx, flow, &f);
		if (verdict != XDP_REDIRECT)
			return verdict;
	} else if (xdp_send(data, end, flow, &f) != XDP_REDIRECT) {
		return XDP_PASS;
	}
	flow_count(flow, meta, bytes);
	return XDP_REDIRECT;
}

SEC("xdp.frags")
int pcc_fast_wire(struct xdp_md *ctx)
{
	const struct pcc_meta *meta = meta_get();

	return meta && meta->flags & PCC_META_FASTPATH ? xdp_fast(ctx, meta) : XDP_PASS;
}
