/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon's runtime directory, /run/pccbpf/<key of the pin directory>: its lock, the socket of
 * monitor, and a small file with the reasons of the states and what the probes say. Nothing depends
 * on it: the states are in the pins.
 */
#ifndef PCC_RUN_H
#define PCC_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "health/health.h"
#include "health/wanstate.h"

#define PCC_RUN_ROOT "/run/pccbpf"
#define PCC_RUN_PATH 100u /* room for any path here: that of a socket has 108 */

/* The directory, or with file the path of a file in it. Returns buf. */
const char *pcc_run_path(const char *pin_dir, const char *file, char buf[PCC_RUN_PATH]);

/* Makes it. 0 or -errno with err filled. */
int pcc_run_make(const char *pin_dir, struct pcc_err *err);

/* Takes the lock of the daemon; *fd holds it. -EBUSY where another one has it. */
int pcc_run_lock(const char *pin_dir, int *fd, struct pcc_err *err);

/* Does a daemon run? */
bool pcc_run_alive(const char *pin_dir);

/* Removes it with all that is in it; nothing there is fine. */
void pcc_run_remove(const char *pin_dir);

/* What the probes of a WAN say: its targets, and losses and latency of all of them together. */
struct pcc_run_health {
	bool loss_known, rtt_known;
	uint32_t loss_percent;
	uint32_t rtt_us; /* median */
	struct pcc_run_target {
		char text[160]; /* as the user wrote it */
		struct pcc_health_seen seen;
	} targets[PCC_MAX_TARGETS];
	uint32_t ntargets;
};

/* The same of the state machine that has heard them. */
void pcc_run_health_of(const struct pcc_health *h, struct pcc_run_health *out);

/* What the file says of a WAN. */
struct pcc_run_wan {
	char name[PCC_IFNAMSIZ];
	char reason[PCC_REASON_BYTES];
	uint64_t since_s; /* since 1970, of the state */
	struct pcc_run_health health;
};

/* Writes the file in one step. */
int pcc_run_write(const char *pin_dir, const struct pcc_run_wan *wans, uint32_t n);

/* Reads it: at most room entries; returns their number, 0 where there is no file. */
uint32_t pcc_run_read(const char *pin_dir, struct pcc_run_wan *wans, uint32_t room);

#endif
