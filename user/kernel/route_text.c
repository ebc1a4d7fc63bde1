// SPDX-License-Identifier: GPL-2.0-only
/* Printing routes and rules in the syntax of `ip`. */
#include "kernel/route_text.h"

#include <arpa/inet.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/array.h"

/* A text that grows in a buffer. What does not fit is cut. */
struct text {
	char *buf;
	size_t len, used;
};

static void text_add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void text_add(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	if (t->used >= t->len)
		return;
	va_start(args, format);
	n = vsnprintf(t->buf + t->used, t->len - t->used, format, args);
	va_end(args);
	if (n > 0)
		t->used += (size_t)n;
}

static void text_ip(struct text *t, int family, const union pcc_ip *ip, uint8_t prefixlen)
{
	char buf[INET6_ADDRSTRLEN];

	text_add(t, "%s", inet_ntop(family, ip->bytes, buf, sizeof(buf)));
	if (prefixlen < pcc_ip_bytes(family) * 8)
		text_add(t, "/%u", prefixlen);
}

static void text_table(struct text *t, uint32_t table)
{
	if (table == RT_TABLE_MAIN)
		text_add(t, "main");
	else if (table == RT_TABLE_LOCAL)
		text_add(t, "local");
	else if (table == RT_TABLE_DEFAULT)
		text_add(t, "default");
	else
		text_add(t, "%u", table);
}

static void text_protocol(struct text *t, const char *word, uint8_t protocol)
{
	static const char *const names[] = {[RTPROT_REDIRECT] = "redirect",
		[RTPROT_KERNEL] = "kernel",
		[RTPROT_BOOT] = "boot",
		[RTPROT_STATIC] = "static"};

	if (protocol < COUNT(names) && names[protocol])
		text_add(t, " %s %s", word, names[protocol]);
	else if (protocol)
		text_add(t, " %s %u", word, protocol);
}

static void text_type(struct text *t, uint8_t type)
{
	static const char *const names[] = {[RTN_LOCAL] = "local",
		[RTN_BROADCAST] = "broadcast",
		[RTN_ANYCAST] = "anycast",
		[RTN_MULTICAST] = "multicast",
		[RTN_BLACKHOLE] = "blackhole",
		[RTN_UNREACHABLE] = "unreachable",
		[RTN_PROHIBIT] = "prohibit",
		[RTN_THROW] = "throw"};

	if (type < COUNT(names) && names[type])
		text_add(t, "%s ", names[type]);
	else if (type != RTN_UNICAST)
		text_add(t, "type %u ", type);
}

char *pcc_route_format(char *buf, size_t len, const struct pcc_route *r)
{
	struct text t = {buf, len, 0};
	char name[IF_NAMESIZE];

	if (len)
		buf[0] = '\0';
	text_type(&t, r->type);
	if (r->prefixlen)
		text_ip(&t, r->family, &r->dst, r->prefixlen);
	else
		text_add(&t, "default");
	if (r->has_gateway) {
		text_add(&t, r->gateway_family == r->family ? " via " : " via inet6 ");
		text_ip(&t, r->gateway_family, &r->gateway, 128);
	}
	if (r->oif && r->type == RTN_UNICAST) {
		if (if_indextoname(r->oif, name))
			text_add(&t, " dev %s", name);
		else
			text_add(&t, " dev if%u", r->oif);
	}
	text_add(&t, " table ");
	text_table(&t, r->table);
	text_protocol(&t, "proto", r->protocol);
	if (pcc_route_metric(r))
		text_add(&t, " metric %u", pcc_route_metric(r));
	if (r->onlink)
		text_add(&t, " onlink");
	return buf;
}

char *pcc_rule_format(char *buf, size_t len, const struct pcc_rule *r)
{
	struct text t = {buf, len, 0};

	if (len)
		buf[0] = '\0';
	text_add(&t, "pref %u %sfrom ", r->pref, r->invert ? "not " : "");
	if (r->src_prefixlen)
		text_ip(&t, r->family, &r->src, r->src_prefixlen);
	else
		text_add(&t, "all");
	if (r->fwmask == UINT32_MAX)
		text_add(&t, " fwmark 0x%x", r->fwmark);
	else if (r->fwmask)
		text_add(&t, " fwmark 0x%x/0x%x", r->fwmark, r->fwmask);
	if (r->action == FR_ACT_TO_TBL) {
		text_add(&t, " lookup ");
		text_table(&t, r->table);
	} else if (r->action == FR_ACT_UNREACHABLE) {
		text_add(&t, " unreachable");
	} else {
		text_add(&t, " action %u", r->action);
	}
	if (r->suppress_prefixlen >= 0)
		text_add(&t, " suppress_prefixlength %d", r->suppress_prefixlen);
	text_protocol(&t, "proto", r->protocol);
	return buf;
}
