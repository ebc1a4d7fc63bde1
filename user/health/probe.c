// SPDX-License-Identifier: GPL-2.0-only
#include "health/probe.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "health/kind.h"

#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62
#endif

/* How late a timer may be: lets the event loop do several things at one waking. */
#define ACCURACY_US 5000u
/* Of the interval, either way: many routers started at once do not stay in step. */
#define JITTER_PERCENT 10u
/* Answers are read before timers say that there are none. */
#define IO_PRIORITY (SD_EVENT_PRIORITY_NORMAL - 10)
/* Of interval and timeout, whatever is asked for. */
#define SHORTEST_MS 20u
#define SENT_RING 16u /* a power of two, at least twice PCC_PROBE_TRIES */

struct slot;

/* One question of a probe. TCP and HTTP have a socket for each. */
struct
try {
	struct slot *slot;
	int fd; /* -1: none */
	sd_event_source *io;
	uint64_t sent_us;
	uint32_t rtt_us; /* of the handshake */
	bool connected;
	char status[PCC_HTTP_STATUS_BYTES];
	size_t status_len;
};

/* An echo that may still be answered; by its number. */
struct sent {
	uint64_t us; /* 0: not expected */
	uint16_t seq;
};

/* A target and the probe that is under way. */
struct slot {
	struct pcc_prober *prober;
	uint32_t index;
	struct pcc_target target;
	sd_event_source *timer;
	bool running;
	uint64_t started_us;
	uint32_t ntries;
	struct try try[PCC_PROBE_TRIES];
	int fd; /* ICMP: always; DNS: of this probe; else -1 */
	sd_event_source *io;
	uint16_t id;  /* ICMP: of the socket; DNS: of the first try */
	uint16_t seq; /* ICMP: of the next try */
	uint8_t nonce[PCC_PROBE_NONCE];
	struct sent sent[SENT_RING];
};

struct pcc_prober {
	sd_event *event;
	struct pcc_probe_wan wan;
	uint64_t interval_us, timeout_us;
	pcc_probe_fn fn;
	void *arg;
	uint32_t nslots;
	struct slot slot[PCC_MAX_TARGETS];
};

static uint32_t random_u32(void)
{
	uint32_t r;

	/* Early at boot there may be no entropy; the time will do, nothing depends on secrecy. */
	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r))
		r = (uint32_t)pcc_now_us() * 2654435761u;
	return r;
}

/* ---------------------------------------------------------------- sockets */

static void close_io(int *fd, sd_event_source **io)
{
	*io = sd_event_source_disable_unref(*io);
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static socklen_t address(const struct pcc_target *t, struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ss;
	struct sockaddr_in *v4 = (struct sockaddr_in *)ss;

	memset(ss, 0, sizeof(*ss));
	ss->ss_family = t->family;
	if (t->family == AF_INET) {
		v4->sin_addr = t->addr.v4;
		v4->sin_port = htons(t->port);
		return sizeof(*v4);
	}
	v6->sin6_addr = t->addr.v6;
	v6->sin6_port = htons(t->port);
	return sizeof(*v6);
}

static int bind_source(int fd, int family, const struct pcc_probe_wan *wan)
{
	struct pcc_target src = {.family = family};
	struct sockaddr_storage ss;
	socklen_t len;

	if (family == AF_INET)
		src.addr.v4 = wan->src4;
	else
		src.addr.v6 = wan->src6;
	if (family == AF_INET ? !wan->src4.s_addr : IN6_IS_ADDR_UNSPECIFIED(&wan->src6))
		return 0;
	len = address(&src, &ss);
	return bind(fd, (struct sockaddr *)&ss, len) ? -errno : 0;
}

/* A socket that can leave by the WAN only. Returns it or -errno. */
static int open_bound(int family, int type, int protocol, const struct pcc_probe_wan *wan)
{
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	int ifindex = (int)wan->ifindex, err;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &ifindex, sizeof(ifindex)) ||
		setsockopt(fd, SOL_SOCKET, SO_MARK, &wan->mark, sizeof(wan->mark)))
		err = -errno;
	else
		err = bind_source(fd, family, wan);
	if (!err)
		return fd;
	close(fd);
	return err;
}

/*
 * Only the answers to our own echoes wake us: echo replies with this id. A raw socket shows a
 * filter the IP header of IPv4, but not that of IPv6.
 */
static int echo_filter(int fd, int family, uint16_t id)
{
	struct sock_filter code[] = {
		family == AF_INET ? (struct sock_filter)BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0)
				  : (struct sock_filter)BPF_STMT(BPF_LDX | BPF_IMM, 0),
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, id, 0, 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
			family == AF_INET ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0xffff),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = {.len = COUNT(code), .filter = code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));
}

static int on_echo(sd_event_source *s, int fd, uint32_t events, void *arg);
static int on_dns(sd_event_source *s, int fd, uint32_t events, void *arg);
static int on_stream(sd_event_source *s, int fd, uint32_t events, void *arg);

static int watch(struct pcc_prober *p, int fd, uint32_t events, sd_event_io_handler_t handler,
	void *arg, sd_event_source **io)
{
	int err = sd_event_add_io(p->event, io, fd, events, handler, arg);

	if (!err)
		err = sd_event_source_set_priority(*io, IO_PRIORITY);
	return err < 0 ? err : 0;
}

/*
 * The socket of an ICMP or DNS target. That of DNS is connected, so it hears nobody else. That of
 * ICMP lives long and is not: each echo is to have the source address that is right by then.
 */
static int open_datagram(struct slot *slot)
{
	bool icmp = slot->target.kind == PCC_TARGET_ICMP;
	int family = slot->target.family;
	int proto = family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	struct sockaddr_storage ss;
	socklen_t len = address(&slot->target, &ss);

	if (slot->fd >= 0)
		return 0;
	slot->fd = open_bound(
		family, icmp ? SOCK_RAW : SOCK_DGRAM, icmp ? proto : 0, &slot->prober->wan);
	if (slot->fd < 0)
		return slot->fd;
	if (!(icmp ? echo_filter(slot->fd, family, slot->id)
		   : connect(slot->fd, (struct sockaddr *)&ss, len)) &&
		!watch(slot->prober, slot->fd, EPOLLIN, icmp ? on_echo : on_dns, slot, &slot->io))
		return 0;
	close_io(&slot->fd, &slot->io);
	return -EIO;
}

static void close_tries(struct slot *slot)
{
	for (uint32_t i = 0; i < PCC_PROBE_TRIES; i++)
		close_io(&slot->try[i].fd, &slot->try[i].io);
	if (slot->target.kind == PCC_TARGET_DNS)
		close_io(&slot->fd, &slot->io);
}

/* ---------------------------------------------------------------- the course of a probe */

static void arm(struct slot *slot, uint64_t us)
{
	sd_event_source_set_time(slot->timer, us);
	sd_event_source_set_enabled(slot->timer, SD_EVENT_ONESHOT);
}

/*
 * The next try, or the end: a fifth of the timeout after the last try. A process that was late, for
 * whatever reason, has the probe last longer and not ask less often.
 */
static void arm_running(struct slot *slot)
{
	arm(slot, slot->try[slot->ntries - 1].sent_us + slot->prober->timeout_us / PCC_PROBE_TRIES);
}

static void arm_next(struct slot *slot, uint64_t now_us)
{
	uint64_t interval = slot->prober->interval_us, span = interval * JITTER_PERCENT / 100;
	uint64_t at = slot->started_us + interval - span + random_u32() % (2 * span + 1);

	arm(slot, at > now_us ? at : now_us);
}

/* The echoes that are no longer expected. After a loss they are: a late answer is a sign of life.
 */
static void forget_echoes(struct slot *slot)
{
	memset(slot->sent, 0, sizeof(slot->sent));
}

/* Ends the probe with what try n of it brought, or did not. The callback may free the prober. */
static void conclude(struct slot *slot, enum pcc_probe_outcome outcome, uint32_t n, uint32_t rtt_us)
{
	struct pcc_prober *p = slot->prober;
	uint64_t now_us = pcc_now_us();
	struct pcc_probe_result r = {
		.target = slot->index,
		.outcome = outcome,
		.tries = outcome == PCC_PROBE_LOST ? slot->ntries : n + 1,
		.lost = outcome == PCC_PROBE_LOST ? slot->ntries : n,
		.rtt_us = rtt_us,
		.started_ms = slot->started_us / 1000,
		.ended_ms = now_us / 1000,
	};

	slot->running = false;
	close_tries(slot);
	if (outcome != PCC_PROBE_LOST)
		forget_echoes(slot);
	arm_next(slot, now_us);
	p->fn(&r, p->arg);
}

static void send_echo(struct slot *slot, struct try *try)
{
	uint16_t seq = slot->seq++;
	struct sent *sent = &slot->sent[seq % SENT_RING];
	uint8_t packet[PCC_ECHO_BYTES];
	struct sockaddr_storage ss;
	socklen_t len = address(&slot->target, &ss);

	*sent = (struct sent){0};
	if (open_datagram(slot))
		return;
	pcc_echo_write(packet, slot->target.family, slot->id, seq, slot->nonce);
	if (sendto(slot->fd, packet, sizeof(packet), MSG_NOSIGNAL, (struct sockaddr *)&ss, len) >=
		0)
		*sent = (struct sent){try->sent_us, seq};
}

static void send_dns(struct slot *slot, uint32_t n)
{
	uint8_t packet[PCC_DNS_QUERY_MAX];
	size_t len = pcc_dns_write(packet, slot->target.path, (uint16_t)(slot->id + n));

	if (!len || open_datagram(slot))
		return;
	if (send(slot->fd, packet, len, MSG_NOSIGNAL) < 0)
		close_io(&slot->fd, &slot->io);
}

/* A connection request. It is answered in on_stream(), even if that is within this call. */
static void send_syn(struct slot *slot, struct try *try)
{
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	struct sockaddr_storage ss;
	socklen_t len = address(&slot->target, &ss);

	try->fd = open_bound(slot->target.family, SOCK_STREAM, 0, &slot->prober->wan);
	if (try->fd < 0) {
		try->fd = -1;
		return;
	}
	/* Nothing of a probe stays behind at the server: it is closed with a reset. */
	setsockopt(try->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if ((connect(try->fd, (struct sockaddr *)&ss, len) && errno != EINPROGRESS) ||
		watch(slot->prober, try->fd, EPOLLOUT, on_stream, try, &try->io))
		close_io(&try->fd, &try->io);
}

static void next_try(struct slot *slot)
{
	uint32_t n = slot->ntries++;
	struct try *try = &slot->try[n];

	*try = (struct try){.slot = slot, .fd = -1, .sent_us = pcc_now_us()};
	switch (slot->target.kind) {
	case PCC_TARGET_ICMP:
		send_echo(slot, try);
		break;
	case PCC_TARGET_DNS:
		send_dns(slot, n);
		break;
	case PCC_TARGET_TCP:
	case PCC_TARGET_HTTP:
		send_syn(slot, try);
		break;
	}
}

static int on_timer(sd_event_source *s, uint64_t usec, void *arg)
{
	struct slot *slot = arg;

	(void)s;
	(void)usec;
	if (slot->running && slot->ntries == PCC_PROBE_TRIES) {
		conclude(slot, PCC_PROBE_LOST, 0, 0);
		return 0;
	}
	if (!slot->running) {
		slot->running = true;
		slot->started_us = pcc_now_us();
		slot->ntries = 0;
		if (slot->target.kind == PCC_TARGET_DNS)
			slot->id = (uint16_t)random_u32();
	}
	next_try(slot);
	arm_running(slot);
	return 0;
}

/* ---------------------------------------------------------------- answers */

/* The answer to an echo of a probe that was given up. */
static void late_echo(struct slot *slot, uint32_t rtt_us)
{
	struct pcc_prober *p = slot->prober;
	uint64_t now_us = pcc_now_us();
	struct pcc_probe_result r = {
		.target = slot->index,
		.outcome = PCC_PROBE_LATE,
		.rtt_us = rtt_us,
		.started_ms = (now_us - rtt_us) / 1000,
		.ended_ms = now_us / 1000,
	};

	p->fn(&r, p->arg);
}

static int on_echo(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	struct slot *slot = arg;
	uint64_t sent_us, rtt_us;
	uint8_t in[256];
	ssize_t len = recv(fd, in, sizeof(in), MSG_DONTWAIT);
	uint16_t seq, ago;

	(void)s;
	(void)events;
	if (len < 0 ||
		!pcc_echo_read(in, (size_t)len, slot->target.family, slot->id, slot->nonce, &seq))
		return 0;
	if (slot->sent[seq % SENT_RING].seq != seq || !slot->sent[seq % SENT_RING].us)
		return 0;
	sent_us = slot->sent[seq % SENT_RING].us;
	slot->sent[seq % SENT_RING].us = 0;
	rtt_us = pcc_now_us() - sent_us;
	ago = (uint16_t)(slot->seq - 1 - seq); /* tries since this one */
	if (slot->running && ago < slot->ntries)
		conclude(slot, PCC_PROBE_OK, slot->ntries - 1 - ago, (uint32_t)rtt_us);
	else
		late_echo(slot, (uint32_t)rtt_us);
	return 0;
}

static int on_dns(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	struct slot *slot = arg;
	uint8_t in[1500];
	ssize_t len = recv(fd, in, sizeof(in), MSG_DONTWAIT);
	uint16_t id, n;
	uint32_t rtt_us;

	(void)s;
	(void)events;
	if (len < 0) {
		/* The port is closed: an answer, of a kind. Other errors may pass. */
		if (errno == ECONNREFUSED)
			conclude(slot, PCC_PROBE_REFUSED, slot->ntries - 1, 0);
		return 0;
	}
	if (!pcc_dns_answers(in, (size_t)len, slot->target.path, &id))
		return 0;
	n = (uint16_t)(id - slot->id);
	if (n >= slot->ntries)
		return 0;
	rtt_us = (uint32_t)(pcc_now_us() - slot->try[n].sent_us);
	conclude(slot, pcc_dns_has_address(in, (size_t)len) ? PCC_PROBE_OK : PCC_PROBE_REFUSED, n,
		rtt_us);
	return 0;
}

/* Of the handshake: by the kernel's clock, which does not wait for us. */
static uint32_t handshake_us(int fd, uint64_t sent_us)
{
	uint64_t now_us = pcc_now_us();
	struct tcp_info info = {};
	socklen_t len = sizeof(info);

	if (!getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) && info.tcpi_rtt &&
		info.tcpi_rtt <= now_us - sent_us)
		return info.tcpi_rtt;
	return (uint32_t)(now_us - sent_us);
}

/* The connection stands: for HTTP the question, else the answer. Returns 1 when it is complete. */
static int stream_connected(struct try *try, uint32_t n)
{
	struct slot *slot = try->slot;
	char request[PCC_HTTP_REQUEST_MAX];
	size_t len;

	try->connected = true;
	try->rtt_us = handshake_us(try->fd, try->sent_us);
	if (slot->target.kind == PCC_TARGET_TCP) {
		conclude(slot, PCC_PROBE_OK, n, try->rtt_us);
		return 1;
	}
	len = pcc_http_write(request, &slot->target);
	if (send(try->fd, request, len, MSG_NOSIGNAL) != (ssize_t)len ||
		sd_event_source_set_io_events(try->io, EPOLLIN) < 0)
		close_io(&try->fd, &try->io);
	return 0;
}

static void stream_status(struct try *try, uint32_t n)
{
	struct slot *slot = try->slot;
	ssize_t len = recv(try->fd, try->status + try->status_len,
		sizeof(try->status) - try->status_len, MSG_DONTWAIT);
	int status;

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len <= 0) {
		conclude(slot, PCC_PROBE_REFUSED, n, 0);
		return;
	}
	try->status_len += (size_t)len;
	status = pcc_http_status(try->status, try->status_len);
	if (!status)
		return;
	if (status > 0 && pcc_http_expected(&slot->target, status))
		conclude(slot, PCC_PROBE_OK, n, try->rtt_us);
	else
		conclude(slot, PCC_PROBE_PORTAL, n, 0);
}

static int on_stream(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	struct try *try = arg;
	struct slot *slot = try->slot;
	uint32_t n = (uint32_t)(try - slot->try);
	int err = 0;
	socklen_t len = sizeof(err);

	(void)s;
	(void)events;
	if (try->connected) {
		stream_status(try, n);
		return 0;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
		err = errno;
	if (err == ECONNREFUSED)
		conclude(slot, PCC_PROBE_REFUSED, n, 0);
	else if (err)
		close_io(&try->fd, &try->io); /* unreachable, for now: the next try */
	else
		stream_connected(try, n);
	return 0;
}

/* ---------------------------------------------------------------- all of a WAN's targets */

static int slot_init(struct pcc_prober *p, uint32_t i, const struct pcc_target *target)
{
	struct slot *slot = &p->slot[i];
	uint64_t at = pcc_now_us() + random_u32() % (p->interval_us + 1);
	int err;

	slot->prober = p;
	slot->index = i;
	slot->target = *target;
	slot->fd = -1;
	slot->id = (uint16_t)random_u32();
	slot->seq = (uint16_t)random_u32();
	for (uint32_t n = 0; n < PCC_PROBE_NONCE; n++)
		slot->nonce[n] = (uint8_t)random_u32();
	for (uint32_t n = 0; n < PCC_PROBE_TRIES; n++)
		slot->try[n].fd = -1;
	err = sd_event_add_time(
		p->event, &slot->timer, CLOCK_MONOTONIC, at, ACCURACY_US, on_timer, slot);
	return err < 0 ? err : 0;
}

static uint32_t at_least(uint32_t value, uint32_t least)
{
	return value > least ? value : least;
}

/* May this process do what the probes need? */
static int check_rights(const struct pcc_probe_wan *wan, struct pcc_err *err)
{
	int fd = open_bound(AF_INET, SOCK_RAW, IPPROTO_ICMP, wan);

	if (fd >= 0)
		close(fd);
	if (fd != -EPERM)
		return 0;
	pcc_err_set(
		err, -EPERM, wan->name, "cannot probe: raw sockets and marks are not permitted");
	return pcc_err_hint(err, -EPERM, "run it as root, or with CAP_NET_ADMIN and CAP_NET_RAW");
}

int pcc_prober_new(struct pcc_prober **prober, sd_event *event, const struct pcc_probe_wan *wan,
	const struct pcc_health_cfg *cfg, pcc_probe_fn fn, void *arg, struct pcc_err *err)
{
	struct pcc_prober *p;
	int ret = check_rights(wan, err);

	if (ret)
		return ret;
	p = calloc(1, sizeof(*p));
	if (!p)
		return pcc_err_set(err, -ENOMEM, wan->name, "%s", strerror(ENOMEM));
	p->event = sd_event_ref(event);
	p->wan = *wan;
	p->interval_us = at_least(cfg->interval_ms, SHORTEST_MS) * 1000ull;
	p->timeout_us = at_least(cfg->timeout_ms, SHORTEST_MS) * 1000ull;
	p->fn = fn;
	p->arg = arg;
	for (uint32_t i = 0; i < cfg->ntargets && i < PCC_MAX_TARGETS && !ret; i++) {
		ret = slot_init(p, i, &cfg->targets[i]);
		p->nslots = i + 1;
	}
	if (ret) {
		pcc_prober_free(p);
		return pcc_err_set(err, ret, wan->name, "cannot start probes: %s", strerror(-ret));
	}
	*prober = p;
	return 0;
}

void pcc_prober_free(struct pcc_prober *p)
{
	if (!p)
		return;
	for (uint32_t i = 0; i < p->nslots; i++) {
		struct slot *slot = &p->slot[i];

		sd_event_source_disable_unref(slot->timer);
		close_tries(slot);
		close_io(&slot->fd, &slot->io);
	}
	sd_event_unref(p->event);
	free(p);
}

void pcc_prober_now(struct pcc_prober *p, uint32_t targets)
{
	for (uint32_t i = 0; i < p->nslots; i++)
		if (targets & 1u << i && !p->slot[i].running)
			arm(&p->slot[i], pcc_now_us());
}
