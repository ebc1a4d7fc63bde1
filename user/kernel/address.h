/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The addresses of interfaces in the caller's network namespace, read by rtnetlink. Functions
 * return 0, or -errno with err (which may be NULL) filled. A list passed in must be empty (all
 * zeroes) or filled by an earlier call; its old contents are lost.
 */
#ifndef PCC_KERNEL_ADDRESS_H
#define PCC_KERNEL_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/err.h"
#include "kernel/netlink.h"

/*
 * One address of an interface (RTM_NEWADDR). addr is the local address, also on point-to-point
 * links.
 */
struct pcc_ifaddr {
	int family;
	uint32_t ifindex;
	union pcc_ip addr;
	uint8_t prefixlen;
	uint8_t scope;	/* RT_SCOPE_* */
	uint32_t flags; /* IFA_F_*: TENTATIVE, DADFAILED, DEPRECATED, ... */
	bool has_peer;
	union pcc_ip peer;
};

struct pcc_ifaddr_list {
	struct pcc_ifaddr *v;
	size_t n, room;
};

/* Frees the list and leaves an empty one. */
void pcc_ifaddr_list_free(struct pcc_ifaddr_list *list);

/* Reads addresses into list; family AF_UNSPEC for both families, ifindex 0 for all interfaces. */
int pcc_ifaddr_dump(struct pcc_nl *nl, int family, uint32_t ifindex, struct pcc_ifaddr_list *list,
	struct pcc_err *err);

#endif
