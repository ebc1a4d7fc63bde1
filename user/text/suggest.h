/* SPDX-License-Identifier: GPL-2.0-only */
/* "did you mean": the known word that a mistyped one is nearest to. */
#ifndef PCC_SUGGEST_H
#define PCC_SUGGEST_H

#include <stddef.h>

/* Words further apart than this are not taken for a slip of the fingers. */
#define PCC_SUGGEST_MAX 2u

/*
 * Damerau-Levenshtein distance (optimal string alignment: insert, delete, replace, swap two
 * neighbours). Words longer than 63 characters are PCC_SUGGEST_MAX + 1 away from everything.
 */
unsigned int pcc_suggest_distance(const char *a, const char *b);

/*
 * The entry of names[0..n) nearest to word, at most PCC_SUGGEST_MAX away and with at least one
 * character in its place; of equals the first one. Else the first that begins with word, of two
 * characters or more. NULL when there is none. NULL entries are skipped.
 */
const char *pcc_suggest(const char *word, const char *const *names, size_t n);

#endif
