// SPDX-License-Identifier: GPL-2.0-only
/* Resets the connections of a lost WAN: asks clients for sequence numbers, at a limited rate. */
#include "daemon/reset.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/clients.h"
#include "daemon/reset_packet.h"

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

#define TICK_MS 10u
#define PER_TICK (PCC_RESET_PER_S * TICK_MS / 1000u)
/* Connections that have not answered yet: the filter lists their ports. */
#define ASKED_MAX 512u
#define ASK_AGAIN_MS 600u /* a client may answer only twice a second (tcp_invalid_ratelimit) */
#define ASKS 3u
#define READS_MAX 64

struct asked {
	struct pcc_tuple conn;
	uint64_t at_ms;
	uint32_t asks;
	struct sockaddr_ll to;
};

struct lan {
	uint32_t ifindex;
	int fd;
	sd_event_source *io;
};

struct pcc_reset {
	sd_event *loop;
	pcc_reset_fn fn;
	void *arg;
	sd_event_source *timer;
	struct pcc_tuple *queue; /* NULL while there is nothing to do */
	uint32_t nqueue, at;
	struct asked asked[ASKED_MAX];
	uint32_t nasked;
	uint32_t told, silent;
	struct lan lans[PCC_MAX_LANS];
	uint32_t nlans;
	int send_fd;
	struct pcc_clients clients;
};

/* --- sockets ------------------------------------------------------------------------------- */

static void sockets_close(struct pcc_reset *r)
{
	for (uint32_t i = 0; i < r->nlans; i++) {
		r->lans[i].io = sd_event_source_disable_unref(r->lans[i].io);
		if (r->lans[i].fd >= 0)
			close(r->lans[i].fd);
		r->lans[i].fd = -1;
	}
	if (r->send_fd >= 0)
		close(r->send_fd);
	r->send_fd = -1;
	pcc_clients_close(&r->clients);
}

/* Sets the filter of each socket to the ports from which answers are expected. */
static void filters_update(struct pcc_reset *r)
{
	struct sock_filter insns[PCC_RESET_INSNS(ASKED_MAX)];
	__be16 ports[ASKED_MAX];
	struct sock_fprog prog = {.filter = insns};

	for (uint32_t i = 0; i < r->nasked; i++)
		ports[i] = r->asked[i].conn.sport;
	prog.len = (unsigned short)pcc_reset_filter(insns, ports, r->nasked);
	for (uint32_t i = 0; i < r->nlans; i++)
		if (r->lans[i].fd >= 0)
			setsockopt(
				r->lans[i].fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));
}

static int on_packet(sd_event_source *source, int fd, uint32_t revents, void *arg);

/*
 * Opens the socket of a LAN. It is bound last, so that it receives nothing before it has a filter.
 */
static int lan_open(struct pcc_reset *r, struct lan *lan)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)lan->ifindex,
	};
	int on = 1, ret;

	lan->fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (lan->fd < 0)
		return -errno;
	setsockopt(lan->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
	filters_update(r);
	if (bind(lan->fd, (struct sockaddr *)&at, sizeof(at)))
		return -errno;
	ret = sd_event_add_io(r->loop, &lan->io, lan->fd, EPOLLIN, on_packet, r);
	return ret < 0 ? ret : 0;
}

static int sockets_open(struct pcc_reset *r, const struct pcc_config *cfg)
{
	int ret;

	r->send_fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (r->send_fd < 0)
		return -errno;
	ret = pcc_clients_open(&r->clients, cfg);
	for (uint32_t i = 0; !ret && i < r->nlans; i++)
		ret = lan_open(r, &r->lans[i]);
	return ret;
}

/* --- telling ------------------------------------------------------------------------------- */

static void send_to(
	struct pcc_reset *r, const struct sockaddr_ll *to, const uint8_t *buf, size_t len)
{
	/* If this fails, the client is asked again, or is not told. */
	if (sendto(r->send_fd, buf, len, MSG_DONTWAIT, (const struct sockaddr *)to, sizeof(*to)) <
		0)
		return;
}

static void ask(struct pcc_reset *r, struct asked *a, uint64_t now)
{
	uint8_t buf[PCC_RESET_BYTES];
	uint32_t seq = 0;

	if (getrandom(&seq, sizeof(seq), GRND_NONBLOCK) < 0)
		seq = (uint32_t)now;
	a->asks++;
	a->at_ms = now;
	send_to(r, &a->to, buf, pcc_reset_syn(buf, &a->conn, seq));
}

static void asked_drop(struct pcc_reset *r, uint32_t i)
{
	r->asked[i] = r->asked[--r->nasked];
}

static int on_packet(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	uint8_t packet[128], buf[PCC_RESET_BYTES];
	struct pcc_reset *r = arg;

	(void)source;
	(void)revents;
	for (int reads = 0; reads < READS_MAX; reads++) {
		ssize_t got = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);
		struct pcc_tuple conn;
		uint32_t seq, ack;

		if (got < 0)
			break;
		if (!pcc_reset_parse(packet, (size_t)got, &conn, &seq, &ack))
			continue;
		for (uint32_t i = 0; i < r->nasked; i++) {
			if (memcmp(&r->asked[i].conn, &conn, sizeof(conn)))
				continue;
			send_to(r, &r->asked[i].to, buf, pcc_reset_rst(buf, &conn, ack, seq));
			r->told++;
			asked_drop(r, i);
			break;
		}
	}
	return 0;
}

static void finish(struct pcc_reset *r)
{
	uint32_t told = r->told, silent = r->silent;

	sockets_close(r);
	free(r->queue);
	r->queue = NULL;
	r->nqueue = r->at = r->told = r->silent = 0;
	r->fn(told, silent, r->arg);
}

/* Asks clients again that have not answered in time. Returns how many packets were sent. */
static uint32_t ask_again(struct pcc_reset *r, uint64_t now)
{
	uint32_t sent = 0;

	for (uint32_t i = r->nasked; i-- > 0;) {
		struct asked *a = &r->asked[i];

		if (now - a->at_ms < ASK_AGAIN_MS || sent == PER_TICK)
			continue;
		if (a->asks == ASKS) {
			r->silent++;
			asked_drop(r, i);
			continue;
		}
		ask(r, a, now);
		sent++;
	}
	return sent;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *arg)
{
	struct pcc_reset *r = arg;
	uint64_t now = pcc_now_ms();
	uint32_t first, sent;

	sent = ask_again(r, now);
	first = r->nasked;
	while (r->at < r->nqueue && r->nasked < ASKED_MAX && sent < PER_TICK) {
		struct asked *a = &r->asked[r->nasked];

		memset(a, 0, sizeof(*a));
		a->conn = r->queue[r->at++];
		sent++;
		if (pcc_clients_find(&r->clients, &a->conn, &a->to))
			r->nasked++;
		else
			r->silent++;
	}
	filters_update(r);
	for (uint32_t i = first; i < r->nasked; i++)
		ask(r, &r->asked[i], now);
	if (!r->nasked && r->at == r->nqueue) {
		finish(r);
		return 0;
	}
	(void)usec;
	sd_event_source_set_time(source, (now + TICK_MS) * 1000);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* --- collecting ---------------------------------------------------------------------------- */

struct collect {
	struct pcc_reset *r;
	uint32_t wan_id, n;
};

static int collect_one(const struct pcc_tuple *key, const struct pcc_conn *conn, void *arg)
{
	struct collect *c = arg;
	struct pcc_reset *r = c->r;

	if (conn->wan_id != c->wan_id || key->proto != IPPROTO_TCP ||
		conn->origin != PCC_ORIGIN_LAN || !conn->rx_packets || r->nqueue == PCC_RESET_MAX)
		return 0;
	r->queue[r->nqueue++] = *key;
	c->n++;
	return 0;
}

/* Takes over the present LANs. No socket is open at this time. */
static void take_lans(struct pcc_reset *r, const struct pcc_config *cfg)
{
	r->nlans = 0;
	for (uint32_t i = 0; i < cfg->nlans; i++) {
		if (!cfg->lans[i].ifindex)
			continue;
		memset(&r->lans[r->nlans], 0, sizeof(r->lans[0]));
		r->lans[r->nlans].ifindex = cfg->lans[i].ifindex;
		r->lans[r->nlans++].fd = -1;
	}
}

/* Opens sockets and allocates the queue, unless there is one already. */
static int begin(struct pcc_reset *r, const struct pcc_config *cfg)
{
	if (r->queue)
		return 0;
	r->queue = calloc(PCC_RESET_MAX, sizeof(*r->queue));
	if (!r->queue)
		return -ENOMEM;
	take_lans(r, cfg);
	return sockets_open(r, cfg);
}

uint32_t pcc_reset_collect(
	struct pcc_reset *r, struct pcc_dp *dp, const struct pcc_config *cfg, uint32_t wan_id)
{
	struct collect c = {.r = r, .wan_id = wan_id};

	if (begin(r, cfg)) {
		sockets_close(r);
		free(r->queue);
		r->queue = NULL;
		return 0;
	}
	pcc_dp_conns(dp, collect_one, &c, NULL);
	sd_event_source_set_time(r->timer, 0);
	sd_event_source_set_enabled(r->timer, SD_EVENT_ONESHOT);
	return c.n;
}

int pcc_reset_new(struct pcc_reset **r, sd_event *loop, pcc_reset_fn fn, void *arg)
{
	struct pcc_reset *new = calloc(1, sizeof(*new));
	int ret;

	*r = NULL;
	if (!new)
		return -ENOMEM;
	new->loop = sd_event_ref(loop);
	new->send_fd = -1;
	new->fn = fn;
	new->arg = arg;
	ret = sd_event_add_time(loop, &new->timer, CLOCK_MONOTONIC, 0, 1000, on_tick, new);
	if (ret >= 0)
		ret = sd_event_source_set_enabled(new->timer, SD_EVENT_OFF);
	if (ret < 0) {
		pcc_reset_free(new);
		return ret;
	}
	*r = new;
	return 0;
}

void pcc_reset_free(struct pcc_reset *r)
{
	if (!r)
		return;
	sockets_close(r);
	free(r->queue);
	sd_event_source_disable_unref(r->timer);
	sd_event_unref(r->loop);
	free(r);
}
