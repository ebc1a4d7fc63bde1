// SPDX-License-Identifier: GPL-2.0-only
/* Policies: from the configuration to what the data plane compares; sets of prefixes; errors. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/cgroup.h"
#include "config/policy.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct pcc_conf conf;
static struct pcc_policy_conf rules[PCC_MAX_POLICIES + 1];

static int fresh(void **state)
{
	(void)state;
	memset(&conf, 0, sizeof(conf));
	memset(rules, 0, sizeof(rules));
	conf.policies = rules;
	conf.base.nwans = 3;
	for (uint32_t i = 0; i < 3; i++)
		snprintf(conf.base.wans[i].name, PCC_IFNAMSIZ, "wan%u", i + 1);
	return 0;
}

static struct pcc_policy_conf *rule(const char *name)
{
	struct pcc_policy_conf *r = &rules[conf.npolicies++];

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

static struct pcc_policies compiled(void)
{
	struct pcc_policies p;
	struct pcc_err err = {};

	if (pcc_policy_compile(&p, &conf, &err))
		fail_msg("%s: %s", err.object, err.cause);
	return p;
}

/* ---------------------------------------------------------------- rules */

static void prefixes_become_masks(void **state)
{
	static const struct {
		const char *text;
		uint32_t addr[4], mask[4]; /* host order */
	} rows[] = {
		{"192.0.2.0/24", {0, 0, 0xffff, 0xc0000200}, {~0u, ~0u, ~0u, 0xffffff00}},
		{"192.0.2.77/25", {0, 0, 0xffff, 0xc0000200}, {~0u, ~0u, ~0u, 0xffffff80}},
		{"192.0.2.7", {0, 0, 0xffff, 0xc0000207}, {~0u, ~0u, ~0u, ~0u}},
		{"0.0.0.0/0", {0, 0, 0xffff, 0}, {~0u, ~0u, ~0u, 0}},
		{"::/0", {0, 0, 0, 0}, {0, 0, 0, 0}},
		{"2001:db8::/32", {0x20010db8, 0, 0, 0}, {~0u, 0, 0, 0}},
		{"2001:db8::/33", {0x20010db8, 0, 0, 0}, {~0u, 0x80000000, 0, 0}},
		{"2001:db8::1", {0x20010db8, 0, 0, 1}, {~0u, ~0u, ~0u, ~0u}},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct pcc_policies p;

		fresh(state);
		rule("r")->has_source = true;
		rules[0].source = prefix(rows[i].text);
		p = compiled();
		for (int w = 0; w < 4; w++) {
			assert_int_equal(ntohl(p.rules[0].src[w]), rows[i].addr[w]);
			assert_int_equal(ntohl(p.rules[0].src_mask[w]), rows[i].mask[w]);
			assert_int_equal(p.rules[0].dst_mask[w], 0);
		}
		assert_int_equal(p.rules[0].flags, PCC_POLICY_F_SRC);
		pcc_policies_free(&p);
	}
}

/* What is not given is not compared. */
static void flags_say_what_is_compared(void **state)
{
	struct pcc_policies p;

	(void)state;
	rule("nothing");
	rule("dport")->dport_min = 1;
	rule("sport")->sport_max = 65534;
	rule("dscp")->dscp = 0;
	snprintf(rule("lan")->lan, PCC_IFNAMSIZ, "br0");
	rule("proto")->proto = IPPROTO_UDP;
	rule("strict")->strict = true;
	p = compiled();
	assert_int_equal(p.nrules, 7);
	assert_int_equal(p.rules[0].flags, 0);
	assert_int_equal(p.rules[1].flags, PCC_POLICY_F_PORTS);
	assert_int_equal(p.rules[2].flags, PCC_POLICY_F_PORTS);
	assert_int_equal(p.rules[3].flags, PCC_POLICY_F_DSCP);
	assert_int_equal(p.rules[4].flags, PCC_POLICY_F_LAN);
	assert_string_equal(p.rules[4].lan, "br0");
	assert_int_equal(p.rules[5].flags, 0);
	assert_int_equal(p.rules[5].proto, IPPROTO_UDP);
	assert_int_equal(p.rules[6].flags, PCC_POLICY_F_STRICT);
	pcc_policies_free(&p);
}

static void actions_have_names_for_targets(void **state)
{
	struct pcc_policies p;

	(void)state;
	conf.ngroups = 2;
	snprintf(conf.groups[1].name, PCC_NAME_BYTES, "fast");
	conf.groups[1].wans = 1 << 0 | 1 << 2;
	rule("wan")->target = 2;
	rule("group")->action = PCC_POLICY_GROUP;
	rules[1].target = 1;
	rules[1].sticky = PCC_STICKY_SOURCE_SITE;
	rules[1].sticky_s = 600;
	rule("no time")->sticky = PCC_STICKY_SOURCE;
	rule("no")->action = PCC_POLICY_REJECT;
	p = compiled();
	assert_string_equal(p.rules[0].wan, "wan3");
	assert_int_equal(p.rules[1].target, 1);
	assert_int_equal(p.rules[1].sticky, PCC_STICKY_SOURCE_SITE);
	assert_int_equal(p.rules[1].sticky_s, 600);
	assert_int_equal(p.rules[2].sticky, PCC_STICKY_NONE);
	assert_int_equal(p.rules[3].action, PCC_POLICY_REJECT);
	assert_int_not_equal(p.rules[0].sticky_id, p.rules[1].sticky_id);
	assert_int_equal(p.ngroups, 2);
	assert_string_equal(p.groups[1].name, "fast");
	assert_string_equal(p.groups[1].wans[0], "wan1");
	assert_string_equal(p.groups[1].wans[1], "wan3");
	assert_string_equal(p.groups[1].wans[2], "");
	pcc_policies_free(&p);
}

static void exclusions_are_the_first_rule(void **state)
{
	struct pcc_policies p;

	(void)state;
	rule("r");
	conf.exclusions[conf.nexclusions++] = prefix("192.0.2.0/24");
	conf.exclusions[conf.nexclusions++] = prefix("2001:db8::/32");
	p = compiled();
	assert_int_equal(p.nrules, 2);
	assert_string_equal(p.rules[0].name, PCC_EXCLUSIONS_NAME);
	assert_int_equal(p.rules[0].action, PCC_POLICY_BYPASS);
	assert_int_equal(p.rules[0].flags, PCC_POLICY_F_SET);
	assert_int_equal(p.rules[0].sets, 1);
	assert_int_equal(p.nsets, 2);
	pcc_policies_free(&p);
}

static void nothing_is_nothing(void **state)
{
	struct pcc_policies p = compiled();

	(void)state;
	assert_int_equal(p.nrules + p.ngroups + p.nsets, 0);
	pcc_policies_free(&p);
	pcc_policies_free(&p);
}

static void full_is_1024_and_the_exclusions(void **state)
{
	struct pcc_err err = {};
	struct pcc_policies p;
	char name[PCC_NAME_BYTES];

	(void)state;
	conf.exclusions[conf.nexclusions++] = prefix("192.0.2.0/24");
	for (int i = 0; i < 1024; i++) {
		snprintf(name, sizeof(name), "%d", i);
		rule(name);
	}
	p = compiled();
	assert_int_equal(p.nrules, PCC_POLICY_SLOTS);
	pcc_policies_free(&p);
	rule("one more");
	assert_int_equal(pcc_policy_compile(&p, &conf, &err), -ENOSPC);
	assert_null(p.rules);
}

static void bad_rules(struct pcc_policy_conf *r, int which)
{
	switch (which) {
	case 0:
		r->target = 3;
		break;
	case 1:
		r->action = PCC_POLICY_GROUP;
		break;
	case 2:
		r->sport_min = 2;
		r->sport_max = 1;
		break;
	case 3:
		r->dport_max = 0;
		r->dport_min = 1;
		break;
	case 4:
		r->dscp = 64;
		break;
	case 5:
		r->name[0] = '\0';
		break;
	case 6:
		snprintf(r->name, sizeof(r->name), "first");
		break;
	case 7:
		snprintf(r->destination_file, 256, "/nowhere/at all");
		break;
	}
}

static void errors_name_the_rule(void **state)
{
	static const char *const objects[] = {"second", "second", "second", "second", "second",
		"policy", "first", "/nowhere/at all"};

	for (size_t i = 0; i < COUNT(objects); i++) {
		struct pcc_err err = {};
		struct pcc_policies p;

		fresh(state);
		rule("first");
		bad_rules(rule("second"), (int)i);
		assert_true(pcc_policy_compile(&p, &conf, &err) < 0);
		assert_string_equal(err.object, objects[i]);
		assert_true(strlen(err.cause) > 5);
		assert_null(p.rules);
	}
}

/* ---------------------------------------------------------------- sets */

static void a_text_is_one_prefix_a_line(void **state)
{
	static const char text[] = "# a list\n"
				   "192.0.2.0/24\n"
				   "\n"
				   "  198.51.100.7\t # one host\r\n"
				   "2001:db8::/32";
	struct pcc_err err = {};
	struct pcc_policies p;

	(void)state;
	assert_int_equal(pcc_policies_alloc(&p), 0);
	assert_int_equal(pcc_policy_set_parse(&p, text, "f", 2, &err), 0);
	assert_int_equal(p.nsets, 3);
	assert_int_equal(p.sets[0].len, 120);
	assert_int_equal(p.sets[1].len, 128);
	assert_int_equal(p.sets[2].len, 32);
	assert_int_equal(p.sets[2].sets, 2);
	assert_int_equal(pcc_policy_set_parse(&p, "", "f", 2, &err), 0);
	assert_int_equal(p.nsets, 3);
	pcc_policies_free(&p);
}

static void errors_have_file_and_line(void **state)
{
	static const struct {
		const char *text, *object, *word;
	} rows[] = {
		{"192.0.2.0/24\n192.0.2.0/33\n", "/etc/list:2", "33"},
		{"# x\n\n\nexample.net\n", "/etc/list:4", "example.net"},
		{"192.0.2.1 192.0.2.2", "/etc/list:1", "more than one"},
		{"2001:db8::/129", "/etc/list:1", "129"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct pcc_err err = {};
		struct pcc_policies p;

		assert_int_equal(pcc_policies_alloc(&p), 0);
		assert_int_equal(
			pcc_policy_set_parse(&p, rows[i].text, "/etc/list", 1, &err), -EINVAL);
		assert_string_equal(err.object, rows[i].object);
		if (!strstr(err.cause, rows[i].word))
			fail_msg("'%s' is not in: %s", rows[i].word, err.cause);
		pcc_policies_free(&p);
	}
}

/* Sets of the longest prefix of an address, as the data plane looks them up. */
static uint64_t look_up(const struct pcc_policies *p, const char *text)
{
	struct pcc_prefix addr = prefix(text), net;
	uint64_t sets = 0;
	uint32_t best = 0;

	for (size_t i = 0; i < p->nsets; i++) {
		bool v4 = addr.family == PCC_V4;

		if (v4 && p->sets[i].len < 96)
			continue;
		net = (struct pcc_prefix){.addr = p->sets[i].addr,
			.family = addr.family,
			.len = p->sets[i].len - (v4 ? 96 : 0)};
		if (!pcc_prefix_contains(&net, &addr.addr) || p->sets[i].len < best)
			continue;
		best = p->sets[i].len;
		sets = p->sets[i].sets;
	}
	return sets;
}

static void a_prefix_has_the_sets_of_those_around_it(void **state)
{
	static const struct {
		const char *prefix;
		uint64_t sets;
	} in[] = {
		{"10.1.2.0/24", 1},
		{"10.0.0.0/8", 2},
		{"10.1.0.0/16", 4},
		{"10.2.0.0/16", 8},
		{"10.1.2.0/24", 16},
		{"10.1.2.3", 32},
		{"2001:db8::/32", 64},
		{"2001:db8:1::/48", 128},
		{"0.0.0.0/0", 256},
	};
	static const struct {
		const char *addr;
		uint64_t sets;
	} out[] = {
		{"10.1.2.3", 1 | 2 | 4 | 16 | 32 | 256},
		{"10.1.2.4", 1 | 2 | 4 | 16 | 256},
		{"10.1.3.4", 2 | 4 | 256},
		{"10.2.3.4", 2 | 8 | 256},
		{"10.3.3.4", 2 | 256},
		{"11.1.2.3", 256},
		{"2001:db8:1::1", 64 | 128},
		{"2001:db8:2::1", 64},
		{"2001:db9::1", 0},
	};
	struct pcc_err err = {};
	struct pcc_policies p;

	(void)state;
	assert_int_equal(pcc_policies_alloc(&p), 0);
	for (size_t i = 0; i < COUNT(in); i++) {
		struct pcc_prefix x = prefix(in[i].prefix);

		assert_int_equal(pcc_policy_set_add(&p, &x, in[i].sets, &err), 0);
	}
	pcc_policy_sets_settle(&p);
	assert_int_equal(p.nsets, COUNT(in) - 1);
	for (size_t i = 0; i < COUNT(out); i++)
		if (look_up(&p, out[i].addr) != out[i].sets)
			fail_msg("%s: sets 0x%llx", out[i].addr,
				(unsigned long long)look_up(&p, out[i].addr));
	pcc_policies_free(&p);
}

static void more_prefixes_than_fit_are_refused(void **state)
{
	struct pcc_prefix x = prefix("10.0.0.0/24");
	struct pcc_err err = {};
	struct pcc_policies p;

	(void)state;
	assert_int_equal(pcc_policies_alloc(&p), 0);
	for (uint32_t i = 0; i < PCC_MAX_SET_PREFIXES; i++) {
		x.addr.a[3] = htonl(i << 8);
		assert_int_equal(pcc_policy_set_add(&p, &x, 1, &err), 0);
	}
	assert_int_equal(pcc_policy_set_add(&p, &x, 1, &err), -ENOSPC);
	pcc_policies_free(&p);
}

/* Rules that name the same file share its set; each file is read once. */
static void files_are_shared(void **state)
{
	char path[2][64];
	struct pcc_policies p;

	(void)state;
	for (int i = 0; i < 2; i++) {
		FILE *f;

		snprintf(path[i], sizeof(path[i]), "/tmp/pcc-unit-set.%d.%d", i, (int)getpid());
		f = fopen(path[i], "w");
		assert_non_null(f);
		if (!i)
			fputs("192.0.2.0/24\n", f);
		fclose(f);
	}
	snprintf(rule("a")->destination_file, 256, "%s", path[0]);
	snprintf(rule("empty")->destination_file, 256, "%s", path[1]);
	snprintf(rule("b")->destination_file, 256, "%s", path[0]);
	p = compiled();
	assert_int_equal(p.rules[0].sets, 1);
	assert_int_equal(p.rules[1].sets, 2);
	assert_int_equal(p.rules[2].sets, 1);
	assert_int_equal(p.nsets, 1);
	pcc_policies_free(&p);
	unlink(path[0]);
	unlink(path[1]);
}

/* ---------------------------------------------------------------- control groups */

static void the_mount_of_version_2_is_found(void **state)
{
	static const struct {
		const char *mounts, *want;
	} rows[] = {
		{"proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n",
			"/sys/fs/cgroup"},
		{"cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n"
		 "none /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
		 "none /mnt cgroup2 rw 0 0",
			"/sys/fs/cgroup/unified"},
		{"cgroup2 /cgroup2 tmpfs rw 0 0\n", NULL},
		{"", NULL},
	};
	char path[64];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int ret = pcc_cgroup_mount_point(rows[i].mounts, path, sizeof(path));

		assert_int_equal(ret, rows[i].want ? 0 : -ENOENT);
		if (rows[i].want)
			assert_string_equal(path, rows[i].want);
	}
	assert_int_equal(pcc_cgroup_mount_point(rows[0].mounts, path, 8), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(prefixes_become_masks, fresh),
		cmocka_unit_test_setup(flags_say_what_is_compared, fresh),
		cmocka_unit_test_setup(actions_have_names_for_targets, fresh),
		cmocka_unit_test_setup(exclusions_are_the_first_rule, fresh),
		cmocka_unit_test_setup(nothing_is_nothing, fresh),
		cmocka_unit_test_setup(full_is_1024_and_the_exclusions, fresh),
		cmocka_unit_test_setup(errors_name_the_rule, fresh),
		cmocka_unit_test_setup(a_text_is_one_prefix_a_line, fresh),
		cmocka_unit_test_setup(errors_have_file_and_line, fresh),
		cmocka_unit_test_setup(a_prefix_has_the_sets_of_those_around_it, fresh),
		cmocka_unit_test_setup(more_prefixes_than_fit_are_refused, fresh),
		cmocka_unit_test_setup(files_are_shared, fresh),
		cmocka_unit_test(the_mount_of_version_2_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
