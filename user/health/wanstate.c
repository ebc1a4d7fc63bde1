// SPDX-License-Identifier: GPL-2.0-only
/* The state of each WAN from its fitness and tier; debouncing of events. Pure. */
#include "health/wanstate.h"

#include <stdio.h>
#include <string.h>

static bool is_candidate(const struct pcc_wan_in *in)
{
	return in->asked == PCC_WAN_UP && in->fitness != PCC_UNFIT;
}

/* Returns the lowest tier with a usable WAN; 0 if there is none. */
static uint32_t best_tier(const struct pcc_wan_in *in, uint32_t n)
{
	uint32_t best = 0;

	for (uint32_t i = 0; i < n; i++)
		if (is_candidate(&in[i]) && (!best || in[i].tier < best))
			best = in[i].tier;
	return best;
}

/*
 * Returns the failback policy for standby WANs: the strictest of those of the usable WANs in the
 * tier in use.
 */
static enum pcc_failback failback_of(const struct pcc_wan_in *in, uint32_t n, uint32_t tier)
{
	enum pcc_failback most = PCC_FAILBACK_STAY;

	for (uint32_t i = 0; i < n; i++)
		if (in[i].tier == tier && is_candidate(&in[i]) && in[i].failback > most)
			most = in[i].failback;
	return most;
}

static void set_reason(struct pcc_wan_out *out, const char *before, const char *why)
{
	snprintf(out->reason, sizeof(out->reason), "%s%s", before, why ? why : "");
}

static void set_asked(const struct pcc_wan_in *in, struct pcc_wan_out *out)
{
	memset(out, 0, sizeof(*out));
	out->state = in->asked;
	set_reason(out, in->asked == PCC_WAN_UP ? "" : "set by hand", NULL);
}

static void set_standby(struct pcc_wan_out *out, enum pcc_failback how, uint32_t tier)
{
	memset(out, 0, sizeof(*out));
	out->standby = true;
	out->by_daemon = how != PCC_FAILBACK_STAY;
	out->state = how == PCC_FAILBACK_STAY	 ? PCC_WAN_UP
		     : how == PCC_FAILBACK_DRAIN ? PCC_WAN_DRAIN
						 : PCC_WAN_DOWN;
	snprintf(out->reason, sizeof(out->reason), "tier %u is in use", tier);
}

static void set_one(const struct pcc_wan_in *in, struct pcc_wan_out *out, uint32_t tier,
	enum pcc_failback failback)
{
	if (in->asked != PCC_WAN_UP) {
		set_asked(in, out);
	} else if (in->fitness == PCC_UNFIT) {
		memset(out, 0, sizeof(*out));
		out->state = PCC_WAN_DOWN;
		out->by_daemon = true;
		set_reason(out, "", in->reason);
	} else if (in->tier > tier) {
		set_standby(out, failback, tier);
	} else {
		set_asked(in, out);
		out->degraded = in->fitness == PCC_FIT_POOR;
		set_reason(out, "", out->degraded ? in->reason : NULL);
	}
}

/* No WAN is fit: those that were in use stay in use. */
static void keep_last(const struct pcc_wan_in *in, struct pcc_wan_out *out, uint32_t n)
{
	bool any = false;

	for (uint32_t i = 0; i < n; i++) {
		if (in[i].asked != PCC_WAN_UP)
			set_asked(&in[i], &out[i]);
		else if (out[i].state == PCC_WAN_UP && !out[i].standby)
			any = true;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (in[i].asked != PCC_WAN_UP)
			continue;
		if (!any)
			set_asked(&in[i], &out[i]);
		if (out[i].state == PCC_WAN_UP && !out[i].standby)
			set_reason(&out[i], "kept in use, as no WAN is fit: ", in[i].reason);
		else
			set_reason(&out[i], "", in[i].reason);
	}
}

bool pcc_wan_states(const struct pcc_wan_in *in, struct pcc_wan_out *out, uint32_t n)
{
	uint32_t tier = best_tier(in, n);
	bool any = false;

	for (uint32_t i = 0; i < n; i++)
		any = any || in[i].asked == PCC_WAN_UP;
	if (!tier && any) {
		keep_last(in, out, n);
		return true;
	}
	for (uint32_t i = 0; i < n; i++)
		set_one(&in[i], &out[i], tier, failback_of(in, n, tier));
	return false;
}

const char *pcc_wan_state_text(enum pcc_wan_state state, bool degraded, bool standby)
{
	if (standby)
		return "standby";
	if (state == PCC_WAN_UP)
		return degraded ? "degraded" : "up";
	return state == PCC_WAN_DRAIN ? "drain" : state == PCC_WAN_DOWN ? "down" : "?";
}

uint64_t pcc_debounce_heard(struct pcc_debounce *d, uint64_t now_ms, uint32_t quiet_ms)
{
	uint64_t due = now_ms + quiet_ms;

	if (!d->first_ms) {
		d->first_ms = now_ms;
		d->urgent = quiet_ms < PCC_QUIET_MS;
		d->due_ms = due;
		return due;
	}
	if (due > d->first_ms + PCC_PATIENCE_MS)
		due = d->first_ms + PCC_PATIENCE_MS;
	if (quiet_ms < PCC_QUIET_MS)
		d->urgent = true;
	/* An urgent event brings the look forward; one that is not urgent does not postpone it. */
	if (!d->urgent || due < d->due_ms)
		d->due_ms = due;
	return d->due_ms;
}

void pcc_debounce_done(struct pcc_debounce *d)
{
	memset(d, 0, sizeof(*d));
}

bool pcc_grace_holds(struct pcc_grace *g, bool missing, bool used, uint64_t now_ms)
{
	if (!missing)
		g->until_ms = 0;
	else if (!g->until_ms)
		g->until_ms = used ? now_ms + PCC_GRACE_MS : now_ms;
	return now_ms < g->until_ms;
}

void pcc_fight_note(struct pcc_fight *f, uint64_t now_ms, bool repaired)
{
	if (now_ms - f->last_ms > PCC_FIGHT_PAUSE_MS)
		f->repairs = 0;
	if (!repaired)
		return;
	f->repairs++;
	f->last_ms = now_ms;
}

uint64_t pcc_fight_until(const struct pcc_fight *f)
{
	return f->repairs > PCC_FIGHT_REPAIRS ? f->last_ms + PCC_FIGHT_GAP_MS : 0;
}
