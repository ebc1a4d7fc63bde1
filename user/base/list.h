/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lists that grow: structs with the items v, their number n, and the room for more. The empty list
 * is all zeroes.
 */
#ifndef PCC_LIST_H
#define PCC_LIST_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Appends a copy of *item. 0, or -ENOMEM with the list as it was. */
#define PCC_LIST_APPEND(list, item)                                                                \
	pcc_list_append(&(list)->v, &(list)->n, &(list)->room, (item), sizeof(*(item)))

/* Frees a list and leaves the empty one. */
#define PCC_LIST_FREE(list)                                                                        \
	do {                                                                                       \
		free((list)->v);                                                                   \
		memset((list), 0, sizeof(*(list)));                                                \
	} while (0)

/* What PCC_LIST_APPEND() does. v is the address of the pointer to the items. */
int pcc_list_append(void *v, size_t *n, size_t *room, const void *item, size_t bytes);

#endif
