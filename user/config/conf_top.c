// SPDX-License-Identifier: GPL-2.0-only
/* The functions that read the keys of LANs, NAT, exclusions and hooks. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "config/conf_read.h"

int pcc_read_lan(struct pcc_reader *r, const struct pcc_value *v)
{
	struct pcc_config *cfg = &((struct pcc_conf *)v->model)->base;
	struct pcc_lan_cfg lan = {};
	int ret = pcc_parse_ifname(v->word, v->key->name, lan.name, r->err);

	if (!ret && pcc_config_find_lan(cfg, lan.name)) {
		ret = pcc_err_set(r->err, -EINVAL, v->key->name, "'%s' is there twice", lan.name);
		pcc_err_hint(r->err, ret, "name it once");
	}
	if (!ret)
		cfg->lans[cfg->nlans++] = lan;
	return ret;
}

int pcc_read_nat(struct pcc_reader *r, const struct pcc_value *v)
{
	struct pcc_config *cfg = &((struct pcc_conf *)v->model)->base;
	int ret = pcc_key_parse(v->key, v->key->name, v->word, cfg, r->err);

	cfg->nat6 = cfg->nat4; /* nat6, which is read later, may override this */
	return ret;
}

int pcc_read_exclusion(struct pcc_reader *r, const struct pcc_value *v)
{
	struct pcc_conf *conf = v->model;

	conf->nexclusions = v->i + 1;
	return pcc_parse_prefix(v->word, v->key->name, &conf->exclusions[v->i], r->err);
}

int pcc_read_hook(struct pcc_reader *r, const struct pcc_value *v)
{
	struct pcc_conf *conf = v->model;

	conf->hooks[v->i].timeout_ms = PCC_DEF_HOOK_MS;
	conf->nhooks = v->i + 1;
	return pcc_read_map(r, v->key->keys, v->node, &conf->hooks[v->i]);
}

int pcc_read_hook_run(struct pcc_reader *r, const struct pcc_value *v)
{
	struct pcc_hook_conf *hook = v->model;
	int ret = pcc_parse_path(v->word, v->key->name, hook->path, sizeof(hook->path), r->err);
	const char *why = !ret && r->check == PCC_CONF_FILES ? pcc_may_not_run(hook->path) : NULL;

	if (why) {
		ret = pcc_err_set(r->err, -EINVAL, v->key->name, "'%s': %s", hook->path, why);
		pcc_err_hint(r->err, ret,
			"it must be there and executable, root's, and nobody else may write to it");
	}
	return ret;
}
