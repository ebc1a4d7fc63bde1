// SPDX-License-Identifier: GPL-2.0-only
/* The command line: commands, options, errors, help; and that the tables agree with the program. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"
#include "cli/options.h"
#include "text/parse.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define MAX_ARGC 20

/* Parses a line of words with one blank between them; line_copy and argv keep the words. */
static char line_copy[400];
static char *argv[MAX_ARGC + 1] = {(char *)"pccbpf"};

static int parse(const char *line, const struct pcc_command **cmd, struct pcc_args *args,
	struct pcc_err *err)
{
	char *save = NULL;
	int argc = 1;

	snprintf(line_copy, sizeof(line_copy), "%s", line);
	for (char *word = strtok_r(line_copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	argv[argc] = NULL;
	memset(err, 0, sizeof(*err));
	return pcc_options_parse(cmd, args, argc, argv, err);
}

static void commands_are_recognised(void **state)
{
	static const struct {
		const char *line;
		enum pcc_cmd_id id;
		const char *words; /* joined by blanks */
	} rows[] = {
		{"attach --lan br0 --wan eth1", PCC_CMD_ATTACH, ""},
		{"--lan br0 attach --wan=eth1", PCC_CMD_ATTACH, ""},
		{"--buckets 128 --lan br0 --wan eth1 attach", PCC_CMD_ATTACH, ""},
		{"detach", PCC_CMD_DETACH, ""},
		{"wan add eth1@192.0.2.1*2", PCC_CMD_WAN_ADD, "eth1@192.0.2.1*2"},
		{"wan --dry-run add eth1", PCC_CMD_WAN_ADD, "eth1"},
		{"--wait 3 wan --bpffs /x add --dry-run eth1", PCC_CMD_WAN_ADD, "eth1"},
		{"wan del eth1", PCC_CMD_WAN_DEL, "eth1"},
		{"wan set eth1 --weight 3", PCC_CMD_WAN_SET, "eth1"},
		{"wan set --state drain -- eth1", PCC_CMD_WAN_SET, "eth1"},
		{"wan list", PCC_CMD_WAN_LIST, ""},
		{"lan add br1", PCC_CMD_LAN_ADD, "br1"},
		{"lan del -- -x", PCC_CMD_LAN_DEL, "-x"},
		{"-- lan del br1", PCC_CMD_LAN_DEL, "br1"},
		{"lan del -", PCC_CMD_LAN_DEL, "-"},
		{"status --json", PCC_CMD_STATUS, ""},
		{"stats --buckets --watch --interval 5", PCC_CMD_STATS, ""},
		{"--buckets stats", PCC_CMD_STATS, ""},
		{"conns --wan eth1", PCC_CMD_CONNS, ""},
		{"--wan eth1 conns", PCC_CMD_CONNS, ""},
		{"conns flush --all", PCC_CMD_CONNS_FLUSH, ""},
		{"conns --src 10.0.0.0/8 flush", PCC_CMD_CONNS_FLUSH, ""},
		{"explain 10.0.0.1:1 10.0.0.2:2", PCC_CMD_EXPLAIN, "10.0.0.1:1 10.0.0.2:2"},
		{"explain 10.0.0.1 10.0.0.2 udp", PCC_CMD_EXPLAIN, "10.0.0.1 10.0.0.2 udp"},
		{"explain --json 10.0.0.1 10.0.0.2", PCC_CMD_EXPLAIN, "10.0.0.1 10.0.0.2"},
		{"version", PCC_CMD_VERSION, ""},
		{"-V", PCC_CMD_VERSION, ""},
		{"status --version", PCC_CMD_VERSION, ""},
		{"help", PCC_CMD_HELP, ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct pcc_command *cmd;
		struct pcc_args args;
		struct pcc_err err;
		char words[200] = "";

		if (parse(rows[i].line, &cmd, &args, &err))
			fail_msg("%s: %s: %s", rows[i].line, err.object, err.cause);
		assert_int_equal(cmd->id, rows[i].id);
		for (unsigned int w = 0; w < args.nwords; w++)
			snprintf(words + strlen(words), sizeof(words) - strlen(words), "%s%s",
				w ? " " : "", args.words[w]);
		assert_string_equal(words, rows[i].words);
	}
}

static void options_keep_their_values(void **state)
{
	static const struct {
		const char *line;
		enum pcc_opt opt;
		const char *value; /* NULL: a flag */
	} rows[] = {
		{"attach --lan br0 --wan eth1 --seed 7", PCC_OPT_SEED, "7"},
		{"attach --lan br0 --wan eth1 --seed=7", PCC_OPT_SEED, "7"},
		{"attach --lan br0 --wan eth1 --seed -7", PCC_OPT_SEED, "-7"},
		{"attach --lan br0 --wan eth1 --bpffs a=b", PCC_OPT_BPFFS, "a=b"},
		{"attach --lan br0 --wan eth1 --bpffs=a=b", PCC_OPT_BPFFS, "a=b"},
		{"attach --buckets 64 --lan br0 --wan eth1", PCC_OPT_BUCKETS, "64"},
		{"attach --lan br0 --wan eth1 --no-nat", PCC_OPT_NO_NAT, NULL},
		{"attach --lan br0 --wan eth1", PCC_OPT_WAN, "eth1"},
		{"conns --wan eth1", PCC_OPT_F_WAN, "eth1"},
		{"stats --buckets", PCC_OPT_PER_BUCKET, NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct pcc_command *cmd;
		struct pcc_args args;
		struct pcc_err err;

		assert_int_equal(parse(rows[i].line, &cmd, &args, &err), 0);
		assert_true(args.opt[rows[i].opt].set);
		if (rows[i].value)
			assert_string_equal(pcc_args_value(&args, rows[i].opt, "x"), rows[i].value);
		else
			assert_null(args.opt[rows[i].opt].value);
		assert_string_equal(pcc_args_value(&args, PCC_OPT_LIMIT, "x"), "x");
		assert_false(args.opt[PCC_OPT_LIMIT].set);
	}
}

/* What follows the WAN is another command's: its options are not looked at. */
static void use_leaves_the_command_as_it_is(void **state)
{
	static const struct {
		const char *line;
		const char *rest;
	} rows[] = {
		{"use eth1 true", "true"},
		{"use eth1 curl --help -V -h", "curl --help -V -h"},
		{"use eth1 a --bpffs x -- b", "a --bpffs x -- b"},
		{"use --bpffs /x eth1 wan add", "wan add"},
		{"use eth1 --bpffs /x status", "status"},
		{"use eth1 -- -c", "-c"},
		{"use eth1 use eth2 true", "use eth2 true"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct pcc_command *cmd;
		struct pcc_args args;
		struct pcc_err err;
		char rest[200] = "";

		if (parse(rows[i].line, &cmd, &args, &err))
			fail_msg("%s: %s: %s", rows[i].line, err.object, err.cause);
		assert_int_equal(cmd->id, PCC_CMD_USE);
		assert_string_equal(args.words[0], "eth1");
		for (char *const *w = args.rest; *w; w++)
			snprintf(rest + strlen(rest), sizeof(rest) - strlen(rest), "%s%s",
				w == args.rest ? "" : " ", *w);
		assert_string_equal(rest, rows[i].rest);
	}
}

static void errors_name_the_word_and_the_way_out(void **state)
{
	static const struct {
		const char *line, *object, *cause, *hint;
	} rows[] = {
		{"", "command", "none is given", "pccbpf help"},
		{"--json", "command", "none is given", ""},
		{"atach", "command", "'atach' is not known", "did you mean 'attach'?"},
		{"frobnicate", "command", "'frobnicate' is not known", "pccbpf help"},
		{"wan", "wan", "incomplete", "wan add, wan del, wan set, wan list"},
		{"wan ad eth1", "command", "'wan ad' is not known", "did you mean 'wan add'?"},
		{"lan rename x", "command", "'lan rename'", "one of: lan add, lan del"},
		{"wam add eth1", "command", "'wam' is not known", "did you mean 'wan'?"},
		{"status --jsn", "status", "option '--jsn' is not known", "'--json'?"},
		{"status --jsn=1", "status", "option '--jsn' is not known", "'--json'?"},
		{"status --wan eth1", "status", "takes no option '--wan'", "help status"},
		{"status -x", "status", "option '-x' is not known", ""},
		{"status --json --json", "--json", "given twice", ""},
		{"attach --lan a --lan b --wan c", "--lan", "given twice", "--lan IF[,IF]"},
		{"status --json=yes", "--json", "takes no value, but 'yes'", ""},
		{"status --bpffs", "--bpffs", "has no value", "--bpffs DIR"},
		{"status --bpffs=", "--bpffs", "has no value", ""},
		{"attach --lan --wan eth1", "--lan", "has no value", ""},
		{"attach --wan eth1", "attach", "--lan is missing",
			"pccbpf attach --lan IF[,IF] --wan WAN[,WAN] [OPTIONS]"},
		{"attach --lan br0", "attach", "--wan is missing", ""},
		{"attach --lan br0 --wan eth1 eth2", "attach", "'eth2' is one word too many", ""},
		{"detach now", "detach", "'now' is one word too many",
			"usage: pccbpf detach [OPTIONS]"},
		{"wan add", "wan add", "WAN is missing", "usage: pccbpf wan add WAN [OPTIONS]"},
		{"wan add eth1 eth2", "wan add", "'eth2' is one word too many", ""},
		{"wan set eth1", "wan set", "nothing", "--weight, --gateway, --state"},
		{"conns flush", "conns flush", "nothing", "--all"},
		{"conns flash", "conns", "'flash' is one word too many", ""},
		{"explain 10.0.0.1", "explain", "is missing", "SRC[:PORT] DST[:PORT] [PROTO]"},
		{"explain a b c d", "explain", "'d' is one word too many", ""},
		{"help atach", "command", "'atach' is not known", "'attach'?"},
		{"help wan ad", "command", "'wan ad' is not known", "'wan add'?"},
		{"atach --help", "command", "'atach' is not known", "'attach'?"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct pcc_command *cmd;
		struct pcc_args args;
		struct pcc_err err;

		assert_int_equal(parse(rows[i].line, &cmd, &args, &err), -EINVAL);
		if (strcmp(err.object, rows[i].object) != 0 || !strstr(err.cause, rows[i].cause) ||
			!strstr(err.hint, rows[i].hint))
			fail_msg(
				"'%s': %s: %s (%s)", rows[i].line, err.object, err.cause, err.hint);
	}
}

static void help_has_the_command_as_topic(void **state)
{
	static const struct {
		const char *line;
		int topic; /* -1: the overall help */
	} rows[] = {
		{"help", -1},
		{"-h", -1},
		{"--help", -1},
		{"--help --version", -1},
		{"wan --help", -1},
		{"help wan", -1},
		{"help attach", PCC_CMD_ATTACH},
		{"help wan add", PCC_CMD_WAN_ADD},
		{"help conns flush", PCC_CMD_CONNS_FLUSH},
		{"help conns", PCC_CMD_CONNS},
		{"attach --help", PCC_CMD_ATTACH},
		{"-h attach", PCC_CMD_ATTACH},
		{"attach --lan --help", PCC_CMD_ATTACH},
		{"attach --lan -h", PCC_CMD_ATTACH},
		{"attach --nonsense -h", PCC_CMD_ATTACH},
		{"wan add --help", PCC_CMD_WAN_ADD},
		{"wan add eth1 eth2 -h", PCC_CMD_WAN_ADD},
		{"help help", PCC_CMD_HELP},
		{"use eth1 --help", PCC_CMD_USE},
		{"use --help eth1 true", PCC_CMD_USE},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct pcc_command *cmd;
		struct pcc_args args;
		struct pcc_err err;

		if (parse(rows[i].line, &cmd, &args, &err))
			fail_msg("%s: %s: %s", rows[i].line, err.object, err.cause);
		assert_int_equal(cmd->id, PCC_CMD_HELP);
		if (rows[i].topic < 0)
			assert_null(args.topic);
		else
			assert_ptr_equal(args.topic, &pcc_commands[rows[i].topic]);
	}
}

/* Everything that help, man page and completion need is there. */
static void the_tables_are_complete(void **state)
{
	uint64_t used = 0;

	(void)state;
	for (int i = 0; i < PCC_CMD_MAX; i++) {
		const struct pcc_command *cmd = &pcc_commands[i];

		assert_int_equal(cmd->id, i);
		assert_non_null(cmd->name);
		assert_non_null(cmd->syntax);
		assert_true(cmd->summary && cmd->text && cmd->example);
		assert_true(cmd->min_words <= cmd->max_words && cmd->max_words <= PCC_MAX_WORDS);
		assert_int_equal(cmd->max_words == 0, *cmd->syntax == '\0');
		assert_int_equal((cmd->required | cmd->one_of) & ~cmd->options, 0);
		assert_true(cmd->options & PCC_OPT_BIT(PCC_OPT_BPFFS));
		/* What waits for the lock changes something (the daemon tries again); others tell.
		 */
		if (i != PCC_CMD_DAEMON && i != PCC_CMD_HELP && i != PCC_CMD_VERSION && !cmd->runs)
			assert_true(cmd->options &
				    (PCC_OPT_BIT(PCC_OPT_WAIT) | PCC_OPT_BIT(PCC_OPT_JSON)));
		used |= cmd->options;
		for (int a = 0; a < PCC_OPT_MAX; a++)
			for (int b = 0; b < a; b++)
				if ((cmd->options & PCC_OPT_BIT(a)) &&
					(cmd->options & PCC_OPT_BIT(b)))
					assert_string_not_equal(
						pcc_options[a].name, pcc_options[b].name);
	}
	assert_int_equal(used, PCC_OPT_BIT(PCC_OPT_MAX) - 1);
	for (int i = 0; i < PCC_OPT_MAX; i++) {
		const struct pcc_option *o = &pcc_options[i];

		assert_true(o->name && strncmp(o->name, "--", 2) == 0 && o->help);
		if (!o->arg || o->choices)
			assert_int_equal(o->value, PCC_WORD_ANY);
		assert_true(o->arg || !o->choices);
	}
}

/* What help says about defaults is what the program does. */
static void defaults_in_help_are_the_configurations(void **state)
{
	static struct pcc_config cfg;
	uint32_t number;
	bool nat6;

	(void)state;
	pcc_config_defaults(&cfg);
	assert_string_equal(
		pcc_options[PCC_OPT_CLASSIFIER].def, pcc_classifier_name(cfg.classifier));
	assert_string_equal(pcc_options[PCC_OPT_SCHEME].def, pcc_scheme_name(cfg.scheme));
	assert_string_equal(pcc_options[PCC_OPT_FASTPATH].def, pcc_fastpath_name(cfg.fastpath));
	assert_int_equal(pcc_parse_nat6(pcc_options[PCC_OPT_NAT6].def, &nat6, NULL), 0);
	assert_int_equal(nat6, cfg.nat6);
	assert_int_equal(pcc_parse_mark_mask(pcc_options[PCC_OPT_MARK_MASK].def, &number, NULL), 0);
	assert_int_equal(number, cfg.mark_mask);
	assert_int_equal(atoi(pcc_options[PCC_OPT_BUCKETS].def), cfg.buckets);
	assert_int_equal(atoi(pcc_options[PCC_OPT_TABLE_BASE].def), cfg.table_base);
	assert_int_equal(atoi(pcc_options[PCC_OPT_RULE_PREF].def), cfg.rule_pref);
}

/* The example of every command is a valid line for that command. */
static void examples_can_be_typed(void **state)
{
	(void)state;
	for (int i = 0; i < PCC_CMD_MAX; i++) {
		const struct pcc_command *cmd;
		struct pcc_args args;
		struct pcc_err err;

		assert_int_equal(strncmp(pcc_commands[i].example, "pccbpf ", 7), 0);
		if (parse(pcc_commands[i].example + 7, &cmd, &args, &err))
			fail_msg("%s: %s", pcc_commands[i].example, err.cause);
		assert_int_equal(cmd->id, i);
	}
}

static char *printed(const struct pcc_command *cmd)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	if (cmd)
		pcc_help_command_print(out, cmd);
	else
		pcc_help_print(out);
	fclose(out);
	return text;
}

static void assert_fits_a_terminal(const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		if (len > 79)
			fail_msg("%zu columns: %.*s", len, (int)len, text);
		text += len + (text[len] == '\n');
	}
}

static void help_shows_every_command_and_option(void **state)
{
	char *all = printed(NULL);

	(void)state;
	assert_fits_a_terminal(all);
	for (int i = 0; i < PCC_CMD_MAX; i++) {
		const struct pcc_command *cmd = &pcc_commands[i];
		char *text = printed(cmd);

		assert_non_null(strstr(all, cmd->name));
		assert_fits_a_terminal(text);
		assert_non_null(strstr(text, "Usage: pccbpf "));
		assert_non_null(strstr(text, cmd->example));
		for (int o = 0; o < PCC_OPT_MAX; o++) {
			char line[80];

			snprintf(line, sizeof(line), "\n  %s%s%s ", pcc_options[o].name,
				pcc_options[o].arg ? " " : "",
				pcc_options[o].arg ? pcc_options[o].arg : "");
			if (cmd->options & PCC_OPT_BIT(o))
				assert_non_null(strstr(text, line));
		}
		free(text);
	}
	free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_are_recognised),
		cmocka_unit_test(options_keep_their_values),
		cmocka_unit_test(use_leaves_the_command_as_it_is),
		cmocka_unit_test(errors_name_the_word_and_the_way_out),
		cmocka_unit_test(help_has_the_command_as_topic),
		cmocka_unit_test(the_tables_are_complete),
		cmocka_unit_test(defaults_in_help_are_the_configurations),
		cmocka_unit_test(examples_can_be_typed),
		cmocka_unit_test(help_shows_every_command_and_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
