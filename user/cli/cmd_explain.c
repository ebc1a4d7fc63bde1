// SPDX-License-Identifier: GPL-2.0-only
/* The command explain: what happens to one packet, from its fields to its next hop. */
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cmds.h"
#include "kernel/link.h"
#include "kernel/route.h"
#include "pins/policy_maps.h"
#include "pccbpf_hash.h"

/* Builds the tuple that the words describe. */
static int tuple_parse(const struct pcc_args *args, struct pcc_tuple *t, struct pcc_err *err)
{
	struct pcc_endpoint src = {}, dst = {};
	uint8_t proto = IPPROTO_TCP;
	int ret;

	ret = pcc_parse_endpoint(args->words[0], "SRC", &src, err);
	if (!ret)
		ret = pcc_parse_endpoint(args->words[1], "DST", &dst, err);
	if (!ret && args->nwords > 2)
		ret = pcc_parse_proto(args->words[2], "PROTO", &proto, err);
	else if (!src.has_port && !dst.has_port)
		proto = src.family == PCC_V4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	if (ret)
		return ret;
	if (src.family != dst.family)
		return pcc_err_set(err, -EINVAL, "DST", "'%s' is of another family than '%s'",
			args->words[1], args->words[0]);
	memset(t, 0, sizeof(*t));
	memcpy(t->src, src.addr.a, sizeof(t->src));
	memcpy(t->dst, dst.addr.a, sizeof(t->dst));
	t->proto = proto;
	if (pcc_proto_has_ports(proto)) {
		t->sport = htons(src.port);
		t->dport = htons(dst.port);
	} else if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6) {
		t->sport = t->dport = htons(src.port); /* an echo has its identifier in both */
	}
	return 0;
}

/*
 * Returns the verdict in a word. balance: a WAN was chosen; bypass: left to the main table; none:
 * no WAN is available, or a policy rejects the packet.
 */
static const char *verdict_text(const struct pcc_dp_verdict *v)
{
	if (v->reason == PCC_R_POLICY_REJECT || v->reason == PCC_R_POLICY_NO_WAN)
		return "none";
	if (v->wan_id && v->reason != PCC_R_NO_WAN)
		return "balance";
	return v->reason == PCC_R_NO_WAN ? "none" : "bypass";
}

static json_t *explain_json(
	struct pcc_session *s, const struct pcc_tuple *t, const struct pcc_dp_verdict *v)
{
	const struct pcc_wan_cfg *wan = pcc_config_find_wan_id(&s->cfg, v->wan_id);
	enum pcc_family f = pcc_addr_is_v4(t->src) ? PCC_V4 : PCC_V6;
	char mark[16], gw[PCC_ADDR_TEXT] = "", policy[PCC_NAME_BYTES];

	snprintf(mark, sizeof(mark), "0x%x", v->wan_id << pcc_mark_shift(s->cfg.mark_mask));
	if (wan && wan->gw[f].source != PCC_GW_ONLINK)
		pcc_gateway_text(&wan->gw[f], f, gw);
	return json_pack("{s:s, s:I, s:I, s:s, s:s, s:I, s:o, s:b, s:s, s:s, s:o}", "classifier",
		pcc_classifier_name(s->cfg.classifier), "hash", (json_int_t)v->hash, "bucket",
		v->bucket == PCC_NO_BUCKET ? (json_int_t)-1 : (json_int_t)v->bucket, "wan",
		wan ? wan->name : "", "mark", mark, "table",
		wan ? (json_int_t)s->cfg.table_base + wan->id : (json_int_t)254, "gateway",
		gw[0] ? json_string(gw) : json_null(), "pinned", v->pinned, "verdict",
		verdict_text(v), "reason", pcc_reason_name(v->reason), "policy",
		v->policy ? json_string(pcc_policy_name(&s->dp, v->policy - 1, policy))
			  : json_null());
}

/* Prints the fields that are hashed, in the order in which they are concatenated. */
static void fields_print(struct pcc_session *s, const struct pcc_tuple *t)
{
	uint32_t fields = pcc_classifier_fields(s->cfg.classifier);
	bool ports = pcc_proto_has_ports(t->proto);
	char buf[PCC_ADDR_TEXT];

	if (!ports && !(fields & (PCC_F_SRC | PCC_F_DST)))
		fields = PCC_F_SRC | PCC_F_DST;
	printf("fields   %s:", pcc_classifier_name(s->cfg.classifier));
	if (fields & PCC_F_SRC)
		printf(" %s", pcc_addr_text(t->src, buf));
	if (fields & PCC_F_DST)
		printf(" %s", pcc_addr_text(t->dst, buf));
	if (ports && fields & PCC_F_SPORT)
		printf(" %u", ntohs(t->sport));
	if (ports && fields & PCC_F_DPORT)
		printf(" %u", ntohs(t->dport));
	putchar('\n');
}

static void explain_print(
	struct pcc_session *s, const struct pcc_tuple *t, const struct pcc_dp_verdict *v)
{
	const struct pcc_wan_cfg *wan = pcc_config_find_wan_id(&s->cfg, v->wan_id);
	enum pcc_family f = pcc_addr_is_v4(t->src) ? PCC_V4 : PCC_V6;
	char gw[PCC_ADDR_TEXT], policy[PCC_NAME_BYTES];

	fields_print(s, t);
	printf("hash     0x%08x with seed %u\n", v->hash, s->cfg.seed);
	if (v->bucket != PCC_NO_BUCKET)
		printf("bucket   %u of %u\n", v->bucket,
			s->dp.meta->half[s->dp.meta->active_half & 1].nbuckets[f]);
	if (v->policy)
		printf("policy   %s%s\n", pcc_policy_name(&s->dp, v->policy - 1, policy),
			v->pinned ? ", for a new connection" : "");
	printf("verdict  %s: %s (%s)\n", verdict_text(v), pcc_reason_text(v->reason),
		pcc_reason_name(v->reason));
	if (!wan)
		return;
	printf("WAN      %s%s\n", wan->name,
		v->pinned ? ", by the pinned entry of this connection" : "");
	printf("mark     0x%x/0x%x\n", wan->id << pcc_mark_shift(s->cfg.mark_mask),
		s->cfg.mark_mask);
	printf("table    %u\n", s->cfg.table_base + wan->id);
	printf("next hop %s dev %s\n", pcc_gateway_text(&wan->gw[f], f, gw), wan->name);
}

/*
 * Asks the kernel where it would route the packet. A rule of the user that comes before the rules
 * for marks overrides the chosen WAN. The data plane does not see all such rules when it chooses
 * (wan_out_correct() in bpf/), so the kernel's answer counts.
 */
static void ask_kernel(struct pcc_session *s, const struct pcc_tuple *tuple, uint32_t lan_ifindex,
	struct pcc_dp_verdict *v)
{
	const struct pcc_wan_cfg *wan = pcc_config_find_wan_id(&s->cfg, v->wan_id);
	uint32_t oif = 0;
	int ret;

	if (!wan || v->reason == PCC_R_NO_WAN)
		return;
	ret = pcc_route_get(
		&s->nl, tuple, lan_ifindex, wan->id << pcc_mark_shift(s->cfg.mark_mask), &oif);
	if (ret != -EACCES && ret != -EINVAL && (ret || !oif || oif == wan->ifindex))
		return;
	v->reason = PCC_R_BYPASS_ROUTE;
	v->wan_id = 0;
	v->bucket = PCC_NO_BUCKET;
	v->pinned = false;
}

/* Asks the data plane, as if the packet arrived on the first LAN. */
static int ask(struct pcc_session *s, const struct pcc_tuple *tuple, struct pcc_dp_verdict *verdict,
	struct pcc_err *err)
{
	struct pcc_link link = {};
	int ret = pcc_link_by_name(&s->nl, s->cfg.lans[0].name, &link, err);

	if (!ret)
		ret = pcc_dp_explain(&s->dp, link.ifindex, link.mac, tuple, verdict, err);
	if (!ret)
		ask_kernel(s, tuple, link.ifindex, verdict);
	return ret;
}

int pcc_cmd_explain(const struct pcc_args *args)
{
	struct pcc_dp_verdict verdict;
	struct pcc_err err = {};
	struct pcc_tuple tuple;
	struct pcc_session s;
	int status;

	if (tuple_parse(args, &tuple, &err))
		return pcc_cmd_misused(&err);
	status = pcc_cmd_open(&s, args, PCC_SESSION_READ);
	if (!status && ask(&s, &tuple, &verdict, &err))
		status = pcc_cmd_failed(&err);
	if (!status && args->opt[PCC_OPT_JSON].set)
		status = pcc_cmd_print_json(explain_json(&s, &tuple, &verdict));
	else if (!status)
		explain_print(&s, &tuple, &verdict);
	pcc_session_close(&s);
	return status;
}
