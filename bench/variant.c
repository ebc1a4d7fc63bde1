// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ways to balance two or more links. Each variant is a combination of building blocks; marks
 * are the WAN number (or, with VAR_MASKED, the WAN number in bits 8 to 15), tables 101, 102, ...
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <jansson.h>
#include "bench.h"
#include "path.skel.h"

#define DEFAULT_MAX_CONNS 262144

/* linux/bpf.h before 6.6 lacks them. */
#define TCX_INGRESS 46
#define TCX_EGRESS 47

#define NAT_RULES (VAR_MASQUERADE | VAR_RULES)
#define MARK_NAT (NAT_RULES | VAR_MARK)

const struct variant variants[] = {
	{"plain", "forwarding to one WAN: no rules, no netfilter", VAR_ONE_WAN, KIND_STACK, NULL,
		true},
	{"ecmp-masq", "ECMP over all WANs, hash policy 1, nft masquerade",
		VAR_ECMP | VAR_MASQUERADE, KIND_STACK, NULL, true},
	{"nft-pcc", "nft PCC: ct mark, jhash of source address and port, ip rules, masquerade",
		VAR_NFT_PCC | NAT_RULES, KIND_STACK, NULL, true},
	{"nft-flowtable", "nft-pcc with a flowtable for what is established",
		VAR_NFT_PCC | VAR_FLOWTABLE | NAT_RULES, KIND_STACK, NULL, true},
	{"nft-pcc-long", "the same in the order of MikroTik's guide: a rule per WAN and step",
		VAR_NFT_PCC | VAR_JUMP | NAT_RULES, KIND_STACK, NULL, false},
	{"mwan3", "nft rule set in the structure of mwan3, its ip rules, masquerade",
		VAR_MWAN3 | VAR_MASKED | VAR_NO_SUPPRESS | NAT_RULES, KIND_STACK, NULL, true},
	{"bare-tc", "tc redirect that takes the WANs in turn, nothing rewritten", VAR_BARE, KIND_TC,
		NULL, true},
	{"bare-xdp", "XDP redirect that takes the WANs in turn, nothing rewritten", VAR_BARE,
		KIND_XDP, NULL, true},
	{"pccbpf-off", "pccbpf without fast path: the mark tier", VAR_PCCBPF, KIND_STACK, "off",
		true},
	{"pccbpf-tc", "pccbpf with the tc fast path", VAR_PCCBPF, KIND_TC, "tc", true},
	{"pccbpf-xdp", "pccbpf with the XDP fast path", VAR_PCCBPF, KIND_XDP, "xdp", true},
	{"other-off", "pccbpf-off of --other", VAR_PCCBPF | VAR_OTHER, KIND_STACK, "off", false},
	{"other-tc", "pccbpf-tc of --other", VAR_PCCBPF | VAR_OTHER, KIND_TC, "tc", false},
	{"other-xdp", "pccbpf-xdp of --other", VAR_PCCBPF | VAR_OTHER, KIND_XDP, "xdp", false},
	/* What the pieces cost, one at a time. */
	{"x-drop", "XDP_DROP at the router: the generator alone", VAR_DROP, KIND_XDP, NULL, false},
	{"x-rules", "plain + suppress_prefixlength + fwmark rules", VAR_RULES | VAR_ONE_WAN,
		KIND_STACK, NULL, false},
	{"x-ct", "plain + conntrack", VAR_CONNTRACK | VAR_ONE_WAN, KIND_STACK, NULL, false},
	{"x-masq", "plain + masquerade", VAR_MASQUERADE | VAR_ONE_WAN, KIND_STACK, NULL, false},
	{"x-rules-masq", "plain + rules + masquerade", NAT_RULES | VAR_ONE_WAN, KIND_STACK, NULL,
		false},
	{"x-mark", "tc mark by port + rules", VAR_RULES | VAR_MARK, KIND_STACK, NULL, false},
	{"x-mark-masq", "tc mark by port + rules + masquerade: the floor of a mark tier", MARK_NAT,
		KIND_STACK, NULL, false},
	{"x-mark-const", "the same, constant mark", MARK_NAT | VAR_CONST | VAR_ONE_WAN, KIND_STACK,
		NULL, false},
	{"x-mark-clsact", "x-mark-masq through clsact", MARK_NAT | VAR_CLSACT, KIND_STACK, NULL,
		false},
	{"x-mark-hooks", "x-mark-masq + empty programs on LAN egress, WAN ingress and egress",
		MARK_NAT | VAR_HOOKS, KIND_STACK, NULL, false},
	{"x-mark-hooks-clsact", "the same through clsact", MARK_NAT | VAR_HOOKS | VAR_CLSACT,
		KIND_STACK, NULL, false},
	{"x-mark-lan-out", "x-mark-masq + empty program on LAN egress", MARK_NAT | VAR_LAN_OUT,
		KIND_STACK, NULL, false},
	{"x-mark-wan-in", "x-mark-masq + empty program on WAN ingress", MARK_NAT | VAR_WAN_IN,
		KIND_STACK, NULL, false},
	{"x-mark-wan-out", "x-mark-masq + empty program on WAN egress", MARK_NAT | VAR_WAN_OUT,
		KIND_STACK, NULL, false},
	{"x-mark-map", "x-mark-masq + LRU look-up and counters per frame", MARK_NAT | VAR_MAP,
		KIND_STACK, NULL, false},
	{"x-mark-map-hooks", "x-mark-map + all empty programs", MARK_NAT | VAR_MAP | VAR_HOOKS,
		KIND_STACK, NULL, false},
	{"x-mark-acclocal", "x-mark-masq + accept_local: no look-up of the source",
		MARK_NAT | VAR_ACCEPT_LOCAL, KIND_STACK, NULL, false},
	{"x-mark-map-al", "x-mark-map + accept_local", MARK_NAT | VAR_MAP | VAR_ACCEPT_LOCAL,
		KIND_STACK, NULL, false},
	{"x-mark-map-hooks-al", "x-mark-map-hooks + accept_local",
		MARK_NAT | VAR_MAP | VAR_HOOKS | VAR_ACCEPT_LOCAL, KIND_STACK, NULL, false},
	{"x-pcc-acclocal", "nft-pcc + accept_local", VAR_NFT_PCC | NAT_RULES | VAR_ACCEPT_LOCAL,
		KIND_STACK, NULL, false},
	{"x-hash", "tc sets the hash, multipath default + masquerade, no rules",
		VAR_MARK | VAR_HASH | VAR_ECMP | VAR_MASQUERADE, KIND_STACK, NULL, false},
	{"x-hash-last", "the same, always the last WAN: shows that the choice is exact",
		VAR_MARK | VAR_HASH | VAR_ECMP | VAR_MASQUERADE | VAR_CONST | VAR_LAST |
			VAR_ONE_WAN,
		KIND_STACK, NULL, false},
	{"x-hash-rule", "tc sets the hash, one fwmark rule to a multipath table, masquerade",
		VAR_MARK | VAR_HASH | VAR_ECMP | VAR_HASH_RULE | VAR_MASQUERADE, KIND_STACK, NULL,
		false},
	{"x-hash-rule-map", "x-hash-rule + LRU look-up + all empty programs",
		VAR_MARK | VAR_HASH | VAR_ECMP | VAR_HASH_RULE | VAR_MASQUERADE | VAR_MAP |
			VAR_HOOKS,
		KIND_STACK, NULL, false},
	{"x-mark-nosuppress", "x-mark-masq without the suppress_prefixlength rule",
		MARK_NAT | VAR_NO_SUPPRESS, KIND_STACK, NULL, false},
	{"x-mark-reverse", "x-mark-masq, fwmark rules in reverse order", MARK_NAT | VAR_REVERSE,
		KIND_STACK, NULL, false},
	{"x-mark-unreach", "x-mark-masq + unreachable default in each table",
		MARK_NAT | VAR_UNREACHABLE, KIND_STACK, NULL, false},
	{"x-mark-from", "x-mark-masq + from rules behind", MARK_NAT | VAR_FROM, KIND_STACK, NULL,
		false},
	{"x-mark-masked", "x-mark-masq with masked fwmark rules", MARK_NAT | VAR_MASKED, KIND_STACK,
		NULL, false},
	{"x-mark-all",
		"x-mark-hooks + unreachable + from rules + masked: everything pccbpf sets up",
		MARK_NAT | VAR_HOOKS | VAR_UNREACHABLE | VAR_FROM | VAR_MASKED, KIND_STACK, NULL,
		false},
	{"x-mark-ecmp",
		"tc mark as multipath hash input replaced by ECMP: hooks + ECMP + masquerade",
		VAR_MARK | VAR_ECMP | VAR_MASQUERADE, KIND_STACK, NULL, false},
	{0},
};

const struct variant *variant_find(const char *name)
{
	for (const struct variant *v = variants; v->name; v++)
		if (strcmp(v->name, name) == 0)
			return v;
	return NULL;
}

/* ---- routes and rules ---- */

static void write_table(FILE *f, const struct variant *v, const struct topo *t, int wan)
{
	char gateway[64];

	topo_gateway(t, wan - 1, gateway, sizeof(gateway));
	fprintf(f, "route add default via %s dev wan%d table %d\n", gateway, wan, 100 + wan);
	if (v->flags & VAR_UNREACHABLE)
		fprintf(f, "route add unreachable default metric 4278198272 table %d\n", 100 + wan);
}

static void write_rule(FILE *f, const struct variant *v, int wan, int pref)
{
	if (v->flags & VAR_MASKED)
		fprintf(f, "rule add pref %d fwmark 0x%x/0xff00 lookup %d\n", pref, wan << 8,
			100 + wan);
	else
		fprintf(f, "rule add pref %d fwmark 0x%x lookup %d\n", pref, wan, 100 + wan);
}

static const char *lan_network(const struct topo *t)
{
	return t->family == 4 ? "10.1.0.0/16" : "fd01::/64";
}

static void write_rules(FILE *f, const struct variant *v, const struct topo *t)
{
	if (!(v->flags & VAR_NO_SUPPRESS))
		fprintf(f, "rule add pref 10000 lookup main suppress_prefixlength 0\n");
	for (int wan = 1; wan <= t->wans; wan++) {
		write_table(f, v, t, wan);
		write_rule(f, v, wan, v->flags & VAR_REVERSE ? 10200 - wan : 10000 + wan);
		if (v->flags & VAR_FROM)
			fprintf(f,
				t->family == 4 ? "rule add pref %d from 100.64.%d.2 lookup %d\n"
					       : "rule add pref %d from fd64:%x::2 lookup %d\n",
				10300 + wan, wan, 100 + wan);
		if (v->flags & VAR_MWAN3) /* which copies connected routes to each table */
			fprintf(f,
				"route add %s dev lan0 table %d\n"
				"rule add pref %d iif wan%d lookup %d\n"
				"rule add pref %d fwmark 0x%x/0xff00 unreachable\n",
				lan_network(t), 100 + wan, 9000 + wan, wan, 100 + wan, 10400 + wan,
				wan << 8);
	}
}

static void write_ecmp(FILE *f, const struct variant *v, const struct topo *t)
{
	char gateway[64];

	if (v->flags & VAR_HASH_RULE)
		fprintf(f, "rule add pref 10000 lookup main suppress_prefixlength 0\n"
			   "rule add pref 10001 fwmark 0x8000/0x8000 lookup 200\n"
			   "route add default table 200");
	else
		fprintf(f, "route replace default metric 1");
	for (int wan = 1; wan <= t->wans; wan++) {
		topo_gateway(t, wan - 1, gateway, sizeof(gateway));
		fprintf(f, " nexthop via %s dev wan%d", gateway, wan);
	}
	fprintf(f, "\n");
}

/* ---- netfilter ---- */

/* { FORMAT(1), FORMAT(2), ... } with the WAN number twice. */
static void write_list(FILE *f, const char *format, int wans)
{
	fprintf(f, "{ ");
	for (int wan = 1; wan <= wans; wan++) {
		fprintf(f, "%s", wan > 1 ? ", " : "");
		fprintf(f, format, wan, wan);
	}
	fprintf(f, " }");
}

static void write_masquerade(FILE *f, const struct topo *t)
{
	fprintf(f, "add table inet nat\n"
		   "add chain inet nat post { type nat hook postrouting priority srcnat; }\n"
		   "add rule inet nat post oifname ");
	write_list(f, "\"wan%d\"", t->wans);
	fprintf(f, " masquerade\n");
}

/*
 * PCC as a careful engineer writes it today: an established packet meets one rule, which restores
 * its mark; the hash and the save are for new connections only.
 */
static void write_pcc(FILE *f, const struct topo *t)
{
	const char *ip = t->family == 4 ? "ip" : "ip6";

	fprintf(f, "add table inet pcc\n"
		   "add chain inet pcc pre { type filter hook prerouting priority mangle; }\n"
		   "add chain inet pcc out { type route hook output priority mangle; }\n"
		   "add rule inet pcc pre ct mark != 0 meta mark set ct mark accept\n"
		   "add rule inet pcc pre ct mark set iifname map ");
	write_list(f, "\"wan%d\" : %d", t->wans);
	fprintf(f,
		"\n"
		"add rule inet pcc pre iifname \"lan0\" ct state new fib daddr type != local meta mark "
		"set jhash %s saddr . th sport mod %d seed 0x5eed offset 1 ct mark set meta mark\n"
		"add rule inet pcc out ct mark != 0 meta mark set ct mark\n",
		ip, t->wans);
}

/* The guide's order: mark connections in from each WAN, classify per WAN, then mark routing per
 * WAN. */
static void write_pcc_long(FILE *f, const struct topo *t)
{
	const char *ip = t->family == 4 ? "ip" : "ip6";

	fprintf(f, "add table inet pcc\n"
		   "add chain inet pcc pre { type filter hook prerouting priority mangle; }\n"
		   "add chain inet pcc out { type route hook output priority mangle; }\n");
	for (int i = 1; i <= t->wans; i++)
		fprintf(f,
			"add rule inet pcc pre ct mark 0 iifname \"wan%d\" ct state new ct mark set %d\n",
			i, i);
	for (int i = 1; i <= t->wans; i++)
		fprintf(f,
			"add rule inet pcc pre ct mark 0 iifname \"lan0\" ct state new "
			"fib daddr type != local jhash %s saddr . th sport mod %d seed 0x5eed %d ct mark "
			"set %d\n",
			ip, t->wans, i - 1, i);
	for (int i = 1; i <= t->wans; i++)
		fprintf(f,
			"add rule inet pcc pre iifname \"lan0\" ct mark %d meta mark set %d\n"
			"add rule inet pcc out ct mark %d meta mark set %d\n",
			i, i, i, i);
}

/* mwan3's chains: restore, interfaces in, connected, rules -> policy with random shares, save. */
static void write_mwan3(FILE *f, const struct topo *t)
{
	const char *ip = t->family == 4 ? "ip" : "ip6";

	fprintf(f,
		"add table inet mwan3\n"
		"add set inet mwan3 connected { type ipv%d_addr; flags interval; elements = { %s } }\n"
		"add chain inet mwan3 connected_c\nadd chain inet mwan3 ifaces_in\n"
		"add chain inet mwan3 policy_balanced\nadd chain inet mwan3 rules\n"
		"add chain inet mwan3 main\n",
		t->family, lan_network(t));
	for (int i = 1; i <= t->wans; i++)
		fprintf(f,
			"add chain inet mwan3 iface_in_%d\n"
			"add rule inet mwan3 ifaces_in meta mark & 0xff00 == 0 jump iface_in_%d\n"
			"add rule inet mwan3 iface_in_%d iifname \"wan%d\" %s saddr @connected meta mark "
			"set meta mark | 0xff00\n"
			"add rule inet mwan3 iface_in_%d iifname \"wan%d\" meta mark & 0xff00 == 0 meta "
			"mark set meta mark | 0x%x\n"
			"add rule inet mwan3 policy_balanced meta mark & 0xff00 == 0 numgen random mod %d "
			"0 meta mark set meta mark | 0x%x\n",
			i, i, i, i, ip, i, i, i << 8, t->wans - i + 1, i << 8);
	fprintf(f,
		"add rule inet mwan3 connected_c %s daddr @connected meta mark set meta mark | 0xff00\n"
		"add rule inet mwan3 rules meta mark & 0xff00 == 0 jump policy_balanced\n"
		"add rule inet mwan3 main icmpv6 type { 133-137 } return\n"
		"add rule inet mwan3 main meta mark & 0xff00 == 0 meta mark set ct mark & 0xff00\n"
		"add rule inet mwan3 main meta mark & 0xff00 == 0 jump ifaces_in\n"
		"add rule inet mwan3 main meta mark & 0xff00 == 0 jump connected_c\n"
		"add rule inet mwan3 main meta mark & 0xff00 == 0 jump rules\n"
		"add rule inet mwan3 main ct mark set meta mark & 0xff00\n"
		"add rule inet mwan3 main meta mark & 0xff00 != 0xff00 jump connected_c\n"
		"add chain inet mwan3 pre { type filter hook prerouting priority mangle; }\n"
		"add chain inet mwan3 out { type route hook output priority mangle; }\n"
		"add rule inet mwan3 pre jump main\nadd rule inet mwan3 out jump main\n",
		ip);
}

/* What is established goes past all of it, and past routing. Devices: all, as a careful engineer
 * would. */
static void write_flowtable(FILE *f, const struct topo *t)
{
	fprintf(f, "add flowtable inet pcc ft { hook ingress priority filter; devices = { lan0");
	for (int wan = 1; wan <= t->wans; wan++)
		fprintf(f, ", wan%d", wan);
	fprintf(f, " }; }\n"
		   "add chain inet pcc established { type filter hook forward priority filter; }\n"
		   "add rule inet pcc established meta l4proto { tcp, udp } flow add @ft\n");
}

static void write_nft(FILE *f, const struct variant *v, const struct topo *t)
{
	if (v->flags & VAR_CONNTRACK)
		fprintf(f,
			"add table inet track\n"
			"add chain inet track pre { type filter hook prerouting priority mangle; }\n"
			"add rule inet track pre ct state invalid drop\n");
	if (v->flags & VAR_NFT_PCC && v->flags & VAR_JUMP)
		write_pcc_long(f, t);
	else if (v->flags & VAR_NFT_PCC)
		write_pcc(f, t);
	if (v->flags & VAR_FLOWTABLE)
		write_flowtable(f, t);
	if (v->flags & VAR_MWAN3)
		write_mwan3(f, t);
	if (v->flags & VAR_MASQUERADE)
		write_masquerade(f, t);
}

/* ---- programs ---- */

static int attach_tc(struct setup *s, int ifindex, bool egress, const struct variant *v,
	struct bpf_program *prog)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
		.attach_point = egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = bpf_program__fd(prog));
	int err;

	if (!(v->flags & VAR_CLSACT)) {
		err = bpf_link_create(opts.prog_fd, ifindex,
			(enum bpf_attach_type)(egress ? TCX_EGRESS : TCX_INGRESS), NULL);
		if (err >= 0) {
			s->links[s->link_count++] = err;
			return 0;
		}
		if (err != -EINVAL)
			return err;
	}
	err = bpf_tc_hook_create(&hook);
	if (err && err != -EEXIST)
		return err;
	return bpf_tc_attach(&hook, &opts);
}

static int attach_hooks(
	struct setup *s, const struct variant *v, const struct topo *t, struct bench_path *path)
{
	struct bpf_program *prog = path->progs.path_next;
	int err = 0;

	if (v->flags & VAR_LAN_OUT)
		err = attach_tc(s, t->router_lan_ifindex, true, v, prog);
	for (int i = 0; i < t->wans && !err; i++) {
		if (v->flags & VAR_WAN_OUT)
			err = attach_tc(s, t->router_wan_ifindex[i], true, v, prog);
		if (!err && v->flags & VAR_WAN_IN)
			err = attach_tc(s, t->router_wan_ifindex[i], false, v, prog);
	}
	return err;
}

static int attach_xdp(const struct topo *t, struct bpf_program *prog)
{
	return bpf_xdp_attach(
		t->router_lan_ifindex, bpf_program__fd(prog), XDP_FLAGS_DRV_MODE, NULL);
}

/* In the router's namespace: devmap look-ups take its ifindexes. */
static int attach_programs(
	struct setup *s, const struct variant *v, const struct topo *t, struct bench_path *path)
{
	int err = 0;

	for (uint32_t i = 0; i < (uint32_t)t->wans && !err; i++) {
		uint32_t ifindex = (uint32_t)t->router_wan_ifindex[i];

		err = bpf_map_update_elem(
			bpf_map__fd(path->maps.path_ports), &i, &ifindex, BPF_ANY);
	}
	if (!err && v->flags & VAR_DROP)
		err = attach_xdp(t, path->progs.path_xdp_drop);
	if (!err && v->flags & VAR_BARE && v->kind == KIND_XDP)
		err = attach_xdp(t, path->progs.path_xdp);
	if (!err && v->flags & VAR_BARE && v->kind == KIND_TC)
		err = attach_tc(s, t->router_lan_ifindex, false, v, path->progs.path_tc);
	if (!err && v->flags & VAR_MARK)
		err = attach_tc(s, t->router_lan_ifindex, false, v, path->progs.path_mark);
	if (!err && v->flags & VAR_HOOKS)
		err = attach_hooks(s, v, t, path);
	return err;
}

static int setup_programs(const struct variant *v, const struct topo *t, const struct options *o,
	struct setup *s, char *why)
{
	struct bench_path *path;
	int err = -ENOMEM;

	if (!(v->flags & (VAR_DROP | VAR_BARE | VAR_MARK | VAR_HOOKS)))
		return 0;
	path = bench_path__open();
	if (!path)
		goto out;
	s->path = (struct path *)path;
	path->rodata->path_wans = (uint32_t)t->wans;
	path->rodata->path_burst = o->burst;
	if (v->flags & VAR_CONST)
		path->rodata->path_const_mark = v->flags & VAR_LAST ? (uint32_t)t->wans : 1;
	path->rodata->path_use_hash = v->flags & VAR_HASH ? 1 : 0;
	path->rodata->path_use_map = v->flags & VAR_MAP ? 1 : 0;
	path->rodata->path_mark_shift = v->flags & VAR_MASKED ? 8 : 0;
	path->rodata->path_mark_or = v->flags & VAR_HASH_RULE ? 0x8000 : 0;
	for (int i = 0; i < t->wans; i++)
		path->rodata->path_ifindexes[i] = (uint32_t)t->router_wan_ifindex[i];
	err = bench_path__load(path);
	if (!err)
		err = attach_programs(s, v, t, path);
out:
	if (err)
		snprintf(why, BENCH_WHY, "yardstick programs: %s", strerror(-err));
	return err;
}

/* ---- pccbpf ---- */

/* "pccbpf WORDS... --bpffs DIR" into argv, which is zeroed. */
static void pccbpf_words(const struct setup *s, const char *const *words, char **argv, int max)
{
	int argc = 0;

	argv[argc++] = (char *)s->pccbpf;
	for (; *words && argc < max - 3; words++)
		argv[argc++] = (char *)*words;
	argv[argc++] = "--bpffs";
	argv[argc++] = (char *)s->bpffs;
}

int pccbpf_run(const struct topo *t, const struct options *o, const struct setup *s,
	const char *const *words, char *why)
{
	char *argv[32] = {0};

	(void)o;
	pccbpf_words(s, words, argv, 32);
	return run_in(t->router_fd, NULL, argv, why);
}

static int parse_fast_counts(const char *text, struct fast_counts *out)
{
	json_t *wan, *root = json_loads(text, 0, NULL);
	size_t i;

	*out = (struct fast_counts){0};
	if (!root)
		return -EINVAL;
	json_array_foreach (json_object_get(root, "wans"), i, wan)
		out->forwarded += json_number_value(json_object_get(wan, "fastpath_packets"));
	out->renewed =
		json_number_value(json_object_get(json_object_get(root, "counters"), "fast_renew"));
	json_decref(root);
	return 0;
}

int pccbpf_fast_counts(const struct topo *t, const struct options *o, const struct setup *s,
	struct fast_counts *out, char *why)
{
	static const char *const words[] = {"stats", "--json", NULL};
	static char text[256 * 1024];
	char *argv[8] = {0};
	int err;

	(void)o;
	pccbpf_words(s, words, argv, 8);
	err = run_capture(t->router_fd, NULL, argv, text, sizeof(text)) ? -EIO : 0;
	if (!err)
		err = parse_fast_counts(text, out);
	if (err)
		snprintf(why, BENCH_WHY, "pccbpf stats: %.100s", text);
	return err;
}

/* Enough for the flows of the run; LRU maps evict before they are full to the last entry. */
static int wanted_max_conns(const struct options *o)
{
	int most = o->measurement == MEASURE_CONNECTIONS || o->measurement == MEASURE_HANDSHAKES
			   ? (int)o->connections
			   : 0;

	if (o->max_conns)
		return o->max_conns;
	for (int i = 0; i < o->flow_count && o->measurement == MEASURE_RATE; i++)
		most = o->flow_counts[i] > most ? o->flow_counts[i] : most;
	most += most / 4;
	return most > DEFAULT_MAX_CONNS ? most : DEFAULT_MAX_CONNS;
}

static int setup_pccbpf(const struct variant *v, const struct topo *t, const struct options *o,
	struct setup *s, char *why)
{
	static unsigned int instance;
	struct text wans;
	char gateway[64], max_conns[16];
	int status, err = text_open(&wans);

	if (err)
		return err;
	for (int i = 0; i < t->wans; i++) {
		topo_gateway(t, i, gateway, sizeof(gateway));
		fprintf(wans.file, "%swan%d@%s", i ? "," : "", i + 1, gateway);
	}
	/* A directory of its own each time: a failed attach cannot spoil the next one. */
	snprintf(s->bpffs, sizeof(s->bpffs), "%s/pccbpf%u", o->bpffs, instance++);
	snprintf(max_conns, sizeof(max_conns), "%d", wanted_max_conns(o));
	s->pccbpf = v->flags & VAR_OTHER ? o->other : o->pccbpf;
	if (!s->pccbpf)
		s->pccbpf = "";
	const char *const words[] = {"attach", "--lan", "lan0", "--wan", text_get(&wans),
		"--classifier", "src-address-and-port", "--fastpath", v->fastpath, "--max-conns",
		max_conns, NULL};
	status = access(s->pccbpf, X_OK) ? -ENOENT : pccbpf_run(t, o, s, words, why);
	text_free(&wans);
	s->attached = status == 0;
	if (status == -ENOENT)
		snprintf(why, BENCH_WHY, "pccbpf '%s' is not there", s->pccbpf);
	else if (status && !why[0])
		snprintf(why, BENCH_WHY, "attach ended with status %d", status);
	return status ? -ENOENT : 0;
}

/* ---- */

static int configure(const struct variant *v, const struct topo *t, char *why)
{
	char *ip[] = {"ip", t->family == 4 ? "-4" : "-6", "-batch", "-", NULL};
	char *nft[] = {"nft", "-f", "-", NULL};
	struct text routes, rules = {0};
	int err = text_open(&routes);

	if (!err)
		err = text_open(&rules);
	if (err)
		goto out;
	if (v->flags & VAR_ECMP)
		write_ecmp(routes.file, v, t);
	if (v->flags & VAR_RULES)
		write_rules(routes.file, v, t);
	write_nft(rules.file, v, t);
	if (*text_get(&routes) && run_in(t->router_fd, text_get(&routes), ip, why))
		err = -EIO;
	else if (*text_get(&rules) && run_in(t->router_fd, text_get(&rules), nft, why))
		err = v->flags & VAR_FLOWTABLE && strstr(why, "Could not process") ? -ENOENT : -EIO;
	if (err == -ENOENT)
		snprintf(why, BENCH_WHY, "this kernel has no flowtables (nf_flow_table)");
out:
	text_free(&routes);
	text_free(&rules);
	return err;
}

int variant_setup(const struct variant *v, const struct topo *t, const struct options *o,
	struct setup *s, char *why)
{
	int err, home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	memset(s, 0, sizeof(*s));
	why[0] = '\0';
	if (home < 0)
		return -errno;
	err = ns_enter(t->router_fd);
	if (!err && v->flags & VAR_ECMP)
		err = sysctl_write(t->family == 4 ? "/proc/sys/net/ipv4/fib_multipath_hash_policy"
						  : "/proc/sys/net/ipv6/fib_multipath_hash_policy",
			"1");
	if (!err && v->flags & VAR_ACCEPT_LOCAL)
		err = sysctl_write("/proc/sys/net/ipv4/conf/lan0/accept_local", "1");
	if (!err)
		err = configure(v, t, why);
	if (!err)
		err = setup_programs(v, t, o, s, why);
	ns_enter(home);
	close(home);
	if (!err && v->flags & VAR_PCCBPF)
		err = setup_pccbpf(v, t, o, s, why);
	if (err && !why[0])
		snprintf(why, BENCH_WHY, "setup: %s", strerror(-err));
	return err;
}

void variant_teardown(const struct topo *t, const struct options *o, struct setup *s)
{
	static const char *const detach[] = {"detach", NULL};

	if (s->attached)
		pccbpf_run(t, o, s, detach, NULL);
	for (int i = 0; i < s->link_count; i++)
		close(s->links[i]);
	bench_path__destroy((struct bench_path *)s->path);
	memset(s, 0, sizeof(*s));
}
