/* SPDX-License-Identifier: GPL-2.0-only */
/* The network namespace of the caller. */
#ifndef PCC_NETNS_H
#define PCC_NETNS_H

#include <stdint.h>

/*
 * Reads SO_NETNS_COOKIE of the caller's network namespace. Returns 0 or -errno; -ENOPROTOOPT before
 * Linux 5.14.
 */
int pcc_netns_cookie(uint64_t *cookie);

#endif
