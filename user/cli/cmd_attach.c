// SPDX-License-Identifier: GPL-2.0-only
/* The commands attach and detach. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cmds.h"
#include "report/run.h"
#include "engine/apply.h"

/* Parses the options that are also keys of a file. A flag sets the opposite of the default. */
static int parse_base(const struct pcc_args *args, struct pcc_config *cfg, struct pcc_err *err)
{
	int ret = 0;

	for (uint32_t i = 0; !ret && i < PCC_N_BASE_KEYS; i++) {
		const struct pcc_key *key = &pcc_base_keys[i];
		enum pcc_opt opt = PCC_OPT_CLASSIFIER + i;

		if (!args->opt[opt].set)
			continue;
		if (key->kind == PCC_KEY_BOOL)
			pcc_key_set(key, cfg, !pcc_key_get(key, cfg));
		else
			ret = pcc_key_parse(
				key, pcc_options[opt].name, args->opt[opt].value, cfg, err);
	}
	if (!cfg->nat4)
		cfg->nat6 = false;
	return ret;
}

static int parse_config(const struct pcc_args *args, struct pcc_config *cfg, struct pcc_err *err)
{
	const char *lans = pcc_args_value(args, PCC_OPT_LAN, NULL);
	const char *wans = pcc_args_value(args, PCC_OPT_WAN, NULL);
	int ret;

	pcc_config_defaults(cfg);
	ret = parse_base(args, cfg, err);
	if (!ret && lans)
		ret = pcc_parse_lans(lans, cfg, err);
	if (!ret && wans)
		ret = pcc_parse_wans(wans, cfg, err);
	return ret ? ret : pcc_config_validate(cfg, err);
}

void pcc_cmd_report(const struct pcc_config *cfg)
{
	char gw4[PCC_ADDR_TEXT], gw6[PCC_ADDR_TEXT];

	for (uint32_t i = 0; i < cfg->nwans; i++) {
		const struct pcc_wan_cfg *wan = &cfg->wans[i];
		const char *v4 = pcc_gateway_text(&wan->gw[PCC_V4], PCC_V4, gw4);
		const char *v6 = pcc_gateway_text(&wan->gw[PCC_V6], PCC_V6, gw6);

		printf("%s: gateway %s%s%s, weight %u, mark 0x%x, table %u\n", wan->name, v4,
			v4[0] && v6[0] ? " and " : "", v6, wan->weight,
			wan->id << pcc_mark_shift(cfg->mark_mask), cfg->table_base + wan->id);
	}
}

int pcc_cmd_attach(const struct pcc_args *args)
{
	struct pcc_apply_opts opts = {
		.attach = true,
		.dry_run = args->opt[PCC_OPT_DRY_RUN].set,
		.warn = pcc_warn_print,
	};
	struct pcc_config *cfg = malloc(sizeof(*cfg));
	struct pcc_session s = {};
	struct pcc_err err = {};
	unsigned int wait_s;
	int status;

	if (!cfg)
		return PCC_EXIT_FAILED;
	if (pcc_cmd_wait(args, &wait_s, &err) || parse_config(args, cfg, &err)) {
		status = pcc_cmd_misused(&err);
		goto out;
	}
	if (pcc_session_open(&s, pcc_cmd_dir(args),
		    opts.dry_run ? PCC_SESSION_CHANGE : PCC_SESSION_CREATE, wait_s, &err)) {
		status = pcc_cmd_failed(&err);
		goto out;
	}
	if (s.state == PCC_DP_ATTACHED)
		pcc_config_keep_states(cfg, &s.cfg);
	status = pcc_apply(&s, cfg, &opts, &err) ? pcc_cmd_failed(&err) : PCC_EXIT_OK;
	if (!status && !opts.dry_run)
		pcc_cmd_report(cfg);
out:
	pcc_session_close(&s);
	free(cfg);
	return status;
}

int pcc_cmd_detach(const struct pcc_args *args)
{
	bool dry_run = args->opt[PCC_OPT_DRY_RUN].set;
	struct pcc_session s = {};
	struct pcc_err err = {};
	unsigned int wait_s;
	int status = PCC_EXIT_OK;

	if (pcc_cmd_wait(args, &wait_s, &err))
		return pcc_cmd_misused(&err);
	if (pcc_session_open(&s, pcc_cmd_dir(args), PCC_SESSION_CHANGE, wait_s, &err) ||
		pcc_detach(&s, args->opt[PCC_OPT_FORCE].set, dry_run, pcc_warn_print, &err))
		status = pcc_cmd_failed(&err);
	else if (!dry_run && !pcc_run_alive(pcc_cmd_dir(args)))
		pcc_run_remove(pcc_cmd_dir(args)); /* left by a daemon */
	pcc_session_close(&s);
	return status;
}
