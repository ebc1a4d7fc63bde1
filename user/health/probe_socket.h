/* SPDX-License-Identifier: GPL-2.0-only */
/* Sockets of probes: by one WAN, or not at all. */
#ifndef PCC_PROBE_SOCKET_H
#define PCC_PROBE_SOCKET_H

#include <sys/socket.h>

#include "health/probe.h"

/* Address and port of a target, as for connect(2). Its length. */
socklen_t pcc_probe_address(const struct pcc_target *target, struct sockaddr_storage *ss);

/*
 * A socket that can leave by the WAN only: bound to its device, with its mark, and its source
 * address where the WAN names one. Non-blocking, close-on-exec. The caller closes it. The socket or
 * -errno.
 */
int pcc_probe_socket(int family, int type, int protocol, const struct pcc_probe_wan *wan);

/* Calls handler at these events (EPOLL*), before any timer. 0 or -errno. */
int pcc_probe_watch(sd_event *event, int fd, uint32_t events, sd_event_io_handler_t handler,
	void *arg, sd_event_source **io);

/* Closes the socket and stops watching it; *fd is -1 then. Neither need be there. */
void pcc_probe_close(int *fd, sd_event_source **io);

#endif
