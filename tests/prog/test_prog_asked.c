// SPDX-License-Identifier: GPL-2.0-only
/*
 * Answers of UDP services that are bound to no address: the programs at the root of the control
 * groups, on real sockets in a network namespace whose only interface is the loopback. It plays the
 * WANs: its addresses are those of WAN 1 and WAN 2, that of the client, and one that is no WAN's.
 * The kernel by itself answers from the address of the client, which is its own, too.
 */
#include "harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "kernel/cgroup.h"
#include "kernel/netns.h"
#include "pccbpf_asked.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include "pccbpf_asked.skel.h"
#pragma GCC diagnostic pop

#define PORT 9001
#define CLIENT_PORT 20000
#define LO 1u

enum { WAN1, WAN2, CLIENT, NO_WAN };

static const char *const addr4[] = {"10.1.0.1", "10.2.0.1", "10.9.0.1", "10.3.0.1"};
static const char *const addr6[] = {"fd01::1", "fd02::1", "fd09::1", "fd03::1"};

/* A server that is bound to the port only. */
struct kind {
	const char *name;
	int family; /* of the socket */
	bool v6;    /* of the datagrams */
	bool both;  /* a socket of both families */
};

static const struct kind kinds[] = {
	{"IPv4", AF_INET, false, false},
	{"IPv6", AF_INET6, true, false},
	{"IPv4 by a socket of both families", AF_INET6, false, true},
	{"IPv6 by a socket of both families", AF_INET6, true, true},
};

static struct pccbpf_asked_bpf *skel;
static struct bpf_link *links[3];
static int server = -1, client = -1;
static bool v6; /* what the client speaks */

/* ---------------------------------------------------------------- addresses, sockets */

static const char *address(int which)
{
	return v6 ? addr6[which] : addr4[which];
}

static socklen_t sockaddr_of(struct sockaddr_storage *to, int family, const char *text, int port)
{
	struct sockaddr_in6 *six = (void *)to;
	struct sockaddr_in *four = (void *)to;

	memset(to, 0, sizeof(*to));
	to->ss_family = family;
	if (family == AF_INET) {
		four->sin_port = htons(port);
		assert_int_equal(inet_pton(AF_INET, text, &four->sin_addr), 1);
		return sizeof(*four);
	}
	six->sin6_port = htons(port);
	text_addr(text, (void *)&six->sin6_addr);
	return sizeof(*six);
}

/* Which of our addresses it is, -1: none. */
static int which_address(const struct sockaddr_storage *ss)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(ss->ss_family,
		ss->ss_family == AF_INET ? (const void *)&((const struct sockaddr_in *)ss)->sin_addr
					 : &((const struct sockaddr_in6 *)ss)->sin6_addr,
		text, sizeof(text));
	for (int i = 0; i <= NO_WAN; i++)
		if (!strcmp(text, address(i)))
			return i;
	return -1;
}

/* text NULL: bound to the port only. */
static int udp_socket(int family, bool both, const char *text, int port)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0), only = !both, one = 1;
	const struct timeval second = {.tv_sec = 2};
	struct sockaddr_storage ss;
	socklen_t len = sockaddr_of(&ss, family,
		text
			?: family == AF_INET ? "0.0.0.0"
					     : "::",
		port);

	assert_true(fd >= 0);
	if (family == AF_INET6)
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second)), 0);
	if (bind(fd, (struct sockaddr *)&ss, len))
		fail_msg("bind: %s", strerror(errno));
	return fd;
}

static void close_all(void)
{
	close(server);
	close(client);
	server = client = -1;
}

static void open_pair(const struct kind *kind)
{
	close_all();
	v6 = kind->v6;
	server = udp_socket(kind->family, kind->both, NULL, PORT);
	client = udp_socket(v6 ? AF_INET6 : AF_INET, false, address(CLIENT), CLIENT_PORT);
}

/* ---------------------------------------------------------------- questions and answers */

/* The client asks that address, the server gets it. */
static void ask(int which, size_t size)
{
	static char data[4096];
	struct sockaddr_storage to;
	socklen_t len = sockaddr_of(&to, v6 ? AF_INET6 : AF_INET, address(which), PORT);

	assert_int_equal(sendto(client, data, size, 0, (struct sockaddr *)&to, len), (ssize_t)size);
	assert_int_equal(recv(server, data, sizeof(data), 0), (ssize_t)size);
}

/* The socket sends to the client: which address does that see? */
static int sent_by(int fd, const struct msghdr *with)
{
	struct sockaddr_storage to = {}, from;
	socklen_t fromlen = sizeof(from), len = sizeof(int);
	char answer[] = "answer";
	struct iovec iov = {answer, 6};
	struct msghdr msg = with ? *with : (struct msghdr){};
	char data[16];
	int family;

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len), 0);
	msg.msg_namelen = sockaddr_of(&to, family, address(CLIENT), CLIENT_PORT);
	msg.msg_name = &to;
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	assert_int_equal(sendmsg(fd, &msg, 0), 6);
	assert_int_equal(
		recvfrom(client, data, sizeof(data), 0, (struct sockaddr *)&from, &fromlen), 6);
	return which_address(&from);
}

static int answered_by(int which)
{
	ask(which, 6);
	return sent_by(server, NULL);
}

/* ---------------------------------------------------------------- the maps */

#define MAP(name) bpf_map__fd(skel->maps.name)

static void set_meta(uint32_t magic, uint64_t cookie)
{
	struct pcc_meta meta = {.magic = magic, .mark_mask = MASK, .netns_cookie = cookie};
	uint32_t zero = 0;

	if (!cookie)
		assert_int_equal(pcc_netns_cookie((uint64_t *)&meta.netns_cookie), 0);
	assert_int_equal(bpf_map_update_elem(MAP(pcc_meta), &zero, &meta, BPF_ANY), 0);
}

static void set_lo(uint32_t role)
{
	struct pcc_iface iface = {.role = role, .wan_id = role == PCC_ROLE_WAN};
	uint32_t lo = LO;

	assert_int_equal(bpf_map_update_elem(MAP(pcc_ifaces), &lo, &iface, BPF_ANY), 0);
}

static void set_local(const char *text, uint32_t wan_id)
{
	struct pcc_addr addr;

	text_addr(text, addr.a);
	assert_int_equal(bpf_map_update_elem(MAP(pcc_local), &addr, &wan_id, BPF_ANY), 0);
}

static void set_wan(uint32_t id, uint32_t state)
{
	struct pcc_wan wan = {.state = state, .ifindex = LO};

	assert_int_equal(bpf_map_update_elem(MAP(pcc_wans), &id, &wan, BPF_ANY), 0);
}

/* The only entry: what it says is moved into the past. Returns when that was. */
static uint64_t age(uint64_t seconds)
{
	struct pcc_asked_key key;
	struct pcc_asked value;

	assert_int_equal(bpf_map_get_next_key(MAP(pcc_asked), NULL, &key), 0);
	assert_int_equal(bpf_map_lookup_elem(MAP(pcc_asked), &key, &value), 0);
	value.seen_ns -= seconds * SEC_NS;
	if (seconds)
		assert_int_equal(bpf_map_update_elem(MAP(pcc_asked), &key, &value, BPF_EXIST), 0);
	return value.seen_ns;
}

static int setup(void **state)
{
	(void)state;
	map_clear(MAP(pcc_asked), sizeof(struct pcc_asked_key));
	set_meta(PCC_MAGIC, 0);
	set_lo(PCC_ROLE_WAN);
	for (int f = 0; f < 2; f++) {
		const char *const *addr = f ? addr6 : addr4;

		set_local(addr[WAN1], 1);
		set_local(addr[WAN2], 2);
		set_local(addr[CLIENT], 0);
		set_local(addr[NO_WAN], 0);
	}
	set_wan(1, PCC_WAN_UP);
	set_wan(2, PCC_WAN_UP);
	open_pair(&kinds[0]);
	return 0;
}

/* ---------------------------------------------------------------- what is answered */

static void an_answer_comes_from_the_address_that_was_asked_last(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		static const int asked[] = {WAN1, WAN2, WAN2, WAN1};

		print_message("%s\n", kinds[i].name);
		setup(NULL);
		open_pair(&kinds[i]);
		for (size_t n = 0; n < ARRAY_LEN(asked); n++)
			assert_int_equal(answered_by(asked[n]), asked[n]);
		assert_int_equal(sent_by(server, NULL), WAN1);
	}
}

static void extension_headers_and_fragments_make_no_difference(void **state)
{
	static const uint8_t options[8] = {0, 0, 1, 4};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		setup(NULL);
		open_pair(&kinds[i]);
		ask(WAN2, 3000);
		assert_int_equal(sent_by(server, NULL), WAN2);
	}
	map_clear(MAP(pcc_asked), sizeof(struct pcc_asked_key));
	assert_int_equal(
		setsockopt(client, IPPROTO_IPV6, IPV6_DSTOPTS, options, sizeof(options)), 0);
	assert_int_equal(answered_by(WAN1), WAN1);
}

/* ---------------------------------------------------------------- what is left alone */

static void a_socket_that_has_an_address_keeps_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		int bound;

		setup(NULL);
		open_pair(&kinds[i]);
		ask(WAN2, 6);
		bound = udp_socket(kinds[i].family, false, address(NO_WAN), PORT);
		assert_int_equal(sent_by(bound, NULL), NO_WAN);
		assert_int_equal(sent_by(server, NULL), WAN2);
		close(bound);
	}
}

static void a_datagram_that_has_an_address_keeps_it(void **state)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} u = {};
	struct msghdr msg = {.msg_control = u.bytes};
	struct in6_pktinfo six = {};
	struct in_pktinfo four = {};

	(void)state;
	ask(WAN2, 6);
	inet_pton(AF_INET, addr4[WAN1], &four.ipi_spec_dst);
	u.align = (struct cmsghdr){CMSG_LEN(sizeof(four)), IPPROTO_IP, IP_PKTINFO};
	memcpy(CMSG_DATA(&u.align), &four, sizeof(four));
	msg.msg_controllen = CMSG_SPACE(sizeof(four));
	assert_int_equal(sent_by(server, &msg), WAN1);
	assert_int_equal(sent_by(server, NULL), WAN2);

	open_pair(&kinds[1]);
	ask(WAN2, 6);
	inet_pton(AF_INET6, addr6[WAN1], &six.ipi6_addr);
	u.align = (struct cmsghdr){CMSG_LEN(sizeof(six)), IPPROTO_IPV6, IPV6_PKTINFO};
	memcpy(CMSG_DATA(&u.align), &six, sizeof(six));
	msg.msg_controllen = CMSG_SPACE(sizeof(six));
	assert_int_equal(sent_by(server, &msg), WAN1);
	assert_int_equal(sent_by(server, NULL), WAN2);
}

static void a_socket_with_our_mark_or_a_device_has_its_way(void **state)
{
	int mark = 0x100, other = 0x1;

	(void)state;
	ask(WAN2, 6);
	assert_int_equal(setsockopt(server, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	assert_int_equal(sent_by(server, NULL), CLIENT);
	assert_int_equal(setsockopt(server, SOL_SOCKET, SO_MARK, &other, sizeof(other)), 0);
	assert_int_equal(sent_by(server, NULL), WAN2);
	assert_int_equal(setsockopt(server, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), 0);
	assert_int_equal(sent_by(server, NULL), CLIENT);
}

/* A resolver's socket has its way by the routes each time, whatever was answered to it. */
static void what_the_router_asks_itself_is_left_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		setup(NULL);
		open_pair(&kinds[i]);
		for (int n = 0; n < 3; n++) {
			assert_int_equal(sent_by(server, NULL), CLIENT);
			ask(WAN2, 6);
		}
		/* For as long as it asks. */
		age(299);
		assert_int_equal(sent_by(server, NULL), CLIENT);
		age(301);
		assert_int_equal(answered_by(WAN2), WAN2);
	}
}

static void what_comes_in_otherwise_is_left_alone(void **state)
{
	(void)state;
	set_lo(PCC_ROLE_LAN);
	assert_int_equal(answered_by(WAN2), CLIENT);
	setup(NULL);
	assert_int_equal(answered_by(NO_WAN), CLIENT);
	setup(NULL);
	set_meta(0, 0); /* not attached */
	assert_int_equal(answered_by(WAN2), CLIENT);
	setup(NULL);
	set_meta(PCC_MAGIC, 4711); /* another network namespace */
	assert_int_equal(answered_by(WAN2), CLIENT);
}

/* ---------------------------------------------------------------- what is forgotten */

static void what_was_asked_is_forgotten_after_five_minutes(void **state)
{
	uint64_t then;

	(void)state;
	ask(WAN2, 6);
	then = age(299);
	assert_int_equal(sent_by(server, NULL), WAN2);
	assert_true(age(0) == then); /* an answer does not count */
	ask(WAN2, 6);
	assert_true(age(0) >= then + 299 * SEC_NS);
	age(301);
	assert_int_equal(sent_by(server, NULL), CLIENT);
}

static void an_address_that_is_gone_is_not_used(void **state)
{
	(void)state;
	ask(WAN2, 6);
	set_local(addr4[WAN2], 0);
	assert_int_equal(sent_by(server, NULL), CLIENT);
}

/* Who asks by it now is answered by it; who was quiet is not sent into a dead WAN. */
static void a_wan_that_is_down_answers_what_is_asked_now(void **state)
{
	(void)state;
	set_wan(2, PCC_WAN_DOWN);
	ask(WAN2, 6);
	assert_int_equal(sent_by(server, NULL), WAN2);
	age(11);
	assert_int_equal(sent_by(server, NULL), CLIENT);
	set_wan(2, PCC_WAN_DRAIN);
	assert_int_equal(sent_by(server, NULL), WAN2);
}

/* ---------------------------------------------------------------- the bench */

static void lo_up(void)
{
	char batch[1024] = "link set lo up\nlink set lo mtu 1500\n", line[64];

	if (unshare(CLONE_NEWNET)) {
		print_error("unshare(CLONE_NEWNET) failed: root is needed\n");
		_exit(77);
	}
	for (int i = 0; i <= NO_WAN; i++) {
		snprintf(line, sizeof(line), "addr add %s/32 dev lo\n", addr4[i]);
		strcat(batch, line);
		snprintf(line, sizeof(line), "addr add %s/128 dev lo nodad\n", addr6[i]);
		strcat(batch, line);
	}
	ip_batch("-details", batch);
}

static int bench(void **state)
{
	struct pcc_err err = {};
	char root[400];
	int cgroup;

	(void)state;
	lo_up();
	if (pcc_cgroup_root(root, sizeof(root), &err)) {
		print_error("%s: %s\n", err.object, err.cause);
		return -1;
	}
	cgroup = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	skel = pccbpf_asked_bpf__open();
	if (!skel || cgroup < 0)
		return -1;
	/* Maps that are as large as a router's, and not used here. */
	bpf_map__set_max_entries(skel->maps.pcc_conns, 1024);
	bpf_map__set_max_entries(skel->maps.pcc_flows, 1024);
	if (pccbpf_asked_bpf__load(skel))
		return -1;
	links[0] = bpf_program__attach_cgroup(skel->progs.pcc_asked_in, cgroup);
	links[1] = bpf_program__attach_cgroup(skel->progs.pcc_asked_out4, cgroup);
	links[2] = bpf_program__attach_cgroup(skel->progs.pcc_asked_out6, cgroup);
	close(cgroup);
	return links[0] && links[1] && links[2] ? 0 : -1;
}

static int bench_away(void **state)
{
	(void)state;
	close_all();
	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		bpf_link__destroy(links[i]);
	pccbpf_asked_bpf__destroy(skel);
	return 0;
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_answer_comes_from_the_address_that_was_asked_last),
		T(extension_headers_and_fragments_make_no_difference),
		T(a_socket_that_has_an_address_keeps_it),
		T(a_datagram_that_has_an_address_keeps_it),
		T(a_socket_with_our_mark_or_a_device_has_its_way),
		T(what_the_router_asks_itself_is_left_alone),
		T(what_comes_in_otherwise_is_left_alone),
		T(what_was_asked_is_forgotten_after_five_minutes),
		T(an_address_that_is_gone_is_not_used),
		T(a_wan_that_is_down_answers_what_is_asked_now),
	};

	return cmocka_run_group_tests(tests, bench, bench_away);
}
