/* SPDX-License-Identifier: GPL-2.0-only */
/* The text of a health target, and back. Pure: no kernel, no resolver. */
#ifndef PCC_TARGET_H
#define PCC_TARGET_H

#include <stddef.h>

#include "base/err.h"
#include "health/health.h"

#define PCC_TARGET_TEXT_MAX 208u /* longest text of pcc_target_format() and its terminating 0 */

/*
 * One word to a target:
 *
 *   A  icmp://A                          an echo is answered
 *   tcp://A:PORT                         a connection is accepted
 *   dns://A[:PORT]/NAME                  the name has an IPv4 address (port 53)
 *   http://A[:PORT][/PATH][#expect=CODE] the status is CODE (port 80)
 *
 * A is a number, IPv6 in brackets where a scheme stands before it. Without expect= the status is
 * 204 for a path that ends in generate_204 or gen_204, else any 2xx. What stands behind # is never
 * sent to a server, so it cannot be a part of the path. 0 or -EINVAL with err filled; then *target
 * is untouched.
 */
int pcc_target_parse(const char *word, struct pcc_target *target, struct pcc_err *err);

/* The shortest text that gives this target. */
void pcc_target_format(const struct pcc_target *target, char text[PCC_TARGET_TEXT_MAX]);

/* Do they ask the same? However the user wrote them. */
bool pcc_target_same(const struct pcc_target *a, const struct pcc_target *b);

#endif
