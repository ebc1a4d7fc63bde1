/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The health of a WAN: what to probe and when to believe the result. A pure state machine: probe
 * results, the link, the gateway, the WAN's counters and the time go in; a state and a reason come
 * out.
 *
 * A target fails after `fall` lost probes in a row and is good again after `rise` prompt answers.
 * The WAN falls when fewer than `quorum` targets have not failed. It rises when `quorum` targets
 * are good, but not before its hold is over; the hold doubles whenever the WAN falls again soon. If
 * the link goes down or the gateway is gone, the WAN falls at once. If its targets are silent but
 * other traffic gets answers, it does not fall.
 */
#ifndef PCC_HEALTH_H
#define PCC_HEALTH_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "health/target.h"
#include "pccbpf.h"

#define PCC_MAX_TARGETS 8u

/*
 * The numbers of the state machine: X(name, default, minimum). A smaller value counts as the
 * minimum.
 */
/* clang-format off */
#define PCC_HEALTH_NUMBERS(X)                                                                     \
	X(quorum,            1, 1) /* targets that must answer; at most as many as there are */    \
	X(interval_ms,     500, 0) /* between the starts of two probes of a target */              \
	X(timeout_ms,     1000, 0) /* an answer that takes longer is a loss */                     \
	X(fall,              2, 1) /* lost probes in a row until a target has failed */            \
	X(rise,              6, 1) /* answered probes in a row until a target is good again */     \
	X(loss_percent,     25, 0) /* the WAN is degraded above this loss; 100: never */           \
	X(latency_ms,      500, 0) /* the WAN is degraded above this median; 0: never */           \
	X(hold_ms,       10000, 0) /* a WAN that went down stays so at least this long */          \
	X(hold_max_ms,  120000, 0) /* the hold doubles with each fall soon after a rise, up to this */
/* clang-format on */

/* What to probe, and the numbers of the state machine. */
struct pcc_health_cfg {
	struct pcc_target targets[PCC_MAX_TARGETS];
	uint32_t ntargets; /* 0: only the link and the gateway's neighbour entry are watched */
#define X(name, initial, least) uint32_t name;
	PCC_HEALTH_NUMBERS(X)
#undef X
};

/*
 * Fills cfg with the defaults above and no targets. A target is asked up to five times within a
 * probe (probe.h), so with a random loss of 10 % one probe in 100,000 fails, and two in a row
 * practically never; a dead target has failed after 2.6 s at most.
 */
void pcc_health_defaults(struct pcc_health_cfg *cfg);

/* The states; the names are those of `status` and `monitor`. */
enum pcc_health_state { PCC_HEALTH_UP, PCC_HEALTH_DEGRADED, PCC_HEALTH_DOWN };

/* The reasons for a state: X(symbol, name, what it means). */
#define PCC_HEALTH_REASONS(X)                                                                      \
	X(OK, "ok", "all is well")                                                                 \
	X(LOSS, "loss", "too many probes are lost")                                                \
	X(LATENCY, "latency", "answers take too long")                                             \
	X(QUIET_TARGETS, "quiet-targets", "targets do not answer, others do")                      \
	X(SILENT, "silent", "nothing answers what is sent, and there is no target to ask")         \
	X(LINK, "link", "the link is down")                                                        \
	X(GATEWAY, "gateway", "the gateway does not answer")                                       \
	X(TARGETS, "targets", "too few targets answer")                                            \
	X(PORTAL, "portal", "an unexpected HTTP status: a captive portal?")                        \
	X(RISING, "rising", "answers again, but not for long enough")                              \
	X(HOLD, "hold", "answers again, held down because it fell too often or just now")

enum pcc_health_reason {
#define X(sym, name, text) PCC_HEALTH_R_##sym,
	PCC_HEALTH_REASONS(X)
#undef X
		PCC_HEALTH_R_MAX
};

/* The result of one probe. A probe asks up to PCC_PROBE_TRIES times, until it has an answer. */
struct pcc_probe_result {
	uint32_t target; /* index in pcc_health_cfg.targets */
	enum pcc_probe_outcome outcome;
	uint32_t tries; /* tries whose outcome is known: answered or lost */
	uint32_t lost;	/* tries without an answer */
	uint32_t rtt_us;
	uint64_t started_ms;
	uint64_t ended_ms;
};

/* What the neighbour table says of a gateway. */
enum pcc_neigh {
	PCC_NEIGH_NONE, /* there is no gateway, or nothing is known of it yet */
	PCC_NEIGH_GOOD, /* its link-layer address is known, possibly stale */
	PCC_NEIGH_FAILED,
};

/*
 * Converts the state NUD_* of a neighbour message (linux/neighbour.h) to what pcc_health_gateway()
 * takes. Returns false if the state says nothing: NUD_INCOMPLETE, NUD_NONE. The deletion of an
 * entry says nothing either.
 */
bool pcc_neigh_of_nud(uint16_t nud, enum pcc_neigh *neigh);

/* The current values of the data plane's counters: fields of struct pcc_wan_stats. */
struct pcc_health_traffic {
	uint64_t tx_packets;
	uint64_t rx_packets;
	uint64_t rx_errors; /* ICMP errors among rx_packets, which a dead uplink sends too */
	uint64_t syn_sent;
	uint64_t syn_answered;
};

/* The interval at which pcc_health_traffic() is to be called. */
#define PCC_HEALTH_SAMPLE_MS 250u

#define PCC_HEALTH_LOSSES 128u	 /* tries in the window of losses */
#define PCC_HEALTH_LATENCIES 31u /* answers in the window of latencies */

/* Private to health*.c. */
struct pcc_health_target {
	uint32_t fails;	  /* probes lost in a row */
	uint32_t passes;  /* probes answered in a row */
	uint32_t pending; /* tries of lost probes that are not yet in the window */
	uint32_t rtt_us;  /* round-trip time of the last answer */
	enum pcc_probe_outcome last;
	bool seen; /* has a probe ended? */
};

/* Private to health*.c. */
struct pcc_health_flow {
	struct pcc_health_traffic at; /* the counters of the last call */
	uint64_t sampled_ms;
	bool known;
	uint64_t quiet_ms;	/* since when packets leave and none arrives, if quiet_tx */
	uint32_t quiet_tx;	/* packets sent since quiet_ms; 0: not quiet */
	uint32_t quiet_syns;	/* TCP SYNs among quiet_tx */
	uint32_t syns, answers; /* in the current second */
	uint64_t second_ms;
	uint64_t live_ms; /* when the last packet of any connection arrived; 0: never */
	uint64_t asked_ms;
};

/*
 * The health of one WAN. The caller provides the memory; only the functions below read the members.
 */
struct pcc_health {
	struct pcc_health_cfg cfg;
	uint64_t now_ms;
	enum pcc_health_state state;
	enum pcc_health_reason reason;
	uint64_t falls; /* how often the WAN has fallen */
	bool link_up;
	enum pcc_neigh gateway[PCC_FAMILIES];
	uint64_t gateway_ms[PCC_FAMILIES];
	struct pcc_health_target target[PCC_MAX_TARGETS];
	uint32_t probe_now; /* targets (bits) to be probed at once */
	bool ask_gateway;
	uint64_t gateway_asked_ms;
	bool works; /* what the state would be without the hold */
	uint64_t hold_until_ms;
	uint32_t hold_ms;    /* how long the next fall will hold */
	uint64_t decay_ms;   /* when the next hold is halved */
	uint64_t failing_ms; /* since when too few targets answer; 0: enough do */
	bool vouched; /* replies went on after the targets failed: the targets are at fault */
	uint8_t lost[PCC_HEALTH_LOSSES];
	uint32_t lost_at, lost_n, lost_sum;
	uint32_t latency_us[PCC_HEALTH_LATENCIES];
	uint32_t latency_at, latency_n;
	bool lossy, slow;
	bool judged; /* lossy and slow are up to date with the windows */
	struct pcc_health_flow flow;
};

/* The result of a step: the state, and what the caller has to do. */
struct pcc_health_verdict {
	enum pcc_health_state state;
	enum pcc_health_reason reason;
	bool changed;	      /* the state differs from that of the last step */
	uint64_t deadline_ms; /* call pcc_health_step() again by then; UINT64_MAX: no need */
	uint32_t probe_now;   /* targets (bits) to be probed at once by pcc_prober_now() */
	bool ask_gateway;     /* have the kernel check the gateway's neighbour entry now */
};

/*
 * Initializes the health of a WAN: up, its link up, nothing known of its gateways. All times are
 * CLOCK_MONOTONIC in ms; a time earlier than the last one counts as the last one.
 */
void pcc_health_init(struct pcc_health *h, const struct pcc_health_cfg *cfg, uint64_t now_ms);

/*
 * Changes the configuration. The state and its hold stay, and so does what is known of targets that
 * are in both configurations.
 */
void pcc_health_configure(struct pcc_health *h, const struct pcc_health_cfg *cfg, uint64_t now_ms);

/*
 * Inputs: tell what happened. Call pcc_health_step() after them; several inputs may share one step.
 */
void pcc_health_link(struct pcc_health *h, bool up, uint64_t now_ms);
void pcc_health_gateway(
	struct pcc_health *h, enum pcc_family family, enum pcc_neigh neigh, uint64_t now_ms);
void pcc_health_probe(struct pcc_health *h, const struct pcc_probe_result *r);
void pcc_health_traffic(
	struct pcc_health *h, const struct pcc_health_traffic *counters, uint64_t now_ms);

/* Computes the state at this time. Call it after the functions above, and at the deadline. */
struct pcc_health_verdict pcc_health_step(struct pcc_health *h, uint64_t now_ms);

/*
 * For display: the loss in percent and the median latency of the windows. Return false if nothing
 * is known yet.
 */
bool pcc_health_loss(const struct pcc_health *h, uint32_t *percent);
bool pcc_health_latency(const struct pcc_health *h, uint32_t *rtt_us);
/* How many ms more the WAN is held down; 0: it is not held. */
uint64_t pcc_health_hold_left(const struct pcc_health *h);
/* Has the target failed? Also false if no probe of it has ended yet. */
bool pcc_health_target_failed(const struct pcc_health *h, uint32_t target);

/* What is known of one target, for display. */
struct pcc_health_seen {
	bool known; /* a probe has ended; if false, the rest means nothing */
	bool failed;
	uint32_t lost;	 /* probes lost in a row */
	uint32_t rtt_us; /* of the last answer; 0: there was none */
};
void pcc_health_target_seen(
	const struct pcc_health *h, uint32_t target, struct pcc_health_seen *seen);

/*
 * Writes the reason (not the state) for people to text, in one line: "too few targets answer: 0 of
 * 3, 1 needed; not 9.9.9.9, tcp://1.1.1.1:443".
 */
void pcc_health_describe(const struct pcc_health *h, char *text, size_t size);

#endif
