/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * THE table of keys: here, in conf_keys.c, and for the keys that are options of attach too in
 * model/base_keys.h. A configuration file is checked, read, written and merged by these rows; the
 * options of `attach` and the keys in pccbpf.yaml(5) are made of them. A key whose value is a
 * number, one word of several, or true/false needs nothing but its row; others name functions that
 * read and write them.
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
	PCC_KEY_MASK,	    /* of marks */
	PCC_KEY_DURATION,   /* in milliseconds */
	PCC_KEY_PERCENT,
	PCC_KEY_KEYWORD, /* one of names */
	PCC_KEY_BOOL,
	PCC_KEY_TEXT, /* what read() makes of it */
	PCC_KEY_LIST, /* of texts */
	PCC_KEY_MAP,  /* a mapping with keys of its own */
	PCC_KEY_MAPS, /* a list of such mappings */
};

struct pcc_key;
struct pcc_reader;
struct pcc_writer;

/* The value of a key in a file, on its way into the model. */
struct pcc_value {
	const struct pcc_key *key;
	const struct pcc_node *map;  /* with the key */
	const struct pcc_node *node; /* the value, or the entry of a list */
	const char *word;	     /* its text; NULL for a mapping */
	uint32_t i;		     /* number of the entry */
	void *model;		     /* what the key is a member of */
};

/* 0, or -EINVAL or -ENOMEM with the reader's error filled. */
typedef int pcc_read_fn(struct pcc_reader *r, const struct pcc_value *v);

typedef const char *pcc_text_fn(
	const struct pcc_conf *conf, const void *model, char buf[PCC_VALUE_TEXT_MAX]);
typedef void pcc_write_fn(
	struct pcc_writer *w, const struct pcc_key *key, struct pcc_node *map, const void *model);

struct pcc_key {
	const char *name; /* NULL ends a table */
	enum pcc_key_kind kind;
	/*
	 * For pccbpf.yaml(5): sentences, `words` of the file in back-quotes. Range, choices and
	 * default are added to it. NULL: as the option of attach.
	 */
	const char *help;

	/* The member of the model with the value: what the kinds up to PCC_KEY_BOOL need. */
	size_t offset, size;
	uint32_t min, max; /* of the number; of entries of a list */
	const char *const *names;
	size_t given; /* unless 0, a bool that tells whether the user gave a value */

	const char *required; /* unless NULL, the hint where it is missing */

	/* Of PCC_KEY_MAP and PCC_KEY_MAPS. */
	const struct pcc_key *keys;
	const char *too_many; /* the hint where a list is too long; or NULL */
	pcc_read_fn *begin;   /* before the entries of a list (node), unless it is empty */

	pcc_read_fn *read; /* of a value, or of each entry of a list */
	/* The text where it is not the default, into buf or from the model; else NULL. */
	pcc_text_fn *text;
	pcc_write_fn *write; /* adds what a text is not enough for */

	/* Where the pins keep it: a member of struct pcc_meta, or PCC_META_* of a bool. */
	size_t meta;
	uint32_t meta_flag;
};

#define PCC_KEY_OF(type, member)                                                                   \
	.offset = offsetof(struct type, member), .size = sizeof(((struct type *)0)->member)
#define PCC_KEY_META(member) .meta = offsetof(struct pcc_meta, member)

/* Places in pcc_base_keys. */
enum pcc_base_key {
#define X(sym, ...) PCC_BASE_##sym,
	PCC_BASE_KEYS(X)
#undef X
		PCC_N_BASE_KEYS
};

extern const struct pcc_key pcc_base_keys[PCC_N_BASE_KEYS];

/* What stands at the top of a file; the other tables hang on its rows. */
extern const struct pcc_key pcc_file_keys[];

/* A WAN of a file: what attach takes, and what the daemon knows beyond. */
struct pcc_wan_file {
	struct pcc_wan_cfg base;
	struct pcc_wan_conf more;
};

#define PCC_MAX_TIER 64u
#define PCC_DEF_STICKY_S 3600u
#define PCC_DEF_HOOK_MS 10000u

/* A WAN of which the file says nothing but its interface. */
void pcc_wan_file_defaults(struct pcc_wan_file *wan);

/*
 * The value of a key of the kinds up to PCC_KEY_BOOL, from a word to the model's member and back.
 * object is for errors: the key or the option. pcc_key_text() returns buf.
 */
int pcc_key_parse(const struct pcc_key *key, const char *object, const char *word, void *model,
	struct pcc_err *err);
const char *pcc_key_text(
	const struct pcc_key *key, const void *model, char buf[PCC_VALUE_TEXT_MAX]);
uint32_t pcc_key_get(const struct pcc_key *key, const void *model);
void pcc_key_set(const struct pcc_key *key, void *model, uint32_t value);

/* Has the user given it; is it not to be what it is in `usual`? */
bool pcc_key_differs(const struct pcc_key *key, const void *model, const void *usual);

/* The base keys of `from` that the user gave, or that have a default, to `to`. */
void pcc_base_copy(struct pcc_config *to, const struct pcc_config *from);

/* The base keys that have a place in the pins' pcc_meta, there and back; flags: of meta->flags. */
void pcc_base_to_meta(const struct pcc_config *cfg, struct pcc_meta *meta);
uint32_t pcc_base_meta_flags(const struct pcc_config *cfg);
void pcc_base_from_meta(struct pcc_config *cfg, const struct pcc_meta *meta);

#endif
