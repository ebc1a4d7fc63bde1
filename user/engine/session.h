/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A session is what a command works with: the pin directory with its lock, a netlink socket, and
 * the attached configuration.
 */
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
	struct pcc_config cfg; /* what is attached, if state is PCC_DP_ATTACHED */
	struct pcc_err why;    /* what is wrong with the pins, if state says so */
};

enum pcc_session_mode {
	PCC_SESSION_READ,   /* no lock */
	PCC_SESSION_CHANGE, /* lock, if the pin directory exists */
	PCC_SESSION_CREATE, /* lock, and make the pin directory */
};

/*
 * Opens the session; wait_s is how many seconds to wait for the lock. Also returns 0 if nothing is
 * attached or the pins are damaged, which state says. Returns a negative errno with err filled
 * otherwise. pcc_session_close() accepts a session that failed to open, and all zeroes.
 */
int pcc_session_open(struct pcc_session *s, const char *dir, enum pcc_session_mode mode,
	unsigned int wait_s, struct pcc_err *err);
void pcc_session_close(struct pcc_session *s);

#endif
