// SPDX-License-Identifier: GPL-2.0-only
/* Parses the command line by the tables of commands and options. Pure. */
#include "cli/options.h"

#include <errno.h>
#include <string.h>

#include "base/array.h"
#include "text/parse.h"
#include "text/suggest.h"

/* Is the command's name `first`, or `first` and `second` if second is not NULL? */
static bool name_is(const struct pcc_command *cmd, const char *first, const char *second)
{
	size_t len = strlen(first);

	if (strncmp(cmd->name, first, len) != 0)
		return false;
	if (!second)
		return cmd->name[len] == '\0';
	return cmd->name[len] == ' ' && strcmp(cmd->name + len + 1, second) == 0;
}

const struct pcc_command *pcc_command_find(
	const char *const *words, unsigned int nwords, unsigned int *used)
{
	for (*used = nwords < 2 ? nwords : 2; *used > 0; --*used)
		for (int i = 0; i < PCC_CMD_MAX; i++)
			if (name_is(&pcc_commands[i], words[0], *used == 2 ? words[1] : NULL))
				return &pcc_commands[i];
	return NULL;
}

bool pcc_command_is_group(const char *word)
{
	size_t len = strlen(word);

	for (int i = 0; len && i < PCC_CMD_MAX; i++)
		if (strncmp(pcc_commands[i].name, word, len) == 0 &&
			pcc_commands[i].name[len] == ' ')
			return true;
	return false;
}

/* The command of the group that other programs call by this word; NULL: none. */
static const char *synonym(const char *group, const char *word, const char *const *names)
{
	static const struct {
		const char *theirs, *ours;
	} words[] = {{"rm", "del"}, {"remove", "del"}, {"delete", "del"}, {"ls", "list"},
		{"show", "list"}, {"change", "set"}, {"new", "add"}};
	char name[32];

	for (size_t i = 0; i < COUNT(words); i++) {
		if (strcmp(words[i].theirs, word) != 0)
			continue;
		snprintf(name, sizeof(name), "%.16s %s", group, words[i].ours);
		for (int c = 0; c < PCC_CMD_MAX; c++)
			if (strcmp(names[c], name) == 0)
				return names[c];
	}
	return NULL;
}

/* Reports a command that does not exist, and suggests the one that was probably meant. */
static int unknown_command(const char *const *words, unsigned int nwords, struct pcc_err *err)
{
	char given[96], firsts[PCC_CMD_MAX][16], all[192] = "";
	const char *names[PCC_CMD_MAX], *near;
	bool group = pcc_command_is_group(words[0]);
	size_t used = 0, len = strlen(words[0]);

	snprintf(given, sizeof(given), group && nwords > 1 ? "%.40s %.40s" : "%.40s", words[0],
		nwords > 1 ? words[1] : "");
	for (int i = 0; i < PCC_CMD_MAX; i++) {
		const char *name = pcc_commands[i].name;

		snprintf(firsts[i], sizeof(firsts[i]), "%.*s", (int)strcspn(name, " "), name);
		names[i] = group ? name : firsts[i];
		if (group && strncmp(name, words[0], len) == 0 && name[len] == ' ')
			used += (size_t)snprintf(
				all + used, sizeof(all) - used, "%s%s", used ? ", " : "", name);
	}
	if (group && nwords < 2) {
		pcc_err_set(err, -EINVAL, words[0], "incomplete command");
		return pcc_err_hint(err, -EINVAL, "one of: %s", all);
	}
	pcc_err_set(err, -EINVAL, "command", "'%s' is not known", given);
	near = pcc_suggest(given, names, PCC_CMD_MAX);
	if (!near && group)
		near = synonym(words[0], words[1], names);
	if (near)
		return pcc_err_hint(err, -EINVAL, "did you mean '%s'?", near);
	if (group)
		return pcc_err_hint(err, -EINVAL, "one of: %s", all);
	return pcc_err_hint(err, -EINVAL, "pccbpf help lists the commands");
}

/*
 * Finds the option with this name (len characters) among allowed. Returns PCC_OPT_MAX if there is
 * none.
 */
static enum pcc_opt find_option(const char *name, size_t len, uint64_t allowed)
{
	for (unsigned int i = 0; i < PCC_OPT_MAX; i++)
		if ((allowed & PCC_OPT_BIT(i)) && strlen(pcc_options[i].name) == len &&
			strncmp(pcc_options[i].name, name, len) == 0)
			return (enum pcc_opt)i;
	return PCC_OPT_MAX;
}

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1] != '\0';
}

static bool starts_command(const char *word)
{
	for (int i = 0; i < PCC_CMD_MAX; i++)
		if (name_is(&pcc_commands[i], word, NULL))
			return true;
	return pcc_command_is_group(word);
}

/*
 * Does the option take the next word as its value? This is asked before the command is known. If
 * the answer depends on the command (--buckets), a next word that begins a command is not taken.
 */
static bool takes_next(const char *word, const char *next)
{
	size_t len = strlen(word);
	bool flag = false, value = false;

	if (!next || strchr(word, '='))
		return false;
	for (unsigned int i = 0; i < PCC_OPT_MAX; i++) {
		if (strlen(pcc_options[i].name) != len || strcmp(pcc_options[i].name, word) != 0)
			continue;
		if (pcc_options[i].arg)
			value = true;
		else
			flag = true;
	}
	return value && !(flag && starts_command(next));
}

/*
 * The result of a first look at the words: the first two that are not options, and whether help or
 * the version is asked for.
 */
struct outline {
	const char *words[2];
	unsigned int nwords;
	const char *option; /* the first of those that no command has; NULL: none */
	bool help, version;
};

/* Does the command of this name run another one? */
static bool runs_another(const char *word)
{
	for (int i = 0; i < PCC_CMD_MAX; i++)
		if (pcc_commands[i].runs && strcmp(pcc_commands[i].name, word) == 0)
			return true;
	return false;
}

static void outline(int argc, char **argv, struct outline *o)
{
	bool options = true, runs = false;
	unsigned int nwords = 0;

	memset(o, 0, sizeof(*o));
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];

		if (options && strcmp(word, "--") == 0) {
			options = false;
		} else if (options && is_option(word)) {
			o->help |= strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0;
			o->version |= strcmp(word, "-V") == 0 || strcmp(word, "--version") == 0;
			if (!o->option &&
				find_option(word, strcspn(word, "="), ~0ull) == PCC_OPT_MAX)
				o->option = word;
			/* even a value counts if it asks for help */
			if (takes_next(word, argv[i + 1]) && strncmp(argv[i + 1], "--", 2) != 0 &&
				strcmp(argv[i + 1], "-h") != 0)
				i++;
		} else {
			/* `use IF COMMAND`: the rest belongs to COMMAND */
			if (runs && nwords == 2)
				break;
			if (o->nwords < 2)
				o->words[o->nwords++] = word;
			runs = nwords++ ? runs : runs_another(word);
		}
	}
}

/* Reports an option that the command does not have. */
static int unknown_option(
	const struct pcc_command *cmd, const char *word, size_t len, struct pcc_err *err)
{
	const char *names[PCC_OPT_MAX + 2], *near;
	char name[64];
	unsigned int n = 0;

	snprintf(name, sizeof(name), "%.*s", (int)(len < 60 ? len : 60), word);
	for (unsigned int i = 0; i < PCC_OPT_MAX; i++)
		if (cmd->options & PCC_OPT_BIT(i))
			names[n++] = pcc_options[i].name;
	names[n++] = "--help";
	names[n++] = "--version";
	if (find_option(word, len, ~0ull) != PCC_OPT_MAX)
		pcc_err_set(err, -EINVAL, cmd->name, "takes no option '%s'", name);
	else
		pcc_err_set(err, -EINVAL, cmd->name, "option '%s' is not known", name);
	near = pcc_suggest(name, names, n);
	if (near)
		return pcc_err_hint(err, -EINVAL, "did you mean '%s'?", near);
	return pcc_err_hint(err, -EINVAL, "pccbpf help %s lists the options", cmd->name);
}

/* Reads the option at argv[*i], and advances *i if its value is the next word. */
static int take_option(const struct pcc_command *cmd, struct pcc_args *args, int argc, char **argv,
	int *i, struct pcc_err *err)
{
	const char *word = argv[*i], *equals = strchr(word, '='), *value = NULL;
	size_t len = equals ? (size_t)(equals - word) : strlen(word);
	enum pcc_opt opt = find_option(word, len, cmd->options);
	const struct pcc_option *o;

	if (opt == PCC_OPT_MAX)
		return unknown_option(cmd, word, len, err);
	o = &pcc_options[opt];
	if (!o->arg && equals)
		return pcc_err_set(
			err, -EINVAL, o->name, "takes no value, but '%s' is given", equals + 1);
	if (args->opt[opt].set) {
		pcc_err_set(err, -EINVAL, o->name, "given twice ('%s')", word);
		if (opt == PCC_OPT_LAN || opt == PCC_OPT_WAN)
			return pcc_err_hint(err, -EINVAL, "write one list: %s %s", o->name, o->arg);
		return -EINVAL;
	}
	if (o->arg) {
		if (equals)
			value = equals + 1;
		else if (*i + 1 < argc && strncmp(argv[*i + 1], "--", 2) != 0)
			value = argv[++*i];
		if (!value || !*value) {
			pcc_err_set(err, -EINVAL, o->name, "has no value");
			return pcc_err_hint(err, -EINVAL, "write %s %s", o->name, o->arg);
		}
	}
	args->opt[opt].set = true;
	args->opt[opt].value = value;
	return 0;
}

const char *pcc_command_usage(const struct pcc_command *cmd, char *buf, size_t size)
{
	size_t used = (size_t)snprintf(buf, size, "pccbpf %s", cmd->name);

	for (unsigned int i = 0; i < PCC_OPT_MAX; i++)
		if ((cmd->required & PCC_OPT_BIT(i)) && used < size)
			used += (size_t)snprintf(buf + used, size - used, " %s %s",
				pcc_options[i].name, pcc_options[i].arg);
	if (cmd->runs && used < size)
		used += (size_t)snprintf(buf + used, size - used, " [OPTIONS]");
	if (*cmd->syntax && used < size)
		used += (size_t)snprintf(buf + used, size - used, " %s", cmd->syntax);
	if ((cmd->options & ~cmd->required) && !cmd->runs && used < size)
		snprintf(buf + used, size - used, " [OPTIONS]");
	return buf;
}

/* Checks that there are enough words, and that the required options are there. */
static int check_complete(
	const struct pcc_command *cmd, const struct pcc_args *args, struct pcc_err *err)
{
	uint64_t given = 0;
	char usage[160];
	bool first = true;

	for (unsigned int i = 0; i < PCC_OPT_MAX; i++)
		if (args->opt[i].set)
			given |= PCC_OPT_BIT(i);
	pcc_command_usage(cmd, usage, sizeof(usage));
	if (args->nwords < cmd->min_words || (cmd->runs && !args->rest)) {
		pcc_err_set(err, -EINVAL, cmd->name, "%s is missing", cmd->syntax);
		return pcc_err_hint(err, -EINVAL, "usage: %s", usage);
	}
	for (unsigned int i = 0; i < PCC_OPT_MAX; i++) {
		if (cmd->required & ~given & PCC_OPT_BIT(i)) {
			pcc_err_set(err, -EINVAL, cmd->name, "%s is missing", pcc_options[i].name);
			return pcc_err_hint(err, -EINVAL, "usage: %s", usage);
		}
	}
	if (!cmd->one_of || (cmd->one_of & given))
		return 0;
	pcc_err_set(err, -EINVAL, cmd->name, "nothing is named");
	pcc_err_hint(err, -EINVAL, "at least one of");
	for (unsigned int i = 0; err && i < PCC_OPT_MAX; i++) {
		size_t used = strlen(err->hint);

		if (!(cmd->one_of & PCC_OPT_BIT(i)))
			continue;
		snprintf(err->hint + used, sizeof(err->hint) - used, "%s %s", first ? "" : ",",
			pcc_options[i].name);
		first = false;
	}
	return -EINVAL;
}

/* Reads the options and words of a command that is known. skip: the number of words in its name. */
static int parse_words(const struct pcc_command *cmd, unsigned int skip, struct pcc_args *args,
	int argc, char **argv, struct pcc_err *err)
{
	bool options = true;
	char usage[160];

	for (int i = 1; i < argc; i++) {
		int ret;

		if (options && strcmp(argv[i], "--") == 0) {
			options = false;
		} else if (options && is_option(argv[i])) {
			ret = take_option(cmd, args, argc, argv, &i, err);
			if (ret)
				return ret;
		} else if (skip) {
			skip--;
		} else if (args->nwords == cmd->max_words && cmd->runs) {
			args->rest = &argv[i];
			break;
		} else if (args->nwords == cmd->max_words) {
			pcc_err_set(err, -EINVAL, cmd->name, "'%s' is one word too many", argv[i]);
			return pcc_err_hint(err, -EINVAL, "usage: %s",
				pcc_command_usage(cmd, usage, sizeof(usage)));
		} else {
			args->words[args->nwords++] = argv[i];
		}
	}
	return check_complete(cmd, args, err);
}

/*
 * Finds the topic of `help wan add`: the words are the name of a command. For a group like `wan`
 * the overall help is printed.
 */
static int find_topic(struct pcc_args *args, struct pcc_err *err)
{
	unsigned int used;

	if (args->nwords == 0 || (args->nwords == 1 && pcc_command_is_group(args->words[0]) &&
					 !pcc_command_find(args->words, 1, &used)))
		return 0;
	args->topic = pcc_command_find(args->words, args->nwords, &used);
	if (args->topic && used == args->nwords)
		return 0;
	args->topic = NULL;
	return unknown_command(args->words, args->nwords, err);
}

int pcc_options_parse(const struct pcc_command **cmd, struct pcc_args *args, int argc, char **argv,
	struct pcc_err *err)
{
	struct outline o;
	unsigned int used;
	int ret;

	memset(args, 0, sizeof(*args));
	*cmd = NULL;
	outline(argc, argv, &o);
	if (o.version && !o.help) {
		*cmd = &pcc_commands[PCC_CMD_VERSION];
		return 0;
	}
	if (o.help) {
		*cmd = &pcc_commands[PCC_CMD_HELP];
		args->topic = pcc_command_find(o.words, o.nwords, &used);
		if (o.nwords && !args->topic && !pcc_command_is_group(o.words[0]))
			return unknown_command(o.words, o.nwords, err);
		return 0;
	}
	if (o.nwords == 0 && o.option) {
		pcc_err_set(err, -EINVAL, "command",
			"'%.40s' is not known, and no command is given", o.option);
		return pcc_err_hint(err, -EINVAL, "pccbpf help lists the commands");
	}
	if (o.nwords == 0) {
		pcc_err_set(err, -EINVAL, "command", "none is given");
		return pcc_err_hint(err, -EINVAL, "pccbpf help lists the commands");
	}
	*cmd = pcc_command_find(o.words, o.nwords, &used);
	if (!*cmd)
		return unknown_command(o.words, o.nwords, err);
	ret = parse_words(*cmd, used, args, argc, argv, err);
	if (!ret && (*cmd)->id == PCC_CMD_HELP)
		ret = find_topic(args, err);
	return ret;
}

const char *pcc_args_value(const struct pcc_args *args, enum pcc_opt opt, const char *fallback)
{
	return args->opt[opt].set ? args->opt[opt].value : fallback;
}
