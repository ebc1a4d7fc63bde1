// SPDX-License-Identifier: GPL-2.0-only
/* The pin directory: lock, open and check, load, remove. */
#include "pins/dataplane.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/fnv.h"
#include "pins/xdp.h"
#include "pins/nexthop.h"
#include "pins/own.h"
#include "pins/hooks.h"
#include "kernel/route.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include "pccbpf.skel.h"
#pragma GCC diagnostic pop

#define CT_BTF "/sys/kernel/btf/nf_conntrack"

#ifndef BPF_FS_MAGIC
#define BPF_FS_MAGIC 0xcafe4a11
#endif

static const char *const map_names[PCC_MAP_MAX] = {
#define X(sym, name) [PCC_MAP_##sym] = #name,
	PCC_MAPS(X)
#undef X
};

static const char *const prog_names[PCC_PROG_MAX] = {
#define X(sym, name) [PCC_PROG_##sym] = #name,
	PCC_PROGS(X)
#undef X
};

/* What a pinned map must look like. entries 0: any number. */
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

/* libbpf's messages: the last of them explains a failed load. */
static char libbpf_says[512];

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
		snprintf(libbpf_says, sizeof(libbpf_says), "%s", line);
	return 0;
}

static bool is_disabled(const char *feature)
{
	const char *disable = getenv("PCCBPF_DISABLE");

	return disable && strstr(disable, feature);
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
	dp->no_tcx = is_disabled("tcx") || !pcc_hook_has_tcx();
	dp->no_ct = is_disabled("conntrack");
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_objects(struct pcc_dp *dp)
{
	if (dp->meta)
		munmap(dp->meta, sizeof(*dp->meta));
	dp->meta = NULL;
	for (int i = 0; i < PCC_MAP_MAX; i++)
		close_fd(&dp->map_fd[i]);
	for (int i = 0; i < PCC_PROG_MAX; i++)
		close_fd(&dp->prog_fd[i]);
}

void pcc_dp_close(struct pcc_dp *dp)
{
	close_objects(dp);
	close_fd(&dp->lock_fd);
}

/* "DIR/NAME" into buf. */
static void pin_path(const struct pcc_dp *dp, const char *name, char *buf, size_t len)
{
	snprintf(buf, len, "%s/%s", dp->dir, name);
}

/* Maps that came without a new ABI number: an older build has none, and its programs are about to
 * be loaded anew. */
static bool map_is_younger(int which)
{
	return which == PCC_MAP_WIRE_IN || which == PCC_MAP_WIRE_OUT;
}

/*
 * The detach of an older build leaves the maps that it does not know. Where nothing else of ours is
 * there they are nobody's.
 */
static void drop_orphans(const struct pcc_dp *dp)
{
	char path[320];

	for (int i = 0; i < PCC_MAP_MAX; i++) {
		pin_path(dp, map_names[i], path, sizeof(path));
		if (!map_is_younger(i) && !access(path, F_OK))
			return;
	}
	for (int i = 0; i < PCC_MAP_MAX; i++) {
		pin_path(dp, map_names[i], path, sizeof(path));
		if (map_is_younger(i))
			unlink(path);
	}
}

/* Is DIR, or where it would be made, on a BPF file system? */
static int check_bpffs(const struct pcc_dp *dp, struct pcc_err *err)
{
	char parent[sizeof(dp->dir)], *slash;
	struct statfs fs;

	snprintf(parent, sizeof(parent), "%s", dp->dir);
	if (statfs(parent, &fs)) {
		slash = strrchr(parent, '/');
		if (!slash)
			snprintf(parent, sizeof(parent), ".");
		else
			slash[slash == parent] = '\0';
		if (statfs(parent, &fs)) {
			pcc_err_set(err, -ENOENT, "pin directory", "'%s' does not exist", parent);
			return pcc_err_hint(err, -ENOENT, "mount -t bpf bpf /sys/fs/bpf");
		}
	}
	if ((unsigned long)fs.f_type == BPF_FS_MAGIC)
		return 0;
	pcc_err_set(
		err, -EMEDIUMTYPE, "pin directory", "'%s' is not on a BPF file system", dp->dir);
	return pcc_err_hint(err, -EMEDIUMTYPE, "mount -t bpf bpf %s", parent);
}

/* Opens the directory and flocks it; -EAGAIN where somebody else holds it or it was just replaced.
 */
static int try_lock(struct pcc_dp *dp)
{
	struct stat held, there;
	int fd;

	fd = open(dp->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		close(fd);
		return -EAGAIN;
	}
	if (fstat(fd, &held) || stat(dp->dir, &there) || held.st_ino != there.st_ino ||
		held.st_dev != there.st_dev) {
		close(fd); /* removed by a detach while we waited */
		return -EAGAIN;
	}
	dp->lock_fd = fd;
	return 0;
}

static bool dir_is_empty(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	bool empty = dir;

	while (empty && (entry = readdir(dir)))
		empty = entry->d_name[0] == '.';
	if (dir)
		closedir(dir);
	return empty;
}

int pcc_dp_lock(struct pcc_dp *dp, bool create, unsigned int wait_s, struct pcc_err *err)
{
	const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
	int ret;

	ret = check_bpffs(dp, err);
	if (ret)
		return ret;
	for (unsigned long tries = 0; tries <= wait_s * 50ul; tries++) {
		if (create && !mkdir(dp->dir, 0700))
			dp->dir_made = true;
		ret = try_lock(dp);
		if (!ret) {
			drop_orphans(dp);
			/* Empty: made just now, or by an attach that was interrupted at once. */
			dp->dir_made = dp->dir_made || dir_is_empty(dp->dir);
			return 0;
		}
		if (ret == -ENOENT && !create)
			return ret;
		if (ret != -EAGAIN && ret != -ENOENT)
			return pcc_err_set(err, ret, "pin directory", "'%s' cannot be opened: %s",
				dp->dir, strerror(-ret));
		nanosleep(&pause, NULL);
	}
	pcc_err_set(err, -EBUSY, "lock", "another pccbpf command is changing '%s'", dp->dir);
	return pcc_err_hint(
		err, -EBUSY, "wait for it to end, or give more time with --wait SECONDS");
}

static int check_map(int fd, enum pcc_map which, struct pcc_err *err)
{
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return pcc_err_set(err, -errno, map_names[which], "is no BPF map");
	if (info.type == map_layout[which].type && info.key_size == map_layout[which].key_size &&
		info.value_size == map_layout[which].value_size &&
		(!map_layout[which].entries || info.max_entries == map_layout[which].entries))
		return 0;
	return pcc_err_set(err, -EBADF, map_names[which],
		"has type %u, key %u, value %u, where this version expects %u, %u, %u", info.type,
		info.key_size, info.value_size, map_layout[which].type, map_layout[which].key_size,
		map_layout[which].value_size);
}

/* 0, -ENOENT where nothing is pinned, another errno with err filled. */
static int open_maps(struct pcc_dp *dp, struct pcc_err *err)
{
	const char *missing = NULL;
	int found = 0, ret = 0, worst = 0, bad;

	for (int i = 0; i < PCC_MAP_MAX; i++) {
		struct pcc_err why = {};
		char path[320];

		pin_path(dp, map_names[i], path, sizeof(path));
		dp->map_fd[i] = bpf_obj_get(path);
		if (dp->map_fd[i] < 0 && errno == ENOENT && map_is_younger(i))
			continue;
		if (dp->map_fd[i] < 0 && errno == ENOENT) {
			ret = -EBADF;
			if (!missing)
				missing = map_names[i];
			continue;
		}
		found += !map_is_younger(i);
		if (dp->map_fd[i] < 0)
			bad = pcc_err_set(&why, -errno, map_names[i], "cannot be opened: %s",
				strerror(errno));
		else
			bad = check_map(dp->map_fd[i], i, &why);
		if (!bad)
			continue;
		/* The others are opened all the same: detach --force restores what it can. */
		close_fd(&dp->map_fd[i]);
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
		char path[320];

		pin_path(dp, prog_names[i], path, sizeof(path));
		dp->prog_fd[i] = bpf_obj_get(path);
		if (dp->prog_fd[i] < 0)
			return pcc_err_set(err, -EBADF, prog_names[i], "%s",
				errno == ENOENT ? "is missing" : strerror(errno));
		if (bpf_obj_get_info_by_fd(dp->prog_fd[i], &info, &len) ||
			info.type != BPF_PROG_TYPE_SCHED_CLS)
			return pcc_err_set(err, -EBADF, prog_names[i], "is no tc program");
	}
	return 0;
}

static int map_meta(struct pcc_dp *dp, struct pcc_err *err)
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

	close_objects(dp);
	ret = open_maps(dp, &why);
	if (ret == -ENOENT)
		return PCC_DP_ABSENT;
	/* Attach pins pcc_meta first and fills it last; detach empties it first. */
	if (dp->map_fd[PCC_MAP_META] >= 0 &&
		!check_map(dp->map_fd[PCC_MAP_META], PCC_MAP_META, NULL) && !map_meta(dp, &why) &&
		!dp->meta->magic) {
		pcc_err_set(err, -EAGAIN, dp->dir, "an attach or detach was interrupted here");
		pcc_err_hint(err, -EAGAIN, "pccbpf detach clears it away");
		return PCC_DP_INCOMPLETE;
	}
	progs = ret ? 0 : open_progs(dp, &why);
	/* Another version may well have other maps: that is then what is wrong, not they. */
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

static bool btf_has(const struct btf *btf, const char *func)
{
	return btf && btf__find_by_name_kind(btf, func, BTF_KIND_FUNC) > 0;
}

static bool btf_has_ct(const struct btf *btf)
{
	return btf_has(btf, "bpf_skb_ct_lookup") && btf_has(btf, "bpf_ct_change_timeout");
}

/* What is known of a place where they may be. */
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
 * Has the kernel the conntrack kfuncs? They are in its own BTF, or in that of the module, which
 * comes and goes with it. The daemon asks often, and the kernel's BTF is large: it is read once,
 * and once more when the module appears.
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
	dp->no_ct = is_disabled("conntrack") || !kernel_has_ct();
}

bool pcc_dp_gained_ct(const struct pcc_dp *dp)
{
	return dp->meta->flags & PCC_META_NO_CT && !is_disabled("conntrack") && kernel_has_ct();
}

/*
 * Room for buckets per family: a power of two, never less than the default. So a larger map is at
 * least twice the old one, and what is copied from that lies in its lower half (dataplane.c,
 * next_base()).
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

uint32_t pcc_dp_map_entries(int fd)
{
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.max_entries;
}

/* Uses the pinned maps again where they fit what cfg wants. */
static int reuse_maps(struct pcc_dp *dp, struct pccbpf_bpf *skel, bool reuse[PCC_MAP_MAX])
{
	for (int i = 0; i < PCC_MAP_MAX; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(skel->obj, map_names[i]);

		if (!map)
			return -ENOENT;
		reuse[i] = dp->map_fd[i] >= 0 &&
			   pcc_dp_map_entries(dp->map_fd[i]) == bpf_map__max_entries(map);
		if (reuse[i] && bpf_map__reuse_fd(map, dp->map_fd[i]))
			return -errno;
	}
	return 0;
}

int pcc_dp_reuse_maps(const struct pcc_dp *dp, struct bpf_object *obj)
{
	for (int i = 0; i < PCC_MAP_MAX; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(obj, map_names[i]);

		if (map && bpf_map__reuse_fd(map, dp->map_fd[i]))
			return -errno;
	}
	return 0;
}

static int pin_as(const struct pcc_dp *dp, int fd, const char *name)
{
	char path[320], fresh[340];

	pin_path(dp, name, path, sizeof(path));
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

/* The bucket tables in force go on at their old place until the next switch. */
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

/* Pins what was loaded and takes the descriptors over. */
static int pin_loaded(struct pcc_dp *dp, struct pccbpf_bpf *skel, const bool reuse[PCC_MAP_MAX])
{
	for (int i = 0; i < PCC_MAP_MAX; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(skel->obj, map_names[i]);
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
		close_fd(&dp->map_fd[i]);
		dp->map_fd[i] = fd;
		ret = pin_as(dp, fd, map_names[i]);
		if (!ret && i == PCC_MAP_META) {
			ret = map_meta(dp, NULL);
			if (!ret && dp->dir_made)
				dp->meta->flags |= PCC_META_DIR_MADE;
		}
		if (ret)
			return ret;
	}
	for (int i = 0; i < PCC_PROG_MAX; i++) {
		struct bpf_program *prog =
			bpf_object__find_program_by_name(skel->obj, prog_names[i]);
		int fd = prog ? fcntl(bpf_program__fd(prog), F_DUPFD_CLOEXEC, 3) : -1, ret;

		if (fd < 0)
			return -ENOENT;
		close_fd(&dp->prog_fd[i]);
		dp->prog_fd[i] = fd;
		ret = pin_as(dp, fd, prog_names[i]);
		if (ret)
			return ret;
	}
	return 0;
}

static int load_error(int ret, struct pcc_err *err)
{
	pcc_err_set(err, ret, "data plane", "the kernel refused it: %s",
		libbpf_says[0] ? libbpf_says : strerror(-ret));
	if (ret == -EPERM)
		return pcc_err_hint(err, ret, "root with CAP_BPF and CAP_NET_ADMIN is needed");
	return pcc_err_hint(err, ret, "Linux 6.1 or later is needed; PCCBPF_DEBUG=1 shows the log");
}

/* Over all BPF objects: changes with every build that changes a program. */
static uint64_t object_hash(void)
{
	uint64_t hash = PCC_FNV1A_BASIS;
	const void *data;
	size_t len;

	data = pccbpf_bpf__elf_bytes(&len);
	hash = pcc_fnv1a(hash, data, len);
	hash = pcc_xdp_objects_hash(hash);
	hash = pcc_nexthop_object_hash(hash);
	return pcc_own_object_hash(hash);
}

static uint32_t map_id(int fd)
{
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

/*
 * Do the pinned programs work on the pinned maps? Not if the command that exchanged them was killed
 * half-way: the programs in use then have the old ones.
 */
static bool programs_use_pins(const struct pcc_dp *dp)
{
	/* The last one is looked into by pcc_lan_in only. */
	static const enum pcc_map used[] = {PCC_MAP_META, PCC_MAP_CONNS, PCC_MAP_FLOWS,
		PCC_MAP_STATS, PCC_MAP_WANS, PCC_MAP_IFACES, PCC_MAP_BUCKETS};
	static const enum pcc_prog progs[] = {PCC_PROG_LAN_IN, PCC_PROG_LAN_OUT};

	for (size_t p = 0; p < sizeof(progs) / sizeof(progs[0]); p++) {
		uint32_t ids[64] = {0}, len = sizeof(struct bpf_prog_info);
		struct bpf_prog_info info = {.nr_map_ids = 64, .map_ids = (uintptr_t)ids};

		if (bpf_obj_get_info_by_fd(dp->prog_fd[progs[p]], &info, &len))
			return false;
		for (size_t m = 0; m < sizeof(used) / sizeof(used[0]) - p; m++) {
			uint32_t id = map_id(dp->map_fd[used[m]]), i = 0;

			while (i < info.nr_map_ids && i < 64 && ids[i] != id)
				i++;
			if (i == info.nr_map_ids || i == 64)
				return false;
		}
	}
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

	/* Room that is there stays, so that the counters do. */
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
	libbpf_says[0] = '\0';
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

/* Is a name in the pin directory one of ours? Links are link_in_<ifindex>, link_out_<ifindex> and
 * those of nexthop.c. */
static bool is_our_pin(const char *name)
{
	size_t len = strlen(name);

	if (len > 4 && !strcmp(name + len - 4, "_new"))
		len -= 4;
	if ((len == strlen(PCC_CONF_PIN) && !strncmp(name, PCC_CONF_PIN, len)) ||
		!strcmp(name, PCC_CONFIRM_PIN) || !strncmp(name, "link_connect", 12))
		return true;
	for (int i = 0; i < PCC_MAP_MAX; i++)
		if (strlen(map_names[i]) == len && !strncmp(name, map_names[i], len))
			return true;
	for (int i = 0; i < PCC_PROG_MAX; i++)
		if (strlen(prog_names[i]) == len && !strncmp(name, prog_names[i], len))
			return true;
	return !strncmp(name, "link_in_", 8) || !strncmp(name, "link_out_", 9) ||
	       !strncmp(name, "link_neigh", 10);
}

void pcc_dp_remove(struct pcc_dp *dp)
{
	bool made = dp->dir_made || (dp->meta && dp->meta->flags & PCC_META_DIR_MADE);
	struct dirent *entry;
	char path[600];
	DIR *dir;

	dir = opendir(dp->dir);
	while (dir && (entry = readdir(dir))) {
		/* pcc_meta goes last: as long as it is there, detach knows what to do. */
		if (!is_our_pin(entry->d_name) || !strcmp(entry->d_name, map_names[PCC_MAP_META]))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dp->dir, entry->d_name);
		unlink(path);
	}
	if (dir)
		closedir(dir);
	pin_path(dp, map_names[PCC_MAP_META], path, sizeof(path));
	unlink(path);
	if (made || dp->any_instance)
		rmdir(dp->dir); /* fails where somebody else has put something there */
	close_objects(dp);
}
