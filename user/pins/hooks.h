/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the programs sit: tcx links, pinned as link_in_<ifindex> and link_out_<ifindex>, or filters
 * of a clsact qdisc on kernels before 6.6. Ours are found again by pin or by priority, handle and
 * name, so other people's programs on the same interface are never touched.
 */
#ifndef PCC_HOOKS_H
#define PCC_HOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "pins/dataplane.h"
#include "pins/tc.h"

enum pcc_hook_kind { PCC_HOOK_NONE, PCC_HOOK_TCX, PCC_HOOK_CLSACT };

/* enum bpf_attach_type; headers before Linux 6.6 lack them. */
#define PCC_TCX_INGRESS 46
#define PCC_TCX_EGRESS 47
#define PCC_TCX_MAX 64 /* BPF_MPROG_MAX */

/* What of ours sits at a hook; *prog_id (may be NULL) is its program. */
enum pcc_hook_kind pcc_hook_find(
	struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir, uint32_t *prog_id);

/*
 * Makes the program sit at the hook; replaces an older one of ours in one step, so no packet passes
 * without. Returns 0 or a negative errno with err filled.
 */
int pcc_hook_attach(struct pcc_dp *dp, uint32_t ifindex, const char *ifname, enum pcc_hook_dir dir,
	enum pcc_prog prog, struct pcc_err *err);

/* Takes ours away, and the clsact qdisc if it is ours and empty. Nothing there is fine. */
int pcc_hook_detach(struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir);

/* Calls fn for every ifindex that has a pinned link. */
void pcc_hook_pins(struct pcc_dp *dp,
	void (*fn)(struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir, void *arg),
	void *arg);

const char *pcc_hook_name(enum pcc_hook_kind kind);

/* --- others.c ------------------------------------------------------------------------ */

/* Is a pccbpf program at the hook that this pin directory does not know? */
bool pcc_hook_is_foreign(struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir);

/* Whose: everybody else's, or theirs that stand behind ours. */
enum pcc_hook_others { PCC_OTHERS_ALL, PCC_OTHERS_BEHIND };

#define PCC_OTHERS_TEXT 48

/*
 * Is there a program or filter of somebody else's at the hook, tcx, clsact or ingress qdisc? What
 * stands behind ours does not see what the fast path forwards. Before ours is attached it is taken
 * to come last of the tcx programs. Fills what with the first one: "filter u32, pref 10".
 */
bool pcc_hook_others(struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir,
	enum pcc_hook_others which, char what[PCC_OTHERS_TEXT]);

#endif
