// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fast path in XDP: the same leases as in tc, before the kernel makes an skb of the frame. Only
 * for frames that are addressed to the router and leave by a device in pcc_xdp_ports; everything
 * else goes up. An object of its own, since libxdp loads it, perhaps as an extension of its
 * dispatcher. pccbpf_wire.bpf.c takes tags and PPPoE as well.
 */
#include "common.bpf.h"
#include "maps.bpf.h"
#include "stats.bpf.h"
#include "tuple.bpf.h"
#include "generation_xdp.bpf.h"
#include "flow.bpf.h"
#include "fast_xdp.bpf.h"

char LICENSE[] SEC("license") = "GPL";

static __always_inline int xdp_other(
	struct xdp_md *ctx, const struct pcc_meta *meta, __be16 protocol)
{
	(void)ctx;
	(void)meta;
	(void)protocol;
	return XDP_PASS;
}

static __always_inline int xdp_elsewhere(
	struct xdp_md *ctx, const struct pcc_flow *flow, const struct fast_packet *f)
{
	(void)ctx;
	(void)flow;
	(void)f;
	return XDP_PASS;
}

SEC("xdp.frags")
int pcc_fast(struct xdp_md *ctx)
{
	const struct pcc_meta *meta = meta_get();

	return meta && meta->flags & PCC_META_FASTPATH ? xdp_fast(ctx, meta) : XDP_PASS;
}
