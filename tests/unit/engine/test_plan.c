// SPDX-License-Identifier: GPL-2.0-only
/*
 * The plan: what has to be done to come from what is there to what is wanted. The router is a
 * struct: obey() does to it what the steps would do, so that a plan can be made again afterwards.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <linux/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "engine/plan.h"
#include "engine/step_table.h"

/* No machine has so many: a route is printed with the number of its device, not with a name. */
#define BR0 2000000010u
#define WAN1 2000000011u
#define WAN2 2000000012u

static struct pcc_config cfg, old;
static struct pcc_observed now;
static struct pcc_plan plan;
static char text[8192]; /* of the plan, as --dry-run prints it */

/* --- a router ------------------------------------------------------------------------------ */

static void add_link(const char *name, uint32_t ifindex)
{
	struct pcc_link *link = &now.links.v[now.links.n++];

	snprintf(link->name, sizeof(link->name), "%s", name);
	link->ifindex = ifindex;
	link->flags = IFF_UP | IFF_LOWER_UP;
}

static void add_address(uint32_t ifindex, int family, const char *addr, uint8_t prefixlen)
{
	struct pcc_ifaddr *a = &now.addrs.v[now.addrs.n++];

	a->ifindex = ifindex;
	a->family = family;
	a->prefixlen = prefixlen;
	assert_int_equal(inet_pton(family, addr, &a->addr), 1);
}

static void set_gateway(struct pcc_wan_cfg *wan, enum pcc_family f, const char *gw)
{
	wan->gw[f].source = PCC_GW_GIVEN;
	assert_int_equal(inet_pton(f == PCC_V4 ? AF_INET : AF_INET6, gw, &wan->gw[f].addr), 1);
}

static void add_wan(const char *name, uint32_t ifindex, const char *gw)
{
	struct pcc_wan_cfg *wan = &cfg.wans[cfg.nwans++];

	snprintf(wan->name, sizeof(wan->name), "%s", name);
	wan->id = cfg.nwans;
	wan->ifindex = ifindex;
	wan->weight = 1;
	wan->state = PCC_WAN_UP;
	set_gateway(wan, PCC_V4, gw);
}

/* The kernel has all sysctls, and none is as it is to be. */
static void have_sysctls(void)
{
	PCC_LIST_FREE(&now.sysctls);
	assert_int_equal(pcc_plan_sysctls(&cfg, now.has_v6, &now.sysctls), 0);
	for (size_t i = 0; i < now.sysctls.n; i++)
		strcpy(now.sysctls.v[i].value, "0");
}

/* br0 and two WANs of IPv4, and nothing of ours. */
static int setup(void **state)
{
	(void)state;
	memset(&now, 0, sizeof(now));
	pcc_config_defaults(&cfg);
	cfg.fastpath = PCC_FP_TC;
	cfg.lans[0].ifindex = BR0;
	strcpy(cfg.lans[0].name, "br0");
	cfg.nlans = 1;
	add_wan("wan1", WAN1, "192.0.2.1");
	add_wan("wan2", WAN2, "198.51.100.1");
	now.links.v = calloc(8, sizeof(*now.links.v));
	now.addrs.v = calloc(8, sizeof(*now.addrs.v));
	now.nexthops_possible = true;
	now.asked_possible = true;
	add_link("br0", BR0);
	add_link("wan1", WAN1);
	add_link("wan2", WAN2);
	add_address(BR0, AF_INET, "10.0.0.1", 24);
	add_address(WAN1, AF_INET, "192.0.2.2", 24);
	add_address(WAN2, AF_INET, "198.51.100.2", 24);
	have_sysctls();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pcc_plan_free(&plan);
	pcc_observed_free(&now);
	return 0;
}

/* Makes the plan, and its text. */
static void make(const struct pcc_config *from)
{
	FILE *out = fmemopen(text, sizeof(text), "w");

	assert_non_null(out);
	pcc_plan_free(&plan);
	assert_int_equal(pcc_plan_make(&plan, &cfg, from, &now), 0);
	pcc_plan_print(&plan, out);
	fclose(out);
}

static void sysctl_is(const struct pcc_step *step, const char *value)
{
	for (size_t i = 0; i < now.sysctls.n; i++)
		if (!strcmp(now.sysctls.v[i].path, step->sysctl.path))
			snprintf(now.sysctls.v[i].value, sizeof(now.sysctls.v[i].value), "%s",
				value);
}

static void remember(const struct pcc_step *step)
{
	struct pcc_sysctl_now was = {};

	memcpy(was.path, step->sysctl.path, sizeof(was.path));
	memcpy(was.value, step->sysctl.old, sizeof(was.value));
	memcpy(was.now, step->sysctl.value, sizeof(was.now));
	assert_int_equal(PCC_LIST_APPEND(&now.remembered, &was), 0);
}

static void hook_is(const struct pcc_step *step, bool there)
{
	struct pcc_hook_now is = {step->hook.ifindex, step->hook.dir, true};

	for (size_t i = 0; i < now.hooks.n; i++)
		if (now.hooks.v[i].ifindex == step->hook.ifindex &&
			now.hooks.v[i].dir == step->hook.dir)
			now.hooks.v[i--] = now.hooks.v[--now.hooks.n];
	if (!there)
		return;
	assert_int_equal(PCC_LIST_APPEND(&now.hooks, &is), 0);
}

static void route_is(const struct pcc_route *route, bool there)
{
	for (size_t i = 0; i < now.routes.n; i++)
		if (pcc_route_equal(&now.routes.v[i], route))
			now.routes.v[i--] = now.routes.v[--now.routes.n];
	if (!there)
		return;
	assert_int_equal(PCC_LIST_APPEND(&now.routes, route), 0);
}

static void rule_is(const struct pcc_rule *rule, bool there)
{
	for (size_t i = 0; i < now.rules.n; i++)
		if (pcc_rule_equal(&now.rules.v[i], rule))
			now.rules.v[i--] = now.rules.v[--now.rules.n];
	if (!there)
		return;
	assert_int_equal(PCC_LIST_APPEND(&now.rules, rule), 0);
}

static void xdp_is(const struct pcc_step *step, bool there)
{
	struct pcc_xdp_now is = {step->hook.ifindex, true, true};

	for (size_t i = 0; i < now.xdps.n; i++)
		if (now.xdps.v[i].ifindex == step->hook.ifindex)
			now.xdps.v[i--] = now.xdps.v[--now.xdps.n];
	if (!there)
		return;
	assert_int_equal(PCC_LIST_APPEND(&now.xdps, &is), 0);
}

static void obey_step(const struct pcc_step *step)
{
	switch (step->kind) {
	case PCC_STEP_SYSCTL:
		remember(step);
		sysctl_is(step, step->sysctl.value);
		break;
	case PCC_STEP_SYSCTL_BACK:
		now.remembered.n = 0;
		break;
	case PCC_STEP_HOOK_ON:
	case PCC_STEP_HOOK_OFF:
		hook_is(step, step->kind == PCC_STEP_HOOK_ON);
		break;
	case PCC_STEP_ROUTE_ADD:
		if (step->replaces)
			route_is(&step->old_route, false);
		route_is(&step->route, true);
		break;
	case PCC_STEP_ROUTE_DEL:
		route_is(&step->route, false);
		break;
	case PCC_STEP_RULE_ADD:
	case PCC_STEP_RULE_DEL:
		rule_is(&step->rule, step->kind == PCC_STEP_RULE_ADD);
		break;
	case PCC_STEP_XDP_ON:
	case PCC_STEP_XDP_SEND:
	case PCC_STEP_XDP_OFF:
		xdp_is(step, step->kind != PCC_STEP_XDP_OFF);
		break;
	case PCC_STEP_NEXTHOP_ON:
	case PCC_STEP_NEXTHOP_OFF:
		now.nexthops_watched = step->kind == PCC_STEP_NEXTHOP_ON;
		break;
	case PCC_STEP_OWN_ON:
	case PCC_STEP_OWN_OFF:
		now.own = now.own_current = step->kind == PCC_STEP_OWN_ON;
		break;
	case PCC_STEP_ASKED_ON:
		now.asked = true;
		break;
	case PCC_STEP_NAT_FIRST:
	case PCC_STEP_NAT_LAST:
		now.nat_matches = true;
		break;
	case PCC_STEP_COMMIT:
		now.maps_match = true;
		break;
	case PCC_STEP_RELEASE:
	case PCC_STEP_MAX:
		break;
	}
}

/* The router is then as the plan has it, and cfg is what is in force. */
static void obey(void)
{
	for (size_t i = 0; i < plan.n; i++)
		obey_step(&plan.v[i]);
	old = cfg;
}

static void attach(void)
{
	make(NULL);
	obey();
}

static size_t steps_of(enum pcc_step_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < plan.n; i++)
		n += plan.v[i].kind == kind;
	return n;
}

/* Is there a step whose line contains the words? */
static bool says(const char *words)
{
	return strstr(text, words) != NULL;
}

/* --- from nothing -------------------------------------------------------------------------- */

static void attach_has_its_order(void **state)
{
	(void)state;
	make(NULL);
	assert_string_equal(text,
		"sysctl -w net/ipv4/tcp_fwmark_accept=1    # is 0\n"
		"sysctl -w net/ipv4/fwmark_reflect=1    # is 0\n"
		"sysctl -w net/netfilter/nf_conntrack_tcp_ignore_invalid_rst=1    # is 0\n"
		"sysctl -w net/netfilter/nf_conntrack_tcp_be_liberal=1    # is 0\n"
		"sysctl -w net/ipv4/conf/wan1/src_valid_mark=1    # is 0\n"
		"sysctl -w net/ipv4/conf/wan1/ignore_routes_with_linkdown=1    # is 0\n"
		"sysctl -w net/ipv4/conf/wan2/src_valid_mark=1    # is 0\n"
		"sysctl -w net/ipv4/conf/wan2/ignore_routes_with_linkdown=1    # is 0\n"
		"tc attach dev wan1 ingress pcc_wan_in\n"
		"tc attach dev wan1 egress pcc_wan_out\n"
		"tc attach dev wan2 ingress pcc_wan_in\n"
		"tc attach dev wan2 egress pcc_wan_out\n"
		"ip route add prohibit default table 165 proto 172 metric 4278198272\n"
		"ip route add unreachable default table 101 proto 172 metric 4278198272\n"
		"ip route add default via 192.0.2.1 dev if2000000011 table 101 proto 172 metric 172\n"
		"ip route add unreachable default table 102 proto 172 metric 4278198272\n"
		"ip route add default via 198.51.100.1 dev if2000000012 table 102 proto 172 metric 172\n"
		"ip rule add pref 10000 not from all fwmark 0x8000/0x8000 lookup main suppress_prefixlength 0 proto 172\n"
		"ip rule add pref 10099 from 192.0.0.8 lookup 165 proto 172\n"
		"ip rule add pref 10001 from all fwmark 0x100/0x7f00 lookup 101 proto 172\n"
		"ip rule add pref 10101 from 192.0.2.2 lookup 101 proto 172\n"
		"ip rule add pref 10002 from all fwmark 0x200/0x7f00 lookup 102 proto 172\n"
		"ip rule add pref 10102 from 198.51.100.2 lookup 102 proto 172\n"
		"nft replace table inet pccbpf\n"
		"tc attach dev br0 egress pcc_lan_out\n"
		"tc attach dev br0 ingress pcc_lan_in\n"
		"maps: write WANs, interfaces and bucket tables, switch to them\n"
		"cgroup attach pcc_asked_in, pcc_asked_out4, pcc_asked_out6\n"
		"bpf: watch neighbours that change their MAC\n");
}

static void nothing_is_to_be_done_twice(void **state)
{
	(void)state;
	attach();
	make(&old);
	assert_string_equal(text, "nothing to do\n");
}

/* A program that is not this build's, a route and a rule of ours that nobody wants. */
static void what_is_wrong_is_put_right_and_nothing_else(void **state)
{
	struct pcc_route route;
	struct pcc_rule rule;

	(void)state;
	attach();
	now.hooks.v[0].current = false;
	route = now.routes.v[0];
	route.metric = 77;
	route_is(&route, true);
	rule = now.rules.v[0];
	rule.pref++;
	rule.table = 4711;
	rule_is(&rule, true);
	now.nat_matches = false;
	make(&old);
	assert_int_equal(plan.n, 4);
	assert_int_equal(steps_of(PCC_STEP_HOOK_ON), 1);
	assert_int_equal(steps_of(PCC_STEP_NAT_FIRST), 1);
	assert_int_equal(steps_of(PCC_STEP_RULE_DEL), 1);
	assert_int_equal(steps_of(PCC_STEP_ROUTE_DEL), 1);
	obey();
	make(&old);
	assert_string_equal(text, "nothing to do\n");
}

/* What serves no packet any more is taken away after the maps have been switched. */
static void takes_away_come_after_the_commit(void **state)
{
	bool committed = false;

	(void)state;
	attach();
	cfg.nwans = 1;
	now.maps_match = now.nat_matches = false;
	make(&old);
	for (size_t i = 0; i < plan.n; i++) {
		enum pcc_step_kind kind = plan.v[i].kind;

		if (kind == PCC_STEP_COMMIT)
			committed = true;
		if (kind == PCC_STEP_HOOK_OFF || kind == PCC_STEP_RULE_DEL ||
			kind == PCC_STEP_ROUTE_DEL || kind == PCC_STEP_NAT_LAST ||
			kind == PCC_STEP_SYSCTL_BACK || kind == PCC_STEP_RELEASE)
			assert_true(committed);
		else
			assert_true(!committed || kind == PCC_STEP_COMMIT);
	}
	assert_true(committed);
}

/* --- WANs that come, go and change --------------------------------------------------------- */

static void a_wan_that_goes_leaves_nothing_and_the_other_as_it_is(void **state)
{
	(void)state;
	attach();
	cfg.nwans = 1;
	now.maps_match = now.nat_matches = false;
	make(&old);
	assert_string_equal(text,
		"nft replace table inet pccbpf\n"
		"maps: write WANs, interfaces and bucket tables, switch to them\n"
		"tc detach dev wan2 ingress\n"
		"tc detach dev wan2 egress\n"
		"ip rule del pref 10002 from all fwmark 0x200/0x7f00 lookup 102 proto 172\n"
		"ip rule del pref 10102 from 198.51.100.2 lookup 102 proto 172\n"
		"ip route del unreachable default table 102 proto 172 metric 4278198272\n"
		"ip route del default via 198.51.100.1 dev if2000000012 table 102 proto 172 metric 172\n"
		"nft replace table inet pccbpf\n"
		"sysctl -w net/ipv4/conf/wan2/src_valid_mark=0    # as it was\n"
		"sysctl -w net/ipv4/conf/wan2/ignore_routes_with_linkdown=0    # as it was\n"
		"release the connections of wan2\n");
	assert_false(says("wan1"));
	assert_false(says("table 101"));
	assert_string_equal(plan.v[plan.n - 1].release.wan_name, "wan2");
	assert_int_equal(plan.v[plan.n - 1].release.wan_id, 2);
	obey();
	make(&old);
	assert_string_equal(text, "nothing to do\n");
}

/* While connections are on their way out the NAT table still has their WAN. */
static void nat_keeps_a_wan_until_the_last_step(void **state)
{
	struct pcc_nat_cfg nat;

	(void)state;
	attach();
	cfg.nwans = 1;
	pcc_plan_nat(&cfg, &old, false, &nat);
	assert_int_equal(nat.nwans, 2);
	assert_string_equal(nat.wans[1].name, "wan2");
	pcc_plan_nat(&cfg, NULL, false, &nat);
	assert_int_equal(nat.nwans, 1);
	assert_string_equal(nat.wans[0].name, "wan1");
	assert_int_equal(nat.wans[0].mark, 0x100);
}

static void another_gateway_replaces_one_route(void **state)
{
	(void)state;
	attach();
	set_gateway(&cfg.wans[1], PCC_V4, "198.51.100.9");
	now.maps_match = false;
	make(&old);
	assert_int_equal(plan.n, 2);
	assert_int_equal(plan.v[0].kind, PCC_STEP_ROUTE_ADD);
	assert_true(plan.v[0].replaces);
	assert_int_equal(plan.v[0].old_route.gateway.v4.s_addr, inet_addr("198.51.100.1"));
	assert_int_equal(plan.v[0].route.gateway.v4.s_addr, inet_addr("198.51.100.9"));
	assert_int_equal(plan.v[1].kind, PCC_STEP_COMMIT);
}

/* Once, when it goes down; not again, and not when it comes up. */
static void a_wan_that_goes_down_is_released_once(void **state)
{
	(void)state;
	attach();
	cfg.wans[0].state = PCC_WAN_DOWN;
	now.maps_match = false;
	make(&old);
	assert_string_equal(text, "maps: write WANs, interfaces and bucket tables, switch to them\n"
				  "release the connections of wan1\n");
	obey();
	make(&old);
	assert_int_equal(steps_of(PCC_STEP_RELEASE), 0);
	cfg.wans[0].state = PCC_WAN_UP;
	make(&old);
	assert_int_equal(steps_of(PCC_STEP_RELEASE), 0);
}

/* --- links that are not as they should be -------------------------------------------------- */

/* The steps for a WAN or LAN, or with 0 for all. */
static size_t steps_for(uint32_t wan_id, enum pcc_step_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < plan.n; i++)
		n += plan.v[i].kind == kind && plan.v[i].wan_id == wan_id;
	return n;
}

/* The kernel takes routes over a link without carrier; it does not use them until it has one. */
static void a_wan_without_carrier_gets_all_and_stops_nobody(void **state)
{
	char before[sizeof(text)];

	(void)state;
	make(NULL);
	memcpy(before, text, sizeof(before));
	now.links.v[2].flags = IFF_UP;
	make(NULL);
	assert_string_equal(text, before);
}

/* A device that is down takes no route: new connections of the WAN are refused, the other works. */
static void a_wan_that_is_down_has_no_way_out_and_stops_nobody(void **state)
{
	(void)state;
	now.links.v[2].flags = 0;
	make(NULL);
	assert_int_equal(steps_for(1, PCC_STEP_ROUTE_ADD), 1);
	assert_int_equal(steps_for(2, PCC_STEP_ROUTE_ADD), 0);
	assert_true(says("ip route add default via 192.0.2.1 dev if2000000011"));
	assert_false(says("198.51.100.1"));
	assert_true(says("ip route add unreachable default table 102"));
	assert_int_equal(steps_for(2, PCC_STEP_HOOK_ON), 2);
	obey();
	now.links.v[2].flags = IFF_UP | IFF_LOWER_UP;
	make(&old);
	assert_int_equal(plan.n, 1);
	assert_true(says("via 198.51.100.1"));
}

/* An interface that is gone has no programs to get, and the others get theirs. */
static void a_wan_whose_interface_is_gone_stops_nobody(void **state)
{
	(void)state;
	now.links.n = 2;
	make(NULL);
	assert_int_equal(steps_for(1, PCC_STEP_HOOK_ON), 2);
	assert_int_equal(steps_for(1, PCC_STEP_ROUTE_ADD), 1);
	assert_int_equal(steps_for(2, PCC_STEP_HOOK_ON), 0);
	assert_int_equal(steps_for(2, PCC_STEP_ROUTE_ADD), 0);
	assert_int_equal(steps_of(PCC_STEP_COMMIT), 1);
}

/* Who waits for its address has no route for the moment, and keeps its rules and programs. */
static void a_wan_that_waits_for_an_address_has_no_route(void **state)
{
	(void)state;
	attach();
	cfg.wans[1].waits[PCC_V4] = true;
	make(&old);
	assert_int_equal(plan.n, 1);
	assert_int_equal(plan.v[0].kind, PCC_STEP_ROUTE_DEL);
	assert_int_equal(plan.v[0].route.gateway.v4.s_addr, inet_addr("198.51.100.1"));
}

/* What a WAN or LAN is without when its step fails; what all need has no WAN. */
static void a_step_has_who_it_is_for(void **state)
{
	(void)state;
	cfg.wans[0].accept_local = true;
	have_sysctls();
	make(NULL);
	for (size_t i = 0; i < plan.n; i++) {
		const struct pcc_step *step = &plan.v[i];

		switch (step->kind) {
		case PCC_STEP_HOOK_ON:
			assert_int_equal(step->families, PCC_BOTH_FAMILIES);
			assert_int_equal(step->wan_id,
				step->hook.ifindex == BR0 ? 0 : step->hook.ifindex - BR0);
			assert_int_equal(step->lan_ifindex, step->hook.ifindex == BR0 ? BR0 : 0);
			break;
		case PCC_STEP_ROUTE_ADD:
			if (step->route.has_gateway)
				assert_int_equal(step->wan_id, step->route.oif - BR0);
			else
				assert_int_equal(step->wan_id, 0);
			assert_int_equal(step->families, PCC_FAMILY_BIT(PCC_V4));
			break;
		case PCC_STEP_SYSCTL:
			assert_int_equal(
				step->wan_id != 0, strstr(step->sysctl.path, "/wan") != NULL);
			if (step->wan_id)
				assert_int_equal(
					step->families, strstr(step->sysctl.path, "/accept_local")
								? 0
								: PCC_BOTH_FAMILIES);
			break;
		default:
			assert_int_equal(step->wan_id, 0);
			assert_int_equal(step->lan_ifindex, 0);
		}
	}
}

/* The data plane drops what the kernel is told to let pass: the maps have to know. */
static void accept_local_comes_with_a_commit(void **state)
{
	(void)state;
	attach();
	cfg.lans[0].accept_local = true;
	have_sysctls();
	for (size_t i = 0; i + 1 < now.sysctls.n; i++)
		strcpy(now.sysctls.v[i].value, "1");
	make(&old);
	assert_string_equal(text,
		"sysctl -w net/ipv4/conf/br0/accept_local=1    # is 0\n"
		"maps: write WANs, interfaces and bucket tables, switch to them\n");
	assert_int_equal(plan.v[0].lan_ifindex, BR0);
	assert_int_equal(plan.v[0].families, 0);
}

/* --- IPv6 ---------------------------------------------------------------------------------- */

static void a_kernel_with_ipv6_gets_rules_for_it(void **state)
{
	(void)state;
	now.has_v6 = true;
	add_address(WAN1, AF_INET6, "2001:db8:1::2", 64);
	set_gateway(&cfg.wans[0], PCC_V6, "fe80::1");
	have_sysctls();
	make(NULL);
	assert_true(says("ip -6 route add default via fe80::1 dev if2000000011"));
	assert_false(says("onlink"));
	assert_true(
		says("ip -6 rule add pref 10000 not from all fwmark 0x8000/0x8000 lookup main"));
	obey();
	make(&old);
	assert_string_equal(text, "nothing to do\n");
}

/* Without carrier the kernel believes no IPv6 gateway, unless it is told that it is there. */
static void an_ipv6_gateway_without_carrier_is_onlink(void **state)
{
	size_t onlink = 0;

	(void)state;
	now.has_v6 = true;
	now.links.v[1].flags = IFF_UP;
	set_gateway(&cfg.wans[0], PCC_V6, "fe80::1");
	make(NULL);
	for (size_t i = 0; i < plan.n; i++)
		onlink += plan.v[i].kind == PCC_STEP_ROUTE_ADD && plan.v[i].route.onlink;
	assert_int_equal(onlink, 1);
	assert_true(says("onlink"));
	assert_int_equal(steps_for(1, PCC_STEP_ROUTE_ADD), 2);
	assert_int_equal(steps_for(2, PCC_STEP_ROUTE_ADD), 1);
	obey();
	now.links.v[1].flags = IFF_UP | IFF_LOWER_UP;
	make(&old);
	assert_string_equal(text, "nothing to do\n");
}

/* --- the fast path and the router's own connections ---------------------------------------- */

static void xdp_comes_is_mended_and_goes(void **state)
{
	(void)state;
	cfg.wans[0].xdp = cfg.wans[1].xdp = true;
	make(NULL);
	assert_int_equal(steps_of(PCC_STEP_XDP_ON), 2);
	obey();
	make(&old);
	assert_string_equal(text, "nothing to do\n");
	now.xdps.v[0].current = false;
	now.xdps.v[1].sends_right = false;
	make(&old);
	assert_string_equal(text, "xdp attach dev wan1 pcc_fast\n"
				  "maps: XDP sends to wan2, if its driver takes that now\n");
	obey();
	cfg.wans[0].xdp = cfg.wans[1].xdp = false;
	make(&old);
	assert_int_equal(plan.n, 2);
	assert_int_equal(steps_of(PCC_STEP_XDP_OFF), 2);
}

/* Two VLANs whose frames come from one device. */
static void a_device_below_two_wans_gets_xdp_once(void **state)
{
	(void)state;
	add_link("eth0", 2000000020);
	for (uint32_t i = 0; i < 2; i++) {
		struct pcc_wire_out out = {.wire.ifindex = 2000000020};

		cfg.wans[i].xdp = true;
		pcc_config_wire_add(&cfg, cfg.wans[i].ifindex, &out);
	}
	make(NULL);
	assert_int_equal(steps_of(PCC_STEP_XDP_ON), 1);
	assert_true(says("xdp attach dev eth0 pcc_fast\n"));
}

/* pcc_wan_out and the watch of next hops are for the fast path only. */
static void without_a_fast_path_less_is_attached(void **state)
{
	(void)state;
	attach();
	cfg.fastpath = PCC_FP_OFF;
	make(&old);
	assert_string_equal(text, "bpf: watch neighbours no longer\n"
				  "tc detach dev wan1 egress\n"
				  "tc detach dev wan2 egress\n");
}

static void own_connections_come_and_go(void **state)
{
	(void)state;
	attach();
	cfg.own = true;
	make(&old);
	assert_string_equal(text, "cgroup attach pcc_connect4, pcc_connect6\n");
	obey();
	now.own_current = false;
	make(&old);
	assert_string_equal(text, "cgroup attach pcc_connect4, pcc_connect6\n");
	obey();
	cfg.own = false;
	make(&old);
	assert_string_equal(text, "cgroup detach pcc_connect4, pcc_connect6\n");
}

/* Always, and once: a router that refuses is not asked again. */
static void answers_of_services_are_always_on(void **state)
{
	(void)state;
	attach();
	now.asked = false;
	make(&old);
	assert_string_equal(text, "cgroup attach pcc_asked_in, pcc_asked_out4, pcc_asked_out6\n");
	obey();
	make(&old);
	assert_string_equal(text, "nothing to do\n");
	now.asked = now.asked_possible = false;
	make(&old);
	assert_string_equal(text, "nothing to do\n");
}

/* --- the table ----------------------------------------------------------------------------- */

/* But for what cannot be undone, and what is the same with either configuration. */
static void every_kind_of_step_has_its_row(void **state)
{
	(void)state;
	for (enum pcc_step_kind kind = 0; kind < PCC_STEP_MAX; kind++) {
		const struct pcc_step_type *type = &pcc_step_types[kind];

		assert_non_null(type->name);
		assert_non_null(type->act);
		assert_non_null(type->print);
		assert_int_equal(
			type->undo != NULL, kind != PCC_STEP_RELEASE && kind != PCC_STEP_XDP_SEND);
		assert_true(type->about < PCC_ABOUT_MAX);
		for (enum pcc_step_kind k = 0; k < kind; k++)
			assert_string_not_equal(type->name, pcc_step_types[k].name);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(attach_has_its_order),
		TEST(nothing_is_to_be_done_twice),
		TEST(what_is_wrong_is_put_right_and_nothing_else),
		TEST(takes_away_come_after_the_commit),
		TEST(a_wan_that_goes_leaves_nothing_and_the_other_as_it_is),
		TEST(nat_keeps_a_wan_until_the_last_step),
		TEST(another_gateway_replaces_one_route),
		TEST(a_wan_that_goes_down_is_released_once),
		TEST(a_wan_without_carrier_gets_all_and_stops_nobody),
		TEST(a_wan_that_is_down_has_no_way_out_and_stops_nobody),
		TEST(a_wan_whose_interface_is_gone_stops_nobody),
		TEST(a_wan_that_waits_for_an_address_has_no_route),
		TEST(a_step_has_who_it_is_for),
		TEST(accept_local_comes_with_a_commit),
		TEST(a_kernel_with_ipv6_gets_rules_for_it),
		TEST(an_ipv6_gateway_without_carrier_is_onlink),
		TEST(xdp_comes_is_mended_and_goes),
		TEST(a_device_below_two_wans_gets_xdp_once),
		TEST(without_a_fast_path_less_is_attached),
		TEST(own_connections_come_and_go),
		TEST(answers_of_services_are_always_on),
		TEST(every_kind_of_step_has_its_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
