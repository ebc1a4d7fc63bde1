// SPDX-License-Identifier: GPL-2.0-only
/* Writes a report as JSON. */
#include <errno.h>
#include <jansson.h>

#include "cli/cmds.h"
#include "cli/write.h"

/* ---------------------------------------------------------------- status */

static json_t *gateway(const struct pcc_wan_cfg *wan, enum pcc_family f)
{
	const struct pcc_gateway *gw = &wan->gw[f];
	char text[PCC_ADDR_TEXT];

	if (gw->source != PCC_GW_GIVEN && gw->source != PCC_GW_FOUND)
		return json_null();
	return json_string(pcc_gateway_text(gw, f, text));
}

static json_t *hex(uint32_t value)
{
	char text[16];

	snprintf(text, sizeof(text), "0x%x", value);
	return json_string(text);
}

/* Adds what LANs and WANs both have: hook and fast path. */
static void add_iface(json_t *to, const struct pcc_report_iface *at)
{
	json_t *more = json_pack("{s:s, s:s, s:s, s:s}", "hook", pcc_hook_name(at->hook),
		"fastpath", at->fastpath.mode, "fastpath_reason", at->fastpath.why,
		"fastpath_passes_by", at->fastpath.passes);

	json_object_update(to, more);
	json_decref(more);
}

static void add_flowtable(json_t *to, const struct pcc_report_flowtable *ft)
{
	json_t *more = json_pack("{s:s, s:s, s:b}", "flowtable", ft->name, "flowtable_device",
		ft->device, "flowtable_unseen", ft->unseen);

	json_object_update(to, more);
	json_decref(more);
}

static json_t *number_or_null(bool known, uint64_t number)
{
	return known ? json_integer((json_int_t)number) : json_null();
}

static void add_offloaded(json_t *to, const struct pcc_offloaded *o)
{
	bool known = o->counted || !o->connections;

	json_object_set_new(to, "offloaded", json_integer((json_int_t)o->connections));
	json_object_set_new(to, "offloaded_unseen_packets", number_or_null(known, o->packets));
	json_object_set_new(to, "offloaded_unseen_bytes", number_or_null(known, o->bytes));
}

static json_t *wan_json(
	const struct pcc_config *cfg, const struct pcc_wan_cfg *wan, const struct pcc_report_wan *w)
{
	json_t *json = json_pack("{s:s, s:i, s:s, s:s, s:i, s:o, s:I, s:o, s:o, s:i, s:i, s:f}",
		"name", wan->name, "id", wan->id, "state",
		pcc_wan_state_text(wan->state, wan->degraded, wan->standby), "reason", w->reason,
		"weight", wan->weight, "mark", hex(wan->id << pcc_mark_shift(cfg->mark_mask)),
		"table", (json_int_t)cfg->table_base + wan->id, "gateway", gateway(wan, PCC_V4),
		"gateway6", gateway(wan, PCC_V6), "buckets", w->buckets[PCC_V4], "buckets6",
		w->buckets[PCC_V6], "share", w->share);

	add_iface(json, &w->at);
	json_object_set_new(json, "link", json_string(pcc_report_link_text(w->link)));
	add_flowtable(json, &w->at.flowtable);
	add_offloaded(json, &w->offloaded);
	return json;
}

static json_t *wans_json(const struct pcc_report *r)
{
	json_t *wans = json_array();

	for (uint32_t i = 0; i < r->cfg.nwans; i++)
		json_array_append_new(wans, wan_json(&r->cfg, &r->cfg.wans[i], &r->wans[i]));
	return wans;
}

static json_t *lans_json(const struct pcc_report *r)
{
	json_t *lans = json_array();

	for (uint32_t i = 0; i < r->cfg.nlans; i++) {
		json_t *json = json_pack("{s:s}", "name", r->cfg.lans[i].name);

		add_iface(json, &r->lans[i]);
		add_flowtable(json, &r->lans[i].flowtable);
		json_array_append_new(lans, json);
	}
	return lans;
}

static json_t *status_json(const struct pcc_report *r)
{
	const struct pcc_config *cfg = &r->cfg;

	if (!r->attached)
		return json_pack("{s:b, s:s, s:[], s:[]}", "attached", 0, "version", PCC_VERSION,
			"lan", "wans");
	return json_pack("{s:b, s:s, s:s, s:s, s:I, s:I, s:o, s:I, s:s, s:s, s:b, s:b, s:o, s:o}",
		"attached", 1, "version", PCC_VERSION, "classifier",
		pcc_classifier_name(cfg->classifier), "scheme", pcc_scheme_name(cfg->scheme),
		"buckets", (json_int_t)r->nbuckets[PCC_V4], "seed", (json_int_t)cfg->seed,
		"mark_mask", hex(cfg->mark_mask), "max_conns", (json_int_t)cfg->max_conns, "nat",
		cfg->nat4 ? "masquerade" : "none", "nat6", cfg->nat6 ? "masquerade" : "none",
		"conntrack_kfuncs", r->conntrack_kfuncs, "daemon", r->daemon, "lan", lans_json(r),
		"wans", wans_json(r));
}

/* ---------------------------------------------------------------- stats */

static void add_counters(json_t *to, const char *const *names, const void *counters, size_t n)
{
	const uint64_t *values = counters;

	for (size_t i = 0; i < n; i++)
		json_object_set_new(to, names[i], json_integer((json_int_t)values[i]));
}

static json_t *wan_stats_json(const struct pcc_report *r)
{
	json_t *wans = json_array();

	for (uint32_t i = 0; i < r->cfg.nwans; i++) {
		json_t *json = json_pack("{s:s}", "name", r->cfg.wans[i].name);

		add_counters(json, pcc_wan_counter_names, &r->wans[i].counters, PCC_WAN_COUNTERS);
		json_array_append_new(wans, json);
	}
	return wans;
}

static json_t *buckets_json(const struct pcc_report *r)
{
	json_t *buckets = json_array();

	for (int f = 0; f < PCC_FAMILIES; f++)
		for (uint32_t i = 0; i < r->nbuckets[f]; i++) {
			const struct pcc_report_bucket *b = &r->buckets[f][i];
			json_t *json = json_pack("{s:i, s:I, s:s}", "family", f == PCC_V4 ? 4 : 6,
				"bucket", (json_int_t)i, "wan", pcc_bucket_owner(r, b));

			add_counters(
				json, pcc_bucket_counter_names, &b->counters, PCC_BUCKET_COUNTERS);
			json_array_append_new(buckets, json);
		}
	return buckets;
}

static json_t *policies_json(const struct pcc_report *r)
{
	json_t *policies = json_array();

	for (uint32_t i = 0; i < r->npolicies; i++)
		json_array_append_new(policies,
			json_pack("{s:s, s:I, s:I}", "name", r->policies[i].name, "connections",
				(json_int_t)r->policies[i].hit.connections, "dropped_packets",
				(json_int_t)r->policies[i].hit.dropped));
	return policies;
}

static json_t *stats_json(const struct pcc_report *r)
{
	json_t *counters = json_object();

	for (int reason = 0; reason < PCC_R_MAX; reason++)
		json_object_set_new(counters, pcc_reason_name(reason),
			json_integer((json_int_t)r->counters[reason]));
	return json_pack("{s:o, s:o, s:o, s:o}", "wans", wan_stats_json(r), "buckets",
		buckets_json(r), "policies", policies_json(r), "counters", counters);
}

int pcc_show_json(const struct pcc_report *r, enum pcc_view view, FILE *out)
{
	switch (view) {
	case PCC_VIEW_STATUS:
		return pcc_json_dump(status_json(r), out);
	case PCC_VIEW_WANS:
		return pcc_json_dump(wans_json(r), out);
	case PCC_VIEW_STATS:
		return pcc_json_dump(stats_json(r), out);
	}
	return -EINVAL;
}
