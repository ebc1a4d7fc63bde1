// SPDX-License-Identifier: GPL-2.0-only
/* Reading interfaces by rtnetlink. */
#include "kernel/link.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>

#include "base/list.h"

#ifndef ARPHRD_RAWIP
/* From linux/if_arp.h, which cannot be included together with net/if.h. */
#define ARPHRD_RAWIP 519
#endif

void pcc_link_list_free(struct pcc_link_list *list)
{
	PCC_LIST_FREE(list);
}

/* Reads the attributes of a VLAN device (IFLA_INFO_DATA). */
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
			pcc_attr_name(attr, link->kind);
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
		pcc_attr_name(attr, link->name);
		break;
	case IFLA_MTU:
		pcc_attr_u32(attr, &link->mtu);
		break;
	case IFLA_MASTER:
		pcc_attr_u32(attr, &link->master_ifindex);
		break;
	case IFLA_LINK:
		pcc_attr_u32(attr, &link->lower_ifindex);
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
	struct pcc_link_list *list = arg;
	struct pcc_link link;

	if (!nlh) {
		list->n = 0;
		return 0;
	}
	return link_parse(nlh, &link) ? 0 : PCC_LIST_APPEND(list, &link);
}

int pcc_link_dump(struct pcc_nl *nl, struct pcc_link_list *list, struct pcc_err *err)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = RTM_GETLINK;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	list->n = 0;
	return pcc_nl_listed(nl, pcc_nl_dump(nl, nlh, on_link, list), "interfaces", err);
}

static int on_one_link(const struct nlmsghdr *nlh, void *arg)
{
	return link_parse(nlh, arg);
}

bool pcc_link_is_ethernet(const struct pcc_link *link)
{
	return link->type == ARPHRD_ETHER && link->mac_bytes == ETH_ALEN;
}

bool pcc_link_is_p2p(const struct pcc_link *link)
{
	return (link->flags & IFF_POINTOPOINT) || link->type == ARPHRD_NONE ||
	       link->type == ARPHRD_PPP || link->type == ARPHRD_RAWIP;
}

const struct pcc_link *pcc_link_numbered(const struct pcc_link_list *links, uint32_t ifindex)
{
	for (size_t i = 0; ifindex && i < links->n; i++)
		if (links->v[i].ifindex == ifindex)
			return &links->v[i];
	return NULL;
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
