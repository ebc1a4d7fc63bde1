// SPDX-License-Identifier: GPL-2.0-only
/*
 * Consistent bucket tables by weighted rendezvous hashing under quotas.
 *
 * Every WAN ranks all buckets in a pseudo-random order of its own, drawn from its name alone. A
 * rank r stands for the uniform number u = (r + 1/2) / B, which gives the WAN's score -ln(1 - u) /
 * weight in that bucket; the lowest score owns the bucket. With exponential scores a WAN is lowest
 * with a probability of weight / sum of weights, and a WAN that comes or goes changes only the
 * buckets that it takes or leaves (Schindelhauer and Schomaker, "Weighted distributed hash tables",
 * 2005). Ranks instead of independent random numbers halve the variance of the shares.
 *
 * What is left of the variance is taken out by moving buckets from WANs above their quota to those
 * below, always where that costs least in log(score): the assignment of least total cost under the
 * quotas, by successive shortest paths over the WANs. It is unique up to ties, so close sets of
 * WANs get close tables. (Under quotas the weight in the score is a constant of the total cost: it
 * only makes the first assignment a good one, so that few buckets are left to move.)
 *
 * Integers only: no libm decides who owns a bucket.
 */
#include "model/buckets.h"
#include "base/fnv.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FRACTION_BITS 32 /* of fixed-point logarithms */
#define NO_EDGE INT64_MAX

/* The assignment problem: the members, sorted by name, the costs, and the assignment so far. */
struct assignment {
	const struct pcc_bucket_member *m;
	uint32_t n;
	uint32_t nbuckets;
	int64_t *cost;	/* [bucket * n + member], log2 of the score, fixed point */
	uint8_t *owner; /* [bucket], index of the member */
	uint32_t count[PCC_MAX_WANS];
	uint32_t quota[PCC_MAX_WANS];
	/*
	 * For each pair of members: the cheapest bucket to move from the first to the second, and
	 * its cost.
	 */
	int64_t edge[PCC_MAX_WANS][PCC_MAX_WANS];
	uint32_t edge_bucket[PCC_MAX_WANS][PCC_MAX_WANS];
};

/*
 * Finalizer of splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators").
 */
static uint64_t mix64(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ull;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebull;
	x ^= x >> 31;
	return x;
}

/* A 64-bit hash of the name: FNV-1a, then mixed. */
static uint64_t name_hash(const char *name)
{
	return mix64(pcc_fnv1a(PCC_FNV1A_BASIS, name, strlen(name)));
}

/* log2(x) in fixed point with FRACTION_BITS fraction bits. x must be greater than 0. */
static int64_t log2_fixed(uint64_t x)
{
	int whole = 63 - __builtin_clzll(x);
	uint64_t y = whole > 31 ? x >> (whole - 31) : x << (31 - whole); /* 1 <= y < 2, 31 bits */
	int64_t log = (int64_t)whole << FRACTION_BITS;

	for (int bit = FRACTION_BITS - 1; bit >= 0; bit--) {
		y = y * y >> 31;
		if (y >> 32) {
			y >>= 1;
			log |= 1ll << bit;
		}
	}
	return log;
}

/*
 * log2(-log2(1 - u)) for the u that belongs to the rank, up to a constant that is the same for all
 * ranks.
 */
static int64_t rank_cost(uint32_t rank, uint32_t nbuckets)
{
	int64_t whole = log2_fixed(2ull * nbuckets);

	return log2_fixed((uint64_t)(whole - log2_fixed(2ull * (nbuckets - rank) - 1)));
}

/* A pseudo-random number below limit. Its bias is at most 2^-50, which does not matter here. */
static uint32_t draw(uint64_t *state, uint32_t limit)
{
	*state += 0x9e3779b97f4a7c15ull;
	return (uint32_t)((mix64(*state) >> 32) * limit >> 32);
}

static int compare_names(const void *a, const void *b)
{
	const struct pcc_bucket_member *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int compare_order(const void *a, const void *b)
{
	const struct pcc_bucket_member *x = a, *y = b;

	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return strcmp(x->name, y->name);
}

static bool members_valid(const struct pcc_bucket_member *m, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (m[i].id < 1 || m[i].id > PCC_MAX_WANS)
			return false;
		if (m[i].weight < 1 || m[i].weight > 2 * PCC_MAX_WEIGHT)
			return false;
		if (!memchr(m[i].name, '\0', sizeof(m[i].name)))
			return false;
		for (uint32_t j = 0; j < i; j++)
			if (strcmp(m[i].name, m[j].name) == 0)
				return false;
	}
	return true;
}

void pcc_bucket_quotas(
	const struct pcc_bucket_member *members, uint32_t n, uint32_t nbuckets, uint32_t *quotas)
{
	uint64_t sum = 0, rest[PCC_MAX_WANS];
	uint32_t left = nbuckets;

	for (uint32_t i = 0; i < n; i++)
		sum += members[i].weight;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t share = (uint64_t)nbuckets * members[i].weight;

		quotas[i] = (uint32_t)(share / sum);
		rest[i] = share % sum + 1; /* 0 means "has got its extra bucket" */
		left -= quotas[i];
	}
	while (left--) {
		uint32_t best = 0;

		for (uint32_t i = 1; i < n; i++)
			if (rest[i] > rest[best] ||
				(rest[i] == rest[best] &&
					strcmp(members[i].name, members[best].name) < 0))
				best = i;
		quotas[best]++;
		rest[best] = 0;
	}
}

/*
 * Computes the costs of member i in all buckets. Its ranks are a shuffle of the buckets, seeded
 * with its name.
 */
static void fill_costs(struct assignment *a, uint32_t i, uint32_t *ranks, const int64_t *by_rank)
{
	uint64_t state = name_hash(a->m[i].name);
	int64_t weight = log2_fixed(a->m[i].weight);

	for (uint32_t b = 0; b < a->nbuckets; b++) {
		uint32_t other = draw(&state, b + 1);

		ranks[b] = ranks[other];
		ranks[other] = b;
	}
	for (uint32_t b = 0; b < a->nbuckets; b++) {
		/* Random low bits make two WANs with equal ranks differ in cost. */
		state += 0x9e3779b97f4a7c15ull;
		a->cost[b * a->n + i] = by_rank[ranks[b]] - weight + (int64_t)(mix64(state) >> 54);
	}
}

/* Gives every bucket to the member with the lowest score, without regard to quotas. */
static void assign_lowest(struct assignment *a)
{
	for (uint32_t b = 0; b < a->nbuckets; b++) {
		const int64_t *cost = &a->cost[b * a->n];
		uint32_t low = 0;

		for (uint32_t i = 1; i < a->n; i++)
			if (cost[i] < cost[low])
				low = i;
		a->owner[b] = (uint8_t)low;
		a->count[low]++;
	}
}

/* For each member marked in stale, finds the cheapest bucket to move to each other member. */
static void find_edges(struct assignment *a, const bool *stale)
{
	for (uint32_t i = 0; i < a->n; i++)
		for (uint32_t j = 0; stale[i] && j < a->n; j++)
			a->edge[i][j] = NO_EDGE;
	for (uint32_t b = 0; b < a->nbuckets; b++) {
		const int64_t *cost = &a->cost[b * a->n];
		uint32_t i = a->owner[b];

		if (!stale[i])
			continue;
		for (uint32_t j = 0; j < a->n; j++) {
			int64_t more = cost[j] - cost[i];

			if (j != i && more < a->edge[i][j]) {
				a->edge[i][j] = more;
				a->edge_bucket[i][j] = b;
			}
		}
	}
}

/*
 * Shortest paths from the members above their quota to all others (Bellman-Ford: moving a bucket
 * back to where its score is lower has a negative cost, but there is no negative cycle).
 */
static void shortest_paths(const struct assignment *a, int64_t *dist, uint32_t *from)
{
	bool again = true;

	for (uint32_t i = 0; i < a->n; i++) {
		dist[i] = a->count[i] > a->quota[i] ? 0 : NO_EDGE;
		from[i] = i;
	}
	for (uint32_t round = 0; again && round < a->n; round++) {
		again = false;
		for (uint32_t i = 0; i < a->n; i++) {
			for (uint32_t j = 0; dist[i] != NO_EDGE && j < a->n; j++) {
				if (a->edge[i][j] == NO_EDGE || dist[i] + a->edge[i][j] >= dist[j])
					continue;
				dist[j] = dist[i] + a->edge[i][j];
				from[j] = i;
				again = true;
			}
		}
	}
}

/*
 * Moves one bucket along the cheapest path to a member below its quota. Returns false when all
 * quotas are met and nothing was moved.
 */
static bool move_one(struct assignment *a, bool *stale)
{
	int64_t dist[PCC_MAX_WANS];
	uint32_t from[PCC_MAX_WANS], end = a->n;

	shortest_paths(a, dist, from);
	for (uint32_t i = 0; i < a->n; i++)
		if (a->count[i] < a->quota[i] && dist[i] != NO_EDGE &&
			(end == a->n || dist[i] < dist[end]))
			end = i;
	if (end == a->n)
		return false;
	memset(stale, 0, a->n * sizeof(*stale));
	a->count[end]++;
	stale[end] = true;
	for (; from[end] != end; end = from[end]) {
		a->owner[a->edge_bucket[from[end]][end]] = (uint8_t)end;
		stale[from[end]] = true;
	}
	a->count[end]--;
	return true;
}

static int consistent(
	const struct pcc_bucket_member *m, uint32_t n, uint32_t nbuckets, uint8_t *table)
{
	struct assignment *a = calloc(1, sizeof(*a));
	uint32_t *ranks = calloc(nbuckets, sizeof(*ranks));
	int64_t *by_rank = calloc(nbuckets, sizeof(*by_rank));
	int64_t *cost = calloc((size_t)nbuckets * n, sizeof(*cost));
	bool stale[PCC_MAX_WANS];
	int err = -ENOMEM;

	if (!a || !ranks || !by_rank || !cost)
		goto out;
	a->m = m;
	a->n = n;
	a->nbuckets = nbuckets;
	a->cost = cost;
	a->owner = table;
	for (uint32_t r = 0; r < nbuckets; r++)
		by_rank[r] = rank_cost(r, nbuckets);
	for (uint32_t i = 0; i < n; i++)
		fill_costs(a, i, ranks, by_rank);
	assign_lowest(a);
	pcc_bucket_quotas(m, n, nbuckets, a->quota);
	memset(stale, true, sizeof(stale));
	do {
		find_edges(a, stale);
	} while (move_one(a, stale));
	for (uint32_t b = 0; b < nbuckets; b++)
		table[b] = (uint8_t)m[table[b]].id;
	err = 0;
out:
	free(cost);
	free(by_rank);
	free(ranks);
	free(a);
	return err;
}

static uint32_t modulo(const struct pcc_bucket_member *m, uint32_t n, uint8_t *table)
{
	uint32_t b = 0;

	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < m[i].weight; k++)
			table[b++] = (uint8_t)m[i].id;
	return b;
}

int pcc_bucket_table(const struct pcc_bucket_member *members, uint32_t n, enum pcc_scheme scheme,
	uint32_t nbuckets_wanted, uint8_t *table, uint32_t *nbuckets)
{
	struct pcc_bucket_member sorted[PCC_MAX_WANS];
	int err;

	*nbuckets = 0;
	if (n > PCC_MAX_WANS || !members_valid(members, n))
		return -EINVAL;
	if (scheme != PCC_SCHEME_MODULO &&
		(scheme != PCC_SCHEME_CONSISTENT || nbuckets_wanted < PCC_MIN_BUCKETS ||
			nbuckets_wanted > PCC_MAX_BUCKETS))
		return -EINVAL;
	if (n == 0)
		return 0;
	memcpy(sorted, members, n * sizeof(*members));
	if (scheme == PCC_SCHEME_MODULO) {
		qsort(sorted, n, sizeof(*sorted), compare_order);
		*nbuckets = modulo(sorted, n, table);
		return 0;
	}
	qsort(sorted, n, sizeof(*sorted), compare_names);
	err = consistent(sorted, n, nbuckets_wanted, table);
	if (!err)
		*nbuckets = nbuckets_wanted;
	return err;
}
