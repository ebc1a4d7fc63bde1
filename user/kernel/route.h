/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The routes of the caller's network namespace, by rtnetlink. Functions return 0, or -errno with
 * err (which may be NULL) filled. A list passed in must be empty (all zeroes) or filled by an
 * earlier call; its old contents are lost.
 */
#ifndef PCC_ROUTE_H
#define PCC_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/err.h"
#include "kernel/netlink.h"
#include "pccbpf.h"

/*
 * One route, or one next hop of a multipath route. To add, replace and delete a route these members
 * are used: family, type, table, dst, prefixlen, gateway, oif, metric, protocol, onlink. The others
 * are filled when routes are read.
 */
struct pcc_route {
	int family;
	uint8_t type;	  /* RTN_UNICAST, RTN_UNREACHABLE, ... */
	uint8_t protocol; /* RTPROT_*; PCC_RTPROT is ours */
	uint8_t prefixlen;
	union pcc_ip dst;
	uint32_t table;
	uint32_t metric; /* IPv6: the kernel turns 0 into 1024 */
	uint32_t oif;	 /* ifindex; 0: none or unknown */
	bool has_gateway;
	int gateway_family; /* as family, except for an IPv4 route via an IPv6 next hop */
	union pcc_ip gateway;
	bool onlink;	/* RTNH_F_ONLINK: the gateway need not be in a connected prefix */
	bool multipath; /* one of several next hops: cannot be deleted on its own */
};

struct pcc_route_list {
	struct pcc_route *v;
	size_t n, room;
};

/* Frees the list and leaves an empty one. */
void pcc_route_list_free(struct pcc_route_list *list);

/*
 * Reads the routes of one family; table 0 and oif 0 mean all. A family that the kernel does not
 * have, or a table that does not exist, has no routes. Entries of the route cache are left out. The
 * kernel does the filtering, so that reading one table is cheap on a router with a full BGP feed.
 */
int pcc_route_dump(struct pcc_nl *nl, int family, uint32_t table, struct pcc_route_list *list,
	struct pcc_err *err);
int pcc_route_dump_oif(struct pcc_nl *nl, int family, uint32_t oif, struct pcc_route_list *list,
	struct pcc_err *err);

/*
 * Are both the same route, by what adding and deleting specify (family, type, table, destination,
 * metric, protocol, next hop)? Interface and gateway count for unicast routes only, the on-link
 * flag only with a gateway.
 */
bool pcc_route_equal(const struct pcc_route *a, const struct pcc_route *b);

/*
 * Adds a route. Returns -EEXIST if there is a route with this destination, table and metric,
 * whatever its next hop.
 */
int pcc_route_add(struct pcc_nl *nl, const struct pcc_route *route, struct pcc_err *err);

/* Adds a route, or replaces the one with the same table, destination and metric in one step. */
int pcc_route_replace(struct pcc_nl *nl, const struct pcc_route *route, struct pcc_err *err);

/*
 * Deletes exactly this route. Returns -ESRCH or -ENOENT if the route or its table does not exist.
 */
int pcc_route_del(struct pcc_nl *nl, const struct pcc_route *route, struct pcc_err *err);

/* The metric that the kernel stores: IP6_RT_PRIO_USER in place of 0 for IPv6 (net/ipv6/route.c). */
static inline uint32_t pcc_route_metric(const struct pcc_route *r)
{
	return r->family == AF_INET6 && r->metric == 0 ? 1024 : r->metric;
}

/*
 * Asks the kernel by which device it would forward a packet with this tuple and mark that arrives
 * on iif (RTM_GETROUTE, net/ipv4/route.c, net/ipv6/route.c). Returns 0 with *oif; -EACCES or
 * -EINVAL if a route or rule forbids it (prohibit, blackhole), -EHOSTUNREACH or -ENETUNREACH if
 * there is no route, -EXDEV if the source is not valid on that interface, another -errno if the
 * kernel could not be asked.
 */
int pcc_route_get(struct pcc_nl *nl, const struct pcc_tuple *tuple, uint32_t iif, uint32_t mark,
	uint32_t *oif);

#endif
