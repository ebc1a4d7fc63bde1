// SPDX-License-Identifier: GPL-2.0-only
/* Merges the running configuration with the file that was applied. */
#include "config/conf_merge.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/conf_keys.h"

#define GONE UINT32_MAX

/*
 * The new indexes of the file's WANs and groups in the merged configuration; GONE for those left
 * out.
 */
struct moved {
	uint32_t wan[PCC_MAX_WANS + 1];
	uint32_t group[PCC_MAX_GROUPS];
};

__attribute__((format(printf, 3, 4))) static void left_out(
	struct pcc_left_out *left, const char *name, const char *why, ...)
{
	char cause[128];
	va_list args;

	va_start(args, why);
	vsnprintf(cause, sizeof(cause), why, args);
	va_end(args);
	pcc_err_set(&left->what[left->n++], 0, name, "is left out: %s", cause);
}

/*
 * The gateway to write: one given by hand if the running WAN has it; else `none` if both the file
 * and the running WAN say so; else it is to be found.
 */
static struct pcc_gateway gateway_of(
	const struct pcc_gateway *running, const struct pcc_gateway *file)
{
	struct pcc_gateway gw = {.source = PCC_GW_AUTO};

	if (running->source == PCC_GW_GIVEN)
		return *running;
	if (file && file->source == PCC_GW_NONE && running->source == PCC_GW_NONE)
		gw.source = PCC_GW_NONE;
	return gw;
}

static void merge_wan(struct pcc_conf *out, uint32_t i, const struct pcc_conf *file,
	const struct pcc_wan_cfg *running, struct moved *moved)
{
	const struct pcc_wan_cfg *was = pcc_config_find_wan_const(&file->base, running->name);
	struct pcc_wan_cfg *wan = &out->base.wans[i];
	uint32_t at = was ? (uint32_t)(was - file->base.wans) : GONE;

	memset(wan, 0, sizeof(*wan));
	memcpy(wan->name, running->name, sizeof(wan->name));
	wan->weight = running->weight;
	wan->state = PCC_WAN_UP;
	wan->order = i;
	for (int f = 0; f < PCC_FAMILIES; f++)
		wan->gw[f] = gateway_of(&running->gw[f], was ? &was->gw[f] : NULL);
	pcc_wan_conf_defaults(&out->wans[i]);
	memcpy(out->wans[i].name, running->name, sizeof(running->name));
	if (!was)
		return;
	out->wans[i] = file->wans[at];
	moved->wan[at] = i;
}

/* Drops a WAN's name from the file if it is the interface name of another WAN by now. */
static void settle_names(struct pcc_conf *out, struct pcc_left_out *left)
{
	for (uint32_t i = 0; i < out->base.nwans; i++) {
		struct pcc_wan_cfg *other = pcc_config_find_wan(&out->base, out->wans[i].name);

		if (!other || other == &out->base.wans[i])
			continue;
		left_out(left, out->wans[i].name, "the name is that of another WAN's interface");
		memset(out->wans[i].name, 0, sizeof(out->wans[i].name));
		memcpy(out->wans[i].name, out->base.wans[i].name, sizeof(out->base.wans[i].name));
	}
}

static void merge_base(struct pcc_conf *out, const struct pcc_conf *file,
	const struct pcc_config *running, uint32_t usual_conns)
{
	struct pcc_config *cfg = &out->base;

	pcc_config_defaults(cfg);
	cfg->nlans = running->nlans;
	for (uint32_t i = 0; i < running->nlans; i++)
		memcpy(cfg->lans[i].name, running->lans[i].name, sizeof(cfg->lans[i].name));
	cfg->nwans = running->nwans;
	pcc_base_copy(cfg, running);
	/* a value that is the default on this machine was not given by the user */
	if (running->max_conns != file->base.max_conns && running->max_conns == usual_conns)
		cfg->max_conns = 0;
}

static void merge_groups(struct pcc_conf *out, const struct pcc_conf *file, struct moved *moved,
	struct pcc_left_out *left)
{
	for (uint32_t i = 0; i < file->ngroups; i++) {
		struct pcc_group_conf group = file->groups[i];

		group.wans = 0;
		for (uint32_t k = 0; k < file->base.nwans; k++)
			if (file->groups[i].wans & 1ull << k && moved->wan[k] != GONE)
				group.wans |= 1ull << moved->wan[k];
		moved->group[i] = GONE;
		if (!group.wans) {
			left_out(left, group.name, "all WANs of the group are gone");
		} else if (pcc_conf_find_wan(out, group.name) >= 0) {
			left_out(left, group.name, "the group's name is that of a WAN now");
		} else {
			moved->group[i] = out->ngroups;
			out->groups[out->ngroups++] = group;
		}
	}
}

/*
 * Translates the policy's target to an index in out. Returns why the policy makes no sense any
 * more, or NULL.
 */
static const char *merge_policy(
	const struct pcc_conf *out, const struct moved *moved, struct pcc_policy_conf *policy)
{
	if (policy->lan[0] && !pcc_config_find_lan(&out->base, policy->lan))
		return "its LAN is gone";
	if (policy->action == PCC_POLICY_WAN)
		policy->target = moved->wan[policy->target];
	else if (policy->action == PCC_POLICY_GROUP)
		policy->target = moved->group[policy->target];
	else
		return NULL;
	return policy->target == GONE ? "what it uses is gone" : NULL;
}

static int merge_policies(struct pcc_conf *out, const struct pcc_conf *file,
	const struct moved *moved, struct pcc_left_out *left)
{
	if (!file->npolicies)
		return 0;
	out->policies = calloc(file->npolicies, sizeof(*out->policies));
	if (!out->policies)
		return -ENOMEM;
	for (uint32_t i = 0; i < file->npolicies; i++) {
		struct pcc_policy_conf *policy = &out->policies[out->npolicies];
		const char *why;

		*policy = file->policies[i];
		why = merge_policy(out, moved, policy);
		if (why)
			left_out(left, policy->name, "%s", why);
		else
			out->npolicies++;
	}
	return 0;
}

int pcc_conf_merge(struct pcc_conf *out, struct pcc_left_out *left, const struct pcc_conf *file,
	const struct pcc_config *running, uint32_t usual_conns)
{
	struct moved moved;

	memset(out, 0, sizeof(*out));
	memset(&moved, 0xff, sizeof(moved));
	left->n = 0;
	left->what =
		calloc(running->nwans + file->ngroups + file->npolicies + 1, sizeof(*left->what));
	if (!left->what)
		return -ENOMEM;
	merge_base(out, file, running, usual_conns);
	for (uint32_t i = 0; i < running->nwans; i++)
		merge_wan(out, i, file, &running->wans[i], &moved);
	settle_names(out, left);
	merge_groups(out, file, &moved, left);
	memcpy(out->hooks, file->hooks, sizeof(out->hooks));
	out->nhooks = file->nhooks;
	memcpy(out->exclusions, file->exclusions, sizeof(out->exclusions));
	out->nexclusions = file->nexclusions;
	return merge_policies(out, file, &moved, left);
}
