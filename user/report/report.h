/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is in force, read once: configuration, links, hooks, states with their reasons, counters,
 * health. Everything that pccbpf shows of these comes from here, so that no two outputs disagree.
 * Plain data: tests may build a report by hand.
 */
#ifndef PCC_REPORT_H
#define PCC_REPORT_H

#include "engine/fastpath.h"
#include "engine/session.h"
#include "kernel/flowtable.h"
#include "pins/offload.h"
#include "report/run.h"

/*
 * The parts of a report to be read; the others are all zeroes. The configuration and the owners of
 * buckets are always read.
 */
enum pcc_report_part {
	PCC_REPORT_STATE = 1,	 /* links, hooks, fast path, flowtables, reasons, health */
	PCC_REPORT_COUNTERS = 2, /* of WANs, of policies and of the data plane */
	PCC_REPORT_BUCKETS = 4,	 /* the counters of each bucket */
};

/* The state of a WAN's link. */
enum pcc_report_link {
	PCC_LINK_UP, /* it can be used */
	PCC_LINK_MISSING,
	PCC_LINK_DOWN,
	PCC_LINK_NO_CARRIER,
	PCC_LINK_NO_GATEWAY, /* the WAN serves no family */
	/* Its routing table has no route out, in a family that it serves. */
	PCC_LINK_NO_ROUTE,
};

/* The flowtable that takes packets of an interface. */
struct pcc_report_flowtable {
	char name[PCC_FLOWTABLE_NAME]; /* "": no flowtable */
	char device[PCC_IFNAMSIZ];
	bool unseen;
	/* A sentence about it and what helps; or "". */
	char text[PCC_FLOWTABLE_TEXT], hint[PCC_FLOWTABLE_TEXT];
};

/* What is attached to an interface. */
struct pcc_report_iface {
	enum pcc_hook_kind hook; /* PCC_HOOK_NONE: a program is missing */
	struct pcc_fastpath_now fastpath;
	struct pcc_report_flowtable flowtable;
};

struct pcc_report_wan {
	struct pcc_report_iface at;
	enum pcc_report_link link;
	char reason[PCC_REASON_BYTES]; /* the reason for its state; "": none */
	uint32_t buckets[PCC_FAMILIES];
	/* Its share of new connections, 0 to 1, in IPv4 if that is served, else in IPv6. */
	double share;
	struct pcc_offloaded offloaded;
	struct pcc_run_health health; /* all zeroes unless the daemon runs */
	struct pcc_wan_stats counters;
};

struct pcc_report_policy {
	char name[PCC_NAME_BYTES];
	struct pcc_policy_hit hit;
};

struct pcc_report_bucket {
	uint32_t wan_id; /* 0: it has no owner */
	struct pcc_bucket_stats counters;
};

struct pcc_report {
	unsigned int parts; /* enum pcc_report_part, as flags */
	bool attached;	    /* false: everything below is zero */
	struct pcc_config cfg;
	bool conntrack_kfuncs, daemon;
	struct pcc_report_iface lans[PCC_MAX_LANS]; /* same index as cfg.lans */
	struct pcc_report_wan wans[PCC_MAX_WANS];   /* same index as cfg.wans */
	uint64_t counters[PCC_R_MAX];
	struct pcc_report_policy *policies;
	uint32_t npolicies;
	struct pcc_report_bucket *buckets[PCC_FAMILIES];
	uint32_t nbuckets[PCC_FAMILIES];
};

/*
 * Reads what is attached, or that nothing is. Returns NULL without memory. The caller frees the
 * report with pcc_report_free(), which accepts NULL.
 */
struct pcc_report *pcc_report_read(struct pcc_session *s, unsigned int parts);
void pcc_report_free(struct pcc_report *r);

/* The state of a link in words: "up", "missing", "down", "no carrier", "no gateway", "no route". */
const char *pcc_report_link_text(enum pcc_report_link link);

/* Returns the name of the WAN that owns the bucket; "" if none does. */
const char *pcc_bucket_owner(const struct pcc_report *r, const struct pcc_report_bucket *bucket);

/* Is any WAN down that is meant to be used, or is its link not in order? */
bool pcc_report_any_down(const struct pcc_report *r);

#endif
