/* SPDX-License-Identifier: GPL-2.0-only */
/* Where the kernel would send one packet: its own answer, with all its rules. */
#ifndef PCC_ROUTE_GET_H
#define PCC_ROUTE_GET_H

#include <stdint.h>

#include "kernel/netlink.h"
#include "pccbpf.h"

/*
 * The device by which the kernel would forward a packet with this tuple and mark that comes in by
 * iif (RTM_GETROUTE, net/ipv4/route.c, net/ipv6/route.c). Returns 0 with *oif; -EACCES or -EINVAL
 * where a route or rule forbids it (prohibit, blackhole), -EHOSTUNREACH or -ENETUNREACH where there
 * is no way, -EXDEV where the source is not valid on that interface, another -errno of the
 * conversation.
 */
int pcc_route_get(struct pcc_nl *nl, const struct pcc_tuple *tuple, uint32_t iif, uint32_t mark,
	uint32_t *oif);

#endif
