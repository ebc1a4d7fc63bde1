// SPDX-License-Identifier: GPL-2.0-only
/*
 * mkman: puts into a manual page (standard input, to standard output) what the tables of options
 * and of keys say. Run by make; not installed. A line of its own in the page:
 *
 *   @OPTION --name@   the option's paragraph; prose that follows in the page is added to it
 *   @OPTIONS@         those of attach that no @OPTION@ has named
 *   @KEYS@            a paragraph for each key of a file
 *   @KEYS name@       for each key of the mapping under that key
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "config/conf_keys.h"

static bool shown[PCC_OPT_MAX];

/* As roff: dashes that can be typed; `words` in bold. */
static void put(const char *text)
{
	bool bold = false;

	for (; *text; text++) {
		if (*text == '`') {
			bold = !bold;
			fputs(bold ? "\\fB" : "\\fR", stdout);
		} else if (*text == '-') {
			fputs("\\-", stdout);
		} else {
			putchar(*text);
		}
	}
}

/* What help says, as a sentence. */
static void put_sentence(const char *text)
{
	char first[2] = {(char)toupper((unsigned char)*text)};

	put(first);
	put(text + 1);
	fputs(text[strlen(text) - 1] == '.' ? "\n" : ".\n", stdout);
}

static void put_option_text(const struct pcc_option *o)
{
	put_sentence(o->help);
	for (size_t i = 0; o->choices && o->choices[i]; i++) {
		fputs(i ? ",\n" : "One of\n", stdout);
		put(o->choices[i]);
	}
	if (o->choices)
		fputs(".\n", stdout);
	if (o->def) {
		fputs("Default: ", stdout);
		put(o->def);
		fputs(".\n", stdout);
	}
}

static void put_option(enum pcc_opt opt)
{
	const struct pcc_option *o = &pcc_options[opt];

	shown[opt] = true;
	fputs(o->arg ? ".TP\n.BI " : ".TP\n.B ", stdout);
	put(o->name);
	if (o->arg)
		printf("\\~ %s", o->arg);
	putchar('\n');
	put_option_text(o);
}

static void put_range(const struct pcc_key *key)
{
	char min[PCC_VALUE_TEXT_MAX], max[PCC_VALUE_TEXT_MAX];

	if (key->kind == PCC_KEY_NUMBER)
		printf("%u to %u.\n", key->min, key->max);
	else if (key->kind == PCC_KEY_DURATION)
		printf("%s to %s.\n", pcc_duration_text(key->min, min),
			pcc_duration_text(key->max, max));
	else if (key->kind == PCC_KEY_LIST || key->kind == PCC_KEY_MAPS)
		printf("At most %u.\n", key->max);
}

/* A key that is an option too has the option's text, unless its row says something else. */
static void put_base_key(const struct pcc_key *key, const struct pcc_option *o)
{
	if (key->help)
		put_sentence(key->help);
	else
		put_option_text(o);
	fputs("As\n.B ", stdout);
	put(o->name);
	fputs("\nof\n.BR \"pccbpf attach\" .\n", stdout);
}

/* usual: the model with the defaults, or NULL where these keys have none. */
static void put_keys(const struct pcc_key *keys, const void *usual)
{
	char buf[PCC_VALUE_TEXT_MAX];

	for (const struct pcc_key *key = keys; key->name; key++) {
		uint32_t base = 0;

		fputs(".TP\n.B ", stdout);
		put(key->name);
		putchar('\n');
		while (base < PCC_N_BASE_KEYS && strcmp(pcc_base_keys[base].name, key->name) != 0)
			base++;
		if (keys == pcc_file_keys && base < PCC_N_BASE_KEYS) {
			put_base_key(key, &pcc_options[PCC_OPT_CLASSIFIER + base]);
			continue;
		}
		put_sentence(key->help);
		put_range(key);
		if (key->required)
			fputs("Must be there.\n", stdout);
		if (usual && key->kind < PCC_KEY_TEXT) {
			fputs("Default: ", stdout);
			put(pcc_key_text(key, usual, buf));
			fputs(".\n", stdout);
		}
	}
}

/* The keys under a key, at any depth. */
static const struct pcc_key *keys_under(const struct pcc_key *keys, const char *name)
{
	const struct pcc_key *found = NULL;

	for (; !found && keys->name; keys++)
		if (keys->keys)
			found = strcmp(keys->name, name) ? keys_under(keys->keys, name)
							 : keys->keys;
	return found;
}

static void put_keys_under(const char *name)
{
	static const struct pcc_hook_conf hook = {.timeout_ms = PCC_DEF_HOOK_MS};
	const struct pcc_key *keys = *name ? keys_under(pcc_file_keys, name) : pcc_file_keys;
	struct pcc_wan_file wan;

	pcc_wan_file_defaults(&wan);
	if (!keys) {
		fprintf(stderr, "mkman: no keys under '%s'\n", name);
		exit(1);
	}
	put_keys(keys, !strcmp(name, "wans")	 ? (const void *)&wan
		       : !strcmp(name, "health") ? (const void *)&wan.more.health
		       : !strcmp(name, "hooks")	 ? (const void *)&hook
						 : NULL);
}

static void put_option_named(const char *name)
{
	for (int opt = 0; opt < PCC_OPT_MAX; opt++) {
		if (strcmp(pcc_options[opt].name, name) != 0)
			continue;
		put_option(opt);
		return;
	}
	fprintf(stderr, "mkman: no option '%s'\n", name);
	exit(1);
}

int main(void)
{
	const uint64_t attach = pcc_commands[PCC_CMD_ATTACH].options;
	char line[4096], name[64];

	while (fgets(line, sizeof(line), stdin)) {
		if (!strcmp(line, "@OPTIONS@\n")) {
			for (int opt = 0; opt < PCC_OPT_MAX; opt++)
				if (!shown[opt] && attach & PCC_OPTS_BASE & PCC_OPT_BIT(opt))
					put_option(opt);
		} else if (sscanf(line, "@OPTION %63[^@]@", name) == 1) {
			put_option_named(name);
		} else if (!strcmp(line, "@KEYS@\n")) {
			put_keys_under("");
		} else if (sscanf(line, "@KEYS %63[^@]@", name) == 1) {
			put_keys_under(name);
		} else {
			fputs(line, stdout);
		}
	}
	return ferror(stdin) || fflush(stdout);
}
