/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A YAML document and where everything in it stands. libcyaml tells what a file says, but not in
 * which line and column a value was, and its messages are for programmers. So libyaml reads the
 * text too: its nodes carry their marks, a path as "wans[1].health.quorum" leads to one of them,
 * and the schema that libcyaml is about to use is checked on them first, in the user's words.
 */
#ifndef PCC_CONF_YAML_H
#define PCC_CONF_YAML_H

#include <cyaml/cyaml.h>
#include <stdbool.h>
#include <yaml.h>

#include "config/conf.h"

struct pcc_yaml {
	yaml_document_t doc;
	const char *name; /* of the file, for errors */
	bool loaded;
};

/*
 * Parses one document and checks it against the schema (mappings, sequences and strings): syntax,
 * anchors (refused: libcyaml's aliases share what they name, and `defaults` is there instead),
 * keys that are unknown or there twice, values of the wrong kind. 0, -EINVAL or -ENOMEM with err
 * and pos filled. name must outlive it. pcc_yaml_free() also after an error.
 */
int pcc_yaml_load(struct pcc_yaml *y, const char *text, size_t len, const char *name,
	const cyaml_schema_value_t *schema, struct pcc_conf_pos *pos, struct pcc_err *err);
void pcc_yaml_free(struct pcc_yaml *y);

/* The place of a value; of the nearest that encloses it where the path leads to nothing. */
struct pcc_conf_pos pcc_yaml_find(const struct pcc_yaml *y, const char *path);

/*
 * Turns an error about a value, whose object is a key or an option, into one about the place: the
 * object becomes FILE:LINE:COLUMN, the key moves to the cause. Returns code.
 */
int pcc_yaml_blame(const char *name, struct pcc_conf_pos at, int code, struct pcc_err *err);

#endif
