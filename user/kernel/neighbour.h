/* SPDX-License-Identifier: GPL-2.0-only */
/* The neighbours of an interface (ARP, ND), through rtnetlink. */
#ifndef PCC_NEIGHBOUR_H
#define PCC_NEIGHBOUR_H

#include <stdint.h>

#include "base/address.h"
#include "kernel/netlink.h"

/*
 * Makes the kernel check whether a neighbour is still there: the kernel asks for its link-layer
 * address now (ARP, neighbour solicitation) instead of when it is next needed. The result is
 * announced by RTM_NEWNEIGH; with the kernel's defaults NUD_FAILED comes after 3 s. A permanent
 * entry is left alone. Returns 0 or -errno.
 */
int pcc_neigh_ask(struct pcc_nl *nl, uint32_t ifindex, int family, const union pcc_ip *ip);

/*
 * Does a next hop answer? Asks the kernel to resolve it and waits for at most timeout_ms. Returns 0
 * if it answers (or if the link needs no resolution), -EHOSTUNREACH if not, another -errno if the
 * kernel could not be asked. An entry that was created here and failed is deleted again; no
 * permanent entry is created.
 */
int pcc_neigh_probe(struct pcc_nl *nl, uint32_t ifindex, int family, const union pcc_ip *gateway,
	unsigned int timeout_ms);

#endif
