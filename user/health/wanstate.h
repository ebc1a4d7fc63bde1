/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What each WAN is used for, from what the user says, how fit it is, and its tier. Pure. And the
 * patience of the daemon: when to look again after something was heard.
 */
#ifndef PCC_WANSTATE_H
#define PCC_WANSTATE_H

#include <stdbool.h>
#include <stdint.h>

#include "model/model.h"

#define PCC_REASON_BYTES 160u

/* What happens to connections elsewhere when a WAN comes back. */
enum pcc_failback {
	PCC_FAILBACK_STAY,  /* they stay where they are; new ones use it again */
	PCC_FAILBACK_DRAIN, /* the backup WANs take no new ones, theirs may end in peace */
	PCC_FAILBACK_KILL,  /* the backup WANs' connections are cut: metered lines */
};

/* How fit a WAN is, of its link and its health together. */
enum pcc_fitness { PCC_FIT, PCC_FIT_POOR, PCC_UNFIT };

struct pcc_wan_in {
	enum pcc_wan_state asked; /* by the user: up, drain, down */
	enum pcc_fitness fitness;
	const char *reason; /* why it is not fit; NULL or "" where there is nothing to say */
	uint32_t tier;	    /* 1 is used first */
	enum pcc_failback failback;
};

struct pcc_wan_out {
	enum pcc_wan_state state;
	bool by_daemon, degraded, standby; /* as in struct pcc_wan_cfg */
	char reason[PCC_REASON_BYTES];	   /* "" while it is up and fit */
};

/*
 * Computes the states. out holds those in force and gets the new ones. WANs of the lowest tier that
 * has a fit one are used, poor ones for half their weight; the tiers behind it stand by, in the way
 * that the failback policies of the used tier say. What the user set to drain or down stays so.
 *
 * Where no WAN is fit the last set stays in use as it is, and the result is true: an alarm. Where
 * nothing of that set is left, all that the user does not forbid are used.
 */
bool pcc_wan_states(const struct pcc_wan_in *in, struct pcc_wan_out *out, uint32_t n);

/* "up", "degraded", "standby", "drain", "down". */
const char *pcc_wan_state_text(enum pcc_wan_state state, bool degraded, bool standby);

/*
 * Things that are heard come in crowds. After the first, wait until it is quiet for a while, but
 * not for ever. Times in ms of one clock.
 */
struct pcc_debounce {
	uint64_t first_ms; /* of the crowd that is waited for; 0: none */
	uint64_t due_ms;
	bool urgent;
};

#define PCC_QUIET_MS 50u
#define PCC_URGENT_MS 5u
#define PCC_PATIENCE_MS 300u

/* Something was heard. Returns when to look; quiet_ms is PCC_QUIET_MS, or shorter where it is
 * urgent. */
uint64_t pcc_debounce_heard(struct pcc_debounce *d, uint64_t now_ms, uint32_t quiet_ms);

/* Looked. */
void pcc_debounce_done(struct pcc_debounce *d);

/*
 * An address may be gone for a moment only: a network manager that is restarted, or a lease that is
 * renewed, takes it away and gives it back. As long as the grace lasts the WAN is not down.
 */
struct pcc_grace {
	uint64_t until_ms; /* 0: nothing is missing */
};

#define PCC_GRACE_MS 2000u

/* Is what is missing to be waited for? used: the WAN is in use, so something would be lost. */
bool pcc_grace_holds(struct pcc_grace *g, bool missing, bool used, uint64_t now_ms);

/*
 * Somebody may undo what is put back, again and again. After this many repairs without a pause
 * repairs come further apart.
 */
struct pcc_fight {
	uint32_t repairs;
	uint64_t last_ms;
};

#define PCC_FIGHT_REPAIRS 20u
#define PCC_FIGHT_PAUSE_MS 2000u /* without a repair: the fight is over */
#define PCC_FIGHT_GAP_MS 800u

/* A look has put something back, or has not. */
void pcc_fight_note(struct pcc_fight *f, uint64_t now_ms, bool repaired);
/* No look before this time. */
uint64_t pcc_fight_until(const struct pcc_fight *f);

#endif
