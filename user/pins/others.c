// SPDX-License-Identifier: GPL-2.0-only
/*
 * Other people's programs and filters at tc hooks, and programs of a pccbpf with another pin
 * directory.
 */
#include "pins/hooks.h"

#include <bpf/bpf.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pins/ours.h"

/*
 * Reads the ids of the programs at a tcx hook, in the order in which they run. Returns their
 * number, -1 before Linux 6.6.
 */
static int tcx_programs(uint32_t ifindex, enum pcc_hook_dir dir, uint32_t ids[PCC_TCX_MAX])
{
	uint32_t n = PCC_TCX_MAX, flags = 0;

	if (bpf_prog_query(ifindex, dir == PCC_HOOK_IN ? PCC_TCX_INGRESS : PCC_TCX_EGRESS, 0,
		    &flags, ids, &n))
		return -1;
	return (int)n;
}

bool pcc_hook_is_foreign(struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir)
{
	uint32_t ids[PCC_TCX_MAX], filter = pcc_tc_filter_prog(ifindex, dir);
	int n;

	if (filter && pcc_prog_is_pccbpf(filter) && !pcc_prog_is_ours(dp, filter))
		return true;
	n = tcx_programs(ifindex, dir, ids);
	for (int i = 0; i < n; i++)
		if (pcc_prog_is_pccbpf(ids[i]) && !pcc_prog_is_ours(dp, ids[i]))
			return true;
	return false;
}

/* Finds the first tcx program that is not ours: any one, or one that runs after ours. */
static bool other_program(struct pcc_dp *dp, const uint32_t *ids, int n, enum pcc_hook_others which,
	char what[PCC_OTHERS_TEXT])
{
	struct bpf_prog_info info = {};
	uint32_t len = sizeof(info);
	bool counts = which == PCC_OTHERS_ALL;
	int fd;

	for (int i = 0; i < n; i++) {
		if (pcc_prog_is_ours(dp, ids[i])) {
			counts = true;
			continue;
		}
		if (!counts)
			continue;
		fd = bpf_prog_get_fd_by_id(ids[i]);
		if (fd < 0)
			continue; /* it has just been removed */
		bpf_obj_get_info_by_fd(fd, &info, &len);
		close(fd);
		snprintf(what, PCC_OTHERS_TEXT, "program %s", info.name);
		return true;
	}
	return false;
}

struct other_filter {
	char kind[16];	     /* "": no filter found */
	uint32_t prio;	     /* the priority of the filter found */
	uint32_t least_prio; /* filters before this priority do not count */
	bool ours;	     /* our own filter is at the hook */
};

static int get_other_filter(const struct nlmsghdr *nlh, void *arg)
{
	struct other_filter *f = arg;
	const struct tcmsg *tcm;
	struct nlattr *attr;
	uint32_t prio;

	if (!nlh) {
		f->kind[0] = '\0';
		return 0;
	}
	tcm = mnl_nlmsg_get_payload(nlh);
	prio = tcm->tcm_info >> 16;
	if (f->kind[0] || prio < f->least_prio ||
		(f->ours && prio == PCC_TC_PRIORITY &&
			(!tcm->tcm_handle || tcm->tcm_handle == PCC_TC_HANDLE)))
		return 0;
	mnl_attr_for_each(attr, nlh, sizeof(*tcm)) if (mnl_attr_get_type(attr) == TCA_KIND)
		snprintf(f->kind, sizeof(f->kind), "%s", mnl_attr_get_str(attr));
	f->prio = prio;
	return 0;
}

bool pcc_hook_others(struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir,
	enum pcc_hook_others which, char what[PCC_OTHERS_TEXT])
{
	uint32_t filter = pcc_tc_filter_prog(ifindex, dir);
	struct other_filter f = {.ours = filter && pcc_prog_is_ours(dp, filter)};
	uint32_t ids[PCC_TCX_MAX];
	int n = tcx_programs(ifindex, dir, ids);

	if (other_program(dp, ids, n, which, what))
		return true;
	/* Filters run after all tcx programs. */
	if (which == PCC_OTHERS_BEHIND && (f.ours || n < 0 || dp->no_tcx))
		f.least_prio = PCC_TC_PRIORITY;
	if (pcc_tc_filters_dump(ifindex, dir, get_other_filter, &f) || !f.kind[0])
		return false;
	snprintf(what, PCC_OTHERS_TEXT, "filter %s, pref %u", f.kind, f.prio);
	return true;
}
