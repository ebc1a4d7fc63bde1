// SPDX-License-Identifier: GPL-2.0-only
/*
 * Probes over TCP connections: the answer is that the connection is accepted, or it is sent over
 * the connection.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "health/probe_parts.h"
#include "health/probe_socket.h"

/*
 * Returns the round-trip time of the handshake as the kernel measured it, which does not include
 * the delay until our process runs.
 */
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

/* The connection was accepted. Either this is the answer, or the question can be sent now. */
static void stream_connected(struct pcc_attempt *try, uint32_t n)
{
	struct pcc_slot *slot = try->slot;
	uint8_t request[PCC_PROBE_BYTES];
	size_t len;

	try->connected = true;
	try->rtt_us = handshake_us(try->fd, try->sent_us);
	if (!slot->kind->send) {
		pcc_probe_conclude(slot, PCC_PROBE_OK, n, try->rtt_us);
		return;
	}
	len = slot->kind->send(&slot->who, (uint16_t)n, request);
	if (send(try->fd, request, len, MSG_NOSIGNAL) != (ssize_t)len ||
		sd_event_source_set_io_events(try->io, EPOLLIN) < 0)
		pcc_probe_close(&try->fd, &try->io);
}

static void stream_read(struct pcc_attempt *try, uint32_t n)
{
	struct pcc_slot *slot = try->slot;
	struct pcc_answer answer;
	ssize_t len =
		recv(try->fd, try->in + try->in_len, sizeof(try->in) - try->in_len, MSG_DONTWAIT);

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* The connection ended before an answer was complete, or the answer is too long. */
	if (len <= 0) {
		pcc_probe_conclude(slot, PCC_PROBE_REFUSED, n, 0);
		return;
	}
	try->in_len += (size_t)len;
	if (slot->kind->read(&slot->who, try->in, try->in_len, &answer))
		pcc_probe_conclude(slot, answer.outcome, n, try->rtt_us);
}

static int on_stream(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	struct pcc_attempt *try = arg;
	struct pcc_slot *slot = try->slot;
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
		pcc_probe_conclude(slot, PCC_PROBE_REFUSED, n, 0);
	else if (err)
		pcc_probe_close(&try->fd, &try->io); /* unreachable: the next try asks again */
	else
		stream_connected(try, n);
	return 0;
}

void pcc_probe_connect(struct pcc_slot *slot, struct pcc_attempt *try)
{
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	struct sockaddr_storage ss;
	socklen_t len = pcc_probe_address(&slot->who.target, &ss);

	try->fd = pcc_probe_socket(slot->who.target.family, SOCK_STREAM, 0, &slot->prober->wan);
	if (try->fd < 0) {
		try->fd = -1;
		return;
	}
	/* Close with a reset, so that no connection of a probe remains on the server. */
	setsockopt(try->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if ((connect(try->fd, (struct sockaddr *)&ss, len) && errno != EINPROGRESS) ||
		pcc_probe_watch(slot->prober->event, try->fd, EPOLLOUT, on_stream, try, &try->io))
		pcc_probe_close(&try->fd, &try->io);
}
