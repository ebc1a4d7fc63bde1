// SPDX-License-Identifier: GPL-2.0-only
/* The remembered connections, and walking through a large hash map. */
#include "pins/pins.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 8192

int pcc_map_walk(int fd, size_t key_bytes, size_t value_bytes, pcc_map_batch_fn fn, void *arg)
{
	void *keys = calloc(BATCH, key_bytes), *values = calloc(BATCH, value_bytes);
	uint32_t cursor = 0, next = 0, n;
	void *from = NULL;
	int ret = keys && values ? 0 : -ENOMEM;
	bool end = false;

	while (!ret && !end) {
		n = BATCH;
		if (bpf_map_lookup_batch(fd, from, &next, keys, values, &n, NULL)) {
			if (errno != ENOENT) {
				ret = -errno;
				break;
			}
			end = true;
		}
		ret = fn(keys, values, n, arg);
		cursor = next;
		from = &cursor;
	}
	free(keys);
	free(values);
	return ret;
}

struct conns_walk {
	int fd;
	pcc_conn_fn fn;
	void *arg;
};

/* Calls fn with each connection and deletes those that fn returns 1 for. */
static int conns_batch(const void *keys, const void *values, uint32_t n, void *arg)
{
	const struct conns_walk *walk = arg;
	const struct pcc_tuple *key = keys;
	const struct pcc_conn *conn = values;

	for (uint32_t i = 0; i < n; i++) {
		int ret = walk->fn(&key[i], &conn[i], walk->arg);

		if (ret < 0)
			return ret;
		if (ret > 0)
			bpf_map_delete_elem(walk->fd, &key[i]);
	}
	return 0;
}

int pcc_dp_conns(struct pcc_dp *dp, pcc_conn_fn fn, void *arg, struct pcc_err *err)
{
	struct conns_walk walk = {.fd = dp->map_fd[PCC_MAP_CONNS], .fn = fn, .arg = arg};
	int ret = pcc_map_walk(
		walk.fd, sizeof(struct pcc_tuple), sizeof(struct pcc_conn), conns_batch, &walk);

	if (ret)
		pcc_err_set(err, ret, "pcc_conns", "cannot be read: %s", strerror(-ret));
	return ret;
}
