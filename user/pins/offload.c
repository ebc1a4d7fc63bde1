// SPDX-License-Identifier: GPL-2.0-only
/* Finds the connections that flowtables forward, by dumping conntrack's offloaded entries. */
#include "pins/offload.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/conntrack.h"
#include "kernel/flowtable.h"

static int dump(pcc_ct_fn fn, void *arg)
{
	return pcc_ct_dump(IPS_OFFLOAD, fn, arg);
}

/*
 * Is there any flowtable? If not, conntrack need not be asked. *counts stays true only if all
 * flowtables count.
 */
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
	bool counts; /* all flowtables count */
};

static uint32_t wan_of_address(struct pcc_dp *dp, const struct pcc_tuple *reply)
{
	uint32_t wan_id = 0;

	if (bpf_map_lookup_elem(dp->map_fd[PCC_MAP_LOCAL], reply->dst, &wan_id))
		return 0;
	return wan_id;
}

static uint32_t wan_of(struct pcc_dp *dp, const struct pcc_ct_entry *o, const struct pcc_conn *conn)
{
	uint32_t id = conn->wan_id, mask = dp->meta->mark_mask;

	if (dp->meta->flags & PCC_META_ANSWERS)
		mask &= mask >>
			1; /* without the bit that marks connections that came in by a WAN */
	if (!id)
		id = (o->mark & mask) >> dp->meta->mark_shift;
	if (!id)
		id = wan_of_address(dp, &o->reply);
	return id <= PCC_MAX_WANS ? id : 0;
}

static int count_one(const struct pcc_ct_entry *o, void *arg)
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
	/* Our counters include the 14 bytes of the Ethernet header, conntrack's do not. */
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
	return dump(count_one, &c);
}

/* ---- which ---- */

static int tuple_cmp(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct pcc_tuple));
}

static int set_add(const struct pcc_ct_entry *o, void *arg)
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
		code = dump(set_add, set);
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

static int release_one(const struct pcc_ct_entry *o, void *arg)
{
	struct release *r = arg;

	if (!o || o->mark & r->mask)
		return 0; /* entries with a mark are deleted by their mark */
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
	code = dump(release_one, &r);
	pcc_ct_deleter_close(&r.deleter);
	if (code && err && !err->object[0])
		pcc_err_set(
			err, code, "connection tracking", "cannot be read: %s", strerror(-code));
	return code;
}
