// SPDX-License-Identifier: GPL-2.0-only
/* Configuration files: values, errors with their places, the way there and back, broken files. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/conf.h"
#include "config/conf_merge.h"
#include "config/conf_value.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LEAST "lan: [br0]\nwans:\n  - interface: eth1\n"

/* --- values --------------------------------------------------------------------------------- */

static void durations(void **state)
{
	static const struct {
		const char *word;
		uint32_t ms;
		const char *cause; /* of an error */
	} rows[] = {
		{"500ms", 500, NULL},
		{"10s", 10000, NULL},
		{"5m", 300000, NULL},
		{"1h", 3600000, NULL},
		{"0", 0, NULL},
		{"0s", 0, NULL},
		{"007s", 7000, NULL},
		{"2h", 7200000, NULL},
		{"10", 0, "'10' has no unit"},
		{"", 0, "'' is not a duration"},
		{"s", 0, "'s' is not a duration"},
		{"1.5s", 0, "'1.5s' is not a duration"},
		{"-1s", 0, "'-1s' is not a duration"},
		{"1 s", 0, "'1 s' is not a duration"},
		{"1S", 0, "'1S' is not a duration"},
		{"1d", 0, "'1d' is not a duration"},
		{"3h", 0, "'3h' is out of range"},
		{"7200001ms", 0, "'7200001ms' is out of range"},
		{"4294967296ms", 0, "'4294967296ms' is out of range"},
		{"99999999999999999999h", 0, "'99999999999999999999h' is out of range"},
	};
	char text[PCC_VALUE_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct pcc_err err = {};
		uint32_t ms = 77, back;
		int ret = pcc_parse_duration(rows[i].word, "hold", 0, 7200000, &ms, &err);

		assert_int_equal(ret, rows[i].cause ? -EINVAL : 0);
		assert_int_equal(ms, rows[i].cause ? 77 : rows[i].ms);
		assert_string_equal(err.cause, rows[i].cause ? rows[i].cause : "");
		if (ret)
			continue;
		pcc_duration_text(ms, text);
		assert_int_equal(pcc_parse_duration(text, "", 0, 7200000, &back, &err), 0);
		assert_int_equal(back, ms);
	}
	assert_int_equal(pcc_parse_duration("9ms", "", 10, 100, &(uint32_t){0}, NULL), -EINVAL);
	assert_string_equal(pcc_duration_text(90000, text), "90s");
	assert_string_equal(pcc_duration_text(0, text), "0");
}

static void ports_and_dscp(void **state)
{
	static const struct {
		const char *word;
		int min, max; /* -1: an error */
	} ports[] = {
		{"443", 443, 443},
		{"1000-2000", 1000, 2000},
		{"0-65535", 0, 65535},
		{"7-7", 7, 7},
		{"2000-1000", -1, 0},
		{"65536", -1, 0},
		{"1-", -1, 0},
		{"-1", -1, 0},
		{"1-2-3", -1, 0},
		{"http", -1, 0},
		{"", -1, 0},
		{"1, 2", -1, 0},
		{"00000000000000000000443", -1, 0},
	};
	static const struct {
		const char *word;
		int value;
	} dscps[] = {
		{"46", 46},
		{"ef", 46},
		{"EF", 46},
		{"0x2e", 46},
		{"cs0", 0},
		{"cs7", 56},
		{"af11", 10},
		{"af43", 38},
		{"le", 1},
		{"va", 44},
		{"0", 0},
		{"63", 63},
		{"64", -1},
		{"cs8", -1},
		{"af44", -1},
		{"af51", -1},
		{"af1", -1},
		{"af111", -1},
		{"", -1},
		{"-1", -1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(ports); i++) {
		uint16_t min = 1, max = 2;
		int ret = pcc_parse_ports(ports[i].word, "port", &min, &max, NULL);

		assert_int_equal(ret, ports[i].min < 0 ? -EINVAL : 0);
		assert_int_equal(min, ports[i].min < 0 ? 1 : ports[i].min);
		assert_int_equal(max, ports[i].min < 0 ? 2 : ports[i].max);
	}
	for (size_t i = 0; i < COUNT(dscps); i++) {
		int16_t dscp = -7;
		int ret = pcc_parse_dscp(dscps[i].word, "dscp", &dscp, NULL);

		assert_int_equal(ret, dscps[i].value < 0 ? -EINVAL : 0);
		assert_int_equal(dscp, dscps[i].value < 0 ? -7 : dscps[i].value);
	}
}

static void other_values(void **state)
{
	static const struct {
		const char *word;
		int percent;
	} percents[] = {{"30%", 30}, {"30", 30}, {"0%", 0}, {"100%", 100}, {"101%", -1}, {"%", -1},
		{"", -1}, {"3.5%", -1}, {"30%%", -1}, {"-3%", -1}, {"99999999999999999%", -1}};
	static const struct {
		const char *word;
		int value;
	} bools[] = {{"true", 1}, {"yes", 1}, {"on", 1}, {"True", 1}, {"false", 0}, {"no", 0},
		{"off", 0}, {"1", -1}, {"", -1}, {"tru", -1}};
	static const char *const names[] = {"fibre", "Büro-1", "a.b_c:d",
		"0123456789012345678901234567890", NULL, "", "a b", "a,b", "a/b", "\"a\"", "a\nb",
		"01234567890123456789012345678901"};
	char name[PCC_NAME_BYTES], path[8];
	bool good = true;

	(void)state;
	for (size_t i = 0; i < COUNT(percents); i++) {
		uint32_t value = 777;
		int ret = pcc_parse_percent(percents[i].word, "loss", &value, NULL);

		assert_int_equal(ret, percents[i].percent < 0 ? -EINVAL : 0);
		assert_int_equal(value, percents[i].percent < 0 ? 777 : percents[i].percent);
	}
	for (size_t i = 0; i < COUNT(bools); i++) {
		bool value = false;
		int ret = pcc_parse_bool(bools[i].word, "nat", &value, NULL);

		assert_int_equal(ret, bools[i].value < 0 ? -EINVAL : 0);
		assert_int_equal(value, bools[i].value > 0);
	}
	for (size_t i = 0; i < COUNT(names); i++) {
		if (names[i])
			assert_int_equal(
				pcc_parse_name(names[i], "name", name, NULL), good ? 0 : -EINVAL);
		else
			good = false;
	}
	assert_int_equal(pcc_parse_path("/a/b/c", "run", path, sizeof(path), NULL), 0);
	assert_int_equal(pcc_parse_path("/a/b/c/d", "run", path, sizeof(path), NULL), -EINVAL);
	assert_int_equal(pcc_parse_path("a/b", "run", path, sizeof(path), NULL), -EINVAL);
	assert_int_equal(pcc_parse_path("", "run", path, sizeof(path), NULL), -EINVAL);
}

/* --- reading -------------------------------------------------------------------------------- */

static const char full[] = "lan: [br0, br1]\n"
			   "classifier: both-addresses\n"
			   "scheme: modulo\n"
			   "buckets: 2048\n"
			   "seed: 0x1f\n"
			   "fastpath: tc\n"
			   "nat: true\n"
			   "nat6: none\n"
			   "mark-mask: 0xff0000\n"
			   "table-base: 1000\n"
			   "rule-pref: 5000\n"
			   "max-conns: 65536\n"
			   "exclusions: [10.0.0.0/8, 'fd00::/8']\n"
			   "defaults:\n"
			   "  weight: 3\n"
			   "  tier: 2\n"
			   "  failback: drain\n"
			   "  health:\n"
			   "    targets: [9.9.9.9, 'tcp://1.1.1.1:443']\n"
			   "    quorum: 2\n"
			   "    interval: 1s\n"
			   "wans:\n"
			   "  - interface: eth1\n"
			   "    name: fibre\n"
			   "    gateway: 192.0.2.1\n"
			   "    gateway6: fe80::1\n"
			   "    tier: 1\n"
			   "  - interface: eth2\n"
			   "    gateway6: none\n"
			   "    weight: 2\n"
			   "    failback: kill\n"
			   "    health:\n"
			   "      targets: ['dns://1.1.1.1/example.com']\n"
			   "      quorum: 1\n"
			   "      timeout: 200ms\n"
			   "      fall: 4\n"
			   "      rise: 5\n"
			   "      loss: 30%\n"
			   "      latency: 400ms\n"
			   "      hold: 20s\n"
			   "      hold-max: 5m\n"
			   "  - interface: eth3\n"
			   "groups:\n"
			   "  - name: fast\n"
			   "    wans: [fibre, eth3]\n"
			   "policies:\n"
			   "  - name: voice\n"
			   "    source: 192.168.1.77/24\n"
			   "    destination: 203.0.113.0/24\n"
			   "    protocol: udp\n"
			   "    source-port: 1000-2000\n"
			   "    destination-port: 5060\n"
			   "    dscp: ef\n"
			   "    lan: br1\n"
			   "    use: fast\n"
			   "    strict: yes\n"
			   "    sticky: source+site\n"
			   "    sticky-time: 30m\n"
			   "  - use: bypass\n"
			   "    destination-file: /etc/pccbpf/local.txt\n"
			   "  - {protocol: 47, use: reject}\n"
			   "  - {source: '2001:db8::/32', use: eth2, sticky: source}\n"
			   "hooks:\n"
			   "  - run: /etc/pccbpf/hook\n"
			   "    timeout: 5s\n"
			   "  - run: /bin/true\n";

static void parse_or_die(const char *text, struct pcc_conf *conf)
{
	struct pcc_err err = {};

	if (pcc_conf_parse(text, strlen(text), "f", PCC_CONF_TEXT, conf, NULL, &err))
		fail_msg("%s: %s (%s)", err.object, err.cause, err.hint);
}

static void check_full_wans(const struct pcc_conf *c)
{
	assert_string_equal(c->wans[0].name, "fibre");
	assert_int_equal(c->wans[0].tier, 1);
	assert_int_equal(c->wans[0].failback, PCC_FAILBACK_DRAIN);
	assert_int_equal(c->wans[0].health.ntargets, 2);
	assert_int_equal(c->wans[0].health.quorum, 2);
	assert_int_equal(c->wans[0].health.interval_ms, 1000);
	assert_int_equal(c->base.wans[0].weight, 3);
	assert_int_equal(c->base.wans[0].gw[PCC_V4].source, PCC_GW_GIVEN);
	assert_int_equal(c->base.wans[0].gw[PCC_V6].source, PCC_GW_GIVEN);
	assert_string_equal(c->wans[1].name, "eth2");
	assert_int_equal(c->base.wans[1].weight, 2);
	assert_int_equal(c->base.wans[1].gw[PCC_V4].source, PCC_GW_AUTO);
	assert_int_equal(c->base.wans[1].gw[PCC_V6].source, PCC_GW_NONE);
	assert_int_equal(c->wans[1].tier, 2);
	assert_int_equal(c->wans[1].failback, PCC_FAILBACK_KILL);
	assert_int_equal(c->wans[1].health.ntargets, 1);
	assert_int_equal(c->wans[1].health.targets[0].kind, PCC_TARGET_DNS);
	assert_int_equal(c->wans[1].health.timeout_ms, 200);
	assert_int_equal(c->wans[1].health.fall, 4);
	assert_int_equal(c->wans[1].health.rise, 5);
	assert_int_equal(c->wans[1].health.loss_percent, 30);
	assert_int_equal(c->wans[1].health.latency_ms, 400);
	assert_int_equal(c->wans[1].health.hold_ms, 20000);
	assert_int_equal(c->wans[1].health.hold_max_ms, 300000);
	assert_int_equal(c->base.wans[2].weight, 3);
	assert_int_equal(c->base.wans[2].order, 2);
}

static void check_full_policies(const struct pcc_conf *c)
{
	const struct pcc_policy_conf *p = c->policies;
	char text[PCC_VALUE_TEXT_MAX];

	assert_int_equal(c->ngroups, 1);
	assert_int_equal(c->groups[0].wans, 5);
	assert_int_equal(c->npolicies, 4);
	assert_string_equal(p[0].name, "voice");
	assert_true(p[0].has_source && p[0].has_destination && p[0].strict);
	assert_string_equal(pcc_prefix_text(&p[0].source, text), "192.168.1.0/24");
	assert_int_equal(p[0].proto, IPPROTO_UDP);
	assert_int_equal(p[0].sport_min, 1000);
	assert_int_equal(p[0].sport_max, 2000);
	assert_int_equal(p[0].dport_min, 5060);
	assert_int_equal(p[0].dport_max, 5060);
	assert_int_equal(p[0].dscp, 46);
	assert_string_equal(p[0].lan, "br1");
	assert_int_equal(p[0].action, PCC_POLICY_GROUP);
	assert_int_equal(p[0].target, 0);
	assert_int_equal(p[0].sticky, PCC_STICKY_SOURCE_SITE);
	assert_int_equal(p[0].sticky_s, 1800);
	assert_string_equal(p[1].name, "policy-2");
	assert_int_equal(p[1].action, PCC_POLICY_BYPASS);
	assert_string_equal(p[1].destination_file, "/etc/pccbpf/local.txt");
	assert_false(p[1].has_source || p[1].has_destination || p[1].strict || p[1].lan[0]);
	assert_int_equal(p[1].proto, 0);
	assert_int_equal(p[1].sport_min, 0);
	assert_int_equal(p[1].sport_max, 65535);
	assert_int_equal(p[1].dscp, -1);
	assert_int_equal(p[2].action, PCC_POLICY_REJECT);
	assert_int_equal(p[2].proto, 47);
	assert_int_equal(p[3].action, PCC_POLICY_WAN);
	assert_int_equal(p[3].target, 1);
	assert_int_equal(p[3].sticky, PCC_STICKY_SOURCE);
	assert_int_equal(p[3].sticky_s, 3600);
}

static void every_key(void **state)
{
	struct pcc_conf *c = malloc(sizeof(*c));

	(void)state;
	assert_non_null(c);
	parse_or_die(full, c);
	assert_int_equal(c->base.nlans, 2);
	assert_int_equal(c->base.nwans, 3);
	assert_string_equal(c->base.lans[1].name, "br1");
	assert_int_equal(c->base.scheme, PCC_SCHEME_MODULO);
	assert_int_equal(c->base.buckets, 2048);
	assert_int_equal(c->base.seed, 0x1f);
	assert_true(c->base.seed_given);
	assert_int_equal(c->base.fastpath, PCC_FP_TC);
	assert_true(c->base.nat4 && !c->base.nat6);
	assert_int_equal(c->base.mark_mask, 0xff0000);
	assert_int_equal(c->base.table_base, 1000);
	assert_int_equal(c->base.rule_pref, 5000);
	assert_int_equal(c->base.max_conns, 65536);
	assert_int_equal(c->nexclusions, 2);
	check_full_wans(c);
	check_full_policies(c);
	assert_int_equal(c->nhooks, 2);
	assert_string_equal(c->hooks[0].path, "/etc/pccbpf/hook");
	assert_int_equal(c->hooks[0].timeout_ms, 5000);
	assert_int_equal(c->hooks[1].timeout_ms, 10000);
	pcc_conf_free(c);
	free(c);
}

/* The least file has the defaults of attach, and an ISP more is one line more. */
static void defaults(void **state)
{
	static const char *const files[] = {
		LEAST,
		"{lan: [br0], wans: [{interface: eth1}]}",
		"---\nlan:\n- br0\nwans:\n- interface: eth1\npolicies:\nhooks: ~\ngroups: null\n"
		"defaults:\nexclusions: []\n",
		"\"lan\": ['br0']\r\nwans:\r\n- \"interface\": eth1 # the ISP\r\n  gateway: auto\r\n",
		"\xef\xbb\xbflan: [br0]\nwans: [{interface: eth1, health: {targets: }}]\n",
	};
	struct pcc_conf *c = malloc(sizeof(*c));
	struct pcc_config usual;
	struct pcc_wan_conf wan;

	(void)state;
	assert_non_null(c);
	pcc_config_defaults(&usual);
	pcc_wan_conf_defaults(&wan);
	for (size_t i = 0; i < COUNT(files); i++) {
		parse_or_die(files[i], c);
		assert_int_equal(c->base.nlans, 1);
		assert_int_equal(c->base.nwans, 1);
		assert_string_equal(c->base.wans[0].name, "eth1");
		assert_string_equal(c->wans[0].name, "eth1");
		assert_int_equal(c->base.wans[0].weight, 1);
		assert_int_equal(c->base.wans[0].state, PCC_WAN_UP);
		assert_int_equal(c->base.wans[0].gw[PCC_V4].source, PCC_GW_AUTO);
		assert_int_equal(c->base.classifier, usual.classifier);
		assert_int_equal(c->base.buckets, usual.buckets);
		assert_int_equal(c->base.mark_mask, usual.mark_mask);
		assert_true(c->base.nat4 && c->base.nat6 && !c->base.seed_given);
		assert_memory_equal(&c->wans[0].health, &wan.health, sizeof(wan.health));
		assert_int_equal(c->npolicies + c->ngroups + c->nhooks + c->nexclusions, 0);
		pcc_conf_free(c);
	}
	free(c);
}

/* --- errors --------------------------------------------------------------------------------- */

#define WANS "wans:\n  - interface: eth1\n"
#define HEAD "lan: [br0]\n"
#define POLICY LEAST "policies:\n  - use: eth1\n    "

static const struct {
	const char *text;
	const char *object, *cause, *hint; /* hint: NULL: any */
} bad[] = {
	/* syntax */
	{"lan: [br0\n", "f:2:1", "at the end of the file: did not find expected ',' or ']'",
		"while parsing a flow sequence in line 1"},
	{"lan: [br0]\nwans:\n\t- interface: eth1\n", "f:3:1",
		"at '?- interface: eth1': found character that cannot start any token",
		"YAML wants blanks, not tabs, before a key"},
	{"lan: [br0]\n wans: x\n", "f:2:2", "at 'wans: x': did not find expected key", NULL},
	{"lan: 'br0\n", "f:2:1", "at the end of the file: found unexpected end of stream", NULL},
	{"lan: [br0]\nwans: \xff\n", "f:2:7", "byte 0xff: invalid leading UTF-8 octet",
		"write the file in UTF-8"},
	{HEAD "wans: &a\n  - interface: eth1\n", "f:2:7",
		"'a' is an anchor or an alias: not supported",
		"what all WANs have in common goes into 'defaults'"},
	{HEAD "wans: *a\n", "f:2:7", "'a' is an anchor or an alias: not supported", NULL},
	{LEAST "---\nlan: [br1]\n", "f:4:1", "'---' begins a second document", NULL},
	/* keys */
	{"lan: [br0]\nwanz:\n  - interface: eth1\n", "f:2:1", "'wanz' is not a key",
		"did you mean 'wans'?"},
	{HEAD WANS "    wieght: 2\n", "f:4:5", "'wieght' is not a key", "did you mean 'weight'?"},
	{HEAD WANS "    zzz: 2\n", "f:4:5", "'zzz' is not a key",
		"one of: interface, name, gateway, gateway6, weight, tier, failback, health"},
	{HEAD WANS "    health: {qourum: 1}\n", "f:4:14", "'qourum' is not a key",
		"did you mean 'quorum'?"},
	{HEAD "defaults: {interface: eth1}\n" WANS, "f:2:12", "'interface' is not a key", NULL},
	{HEAD HEAD WANS, "f:2:1", "'lan' is there twice", "the first is in line 1"},
	{HEAD WANS "    weight: 1\n    weight: 1\n", "f:5:5", "'weight' is there twice",
		"the first is in line 4"},
	{HEAD "[a]: b\n", "f:2:1", "'[' is not a key", NULL},
	/* kinds of values */
	{"lan: br0\n", "f:1:6", "lan: 'br0' is not a list",
		"a list is written [A, B] or as lines with '- '"},
	{"- br0\n", "f:1:1", "'the file' is a list", "lines with KEY: VALUE are wanted"},
	{"hello\n", "f:1:1", "the file: 'hello' is not a mapping", NULL},
	{HEAD "wans: {interface: eth1}\n", "f:2:7", "'wans' is a mapping", NULL},
	{HEAD "wans: [eth1]\n", "f:2:8", "wans: 'eth1' is not a mapping", NULL},
	{HEAD WANS "    weight: [1]\n", "f:4:13", "'weight' is a list", "one value is wanted"},
	{HEAD WANS "    weight:\n", "f:4:12", "'weight' has no value", NULL},
	{HEAD WANS "    name: \"a\\0b\"\n", "f:4:11", "name: 'a' has a zero byte in it", NULL},
	{"lan: [[br0]]\n", "f:1:7", "'lan' is a list", NULL},
	/* values of the top */
	{"", "f:1:1", "'lan' is missing", "at least one LAN interface, as in lan: [br0]"},
	{"# nothing\n", "f:1:1", "'lan' is missing", NULL},
	{WANS, "f:1:1", "'lan' is missing", NULL},
	{"lan: []\n" WANS, "f:1:6", "'lan' is missing", NULL},
	{HEAD, "f:1:1", "'wans' is missing", NULL},
	{"lan: [br0, br0]\n" WANS, "f:1:12", "lan: 'br0' is there twice", "name it once"},
	{"lan: [br0, a/b]\n" WANS, "f:1:12", "lan: 'a/b' is not an interface name", NULL},
	{HEAD "scheme: modul\n" WANS, "f:2:9", "scheme: 'modul' is not known",
		"did you mean 'modulo'?"},
	{HEAD "classifier: src\n" WANS, "f:2:13", "classifier: 'src' is not known", NULL},
	{HEAD "fastpath: on\n" WANS, "f:2:11", "fastpath: 'on' is not known", NULL},
	{HEAD "buckets: 10\n" WANS, "f:2:10", "buckets: '10' is out of range",
		"write a number from 64 to 16384"},
	{HEAD "seed: abc\n" WANS, "f:2:7", "seed: 'abc' is not a number", NULL},
	{HEAD "nat: maybe\n" WANS, "f:2:6", "nat: 'maybe' is neither true nor false", NULL},
	{HEAD "nat6: true\n" WANS, "f:2:7", "nat6: 'true' is not known",
		"write none or masquerade"},
	{HEAD "mark-mask: 0x101\n" WANS, "f:2:12", "mark-mask: '0x101' is not a usable mask", NULL},
	{HEAD "mark-mask: 0x3\nwans: [{interface: a}, {interface: b}, {interface: c}, {interface: "
	      "d}]\n",
		"f:2:12", "mark-mask: 0x3 has room for 3 WANs, there are 4", "use a wider mask"},
	{HEAD "max-conns: 5\n" WANS, "f:2:12", "max-conns: '5' is out of range", NULL},
	{HEAD "exclusions: [10.0.0.0/8, 10.0.0.0/33]\n" WANS, "f:2:26",
		"exclusions: '33' is out of range", NULL},
	{HEAD "exclusions: [lan]\n" WANS, "f:2:14", "exclusions: 'lan' is not an address", NULL},
	/* WANs */
	{HEAD "wans:\n  - name: a\n", "f:3:5", "'interface' is missing", NULL},
	{HEAD WANS "  - interface: eth1\n", "f:4:16", "interface: 'eth1' is there twice",
		"name it once; weight: 2 gives it twice the share"},
	{HEAD WANS "  - interface: br0\n", "f:4:16",
		"interface: 'br0' is a LAN and cannot be a WAN too", NULL},
	{HEAD WANS "    name: a\n  - interface: eth2\n    name: a\n", "f:6:11",
		"name: 'a' is there twice", "WANs and groups have names of their own"},
	{HEAD WANS "    name: a\n  - interface: a\n", "f:5:16", "interface: 'a' is there twice",
		NULL},
	{HEAD WANS "    name: bypass\n", "f:4:11", "name: 'bypass' cannot be a name", NULL},
	{HEAD WANS "    name: a b\n", "f:4:11", "name: 'a b' is not a name", NULL},
	{HEAD WANS "    gateway: 192.0.2\n", "f:4:14",
		"gateway: '192.0.2' is not a gateway address", NULL},
	{HEAD WANS "    gateway: fe80::1\n", "f:4:14", "gateway: 'fe80::1' is not an IPv4 address",
		"that goes into 'gateway6'"},
	{HEAD WANS "    gateway6: 192.0.2.1\n", "f:4:15",
		"gateway6: '192.0.2.1' is not an IPv6 address", "that goes into 'gateway'"},
	{HEAD WANS "    gateway: 127.0.0.1\n", "f:4:14",
		"gateway: gateway '127.0.0.1' is a loopback address", NULL},
	{HEAD WANS "    weight: 300\n", "f:4:13", "weight: '300' is out of range",
		"write a number from 1 to 255"},
	{HEAD WANS "    weight: 1.5\n", "f:4:13", "weight: '1.5' is not a number", NULL},
	{HEAD WANS "    tier: 0\n", "f:4:11", "tier: '0' is out of range", NULL},
	{HEAD WANS "    failback: kil\n", "f:4:15", "failback: 'kil' is not known",
		"did you mean 'kill'?"},
	{HEAD "defaults:\n  weight: 0\n" WANS, "f:3:11", "weight: '0' is out of range", NULL},
	{HEAD "defaults:\n  health:\n    fall: x\n" WANS, "f:4:11", "fall: 'x' is not a number",
		NULL},
	/* health */
	{HEAD WANS "    health:\n      interval: 5\n", "f:5:17", "interval: '5' has no unit",
		"write a duration from 100ms to 1h, as in 500ms, 10s, 5m, 1h"},
	{HEAD WANS "    health:\n      interval: 1ms\n", "f:5:17",
		"interval: '1ms' is out of range", NULL},
	{HEAD WANS "    health:\n      loss: 130%\n", "f:5:13", "loss: '130' is out of range",
		NULL},
	{HEAD WANS "    health:\n      targets: [9.9.9.9, example.com]\n", "f:5:26",
		"target 'example.com': is not an address", NULL},
	{HEAD WANS "    health:\n      targets: [9.9.9.9]\n      quorum: 2\n", "f:6:15",
		"quorum: '2' is more than there are targets", "there are 1"},
	{HEAD "defaults: {health: {targets: [9.9.9.9, 1.1.1.1], quorum: 2}}\n" WANS
	      "    health:\n      targets: [9.9.9.9]\n",
		"f:6:16", "quorum: '2' is more than there are targets", NULL},
	{HEAD WANS "    health: {targets: [1.1.1.1, 1.1.1.2, 1.1.1.3, 1.1.1.4, 1.1.1.5, 1.1.1.6, "
		   "1.1.1.7, 1.1.1.8, 1.1.1.9]}\n",
		"f:4:96", "targets: '1.1.1.9' is number 9, there can be 8", NULL},
	{HEAD WANS "    health: {hold: 1m, hold-max: 30s}\n", "f:4:34",
		"hold-max: '30s' is less than the hold itself", NULL},
	/* groups */
	{LEAST "groups:\n  - wans: [eth1]\n", "f:5:5", "'name' is missing", NULL},
	{LEAST "groups:\n  - name: g\n", "f:5:5", "'wans' is missing", NULL},
	{LEAST "groups:\n  - name: g\n    wans: [eth1, eht1]\n", "f:6:18", "'eht1' is no WAN",
		"did you mean 'eth1'?"},
	{LEAST "groups:\n  - name: g\n    wans: [eth1, eth1]\n", "f:6:18",
		"'eth1' is in the group twice", NULL},
	{LEAST "groups:\n  - {name: g, wans: [eth1]}\n  - {name: g, wans: [eth1]}\n", "f:6:12",
		"name: 'g' is there twice", NULL},
	{LEAST "groups:\n  - {name: eth1, wans: [eth1]}\n", "f:5:12", "name: 'eth1' is there twice",
		NULL},
	{LEAST "groups:\n  - {name: reject, wans: [eth1]}\n", "f:5:12",
		"name: 'reject' cannot be a name", NULL},
	/* policies */
	{LEAST "policies:\n  - source: 10.0.0.0/8\n", "f:5:5", "'use' is missing", NULL},
	{LEAST "policies:\n  - use: eht1\n", "f:5:10", "'eht1' is no WAN or group",
		"did you mean 'eth1'?"},
	{LEAST "policies:\n  - use: bypas\n", "f:5:10", "'bypas' is no WAN or group",
		"did you mean 'bypass'?"},
	{POLICY "source: 10.0.0.0.0\n", "f:6:13", "source: '10.0.0.0.0' is not an address", NULL},
	{POLICY "source: 10.0.0.0/8\n    destination: 2001:db8::/32\n", "f:7:18",
		"destination: '2001:db8::/32' is of the other family than the source", NULL},
	{POLICY "destination: 10.0.0.0/8\n    destination-file: /a\n", "f:7:23",
		"destination-file: '/a' comes on top of a destination", NULL},
	{POLICY "destination-file: a\n", "f:6:23", "destination-file: 'a' is not an absolute path",
		NULL},
	{POLICY "protocol: tpc\n", "f:6:15", "protocol: 'tpc' is not known", "did you mean 'tcp'?"},
	{POLICY "protocol: 0\n", "f:6:15", "protocol: '0' cannot be matched",
		"leave it out for any protocol"},
	{POLICY "protocol: icmp\n    source-port: 5\n", "f:7:18",
		"source-port: '5' makes no sense: icmp has no ports", NULL},
	{POLICY "destination-port: 70000\n", "f:6:23",
		"destination-port: '70000' is not a port or a range of ports", NULL},
	{POLICY "destination-port: 20-10\n", "f:6:23",
		"destination-port: '20-10' ends before it begins", "write 10-20"},
	{POLICY "dscp: efe\n", "f:6:11", "dscp: 'efe' is not a DSCP", NULL},
	{POLICY "lan: br9\n", "f:6:10", "'br9' is no LAN", "did you mean 'br0'?"},
	{POLICY "strict: 1\n", "f:6:13", "strict: '1' is neither true nor false", NULL},
	{POLICY "sticky: yes\n", "f:6:13", "sticky: 'yes' is not known", NULL},
	{POLICY "sticky-time: 1h\n", "f:6:18", "sticky-time: '1h' makes no sense without 'sticky'",
		"add sticky: source"},
	{POLICY "sticky: source\n    sticky-time: 10ms\n", "f:7:18",
		"sticky-time: '10ms' is out of range", NULL},
	{LEAST "policies:\n  - use: bypass\n    sticky: source\n", "f:6:13",
		"sticky: makes no sense with 'bypass'", NULL},
	{LEAST "policies:\n  - use: reject\n    strict: true\n", "f:6:13",
		"strict: makes no sense with 'reject'", NULL},
	{LEAST "policies:\n  - {name: a, use: eth1}\n  - {name: a, use: eth1}\n", "f:6:12",
		"name: 'a' is there twice", NULL},
	{LEAST "policies:\n  - {name: policy-2, use: eth1}\n  - {use: eth1}\n", "f:6:5",
		"name: 'policy-2' is there twice", NULL},
	/* hooks */
	{LEAST "hooks:\n  - timeout: 1s\n", "f:5:5", "'run' is missing", NULL},
	{LEAST "hooks:\n  - run: hook\n", "f:5:10", "run: 'hook' is not an absolute path", NULL},
	{LEAST "hooks:\n  - run: /hook\n    timeout: 2h\n", "f:6:14",
		"timeout: '2h' is out of range", NULL},
	/* a column counts characters, a line of error is one line */
	{HEAD WANS "    name: 'ü' x\n", "f:4:15", "at 'x': did not find expected key", NULL},
	{HEAD "wans: [{name: ü, interface: ä/b}]\n", "f:2:29",
		"interface: 'ä/b' is not an interface name", NULL},
	{HEAD "wans: [{interface: \"a\\nb\"}]\n", "f:2:20",
		"interface: 'a?b' is not an interface name", NULL},
};

static void errors(void **state)
{
	struct pcc_conf *c = malloc(sizeof(*c));

	(void)state;
	assert_non_null(c);
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct pcc_conf_pos pos;
		struct pcc_err err = {};
		char place[32];

		if (!pcc_conf_parse(
			    bad[i].text, strlen(bad[i].text), "f", PCC_CONF_TEXT, c, &pos, &err))
			fail_msg("accepted: %s", bad[i].text);
		if (strcmp(err.cause, bad[i].cause) || strcmp(err.object, bad[i].object) ||
			(bad[i].hint && strcmp(err.hint, bad[i].hint)))
			fail_msg("%s\nis: %s: %s (%s)\nnot: %s: %s (%s)", bad[i].text, err.object,
				err.cause, err.hint, bad[i].object, bad[i].cause,
				bad[i].hint ? bad[i].hint : "any");
		snprintf(place, sizeof(place), "f:%u:%u", pos.line, pos.column);
		assert_string_equal(place, bad[i].object);
		assert_null(c->policies);
	}
	free(c);
}

/* Numbers of things, each one more than there can be. */
static void too_many(void **state)
{
	static const struct {
		const char *before, *entry, *after;
		uint32_t n;
		const char *cause;
	} rows[] = {
		{"wans: [{interface: eth1}]\nlan:\n", "- l%u\n", "", PCC_MAX_LANS, "lan: 'l"},
		{HEAD "wans:\n", "- interface: w%u\n", "", PCC_MAX_WANS, "wans: 'w64' is number"},
		{LEAST "groups:\n", "- {name: g%u, wans: [eth1]}\n", "", PCC_MAX_GROUPS,
			"groups: 'g64' is number"},
		{LEAST "policies:\n", "- {name: p%u, use: eth1}\n", "", PCC_MAX_POLICIES,
			"policies: '1025' are too many"},
		{LEAST "hooks:\n", "- run: /h%u\n", "", PCC_MAX_HOOKS, "hooks: '/h8' is number"},
		{LEAST "exclusions:\n", "- 10.0.0.%u\n", "", PCC_MAX_EXCLUSIONS,
			"exclusions: '10.0.0."},
	};
	struct pcc_conf *c = malloc(sizeof(*c));

	(void)state;
	assert_non_null(c);
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (uint32_t extra = 0; extra < 2; extra++) {
			struct pcc_err err = {};
			size_t len;
			char *text;
			FILE *f = open_memstream(&text, &len);
			int ret;

			fputs(rows[i].before, f);
			for (uint32_t k = 0; k < rows[i].n + extra; k++)
				fprintf(f, rows[i].entry, i == 5 ? k % 256 : k);
			fclose(f);
			ret = pcc_conf_parse(text, len, "f", PCC_CONF_TEXT, c, NULL, &err);
			free(text);
			if (ret != (extra ? -EINVAL : 0))
				fail_msg(
					"%s x %u: %s", rows[i].entry, rows[i].n + extra, err.cause);
			if (extra && strncmp(err.cause, rows[i].cause, strlen(rows[i].cause)) != 0)
				fail_msg("is: %s\nnot: %s", err.cause, rows[i].cause);
			pcc_conf_free(c);
		}
	}
	free(c);
}

/* Files: that are not there, that are too large, that name files. */
static void files(void **state)
{
	char path[] = "/tmp/pccbpf-test-conf.XXXXXX", text[256], long_name[200];
	struct pcc_conf *c = malloc(sizeof(*c));
	struct pcc_err err = {};
	int fd = mkstemp(path);

	(void)state;
	assert_non_null(c);
	assert_true(fd >= 0);
	assert_int_equal(pcc_conf_read("/nowhere/f.yaml", PCC_CONF_TEXT, c, NULL, &err), -ENOENT);
	assert_string_equal(err.object, "/nowhere/f.yaml");
	assert_int_equal(pcc_conf_read("/", PCC_CONF_TEXT, c, NULL, &err), -EIO);
	assert_int_equal(write(fd, LEAST, strlen(LEAST)), strlen(LEAST));
	assert_int_equal(pcc_conf_read(path, PCC_CONF_FILES, c, NULL, &err), 0);
	pcc_conf_free(c);
	assert_int_equal(ftruncate(fd, (1 << 20) + 1), 0);
	assert_int_equal(pcc_conf_read(path, PCC_CONF_TEXT, c, NULL, &err), -EFBIG);
	snprintf(text, sizeof(text), LEAST "hooks: [{run: %s}]\n", path);
	assert_int_equal(pcc_conf_parse(text, strlen(text), "f", PCC_CONF_TEXT, c, NULL, &err), 0);
	pcc_conf_free(c);
	assert_int_equal(
		pcc_conf_parse(text, strlen(text), "f", PCC_CONF_FILES, c, NULL, &err), -EINVAL);
	assert_string_equal(err.object, "f:4:15");
	unlink(path);
	close(fd);
	snprintf(text, sizeof(text), POLICY "destination-file: %s\n", path);
	assert_int_equal(
		pcc_conf_parse(text, strlen(text), "f", PCC_CONF_FILES, c, NULL, &err), -EINVAL);
	assert_string_equal(err.object, "f:6:23");
	/* of a long name the end stays, with the place */
	memset(long_name, 'x', sizeof(long_name));
	strcpy(long_name + 190, "/c.yaml");
	assert_int_equal(pcc_conf_parse("x", 1, long_name, PCC_CONF_TEXT, c, NULL, &err), -EINVAL);
	assert_int_equal(strlen(err.object), sizeof(err.object) - 1);
	assert_non_null(strstr(err.object, "xx/c.yaml:1:1"));
	free(c);
}

/* --- there and back ------------------------------------------------------------------------- */

static void assert_round_trip(const char *text)
{
	struct pcc_conf *c = malloc(sizeof(*c)), *d = malloc(sizeof(*d));
	char *once, *twice;
	size_t len, len2;

	assert_non_null(c);
	assert_non_null(d);
	parse_or_die(text, c);
	assert_int_equal(pcc_conf_text(c, &once, &len), 0);
	parse_or_die(once, d);
	assert_int_equal(pcc_conf_text(d, &twice, &len2), 0);
	assert_string_equal(once, twice);
	assert_int_equal(len, len2);
	assert_memory_equal(c->wans, d->wans, sizeof(c->wans));
	assert_memory_equal(c->groups, d->groups, sizeof(c->groups));
	assert_int_equal(c->npolicies, d->npolicies);
	assert_memory_equal(c->exclusions, d->exclusions, sizeof(c->exclusions));
	free(once);
	free(twice);
	pcc_conf_free(c);
	pcc_conf_free(d);
	free(c);
	free(d);
}

static void round_trip(void **state)
{
	static const char *const files_[] = {
		full,
		LEAST,
		HEAD "nat: false\n" WANS,
		HEAD "nat: false\nnat6: masquerade\n" WANS,
		HEAD "seed: 0\n" WANS,
		HEAD WANS "    name: 'null'\n    gateway: none\n    gateway6: 'fe80::1'\n",
		HEAD WANS "    health: {hold: 20m}\n",
		HEAD WANS "    health: {targets: ['http://192.0.2.80/a?b=c#expect=204']}\n",
		POLICY "dscp: 0\n    destination-port: 0\n    source: 0.0.0.0/0\n",
		POLICY "source-port: 0-100\n    sticky: source\n    sticky-time: 90s\n",
		POLICY "destination-file: '/etc/a b: #c'\n",
	};
	struct pcc_conf *c = malloc(sizeof(*c));
	char *text;
	size_t len;

	(void)state;
	for (size_t i = 0; i < COUNT(files_); i++)
		assert_round_trip(files_[i]);
	/* what is as by default is not written */
	assert_non_null(c);
	parse_or_die(LEAST "exclusions: []\npolicies:\n", c);
	assert_int_equal(pcc_conf_text(c, &text, &len), 0);
	assert_string_equal(text, "lan: [br0]\nwans:\n- interface: eth1\n");
	free(text);
	pcc_conf_free(c);
	free(c);
}

/* --- what was changed by hand since ---------------------------------------------------------- */

/* The file of a configuration that `file` and changes by hand led to. */
static void assert_merged(
	const char *file, void (*change)(struct pcc_config *cfg), const char *want, uint32_t warned)
{
	struct pcc_conf *c = malloc(sizeof(*c)), *merged = malloc(sizeof(*merged));
	struct pcc_left_out left = {}, left_again = {};
	struct pcc_conf *again = malloc(sizeof(*again));
	struct pcc_config *running = malloc(sizeof(*running));
	char *text;
	size_t len;

	assert_true(c && merged && again && running);
	parse_or_die(file, c);
	*running = c->base;
	running->max_conns = running->max_conns ? running->max_conns : 262144;
	running->seed = 12345;
	for (uint32_t i = 0; i < running->nwans; i++)
		for (int f = 0; f < PCC_FAMILIES; f++)
			if (running->wans[i].gw[f].source == PCC_GW_AUTO)
				running->wans[i].gw[f].source = f ? PCC_GW_NONE : PCC_GW_FOUND;
	if (change)
		change(running);
	assert_int_equal(pcc_conf_merge(merged, &left, c, running, 262144), 0);
	assert_int_equal(pcc_conf_text(merged, &text, &len), 0);
	assert_string_equal(text, want);
	assert_int_equal(left.n, warned);
	for (uint32_t i = 0; i < left.n; i++)
		assert_non_null(strstr(left.what[i].cause, "is left out: "));
	/* the same again: nothing else has a say in it */
	assert_int_equal(pcc_conf_merge(again, &left_again, c, running, 262144), 0);
	assert_int_equal(left_again.n, left.n);
	assert_memory_equal(left_again.what, left.what, left.n * sizeof(*left.what));
	assert_memory_equal(&again->base, &merged->base, sizeof(merged->base));
	assert_memory_equal(again->wans, merged->wans, sizeof(merged->wans));
	pcc_conf_free(c);
	parse_or_die(text, c); /* apply accepts it */
	pcc_conf_free(c);
	pcc_conf_free(merged);
	pcc_conf_free(again);
	free(left.what);
	free(left_again.what);
	free(text);
	free(c);
	free(merged);
	free(again);
	free(running);
}

static void hand_add(struct pcc_config *cfg)
{
	struct pcc_wan_cfg *wan = &cfg->wans[cfg->nwans++];

	memset(wan, 0, sizeof(*wan));
	strcpy(wan->name, "eth9");
	wan->weight = 4;
	wan->state = PCC_WAN_UP;
	wan->gw[PCC_V4].source = PCC_GW_GIVEN;
	wan->gw[PCC_V4].addr.v4.s_addr = htonl(0xc0000209);
	cfg->wans[0].weight = 7;
	cfg->max_conns = 5000;
}

static void hand_del(struct pcc_config *cfg)
{
	cfg->wans[0] = cfg->wans[--cfg->nwans];
}

static void hand_lan(struct pcc_config *cfg)
{
	strcpy(cfg->lans[0].name, "br7");
}

static void hand_take_name(struct pcc_config *cfg)
{
	strcpy(cfg->wans[1].name, "fibre");
}

#define TWO                                                                                        \
	"lan: [br0]\nwans:\n- interface: eth1\n  name: fibre\n- interface: eth2\n  gateway6: none\n"
#define MORE                                                                                       \
	"groups:\n- name: all\n  wans: [fibre, eth2]\n- name: one\n  wans: [fibre]\n"              \
	"policies:\n- name: a\n  use: all\n- name: b\n  use: one\n- name: c\n  lan: br0\n  use: "  \
	"eth2\n- name: d\n  use: bypass\n"

static void merges(void **state)
{
	(void)state;
	assert_merged(TWO MORE, NULL, TWO MORE, 0);
	assert_merged(full, NULL,
		"lan: [br0, br1]\nclassifier: both-addresses\nscheme: modulo\nbuckets: 2048\n"
		"seed: 0x3039\nfastpath: tc\nnat6: none\nmark-mask: 0xff0000\ntable-base: 1000\n"
		"rule-pref: 5000\nmax-conns: 65536\nexclusions: [10.0.0.0/8, 'fd00::/8']\nwans:\n"
		"- interface: eth1\n  name: fibre\n  gateway: 192.0.2.1\n  gateway6: fe80::1\n"
		"  weight: 3\n  failback: drain\n  health:\n"
		"    targets: [9.9.9.9, 'tcp://1.1.1.1:443']\n    quorum: 2\n    interval: 1s\n"
		"- interface: eth2\n  gateway6: none\n  weight: 2\n  tier: 2\n  failback: kill\n"
		"  health:\n    targets: ['dns://1.1.1.1/example.com']\n    interval: 1s\n"
		"    timeout: 200ms\n    fall: 4\n    rise: 5\n    loss: 30%\n    latency: 400ms\n"
		"    hold: 20s\n    hold-max: 5m\n"
		"- interface: eth3\n  weight: 3\n  tier: 2\n  failback: drain\n  health:\n"
		"    targets: [9.9.9.9, 'tcp://1.1.1.1:443']\n    quorum: 2\n    interval: 1s\n"
		"groups:\n- name: fast\n  wans: [fibre, eth3]\npolicies:\n- name: voice\n"
		"  source: 192.168.1.0/24\n  destination: 203.0.113.0/24\n  protocol: udp\n"
		"  source-port: 1000-2000\n  destination-port: 5060\n  dscp: 46\n  lan: br1\n"
		"  use: fast\n  strict: true\n  sticky: source+site\n  sticky-time: 30m\n"
		"- name: policy-2\n  destination-file: /etc/pccbpf/local.txt\n  use: bypass\n"
		"- name: policy-3\n  protocol: gre\n  use: reject\n"
		"- name: policy-4\n  source: 2001:db8::/32\n  use: eth2\n  sticky: source\n"
		"hooks:\n- run: /etc/pccbpf/hook\n  timeout: 5s\n- run: /bin/true\n",
		0);
	assert_merged(TWO MORE, hand_add,
		"lan: [br0]\nmax-conns: 5000\nwans:\n- interface: eth1\n  name: fibre\n  weight: 7\n"
		"- interface: eth2\n  gateway6: none\n- interface: eth9\n  gateway: 192.0.2.9\n"
		"  weight: 4\n" MORE,
		0);
	assert_merged(TWO MORE, hand_del,
		"lan: [br0]\nwans:\n- interface: eth2\n  gateway6: none\n"
		"groups:\n- name: all\n  wans: [eth2]\npolicies:\n- name: a\n  use: all\n"
		"- name: c\n  lan: br0\n  use: eth2\n- name: d\n  use: bypass\n",
		2);
	assert_merged(TWO "policies:\n- name: a\n  lan: br0\n  use: fibre\n", hand_lan,
		"lan: [br7]\nwans:\n- interface: eth1\n  name: fibre\n- interface: eth2\n"
		"  gateway6: none\n",
		1);
	assert_merged(TWO, hand_take_name,
		"lan: [br0]\nwans:\n- interface: eth1\n- interface: fibre\n", 1);
}

/* --- broken files ---------------------------------------------------------------------------- */

static uint32_t draw(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* One small damage: a byte changed, cut out, doubled, or a piece of the file somewhere else. */
static size_t damage(char *text, size_t len, size_t room, uint32_t *seed)
{
	static const char bytes[] = "\n\t :-[]{},'\"#&*!|>%@`0a\\~?\xc3\xff";
	size_t at = draw(seed) % len, n = draw(seed) % 24, from = draw(seed) % len;

	switch (draw(seed) % 4) {
	case 0:
		text[at] = bytes[draw(seed) % (sizeof(bytes) - 1)];
		return len;
	case 1:
		n = n < len - at ? n : len - at;
		memmove(text + at, text + at + n, len - at - n);
		return len - n ? len - n : 1;
	case 2:
		n = n < len - from ? n : len - from;
		if (len + n > room)
			return len;
		memmove(text + at + n, text + at, len - at);
		memmove(text + at, text + from, n);
		return len + n;
	default:
		text[at] = (char)draw(seed);
		return len;
	}
}

/* Whatever a file holds: an error of one line with a place in it, or a configuration that goes
 * round. */
static void mutations(void **state)
{
	const char *rounds = getenv("PCC_FUZZ_ROUNDS");
	uint32_t n = rounds ? (uint32_t)strtoul(rounds, NULL, 10) : 4000, seed = 1, fine = 0;
	struct pcc_conf *c = malloc(sizeof(*c));

	(void)state;
	assert_non_null(c);
	for (uint32_t i = 0; i < n; i++) {
		char text[2 * sizeof(full)], *again = NULL;
		struct pcc_err err = {};
		size_t len = sizeof(full) - 1;
		int ret;

		memcpy(text, full, len);
		for (uint32_t k = 1 + draw(&seed) % 4; k; k--)
			len = damage(text, len, sizeof(text), &seed);
		ret = pcc_conf_parse(text, len, "f", PCC_CONF_TEXT, c, NULL, &err);
		if (ret) {
			assert_int_equal(ret, -EINVAL);
			assert_memory_equal(err.object, "f:", 2);
			assert_null(strchr(err.cause, '\n'));
			continue;
		}
		fine++;
		assert_int_equal(pcc_conf_text(c, &again, &len), 0);
		pcc_conf_free(c);
		parse_or_die(again, c);
		free(again);
		pcc_conf_free(c);
	}
	assert_true(fine > n / 200 && fine < n / 2);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),
		cmocka_unit_test(ports_and_dscp),
		cmocka_unit_test(other_values),
		cmocka_unit_test(every_key),
		cmocka_unit_test(defaults),
		cmocka_unit_test(errors),
		cmocka_unit_test(too_many),
		cmocka_unit_test(files),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(merges),
		cmocka_unit_test(mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
