// SPDX-License-Identifier: GPL-2.0-only
/* Finding the next hop of a WAN; gateway.h has the order in which sources are tried. */
#include "kernel/gateway.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "kernel/address.h"
#include "kernel/lease.h"
#include "kernel/route.h"

/*
 * Is it a default route that struct pcc_gateway can hold? An IPv4 route via an IPv6 next hop is
 * not.
 */
static bool is_default(const struct pcc_route *r)
{
	return r->prefixlen == 0 && r->type == RTN_UNICAST &&
	       (!r->has_gateway || r->gateway_family == r->family);
}

static bool better(const struct pcc_route *a, const struct pcc_route *b)
{
	if (a->metric != b->metric)
		return a->metric < b->metric;
	return a->table == RT_TABLE_MAIN && b->table != RT_TABLE_MAIN;
}

/* Returns the best default route among ours, or among those of others; NULL if there is none. */
static const struct pcc_route *best_default(const struct pcc_route_list *routes, bool ours)
{
	const struct pcc_route *best = NULL;
	size_t i;

	for (i = 0; i < routes->n; i++) {
		const struct pcc_route *r = &routes->v[i];

		if (!is_default(r) || (r->protocol == PCC_RTPROT) != ours)
			continue;
		if (!best || better(r, best))
			best = r;
	}
	return best;
}

static void take_route(struct pcc_gateway *gw, const struct pcc_route *r)
{
	if (!r->has_gateway) {
		gw->source = PCC_GW_ONLINK;
		return;
	}
	gw->source = PCC_GW_FOUND;
	gw->addr = r->gateway;
}

/*
 * Drops addresses that do not indicate an uplink: link-local, loopback, and IPv6 addresses that
 * failed duplicate address detection.
 */
static void keep_uplink_addresses(struct pcc_ifaddr_list *list)
{
	size_t i, n = 0;

	for (i = 0; i < list->n; i++) {
		struct pcc_ifaddr *a = &list->v[i];

		if (a->scope >= RT_SCOPE_LINK || (a->flags & IFA_F_DADFAILED))
			continue;
		if (a->family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&a->addr.v6))
			continue;
		if (a->family == AF_INET && ntohl(a->addr.v4.s_addr) >> 16 == 0xa9fe)
			continue;
		list->v[n++] = *a;
	}
	list->n = n;
}

/* Is there an address that an ISP gave, that is, not only unique local addresses (RFC 4193)? */
static bool has_public(const struct pcc_ifaddr_list *list)
{
	size_t i;

	for (i = 0; i < list->n; i++) {
		const struct pcc_ifaddr *a = &list->v[i];

		if (a->family == AF_INET || (a->addr.v6.s6_addr[0] & 0xfe) != 0xfc)
			return true;
	}
	return false;
}

static int not_found(const struct pcc_link *link, int family, struct pcc_err *err)
{
	const char *f = family == AF_INET ? "IPv4" : "IPv6";

	pcc_err_set(err, -ENOENT, link->name,
		"it has an %s address, but no gateway was found in a default route%s", f,
		family == AF_INET ? " or a DHCP lease" : "");
	return pcc_err_hint(err, -ENOENT, "write it: --wan %s@%s", link->name,
		family == AF_INET ? "192.0.2.1 with your provider's gateway for 192.0.2.1"
				  : "fe80::1 with your provider's gateway for fe80::1");
}

/* Decides on the next hop, given everything that was read. */
static int decide(const struct pcc_link *link, int family, const char *lease_root,
	const struct pcc_route_list *routes, const struct pcc_ifaddr_list *addrs,
	struct pcc_gateway *gateway, struct pcc_err *err)
{
	const struct pcc_route *r = best_default(routes, false);
	struct pcc_lease lease;

	if (!r && pcc_link_is_p2p(link) && addrs->n) {
		gateway->source = PCC_GW_ONLINK;
		return 0;
	}
	if (!r && family == AF_INET && !pcc_lease_find(lease_root, link, addrs, &lease)) {
		gateway->source = PCC_GW_FOUND;
		gateway->addr.v4 = lease.router;
		return 0;
	}
	if (!r)
		r = best_default(routes, true);
	if (r)
		take_route(gateway, r);
	else if (has_public(addrs))
		return not_found(link, family, err);
	return 0;
}

int pcc_gateway_find(struct pcc_nl *nl, const struct pcc_link *link, int family,
	const char *lease_root, struct pcc_gateway *gateway, struct pcc_err *err)
{
	struct pcc_route_list routes = {0};
	struct pcc_ifaddr_list addrs = {0};
	int code;

	memset(gateway, 0, sizeof(*gateway));
	gateway->source = PCC_GW_NONE;
	code = pcc_route_dump_oif(nl, family, link->ifindex, &routes, err);
	if (!code)
		code = pcc_ifaddr_dump(nl, family, link->ifindex, &addrs, err);
	keep_uplink_addresses(&addrs);
	if (!code)
		code = decide(link, family, lease_root, &routes, &addrs, gateway, err);
	pcc_route_list_free(&routes);
	pcc_ifaddr_list_free(&addrs);
	return code;
}
