/* SPDX-License-Identifier: GPL-2.0-only */
/* Health targets as text, and back. Pure: no kernel, no resolver. */
#ifndef PCC_TARGET_H
#define PCC_TARGET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * The kinds of probes, named after what they send: X(symbol, name). Each is the struct
 * pcc_kind_NAME of probe_NAME.c; kind.h describes its members. A target that is only an address is
 * of the first kind.
 */
#define PCC_TARGET_KINDS(X)                                                                        \
	X(ICMP, icmp)                                                                              \
	X(TCP, tcp)                                                                                \
	X(DNS, dns)                                                                                \
	X(HTTP, http)

enum pcc_target_kind {
#define X(sym, name) PCC_TARGET_##sym,
	PCC_TARGET_KINDS(X)
#undef X
		PCC_TARGET_KIND_MAX
};

/* How a probe of a target ended. */
enum pcc_probe_outcome {
	PCC_PROBE_OK,
	PCC_PROBE_LOST,	   /* no answer in time, or nothing could be sent */
	PCC_PROBE_REFUSED, /* an answer, but not the wanted one: reset, unreachable, a DNS error */
	PCC_PROBE_PORTAL,  /* HTTP: another status than expected */
	PCC_PROBE_LATE,	   /* an answer to a probe that was given up: a sign of life */
};

/* A target. Its address is a number, because a probe must not depend on a resolver. */
struct pcc_target {
	enum pcc_target_kind kind;
	int family; /* AF_INET, AF_INET6 */
	union {
		struct in_addr v4;
		struct in6_addr v6;
	} addr;
	uint16_t port;	 /* host byte order; 0 for ICMP */
	uint16_t status; /* HTTP: the expected status; 0: any 2xx */
	char path[128];	 /* HTTP: the path; DNS: the name */
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

/* Do both ask the same thing, even if the user wrote them differently? */
bool pcc_target_same(const struct pcc_target *a, const struct pcc_target *b);

#endif
