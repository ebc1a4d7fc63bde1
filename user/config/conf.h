/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The configuration file /etc/pccbpf/pccbpf.yaml, as plain data: `base` is what attach takes; the
 * rest is for the daemon and the policies.
 */
#ifndef PCC_CONF_H
#define PCC_CONF_H

#include <stdio.h>

#include "health/health.h"
#include "health/wanstate.h"
#include "model/model.h"
#include "text/parse.h"

#define PCC_MAX_HOOKS 8u
#define PCC_MAX_EXCLUSIONS 256u

/* What the file says of a WAN besides struct pcc_wan_cfg; same index as base.wans. */
struct pcc_wan_conf {
	char name[PCC_NAME_BYTES]; /* the user's name for it, or the interface */
	/* 1 is used first; a tier is used when no WAN of the tiers before it is usable. */
	uint32_t tier;
	enum pcc_failback failback;
	struct pcc_health_cfg health;
};

struct pcc_group_conf {
	char name[PCC_NAME_BYTES];
	uint64_t wans; /* bit i stands for base.wans[i] */
};

/*
 * One policy: a rule for new connections. Everything that is given must match; the first rule that
 * matches decides.
 */
struct pcc_policy_conf {
	char name[PCC_NAME_BYTES];
	bool has_source, has_destination;
	struct pcc_prefix source, destination;
	char destination_file[256]; /* a file with one prefix a line; "": none */
	uint8_t proto;		    /* IPPROTO_*; 0: any */
	uint16_t sport_min, sport_max, dport_min, dport_max; /* host byte order; 0..65535: any */
	int16_t dscp;					     /* 0..63; -1: any */
	char lan[PCC_IFNAMSIZ];				     /* "": any */
	enum pcc_policy_action action;
	uint32_t target; /* index in groups or in base.wans */
	/*
	 * If no WAN of the target is usable, there is no way at all; otherwise all other WANs may
	 * be used.
	 */
	bool strict;
	enum pcc_sticky sticky;
	uint32_t sticky_s;
};

struct pcc_hook_conf {
	char path[256];
	uint32_t timeout_ms;
};

struct pcc_conf {
	struct pcc_config base;
	struct pcc_wan_conf wans[PCC_MAX_WANS + 1];
	struct pcc_group_conf groups[PCC_MAX_GROUPS];
	uint32_t ngroups;
	struct pcc_policy_conf *policies; /* allocated, owned */
	uint32_t npolicies;
	struct pcc_hook_conf hooks[PCC_MAX_HOOKS];
	uint32_t nhooks;
	/* Connections to these destinations are left to the kernel. */
	struct pcc_prefix exclusions[PCC_MAX_EXCLUSIONS];
	uint32_t nexclusions;
};

#define PCC_DEF_CONF_FILE "/etc/pccbpf/pccbpf.yaml"

/* A place in a file. Line and column are counted from 1; 0 if the error has no place. */
struct pcc_conf_pos {
	uint32_t line, column;
};

enum pcc_conf_check {
	PCC_CONF_TEXT,	/* check the text alone, because it has been applied before */
	PCC_CONF_FILES, /* also check that the files it names (prefixes, hooks) exist */
};

/*
 * Read a configuration: from a file ("-": standard input), or from a text that came from the file
 * `name`. The object of an error is FILE:LINE:COLUMN; pos (may be NULL) gets the numbers. On
 * success conf must be freed; on failure it is empty. Every key that the file does not have gets
 * its default; gateways are PCC_GW_AUTO, ids and interface indexes 0, until pcc_apply() settles
 * them. Return 0 or a negative errno: -EINVAL for an error in the text, another one if the file
 * cannot be read.
 */
int pcc_conf_read(const char *path, enum pcc_conf_check check, struct pcc_conf *conf,
	struct pcc_conf_pos *pos, struct pcc_err *err);
int pcc_conf_parse(const char *text, size_t len, const char *name, enum pcc_conf_check check,
	struct pcc_conf *conf, struct pcc_conf_pos *pos, struct pcc_err *err);

/* Fills wan with the defaults of a WAN. */
void pcc_wan_conf_defaults(struct pcc_wan_conf *wan);

/* Returns the index of the WAN with this name, or else with this interface; -1 if there is none. */
int pcc_conf_find_wan(const struct pcc_conf *conf, const char *name);

/*
 * Writes the configuration as a file that the reader accepts, with only what differs from the
 * defaults. The template `defaults` is not written; its values are in the WANs. Gateways that were
 * found and seeds that were drawn are not written either. The caller frees *text. Returns 0 or a
 * negative errno.
 */
int pcc_conf_text(const struct pcc_conf *conf, char **text, size_t *len);

/* Frees what conf points to and empties it. Accepts the empty configuration (all zeroes). */
void pcc_conf_free(struct pcc_conf *conf);

#endif
