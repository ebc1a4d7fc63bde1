/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon's runtime directory, /run/pccbpf/<key of the pin directory>: its lock, the socket of
 * `monitor`, and a small file with the reasons of the states and the results of probes. Nothing
 * depends on it, as the states themselves are in the pins.
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
#define PCC_RUN_PATH 100u /* enough for any path here; that of a socket has at most 108 bytes */

/* Writes the path of the directory, or of a file in it, to buf. Returns buf. */
const char *pcc_run_path(const char *pin_dir, const char *file, char buf[PCC_RUN_PATH]);

/* Makes the directory. Returns 0 or -errno with err filled. */
int pcc_run_make(const char *pin_dir, struct pcc_err *err);

/*
 * Takes the lock of the daemon; *fd holds it. Returns 0, -EBUSY if another daemon has the lock, or
 * another -errno, with err filled.
 */
int pcc_run_lock(const char *pin_dir, int *fd, struct pcc_err *err);

/* Is a daemon running? */
bool pcc_run_alive(const char *pin_dir);

/* Removes the directory with everything in it. It is no error if there is none. */
void pcc_run_remove(const char *pin_dir);

/* The results of a WAN's probes: each target, and loss and latency of all targets together. */
struct pcc_run_health {
	bool loss_known, rtt_known;
	uint32_t loss_percent;
	uint32_t rtt_us; /* the median */
	struct pcc_run_target {
		char text[160]; /* the target as the user wrote it */
		struct pcc_health_seen seen;
	} targets[PCC_MAX_TARGETS];
	uint32_t ntargets;
};

/* Fills out from the state machine of a WAN's health. */
void pcc_run_health_of(const struct pcc_health *h, struct pcc_run_health *out);

/* What the file contains about a WAN. */
struct pcc_run_wan {
	char name[PCC_IFNAMSIZ];
	char reason[PCC_REASON_BYTES];
	uint64_t since_s; /* when the state began, in seconds since 1970 */
	struct pcc_run_health health;
};

/* Writes the file in one step: readers see the old or the new one. Returns 0 or -errno. */
int pcc_run_write(const char *pin_dir, const struct pcc_run_wan *wans, uint32_t n);

/* Reads at most room entries of the file. Returns their number, 0 if there is no file. */
uint32_t pcc_run_read(const char *pin_dir, struct pcc_run_wan *wans, uint32_t room);

#endif
