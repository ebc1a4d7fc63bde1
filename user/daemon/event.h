/* SPDX-License-Identifier: GPL-2.0-only */
/* What the daemon tells: one line for people, one JSON object for programs, variables for hooks. */
#ifndef PCC_EVENT_H
#define PCC_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "pccbpf.h"
#include "health/wanstate.h"

/* X(symbol, name as in PCCBPF_EVENT and in JSON) */
#define PCC_EVENTS(X)                                                                              \
	X(READY, "ready")	    /* attached, or adopted what was */                            \
	X(WAN, "wan")		    /* the state of a WAN is another one, or its reason */         \
	X(ALARM, "alarm")	    /* no WAN is fit */                                            \
	X(ALARM_OVER, "alarm-over") /* one is again */                                             \
	X(FOLLOW, "follow")	    /* rules, routes were changed with the network */              \
	X(REPAIR, "repair")	    /* what was missing or different was put back */               \
	X(RESET, "reset")	    /* clients of a lost WAN were told */                          \
	X(RELOAD, "reload")	    /* the file was read again */                                  \
	X(FLOWTABLE, "flowtable")   /* somebody's takes connections unseen, or no longer */        \
	X(ERROR, "error")	    /* something could not be done */                              \
	X(DETACHED, "detached")	    /* somebody detached: nothing is done until it is attached */  \
	X(STOP, "stop")

enum pcc_event_kind {
#define X(sym, name) PCC_EVENT_##sym,
	PCC_EVENTS(X)
#undef X
		PCC_EVENT_MAX
};

struct pcc_event {
	uint64_t time_us; /* since 1970 */
	enum pcc_event_kind kind;
	char wan[PCC_IFNAMSIZ]; /* "" where it is about no WAN */
	char old_state[12], new_state[12];
	char reason[PCC_REASON_BYTES + 96];
};

const char *pcc_event_name(enum pcc_event_kind kind);

/* Both with a newline, cut to size where it must be; return the length. Pure. */
size_t pcc_event_text(const struct pcc_event *e, char *buf, size_t size);
size_t pcc_event_json(const struct pcc_event *e, char *buf, size_t size);

/* Back from JSON. 0 or -EINVAL. The time has lost what is below a ms. */
int pcc_event_parse(const char *json, struct pcc_event *e);

#define PCC_EVENT_BYTES 1024u /* room for either */

#endif
