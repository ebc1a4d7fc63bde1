/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A kind of probe: how its targets are written, what is sent, how an answer is read. A kind is a
 * file probe_NAME.c with a struct pcc_kind, and a row in PCC_TARGET_KINDS (target.h).
 *
 * Kinds are pure, text and bytes in, text and bytes out. Sockets, tries and times are those of
 * probe.c.
 */
#ifndef PCC_KIND_H
#define PCC_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "health/target.h"
#include "pccbpf.h"

#define PCC_PROBE_NONCE 8u   /* bytes in a question that only we know */
#define PCC_PROBE_BYTES 384u /* the longest question */

/* Who asks. The same for all questions of a prober to one target. */
struct pcc_asker {
	struct pcc_target target;
	uint16_t id; /* random */
	uint8_t nonce[PCC_PROBE_NONCE];
};

/* What a kind reads out of an answer. */
struct pcc_answer {
	enum pcc_probe_outcome outcome; /* OK, REFUSED or PORTAL */
	uint16_t number;		/* of the question; not set where the socket is a stream */
};

struct pcc_kind {
	const char *scheme;  /* what stands before "://" */
	const char *example; /* a target, for error messages */
	uint16_t port;	     /* where none is given; 0: it must be given, or there is none */
	const char *no_port; /* why none may be given; NULL: it may */

	/*
	 * What follows host and port, to the rest of *t. Returns what is wrong with it, or NULL. A
	 * kind without this function has nothing there.
	 */
	const char *(*parse)(const char *rest, struct pcc_target *t);

	/*
	 * Of its sockets, as for socket(2). SOCK_RAW: one for the life of the prober, unconnected.
	 * SOCK_DGRAM: a connected one for each probe. SOCK_STREAM: one for each question.
	 */
	int type;
	int protocol[PCC_FAMILIES];
	/* Before a raw or datagram socket is used. 0 or -errno. NULL: nothing to do. */
	int (*prepare)(const struct pcc_asker *who, int fd);

	/*
	 * Writes question number (of those of this target, modulo 2^16). Returns its length; 0:
	 * there is none to send. NULL for a stream: that the connection is accepted is the answer.
	 */
	size_t (*send)(const struct pcc_asker *who, uint16_t number, uint8_t out[PCC_PROBE_BYTES]);
	/*
	 * Reads what came: a datagram (of a raw IPv4 socket with its IP header), or a stream from
	 * its beginning. False: no answer to such a question, or too little of the stream to tell.
	 */
	bool (*read)(const struct pcc_asker *who, const uint8_t *in, size_t len,
		struct pcc_answer *answer);
};

/* The kind of this number, which is one of PCC_TARGET_KINDS. */
const struct pcc_kind *pcc_kind(enum pcc_target_kind kind);

/* clang-format off */
#define X(sym, name) extern const struct pcc_kind pcc_kind_##name;
PCC_TARGET_KINDS(X)
#undef X
/* clang-format on */

#endif
