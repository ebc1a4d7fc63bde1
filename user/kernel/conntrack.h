/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's connection tracking table, by mark, both families, through ctnetlink. On a kernel
 * without conntrack there is nothing to do and every function returns 0. All functions return 0 or
 * -errno and fill err (which may be NULL). Source: kernel net/netfilter/nf_conntrack_netlink.c.
 */
#ifndef PCC_CONNTRACK_H
#define PCC_CONNTRACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "kernel/netlink.h"
#include "pccbpf.h"

/*
 * Deletes the entries with (ct mark & mask) == mark and no other. The kernel does it in one pass.
 * mask 0 or mark outside mask: -EINVAL, never "everything".
 */
int pcc_ct_flush_mark(uint32_t mark, uint32_t mask, struct pcc_err *err);

/* The socket of deletions one by one, opened by the first. The empty value is all zeroes. */
struct pcc_ct_deleter {
	struct pcc_nl nl;
};

/*
 * Deletes the entry that has the tuple as its original direction, or, for a connection from
 * outside, as its reply direction. An entry that is not there is fine.
 */
int pcc_ct_delete(struct pcc_ct_deleter *d, const struct pcc_tuple *tuple, bool from_outside,
	struct pcc_err *err);
void pcc_ct_deleter_close(struct pcc_ct_deleter *d);

/* One entry, as far as it is of interest here. */
struct pcc_ct_entry {
	struct pcc_tuple orig, reply;
	uint32_t mark;
	uint32_t status;	 /* IPS_* */
	bool counted;		 /* net.netfilter.nf_conntrack_acct */
	uint64_t packets, bytes; /* of both directions */
};

/*
 * Calls fn for each entry that has all those bits of status, one at least. It returns 0 to go on,
 * and forgets all when it is called with NULL: the walk begins again. 0, or -errno, or what fn
 * returned.
 */
typedef int (*pcc_ct_fn)(const struct pcc_ct_entry *entry, void *arg);
int pcc_ct_dump(uint32_t status, pcc_ct_fn fn, void *arg);

/*
 * Clears the bits of mask in the ct mark of every entry that has one of them; other bits stay. TCP
 * entries get lenient about windows, which the fast path kept from conntrack.
 */
int pcc_ct_clear_mark(uint32_t mask, struct pcc_err *err);

/* Is there conntrack in this network namespace? Asking loads no module. */
bool pcc_ct_present(void);

/*
 * Has the kernel load its modules nf_conntrack and nf_conntrack_netlink, where they are modules and
 * not loaded: the first question does. Whether it did, pcc_ct_present() tells.
 */
void pcc_ct_load(void);

/*
 * Does the error of a question say that there is nobody to ask: the module nf_conntrack_netlink is
 * missing? Entries can then be neither deleted nor changed, which is nothing to fail for.
 */
bool pcc_ct_is_mute(int code);

/* The greatest number of entries (nf_conntrack_max); 0 without conntrack. */
int pcc_ct_max(uint32_t *max, struct pcc_err *err);

#endif
