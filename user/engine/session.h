/* SPDX-License-Identifier: GPL-2.0-only */
/* A command at work: the pin directory with its lock, a netlink socket, and what is attached. */
#ifndef PCC_SESSION_H
#define PCC_SESSION_H

#include "base/err.h"
#include "kernel/netlink.h"
#include "model/model.h"
#include "pins/dataplane.h"

struct pcc_session {
	struct pcc_dp dp;
	struct pcc_nl nl;
	enum pcc_dp_state state;
	struct pcc_config cfg; /* what is attached, where state is PCC_DP_ATTACHED */
	struct pcc_err why;    /* what is wrong with the pins, where state says so */
};

enum pcc_session_mode {
	PCC_SESSION_READ,   /* no lock */
	PCC_SESSION_CHANGE, /* lock, if there is something to lock */
	PCC_SESSION_CREATE, /* lock, make the pin directory */
};

/*
 * Opens the session; wait_s is for the lock. 0 also where nothing is attached or the pins are
 * damaged: look at state. pcc_session_close() accepts what a failed open left, and all zeroes.
 */
int pcc_session_open(struct pcc_session *s, const char *dir, enum pcc_session_mode mode,
	unsigned int wait_s, struct pcc_err *err);
void pcc_session_close(struct pcc_session *s);

#endif
