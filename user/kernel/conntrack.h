/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's connection tracking table, for both families, through ctnetlink. On a kernel without
 * conntrack there is nothing to do, and every function returns 0. All functions return 0, or -errno
 * with err (which may be NULL) filled. Source: kernel net/netfilter/nf_conntrack_netlink.c.
 */
#ifndef PCC_CONNTRACK_H
#define PCC_CONNTRACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "kernel/netlink.h"
#include "pccbpf.h"

/*
 * Deletes the entries with (ct mark & mask) == mark and no others, in one pass of the kernel. For
 * mask 0, or a mark with bits outside mask, it returns -EINVAL; it never deletes everything.
 */
int pcc_ct_flush_mark(uint32_t mark, uint32_t mask, struct pcc_err *err);

/*
 * The socket for deleting single entries; the first deletion opens it. The empty value is all
 * zeroes.
 */
struct pcc_ct_deleter {
	struct pcc_nl nl;
};

/*
 * Deletes the entry that has the tuple as its original direction or, for a connection from outside,
 * as its reply direction. It is no error if there is no such entry.
 */
int pcc_ct_delete(struct pcc_ct_deleter *d, const struct pcc_tuple *tuple, bool from_outside,
	struct pcc_err *err);
void pcc_ct_deleter_close(struct pcc_ct_deleter *d);

/* What is read of one entry. */
struct pcc_ct_entry {
	struct pcc_tuple orig, reply;
	uint32_t mark;
	uint32_t status;	 /* IPS_* */
	bool counted;		 /* packets and bytes are valid (net.netfilter.nf_conntrack_acct) */
	uint64_t packets, bytes; /* the sum of both directions */
};

/*
 * Calls fn for each entry that has all the bits `status` (at least one bit). fn returns 0 to
 * continue. If fn is called with NULL, it must forget everything: the walk begins again. Returns 0,
 * -errno, or what fn returned.
 */
typedef int (*pcc_ct_fn)(const struct pcc_ct_entry *entry, void *arg);
int pcc_ct_dump(uint32_t status, pcc_ct_fn fn, void *arg);

/*
 * Clears the bits of mask in the ct mark of every entry that has one of them; the other bits stay.
 * TCP entries also become liberal about windows, because conntrack did not see the packets that the
 * fast path forwarded.
 */
int pcc_ct_clear_mark(uint32_t mask, struct pcc_err *err);

/* Does this network namespace have conntrack? Asking loads no module. */
bool pcc_ct_present(void);

/*
 * Makes the kernel load nf_conntrack and nf_conntrack_netlink if they are modules and not loaded,
 * by sending a request. pcc_ct_present() tells whether that worked.
 */
void pcc_ct_load(void);

/*
 * Does the error of a request mean that the module nf_conntrack_netlink is missing? Entries can
 * then be neither deleted nor changed, which callers need not treat as a failure.
 */
bool pcc_ct_is_mute(int code);

/* Reads the maximum number of entries (nf_conntrack_max); 0 without conntrack. */
int pcc_ct_max(uint32_t *max, struct pcc_err *err);

#endif
