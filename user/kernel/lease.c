// SPDX-License-Identifier: GPL-2.0-only
#if 0 /* a copy, to be cut to its subject */
#include "base/file.h"
#include "kernel/gateway.h"
#include "base/array.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef ARPHRD_RAWIP
#define ARPHRD_RAWIP 519 /* linux/if_arp.h, which does not go with net/if.h */
#endif

#define LEASE_MAX_BYTES (4 * 1024 * 1024)

/* Offsets of a BOOTP message (RFC 2131, 2) and of its options (RFC 2132). */
enum { BOOTP_YIADDR = 16, BOOTP_COOKIE = 236, BOOTP_OPTIONS = 240 };
enum { DHCP_PAD = 0, DHCP_ROUTER = 3, DHCP_END = 255 };

/* ---- leases: pure ---- */

/* A router or client address that can be one: unicast, not this-network, not loopback. */
static bool address_ok(struct in_addr a)
{
	uint32_t host = ntohl(a.s_addr);

	return host >> 24 != 0 && host >> 24 != 127 && host >> 28 < 0xe;
}

/* Reads the first address of a list that ends at end. *a is left alone if there is no good one. */
static bool address_parse(const char *p, const char *end, struct in_addr *a)
{
	char word[INET_ADDRSTRLEN];
	struct in_addr parsed;
	size_t n = 0;

	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	while (p + n < end && strchr("0123456789.", p[n]) && p[n])
		n++;
	if (n == 0 || n >= sizeof(word) || (p + n < end && !strchr(" \t,;\r\n", p[n])))
		return false;
	memcpy(word, p, n);
	word[n] = '\0';
	if (inet_pton(AF_INET, word, &parsed) != 1 || !address_ok(parsed))
		return false;
	*a = parsed;
	return true;
}

/* The text after key if the line starts with it. */
static const char *after(const char *line, const char *end, const char *key)
{
	size_t n = strlen(key);

	return (size_t)(end - line) >= n && !memcmp(line, key, n) ? line + n : NULL;
}

int pcc_lease_networkd(const char *text, size_t len, struct pcc_lease *lease)
{
	const char *line = text, *end = text + len, *stop, *value;

	memset(lease, 0, sizeof(*lease));
	for (; line < end; line = stop + 1) {
		stop = memchr(line, '\n', (size_t)(end - line));
		if (!stop) /* a cut line may hold a cut address */
			break;
		value = after(line, stop, "ADDRESS=");
		if (value)
			address_parse(value, stop, &lease->address);
		value = after(line, stop, "ROUTER=");
		if (value)
			address_parse(value, stop, &lease->router);
	}
	return lease->router.s_addr ? 0 : -ENOENT;
}

/* The lease block that is being read. */
struct block {
	bool open, ours;
	struct pcc_lease lease;
};

/* One line of a dhclient lease file, without its leading white space. */
static void dhclient_line(struct block *b, const char *line, const char *end, const char *ifname)
{
	const char *value = after(line, end, "interface \"");
	size_t n = strlen(ifname);

	if (after(line, end, "lease {")) {
		memset(b, 0, sizeof(*b));
		b->open = true;
		return;
	}
	if (value) {
		b->ours = (size_t)(end - value) > n && !memcmp(value, ifname, n) && value[n] == '"';
		return;
	}
	value = after(line, end, "fixed-address ");
	if (value)
		address_parse(value, end, &b->lease.address);
	value = after(line, end, "option routers ");
	if (value)
		address_parse(value, end, &b->lease.router);
}

int pcc_lease_dhclient(const char *text, size_t len, const char *ifname,
	const struct in_addr *address, struct pcc_lease *lease)
{
	const char *line = text, *end = text + len, *stop;
	struct block b = {0};
	int found = -ENOENT;

	memset(lease, 0, sizeof(*lease));
	for (; line < end; line = stop + 1) {
		stop = memchr(line, '\n', (size_t)(end - line));
		if (!stop)
			stop = end;
		while (line < stop && (*line == ' ' || *line == '\t'))
			line++;
		if (line < stop && *line == '}') {
			if (b.open && b.ours && b.lease.router.s_addr &&
				(!address || address->s_addr == b.lease.address.s_addr)) {
				*lease = b.lease;
				found = 0;
			}
			memset(&b, 0, sizeof(b));
			continue;
		}
		dhclient_line(&b, line, stop, ifname);
	}
	return found;
}

int pcc_lease_dhcpcd(const void *data, size_t len, struct pcc_lease *lease)
{
	static const uint8_t cookie[4] = {0x63, 0x82, 0x53, 0x63};
	const uint8_t *p = data;
	size_t at = BOOTP_OPTIONS;

	memset(lease, 0, sizeof(*lease));
	if (len < BOOTP_OPTIONS || memcmp(p + BOOTP_COOKIE, cookie, sizeof(cookie)) != 0)
		return -ENOENT;
	memcpy(&lease->address, p + BOOTP_YIADDR, sizeof(lease->address));
	while (at < len && p[at] != DHCP_END) {
		if (p[at] == DHCP_PAD) {
			at++;
			continue;
		}
		if (at + 2 > len || at + 2 + p[at + 1] > len)
			break; /* cut */
		if (p[at] == DHCP_ROUTER && p[at + 1] >= sizeof(lease->router)) {
			memcpy(&lease->router, p + at + 2, sizeof(lease->router));
			break;
		}
		at += 2 + (size_t)p[at + 1];
	}
	if (!address_ok(lease->router))
		memset(&lease->router, 0, sizeof(lease->router));
	return lease->router.s_addr ? 0 : -ENOENT;
}

/* ---- lease files ---- */

/* Reads a whole regular file. NULL if there is none, or it is no lease by its size. */
static char *read_lease(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *data = NULL;

	*len = 0;
	if (fd < 0)
		return NULL;
	pcc_slurp(fd, LEASE_MAX_BYTES, &data, len);
	close(fd);
	if (*len)
		return data;
	free(data);
	return NULL;
}

/* A lease counts for the address that it gave; networkd before 249 did not write it down. */
static bool lease_fits(const struct pcc_lease *lease, struct in_addr address)
{
	return !lease->address.s_addr || lease->address.s_addr == address.s_addr;
}

static int lease_from_networkd(const char *root, const struct pcc_link *link,
	struct in_addr address, struct pcc_lease *lease)
{
	char path[PATH_MAX];
	char *data;
	size_t len;
	int err = -ENOENT;

	snprintf(path, sizeof(path), "%s/run/systemd/netif/leases/%u", root, link->ifindex);
	data = read_lease(path, &len);
	if (data)
		err = pcc_lease_networkd(data, len, lease);
	free(data);
	return err || !lease_fits(lease, address) ? -ENOENT : 0;
}

static int lease_from_dhclient(const char *root, const struct pcc_link *link,
	struct in_addr address, struct pcc_lease *lease)
{
	static const char *const formats[] = {"%s/var/lib/dhcp/dhclient.%s.leases",
		"%s/var/lib/dhcp/dhclient.leases", "%s/var/lib/dhclient/dhclient.leases"};
	char path[PATH_MAX];
	size_t i, len;

	for (i = 0; i < COUNT(formats); i++) {
		int err = -ENOENT;
		char *data;

		snprintf(path, sizeof(path), formats[i], root, link->name);
		data = read_lease(path, &len);
		if (data)
			err = pcc_lease_dhclient(data, len, link->name, &address, lease);
		free(data);
		if (!err)
			return 0;
	}
	return -ENOENT;
}

/* <if>.lease, and <if>-<ssid>.lease of wireless interfaces. */
static int lease_from_dhcpcd(const char *root, const struct pcc_link *link, struct in_addr address,
	struct pcc_lease *lease)
{
	char pattern[PATH_MAX];
	glob_t found = {0};
	int err = -ENOENT;
	size_t i;

	snprintf(pattern, sizeof(pattern), "%s/var/lib/dhcpcd/%s.lease", root, link->name);
	glob(pattern, 0, NULL, &found);
	snprintf(pattern, sizeof(pattern), "%s/var/lib/dhcpcd/%s-*.lease", root, link->name);
	glob(pattern, GLOB_APPEND, NULL, &found);
	for (i = 0; err && i < found.gl_pathc; i++) {
		size_t len;
		char *data = read_lease(found.gl_pathv[i], &len);

		if (data)
			err = pcc_lease_dhcpcd(data, len, lease);
		free(data);
		if (!err && !lease_fits(lease, address))
			err = -ENOENT;
	}
	globfree(&found);
	return err;
}

/* The lease of one of the interface's IPv4 addresses, whichever client has one. */
static int lease_find(const char *root, const struct pcc_link *link,
	const struct pcc_ifaddr_list *addrs, struct pcc_lease *lease)
{
	size_t i;

	for (i = 0; i < addrs->n; i++) {
		struct in_addr a = addrs->v[i].addr.v4;

		if (!lease_from_networkd(root, link, a, lease) ||
			!lease_from_dhclient(root, link, a, lease) ||
			!lease_from_dhcpcd(root, link, a, lease))
			return 0;
	}
	return -ENOENT;
}

/* ---- routes ---- */

bool pcc_link_is_p2p(const struct pcc_link *link)
{
	return (link->flags & IFF_POINTOPOINT) || link->type == ARPHRD_NONE ||
	       link->type == ARPHRD_PPP || link->type == ARPHRD_RAWIP;
}

/* A default route that pcc_gateway can hold: IPv4 via an IPv6 next hop it cannot. */
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

/* The best default route, ours or other people's; NULL if there is none. */
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
	if (r->family == AF_INET)
		gw->addr.v4 = r->gateway.v4;
	else
		gw->addr.v6 = r->gateway.v6;
}

/*
 * Drops addresses that say nothing about an uplink: link-local, loopback, and IPv6 ones that failed
 * duplicate address detection.
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

/* Is there an address that an ISP gave, not only unique local ones (RFC 4193)? */
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

/* Decides from what was read. */
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
	if (!r && family == AF_INET && !lease_find(lease_root, link, addrs, &lease)) {
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
#endif
