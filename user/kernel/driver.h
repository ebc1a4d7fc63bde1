/* SPDX-License-Identifier: GPL-2.0-only */
/* What a network device's driver says of itself. */
#ifndef PCC_DRIVER_H
#define PCC_DRIVER_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#define PCC_DRIVER_NAME 32

/* What the driver can do with frames in native XDP. */
struct pcc_driver_xdp {
	bool told;		    /* the kernel says it (Linux 6.3); else name is all there is */
	bool redirects;		    /* sends a frame to another device */
	bool takes;		    /* takes frames from others, now: many do once they run XDP */
	char name[PCC_DRIVER_NAME]; /* of the driver; "" where it has none */
};

/* Fills xdp. Where the kernel does not tell, a list of drivers does. */
void pcc_driver_xdp(uint32_t ifindex, const char *ifname, struct pcc_driver_xdp *xdp);

/*
 * Does the card take the tags of VLANs of that protocol (802.1Q, 802.1ad) out of frames before XDP
 * sees them? Returns the word of `ethtool -K` that has it, or NULL.
 */
const char *pcc_driver_strips_vlan(const char *ifname, __be16 proto);

#endif
