/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of keys. The rows are in conf_keys.c, and in model/base_keys.h for the keys that are
 * options of attach too. Configuration files are checked, read, written and merged by these rows;
 * the options of `attach` and the list of keys in pccbpf.yaml(5) are generated from them. A key
 * whose value is a number, one of several words, or true/false needs nothing but its row; others
 * name functions that read and write them.
 */
#ifndef PCC_CONF_KEYS_H
#define PCC_CONF_KEYS_H

#include <stddef.h>

#include "config/conf.h"
#include "config/conf_value.h"
#include "config/conf_yaml.h"

enum pcc_key_kind {
	PCC_KEY_NUMBER,
	PCC_KEY_HEX_NUMBER, /* decimal or 0x..., written in hexadecimal */
	PCC_KEY_MASK,	    /* a mask of marks, hexadecimal */
	PCC_KEY_DURATION,   /* with a unit; milliseconds in the model */
	PCC_KEY_PERCENT,
	PCC_KEY_KEYWORD, /* one of `names` */
	PCC_KEY_BOOL,
	PCC_KEY_TEXT, /* any text; read() interprets it */
	PCC_KEY_LIST, /* a list of texts */
	PCC_KEY_MAP,  /* a mapping with keys of its own */
	PCC_KEY_MAPS, /* a list of such mappings */
};

struct pcc_key;
struct pcc_reader;
struct pcc_writer;

/* A value in a file that is being read, as the read functions get it. */
struct pcc_value {
	const struct pcc_key *key;
	const struct pcc_node *map;  /* the mapping that contains the key */
	const struct pcc_node *node; /* the value, or one entry of a list */
	const char *word;	     /* the text of node; NULL for a mapping */
	uint32_t i;		     /* index of the entry in the list */
	void *model;		     /* the struct that the value is to be stored in */
};

/* Reads a value into the model. Returns 0, or -EINVAL or -ENOMEM with the reader's error filled. */
typedef int pcc_read_fn(struct pcc_reader *r, const struct pcc_value *v);

typedef const char *pcc_text_fn(
	const struct pcc_conf *conf, const void *model, char buf[PCC_VALUE_TEXT_MAX]);
typedef void pcc_write_fn(
	struct pcc_writer *w, const struct pcc_key *key, struct pcc_node *map, const void *model);

struct pcc_key {
	const char *name; /* NULL marks the end of a table */
	enum pcc_key_kind kind;
	/*
	 * The text for pccbpf.yaml(5): sentences, with `words` of the file in back-quotes. Range,
	 * choices and default are added to it. NULL: the help of the option of attach is used.
	 */
	const char *help;

	/* Where the model has the value. Needed for the kinds up to PCC_KEY_BOOL only. */
	size_t offset, size;
	uint32_t min, max; /* of a number; or how many entries a list may have */
	const char *const *names;
	size_t given; /* unless 0, the offset of a bool: did the user give a value? */

	const char *required; /* unless NULL, the key must be there; the hint if it is missing */

	/* For PCC_KEY_MAP and PCC_KEY_MAPS. */
	const struct pcc_key *keys;
	const char *too_many; /* the hint if a list is too long; may be NULL */
	pcc_read_fn *begin;   /* called with a list (node) before its entries, unless it is empty */

	pcc_read_fn *read; /* called with a value, or with each entry of a list */
	/*
	 * Returns the value as text (in buf, or text of the model), or NULL if it is the default.
	 */
	pcc_text_fn *text;
	pcc_write_fn *write; /* writes values that are more than one text */

	/*
	 * Where the pins keep the value: a member of struct pcc_meta, or a flag PCC_META_* for a
	 * bool.
	 */
	size_t meta;
	uint32_t meta_flag;
};

#define PCC_KEY_OF(type, member)                                                                   \
	.offset = offsetof(struct type, member), .size = sizeof(((struct type *)0)->member)
#define PCC_KEY_META(member) .meta = offsetof(struct pcc_meta, member)

/* Indexes of pcc_base_keys. */
enum pcc_base_key {
#define X(sym, ...) PCC_BASE_##sym,
	PCC_BASE_KEYS(X)
#undef X
		PCC_N_BASE_KEYS
};

extern const struct pcc_key pcc_base_keys[PCC_N_BASE_KEYS];

/* The keys at the top of a file; the tables of nested keys are reached from these rows. */
extern const struct pcc_key pcc_file_keys[];

/* A WAN of a file: what attach takes, and what only the file can say. */
struct pcc_wan_file {
	struct pcc_wan_cfg base;
	struct pcc_wan_conf more;
};

#define PCC_MAX_TIER 64u
#define PCC_DEF_STICKY_S 3600u
#define PCC_DEF_HOOK_MS 10000u

/* Fills wan with the values of a WAN for which the file gives only its interface. */
void pcc_wan_file_defaults(struct pcc_wan_file *wan);

/*
 * Converting the value of a key (of the kinds up to PCC_KEY_BOOL) between a word and its member in
 * model. `object` is what errors name: the key or the option. pcc_key_parse() returns 0 or -EINVAL
 * with err filled, pcc_key_text() returns buf.
 */
int pcc_key_parse(const struct pcc_key *key, const char *object, const char *word, void *model,
	struct pcc_err *err);
const char *pcc_key_text(
	const struct pcc_key *key, const void *model, char buf[PCC_VALUE_TEXT_MAX]);
uint32_t pcc_key_get(const struct pcc_key *key, const void *model);
void pcc_key_set(const struct pcc_key *key, void *model, uint32_t value);

/*
 * Does the value have to be written to a file? A key with `given`: if the user gave a value; any
 * other key: if its value differs from that in `usual`.
 */
bool pcc_key_differs(const struct pcc_key *key, const void *model, const void *usual);

/* Copies the base keys to `to`, except those with `given` for which the user gave no value. */
void pcc_base_copy(struct pcc_config *to, const struct pcc_config *from);

/*
 * Copy the base keys that have a place in the pins' struct pcc_meta to it and back.
 * pcc_base_meta_flags() returns the bits for meta->flags.
 */
void pcc_base_to_meta(const struct pcc_config *cfg, struct pcc_meta *meta);
uint32_t pcc_base_meta_flags(const struct pcc_config *cfg);
void pcc_base_from_meta(struct pcc_config *cfg, const struct pcc_meta *meta);

#endif
