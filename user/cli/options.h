/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The commands and options, once: parsing, help, man page and completion all come from these
 * tables. Pure: what a command does is not known here (main.c maps its id to a function).
 */
#ifndef PCC_OPTIONS_H
#define PCC_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "config/conf_keys.h"

/*
 * Options. Two options may have the same name (--wan of attach and of conns) as long as no command
 * has both.
 */
enum pcc_opt {
	PCC_OPT_LAN,
	PCC_OPT_WAN,
/* those of the base keys, in the order of pcc_base_keys */
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

/* What a word is, for completion: the value of an option, or one behind a command. */
enum pcc_word {
	PCC_WORD_ANY, /* nothing to offer */
	PCC_WORD_IFACE,
	PCC_WORD_LAN, /* an attached one */
	PCC_WORD_WAN, /* an attached one */
	PCC_WORD_FILE,
	PCC_WORD_DIR,
	PCC_WORD_PROGRAM, /* one of the machine */
	PCC_WORD_TOPIC,	  /* a command of ours */
};

struct pcc_option {
	const char *name;	    /* with the two dashes */
	const char *arg;	    /* as help shows the value; NULL for a flag */
	enum pcc_word value;	    /* where there are no choices */
	const char *const *choices; /* NULL, or the allowed values, with a NULL at the end */
	const char *help;
	const char *def; /* the default as text; NULL where there is none to show */
};

/* Commands, in the order of help. */
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
	const char *syntax; /* of the positional words, as usage shows it; "" for none */
	unsigned int min_words, max_words;
	enum pcc_word word[2]; /* what the first two of them are */
	bool runs;	       /* what follows its words is another command's, options too */
	uint64_t options;      /* PCC_OPT_BIT()s that it takes */
	uint64_t required;     /* those it cannot do without */
	uint64_t one_of;       /* unless 0, it needs at least one of these */
	const char *summary;   /* for the list of commands */
	const char *text;      /* for its own help */
	const char *example;
};

extern const struct pcc_option pcc_options[PCC_OPT_MAX];
extern const struct pcc_command pcc_commands[PCC_CMD_MAX];

#define PCC_MAX_WORDS 4u

/* What the command line said. The strings are those of argv. */
struct pcc_args {
	struct {
		bool set;
		const char *value; /* NULL for a flag */
	} opt[PCC_OPT_MAX];
	const char *words[PCC_MAX_WORDS];
	unsigned int nwords;
	char *const *rest; /* of a command that runs another: that one and its words */
	const struct pcc_command *topic; /* of the command help; NULL for the overall help */
};

/*
 * Parses the words after the program's name (argv[0] is not looked at). Sets *cmd and args. -h,
 * --help anywhere give the command help with that command as topic; -V, --version give the command
 * version. Returns 0, or -EINVAL with the error filled; *cmd is then the command, as far as it was
 * recognised, or NULL.
 */
int pcc_options_parse(const struct pcc_command **cmd, struct pcc_args *args, int argc, char **argv,
	struct pcc_err *err);

/*
 * The longest command that the words start with; NULL if there is none. *used: words of its name.
 * Is a word the first of commands with two, as `wan` is?
 */
const struct pcc_command *pcc_command_find(
	const char *const *words, unsigned int nwords, unsigned int *used);
bool pcc_command_is_group(const char *word);

/* Value of an option, or fallback (may be NULL) when it was not given. */
const char *pcc_args_value(const struct pcc_args *args, enum pcc_opt opt, const char *fallback);

/* "pccbpf wan add [OPTIONS] WAN": the usage of one command, into buf, which it returns. */
const char *pcc_command_usage(const struct pcc_command *cmd, char *buf, size_t size);

/* All commands; one command with its options, defaults and an example. */
void pcc_help_print(FILE *out);
void pcc_help_command_print(FILE *out, const struct pcc_command *cmd);

#endif
