/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What each WAN is used for, derived from what the user asked for, its fitness and its tier; and
 * when the daemon looks again after an event. Pure.
 */
#ifndef PCC_WANSTATE_H
#define PCC_WANSTATE_H

#include <stdbool.h>
#include <stdint.h>

#include "model/model.h"

#define PCC_REASON_BYTES 160u

/* What happens to connections on backup WANs when a WAN comes back. */
enum pcc_failback {
	PCC_FAILBACK_STAY,  /* they stay where they are; new connections use the WAN again */
	PCC_FAILBACK_DRAIN, /* the backup WANs take no new ones; theirs may end in peace */
	PCC_FAILBACK_KILL,  /* the backup WANs' connections are cut, for metered lines */
};

/* How fit a WAN is, as its link and its health together say. */
enum pcc_fitness { PCC_FIT, PCC_FIT_POOR, PCC_UNFIT };

struct pcc_wan_in {
	enum pcc_wan_state asked; /* by the user: up, drain or down */
	enum pcc_fitness fitness;
	const char *reason; /* why it is not fit; NULL or "": no reason is given */
	uint32_t tier;	    /* 1 is used first */
	enum pcc_failback failback;
};

struct pcc_wan_out {
	enum pcc_wan_state state;
	bool by_daemon, degraded, standby; /* as in struct pcc_wan_cfg */
	char reason[PCC_REASON_BYTES];	   /* "" while it is up and fit */
};

/*
 * Computes the states of n WANs. out contains the states in force and gets the new ones. The WANs
 * of the lowest tier with a fit one are used, those in poor health with half of their weight. WANs
 * of higher tiers stand by; what that means is said by the failback policies of the tier in use.
 * What the user set to drain or down stays so.
 *
 * If no WAN is fit, those last used stay in use, and the result is true, which is an alarm. If none
 * of those is left, all WANs that the user allows are used.
 */
bool pcc_wan_states(const struct pcc_wan_in *in, struct pcc_wan_out *out, uint32_t n);

/* The state in words: "up", "degraded", "standby", "drain" or "down". */
const char *pcc_wan_state_text(enum pcc_wan_state state, bool degraded, bool standby);

/*
 * Debouncing: the kernel's messages come in bursts. After the first one the daemon waits until
 * there has been none for a while, but not for ever. Times are in ms of one clock.
 */
struct pcc_debounce {
	uint64_t first_ms; /* when the burst began; 0: there is none */
	uint64_t due_ms;
	bool urgent;
};

#define PCC_QUIET_MS 50u
#define PCC_URGENT_MS 5u
#define PCC_PATIENCE_MS 300u

/*
 * A message was received. Returns when to look; quiet_ms is PCC_QUIET_MS, or less if it is urgent.
 */
uint64_t pcc_debounce_heard(struct pcc_debounce *d, uint64_t now_ms, uint32_t quiet_ms);

/* The daemon has looked: the burst is over. */
void pcc_debounce_done(struct pcc_debounce *d);

/*
 * An address may be missing for only a moment: a network manager that restarts, or a lease that is
 * renewed, removes it and adds it again. Until the grace ends the WAN is not down.
 */
struct pcc_grace {
	uint64_t until_ms; /* when the grace ends; 0: nothing is missing */
};

#define PCC_GRACE_MS 2000u

/*
 * Is the grace for a missing address still running? used: the WAN is in use; without that there is
 * no grace, as nothing would be lost.
 */
bool pcc_grace_holds(struct pcc_grace *g, bool missing, bool used, uint64_t now_ms);

/*
 * Another program may undo our repairs again and again. After this many repairs without a pause the
 * daemon repairs less often.
 */
struct pcc_fight {
	uint32_t repairs;
	uint64_t last_ms;
};

#define PCC_FIGHT_REPAIRS 20u
#define PCC_FIGHT_PAUSE_MS 2000u /* after so long without a repair the fight is over */
#define PCC_FIGHT_GAP_MS 800u

/* Takes note of a look of the daemon: has it repaired something? */
void pcc_fight_note(struct pcc_fight *f, uint64_t now_ms, bool repaired);
/* Returns the time before which the daemon must not look again. */
uint64_t pcc_fight_until(const struct pcc_fight *f);

#endif
