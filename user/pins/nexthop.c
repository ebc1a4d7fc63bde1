// SPDX-License-Identifier: GPL-2.0-only
/* Attaching the programs that watch for next hops with a new MAC. */
#include "pins/nexthop.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "pins/ours.h"
#include "pins/pins.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include "pccbpf_neigh.skel.h"
#pragma GCC diagnostic pop

static const char *const pins[] = {"link_neigh", "link_neigh_done"};

bool pcc_nexthop_possible(void)
{
	static bool known, possible; /* the kernel's BTF is large, and the daemon asks often */
	struct btf *vmlinux;

	if (known)
		return possible;
	vmlinux = btf__load_vmlinux_btf();
	possible =
		vmlinux &&
		btf__find_by_name_kind(vmlinux, "btf_trace_neigh_update", BTF_KIND_TYPEDEF) > 0 &&
		btf__find_by_name_kind(vmlinux, "btf_trace_neigh_update_done", BTF_KIND_TYPEDEF) >
			0;
	btf__free(vmlinux);
	known = true;
	return possible;
}

bool pcc_nexthop_watched(struct pcc_dp *dp)
{
	bool all = true;

	for (int i = 0; all && i < 2; i++) {
		struct bpf_link_info info = {};
		uint32_t len = sizeof(info);
		char path[PCC_PIN_PATH];
		int fd;

		pcc_pin_path(dp, pins[i], path);
		fd = bpf_obj_get(path);
		/* Only the first program uses our maps itself; both come from one object. */
		all = fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) &&
		      pcc_prog_is_ours(dp, info.prog_id);
		if (fd >= 0)
			close(fd);
	}
	return all;
}

static int link_pin(struct pcc_dp *dp, int i, const struct bpf_program *prog)
{
	char path[PCC_PIN_PATH];
	int fd = bpf_raw_tracepoint_open(NULL, bpf_program__fd(prog)), ret = 0;

	if (fd < 0)
		return -errno;
	pcc_pin_path(dp, pins[i], path);
	unlink(path);
	if (bpf_obj_pin(fd, path))
		ret = -errno;
	close(fd);
	return ret;
}

const void *pcc_nexthop_object(size_t *len)
{
	return pccbpf_neigh_bpf__elf_bytes(len);
}

int pcc_nexthop_watch(struct pcc_dp *dp, struct pcc_err *err)
{
	struct pccbpf_neigh_bpf *skel = pccbpf_neigh_bpf__open();
	int ret;

	if (!skel)
		return pcc_err_set(err, -errno, "next hops", "the object cannot be opened: %s",
			strerror(errno));
	ret = bpf_map__reuse_fd(skel->maps.pcc_meta, dp->map_fd[PCC_MAP_META]);
	if (!ret)
		ret = bpf_map__reuse_fd(skel->maps.pcc_ifaces, dp->map_fd[PCC_MAP_IFACES]);
	if (!ret)
		ret = pccbpf_neigh_bpf__load(skel);
	if (!ret)
		ret = link_pin(dp, 0, skel->progs.pcc_neigh);
	if (!ret)
		ret = link_pin(dp, 1, skel->progs.pcc_neigh_done);
	pccbpf_neigh_bpf__destroy(skel);
	if (!ret)
		return 0;
	pcc_nexthop_unwatch(dp);
	return pcc_err_set(err, ret, "next hops", "cannot be watched: %s", strerror(-ret));
}

void pcc_nexthop_unwatch(struct pcc_dp *dp)
{
	char path[PCC_PIN_PATH];

	for (int i = 0; i < 2; i++) {
		pcc_pin_path(dp, pins[i], path);
		unlink(path);
	}
}
