/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The messages of ctnetlink: requests are written, entries read. Pure. By libmnl alone: whoever
 * walks a table of half a million entries looks at the two or three attributes that he wants.
 */
#ifndef PCC_CONNTRACK_MSG_H
#define PCC_CONNTRACK_MSG_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernel/conntrack.h"

/* Begins a request (IPCTNL_MSG_CT_*) in buf, which is all zeroes. AF_UNSPEC: both families. */
struct nlmsghdr *pcc_ct_request(char *buf, uint16_t message, uint8_t family);

/* The mark to match, or to set: the bits of the mask only. */
void pcc_ct_put_mark(struct nlmsghdr *nlh, uint32_t mark, uint32_t mask);

/* The tuple of one direction. ICMP: of an echo request, or of its reply. */
void pcc_ct_put_tuple(struct nlmsghdr *nlh, const struct pcc_tuple *tuple, bool reply);

/*
 * conntrack lost sight of the windows of connections that the fast path forwarded. Each is told to
 * be lenient for good, as the kernel's own flow offload does, so that it survives the sysctl for
 * all of them.
 */
void pcc_ct_put_liberal(struct nlmsghdr *nlh);

/* Is the message an entry of the table? */
bool pcc_ct_is_entry(const struct nlmsghdr *nlh);

/* What an entry says: all of it, its mark, whether it is a TCP connection's. */
void pcc_ct_read(const struct nlmsghdr *nlh, struct pcc_ct_entry *entry);
uint32_t pcc_ct_entry_mark(const struct nlmsghdr *nlh);
bool pcc_ct_is_tcp(const struct nlmsghdr *nlh);

#endif
