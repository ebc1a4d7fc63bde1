// SPDX-License-Identifier: GPL-2.0-only
#include "config/conf_yaml.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "text/suggest.h"

#define MAX_KEYS 32u

static struct pcc_conf_pos pos_of(yaml_mark_t mark)
{
	return (struct pcc_conf_pos){(uint32_t)mark.line + 1, (uint32_t)mark.column + 1};
}

/* One error is one line, whatever the word has in it. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

int pcc_yaml_blame(const char *name, struct pcc_conf_pos at, int code, struct pcc_err *err)
{
	struct pcc_err was = *err;
	char place[32] = "";
	size_t room, len = strlen(name);
	const char *key = was.object;

	while (*key == '-')
		key++;
	if (at.line)
		snprintf(place, sizeof(place), ":%u:%u", at.line, at.column);
	room = sizeof(err->object) - strlen(place) - 1;
	/* of a long path the end says more */
	snprintf(err->object, sizeof(err->object), "%s%s%s", len > room ? "..." : "",
		len > room ? name + len - room + 3 : name, place);
	snprintf(err->cause, sizeof(err->cause), "%.96s%s%.157s", key, *key ? ": " : "", was.cause);
	make_printable(err->cause);
	make_printable(err->hint);
	return code;
}

/* --- syntax --------------------------------------------------------------------------------- */

/* Line and column of a byte; columns count characters of UTF-8. */
static struct pcc_conf_pos pos_at(const char *text, size_t len, size_t offset)
{
	struct pcc_conf_pos pos = {1, 1};

	for (size_t i = 0; i < offset && i < len; i++) {
		if (text[i] == '\n') {
			pos.line++;
			pos.column = 1;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) {
			pos.column++;
		}
	}
	return pos;
}

/* What stands at the place: a few words to recognise it by, for quoting. */
static void text_at(const char *text, size_t len, size_t offset, char buf[32])
{
	size_t n = 0;

	while (offset < len && n < 24 && text[offset] != '\n' && text[offset] != '\r')
		buf[n++] = text[offset++];
	while (n && isspace((unsigned char)buf[n - 1]))
		n--;
	buf[n] = '\0';
}

static int syntax_error(const yaml_parser_t *p, const char *text, size_t len, const char *name,
	struct pcc_conf_pos *pos, struct pcc_err *err)
{
	const char *problem = p->problem ? p->problem : "not understood";
	size_t offset = p->problem_mark.index;
	char word[32];

	if (p->error == YAML_MEMORY_ERROR) {
		pcc_err_set(err, -ENOMEM, "", "out of memory");
		return pcc_yaml_blame(name, *pos, -ENOMEM, err);
	}
	if (p->error == YAML_READER_ERROR) {
		*pos = pos_at(text, len, p->problem_offset);
		pcc_err_set(err, -EINVAL, "", "byte 0x%02x: %s",
			p->problem_offset < len ? (unsigned char)text[p->problem_offset] : 0,
			problem);
		pcc_err_hint(err, -EINVAL, "write the file in UTF-8");
		return pcc_yaml_blame(name, *pos, -EINVAL, err);
	}
	*pos = pos_of(p->problem_mark);
	/* the mark counts characters */
	offset = 0;
	for (size_t n = 0; offset < len && n < p->problem_mark.index; n++)
		do
			offset++;
		while (offset < len && ((unsigned char)text[offset] & 0xc0) == 0x80);
	text_at(text, len, offset, word);
	if (offset < len)
		pcc_err_set(err, -EINVAL, "", "at '%s': %s", word, problem);
	else
		pcc_err_set(err, -EINVAL, "", "at the end of the file: %s", problem);
	if (offset < len && text[offset] == '\t')
		pcc_err_hint(err, -EINVAL, "YAML wants blanks, not tabs, before a key");
	else if (p->context)
		pcc_err_hint(err, -EINVAL, "%s in line %zu", p->context, p->context_mark.line + 1);
	return pcc_yaml_blame(name, *pos, -EINVAL, err);
}

/* What one event of the stream says that is not wanted; NULL if nothing. */
static const char *unwanted(const yaml_event_t *event, unsigned int *documents)
{
	switch (event->type) {
	case YAML_ALIAS_EVENT:
		return (const char *)event->data.alias.anchor;
	case YAML_SCALAR_EVENT:
		return (const char *)event->data.scalar.anchor;
	case YAML_SEQUENCE_START_EVENT:
		return (const char *)event->data.sequence_start.anchor;
	case YAML_MAPPING_START_EVENT:
		return (const char *)event->data.mapping_start.anchor;
	case YAML_DOCUMENT_START_EVENT:
		return ++*documents > 1 ? "---" : NULL;
	default:
		return NULL;
	}
}

/* One document, no anchors: looked at before the nodes are built, which do not show them. */
static int check_stream(const char *text, size_t len, const char *name, struct pcc_conf_pos *pos,
	struct pcc_err *err)
{
	unsigned int documents = 0;
	bool end = false;
	yaml_parser_t p;
	int ret = 0;

	if (!yaml_parser_initialize(&p))
		return pcc_err_set(err, -ENOMEM, name, "out of memory");
	yaml_parser_set_input_string(&p, (const unsigned char *)text, len);
	while (!ret && !end) {
		yaml_event_t event;
		const char *word;

		if (!yaml_parser_parse(&p, &event)) {
			ret = syntax_error(&p, text, len, name, pos, err);
			break;
		}
		word = unwanted(&event, &documents);
		end = event.type == YAML_STREAM_END_EVENT;
		if (word) {
			*pos = pos_of(event.start_mark);
			if (documents > 1) {
				pcc_err_set(err, -EINVAL, "", "'---' begins a second document");
				pcc_err_hint(err, -EINVAL, "one file is one document");
			} else {
				pcc_err_set(err, -EINVAL, "",
					"'%.40s' is an anchor or an alias: not supported", word);
				pcc_err_hint(err, -EINVAL,
					"what all WANs have in common goes into 'defaults'");
			}
			ret = pcc_yaml_blame(name, *pos, -EINVAL, err);
		}
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&p);
	return ret;
}

/* --- schema --------------------------------------------------------------------------------- */

/* What the checks of a document share. */
struct check {
	struct pcc_yaml *y;
	struct pcc_conf_pos *pos;
	struct pcc_err *err;
};

static int check_value(
	struct check *c, const cyaml_schema_value_t *schema, const char *key, int id);

static const char *scalar(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

static int wrong(struct check *c, const yaml_node_t *node, int ret)
{
	*c->pos = pos_of(node->start_mark);
	return pcc_yaml_blame(c->y->name, *c->pos, ret, c->err);
}

/* A value of the wrong kind, with what it is and what it should be. */
static int wrong_kind(struct check *c, const yaml_node_t *node, const char *key, cyaml_type_e type)
{
	const char *hint = type == CYAML_SEQUENCE ? "a list is written [A, B] or as lines with '- '"
			   : type == CYAML_MAPPING ? "lines with KEY: VALUE are wanted"
						   : "one value is wanted";

	if (node->type == YAML_SCALAR_NODE)
		pcc_err_set(c->err, -EINVAL, key, "'%.60s' is not %s", scalar(node),
			type == CYAML_SEQUENCE ? "a list" : "a mapping");
	else
		pcc_err_set(c->err, -EINVAL, "", "'%s' is %s", key,
			node->type == YAML_SEQUENCE_NODE ? "a list" : "a mapping");
	pcc_err_hint(c->err, -EINVAL, "%s", hint);
	return wrong(c, node, -EINVAL);
}

static const cyaml_schema_field_t *field_named(const cyaml_schema_value_t *schema, const char *name,
	const char *names[MAX_KEYS], size_t *n)
{
	const cyaml_schema_field_t *found = NULL;

	*n = 0;
	for (const cyaml_schema_field_t *f = schema->mapping.fields; f->key; f++) {
		if (*n < MAX_KEYS)
			names[(*n)++] = f->key;
		if (!strcmp(f->key, name))
			found = f;
	}
	return found;
}

/* The key of a pair: known, and the first of its name. */
static int check_key(struct check *c, const cyaml_schema_value_t *schema, const yaml_node_t *map,
	const yaml_node_pair_t *pair, const cyaml_schema_field_t **field)
{
	const yaml_node_t *key = yaml_document_get_node(&c->y->doc, pair->key);
	const char *names[MAX_KEYS], *near;
	size_t n;

	if (key->type != YAML_SCALAR_NODE) {
		pcc_err_set(c->err, -EINVAL, "", "'%s' is not a key",
			key->type == YAML_SEQUENCE_NODE ? "[" : "{");
		return wrong(c, key, -EINVAL);
	}
	*field = field_named(schema, scalar(key), names, &n);
	if (!*field || strlen(scalar(key)) != key->data.scalar.length) {
		size_t used = 0;

		pcc_err_set(c->err, -EINVAL, "", "'%.60s' is not a key", scalar(key));
		near = pcc_suggest(scalar(key), names, n);
		pcc_err_hint(c->err, -EINVAL, near ? "did you mean '%s'?" : "one of: ", near);
		for (size_t i = 0; !near && i < n; i++) {
			used = strlen(c->err->hint);
			snprintf(c->err->hint + used, sizeof(c->err->hint) - used, "%s%s",
				i ? ", " : "", names[i]);
		}
		return wrong(c, key, -EINVAL);
	}
	for (const yaml_node_pair_t *p = map->data.mapping.pairs.start; p < pair; p++) {
		const yaml_node_t *other = yaml_document_get_node(&c->y->doc, p->key);

		if (strcmp(scalar(other), scalar(key)) != 0)
			continue;
		pcc_err_set(c->err, -EINVAL, "", "'%s' is there twice", scalar(key));
		pcc_err_hint(
			c->err, -EINVAL, "the first is in line %zu", other->start_mark.line + 1);
		return wrong(c, key, -EINVAL);
	}
	return 0;
}

static int check_text(struct check *c, const yaml_node_t *node, const char *key)
{
	if (node->type != YAML_SCALAR_NODE)
		return wrong_kind(c, node, key, CYAML_STRING);
	if (!node->data.scalar.length) {
		pcc_err_set(c->err, -EINVAL, "", "'%s' has no value", key);
		pcc_err_hint(c->err, -EINVAL, "write one, or leave '%s' out", key);
		return wrong(c, node, -EINVAL);
	}
	if (strlen(scalar(node)) != node->data.scalar.length) {
		pcc_err_set(c->err, -EINVAL, key, "'%.60s' has a zero byte in it", scalar(node));
		return wrong(c, node, -EINVAL);
	}
	return 0;
}

/* Lists and mappings may be empty: everything under the key is commented out. */
static bool is_null(const yaml_node_t *node)
{
	return node->type == YAML_SCALAR_NODE &&
	       node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (!scalar(node)[0] || !strcmp(scalar(node), "~") || !strcmp(scalar(node), "null"));
}

static int check_mapping(
	struct check *c, const cyaml_schema_value_t *schema, const yaml_node_t *node)
{
	const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	int ret = 0;

	for (; !ret && pair < node->data.mapping.pairs.top; pair++) {
		const cyaml_schema_field_t *field = NULL;

		ret = check_key(c, schema, node, pair, &field);
		if (!ret)
			ret = check_value(c, &field->value, field->key, pair->value);
	}
	return ret;
}

static int check_value(struct check *c, const cyaml_schema_value_t *schema, const char *key, int id)
{
	const yaml_node_t *node = yaml_document_get_node(&c->y->doc, id);
	int ret = 0;

	if (schema->type == CYAML_STRING)
		return check_text(c, node, key);
	if ((schema->flags & CYAML_FLAG_POINTER_NULL) == CYAML_FLAG_POINTER_NULL && is_null(node))
		return 0;
	if (node->type != (schema->type == CYAML_SEQUENCE ? YAML_SEQUENCE_NODE : YAML_MAPPING_NODE))
		return wrong_kind(c, node, key, schema->type);
	if (schema->type == CYAML_MAPPING)
		return check_mapping(c, schema, node);
	for (const yaml_node_item_t *i = node->data.sequence.items.start;
		!ret && i < node->data.sequence.items.top; i++)
		ret = check_value(c, schema->sequence.entry, key, *i);
	return ret;
}

int pcc_yaml_load(struct pcc_yaml *y, const char *text, size_t len, const char *name,
	const cyaml_schema_value_t *schema, struct pcc_conf_pos *pos, struct pcc_err *err)
{
	struct check c = {.y = y, .pos = pos, .err = err};
	yaml_parser_t p;
	int ret;

	memset(y, 0, sizeof(*y));
	*pos = (struct pcc_conf_pos){0, 0};
	y->name = name;
	ret = check_stream(text, len, name, pos, err);
	if (ret)
		return ret;
	if (!yaml_parser_initialize(&p))
		return pcc_err_set(err, -ENOMEM, name, "out of memory");
	yaml_parser_set_input_string(&p, (const unsigned char *)text, len);
	y->loaded = yaml_parser_load(&p, &y->doc);
	if (!y->loaded)
		ret = syntax_error(&p, text, len, name, pos, err);
	yaml_parser_delete(&p);
	if (ret || !yaml_document_get_root_node(&y->doc))
		return ret;
	return check_value(&c, schema, "the file", 1);
}

void pcc_yaml_free(struct pcc_yaml *y)
{
	if (y->loaded)
		yaml_document_delete(&y->doc);
	y->loaded = false;
}

/* --- paths ---------------------------------------------------------------------------------- */

/* The node under a key of len characters; NULL if there is none. */
static yaml_node_t *under(
	yaml_document_t *doc, const yaml_node_t *node, const char *key, size_t len)
{
	if (node->type != YAML_MAPPING_NODE)
		return NULL;
	for (const yaml_node_pair_t *p = node->data.mapping.pairs.start;
		p < node->data.mapping.pairs.top; p++) {
		const yaml_node_t *k = yaml_document_get_node(doc, p->key);

		if (k->type == YAML_SCALAR_NODE && k->data.scalar.length == len &&
			!memcmp(scalar(k), key, len))
			return yaml_document_get_node(doc, p->value);
	}
	return NULL;
}

static yaml_node_t *entry(yaml_document_t *doc, const yaml_node_t *node, unsigned long i)
{
	const yaml_node_item_t *items = node->data.sequence.items.start;

	if (node->type != YAML_SEQUENCE_NODE ||
		i >= (unsigned long)(node->data.sequence.items.top - items))
		return NULL;
	return yaml_document_get_node(doc, items[i]);
}

struct pcc_conf_pos pcc_yaml_find(const struct pcc_yaml *y, const char *path)
{
	yaml_document_t *doc = (yaml_document_t *)&y->doc; /* libyaml's getters take no const */
	yaml_node_t *node = y->loaded ? yaml_document_get_root_node(doc) : NULL;
	struct pcc_conf_pos pos = {1, 1};

	while (node && *path) {
		size_t len = strcspn(path, ".[]");
		char *end;

		pos = pos_of(node->start_mark);
		if (*path == '[') {
			node = entry(doc, node, strtoul(path + 1, &end, 10));
			path = end + 1;
		} else if (len) {
			node = under(doc, node, path, len);
			path += len;
		} else {
			path++;
		}
	}
	return node ? pos_of(node->start_mark) : pos;
}
