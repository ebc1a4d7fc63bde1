// SPDX-License-Identifier: GPL-2.0-only
/* YAML text to a tree of nodes and back, with libyaml. */
#include "config/conf_yaml.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define MAX_DEPTH 16

static struct pcc_conf_pos pos_of(yaml_mark_t mark)
{
	return (struct pcc_conf_pos){(uint32_t)mark.line + 1, (uint32_t)mark.column + 1};
}

/* Replaces control characters, so that an error stays on one line whatever it quotes. */
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
	/* Of a long path the end is kept, as it says more than the beginning. */
	snprintf(err->object, sizeof(err->object), "%s%s%s", len > room ? "..." : "",
		len > room ? name + len - room + 3 : name, place);
	snprintf(err->cause, sizeof(err->cause), "%.96s%s%.157s", key, *key ? ": " : "", was.cause);
	make_printable(err->cause);
	make_printable(err->hint);
	return code;
}

/* --- syntax --------------------------------------------------------------------------------- */

/* Line and column of the byte at offset. Columns count UTF-8 characters, not bytes. */
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

/* Copies a few words of the text at the offset to buf, for quoting in an error. */
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
	/* libyaml's mark counts characters, the offset bytes */
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

/* --- nodes ---------------------------------------------------------------------------------- */

static struct pcc_node *new_node(
	struct pcc_tree *tree, enum pcc_node_kind kind, const char *text, size_t len)
{
	struct pcc_node *node = calloc(1, sizeof(*node));

	if (node && kind == PCC_NODE_TEXT) {
		node->text = malloc(len + 1);
		if (!node->text) {
			free(node);
			node = NULL;
		}
	}
	if (!node) {
		tree->no_memory = true;
		return NULL;
	}
	node->kind = kind;
	if (node->text) {
		memcpy(node->text, text, len);
		node->text[len] = '\0';
		node->len = len;
	}
	node->made_before = tree->made;
	tree->made = node;
	return node;
}

struct pcc_node *pcc_node_new(struct pcc_tree *tree, enum pcc_node_kind kind, const char *text)
{
	return new_node(tree, kind, text, text ? strlen(text) : 0);
}

void pcc_node_add(struct pcc_node *parent, struct pcc_node *child)
{
	if (!parent || !child)
		return;
	child->parent = parent;
	if (parent->last)
		parent->last->next = child;
	else
		parent->first = child;
	parent->last = child;
}

void pcc_tree_free(struct pcc_tree *tree)
{
	struct pcc_node *node = tree->made;

	while (node) {
		struct pcc_node *before = node->made_before;

		free(node->text);
		free(node);
		node = before;
	}
	memset(tree, 0, sizeof(*tree));
}

const struct pcc_node *pcc_node_under(const struct pcc_node *node, const char *key)
{
	const struct pcc_node *k = node && node->kind == PCC_NODE_MAP ? node->first : NULL;

	for (; k; k = k->next->next)
		if (k->kind == PCC_NODE_TEXT && k->len == strlen(key) && !strcmp(k->text, key))
			return k->next;
	return NULL;
}

bool pcc_node_is_null(const struct pcc_node *node)
{
	return node->kind == PCC_NODE_TEXT && node->plain &&
	       (!node->text[0] || !strcmp(node->text, "~") || !strcmp(node->text, "null"));
}

/* --- from text ------------------------------------------------------------------------------ */

/* The state of parsing one text. */
struct load {
	struct pcc_tree *tree;
	const char *name;
	struct pcc_node *in; /* the innermost list or mapping that is open; NULL at the top */
	unsigned int documents;
	unsigned int depth; /* lists and mappings that are open */
	struct pcc_conf_pos *pos;
	struct pcc_err *err;
};

/*
 * The name of the event's anchor, or of the anchor that an alias refers to; NULL if there is none.
 */
static const char *anchor_of(const yaml_event_t *event)
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
	default:
		return NULL;
	}
}

static int unwanted(struct load *l, const yaml_event_t *event, const char *anchor)
{
	*l->pos = pos_of(event->start_mark);
	if (anchor) {
		pcc_err_set(l->err, -EINVAL, "", "'%.40s' is an anchor or an alias: not supported",
			anchor);
		pcc_err_hint(l->err, -EINVAL, "what all WANs have in common goes into 'defaults'");
	} else {
		pcc_err_set(l->err, -EINVAL, "", "'---' begins a second document");
		pcc_err_hint(l->err, -EINVAL, "one file is one document");
	}
	return pcc_yaml_blame(l->name, *l->pos, -EINVAL, l->err);
}

/* No key is so deep. libyaml takes time in the square of the depth. */
static int too_deep(struct load *l, const yaml_event_t *event)
{
	*l->pos = pos_of(event->start_mark);
	pcc_err_set(
		l->err, -EINVAL, "", "lists and mappings are nested more than %d deep", MAX_DEPTH);
	pcc_err_hint(l->err, -EINVAL, "no key of a configuration is so deep");
	return pcc_yaml_blame(l->name, *l->pos, -EINVAL, l->err);
}

static int add_event_node(struct load *l, const yaml_event_t *event)
{
	enum pcc_node_kind kind = event->type == YAML_SCALAR_EVENT	     ? PCC_NODE_TEXT
				  : event->type == YAML_SEQUENCE_START_EVENT ? PCC_NODE_LIST
									     : PCC_NODE_MAP;
	bool text = kind == PCC_NODE_TEXT;
	struct pcc_node *node =
		new_node(l->tree, kind, text ? (const char *)event->data.scalar.value : NULL,
			text ? event->data.scalar.length : 0);

	if (!node)
		return pcc_err_set(l->err, -ENOMEM, l->name, "out of memory");
	node->plain = text && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	node->pos = pos_of(event->start_mark);
	if (l->in)
		pcc_node_add(l->in, node);
	else
		l->tree->root = node;
	if (!text)
		l->in = node;
	return 0;
}

static int take_event(struct load *l, const yaml_event_t *event)
{
	const char *anchor = anchor_of(event);

	if (anchor)
		return unwanted(l, event, anchor);
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return ++l->documents > 1 ? unwanted(l, event, NULL) : 0;
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		if (++l->depth > MAX_DEPTH)
			return too_deep(l, event);
		return add_event_node(l, event);
	case YAML_SCALAR_EVENT:
		return add_event_node(l, event);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		l->depth--;
		l->in = l->in->parent;
		return 0;
	default:
		return 0;
	}
}

int pcc_tree_parse(struct pcc_tree *tree, const char *text, size_t len, const char *name,
	struct pcc_conf_pos *pos, struct pcc_err *err)
{
	struct load l = {.tree = tree, .name = name, .pos = pos, .err = err};
	bool end = false;
	yaml_parser_t p;
	int ret = 0;

	memset(tree, 0, sizeof(*tree));
	*pos = (struct pcc_conf_pos){0, 0};
	if (!yaml_parser_initialize(&p))
		return pcc_err_set(err, -ENOMEM, name, "out of memory");
	yaml_parser_set_input_string(&p, (const unsigned char *)text, len);
	while (!ret && !end) {
		yaml_event_t event;

		if (!yaml_parser_parse(&p, &event)) {
			ret = syntax_error(&p, text, len, name, pos, err);
			break;
		}
		end = event.type == YAML_STREAM_END_EVENT;
		ret = take_event(&l, &event);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&p);
	return ret;
}

/* --- to text -------------------------------------------------------------------------------- */

/* Creates the event that begins a node. Lists of texts are written on one line. */
static int start_event(yaml_event_t *event, const struct pcc_node *node)
{
	bool words = node->first && node->first->kind == PCC_NODE_TEXT;

	switch (node->kind) {
	case PCC_NODE_LIST:
		return yaml_sequence_start_event_initialize(event, NULL, NULL, 1,
			words ? YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE);
	case PCC_NODE_MAP:
		return yaml_mapping_start_event_initialize(
			event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE);
	case PCC_NODE_TEXT:
		break;
	}
	return yaml_scalar_event_initialize(event, NULL, NULL, (yaml_char_t *)node->text,
		(int)node->len, 1, 1, YAML_PLAIN_SCALAR_STYLE);
}

static int end_event(yaml_event_t *event, const struct pcc_node *node)
{
	return node->kind == PCC_NODE_LIST ? yaml_sequence_end_event_initialize(event)
					   : yaml_mapping_end_event_initialize(event);
}

/* Writes all nodes below root in order, without recursion. */
static bool emit_nodes(yaml_emitter_t *emitter, const struct pcc_node *root)
{
	const struct pcc_node *node = root;
	yaml_event_t event;

	while (node) {
		if (!start_event(&event, node) || !yaml_emitter_emit(emitter, &event))
			return false;
		if (node->kind != PCC_NODE_TEXT && node->first) {
			node = node->first;
			continue;
		}
		for (;; node = node->parent) {
			if (node->kind != PCC_NODE_TEXT &&
				(!end_event(&event, node) || !yaml_emitter_emit(emitter, &event)))
				return false;
			if (node == root)
				return true;
			if (node->next)
				break;
		}
		node = node->next;
	}
	return true;
}

static int to_stream(void *stream, unsigned char *bytes, size_t len)
{
	return fwrite(bytes, 1, len, stream) == len;
}

int pcc_tree_text(const struct pcc_tree *tree, char **text, size_t *len)
{
	yaml_emitter_t emitter;
	yaml_event_t event;
	FILE *stream;
	bool done;

	*text = NULL;
	*len = 0;
	if (tree->no_memory || !tree->root)
		return -ENOMEM;
	stream = open_memstream(text, len);
	if (!stream || !yaml_emitter_initialize(&emitter)) {
		if (stream)
			fclose(stream);
		free(*text);
		*text = NULL;
		return -ENOMEM;
	}
	yaml_emitter_set_output(&emitter, to_stream, stream);
	done = yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) &&
	       yaml_emitter_emit(&emitter, &event) &&
	       yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1) &&
	       yaml_emitter_emit(&emitter, &event) && emit_nodes(&emitter, tree->root) &&
	       yaml_document_end_event_initialize(&event, 1) &&
	       yaml_emitter_emit(&emitter, &event) && yaml_stream_end_event_initialize(&event) &&
	       yaml_emitter_emit(&emitter, &event);
	yaml_emitter_delete(&emitter);
	if (fclose(stream) || !done) {
		free(*text);
		*text = NULL;
		return -ENOMEM;
	}
	return 0;
}
