/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Watching the kernel for changes: rtnetlink (links, addresses, routes, rules, neighbours, filters)
 * and nftables, each on a non-blocking socket. Messages that cannot concern pccbpf are dropped
 * here, as a router may learn a thousand routes a second.
 */
#ifndef PCC_WATCH_H
#define PCC_WATCH_H

#include <libmnl/libmnl.h>
#include <stdint.h>

#include "base/err.h"

/* What a message is about. */
#define PCC_HEARD_LINK 0x1u
#define PCC_HEARD_ADDR 0x2u
#define PCC_HEARD_ROUTE 0x4u
#define PCC_HEARD_RULE 0x8u
#define PCC_HEARD_NFT 0x10u
#define PCC_HEARD_TC 0x20u
#define PCC_HEARD_NEIGH 0x40u
#define PCC_HEARD_LOST 0x80u /* the socket overflowed, so anything may have changed */

/* The two sockets. The empty value is all zeroes. */
struct pcc_watch {
	struct mnl_socket *route, *nft;
	char *buf;
	size_t buf_bytes;
};

/*
 * Opens the sockets. Returns 0 or -errno with err filled. nft stays NULL on a kernel without
 * nftables.
 */
int pcc_watch_open(struct pcc_watch *w, struct pcc_err *err);
void pcc_watch_close(struct pcc_watch *w);

/*
 * Reads the pending messages of one of the two sockets, but at most some hundred, so that the event
 * loop can do other things. Calls fn (may be NULL) with each message. Returns PCC_HEARD_* flags.
 */
typedef void (*pcc_watch_fn)(const struct nlmsghdr *nlh, uint32_t heard, void *arg);
uint32_t pcc_watch_read(struct pcc_watch *w, struct mnl_socket *sock, pcc_watch_fn fn, void *arg);

/*
 * Returns what a message is about, or 0 if it does not concern us. Pure. Of routes, defaults, our
 * own and those of the local table count; of nftables, the table `inet pccbpf` and flowtables.
 */
uint32_t pcc_watch_about(const struct nlmsghdr *nlh, int bus);

#endif
