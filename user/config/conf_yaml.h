/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A YAML document as a tree of nodes that know their place, from a text and back to one. The one
 * file that includes libyaml is conf_yaml.c: the parser's events become the nodes, the emitter
 * writes them.
 */
#ifndef PCC_CONF_YAML_H
#define PCC_CONF_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "config/conf.h"

enum pcc_node_kind {
	PCC_NODE_TEXT,
	PCC_NODE_LIST,
	PCC_NODE_MAP, /* its children: a key, its value, the next key, ... */
};

struct pcc_node {
	enum pcc_node_kind kind;
	char *text; /* of PCC_NODE_TEXT; a zero byte stands behind len */
	size_t len;
	bool plain; /* written without quotes */
	struct pcc_conf_pos pos;
	struct pcc_node *parent, *first, *last, *next;
	struct pcc_node *made_before; /* all nodes of the tree hang on this chain */
};

/* The empty one is all zeroes. */
struct pcc_tree {
	struct pcc_node *root; /* NULL where there is nothing but comments */
	struct pcc_node *made;
	bool no_memory; /* a node could not be had */
};

/*
 * Parses one document. A syntax error, bytes that are no UTF-8, a second document, an anchor or an
 * alias (`defaults` is there instead) are errors. 0, -EINVAL or -ENOMEM with err and pos filled;
 * pcc_tree_free() also after an error. name is the file's, for errors.
 */
int pcc_tree_parse(struct pcc_tree *tree, const char *text, size_t len, const char *name,
	struct pcc_conf_pos *pos, struct pcc_err *err);
void pcc_tree_free(struct pcc_tree *tree);

/* The value under a key of a mapping; NULL if there is none, or node is NULL or no mapping. */
const struct pcc_node *pcc_node_under(const struct pcc_node *node, const char *key);

/* Does it say nothing: an empty plain text, ~ or null? Stands for an empty list or mapping. */
bool pcc_node_is_null(const struct pcc_node *node);

/* A node without a parent; text (copied) for PCC_NODE_TEXT. NULL, and no_memory is set. */
struct pcc_node *pcc_node_new(struct pcc_tree *tree, enum pcc_node_kind kind, const char *text);

/* Makes it the last child of parent. Either may be NULL. */
void pcc_node_add(struct pcc_node *parent, struct pcc_node *child);

/*
 * As YAML, into *text, with a terminating 0, to be freed. Lists of texts take one line, all else a
 * line each. 0 or -ENOMEM.
 */
int pcc_tree_text(const struct pcc_tree *tree, char **text, size_t *len);

/*
 * Turns an error about a value, whose object is a key or an option, into one about the place: the
 * object becomes FILE:LINE:COLUMN, the key moves to the cause. Returns code.
 */
int pcc_yaml_blame(const char *name, struct pcc_conf_pos at, int code, struct pcc_err *err);

#endif
