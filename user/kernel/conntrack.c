// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/conntrack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/address.h"
#include "kernel/netlink.h"
#include "kernel/sysctl.h"

#define OBJECT "connection tracking"
#define MAX_KEY "net/netfilter/nf_conntrack_max"
#define BATCH_BYTES (32 * 1024)
#define ENTRY_BYTES 1024 /* more than one request about one entry needs */

/* A walk over the table that sends one request for each entry it is about. */
struct walk {
	struct pcc_nl nl;    /* the dump */
	struct pcc_nl out;   /* the requests */
	uint32_t mark, mask; /* counting: (m & mask) == mark; clearing: m & mask */
	uint32_t n;	     /* how many */
	size_t used;	     /* bytes of batch */
	struct nlmsghdr *last;
	char *batch;
};

static struct nlmsghdr *ct_request(char *buf, uint16_t message, uint8_t family)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg;

	nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8) | message;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = family;
	nfg->version = NFNETLINK_V0; /* 0: a flush is for all families */
	return nlh;
}

static void put_mark(struct nlmsghdr *nlh, uint32_t mark, uint32_t mask)
{
	mnl_attr_put_u32(nlh, CTA_MARK, htonl(mark));
	mnl_attr_put_u32(nlh, CTA_MARK_MASK, htonl(mask));
}

/* Its parameters say so. */
bool pcc_ct_present(void)
{
	char text[PCC_SYSCTL_VALUE_BYTES];

	return pcc_sysctl_read(MAX_KEY, text, sizeof(text), NULL) != -ENOENT;
}

bool pcc_ct_is_mute(int code)
{
	return code == -EINVAL || code == -EPROTONOSUPPORT || code == -EOPNOTSUPP;
}

static int fail(struct pcc_err *err, int code, const char *what, const char *why)
{
	pcc_err_set(err, code, OBJECT, "cannot %s: %s", what, why);
	if (code == -EPERM)
		return pcc_err_hint(err, code, "run it as root");
	if (pcc_ct_is_mute(code))
		return pcc_err_hint(
			err, code, "is the module there? `modprobe nf_conntrack_netlink`");
	return code;
}

static uint32_t entry_mark(const struct nlmsghdr *nlh)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == CTA_MARK &&
			mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			return ntohl(mnl_attr_get_u32(attr));
	}
	return 0; /* old kernels leave out a mark of 0 */
}

static bool is_entry(const struct nlmsghdr *nlh)
{
	return nlh->nlmsg_type == ((NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_NEW) &&
	       mnl_nlmsg_get_payload_len(nlh) >= sizeof(struct nfgenmsg);
}

/* ---- count ---- */

static int on_count(const struct nlmsghdr *nlh, void *arg)
{
	struct walk *w = arg;

	if (!nlh)
		w->n = 0;
	else if (is_entry(nlh) && (entry_mark(nlh) & w->mask) == w->mark)
		w->n++;
	return 0;
}

static int count(struct pcc_nl *nl, uint32_t mark, uint32_t mask, uint32_t *n)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct walk w = {.mark = mark, .mask = mask};
	struct nlmsghdr *nlh = ct_request(buf, IPCTNL_MSG_CT_GET, AF_UNSPEC);
	int code;

	put_mark(nlh, mark, mask);
	code = pcc_nl_dump(nl, nlh, on_count, &w);
	*n = w.n;
	return code;
}

int pcc_ct_count(uint32_t mark, uint32_t mask, uint32_t *n, struct pcc_err *err)
{
	struct pcc_nl nl = {0};
	int code;

	*n = 0;
	if (!pcc_ct_present())
		return 0;
	code = pcc_nl_open(&nl, NETLINK_NETFILTER);
	if (!code)
		code = count(&nl, mark, mask, n);
	if (code)
		fail(err, code, "count connections", pcc_nl_reason(&nl, code));
	pcc_nl_close(&nl);
	return code;
}

/*
 * The socket has the kernel load nfnetlink, the message what stands behind it
 * (net/netfilter/nfnetlink.c, nfnetlink_rcv_msg()).
 */
void pcc_ct_load(void)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct pcc_nl nl = {0};

	if (!pcc_nl_open(&nl, NETLINK_NETFILTER))
		pcc_nl_ack(&nl, ct_request(buf, IPCTNL_MSG_CT_GET_STATS, AF_UNSPEC));
	pcc_nl_close(&nl);
}

/* ---- entry by entry ---- */

/* Sends what has been collected and waits; entries that ended meanwhile are no failure. */
static int walk_flush(struct walk *w)
{
	int code;

	if (!w->used)
		return 0;
	w->last->nlmsg_flags |= NLM_F_ACK;
	code = pcc_nl_batch(&w->out, w->batch, w->used, ENOENT);
	w->used = 0;
	return code;
}

/* Is the entry a TCP connection's? Only those have this part. */
static bool is_tcp(const struct nlmsghdr *nlh)
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

/*
 * conntrack lost sight of the windows of connections that the fast path forwarded. Each is told to
 * be lenient for good, as the kernel's own flow offload does, so that it survives the sysctl for
 * all of them.
 */
static void put_liberal(struct nlmsghdr *nlh)
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

/* One request about the entry of nlh: its tuple names it, its id guards against a successor. */
static int walk_add(struct walk *w, const struct nlmsghdr *nlh)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	struct nlmsghdr *request;
	const struct nlattr *attr;

	if (w->used + ENTRY_BYTES > BATCH_BYTES) {
		int code = walk_flush(w);

		if (code)
			return code;
	}
	request = ct_request(w->batch + w->used, IPCTNL_MSG_CT_NEW, nfg->nfgen_family);
	mnl_attr_for_each(attr, nlh, sizeof(*nfg))
	{
		uint16_t type = mnl_attr_get_type(attr);

		if (type != CTA_TUPLE_ORIG && type != CTA_ZONE && type != CTA_ID)
			continue;
		if (request->nlmsg_len + MNL_ALIGN(attr->nla_len) + 64 > ENTRY_BYTES)
			return -EMSGSIZE;
		memcpy(mnl_nlmsg_get_payload_tail(request), attr, MNL_ALIGN(attr->nla_len));
		request->nlmsg_len += MNL_ALIGN(attr->nla_len);
	}
	put_mark(request, 0, w->mask);
	if (is_tcp(nlh))
		put_liberal(request);
	w->used += MNL_ALIGN(request->nlmsg_len);
	w->last = request;
	w->n++;
	return 0;
}

static int on_walk(const struct nlmsghdr *nlh, void *arg)
{
	struct walk *w = arg;

	return nlh && is_entry(nlh) && entry_mark(nlh) & w->mask ? walk_add(w, nlh) : 0;
}

/* Dumps the table and sends the requests meanwhile. */
static int walk(struct walk *w)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct nlmsghdr *nlh = ct_request(buf, IPCTNL_MSG_CT_GET, AF_UNSPEC);
	int code = pcc_nl_open(&w->out, NETLINK_NETFILTER);

	w->batch = malloc(BATCH_BYTES);
	if (!w->batch)
		code = code ? code : -ENOMEM;
	if (!code)
		code = pcc_nl_dump(&w->nl, nlh, on_walk, w);
	if (!code)
		code = walk_flush(w);
	free(w->batch);
	w->batch = NULL;
	pcc_nl_close(&w->out);
	return code;
}

/* ---- flush ---- */

/*
 * One pass in the kernel: the flush request carries the mark and its mask. Built here: the flush
 * filter of libnetfilter_conntrack 1.0.9 leaves the mark out, and then the kernel deletes
 * everything.
 */
static int flush_by_mark(struct pcc_nl *nl, uint32_t mark, uint32_t mask)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct nlmsghdr *nlh = ct_request(buf, IPCTNL_MSG_CT_DELETE, AF_UNSPEC);

	put_mark(nlh, mark, mask);
	return pcc_nl_ack(nl, nlh);
}

int pcc_ct_flush_mark(uint32_t mark, uint32_t mask, uint32_t *deleted, struct pcc_err *err)
{
	struct pcc_nl nl = {};
	int code = 0;

	if (deleted)
		*deleted = 0;
	if (!mask || (mark & ~mask))
		return pcc_err_set(err, -EINVAL, OBJECT,
			"mark 0x%x with mask 0x%x names no group of connections", mark, mask);
	if (!pcc_ct_present())
		return 0;
	code = pcc_nl_open(&nl, NETLINK_NETFILTER);
	if (!code && deleted)
		code = count(&nl, mark, mask, deleted);
	if (!code && (!deleted || *deleted))
		code = flush_by_mark(&nl, mark, mask);
	pcc_nl_close(&nl);
	return code ? fail(err, code, "delete connections by mark", strerror(-code)) : 0;
}

int pcc_ct_clear_mark(uint32_t mask, uint32_t *cleared, struct pcc_err *err)
{
	struct walk w = {.mask = mask};
	int code;

	if (cleared)
		*cleared = 0;
	if (!mask || !pcc_ct_present())
		return 0;
	code = pcc_nl_open(&w.nl, NETLINK_NETFILTER);
	if (!code)
		code = walk(&w);
	if (code)
		fail(err, code, "clear connection marks", pcc_nl_reason(&w.nl, code));
	else if (cleared)
		*cleared = w.n;
	pcc_nl_close(&w.nl);
	return code;
}

int pcc_ct_max(uint32_t *max, struct pcc_err *err)
{
	long value = 0;
	int code;

	*max = 0;
	if (!pcc_ct_present())
		return 0;
	code = pcc_sysctl_read_int(MAX_KEY, &value, err);
	if (!code && value > 0)
		*max = (uint32_t)value;
	return code;
}

static void ct_set_tuple(struct nf_conntrack *ct, const struct pcc_tuple *t, bool reply)
{
	bool v4 = pcc_addr_is_v4(t->src);
	bool icmp = t->proto == IPPROTO_ICMP || t->proto == IPPROTO_ICMPV6;

	nfct_set_attr_u8(
		ct, reply ? ATTR_REPL_L3PROTO : ATTR_ORIG_L3PROTO, v4 ? AF_INET : AF_INET6);
	nfct_set_attr_u8(ct, reply ? ATTR_REPL_L4PROTO : ATTR_ORIG_L4PROTO, t->proto);
	if (v4) {
		nfct_set_attr_u32(ct, reply ? ATTR_REPL_IPV4_SRC : ATTR_ORIG_IPV4_SRC, t->src[3]);
		nfct_set_attr_u32(ct, reply ? ATTR_REPL_IPV4_DST : ATTR_ORIG_IPV4_DST, t->dst[3]);
	} else {
		nfct_set_attr(ct, reply ? ATTR_REPL_IPV6_SRC : ATTR_ORIG_IPV6_SRC, t->src);
		nfct_set_attr(ct, reply ? ATTR_REPL_IPV6_DST : ATTR_ORIG_IPV6_DST, t->dst);
	}
	if (icmp) {
		nfct_set_attr_u8(ct, ATTR_ICMP_TYPE, t->proto == IPPROTO_ICMP ? 8 : 128);
		nfct_set_attr_u8(ct, ATTR_ICMP_CODE, 0);
		nfct_set_attr_u16(ct, ATTR_ICMP_ID, t->sport);
		return;
	}
	nfct_set_attr_u16(ct, reply ? ATTR_REPL_PORT_SRC : ATTR_ORIG_PORT_SRC, t->sport);
	nfct_set_attr_u16(ct, reply ? ATTR_REPL_PORT_DST : ATTR_ORIG_PORT_DST, t->dport);
}

static bool deleter_open(struct pcc_ct_deleter *d)
{
	if (!d->handle)
		d->handle = nfct_open(CONNTRACK, 0);
	return d->handle;
}

int pcc_ct_delete(struct pcc_ct_deleter *d, const struct pcc_tuple *tuple, bool from_outside,
	struct pcc_err *err)
{
	struct nf_conntrack *ct;
	int code = 0;

	if (!d->handle && !pcc_ct_present())
		return 0;
	ct = nfct_new();
	if (!ct || !deleter_open(d)) {
		code = -ENOMEM;
	} else {
		ct_set_tuple(ct, tuple, from_outside);
		if (nfct_query(d->handle, NFCT_Q_DESTROY, ct) && errno != ENOENT)
			code = -errno;
	}
	if (ct)
		nfct_destroy(ct);
	return code ? fail(err, code, "delete a connection", strerror(-code)) : 0;
}

void pcc_ct_deleter_close(struct pcc_ct_deleter *d)
{
	if (d->handle)
		nfct_close(d->handle);
	d->handle = NULL;
}
