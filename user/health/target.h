/* SPDX-License-Identifier: GPL-2.0-only */
/* The text of a health target, and back. Pure: no kernel, no resolver. */
#ifndef PCC_TARGET_H
#define PCC_TARGET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define PCC_TARGET_TEXT_MAX 208u /* longest text of pcc_target_format() and its terminating 0 */

enum pcc_target_kind {
	PCC_TARGET_ICMP, /* "9.9.9.9", "icmp://9.9.9.9": an echo is answered */
	PCC_TARGET_TCP,	 /* "tcp://1.1.1.1:443": a connection is accepted */
	PCC_TARGET_DNS,	 /* "dns://1.1.1.1/example.com": the name has an address */
	PCC_TARGET_HTTP, /* "http://192.0.2.80/generate_204": the expected status */
};

/* One thing to ask. Addresses are numbers: a probe must not depend on a resolver. */
struct pcc_target {
	enum pcc_target_kind kind;
	int family; /* AF_INET, AF_INET6 */
	union {
		struct in_addr v4;
		struct in6_addr v6;
	} addr;
	uint16_t port;	 /* host order; 0 for ICMP */
	uint16_t status; /* HTTP: expected status; 0: any 2xx */
	char path[128];	 /* HTTP: path; DNS: name */
	char text[160];	 /* as the user wrote it */
};

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
