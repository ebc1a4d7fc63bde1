/* SPDX-License-Identifier: GPL-2.0-only */
/* What the driver of a network device can do with XDP and VLAN tags. */
#ifndef PCC_DRIVER_H
#define PCC_DRIVER_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#define PCC_DRIVER_NAME 32

/* What the driver can do with frames in native XDP. */
struct pcc_driver_xdp {
	/* The kernel could be asked (Linux 6.3); otherwise only name is known. */
	bool told;
	bool redirects; /* it can send a frame to another device */
	bool takes; /* it takes frames from other devices now; many drivers do once they run XDP */
	char name[PCC_DRIVER_NAME]; /* the driver's name; "" if it has none */
};

/* Fills xdp. If the kernel cannot be asked, a list of drivers is used. */
void pcc_driver_xdp(uint32_t ifindex, const char *ifname, struct pcc_driver_xdp *xdp);

/*
 * Does the card remove VLAN tags of this protocol (802.1Q, 802.1ad) from frames before XDP sees
 * them? Returns the name of the feature for `ethtool -K`, or NULL.
 */
const char *pcc_driver_strips_vlan(const char *ifname, __be16 proto);

#endif
