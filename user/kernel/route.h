/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The routes of the caller's network namespace, through rtnetlink. Functions return 0 or
 * -errno and fill err (which may be NULL). A list must be empty (all zeroes) or filled by an
 * earlier call, whose contents it loses.
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
 * One route, or one next hop of a multipath route. add, replace and del use: family, type, table,
 * dst, prefixlen, gateway, oif, metric, protocol, onlink. The rest is for reading.
 */
struct pcc_route {
	int family;
	uint8_t type;	  /* RTN_UNICAST, RTN_UNREACHABLE, ... */
	uint8_t protocol; /* RTPROT_*; PCC_RTPROT is ours */
	uint8_t prefixlen;
	union pcc_ip dst;
	uint32_t table;
	uint32_t metric; /* IPv6: 0 is what the kernel makes of it, 1024 */
	uint32_t oif;	 /* ifindex; 0: none, or not said */
	bool has_gateway;
	int gateway_family; /* as family, but for an IPv4 route via an IPv6 next hop */
	union pcc_ip gateway;
	bool onlink;	/* RTNH_F_ONLINK: the gateway need not be inside a connected prefix */
	bool multipath; /* one of several next hops: cannot be deleted on its own */
};

struct pcc_route_list {
	struct pcc_route *v;
	size_t n, room;
};

/* Frees the list and leaves the empty value. */
void pcc_route_list_free(struct pcc_route_list *list);

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

/* The metric that the kernel has for it: net/ipv6/route.c, IP6_RT_PRIO_USER in place of 0. */
static inline uint32_t pcc_route_metric(const struct pcc_route *r)
{
	return r->family == AF_INET6 && r->metric == 0 ? 1024 : r->metric;
}

/*
 * The device by which the kernel would forward a packet with this tuple and mark that comes in by
 * iif (RTM_GETROUTE, net/ipv4/route.c, net/ipv6/route.c). Returns 0 with *oif; -EACCES or -EINVAL
 * where a route or rule forbids it (prohibit, blackhole), -EHOSTUNREACH or -ENETUNREACH where there
 * is no way, -EXDEV where the source is not valid on that interface, another -errno of the
 * conversation.
 */
int pcc_route_get(struct pcc_nl *nl, const struct pcc_tuple *tuple, uint32_t iif, uint32_t mark,
	uint32_t *oif);

#endif
