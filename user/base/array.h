/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PCC_ARRAY_H
#define PCC_ARRAY_H

/* Elements of an array (not of a pointer). */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
