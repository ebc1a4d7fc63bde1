// SPDX-License-Identifier: GPL-2.0-only
#include "pins/asked.h"

#include <bpf/libbpf.h>

#include "pins/cgroup_link.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include "pccbpf_asked.skel.h"
#pragma GCC diagnostic pop

static const struct pcc_cgroup_links links = {
	"answers of UDP services",
	{
		{"link_asked_in", "pcc_asked_in"},
		{"link_asked_out4", "pcc_asked_out4"},
		{"link_asked_out6", "pcc_asked_out6"},
	},
};

static bool refused;

bool pcc_asked_possible(void)
{
	return !refused;
}

void pcc_asked_detach(struct pcc_dp *dp)
{
	pcc_cgroup_links_detach(dp, &links);
}

bool pcc_asked_present(struct pcc_dp *dp)
{
	return pcc_cgroup_links_present(dp, &links);
}

const void *pcc_asked_object(size_t *len)
{
	return pccbpf_asked_bpf__elf_bytes(len);
}

int pcc_asked_attach(struct pcc_dp *dp, struct pcc_err *err)
{
	struct pccbpf_asked_bpf *skel = pccbpf_asked_bpf__open();
	int ret = pcc_cgroup_links_attach(dp, &links, skel ? skel->obj : NULL, err);

	pccbpf_asked_bpf__destroy(skel);
	refused = ret;
	return ret;
}
