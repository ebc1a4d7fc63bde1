// SPDX-License-Identifier: GPL-2.0-only
/* Applies a configuration file, and keeps its text in a pinned map. */
#include "engine/conf_apply.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/conf_merge.h"
#include "kernel/conntrack.h"
#include "config/policy.h"
#include "pins/policy_maps.h"

/*
 * The text is stored in pieces of this size, the last one filled up with zeroes. A longer text has
 * more entries.
 */
#define PIECE_BYTES 4096u
#define MAX_PIECES 1024u

static int store_failed(int ret, struct pcc_err *err)
{
	return pcc_err_set(
		err, ret, PCC_CONF_PIN, "the configuration cannot be kept: %s", strerror(-ret));
}

/* Creates a map with the text, not pinned yet. Returns its descriptor or a negative errno. */
static int store_make(const struct pcc_conf_kept *kept, struct pcc_err *err)
{
	uint32_t n = (uint32_t)(kept->len / PIECE_BYTES) + 1;
	char piece[PIECE_BYTES];
	int fd, ret = 0;

	if (n > MAX_PIECES)
		return store_failed(-EFBIG, err);
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, PCC_CONF_PIN, 4, PIECE_BYTES, n, NULL);
	if (fd < 0)
		return store_failed(-errno, err);
	for (uint32_t i = 0; !ret && i < n; i++) {
		size_t from = (size_t)i * PIECE_BYTES, left = kept->len - from;

		memset(piece, 0, sizeof(piece));
		memcpy(piece, kept->text + from, left < PIECE_BYTES ? left : PIECE_BYTES);
		if (bpf_map_update_elem(fd, &i, piece, BPF_ANY))
			ret = -errno;
	}
	if (!ret)
		return fd;
	close(fd);
	return store_failed(ret, err);
}

/* Replaces the pinned map by this one in one step: readers see either the old or the new one. */
static int store_pin(const char *dir, int fd, struct pcc_err *err)
{
	char path[320], fresh[320];

	snprintf(path, sizeof(path), "%s/%s", dir, PCC_CONF_PIN);
	snprintf(fresh, sizeof(fresh), "%s/%s_new", dir, PCC_CONF_PIN);
	unlink(fresh);
	if (bpf_obj_pin(fd, fresh))
		return store_failed(-errno, err);
	if (!rename(fresh, path))
		return 0;
	unlink(fresh);
	return store_failed(-errno, err);
}

static void store_remove(const char *dir)
{
	char path[320];

	snprintf(path, sizeof(path), "%s/%s", dir, PCC_CONF_PIN);
	unlink(path);
}

static int store_read(int fd, struct pcc_conf_kept *kept)
{
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	if (info.type != BPF_MAP_TYPE_ARRAY || info.value_size != PIECE_BYTES ||
		info.max_entries > MAX_PIECES)
		return -EBADF;
	kept->text = calloc(info.max_entries, PIECE_BYTES);
	if (!kept->text)
		return -ENOMEM;
	for (uint32_t i = 0; i < info.max_entries; i++)
		if (bpf_map_lookup_elem(fd, &i, kept->text + (size_t)i * PIECE_BYTES))
			return -errno;
	kept->len = strnlen(kept->text, (size_t)info.max_entries * PIECE_BYTES);
	return 0;
}

int pcc_conf_load_kept(const char *dir, struct pcc_conf_kept *kept, struct pcc_err *err)
{
	char path[320];
	int fd, ret;

	memset(kept, 0, sizeof(*kept));
	snprintf(path, sizeof(path), "%s/%s", dir, PCC_CONF_PIN);
	fd = bpf_obj_get(path);
	if (fd < 0 && errno == ENOENT)
		return 0;
	ret = fd < 0 ? -errno : store_read(fd, kept);
	if (fd >= 0)
		close(fd);
	if (!ret)
		return 0;
	pcc_conf_kept_free(kept);
	pcc_err_set(err, ret, path, "cannot be read: %s", strerror(-ret));
	return pcc_err_hint(err, ret, "pccbpf apply FILE writes it anew");
}

void pcc_conf_kept_free(struct pcc_conf_kept *kept)
{
	free(kept->text);
	memset(kept, 0, sizeof(*kept));
}

int pcc_conf_running(
	struct pcc_session *s, struct pcc_conf *conf, pcc_warn_fn warn, struct pcc_err *err)
{
	struct pcc_conf *file = calloc(1, sizeof(*file));
	struct pcc_conf_kept kept = {};
	struct pcc_left_out left = {};
	uint32_t usual = 0;
	int ret;

	memset(conf, 0, sizeof(*conf));
	if (!file)
		return pcc_err_set(err, -ENOMEM, "memory", "cannot be had");
	ret = pcc_conf_load_kept(s->dp.dir, &kept, err);
	if (!ret && kept.text)
		ret = pcc_conf_parse(
			kept.text, kept.len, PCC_CONF_PIN, PCC_CONF_TEXT, file, NULL, err);
	if (pcc_ct_max(&usual, NULL))
		usual = 0;
	if (!ret && pcc_conf_merge(conf, &left, file, &s->cfg, usual))
		ret = pcc_err_set(err, -ENOMEM, "memory", "cannot be had");
	for (uint32_t i = 0; warn && !ret && i < left.n; i++)
		warn(&left.what[i]);
	free(left.what);
	pcc_conf_kept_free(&kept);
	pcc_conf_free(file);
	free(file);
	return ret;
}

/* Is this the text that is kept already? */
static bool is_kept(const char *dir, const struct pcc_conf_kept *kept)
{
	struct pcc_conf_kept now;
	bool same;

	if (!kept->text || pcc_conf_load_kept(dir, &now, NULL))
		return false;
	same = now.text && now.len == kept->len && !memcmp(now.text, kept->text, now.len);
	pcc_conf_kept_free(&now);
	return same;
}

/*
 * For --dry-run: a plan does not show changes that the data plane does not know of. Returns a line
 * that says whether the kept text changes.
 */
static const char *also_changes(struct pcc_session *s, const struct pcc_conf_kept *kept)
{
	struct pcc_conf *now = calloc(1, sizeof(*now));
	struct pcc_conf_kept runs = {};
	bool same = false;

	if (now && s->state == PCC_DP_ATTACHED && !pcc_conf_running(s, now, NULL, NULL) &&
		!pcc_conf_text(now, &runs.text, &runs.len))
		same = kept->text && runs.len == kept->len &&
		       !memcmp(runs.text, kept->text, runs.len);
	pcc_conf_kept_free(&runs);
	if (now)
		pcc_conf_free(now);
	free(now);
	return same ? NULL : "config: keep names, health, groups, policies, hooks";
}

int pcc_conf_restore(struct pcc_session *s, struct pcc_conf *conf, const struct pcc_conf_kept *kept,
	const struct pcc_apply_opts *opts, struct pcc_err *err)
{
	bool write = !opts->dry_run && !is_kept(s->dp.dir, kept);
	struct pcc_apply_opts with = *opts;
	struct pcc_policies policies;
	int fd = -1, ret;

	with.attach = true;
	ret = pcc_policy_compile(&policies, conf, err);
	if (ret)
		return ret;
	if (s->state == PCC_DP_ATTACHED)
		pcc_config_keep_states(&conf->base, &s->cfg);
	if (opts->dry_run)
		with.also = also_changes(s, kept);
	if (write && kept->text) {
		fd = store_make(kept, err);
		if (fd < 0) {
			ret = fd;
			goto out;
		}
	}
	ret = pcc_apply(s, &conf->base, &with, err);
	if (!ret && !opts->dry_run)
		ret = pcc_policy_commit(&s->dp, &conf->base, &policies, err);
	if (!ret && fd >= 0)
		ret = store_pin(s->dp.dir, fd, err);
	else if (!ret && write)
		store_remove(s->dp.dir);
	if (fd >= 0)
		close(fd);
out:
	pcc_policies_free(&policies);
	return ret;
}

int pcc_conf_apply(struct pcc_session *s, struct pcc_conf *conf, const struct pcc_apply_opts *opts,
	struct pcc_err *err)
{
	struct pcc_conf_kept kept = {};
	int ret;

	ret = pcc_conf_text(conf, &kept.text, &kept.len);
	if (ret)
		return pcc_err_set(err, ret, "configuration", "%s", strerror(-ret));
	ret = pcc_conf_restore(s, conf, &kept, opts, err);
	pcc_conf_kept_free(&kept);
	return ret;
}
