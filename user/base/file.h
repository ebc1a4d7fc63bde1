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
 * May a file be run with our rights, as cron sees it? It is a regular file and executable, belongs
 * to root or to us, and nobody else may write to it. NULL: it may; else why not.
 */
const char *pcc_may_not_run(const char *path);

#endif
