/* SPDX-License-Identifier: GPL-2.0-only */
/* pccbench: what its files share. Functions return 0 or -errno unless they say otherwise. */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define BENCH_MAX_WANS 64
#define BENCH_MAX_FLOW_COUNTS 8
#define BENCH_MAX_WAN_COUNTS 4
#define BENCH_MAX_ROUNDS 100
#define BENCH_MAX_VARIANTS 64
#define BENCH_MAX_STANDS (BENCH_MAX_VARIANTS * BENCH_MAX_WAN_COUNTS)
#define BENCH_WHY 200

/* ---- util.c: processes, sysctls ---- */

/* Text that grows; text is always terminated. text_free() accepts the empty value. */
struct text {
	FILE *file;
	char *data;
	size_t length;
};
int text_open(struct text *t);
const char *text_get(struct text *t);
void text_free(struct text *t);

/*
 * Runs argv in the network namespace netns_fd (-1: this one) with input on its stdin. Returns the
 * exit status, or -errno. What it wrote to stderr is in why (at least BENCH_WHY bytes, may be
 * NULL).
 */
int run_in(int netns_fd, const char *input, char *const argv[], char *why);
/* The same; all that it wrote, as far as it fits, is in text. */
int run_capture(int netns_fd, const char *input, char *const argv[], char *text, size_t size);

int ns_enter(int netns_fd);
int sysctl_write(const char *path, const char *value);
long sysctl_read_long(const char *path);
uint64_t now_ns(void);
int compare_double(const void *a, const void *b);
double median(const double *values, int count);
double lowest_decile(const double *values, int count);

/* ---- topo.c: one router with its LAN host and ISPs ---- */

struct topo {
	int lan_fd, router_fd, isp_fd; /* network namespaces; -1: not there */
	int number;		       /* several may stand side by side */
	int wans;
	int family;	 /* 4 or 6 */
	int lan_ifindex; /* the LAN host's end, in its namespace */
	int router_lan_ifindex;
	int router_wan_ifindex[BENCH_MAX_WANS];
	int isp_ifindex[BENCH_MAX_WANS];
};

/* owner and number name everything: namespaces pccb-OWNER-{lan,router,isp}NUMBER. */
int topo_create(struct topo *t, pid_t owner, int number, int wans, int family, char *why);
void topo_destroy(struct topo *t, pid_t owner);
/* Removes what an earlier process with this pid left, too. */
void topo_clean(pid_t owner);
/* The next hop of WAN i (from 0) as text. */
void topo_gateway(const struct topo *t, int i, char *text, size_t size);
/*
 * Gives the LAN host and the ISPs' common host addresses and routes for traffic through their own
 * stacks. plain_frames: without offloads that XDP in the router cannot see through.
 */
int topo_add_hosts(const struct topo *t, bool plain_frames, char *why);
/* Deletes all conntrack entries of the router now, rather than while another one's turn runs. */
void topo_flush_conntrack(const struct topo *t);
/* Where the ISPs' host listens. */
#define TOPO_SERVER_V4 "198.18.0.1"
#define TOPO_SERVER_V6 "2001:db8::1"

/* ---- variant.c: ways to balance ---- */

enum variant_kind { KIND_STACK, KIND_TC, KIND_XDP };

struct variant {
	const char *name;
	const char *help;
	unsigned int flags;
	enum variant_kind kind;
	const char *fastpath; /* pccbpf attach --fastpath */
	bool standard;	      /* part of the default set */
};

#define VAR_MASQUERADE 0x1u
#define VAR_ECMP 0x2u
#define VAR_NFT_PCC 0x4u
#define VAR_MWAN3 0x8u
#define VAR_RULES 0x10u
#define VAR_MARK 0x20u	   /* path_mark on the LAN */
#define VAR_CONST 0x40u	   /* ... that always takes the first WAN */
#define VAR_CLSACT 0x80u   /* ... through clsact instead of tcx */
#define VAR_WAN_OUT 0x100u /* empty programs on other hooks */
#define VAR_NO_SUPPRESS 0x200u
#define VAR_UNREACHABLE 0x400u
#define VAR_FROM 0x800u
#define VAR_REVERSE 0x1000u
#define VAR_CONNTRACK 0x2000u
#define VAR_BARE 0x4000u /* path_tc or path_xdp instead of the stack */
#define VAR_DROP 0x8000u /* nothing leaves the router: the generator alone */
#define VAR_PCCBPF 0x10000u
#define VAR_ONE_WAN 0x20000u /* sends everything to the first WAN */
#define VAR_MASKED 0x40000u  /* marks in rules carry a mask */
#define VAR_JUMP 0x80000u    /* PCC rules in MikroTik's order, without a map */
#define VAR_WAN_IN 0x100000u
#define VAR_LAN_OUT 0x200000u
#define VAR_HOOKS (VAR_WAN_OUT | VAR_WAN_IN | VAR_LAN_OUT)
#define VAR_MAP 0x400000u /* path_mark looks up a connection map */
#define VAR_ACCEPT_LOCAL 0x800000u
#define VAR_HASH 0x1000000u	  /* path_mark sets the packet's hash, too */
#define VAR_HASH_RULE 0x2000000u  /* one fwmark rule to one multipath table */
#define VAR_LAST 0x4000000u	  /* VAR_CONST takes the last WAN */
#define VAR_OTHER 0x8000000u	  /* the pccbpf of --other */
#define VAR_FLOWTABLE 0x10000000u /* established packets take an nftables flowtable */

extern const struct variant variants[];
const struct variant *variant_find(const char *name);

struct path; /* the yardstick programs of one topology */
struct setup {
	struct path *path;
	int links[2 * BENCH_MAX_WANS + 2]; /* tcx */
	int link_count;
	char bpffs[80];
	const char *pccbpf; /* its path */
	bool attached;	    /* pccbpf is */
};

struct options;
/* 0, or -ENOENT when the variant cannot run here (skip), or another error; why says what. */
int variant_setup(const struct variant *v, const struct topo *t, const struct options *o,
	struct setup *s, char *why);
void variant_teardown(const struct topo *t, const struct options *o, struct setup *s);
/* Runs "pccbpf WORDS... --bpffs DIR" in the router; words ends with NULL. Exit status or -errno. */
int pccbpf_run(const struct topo *t, const struct options *o, const struct setup *s,
	const char *const *words, char *why);
/* What pccbpf has counted so far. */
struct fast_counts {
	double forwarded; /* packets by the fast path */
	double renewed;	  /* packets let through to the kernel so that it renews a lease */
};
int pccbpf_fast_counts(const struct topo *t, const struct options *o, const struct setup *s,
	struct fast_counts *out, char *why);

/* ---- traffic.c: generator and sinks ---- */

struct traffic;
int traffic_open(struct traffic **out, const struct topo *t, int cpu, char *why);
void traffic_close(struct traffic *tr);
/* Flows first .. first + count - 1, in a cycle from the first. */
void traffic_flows(struct traffic *tr, uint32_t first, uint32_t count);
/*
 * After a warm-up of the flows 0 .. opened - 1: makes a cycle of count of them in which so many
 * frames in a row leave by the same WAN, and all WANs have their turn, with as many flows each.
 * wan_known: a flow has a WAN, the one that the warm-up saw; else the flows come by number.
 */
int traffic_bursts(struct traffic *tr, uint32_t opened, uint32_t count, uint32_t burst,
	bool wan_known, char *why);
/* Begins that cycle again. */
void traffic_bursts_rewind(struct traffic *tr);
/* From here on the packets are SYNs, which are answered, and the last ACKs are what arrives. */
void traffic_handshakes(struct traffic *tr, bool on);
/* Each flow goes to a destination of its own. */
void traffic_spread(struct traffic *tr, bool on);
/*
 * Sends packets and waits until as many have reached the ISPs. expected < packets: the router keeps
 * the rest. Returns ns per packet, or -1 with why.
 */
double traffic_run(struct traffic *tr, uint32_t packets, bool expect_arrival, char *why);
/* passes times: every flow once, each answered. masked: sources must have been translated. */
int traffic_warm_up(struct traffic *tr, uint32_t first, uint32_t count, int passes, bool bidir,
	bool masked, char *why);
/* Frames that have reached WAN i since the last call of traffic_run or traffic_warm_up began. */
uint64_t traffic_wan_frames(struct traffic *tr, int i);

/* ---- streams.c: TCP through the stacks of both ends ---- */

#define STREAMS_MAX 32
struct streams;
struct exchange_times {
	double p50_ns, p99_ns; /* of a request and its response */
};
/* Connects; the topology has hosts. */
int streams_open(struct streams **out, const struct topo *t, char *why);
void streams_close(struct streams *s);
/* Downloads so many bytes in all over the first count streams. ns per kilobyte, or -1 with why. */
double streams_bulk(
	struct streams *s, int count, uint64_t bytes, int server_cpu, int client_cpu, char *why);
int streams_exchanges(struct streams *s, int count, int server_cpu, int client_cpu,
	struct exchange_times *out, char *why);

/* ---- measure.c, report.c ---- */

/* Each is a time, so that less is better. */
enum measurement {
	MEASURE_RATE,	     /* ns per packet of established flows */
	MEASURE_CONNECTIONS, /* ns per packet, each a new flow */
	MEASURE_HANDSHAKES,  /* ns per TCP connection: SYN, SYN+ACK, ACK */
	MEASURE_BULK,	  /* ns per kilobyte; flows: streams; sender and receiver have a CPU each */
	MEASURE_BULK_CPU, /* the same with everything on one CPU: its time per kilobyte */
	MEASURE_P50,	  /* ns of a request and its response */
	MEASURE_P99,
	MEASURE_COUNT
};

struct options {
	pid_t owner;
	enum measurement measurement;
	const char *section; /* of the report: rows are compared within one */
	int flow_counts[BENCH_MAX_FLOW_COUNTS];
	int flow_count;
	int wan_counts[BENCH_MAX_WAN_COUNTS];
	int wan_count;
	const struct variant *chosen[BENCH_MAX_VARIANTS];
	int chosen_count;
	uint32_t packets;     /* of a piece, but at least the number of flows */
	uint32_t connections; /* of all turns of a variant */
	bool spread;	      /* new connections: each to a destination of its own */
	uint32_t burst;	      /* frames in a row that leave by one WAN; 1: as the flows fall */
	int rounds;	      /* 0: by what is measured */
	int family;
	int cpu;
	bool bidir;
	bool verbose;
	const char *min_ratio; /* VARIANT=X,...: exit status 1 when one is below; NULL: none */
	const char *only;      /* sections of the plan; NULL: all */
	const char *json_path;
	const char *pccbpf;
	const char *other;    /* another pccbpf, for comparison; NULL: none */
	int max_conns;	      /* 0: enough for the flows */
	uint64_t deadline_ns; /* no group of rows begins later; 0: none */
	const char *bpffs;    /* a bpffs of our own */
};

struct result {
	const struct variant *variant;
	const char *section;
	enum measurement measurement;
	int family;
	int wans;
	int flows;
	double ns[BENCH_MAX_ROUNDS];	/* per unit, by round; < 0: invalid */
	double share[BENCH_MAX_ROUNDS]; /* of the packets, by the fast path; < 0: not known */
	int rounds;
	int valid;
	bool skipped;
	char why[BENCH_WHY]; /* the last reason for skipping or invalidity */
};

struct results {
	struct result *rows;
	int count;
};

/* ---- stand.c: one variant in namespaces of its own ---- */

/* A cycle through so many flows may take longer than the lease of a fast path's entry. */
#define LONG_CYCLE_FLOWS 200000

struct stand {
	const struct options *o;
	const struct variant *variant;
	struct topo topo;
	struct setup setup;
	struct traffic *traffic; /* or streams, by what is measured */
	struct streams *streams;
	uint32_t next_flow; /* the first number that no new connection has had */
	bool ready;
};

/* 0, or -ENOENT when the variant cannot run here, or another error. stand_close() in any case. */
int stand_open(struct stand *s, const struct options *o, const struct variant *v, int wans,
	int number, char *why);
void stand_close(struct stand *s);
/* Opens the flows that stand_rate_turn() sends. */
int stand_warm_up(struct stand *s, int flow_count, char *why);
/*
 * Each flow passes once: what the router knows of them is as fresh as in steady traffic, although
 * others have had their turns since.
 */
int stand_refresh(struct stand *s, int flow_count, char *why);
/*
 * ns per packet, or -1 with why. count: share becomes that of the fast path; the turn fails where
 * that is too small.
 */
double stand_rate_turn(struct stand *s, int flow_count, bool count, double *share, char *why);
/* ns per connection, or -1 with why. */
double stand_connections_turn(struct stand *s, uint32_t connections, char *why);
struct tcp_times {
	double bulk_ns[2], bulk_cpu_ns[2]; /* per kilobyte, 1 stream and STREAMS_MAX */
	struct exchange_times exchanges;
};
int stand_tcp_turn(struct stand *s, struct tcp_times *out, char *why);

/* ---- */

/* Adds the rows of what o asks for. */
int measure_all(const struct options *o, struct results *out);
int measure_wan_add(const struct options *o);
/* The plan of "make bench": several measurements, one report. */
int measure_plan(const struct options *o, struct results *out);
/* Is this section of the plan, or "memory", to be measured? */
bool plan_has(const struct options *o, const char *section);
/* -EINVAL: a word of "NAME,..." is no section. */
int plan_check_only(const char *only);
/* Bytes of kernel memory for one connection. */
struct memory {
	double conns;	  /* pccbpf: pcc_conns, an entry */
	double flows;	  /* pcc_flows, two entries */
	double conntrack; /* the kernel's own entry, which all variants with NAT need; 0: not known
			   */
	double conntrack_growth; /* what a connection takes in all without pccbpf */
	double fixed;		 /* all other maps together, once */
	int max_conns;
};
int measure_memory(const struct options *o, struct memory *out, char *why);
double result_ns(const struct result *r);
/* Median over the rounds of base's time / r's time; < 0: not known. */
double result_ratio(const struct result *r, const struct result *base);
/* The row of another variant that was measured like r; NULL: none. */
const struct result *results_find(
	const struct results *all, const char *variant, const struct result *r);
/* The row of r's own variant with the fewest WANs, but fewer than r's; NULL: none. */
const struct result *results_find_fewest_wans(const struct results *all, const struct result *r);
/* Half the distance between the quartiles of what result_ratio() is the median of, in percent. */
double result_ratio_spread(const struct result *r, const struct result *base);
double result_share(const struct result *r);
void report_table(const struct results *all);
void report_memory(const struct memory *m);
/* add_ms, del_ms: one value per round. */
int report_wan_add(const struct options *o, long conntracks, const double *add_ms,
	const double *del_ms, int rounds);
/* memory may be NULL. */
int report_json(const struct options *o, const struct results *all, const struct memory *memory);

#endif
