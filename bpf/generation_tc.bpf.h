/* SPDX-License-Identifier: GPL-2.0-only */
/* The generation of the namespace that a packet in tc is in: flow.bpf.h asks by this name. */
#ifndef PCC_GENERATION_TC_BPF_H
#define PCC_GENERATION_TC_BPF_H

#include "generation.bpf.h"

static __always_inline __u32 ctx_generation(void *ctx)
{
	struct sk_buff *skb = bpf_cast_to_kern_ctx(ctx);

	return generation_of(skb->dev);
}

#endif
