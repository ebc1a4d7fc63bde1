/* SPDX-License-Identifier: GPL-2.0-only */
/* The neighbours of an interface (ARP, ND), through rtnetlink. */
#ifndef PCC_NEIGHBOUR_H
#define PCC_NEIGHBOUR_H

#include <stdint.h>

#include "base/address.h"
#include "kernel/netlink.h"

/*
 * Has the kernel check whether a neighbour is still there: it asks for the link-layer address now
 * (ARP, neighbour solicitation) instead of when it happens to be needed, and says with RTM_NEWNEIGH
 * what came of it: with its defaults NUD_FAILED after 3 s. A permanent entry is left alone. 0 or
 * -errno.
 */
int pcc_neigh_ask(struct pcc_nl *nl, uint32_t ifindex, int family, const union pcc_ip *ip);

/*
 * Does a next hop answer? Asks the kernel to resolve it and waits at most timeout_ms. 0: it does
 * (or the link needs no resolution); -EHOSTUNREACH: no answer; another -errno if it could not be
 * asked. An entry that was made here and failed is deleted again; nothing permanent is made.
 */
int pcc_neigh_probe(struct pcc_nl *nl, uint32_t ifindex, int family, const union pcc_ip *gateway,
	unsigned int timeout_ms);

#endif
