/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The events that the daemon reports: as a line for people, a JSON object for programs, variables
 * for hooks.
 */
#ifndef PCC_EVENT_H
#define PCC_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "pccbpf.h"
#include "health/wanstate.h"

/* X(symbol, name in PCCBPF_EVENT and in JSON) */
#define PCC_EVENTS(X)                                                                              \
	X(READY, "ready")	    /* attached, or took over what was attached */                 \
	X(WAN, "wan")		    /* a WAN's state or its reason changed */                      \
	X(ALARM, "alarm")	    /* no WAN is fit */                                            \
	X(ALARM_OVER, "alarm-over") /* a WAN is fit again */                                       \
	X(FOLLOW, "follow")	    /* rules or routes followed the network */                     \
	X(REPAIR, "repair")	    /* what was missing or different was put back */               \
	X(RESET, "reset")	    /* clients of a lost WAN were told */                          \
	X(RELOAD, "reload")	    /* the file was read again */                                  \
	X(FLOWTABLE, "flowtable")   /* a flowtable takes packets unseen, or no longer */           \
	X(ERROR, "error")	    /* something could not be done */                              \
	X(DETACHED, "detached")	    /* somebody detached; the daemon waits for attach */           \
	X(STOP, "stop")

enum pcc_event_kind {
#define X(sym, name) PCC_EVENT_##sym,
	PCC_EVENTS(X)
#undef X
		PCC_EVENT_MAX
};

struct pcc_event {
	uint64_t time_us; /* microseconds since 1970 */
	enum pcc_event_kind kind;
	char wan[PCC_IFNAMSIZ]; /* "": the event is not about a WAN */
	char old_state[12], new_state[12];
	char reason[PCC_REASON_BYTES + 96];
};

const char *pcc_event_name(enum pcc_event_kind kind);

/* Write an event with a newline to buf, cut to size if necessary. Return the length. Pure. */
size_t pcc_event_text(const struct pcc_event *e, char *buf, size_t size);
size_t pcc_event_json(const struct pcc_event *e, char *buf, size_t size);

/* Reads an event from JSON. Returns 0 or -EINVAL. The time is exact to a millisecond only. */
int pcc_event_parse(const char *json, struct pcc_event *e);

#define PCC_EVENT_BYTES 1024u /* enough for either form */

#endif
