// SPDX-License-Identifier: GPL-2.0-only
/* The commands wan add, del, set and list, lan add and del. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cmds.h"
#include "cli/write.h"

static int not_a_wan(const char *word, struct pcc_err *err)
{
	pcc_err_set(err, -ENODEV, "WAN", "'%s' is not attached as a WAN", word);
	return pcc_err_hint(err, -ENODEV, "`pccbpf wan list` names them");
}

static int edit_wan_add(struct pcc_config *cfg, const struct pcc_args *args, struct pcc_err *err)
{
	struct pcc_wan_cfg wan = {}, *there;
	int ret = pcc_parse_wan(args->words[0], "WAN", &wan, err);

	if (ret)
		return ret;
	if (pcc_config_find_lan(cfg, wan.name)) {
		pcc_err_set(err, -EINVAL, "WAN", "'%s' is attached as a LAN", wan.name);
		return pcc_err_hint(err, -EINVAL, "pccbpf lan del %s, first", wan.name);
	}
	there = pcc_config_find_wan(cfg, wan.name);
	if (there) { /* the WAN is attached: set what is given, leave the rest */
		if (wan.given & PCC_WAN_SET_WEIGHT)
			there->weight = wan.weight;
		for (int f = 0; f < PCC_FAMILIES; f++)
			if (wan.gw[f].source == PCC_GW_GIVEN)
				there->gw[f] = wan.gw[f];
		return -EALREADY;
	}
	if (cfg->nwans >= PCC_MAX_WANS) {
		pcc_err_set(err, -EINVAL, "WAN", "'%s' would be number %u, there can be %u",
			wan.name, cfg->nwans + 1, PCC_MAX_WANS);
		return pcc_err_hint(err, -EINVAL, "pccbpf wan del gives one up");
	}
	cfg->wans[cfg->nwans++] = wan;
	return 0;
}

int pcc_cmd_wan_add(const struct pcc_args *args)
{
	return pcc_cmd_change(args, edit_wan_add);
}

static int edit_wan_del(struct pcc_config *cfg, const struct pcc_args *args, struct pcc_err *err)
{
	struct pcc_wan_cfg *wan = pcc_config_find_wan(cfg, args->words[0]);
	uint32_t at;

	if (!wan)
		return not_a_wan(args->words[0], err);
	if (cfg->nwans == 1) {
		pcc_err_set(err, -EBUSY, "WAN", "'%s' is the last one", wan->name);
		return pcc_err_hint(err, -EBUSY, "pccbpf detach takes everything off");
	}
	at = wan - cfg->wans;
	memmove(wan, wan + 1, (cfg->nwans - at - 1) * sizeof(*wan));
	cfg->nwans--;
	return 0;
}

int pcc_cmd_wan_del(const struct pcc_args *args)
{
	return pcc_cmd_change(args, edit_wan_del);
}

static int edit_wan_set(struct pcc_config *cfg, const struct pcc_args *args, struct pcc_err *err)
{
	struct pcc_wan_cfg *wan = pcc_config_find_wan(cfg, args->words[0]);
	const char *word;
	int ret = 0;

	if (!wan)
		return not_a_wan(args->words[0], err);
	word = pcc_args_value(args, PCC_OPT_WEIGHT, NULL);
	if (word)
		ret = pcc_parse_u32(
			word, "--weight", PCC_DECIMAL, 1, PCC_MAX_WEIGHT, &wan->weight, err);
	word = pcc_args_value(args, PCC_OPT_GATEWAY, NULL);
	if (!ret && word)
		ret = pcc_parse_gateways(word, "--gateway", wan, err);
	word = pcc_args_value(args, PCC_OPT_STATE, NULL);
	if (!ret && word) {
		ret = pcc_parse_state(word, &wan->state, err);
		wan->by_daemon = wan->degraded = wan->standby = false;
	}
	return ret;
}

int pcc_cmd_wan_set(const struct pcc_args *args)
{
	return pcc_cmd_change(args, edit_wan_set);
}

int pcc_cmd_wan_list(const struct pcc_args *args)
{
	struct pcc_session s;
	int status = pcc_cmd_open(&s, args, PCC_SESSION_READ);

	if (!status)
		status = pcc_cmd_show(args, &s, PCC_VIEW_WANS);
	pcc_session_close(&s);
	return status;
}

static int edit_lan_add(struct pcc_config *cfg, const struct pcc_args *args, struct pcc_err *err)
{
	struct pcc_lan_cfg lan = {};
	int ret = pcc_parse_ifname(args->words[0], "LAN", lan.name, err);

	if (ret)
		return ret;
	if (pcc_config_find_wan(cfg, lan.name)) {
		pcc_err_set(err, -EINVAL, "LAN", "'%s' is attached as a WAN", lan.name);
		return pcc_err_hint(err, -EINVAL, "pccbpf wan del %s, first", lan.name);
	}
	if (pcc_config_find_lan(cfg, lan.name))
		return -EALREADY;
	if (cfg->nlans >= PCC_MAX_LANS) {
		pcc_err_set(err, -EINVAL, "LAN", "'%s' would be number %u, there can be %u",
			lan.name, cfg->nlans + 1, PCC_MAX_LANS);
		return pcc_err_hint(err, -EINVAL, "put some into one bridge");
	}
	cfg->lans[cfg->nlans++] = lan;
	return 0;
}

int pcc_cmd_lan_add(const struct pcc_args *args)
{
	return pcc_cmd_change(args, edit_lan_add);
}

static int edit_lan_del(struct pcc_config *cfg, const struct pcc_args *args, struct pcc_err *err)
{
	const struct pcc_lan_cfg *lan = pcc_config_find_lan(cfg, args->words[0]);
	uint32_t at;

	if (!lan) {
		pcc_err_set(err, -ENODEV, "LAN", "'%s' is not attached as a LAN", args->words[0]);
		return pcc_err_hint(err, -ENODEV, "`pccbpf status` names them");
	}
	if (cfg->nlans == 1) {
		pcc_err_set(err, -EBUSY, "LAN", "'%s' is the last one", lan->name);
		return pcc_err_hint(err, -EBUSY, "pccbpf detach takes everything off");
	}
	at = lan - cfg->lans;
	memmove(&cfg->lans[at], &cfg->lans[at + 1], (cfg->nlans - at - 1) * sizeof(*lan));
	cfg->nlans--;
	return 0;
}

int pcc_cmd_lan_del(const struct pcc_args *args)
{
	return pcc_cmd_change(args, edit_lan_del);
}
