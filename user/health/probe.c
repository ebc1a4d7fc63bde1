// SPDX-License-Identifier: GPL-2.0-only
#include "health/probe.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "health/kind.h"
#include "health/probe_socket.h"

/* How late a timer may be: lets the event loop do several things at one waking. */
#define ACCURACY_US 5000u
/* Of the interval, either way: many routers started at once do not stay in step. */
#define JITTER_PERCENT 10u
/* Answers are read before timers say that there are none. */
#define IO_PRIORITY (SD_EVENT_PRIORITY_NORMAL - 10)
/* Of interval and timeout, whatever is asked for. */
#define SHORTEST_MS 20u
#define SENT_RING 16u /* a power of two, at least twice PCC_PROBE_TRIES */
#define DATAGRAM_MAX 1500u
#define STREAM_MAX 64u /* of an answer in a stream so much is read at most */

struct slot;

/* One question of a probe. Streams have a socket for each. */
struct attempt {
	struct slot *slot;
	int fd; /* -1: none */
	sd_event_source *io;
	uint64_t sent_us;
	uint32_t rtt_us; /* of the handshake */
	bool connected;
	uint8_t in[STREAM_MAX];
	size_t in_len;
};

/* A datagram that may still be answered; by its number. */
struct sent {
	uint64_t us; /* 0: not expected */
	uint16_t number;
};

/* A target and the probe that is under way. */
struct slot {
	struct pcc_prober *prober;
	uint32_t index;
	const struct pcc_kind *kind;
	struct pcc_asker who;
	sd_event_source *timer;
	bool running;
	uint64_t started_us;
	uint32_t ntries;
	struct attempt try[PCC_PROBE_TRIES];
	int fd; /* for datagrams: of this probe, or for good; -1: none */
	sd_event_source *io;
	uint16_t number; /* of the next question */
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

static int on_datagram(sd_event_source *s, int fd, uint32_t events, void *arg);
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
 * A raw socket serves all probes of a target. It is not connected: each question is to have the
 * source address that is right by then, and an answer that comes after its probe is still heard.
 */
static bool lasts(const struct slot *slot)
{
	return slot->kind->type == SOCK_RAW;
}

/* The socket for datagrams. A connected one hears nobody else. */
static int open_datagram(struct slot *slot)
{
	const struct pcc_target *target = &slot->who.target;
	enum pcc_family f = target->family == AF_INET ? PCC_V4 : PCC_V6;
	struct sockaddr_storage ss;
	socklen_t len = pcc_probe_address(target, &ss);

	if (slot->fd >= 0)
		return 0;
	slot->fd = pcc_probe_socket(
		target->family, slot->kind->type, slot->kind->protocol[f], &slot->prober->wan);
	if (slot->fd < 0)
		return slot->fd;
	if ((lasts(slot) || !connect(slot->fd, (struct sockaddr *)&ss, len)) &&
		(!slot->kind->prepare || !slot->kind->prepare(&slot->who, slot->fd)) &&
		!watch(slot->prober, slot->fd, EPOLLIN, on_datagram, slot, &slot->io))
		return 0;
	close_io(&slot->fd, &slot->io);
	return -EIO;
}

static void close_tries(struct slot *slot)
{
	for (uint32_t i = 0; i < PCC_PROBE_TRIES; i++)
		close_io(&slot->try[i].fd, &slot->try[i].io);
	if (!lasts(slot))
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

/* No answer is expected any more. After a loss it is: a late one is a sign of life. */
static void forget_sent(struct slot *slot)
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
		forget_sent(slot);
	arm_next(slot, now_us);
	p->fn(&r, p->arg);
}

static void send_datagram(struct slot *slot, struct attempt *try)
{
	uint16_t number = slot->number++;
	struct sent *sent = &slot->sent[number % SENT_RING];
	struct sockaddr_storage ss;
	socklen_t ss_len = pcc_probe_address(&slot->who.target, &ss);
	struct sockaddr *to = lasts(slot) ? (struct sockaddr *)&ss : NULL;
	uint8_t packet[PCC_PROBE_BYTES];
	size_t len = slot->kind->send(&slot->who, number, packet);

	*sent = (struct sent){0};
	if (!len || open_datagram(slot))
		return;
	if (sendto(slot->fd, packet, len, MSG_NOSIGNAL, to, to ? ss_len : 0) >= 0)
		*sent = (struct sent){try->sent_us, number};
	else if (!lasts(slot))
		close_io(&slot->fd, &slot->io);
}

/* A connection request. It is answered in on_stream(), even if that is within this call. */
static void send_syn(struct slot *slot, struct attempt *try)
{
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	struct sockaddr_storage ss;
	socklen_t len = pcc_probe_address(&slot->who.target, &ss);

	try->fd = pcc_probe_socket(slot->who.target.family, SOCK_STREAM, 0, &slot->prober->wan);
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
	struct attempt *try = &slot->try[slot->ntries++];

	*try = (struct attempt){.slot = slot, .fd = -1, .sent_us = pcc_now_us()};
	if (slot->kind->type == SOCK_STREAM)
		send_syn(slot, try);
	else
		send_datagram(slot, try);
}

static void begin(struct slot *slot)
{
	slot->running = true;
	slot->started_us = pcc_now_us();
	slot->ntries = 0;
	if (lasts(slot))
		return;
	/* A new socket: its numbers are not to be guessed from those of the last one. */
	forget_sent(slot);
	slot->number = (uint16_t)random_u32();
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
	if (!slot->running)
		begin(slot);
	next_try(slot);
	arm_running(slot);
	return 0;
}

/* ---------------------------------------------------------------- answers */

/* The answer to a question of a probe that was given up. */
static void late(struct slot *slot, uint32_t rtt_us)
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

static int on_datagram(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	struct slot *slot = arg;
	uint8_t in[DATAGRAM_MAX];
	ssize_t len = recv(fd, in, sizeof(in), MSG_DONTWAIT);
	struct pcc_answer answer;
	struct sent *sent;
	uint32_t rtt_us;
	uint16_t ago;

	(void)s;
	(void)events;
	if (len < 0) {
		/* The port is closed: an answer, of a kind. Other errors may pass. */
		if (errno == ECONNREFUSED && slot->running)
			conclude(slot, PCC_PROBE_REFUSED, slot->ntries - 1, 0);
		return 0;
	}
	if (!slot->kind->read(&slot->who, in, (size_t)len, &answer))
		return 0;
	sent = &slot->sent[answer.number % SENT_RING];
	if (sent->number != answer.number || !sent->us)
		return 0;
	rtt_us = (uint32_t)(pcc_now_us() - sent->us);
	sent->us = 0;
	ago = (uint16_t)(slot->number - 1 - answer.number); /* tries since this one */
	if (slot->running && ago < slot->ntries)
		conclude(slot, answer.outcome, slot->ntries - 1 - ago, rtt_us);
	else
		late(slot, rtt_us);
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

/* The connection stands. That is the answer, or now the question can be asked. */
static void stream_connected(struct attempt *try, uint32_t n)
{
	struct slot *slot = try->slot;
	uint8_t request[PCC_PROBE_BYTES];
	size_t len;

	try->connected = true;
	try->rtt_us = handshake_us(try->fd, try->sent_us);
	if (!slot->kind->send) {
		conclude(slot, PCC_PROBE_OK, n, try->rtt_us);
		return;
	}
	len = slot->kind->send(&slot->who, (uint16_t)n, request);
	if (send(try->fd, request, len, MSG_NOSIGNAL) != (ssize_t)len ||
		sd_event_source_set_io_events(try->io, EPOLLIN) < 0)
		close_io(&try->fd, &try->io);
}

static void stream_read(struct attempt *try, uint32_t n)
{
	struct slot *slot = try->slot;
	struct pcc_answer answer;
	ssize_t len =
		recv(try->fd, try->in + try->in_len, sizeof(try->in) - try->in_len, MSG_DONTWAIT);

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* Its end, before there was an answer; or it is too long for one. */
	if (len <= 0) {
		conclude(slot, PCC_PROBE_REFUSED, n, 0);
		return;
	}
	try->in_len += (size_t)len;
	if (slot->kind->read(&slot->who, try->in, try->in_len, &answer))
		conclude(slot, answer.outcome, n, try->rtt_us);
}

static int on_stream(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	struct attempt *try = arg;
	struct slot *slot = try->slot;
	uint32_t n = (uint32_t)(try - slot->try);
	int err = 0;
	socklen_t len = sizeof(err);

	(void)s;
	(void)events;
	if (try->connected) {
		stream_read(try, n);
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
	slot->kind = pcc_kind(target->kind);
	slot->fd = -1;
	slot->number = (uint16_t)random_u32();
	slot->who.target = *target;
	slot->who.id = (uint16_t)random_u32();
	for (uint32_t n = 0; n < PCC_PROBE_NONCE; n++)
		slot->who.nonce[n] = (uint8_t)random_u32();
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
	int fd = pcc_probe_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP, wan);

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
