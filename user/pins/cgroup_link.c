// SPDX-License-Identifier: GPL-2.0-only
#include "pins/cgroup_link.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "kernel/cgroup.h"
#include "pins/pins.h"

static int count(const struct pcc_cgroup_links *links)
{
	int n = 0;

	while (n < PCC_CGROUP_LINKS_MAX && links->v[n].pin)
		n++;
	return n;
}

void pcc_cgroup_links_detach(const struct pcc_dp *dp, const struct pcc_cgroup_links *links)
{
	char path[PCC_PIN_PATH];

	for (int i = 0; i < count(links); i++) {
		pcc_pin_path(dp, links->v[i].pin, path);
		unlink(path);
	}
}

bool pcc_cgroup_links_present(const struct pcc_dp *dp, const struct pcc_cgroup_links *links)
{
	char path[PCC_PIN_PATH];

	for (int i = 0; i < count(links); i++) {
		pcc_pin_path(dp, links->v[i].pin, path);
		if (access(path, F_OK))
			return false;
	}
	return true;
}

/* One link, made and pinned. 0 or a negative errno. */
static int link_one(
	const struct pcc_dp *dp, const struct bpf_program *prog, int cgroup, const char *pin)
{
	struct bpf_link *link = bpf_program__attach_cgroup(prog, cgroup);
	char path[PCC_PIN_PATH];
	int ret;

	if (!link)
		return -errno;
	pcc_pin_path(dp, pin, path);
	unlink(path);
	ret = bpf_obj_pin(bpf_link__fd(link), path) ? -errno : 0;
	bpf_link__destroy(link); /* the pin keeps it */
	return ret;
}

static int load_and_link(
	struct pcc_dp *dp, const struct pcc_cgroup_links *links, struct bpf_object *obj, int cgroup)
{
	int ret = pcc_is_disabled("cgroup") ? -EOPNOTSUPP : pcc_dp_reuse_maps(dp, obj);

	if (!ret)
		ret = bpf_object__load(obj);
	for (int i = 0; !ret && i < count(links); i++) {
		const struct bpf_program *prog =
			bpf_object__find_program_by_name(obj, links->v[i].prog);

		ret = prog ? link_one(dp, prog, cgroup, links->v[i].pin) : -ENOENT;
	}
	return ret;
}

int pcc_cgroup_links_attach(struct pcc_dp *dp, const struct pcc_cgroup_links *links,
	struct bpf_object *obj, struct pcc_err *err)
{
	char root[400];
	int cgroup, ret;

	ret = pcc_cgroup_root(root, sizeof(root), err);
	if (ret)
		return ret;
	cgroup = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cgroup < 0)
		return pcc_err_set(err, -errno, root, "%s", strerror(errno));
	ret = obj ? load_and_link(dp, links, obj, cgroup) : -ENOMEM;
	close(cgroup);
	if (!ret)
		return 0;
	pcc_cgroup_links_detach(dp, links);
	pcc_err_set(err, ret, links->what, "the kernel refused the programs: %s", strerror(-ret));
	return pcc_err_hint(err, ret, "CONFIG_CGROUP_BPF=y is needed, as Debian's kernels have it");
}
