// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fast path against the kernel, packet by packet. The tc programs hang on a LAN and a WAN, with
 * conntrack and NAT in between; frames go in at the far end of one and are caught at the far end of
 * the other. The same frame goes once through the kernel (fast path off) and once through the fast
 * path: every byte must be equal, or the fast path must have left the packet to the kernel.
 *
 * Fast path in tc: over the wire. In XDP: pcc_fast by BPF_PROG_TEST_RUN, which gives the frame
 * back.
 */
#include <bpf/btf.h>
#include "ct.h"
#include "emulate.h"

#include <linux/if_packet.h>
#include <nftables/libnftables.h>
#include <poll.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include "pccbpf_wire.skel.h"
#include "pccbpf_xdp.skel.h"
#pragma GCC diagnostic pop

#define MTU 1500u
#define FRAME_MAX 2048u
#define PASS 2	   /* XDP_PASS */
#define REDIRECT 4 /* XDP_REDIRECT */
#define MSEC_NS 1000000ull
#define FIN 0x01
#define RST 0x04
#define PSH 0x08
#define URG 0x20
#define ECE 0x40
#define CWR 0x80

enum mode { IN_TC, IN_XDP };
enum { TO_WAN, TO_LAN };
enum sum { SUM_GOOD, SUM_NONE, SUM_ZERO_OUT, SUM_ZERO_IN, SUM_BAD };

struct buf {
	uint32_t len;
	uint8_t b[FRAME_MAX];
};

/* A connection: how the LAN sees it and how the WAN does, the LAN host as source. */
struct link2 {
	const char *name;
	const char *src, *dst; /* of who opens it */
	uint16_t sport, dport;
	uint8_t proto;
	bool inbound;
	struct pcc_tuple lan, wan;
};

/* What a packet is like besides its tuple. */
struct look {
	uint8_t tos, ttl, flags, opt_len; /* opt_len: bytes of TCP options */
	uint8_t reserved;		  /* the bits beside the length of TCP's header */
	uint16_t id, frag;
	uint32_t label, seq, ack, payload;
	enum sum sum;
};

static enum mode mode;
static struct pccbpf_xdp_bpf *xdp;
static struct pccbpf_wire_bpf *xdp_wire;
static struct bpf_program *xdp_now; /* which of the two has the packets */
static struct nft_ctx *nft_ctx;
static int wire[2];   /* packet sockets: [TO_WAN] at the far end of the WAN, ... */
static int far_if[2]; /* ... and where packets of a direction are put in */
static uint64_t seed = 0x2545f4914f6cdd1d;

static uint32_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed >> 32;
}

/* One of n values. */
static uint32_t rnd_of(uint32_t n)
{
	return rnd() % n;
}

/* ---------------------------------------------------------------- packets */

static uint32_t sum_add(uint32_t sum, const uint8_t *at, uint32_t len)
{
	for (uint32_t i = 0; i + 1 < len; i += 2)
		sum += at[i] << 8 | at[i + 1];
	if (len & 1)
		sum += at[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* RFC 1071 over pseudo header and transport; the checksum field counts as it is. */
static uint16_t l4_sum(const struct pcc_tuple *t, const uint8_t *l4, uint32_t len)
{
	uint32_t sum = sum_add(0, (const uint8_t *)t->src, 16);

	/* The mapped prefix of IPv4 is the same on both sides of a sum: it must not count. */
	if (pcc_tuple_is_v4(t))
		sum = sum_add(0, (const uint8_t *)&t->src[3], 4) +
		      sum_add(0, (const uint8_t *)&t->dst[3], 4);
	else
		sum += sum_add(0, (const uint8_t *)t->dst, 16);
	sum += t->proto + len;
	return ~sum_add(sum, l4, len);
}

static void put_ports(uint8_t *l4, const struct pcc_tuple *t)
{
	memcpy(l4, &t->sport, 2);
	memcpy(l4 + 2, &t->dport, 2);
}

/* out: the tuple that the packet will leave with, for checksums that are to come out 0. */
static void put_sum(uint8_t *l4, uint32_t len, uint32_t head, const struct pcc_tuple *in,
	const struct pcc_tuple *out, enum sum kind)
{
	uint8_t *check = l4 + (in->proto == IPPROTO_TCP ? 16 : 6);
	const struct pcc_tuple *zero = kind == SUM_ZERO_OUT ? out : in;
	uint16_t sum;

	if ((kind == SUM_ZERO_OUT || kind == SUM_ZERO_IN) && len >= head + 2) {
		put16(l4 + head, 0);
		put_ports(l4, zero);
		put16(l4 + head, l4_sum(zero, l4, len));
		assert_int_equal(l4_sum(zero, l4, len), 0);
	}
	put_ports(l4, in);
	sum = l4_sum(in, l4, len);
	if (kind == SUM_BAD)
		sum ^= 0x5a5a;
	if (in->proto == IPPROTO_UDP)
		sum = kind == SUM_NONE ? 0 : sum ? sum : 0xffff;
	put16(check, sum);
}

static void put_ip_sum(uint8_t *ip)
{
	put16(ip + 10, 0);
	put16(ip + 10, ~sum_add(0, ip, (ip[0] & 15) * 4));
}

static uint32_t l3_bytes(const struct buf *p)
{
	return p->b[12] == 0x08 ? 20 : 40;
}

static struct buf pkt_make(
	const struct pcc_tuple *in, const struct pcc_tuple *out, int dir, const struct look *k)
{
	bool v4 = pcc_tuple_is_v4(in), tcp = in->proto == IPPROTO_TCP;
	uint32_t l3 = v4 ? 20 : 40, head = tcp ? 20 + k->opt_len : 8, len = head + k->payload;
	struct buf p = {.len = ETH_HLEN + l3 + len};
	uint8_t *ip = p.b + ETH_HLEN, *l4 = ip + l3;

	assert_true(p.len <= FRAME_MAX);
	memcpy(p.b, dir == TO_WAN ? B.lan_mac : B.wan_mac[1], 6);
	memcpy(p.b + 6, "\x02\x00\x00\x00\x07\x77", 6);
	put16(p.b + 12, v4 ? ETH_P_IP : ETH_P_IPV6);
	for (uint32_t i = 0; i < k->payload; i++)
		l4[head + i] = rnd();
	if (v4) {
		ip[0] = 0x45;
		ip[1] = k->tos;
		put16(ip + 2, l3 + len);
		put16(ip + 4, k->id);
		put16(ip + 6, k->frag);
		ip[8] = k->ttl;
		ip[9] = in->proto;
		memcpy(ip + 12, &in->src[3], 4);
		memcpy(ip + 16, &in->dst[3], 4);
		put_ip_sum(ip);
	} else {
		ip[0] = 0x60 | k->tos >> 4;
		ip[1] = k->tos << 4 | (k->label >> 16 & 15);
		put16(ip + 2, k->label);
		put16(ip + 4, len);
		ip[6] = in->proto;
		ip[7] = k->ttl;
		memcpy(ip + 8, in->src, 16);
		memcpy(ip + 24, in->dst, 16);
	}
	if (tcp) {
		memcpy(l4 + 4, &k->seq, 4);
		memcpy(l4 + 8, &k->ack, 4);
		l4[12] = (head / 4) << 4 | k->reserved;
		l4[13] = k->flags;
		put16(l4 + 14, k->id ^ 0x1234);
		memset(l4 + 20, 1 /* NOP */, k->opt_len);
		if (k->opt_len >= 12) /* a time stamp */
			memcpy(l4 + 20, "\x01\x01\x08\x0a\x12\x34\x56\x78\x9a\xbc\xde\xf0", 12);
	} else {
		put16(l4 + 4, len);
	}
	put_sum(l4, len, head, in, out, k->sum);
	return p;
}

/* Valid, and otherwise anything. */
static struct look look_random(uint8_t proto, bool v6)
{
	static const uint32_t sizes[] = {0, 1, 2, 3, 5, 7, 18, 19};
	struct look k = {.tos = rnd(),
		.ttl = 2 + rnd_of(254),
		.id = rnd(),
		.label = rnd(),
		.seq = rnd(),
		.ack = rnd()};
	uint32_t head = v6 ? 40 : 20;

	if (proto == IPPROTO_TCP) {
		k.flags = TCP_ACK | (rnd() & (PSH | ECE | CWR)) | (rnd_of(8) ? 0 : URG);
		k.opt_len = rnd_of(3) ? 12 : rnd_of(11) * 4;
		k.reserved = rnd_of(4) ? 0 : rnd_of(16);
		head += 20 + k.opt_len;
	} else {
		head += 8;
	}
	if (rnd_of(2))
		k.frag = 0x4000; /* DF */
	if (!rnd_of(16))
		k.frag |= 0x8000; /* reserved (RFC 3514) */
	switch (rnd_of(3)) {
	case 0:
		k.payload = sizes[rnd_of(ARRAY_LEN(sizes))];
		break;
	case 1:
		k.payload = rnd_of(200);
		break;
	default:
		k.payload = rnd_of(MTU - head + 1);
	}
	if (!rnd_of(16))
		k.payload = MTU - head;
	k.sum = rnd_of(2) ? SUM_GOOD : (enum sum)rnd_of(4);
	if (k.sum == SUM_NONE && proto == IPPROTO_TCP)
		k.sum = SUM_GOOD;
	return k;
}

static struct look look_plain(void)
{
	return (struct look){.ttl = 64, .flags = TCP_ACK, .payload = 64, .id = 7};
}

/* ---------------------------------------------------------------- the wire */

static int far_socket(const char *name, int *ifindex)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0), one = 1, size = 4 << 20;

	assert_true(fd >= 0);
	*ifindex = at.sll_ifindex = (int)if_nametoindex(name);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static void put_in(int ifindex, const struct buf *p)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = ifindex, .sll_halen = 6};

	assert_int_equal(
		sendto(wire[0], p->b, p->len, 0, (struct sockaddr *)&to, sizeof(to)), p->len);
}

/* The next TCP or UDP packet that arrives, in fragments or not; false if none does. */
static bool catch_ip(int fd, struct buf *p, int wait_ms)
{
	uint8_t proto;

	for (;;) {
		ssize_t n = recv(fd, p->b, sizeof(p->b), 0);

		if (n < 0) {
			struct pollfd pfd = {.fd = fd, .events = POLLIN};

			if (errno != EAGAIN || wait_ms <= 0 || poll(&pfd, 1, wait_ms) <= 0)
				return false;
			continue;
		}
		p->len = n;
		if (n < ETH_HLEN + 20 || (p->b[12] != 0x08 && p->b[12] != 0x86) ||
			(p->b[12] == 0x08 && p->b[13]))
			continue;
		proto = p->b[ETH_HLEN + (p->b[12] == 0x08 ? 9 : 6)];
		if (proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_FRAGMENT)
			return true;
	}
}

static void drain(void)
{
	struct buf p;

	for (int dir = 0; dir < 2; dir++)
		while (catch_ip(wire[dir], &p, 0))
			;
}

static void fast_on(bool on)
{
	uint32_t flags = on ? B.meta.flags | PCC_META_FASTPATH : B.meta.flags & ~PCC_META_FASTPATH;

	if (flags == B.meta.flags)
		return;
	B.meta.flags = flags;
	meta_put();
}

/* Through whatever is on; false if nothing came out. */
static bool through(int dir, int ifindex, const struct buf *p, struct buf *out, int wait_ms)
{
	put_in(ifindex, p);
	return catch_ip(wire[dir], out, wait_ms);
}

static bool by_kernel(int dir, const struct buf *p, struct buf *out, int wait_ms)
{
	fast_on(false);
	return through(dir, far_if[!dir], p, out, wait_ms);
}

static uint64_t counter(uint32_t reason)
{
	uint64_t per_cpu[CPUS_MAX] = {}, sum = 0;

	bpf_map_lookup_elem(FD(pcc_counters), &reason, per_cpu);
	for (int i = 0; i < B.ncpus; i++)
		sum += per_cpu[i];
	return sum;
}

static uint32_t xdp_run(uint32_t ifindex, const struct buf *p, struct buf *out)
{
	struct xdp_md ctx = {.data_end = p->len, .ingress_ifindex = ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p->b, .data_size_in = p->len,
		.data_out = out->b, .data_size_out = sizeof(out->b), .ctx_in = &ctx,
		.ctx_size_in = sizeof(ctx), .repeat = 1);
	int err = bpf_prog_test_run_opts(bpf_program__fd(xdp_now), &opts);

	if (err)
		fail_msg("%u bytes: test run of pcc_fast: %s", p->len, strerror(-err));
	out->len = opts.data_size_out;
	return opts.retval;
}

/*
 * Did the fast path take the packet, arriving on that interface (near ifindex; far: the other end)?
 * came: something came out at all. What the kernel does with a packet that XDP leaves to it is seen
 * too, so leases are renewed.
 */
static bool by_fast(int dir, uint32_t near, int far, const struct buf *p, struct buf *out,
	bool *came, int wait_ms)
{
	uint64_t before = fast_packets();
	uint32_t verdict;

	fast_on(true);
	if (mode == IN_TC) {
		*came = through(dir, far, p, out, wait_ms);
		return fast_packets() != before;
	}
	verdict = xdp_run(near, p, out);
	*came = verdict == REDIRECT;
	assert_int_equal(fast_packets() - before, verdict == REDIRECT);
	if (verdict == REDIRECT)
		return true;
	assert_int_equal(verdict, PASS);
	if (out->len != p->len || memcmp(out->b, p->b, p->len))
		fail_msg("XDP passed a packet on to the kernel and changed it");
	return false;
}

static uint32_t near_if(int dir)
{
	return dir == TO_WAN ? B.lan : B.wan[1];
}

static bool fast(int dir, const struct buf *p, struct buf *out, bool *came)
{
	return by_fast(dir, near_if(dir), far_if[!dir], p, out, came, 300);
}

static void hex_line(const char *what, const struct buf *p)
{
	char text[3 * 120 + 1] = "";

	for (uint32_t i = 0; i < p->len && i < 110; i++)
		sprintf(text + 3 * i, "%02x ", p->b[i]);
	print_error("%-7s %4u: %s\n", what, p->len, text);
}

static bool same_bytes(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && !memcmp(a->b, b->b, a->len);
}

static void must_be_same(
	const char *name, const struct buf *in, const struct buf *kernel, const struct buf *out)
{
	if (same_bytes(kernel, out))
		return;
	hex_line("in", in);
	hex_line("kernel", kernel);
	hex_line("fast", out);
	fail_msg("%s: the fast path sends other bytes than the kernel", name);
}

/* ---------------------------------------------------------------- connections */

static struct pcc_tuple tuple_turn(const struct pcc_tuple *t)
{
	struct pcc_tuple r = {.sport = t->dport, .dport = t->sport, .proto = t->proto};

	memcpy(r.src, t->dst, 16);
	memcpy(r.dst, t->src, 16);
	return r;
}

/* The tuple of a caught packet without options. */
static struct pcc_tuple tuple_of(const struct buf *p)
{
	const uint8_t *ip = p->b + ETH_HLEN, *l4 = ip + l3_bytes(p);
	struct pcc_tuple t = {};

	if (l3_bytes(p) == 20) {
		t.src[2] = t.dst[2] = htonl(0xffff);
		memcpy(&t.src[3], ip + 12, 4);
		memcpy(&t.dst[3], ip + 16, 4);
		t.proto = ip[9];
	} else {
		memcpy(t.src, ip + 8, 16);
		memcpy(t.dst, ip + 24, 16);
		t.proto = ip[6];
	}
	memcpy(&t.sport, l4, 2);
	memcpy(&t.dport, l4 + 2, 2);
	return t;
}

/* The tuple that a packet of that direction arrives with, and the one that it leaves with. */
static struct pcc_tuple arrives(const struct link2 *c, int dir)
{
	return dir == TO_WAN ? c->lan : tuple_turn(&c->wan);
}

static struct pcc_tuple leaves(const struct link2 *c, int dir)
{
	return dir == TO_WAN ? c->wan : tuple_turn(&c->lan);
}

static struct buf pkt(const struct link2 *c, int dir, const struct look *k)
{
	struct pcc_tuple in = arrives(c, dir), out = leaves(c, dir);

	return pkt_make(&in, &out, dir, k);
}

static struct pcc_flow_key flow_key(const struct link2 *c, int dir)
{
	struct pcc_tuple in = arrives(c, dir);
	struct pcc_flow_key key;

	pcc_flow_key_of(&key, &in, near_if(dir), !pcc_tuple_is_v4(&in));
	return key;
}

static bool flow_get(const struct link2 *c, int dir, struct pcc_flow *flow)
{
	struct pcc_flow_key key = flow_key(c, dir);

	return !bpf_map_lookup_elem(FD(pcc_flows), &key, flow);
}

static void flow_put(const struct link2 *c, int dir, const struct pcc_flow *flow)
{
	struct pcc_flow_key key = flow_key(c, dir);

	assert_int_equal(bpf_map_update_elem(FD(pcc_flows), &key, flow, BPF_EXIST), 0);
}

static bool has_flow(const struct link2 *c, int dir)
{
	struct pcc_flow flow;

	return flow_get(c, dir, &flow) && !(flow.flags & PCC_FLOW_ENDED);
}

static void lease_set(const struct link2 *c, int dir, int64_t lease_in_ns, int64_t renew_ago_ns)
{
	struct pcc_flow flow;

	assert_true(flow_get(c, dir, &flow));
	flow.lease = (coarse_ns() + lease_in_ns) >> PCC_LEASE_SHIFT;
	flow.renew_ns = renew_ago_ns ? coarse_ns() - renew_ago_ns : 0;
	flow_put(c, dir, &flow);
}

static void kernel_way(const struct link2 *c, int dir, uint8_t flags)
{
	struct look k = look_plain();
	struct buf p, out;

	k.flags = flags;
	p = pkt(c, dir, &k);
	if (!through(dir, far_if[!dir], &p, &out, 300))
		fail_msg("%s: a packet to the %s got lost", c->name, dir == TO_WAN ? "WAN" : "LAN");
}

/* The first packet, from which the tuple of the other side is seen. */
static void conn_first(struct link2 *c)
{
	struct pcc_tuple first = {
		.sport = htons(c->sport), .dport = htons(c->dport), .proto = c->proto};
	int dir = c->inbound ? TO_LAN : TO_WAN;
	struct look k = look_plain();
	struct buf p, out;

	text_addr(c->src, first.src);
	text_addr(c->dst, first.dst);
	k.flags = TCP_SYN;
	p = pkt_make(&first, &first, dir, &k);
	drain();
	if (!through(dir, far_if[!dir], &p, &out, 300))
		fail_msg("%s: the first packet got lost", c->name);
	if (c->inbound) {
		struct pcc_tuple seen = tuple_of(&out);

		c->wan = tuple_turn(&first);
		c->lan = tuple_turn(&seen);
	} else {
		c->lan = first;
		c->wan = tuple_of(&out);
	}
}

/* Opens it and has both directions learned. */
static void conn_open(struct link2 *c)
{
	int dir = c->inbound ? TO_LAN : TO_WAN;

	fast_on(true);
	conn_first(c);
	kernel_way(c, !dir, TCP_SYN | TCP_ACK);
	kernel_way(c, dir, TCP_ACK);
	for (int i = 0; i < 8 && !(has_flow(c, TO_WAN) && has_flow(c, TO_LAN)); i++) {
		/* What comes back is learned when two packets were seen on the way out: let the
		 * kernel see them. */
		if (has_flow(c, TO_WAN))
			lease_set(c, TO_WAN, -1, 0);
		kernel_way(c, TO_WAN, TCP_ACK);
		kernel_way(c, TO_LAN, TCP_ACK);
	}
	if (!has_flow(c, TO_WAN) || !has_flow(c, TO_LAN))
		fail_msg("%s: not learned (to WAN %d, to LAN %d)", c->name, has_flow(c, TO_WAN),
			has_flow(c, TO_LAN));
}

/* Is the connection on the fast path, in both directions, with the kernel's bytes? */
static void conn_is_fast(const struct link2 *c)
{
	struct look k = look_plain();
	struct buf p, kernel, out;
	bool came;

	for (int dir = 0; dir < 2; dir++) {
		struct pcc_flow flow;

		p = pkt(c, dir, &k);
		assert_true(by_kernel(dir, &p, &kernel, 300));
		/* Renewed: a lease that ends here is not what this is about. */
		if (flow_get(c, dir, &flow)) {
			flow.lease = (coarse_ns() + 2 * SEC_NS) >> PCC_LEASE_SHIFT;
			flow.renew_ns = 0;
			flow_put(c, dir, &flow);
		}
		if (!fast(dir, &p, &out, &came))
			fail_msg("%s: a plain packet to the %s does not take the fast path",
				c->name, dir == TO_WAN ? "WAN" : "LAN");
		must_be_same(c->name, &p, &kernel, &out);
	}
}

#define HOST4 "192.168.1.10"
#define FAR4 "192.0.2.80"
#define HOST6 "fd00:1::10"
#define FAR6 "2001:db8:ffff::80"
#define CONN(text, from, to, sp, dp, proto_, in)                                                   \
	{                                                                                          \
		.name = text, .src = from, .dst = to, .sport = sp, .dport = dp, .proto = proto_,   \
		.inbound = in                                                                      \
	}
#define BOTH(text, from, to, sp, dp, in)                                                           \
	CONN("TCP " text, from, to, sp, dp, IPPROTO_TCP, in),                                      \
		CONN("UDP " text, from, to, sp, dp, IPPROTO_UDP, in)

/* The second of two hosts with the same port and destination gets another port from masquerade. */
static struct link2 conns_all[] = {
	BOTH("IPv4, masquerade", HOST4, FAR4, 5000, 7000, false),
	BOTH("IPv4, masquerade to another port", "192.168.1.11", FAR4, 5000, 7000, false),
	BOTH("IPv4, no NAT", "192.168.1.12", FAR4, 5000, 7000, false),
	BOTH("IPv4, port forward", FAR4, "10.0.1.2", 6000, 8080, true),
	BOTH("IPv6, masquerade", HOST6, FAR6, 5000, 7000, false),
	BOTH("IPv6, masquerade to another port", "fd00:1::11", FAR6, 5000, 7000, false),
	BOTH("IPv6, no NAT", "fd00:1::12", FAR6, 5000, 7000, false),
	BOTH("IPv6, port forward", FAR6, "2001:db8:1::2", 6000, 8080, true),
};

static void open_all(void)
{
	for (size_t i = 0; i < ARRAY_LEN(conns_all); i++)
		conn_open(&conns_all[i]);
}

/* ---------------------------------------------------------------- fixtures */

static void nft(const char *commands)
{
	if (nft_run_cmd_from_buffer(nft_ctx, commands))
		fail_msg("nft: %s: %s", commands, nft_ctx_get_error_buffer(nft_ctx));
}

static void attach(uint32_t ifindex, enum pcc_prog in, enum pcc_prog out)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1, .prog_fd = B.prog[in]);
	LIBBPF_OPTS(bpf_tc_opts, opts_out, .handle = 1, .priority = 1, .prog_fd = B.prog[out]);

	assert_int_equal(bpf_tc_hook_create(&hook), 0);
	hook.attach_point = BPF_TC_INGRESS;
	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
	hook.attach_point = BPF_TC_EGRESS;
	assert_int_equal(bpf_tc_attach(&hook, &opts_out), 0);
}

static void maps_share(struct bpf_object *obj)
{
	struct bpf_map *map, *ours;

	bpf_object__for_each_map (map, obj) {
		ours = bpf_object__find_map_by_name(B.skel->obj, bpf_map__name(map));
		if (ours)
			assert_int_equal(bpf_map__reuse_fd(map, bpf_map__fd(ours)), 0);
	}
}

/* The XDP programs on the maps of the tc programs. */
static void xdp_load(void)
{
	xdp = pccbpf_xdp_bpf__open();
	xdp_wire = pccbpf_wire_bpf__open();
	assert_non_null(xdp);
	assert_non_null(xdp_wire);
	maps_share(xdp->obj);
	maps_share(xdp_wire->obj);
	assert_int_equal(pccbpf_xdp_bpf__load(xdp), 0);
	assert_int_equal(pccbpf_wire_bpf__load(xdp_wire), 0);
	xdp_now = xdp->progs.pcc_fast;
	for (uint32_t i = 0; i <= 1; i++) {
		uint32_t ifindex = i ? B.lan : B.wan[1];

		assert_int_equal(
			bpf_map_update_elem(FD(pcc_xdp_ports), &ifindex, &ifindex, BPF_ANY), 0);
	}
}

static void network_make(void)
{
	static const char *const names[] = {"all", "default", "lan0", "lan1", "wan1", "wan2"};
	static const char *const far[] = {"lan0p", "lan1p", "wan1p", "wan2p", "wan3p"};
	char path[96];

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/rp_filter", names[i]);
		put_file(path, "0");
	}
	/* The far ends send nothing of their own. */
	for (size_t i = 0; i < ARRAY_LEN(far); i++) {
		snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", far[i]);
		put_file(path, "1");
	}
	put_file("/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal", "1");
	ip_batch("-details",
		"neigh add 192.168.1.10 lladdr 02:00:00:00:00:10 dev lan0 nud permanent\n"
		"neigh add 192.168.1.11 lladdr 02:00:00:00:00:11 dev lan0 nud permanent\n"
		"neigh add 192.168.1.12 lladdr 02:00:00:00:00:12 dev lan0 nud permanent\n"
		"neigh add fd00:1::10 lladdr 02:00:00:00:00:10 dev lan0 nud permanent\n"
		"neigh add fd00:1::11 lladdr 02:00:00:00:00:11 dev lan0 nud permanent\n"
		"neigh add fd00:1::12 lladdr 02:00:00:00:00:12 dev lan0 nud permanent\n"
		"link set lan0 mtu 2000\nlink set lan0p mtu 2000\n");
	nft("table inet t {\n"
	    "chain pre { type nat hook prerouting priority dstnat;\n"
	    "iifname \"wan*\" meta nfproto ipv4 meta l4proto { tcp, udp } th dport 8080 dnat ip to 192.168.1.10:80\n"
	    "iifname \"wan*\" meta nfproto ipv6 meta l4proto { tcp, udp } th dport 8080 dnat ip6 to [fd00:1::10]:80\n}\n"
	    "chain through { type filter hook forward priority filter;\n}\n"
	    "chain post { type nat hook postrouting priority srcnat;\n"
	    "ip saddr 192.168.1.12 return\nip6 saddr fd00:1::12 return\n"
	    "oifname \"wan*\" masquerade\n}\n}\n");
}

static int group_up(void **state)
{
	(void)state;
	namespace_make();
	nft_ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	assert_non_null(nft_ctx);
	nft_ctx_buffer_error(nft_ctx);
	network_make();
	programs_load(4096, BPF_MAP_TYPE_LRU_HASH);
	xdp_load();
	attach(B.lan, PCC_PROG_LAN_IN, PCC_PROG_LAN_OUT);
	attach(B.lan1, PCC_PROG_LAN_IN, PCC_PROG_LAN_OUT);
	attach(B.wan[1], PCC_PROG_WAN_IN, PCC_PROG_WAN_OUT);
	attach(B.wan[2], PCC_PROG_WAN_IN, PCC_PROG_WAN_OUT);
	wire[TO_WAN] = far_socket("wan1p", &far_if[TO_WAN]);
	wire[TO_LAN] = far_socket("lan0p", &far_if[TO_LAN]);
	return 0;
}

static int group_down(void **state)
{
	close(wire[0]);
	close(wire[1]);
	pccbpf_xdp_bpf__destroy(xdp);
	pccbpf_wire_bpf__destroy(xdp_wire);
	nft_ctx_free(nft_ctx);
	return bench_down(state);
}

static void iface_full(uint32_t ifindex, uint32_t role, uint32_t wan_id, const uint8_t mac[6])
{
	struct pcc_iface iface = {.role = role, .wan_id = wan_id, .master_ifindex = ifindex};

	memcpy(iface.mac, mac, 6);
	assert_int_equal(bpf_map_update_elem(FD(pcc_ifaces), &ifindex, &iface, BPF_ANY), 0);
}

/* One walk over the map, which is large. */
static void flows_clear(void)
{
	static struct pcc_flow_key keys[256];
	uint32_t n = 0;

	while (n < ARRAY_LEN(keys) &&
		!bpf_map_get_next_key(FD(pcc_flows), n ? &keys[n - 1] : NULL, &keys[n]))
		n++;
	assert_true(n < ARRAY_LEN(keys));
	while (n--)
		bpf_map_delete_elem(FD(pcc_flows), &keys[n]);
}

/* Everything by WAN 1; nothing remembered, by the kernel neither. */
static int fresh(enum mode m)
{
	static const uint32_t first[] = {1};

	mode = m;
	bench_usual(NULL);
	for (uint32_t family = 0; family < PCC_FAMILIES; family++)
		buckets_put(0, family, first, 1);
	iface_full(B.lan, PCC_ROLE_LAN, 0, B.lan_mac);
	iface_full(B.lan1, PCC_ROLE_LAN, 0, B.lan1_mac);
	for (uint32_t id = 1; id <= WANS; id++)
		iface_full(B.wan[id], PCC_ROLE_WAN, id, B.wan_mac[id]);
	flows_clear();
	B.meta.epoch = 1;
	B.meta.tcp_timeout_ms = 432000000;
	B.meta.flags = PCC_META_NAT4 | PCC_META_NAT6 | PCC_META_FASTPATH |
		       (mode == IN_XDP ? PCC_META_XDP : 0);
	meta_put();
	ct_flush();
	drain();
	return 0;
}

static int fresh_tc(void **state)
{
	(void)state;
	return fresh(IN_TC);
}

static int fresh_xdp(void **state)
{
	(void)state;
	xdp_now = xdp->progs.pcc_fast;
	return fresh(IN_XDP);
}

static int fresh_wire(void **state)
{
	(void)state;
	xdp_now = xdp_wire->progs.pcc_fast_wire;
	return fresh(IN_XDP);
}

/* ---------------------------------------------------------------- equal bytes */

#define RANDOM_PACKETS 100000u

static void the_same_bytes_as_the_kernel(void **state)
{
	uint32_t n = RANDOM_PACKETS / sample_step(), taken = 0, odd = 0, zeros = 0;

	(void)state;
	open_all();
	assert_int_not_equal(conns_all[2].wan.sport, conns_all[2].lan.sport);
	assert_int_equal(conns_all[4].wan.sport, conns_all[4].lan.sport);
	for (uint32_t i = 0; i < n; i++) {
		struct link2 *c = &conns_all[i % ARRAY_LEN(conns_all)];
		struct look k = look_random(c->proto, !pcc_tuple_is_v4(&c->lan));
		int dir = rnd_of(2);
		struct buf p = pkt(c, dir, &k), kernel, out;
		bool came;

		if (!by_kernel(dir, &p, &kernel, 300)) {
			hex_line("in", &p);
			fail_msg("%s: the kernel forwards nothing: packet %u is not valid", c->name,
				i);
		}
		if (fast(dir, &p, &out, &came)) {
			taken++;
			odd += p.len & 1;
			zeros += k.sum != SUM_GOOD;
		} else if (mode == IN_XDP) {
			came = through(dir, far_if[!dir], &p, &out, 300);
		}
		if (!came)
			fail_msg("%s: packet %u got lost", c->name, i);
		must_be_same(c->name, &p, &kernel, &out);
	}
	/* The rest renewed leases. */
	if (taken < n / 100 * 98 || odd < taken / 4 || zeros < taken / 10)
		fail_msg("only %u of %u packets took the fast path", taken, n);
}

/* flags on a fast connection; whether it is still one. */
static bool flags_are_treated_right(const struct link2 *c, int dir, uint8_t flags)
{
	bool ends = flags & (TCP_SYN | FIN | RST), came, taken;
	struct look k = look_plain();
	struct buf p, kernel, out;

	k.flags = flags;
	p = pkt(c, dir, &k);
	if (ends) { /* the kernel would not do the same with it twice */
		taken = by_fast(dir, near_if(dir), far_if[!dir], &p, &out, &came, 2);
		if (taken)
			fail_msg("%s: flags 0x%02x took the fast path", c->name, flags);
		return false;
	}
	drain();
	came = by_kernel(dir, &p, &kernel, flags & TCP_ACK ? 300 : 5);
	assert_true(came || !(flags & TCP_ACK));
	taken = by_fast(dir, near_if(dir), far_if[!dir], &p, &out, &came, came ? 300 : 2);
	if (flags & TCP_ACK && !taken)
		fail_msg("%s: flags 0x%02x do not take the fast path", c->name, flags);
	if (came)
		must_be_same(c->name, &p, &kernel, &out);
	return true;
}

static void all_256_combinations_of_flags(void **state)
{
	static const size_t which[] = {
		0, 6, 8, 14}; /* masquerade and port forward, both families */

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(which); i++) {
		struct link2 *c = &conns_all[which[i]];
		bool fresh_one = false;

		assert_int_equal(c->proto, IPPROTO_TCP);
		for (unsigned int n = 0; n < 512; n += sample_step()) {
			if (!fresh_one) {
				fresh(mode);
				conn_open(c);
			}
			fresh_one = flags_are_treated_right(c, n & 1, n >> 1);
		}
	}
}

/* A packet that was damaged on the way is not made good. */
static void a_wrong_checksum_stays_wrong(void **state)
{
	(void)state;
	open_all();
	for (size_t i = 0; i < ARRAY_LEN(conns_all); i++) {
		struct link2 *c = &conns_all[i];

		for (int dir = 0; dir < 2; dir++) {
			struct pcc_tuple to = leaves(c, dir);
			struct look k = look_plain();
			struct buf p, out;
			uint8_t *ip = out.b + ETH_HLEN;
			uint32_t l3;
			bool came;

			k.sum = SUM_BAD;
			p = pkt(c, dir, &k);
			l3 = l3_bytes(&p);
			if (!fast(dir, &p, &out, &came))
				continue;
			if (!l4_sum(&to, ip + l3, out.len - ETH_HLEN - l3))
				fail_msg("%s: a wrong checksum became right", c->name);
			if (l3 == 40)
				continue;
			k.sum = SUM_GOOD;
			p = pkt(c, dir, &k);
			p.b[ETH_HLEN + 10] ^= 0x55;
			if (fast(dir, &p, &out, &came) && sum_add(0, ip, 20) == 0xffff)
				fail_msg("%s: a wrong IP checksum became right", c->name);
		}
	}
}

/* ---------------------------------------------------------------- never fast */

/* How a plain packet becomes one that is not. Returns false where there is no such packet. */
typedef bool (*change_fn)(struct buf *p, const struct pcc_tuple *in);

static bool is_v4(const struct buf *p)
{
	return l3_bytes(p) == 20;
}

static void l4_again(struct buf *p, const struct pcc_tuple *in)
{
	uint8_t *l4 = p->b + ETH_HLEN + l3_bytes(p);

	put_sum(l4, p->len - (l4 - p->b), 0, in, in, SUM_GOOD);
}

static bool tcp_flags_are(struct buf *p, const struct pcc_tuple *in, uint8_t flags)
{
	uint8_t *l4 = p->b + ETH_HLEN + l3_bytes(p);

	if (in->proto != IPPROTO_TCP)
		return false;
	l4[13] = flags;
	put16(l4 + 16, 0);
	l4_again(p, in);
	return true;
}

#define FLAGS(name, bits)                                                                          \
	static bool name(struct buf *p, const struct pcc_tuple *in)                                \
	{                                                                                          \
		return tcp_flags_are(p, in, bits);                                                 \
	}
FLAGS(with_syn, TCP_SYN)
FLAGS(with_syn_ack, TCP_SYN | TCP_ACK)
FLAGS(with_no_flag, 0)
FLAGS(with_push_only, PSH)
FLAGS(with_urgent_only, URG)
FLAGS(with_ecn_only, ECE | CWR)
FLAGS(with_syn_urg, TCP_SYN | URG)

static bool ip4_word6(struct buf *p, uint16_t frag)
{
	if (!is_v4(p))
		return false;
	put16(p->b + ETH_HLEN + 6, frag);
	put_ip_sum(p->b + ETH_HLEN);
	return true;
}

/* Puts n bytes between IP header and transport. */
static uint8_t *open_gap(struct buf *p, uint32_t n)
{
	uint8_t *at = p->b + ETH_HLEN + l3_bytes(p);

	memmove(at + n, at, p->len - (at - p->b));
	memset(at, 0, n);
	p->len += n;
	put16(p->b + ETH_HLEN + (is_v4(p) ? 2 : 4), p->len - ETH_HLEN - (is_v4(p) ? 0 : 40));
	return at;
}

static bool ip6_extension(struct buf *p, uint8_t header)
{
	uint8_t *at;

	if (is_v4(p))
		return false;
	at = open_gap(p, 8);
	at[0] = p->b[ETH_HLEN + 6];
	p->b[ETH_HLEN + 6] = header;
	if (header != IPPROTO_FRAGMENT && header != IPPROTO_ROUTING)
		memcpy(at + 2, "\x01\x04\0\0\0\0", 6); /* PadN */
	return true;
}

static bool first_fragment(struct buf *p, const struct pcc_tuple *in)
{
	(void)in;
	if (ip4_word6(p, IP4_MF))
		return true;
	ip6_extension(p, IPPROTO_FRAGMENT);
	p->b[ETH_HLEN + 43] = 1;
	return true;
}

static bool later_fragment(struct buf *p, const struct pcc_tuple *in)
{
	(void)in;
	if (ip4_word6(p, 100))
		return true;
	ip6_extension(p, IPPROTO_FRAGMENT);
	put16(p->b + ETH_HLEN + 42, 800);
	return true;
}

static bool ip4_options(struct buf *p, const struct pcc_tuple *in)
{
	(void)in;
	if (!is_v4(p))
		return false;
	memset(open_gap(p, 4), 1, 4);
	p->b[ETH_HLEN] = 0x46;
	put_ip_sum(p->b + ETH_HLEN);
	return true;
}

static bool ip6_hop_by_hop(struct buf *p, const struct pcc_tuple *in)
{
	(void)in;
	return ip6_extension(p, IPPROTO_HOPOPTS);
}

static bool ip6_destination(struct buf *p, const struct pcc_tuple *in)
{
	(void)in;
	return ip6_extension(p, IPPROTO_DSTOPTS);
}

static bool ip6_routing(struct buf *p, const struct pcc_tuple *in)
{
	(void)in;
	return ip6_extension(p, IPPROTO_ROUTING);
}

static bool ttl_is(struct buf *p, uint8_t ttl)
{
	p->b[ETH_HLEN + (is_v4(p) ? 8 : 7)] = ttl;
	if (is_v4(p))
		put_ip_sum(p->b + ETH_HLEN);
	return true;
}

static bool ttl_1(struct buf *p, const struct pcc_tuple *in)
{
	(void)in;
	return ttl_is(p, 1);
}

static bool ttl_0(struct buf *p, const struct pcc_tuple *in)
{
	(void)in;
	return ttl_is(p, 0);
}

static bool icmp(struct buf *p, const struct pcc_tuple *in)
{
	uint8_t *ip = p->b + ETH_HLEN, *l4 = ip + l3_bytes(p);
	struct pcc_tuple t = *in;

	t.proto = is_v4(p) ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	ip[is_v4(p) ? 9 : 6] = t.proto;
	l4[0] = is_v4(p) ? 8 : 128;
	l4[1] = 0;
	put16(l4 + 2, 0);
	put16(l4 + 2, is_v4(p) ? ~sum_add(0, l4, p->len - 34) : l4_sum(&t, l4, p->len - 54));
	if (is_v4(p))
		put_ip_sum(ip);
	return true;
}

static bool other_mac(struct buf *p, const struct pcc_tuple *in)
{
	(void)in;
	p->b[5] ^= 1;
	return true;
}

static bool broadcast_mac(struct buf *p, const struct pcc_tuple *in)
{
	(void)in;
	memset(p->b, 0xff, 6);
	return true;
}

static bool vlan_tag(struct buf *p, const struct pcc_tuple *in)
{
	(void)in;
	memmove(p->b + 16, p->b + 12, p->len - 12);
	memcpy(p->b + 12, "\x81\x00\x00\x05", 4);
	p->len += 4;
	return true;
}

static bool l3_len_is(struct buf *p, uint32_t len)
{
	put16(p->b + ETH_HLEN + (is_v4(p) ? 2 : 4), len - (is_v4(p) ? 0 : 40));
	if (is_v4(p))
		put_ip_sum(p->b + ETH_HLEN);
	return true;
}

/* The IP header promises more than there is. */
static bool cut_short(struct buf *p, const struct pcc_tuple *in)
{
	(void)in;
	return l3_len_is(p, p->len - ETH_HLEN + 1);
}

/* The IP header leaves no room for the ports. */
static bool headers_beyond_end(struct buf *p, const struct pcc_tuple *in)
{
	(void)in;
	return l3_len_is(p, l3_bytes(p));
}

static bool half_a_transport_header(struct buf *p, const struct pcc_tuple *in)
{
	return l3_len_is(p, l3_bytes(p) + (in->proto == IPPROTO_TCP ? 19 : 7));
}

static bool wrong_ip_version(struct buf *p, const struct pcc_tuple *in)
{
	(void)in;
	p->b[ETH_HLEN] = is_v4(p) ? 0x65 : 0x40;
	return true;
}

static bool tcp_header_is(struct buf *p, const struct pcc_tuple *in, uint8_t words)
{
	uint8_t *l4 = p->b + ETH_HLEN + l3_bytes(p);

	if (in->proto != IPPROTO_TCP)
		return false;
	l4[12] = words << 4;
	put16(l4 + 16, 0);
	l4_again(p, in);
	return true;
}

static bool tcp_header_too_short(struct buf *p, const struct pcc_tuple *in)
{
	return tcp_header_is(p, in, 4);
}

/* The packet has 64 bytes of payload: 15 words are there. */
static bool tcp_header_beyond_end(struct buf *p, const struct pcc_tuple *in)
{
	if (in->proto != IPPROTO_TCP)
		return false;
	p->len = ETH_HLEN + l3_bytes(p) + 40;
	l3_len_is(p, p->len - ETH_HLEN);
	return tcp_header_is(p, in, 15);
}

static bool udp_len_is(struct buf *p, const struct pcc_tuple *in, uint16_t len)
{
	uint8_t *l4 = p->b + ETH_HLEN + l3_bytes(p);

	if (in->proto != IPPROTO_UDP)
		return false;
	put16(l4 + 4, len);
	put16(l4 + 6, 0);
	l4_again(p, in);
	return true;
}

static bool udp_len_too_large(struct buf *p, const struct pcc_tuple *in)
{
	return udp_len_is(p, in, 73);
}

static bool udp_len_too_small(struct buf *p, const struct pcc_tuple *in)
{
	return udp_len_is(p, in, 7);
}

/* lax: if the kernel forwards the very same bytes, the fast path may too. */
static const struct {
	const char *name;
	change_fn change;
	bool lax;
} never[] = {
	{"SYN", with_syn, false},
	{"SYN and ACK", with_syn_ack, false},
	{"SYN and URG", with_syn_urg, false},
	{"no TCP flag", with_no_flag, true},
	{"PSH without ACK", with_push_only, true},
	{"URG without ACK", with_urgent_only, true},
	{"ECE and CWR without ACK", with_ecn_only, true},
	{"first fragment", first_fragment, false},
	{"later fragment", later_fragment, false},
	{"IPv4 options", ip4_options, false},
	{"IPv6 hop-by-hop options", ip6_hop_by_hop, false},
	{"IPv6 destination options", ip6_destination, false},
	{"IPv6 routing header", ip6_routing, false},
	{"TTL 1", ttl_1, false},
	{"TTL 0", ttl_0, false},
	{"ICMP", icmp, false},
	{"another MAC", other_mac, false},
	{"broadcast MAC", broadcast_mac, false},
	{"VLAN tag", vlan_tag, false},
	{"longer by its header than the frame is", cut_short, true},
	{"IP length without transport header", headers_beyond_end, true},
	{"IP length in the middle of the transport header", half_a_transport_header, true},
	{"IP version that is not the frame's", wrong_ip_version, false},
	{"TCP header of 16 bytes", tcp_header_too_short, true},
	{"TCP header beyond the end", tcp_header_beyond_end, true},
	{"UDP length beyond the end", udp_len_too_large, true},
	{"UDP length below 8", udp_len_too_small, true},
};

/* The same as what the kernel does with it, whether that is to forward or to drop? */
static bool kernel_agrees(int dir, const struct buf *p, const struct buf *out)
{
	struct buf kernel;

	drain();
	return by_kernel(dir, p, &kernel, 5) && same_bytes(&kernel, out);
}

/* How many of the connections' packets, changed so, the fast path wrongly takes. */
static uint32_t taken_with(size_t n, const char **first)
{
	uint32_t taken = 0;

	for (size_t i = 0; i < 2 * ARRAY_LEN(conns_all); i++) {
		struct link2 *c = &conns_all[i / 2];
		int dir = i & 1;
		struct pcc_tuple in = arrives(c, dir);
		struct look k = look_plain();
		struct buf p = pkt(c, dir, &k), out;
		bool came;

		if (!never[n].change(&p, &in))
			continue;
		drain();
		if (!by_fast(dir, near_if(dir), far_if[!dir], &p, &out, &came, 2))
			continue;
		if (never[n].lax && came && kernel_agrees(dir, &p, &out))
			continue;
		if (!taken++)
			*first = c->name;
	}
	return taken;
}

/* Valid or not, a packet that is not plain is the kernel's. The connection itself stays fast. */
static void what_is_not_plain_is_left_to_the_kernel(void **state)
{
	uint32_t wrong = 0;

	(void)state;
	open_all();
	for (size_t n = 0; n < ARRAY_LEN(never); n++) {
		const char *first = "";
		uint32_t taken = taken_with(n, &first);

		if (taken)
			print_error("%s: %u times taken by the fast path, e.g. %s\n", never[n].name,
				taken, first);
		wrong += taken;
	}
	if (wrong)
		fail_msg("%u packets that are not plain were taken by the fast path", wrong);
	fresh(mode);
	open_all();
	for (size_t i = 0; i < ARRAY_LEN(conns_all); i++)
		conn_is_fast(&conns_all[i]);
}

/* Frames cut off anywhere in their headers. The IP header says what a whole packet says. */
static void frames_that_end_early_are_left_alone(void **state)
{
	(void)state;
	open_all();
	for (size_t i = 0; i < ARRAY_LEN(conns_all); i++) {
		struct link2 *c = &conns_all[i];
		struct look k = look_plain();
		struct buf p = pkt(c, TO_WAN, &k), out;
		uint32_t whole = ETH_HLEN + l3_bytes(&p) + (c->proto == IPPROTO_TCP ? 20 : 8);
		bool came;

		for (p.len = ETH_HLEN + 1; p.len < whole; p.len++)
			if (by_fast(TO_WAN, B.lan, far_if[TO_LAN], &p, &out, &came, 2) || came)
				fail_msg("%s: %u bytes are enough for the fast path", c->name,
					p.len);
	}
}

static void fin_and_rst_end_both_entries(void **state)
{
	static const uint8_t flags[] = {FIN | TCP_ACK, RST, RST | TCP_ACK, FIN | PSH | TCP_ACK};

	(void)state;
	for (size_t n = 0; n < 2 * ARRAY_LEN(flags); n++) {
		int dir = n & 1;

		fresh(mode);
		open_all();
		for (size_t i = 0; i < ARRAY_LEN(conns_all); i++) {
			struct link2 *c = &conns_all[i];
			struct look k = look_plain();
			uint64_t before = counter(PCC_R_FAST_FORGOTTEN);
			struct buf p, out;
			bool came;

			if (c->proto != IPPROTO_TCP)
				continue;
			assert_true(has_flow(c, TO_WAN) && has_flow(c, TO_LAN));
			k.flags = flags[n / 2];
			p = pkt(c, dir, &k);
			if (fast(dir, &p, &out, &came))
				fail_msg("%s: flags 0x%02x took the fast path", c->name, k.flags);
			if (has_flow(c, TO_WAN) || has_flow(c, TO_LAN))
				fail_msg("%s: flags 0x%02x to the %s left an entry", c->name,
					k.flags, dir == TO_WAN ? "WAN" : "LAN");
			assert_int_equal(counter(PCC_R_FAST_FORGOTTEN) - before, 1);
			if (mode == IN_TC && !came)
				fail_msg("%s: flags 0x%02x did not arrive", c->name, k.flags);
		}
	}
}

static bool fast_now(const struct link2 *c, int dir);

/* The entries of an ended connection are deleted by what comes after the end. */
static void what_follows_the_end_deletes_the_entries(void **state)
{
	(void)state;
	open_all();
	for (size_t i = 0; i < ARRAY_LEN(conns_all); i++) {
		struct link2 *c = &conns_all[i];
		struct look k = look_plain();
		struct pcc_flow flow;
		struct buf p, out;
		bool came;

		if (c->proto != IPPROTO_TCP)
			continue;
		k.flags = RST | TCP_ACK;
		p = pkt(c, TO_WAN, &k);
		assert_false(fast(TO_WAN, &p, &out, &came));
		for (int dir = TO_WAN; dir <= TO_LAN; dir++) {
			assert_true(flow_get(c, dir, &flow));
			assert_true(flow.flags & PCC_FLOW_ENDED);
			assert_int_equal(flow.epoch, 0);
			assert_false(fast_now(c, dir));
			if (flow_get(c, dir, &flow))
				fail_msg("%s: the entry to the %s is still there", c->name,
					dir == TO_WAN ? "WAN" : "LAN");
		}
	}
}

static void conn_of(const struct link2 *c, struct pcc_conn *conn)
{
	struct pcc_flow flow;
	struct pcc_tuple key;

	assert_true(flow_get(c, TO_LAN, &flow));
	key = (struct pcc_tuple){.sport = flow.dport, .dport = flow.sport, .proto = flow.in.proto};
	memcpy(key.src, flow.dst, sizeof(key.src));
	memcpy(key.dst, flow.src, sizeof(key.dst));
	assert_int_equal(bpf_map_lookup_elem(FD(pcc_conns), &key, conn), 0);
}

/* The CPU that learned counts in one word, all others in another; a renewed lease folds both, once.
 */
static void every_packet_is_counted_once_whatever_cpu_has_it(void **state)
{
	(void)state;
	open_all();
	for (size_t i = 0; i < ARRAY_LEN(conns_all); i++) {
		struct link2 *c = &conns_all[i];
		struct look k = look_plain();
		struct buf p = pkt(c, TO_WAN, &k);
		struct pcc_flow before, flow;
		struct pcc_conn old, now;
		__u64 packets, bytes;

		assert_true(flow_get(c, TO_WAN, &before));
		before.cpu = 65000; /* nobody's */
		flow_put(c, TO_WAN, &before);
		conn_of(c, &old);
		for (int n = 0; n < 3; n++)
			assert_true(fast_now(c, TO_WAN));
		assert_true(flow_get(c, TO_WAN, &flow));
		assert_int_equal(flow.counted, before.counted);
		pcc_flow_uncounted(flow.counted_others, before.counted_others, &packets, &bytes);
		assert_int_equal(packets, 3);
		assert_int_equal(bytes, 3 * p.len);
		lease_set(c, TO_WAN, -1, 0);
		assert_false(fast_now(c, TO_WAN));
		if (mode == IN_XDP) {
			fast_on(true);
			kernel_way(c, TO_WAN, TCP_ACK);
		}
		assert_true(flow_get(c, TO_WAN, &flow));
		assert_int_equal(flow.folded, flow.counted + flow.counted_others);
		conn_of(c, &now);
		assert_int_equal(now.tx_packets - old.tx_packets, 3 + 1);
	}
}

/* The key has only a digest of IPv6 addresses: the addresses themselves decide. */
static void another_connection_with_the_same_digest_is_the_kernels(void **state)
{
	(void)state;
	open_all();
	for (size_t i = 0; i < ARRAY_LEN(conns_all); i++) {
		struct link2 *c = &conns_all[i];
		struct pcc_flow flow, same;
		int dir = i & 1;

		if (strncmp(c->name + 4, "IPv6", 4))
			continue;
		assert_true(fast_now(c, dir));
		assert_true(flow_get(c, dir, &flow));
		flow.in.src[1] ^= htonl(1);
		flow_put(c, dir, &flow);
		fast_on(true);
		kernel_way(c, dir, TCP_ACK);
		if (fast_now(c, dir))
			fail_msg("%s: took the way of another connection", c->name);
		assert_true(flow_get(c, dir, &same));
		assert_memory_equal(&same, &flow, sizeof(flow));
		flow.in.src[1] ^= htonl(1);
		flow_put(c, dir, &flow);
		assert_true(fast_now(c, dir));
	}
}

/* The egress to the WAN has 1500, the LAN 2000. */
static void what_exceeds_the_egress_mtu_is_the_kernels(void **state)
{
	(void)state;
	open_all();
	for (size_t i = 0; i < ARRAY_LEN(conns_all); i++) {
		struct link2 *c = &conns_all[i];
		struct look k = look_plain();
		uint32_t head =
			(pcc_tuple_is_v4(&c->lan) ? 20 : 40) + (c->proto == IPPROTO_TCP ? 20 : 8);
		struct buf p, out;
		bool came;

		k.frag = 0x4000;
		k.payload = MTU - head;
		p = pkt(c, TO_WAN, &k);
		assert_int_equal(p.len, ETH_HLEN + MTU);
		if (!fast(TO_WAN, &p, &out, &came))
			fail_msg("%s: 1500 bytes do not take the fast path", c->name);
		k.payload++;
		p = pkt(c, TO_WAN, &k);
		if (by_fast(TO_WAN, B.lan, far_if[TO_LAN], &p, &out, &came, 2) || came)
			fail_msg("%s: 1501 bytes got through an MTU of 1500", c->name);
	}
}

/* A host behind another interface that forges the tuple gets nothing through by the entry. */
static void a_tuple_on_another_interface_is_not_the_connection(void **state)
{
	const struct {
		int dir;
		uint32_t near;
		const uint8_t *mac;
		const char *far;
	} rows[] = {
		{TO_WAN, B.lan1, B.lan1_mac, "lan1p"},
		{TO_WAN, B.wan[1], B.wan_mac[1], "wan1p"},
		{TO_WAN, B.wan[2], B.wan_mac[2], "wan2p"},
		{TO_LAN, B.wan[2], B.wan_mac[2], "wan2p"},
		{TO_LAN, B.lan, B.lan_mac, "lan0p"},
		{TO_LAN, B.lan1, B.lan1_mac, "lan1p"},
	};

	(void)state;
	for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
		fresh(mode);
		open_all();
		for (size_t i = 0; i < ARRAY_LEN(conns_all); i++) {
			struct link2 *c = &conns_all[i];
			struct look k = look_plain();
			struct buf p = pkt(c, rows[r].dir, &k), out;
			bool came;

			memcpy(p.b, rows[r].mac, 6);
			drain();
			if (by_fast(rows[r].dir, rows[r].near, (int)if_nametoindex(rows[r].far), &p,
				    &out, &came, 1))
				fail_msg("%s: taken on %s", c->name, rows[r].far);
		}
	}
}

/* Trailing bytes below Ethernet's 60 are no part of the packet. */
static void ethernet_padding_does_not_matter(void **state)
{
	(void)state;
	open_all();
	for (size_t i = 0; i < ARRAY_LEN(conns_all); i++) {
		for (int dir = 0; dir < 2; dir++) {
			struct link2 *c = &conns_all[i];
			struct look k = look_plain();
			struct buf p, kernel, out;
			bool came;

			k.payload = 0;
			p = pkt(c, dir, &k);
			if (p.len >= 60)
				continue;
			memset(p.b + p.len, 0, 60 - p.len);
			p.len = 60;
			assert_true(by_kernel(dir, &p, &kernel, 300));
			if (!fast(dir, &p, &out, &came))
				fail_msg(
					"%s: a padded packet does not take the fast path", c->name);
			if (out.len < kernel.len || memcmp(kernel.b, out.b, kernel.len))
				must_be_same(c->name, &p, &kernel, &out);
			for (uint32_t at = kernel.len; at < out.len; at++)
				assert_int_equal(out.b[at], 0);
		}
	}
}

/* ---------------------------------------------------------------- tags and sessions */

static void renew(const struct link2 *c, int dir);

/* What stands between MACs and IP header: up to two tags, perhaps a PPPoE session. */
static const struct wire_form {
	const char *name;
	uint16_t tpid[2], vid[2], session;
} wire_forms[] = {
	{"no tag", {0, 0}, {0, 0}, 0},
	{"a tag", {0x8100, 0}, {10, 0}, 0},
	{"a service tag", {0x88a8, 0}, {4094, 0}, 0},
	{"two tags", {0x88a8, 0x8100}, {100, 10}, 0},
	{"PPPoE", {0, 0}, {0, 0}, 0x1234},
	{"PPPoE in a VLAN", {0x8100, 0}, {7, 0}, 1},
	{"PPPoE in two VLANs", {0x88a8, 0x8100}, {200, 7}, 0xffff},
};

static const uint8_t wire_peer[6] = {2, 0, 0, 0, 0xac, 1}, wire_own[6] = {2, 0, 0, 0, 0xac, 2};

static uint32_t wire_bytes(const struct wire_form *w)
{
	return (w->tpid[0] ? 4 : 0) + (w->tpid[1] ? 4 : 0) + (w->session ? 8 : 0);
}

/* The plain frame with those headers; what follows the IP packet stays behind it. */
static struct buf wire_wrap(const struct buf *plain, const struct wire_form *w, uint16_t priority)
{
	bool v6 = plain->b[12] == 0x86;
	const uint8_t *len = plain->b + (v6 ? 18 : 16);
	uint32_t at = 12, l3_len = (v6 ? 40u : 0u) + ((uint32_t)len[0] << 8 | len[1]);
	struct buf p = *plain;

	for (int i = 0; i < 2 && w->tpid[i]; i++) {
		put16(p.b + at, w->tpid[i]);
		put16(p.b + at + 2, w->vid[i] | priority);
		at += 4;
	}
	if (w->session) {
		put16(p.b + at, 0x8864);
		put16(p.b + at + 2, 0x1100);
		put16(p.b + at + 4, w->session);
		put16(p.b + at + 6, l3_len + 2);
		put16(p.b + at + 8, v6 ? 0x57 : 0x21);
		at += 8;
	} else {
		put16(p.b + at, v6 ? 0x86dd : 0x0800);
	}
	memcpy(p.b + at + 2, plain->b + 14, plain->len - 14);
	p.len = plain->len + wire_bytes(w);
	return p;
}

static struct pcc_wire_out wire_of(const struct wire_form *w, uint32_t carrier)
{
	struct pcc_wire_out out = {.wire = {.ifindex = carrier, .session = htons(w->session)},
		.bytes = 2 + wire_bytes(w),
		.mtu = 1500};

	for (int i = 0; i < 2; i++) {
		out.wire.tpid[i] = htons(w->tpid[i]);
		out.wire.vid[i] = htons(w->vid[i]);
	}
	memcpy(out.dmac, wire_peer, 6);
	memcpy(out.smac, wire_own, 6);
	return out;
}

/* From now on the interface has its frames on the wire of that device in that form. */
static struct pcc_wire_out wire_put(uint32_t ifindex, const struct wire_form *w, uint32_t carrier)
{
	struct pcc_wire_out out = wire_of(w, carrier);

	assert_int_equal(bpf_map_update_elem(FD(pcc_wire_out), &ifindex, &out, BPF_ANY), 0);
	assert_int_equal(bpf_map_update_elem(FD(pcc_wire_in), &out.wire, &ifindex, BPF_ANY), 0);
	return out;
}

static void wire_del(uint32_t ifindex, const struct pcc_wire_out *out)
{
	bpf_map_delete_elem(FD(pcc_wire_out), &ifindex);
	bpf_map_delete_elem(FD(pcc_wire_in), &out->wire);
}

/* The lease as learned where the one interface has that form and the other this one. */
static void wire_flags(
	const struct link2 *c, int dir, const struct wire_form *in, const struct wire_form *out)
{
	struct pcc_flow flow;

	assert_true(flow_get(c, dir, &flow));
	flow.flags &= ~(PCC_FLOW_WIRE | PCC_FLOW_IN_L3 | PCC_FLOW_OUT_L3);
	flow.flags |= (wire_bytes(out) ? PCC_FLOW_WIRE : 0) | (in->session ? PCC_FLOW_IN_L3 : 0) |
		      (out->session ? PCC_FLOW_OUT_L3 : 0);
	flow_put(c, dir, &flow);
}

static void wire_macs(
	struct buf *p, const struct wire_form *w, const uint8_t *to, const uint8_t *from)
{
	if (w->session) {
		memcpy(p->b, to, 6);
		memcpy(p->b + 6, from, 6);
	}
}

static uint64_t wan_bytes(void)
{
	struct pcc_wan_stats per_cpu[CPUS_MAX];
	uint64_t sum = 0;
	uint32_t id = 1;

	assert_int_equal(bpf_map_lookup_elem(FD(pcc_wan_stats), &id, per_cpu), 0);
	for (int i = 0; i < B.ncpus; i++)
		sum += per_cpu[i].tx_bytes + per_cpu[i].rx_bytes;
	return sum;
}

/* One packet with those headers on either side: the bytes of the plain one, with other headers. */
static void wire_check(struct link2 *c, int dir, const struct wire_form *in,
	const struct wire_form *out, uint32_t payload)
{
	static const struct wire_form *const none = &wire_forms[0];
	uint32_t near = near_if(dir), far = near_if(!dir);
	struct look k = look_plain();
	struct pcc_wire_out a = {}, b = {};
	struct buf p, plain, expected, got;
	uint64_t packets, bytes;

	k.payload = payload;
	p = pkt(c, dir, &k);
	wire_flags(c, dir, none, none);
	assert_int_equal(xdp_run(near, &p, &plain), REDIRECT);
	expected = wire_wrap(&plain, out, 0);
	wire_macs(&expected, out, wire_peer, wire_own);
	if (wire_bytes(in) > wire_bytes(out) && expected.len < 60) {
		memset(expected.b + expected.len, 0, 60 - expected.len);
		expected.len = 60;
	}
	if (wire_bytes(in))
		a = wire_put(near, in, B.wan[3]);
	if (wire_bytes(out))
		b = wire_put(far, out, B.wan[2]);
	bytes = p.len - (in->session ? 14 : 0);
	p = wire_wrap(&p, in, 0xe000);
	wire_macs(&p, in, wire_own, wire_peer);
	wire_flags(c, dir, in, out);
	packets = fast_packets();
	bytes += wan_bytes();
	if (xdp_run(wire_bytes(in) ? B.wan[3] : near, &p, &got) != REDIRECT)
		fail_msg("%s: %s to %s: not taken", c->name, in->name, out->name);
	assert_int_equal(fast_packets() - packets, 1);
	assert_int_equal(wan_bytes(), bytes);
	if (!same_bytes(&expected, &got)) {
		hex_line("in", &p);
		hex_line("expected", &expected);
		hex_line("got", &got);
		fail_msg("%s: %s to %s: other bytes", c->name, in->name, out->name);
	}
	if (wire_bytes(in))
		wire_del(near, &a);
	if (wire_bytes(out))
		wire_del(far, &b);
	wire_flags(c, dir, none, none);
}

static void tags_and_sessions_are_taken_off_and_put_on(void **state)
{
	static const uint32_t payloads[] = {0, 1, 18, 1001, 1400};

	(void)state;
	open_all();
	for (size_t i = 0; i < ARRAY_LEN(conns_all); i++)
		for (size_t n = 0; n < 2 * ARRAY_LEN(wire_forms) * ARRAY_LEN(wire_forms); n++) {
			const struct wire_form *in = &wire_forms[n / 2 % ARRAY_LEN(wire_forms)];
			const struct wire_form *out = &wire_forms[n / 2 / ARRAY_LEN(wire_forms)];

			if (n % 16 == 0) {
				renew(&conns_all[i], 0);
				renew(&conns_all[i], 1);
			}
			wire_check(&conns_all[i], n & 1, in, out,
				payloads[(n + i) % ARRAY_LEN(payloads)]);
		}
}

/* What is changed in a frame that would be taken, with up to two tags and PPPoE (IPv4). */
static const struct {
	const char *name;
	uint32_t form, off; /* of wire_forms, of the byte */
	uint8_t value;
} wire_others[] = {
	{"another VLAN", 1, 15, 11},
	{"a VLAN with the other type of tag", 1, 13, 0xa8},
	{"a priority only", 1, 15, 0},
	{"another outer VLAN", 3, 15, 101},
	{"another inner VLAN", 3, 19, 11},
	{"ARP in a VLAN", 1, 17, 0x06},
	{"another session", 4, 17, 0x35},
	{"session 0", 5, 21, 0},
	{"PPPoE that is no data", 4, 15, 0xa7},
	{"another version of PPPoE", 4, 14, 0x12},
	{"discovery", 4, 13, 0x63},
	{"LCP", 4, 20, 0xc0},
	{"IPv6 by its type", 4, 21, 0x57},
	{"PPPoE beyond the end", 4, 18, 0x06},
	{"PPPoE shorter than its packet", 4, 19, 0x10},
	{"another access concentrator", 4, 11, 9},
	{"another access concentrator's first byte", 4, 6, 9},
	{"another MAC of ours", 4, 5, 9},
	{"a VLAN and another MAC of ours", 1, 5, 9},
};

static void frames_with_other_tags_or_sessions_are_the_kernels(void **state)
{
	struct link2 *c = &conns_all[0];
	struct look k = look_plain();
	struct pcc_wire_out w_out;

	(void)state;
	open_all();
	renew(c, TO_LAN);
	for (size_t i = 0; i < ARRAY_LEN(wire_others); i++) {
		const struct wire_form *w = &wire_forms[wire_others[i].form];
		struct buf plain = pkt(c, TO_LAN, &k), p = wire_wrap(&plain, w, 0), out;
		uint64_t packets;

		wire_macs(&p, w, wire_own, wire_peer);
		w_out = wire_put(near_if(TO_LAN), w, B.wan[3]);
		wire_flags(c, TO_LAN, w, &wire_forms[0]);
		assert_int_equal(xdp_run(B.wan[3], &p, &out), REDIRECT);
		packets = fast_packets();
		if (p.b[wire_others[i].off] == wire_others[i].value)
			fail_msg("%s: is so already", wire_others[i].name);
		p.b[wire_others[i].off] = wire_others[i].value;
		if (wire_others[i].form == 5) /* session 1 */
			p.b[20] = 0;
		if (xdp_run(B.wan[3], &p, &out) != PASS)
			fail_msg("%s: taken", wire_others[i].name);
		if (!same_bytes(&p, &out))
			fail_msg("%s: changed", wire_others[i].name);
		assert_int_equal(fast_packets(), packets);
		wire_del(near_if(TO_LAN), &w_out);
	}
	/* Without a tag it is not the VLAN's, and with one not the device's own. */
	{
		struct buf plain = pkt(c, TO_LAN, &k), out, tagged;

		wire_flags(c, TO_LAN, &wire_forms[0], &wire_forms[0]);
		w_out = wire_put(near_if(TO_LAN), &wire_forms[1], B.wan[3]);
		assert_int_equal(xdp_run(B.wan[3], &plain, &out), PASS);
		tagged = wire_wrap(&plain, &wire_forms[1], 0);
		assert_int_equal(xdp_run(B.wan[3], &tagged, &out), REDIRECT);
		assert_int_equal(xdp_run(near_if(TO_LAN), &tagged, &out), PASS);
		wire_del(near_if(TO_LAN), &w_out);
		/* A lease to a device that has lost its entry. */
		wire_flags(c, TO_LAN, &wire_forms[0], &wire_forms[1]);
		assert_int_equal(xdp_run(near_if(TO_LAN), &plain, &out), PASS);
		assert_true(same_bytes(&plain, &out));
		/* Plain IP devices are tc's. */
		wire_flags(c, TO_LAN, &wire_forms[0], &wire_forms[4]);
		struct pcc_flow flow;

		assert_true(flow_get(c, TO_LAN, &flow));
		flow.flags &= ~PCC_FLOW_WIRE;
		flow_put(c, TO_LAN, &flow);
		assert_int_equal(xdp_run(near_if(TO_LAN), &plain, &out), PASS);
	}
}

/* The kernel would drop in XDP what exceeds the MTU of the card by more than a tag. */
static void frames_too_long_for_the_device_below_are_the_kernels(void **state)
{
	struct link2 *c = &conns_all[0];
	struct look k = look_plain();

	(void)state;
	open_all();
	renew(c, TO_LAN);
	for (size_t i = 0; i < ARRAY_LEN(wire_forms); i++) {
		const struct wire_form *w = &wire_forms[i];
		uint32_t far = near_if(TO_WAN), headers = wire_bytes(w);
		struct pcc_wire_out out_form;
		struct buf plain, out;

		if (!headers)
			continue;
		out_form = wire_put(far, w, B.wan[2]);
		wire_flags(c, TO_LAN, &wire_forms[0], w);
		for (int more = 0; more <= 1; more++) {
			plain = pkt(c, TO_LAN, &k);
			out_form.mtu = plain.len - 14 + headers - 4 - more;
			assert_int_equal(
				bpf_map_update_elem(FD(pcc_wire_out), &far, &out_form, BPF_ANY), 0);
			if (xdp_run(near_if(TO_LAN), &plain, &out) != (more ? PASS : REDIRECT))
				fail_msg("%s, %d bytes too long: verdict", w->name, more);
			if (more && !same_bytes(&plain, &out))
				fail_msg("%s: changed", w->name);
		}
		wire_del(far, &out_form);
	}
}

/* ---------------------------------------------------------------- what is learned */

static void only_connections_that_both_sides_agreed_to_are_learned(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(conns_all); i++) {
		struct link2 *c = &conns_all[i];
		int dir = c->inbound ? TO_LAN : TO_WAN;

		fresh(mode);
		/* One side only: UDP without an answer, TCP half open. */
		conn_first(c);
		for (int n = 0; n < 5; n++)
			if (c->proto == IPPROTO_UDP)
				kernel_way(c, dir, 0);
		assert_int_equal(map_count(FD(pcc_flows)), 0);
		if (c->proto == IPPROTO_UDP)
			continue;
		for (int n = 0; n < 3; n++) {
			kernel_way(c, !dir, TCP_SYN | TCP_ACK);
			assert_int_equal(map_count(FD(pcc_flows)), 0);
		}
		/* And one that is closing. */
		fresh(mode);
		conn_open(c);
		kernel_way(c, dir, FIN | TCP_ACK);
		for (int n = 0; n < 4; n++) {
			kernel_way(c, n & 1, TCP_ACK);
			assert_false(has_flow(c, TO_WAN) || has_flow(c, TO_LAN));
		}
	}
}

/* TCP has a lease from the third packet of a direction on: what only opens costs no lease. */
static void what_is_short_is_not_learned(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(conns_all); i++) {
		struct link2 *c = &conns_all[i];
		int dir = c->inbound ? TO_LAN : TO_WAN;

		fresh(mode);
		fast_on(true);
		conn_first(c);
		kernel_way(c, !dir, TCP_SYN | TCP_ACK);
		kernel_way(c, dir, TCP_ACK);
		if (c->proto == IPPROTO_UDP) {
			assert_true(has_flow(c, dir));
			continue;
		}
		kernel_way(c, !dir, TCP_ACK);
		assert_int_equal(map_count(FD(pcc_flows)), 0);
		kernel_way(c, dir, TCP_ACK);
		assert_true(has_flow(c, dir) && !has_flow(c, !dir));
		kernel_way(c, !dir, TCP_ACK);
		assert_true(has_flow(c, dir) && has_flow(c, !dir));
	}
}

/* Somebody else's filters stand at the ingress of the WAN, or of the LAN: the other way is fast. */
static void what_arrives_where_others_filter_is_not_learned(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(conns_all); i++) {
		struct link2 *c = &conns_all[i / 2];
		int dir = c->inbound ? TO_LAN : TO_WAN, kept = i & 1;
		uint32_t ifindex = near_if(kept);
		struct pcc_iface iface;

		fresh(mode);
		assert_int_equal(bpf_map_lookup_elem(FD(pcc_ifaces), &ifindex, &iface), 0);
		iface.flags |= PCC_IFACE_NO_FAST;
		assert_int_equal(bpf_map_update_elem(FD(pcc_ifaces), &ifindex, &iface, BPF_ANY), 0);
		fast_on(true);
		conn_first(c);
		kernel_way(c, !dir, TCP_SYN | TCP_ACK);
		for (int n = 0; n < 6; n++) {
			if (has_flow(c, !kept)) /* let the kernel see both ways */
				lease_set(c, !kept, -1, 0);
			kernel_way(c, dir, TCP_ACK);
			kernel_way(c, !dir, TCP_ACK);
		}
		if (has_flow(c, kept) || !has_flow(c, !kept))
			fail_msg(
				"%s: learned to WAN %d, to LAN %d, with filters at the %s's ingress",
				c->name, has_flow(c, TO_WAN), has_flow(c, TO_LAN),
				kept == TO_WAN ? "LAN" : "WAN");
	}
}

/* Sequence numbers that conntrack shifts are not the fast path's to repeat. */
static void connections_with_shifted_sequence_numbers_are_not_learned(void **state)
{
	static const struct spec opened[] = {
		{.src = "192.168.1.12", .dst = FAR4, .sport = 5100, .dport = 7000},
		{.src = "fd00:1::12", .dst = FAR6, .sport = 5100, .dport = 7000},
	};

	(void)state;
	for (size_t n = 0; n < 2 * ARRAY_LEN(opened); n++) {
		const struct spec *s = &opened[n / 2];
		struct link2 c = CONN("TCP", s->src, s->dst, 5100, 7000, IPPROTO_TCP, false);
		enum ct_seq seq = n & 1 ? CT_SEQ_ADJUSTED : CT_SEQ_PLAIN;

		fresh(mode);
		conn_open(&c);
		flows_clear();
		ct_flush();
		ct_put_seq(s, NULL, 1 << 8, seq);
		for (int i = 0; i < 4; i++) {
			kernel_way(&c, TO_WAN, TCP_ACK);
			kernel_way(&c, TO_LAN, TCP_ACK);
		}
		assert_int_equal(map_count(FD(pcc_flows)) != 0, seq == CT_SEQ_PLAIN);
	}
}

static void an_entry_of_another_epoch_is_void(void **state)
{
	(void)state;
	open_all();
	for (size_t i = 0; i < ARRAY_LEN(conns_all); i++)
		conn_is_fast(&conns_all[i]);
	B.meta.epoch++;
	fast_on(true);
	meta_put();
	for (size_t i = 0; i < ARRAY_LEN(conns_all); i++) {
		struct link2 *c = &conns_all[i];

		for (int dir = 0; dir < 2; dir++) {
			struct look k = look_plain();
			struct buf p = pkt(c, dir, &k), out;
			bool came;

			if (fast(dir, &p, &out, &came))
				fail_msg("%s: taken with an entry of the epoch before", c->name);
			if (mode == IN_XDP)
				through(dir, far_if[!dir], &p, &out, 300);
		}
		/* The kernel has forwarded it: learned anew. */
		conn_is_fast(c);
	}
}

/* ---------------------------------------------------------------- the lease */

static bool fast_now(const struct link2 *c, int dir)
{
	struct look k = look_plain();
	struct buf p = pkt(c, dir, &k), out;
	bool came;

	return by_fast(dir, near_if(dir), far_if[!dir], &p, &out, &came, 5);
}

static void the_packet_after_the_lease_renews_it(void **state)
{
	(void)state;
	open_all();
	for (size_t i = 0; i < 2 * ARRAY_LEN(conns_all); i++) {
		struct link2 *c = &conns_all[i / 2];
		int dir = i & 1;
		uint64_t before = counter(PCC_R_FAST_RENEW), now;
		struct look k = look_plain();
		struct buf p = pkt(c, dir, &k), out;
		struct pcc_flow flow;

		lease_set(c, dir, 1000 * MSEC_NS, 0);
		assert_true(fast_now(c, dir));
		lease_set(c, dir, -1, 0);
		if (fast_now(c, dir))
			fail_msg("%s: the first packet after the lease was not the kernel's",
				c->name);
		assert_int_equal(counter(PCC_R_FAST_RENEW) - before, 1);
		if (mode == IN_XDP) {
			/* Not sent yet: the others may go on. */
			assert_true(fast_now(c, dir));
			fast_on(true);
			assert_true(through(dir, far_if[!dir], &p, &out, 300));
		}
		now = coarse_ns();
		assert_true(flow_get(c, dir, &flow));
		assert_int_equal(flow.renew_ns, 0);
		if ((int64_t)(flow.lease - (now >> PCC_LEASE_SHIFT)) * (1 << PCC_LEASE_SHIFT) >
				(int64_t)(2 * SEC_NS) + (1 << PCC_LEASE_SHIFT) ||
			flow.lease < (now + 2 * SEC_NS - 100 * MSEC_NS) >> PCC_LEASE_SHIFT)
			fail_msg("%s: the new lease is not of two seconds", c->name);
		assert_true(fast_now(c, dir));
	}
}

static void sleep_ms(long ms)
{
	const struct timespec t = {.tv_nsec = ms * 1000000};

	nanosleep(&t, NULL);
}

/* The kernel drops what would have renewed it: 100 ms more, then never again. */
static void a_lease_that_is_not_renewed_ends(void **state)
{
	(void)state;
	open_all();
	nft("add rule inet t through drop");
	for (size_t i = 0; i < ARRAY_LEN(conns_all); i++) {
		struct link2 *c = &conns_all[i];
		uint64_t start, last = 0;

		lease_set(c, i & 1, -1, 0);
		assert_false(fast_now(c, i & 1));
		start = coarse_ns();
		while (coarse_ns() - start < 130 * MSEC_NS) {
			uint64_t at = coarse_ns();

			if (fast_now(c, i & 1))
				last = at;
			sleep_ms(2);
		}
		if (!last)
			fail_msg("%s: nobody may go on while the lease is renewed", c->name);
		if (last - start > 108 * MSEC_NS) /* the clock ticks every 4 ms */
			fail_msg("%s: the entry was used %llu ms after its lease", c->name,
				(unsigned long long)((last - start) / MSEC_NS));
		for (int n = 0; n < 3; n++)
			assert_false(fast_now(c, i & 1));
	}
	/* Left alone for long: not even those 100 ms. */
	for (size_t i = 0; i < ARRAY_LEN(conns_all); i++) {
		lease_set(&conns_all[i], i & 1, -3 * (int64_t)SEC_NS, 0);
		for (int n = 0; n < 3; n++)
			assert_false(fast_now(&conns_all[i], i & 1));
	}
	nft("flush chain inet t through");
	/* The kernel forwards again: learned again. */
	for (size_t i = 0; i < ARRAY_LEN(conns_all); i++) {
		fast_on(true);
		kernel_way(&conns_all[i], i & 1, TCP_ACK);
		assert_true(fast_now(&conns_all[i], i & 1));
	}
}

/* No renewals are left, on any CPU, for the next minute. */
static void renewals_use_up(void)
{
	int fd = bpf_map__fd(mode == IN_TC ? B.skel->maps.pcc_renewals : xdp->maps.pcc_renewals);
	struct {
		uint32_t slice, count;
	} of_cpus[CPUS_MAX] = {};
	uint32_t zero = 0;

	for (int i = 0; i < B.ncpus; i++) {
		of_cpus[i].slice = (coarse_ns() + 60 * SEC_NS) >> 24;
		of_cpus[i].count = 1u << 30;
	}
	assert_int_equal(bpf_map_update_elem(fd, &zero, of_cpus, BPF_ANY), 0);
}

/* Is the lease used although it ended `late` ns ago? */
static bool stretches(const struct link2 *c, int dir, int64_t late)
{
	lease_set(c, dir, -late, 0);
	return fast_now(c, dir);
}

/* The next packet goes to the kernel, and the entry is learned again. */
static void renew(const struct link2 *c, int dir)
{
	lease_set(c, dir, -60 * (int64_t)SEC_NS, 0);
	fast_on(true);
	kernel_way(c, dir, TCP_ACK);
}

/* Does this kernel tell nftables' generation? Debian's 6.12 does, 6.1 does not. */
static bool tells_generation(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int id = btf ? btf__find_by_name_kind(btf, "netns_nftables", BTF_KIND_STRUCT) : -1;
	const struct btf_type *t = id > 0 ? btf__type_by_id(btf, (__u32)id) : NULL;
	bool found = false;

	for (int i = 0; t && i < btf_vlen(t); i++)
		found = found ||
			!strcmp(btf__name_by_offset(btf, btf_members(t)[i].name_off), "base_seq");
	btf__free(btf);
	return found;
}

/*
 * More leases end than the kernel's way can renew: the others are used on, while the kernel's
 * tables and rules are what they were, and for 18 s at most.
 */
static void leases_stretch_when_too_many_end(void **state)
{
	static const char *const changes[] = {"add table ip other", "delete table ip other"};
	char route[80];

	(void)state;
	open_all();
	renewals_use_up();
	if (!tells_generation()) {
		renew(&conns_all[0], 0);
		assert_false(stretches(&conns_all[0], 0, MSEC_NS));
		print_message("skip: this kernel does not tell nftables' generation, so "
			      "nothing is stretched\n");
		skip();
	}
	for (size_t i = 0; i < 2 * ARRAY_LEN(conns_all); i++) {
		struct link2 *c = &conns_all[i / 2];
		int dir = i & 1;

		renew(c, dir);
		if (!stretches(c, dir, 16000 * MSEC_NS)) /* a busy machine is slow */
			fail_msg("%s: left to the kernel, which has enough to do", c->name);
		if (stretches(c, dir, 18100 * MSEC_NS))
			fail_msg("%s: used 18 s after its lease", c->name);
		renew(c, dir);
		assert_true(stretches(c, dir, MSEC_NS));
		nft(changes[i & 1]);
		if (stretches(c, dir, MSEC_NS))
			fail_msg("%s: used after its lease although nftables has changed", c->name);
		renew(c, dir);
		assert_true(stretches(c, dir, MSEC_NS));
		/* An IPv4 route that no packet has used may go unnoticed: nothing depended on it.
		 */
		for (int del = 0; del < (i & 2 ? 2 : 1); del++) {
			snprintf(route, sizeof(route),
				i & 2 ? "route %s unreachable 2001:db8:%u:%zu::/64\n"
				      : "route %s unreachable 10.%u.%zu.0/24\n",
				del ? "del" : "add", 77 + mode, i);
			ip_batch(i & 2 ? "-6" : "-4", route);
			if (stretches(c, dir, MSEC_NS))
				fail_msg("%s: used after its lease although a route has changed",
					c->name);
			renew(c, dir);
			assert_true(stretches(c, dir, MSEC_NS));
		}
		ip_batch(i & 2 ? "-6" : "-4", "rule add iif nowhere prohibit protocol 99\n");
		if (stretches(c, dir, MSEC_NS))
			fail_msg("%s: used after its lease although a rule has changed", c->name);
		renew(c, dir);
	}
	ip4("rule flush protocol 99\n");
	ip6("rule flush protocol 99\n");
}

/* Makes the note of the last lease under this key `periods` old. */
static void leased_age(const struct link2 *c, int dir, uint32_t periods)
{
	static struct pcc_leased leased;
	struct pcc_flow_key key = flow_key(c, dir);
	uint32_t zero = 0, place = pcc_leased_place(&key), *at = leased.at[place >> 5];

	assert_int_equal(bpf_map_lookup_elem(FD(pcc_leased), &zero, &leased), 0);
	leased.period = coarse_ns() >> PCC_LEASED_PERIOD_SHIFT;
	at[0] = at[1] = 0;
	if (periods < 2)
		at[(leased.period - periods) & 1] = 1u << (place & 31);
	assert_int_equal(bpf_map_update_elem(FD(pcc_leased), &zero, &leased, BPF_ANY), 0);
}

/* With a new period the notes of the one before stay, and those of the one before that go. */
static void notes_of_leases_last_one_to_two_periods(void **state)
{
	static struct pcc_leased leased;
	uint32_t zero = 0, period;
	struct link2 *c = &conns_all[0];

	(void)state;
	open_all();
	for (uint32_t gap = 0; gap < 4; gap++) {
		period = coarse_ns() >> PCC_LEASED_PERIOD_SHIFT;
		memset(&leased, 0xff, sizeof(leased));
		leased.period = period - gap;
		assert_int_equal(bpf_map_update_elem(FD(pcc_leased), &zero, &leased, BPF_ANY), 0);
		lease_set(c, TO_WAN, -60 * (int64_t)SEC_NS, 0);
		fast_on(true);
		kernel_way(c, TO_WAN, TCP_ACK);
		assert_int_equal(bpf_map_lookup_elem(FD(pcc_leased), &zero, &leased), 0);
		if (leased.period != period) { /* it ended just now */
			gap--;
			continue;
		}
		for (size_t i = 0; i < ARRAY_LEN(leased.at); i++) {
			uint32_t now = leased.at[i][period & 1], before = leased.at[i][~period & 1];

			if (gap ? __builtin_popcount(now) > 1 : now != UINT32_MAX)
				fail_msg("gap %u, word %zu: 0x%x of this period", gap, i, now);
			if (before != (gap < 2 ? UINT32_MAX : 0))
				fail_msg(
					"gap %u, word %zu: 0x%x of the one before", gap, i, before);
		}
	}
}

/*
 * Where no lease was given for long none is looked for, however good the entry looks; what the
 * kernel forwards is learned again. FIN and RST find the entries all the same.
 */
static void leases_are_looked_for_where_some_were_given(void **state)
{
	(void)state;
	open_all();
	for (size_t i = 0; i < ARRAY_LEN(conns_all); i++) {
		struct link2 *c = &conns_all[i];
		struct look k = look_plain();
		struct buf p, out;
		bool came;

		for (int dir = TO_WAN; dir <= TO_LAN; dir++) {
			for (int periods = 0; periods < 2; periods++) {
				leased_age(c, dir, periods);
				if (!fast_now(c, dir))
					fail_msg(
						"%s: a lease of this or the last period is not found",
						c->name);
			}
			leased_age(c, dir, 2);
			if (fast_now(c, dir))
				fail_msg("%s: looked for where none can be", c->name);
			fast_on(true);
			kernel_way(c, dir, TCP_ACK);
			if (!fast_now(c, dir))
				fail_msg("%s: learned, and not found", c->name);
		}
		if (c->proto != IPPROTO_TCP)
			continue;
		leased_age(c, TO_WAN, 2);
		leased_age(c, TO_LAN, 2);
		k.flags = FIN | TCP_ACK;
		p = pkt(c, i & 1, &k);
		assert_false(fast(i & 1, &p, &out, &came));
		if (has_flow(c, TO_WAN) || has_flow(c, TO_LAN))
			fail_msg("%s: a FIN after a long silence left an entry", c->name);
	}
}

/*
 * An established packet's way through one program, instruction by instruction. No more than these
 * many instructions and look-ups; and no call but what emulate.h knows, so none that updates a map
 * or allocates anything.
 */
static void way_check(const char *way, const struct link2 *c, int dir,
	const struct bpf_program *prog, uint32_t verdict, uint32_t steps, uint32_t lookups)
{
	struct look k = look_plain();
	struct buf p = pkt(c, dir, &k), kernel;
	struct emu e = {.prog = prog,
		.data = p.b,
		.len = p.len,
		.near = near_if(dir),
		.xdp = verdict == REDIRECT,
		.now_ns = coarse_ns()};
	uint32_t said;

	if (e.xdp)
		assert_int_equal(xdp_run(near_if(dir), &p, &kernel), REDIRECT);
	said = emu_run(&e);
	emu_end(&e);
	print_message("%-10s %-28s %s: %4u instructions, %2u look-ups, %2u cache lines of maps\n",
		way, c->name, dir == TO_WAN ? "to WAN" : "to LAN", e.steps, e.lookups, e.lines);
	if (said != verdict)
		fail_msg("%s: %s: verdict %d here", way, c->name, (int)said);
	if (e.xdp && !same_bytes(&p, &kernel)) /* else what is counted is another program */
		fail_msg("%s: %s: other bytes here than in the kernel", way, c->name);
	if (e.steps > steps || e.lookups > lookups)
		fail_msg("%s: %s: more than %u instructions or %u look-ups", way, c->name, steps,
			lookups);
}

static void an_established_packet_updates_no_map(void **state)
{
	(void)state;
	open_all();
	for (size_t i = 0; i < 2 * ARRAY_LEN(conns_all); i++) {
		struct link2 *c = &conns_all[i / 2];
		bool v6 = !pcc_tuple_is_v4(&c->lan);
		int dir = i & 1;

		renew(c, dir);
		if (mode == IN_XDP) {
			way_check("XDP", c, dir, xdp_now, REDIRECT, v6 ? 460 : 385, 5);
			continue;
		}
		way_check("tc", c, dir,
			dir == TO_WAN ? B.skel->progs.pcc_lan_in : B.skel->progs.pcc_wan_in, 7,
			v6 ? 530 : 430, 5);
		fast_on(false);
		if (dir == TO_WAN)
			way_check("mark tier", c, dir, B.skel->progs.pcc_lan_in, (uint32_t)-1,
				v6 ? 325 : 295, 5);
	}
}

int main(int argc, char **argv)
{
#define T(f)                                                                                       \
	{#f " (tc)", f, fresh_tc, NULL, NULL},                                                     \
	{                                                                                          \
#f " (XDP)", f, fresh_xdp, NULL, NULL                                              \
	}
/* By the program that knows tags. */
#define W(f)                                                                                       \
	{                                                                                          \
#f " (wire)", f, fresh_wire, NULL, NULL                                            \
	}
	const struct CMUnitTest tests[] = {
		T(the_same_bytes_as_the_kernel),
		T(all_256_combinations_of_flags),
		T(a_wrong_checksum_stays_wrong),
		T(ethernet_padding_does_not_matter),
		T(what_is_not_plain_is_left_to_the_kernel),
		T(frames_that_end_early_are_left_alone),
		T(fin_and_rst_end_both_entries),
		T(what_follows_the_end_deletes_the_entries),
		T(every_packet_is_counted_once_whatever_cpu_has_it),
		T(another_connection_with_the_same_digest_is_the_kernels),
		T(what_exceeds_the_egress_mtu_is_the_kernels),
		T(a_tuple_on_another_interface_is_not_the_connection),
		W(tags_and_sessions_are_taken_off_and_put_on),
		W(frames_with_other_tags_or_sessions_are_the_kernels),
		W(frames_too_long_for_the_device_below_are_the_kernels),
		T(only_connections_that_both_sides_agreed_to_are_learned),
		T(what_is_short_is_not_learned),
		T(what_arrives_where_others_filter_is_not_learned),
		T(connections_with_shifted_sequence_numbers_are_not_learned),
		T(an_entry_of_another_epoch_is_void),
		T(the_packet_after_the_lease_renews_it),
		T(leases_stretch_when_too_many_end),
		T(a_lease_that_is_not_renewed_ends),
		T(leases_are_looked_for_where_some_were_given),
		T(notes_of_leases_last_one_to_two_periods),
		T(an_established_packet_updates_no_map),
		W(the_same_bytes_as_the_kernel),
		W(what_is_not_plain_is_left_to_the_kernel),
		W(frames_that_end_early_are_left_alone),
		W(an_established_packet_updates_no_map),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, group_up, group_down);
}
