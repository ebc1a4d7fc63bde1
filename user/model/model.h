/* SPDX-License-Identifier: GPL-2.0-only */
/* The configuration: what attach was told, as plain data. Knows neither text nor kernel. */
#ifndef PCC_MODEL_H
#define PCC_MODEL_H

#include <linux/types.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "model/base_keys.h"
#include "pccbpf.h"

/* How the next hop of a WAN in one family was come by. */
enum pcc_gw_source {
	PCC_GW_NONE,   /* the WAN does not serve this family */
	PCC_GW_AUTO,   /* to be found */
	PCC_GW_GIVEN,  /* the user gave it */
	PCC_GW_FOUND,  /* found in a routing table or a lease */
	PCC_GW_ONLINK, /* point-to-point: no gateway needed */
};

/* The next hop of a WAN in one family. addr is valid for GIVEN and FOUND. */
struct pcc_gateway {
	enum pcc_gw_source source;
	union pcc_ip addr;
};

/* Which members the user named (a member that was not named keeps its value on `wan set`). */
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
	uint32_t given;	   /* PCC_WAN_SET_* */
	bool by_daemon;	   /* state is the daemon's doing; the user's is up */
	bool degraded;	   /* half the weight counts */
	bool standby;	   /* owns no buckets */
	bool xdp;	   /* settled: the fast path is to be in XDP */
	bool no_fast;	   /* settled: what arrives is the kernel's, others' programs want it */
	bool accept_local; /* settled: as that of a LAN */
	uint8_t mac[6];	   /* settled */
	bool l3;	   /* settled: has no link-layer header */
	bool waits[PCC_FAMILIES]; /* for an address, for a moment: no route until then */
};

struct pcc_lan_cfg {
	char name[PCC_IFNAMSIZ];
	uint32_t ifindex;
	bool xdp;	   /* settled: the fast path is to be in XDP */
	bool no_fast;	   /* settled: what arrives is the kernel's, others' programs want it */
	uint8_t mac[6];	   /* settled */
	bool l3;	   /* settled: has no link-layer header */
	bool accept_local; /* settled: worth setting, as nothing else validates sources here */
};

/* A port of a LAN bridge that runs XDP. Settled. */
struct pcc_port_cfg {
	char name[PCC_IFNAMSIZ];
	uint32_t ifindex;
	uint32_t bridge_ifindex;
};

#define PCC_MAX_PORTS 96u

/* An interface above a device that runs XDP for it: a VLAN, PPPoE. Settled. */
struct pcc_wire_cfg {
	uint32_t ifindex;
	struct pcc_wire_out out;
};

#define PCC_MAX_WIRES (PCC_MAX_LANS + PCC_MAX_WANS + PCC_MAX_PORTS)

struct pcc_config {
	struct pcc_lan_cfg lans[PCC_MAX_LANS];
	uint32_t nlans;
	struct pcc_wan_cfg wans[PCC_MAX_WANS + 1]; /* room for one too many, to say so */
	uint32_t nwans;
/* what attach and the top of a file say: the members of base_keys.h, classifier to max_conns */
#define X(sym, type, member, ...) type member;
	PCC_BASE_KEYS(X)
#undef X
	bool seed_given;
	struct pcc_port_cfg ports[PCC_MAX_PORTS];
	uint32_t nports;
	struct pcc_wire_cfg wires[PCC_MAX_WIRES]; /* ascending by ifindex */
	uint32_t nwires;
	bool xdp;		 /* settled: XDP on some interface */
	bool bridged;		 /* settled: a LAN is a bridge, or a device above one */
	uint32_t tcp_timeout_ms; /* settled: conntrack's for established TCP */
};

/* The classifier of the guide that MikroTik users start from. */
#define PCC_DEF_CLASSIFIER 6u /* src-address-and-port */

/* Bounds of --max-conns and --table-base. */
#define PCC_MIN_CONNS 1024u
#define PCC_MAX_CONNS (1u << 27)
#define PCC_MAX_TABLE_BASE (UINT32_MAX - PCC_MAX_WANS - 1)

/* The highest preference that leaves every rule before the main table's (32766). */
#define PCC_MAX_RULE_PREF 32000u

struct pcc_err;

/* The configuration of `attach` without any option: no LAN, no WAN. */
void pcc_config_defaults(struct pcc_config *cfg);

/*
 * Can this be attached? LANs, WANs, their number, names given twice, weights, ids (where they are
 * assigned) against the mark mask and the routing tables, the ranges of all numbers. Looks at cfg
 * only, not at the machine. Returns 0 or -EINVAL with the error filled.
 */
int pcc_config_validate(const struct pcc_config *cfg, struct pcc_err *err);

/*
 * Gives every WAN an id: the one that prev (may be NULL) has for its name, else the lowest that is
 * free. The order of the WANs stays. Returns 0, or -ENOSPC, with cfg unchanged, for more than
 * PCC_MAX_WANS.
 */
int pcc_config_assign_ids(struct pcc_config *cfg, const struct pcc_config *prev);

/* The WAN of that name or id, the LAN of that name; NULL if there is none. */
struct pcc_wan_cfg *pcc_config_find_wan(struct pcc_config *cfg, const char *name);
const struct pcc_wan_cfg *pcc_config_find_wan_const(const struct pcc_config *cfg, const char *name);
const struct pcc_wan_cfg *pcc_config_find_wan_id(const struct pcc_config *cfg, uint32_t id);
const struct pcc_lan_cfg *pcc_config_find_lan(const struct pcc_config *cfg, const char *name);

/* What the interface has on the wire below it; NULL: it has its own wire, or no XDP. */
const struct pcc_wire_cfg *pcc_config_wire(const struct pcc_config *cfg, uint32_t ifindex);

/* The device whose XDP sees the frames of an interface: itself or the one below. */
uint32_t pcc_config_carrier(const struct pcc_config *cfg, uint32_t ifindex);

/* Notes it, or nothing where out->wire.ifindex is 0. */
void pcc_config_wire_add(struct pcc_config *cfg, uint32_t ifindex, const struct pcc_wire_out *out);

/* The state that the user gave. */
enum pcc_wan_state pcc_wan_asked(const struct pcc_wan_cfg *wan);

/*
 * A WAN that is attached keeps the state that it was given: attaching or applying anew does not
 * undo `wan set --state`.
 */
void pcc_config_keep_states(struct pcc_config *cfg, const struct pcc_config *old);

/* Bits to the right of the mask: id << shift is the WAN's mark. 0 for the mask 0. */
uint32_t pcc_mark_shift(uint32_t mask);

/*
 * The bit that the mark of an answer has besides the WAN's id: the highest of the mask. A rule
 * sends answers by their WAN whatever route leads to the client. 0 where a WAN's id needs the bit:
 * the mask is too narrow.
 */
uint32_t pcc_answer_mark(const struct pcc_config *cfg);

/* Does the WAN serve the family: a gateway is given or found, or none is needed? */
bool pcc_wan_serves(const struct pcc_wan_cfg *wan, enum pcc_family family);

#endif
