// SPDX-License-Identifier: GPL-2.0-only
/* The command check: would apply accept a configuration file? */
#include <jansson.h>
#include <stdlib.h>

#include "cli/cmds.h"
#include "config/conf.h"
#include "config/policy.h"

static json_t *error_json(
	const char *file, const struct pcc_conf_pos *pos, const struct pcc_err *err)
{
	return json_pack("{s:s, s:b, s:i, s:i, s:s, s:s}", "file", file, "ok", 0, "line",
		(int)pos->line, "column", (int)pos->column, "error", err->cause, "hint", err->hint);
}

static json_t *fine_json(const char *file, const struct pcc_conf *conf)
{
	return json_pack("{s:s, s:b, s:i, s:i, s:i, s:i}", "file", file, "ok", 1, "lans",
		(int)conf->base.nlans, "wans", (int)conf->base.nwans, "groups", (int)conf->ngroups,
		"policies", (int)conf->npolicies);
}

static void fine_print(const char *file, const struct pcc_conf *conf)
{
	printf("%s: fine: %u LAN%s, %u WAN%s, %u group%s, %u polic%s\n", file, conf->base.nlans,
		conf->base.nlans == 1 ? "" : "s", conf->base.nwans,
		conf->base.nwans == 1 ? "" : "s", conf->ngroups, conf->ngroups == 1 ? "" : "s",
		conf->npolicies, conf->npolicies == 1 ? "y" : "ies");
}

/* Reads the files of prefixes, which reading the configuration does not open. */
static int check_policies(const struct pcc_conf *conf, struct pcc_err *err)
{
	struct pcc_policies policies;
	int ret = pcc_policy_compile(&policies, conf, err);

	if (!ret)
		pcc_policies_free(&policies);
	return ret;
}

int pcc_cmd_check(const struct pcc_args *args)
{
	const char *file = args->nwords ? args->words[0] : PCC_DEF_CONF_FILE;
	struct pcc_conf *conf = malloc(sizeof(*conf));
	bool json = args->opt[PCC_OPT_JSON].set;
	struct pcc_conf_pos pos = {};
	struct pcc_err err = {};
	int status = PCC_EXIT_OK;

	if (!conf)
		return PCC_EXIT_FAILED;
	if (pcc_conf_read(file, PCC_CONF_FILES, conf, &pos, &err) || check_policies(conf, &err)) {
		status = PCC_EXIT_FAILED;
		if (json)
			pcc_cmd_print_json(error_json(file, &pos, &err));
		else
			pcc_err_print(&err);
	} else if (json) {
		status = pcc_cmd_print_json(fine_json(file, conf));
	} else {
		fine_print(file, conf);
	}
	pcc_conf_free(conf);
	free(conf);
	return status;
}
