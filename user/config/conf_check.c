// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks that a file has the keys and the shape that the table of keys describes. Values are not
 * checked here.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/conf_read.h"
#include "text/suggest.h"

#define MAX_KEYS 32u

/* The kind of node that the value of a key has to be. */
static enum pcc_node_kind kind_of(const struct pcc_key *key)
{
	switch (key->kind) {
	case PCC_KEY_LIST:
	case PCC_KEY_MAPS:
		return PCC_NODE_LIST;
	case PCC_KEY_MAP:
		return PCC_NODE_MAP;
	default:
		return PCC_NODE_TEXT;
	}
}

/* Reports a value of the wrong kind: what it is and what it should be. */
static int wrong_kind(
	struct pcc_reader *r, const struct pcc_node *node, const char *key, enum pcc_node_kind kind)
{
	const char *hint = kind == PCC_NODE_LIST  ? "a list is written [A, B] or as lines with '- '"
			   : kind == PCC_NODE_MAP ? "lines with KEY: VALUE are wanted"
						  : "one value is wanted";

	if (node->kind == PCC_NODE_TEXT)
		pcc_err_set(r->err, -EINVAL, key, "'%.60s' is not %s", node->text,
			kind == PCC_NODE_LIST ? "a list" : "a mapping");
	else
		pcc_err_set(r->err, -EINVAL, "", "'%s' is %s", key,
			node->kind == PCC_NODE_LIST ? "a list" : "a mapping");
	pcc_err_hint(r->err, -EINVAL, "%s", hint);
	return pcc_read_blame(r, -EINVAL, node);
}

/*
 * Reports an unknown key, with the key that was probably meant, or with all keys that are possible.
 */
static int unknown_key(
	struct pcc_reader *r, const struct pcc_key *keys, const struct pcc_node *node)
{
	const char *names[MAX_KEYS], *near;
	struct pcc_err *err = r->err;
	size_t n = 0, used;

	for (const struct pcc_key *k = keys; k->name && n < MAX_KEYS; k++)
		names[n++] = k->name;
	pcc_err_set(err, -EINVAL, "", "'%.60s' is not a key", node->text);
	near = pcc_suggest(node->text, names, n);
	pcc_err_hint(err, -EINVAL, near ? "did you mean '%s'?" : "one of: ", near);
	for (size_t i = 0; !near && i < n; i++) {
		used = strlen(err->hint);
		snprintf(err->hint + used, sizeof(err->hint) - used, "%s%s", i ? ", " : "",
			names[i]);
	}
	return pcc_read_blame(r, -EINVAL, node);
}

/* Checks the key of a pair: it must be known and the first one of its name. */
static int check_key(struct pcc_reader *r, const struct pcc_key *keys, const struct pcc_node *map,
	const struct pcc_node *node, const struct pcc_key **key)
{
	if (node->kind != PCC_NODE_TEXT) {
		pcc_err_set(r->err, -EINVAL, "", "'%s' is not a key",
			node->kind == PCC_NODE_LIST ? "[" : "{");
		return pcc_read_blame(r, -EINVAL, node);
	}
	for (*key = keys; (*key)->name; ++*key)
		if (!strcmp((*key)->name, node->text))
			break;
	if (!(*key)->name || strlen(node->text) != node->len)
		return unknown_key(r, keys, node);
	for (const struct pcc_node *other = map->first; other != node; other = other->next->next) {
		if (strcmp(other->text, node->text) != 0)
			continue;
		pcc_err_set(r->err, -EINVAL, "", "'%s' is there twice", node->text);
		pcc_err_hint(r->err, -EINVAL, "the first is in line %u", other->pos.line);
		return pcc_read_blame(r, -EINVAL, node);
	}
	return 0;
}

static int check_text(struct pcc_reader *r, const struct pcc_node *node, const char *key)
{
	if (node->kind != PCC_NODE_TEXT)
		return wrong_kind(r, node, key, PCC_NODE_TEXT);
	if (!node->len) {
		pcc_err_set(r->err, -EINVAL, "", "'%s' has no value", key);
		pcc_err_hint(r->err, -EINVAL, "write one, or leave '%s' out", key);
		return pcc_read_blame(r, -EINVAL, node);
	}
	if (strlen(node->text) != node->len) {
		pcc_err_set(r->err, -EINVAL, key, "'%.60s' has a zero byte in it", node->text);
		return pcc_read_blame(r, -EINVAL, node);
	}
	return 0;
}

static int check_value(
	struct pcc_reader *r, const struct pcc_key *key, const struct pcc_node *node);

static int check_map(struct pcc_reader *r, const struct pcc_key *keys, const struct pcc_node *map,
	const char *name)
{
	int ret = 0;

	if (map->kind != PCC_NODE_MAP)
		return wrong_kind(r, map, name, PCC_NODE_MAP);
	for (const struct pcc_node *k = map->first; !ret && k; k = k->next->next) {
		const struct pcc_key *key = NULL;

		ret = check_key(r, keys, map, k, &key);
		if (!ret)
			ret = check_value(r, key, k->next);
	}
	return ret;
}

static int check_value(struct pcc_reader *r, const struct pcc_key *key, const struct pcc_node *node)
{
	enum pcc_node_kind kind = kind_of(key);
	int ret = 0;

	if (kind == PCC_NODE_TEXT)
		return check_text(r, node, key->name);
	/* A list or mapping may be empty, when everything under its key is commented out. */
	if (pcc_node_is_null(node))
		return 0;
	if (node->kind != kind)
		return wrong_kind(r, node, key->name, kind);
	if (kind == PCC_NODE_MAP)
		return check_map(r, key->keys, node, key->name);
	for (const struct pcc_node *i = node->first; !ret && i; i = i->next)
		ret = key->kind == PCC_KEY_LIST ? check_text(r, i, key->name)
						: check_map(r, key->keys, i, key->name);
	return ret;
}

int pcc_conf_check_keys(
	struct pcc_reader *r, const struct pcc_key *keys, const struct pcc_node *root)
{
	return root ? check_map(r, keys, root, "the file") : 0;
}
