// SPDX-License-Identifier: GPL-2.0-only
/* The command status: what is in force. */
#include "cli/cmds.h"
#include "cli/write.h"

int pcc_cmd_status(const struct pcc_args *args)
{
	struct pcc_session s = {};
	struct pcc_err err = {};
	int status;

	if (pcc_session_open(&s, pcc_cmd_dir(args), PCC_SESSION_READ, 0, &err))
		status = pcc_cmd_failed(&err);
	else if (s.state == PCC_DP_DAMAGED || s.state == PCC_DP_INCOMPLETE)
		status = pcc_cmd_failed(&s.why);
	else
		status = pcc_cmd_show(args, &s, PCC_VIEW_STATUS);
	if (!status && s.state == PCC_DP_ABSENT)
		status = PCC_EXIT_DETACHED;
	pcc_session_close(&s);
	return status;
}
