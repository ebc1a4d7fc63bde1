// SPDX-License-Identifier: GPL-2.0-only
/* monitor */
#include "cmds.h"

int pcc_cmd_monitor(const struct pcc_args *args)
{
	(void)args;
	return PCC_EXIT_FAILED;
}
