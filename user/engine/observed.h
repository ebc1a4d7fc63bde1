/* SPDX-License-Identifier: GPL-2.0-only */
/* What is there, as plain data: read by observe.c, compared with what is wanted by the plan. */
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

/* A sysctl as it is now. */
struct pcc_sysctl_now {
	char path[PCC_SYSCTL_KEY_BYTES];
	char value[32];
	char now[32];		      /* of a remembered one: what it is now */
	uint32_t wan_id, lan_ifindex; /* of a wanted one: as in struct pcc_step */
	uint8_t families;
};

struct pcc_sysctl_list {
	struct pcc_sysctl_now *v;
	size_t n, room;
};

/* A hook as it is now. */
struct pcc_hook_now {
	uint32_t ifindex;
	enum pcc_hook_dir dir;
	bool current; /* the program that is to be there is there */
};

struct pcc_hook_list {
	struct pcc_hook_now *v;
	size_t n, room;
};

/* An interface that has our XDP program. */
struct pcc_xdp_now {
	uint32_t ifindex;
	bool current; /* of this build */
	bool sends_right;
};

struct pcc_xdp_list {
	struct pcc_xdp_now *v;
	size_t n, room;
};

/* What is there. */
struct pcc_observed {
	struct pcc_link_list links;
	struct pcc_ifaddr_list addrs;
	struct pcc_route_list routes; /* ours, both families */
	struct pcc_rule_list rules;   /* ours, both families */
	struct pcc_sysctl_list sysctls;
	struct pcc_sysctl_list remembered; /* paths and the values before attach */
	struct pcc_hook_list hooks;
	struct pcc_xdp_list xdps;
	bool own, own_current; /* the programs at connect(); of this build */
	bool asked_possible;   /* as far as is known: answers from the address that was asked */
	bool asked;	       /* and its programs are there, of this build */
	bool nat_matches;
	bool nexthops_possible; /* the kernel can tell of next hops that change their MAC */
	bool nexthops_watched;	/* and our programs listen */
	bool maps_match;	/* the maps hold the new configuration already */
	bool has_v6;
};

/* The link of that number, or of that name; NULL: there is none. */
const struct pcc_link *pcc_observed_link(const struct pcc_observed *now, uint32_t ifindex);
const struct pcc_link *pcc_observed_link_named(const struct pcc_observed *now, const char *name);

void pcc_observed_free(struct pcc_observed *now);

#endif
