/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs the user's scripts for each event: as child processes, one at a time for each script, in the
 * order of the events. The daemon never waits for one. A script that takes too long gets SIGTERM,
 * then SIGKILL, together with everything that it started. The event is in its environment:
 * PCCBPF_EVENT, _WAN, _OLD, _NEW, _REASON, _TIME.
 */
#ifndef PCC_HOOK_RUN_H
#define PCC_HOOK_RUN_H

#include <systemd/sd-event.h>

#include "config/conf.h"
#include "daemon/event.h"

#define PCC_HOOK_QUEUE 64u    /* events that may wait for one script; then the oldest is dropped */
#define PCC_HOOK_KILL_MS 500u /* between SIGTERM and SIGKILL */

struct pcc_hook_runner;

/* Called for scripts that fail, are killed, or lose events. */
typedef void (*pcc_hook_fn)(const char *path, const char *what, void *arg);

int pcc_hook_runner_new(struct pcc_hook_runner **h, sd_event *loop, pcc_hook_fn fn, void *arg);
/* Kills the scripts that are running and frees the runner. */
void pcc_hook_runner_free(struct pcc_hook_runner *h);

/* Sets the scripts. Those that stay keep their queue. */
void pcc_hook_runner_configure(
	struct pcc_hook_runner *h, const struct pcc_hook_conf *hooks, uint32_t n);

void pcc_hook_runner_event(struct pcc_hook_runner *h, const struct pcc_event *e);

#endif
