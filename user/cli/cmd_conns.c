// SPDX-License-Identifier: GPL-2.0-only
/* The commands conns and conns flush: the remembered connections. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/cmds.h"
#include "kernel/conntrack.h"
#include "pins/flows.h"
#include "pins/offload.h"

/* The connections that the options select. */
struct filter {
	bool wan_set, src_set, dst_set, proto_set, sport_set, dport_set, origin_set;
	uint32_t wan_id;
	struct pcc_prefix src, dst;
	uint8_t proto;
	uint32_t sport, dport;
	enum pcc_origin origin;
	uint64_t limit;
};

/* The state of the walk over the map. */
struct walk {
	struct pcc_session *s;
	struct filter filter;
	json_t *json; /* NULL: print text */
	uint64_t now_ns, n;
	bool flush;
	struct pcc_flows flows;
	struct pcc_offload_set offloaded; /* connections that a flowtable forwards */
	struct pcc_ct_deleter deleter;
};

static int filter_ports(const struct pcc_args *args, struct filter *f, struct pcc_err *err)
{
	const char *word = pcc_args_value(args, PCC_OPT_F_SPORT, NULL);
	int ret = 0;

	f->sport_set = word;
	if (word)
		ret = pcc_parse_u32(word, "--sport", PCC_DECIMAL, 0, 65535, &f->sport, err);
	word = pcc_args_value(args, PCC_OPT_F_DPORT, NULL);
	f->dport_set = word;
	if (!ret && word)
		ret = pcc_parse_u32(word, "--dport", PCC_DECIMAL, 0, 65535, &f->dport, err);
	return ret;
}

static int filter_parse(const struct pcc_args *args, struct filter *f, struct pcc_err *err)
{
	const char *word;
	uint32_t limit;
	int ret;

	memset(f, 0, sizeof(*f));
	f->limit = UINT64_MAX;
	ret = filter_ports(args, f, err);
	word = pcc_args_value(args, PCC_OPT_F_SRC, NULL);
	f->src_set = word;
	if (!ret && word)
		ret = pcc_parse_prefix(word, "--src", &f->src, err);
	word = pcc_args_value(args, PCC_OPT_F_DST, NULL);
	f->dst_set = word;
	if (!ret && word)
		ret = pcc_parse_prefix(word, "--dst", &f->dst, err);
	word = pcc_args_value(args, PCC_OPT_F_PROTO, NULL);
	f->proto_set = word;
	if (!ret && word)
		ret = pcc_parse_proto(word, "--proto", &f->proto, err);
	word = pcc_args_value(args, PCC_OPT_F_ORIGIN, NULL);
	f->origin_set = word;
	if (!ret && word)
		ret = pcc_parse_origin(word, &f->origin, err);
	word = pcc_args_value(args, PCC_OPT_LIMIT, NULL);
	if (!ret && word) {
		ret = pcc_parse_u32(word, "--limit", PCC_DECIMAL, 1, UINT32_MAX, &limit, err);
		f->limit = limit;
	}
	return ret;
}

/* Resolves the WAN's name in the filter, which needs to know what is attached. */
static int filter_resolve(
	const struct pcc_args *args, struct filter *f, struct pcc_session *s, struct pcc_err *err)
{
	const char *word = pcc_args_value(args, PCC_OPT_F_WAN, NULL);
	const struct pcc_wan_cfg *wan;

	if (!word)
		return 0;
	wan = pcc_config_find_wan_const(&s->cfg, word);
	if (!wan) {
		pcc_err_set(err, -ENODEV, "--wan", "'%s' is not attached as a WAN", word);
		return pcc_err_hint(err, -ENODEV, "`pccbpf wan list` names them");
	}
	f->wan_set = true;
	f->wan_id = wan->id;
	return 0;
}

static bool filter_matches(
	const struct filter *f, const struct pcc_tuple *k, const struct pcc_conn *c)
{
	struct pcc_addr src, dst;

	if (!c->wan_id) /* a remembered bypass is not a connection of a WAN */
		return false;
	memcpy(src.a, k->src, sizeof(src.a));
	memcpy(dst.a, k->dst, sizeof(dst.a));
	return (!f->wan_set || c->wan_id == f->wan_id) && (!f->proto_set || k->proto == f->proto) &&
	       (!f->sport_set || ntohs(k->sport) == f->sport) &&
	       (!f->dport_set || ntohs(k->dport) == f->dport) &&
	       (!f->origin_set || c->origin == f->origin) &&
	       (!f->src_set || pcc_prefix_contains(&f->src, &src)) &&
	       (!f->dst_set || pcc_prefix_contains(&f->dst, &dst));
}

static double seconds_since(uint64_t now_ns, uint64_t then_ns)
{
	return now_ns > then_ns ? (now_ns - then_ns) / 1e9 : 0;
}

static const char *wan_name(struct walk *w, uint32_t id)
{
	const struct pcc_wan_cfg *wan = pcc_config_find_wan_id(&w->s->cfg, id);

	return wan ? wan->name : "?";
}

static json_t *conn_json(
	struct walk *w, const struct pcc_tuple *k, const struct pcc_conn *c, bool fast)
{
	char src[PCC_ADDR_TEXT], dst[PCC_ADDR_TEXT], proto[PCC_PROTO_NAME_MAX];

	return json_pack(
		"{s:s, s:s, s:i, s:s, s:i, s:s, s:I, s:s, s:f, s:f, s:I, s:I, s:I, s:I, s:b, s:b}",
		"proto", pcc_proto_name(k->proto, proto), "src", pcc_addr_text(k->src, src),
		"sport", ntohs(k->sport), "dst", pcc_addr_text(k->dst, dst), "dport",
		ntohs(k->dport), "wan", wan_name(w, c->wan_id), "bucket",
		c->bucket == PCC_NO_BUCKET ? (json_int_t)-1 : (json_int_t)c->bucket, "origin",
		pcc_origin_name(c->origin), "age_s", seconds_since(w->now_ns, c->created_ns),
		"idle_s", seconds_since(w->now_ns, c->seen_ns), "tx_packets",
		(json_int_t)c->tx_packets, "tx_bytes", (json_int_t)c->tx_bytes, "rx_packets",
		(json_int_t)c->rx_packets, "rx_bytes", (json_int_t)c->rx_bytes, "fastpath", fast,
		"offloaded", pcc_offload_set_has(&w->offloaded, k));
}

static void conn_print(
	struct walk *w, const struct pcc_tuple *k, const struct pcc_conn *c, bool fast)
{
	char src[PCC_ADDR_TEXT], dst[PCC_ADDR_TEXT], proto[PCC_PROTO_NAME_MAX], tx[16], rx[16];
	bool v6 = !pcc_addr_is_v4(k->src);

	printf("%-7s %s%s%s:%u -> %s%s%s:%u  %s  bucket %d  %s  age %.0f s, idle %.0f s  tx %llu (%s)  "
	       "rx %llu (%s)%s%s\n",
		pcc_proto_name(k->proto, proto), v6 ? "[" : "", pcc_addr_text(k->src, src),
		v6 ? "]" : "", ntohs(k->sport), v6 ? "[" : "", pcc_addr_text(k->dst, dst),
		v6 ? "]" : "", ntohs(k->dport), wan_name(w, c->wan_id), (int)c->bucket,
		pcc_origin_name(c->origin), seconds_since(w->now_ns, c->created_ns),
		seconds_since(w->now_ns, c->seen_ns), (unsigned long long)c->tx_packets,
		pcc_bytes_text(c->tx_bytes, tx), (unsigned long long)c->rx_packets,
		pcc_bytes_text(c->rx_bytes, rx), fast ? "  fast" : "",
		pcc_offload_set_has(&w->offloaded, k) ? "  offloaded" : "");
}

static int visit(const struct pcc_tuple *key, const struct pcc_conn *conn, void *arg)
{
	struct walk *w = arg;
	struct pcc_conn whole;
	bool fast;

	if (w->n >= w->filter.limit || !filter_matches(&w->filter, key, conn))
		return 0;
	w->n++;
	if (w->flush) {
		/*
		 * Also delete the conntrack entry: its mark would put the connection back on the
		 * WAN.
		 */
		pcc_ct_delete(&w->deleter, key, conn->origin == PCC_ORIGIN_WAN, NULL);
		return 1;
	}
	whole = *conn;
	fast = pcc_flows_add(&w->flows, key, &whole);
	if (w->json)
		json_array_append_new(w->json, conn_json(w, key, &whole, fast));
	else
		conn_print(w, key, &whole, fast);
	return 0;
}

static int walk(const struct pcc_args *args, struct walk *w)
{
	struct pcc_err err = {};
	struct pcc_session s;
	int status;

	if (filter_parse(args, &w->filter, &err))
		return pcc_cmd_misused(&err);
	status = pcc_cmd_open(&s, args, w->flush ? PCC_SESSION_CHANGE : PCC_SESSION_READ);
	if (!status && filter_resolve(args, &w->filter, &s, &err))
		status = pcc_cmd_failed(&err);
	if (!status) {
		w->now_ns = pcc_now_ns();
		w->s = &s;
		if (!w->flush)
			pcc_offload_set_read(&w->offloaded);
		if ((!w->flush && pcc_flows_read(&w->flows, &s.dp, &err)) ||
			pcc_dp_conns(&s.dp, visit, w, &err))
			status = pcc_cmd_failed(&err);
		if (w->flush && w->n) /* also end what the fast path has of these connections */
			pcc_dp_new_epoch(&s.dp);
		pcc_ct_deleter_close(&w->deleter);
		pcc_flows_free(&w->flows);
		pcc_offload_set_free(&w->offloaded);
	}
	pcc_session_close(&s);
	return status;
}

int pcc_cmd_conns(const struct pcc_args *args)
{
	struct walk w = {.json = args->opt[PCC_OPT_JSON].set ? json_array() : NULL};
	int status = walk(args, &w);

	if (!w.json)
		return status;
	if (!status)
		return pcc_cmd_print_json(w.json);
	json_decref(w.json);
	return status;
}

int pcc_cmd_conns_flush(const struct pcc_args *args)
{
	struct walk w = {.flush = true};
	int status = walk(args, &w);

	if (!status)
		printf("%llu connections forgotten\n", (unsigned long long)w.n);
	return status;
}
