/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The policy rules of the caller's network namespace, by rtnetlink. Functions return 0, or -errno
 * with err (which may be NULL) filled. A list passed in must be empty (all zeroes) or filled by an
 * earlier call; its old contents are lost.
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
	uint32_t fwmark, fwmask; /* fwmask 0: the rule does not look at the mark */
	union pcc_ip src;
	uint8_t src_prefixlen;	    /* 0: from all */
	int32_t suppress_prefixlen; /* -1: none */
	bool invert; /* the rule applies to packets that the selectors do not match */
	bool other;  /* has selectors that this struct lacks, so it is not ours */
};

struct pcc_rule_list {
	struct pcc_rule *v;
	size_t n, room;
};

/* Frees the list and leaves an empty one. */
void pcc_rule_list_free(struct pcc_rule_list *list);

/* Reads the rules of one family, in the order in which the kernel evaluates them. */
int pcc_rule_dump(struct pcc_nl *nl, int family, struct pcc_rule_list *list, struct pcc_err *err);

/* Are both rules the same in every selector, action, preference and protocol? */
bool pcc_rule_equal(const struct pcc_rule *a, const struct pcc_rule *b);

/* Adds a rule. Returns -EEXIST if the kernel has the same one. */
int pcc_rule_add(struct pcc_nl *nl, const struct pcc_rule *rule, struct pcc_err *err);

/* Deletes this rule. Returns -ENOENT if it does not exist. */
int pcc_rule_del(struct pcc_nl *nl, const struct pcc_rule *rule, struct pcc_err *err);

#endif
