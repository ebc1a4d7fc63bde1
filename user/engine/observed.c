// SPDX-License-Identifier: GPL-2.0-only
/* The observed state of the router as data: look-ups, freeing. */
#include "engine/observed.h"

#include <string.h>

#include "base/list.h"

const struct pcc_link *pcc_observed_link_named(const struct pcc_observed *now, const char *name)
{
	for (size_t i = 0; i < now->links.n; i++)
		if (!strcmp(now->links.v[i].name, name))
			return &now->links.v[i];
	return NULL;
}

const struct pcc_link *pcc_observed_link(const struct pcc_observed *now, uint32_t ifindex)
{
	for (size_t i = 0; i < now->links.n; i++)
		if (now->links.v[i].ifindex == ifindex)
			return &now->links.v[i];
	return NULL;
}

void pcc_observed_free(struct pcc_observed *now)
{
	pcc_link_list_free(&now->links);
	pcc_ifaddr_list_free(&now->addrs);
	pcc_route_list_free(&now->routes);
	pcc_rule_list_free(&now->rules);
	PCC_LIST_FREE(&now->sysctls);
	PCC_LIST_FREE(&now->remembered);
	PCC_LIST_FREE(&now->hooks);
	PCC_LIST_FREE(&now->xdps);
	memset(now, 0, sizeof(*now));
}
