// SPDX-License-Identifier: GPL-2.0-only
/* Writes the model into the nodes of a file, key by key: only what differs from the defaults. */
#include "config/conf_write.h"

static void add(struct pcc_writer *w, struct pcc_node *map, const char *key, struct pcc_node *value)
{
	if (!value)
		return;
	pcc_node_add(map, pcc_node_new(&w->tree, PCC_NODE_TEXT, key));
	pcc_node_add(map, value);
}

static void add_text(struct pcc_writer *w, struct pcc_node *map, const char *key, const char *text)
{
	add(w, map, key, pcc_node_new(&w->tree, PCC_NODE_TEXT, text));
}

static void add_entry(struct pcc_writer *w, struct pcc_node *list, const char *text)
{
	pcc_node_add(list, pcc_node_new(&w->tree, PCC_NODE_TEXT, text));
}

/* Adds a list under the key. Returns NULL if it would have no entries. */
static struct pcc_node *add_list(
	struct pcc_writer *w, struct pcc_node *map, const char *key, uint32_t entries)
{
	struct pcc_node *list = entries ? pcc_node_new(&w->tree, PCC_NODE_LIST, NULL) : NULL;

	add(w, map, key, list);
	return list;
}

static struct pcc_node *add_map(struct pcc_writer *w, struct pcc_node *list)
{
	struct pcc_node *map = pcc_node_new(&w->tree, PCC_NODE_MAP, NULL);

	pcc_node_add(list, map);
	return map;
}

static void write_sub_map(struct pcc_writer *w, const struct pcc_key *key, struct pcc_node *map,
	const void *model, const void *usual)
{
	struct pcc_node *sub = pcc_node_new(&w->tree, PCC_NODE_MAP, NULL);

	pcc_write_map(w, key->keys, sub, (const char *)model + key->offset,
		(const char *)usual + key->offset);
	if (sub && sub->first)
		add(w, map, key->name, sub);
}

void pcc_write_map(struct pcc_writer *w, const struct pcc_key *keys, struct pcc_node *map,
	const void *model, const void *usual)
{
	char buf[PCC_VALUE_TEXT_MAX];

	for (const struct pcc_key *key = keys; key->name; key++) {
		const char *text;

		if (key->write)
			key->write(w, key, map, model);
		else if (key->text) {
			text = key->text(w->conf, model, buf);
			if (text)
				add_text(w, map, key->name, text);
		} else if (key->kind == PCC_KEY_MAP)
			write_sub_map(w, key, map, model, usual);
		else if (pcc_key_differs(key, model, usual))
			add_text(w, map, key->name, pcc_key_text(key, model, buf));
	}
}

void pcc_write_nothing(
	struct pcc_writer *w, const struct pcc_key *key, struct pcc_node *map, const void *model)
{
	(void)w;
	(void)key;
	(void)map;
	(void)model;
}

void pcc_write_lans(
	struct pcc_writer *w, const struct pcc_key *key, struct pcc_node *map, const void *model)
{
	const struct pcc_config *cfg = &((const struct pcc_conf *)model)->base;
	struct pcc_node *list = add_list(w, map, key->name, cfg->nlans);

	for (uint32_t i = 0; i < cfg->nlans; i++)
		add_entry(w, list, cfg->lans[i].name);
}

void pcc_write_exclusions(
	struct pcc_writer *w, const struct pcc_key *key, struct pcc_node *map, const void *model)
{
	const struct pcc_conf *conf = model;
	struct pcc_node *list = add_list(w, map, key->name, conf->nexclusions);
	char buf[PCC_VALUE_TEXT_MAX];

	for (uint32_t i = 0; i < conf->nexclusions; i++)
		add_entry(w, list, pcc_prefix_text(&conf->exclusions[i], buf));
}

/* --- WANs, groups --------------------------------------------------------------------------- */

void pcc_write_wans(
	struct pcc_writer *w, const struct pcc_key *key, struct pcc_node *map, const void *model)
{
	const struct pcc_conf *conf = model;
	struct pcc_node *list = add_list(w, map, key->name, conf->base.nwans);
	struct pcc_wan_file usual;

	pcc_wan_file_defaults(&usual);
	for (uint32_t i = 0; i < conf->base.nwans; i++) {
		struct pcc_wan_file wan = {.base = conf->base.wans[i], .more = conf->wans[i]};

		pcc_write_map(w, key->keys, add_map(w, list), &wan, &usual);
	}
}

void pcc_write_targets(
	struct pcc_writer *w, const struct pcc_key *key, struct pcc_node *map, const void *model)
{
	const struct pcc_health_cfg *health = model;
	struct pcc_node *list = add_list(w, map, key->name, health->ntargets);

	for (uint32_t i = 0; i < health->ntargets; i++)
		add_entry(w, list, health->targets[i].text);
}

void pcc_write_group_wans(
	struct pcc_writer *w, const struct pcc_key *key, struct pcc_node *map, const void *model)
{
	const struct pcc_group_conf *group = model;
	struct pcc_node *list =
		add_list(w, map, key->name, (uint32_t)__builtin_popcountll(group->wans));

	for (uint32_t i = 0; i < PCC_MAX_WANS; i++)
		if (group->wans & 1ull << i)
			add_entry(w, list, w->conf->wans[i].name);
}

void pcc_write_groups(
	struct pcc_writer *w, const struct pcc_key *key, struct pcc_node *map, const void *model)
{
	const struct pcc_conf *conf = model;
	struct pcc_node *list = add_list(w, map, key->name, conf->ngroups);

	for (uint32_t i = 0; i < conf->ngroups; i++)
		pcc_write_map(w, key->keys, add_map(w, list), &conf->groups[i], NULL);
}

/* --- policies, hooks ------------------------------------------------------------------------ */

void pcc_write_policies(
	struct pcc_writer *w, const struct pcc_key *key, struct pcc_node *map, const void *model)
{
	const struct pcc_conf *conf = model;
	struct pcc_node *list = add_list(w, map, key->name, conf->npolicies);

	for (uint32_t i = 0; i < conf->npolicies; i++)
		pcc_write_map(w, key->keys, add_map(w, list), &conf->policies[i], NULL);
}

void pcc_write_hooks(
	struct pcc_writer *w, const struct pcc_key *key, struct pcc_node *map, const void *model)
{
	static const struct pcc_hook_conf usual = {.timeout_ms = PCC_DEF_HOOK_MS};
	const struct pcc_conf *conf = model;
	struct pcc_node *list = add_list(w, map, key->name, conf->nhooks);

	for (uint32_t i = 0; i < conf->nhooks; i++)
		pcc_write_map(w, key->keys, add_map(w, list), &conf->hooks[i], &usual);
}
