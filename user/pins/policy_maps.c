// SPDX-License-Identifier: GPL-2.0-only
/* Writes policies and groups to the maps, always to the half that is not active. */
#include "pins/policy_maps.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/buckets.h"

uint32_t pcc_policy_half(const struct pcc_dp *dp)
{
	return dp->meta->active_half & 1;
}

int pcc_policy_head_get(struct pcc_dp *dp, uint32_t half, struct pcc_policy_head *head)
{
	if (bpf_map_lookup_elem(dp->map_fd[PCC_MAP_POLICY_HEAD], &half, head))
		return -errno;
	if (head->npolicies > PCC_POLICY_SLOTS || head->ngroups > PCC_MAX_GROUPS)
		return -EBADF;
	head->set_half &= 1;
	return 0;
}

/* Writes entries first .. first + n - 1 of an array map from consecutive values. */
static int array_put(
	struct pcc_dp *dp, enum pcc_map map, uint32_t first, uint32_t n, const void *values)
{
	uint32_t *keys = calloc(n + 1, sizeof(*keys));
	int ret = 0;

	if (!keys)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		keys[i] = first + i;
	if (n && bpf_map_update_batch(dp->map_fd[map], keys, values, &n, NULL))
		ret = -errno;
	free(keys);
	return ret;
}

/* Reads the rules and groups in force. */
static int read_active(
	struct pcc_dp *dp, const struct pcc_policy_head *head, struct pcc_policies *out)
{
	uint32_t first = pcc_policy_half(dp) * PCC_POLICY_SLOTS, key;
	int ret = pcc_policies_alloc(out);

	for (uint32_t i = 0; !ret && i < head->npolicies; i++) {
		key = first + i;
		if (bpf_map_lookup_elem(dp->map_fd[PCC_MAP_POLICIES], &key, &out->rules[i]))
			ret = -errno;
	}
	first = pcc_policy_half(dp) * PCC_MAX_GROUPS;
	for (uint32_t i = 0; !ret && i < head->ngroups; i++) {
		key = first + i;
		if (bpf_map_lookup_elem(dp->map_fd[PCC_MAP_GROUPS], &key, &out->groups[i]))
			ret = -errno;
	}
	out->nrules = head->npolicies;
	out->ngroups = head->ngroups;
	if (ret)
		pcc_policies_free(out);
	return ret;
}

/* ---------------------------------------------------------------- groups */

/*
 * Selects the WANs of the group that get new connections of a family, or its standby WANs if there
 * is no other.
 */
static uint32_t group_members(const struct pcc_config *cfg, const struct pcc_group *g,
	enum pcc_family family, struct pcc_bucket_member *members)
{
	uint32_t n = pcc_dp_members(cfg, family, g->members, false, members);

	return n ? n : pcc_dp_members(cfg, family, g->members, true, members);
}

/* Writes the bucket table of a group in one family, beginning at block *next. */
static int group_table(struct pcc_dp *dp, const struct pcc_config *cfg, struct pcc_group *g,
	enum pcc_family family, uint32_t first, uint32_t *next)
{
	struct pcc_bucket_member members[PCC_MAX_WANS];
	uint8_t table[PCC_MAX_BUCKETS] = {0};
	uint32_t n = group_members(cfg, g, family, members), buckets = cfg->buckets, blocks;
	int ret;

	if (buckets > PCC_GROUP_BUCKETS)
		buckets = PCC_GROUP_BUCKETS;
	ret = pcc_bucket_table(members, n, cfg->scheme, buckets, table, &g->nbuckets[family]);
	if (ret)
		return ret;
	blocks = (g->nbuckets[family] + 63) / 64;
	if (*next + blocks > PCC_GROUP_BLOCKS)
		return -ENOSPC;
	g->base[family] = first + *next;
	*next += blocks;
	return array_put(dp, PCC_MAP_GROUP_TABLE, g->base[family], blocks, table);
}

static int write_groups(struct pcc_dp *dp, const struct pcc_config *cfg, struct pcc_group *groups,
	uint32_t n, uint32_t half)
{
	uint32_t next = 0;
	int ret = 0;

	for (uint32_t i = 0; !ret && i < n; i++) {
		struct pcc_group *g = &groups[i];

		g->members = 0;
		for (uint32_t w = 0; w < PCC_MAX_WANS; w++) {
			const struct pcc_wan_cfg *wan =
				g->wans[w][0] ? pcc_config_find_wan_const(cfg, g->wans[w]) : NULL;

			if (wan)
				g->members |= 1ull << (wan->id - 1);
		}
		for (int f = 0; !ret && f < PCC_FAMILIES; f++)
			ret = group_table(dp, cfg, g, f, half * PCC_GROUP_BLOCKS, &next);
	}
	return ret ? ret : array_put(dp, PCC_MAP_GROUPS, half * PCC_MAX_GROUPS, n, groups);
}

/* ---------------------------------------------------------------- rules */

/*
 * Assigns a counter to each rule, by its name. A rule that is in force keeps its counter. A new
 * rule gets one that no rule in force has, because those count until the switch.
 */
static int assign_hits(struct pcc_dp *dp, struct pcc_policies *p, const struct pcc_policies *active)
{
	struct pcc_policy_hit *zero = calloc(dp->ncpus, sizeof(*zero));
	bool used[2 * PCC_POLICY_SLOTS] = {false};
	uint32_t free_at = 0;
	int ret = zero ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < active->nrules; i++)
		used[active->rules[i].hit % (2 * PCC_POLICY_SLOTS)] = true;
	for (uint32_t i = 0; !ret && i < p->nrules; i++) {
		uint32_t a = 0;

		while (a < active->nrules && strcmp(active->rules[a].name, p->rules[i].name) != 0)
			a++;
		if (a < active->nrules) {
			p->rules[i].hit = active->rules[a].hit;
			continue;
		}
		while (used[free_at])
			free_at++;
		used[free_at] = true;
		p->rules[i].hit = free_at;
		if (bpf_map_update_elem(dp->map_fd[PCC_MAP_POLICY_HIT], &free_at, zero, BPF_ANY))
			ret = -errno;
	}
	free(zero);
	return ret;
}

/* Fills in the ids and ifindexes of the names in the rules. */
static void settle_rules(const struct pcc_config *cfg, struct pcc_policy *rules, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct pcc_lan_cfg *lan = pcc_config_find_lan(cfg, rules[i].lan);
		const struct pcc_wan_cfg *wan = pcc_config_find_wan_const(cfg, rules[i].wan);

		rules[i].lan_ifindex = lan ? lan->ifindex : 0;
		if (rules[i].action == PCC_POLICY_WAN)
			rules[i].target = wan ? wan->id : 0;
	}
}

int pcc_policy_write(struct pcc_dp *dp, const struct pcc_config *cfg, uint32_t half)
{
	struct pcc_policies active = {};
	struct pcc_policies next = {};
	struct pcc_policy_head head;
	int ret = pcc_policy_head_get(dp, pcc_policy_half(dp), &head);

	if (!ret && (head.npolicies || head.ngroups || dp->policies))
		ret = read_active(dp, &head, &active);
	if (!ret && dp->policies) {
		ret = pcc_policies_alloc(&next);
		if (ret)
			goto out;
		next.nrules = head.npolicies = dp->policies->nrules;
		next.ngroups = head.ngroups = dp->policies->ngroups;
		memcpy(next.rules, dp->policies->rules, next.nrules * sizeof(*next.rules));
		memcpy(next.groups, dp->policies->groups, next.ngroups * sizeof(*next.groups));
		head.nsets = dp->policies->nsets;
		head.set_half = !head.set_half;
		head.hash = pcc_policies_hash(dp->policies);
		ret = assign_hits(dp, &next, &active);
	}
	if (!ret && active.rules) {
		struct pcc_policies *p = dp->policies ? &next : &active;

		settle_rules(cfg, p->rules, p->nrules);
		ret = write_groups(dp, cfg, p->groups, p->ngroups, half);
		if (!ret)
			ret = array_put(
				dp, PCC_MAP_POLICIES, half * PCC_POLICY_SLOTS, p->nrules, p->rules);
	}
	if (!ret && bpf_map_update_elem(dp->map_fd[PCC_MAP_POLICY_HEAD], &half, &head, BPF_ANY))
		ret = -errno;
out:
	pcc_policies_free(&active);
	pcc_policies_free(&next);
	return ret;
}

/* ---------------------------------------------------------------- what is in force */

uint32_t pcc_policy_count(struct pcc_dp *dp)
{
	struct pcc_policy_head head;

	return pcc_policy_head_get(dp, pcc_policy_half(dp), &head) ? 0 : head.npolicies;
}

int pcc_policy_stats(
	struct pcc_dp *dp, uint32_t place, struct pcc_policy *rule, struct pcc_policy_hit *hit)
{
	uint32_t key = pcc_policy_half(dp) * PCC_POLICY_SLOTS + place;

	if (bpf_map_lookup_elem(dp->map_fd[PCC_MAP_POLICIES], &key, rule))
		return -errno;
	rule->name[sizeof(rule->name) - 1] = '\0';
	return pcc_dp_percpu_sum(
		dp, PCC_MAP_POLICY_HIT, rule->hit, (uint64_t *)hit, sizeof(*hit) / 8);
}

const char *pcc_policy_name(struct pcc_dp *dp, uint32_t entry, char name[PCC_NAME_BYTES])
{
	struct pcc_policy rule = {};

	bpf_map_lookup_elem(dp->map_fd[PCC_MAP_POLICIES], &entry, &rule);
	snprintf(name, PCC_NAME_BYTES, "%.31s", rule.name);
	return name;
}
