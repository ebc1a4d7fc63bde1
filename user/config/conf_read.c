// SPDX-License-Identifier: GPL-2.0-only
/* Reads the nodes of a file into the model, key by key, as the table of keys says. */
#include "config/conf_read.h"

#include <errno.h>
#include <string.h>

#include "text/suggest.h"

int pcc_read_blame(struct pcc_reader *r, int ret, const struct pcc_node *node)
{
	if (!ret || ret == -ENOMEM || r->pos.line)
		return ret;
	r->pos = node ? node->pos : (struct pcc_conf_pos){1, 1};
	return pcc_yaml_blame(r->name, r->pos, ret, r->err);
}

int pcc_read_unknown(struct pcc_reader *r, const char *what, const char *word,
	const char *const *names, size_t n)
{
	const char *near = pcc_suggest(word, names, n);

	pcc_err_set(r->err, -EINVAL, "", "'%s' is no %s", word, what);
	if (near)
		return pcc_err_hint(r->err, -EINVAL, "did you mean '%s'?", near);
	return pcc_err_hint(r->err, -EINVAL, "name one that the file has");
}

int pcc_read_name_free(struct pcc_reader *r, const char *name, const char *key)
{
	const struct pcc_conf *conf = r->conf;
	bool taken = pcc_conf_find_wan(conf, name) >= 0;

	if (!strcmp(name, "bypass") || !strcmp(name, "reject")) {
		pcc_err_set(r->err, -EINVAL, key, "'%s' cannot be a name", name);
		return pcc_err_hint(r->err, -EINVAL, "policies use the word for something else");
	}
	for (uint32_t i = 0; i < conf->ngroups; i++)
		taken = taken || !strcmp(conf->groups[i].name, name);
	if (!taken)
		return 0;
	pcc_err_set(r->err, -EINVAL, key, "'%s' is there twice", name);
	return pcc_err_hint(r->err, -EINVAL, "WANs and groups have names of their own");
}

/* Reports a list that is too long. A mapping is identified by the value of its first key. */
static int too_many(
	struct pcc_reader *r, const struct pcc_key *key, const struct pcc_node *entry, uint32_t i)
{
	const struct pcc_node *word =
		key->kind == PCC_KEY_MAPS ? pcc_node_under(entry, key->keys->name) : entry;

	pcc_err_set(r->err, -EINVAL, key->name, "'%s' is number %u, there can be %u",
		word ? word->text : "-", i + 1, key->max);
	if (key->too_many)
		pcc_err_hint(r->err, -EINVAL, "%s", key->too_many);
	return -EINVAL;
}

static int read_list(struct pcc_reader *r, const struct pcc_value *list)
{
	const struct pcc_node *entry = list->node->first;
	const struct pcc_key *key = list->key;
	struct pcc_value v = *list;
	int ret = 0;

	if (entry && key->begin)
		ret = key->begin(r, list);
	for (; !ret && entry; entry = entry->next, v.i++) {
		v.node = entry;
		v.word = entry->text;
		ret = v.i == key->max ? too_many(r, key, entry, v.i) : key->read(r, &v);
		ret = pcc_read_blame(r, ret, entry);
	}
	return ret;
}

static int read_value(struct pcc_reader *r, const struct pcc_value *v)
{
	const struct pcc_key *key = v->key;
	int ret;

	if (v->node->kind == PCC_NODE_LIST)
		return read_list(r, v);
	if (key->kind > PCC_KEY_TEXT && v->node->kind == PCC_NODE_TEXT)
		return 0; /* an empty list or mapping */
	ret = key->read ? key->read(r, v)
			: pcc_key_parse(key, key->name, v->word, v->model, r->err);
	return pcc_read_blame(r, ret, v->node);
}

static int missing(struct pcc_reader *r, const struct pcc_key *key, const struct pcc_node *node)
{
	pcc_err_set(r->err, -EINVAL, "", "'%s' is missing", key->name);
	pcc_err_hint(r->err, -EINVAL, "%s", key->required);
	return pcc_read_blame(r, -EINVAL, node);
}

int pcc_read_map(
	struct pcc_reader *r, const struct pcc_key *keys, const struct pcc_node *map, void *model)
{
	int ret = 0;

	for (const struct pcc_key *key = keys; !ret && key->name; key++) {
		const struct pcc_node *value = pcc_node_under(map, key->name);

		if (key->required && (!value || (key->kind > PCC_KEY_TEXT && !value->first)))
			return missing(r, key, value ? value : map);
		if (value) {
			struct pcc_value v = {.key = key,
				.map = map,
				.node = value,
				.word = value->text,
				.model = model};

			ret = read_value(r, &v);
		}
	}
	return ret;
}
