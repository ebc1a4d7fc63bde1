// SPDX-License-Identifier: GPL-2.0-only
/* Reads, changes and deletes entries of the connection tracking table, through ctnetlink. */
#include "kernel/conntrack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/address.h"
#include "kernel/conntrack_msg.h"
#include "kernel/netlink.h"
#include "kernel/sysctl.h"

#define OBJECT "connection tracking"
#define MAX_KEY "net/netfilter/nf_conntrack_max"
#define BATCH_BYTES (32 * 1024)
#define ENTRY_BYTES 1024 /* more than a request about one entry needs */

/* A walk over the table that sends a request for each entry concerned. */
struct walk {
	struct pcc_nl nl;  /* the socket of the dump */
	struct pcc_nl out; /* the socket of the requests */
	uint32_t mask;	   /* entries whose mark has one of these bits are concerned */
	size_t used;	   /* bytes used of batch */
	struct nlmsghdr *last;
	char *batch;
};

/* Conntrack is there if its sysctls are. */
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

/*
 * Opening the socket makes the kernel load nfnetlink, and the message makes it load the subsystem
 * that the message is for (net/netfilter/nfnetlink.c, nfnetlink_rcv_msg()).
 */
void pcc_ct_load(void)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct pcc_nl nl = {0};

	if (!pcc_nl_open(&nl, NETLINK_NETFILTER))
		pcc_nl_ack(&nl, pcc_ct_request(buf, IPCTNL_MSG_CT_GET_STATS, AF_UNSPEC));
	pcc_nl_close(&nl);
}

/* ---- entry by entry ---- */

/*
 * Sends the requests collected so far and waits for the result. Entries that have ended meanwhile
 * are not a failure.
 */
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

/*
 * Adds a request about the entry of nlh, identified by its tuple and its id; the id protects a
 * later entry with the same tuple.
 */
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
	request = pcc_ct_request(w->batch + w->used, IPCTNL_MSG_CT_NEW, nfg->nfgen_family);
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
	pcc_ct_put_mark(request, 0, w->mask);
	if (pcc_ct_is_tcp(nlh))
		pcc_ct_put_liberal(request);
	w->used += MNL_ALIGN(request->nlmsg_len);
	w->last = request;
	return 0;
}

static int on_walk(const struct nlmsghdr *nlh, void *arg)
{
	struct walk *w = arg;

	return nlh && pcc_ct_is_entry(nlh) && pcc_ct_entry_mark(nlh) & w->mask ? walk_add(w, nlh)
									       : 0;
}

/* Dumps the table and sends the requests while the dump goes on. */
static int walk(struct walk *w)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct nlmsghdr *nlh = pcc_ct_request(buf, IPCTNL_MSG_CT_GET, AF_UNSPEC);
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
 * Deletes entries in one pass of the kernel: the flush request contains the mark and its mask. The
 * message is built here, because the flush filter of libnetfilter_conntrack 1.0.9 leaves the mark
 * out, and then the kernel deletes everything.
 */
static int flush_by_mark(struct pcc_nl *nl, uint32_t mark, uint32_t mask)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct nlmsghdr *nlh = pcc_ct_request(buf, IPCTNL_MSG_CT_DELETE, AF_UNSPEC);

	pcc_ct_put_mark(nlh, mark, mask);
	return pcc_nl_ack(nl, nlh);
}

int pcc_ct_flush_mark(uint32_t mark, uint32_t mask, struct pcc_err *err)
{
	struct pcc_nl nl = {};
	int code;

	if (!mask || (mark & ~mask))
		return pcc_err_set(err, -EINVAL, OBJECT,
			"mark 0x%x with mask 0x%x names no group of connections", mark, mask);
	if (!pcc_ct_present())
		return 0;
	code = pcc_nl_open(&nl, NETLINK_NETFILTER);
	if (!code)
		code = flush_by_mark(&nl, mark, mask);
	pcc_nl_close(&nl);
	return code ? fail(err, code, "delete connections by mark", strerror(-code)) : 0;
}

int pcc_ct_clear_mark(uint32_t mask, struct pcc_err *err)
{
	struct walk w = {.mask = mask};
	int code;

	if (!mask || !pcc_ct_present())
		return 0;
	code = pcc_nl_open(&w.nl, NETLINK_NETFILTER);
	if (!code)
		code = walk(&w);
	if (code)
		fail(err, code, "clear connection marks", pcc_nl_reason(&w.nl, code));
	pcc_nl_close(&w.nl);
	return code;
}

/* ---- one entry ---- */

int pcc_ct_delete(struct pcc_ct_deleter *d, const struct pcc_tuple *tuple, bool from_outside,
	struct pcc_err *err)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct nlmsghdr *nlh;
	int code = 0;

	if (!d->nl.sock && !pcc_ct_present())
		return 0;
	if (!d->nl.sock)
		code = pcc_nl_open(&d->nl, NETLINK_NETFILTER);
	if (!code) {
		nlh = pcc_ct_request(
			buf, IPCTNL_MSG_CT_DELETE, pcc_addr_is_v4(tuple->src) ? AF_INET : AF_INET6);
		pcc_ct_put_tuple(nlh, tuple, from_outside);
		code = pcc_nl_ack(&d->nl, nlh);
	}
	return code && code != -ENOENT ? fail(err, code, "delete a connection", strerror(-code))
				       : 0;
}

void pcc_ct_deleter_close(struct pcc_ct_deleter *d)
{
	pcc_nl_close(&d->nl);
}

/* ---- all that have a status ---- */

struct dump {
	uint32_t status;
	pcc_ct_fn fn;
	void *arg;
};

static int on_entry(const struct nlmsghdr *nlh, void *arg)
{
	const struct dump *d = arg;
	struct pcc_ct_entry e;

	if (!nlh)
		return d->fn(NULL, d->arg);
	if (!pcc_ct_is_entry(nlh))
		return 0;
	pcc_ct_read(nlh, &e);
	return (e.status & d->status) == d->status ? d->fn(&e, d->arg) : 0;
}

int pcc_ct_dump(uint32_t status, pcc_ct_fn fn, void *arg)
{
	struct dump d = {.status = status, .fn = fn, .arg = arg};
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct nlmsghdr *nlh = pcc_ct_request(buf, IPCTNL_MSG_CT_GET, AF_UNSPEC);
	struct pcc_nl nl = {0};
	int code = pcc_nl_open(&nl, NETLINK_NETFILTER);

	mnl_attr_put_u32(nlh, CTA_STATUS, htonl(status));
	mnl_attr_put_u32(nlh, CTA_STATUS_MASK,
		htonl(status)); /* old kernels ignore this and send all entries */
	if (!code)
		code = pcc_nl_dump(&nl, nlh, on_entry, &d);
	pcc_nl_close(&nl);
	return code;
}
