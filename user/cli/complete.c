// SPDX-License-Identifier: GPL-2.0-only
/* Completion: what can be typed next, from the tables of commands and options. Pure. */
#include "cli/complete.h"

#include <stdlib.h>
#include <string.h>

#define MAX_WORDS 4u

/* What the words before the one being typed tell. */
struct typed {
	FILE *out;
	pcc_complete_fn names_of;
	const char *words[MAX_WORDS]; /* words that are neither options nor their values */
	unsigned int nwords;
	const struct pcc_command *cmd; /* NULL while it is not known */
	unsigned int used;	       /* number of words in its name */
	uint64_t given;		       /* options given, as bits */
	const struct pcc_option *open; /* an option whose value comes next */
	bool options;		       /* there was no "--" yet */
	const char *dir;	       /* the value of --bpffs */
	const char *word;	       /* the word being typed */
};

/*
 * Finds an option by its name of len characters, among those of the command, or among all if the
 * command is not known.
 */
static enum pcc_opt option_named(const struct typed *t, const char *name, size_t len)
{
	for (unsigned int i = 0; i < PCC_OPT_MAX; i++)
		if ((!t->cmd || t->cmd->options & PCC_OPT_BIT(i)) &&
			strlen(pcc_options[i].name) == len &&
			!strncmp(pcc_options[i].name, name, len))
			return i;
	return PCC_OPT_MAX;
}

static void take_option(struct typed *t, const char *word)
{
	const char *equals = strchr(word, '=');
	enum pcc_opt opt = option_named(t, word, equals ? (size_t)(equals - word) : strlen(word));

	if (opt == PCC_OPT_MAX)
		return;
	t->given |= PCC_OPT_BIT(opt);
	if (!equals && pcc_options[opt].arg)
		t->open = &pcc_options[opt];
	if (equals && opt == PCC_OPT_BPFFS)
		t->dir = equals + 1;
}

static void take_word(struct typed *t, const char *word)
{
	if (t->open) {
		if (t->open == &pcc_options[PCC_OPT_BPFFS])
			t->dir = word;
		t->open = NULL;
	} else if (t->options && !strcmp(word, "--")) {
		t->options = false;
	} else if (t->options && word[0] == '-' && word[1]) {
		take_option(t, word);
	} else {
		if (t->nwords < MAX_WORDS)
			t->words[t->nwords] = word;
		t->nwords++;
		if (t->nwords <= 2)
			t->cmd = pcc_command_find(t->words, t->nwords, &t->used);
	}
}

/* Prints one candidate, with the part of the word before it. */
static void offer(const struct typed *t, const char *before, size_t len, const char *candidate,
	const char *meaning)
{
	const char *rest = t->word + len;

	if (strncmp(candidate, rest, strlen(rest)) != 0)
		return;
	fprintf(t->out, "%.*s%s", (int)len, before, candidate);
	if (meaning)
		fprintf(t->out, "\t%s", meaning);
	fputc('\n', t->out);
}

/* Offers the first words of commands, or the second words after a first one, each once. */
static void offer_commands(const struct typed *t, const char *first)
{
	char word[32], last[32] = "";

	for (int i = 0; i < PCC_CMD_MAX; i++) {
		const char *name = pcc_commands[i].name, *meaning = pcc_commands[i].summary;
		size_t len = strcspn(name, " ");

		if (first && (!name[len] || strlen(first) != len || strncmp(name, first, len) != 0))
			continue;
		snprintf(word, sizeof(word), "%.31s", first ? name + len + 1 : name);
		if (!first)
			word[len < sizeof(word) ? len : 0] = '\0';
		if (!first && name[len])
			meaning = NULL; /* it describes only one of them */
		if (strcmp(word, last) != 0)
			offer(t, "", 0, word, meaning);
		memcpy(last, word, sizeof(last));
	}
}

/* Is the name in the list of len characters already? */
static bool listed(const char *list, size_t len, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i + n < len; i += strcspn(list + i, ",") + 1)
		if (!strncmp(list + i, name, n) && strchr(",@*", list[i + n]))
			return true;
	return false;
}

static void offer_names(const struct typed *t, enum pcc_word kind, bool list, size_t skip)
{
	struct pcc_complete_names *names = calloc(1, sizeof(*names));
	const char *comma = list ? strrchr(t->word + skip, ',') : NULL;
	size_t len = comma ? (size_t)(comma - t->word) + 1 : skip;

	if (!names)
		return;
	t->names_of(kind, t->dir, names);
	if (list)
		fputs(":nospace\n", t->out);
	for (uint32_t i = 0; i < names->n; i++)
		if (!listed(t->word + skip, len - skip, names->name[i]))
			offer(t, t->word, len, names->name[i], NULL);
	free(names);
}

static void offer_kind(const struct typed *t, enum pcc_word kind, bool list, size_t skip)
{
	switch (kind) {
	case PCC_WORD_IFACE:
	case PCC_WORD_LAN:
	case PCC_WORD_WAN:
		offer_names(t, kind, list, skip);
		break;
	case PCC_WORD_FILE:
		fputs(":files\n", t->out);
		break;
	case PCC_WORD_DIR:
		fputs(":directories\n", t->out);
		break;
	case PCC_WORD_PROGRAM:
		fputs(":programs\n", t->out);
		break;
	case PCC_WORD_TOPIC:
		offer_commands(t, NULL);
		break;
	case PCC_WORD_ANY:
		break;
	}
}

/* Offers values of an option; they begin after skip characters of the word ("--scheme="). */
static void offer_value(const struct typed *t, const struct pcc_option *o, size_t skip)
{
	for (size_t i = 0; o->choices && o->choices[i]; i++)
		offer(t, t->word, skip, o->choices[i], NULL);
	offer_kind(t, o->value, o->arg && strchr(o->arg, ','), skip);
}

static void offer_options(const struct typed *t)
{
	const char *equals = strchr(t->word, '=');
	enum pcc_opt opt;

	if (equals) {
		opt = option_named(t, t->word, (size_t)(equals - t->word));
		if (opt != PCC_OPT_MAX)
			offer_value(t, &pcc_options[opt], (size_t)(equals - t->word) + 1);
		return;
	}
	for (unsigned int i = 0; t->cmd && i < PCC_OPT_MAX; i++)
		if (t->cmd->options & ~t->given & PCC_OPT_BIT(i))
			offer(t, "", 0, pcc_options[i].name, pcc_options[i].help);
	offer(t, "", 0, "--help", "explain the command");
	if (!t->cmd)
		offer(t, "", 0, "--version", "print the version");
}

/* Offers words that are not options. */
static void offer_words(const struct typed *t)
{
	unsigned int nth = t->nwords - t->used;

	if (!t->nwords) {
		offer_commands(t, NULL);
		offer_options(t);
		return;
	}
	if (t->nwords == 1 && pcc_command_is_group(t->words[0]))
		offer_commands(t, t->words[0]);
	if (!t->cmd)
		return;
	if (t->cmd->word[0] == PCC_WORD_TOPIC && nth == 1)
		offer_commands(t, t->words[1]);
	else if (nth < 2)
		offer_kind(t, t->cmd->word[nth], false, 0);
	else if (t->cmd->runs)
		fputs(":files\n", t->out);
}

void pcc_complete(FILE *out, const char *const *words, unsigned int n, pcc_complete_fn names_of)
{
	struct typed t = {.out = out, .names_of = names_of, .options = true, .word = ""};

	for (unsigned int i = 0; i + 1 < n; i++)
		take_word(&t, words[i]);
	if (n)
		t.word = words[n - 1];
	/* after `use IF` the options belong to another program */
	if (t.cmd && t.cmd->runs && t.nwords - t.used > t.cmd->max_words)
		t.options = false;
	if (t.open)
		offer_value(&t, t.open, 0);
	else if (t.options && t.word[0] == '-')
		offer_options(&t);
	else
		offer_words(&t);
}
