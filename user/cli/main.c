// SPDX-License-Identifier: GPL-2.0-only
/* The command line: finds the command and calls its function. */
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/cmds.h"
#include "cli/complete.h"

static int cmd_help(const struct pcc_args *args)
{
	if (args->topic)
		pcc_help_command_print(stdout, args->topic);
	else
		pcc_help_print(stdout);
	return PCC_EXIT_OK;
}

static int cmd_version(const struct pcc_args *args)
{
	if (args->opt[PCC_OPT_JSON].set)
		return pcc_cmd_print_json(json_pack(
			"{s:s, s:i}", "version", PCC_VERSION, "abi_version", PCC_ABI_VERSION));
	printf("pccbpf %s\n", PCC_VERSION);
	return PCC_EXIT_OK;
}

static int (*const run[PCC_CMD_MAX])(const struct pcc_args *args) = {
	[PCC_CMD_ATTACH] = pcc_cmd_attach,
	[PCC_CMD_DETACH] = pcc_cmd_detach,
	[PCC_CMD_WAN_ADD] = pcc_cmd_wan_add,
	[PCC_CMD_WAN_DEL] = pcc_cmd_wan_del,
	[PCC_CMD_WAN_SET] = pcc_cmd_wan_set,
	[PCC_CMD_WAN_LIST] = pcc_cmd_wan_list,
	[PCC_CMD_LAN_ADD] = pcc_cmd_lan_add,
	[PCC_CMD_LAN_DEL] = pcc_cmd_lan_del,
	[PCC_CMD_STATUS] = pcc_cmd_status,
	[PCC_CMD_STATS] = pcc_cmd_stats,
	[PCC_CMD_CONNS] = pcc_cmd_conns,
	[PCC_CMD_CONNS_FLUSH] = pcc_cmd_conns_flush,
	[PCC_CMD_EXPLAIN] = pcc_cmd_explain,
	[PCC_CMD_USE] = pcc_cmd_use,
	[PCC_CMD_APPLY] = pcc_cmd_apply,
	[PCC_CMD_CONFIRM] = pcc_cmd_confirm,
	[PCC_CMD_CHECK] = pcc_cmd_check,
	[PCC_CMD_SHOW_CONFIG] = pcc_cmd_show_config,
	[PCC_CMD_DAEMON] = pcc_cmd_daemon,
	[PCC_CMD_MONITOR] = pcc_cmd_monitor,
	[PCC_CMD_HELP] = cmd_help,
	[PCC_CMD_VERSION] = cmd_version,
};

/* A command whose output did not get where it should has failed, whatever it did. */
static int finish(int status)
{
	struct pcc_err err = {};
	bool failed = ferror(stdout);

	if (!fflush(stdout) && !failed)
		return status;
	pcc_err_set(&err, -EIO, "output", "cannot be written: %s",
		failed ? "an error before its end" : strerror(errno));
	pcc_cmd_failed(&err);
	return status ? status : PCC_EXIT_FAILED;
}

int main(int argc, char **argv)
{
	const struct pcc_command *cmd = NULL;
	struct pcc_args args = {};
	struct pcc_err err = {};

	if (argc > 1 && !strcmp(argv[1], "complete"))
		return pcc_cmd_complete(argc - 2, argv + 2);
	if (pcc_options_parse(&cmd, &args, argc, argv, &err))
		return pcc_cmd_misused(&err);
	return finish(run[cmd->id](&args));
}
