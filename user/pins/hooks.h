/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The programs at tc hooks: tcx links, pinned as link_in_<ifindex> and link_out_<ifindex>, or
 * filters of a clsact qdisc on kernels before 6.6. Ours are recognised by their pin, or by
 * priority, handle and name, so that other people's programs on the same interface are never
 * touched.
 */
#ifndef PCC_HOOKS_H
#define PCC_HOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "pins/dataplane.h"
#include "pins/tc.h"

enum pcc_hook_kind { PCC_HOOK_NONE, PCC_HOOK_TCX, PCC_HOOK_CLSACT };

/* Values of enum bpf_attach_type, which headers before Linux 6.6 lack. */
#define PCC_TCX_INGRESS 46
#define PCC_TCX_EGRESS 47
#define PCC_TCX_MAX 64 /* BPF_MPROG_MAX */

/* Finds our program at a hook. *prog_id (may be NULL) gets its id. */
enum pcc_hook_kind pcc_hook_find(
	struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir, uint32_t *prog_id);

/*
 * Attaches the program at the hook. An older one of ours is replaced in one step, so that no packet
 * passes without a program. Returns 0 or a negative errno with err filled.
 */
int pcc_hook_attach(struct pcc_dp *dp, uint32_t ifindex, const char *ifname, enum pcc_hook_dir dir,
	enum pcc_prog prog, struct pcc_err *err);

/*
 * Removes our program, and the clsact qdisc if it is ours and empty. It is no error if none is
 * there.
 */
int pcc_hook_detach(struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir);

/* Calls fn for every ifindex that has a pinned link. */
void pcc_hook_pins(struct pcc_dp *dp,
	void (*fn)(struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir, void *arg),
	void *arg);

const char *pcc_hook_name(enum pcc_hook_kind kind);

/* --- others.c ------------------------------------------------------------------------ */

/* Is there a program of pccbpf at the hook that does not belong to this pin directory? */
bool pcc_hook_is_foreign(struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir);

/* Which programs count: all that are not ours, or only those that run after ours. */
enum pcc_hook_others { PCC_OTHERS_ALL, PCC_OTHERS_BEHIND };

#define PCC_OTHERS_TEXT 48

/*
 * Is there a program or filter of somebody else at the hook: in tcx, in a clsact or an ingress
 * qdisc? Those that run after ours do not see what the fast path forwards. Before ours is attached,
 * it is assumed to become the last of the tcx programs. Writes the first one found to what: "filter
 * u32, pref 10".
 */
bool pcc_hook_others(struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir,
	enum pcc_hook_others which, char what[PCC_OTHERS_TEXT]);

#endif
