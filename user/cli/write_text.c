// SPDX-License-Identifier: GPL-2.0-only
/* Writes a report as text for people. */
#include "cli/cmds.h"
#include "cli/write.h"

/* ---------------------------------------------------------------- status */

static const char *state_of(const struct pcc_wan_cfg *wan)
{
	return pcc_wan_state_text(wan->state, wan->degraded, wan->standby);
}

static void wan_row(const struct pcc_config *cfg, const struct pcc_wan_cfg *wan,
	const struct pcc_report_wan *w, FILE *out)
{
	char gw4[PCC_ADDR_TEXT], gw6[PCC_ADDR_TEXT];

	fprintf(out, "%-15s %3u %-8s %6u %6.1f%% %#8x %6u %-8s %-4s %-10s %s %s\n", wan->name,
		wan->id, state_of(wan), wan->weight, 100 * w->share,
		wan->id << pcc_mark_shift(cfg->mark_mask), cfg->table_base + wan->id,
		pcc_hook_name(w->at.hook), w->at.fastpath.mode, pcc_report_link_text(w->link),
		pcc_gateway_text(&wan->gw[PCC_V4], PCC_V4, gw4),
		pcc_gateway_text(&wan->gw[PCC_V6], PCC_V6, gw6));
}

static void write_wans(const struct pcc_report *r, FILE *out)
{
	fprintf(out, "%-15s %3s %-8s %6s %7s %8s %6s %-8s %-4s %-10s %s\n", "WAN", "ID", "STATE",
		"WEIGHT", "SHARE", "MARK", "TABLE", "HOOK", "FAST", "LINK", "GATEWAYS");
	for (uint32_t i = 0; i < r->cfg.nwans; i++)
		wan_row(&r->cfg, &r->cfg.wans[i], &r->wans[i], out);
	for (uint32_t i = 0; i < r->cfg.nwans; i++)
		if (r->wans[i].reason[0])
			fprintf(out, "%s is %s: %s\n", r->cfg.wans[i].name,
				state_of(&r->cfg.wans[i]), r->wans[i].reason);
}

/* Writes which program or filter of somebody else does not see the packets. */
static void write_passes(const char *name, const struct pcc_fastpath_now *fp, FILE *out)
{
	if (fp->passes[0])
		fprintf(out, "%s: the %s does not see what the fast path forwards (%s)\n", name,
			fp->passes, fp->hint);
}

static void write_flowtable(const char *name, const struct pcc_report_flowtable *ft, FILE *out)
{
	const char *hint = ft->hint;

	if (ft->text[0])
		fprintf(out, "%s: %s%s%s%s\n", name, ft->text, hint[0] ? " (" : "", hint,
			hint[0] ? ")" : "");
}

static void write_offloaded(const char *name, const struct pcc_offloaded *o, FILE *out)
{
	char bytes[16];

	if (!o->connections)
		return;
	fprintf(out, "%s: %llu connection%s offloaded to a flowtable", name,
		(unsigned long long)o->connections, o->connections == 1 ? " is" : "s are");
	if (!o->counted)
		fprintf(out, "; what pccbpf does not see of them is not counted (it is with "
			     "`counter` in the flowtable and net.netfilter.nf_conntrack_acct=1)");
	else if (o->packets)
		fprintf(out, "; pccbpf has not seen %llu of their packets (%s)",
			(unsigned long long)o->packets, pcc_bytes_text(o->bytes, bytes));
	fputc('\n', out);
}

static void write_lans(const struct pcc_report *r, FILE *out)
{
	for (uint32_t i = 0; i < r->cfg.nlans; i++) {
		const struct pcc_report_iface *at = &r->lans[i];
		const struct pcc_fastpath_now *fp = &at->fastpath;

		fprintf(out, "LAN %s: hook %s, fast path %s%s%s\n", r->cfg.lans[i].name,
			pcc_hook_name(at->hook), fp->mode, fp->why[0] ? ": " : "", fp->why);
		write_passes(r->cfg.lans[i].name, fp, out);
		write_flowtable(r->cfg.lans[i].name, &at->flowtable, out);
	}
}

/* Writes why the fast path of a WAN is not further down, unless --fastpath asks for that. */
static void write_fastpath_why(const struct pcc_report *r, FILE *out)
{
	bool asked = r->cfg.fastpath == PCC_FP_OFF || r->cfg.fastpath == PCC_FP_TC;

	for (uint32_t i = 0; i < r->cfg.nwans; i++) {
		const struct pcc_fastpath_now *fp = &r->wans[i].at.fastpath;

		if (fp->why[0] && !asked)
			fprintf(out, "WAN %s: fast path %s: %s\n", r->cfg.wans[i].name, fp->mode,
				fp->why);
		write_passes(r->cfg.wans[i].name, fp, out);
	}
}

/*
 * Writes a hint for WANs without a route: the kernel removes routes with a link, and does not bring
 * them back.
 */
static void write_route_hints(const struct pcc_report *r, FILE *out)
{
	for (uint32_t i = 0; i < r->cfg.nwans; i++) {
		const struct pcc_wan_cfg *wan = &r->cfg.wans[i];

		if (r->wans[i].link == PCC_LINK_NO_ROUTE)
			fprintf(out,
				"%s: its table %u has no default route, it takes no connections; "
				"`pccbpf wan set %s --state up` puts it back or says what is in the way\n",
				wan->name, r->cfg.table_base + wan->id, wan->name);
	}
}

static void write_status(const struct pcc_report *r, FILE *out)
{
	const struct pcc_config *cfg = &r->cfg;

	if (!r->attached) {
		fputs("not attached\n", out);
		return;
	}
	fprintf(out,
		"pccbpf %s, classifier %s, scheme %s, seed %u, mark mask 0x%x, nat %s, nat6 %s%s\n",
		PCC_VERSION, pcc_classifier_name(cfg->classifier), pcc_scheme_name(cfg->scheme),
		cfg->seed, cfg->mark_mask, cfg->nat4 ? "masquerade" : "none",
		cfg->nat6 ? "masquerade" : "none", r->daemon ? ", daemon running" : "");
	write_lans(r, out);
	write_wans(r, out);
	write_fastpath_why(r, out);
	for (uint32_t i = 0; i < cfg->nwans; i++) {
		write_flowtable(cfg->wans[i].name, &r->wans[i].at.flowtable, out);
		write_offloaded(cfg->wans[i].name, &r->wans[i].offloaded, out);
	}
	write_route_hints(r, out);
}

/* ---------------------------------------------------------------- stats */

static void write_wan_stats(const struct pcc_report *r, FILE *out)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < r->cfg.nwans; i++)
		total += r->wans[i].counters.new_connections;
	fprintf(out, "%-15s %12s %10s %12s %10s %10s %7s\n", "WAN", "TX-PACKETS", "TX-BYTES",
		"RX-PACKETS", "RX-BYTES", "NEW-CONNS", "SHARE");
	for (uint32_t i = 0; i < r->cfg.nwans; i++) {
		const struct pcc_wan_stats *st = &r->wans[i].counters;
		char tx[16], rx[16];

		fprintf(out, "%-15s %12llu %10s %12llu %10s %10llu %6.1f%%\n", r->cfg.wans[i].name,
			(unsigned long long)st->tx_packets, pcc_bytes_text(st->tx_bytes, tx),
			(unsigned long long)st->rx_packets, pcc_bytes_text(st->rx_bytes, rx),
			(unsigned long long)st->new_connections,
			total ? 100.0 * st->new_connections / total : 0);
	}
}

static void write_buckets(const struct pcc_report *r, FILE *out)
{
	fprintf(out, "\nFAM  BUCKET  %-15s %12s %10s %12s %10s %10s\n", "WAN", "TX-PACKETS",
		"TX-BYTES", "RX-PACKETS", "RX-BYTES", "NEW-CONNS");
	for (int f = 0; f < PCC_FAMILIES; f++)
		for (uint32_t i = 0; i < r->nbuckets[f]; i++) {
			const struct pcc_report_bucket *b = &r->buckets[f][i];
			const struct pcc_bucket_stats *st = &b->counters;
			char tx[16], rx[16];

			fprintf(out, "IPv%d %6u  %-15s %12llu %10s %12llu %10s %10llu\n",
				f == PCC_V4 ? 4 : 6, i, pcc_bucket_owner(r, b),
				(unsigned long long)st->tx_packets,
				pcc_bytes_text(st->tx_bytes, tx),
				(unsigned long long)st->rx_packets,
				pcc_bytes_text(st->rx_bytes, rx),
				(unsigned long long)st->new_connections);
		}
}

static void write_stats(const struct pcc_report *r, FILE *out)
{
	write_wan_stats(r, out);
	if (r->parts & PCC_REPORT_BUCKETS)
		write_buckets(r, out);
	if (r->npolicies)
		fprintf(out, "\n%-31s %12s %12s\n", "POLICY", "CONNECTIONS", "DROPPED");
	for (uint32_t i = 0; i < r->npolicies; i++)
		fprintf(out, "%-31s %12llu %12llu\n", r->policies[i].name,
			(unsigned long long)r->policies[i].hit.connections,
			(unsigned long long)r->policies[i].hit.dropped);
	fprintf(out, "\n%-18s %12s  %s\n", "COUNTER", "PACKETS", "WHAT");
	for (int reason = 0; reason < PCC_R_MAX; reason++)
		if (r->counters[reason])
			fprintf(out, "%-18s %12llu  %s\n", pcc_reason_name(reason),
				(unsigned long long)r->counters[reason], pcc_reason_text(reason));
}

int pcc_show_text(const struct pcc_report *r, enum pcc_view view, FILE *out)
{
	switch (view) {
	case PCC_VIEW_STATUS:
		write_status(r, out);
		break;
	case PCC_VIEW_WANS:
		write_wans(r, out);
		break;
	case PCC_VIEW_STATS:
		write_stats(r, out);
		break;
	}
	return 0;
}
