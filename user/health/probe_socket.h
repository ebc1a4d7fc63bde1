/* SPDX-License-Identifier: GPL-2.0-only */
/* Sockets of probes, which send by one WAN or not at all. */
#ifndef PCC_PROBE_SOCKET_H
#define PCC_PROBE_SOCKET_H

#include <sys/socket.h>

#include "health/probe.h"

/* Fills ss with the address and port of a target, as for connect(2). Returns its length. */
socklen_t pcc_probe_address(const struct pcc_target *target, struct sockaddr_storage *ss);

/*
 * Opens a socket that can send by the WAN only: bound to its device, with its mark, and with its
 * source address if the WAN has one. Non-blocking, close-on-exec. The caller closes it. Returns the
 * socket or -errno.
 */
int pcc_probe_socket(int family, int type, int protocol, const struct pcc_probe_wan *wan);

/* Has handler called at these events (EPOLL*), before any timer. Returns 0 or -errno. */
int pcc_probe_watch(sd_event *event, int fd, uint32_t events, sd_event_io_handler_t handler,
	void *arg, sd_event_source **io);

/*
 * Closes the socket and stops watching it; *fd is then -1. Accepts a socket that is closed or not
 * watched.
 */
void pcc_probe_close(int *fd, sd_event_source **io);

#endif
