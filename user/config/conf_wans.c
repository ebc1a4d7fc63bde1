// SPDX-License-Identifier: GPL-2.0-only
/* The functions that read the keys of WANs, their `defaults`, health and groups. */
#include <errno.h>
#include <string.h>

#include "config/conf_read.h"
#include "health/target.h"

/* --- health --------------------------------------------------------------------------------- */

/* The targets of a WAN replace those of the template. */
int pcc_begin_targets(struct pcc_reader *r, const struct pcc_value *v)
{
	struct pcc_health_cfg *health = v->model;

	(void)r;
	memset(health->targets, 0, sizeof(health->targets));
	health->ntargets = 0;
	return 0;
}

int pcc_read_target(struct pcc_reader *r, const struct pcc_value *v)
{
	struct pcc_health_cfg *health = v->model;

	health->ntargets = v->i + 1;
	return pcc_target_parse(v->word, &health->targets[v->i], r->err);
}

/* Checks that need all keys of health. */
static int check_health(
	struct pcc_reader *r, const struct pcc_node *map, struct pcc_health_cfg *health)
{
	const struct pcc_node *quorum = pcc_node_under(map, "quorum");
	const struct pcc_node *hold_max = pcc_node_under(map, "hold-max");
	int ret;

	if (health->ntargets && health->quorum > health->ntargets) {
		ret = pcc_err_set(r->err, -EINVAL, "quorum", "'%u' is more than there are targets",
			health->quorum);
		pcc_err_hint(r->err, ret, "there are %u", health->ntargets);
		quorum = quorum ? quorum : pcc_node_under(map, "targets");
		return pcc_read_blame(r, ret, quorum ? quorum : map);
	}
	if (health->hold_ms <= health->hold_max_ms)
		return 0;
	if (!hold_max) {
		health->hold_max_ms = health->hold_ms;
		return 0;
	}
	ret = pcc_err_set(
		r->err, -EINVAL, "hold-max", "'%s' is less than the hold itself", hold_max->text);
	return pcc_read_blame(r, ret, hold_max);
}

int pcc_read_health(struct pcc_reader *r, const struct pcc_value *v)
{
	struct pcc_health_cfg *health = &((struct pcc_wan_file *)v->model)->more.health;
	int ret = pcc_read_map(r, v->key->keys, v->node, health);

	return ret ? ret : check_health(r, v->node, health);
}

/* --- WANs ----------------------------------------------------------------------------------- */

int pcc_read_interface(struct pcc_reader *r, const struct pcc_value *v)
{
	const struct pcc_config *cfg = &r->conf->base;
	struct pcc_wan_file *wan = v->model;
	int ret = pcc_parse_ifname(v->word, v->key->name, wan->base.name, r->err);

	memcpy(wan->more.name, wan->base.name,
		sizeof(wan->base.name)); /* until its own name is read */
	if (!ret && pcc_config_find_lan(cfg, wan->base.name)) {
		ret = pcc_err_set(r->err, -EINVAL, v->key->name,
			"'%s' is a LAN and cannot be a WAN too", wan->base.name);
		pcc_err_hint(r->err, ret, "name it in 'lan' or in 'wans'");
	}
	if (!ret && pcc_config_find_wan_const(cfg, wan->base.name)) {
		ret = pcc_err_set(
			r->err, -EINVAL, v->key->name, "'%s' is there twice", wan->base.name);
		pcc_err_hint(r->err, ret, "name it once; weight: 2 gives it twice the share");
	}
	return ret ? ret : pcc_read_name_free(r, wan->base.name, v->key->name);
}

int pcc_read_wan_name(struct pcc_reader *r, const struct pcc_value *v)
{
	struct pcc_wan_file *wan = v->model;
	int ret;

	memset(wan->more.name, 0, sizeof(wan->more.name));
	ret = pcc_parse_name(v->word, v->key->name, wan->more.name, r->err);
	if (!ret && strcmp(wan->more.name, wan->base.name) != 0)
		ret = pcc_read_name_free(r, wan->more.name, v->key->name);
	return ret;
}

/*
 * A gateway: an address of the family, or `auto` (it is searched), or `none` (the WAN does not
 * serve the family).
 */
int pcc_read_gateway(struct pcc_reader *r, const struct pcc_value *v)
{
	struct pcc_wan_cfg *wan = &((struct pcc_wan_file *)v->model)->base, parsed = *wan;
	bool v6 = !strcmp(v->key->name, "gateway6");
	enum pcc_family family = v6 ? PCC_V6 : PCC_V4;
	const char *word = v->word;
	int ret;

	if (!strcmp(word, "auto"))
		return 0;
	if (!strcmp(word, "none")) {
		wan->gw[family].source = PCC_GW_NONE;
		return 0;
	}
	parsed.given &= ~(PCC_WAN_SET_GW4 | PCC_WAN_SET_GW6);
	ret = pcc_parse_gateways(word, v->key->name, &parsed, r->err);
	if (ret && !r->err->hint[0])
		pcc_err_hint(r->err, ret, "write the address of the ISP's router");
	if (!ret && parsed.given & (v6 ? PCC_WAN_SET_GW4 : PCC_WAN_SET_GW6)) {
		ret = pcc_err_set(r->err, -EINVAL, v->key->name, "'%s' is not an %s address", word,
			v6 ? "IPv6" : "IPv4");
		pcc_err_hint(r->err, ret, "that goes into '%s'", v6 ? "gateway" : "gateway6");
	}
	if (ret)
		return ret;
	wan->gw[family] = parsed.gw[family];
	wan->given |= v6 ? PCC_WAN_SET_GW6 : PCC_WAN_SET_GW4;
	return 0;
}

int pcc_read_template(struct pcc_reader *r, const struct pcc_value *v)
{
	return pcc_read_map(r, v->key->keys, v->node, &r->template);
}

int pcc_read_wan(struct pcc_reader *r, const struct pcc_value *v)
{
	struct pcc_wan_file wan = r->template;
	struct pcc_conf *conf = v->model;
	int ret = pcc_read_map(r, v->key->keys, v->node, &wan);

	if (pcc_node_under(v->node, "weight"))
		wan.base.given |= PCC_WAN_SET_WEIGHT;
	wan.base.order = v->i;
	conf->base.wans[v->i] = wan.base;
	conf->wans[v->i] = wan.more;
	conf->base.nwans = v->i + 1;
	return ret;
}

/* --- groups --------------------------------------------------------------------------------- */

int pcc_read_group_name(struct pcc_reader *r, const struct pcc_value *v)
{
	struct pcc_group_conf *group = v->model;
	int ret = pcc_parse_name(v->word, v->key->name, group->name, r->err);

	return ret ? ret : pcc_read_name_free(r, group->name, v->key->name);
}

int pcc_read_group_wan(struct pcc_reader *r, const struct pcc_value *v)
{
	int wan = pcc_conf_find_wan(r->conf, v->word);
	struct pcc_group_conf *group = v->model;
	const char *names[PCC_MAX_WANS + 1];

	if (wan < 0) {
		for (uint32_t k = 0; k < r->conf->base.nwans; k++)
			names[k] = r->conf->wans[k].name;
		return pcc_read_unknown(r, "WAN", v->word, names, r->conf->base.nwans);
	}
	if (group->wans & 1ull << wan)
		return pcc_err_set(r->err, -EINVAL, "", "'%s' is in the group twice", v->word);
	group->wans |= 1ull << wan;
	return 0;
}

int pcc_read_group(struct pcc_reader *r, const struct pcc_value *v)
{
	struct pcc_group_conf group = {};
	struct pcc_conf *conf = v->model;
	int ret = pcc_read_map(r, v->key->keys, v->node, &group);

	if (!ret)
		conf->groups[conf->ngroups++] = group;
	return ret;
}
