// SPDX-License-Identifier: GPL-2.0-only
/* The command monitor. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/cmds.h"
#include "daemon/monitor.h"

static int print_event(const char *line, bool json)
{
	char text[PCC_EVENT_BYTES];
	struct pcc_event e;

	if (!json && !pcc_event_parse(line, &e)) {
		pcc_event_text(&e, text, sizeof(text));
		line = text;
	}
	return fputs(line, stdout) == EOF || fflush(stdout) ? -EIO : 0;
}

int pcc_cmd_monitor(const struct pcc_args *args)
{
	char line[PCC_EVENT_BYTES + 1];
	struct pcc_err err = {};
	ssize_t got;
	int fd;

	fd = pcc_monitor_connect(pcc_cmd_dir(args), &err);
	if (fd < 0)
		return pcc_cmd_failed(&err);
	while ((got = recv(fd, line, sizeof(line) - 1, 0)) > 0 || (got < 0 && errno == EINTR)) {
		if (got < 0)
			continue;
		line[got] = '\0';
		if (print_event(line, args->opt[PCC_OPT_JSON].set))
			break; /* nobody reads our output any more */
	}
	close(fd);
	if (got > 0)
		return PCC_EXIT_OK;
	pcc_err_set(&err, -EPIPE, "daemon", "it has ended");
	return pcc_cmd_failed(&err);
}
