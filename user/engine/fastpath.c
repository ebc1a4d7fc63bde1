// SPDX-License-Identifier: GPL-2.0-only
/* Finds out where the fast path of an interface runs, and warns of what it bypasses. */
#include "engine/fastpath.h"

#include <stdio.h>
#include <string.h>

static bool is_kept_away(const struct pcc_config *cfg, uint32_t ifindex)
{
	for (uint32_t i = 0; i < cfg->nlans; i++)
		if (cfg->lans[i].ifindex == ifindex)
			return cfg->lans[i].no_fast;
	for (uint32_t i = 0; i < cfg->nwans; i++)
		if (cfg->wans[i].ifindex == ifindex)
			return cfg->wans[i].no_fast;
	return false;
}

/* Does the interface run XDP? For a bridge: do all of its ports? */
static bool in_xdp(const struct pcc_config *cfg, uint32_t ifindex)
{
	bool bridge = false;

	for (uint32_t i = 0; i < cfg->nports; i++) {
		if (cfg->ports[i].bridge_ifindex != ifindex)
			continue;
		bridge = true;
		if (!pcc_xdp_present(pcc_config_carrier(cfg, cfg->ports[i].ifindex)))
			return false;
	}
	return bridge || pcc_xdp_present(pcc_config_carrier(cfg, ifindex));
}

/* Does XDP send to the interface? For a bridge: to all of its ports? */
static bool sent_to(struct pcc_dp *dp, const struct pcc_config *cfg, uint32_t ifindex)
{
	bool bridge = false;

	for (uint32_t i = 0; i < cfg->nports; i++) {
		if (cfg->ports[i].bridge_ifindex != ifindex)
			continue;
		bridge = true;
		if (!pcc_xdp_sends(dp, pcc_config_carrier(cfg, cfg->ports[i].ifindex)))
			return false;
	}
	return bridge || pcc_xdp_sends(dp, pcc_config_carrier(cfg, ifindex));
}

static bool passed_by(struct pcc_dp *dp, const struct pcc_config *cfg, uint32_t ifindex, bool xdp,
	char what[PCC_OTHERS_TEXT])
{
	for (uint32_t i = 0; i < cfg->nports; i++)
		if (cfg->ports[i].bridge_ifindex == ifindex &&
			pcc_xdp_present(cfg->ports[i].ifindex) &&
			pcc_xdp_others(dp, cfg->ports[i].ifindex, what))
			return true;
	return xdp ? pcc_xdp_others(dp, ifindex, what)
		   : pcc_hook_others(dp, ifindex, PCC_HOOK_IN, PCC_OTHERS_BEHIND, what);
}

static void why_not_xdp(struct pcc_session *s, const struct pcc_config *cfg, uint32_t ifindex,
	char why[PCC_XDP_WHY])
{
	struct pcc_link_list links = {};
	struct pcc_wire_out wire;

	if (pcc_link_dump(&s->nl, &links, NULL))
		return;
	for (size_t i = 0; i < links.n; i++)
		if (links.v[i].ifindex == ifindex &&
			pcc_xdp_wanted(&s->dp, &links, &links.v[i], cfg->fastpath, &wire, why))
			snprintf(why, PCC_XDP_WHY, "the driver refused native XDP");
	pcc_link_list_free(&links);
}

void pcc_fastpath_look(struct pcc_session *s, const struct pcc_config *cfg, uint32_t ifindex,
	struct pcc_fastpath_now *now)
{
	char what[PCC_OTHERS_TEXT] = "";
	bool xdp;

	memset(now, 0, sizeof(*now));
	now->mode = "off";
	now->hint = "";
	if (!(s->dp.meta->flags & PCC_META_FASTPATH)) {
		snprintf(now->why, sizeof(now->why), "%s",
			cfg->fastpath == PCC_FP_OFF
				? "--fastpath off"
				: "the kernel lacks the conntrack functions for BPF");
		return;
	}
	xdp = in_xdp(cfg, ifindex);
	if (is_kept_away(cfg, ifindex)) {
		if (pcc_hook_others(&s->dp, ifindex, PCC_HOOK_IN, PCC_OTHERS_BEHIND, what))
			snprintf(now->why, sizeof(now->why),
				"the ingress %s would not see what it takes", what);
		else
			snprintf(now->why, sizeof(now->why),
				"an ingress filter that is gone now: attach again");
		return;
	}
	now->mode = xdp ? "xdp" : "tc";
	if (!xdp)
		why_not_xdp(s, cfg, ifindex, now->why);
	else if (!sent_to(&s->dp, cfg, ifindex))
		snprintf(now->why, sizeof(now->why),
			"what leaves by it goes by tc: its driver takes no frames from XDP now");
	if (passed_by(&s->dp, cfg, ifindex, xdp, now->passes))
		now->hint = cfg->fastpath == PCC_FP_AUTO
				    ? "attach again: what arrives there is then left to the kernel"
				    : "--fastpath auto leaves what arrives there to the kernel";
}

static void warn_iface(struct pcc_session *s, const struct pcc_config *cfg,
	const struct pcc_config *old, uint32_t ifindex, const char *name, pcc_warn_fn warn)
{
	struct pcc_fastpath_now now;
	struct pcc_err w = {};

	pcc_fastpath_look(s, cfg, ifindex, &now);
	if (now.passes[0]) {
		pcc_err_set(
			&w, 0, name, "the %s does not see what the fast path forwards", now.passes);
		pcc_err_hint(&w, 0, "%s", now.hint);
		warn(&w);
	} else if (is_kept_away(cfg, ifindex) && (!old || !is_kept_away(old, ifindex))) {
		pcc_err_set(
			&w, 0, name, "what arrives there does not take the fast path: %s", now.why);
		warn(&w);
	}
}

void pcc_fastpath_warn(struct pcc_session *s, const struct pcc_config *cfg,
	const struct pcc_config *old, pcc_warn_fn warn)
{
	for (uint32_t i = 0; warn && i < cfg->nlans; i++)
		warn_iface(s, cfg, old, cfg->lans[i].ifindex, cfg->lans[i].name, warn);
	for (uint32_t i = 0; warn && i < cfg->nwans; i++)
		warn_iface(s, cfg, old, cfg->wans[i].ifindex, cfg->wans[i].name, warn);
}
