// SPDX-License-Identifier: GPL-2.0-only
/* The nftables table: its text (no root), and what becomes of it in a network namespace. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <nftables/libnftables.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/nat.h"
#include "kernel/nat_text.h"

static struct pcc_nat_identity id;

static struct pcc_nat_cfg two_wans(void)
{
	struct pcc_nat_cfg cfg = {.mark_mask = 0xff00, .nwans = 2, .nat4 = true, .nat6 = true};

	strcpy(cfg.wans[0].name, "eth1.100");
	cfg.wans[0].id = 1;
	cfg.wans[0].mark = 0x100;
	strcpy(cfg.wans[1].name, "ppp0");
	cfg.wans[1].id = 2;
	cfg.wans[1].mark = 0x200;
	return cfg;
}

/* The text is what is written here, byte for byte but for the hash. */
static void render_is_exact(void **state)
{
	static const char want[] =
		"add table inet pccbpf\n"
		"flush table inet pccbpf\n"
		"table inet pccbpf {\n"
		"\tchain out_1 {\n"
		"\t\trt ipsec exists accept\n"
		"\t\tiif 0 fib saddr . oif type local accept\n"
		"\t\tmeta l4proto { 50, 51 } fib saddr . oif type local accept\n"
		"\t\tudp sport 4500 fib saddr . oif type local accept\n"
		"\t\tmeta nfproto ipv4 masquerade\n"
		"\t\tip6 saddr != fe80::/10 masquerade\n"
		"\t}\n"
		"\tchain in_1 {\n"
		"\t\tct mark set ct mark & 0xffff00ff | 0x00000100\n"
		"\t}\n"
		"\tchain postrouting {\n"
		"\t\ttype nat hook postrouting priority 101; policy accept;\n"
		"\t\toifname vmap { \"eth1.100\" : jump out_1 } comment \"pccbpf ################\"\n"
		"\t\toifname \"eth1.100\" jump out_1\n"
		"\t}\n"
		"\tchain mark_1 {\n"
		"\t\tmeta mark & 0x0000ff00 == 0x00000100 ct mark set ct mark & 0xffff00ff | 0x00000100\n"
		"\t}\n"
		"\tchain marks {\n"
		"\t\ttype filter hook postrouting priority 99; policy accept;\n"
		"\t\tct state != new accept\n"
		"\t\tiifname vmap { \"eth1.100\" : jump in_1 }\n"
		"\t\toifname vmap { \"eth1.100\" : jump mark_1 }\n"
		"\t}\n"
		"\tchain local_in {\n"
		"\t\ttype filter hook input priority 99; policy accept;\n"
		"\t\tct state != new accept\n"
		"\t\tiifname vmap { \"eth1.100\" : jump in_1 }\n"
		"\t}\n"
		"}\n";
	struct pcc_nat_cfg cfg = two_wans();
	char *text, *hash;

	(void)state;
	cfg.nwans = 1;
	cfg.write_ctmark = true;
	cfg.ipsec = true;
	assert_int_equal(pcc_nat_render(&cfg, &text, &id, NULL), 0);
	hash = strstr(text, "comment \"pccbpf ");
	assert_non_null(hash);
	memset(hash + strlen("comment \"pccbpf "), '#', 16);
	assert_string_equal(text, want);
	free(text);
}

/* Answers: two WANs, and nothing but that. */
static void answers_are_exact(void **state)
{
	static const char want[] =
		"\tchain arrived_1 {\n"
		"\t\tct mark set ct mark & 0xffff00ff | 0x00008100\n"
		"\t}\n"
		"\tchain answer_1 {\n"
		"\t\tfib daddr oifname \"eth1.100\" accept\n"
		"\t\tmeta mark set meta mark & 0xffff00ff | 0x00008100\n"
		"\t}\n"
		"\tchain own_answer_1 {\n"
		"\t\toifname \"eth1.100\" accept\n"
		"\t\tmeta mark set meta mark & 0xffff00ff | 0x00008100\n"
		"\t}\n"
		"\tchain answer {\n"
		"\t\tct mark & 0x0000ff00 vmap { 0x00008100 : goto answer_1 }\n"
		"\t\tct mark & 0x0000ff00 == 0x00008100 goto answer_1\n"
		"\t}\n"
		"\tchain own_answer {\n"
		"\t\tct mark & 0x0000ff00 vmap { 0x00008100 : goto own_answer_1 }\n"
		"\t\tct mark & 0x0000ff00 == 0x00008100 goto own_answer_1\n"
		"\t}\n"
		"\tchain prerouting {\n"
		"\t\ttype filter hook prerouting priority -149; policy accept;\n"
		"\t\tct mark & 0x00008000 == 0x00008000 ct direction reply goto answer\n"
		"\t\tct state new iifname vmap { \"eth1.100\" : goto arrived_1 }\n"
		"\t}\n"
		"\tchain output {\n"
		"\t\ttype route hook output priority -149; policy accept;\n"
		"\t\tct mark & 0x00008000 == 0x00008000 ct direction reply goto own_answer\n"
		"\t}\n"
		"\tchain routed {\n"
		"\t\ttype filter hook postrouting priority -151; policy accept;\n"
		"\t\tmeta mark & 0x00008000 == 0x00008000 meta mark set meta mark & 0xffff7fff\n"
		"\t}\n";
	struct pcc_nat_cfg cfg = two_wans();
	char *text;

	(void)state;
	cfg.nwans = 1;
	cfg.nat4 = cfg.nat6 = false;
	cfg.answer_mark = 0x8000;
	assert_int_equal(pcc_nat_render(&cfg, &text, &id, NULL), 0);
	assert_non_null(strstr(text, want));
	free(text);
}

/* Each switch brings its own statement and nothing else; with none of them there is no table. */
static void switches_are_independent(void **state)
{
	static const struct {
		bool nat4, nat6, ctmark;
	} rows[] = {{0, 0, 0}, {1, 0, 0}, {0, 1, 0}, {1, 1, 0}, {0, 0, 1}, {1, 0, 1}, {1, 1, 1}};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pcc_nat_cfg cfg = two_wans();
		char *text;

		cfg.nat4 = rows[i].nat4;
		cfg.nat6 = rows[i].nat6;
		cfg.write_ctmark = rows[i].ctmark;
		cfg.ipsec = true;
		assert_int_equal(pcc_nat_render(&cfg, &text, &id, NULL), 0);
		if (i == 0) {
			assert_null(text);
			continue;
		}
		assert_int_equal(!!strstr(text, "ipv4 masquerade"), rows[i].nat4);
		assert_int_equal(!!strstr(text, "ip6 saddr != fe80::/10 masquerade"), rows[i].nat6);
		assert_int_equal(!!strstr(text, "ct mark"), rows[i].ctmark);
		assert_int_equal(!!strstr(text, "hook input"), rows[i].ctmark);
		assert_int_equal(!!strstr(text, "type local accept"), rows[i].nat4 || rows[i].nat6);
		assert_int_equal(!!strstr(text, "ipsec"), rows[i].nat4 || rows[i].nat6);
		free(text);
	}
}

/* A kernel without IPsec knows no rule about it. */
static void no_ipsec_no_rule(void **state)
{
	struct pcc_nat_cfg cfg = two_wans();
	char *text;

	(void)state;
	assert_int_equal(pcc_nat_render(&cfg, &text, &id, NULL), 0);
	assert_null(strstr(text, "ipsec"));
	free(text);
}

/* A name that would change the meaning of the ruleset is refused, with its name in the error. */
static void bad_configurations(void **state)
{
	static const char *const names[] = {
		"", "a\"b", "a b", "eth*", "a\\b", "a\nb", "a\tb", "a/b"};
	struct pcc_nat_cfg cfg;
	struct pcc_err err;
	char *text;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		cfg = two_wans();
		strcpy(cfg.wans[1].name, names[i]);
		assert_int_equal(pcc_nat_render(&cfg, &text, &id, &err), -EINVAL);
		assert_null(text);
		assert_non_null(strstr(err.object, names[i]));
		assert_true(err.hint[0]);
	}
	cfg = two_wans();
	memset(cfg.wans[0].name, 'x', sizeof(cfg.wans[0].name)); /* no final NUL */
	assert_int_equal(pcc_nat_render(&cfg, &text, &id, &err), -EINVAL);
	cfg = two_wans();
	cfg.wans[1].id = 1;
	assert_int_equal(pcc_nat_render(&cfg, &text, &id, &err), -EINVAL);
	cfg = two_wans();
	strcpy(cfg.wans[1].name, cfg.wans[0].name);
	assert_int_equal(pcc_nat_render(&cfg, &text, &id, &err), -EINVAL);
	cfg = two_wans();
	cfg.wans[0].mark = 0x10000;
	assert_int_equal(pcc_nat_render(&cfg, &text, &id, &err), -EINVAL);
}

/* ---- with a kernel ---- */

static void need_netns(void)
{
	if (unshare(CLONE_NEWNET) < 0) {
		print_message("skipped: no private network namespace: %s\n", strerror(errno));
		skip();
	}
}

/* Runs nft commands of the test's own; returns what they print, to be freed. */
static char *nft(const char *commands)
{
	struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	char *out;

	assert_non_null(ctx);
	nft_ctx_buffer_output(ctx);
	nft_ctx_buffer_error(ctx);
	nft_ctx_output_set_flags(ctx, NFT_CTX_OUTPUT_HANDLE);
	if (nft_run_cmd_from_buffer(ctx, commands))
		fail_msg("nft %s: %s", commands, nft_ctx_get_error_buffer(ctx));
	out = strdup(nft_ctx_get_output_buffer(ctx));
	nft_ctx_free(ctx);
	return out;
}

static void apply(const struct pcc_nat_cfg *cfg, bool want_changed)
{
	struct pcc_err err = {0};
	bool changed = !want_changed;
	int code = pcc_nat_apply(cfg, &changed, &err);

	if (code)
		fail_msg("apply: %d %s: %s", code, err.object, err.cause);
	assert_int_equal(changed, want_changed);
}

/* Twice the same changes no handle; another table stays as it is; removing twice is fine. */
static void apply_by_difference(void **state)
{
	struct pcc_nat_cfg cfg = two_wans();
	char *before, *after, *other;
	struct pcc_err err;

	(void)state;
	need_netns();
	free(nft("table inet foreign { chain postrouting { type nat hook postrouting priority 100; "
		 "oifname \"ppp0\" masquerade; }; }; table ip pccbpf { comment \"other\"; }"));
	other = nft("list ruleset");
	assert_int_equal(pcc_nat_present(&err), 0);
	assert_int_equal(pcc_nat_matches(&cfg, &err), 0);

	cfg.write_ctmark = true;
	apply(&cfg, true);
	assert_int_equal(pcc_nat_present(&err), 1);
	assert_int_equal(pcc_nat_matches(&cfg, &err), 1);
	before = nft("list ruleset");
	apply(&cfg, false);
	after = nft("list ruleset");
	assert_string_equal(before, after);
	free(after);

	cfg.write_ctmark = false; /* another configuration is noticed and takes its place */
	assert_int_equal(pcc_nat_matches(&cfg, &err), 0);
	apply(&cfg, true);
	after = nft("list table inet pccbpf");
	assert_null(strstr(after, "ct mark"));
	free(after);
	free(before);

	assert_int_equal(pcc_nat_remove(&err), 0);
	assert_int_equal(pcc_nat_present(&err), 0);
	assert_int_equal(pcc_nat_remove(&err), 0);
	after = nft("list ruleset");
	assert_string_equal(other, after);
	assert_non_null(strstr(after, "table inet foreign"));
	assert_non_null(strstr(after, "table ip pccbpf"));
	free(after);
	free(other);
}

/* What somebody else does to the table, emptying or deleting it, is noticed and repaired. */
static void damage_is_repaired(void **state)
{
	static const char *const damage[] = {"flush ruleset", "flush chain inet pccbpf out_1",
		"add rule inet pccbpf out_2 accept", "delete table inet pccbpf"};
	struct pcc_nat_cfg cfg = two_wans();
	size_t i;

	(void)state;
	need_netns();
	apply(&cfg, true);
	for (i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
		free(nft(damage[i]));
		assert_int_equal(pcc_nat_matches(&cfg, NULL), 0);
		apply(&cfg, true);
		assert_int_equal(pcc_nat_matches(&cfg, NULL), 1);
		apply(&cfg, false);
	}
}

/* The line of `nft list` that begins chain postrouting, with its handle. */
static char *postrouting_line(void)
{
	char *listing = nft("list table inet pccbpf"), *line = strstr(listing, "chain postrouting");

	assert_non_null(line);
	line = strndup(line, strcspn(line, "\n"));
	free(listing);
	assert_non_null(strstr(line, "handle"));
	return line;
}

/*
 * While WANs come and go the base chain stays: between two of them packets would get through
 * without NAT. Chains that are not needed any more go, whoever made them.
 */
static void an_update_keeps_the_base_chain(void **state)
{
	struct pcc_nat_cfg cfg = two_wans();
	char *before, *after, *listing;

	(void)state;
	need_netns();
	cfg.write_ctmark = true;
	apply(&cfg, true);
	before = postrouting_line();
	free(nft("add chain inet pccbpf other; add rule inet pccbpf other accept"));
	cfg.nwans = 1;
	cfg.write_ctmark = false;
	apply(&cfg, true);
	after = postrouting_line();
	assert_string_equal(before, after);
	free(after);
	listing = nft("list table inet pccbpf");
	assert_non_null(strstr(listing, "chain out_1 "));
	assert_null(strstr(listing, "out_2"));
	assert_null(strstr(listing, "in_1"));
	assert_null(strstr(listing, "local_in"));
	assert_null(strstr(listing, "other"));
	free(listing);
	cfg = two_wans();
	apply(&cfg, true);
	after = postrouting_line();
	assert_string_equal(before, after);
	free(after);
	free(before);
	/* One that cannot be kept is no reason to fail. */
	free(nft("delete table inet pccbpf; add table inet pccbpf; "
		 "add chain inet pccbpf postrouting { type filter hook forward priority 0; }"));
	apply(&cfg, true);
	apply(&cfg, false);
}

/* The table of an earlier version, at the priority of the user's own rules, is replaced. */
static void an_earlier_priority_is_replaced(void **state)
{
	struct pcc_nat_cfg cfg = two_wans();
	char *line, *after;

	(void)state;
	need_netns();
	free(nft("add table inet pccbpf; add chain inet pccbpf out_1; "
		 "add rule inet pccbpf out_1 masquerade; "
		 "add chain inet pccbpf postrouting { type nat hook postrouting priority 100; }; "
		 "add rule inet pccbpf postrouting oifname ppp0 jump out_1"));
	assert_int_equal(pcc_nat_matches(&cfg, NULL), 0);
	apply(&cfg, true);
	apply(&cfg, false);
	line = nft("list chain inet pccbpf postrouting");
	after = strstr(line, "priority srcnat + 1;");
	assert_non_null(after);
	free(line);
}

/* A configuration that needs no table removes it. */
static void nothing_needed(void **state)
{
	struct pcc_nat_cfg cfg = two_wans();

	(void)state;
	need_netns();
	apply(&cfg, true);
	cfg.nat4 = cfg.nat6 = false;
	apply(&cfg, true);
	assert_int_equal(pcc_nat_present(NULL), 0);
	assert_int_equal(pcc_nat_matches(&cfg, NULL), 1);
	apply(&cfg, false);
}

/* 64 WANs with hard names fit in. */
static void all_wans(void **state)
{
	struct pcc_nat_cfg cfg = {.mark_mask = 0xff00, .nat4 = true, .nat6 = true};
	struct pcc_err err;
	char *listing;
	uint32_t i;

	(void)state;
	need_netns();
	for (i = 0; i < PCC_MAX_WANS; i++) {
		struct pcc_nat_wan *w = &cfg.wans[i];

		snprintf(w->name, sizeof(w->name), "accept$@-;{}#%u", 10 + i);
		w->id = i + 1;
		w->mark = w->id << 8;
	}
	cfg.nwans = PCC_MAX_WANS;
	cfg.write_ctmark = true;
	cfg.answer_mark = 0x8000;
	apply(&cfg, true);
	apply(&cfg, false);
	listing = nft("list table inet pccbpf");
	assert_non_null(strstr(listing, "\"accept$@-;{}#73\" : jump out_64"));
	free(listing);
	assert_int_equal(pcc_nat_remove(&err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(render_is_exact),
		cmocka_unit_test(answers_are_exact),
		cmocka_unit_test(switches_are_independent),
		cmocka_unit_test(no_ipsec_no_rule),
		cmocka_unit_test(bad_configurations),
		cmocka_unit_test(apply_by_difference),
		cmocka_unit_test(damage_is_repaired),
		cmocka_unit_test(an_update_keeps_the_base_chain),
		cmocka_unit_test(an_earlier_priority_is_replaced),
		cmocka_unit_test(nothing_needed),
		cmocka_unit_test(all_wans),
	};

	return cmocka_run_group_tests_name("nat", tests, NULL, NULL);
}
