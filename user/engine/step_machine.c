// SPDX-License-Identifier: GPL-2.0-only
/* The steps about programs that belong to no interface. */
#include "engine/step_parts.h"
#include "engine/work.h"
#include "pins/asked.h"
#include "pins/nexthop.h"
#include "pins/own.h"

int pcc_step_own_on_act(struct pcc_work *w, const struct pcc_step *step, struct pcc_err *err)
{
	(void)step;
	return pcc_own_attach(&w->s->dp, err);
}

void pcc_step_own_on_undo(struct pcc_work *w, const struct pcc_step *step)
{
	(void)step;
	if (!w->old || !w->old->own)
		pcc_own_detach(&w->s->dp);
}

void pcc_step_own_on_print(const struct pcc_step *step, FILE *out)
{
	(void)step;
	fprintf(out, "cgroup attach pcc_connect4, pcc_connect6\n");
}

int pcc_step_own_off_act(struct pcc_work *w, const struct pcc_step *step, struct pcc_err *err)
{
	(void)step;
	(void)err;
	pcc_own_detach(&w->s->dp);
	return 0;
}

void pcc_step_own_off_undo(struct pcc_work *w, const struct pcc_step *step)
{
	(void)step;
	pcc_own_attach(&w->s->dp, NULL);
}

void pcc_step_own_off_print(const struct pcc_step *step, FILE *out)
{
	(void)step;
	fprintf(out, "cgroup detach pcc_connect4, pcc_connect6\n");
}

/* A router that cannot is no failure: its answers come from where they would without us. */
int pcc_step_asked_on_act(struct pcc_work *w, const struct pcc_step *step, struct pcc_err *err)
{
	struct pcc_err why = {};

	(void)step;
	(void)err;
	if (pcc_asked_attach(&w->s->dp, &why) && w->opts->warn) {
		pcc_err_hint(&why, 0,
			"UDP services that are bound to no address may answer by another WAN than was asked");
		w->opts->warn(&why);
	}
	return 0;
}

void pcc_step_asked_on_undo(struct pcc_work *w, const struct pcc_step *step)
{
	(void)step;
	if (!w->old)
		pcc_asked_detach(&w->s->dp);
}

void pcc_step_asked_on_print(const struct pcc_step *step, FILE *out)
{
	(void)step;
	fprintf(out, "cgroup attach pcc_asked_in, pcc_asked_out4, pcc_asked_out6\n");
}

/* A kernel that cannot is no failure: leases end by themselves. */
int pcc_step_nexthop_on_act(struct pcc_work *w, const struct pcc_step *step, struct pcc_err *err)
{
	struct pcc_err why = {};

	(void)step;
	(void)err;
	if (pcc_nexthop_watch(&w->s->dp, &why) && w->opts->warn) {
		pcc_err_hint(&why, 0, "the fast path follows a changed MAC after two seconds");
		w->opts->warn(&why);
	}
	return 0;
}

void pcc_step_nexthop_on_undo(struct pcc_work *w, const struct pcc_step *step)
{
	(void)step;
	if (!w->old)
		pcc_nexthop_unwatch(&w->s->dp);
}

void pcc_step_nexthop_on_print(const struct pcc_step *step, FILE *out)
{
	(void)step;
	fprintf(out, "bpf: watch neighbours that change their MAC\n");
}

int pcc_step_nexthop_off_act(struct pcc_work *w, const struct pcc_step *step, struct pcc_err *err)
{
	(void)step;
	(void)err;
	pcc_nexthop_unwatch(&w->s->dp);
	return 0;
}

void pcc_step_nexthop_off_undo(struct pcc_work *w, const struct pcc_step *step)
{
	(void)step;
	pcc_nexthop_watch(&w->s->dp, NULL);
}

void pcc_step_nexthop_off_print(const struct pcc_step *step, FILE *out)
{
	(void)step;
	fprintf(out, "bpf: watch neighbours no longer\n");
}
