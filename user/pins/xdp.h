/* SPDX-License-Identifier: GPL-2.0-only */
/* XDP: which interfaces can have it, and putting pcc_fast there through libxdp. */
#ifndef PCC_XDP_H
#define PCC_XDP_H

#include "pins/dataplane.h"
#include "pins/hooks.h"
#include "kernel/link.h"
#include "kernel/wire.h"

#define PCC_XDP_WHY 96

/*
 * Shall the fast path of an interface be in XDP? asked is --fastpath. Fills why with the reason
 * where not. auto takes it only where the driver says that it can redirect and nobody's qdisc,
 * filter or program would be passed by. A VLAN, or ppp over PPPoE, has XDP on the device below,
 * which wire says then.
 */
bool pcc_xdp_wanted(struct pcc_dp *dp, const struct pcc_link_list *links,
	const struct pcc_link *link, enum pcc_fastpath asked, struct pcc_wire_out *wire,
	char why[PCC_XDP_WHY]);

/*
 * What of somebody else's does not see the packets that XDP takes from the interface, or sends by
 * it: programs behind ours in XDP, and all of tc. Fills what with the first one.
 */
bool pcc_xdp_others(struct pcc_dp *dp, uint32_t ifindex, char what[PCC_OTHERS_TEXT]);

/*
 * Attaches our program in native mode, beside other people's programs where the kernel can do that,
 * and lets XDP send to the interface. Replaces an older one of ours. 0 or a negative errno with err
 * filled.
 */
int pcc_xdp_attach(struct pcc_dp *dp, uint32_t ifindex, const char *ifname, struct pcc_err *err);

/*
 * Does XDP send to the interface as the driver allows it now? A driver may take frames from XDP
 * only while something else is so: a veth while its peer has XDP or GRO. What it does not take
 * leaves by tc.
 */
bool pcc_xdp_sends_right(struct pcc_dp *dp, uint32_t ifindex, const char *ifname);

/* Makes it so. 0 or a negative errno. */
int pcc_xdp_send_to(struct pcc_dp *dp, uint32_t ifindex, const char *ifname);

/* Does XDP send to it? */
bool pcc_xdp_sends(struct pcc_dp *dp, uint32_t ifindex);

/* Takes ours away, and no other. Nothing there is fine. */
int pcc_xdp_detach(struct pcc_dp *dp, uint32_t ifindex);

/* The objects that the programs are loaded from: for plain frames, and with tags and PPPoE. */
const void *pcc_xdp_object(size_t *len);
const void *pcc_xdp_wire_object(size_t *len);

/* Is one of ours attached? */
bool pcc_xdp_present(uint32_t ifindex);

/* Is it the one that knows VLAN tags and PPPoE? All are, where one interface needs that. */
bool pcc_xdp_knows_wires(uint32_t ifindex);

#endif
