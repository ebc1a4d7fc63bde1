// SPDX-License-Identifier: GPL-2.0-only
#include "text/parse.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/array.h"
#include "text/suggest.h"

#define X(sym, name, fields) name,
const char *const pcc_classifier_names[] = {PCC_CLASSIFIERS(X) NULL};
#undef X

#define X(sym, name, fields) fields,
static const uint32_t classifier_fields[] = {PCC_CLASSIFIERS(X)};
#undef X
_Static_assert(
	COUNT(classifier_fields) == PCC_N_CLASSIFIERS, "PCC_N_CLASSIFIERS counts PCC_CLASSIFIERS");

const char *const pcc_scheme_names[] = {
	[PCC_SCHEME_CONSISTENT] = "consistent",
	[PCC_SCHEME_MODULO] = "modulo",
	NULL,
};

const char *const pcc_fastpath_names[] = {
	[PCC_FP_AUTO] = "auto",
	[PCC_FP_XDP] = "xdp",
	[PCC_FP_TC] = "tc",
	[PCC_FP_OFF] = "off",
	NULL,
};

/* PCC_WAN_UNUSED is no state that can be asked for. */
const char *const pcc_state_names[] = {
	[PCC_WAN_UP] = "up",
	[PCC_WAN_DRAIN] = "drain",
	[PCC_WAN_DOWN] = "down",
	NULL,
};

const char *const pcc_origin_names[] = {
	[PCC_ORIGIN_LAN] = "lan",
	[PCC_ORIGIN_WAN] = "wan",
	NULL,
};

const char *const pcc_nat6_names[] = {"none", "masquerade", NULL};

static const struct {
	const char *name;
	uint8_t proto;
} protos[] = {
	{"tcp", IPPROTO_TCP},
	{"udp", IPPROTO_UDP},
	{"udplite", IPPROTO_UDPLITE},
	{"sctp", IPPROTO_SCTP},
	{"dccp", IPPROTO_DCCP},
	{"icmp", IPPROTO_ICMP},
	{"icmpv6", IPPROTO_ICMPV6},
	{"ipv6-icmp", IPPROTO_ICMPV6},
	{"gre", IPPROTO_GRE},
	{"esp", IPPROTO_ESP},
};

/* Digits of the word in the base; false if it holds anything else. Saturates far above 32 bits. */
static bool digits(const char *word, uint32_t base, uint64_t *out)
{
	uint64_t value = 0;

	if (!*word)
		return false;
	for (; *word; word++) {
		uint32_t digit;

		if (*word >= '0' && *word <= '9')
			digit = (uint32_t)(*word - '0');
		else if (base == 16 && isxdigit((unsigned char)*word))
			digit = (uint32_t)(tolower((unsigned char)*word) - 'a' + 10);
		else
			return false;
		if (value <= UINT32_MAX)
			value = value * base + digit;
	}
	*out = value;
	return true;
}

static bool has_hex_prefix(const char *word)
{
	return word[0] == '0' && (word[1] == 'x' || word[1] == 'X');
}

int pcc_parse_u32(const char *word, const char *object, enum pcc_number_base base, uint32_t min,
	uint32_t max, uint32_t *out, struct pcc_err *err)
{
	uint64_t value;
	bool ok;

	if (base == PCC_DECIMAL_OR_HEX && has_hex_prefix(word))
		ok = digits(word + 2, 16, &value);
	else
		ok = digits(word, 10, &value);
	if (!ok) {
		pcc_err_set(err, -EINVAL, object, "'%s' is not a number", word);
		return pcc_err_hint(
			err, -EINVAL, "write a number from %" PRIu32 " to %" PRIu32, min, max);
	}
	if (value < min || value > max) {
		pcc_err_set(err, -EINVAL, object, "'%s' is out of range", word);
		return pcc_err_hint(
			err, -EINVAL, "write a number from %" PRIu32 " to %" PRIu32, min, max);
	}
	*out = (uint32_t)value;
	return 0;
}

/* "a, b or c" into buf. */
static void list_names(const char *const *names, uint32_t n, char *buf, size_t size)
{
	size_t used = 0;
	uint32_t last = n;

	buf[0] = '\0';
	while (last > 0 && !names[last - 1])
		last--;
	for (uint32_t i = 0; i < last; i++) {
		const char *before = used == 0 ? "" : i + 1 == last ? " or " : ", ";

		if (!names[i] || used >= size)
			continue;
		used += (size_t)snprintf(buf + used, size - used, "%s%s", before, names[i]);
	}
}

int pcc_parse_keyword(const char *word, const char *object, const char *const *names, uint32_t n,
	uint32_t *out, struct pcc_err *err)
{
	const char *near;
	char all[240];

	for (uint32_t i = 0; i < n; i++) {
		if (names[i] && strcmp(word, names[i]) == 0) {
			*out = i;
			return 0;
		}
	}
	pcc_err_set(err, -EINVAL, object, "'%s' is not known", word);
	near = pcc_suggest(word, names, n);
	if (near)
		return pcc_err_hint(err, -EINVAL, "did you mean '%s'?", near);
	list_names(names, n, all, sizeof(all));
	return pcc_err_hint(err, -EINVAL, "write %s", all);
}

int pcc_parse_list(const char *text, const char *object,
	int (*item)(const char *word, void *ctx, struct pcc_err *err), void *ctx,
	struct pcc_err *err)
{
	char word[256];

	for (;;) {
		size_t len = strcspn(text, ",");
		int ret;

		if (len == 0) {
			pcc_err_set(err, -EINVAL, object, "an empty word in the list");
			return pcc_err_hint(err, -EINVAL, "write A,B,C without blanks");
		}
		if (len >= sizeof(word))
			return pcc_err_set(err, -EINVAL, object, "'%.40s...' is too long", text);
		memcpy(word, text, len);
		word[len] = '\0';
		ret = item(word, ctx, err);
		if (ret)
			return ret;
		if (!text[len])
			return 0;
		text += len + 1;
	}
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
	memcpy(name, word, len + 1);
	return 0;
}

/* Why an IPv4 address cannot be a next hop; NULL if it can. */
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

/* One gateway of either family into the wan. */
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

int pcc_parse_classifier(const char *word, uint32_t *classifier, struct pcc_err *err)
{
	return pcc_parse_keyword(
		word, "--classifier", pcc_classifier_names, PCC_N_CLASSIFIERS, classifier, err);
}

int pcc_parse_scheme(const char *word, enum pcc_scheme *scheme, struct pcc_err *err)
{
	uint32_t i;
	int ret = pcc_parse_keyword(word, "--scheme", pcc_scheme_names, PCC_N_SCHEMES, &i, err);

	if (!ret)
		*scheme = (enum pcc_scheme)i;
	return ret;
}

int pcc_parse_fastpath(const char *word, enum pcc_fastpath *fastpath, struct pcc_err *err)
{
	uint32_t i;
	int ret =
		pcc_parse_keyword(word, "--fastpath", pcc_fastpath_names, PCC_N_FASTPATHS, &i, err);

	if (!ret)
		*fastpath = (enum pcc_fastpath)i;
	return ret;
}

int pcc_parse_state(const char *word, enum pcc_wan_state *state, struct pcc_err *err)
{
	uint32_t i;
	int ret = pcc_parse_keyword(word, "--state", pcc_state_names, PCC_N_STATES, &i, err);

	if (!ret)
		*state = (enum pcc_wan_state)i;
	return ret;
}

int pcc_parse_origin(const char *word, enum pcc_origin *origin, struct pcc_err *err)
{
	uint32_t i;
	int ret = pcc_parse_keyword(word, "--origin", pcc_origin_names, PCC_N_ORIGINS, &i, err);

	if (!ret)
		*origin = (enum pcc_origin)i;
	return ret;
}

int pcc_parse_nat6(const char *word, bool *nat6, struct pcc_err *err)
{
	uint32_t i;
	int ret = pcc_parse_keyword(word, "--nat6", pcc_nat6_names, 2, &i, err);

	if (!ret)
		*nat6 = i == 1;
	return ret;
}

int pcc_parse_mark_mask(const char *word, uint32_t *mask, struct pcc_err *err)
{
	uint64_t value;
	uint32_t low;

	if (!has_hex_prefix(word) || !digits(word + 2, 16, &value) || value > UINT32_MAX) {
		pcc_err_set(err, -EINVAL, "--mark-mask", "'%s' is not a 32-bit mask", word);
		return pcc_err_hint(err, -EINVAL, "write it in hexadecimal, as in 0xff00");
	}
	low = (uint32_t)value & -(uint32_t)value;
	if (__builtin_popcount((uint32_t)value) < 2 ||
		(((uint32_t)value / low) & ((uint32_t)value / low + 1)) != 0) {
		pcc_err_set(err, -EINVAL, "--mark-mask", "'%s' is not a usable mask", word);
		return pcc_err_hint(
			err, -EINVAL, "at least two bits, all next to each other, as in 0xff00");
	}
	*mask = (uint32_t)value;
	return 0;
}

int pcc_parse_proto(const char *word, const char *object, uint8_t *proto, struct pcc_err *err)
{
	const char *names[COUNT(protos)];
	uint32_t i, number;
	int ret;

	if (*word >= '0' && *word <= '9') {
		ret = pcc_parse_u32(word, object, PCC_DECIMAL, 0, 255, &number, err);
		if (!ret)
			*proto = (uint8_t)number;
		return ret;
	}
	for (i = 0; i < COUNT(protos); i++)
		names[i] = protos[i].name;
	ret = pcc_parse_keyword(word, object, names, COUNT(protos), &i, err);
	if (!ret) {
		*proto = protos[i].proto;
	} else if (err && !pcc_suggest(word, names, COUNT(protos))) {
		strncat(err->hint, ", or a number from 0 to 255",
			sizeof(err->hint) - strlen(err->hint) - 1);
	}
	return ret;
}

/* An address of either family, v4-mapped. */
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

/* Bits of word i of a v4-mapped address that the prefix covers, in network order. */
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

static const char *name_of(const char *const *names, size_t n, uint32_t i)
{
	return i < n && names[i] ? names[i] : "?";
}

const char *pcc_classifier_name(uint32_t classifier)
{
	return name_of(pcc_classifier_names, PCC_N_CLASSIFIERS, classifier);
}

const char *pcc_scheme_name(uint32_t scheme)
{
	return name_of(pcc_scheme_names, PCC_N_SCHEMES, scheme);
}

const char *pcc_fastpath_name(uint32_t fastpath)
{
	return name_of(pcc_fastpath_names, PCC_N_FASTPATHS, fastpath);
}

const char *pcc_state_name(uint32_t state)
{
	return name_of(pcc_state_names, PCC_N_STATES, state);
}

const char *pcc_origin_name(uint32_t origin)
{
	return name_of(pcc_origin_names, PCC_N_ORIGINS, origin);
}

uint32_t pcc_classifier_fields(uint32_t classifier)
{
	return classifier < PCC_N_CLASSIFIERS ? classifier_fields[classifier] : 0;
}

const char *pcc_proto_name(uint8_t proto, char buf[PCC_PROTO_NAME_MAX])
{
	for (size_t i = 0; i < COUNT(protos); i++) {
		if (protos[i].proto == proto) {
			snprintf(buf, PCC_PROTO_NAME_MAX, "%s", protos[i].name);
			return buf;
		}
	}
	snprintf(buf, PCC_PROTO_NAME_MAX, "%u", proto);
	return buf;
}

const char *pcc_wan_cfg_format(const struct pcc_wan_cfg *wan, char buf[PCC_WAN_TEXT_MAX])
{
	char address_text[INET6_ADDRSTRLEN];
	size_t used = (size_t)snprintf(buf, PCC_WAN_TEXT_MAX, "%s", wan->name);

	for (int family = PCC_V4; family < PCC_FAMILIES; family++) {
		const struct pcc_gateway *gw = &wan->gw[family];

		if (gw->source != PCC_GW_GIVEN && gw->source != PCC_GW_FOUND)
			continue;
		inet_ntop(pcc_af[family], &gw->addr, address_text, sizeof(address_text));
		used += (size_t)snprintf(buf + used, PCC_WAN_TEXT_MAX - used, "@%s", address_text);
	}
	if (wan->weight != 1)
		snprintf(buf + used, PCC_WAN_TEXT_MAX - used, "*%" PRIu32, wan->weight);
	return buf;
}
