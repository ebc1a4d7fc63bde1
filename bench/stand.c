// SPDX-License-Identifier: GPL-2.0-only
/* A stand: one variant in namespaces of its own, and what a turn of it measures. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench.h"

/* A piece that lost frames is repeated: a ring overflows where its receiver was kept from running.
 */
#define PIECE_TRIES 4
#define WARM_UP_PASSES 3
#define FAST_SHARE_MIN 0.95
/* New connections of a turn that are not measured: caches, code, memory of entries. */
#define LEAD_IN_CONNECTIONS 400
/*
 * TCP: bytes of a piece, and of the one before it that is not measured. XDP, where each frame goes
 * by itself, takes several times as long for a byte.
 */
#define BULK_BYTES (32ull << 20)
#define BULK_LEAD_IN_BYTES (8ull << 20)
#define BULK_XDP_PART 4
#define EXCHANGES 1000
#define EXCHANGES_LEAD_IN 100

int stand_open(struct stand *s, const struct options *o, const struct variant *v, int wans,
	int number, char *why)
{
	int err;

	*s = (struct stand){.o = o, .variant = v};
	err = topo_create(&s->topo, o->owner, number, wans, o->family, why);
	/* A veth takes frames from XDP once its peer has XDP or GRO, so the peers come first. */
	if (!err && o->measurement == MEASURE_BULK)
		err = topo_add_hosts(&s->topo, v->kind == KIND_XDP, why);
	else if (!err)
		err = traffic_open(&s->traffic, &s->topo, o->cpu, why);
	if (!err)
		err = variant_setup(v, &s->topo, o, &s->setup, why);
	if (!err && o->measurement == MEASURE_BULK)
		err = streams_open(&s->streams, &s->topo, why);
	s->ready = !err;
	return err;
}

void stand_close(struct stand *s)
{
	streams_close(s->streams);
	traffic_close(s->traffic);
	variant_teardown(&s->topo, s->o, &s->setup);
	topo_destroy(&s->topo, s->o->owner);
}

/* ---- packet rate ---- */

/* Each WAN must have had its share, or the variant does not do the job that it is named for. */
static int check_spread(const struct stand *s, int flows, char *why)
{
	int wans = s->topo.wans;

	if (s->variant->flags & (VAR_ONE_WAN | VAR_DROP) || flows < 64 * wans)
		return 0;
	for (int i = 0; i < wans; i++) {
		if (traffic_wan_frames(s->traffic, i) == 0) {
			snprintf(why, BENCH_WHY, "nothing went through wan%d", i + 1);
			return -EINVAL;
		}
	}
	return 0;
}

/* Is the variant one that forwards established packets itself, before the stack does? */
static bool has_fast_path(const struct variant *v)
{
	return v->flags & VAR_PCCBPF && v->kind != KIND_STACK;
}

/*
 * Share of the packets between two readings that the fast path forwarded, or -1 with why where it
 * is so small that the row would say nothing of the fast path. Where a cycle through the flows may
 * take longer than a lease, packets that were let through for the kernel to renew it are the fast
 * path's own cost.
 */
static double fast_share(const struct fast_counts *from, const struct fast_counts *to,
	uint64_t packets, bool long_cycle, char *why)
{
	double forwarded = to->forwarded - from->forwarded;
	double renewed = long_cycle ? to->renewed - from->renewed : 0;

	if (forwarded + renewed < FAST_SHARE_MIN * (double)packets) {
		snprintf(why, BENCH_WHY, "only %.1f %% of the packets took the fast path",
			100 * forwarded / (double)packets);
		return -1;
	}
	return forwarded / (double)packets;
}

/* Sends until all of it arrives. Returns ns per packet. */
static double run_piece(struct stand *s, uint32_t packets, uint32_t *sent, char *why)
{
	double ns = -1;

	why[0] = '\0';
	for (int i = 0; ns < 0 && i < PIECE_TRIES; i++) {
		ns = traffic_run(s->traffic, packets, !(s->variant->flags & VAR_DROP), why);
		*sent += packets;
	}
	return ns;
}

static void rewind_flows(struct stand *s, uint32_t flows)
{
	if (s->o->burst > 1)
		traffic_bursts_rewind(s->traffic);
	else
		traffic_flows(s->traffic, 0, flows);
}

int stand_refresh(struct stand *s, int flow_count, char *why)
{
	uint32_t sent = 0;

	rewind_flows(s, (uint32_t)flow_count);
	return run_piece(s, (uint32_t)flow_count, &sent, why) < 0 ? -EIO : 0;
}

double stand_rate_turn(struct stand *s, int flow_count, bool count, double *share, char *why)
{
	uint32_t flows = (uint32_t)flow_count, piece = s->o->packets, sent = 0;
	struct fast_counts from = {0}, to = {0};
	double ns;

	count = count && has_fast_path(s->variant);
	if (count && pccbpf_fast_counts(&s->topo, s->o, &s->setup, &from, why))
		return -1;
	rewind_flows(s, flows);
	ns = run_piece(s, piece < flows ? flows : piece, &sent, why);
	if (ns < 0 || check_spread(s, flow_count, why))
		return -1;
	if (count && pccbpf_fast_counts(&s->topo, s->o, &s->setup, &to, why))
		return -1;
	if (count) {
		*share = fast_share(&from, &to, sent, flows > LONG_CYCLE_FLOWS, why);
		if (*share < 0)
			return -1;
	}
	return ns;
}

/*
 * Three passes before: the first opens the flows and is answered, the second is what pccbpf learns
 * from, the third finds everything in place. For bursts twice as many flows are opened, so that
 * each WAN has at least as many as it shall have.
 */
int stand_warm_up(struct stand *s, int flow_count, char *why)
{
	const struct variant *v = s->variant;
	bool answers = s->o->bidir && !(v->flags & (VAR_BARE | VAR_DROP));
	uint32_t flows = (uint32_t)flow_count, opened = s->o->burst > 1 ? 2 * flows : flows;
	int err = 0;

	if (!(v->flags & VAR_DROP))
		err = traffic_warm_up(s->traffic, 0, opened, WARM_UP_PASSES, answers,
			v->flags & (VAR_MASQUERADE | VAR_PCCBPF), why);
	if (!err && s->o->burst > 1)
		err = traffic_bursts(s->traffic, opened, flows, s->o->burst,
			!(v->flags & (VAR_BARE | VAR_DROP | VAR_ONE_WAN)), why);
	return err;
}

/* ---- new connections ---- */

double stand_connections_turn(struct stand *s, uint32_t connections, char *why)
{
	double ns;

	/* Numbers that no earlier turn had: pccbpf knows those longer than conntrack does. */
	traffic_handshakes(s->traffic, s->o->measurement == MEASURE_HANDSHAKES);
	traffic_spread(s->traffic, s->o->spread);
	traffic_flows(s->traffic, s->next_flow, LEAD_IN_CONNECTIONS + connections);
	s->next_flow += LEAD_IN_CONNECTIONS + connections;
	ns = traffic_run(s->traffic, LEAD_IN_CONNECTIONS, true, why);
	if (ns >= 0)
		ns = traffic_run(s->traffic, connections, true, why);
	topo_flush_conntrack(&s->topo);
	return ns < 0 || check_spread(s, (int)connections, why) ? -1 : ns;
}

/* ---- TCP ---- */

static double bulk(struct stand *s, int streams, int server_cpu, int client_cpu, char *why)
{
	uint64_t part = s->variant->kind == KIND_XDP ? BULK_XDP_PART : 1;

	if (streams_bulk(s->streams, streams, BULK_LEAD_IN_BYTES / part, server_cpu, client_cpu,
		    why) < 0)
		return -1;
	return streams_bulk(s->streams, streams, BULK_BYTES / part, server_cpu, client_cpu, why);
}

/* The CPU for the sender where it has one of its own: any other than the client's. */
static int other_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	if (sched_getaffinity(getppid(), sizeof(set), &set))
		return cpu;
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (i != cpu && CPU_ISSET(i, &set))
			return i;
	return cpu;
}

int stand_tcp_turn(struct stand *s, struct tcp_times *out, char *why)
{
	int cpu = s->o->cpu, other = other_cpu(cpu), err;
	static const int counts[] = {1, STREAMS_MAX};
	struct exchange_times ignored;

	for (int i = 0; i < 2; i++) {
		out->bulk_ns[i] = bulk(s, counts[i], other, cpu, why);
		out->bulk_cpu_ns[i] = bulk(s, counts[i], cpu, cpu, why);
		if (out->bulk_ns[i] < 0 || out->bulk_cpu_ns[i] < 0)
			return -EIO;
	}
	err = streams_exchanges(s->streams, EXCHANGES_LEAD_IN, cpu, cpu, &ignored, why);
	if (!err)
		err = streams_exchanges(s->streams, EXCHANGES, cpu, cpu, &out->exchanges, why);
	return err;
}
