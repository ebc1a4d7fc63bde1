/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Links, addresses, routes and rules of the caller's network namespace, through rtnetlink. Plain
 * structs; IPv4 and IPv6 alike. All functions return 0 or -errno and fill err (which may be NULL).
 * Lists must be empty (all zeroes) or filled by an earlier call, whose contents they replace.
 */
#ifndef PCC_ROUTE_H
#define PCC_ROUTE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "kernel/netlink.h"
#include "pccbpf.h"

/* An address of either family; the family stands beside it. Network byte order. */
union pcc_ip {
	struct in_addr v4;
	struct in6_addr v6;
	uint8_t bytes[16];
};

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

/* One address of an interface (RTM_NEWADDR). addr is the local one, on point-to-point links too. */
struct pcc_ifaddr {
	int family;
	uint32_t ifindex;
	union pcc_ip addr;
	uint8_t prefixlen;
	uint8_t scope;	/* RT_SCOPE_* */
	uint32_t flags; /* IFA_F_*: TENTATIVE, DADFAILED, DEPRECATED, ... */
	bool has_peer;
	union pcc_ip peer;
};

/*
 * One route, or one next hop of a multipath route. add, replace and del use: family, type, table,
 * dst, prefixlen, gateway, oif, metric, protocol, onlink. The rest is for reading.
 */
struct pcc_route {
	int family;
	uint8_t type;	  /* RTN_UNICAST, RTN_UNREACHABLE, ... */
	uint8_t protocol; /* RTPROT_*; PCC_RTPROT is ours */
	uint8_t scope;	  /* RT_SCOPE_*, IPv4 only */
	uint8_t prefixlen;
	union pcc_ip dst;
	uint32_t table;
	uint32_t metric; /* IPv6: 0 is what the kernel makes of it, 1024 */
	uint32_t oif;	 /* ifindex; 0: none, or not said */
	bool has_gateway;
	int gateway_family; /* as family, but for an IPv4 route via an IPv6 next hop */
	union pcc_ip gateway;
	bool onlink;	   /* RTNH_F_ONLINK: the gateway need not be inside a connected prefix */
	uint32_t nh_flags; /* RTNH_F_*: DEAD, LINKDOWN, ... */
	bool multipath;	   /* one of several next hops: cannot be deleted on its own */
};

/* One policy rule (RTM_NEWRULE). */
struct pcc_rule {
	int family;
	uint32_t pref;
	uint8_t action;	  /* FR_ACT_TO_TBL, ... */
	uint8_t protocol; /* RTPROT_*; PCC_RTPROT is ours */
	uint32_t table;
	uint32_t fwmark, fwmask; /* fwmask 0: does not look at the mark */
	union pcc_ip src;
	uint8_t src_prefixlen;	    /* 0: from all */
	int32_t suppress_prefixlen; /* -1: none */
	bool other;		    /* has selectors that this struct does not hold: not ours */
};

struct pcc_link_list {
	struct pcc_link *v;
	size_t n, room;
};

struct pcc_ifaddr_list {
	struct pcc_ifaddr *v;
	size_t n, room;
};

struct pcc_route_list {
	struct pcc_route *v;
	size_t n, room;
};

struct pcc_rule_list {
	struct pcc_rule *v;
	size_t n, room;
};

/* Free a list and leave the empty value. */
void pcc_link_list_free(struct pcc_link_list *list);
void pcc_ifaddr_list_free(struct pcc_ifaddr_list *list);
void pcc_route_list_free(struct pcc_route_list *list);
void pcc_rule_list_free(struct pcc_rule_list *list);

/* All interfaces. */
int pcc_link_dump(struct pcc_nl *nl, struct pcc_link_list *list, struct pcc_err *err);

/* One interface by its name. -ENODEV (with a hint) if there is none; nl on NETLINK_ROUTE. */
int pcc_link_by_name(
	struct pcc_nl *nl, const char *name, struct pcc_link *link, struct pcc_err *err);

/* Addresses; family AF_UNSPEC for both, ifindex 0 for all interfaces. */
int pcc_ifaddr_dump(struct pcc_nl *nl, int family, uint32_t ifindex, struct pcc_ifaddr_list *list,
	struct pcc_err *err);

/*
 * Routes of one family; table 0 and oif 0 for all. A family that the kernel does not have and a
 * table that does not exist are empty. Entries of the route cache are left out. The kernel filters,
 * so that one table of a router with a full BGP feed stays cheap.
 */
int pcc_route_dump(struct pcc_nl *nl, int family, uint32_t table, struct pcc_route_list *list,
	struct pcc_err *err);
int pcc_route_dump_oif(struct pcc_nl *nl, int family, uint32_t oif, struct pcc_route_list *list,
	struct pcc_err *err);

/*
 * The same route: what add and del name (family, type, table, destination, metric, protocol, next
 * hop). Interface and gateway count for unicast only, the on-link flag only with a gateway.
 */
bool pcc_route_equal(const struct pcc_route *a, const struct pcc_route *b);

/* Adds a route. -EEXIST if that destination, table and metric is taken, by whatever next hop. */
int pcc_route_add(struct pcc_nl *nl, const struct pcc_route *route, struct pcc_err *err);

/* Adds a route or, in one step, takes the place of the one with the same table, dst and metric. */
int pcc_route_replace(struct pcc_nl *nl, const struct pcc_route *route, struct pcc_err *err);

/* Deletes exactly that route. -ESRCH or -ENOENT if it (or its table) is not there. */
int pcc_route_del(struct pcc_nl *nl, const struct pcc_route *route, struct pcc_err *err);

/* Writes the route as `ip route` prints it, the interface by name. Returns buf. */
char *pcc_route_format(char *buf, size_t len, const struct pcc_route *route);

/* Rules of one family, in the order in which the kernel asks them. */
int pcc_rule_dump(struct pcc_nl *nl, int family, struct pcc_rule_list *list, struct pcc_err *err);

/* The same rule in every selector, action, preference and protocol. */
bool pcc_rule_equal(const struct pcc_rule *a, const struct pcc_rule *b);

/* Adds a rule. -EEXIST if the kernel has the same one. */
int pcc_rule_add(struct pcc_nl *nl, const struct pcc_rule *rule, struct pcc_err *err);

/* Deletes that rule. -ENOENT if it is not there. */
int pcc_rule_del(struct pcc_nl *nl, const struct pcc_rule *rule, struct pcc_err *err);

/* Writes the rule as `ip rule` prints it. Returns buf. */
char *pcc_rule_format(char *buf, size_t len, const struct pcc_rule *rule);

/*
 * Does a next hop answer? Asks the kernel to resolve it and waits at most timeout_ms. 0: it does
 * (or the link needs no resolution); -EHOSTUNREACH: no answer; another -errno if it could not be
 * asked. An entry that was made here and failed is deleted again; nothing permanent is made.
 */
int pcc_neigh_probe(struct pcc_nl *nl, uint32_t ifindex, int family, const union pcc_ip *gateway,
	unsigned int timeout_ms);

/* SO_NETNS_COOKIE of the caller's network namespace. -ENOPROTOOPT before Linux 5.14. */
int pcc_netns_cookie(uint64_t *cookie);

#endif
