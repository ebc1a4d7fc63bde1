// SPDX-License-Identifier: GPL-2.0-only
/* Finding the known word that is nearest to a mistyped one. */
#include "text/suggest.h"

#include <string.h>

#define WORD_MAX 63u

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int m = a < b ? a : b;

	return m < c ? m : c;
}

unsigned int pcc_suggest_distance(const char *a, const char *b)
{
	unsigned int row[3][WORD_MAX + 1];
	size_t na = strlen(a), nb = strlen(b);
	unsigned int *before = row[0], *above = row[1], *here = row[2], *spare;

	if (na > WORD_MAX || nb > WORD_MAX)
		return PCC_SUGGEST_MAX + 1;
	for (size_t j = 0; j <= nb; j++)
		above[j] = before[j] = (unsigned int)j;
	for (size_t i = 1; i <= na; i++) {
		here[0] = (unsigned int)i;
		for (size_t j = 1; j <= nb; j++) {
			unsigned int differs = a[i - 1] != b[j - 1];

			here[j] = min3(above[j] + 1, here[j - 1] + 1, above[j - 1] + differs);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
				before[j - 2] + 1 < here[j])
				here[j] = before[j - 2] + 1;
		}
		spare = before;
		before = above;
		above = here;
		here = spare;
	}
	return above[nb];
}

const char *pcc_suggest(const char *word, const char *const *names, size_t n)
{
	unsigned int best = PCC_SUGGEST_MAX + 1;
	const char *found = NULL;

	for (size_t i = 0; i < n; i++) {
		unsigned int d;
		size_t longer;

		if (!names[i])
			continue;
		d = pcc_suggest_distance(word, names[i]);
		longer = strlen(word) > strlen(names[i]) ? strlen(word) : strlen(names[i]);
		if (d < best && d < longer) {
			best = d;
			found = names[i];
		}
	}
	/* Or the beginning of one: "src" for "src-address". */
	for (size_t i = 0; !found && strlen(word) > 1 && i < n; i++)
		if (names[i] && !strncmp(word, names[i], strlen(word)))
			found = names[i];
	return found;
}
