// SPDX-License-Identifier: GPL-2.0-only
/* Compiles policies: from names and prefixes to the values that the data plane compares. */
#include "base/fnv.h"
#include "config/policy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int pcc_policies_alloc(struct pcc_policies *p)
{
	memset(p, 0, sizeof(*p));
	p->rules = calloc(PCC_POLICY_SLOTS, sizeof(*p->rules));
	p->groups = calloc(PCC_MAX_GROUPS, sizeof(*p->groups));
	if (p->rules && p->groups)
		return 0;
	pcc_policies_free(p);
	return -ENOMEM;
}

void pcc_policies_free(struct pcc_policies *p)
{
	free(p->rules);
	free(p->groups);
	free(p->sets);
	memset(p, 0, sizeof(*p));
}

uint64_t pcc_policies_hash(const struct pcc_policies *p)
{
	uint64_t hash = PCC_FNV1A_BASIS;

	if (!p->nrules && !p->ngroups)
		return 0;
	hash = pcc_fnv1a(hash, p->rules, p->nrules * sizeof(*p->rules));
	hash = pcc_fnv1a(hash, p->groups, p->ngroups * sizeof(*p->groups));
	for (size_t i = 0; i < p->nsets; i++) {
		hash = pcc_fnv1a(hash, &p->sets[i].addr, sizeof(p->sets[i].addr));
		hash = pcc_fnv1a(hash, &p->sets[i].len, sizeof(p->sets[i].len));
		hash = pcc_fnv1a(hash, &p->sets[i].sets, sizeof(p->sets[i].sets));
	}
	return hash;
}

/* FNV-1a of the name: a rule is identified by its name, wherever it is in the list. */
static uint32_t name_hash(const char *name)
{
	uint32_t hash = 0x811c9dc5u;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 0x01000193u;
	return hash;
}

static void put_prefix(__be32 addr[4], __be32 mask[4], const struct pcc_prefix *from)
{
	uint32_t len = from->len + (from->family == PCC_V4 ? 96 : 0);

	for (uint32_t i = 0; i < 4; i++) {
		uint32_t bits = len > 32 * i ? len - 32 * i : 0;

		mask[i] = htonl(bits >= 32 ? 0xffffffffu : ~(0xffffffffu >> bits));
		addr[i] = from->addr.a[i] & mask[i];
	}
}

static void put_match(struct pcc_policy *to, const struct pcc_policy_conf *from)
{
	if (from->has_source) {
		put_prefix(to->src, to->src_mask, &from->source);
		to->flags |= PCC_POLICY_F_SRC;
	}
	if (from->has_destination) {
		put_prefix(to->dst, to->dst_mask, &from->destination);
		to->flags |= PCC_POLICY_F_DST;
	}
	to->proto = from->proto;
	to->sport_min = from->sport_min;
	to->sport_max = from->sport_max;
	to->dport_min = from->dport_min;
	to->dport_max = from->dport_max;
	if (from->sport_min || from->sport_max != 65535 || from->dport_min ||
		from->dport_max != 65535)
		to->flags |= PCC_POLICY_F_PORTS;
	if (from->dscp >= 0) {
		to->dscp = from->dscp;
		to->flags |= PCC_POLICY_F_DSCP;
	}
	if (from->lan[0]) {
		memcpy(to->lan, from->lan, sizeof(to->lan));
		to->flags |= PCC_POLICY_F_LAN;
	}
}

/* The file that each set (by its bit) was read from; "" for the set of exclusions. */
struct files {
	const char *path[PCC_MAX_SETS];
	uint32_t n;
};

/* Finds the set of a file that an earlier rule has read, or reads the file into a new set. */
static int put_file(struct pcc_policies *p, struct pcc_policy *to, const char *path,
	struct files *files, struct pcc_err *err)
{
	char *text;
	uint32_t i;
	int ret;

	for (i = 0; i < files->n; i++)
		if (!strcmp(files->path[i], path))
			break;
	to->flags |= PCC_POLICY_F_SET;
	to->sets = 1ull << (i & 63);
	if (i < files->n)
		return 0;
	if (i == PCC_MAX_SETS)
		return pcc_err_set(err, -ENOSPC, path, "is one file of prefixes more than %u",
			PCC_MAX_SETS - 1);
	ret = pcc_policy_set_read(path, &text, err);
	if (ret)
		return ret;
	ret = pcc_policy_set_parse(p, text, path, to->sets, err);
	free(text);
	files->path[files->n++] = path;
	return ret;
}

static int put_action(struct pcc_policy *to, const struct pcc_policy_conf *from,
	const struct pcc_conf *conf, struct pcc_err *err)
{
	to->action = from->action;
	if (from->action == PCC_POLICY_GROUP && from->target >= conf->ngroups)
		return pcc_err_set(err, -EINVAL, from->name, "names a group that is not there");
	if (from->action == PCC_POLICY_WAN && from->target >= conf->base.nwans)
		return pcc_err_set(err, -EINVAL, from->name, "names a WAN that is not there");
	if (from->action == PCC_POLICY_GROUP)
		to->target = from->target;
	if (from->action == PCC_POLICY_WAN)
		memcpy(to->wan, conf->base.wans[from->target].name, sizeof(to->wan));
	if (from->action > PCC_POLICY_WAN)
		return 0;
	if (from->strict)
		to->flags |= PCC_POLICY_F_STRICT;
	if (from->sticky_s)
		to->sticky = from->sticky;
	to->sticky_s = from->sticky_s;
	return 0;
}

/* Checks that ports and DSCP are in range, and that no other rule has this name. */
static int check_rule(
	const struct pcc_policies *p, const struct pcc_policy_conf *rule, struct pcc_err *err)
{
	if (!rule->name[0])
		return pcc_err_set(err, -EINVAL, "policy", "number %u has no name", p->nrules + 1);
	if (rule->sport_min > rule->sport_max || rule->dport_min > rule->dport_max)
		return pcc_err_set(
			err, -EINVAL, rule->name, "a range of ports ends before it begins");
	if (rule->dscp > 63)
		return pcc_err_set(err, -EINVAL, rule->name, "DSCP %d is above 63", rule->dscp);
	for (uint32_t i = 0; i < p->nrules; i++)
		if (!strcmp(p->rules[i].name, rule->name))
			return pcc_err_set(err, -EINVAL, rule->name, "two policies have this name");
	return 0;
}

static int compile_rules(struct pcc_policies *p, const struct pcc_conf *conf, struct files *files,
	struct pcc_err *err)
{
	int ret = 0;

	if (conf->npolicies > PCC_MAX_POLICIES)
		return pcc_err_set(err, -ENOSPC, "policies",
			"there are %u, at most %u are possible", conf->npolicies, PCC_MAX_POLICIES);
	for (uint32_t i = 0; !ret && i < conf->npolicies; i++) {
		const struct pcc_policy_conf *from = &conf->policies[i];
		struct pcc_policy *to = &p->rules[p->nrules];

		ret = check_rule(p, from, err);
		if (ret)
			return ret;
		memcpy(to->name, from->name, sizeof(to->name));
		to->sticky_id = name_hash(to->name);
		put_match(to, from);
		ret = put_action(to, from, conf, err);
		if (!ret && from->destination_file[0])
			ret = put_file(p, to, from->destination_file, files, err);
		p->nrules++;
	}
	return ret;
}

static int compile_groups(struct pcc_policies *p, const struct pcc_conf *conf, struct pcc_err *err)
{
	uint32_t blocks = 0;

	if (conf->ngroups > PCC_MAX_GROUPS)
		return pcc_err_set(err, -ENOSPC, "groups", "there are %u, at most %u are possible",
			conf->ngroups, PCC_MAX_GROUPS);
	for (uint32_t g = 0; g < conf->ngroups; g++) {
		struct pcc_group *to = &p->groups[g];
		uint32_t n = 0, weights = 0;

		memcpy(to->name, conf->groups[g].name, sizeof(to->name));
		for (uint32_t w = 0; w < conf->base.nwans && w < PCC_MAX_WANS; w++)
			if (conf->groups[g].wans >> w & 1) {
				memcpy(to->wans[n++], conf->base.wans[w].name, PCC_IFNAMSIZ);
				weights += conf->base.wans[w].weight;
			}
		blocks += PCC_FAMILIES * ((weights + 63) / 64);
	}
	/*
	 * With the consistent scheme there are always enough blocks, as the number of buckets is
	 * bounded.
	 */
	if (conf->base.scheme == PCC_SCHEME_MODULO && blocks > PCC_GROUP_BLOCKS) {
		pcc_err_set(err, -ENOSPC, "groups",
			"their WANs' weights add up to more buckets than there is room for");
		return pcc_err_hint(err, -ENOSPC, "use smaller weights, or the scheme consistent");
	}
	p->ngroups = conf->ngroups;
	return 0;
}

/* Makes the exclusions the first rule: a set of destinations that are left to the kernel. */
static int compile_exclusions(struct pcc_policies *p, const struct pcc_conf *conf,
	struct files *files, struct pcc_err *err)
{
	struct pcc_policy *rule = &p->rules[0];
	int ret = 0;

	if (!conf->nexclusions)
		return 0;
	snprintf(rule->name, sizeof(rule->name), PCC_EXCLUSIONS_NAME);
	rule->flags = PCC_POLICY_F_SET;
	rule->sets = 1;
	rule->action = PCC_POLICY_BYPASS;
	rule->sport_max = rule->dport_max = 65535;
	p->nrules = 1;
	files->path[files->n++] = "";
	for (uint32_t i = 0; !ret && i < conf->nexclusions; i++)
		ret = pcc_policy_set_add(p, &conf->exclusions[i], 1, err);
	return ret;
}

int pcc_policy_compile(struct pcc_policies *out, const struct pcc_conf *conf, struct pcc_err *err)
{
	struct files files = {};
	int ret = pcc_policies_alloc(out);

	if (ret)
		return pcc_err_set(err, ret, "policies", "%s", strerror(-ret));
	ret = compile_groups(out, conf, err);
	if (!ret)
		ret = compile_exclusions(out, conf, &files, err);
	if (!ret)
		ret = compile_rules(out, conf, &files, err);
	if (ret)
		pcc_policies_free(out);
	else
		pcc_policy_sets_settle(out);
	return ret;
}
