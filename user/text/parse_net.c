// SPDX-License-Identifier: GPL-2.0-only
/* Text to values: interfaces, gateways, WANs, addresses, prefixes. */
#include "text/parse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/array.h"

/* Is it UTF-8 (RFC 3629)? JSON has no other characters. */
static bool is_utf8(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	while (*p) {
		unsigned int more = *p < 0x80		      ? 0
				    : *p >= 0xc2 && *p < 0xe0 ? 1
				    : *p >= 0xe0 && *p < 0xf0 ? 2
				    : *p >= 0xf0 && *p < 0xf5 ? 3
							      : 9;
		unsigned char first = *p++;

		if (more == 9 || (first == 0xe0 && *p < 0xa0) || (first == 0xed && *p > 0x9f) ||
			(first == 0xf0 && *p < 0x90) || (first == 0xf4 && *p > 0x8f))
			return false;
		for (; more; more--)
			if ((*p++ & 0xc0) != 0x80)
				return false;
	}
	return true;
}

int pcc_parse_ifname(
	const char *word, const char *object, char name[PCC_IFNAMSIZ], struct pcc_err *err)
{
	size_t len = strlen(word);

	if (len == 0)
		return pcc_err_set(err, -EINVAL, object, "'' is not an interface name");
	if (len >= PCC_IFNAMSIZ) {
		pcc_err_set(err, -EINVAL, object, "'%s' is too long for an interface name", word);
		return pcc_err_hint(err, -EINVAL, "interface names have at most %u characters",
			PCC_IFNAMSIZ - 1);
	}
	if (strcmp(word, ".") == 0 || strcmp(word, "..") == 0)
		return pcc_err_set(err, -EINVAL, object, "'%s' is not an interface name", word);
	for (const char *p = word; *p; p++) {
		if ((unsigned char)*p > ' ' && *p != 0x7f && !strchr("/:\"'`,@*", *p))
			continue;
		pcc_err_set(err, -EINVAL, object, "'%s' is not an interface name", word);
		if (*p == '@')
			return pcc_err_hint(err, -EINVAL,
				"write '%.*s', without what `ip link` "
				"shows after the @",
				(int)(p - word), word);
		return pcc_err_hint(
			err, -EINVAL, "no blanks, quotes or any of / : , @ * in interface names");
	}
	if (!is_utf8(word)) {
		pcc_err_set(err, -EINVAL, object, "an interface name that is not UTF-8");
		return pcc_err_hint(err, -EINVAL, "rename it: ip link set OLD name NEW");
	}
	memcpy(name, word, len + 1);
	return 0;
}

/* Returns why an IPv4 address cannot be a next hop, or NULL if it can. */
static const char *bad_gateway4(struct in_addr addr)
{
	uint32_t host = ntohl(addr.s_addr);

	if (host >> 24 == 0)
		return "is not the address of a router";
	if (host >> 24 == 127)
		return "is a loopback address";
	if (host >> 28 == 0xe)
		return "is a multicast address";
	if (host == 0xffffffff)
		return "is the broadcast address";
	return NULL;
}

static const char *bad_gateway6(const struct in6_addr *addr)
{
	if (IN6_IS_ADDR_UNSPECIFIED(addr))
		return "is not the address of a router";
	if (IN6_IS_ADDR_LOOPBACK(addr))
		return "is a loopback address";
	if (IN6_IS_ADDR_MULTICAST(addr))
		return "is a multicast address";
	if (IN6_IS_ADDR_V4MAPPED(addr))
		return "is an IPv4 address in IPv6 clothes";
	return NULL;
}

static int gateway_not_address(const char *word, const char *object, struct pcc_err *err)
{
	pcc_err_set(err, -EINVAL, object, "'%s' is not a gateway address", word);
	if (strchr(word, '%'))
		return pcc_err_hint(err, -EINVAL,
			"leave out the %%zone: the gateway is on the WAN's own interface");
	if (strchr(word, '/'))
		return pcc_err_hint(err, -EINVAL, "write the address without /prefix");
	if (word[0] == '[')
		return pcc_err_hint(err, -EINVAL, "write the address without brackets");
	return pcc_err_hint(err, -EINVAL, "write an IPv4 or IPv6 address, as in eth1@192.0.2.1");
}

/* Reads one gateway of either family and stores it in the WAN. */
static int parse_gateway(
	const char *word, const char *object, struct pcc_wan_cfg *wan, struct pcc_err *err)
{
	struct pcc_gateway gw = {.source = PCC_GW_GIVEN};
	enum pcc_family family;
	const char *why;
	uint32_t bit;

	if (inet_pton(AF_INET, word, &gw.addr.v4) == 1) {
		family = PCC_V4;
		bit = PCC_WAN_SET_GW4;
		why = bad_gateway4(gw.addr.v4);
	} else if (inet_pton(AF_INET6, word, &gw.addr.v6) == 1) {
		family = PCC_V6;
		bit = PCC_WAN_SET_GW6;
		why = bad_gateway6(&gw.addr.v6);
	} else {
		return gateway_not_address(word, object, err);
	}
	if (why)
		return pcc_err_set(err, -EINVAL, object, "gateway '%s' %s", word, why);
	if (wan->given & bit) {
		pcc_err_set(err, -EINVAL, object, "'%s' is a second %s gateway", word,
			family == PCC_V4 ? "IPv4" : "IPv6");
		return pcc_err_hint(err, -EINVAL, "a WAN has one gateway of each family");
	}
	wan->gw[family] = gw;
	wan->given |= bit;
	return 0;
}

int pcc_parse_gateways(
	const char *word, const char *object, struct pcc_wan_cfg *wan, struct pcc_err *err)
{
	struct pcc_wan_cfg parsed = *wan;
	char one[INET6_ADDRSTRLEN + 32];

	parsed.given &= ~(PCC_WAN_SET_GW4 | PCC_WAN_SET_GW6);
	for (;;) {
		size_t len = strcspn(word, "@");
		int ret;

		if (len >= sizeof(one))
			return pcc_err_set(
				err, -EINVAL, object, "'%.40s...' is not a gateway address", word);
		memcpy(one, word, len);
		one[len] = '\0';
		ret = parse_gateway(one, object, &parsed, err);
		if (ret)
			return ret;
		if (!word[len])
			break;
		word += len + 1;
	}
	parsed.given |= wan->given;
	*wan = parsed;
	return 0;
}

int pcc_parse_wan(
	const char *word, const char *object, struct pcc_wan_cfg *wan, struct pcc_err *err)
{
	struct pcc_wan_cfg parsed = {.weight = 1, .state = PCC_WAN_UP};
	char text[256], *gateways, *weight;
	int ret;

	parsed.gw[PCC_V4].source = parsed.gw[PCC_V6].source = PCC_GW_AUTO;
	if (strlen(word) >= sizeof(text))
		return pcc_err_set(err, -EINVAL, object, "'%.40s...' is too long", word);
	memcpy(text, word, strlen(word) + 1);
	weight = strchr(text, '*');
	if (weight)
		*weight++ = '\0';
	gateways = strchr(text, '@');
	if (gateways)
		*gateways++ = '\0';
	if (weight && strchr(weight, '@')) {
		pcc_err_set(err, -EINVAL, object, "'%s': the weight comes last", word);
		return pcc_err_hint(err, -EINVAL, "write IF[@GATEWAY][@GATEWAY6][*WEIGHT]");
	}
	ret = pcc_parse_ifname(text, object, parsed.name, err);
	if (ret)
		return ret;
	if (gateways) {
		ret = pcc_parse_gateways(gateways, object, &parsed, err);
		if (ret)
			return ret;
	}
	if (weight) {
		ret = pcc_parse_u32(
			weight, object, PCC_DECIMAL, 1, PCC_MAX_WEIGHT, &parsed.weight, err);
		if (ret)
			return ret;
		parsed.given |= PCC_WAN_SET_WEIGHT;
	}
	*wan = parsed;
	return 0;
}

static int add_wan(const char *word, void *ctx, struct pcc_err *err)
{
	struct pcc_config *cfg = ctx;
	struct pcc_wan_cfg wan;
	int ret;

	ret = pcc_parse_wan(word, "--wan", &wan, err);
	if (ret)
		return ret;
	if (cfg->nwans >= COUNT(cfg->wans))
		return pcc_err_set(err, -EINVAL, "--wan", "'%s' is one too many (at most %u WANs)",
			word, PCC_MAX_WANS);
	wan.order = cfg->nwans;
	cfg->wans[cfg->nwans++] = wan;
	return 0;
}

static int add_lan(const char *word, void *ctx, struct pcc_err *err)
{
	struct pcc_config *cfg = ctx;
	struct pcc_lan_cfg lan = {0};
	int ret;

	ret = pcc_parse_ifname(word, "--lan", lan.name, err);
	if (ret)
		return ret;
	if (cfg->nlans >= COUNT(cfg->lans))
		return pcc_err_set(err, -EINVAL, "--lan", "'%s' is one too many (at most %u LANs)",
			word, PCC_MAX_LANS);
	cfg->lans[cfg->nlans++] = lan;
	return 0;
}

int pcc_parse_wans(const char *text, struct pcc_config *cfg, struct pcc_err *err)
{
	uint32_t before = cfg->nwans;
	int ret = pcc_parse_list(text, "--wan", add_wan, cfg, err);

	if (ret)
		cfg->nwans = before;
	return ret;
}

int pcc_parse_lans(const char *text, struct pcc_config *cfg, struct pcc_err *err)
{
	uint32_t before = cfg->nlans;
	int ret = pcc_parse_list(text, "--lan", add_lan, cfg, err);

	if (ret)
		cfg->nlans = before;
	return ret;
}

/* Reads an address of either family; *addr is v4-mapped for IPv4. */
static bool address(const char *word, struct pcc_addr *addr, enum pcc_family *family)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, word, &v4) == 1) {
		pcc_addr_map_v4(addr->a, v4.s_addr);
		*family = PCC_V4;
		return true;
	}
	if (inet_pton(AF_INET6, word, &v6) != 1 || IN6_IS_ADDR_V4MAPPED(&v6))
		return false;
	memcpy(addr->a, &v6, sizeof(addr->a));
	*family = PCC_V6;
	return true;
}

static int not_endpoint(const char *word, const char *object, struct pcc_err *err)
{
	pcc_err_set(err, -EINVAL, object, "'%s' is not an address", word);
	return pcc_err_hint(
		err, -EINVAL, "write 192.0.2.1, 192.0.2.1:80, 2001:db8::1 or [2001:db8::1]:80");
}

int pcc_parse_endpoint(
	const char *word, const char *object, struct pcc_endpoint *out, struct pcc_err *err)
{
	struct pcc_endpoint parsed = {0};
	char text[INET6_ADDRSTRLEN + 8], *port = NULL, *start = text, *end;
	bool bracket = word[0] == '[';
	uint32_t number;
	int ret;

	if (strlen(word) >= sizeof(text))
		return not_endpoint(word, object, err);
	memcpy(text, word, strlen(word) + 1);
	if (bracket) {
		start = text + 1;
		end = strchr(start, ']');
		if (!end || (end[1] && end[1] != ':'))
			return not_endpoint(word, object, err);
		if (end[1])
			port = end + 2;
		*end = '\0';
	} else if (strchr(text, ':') && strchr(text, ':') == strrchr(text, ':')) {
		port = strchr(text, ':');
		*port++ = '\0';
	}
	if (!address(start, &parsed.addr, &parsed.family) || (bracket && parsed.family != PCC_V6))
		return not_endpoint(word, object, err);
	if (port) {
		ret = pcc_parse_u32(port, object, PCC_DECIMAL, 0, UINT16_MAX, &number, err);
		if (ret)
			return ret;
		parsed.has_port = true;
		parsed.port = (uint16_t)number;
	}
	*out = parsed;
	return 0;
}

/* Returns which bits of word i of a v4-mapped address the prefix covers, in network byte order. */
static __be32 prefix_mask(const struct pcc_prefix *prefix, uint32_t i)
{
	uint32_t bits = prefix->len + (prefix->family == PCC_V4 ? 96 : 0);

	if (bits >= 32 * (i + 1))
		return 0xffffffff;
	if (bits <= 32 * i)
		return 0;
	return htonl(0xffffffffu << (32 * (i + 1) - bits));
}

int pcc_parse_prefix(
	const char *word, const char *object, struct pcc_prefix *out, struct pcc_err *err)
{
	struct pcc_prefix parsed = {0};
	char text[INET6_ADDRSTRLEN + 8], *len;
	uint32_t max, number;
	int ret;

	if (strlen(word) >= sizeof(text))
		goto bad;
	memcpy(text, word, strlen(word) + 1);
	len = strchr(text, '/');
	if (len)
		*len++ = '\0';
	if (!address(text, &parsed.addr, &parsed.family))
		goto bad;
	number = max = parsed.family == PCC_V4 ? 32 : 128;
	if (len) {
		ret = pcc_parse_u32(len, object, PCC_DECIMAL, 0, max, &number, err);
		if (ret)
			return ret;
	}
	parsed.len = (uint8_t)number;
	for (uint32_t i = 0; i < 4; i++)
		parsed.addr.a[i] &= prefix_mask(&parsed, i);
	*out = parsed;
	return 0;
bad:
	pcc_err_set(err, -EINVAL, object, "'%s' is not an address", word);
	return pcc_err_hint(err, -EINVAL, "write ADDRESS or ADDRESS/LENGTH, as in 192.0.2.0/24");
}

bool pcc_prefix_contains(const struct pcc_prefix *prefix, const struct pcc_addr *addr)
{
	bool v4 = pcc_addr_is_v4(addr->a);

	if (v4 != (prefix->family == PCC_V4))
		return false;
	for (uint32_t i = 0; i < 4; i++)
		if ((addr->a[i] ^ prefix->addr.a[i]) & prefix_mask(prefix, i))
			return false;
	return true;
}
