/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The user's scripts, run for each event: as children, one at a time each, in the order of the
 * events, never waited for. One that takes too long gets SIGTERM, then SIGKILL, with all that it
 * started. What an event was is in its environment: PCCBPF_EVENT, _WAN, _OLD, _NEW, _REASON, _TIME.
 */
#ifndef PCC_HOOK_RUN_H
#define PCC_HOOK_RUN_H

#include <systemd/sd-event.h>

#include "config/conf.h"
#include "daemon/event.h"

#define PCC_HOOK_QUEUE 64u    /* events that wait for one script; then the oldest is given up */
#define PCC_HOOK_KILL_MS 500u /* between SIGTERM and SIGKILL */

struct pcc_hook_runner;

/* Told of scripts that fail, are killed, or lose events. */
typedef void (*pcc_hook_fn)(const char *path, const char *what, void *arg);

int pcc_hook_runner_new(struct pcc_hook_runner **h, sd_event *loop, pcc_hook_fn fn, void *arg);
/* Scripts that run are killed: none outlives its time. */
void pcc_hook_runner_free(struct pcc_hook_runner *h);

/* Which scripts. Those that stay keep their queue. */
void pcc_hook_runner_configure(
	struct pcc_hook_runner *h, const struct pcc_hook_conf *hooks, uint32_t n);

void pcc_hook_runner_event(struct pcc_hook_runner *h, const struct pcc_event *e);

#endif
