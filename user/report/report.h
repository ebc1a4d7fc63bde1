/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is in force, read once: configuration, links, hooks, states with their reasons, counters,
 * health. Whoever shows something of it shows it from here, so that no two of them disagree. Plain
 * data: a report that somebody made up is as good as one that was read.
 */
#ifndef PCC_REPORT_H
#define PCC_REPORT_H

#include "engine/fastpath.h"
#include "engine/session.h"
#include "kernel/flowtable.h"
#include "pins/offload.h"
#include "report/run.h"

/* What a report has; the rest of it is zeroes. Configuration and buckets' owners are always there.
 */
enum pcc_report_part {
	PCC_REPORT_STATE = 1,	 /* links, hooks, fast path, flowtables, reasons, health */
	PCC_REPORT_COUNTERS = 2, /* of WANs, of policies, of the data plane */
	PCC_REPORT_BUCKETS = 4,	 /* those of each bucket */
};

/* What is the matter with the link of a WAN. */
enum pcc_report_link {
	PCC_LINK_UP, /* nothing */
	PCC_LINK_MISSING,
	PCC_LINK_DOWN,
	PCC_LINK_NO_CARRIER,
	PCC_LINK_NO_GATEWAY, /* it serves no family */
	PCC_LINK_NO_ROUTE,   /* its table has no way out, in a family that it serves */
};

/* The flowtable that takes packets of an interface. */
struct pcc_report_flowtable {
	char name[PCC_FLOWTABLE_NAME]; /* "": none */
	char device[PCC_IFNAMSIZ];
	bool unseen;
	char text[PCC_FLOWTABLE_TEXT], hint[PCC_FLOWTABLE_TEXT]; /* what to say of it; or "" */
};

/* What there is at an interface. */
struct pcc_report_iface {
	enum pcc_hook_kind hook; /* none: something is missing */
	struct pcc_fastpath_now fastpath;
	struct pcc_report_flowtable flowtable;
};

struct pcc_report_wan {
	struct pcc_report_iface at;
	enum pcc_report_link link;
	char reason[PCC_REASON_BYTES]; /* of its state; "" where there is nothing to say */
	uint32_t buckets[PCC_FAMILIES];
	double share; /* of new connections in the family that is served, IPv4 first; 0 to 1 */
	struct pcc_offloaded offloaded;
	struct pcc_run_health health; /* where the daemon runs; else zeroes */
	struct pcc_wan_stats counters;
};

struct pcc_report_policy {
	char name[PCC_NAME_BYTES];
	struct pcc_policy_hit hit;
};

struct pcc_report_bucket {
	uint32_t wan_id; /* 0: nobody's */
	struct pcc_bucket_stats counters;
};

struct pcc_report {
	unsigned int parts; /* enum pcc_report_part */
	bool attached;	    /* false: all that follows is zeroes */
	struct pcc_config cfg;
	bool conntrack_kfuncs, daemon;
	struct pcc_report_iface lans[PCC_MAX_LANS]; /* as cfg.lans */
	struct pcc_report_wan wans[PCC_MAX_WANS];   /* as cfg.wans */
	uint64_t counters[PCC_R_MAX];
	struct pcc_report_policy *policies;
	uint32_t npolicies;
	struct pcc_report_bucket *buckets[PCC_FAMILIES];
	uint32_t nbuckets[PCC_FAMILIES];
};

/*
 * Reads what is attached, or that nothing is. The report is the caller's: pcc_report_free(), which
 * accepts NULL. NULL without memory.
 */
struct pcc_report *pcc_report_read(struct pcc_session *s, unsigned int parts);
void pcc_report_free(struct pcc_report *r);

/* "up", "missing", "down", "no carrier", "no gateway", "no route". */
const char *pcc_report_link_text(enum pcc_report_link link);

/* Name of the WAN that owns the bucket; "" where nobody does. */
const char *pcc_bucket_owner(const struct pcc_report *r, const struct pcc_report_bucket *bucket);

/* Is a WAN down that is meant to be used, or its link not as it should be? */
bool pcc_report_any_down(const struct pcc_report *r);

#endif
