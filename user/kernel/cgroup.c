// SPDX-License-Identifier: GPL-2.0-only
/* A control group whose sockets all get a mark, and the BPF program that sets it. */
#include "kernel/cgroup.h"
#include "base/array.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "pccbpf-use-"

/* One BPF instruction. */
#define INSN(c, d, s, o, i)                                                                        \
	(struct bpf_insn)                                                                          \
	{                                                                                          \
		.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)                \
	}

int pcc_cgroup_mount_point(const char *mounts, char *path, size_t size)
{
	char where[512], type[32];

	for (const char *line = mounts; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		/*
		 * A blank in a path is written as \040. Such a path is not recognised; no control
		 * groups are mounted at one.
		 */
		if (sscanf(line, "%*s %511s %31s", where, type) != 2 ||
			strcmp(type, "cgroup2") != 0)
			continue;
		if (strlen(where) >= size)
			return -ENAMETOOLONG;
		strcpy(path, where);
		return 0;
	}
	return -ENOENT;
}

/* Reads a file of /proc. A file that does not fit is cut at the end of a line. */
static int read_proc(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	while (n > 0 && used + 1 < size) {
		n = read(fd, buf + used, size - 1 - used);
		used += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	buf[used] = '\0';
	return n < 0 ? -EIO : 0;
}

#define PROC_BYTES (1u << 18)

static int no_cgroup(int ret, struct pcc_err *err)
{
	if (ret != -ENOENT)
		return pcc_err_set(err, ret, "cgroup", "%s", strerror(-ret));
	pcc_err_set(err, ret, "cgroup", "version 2 is not mounted");
	return pcc_err_hint(err, ret, "mount -t cgroup2 none /sys/fs/cgroup");
}

int pcc_cgroup_root(char *path, size_t size, struct pcc_err *err)
{
	char *text = calloc(1, PROC_BYTES);
	int ret = text ? read_proc("/proc/self/mounts", text, PROC_BYTES) : -ENOMEM;

	if (!ret)
		ret = pcc_cgroup_mount_point(text, path, size);
	free(text);
	return ret ? no_cgroup(ret, err) : 0;
}

/* Finds the directory of the caller's own control group. */
static int own_group(char *path, size_t size, struct pcc_err *err)
{
	char text[4096], *line;
	size_t used, len;
	int ret = pcc_cgroup_root(path, size, err);

	if (ret)
		return ret;
	ret = read_proc("/proc/self/cgroup", text, sizeof(text));
	if (ret)
		return no_cgroup(ret, err);
	/* "0::/path"; "/" is the root. */
	for (line = text; *line && strncmp(line, "0::/", 4) != 0; line += *line == '\n')
		line += strcspn(line, "\n");
	len = *line ? strcspn(line + 4, "\n") : 0;
	used = strlen(path);
	if (used + len + 2 > size)
		return pcc_err_set(
			err, -ENAMETOOLONG, "cgroup", "the path of its group is too long");
	if (len)
		snprintf(path + used, size - used, "/%.*s", (int)len, line + 4);
	return 0;
}

/*
 * Removes groups left behind by commands that were killed: groups that are empty and whose process
 * is gone.
 */
static void sweep(const char *parent)
{
	DIR *dir = opendir(parent);
	struct dirent *entry;
	char path[800];
	long pid;

	while (dir && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0)
			continue;
		pid = strtol(entry->d_name + strlen(PREFIX), NULL, 10);
		if (pid <= 0 || !kill((pid_t)pid, 0) || errno != ESRCH)
			continue;
		snprintf(path, sizeof(path), "%s/%s", parent, entry->d_name);
		rmdir(path); /* fails while a process is left in the group */
	}
	if (dir)
		closedir(dir);
}

/* Loads the program that sets the mark of a new socket. Returns its file descriptor or -errno. */
static int mark_program(uint32_t mark, uint32_t mask)
{
	const int at = offsetof(struct bpf_sock, mark);
	const struct bpf_insn insns[] = {
		INSN(BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1, at, 0),
		INSN(BPF_ALU | BPF_AND | BPF_K, BPF_REG_2, 0, 0, (int)~mask),
		INSN(BPF_ALU | BPF_OR | BPF_K, BPF_REG_2, 0, 0, (int)mark),
		INSN(BPF_STX | BPF_MEM | BPF_W, BPF_REG_1, BPF_REG_2, at, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 1),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_CGROUP_INET_SOCK_CREATE);
	int fd = bpf_prog_load(
		BPF_PROG_TYPE_CGROUP_SOCK, "pcc_use", "GPL", insns, COUNT(insns), &opts);

	return fd < 0 ? -errno : fd;
}

int pcc_cgroup_make(struct pcc_cgroup *cg, uint32_t mark, uint32_t mask, struct pcc_err *err)
{
	char parent[400];
	int ret, prog, dir;

	ret = own_group(parent, sizeof(parent), err);
	if (ret)
		return ret;
	sweep(parent);
	snprintf(cg->path, sizeof(cg->path), "%s/" PREFIX "%d", parent, (int)getpid());
	if (mkdir(cg->path, 0755) && errno != EEXIST)
		return pcc_err_set(err, -errno, cg->path, "cannot be made: %s", strerror(errno));
	dir = open(cg->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	prog = mark_program(mark, mask);
	ret = dir < 0 ? -errno : prog < 0 ? prog : 0;
	if (!ret && bpf_prog_attach(prog, dir, BPF_CGROUP_INET_SOCK_CREATE, BPF_F_ALLOW_MULTI))
		ret = -errno;
	if (dir >= 0)
		close(dir);
	if (prog >= 0)
		close(prog);
	if (!ret)
		return 0;
	rmdir(cg->path);
	pcc_err_set(err, ret, "cgroup", "the kernel refused the program that sets the mark: %s",
		strerror(-ret));
	return pcc_err_hint(err, ret, "CONFIG_CGROUP_BPF=y is needed, as Debian's kernels have it");
}

int pcc_cgroup_enter(const struct pcc_cgroup *cg)
{
	char path[560];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cg->path);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, "0", 1) != 1)
		ret = -errno;
	close(fd);
	return ret;
}

/* Waits until the last process has left the group. */
static void wait_empty(const struct pcc_cgroup *cg)
{
	char path[560], text[128];
	struct pollfd events = {.events = POLLPRI};
	ssize_t n;

	snprintf(path, sizeof(path), "%s/cgroup.events", cg->path);
	events.fd = open(path, O_RDONLY | O_CLOEXEC);
	while (events.fd >= 0) {
		n = pread(events.fd, text, sizeof(text) - 1, 0);
		if (n <= 0)
			break;
		text[n] = '\0';
		if (strstr(text, "populated 0"))
			break;
		poll(&events, 1, -1);
	}
	if (events.fd >= 0)
		close(events.fd);
}

void pcc_cgroup_remove(const struct pcc_cgroup *cg)
{
	int null;

	if (!rmdir(cg->path) || errno != EBUSY || fork())
		return;
	setsid();
	null = open("/dev/null", O_RDWR);
	for (int fd = 0; null >= 0 && fd < 3; fd++)
		dup2(null, fd);
	if (chdir("/"))
		_exit(1);
	wait_empty(cg);
	rmdir(cg->path);
	_exit(0);
}
