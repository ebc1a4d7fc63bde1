/* SPDX-License-Identifier: GPL-2.0-only */
/* The DHCPv4 leases that clients have written to disk: systemd-networkd, dhclient, dhcpcd. */
#ifndef PCC_LEASE_H
#define PCC_LEASE_H

#include <netinet/in.h>
#include <stddef.h>

#include "kernel/address.h"
#include "kernel/link.h"

/* What a DHCPv4 lease says. 0.0.0.0: it does not say. */
struct pcc_lease {
	struct in_addr address; /* the address that the client got */
	struct in_addr router;	/* the first router (RFC 2132, option 3) */
};

/*
 * Finds the lease of one of the interface's IPv4 addresses addrs, of any of the clients. root is
 * put before the paths of leases; it is "" except in tests. Returns 0 and *lease, or -ENOENT.
 */
int pcc_lease_find(const char *root, const struct pcc_link *link,
	const struct pcc_ifaddr_list *addrs, struct pcc_lease *lease);

/*
 * The parsers of leases: pure functions of what a client has written. They return 0 and *lease, or
 * -ENOENT if the text has no complete lease with a router.
 */

/* systemd-networkd, /run/systemd/netif/leases/<ifindex>: KEY=VALUE lines. */
int pcc_lease_networkd(const char *text, size_t len, struct pcc_lease *lease);

/*
 * ISC dhclient, dhclient.leases(5): the last complete lease of that interface. With address (which
 * may be NULL) it is the last lease for that address, as leases for addresses that the interface no
 * longer has are out of date.
 */
int pcc_lease_dhclient(const char *text, size_t len, const char *ifname,
	const struct in_addr *address, struct pcc_lease *lease);

/* dhcpcd, <if>.lease: the DHCP message as received (RFC 2131, 2; options RFC 2132). */
int pcc_lease_dhcpcd(const void *data, size_t len, struct pcc_lease *lease);

#endif
