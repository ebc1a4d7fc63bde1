/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the prober share; probe.h is for everybody else. */
#ifndef PCC_PROBE_PARTS_H
#define PCC_PROBE_PARTS_H

#include "health/kind.h"
#include "health/probe.h"

#define PCC_SENT_RING 16u  /* a power of two, at least twice PCC_PROBE_TRIES */
#define PCC_STREAM_MAX 64u /* at most so many bytes of an answer in a stream are read */

struct pcc_slot;

/* One try of a probe: a question. With streams each one has a socket. */
struct pcc_attempt {
	struct pcc_slot *slot;
	int fd; /* -1: none */
	sd_event_source *io;
	uint64_t sent_us;
	uint32_t rtt_us; /* round-trip time of the handshake */
	bool connected;
	uint8_t in[PCC_STREAM_MAX];
	size_t in_len;
};

/* A datagram that was sent, by its number. */
struct pcc_sent {
	uint64_t us; /* when it was sent; 0: no answer is expected */
	uint16_t number;
};

/* A target, and the probe of it that is running. */
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
	/* The socket for datagrams, of this probe or for the life of the prober; -1: none. */
	int fd;
	sd_event_source *io;
	uint16_t number; /* the number of the next question */
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
 * Is the socket kept from probe to probe? A raw socket is. It is not connected, so that each
 * question gets the source address that is right at that time, and an answer that arrives after the
 * end of its probe is still received.
 */
static inline bool pcc_probe_lasts(const struct pcc_slot *slot)
{
	return slot->kind->type == SOCK_RAW;
}

/* --- probe_course.c: how a probe ends, and when the next one begins ------- */

uint32_t pcc_probe_random(void);

/* Sets the slot's timer to expire once, at this time. */
void pcc_probe_arm(struct pcc_slot *slot, uint64_t at_us);

/* Closes the sockets of the probe that is running. */
void pcc_probe_close_tries(struct pcc_slot *slot);

/* Forgets all questions: no answer is expected any more. */
void pcc_probe_forget_sent(struct pcc_slot *slot);

/*
 * Ends the probe with the outcome of try n (0 is the first), or as lost, and calls the prober's
 * callback, which may free the prober.
 */
void pcc_probe_conclude(
	struct pcc_slot *slot, enum pcc_probe_outcome outcome, uint32_t n, uint32_t rtt_us);

/*
 * Reports an answer to a question of a probe that had been given up. The callback may free the
 * prober.
 */
void pcc_probe_late(struct pcc_slot *slot, uint32_t rtt_us);

/* --- probe_datagram.c, probe_stream.c: a try. What cannot be sent is lost. ------- */

/* Sends the question as a datagram. */
void pcc_probe_ask(struct pcc_slot *slot, struct pcc_attempt *try);

/* Opens a connection; the question is sent when it is accepted. */
void pcc_probe_connect(struct pcc_slot *slot, struct pcc_attempt *try);

#endif
