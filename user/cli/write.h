/* SPDX-License-Identifier: GPL-2.0-only */
/* The forms in which a report is shown. Each form has a file and a row here. */
#ifndef PCC_WRITE_H
#define PCC_WRITE_H

#include <stdio.h>

#include "cli/options.h"
#include "report/report.h"

/* The part of a report that `status`, `wan list` or `stats` shows. */
enum pcc_view { PCC_VIEW_STATUS, PCC_VIEW_WANS, PCC_VIEW_STATS };

/*
 * Writes the view of a report, which must have the parts that the view needs. Returns 0 or a
 * negative errno.
 */
typedef int (*pcc_show_fn)(const struct pcc_report *r, enum pcc_view view, FILE *out);

/*
 * X(name, option, buckets): option selects the form; the last form is the default and has none.
 * buckets: `stats` always shows every bucket. Each form is a function pcc_show_NAME() in
 * write_NAME.c.
 */
#define PCC_WRITERS(X)                                                                             \
	X(json, PCC_OPT_JSON, true)                                                                \
	X(text, PCC_OPT_MAX, false)

#define X(name, option, buckets)                                                                   \
	int pcc_show_##name(const struct pcc_report *r, enum pcc_view view, FILE *out);
PCC_WRITERS(X)
#undef X

/* Runs a command that shows something: reads a report and writes it. Returns the exit status. */
int pcc_cmd_show(const struct pcc_args *args, struct pcc_session *s, enum pcc_view view);

#endif
