// SPDX-License-Identifier: GPL-2.0-only
/* Selects the WANs that get new connections, and their weights. Pure. */
#include "pins/dataplane.h"

#include <string.h>

/*
 * A degraded WAN counts half. The consistent table depends on ratios only, so there all weights are
 * doubled and the half is exact. In the modulo scheme doubled weights would give other buckets, so
 * there the half is rounded up.
 */
static uint32_t weight_now(const struct pcc_config *cfg, const struct pcc_wan_cfg *wan)
{
	if (cfg->scheme == PCC_SCHEME_MODULO)
		return wan->degraded ? (wan->weight + 1) / 2 : wan->weight;
	return wan->degraded ? wan->weight : 2 * wan->weight;
}

uint32_t pcc_dp_members(const struct pcc_config *cfg, enum pcc_family family, uint64_t among,
	bool standby, struct pcc_bucket_member members[PCC_MAX_WANS])
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < cfg->nwans; i++) {
		const struct pcc_wan_cfg *wan = &cfg->wans[i];

		if (!(among >> (wan->id - 1) & 1) || wan->state != PCC_WAN_UP ||
			(wan->standby && !standby) || !pcc_wan_serves(wan, family))
			continue;
		memset(&members[n], 0, sizeof(members[n]));
		memcpy(members[n].name, wan->name, sizeof(members[n].name));
		members[n].id = wan->id;
		members[n].weight = weight_now(cfg, wan);
		members[n].order = wan->order;
		n++;
	}
	return n;
}
