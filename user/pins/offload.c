// SPDX-License-Identifier: GPL-2.0-only
#include "pins/offload.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/address.h"
#include "kernel/conntrack.h"
#include "kernel/flowtable.h"
#include "kernel/netlink.h"

struct dump {
	pcc_offload_fn fn;
	void *arg;
};

/* What the attributes of one direction are called. */
struct direction {
	enum nf_conntrack_attr l3, l4, src4, dst4, src6, dst6, sport, dport, packets, bytes;
};

static const struct direction directions[] = {
	{ATTR_ORIG_L3PROTO, ATTR_ORIG_L4PROTO, ATTR_ORIG_IPV4_SRC, ATTR_ORIG_IPV4_DST,
		ATTR_ORIG_IPV6_SRC, ATTR_ORIG_IPV6_DST, ATTR_ORIG_PORT_SRC, ATTR_ORIG_PORT_DST,
		ATTR_ORIG_COUNTER_PACKETS, ATTR_ORIG_COUNTER_BYTES},
	{ATTR_REPL_L3PROTO, ATTR_REPL_L4PROTO, ATTR_REPL_IPV4_SRC, ATTR_REPL_IPV4_DST,
		ATTR_REPL_IPV6_SRC, ATTR_REPL_IPV6_DST, ATTR_REPL_PORT_SRC, ATTR_REPL_PORT_DST,
		ATTR_REPL_COUNTER_PACKETS, ATTR_REPL_COUNTER_BYTES},
};

static void read_addr(const struct nf_conntrack *ct, bool v4, enum nf_conntrack_attr a4,
	enum nf_conntrack_attr a6, __be32 to[4])
{
	const void *six = v4 ? NULL : nfct_get_attr(ct, a6);

	memset(to, 0, 16);
	if (v4)
		pcc_addr_map_v4(to, nfct_get_attr_u32(ct, a4));
	else if (six)
		memcpy(to, six, 16);
}

static void read_direction(const struct nf_conntrack *ct, const struct direction *d,
	struct pcc_tuple *t, struct pcc_offload *o)
{
	bool v4 = nfct_get_attr_u8(ct, d->l3) == AF_INET;

	memset(t, 0, sizeof(*t));
	read_addr(ct, v4, d->src4, d->src6, t->src);
	read_addr(ct, v4, d->dst4, d->dst6, t->dst);
	t->sport = nfct_get_attr_u16(ct, d->sport);
	t->dport = nfct_get_attr_u16(ct, d->dport);
	t->proto = nfct_get_attr_u8(ct, d->l4);
	if (nfct_attr_is_set(ct, d->packets) > 0) {
		o->counted = true;
		o->packets += nfct_get_attr_u64(ct, d->packets);
		o->bytes += nfct_get_attr_u64(ct, d->bytes);
	}
}

static int on_entry(const struct nlmsghdr *nlh, void *arg)
{
	struct pcc_offload o = {};
	struct dump *d = arg;
	struct nf_conntrack *ct;
	int code = 0;

	if (!nlh)
		return d->fn(NULL, d->arg);
	if (nlh->nlmsg_type != ((NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_NEW))
		return 0;
	ct = nfct_new();
	if (!ct)
		return -ENOMEM;
	if (nfct_nlmsg_parse(nlh, ct) >= 0 &&
		nfct_get_attr_u32(ct, ATTR_STATUS) & (IPS_OFFLOAD | IPS_HW_OFFLOAD)) {
		o.mark = nfct_get_attr_u32(ct, ATTR_MARK);
		read_direction(ct, &directions[0], &o.orig, &o);
		read_direction(ct, &directions[1], &o.reply, &o);
		code = d->fn(&o, d->arg);
	}
	nfct_destroy(ct);
	return code;
}

int pcc_offload_dump(pcc_offload_fn fn, void *arg)
{
	struct dump d = {.fn = fn, .arg = arg};
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct pcc_nl nl = {0};
	struct nfgenmsg *nfg;
	int code = pcc_nl_open(&nl, NETLINK_NETFILTER);

	nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = AF_UNSPEC;
	nfg->version = NFNETLINK_V0;
	mnl_attr_put_u32(nlh, CTA_STATUS, htonl(IPS_OFFLOAD));
	mnl_attr_put_u32(nlh, CTA_STATUS_MASK, htonl(IPS_OFFLOAD)); /* old kernels send all */
	if (!code)
		code = pcc_nl_dump(&nl, nlh, on_entry, &d);
	pcc_nl_close(&nl);
	return code;
}

/* Without a flowtable there is no need to ask conntrack. counts: all of them count. */
static bool any_flowtable(bool *counts)
{
	struct pcc_flowtable_list list;
	bool any;

	if (pcc_flowtable_dump(&list))
		return false;
	any = list.n > 0;
	for (size_t i = 0; counts && i < list.n; i++)
		*counts = *counts && list.v[i].counts;
	pcc_flowtable_list_free(&list);
	return any;
}

/* ---- how many, by WAN ---- */

struct counting {
	struct pcc_dp *dp;
	struct pcc_offloaded *by_wan;
	bool counts; /* all flowtables do */
};

static uint32_t wan_of_address(struct pcc_dp *dp, const struct pcc_tuple *reply)
{
	uint32_t wan_id = 0;

	if (bpf_map_lookup_elem(dp->map_fd[PCC_MAP_LOCAL], reply->dst, &wan_id))
		return 0;
	return wan_id;
}

static uint32_t wan_of(struct pcc_dp *dp, const struct pcc_offload *o, const struct pcc_conn *conn)
{
	uint32_t id = conn->wan_id;

	if (!id)
		id = (o->mark & dp->meta->mark_mask) >> dp->meta->mark_shift;
	if (!id)
		id = wan_of_address(dp, &o->reply);
	return id <= PCC_MAX_WANS ? id : 0;
}

static int count_one(const struct pcc_offload *o, void *arg)
{
	struct counting *c = arg;
	int fd = c->dp->map_fd[PCC_MAP_CONNS];
	struct pcc_conn conn = {};
	struct pcc_offloaded *to;
	uint64_t packets, bytes;

	if (!o) {
		for (uint32_t i = 0; i <= PCC_MAX_WANS; i++)
			c->by_wan[i] = (struct pcc_offloaded){.counted = c->counts};
		return 0;
	}
	if (bpf_map_lookup_elem(fd, &o->orig, &conn) && bpf_map_lookup_elem(fd, &o->reply, &conn))
		memset(&conn, 0, sizeof(conn));
	to = &c->by_wan[wan_of(c->dp, o, &conn)];
	packets = conn.tx_packets + conn.rx_packets;
	/* conntrack counts from the IP header on. */
	bytes = conn.tx_bytes + conn.rx_bytes - 14 * packets;
	to->connections++;
	to->counted = to->counted && o->counted;
	to->packets += o->packets > packets ? o->packets - packets : 0;
	to->bytes += o->packets > packets && o->bytes > bytes ? o->bytes - bytes : 0;
	return 0;
}

int pcc_offload_count(struct pcc_dp *dp, struct pcc_offloaded by_wan[PCC_MAX_WANS + 1])
{
	struct counting c = {.dp = dp, .by_wan = by_wan, .counts = true};

	memset(by_wan, 0, (PCC_MAX_WANS + 1) * sizeof(*by_wan));
	if (!any_flowtable(&c.counts))
		return 0;
	count_one(NULL, &c);
	return pcc_offload_dump(count_one, &c);
}

/* ---- which ---- */

static int tuple_cmp(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct pcc_tuple));
}

static int set_add(const struct pcc_offload *o, void *arg)
{
	struct pcc_offload_set *set = arg;
	struct pcc_tuple *v = set->v;

	if (!o) {
		set->n = 0;
		return 0;
	}
	if (set->n + 2 > set->room) {
		set->room = set->room ? 2 * set->room : 256;
		v = reallocarray(v, set->room, sizeof(*v));
		if (!v)
			return -ENOMEM;
		set->v = v;
	}
	v[set->n++] = o->orig;
	v[set->n++] = o->reply;
	return 0;
}

int pcc_offload_set_read(struct pcc_offload_set *set)
{
	int code = 0;

	memset(set, 0, sizeof(*set));
	if (any_flowtable(NULL))
		code = pcc_offload_dump(set_add, set);
	if (code)
		pcc_offload_set_free(set);
	else if (set->n)
		qsort(set->v, set->n, sizeof(*set->v), tuple_cmp);
	return code;
}

bool pcc_offload_set_has(const struct pcc_offload_set *set, const struct pcc_tuple *key)
{
	return set->n && bsearch(key, set->v, set->n, sizeof(*set->v), tuple_cmp);
}

void pcc_offload_set_free(struct pcc_offload_set *set)
{
	free(set->v);
	memset(set, 0, sizeof(*set));
}

/* ---- letting go ---- */

struct release {
	uint32_t wan_id, mask;
	const struct pcc_dp_local *locals;
	uint32_t nlocals;
	struct pcc_ct_deleter deleter;
	struct pcc_err *err;
};

static int release_one(const struct pcc_offload *o, void *arg)
{
	struct release *r = arg;

	if (!o || o->mark & r->mask)
		return 0; /* one with a mark is found by it */
	for (uint32_t i = 0; i < r->nlocals; i++)
		if (r->locals[i].wan_id == r->wan_id &&
			!memcmp(&r->locals[i].addr, o->reply.dst, sizeof(o->reply.dst)))
			return pcc_ct_delete(&r->deleter, &o->orig, false, r->err);
	return 0;
}

int pcc_offload_release(struct pcc_dp *dp, uint32_t wan_id, const struct pcc_dp_local *locals,
	uint32_t nlocals, struct pcc_err *err)
{
	struct release r = {.wan_id = wan_id,
		.mask = dp->meta->mark_mask,
		.locals = locals,
		.nlocals = nlocals,
		.err = err};
	int code;

	if (!any_flowtable(NULL))
		return 0;
	code = pcc_offload_dump(release_one, &r);
	pcc_ct_deleter_close(&r.deleter);
	if (code && err && !err->object[0])
		pcc_err_set(
			err, code, "connection tracking", "cannot be read: %s", strerror(-code));
	return code;
}
