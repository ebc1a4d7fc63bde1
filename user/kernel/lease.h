/* SPDX-License-Identifier: GPL-2.0-only */
/* Finds the next hop of a WAN: in the routing tables, in DHCP leases, or on-link. */
#ifndef PCC_GATEWAY_H
#define PCC_GATEWAY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "model/model.h"
#include "kernel/netlink.h"
#include "kernel/route.h"

/* What a DHCPv4 lease says. 0.0.0.0: it does not say. */
struct pcc_lease {
	struct in_addr address; /* that the client got */
	struct in_addr router;	/* the first router, RFC 2132 option 3 */
};

/*
 * Finds the next hop of link in one family. In this order: the best default route of that interface
 * in any table (lowest metric; not our own); point-to-point; for IPv4 the DHCP lease of one of its
 * addresses (systemd-networkd, dhclient, dhcpcd); a default route of ours. lease_root stands before
 * the paths of the leases: "" but for tests.
 *
 * 0: gateway->source is PCC_GW_FOUND (addr is set), PCC_GW_ONLINK, or PCC_GW_NONE: the interface
 * does not serve this family, having neither an address nor a default route in it. -ENOENT: it has
 * an address but no next hop could be found; err says what to write, source is PCC_GW_NONE. For
 * IPv6 that may be no more than a warning. Other -errno: the kernel did not answer.
 */
int pcc_gateway_find(struct pcc_nl *nl, const struct pcc_link *link, int family,
	const char *lease_root, struct pcc_gateway *gateway, struct pcc_err *err);

/* Does this link need no next hop (IFF_POINTOPOINT, or of a kind without neighbours)? */
bool pcc_link_is_p2p(const struct pcc_link *link);

/*
 * The lease parsers: pure functions over what a client left on disk. 0 and *lease, or -ENOENT where
 * the text holds no (whole) lease with a router.
 */

/* systemd-networkd, /run/systemd/netif/leases/<ifindex>: KEY=VALUE lines. */
int pcc_lease_networkd(const char *text, size_t len, struct pcc_lease *lease);

/*
 * ISC dhclient, dhclient.leases(5): the last whole lease of that interface. With address (may be
 * NULL) the last one for that address: what the interface does not have any more is old.
 */
int pcc_lease_dhclient(const char *text, size_t len, const char *ifname,
	const struct in_addr *address, struct pcc_lease *lease);

/* dhcpcd, <if>.lease: the DHCP message as received (RFC 2131, 2; options RFC 2132). */
int pcc_lease_dhcpcd(const void *data, size_t len, struct pcc_lease *lease);

#endif
