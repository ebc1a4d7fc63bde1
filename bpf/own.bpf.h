/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connections that the router itself opens: at connect() the socket gets the mark of a WAN, by the
 * policies and the bucket table that the LAN's connections are spread by. The kernel's rules do the
 * rest, and choose the source address. Connected nets and static routes win over the mark, as ever.
 */
#ifndef PCC_OWN_BPF_H
#define PCC_OWN_BPF_H

#include "policy.bpf.h"

#define PCC_SOL_SOCKET 1
#define PCC_SO_MARK 36

/* What connect() shall do. */
enum own_verdict {
	OWN_REFUSE = 0, /* EPERM */
	OWN_GO_ON = 1,
};

/* The WAN of a connection, 0: the main table's; *refuse where a policy says so. */
static __noinline __u32 own_choose(
	const struct pcc_packet *p, const struct pcc_meta *meta, __u32 *refuse)
{
	struct pcc_decision d = {};
	const struct pcc_policy *r;
	const struct pcc_group *g;
	__u32 half, key, id, owner;

	if (!p || !meta || !refuse)
		return 0;
	half = meta->active_half & 1;
	key = policy_find(0, p, half) - 1;
	r = bpf_map_lookup_elem(&pcc_policies, &key);
	owner = classify(meta, &p->tuple, p->family, &d);
	if (!d.nbuckets)
		return 0;
	if (r) {
		policy_count(r, r->action == PCC_POLICY_REJECT);
		*refuse = r->action == PCC_POLICY_REJECT;
		if (r->action > PCC_POLICY_WAN)
			return 0;
		g = r->action == PCC_POLICY_GROUP ? policy_group(r, half) : NULL;
		id = policy_owner(r, g, p->family, d.hash);
		if (wan_for_new(id, p->family))
			return id;
		*refuse = r->flags & PCC_POLICY_F_STRICT;
		if (*refuse)
			return 0;
	}
	return wan_for_new(owner, p->family) ? owner : 0;
}

/* Somebody has chosen already: a mark, a device, an address. Or it is another namespace's. */
static __always_inline int own_is_decided(
	struct bpf_sock_addr *ctx, struct bpf_sock *sk, const struct pcc_meta *meta)
{
	return meta->magic != PCC_MAGIC || !(meta->flags & PCC_META_OWN) || sk->bound_dev_if ||
	       sk->mark & meta->mark_mask || bpf_get_netns_cookie(ctx) != meta->netns_cookie;
}

/* The port that will be its own is not known yet: the socket's number stands for it. */
static __always_inline void own_fill(
	struct bpf_sock_addr *ctx, struct bpf_sock *sk, struct pcc_packet *p)
{
	__u32 port = sk->src_port;

	p->tuple.proto = ctx->protocol;
	if (!pcc_proto_has_ports(ctx->protocol))
		return;
	p->tuple.sport = port ? bpf_htons(port) : (__be16)bpf_get_socket_cookie(ctx);
	p->tuple.dport = (__be16)ctx->user_port;
}

static __always_inline int own_connect(
	struct bpf_sock_addr *ctx, struct bpf_sock *sk, struct pcc_packet *p)
{
	__u32 zero = 0, refuse = 0, mark, id, own = 0;
	const struct pcc_meta *meta = bpf_map_lookup_elem(&pcc_meta, &zero);

	if (!meta || own_is_decided(ctx, sk, meta))
		return OWN_GO_ON;
	addr_copy6(p->dst.in6_u.u6_addr32, p->tuple.dst);
	if (packet_is_link_scope(p) || bpf_map_lookup_elem(&pcc_local, p->tuple.dst))
		return OWN_GO_ON;
	own_fill(ctx, sk, p);
	id = own_choose(p, meta, &refuse);
	if (refuse)
		return OWN_REFUSE;
	if (!id)
		return OWN_GO_ON;
	own = sk->mark & ~meta->mark_mask;
	mark = own | id << (meta->mark_shift & 31);
	bpf_setsockopt(ctx, PCC_SOL_SOCKET, PCC_SO_MARK, &mark, sizeof(mark));
	return OWN_GO_ON;
}

#endif
