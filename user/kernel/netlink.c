// SPDX-License-Identifier: GPL-2.0-only
/* Netlink conversations: requests and answers, dumps, batches, attributes. */
#include "kernel/netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define RECEIVE_BYTES (256 * 1024) /* messages of conntrack and link dumps can exceed 32 KiB */
#define SOCKET_BYTES (1024 * 1024)
#define DUMP_TRIES 10

/* The state of one conversation. */
struct talk {
	pcc_nl_cb cb;
	void *arg;
	uint32_t first_seq; /* answers first_seq .. nl->seq are ours, those before are stale */
	int ignore;	    /* a negative errno that is not a failure; 0: none */
	int failed;	    /* the first failure in a batch */
	bool interrupted;   /* NLM_F_DUMP_INTR was seen */
	bool done;
};

int pcc_nl_open(struct pcc_nl *nl, int bus)
{
	int on = 1, bytes = SOCKET_BYTES;
	int err, fd;

	memset(nl, 0, sizeof(*nl));
	nl->sock = mnl_socket_open2(bus, SOCK_CLOEXEC);
	if (!nl->sock)
		return -errno;
	nl->buf_bytes = RECEIVE_BYTES;
	nl->buf = malloc(nl->buf_bytes);
	if (!nl->buf) {
		err = -ENOMEM;
		goto out;
	}
	if (mnl_socket_bind(nl->sock, 0, MNL_SOCKET_AUTOPID) < 0) {
		err = -errno;
		goto out;
	}
	nl->portid = mnl_socket_get_portid(nl->sock);
	nl->seq = (uint32_t)time(NULL);
	fd = mnl_socket_get_fd(nl->sock);
	/*
	 * These options are improvements only. On a kernel that lacks one everything works without
	 * it.
	 */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	mnl_socket_setsockopt(nl->sock, NETLINK_EXT_ACK, &on, sizeof(on));
	if (bus == NETLINK_ROUTE)
		mnl_socket_setsockopt(nl->sock, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	return 0;
out:
	pcc_nl_close(nl);
	return err;
}

void pcc_nl_close(struct pcc_nl *nl)
{
	if (nl->sock)
		mnl_socket_close(nl->sock);
	free(nl->buf);
	memset(nl, 0, sizeof(*nl));
}

/* Stores the text of an extended acknowledgement (include/uapi/linux/netlink.h, nlmsgerr_attrs). */
static void keep_extack(struct pcc_nl *nl, const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
	size_t offset = sizeof(*e);
	const struct nlattr *attr;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		offset += MNL_ALIGN(e->msg.nlmsg_len) - sizeof(e->msg);
	if (offset > mnl_nlmsg_get_payload_len(nlh))
		return;
	mnl_attr_for_each(attr, nlh, offset)
	{
		if (mnl_attr_get_type(attr) != NLMSGERR_ATTR_MSG ||
			mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0)
			continue;
		snprintf(nl->extack, sizeof(nl->extack), "%s", mnl_attr_get_str(attr));
	}
}

/* Handles an error or an acknowledgement. That of the last request ends the conversation. */
static int on_error(struct pcc_nl *nl, const struct nlmsghdr *nlh, struct talk *t)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*e))
		return -EBADMSG;
	if (e->error && e->error != t->ignore && !t->failed) {
		t->failed = e->error;
		keep_extack(nl, nlh);
	}
	if (nlh->nlmsg_seq == nl->seq)
		t->done = true;
	return 0;
}

static int on_message(struct pcc_nl *nl, const struct nlmsghdr *nlh, struct talk *t)
{
	if (nlh->nlmsg_pid != nl->portid || nlh->nlmsg_seq - t->first_seq > nl->seq - t->first_seq)
		return 0;
	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
		t->interrupted = true;
	switch (nlh->nlmsg_type) {
	case NLMSG_ERROR:
		return on_error(nl, nlh, t);
	case NLMSG_DONE:
		t->done = true;
		/*
		 * A dump that fails half way reports that here (kernel af_netlink.c,
		 * netlink_dump_done).
		 */
		if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(int)) {
			int code = *(int *)mnl_nlmsg_get_payload(nlh);

			if (code < 0)
				t->failed = code;
		}
		return 0;
	case NLMSG_NOOP:
	case NLMSG_OVERRUN:
		return 0;
	default:
		return t->cb && !t->interrupted ? t->cb(nlh, t->arg) : 0;
	}
}

/* Reads messages until the conversation is over. */
static int receive(struct pcc_nl *nl, struct talk *t)
{
	int cb_err = 0;

	while (!t->done) {
		const struct nlmsghdr *nlh;
		ssize_t got = mnl_socket_recvfrom(nl->sock, nl->buf, nl->buf_bytes);
		int left, err;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		left = (int)got;
		for (nlh = (const void *)nl->buf; mnl_nlmsg_ok(nlh, left);
			nlh = mnl_nlmsg_next(nlh, &left)) {
			err = on_message(nl, nlh, t);
			/*
			 * After a failure, read on; otherwise the rest of this answer would be
			 * taken for part of a later one.
			 */
			if (err < 0 && !cb_err) {
				cb_err = err;
				t->cb = NULL;
			}
		}
	}
	return cb_err ? cb_err : t->failed;
}

static int send_all(struct pcc_nl *nl, const void *data, size_t bytes)
{
	ssize_t sent;

	nl->extack[0] = '\0';
	do
		sent = mnl_socket_sendto(nl->sock, data, bytes);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

int pcc_nl_get(struct pcc_nl *nl, struct nlmsghdr *nlh, pcc_nl_cb cb, void *arg)
{
	struct talk t = {.cb = cb, .arg = arg};
	int err;

	if (!nl->sock)
		return -EBADF;
	nlh->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = ++nl->seq;
	t.first_seq = nl->seq;
	err = send_all(nl, nlh, nlh->nlmsg_len);
	return err ? err : receive(nl, &t);
}

int pcc_nl_ack(struct pcc_nl *nl, struct nlmsghdr *nlh)
{
	return pcc_nl_get(nl, nlh, NULL, NULL);
}

int pcc_nl_dump(struct pcc_nl *nl, struct nlmsghdr *nlh, pcc_nl_cb cb, void *arg)
{
	int err, tries;

	if (!nl->sock)
		return -EBADF;
	for (tries = 0; tries < DUMP_TRIES; tries++) {
		struct talk t = {.cb = cb, .arg = arg};

		if (tries > 0)
			cb(NULL, arg);
		nlh->nlmsg_flags |= NLM_F_REQUEST | NLM_F_DUMP;
		nlh->nlmsg_seq = ++nl->seq;
		t.first_seq = nl->seq;
		err = send_all(nl, nlh, nlh->nlmsg_len);
		if (!err)
			err = receive(nl, &t);
		if (err || !t.interrupted)
			return err;
	}
	return -EINTR;
}

int pcc_nl_batch(struct pcc_nl *nl, void *messages, size_t bytes, int ignore)
{
	struct talk t = {.first_seq = nl->seq + 1, .ignore = -ignore};
	struct nlmsghdr *nlh = messages;
	int left = (int)bytes;
	int err;

	if (!nl->sock)
		return -EBADF;
	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
		nlh->nlmsg_seq = ++nl->seq;
	if (nl->seq + 1 == t.first_seq)
		return 0;
	err = send_all(nl, messages, bytes);
	return err ? err : receive(nl, &t);
}

const char *pcc_nl_reason(const struct pcc_nl *nl, int err)
{
	return nl->extack[0] ? nl->extack : strerror(-err);
}

int pcc_nl_listed(const struct pcc_nl *nl, int code, const char *what, struct pcc_err *err)
{
	if (!code || code == -EAFNOSUPPORT)
		return 0;
	return pcc_err_set(err, code, what, "cannot list them: %s", pcc_nl_reason(nl, code));
}

bool pcc_attr_u32(const struct nlattr *attr, uint32_t *value)
{
	if (mnl_attr_validate(attr, MNL_TYPE_U32) < 0)
		return false;
	*value = mnl_attr_get_u32(attr);
	return true;
}

bool pcc_attr_u8(const struct nlattr *attr, uint8_t *value)
{
	if (mnl_attr_validate(attr, MNL_TYPE_U8) < 0)
		return false;
	*value = mnl_attr_get_u8(attr);
	return true;
}

bool pcc_attr_ip(const struct nlattr *attr, int family, union pcc_ip *ip)
{
	size_t bytes = pcc_ip_bytes(family);

	if (mnl_attr_get_payload_len(attr) < bytes)
		return false;
	memcpy(ip->bytes, mnl_attr_get_payload(attr), bytes);
	return true;
}

void pcc_attr_name(const struct nlattr *attr, char name[PCC_IFNAMSIZ])
{
	size_t bytes = mnl_attr_get_payload_len(attr);

	if (bytes >= PCC_IFNAMSIZ)
		bytes = PCC_IFNAMSIZ - 1;
	memcpy(name, mnl_attr_get_payload(attr), bytes);
	name[bytes] = '\0';
}
