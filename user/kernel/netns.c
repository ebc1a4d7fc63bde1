// SPDX-License-Identifier: GPL-2.0-only
/* The network namespace of the caller. */
#include "kernel/netns.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

int pcc_netns_cookie(uint64_t *cookie)
{
	socklen_t len = sizeof(*cookie);
	int err = 0;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, cookie, &len) < 0)
		err = -errno;
	close(fd);
	return err;
}
