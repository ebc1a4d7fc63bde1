// SPDX-License-Identifier: GPL-2.0-only
/*
 * Puts new policies in force: writes their sets of prefixes and then all tables to the inactive
 * halves.
 */
#include "pins/policy_maps.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void sets_clear(struct pcc_dp *dp, uint32_t set_half)
{
	int fd = dp->map_fd[PCC_MAP_SETS];
	struct pcc_set_key key, next, *prev = NULL;
	bool more = !bpf_map_get_next_key(fd, NULL, &next);

	/*
	 * Get the next key before one is deleted; otherwise the walk would start again at the
	 * beginning.
	 */
	while (more) {
		key = next;
		prev = &key;
		more = !bpf_map_get_next_key(fd, prev, &next);
		if (key.half == set_half)
			bpf_map_delete_elem(fd, &key);
	}
}

static int sets_put(struct pcc_dp *dp, const struct pcc_policies *p, uint32_t set_half)
{
	for (size_t i = 0; i < p->nsets; i++) {
		struct pcc_set_key key = {.prefixlen = 32 + p->sets[i].len, .half = set_half};

		memcpy(key.addr, p->sets[i].addr.a, sizeof(key.addr));
		if (bpf_map_update_elem(dp->map_fd[PCC_MAP_SETS], &key, &p->sets[i].sets, BPF_ANY))
			return -errno;
	}
	return 0;
}

int pcc_policy_commit(struct pcc_dp *dp, const struct pcc_config *cfg, const struct pcc_policies *p,
	struct pcc_err *err)
{
	struct pcc_policy_head head;
	int ret = pcc_policy_head_get(dp, pcc_policy_half(dp), &head);

	if (ret)
		return pcc_err_set(err, ret, "pcc_policy_head", "holds impossible values");
	if (head.hash == pcc_policies_hash(p) && head.npolicies == p->nrules)
		return 0;
	sets_clear(dp, !head.set_half); /* left by a command that was killed */
	ret = sets_put(dp, p, !head.set_half);
	if (!ret) {
		dp->policies = p;
		ret = pcc_dp_commit_tables(dp, cfg);
		dp->policies = NULL;
	}
	/*
	 * Programs that started before the switch may still read the old sets. Wait until they have
	 * ended.
	 */
	if (!ret)
		syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	sets_clear(dp, ret ? !head.set_half : head.set_half);
	if (!ret)
		return 0;
	return pcc_err_set(err, ret, "policies", "cannot be written: %s", strerror(-ret));
}
