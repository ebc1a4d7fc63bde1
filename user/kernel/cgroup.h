/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Control groups (version 2): makes a group of processes whose sockets all get a mark. The program
 * that sets the mark is attached to the group and is gone when the group is removed.
 */
#ifndef PCC_CGROUP_H
#define PCC_CGROUP_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pcc_cgroup {
	char path[512];
};

/*
 * Makes a group below that of the caller. Every socket created in it gets the bits `mark` under
 * `mask`. Empty groups that killed commands have left there are removed first. Returns 0 or a
 * negative errno with err filled.
 */
int pcc_cgroup_make(struct pcc_cgroup *cg, uint32_t mark, uint32_t mask, struct pcc_err *err);

/*
 * Moves the calling process, and so everything that it will start, into the group. Returns 0 or a
 * negative errno.
 */
int pcc_cgroup_enter(const struct pcc_cgroup *cg);

/*
 * Removes the group. If processes are left in it, a background process waits for their end and
 * removes the group then.
 */
void pcc_cgroup_remove(const struct pcc_cgroup *cg);

/*
 * Writes to path where the control groups are mounted. Returns 0 or a negative errno with err
 * filled.
 */
int pcc_cgroup_root(char *path, size_t size, struct pcc_err *err);

/* Finds the mount point of cgroup2 in the text of /proc/self/mounts. Returns 0 or -ENOENT. Pure. */
int pcc_cgroup_mount_point(const char *mounts, char *path, size_t size);

#endif
