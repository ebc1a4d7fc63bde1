// SPDX-License-Identifier: GPL-2.0-only
/* Warnings about WANs that a command has put in force. */
#include "engine/warn_wans.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
#include <string.h>

#include "base/address.h"
#include "kernel/gateway.h"
#include "kernel/neighbour.h"

#define PROBE_MS 1000

/* Warns if the WAN cannot be used because it has no link. Returns true if it did. */
static bool warn_link(
	const struct pcc_wan_cfg *wan, const struct pcc_observed *now, pcc_warn_fn warn)
{
	const struct pcc_link *link = pcc_observed_link(now, wan->ifindex);
	struct pcc_err w = {};

	if (!link || (link->flags & (IFF_UP | IFF_LOWER_UP)) == (IFF_UP | IFF_LOWER_UP))
		return false;
	if (link->flags & IFF_UP) {
		pcc_err_set(&w, 0, wan->name, "it has no carrier");
		pcc_err_hint(&w, 0, "connections go over the other WANs until it has");
	} else {
		pcc_err_set(&w, 0, wan->name, "it is down, and takes no connections");
		pcc_err_hint(&w, 0,
			"ip link set %s up, then pccbpf wan set %s --state up; the daemon does the "
			"second by itself",
			wan->name, wan->name);
	}
	warn(&w);
	return true;
}

static void warn_gateway(struct pcc_session *s, const struct pcc_wan_cfg *wan, enum pcc_family f,
	const struct pcc_wan_cfg *was, pcc_warn_fn warn)
{
	char text[INET6_ADDRSTRLEN];
	struct pcc_err w = {};

	if (wan->l3 || (wan->gw[f].source != PCC_GW_GIVEN && wan->gw[f].source != PCC_GW_FOUND))
		return;
	if (was && !memcmp(&was->gw[f].addr, &wan->gw[f].addr, f == PCC_V4 ? 4 : 16))
		return;
	if (pcc_neigh_probe(&s->nl, wan->ifindex, pcc_af[f], &wan->gw[f].addr, PROBE_MS) !=
		-EHOSTUNREACH)
		return;
	inet_ntop(pcc_af[f], &wan->gw[f].addr, text, sizeof(text));
	pcc_err_set(&w, 0, wan->name, "the gateway %s does not answer", text);
	pcc_err_hint(&w, 0,
		"connections sent there fail until it does; check cable and address, or pccbpf wan "
		"set %s --state down",
		wan->name);
	warn(&w);
}

void pcc_warn_wans(struct pcc_session *s, const struct pcc_config *cfg,
	const struct pcc_config *old, const struct pcc_observed *now, pcc_warn_fn warn)
{
	for (uint32_t i = 0; warn && i < cfg->nwans; i++) {
		const struct pcc_wan_cfg *wan = &cfg->wans[i], *was;

		was = old ? pcc_config_find_wan_const(old, wan->name) : NULL;
		if (!was && warn_link(wan, now, warn))
			continue;
		for (int f = 0; f < PCC_FAMILIES; f++)
			warn_gateway(s, wan, f, was, warn);
	}
}
