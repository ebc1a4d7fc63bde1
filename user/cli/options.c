// SPDX-License-Identifier: GPL-2.0-only
#include "cli/options.h"

#include <errno.h>
#include <string.h>

#include "text/parse.h"
#include "text/suggest.h"

const struct pcc_option pcc_options[PCC_OPT_MAX] = {
	[PCC_OPT_LAN] = {.name = "--lan",
		.arg = "IF[,IF]",
		.value = PCC_VALUE_IFACE,
		.help = "LAN interfaces whose connections are spread"},
	[PCC_OPT_WAN] = {.name = "--wan",
		.arg = "WAN[,WAN]",
		.value = PCC_VALUE_IFACE,
		.help = "WAN interfaces, each IF[@GATEWAY][@GATEWAY6][*WEIGHT]; a gateway that is not "
			"given is looked for"},
	[PCC_OPT_CLASSIFIER] = {.name = "--classifier",
		.arg = "CLASSIFIER",
		.value = PCC_VALUE_CHOICE,
		.choices = pcc_classifier_names,
		.help = "the fields of a connection that choose its WAN",
		.def = "src-address-and-port"},
	[PCC_OPT_SCHEME] = {.name = "--scheme",
		.arg = "SCHEME",
		.value = PCC_VALUE_CHOICE,
		.choices = pcc_scheme_names,
		.help = "how WANs share the buckets: consistent moves few of them when a WAN comes or "
			"goes, modulo is what RouterOS does",
		.def = "consistent"},
	[PCC_OPT_BUCKETS] = {.name = "--buckets",
		.arg = "N",
		.value = PCC_VALUE_NUMBER,
		.help = "number of buckets of the consistent scheme, 64 to 16384",
		.def = "1024"},
	[PCC_OPT_SEED] = {.name = "--seed",
		.arg = "N",
		.value = PCC_VALUE_NUMBER,
		.help = "seed of the hash, 32 bits, decimal or 0x...",
		.def = "drawn once"},
	[PCC_OPT_FASTPATH] = {.name = "--fastpath",
		.arg = "MODE",
		.value = PCC_VALUE_CHOICE,
		.choices = pcc_fastpath_names,
		.help = "where established connections are forwarded",
		.def = "auto"},
	[PCC_OPT_MARK_MASK] = {.name = "--mark-mask",
		.arg = "MASK",
		.value = PCC_VALUE_TEXT,
		.help = "the bits of packet and connection marks to use, all next to each other",
		.def = "0xff00"},
	[PCC_OPT_NO_NAT] = {.name = "--no-nat", .help = "no masquerade rules: you have your own"},
	[PCC_OPT_OWN] = {.name = "--router-connections",
		.help = "spread the connections that the router itself opens, too"},
	[PCC_OPT_NAT6] = {.name = "--nat6",
		.arg = "MODE",
		.value = PCC_VALUE_CHOICE,
		.choices = pcc_nat6_names,
		.help = "source addresses of IPv6; none is for a prefix of your own",
		.def = "masquerade"},
	[PCC_OPT_MAX_CONNS] = {.name = "--max-conns",
		.arg = "N",
		.value = PCC_VALUE_NUMBER,
		.help = "connections to remember",
		.def = "nf_conntrack_max"},
	[PCC_OPT_TABLE_BASE] = {.name = "--table-base",
		.arg = "N",
		.value = PCC_VALUE_NUMBER,
		.help = "the WAN with id 1 has routing table N + 1, and so on",
		.def = "100"},
	[PCC_OPT_RULE_PREF] = {.name = "--rule-pref",
		.arg = "N",
		.value = PCC_VALUE_NUMBER,
		.help = "preference of the first routing rule",
		.def = "10000"},
	[PCC_OPT_WEIGHT] = {.name = "--weight",
		.arg = "N",
		.value = PCC_VALUE_NUMBER,
		.help = "share of the WAN relative to the others, 1 to 255"},
	[PCC_OPT_GATEWAY] = {.name = "--gateway",
		.arg = "G[@G6]",
		.value = PCC_VALUE_TEXT,
		.help = "next hop of the WAN, IPv4 or IPv6 or both"},
	[PCC_OPT_STATE] = {.name = "--state",
		.arg = "STATE",
		.value = PCC_VALUE_CHOICE,
		.choices = &pcc_state_names[PCC_WAN_UP],
		.help = "drain takes no new connections, down lets go of the old ones too"},
	[PCC_OPT_PER_BUCKET] = {.name = "--buckets", .help = "counters of each bucket too"},
	[PCC_OPT_WATCH] = {.name = "--watch", .help = "print again and again until interrupted"},
	[PCC_OPT_INTERVAL] = {.name = "--interval",
		.arg = "SECONDS",
		.value = PCC_VALUE_NUMBER,
		.help = "time between two prints of --watch",
		.def = "1"},
	[PCC_OPT_F_WAN] = {.name = "--wan",
		.arg = "IF",
		.value = PCC_VALUE_WAN,
		.help = "only connections of this WAN"},
	[PCC_OPT_F_SRC] = {.name = "--src",
		.arg = "ADDRESS[/LEN]",
		.value = PCC_VALUE_TEXT,
		.help = "only connections with this address on the LAN side"},
	[PCC_OPT_F_DST] = {.name = "--dst",
		.arg = "ADDRESS[/LEN]",
		.value = PCC_VALUE_TEXT,
		.help = "only connections with this address on the WAN side"},
	[PCC_OPT_F_PROTO] = {.name = "--proto",
		.arg = "PROTO",
		.value = PCC_VALUE_TEXT,
		.help = "only this protocol, a name as tcp or a number"},
	[PCC_OPT_F_SPORT] = {.name = "--sport",
		.arg = "N",
		.value = PCC_VALUE_NUMBER,
		.help = "only this port on the LAN side"},
	[PCC_OPT_F_DPORT] = {.name = "--dport",
		.arg = "N",
		.value = PCC_VALUE_NUMBER,
		.help = "only this port on the WAN side"},
	[PCC_OPT_F_ORIGIN] = {.name = "--origin",
		.arg = "SIDE",
		.value = PCC_VALUE_CHOICE,
		.choices = pcc_origin_names,
		.help = "only connections that this side opened"},
	[PCC_OPT_LIMIT] = {.name = "--limit",
		.arg = "N",
		.value = PCC_VALUE_NUMBER,
		.help = "at most this many connections"},
	[PCC_OPT_ALL] = {.name = "--all", .help = "every connection, where no filter is given"},
	[PCC_OPT_JSON] = {.name = "--json", .help = "JSON instead of a table"},
	[PCC_OPT_DRY_RUN] = {.name = "--dry-run", .help = "check and show what would be done"},
	[PCC_OPT_CONFIRM] = {.name = "--confirm",
		.arg = "SECONDS",
		.value = PCC_VALUE_NUMBER,
		.help = "go back to what was before unless `pccbpf confirm` is typed within this time"},
	[PCC_OPT_FORCE] = {.name = "--force",
		.help = "also where the pins are damaged or another version's: remove what is recognised"},
	[PCC_OPT_WAIT] = {.name = "--wait",
		.arg = "SECONDS",
		.value = PCC_VALUE_NUMBER,
		.help = "how long to wait while another pccbpf changes something",
		.def = "10"},
	[PCC_OPT_CONFIG] = {.name = "--config",
		.arg = "FILE",
		.value = PCC_VALUE_DIR,
		.help = "the configuration file",
		.def = "/etc/pccbpf/pccbpf.yaml"},
	[PCC_OPT_BPFFS] = {.name = "--bpffs",
		.arg = "DIR",
		.value = PCC_VALUE_DIR,
		.help = "directory of the pins; one instance per directory",
		.def = "/sys/fs/bpf/pccbpf"},
};

#define BIT(name) PCC_OPT_BIT(PCC_OPT_##name)
#define CHANGES (BIT(BPFFS) | BIT(WAIT))
#define CONFIGURES (CHANGES | BIT(DRY_RUN))
#define READS (BIT(BPFFS) | BIT(JSON))

const struct pcc_command pcc_commands[PCC_CMD_MAX] = {
	[PCC_CMD_ATTACH] = {.id = PCC_CMD_ATTACH,
		.name = "attach",
		.syntax = "",
		.kind = PCC_CMD_CHANGES,
		.options = CONFIGURES | BIT(LAN) | BIT(WAN) | BIT(CLASSIFIER) | BIT(SCHEME) |
			   BIT(BUCKETS) | BIT(SEED) | BIT(FASTPATH) | BIT(MARK_MASK) | BIT(NO_NAT) |
			   BIT(NAT6) | BIT(OWN) | BIT(MAX_CONNS) | BIT(TABLE_BASE) | BIT(RULE_PREF),
		.required = BIT(LAN) | BIT(WAN),
		.summary = "spread the LAN's connections over the WANs",
		.text = "Loads the data plane, gives every WAN its routing table, rules and masquerade, "
			"and starts to spread new connections. Connections that exist stay where they "
			"are. Attaching the same thing again changes nothing.",
		.example = "pccbpf attach --lan br0 --wan eth1,eth2@198.51.100.1*2"},
	[PCC_CMD_DETACH] = {.id = PCC_CMD_DETACH,
		.name = "detach",
		.syntax = "",
		.kind = PCC_CMD_CHANGES,
		.options = CONFIGURES | BIT(FORCE),
		.summary = "undo attach and leave nothing behind",
		.text = "Removes programs, routing tables, rules, masquerade and pins, and puts back "
			"the sysctls that attach changed.",
		.example = "pccbpf detach"},
	[PCC_CMD_WAN_ADD] = {.id = PCC_CMD_WAN_ADD,
		.name = "wan add",
		.syntax = "WAN",
		.min_words = 1,
		.max_words = 1,
		.kind = PCC_CMD_CHANGES,
		.options = CONFIGURES,
		.summary = "take one more WAN into use",
		.text = "WAN is IF[@GATEWAY][@GATEWAY6][*WEIGHT]. Connections that exist stay on their "
			"WANs; the new one gets its share of new connections.",
		.example = "pccbpf wan add eth3@203.0.113.1"},
	[PCC_CMD_WAN_DEL] = {.id = PCC_CMD_WAN_DEL,
		.name = "wan del",
		.syntax = "IF",
		.min_words = 1,
		.max_words = 1,
		.kind = PCC_CMD_CHANGES,
		.options = CONFIGURES,
		.summary = "give up a WAN",
		.text = "The WAN's connections are let go and its buckets go to the other WANs. To let "
			"connections end by themselves first: pccbpf wan set IF --state drain.",
		.example = "pccbpf wan del eth3"},
	[PCC_CMD_WAN_SET] = {.id = PCC_CMD_WAN_SET,
		.name = "wan set",
		.syntax = "IF",
		.min_words = 1,
		.max_words = 1,
		.kind = PCC_CMD_CHANGES,
		.options = CONFIGURES | BIT(WEIGHT) | BIT(GATEWAY) | BIT(STATE),
		.one_of = BIT(WEIGHT) | BIT(GATEWAY) | BIT(STATE),
		.summary = "change weight, gateway or state of a WAN",
		.text = "What is not named stays as it is.",
		.example = "pccbpf wan set eth2 --weight 3"},
	[PCC_CMD_WAN_LIST] = {.id = PCC_CMD_WAN_LIST,
		.name = "wan list",
		.syntax = "",
		.kind = PCC_CMD_READS,
		.options = READS,
		.summary = "list the WANs",
		.text = "One line per WAN: id, state, weight, mark, routing table, gateways, share.",
		.example = "pccbpf wan list --json"},
	[PCC_CMD_LAN_ADD] = {.id = PCC_CMD_LAN_ADD,
		.name = "lan add",
		.syntax = "IF",
		.min_words = 1,
		.max_words = 1,
		.kind = PCC_CMD_CHANGES,
		.options = CONFIGURES,
		.summary = "spread the connections of one more LAN interface",
		.text = "Takes effect for the next packet that the interface receives.",
		.example = "pccbpf lan add eth0.20"},
	[PCC_CMD_LAN_DEL] = {.id = PCC_CMD_LAN_DEL,
		.name = "lan del",
		.syntax = "IF",
		.min_words = 1,
		.max_words = 1,
		.kind = PCC_CMD_CHANGES,
		.options = CONFIGURES,
		.summary = "leave a LAN interface to the main routing table",
		.text = "The last LAN interface cannot be removed: that is what detach is for.",
		.example = "pccbpf lan del eth0.20"},
	[PCC_CMD_STATUS] = {.id = PCC_CMD_STATUS,
		.name = "status",
		.syntax = "",
		.kind = PCC_CMD_READS,
		.options = READS,
		.summary = "show LANs, WANs, shares and the fast path",
		.text = "Exit status 3 says that a WAN is down.",
		.example = "pccbpf status"},
	[PCC_CMD_STATS] = {.id = PCC_CMD_STATS,
		.name = "stats",
		.syntax = "",
		.kind = PCC_CMD_READS,
		.options = READS | BIT(PER_BUCKET) | BIT(WATCH) | BIT(INTERVAL),
		.summary = "show packets, bytes and new connections of each WAN",
		.text = "tx is from LAN to WAN. The counters below the WANs count every verdict of the "
			"data plane.",
		.example = "pccbpf stats --watch --interval 2"},
	[PCC_CMD_CONNS] = {.id = PCC_CMD_CONNS,
		.name = "conns",
		.syntax = "",
		.kind = PCC_CMD_READS,
		.options = READS | PCC_OPTS_FILTER | BIT(LIMIT),
		.summary = "list the connections and their WANs",
		.text = "Filters are combined: a connection is shown when it passes all of them.",
		.example = "pccbpf conns --wan eth1 --src 192.168.1.0/24 --proto tcp"},
	[PCC_CMD_CONNS_FLUSH] = {.id = PCC_CMD_CONNS_FLUSH,
		.name = "conns flush",
		.syntax = "",
		.kind = PCC_CMD_CHANGES,
		.options = CHANGES | PCC_OPTS_FILTER | BIT(ALL),
		.one_of = PCC_OPTS_FILTER | BIT(ALL),
		.summary = "forget connections, so that they are spread anew",
		.text = "Forgets what passes all filters. Without a filter it wants --all.",
		.example = "pccbpf conns flush --wan eth2"},
	[PCC_CMD_EXPLAIN] = {.id = PCC_CMD_EXPLAIN,
		.name = "explain",
		.syntax = "SRC[:PORT] DST[:PORT] [PROTO]",
		.min_words = 2,
		.max_words = 3,
		.kind = PCC_CMD_READS,
		.options = READS,
		.summary = "show which WAN a connection gets, and why",
		.text = "From the fields to the hash, bucket, WAN, mark, routing table and next hop, with "
			"the code of the data plane. PROTO is tcp unless given.",
		.example = "pccbpf explain 192.168.1.10:40000 203.0.113.5:443"},
	[PCC_CMD_USE] = {.id = PCC_CMD_USE,
		.name = "use",
		.syntax = "IF COMMAND [ARGUMENT...]",
		.min_words = 1,
		.max_words = 1,
		.runs = true,
		.options = BIT(BPFFS),
		.summary = "run a command whose connections leave by one WAN",
		.text = "Every socket that COMMAND and what it starts make carries the WAN's mark, "
			"whatever the WAN's state is. The exit status is that of COMMAND; 126 and 127 "
			"say that it cannot be run or found. Options of pccbpf stand before COMMAND.",
		.example = "pccbpf use eth2 curl -sI https://www.example.net/"},
	[PCC_CMD_APPLY] = {.id = PCC_CMD_APPLY,
		.name = "apply",
		.syntax = "[FILE]",
		.max_words = 1,
		.kind = PCC_CMD_CHANGES,
		.options = CONFIGURES | BIT(CONFIRM),
		.summary = "make a configuration file what the router does",
		.text = "Attaches what FILE says (/etc/pccbpf/pccbpf.yaml unless given, - for standard "
			"input), or changes what differs. Connections stay where they are; WANs that are "
			"attached keep their state. With --confirm it also survives the loss of the "
			"terminal.",
		.example = "pccbpf apply /etc/pccbpf/pccbpf.yaml --confirm 60"},
	[PCC_CMD_CONFIRM] = {.id = PCC_CMD_CONFIRM,
		.name = "confirm",
		.syntax = "",
		.kind = PCC_CMD_CHANGES,
		.options = CHANGES,
		.summary = "keep what apply --confirm applied",
		.text = "Without it the configuration of before is back after the time that was given.",
		.example = "pccbpf confirm"},
	[PCC_CMD_CHECK] = {.id = PCC_CMD_CHECK,
		.name = "check",
		.syntax = "[FILE]",
		.max_words = 1,
		.kind = PCC_CMD_READS,
		.options = READS,
		.summary = "say what is wrong with a configuration file",
		.text = "An error names file, line and column. Looks at the file alone, not at the "
			"router, and needs no rights. FILE as for apply.",
		.example = "pccbpf check pccbpf.yaml"},
	[PCC_CMD_SHOW_CONFIG] = {.id = PCC_CMD_SHOW_CONFIG,
		.name = "show config",
		.syntax = "",
		.kind = PCC_CMD_READS,
		.options = READS,
		.summary = "print what runs as a configuration file",
		.text = "Apply accepts it, and then changes nothing. What was changed by other commands "
			"since is in it.",
		.example = "pccbpf show config"},
	[PCC_CMD_DAEMON] = {.id = PCC_CMD_DAEMON,
		.name = "daemon",
		.syntax = "",
		.kind = PCC_CMD_CHANGES,
		.options = BIT(BPFFS) | BIT(CONFIG),
		.summary = "keep the router as the file says while the network changes",
		.text = "Attaches what the file says, or adopts what is attached; then follows links, "
			"addresses and gateways, puts back what others removed, checks the WANs' "
			"health and takes dead ones out of use. Runs in the foreground. SIGHUP reads "
			"the file again. When it ends the data plane stays as it is.",
		.example = "pccbpf daemon --config /etc/pccbpf/pccbpf.yaml"},
	[PCC_CMD_MONITOR] = {.id = PCC_CMD_MONITOR,
		.name = "monitor",
		.syntax = "",
		.kind = PCC_CMD_READS,
		.options = READS,
		.summary = "print what the daemon does, as it happens",
		.text = "A line for each change of a WAN's state with its reason, each repair, each "
			"alarm, until interrupted. With --json a JSON object a line.",
		.example = "pccbpf monitor --json"},
	[PCC_CMD_HELP] = {.id = PCC_CMD_HELP,
		.name = "help",
		.syntax = "[COMMAND]",
		.max_words = 2,
		.options = BIT(BPFFS),
		.summary = "explain a command",
		.text = "Without COMMAND it lists the commands.",
		.example = "pccbpf help wan add"},
	[PCC_CMD_VERSION] = {.id = PCC_CMD_VERSION,
		.name = "version",
		.syntax = "",
		.options = READS,
		.summary = "print the version",
		.text = "The version of pccbpf and of the layout of its maps.",
		.example = "pccbpf version"},
};

/* Does the command's name start with this word, and if it has two, is second the other one? */
static bool name_is(const struct pcc_command *cmd, const char *first, const char *second)
{
	size_t len = strlen(first);

	if (strncmp(cmd->name, first, len) != 0)
		return false;
	if (!second)
		return cmd->name[len] == '\0';
	return cmd->name[len] == ' ' && strcmp(cmd->name + len + 1, second) == 0;
}

/* The longest command that the words start with; NULL if none. *used: words of its name. */
static const struct pcc_command *find_command(
	const char *const *words, unsigned int nwords, unsigned int *used)
{
	for (*used = nwords < 2 ? nwords : 2; *used > 0; --*used)
		for (int i = 0; i < PCC_CMD_MAX; i++)
			if (name_is(&pcc_commands[i], words[0], *used == 2 ? words[1] : NULL))
				return &pcc_commands[i];
	return NULL;
}

/* Is it the first word of commands with two, as `wan` is? */
static bool is_group(const char *word)
{
	size_t len = strlen(word);

	for (int i = 0; len && i < PCC_CMD_MAX; i++)
		if (strncmp(pcc_commands[i].name, word, len) == 0 &&
			pcc_commands[i].name[len] == ' ')
			return true;
	return false;
}

/* No command is named so: what was meant? */
static int unknown_command(const char *const *words, unsigned int nwords, struct pcc_err *err)
{
	char given[96], firsts[PCC_CMD_MAX][16], all[192] = "";
	const char *names[PCC_CMD_MAX], *near;
	bool group = is_group(words[0]);
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
	if (near)
		return pcc_err_hint(err, -EINVAL, "did you mean '%s'?", near);
	if (group)
		return pcc_err_hint(err, -EINVAL, "one of: %s", all);
	return pcc_err_hint(err, -EINVAL, "pccbpf help lists the commands");
}

/* The option of that name (len characters) among allowed; PCC_OPT_MAX if there is none. */
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
	return is_group(word);
}

/*
 * Before the command is known: does the option take the next word? Where the answer depends on the
 * command (--buckets), the name of a command is not its value.
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

/* What a first look at the words finds: the first of them that are no options, and the switches. */
struct outline {
	const char *words[2];
	unsigned int nwords;
	bool help, version;
};

/* Does the command of that name run another one? */
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
			/* the next word is looked at nevertheless if it asks for help */
			if (takes_next(word, argv[i + 1]) && strncmp(argv[i + 1], "--", 2) != 0 &&
				strcmp(argv[i + 1], "-h") != 0)
				i++;
		} else {
			/* `use IF COMMAND`: what follows is for COMMAND */
			if (runs && nwords == 2)
				break;
			if (o->nwords < 2)
				o->words[o->nwords++] = word;
			runs = nwords++ ? runs : runs_another(word);
		}
	}
}

/* A word with dashes that the command has no option for. */
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

/* One option at argv[*i]; steps over its value. */
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

/* All words are in place: enough of them, and the options that have to be there? */
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

/* Options and words of a command that is known. skip: words of its name. */
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

/* `help wan add`: the words are a command's name. A group, as `wan`, gets the overall help. */
static int find_topic(struct pcc_args *args, struct pcc_err *err)
{
	unsigned int used;

	if (args->nwords == 0 || (args->nwords == 1 && is_group(args->words[0]) &&
					 !find_command(args->words, 1, &used)))
		return 0;
	args->topic = find_command(args->words, args->nwords, &used);
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
		args->topic = find_command(o.words, o.nwords, &used);
		if (o.nwords && !args->topic && !is_group(o.words[0]))
			return unknown_command(o.words, o.nwords, err);
		return 0;
	}
	if (o.nwords == 0) {
		pcc_err_set(err, -EINVAL, "command", "none is given");
		return pcc_err_hint(err, -EINVAL, "pccbpf help lists the commands");
	}
	*cmd = find_command(o.words, o.nwords, &used);
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

/* Prints text in lines of at most 79 characters, each after the first indented. */
static void print_wrapped(FILE *out, const char *text, int indent)
{
	int column = indent;

	while (*text) {
		int len = (int)strcspn(text, " ");

		if (column > indent && column + 1 + len > 79) {
			fprintf(out, "\n%*s", indent, "");
			column = indent;
		} else if (column > indent) {
			fputc(' ', out);
			column++;
		}
		fprintf(out, "%.*s", len, text);
		column += len;
		text += len;
		while (*text == ' ')
			text++;
	}
	fputc('\n', out);
}

static void print_option(FILE *out, const struct pcc_option *o)
{
	char left[64], text[512];
	size_t used;

	snprintf(left, sizeof(left), "%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
	used = (size_t)snprintf(text, sizeof(text), "%s", o->help);
	for (size_t i = 0; o->choices && o->choices[i]; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s",
			i ? ", " : "; one of ", o->choices[i]);
	if (o->def)
		snprintf(text + used, sizeof(text) - used, " (default: %s)", o->def);
	fprintf(out, "  %-23s ", left);
	print_wrapped(out, text, 26);
}

void pcc_help_command_print(FILE *out, const struct pcc_command *cmd)
{
	char usage[160];

	fprintf(out, "Usage: %s\n\n", pcc_command_usage(cmd, usage, sizeof(usage)));
	fputs("  ", out);
	print_wrapped(out, cmd->text, 2);
	fputs("\nOptions:\n", out);
	for (unsigned int i = 0; i < PCC_OPT_MAX; i++)
		if (cmd->options & PCC_OPT_BIT(i))
			print_option(out, &pcc_options[i]);
	fprintf(out, "  %-23s %s\n", "-h, --help", "show this");
	fprintf(out, "\nExample:\n  %s\n", cmd->example);
}

void pcc_help_print(FILE *out)
{
	fputs("Usage: pccbpf COMMAND [OPTIONS]\n\n"
	      "Spreads the connections of a LAN over several WANs and keeps each on its own.\n\n"
	      "Commands:\n",
		out);
	for (int i = 0; i < PCC_CMD_MAX; i++) {
		const struct pcc_command *cmd = &pcc_commands[i];
		char left[64];

		snprintf(left, sizeof(left), "%s%s%s", cmd->name, *cmd->syntax ? " " : "",
			cmd->syntax);
		if (strlen(left) > 23)
			fprintf(out, "  %s\n  %-23s ", left, "");
		else
			fprintf(out, "  %-23s ", left);
		print_wrapped(out, cmd->summary, 26);
	}
	fputs("\nOptions of every command:\n", out);
	print_option(out, &pcc_options[PCC_OPT_BPFFS]);
	fprintf(out, "  %-23s %s\n", "-h, --help", "explain the command");
	fprintf(out, "  %-23s %s\n", "-V, --version", "print the version");
	fputs("\nWAN is IF[@GATEWAY][@GATEWAY6][*WEIGHT]. `pccbpf help COMMAND` tells more.\n"
	      "Exit status: 0 done, 1 failed, 2 wrong usage, 3 a WAN is down (status).\n",
		out);
}
