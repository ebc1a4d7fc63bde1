/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tables of commands and options; parsing, help, man page and completion are made from them.
 * Pure: main.c maps the id of a command to its function.
 */
#ifndef PCC_OPTIONS_H
#define PCC_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "config/conf_keys.h"

/*
 * The options. Two options may have the same name (--wan of attach and of conns) if no command has
 * both.
 */
enum pcc_opt {
	PCC_OPT_LAN,
	PCC_OPT_WAN,
/* The options of the base keys, in the order of pcc_base_keys. */
#define X(sym, ...) PCC_OPT_##sym,
	PCC_BASE_KEYS(X)
#undef X
		PCC_OPT_WEIGHT,
	PCC_OPT_GATEWAY,
	PCC_OPT_STATE,
	PCC_OPT_PER_BUCKET, /* --buckets of stats */
	PCC_OPT_WATCH,
	PCC_OPT_INTERVAL,
	PCC_OPT_F_WAN, /* filters of conns */
	PCC_OPT_F_SRC,
	PCC_OPT_F_DST,
	PCC_OPT_F_PROTO,
	PCC_OPT_F_SPORT,
	PCC_OPT_F_DPORT,
	PCC_OPT_F_ORIGIN,
	PCC_OPT_LIMIT,
	PCC_OPT_ALL,
	PCC_OPT_JSON,
	PCC_OPT_DRY_RUN,
	PCC_OPT_CONFIRM,
	PCC_OPT_FORCE,
	PCC_OPT_WAIT,
	PCC_OPT_CONFIG,
	PCC_OPT_BPFFS,
	PCC_OPT_MAX
};

#define PCC_OPT_BIT(opt) (1ull << (opt))

/* The options of the base keys, from the first to the last. */
#define PCC_OPTS_BASE (((1ull << PCC_N_BASE_KEYS) - 1) << PCC_OPT_CLASSIFIER)

/* The filters of `conns` and `conns flush`. */
#define PCC_OPTS_FILTER                                                                            \
	(PCC_OPT_BIT(PCC_OPT_F_WAN) | PCC_OPT_BIT(PCC_OPT_F_SRC) | PCC_OPT_BIT(PCC_OPT_F_DST) |    \
		PCC_OPT_BIT(PCC_OPT_F_PROTO) | PCC_OPT_BIT(PCC_OPT_F_SPORT) |                      \
		PCC_OPT_BIT(PCC_OPT_F_DPORT) | PCC_OPT_BIT(PCC_OPT_F_ORIGIN))

/* What a word is, for completion: the value of an option, or a word of a command. */
enum pcc_word {
	PCC_WORD_ANY, /* nothing can be offered */
	PCC_WORD_IFACE,
	PCC_WORD_LAN, /* an attached one */
	PCC_WORD_WAN, /* an attached one */
	PCC_WORD_FILE,
	PCC_WORD_DIR,
	PCC_WORD_PROGRAM, /* a program of this machine */
	PCC_WORD_TOPIC,	  /* a command of pccbpf */
};

struct pcc_option {
	const char *name;	    /* with its two dashes */
	const char *arg;	    /* the value, as help shows it; NULL for a flag */
	enum pcc_word value;	    /* used if there are no choices */
	const char *const *choices; /* NULL, or the allowed values, ended by a NULL */
	const char *help;
	const char *def; /* the default as text; NULL: none is shown */
};

/* The commands, in the order of help. */
enum pcc_cmd_id {
	PCC_CMD_ATTACH,
	PCC_CMD_DETACH,
	PCC_CMD_WAN_ADD,
	PCC_CMD_WAN_DEL,
	PCC_CMD_WAN_SET,
	PCC_CMD_WAN_LIST,
	PCC_CMD_LAN_ADD,
	PCC_CMD_LAN_DEL,
	PCC_CMD_STATUS,
	PCC_CMD_STATS,
	PCC_CMD_CONNS,
	PCC_CMD_CONNS_FLUSH,
	PCC_CMD_EXPLAIN,
	PCC_CMD_USE,
	PCC_CMD_APPLY,
	PCC_CMD_CONFIRM,
	PCC_CMD_CHECK,
	PCC_CMD_SHOW_CONFIG,
	PCC_CMD_DAEMON,
	PCC_CMD_MONITOR,
	PCC_CMD_HELP,
	PCC_CMD_VERSION,
	PCC_CMD_MAX
};

struct pcc_command {
	enum pcc_cmd_id id;
	const char *name;   /* one word or two: "wan add" */
	const char *syntax; /* the positional words, as usage shows them; "": none */
	unsigned int min_words, max_words;
	enum pcc_word word[2]; /* what the first two words are */
	bool runs;	       /* its words are followed by another command with its options */
	uint64_t options;      /* the options that it takes, as PCC_OPT_BIT() */
	uint64_t required;     /* the options that must be given */
	uint64_t one_of;       /* unless 0, at least one of these must be given */
	const char *summary;   /* for the list of commands */
	const char *text;      /* for the help of this command */
	const char *example;
};

extern const struct pcc_option pcc_options[PCC_OPT_MAX];
extern const struct pcc_command pcc_commands[PCC_CMD_MAX];

#define PCC_MAX_WORDS 4u

/* The parsed command line. The strings are those of argv. */
struct pcc_args {
	struct {
		bool set;
		const char *value; /* NULL for a flag */
	} opt[PCC_OPT_MAX];
	const char *words[PCC_MAX_WORDS];
	unsigned int nwords;
	char *const *rest; /* the command to run, and its words */
	/* For the command help: what to explain; NULL: the overall help. */
	const struct pcc_command *topic;
};

/*
 * Parses the words after the program's name (argv[0] is ignored). Sets *cmd and args. -h or --help
 * anywhere gives the command help with the command as topic; -V or --version gives the command
 * version. Returns 0, or -EINVAL with err filled; *cmd is then the command, as far as it was
 * recognised, or NULL.
 */
int pcc_options_parse(const struct pcc_command **cmd, struct pcc_args *args, int argc, char **argv,
	struct pcc_err *err);

/*
 * pcc_command_find() returns the longest command that the words start with, or NULL; *used is the
 * number of words in its name. pcc_command_is_group(): is the word the first of commands with two
 * words, as `wan` is?
 */
const struct pcc_command *pcc_command_find(
	const char *const *words, unsigned int nwords, unsigned int *used);
bool pcc_command_is_group(const char *word);

/* Returns the value of an option, or fallback (may be NULL) if it was not given. */
const char *pcc_args_value(const struct pcc_args *args, enum pcc_opt opt, const char *fallback);

/* Writes the usage of a command, "pccbpf wan add [OPTIONS] WAN", to buf. Returns buf. */
const char *pcc_command_usage(const struct pcc_command *cmd, char *buf, size_t size);

/*
 * Print the list of all commands; and one command with its options, their defaults and an example.
 */
void pcc_help_print(FILE *out);
void pcc_help_command_print(FILE *out, const struct pcc_command *cmd);

#endif
