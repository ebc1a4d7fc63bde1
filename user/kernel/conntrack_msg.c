// SPDX-License-Identifier: GPL-2.0-only
/* Writes and reads the messages of ctnetlink. Pure. */
#include "kernel/conntrack_msg.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>
#include <sys/socket.h>

#include "base/address.h"

struct nlmsghdr *pcc_ct_request(char *buf, uint16_t message, uint8_t family)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg;

	nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8) | message;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = family;
	nfg->version = NFNETLINK_V0; /* version 0: a flush applies to all families */
	return nlh;
}

void pcc_ct_put_mark(struct nlmsghdr *nlh, uint32_t mark, uint32_t mask)
{
	mnl_attr_put_u32(nlh, CTA_MARK, htonl(mark));
	mnl_attr_put_u32(nlh, CTA_MARK_MASK, htonl(mask));
}

uint32_t pcc_ct_entry_mark(const struct nlmsghdr *nlh)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == CTA_MARK &&
			mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			return ntohl(mnl_attr_get_u32(attr));
	}
	return 0; /* old kernels leave out a mark that is 0 */
}

bool pcc_ct_is_entry(const struct nlmsghdr *nlh)
{
	return nlh->nlmsg_type == ((NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_NEW) &&
	       mnl_nlmsg_get_payload_len(nlh) >= sizeof(struct nfgenmsg);
}

/* Only TCP entries have this part. */
bool pcc_ct_is_tcp(const struct nlmsghdr *nlh)
{
	const struct nlattr *attr, *part;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) != CTA_PROTOINFO)
			continue;
		mnl_attr_for_each_nested(
			part, attr) if (mnl_attr_get_type(part) == CTA_PROTOINFO_TCP) return true;
	}
	return false;
}

void pcc_ct_put_liberal(struct nlmsghdr *nlh)
{
	const struct nf_ct_tcp_flags lenient = {
		.flags = IP_CT_TCP_FLAG_BE_LIBERAL,
		.mask = IP_CT_TCP_FLAG_BE_LIBERAL,
	};
	struct nlattr *info = mnl_attr_nest_start(nlh, CTA_PROTOINFO);
	struct nlattr *tcp = mnl_attr_nest_start(nlh, CTA_PROTOINFO_TCP);

	mnl_attr_put(nlh, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, sizeof(lenient), &lenient);
	mnl_attr_put(nlh, CTA_PROTOINFO_TCP_FLAGS_REPLY, sizeof(lenient), &lenient);
	mnl_attr_nest_end(nlh, tcp);
	mnl_attr_nest_end(nlh, info);
}

/* ---- tuples ---- */

static void put_addresses(struct nlmsghdr *nlh, const struct pcc_tuple *t, bool v4)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, CTA_TUPLE_IP);

	if (v4) {
		mnl_attr_put_u32(nlh, CTA_IP_V4_SRC, t->src[3]);
		mnl_attr_put_u32(nlh, CTA_IP_V4_DST, t->dst[3]);
	} else {
		mnl_attr_put(nlh, CTA_IP_V6_SRC, sizeof(t->src), t->src);
		mnl_attr_put(nlh, CTA_IP_V6_DST, sizeof(t->dst), t->dst);
	}
	mnl_attr_nest_end(nlh, nest);
}

static void put_icmp(struct nlmsghdr *nlh, const struct pcc_tuple *t, bool reply)
{
	bool v4 = t->proto == IPPROTO_ICMP;
	uint8_t echo = v4 ? 8 : 128, answer = v4 ? 0 : 129;

	mnl_attr_put_u8(
		nlh, v4 ? CTA_PROTO_ICMP_TYPE : CTA_PROTO_ICMPV6_TYPE, reply ? answer : echo);
	mnl_attr_put_u8(nlh, v4 ? CTA_PROTO_ICMP_CODE : CTA_PROTO_ICMPV6_CODE, 0);
	mnl_attr_put_u16(nlh, v4 ? CTA_PROTO_ICMP_ID : CTA_PROTO_ICMPV6_ID, t->sport);
}

void pcc_ct_put_tuple(struct nlmsghdr *nlh, const struct pcc_tuple *t, bool reply)
{
	struct nlattr *tuple = mnl_attr_nest_start(nlh, reply ? CTA_TUPLE_REPLY : CTA_TUPLE_ORIG);
	struct nlattr *proto;

	put_addresses(nlh, t, pcc_addr_is_v4(t->src));
	proto = mnl_attr_nest_start(nlh, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(nlh, CTA_PROTO_NUM, t->proto);
	if (t->proto == IPPROTO_ICMP || t->proto == IPPROTO_ICMPV6) {
		put_icmp(nlh, t, reply);
	} else {
		mnl_attr_put_u16(nlh, CTA_PROTO_SRC_PORT, t->sport);
		mnl_attr_put_u16(nlh, CTA_PROTO_DST_PORT, t->dport);
	}
	mnl_attr_nest_end(nlh, proto);
	mnl_attr_nest_end(nlh, tuple);
}

/* ---- entries ---- */

static void read_address(const struct nlattr *attr, __be32 to[4])
{
	if (mnl_attr_get_payload_len(attr) == 4)
		pcc_addr_map_v4(to, mnl_attr_get_u32(attr));
	else if (mnl_attr_get_payload_len(attr) == 16)
		memcpy(to, mnl_attr_get_payload(attr), 16);
}

static void read_addresses(const struct nlattr *nest, struct pcc_tuple *t)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
	{
		switch (mnl_attr_get_type(attr)) {
		case CTA_IP_V4_SRC:
		case CTA_IP_V6_SRC:
			read_address(attr, t->src);
			break;
		case CTA_IP_V4_DST:
		case CTA_IP_V6_DST:
			read_address(attr, t->dst);
			break;
		}
	}
}

static void read_protocol(const struct nlattr *nest, struct pcc_tuple *t)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
	{
		switch (mnl_attr_get_type(attr)) {
		case CTA_PROTO_NUM:
			t->proto = mnl_attr_get_u8(attr);
			break;
		case CTA_PROTO_SRC_PORT:
		case CTA_PROTO_ICMP_ID:
		case CTA_PROTO_ICMPV6_ID:
			t->sport = mnl_attr_get_u16(attr);
			break;
		case CTA_PROTO_DST_PORT:
			t->dport = mnl_attr_get_u16(attr);
			break;
		}
	}
}

static void read_tuple(const struct nlattr *nest, struct pcc_tuple *t)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == CTA_TUPLE_IP)
			read_addresses(attr, t);
		if (mnl_attr_get_type(attr) == CTA_TUPLE_PROTO)
			read_protocol(attr, t);
	}
}

static void read_counters(const struct nlattr *nest, struct pcc_ct_entry *e)
{
	const struct nlattr *attr;

	e->counted = true;
	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == CTA_COUNTERS_PACKETS)
			e->packets += be64toh(mnl_attr_get_u64(attr));
		if (mnl_attr_get_type(attr) == CTA_COUNTERS_BYTES)
			e->bytes += be64toh(mnl_attr_get_u64(attr));
	}
}

void pcc_ct_read(const struct nlmsghdr *nlh, struct pcc_ct_entry *e)
{
	const struct nlattr *attr;

	memset(e, 0, sizeof(*e));
	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		switch (mnl_attr_get_type(attr)) {
		case CTA_TUPLE_ORIG:
			read_tuple(attr, &e->orig);
			break;
		case CTA_TUPLE_REPLY:
			read_tuple(attr, &e->reply);
			break;
		case CTA_STATUS:
			e->status = ntohl(mnl_attr_get_u32(attr));
			break;
		case CTA_MARK:
			e->mark = ntohl(mnl_attr_get_u32(attr));
			break;
		case CTA_COUNTERS_ORIG:
		case CTA_COUNTERS_REPLY:
			read_counters(attr, e);
			break;
		}
	}
}
