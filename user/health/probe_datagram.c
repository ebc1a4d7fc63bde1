// SPDX-License-Identifier: GPL-2.0-only
/*
 * Probes with datagrams, over a raw or a connected socket: a question and an answer are a datagram
 * each.
 */
#include <errno.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "health/probe_parts.h"
#include "health/probe_socket.h"

#define DATAGRAM_MAX 1500u

static int on_datagram(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	struct pcc_slot *slot = arg;
	uint8_t in[DATAGRAM_MAX];
	ssize_t len = recv(fd, in, sizeof(in), MSG_DONTWAIT);
	struct pcc_answer answer;
	struct pcc_sent *sent;
	uint32_t rtt_us;
	uint16_t ago;

	(void)s;
	(void)events;
	if (len < 0) {
		/* The port is closed, which is also an answer. Other errors may be temporary. */
		if (errno == ECONNREFUSED && slot->running)
			pcc_probe_conclude(slot, PCC_PROBE_REFUSED, slot->ntries - 1, 0);
		return 0;
	}
	if (!slot->kind->read(&slot->who, in, (size_t)len, &answer))
		return 0;
	sent = &slot->sent[answer.number % PCC_SENT_RING];
	if (sent->number != answer.number || !sent->us)
		return 0;
	rtt_us = (uint32_t)(pcc_now_us() - sent->us);
	sent->us = 0;
	ago = (uint16_t)(slot->number - 1 -
			 answer.number); /* tries after the one that is answered */
	if (slot->running && ago < slot->ntries)
		pcc_probe_conclude(slot, answer.outcome, slot->ntries - 1 - ago, rtt_us);
	else
		pcc_probe_late(slot, rtt_us);
	return 0;
}

/*
 * Opens the slot's socket for datagrams, if it is not open. A connected socket receives from its
 * target only.
 */
static int open_datagram(struct pcc_slot *slot)
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
	if ((pcc_probe_lasts(slot) || !connect(slot->fd, (struct sockaddr *)&ss, len)) &&
		(!slot->kind->prepare || !slot->kind->prepare(&slot->who, slot->fd)) &&
		!pcc_probe_watch(
			slot->prober->event, slot->fd, EPOLLIN, on_datagram, slot, &slot->io))
		return 0;
	pcc_probe_close(&slot->fd, &slot->io);
	return -EIO;
}

void pcc_probe_ask(struct pcc_slot *slot, struct pcc_attempt *try)
{
	uint16_t number = slot->number++;
	struct pcc_sent *sent = &slot->sent[number % PCC_SENT_RING];
	struct sockaddr_storage ss;
	socklen_t ss_len = pcc_probe_address(&slot->who.target, &ss);
	struct sockaddr *to = pcc_probe_lasts(slot) ? (struct sockaddr *)&ss : NULL;
	uint8_t packet[PCC_PROBE_BYTES];
	size_t len = slot->kind->send(&slot->who, number, packet);

	*sent = (struct pcc_sent){0};
	if (!len || open_datagram(slot))
		return;
	if (sendto(slot->fd, packet, len, MSG_NOSIGNAL, to, to ? ss_len : 0) >= 0)
		*sent = (struct pcc_sent){try->sent_us, number};
	else if (!pcc_probe_lasts(slot))
		pcc_probe_close(&slot->fd, &slot->io);
}
