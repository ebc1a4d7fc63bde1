// SPDX-License-Identifier: GPL-2.0-only
/* Reads the counters, summed over the CPUs; has their names. */
#include "pins/dataplane.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

static const char *const reason_names[PCC_R_MAX] = {
#define X(sym, name, text) [PCC_R_##sym] = name,
	PCC_REASONS(X)
#undef X
};

static const char *const reason_texts[PCC_R_MAX] = {
#define X(sym, name, text) [PCC_R_##sym] = text,
	PCC_REASONS(X)
#undef X
};

const char *const pcc_wan_counter_names[] = {
	"tx_packets",
	"tx_bytes",
	"rx_packets",
	"rx_bytes",
	"new_connections",
	"fastpath_packets",
	"rx_errors",
	"syn_sent",
	"syn_answered",
	"rtt_sum_us",
};

const char *const pcc_bucket_counter_names[] = {
	"tx_packets",
	"tx_bytes",
	"rx_packets",
	"rx_bytes",
	"new_connections",
};

_Static_assert(COUNT(pcc_wan_counter_names) == PCC_WAN_COUNTERS, "a name for each");
_Static_assert(COUNT(pcc_bucket_counter_names) == PCC_BUCKET_COUNTERS, "a name for each");

const char *pcc_reason_name(enum pcc_reason reason)
{
	return reason < PCC_R_MAX ? reason_names[reason] : "?";
}

const char *pcc_reason_text(enum pcc_reason reason)
{
	return reason < PCC_R_MAX ? reason_texts[reason] : "?";
}

int pcc_dp_percpu_sum(struct pcc_dp *dp, enum pcc_map map, uint32_t key, uint64_t *sum, size_t n)
{
	uint64_t *values = calloc((size_t)dp->ncpus * n, sizeof(*values));
	int ret = 0;

	if (!values)
		return -ENOMEM;
	memset(sum, 0, n * sizeof(*sum));
	if (bpf_map_lookup_elem(dp->map_fd[map], &key, values))
		ret = -errno;
	for (int cpu = 0; !ret && cpu < dp->ncpus; cpu++)
		for (size_t i = 0; i < n; i++)
			sum[i] += values[cpu * n + i];
	free(values);
	return ret;
}

int pcc_dp_wan_stats(struct pcc_dp *dp, uint32_t wan_id, struct pcc_wan_stats *sum)
{
	return pcc_dp_percpu_sum(dp, PCC_MAP_WAN_STATS, wan_id, (uint64_t *)sum, sizeof(*sum) / 8);
}

int pcc_dp_bucket_stats(
	struct pcc_dp *dp, enum pcc_family family, uint32_t bucket, struct pcc_bucket_stats *sum)
{
	return pcc_dp_percpu_sum(dp, PCC_MAP_STATS, family * dp->meta->bucket_stride + bucket,
		(uint64_t *)sum, sizeof(*sum) / 8);
}

int pcc_dp_counter(struct pcc_dp *dp, enum pcc_reason reason, uint64_t *sum)
{
	int ret = pcc_dp_percpu_sum(dp, PCC_MAP_COUNTERS, reason, sum, 1);

	/* The fast path counts each packet only once, in the counters of its WAN. */
	for (uint32_t id = 0; !ret && reason == PCC_R_FAST && id < PCC_WAN_SLOTS; id++) {
		struct pcc_wan_stats wan;

		ret = pcc_dp_wan_stats(dp, id, &wan);
		*sum += ret ? 0 : wan.fastpath_packets;
	}
	return ret;
}
