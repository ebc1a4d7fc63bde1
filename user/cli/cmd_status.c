// SPDX-License-Identifier: GPL-2.0-only
/* status, and the WAN table that wan list prints too. */
#include <jansson.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "cli/cmds.h"
#include "engine/fastpath.h"
#include "cli/flowtable_status.h"
#include "engine/observe.h"
#include "daemon/run.h"
#include "cli/status.h"
#include "health/wanstate.h"

/* What sits at the hooks of an interface; "none" says that something is missing. */
static const char *hook_text(struct pcc_session *s, uint32_t ifindex, bool both)
{
	enum pcc_hook_kind in = pcc_hook_find(&s->dp, ifindex, PCC_HOOK_IN, NULL);
	enum pcc_hook_kind out = pcc_hook_find(&s->dp, ifindex, PCC_HOOK_OUT, NULL);

	return pcc_hook_name(in == out || !both ? in : PCC_HOOK_NONE);
}

static json_t *gateway_json(const struct pcc_gateway *gw, enum pcc_family f)
{
	char text[PCC_ADDR_TEXT];

	if (gw->source != PCC_GW_GIVEN && gw->source != PCC_GW_FOUND)
		return json_null();
	return json_string(pcc_gateway_text(gw, f, text));
}

/* Has the WAN's table a way out for the family? */
static bool has_route(struct pcc_session *s, const struct pcc_wan_cfg *wan, int f)
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

static bool has_routes(struct pcc_session *s, const struct pcc_wan_cfg *wan)
{
	for (int f = 0; f < PCC_FAMILIES; f++)
		if (pcc_wan_serves(wan, f) && !has_route(s, wan, f))
			return false;
	return true;
}

/* What there is to say of a WAN's link. NULL: it is fine. */
static const char *link_trouble(struct pcc_session *s, const struct pcc_wan_cfg *wan)
{
	struct pcc_link link = {};

	if (pcc_link_by_name(&s->nl, wan->name, &link, NULL))
		return "missing";
	if (!(link.flags & IFF_UP))
		return "down";
	if (!(link.flags & IFF_LOWER_UP))
		return "no carrier";
	if (!pcc_wan_serves(wan, PCC_V4) && !pcc_wan_serves(wan, PCC_V6))
		return "no gateway";
	return has_routes(s, wan) ? NULL : "no route";
}

/* The WANs' buckets and what new connections make of them, by id. */
struct shares {
	uint32_t buckets[PCC_MAX_WANS + 1][PCC_FAMILIES];
	uint32_t taken[PCC_MAX_WANS + 1][PCC_FAMILIES]; /* of those that take connections */
	uint32_t total[PCC_FAMILIES];			/* taken, of all */
};

static bool takes_connections(struct pcc_session *s, const struct pcc_wan_cfg *wan, int f)
{
	struct pcc_link link = {};

	return pcc_wan_serves(wan, f) && !pcc_link_by_name(&s->nl, wan->name, &link, NULL) &&
	       link.flags & IFF_LOWER_UP && has_route(s, wan, f);
}

/*
 * A WAN without link or route keeps its buckets, but their connections take another WAN. Where none
 * has both, each answers for its own.
 */
static void shares_read(struct pcc_session *s, struct shares *shares)
{
	uint8_t table[PCC_MAX_BUCKETS];

	memset(shares, 0, sizeof(*shares));
	for (int f = 0; f < PCC_FAMILIES; f++) {
		uint32_t n = pcc_dp_buckets(&s->dp, f, table);

		for (uint32_t i = 0; i < n; i++)
			if (table[i] <= PCC_MAX_WANS)
				shares->buckets[table[i]][f]++;
		for (uint32_t i = 0; i < s->cfg.nwans; i++) {
			uint32_t id = s->cfg.wans[i].id;

			if (!shares->buckets[id][f] || !takes_connections(s, &s->cfg.wans[i], f))
				continue;
			shares->taken[id][f] = shares->buckets[id][f];
			shares->total[f] += shares->buckets[id][f];
		}
		if (shares->total[f])
			continue;
		shares->total[f] = n;
		for (uint32_t id = 0; id <= PCC_MAX_WANS; id++)
			shares->taken[id][f] = shares->buckets[id][f];
	}
}

/* Of the new connections in the family that it serves, IPv4 first. */
static double share_of(const struct shares *shares, uint32_t id)
{
	int f = shares->total[PCC_V4] ? PCC_V4 : PCC_V6;

	return shares->total[f] ? (double)shares->taken[id][f] / shares->total[f] : 0;
}

/* The daemon's reasons; of a state that is not its doing they are old. */
struct reasons {
	struct pcc_run_wan wans[PCC_MAX_WANS];
	uint32_t n;
};

static struct reasons *reasons_read(struct pcc_session *s)
{
	struct reasons *r = calloc(1, sizeof(*r));

	if (r)
		r->n = pcc_run_read(s->dp.dir, r->wans, PCC_MAX_WANS);
	return r;
}

static const char *reason_of(const struct reasons *r, const struct pcc_wan_cfg *wan)
{
	if (!wan->by_daemon && !wan->degraded && !wan->standby)
		return wan->state == PCC_WAN_UP ? "" : "set by hand";
	for (uint32_t i = 0; r && i < r->n; i++)
		if (!strcmp(r->wans[i].name, wan->name))
			return r->wans[i].reason;
	return "";
}

static const char *state_of(const struct pcc_wan_cfg *wan)
{
	return pcc_wan_state_text(wan->state, wan->degraded, wan->standby);
}

static json_t *wan_json(struct pcc_session *s, const struct pcc_wan_cfg *wan,
	const struct reasons *reasons, const struct shares *shares)
{
	struct pcc_fastpath_now fp;
	char mark[16];

	pcc_fastpath_look(s, &s->cfg, wan->ifindex, &fp);
	snprintf(mark, sizeof(mark), "0x%x", wan->id << pcc_mark_shift(s->cfg.mark_mask));
	return json_pack(
		"{s:s, s:i, s:s, s:s, s:i, s:s, s:I, s:o, s:o, s:i, s:i, s:f, s:s, s:s, s:s, s:s, s:s}",
		"name", wan->name, "id", wan->id, "state", state_of(wan), "reason",
		reason_of(reasons, wan), "weight", wan->weight, "mark", mark, "table",
		(json_int_t)s->cfg.table_base + wan->id, "gateway",
		gateway_json(&wan->gw[PCC_V4], PCC_V4), "gateway6",
		gateway_json(&wan->gw[PCC_V6], PCC_V6), "buckets", shares->buckets[wan->id][PCC_V4],
		"buckets6", shares->buckets[wan->id][PCC_V6], "share", share_of(shares, wan->id),
		"hook", hook_text(s, wan->ifindex, s->cfg.fastpath != PCC_FP_OFF), "fastpath",
		fp.mode, "fastpath_reason", fp.why, "fastpath_passes_by", fp.passes, "link",
		link_trouble(s, wan) ? link_trouble(s, wan) : "up");
}

static json_t *wans_json(struct pcc_session *s, const struct pcc_flowtable_status *ft)
{
	struct reasons *reasons = reasons_read(s);
	json_t *wans = json_array();
	struct shares shares;

	shares_read(s, &shares);
	for (uint32_t i = 0; i < s->cfg.nwans; i++) {
		const struct pcc_wan_cfg *wan = &s->cfg.wans[i];
		json_t *json = wan_json(s, wan, reasons, &shares);

		pcc_flowtable_status_json(ft, wan->ifindex, wan->id, json);
		json_array_append_new(wans, json);
	}
	free(reasons);
	return wans;
}

json_t *pcc_status_wans_json(struct pcc_session *s)
{
	struct pcc_flowtable_status ft;
	json_t *wans;

	pcc_flowtable_status_read(&ft, s);
	wans = wans_json(s, &ft);
	pcc_flowtable_status_free(&ft);
	return wans;
}

static json_t *lans_json(struct pcc_session *s, const struct pcc_flowtable_status *ft)
{
	json_t *lans = json_array();

	for (uint32_t i = 0; i < s->cfg.nlans; i++) {
		uint32_t ifindex = s->cfg.lans[i].ifindex;
		struct pcc_fastpath_now fp;
		json_t *json;

		pcc_fastpath_look(s, &s->cfg, ifindex, &fp);
		json = json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", s->cfg.lans[i].name, "hook",
			hook_text(s, ifindex, true), "fastpath", fp.mode, "fastpath_reason", fp.why,
			"fastpath_passes_by", fp.passes);
		pcc_flowtable_status_json(ft, ifindex, 0, json);
		json_array_append_new(lans, json);
	}
	return lans;
}

static json_t *status_json(struct pcc_session *s)
{
	struct pcc_flowtable_status ft;
	json_t *json;
	char mask[16];

	pcc_flowtable_status_read(&ft, s);
	snprintf(mask, sizeof(mask), "0x%x", s->cfg.mark_mask);
	json = json_pack("{s:b, s:s, s:s, s:s, s:I, s:I, s:s, s:I, s:s, s:s, s:b, s:b, s:o, s:o}",
		"attached", 1, "version", PCC_VERSION, "classifier",
		pcc_classifier_name(s->cfg.classifier), "scheme", pcc_scheme_name(s->cfg.scheme),
		"buckets",
		(json_int_t)s->dp.meta->half[s->dp.meta->active_half & 1].nbuckets[PCC_V4], "seed",
		(json_int_t)s->cfg.seed, "mark_mask", mask, "max_conns",
		(json_int_t)s->cfg.max_conns, "nat", s->cfg.nat4 ? "masquerade" : "none", "nat6",
		s->cfg.nat6 ? "masquerade" : "none", "conntrack_kfuncs",
		!(s->dp.meta->flags & PCC_META_NO_CT), "daemon", pcc_run_alive(s->dp.dir), "lan",
		lans_json(s, &ft), "wans", wans_json(s, &ft));
	pcc_flowtable_status_free(&ft);
	return json;
}

/* The kernel takes routes away with a link, and does not bring them back. */
static void hint_routes(struct pcc_session *s, FILE *out)
{
	for (uint32_t i = 0; i < s->cfg.nwans; i++) {
		const char *trouble = link_trouble(s, &s->cfg.wans[i]);

		if (trouble && !strcmp(trouble, "no route"))
			fprintf(out,
				"%s: its table %u has no default route, it takes no connections; "
				"`pccbpf wan set %s --state up` puts it back or says what is in the way\n",
				s->cfg.wans[i].name, s->cfg.table_base + s->cfg.wans[i].id,
				s->cfg.wans[i].name);
	}
}

void pcc_status_wans_print(struct pcc_session *s, FILE *out)
{
	char gw4[PCC_ADDR_TEXT], gw6[PCC_ADDR_TEXT];
	struct pcc_fastpath_now fp;
	struct reasons *reasons;
	struct shares shares;

	shares_read(s, &shares);
	fprintf(out, "%-15s %3s %-8s %6s %7s %8s %6s %-8s %-4s %-10s %s\n", "WAN", "ID", "STATE",
		"WEIGHT", "SHARE", "MARK", "TABLE", "HOOK", "FAST", "LINK", "GATEWAYS");
	for (uint32_t i = 0; i < s->cfg.nwans; i++) {
		const struct pcc_wan_cfg *wan = &s->cfg.wans[i];
		const char *trouble = link_trouble(s, wan);

		pcc_fastpath_look(s, &s->cfg, wan->ifindex, &fp);
		fprintf(out, "%-15s %3u %-8s %6u %6.1f%% %#8x %6u %-8s %-4s %-10s %s %s\n",
			wan->name, wan->id, state_of(wan), wan->weight,
			100 * share_of(&shares, wan->id),
			wan->id << pcc_mark_shift(s->cfg.mark_mask), s->cfg.table_base + wan->id,
			hook_text(s, wan->ifindex, s->cfg.fastpath != PCC_FP_OFF), fp.mode,
			trouble ? trouble : "up", pcc_gateway_text(&wan->gw[PCC_V4], PCC_V4, gw4),
			pcc_gateway_text(&wan->gw[PCC_V6], PCC_V6, gw6));
	}
	reasons = reasons_read(s);
	for (uint32_t i = 0; i < s->cfg.nwans; i++) {
		const char *reason = reason_of(reasons, &s->cfg.wans[i]);

		if (reason[0])
			fprintf(out, "%s is %s: %s\n", s->cfg.wans[i].name,
				state_of(&s->cfg.wans[i]), reason);
	}
	free(reasons);
}

/* What somebody else's program or filter does not see. */
static void passes_print(const char *name, const struct pcc_fastpath_now *fp)
{
	if (fp->passes[0])
		printf("%s: the %s does not see what the fast path forwards (%s)\n", name,
			fp->passes, fp->hint);
}

/* Why the fast path of a WAN is not further down; nothing where that is what was asked for. */
static void fastpath_why_print(struct pcc_session *s)
{
	bool asked = s->cfg.fastpath == PCC_FP_OFF || s->cfg.fastpath == PCC_FP_TC;

	for (uint32_t i = 0; i < s->cfg.nwans; i++) {
		struct pcc_fastpath_now fp;

		pcc_fastpath_look(s, &s->cfg, s->cfg.wans[i].ifindex, &fp);
		if (fp.why[0] && !asked)
			printf("WAN %s: fast path %s: %s\n", s->cfg.wans[i].name, fp.mode, fp.why);
		passes_print(s->cfg.wans[i].name, &fp);
	}
}

static void status_print(struct pcc_session *s)
{
	struct pcc_flowtable_status ft;
	const char *daemon = "";
	struct pcc_fastpath_now fp;

	if (pcc_run_alive(s->dp.dir))
		daemon = ", daemon running";
	printf("pccbpf %s, classifier %s, scheme %s, seed %u, mark mask 0x%x, nat %s, nat6 %s%s\n",
		PCC_VERSION, pcc_classifier_name(s->cfg.classifier), pcc_scheme_name(s->cfg.scheme),
		s->cfg.seed, s->cfg.mark_mask, s->cfg.nat4 ? "masquerade" : "none",
		s->cfg.nat6 ? "masquerade" : "none", daemon);
	pcc_flowtable_status_read(&ft, s);
	for (uint32_t i = 0; i < s->cfg.nlans; i++) {
		uint32_t ifindex = s->cfg.lans[i].ifindex;

		pcc_fastpath_look(s, &s->cfg, ifindex, &fp);
		printf("LAN %s: hook %s, fast path %s%s%s\n", s->cfg.lans[i].name,
			hook_text(s, ifindex, true), fp.mode, fp.why[0] ? ": " : "", fp.why);
		passes_print(s->cfg.lans[i].name, &fp);
		pcc_flowtable_status_print(&ft, s->cfg.lans[i].name, ifindex, 0);
	}
	pcc_status_wans_print(s, stdout);
	fastpath_why_print(s);
	for (uint32_t i = 0; i < s->cfg.nwans; i++)
		pcc_flowtable_status_print(
			&ft, s->cfg.wans[i].name, s->cfg.wans[i].ifindex, s->cfg.wans[i].id);
	pcc_flowtable_status_free(&ft);
	hint_routes(s, stdout);
}

/* A WAN that was declared down, or whose link is. */
static bool any_down(struct pcc_session *s)
{
	for (uint32_t i = 0; i < s->cfg.nwans; i++) {
		const struct pcc_wan_cfg *wan = &s->cfg.wans[i];

		if ((wan->state == PCC_WAN_DOWN && !wan->standby) || link_trouble(s, wan))
			return true;
	}
	return false;
}

int pcc_cmd_status(const struct pcc_args *args)
{
	bool json = args->opt[PCC_OPT_JSON].set;
	struct pcc_session s = {};
	struct pcc_err err = {};
	int status = PCC_EXIT_OK;

	if (pcc_session_open(&s, pcc_cmd_dir(args), PCC_SESSION_READ, 0, &err)) {
		status = pcc_cmd_failed(&err);
	} else if (s.state == PCC_DP_DAMAGED || s.state == PCC_DP_INCOMPLETE) {
		status = pcc_cmd_failed(&s.why);
	} else if (s.state == PCC_DP_ABSENT) {
		if (json)
			status = pcc_cmd_print_json(json_pack("{s:b, s:s, s:[], s:[]}", "attached",
				0, "version", PCC_VERSION, "lan", "wans"));
		else
			printf("not attached\n");
	} else {
		if (json)
			status = pcc_cmd_print_json(status_json(&s));
		else
			status_print(&s);
		if (!status && any_down(&s))
			status = PCC_EXIT_WAN_DOWN;
	}
	pcc_session_close(&s);
	return status;
}
