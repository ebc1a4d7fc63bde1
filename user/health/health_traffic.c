// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the WAN's counters tell: whether other traffic gets answers, or whether nothing comes back.
 */
#include "health/health_parts.h"

/* Two samples further apart than this are not compared. */
#define SAMPLE_GAP_MS (4 * PCC_HEALTH_SAMPLE_MS)
/* A WAN is silent if so many packets were sent and none was received. */
#define QUIET_PACKETS 4u
/*
 * A WAN without targets is degraded if so many connection requests were sent and no packet came
 * back for so long.
 */
#define SILENT_SYNS 8u
#define SILENT_MS 3000u
/*
 * If of at least so many connection requests in a second less than half are answered, the targets
 * are probed.
 */
#define SYNS_TO_JUDGE 5u
/* The least time between two probes for the same suspicion. */
#define SUSPICION_MS 2000u

static void suspect(struct pcc_health *h)
{
	if (h->flow.asked_ms && h->now_ms - h->flow.asked_ms < SUSPICION_MS)
		return;
	h->flow.asked_ms = h->now_ms;
	h->probe_now = pcc_health_all_targets(h);
	pcc_health_ask_gateway(h);
}

/* Judges connection requests and their answers, second by second. */
static void judge_syns(struct pcc_health *h, uint64_t sent, uint64_t answered)
{
	struct pcc_health_flow *f = &h->flow;

	f->syns += sent;
	f->answers += answered;
	if (h->now_ms - f->second_ms < 1000)
		return;
	if (f->syns >= SYNS_TO_JUDGE && f->answers * 2 < f->syns)
		suspect(h);
	f->second_ms = h->now_ms;
	f->syns = f->answers = 0;
}

static void judge_silence(struct pcc_health *h, uint64_t tx, uint64_t syns)
{
	struct pcc_health_flow *f = &h->flow;

	if (!tx && !f->quiet_tx)
		return;
	if (!f->quiet_tx)
		f->quiet_ms = h->now_ms;
	f->quiet_tx += tx;
	f->quiet_syns += syns;
	if (f->quiet_tx >= QUIET_PACKETS && h->now_ms - f->quiet_ms >= PCC_HEALTH_SAMPLE_MS)
		suspect(h);
}

void pcc_health_silence_ends(struct pcc_health_flow *f)
{
	f->quiet_tx = f->quiet_syns = 0;
}

void pcc_health_traffic(struct pcc_health *h, const struct pcc_health_traffic *c, uint64_t now_ms)
{
	struct pcc_health_flow *f = &h->flow;
	struct pcc_health_traffic was = f->at;
	bool known = f->known && now_ms - f->sampled_ms <= SAMPLE_GAP_MS;

	pcc_health_advance(h, now_ms);
	f->at = *c;
	f->sampled_ms = now_ms;
	f->known = true;
	/* After a pause, or when the counters were reset, this sample is the first. */
	if (!known || c->tx_packets < was.tx_packets || c->rx_packets < was.rx_packets ||
		c->syn_sent < was.syn_sent || c->syn_answered < was.syn_answered) {
		pcc_health_silence_ends(f);
		return;
	}
	judge_syns(h, c->syn_sent - was.syn_sent, c->syn_answered - was.syn_answered);
	if (c->rx_packets - was.rx_packets > c->rx_errors - was.rx_errors) {
		f->live_ms = h->now_ms;
		pcc_health_silence_ends(f);
		return;
	}
	judge_silence(h, c->tx_packets - was.tx_packets, c->syn_sent - was.syn_sent);
}

uint32_t pcc_health_live_window_ms(const struct pcc_health *h)
{
	return pcc_max_u32(h->cfg.timeout_ms, 1000);
}

bool pcc_health_is_live(const struct pcc_health *h)
{
	return h->flow.live_ms && h->now_ms - h->flow.live_ms < pcc_health_live_window_ms(h);
}

bool pcc_health_is_silent(const struct pcc_health *h, uint32_t for_ms)
{
	return h->flow.quiet_tx >= QUIET_PACKETS && h->now_ms - h->flow.quiet_ms >= for_ms;
}

bool pcc_health_is_unanswered(const struct pcc_health *h)
{
	return h->flow.quiet_syns >= SILENT_SYNS && pcc_health_is_silent(h, SILENT_MS);
}
