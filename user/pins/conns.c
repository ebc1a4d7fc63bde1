// SPDX-License-Identifier: GPL-2.0-only
/* The remembered connections. */
#include "pins/dataplane.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 8192

/* Passes one batch to fn and deletes what it asks for. */
static int conns_batch(struct pcc_dp *dp, const struct pcc_tuple *keys,
	const struct pcc_conn *values, uint32_t n, pcc_conn_fn fn, void *arg)
{
	for (uint32_t i = 0; i < n; i++) {
		int ret = fn(&keys[i], &values[i], arg);

		if (ret < 0)
			return ret;
		if (ret > 0)
			bpf_map_delete_elem(dp->map_fd[PCC_MAP_CONNS], &keys[i]);
	}
	return 0;
}

int pcc_dp_conns(struct pcc_dp *dp, pcc_conn_fn fn, void *arg, struct pcc_err *err)
{
	struct pcc_tuple *keys = calloc(BATCH, sizeof(*keys));
	struct pcc_conn *values = calloc(BATCH, sizeof(*values));
	uint32_t cursor = 0, next = 0, n;
	void *from = NULL;
	int ret = 0, end = 0;

	if (!keys || !values)
		ret = -ENOMEM;
	while (!ret && !end) {
		n = BATCH;
		if (bpf_map_lookup_batch(
			    dp->map_fd[PCC_MAP_CONNS], from, &next, keys, values, &n, NULL)) {
			if (errno != ENOENT) {
				ret = -errno;
				break;
			}
			end = 1;
		}
		ret = conns_batch(dp, keys, values, n, fn, arg);
		cursor = next;
		from = &cursor;
	}
	free(keys);
	free(values);
	if (ret)
		pcc_err_set(err, ret, "pcc_conns", "cannot be read: %s", strerror(-ret));
	return ret;
}
