/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The plan: what has to be done so that the router does what a configuration says, given what is
 * there. Pure: computed from plain data, printed by plan_print.c for --dry-run, carried out by
 * apply.c. A configuration that is in force already has an empty plan.
 */
#ifndef PCC_PLAN_H
#define PCC_PLAN_H

#include "pins/dataplane.h"
#include "pins/hooks.h"
#include "model/model.h"
#include "kernel/nat.h"
#include "kernel/address.h"
#include "kernel/link.h"
#include "kernel/route.h"
#include "kernel/rule.h"
#include "kernel/sysctl.h"

/* In the order in which a plan has them. */
enum pcc_op_kind {
	PCC_OP_SYSCTL,	  /* remember the old value, write the new one */
	PCC_OP_HOOK_ON,	  /* of WANs; those of LANs come after the NAT table */
	PCC_OP_ROUTE_ADD, /* or replace, where `replaces` */
	PCC_OP_RULE_ADD,
	PCC_OP_NAT_FIRST, /* the table with old and new WANs */
	PCC_OP_COMMIT,	  /* the maps: from here on new connections follow the new configuration */
	PCC_OP_OWN_ON,	  /* the programs at connect() */
	PCC_OP_OWN_OFF,
	PCC_OP_XDP_ON, /* or, where the driver refuses, a warning: the fast path stays in tc */
	PCC_OP_XDP_OFF,
	PCC_OP_XDP_SEND,   /* XDP sends to it, or no longer, as the driver allows it now */
	PCC_OP_NEXTHOP_ON, /* or, where the kernel refuses, a warning */
	PCC_OP_NEXTHOP_OFF,
	PCC_OP_HOOK_OFF,
	PCC_OP_RULE_DEL,
	PCC_OP_ROUTE_DEL,
	PCC_OP_NAT_LAST, /* the table without the WANs that are gone */
	PCC_OP_SYSCTL_BACK,
	PCC_OP_RELEASE, /* forget the connections of a WAN that is down or gone: last, for no
			   undoing brings them back */
};

struct pcc_op {
	enum pcc_op_kind kind;
	struct pcc_route route, old_route; /* ROUTE_*; old_route where `replaces` */
	bool replaces;
	struct pcc_rule rule;
	struct {
		char path[PCC_SYSCTL_KEY_BYTES];
		char value[32]; /* SYSCTL: the new one; SYSCTL_BACK: the one before attach */
		char old[32];	/* what it is now */
	} sysctl;
	struct {
		uint32_t ifindex;
		char ifname[PCC_IFNAMSIZ];
		enum pcc_hook_dir dir;
		enum pcc_prog prog;
	} hook;
	/*
	 * What only this WAN or LAN needs, so that the others do without; 0: all need it. RELEASE:
	 * whose connections.
	 */
	uint32_t wan_id, lan_ifindex;
	char wan_name[PCC_IFNAMSIZ]; /* RELEASE */
	bool skipped;		     /* by who carries the plan out: there is nothing to undo */
};

struct pcc_plan {
	struct pcc_op *ops;
	size_t n, room;
};

/* A sysctl as it is now. */
struct pcc_sysctl_now {
	char path[PCC_SYSCTL_KEY_BYTES];
	char value[32];
	char now[32];		      /* of a remembered one: what it is now */
	uint32_t wan_id, lan_ifindex; /* of a wanted one: as in struct pcc_op */
};

/* A hook as it is now. */
struct pcc_hook_now {
	uint32_t ifindex;
	enum pcc_hook_dir dir;
	bool current; /* the program that is to be there is there */
};

/* An interface that has our XDP program. */
struct pcc_xdp_now {
	uint32_t ifindex;
	bool current; /* of this build */
	bool sends_right;
};

/* What is there. */
struct pcc_observed {
	struct pcc_link_list links;
	struct pcc_ifaddr_list addrs;
	struct pcc_route_list routes; /* ours, both families */
	struct pcc_rule_list rules;   /* ours, both families */
	struct pcc_sysctl_now *sysctls;
	size_t nsysctls;
	struct pcc_sysctl_now *remembered; /* paths and the values before attach */
	size_t nremembered;
	struct pcc_hook_now *hooks;
	size_t nhooks;
	struct pcc_xdp_now *xdps;
	size_t nxdps;
	bool own, own_current; /* the programs at connect(); of this build */
	bool nat_matches;
	bool nexthops_possible; /* the kernel can tell of next hops that change their MAC */
	bool nexthops_watched;	/* and our programs listen */
	bool maps_match;	/* the maps hold the new configuration already */
	bool has_v6;
};

/* The sysctls that cfg wants; *n entries, allocated. Value is what they shall be. */
int pcc_plan_sysctls(
	const struct pcc_config *cfg, bool has_v6, struct pcc_sysctl_now **list, size_t *n);

/* NAT for cfg, and for those WANs of old (may be NULL) that cfg no longer has. */
void pcc_plan_nat(const struct pcc_config *cfg, const struct pcc_config *old, bool write_ctmark,
	struct pcc_nat_cfg *nat);

/*
 * Computes the plan that leads from old (NULL: not attached) and what is there to cfg, whose ids,
 * ifindexes and gateways are settled. 0 or -ENOMEM.
 */
int pcc_plan_make(struct pcc_plan *plan, const struct pcc_config *cfg, const struct pcc_config *old,
	const struct pcc_observed *now);

void pcc_plan_free(struct pcc_plan *plan);
void pcc_observed_free(struct pcc_observed *now);

#endif
