// SPDX-License-Identifier: GPL-2.0-only
/* Finds the link-layer addresses of LAN clients, from the kernel's neighbours and routes. */
#include "daemon/clients.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/address.h"

#define NEIGHS_MAX 4096u

/* A neighbour on a LAN. */
struct pcc_client_neigh {
	uint32_t ifindex;
	int family;
	uint8_t addr[16];
	uint8_t mac[8];
	uint8_t mac_bytes;
};

static const struct pcc_client_lan *find_lan(const struct pcc_clients *c, uint32_t ifindex)
{
	for (uint32_t i = 0; i < c->nlans; i++)
		if (c->lans[i].ifindex == ifindex)
			return &c->lans[i];
	return NULL;
}

/* Stores a neighbour (RTM_NEWNEIGH) that is on a LAN and has a link-layer address. */
static int on_neigh(const struct nlmsghdr *nlh, void *arg)
{
	const struct ndmsg *ndm;
	const struct nlattr *attr;
	struct pcc_clients *c = arg;
	struct pcc_client_neigh *to;

	if (!nlh) {
		c->nneighs = 0;
		return 0;
	}
	ndm = mnl_nlmsg_get_payload(nlh);
	if (c->nneighs == NEIGHS_MAX || !find_lan(c, (uint32_t)ndm->ndm_ifindex) ||
		ndm->ndm_state & (NUD_FAILED | NUD_INCOMPLETE))
		return 0;
	to = &c->neighs[c->nneighs];
	memset(to, 0, sizeof(*to));
	to->ifindex = (uint32_t)ndm->ndm_ifindex;
	to->family = ndm->ndm_family;
	mnl_attr_for_each(attr, nlh, sizeof(*ndm))
	{
		size_t len = mnl_attr_get_payload_len(attr);

		if (mnl_attr_get_type(attr) == NDA_DST && len <= sizeof(to->addr))
			memcpy(to->addr, mnl_attr_get_payload(attr), len);
		if (mnl_attr_get_type(attr) == NDA_LLADDR && len <= sizeof(to->mac)) {
			memcpy(to->mac, mnl_attr_get_payload(attr), len);
			to->mac_bytes = (uint8_t)len;
		}
	}
	c->nneighs += to->mac_bytes > 0;
	return 0;
}

static void dump_neighs(struct pcc_clients *c)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = RTM_GETNEIGH;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ndmsg));
	pcc_nl_dump(&c->nl, nlh, on_neigh, c);
}

/* The next hop to a client that is behind another router. */
struct hop {
	uint32_t ifindex;
	bool has_gateway;
	uint8_t gateway[16];
};

static int on_hop(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr;
	struct hop *hop = arg;

	if (!nlh || nlh->nlmsg_type != RTM_NEWROUTE)
		return 0;
	mnl_attr_for_each(attr, nlh, sizeof(struct rtmsg))
	{
		size_t len = mnl_attr_get_payload_len(attr);

		if (mnl_attr_get_type(attr) == RTA_OIF && len == 4)
			hop->ifindex = mnl_attr_get_u32(attr);
		if (mnl_attr_get_type(attr) == RTA_GATEWAY && len <= sizeof(hop->gateway)) {
			memcpy(hop->gateway, mnl_attr_get_payload(attr), len);
			hop->has_gateway = true;
		}
	}
	return 0;
}

static int find_hop(struct pcc_clients *c, int family, const uint8_t *addr, struct hop *hop)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	size_t len = family == AF_INET ? 4 : 16;
	struct rtmsg *rtm;

	memset(hop, 0, sizeof(*hop));
	nlh->nlmsg_type = RTM_GETROUTE;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = (unsigned char)family;
	rtm->rtm_dst_len = (unsigned char)(len * 8);
	mnl_attr_put(nlh, RTA_DST, len, addr);
	return pcc_nl_get(&c->nl, nlh, on_hop, hop);
}

static bool find_mac(
	const struct pcc_clients *c, int family, const uint8_t *addr, struct sockaddr_ll *to)
{
	for (uint32_t i = 0; i < c->nneighs; i++) {
		const struct pcc_client_neigh *n = &c->neighs[i];

		if (n->family != family || memcmp(n->addr, addr, family == AF_INET ? 4 : 16) ||
			(to->sll_ifindex && (uint32_t)to->sll_ifindex != n->ifindex))
			continue;
		to->sll_ifindex = (int)n->ifindex;
		to->sll_halen = n->mac_bytes;
		memcpy(to->sll_addr, n->mac, n->mac_bytes);
		return true;
	}
	return false;
}

bool pcc_clients_find(struct pcc_clients *c, const struct pcc_tuple *conn, struct sockaddr_ll *to)
{
	int family = pcc_addr_is_v4(conn->src) ? AF_INET : AF_INET6;
	const uint8_t *addr = (const uint8_t *)&conn->src[family == AF_INET ? 3 : 0];
	const struct pcc_client_lan *lan;
	struct hop hop;

	memset(to, 0, sizeof(*to));
	to->sll_family = AF_PACKET;
	to->sll_protocol = htons(family == AF_INET ? ETH_P_IP : ETH_P_IPV6);
	if (find_mac(c, family, addr, to))
		return true;
	if (find_hop(c, family, addr, &hop))
		return false;
	lan = find_lan(c, hop.ifindex);
	if (!lan)
		return false;
	to->sll_ifindex = (int)hop.ifindex;
	return lan->l3 || (hop.has_gateway && find_mac(c, family, hop.gateway, to));
}

int pcc_clients_open(struct pcc_clients *c, const struct pcc_config *cfg)
{
	int ret;

	memset(c, 0, sizeof(*c));
	for (uint32_t i = 0; i < cfg->nlans; i++) {
		if (!cfg->lans[i].ifindex)
			continue;
		c->lans[c->nlans].ifindex = cfg->lans[i].ifindex;
		c->lans[c->nlans++].l3 = cfg->lans[i].l3;
	}
	c->neighs = calloc(NEIGHS_MAX, sizeof(*c->neighs));
	if (!c->neighs)
		return -ENOMEM;
	ret = pcc_nl_open(&c->nl, NETLINK_ROUTE);
	if (!ret)
		dump_neighs(c);
	return ret;
}

void pcc_clients_close(struct pcc_clients *c)
{
	pcc_nl_close(&c->nl);
	free(c->neighs);
	c->neighs = NULL;
	c->nneighs = 0;
}
