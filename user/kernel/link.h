/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interfaces of the caller's network namespace, read by rtnetlink. Functions return 0, or
 * -errno with err (which may be NULL) filled. A list passed in must be empty (all zeroes) or filled
 * by an earlier call; its old contents are lost.
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
	uint32_t master_ifindex; /* the bridge, bond or VRF it is a port of; 0: none */
	uint32_t
		lower_ifindex; /* the device below (VLAN, macvlan) or the peer of a veth; 0: none */
	bool lower_elsewhere;  /* lower_ifindex is in another network namespace */
	__be16 vlan_proto;     /* of a VLAN device: 802.1Q or 802.1ad; 0: not a VLAN */
	uint16_t vlan_id;
	bool vlan_qos;		 /* its egress-qos-map writes priorities into the tags */
	char kind[PCC_IFNAMSIZ]; /* "bridge", "veth", "tun", "vlan", ...; "" for hardware */
	uint8_t mac[32];
	/* 0 for devices without link-layer addresses; tunnels over IPv4 have 4. */
	uint32_t mac_bytes;
};

/*
 * Do packets on the link begin with an Ethernet header? They do not on PPP, WireGuard, GRE, IPIP,
 * SIT and tun, which have no neighbours either.
 */
bool pcc_link_is_ethernet(const struct pcc_link *link);

/*
 * Can packets be sent without a next hop (IFF_POINTOPOINT, or a kind of link without neighbours)?
 */
bool pcc_link_is_p2p(const struct pcc_link *link);

struct pcc_link_list {
	struct pcc_link *v;
	size_t n, room;
};

/* Frees the list and leaves an empty one. */
void pcc_link_list_free(struct pcc_link_list *list);

/* Reads all interfaces into list. */
int pcc_link_dump(struct pcc_nl *nl, struct pcc_link_list *list, struct pcc_err *err);

/*
 * Reads one interface by its name. Returns -ENODEV (with a hint) if there is none. nl is a socket
 * of NETLINK_ROUTE.
 */
int pcc_link_by_name(
	struct pcc_nl *nl, const char *name, struct pcc_link *link, struct pcc_err *err);

/* Returns the link with this ifindex, or NULL. */
const struct pcc_link *pcc_link_numbered(const struct pcc_link_list *links, uint32_t ifindex);

#endif
