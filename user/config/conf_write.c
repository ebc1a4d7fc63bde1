// SPDX-License-Identifier: GPL-2.0-only
/* From the model back to a file that the reader accepts: what differs from the defaults. */
#include "config/conf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config/conf_keys.h"
#include "config/conf_raw.h"
#include "config/conf_value.h"

/* Texts and lists belong to the raw configuration; one that is not to be had is remembered. */
struct writer {
	const struct pcc_conf *conf;
	bool no_memory;
};

__attribute__((format(printf, 2, 3))) static char *text(struct writer *w, const char *format, ...)
{
	va_list args;
	char *out;

	va_start(args, format);
	if (vasprintf(&out, format, args) < 0)
		out = NULL;
	va_end(args);
	w->no_memory = w->no_memory || !out;
	return out;
}

/* Room for n entries, all zeroes; *count says how many there are. */
static void *list(struct writer *w, size_t n, size_t size, uint32_t *count)
{
	void *v = n ? calloc(n, size) : NULL;

	*count = v ? (uint32_t)n : 0;
	w->no_memory = w->no_memory || (n && !v);
	return v;
}

static char *number_text(struct writer *w, const struct pcc_number_key *k, uint32_t value)
{
	char buf[PCC_VALUE_TEXT_MAX];

	switch (k->kind) {
	case PCC_KEY_DURATION:
		return text(w, "%s", pcc_duration_text(value, buf));
	case PCC_KEY_PERCENT:
		return text(w, "%" PRIu32 "%%", value);
	case PCC_KEY_HEX_NUMBER:
		return text(w, "0x%" PRIx32, value);
	case PCC_KEY_NUMBER:
		break;
	}
	return text(w, "%" PRIu32, value);
}

/* Numbers that differ from the default ones. True if there was one. */
static bool write_numbers(struct writer *w, const struct pcc_number_key *keys, size_t n, void *raw,
	const void *model, const void *defaults)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		uint32_t value = *(const uint32_t *)((const char *)model + keys[i].model);
		uint32_t usual = *(const uint32_t *)((const char *)defaults + keys[i].model);

		if (value == usual)
			continue;
		*(char **)((char *)raw + keys[i].raw) = number_text(w, &keys[i], value);
		any = true;
	}
	return any;
}

static void write_base(struct writer *w, struct raw_conf *raw)
{
	const struct pcc_config *cfg = &w->conf->base;
	struct pcc_config usual;

	pcc_config_defaults(&usual);
	raw->lan = list(w, cfg->nlans, sizeof(*raw->lan), &raw->lan_count);
	for (uint32_t i = 0; i < raw->lan_count; i++)
		raw->lan[i] = text(w, "%s", cfg->lans[i].name);
	if (cfg->classifier != usual.classifier)
		raw->classifier = text(w, "%s", pcc_classifier_name(cfg->classifier));
	if (cfg->scheme != usual.scheme)
		raw->scheme = text(w, "%s", pcc_scheme_name(cfg->scheme));
	if (cfg->fastpath != usual.fastpath)
		raw->fastpath = text(w, "%s", pcc_fastpath_name(cfg->fastpath));
	if (!cfg->nat4)
		raw->nat = text(w, "false");
	if (cfg->nat6 != cfg->nat4)
		raw->nat6 = text(w, "%s", pcc_nat6_names[cfg->nat6]);
	if (cfg->own)
		raw->router_connections = text(w, "true");
	if (cfg->mark_mask != usual.mark_mask)
		raw->mark_mask = text(w, "0x%" PRIx32, cfg->mark_mask);
	usual.seed = cfg->seed_given ? ~cfg->seed : cfg->seed; /* written if it was given */
	write_numbers(w, pcc_base_keys, PCC_N_BASE_KEYS, raw, cfg, &usual);
	raw->exclusions =
		list(w, w->conf->nexclusions, sizeof(*raw->exclusions), &raw->exclusions_count);
	for (uint32_t i = 0; i < raw->exclusions_count; i++) {
		char buf[PCC_VALUE_TEXT_MAX];

		raw->exclusions[i] = text(w, "%s", pcc_prefix_text(&w->conf->exclusions[i], buf));
	}
}

/* NULL where all is as by default. */
static struct raw_health *write_health(struct writer *w, const struct pcc_health_cfg *health)
{
	struct pcc_health_cfg usual;
	struct raw_health *raw;
	uint32_t one;

	pcc_health_defaults(&usual);
	raw = list(w, 1, sizeof(*raw), &one);
	if (!raw)
		return NULL;
	raw->targets = list(w, health->ntargets, sizeof(*raw->targets), &raw->targets_count);
	for (uint32_t i = 0; i < raw->targets_count; i++)
		raw->targets[i] = text(w, "%s", health->targets[i].text);
	if (write_numbers(w, pcc_health_keys, PCC_N_HEALTH_KEYS, raw, health, &usual) ||
		raw->targets)
		return raw;
	free(raw);
	return NULL;
}

/* What the user said of the next hop; one that was found is found again. */
static char *gateway_text(struct writer *w, const struct pcc_gateway *gw, int family)
{
	char buf[INET6_ADDRSTRLEN] = "?";

	if (gw->source == PCC_GW_NONE)
		return text(w, "none");
	if (gw->source != PCC_GW_GIVEN)
		return NULL;
	inet_ntop(family, &gw->addr, buf, sizeof(buf));
	return text(w, "%s", buf);
}

static void write_wans(struct writer *w, struct raw_conf *raw)
{
	const struct pcc_config *cfg = &w->conf->base;

	raw->wans = list(w, cfg->nwans, sizeof(*raw->wans), &raw->wans_count);
	for (uint32_t i = 0; i < raw->wans_count; i++) {
		const struct pcc_wan_conf *more = &w->conf->wans[i];
		const struct pcc_wan_cfg *wan = &cfg->wans[i];
		struct raw_wan *to = &raw->wans[i];

		to->interface = text(w, "%s", wan->name);
		if (strcmp(more->name, wan->name) != 0)
			to->name = text(w, "%s", more->name);
		to->gateway = gateway_text(w, &wan->gw[PCC_V4], AF_INET);
		to->gateway6 = gateway_text(w, &wan->gw[PCC_V6], AF_INET6);
		if (wan->weight != 1)
			to->weight = text(w, "%" PRIu32, wan->weight);
		if (more->tier != 1)
			to->tier = text(w, "%" PRIu32, more->tier);
		if (more->failback != PCC_FAILBACK_STAY)
			to->failback = text(w, "%s", pcc_failback_names[more->failback]);
		to->health = write_health(w, &more->health);
	}
}

static void write_groups(struct writer *w, struct raw_conf *raw)
{
	const struct pcc_conf *conf = w->conf;

	raw->groups = list(w, conf->ngroups, sizeof(*raw->groups), &raw->groups_count);
	for (uint32_t i = 0; i < raw->groups_count; i++) {
		const struct pcc_group_conf *group = &conf->groups[i];
		struct raw_group *to = &raw->groups[i];
		uint32_t n = 0;

		to->name = text(w, "%s", group->name);
		to->wans = list(w, (size_t)__builtin_popcountll(group->wans), sizeof(*to->wans),
			&to->wans_count);
		for (uint32_t k = 0; n < to->wans_count; k++)
			if (group->wans & 1ull << k)
				to->wans[n++] = text(w, "%s", conf->wans[k].name);
	}
}

static char *ports(struct writer *w, uint16_t min, uint16_t max)
{
	char buf[PCC_VALUE_TEXT_MAX];

	return min || max != UINT16_MAX ? text(w, "%s", pcc_ports_text(min, max, buf)) : NULL;
}

static void write_policy(
	struct writer *w, const struct pcc_policy_conf *policy, struct raw_policy *to)
{
	char buf[PCC_VALUE_TEXT_MAX], proto[PCC_PROTO_NAME_MAX];
	const char *use = policy->action == PCC_POLICY_BYPASS	? "bypass"
			  : policy->action == PCC_POLICY_REJECT ? "reject"
			  : policy->action == PCC_POLICY_GROUP
				  ? w->conf->groups[policy->target].name
				  : w->conf->wans[policy->target].name;

	to->name = text(w, "%s", policy->name);
	if (policy->has_source)
		to->source = text(w, "%s", pcc_prefix_text(&policy->source, buf));
	if (policy->has_destination)
		to->destination = text(w, "%s", pcc_prefix_text(&policy->destination, buf));
	if (policy->destination_file[0])
		to->destination_file = text(w, "%s", policy->destination_file);
	if (policy->proto)
		to->protocol = text(w, "%s", pcc_proto_name(policy->proto, proto));
	to->source_port = ports(w, policy->sport_min, policy->sport_max);
	to->destination_port = ports(w, policy->dport_min, policy->dport_max);
	if (policy->dscp >= 0)
		to->dscp = text(w, "%d", policy->dscp);
	if (policy->lan[0])
		to->lan = text(w, "%s", policy->lan);
	to->use = text(w, "%s", use);
	if (policy->strict)
		to->strict = text(w, "true");
	if (policy->sticky == PCC_STICKY_NONE)
		return;
	to->sticky = text(w, "%s", pcc_sticky_names[policy->sticky]);
	if (policy->sticky_s != PCC_DEF_STICKY_S)
		to->sticky_time = text(w, "%s", pcc_duration_text(policy->sticky_s * 1000, buf));
}

static void write_rest(struct writer *w, struct raw_conf *raw)
{
	const struct pcc_conf *conf = w->conf;
	char buf[PCC_VALUE_TEXT_MAX];

	raw->policies = list(w, conf->npolicies, sizeof(*raw->policies), &raw->policies_count);
	for (uint32_t i = 0; i < raw->policies_count; i++)
		write_policy(w, &conf->policies[i], &raw->policies[i]);
	raw->hooks = list(w, conf->nhooks, sizeof(*raw->hooks), &raw->hooks_count);
	for (uint32_t i = 0; i < raw->hooks_count; i++) {
		raw->hooks[i].run = text(w, "%s", conf->hooks[i].path);
		if (conf->hooks[i].timeout_ms != PCC_DEF_HOOK_MS)
			raw->hooks[i].timeout =
				text(w, "%s", pcc_duration_text(conf->hooks[i].timeout_ms, buf));
	}
}

int pcc_conf_text(const struct pcc_conf *conf, char **out, size_t *len)
{
	struct writer w = {.conf = conf};
	struct raw_conf *raw = calloc(1, sizeof(*raw));
	int ret = -ENOMEM;

	*out = NULL;
	*len = 0;
	if (!raw)
		return ret;
	write_base(&w, raw);
	write_wans(&w, raw);
	write_groups(&w, raw);
	write_rest(&w, raw);
	if (!w.no_memory)
		ret = pcc_raw_save(raw, out, len);
	pcc_raw_free(raw);
	return ret;
}

int pcc_conf_write(FILE *out, const struct pcc_conf *conf)
{
	char *words;
	size_t len;
	int ret = pcc_conf_text(conf, &words, &len);

	if (!ret && fwrite(words, 1, len, out) != len)
		ret = -EIO;
	free(words);
	return ret;
}
