// SPDX-License-Identifier: GPL-2.0-only
#include "config/conf_raw.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A text, a list, a mapping: of a struct's member, under a key. A key without a value is not given.
 */
#define TEXT(key, type, member)                                                                    \
	CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct type, member, \
		0, CYAML_UNLIMITED)
#define LIST(key, flags, type, member, entry)                                                      \
	CYAML_FIELD_SEQUENCE(key, CYAML_FLAG_POINTER_NULL_STR | CYAML_FLAG_OPTIONAL | (flags),     \
		struct type, member, &(entry), 0, CYAML_UNLIMITED)
#define MAPPING(key, type, member, fields)                                                         \
	CYAML_FIELD_MAPPING_PTR(key, CYAML_FLAG_POINTER_NULL_STR | CYAML_FLAG_OPTIONAL,            \
		struct type, member, fields)

static const cyaml_schema_value_t word = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED),
};

static const cyaml_schema_field_t health_fields[] = {
	LIST("targets", CYAML_FLAG_FLOW, raw_health, targets, word),
	TEXT("quorum", raw_health, quorum),
	TEXT("interval", raw_health, interval),
	TEXT("timeout", raw_health, timeout),
	TEXT("fall", raw_health, fall),
	TEXT("rise", raw_health, rise),
	TEXT("loss", raw_health, loss),
	TEXT("latency", raw_health, latency),
	TEXT("hold", raw_health, hold),
	TEXT("hold-max", raw_health, hold_max),
	CYAML_FIELD_END,
};

#define TEMPLATE_FIELDS                                                                            \
	TEXT("weight", raw_wan, weight), TEXT("tier", raw_wan, tier),                              \
		TEXT("failback", raw_wan, failback),                                               \
		MAPPING("health", raw_wan, health, health_fields), CYAML_FIELD_END

static const cyaml_schema_field_t template_fields[] = {TEMPLATE_FIELDS};

static const cyaml_schema_field_t wan_fields[] = {
	TEXT("interface", raw_wan, interface),
	TEXT("name", raw_wan, name),
	TEXT("gateway", raw_wan, gateway),
	TEXT("gateway6", raw_wan, gateway6),
	TEMPLATE_FIELDS,
};

static const cyaml_schema_value_t wan = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_wan, wan_fields),
};

static const cyaml_schema_field_t group_fields[] = {
	TEXT("name", raw_group, name),
	LIST("wans", CYAML_FLAG_FLOW, raw_group, wans, word),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t group = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_group, group_fields),
};

static const cyaml_schema_field_t policy_fields[] = {
	TEXT("name", raw_policy, name),
	TEXT("source", raw_policy, source),
	TEXT("destination", raw_policy, destination),
	TEXT("destination-file", raw_policy, destination_file),
	TEXT("protocol", raw_policy, protocol),
	TEXT("source-port", raw_policy, source_port),
	TEXT("destination-port", raw_policy, destination_port),
	TEXT("dscp", raw_policy, dscp),
	TEXT("lan", raw_policy, lan),
	TEXT("use", raw_policy, use),
	TEXT("strict", raw_policy, strict),
	TEXT("sticky", raw_policy, sticky),
	TEXT("sticky-time", raw_policy, sticky_time),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t policy = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_policy, policy_fields),
};

static const cyaml_schema_field_t hook_fields[] = {
	TEXT("run", raw_hook, run),
	TEXT("timeout", raw_hook, timeout),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t hook = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_hook, hook_fields),
};

static const cyaml_schema_field_t conf_fields[] = {
	LIST("lan", CYAML_FLAG_FLOW, raw_conf, lan, word),
	TEXT("classifier", raw_conf, classifier),
	TEXT("scheme", raw_conf, scheme),
	TEXT("buckets", raw_conf, buckets),
	TEXT("seed", raw_conf, seed),
	TEXT("fastpath", raw_conf, fastpath),
	TEXT("nat", raw_conf, nat),
	TEXT("nat6", raw_conf, nat6),
	TEXT("router-connections", raw_conf, router_connections),
	TEXT("mark-mask", raw_conf, mark_mask),
	TEXT("table-base", raw_conf, table_base),
	TEXT("rule-pref", raw_conf, rule_pref),
	TEXT("max-conns", raw_conf, max_conns),
	LIST("exclusions", CYAML_FLAG_FLOW, raw_conf, exclusions, word),
	MAPPING("defaults", raw_conf, defaults, template_fields),
	LIST("wans", CYAML_FLAG_DEFAULT, raw_conf, wans, wan),
	LIST("groups", CYAML_FLAG_DEFAULT, raw_conf, groups, group),
	LIST("policies", CYAML_FLAG_DEFAULT, raw_conf, policies, policy),
	LIST("hooks", CYAML_FLAG_DEFAULT, raw_conf, hooks, hook),
	CYAML_FIELD_END,
};

const cyaml_schema_value_t pcc_raw_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_conf, conf_fields),
};

static const cyaml_config_t config = {
	.mem_fn = cyaml_mem,
	.log_level = CYAML_LOG_ERROR,
	.flags = CYAML_CFG_NO_ALIAS | CYAML_CFG_STYLE_BLOCK,
};

struct raw_conf *pcc_raw_load(const char *text, size_t len)
{
	cyaml_data_t *raw = NULL;

	if (cyaml_load_data((const uint8_t *)text, len, &config, &pcc_raw_schema, &raw, NULL))
		return NULL;
	return raw ? raw : calloc(1, sizeof(struct raw_conf)); /* nothing in the file */
}

void pcc_raw_free(struct raw_conf *raw)
{
	cyaml_free(&config, &pcc_raw_schema, raw, 0);
}

int pcc_raw_save(const struct raw_conf *raw, char **text, size_t *len)
{
	char *longer = NULL;

	*text = NULL;
	if (!cyaml_save_data(text, len, &config, &pcc_raw_schema, raw, 0))
		longer = realloc(*text, *len + 1); /* libcyaml does not end it */
	if (!longer) {
		free(*text);
		*text = NULL;
		return -ENOMEM;
	}
	longer[*len] = '\0';
	*text = longer;
	return 0;
}
