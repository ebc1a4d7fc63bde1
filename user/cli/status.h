/* SPDX-License-Identifier: GPL-2.0-only */
/* What is attached, for status and wan list: read once, then printed for people or as JSON. */
#ifndef PCC_STATUS_H
#define PCC_STATUS_H

#include <stdio.h>

#include "engine/session.h"

struct json_t;

/* Array of WANs as in `status`. NULL without memory. */
struct json_t *pcc_status_wans_json(struct pcc_session *s);
void pcc_status_wans_print(struct pcc_session *s, FILE *out);

#endif
