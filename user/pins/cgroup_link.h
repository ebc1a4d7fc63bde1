/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Programs at the root of the control groups, which see what all processes of the machine do with
 * sockets: an object, each of its programs by a link that is pinned.
 */
#ifndef PCC_CGROUP_LINK_H
#define PCC_CGROUP_LINK_H

#include "pins/dataplane.h"

#define PCC_CGROUP_LINKS_MAX 3

struct pcc_cgroup_links {
	const char *what; /* they are for, in errors */
	struct {
		const char *pin, *prog; /* the names of the link and of the program */
	} v[PCC_CGROUP_LINKS_MAX];	/* up to the first without a pin */
};

/*
 * Loads obj (struct bpf_object, opened; it stays the caller's) on the pinned maps and attaches its
 * programs, in place of those that are pinned. 0 or a negative errno with err filled; after that
 * none is attached.
 */
struct bpf_object;
int pcc_cgroup_links_attach(struct pcc_dp *dp, const struct pcc_cgroup_links *links,
	struct bpf_object *obj, struct pcc_err *err);

/* Takes them away. Nothing there is fine. */
void pcc_cgroup_links_detach(const struct pcc_dp *dp, const struct pcc_cgroup_links *links);

/* Are all attached? */
bool pcc_cgroup_links_present(const struct pcc_dp *dp, const struct pcc_cgroup_links *links);

#endif
