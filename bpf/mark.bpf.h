/* SPDX-License-Identifier: GPL-2.0-only */
/* What a packet carries on through the kernel: the WAN in its mark, and a note to the program at
 * the egress. */
#ifndef PCC_MARK_BPF_H
#define PCC_MARK_BPF_H

#include "maps.bpf.h"

static __always_inline void mark_set(
	struct __sk_buff *skb, const struct pcc_meta *meta, __u32 wan_id)
{
	__u32 mark = (skb->mark & ~meta->mark_mask) |
		     ((wan_id << (meta->mark_shift & 31)) & meta->mark_mask);

	if (skb->mark != mark)
		skb->mark = mark;
}

/* Notes from the ingress program to the egress program, in skb->tc_index, which nobody else uses.
 */
#define PCC_NOTE_NONE 0
#define PCC_NOTE_FAST 0x7c01  /* sent by the fast path: nothing to learn, all counted */
#define PCC_NOTE_LEARN 0x7c02 /* of a connection that answers both ways: learn from it */

static __always_inline __u32 note_take(struct __sk_buff *skb)
{
	__u32 note = skb->tc_index;

	if (note)
		skb->tc_index = PCC_NOTE_NONE;
	return note;
}

#endif
