/* SPDX-License-Identifier: GPL-2.0-only */
/* Routes and rules in the syntax of `ip route` and `ip rule`. */
#ifndef PCC_ROUTE_TEXT_H
#define PCC_ROUTE_TEXT_H

#include "kernel/route.h"
#include "kernel/rule.h"

/*
 * Writes the route to buf (len bytes) as `ip route` prints it, the interface by name. Returns buf.
 */
char *pcc_route_format(char *buf, size_t len, const struct pcc_route *route);

/* Writes the rule to buf (len bytes) as `ip rule` prints it. Returns buf. */
char *pcc_rule_format(char *buf, size_t len, const struct pcc_rule *rule);

#endif
