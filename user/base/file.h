/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading a whole file into memory. */
#ifndef PCC_FILE_H
#define PCC_FILE_H

#include <stddef.h>

/*
 * Reads the rest of an open file into *data, which the caller frees. *len is its length; one more
 * byte, a 0, follows the data. Errors: -ENOMEM, -EFBIG (longer than max bytes) and those of
 * read(2); *data is NULL then.
 */
int pcc_slurp(int fd, size_t max, char **data, size_t *len);

/*
 * Checks whether a file may be run with our rights, by the rules of cron: it must be a regular file
 * and executable, belong to root or to us, and not be writable by others. Returns NULL if it may be
 * run, else why not.
 */
const char *pcc_may_not_run(const char *path);

#endif
