// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bucket tables: computes who gets new connections, writes that to the inactive half of the
 * maps, and switches to it.
 */
#include "pins/dataplane.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "pins/policy_maps.h"

uint32_t pcc_dp_buckets(struct pcc_dp *dp, enum pcc_family family, uint8_t *table)
{
	const struct pcc_half *now = &dp->meta->half[dp->meta->active_half & 1];
	uint32_t n = now->nbuckets[family];

	if (n > PCC_MAX_BUCKETS)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t key = now->base[family] + i, value = 0;

		bpf_map_lookup_elem(dp->map_fd[PCC_MAP_BUCKETS], &key, &value);
		table[i] = value;
	}
	return n;
}

/* Computes the bucket table of one family over the WANs that are up and serve it. */
static int family_table(
	const struct pcc_config *cfg, enum pcc_family family, uint8_t *table, uint32_t *n)
{
	struct pcc_bucket_member members[PCC_MAX_WANS];
	uint32_t count = pcc_dp_members(cfg, family, UINT64_MAX, false, members);

	return pcc_bucket_table(members, count, cfg->scheme, cfg->buckets, table, n);
}

static int write_table(struct pcc_dp *dp, uint32_t base, const uint8_t *table, uint32_t n)
{
	uint32_t *keys = calloc(n, sizeof(*keys)), *values = calloc(n, sizeof(*values));
	uint32_t count = n;
	int ret = 0;

	if (!keys || !values) {
		ret = -ENOMEM;
		goto out;
	}
	for (uint32_t i = 0; i < n; i++) {
		keys[i] = base + i;
		values[i] = table[i];
	}
	if (n && bpf_map_update_batch(dp->map_fd[PCC_MAP_BUCKETS], keys, values, &count, NULL))
		ret = -errno;
out:
	free(keys);
	free(values);
	return ret;
}

static uint32_t classifier_fields(uint32_t classifier)
{
	static const uint32_t fields[] = {
#define X(sym, name, f) f,
		PCC_CLASSIFIERS(X)
#undef X
	};

	return classifier < COUNT(fields) ? fields[classifier] : fields[0];
}

/* Returns where the next table goes: to the half of the map, lower or upper, that is not in use. */
static uint32_t next_base(const struct pcc_dp *dp, uint32_t *room)
{
	uint32_t entries = pcc_dp_map_entries(dp->map_fd[PCC_MAP_BUCKETS]);

	*room = entries / 4;
	return dp->meta->half[dp->meta->active_half & 1].base[PCC_V4] < entries / 2 ? entries / 2
										    : 0;
}

int pcc_dp_commit_tables(struct pcc_dp *dp, const struct pcc_config *cfg)
{
	uint32_t half = !(dp->meta->active_half & 1), n, room, base = next_base(dp, &room);
	struct pcc_half next = {
		.fields = classifier_fields(cfg->classifier),
		.seed = cfg->seed,
	};
	uint8_t table[PCC_MAX_BUCKETS];
	int ret;

	for (int family = 0; family < PCC_FAMILIES; family++) {
		ret = family_table(cfg, family, table, &n);
		if (ret)
			return ret;
		if (n > room)
			return -ENOSPC;
		next.base[family] = base + family * room;
		ret = write_table(dp, next.base[family], table, n);
		if (ret)
			return ret;
		next.nbuckets[family] = n;
	}
	ret = pcc_policy_write(dp, cfg, half);
	if (ret)
		return ret;
	dp->meta->half[half] = next;
	__atomic_store_n(&dp->meta->active_half, half, __ATOMIC_RELEASE);
	__atomic_add_fetch(&dp->meta->epoch, 1, __ATOMIC_RELEASE);
	return 0;
}

void pcc_dp_new_epoch(struct pcc_dp *dp)
{
	__atomic_add_fetch(&dp->meta->epoch, 1, __ATOMIC_RELEASE);
}
