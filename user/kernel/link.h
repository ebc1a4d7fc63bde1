/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interfaces of the caller's network namespace, through rtnetlink. Functions return 0 or
 * -errno and fill err (which may be NULL). A list must be empty (all zeroes) or filled by an
 * earlier call, whose contents it loses.
 */
#ifndef PCC_LINK_H
#define PCC_LINK_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "kernel/netlink.h"
#include "pccbpf.h"

/* One interface (RTM_NEWLINK). */
struct pcc_link {
	char name[PCC_IFNAMSIZ];
	uint32_t ifindex;
	uint32_t flags;		 /* IFF_UP, IFF_LOWER_UP (carrier), IFF_POINTOPOINT, ... */
	uint16_t type;		 /* ARPHRD_* */
	uint32_t mtu;		 /* bytes */
	uint32_t master_ifindex; /* bridge, bond or VRF it is a port of; 0: none */
	uint32_t lower_ifindex;	 /* device below (VLAN, macvlan) or peer of a veth; 0: none */
	bool lower_elsewhere;	 /* lower_ifindex is one of another network namespace */
	__be16 vlan_proto;	 /* of a VLAN device: 802.1Q or 802.1ad; else 0 */
	uint16_t vlan_id;
	bool vlan_qos;		 /* its egress-qos-map writes priorities into the tags */
	char kind[PCC_IFNAMSIZ]; /* "bridge", "veth", "tun", "vlan", ...; "" for hardware */
	uint8_t mac[32];
	uint32_t mac_bytes; /* 0 for devices without hardware addresses; tunnels over IPv4 have 4 */
};

/*
 * Do packets on the link begin with an Ethernet header? Not on PPP, WireGuard, GRE, IPIP, SIT, tun:
 * those have no neighbours either.
 */
bool pcc_link_is_ethernet(const struct pcc_link *link);

/* Does it need no next hop (IFF_POINTOPOINT, or of a kind without neighbours)? */
bool pcc_link_is_p2p(const struct pcc_link *link);

struct pcc_link_list {
	struct pcc_link *v;
	size_t n, room;
};

/* Frees the list and leaves the empty value. */
void pcc_link_list_free(struct pcc_link_list *list);

/* All interfaces. */
int pcc_link_dump(struct pcc_nl *nl, struct pcc_link_list *list, struct pcc_err *err);

/* One interface by its name. -ENODEV (with a hint) if there is none; nl on NETLINK_ROUTE. */
int pcc_link_by_name(
	struct pcc_nl *nl, const char *name, struct pcc_link *link, struct pcc_err *err);

/* The link of that number, or NULL. */
const struct pcc_link *pcc_link_numbered(const struct pcc_link_list *links, uint32_t ifindex);

#endif
