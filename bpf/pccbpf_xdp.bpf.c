// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fast path in XDP: the same leases as in tc, before the kernel makes an skb of the frame. It
 * takes only frames that are addressed to the router and leave by a device in pcc_xdp_ports; all
 * others go to the kernel. It is an object of its own, since libxdp loads it, perhaps as an
 * extension of its dispatcher. pccbpf_wire.bpf.c does the same also for VLAN tags and PPPoE.
 */
#include "fast_xdp.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* The fast path for a plain frame that leaves as a plain frame. All others go to the kernel. */
static __always_inline int xdp_fast(struct xdp_md *ctx, const struct pcc_meta *meta)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct fast_packet f = {.late_ok = 1};
	struct pcc_flow *flow;
	__u32 bytes;

	if (data + 14 > end)
		return XDP_PASS;
	bytes = bpf_xdp_get_buff_len(ctx);
	if (fast_parse(data + 14, end, bytes - 14, *(__be16 *)(data + 12), &f))
		return XDP_PASS;
	flow = xdp_find(ctx, meta, data, &f);
	if (!flow || flow->flags & XDP_NOT_PLAIN || xdp_send(data, end, flow, &f) != XDP_REDIRECT)
		return XDP_PASS;
	flow_count(flow, meta, bytes);
	return XDP_REDIRECT;
}

SEC("xdp.frags")
int pcc_fast(struct xdp_md *ctx)
{
	const struct pcc_meta *meta = meta_get();

	return meta && meta->flags & PCC_META_FASTPATH ? xdp_fast(ctx, meta) : XDP_PASS;
}
