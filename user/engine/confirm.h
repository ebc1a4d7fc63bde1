/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A change that is taken back unless somebody confirms it: for people whose own connection runs
 * through the router. A process of its own, in a session of its own, waits and goes back; it needs
 * neither the terminal nor the command that started it. What is agreed on is the pin pcc_confirm,
 * read and removed under the lock of the pin directory: whoever removes it first has decided. If
 * that process is killed, nobody goes back: the new configuration stays.
 */
#ifndef PCC_CONFIRM_H
#define PCC_CONFIRM_H

#include "engine/conf_apply.h"

#define PCC_MAX_CONFIRM_S 86400u

/* Who waits, and until when. Value of the pinned map. */
struct pcc_confirm {
	uint64_t started;     /* of the process, in ticks since boot: tells it from a later one */
	uint64_t deadline_ms; /* CLOCK_BOOTTIME */
	uint32_t pid;
	uint32_t pad;
};

enum pcc_confirm_state {
	PCC_CONFIRM_NONE,
	PCC_CONFIRM_WAITING,
	PCC_CONFIRM_LOST, /* the process that waited is gone */
};

/* What there is in the pin directory; left_s: time until it is taken back. */
enum pcc_confirm_state pcc_confirm_look(const char *dir, uint32_t *left_s);

/* What to go back to. */
struct pcc_rollback {
	char dir[256];
	bool attached;		   /* false: nothing was, so going back is detaching */
	struct pcc_conf *conf;	   /* base: as it was settled */
	struct pcc_conf_kept kept; /* what was kept */
};

/* From an open session, before the change. To be freed, also after an error. */
int pcc_rollback_take(struct pcc_rollback *back, struct pcc_session *s, struct pcc_err *err);
void pcc_rollback_free(struct pcc_rollback *back);

/* The waiting process. The empty value has fd -1. */
struct pcc_waiter {
	int fd;
	uint32_t pid;
};

/*
 * Starts the process, before the change. It waits for pcc_waiter_go(); if this process dies before
 * that, it goes back at once. SIGHUP and SIGPIPE are ignored from here on, so that a lost terminal
 * does not interrupt the change.
 */
int pcc_waiter_start(struct pcc_waiter *w, const struct pcc_rollback *back, struct pcc_err *err);
/* The change is done: from now on there are so many seconds. Holds the lock. */
int pcc_waiter_go(struct pcc_waiter *w, const char *dir, uint32_t seconds, struct pcc_err *err);
/* The change failed, or was undone: the process ends. */
void pcc_waiter_cancel(struct pcc_waiter *w);

/* Keeps what was applied. Holds the lock. The state that was found. */
enum pcc_confirm_state pcc_confirm_keep(const char *dir);

#endif
