/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the data plane (bpf/) and the control plane (user/) share: the layout of the pinned maps,
 * limits, numbers. docs/ABI.md describes every map field by field. PCC_ABI_VERSION grows with every
 * incompatible change and is checked whenever pins are opened.
 *
 * Structs have only fixed-width types and explicit padding, no pointer, no bool, no enum. __be16
 * and __be32 are in network byte order, everything else is in host byte order.
 */
#ifndef PCCBPF_H
#define PCCBPF_H

#if !defined(PCC_KERNEL_BPF_H) && !defined(__VMLINUX_H__)
#include <linux/types.h>
#endif

#define PCC_MAGIC 0x70636362u /* "pccb" */
#define PCC_ABI_VERSION 5u

#define PCC_MAX_WANS 64u  /* WAN ids are 1..64; id 0 means "no WAN" everywhere */
#define PCC_MAX_LANS 64u  /* LAN interfaces */
#define PCC_WAN_SLOTS 65u /* entries of pcc_wans and pcc_wan_stats: index == WAN id */
#define PCC_MAX_WEIGHT 255u
#define PCC_DEF_BUCKETS 1024u
#define PCC_MIN_BUCKETS 64u
#define PCC_MAX_BUCKETS 16384u /* >= 64 WANs x weight 255, so modulo always fits */
#define PCC_NO_BUCKET 0xffffffffu
#define PCC_IFNAMSIZ 16u
#define PCC_NAME_BYTES 32u /* of the name of a group or policy */
#define PCC_MAX_GROUPS 64u
#define PCC_MAX_POLICIES 1024u
#define PCC_POLICY_SLOTS (PCC_MAX_POLICIES + 1u) /* one more, for the exclusions */
#define PCC_MAX_SETS 64u
#define PCC_MAX_SET_PREFIXES 131072u /* in all sets together */
#define PCC_GROUP_BUCKETS 1024u	     /* of a group at most, with the consistent scheme */
#define PCC_GROUP_BLOCKS 4096u	     /* for the bucket tables of all groups, in each half */

#define PCC_DEF_MARK_MASK 0xff00u
#define PCC_DEF_TABLE_BASE 100u
#define PCC_DEF_RULE_PREF 10000u
/*
 * Look-ups that ask whether the main table has more than a default route for a destination. A rule
 * for this source address (192.0.0.8, RFC 7600), which comes after the rule of the main table,
 * leads to a table with nothing but `prohibit default`. The result "prohibited" says that main has
 * at most a default for the destination, so a mark may override it.
 */
#define PCC_PROBE_TABLE(table_base) ((table_base) + PCC_MAX_WANS + 1u)
#define PCC_PROBE_V4 0xc0000008u /* host order */
/*
 * The same for IPv6, where the helper needs a destination that nobody has: 4000::9, unassigned by
 * IANA.
 */
#define PCC_NOBODY_V6_0 0x40000000u /* first word, host byte order; the two after it are 0 */
#define PCC_NOBODY_V6_3 9u	    /* last word */
#define PCC_RTPROT 172u		    /* rtm_protocol and FRA_PROTOCOL of all our routes and rules */
#define PCC_UNREACHABLE_METRIC 4278198272u
/* The metric of the IPv4 default route in a WAN's table, by which the data plane recognises it. */
#define PCC_DEFAULT_METRIC 172u

/* Index of an address family in the per-family arrays. */
enum pcc_family { PCC_V4 = 0, PCC_V6 = 1, PCC_FAMILIES = 2 };

/* struct pcc_wan.state */
enum pcc_wan_state { PCC_WAN_UNUSED = 0, PCC_WAN_UP = 1, PCC_WAN_DRAIN = 2, PCC_WAN_DOWN = 3 };

/* struct pcc_wan.flags */
#define PCC_WAN_V4 0x1u /* has a gateway in IPv4 (or is point-to-point): may own IPv4 buckets */
#define PCC_WAN_V6 0x2u
#define PCC_WAN_GW4_GIVEN 0x4u /* the user gave the gateway; otherwise it was found */
#define PCC_WAN_GW6_GIVEN 0x8u
#define PCC_WAN_AUTO 0x10u     /* the daemon set the state; the user asked for up */
#define PCC_WAN_DEGRADED 0x20u /* in poor health: owns buckets for half of its weight */
#define PCC_WAN_STANDBY 0x40u  /* a better tier is in use: owns no buckets */

/* struct pcc_iface.role */
enum pcc_role { PCC_ROLE_LAN = 1, PCC_ROLE_WAN = 2, PCC_ROLE_PORT = 3 /* port of a LAN bridge */ };

/* struct pcc_conn.origin */
enum pcc_origin { PCC_ORIGIN_LAN = 0, PCC_ORIGIN_WAN = 1 };

/* struct pcc_conn.flags */
#define PCC_CONN_CT_DONE                                                                           \
	0x1u /* conntrack's entry has the WAN id, or conntrack does not track the protocol */

/*
 * The fields that are hashed, in the order in which they are concatenated (DESIGN.md, Classifier).
 */
#define PCC_F_SRC 0x1u
#define PCC_F_DST 0x2u
#define PCC_F_SPORT 0x4u
#define PCC_F_DPORT 0x8u

/*
 * The nine classifiers of RouterOS: X(symbol, name in RouterOS, fields). Source: RouterOS manual,
 * "Per connection classifier".
 */
#define PCC_CLASSIFIERS(X)                                                                         \
	X(SRC_ADDRESS, "src-address", PCC_F_SRC)                                                   \
	X(DST_ADDRESS, "dst-address", PCC_F_DST)                                                   \
	X(BOTH_ADDRESSES, "both-addresses", PCC_F_SRC | PCC_F_DST)                                 \
	X(SRC_PORT, "src-port", PCC_F_SPORT)                                                       \
	X(DST_PORT, "dst-port", PCC_F_DPORT)                                                       \
	X(BOTH_PORTS, "both-ports", PCC_F_SPORT | PCC_F_DPORT)                                     \
	X(SRC_ADDRESS_AND_PORT, "src-address-and-port", PCC_F_SRC | PCC_F_SPORT)                   \
	X(DST_ADDRESS_AND_PORT, "dst-address-and-port", PCC_F_DST | PCC_F_DPORT)                   \
	X(BOTH_ADDRESSES_AND_PORTS, "both-addresses-and-ports",                                    \
		PCC_F_SRC | PCC_F_DST | PCC_F_SPORT | PCC_F_DPORT)

enum pcc_scheme { PCC_SCHEME_CONSISTENT = 0, PCC_SCHEME_MODULO = 1 };

/*
 * The reasons for verdicts: X(symbol, name in `stats --json`, what it means). Every verdict of the
 * data plane has one, and each has a counter in the map pcc_counters, in this order.
 */
#define PCC_REASONS(X)                                                                             \
	X(PINNED, "pinned", "LAN packets of a remembered connection")                              \
	X(NEW, "new", "LAN connections classified by the hash")                                    \
	X(ADOPTED, "adopted", "connections older than pccbpf, left on the WAN they use")           \
	X(FROM_CTMARK, "from_ctmark", "connections put back on the WAN in their conntrack mark")   \
	X(INBOUND, "inbound", "connections that came in through a WAN and were pinned to it")      \
	X(HEALED, "healed", "LAN connections remembered again from a reply")                       \
	X(REPINNED, "repinned", "remembered tuples used again by a new connection")                \
	X(UNREMEMBERED, "unremembered", "classified, but the connection map took no entry")        \
	X(POLICY, "policy", "new connections whose policy chose the WAN")                          \
	X(POLICY_NEXT, "policy_next",                                                              \
		"new connections whose policy's WAN had no route, given the next of the group")    \
	X(POLICY_FALLBACK, "policy_fallback",                                                      \
		"new connections whose policy had no usable WAN, spread over the others")          \
	X(POLICY_BYPASS, "policy_bypass", "new connections that a policy leaves alone")            \
	X(POLICY_REJECT, "policy_reject", "LAN packets that a policy rejects: dropped")            \
	X(POLICY_NO_WAN, "policy_no_wan",                                                          \
		"LAN packets whose strict policy had no usable WAN: dropped")                      \
	X(NEXT_BEST, "next_best", "new connections whose WAN had no route, given the next one")    \
	X(NO_WAN, "no_wan", "new connections for which no WAN was usable")                         \
	X(BYPASS_LOCAL, "bypass_local", "LAN packets to the router itself")                        \
	X(BYPASS_MULTICAST, "bypass_multicast", "multicast, broadcast, link-local, ND packets")    \
	X(BYPASS_ROUTE, "bypass_route",                                                            \
		"LAN packets that have a route of their own, or a rule before ours")               \
	X(BYPASS_FAMILY, "bypass_family", "LAN packets of a family in which no WAN has a gateway") \
	X(BYPASS_CACHED, "bypass_cached", "LAN packets of a remembered bypass")                    \
	X(NOT_IP, "not_ip", "packets that are neither IPv4 nor IPv6")                              \
	X(OTHERHOST, "otherhost", "frames addressed to another machine's MAC")                     \
	X(VLAN, "vlan", "tagged packets, left to the VLAN interface")                              \
	X(MALFORMED, "malformed", "packets with a broken header, left to the kernel")              \
	X(FRAG_UNKNOWN, "frag_unknown", "fragments that came before their first fragment")         \
	X(WAN_IN, "wan_in", "packets that arrived on a WAN and got its mark")                      \
	X(WAN_IN_SKIPPED, "wan_in_skipped", "packets that arrived on a WAN and were not touched")  \
	X(WAN_REPLY, "wan_reply", "packets from a WAN to the LAN of a remembered connection")      \
	X(LAN_OUT_OTHER, "lan_out_other", "packets to the LAN that did not come from a WAN")       \
	X(LEAK, "leak", "packets that left a WAN with the mark of another one")                    \
	X(CORRECTED, "corrected",                                                                  \
		"connections that left by another WAN than chosen, remembered there")              \
	X(WAN_OUT_OTHER, "wan_out_other", "packets that left a WAN and carry no WAN's mark")       \
	X(MARTIAN, "martian", "packets with a source address of the router: dropped")              \
	X(UNTRACKED, "untracked",                                                                  \
		"TCP packets of no known connection, which NAT cannot translate: dropped")         \
	X(FAST, "fast", "packets forwarded by the fast path")                                      \
	X(FAST_RENEW, "fast_renew", "packets let through to renew a lease")                        \
	X(FAST_LEARNED, "fast_learned", "fast path entries learned or renewed")                    \
	X(FAST_FORGOTTEN, "fast_forgotten", "connections that FIN or RST ended on the fast path")  \
	X(NO_CONFIG, "no_config", "packets seen while there was no valid configuration")

enum pcc_reason {
#define X(sym, name, text) PCC_R_##sym,
	PCC_REASONS(X)
#undef X
		PCC_R_MAX
};

/*
 * Key of pcc_conns: the connection as the LAN sees it, with the LAN side as source. IPv4 addresses
 * are v4-mapped (RFC 4291, 2.5.5.2). Ports are 0 for protocols without ports, but an ICMP echo has
 * its identifier in both: every ping is a separate connection, as in conntrack.
 */
struct pcc_tuple {
	__be32 src[4];
	__be32 dst[4];
	__be16 sport;
	__be16 dport;
	__u8 proto; /* IPPROTO_* */
	__u8 pad[3];
};

/* Value of pcc_conns. Times are CLOCK_MONOTONIC in ns (coarse). wan_id 0: a remembered bypass. */
struct pcc_conn {
	__u32 wan_id;
	__u32 bucket; /* PCC_NO_BUCKET for inbound and adopted connections and for bypasses */
	__u32 mark;   /* the bits set in the skb's mark: wan_id << shift */
	__u8 origin;  /* enum pcc_origin */
	__u8 flags;   /* PCC_CONN_* */
	__u8 pad[2];
	__u64 created_ns;
	__u64 seen_ns;	  /* last packet in either direction */
	__u64 checked_ns; /* when the routing decision was last checked */
	__u64 tx_packets; /* LAN to WAN */
	__u64 tx_bytes;
	__u64 rx_packets; /* WAN to LAN */
	__u64 rx_bytes;
};

/* Value of pcc_wans. The key is the WAN id; entry 0 is never used. */
struct pcc_wan {
	__u32 state; /* enum pcc_wan_state */
	__u32 ifindex;
	__u32 mark; /* id << shift */
	__u32 weight;
	__u32 table;	    /* routing table, table_base + id */
	__u32 flags;	    /* PCC_WAN_* */
	__u32 order;	    /* place in the order given; used by --scheme modulo only */
	__be32 gateway4;    /* 0: none or on-link */
	__be32 gateway6[4]; /* all 0: none or on-link */
	char name[16];
};

/* Value of pcc_ifaces. The key is the ifindex. */
struct pcc_iface {
	__u32 role;	      /* enum pcc_role */
	__u32 wan_id;	      /* 0 for a LAN */
	__u32 master_ifindex; /* PORT: the bridge; otherwise the interface itself */
	__u8 mac[6];
	__u8 flags; /* PCC_IFACE_* */
	__u8 order; /* place in the order given */
	char name[16];
};

/* struct pcc_iface.flags */
#define PCC_IFACE_DROP_LOCAL_SRC 0x2u /* attach set accept_local: we drop what it lets in */
#define PCC_IFACE_L3 0x4u	      /* has no link-layer header: tun, ppp, wireguard */
#define PCC_IFACE_PORTS_LEARN 0x8u    /* a bridge: its ports run XDP and learn, it does not */
#define PCC_IFACE_NO_FAST 0x10u	      /* no fast path for what arrives: others filter it */
#define PCC_IFACE_WIRE 0x20u	      /* has an entry in pcc_wire_out */
#define PCC_IFACE_QDISC_MADE                                                                       \
	0x1u /* attach made the clsact qdisc: detach removes it when it is empty */

/*
 * Key of pcc_wire_in: how an interface's packets look on the device below it, that is, what is
 * between the MACs and the IP header: a VLAN tag, two of them, a PPPoE session, or one in a VLAN.
 * The value is the interface.
 */
struct pcc_wire {
	__u32 ifindex;	/* of the device below */
	__be16 tpid[2]; /* of the tags, the outer one first; 0: no tag */
	__be16 vid[2];	/* their VLAN ids, with priority 0 */
	__be16 session; /* PPPoE session id; 0: none */
	__u16 pad;
};

/* Value of pcc_wire_out. The key is the interface above. */
struct pcc_wire_out {
	struct pcc_wire wire;
	__u8 dmac[6]; /* PPPoE: the access concentrator's, and ours */
	__u8 smac[6];
	__u16 bytes; /* bytes between the MACs and the IP header; 2 in a plain frame */
	__u16 mtu;   /* of the device below, in bytes; 65535: that or more */
};

/*
 * Key and value of pcc_sysctls: the path of a sysctl below /proc/sys, and its text before attach.
 */
struct pcc_sysctl_key {
	char path[96];
};

struct pcc_sysctl_old {
	char value[32];
};

/* Value of pcc_stats (per CPU); key: family * bucket_stride + bucket. */
struct pcc_bucket_stats {
	__u64 tx_packets;
	__u64 tx_bytes;
	__u64 rx_packets;
	__u64 rx_bytes;
	__u64 new_connections;
};

/* Value of pcc_wan_stats (per CPU); key: WAN id. */
struct pcc_wan_stats {
	__u64 tx_packets;
	__u64 tx_bytes;
	__u64 rx_packets;
	__u64 rx_bytes;
	__u64 new_connections;
	__u64 fastpath_packets;
	__u64 rx_errors;    /* ICMP errors among rx_packets */
	__u64 syn_sent;	    /* SYNs from the LAN that open TCP connections */
	__u64 syn_answered; /* of these: answered with SYN+ACK */
	__u64 rtt_sum_us;   /* of these: sum of the times from the first SYN to the answer */
};

/*
 * Key of pcc_local: an address of the router itself (also a broadcast address), v4-mapped. The
 * value is a __u32: the id of the WAN that has the address, 0 for any other interface.
 */
struct pcc_addr {
	__be32 a[4];
};

/* Key of pcc_frags: one fragmented datagram. */
struct pcc_frag_key {
	__be32 src[4];
	__be32 dst[4];
	__be32 id; /* IPv4: the 16-bit identification, zero-extended, in network byte order */
	__u8 proto;
	__u8 pad[3];
};

/* Value of pcc_frags: the ports, which only the first fragment has. */
struct pcc_frag {
	__be16 sport;
	__be16 dport;
	__u32 pad;
	__u64 seen_ns;
};

/*
 * Key of pcc_flows: a packet as it arrives, in few words because every packet's key is hashed
 * (pcc_flow_key_of(), pccbpf_flow.h). IPv6 addresses do not fit, so there src and dst are a digest
 * of them, and pcc_flow.in is compared with the packet.
 */
struct pcc_flow_key {
	__be32 src;
	__be32 dst;
	__be16 sport;
	__be16 dport;
	/*
	 * ifindex << 2 | IPv6 << 1 | UDP. The interface is the one that routing sees: the bridge,
	 * not its port.
	 */
	__u32 where;
};

#define PCC_FLOW_MAX_IFINDEX 0x3fffffffu

/* struct pcc_flow.flags */
#define PCC_FLOW_V6 0x1u
#define PCC_FLOW_TO_LAN 0x2u /* WAN to LAN; else LAN to WAN */
#define PCC_FLOW_IN_L3 0x4u  /* arrives without a link-layer header */
#define PCC_FLOW_OUT_L3 0x8u /* leaves without a link-layer header */
#define PCC_FLOW_PORTS 0x10u /* NAT changes a port */
#define PCC_FLOW_ADDRS 0x20u /* NAT changes an address */
#define PCC_FLOW_ENDED 0x40u /* FIN or RST was seen: the next packet deletes the entry */
#define PCC_FLOW_WIRE 0x80u  /* the egress interface has an entry in pcc_wire_out */

/*
 * Value of pcc_leased, a filter in front of pcc_flows. For each place that keys are mapped to
 * (pcc_leased_place(), pccbpf_flow.h) it says: has a key at this place been given a lease in this
 * period or in the one before? If not, no lease can be valid, and the look-up in pcc_flows is
 * saved, which for most packets of new connections would find nothing. The filter is small, so that
 * it stays in the cache. If several keys share a place, the only cost is a look-up. A bit that is
 * lost between two CPUs is set again by the next packet that takes the kernel's way.
 */
#define PCC_LEASED_BITS 16 /* 2^16 places */
#define PCC_LEASED_PERIOD_SHIFT                                                                    \
	35 /* periods of 2^35 ns, 34 s: longer than a lease can be stretched */

struct pcc_leased {
	__u32 at[1 << (PCC_LEASED_BITS - 5)]
		/* A bit for each place, for even and for odd periods. */
		[2];
	__u32 period; /* CLOCK_MONOTONIC >> PCC_LEASED_PERIOD_SHIFT */
};

#define PCC_LEASE_SHIFT 20 /* pcc_flow.lease is in units of 2^20 ns, 1.05 ms */

/*
 * Value of pcc_flows: what the kernel was seen to do with such a packet. The checksum differences
 * are ones' complement sums of (new - old), folded. Everything that an IPv4 packet needs is in the
 * first 64 bytes, and map entries begin at a multiple of 64, so one cache line is enough besides
 * that of the key.
 *
 * The counters only grow. They count packets as 1 << PCC_FLOW_BYTES_BITS | bytes, so the difference
 * of two readings is again packets << PCC_FLOW_BYTES_BITS | bytes (pcc_flow_uncounted()).
 */
struct pcc_flow {
	__u64 counted; /* counted on the CPU `cpu`, which alone writes it, without a lock */
	__u32 lease;   /* end of the lease, CLOCK_MONOTONIC >> PCC_LEASE_SHIFT, may wrap */
	__u32 epoch;   /* valid while equal to pcc_meta.epoch; 0: being written, or ended */
	__u32 egress_ifindex;
	__u16 flags; /* PCC_FLOW_* */
	__u16 mtu;   /* of the egress, in bytes from the IP header on; 65535: that or more */
	__u16 wan_id;
	__u16 bucket;	 /* 65535: no bucket */
	__u16 cpu;	 /* the CPU that counts in `counted` */
	__u16 addr_diff; /* for the checksums of L3 (IPv4) and L4 */
	__u16 port_diff; /* for the checksum of L4 */
	/*
	 * The MAC of the interface on which the packet arrives: frames to other MACs are not for
	 * the router.
	 */
	__u8 in_mac[6];
	__u8 dmac[6];
	__u8 smac[6];
	__be16 sport; /* after NAT */
	__be16 dport;
	__be32 src4; /* after NAT; not used for IPv6 */
	__be32 dst4;

	__u64 counted_others; /* counted on other CPUs, atomically */
	__u64 folded;	      /* how much of the sum of both counters is in pcc_conns already */
	/* When the packet that renews the lease was let through; 0: no renewal is under way. */
	__u64 renew_ns;
	__u32 back_ifindex; /* the interface on which answers arrive */
	/* Generation of the kernel's tables and rules when the entry was learned; 0: unknown. */
	__u32 generation;
	__be32 src[4]; /* after NAT, v4-mapped */
	__be32 dst[4];

	struct pcc_tuple in; /* the packet as it arrives */
	__u32 pad2[6];
};

/*
 * Packets and bytes share a word, so that counting is one addition. Both are added to pcc_conns
 * whenever the lease is renewed, after at most 2.1 s of traffic: within that time 2^36 bytes are
 * 260 Gbit/s, and 2^28 packets are 127 million a second.
 */
#define PCC_FLOW_BYTES_BITS 36
#define PCC_FLOW_BYTES_MASK ((1ull << PCC_FLOW_BYTES_BITS) - 1)

/*
 * What a new connection is classified with. There are two; pcc_meta.active_half says which is
 * valid.
 */
struct pcc_half {
	__u32 nbuckets[2]; /* number of buckets by enum pcc_family; 0: no WAN in this family */
	__u32 base[2];	   /* first entry in pcc_buckets, by enum pcc_family */
	__u32 fields;	   /* PCC_F_* of the classifier */
	__u32 seed;
};

/* What a policy does with a new connection. */
enum pcc_policy_action {
	PCC_POLICY_GROUP,  /* one of the WANs of a group, by the hash */
	PCC_POLICY_WAN,	   /* one WAN */
	PCC_POLICY_BYPASS, /* left to the kernel, as without pccbpf */
	PCC_POLICY_REJECT, /* dropped */
};

/*
 * Which later connections get the same WAN: none, those of the same source, or those of the same
 * source to the same site (/24, /48).
 */
enum pcc_sticky { PCC_STICKY_NONE, PCC_STICKY_SOURCE, PCC_STICKY_SOURCE_SITE };

/* struct pcc_policy.flags: what has to match besides proto */
#define PCC_POLICY_F_SRC 0x1u
#define PCC_POLICY_F_DST 0x2u
#define PCC_POLICY_F_SET 0x4u
#define PCC_POLICY_F_PORTS 0x8u
#define PCC_POLICY_F_DSCP 0x10u
#define PCC_POLICY_F_LAN 0x20u
#define PCC_POLICY_F_STRICT 0x80u /* if no WAN of the target is usable, the packet is dropped */

/*
 * Value of pcc_policies: one rule, at entry half * PCC_POLICY_SLOTS + index. The first rule that
 * matches decides.
 */
struct pcc_policy {
	__be32 src[4], src_mask[4]; /* v4-mapped */
	__be32 dst[4], dst_mask[4];
	__u64 sets;	   /* the destination must be in one of these sets */
	__u32 lan_ifindex; /* 0: the LAN is not attached */
	__u16 sport_min, sport_max, dport_min, dport_max;
	__u8 proto;	/* 0: any */
	__u8 dscp;	/* 0..63 */
	__u8 action;	/* enum pcc_policy_action */
	__u8 flags;	/* PCC_POLICY_F_* */
	__u32 target;	/* GROUP: its index; WAN: its id, 0 if it is not attached */
	__u32 hit;	/* entry of pcc_policy_hit, the same as long as a rule has this name */
	__u32 sticky_s; /* seconds after the last new connection */
	__u8 sticky;	/* enum pcc_sticky */
	__u8 pad[3];
	__u32 sticky_id; /* hash of the name, as rules may be inserted before this one */
	char name[PCC_NAME_BYTES];
	char lan[PCC_IFNAMSIZ];
	char wan[PCC_IFNAMSIZ];
};

/* Value of pcc_policy_head. The key is the half. */
struct pcc_policy_head {
	__u32 npolicies;
	__u32 ngroups;
	__u32 nsets;	/* 0: no look-up in pcc_sets is needed */
	__u32 set_half; /* pcc_set_key.half */
	__u64 hash;	/* of the compiled policies: tells whether they have changed */
};

/* Value of pcc_groups, at entry half * PCC_MAX_GROUPS + index. */
struct pcc_group {
	__u64 members;	   /* bit id-1: the WAN is in the group and attached */
	__u32 base[2];	   /* first entry in pcc_group_table, by enum pcc_family */
	__u32 nbuckets[2]; /* 0: no WAN of the group is usable in this family */
	char name[PCC_NAME_BYTES];
	char wans[PCC_MAX_WANS][PCC_IFNAMSIZ];
};

/* Value of pcc_group_table: the owners of 64 consecutive buckets. */
struct pcc_group_block {
	__u8 wan_id[64];
};

/* Key of pcc_sets (LPM trie). The value is a __u64: the sets that contain the prefix. */
struct pcc_set_key {
	__u32 prefixlen; /* 32 for the half, plus 0..128 of the address */
	__u32 half;
	__be32 addr[4];
};

/* Value of pcc_policy_hit (per CPU). */
struct pcc_policy_hit {
	__u64 connections;
	__u64 dropped; /* packets */
};

/* Key of pcc_sticky. */
struct pcc_sticky_key {
	__be32 src[4];
	__be32 site[4]; /* all 0 for PCC_STICKY_SOURCE */
	__u32 policy;	/* pcc_policy.sticky_id */
};

/* Value of pcc_sticky. */
struct pcc_sticky_wan {
	__u32 wan_id;
	__u32 pad;
	__u64 seen_ns; /* time of the last new connection */
};

/* pcc_meta.flags */
#define PCC_META_NAT4 0x1u
#define PCC_META_NAT6 0x2u
#define PCC_META_SEED_GIVEN 0x4u  /* --seed was given: show it as the user's */
#define PCC_META_DIR_MADE 0x8u	  /* attach made the pin directory: detach removes it */
#define PCC_META_NO_TCX 0x10u	  /* the hooks are clsact filters */
#define PCC_META_XDP 0x100u	  /* XDP runs on some interface */
#define PCC_META_NO_WAN_OUT 0x40u /* no pcc_wan_out: pcc_lan_in counts packets to WANs */
#define PCC_META_FASTPATH 0x80u	  /* the fast path is on */
#define PCC_META_BRIDGED                                                                           \
	0x800u /* a LAN is a bridge: conntrack may have seen its packets before tc */
#define PCC_META_ANSWERS                                                                           \
	0x400u		     /* the marks of inbound connections also have the mask's highest bit */
#define PCC_META_OWN 0x200u  /* the router's own connections are spread, too */
#define PCC_META_NO_CT 0x20u /* no conntrack kfuncs: nftables writes the ct marks */

/* The only value of pcc_meta. Its size and offsets are checked whenever pins are opened. */
struct pcc_meta {
	__u32 magic;
	__u32 abi_version;
	__u32 tuple_size;
	__u32 conn_size;
	__u32 wan_size;
	__u32 reasons; /* PCC_R_MAX */
	__u32 mark_mask;
	__u32 mark_shift;
	__u32 bucket_stride; /* entries of pcc_stats for each family */
	__u32 active_half;   /* 0 or 1; one aligned store switches */
	__u32 epoch;	     /* grows with every change of configuration or WAN state */
	__u32 buckets;	     /* --buckets */
	__u32 classifier;    /* index in PCC_CLASSIFIERS */
	__u32 scheme;	     /* enum pcc_scheme */
	__u32 fastpath;	     /* enum pcc_fastpath, as asked for */
	__u32 flags;	     /* PCC_META_* */
	__u32 table_base;
	__u32 rule_pref;
	__u32 max_conns;
	/* nf_conntrack_tcp_timeout_established, to which learning sets an entry's timeout. */
	__u32 tcp_timeout_ms;
	__u64 netns_cookie; /* SO_NETNS_COOKIE of the network namespace of attach */
	__u64 attached_ns;  /* CLOCK_MONOTONIC */
	__u64 object_hash;  /* hash of the BPF objects that the programs were loaded from */
	struct pcc_half half[2];
	char version[16];
};

/* The values of --fastpath. */
enum pcc_fastpath { PCC_FP_AUTO = 0, PCC_FP_XDP = 1, PCC_FP_TC = 2, PCC_FP_OFF = 3 };

_Static_assert(sizeof(struct pcc_tuple) == 40, "pcc_conns key");
_Static_assert(sizeof(struct pcc_conn) == 72, "pcc_conns value");
_Static_assert(sizeof(struct pcc_wan) == 64, "pcc_wans value");
_Static_assert(sizeof(struct pcc_iface) == 36, "pcc_ifaces value");
_Static_assert(sizeof(struct pcc_wire) == 16, "pcc_wire_in key");
_Static_assert(sizeof(struct pcc_wire_out) == 32, "pcc_wire_out value");
_Static_assert(sizeof(struct pcc_bucket_stats) == 40, "pcc_stats value");
_Static_assert(sizeof(struct pcc_wan_stats) == 80, "pcc_wan_stats value");
_Static_assert(sizeof(struct pcc_frag_key) == 40, "pcc_frags key");
_Static_assert(sizeof(struct pcc_frag) == 16, "pcc_frags value");
_Static_assert(sizeof(struct pcc_flow_key) == 16, "pcc_flows key");
_Static_assert(sizeof(struct pcc_flow) == 192, "pcc_flows value");
_Static_assert(sizeof(struct pcc_policy) == 176, "pcc_policies value");
_Static_assert(sizeof(struct pcc_policy_head) == 24, "pcc_policy_head value");
_Static_assert(sizeof(struct pcc_group) == 1080, "pcc_groups value");
_Static_assert(sizeof(struct pcc_group_block) == 64, "pcc_group_table value");
_Static_assert(sizeof(struct pcc_set_key) == 24, "pcc_sets key");
_Static_assert(sizeof(struct pcc_policy_hit) == 16, "pcc_policy_hit value");
_Static_assert(sizeof(struct pcc_sticky_key) == 36, "pcc_sticky key");
_Static_assert(sizeof(struct pcc_sticky_wan) == 16, "pcc_sticky value");
_Static_assert(sizeof(struct pcc_half) == 24, "pcc_meta.half");
_Static_assert(sizeof(struct pcc_meta) == 168, "pcc_meta value");

#endif
