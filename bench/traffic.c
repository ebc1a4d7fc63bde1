// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "bench.h"
#include "frame.h"
#include "gen.skel.h"
#include "sink.skel.h"

/* Frames per softirq run: well below the 256 slots of a veth ring. */
#define GEN_BATCH 64
#define LOOPBACK_IFINDEX 1 /* in every network namespace */
#define ARRIVAL_TIMEOUT_NS 500000000ull
#define WARM_UP_PASSES_MAX 8

/*
 * Loaded once for all topologies, which send one at a time. Else the stands would not be equal: the
 * kernel calls the first 48 XDP programs of the machine directly, and the rest through a pointer.
 */
static struct programs {
	struct bench_gen *gen;
	struct bench_sink *sink;
	int users;
} programs;

struct traffic {
	const struct topo *topo;
	struct bench_gen *gen;
	struct bench_sink *sink;
	int home_fd;
	int cpus;
	uint32_t *order; /* of the flows in bursts, order_length of them; NULL: none */
	uint32_t order_length;
};

static int programs_get(struct traffic *tr)
{
	if (programs.users++ == 0) {
		programs.gen = bench_gen__open_and_load();
		programs.sink = bench_sink__open_and_load();
	}
	tr->gen = programs.gen;
	tr->sink = programs.sink;
	return tr->gen && tr->sink ? 0 : -errno;
}

static void programs_put(void)
{
	if (--programs.users)
		return;
	bench_gen__destroy(programs.gen);
	bench_sink__destroy(programs.sink);
	programs = (struct programs){0};
}

/*
 * The generator stands on the loopback device, too, where it meets nothing. There it has a place
 * among the kernel's XDP programs; without one each test run would take it a place and give it
 * back, and wait for RCU both times: up to 30 ms within the time that is measured.
 */
static int attach_generator(struct traffic *tr)
{
	return bpf_xdp_attach(
		LOOPBACK_IFINDEX, bpf_program__fd(tr->gen->progs.gen), XDP_FLAGS_SKB_MODE, NULL);
}

static int attach_programs(struct traffic *tr)
{
	const struct topo *t = tr->topo;
	int err = ns_enter(t->isp_fd);

	for (int i = 0; i < t->wans && !err; i++)
		err = bpf_xdp_attach(t->isp_ifindex[i], bpf_program__fd(tr->sink->progs.sink_isp),
			XDP_FLAGS_DRV_MODE, NULL);
	if (!err)
		err = ns_enter(t->lan_fd);
	if (!err)
		err = bpf_xdp_attach(t->lan_ifindex, bpf_program__fd(tr->sink->progs.sink_lan),
			XDP_FLAGS_DRV_MODE, NULL);
	if (!err)
		err = attach_generator(tr);
	ns_enter(tr->home_fd);
	return err;
}

static int pin_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

int traffic_open(struct traffic **out, const struct topo *t, int cpu, char *why)
{
	struct traffic *tr = calloc(1, sizeof(*tr));
	int err = -ENOMEM;

	*out = NULL;
	if (!tr)
		goto out;
	tr->topo = t;
	tr->cpus = libbpf_num_possible_cpus();
	tr->home_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	err = programs_get(tr);
	if (!err)
		err = tr->home_fd < 0 ? -errno : attach_programs(tr);
	if (!err)
		err = pin_cpu(cpu);
	if (!err)
		*out = tr;
out:
	if (err) {
		snprintf(why, BENCH_WHY, "generator and sinks: %s", strerror(-err));
		traffic_close(tr);
	}
	return err;
}

void traffic_close(struct traffic *tr)
{
	if (!tr)
		return;
	programs_put();
	free(tr->order);
	if (tr->home_fd >= 0)
		close(tr->home_fd);
	free(tr);
}

void traffic_flows(struct traffic *tr, uint32_t first, uint32_t count)
{
	tr->gen->bss->gen_ordered = 0;
	tr->gen->bss->gen_first = first;
	tr->gen->data->gen_end = first + count;
	tr->gen->bss->gen_next = first;
}

void traffic_bursts_rewind(struct traffic *tr)
{
	memcpy(tr->gen->bss->gen_order, tr->order, tr->order_length * sizeof(*tr->order));
	tr->gen->bss->gen_ordered = 1;
	tr->gen->bss->gen_first = 0;
	tr->gen->data->gen_end = tr->order_length;
	tr->gen->bss->gen_next = 0;
}

/* The WAN of a flow, from 0, or -1. */
static int flow_wan(const struct traffic *tr, uint32_t flow)
{
	for (int i = 0; i < tr->topo->wans; i++)
		if (tr->sink->bss->sink_flow_ifindex[flow] == (uint32_t)tr->topo->isp_ifindex[i])
			return i;
	return -1;
}

/* The first flows of each WAN, so many that all together are count, WAN by WAN. */
static int choose_by_wan(
	const struct traffic *tr, uint32_t opened, uint32_t count, uint32_t *flows, char *why)
{
	uint32_t each = count / (uint32_t)tr->topo->wans;

	for (int i = 0; i < tr->topo->wans; i++) {
		uint32_t found = 0;

		for (uint32_t flow = 0; flow < opened && found < each; flow++)
			if (flow_wan(tr, flow) == i)
				flows[(uint32_t)i * each + found++] = flow;
		if (found < each) {
			snprintf(why, BENCH_WHY, "wan%d has %u flows, %u are needed", i + 1, found,
				each);
			return -EINVAL;
		}
	}
	return 0;
}

/* Bursts of each WAN in turn. */
static int order_by_wan(
	struct traffic *tr, uint32_t opened, uint32_t count, uint32_t burst, char *why)
{
	uint32_t wans = (uint32_t)tr->topo->wans, each = count / wans, length = 0;
	uint32_t *flows = calloc(count, sizeof(*flows));
	int err = flows ? 0 : -ENOMEM;

	if (!err)
		err = choose_by_wan(tr, opened, count, flows, why);
	for (uint32_t first = 0; first < each && !err; first += burst)
		for (uint32_t wan = 0; wan < wans; wan++)
			for (uint32_t i = first; i < first + burst; i++)
				tr->order[length++] = flows[wan * each + i];
	free(flows);
	return err;
}

int traffic_bursts(struct traffic *tr, uint32_t opened, uint32_t count, uint32_t burst,
	bool wan_known, char *why)
{
	if (opened > SINK_FLOWS_MAX || count % ((uint32_t)tr->topo->wans * burst)) {
		snprintf(why, BENCH_WHY, "%u flows do not make whole bursts of %u for %d WANs",
			count, burst, tr->topo->wans);
		return -EINVAL;
	}
	free(tr->order);
	tr->order = calloc(count, sizeof(*tr->order));
	if (!tr->order)
		return -ENOMEM;
	tr->order_length = count;
	if (wan_known)
		return order_by_wan(tr, opened, count, burst, why);
	for (uint32_t i = 0; i < count; i++)
		tr->order[i] = i;
	return 0;
}

static uint64_t percpu_sum(const struct traffic *tr, int map_fd, uint32_t slot)
{
	uint64_t values[1024], sum = 0;

	if (tr->cpus < 1 || tr->cpus > 1024 || bpf_map_lookup_elem(map_fd, &slot, values))
		return 0;
	for (int i = 0; i < tr->cpus; i++)
		sum += values[i];
	return sum;
}

static void percpu_clear(const struct traffic *tr, int map_fd, uint32_t slot)
{
	uint64_t values[1024] = {0};

	if (tr->cpus <= 1024)
		bpf_map_update_elem(map_fd, &slot, values, BPF_ANY);
}

uint64_t traffic_wan_frames(struct traffic *tr, int i)
{
	return percpu_sum(tr, bpf_map__fd(tr->sink->maps.isp_frames),
		(uint32_t)tr->topo->isp_ifindex[i] % SINK_SLOTS);
}

static uint64_t isp_frames(struct traffic *tr)
{
	uint64_t sum = 0;

	for (int i = 0; i < tr->topo->wans; i++)
		sum += traffic_wan_frames(tr, i);
	return sum;
}

static uint64_t lan_frames(struct traffic *tr)
{
	return percpu_sum(tr, bpf_map__fd(tr->sink->maps.lan_frames),
		(uint32_t)tr->topo->lan_ifindex % SINK_SLOTS);
}

static void counters_clear(struct traffic *tr)
{
	for (int i = 0; i < tr->topo->wans; i++)
		percpu_clear(tr, bpf_map__fd(tr->sink->maps.isp_frames),
			(uint32_t)tr->topo->isp_ifindex[i] % SINK_SLOTS);
	percpu_clear(tr, bpf_map__fd(tr->sink->maps.lan_frames),
		(uint32_t)tr->topo->lan_ifindex % SINK_SLOTS);
	percpu_clear(tr, bpf_map__fd(tr->sink->maps.isp_unmasked), 0);
}

static int generate(struct traffic *tr, uint32_t packets)
{
	char frame[FRAME_TCP_BYTES] = {0};
	uint32_t bytes = tr->gen->bss->gen_tcp ? FRAME_TCP_BYTES : FRAME_BYTES;
	struct xdp_md context = {
		.data_end = bytes, .ingress_ifindex = (uint32_t)tr->topo->lan_ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = bytes,
		.ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = (int)packets,
		.flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = GEN_BATCH);
	int err = ns_enter(tr->topo->lan_fd);

	if (err)
		return err;
	tr->gen->data->gen_family = (uint32_t)tr->topo->family;
	setpriority(PRIO_PROCESS, 0, -20);
	err = bpf_prog_test_run_opts(bpf_program__fd(tr->gen->progs.gen), &opts);
	setpriority(PRIO_PROCESS, 0, 0);
	ns_enter(tr->home_fd);
	return err;
}

/* Polls until count(tr) reaches wanted or stands still for too long; returns the last value. */
static uint64_t wait_for(struct traffic *tr, uint64_t (*count)(struct traffic *), uint64_t wanted)
{
	uint64_t seen = count(tr), deadline = now_ns() + ARRIVAL_TIMEOUT_NS;

	while (seen < wanted && now_ns() < deadline) {
		sched_yield();
		seen = count(tr);
	}
	return seen;
}

void traffic_handshakes(struct traffic *tr, bool on)
{
	tr->gen->bss->gen_tcp = on;
}

void traffic_spread(struct traffic *tr, bool on)
{
	tr->gen->bss->gen_spread = on;
}

double traffic_run(struct traffic *tr, uint32_t packets, bool expect_arrival, char *why)
{
	uint64_t start, end, seen;
	int err;

	tr->sink->bss->sink_mode = tr->gen->bss->gen_tcp ? SINK_HANDSHAKE : SINK_DROP;
	counters_clear(tr);
	start = now_ns();
	err = generate(tr, packets);
	if (err) {
		snprintf(why, BENCH_WHY, "generator: %s", strerror(-err));
		return -1;
	}
	seen = expect_arrival ? wait_for(tr, isp_frames, packets) : packets;
	end = now_ns();
	if (seen != packets) {
		snprintf(why, BENCH_WHY, "%llu of %u frames arrived", (unsigned long long)seen,
			packets);
		return -1;
	}
	return (double)(end - start) / packets;
}

static int warm_up_pass(struct traffic *tr, uint32_t count, bool bidir, bool masked, char *why)
{
	uint64_t out, back, unmasked;
	int err;

	tr->sink->bss->sink_mode = bidir ? SINK_REFLECT : SINK_DROP;
	tr->sink->bss->sink_record = 1;
	counters_clear(tr);
	err = generate(tr, count);
	if (err) {
		snprintf(why, BENCH_WHY, "generator: %s", strerror(-err));
		return err;
	}
	out = wait_for(tr, isp_frames, count);
	back = bidir ? wait_for(tr, lan_frames, count) : count;
	tr->sink->bss->sink_mode = SINK_DROP;
	tr->sink->bss->sink_record = 0;
	unmasked = percpu_sum(tr, bpf_map__fd(tr->sink->maps.isp_unmasked), 0);
	if (masked && unmasked) {
		snprintf(why, BENCH_WHY, "%llu frames left untranslated",
			(unsigned long long)unmasked);
		return -EINVAL;
	}
	if (out == count && back == count)
		return 0;
	snprintf(why, BENCH_WHY, "warm-up: %llu of %u frames arrived, %llu answers",
		(unsigned long long)out, count, (unsigned long long)back);
	return -EAGAIN;
}

int traffic_warm_up(struct traffic *tr, uint32_t first, uint32_t count, int passes, bool bidir,
	bool masked, char *why)
{
	int good = 0, err = 0;

	for (int i = 0; i < WARM_UP_PASSES_MAX && good < passes; i++) {
		traffic_flows(tr, first, count);
		err = warm_up_pass(tr, count, bidir, masked, why);
		if (err && err != -EAGAIN)
			return err;
		good += err == 0;
	}
	return good >= passes ? 0 : err;
}
