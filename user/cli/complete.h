/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What can be typed next, from the tables of commands and options. The shells' completion calls
 * `pccbpf complete WORD...`. Pure; the caller supplies the names of interfaces.
 */
#ifndef PCC_COMPLETE_H
#define PCC_COMPLETE_H

#include "cli/options.h"

#define PCC_MAX_COMPLETE_NAMES 256u

struct pcc_complete_names {
	char name[PCC_MAX_COMPLETE_NAMES][PCC_IFNAMSIZ];
	uint32_t n;
};

/*
 * Fills in the names of a kind (PCC_WORD_IFACE, _LAN, _WAN). dir is the value of --bpffs, or NULL
 * if it was not typed.
 */
typedef void (*pcc_complete_fn)(
	enum pcc_word kind, const char *dir, struct pcc_complete_names *names);

/*
 * words[0..n) are the words after "pccbpf"; the last one is being typed and may be empty. Prints
 * one candidate a line, if possible followed by a tab and its meaning. A line ":files",
 * ":directories" or ":programs" tells the shell to complete these by itself; ":nospace" is for
 * lists, which may continue.
 */
void pcc_complete(FILE *out, const char *const *words, unsigned int n, pcc_complete_fn names_of);

/*
 * The command `pccbpf complete`, with the interfaces of this machine and what is attached. Returns
 * the exit status.
 */
int pcc_cmd_complete(int argc, char **argv);

#endif
