// SPDX-License-Identifier: GPL-2.0-only
/* Reading qdiscs and filters of tc, by rtnetlink. */
#include "pins/tc.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdio.h>

/* Returns the parent handle of the filters of one side. */
static uint32_t side(enum pcc_hook_dir dir)
{
	return TC_H_MAKE(TC_H_CLSACT, dir == PCC_HOOK_IN ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
}

static int get_prog_id(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr, *option;

	if (nlh->nlmsg_type != RTM_NEWTFILTER)
		return 0;
	mnl_attr_for_each(attr, nlh, sizeof(struct tcmsg))
	{
		if (mnl_attr_get_type(attr) != TCA_OPTIONS)
			continue;
		mnl_attr_for_each_nested(
			option, attr) if (mnl_attr_get_type(option) == TCA_BPF_ID) *
			(uint32_t *)arg = mnl_attr_get_u32(option);
	}
	return 0;
}

/*
 * bpf_tc_query() is not used, because libbpf prints an error if there is no clsact qdisc, which is
 * a normal case here.
 */
uint32_t pcc_tc_filter_prog(uint32_t ifindex, enum pcc_hook_dir dir)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct pcc_nl nl = {};
	struct tcmsg *tcm;
	uint32_t id = 0;

	nlh->nlmsg_type = RTM_GETTFILTER;
	tcm = mnl_nlmsg_put_extra_header(nlh, sizeof(*tcm));
	tcm->tcm_family = AF_UNSPEC;
	tcm->tcm_ifindex = ifindex;
	tcm->tcm_handle = PCC_TC_HANDLE;
	tcm->tcm_parent = side(dir);
	tcm->tcm_info = TC_H_MAKE(PCC_TC_PRIORITY << 16, htons(ETH_P_ALL));
	mnl_attr_put_strz(nlh, TCA_KIND, "bpf");
	if (!pcc_nl_open(&nl, NETLINK_ROUTE) && pcc_nl_get(&nl, nlh, get_prog_id, &id))
		id = 0;
	pcc_nl_close(&nl);
	return id;
}

struct qdisc_at {
	uint32_t ifindex, parent;
	char *kind;
};

static int get_qdisc(const struct nlmsghdr *nlh, void *arg)
{
	const struct qdisc_at *at = arg;
	const struct tcmsg *tcm;
	struct nlattr *attr;

	if (!nlh)
		return 0;
	tcm = mnl_nlmsg_get_payload(nlh);
	if ((uint32_t)tcm->tcm_ifindex != at->ifindex || tcm->tcm_parent != at->parent)
		return 0;
	mnl_attr_for_each(attr, nlh, sizeof(*tcm)) if (mnl_attr_get_type(attr) == TCA_KIND)
		snprintf(at->kind, PCC_QDISC_KIND, "%s", mnl_attr_get_str(attr));
	return 0;
}

void pcc_qdisc_kind(uint32_t ifindex, uint32_t parent, char kind[PCC_QDISC_KIND])
{
	struct qdisc_at at = {.ifindex = ifindex, .parent = parent, .kind = kind};
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct pcc_nl nl = {};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct tcmsg *tcm;

	kind[0] = '\0';
	if (pcc_nl_open(&nl, NETLINK_ROUTE))
		return;
	nlh->nlmsg_type = RTM_GETQDISC;
	tcm = mnl_nlmsg_put_extra_header(nlh, sizeof(*tcm));
	tcm->tcm_ifindex = ifindex;
	pcc_nl_dump(&nl, nlh, get_qdisc, &at);
	pcc_nl_close(&nl);
}

int pcc_tc_filters_dump(uint32_t ifindex, enum pcc_hook_dir dir, pcc_nl_cb cb, void *arg)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct pcc_nl nl = {};
	struct nlmsghdr *nlh;
	struct tcmsg *tcm;
	int ret;

	ret = pcc_nl_open(&nl, NETLINK_ROUTE);
	if (ret)
		return ret;
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = RTM_GETTFILTER;
	tcm = mnl_nlmsg_put_extra_header(nlh, sizeof(*tcm));
	tcm->tcm_family = AF_UNSPEC;
	tcm->tcm_ifindex = ifindex;
	tcm->tcm_parent = side(dir);
	ret = pcc_nl_dump(&nl, nlh, cb, arg);
	pcc_nl_close(&nl);
	return ret;
}

static int count_filter(const struct nlmsghdr *nlh, void *arg)
{
	if (nlh)
		++*(int *)arg;
	else
		*(int *)arg = 0;
	return 0;
}

int pcc_tc_filters(uint32_t ifindex, enum pcc_hook_dir dir)
{
	int n = 0;

	return pcc_tc_filters_dump(ifindex, dir, count_filter, &n) ? -1 : n;
}
