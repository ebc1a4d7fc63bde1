// SPDX-License-Identifier: GPL-2.0-only
/* The daemon's runtime directory: its path, the lock, the file with reasons and health. */
#include "report/run.h"
#include "base/array.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Resolves the path of the pin directory. It may not exist yet, but its parent does. */
static void canonical(const char *pin_dir, char path[PATH_MAX])
{
	char copy[PATH_MAX], parent[PATH_MAX], *slash;

	snprintf(copy, sizeof(copy), "%s", pin_dir);
	for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--)
		copy[n - 1] = '\0';
	slash = strrchr(copy, '/');
	if (!slash || slash == copy) {
		snprintf(path, PATH_MAX, "%s", copy);
		return;
	}
	*slash = '\0';
	if (!realpath(copy, parent))
		snprintf(parent, sizeof(parent), "%s", copy);
	if (snprintf(path, PATH_MAX, "%s/%s", parent, slash + 1) >= PATH_MAX)
		path[PATH_MAX - 1] = '\0';
}

const char *pcc_run_path(const char *pin_dir, const char *file, char buf[PCC_RUN_PATH])
{
	char path[PATH_MAX];
	const char *name;
	uint32_t hash = 0x811c9dc5u; /* FNV-1a, 32 bits */

	canonical(pin_dir, path);
	for (const char *p = path; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 0x01000193u;
	name = strrchr(path, '/');
	snprintf(buf, PCC_RUN_PATH, "%s/%.32s-%08x%s%s", PCC_RUN_ROOT, name ? name + 1 : path, hash,
		file ? "/" : "", file ? file : "");
	return buf;
}

int pcc_run_make(const char *pin_dir, struct pcc_err *err)
{
	char path[PCC_RUN_PATH];

	pcc_run_path(pin_dir, NULL, path);
	mkdir(PCC_RUN_ROOT, 0700);
	if (!mkdir(path, 0700) || errno == EEXIST)
		return 0;
	return pcc_err_set(err, -errno, path, "cannot be made: %s", strerror(errno));
}

static int open_lock(const char *pin_dir, int flags)
{
	char path[PCC_RUN_PATH];

	return open(pcc_run_path(pin_dir, "lock", path), O_RDWR | O_CLOEXEC | flags, 0600);
}

int pcc_run_lock(const char *pin_dir, int *fd, struct pcc_err *err)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	*fd = open_lock(pin_dir, O_CREAT);
	if (*fd < 0)
		return pcc_err_set(err, -errno, "lock", "%s", strerror(errno));
	if (!fcntl(*fd, F_OFD_SETLK, &whole))
		return 0;
	close(*fd);
	*fd = -1;
	pcc_err_set(err, -EBUSY, "daemon", "one is running for '%s' already", pin_dir);
	return pcc_err_hint(err, -EBUSY, "SIGHUP has it read its file again");
}

bool pcc_run_alive(const char *pin_dir)
{
	/* Asked for and not taken: a daemon that starts just now must not find it taken. */
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open_lock(pin_dir, 0);
	bool alive = fd >= 0 && !fcntl(fd, F_OFD_GETLK, &whole) && whole.l_type != F_UNLCK;

	if (fd >= 0)
		close(fd);
	return alive;
}

void pcc_run_remove(const char *pin_dir)
{
	static const char *const files[] = {"state.json", "state.json.new", "monitor", "lock"};
	char path[PCC_RUN_PATH];

	for (size_t i = 0; i < COUNT(files); i++)
		unlink(pcc_run_path(pin_dir, files[i], path));
	rmdir(pcc_run_path(pin_dir, NULL, path));
	rmdir(PCC_RUN_ROOT);
}

void pcc_run_health_of(const struct pcc_health *h, struct pcc_run_health *out)
{
	memset(out, 0, sizeof(*out));
	out->loss_known = pcc_health_loss(h, &out->loss_percent);
	out->rtt_known = pcc_health_latency(h, &out->rtt_us);
	for (uint32_t i = 0; i < h->cfg.ntargets; i++) {
		struct pcc_run_target *to = &out->targets[out->ntargets++];

		snprintf(to->text, sizeof(to->text), "%s", h->cfg.targets[i].text);
		pcc_health_target_seen(h, i, &to->seen);
	}
}

/* Adds the health to a WAN's object. Values that are not known are left out. */
static void health_write(json_t *wan, const struct pcc_run_health *health)
{
	json_t *targets;

	if (health->loss_known)
		json_object_set_new(wan, "loss_percent", json_integer(health->loss_percent));
	if (health->rtt_known)
		json_object_set_new(wan, "rtt_us", json_integer(health->rtt_us));
	if (!health->ntargets)
		return;
	targets = json_array();
	for (uint32_t i = 0; i < health->ntargets; i++) {
		const struct pcc_run_target *t = &health->targets[i];

		json_array_append_new(targets,
			json_pack("{s:s, s:b, s:b, s:I, s:I}", "target", t->text, "known",
				t->seen.known, "failed", t->seen.failed, "lost",
				(json_int_t)t->seen.lost, "rtt_us", (json_int_t)t->seen.rtt_us));
	}
	json_object_set_new(wan, "targets", targets);
}

static uint32_t number(const json_t *object, const char *key)
{
	return (uint32_t)json_integer_value(json_object_get(object, key));
}

static void health_read(const json_t *wan, struct pcc_run_health *health)
{
	const json_t *targets = json_object_get(wan, "targets"), *t;
	size_t i;

	memset(health, 0, sizeof(*health));
	health->loss_known = json_object_get(wan, "loss_percent");
	health->loss_percent = number(wan, "loss_percent");
	health->rtt_known = json_object_get(wan, "rtt_us");
	health->rtt_us = number(wan, "rtt_us");
	json_array_foreach (targets, i, t) {
		struct pcc_run_target *to = &health->targets[health->ntargets];
		const char *text = json_string_value(json_object_get(t, "target"));

		if (health->ntargets == PCC_MAX_TARGETS)
			break;
		snprintf(to->text, sizeof(to->text), "%s", text ? text : "");
		to->seen.known = json_is_true(json_object_get(t, "known"));
		to->seen.failed = json_is_true(json_object_get(t, "failed"));
		to->seen.lost = number(t, "lost");
		to->seen.rtt_us = number(t, "rtt_us");
		health->ntargets++;
	}
}

int pcc_run_write(const char *pin_dir, const struct pcc_run_wan *wans, uint32_t n)
{
	char path[PCC_RUN_PATH], fresh[PCC_RUN_PATH];
	json_t *json = json_object();
	int ret = 0;

	for (uint32_t i = 0; i < n; i++) {
		json_t *wan = json_pack("{s:s, s:I}", "reason", wans[i].reason, "since",
			(json_int_t)wans[i].since_s);

		health_write(wan, &wans[i].health);
		json_object_set_new(json, wans[i].name, wan);
	}
	pcc_run_path(pin_dir, "state.json", path);
	pcc_run_path(pin_dir, "state.json.new", fresh);
	if (json_dump_file(json, fresh, JSON_INDENT(1)) || rename(fresh, path))
		ret = -EIO;
	json_decref(json);
	return ret;
}

uint32_t pcc_run_read(const char *pin_dir, struct pcc_run_wan *wans, uint32_t room)
{
	char path[PCC_RUN_PATH];
	json_t *json, *wan;
	const char *name;
	uint32_t n = 0;

	json = json_load_file(pcc_run_path(pin_dir, "state.json", path), 0, NULL);
	json_object_foreach (json, name, wan) {
		const char *reason = json_string_value(json_object_get(wan, "reason"));

		if (n == room)
			break;
		snprintf(wans[n].name, sizeof(wans[n].name), "%s", name);
		snprintf(wans[n].reason, sizeof(wans[n].reason), "%s", reason ? reason : "");
		health_read(wan, &wans[n].health);
		wans[n++].since_s = (uint64_t)json_integer_value(json_object_get(wan, "since"));
	}
	json_decref(json);
	return n;
}
