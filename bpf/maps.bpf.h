/* SPDX-License-Identifier: GPL-2.0-only */
/* The maps: who writes, who reads, what happens when one is full. docs/ABI.md has the fields. */
#ifndef PCC_MAPS_BPF_H
#define PCC_MAPS_BPF_H

#include "common.bpf.h"

/*
 * Connections. Written by pcc_lan_in and pcc_lan_out: inserted with BPF_NOEXIST and then changed in
 * place, since an update of an existing key may evict another one. Deleted by user space when a WAN
 * goes down. Full: the least recently used entries go; their connections find their WAN again by
 * the conntrack mark or the NAT address.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 262144); /* --max-conns */
	__type(key, struct pcc_tuple);
	__type(value, struct pcc_conn);
} pcc_conns SEC(".maps");

/*
 * The entries of the fast path, with their leases. Written by pcc_wan_out and pcc_lan_out, which
 * learn from packets that the kernel sends; the ingress programs count in the entries and mark a
 * lease as being renewed. Full: the least recently used entries go, and their packets take the
 * kernel's way.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 524288); /* both directions of --max-conns */
	__type(key, struct pcc_flow_key);
	__type(value, struct pcc_flow);
} pcc_flows SEC(".maps");

/* Which keys may have a lease. Written when an entry is learned, read before pcc_flows is asked. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pcc_leased);
} pcc_leased SEC(".maps");

/* WANs by id. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PCC_WAN_SLOTS);
	__type(key, __u32);
	__type(value, struct pcc_wan);
} pcc_wans SEC(".maps");

/*
 * Bucket tables: two halves, each with a table for IPv4 and one for IPv6. Value: WAN id, 0 for
 * none. pcc_half.base says where each table begins. User space writes the half that is not active
 * and then switches with pcc_meta.active_half.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4 * PCC_DEF_BUCKETS);
	__type(key, __u32);
	__type(value, __u32);
} pcc_buckets SEC(".maps");

/* Interfaces that are ours, by ifindex. Written by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct pcc_iface);
} pcc_ifaces SEC(".maps");

/* Per-bucket counters, family * bucket_stride + bucket. Written by the data plane. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2 * PCC_DEF_BUCKETS);
	__type(key, __u32);
	__type(value, struct pcc_bucket_stats);
} pcc_stats SEC(".maps");

/* Per-WAN counters by id. Written by the data plane; user space clears an id before it is used
 * again. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PCC_WAN_SLOTS);
	__type(key, __u32);
	__type(value, struct pcc_wan_stats);
} pcc_wan_stats SEC(".maps");

/*
 * One counter per enum pcc_reason. Written by the data plane, except for PCC_R_FAST: its packets
 * are counted in pcc_wan_stats, and user space adds them here when it clears the counters of a WAN.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PCC_R_MAX);
	__type(key, __u32);
	__type(value, __u64);
} pcc_counters SEC(".maps");

/*
 * The router's own and broadcast addresses -> WAN id that has the address, or 0. Written by user
 * space. If an address is missing its packets are counted wrongly, but still reach the router: the
 * kernel's local table comes first.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct pcc_addr);
	__type(value, __u32);
} pcc_local SEC(".maps");

/*
 * Ports of fragmented datagrams, learned from their first fragment. Full: the oldest entries go,
 * and later fragments of their datagrams are left to conntrack's reassembly.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct pcc_frag_key);
	__type(value, struct pcc_frag);
} pcc_frags SEC(".maps");

/* What sysctls were before attach, for detach to restore. Written and read by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct pcc_sysctl_key);
	__type(value, struct pcc_sysctl_old);
} pcc_sysctls SEC(".maps");

/*
 * Where XDP may send to: an interface of ours -> the device to send by, itself or the one below.
 * Written by user space only.
 */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u32);
} pcc_xdp_ports SEC(".maps");

/*
 * VLANs and PPPoE sessions above devices that run XDP. pcc_wire_in: to which of our interfaces a
 * frame with these tags, of this session, belongs. pcc_wire_out: the tags and headers for frames
 * that the interface sends. Written by user space only.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, struct pcc_wire);
	__type(value, __u32);
} pcc_wire_in SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct pcc_wire_out);
} pcc_wire_out SEC(".maps");

/*
 * How many policies there are, in each half. All maps of policies except pcc_policy_hit and
 * pcc_sticky are written by user space only, in the half that is not active, as pcc_buckets is.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct pcc_policy_head);
} pcc_policy_head SEC(".maps");

/*
 * Rules for new connections, two halves of PCC_POLICY_SLOTS.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * PCC_POLICY_SLOTS);
	__type(key, __u32);
	__type(value, struct pcc_policy);
} pcc_policies SEC(".maps");

/*
 * Groups of WANs, two halves of PCC_MAX_GROUPS.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * PCC_MAX_GROUPS);
	__type(key, __u32);
	__type(value, struct pcc_group);
} pcc_groups SEC(".maps");

/*
 * The bucket tables of the groups, two halves of PCC_GROUP_BLOCKS.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * PCC_GROUP_BLOCKS);
	__type(key, __u32);
	__type(value, struct pcc_group_block);
} pcc_group_table SEC(".maps");

/*
 * Prefix -> the sets that hold it, including sets of shorter prefixes around it. The sets have
 * halves of their own (pcc_policy_head.set_half), so that they need not be written again when a WAN
 * is added or removed. Full: the policies are refused.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 2 * PCC_MAX_SET_PREFIXES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct pcc_set_key);
	__type(value, __u64);
} pcc_sets SEC(".maps");

/*
 * Counters of the rules, by pcc_policy.hit. Written by the data plane; user space clears an entry
 * before it is used again. There are twice as many entries as rules, since during a switch the old
 * and the new rules count.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2 * PCC_POLICY_SLOTS);
	__type(key, __u32);
	__type(value, struct pcc_policy_hit);
} pcc_policy_hit SEC(".maps");

/*
 * WANs of sticky policies. Written by pcc_lan_in. Full: the least recently used sources are
 * forgotten, and their next connection is spread anew.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct pcc_sticky_key);
	__type(value, struct pcc_sticky_wan);
} pcc_sticky SEC(".maps");

/*
 * Configuration and layout. Written by user space only (pcc_neigh_done also raises the epoch);
 * active_half is written with one store, through mmap.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct pcc_meta);
} pcc_meta SEC(".maps");

/* The configuration; NULL while there is none. */
static __always_inline const struct pcc_meta *meta_get(void)
{
	const struct pcc_meta *meta;
	__u32 zero = 0;

	meta = bpf_map_lookup_elem(&pcc_meta, &zero);
	return meta && meta->magic == PCC_MAGIC ? meta : NULL;
}

#endif
