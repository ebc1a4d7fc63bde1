/* SPDX-License-Identifier: GPL-2.0-only */
/* Finds the next hop of a WAN: in the routing tables, in DHCP leases, or on-link. */
#ifndef PCC_GATEWAY_H
#define PCC_GATEWAY_H

#include "base/err.h"
#include "kernel/link.h"
#include "kernel/netlink.h"
#include "model/model.h"

/*
 * Finds the next hop of link in one family. The sources in their order: the best default route of
 * that interface in any table (lowest metric; not our own); a point-to-point link needs no next
 * hop; for IPv4 the DHCP lease of one of its addresses (systemd-networkd, dhclient, dhcpcd); a
 * default route of ours. lease_root is put before the paths of leases; it is "" except in tests.
 *
 * Returns 0, and gateway->source is PCC_GW_FOUND (addr is set), PCC_GW_ONLINK, or PCC_GW_NONE: the
 * interface does not serve this family, as it has neither an address nor a default route in it.
 * -ENOENT: it has an address but no next hop was found; err says what to write, source is
 * PCC_GW_NONE. For IPv6 callers may treat this as a warning. Other -errno: the kernel could not be
 * asked.
 */
int pcc_gateway_find(struct pcc_nl *nl, const struct pcc_link *link, int family,
	const char *lease_root, struct pcc_gateway *gateway, struct pcc_err *err);

#endif
