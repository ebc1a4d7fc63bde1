/* SPDX-License-Identifier: GPL-2.0-only */
/* "did you mean": the known word that a mistyped one is nearest to. */
#ifndef PCC_SUGGEST_H
#define PCC_SUGGEST_H

#include <stddef.h>

/* Words with a greater distance are not suggested: they are hardly typing errors of each other. */
#define PCC_SUGGEST_MAX 2u

/*
 * Returns the Damerau-Levenshtein distance (optimal string alignment: insert, delete, replace, swap
 * two neighbours). The distance of a word longer than 63 characters to any other is PCC_SUGGEST_MAX
 * + 1.
 */
unsigned int pcc_suggest_distance(const char *a, const char *b);

/*
 * Returns the entry of names[0..n) nearest to word: at most PCC_SUGGEST_MAX away, and with at least
 * one character in the same place. Of several equally near ones the first is taken. If none is
 * so near, the first one that begins with word, if that has two characters or more. Returns NULL
 * if there is none. NULL entries are skipped.
 */
const char *pcc_suggest(const char *word, const char *const *names, size_t n);

#endif
