/* SPDX-License-Identifier: GPL-2.0-only */
/* The forms in which a report is shown: a file and a row each. */
#ifndef PCC_WRITE_H
#define PCC_WRITE_H

#include <stdio.h>

#include "cli/options.h"
#include "report/report.h"

/* What is shown of it: by `status`, `wan list`, `stats`. */
enum pcc_view { PCC_VIEW_STATUS, PCC_VIEW_WANS, PCC_VIEW_STATS };

/* Writes what the view shows of a report that has the parts for it. 0 or a negative errno. */
typedef int (*pcc_show_fn)(const struct pcc_report *r, enum pcc_view view, FILE *out);

/*
 * X(name, option, buckets): option chooses the form, and the last one needs none; buckets: its
 * statistics have each bucket, asked for or not. Each is a function pcc_show_NAME() in
 * write_NAME.c.
 */
#define PCC_WRITERS(X)                                                                             \
	X(json, PCC_OPT_JSON, true)                                                                \
	X(text, PCC_OPT_MAX, false)

#define X(name, option, buckets)                                                                   \
	int pcc_show_##name(const struct pcc_report *r, enum pcc_view view, FILE *out);
PCC_WRITERS(X)
#undef X

/* The whole of a command that shows something: reads, writes. Returns the exit status. */
int pcc_cmd_show(const struct pcc_args *args, struct pcc_session *s, enum pcc_view view);

#endif
