/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The source of `pccbpf monitor`: a socket in the daemon's runtime directory with one message for
 * each event (SOCK_SEQPACKET, JSON). A reader whose socket buffer is full is disconnected.
 */
#ifndef PCC_MONITOR_H
#define PCC_MONITOR_H

#include <systemd/sd-event.h>

#include "base/err.h"
#include "daemon/event.h"

#define PCC_MONITOR_READERS 32u

struct pcc_monitor;

/* Called for a new reader; sends the present states with pcc_monitor_send_to(). */
typedef void (*pcc_monitor_fn)(struct pcc_monitor *m, int reader, void *arg);

int pcc_monitor_new(struct pcc_monitor **m, sd_event *loop, const char *pin_dir, pcc_monitor_fn fn,
	void *arg, struct pcc_err *err);
void pcc_monitor_free(struct pcc_monitor *m);

/* Sends an event to all readers. Never blocks. */
void pcc_monitor_send(struct pcc_monitor *m, const struct pcc_event *e);
/* Sends an event to one reader; to be called from fn only. */
void pcc_monitor_send_to(struct pcc_monitor *m, int reader, const struct pcc_event *e);

/* For the reader: returns a connected socket, or -errno with err filled. */
int pcc_monitor_connect(const char *pin_dir, struct pcc_err *err);

#endif
