/* SPDX-License-Identifier: GPL-2.0-only */
/* XDP: which interfaces can have it, and attaching pcc_fast there through libxdp. */
#ifndef PCC_XDP_H
#define PCC_XDP_H

#include "pins/dataplane.h"
#include "pins/hooks.h"
#include "kernel/link.h"
#include "kernel/wire.h"

#define PCC_XDP_WHY 96

/*
 * Should the fast path of an interface run in XDP? asked is the value of --fastpath; if not, why
 * has the reason. `auto` uses XDP only if the driver says that it can redirect frames, and if no
 * qdisc, filter or program of somebody else would be bypassed. For a VLAN, or ppp over PPPoE, XDP
 * runs on the device below, and wire is filled.
 */
bool pcc_xdp_wanted(struct pcc_dp *dp, const struct pcc_link_list *links,
	const struct pcc_link *link, enum pcc_fastpath asked, struct pcc_wire_out *wire,
	char why[PCC_XDP_WHY]);

/*
 * Is there a program of somebody else that does not see the packets that XDP takes from the
 * interface, or sends to it: XDP programs after ours, and everything in tc? Writes the first one to
 * what.
 */
bool pcc_xdp_others(struct pcc_dp *dp, uint32_t ifindex, char what[PCC_OTHERS_TEXT]);

/*
 * Attaches our program in native mode, beside other people's programs if the kernel allows that,
 * and lets XDP send to the interface. Replaces an older one of ours. Returns 0 or a negative errno
 * with err filled.
 */
int pcc_xdp_attach(struct pcc_dp *dp, uint32_t ifindex, const char *ifname, struct pcc_err *err);

/*
 * Does XDP send to the interface exactly if its driver allows that now? Some drivers take frames
 * from XDP only under a condition: a veth, while its peer has XDP or GRO. If the driver does not
 * take frames, packets for the interface leave by tc.
 */
bool pcc_xdp_sends_right(struct pcc_dp *dp, uint32_t ifindex, const char *ifname);

/*
 * Makes XDP send to the interface, or stop doing so, as the driver allows. Returns 0 or a negative
 * errno.
 */
int pcc_xdp_send_to(struct pcc_dp *dp, uint32_t ifindex, const char *ifname);

/* Does XDP send to the interface? */
bool pcc_xdp_sends(struct pcc_dp *dp, uint32_t ifindex);

/* Removes our program and no other. It is no error if there is none. */
int pcc_xdp_detach(struct pcc_dp *dp, uint32_t ifindex);

/*
 * The BPF objects of the programs: for plain frames, and for VLAN tags and PPPoE. len is in bytes.
 */
const void *pcc_xdp_object(size_t *len);
const void *pcc_xdp_wire_object(size_t *len);

/* Is one of our programs attached to the interface? */
bool pcc_xdp_present(uint32_t ifindex);

/*
 * Is it the program that can handle VLAN tags and PPPoE? All interfaces have that one if one of
 * them needs it.
 */
bool pcc_xdp_knows_wires(uint32_t ifindex);

#endif
