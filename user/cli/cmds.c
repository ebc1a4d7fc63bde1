// SPDX-License-Identifier: GPL-2.0-only
/* What commands share: opening a session, applying an edit, printing. */
#include "base/array.h"
#include "cli/cmds.h"
#include "base/address.h"
#include "engine/apply.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

const char *pcc_cmd_dir(const struct pcc_args *args)
{
	const char *env = getenv("PCCBPF_BPFFS");

	return pcc_args_value(args, PCC_OPT_BPFFS, env && env[0] ? env : PCC_DEF_PIN_DIR);
}

int pcc_cmd_wait(const struct pcc_args *args, unsigned int *wait_s, struct pcc_err *err)
{
	uint32_t value;
	int ret = pcc_parse_u32(pcc_args_value(args, PCC_OPT_WAIT, "10"), "--wait", PCC_DECIMAL, 0,
		3600, &value, err);

	*wait_s = ret ? 0 : value;
	return ret;
}

int pcc_cmd_failed(const struct pcc_err *err)
{
	pcc_err_print(err);
	return PCC_EXIT_FAILED;
}

int pcc_cmd_misused(const struct pcc_err *err)
{
	pcc_err_print(err);
	return PCC_EXIT_USAGE;
}

int pcc_cmd_open(struct pcc_session *s, const struct pcc_args *args, enum pcc_session_mode mode)
{
	struct pcc_err err = {};
	unsigned int wait_s = 0;

	memset(s, 0, sizeof(*s));
	if (mode != PCC_SESSION_READ && pcc_cmd_wait(args, &wait_s, &err))
		return pcc_cmd_misused(&err);
	if (pcc_session_open(s, pcc_cmd_dir(args), mode, wait_s, &err))
		return pcc_cmd_failed(&err);
	if (s->state == PCC_DP_ATTACHED)
		return PCC_EXIT_OK;
	if (s->state == PCC_DP_ABSENT) {
		pcc_err_set(&err, -ENOENT, "not attached", "nothing is pinned in '%s'", s->dp.dir);
		pcc_err_hint(&err, -ENOENT, "pccbpf attach --lan IF --wan IF,IF");
		pcc_cmd_failed(&err);
		return mode == PCC_SESSION_READ ? PCC_EXIT_DETACHED : PCC_EXIT_FAILED;
	}
	return pcc_cmd_failed(&s->why);
}

int pcc_cmd_change(const struct pcc_args *args, pcc_edit_fn edit)
{
	struct pcc_apply_opts opts = {
		.dry_run = args->opt[PCC_OPT_DRY_RUN].set,
		.warn = pcc_warn_print,
	};
	struct pcc_err err = {};
	struct pcc_session s;
	struct pcc_config *cfg;
	int ret, status;

	cfg = malloc(sizeof(*cfg));
	status = pcc_cmd_open(&s, args, PCC_SESSION_CHANGE);
	if (status || !cfg)
		goto out;
	*cfg = s.cfg;
	ret = edit(cfg, args, &err);
	if (ret && ret != -EALREADY) {
		status = ret == -EINVAL ? pcc_cmd_misused(&err) : pcc_cmd_failed(&err);
		goto out;
	}
	ret = pcc_apply(&s, cfg, &opts, &err);
	status = ret ? pcc_cmd_failed(&err) : PCC_EXIT_OK;
out:
	pcc_session_close(&s);
	free(cfg);
	return status;
}

int pcc_json_dump(struct json_t *json, FILE *out)
{
	int failed = !json || json_dumpf(json, out, JSON_INDENT(2) | JSON_REAL_PRECISION(9));

	if (!failed)
		failed = putc('\n', out) == EOF;
	json_decref(json);
	return failed ? -EIO : 0;
}

int pcc_cmd_print_json(struct json_t *json)
{
	return pcc_json_dump(json, stdout) ? PCC_EXIT_FAILED : PCC_EXIT_OK;
}

const char *pcc_gateway_text(
	const struct pcc_gateway *gw, enum pcc_family f, char buf[PCC_ADDR_TEXT])
{
	buf[0] = '\0';
	if (gw->source == PCC_GW_ONLINK)
		return "on-link";
	if (gw->source == PCC_GW_GIVEN || gw->source == PCC_GW_FOUND)
		inet_ntop(pcc_af[f], &gw->addr, buf, PCC_ADDR_TEXT);
	return buf;
}

const char *pcc_bytes_text(uint64_t bytes, char buf[16])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	double value = bytes;
	size_t unit = 0;

	while (value >= 1024 && unit + 1 < COUNT(units)) {
		value /= 1024;
		unit++;
	}
	snprintf(buf, 16, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return buf;
}
