/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arrays that grow. A list is a struct with the members v (the items), n (how many there are) and
 * room (how many fit). The empty list is all zeroes.
 */
#ifndef PCC_LIST_H
#define PCC_LIST_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Appends a copy of *item. Returns 0, or -ENOMEM, and then the list is unchanged. */
#define PCC_LIST_APPEND(list, item)                                                                \
	pcc_list_append(&(list)->v, &(list)->n, &(list)->room, (item), sizeof(*(item)))

/* Frees the items and leaves an empty list. */
#define PCC_LIST_FREE(list)                                                                        \
	do {                                                                                       \
		free((list)->v);                                                                   \
		memset((list), 0, sizeof(*(list)));                                                \
	} while (0)

/*
 * The function behind PCC_LIST_APPEND(). v is the address of the pointer to the items, bytes the
 * size of one item.
 */
int pcc_list_append(void *v, size_t *n, size_t *room, const void *item, size_t bytes);

#endif
