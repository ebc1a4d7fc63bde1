// SPDX-License-Identifier: GPL-2.0-only
/* The configuration as data: defaults, look-ups, freeing. */
#include <stdlib.h>
#include <string.h>

#include "config/conf_keys.h"

void pcc_wan_conf_defaults(struct pcc_wan_conf *wan)
{
	memset(wan, 0, sizeof(*wan));
	wan->tier = 1;
	wan->failback = PCC_FAILBACK_STAY;
	pcc_health_defaults(&wan->health);
}

void pcc_wan_file_defaults(struct pcc_wan_file *wan)
{
	memset(&wan->base, 0, sizeof(wan->base));
	wan->base.weight = 1;
	wan->base.state = PCC_WAN_UP;
	wan->base.gw[PCC_V4].source = wan->base.gw[PCC_V6].source = PCC_GW_AUTO;
	pcc_wan_conf_defaults(&wan->more);
}

int pcc_conf_find_wan(const struct pcc_conf *conf, const char *name)
{
	for (uint32_t i = 0; i < conf->base.nwans; i++)
		if (!strcmp(conf->wans[i].name, name))
			return (int)i;
	for (uint32_t i = 0; i < conf->base.nwans; i++)
		if (!strcmp(conf->base.wans[i].name, name))
			return (int)i;
	return -1;
}

void pcc_conf_free(struct pcc_conf *conf)
{
	free(conf->policies);
	memset(conf, 0, sizeof(*conf));
}
