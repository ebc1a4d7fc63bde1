// SPDX-License-Identifier: GPL-2.0-only
/* Converts the values that are more than a number or a keyword to text. Pure. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "config/conf_write.h"

#define TEXT(of)                                                                                   \
	const char *pcc_text_##of(                                                                 \
		const struct pcc_conf *conf, const void *model, char buf[PCC_VALUE_TEXT_MAX])

/* For functions that need neither the rest of the configuration nor a buffer. */
#define UNUSED (void)conf, (void)buf

TEXT(interface)
{
	const struct pcc_wan_file *wan = model;

	UNUSED;
	return wan->base.name;
}

TEXT(wan_name)
{
	const struct pcc_wan_file *wan = model;

	UNUSED;
	return strcmp(wan->more.name, wan->base.name) != 0 ? wan->more.name : NULL;
}

/*
 * What the user said of the next hop. One that was found is not written, as it will be found again.
 */
static const char *gateway_text(
	const struct pcc_wan_file *wan, enum pcc_family family, char buf[PCC_VALUE_TEXT_MAX])
{
	const struct pcc_gateway *gw = &wan->base.gw[family];

	if (gw->source == PCC_GW_NONE)
		return "none";
	return gw->source == PCC_GW_GIVEN
		       ? inet_ntop(pcc_af[family], &gw->addr, buf, PCC_VALUE_TEXT_MAX)
		       : NULL;
}

TEXT(gateway)
{
	(void)conf;
	return gateway_text(model, PCC_V4, buf);
}

TEXT(gateway6)
{
	(void)conf;
	return gateway_text(model, PCC_V6, buf);
}

TEXT(group_name)
{
	const struct pcc_group_conf *group = model;

	UNUSED;
	return group->name;
}

TEXT(hook_run)
{
	const struct pcc_hook_conf *hook = model;

	UNUSED;
	return hook->path;
}

/* --- policies ------------------------------------------------------------------------------- */

TEXT(policy_name)
{
	const struct pcc_policy_conf *policy = model;

	UNUSED;
	return policy->name;
}

TEXT(policy_source)
{
	const struct pcc_policy_conf *policy = model;

	(void)conf;
	return policy->has_source ? pcc_prefix_text(&policy->source, buf) : NULL;
}

TEXT(policy_destination)
{
	const struct pcc_policy_conf *policy = model;

	(void)conf;
	return policy->has_destination ? pcc_prefix_text(&policy->destination, buf) : NULL;
}

TEXT(policy_destination_file)
{
	const struct pcc_policy_conf *policy = model;

	UNUSED;
	return policy->destination_file[0] ? policy->destination_file : NULL;
}

TEXT(policy_protocol)
{
	const struct pcc_policy_conf *policy = model;

	(void)conf;
	return policy->proto ? pcc_proto_name(policy->proto, buf) : NULL;
}

static const char *ports_text(uint16_t min, uint16_t max, char buf[PCC_VALUE_TEXT_MAX])
{
	return min || max != UINT16_MAX ? pcc_ports_text(min, max, buf) : NULL;
}

TEXT(policy_source_port)
{
	const struct pcc_policy_conf *policy = model;

	(void)conf;
	return ports_text(policy->sport_min, policy->sport_max, buf);
}

TEXT(policy_destination_port)
{
	const struct pcc_policy_conf *policy = model;

	(void)conf;
	return ports_text(policy->dport_min, policy->dport_max, buf);
}

TEXT(policy_dscp)
{
	const struct pcc_policy_conf *policy = model;

	(void)conf;
	snprintf(buf, PCC_VALUE_TEXT_MAX, "%d", policy->dscp);
	return policy->dscp >= 0 ? buf : NULL;
}

TEXT(policy_lan)
{
	const struct pcc_policy_conf *policy = model;

	UNUSED;
	return policy->lan[0] ? policy->lan : NULL;
}

TEXT(policy_use)
{
	const struct pcc_policy_conf *policy = model;

	(void)buf;
	switch (policy->action) {
	case PCC_POLICY_BYPASS:
		return "bypass";
	case PCC_POLICY_REJECT:
		return "reject";
	case PCC_POLICY_GROUP:
		return conf->groups[policy->target].name;
	default:
		return conf->wans[policy->target].name;
	}
}

TEXT(policy_strict)
{
	const struct pcc_policy_conf *policy = model;

	UNUSED;
	return policy->strict ? "true" : NULL;
}

TEXT(policy_sticky)
{
	const struct pcc_policy_conf *policy = model;

	UNUSED;
	return policy->sticky != PCC_STICKY_NONE ? pcc_sticky_names[policy->sticky] : NULL;
}

TEXT(policy_sticky_time)
{
	const struct pcc_policy_conf *policy = model;

	(void)conf;
	return policy->sticky != PCC_STICKY_NONE && policy->sticky_s != PCC_DEF_STICKY_S
		       ? pcc_duration_text(policy->sticky_s * 1000, buf)
		       : NULL;
}
