/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Health of a WAN: what to probe and when to believe it. The state machine is pure: probe results
 * and the time go in, a state and a reason come out.
 */
#ifndef PCC_HEALTH_H
#define PCC_HEALTH_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define PCC_MAX_TARGETS 8u

enum pcc_target_kind {
	PCC_TARGET_ICMP, /* "9.9.9.9", "icmp://9.9.9.9": an echo is answered */
	PCC_TARGET_TCP,	 /* "tcp://1.1.1.1:443": a connection is accepted */
	PCC_TARGET_DNS,	 /* "dns://1.1.1.1/example.com": the name has an address */
	PCC_TARGET_HTTP, /* "http://192.0.2.80/generate_204": the expected status, 204 or 200 */
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

/* When to believe what. All have a default: pcc_health_defaults(). */
struct pcc_health_cfg {
	struct pcc_target targets[PCC_MAX_TARGETS];
	uint32_t ntargets;     /* 0: the gateway's neighbour entry and the link */
	uint32_t quorum;       /* targets that must answer */
	uint32_t interval_ms;  /* between two probes of a target */
	uint32_t timeout_ms;   /* an answer that takes longer is a loss */
	uint32_t fall;	       /* failed rounds in a row until down */
	uint32_t rise;	       /* good rounds in a row until up */
	uint32_t loss_percent; /* degraded above; 100: never */
	uint32_t latency_ms;   /* degraded above, median; 0: never */
	uint32_t hold_ms;      /* a WAN that went down stays so at least this long */
	uint32_t hold_max_ms;  /* the hold doubles with each fall soon after a rise, up to this */
};

void pcc_health_defaults(struct pcc_health_cfg *cfg);

#endif
