/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon: one event loop (sd-event), no threads. When it hears of a change it looks at the
 * router, and makes it follow the configuration through pcc_apply(), as the commands do. All state
 * is in the pins; the daemon keeps only what a look cannot find out: health, reasons, and when to
 * look again.
 */
#ifndef PCC_DAEMON_H
#define PCC_DAEMON_H

#include <systemd/sd-event.h>
#include <time.h>

#include "engine/apply.h"
#include "engine/step_table.h"
#include "config/conf.h"
#include "daemon/event.h"
#include "health/health.h"
#include "daemon/hook_run.h"
#include "daemon/monitor.h"
#include "health/probe.h"
#include "daemon/reset.h"
#include "health/wanstate.h"
#include "kernel/watch.h"

/* A WAN's link, as the last look has found it. */
struct pcc_link_view {
	bool present;
	char reason[PCC_REASON_BYTES]; /* why it cannot be used; "": it can */
};

/* What the daemon knows of a WAN. */
struct pcc_daemon_wan {
	char name[PCC_IFNAMSIZ]; /* "": this entry is free */
	struct pcc_wan_conf conf;
	struct pcc_wan_cfg cfg; /* as it was last put in force */
	bool in_force;		/* cfg and out are in force */
	struct pcc_link_view link;
	struct pcc_wan_out out;
	struct pcc_wan_out before; /* out and in_force, as they were before the last look */
	bool was_in_force;
	uint32_t id; /* in the present look */
	/*
	 * Why it lacks something without which it cannot be used, after the last look and in this
	 * one.
	 */
	char miss[PCC_REASON_BYTES];
	char miss_now[PCC_REASON_BYTES];
	uint64_t since_s;
	bool marked; /* used while the list is compared */

	struct pcc_daemon *daemon;
	struct pcc_health health;
	enum pcc_health_state health_state; /* of the last verdict, as is the reason */
	enum pcc_health_reason health_reason;
	char health_text[PCC_REASON_BYTES];
	struct pcc_prober *prober; /* NULL: it has no targets or no interface */
	struct pcc_probe_wan probes_by;
	bool conf_changed; /* the configuration from which the prober was made has changed */
	sd_event_source *deadline;
	struct pcc_gateway
		gw_seen[PCC_FAMILIES]; /* gateways whose neighbour entry the health knows */
	uint32_t ifindex_seen;
	uint32_t up_ifindex;		      /* the last device that was up */
	struct pcc_grace grace[PCC_FAMILIES]; /* for missing addresses */
	/* The previous daemon held the WAN down, which is believed until then; 0: it did not. */
	uint64_t inherit_until_ms;
};

struct pcc_daemon {
	sd_event *loop;
	const char *file, *dir;
	struct pcc_conf *conf;	 /* in force or being put in force; owned */
	struct pcc_conf *before; /* the one before, during a reload */
	/* From the last look; its lock is held during a look only. */
	struct pcc_session s;
	struct pcc_watch watch;
	struct pcc_reset *reset;
	struct pcc_monitor *monitor;
	struct pcc_hook_runner *hooks;
	struct pcc_nl asker; /* for having the kernel ask gateways */
	int run_lock;
	sd_event_source *look_timer, *tick_timer, *sample_timer;
	struct pcc_debounce debounce;
	struct pcc_fight fight;
	bool conf_pending; /* attach what the file says; otherwise only maintain what is attached */
	bool ready;	   /* the first look is done */
	bool detached;
	bool alarm;
	char absent[PCC_MAX_LANS][PCC_IFNAMSIZ]; /* LANs of the file that did not exist */
	uint32_t nabsent;
	char last_miss[PCC_REASON_BYTES + 80]; /* the last one that was reported of an interface */
	uint64_t ask_modules_ms;
	uint64_t noted_ms; /* when the runtime file was last written */
	uint32_t failures; /* how many looks in a row failed */
	char last_error[640];
	char flowtables[160];	     /* the last report of flowtables that take packets unseen */
	uint64_t kept_id;	     /* id of the pinned map with the configuration's text */
	uint32_t epoch;		     /* pcc_meta.epoch after our last look */
	uint32_t did[PCC_ABOUT_MAX]; /* steps of this look, by what they are about; for the event */
	struct pcc_daemon_wan wans[PCC_MAX_WANS + 1];
	/* The result of the look that is under way. */
	struct pcc_config next;
	struct pcc_wan_out next_out[PCC_MAX_WANS];
	bool next_alarm;
};

/*
 * Runs until SIGTERM or SIGINT. Tells systemd READY when the data plane is in force. Returns 0, or
 * a negative errno with err filled if it could not start.
 */
int pcc_daemon_run(const char *file, const char *dir, struct pcc_err *err);

/* --- daemon_base.c ------------------------------------------------------------------------- */

/* Sets the timer to expire once, at this time. */
void pcc_daemon_arm(sd_event_source *timer, uint64_t at_ms);

/* Makes the loop look soon: quiet_ms as in pcc_debounce_heard(). */
void pcc_daemon_look_soon(struct pcc_daemon *d, uint32_t quiet_ms);

/* Frees *conf and sets it to NULL. */
void pcc_daemon_conf_free(struct pcc_conf **conf);

/* Takes over conf, with its hooks, as the configuration in force. */
void pcc_daemon_take_conf(struct pcc_daemon *d, struct pcc_conf *conf);

/* Reports an event to the log, to monitors and to hooks. wan, old and new may be NULL. */
void pcc_daemon_tell(struct pcc_daemon *d, enum pcc_event_kind kind, const char *wan,
	const char *old_state, const char *new_state, const char *format, ...)
	__attribute__((format(printf, 6, 7)));

/* --- daemon_look.c ------------------------------------------------------------------------- */

/*
 * Looks at the router and does what has to be done. Returns 0; -EBUSY if another command is
 * running, and the daemon should look again soon; another errno if it failed, which has been
 * reported.
 */
int pcc_daemon_look(struct pcc_daemon *d);

/*
 * Restores the NAT table at once if it has changed, because the kernel translates nothing without
 * it. If something else has changed as well, or somebody keeps removing the table, this is left to
 * the next look, which comes in any case.
 */
void pcc_daemon_repair_nat(struct pcc_daemon *d);

/* Is something missing that the kernel does not report? Cheap. */
bool pcc_daemon_needs_look(struct pcc_daemon *d);

/* --- daemon_wan.c -------------------------------------------------------------------------- */

/*
 * Gives every WAN of the configuration an entry with what the file says of it, and frees the
 * entries of others.
 */
void pcc_daemon_wans_update(struct pcc_daemon *d, const struct pcc_config *cfg);

/*
 * The function `settled` for pcc_apply(): looks at the links, computes the states, and writes them
 * to cfg.
 */
void pcc_daemon_wans_decide(struct pcc_config *cfg, const struct pcc_observed *now,
	const struct pcc_err *trouble, void *arg);

/* Called during a look: a step failed that only one interface needs. */
void pcc_daemon_wans_miss(struct pcc_daemon *d, const struct pcc_step *step, enum pcc_fate how,
	const struct pcc_err *why);

/*
 * Called after a look: does something that a WAN lacks, or has got back, change its state? If true,
 * look again.
 */
bool pcc_daemon_wans_missed(struct pcc_daemon *d);

/* Stops probes and timers of all WANs. */
void pcc_daemon_wans_free(struct pcc_daemon *d);

/*
 * Called when the states are in force: stores them and writes the runtime file. To be called before
 * events are reported, because their receivers may ask for the reasons at once.
 */
void pcc_daemon_wans_settled(struct pcc_daemon *d);

/*
 * Writes the runtime file again when it is old, if there are probes, whose numbers change all the
 * time.
 */
void pcc_daemon_wans_note(struct pcc_daemon *d);

/* Reports what has changed. */
void pcc_daemon_wans_tell(struct pcc_daemon *d);

/* --- daemon_health.c ----------------------------------------------------------------------- */

void pcc_daemon_health_start(struct pcc_daemon *d, struct pcc_daemon_wan *w);
void pcc_daemon_health_stop(struct pcc_daemon_wan *w);
void pcc_daemon_health_configure(struct pcc_daemon_wan *w, const struct pcc_health_cfg *cfg);

/* Called during a look: tells the state machine about the link, and gets its result. */
void pcc_daemon_health_link(struct pcc_daemon_wan *w, bool up);
enum pcc_fitness pcc_daemon_health_fitness(const struct pcc_daemon_wan *w, const char **reason);

/* Makes the loop read the WANs' counters regularly. Returns 0 or -errno. */
int pcc_daemon_health_sample(struct pcc_daemon *d);

/* Called after a look: adapts probes and gateways to what is in force. */
void pcc_daemon_health_follow(struct pcc_daemon *d, struct pcc_daemon_wan *w);

/* Handles a message about a neighbour. */
void pcc_daemon_health_neigh(struct pcc_daemon *d, const struct nlmsghdr *nlh);

#endif
