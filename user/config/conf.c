// SPDX-License-Identifier: GPL-2.0-only
/* From the text of a configuration file to the model. The keys are in conf_raw.c. */
#include "config/conf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/file.h"
#include "config/conf_keys.h"
#include "config/conf_raw.h"
#include "config/conf_value.h"
#include "config/conf_yaml.h"
#include "text/suggest.h"
#include "health/target.h"

#define MAX_FILE_BYTES (1u << 20)

#define HEALTH(kind, key, member, model, min, max)                                                 \
	{                                                                                          \
		key, PCC_KEY_##kind, min, max, offsetof(struct raw_health, member),                \
			offsetof(struct pcc_health_cfg, model)                                     \
	}
const struct pcc_number_key pcc_health_keys[] = {
	HEALTH(NUMBER, "quorum", quorum, quorum, 1, PCC_MAX_TARGETS),
	HEALTH(DURATION, "interval", interval, interval_ms, 100, 3600000),
	HEALTH(DURATION, "timeout", timeout, timeout_ms, 10, 60000),
	HEALTH(NUMBER, "fall", fall, fall, 1, 100),
	HEALTH(NUMBER, "rise", rise, rise, 1, 100),
	HEALTH(PERCENT, "loss", loss, loss_percent, 0, 100),
	HEALTH(DURATION, "latency", latency, latency_ms, 0, 60000),
	HEALTH(DURATION, "hold", hold, hold_ms, 0, 86400000),
	HEALTH(DURATION, "hold-max", hold_max, hold_max_ms, 0, 86400000),
};
_Static_assert(COUNT(pcc_health_keys) == PCC_N_HEALTH_KEYS, "all of them");

#define BASE(kind, key, member, min, max)                                                          \
	{                                                                                          \
		key, PCC_KEY_##kind, min, max, offsetof(struct raw_conf, member),                  \
			offsetof(struct pcc_config, member)                                        \
	}
const struct pcc_number_key pcc_base_keys[] = {
	BASE(NUMBER, "buckets", buckets, PCC_MIN_BUCKETS, PCC_MAX_BUCKETS),
	BASE(HEX_NUMBER, "seed", seed, 0, UINT32_MAX),
	BASE(NUMBER, "table-base", table_base, 1, PCC_MAX_TABLE_BASE),
	BASE(NUMBER, "rule-pref", rule_pref, 1, PCC_MAX_RULE_PREF),
	BASE(NUMBER, "max-conns", max_conns, PCC_MIN_CONNS, PCC_MAX_CONNS),
};
_Static_assert(COUNT(pcc_base_keys) == PCC_N_BASE_KEYS, "all of them");

/* A file on its way into the model. */
struct reader {
	struct pcc_yaml yaml;
	const struct raw_conf *raw;
	struct pcc_conf *conf;
	enum pcc_conf_check check;
	struct pcc_conf_pos pos;
	struct pcc_err *err;
};

/* If ret says so, blames the place that the path names for the error. */
__attribute__((format(printf, 3, 4))) static int at(
	struct reader *r, int ret, const char *path, ...)
{
	char text[96];
	va_list args;

	if (!ret)
		return 0;
	va_start(args, path);
	vsnprintf(text, sizeof(text), path, args);
	va_end(args);
	r->pos = pcc_yaml_find(&r->yaml, text);
	return pcc_yaml_blame(r->yaml.name, r->pos, ret, r->err);
}

static int parse_number(
	const struct pcc_number_key *k, const char *word, uint32_t *value, struct pcc_err *err)
{
	switch (k->kind) {
	case PCC_KEY_DURATION:
		return pcc_parse_duration(word, k->key, k->min, k->max, value, err);
	case PCC_KEY_PERCENT:
		return pcc_parse_percent(word, k->key, value, err);
	case PCC_KEY_HEX_NUMBER:
		return pcc_parse_u32(word, k->key, PCC_DECIMAL_OR_HEX, k->min, k->max, value, err);
	case PCC_KEY_NUMBER:
		break;
	}
	return pcc_parse_u32(word, k->key, PCC_DECIMAL, k->min, k->max, value, err);
}

/* The numbers of one mapping, from raw to model. */
static int read_numbers(struct reader *r, const struct pcc_number_key *keys, size_t n,
	const void *raw, void *model, const char *path)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < n; i++) {
		const char *word = *(char *const *)((const char *)raw + keys[i].raw);
		uint32_t *value = (uint32_t *)((char *)model + keys[i].model);

		if (word)
			ret = at(r, parse_number(&keys[i], word, value, r->err), "%s.%s", path,
				keys[i].key);
	}
	return ret;
}

static int read_keyword(struct reader *r, const char *word, const char *key,
	const char *const *names, uint32_t n, uint32_t *value, const char *path)
{
	return word ? at(r, pcc_parse_keyword(word, key, names, n, value, r->err), "%s.%s", path,
			      key)
		    : 0;
}

static int missing(struct reader *r, const char *key, const char *hint, const char *path)
{
	pcc_err_set(r->err, -EINVAL, "", "'%s' is missing", key);
	return at(r, pcc_err_hint(r->err, -EINVAL, "%s", hint), "%s", path);
}

/* A name that leads to nothing: what was meant? */
static int unknown_name(
	struct pcc_err *err, const char *what, const char *word, const char *const *names, size_t n)
{
	const char *near = pcc_suggest(word, names, n);

	pcc_err_set(err, -EINVAL, "", "'%s' is no %s", word, what);
	if (near)
		return pcc_err_hint(err, -EINVAL, "did you mean '%s'?", near);
	return pcc_err_hint(err, -EINVAL, "name one that the file has");
}

/* --- what attach takes, too ----------------------------------------------------------------- */

static int read_lans(struct reader *r)
{
	struct pcc_config *cfg = &r->conf->base;
	int ret = 0;

	if (!r->raw->lan_count)
		return missing(r, "lan", "at least one LAN interface, as in lan: [br0]", "lan");
	for (uint32_t i = 0; !ret && i < r->raw->lan_count; i++) {
		struct pcc_lan_cfg lan = {};

		if (i == PCC_MAX_LANS) {
			pcc_err_set(r->err, -EINVAL, "lan", "'%s' is number %u, there can be %u",
				r->raw->lan[i], i + 1, PCC_MAX_LANS);
			pcc_err_hint(r->err, -EINVAL, "put some into one bridge");
			return at(r, -EINVAL, "lan[%u]", i);
		}
		ret = pcc_parse_ifname(r->raw->lan[i], "lan", lan.name, r->err);
		if (!ret && pcc_config_find_lan(cfg, lan.name)) {
			ret = pcc_err_set(r->err, -EINVAL, "lan", "'%s' is there twice", lan.name);
			pcc_err_hint(r->err, ret, "name it once");
		}
		if (!ret)
			cfg->lans[cfg->nlans++] = lan;
		ret = at(r, ret, "lan[%u]", i);
	}
	return ret;
}

static int read_nat(struct reader *r)
{
	struct pcc_config *cfg = &r->conf->base;
	uint32_t nat6;
	int ret;

	if (r->raw->nat) {
		ret = at(r, pcc_parse_bool(r->raw->nat, "nat", &cfg->nat4, r->err), "nat");
		if (ret)
			return ret;
		cfg->nat6 = cfg->nat4;
	}
	if (r->raw->router_connections) {
		ret = at(r,
			pcc_parse_bool(r->raw->router_connections, "router-connections", &cfg->own,
				r->err),
			"router-connections");
		if (ret)
			return ret;
	}
	if (!r->raw->nat6)
		return 0;
	ret = read_keyword(r, r->raw->nat6, "nat6", pcc_nat6_names, 2, &nat6, "");
	if (!ret)
		cfg->nat6 = nat6;
	return ret;
}

static int read_base(struct reader *r)
{
	struct pcc_config *cfg = &r->conf->base;
	uint32_t scheme = cfg->scheme, fastpath = cfg->fastpath;
	int ret;

	ret = read_lans(r);
	if (!ret)
		ret = read_keyword(r, r->raw->classifier, "classifier", pcc_classifier_names,
			PCC_N_CLASSIFIERS, &cfg->classifier, "");
	if (!ret)
		ret = read_keyword(
			r, r->raw->scheme, "scheme", pcc_scheme_names, PCC_N_SCHEMES, &scheme, "");
	if (!ret)
		ret = read_keyword(r, r->raw->fastpath, "fastpath", pcc_fastpath_names,
			PCC_N_FASTPATHS, &fastpath, "");
	if (!ret)
		ret = read_numbers(r, pcc_base_keys, PCC_N_BASE_KEYS, r->raw, cfg, "");
	if (!ret && r->raw->mark_mask)
		ret = at(r, pcc_parse_mark_mask(r->raw->mark_mask, &cfg->mark_mask, r->err),
			"mark-mask");
	cfg->scheme = scheme;
	cfg->fastpath = fastpath;
	cfg->seed_given = r->raw->seed != NULL;
	return ret ? ret : read_nat(r);
}

static int read_exclusions(struct reader *r)
{
	struct pcc_conf *conf = r->conf;
	int ret = 0;

	for (uint32_t i = 0; !ret && i < r->raw->exclusions_count; i++) {
		const char *word = r->raw->exclusions[i];

		if (i == PCC_MAX_EXCLUSIONS)
			ret = pcc_err_set(r->err, -EINVAL, "exclusions",
				"'%s' is number %u, there can be %u", word, i + 1,
				PCC_MAX_EXCLUSIONS);
		else
			ret = pcc_parse_prefix(
				word, "exclusions", &conf->exclusions[conf->nexclusions++], r->err);
		ret = at(r, ret, "exclusions[%u]", i);
	}
	return ret;
}

/* --- WANs ----------------------------------------------------------------------------------- */

void pcc_wan_conf_defaults(struct pcc_wan_conf *wan)
{
	memset(wan, 0, sizeof(*wan));
	wan->tier = 1;
	wan->failback = PCC_FAILBACK_STAY;
	pcc_health_defaults(&wan->health);
}

static int read_targets(struct reader *r, const struct raw_health *raw,
	struct pcc_health_cfg *health, const char *path)
{
	int ret = 0;

	if (raw->targets_count) { /* instead of those of the template */
		memset(health->targets, 0, sizeof(health->targets));
		health->ntargets = 0;
	}
	for (uint32_t i = 0; !ret && i < raw->targets_count; i++) {
		if (i == PCC_MAX_TARGETS)
			ret = pcc_err_set(r->err, -EINVAL, "targets",
				"'%s' is number %u, there can be %u", raw->targets[i], i + 1,
				PCC_MAX_TARGETS);
		else
			ret = pcc_target_parse(
				raw->targets[i], &health->targets[health->ntargets++], r->err);
		ret = at(r, ret, "%s.targets[%u]", path, i);
	}
	return ret;
}

static int read_health(struct reader *r, const struct raw_health *raw,
	struct pcc_health_cfg *health, const char *path)
{
	int ret;

	if (!raw)
		return 0;
	ret = read_targets(r, raw, health, path);
	if (!ret)
		ret = read_numbers(r, pcc_health_keys, PCC_N_HEALTH_KEYS, raw, health, path);
	if (!ret && health->ntargets && health->quorum > health->ntargets) {
		ret = pcc_err_set(r->err, -EINVAL, "quorum", "'%u' is more than there are targets",
			health->quorum);
		pcc_err_hint(r->err, ret, "there are %u", health->ntargets);
		ret = at(r, ret, raw->quorum ? "%s.quorum" : "%s.targets", path);
	}
	if (!ret && health->hold_ms > health->hold_max_ms && !raw->hold_max)
		health->hold_max_ms = health->hold_ms;
	if (!ret && health->hold_ms > health->hold_max_ms) {
		ret = pcc_err_set(r->err, -EINVAL, "hold-max", "'%s' is less than the hold itself",
			raw->hold_max);
		ret = at(r, ret, "%s.hold-max", path);
	}
	return ret;
}

/* The keys that the template and each WAN have. */
static int read_wan_common(struct reader *r, const struct raw_wan *raw, struct pcc_wan_cfg *wan,
	struct pcc_wan_conf *more, const char *path)
{
	static const struct pcc_number_key weight = {"weight", PCC_KEY_NUMBER, 1, PCC_MAX_WEIGHT,
		offsetof(struct raw_wan, weight), offsetof(struct pcc_wan_cfg, weight)};
	static const struct pcc_number_key tier = {"tier", PCC_KEY_NUMBER, 1, PCC_MAX_TIER,
		offsetof(struct raw_wan, tier), offsetof(struct pcc_wan_conf, tier)};
	uint32_t failback = more->failback;
	char health[64];
	int ret;

	ret = read_numbers(r, &weight, 1, raw, wan, path);
	if (!ret)
		ret = read_numbers(r, &tier, 1, raw, more, path);
	if (!ret)
		ret = read_keyword(
			r, raw->failback, "failback", pcc_failback_names, 3, &failback, path);
	more->failback = failback;
	snprintf(health, sizeof(health), "%s.health", path);
	return ret ? ret : read_health(r, raw->health, &more->health, health);
}

/* An address of the family, or `auto` (it is looked for), or `none` (the family is not served). */
static int read_gateway(struct reader *r, const char *word, enum pcc_family family,
	struct pcc_wan_cfg *wan, const char *path)
{
	const char *key = family == PCC_V4 ? "gateway" : "gateway6";
	struct pcc_wan_cfg parsed = *wan;
	int ret;

	if (!word || !strcmp(word, "auto"))
		return 0;
	if (!strcmp(word, "none")) {
		wan->gw[family].source = PCC_GW_NONE;
		return 0;
	}
	parsed.given &= ~(PCC_WAN_SET_GW4 | PCC_WAN_SET_GW6);
	ret = pcc_parse_gateways(word, key, &parsed, r->err);
	if (ret && !r->err->hint[0])
		pcc_err_hint(r->err, ret, "write the address of the ISP's router");
	if (!ret && parsed.given & (family == PCC_V4 ? PCC_WAN_SET_GW6 : PCC_WAN_SET_GW4)) {
		ret = pcc_err_set(r->err, -EINVAL, key, "'%s' is not an %s address", word,
			family == PCC_V4 ? "IPv4" : "IPv6");
		pcc_err_hint(r->err, ret, "that goes into '%s'",
			family == PCC_V4 ? "gateway6" : "gateway");
	}
	if (!ret) {
		wan->gw[family] = parsed.gw[family];
		wan->given |= family == PCC_V4 ? PCC_WAN_SET_GW4 : PCC_WAN_SET_GW6;
	}
	return at(r, ret, "%s.%s", path, key);
}

/* Nothing else may be meant by the word: a WAN's or group's name, an interface, an action. */
static int check_name_free(struct reader *r, const char *name, const char *key)
{
	const struct pcc_conf *conf = r->conf;
	bool taken = pcc_conf_find_wan(conf, name) >= 0;

	if (!strcmp(name, "bypass") || !strcmp(name, "reject")) {
		pcc_err_set(r->err, -EINVAL, key, "'%s' cannot be a name", name);
		return pcc_err_hint(r->err, -EINVAL, "policies use the word for something else");
	}
	for (uint32_t i = 0; i < conf->ngroups; i++)
		taken = taken || !strcmp(conf->groups[i].name, name);
	if (!taken)
		return 0;
	pcc_err_set(r->err, -EINVAL, key, "'%s' is there twice", name);
	return pcc_err_hint(r->err, -EINVAL, "WANs and groups have names of their own");
}

/* Interface and name; the WAN is not in the model yet. */
static int read_wan_names(struct reader *r, const struct raw_wan *raw, struct pcc_wan_cfg *wan,
	struct pcc_wan_conf *more, const char *path)
{
	int ret;

	if (!raw->interface)
		return missing(r, "interface", "name the interface that leads to the ISP", path);
	ret = pcc_parse_ifname(raw->interface, "interface", wan->name, r->err);
	if (!ret && pcc_config_find_lan(&r->conf->base, wan->name)) {
		ret = pcc_err_set(r->err, -EINVAL, "interface",
			"'%s' is a LAN and cannot be a WAN too", wan->name);
		pcc_err_hint(r->err, ret, "name it in 'lan' or in 'wans'");
	}
	if (!ret && pcc_config_find_wan_const(&r->conf->base, wan->name)) {
		ret = pcc_err_set(r->err, -EINVAL, "interface", "'%s' is there twice", wan->name);
		pcc_err_hint(r->err, ret, "name it once; weight: 2 gives it twice the share");
	}
	if (!ret)
		ret = check_name_free(r, wan->name, "interface");
	if (ret)
		return at(r, ret, "%s.interface", path);
	if (!raw->name) {
		memcpy(more->name, wan->name, sizeof(wan->name));
		return 0;
	}
	ret = pcc_parse_name(raw->name, "name", more->name, r->err);
	if (!ret && strcmp(more->name, wan->name) != 0)
		ret = check_name_free(r, more->name, "name");
	return at(r, ret, "%s.name", path);
}

static int read_wan(struct reader *r, uint32_t i, const struct pcc_wan_cfg *template_wan,
	const struct pcc_wan_conf *template_more)
{
	const struct raw_wan *raw = &r->raw->wans[i];
	struct pcc_config *cfg = &r->conf->base;
	struct pcc_wan_cfg wan = *template_wan;
	struct pcc_wan_conf *more = &r->conf->wans[i];
	char path[32];
	int ret;

	snprintf(path, sizeof(path), "wans[%u]", i);
	if (i == PCC_MAX_WANS) {
		ret = pcc_err_set(r->err, -EINVAL, "wans", "'%s' is number %u, there can be %u",
			raw->interface ? raw->interface : "-", i + 1, PCC_MAX_WANS);
		pcc_err_hint(r->err, ret, "leave some out");
		return at(r, ret, "%s", path);
	}
	*more = *template_more;
	ret = read_wan_names(r, raw, &wan, more, path);
	if (!ret)
		ret = read_gateway(r, raw->gateway, PCC_V4, &wan, path);
	if (!ret)
		ret = read_gateway(r, raw->gateway6, PCC_V6, &wan, path);
	if (!ret)
		ret = read_wan_common(r, raw, &wan, more, path);
	if (raw->weight)
		wan.given |= PCC_WAN_SET_WEIGHT;
	wan.order = i;
	cfg->wans[cfg->nwans++] = wan;
	return ret;
}

static int read_wans(struct reader *r)
{
	struct pcc_wan_cfg wan = {.weight = 1, .state = PCC_WAN_UP};
	struct pcc_wan_conf more;
	int ret = 0;

	wan.gw[PCC_V4].source = wan.gw[PCC_V6].source = PCC_GW_AUTO;
	pcc_wan_conf_defaults(&more);
	if (r->raw->defaults)
		ret = read_wan_common(r, r->raw->defaults, &wan, &more, "defaults");
	if (!ret && !r->raw->wans_count)
		ret = missing(r, "wans", "at least one, as in wans: [{interface: eth1}]", "wans");
	for (uint32_t i = 0; !ret && i < r->raw->wans_count; i++)
		ret = read_wan(r, i, &wan, &more);
	return ret;
}

int pcc_conf_find_wan(const struct pcc_conf *conf, const char *name)
{
	for (uint32_t i = 0; i < conf->base.nwans; i++)
		if (!strcmp(conf->wans[i].name, name))
			return (int)i;
	for (uint32_t i = 0; i < conf->base.nwans; i++)
		if (!strcmp(conf->base.wans[i].name, name))
			return (int)i;
	return -1;
}

/* --- groups --------------------------------------------------------------------------------- */

static int add_to_group(struct reader *r, struct pcc_group_conf *group, const char *word)
{
	const char *names[PCC_MAX_WANS + 1];
	int wan = pcc_conf_find_wan(r->conf, word);

	if (wan < 0) {
		for (uint32_t i = 0; i < r->conf->base.nwans; i++)
			names[i] = r->conf->wans[i].name;
		return unknown_name(r->err, "WAN", word, names, r->conf->base.nwans);
	}
	if (group->wans & 1ull << wan)
		return pcc_err_set(r->err, -EINVAL, "", "'%s' is in the group twice", word);
	group->wans |= 1ull << wan;
	return 0;
}

static int read_group(struct reader *r, uint32_t i)
{
	const struct raw_group *raw = &r->raw->groups[i];
	struct pcc_group_conf group = {};
	char path[32];
	int ret = 0;

	snprintf(path, sizeof(path), "groups[%u]", i);
	if (i == PCC_MAX_GROUPS) {
		pcc_err_set(r->err, -EINVAL, "groups", "'%s' is number %u, there can be %u",
			raw->name ? raw->name : "-", i + 1, PCC_MAX_GROUPS);
		return at(r, -EINVAL, "%s", path);
	}
	if (!raw->name)
		return missing(r, "name", "policies need it", path);
	ret = pcc_parse_name(raw->name, "name", group.name, r->err);
	if (!ret)
		ret = check_name_free(r, group.name, "name");
	if (ret)
		return at(r, ret, "%s.name", path);
	if (!raw->wans_count)
		return missing(r, "wans", "a group has at least one WAN", path);
	for (uint32_t k = 0; !ret && k < raw->wans_count; k++)
		ret = at(r, add_to_group(r, &group, raw->wans[k]), "%s.wans[%u]", path, k);
	if (!ret)
		r->conf->groups[r->conf->ngroups++] = group;
	return ret;
}

/* --- policies ------------------------------------------------------------------------------- */

/* One key of a policy on its way in. */
struct policy_ctx {
	struct reader *r;
	const struct raw_policy *raw;
	struct pcc_policy_conf *policy;
};

static int p_name(struct policy_ctx *p, const char *word)
{
	return pcc_parse_name(word, "name", p->policy->name, p->r->err);
}

static int p_source(struct policy_ctx *p, const char *word)
{
	p->policy->has_source = true;
	return pcc_parse_prefix(word, "source", &p->policy->source, p->r->err);
}

static int p_destination(struct policy_ctx *p, const char *word)
{
	int ret = pcc_parse_prefix(word, "destination", &p->policy->destination, p->r->err);

	p->policy->has_destination = true;
	if (ret || !p->policy->has_source ||
		p->policy->source.family == p->policy->destination.family)
		return ret;
	pcc_err_set(p->r->err, -EINVAL, "destination",
		"'%s' is of the other family than the source", word);
	return pcc_err_hint(p->r->err, -EINVAL, "IPv4 with IPv4, IPv6 with IPv6");
}

static int p_destination_file(struct policy_ctx *p, const char *word)
{
	struct pcc_policy_conf *policy = p->policy;
	int ret = pcc_parse_path(word, "destination-file", policy->destination_file,
		sizeof(policy->destination_file), p->r->err);

	if (!ret && policy->has_destination) {
		ret = pcc_err_set(p->r->err, -EINVAL, "destination-file",
			"'%s' comes on top of a destination", word);
		return pcc_err_hint(p->r->err, ret, "write the one or the other");
	}
	if (!ret && p->r->check == PCC_CONF_FILES && access(policy->destination_file, R_OK))
		ret = pcc_err_set(
			p->r->err, -EINVAL, "destination-file", "'%s': %s", word, strerror(errno));
	return ret;
}

static int p_protocol(struct policy_ctx *p, const char *word)
{
	int ret = pcc_parse_proto(word, "protocol", &p->policy->proto, p->r->err);

	if (ret || p->policy->proto)
		return ret;
	pcc_err_set(p->r->err, -EINVAL, "protocol", "'%s' cannot be matched", word);
	return pcc_err_hint(p->r->err, -EINVAL, "leave it out for any protocol");
}

/* Ports are those of TCP, UDP and their likes. */
static int check_ports(struct policy_ctx *p, const char *word, const char *key)
{
	static const uint8_t with_ports[] = {
		0, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE, IPPROTO_SCTP, IPPROTO_DCCP};
	char name[PCC_PROTO_NAME_MAX];

	if (memchr(with_ports, p->policy->proto, sizeof(with_ports)))
		return 0;
	return pcc_err_set(p->r->err, -EINVAL, key, "'%s' makes no sense: %s has no ports", word,
		pcc_proto_name(p->policy->proto, name));
}

static int p_source_port(struct policy_ctx *p, const char *word)
{
	int ret = pcc_parse_ports(
		word, "source-port", &p->policy->sport_min, &p->policy->sport_max, p->r->err);

	return ret ? ret : check_ports(p, word, "source-port");
}

static int p_destination_port(struct policy_ctx *p, const char *word)
{
	int ret = pcc_parse_ports(
		word, "destination-port", &p->policy->dport_min, &p->policy->dport_max, p->r->err);

	return ret ? ret : check_ports(p, word, "destination-port");
}

static int p_dscp(struct policy_ctx *p, const char *word)
{
	return pcc_parse_dscp(word, "dscp", &p->policy->dscp, p->r->err);
}

static int p_lan(struct policy_ctx *p, const char *word)
{
	const struct pcc_config *cfg = &p->r->conf->base;
	const char *names[PCC_MAX_LANS];
	int ret = pcc_parse_ifname(word, "lan", p->policy->lan, p->r->err);

	if (ret || pcc_config_find_lan(cfg, word))
		return ret;
	for (uint32_t i = 0; i < cfg->nlans; i++)
		names[i] = cfg->lans[i].name;
	return unknown_name(p->r->err, "LAN", word, names, cfg->nlans);
}

static int p_use(struct policy_ctx *p, const char *word)
{
	const struct pcc_conf *conf = p->r->conf;
	const char *names[PCC_MAX_WANS + PCC_MAX_GROUPS + 2] = {"bypass", "reject"};
	int wan = pcc_conf_find_wan(conf, word);
	size_t n = 2;

	for (uint32_t i = 0; i < 2; i++) {
		p->policy->action = i ? PCC_POLICY_REJECT : PCC_POLICY_BYPASS;
		if (!strcmp(word, names[i]))
			return 0;
	}
	p->policy->action = PCC_POLICY_GROUP;
	for (uint32_t i = 0; i < conf->ngroups; i++) {
		p->policy->target = i;
		if (!strcmp(word, conf->groups[i].name))
			return 0;
		names[n++] = conf->groups[i].name;
	}
	p->policy->action = PCC_POLICY_WAN;
	p->policy->target = (uint32_t)wan;
	if (wan >= 0)
		return 0;
	for (uint32_t i = 0; i < conf->base.nwans; i++)
		names[n++] = conf->wans[i].name;
	return unknown_name(p->r->err, "WAN or group", word, names, n);
}

/* What only makes sense where the policy leads to a WAN. */
static int wants_wan(struct policy_ctx *p, const char *key)
{
	if (p->policy->action == PCC_POLICY_GROUP || p->policy->action == PCC_POLICY_WAN)
		return 0;
	pcc_err_set(p->r->err, -EINVAL, key, "makes no sense with '%s'", p->raw->use);
	return pcc_err_hint(p->r->err, -EINVAL, "leave it out");
}

static int p_strict(struct policy_ctx *p, const char *word)
{
	int ret = pcc_parse_bool(word, "strict", &p->policy->strict, p->r->err);

	return ret ? ret : wants_wan(p, "strict");
}

static int p_sticky(struct policy_ctx *p, const char *word)
{
	uint32_t sticky;
	int ret = pcc_parse_keyword(word, "sticky", pcc_sticky_names, 3, &sticky, p->r->err);

	if (!ret)
		p->policy->sticky = sticky;
	return ret ? ret : wants_wan(p, "sticky");
}

static int p_sticky_time(struct policy_ctx *p, const char *word)
{
	uint32_t ms;
	int ret = pcc_parse_duration(word, "sticky-time", 1000, 7 * 86400000u, &ms, p->r->err);

	if (ret)
		return ret;
	p->policy->sticky_s = ms / 1000;
	if (p->policy->sticky != PCC_STICKY_NONE)
		return 0;
	pcc_err_set(
		p->r->err, -EINVAL, "sticky-time", "'%s' makes no sense without 'sticky'", word);
	return pcc_err_hint(p->r->err, -EINVAL, "add sticky: source");
}

/* In this order, as some look at what others said. */
static const struct {
	const char *key;
	size_t raw;
	int (*read)(struct policy_ctx *p, const char *word);
} policy_keys[] = {
#define KEY(key, member)                                                                           \
	{                                                                                          \
		key, offsetof(struct raw_policy, member), p_##member                               \
	}
	KEY("name", name),
	KEY("source", source),
	KEY("destination", destination),
	KEY("destination-file", destination_file),
	KEY("protocol", protocol),
	KEY("source-port", source_port),
	KEY("destination-port", destination_port),
	KEY("dscp", dscp),
	KEY("lan", lan),
	KEY("use", use),
	KEY("strict", strict),
	KEY("sticky", sticky),
	KEY("sticky-time", sticky_time),
#undef KEY
};

static int read_policy(struct reader *r, uint32_t i)
{
	struct pcc_policy_conf *policy = &r->conf->policies[i];
	struct policy_ctx p = {.r = r, .raw = &r->raw->policies[i], .policy = policy};
	char path[32];
	int ret = 0;

	snprintf(path, sizeof(path), "policies[%u]", i);
	if (!p.raw->use)
		return missing(r, "use", "a WAN, a group, bypass or reject", path);
	snprintf(policy->name, sizeof(policy->name), "policy-%u", i + 1);
	policy->sport_max = policy->dport_max = UINT16_MAX;
	policy->dscp = -1;
	policy->sticky_s = PCC_DEF_STICKY_S;
	for (size_t k = 0; !ret && k < COUNT(policy_keys); k++) {
		const char *word = *(char *const *)((const char *)p.raw + policy_keys[k].raw);

		if (word)
			ret = at(r, policy_keys[k].read(&p, word), "%s.%s", path,
				policy_keys[k].key);
	}
	for (uint32_t k = 0; !ret && k < i; k++) {
		if (strcmp(r->conf->policies[k].name, policy->name) != 0)
			continue;
		ret = pcc_err_set(r->err, -EINVAL, "name", "'%s' is there twice", policy->name);
		pcc_err_hint(r->err, ret, "counters are told apart by the names of policies");
		ret = at(r, ret, "%s.name", path);
	}
	return ret;
}

static int read_policies(struct reader *r)
{
	uint32_t n = r->raw->policies_count;
	int ret = 0;

	if (n > PCC_MAX_POLICIES) {
		pcc_err_set(r->err, -EINVAL, "policies", "'%u' are too many, there can be %u", n,
			PCC_MAX_POLICIES);
		return at(r, -EINVAL, "policies[%u]", PCC_MAX_POLICIES);
	}
	if (n)
		r->conf->policies = calloc(n, sizeof(*r->conf->policies));
	if (n && !r->conf->policies)
		return pcc_err_set(r->err, -ENOMEM, r->yaml.name, "out of memory");
	for (uint32_t i = 0; !ret && i < n; i++) {
		ret = read_policy(r, i);
		r->conf->npolicies = i + 1;
	}
	return ret;
}

/* --- hooks, and all of it ------------------------------------------------------------------- */

static int read_hook(struct reader *r, uint32_t i)
{
	static const struct pcc_number_key timeout = {"timeout", PCC_KEY_DURATION, 100, 3600000,
		offsetof(struct raw_hook, timeout), offsetof(struct pcc_hook_conf, timeout_ms)};
	const struct raw_hook *raw = &r->raw->hooks[i];
	struct pcc_hook_conf *hook = &r->conf->hooks[i];
	char path[32];
	int ret;

	snprintf(path, sizeof(path), "hooks[%u]", i);
	if (i == PCC_MAX_HOOKS) {
		pcc_err_set(r->err, -EINVAL, "hooks", "'%s' is number %u, there can be %u",
			raw->run ? raw->run : "-", i + 1, PCC_MAX_HOOKS);
		return at(r, -EINVAL, "%s", path);
	}
	if (!raw->run)
		return missing(r, "run", "the program to start, as in run: /etc/pccbpf/hook", path);
	ret = pcc_parse_path(raw->run, "run", hook->path, sizeof(hook->path), r->err);
	if (!ret && r->check == PCC_CONF_FILES && access(hook->path, X_OK)) {
		ret = pcc_err_set(r->err, -EINVAL, "run", "'%s': %s", hook->path, strerror(errno));
		pcc_err_hint(r->err, ret, "it must be there and executable");
	}
	if (ret)
		return at(r, ret, "%s.run", path);
	hook->timeout_ms = PCC_DEF_HOOK_MS;
	r->conf->nhooks = i + 1;
	return read_numbers(r, &timeout, 1, raw, hook, path);
}

/* What is only seen when all is there. Its words are those of the options of attach. */
static int validate(struct reader *r)
{
	const char *key = r->err->object;
	int ret = pcc_config_validate(&r->conf->base, r->err), wan;

	if (!ret)
		return 0;
	wan = pcc_conf_find_wan(r->conf, key);
	if (wan >= 0)
		return at(r, ret, "wans[%d]", wan);
	while (*key == '-')
		key++;
	return at(r, ret, "%s", !strcmp(key, "wan") ? "wans" : key);
}

static int read_all(struct reader *r)
{
	int ret;

	pcc_config_defaults(&r->conf->base);
	ret = read_base(r);
	if (!ret)
		ret = read_exclusions(r);
	if (!ret)
		ret = read_wans(r);
	for (uint32_t i = 0; !ret && i < r->raw->groups_count; i++)
		ret = read_group(r, i);
	if (!ret)
		ret = read_policies(r);
	for (uint32_t i = 0; !ret && i < r->raw->hooks_count; i++)
		ret = read_hook(r, i);
	return ret ? ret : validate(r);
}

int pcc_conf_parse(const char *text, size_t len, const char *name, enum pcc_conf_check check,
	struct pcc_conf *conf, struct pcc_conf_pos *pos, struct pcc_err *err)
{
	struct pcc_err ignored = {};
	struct reader r = {.conf = conf, .check = check, .err = err ? err : &ignored};
	struct raw_conf *raw = NULL;
	int ret;

	memset(conf, 0, sizeof(*conf));
	ret = pcc_yaml_load(&r.yaml, text, len, name, &pcc_raw_schema, &r.pos, r.err);
	if (!ret) {
		r.raw = raw = pcc_raw_load(text, len);
		ret = raw ? read_all(&r)
			  : pcc_err_set(r.err, -EINVAL, name, "libcyaml cannot read it");
	}
	if (pos)
		*pos = r.pos;
	if (ret)
		pcc_conf_free(conf);
	pcc_raw_free(raw);
	pcc_yaml_free(&r.yaml);
	return ret;
}

int pcc_conf_read(const char *path, enum pcc_conf_check check, struct pcc_conf *conf,
	struct pcc_conf_pos *pos, struct pcc_err *err)
{
	bool stdin_wanted = !strcmp(path, "-");
	const char *name = stdin_wanted ? "standard input" : path;
	int fd = stdin_wanted ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	char *text = NULL;
	size_t len = 0;
	int ret;

	memset(conf, 0, sizeof(*conf));
	if (pos)
		*pos = (struct pcc_conf_pos){0, 0};
	if (fd < 0) {
		ret = -errno;
		return pcc_err_set(err, ret, path, "cannot be read: %s", strerror(-ret));
	}
	ret = pcc_slurp(fd, MAX_FILE_BYTES, &text, &len);
	if (ret == -EFBIG)
		pcc_err_set(err, ret, name, "larger than %u bytes", MAX_FILE_BYTES);
	else if (ret)
		ret = pcc_err_set(err, -EIO, name, "%s", strerror(-ret));
	else
		ret = pcc_conf_parse(text, len, name, check, conf, pos, err);
	if (!stdin_wanted)
		close(fd);
	free(text);
	return ret;
}

void pcc_conf_free(struct pcc_conf *conf)
{
	free(conf->policies);
	memset(conf, 0, sizeof(*conf));
}
