// SPDX-License-Identifier: GPL-2.0-only
/* Reading, adding and deleting policy rules by rtnetlink. */
#include "kernel/rule.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/list.h"
#include "kernel/route_text.h"

struct dump {
	struct pcc_rule_list *list;
	int family;
};

void pcc_rule_list_free(struct pcc_rule_list *list)
{
	PCC_LIST_FREE(list);
}

static void rule_attr(const struct nlattr *attr, struct pcc_rule *r)
{
	uint32_t value = 0;

	switch (mnl_attr_get_type(attr)) {
	case FRA_PRIORITY:
		pcc_attr_u32(attr, &r->pref);
		break;
	case FRA_FWMARK:
		pcc_attr_u32(attr, &r->fwmark);
		break;
	case FRA_FWMASK:
		pcc_attr_u32(attr, &r->fwmask);
		break;
	case FRA_TABLE:
		pcc_attr_u32(attr, &r->table);
		break;
	case FRA_SRC:
		pcc_attr_ip(attr, r->family, &r->src);
		break;
	case FRA_SUPPRESS_PREFIXLEN:
		if (pcc_attr_u32(attr, &value))
			r->suppress_prefixlen = (int32_t)value; /* -1: none */
		break;
	case FRA_PROTOCOL:
		pcc_attr_u8(attr, &r->protocol);
		break;
	case FRA_SUPPRESS_IFGROUP:
		r->other |= pcc_attr_u32(attr, &value) && value != UINT32_MAX;
		break;
	case FRA_FLOW: /* realms, which do not select packets */
	case FRA_UNSPEC:
	case FRA_PAD:
		break;
	default: /* interfaces, ports, user ids, l3mdev, tunnel ids, and future selectors */
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
	r.invert = frh->flags & FIB_RULE_INVERT;
	r.other = frh->dst_len || frh->tos;
	mnl_attr_for_each(attr, nlh, sizeof(*frh)) rule_attr(attr, &r);
	if (r.fwmark && !r.fwmask)
		r.fwmask = UINT32_MAX;
	return PCC_LIST_APPEND(list, &r);
}

int pcc_rule_dump(struct pcc_nl *nl, int family, struct pcc_rule_list *list, struct pcc_err *err)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct dump dump = {.list = list, .family = family};
	struct fib_rule_hdr *frh;

	nlh->nlmsg_type = RTM_GETRULE;
	frh = mnl_nlmsg_put_extra_header(nlh, sizeof(*frh));
	frh->family = (uint8_t)family;
	list->n = 0;
	return pcc_nl_listed(nl, pcc_nl_dump(nl, nlh, on_rule, &dump), "policy rules", err);
}

bool pcc_rule_equal(const struct pcc_rule *a, const struct pcc_rule *b)
{
	return a->family == b->family && a->pref == b->pref && a->action == b->action &&
	       a->protocol == b->protocol && a->table == b->table && a->fwmark == b->fwmark &&
	       a->fwmask == b->fwmask && a->src_prefixlen == b->src_prefixlen &&
	       memcmp(&a->src, &b->src, pcc_ip_bytes(a->family)) == 0 &&
	       a->suppress_prefixlen == b->suppress_prefixlen && a->invert == b->invert &&
	       a->other == b->other;
}

static void rule_put(struct nlmsghdr *nlh, const struct pcc_rule *r)
{
	struct fib_rule_hdr *frh = mnl_nlmsg_put_extra_header(nlh, sizeof(*frh));

	frh->family = (uint8_t)r->family;
	frh->action = r->action;
	frh->flags = r->invert ? FIB_RULE_INVERT : 0;
	frh->src_len = r->src_prefixlen;
	frh->table = r->table < 256 ? (uint8_t)r->table : RT_TABLE_UNSPEC;
	mnl_attr_put_u32(nlh, FRA_PRIORITY, r->pref);
	if (r->table)
		mnl_attr_put_u32(nlh, FRA_TABLE, r->table);
	if (r->src_prefixlen)
		mnl_attr_put(nlh, FRA_SRC, pcc_ip_bytes(r->family), r->src.bytes);
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
