/* SPDX-License-Identifier: GPL-2.0-only */
/* pcc_asked: which of the router's addresses its UDP clients have asked. Not pinned, so no ABI. */
#ifndef PCCBPF_ASKED_H
#define PCCBPF_ASKED_H

#include "pccbpf.h"

/* Who is at the other end of a socket that is bound to a port only. */
struct pcc_asked_key {
	__be32 client[4]; /* v4-mapped */
	__be16 client_port;
	__u16 local_port; /* host order, as sockets have it */
};

struct pcc_asked {
	__be32 addr[4]; /* that was asked, v4-mapped; all 0: the router sent first, and asks itself
			 */
	__u64 seen_ns;	/* last asked, or sent where the router asks */
};

_Static_assert(sizeof(struct pcc_asked_key) == 20, "pcc_asked key");
_Static_assert(sizeof(struct pcc_asked) == 24, "pcc_asked value");

#endif
