// SPDX-License-Identifier: GPL-2.0-only
/* Text to values: numbers, keywords, lists, masks, protocols; names of values. */
#include "text/parse.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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

/* PCC_WAN_UNUSED has no name, because a user cannot ask for it. */
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

/*
 * Reads the word as digits in the base. Returns false if it contains anything else. A value too
 * large stays at a limit far above 32 bits.
 */
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

/* Writes the names as "a, b or c" to buf. */
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
