/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tells the clients of a lost WAN: each TCP connection that used it is reset on the LAN side, in
 * the name of the server, so that an idle download fails over now and not after minutes. Driven by
 * the event loop, at a limited rate. Sockets are open only while there is something to send.
 */
#ifndef PCC_RESET_H
#define PCC_RESET_H

#include <systemd/sd-event.h>

#include "pins/dataplane.h"

#define PCC_RESET_PER_S 2000u
#define PCC_RESET_MAX                                                                              \
	32768u /* connections that may wait; further clients notice the loss by themselves */

struct pcc_reset;

/* Called when all clients of a batch have been told, or have not answered. */
typedef void (*pcc_reset_fn)(uint32_t told, uint32_t silent, void *arg);

int pcc_reset_new(struct pcc_reset **r, sd_event *loop, pcc_reset_fn fn, void *arg);
void pcc_reset_free(struct pcc_reset *r);

/*
 * Collects the TCP connections that LAN clients have through this WAN and that the server has
 * answered. To be called before the connections are forgotten; sending begins with the next turn of
 * the loop. Returns their number.
 */
uint32_t pcc_reset_collect(
	struct pcc_reset *r, struct pcc_dp *dp, const struct pcc_config *cfg, uint32_t wan_id);

#endif
