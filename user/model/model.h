/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The configuration: what `attach` was told, as plain data. This module parses no text and does not
 * ask the kernel.
 */
#ifndef PCC_MODEL_H
#define PCC_MODEL_H

#include <linux/types.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "model/base_keys.h"
#include "pccbpf.h"

/* Where the next hop of a WAN in one family comes from. */
enum pcc_gw_source {
	PCC_GW_NONE,   /* the WAN does not serve this family */
	PCC_GW_AUTO,   /* still to be found */
	PCC_GW_GIVEN,  /* the user gave it */
	PCC_GW_FOUND,  /* found in a routing table or a lease */
	PCC_GW_ONLINK, /* point-to-point: no gateway needed */
};

/* The next hop of a WAN in one family. addr (network byte order) is valid for GIVEN and FOUND. */
struct pcc_gateway {
	enum pcc_gw_source source;
	union pcc_ip addr;
};

/*
 * Flags for pcc_wan_cfg.given: which members the user named. `wan set` keeps the value of the
 * others.
 */
#define PCC_WAN_SET_WEIGHT 0x1u
#define PCC_WAN_SET_GW4 0x2u
#define PCC_WAN_SET_GW6 0x4u

struct pcc_wan_cfg {
	char name[PCC_IFNAMSIZ];
	uint32_t id;	  /* 1..64, 0 while none is assigned */
	uint32_t ifindex; /* 0 while unknown */
	uint32_t weight;  /* 1..255 */
	enum pcc_wan_state state;
	uint32_t order; /* place in the order given */
	struct pcc_gateway gw[PCC_FAMILIES];
	uint32_t given; /* PCC_WAN_SET_* flags */
	bool by_daemon; /* the daemon set the state; the user asked for up */
	bool degraded;	/* only half of the weight counts */
	bool standby;	/* in reserve: owns no buckets */
	bool xdp;	/* settled: the fast path is to be in XDP */
	/*
	 * Settled: no fast path for packets that arrive here, because other programs at this
	 * interface need to see them.
	 */
	bool no_fast;
	bool accept_local; /* settled: as for a LAN, see below */
	uint8_t mac[6];	   /* settled: MAC address */
	bool l3;	   /* settled: has no link-layer header */
	/*
	 * The WAN's address is missing for a moment (struct pcc_grace): it gets no route in this
	 * family until the address is back.
	 */
	bool waits[PCC_FAMILIES];
};

struct pcc_lan_cfg {
	char name[PCC_IFNAMSIZ];
	uint32_t ifindex;
	bool xdp; /* settled: the fast path is to be in XDP */
	/*
	 * Settled: no fast path for packets that arrive here, because other programs at this
	 * interface need to see them.
	 */
	bool no_fast;
	uint8_t mac[6]; /* settled: MAC address */
	bool l3;	/* settled: has no link-layer header */
	/*
	 * Settled: the sysctl accept_local is to be set, because nothing else validates source
	 * addresses on this interface.
	 */
	bool accept_local;
};

/* A port of a LAN bridge that runs an XDP program. Filled by settling, not by the user. */
struct pcc_port_cfg {
	char name[PCC_IFNAMSIZ];
	uint32_t ifindex;
	uint32_t bridge_ifindex;
};

#define PCC_MAX_PORTS 96u

/*
 * An interface (a VLAN, PPPoE) on top of a device that runs an XDP program for it, and what its
 * packets look like on that device. Filled by settling, not by the user.
 */
struct pcc_wire_cfg {
	uint32_t ifindex;
	struct pcc_wire_out out;
};

#define PCC_MAX_WIRES (PCC_MAX_LANS + PCC_MAX_WANS + PCC_MAX_PORTS)

struct pcc_config {
	struct pcc_lan_cfg lans[PCC_MAX_LANS];
	uint32_t nlans;
	struct pcc_wan_cfg wans[PCC_MAX_WANS +
				/* One more than allowed, so that validation can report it. */
				1];
	uint32_t nwans;
/* The options of attach, which are also the keys at the top of a file: base_keys.h. */
#define X(sym, type, member, ...) type member;
	PCC_BASE_KEYS(X)
#undef X
	bool seed_given;
	struct pcc_port_cfg ports[PCC_MAX_PORTS];
	uint32_t nports;
	struct pcc_wire_cfg wires[PCC_MAX_WIRES]; /* ascending by ifindex */
	uint32_t nwires;
	bool xdp;		 /* settled: some interface runs XDP */
	bool bridged;		 /* settled: a LAN is a bridge, or a device on top of one */
	uint32_t tcp_timeout_ms; /* settled: conntrack's timeout for established TCP */
};

/* The default classifier is that of the guide that MikroTik users start from. */
#define PCC_DEF_CLASSIFIER 6u /* src-address-and-port */

/* Limits of --max-conns and --table-base. */
#define PCC_MIN_CONNS 1024u
#define PCC_MAX_CONNS (1u << 27)
#define PCC_MAX_TABLE_BASE (UINT32_MAX - PCC_MAX_WANS - 1)

/*
 * The highest value of --rule-pref: with it, all rules of pccbpf still come before the rule of the
 * main table (32766).
 */
#define PCC_MAX_RULE_PREF 32000u

struct pcc_err;

/* Fills cfg with the configuration of `attach` without any option: no LAN, no WAN. */
void pcc_config_defaults(struct pcc_config *cfg);

/*
 * Checks whether the configuration can be attached: the number of LANs and WANs, duplicate names,
 * weights, the ranges of all numbers, and ids (where they are assigned) against the mark mask and
 * the routing tables. Looks at cfg only, not at the machine. Returns 0, or -EINVAL with err filled.
 */
int pcc_config_validate(const struct pcc_config *cfg, struct pcc_err *err);

/*
 * Gives every WAN an id: the one that prev (may be NULL) has for the same name, else the lowest
 * free one. The order of the WANs does not change. Returns 0, or -ENOSPC for more than
 * PCC_MAX_WANS; cfg is unchanged then.
 */
int pcc_config_assign_ids(struct pcc_config *cfg, const struct pcc_config *prev);

/* Find a WAN by name or id, or a LAN by name. Return NULL if there is none. */
struct pcc_wan_cfg *pcc_config_find_wan(struct pcc_config *cfg, const char *name);
const struct pcc_wan_cfg *pcc_config_find_wan_const(const struct pcc_config *cfg, const char *name);
const struct pcc_wan_cfg *pcc_config_find_wan_id(const struct pcc_config *cfg, uint32_t id);
const struct pcc_lan_cfg *pcc_config_find_lan(const struct pcc_config *cfg, const char *name);

/*
 * Returns how the interface's packets look on the device below it, or NULL if the interface has no
 * device below it, or XDP does not run there.
 */
const struct pcc_wire_cfg *pcc_config_wire(const struct pcc_config *cfg, uint32_t ifindex);

/*
 * Returns the ifindex of the device whose XDP program sees the frames of the interface: the device
 * below it, or the interface itself.
 */
uint32_t pcc_config_carrier(const struct pcc_config *cfg, uint32_t ifindex);

/* Adds the entry to cfg->wires. Does nothing if out->wire.ifindex is 0. */
void pcc_config_wire_add(struct pcc_config *cfg, uint32_t ifindex, const struct pcc_wire_out *out);

/* Returns the state that the user asked for, which the daemon may have overridden. */
enum pcc_wan_state pcc_wan_asked(const struct pcc_wan_cfg *wan);

/*
 * Copies the states of WANs that are attached already from old to cfg, so that a further `attach`
 * or `apply` does not undo `wan set --state`.
 */
void pcc_config_keep_states(struct pcc_config *cfg, const struct pcc_config *old);

/*
 * Returns the number of zero bits below the mask; a WAN's mark is id << shift. Returns 0 for the
 * mask 0.
 */
uint32_t pcc_mark_shift(uint32_t mask);

/*
 * Returns the bit that marks an answer, in addition to the WAN's id: the highest bit of the mask. A
 * rule for this bit sends answers out by the WAN of their mark, whatever route leads to the client.
 * Returns 0 if the mask is too narrow, that is, if a WAN's id needs this bit.
 */
uint32_t pcc_answer_mark(const struct pcc_config *cfg);

/*
 * Does the WAN serve the family, that is: has it a gateway, given or found, or does it need none?
 */
bool pcc_wan_serves(const struct pcc_wan_cfg *wan, enum pcc_family family);

#endif
