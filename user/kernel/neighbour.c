// SPDX-License-Identifier: GPL-2.0-only
#if 0 /* a copy, to be cut to its subject */
#include "base/clock.h"
#include "kernel/route.h"
#include "base/array.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

#define POLL_MS 20

/* One dump: where its items go and what is wanted of it. */
struct dump {
	void *list;
	int family;
	uint32_t table, oif, ifindex;
};

static size_t addr_bytes(int family)
{
	return family == AF_INET ? 4 : 16;
}

/* Appends a copy of item to a list of items of that size; the three list types look alike. */
static int append(void *v_pointer, size_t *n, size_t *room, const void *item, size_t bytes)
{
	char *v = *(void **)v_pointer;

	if (*n == *room) {
		size_t more = *room ? *room * 2 : 16;

		v = realloc(v, more * bytes);
		if (!v)
			return -ENOMEM;
		*(void **)v_pointer = v;
		*room = more;
	}
	memcpy(v + *n * bytes, item, bytes);
	(*n)++;
	return 0;
}

#define APPEND(list, item) append(&(list)->v, &(list)->n, &(list)->room, (item), sizeof(*(item)))

#define LIST_FREE(list)                                                                            \
	do {                                                                                       \
		free((list)->v);                                                                   \
		memset((list), 0, sizeof(*(list)));                                                \
	} while (0)

void pcc_link_list_free(struct pcc_link_list *list)
{
	LIST_FREE(list);
}

void pcc_ifaddr_list_free(struct pcc_ifaddr_list *list)
{
	LIST_FREE(list);
}

void pcc_route_list_free(struct pcc_route_list *list)
{
	LIST_FREE(list);
}

void pcc_rule_list_free(struct pcc_rule_list *list)
{
	LIST_FREE(list);
}

/* ---- attributes ---- */

static bool attr_u32(const struct nlattr *attr, uint32_t *value)
{
	if (mnl_attr_validate(attr, MNL_TYPE_U32) < 0)
		return false;
	*value = mnl_attr_get_u32(attr);
	return true;
}

static bool attr_u8(const struct nlattr *attr, uint8_t *value)
{
	if (mnl_attr_validate(attr, MNL_TYPE_U8) < 0)
		return false;
	*value = mnl_attr_get_u8(attr);
	return true;
}

static bool attr_ip(const struct nlattr *attr, int family, union pcc_ip *ip)
{
	size_t bytes = addr_bytes(family);

	if (mnl_attr_get_payload_len(attr) < bytes)
		return false;
	memcpy(ip->bytes, mnl_attr_get_payload(attr), bytes);
	return true;
}

static void attr_name(const struct nlattr *attr, char name[PCC_IFNAMSIZ])
{
	size_t bytes = mnl_attr_get_payload_len(attr);

	if (bytes >= PCC_IFNAMSIZ)
		bytes = PCC_IFNAMSIZ - 1;
	memcpy(name, mnl_attr_get_payload(attr), bytes);
	name[bytes] = '\0';
}

/* ---- links ---- */

/* What a VLAN device says of itself (IFLA_INFO_DATA). */
static void vlan_attrs(const struct nlattr *data, struct pcc_link *link)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, data)
	{
		switch (mnl_attr_get_type(attr)) {
		case IFLA_VLAN_ID:
			link->vlan_id = mnl_attr_get_u16(attr);
			break;
		case IFLA_VLAN_PROTOCOL:
			link->vlan_proto = mnl_attr_get_u16(attr);
			break;
		case IFLA_VLAN_EGRESS_QOS:
			link->vlan_qos = true;
			break;
		}
	}
}

static void linkinfo_attrs(const struct nlattr *info, struct pcc_link *link)
{
	const struct nlattr *attr, *data = NULL;

	mnl_attr_for_each_nested(attr, info)
	{
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
			attr_name(attr, link->kind);
		if (mnl_attr_get_type(attr) == IFLA_INFO_DATA)
			data = attr;
	}
	if (data && !strcmp(link->kind, "vlan"))
		vlan_attrs(data, link);
}

static void link_attr(const struct nlattr *attr, struct pcc_link *link)
{
	switch (mnl_attr_get_type(attr)) {
	case IFLA_IFNAME:
		attr_name(attr, link->name);
		break;
	case IFLA_MTU:
		attr_u32(attr, &link->mtu);
		break;
	case IFLA_MASTER:
		attr_u32(attr, &link->master_ifindex);
		break;
	case IFLA_LINK:
		attr_u32(attr, &link->lower_ifindex);
		break;
	case IFLA_ADDRESS:
		link->mac_bytes = mnl_attr_get_payload_len(attr);
		if (link->mac_bytes > sizeof(link->mac))
			link->mac_bytes = sizeof(link->mac);
		memcpy(link->mac, mnl_attr_get_payload(attr), link->mac_bytes);
		break;
	case IFLA_LINKINFO:
		linkinfo_attrs(attr, link);
		break;
	case IFLA_LINK_NETNSID:
		link->lower_elsewhere = true;
		break;
	}
}

static int link_parse(const struct nlmsghdr *nlh, struct pcc_link *link)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifi))
		return -EBADMSG;
	memset(link, 0, sizeof(*link));
	link->ifindex = (uint32_t)ifi->ifi_index;
	link->flags = ifi->ifi_flags;
	link->type = ifi->ifi_type;
	mnl_attr_for_each(attr, nlh, sizeof(*ifi)) link_attr(attr, link);
	return 0;
}

static int on_link(const struct nlmsghdr *nlh, void *arg)
{
	struct pcc_link_list *list = ((struct dump *)arg)->list;
	struct pcc_link link;

	if (!nlh) {
		list->n = 0;
		return 0;
	}
	return link_parse(nlh, &link) ? 0 : APPEND(list, &link);
}

int pcc_link_dump(struct pcc_nl *nl, struct pcc_link_list *list, struct pcc_err *err)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct dump dump = {.list = list};
	int code;

	nlh->nlmsg_type = RTM_GETLINK;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	list->n = 0;
	code = pcc_nl_dump(nl, nlh, on_link, &dump);
	if (code)
		return pcc_err_set(
			err, code, "interfaces", "cannot list them: %s", pcc_nl_reason(nl, code));
	return 0;
}

static int on_one_link(const struct nlmsghdr *nlh, void *arg)
{
	return link_parse(nlh, arg);
}

bool pcc_link_is_ethernet(const struct pcc_link *link)
{
	return link->type == ARPHRD_ETHER && link->mac_bytes == ETH_ALEN;
}

int pcc_link_by_name(
	struct pcc_nl *nl, const char *name, struct pcc_link *link, struct pcc_err *err)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	int code = -ENODEV;

	memset(link, 0, sizeof(*link));
	nlh->nlmsg_type = RTM_GETLINK;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	if (name[0] && strlen(name) < PCC_IFNAMSIZ) {
		mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
		code = pcc_nl_get(nl, nlh, on_one_link, link);
	}
	if (code == -ENODEV) {
		pcc_err_set(err, code, name, "there is no interface of this name");
		return pcc_err_hint(err, code, "`ip link` lists the interfaces");
	}
	if (code)
		return pcc_err_set(
			err, code, name, "cannot read this interface: %s", pcc_nl_reason(nl, code));
	return 0;
}

/* ---- addresses ---- */

static void ifaddr_attr(const struct nlattr *attr, struct pcc_ifaddr *a, bool *has_local)
{
	switch (mnl_attr_get_type(attr)) {
	case IFA_ADDRESS: /* the peer's on a point-to-point link, else the address itself */
		a->has_peer = attr_ip(attr, a->family, &a->peer);
		break;
	case IFA_LOCAL:
		*has_local = attr_ip(attr, a->family, &a->addr);
		break;
	case IFA_FLAGS:
		attr_u32(attr, &a->flags);
		break;
	}
}

static int on_ifaddr(const struct nlmsghdr *nlh, void *arg)
{
	struct dump *dump = arg;
	struct pcc_ifaddr_list *list = dump->list;
	const struct nlattr *attr;
	const struct ifaddrmsg *ifa;
	struct pcc_ifaddr a = {0};
	bool has_local = false;

	if (!nlh) {
		list->n = 0;
		return 0;
	}
	ifa = mnl_nlmsg_get_payload(nlh);
	if (nlh->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifa) ||
		(ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6) ||
		(dump->ifindex && ifa->ifa_index != dump->ifindex))
		return 0;
	a.family = ifa->ifa_family;
	a.ifindex = ifa->ifa_index;
	a.prefixlen = ifa->ifa_prefixlen;
	a.scope = ifa->ifa_scope;
	a.flags = ifa->ifa_flags;
	mnl_attr_for_each(attr, nlh, sizeof(*ifa)) ifaddr_attr(attr, &a, &has_local);
	if (!has_local)
		a.addr = a.peer;
	a.has_peer = a.has_peer && memcmp(&a.peer, &a.addr, addr_bytes(a.family)) != 0;
	if (!a.has_peer)
		memset(&a.peer, 0, sizeof(a.peer));
	return APPEND(list, &a);
}

int pcc_ifaddr_dump(struct pcc_nl *nl, int family, uint32_t ifindex, struct pcc_ifaddr_list *list,
	struct pcc_err *err)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct dump dump = {.list = list, .ifindex = ifindex};
	struct ifaddrmsg *ifa;
	int code;

	nlh->nlmsg_type = RTM_GETADDR;
	ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	ifa->ifa_family = (uint8_t)family;
	ifa->ifa_index = ifindex;
	list->n = 0;
	code = pcc_nl_dump(nl, nlh, on_ifaddr, &dump);
	if (code && code != -EAFNOSUPPORT)
		return pcc_err_set(
			err, code, "addresses", "cannot list them: %s", pcc_nl_reason(nl, code));
	return 0;
}

/* ---- routes ---- */

/* RTA_VIA: a gateway of another family (struct rtvia, linux/rtnetlink.h). */
static void route_via(const struct nlattr *attr, struct pcc_route *r)
{
	const struct rtvia *via = mnl_attr_get_payload(attr);
	size_t bytes = mnl_attr_get_payload_len(attr);

	if (bytes < sizeof(*via) || (via->rtvia_family != AF_INET && via->rtvia_family != AF_INET6))
		return;
	if (bytes < sizeof(*via) + addr_bytes(via->rtvia_family))
		return;
	memcpy(r->gateway.bytes, via->rtvia_addr, addr_bytes(via->rtvia_family));
	r->gateway_family = via->rtvia_family;
	r->has_gateway = true;
}

static void route_attr(
	const struct nlattr *attr, struct pcc_route *r, const struct nlattr **multipath)
{
	switch (mnl_attr_get_type(attr)) {
	case RTA_DST:
		attr_ip(attr, r->family, &r->dst);
		break;
	case RTA_TABLE:
		attr_u32(attr, &r->table);
		break;
	case RTA_PRIORITY:
		attr_u32(attr, &r->metric);
		break;
	case RTA_OIF:
		attr_u32(attr, &r->oif);
		break;
	case RTA_GATEWAY:
		r->has_gateway = attr_ip(attr, r->family, &r->gateway);
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
	return APPEND(list, r);
}

/* One item for each next hop of a multipath route. */
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
		r.nh_flags = nh->rtnh_flags;
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
		((struct pcc_route_list *)dump->list)->n = 0;
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
	r.scope = rtm->rtm_scope;
	r.prefixlen = rtm->rtm_dst_len;
	r.table = rtm->rtm_table;
	r.nh_flags = rtm->rtm_flags & 0xff; /* RTNH_F_* live below RTM_F_NOTIFY */
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
	((struct pcc_route_list *)dump->list)->n = 0;
	code = pcc_nl_dump(nl, nlh, on_route, dump);
	/* A table is made with its first route: -ENOENT and, for an interface, -ENODEV say "none".
	 */
	if (code == -ENOENT || code == -ENODEV || code == -EAFNOSUPPORT)
		return 0;
	if (code)
		return pcc_err_set(
			err, code, "routes", "cannot list them: %s", pcc_nl_reason(nl, code));
	return 0;
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

/* Kernel net/ipv6/route.c, IP6_RT_PRIO_USER: what a metric of 0 becomes. */
static uint32_t effective_metric(const struct pcc_route *r)
{
	return r->family == AF_INET6 && r->metric == 0 ? 1024 : r->metric;
}

bool pcc_route_equal(const struct pcc_route *a, const struct pcc_route *b)
{
	if (a->family != b->family || a->type != b->type || a->table != b->table ||
		a->protocol != b->protocol || a->prefixlen != b->prefixlen ||
		effective_metric(a) != effective_metric(b) || a->multipath != b->multipath ||
		memcmp(&a->dst, &b->dst, addr_bytes(a->family)) != 0)
		return false;
	if (a->type != RTN_UNICAST)
		return true;
	if (a->oif != b->oif || a->has_gateway != b->has_gateway)
		return false;
	if (!a->has_gateway)
		return true;
	return a->gateway_family == b->gateway_family && a->onlink == b->onlink &&
	       memcmp(&a->gateway, &b->gateway, addr_bytes(a->gateway_family)) == 0;
}

static void put_via(struct nlmsghdr *nlh, const struct pcc_route *r)
{
	char buf[sizeof(struct rtvia) + 16] __attribute__((aligned(2)));
	struct rtvia *via = (void *)buf;
	size_t bytes = addr_bytes(r->gateway_family);

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
		rtm->rtm_scope = RT_SCOPE_NOWHERE; /* any scope: fib_table_delete() */
	else if (r->family == AF_INET && r->type == RTN_UNICAST && !r->has_gateway)
		rtm->rtm_scope = RT_SCOPE_LINK;
	if (r->prefixlen)
		mnl_attr_put(nlh, RTA_DST, addr_bytes(r->family), r->dst.bytes);
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
		mnl_attr_put(nlh, RTA_GATEWAY, addr_bytes(r->family), r->gateway.bytes);
	else
		put_via(nlh, r);
}

/* What to do about a route that the kernel refuses. */
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

/* ---- text ---- */

/* A text that grows in a buffer and is cut where the buffer ends. */
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
	if (prefixlen < addr_bytes(family) * 8)
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
	if (effective_metric(r))
		text_add(&t, " metric %u", effective_metric(r));
	if (r->onlink)
		text_add(&t, " onlink");
	return buf;
}

char *pcc_rule_format(char *buf, size_t len, const struct pcc_rule *r)
{
	struct text t = {buf, len, 0};

	if (len)
		buf[0] = '\0';
	text_add(&t, "pref %u from ", r->pref);
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

/* ---- rules ---- */

static void rule_attr(const struct nlattr *attr, struct pcc_rule *r)
{
	uint32_t value = 0;

	switch (mnl_attr_get_type(attr)) {
	case FRA_PRIORITY:
		attr_u32(attr, &r->pref);
		break;
	case FRA_FWMARK:
		attr_u32(attr, &r->fwmark);
		break;
	case FRA_FWMASK:
		attr_u32(attr, &r->fwmask);
		break;
	case FRA_TABLE:
		attr_u32(attr, &r->table);
		break;
	case FRA_SRC:
		attr_ip(attr, r->family, &r->src);
		break;
	case FRA_SUPPRESS_PREFIXLEN:
		if (attr_u32(attr, &value))
			r->suppress_prefixlen = (int32_t)value; /* -1: none */
		break;
	case FRA_PROTOCOL:
		attr_u8(attr, &r->protocol);
		break;
	case FRA_SUPPRESS_IFGROUP:
		r->other |= attr_u32(attr, &value) && value != UINT32_MAX;
		break;
	case FRA_FLOW: /* realms: not a selector */
	case FRA_UNSPEC:
	case FRA_PAD:
		break;
	default: /* interfaces, ports, user ids, l3mdev, tunnel ids, and what is yet to come */
		r->other = true;
	}
}

static int on_rule(const struct nlmsghdr *nlh, void *arg)
{
	struct dump *dump = arg;
	struct pcc_rule_list *list = dump->list;
	struct pcc_rule r = {.suppress_prefixlen = -1};
	const struct fib_rule_hdr *frh;
	const struct nlattr *attr;

	if (!nlh) {
		list->n = 0;
		return 0;
	}
	frh = mnl_nlmsg_get_payload(nlh);
	if (nlh->nlmsg_type != RTM_NEWRULE || mnl_nlmsg_get_payload_len(nlh) < sizeof(*frh) ||
		frh->family != dump->family)
		return 0;
	r.family = frh->family;
	r.table = frh->table;
	r.action = frh->action;
	r.src_prefixlen = frh->src_len;
	r.other = frh->dst_len || frh->tos || (frh->flags & FIB_RULE_INVERT);
	mnl_attr_for_each(attr, nlh, sizeof(*frh)) rule_attr(attr, &r);
	if (r.fwmark && !r.fwmask)
		r.fwmask = UINT32_MAX;
	return APPEND(list, &r);
}

int pcc_rule_dump(struct pcc_nl *nl, int family, struct pcc_rule_list *list, struct pcc_err *err)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct dump dump = {.list = list, .family = family};
	struct fib_rule_hdr *frh;
	int code;

	nlh->nlmsg_type = RTM_GETRULE;
	frh = mnl_nlmsg_put_extra_header(nlh, sizeof(*frh));
	frh->family = (uint8_t)family;
	list->n = 0;
	code = pcc_nl_dump(nl, nlh, on_rule, &dump);
	if (code && code != -EAFNOSUPPORT)
		return pcc_err_set(
			err, code, "policy rules", "cannot list them: %s", pcc_nl_reason(nl, code));
	return 0;
}

bool pcc_rule_equal(const struct pcc_rule *a, const struct pcc_rule *b)
{
	return a->family == b->family && a->pref == b->pref && a->action == b->action &&
	       a->protocol == b->protocol && a->table == b->table && a->fwmark == b->fwmark &&
	       a->fwmask == b->fwmask && a->src_prefixlen == b->src_prefixlen &&
	       memcmp(&a->src, &b->src, addr_bytes(a->family)) == 0 &&
	       a->suppress_prefixlen == b->suppress_prefixlen && a->other == b->other;
}

static void rule_put(struct nlmsghdr *nlh, const struct pcc_rule *r)
{
	struct fib_rule_hdr *frh = mnl_nlmsg_put_extra_header(nlh, sizeof(*frh));

	frh->family = (uint8_t)r->family;
	frh->action = r->action;
	frh->src_len = r->src_prefixlen;
	frh->table = r->table < 256 ? (uint8_t)r->table : RT_TABLE_UNSPEC;
	mnl_attr_put_u32(nlh, FRA_PRIORITY, r->pref);
	if (r->table)
		mnl_attr_put_u32(nlh, FRA_TABLE, r->table);
	if (r->src_prefixlen)
		mnl_attr_put(nlh, FRA_SRC, addr_bytes(r->family), r->src.bytes);
	if (r->fwmask) {
		mnl_attr_put_u32(nlh, FRA_FWMARK, r->fwmark);
		mnl_attr_put_u32(nlh, FRA_FWMASK, r->fwmask);
	}
	if (r->suppress_prefixlen >= 0)
		mnl_attr_put_u32(nlh, FRA_SUPPRESS_PREFIXLEN, (uint32_t)r->suppress_prefixlen);
	mnl_attr_put_u8(nlh, FRA_PROTOCOL, r->protocol);
}

static int rule_do(struct pcc_nl *nl, const struct pcc_rule *r, uint16_t type, uint16_t flags,
	struct pcc_err *err)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0}, text[160], object[96];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	int code;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	rule_put(nlh, r);
	code = pcc_nl_ack(nl, nlh);
	if (!code)
		return 0;
	snprintf(object, sizeof(object), "rule '%.80s'", pcc_rule_format(text, sizeof(text), r));
	pcc_err_set(err, code, object, "the kernel refuses to %s it: %s",
		type == RTM_DELRULE ? "delete" : "add", pcc_nl_reason(nl, code));
	if (code == -EAFNOSUPPORT || code == -EOPNOTSUPP)
		pcc_err_hint(err, code, "pccbpf needs a kernel with CONFIG_IP%s_MULTIPLE_TABLES",
			r->family == AF_INET6 ? "V6" : "");
	else if (code == -EPERM)
		pcc_err_hint(err, code, "run it as root");
	return code;
}

int pcc_rule_add(struct pcc_nl *nl, const struct pcc_rule *rule, struct pcc_err *err)
{
	return rule_do(nl, rule, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, err);
}

int pcc_rule_del(struct pcc_nl *nl, const struct pcc_rule *rule, struct pcc_err *err)
{
	return rule_do(nl, rule, RTM_DELRULE, 0, err);
}

/* ---- neighbours ---- */

/* What RTM_GETNEIGH says of one neighbour; state 0 (NUD_NONE) stands for "no entry" too. */
struct neigh_seen {
	uint16_t state;
};

static int on_neigh(const struct nlmsghdr *nlh, void *arg)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	struct neigh_seen *seen = arg;

	if (nlh->nlmsg_type == RTM_NEWNEIGH && mnl_nlmsg_get_payload_len(nlh) >= sizeof(*ndm))
		seen->state = ndm->ndm_state;
	return 0;
}

/* One request about one neighbour, in a buffer of PCC_NL_REQUEST_BYTES. */
static struct nlmsghdr *neigh_request(
	char *buf, uint16_t type, uint32_t ifindex, int family, const union pcc_ip *ip)
{
	struct nlmsghdr *nlh;
	struct ndmsg *ndm;

	memset(buf, 0, PCC_NL_REQUEST_BYTES);
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = type;
	ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	ndm->ndm_family = (uint8_t)family;
	ndm->ndm_ifindex = (int)ifindex;
	mnl_attr_put(nlh, NDA_DST, addr_bytes(family), ip->bytes);
	return nlh;
}

static int neigh_state(
	struct pcc_nl *nl, uint32_t ifindex, int family, const union pcc_ip *ip, uint16_t *state)
{
	char buf[PCC_NL_REQUEST_BYTES];
	struct neigh_seen seen = {0};
	int err = pcc_nl_get(
		nl, neigh_request(buf, RTM_GETNEIGH, ifindex, family, ip), on_neigh, &seen);

	*state = seen.state;
	return err == -ENOENT ? 0 : err;
}

/*
 * Makes the kernel ask now. An entry with a known address is put into NUD_PROBE, which asks at once
 * (NUD_STALE and NUD_DELAY would wait for 5 s); without one NTF_USE starts a resolution.
 */
static int neigh_ask(
	struct pcc_nl *nl, uint32_t ifindex, int family, const union pcc_ip *ip, uint16_t state)
{
	char buf[PCC_NL_REQUEST_BYTES];
	struct nlmsghdr *nlh = neigh_request(buf, RTM_NEWNEIGH, ifindex, family, ip);
	struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);

	if (state & (NUD_STALE | NUD_DELAY)) {
		ndm->ndm_state = NUD_PROBE;
		nlh->nlmsg_flags = NLM_F_REPLACE;
	} else {
		ndm->ndm_flags = NTF_USE;
		nlh->nlmsg_flags = NLM_F_CREATE;
	}
	return pcc_nl_ack(nl, nlh);
}

int pcc_neigh_probe(struct pcc_nl *nl, uint32_t ifindex, int family, const union pcc_ip *gateway,
	unsigned int timeout_ms)
{
	const uint16_t good = NUD_REACHABLE | NUD_PERMANENT | NUD_NOARP;
	uint64_t deadline = pcc_now_ms() + timeout_ms;
	char buf[PCC_NL_REQUEST_BYTES];
	uint16_t before, state;
	int err = neigh_state(nl, ifindex, family, gateway, &before);

	if (err)
		return err;
	state = before;
	if (!(state & (good | NUD_INCOMPLETE | NUD_PROBE))) {
		err = neigh_ask(nl, ifindex, family, gateway, state);
		if (err)
			return err;
	}
	for (;;) {
		err = neigh_state(nl, ifindex, family, gateway, &state);
		if (err)
			return err;
		if (state & good)
			return 0;
		if ((state & NUD_FAILED) || pcc_now_ms() >= deadline)
			break;
		usleep(POLL_MS * 1000);
	}
	if (!before)
		pcc_nl_ack(nl, neigh_request(buf, RTM_DELNEIGH, ifindex, family, gateway));
	return -EHOSTUNREACH;
}

int pcc_netns_cookie(uint64_t *cookie)
{
	socklen_t len = sizeof(*cookie);
	int err = 0;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, cookie, &len) < 0)
		err = -errno;
	close(fd);
	return err;
}
#endif
