// SPDX-License-Identifier: GPL-2.0-only
#include "pins/hooks.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/netlink.h"

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

bool pcc_prog_is_ours(struct pcc_dp *dp, uint32_t id)
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

/* The parent of the filters of one side. */
static uint32_t side(enum pcc_hook_dir dir)
{
	return TC_H_MAKE(TC_H_CLSACT, dir == PCC_HOOK_IN ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
}

static int get_prog_id(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr, *option;

	if (nlh->nlmsg_type != RTM_NEWTFILTER)
		return 0;
	mnl_attr_for_each(attr, nlh, sizeof(struct tcmsg))
	{
		if (mnl_attr_get_type(attr) != TCA_OPTIONS)
			continue;
		mnl_attr_for_each_nested(
			option, attr) if (mnl_attr_get_type(option) == TCA_BPF_ID) *
			(uint32_t *)arg = mnl_attr_get_u32(option);
	}
	return 0;
}

/*
 * Id of the program of the filter that has our place; 0 where there is none. Not by bpf_tc_query():
 * where there is no clsact, which is nothing to speak of, libbpf speaks of it.
 */
static uint32_t filter_prog(uint32_t ifindex, enum pcc_hook_dir dir)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct pcc_nl nl = {};
	struct tcmsg *tcm;
	uint32_t id = 0;

	nlh->nlmsg_type = RTM_GETTFILTER;
	tcm = mnl_nlmsg_put_extra_header(nlh, sizeof(*tcm));
	tcm->tcm_family = AF_UNSPEC;
	tcm->tcm_ifindex = ifindex;
	tcm->tcm_handle = FILTER_HANDLE;
	tcm->tcm_parent = side(dir);
	tcm->tcm_info = TC_H_MAKE(FILTER_PRIORITY << 16, htons(ETH_P_ALL));
	mnl_attr_put_strz(nlh, TCA_KIND, "bpf");
	if (!pcc_nl_open(&nl, NETLINK_ROUTE) && pcc_nl_get(&nl, nlh, get_prog_id, &id))
		id = 0;
	pcc_nl_close(&nl);
	return id;
}

/* Our filter's program id; 0 where there is none, or somebody else's has that place. */
static uint32_t filter_find(struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir)
{
	uint32_t id = filter_prog(ifindex, dir);

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
	fd = bpf_link_create(
		prog_fd, ifindex, dir == PCC_HOOK_IN ? PCC_TCX_INGRESS : PCC_TCX_EGRESS, NULL);
	if (fd < 0)
		return -errno;
	if (bpf_obj_pin(fd, path))
		ret = -errno;
	close(fd);
	return ret;
}

struct qdisc_at {
	uint32_t ifindex, parent;
	char *kind;
};

static int get_qdisc(const struct nlmsghdr *nlh, void *arg)
{
	const struct qdisc_at *at = arg;
	const struct tcmsg *tcm;
	struct nlattr *attr;

	if (!nlh)
		return 0;
	tcm = mnl_nlmsg_get_payload(nlh);
	if ((uint32_t)tcm->tcm_ifindex != at->ifindex || tcm->tcm_parent != at->parent)
		return 0;
	mnl_attr_for_each(attr, nlh, sizeof(*tcm)) if (mnl_attr_get_type(attr) == TCA_KIND)
		snprintf(at->kind, PCC_QDISC_KIND, "%s", mnl_attr_get_str(attr));
	return 0;
}

void pcc_qdisc_kind(uint32_t ifindex, uint32_t parent, char kind[PCC_QDISC_KIND])
{
	struct qdisc_at at = {.ifindex = ifindex, .parent = parent, .kind = kind};
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct pcc_nl nl = {};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct tcmsg *tcm;

	kind[0] = '\0';
	if (pcc_nl_open(&nl, NETLINK_ROUTE))
		return;
	nlh->nlmsg_type = RTM_GETQDISC;
	tcm = mnl_nlmsg_put_extra_header(nlh, sizeof(*tcm));
	tcm->tcm_ifindex = ifindex;
	pcc_nl_dump(&nl, nlh, get_qdisc, &at);
	pcc_nl_close(&nl);
}

static int filter_attach(struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir, int prog_fd)
{
	struct bpf_tc_hook hook;
	char kind[PCC_QDISC_KIND];
	struct bpf_tc_opts opts;
	uint32_t there;
	int ret = 0;

	/* It takes filters of the egress side, too, and runs them at ingress. */
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
	there = filter_prog(ifindex, dir);
	if (there && !pcc_prog_is_ours(dp, there))
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

/* Every filter message of one side of an interface's clsact or ingress qdisc to cb. */
static int filters_dump(uint32_t ifindex, enum pcc_hook_dir dir, pcc_nl_cb cb, void *arg)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct pcc_nl nl = {};
	struct nlmsghdr *nlh;
	struct tcmsg *tcm;
	int ret;

	ret = pcc_nl_open(&nl, NETLINK_ROUTE);
	if (ret)
		return ret;
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = RTM_GETTFILTER;
	tcm = mnl_nlmsg_put_extra_header(nlh, sizeof(*tcm));
	tcm->tcm_family = AF_UNSPEC;
	tcm->tcm_ifindex = ifindex;
	tcm->tcm_parent = side(dir);
	ret = pcc_nl_dump(&nl, nlh, cb, arg);
	pcc_nl_close(&nl);
	return ret;
}

static int count_filter(const struct nlmsghdr *nlh, void *arg)
{
	if (nlh)
		++*(int *)arg;
	else
		*(int *)arg = 0;
	return 0;
}

/* Number of filter messages at one side. */
static int filters(uint32_t ifindex, enum pcc_hook_dir dir)
{
	int n = 0;

	return filters_dump(ifindex, dir, count_filter, &n) ? -1 : n;
}

static void qdisc_remove_if_ours(struct pcc_dp *dp, uint32_t ifindex)
{
	struct bpf_tc_hook hook;
	struct bpf_tc_opts opts;

	if (!pcc_dp_iface_has(dp, ifindex, PCC_IFACE_QDISC_MADE) || filters(ifindex, PCC_HOOK_IN) ||
		filters(ifindex, PCC_HOOK_OUT))
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

/* The programs at a tcx hook in the order in which they run; their number, -1 before Linux 6.6. */
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
	uint32_t ids[PCC_TCX_MAX], filter = filter_prog(ifindex, dir);
	int n;

	if (filter && prog_is_pccbpf(filter, 0) && !pcc_prog_is_ours(dp, filter))
		return true;
	n = tcx_programs(ifindex, dir, ids);
	for (int i = 0; i < n; i++)
		if (prog_is_pccbpf(ids[i], 0) && !pcc_prog_is_ours(dp, ids[i]))
			return true;
	return false;
}

/* The first tcx program that is not ours: anywhere, or behind ours. */
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
			continue; /* gone just now */
		bpf_obj_get_info_by_fd(fd, &info, &len);
		close(fd);
		snprintf(what, PCC_OTHERS_TEXT, "program %s", info.name);
		return true;
	}
	return false;
}

struct other_filter {
	char kind[16];	     /* "": none found */
	uint32_t prio;	     /* its own */
	uint32_t least_prio; /* those before are passed by nobody */
	bool ours;	     /* ours is among them */
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
		(f->ours && prio == FILTER_PRIORITY &&
			(!tcm->tcm_handle || tcm->tcm_handle == FILTER_HANDLE)))
		return 0;
	mnl_attr_for_each(attr, nlh, sizeof(*tcm)) if (mnl_attr_get_type(attr) == TCA_KIND)
		snprintf(f->kind, sizeof(f->kind), "%s", mnl_attr_get_str(attr));
	f->prio = prio;
	return 0;
}

bool pcc_hook_others(struct pcc_dp *dp, uint32_t ifindex, enum pcc_hook_dir dir,
	enum pcc_hook_others which, char what[PCC_OTHERS_TEXT])
{
	struct other_filter f = {.ours = filter_find(dp, ifindex, dir) != 0};
	uint32_t ids[PCC_TCX_MAX];
	int n = tcx_programs(ifindex, dir, ids);

	if (other_program(dp, ids, n, which, what))
		return true;
	/* All filters come after all tcx programs. */
	if (which == PCC_OTHERS_BEHIND && (f.ours || n < 0 || dp->no_tcx))
		f.least_prio = FILTER_PRIORITY;
	if (filters_dump(ifindex, dir, get_other_filter, &f) || !f.kind[0])
		return false;
	snprintf(what, PCC_OTHERS_TEXT, "filter %s, pref %u", f.kind, f.prio);
	return true;
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
