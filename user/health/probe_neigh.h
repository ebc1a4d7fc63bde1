/* SPDX-License-Identifier: GPL-2.0-only */
/* Has the kernel check whether a neighbour is still there. */
#ifndef PCC_PROBE_NEIGH_H
#define PCC_PROBE_NEIGH_H

#include <stdint.h>

#include "kernel/netlink.h"

/*
 * The kernel asks for the link-layer address now (ARP, neighbour solicitation) instead of when it
 * happens to be needed, and says with RTM_NEWNEIGH what came of it: with its defaults NUD_FAILED
 * after 3 s. A permanent entry is left alone. address is a struct in_addr or in6_addr. 0 or -errno.
 */
int pcc_neigh_ask(struct pcc_nl *nl, uint32_t ifindex, int family, const void *address);

#endif
