/* SPDX-License-Identifier: GPL-2.0-only */
/* The number of elements of an array. */
#ifndef PCC_ARRAY_H
#define PCC_ARRAY_H

/* The number of elements of an array. The argument must be an array, not a pointer. */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
