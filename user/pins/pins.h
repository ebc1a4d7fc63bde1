/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of this folder share, and nobody else needs. */
#ifndef PCC_PINS_H
#define PCC_PINS_H

#include "pins/dataplane.h"

/* Names of the pins. */
extern const char *const pcc_map_names[PCC_MAP_MAX];
extern const char *const pcc_prog_names[PCC_PROG_MAX];

/* libbpf's messages: the last of them explains a failed load. */
extern char pcc_libbpf_says[512];

/* Does PCCBPF_DISABLE name the feature? */
bool pcc_is_disabled(const char *feature);

#define PCC_PIN_PATH 320 /* room for any path here: a directory, a slash, the name of a pin */

/* "DIR/NAME" into path. */
void pcc_pin_path(const struct pcc_dp *dp, const char *name, char path[PCC_PIN_PATH]);

/*
 * Is it a map that came without a new ABI number? An older build has none, and its programs are
 * about to be loaded anew.
 */
bool pcc_map_is_younger(int which);

/* Closes maps and programs; the lock stays. */
void pcc_close_objects(struct pcc_dp *dp);

/*
 * Passes all entries of a hash map to fn, some thousand at a time; fn returns 0 to go on. 0, a
 * negative errno, or what fn returned.
 */
typedef int (*pcc_map_batch_fn)(const void *keys, const void *values, uint32_t n, void *arg);
int pcc_map_walk(int fd, size_t key_bytes, size_t value_bytes, pcc_map_batch_fn fn, void *arg);

/* Closes it unless it is -1, which it is then. */
void pcc_close_fd(int *fd);

/* Maps pcc_meta into memory, as dp->meta. 0 or -errno with err filled. */
int pcc_dp_map_meta(struct pcc_dp *dp, struct pcc_err *err);

#endif
