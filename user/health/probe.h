/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The probers of one WAN, driven by an event loop: ICMP echo, TCP connect, DNS query, HTTP GET.
 * Every socket is bound to the WAN's device (SO_BINDTODEVICE) and carries its mark (SO_MARK): a
 * probe leaves by its WAN or not at all.
 */
#ifndef PCC_PROBE_H
#define PCC_PROBE_H

#include <systemd/sd-event.h>

#include "base/err.h"
#include "health/health.h"

/*
 * Times that a probe asks: at its start, then every fifth part of the timeout, until there is an
 * answer. So one lost packet is no lost probe, and short probes are trustworthy.
 */
#define PCC_PROBE_TRIES 5u

/* The WAN that the probes leave by. */
struct pcc_probe_wan {
	char name[PCC_IFNAMSIZ];
	uint32_t ifindex;     /* the sockets are bound to this, the name is for messages */
	uint32_t mark;	      /* pcc_wan.mark */
	struct in_addr src4;  /* 0.0.0.0: as the kernel chooses */
	struct in6_addr src6; /* :: */
};

struct pcc_prober;

/*
 * Called from the event loop, never from within a function of this file. It may call
 * pcc_prober_now(), and pcc_prober_free() of any prober.
 */
typedef void (*pcc_probe_fn)(const struct pcc_probe_result *result, void *arg);

/*
 * Starts probing cfg's targets: the first time within interval_ms, at a random moment; at most one
 * probe of a target is under way. Copies what it is given, keeps a reference to the event loop. The
 * prober never fails later: what cannot be sent is lost. 0 or -errno with err filled.
 */
int pcc_prober_new(struct pcc_prober **prober, sd_event *event, const struct pcc_probe_wan *wan,
	const struct pcc_health_cfg *cfg, pcc_probe_fn fn, void *arg, struct pcc_err *err);

/* Stops and frees; NULL is accepted. */
void pcc_prober_free(struct pcc_prober *prober);

/* Probes these targets (bits) now, but for those where a probe is under way. */
void pcc_prober_now(struct pcc_prober *prober, uint32_t targets);

#endif
