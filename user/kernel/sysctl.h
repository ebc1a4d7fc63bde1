/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel parameters under /proc/sys/net of the caller's network namespace. A key is the path below
 * /proc/sys with slashes, for example "net/ipv4/conf/eth1.100/rp_filter", because the form with
 * dots is ambiguous for interface names with dots.
 */
#ifndef PCC_SYSCTL_H
#define PCC_SYSCTL_H

#include <stddef.h>

#include "base/err.h"

#define PCC_SYSCTL_KEY_BYTES 96	   /* room for any key, with the final NUL */
#define PCC_SYSCTL_VALUE_BYTES 256 /* room for any value that is used here */

/*
 * Writes the path of a key's file, "/proc/sys/" + key, to buf. Returns 0; -EINVAL for a key that is
 * not a plain path below net/ ("..", empty parts, a leading slash); -ENAMETOOLONG.
 */
int pcc_sysctl_path(char *buf, size_t len, const char *key);

/*
 * Writes the key of a per-interface parameter to buf: family is AF_INET or AF_INET6, dir "conf" or
 * "neigh", ifname an interface, "all" or "default". Returns 0, -EINVAL or -ENAMETOOLONG.
 */
int pcc_sysctl_if_key(
	char *buf, size_t len, int family, const char *dir, const char *ifname, const char *name);

/*
 * Reads a value, without its final newline, into buf. Returns 0; -ENOENT if this kernel, or this
 * interface, has no such parameter; -ENOSPC if buf is too short; another -errno.
 */
int pcc_sysctl_read(const char *key, char *buf, size_t len, struct pcc_err *err);

/* Reads a value that is a single integer. Errors as above, and -EINVAL if it is not one. */
int pcc_sysctl_read_int(const char *key, long *value, struct pcc_err *err);

/*
 * Writes a value. Returns 0 or -errno (-ENOENT as above, -EROFS or -EACCES without permission,
 * ...).
 */
int pcc_sysctl_write(const char *key, const char *value, struct pcc_err *err);

#endif
