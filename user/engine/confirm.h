/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Takes a change back unless somebody confirms it: for people whose own connection runs through the
 * router. A separate process, in its own session, waits and goes back; it needs neither the
 * terminal nor the command that started it. The decision is made through the pin pcc_confirm, which
 * is read and removed under the lock of the pin directory: whoever removes it first has decided. If
 * the process is killed, nobody goes back, and the new configuration stays.
 */
#ifndef PCC_CONFIRM_H
#define PCC_CONFIRM_H

#include "engine/conf_apply.h"

#define PCC_MAX_CONFIRM_S 86400u

/* The value of the pinned map: which process waits, and until when. */
struct pcc_confirm {
	/*
	 * When the process started, in ticks since boot: tells it from a later process with its
	 * number.
	 */
	uint64_t started;
	uint64_t deadline_ms; /* CLOCK_BOOTTIME */
	uint32_t pid;
	uint32_t pad;
};

enum pcc_confirm_state {
	PCC_CONFIRM_NONE,
	PCC_CONFIRM_WAITING,
	PCC_CONFIRM_LOST, /* the process that waited was killed */
};

/*
 * Returns the state that the pin directory shows. left_s is the number of seconds until the change
 * is taken back.
 */
enum pcc_confirm_state pcc_confirm_look(const char *dir, uint32_t *left_s);

/* The configuration to go back to. */
struct pcc_rollback {
	char dir[256];
	bool attached;		   /* false: nothing was attached, so going back means detaching */
	struct pcc_conf *conf;	   /* its base is already settled */
	struct pcc_conf_kept kept; /* the text that was kept */
};

/*
 * Takes the present configuration from an open session, before the change. The caller frees back,
 * also after an error.
 */
int pcc_rollback_take(struct pcc_rollback *back, struct pcc_session *s, struct pcc_err *err);
void pcc_rollback_free(struct pcc_rollback *back);

/* The process that waits. The empty value has fd -1. */
struct pcc_waiter {
	int fd;
	uint32_t pid;
};

/*
 * Starts the process, before the change. It waits for pcc_waiter_go(); if the caller dies before
 * that, it goes back at once. From here on the caller ignores SIGHUP and SIGPIPE, so that losing
 * the terminal does not interrupt the change.
 */
int pcc_waiter_start(struct pcc_waiter *w, const struct pcc_rollback *back, struct pcc_err *err);
/*
 * Tells the process that the change is done and that it goes back in so many seconds. The caller
 * holds the lock.
 */
int pcc_waiter_go(struct pcc_waiter *w, const char *dir, uint32_t seconds, struct pcc_err *err);
/* Ends the process, because the change failed or was undone. */
void pcc_waiter_cancel(struct pcc_waiter *w);

/* Confirms what was applied. The caller holds the lock. Returns the state found. */
enum pcc_confirm_state pcc_confirm_keep(const char *dir);

#endif
