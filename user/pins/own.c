// SPDX-License-Identifier: GPL-2.0-only
#include "pins/own.h"

#include <bpf/libbpf.h>

#include "pins/cgroup_link.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include "pccbpf_own.skel.h"
#pragma GCC diagnostic pop

static const struct pcc_cgroup_links links = {
	"router-connections",
	{{"link_connect4", "pcc_connect4"}, {"link_connect6", "pcc_connect6"}},
};

void pcc_own_detach(struct pcc_dp *dp)
{
	pcc_cgroup_links_detach(dp, &links);
}

bool pcc_own_present(struct pcc_dp *dp)
{
	return pcc_cgroup_links_present(dp, &links);
}

const void *pcc_own_object(size_t *len)
{
	return pccbpf_own_bpf__elf_bytes(len);
}

int pcc_own_attach(struct pcc_dp *dp, struct pcc_err *err)
{
	struct pccbpf_own_bpf *skel = pccbpf_own_bpf__open();
	int ret = pcc_cgroup_links_attach(dp, &links, skel ? skel->obj : NULL, err);

	pccbpf_own_bpf__destroy(skel);
	return ret;
}
