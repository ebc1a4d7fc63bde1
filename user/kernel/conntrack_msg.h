/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The messages of ctnetlink: writing requests and reading entries. Pure. Uses libmnl only, so that
 * a walk over half a million entries reads just the two or three attributes it needs.
 */
#ifndef PCC_CONNTRACK_MSG_H
#define PCC_CONNTRACK_MSG_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernel/conntrack.h"

/*
 * Begins a request (IPCTNL_MSG_CT_*) in buf, which must be all zeroes. family AF_UNSPEC: both
 * families. Returns the message.
 */
struct nlmsghdr *pcc_ct_request(char *buf, uint16_t message, uint8_t family);

/* Adds the mark to match, or to set; only the bits of the mask count. */
void pcc_ct_put_mark(struct nlmsghdr *nlh, uint32_t mark, uint32_t mask);

/* Adds the tuple of one direction. For ICMP it is that of an echo request, or of its reply. */
void pcc_ct_put_tuple(struct nlmsghdr *nlh, const struct pcc_tuple *tuple, bool reply);

/*
 * Makes the entry liberal about TCP windows for good, as the kernel's own flow offload does.
 * conntrack did not see the packets that the fast path forwarded, so it no longer knows the
 * windows; the connection must still survive when the sysctl that is liberal for all connections is
 * reset.
 */
void pcc_ct_put_liberal(struct nlmsghdr *nlh);

/* Is the message an entry of the table? */
bool pcc_ct_is_entry(const struct nlmsghdr *nlh);

/* Read an entry: all of it, its mark only, or whether it is that of a TCP connection. */
void pcc_ct_read(const struct nlmsghdr *nlh, struct pcc_ct_entry *entry);
uint32_t pcc_ct_entry_mark(const struct nlmsghdr *nlh);
bool pcc_ct_is_tcp(const struct nlmsghdr *nlh);

#endif
