/* SPDX-License-Identifier: GPL-2.0-only */
/* What `status` says of flowtables: read once, then printed interface by interface. */
#ifndef PCC_FLOWTABLE_STATUS_H
#define PCC_FLOWTABLE_STATUS_H

#include "engine/session.h"
#include "kernel/flowtable.h"
#include "pins/offload.h"

struct json_t;

struct pcc_flowtable_status {
	struct pcc_flowtable_list list;
	struct pcc_link_list links;
	struct pcc_offloaded by_wan[PCC_MAX_WANS + 1];
};

void pcc_flowtable_status_read(struct pcc_flowtable_status *st, struct pcc_session *s);
void pcc_flowtable_status_free(struct pcc_flowtable_status *st);

/* wan_id is 0 for a LAN. Adds the fields to an interface's object; prints lines, or nothing. */
void pcc_flowtable_status_json(const struct pcc_flowtable_status *st, uint32_t ifindex,
	uint32_t wan_id, struct json_t *to);
void pcc_flowtable_status_print(const struct pcc_flowtable_status *st, const char *ifname,
	uint32_t ifindex, uint32_t wan_id);

#endif
