/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Health of a WAN: what to probe and when to believe it. The state machine is pure: probe results,
 * the link, the gateway, the WAN's counters and the time go in; a state and a reason come out.
 *
 * A target fails after `fall` lost probes in a row and is good after `rise` prompt answers. Fewer
 * than `quorum` targets that have not failed: the WAN falls. `quorum` good ones: it rises, but not
 * before its hold is over, which doubles whenever it falls again soon. A link that goes down and a
 * gateway that is gone have it fall at once; answers to other people's connections keep it from
 * falling for silent targets.
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
 * The numbers that say when to believe what: X(name, default, least). One that is less than the
 * least counts as that.
 */
/* clang-format off */
#define PCC_HEALTH_NUMBERS(X)                                                                     \
	X(quorum,            1, 1) /* targets that must answer; at most as many as there are */    \
	X(interval_ms,     500, 0) /* between the starts of two probes of a target */              \
	X(timeout_ms,     1000, 0) /* an answer that takes longer is a loss */                     \
	X(fall,              2, 1) /* lost probes in a row until a target has failed */            \
	X(rise,              6, 1) /* answered probes in a row until a target is good again */     \
	X(loss_percent,     25, 0) /* degraded above; 100: never */                                \
	X(latency_ms,      500, 0) /* degraded above, median; 0: never */                          \
	X(hold_ms,       10000, 0) /* a WAN that went down stays so at least this long */          \
	X(hold_max_ms,  120000, 0) /* the hold doubles with each fall soon after a rise, up to this */
/* clang-format on */

/* What to probe, and the numbers. */
struct pcc_health_cfg {
	struct pcc_target targets[PCC_MAX_TARGETS];
	uint32_t ntargets; /* 0: the gateway's neighbour entry and the link */
#define X(name, initial, least) uint32_t name;
	PCC_HEALTH_NUMBERS(X)
#undef X
};

/*
 * No targets, and the defaults above. A target is asked up to five times within a probe (probe.h),
 * so a random loss of 10 % fails one probe in 100,000, and two in a row never; a dead one has
 * failed after 2.6 s at most.
 */
void pcc_health_defaults(struct pcc_health_cfg *cfg);

/* What the health says; the names are those of `status` and `monitor`. */
enum pcc_health_state { PCC_HEALTH_UP, PCC_HEALTH_DEGRADED, PCC_HEALTH_DOWN };

/* Why. X(symbol, name, what it means) */
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

/* What a prober says. A probe asks up to PCC_PROBE_TRIES times, until it has an answer. */
struct pcc_probe_result {
	uint32_t target; /* index in pcc_health_cfg.targets */
	enum pcc_probe_outcome outcome;
	uint32_t tries; /* that are decided: answered or lost */
	uint32_t lost;	/* of these */
	uint32_t rtt_us;
	uint64_t started_ms;
	uint64_t ended_ms;
};

/* Of the entry of a gateway in the neighbour table. */
enum pcc_neigh {
	PCC_NEIGH_NONE, /* there is no gateway, or a new one of which nothing is known */
	PCC_NEIGH_GOOD, /* it has a link-layer address, be it stale */
	PCC_NEIGH_FAILED,
};

/*
 * NUD_* of a neighbour message (linux/neighbour.h) to what pcc_health_gateway() takes. False where
 * the state says nothing: NUD_INCOMPLETE, NUD_NONE; nor does a deletion.
 */
bool pcc_neigh_of_nud(uint16_t nud, enum pcc_neigh *neigh);

/* Counters of the data plane, as they stand: fields of struct pcc_wan_stats. */
struct pcc_health_traffic {
	uint64_t tx_packets;
	uint64_t rx_packets;
	uint64_t rx_errors; /* of rx_packets, ICMP errors: these a dead uplink sends as well */
	uint64_t syn_sent;
	uint64_t syn_answered;
};

/* How often pcc_health_traffic() wants to be called. */
#define PCC_HEALTH_SAMPLE_MS 250u

#define PCC_HEALTH_LOSSES 128u	 /* tries in the window of losses */
#define PCC_HEALTH_LATENCIES 31u /* answers in the window of latencies */

/* Private. */
struct pcc_health_target {
	uint32_t fails;	  /* probes lost in a row */
	uint32_t passes;  /* probes answered in a row */
	uint32_t pending; /* tries of lost probes, not yet in the window */
	uint32_t rtt_us;  /* of the last answer */
	enum pcc_probe_outcome last;
	bool seen; /* has a probe ended? */
};

/* Private. */
struct pcc_health_flow {
	struct pcc_health_traffic at; /* counters as last seen */
	uint64_t sampled_ms;
	bool known;
	uint64_t quiet_ms;	/* quiet_tx: packets leave and none has come since then */
	uint32_t quiet_tx;	/* packets that left since; 0: not quiet */
	uint32_t quiet_syns;	/* of these, requests for connections */
	uint32_t syns, answers; /* of the present second */
	uint64_t second_ms;
	uint64_t live_ms; /* last packet for somebody's connection; 0: never */
	uint64_t asked_ms;
};

/* The health of one WAN. Private, but for what the functions say; the caller has the memory. */
struct pcc_health {
	struct pcc_health_cfg cfg;
	uint64_t now_ms;
	enum pcc_health_state state;
	enum pcc_health_reason reason;
	uint64_t falls; /* since the beginning */
	bool link_up;
	enum pcc_neigh gateway[PCC_FAMILIES];
	uint64_t gateway_ms[PCC_FAMILIES];
	struct pcc_health_target target[PCC_MAX_TARGETS];
	uint32_t probe_now; /* targets, as bits, to be probed at once */
	bool ask_gateway;
	uint64_t gateway_asked_ms;
	bool works; /* the state without the hold */
	uint64_t hold_until_ms;
	uint32_t hold_ms;    /* of the next fall */
	uint64_t decay_ms;   /* when the next hold is halved */
	uint64_t failing_ms; /* since when too few targets answer; 0: not so */
	bool vouched;	     /* replies have outlived the targets: these are to blame */
	uint8_t lost[PCC_HEALTH_LOSSES];
	uint32_t lost_at, lost_n, lost_sum;
	uint32_t latency_us[PCC_HEALTH_LATENCIES];
	uint32_t latency_at, latency_n;
	bool lossy, slow;
	bool judged; /* the windows as they are */
	struct pcc_health_flow flow;
};

/* What to do. */
struct pcc_health_verdict {
	enum pcc_health_state state;
	enum pcc_health_reason reason;
	bool changed;	      /* the state is another one than at the last step */
	uint64_t deadline_ms; /* step again at this time at the latest; UINT64_MAX: no need */
	uint32_t probe_now;   /* targets, as bits, to be probed at once: pcc_prober_now() */
	bool ask_gateway;     /* have the kernel check the gateway's neighbour entry now */
};

/*
 * Times are CLOCK_MONOTONIC in ms; a time before the last one counts as that. A WAN begins up, with
 * its link up, and nothing known of its gateways.
 */
void pcc_health_init(struct pcc_health *h, const struct pcc_health_cfg *cfg, uint64_t now_ms);

/*
 * A new configuration: the state and its hold stay, as does what is known of targets that were
 * there before.
 */
void pcc_health_configure(struct pcc_health *h, const struct pcc_health_cfg *cfg, uint64_t now_ms);

/* What happened. Each is followed by pcc_health_step(); several may come before it. */
void pcc_health_link(struct pcc_health *h, bool up, uint64_t now_ms);
void pcc_health_gateway(
	struct pcc_health *h, enum pcc_family family, enum pcc_neigh neigh, uint64_t now_ms);
void pcc_health_probe(struct pcc_health *h, const struct pcc_probe_result *r);
void pcc_health_traffic(
	struct pcc_health *h, const struct pcc_health_traffic *counters, uint64_t now_ms);

/* The state at this time. Call it after each of the above, and at the deadline. */
struct pcc_health_verdict pcc_health_step(struct pcc_health *h, uint64_t now_ms);

/* For people. Loss in percent and median latency of the windows; false: nothing is known yet. */
bool pcc_health_loss(const struct pcc_health *h, uint32_t *percent);
bool pcc_health_latency(const struct pcc_health *h, uint32_t *rtt_us);
/* How long it is held down from now on; 0: not at all. */
uint64_t pcc_health_hold_left(const struct pcc_health *h);
/* Has the target failed? False as well where no probe has ended yet. */
bool pcc_health_target_failed(const struct pcc_health *h, uint32_t target);

/* What is known of one target. */
struct pcc_health_seen {
	bool known; /* a probe has ended: the rest says something */
	bool failed;
	uint32_t lost;	 /* probes in a row */
	uint32_t rtt_us; /* of the last answer; 0: there was none */
};
void pcc_health_target_seen(
	const struct pcc_health *h, uint32_t target, struct pcc_health_seen *seen);

/*
 * One line for people: "too few targets answer: 0 of 3, 1 needed; not 9.9.9.9, tcp://1.1.1.1:443".
 * Without the state.
 */
void pcc_health_describe(const struct pcc_health *h, char *text, size_t size);

#endif
