// SPDX-License-Identifier: GPL-2.0-only
/* The command stats: counters by WAN, by bucket, by policy and by reason. */
#include <unistd.h>

#include "cli/cmds.h"
#include "cli/write.h"

static int stats_once(const struct pcc_args *args)
{
	struct pcc_session s;
	int status = pcc_cmd_open(&s, args, PCC_SESSION_READ);

	if (!status)
		status = pcc_cmd_show(args, &s, PCC_VIEW_STATS);
	pcc_session_close(&s);
	return status;
}

int pcc_cmd_stats(const struct pcc_args *args)
{
	struct pcc_err err = {};
	uint32_t interval;
	int status;

	if (pcc_parse_u32(pcc_args_value(args, PCC_OPT_INTERVAL, "1"), "--interval", PCC_DECIMAL, 1,
		    3600, &interval, &err))
		return pcc_cmd_misused(&err);
	for (;;) {
		if (args->opt[PCC_OPT_WATCH].set && isatty(STDOUT_FILENO))
			printf("\033[H\033[2J");
		status = stats_once(args);
		if (status || !args->opt[PCC_OPT_WATCH].set)
			return status;
		if (fflush(stdout))
			return PCC_EXIT_FAILED;
		sleep(interval);
	}
}
