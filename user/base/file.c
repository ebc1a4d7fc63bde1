// SPDX-License-Identifier: GPL-2.0-only
/* Reading a whole file into memory. */
#include "base/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int pcc_slurp(int fd, size_t max, char **data, size_t *len)
{
	char *text = malloc(max + 1);
	ssize_t got = 1;
	int ret = 0;

	*data = NULL;
	*len = 0;
	if (!text)
		return -ENOMEM;
	while (got > 0 && *len <= max) {
		got = read(fd, text + *len, max + 1 - *len);
		if (got > 0)
			*len += (size_t)got;
		else if (got < 0)
			ret = -errno;
	}
	if (!ret && *len > max)
		ret = -EFBIG;
	if (ret) {
		free(text);
		return ret;
	}
	text[*len] = '\0';
	*data = text;
	return 0;
}

const char *pcc_may_not_run(const char *path)
{
	struct stat st;

	if (stat(path, &st) || access(path, X_OK))
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "is no regular file";
	if (st.st_uid && st.st_uid != geteuid())
		return "belongs to another user than root";
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return "may be written to by others than its owner";
	return NULL;
}
