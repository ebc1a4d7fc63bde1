/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an interface has on the wire of the device below it: VLAN tags, a PPPoE session. XDP runs on
 * that device and has to know.
 */
#ifndef PCC_WIRE_H
#define PCC_WIRE_H

#include <stdio.h>

#include "pccbpf.h"
#include "kernel/link.h"

/* A PPPoE session of this network namespace. */
struct pcc_pppoe {
	__be16 session;
	uint8_t peer[6]; /* the access concentrator's MAC */
	char device[PCC_IFNAMSIZ];
};

/* Reads up to max sessions of /proc/net/pppoe. Returns how many. */
size_t pcc_pppoe_read(FILE *in, struct pcc_pppoe *sessions, size_t max);

/*
 * Fills out for a VLAN, a VLAN in a VLAN, or ppp over PPPoE; out->wire.ifindex is 0 for any other
 * interface, which has its own wire. -1, and *why is a reason, for what XDP cannot do. why may be
 * NULL.
 */
int pcc_wire_of(const struct pcc_link_list *links, const struct pcc_link *link,
	struct pcc_wire_out *out, const char **why);

#endif
