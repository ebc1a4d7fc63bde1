// SPDX-License-Identifier: GPL-2.0-only
/* The text of a health target, and back. */
#include "health/target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "health/kind.h"
#include "text/parse.h"

/* The kind of a target that is only an address. */
#define PLAIN ((enum pcc_target_kind)0)

/*
 * Writes a list of all kinds, or of their examples, as "icmp, tcp, dns and http"; last is the word
 * before the last one.
 */
static const char *list_kinds(char *text, size_t size, bool examples, const char *last)
{
	size_t len = 0;

	for (unsigned int k = 0; k < PCC_TARGET_KIND_MAX && len < size; k++)
		len += (size_t)snprintf(text + len, size - len, "%s%s",
			!k			       ? ""
			: k + 1 == PCC_TARGET_KIND_MAX ? last
						       : ", ",
			examples ? pcc_kind(k)->example : pcc_kind(k)->scheme);
	return text;
}

static int bad(struct pcc_err *err, const char *word, const char *cause)
{
	char object[sizeof(err->object)], kinds[sizeof(err->hint)];

	snprintf(object, sizeof(object), "target '%.80s'", word);
	pcc_err_set(err, -EINVAL, object, "%s", cause);
	return pcc_err_hint(err, -EINVAL, "%s; IPv6 as icmp://[2620:fe::fe]",
		list_kinds(kinds, sizeof(kinds), true, " or "));
}

static int address(const char *text, struct pcc_target *t)
{
	t->family = AF_INET;
	if (inet_pton(AF_INET, text, &t->addr.v4) == 1)
		return 0;
	t->family = AF_INET6;
	return inet_pton(AF_INET6, text, &t->addr.v6) == 1 ? 0 : -EINVAL;
}

/*
 * Is the address a possible target: one that a single host can have, and that is not tied to one
 * link?
 */
static bool address_is_askable(const struct pcc_target *t)
{
	const struct in6_addr *a = &t->addr.v6;
	uint32_t v4 = ntohl(t->addr.v4.s_addr);

	if (t->family == AF_INET)
		return v4 >> 24 && v4 >> 24 != 127 && v4 < 0xe0000000u;
	return !IN6_IS_ADDR_UNSPECIFIED(a) && !IN6_IS_ADDR_LOOPBACK(a) &&
	       !IN6_IS_ADDR_MULTICAST(a) && !IN6_IS_ADDR_LINKLOCAL(a) && !IN6_IS_ADDR_V4MAPPED(a);
}

/* Reads A[:PORT] or [A]:PORT. An address has at most 45 characters. */
static int authority(
	const char *word, const char *text, size_t len, struct pcc_target *t, struct pcc_err *err)
{
	const struct pcc_kind *kind = pcc_kind(t->kind);
	char host[64], *name = host, *port = NULL;
	uint32_t n;

	if (len >= sizeof(host))
		return bad(err, word, "the host is not an address");
	memcpy(host, text, len);
	host[len] = '\0';
	if (host[0] == '[') {
		port = strchr(++name, ']');
		if (!port)
			return bad(err, word, "']' is missing");
		*port++ = '\0';
		if (*port && *port != ':')
			return bad(err, word, "after ']' only a port may stand");
		port = *port ? port + 1 : NULL;
	} else if ((port = strchr(name, ':'))) {
		*port++ = '\0';
		if (strchr(port, ':'))
			return bad(err, word, "an IPv6 address stands in brackets, as in [::1]:80");
	}
	if (address(name, t) || (host[0] == '[') != (t->family == AF_INET6))
		return bad(err, word, "the host is not an address; a name would need a resolver");
	t->port = kind->port;
	if (!port)
		return 0;
	if (kind->no_port)
		return bad(err, word, kind->no_port);
	if (pcc_parse_u32(port, "port", PCC_DECIMAL, 1, 65535, &n, NULL))
		return bad(err, word, "the port is not a number from 1 to 65535");
	t->port = n;
	return 0;
}

static int parse_scheme(
	const char *word, const char *rest, struct pcc_target *t, struct pcc_err *err)
{
	const struct pcc_kind *kind = pcc_kind(t->kind);
	size_t len = strcspn(rest, "/?#");
	int ret = authority(word, rest, len, t, err);
	const char *cause = NULL;
	char missing[80];

	if (ret)
		return ret;
	rest += len;
	if (!t->port && !kind->no_port) {
		snprintf(missing, sizeof(missing), "the port is missing, as in %s", kind->example);
		cause = missing;
	} else if (kind->parse) {
		cause = kind->parse(rest, t);
	} else if (*rest) {
		cause = "nothing may follow the host";
	}
	return cause ? bad(err, word, cause) : 0;
}

/* Reads a target with "SCHEME://". Returns -ENOENT if there is no such kind. */
static int parse_kind(const char *word, struct pcc_target *t, struct pcc_err *err)
{
	const char *rest = strstr(word, "://");

	for (unsigned int k = 0; k < PCC_TARGET_KIND_MAX && rest; k++) {
		const char *scheme = pcc_kind(k)->scheme;

		if (strlen(scheme) != (size_t)(rest - word) ||
			strncmp(word, scheme, strlen(scheme)))
			continue;
		t->kind = k;
		return parse_scheme(word, rest + 3, t, err);
	}
	return -ENOENT;
}

int pcc_target_parse(const char *word, struct pcc_target *target, struct pcc_err *err)
{
	struct pcc_target t = {.kind = PLAIN};
	char cause[sizeof(err->cause)], known[128];
	int ret;

	if (!*word)
		return bad(err, word, "is empty");
	if (strlen(word) >= sizeof(t.text))
		return bad(err, word, "is too long");
	ret = parse_kind(word, &t, err);
	if (ret == -ENOENT && strstr(word, "://")) {
		snprintf(cause, sizeof(cause), "no such kind: %s are known",
			list_kinds(known, sizeof(known), false, " and "));
		return bad(err, word, cause);
	}
	if (ret == -ENOENT)
		ret = address(word, &t) ? bad(err, word, "is not an address") : 0;
	if (ret)
		return ret;
	if (!address_is_askable(&t))
		return bad(err, word, "is an address of this machine, of a link or of many");
	strcpy(t.text, word);
	*target = t;
	return 0;
}

bool pcc_target_same(const struct pcc_target *a, const struct pcc_target *b)
{
	size_t len = a->family == AF_INET ? sizeof(a->addr.v4) : sizeof(a->addr.v6);

	return a->kind == b->kind && a->family == b->family && !memcmp(&a->addr, &b->addr, len) &&
	       a->port == b->port && a->status == b->status && !strcmp(a->path, b->path);
}
