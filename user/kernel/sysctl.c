// SPDX-License-Identifier: GPL-2.0-only
/* Reading and writing kernel parameters under /proc/sys/net. */
#include "kernel/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATH_BYTES (PCC_SYSCTL_KEY_BYTES + sizeof("/proc/sys/"))

/* Is the key a plain path below net/, without parts that are empty, "." or ".."? */
static int key_ok(const char *key)
{
	const char *part = key;

	if (strncmp(key, "net/", 4) != 0)
		return 0;
	for (;;) {
		size_t n = strcspn(part, "/");

		if (n == 0 || (n == 1 && part[0] == '.') || (n == 2 && !strncmp(part, "..", 2)))
			return 0;
		if (!part[n])
			return 1;
		part += n + 1;
	}
}

static int formatted(int n, size_t len)
{
	if (n < 0)
		return -EINVAL;
	return (size_t)n < len ? 0 : -ENAMETOOLONG;
}

int pcc_sysctl_path(char *buf, size_t len, const char *key)
{
	if (!key_ok(key))
		return -EINVAL;
	return formatted(snprintf(buf, len, "/proc/sys/%s", key), len);
}

int pcc_sysctl_if_key(
	char *buf, size_t len, int family, const char *dir, const char *ifname, const char *name)
{
	if (family != AF_INET && family != AF_INET6)
		return -EINVAL;
	if (!ifname[0] || strchr(ifname, '/'))
		return -EINVAL;
	return formatted(snprintf(buf, len, "net/%s/%s/%s/%s", family == AF_INET ? "ipv4" : "ipv6",
				 dir, ifname, name),
		len);
}

static int fail(struct pcc_err *err, int code, const char *key, const char *what)
{
	pcc_err_set(err, code, key, "cannot %s this kernel parameter: %s", what, strerror(-code));
	if (code == -ENOENT)
		pcc_err_hint(
			err, code, "this kernel has no such parameter, or the interface is gone");
	else if (code == -EACCES || code == -EPERM)
		pcc_err_hint(err, code, "run it as root");
	else if (code == -EROFS)
		pcc_err_hint(err, code,
			"/proc/sys is mounted read-only, as in a container: mount it rw");
	return code;
}

static int open_key(const char *key, int flags)
{
	char path[PATH_BYTES];
	int fd;
	int err = pcc_sysctl_path(path, sizeof(path), key);

	if (err)
		return err;
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int pcc_sysctl_read(const char *key, char *buf, size_t len, struct pcc_err *err)
{
	ssize_t got;
	int saved = 0;
	int fd = open_key(key, O_RDONLY);

	if (fd < 0)
		return fail(err, fd, key, "read");
	got = read(fd, buf, len);
	if (got < 0)
		saved = -errno;
	close(fd);
	if (saved)
		return fail(err, saved, key, "read");
	if ((size_t)got == len)
		return fail(err, -ENOSPC, key, "read");
	while (got > 0 && buf[got - 1] == '\n')
		got--;
	buf[got] = '\0';
	return 0;
}

int pcc_sysctl_read_int(const char *key, long *value, struct pcc_err *err)
{
	char text[PCC_SYSCTL_VALUE_BYTES];
	char *end;
	int code = pcc_sysctl_read(key, text, sizeof(text), err);

	if (code)
		return code;
	errno = 0;
	*value = strtol(text, &end, 10);
	if (errno || end == text || *end)
		return pcc_err_set(err, -EINVAL, key, "'%s' is not a number", text);
	return 0;
}

int pcc_sysctl_write(const char *key, const char *value, struct pcc_err *err)
{
	size_t len = strlen(value);
	int saved = 0;
	int fd = open_key(key, O_WRONLY);
	ssize_t sent;

	if (fd < 0)
		return fail(err, fd, key, "write");
	sent = write(fd, value, len);
	if (sent < 0)
		saved = -errno;
	else if ((size_t)sent != len)
		saved = -EIO; /* the kernel accepted only a part of the text */
	close(fd);
	return saved ? fail(err, saved, key, "write") : 0;
}
