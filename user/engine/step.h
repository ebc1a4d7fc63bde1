/* SPDX-License-Identifier: GPL-2.0-only */
/* The steps of a plan. */
#ifndef PCC_STEP_H
#define PCC_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/route.h"
#include "kernel/rule.h"
#include "kernel/sysctl.h"
#include "pins/hooks.h"

/* The kinds of steps, in the order in which a plan has them. */
enum pcc_step_kind {
	PCC_STEP_SYSCTL,    /* remember the old value, write the new one */
	PCC_STEP_HOOK_ON,   /* for WANs; those for LANs come after the NAT table */
	PCC_STEP_ROUTE_ADD, /* add, or replace if `replaces` */
	PCC_STEP_RULE_ADD,
	PCC_STEP_NAT_FIRST, /* the NAT table with old and new WANs */
	/* Write the maps: from now on new connections follow the new configuration. */
	PCC_STEP_COMMIT,
	PCC_STEP_OWN_ON, /* the programs at connect() */
	PCC_STEP_OWN_OFF,
	PCC_STEP_XDP_ON, /* if the driver refuses, a warning: the fast path stays in tc */
	PCC_STEP_XDP_OFF,
	PCC_STEP_XDP_SEND,   /* XDP sends to the interface or stops, as its driver allows now */
	PCC_STEP_NEXTHOP_ON, /* if the kernel refuses, a warning */
	PCC_STEP_NEXTHOP_OFF,
	PCC_STEP_HOOK_OFF,
	PCC_STEP_RULE_DEL,
	PCC_STEP_ROUTE_DEL,
	PCC_STEP_NAT_LAST, /* the NAT table without the WANs that are gone */
	PCC_STEP_SYSCTL_BACK,
	/*
	 * Forget the connections of a WAN that is down or gone. Last, because it cannot be undone.
	 */
	PCC_STEP_RELEASE,
	PCC_STEP_MAX
};

#define PCC_FAMILY_BIT(f) (1u << (f))
#define PCC_BOTH_FAMILIES (PCC_FAMILY_BIT(PCC_V4) | PCC_FAMILY_BIT(PCC_V6))

struct pcc_step {
	enum pcc_step_kind kind;
	/*
	 * The WAN or LAN that alone needs this step; if the step fails the others go on. 0: all
	 * need it.
	 */
	uint32_t wan_id, lan_ifindex;
	/*
	 * The families (PCC_FAMILY_BIT()) that this WAN or LAN cannot serve if the step fails; 0:
	 * it still serves all.
	 */
	uint8_t families;
	bool skipped; /* set by carry.c: not taken, so there is nothing to undo */
	struct pcc_route route, old_route; /* old_route only if `replaces` */
	bool replaces;
	struct pcc_rule rule;
	struct {
		char path[PCC_SYSCTL_KEY_BYTES];
		char value[32]; /* SYSCTL: the new value; SYSCTL_BACK: the value before attach */
		char old[32];	/* the present value */
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
	} release; /* the WAN whose connections are forgotten */
};

struct pcc_plan {
	struct pcc_step *v;
	size_t n, room;
};

/*
 * Appends a step, all zeroes but its kind, to the plan. Returns NULL without memory. The pointer is
 * valid until the next call.
 */
struct pcc_step *pcc_plan_add(struct pcc_plan *plan, enum pcc_step_kind kind);

void pcc_plan_free(struct pcc_plan *plan);

#endif
