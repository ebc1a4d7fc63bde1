/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Access to conntrack by its kfuncs (net/netfilter/nf_conntrack_bpf.c), which know TCP and UDP
 * only. If the kernel lacks them pcc_have_ct is 0: the verifier then removes these branches, and
 * nftables writes the marks.
 */
#ifndef PCC_CONNTRACK_BPF_H
#define PCC_CONNTRACK_BPF_H

#include "tuple.bpf.h"

/* Set before loading. */
const volatile __u32 pcc_have_ct = 1;

/* The first 12 bytes of struct bpf_ct_opts: what 6.1 has, and what later kernels still take. */
struct pcc_ct_opts {
	__s32 netns_id;
	__s32 error;
	__u8 l4proto;
	__u8 dir;
	__u8 reserved[2];
};

extern struct nf_conn *bpf_skb_ct_lookup(struct __sk_buff *skb, struct bpf_sock_tuple *tuple,
	__u32 tuple_len, struct pcc_ct_opts *opts, __u32 opts_len) __ksym __weak;
extern void bpf_ct_release(struct nf_conn *ct) __ksym __weak;

#define PCC_TCP_CONNTRACK_SYN_RECV 2
#define PCC_TCP_CONNTRACK_ESTABLISHED 3

/* What was learned of a conntrack entry. */
struct pcc_ct_info {
	__u32 found;
	__u32 mark;
	__u32 reply_dir;    /* the tuple that was asked for is the entry's reply direction */
	__u32 established;  /* TCP: in state ESTABLISHED; UDP: replied to */
	__u32 answered;	    /* TCP: a SYN that was answered, in state SYN_RECV */
	__u32 nat;	    /* the outside knows the LAN side by another address: */
	__be32 nat_addr[4]; /* this one, v4-mapped */
};

static __always_inline __u32 ct_tuple(
	struct bpf_sock_tuple *to, const struct pcc_tuple *t, __u32 family)
{
	if (family == PCC_V4) {
		to->ipv4.saddr = t->src[3];
		to->ipv4.daddr = t->dst[3];
		to->ipv4.sport = t->sport;
		to->ipv4.dport = t->dport;
		return sizeof(to->ipv4);
	}
	addr_copy6(to->ipv6.saddr, t->src);
	addr_copy6(to->ipv6.daddr, t->dst);
	to->ipv6.sport = t->sport;
	to->ipv6.dport = t->dport;
	return sizeof(to->ipv6);
}

/*
 * Returns the entry that has the tuple in one of its directions, *dir; the caller has to call
 * bpf_ct_release(). NULL if there is no entry or no conntrack, or if the kfuncs do not know the
 * protocol. family is that of the tuple: the caller determines it once, since old verifiers follow
 * both branches of each such test.
 */
static __always_inline struct nf_conn *ct_find(
	struct __sk_buff *skb, const struct pcc_tuple *t, __u32 family, __u32 *dir)
{
	struct pcc_ct_opts opts = {.netns_id = -1};
	struct bpf_sock_tuple tuple = {};
	struct nf_conn *ct;
	__u32 len;

	if (!pcc_have_ct || (t->proto != IPPROTO_TCP && t->proto != IPPROTO_UDP))
		return NULL;
	len = ct_tuple(&tuple, t, family);
	opts.l4proto = t->proto;
	ct = bpf_skb_ct_lookup(skb, &tuple, len, &opts, sizeof(opts));
	*dir = opts.dir;
	return ct;
}

static __always_inline union nf_inet_addr *ct_other_dst(struct nf_conn *ct, __u32 dir)
{
	return dir ? &ct->tuplehash[0].tuple.dst.u3 : &ct->tuplehash[1].tuple.dst.u3;
}

static __always_inline void ct_read(struct nf_conn *ct, const struct pcc_tuple *t, __u32 family,
	__u32 dir, struct pcc_ct_info *info)
{
	info->found = 1;
	info->mark = ct->mark;
	info->reply_dir = dir;
	if (t->proto == IPPROTO_TCP) {
		info->established = ct->proto.tcp.state == PCC_TCP_CONNTRACK_ESTABLISHED;
		info->answered = ct->proto.tcp.state == PCC_TCP_CONNTRACK_SYN_RECV;
	} else {
		info->established = !!(ct->status & IPS_SEEN_REPLY);
	}
	/*
	 * The destination of the other direction is the address to which hosts outside send: for a
	 * connection from the LAN the address that source NAT gave it, for a port forward the
	 * address that the client asked for.
	 */
	if (family == PCC_V4) {
		addr_map4(info->nat_addr, ct_other_dst(ct, dir)->ip);
	} else {
		info->nat_addr[0] = ct_other_dst(ct, dir)->ip6[0];
		info->nat_addr[1] = ct_other_dst(ct, dir)->ip6[1];
		info->nat_addr[2] = ct_other_dst(ct, dir)->ip6[2];
		info->nat_addr[3] = ct_other_dst(ct, dir)->ip6[3];
	}
	info->nat = info->nat_addr[0] != t->src[0] || info->nat_addr[1] != t->src[1] ||
		    info->nat_addr[2] != t->src[2] || info->nat_addr[3] != t->src[3];
}

/* The tuple that the packet had when it came in: the other direction's, as conntrack has it. */
static __always_inline void ct_in_tuple(
	struct nf_conn *ct, __u32 in_dir, __u32 family, struct pcc_tuple *to)
{
	struct nf_conntrack_tuple *t = in_dir ? &ct->tuplehash[1].tuple : &ct->tuplehash[0].tuple;

	if (family == PCC_V4) {
		addr_map4(to->src, t->src.u3.ip);
		addr_map4(to->dst, t->dst.u3.ip);
	} else {
		to->src[0] = t->src.u3.ip6[0];
		to->src[1] = t->src.u3.ip6[1];
		to->src[2] = t->src.u3.ip6[2];
		to->src[3] = t->src.u3.ip6[3];
		to->dst[0] = t->dst.u3.ip6[0];
		to->dst[1] = t->dst.u3.ip6[1];
		to->dst[2] = t->dst.u3.ip6[2];
		to->dst[3] = t->dst.u3.ip6[3];
	}
	to->sport = t->src.u.all;
	to->dport = t->dst.u.all;
	to->proto = t->dst.protonum;
	to->pad[0] = to->pad[1] = to->pad[2] = 0;
}

/*
 * Looks the LAN-side tuple up and fills info; info->found is 0 if there is no entry or no
 * conntrack. With mark != 0 it also writes the bits of mask of this mark into the entry.
 */
static __noinline int ct_lookup(struct __sk_buff *skb, const struct pcc_tuple *t,
	struct pcc_ct_info *info, __u32 mask, __u32 mark)
{
	__u32 family, dir;
	struct nf_conn *ct;

	if (!skb || !t || !info)
		return 0;
	__builtin_memset(info, 0, sizeof(*info));
	family = pcc_tuple_is_v4(t) ? PCC_V4 : PCC_V6;
	ct = ct_find(skb, t, family, &dir);
	if (!ct)
		return 0;
	ct_read(ct, t, family, dir, info);
	/* One whole 32-bit store: the verifier accepts nothing smaller for this field. */
	if (mark && (info->mark & mask) != mark)
		*(volatile __u32 *)&ct->mark = (info->mark & ~mask) | mark;
	bpf_ct_release(ct);
	return 0;
}

/* struct nf_conntrack_tuple, include/net/netfilter/nf_conntrack_tuple.h */
struct ct_sent {
	__be32 src[4];
	__be16 sport;
	__u16 l3num;
	__be32 dst[4];
	__be16 dport;
	__u8 proto;
	__u8 dir;
};

#define PCC_NFCT_INFO 7ul	   /* include/linux/skbuff.h, NFCT_INFOMASK */
#define PCC_CT_ESTABLISHED_REPLY 3 /* enum ip_conntrack_info: from here on replies */
#define PCC_CT_UNTRACKED 7

/*
 * Reads the tuple that the sender wrote. With br_netfilter conntrack and NAT have changed a
 * bridge's packet before tc sees it, and two connections may look alike; the conntrack entry that
 * the packet carries still has the original tuple. Returns 0 if it was read.
 */
static __always_inline int ct_read_sent(struct __sk_buff *skb, __u8 proto, struct ct_sent *sent)
{
	const struct sk_buff *kernel_skb = (const void *)skb;
	const struct nf_conn *ct;
	unsigned long nfct = 0;

	if (bpf_core_read(&nfct, sizeof(nfct), &kernel_skb->_nfct))
		return -1;
	ct = (const void *)(nfct & ~PCC_NFCT_INFO);
	nfct &= PCC_NFCT_INFO;
	if (!ct || nfct == PCC_CT_UNTRACKED)
		return -1;
	if (nfct < PCC_CT_ESTABLISHED_REPLY
			? bpf_core_read(sent, sizeof(*sent), &ct->tuplehash[0].tuple)
			: bpf_core_read(sent, sizeof(*sent), &ct->tuplehash[1].tuple))
		return -1;
	return sent->proto == proto ? 0 : -1;
}

/* Replaces the tuple by the one that the sender wrote, if that is known. */
static __noinline int ct_undo_nat(struct __sk_buff *skb, struct pcc_tuple *t)
{
	struct ct_sent sent;

	if (!skb || !t || ct_read_sent(skb, t->proto, &sent))
		return 0;
	if (pcc_tuple_is_v4(t)) {
		addr_map4(t->src, sent.src[0]);
		addr_map4(t->dst, sent.dst[0]);
	} else {
		addr_copy6(t->src, sent.src);
		addr_copy6(t->dst, sent.dst);
	}
	if (pcc_proto_has_ports(t->proto)) {
		t->sport = sent.sport;
		t->dport = sent.dport;
	}
	return 0;
}

/* t is the tuple of the packet as it is now: did the sender write another one? */
static __noinline int ct_nat_is_done(struct __sk_buff *skb, const struct pcc_tuple *t)
{
	struct ct_sent sent;

	if (!skb || !t || ct_read_sent(skb, t->proto, &sent))
		return 0;
	if (sent.sport != t->sport || sent.dport != t->dport)
		return 1;
	if (pcc_tuple_is_v4(t))
		return sent.src[0] != t->src[3] || sent.dst[0] != t->dst[3];
	return sent.src[0] != t->src[0] || sent.src[1] != t->src[1] || sent.src[2] != t->src[2] ||
	       sent.src[3] != t->src[3] || sent.dst[0] != t->dst[0] || sent.dst[1] != t->dst[1] ||
	       sent.dst[2] != t->dst[2] || sent.dst[3] != t->dst[3];
}

#endif
