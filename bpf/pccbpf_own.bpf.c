// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs at connect() of the machine's processes, for those who want the router's own connections
 * spread, too. An object of its own: it is loaded only then, on the pinned maps.
 */
#include "own.bpf.h"

char LICENSE[] SEC("license") = "GPL";

static __always_inline int is_loopback(__be32 dst)
{
	return (dst & bpf_htonl(0xff000000u)) == bpf_htonl(0x7f000000u);
}

SEC("cgroup/connect4")
int pcc_connect4(struct bpf_sock_addr *ctx)
{
	struct pcc_packet p = {.family = PCC_V4};
	struct bpf_sock *sk = ctx->sk;

	if (!sk || sk->src_ip4 || is_loopback(ctx->user_ip4))
		return OWN_GO_ON;
	addr_map4(p.tuple.src, 0);
	addr_map4(p.tuple.dst, ctx->user_ip4);
	return own_connect(ctx, sk, &p);
}

SEC("cgroup/connect6")
int pcc_connect6(struct bpf_sock_addr *ctx)
{
	struct pcc_packet p = {.family = PCC_V6};
	struct bpf_sock *sk = ctx->sk;
	__be32 dst[4] = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]};
	int mapped = !dst[0] && !dst[1] && dst[2] == bpf_htonl(0xffff);

	if (!sk || sk->src_ip6[0] || sk->src_ip6[3] || (mapped && is_loopback(dst[3])) ||
		(!mapped && !dst[0]))
		return OWN_GO_ON;
	if (mapped) {
		p.family = PCC_V4;
		addr_map4(p.tuple.src, 0);
	}
	addr_copy6(p.tuple.dst, dst);
	return own_connect(ctx, sk, &p);
}
