// SPDX-License-Identifier: GPL-2.0-only
/* Opens the pins, and checks them before anything is read from them. */
#include "pins/pins.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/netns.h"
#include "pins/hooks.h"

const char *const pcc_map_names[PCC_MAP_MAX] = {
#define X(sym, name) [PCC_MAP_##sym] = #name,
	PCC_MAPS(X)
#undef X
};

const char *const pcc_prog_names[PCC_PROG_MAX] = {
#define X(sym, name) [PCC_PROG_##sym] = #name,
	PCC_PROGS(X)
#undef X
};

/* The type and size that each pinned map must have. entries 0: any number. */
static const struct {
	uint32_t type, key_size, value_size, entries;
} map_layout[PCC_MAP_MAX] = {
	[PCC_MAP_META] = {BPF_MAP_TYPE_ARRAY, 4, sizeof(struct pcc_meta), 1},
	[PCC_MAP_SYSCTLS] = {BPF_MAP_TYPE_HASH, sizeof(struct pcc_sysctl_key),
		sizeof(struct pcc_sysctl_old), 0},
	[PCC_MAP_CONNS] = {BPF_MAP_TYPE_LRU_HASH, sizeof(struct pcc_tuple), sizeof(struct pcc_conn),
		0},
	[PCC_MAP_FLOWS] = {BPF_MAP_TYPE_LRU_HASH, sizeof(struct pcc_flow_key),
		sizeof(struct pcc_flow), 0},
	[PCC_MAP_LEASED] = {BPF_MAP_TYPE_ARRAY, 4, sizeof(struct pcc_leased), 1},
	[PCC_MAP_WANS] = {BPF_MAP_TYPE_ARRAY, 4, sizeof(struct pcc_wan), PCC_WAN_SLOTS},
	[PCC_MAP_BUCKETS] = {BPF_MAP_TYPE_ARRAY, 4, 4, 0},
	[PCC_MAP_IFACES] = {BPF_MAP_TYPE_HASH, 4, sizeof(struct pcc_iface), 0},
	[PCC_MAP_STATS] = {BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct pcc_bucket_stats), 0},
	[PCC_MAP_WAN_STATS] = {BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct pcc_wan_stats),
		PCC_WAN_SLOTS},
	[PCC_MAP_COUNTERS] = {BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, PCC_R_MAX},
	[PCC_MAP_LOCAL] = {BPF_MAP_TYPE_HASH, sizeof(struct pcc_addr), 4, 0},
	[PCC_MAP_XDP_PORTS] = {BPF_MAP_TYPE_DEVMAP_HASH, 4, 4, 0},
	[PCC_MAP_WIRE_IN] = {BPF_MAP_TYPE_HASH, sizeof(struct pcc_wire), 4, 0},
	[PCC_MAP_WIRE_OUT] = {BPF_MAP_TYPE_HASH, 4, sizeof(struct pcc_wire_out), 0},
	[PCC_MAP_FRAGS] = {BPF_MAP_TYPE_LRU_HASH, sizeof(struct pcc_frag_key),
		sizeof(struct pcc_frag), 0},
	[PCC_MAP_POLICY_HEAD] = {BPF_MAP_TYPE_ARRAY, 4, sizeof(struct pcc_policy_head), 2},
	[PCC_MAP_POLICIES] = {BPF_MAP_TYPE_ARRAY, 4, sizeof(struct pcc_policy),
		2 * PCC_POLICY_SLOTS},
	[PCC_MAP_GROUPS] = {BPF_MAP_TYPE_ARRAY, 4, sizeof(struct pcc_group), 2 * PCC_MAX_GROUPS},
	[PCC_MAP_GROUP_TABLE] = {BPF_MAP_TYPE_ARRAY, 4, sizeof(struct pcc_group_block),
		2 * PCC_GROUP_BLOCKS},
	[PCC_MAP_SETS] = {BPF_MAP_TYPE_LPM_TRIE, sizeof(struct pcc_set_key), 8, 0},
	[PCC_MAP_POLICY_HIT] = {BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct pcc_policy_hit),
		2 * PCC_POLICY_SLOTS},
	[PCC_MAP_STICKY] = {BPF_MAP_TYPE_LRU_HASH, sizeof(struct pcc_sticky_key),
		sizeof(struct pcc_sticky_wan), 0},
};

/* The last message of libbpf, which explains why a load failed. */
char pcc_libbpf_says[512];

__attribute__((format(printf, 2, 0))) static int keep_message(
	enum libbpf_print_level level, const char *format, va_list args)
{
	char line[512];

	if (level > LIBBPF_WARN)
		return 0;
	if (getenv("PCCBPF_DEBUG")) {
		va_list again;

		va_copy(again, args);
		vfprintf(stderr, format, again);
		va_end(again);
	}
	vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = '\0';
	if (strstr(line, "failed to load") || strstr(line, "load failed"))
		snprintf(pcc_libbpf_says, sizeof(pcc_libbpf_says), "%s", line);
	return 0;
}

bool pcc_is_disabled(const char *feature)
{
	const char *disable = getenv("PCCBPF_DISABLE");

	return disable && strstr(disable, feature);
}

/*
 * tcx exists since Linux 6.6. If the kernel does not tell, it is assumed to be there, so that
 * attaching reports the reason.
 */
static bool kernel_has_tcx(void)
{
	uint32_t ids[PCC_TCX_MAX], n = PCC_TCX_MAX, flags = 0;

	/* ifindex 1 is the loopback device in every network namespace */
	return !bpf_prog_query(1, PCC_TCX_INGRESS, 0, &flags, ids, &n) || errno != EINVAL;
}

void pcc_dp_init(struct pcc_dp *dp, const char *dir)
{
	libbpf_set_print(keep_message);
	memset(dp, 0, sizeof(*dp));
	snprintf(dp->dir, sizeof(dp->dir), "%s", dir ? dir : PCC_DEF_PIN_DIR);
	dp->lock_fd = -1;
	for (int i = 0; i < PCC_MAP_MAX; i++)
		dp->map_fd[i] = -1;
	for (int i = 0; i < PCC_PROG_MAX; i++)
		dp->prog_fd[i] = -1;
	dp->ncpus = libbpf_num_possible_cpus();
	dp->no_tcx = pcc_is_disabled("tcx") || !kernel_has_tcx();
	dp->no_ct = pcc_is_disabled("conntrack");
}

void pcc_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void pcc_close_objects(struct pcc_dp *dp)
{
	if (dp->meta)
		munmap(dp->meta, sizeof(*dp->meta));
	dp->meta = NULL;
	for (int i = 0; i < PCC_MAP_MAX; i++)
		pcc_close_fd(&dp->map_fd[i]);
	for (int i = 0; i < PCC_PROG_MAX; i++)
		pcc_close_fd(&dp->prog_fd[i]);
}

void pcc_dp_close(struct pcc_dp *dp)
{
	pcc_close_objects(dp);
	pcc_close_fd(&dp->lock_fd);
}

void pcc_pin_path(const struct pcc_dp *dp, const char *name, char path[PCC_PIN_PATH])
{
	snprintf(path, PCC_PIN_PATH, "%s/%s", dp->dir, name);
}

bool pcc_map_is_younger(int which)
{
	return which == PCC_MAP_WIRE_IN || which == PCC_MAP_WIRE_OUT;
}

static int check_map(int fd, enum pcc_map which, struct pcc_err *err)
{
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return pcc_err_set(err, -errno, pcc_map_names[which], "is no BPF map");
	if (info.type == map_layout[which].type && info.key_size == map_layout[which].key_size &&
		info.value_size == map_layout[which].value_size &&
		(!map_layout[which].entries || info.max_entries == map_layout[which].entries))
		return 0;
	return pcc_err_set(err, -EBADF, pcc_map_names[which],
		"has type %u, key %u, value %u, where this version expects %u, %u, %u", info.type,
		info.key_size, info.value_size, map_layout[which].type, map_layout[which].key_size,
		map_layout[which].value_size);
}

/* Opens the maps. Returns 0, -ENOENT if nothing is pinned, or another errno with err filled. */
static int open_maps(struct pcc_dp *dp, struct pcc_err *err)
{
	const char *missing = NULL;
	int found = 0, ret = 0, worst = 0, bad;

	for (int i = 0; i < PCC_MAP_MAX; i++) {
		struct pcc_err why = {};
		char path[PCC_PIN_PATH];

		pcc_pin_path(dp, pcc_map_names[i], path);
		dp->map_fd[i] = bpf_obj_get(path);
		if (dp->map_fd[i] < 0 && errno == ENOENT && pcc_map_is_younger(i))
			continue;
		if (dp->map_fd[i] < 0 && errno == ENOENT) {
			ret = -EBADF;
			if (!missing)
				missing = pcc_map_names[i];
			continue;
		}
		found += !pcc_map_is_younger(i);
		if (dp->map_fd[i] < 0)
			bad = pcc_err_set(&why, -errno, pcc_map_names[i], "cannot be opened: %s",
				strerror(errno));
		else
			bad = check_map(dp->map_fd[i], i, &why);
		if (!bad)
			continue;
		/*
		 * Continue with the other maps, so that detach --force can restore what is
		 * possible.
		 */
		pcc_close_fd(&dp->map_fd[i]);
		if (!worst && err)
			*err = why;
		worst = worst ? worst : bad;
	}
	if (!found)
		return -ENOENT;
	if (worst)
		return worst;
	return ret ? pcc_err_set(err, ret, missing, "is missing") : 0;
}

static int open_progs(struct pcc_dp *dp, struct pcc_err *err)
{
	for (int i = 0; i < PCC_PROG_MAX; i++) {
		struct bpf_prog_info info = {};
		uint32_t len = sizeof(info);
		char path[PCC_PIN_PATH];

		pcc_pin_path(dp, pcc_prog_names[i], path);
		dp->prog_fd[i] = bpf_obj_get(path);
		if (dp->prog_fd[i] < 0)
			return pcc_err_set(err, -EBADF, pcc_prog_names[i], "%s",
				errno == ENOENT ? "is missing" : strerror(errno));
		if (bpf_obj_get_info_by_fd(dp->prog_fd[i], &info, &len) ||
			info.type != BPF_PROG_TYPE_SCHED_CLS)
			return pcc_err_set(err, -EBADF, pcc_prog_names[i], "is no tc program");
	}
	return 0;
}

int pcc_dp_map_meta(struct pcc_dp *dp, struct pcc_err *err)
{
	void *mem;

	if (dp->meta)
		munmap(dp->meta, sizeof(*dp->meta));
	dp->meta = NULL;
	mem = mmap(NULL, sizeof(*dp->meta), PROT_READ | PROT_WRITE, MAP_SHARED,
		dp->map_fd[PCC_MAP_META], 0);

	if (mem == MAP_FAILED)
		return pcc_err_set(
			err, -errno, "pcc_meta", "cannot be mapped: %s", strerror(errno));
	dp->meta = mem;
	return 0;
}

static int check_meta(const struct pcc_dp *dp, struct pcc_err *err)
{
	const struct pcc_meta *m = dp->meta;
	uint64_t cookie = 0;

	if (m->magic != PCC_MAGIC)
		return pcc_err_set(err, -EBADF, "pcc_meta", "has the magic 0x%x, not 0x%x",
			m->magic, PCC_MAGIC);
	if (m->abi_version != PCC_ABI_VERSION)
		return pcc_err_set(err, -EBADF, "pcc_meta",
			"was written by pccbpf %.15s with ABI %u, this is ABI %u", m->version,
			m->abi_version, PCC_ABI_VERSION);
	if (m->tuple_size != sizeof(struct pcc_tuple) || m->conn_size != sizeof(struct pcc_conn) ||
		m->wan_size != sizeof(struct pcc_wan) || m->reasons != PCC_R_MAX)
		return pcc_err_set(err, -EBADF, "pcc_meta", "names other structure sizes");
	if (!m->mark_mask || m->active_half > 1 || !m->bucket_stride ||
		m->bucket_stride > PCC_MAX_BUCKETS)
		return pcc_err_set(err, -EBADF, "pcc_meta", "holds impossible values");
	if (pcc_netns_cookie(&cookie) || cookie == m->netns_cookie)
		return 0;
	pcc_err_set(
		err, -EXDEV, "pin directory", "'%s' belongs to another network namespace", dp->dir);
	return pcc_err_hint(
		err, -EXDEV, "run it there, or give this one a directory with --bpffs DIR");
}

enum pcc_dp_state pcc_dp_open(struct pcc_dp *dp, struct pcc_err *err)
{
	struct pcc_err why = {};
	int ret, progs;

	pcc_close_objects(dp);
	ret = open_maps(dp, &why);
	if (ret == -ENOENT)
		return PCC_DP_ABSENT;
	/*
	 * Attach pins pcc_meta first and fills it last, detach empties it first: an empty one means
	 * that either was interrupted.
	 */
	if (dp->map_fd[PCC_MAP_META] >= 0 &&
		!check_map(dp->map_fd[PCC_MAP_META], PCC_MAP_META, NULL) &&
		!pcc_dp_map_meta(dp, &why) && !dp->meta->magic) {
		pcc_err_set(err, -EAGAIN, dp->dir, "an attach or detach was interrupted here");
		pcc_err_hint(err, -EAGAIN, "pccbpf detach clears it away");
		return PCC_DP_INCOMPLETE;
	}
	progs = ret ? 0 : open_progs(dp, &why);
	/* Another version may have other maps. Then the version is the error, not a missing map. */
	if ((!ret && !progs) || (dp->meta && dp->meta->magic == PCC_MAGIC &&
					dp->meta->abi_version != PCC_ABI_VERSION))
		ret = check_meta(dp, &why);
	else if (!ret)
		ret = progs;
	if (!ret)
		return PCC_DP_ATTACHED;
	if (err)
		*err = why;
	if (err && !why.hint[0])
		pcc_err_hint(err, ret,
			"nothing was changed; the pccbpf that made '%s' can detach it, or pccbpf detach "
			"--force removes what is recognised",
			dp->dir);
	return PCC_DP_DAMAGED;
}

uint32_t pcc_dp_map_entries(int fd)
{
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.max_entries;
}

int pcc_dp_reuse_maps(const struct pcc_dp *dp, struct bpf_object *obj)
{
	for (int i = 0; i < PCC_MAP_MAX; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(obj, pcc_map_names[i]);

		if (map && bpf_map__reuse_fd(map, dp->map_fd[i]))
			return -errno;
	}
	return 0;
}
