// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/route_get.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "pccbpf_hash.h"

static int on_route(const struct nlmsghdr *nlh, void *arg)
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
	/* The kernel takes no other protocols here (net/ipv4/ip_input.c,
	 * rtm_getroute_parse_ip_proto()). */
	if (tuple->proto == IPPROTO_TCP || tuple->proto == IPPROTO_UDP) {
		mnl_attr_put_u8(nlh, RTA_IP_PROTO, tuple->proto);
		mnl_attr_put(nlh, RTA_SPORT, sizeof(tuple->sport), &tuple->sport);
		mnl_attr_put(nlh, RTA_DPORT, sizeof(tuple->dport), &tuple->dport);
	}
	*oif = 0;
	return pcc_nl_get(nl, nlh, on_route, oif);
}
