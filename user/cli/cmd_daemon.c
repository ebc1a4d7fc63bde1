// SPDX-License-Identifier: GPL-2.0-only
/* The command daemon. */
#include "cli/cmds.h"
#include "daemon/daemon.h"

int pcc_cmd_daemon(const struct pcc_args *args)
{
	const char *file = pcc_args_value(args, PCC_OPT_CONFIG, PCC_DEF_CONF_FILE);
	struct pcc_err err = {};

	return pcc_daemon_run(file, pcc_cmd_dir(args), &err) ? pcc_cmd_failed(&err) : PCC_EXIT_OK;
}
