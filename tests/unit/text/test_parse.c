// SPDX-License-Identifier: GPL-2.0-only
/* Text to model: what is taken, what is refused and in which words, and back to text. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "text/parse.h"
#include "text/suggest.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define WAN_TEXT_MAX 96u

/* The error says this, and quotes the bad word. */
static void assert_says(const struct pcc_err *err, const char *word, const char *text)
{
	char all[700], quoted[300];

	snprintf(all, sizeof(all), "%s: %s (%s)", err->object, err->cause, err->hint);
	snprintf(quoted, sizeof(quoted), "'%s'", word);
	if (!strstr(all, text) || !strstr(all, quoted))
		fail_msg("no %s or no %s in: %s", text, quoted, all);
}

/* The WAN as pcc_parse_wan() reads it: name, gateways, and the weight unless it is 1. */
static const char *wan_text(const struct pcc_wan_cfg *wan, char buf[WAN_TEXT_MAX])
{
	char address_text[INET6_ADDRSTRLEN];
	size_t used = (size_t)snprintf(buf, WAN_TEXT_MAX, "%s", wan->name);

	for (int family = PCC_V4; family < PCC_FAMILIES; family++) {
		const struct pcc_gateway *gw = &wan->gw[family];

		if (gw->source != PCC_GW_GIVEN && gw->source != PCC_GW_FOUND)
			continue;
		inet_ntop(family == PCC_V4 ? AF_INET : AF_INET6, &gw->addr, address_text,
			sizeof(address_text));
		used += (size_t)snprintf(buf + used, WAN_TEXT_MAX - used, "@%s", address_text);
	}
	if (wan->weight != 1)
		snprintf(buf + used, WAN_TEXT_MAX - used, "*%u", wan->weight);
	return buf;
}

static void numbers_take_the_whole_word(void **state)
{
	static const struct {
		const char *word;
		enum pcc_number_base base;
		uint32_t min, max, value;
		const char *error;
	} rows[] = {
		{"0", PCC_DECIMAL, 0, 255, 0, NULL},
		{"255", PCC_DECIMAL, 0, 255, 255, NULL},
		{"010", PCC_DECIMAL, 0, 255, 10, NULL},
		{"4294967295", PCC_DECIMAL, 0, UINT32_MAX, UINT32_MAX, NULL},
		{"0xffffffff", PCC_DECIMAL_OR_HEX, 0, UINT32_MAX, UINT32_MAX, NULL},
		{"0XfF", PCC_DECIMAL_OR_HEX, 0, 255, 255, NULL},
		{"12", PCC_DECIMAL_OR_HEX, 0, 255, 12, NULL},
		{"", PCC_DECIMAL, 0, 255, 0, "is not a number"},
		{" 1", PCC_DECIMAL, 0, 255, 0, "is not a number"},
		{"1 ", PCC_DECIMAL, 0, 255, 0, "is not a number"},
		{"1x", PCC_DECIMAL, 0, 255, 0, "is not a number"},
		{"+1", PCC_DECIMAL, 0, 255, 0, "is not a number"},
		{"-1", PCC_DECIMAL, 0, 255, 0, "is not a number"},
		{"1.5", PCC_DECIMAL, 0, 255, 0, "is not a number"},
		{"0x10", PCC_DECIMAL, 0, 255, 0, "is not a number"},
		{"0x", PCC_DECIMAL_OR_HEX, 0, 255, 0, "is not a number"},
		{"0xfg", PCC_DECIMAL_OR_HEX, 0, 255, 0, "is not a number"},
		{"ff", PCC_DECIMAL_OR_HEX, 0, 255, 0, "is not a number"},
		{"0", PCC_DECIMAL, 1, 255, 0, "from 1 to 255"},
		{"256", PCC_DECIMAL, 1, 255, 0, "from 1 to 255"},
		{"4294967296", PCC_DECIMAL, 0, UINT32_MAX, 0, "is out of range"},
		{"0x100000000", PCC_DECIMAL_OR_HEX, 0, UINT32_MAX, 0, "is out of range"},
		{"18446744073709551617", PCC_DECIMAL, 0, UINT32_MAX, 0, "is out of range"},
		{"99999999999999999999999999999", PCC_DECIMAL, 0, 9, 0, "is out of range"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct pcc_err err = {0};
		uint32_t value = 4711;
		int ret = pcc_parse_u32(
			rows[i].word, "--x", rows[i].base, rows[i].min, rows[i].max, &value, &err);

		assert_int_equal(ret, rows[i].error ? -EINVAL : 0);
		assert_int_equal(value, rows[i].error ? 4711 : rows[i].value);
		if (rows[i].error)
			assert_says(&err, rows[i].word, rows[i].error);
	}
}

static void interface_names_are_the_kernels(void **state)
{
	static const struct {
		const char *word, *error;
	} rows[] = {
		{"eth0", NULL},
		{"a", NULL},
		{"eth0.100", NULL},
		{"br-lan", NULL},
		{"pppoe-wan_1", NULL},
		{"...", NULL},
		{"123456789012345", NULL},
		{"1234567890123456", "at most 15 characters"},
		{"", "is not an interface name"},
		{".", "is not an interface name"},
		{"..", "is not an interface name"},
		{"eth/0", "no blanks"},
		{"eth 0", "no blanks"},
		{"eth\t0", "no blanks"},
		{"eth0\n", "no blanks"},
		{"eth:0", "no blanks"},
		{"eth\"0", "no blanks"},
		{"eth'0", "no blanks"},
		{"eth*0", "no blanks"},
		{"eth\x7f", "no blanks"},
		{"veth0@if5", "write 'veth0'"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char name[PCC_IFNAMSIZ] = "untouched";
		struct pcc_err err = {0};
		int ret = pcc_parse_ifname(rows[i].word, "--lan", name, &err);

		assert_int_equal(ret, rows[i].error ? -EINVAL : 0);
		assert_string_equal(name, rows[i].error ? "untouched" : rows[i].word);
		if (rows[i].error)
			assert_says(&err, rows[i].word, rows[i].error);
	}
}

/* What is read from a word is written again as `text`. */
static void wans_are_read_and_written(void **state)
{
	static const struct {
		const char *word, *text;
		uint32_t weight, given;
	} rows[] = {
		{"eth1", "eth1", 1, 0},
		{"eth1*1", "eth1", 1, PCC_WAN_SET_WEIGHT},
		{"eth1*255", "eth1*255", 255, PCC_WAN_SET_WEIGHT},
		{"eth1@192.0.2.1", "eth1@192.0.2.1", 1, PCC_WAN_SET_GW4},
		{"eth1@192.0.2.1*3", "eth1@192.0.2.1*3", 3, PCC_WAN_SET_GW4 | PCC_WAN_SET_WEIGHT},
		{"eth1@fe80::1", "eth1@fe80::1", 1, PCC_WAN_SET_GW6},
		{"eth1@fe80::1@10.0.0.1*2", "eth1@10.0.0.1@fe80::1*2", 2,
			PCC_WAN_SET_GW4 | PCC_WAN_SET_GW6 | PCC_WAN_SET_WEIGHT},
		{"ppp0@10.0.0.1@2001:DB8:0::0001", "ppp0@10.0.0.1@2001:db8::1", 1,
			PCC_WAN_SET_GW4 | PCC_WAN_SET_GW6},
		{"123456789012345@111.111.111.111@1111:1111:1111:1111:1111:1111:1111:1111*111",
			"123456789012345@111.111.111.111"
			"@1111:1111:1111:1111:1111:1111:1111:1111*111",
			111, PCC_WAN_SET_GW4 | PCC_WAN_SET_GW6 | PCC_WAN_SET_WEIGHT},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct pcc_wan_cfg wan, again;
		struct pcc_err err = {0};
		char buf[WAN_TEXT_MAX];

		memset(&wan, 0xff, sizeof(wan));
		assert_int_equal(pcc_parse_wan(rows[i].word, "--wan", &wan, &err), 0);
		assert_string_equal(wan_text(&wan, buf), rows[i].text);
		assert_int_equal(wan.weight, rows[i].weight);
		assert_int_equal(wan.given, rows[i].given);
		assert_int_equal(wan.state, PCC_WAN_UP);
		assert_int_equal(wan.id, 0);
		assert_int_equal(wan.gw[PCC_V4].source,
			rows[i].given & PCC_WAN_SET_GW4 ? PCC_GW_GIVEN : PCC_GW_AUTO);
		assert_int_equal(wan.gw[PCC_V6].source,
			rows[i].given & PCC_WAN_SET_GW6 ? PCC_GW_GIVEN : PCC_GW_AUTO);
		assert_int_equal(pcc_parse_wan(buf, "--wan", &again, &err), 0);
		assert_memory_equal(again.gw, wan.gw, sizeof(wan.gw));
	}
}

static void bad_wans_are_refused_with_a_reason(void **state)
{
	static const struct {
		const char *text, *word, *error;
	} rows[] = {
		{"", "", "is not an interface name"},
		{"@192.0.2.1", "", "is not an interface name"},
		{"eth1@", "", "is not a gateway address"},
		{"eth1@192.0.2.1@", "", "is not a gateway address"},
		{"eth1*", "", "is not a number"},
		{"eth1*0", "0", "from 1 to 255"},
		{"eth1*256", "256", "from 1 to 255"},
		{"eth1*2*3", "2*3", "is not a number"},
		{"eth1*2@192.0.2.1", "eth1*2@192.0.2.1", "the weight comes last"},
		{"eth1@none", "none", "is not a gateway address"},
		{"eth1@192.0.2.256", "192.0.2.256", "is not a gateway address"},
		{"eth1@192.0.2", "192.0.2", "is not a gateway address"},
		{"eth1@192.0.2.1/24", "192.0.2.1/24", "without /prefix"},
		{"eth1@fe80::1%eth1", "fe80::1%eth1", "leave out the %zone"},
		{"eth1@[fe80::1]", "[fe80::1]", "without brackets"},
		{"eth1@192.0.2.1@192.0.2.2", "192.0.2.2", "second IPv4 gateway"},
		{"eth1@fe80::1@fe80::2", "fe80::2", "second IPv6 gateway"},
		{"eth1@0.0.0.0", "0.0.0.0", "not the address of a router"},
		{"eth1@127.0.0.1", "127.0.0.1", "loopback"},
		{"eth1@224.0.0.1", "224.0.0.1", "multicast"},
		{"eth1@239.255.255.255", "239.255.255.255", "multicast"},
		{"eth1@255.255.255.255", "255.255.255.255", "broadcast"},
		{"eth1@::", "::", "not the address of a router"},
		{"eth1@::1", "::1", "loopback"},
		{"eth1@ff02::1", "ff02::1", "multicast"},
		{"eth1@::ffff:192.0.2.1", "::ffff:192.0.2.1", "IPv4 address in IPv6"},
		{"1234567890123456@192.0.2.1", "1234567890123456", "at most 15"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct pcc_wan_cfg wan, before;
		struct pcc_err err = {0};

		memset(&wan, 0x5a, sizeof(wan));
		before = wan;
		assert_int_equal(pcc_parse_wan(rows[i].text, "--wan", &wan, &err), -EINVAL);
		assert_memory_equal(&wan, &before, sizeof(wan));
		assert_string_equal(err.object, "--wan");
		assert_says(&err, rows[i].word, rows[i].error);
	}
}

/* `wan set --gateway` replaces what it names and leaves the other family alone. */
static void gateways_are_set_one_by_one(void **state)
{
	struct pcc_wan_cfg wan;
	char buf[WAN_TEXT_MAX];
	struct pcc_err err;

	(void)state;
	assert_int_equal(pcc_parse_wan("eth1@10.0.0.1@fe80::1", "--wan", &wan, &err), 0);
	assert_int_equal(pcc_parse_gateways("10.0.0.2", "--gateway", &wan, &err), 0);
	assert_int_equal(wan.given, PCC_WAN_SET_GW4 | PCC_WAN_SET_GW6);
	assert_string_equal(wan_text(&wan, buf), "eth1@10.0.0.2@fe80::1");
	assert_int_equal(pcc_parse_gateways("fe80::9@10.0.0.3", "--gateway", &wan, &err), 0);
	assert_string_equal(wan_text(&wan, buf), "eth1@10.0.0.3@fe80::9");
	assert_int_equal(pcc_parse_gateways("10.0.0.4@x", "--gateway", &wan, &err), -EINVAL);
	assert_string_equal(wan_text(&wan, buf), "eth1@10.0.0.3@fe80::9");
}

static void lists_are_all_or_nothing(void **state)
{
	static const struct {
		const char *text;
		int ret;
		uint32_t n;
	} rows[] = {
		{"eth1", 0, 1},
		{"eth1,eth2@192.0.2.1*2,eth3", 0, 3},
		{"", -EINVAL, 0},
		{",eth1", -EINVAL, 0},
		{"eth1,", -EINVAL, 0},
		{"eth1,,eth2", -EINVAL, 0},
		{"eth1, eth2", -EINVAL, 0},
		{"eth1,eth2*x", -EINVAL, 0},
	};
	static struct pcc_config cfg;
	struct pcc_err err;
	char many[500] = "";

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		memset(&cfg, 0, sizeof(cfg));
		assert_int_equal(pcc_parse_wans(rows[i].text, &cfg, &err), rows[i].ret);
		assert_int_equal(cfg.nwans, rows[i].n);
	}
	assert_int_equal(pcc_parse_wans("a,b", &cfg, &err), 0);
	assert_int_equal(pcc_parse_wans("c", &cfg, &err), 0);
	assert_int_equal(cfg.wans[2].order, 2);
	assert_int_equal(pcc_parse_lans("br0,br1", &cfg, &err), 0);
	assert_int_equal(cfg.nlans, 2);
	assert_string_equal(cfg.lans[1].name, "br1");
	for (int i = 0; i < 65; i++)
		sprintf(many + strlen(many), "%sw%d", i ? "," : "", i);
	cfg.nwans = cfg.nlans = 0;
	assert_int_equal(pcc_parse_wans(many, &cfg, &err), 0);
	assert_int_equal(cfg.nwans, 65); /* pcc_config_validate() says that it is one too many */
	assert_int_equal(pcc_parse_wans("w65", &cfg, &err), -EINVAL);
	assert_says(&err, "w65", "at most 64 WANs");
	assert_int_equal(pcc_parse_lans(many, &cfg, &err), -EINVAL);
	assert_says(&err, "w64", "at most 64 LANs");
	assert_int_equal(cfg.nlans, 0);
}

static int parse_classifier(const char *word, uint32_t *value, struct pcc_err *err)
{
	return pcc_parse_keyword(
		word, "--classifier", pcc_classifier_names, PCC_N_CLASSIFIERS, value, err);
}

static int parse_scheme(const char *word, uint32_t *value, struct pcc_err *err)
{
	return pcc_parse_keyword(word, "--scheme", pcc_scheme_names, PCC_N_SCHEMES, value, err);
}

static int parse_fastpath(const char *word, uint32_t *value, struct pcc_err *err)
{
	return pcc_parse_keyword(
		word, "--fastpath", pcc_fastpath_names, PCC_N_FASTPATHS, value, err);
}

static int parse_nat6(const char *word, uint32_t *value, struct pcc_err *err)
{
	return pcc_parse_keyword(word, "--nat6", pcc_nat6_names, 2, value, err);
}

static int parse_origin(const char *word, uint32_t *value, struct pcc_err *err)
{
	enum pcc_origin v = PCC_ORIGIN_LAN;
	int ret = pcc_parse_origin(word, &v, err);

	*value = v;
	return ret;
}

static int parse_state(const char *word, uint32_t *value, struct pcc_err *err)
{
	enum pcc_wan_state v = PCC_WAN_UNUSED;
	int ret = pcc_parse_state(word, &v, err);

	*value = v;
	return ret;
}

static int parse_proto(const char *word, uint32_t *value, struct pcc_err *err)
{
	uint8_t v = 0;
	int ret = pcc_parse_proto(word, "--proto", &v, err);

	*value = v;
	return ret;
}

static void keywords(void **state)
{
	static const struct {
		int (*parse)(const char *word, uint32_t *value, struct pcc_err *err);
		const char *word;
		uint32_t value;
		const char *error;
	} rows[] = {
		{parse_classifier, "src-address", 0, NULL},
		{parse_classifier, "both-addresses-and-ports", 8, NULL},
		{parse_classifier, "src-adress", 0, "did you mean 'src-address'?"},
		{parse_classifier, "both-address", 0, "did you mean 'both-addresses'?"},
		{parse_classifier, "sticky", 0, "write src-address, dst-address, both-"},
		{parse_classifier, "SRC-ADDRESS", 0, "src-port"},
		{parse_classifier, "", 0, "is not known"},
		{parse_scheme, "consistent", PCC_SCHEME_CONSISTENT, NULL},
		{parse_scheme, "modulo", PCC_SCHEME_MODULO, NULL},
		{parse_scheme, "modulus", 0, "did you mean 'modulo'?"},
		{parse_scheme, "random", 0, "write consistent or modulo"},
		{parse_fastpath, "auto", PCC_FP_AUTO, NULL},
		{parse_fastpath, "xdp", PCC_FP_XDP, NULL},
		{parse_fastpath, "tc", PCC_FP_TC, NULL},
		{parse_fastpath, "off", PCC_FP_OFF, NULL},
		{parse_fastpath, "none", 0, "write auto, xdp, tc or off"},
		{parse_state, "up", PCC_WAN_UP, NULL},
		{parse_state, "drain", PCC_WAN_DRAIN, NULL},
		{parse_state, "down", PCC_WAN_DOWN, NULL},
		{parse_state, "dwon", 0, "did you mean 'down'?"},
		{parse_state, "disabled", 0, "write up, drain or down"},
		{parse_nat6, "masquerade", 1, NULL},
		{parse_nat6, "none", 0, NULL},
		{parse_nat6, "npt", 0, "write none or masquerade"},
		{parse_origin, "lan", PCC_ORIGIN_LAN, NULL},
		{parse_origin, "wan", PCC_ORIGIN_WAN, NULL},
		{parse_origin, "inside", 0, "write lan or wan"},
		{pcc_parse_mark_mask, "0xff00", 0xff00, NULL},
		{pcc_parse_mark_mask, "0x3", 3, NULL},
		{pcc_parse_mark_mask, "0xC0000000", 0xc0000000, NULL},
		{pcc_parse_mark_mask, "0xffffffff", 0xffffffff, NULL},
		{pcc_parse_mark_mask, "0x0", 0, "at least two bits"},
		{pcc_parse_mark_mask, "0x100", 0, "at least two bits"},
		{pcc_parse_mark_mask, "0x5", 0, "next to each other"},
		{pcc_parse_mark_mask, "0xff00ff00", 0, "next to each other"},
		{pcc_parse_mark_mask, "0x1ffffffff", 0, "is not a 32-bit mask"},
		{pcc_parse_mark_mask, "ff00", 0, "hexadecimal"},
		{pcc_parse_mark_mask, "65280", 0, "hexadecimal"},
		{pcc_parse_mark_mask, "0x", 0, "hexadecimal"},
		{parse_proto, "tcp", 6, NULL},
		{parse_proto, "udp", 17, NULL},
		{parse_proto, "udplite", 136, NULL},
		{parse_proto, "sctp", 132, NULL},
		{parse_proto, "dccp", 33, NULL},
		{parse_proto, "icmp", 1, NULL},
		{parse_proto, "icmpv6", 58, NULL},
		{parse_proto, "ipv6-icmp", 58, NULL},
		{parse_proto, "gre", 47, NULL},
		{parse_proto, "esp", 50, NULL},
		{parse_proto, "0", 0, NULL},
		{parse_proto, "255", 255, NULL},
		{parse_proto, "256", 0, "from 0 to 255"},
		{parse_proto, "6tcp", 0, "is not a number"},
		{parse_proto, "tpc", 0, "did you mean 'tcp'?"},
		{parse_proto, "wireguard", 0, "or a number from 0 to 255"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct pcc_err err = {0};
		uint32_t value = 0;

		assert_int_equal(
			rows[i].parse(rows[i].word, &value, &err), rows[i].error ? -EINVAL : 0);
		assert_int_equal(value, rows[i].value);
		if (rows[i].error)
			assert_says(&err, rows[i].word, rows[i].error);
	}
}

/* Every name that is shown can be typed. */
static void names_come_back(void **state)
{
	static const struct {
		const char *(*name)(uint32_t value);
		int (*parse)(const char *word, uint32_t *value, struct pcc_err *err);
		uint32_t n;
	} rows[] = {
		{pcc_classifier_name, parse_classifier, PCC_N_CLASSIFIERS},
		{pcc_scheme_name, parse_scheme, PCC_N_SCHEMES},
		{pcc_origin_name, parse_origin, PCC_N_ORIGINS},
	};
	char buf[PCC_PROTO_NAME_MAX];
	uint32_t value;

	(void)state;
	for (size_t r = 0; r < COUNT(rows); r++) {
		for (uint32_t i = 0; i < rows[r].n; i++) {
			assert_int_equal(rows[r].parse(rows[r].name(i), &value, NULL), 0);
			assert_int_equal(value, i);
		}
		assert_string_equal(rows[r].name(rows[r].n), "?");
		assert_string_equal(rows[r].name(UINT32_MAX), "?");
	}
	for (uint32_t i = 0; i < 256; i++) {
		assert_int_equal(parse_proto(pcc_proto_name((uint8_t)i, buf), &value, NULL), 0);
		assert_int_equal(value, i);
	}
	assert_int_equal(pcc_classifier_fields(8), 15);
	assert_int_equal(pcc_classifier_fields(9), 0);
}

static void endpoints(void **state)
{
	static const struct {
		const char *word, *address;
		int port; /* -1: none */
		const char *error;
	} rows[] = {
		{"192.0.2.1", "192.0.2.1", -1, NULL},
		{"192.0.2.1:80", "192.0.2.1", 80, NULL},
		{"192.0.2.1:0", "192.0.2.1", 0, NULL},
		{"2001:db8::1", "2001:db8::1", -1, NULL},
		{"2001:db8::1:80", "2001:db8::1:80", -1, NULL},
		{"[2001:db8::1]", "2001:db8::1", -1, NULL},
		{"[2001:db8::1]:65535", "2001:db8::1", 65535, NULL},
		{"::", "::", -1, NULL},
		{"", NULL, 0, "is not an address"},
		{"example.com", NULL, 0, "is not an address"},
		{"192.0.2.1:", NULL, 0, "is not a number"},
		{"192.0.2.1:65536", NULL, 0, "from 0 to 65535"},
		{"192.0.2.1:http", NULL, 0, "is not a number"},
		{"192.0.2.1:80:80", NULL, 0, "is not an address"},
		{"[192.0.2.1]:80", NULL, 0, "is not an address"},
		{"[2001:db8::1", NULL, 0, "is not an address"},
		{"[2001:db8::1]80", NULL, 0, "is not an address"},
		{"[2001:db8::1]:", NULL, 0, "is not a number"},
		{"2001:db8::1]", NULL, 0, "is not an address"},
		{":80", NULL, 0, "is not an address"},
		{"::ffff:192.0.2.1", NULL, 0, "is not an address"},
		{"192.0.2.0/24", NULL, 0, "is not an address"},
		{"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111", NULL, 0, "address"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct pcc_endpoint e = {.port = 4711};
		struct pcc_err err = {0};
		char text[INET6_ADDRSTRLEN];

		assert_int_equal(pcc_parse_endpoint(rows[i].word, "SRC", &e, &err),
			rows[i].error ? -EINVAL : 0);
		if (rows[i].error) {
			assert_non_null(strstr(err.hint[0] ? err.cause : "", "'"));
			assert_true(strstr(err.cause, rows[i].error) ||
				    strstr(err.hint, rows[i].error));
			assert_int_equal(e.port, 4711);
			continue;
		}
		if (e.family == PCC_V4) {
			assert_int_equal(e.addr.a[2], htonl(0xffff));
			assert_int_equal(e.addr.a[0] | e.addr.a[1], 0);
			inet_ntop(AF_INET, &e.addr.a[3], text, sizeof(text));
		} else {
			inet_ntop(AF_INET6, e.addr.a, text, sizeof(text));
		}
		assert_string_equal(text, rows[i].address);
		assert_int_equal(e.has_port, rows[i].port >= 0);
		assert_int_equal(e.port, rows[i].port >= 0 ? rows[i].port : 0);
	}
}

static void prefixes_hold_their_addresses(void **state)
{
	static const struct {
		const char *prefix, *address;
		int inside; /* -1: the prefix is refused */
	} rows[] = {
		{"192.0.2.1", "192.0.2.1", 1},
		{"192.0.2.1", "192.0.2.2", 0},
		{"192.0.2.0/24", "192.0.2.255", 1},
		{"192.0.2.77/24", "192.0.2.1", 1},
		{"192.0.2.0/24", "192.0.3.0", 0},
		{"192.0.2.0/31", "192.0.2.1", 1},
		{"192.0.2.0/31", "192.0.2.2", 0},
		{"128.0.0.0/1", "200.0.0.1", 1},
		{"128.0.0.0/1", "100.0.0.1", 0},
		{"0.0.0.0/0", "203.0.113.9", 1},
		{"0.0.0.0/0", "2001:db8::1", 0},
		{"::/0", "2001:db8::1", 1},
		{"::/0", "192.0.2.1", 0},
		{"2001:db8::/32", "2001:db8:ffff::1", 1},
		{"2001:db8::/32", "2001:db9::1", 0},
		{"2001:db8:0:0:8000::/65", "2001:db8::8000:0:0:1", 1},
		{"2001:db8:0:0:8000::/65", "2001:db8::1", 0},
		{"2001:db8::1/128", "2001:db8::1", 1},
		{"192.0.2.0/33", "", -1},
		{"192.0.2.0/", "", -1},
		{"192.0.2.0/255.255.255.0", "", -1},
		{"2001:db8::/129", "", -1},
		{"192.0.2", "", -1},
		{"[2001:db8::1]", "", -1},
		{"::ffff:192.0.2.1/120", "", -1},
		{"", "", -1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct pcc_prefix prefix;
		struct pcc_endpoint e;
		struct pcc_err err = {0};
		int ret = pcc_parse_prefix(rows[i].prefix, "--src", &prefix, &err);

		assert_int_equal(ret, rows[i].inside < 0 ? -EINVAL : 0);
		if (ret) {
			assert_non_null(strchr(err.cause, '\''));
			continue;
		}
		assert_int_equal(pcc_parse_endpoint(rows[i].address, "x", &e, &err), 0);
		if (pcc_prefix_contains(&prefix, &e.addr) != rows[i].inside)
			fail_msg("%s in %s", rows[i].address, rows[i].prefix);
	}
}

static void suggestions_are_at_most_two_slips_away(void **state)
{
	static const char *const names[] = {"attach", "detach", NULL, "status", "stats", "up"};
	static const struct {
		const char *word;
		unsigned int distance; /* to attach */
		const char *suggestion;
	} rows[] = {
		{"attach", 0, "attach"},
		{"atach", 1, "attach"},
		{"attahc", 1, "attach"},
		{"attacch", 1, "attach"},
		{"ettach", 1, "attach"}, /* detach is 2 away */
		{"deatch", 3, "detach"},
		{"statsu", 4, "status"},
		{"stat", 4, "stats"},
		{"at", 4, "attach"}, /* the first that begins so */
		{"att", 3, "attach"},
		{"de", 6, "detach"},
		{"ta", 4, NULL},
		{"xy", 6, NULL}, /* no character of "up" */
		{"u", 6, "up"},
		{"", 6, NULL},
		{"a-word-that-is-far-longer-than-any-name-in-all-the-tables-of-this-program", 3,
			NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *found = pcc_suggest(rows[i].word, names, COUNT(names));

		assert_int_equal(pcc_suggest_distance(rows[i].word, "attach"), rows[i].distance);
		assert_int_equal(pcc_suggest_distance("attach", rows[i].word), rows[i].distance);
		if (rows[i].suggestion) {
			assert_non_null(found);
			assert_string_equal(found, rows[i].suggestion);
		} else {
			assert_null(found);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_take_the_whole_word),
		cmocka_unit_test(interface_names_are_the_kernels),
		cmocka_unit_test(wans_are_read_and_written),
		cmocka_unit_test(bad_wans_are_refused_with_a_reason),
		cmocka_unit_test(gateways_are_set_one_by_one),
		cmocka_unit_test(lists_are_all_or_nothing),
		cmocka_unit_test(keywords),
		cmocka_unit_test(names_come_back),
		cmocka_unit_test(endpoints),
		cmocka_unit_test(prefixes_hold_their_addresses),
		cmocka_unit_test(suggestions_are_at_most_two_slips_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
