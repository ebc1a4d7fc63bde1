/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A YAML document as a tree of nodes that know their place in the text; reading and writing it.
 * conf_yaml.c is the only file here that uses libyaml: the parser's events become nodes, and the
 * emitter writes them.
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
	PCC_NODE_MAP, /* its children are a key, its value, the next key, ... */
};

struct pcc_node {
	enum pcc_node_kind kind;
	char *text; /* of PCC_NODE_TEXT: len bytes and a terminating 0 */
	size_t len;
	bool plain; /* written without quotes */
	struct pcc_conf_pos pos;
	struct pcc_node *parent, *first, *last, *next;
	struct pcc_node *made_before; /* links all nodes of the tree, for freeing them */
};

/* A document. The empty one is all zeroes. */
struct pcc_tree {
	struct pcc_node *root; /* NULL if the text has nothing but comments */
	struct pcc_node *made;
	bool no_memory; /* memory ran out when a node was added */
};

/*
 * Parses one document. Errors are: wrong syntax, bytes that are not UTF-8, a second document, an
 * anchor or an alias (`defaults` replaces them). name is the file's, for errors. Returns 0, or
 * -EINVAL or -ENOMEM with err and pos filled. The caller calls pcc_tree_free(), also after an
 * error.
 */
int pcc_tree_parse(struct pcc_tree *tree, const char *text, size_t len, const char *name,
	struct pcc_conf_pos *pos, struct pcc_err *err);
void pcc_tree_free(struct pcc_tree *tree);

/*
 * Returns the value of a key in a mapping, or NULL if the key is missing, or node is NULL or not a
 * mapping.
 */
const struct pcc_node *pcc_node_under(const struct pcc_node *node, const char *key);

/* Is the node an empty plain text, ~ or null? Such a node stands for an empty list or mapping. */
bool pcc_node_is_null(const struct pcc_node *node);

/*
 * Creates a node without a parent, with a copy of text for PCC_NODE_TEXT. Without memory it returns
 * NULL and sets tree->no_memory.
 */
struct pcc_node *pcc_node_new(struct pcc_tree *tree, enum pcc_node_kind kind, const char *text);

/* Appends child to the children of parent. Does nothing if either is NULL. */
void pcc_node_add(struct pcc_node *parent, struct pcc_node *child);

/*
 * Writes the tree as YAML into *text, with a terminating 0; the caller frees it. A list of texts
 * takes one line, everything else a line each. Returns 0 or -ENOMEM.
 */
int pcc_tree_text(const struct pcc_tree *tree, char **text, size_t *len);

/*
 * Turns an error about a value, whose object is a key or an option, into an error about a place:
 * the object becomes FILE:LINE:COLUMN, and the key moves to the cause. Returns code.
 */
int pcc_yaml_blame(const char *name, struct pcc_conf_pos at, int code, struct pcc_err *err);

#endif
