/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon: one event loop (sd-event), no threads. It hears of changes, looks, and makes the
 * router what the configuration says, through pcc_apply() as the commands do. The pins are the
 * state; what is here is only what a look cannot find out: health, reasons, patience.
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

/* How a WAN's link is, as last seen. */
struct pcc_link_view {
	bool present;
	char reason[PCC_REASON_BYTES]; /* why it is of no use; "": it is */
};

/* A WAN as the daemon knows it. */
struct pcc_daemon_wan {
	char name[PCC_IFNAMSIZ]; /* "": the place is free */
	struct pcc_wan_conf conf;
	struct pcc_wan_cfg cfg; /* as last in force */
	bool in_force;		/* cfg and out are */
	struct pcc_link_view link;
	struct pcc_wan_out out;
	struct pcc_wan_out before; /* both as they were before the last look */
	bool was_in_force;
	uint32_t id;			 /* as of this look */
	char miss[PCC_REASON_BYTES];	 /* why it cannot have what it is of no use without */
	char miss_now[PCC_REASON_BYTES]; /* the same, as of this look */
	uint64_t since_s;
	bool marked; /* while the list is gone through */

	struct pcc_daemon *daemon;
	struct pcc_health health;
	enum pcc_health_state health_state; /* of the last verdict, with its reason */
	enum pcc_health_reason health_reason;
	char health_text[PCC_REASON_BYTES];
	struct pcc_prober *prober; /* NULL: no targets, or no interface */
	struct pcc_probe_wan probes_by;
	bool conf_changed; /* what the prober was made from */
	sd_event_source *deadline;
	struct pcc_gateway gw_seen[PCC_FAMILIES]; /* whose neighbour entry the health knows */
	uint32_t ifindex_seen;
	uint32_t up_ifindex;		      /* the device that was up once */
	struct pcc_grace grace[PCC_FAMILIES]; /* for its addresses to come back */
	uint64_t inherit_until_ms; /* the daemon before held it down: believed until then; 0: no */
};

struct pcc_daemon {
	sd_event *loop;
	const char *file, *dir;
	struct pcc_conf *conf;	 /* in force, or on its way, owned */
	struct pcc_conf *before; /* while a file that was read again does not stand yet */
	struct pcc_session s;	 /* as of the last look; its lock is held within a look only */
	struct pcc_watch watch;
	struct pcc_reset *reset;
	struct pcc_monitor *monitor;
	struct pcc_hook_runner *hooks;
	struct pcc_nl asker; /* has the kernel ask gateways for their address */
	int run_lock;
	sd_event_source *look_timer, *tick_timer, *sample_timer;
	struct pcc_debounce debounce;
	struct pcc_fight fight;
	bool conf_pending; /* attach what the file says, not only look after what is attached */
	bool ready;	   /* the first look is done */
	bool detached;
	bool alarm;
	char absent[PCC_MAX_LANS][PCC_IFNAMSIZ]; /* LANs of the file that were not there */
	uint32_t nabsent;
	char last_miss[PCC_REASON_BYTES + 80]; /* of an interface, as last told */
	uint64_t ask_modules_ms;
	uint64_t noted_ms; /* when the runtime file was written */
	uint32_t failures; /* looks that failed, one after another */
	char last_error[640];
	char flowtables[160];	     /* where one takes connections unseen, as it was told */
	uint64_t kept_id;	     /* of the pin that has the configuration's text */
	uint32_t epoch;		     /* pcc_meta.epoch that we left */
	uint32_t did[PCC_ABOUT_MAX]; /* steps of a look, by what they are about; for the event */
	struct pcc_daemon_wan wans[PCC_MAX_WANS + 1];
	/* of the look that is under way */
	struct pcc_config next;
	struct pcc_wan_out next_out[PCC_MAX_WANS];
	bool next_alarm;
};

/*
 * Runs until SIGTERM or SIGINT. 0, or a negative errno with err filled where it could not start.
 * READY is told to systemd when the data plane stands.
 */
int pcc_daemon_run(const char *file, const char *dir, struct pcc_err *err);

/* --- daemon_base.c ------------------------------------------------------------------------- */

/* Has the timer ring once. */
void pcc_daemon_arm(sd_event_source *timer, uint64_t at_ms);

/* Has the loop look soon: quiet_ms as in pcc_debounce_heard(). */
void pcc_daemon_look_soon(struct pcc_daemon *d, uint32_t quiet_ms);

/* Releases it, and the pointer is NULL then. */
void pcc_daemon_conf_free(struct pcc_conf **conf);

/* Takes conf over as what is in force, with its hooks. */
void pcc_daemon_take_conf(struct pcc_daemon *d, struct pcc_conf *conf);

/* Tells: log, monitor, hooks. wan, old and new may be NULL. */
void pcc_daemon_tell(struct pcc_daemon *d, enum pcc_event_kind kind, const char *wan,
	const char *old_state, const char *new_state, const char *format, ...)
	__attribute__((format(printf, 6, 7)));

/* --- daemon_look.c ------------------------------------------------------------------------- */

/*
 * Looks and does what has to be done. 0; -EBUSY: another command is at work, look again soon;
 * another errno: it failed and was told.
 */
int pcc_daemon_look(struct pcc_daemon *d);

/*
 * Puts the NAT table back at once if it is not what it was: until it stands the kernel translates
 * nothing. Where anything else has changed, too, or somebody fights for the table, that is for a
 * look, which comes in any case.
 */
void pcc_daemon_repair_nat(struct pcc_daemon *d);

/* Is something missing that the kernel does not tell of? Cheap. */
bool pcc_daemon_needs_look(struct pcc_daemon *d);

/* --- daemon_wan.c -------------------------------------------------------------------------- */

/* Gives every WAN of the configuration its place and what the file says of it; frees the others. */
void pcc_daemon_wans_update(struct pcc_daemon *d, const struct pcc_config *cfg);

/* settled() of pcc_apply(): looks at the links, computes the states, writes them into cfg. */
void pcc_daemon_wans_decide(struct pcc_config *cfg, const struct pcc_observed *now,
	const struct pcc_err *trouble, void *arg);

/* From within a look: an interface cannot have what the step was for. */
void pcc_daemon_wans_miss(struct pcc_daemon *d, const struct pcc_step *step, enum pcc_fate how,
	const struct pcc_err *why);

/* After a look: does what a WAN misses, or has again, change its state? Then look again. */
bool pcc_daemon_wans_missed(struct pcc_daemon *d);

/* Ends what runs for each WAN. */
void pcc_daemon_wans_free(struct pcc_daemon *d);

/*
 * The states are in force: notes them and writes the runtime file. Before anything is told of the
 * look: who hears of it may ask for the reasons at once.
 */
void pcc_daemon_wans_settled(struct pcc_daemon *d);

/* Writes that file again once it is old, where there are probes: their numbers change all the time.
 */
void pcc_daemon_wans_note(struct pcc_daemon *d);

/* Tells what has changed. */
void pcc_daemon_wans_tell(struct pcc_daemon *d);

/* --- daemon_health.c ----------------------------------------------------------------------- */

void pcc_daemon_health_start(struct pcc_daemon *d, struct pcc_daemon_wan *w);
void pcc_daemon_health_stop(struct pcc_daemon_wan *w);
void pcc_daemon_health_configure(struct pcc_daemon_wan *w, const struct pcc_health_cfg *cfg);

/* From within a look: the link; then what the health makes of it all. */
void pcc_daemon_health_link(struct pcc_daemon_wan *w, bool up);
enum pcc_fitness pcc_daemon_health_fitness(const struct pcc_daemon_wan *w, const char **reason);

/* Has the loop look at what the WANs carry. 0 or -errno. */
int pcc_daemon_health_sample(struct pcc_daemon *d);

/* After a look: probes and gateways follow what is in force. */
void pcc_daemon_health_follow(struct pcc_daemon *d, struct pcc_daemon_wan *w);

/* Something happened to a neighbour. */
void pcc_daemon_health_neigh(struct pcc_daemon *d, const struct nlmsghdr *nlh);

#endif
