// SPDX-License-Identifier: GPL-2.0-only
#include "pins/own.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "kernel/cgroup.h"
#include "pins/pins.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include "pccbpf_own.skel.h"
#pragma GCC diagnostic pop

#define N_PINS 2
static const char *const pins[N_PINS] = {"link_connect4", "link_connect6"};

void pcc_own_detach(struct pcc_dp *dp)
{
	char path[PCC_PIN_PATH];

	for (int i = 0; i < N_PINS; i++) {
		pcc_pin_path(dp, pins[i], path);
		unlink(path);
	}
}

bool pcc_own_present(struct pcc_dp *dp)
{
	char path[PCC_PIN_PATH];
	int n = 0;

	for (int i = 0; i < N_PINS; i++) {
		pcc_pin_path(dp, pins[i], path);
		n += !access(path, F_OK);
	}
	return n == N_PINS;
}

/* One link, made and pinned. 0 or a negative errno. */
static int link_one(struct pcc_dp *dp, const struct bpf_program *prog, int cgroup, int i)
{
	struct bpf_link *link = bpf_program__attach_cgroup(prog, cgroup);
	char path[PCC_PIN_PATH];
	int ret;

	if (!link)
		return -errno;
	pcc_pin_path(dp, pins[i], path);
	unlink(path);
	ret = bpf_obj_pin(bpf_link__fd(link), path) ? -errno : 0;
	bpf_link__destroy(link); /* the pin keeps it */
	return ret;
}

const void *pcc_own_object(size_t *len)
{
	return pccbpf_own_bpf__elf_bytes(len);
}

int pcc_own_attach(struct pcc_dp *dp, struct pcc_err *err)
{
	struct pccbpf_own_bpf *skel;
	char root[400];
	int cgroup, ret;

	ret = pcc_cgroup_root(root, sizeof(root), err);
	if (ret)
		return ret;
	cgroup = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cgroup < 0)
		return pcc_err_set(err, -errno, root, "%s", strerror(errno));
	skel = pccbpf_own_bpf__open();
	ret = skel ? pcc_dp_reuse_maps(dp, skel->obj) : -errno;
	if (!ret)
		ret = pccbpf_own_bpf__load(skel);
	if (!ret)
		ret = link_one(dp, skel->progs.pcc_connect4, cgroup, 0);
	if (!ret)
		ret = link_one(dp, skel->progs.pcc_connect6, cgroup, 1);
	close(cgroup);
	pccbpf_own_bpf__destroy(skel);
	if (!ret)
		return 0;
	pcc_own_detach(dp);
	pcc_err_set(err, ret, "router-connections", "the kernel refused the programs: %s",
		strerror(-ret));
	return pcc_err_hint(err, ret, "CONFIG_CGROUP_BPF=y is needed, as Debian's kernels have it");
}
