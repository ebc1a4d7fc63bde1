// SPDX-License-Identifier: GPL-2.0-only
/* The table of the kinds of probes. */
#include "health/kind.h"

const struct pcc_kind *pcc_kind(enum pcc_target_kind kind)
{
	static const struct pcc_kind *const kinds[] = {
#define X(sym, name) [PCC_TARGET_##sym] = &pcc_kind_##name,
		PCC_TARGET_KINDS(X)
#undef X
	};

	return kinds[kind];
}
