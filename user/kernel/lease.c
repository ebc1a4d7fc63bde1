// SPDX-License-Identifier: GPL-2.0-only
/* Reading the lease files of DHCP clients. */
#include "kernel/lease.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/file.h"

#define LEASE_MAX_BYTES (4 * 1024 * 1024)

/* Offsets of a BOOTP message (RFC 2131, 2) and of its options (RFC 2132). */
enum { BOOTP_YIADDR = 16, BOOTP_COOKIE = 236, BOOTP_OPTIONS = 240 };
enum { DHCP_PAD = 0, DHCP_ROUTER = 3, DHCP_END = 255 };

/* ---- what a client wrote: pure ---- */

/*
 * Can this be the address of a router or a client: unicast, not "this network" (0.0.0.0/8), not
 * loopback?
 */
static bool address_ok(struct in_addr a)
{
	uint32_t host = ntohl(a.s_addr);

	return host >> 24 != 0 && host >> 24 != 127 && host >> 28 < 0xe;
}

/*
 * Reads the first address of a list that ends at end. Returns false and leaves *a alone if it is
 * not a valid address.
 */
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

/* Returns the text after key if the line starts with key, else NULL. */
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
		if (!stop) /* an incomplete line may contain an incomplete address */
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

/* Reads one line of a dhclient lease file, without its leading white space. */
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
			break; /* the message is incomplete */
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

/*
 * Reads a whole regular file. Returns NULL if there is none, or if its size cannot be that of a
 * lease.
 */
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

/*
 * A lease is valid for the address that it gave. systemd-networkd before version 249 did not write
 * the address down.
 */
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

/* Reads <if>.lease, and <if>-<ssid>.lease of wireless interfaces. */
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

int pcc_lease_find(const char *root, const struct pcc_link *link,
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
