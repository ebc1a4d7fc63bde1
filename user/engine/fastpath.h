/* SPDX-License-Identifier: GPL-2.0-only */
/* Where the fast path of an interface runs, why it is not in XDP, and what it bypasses. */
#ifndef PCC_FASTPATH_H
#define PCC_FASTPATH_H

#include "engine/session.h"
#include "pins/xdp.h"

struct pcc_fastpath_now {
	const char *mode;      /* for packets that arrive on the interface: "xdp", "tc", "off" */
	char why[PCC_XDP_WHY]; /* why it is not further down; "": it is */
	/* Somebody else's program or filter that it bypasses; or "". */
	char passes[PCC_OTHERS_TEXT];
	const char *hint; /* what to do about passes */
};

/* Finds out how it is now. cfg is the configuration in force. */
void pcc_fastpath_look(struct pcc_session *s, const struct pcc_config *cfg, uint32_t ifindex,
	struct pcc_fastpath_now *now);

/*
 * Warns of each interface where the fast path bypasses somebody else's program or filter, or where
 * such a one newly prevents the fast path. old may be NULL.
 */
void pcc_fastpath_warn(struct pcc_session *s, const struct pcc_config *cfg,
	const struct pcc_config *old, pcc_warn_fn warn);

#endif
