// SPDX-License-Identifier: GPL-2.0-only
/* Shows a report in the form that an option chooses. */
#include "cli/write.h"

#include <errno.h>

#include "base/array.h"
#include "cli/cmds.h"

struct writer {
	enum pcc_opt option;
	bool buckets;
	pcc_show_fn write;
};

static const struct writer writers[] = {
#define X(name, chosen_by, has_buckets)                                                            \
	{.option = chosen_by, .buckets = has_buckets, .write = pcc_show_##name},
	PCC_WRITERS(X)
#undef X
};

static const struct writer *chosen(const struct pcc_args *args)
{
	const struct writer *w = writers;

	while (w->option != PCC_OPT_MAX && !args->opt[w->option].set)
		w++;
	return w;
}

int pcc_cmd_show(const struct pcc_args *args, struct pcc_session *s, enum pcc_view view)
{
	const struct writer *w = chosen(args);
	unsigned int parts = PCC_REPORT_STATE;
	struct pcc_report *r;
	int status;

	if (view == PCC_VIEW_STATS) {
		parts = PCC_REPORT_COUNTERS;
		if (w->buckets || args->opt[PCC_OPT_PER_BUCKET].set)
			parts |= PCC_REPORT_BUCKETS;
	}
	r = pcc_report_read(s, parts);
	if (!r)
		return PCC_EXIT_FAILED;
	status = w->write(r, view, stdout) ? PCC_EXIT_FAILED : PCC_EXIT_OK;
	if (!status && view == PCC_VIEW_STATUS && pcc_report_any_down(r))
		status = PCC_EXIT_WAN_DOWN;
	pcc_report_free(r);
	return status;
}
