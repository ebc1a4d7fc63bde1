/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The present state of the router as plain data. observe.c reads it; the plan compares it with what
 * is wanted.
 */
#ifndef PCC_OBSERVED_H
#define PCC_OBSERVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/address.h"
#include "kernel/link.h"
#include "kernel/route.h"
#include "kernel/rule.h"
#include "kernel/sysctl.h"
#include "pins/hooks.h"

/* The present value of a sysctl. */
struct pcc_sysctl_now {
	char path[PCC_SYSCTL_KEY_BYTES];
	char value[32];
	char now[32];		      /* of a remembered sysctl: its present value */
	uint32_t wan_id, lan_ifindex; /* of a wanted sysctl: as in struct pcc_step */
	uint8_t families;
};

struct pcc_sysctl_list {
	struct pcc_sysctl_now *v;
	size_t n, room;
};

/* The present program at a hook. */
struct pcc_hook_now {
	uint32_t ifindex;
	enum pcc_hook_dir dir;
	bool current; /* it is the program that should be there */
};

struct pcc_hook_list {
	struct pcc_hook_now *v;
	size_t n, room;
};

/* An interface that runs our XDP program. */
struct pcc_xdp_now {
	uint32_t ifindex;
	bool current; /* the program is of this build */
	bool sends_right;
};

struct pcc_xdp_list {
	struct pcc_xdp_now *v;
	size_t n, room;
};

/* The present state. */
struct pcc_observed {
	struct pcc_link_list links;
	struct pcc_ifaddr_list addrs;
	struct pcc_route_list routes; /* ours, both families */
	struct pcc_rule_list rules;   /* ours, both families */
	struct pcc_sysctl_list sysctls;
	struct pcc_sysctl_list remembered; /* paths, and the values before attach */
	struct pcc_hook_list hooks;
	struct pcc_xdp_list xdps;
	bool own, own_current; /* programs at connect() are attached; they are of this build */
	bool nat_matches;
	/* The kernel can report next hops that get another MAC ... */
	bool nexthops_possible;
	bool nexthops_watched; /* ... and our programs are attached there. */
	bool maps_match;       /* the maps already contain the new configuration */
	bool has_v6;
};

/* Find the link with this number or name; NULL if there is none. */
const struct pcc_link *pcc_observed_link(const struct pcc_observed *now, uint32_t ifindex);
const struct pcc_link *pcc_observed_link_named(const struct pcc_observed *now, const char *name);

void pcc_observed_free(struct pcc_observed *now);

#endif
