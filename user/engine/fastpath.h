/* SPDX-License-Identifier: GPL-2.0-only */
/* Where the fast path of an interface runs, why not further down, and what it passes by. */
#ifndef PCC_FASTPATH_H
#define PCC_FASTPATH_H

#include "engine/session.h"
#include "pins/xdp.h"

struct pcc_fastpath_now {
	const char *mode;	      /* "xdp", "tc", "off": of what arrives on the interface */
	char why[PCC_XDP_WHY];	      /* why not further down; "" where it is */
	char passes[PCC_OTHERS_TEXT]; /* what of somebody else's does not see the packets; or "" */
	const char *hint;	      /* what to do about that */
};

/* As it is now. cfg is what is in force. */
void pcc_fastpath_look(struct pcc_session *s, const struct pcc_config *cfg, uint32_t ifindex,
	struct pcc_fastpath_now *now);

/* Warns of each interface where somebody else's program or filter is passed by, or kept the fast
 * path away for the first time. old may be NULL. */
void pcc_fastpath_warn(struct pcc_session *s, const struct pcc_config *cfg,
	const struct pcc_config *old, pcc_warn_fn warn);

#endif
