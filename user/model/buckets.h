/* SPDX-License-Identifier: GPL-2.0-only */
/* The bucket table: which WAN owns which bucket. Pure; the same on every machine. */
#ifndef PCC_BUCKETS_H
#define PCC_BUCKETS_H

#include <stdint.h>

#include "pccbpf.h"

/* A WAN that may own buckets. */
struct pcc_bucket_member {
	char name[PCC_IFNAMSIZ];
	uint32_t id;	 /* 1..PCC_MAX_WANS: what is written into the table */
	uint32_t weight; /* 1..2 * PCC_MAX_WEIGHT: a degraded WAN has half of what it had */
	uint32_t order;	 /* place in the order given; counts for the modulo scheme only */
};

/*
 * Fills table, which has room for PCC_MAX_BUCKETS entries, with WAN ids and sets *nbuckets.
 *
 * PCC_SCHEME_MODULO: B is the sum of the weights (nbuckets_wanted is not looked at); WANs take
 * consecutive buckets, `weight` each, by `order`, then by name. It is RouterOS'
 * per-connection-classifier=F:B/R with one or more remainders R per WAN.
 *
 * PCC_SCHEME_CONSISTENT: B is nbuckets_wanted. The owner of each bucket is a function of the set
 * {name, weight} only. Shares are exact to one bucket (pcc_bucket_quotas()), and a change of the
 * set moves few buckets more than the quotas demand.
 *
 * n == 0 gives *nbuckets 0. Returns 0; -EINVAL for more than PCC_MAX_WANS members, an id, a weight
 * or a number of buckets out of range, or a name that is there twice; -ENOMEM.
 */
int pcc_bucket_table(const struct pcc_bucket_member *members, uint32_t n, enum pcc_scheme scheme,
	uint32_t nbuckets_wanted, uint8_t *table, uint32_t *nbuckets);

/*
 * How many of nbuckets buckets each member gets: its exact share rounded down, and one more for
 * those with the largest remainders (of equals, the first by name). quotas has room for n entries,
 * in the order of members. n is at least 1 and the members are as pcc_bucket_table() accepts them.
 */
void pcc_bucket_quotas(
	const struct pcc_bucket_member *members, uint32_t n, uint32_t nbuckets, uint32_t *quotas);

#endif
