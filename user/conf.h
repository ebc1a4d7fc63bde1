/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The configuration file: what /etc/pccbpf/pccbpf.yaml says, as plain data. `base` is what attach
 * takes; the rest is for the daemon and the policies.
 */
#ifndef PCC_CONF_H
#define PCC_CONF_H

#include "health.h"
#include "model.h"

#define PCC_NAME_BYTES 32u
#define PCC_MAX_GROUPS 64u
#define PCC_MAX_POLICIES 1024u
#define PCC_MAX_HOOKS 8u
#define PCC_MAX_EXCLUSIONS 256u

/* What happens to connections elsewhere when a WAN comes back. */
enum pcc_failback {
	PCC_FAILBACK_STAY,  /* they stay where they are; new ones use it again */
	PCC_FAILBACK_DRAIN, /* the backup WANs take no new ones, theirs may end in peace */
	PCC_FAILBACK_KILL,  /* the backup WANs' connections are cut: metered lines */
};

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

/* An address prefix, IPv4 v4-mapped. */
struct pcc_prefix {
	struct in6_addr addr;
	uint8_t len; /* 0..128; an IPv4 /24 is 120 */
};

enum pcc_policy_action {
	PCC_POLICY_GROUP,  /* one of the WANs of a group, by the hash */
	PCC_POLICY_WAN,	   /* one WAN */
	PCC_POLICY_BYPASS, /* left alone, as if pccbpf were not there */
	PCC_POLICY_REJECT, /* dropped */
};

enum pcc_sticky { PCC_STICKY_NONE, PCC_STICKY_SOURCE, PCC_STICKY_SOURCE_SITE };

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

#endif
