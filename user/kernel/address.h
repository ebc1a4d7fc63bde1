/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The addresses of interfaces of the caller's network namespace, through rtnetlink. Functions
 * return 0 or -errno and fill err (which may be NULL). A list must be empty (all zeroes) or filled
 * by an earlier call, whose contents it loses.
 */
#ifndef PCC_KERNEL_ADDRESS_H
#define PCC_KERNEL_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/err.h"
#include "kernel/netlink.h"

/* One address of an interface (RTM_NEWADDR). addr is the local one, on point-to-point links too. */
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

/* Frees the list and leaves the empty value. */
void pcc_ifaddr_list_free(struct pcc_ifaddr_list *list);

/* Addresses; family AF_UNSPEC for both, ifindex 0 for all interfaces. */
int pcc_ifaddr_dump(struct pcc_nl *nl, int family, uint32_t ifindex, struct pcc_ifaddr_list *list,
	struct pcc_err *err);

#endif
