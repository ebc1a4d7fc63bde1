// SPDX-License-Identifier: GPL-2.0-only
/* Attaching, finding and removing our programs at tc hooks. */
#include "pins/hooks.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pins/ours.h"
#include "pins/pins.h"

static void link_path(
	const struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir, char path[PCC_PIN_PATH])
{
	char name[32];

	snprintf(name, sizeof(name), "link_%s_%u", dir == PCC_HOOK_IN ? "in" : "out", ifindex);
	pcc_pin_path(dp, name, path);
}

/*
 * Opens the pinned link of a hook. Returns -1 if there is none, or if it is detached: the links of
 * a device go when the device goes.
 */
static int link_open(struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir, uint32_t *prog_id)
{
	struct bpf_link_info info = {};
	uint32_t len = sizeof(info);
	char path[PCC_PIN_PATH];
	int fd;

	link_path(dp, ifindex, dir, path);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -1;
	/* The first word of the union is the ifindex, for tcx as for XDP. */
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
	opts->handle = PCC_TC_HANDLE;
	opts->priority = PCC_TC_PRIORITY;
}

/* Returns the program id of our filter; 0 if there is none, or if another filter has its place. */
static uint32_t filter_find(struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir)
{
	uint32_t id = pcc_tc_filter_prog(ifindex, dir);

	return id && pcc_prog_is_ours(dp, id) ? id : 0;
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
	char path[PCC_PIN_PATH];
	int fd, ret = 0;

	fd = link_open(dp, ifindex, dir, NULL);
	if (fd >= 0) {
		if (bpf_link_update(fd, prog_fd, NULL))
			ret = -errno;
		close(fd);
		return ret;
	}
	link_path(dp, ifindex, dir, path);
	unlink(path); /* left from a device that had this ifindex before */
	fd = bpf_link_create(
		prog_fd, ifindex, dir == PCC_HOOK_IN ? PCC_TCX_INGRESS : PCC_TCX_EGRESS, NULL);
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
	char kind[PCC_QDISC_KIND];
	struct bpf_tc_opts opts;
	uint32_t there;
	int ret = 0;

	/* An ingress qdisc also accepts filters for the egress side, but runs them at ingress. */
	pcc_qdisc_kind(ifindex, TC_H_INGRESS, kind);
	if (!strcmp(kind, "ingress"))
		return -EOPNOTSUPP;
	tc_init(&hook, &opts, ifindex, dir);
	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	if (!kind[0])
		ret = bpf_tc_hook_create(&hook);
	if (!kind[0] && !ret)
		ret = pcc_dp_iface_flag(dp, ifindex, PCC_IFACE_QDISC_MADE);
	if (ret && ret != -EEXIST)
		return ret;
	there = pcc_tc_filter_prog(ifindex, dir);
	if (there && !pcc_prog_is_ours(dp, there))
		return -EEXIST;
	tc_init(&hook, &opts, ifindex, dir);
	opts.prog_fd = prog_fd;
	opts.flags = BPF_TC_F_REPLACE;
	return bpf_tc_attach(&hook, &opts);
}

static void link_detach(struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir)
{
	char path[PCC_PIN_PATH];
	int fd;

	link_path(dp, ifindex, dir, path);
	fd = bpf_obj_get(path);
	if (fd >= 0) { /* detach at once; without its pin the link would go some time later */
		bpf_link_detach(fd);
		close(fd);
	}
	unlink(path);
}

static int attach_error(int ret, const char *ifname, struct pcc_err *err)
{
	if (ret == -EEXIST) {
		pcc_err_set(err, ret, ifname, "another program has tc priority %d, handle %d",
			PCC_TC_PRIORITY, PCC_TC_HANDLE);
		return pcc_err_hint(err, ret, "tc filter del dev %s ingress pref %d (or egress)",
			ifname, PCC_TC_PRIORITY);
	}
	if (ret == -EOPNOTSUPP) {
		pcc_err_set(err, ret, ifname, "its qdisc 'ingress' has no egress side");
		return pcc_err_hint(err, ret,
			"before Linux 6.6: tc qdisc add dev %s clsact in its stead", ifname);
	}
	return pcc_err_set(err, ret, ifname, "the program cannot be attached: %s", strerror(-ret));
}

int pcc_hook_attach(struct pcc_dp *dp, uint32_t ifindex, const char *ifname, enum pcc_hook_dir dir,
	enum pcc_prog prog, struct pcc_err *err)
{
	int fd = dp->prog_fd[prog];
	int ret = dp->no_tcx ? filter_attach(dp, ifindex, dir, fd)
			     : link_attach(dp, ifindex, dir, fd);
	struct bpf_tc_hook hook;
	struct bpf_tc_opts opts;

	if (ret)
		return attach_error(ret, ifname, err);
	if (dp->no_tcx) {
		link_detach(dp, ifindex, dir);
	} else if (filter_find(dp, ifindex, dir)) {
		tc_init(&hook, &opts, ifindex, dir);
		bpf_tc_detach(&hook, &opts);
	}
	return 0;
}

static void qdisc_remove_if_ours(struct pcc_dp *dp, uint32_t ifindex)
{
	struct bpf_tc_hook hook;
	struct bpf_tc_opts opts;

	if (!pcc_dp_iface_has(dp, ifindex, PCC_IFACE_QDISC_MADE) ||
		pcc_tc_filters(ifindex, PCC_HOOK_IN) || pcc_tc_filters(ifindex, PCC_HOOK_OUT))
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
