// SPDX-License-Identifier: GPL-2.0-only
/* Probe "tcp://1.1.1.1:443": a connection must be accepted. */
#include <sys/socket.h>

#include "health/kind.h"

const struct pcc_kind pcc_kind_tcp = {
	.scheme = "tcp",
	.example = "tcp://1.1.1.1:443",
	.type = SOCK_STREAM,
};
