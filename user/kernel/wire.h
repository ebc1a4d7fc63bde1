/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an interface adds to its packets on the device below it: VLAN tags, a PPPoE session. An XDP
 * program on that device has to know.
 */
#ifndef PCC_WIRE_H
#define PCC_WIRE_H

#include <stdio.h>

#include "pccbpf.h"
#include "kernel/link.h"

/* A PPPoE session of this network namespace. */
struct pcc_pppoe {
	__be16 session;
	uint8_t peer[6]; /* the MAC of the access concentrator */
	char device[PCC_IFNAMSIZ];
};

/* Reads up to max sessions from `in`, the open file /proc/net/pppoe. Returns how many were read. */
size_t pcc_pppoe_read(FILE *in, struct pcc_pppoe *sessions, size_t max);

/*
 * Fills out for a VLAN, a VLAN in a VLAN, or ppp over PPPoE. For any other interface
 * out->wire.ifindex is 0, as no device is below it. Returns 0, or -1 for what XDP cannot handle,
 * with a reason in *why (which may be NULL).
 */
int pcc_wire_of(const struct pcc_link_list *links, const struct pcc_link *link,
	struct pcc_wire_out *out, const char **why);

#endif
