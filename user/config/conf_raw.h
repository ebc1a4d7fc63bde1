/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A configuration file as it stands: every value is the text that the user wrote, NULL or an empty
 * list where there is none. conf_raw.c has the keys, once, as a schema of libcyaml: by it files
 * are checked, read and written.
 */
#ifndef PCC_CONF_RAW_H
#define PCC_CONF_RAW_H

#include <cyaml/cyaml.h>

struct raw_health {
	char **targets;
	uint32_t targets_count;
	char *quorum, *interval, *timeout, *fall, *rise, *loss, *latency, *hold, *hold_max;
};

/* A WAN, and the template of all of them, which has fewer keys. */
struct raw_wan {
	char *interface, *name, *gateway, *gateway6, *weight, *tier, *failback;
	struct raw_health *health;
};

struct raw_group {
	char *name;
	char **wans;
	uint32_t wans_count;
};

struct raw_policy {
	char *name, *source, *destination, *destination_file, *protocol, *source_port;
	char *destination_port, *dscp, *lan, *use, *strict, *sticky, *sticky_time;
};

struct raw_hook {
	char *run, *timeout;
};

struct raw_conf {
	char **lan;
	uint32_t lan_count;
	char *classifier, *scheme, *buckets, *seed, *fastpath, *nat, *nat6, *mark_mask,
		*router_connections;
	char *table_base, *rule_pref, *max_conns;
	char **exclusions;
	uint32_t exclusions_count;
	struct raw_wan *defaults;
	struct raw_wan *wans;
	uint32_t wans_count;
	struct raw_group *groups;
	uint32_t groups_count;
	struct raw_policy *policies;
	uint32_t policies_count;
	struct raw_hook *hooks;
	uint32_t hooks_count;
};

extern const cyaml_schema_value_t pcc_raw_schema;

/* Reads a text that conf_yaml.c has found to fit the schema. NULL if libcyaml does not agree. */
struct raw_conf *pcc_raw_load(const char *text, size_t len);
void pcc_raw_free(struct raw_conf *raw);

/* As YAML, into *text, with a terminating 0, to be freed. 0 or -ENOMEM. */
int pcc_raw_save(const struct raw_conf *raw, char **text, size_t *len);

#endif
