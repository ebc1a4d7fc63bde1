// SPDX-License-Identifier: GPL-2.0-only
/* Prints help: the list of commands, and what one of them takes. */
#include "cli/options.h"

#include <string.h>

/* Prints text in lines of at most 79 characters. All lines but the first are indented. */
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
