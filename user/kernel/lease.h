/* SPDX-License-Identifier: GPL-2.0-only */
/* What DHCP clients wrote down of their leases: systemd-networkd, dhclient, dhcpcd. */
#ifndef PCC_LEASE_H
#define PCC_LEASE_H

#include <netinet/in.h>
#include <stddef.h>

#include "kernel/address.h"
#include "kernel/link.h"

/* What a DHCPv4 lease says. 0.0.0.0: it does not say. */
struct pcc_lease {
	struct in_addr address; /* that the client got */
	struct in_addr router;	/* the first router, RFC 2132 option 3 */
};

/*
 * The lease of one of the IPv4 addresses addrs of the interface, whichever client has one. root
 * stands before the paths of the leases: "" but for tests. 0 and *lease, or -ENOENT.
 */
int pcc_lease_find(const char *root, const struct pcc_link *link,
	const struct pcc_ifaddr_list *addrs, struct pcc_lease *lease);

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
