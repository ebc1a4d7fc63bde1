// SPDX-License-Identifier: GPL-2.0-only
/* Reading, adding and deleting routes by rtnetlink; asking the kernel for a route. */
#include "kernel/route.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/list.h"
#include "kernel/route_text.h"
#include "pccbpf_hash.h"

/* One dump: which routes are wanted, and where they go. */
struct dump {
	struct pcc_route_list *list;
	int family;
	uint32_t table, oif; /* 0: all */
};

void pcc_route_list_free(struct pcc_route_list *list)
{
	PCC_LIST_FREE(list);
}

/* RTA_VIA: a gateway of another family (struct rtvia, linux/rtnetlink.h). */
static void route_via(const struct nlattr *attr, struct pcc_route *r)
{
	const struct rtvia *via = mnl_attr_get_payload(attr);
	size_t bytes = mnl_attr_get_payload_len(attr);

	if (bytes < sizeof(*via) || (via->rtvia_family != AF_INET && via->rtvia_family != AF_INET6))
		return;
	if (bytes < sizeof(*via) + pcc_ip_bytes(via->rtvia_family))
		return;
	memcpy(r->gateway.bytes, via->rtvia_addr, pcc_ip_bytes(via->rtvia_family));
	r->gateway_family = via->rtvia_family;
	r->has_gateway = true;
}

static void route_attr(
	const struct nlattr *attr, struct pcc_route *r, const struct nlattr **multipath)
{
	switch (mnl_attr_get_type(attr)) {
	case RTA_DST:
		pcc_attr_ip(attr, r->family, &r->dst);
		break;
	case RTA_TABLE:
		pcc_attr_u32(attr, &r->table);
		break;
	case RTA_PRIORITY:
		pcc_attr_u32(attr, &r->metric);
		break;
	case RTA_OIF:
		pcc_attr_u32(attr, &r->oif);
		break;
	case RTA_GATEWAY:
		r->has_gateway = pcc_attr_ip(attr, r->family, &r->gateway);
		r->gateway_family = r->family;
		break;
	case RTA_VIA:
		route_via(attr, r);
		break;
	case RTA_MULTIPATH:
		*multipath = attr;
		break;
	}
}

static int route_append(struct dump *dump, const struct pcc_route *r)
{
	struct pcc_route_list *list = dump->list;

	if (dump->oif && r->oif != dump->oif)
		return 0;
	return PCC_LIST_APPEND(list, r);
}

/* Appends one route for each next hop of a multipath route. */
static int route_expand(
	struct dump *dump, const struct pcc_route *route, const struct nlattr *multipath)
{
	const struct rtnexthop *nh = mnl_attr_get_payload(multipath);
	size_t left = mnl_attr_get_payload_len(multipath);
	int err = 0;

	while (!err && left >= sizeof(*nh) && nh->rtnh_len >= sizeof(*nh) && nh->rtnh_len <= left) {
		struct pcc_route r = *route;
		const struct nlattr *attr, *none = NULL;
		size_t step = RTNH_ALIGN(nh->rtnh_len);

		r.multipath = true;
		r.oif = (uint32_t)nh->rtnh_ifindex;
		r.onlink = nh->rtnh_flags & RTNH_F_ONLINK;
		mnl_attr_for_each_payload((void *)RTNH_DATA(nh), nh->rtnh_len - sizeof(*nh))
			route_attr(attr, &r, &none);
		err = route_append(dump, &r);
		if (step > left)
			break;
		left -= step;
		nh = (const void *)((const char *)nh + step);
	}
	return err;
}

static int on_route(const struct nlmsghdr *nlh, void *arg)
{
	struct dump *dump = arg;
	const struct nlattr *attr, *multipath = NULL;
	const struct rtmsg *rtm;
	struct pcc_route r = {0};

	if (!nlh) {
		dump->list->n = 0;
		return 0;
	}
	rtm = mnl_nlmsg_get_payload(nlh);
	if (nlh->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm) ||
		rtm->rtm_family != dump->family || (rtm->rtm_flags & RTM_F_CLONED))
		return 0;
	r.family = rtm->rtm_family;
	r.gateway_family = rtm->rtm_family;
	r.type = rtm->rtm_type;
	r.protocol = rtm->rtm_protocol;
	r.prefixlen = rtm->rtm_dst_len;
	r.table = rtm->rtm_table;
	r.onlink = rtm->rtm_flags & RTNH_F_ONLINK;
	mnl_attr_for_each(attr, nlh, sizeof(*rtm)) route_attr(attr, &r, &multipath);
	if (dump->table && r.table != dump->table)
		return 0;
	return multipath ? route_expand(dump, &r, multipath) : route_append(dump, &r);
}

static int route_dump(struct pcc_nl *nl, struct dump *dump, struct pcc_err *err)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rtm;
	int code;

	nlh->nlmsg_type = RTM_GETROUTE;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = (uint8_t)dump->family;
	if (dump->table)
		mnl_attr_put_u32(nlh, RTA_TABLE, dump->table);
	if (dump->oif)
		mnl_attr_put_u32(nlh, RTA_OIF, dump->oif);
	dump->list->n = 0;
	code = pcc_nl_dump(nl, nlh, on_route, dump);
	/*
	 * A table exists once it has a route: -ENOENT and, for an interface, -ENODEV mean "no
	 * routes".
	 */
	if (code == -ENOENT || code == -ENODEV)
		return 0;
	return pcc_nl_listed(nl, code, "routes", err);
}

int pcc_route_dump(struct pcc_nl *nl, int family, uint32_t table, struct pcc_route_list *list,
	struct pcc_err *err)
{
	struct dump dump = {.list = list, .family = family, .table = table};

	return route_dump(nl, &dump, err);
}

int pcc_route_dump_oif(struct pcc_nl *nl, int family, uint32_t oif, struct pcc_route_list *list,
	struct pcc_err *err)
{
	struct dump dump = {.list = list, .family = family, .oif = oif};

	return route_dump(nl, &dump, err);
}

bool pcc_route_equal(const struct pcc_route *a, const struct pcc_route *b)
{
	if (a->family != b->family || a->type != b->type || a->table != b->table ||
		a->protocol != b->protocol || a->prefixlen != b->prefixlen ||
		pcc_route_metric(a) != pcc_route_metric(b) || a->multipath != b->multipath ||
		memcmp(&a->dst, &b->dst, pcc_ip_bytes(a->family)) != 0)
		return false;
	if (a->type != RTN_UNICAST)
		return true;
	if (a->oif != b->oif || a->has_gateway != b->has_gateway)
		return false;
	if (!a->has_gateway)
		return true;
	return a->gateway_family == b->gateway_family && a->onlink == b->onlink &&
	       memcmp(&a->gateway, &b->gateway, pcc_ip_bytes(a->gateway_family)) == 0;
}

static void put_via(struct nlmsghdr *nlh, const struct pcc_route *r)
{
	char buf[sizeof(struct rtvia) + 16] __attribute__((aligned(2)));
	struct rtvia *via = (void *)buf;
	size_t bytes = pcc_ip_bytes(r->gateway_family);

	via->rtvia_family = (__kernel_sa_family_t)r->gateway_family;
	memcpy(buf + sizeof(*via), r->gateway.bytes, bytes);
	mnl_attr_put(nlh, RTA_VIA, sizeof(*via) + bytes, buf);
}

static void route_put(struct nlmsghdr *nlh, const struct pcc_route *r, bool deleting)
{
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));

	rtm->rtm_family = (uint8_t)r->family;
	rtm->rtm_dst_len = r->prefixlen;
	rtm->rtm_table = r->table < 256 ? (uint8_t)r->table : RT_TABLE_UNSPEC;
	rtm->rtm_protocol = r->protocol;
	rtm->rtm_type = r->type;
	rtm->rtm_scope = RT_SCOPE_UNIVERSE;
	if (deleting)
		rtm->rtm_scope = RT_SCOPE_NOWHERE; /* matches any scope: fib_table_delete() */
	else if (r->family == AF_INET && r->type == RTN_UNICAST && !r->has_gateway)
		rtm->rtm_scope = RT_SCOPE_LINK;
	if (r->prefixlen)
		mnl_attr_put(nlh, RTA_DST, pcc_ip_bytes(r->family), r->dst.bytes);
	mnl_attr_put_u32(nlh, RTA_TABLE, r->table);
	if (r->metric)
		mnl_attr_put_u32(nlh, RTA_PRIORITY, r->metric);
	if (r->type != RTN_UNICAST)
		return;
	if (r->oif)
		mnl_attr_put_u32(nlh, RTA_OIF, r->oif);
	if (!r->has_gateway)
		return;
	if (r->onlink)
		rtm->rtm_flags = RTNH_F_ONLINK;
	if (r->gateway_family == r->family)
		mnl_attr_put(nlh, RTA_GATEWAY, pcc_ip_bytes(r->family), r->gateway.bytes);
	else
		put_via(nlh, r);
}

/* Sets a hint for a route that the kernel refuses. */
static void route_hint(struct pcc_err *err, int code, const struct pcc_route *r)
{
	char name[IF_NAMESIZE] = "the interface";

	if (r->oif)
		if_indextoname(r->oif, name);
	switch (code) {
	case -ENETUNREACH:
	case -EHOSTUNREACH:
	case -EINVAL:
		if (r->has_gateway)
			pcc_err_hint(err, code,
				"is the gateway inside a network of %s? `ip address show dev %s`",
				name, name);
		break;
	case -ENETDOWN:
		pcc_err_hint(err, code, "`ip link set %s up` first", name);
		break;
	case -EEXIST:
		pcc_err_hint(err, code, "`ip route show table %u` shows what is there", r->table);
		break;
	case -EPERM:
		pcc_err_hint(err, code, "run it as root");
		break;
	}
}

static int route_do(struct pcc_nl *nl, const struct pcc_route *r, uint16_t type, uint16_t flags,
	struct pcc_err *err)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0}, text[160], object[96];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	int code;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	route_put(nlh, r, type == RTM_DELROUTE);
	code = pcc_nl_ack(nl, nlh);
	if (!code)
		return 0;
	snprintf(object, sizeof(object), "route '%.80s'", pcc_route_format(text, sizeof(text), r));
	pcc_err_set(err, code, object, "the kernel refuses to %s it: %s",
		type == RTM_DELROUTE ? "delete" : "add", pcc_nl_reason(nl, code));
	if (type != RTM_DELROUTE)
		route_hint(err, code, r);
	return code;
}

int pcc_route_add(struct pcc_nl *nl, const struct pcc_route *route, struct pcc_err *err)
{
	return route_do(nl, route, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, err);
}

int pcc_route_replace(struct pcc_nl *nl, const struct pcc_route *route, struct pcc_err *err)
{
	return route_do(nl, route, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, err);
}

int pcc_route_del(struct pcc_nl *nl, const struct pcc_route *route, struct pcc_err *err)
{
	return route_do(nl, route, RTM_DELROUTE, 0, err);
}

static int on_answer(const struct nlmsghdr *nlh, void *arg)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(*rtm)) if (mnl_attr_get_type(attr) == RTA_OIF) *
		(uint32_t *)arg = mnl_attr_get_u32(attr);
	return 0;
}

int pcc_route_get(struct pcc_nl *nl, const struct pcc_tuple *tuple, uint32_t iif, uint32_t mark,
	uint32_t *oif)
{
	bool v4 = pcc_tuple_is_v4(tuple);
	size_t len = v4 ? 4 : 16, skip = v4 ? 3 : 0;
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rtm;

	nlh->nlmsg_type = RTM_GETROUTE;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = v4 ? AF_INET : AF_INET6;
	rtm->rtm_src_len = rtm->rtm_dst_len = len * 8;
	mnl_attr_put(nlh, RTA_SRC, len, tuple->src + skip);
	mnl_attr_put(nlh, RTA_DST, len, tuple->dst + skip);
	mnl_attr_put_u32(nlh, RTA_IIF, iif);
	mnl_attr_put_u32(nlh, RTA_MARK, mark);
	/*
	 * The kernel accepts no other protocols here (net/ipv4/ip_input.c,
	 * rtm_getroute_parse_ip_proto()).
	 */
	if (tuple->proto == IPPROTO_TCP || tuple->proto == IPPROTO_UDP) {
		mnl_attr_put_u8(nlh, RTA_IP_PROTO, tuple->proto);
		mnl_attr_put(nlh, RTA_SPORT, sizeof(tuple->sport), &tuple->sport);
		mnl_attr_put(nlh, RTA_DPORT, sizeof(tuple->dport), &tuple->dport);
	}
	*oif = 0;
	return pcc_nl_get(nl, nlh, on_answer, oif);
}
