/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The configuration file: what /etc/pccbpf/pccbpf.yaml says, as plain data. `base` is what attach
 * takes; the rest is for the daemon and the policies.
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

/* What the daemon knows of a WAN beyond struct pcc_wan_cfg; same index as base.wans. */
struct pcc_wan_conf {
	char name[PCC_NAME_BYTES]; /* the user's word for it; the interface where not given */
	uint32_t tier;		   /* 1 is used first; the next one when no WAN of it is usable */
	enum pcc_failback failback;
	struct pcc_health_cfg health;
};

struct pcc_group_conf {
	char name[PCC_NAME_BYTES];
	uint64_t wans; /* bit i: base.wans[i] */
};

/* One rule; the first that matches a new connection decides. Everything given must match. */
struct pcc_policy_conf {
	char name[PCC_NAME_BYTES];
	bool has_source, has_destination;
	struct pcc_prefix source, destination;
	char destination_file[256];			     /* "": none; else one prefix a line */
	uint8_t proto;					     /* IPPROTO_*, 0 any */
	uint16_t sport_min, sport_max, dport_min, dport_max; /* host order; 0..65535 any */
	int16_t dscp;					     /* 0..63, -1 any */
	char lan[PCC_IFNAMSIZ];				     /* "": any */
	enum pcc_policy_action action;
	uint32_t target; /* index of the group or of base.wans */
	bool strict;	 /* no usable WAN there: no way at all, instead of all other WANs */
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
	struct pcc_policy_conf *policies; /* allocated */
	uint32_t npolicies;
	struct pcc_hook_conf hooks[PCC_MAX_HOOKS];
	uint32_t nhooks;
	struct pcc_prefix exclusions[PCC_MAX_EXCLUSIONS]; /* destinations that are left alone */
	uint32_t nexclusions;
};

#define PCC_DEF_CONF_FILE "/etc/pccbpf/pccbpf.yaml"

/* A place in a file, counted from 1; 0 where no place is to blame. */
struct pcc_conf_pos {
	uint32_t line, column;
};

enum pcc_conf_check {
	PCC_CONF_TEXT,	/* look at the text alone: it was applied before */
	PCC_CONF_FILES, /* the files that it names (prefixes, hooks) must be there too */
};

/*
 * Reads a configuration: a file ("-": standard input), or a text that came from the file `name`. An
 * error's object is FILE:LINE:COLUMN; pos (may be NULL) gets the numbers. On success conf is to be
 * freed; on failure it is empty. Every key that is not there has its default; gateways are
 * PCC_GW_AUTO, ids and interface indexes 0: pcc_apply() settles them. Returns 0 or a negative
 * errno: -EINVAL for what the file says, another one for a file that cannot be read.
 */
int pcc_conf_read(const char *path, enum pcc_conf_check check, struct pcc_conf *conf,
	struct pcc_conf_pos *pos, struct pcc_err *err);
int pcc_conf_parse(const char *text, size_t len, const char *name, enum pcc_conf_check check,
	struct pcc_conf *conf, struct pcc_conf_pos *pos, struct pcc_err *err);

/* What WANs are when the file says nothing else. */
void pcc_wan_conf_defaults(struct pcc_wan_conf *wan);

/* Place of the WAN whose name, or else whose interface, this is; -1 if there is none. */
int pcc_conf_find_wan(const struct pcc_conf *conf, const char *name);

/*
 * The configuration as a file that the reader accepts: what differs from the defaults. The template
 * `defaults` is not kept apart from the WANs; gateways that were found, and drawn seeds, are left
 * out. The text is to be freed. 0 or a negative errno.
 */
int pcc_conf_text(const struct pcc_conf *conf, char **text, size_t *len);

/* Releases what conf points to and empties it; accepts the empty one (all zeroes). */
void pcc_conf_free(struct pcc_conf *conf);

#endif
