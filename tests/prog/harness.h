/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bench that the program tests stand on: a network namespace of its own with two LANs and three
 * WANs (veth pairs, permanent neighbours, forwarding), the programs loaded but not attached, the
 * maps filled directly. A shot is one packet through one program by BPF_PROG_TEST_RUN; every shot
 * checks the verdict, that no byte changed and that no mark bit outside the mask did.
 */
#ifndef TEST_HARNESS_H
#define TEST_HARNESS_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "pins/dataplane.h"
#include "packets.h"
#include "pccbpf.h"
#include "pccbpf_flow.h"
#include "pccbpf_hash.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include "pccbpf.skel.h"
#pragma GCC diagnostic pop

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define WANS 3u
#define BUCKETS 1024u
#define CPUS_MAX 256
#define F_ALL (PCC_F_SRC | PCC_F_DST | PCC_F_SPORT | PCC_F_DPORT)
#define SEC_NS 1000000000ull
#define MASK PCC_DEF_MARK_MASK

/* A mark with bits in and outside the mask: the field names a WAN that nobody has. */
#define MARK_IN 0xa5003f5au

enum { UNTOUCHED = -1 }; /* instead of a WAN id: the mark stayed as it was */

static const char *const host4 = "192.168.1.10", *const host6 = "fd00:1::10";
static const char *const inet4 = "192.0.2.80", *const inet6 = "2001:db8:ffff::80";

struct bench {
	struct pccbpf_bpf *skel;
	int ncpus;
	int prog[PCC_PROG_MAX];
	uint32_t lan, lan1, wan[WANS + 1];
	uint8_t lan_mac[6], lan1_mac[6], wan_mac[WANS + 1][6];
	struct pcc_meta meta;
};

static struct bench B;

static const char *const prog_names[PCC_PROG_MAX] = {
#define X(sym, name) [PCC_PROG_##sym] = #name,
	PCC_PROGS(X)
#undef X
};

/* ---------------------------------------------------------------- the namespace */

static inline int run_ip(const char *family, const char *batch, int quiet)
{
	int pipe_fd[2], status;
	pid_t pid;

	if (pipe(pipe_fd))
		return -1;
	pid = fork();
	if (!pid) {
		dup2(pipe_fd[0], 0);
		close(pipe_fd[1]);
		if (quiet) {
			int null = open("/dev/null", O_WRONLY);

			dup2(null, 1);
			dup2(null, 2);
		}
		execlp("ip", "ip", family, "-force", "-batch", "-", (char *)NULL);
		_exit(127);
	}
	close(pipe_fd[0]);
	if (pid < 0 || write(pipe_fd[1], batch, strlen(batch)) != (ssize_t)strlen(batch)) {
		close(pipe_fd[1]);
		return -1;
	}
	close(pipe_fd[1]);
	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return status;
}

/* Commands for `ip -batch`, one a line; all must succeed. */
static inline void ip_batch(const char *family, const char *batch)
{
	if (run_ip(family, batch, 0))
		fail_msg("ip %s -batch failed: %s", family, batch);
}

static inline void ip4(const char *batch)
{
	ip_batch("-4", batch);
}

static inline void ip6(const char *batch)
{
	ip_batch("-6", batch);
}

static inline void put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail_msg("cannot write %s", path);
	close(fd);
}

static inline uint32_t if_look_up(const char *name, uint8_t mac[6])
{
	struct ifreq req = {};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, SIOCGIFHWADDR, &req), 0);
	memcpy(mac, req.ifr_hwaddr.sa_data, 6);
	close(fd);
	return if_nametoindex(name);
}

/* Rules and tables as attach makes them, but for the default routes, which routes_usual() puts in.
 */
static inline void attached_rules(void)
{
#define EACH(base)                                                                                 \
	"rule add pref 10000 lookup main suppress_prefixlength 0\n"                                \
	"rule add pref 10001 fwmark 0x100/0xff00 lookup 101\n"                                     \
	"rule add pref 10002 fwmark 0x200/0xff00 lookup 102\n"                                     \
	"rule add pref 10003 fwmark 0x300/0xff00 lookup 103\n"                                     \
	"route add unreachable default metric 4278198272 table 101\n"                              \
	"route add unreachable default metric 4278198272 table 102\n"                              \
	"route add unreachable default metric 4278198272 table 103\n" base
	/* IPv4: the probe that tells a default route from others (bpf/route.bpf.h). */
	ip4(EACH("rule add pref 10099 from 192.0.0.8 lookup 165\n"
		 "route add prohibit default metric 4278198272 table 165\n"));
	ip6(EACH(""));
#undef EACH
}

static inline void namespace_make(void)
{
	if (unshare(CLONE_NEWNET)) {
		print_error("unshare(CLONE_NEWNET) failed: root is needed\n");
		_exit(77);
	}
	put_file("/proc/sys/net/ipv6/conf/default/accept_dad", "0");
	put_file("/proc/sys/net/ipv4/ip_forward", "1");
	put_file("/proc/sys/net/ipv6/conf/all/forwarding", "1");
	ip_batch("-details",
		"link set lo up\n"
		"link add lan0 type veth peer name lan0p\n"
		"link add lan1 type veth peer name lan1p\n"
		"link add wan1 type veth peer name wan1p\n"
		"link add wan2 type veth peer name wan2p\n"
		"link add wan3 type veth peer name wan3p\n"
		"link set lan0 up\nlink set lan0p up\nlink set lan1 up\nlink set lan1p up\n"
		"link set wan1 up\nlink set wan1p up\nlink set wan2 up\nlink set wan2p up\n"
		"link set wan3 up\nlink set wan3p up\n"
		"addr add 192.168.1.1/24 brd + dev lan0\naddr add fd00:1::1/64 dev lan0 nodad\n"
		"addr add 192.168.2.1/24 brd + dev lan1\naddr add fd00:2::1/64 dev lan1 nodad\n"
		"addr add 10.0.1.2/24 dev wan1\naddr add 2001:db8:1::2/64 dev wan1 nodad\n"
		"addr add 10.0.2.2/24 dev wan2\naddr add 2001:db8:2::2/64 dev wan2 nodad\n"
		"addr add 10.0.3.2/24 dev wan3\naddr add 2001:db8:3::2/64 dev wan3 nodad\n");
	for (int i = 1; i <= 3; i++) {
		char batch[256];

		snprintf(batch, sizeof(batch),
			"neigh add 10.0.%d.1 lladdr 02:00:00:00:01:0%d dev wan%d nud permanent\n"
			"neigh add 2001:db8:%d::1 lladdr 02:00:00:00:01:0%d dev wan%d nud permanent\n",
			i, i, i, i, i, i);
		ip_batch("-details", batch);
	}
	attached_rules();
	B.lan = if_look_up("lan0", B.lan_mac);
	B.lan1 = if_look_up("lan1", B.lan1_mac);
	for (uint32_t i = 1; i <= WANS; i++) {
		char name[8];

		snprintf(name, sizeof(name), "wan%u", i);
		B.wan[i] = if_look_up(name, B.wan_mac[i]);
	}
}

/* Removes the routes and rules that a test made (protocol 99) and puts the usual ones back. */
static inline void routes_usual(void)
{
#define FLUSH "rule flush protocol 99\nroute flush table main proto 99\n"
	ip4(FLUSH "route replace default via 10.0.1.1 dev wan1\n"
		  "route replace default via 10.0.1.1 dev wan1 table 101 metric 172\n"
		  "route replace default via 10.0.2.1 dev wan2 table 102 metric 172\n"
		  "route replace default via 10.0.3.1 dev wan3 table 103 metric 172\n");
	ip6(FLUSH "route replace default via 2001:db8:1::1 dev wan1\n"
		  "route replace default via 2001:db8:1::1 dev wan1 table 101\n"
		  "route replace default via 2001:db8:2::1 dev wan2 table 102\n"
		  "route replace default via 2001:db8:3::1 dev wan3 table 103\n");
#undef FLUSH
}

/* ---------------------------------------------------------------- the maps */

#define FD(map) bpf_map__fd(B.skel->maps.map)

static inline void meta_put(void)
{
	__u32 zero = 0;

	assert_int_equal(bpf_map_update_elem(FD(pcc_meta), &zero, &B.meta, BPF_ANY), 0);
}

static inline void wan_put(uint32_t id, uint32_t state, uint32_t flags)
{
	struct pcc_wan wan = {.state = state,
		.ifindex = B.wan[id],
		.mark = id << 8,
		.weight = 1,
		.table = PCC_DEF_TABLE_BASE + id,
		.flags = flags,
		.order = id - 1};

	snprintf(wan.name, sizeof(wan.name), "wan%u", id);
	assert_int_equal(bpf_map_update_elem(FD(pcc_wans), &id, &wan, BPF_ANY), 0);
}

static inline void iface_put(
	uint32_t ifindex, uint32_t role, uint32_t wan_id, const uint8_t mac[6], uint8_t flags)
{
	struct pcc_iface iface = {.role = role, .wan_id = wan_id, .flags = flags};

	memcpy(iface.mac, mac, 6);
	assert_int_equal(bpf_map_update_elem(FD(pcc_ifaces), &ifindex, &iface, BPF_ANY), 0);
}

static inline void local_put(const char *text, uint32_t wan_id)
{
	struct pcc_addr addr;

	text_addr(text, addr.a);
	assert_int_equal(bpf_map_update_elem(FD(pcc_local), &addr, &wan_id, BPF_ANY), 0);
}

/* Entries first .. first + n - 1 of an array, from values that lie in a row. */
static inline void array_put(int fd, uint32_t first, uint32_t n, const void *values)
{
	static uint32_t keys[2 * BUCKETS];

	assert_true(n <= 2 * BUCKETS);
	for (uint32_t i = 0; i < n; i++)
		keys[i] = first + i;
	assert_int_equal(bpf_map_update_batch(fd, keys, values, &n, NULL), 0);
}

/* The bucket table of a half and family: owner of bucket i is owners[i % n]. */
static inline void buckets_put(uint32_t half, uint32_t family, const uint32_t *owners, uint32_t n)
{
	uint32_t table[BUCKETS];

	for (uint32_t i = 0; i < BUCKETS; i++)
		table[i] = owners[i % n];
	array_put(FD(pcc_buckets), (half * 2 + family) * BUCKETS, BUCKETS, table);
}

static inline void map_clear(int fd, size_t key_size)
{
	uint8_t key[128], next[128];
	bool first = true;

	(void)key_size;
	while (!bpf_map_get_next_key(fd, first ? NULL : key, next)) {
		bpf_map_delete_elem(fd, next);
		first = true;
	}
}

/* The running kernel's version is major.minor or later. */
static inline bool kernel_since(int major, int minor)
{
	struct utsname u;
	int is[2] = {0, 0};

	assert_int_equal(uname(&u), 0);
	assert_int_equal(sscanf(u.release, "%d.%d", &is[0], &is[1]), 2);
	return is[0] > major || (is[0] == major && is[1] >= minor);
}

/*
 * Does the data plane see rules that look at marks or sources before it decides (IPv4)?
 * Where it does not, the entry is corrected where the packet leaves.
 */
static inline bool sees_rules(void)
{
	return kernel_since(6, 10);
}

/*
 * Tests that try everything try one case in so many where PCC_TEST_SAMPLE says so: an odd number,
 * for machines that are emulated.
 */
static inline unsigned int sample_step(void)
{
	const char *text = getenv("PCC_TEST_SAMPLE");
	unsigned long step = text ? strtoul(text, NULL, 10) : 1;

	return step ? (unsigned int)step : 1;
}

static inline uint32_t map_count(int fd)
{
	uint8_t key[128], next[128];
	uint32_t n = 0;

	for (void *at = NULL; !bpf_map_get_next_key(fd, at, next); at = key, n++)
		memcpy(key, next, sizeof(key));
	return n;
}

static inline uint32_t conns(void)
{
	return map_count(FD(pcc_conns));
}

static inline bool conn_get(const struct spec *s, struct pcc_conn *conn)
{
	struct pcc_tuple t = spec_tuple(s);

	return !bpf_map_lookup_elem(FD(pcc_conns), &t, conn);
}

static inline void conn_put(const struct spec *s, const struct pcc_conn *conn)
{
	struct pcc_tuple t = spec_tuple(s);

	assert_int_equal(bpf_map_update_elem(FD(pcc_conns), &t, conn, BPF_ANY), 0);
}

/* Makes the connection look older: the times that are wanted go back by ns. */
static inline void conn_age(const struct spec *s, uint64_t checked_ns, uint64_t seen_ns)
{
	struct pcc_conn conn;

	assert_true(conn_get(s, &conn));
	conn.checked_ns -= checked_ns;
	conn.seen_ns -= seen_ns;
	conn_put(s, &conn);
}

static inline uint64_t coarse_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * SEC_NS + ts.tv_nsec;
}

/* The routing decision was checked that long ago; whatever the test itself took does not count. */
static inline void conn_checked_ago(const struct spec *s, uint64_t ns)
{
	struct pcc_conn conn;

	assert_true(conn_get(s, &conn));
	conn.checked_ns = coarse_ns() - ns;
	conn_put(s, &conn);
}

static inline struct pcc_bucket_stats bucket_stats(uint32_t family, uint32_t bucket)
{
	struct pcc_bucket_stats per_cpu[CPUS_MAX], sum = {};
	uint32_t key = family * BUCKETS + bucket;

	assert_int_equal(bpf_map_lookup_elem(FD(pcc_stats), &key, per_cpu), 0);
	for (int i = 0; i < B.ncpus; i++) {
		sum.tx_packets += per_cpu[i].tx_packets;
		sum.tx_bytes += per_cpu[i].tx_bytes;
		sum.rx_packets += per_cpu[i].rx_packets;
		sum.rx_bytes += per_cpu[i].rx_bytes;
		sum.new_connections += per_cpu[i].new_connections;
	}
	return sum;
}

static inline struct pcc_wan_stats wan_stats(uint32_t id)
{
	struct pcc_wan_stats per_cpu[CPUS_MAX], sum = {};

	assert_int_equal(bpf_map_lookup_elem(FD(pcc_wan_stats), &id, per_cpu), 0);
	for (int i = 0; i < B.ncpus; i++) {
		sum.tx_packets += per_cpu[i].tx_packets;
		sum.tx_bytes += per_cpu[i].tx_bytes;
		sum.rx_packets += per_cpu[i].rx_packets;
		sum.rx_bytes += per_cpu[i].rx_bytes;
		sum.new_connections += per_cpu[i].new_connections;
		sum.fastpath_packets += per_cpu[i].fastpath_packets;
		sum.rx_errors += per_cpu[i].rx_errors;
		sum.syn_sent += per_cpu[i].syn_sent;
		sum.syn_answered += per_cpu[i].syn_answered;
		sum.rtt_sum_us += per_cpu[i].rtt_sum_us;
	}
	return sum;
}

/* Packets that the fast path has forwarded. */
static inline uint64_t fast_packets(void)
{
	uint64_t sum = 0;

	for (uint32_t id = 0; id < PCC_WAN_SLOTS; id++)
		sum += wan_stats(id).fastpath_packets;
	return sum;
}

static inline void counters_get(uint64_t out[PCC_R_MAX])
{
	for (uint32_t r = 0; r < PCC_R_MAX; r++) {
		uint64_t per_cpu[CPUS_MAX] = {};

		bpf_map_lookup_elem(FD(pcc_counters), &r, per_cpu);
		out[r] = 0;
		for (int i = 0; i < B.ncpus; i++)
			out[r] += per_cpu[i];
	}
}

static inline void stats_zero(void)
{
	uint8_t *zero = calloc(2 * BUCKETS * B.ncpus, sizeof(struct pcc_bucket_stats));

	assert_non_null(zero);
	array_put(FD(pcc_stats), 0, 2 * BUCKETS, zero);
	array_put(FD(pcc_wan_stats), 0, PCC_WAN_SLOTS, zero);
	free(zero);
}

/* Three WANs up in both families, 1024 buckets each, buckets in turn; nothing remembered. */
static inline void config_usual(void)
{
	static const uint32_t owners[] = {1, 2, 3}, none[] = {0};

	memset(&B.meta, 0, sizeof(B.meta));
	B.meta = (struct pcc_meta){.magic = PCC_MAGIC,
		.abi_version = PCC_ABI_VERSION,
		.tuple_size = sizeof(struct pcc_tuple),
		.conn_size = sizeof(struct pcc_conn),
		.wan_size = sizeof(struct pcc_wan),
		.reasons = PCC_R_MAX,
		.mark_mask = MASK,
		.mark_shift = 8,
		.bucket_stride = BUCKETS,
		.buckets = BUCKETS,
		.table_base = PCC_DEF_TABLE_BASE,
		.half = {{{BUCKETS, BUCKETS}, {0, BUCKETS}, F_ALL, 0x1234},
			{{BUCKETS, BUCKETS}, {2 * BUCKETS, 3 * BUCKETS}, F_ALL, 0x1234}}};
	meta_put();
	for (uint32_t family = 0; family < PCC_FAMILIES; family++) {
		buckets_put(0, family, owners, 3);
		buckets_put(1, family, none, 1);
	}
	for (uint32_t id = 1; id <= WANS; id++)
		wan_put(id, PCC_WAN_UP, PCC_WAN_V4 | PCC_WAN_V6);
	map_clear(FD(pcc_ifaces), 4);
	iface_put(B.lan, PCC_ROLE_LAN, 0, B.lan_mac, 0);
	iface_put(B.lan1, PCC_ROLE_LAN, 0, B.lan1_mac, 0);
	for (uint32_t id = 1; id <= WANS; id++)
		iface_put(B.wan[id], PCC_ROLE_WAN, id, B.wan_mac[id], 0);
	local_put("192.168.1.1", 0);
	local_put("192.168.1.255", 0);
	local_put("192.168.2.1", 0);
	local_put("fd00:1::1", 0);
	local_put("10.0.1.2", 1);
	local_put("10.0.2.2", 2);
	local_put("10.0.3.2", 3);
	local_put("2001:db8:1::2", 1);
	local_put("2001:db8:2::2", 2);
	local_put("2001:db8:3::2", 3);
	map_clear(FD(pcc_conns), sizeof(struct pcc_tuple));
	map_clear(FD(pcc_frags), sizeof(struct pcc_frag_key));
}

/* Loads the programs; max_conns 0: as built. conns_type: BPF_MAP_TYPE_LRU_HASH but for one test. */
static inline void programs_load(uint32_t max_conns, enum bpf_map_type conns_type)
{
	B.ncpus = libbpf_num_possible_cpus();
	assert_in_range(B.ncpus, 1, CPUS_MAX);
	B.skel = pccbpf_bpf__open();
	assert_non_null(B.skel);
	bpf_map__set_type(B.skel->maps.pcc_conns, conns_type);
	if (max_conns)
		bpf_map__set_max_entries(B.skel->maps.pcc_conns, max_conns);
	bpf_map__set_max_entries(B.skel->maps.pcc_buckets, 4 * BUCKETS);
	bpf_map__set_max_entries(B.skel->maps.pcc_stats, 2 * BUCKETS);
	assert_int_equal(pccbpf_bpf__load(B.skel), 0);
	for (int i = 0; i < PCC_PROG_MAX; i++) {
		struct bpf_program *prog =
			bpf_object__find_program_by_name(B.skel->obj, prog_names[i]);

		assert_non_null(prog);
		B.prog[i] = bpf_program__fd(prog);
	}
}

/* cmocka group and test fixtures */
static inline int bench_up(void **state)
{
	(void)state;
	namespace_make();
	programs_load(0, BPF_MAP_TYPE_LRU_HASH);
	return 0;
}

static inline int bench_down(void **state)
{
	(void)state;
	pccbpf_bpf__destroy(B.skel);
	B.skel = NULL;
	return 0;
}

static inline int bench_usual(void **state)
{
	(void)state;
	routes_usual();
	config_usual();
	stats_zero();
	return 0;
}

/* ---------------------------------------------------------------- shots */

/* One packet through one program. */
struct shot {
	enum pcc_prog prog;
	uint32_t ifindex, ingress_ifindex, mark;
	/* the answer */
	int verdict;
	uint32_t mark_out;
	uint32_t cb[5];
	uint64_t moved[PCC_R_MAX];
};

#define fail_at(file, line, ...)                                                                   \
	do {                                                                                       \
		print_error(__VA_ARGS__);                                                          \
		print_error("\n");                                                                 \
		_fail(file, line);                                                                 \
	} while (0)

/* Runs it; 0 or -errno. What must hold of every packet is checked here. */
static inline int shot_run(
	struct shot *s, const uint8_t *data, uint32_t len, const char *file, int line)
{
	static uint8_t out[4096];
	struct __sk_buff in = {
		.mark = s->mark, .ifindex = s->ifindex, .ingress_ifindex = s->ingress_ifindex};
	struct __sk_buff ctx = {};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = data, .data_size_in = len, .data_out = out,
		.data_size_out = sizeof(out), .ctx_in = &in, .ctx_size_in = sizeof(in),
		.ctx_out = &ctx, .ctx_size_out = sizeof(ctx), .repeat = 1);
	int err = bpf_prog_test_run_opts(B.prog[s->prog], &opts);

	if (err)
		return err;
	s->verdict = (int)opts.retval;
	s->mark_out = ctx.mark;
	memcpy(s->cb, ctx.cb, sizeof(s->cb));
	if (opts.data_size_out != len || memcmp(out, data, len))
		fail_at(file, line, "the program changed the packet");
	if ((s->mark ^ s->mark_out) & ~B.meta.mark_mask)
		fail_at(file, line, "mark 0x%08x -> 0x%08x: bits outside the mask changed", s->mark,
			s->mark_out);
	return 0;
}

static inline void shoot_at(struct shot *s, const struct frame *f, const char *file, int line)
{
	uint64_t before[PCC_R_MAX];
	int err;

	counters_get(before);
	err = shot_run(s, f->b, f->len, file, line);
	if (err)
		fail_at(file, line, "test run: %s", strerror(-err));
	counters_get(s->moved);
	for (int r = 0; r < PCC_R_MAX; r++)
		s->moved[r] -= before[r];
}

/* Exactly this reason moved, by one, and besides it only `extra` (PCC_R_MAX: none). */
static inline void moved_only(
	const struct shot *s, uint32_t reason, uint32_t extra, const char *file, int line)
{
	for (uint32_t r = 0; r < PCC_R_MAX; r++) {
		uint64_t want = (r == reason) + (r == extra);

		if (s->moved[r] != want)
			fail_at(file, line, "counter %s moved by %llu, expected %llu (reason %s)",
				pcc_reason_name(r), (unsigned long long)s->moved[r],
				(unsigned long long)want,
				reason < PCC_R_MAX ? pcc_reason_name(reason) : "none");
	}
}

static inline void mark_is(const struct shot *s, int wan, const char *file, int line)
{
	uint32_t want = wan == UNTOUCHED ? s->mark : (s->mark & ~MASK) | (uint32_t)wan << 8;

	if (s->mark_out != want)
		fail_at(file, line, "mark 0x%08x -> 0x%08x, expected 0x%08x", s->mark, s->mark_out,
			want);
}

/* Any program but pcc_explain: verdict "next", this reason, this WAN in the mark. */
static inline void expect_at(enum pcc_prog prog, uint32_t ifindex, uint32_t ingress,
	const struct frame *f, uint32_t reason, uint32_t extra, int wan, const char *file, int line)
{
	struct shot s = {
		.prog = prog, .ifindex = ifindex, .ingress_ifindex = ingress, .mark = MARK_IN};

	shoot_at(&s, f, file, line);
	if (s.verdict != -1)
		fail_at(file, line, "verdict %d, expected -1", s.verdict);
	moved_only(&s, reason, extra, file, line);
	mark_is(&s, wan, file, line);
}

#define lan_in(f, reason, wan)                                                                     \
	expect_at(PCC_PROG_LAN_IN, B.lan, 0, f, reason, PCC_R_MAX, wan, __FILE__, __LINE__)
#define lan_in_extra(f, reason, extra, wan)                                                        \
	expect_at(PCC_PROG_LAN_IN, B.lan, 0, f, reason, extra, wan, __FILE__, __LINE__)
/* To the LAN, from the device with that ifindex; pcc_lan_out sets no mark. */
#define lan_out(f, from, reason)                                                                   \
	expect_at(PCC_PROG_LAN_OUT, B.lan, from, f, reason, PCC_R_MAX, UNTOUCHED, __FILE__,        \
		__LINE__)
#define wan_in(f, id, reason, want)                                                                \
	expect_at(PCC_PROG_WAN_IN, B.wan[id], 0, f, reason, PCC_R_MAX, want, __FILE__, __LINE__)

static inline struct frame lan_frame(const struct spec *s)
{
	return frame_make(s, B.lan_mac);
}

/* Hash, bucket and WAN that the usual configuration gives a packet. */
static inline uint32_t spec_bucket(const struct spec *s)
{
	struct pcc_tuple t = spec_tuple(s);
	uint32_t half = B.meta.active_half;

	return pcc_hash(&t, B.meta.half[half].fields, B.meta.half[half].seed) % BUCKETS;
}

static inline int spec_wan(const struct spec *s)
{
	return 1 + spec_bucket(s) % WANS;
}

#endif
