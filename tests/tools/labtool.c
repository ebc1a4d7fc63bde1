// SPDX-License-Identifier: GPL-2.0-only
/*
 * labtool: the traffic tool of the lab (scripts/lab.sh) and of the end-to-end tests.
 *
 * One program, no dependencies: servers that tell a client which source address they saw, clients
 * that open many flows with exact source addresses and ports, long-lived connections whose bytes
 * are checked, a counter of source addresses per interface, and generators of datagrams, fragments
 * and SYNs. Every loop is bounded by a count or by a time.
 *
 * Exit status: 0 all as asked, 1 something failed, 2 usage or set-up error.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MAX_LIST 64
#define MAX_EVENTS 256
#define UDP_BATCH 64
#define UDP_MAX 65536
#define IP_MAX_DATAGRAM 65507
#define MAX_HTTP_REQUEST 2048
#define HOLD_TICK_MS 10
#define HOLD_RECORD 16
#define SYN_BATCH 64
/*
 * Connections that are opened at once: veth with XDP or GRO drops what does not fit in its ring of
 * 256 frames, and TCP sends a lost SYN again after a second only.
 */
#define CONNECT_PARALLEL 32

#ifndef IPV6_HDRINCL
#define IPV6_HDRINCL 36
#endif
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

/* ------------------------------------------------------------------ small things */

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *fmt, ...)
{
	va_list ap;

	fputs("labtool: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(2);
}

static void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		die("out of memory");
	return p;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static const char *err_name(int err)
{
	const char *name = err ? strerrorname_np(err) : "EOF";

	return name ? name : "EUNKNOWN";
}

/* Raises the limit of open files as far as allowed; returns it. */
static uint64_t raise_nofile(void)
{
	struct rlimit rl = {.rlim_cur = 262144, .rlim_max = 262144};

	if (setrlimit(RLIMIT_NOFILE, &rl) && getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	return rl.rlim_cur;
}

/* Room for `n` sockets and a few other descriptors, or an error that says so. */
static void need_files(uint64_t n)
{
	uint64_t limit = raise_nofile();

	if (n + 16 > limit)
		die("%llu sockets at once: the limit of open files is %llu (ulimit -Hn)",
			(unsigned long long)n, (unsigned long long)limit);
}

static void set_int(int fd, int level, int name, int value)
{
	setsockopt(fd, level, name, &value, sizeof(value));
}

/* A blocked set of signals as a descriptor, so that loops see them as events. */
static int open_signals(const int *signals, size_t n)
{
	sigset_t set;
	size_t i;
	int fd;

	sigemptyset(&set);
	for (i = 0; i < n; i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		die("signalfd: %s", strerror(errno));
	return fd;
}

/* Returns the number of the next pending signal, 0 if there is none. */
static int next_signal(int fd)
{
	struct signalfd_siginfo si;

	return read(fd, &si, sizeof(si)) == sizeof(si) ? (int)si.ssi_signo : 0;
}

/* ------------------------------------------------------------------ addresses */

struct ip_addr {
	int family; /* AF_INET, AF_INET6, or 0: none */
	uint8_t b[16];
};

struct range {
	unsigned int first;
	unsigned int count;
};

static struct ip_addr ip_parse(const char *s)
{
	struct ip_addr ip = {0};

	if (inet_pton(AF_INET, s, ip.b) == 1)
		ip.family = AF_INET;
	else if (inet_pton(AF_INET6, s, ip.b) == 1)
		ip.family = AF_INET6;
	else
		die("'%s': not an address", s);
	return ip;
}

/* The address `k` after `base`, carrying through the whole address. */
static struct ip_addr ip_add(struct ip_addr base, uint32_t k)
{
	int i = base.family == AF_INET ? 3 : 15;

	for (; i >= 0 && k; i--) {
		k += base.b[i];
		base.b[i] = (uint8_t)k;
		k >>= 8;
	}
	return base;
}

/* `port` in host order. Returns the length for bind() and connect(). */
static socklen_t ip_sockaddr(struct ip_addr ip, unsigned int port, struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof(*ss));
	if (ip.family == AF_INET) {
		struct sockaddr_in *sin = (struct sockaddr_in *)ss;

		sin->sin_family = AF_INET;
		sin->sin_port = htons((uint16_t)port);
		memcpy(&sin->sin_addr, ip.b, 4);
		return sizeof(*sin);
	}
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)ss;

	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons((uint16_t)port);
	memcpy(&sin6->sin6_addr, ip.b, 16);
	return sizeof(*sin6);
}

/* A v4-mapped address comes back as plain IPv4. */
static struct ip_addr ip_from_sockaddr(const struct sockaddr_storage *ss, unsigned int *port)
{
	struct ip_addr ip = {0};

	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *sin = (const struct sockaddr_in *)ss;

		ip.family = AF_INET;
		memcpy(ip.b, &sin->sin_addr, 4);
		*port = ntohs(sin->sin_port);
		return ip;
	}
	const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)ss;

	*port = ntohs(sin6->sin6_port);
	if (IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr)) {
		ip.family = AF_INET;
		memcpy(ip.b, &sin6->sin6_addr.s6_addr[12], 4);
	} else {
		ip.family = AF_INET6;
		memcpy(ip.b, &sin6->sin6_addr, 16);
	}
	return ip;
}

/* Text of an address; one of four rotating buffers. */
static const char *ip_str(struct ip_addr ip)
{
	static char buf[4][INET6_ADDRSTRLEN];
	static unsigned int turn;
	char *s = buf[turn++ % ARRAY_LEN(buf)];

	if (!ip.family)
		return "-";
	return inet_ntop(ip.family, ip.b, s, INET6_ADDRSTRLEN) ? s : "?";
}

static struct ip_addr local_of(int fd, unsigned int *port)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	*port = 0;
	if (getsockname(fd, (struct sockaddr *)&ss, &len))
		return (struct ip_addr){0};
	return ip_from_sockaddr(&ss, port);
}

/* ------------------------------------------------------------------ options */

struct opts {
	struct ip_addr dst[MAX_LIST];
	unsigned int dst_n;
	struct ip_addr bind[MAX_LIST];
	unsigned int bind_n;
	struct ip_addr src4,
		src6; /* first source address of each family, family 0: the kernel's choice */
	unsigned int src_count;
	struct range port, tcp, udp, http, sink;
	struct range sport;
	bool sport_count_given;
	uint64_t count;
	unsigned int parallel, timeout_ms, interval_ms, duration_s, size, flows, rate, mtu;
	bool is_udp, rst, reconnect, reverse, in, no_reply;
	const char *ifs, *out, *ready;
};

enum opt_id {
	O_DST = 256,
	O_PORT,
	O_COUNT,
	O_PROTO,
	O_SRC_BASE,
	O_SRC_COUNT,
	O_SPORT_BASE,
	O_SPORT_COUNT,
	O_PARALLEL,
	O_TIMEOUT_MS,
	O_RST,
	O_TCP,
	O_UDP,
	O_HTTP,
	O_UDP_SINK,
	O_BIND,
	O_READY,
	O_INTERVAL_MS,
	O_DURATION,
	O_RECONNECT,
	O_IF,
	O_OUT,
	O_DIRECTION,
	O_SIZE,
	O_FLOWS,
	O_RATE,
	O_ORDER,
	O_SPORT,
	O_MTU,
	O_NO_REPLY,
};

static const struct option long_options[] = {
	{"dst", required_argument, NULL, O_DST},
	{"port", required_argument, NULL, O_PORT},
	{"count", required_argument, NULL, O_COUNT},
	{"proto", required_argument, NULL, O_PROTO},
	{"src-base", required_argument, NULL, O_SRC_BASE},
	{"src-count", required_argument, NULL, O_SRC_COUNT},
	{"sport-base", required_argument, NULL, O_SPORT_BASE},
	{"sport-count", required_argument, NULL, O_SPORT_COUNT},
	{"parallel", required_argument, NULL, O_PARALLEL},
	{"timeout-ms", required_argument, NULL, O_TIMEOUT_MS},
	{"rst", no_argument, NULL, O_RST},
	{"tcp", required_argument, NULL, O_TCP},
	{"udp", required_argument, NULL, O_UDP},
	{"http", required_argument, NULL, O_HTTP},
	{"udp-sink", required_argument, NULL, O_UDP_SINK},
	{"bind", required_argument, NULL, O_BIND},
	{"ready", required_argument, NULL, O_READY},
	{"interval-ms", required_argument, NULL, O_INTERVAL_MS},
	{"duration", required_argument, NULL, O_DURATION},
	{"reconnect", no_argument, NULL, O_RECONNECT},
	{"if", required_argument, NULL, O_IF},
	{"out", required_argument, NULL, O_OUT},
	{"direction", required_argument, NULL, O_DIRECTION},
	{"size", required_argument, NULL, O_SIZE},
	{"flows", required_argument, NULL, O_FLOWS},
	{"rate", required_argument, NULL, O_RATE},
	{"order", required_argument, NULL, O_ORDER},
	{"sport", required_argument, NULL, O_SPORT},
	{"mtu", required_argument, NULL, O_MTU},
	{"no-reply", no_argument, NULL, O_NO_REPLY},
	{NULL, 0, NULL, 0},
};

static uint64_t parse_u64(const char *what, const char *s, uint64_t min, uint64_t max)
{
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(s, &end, 10);
	if (errno || end == s || *end || s[0] < '0' || s[0] > '9' || v < min || v > max)
		die("--%s '%s': not a number from %llu to %llu", what, s, (unsigned long long)min,
			(unsigned long long)max);
	return v;
}

static unsigned int parse_uint(const char *what, const char *s, unsigned int min, unsigned int max)
{
	return (unsigned int)parse_u64(what, s, min, max);
}

/* "P" or "P-Q". */
static struct range parse_ports(const char *what, const char *s)
{
	struct range r = {.count = 1};
	const char *dash = strchr(s, '-');
	char first[8];

	if (!dash) {
		r.first = parse_uint(what, s, 1, 65535);
		return r;
	}
	if ((size_t)(dash - s) >= sizeof(first))
		die("--%s '%s': not a port range", what, s);
	memcpy(first, s, (size_t)(dash - s));
	first[dash - s] = '\0';
	r.first = parse_uint(what, first, 1, 65535);
	r.count = parse_uint(what, dash + 1, r.first, 65535) - r.first + 1;
	return r;
}

static void parse_ips(const char *s, struct ip_addr *list, unsigned int *n)
{
	char *copy = strdup(s), *save = NULL, *word;

	if (!copy)
		die("out of memory");
	for (word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		if (*n == MAX_LIST)
			die("'%s': more than %d addresses", s, MAX_LIST);
		list[(*n)++] = ip_parse(word);
	}
	free(copy);
}

static void parse_src_base(struct opts *o, const char *s)
{
	struct ip_addr list[MAX_LIST];
	unsigned int n = 0, i;

	parse_ips(s, list, &n);
	for (i = 0; i < n; i++)
		*(list[i].family == AF_INET ? &o->src4 : &o->src6) = list[i];
}

/* One of two words: returns false for `first`, true for `second`. */
static bool parse_word(const char *what, const char *s, const char *first, const char *second)
{
	if (strcmp(s, first) == 0)
		return false;
	if (strcmp(s, second) == 0)
		return true;
	die("--%s '%s': neither %s nor %s", what, s, first, second);
}

static void set_option(struct opts *o, int id, const char *name, const char *arg)
{
	switch (id) {
	case O_DST:
		parse_ips(arg, o->dst, &o->dst_n);
		break;
	case O_BIND:
		parse_ips(arg, o->bind, &o->bind_n);
		break;
	case O_SRC_BASE:
		parse_src_base(o, arg);
		break;
	case O_PORT:
		o->port = parse_ports(name, arg);
		break;
	case O_TCP:
		o->tcp = parse_ports(name, arg);
		break;
	case O_UDP:
		o->udp = parse_ports(name, arg);
		break;
	case O_HTTP:
		o->http = parse_ports(name, arg);
		break;
	case O_UDP_SINK:
		o->sink = parse_ports(name, arg);
		break;
	case O_SPORT_BASE:
	case O_SPORT:
		o->sport.first = parse_uint(name, arg, 1, 65535);
		break;
	case O_SPORT_COUNT:
		o->sport.count = parse_uint(name, arg, 1, 65535);
		o->sport_count_given = true;
		break;
	case O_COUNT:
		o->count = parse_u64(name, arg, 1, 100000000);
		break;
	case O_SRC_COUNT:
		o->src_count = parse_uint(name, arg, 1, 1U << 24);
		break;
	case O_PARALLEL:
		o->parallel = parse_uint(name, arg, 1, 60000);
		break;
	case O_TIMEOUT_MS:
		o->timeout_ms = parse_uint(name, arg, 1, 600000);
		break;
	case O_INTERVAL_MS:
		o->interval_ms = parse_uint(name, arg, HOLD_TICK_MS, 60000);
		break;
	case O_DURATION:
		o->duration_s = parse_uint(name, arg, 1, 86400);
		break;
	case O_SIZE:
		o->size = parse_uint(name, arg, 1, 60000);
		break;
	case O_FLOWS:
		o->flows = parse_uint(name, arg, 1, 60000);
		break;
	case O_RATE:
		o->rate = parse_uint(name, arg, 1, 100000000);
		break;
	case O_MTU:
		o->mtu = parse_uint(name, arg, 576, 65535);
		break;
	case O_PROTO:
		o->is_udp = parse_word(name, arg, "tcp", "udp");
		break;
	case O_ORDER:
		o->reverse = parse_word(name, arg, "normal", "reverse");
		break;
	case O_DIRECTION:
		o->in = parse_word(name, arg, "out", "in");
		break;
	case O_RST:
		o->rst = true;
		break;
	case O_RECONNECT:
		o->reconnect = true;
		break;
	case O_NO_REPLY:
		o->no_reply = true;
		break;
	case O_IF:
		o->ifs = arg;
		break;
	case O_OUT:
		o->out = arg;
		break;
	case O_READY:
		o->ready = arg;
		break;
	}
}

static bool word_in(const char *words, const char *word)
{
	size_t len = strlen(word);
	const char *p;

	for (p = words; (p = strstr(p, word)); p += len) {
		if ((p == words || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0'))
			return true;
	}
	return false;
}

/* `allowed` names the options this command knows. Words that follow --bind are addresses. */
static void parse_options(struct opts *o, int argc, char **argv, const char *allowed)
{
	int id, index = 0;

	while ((id = getopt_long(argc, argv, "", long_options, &index)) != -1) {
		if (id == '?')
			exit(2);
		if (!word_in(allowed, long_options[index].name))
			die("--%s: not an option of this command", long_options[index].name);
		set_option(o, id, long_options[index].name, optarg);
	}
	if (optind < argc && !word_in(allowed, "bind"))
		die("'%s': unexpected word", argv[optind]);
	for (; optind < argc; optind++)
		parse_ips(argv[optind], o->bind, &o->bind_n);
}

static void need_target(const struct opts *o)
{
	if (!o->dst_n)
		die("--dst ADDRESS is missing");
	if (!o->port.count)
		die("--port PORT is missing");
}

/* ------------------------------------------------------------------ tuples of flow number n */

struct tuple {
	struct ip_addr src; /* family 0: the kernel's choice */
	struct ip_addr dst;
	unsigned int sport; /* 0: the kernel's choice */
	unsigned int dport;
};

/*
 * Source addresses turn fastest, then destinations, then destination ports. Source ports count up
 * with every flow, or, with --sport-count, turn slowest; so all tuples differ as long as possible.
 */
static struct tuple tuple_of(const struct opts *o, uint64_t n)
{
	struct tuple t;
	uint64_t rest = n;
	uint32_t k = (uint32_t)(rest % o->src_count);

	rest /= o->src_count;
	t.dst = o->dst[rest % o->dst_n];
	rest /= o->dst_n;
	t.dport = o->port.first + (unsigned int)(rest % o->port.count);
	rest /= o->port.count;
	t.src = t.dst.family == AF_INET ? o->src4 : o->src6;
	if (t.src.family)
		t.src = ip_add(t.src, k);
	t.sport = 0;
	if (o->sport.first) {
		unsigned int room = 65536 - o->sport.first;

		if (o->sport_count_given)
			t.sport = o->sport.first + (unsigned int)(rest % o->sport.count) % room;
		else
			t.sport = o->sport.first + (unsigned int)(n % room);
	}
	return t;
}

/* Opens, binds and connects (TCP: starts to connect). Returns the socket or -errno. */
static int open_flow(const struct tuple *t, int type)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int fd, err;

	fd = socket(t->dst.family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, type == SOCK_STREAM);
	if (t->src.family || t->sport) {
		struct ip_addr src = t->src;

		if (!src.family)
			src.family = t->dst.family;
		if (!t->sport)
			set_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
		set_int(fd, IPPROTO_IP, IP_FREEBIND, 1);
		len = ip_sockaddr(src, t->sport, &ss);
		if (bind(fd, (struct sockaddr *)&ss, len)) {
			err = -errno;
			close(fd);
			return err;
		}
	}
	len = ip_sockaddr(t->dst, t->dport, &ss);
	if (connect(fd, (struct sockaddr *)&ss, len) && errno != EINPROGRESS) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static void close_rst(int fd)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}

static int socket_error(int fd)
{
	int err = 0;
	socklen_t len = sizeof(err);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	return err;
}

/* ------------------------------------------------------------------ serve */

enum node_kind {
	NODE_SIGNAL,
	NODE_TCP_LISTEN,
	NODE_HTTP_LISTEN,
	NODE_UDP,
	NODE_SINK,
	NODE_ECHO,
	NODE_HTTP,
};

/* One descriptor of the server: a listener, a datagram socket or a connection. */
struct node {
	enum node_kind kind;
	int fd;
	unsigned int port;
	uint64_t packets, bytes; /* what a sink has counted */
	char peer[64];		 /* "address port" */
	char *buf;		 /* request being read, or output that did not fit */
	size_t off, len;
	uint64_t body_left, body_off;
	uint64_t rate, start_ms, sent; /* bytes per second, 0: as fast as it goes */
	bool eof, responding, waiting_for_tick;
	struct node *next_slow, *next_sink;
};

struct server {
	int epoll_fd;
	struct node *slow; /* connections that wait for the clock */
	struct node *sinks;
	char body[65536];
};

static void node_watch(struct server *s, struct node *n, int op, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = n};

	if (epoll_ctl(s->epoll_fd, op, n->fd, &ev))
		die("epoll_ctl: %s", strerror(errno));
}

static struct node *node_new(struct server *s, enum node_kind kind, int fd, unsigned int port)
{
	struct node *n = xcalloc(1, sizeof(*n));

	n->kind = kind;
	n->fd = fd;
	n->port = port;
	node_watch(s, n, EPOLL_CTL_ADD, EPOLLIN);
	return n;
}

static void node_free(struct server *s, struct node *n)
{
	struct node **p;

	for (p = &s->slow; *p; p = &(*p)->next_slow) {
		if (*p == n) {
			*p = n->next_slow;
			break;
		}
	}
	close(n->fd);
	free(n->buf);
	free(n);
}

static int listen_socket(const struct ip_addr *bind_to, unsigned int port, int type)
{
	struct sockaddr_storage ss;
	struct ip_addr any = {.family = AF_INET6};
	struct ip_addr ip = bind_to ? *bind_to : any;
	socklen_t len;
	int fd;

	fd = socket(ip.family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 && !bind_to) {
		ip = (struct ip_addr){.family = AF_INET};
		fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	}
	if (fd < 0)
		die("socket: %s", strerror(errno));
	if (ip.family == AF_INET6) {
		set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, bind_to != NULL);
		set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	} else {
		set_int(fd, IPPROTO_IP, IP_PKTINFO, 1);
	}
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, type == SOCK_STREAM);
	if (type == SOCK_DGRAM) {
		set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20);
		set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, 8 << 20);
	}
	len = ip_sockaddr(ip, port, &ss);
	if (bind(fd, (struct sockaddr *)&ss, len))
		die("bind %s port %u: %s", ip_str(ip), port, strerror(errno));
	if (type == SOCK_STREAM && listen(fd, 65535))
		die("listen: %s", strerror(errno));
	return fd;
}

static void serve_ports(
	struct server *s, const struct opts *o, struct range ports, enum node_kind kind, int type)
{
	unsigned int p, b, turns = o->bind_n ? o->bind_n : 1;
	struct node *n;

	for (p = ports.first; p < ports.first + ports.count; p++) {
		for (b = 0; b < turns; b++) {
			n = node_new(
				s, kind, listen_socket(o->bind_n ? &o->bind[b] : NULL, p, type), p);
			if (kind == NODE_SINK) {
				n->next_sink = s->sinks;
				s->sinks = n;
			}
		}
	}
}

static void sinks_print(const struct server *s)
{
	const struct node *n;

	for (n = s->sinks; n; n = n->next_sink)
		printf("sink %u %llu %llu\n", n->port, (unsigned long long)n->packets,
			(unsigned long long)n->bytes);
	fflush(stdout);
}

/* The control data of a datagram, reduced to "answer from the address it was sent to". */
static void pktinfo_for_reply(struct msghdr *msg)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
			((struct in6_pktinfo *)CMSG_DATA(c))->ipi6_ifindex = 0;
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo *info = (struct in_pktinfo *)CMSG_DATA(c);

			info->ipi_ifindex = 0;
			info->ipi_spec_dst = info->ipi_addr;
		}
	}
}

/* Returns the length of the answer to sink queries, 0 for datagrams that are only counted. */
static size_t sink_datagram(struct node *n, const char *data, size_t len, char *out, size_t room)
{
	if (len == 5 && memcmp(data, "RESET", 5) == 0)
		n->packets = n->bytes = 0;
	else if (len != 5 || memcmp(data, "COUNT", 5) != 0) {
		n->packets++;
		n->bytes += len;
		return 0;
	}
	return (size_t)snprintf(out, room, "%llu %llu\n", (unsigned long long)n->packets,
		(unsigned long long)n->bytes);
}

static size_t echo_datagram(
	const struct sockaddr_storage *from, const char *data, size_t len, char *out)
{
	unsigned int port;
	struct ip_addr ip = ip_from_sockaddr(from, &port);
	size_t head = (size_t)snprintf(out, 80, "%s %u ", ip_str(ip), port);

	if (len > IP_MAX_DATAGRAM - head)
		len = IP_MAX_DATAGRAM - head;
	memcpy(out + head, data, len);
	return head + len;
}

static void serve_datagrams(struct node *n)
{
	static char in[UDP_MAX], out[UDP_MAX];
	char control[128];
	struct sockaddr_storage from;
	int turn;

	for (turn = 0; turn < 1024; turn++) {
		struct iovec iov = {.iov_base = in, .iov_len = sizeof(in)};
		struct msghdr msg = {.msg_name = &from,
			.msg_namelen = sizeof(from),
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control)};
		ssize_t got = recvmsg(n->fd, &msg, 0);
		size_t len;

		if (got < 0)
			return;
		if (n->kind == NODE_SINK)
			len = sink_datagram(n, in, (size_t)got, out, sizeof(out));
		else
			len = echo_datagram(&from, in, (size_t)got, out);
		if (!len)
			continue;
		pktinfo_for_reply(&msg);
		iov = (struct iovec){.iov_base = out, .iov_len = len};
		sendmsg(n->fd, &msg, MSG_DONTWAIT);
	}
}

/* Keeps what a socket did not take. */
static void node_keep(struct node *n, const char *data, size_t len)
{
	free(n->buf);
	n->buf = xcalloc(1, len);
	memcpy(n->buf, data, len);
	n->off = 0;
	n->len = len;
}

/* Returns false when the connection is over. */
static bool node_flush(struct node *n)
{
	while (n->off < n->len) {
		ssize_t put = send(n->fd, n->buf + n->off, n->len - n->off, MSG_NOSIGNAL);

		if (put < 0)
			return errno == EAGAIN;
		n->off += (size_t)put;
	}
	free(n->buf);
	n->buf = NULL;
	n->off = n->len = 0;
	return true;
}

static bool serve_echo(struct server *s, struct node *n)
{
	static char data[65536];
	ssize_t got, put;

	if (!node_flush(n))
		return false;
	if (n->buf)
		return true;
	got = recv(n->fd, data, sizeof(data), 0);
	if (got == 0)
		return false;
	if (got < 0 && errno != EAGAIN)
		return false;
	if (got > 0) {
		put = send(n->fd, data, (size_t)got, MSG_NOSIGNAL);
		if (put < 0 && errno != EAGAIN)
			return false;
		if (put < 0)
			put = 0;
		if (put < got)
			node_keep(n, data + put, (size_t)(got - put));
	}
	node_watch(s, n, EPOLL_CTL_MOD, n->buf ? EPOLLOUT : EPOLLIN);
	return true;
}

static void http_answer(struct node *n, const char *request)
{
	unsigned long long bytes = 0, rate = 0;
	char head[256], body[96] = "";
	const char *status = "200 OK";
	int len;

	if (sscanf(request, "GET /slow/%llu/%llu", &bytes, &rate) == 2 && rate) {
		n->body_left = bytes;
		n->rate = rate;
	} else if (sscanf(request, "GET /bytes/%llu", &bytes) == 1) {
		n->body_left = bytes;
	} else if (strncmp(request, "GET / ", 6) == 0) {
		snprintf(body, sizeof(body), "%.*s\n", (int)strcspn(n->peer, " "), n->peer);
		bytes = strlen(body);
	} else {
		status = "404 Not Found";
		bytes = 0;
	}
	len = snprintf(head, sizeof(head),
		"HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %llu\r\n"
		"Connection: close\r\n\r\n%s",
		status, bytes, body);
	node_keep(n, head, (size_t)len);
	n->responding = true;
	n->start_ms = now_ms();
}

/* Reads the request; returns false when the connection is over. */
static bool http_read(struct node *n)
{
	ssize_t got;

	if (!n->buf)
		n->buf = xcalloc(1, MAX_HTTP_REQUEST + 1);
	got = recv(n->fd, n->buf + n->len, MAX_HTTP_REQUEST - n->len, 0);
	if (got < 0)
		return errno == EAGAIN;
	n->len += (size_t)got;
	n->buf[n->len] = '\0';
	if (strstr(n->buf, "\r\n\r\n") || strstr(n->buf, "\n\n")) {
		char *request = strdup(n->buf);

		if (!request)
			die("out of memory");
		http_answer(n, request);
		free(request);
		return true;
	}
	return got > 0 && n->len < MAX_HTTP_REQUEST;
}

/* How much of the body may be sent by now. */
static uint64_t http_allowance(const struct node *n)
{
	uint64_t due;

	if (!n->rate)
		return n->body_left;
	due = (now_ms() - n->start_ms) * n->rate / 1000;
	due = due > n->sent ? due - n->sent : 0;
	return due < n->body_left ? due : n->body_left;
}

static void node_slow(struct server *s, struct node *n)
{
	node_watch(s, n, EPOLL_CTL_MOD, 0);
	if (n->waiting_for_tick)
		return;
	n->waiting_for_tick = true;
	n->next_slow = s->slow;
	s->slow = n;
}

static bool serve_http(struct server *s, struct node *n, uint32_t events)
{
	if (!n->responding && !http_read(n))
		return false;
	if (!n->responding)
		return true;
	if (events & (EPOLLHUP | EPOLLERR))
		return false;
	if (!node_flush(n))
		return false;
	while (!n->buf && n->body_left) {
		size_t at = n->body_off % sizeof(s->body);
		uint64_t len = http_allowance(n);
		ssize_t put;

		if (!len) {
			node_slow(s, n);
			return true;
		}
		if (len > sizeof(s->body) - at)
			len = sizeof(s->body) - at;
		put = send(n->fd, s->body + at, (size_t)len, MSG_NOSIGNAL);
		if (put < 0 && errno != EAGAIN)
			return false;
		if (put < 0)
			break;
		n->body_left -= (uint64_t)put;
		n->body_off += (uint64_t)put;
		n->sent += (uint64_t)put;
	}
	if (!n->buf && !n->body_left) {
		shutdown(n->fd, SHUT_WR);
		return false;
	}
	node_watch(s, n, EPOLL_CTL_MOD, EPOLLOUT);
	return true;
}

static void serve_accept(struct server *s, const struct node *listener)
{
	int turn;

	for (turn = 0; turn < 256; turn++) {
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		unsigned int port;
		struct node *n;
		struct ip_addr ip;
		int fd = accept4(
			listener->fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			/* Out of descriptors: the clients wait in the backlog, without a busy loop.
			 */
			if (errno == EMFILE || errno == ENFILE)
				nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
			return;
		}
		set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
		ip = ip_from_sockaddr(&ss, &port);
		n = node_new(s, listener->kind == NODE_HTTP_LISTEN ? NODE_HTTP : NODE_ECHO, fd, 0);
		len = (socklen_t)snprintf(n->peer, sizeof(n->peer), "%s %u\n", ip_str(ip), port);
		if (n->kind == NODE_ECHO && send(fd, n->peer, len, MSG_NOSIGNAL) != (ssize_t)len)
			node_free(s, n);
	}
}

/* Returns false when the server is asked to end. */
static bool serve_event(struct server *s, struct node *n, uint32_t events)
{
	bool alive = true;
	int sig;

	switch (n->kind) {
	case NODE_SIGNAL:
		while ((sig = next_signal(n->fd))) {
			sinks_print(s);
			if (sig != SIGUSR1)
				return false;
		}
		return true;
	case NODE_TCP_LISTEN:
	case NODE_HTTP_LISTEN:
		serve_accept(s, n);
		return true;
	case NODE_UDP:
	case NODE_SINK:
		serve_datagrams(n);
		return true;
	case NODE_ECHO:
		alive = serve_echo(s, n);
		break;
	case NODE_HTTP:
		alive = serve_http(s, n, events);
		break;
	}
	if (!alive)
		node_free(s, n);
	return true;
}

static void serve_tick(struct server *s)
{
	struct node *n = s->slow, *next;

	s->slow = NULL;
	for (; n; n = next) {
		next = n->next_slow;
		n->next_slow = NULL;
		n->waiting_for_tick = false;
		if (!serve_http(s, n, 0))
			node_free(s, n);
	}
}

static void touch(const char *path)
{
	FILE *f = fopen(path, "w");

	if (!f)
		die("%s: %s", path, strerror(errno));
	fprintf(f, "%d\n", (int)getpid());
	fclose(f);
}

static int cmd_serve(struct opts *o)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGUSR1};
	struct server *s = xcalloc(1, sizeof(*s));
	struct epoll_event events[MAX_EVENTS];
	size_t at;
	int i, n;

	if (!o->tcp.count && !o->udp.count && !o->http.count && !o->sink.count)
		die("nothing to serve: give --tcp, --udp, --http or --udp-sink");
	raise_nofile();
	for (at = 0; at < sizeof(s->body); at++)
		s->body[at] = "0123456789abcdef"[at % 16];
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll_fd < 0)
		die("epoll: %s", strerror(errno));
	node_new(s, NODE_SIGNAL, open_signals(signals, ARRAY_LEN(signals)), 0);
	serve_ports(s, o, o->tcp, NODE_TCP_LISTEN, SOCK_STREAM);
	serve_ports(s, o, o->http, NODE_HTTP_LISTEN, SOCK_STREAM);
	serve_ports(s, o, o->udp, NODE_UDP, SOCK_DGRAM);
	serve_ports(s, o, o->sink, NODE_SINK, SOCK_DGRAM);
	if (o->ready)
		touch(o->ready);
	for (;;) {
		n = epoll_wait(s->epoll_fd, events, MAX_EVENTS, s->slow ? 10 : -1);
		for (i = 0; i < n; i++) {
			if (!serve_event(s, events[i].data.ptr, events[i].events))
				return 0;
		}
		if (s->slow)
			serve_tick(s);
	}
}

/* ------------------------------------------------------------------ connect */

struct flow {
	int fd; /* -1: free */
	uint64_t deadline_ms;
	struct tuple t;
	unsigned int len;
	char line[96];
};

struct connector {
	const struct opts *o;
	int epoll_fd;
	struct flow *flows;
	unsigned int busy;
	uint64_t started, ok, failed;
};

static void flow_fail(struct connector *c, const struct tuple *t, int err)
{
	printf("FAIL %s %s %u %s %u\n", err_name(err), ip_str(t->src), t->sport, ip_str(t->dst),
		t->dport);
	c->failed++;
}

static void flow_end(struct connector *c, struct flow *f, int err)
{
	if (err) {
		flow_fail(c, &f->t, err);
	} else {
		char seen[64] = "?", *port = NULL;

		f->line[f->len < sizeof(f->line) ? f->len : sizeof(f->line) - 1] = '\0';
		snprintf(seen, sizeof(seen), "%.*s", (int)strcspn(f->line, " \n"), f->line);
		port = strchr(f->line, ' ');
		printf("%s %u %s %u %s %lu\n", ip_str(f->t.src), f->t.sport, ip_str(f->t.dst),
			f->t.dport, seen, port ? strtoul(port, NULL, 10) : 0);
		c->ok++;
	}
	if (c->o->rst && !c->o->is_udp)
		close_rst(f->fd);
	else
		close(f->fd);
	f->fd = -1;
	c->busy--;
}

static void flow_start(struct connector *c, struct flow *f)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = f};
	uint64_t n = c->started++;
	char payload[32];
	int fd, len;

	f->t = tuple_of(c->o, n);
	fd = open_flow(&f->t, c->o->is_udp ? SOCK_DGRAM : SOCK_STREAM);
	if (fd < 0) {
		flow_fail(c, &f->t, -fd);
		return;
	}
	f->fd = fd;
	f->len = 0;
	f->deadline_ms = now_ms() + c->o->timeout_ms;
	f->t.src = local_of(fd, &f->t.sport);
	c->busy++;
	if (epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &ev))
		die("epoll_ctl: %s", strerror(errno));
	if (!c->o->is_udp)
		return;
	len = snprintf(payload, sizeof(payload), "%llu", (unsigned long long)n);
	if (send(fd, payload, (size_t)len, 0) < 0)
		flow_end(c, f, errno);
}

static void flow_event(struct connector *c, struct flow *f)
{
	ssize_t got = recv(f->fd, f->line + f->len, sizeof(f->line) - 1 - f->len, 0);

	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0) {
		flow_end(c, f, got < 0 ? errno : EPIPE);
		return;
	}
	f->len += (unsigned int)got;
	if (c->o->is_udp || memchr(f->line, '\n', f->len) || f->len == sizeof(f->line) - 1)
		flow_end(c, f, 0);
}

static void flows_expire(struct connector *c)
{
	uint64_t now = now_ms();
	unsigned int i;

	for (i = 0; i < c->o->parallel; i++) {
		struct flow *f = &c->flows[i];

		if (f->fd >= 0 && now >= f->deadline_ms)
			flow_end(c, f, ETIMEDOUT);
	}
}

static void flows_fill(struct connector *c)
{
	unsigned int i;

	for (i = 0; i < c->o->parallel && c->started < c->o->count; i++) {
		/* A flow that fails at once leaves its place free for the next one. */
		while (c->flows[i].fd < 0 && c->started < c->o->count)
			flow_start(c, &c->flows[i]);
	}
}

static int cmd_connect(struct opts *o)
{
	struct connector c = {.o = o};
	struct epoll_event events[MAX_EVENTS];
	uint64_t start = now_ms(), last_scan = start;
	unsigned int i;
	int k, n;

	need_target(o);
	need_files(o->parallel);
	c.flows = xcalloc(o->parallel, sizeof(*c.flows));
	for (i = 0; i < o->parallel; i++)
		c.flows[i].fd = -1;
	c.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (c.epoll_fd < 0)
		die("epoll: %s", strerror(errno));
	flows_fill(&c);
	while (c.busy || c.started < o->count) {
		n = epoll_wait(c.epoll_fd, events, MAX_EVENTS, 20);
		for (k = 0; k < n; k++)
			flow_event(&c, events[k].data.ptr);
		if (now_ms() - last_scan >= 20) {
			last_scan = now_ms();
			flows_expire(&c);
		}
		flows_fill(&c);
	}
	fprintf(stderr, "connect: %llu ok, %llu failed, %.3f s\n", (unsigned long long)c.ok,
		(unsigned long long)c.failed, (double)(now_ms() - start) / 1000);
	free(c.flows);
	close(c.epoll_fd);
	return c.failed ? 1 : 0;
}

/* ------------------------------------------------------------------ hold */

enum hold_state {
	HOLD_CONNECTING,
	HOLD_GREETING, /* connected, the server's line has not come yet */
	HOLD_ACTIVE,
	HOLD_WAITING, /* broken, to be opened again */
	HOLD_BROKEN,  /* broken for good */
};

/*
 * One long-lived connection. What it sends is a pure function of the offset in the connection, so
 * each echoed byte is checked without keeping it.
 */
struct hold {
	enum hold_state state;
	int fd;
	struct tuple want, t;
	char line[96]; /* the server's greeting while it comes in */
	unsigned int line_len;
	char seen[64], seen_after[64]; /* source address at the beginning, and after reconnecting */
	unsigned int seen_port;
	uint64_t due, tx, rx; /* bytes: to be sent by now, sent, echoed and checked */
	uint64_t bytes;	      /* echoed on earlier connections */
	uint64_t next_send_ms, last_rx_ms, progress_ms, retry_ms;
	uint64_t broke_ms; /* when it broke last */
	int error;	   /* why it broke first */
	bool ever_broke, ever_back;
	uint64_t first_broke_ms, reconnect_ms, max_gap_ms;
	unsigned int reconnects;
};

struct holder {
	const struct opts *o;
	int epoll_fd;
	struct hold *holds;
	uint64_t opened; /* of o->count */
	uint64_t start_ms;
	bool ending;
};

static char hold_byte(uint64_t offset)
{
	char record[HOLD_RECORD + 8];

	snprintf(record, sizeof(record), "%015llu\n", (unsigned long long)(offset / HOLD_RECORD));
	return record[offset % HOLD_RECORD];
}

static void hold_fill(char *out, uint64_t offset, size_t len)
{
	char record[HOLD_RECORD + 8] = "";
	size_t i;

	for (i = 0; i < len; i++, offset++) {
		if (i == 0 || offset % HOLD_RECORD == 0)
			snprintf(record, sizeof(record), "%015llu\n",
				(unsigned long long)(offset / HOLD_RECORD));
		out[i] = record[offset % HOLD_RECORD];
	}
}

static void hold_break(struct holder *h, struct hold *c, int err)
{
	uint64_t now = now_ms();

	if (c->fd >= 0)
		close_rst(c->fd);
	c->fd = -1;
	if (c->state != HOLD_WAITING && (c->state == HOLD_ACTIVE || !c->ever_broke)) {
		c->broke_ms = now;
		if (!c->ever_broke) {
			c->ever_broke = true;
			c->error = err;
			c->first_broke_ms = now - h->start_ms;
		}
	}
	c->bytes += c->rx;
	c->due = c->tx = c->rx = 0;
	c->state = h->o->reconnect && !h->ending ? HOLD_WAITING : HOLD_BROKEN;
	c->retry_ms = now + 100;
}

static void hold_open(struct holder *h, struct hold *c)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
	struct tuple t = c->want;
	int fd;

	if (c->ever_broke)
		t.sport = 0; /* the old port may still be known to the server */
	c->line_len = 0;
	c->state = HOLD_CONNECTING;
	c->progress_ms = now_ms();
	c->t = t;
	fd = open_flow(&t, SOCK_STREAM);
	if (fd < 0) {
		hold_break(h, c, -fd);
		return;
	}
	c->fd = fd;
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	c->t.src = local_of(fd, &c->t.sport);
	if (epoll_ctl(h->epoll_fd, EPOLL_CTL_ADD, fd, &ev))
		die("epoll_ctl: %s", strerror(errno));
}

static void hold_alive(struct hold *c)
{
	uint64_t now = now_ms();

	if (c->last_rx_ms && now - c->last_rx_ms > c->max_gap_ms)
		c->max_gap_ms = now - c->last_rx_ms;
	c->last_rx_ms = c->progress_ms = now;
}

/* The greeting "ADDRESS PORT\n" is complete. */
static void hold_greeted(struct hold *c)
{
	char *seen = c->ever_broke ? c->seen_after : c->seen;
	char *port = strchr(c->line, ' ');

	snprintf(seen, sizeof(c->seen), "%.*s", (int)strcspn(c->line, " \n"), c->line);
	c->seen_port = port ? (unsigned int)strtoul(port, NULL, 10) : 0;
	c->state = HOLD_ACTIVE;
	c->next_send_ms = now_ms();
	if (c->ever_broke) {
		uint64_t took = now_ms() - c->broke_ms;

		c->ever_back = true;
		c->reconnects++;
		if (took > c->reconnect_ms)
			c->reconnect_ms = took;
	}
}

static int hold_take(struct hold *c, const char *data, size_t len)
{
	size_t i = 0;

	while (c->state == HOLD_GREETING && i < len) {
		if (c->line_len == sizeof(c->line) - 1)
			return EPROTO;
		c->line[c->line_len++] = data[i];
		c->line[c->line_len] = '\0';
		if (data[i++] == '\n')
			hold_greeted(c);
	}
	for (; i < len; i++, c->rx++) {
		if (c->rx >= c->tx || data[i] != hold_byte(c->rx))
			return EILSEQ;
	}
	return 0;
}

static void hold_event(struct holder *h, struct hold *c, uint32_t events)
{
	char data[16384];
	ssize_t got;
	int err;

	if (c->fd < 0)
		return;
	if (c->state == HOLD_CONNECTING) {
		struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};

		err = socket_error(c->fd);
		if (err) {
			hold_break(h, c, err);
			return;
		}
		if (!(events & EPOLLOUT))
			return;
		c->state = HOLD_GREETING;
		epoll_ctl(h->epoll_fd, EPOLL_CTL_MOD, c->fd, &ev);
	}
	if (!(events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
		return;
	got = recv(c->fd, data, sizeof(data), 0);
	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0) {
		hold_break(h, c, got < 0 ? errno : EPIPE);
		return;
	}
	hold_alive(c);
	err = hold_take(c, data, (size_t)got);
	if (err)
		hold_break(h, c, err);
}

static void hold_send(struct holder *h, struct hold *c, uint64_t now)
{
	char data[4096];
	ssize_t put;
	size_t len;

	if (!h->ending && now >= c->next_send_ms) {
		if (c->tx == c->rx)
			c->progress_ms = now;
		c->due += h->o->size;
		c->next_send_ms = now + h->o->interval_ms;
	}
	while (c->tx < c->due) {
		len = c->due - c->tx < sizeof(data) ? (size_t)(c->due - c->tx) : sizeof(data);
		hold_fill(data, c->tx, len);
		put = send(c->fd, data, len, MSG_NOSIGNAL);
		if (put < 0 && errno != EAGAIN)
			hold_break(h, c, errno);
		if (put <= 0)
			return;
		c->tx += (uint64_t)put;
	}
}

static void hold_tick(struct holder *h, struct hold *c)
{
	uint64_t now = now_ms();
	uint64_t limit = h->o->timeout_ms;

	switch (c->state) {
	case HOLD_CONNECTING:
	case HOLD_GREETING:
		/* While reconnecting a fresh attempt, with a fresh port, is worth more than
		 * patience. */
		if (c->ever_broke && limit > 1000)
			limit = 1000;
		if (now - c->progress_ms > limit)
			hold_break(h, c, ETIMEDOUT);
		return;
	case HOLD_ACTIVE:
		hold_send(h, c, now);
		if (c->state == HOLD_ACTIVE && c->due > c->rx && now - c->progress_ms > limit)
			hold_break(h, c, ETIMEDOUT);
		return;
	case HOLD_WAITING:
		if (now >= c->retry_ms)
			hold_open(h, c);
		return;
	case HOLD_BROKEN:
		return;
	}
}

static void hold_print_one(const struct hold *c, bool first)
{
	printf("%s{\"src\":\"%s\",\"sport\":%u,\"dst\":\"%s\",\"dport\":%u,", first ? "" : ",",
		ip_str(c->t.src), c->t.sport, ip_str(c->t.dst), c->t.dport);
	printf("\"seen\":\"%s\",\"seen_port\":%u,\"alive\":%s,\"bytes\":%llu,\"max_gap_ms\":%llu",
		c->seen, c->seen_port, c->state == HOLD_ACTIVE ? "true" : "false",
		(unsigned long long)(c->bytes + c->rx), (unsigned long long)c->max_gap_ms);
	if (c->ever_broke)
		printf(",\"error\":\"%s\",\"broke_ms\":%llu", err_name(c->error),
			(unsigned long long)c->first_broke_ms);
	if (c->ever_back)
		printf(",\"reconnects\":%u,\"reconnect_ms\":%llu,\"seen_after\":\"%s\"",
			c->reconnects, (unsigned long long)c->reconnect_ms, c->seen_after);
	printf("}");
}

/* One line of JSON. Returns true if every connection lives and none broke for good. */
static bool hold_print(const struct holder *h)
{
	uint64_t i, alive = 0, broken = 0, reconnected = 0, connecting = 0, gap = 0;

	for (i = 0; i < h->o->count; i++) {
		const struct hold *c = &h->holds[i];

		alive += c->state == HOLD_ACTIVE;
		connecting += c->state == HOLD_CONNECTING || c->state == HOLD_GREETING;
		broken += c->ever_broke;
		reconnected += c->ever_back;
		if (c->max_gap_ms > gap)
			gap = c->max_gap_ms;
	}
	printf("{\"alive\":%llu,\"broken\":%llu,\"reconnected\":%llu,\"connecting\":%llu,"
	       "\"max_gap_ms\":%llu,\"connections\":[",
		(unsigned long long)alive, (unsigned long long)broken,
		(unsigned long long)reconnected, (unsigned long long)connecting,
		(unsigned long long)gap);
	for (i = 0; i < h->o->count; i++)
		hold_print_one(&h->holds[i], i == 0);
	puts("]}");
	fflush(stdout);
	return alive == h->o->count;
}

static bool hold_all_echoed(const struct holder *h)
{
	uint64_t i;

	for (i = 0; i < h->o->count; i++) {
		if (h->holds[i].state == HOLD_ACTIVE && h->holds[i].rx < h->holds[i].due)
			return false;
	}
	return true;
}

static void hold_turn(struct holder *h)
{
	struct epoll_event events[MAX_EVENTS];
	uint64_t i;
	int k, n;

	n = epoll_wait(h->epoll_fd, events, MAX_EVENTS, HOLD_TICK_MS);
	for (k = 0; k < n; k++)
		hold_event(h, events[k].data.ptr, events[k].events);
	for (i = 0; i < h->opened; i++)
		hold_tick(h, &h->holds[i]);
}

/* All of them at once, or --rate a second: a veth device holds no more than 256 frames. */
static void hold_open_all(struct holder *h)
{
	while (h->opened < h->o->count) {
		struct hold *c = &h->holds[h->opened];

		if (h->o->rate && h->opened >= (now_ms() - h->start_ms + 1) * h->o->rate / 1000) {
			hold_turn(h);
			continue;
		}
		c->fd = -1;
		c->want = tuple_of(h->o, h->opened++);
		hold_open(h, c);
	}
}

/* Stops sending and waits, within --timeout-ms, for the echo of everything sent. */
static void hold_finish(struct holder *h)
{
	uint64_t i, deadline = now_ms() + h->o->timeout_ms;

	h->ending = true;
	while (!hold_all_echoed(h) && now_ms() < deadline)
		hold_turn(h);
	for (i = 0; i < h->o->count; i++) {
		struct hold *c = &h->holds[i];
		uint64_t silent = now_ms() - c->last_rx_ms;

		if (c->state == HOLD_ACTIVE && c->rx < c->due)
			hold_break(h, c, ETIMEDOUT);
		/* A connection that is still down has a gap that lasts until now. */
		if (c->state != HOLD_ACTIVE && c->last_rx_ms && silent > c->max_gap_ms)
			c->max_gap_ms = silent;
	}
}

static int cmd_hold(struct opts *o)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGUSR1};
	struct holder h = {.o = o, .start_ms = now_ms()};
	uint64_t end_ms = h.start_ms + (uint64_t)o->duration_s * 1000;
	int sig, signal_fd = open_signals(signals, ARRAY_LEN(signals));
	bool end = false, all_alive;

	need_target(o);
	if (o->count > 100000)
		die("--count: at most 100000 connections");
	if (!o->size)
		o->size = 64;
	need_files(o->count);
	h.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (h.epoll_fd < 0)
		die("epoll: %s", strerror(errno));
	h.holds = xcalloc(o->count, sizeof(*h.holds));
	hold_open_all(&h);
	if (o->ready)
		touch(o->ready);
	while (!end && now_ms() < end_ms) {
		hold_turn(&h);
		while ((sig = next_signal(signal_fd))) {
			if (sig == SIGUSR1)
				hold_print(&h);
			else
				end = true;
		}
	}
	hold_finish(&h);
	all_alive = hold_print(&h);
	free(h.holds);
	return all_alive ? 0 : 1;
}

/* ------------------------------------------------------------------ sniff */

struct sniffed {
	struct ip_addr src;
	unsigned int ifindex;
	uint64_t count;
};

struct sniffer {
	struct sniffed *table; /* open addressing, size a power of two */
	size_t size, used;
	unsigned int ifindex[MAX_LIST];
	char ifname[MAX_LIST][IF_NAMESIZE];
	unsigned int if_n;
	uint8_t type; /* PACKET_OUTGOING or PACKET_HOST */
};

static struct sniffed *sniff_slot(struct sniffer *s, struct ip_addr src, unsigned int ifindex)
{
	uint32_t hash = ifindex * 2654435761U;
	size_t i;

	for (i = 0; i < sizeof(src.b); i++)
		hash = (hash ^ src.b[i]) * 16777619U;
	for (i = hash & (s->size - 1);; i = (i + 1) & (s->size - 1)) {
		struct sniffed *e = &s->table[i];

		if (!e->count)
			return e;
		if (e->ifindex == ifindex && e->src.family == src.family &&
			memcmp(e->src.b, src.b, sizeof(src.b)) == 0)
			return e;
	}
}

static void sniff_grow(struct sniffer *s)
{
	struct sniffed *old = s->table;
	size_t i, old_size = s->size;

	s->size *= 2;
	s->table = xcalloc(s->size, sizeof(*s->table));
	for (i = 0; i < old_size; i++) {
		if (old[i].count)
			*sniff_slot(s, old[i].src, old[i].ifindex) = old[i];
	}
	free(old);
}

/* The source address, or family 0 for what is not counted: link-local, unspecified, ND, MLD. */
static struct ip_addr sniff_source(const uint8_t *p, size_t len)
{
	struct ip_addr src = {0};

	if (len >= 20 && p[0] >> 4 == 4) {
		if ((p[12] == 169 && p[13] == 254) || (p[12] == 0))
			return src;
		src.family = AF_INET;
		memcpy(src.b, p + 12, 4);
	} else if (len >= 40 && p[0] >> 4 == 6) {
		struct in6_addr addr;

		memcpy(&addr, p + 8, sizeof(addr));
		if (IN6_IS_ADDR_LINKLOCAL(&addr) || IN6_IS_ADDR_UNSPECIFIED(&addr))
			return src;
		if (p[6] == IPPROTO_ICMPV6 && len > 40 && p[40] >= ND_ROUTER_SOLICIT &&
			p[40] <= ND_REDIRECT)
			return src;
		src.family = AF_INET6;
		memcpy(src.b, p + 8, 16);
	}
	return src;
}

static void sniff_packet(
	struct sniffer *s, const struct sockaddr_ll *ll, const uint8_t *data, size_t len)
{
	struct ip_addr src;
	struct sniffed *e;

	if (s->type == PACKET_OUTGOING ? ll->sll_pkttype != PACKET_OUTGOING
				       : ll->sll_pkttype == PACKET_OUTGOING)
		return;
	if (ll->sll_protocol != htons(ETH_P_IP) && ll->sll_protocol != htons(ETH_P_IPV6))
		return;
	src = sniff_source(data, len);
	if (!src.family)
		return;
	e = sniff_slot(s, src, (unsigned int)ll->sll_ifindex);
	if (e->count++)
		return;
	e->src = src;
	e->ifindex = (unsigned int)ll->sll_ifindex;
	if (++s->used * 2 > s->size)
		sniff_grow(s);
}

static int sniff_open(unsigned int ifindex)
{
	/* Keep 64 bytes of each packet. */
	struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, 64)};
	struct sock_fprog prog = {.len = 1, .filter = code};
	struct sockaddr_ll ll = {.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)ifindex};
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("packet socket: %s", strerror(errno));
	set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20);
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) ||
		bind(fd, (struct sockaddr *)&ll, sizeof(ll)))
		die("packet socket: %s", strerror(errno));
	return fd;
}

static void sniff_read(struct sniffer *s, int fd)
{
	uint8_t data[UDP_BATCH][64];
	struct sockaddr_ll ll[UDP_BATCH];
	struct iovec iov[UDP_BATCH];
	struct mmsghdr msgs[UDP_BATCH];
	int i, n, turn;

	for (turn = 0; turn < 1024; turn++) {
		memset(msgs, 0, sizeof(msgs));
		for (i = 0; i < UDP_BATCH; i++) {
			iov[i] = (struct iovec){.iov_base = data[i], .iov_len = sizeof(data[i])};
			msgs[i].msg_hdr.msg_name = &ll[i];
			msgs[i].msg_hdr.msg_namelen = sizeof(ll[i]);
			msgs[i].msg_hdr.msg_iov = &iov[i];
			msgs[i].msg_hdr.msg_iovlen = 1;
		}
		n = recvmmsg(fd, msgs, UDP_BATCH, MSG_DONTWAIT, NULL);
		if (n <= 0)
			return;
		for (i = 0; i < n; i++)
			sniff_packet(s, &ll[i], data[i], msgs[i].msg_len);
	}
}

static void sniff_interfaces(struct sniffer *s, const char *ifs)
{
	char *copy = strdup(ifs), *save = NULL, *word;

	if (!copy)
		die("out of memory");
	for (word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		if (s->if_n == MAX_LIST)
			die("--if: more than %d interfaces", MAX_LIST);
		s->ifindex[s->if_n] = if_nametoindex(word);
		if (!s->ifindex[s->if_n])
			die("--if '%s': no such interface", word);
		snprintf(s->ifname[s->if_n++], IF_NAMESIZE, "%s", word);
	}
	free(copy);
	if (!s->if_n)
		die("--if is empty");
}

static void sniff_print(const struct sniffer *s, const char *path)
{
	FILE *out = path ? fopen(path, "w") : stdout;
	unsigned int k;
	size_t i;

	if (!out)
		die("%s: %s", path, strerror(errno));
	for (k = 0; k < s->if_n; k++) {
		for (i = 0; i < s->size; i++) {
			const struct sniffed *e = &s->table[i];

			if (e->count && e->ifindex == s->ifindex[k])
				fprintf(out, "%s %s %llu\n", s->ifname[k], ip_str(e->src),
					(unsigned long long)e->count);
		}
	}
	if (path ? fclose(out) : fflush(out))
		die("%s: %s", path ? path : "stdout", strerror(errno));
}

/* Packets that the sockets had no room for. */
static uint64_t sniff_dropped(const int *fds, unsigned int n)
{
	uint64_t dropped = 0;
	unsigned int i;

	for (i = 0; i < n; i++) {
		struct tpacket_stats st;
		socklen_t len = sizeof(st);

		if (getsockopt(fds[i], SOL_PACKET, PACKET_STATISTICS, &st, &len) == 0)
			dropped += st.tp_drops;
	}
	return dropped;
}

static int cmd_sniff(struct opts *o)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGUSR1};
	struct sniffer s = {.size = 1024, .type = o->in ? PACKET_HOST : PACKET_OUTGOING};
	uint64_t end_ms = now_ms() + (uint64_t)o->duration_s * 1000, dropped;
	int fds[MAX_LIST], signal_fd, epoll_fd, sig;
	struct epoll_event ev = {.events = EPOLLIN};
	unsigned int i;
	bool end = false;

	if (!o->ifs)
		die("--if INTERFACE is missing");
	sniff_interfaces(&s, o->ifs);
	s.table = xcalloc(s.size, sizeof(*s.table));
	signal_fd = open_signals(signals, ARRAY_LEN(signals));
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, signal_fd, &ev))
		die("epoll: %s", strerror(errno));
	for (i = 0; i < s.if_n; i++) {
		fds[i] = sniff_open(s.ifindex[i]);
		if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fds[i], &ev))
			die("epoll_ctl: %s", strerror(errno));
	}
	if (o->ready)
		touch(o->ready);
	while (!end && now_ms() < end_ms) {
		epoll_wait(epoll_fd, &ev, 1, 100);
		for (i = 0; i < s.if_n; i++)
			sniff_read(&s, fds[i]);
		while ((sig = next_signal(signal_fd))) {
			if (sig == SIGUSR1)
				sniff_print(&s, o->out);
			else
				end = true;
		}
	}
	for (i = 0; i < s.if_n; i++)
		sniff_read(&s, fds[i]);
	sniff_print(&s, o->out);
	free(s.table);
	dropped = sniff_dropped(fds, s.if_n);
	if (dropped)
		fprintf(stderr, "sniff: %llu packets missed\n", (unsigned long long)dropped);
	return dropped ? 1 : 0;
}

/* ------------------------------------------------------------------ blast */

/* Waits until `sent` packets may have been sent at --rate. */
static void pace(const struct opts *o, uint64_t start_ns, uint64_t sent)
{
	uint64_t due, now;
	struct timespec ts;

	if (!o->rate)
		return;
	due = start_ns + (uint64_t)((double)sent * 1e9 / o->rate);
	now = now_ns();
	if (due <= now)
		return;
	ts.tv_sec = (time_t)((due - now) / 1000000000ULL);
	ts.tv_nsec = (long)((due - now) % 1000000000ULL);
	nanosleep(&ts, NULL);
}

/*
 * Sends up to `n` equal datagrams; returns how many went out, or -errno when none can. What fails
 * is tried again: ENOBUFS says that the device dropped it (veth whose ring is full; Linux 6.8),
 * other errors may be those that ICMP brought for an earlier one.
 */
static int blast_some(int fd, char *payload, size_t size, unsigned int n, uint64_t *dropped)
{
	struct iovec iov = {.iov_base = payload, .iov_len = size};
	struct mmsghdr msgs[UDP_BATCH];
	unsigned int i, turn;
	int put, err = 0;

	memset(msgs, 0, sizeof(msgs));
	for (i = 0; i < n; i++) {
		msgs[i].msg_hdr.msg_iov = &iov;
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	for (turn = 0; turn < 1000; turn++) {
		put = sendmmsg(fd, msgs, n, 0);
		if (put >= 0)
			return put;
		err = errno;
		*dropped += err == ENOBUFS;
		nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
	}
	return -err;
}

static int *blast_open(const struct opts *o)
{
	int *fds = xcalloc(o->flows, sizeof(*fds));
	struct tuple t;
	unsigned int i;

	for (i = 0; i < o->flows; i++) {
		t = tuple_of(o, i);
		fds[i] = open_flow(&t, SOCK_DGRAM);
		if (fds[i] < 0)
			die("flow %u: %s", i, err_name(-fds[i]));
		set_int(fds[i], SOL_SOCKET, SO_SNDBUFFORCE, 4 << 20);
		/* Without it the kernel does not say that the device dropped a datagram. */
		if (t.dst.family == AF_INET6)
			set_int(fds[i], IPPROTO_IPV6, IPV6_RECVERR, 1);
		else
			set_int(fds[i], IPPROTO_IP, IP_RECVERR, 1);
	}
	return fds;
}

static int cmd_blast(struct opts *o)
{
	uint64_t sent = 0, dropped = 0, start_ns;
	unsigned int flow = 0, batch;
	int *fds, put, err = 0;
	char *payload;
	double seconds;

	need_target(o);
	if (!o->size)
		o->size = 22;
	need_files(o->flows);
	fds = blast_open(o);
	payload = xcalloc(1, o->size);
	memset(payload, 'x', o->size);
	/* Small batches when paced or when there are few packets for each flow. */
	batch = o->count / o->flows < UDP_BATCH ? 1 : UDP_BATCH / 4;
	if (o->rate && o->rate < 100000)
		batch = 1;
	start_ns = now_ns();
	while (sent < o->count && !err) {
		unsigned int n = o->count - sent < batch ? (unsigned int)(o->count - sent) : batch;

		put = blast_some(fds[flow], payload, o->size, n, &dropped);
		if (put < 0)
			err = -put;
		else
			sent += (uint64_t)put;
		flow = (flow + 1) % o->flows;
		pace(o, start_ns, sent);
	}
	seconds = (double)(now_ns() - start_ns) / 1e9;
	printf("{\"sent\":%llu,\"dropped\":%llu,\"flows\":%u,\"size\":%u,\"seconds\":%.3f}\n",
		(unsigned long long)sent, (unsigned long long)dropped, o->flows, o->size, seconds);
	if (err)
		fprintf(stderr, "blast: %s after %llu packets\n", err_name(err),
			(unsigned long long)sent);
	free(fds);
	free(payload);
	return err ? 1 : 0;
}

/* ------------------------------------------------------------------ raw packets */

static uint32_t sum_add(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t i;

	for (i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	if (len & 1)
		sum += (uint32_t)(p[len - 1] << 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* The checksum of TCP or UDP with the pseudo header, in network byte order. */
static uint16_t l4_checksum(
	struct ip_addr src, struct ip_addr dst, uint8_t proto, const void *data, size_t len)
{
	size_t alen = src.family == AF_INET ? 4 : 16;
	uint32_t sum = sum_add(0, src.b, alen);

	sum = sum_add(sum, dst.b, alen);
	sum = sum_add(sum + proto + (uint32_t)len, data, len);
	return htons((uint16_t)~sum);
}

/* An IPv4 or IPv6 header without options; the kernel fills IPv4's checksum. Returns its length. */
static size_t ip_header(
	uint8_t *out, struct ip_addr src, struct ip_addr dst, uint8_t proto, size_t payload)
{
	if (src.family == AF_INET) {
		struct iphdr h = {.version = 4,
			.ihl = 5,
			.ttl = 64,
			.protocol = proto,
			.tot_len = htons((uint16_t)(sizeof(h) + payload))};

		memcpy(&h.saddr, src.b, 4);
		memcpy(&h.daddr, dst.b, 4);
		memcpy(out, &h, sizeof(h));
		return sizeof(h);
	}
	struct ip6_hdr h6 = {.ip6_flow = htonl(6U << 28),
		.ip6_plen = htons((uint16_t)payload),
		.ip6_nxt = proto,
		.ip6_hlim = 64};

	memcpy(&h6.ip6_src, src.b, 16);
	memcpy(&h6.ip6_dst, dst.b, 16);
	memcpy(out, &h6, sizeof(h6));
	return sizeof(h6);
}

static int raw_open(int family)
{
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

	if (fd < 0)
		die("raw socket: %s", strerror(errno));
	set_int(fd, family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
		family == AF_INET ? IP_HDRINCL : IPV6_HDRINCL, 1);
	set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, 8 << 20);
	return fd;
}

static int raw_send(int fd, struct ip_addr dst, const void *packet, size_t len)
{
	struct sockaddr_storage ss;
	socklen_t slen = ip_sockaddr(dst, 0, &ss);

	if (sendto(fd, packet, len, 0, (struct sockaddr *)&ss, slen) < 0)
		return -errno;
	return 0;
}

/* ------------------------------------------------------------------ frag */

/* One fragment of `udp` (header and payload), from `at`, `len` bytes. */
static int frag_send_one(int fd, const struct tuple *t, const uint8_t *udp, size_t total, size_t at,
	size_t len, uint32_t id)
{
	static uint8_t packet[UDP_MAX];
	bool more = at + len < total;
	size_t head;

	if (t->src.family == AF_INET) {
		struct iphdr h;

		head = ip_header(packet, t->src, t->dst, IPPROTO_UDP, len);
		memcpy(&h, packet, sizeof(h));
		h.id = htons((uint16_t)id);
		h.frag_off = htons((uint16_t)(at / 8 | (more ? 0x2000U : 0)));
		memcpy(packet, &h, sizeof(h));
	} else {
		struct ip6_frag f = {.ip6f_nxt = IPPROTO_UDP,
			.ip6f_offlg = htons((uint16_t)(at | (more ? 1U : 0))),
			.ip6f_ident = htonl(id)};

		head = ip_header(packet, t->src, t->dst, IPPROTO_FRAGMENT, sizeof(f) + len);
		memcpy(packet + head, &f, sizeof(f));
		head += sizeof(f);
	}
	memcpy(packet + head, udp + at, len);
	return raw_send(fd, t->dst, packet, head + len);
}

/* Sends the datagram in fragments of --mtu, last one first. */
static int frag_reverse(const struct opts *o, const struct tuple *t, const char *payload)
{
	static uint8_t udp[UDP_MAX];
	size_t total = sizeof(struct udphdr) + o->size;
	size_t step = (o->mtu - (t->src.family == AF_INET ? 20U : 48U)) & ~(size_t)7;
	struct udphdr h = {.source = htons((uint16_t)t->sport),
		.dest = htons((uint16_t)t->dport),
		.len = htons((uint16_t)total)};
	size_t n = (total + step - 1) / step;
	uint32_t id = (uint32_t)now_ns() ^ (uint32_t)getpid();
	int err = 0, fd = raw_open(t->src.family);

	memcpy(udp, &h, sizeof(h));
	memcpy(udp + sizeof(h), payload, o->size);
	h.check = l4_checksum(t->src, t->dst, IPPROTO_UDP, udp, total);
	if (!h.check)
		h.check = 0xffff;
	memcpy(udp, &h, sizeof(h));
	while (n-- && !err) {
		size_t at = n * step;

		err = frag_send_one(
			fd, t, udp, total, at, total - at < step ? total - at : step, id);
	}
	close(fd);
	return err;
}

/* Waits for the server's answer "ADDRESS PORT PAYLOAD" and compares the payload. */
static int frag_answer(const struct opts *o, int fd, const char *payload, char *seen, size_t room)
{
	static char in[UDP_MAX];
	uint64_t deadline = now_ms() + o->timeout_ms;
	ssize_t got;
	char *p;

	while ((got = recv(fd, in, sizeof(in) - 1, 0)) < 0) {
		if (errno != EAGAIN)
			return -errno;
		if (now_ms() > deadline)
			return -ETIMEDOUT;
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	in[got] = '\0';
	p = strchr(in, ' ');
	p = p ? strchr(p + 1, ' ') : NULL;
	if (!p || (size_t)(in + got - p - 1) != o->size || memcmp(p + 1, payload, o->size) != 0)
		return -EILSEQ;
	snprintf(seen, room, "%.*s", (int)(p - in), in);
	return 0;
}

static int frag_one(const struct opts *o, uint64_t n)
{
	struct tuple t = tuple_of(o, n);
	char seen[80] = "- 0", *payload = xcalloc(1, o->size);
	int fd, err = 0;

	hold_fill(payload, 0, o->size);
	fd = open_flow(&t, SOCK_DGRAM);
	if (fd < 0) {
		err = fd;
		goto out;
	}
	/* The kernel fragments to the MTU of the route. */
	set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
	set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20);
	t.src = local_of(fd, &t.sport);
	if (o->reverse)
		err = frag_reverse(o, &t, payload);
	else if (send(fd, payload, o->size, 0) < 0)
		err = -errno;
	if (!err && !o->no_reply)
		err = frag_answer(o, fd, payload, seen, sizeof(seen));
	close(fd);
out:
	if (err)
		printf("FAIL %s %s %u %s %u\n", err_name(-err), ip_str(t.src), t.sport,
			ip_str(t.dst), t.dport);
	else
		printf("%s %u %s %u %s\n", ip_str(t.src), t.sport, ip_str(t.dst), t.dport, seen);
	free(payload);
	return err;
}

static int cmd_frag(struct opts *o)
{
	uint64_t n, failed = 0;

	need_target(o);
	if (!o->size)
		o->size = 4000;
	for (n = 0; n < o->count; n++)
		failed += frag_one(o, n) != 0;
	return failed ? 1 : 0;
}

/* ------------------------------------------------------------------ synflood */

static size_t syn_packet(uint8_t *out, const struct tuple *t, uint32_t seq)
{
	struct tcphdr h = {.source = htons((uint16_t)t->sport),
		.dest = htons((uint16_t)t->dport),
		.seq = htonl(seq),
		.doff = 5,
		.syn = 1,
		.window = htons(64240)};
	size_t head = ip_header(out, t->src, t->dst, IPPROTO_TCP, sizeof(h));

	h.check = l4_checksum(t->src, t->dst, IPPROTO_TCP, &h, sizeof(h));
	memcpy(out + head, &h, sizeof(h));
	return head + sizeof(h);
}

static int cmd_synflood(struct opts *o)
{
	uint64_t n, sent = 0, failed = 0, start_ns = now_ns();
	uint8_t packet[128];
	int fd4 = -1, fd6 = -1, err = 0, last = 0;

	need_target(o);
	if (!o->sport.first)
		o->sport.first = 1024;
	for (n = 0; n < o->count; n++) {
		struct tuple t = tuple_of(o, n);
		int *fd = t.dst.family == AF_INET ? &fd4 : &fd6;
		size_t len;

		if (!t.src.family)
			die("--src-base ADDRESS of the destination's family is missing");
		if (*fd < 0)
			*fd = raw_open(t.dst.family);
		len = syn_packet(packet, &t, (uint32_t)n * 2654435761U);
		err = raw_send(*fd, t.dst, packet, len);
		if (err) {
			failed++;
			last = -err;
		} else {
			sent++;
		}
		if (n % SYN_BATCH == 0)
			pace(o, start_ns, sent);
	}
	printf("{\"sent\":%llu,\"failed\":%llu,\"seconds\":%.3f}\n", (unsigned long long)sent,
		(unsigned long long)failed, (double)(now_ns() - start_ns) / 1e9);
	if (failed)
		fprintf(stderr, "synflood: %s\n", err_name(last));
	return failed ? 1 : 0;
}

/* ------------------------------------------------------------------ commands */

struct command {
	const char *name;
	int (*run)(struct opts *o);
	const char *options;
	const char *help;
};

static const struct command commands[] = {
	{"serve", cmd_serve, "tcp udp http udp-sink bind ready",
		"[--tcp P[-Q]] [--udp P[-Q]] [--http P] [--udp-sink P[-Q]] [--bind ADDR]... [--ready FILE]"},
	{"connect", cmd_connect,
		"dst port count proto src-base src-count sport-base sport-count parallel timeout-ms rst",
		"--dst A[,A] --port P[-Q] [--count N] [--proto tcp|udp] [--src-base A[,A6]] [--src-count K]\n"
		"          [--sport-base S] [--sport-count C] [--parallel N] [--timeout-ms N] [--rst]"},
	{"hold", cmd_hold,
		"dst port count src-base src-count sport-base sport-count interval-ms duration timeout-ms "
		"size rate reconnect ready",
		"--dst A[,A] --port P[-Q] [--count N] [--rate OPENS] [--interval-ms 200] [--duration S] [--size 64]\n"
		"          [--timeout-ms 3000] [--reconnect] [--ready FILE] [--src-base ...] [--sport-base ...]\n"
		"          one line of JSON on SIGUSR1 and at the end (SIGTERM or --duration)"},
	{"sniff", cmd_sniff, "if out direction duration ready",
		"--if IF[,IF] [--direction out|in] [--out FILE] [--duration S] [--ready FILE]\n"
		"          lines IF SOURCE COUNT on SIGUSR1 and at the end"},
	{"blast", cmd_blast,
		"dst port count flows size rate src-base src-count sport-base sport-count",
		"--dst A[,A] --port P[-Q] [--count N] [--flows F] [--size 22] [--rate PPS]\n"
		"          [--src-base ...] [--sport-base ...]"},
	{"frag", cmd_frag,
		"dst port count sport size order mtu timeout-ms no-reply src-base src-count sport-count",
		"--dst A --port P [--sport S] [--size 4000] [--order normal|reverse] [--mtu 1500]\n"
		"          [--count N] [--timeout-ms N] [--no-reply]"},
	{"synflood", cmd_synflood, "dst port count src-base src-count sport-base sport-count rate",
		"--dst A[,A] --port P[-Q] --count N --src-base A[,A6] [--src-count K]\n"
		"          [--sport-base S] [--sport-count C] [--rate PPS]"},
};

static void usage(FILE *to)
{
	size_t i;

	fputs("usage: labtool COMMAND OPTIONS\n\n", to);
	for (i = 0; i < ARRAY_LEN(commands); i++)
		fprintf(to, "  %-8s%s\n", commands[i].name, commands[i].help);
}

int main(int argc, char **argv)
{
	struct opts o = {.count = 1,
		.src_count = 1,
		.parallel = CONNECT_PARALLEL,
		.timeout_ms = 3000,
		.interval_ms = 200,
		.duration_s = 3600,
		.flows = 1,
		.mtu = 1500};
	size_t i;

	signal(SIGPIPE, SIG_IGN);
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
		usage(argc < 2 ? stderr : stdout);
		return argc < 2 ? 2 : 0;
	}
	for (i = 0; i < ARRAY_LEN(commands); i++) {
		if (strcmp(argv[1], commands[i].name) == 0) {
			parse_options(&o, argc - 1, argv + 1, commands[i].options);
			return commands[i].run(&o);
		}
	}
	fprintf(stderr, "labtool: '%s': no such command\n", argv[1]);
	usage(stderr);
	return 2;
}
