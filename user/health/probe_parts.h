/* SPDX-License-Identifier: GPL-2.0-only */
/* The parts of the prober, to each other; probe.h is for everybody else. */
#ifndef PCC_PROBE_PARTS_H
#define PCC_PROBE_PARTS_H

#include "health/kind.h"
#include "health/probe.h"

#define PCC_SENT_RING 16u  /* a power of two, at least twice PCC_PROBE_TRIES */
#define PCC_STREAM_MAX 64u /* of an answer in a stream so much is read at most */

struct pcc_slot;

/* One question of a probe. Streams have a socket for each. */
struct pcc_attempt {
	struct pcc_slot *slot;
	int fd; /* -1: none */
	sd_event_source *io;
	uint64_t sent_us;
	uint32_t rtt_us; /* of the handshake */
	bool connected;
	uint8_t in[PCC_STREAM_MAX];
	size_t in_len;
};

/* A datagram that may still be answered; by its number. */
struct pcc_sent {
	uint64_t us; /* 0: not expected */
	uint16_t number;
};

/* A target and the probe that is under way. */
struct pcc_slot {
	struct pcc_prober *prober;
	uint32_t index;
	const struct pcc_kind *kind;
	struct pcc_asker who;
	sd_event_source *timer;
	bool running;
	uint64_t started_us;
	uint32_t ntries;
	struct pcc_attempt try[PCC_PROBE_TRIES];
	int fd; /* for datagrams: of this probe, or for good; -1: none */
	sd_event_source *io;
	uint16_t number; /* of the next question */
	struct pcc_sent sent[PCC_SENT_RING];
};

struct pcc_prober {
	sd_event *event;
	struct pcc_probe_wan wan;
	uint64_t interval_us, timeout_us;
	pcc_probe_fn fn;
	void *arg;
	uint32_t nslots;
	struct pcc_slot slot[PCC_MAX_TARGETS];
};

/*
 * A raw socket serves all probes of a target. It is not connected: each question is to have the
 * source address that is right by then, and an answer that comes after its probe is still heard.
 */
static inline bool pcc_probe_lasts(const struct pcc_slot *slot)
{
	return slot->kind->type == SOCK_RAW;
}

/* --- probe_course.c: how a probe ends, and when the next one begins ------- */

uint32_t pcc_probe_random(void);

/* The timer of the slot, once. */
void pcc_probe_arm(struct pcc_slot *slot, uint64_t at_us);

/* Closes what belongs to the probe that is under way. */
void pcc_probe_close_tries(struct pcc_slot *slot);

/* No answer is expected any more. */
void pcc_probe_forget_sent(struct pcc_slot *slot);

/* Ends the probe with what try n of it brought, or did not. The callback may free the prober. */
void pcc_probe_conclude(
	struct pcc_slot *slot, enum pcc_probe_outcome outcome, uint32_t n, uint32_t rtt_us);

/* The answer to a question of a probe that was given up. The callback may free the prober. */
void pcc_probe_late(struct pcc_slot *slot, uint32_t rtt_us);

/* --- probe_datagram.c, probe_stream.c: a try. What cannot be sent is lost. ------- */

/* Sends a datagram. */
void pcc_probe_ask(struct pcc_slot *slot, struct pcc_attempt *try);

/* Asks for a connection. */
void pcc_probe_connect(struct pcc_slot *slot, struct pcc_attempt *try);

#endif
