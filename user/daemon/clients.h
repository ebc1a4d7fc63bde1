/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the clients on the LANs are: link-layer addresses for sending to them by a packet socket.
 */
#ifndef PCC_CLIENTS_H
#define PCC_CLIENTS_H

#include <linux/if_packet.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernel/netlink.h"
#include "model/model.h"
#include "pccbpf.h"

struct pcc_client_neigh;

struct pcc_client_lan {
	uint32_t ifindex;
	bool l3; /* it has no link-layer header */
};

/* The LANs, and their neighbours at the time of pcc_clients_open(). */
struct pcc_clients {
	struct pcc_nl nl;
	struct pcc_client_lan lans[PCC_MAX_LANS];
	uint32_t nlans;
	struct pcc_client_neigh *neighs;
	uint32_t nneighs;
};

/*
 * Reads LANs and neighbours. Returns 0 or -errno. pcc_clients_close() accepts what a failed open
 * left, and all zeroes with nl closed.
 */
int pcc_clients_open(struct pcc_clients *c, const struct pcc_config *cfg);
void pcc_clients_close(struct pcc_clients *c);

/*
 * Finds the address for sending to the LAN side of a connection, which may be behind another
 * router. Returns false if the client is on no LAN, or if its address is not known.
 */
bool pcc_clients_find(struct pcc_clients *c, const struct pcc_tuple *conn, struct sockaddr_ll *to);

#endif
