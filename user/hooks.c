// SPDX-License-Identifier: GPL-2.0-only
#include "hooks.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "netlink.h"

/* enum bpf_attach_type; headers before Linux 6.6 lack them. */
#define TCX_INGRESS 46
#define TCX_EGRESS 47

/* Our place among the filters of a clsact qdisc. */
#define FILTER_PRIORITY 28771 /* "pc" */
#define FILTER_HANDLE 1

static void link_path(
	const struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir, char *buf, size_t len)
{
	snprintf(buf, len, "%s/link_%s_%u", dp->dir, dir == PCC_HOOK_IN ? "in" : "out", ifindex);
}

static uint32_t map_id_of(int fd)
{
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info);

	return fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

/* Is the program a pccbpf's, by name, and, if map_id is not 0, one that uses that map? */
static bool prog_is_pccbpf(uint32_t id, uint32_t map_id)
{
	uint32_t maps[64], len = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = {.nr_map_ids = 64, .map_ids = (uintptr_t)maps};
	int fd = bpf_prog_get_fd_by_id(id);
	bool ours;

	if (fd < 0)
		return false;
	ours = !bpf_obj_get_info_by_fd(fd, &info, &len) && !strncmp(info.name, "pcc_", 4);
	close(fd);
	if (!ours || !map_id)
		return ours;
	for (uint32_t i = 0; i < info.nr_map_ids && i < 64; i++)
		if (maps[i] == map_id)
			return true;
	return false;
}

/* Is the program this instance's: of whatever build, it works on our pcc_meta? */
static bool prog_is_ours(struct pcc_dp *dp, uint32_t id)
{
	uint32_t meta = map_id_of(dp->map_fd[PCC_MAP_META]);

	if (dp->any_instance)
		return prog_is_pccbpf(id, 0);
	return meta && prog_is_pccbpf(id, meta);
}

/* The pinned link of a hook, if it still sits there; else -1. A device takes its links away with
 * it. */
static int link_open(struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir, uint32_t *prog_id)
{
	struct bpf_link_info info = {};
	uint32_t len = sizeof(info);
	char path[320];
	int fd;

	link_path(dp, ifindex, dir, path, sizeof(path));
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -1;
	/* The first word of the union is the ifindex for tcx, as it is for xdp. */
	if (bpf_obj_get_info_by_fd(fd, &info, &len) || info.xdp.ifindex != ifindex) {
		close(fd);
		return -1;
	}
	if (prog_id)
		*prog_id = info.prog_id;
	return fd;
}

static void tc_init(
	struct bpf_tc_hook *hook, struct bpf_tc_opts *opts, uint32_t ifindex, enum pcc_hook_dir dir)
{
	memset(hook, 0, sizeof(*hook));
	memset(opts, 0, sizeof(*opts));
	hook->sz = sizeof(*hook);
	hook->ifindex = ifindex;
	hook->attach_point = dir == PCC_HOOK_IN ? BPF_TC_INGRESS : BPF_TC_EGRESS;
	opts->sz = sizeof(*opts);
	opts->handle = FILTER_HANDLE;
	opts->priority = FILTER_PRIORITY;
}

/* Our filter's program id; 0 where there is none, or somebody else's has that place. */
static uint32_t filter_find(struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir)
{
	struct bpf_tc_hook hook;
	struct bpf_tc_opts opts;

	tc_init(&hook, &opts, ifindex, dir);
	if (bpf_tc_query(&hook, &opts) || !prog_is_ours(dp, opts.prog_id))
		return 0;
	return opts.prog_id;
}

enum pcc_hook_kind pcc_hook_find(
	struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir, uint32_t *prog_id)
{
	int fd = link_open(dp, ifindex, dir, prog_id);
	uint32_t id;

	if (fd >= 0) {
		close(fd);
		return PCC_HOOK_TCX;
	}
	id = filter_find(dp, ifindex, dir);
	if (!id)
		return PCC_HOOK_NONE;
	if (prog_id)
		*prog_id = id;
	return PCC_HOOK_CLSACT;
}

static int link_attach(struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir, int prog_fd)
{
	char path[320];
	int fd, ret = 0;

	fd = link_open(dp, ifindex, dir, NULL);
	if (fd >= 0) {
		if (bpf_link_update(fd, prog_fd, NULL))
			ret = -errno;
		close(fd);
		return ret;
	}
	link_path(dp, ifindex, dir, path, sizeof(path));
	unlink(path); /* of a device that had this number before */
	fd = bpf_link_create(prog_fd, ifindex, dir == PCC_HOOK_IN ? TCX_INGRESS : TCX_EGRESS, NULL);
	if (fd < 0)
		return -errno;
	if (bpf_obj_pin(fd, path))
		ret = -errno;
	close(fd);
	return ret;
}

static int filter_attach(struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir, int prog_fd)
{
	struct bpf_tc_hook hook;
	struct bpf_tc_opts opts;
	int ret;

	tc_init(&hook, &opts, ifindex, dir);
	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	ret = bpf_tc_hook_create(&hook);
	if (!ret)
		ret = pcc_dp_iface_flag(dp, ifindex, PCC_IFACE_QDISC_MADE);
	if (ret && ret != -EEXIST)
		return ret;
	tc_init(&hook, &opts, ifindex, dir);
	if (!bpf_tc_query(&hook, &opts) && !prog_is_ours(dp, opts.prog_id))
		return -EEXIST;
	tc_init(&hook, &opts, ifindex, dir);
	opts.prog_fd = prog_fd;
	opts.flags = BPF_TC_F_REPLACE;
	return bpf_tc_attach(&hook, &opts);
}

static void link_detach(struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir)
{
	char path[320];
	int fd;

	link_path(dp, ifindex, dir, path, sizeof(path));
	fd = bpf_obj_get(path);
	if (fd >= 0) { /* at once: without its pin the kernel would take its time */
		bpf_link_detach(fd);
		close(fd);
	}
	unlink(path);
}

static int attach_error(int ret, const char *ifname, struct pcc_err *err)
{
	if (ret == -EEXIST) {
		pcc_err_set(err, ret, ifname, "another program has tc priority %d, handle %d",
			FILTER_PRIORITY, FILTER_HANDLE);
		return pcc_err_hint(err, ret, "tc filter del dev %s ingress pref %d (or egress)",
			ifname, FILTER_PRIORITY);
	}
	return pcc_err_set(err, ret, ifname, "the program cannot be attached: %s", strerror(-ret));
}

int pcc_hook_attach(struct pcc_dp *dp, uint32_t ifindex, const char *ifname, enum pcc_hook_dir dir,
	enum pcc_prog prog, struct pcc_err *err)
{
	int ret = -EINVAL, fd = dp->prog_fd[prog];
	struct bpf_tc_hook hook;
	struct bpf_tc_opts opts;

	if (!dp->no_tcx) {
		ret = link_attach(dp, ifindex, dir, fd);
		if (ret == -EINVAL)
			dp->no_tcx = true; /* before 6.6 */
	}
	if (!ret && filter_find(dp, ifindex, dir)) {
		tc_init(&hook, &opts, ifindex, dir);
		bpf_tc_detach(&hook, &opts);
	}
	if (!dp->no_tcx)
		return ret ? attach_error(ret, ifname, err) : 0;
	ret = filter_attach(dp, ifindex, dir, fd);
	if (ret)
		return attach_error(ret, ifname, err);
	link_detach(dp, ifindex, dir);
	return 0;
}

static int count_filter(const struct nlmsghdr *nlh, void *arg)
{
	if (nlh)
		++*(int *)arg;
	else
		*(int *)arg = 0;
	return 0;
}

/* Number of filter messages at one side of an interface's clsact qdisc. */
static int filters(uint32_t ifindex, uint32_t parent)
{
	char buf[PCC_NL_REQUEST_BYTES];
	struct pcc_nl nl = {};
	struct nlmsghdr *nlh;
	struct tcmsg *tcm;
	int n = 0;

	if (pcc_nl_open(&nl, NETLINK_ROUTE))
		return -1;
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = RTM_GETTFILTER;
	tcm = mnl_nlmsg_put_extra_header(nlh, sizeof(*tcm));
	tcm->tcm_family = AF_UNSPEC;
	tcm->tcm_ifindex = ifindex;
	tcm->tcm_parent = parent;
	if (pcc_nl_dump(&nl, nlh, count_filter, &n))
		n = -1;
	pcc_nl_close(&nl);
	return n;
}

static void qdisc_remove_if_ours(struct pcc_dp *dp, uint32_t ifindex)
{
	struct bpf_tc_hook hook;
	struct bpf_tc_opts opts;

	if (!pcc_dp_iface_has(dp, ifindex, PCC_IFACE_QDISC_MADE) ||
		filters(ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)) ||
		filters(ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)))
		return;
	tc_init(&hook, &opts, ifindex, PCC_HOOK_IN);
	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	bpf_tc_hook_destroy(&hook);
	pcc_dp_iface_qdisc_gone(dp, ifindex);
}

int pcc_hook_detach(struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir)
{
	struct bpf_tc_hook hook;
	struct bpf_tc_opts opts;
	int ret = 0;

	link_detach(dp, ifindex, dir);
	if (filter_find(dp, ifindex, dir)) {
		tc_init(&hook, &opts, ifindex, dir);
		ret = bpf_tc_detach(&hook, &opts);
	}
	if (dp->map_fd[PCC_MAP_IFACES] >= 0)
		qdisc_remove_if_ours(dp, ifindex);
	return ret == -ENOENT ? 0 : ret;
}

bool pcc_hook_is_foreign(struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir)
{
	uint32_t ids[64], n = 64, flags = 0;
	struct bpf_tc_hook hook;
	struct bpf_tc_opts opts;

	tc_init(&hook, &opts, ifindex, dir);
	if (!bpf_tc_query(&hook, &opts) && prog_is_pccbpf(opts.prog_id, 0) &&
		!prog_is_ours(dp, opts.prog_id))
		return true;
	if (bpf_prog_query(
		    ifindex, dir == PCC_HOOK_IN ? TCX_INGRESS : TCX_EGRESS, 0, &flags, ids, &n))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (prog_is_pccbpf(ids[i], 0) && !prog_is_ours(dp, ids[i]))
			return true;
	return false;
}

void pcc_hook_pins(struct pcc_dp *dp,
	void (*fn)(struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir, void *arg),
	void *arg)
{
	DIR *dir = opendir(dp->dir);
	struct dirent *entry;
	unsigned int ifindex;

	while (dir && (entry = readdir(dir))) {
		if (sscanf(entry->d_name, "link_in_%u", &ifindex) == 1)
			fn(dp, ifindex, PCC_HOOK_IN, arg);
		else if (sscanf(entry->d_name, "link_out_%u", &ifindex) == 1)
			fn(dp, ifindex, PCC_HOOK_OUT, arg);
	}
	if (dir)
		closedir(dir);
}

const char *pcc_hook_name(enum pcc_hook_kind kind)
{
	switch (kind) {
	case PCC_HOOK_TCX:
		return "tcx";
	case PCC_HOOK_CLSACT:
		return "clsact";
	default:
		return "none";
	}
}
