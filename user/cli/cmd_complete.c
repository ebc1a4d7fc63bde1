// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command complete, which is called by the shells' completion and not by people; help does not
 * list it.
 */
#include <net/if.h>
#include <string.h>

#include "cli/cmds.h"
#include "cli/complete.h"

static void add(struct pcc_complete_names *names, const char *name)
{
	if (names->n < PCC_MAX_COMPLETE_NAMES)
		snprintf(names->name[names->n++], PCC_IFNAMSIZ, "%s", name);
}

static void interfaces(struct pcc_complete_names *names)
{
	struct if_nameindex *all = if_nameindex();

	for (struct if_nameindex *i = all; i && i->if_name; i++)
		add(names, i->if_name);
	if (all)
		if_freenameindex(all);
}

/*
 * Fills in the attached names. If the pins may not be read it offers all interfaces, because the
 * user may have typed sudo before the command.
 */
static void names_of(enum pcc_word kind, const char *dir, struct pcc_complete_names *names)
{
	struct pcc_args args = {};
	struct pcc_session s = {};

	args.opt[PCC_OPT_BPFFS].set = dir != NULL;
	args.opt[PCC_OPT_BPFFS].value = dir;
	if (kind == PCC_WORD_IFACE ||
		pcc_session_open(&s, pcc_cmd_dir(&args), PCC_SESSION_READ, 0, NULL))
		interfaces(names);
	else if (s.state == PCC_DP_ATTACHED && kind == PCC_WORD_LAN)
		for (uint32_t i = 0; i < s.cfg.nlans; i++)
			add(names, s.cfg.lans[i].name);
	else if (s.state == PCC_DP_ATTACHED)
		for (uint32_t i = 0; i < s.cfg.nwans; i++)
			add(names, s.cfg.wans[i].name);
	pcc_session_close(&s);
}

int pcc_cmd_complete(int argc, char **argv)
{
	pcc_complete(stdout, (const char *const *)argv, (unsigned int)argc, names_of);
	return fflush(stdout) ? PCC_EXIT_FAILED : PCC_EXIT_OK;
}
