/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel says of changes: rtnetlink (links, addresses, routes, rules, neighbours, filters)
 * and nftables, each on a socket that never blocks. What cannot concern pccbpf is dropped here: a
 * router may learn a thousand routes a second.
 */
#ifndef PCC_WATCH_H
#define PCC_WATCH_H

#include <libmnl/libmnl.h>
#include <stdint.h>

#include "base/err.h"

/* What was heard. */
#define PCC_HEARD_LINK 0x1u
#define PCC_HEARD_ADDR 0x2u
#define PCC_HEARD_ROUTE 0x4u
#define PCC_HEARD_RULE 0x8u
#define PCC_HEARD_NFT 0x10u
#define PCC_HEARD_TC 0x20u
#define PCC_HEARD_NEIGH 0x40u
#define PCC_HEARD_LOST 0x80u /* the socket overflowed: anything may have changed */

/* The empty value is all zeroes. */
struct pcc_watch {
	struct mnl_socket *route, *nft;
	char *buf;
	size_t buf_bytes;
};

/* 0 or -errno with err filled. nft stays NULL on a kernel without nftables. */
int pcc_watch_open(struct pcc_watch *w, struct pcc_err *err);
void pcc_watch_close(struct pcc_watch *w);

/*
 * Reads what is there, of one of the two sockets, and at most some hundred messages: the loop has
 * other things to do. Each message goes to fn (may be NULL). Returns PCC_HEARD_*.
 */
typedef void (*pcc_watch_fn)(const struct nlmsghdr *nlh, uint32_t heard, void *arg);
uint32_t pcc_watch_read(struct pcc_watch *w, struct mnl_socket *sock, pcc_watch_fn fn, void *arg);

/*
 * What a message is about; 0: nothing that concerns us. Pure. Routes: defaults, ours, and those of
 * the local table. nftables: the table `inet pccbpf`.
 */
uint32_t pcc_watch_about(const struct nlmsghdr *nlh, int bus);

#endif
