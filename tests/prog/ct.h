/* SPDX-License-Identifier: GPL-2.0-only */
/* Conntrack entries of the test's own namespace, made through ctnetlink. */
#ifndef TEST_CT_H
#define TEST_CT_H

#include <errno.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack_tcp.h>

#include "harness.h"

enum ct_seq { CT_SEQ_PLAIN, CT_SEQ_ADJUSTED };

/*
 * An entry for a connection that s opened and that was answered, in that state (TCP). nat: the
 * address that source NAT gave it, NULL for none. CT_SEQ_ADJUSTED: a helper has made it longer by 2
 * bytes.
 */
static inline void ct_put_as(
	const struct spec *s, const char *nat, uint32_t mark, enum ct_seq seq, uint8_t tcp_state)
{
	struct nf_conntrack *ct = nfct_new();
	struct nfct_handle *h = nfct_open(CONNTRACK, 0);
	struct pcc_tuple t = spec_tuple(s);
	struct pcc_tuple n = t;

	assert_non_null(ct);
	assert_non_null(h);
	if (nat)
		text_addr(nat, n.src);
	nfct_set_attr_u8(ct, ATTR_L3PROTO, spec_is_v6(s) ? AF_INET6 : AF_INET);
	nfct_set_attr_u8(ct, ATTR_REPL_L3PROTO, spec_is_v6(s) ? AF_INET6 : AF_INET);
	nfct_set_attr_u8(ct, ATTR_L4PROTO, t.proto);
	nfct_set_attr_u8(ct, ATTR_REPL_L4PROTO, t.proto);
	if (spec_is_v6(s)) {
		nfct_set_attr(ct, ATTR_IPV6_SRC, t.src);
		nfct_set_attr(ct, ATTR_IPV6_DST, t.dst);
		nfct_set_attr(ct, ATTR_REPL_IPV6_SRC, t.dst);
		nfct_set_attr(ct, ATTR_REPL_IPV6_DST, n.src);
	} else {
		nfct_set_attr_u32(ct, ATTR_IPV4_SRC, t.src[3]);
		nfct_set_attr_u32(ct, ATTR_IPV4_DST, t.dst[3]);
		nfct_set_attr_u32(ct, ATTR_REPL_IPV4_SRC, t.dst[3]);
		nfct_set_attr_u32(ct, ATTR_REPL_IPV4_DST, n.src[3]);
	}
	nfct_set_attr_u16(ct, ATTR_PORT_SRC, t.sport);
	nfct_set_attr_u16(ct, ATTR_PORT_DST, t.dport);
	nfct_set_attr_u16(ct, ATTR_REPL_PORT_SRC, t.dport);
	nfct_set_attr_u16(ct, ATTR_REPL_PORT_DST, t.sport);
	nfct_set_attr_u32(ct, ATTR_TIMEOUT, 100);
	nfct_set_attr_u32(ct, ATTR_MARK, mark);
	nfct_set_attr_u32(ct, ATTR_STATUS, IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED);
	if (t.proto == IPPROTO_TCP)
		nfct_set_attr_u8(ct, ATTR_TCP_STATE, tcp_state);
	if (seq == CT_SEQ_ADJUSTED) {
		nfct_set_attr_u32(ct, ATTR_ORIG_NAT_SEQ_CORRECTION_POS, 1);
		nfct_set_attr_u32(ct, ATTR_ORIG_NAT_SEQ_OFFSET_BEFORE, 0);
		nfct_set_attr_u32(ct, ATTR_ORIG_NAT_SEQ_OFFSET_AFTER, 2);
	}
	if (nfct_query(h, NFCT_Q_CREATE_UPDATE, ct))
		fail_msg("conntrack entry: %s", strerror(errno));
	nfct_close(h);
	nfct_destroy(ct);
}

/* Established. */
static inline void ct_put_seq(const struct spec *s, const char *nat, uint32_t mark, enum ct_seq seq)
{
	ct_put_as(s, nat, mark, seq, TCP_CONNTRACK_ESTABLISHED);
}

static inline void ct_put(const struct spec *s, const char *nat, uint32_t mark)
{
	ct_put_seq(s, nat, mark, CT_SEQ_PLAIN);
}

static inline int ct_mark_cb(enum nf_conntrack_msg_type type, struct nf_conntrack *ct, void *data)
{
	(void)type;
	*(uint32_t *)data = nfct_get_attr_u32(ct, ATTR_MARK);
	return NFCT_CB_CONTINUE;
}

/* The only entry's mark. */
static inline uint32_t ct_mark(int v6)
{
	struct nfct_handle *h = nfct_open(CONNTRACK, 0);
	uint32_t family = v6 ? AF_INET6 : AF_INET, mark = 0xffffffff;

	nfct_callback_register(h, NFCT_T_ALL, ct_mark_cb, &mark);
	assert_int_equal(nfct_query(h, NFCT_Q_DUMP, &family), 0);
	nfct_close(h);
	return mark;
}

static inline void ct_flush(void)
{
	struct nfct_handle *h = nfct_open(CONNTRACK, 0);
	uint32_t families[] = {AF_INET, AF_INET6};

	for (int i = 0; i < 2; i++)
		nfct_query(h, NFCT_Q_FLUSH, &families[i]);
	nfct_close(h);
}

#endif
