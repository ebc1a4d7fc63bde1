/* SPDX-License-Identifier: GPL-2.0-only */
/* Which programs of the kernel are a pccbpf's, and which are this instance's. */
#ifndef PCC_OURS_H
#define PCC_OURS_H

#include "pins/dataplane.h"

/* Id of a map; 0 where there is none or it cannot be asked. */
uint32_t pcc_map_id(int fd);

/* Does the program use the map with that id? Of none, 0: no. */
bool pcc_prog_uses_map(int fd, uint32_t map_id);

/* Is the program, by its name, one of a pccbpf, of whatever instance? */
bool pcc_prog_is_pccbpf(uint32_t id);

/* Is the program this instance's: of whatever build, it works on our pcc_meta? */
bool pcc_prog_is_ours(struct pcc_dp *dp, uint32_t id);

#endif
