// SPDX-License-Identifier: GPL-2.0-only
/* Sockets of probes, and watching them in the event loop. */
#include "health/probe_socket.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62
#endif

/* Answers are read before timers say that there is none. */
#define IO_PRIORITY (SD_EVENT_PRIORITY_NORMAL - 10)

socklen_t pcc_probe_address(const struct pcc_target *t, struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ss;
	struct sockaddr_in *v4 = (struct sockaddr_in *)ss;

	memset(ss, 0, sizeof(*ss));
	ss->ss_family = t->family;
	if (t->family == AF_INET) {
		v4->sin_addr = t->addr.v4;
		v4->sin_port = htons(t->port);
		return sizeof(*v4);
	}
	v6->sin6_addr = t->addr.v6;
	v6->sin6_port = htons(t->port);
	return sizeof(*v6);
}

static int bind_source(int fd, int family, const struct pcc_probe_wan *wan)
{
	struct pcc_target src = {.family = family};
	struct sockaddr_storage ss;
	socklen_t len;

	if (family == AF_INET)
		src.addr.v4 = wan->src4;
	else
		src.addr.v6 = wan->src6;
	if (family == AF_INET ? !wan->src4.s_addr : IN6_IS_ADDR_UNSPECIFIED(&wan->src6))
		return 0;
	len = pcc_probe_address(&src, &ss);
	return bind(fd, (struct sockaddr *)&ss, len) ? -errno : 0;
}

int pcc_probe_socket(int family, int type, int protocol, const struct pcc_probe_wan *wan)
{
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	int ifindex = (int)wan->ifindex, err;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &ifindex, sizeof(ifindex)) ||
		setsockopt(fd, SOL_SOCKET, SO_MARK, &wan->mark, sizeof(wan->mark)))
		err = -errno;
	else
		err = bind_source(fd, family, wan);
	if (!err)
		return fd;
	close(fd);
	return err;
}

void pcc_probe_close(int *fd, sd_event_source **io)
{
	*io = sd_event_source_disable_unref(*io);
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int pcc_probe_watch(sd_event *event, int fd, uint32_t events, sd_event_io_handler_t handler,
	void *arg, sd_event_source **io)
{
	int err = sd_event_add_io(event, io, fd, events, handler, arg);

	if (!err)
		err = sd_event_source_set_priority(*io, IO_PRIORITY);
	return err < 0 ? err : 0;
}
