// SPDX-License-Identifier: GPL-2.0-only
/* Reading the addresses of interfaces by rtnetlink. */
#include "kernel/address.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/list.h"

struct dump {
	struct pcc_ifaddr_list *list;
	uint32_t ifindex; /* 0: all */
};

void pcc_ifaddr_list_free(struct pcc_ifaddr_list *list)
{
	PCC_LIST_FREE(list);
}

static void ifaddr_attr(const struct nlattr *attr, struct pcc_ifaddr *a, bool *has_local)
{
	switch (mnl_attr_get_type(attr)) {
	/* On a point-to-point link this is the peer's address, else the same as IFA_LOCAL. */
	case IFA_ADDRESS:
		a->has_peer = pcc_attr_ip(attr, a->family, &a->peer);
		break;
	case IFA_LOCAL:
		*has_local = pcc_attr_ip(attr, a->family, &a->addr);
		break;
	case IFA_FLAGS:
		pcc_attr_u32(attr, &a->flags);
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
	a.has_peer = a.has_peer && memcmp(&a.peer, &a.addr, pcc_ip_bytes(a.family)) != 0;
	if (!a.has_peer)
		memset(&a.peer, 0, sizeof(a.peer));
	return PCC_LIST_APPEND(list, &a);
}

int pcc_ifaddr_dump(struct pcc_nl *nl, int family, uint32_t ifindex, struct pcc_ifaddr_list *list,
	struct pcc_err *err)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct dump dump = {.list = list, .ifindex = ifindex};
	struct ifaddrmsg *ifa;

	nlh->nlmsg_type = RTM_GETADDR;
	ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	ifa->ifa_family = (uint8_t)family;
	ifa->ifa_index = ifindex;
	list->n = 0;
	return pcc_nl_listed(nl, pcc_nl_dump(nl, nlh, on_ifaddr, &dump), "addresses", err);
}
