/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * UDP services of the router whose sockets are bound to a port and to no address. The kernel gives
 * their answers the address of the way that main has for the client, which may be another WAN's
 * than the client has asked; a client refuses that. Here it is remembered which address was asked,
 * and the answer gets it: rules and chain `output` then send it out by that WAN.
 *
 * Who sends first is who asks. What the router asks itself by such a socket, as resolvers do, has
 * its way by the routes each time, so that it moves on when a WAN dies.
 */
#ifndef PCC_ASKED_BPF_H
#define PCC_ASKED_BPF_H

#include "packet.bpf.h"
#include "pccbpf_asked.h"

#define ASKED_KEPT_NS (300ull * 1000 * 1000 * 1000)
/* By a WAN that is down nobody gets answers but those who were heard just now. */
#define ASKED_DOWN_NS (10ull * 1000 * 1000 * 1000)

/*
 * Written by all programs of this object; inserted, and changed in place where only the time
 * changes. Full: the least recently used go, and their next answer has the kernel's address.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct pcc_asked_key);
	__type(value, struct pcc_asked);
} pcc_asked SEC(".maps");

/* A UDP socket that is bound to neither address nor device, and not connected. */
static __always_inline int socket_is_wild(struct bpf_sock *sk)
{
	if (sk->protocol != IPPROTO_UDP || sk->bound_dev_if || sk->src_ip4)
		return 0;
	if (sk->family == PCC_AF_INET)
		return 1;
	return sk->family == PCC_AF_INET6 && !sk->src_ip6[0] && !sk->src_ip6[1] &&
	       !sk->src_ip6[2] && !sk->src_ip6[3];
}

static __always_inline int asked_is_old(const struct pcc_asked *a, __u64 now, __u64 kept_ns)
{
	return now >= a->seen_ns + kept_ns;
}

/* Has the router sent first? */
static __always_inline int asked_is_own(const struct pcc_asked *a)
{
	return !a->addr[0] && !a->addr[1] && !a->addr[2] && !a->addr[3];
}

static __always_inline int addr_equal(const __be32 a[4], const __be32 b[4])
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3];
}

/* The id of the WAN that has the address, 0: none has. */
static __always_inline __u32 wan_of_address(const __be32 addr[4])
{
	struct pcc_addr key;
	const __u32 *id;

	addr_copy6(key.a, addr);
	id = bpf_map_lookup_elem(&pcc_local, &key);
	return id ? *id : 0;
}

/* Where the UDP header begins, and addresses; the socket has told that it is UDP. 0 or a reason. */
static __always_inline int asked_parse4(struct __sk_buff *skb, struct pcc_tuple *t, __u32 *l4_off)
{
	struct iphdr ip;

	if (parse_ip4(skb, 0, t, &ip, l4_off))
		return -PCC_R_MALFORMED;
	return ip.frag_off & bpf_htons(0x1fff) ? -PCC_R_FRAG_UNKNOWN : 0;
}

static __always_inline int asked_parse6(struct __sk_buff *skb, struct pcc_tuple *t, __u32 *l4_off)
{
	struct ip6_chain chain = {.skb = skb};
	struct ipv6hdr ip6;

	if (load_net(skb, 0, &ip6, sizeof(ip6)) || ip6.version != 6)
		return -PCC_R_MALFORMED;
	addr_copy6(t->src, ip6.saddr.in6_u.u6_addr32);
	addr_copy6(t->dst, ip6.daddr.in6_u.u6_addr32);
	chain.off = sizeof(ip6);
	chain.proto = ip6.nexthdr;
	if (walk_ip6(&chain))
		return -PCC_R_MALFORMED;
	t->proto = chain.proto;
	*l4_off = chain.off;
	return chain.frag_off & bpf_htons(0xfff8) ? -PCC_R_FRAG_UNKNOWN : 0;
}

static __always_inline int asked_parse(struct __sk_buff *skb, struct pcc_tuple *t)
{
	__u32 l4_off = 0;
	int err;

	if (skb->protocol == bpf_htons(PCC_ETH_P_IP))
		err = asked_parse4(skb, t, &l4_off);
	else if (skb->protocol == bpf_htons(PCC_ETH_P_IPV6))
		err = asked_parse6(skb, t, &l4_off);
	else
		err = -PCC_R_NOT_IP;
	if (err || t->proto != IPPROTO_UDP)
		return -PCC_R_NOT_IP;
	return load_net(skb, l4_off, &t->sport, sizeof(t->sport)) ? -PCC_R_MALFORMED : 0;
}

/* A client asks addr now. */
static __always_inline void asked_remember(const struct pcc_asked_key *key, const __be32 addr[4])
{
	struct pcc_asked *a = bpf_map_lookup_elem(&pcc_asked, key), fresh = {};
	__u64 now = bpf_ktime_get_coarse_ns();

	if (a && !asked_is_old(a, now, ASKED_KEPT_NS)) {
		if (asked_is_own(a))
			return;
		if (addr_equal(a->addr, addr)) {
			a->seen_ns = now;
			return;
		}
	}
	addr_copy6(fresh.addr, addr);
	fresh.seen_ns = now;
	bpf_map_update_elem(&pcc_asked, key, &fresh, BPF_ANY);
}

/* The router sends to somebody who has not asked. */
static __always_inline void asked_own(const struct pcc_asked_key *key, __u64 now)
{
	struct pcc_asked fresh = {.seen_ns = now};

	bpf_map_update_elem(&pcc_asked, key, &fresh, BPF_ANY);
}

/* A datagram that arrives at a socket. */
static __always_inline void asked_in(struct __sk_buff *skb)
{
	struct pcc_asked_key key = {};
	const struct pcc_iface *iface;
	struct pcc_tuple t = {};
	struct bpf_sock *sk;
	__u32 ifindex = skb->ifindex;

	iface = bpf_map_lookup_elem(&pcc_ifaces, &ifindex);
	if (!iface || iface->role != PCC_ROLE_WAN || !meta_get())
		return;
	sk = skb->sk;
	if (sk)
		sk = bpf_sk_fullsock(sk);
	if (!sk || !socket_is_wild(sk) || asked_parse(skb, &t))
		return;
	/* Another network namespace may have an interface with that number, but not the address. */
	if (!wan_of_address(t.dst))
		return;
	addr_copy6(key.client, t.src);
	key.client_port = t.sport;
	key.local_port = sk->src_port;
	asked_remember(&key, t.dst);
}

/*
 * Is a datagram to key->client to come from a certain address? Then that is in addr. Somebody who
 * has chosen already, by a mark or another way, is left alone.
 */
static __always_inline int asked_answer(
	struct bpf_sock_addr *ctx, struct pcc_asked_key *key, struct pcc_addr *addr)
{
	const struct pcc_meta *meta = meta_get();
	struct bpf_sock *sk = ctx->sk;
	const struct pcc_wan *wan;
	struct pcc_asked *a;
	__u64 now;
	__u32 id;

	if (!meta || !sk || !socket_is_wild(sk) || sk->mark & meta->mark_mask ||
		bpf_get_netns_cookie(ctx) != meta->netns_cookie)
		return 0;
	key->client_port = (__be16)ctx->user_port;
	key->local_port = sk->src_port;
	now = bpf_ktime_get_coarse_ns();
	a = bpf_map_lookup_elem(&pcc_asked, key);
	if (!a || asked_is_old(a, now, ASKED_KEPT_NS)) {
		asked_own(key, now);
		return 0;
	}
	if (asked_is_own(a)) {
		a->seen_ns = now;
		return 0;
	}
	/* Once: another CPU may need the entry for somebody else. */
	addr_copy6(addr->a, a->addr);
	id = wan_of_address(addr->a);
	wan = id ? bpf_map_lookup_elem(&pcc_wans, &id) : NULL;
	return wan && (wan->state != PCC_WAN_DOWN || !asked_is_old(a, now, ASKED_DOWN_NS));
}

#endif
