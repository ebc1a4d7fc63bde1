/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The probers of one WAN, driven by an event loop: ICMP echo, TCP connect, DNS query, HTTP GET.
 * Every socket is bound to the WAN's device (SO_BINDTODEVICE) and has its mark (SO_MARK), so a
 * probe leaves by its WAN or not at all.
 */
#ifndef PCC_PROBE_H
#define PCC_PROBE_H

#include <systemd/sd-event.h>

#include "base/err.h"
#include "health/health.h"

/*
 * How often a probe asks: at its start, and then after every fifth of the timeout, until there is
 * an answer. So one lost packet does not lose the probe, and even short probes can be trusted.
 */
#define PCC_PROBE_TRIES 5u

/* The WAN that the probes leave by. */
struct pcc_probe_wan {
	char name[PCC_IFNAMSIZ];
	uint32_t ifindex;     /* the sockets are bound to this; the name is for messages */
	uint32_t mark;	      /* pcc_wan.mark */
	struct in_addr src4;  /* source address; all zeroes: the kernel chooses */
	struct in6_addr src6; /* source address; all zeroes: the kernel chooses */
};

struct pcc_prober;

/*
 * Called with each result, from the event loop and never from within a function of this file. It
 * may call pcc_prober_now(), and pcc_prober_free() for any prober.
 */
typedef void (*pcc_probe_fn)(const struct pcc_probe_result *result, void *arg);

/*
 * Starts probing the targets of cfg. The first probe of each target is at a random moment within
 * interval_ms; at most one probe of a target runs at a time. Copies its arguments and keeps a
 * reference to the event loop. The prober never fails later: what cannot be sent counts as lost.
 * Returns 0 or -errno with err filled.
 */
int pcc_prober_new(struct pcc_prober **prober, sd_event *event, const struct pcc_probe_wan *wan,
	const struct pcc_health_cfg *cfg, pcc_probe_fn fn, void *arg, struct pcc_err *err);

/* Stops probing and frees the prober. Accepts NULL. */
void pcc_prober_free(struct pcc_prober *prober);

/* Probes these targets (bits) now, except those of which a probe is running. */
void pcc_prober_now(struct pcc_prober *prober, uint32_t targets);

#endif
