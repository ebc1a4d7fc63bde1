/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bucket table: which WAN owns which bucket. A pure function of its input, with the same result
 * on every machine.
 */
#ifndef PCC_BUCKETS_H
#define PCC_BUCKETS_H

#include <stdint.h>

#include "pccbpf.h"

/* A WAN that may own buckets. */
struct pcc_bucket_member {
	char name[PCC_IFNAMSIZ];
	uint32_t id; /* 1..PCC_MAX_WANS: what is written into the table */
	/*
	 * 1..2 * PCC_MAX_WEIGHT: twice the configured weight, so that a degraded WAN can have half.
	 */
	uint32_t weight;
	uint32_t order; /* place in the order given; used by the modulo scheme only */
};

/*
 * Fills table, which has room for PCC_MAX_BUCKETS entries, with WAN ids, and sets *nbuckets.
 *
 * PCC_SCHEME_MODULO: the number of buckets B is the sum of the weights; nbuckets_wanted is ignored.
 * Each WAN gets `weight` consecutive buckets, the WANs ordered by `order`, then by name. This is
 * RouterOS' per-connection-classifier=F:B/R with one or more remainders R for each WAN.
 *
 * PCC_SCHEME_CONSISTENT: B is nbuckets_wanted. The owner of each bucket depends only on the set of
 * {name, weight}. Shares are exact to one bucket (pcc_bucket_quotas()), and a change of the set
 * moves few buckets more than the quotas demand.
 *
 * For n == 0, *nbuckets is 0. Returns 0; -EINVAL for more than PCC_MAX_WANS members, for an id, a
 * weight or a number of buckets out of range, or for a name that occurs twice; -ENOMEM.
 */
int pcc_bucket_table(const struct pcc_bucket_member *members, uint32_t n, enum pcc_scheme scheme,
	uint32_t nbuckets_wanted, uint8_t *table, uint32_t *nbuckets);

/*
 * Computes how many of nbuckets buckets each member gets: its exact share rounded down, and one
 * more for the members with the largest remainders (of equal ones, the first by name). quotas has
 * room for n entries and is in the order of members. n is at least 1, and the members are valid for
 * pcc_bucket_table().
 */
void pcc_bucket_quotas(
	const struct pcc_bucket_member *members, uint32_t n, uint32_t nbuckets, uint32_t *quotas);

#endif
