// SPDX-License-Identifier: GPL-2.0-only
/* Policies: what each rule matches, what it does, and that a switch is a switch. */
#include "harness.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sys/mman.h>

#include "config/policy.h"
#include "pins/policy_maps.h"

enum { DROPPED = 2 };

static struct pcc_dp dp;
static struct pcc_config cfg;
static struct pcc_conf conf;
static struct pcc_policy_conf rules[PCC_MAX_POLICIES];
static uint16_t next_port;

/* ---------------------------------------------------------------- the configuration */

static int policy_bench_up(void **state)
{
	bench_up(state);
	pcc_dp_init(&dp, "/nowhere");
#define X(sym, name)                                                                               \
	dp.map_fd[PCC_MAP_##sym] = bpf_map__fd(bpf_object__find_map_by_name(B.skel->obj, #name));
	PCC_MAPS(X)
#undef X
	dp.prog_fd[PCC_PROG_EXPLAIN] = B.prog[PCC_PROG_EXPLAIN];
	dp.meta = mmap(NULL, sizeof(*dp.meta), PROT_READ | PROT_WRITE, MAP_SHARED, FD(pcc_meta), 0);
	assert_ptr_not_equal(dp.meta, MAP_FAILED);
	return 0;
}

static void cfg_usual(void)
{
	memset(&cfg, 0, sizeof(cfg));
	cfg.classifier = 8;
	cfg.buckets = BUCKETS;
	cfg.seed = 0x1234;
	cfg.nlans = 2;
	cfg.nwans = WANS;
	for (uint32_t i = 0; i < 2; i++) {
		snprintf(cfg.lans[i].name, PCC_IFNAMSIZ, "lan%u", i);
		cfg.lans[i].ifindex = i ? B.lan1 : B.lan;
	}
	for (uint32_t i = 0; i < WANS; i++) {
		struct pcc_wan_cfg *wan = &cfg.wans[i];

		snprintf(wan->name, PCC_IFNAMSIZ, "wan%u", i + 1);
		wan->id = i + 1;
		wan->ifindex = B.wan[i + 1];
		wan->weight = 1;
		wan->state = PCC_WAN_UP;
		wan->order = i;
		wan->gw[PCC_V4].source = wan->gw[PCC_V6].source = PCC_GW_GIVEN;
	}
}

static void commit(void);

static int policy_usual(void **state)
{
	bench_usual(state);
	map_clear(FD(pcc_sticky), sizeof(struct pcc_sticky_key));
	cfg_usual();
	memset(&conf, 0, sizeof(conf));
	memset(rules, 0, sizeof(rules));
	conf.base = cfg;
	conf.policies = rules;
	commit();
	return 0;
}

/* One more rule that matches everything and names wan1; the caller changes it. */
static struct pcc_policy_conf *rule(const char *name)
{
	struct pcc_policy_conf *r = &rules[conf.npolicies++];

	memset(r, 0, sizeof(*r));
	snprintf(r->name, sizeof(r->name), "%s", name);
	r->sport_max = r->dport_max = 65535;
	r->dscp = -1;
	r->action = PCC_POLICY_WAN;
	return r;
}

static struct pcc_prefix prefix(const char *text)
{
	struct pcc_err err = {};
	struct pcc_prefix p;

	if (pcc_parse_prefix(text, "test", &p, &err))
		fail_msg("%s: %s", text, err.cause);
	return p;
}

static void group(const char *name, uint64_t wans)
{
	snprintf(conf.groups[conf.ngroups].name, PCC_NAME_BYTES, "%s", name);
	conf.groups[conf.ngroups++].wans = wans;
}

static void commit(void)
{
	struct pcc_policies p;
	struct pcc_err err = {};

	if (pcc_policy_compile(&p, &conf, &err) || pcc_policy_commit(&dp, &cfg, &p, &err))
		fail_msg("%s: %s", err.object, err.cause);
	pcc_policies_free(&p);
	B.meta = *dp.meta;
}

static struct pcc_policy_hit hits(uint32_t place, const char *name)
{
	struct pcc_policy_hit hit = {};
	struct pcc_policy r;

	assert_int_equal(pcc_policy_stats(&dp, place, &r, &hit), 0);
	assert_string_equal(r.name, name);
	return hit;
}

/* ---------------------------------------------------------------- packets */

static struct spec conn_of(int v6)
{
	return (struct spec){.proto = IPPROTO_UDP,
		.src = v6 ? host6 : host4,
		.dst = v6 ? inet6 : inet4,
		.sport = 10000 + next_port++ % 50000,
		.dport = 53};
}

/* What pcc_lan_in does with a packet from the LAN: the WAN in the mark, or -DROPPED. */
static int send_from(uint32_t ifindex, const struct spec *s)
{
	struct shot shot = {.prog = PCC_PROG_LAN_IN, .ifindex = ifindex, .mark = MARK_IN};
	struct frame f = frame_make(s, ifindex == B.lan ? B.lan_mac : B.lan1_mac);

	shoot_at(&shot, &f, __FILE__, __LINE__);
	if (shot.verdict == DROPPED)
		return -DROPPED;
	assert_int_equal(shot.verdict, -1);
	return (shot.mark_out & MASK) >> 8;
}

static int lan_sends(const struct spec *s)
{
	return send_from(B.lan, s);
}

#define sends_for(s, reason, want)                                                                 \
	do {                                                                                       \
		struct shot shot_ = {.prog = PCC_PROG_LAN_IN, .ifindex = B.lan, .mark = MARK_IN};  \
		struct frame f_ = lan_frame(s);                                                    \
                                                                                                   \
		shoot_at(&shot_, &f_, __FILE__, __LINE__);                                         \
		moved_only(&shot_, reason, PCC_R_MAX, __FILE__, __LINE__);                         \
		assert_int_equal(shot_.verdict, (want) == -DROPPED ? DROPPED : -1);                \
		if ((want) != -DROPPED)                                                            \
			mark_is(&shot_, want, __FILE__, __LINE__);                                 \
	} while (0)

/* ---------------------------------------------------------------- matching */

struct row {
	const char *what;
	/* the rule */
	const char *source, *destination, *lan;
	uint8_t proto;
	uint16_t sport[2], dport[2];
	int dscp; /* + 1 */
	/* a packet that matches but for what is changed in `miss` */
	struct spec hit, miss;
	uint8_t hit_lan1, miss_lan1;
};

#define UDP4(...)                                                                                  \
	{                                                                                          \
		.proto = IPPROTO_UDP, .src = "192.168.1.10", .dst = "192.0.2.80", .sport = 1,      \
		.dport = 53, __VA_ARGS__                                                           \
	}
#define UDP6(...)                                                                                  \
	{                                                                                          \
		.proto = IPPROTO_UDP, .src = "fd00:1::10", .dst = "2001:db8:ffff::80", .sport = 1, \
		.dport = 53, __VA_ARGS__                                                           \
	}
#define TCP4(...)                                                                                  \
	{                                                                                          \
		.proto = IPPROTO_TCP, .src = "192.168.1.10", .dst = "192.0.2.80", .sport = 1,      \
		.dport = 443, .tcp_flags = TCP_SYN, __VA_ARGS__                                    \
	}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
static const struct row match_rows[] = {
	{"source net", .source = "192.168.1.0/24", .hit = UDP4(),
		.miss = UDP4(.src = "192.168.2.10")},
	{"source /25, its last address", .source = "192.168.1.0/25",
		.hit = UDP4(.src = "192.168.1.127"), .miss = UDP4(.src = "192.168.1.128")},
	{"source host", .source = "192.168.1.10", .hit = UDP4(),
		.miss = UDP4(.src = "192.168.1.11")},
	{"source net, IPv6", .source = "fd00:1::/64", .hit = UDP6(),
		.miss = UDP6(.src = "fd00:2::10")},
	{"source host, IPv6", .source = "fd00:1::10", .hit = UDP6(),
		.miss = UDP6(.src = "fd00:1::11")},
	{"IPv4 /0 is IPv4 only", .source = "0.0.0.0/0", .hit = UDP4(), .miss = UDP6()},
	{"IPv6 /0", .source = "::/0", .hit = UDP6(), .miss = UDP6(.src = "fd00:1::10", .dport = 0)},
	{"destination net", .destination = "192.0.2.80/31", .hit = UDP4(.dst = "192.0.2.81"),
		.miss = UDP4(.dst = "192.0.2.82")},
	{"destination net, IPv6", .destination = "2001:db8:ffff::/48", .hit = UDP6(),
		.miss = UDP6(.dst = "2001:db8:fffe::80")},
	{"protocol", .proto = IPPROTO_TCP, .hit = TCP4(), .miss = UDP4()},
	{"destination port", .dport = {53, 53}, .hit = UDP4(), .miss = UDP4(.dport = 54)},
	{"first of a range", .dport = {53, 60}, .hit = UDP4(), .miss = UDP4(.dport = 52)},
	{"last of a range", .dport = {50, 53}, .hit = UDP4(), .miss = UDP4(.dport = 54)},
	{"source port", .sport = {1, 1023}, .hit = UDP4(.sport = 1023),
		.miss = UDP4(.sport = 1024)},
	{"a ping has no ports", .dport = {1, 65535}, .hit = UDP4(),
		.miss = {.proto = IPPROTO_ICMP,
			.src = "192.168.1.10",
			.dst = "192.0.2.80",
			.sport = 9}},
	{"DSCP", .dscp = 46 + 1, .hit = UDP4(.tos = 46 << 2), .miss = UDP4(.tos = 45 << 2)},
	{"DSCP, whatever ECN is", .dscp = 0 + 1, .hit = UDP4(.tos = 3), .miss = UDP4(.tos = 4)},
	{"DSCP, IPv6", .dscp = 46 + 1, .hit = UDP6(.tos = 46 << 2), .miss = UDP6()},
	{"LAN interface", .lan = "lan1", .hit = UDP4(.src = "192.168.2.9"), .hit_lan1 = 1,
		.miss = UDP4(.src = "192.168.2.9")},
	{"all at once", "192.168.1.0/24", "192.0.2.0/24", "lan0", IPPROTO_TCP, {1, 99}, {443, 443},
		10 + 1, TCP4(.tos = 40), TCP4(.tos = 40, .sport = 100), 0, 0},
};
#pragma GCC diagnostic pop

static void each_field_is_compared(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(match_rows); i++) {
		const struct row *row = &match_rows[i];
		struct pcc_policy_conf *r;
		int miss;

		policy_usual(state);
		r = rule("first");
		r->has_source = row->source;
		r->has_destination = row->destination;
		if (row->source)
			r->source = prefix(row->source);
		if (row->destination)
			r->destination = prefix(row->destination);
		if (row->lan)
			snprintf(r->lan, sizeof(r->lan), "%s", row->lan);
		r->proto = row->proto;
		if (row->sport[1])
			r->sport_min = row->sport[0], r->sport_max = row->sport[1];
		if (row->dport[1])
			r->dport_min = row->dport[0], r->dport_max = row->dport[1];
		r->dscp = row->dscp - 1;
		r->target = 1;
		rule("rest")->target = 2;
		commit();
		if (send_from(row->hit_lan1 ? B.lan1 : B.lan, &row->hit) != 2)
			fail_msg("%s: a packet that matches is not taken", row->what);
		map_clear(FD(pcc_conns), 0);
		miss = send_from(B.lan, &row->miss);
		if (row->miss.dport && miss != 3)
			fail_msg("%s: another packet is taken (%d)", row->what, miss);
		assert_int_equal(hits(0, "first").connections, 1 + !row->miss.dport * (miss == 2));
	}
}

static void the_first_match_decides(void **state)
{
	struct spec a = conn_of(0), b = conn_of(0), c = conn_of(1);

	(void)state;
	a.dport = 80;
	rule("web")->dport_min = 80;
	rules[0].dport_max = 80;
	rules[0].target = 2;
	rule("low")->dport_max = 1023;
	rules[1].target = 1;
	rule("rest")->target = 0;
	commit();
	sends_for(&a, PCC_R_POLICY, 3);
	sends_for(&b, PCC_R_POLICY, 2);
	sends_for(&c, PCC_R_POLICY, 2);
	c.dport = 2000;
	sends_for(&c, PCC_R_POLICY, 1);
	assert_int_equal(hits(0, "web").connections, 1);
	assert_int_equal(hits(1, "low").connections, 2);
	assert_int_equal(hits(2, "rest").connections, 1);
	/* What is remembered is not asked about again. */
	sends_for(&a, PCC_R_PINNED, 3);
	assert_int_equal(hits(0, "web").connections, 1);
}

static void no_match_is_balanced_as_without_policies(void **state)
{
	uint8_t table[PCC_MAX_BUCKETS];

	(void)state;
	rule("other")->proto = IPPROTO_GRE;
	commit();
	assert_int_equal(pcc_dp_buckets(&dp, PCC_V4, table), BUCKETS);
	for (int i = 0; i < 50; i++) {
		struct spec s = conn_of(0);

		sends_for(&s, PCC_R_NEW, table[spec_bucket(&s)]);
	}
	assert_int_equal(hits(0, "other").connections, 0);
}

/* 1024 rules, of which the last matches; and a rule's entry is told apart from its neighbours. */
static void of_1024_rules_the_last_is_found(void **state)
{
	struct spec s = conn_of(0), t = conn_of(1);
	char name[PCC_NAME_BYTES];

	(void)state;
	for (int i = 0; i < 1024; i++) {
		struct pcc_policy_conf *r;

		snprintf(name, sizeof(name), "rule %d", i);
		r = rule(name);
		r->dport_min = r->dport_max = 1000 + i;
		r->target = i % 3;
	}
	commit();
	assert_int_equal(pcc_policy_count(&dp), 1024);
	s.dport = 1000 + 1023;
	sends_for(&s, PCC_R_POLICY, 1 + 1023 % 3);
	t.dport = 1000 + 511;
	sends_for(&t, PCC_R_POLICY, 1 + 511 % 3);
	assert_int_equal(hits(1023, "rule 1023").connections, 1);
	assert_int_equal(hits(511, "rule 511").connections, 1);
	assert_int_equal(hits(1022, "rule 1022").connections, 0);
}

/* ---------------------------------------------------------------- actions */

/* A WAN that is not usable: its state, or its route. */
static void lose(uint32_t id, bool by_route)
{
	char batch[128];

	if (!by_route) {
		cfg.wans[id - 1].state = PCC_WAN_DOWN;
		wan_put(id, PCC_WAN_DOWN, PCC_WAN_V4 | PCC_WAN_V6);
		assert_int_equal(pcc_dp_commit_tables(&dp, &cfg), 0);
		B.meta = *dp.meta;
		return;
	}
	snprintf(batch, sizeof(batch), "route del default via 10.0.%u.1 dev wan%u table %u\n", id,
		id, 100 + id);
	ip4(batch);
	snprintf(batch, sizeof(batch), "route del default via 2001:db8:%u::1 dev wan%u table %u\n",
		id, id, 100 + id);
	ip6(batch);
}

static void one_wan_falls_back_unless_it_is_strict(void **state)
{
	for (int i = 0; i < 8; i++) {
		bool v6 = i & 1, by_route = i & 2, strict = i & 4;
		struct spec s, t;
		int wan;

		policy_usual(state);
		rule("one")->target = 1;
		rules[0].strict = strict;
		commit();
		s = conn_of(v6);
		sends_for(&s, PCC_R_POLICY, 2);
		lose(2, by_route);
		t = conn_of(v6);
		if (strict) {
			sends_for(&t, PCC_R_POLICY_NO_WAN, -DROPPED);
			sends_for(&t, PCC_R_POLICY_NO_WAN, -DROPPED);
			assert_int_equal(hits(0, "one").dropped, 2);
			assert_int_equal(hits(0, "one").connections, 1);
			/* Nothing remembered: when the WAN is back the next packet goes. */
			routes_usual();
			cfg_usual();
			wan_put(2, PCC_WAN_UP, PCC_WAN_V4 | PCC_WAN_V6);
			sends_for(&t, PCC_R_POLICY, 2);
			continue;
		}
		wan = lan_sends(&t);
		assert_true(wan == 1 || wan == 3);
		assert_int_equal(lan_sends(&t), wan);
		assert_int_equal(hits(0, "one").connections, 2);
	}
}

/* Of 2000 connections, how many each WAN gets. */
static void shares(int n[4])
{
	memset(n, 0, 4 * sizeof(*n));
	for (int i = 0; i < 2000; i++) {
		struct spec s = conn_of(i & 1);

		n[lan_sends(&s)]++;
	}
}

static void a_group_uses_its_wans_by_weight(void **state)
{
	int n[4];

	(void)state;
	group("fast", 1 << 0 | 1 << 2);
	cfg.wans[2].weight = 3;
	rule("all")->action = PCC_POLICY_GROUP;
	commit();
	shares(n);
	assert_int_equal(n[0] + n[2], 0);
	assert_in_range(n[1], 400, 600);
	assert_int_equal(n[1] + n[3], 2000);
}

static void a_group_uses_its_backups_last_and_a_poor_wan_by_half(void **state)
{
	int n[4];

	(void)state;
	group("three", 1 << 0 | 1 << 1 | 1 << 2);
	rule("all")->action = PCC_POLICY_GROUP;
	cfg.wans[2].standby = true;
	cfg.wans[0].degraded = true;
	commit();
	shares(n);
	assert_int_equal(n[0] + n[3], 0);
	assert_in_range(n[1], 570, 770);
	assert_int_equal(n[1] + n[2], 2000);
	cfg.wans[0].state = cfg.wans[1].state = PCC_WAN_DOWN;
	assert_int_equal(pcc_dp_commit_tables(&dp, &cfg), 0);
	shares(n);
	assert_int_equal(n[3], 2000);
}

static void a_group_gives_the_next_of_its_wans(void **state)
{
	int before[2] = {0}, n[4] = {0};
	struct spec s;

	(void)state;
	group("two", 1 << 0 | 1 << 1);
	rule("all")->action = PCC_POLICY_GROUP;
	commit();
	lose(1, true);
	for (int i = 0; i < 200; i++) {
		struct shot shot = {.prog = PCC_PROG_LAN_IN, .ifindex = B.lan, .mark = MARK_IN};
		struct frame f;

		s = conn_of(i & 1);
		f = lan_frame(&s);
		shoot_at(&shot, &f, __FILE__, __LINE__);
		mark_is(&shot, 2, __FILE__, __LINE__);
		before[0] += shot.moved[PCC_R_POLICY];
		before[1] += shot.moved[PCC_R_POLICY_NEXT];
	}
	assert_int_equal(before[0] + before[1], 200);
	assert_in_range(before[1], 60, 140);
	lose(2, true);
	s = conn_of(0);
	sends_for(&s, PCC_R_POLICY_FALLBACK, 3);
	/* What one of three leaves goes to both others. */
	routes_usual();
	conf.groups[0].wans = 7;
	commit();
	lose(3, true);
	for (int i = 0; i < 600; i++) {
		s = conn_of(i & 1);
		n[lan_sends(&s)]++;
	}
	assert_in_range(n[1], 240, 360);
	assert_in_range(n[2], 240, 360);
	assert_int_equal(n[0] + n[3], 0);
}

/* Groups and rules follow the WANs by name, whatever command changes them. */
static void groups_follow_the_wans(void **state)
{
	struct pcc_wan_cfg gone = cfg.wans[0];
	struct spec s;

	(void)state;
	group("two", 1 << 0 | 1 << 1);
	rule("all")->action = PCC_POLICY_GROUP;
	commit();
	gone = cfg.wans[0];
	cfg.wans[0] = cfg.wans[1];
	cfg.wans[1] = cfg.wans[2];
	cfg.nwans = 2; /* wan1 is deleted */
	wan_put(1, PCC_WAN_UNUSED, 0);
	assert_int_equal(pcc_dp_commit_tables(&dp, &cfg), 0);
	for (int i = 0; i < 50; i++) {
		s = conn_of(i & 1);
		sends_for(&s, PCC_R_POLICY, 2);
	}
	/* Another one gets its id: it is not in the group. */
	cfg.wans[2] = gone;
	snprintf(cfg.wans[2].name, PCC_IFNAMSIZ, "other");
	cfg.nwans = 3;
	wan_put(1, PCC_WAN_UP, PCC_WAN_V4 | PCC_WAN_V6);
	assert_int_equal(pcc_dp_commit_tables(&dp, &cfg), 0);
	for (int i = 0; i < 50; i++) {
		s = conn_of(i & 1);
		sends_for(&s, PCC_R_POLICY, 2);
	}
	/* wan1 itself comes back. */
	snprintf(cfg.wans[2].name, PCC_IFNAMSIZ, "wan1");
	assert_int_equal(pcc_dp_commit_tables(&dp, &cfg), 0);
	for (int i = 0, ones = 0; i < 100; i++) {
		s = conn_of(i & 1);
		ones += lan_sends(&s) == 1;
		if (i == 99)
			assert_in_range(ones, 20, 80);
	}
	assert_int_equal(hits(0, "all").connections, 200);
}

static void a_bypass_is_left_alone_and_remembered(void **state)
{
	struct spec s = conn_of(0), t = conn_of(1);

	(void)state;
	rule("mine")->action = PCC_POLICY_BYPASS;
	commit();
	for (int i = 0; i < 2; i++) {
		struct spec *x = i ? &t : &s;

		sends_for(x, PCC_R_POLICY_BYPASS, 0);
		sends_for(x, PCC_R_BYPASS_CACHED, 0);
		conn_checked_ago(x, 2 * SEC_NS);
		sends_for(x, PCC_R_POLICY_BYPASS, 0);
	}
	assert_int_equal(hits(0, "mine").connections, 2);
}

static void a_rejected_packet_is_dropped_and_counted(void **state)
{
	struct spec s = conn_of(0), t = conn_of(1), own = conn_of(0);

	(void)state;
	rule("no")->action = PCC_POLICY_REJECT;
	commit();
	sends_for(&s, PCC_R_POLICY_REJECT, -DROPPED);
	sends_for(&s, PCC_R_POLICY_REJECT, -DROPPED);
	sends_for(&t, PCC_R_POLICY_REJECT, -DROPPED);
	assert_int_equal(conns(), 0);
	assert_int_equal(hits(0, "no").dropped, 3);
	assert_int_equal(hits(0, "no").connections, 0);
	/* What has a route of its own is no WAN's business. */
	own.dst = "192.168.2.77";
	sends_for(&own, PCC_R_BYPASS_ROUTE, 0);
	own.dst = "192.168.1.1";
	sends_for(&own, PCC_R_BYPASS_LOCAL, 0);
}

static void exclusions_come_first(void **state)
{
	struct spec s = conn_of(0), t = conn_of(1), other = conn_of(0);

	(void)state;
	conf.exclusions[conf.nexclusions++] = prefix("192.0.2.0/24");
	conf.exclusions[conf.nexclusions++] = prefix("2001:db8:ffff::/48");
	rule("all")->target = 1;
	commit();
	other.dst = "198.51.100.1";
	sends_for(&s, PCC_R_POLICY_BYPASS, 0);
	sends_for(&t, PCC_R_POLICY_BYPASS, 0);
	sends_for(&other, PCC_R_POLICY, 2);
	assert_int_equal(hits(0, PCC_EXCLUSIONS_NAME).connections, 2);
	assert_int_equal(hits(1, "all").connections, 1);
}

/* A longest-prefix look-up finds every set that holds the address. */
static void sets_are_found_in_nested_prefixes(void **state)
{
	static const char *const files[] = {"/tmp/pcc-set-a", "/tmp/pcc-set-b"};
	char path[2][64];
	struct spec s;

	(void)state;
	for (int i = 0; i < 2; i++) {
		FILE *f;

		snprintf(path[i], sizeof(path[i]), "%s.%d", files[i], (int)getpid());
		f = fopen(path[i], "w");
		assert_non_null(f);
		fputs(i ? "192.0.2.64/26\n" : "# all\n192.0.0.0/16\n2001:db8::/32\n", f);
		fclose(f);
		snprintf(rule(i ? "b" : "a")->destination_file, 256, "%s", path[i]);
		rules[i].target = i;
	}
	commit();
	s = conn_of(0); /* in both: a is the first */
	sends_for(&s, PCC_R_POLICY, 1);
	rules[0].dport_min = rules[0].dport_max = 99;
	commit();
	s = conn_of(0);
	sends_for(&s, PCC_R_POLICY, 2);
	s.dport = 99; /* the longer prefix is b's, and a's around it counts */
	sends_for(&s, PCC_R_POLICY, 1);
	s.dst = "192.0.9.9";
	sends_for(&s, PCC_R_POLICY, 1);
	s = conn_of(1);
	s.dport = 99;
	sends_for(&s, PCC_R_POLICY, 1);
	conf.npolicies = 0;
	commit();
	assert_int_equal(map_count(FD(pcc_sets)), 0);
	unlink(path[0]);
	unlink(path[1]);
}

/* ---------------------------------------------------------------- sticky */

static int sticky_age(uint64_t ns)
{
	struct pcc_sticky_key key, next;
	struct pcc_sticky_wan wan;
	int n = 0;

	for (void *at = NULL; !bpf_map_get_next_key(FD(pcc_sticky), at, &next); at = &key, n++) {
		key = next;
		assert_int_equal(bpf_map_lookup_elem(FD(pcc_sticky), &key, &wan), 0);
		wan.seen_ns -= ns;
		assert_int_equal(bpf_map_update_elem(FD(pcc_sticky), &key, &wan, BPF_EXIST), 0);
	}
	return n;
}

/* How many different WANs n connections get. */
static int wans_of(int v6, uint8_t proto, const char *src, const char *dst, int n)
{
	int seen = 0;

	for (int i = 0; i < n; i++) {
		struct spec s = conn_of(v6);

		s.proto = proto;
		s.tcp_flags = TCP_SYN;
		s.src = src ? src : s.src;
		s.dst = dst ? dst : s.dst;
		seen |= 1 << lan_sends(&s);
	}
	return __builtin_popcount(seen);
}

static void a_source_sticks_to_its_wan(void **state)
{
	int first;
	struct spec s;

	(void)state;
	group("all", 7);
	rule("sticky")->action = PCC_POLICY_GROUP;
	rules[0].sticky = PCC_STICKY_SOURCE;
	rules[0].sticky_s = 60;
	commit();
	for (int v6 = 0; v6 < 2; v6++) {
		map_clear(FD(pcc_sticky), 0);
		s = conn_of(v6);
		first = lan_sends(&s);
		for (int i = 0; i < 60; i++) {
			s = conn_of(v6);
			s.proto = i % 2 ? IPPROTO_UDP : IPPROTO_TCP;
			s.tcp_flags = TCP_SYN;
			s.dst = i % 3 ? s.dst : v6 ? "2001:db8:eeee::1" : "198.51.100.7";
			sends_for(&s, PCC_R_POLICY, first);
		}
		assert_int_equal(sticky_age(0), 1);
		/* Another source has its own. */
		assert_int_equal(
			wans_of(v6, IPPROTO_UDP, v6 ? "fd00:1::77" : "192.168.1.77", NULL, 30), 1);
		assert_int_equal(sticky_age(0), 2);
	}
	/* The time counts from the last new connection; then it is spread anew. */
	for (int i = 0, seen = 0; i < 40; i++) {
		sticky_age(59 * SEC_NS);
		s = conn_of(1);
		assert_int_equal(lan_sends(&s), first);
		(void)seen;
	}
	for (int i = 0, seen = 0; i < 40; i++) {
		sticky_age(60 * SEC_NS);
		s = conn_of(1);
		seen |= 1 << lan_sends(&s);
		if (i == 39)
			assert_int_equal(seen, 1 << 1 | 1 << 2 | 1 << 3);
	}
}

static void a_site_is_a_24_or_48(void **state)
{
	(void)state;
	group("all", 7);
	rule("sticky")->action = PCC_POLICY_GROUP;
	rules[0].sticky = PCC_STICKY_SOURCE_SITE;
	rules[0].sticky_s = 60;
	commit();
	assert_int_equal(wans_of(0, IPPROTO_UDP, NULL, "192.0.2.1", 20), 1);
	assert_int_equal(wans_of(0, IPPROTO_TCP, NULL, "192.0.2.255", 20), 1);
	assert_int_equal(sticky_age(0), 1);
	wans_of(0, IPPROTO_UDP, NULL, "192.0.3.0", 1);
	assert_int_equal(sticky_age(0), 2);
	assert_int_equal(wans_of(1, IPPROTO_UDP, NULL, "2001:db8:ffff::1", 20), 1);
	assert_int_equal(wans_of(1, IPPROTO_UDP, NULL, "2001:db8:ffff:ffff::1", 20), 1);
	assert_int_equal(sticky_age(0), 3);
	wans_of(1, IPPROTO_UDP, NULL, "2001:db8:fffe::1", 1);
	assert_int_equal(sticky_age(0), 4);
}

static void a_sticky_source_moves_when_its_wan_is_lost(void **state)
{
	struct spec s = conn_of(0);
	int first, next;

	(void)state;
	group("all", 7);
	rule("sticky")->action = PCC_POLICY_GROUP;
	rules[0].sticky = PCC_STICKY_SOURCE;
	rules[0].sticky_s = 60;
	commit();
	first = lan_sends(&s);
	lose(first, true);
	s = conn_of(0);
	next = lan_sends(&s);
	assert_int_not_equal(next, first);
	assert_int_equal(wans_of(0, IPPROTO_UDP, NULL, NULL, 20), 1);
	/* The first comes back: sessions are not torn to it. */
	routes_usual();
	for (int i = 0; i < 20; i++) {
		s = conn_of(0);
		assert_int_equal(lan_sends(&s), next);
	}
	/* A fallback sticks too, and ends when the rule's own WAN is back. */
	policy_usual(state);
	rule("one")->target = 1;
	rules[0].sticky = PCC_STICKY_SOURCE;
	rules[0].sticky_s = 60;
	commit();
	lose(2, true);
	assert_int_equal(wans_of(0, IPPROTO_UDP, NULL, NULL, 30), 1);
	routes_usual();
	s = conn_of(0);
	sends_for(&s, PCC_R_POLICY, 2);
}

/* ---------------------------------------------------------------- explain, switching */

static void explain_names_the_rule_and_changes_nothing(void **state)
{
	struct pcc_dp_verdict v;
	struct pcc_err err = {};
	struct spec s = conn_of(0);
	struct pcc_tuple t = spec_tuple(&s);
	char name[PCC_NAME_BYTES];

	(void)state;
	rule("other")->proto = IPPROTO_GRE;
	rule("this one")->target = 2;
	rules[1].sticky = PCC_STICKY_SOURCE;
	rules[1].sticky_s = 60;
	for (int i = 0; i < 2; i++) {
		commit(); /* either half */
		assert_int_equal(pcc_dp_explain(&dp, B.lan, B.lan_mac, &t, &v, &err), 0);
		assert_int_equal(v.wan_id, 3);
		assert_int_equal(v.reason, PCC_R_POLICY);
		assert_int_equal(v.bucket, PCC_NO_BUCKET);
		assert_string_equal(pcc_policy_name(&dp, v.policy - 1, name), "this one");
	}
	assert_int_equal(hits(1, "this one").connections, 0);
	assert_int_equal(sticky_age(0), 0);
	sends_for(&s, PCC_R_POLICY, 3);
	assert_int_equal(pcc_dp_explain(&dp, B.lan, B.lan_mac, &t, &v, &err), 0);
	assert_true(v.pinned);
	assert_string_equal(pcc_policy_name(&dp, v.policy - 1, name), "this one");
	conf.npolicies = 0;
	commit();
	map_clear(FD(pcc_conns), 0);
	assert_int_equal(pcc_dp_explain(&dp, B.lan, B.lan_mac, &t, &v, &err), 0);
	assert_int_equal(v.policy, 0);
}

/* Counters go with the name, wherever the rule stands; a new name begins at 0. */
static void counters_go_with_the_name(void **state)
{
	struct spec s;

	(void)state;
	rule("a")->dport_max = 53;
	rule("b")->dport_min = 54;
	commit();
	for (int i = 0; i < 5; i++) {
		s = conn_of(0);
		lan_sends(&s);
	}
	s.dport = 60;
	lan_sends(&s);
	rules[2] = rules[0];
	rules[0] = rules[1];
	rules[1] = rules[2];
	snprintf(rules[2].name, PCC_NAME_BYTES, "c");
	conf.npolicies = 3;
	commit();
	assert_int_equal(hits(0, "b").connections, 1);
	assert_int_equal(hits(1, "a").connections, 5);
	assert_int_equal(hits(2, "c").connections, 0);
	conf.npolicies = 1;
	commit();
	conf.npolicies = 3;
	commit();
	assert_int_equal(hits(0, "b").connections, 1);
	assert_int_equal(hits(1, "a").connections, 0);
}

static volatile int switching;
static int switched;

/* Rules "a, then 1000 that do not match" and "1000 that do not match, then b", in turn. */
static void *switch_policies(void *arg)
{
	struct pcc_policies *p = arg;

	for (; switching; switched++)
		if (pcc_policy_commit(&dp, &cfg, &p[switched & 1], NULL))
			return p;
	return NULL;
}

static void no_connection_sees_a_mixture(void **state)
{
	struct pcc_policies p[2];
	int n[4] = {0};
	pthread_t thread;
	void *failed;

	(void)state;
	for (int i = 0; i < 2; i++) {
		conf.npolicies = 0;
		conf.exclusions[0] = prefix(i ? "198.51.100.0/24" : "203.0.113.0/24");
		conf.nexclusions = 1;
		for (int k = 0; k < 1000; k++) {
			char name[PCC_NAME_BYTES];

			if (k == 999 * i) {
				rule(i ? "b" : "a")->target = i;
				continue;
			}
			snprintf(name, sizeof(name), "%d-%d", i, k);
			rule(name)->proto = IPPROTO_GRE;
		}
		assert_int_equal(pcc_policy_compile(&p[i], &conf, NULL), 0);
	}
	assert_int_equal(pcc_policy_commit(&dp, &cfg, &p[1], NULL), 0);
	switching = 1;
	assert_int_equal(pthread_create(&thread, NULL, switch_policies, p), 0);
	for (int i = 0; i < 6000 || (switched < 40 && i < 200000); i++) {
		struct spec s = conn_of(i & 1);
		int wan;

		s.dport = i % 60000;
		wan = lan_sends(&s);
		if (wan != 1 && wan != 2)
			fail_msg("connection %d went to %d", i, wan);
		n[wan]++;
	}
	switching = 0;
	pthread_join(thread, &failed);
	assert_null(failed);
	print_message("%d switches, %d and %d connections\n", switched, n[1], n[2]);
	assert_true(switched >= 40 && n[1] && n[2]);
	pcc_policies_free(&p[0]);
	pcc_policies_free(&p[1]);
}

/* ---------------------------------------------------------------- what it costs */

/* ns for one packet of the frame, the best of some runs. */
static uint32_t cost_ns(struct frame *f, uint32_t repeat)
{
	uint32_t best = UINT32_MAX;

	for (int i = 0; i < 7; i++) {
		struct __sk_buff in = {.ifindex = B.lan};
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->b, .data_size_in = f->len,
			.ctx_in = &in, .ctx_size_in = sizeof(in), .repeat = repeat);

		assert_int_equal(bpf_prog_test_run_opts(B.prog[PCC_PROG_LAN_IN], &opts), 0);
		if (opts.duration < best)
			best = opts.duration;
	}
	return best;
}

/* With 1024 rules a packet of a known connection costs what it costs without any. */
static void established_traffic_pays_nothing(void **state)
{
	uint32_t ns[2], fresh[2];
	struct spec s = conn_of(0), r = conn_of(0);
	struct frame f = lan_frame(&s), g;

	(void)state;
	for (int i = 0; i < 2; i++) {
		char name[PCC_NAME_BYTES];

		for (int k = 0; i && k < 1024; k++) {
			snprintf(name, sizeof(name), "rule %d", k);
			rule(name)->dport_min = 60000;
			rules[k].action = PCC_POLICY_REJECT;
		}
		if (i)
			rules[1023].dport_min = 0;
		commit();
		map_clear(FD(pcc_conns), 0);
		r.dst = i ? inet4 : "192.168.2.77";
		g = lan_frame(&r);
		if (i)
			fresh[i] =
				cost_ns(&g, 2000); /* dropped by the last rule, never remembered */
		rules[1023].action = PCC_POLICY_WAN;
		commit();
		lan_sends(&s);
		ns[i] = cost_ns(&f, 100000);
	}
	print_message("a known connection: %u ns without, %u ns with 1024 rules; a new one that "
		      "the last rule rejects: %u ns\n",
		ns[0], ns[1], fresh[1]);
	/* The clock of an emulated machine runs on while others have the processor. */
	if (!getenv("PCC_TEST_SAMPLE"))
		assert_true(ns[1] < ns[0] * 3 / 2 + 20);
}

#define POLICY_TEST(f) cmocka_unit_test_setup(f, policy_usual)

int main(void)
{
	const struct CMUnitTest tests[] = {
		POLICY_TEST(each_field_is_compared),
		POLICY_TEST(the_first_match_decides),
		POLICY_TEST(no_match_is_balanced_as_without_policies),
		POLICY_TEST(of_1024_rules_the_last_is_found),
		POLICY_TEST(one_wan_falls_back_unless_it_is_strict),
		POLICY_TEST(a_group_uses_its_wans_by_weight),
		POLICY_TEST(a_group_uses_its_backups_last_and_a_poor_wan_by_half),
		POLICY_TEST(a_group_gives_the_next_of_its_wans),
		POLICY_TEST(groups_follow_the_wans),
		POLICY_TEST(a_bypass_is_left_alone_and_remembered),
		POLICY_TEST(a_rejected_packet_is_dropped_and_counted),
		POLICY_TEST(exclusions_come_first),
		POLICY_TEST(sets_are_found_in_nested_prefixes),
		POLICY_TEST(a_source_sticks_to_its_wan),
		POLICY_TEST(a_site_is_a_24_or_48),
		POLICY_TEST(a_sticky_source_moves_when_its_wan_is_lost),
		POLICY_TEST(explain_names_the_rule_and_changes_nothing),
		POLICY_TEST(counters_go_with_the_name),
		POLICY_TEST(no_connection_sees_a_mixture),
		POLICY_TEST(established_traffic_pays_nothing),
	};

	return cmocka_run_group_tests(tests, policy_bench_up, bench_down);
}
