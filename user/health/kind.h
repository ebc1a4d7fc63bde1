/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A kind of probe: how its targets are written, what is sent, and how an answer is read. Each kind
 * has a file probe_NAME.c with a struct pcc_kind, and a row in PCC_TARGET_KINDS (target.h).
 *
 * Kinds are pure: text and bytes in, text and bytes out. Sockets, tries and times are handled by
 * probe.c.
 */
#ifndef PCC_KIND_H
#define PCC_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "health/target.h"
#include "pccbpf.h"

#define PCC_PROBE_NONCE 8u   /* random bytes in a question, which an answer must repeat */
#define PCC_PROBE_BYTES 384u /* the longest question, in bytes */

/* Who asks: the same for all questions of a prober to one target. */
struct pcc_asker {
	struct pcc_target target;
	uint16_t id; /* random */
	uint8_t nonce[PCC_PROBE_NONCE];
};

/* What a kind has read from an answer. */
struct pcc_answer {
	enum pcc_probe_outcome outcome; /* OK, REFUSED or PORTAL */
	uint16_t number;		/* of the question that is answered; not set for streams */
};

struct pcc_kind {
	const char *scheme;  /* what is before "://" in a target */
	const char *example; /* a target, for error messages */
	/* The default port; 0: the target must name its port, or the kind has no ports. */
	uint16_t port;
	const char *no_port; /* why a target must not name a port; NULL: it may */

	/*
	 * Reads what follows host and port into *t. Returns what is wrong with it, or NULL. In a
	 * kind without this function nothing may follow.
	 */
	const char *(*parse)(const char *rest, struct pcc_target *t);

	/*
	 * The type of its sockets, as for socket(2). SOCK_RAW: one unconnected socket for the life
	 * of the prober. SOCK_DGRAM: a connected socket for each probe. SOCK_STREAM: a socket for
	 * each question.
	 */
	int type;
	int protocol[PCC_FAMILIES];
	/* Called with a new raw or datagram socket. Returns 0 or -errno. NULL: nothing to do. */
	int (*prepare)(const struct pcc_asker *who, int fd);

	/*
	 * Writes a question to out; number counts the questions to this target, modulo 2^16.
	 * Returns its length; 0: there is no question to send. NULL for a stream: an accepted
	 * connection is the answer.
	 */
	size_t (*send)(const struct pcc_asker *who, uint16_t number, uint8_t out[PCC_PROBE_BYTES]);
	/*
	 * Reads what was received: a datagram (on a raw IPv4 socket with its IP header), or a
	 * stream from its beginning. Returns false if it is not an answer to such a question, or if
	 * too little of the stream has arrived to tell.
	 */
	bool (*read)(const struct pcc_asker *who, const uint8_t *in, size_t len,
		struct pcc_answer *answer);
};

/* Returns the kind of this number of PCC_TARGET_KINDS. */
const struct pcc_kind *pcc_kind(enum pcc_target_kind kind);

/* clang-format off */
#define X(sym, name) extern const struct pcc_kind pcc_kind_##name;
PCC_TARGET_KINDS(X)
#undef X
/* clang-format on */

#endif
