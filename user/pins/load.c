// SPDX-License-Identifier: GPL-2.0-only
/* Loads the programs, with the pinned maps where they fit, and pins programs and maps. */
#include "pins/pins.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "base/fnv.h"
#include "kernel/netns.h"
#include "pins/nexthop.h"
#include "pins/ours.h"
#include "pins/own.h"
#include "pins/xdp.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include "pccbpf.skel.h"
#pragma GCC diagnostic pop

#define CT_BTF "/sys/kernel/btf/nf_conntrack"

static bool btf_has(const struct btf *btf, const char *func)
{
	return btf && btf__find_by_name_kind(btf, func, BTF_KIND_FUNC) > 0;
}

static bool btf_has_ct(const struct btf *btf)
{
	return btf_has(btf, "bpf_skb_ct_lookup") && btf_has(btf, "bpf_ct_change_timeout");
}

/* Whether the conntrack functions are in a BTF. */
enum ct_place { CT_UNKNOWN, CT_NO, CT_YES };

static void read_ct(enum ct_place *builtin, enum ct_place *module)
{
	struct btf *vmlinux = btf__load_vmlinux_btf(), *of_module;

	*builtin = btf_has_ct(vmlinux) ? CT_YES : CT_NO;
	if (vmlinux && *builtin == CT_NO && !access(CT_BTF, R_OK)) {
		of_module = btf__load_module_btf("nf_conntrack", vmlinux);
		*module = btf_has_ct(of_module) ? CT_YES : CT_NO;
		btf__free(of_module);
	}
	btf__free(vmlinux);
}

/*
 * Does the kernel have the conntrack kfuncs? They are in the kernel's own BTF, or in that of the
 * module, which appears and disappears with the module. As the daemon asks often and the kernel's
 * BTF is large, that is read only once, and once more when the module appears.
 */
static bool kernel_has_ct(void)
{
	static enum ct_place builtin, module;
	bool loaded = !access(CT_BTF, R_OK);

	if (!loaded)
		module = CT_UNKNOWN;
	if (builtin == CT_UNKNOWN || (builtin == CT_NO && loaded && module != CT_YES))
		read_ct(&builtin, &module);
	return builtin == CT_YES || module == CT_YES;
}

void pcc_dp_see_features(struct pcc_dp *dp)
{
	dp->no_ct = pcc_is_disabled("conntrack") || !kernel_has_ct();
}

bool pcc_dp_gained_ct(const struct pcc_dp *dp)
{
	return dp->meta->flags & PCC_META_NO_CT && !pcc_is_disabled("conntrack") && kernel_has_ct();
}

/*
 * The room for buckets of a family: a power of two, at least the default. So a larger map has at
 * least twice the size of the old one, and the tables copied from the old one are in its lower half
 * (commit.c, next_base()).
 */
static uint32_t bucket_room(const struct pcc_config *cfg)
{
	uint32_t sum = 0, need, room = PCC_DEF_BUCKETS;

	for (uint32_t i = 0; i < cfg->nwans; i++)
		sum += cfg->wans[i].weight;
	need = cfg->scheme == PCC_SCHEME_MODULO ? sum : cfg->buckets;
	while (room < need)
		room *= 2;
	return room;
}

/* Has the new programs use the pinned maps that fit cfg. */
static int reuse_maps(struct pcc_dp *dp, struct pccbpf_bpf *skel, bool reuse[PCC_MAP_MAX])
{
	for (int i = 0; i < PCC_MAP_MAX; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(skel->obj, pcc_map_names[i]);

		if (!map)
			return -ENOENT;
		reuse[i] = dp->map_fd[i] >= 0 &&
			   pcc_dp_map_entries(dp->map_fd[i]) == bpf_map__max_entries(map);
		if (reuse[i] && bpf_map__reuse_fd(map, dp->map_fd[i]))
			return -errno;
	}
	return 0;
}

static int pin_as(const struct pcc_dp *dp, int fd, const char *name)
{
	char path[PCC_PIN_PATH], fresh[340];

	pcc_pin_path(dp, name, path);
	snprintf(fresh, sizeof(fresh), "%s_new", path);
	unlink(fresh);
	if (bpf_obj_pin(fd, fresh))
		return -errno;
	if (rename(fresh, path)) {
		int ret = -errno;

		unlink(fresh);
		return ret;
	}
	return 0;
}

/*
 * Copies the bucket tables in force to the same place in the new map, where they stay until the
 * next switch.
 */
static void copy_buckets(int from, int to)
{
	uint32_t n = pcc_dp_map_entries(from), value;

	for (uint32_t i = 0; i < n; i++)
		if (!bpf_map_lookup_elem(from, &i, &value) && value)
			bpf_map_update_elem(to, &i, &value, BPF_ANY);
}

struct copy_conns {
	int fd;
};

static int copy_conn(const struct pcc_tuple *key, const struct pcc_conn *conn, void *arg)
{
	struct copy_conns *to = arg;

	bpf_map_update_elem(to->fd, key, conn, BPF_NOEXIST);
	return 0;
}

/* Pins what was loaded and takes over its descriptors. */
static int pin_loaded(struct pcc_dp *dp, struct pccbpf_bpf *skel, const bool reuse[PCC_MAP_MAX])
{
	for (int i = 0; i < PCC_MAP_MAX; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(skel->obj, pcc_map_names[i]);
		int fd, ret;

		if (reuse[i])
			continue;
		fd = fcntl(bpf_map__fd(map), F_DUPFD_CLOEXEC, 3);
		if (fd < 0)
			return -errno;
		if (i == PCC_MAP_CONNS && dp->map_fd[i] >= 0) {
			struct copy_conns to = {.fd = fd};

			pcc_dp_conns(dp, copy_conn, &to, NULL);
		}
		if (i == PCC_MAP_BUCKETS && dp->map_fd[i] >= 0)
			copy_buckets(dp->map_fd[i], fd);
		pcc_close_fd(&dp->map_fd[i]);
		dp->map_fd[i] = fd;
		ret = pin_as(dp, fd, pcc_map_names[i]);
		if (!ret && i == PCC_MAP_META) {
			ret = pcc_dp_map_meta(dp, NULL);
			if (!ret && dp->dir_made)
				dp->meta->flags |= PCC_META_DIR_MADE;
		}
		if (ret)
			return ret;
	}
	for (int i = 0; i < PCC_PROG_MAX; i++) {
		struct bpf_program *prog =
			bpf_object__find_program_by_name(skel->obj, pcc_prog_names[i]);
		int fd = prog ? fcntl(bpf_program__fd(prog), F_DUPFD_CLOEXEC, 3) : -1, ret;

		if (fd < 0)
			return -ENOENT;
		pcc_close_fd(&dp->prog_fd[i]);
		dp->prog_fd[i] = fd;
		ret = pin_as(dp, fd, pcc_prog_names[i]);
		if (ret)
			return ret;
	}
	return 0;
}

static int load_error(int ret, struct pcc_err *err)
{
	pcc_err_set(err, ret, "data plane", "the kernel refused it: %s",
		pcc_libbpf_says[0] ? pcc_libbpf_says : strerror(-ret));
	if (ret == -EPERM)
		return pcc_err_hint(err, ret, "root with CAP_BPF and CAP_NET_ADMIN is needed");
	return pcc_err_hint(err, ret, "Linux 6.1 or later is needed; PCCBPF_DEBUG=1 shows the log");
}

static const void *main_object(size_t *len)
{
	return pccbpf_bpf__elf_bytes(len);
}

/* A hash over all BPF objects. It changes with every build that changes a program. */
static uint64_t object_hash(void)
{
	static const void *(*const objects[])(size_t * len) = {main_object, pcc_xdp_object,
		pcc_xdp_wire_object, pcc_nexthop_object, pcc_own_object};
	uint64_t hash = PCC_FNV1A_BASIS;

	for (size_t i = 0; i < COUNT(objects); i++) {
		size_t len;
		const void *bytes = objects[i](&len);

		hash = pcc_fnv1a(hash, bytes, len);
	}
	return hash;
}

/*
 * Do the pinned programs use the pinned maps? They do not if a command was killed while it replaced
 * them: the programs in use then have the old maps.
 */
static bool programs_use_pins(const struct pcc_dp *dp)
{
	/* Only pcc_lan_in uses the last one. */
	static const enum pcc_map used[] = {PCC_MAP_META, PCC_MAP_CONNS, PCC_MAP_FLOWS,
		PCC_MAP_STATS, PCC_MAP_WANS, PCC_MAP_IFACES, PCC_MAP_BUCKETS};
	static const enum pcc_prog progs[] = {PCC_PROG_LAN_IN, PCC_PROG_LAN_OUT};

	for (size_t p = 0; p < COUNT(progs); p++)
		for (size_t m = 0; m < COUNT(used) - p; m++)
			if (!pcc_prog_uses_map(
				    dp->prog_fd[progs[p]], pcc_map_id(dp->map_fd[used[m]])))
				return false;
	return true;
}

bool pcc_dp_wants_load(struct pcc_dp *dp, const struct pcc_config *cfg)
{
	return dp->meta->object_hash != object_hash() || !programs_use_pins(dp) ||
	       dp->map_fd[PCC_MAP_WIRE_IN] < 0 || dp->map_fd[PCC_MAP_WIRE_OUT] < 0 ||
	       pcc_dp_map_entries(dp->map_fd[PCC_MAP_CONNS]) != cfg->max_conns ||
	       pcc_dp_map_entries(dp->map_fd[PCC_MAP_STATS]) < 2 * bucket_room(cfg) ||
	       dp->no_ct != !!(dp->meta->flags & PCC_META_NO_CT);
}

void pcc_dp_finish(struct pcc_dp *dp)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	pcc_netns_cookie((uint64_t *)&dp->meta->netns_cookie);
	dp->meta->attached_ns = (uint64_t)now.tv_sec * 1000000000ull + now.tv_nsec;
	__atomic_store_n(&dp->meta->magic, PCC_MAGIC, __ATOMIC_RELEASE);
}

static void size_maps(
	struct pccbpf_bpf *skel, const struct pcc_dp *dp, const struct pcc_config *cfg)
{
	uint32_t room = bucket_room(cfg), have = 0;

	/* Maps never shrink, so that the counters are kept. */
	if (dp->map_fd[PCC_MAP_STATS] >= 0)
		have = pcc_dp_map_entries(dp->map_fd[PCC_MAP_STATS]) / PCC_FAMILIES;
	if (have > room)
		room = have;
	bpf_map__set_max_entries(skel->maps.pcc_conns, cfg->max_conns);
	bpf_map__set_max_entries(skel->maps.pcc_flows, 2 * cfg->max_conns);
	bpf_map__set_max_entries(skel->maps.pcc_buckets, 4 * room);
	bpf_map__set_max_entries(skel->maps.pcc_stats, 2 * room);
}

int pcc_dp_load(struct pcc_dp *dp, const struct pcc_config *cfg, struct pcc_err *err)
{
	bool reuse[PCC_MAP_MAX] = {};
	struct pccbpf_bpf *skel;
	int ret;

	if (access("/sys/kernel/btf/vmlinux", R_OK)) {
		pcc_err_set(err, -ENOTSUP, "kernel", "/sys/kernel/btf/vmlinux is missing");
		return pcc_err_hint(err, -ENOTSUP,
			"boot a kernel built with CONFIG_DEBUG_INFO_BTF=y, as Debian's are");
	}
	pcc_libbpf_says[0] = '\0';
	skel = pccbpf_bpf__open();
	if (!skel)
		return load_error(-errno, err);
	size_maps(skel, dp, cfg);
	skel->rodata->pcc_have_ct = !dp->no_ct;
	ret = reuse_maps(dp, skel, reuse);
	if (!ret)
		ret = pccbpf_bpf__load(skel);
	if (ret) {
		load_error(ret, err);
		goto out;
	}
	ret = pin_loaded(dp, skel, reuse);
	if (ret)
		pcc_err_set(err, ret, "pin directory", "'%s': %s", dp->dir, strerror(-ret));
	else
		dp->meta->object_hash = object_hash();
	dp->loaded = !ret;
out:
	pccbpf_bpf__destroy(skel);
	return ret;
}
