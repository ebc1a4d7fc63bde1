// SPDX-License-Identifier: GPL-2.0-only
/* The health of a WAN in words. */
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "health/health_parts.h"

static const char *reason_text(enum pcc_health_reason reason)
{
	static const char *const texts[] = {
#define X(sym, name, text) [PCC_HEALTH_R_##sym] = text,
		PCC_HEALTH_REASONS(X)
#undef X
	};

	return reason < PCC_HEALTH_R_MAX ? texts[reason] : "?";
}

/* Appends before and word to a text. What does not fit is cut. */
static void add(char *text, size_t size, const char *before, const char *word)
{
	size_t len = strlen(text);

	snprintf(text + len, size - len, "%s%s", before, word);
}

static void describe_targets(const struct pcc_health *h, char *text, size_t size)
{
	const char *before = "; not ";
	char word[64];

	snprintf(word, sizeof(word), "%u of %u, %u needed",
		h->cfg.ntargets - pcc_health_targets_where(h, pcc_health_target_failed),
		h->cfg.ntargets, h->cfg.quorum);
	add(text, size, ": ", word);
	for (uint32_t i = 0; i < h->cfg.ntargets; i++) {
		if (!pcc_health_target_failed(h, i))
			continue;
		add(text, size, before, h->cfg.targets[i].text);
		before = ", ";
	}
}

void pcc_health_describe(const struct pcc_health *h, char *text, size_t size)
{
	uint32_t n;
	char word[64];

	snprintf(text, size, "%s", reason_text(h->reason));
	if (!pcc_health_targets_suffice(h) && h->cfg.ntargets)
		describe_targets(h, text, size);
	if (h->reason == PCC_HEALTH_R_HOLD) {
		snprintf(word, sizeof(word), "%llu s",
			(unsigned long long)(pcc_health_hold_left(h) + 999) / 1000);
		add(text, size, ": ", word);
	}
	if (h->reason == PCC_HEALTH_R_LOSS && pcc_health_loss(h, &n)) {
		snprintf(word, sizeof(word), "%u %%", n);
		add(text, size, ": ", word);
	}
	if (h->reason == PCC_HEALTH_R_LATENCY && pcc_health_latency(h, &n)) {
		snprintf(word, sizeof(word), "%u ms", n / 1000);
		add(text, size, ": ", word);
	}
}
