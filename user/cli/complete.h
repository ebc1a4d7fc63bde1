/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What can be typed next, from the tables of commands and options: the shells' completion asks
 * `pccbpf complete WORD...`. Pure; the names of interfaces are the caller's.
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
 * Fills in the names of a kind (PCC_WORD_IFACE, _LAN, _WAN); dir is the value of --bpffs, or NULL
 * where it was not typed.
 */
typedef void (*pcc_complete_fn)(
	enum pcc_word kind, const char *dir, struct pcc_complete_names *names);

/*
 * words[0..n) stand behind "pccbpf"; the last is being typed, perhaps empty. Prints a candidate a
 * line, with a tab and what it means behind it where there is something to say. The shell completes
 * files, directories or programs by itself where a line is ":files", ":directories", ":programs";
 * ":nospace" is for lists, which may go on.
 */
void pcc_complete(FILE *out, const char *const *words, unsigned int n, pcc_complete_fn names_of);

/* `pccbpf complete`: with the interfaces of this machine, and what is attached. Exit status. */
int pcc_cmd_complete(int argc, char **argv);

#endif
