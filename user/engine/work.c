// SPDX-License-Identifier: GPL-2.0-only
/* Forgetting the connections of a WAN, and waiting for packets under way. */
#include "engine/work.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "kernel/conntrack.h"
#include "pins/offload.h"

/*
 * From a packet's ingress program to its egress the kernel holds rcu_read_lock(), and this system
 * call waits for all who do (kernel/sched/membarrier.c: synchronize_rcu()). Kernels with nohz_full
 * refuse it.
 */
void pcc_work_packets_through(struct pcc_work *w)
{
	if (w->committed)
		syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	w->committed = false;
}

/*
 * After this time conntrack has no entry of a connection that was never answered
 * (nf_conntrack_tcp_timeout_syn_sent).
 */
#define UNANSWERED_NS (600ull * 1000 * 1000 * 1000)

/* The state of forgetting the connections of a WAN. */
struct release {
	uint32_t wan_id;
	bool unmarked; /* conntrack entries may not have their mark yet */
	uint64_t now_ns;
	struct pcc_ct_deleter deleter;
	struct pcc_err why; /* the error of a deletion */
};

/* May the connection have a conntrack entry without a mark? */
static bool is_unmarked(const struct release *r, const struct pcc_conn *conn)
{
	if (!r->unmarked || conn->flags & PCC_CONN_CT_DONE)
		return false;
	return conn->rx_packets || r->now_ns < conn->seen_ns + UNANSWERED_NS;
}

static int release_one(const struct pcc_tuple *key, const struct pcc_conn *conn, void *arg)
{
	struct release *r = arg;
	int ret = 0;

	if (conn->wan_id != r->wan_id)
		return 0;
	if (is_unmarked(r, conn))
		ret = pcc_ct_delete(&r->deleter, key, conn->origin == PCC_ORIGIN_WAN, &r->why);
	return ret ? ret : 1;
}

int pcc_work_release(struct pcc_work *w, uint32_t wan_id, struct pcc_err *err)
{
	struct release r = {.wan_id = wan_id, .unmarked = !w->s->dp.no_ct, .now_ns = pcc_now_ns()};
	const struct pcc_meta *meta = w->s->dp.meta;
	uint32_t mask = meta->mark_mask, top = mask & ~(mask >> 1);
	uint32_t mark = wan_id << meta->mark_shift;
	int ret;

	/* The marks of inbound connections have one more bit. */
	if (meta->flags & PCC_META_ANSWERS && !(mark & top))
		mask &= ~top;

	pcc_work_packets_through(w);
	ret = pcc_dp_conns(&w->s->dp, release_one, &r, err);
	pcc_ct_deleter_close(&r.deleter);
	if (ret && err && r.why.object[0])
		*err = r.why;
	if (!ret)
		ret = pcc_offload_release(&w->s->dp, wan_id, w->old_locals, w->nold_locals, err);
	if (!ret)
		ret = pcc_ct_flush_mark(mark, mask, err);
	if (!pcc_ct_is_mute(ret))
		return ret;
	if (w->opts->warn && err)
		w->opts->warn(err);
	return 0;
}
