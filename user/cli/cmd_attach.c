// SPDX-License-Identifier: GPL-2.0-only
/* attach and detach. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "cli/cmds.h"
#include "daemon/run.h"
#include "engine/apply.h"

/* Numbers of attach: option, bounds, where they go. */
static int parse_numbers(const struct pcc_args *args, struct pcc_config *cfg, struct pcc_err *err)
{
	const struct {
		enum pcc_opt opt;
		enum pcc_number_base base;
		uint32_t min, max;
		uint32_t *to;
	} numbers[] = {
		{PCC_OPT_BUCKETS, PCC_DECIMAL, PCC_MIN_BUCKETS, PCC_MAX_BUCKETS, &cfg->buckets},
		{PCC_OPT_SEED, PCC_DECIMAL_OR_HEX, 0, UINT32_MAX, &cfg->seed},
		{PCC_OPT_MAX_CONNS, PCC_DECIMAL, PCC_MIN_CONNS, PCC_MAX_CONNS, &cfg->max_conns},
		{PCC_OPT_TABLE_BASE, PCC_DECIMAL, 1, PCC_MAX_TABLE_BASE, &cfg->table_base},
		{PCC_OPT_RULE_PREF, PCC_DECIMAL, 1, PCC_MAX_RULE_PREF, &cfg->rule_pref},
	};

	for (size_t i = 0; i < COUNT(numbers); i++) {
		const char *word = pcc_args_value(args, numbers[i].opt, NULL);
		int ret;

		if (!word)
			continue;
		ret = pcc_parse_u32(word, pcc_options[numbers[i].opt].name, numbers[i].base,
			numbers[i].min, numbers[i].max, numbers[i].to, err);
		if (ret)
			return ret;
	}
	cfg->seed_given = args->opt[PCC_OPT_SEED].set;
	return 0;
}

static int parse_config(const struct pcc_args *args, struct pcc_config *cfg, struct pcc_err *err)
{
	const char *word;
	int ret;

	pcc_config_defaults(cfg);
	ret = parse_numbers(args, cfg, err);
	word = pcc_args_value(args, PCC_OPT_LAN, NULL);
	if (!ret && word)
		ret = pcc_parse_lans(word, cfg, err);
	word = pcc_args_value(args, PCC_OPT_WAN, NULL);
	if (!ret && word)
		ret = pcc_parse_wans(word, cfg, err);
	word = pcc_args_value(args, PCC_OPT_CLASSIFIER, NULL);
	if (!ret && word)
		ret = pcc_parse_classifier(word, &cfg->classifier, err);
	word = pcc_args_value(args, PCC_OPT_SCHEME, NULL);
	if (!ret && word)
		ret = pcc_parse_scheme(word, &cfg->scheme, err);
	word = pcc_args_value(args, PCC_OPT_FASTPATH, NULL);
	if (!ret && word)
		ret = pcc_parse_fastpath(word, &cfg->fastpath, err);
	word = pcc_args_value(args, PCC_OPT_MARK_MASK, NULL);
	if (!ret && word)
		ret = pcc_parse_mark_mask(word, &cfg->mark_mask, err);
	word = pcc_args_value(args, PCC_OPT_NAT6, NULL);
	if (!ret && word)
		ret = pcc_parse_nat6(word, &cfg->nat6, err);
	cfg->own = args->opt[PCC_OPT_OWN].set;
	if (args->opt[PCC_OPT_NO_NAT].set)
		cfg->nat4 = cfg->nat6 = false;
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
		pcc_run_remove(pcc_cmd_dir(args)); /* what a daemon left */
	pcc_session_close(&s);
	return status;
}
