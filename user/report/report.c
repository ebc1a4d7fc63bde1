// SPDX-License-Identifier: GPL-2.0-only
/* Reads a report: the snapshot of what is in force. */
#include "report/report.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/array.h"
#include "kernel/link.h"
#include "kernel/route.h"
#include "pins/policy_maps.h"

/* ---------------------------------------------------------------- links */

/* Does the WAN's routing table have a route out by the WAN for the family? */
static bool has_route(struct pcc_session *s, const struct pcc_wan_cfg *wan, enum pcc_family f)
{
	struct pcc_route_list list = {};
	bool found = false;

	if (pcc_route_dump(&s->nl, pcc_af[f], s->cfg.table_base + wan->id, &list, NULL))
		return false;
	for (size_t i = 0; i < list.n; i++)
		found = found || (list.v[i].type == RTN_UNICAST && list.v[i].oif == wan->ifindex);
	pcc_route_list_free(&list);
	return found;
}

/* Returns the state of a WAN's link. routed: by family, does its table have a route out? */
static enum pcc_report_link link_of(
	const struct pcc_wan_cfg *wan, const struct pcc_link *link, const bool routed[PCC_FAMILIES])
{
	if (!link)
		return PCC_LINK_MISSING;
	if (!(link->flags & IFF_UP))
		return PCC_LINK_DOWN;
	if (!(link->flags & IFF_LOWER_UP))
		return PCC_LINK_NO_CARRIER;
	if (!pcc_wan_serves(wan, PCC_V4) && !pcc_wan_serves(wan, PCC_V6))
		return PCC_LINK_NO_GATEWAY;
	for (int f = 0; f < PCC_FAMILIES; f++)
		if (pcc_wan_serves(wan, f) && !routed[f])
			return PCC_LINK_NO_ROUTE;
	return PCC_LINK_UP;
}

/*
 * Reads the links of all WANs. takes: by WAN and family, has it the link and the route that new
 * connections need?
 */
static void read_links(struct pcc_report *r, struct pcc_session *s, bool takes[][PCC_FAMILIES])
{
	for (uint32_t i = 0; i < r->cfg.nwans; i++) {
		const struct pcc_wan_cfg *wan = &r->cfg.wans[i];
		bool there, carrier, routed[PCC_FAMILIES];
		struct pcc_link link = {};

		there = !pcc_link_by_name(&s->nl, wan->name, &link, NULL);
		carrier = there && link.flags & IFF_LOWER_UP;
		for (int f = 0; f < PCC_FAMILIES; f++) {
			routed[f] = there && pcc_wan_serves(wan, f) && has_route(s, wan, f);
			takes[i][f] = carrier && routed[f];
		}
		r->wans[i].link = link_of(wan, there ? &link : NULL, routed);
	}
}

/* ---------------------------------------------------------------- buckets and shares */

static int read_buckets(struct pcc_report *r, struct pcc_session *s)
{
	uint8_t table[PCC_MAX_BUCKETS];

	for (int f = 0; f < PCC_FAMILIES; f++) {
		uint32_t n = pcc_dp_buckets(&s->dp, f, table);

		r->buckets[f] = calloc(n + 1, sizeof(*r->buckets[f]));
		if (!r->buckets[f])
			return -ENOMEM;
		r->nbuckets[f] = n;
		for (uint32_t i = 0; i < n; i++) {
			r->buckets[f][i].wan_id = table[i];
			if (r->parts & PCC_REPORT_BUCKETS)
				pcc_dp_bucket_stats(&s->dp, f, i, &r->buckets[f][i].counters);
		}
	}
	return 0;
}

/* Counts the buckets of each WAN id in a family. */
static void count_buckets(const struct pcc_report *r, enum pcc_family f, uint32_t n[PCC_WAN_SLOTS])
{
	memset(n, 0, PCC_WAN_SLOTS * sizeof(*n));
	for (uint32_t i = 0; i < r->nbuckets[f]; i++)
		if (r->buckets[f][i].wan_id < PCC_WAN_SLOTS)
			n[r->buckets[f][i].wan_id]++;
}

/*
 * Computes the WANs' shares of new connections. A WAN without link or route keeps its buckets, but
 * their connections take another WAN, so it has no share. If no WAN has both, each share is that of
 * the WAN's buckets.
 */
static void share_out(struct pcc_report *r, const bool takes[][PCC_FAMILIES])
{
	uint32_t owned[PCC_WAN_SLOTS], total[PCC_FAMILIES] = {};
	bool nobody[PCC_FAMILIES];
	int f;

	for (f = 0; f < PCC_FAMILIES; f++) {
		count_buckets(r, f, owned);
		for (uint32_t i = 0; i < r->cfg.nwans; i++) {
			r->wans[i].buckets[f] = owned[r->cfg.wans[i].id];
			total[f] += takes[i][f] ? r->wans[i].buckets[f] : 0;
		}
		nobody[f] = !total[f];
		if (nobody[f])
			total[f] = r->nbuckets[f];
	}
	f = total[PCC_V4] ? PCC_V4 : PCC_V6;
	for (uint32_t i = 0; i < r->cfg.nwans; i++)
		if (total[f] && (nobody[f] || takes[i][f]))
			r->wans[i].share = (double)r->wans[i].buckets[f] / total[f];
}

/* ---------------------------------------------------------------- interfaces */

/* The flowtables of the user's own rules: read once, then looked up for each interface. */
struct flowtables {
	struct pcc_flowtable_list list;
	struct pcc_link_list links;
	struct pcc_offloaded by_wan[PCC_MAX_WANS + 1];
};

static void flowtables_read(struct flowtables *ft, struct pcc_session *s)
{
	memset(ft, 0, sizeof(*ft));
	if (pcc_flowtable_dump(&ft->list) || !ft->list.n)
		return;
	pcc_link_dump(&s->nl, &ft->links, NULL);
	pcc_offload_count(&s->dp, ft->by_wan);
}

static void flowtables_free(struct flowtables *ft)
{
	pcc_flowtable_list_free(&ft->list);
	pcc_link_list_free(&ft->links);
}

static void flowtable_of(const struct flowtables *ft, const char *ifname, uint32_t ifindex,
	struct pcc_report_flowtable *to)
{
	struct pcc_flowtable_use use;

	pcc_flowtable_use_of(&ft->list, &ft->links, ifindex, &use);
	snprintf(to->name, sizeof(to->name), "%s", use.table ? use.table->name : "");
	memcpy(to->device, use.device, sizeof(to->device));
	to->unseen = use.unseen;
	pcc_flowtable_text(&use, ifname, to->text, to->hint);
}

/* Reads what is attached to an interface. both: it should have a program at egress, too. */
static void read_iface(struct pcc_session *s, const struct flowtables *ft, const char *ifname,
	uint32_t ifindex, bool both, struct pcc_report_iface *to)
{
	enum pcc_hook_kind in = pcc_hook_find(&s->dp, ifindex, PCC_HOOK_IN, NULL);
	enum pcc_hook_kind out = pcc_hook_find(&s->dp, ifindex, PCC_HOOK_OUT, NULL);

	to->hook = in == out || !both ? in : PCC_HOOK_NONE;
	pcc_fastpath_look(s, &s->cfg, ifindex, &to->fastpath);
	flowtable_of(ft, ifname, ifindex, &to->flowtable);
}

static void read_ifaces(struct pcc_report *r, struct pcc_session *s)
{
	struct flowtables ft;

	flowtables_read(&ft, s);
	for (uint32_t i = 0; i < r->cfg.nlans; i++)
		read_iface(s, &ft, r->cfg.lans[i].name, r->cfg.lans[i].ifindex, true, &r->lans[i]);
	for (uint32_t i = 0; i < r->cfg.nwans; i++) {
		const struct pcc_wan_cfg *wan = &r->cfg.wans[i];

		read_iface(s, &ft, wan->name, wan->ifindex, r->cfg.fastpath != PCC_FP_OFF,
			&r->wans[i].at);
		r->wans[i].offloaded = ft.by_wan[wan->id];
	}
	flowtables_free(&ft);
}

/* ---------------------------------------------------------------- what the daemon says */

/*
 * Returns the reason for a WAN's state. The daemon's reason applies only to a state that the daemon
 * has set; for any other it is out of date.
 */
static const char *reason_of(const struct pcc_wan_cfg *wan, const struct pcc_run_wan *said)
{
	if (!wan->by_daemon && !wan->degraded && !wan->standby)
		return wan->state == PCC_WAN_UP ? "" : "set by hand";
	return said ? said->reason : "";
}

static int read_daemon(struct pcc_report *r, struct pcc_session *s)
{
	struct pcc_run_wan *said = calloc(PCC_MAX_WANS, sizeof(*said));
	uint32_t n;

	if (!said)
		return -ENOMEM;
	r->daemon = pcc_run_alive(s->dp.dir);
	n = pcc_run_read(s->dp.dir, said, PCC_MAX_WANS);
	for (uint32_t i = 0; i < r->cfg.nwans; i++) {
		const struct pcc_run_wan *of = NULL;

		for (uint32_t k = 0; !of && k < n; k++)
			if (!strcmp(said[k].name, r->cfg.wans[i].name))
				of = &said[k];
		snprintf(r->wans[i].reason, sizeof(r->wans[i].reason), "%s",
			reason_of(&r->cfg.wans[i], of));
		if (of && r->daemon)
			r->wans[i].health = of->health;
	}
	free(said);
	return 0;
}

/* ---------------------------------------------------------------- counters */

static int read_counters(struct pcc_report *r, struct pcc_session *s)
{
	uint32_t n = pcc_policy_count(&s->dp);

	for (uint32_t i = 0; i < r->cfg.nwans; i++)
		pcc_dp_wan_stats(&s->dp, r->cfg.wans[i].id, &r->wans[i].counters);
	for (int reason = 0; reason < PCC_R_MAX; reason++)
		pcc_dp_counter(&s->dp, reason, &r->counters[reason]);
	r->policies = calloc(n + 1, sizeof(*r->policies));
	if (!r->policies)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		struct pcc_report_policy *to = &r->policies[r->npolicies];
		struct pcc_policy rule;

		if (pcc_policy_stats(&s->dp, i, &rule, &to->hit))
			continue;
		memcpy(to->name, rule.name, sizeof(to->name));
		r->npolicies++;
	}
	return 0;
}

/* ---------------------------------------------------------------- all */

static int read_attached(struct pcc_report *r, struct pcc_session *s)
{
	bool takes[PCC_MAX_WANS][PCC_FAMILIES] = {};
	int ret;

	r->attached = true;
	r->cfg = s->cfg;
	r->conntrack_kfuncs = !(s->dp.meta->flags & PCC_META_NO_CT);
	ret = read_buckets(r, s);
	if (!ret && r->parts & PCC_REPORT_COUNTERS)
		ret = read_counters(r, s);
	if (ret || !(r->parts & PCC_REPORT_STATE))
		return ret;
	read_links(r, s, takes);
	share_out(r, takes);
	read_ifaces(r, s);
	return read_daemon(r, s);
}

struct pcc_report *pcc_report_read(struct pcc_session *s, unsigned int parts)
{
	struct pcc_report *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->parts = parts;
	if (s->state == PCC_DP_ATTACHED && read_attached(r, s)) {
		pcc_report_free(r);
		return NULL;
	}
	return r;
}

void pcc_report_free(struct pcc_report *r)
{
	if (!r)
		return;
	for (int f = 0; f < PCC_FAMILIES; f++)
		free(r->buckets[f]);
	free(r->policies);
	free(r);
}

const char *pcc_report_link_text(enum pcc_report_link link)
{
	static const char *const texts[] = {
		[PCC_LINK_UP] = "up",
		[PCC_LINK_MISSING] = "missing",
		[PCC_LINK_DOWN] = "down",
		[PCC_LINK_NO_CARRIER] = "no carrier",
		[PCC_LINK_NO_GATEWAY] = "no gateway",
		[PCC_LINK_NO_ROUTE] = "no route",
	};

	return link < COUNT(texts) ? texts[link] : "?";
}

const char *pcc_bucket_owner(const struct pcc_report *r, const struct pcc_report_bucket *bucket)
{
	const struct pcc_wan_cfg *wan = pcc_config_find_wan_id(&r->cfg, bucket->wan_id);

	return wan ? wan->name : "";
}

bool pcc_report_any_down(const struct pcc_report *r)
{
	for (uint32_t i = 0; i < r->cfg.nwans; i++) {
		const struct pcc_wan_cfg *wan = &r->cfg.wans[i];

		if ((wan->state == PCC_WAN_DOWN && !wan->standby) || r->wans[i].link)
			return true;
	}
	return false;
}
