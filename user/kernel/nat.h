/* SPDX-License-Identifier: GPL-2.0-only */
/* The nftables table `inet pccbpf`: masquerade and, where BPF cannot, conntrack marks. */
#ifndef PCC_NAT_H
#define PCC_NAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "pccbpf.h"

/* One WAN as NAT sees it. */
struct pcc_nat_wan {
	char name[PCC_IFNAMSIZ]; /* the interface; need not exist yet */
	uint32_t id;		 /* 1..PCC_MAX_WANS */
	uint32_t mark;		 /* id << shift, within mark_mask */
};

/* All that the table depends on. */
struct pcc_nat_cfg {
	struct pcc_nat_wan wans[PCC_MAX_WANS];
	uint32_t nwans;
	uint32_t mark_mask;
	uint32_t answer_mark; /* the bit of the mask that inbound connections and their answers
				 have; 0: none */
	bool nat4, nat6;      /* masquerade in this family */
	bool write_ctmark;    /* write the WAN's mark into the ct mark: the data plane cannot */
	bool ipsec;	      /* the kernel has IPsec; pcc_nat_apply() and _matches() see for
				 themselves */
};

/*
 * Makes the table be what cfg says, in one transaction; does nothing if it is that already, and
 * removes it if cfg needs none. *changed (may be NULL) says whether anything was done. Never
 * touches another table. 0 or -errno.
 */
int pcc_nat_apply(const struct pcc_nat_cfg *cfg, bool *changed, struct pcc_err *err);

/* Removes the table. A table that is not there is fine. */
int pcc_nat_remove(struct pcc_err *err);

/* 1: the table is there (whatever is in it), 0: it is not, or -errno. */
int pcc_nat_present(struct pcc_err *err);

/* 1: the table is what cfg says, 0: it is not, or -errno. A configuration that needs no table is
 * matched by its absence. Somebody else's change to the number of rules is noticed. */
int pcc_nat_matches(const struct pcc_nat_cfg *cfg, struct pcc_err *err);

#endif
