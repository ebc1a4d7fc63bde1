// SPDX-License-Identifier: GPL-2.0-only
/* stats: counters per WAN, per bucket, per reason. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cmds.h"
#include "pins/policy_maps.h"

static json_t *wans_json(struct pcc_session *s)
{
	json_t *wans = json_array();

	for (uint32_t i = 0; i < s->cfg.nwans; i++) {
		struct pcc_wan_stats st = {};

		pcc_dp_wan_stats(&s->dp, s->cfg.wans[i].id, &st);
		json_array_append_new(wans,
			json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "name",
				s->cfg.wans[i].name, "tx_packets", (json_int_t)st.tx_packets,
				"tx_bytes", (json_int_t)st.tx_bytes, "rx_packets",
				(json_int_t)st.rx_packets, "rx_bytes", (json_int_t)st.rx_bytes,
				"new_connections", (json_int_t)st.new_connections,
				"fastpath_packets", (json_int_t)st.fastpath_packets, "rx_errors",
				(json_int_t)st.rx_errors, "syn_sent", (json_int_t)st.syn_sent,
				"syn_answered", (json_int_t)st.syn_answered, "rtt_sum_us",
				(json_int_t)st.rtt_sum_us));
	}
	return wans;
}

static const char *owner_name(struct pcc_session *s, uint32_t id)
{
	const struct pcc_wan_cfg *wan = pcc_config_find_wan_id(&s->cfg, id);

	return wan ? wan->name : "";
}

/* Calls fn for every bucket of both families. */
static void each_bucket(struct pcc_session *s,
	void (*fn)(struct pcc_session *s, int family, uint32_t bucket, const char *wan,
		const struct pcc_bucket_stats *st, void *arg),
	void *arg)
{
	uint8_t table[PCC_MAX_BUCKETS];

	for (int f = 0; f < PCC_FAMILIES; f++) {
		uint32_t n = pcc_dp_buckets(&s->dp, f, table);

		for (uint32_t i = 0; i < n; i++) {
			struct pcc_bucket_stats st = {};

			pcc_dp_bucket_stats(&s->dp, f, i, &st);
			fn(s, f == PCC_V4 ? 4 : 6, i, owner_name(s, table[i]), &st, arg);
		}
	}
}

static void bucket_json(struct pcc_session *s, int family, uint32_t bucket, const char *wan,
	const struct pcc_bucket_stats *st, void *arg)
{
	(void)s;
	json_array_append_new(arg,
		json_pack("{s:i, s:I, s:s, s:I, s:I, s:I, s:I, s:I}", "family", family, "bucket",
			(json_int_t)bucket, "wan", wan, "tx_packets", (json_int_t)st->tx_packets,
			"tx_bytes", (json_int_t)st->tx_bytes, "rx_packets",
			(json_int_t)st->rx_packets, "rx_bytes", (json_int_t)st->rx_bytes,
			"new_connections", (json_int_t)st->new_connections));
}

static json_t *policies_json(struct pcc_session *s)
{
	json_t *policies = json_array();
	uint32_t n = pcc_policy_count(&s->dp);

	for (uint32_t i = 0; i < n; i++) {
		struct pcc_policy_hit hit = {};
		struct pcc_policy rule;

		if (!pcc_policy_stats(&s->dp, i, &rule, &hit))
			json_array_append_new(
				policies, json_pack("{s:s, s:I, s:I}", "name", rule.name,
						  "connections", (json_int_t)hit.connections,
						  "dropped_packets", (json_int_t)hit.dropped));
	}
	return policies;
}

static json_t *stats_json(struct pcc_session *s)
{
	json_t *counters = json_object(), *buckets = json_array();

	for (int r = 0; r < PCC_R_MAX; r++) {
		uint64_t n = 0;

		pcc_dp_counter(&s->dp, r, &n);
		json_object_set_new(counters, pcc_reason_name(r), json_integer(n));
	}
	each_bucket(s, bucket_json, buckets);
	return json_pack("{s:o, s:o, s:o, s:o}", "wans", wans_json(s), "buckets", buckets,
		"policies", policies_json(s), "counters", counters);
}

static void bucket_print(struct pcc_session *s, int family, uint32_t bucket, const char *wan,
	const struct pcc_bucket_stats *st, void *arg)
{
	char tx[16], rx[16];

	(void)s;
	(void)arg;
	printf("IPv%d %6u  %-15s %12llu %10s %12llu %10s %10llu\n", family, bucket, wan,
		(unsigned long long)st->tx_packets, pcc_bytes_text(st->tx_bytes, tx),
		(unsigned long long)st->rx_packets, pcc_bytes_text(st->rx_bytes, rx),
		(unsigned long long)st->new_connections);
}

static void wans_print(struct pcc_session *s)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < s->cfg.nwans; i++) {
		struct pcc_wan_stats st = {};

		pcc_dp_wan_stats(&s->dp, s->cfg.wans[i].id, &st);
		total += st.new_connections;
	}
	printf("%-15s %12s %10s %12s %10s %10s %7s\n", "WAN", "TX-PACKETS", "TX-BYTES",
		"RX-PACKETS", "RX-BYTES", "NEW-CONNS", "SHARE");
	for (uint32_t i = 0; i < s->cfg.nwans; i++) {
		struct pcc_wan_stats st = {};
		char tx[16], rx[16];

		pcc_dp_wan_stats(&s->dp, s->cfg.wans[i].id, &st);
		printf("%-15s %12llu %10s %12llu %10s %10llu %6.1f%%\n", s->cfg.wans[i].name,
			(unsigned long long)st.tx_packets, pcc_bytes_text(st.tx_bytes, tx),
			(unsigned long long)st.rx_packets, pcc_bytes_text(st.rx_bytes, rx),
			(unsigned long long)st.new_connections,
			total ? 100.0 * st.new_connections / total : 0);
	}
}

static void policies_print(struct pcc_session *s)
{
	uint32_t n = pcc_policy_count(&s->dp);

	if (n)
		printf("\n%-31s %12s %12s\n", "POLICY", "CONNECTIONS", "DROPPED");
	for (uint32_t i = 0; i < n; i++) {
		struct pcc_policy_hit hit = {};
		struct pcc_policy rule;

		if (!pcc_policy_stats(&s->dp, i, &rule, &hit))
			printf("%-31s %12llu %12llu\n", rule.name,
				(unsigned long long)hit.connections,
				(unsigned long long)hit.dropped);
	}
}

static void stats_print(struct pcc_session *s, bool buckets)
{
	wans_print(s);
	if (buckets) {
		printf("\nFAM  BUCKET  %-15s %12s %10s %12s %10s %10s\n", "WAN", "TX-PACKETS",
			"TX-BYTES", "RX-PACKETS", "RX-BYTES", "NEW-CONNS");
		each_bucket(s, bucket_print, NULL);
	}
	policies_print(s);
	printf("\n%-18s %12s  %s\n", "COUNTER", "PACKETS", "WHAT");
	for (int r = 0; r < PCC_R_MAX; r++) {
		uint64_t n = 0;

		if (!pcc_dp_counter(&s->dp, r, &n) && n)
			printf("%-18s %12llu  %s\n", pcc_reason_name(r), (unsigned long long)n,
				pcc_reason_text(r));
	}
}

static int stats_once(const struct pcc_args *args)
{
	struct pcc_session s;
	int status = pcc_cmd_open(&s, args, PCC_SESSION_READ);

	if (!status && args->opt[PCC_OPT_JSON].set)
		status = pcc_cmd_print_json(stats_json(&s));
	else if (!status)
		stats_print(&s, args->opt[PCC_OPT_PER_BUCKET].set);
	pcc_session_close(&s);
	return status;
}

int pcc_cmd_stats(const struct pcc_args *args)
{
	struct pcc_err err = {};
	uint32_t interval;
	int status;

	if (pcc_parse_u32(pcc_args_value(args, PCC_OPT_INTERVAL, "1"), "--interval", PCC_DECIMAL, 1,
		    3600, &interval, &err))
		return pcc_cmd_misused(&err);
	for (;;) {
		if (args->opt[PCC_OPT_WATCH].set && isatty(STDOUT_FILENO))
			printf("\033[H\033[2J");
		status = stats_once(args);
		if (status || !args->opt[PCC_OPT_WATCH].set)
			return status;
		if (fflush(stdout))
			return PCC_EXIT_FAILED;
		sleep(interval);
	}
}
