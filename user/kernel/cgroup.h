/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The door to control groups (version 2): a group of processes whose sockets all carry a mark. The
 * program that sets it is attached to the group and goes with it.
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
 * Makes a group below that of the caller, in which every new socket has the bits `mark` under
 * `mask`. Groups that killed commands have left there empty are removed on the way. 0 or a negative
 * errno with err filled.
 */
int pcc_cgroup_make(struct pcc_cgroup *cg, uint32_t mark, uint32_t mask, struct pcc_err *err);

/* Moves the calling process into the group: what it starts is in it, too. 0 or a negative errno. */
int pcc_cgroup_enter(const struct pcc_cgroup *cg);

/*
 * Removes the group. Where processes are left in it, a process in the background waits for their
 * end and removes it then.
 */
void pcc_cgroup_remove(const struct pcc_cgroup *cg);

/* Where the control groups are mounted. 0 or a negative errno with err filled. */
int pcc_cgroup_root(char *path, size_t size, struct pcc_err *err);

/* Where /proc/self/mounts (text) has cgroup2 mounted; -ENOENT. Pure. */
int pcc_cgroup_mount_point(const char *mounts, char *path, size_t size);

#endif
