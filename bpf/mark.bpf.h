/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a packet carries through the kernel: the WAN in its mark, and a note for the egress program.
 */
#ifndef PCC_MARK_BPF_H
#define PCC_MARK_BPF_H

#include "maps.bpf.h"

/*
 * The highest bit of the mask, which nftables adds to the marks of connections that came in by a
 * WAN and of their answers (user/kernel/nat_text.c). 0 if the mask has no bit to spare.
 */
static __always_inline __u32 mark_answer(const struct pcc_meta *meta)
{
	return meta->flags & PCC_META_ANSWERS ? meta->mark_mask & ~(meta->mark_mask >> 1) : 0;
}

/* The WAN that a mark names; 0 for none. */
static __always_inline __u32 mark_wan(const struct pcc_meta *meta, __u32 mark)
{
	return (mark & meta->mark_mask & ~mark_answer(meta)) >> (meta->mark_shift & 31);
}

/* The mark of a connection: its WAN, and whether it came in there. */
static __always_inline __u32 mark_of_conn(const struct pcc_meta *meta, __u32 wan_id, __u32 origin)
{
	__u32 mark = (wan_id << (meta->mark_shift & 31)) & meta->mark_mask;

	return wan_id && origin == PCC_ORIGIN_WAN ? mark | mark_answer(meta) : mark;
}

/*
 * Sets the WAN in the mark of the packet. The bit of answers stays: with br_netfilter a bridge's
 * packet has passed nftables already.
 */
static __always_inline void mark_set(
	struct __sk_buff *skb, const struct pcc_meta *meta, __u32 wan_id)
{
	__u32 field = meta->mark_mask & ~mark_answer(meta);
	__u32 mark = (skb->mark & ~field) | ((wan_id << (meta->mark_shift & 31)) & field);

	if (skb->mark != mark)
		skb->mark = mark;
}

/* Notes from the ingress program to the egress program, in skb->tc_index, which nobody else uses.
 */
#define PCC_NOTE_NONE 0
#define PCC_NOTE_FAST 0x7c01  /* sent by the fast path: nothing to learn, counted already */
#define PCC_NOTE_LEARN 0x7c02 /* both ends of its connection have sent packets: learn from it */

static __always_inline __u32 note_take(struct __sk_buff *skb)
{
	__u32 note = skb->tc_index;

	if (note)
		skb->tc_index = PCC_NOTE_NONE;
	return note;
}

#endif
