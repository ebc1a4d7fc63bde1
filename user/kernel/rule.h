/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The policy rules of the caller's network namespace, through rtnetlink. Functions return 0 or
 * -errno and fill err (which may be NULL). A list must be empty (all zeroes) or filled by an
 * earlier call, whose contents it loses.
 */
#ifndef PCC_RULE_H
#define PCC_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/err.h"
#include "kernel/netlink.h"

/* One policy rule (RTM_NEWRULE). */
struct pcc_rule {
	int family;
	uint32_t pref;
	uint8_t action;	  /* FR_ACT_TO_TBL, ... */
	uint8_t protocol; /* RTPROT_*; PCC_RTPROT is ours */
	uint32_t table;
	uint32_t fwmark, fwmask; /* fwmask 0: does not look at the mark */
	union pcc_ip src;
	uint8_t src_prefixlen;	    /* 0: from all */
	int32_t suppress_prefixlen; /* -1: none */
	bool invert;		    /* for packets that the selectors do not match */
	bool other;		    /* has selectors that this struct does not hold: not ours */
};

struct pcc_rule_list {
	struct pcc_rule *v;
	size_t n, room;
};

/* Frees the list and leaves the empty value. */
void pcc_rule_list_free(struct pcc_rule_list *list);

/* Rules of one family, in the order in which the kernel asks them. */
int pcc_rule_dump(struct pcc_nl *nl, int family, struct pcc_rule_list *list, struct pcc_err *err);

/* The same rule in every selector, action, preference and protocol. */
bool pcc_rule_equal(const struct pcc_rule *a, const struct pcc_rule *b);

/* Adds a rule. -EEXIST if the kernel has the same one. */
int pcc_rule_add(struct pcc_nl *nl, const struct pcc_rule *rule, struct pcc_err *err);

/* Deletes that rule. -ENOENT if it is not there. */
int pcc_rule_del(struct pcc_nl *nl, const struct pcc_rule *rule, struct pcc_err *err);

#endif
