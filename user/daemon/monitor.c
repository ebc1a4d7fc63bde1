// SPDX-License-Identifier: GPL-2.0-only
/* The socket that `pccbpf monitor` reads. */
#include "daemon/monitor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "report/run.h"

#define QUEUE_BYTES (128 * 1024) /* enough for some hundred events */

struct reader {
	int fd; /* -1: this entry is free */
	sd_event_source *io;
};

struct pcc_monitor {
	sd_event *loop;
	sd_event_source *io;
	int fd;
	char path[PCC_RUN_PATH];
	pcc_monitor_fn fn;
	void *arg;
	struct reader readers[PCC_MONITOR_READERS];
};

static int socket_at(const char *pin_dir, struct sockaddr_un *at)
{
	char path[PCC_RUN_PATH];

	memset(at, 0, sizeof(*at));
	at->sun_family = AF_UNIX;
	memcpy(at->sun_path, pcc_run_path(pin_dir, "monitor", path), PCC_RUN_PATH);
	return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
}

static void reader_drop(struct reader *r)
{
	r->io = sd_event_source_disable_unref(r->io);
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
}

static void reader_send(struct reader *r, const char *text, size_t len)
{
	if (r->fd >= 0 && send(r->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)len)
		reader_drop(r);
}

/* A reader sends nothing, so when its socket becomes readable it has closed it. */
static int on_reader(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	char bytes[64];

	(void)source;
	if (revents & (EPOLLHUP | EPOLLERR) || recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) <= 0)
		reader_drop(arg);
	return 0;
}

static int on_connect(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct pcc_monitor *m = arg;
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), bytes = QUEUE_BYTES;

	(void)source;
	(void)revents;
	if (client < 0)
		return 0;
	for (uint32_t i = 0; i < PCC_MONITOR_READERS; i++) {
		struct reader *r = &m->readers[i];

		if (r->fd >= 0)
			continue;
		r->fd = client;
		setsockopt(client, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
		if (sd_event_add_io(m->loop, &r->io, client, EPOLLIN, on_reader, r) < 0)
			reader_drop(r);
		else
			m->fn(m, (int)i, m->arg);
		return 0;
	}
	close(client);
	return 0;
}

void pcc_monitor_send_to(struct pcc_monitor *m, int reader, const struct pcc_event *e)
{
	char line[PCC_EVENT_BYTES];

	reader_send(&m->readers[reader], line, pcc_event_json(e, line, sizeof(line)));
}

void pcc_monitor_send(struct pcc_monitor *m, const struct pcc_event *e)
{
	char line[PCC_EVENT_BYTES];
	size_t len = pcc_event_json(e, line, sizeof(line));

	for (uint32_t i = 0; i < PCC_MONITOR_READERS; i++)
		reader_send(&m->readers[i], line, len);
}

int pcc_monitor_new(struct pcc_monitor **m, sd_event *loop, const char *pin_dir, pcc_monitor_fn fn,
	void *arg, struct pcc_err *err)
{
	struct pcc_monitor *new = calloc(1, sizeof(*new));
	struct sockaddr_un at;
	int ret = 0;

	*m = NULL;
	if (!new)
		return -ENOMEM;
	new->loop = sd_event_ref(loop);
	new->fn = fn;
	new->arg = arg;
	for (uint32_t i = 0; i < PCC_MONITOR_READERS; i++)
		new->readers[i].fd = -1;
	new->fd = socket_at(pin_dir, &at);
	memcpy(new->path, at.sun_path, sizeof(new->path));
	unlink(new->path); /* left by a daemon that was killed: we have the lock */
	if (new->fd < 0 || bind(new->fd, (struct sockaddr *)&at, sizeof(at)) ||
		chmod(new->path, 0600) || listen(new->fd, 8))
		ret = -errno;
	if (!ret)
		ret = sd_event_add_io(loop, &new->io, new->fd, EPOLLIN, on_connect, new);
	if (ret < 0) {
		pcc_err_set(err, ret, new->path, "%s", strerror(-ret));
		pcc_monitor_free(new);
		return ret;
	}
	*m = new;
	return 0;
}

void pcc_monitor_free(struct pcc_monitor *m)
{
	if (!m)
		return;
	for (uint32_t i = 0; i < PCC_MONITOR_READERS; i++)
		reader_drop(&m->readers[i]);
	sd_event_source_disable_unref(m->io);
	if (m->fd >= 0) {
		close(m->fd);
		unlink(m->path);
	}
	sd_event_unref(m->loop);
	free(m);
}

int pcc_monitor_connect(const char *pin_dir, struct pcc_err *err)
{
	struct sockaddr_un at;
	int fd = socket_at(pin_dir, &at), ret;

	if (fd >= 0 && !connect(fd, (struct sockaddr *)&at, sizeof(at)))
		return fd;
	ret = -errno;
	if (fd >= 0)
		close(fd);
	if (ret == -ENOENT || ret == -ECONNREFUSED) {
		pcc_err_set(err, ret, "daemon", "none is running for '%s'", pin_dir);
		return pcc_err_hint(err, ret, "systemctl start pccbpf, or pccbpf daemon");
	}
	return pcc_err_set(err, ret, at.sun_path, "%s", strerror(-ret));
}
