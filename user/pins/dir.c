// SPDX-License-Identifier: GPL-2.0-only
/* The pin directory: locking it, and removing our pins from it. */
#include "pins/pins.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#ifndef BPF_FS_MAGIC
#define BPF_FS_MAGIC 0xcafe4a11
#endif

/*
 * Removes maps that the detach of an older build left behind because it did not know them. They
 * belong to nobody if no other map of ours is there.
 */
static void drop_orphans(const struct pcc_dp *dp)
{
	char path[PCC_PIN_PATH];

	for (int i = 0; i < PCC_MAP_MAX; i++) {
		pcc_pin_path(dp, pcc_map_names[i], path);
		if (!pcc_map_is_younger(i) && !access(path, F_OK))
			return;
	}
	for (int i = 0; i < PCC_MAP_MAX; i++) {
		pcc_pin_path(dp, pcc_map_names[i], path);
		if (pcc_map_is_younger(i))
			unlink(path);
	}
}

/* Is DIR on a BPF file system, or would it be if it were made? */
static int check_bpffs(const struct pcc_dp *dp, struct pcc_err *err)
{
	char parent[sizeof(dp->dir)], *slash;
	struct statfs fs;

	snprintf(parent, sizeof(parent), "%s", dp->dir);
	if (statfs(parent, &fs)) {
		slash = strrchr(parent, '/');
		if (!slash)
			snprintf(parent, sizeof(parent), ".");
		else
			slash[slash == parent] = '\0';
		if (statfs(parent, &fs)) {
			pcc_err_set(err, -ENOENT, "pin directory", "'%s' does not exist", parent);
			return pcc_err_hint(err, -ENOENT, "mount -t bpf bpf /sys/fs/bpf");
		}
	}
	if ((unsigned long)fs.f_type == BPF_FS_MAGIC)
		return 0;
	pcc_err_set(
		err, -EMEDIUMTYPE, "pin directory", "'%s' is not on a BPF file system", dp->dir);
	/* Never the mount of another directory: what is in it would be out of reach. */
	return pcc_err_hint(err, -EMEDIUMTYPE,
		"mount -t bpf bpf /sys/fs/bpf, if nothing is mounted there, and use a directory below "
		"it");
}

/*
 * Opens the directory and locks it with flock(2). Returns -EAGAIN if somebody else holds the lock,
 * or if the directory has just been replaced.
 */
static int try_lock(struct pcc_dp *dp)
{
	struct stat held, there;
	int fd;

	fd = open(dp->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		close(fd);
		return -EAGAIN;
	}
	if (fstat(fd, &held) || stat(dp->dir, &there) || held.st_ino != there.st_ino ||
		held.st_dev != there.st_dev) {
		close(fd); /* a detach removed the directory in the meantime */
		return -EAGAIN;
	}
	dp->lock_fd = fd;
	return 0;
}

static bool dir_is_empty(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	bool empty = dir;

	while (empty && (entry = readdir(dir)))
		empty = entry->d_name[0] == '.';
	if (dir)
		closedir(dir);
	return empty;
}

int pcc_dp_lock(struct pcc_dp *dp, bool create, unsigned int wait_s, struct pcc_err *err)
{
	const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
	int ret;

	ret = check_bpffs(dp, err);
	if (ret)
		return ret;
	for (unsigned long tries = 0; tries <= wait_s * 50ul; tries++) {
		if (create && !mkdir(dp->dir, 0700))
			dp->dir_made = true;
		ret = try_lock(dp);
		if (!ret) {
			drop_orphans(dp);
			/*
			 * An empty directory was made just now, or by an attach that was
			 * interrupted at once.
			 */
			dp->dir_made = dp->dir_made || dir_is_empty(dp->dir);
			return 0;
		}
		if (ret == -ENOENT && !create)
			return ret;
		if (ret != -EAGAIN && ret != -ENOENT)
			return pcc_err_set(err, ret, "pin directory", "'%s' cannot be opened: %s",
				dp->dir, strerror(-ret));
		nanosleep(&pause, NULL);
	}
	pcc_err_set(err, -EBUSY, "lock", "another pccbpf command is changing '%s'", dp->dir);
	return pcc_err_hint(
		err, -EBUSY, "wait for it to end, or give more time with --wait SECONDS");
}

/*
 * Is the name in the pin directory one of ours? Links are named link_in_<ifindex>,
 * link_out_<ifindex>, and as in nexthop.c.
 */
static bool is_our_pin(const char *name)
{
	size_t len = strlen(name);

	if (len > 4 && !strcmp(name + len - 4, "_new"))
		len -= 4;
	if ((len == strlen(PCC_CONF_PIN) && !strncmp(name, PCC_CONF_PIN, len)) ||
		!strcmp(name, PCC_CONFIRM_PIN) || !strncmp(name, "link_connect", 12))
		return true;
	for (int i = 0; i < PCC_MAP_MAX; i++)
		if (strlen(pcc_map_names[i]) == len && !strncmp(name, pcc_map_names[i], len))
			return true;
	for (int i = 0; i < PCC_PROG_MAX; i++)
		if (strlen(pcc_prog_names[i]) == len && !strncmp(name, pcc_prog_names[i], len))
			return true;
	return !strncmp(name, "link_in_", 8) || !strncmp(name, "link_out_", 9) ||
	       !strncmp(name, "link_neigh", 10);
}

void pcc_dp_remove(struct pcc_dp *dp)
{
	bool made = dp->dir_made || (dp->meta && dp->meta->flags & PCC_META_DIR_MADE);
	struct dirent *entry;
	char path[600];
	DIR *dir;

	dir = opendir(dp->dir);
	while (dir && (entry = readdir(dir))) {
		/* pcc_meta is removed last: while it is there, detach knows what to do. */
		if (!is_our_pin(entry->d_name) ||
			!strcmp(entry->d_name, pcc_map_names[PCC_MAP_META]))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dp->dir, entry->d_name);
		unlink(path);
	}
	if (dir)
		closedir(dir);
	pcc_pin_path(dp, pcc_map_names[PCC_MAP_META], path);
	unlink(path);
	if (made || dp->any_instance)
		rmdir(dp->dir); /* fails if somebody else has put something there */
	pcc_close_objects(dp);
}
