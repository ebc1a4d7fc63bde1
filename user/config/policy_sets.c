// SPDX-License-Identifier: GPL-2.0-only
/* Sets of prefixes: reads them from files and prepares them for a longest-prefix look-up. */
#include "config/policy.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SET_FILE_MAX (16u * 1024 * 1024)

int pcc_policy_set_add(
	struct pcc_policies *p, const struct pcc_prefix *prefix, uint64_t sets, struct pcc_err *err)
{
	struct pcc_set_entry *more;

	/* Room doubles from 16, so the array is full whenever nsets is a power of two. */
	if (!p->nsets || (p->nsets >= 16 && !(p->nsets & (p->nsets - 1)))) {
		more = reallocarray(p->sets, p->nsets ? 2 * p->nsets : 16, sizeof(*more));
		if (!more)
			return pcc_err_set(err, -ENOMEM, "prefixes", "%s", strerror(ENOMEM));
		p->sets = more;
	}
	if (p->nsets == PCC_MAX_SET_PREFIXES)
		return pcc_err_set(
			err, -ENOSPC, "prefixes", "there are more than %u", PCC_MAX_SET_PREFIXES);
	p->sets[p->nsets++] = (struct pcc_set_entry){
		.addr = prefix->addr,
		.len = prefix->len + (prefix->family == PCC_V4 ? 96 : 0),
		.sets = sets,
	};
	return 0;
}

/*
 * Cuts a line after its first word and returns the word, or NULL for an empty line. *more: a second
 * word followed.
 */
static char *line_word(char *line, bool *more)
{
	char *end;

	line[strcspn(line, "#\r")] = '\0';
	while (isspace((unsigned char)*line))
		line++;
	end = line + strcspn(line, " \t");
	*more = end[strspn(end, " \t")] != '\0';
	*end = '\0';
	return *line ? line : NULL;
}

int pcc_policy_set_parse(struct pcc_policies *p, const char *text, const char *file, uint64_t sets,
	struct pcc_err *err)
{
	struct pcc_prefix prefix;
	char line[128], where[96];
	unsigned int number = 0;
	int ret = 0;

	while (!ret && *text) {
		size_t len = strcspn(text, "\n");
		bool more = false;
		char *word;

		snprintf(where, sizeof(where), "%.80s:%u", file, ++number);
		snprintf(line, sizeof(line), "%.*s", (int)(len < 127 ? len : 127), text);
		text += len + (text[len] == '\n');
		word = line_word(line, &more);
		if (more)
			return pcc_err_set(err, -EINVAL, where,
				"there is more than one word, where one prefix is expected");
		if (!word)
			continue;
		ret = pcc_parse_prefix(word, where, &prefix, err);
		if (!ret)
			ret = pcc_policy_set_add(p, &prefix, sets, err);
	}
	return ret;
}

int pcc_policy_set_read(const char *path, char **text, struct pcc_err *err)
{
	FILE *f = fopen(path, "re");
	char *buf = NULL;
	size_t size = 0;
	ssize_t len;
	int ret = 0;

	*text = NULL;
	if (!f)
		return pcc_err_set(
			err, -errno, path, "the prefixes cannot be read: %s", strerror(errno));
	errno = 0;
	len = getdelim(&buf, &size, '\0', f);
	if (len < 0 && (ferror(f) || errno))
		ret = pcc_err_set(err, errno ? -errno : -EIO, path,
			"the prefixes cannot be read: %s", strerror(errno ? errno : EIO));
	else if (len > (ssize_t)SET_FILE_MAX || (len > 0 && !feof(f)))
		ret = pcc_err_set(err, -EINVAL, path, "is no text file of prefixes");
	fclose(f);
	if (!ret && len < 0) { /* empty */
		free(buf);
		buf = strdup("");
		ret = buf ? 0 : pcc_err_set(err, -ENOMEM, path, "%s", strerror(ENOMEM));
	}
	if (ret)
		free(buf);
	else
		*text = buf;
	return ret;
}

static int entry_cmp(const void *a, const void *b)
{
	const struct pcc_set_entry *x = a, *y = b;
	int cmp = memcmp(&x->addr, &y->addr, sizeof(x->addr));

	return cmp ? cmp : (int)x->len - (int)y->len;
}

static bool entry_holds(const struct pcc_set_entry *outer, const struct pcc_set_entry *inner)
{
	uint32_t bytes = outer->len / 8, bits = outer->len % 8;
	const uint8_t *a = (const uint8_t *)&outer->addr, *b = (const uint8_t *)&inner->addr;

	return outer->len <= inner->len && !memcmp(a, b, bytes) &&
	       (!bits || !((a[bytes] ^ b[bytes]) >> (8 - bits)));
}

void pcc_policy_sets_settle(struct pcc_policies *p)
{
	size_t around[129], depth = 0, n = 0;

	if (!p->nsets)
		return;
	qsort(p->sets, p->nsets, sizeof(*p->sets), entry_cmp);
	for (size_t i = 0; i < p->nsets; i++) {
		struct pcc_set_entry *e = &p->sets[i];

		if (n && !entry_cmp(&p->sets[n - 1], e)) {
			p->sets[n - 1].sets |= e->sets;
			continue;
		}
		p->sets[n++] = *e;
	}
	p->nsets = n;
	/* In sorted order a prefix comes after all prefixes that contain it; `around` has those. */
	for (size_t i = 0; i < n; i++) {
		while (depth && !entry_holds(&p->sets[around[depth - 1]], &p->sets[i]))
			depth--;
		if (depth)
			p->sets[i].sets |= p->sets[around[depth - 1]].sets;
		around[depth++] = i;
	}
}
