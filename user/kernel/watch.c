// SPDX-License-Identifier: GPL-2.0-only
/* Receiving the kernel's messages about changes, and filtering out those that do not concern us. */
#include "kernel/watch.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "pccbpf.h"

#define BUF_BYTES (64 * 1024)
#define SOCKET_BYTES (4 * 1024 * 1024)
#define READS_MAX 64 /* messages read in one go; each contains one or a few changes */

static const int route_groups[] = {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
	RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, RTNLGRP_NEIGH,
	RTNLGRP_TC};
static const int nft_groups[] = {NFNLGRP_NFTABLES};

/* Returns a 32-bit attribute of a message, or fallback if the message does not have it. */
static uint32_t attr_u32(
	const struct nlmsghdr *nlh, size_t header, uint16_t type, uint32_t fallback)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, header)
	{
		if (mnl_attr_get_type(attr) == type && mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			return mnl_attr_get_u32(attr);
	}
	return fallback;
}

static uint32_t about_route(const struct nlmsghdr *nlh)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	uint32_t table;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm) || rtm->rtm_flags & RTM_F_CLONED)
		return 0;
	table = attr_u32(nlh, sizeof(*rtm), RTA_TABLE, rtm->rtm_table);
	return !rtm->rtm_dst_len || rtm->rtm_protocol == PCC_RTPROT || table == RT_TABLE_LOCAL
		       ? PCC_HEARD_ROUTE
		       : 0;
}

/* Our own rules count, and rules for which the kernel names no protocol. */
static uint32_t about_rule(const struct nlmsghdr *nlh)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct fib_rule_hdr))
	{
		if (mnl_attr_get_type(attr) == FRA_PROTOCOL &&
			mnl_attr_validate(attr, MNL_TYPE_U8) >= 0)
			return mnl_attr_get_u8(attr) == PCC_RTPROT ? PCC_HEARD_RULE : 0;
	}
	return PCC_HEARD_RULE;
}

static uint32_t about_nft(const struct nlmsghdr *nlh)
{
	const struct nlattr *attr;
	uint16_t name;

	if (nlh->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES)
		return 0;
	switch (nlh->nlmsg_type & 0xff) {
	case NFT_MSG_NEWTABLE:
	case NFT_MSG_DELTABLE:
		name = NFTA_TABLE_NAME;
		break;
	case NFT_MSG_NEWCHAIN:
	case NFT_MSG_DELCHAIN:
		name = NFTA_CHAIN_TABLE;
		break;
	case NFT_MSG_NEWRULE:
	case NFT_MSG_DELRULE:
		name = NFTA_RULE_TABLE;
		break;
	case NFT_MSG_NEWFLOWTABLE: /* anyone's may take packets before us */
	case NFT_MSG_DELFLOWTABLE:
		return PCC_HEARD_NFT;
	default:
		return 0;
	}
	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == name &&
			mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			return strcmp(mnl_attr_get_str(attr), "pccbpf") ? 0 : PCC_HEARD_NFT;
	}
	return 0;
}

uint32_t pcc_watch_about(const struct nlmsghdr *nlh, int bus)
{
	if (bus == NETLINK_NETFILTER)
		return about_nft(nlh);
	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return PCC_HEARD_LINK;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return PCC_HEARD_ADDR;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return about_route(nlh);
	case RTM_NEWRULE:
	case RTM_DELRULE:
		return about_rule(nlh);
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		return PCC_HEARD_NEIGH;
	case RTM_NEWTFILTER:
	case RTM_DELTFILTER:
	case RTM_DELQDISC:
		return PCC_HEARD_TC;
	default:
		return 0;
	}
}

/* Opens a socket that is subscribed to the groups. Returns NULL with errno set on an error. */
static struct mnl_socket *hear(int bus, const int *groups, size_t n)
{
	struct mnl_socket *sock = mnl_socket_open2(bus, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int bytes = SOCKET_BYTES, fd;

	if (!sock)
		return NULL;
	fd = mnl_socket_get_fd(sock);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) < 0)
		goto fail;
	for (size_t i = 0; i < n; i++) {
		int group = groups[i];

		if (mnl_socket_setsockopt(sock, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
			goto fail;
	}
	return sock;
fail:
	n = errno;
	mnl_socket_close(sock);
	errno = (int)n;
	return NULL;
}

int pcc_watch_open(struct pcc_watch *w, struct pcc_err *err)
{
	int ret;

	memset(w, 0, sizeof(*w));
	w->buf_bytes = BUF_BYTES;
	w->buf = malloc(w->buf_bytes);
	if (!w->buf)
		return pcc_err_set(err, -ENOMEM, "netlink", "%s", strerror(ENOMEM));
	w->route = hear(NETLINK_ROUTE, route_groups, sizeof(route_groups) / sizeof(int));
	if (!w->route) {
		ret = -errno;
		pcc_watch_close(w);
		return pcc_err_set(err, ret, "netlink", "cannot be watched: %s", strerror(-ret));
	}
	w->nft = hear(NETLINK_NETFILTER, nft_groups, sizeof(nft_groups) / sizeof(int));
	return 0;
}

void pcc_watch_close(struct pcc_watch *w)
{
	if (w->route)
		mnl_socket_close(w->route);
	if (w->nft)
		mnl_socket_close(w->nft);
	free(w->buf);
	memset(w, 0, sizeof(*w));
}

uint32_t pcc_watch_read(struct pcc_watch *w, struct mnl_socket *sock, pcc_watch_fn fn, void *arg)
{
	int bus = sock == w->nft ? NETLINK_NETFILTER : NETLINK_ROUTE;
	uint32_t heard = 0;

	for (int reads = 0; reads < READS_MAX; reads++) {
		const struct nlmsghdr *nlh = (const void *)w->buf;
		ssize_t got = mnl_socket_recvfrom(sock, w->buf, w->buf_bytes);
		int left = (int)got;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (got < 0) { /* ENOBUFS, or a message that did not fit */
			heard |= PCC_HEARD_LOST;
			continue;
		}
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			uint32_t about = pcc_watch_about(nlh, bus);

			heard |= about;
			if (fn && about)
				fn(nlh, about, arg);
		}
	}
	return heard;
}
