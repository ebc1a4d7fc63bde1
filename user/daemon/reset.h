/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tells the clients of a lost WAN: each TCP connection that went through it is reset on the LAN's
 * side, in the server's name, so that an idle download fails over now and not after minutes. Driven
 * by the event loop, at a limited rate; sockets are open only while there is something to tell.
 */
#ifndef PCC_RESET_H
#define PCC_RESET_H

#include <systemd/sd-event.h>

#include "pins/dataplane.h"

#define PCC_RESET_PER_S 2000u
#define PCC_RESET_MAX 32768u /* connections that wait; the others notice by themselves */

struct pcc_reset;

/* When all of a crowd have been told, or have not answered. */
typedef void (*pcc_reset_fn)(uint32_t told, uint32_t silent, void *arg);

int pcc_reset_new(struct pcc_reset **r, sd_event *loop, pcc_reset_fn fn, void *arg);
void pcc_reset_free(struct pcc_reset *r);

/*
 * Takes down the TCP connections that LAN clients have through that WAN and that the server has
 * answered, before they are forgotten; the telling starts with the loop's next turn. Returns their
 * number.
 */
uint32_t pcc_reset_collect(
	struct pcc_reset *r, struct pcc_dp *dp, const struct pcc_config *cfg, uint32_t wan_id);

#endif
