/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A next hop or a host that changes its MAC says so: by ARP (RFC 826, RFC 5227) or neighbour
 * discovery (RFC 4861). The kernel then sends to the new MAC at once; the leases must not go on
 * with the old one for their two seconds. So the ingress programs look at these messages, which are
 * rare, and end all leases where one names a MAC that is new.
 */
#ifndef PCC_NEIGH_BPF_H
#define PCC_NEIGH_BPF_H

#define PCC_ETH_P_ARP 0x0806
#define PCC_ND_FIRST 133 /* router solicitation */
#define PCC_ND_LAST 137	 /* redirect */

/* Whoever invents addresses must not end the leases all the time. */
#define PCC_NEIGH_PAUSE_NS (100ull * 1000 * 1000)
/* The message reaches the kernel after these programs: what is sent before that is not learned. The
 * coarse clock's tick is up to 10 ms. */
#define PCC_NEIGH_SETTLE_NS (20ull * 1000 * 1000)

struct neigh_key {
	__be32 addr[4]; /* v4-mapped */
	__u32 ifindex;
};

/* Who was last seen with which MAC, its six bytes and two of zero. Full: the oldest are forgotten,
 * and are new when seen again. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct neigh_key);
	__type(value, __u64);
} pcc_neighs SEC(".maps");

/* When the last MAC was new, CLOCK_MONOTONIC, coarse. */
static volatile __u64 neigh_changed_ns;

/* What leaves now may still have the old MAC. */
static __always_inline int neigh_is_unsettled(void)
{
	__u64 changed = neigh_changed_ns;

	return changed && bpf_ktime_get_coarse_ns() - changed < PCC_NEIGH_SETTLE_NS;
}

/* Is the MAC new? Then it is remembered. */
static __always_inline int neigh_is_new(const struct neigh_key *key, __u64 mac)
{
	__u64 *old = bpf_map_lookup_elem(&pcc_neighs, key);

	if (!old) {
		bpf_map_update_elem(&pcc_neighs, key, &mac, BPF_NOEXIST);
		return 1;
	}
	if (*old == mac)
		return 0;
	*old = mac;
	return 1;
}

static __always_inline void neigh_seen(const struct neigh_key *key, __u64 mac)
{
	struct pcc_meta *meta;
	__u64 now = bpf_ktime_get_coarse_ns();
	__u32 zero = 0;

	/* Not remembered while pausing: the next message of the same is new then. */
	if (neigh_changed_ns && now - neigh_changed_ns < PCC_NEIGH_PAUSE_NS)
		return;
	meta = bpf_map_lookup_elem(&pcc_meta, &zero);
	if (!meta || !neigh_is_new(key, mac))
		return;
	neigh_changed_ns = now;
	__sync_fetch_and_add(&meta->epoch, 1);
	count_reason(PCC_R_NEIGH_CHANGED);
}

/* Sender's hardware and protocol address of an ARP message for Ethernet and IPv4. */
static __noinline int neigh_arp(struct __sk_buff *skb)
{
	struct neigh_key key = {};
	__u64 mac = 0;
	__be32 addr;
	__u8 head[8];

	if (!skb || load_net(skb, 0, head, sizeof(head)) || head[1] != 1 || head[4] != 6 ||
		head[5] != 4 || load_net(skb, 8, &mac, 6) || load_net(skb, 14, &addr, 4) || !addr)
		return 0;
	addr_map4(key.addr, addr);
	key.ifindex = skb->ifindex;
	neigh_seen(&key, mac);
	return 0;
}

/*
 * Source of a neighbour discovery message, and of the frame that brought it. The addresses inside
 * are of the same neighbour, and one of them is the source (RFC 4861, 4.4).
 */
static __noinline int neigh_nd(struct __sk_buff *skb)
{
	struct neigh_key key = {};
	__u64 mac = 0;

	if (!skb || load_net(skb, 8, key.addr, sizeof(key.addr)) ||
		bpf_skb_load_bytes(skb, 6, &mac, 6) || !(key.addr[0] | key.addr[3]))
		return 0;
	key.ifindex = skb->ifindex;
	neigh_seen(&key, mac);
	return 0;
}

/* A packet that takes the kernel's way: does it say who has which MAC? */
static __always_inline void neigh_listen(struct __sk_buff *skb)
{
	__u8 next, type;

	if (skb->protocol == bpf_htons(PCC_ETH_P_ARP)) {
		neigh_arp(skb);
		return;
	}
	if (skb->protocol != bpf_htons(PCC_ETH_P_IPV6) || load_net(skb, 6, &next, 1) ||
		next != IPPROTO_ICMPV6 || load_net(skb, 40, &type, 1))
		return;
	if (type >= PCC_ND_FIRST && type <= PCC_ND_LAST)
		neigh_nd(skb);
}

#endif
