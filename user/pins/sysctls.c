// SPDX-License-Identifier: GPL-2.0-only
/* The values that sysctls had before attach, kept in a map until detach. */
#include "pins/dataplane.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static void sysctl_key(struct pcc_sysctl_key *key, const char *path)
{
	memset(key, 0, sizeof(*key));
	snprintf(key->path, sizeof(key->path), "%s", path);
}

int pcc_dp_sysctl_remember(struct pcc_dp *dp, const char *path, const char *value)
{
	struct pcc_sysctl_old old = {};
	struct pcc_sysctl_key key;

	sysctl_key(&key, path);
	snprintf(old.value, sizeof(old.value), "%s", value);
	if (bpf_map_update_elem(dp->map_fd[PCC_MAP_SYSCTLS], &key, &old, BPF_NOEXIST) &&
		errno != EEXIST)
		return -errno;
	return 0;
}

int pcc_dp_sysctl_old(struct pcc_dp *dp, const char *path, char value[32])
{
	struct pcc_sysctl_old old;
	struct pcc_sysctl_key key;

	sysctl_key(&key, path);
	if (bpf_map_lookup_elem(dp->map_fd[PCC_MAP_SYSCTLS], &key, &old))
		return -errno;
	snprintf(value, 32, "%.31s", old.value);
	return 0;
}

int pcc_dp_sysctl_forget(struct pcc_dp *dp, const char *path)
{
	struct pcc_sysctl_key key;

	sysctl_key(&key, path);
	return bpf_map_delete_elem(dp->map_fd[PCC_MAP_SYSCTLS], &key) ? -errno : 0;
}

int pcc_dp_sysctl_next(struct pcc_dp *dp, const char *prev, char path[96])
{
	struct pcc_sysctl_key key, next;

	sysctl_key(&key, prev);
	if (bpf_map_get_next_key(dp->map_fd[PCC_MAP_SYSCTLS], prev[0] ? &key : NULL, &next))
		return -errno;
	snprintf(path, 96, "%.95s", next.path);
	return 0;
}
