/* SPDX-License-Identifier: GPL-2.0-only */
/* Which programs in the kernel belong to a pccbpf, and which to this instance. */
#ifndef PCC_OURS_H
#define PCC_OURS_H

#include "pins/dataplane.h"

/* Returns the id of a map, or 0 if there is none or the kernel does not tell. */
uint32_t pcc_map_id(int fd);

/* Does the program use the map with this id? False for id 0. */
bool pcc_prog_uses_map(int fd, uint32_t map_id);

/* Is the program, judged by its name, one of any pccbpf instance? */
bool pcc_prog_is_pccbpf(uint32_t id);

/*
 * Does the program belong to this instance: does it use our pcc_meta? It may be of another build.
 */
bool pcc_prog_is_ours(struct pcc_dp *dp, uint32_t id);

#endif
