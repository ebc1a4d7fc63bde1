// SPDX-License-Identifier: GPL-2.0-only
/*
 * Answers of the router's UDP services come from the address that was asked. Programs at the root
 * of the control groups: where a socket gets a datagram, and where a process sends one by a socket
 * that is not connected. An object of its own, since a router may have no cgroup version 2.
 */
#include "asked.bpf.h"

char LICENSE[] SEC("license") = "GPL";

enum { ASKED_GO_ON = 1 };

SEC("cgroup_skb/ingress")
int pcc_asked_in(struct __sk_buff *skb)
{
	asked_in(skb);
	return ASKED_GO_ON;
}

/* IPv4, also by a socket of both families. */
SEC("cgroup/sendmsg4")
int pcc_asked_out4(struct bpf_sock_addr *ctx)
{
	struct pcc_asked_key key = {};
	struct pcc_addr from;

	if (ctx->msg_src_ip4)
		return ASKED_GO_ON;
	addr_map4(key.client, ctx->user_ip4);
	if (asked_answer(ctx, &key, &from))
		ctx->msg_src_ip4 = from.a[3];
	return ASKED_GO_ON;
}

SEC("cgroup/sendmsg6")
int pcc_asked_out6(struct bpf_sock_addr *ctx)
{
	struct pcc_asked_key key = {};
	struct pcc_addr from;

	if (ctx->msg_src_ip6[0] || ctx->msg_src_ip6[1] || ctx->msg_src_ip6[2] ||
		ctx->msg_src_ip6[3])
		return ASKED_GO_ON;
	key.client[0] = ctx->user_ip6[0];
	key.client[1] = ctx->user_ip6[1];
	key.client[2] = ctx->user_ip6[2];
	key.client[3] = ctx->user_ip6[3];
	if (!asked_answer(ctx, &key, &from))
		return ASKED_GO_ON;
	ctx->msg_src_ip6[0] = from.a[0];
	ctx->msg_src_ip6[1] = from.a[1];
	ctx->msg_src_ip6[2] = from.a[2];
	ctx->msg_src_ip6[3] = from.a[3];
	return ASKED_GO_ON;
}
