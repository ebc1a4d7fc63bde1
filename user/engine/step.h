/* SPDX-License-Identifier: GPL-2.0-only */
/* The steps that a plan consists of. */
#ifndef PCC_STEP_H
#define PCC_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/route.h"
#include "kernel/rule.h"
#include "kernel/sysctl.h"
#include "pins/hooks.h"

/* In the order in which a plan has them. */
enum pcc_step_kind {
	PCC_STEP_SYSCTL,    /* remember the old value, write the new one */
	PCC_STEP_HOOK_ON,   /* of WANs; those of LANs come after the NAT table */
	PCC_STEP_ROUTE_ADD, /* or replace, where `replaces` */
	PCC_STEP_RULE_ADD,
	PCC_STEP_NAT_FIRST, /* the table with old and new WANs */
	PCC_STEP_COMMIT, /* the maps: from here on new connections follow the new configuration */
	PCC_STEP_OWN_ON, /* the programs at connect() */
	PCC_STEP_OWN_OFF,
	PCC_STEP_ASKED_ON, /* the programs for answers of UDP services, or a warning */
	PCC_STEP_XDP_ON,   /* or, where the driver refuses, a warning: the fast path stays in tc */
	PCC_STEP_XDP_OFF,
	PCC_STEP_XDP_SEND,   /* XDP sends to it, or no longer, as the driver allows it now */
	PCC_STEP_NEXTHOP_ON, /* or, where the kernel refuses, a warning */
	PCC_STEP_NEXTHOP_OFF,
	PCC_STEP_HOOK_OFF,
	PCC_STEP_RULE_DEL,
	PCC_STEP_ROUTE_DEL,
	PCC_STEP_NAT_LAST, /* the table without the WANs that are gone */
	PCC_STEP_SYSCTL_BACK,
	PCC_STEP_RELEASE, /* forget the connections of a WAN that is down or gone: last, for no
			   undoing brings them back */
	PCC_STEP_MAX
};

#define PCC_FAMILY_BIT(f) (1u << (f))
#define PCC_BOTH_FAMILIES (PCC_FAMILY_BIT(PCC_V4) | PCC_FAMILY_BIT(PCC_V6))

struct pcc_step {
	enum pcc_step_kind kind;
	/* What only this WAN or LAN needs, so that the others do without; 0: all need it. */
	uint32_t wan_id, lan_ifindex;
	/* PCC_FAMILY_BIT(): that one cannot serve these if the step fails; 0: it serves all. */
	uint8_t families;
	bool skipped; /* by who carries the plan out: there is nothing to undo */
	struct pcc_route route, old_route; /* old_route where `replaces` */
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
	struct {
		uint32_t wan_id;
		char wan_name[PCC_IFNAMSIZ];
	} release; /* whose connections */
};

struct pcc_plan {
	struct pcc_step *v;
	size_t n, room;
};

/* Adds a step, all zeroes, at the end of the plan. NULL: no memory. Valid until the next one. */
struct pcc_step *pcc_plan_add(struct pcc_plan *plan, enum pcc_step_kind kind);

void pcc_plan_free(struct pcc_plan *plan);

#endif
