// SPDX-License-Identifier: GPL-2.0-only
#include "health/target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "text/parse.h"

static const struct {
	const char *scheme; /* with "://" */
	uint16_t port;	    /* default, 0: must be given or has none */
} kinds[] = {
	[PCC_TARGET_ICMP] = {"icmp://", 0},
	[PCC_TARGET_TCP] = {"tcp://", 0},
	[PCC_TARGET_DNS] = {"dns://", 53},
	[PCC_TARGET_HTTP] = {"http://", 80},
};

#define N_KINDS (COUNT(kinds))

static int bad(struct pcc_err *err, const char *word, const char *cause)
{
	char object[sizeof(err->object)];

	snprintf(object, sizeof(object), "target '%.80s'", word);
	pcc_err_set(err, -EINVAL, object, "%s", cause);
	return pcc_err_hint(err, -EINVAL,
		"9.9.9.9, tcp://1.1.1.1:443, dns://1.1.1.1/example.com or "
		"http://192.0.2.80/generate_204; IPv6 as icmp://[2620:fe::fe]");
}

static int address(const char *text, struct pcc_target *t)
{
	t->family = AF_INET;
	if (inet_pton(AF_INET, text, &t->addr.v4) == 1)
		return 0;
	t->family = AF_INET6;
	return inet_pton(AF_INET6, text, &t->addr.v6) == 1 ? 0 : -EINVAL;
}

/* An address that one machine may have and that is not reached over one link only. */
static bool address_is_askable(const struct pcc_target *t)
{
	const struct in6_addr *a = &t->addr.v6;
	uint32_t v4 = ntohl(t->addr.v4.s_addr);

	if (t->family == AF_INET)
		return v4 >> 24 && v4 >> 24 != 127 && v4 < 0xe0000000u;
	return !IN6_IS_ADDR_UNSPECIFIED(a) && !IN6_IS_ADDR_LOOPBACK(a) &&
	       !IN6_IS_ADDR_MULTICAST(a) && !IN6_IS_ADDR_LINKLOCAL(a) && !IN6_IS_ADDR_V4MAPPED(a);
}

/* A[:PORT], [A]:PORT; no address has more than 45 characters. */
static int authority(
	const char *word, const char *text, size_t len, struct pcc_target *t, struct pcc_err *err)
{
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
	t->port = kinds[t->kind].port;
	if (!port)
		return 0;
	if (t->kind == PCC_TARGET_ICMP)
		return bad(err, word, "an echo has no port");
	if (pcc_parse_u32(port, "port", PCC_DECIMAL, 1, 65535, &n, NULL))
		return bad(err, word, "the port is not a number from 1 to 65535");
	t->port = n;
	return 0;
}

/* Labels of 1 to 63 characters, 253 in all (RFC 1035, 2.3.4). */
static int dns_name(const char *word, const char *name, struct pcc_target *t, struct pcc_err *err)
{
	size_t len = strlen(name), label = 0;

	if (len && name[len - 1] == '.')
		len--;
	if (!len)
		return bad(err, word,
			"the name to ask for is missing, as in dns://1.1.1.1/example.com");
	if (len >= sizeof(t->path))
		return bad(err, word, "the name is too long");
	for (size_t i = 0; i < len; i++) {
		unsigned char c = name[i];

		if (c <= ' ' || c >= 0x7f || c == '/')
			return bad(err, word, "a character that no name has");
		label = c == '.' ? 0 : label + 1;
		if (label > 63 || (c == '.' && (!i || name[i - 1] == '.')))
			return bad(err, word, "a part of the name is empty or over 63 characters");
	}
	memcpy(t->path, name, len);
	t->path[len] = '\0';
	return 0;
}

static bool ends_in(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && !strcmp(text + n - m, end);
}

/* What a path stands for by itself: the pages that tell a captive portal have no content. */
static uint16_t usual_status(const char *path)
{
	return ends_in(path, "/generate_204") || ends_in(path, "/gen_204") ? 204 : 0;
}

static int http_path(const char *word, const char *rest, struct pcc_target *t, struct pcc_err *err)
{
	const char *expect = strchr(rest, '#');
	size_t len = expect ? (size_t)(expect - rest) : strlen(rest);
	uint32_t status;

	if (len >= sizeof(t->path))
		return bad(err, word, "the path is too long");
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)rest[i] <= ' ' || (unsigned char)rest[i] >= 0x7f)
			return bad(err, word, "a character that no path has; write it as %xx");
	memcpy(t->path, rest, len);
	t->path[len] = '\0';
	if (!len)
		strcpy(t->path, "/");
	t->status = usual_status(t->path);
	if (!expect)
		return 0;
	if (strncmp(expect, "#expect=", 8) ||
		pcc_parse_u32(expect + 8, "expect", PCC_DECIMAL, 200, 599, &status, NULL))
		return bad(err, word, "after '#' stands expect= and a status from 200 to 599");
	t->status = status;
	return 0;
}

static int parse_scheme(
	const char *word, const char *rest, struct pcc_target *t, struct pcc_err *err)
{
	size_t len = strcspn(rest, "/?#");
	int ret = authority(word, rest, len, t, err);

	if (ret)
		return ret;
	rest += len;
	switch (t->kind) {
	case PCC_TARGET_DNS:
		return dns_name(word, *rest == '/' ? rest + 1 : rest, t, err);
	case PCC_TARGET_HTTP:
		if (*rest == '?')
			return bad(err, word,
				"a '?' has a path before it, as in http://192.0.2.80/?a=b");
		return http_path(word, rest, t, err);
	case PCC_TARGET_TCP:
		if (!t->port)
			return bad(err, word, "the port is missing, as in tcp://1.1.1.1:443");
		break;
	case PCC_TARGET_ICMP:
		break;
	}
	return *rest ? bad(err, word, "nothing may follow the host") : 0;
}

int pcc_target_parse(const char *word, struct pcc_target *target, struct pcc_err *err)
{
	struct pcc_target t = {.kind = PCC_TARGET_ICMP};
	int ret = -ENOENT;

	if (!*word)
		return bad(err, word, "is empty");
	if (strlen(word) >= sizeof(t.text))
		return bad(err, word, "is too long");
	for (unsigned int k = 0; k < N_KINDS && ret == -ENOENT; k++) {
		size_t len = strlen(kinds[k].scheme);

		if (strncmp(word, kinds[k].scheme, len))
			continue;
		t.kind = k;
		ret = parse_scheme(word, word + len, &t, err);
	}
	if (ret == -ENOENT && strstr(word, "://"))
		return bad(err, word, "no such kind: icmp, tcp, dns and http are known");
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

void pcc_target_format(const struct pcc_target *t, char text[PCC_TARGET_TEXT_MAX])
{
	bool v6 = t->family == AF_INET6, plain = t->kind == PCC_TARGET_ICMP;
	char host[INET6_ADDRSTRLEN] = "?", port[8] = "", expect[16] = "";
	const char *path = t->path;

	inet_ntop(t->family, &t->addr, host, sizeof(host));
	if (t->port != kinds[t->kind].port)
		snprintf(port, sizeof(port), ":%u", t->port);
	if (t->kind == PCC_TARGET_HTTP && t->status != usual_status(t->path) && t->status)
		snprintf(expect, sizeof(expect), "#expect=%u", t->status);
	if (t->kind == PCC_TARGET_HTTP && !strcmp(path, "/"))
		path = "";
	snprintf(text, PCC_TARGET_TEXT_MAX, "%s%s%s%s%s%s%s%s", plain ? "" : kinds[t->kind].scheme,
		v6 && !plain ? "[" : "", host, v6 && !plain ? "]" : "", port,
		t->kind == PCC_TARGET_DNS ? "/" : "", path, expect);
}

bool pcc_target_same(const struct pcc_target *a, const struct pcc_target *b)
{
	size_t len = a->family == AF_INET ? sizeof(a->addr.v4) : sizeof(a->addr.v6);

	return a->kind == b->kind && a->family == b->family && !memcmp(&a->addr, &b->addr, len) &&
	       a->port == b->port && a->status == b->status && !strcmp(a->path, b->path);
}
