/* SPDX-License-Identifier: GPL-2.0-only */
/* What only the files of this folder share. */
#ifndef PCC_PINS_H
#define PCC_PINS_H

#include "pins/dataplane.h"

/* The names of the pins. */
extern const char *const pcc_map_names[PCC_MAP_MAX];
extern const char *const pcc_prog_names[PCC_PROG_MAX];

/* The last message of libbpf, which explains why a load failed. */
extern char pcc_libbpf_says[512];

/* Does the environment variable PCCBPF_DISABLE name the feature? */
bool pcc_is_disabled(const char *feature);

#define PCC_PIN_PATH 320 /* enough for any path here: a directory, a slash, the name of a pin */

/* Writes "DIR/NAME" to path. */
void pcc_pin_path(const struct pcc_dp *dp, const char *name, char path[PCC_PIN_PATH]);

/*
 * Was this map added without a new ABI version? The pins of an older build lack it, which is no
 * error, as its programs are about to be loaded again.
 */
bool pcc_map_is_younger(int which);

/* Closes maps and programs, but not the lock. */
void pcc_close_objects(struct pcc_dp *dp);

/*
 * Calls fn with all entries of a hash map, some thousand at a time; fn returns 0 to continue.
 * Returns 0, a negative errno, or what fn returned.
 */
typedef int (*pcc_map_batch_fn)(const void *keys, const void *values, uint32_t n, void *arg);
int pcc_map_walk(int fd, size_t key_bytes, size_t value_bytes, pcc_map_batch_fn fn, void *arg);

/* Closes *fd unless it is -1, and sets it to -1. */
void pcc_close_fd(int *fd);

/* Maps pcc_meta into memory as dp->meta. Returns 0 or -errno with err filled. */
int pcc_dp_map_meta(struct pcc_dp *dp, struct pcc_err *err);

#endif
