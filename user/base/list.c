// SPDX-License-Identifier: GPL-2.0-only
/* Growing arrays; list.h has the macros that callers use. */
#include "base/list.h"

#include <errno.h>

int pcc_list_append(void *v, size_t *n, size_t *room, const void *item, size_t bytes)
{
	char *items = *(void **)v;

	if (*n == *room) {
		size_t more = *room ? *room * 2 : 16;

		items = realloc(items, more * bytes);
		if (!items)
			return -ENOMEM;
		*(void **)v = items;
		*room = more;
	}
	memcpy(items + *n * bytes, item, bytes);
	(*n)++;
	return 0;
}
