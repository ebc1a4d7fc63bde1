// SPDX-License-Identifier: GPL-2.0-only
/*
 * TCP from one host to another through the router: how much a download carries, and how long a
 * request and its response take. The server is a child process on the ISPs' side; the client is
 * this process, on the LAN's side. A connection's first byte says what it wants.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench.h"

#define SERVER_PORT 5201
#define MAX_STREAMS 32
#define CHUNK (256 * 1024)
#define REQUEST_BYTES 64
#define REQUEST_MAX 100000
/* Slow start and learning are over by then. */
#define RAMP_UP_NS 300000000ull
#define BULK_NS 700000000ull
#define REQUEST_NS 500000000ull
#define CONNECT_TIMEOUT_S 5

enum wish { WISH_NONE = 0, WISH_BULK = 'B', WISH_ECHO = 'E' };

static char chunk[CHUNK];

/* ---- server ---- */

struct server {
	struct pollfd fds[MAX_STREAMS + 1]; /* the listener, then the connections */
	char wishes[MAX_STREAMS + 1];
	int count;
};

static void server_accept(struct server *s)
{
	int one = 1, fd = accept4(s->fds[0].fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (s->count > MAX_STREAMS) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	s->fds[s->count] = (struct pollfd){.fd = fd, .events = POLLIN};
	s->wishes[s->count++] = WISH_NONE;
}

static void server_close(struct server *s, int i)
{
	close(s->fds[i].fd);
	s->count--;
	s->fds[i] = s->fds[s->count];
	s->wishes[i] = s->wishes[s->count];
}

/* Returns 0, or -1 when the connection has ended. */
static int server_serve(struct server *s, int i)
{
	ssize_t got;

	if (s->wishes[i] == WISH_NONE) {
		got = read(s->fds[i].fd, &s->wishes[i], 1);
		if (got == 1 && s->wishes[i] == WISH_BULK)
			s->fds[i].events = POLLOUT;
	} else if (s->wishes[i] == WISH_ECHO) {
		char request[REQUEST_BYTES];

		got = read(s->fds[i].fd, request, sizeof(request));
		if (got > 0)
			got = write(s->fds[i].fd, request, (size_t)got);
	} else {
		got = write(s->fds[i].fd, chunk, sizeof(chunk));
	}
	return got > 0 || (got < 0 && errno == EAGAIN) ? 0 : -1;
}

static void server_run(int listener)
{
	struct server s = {.fds[0] = {.fd = listener, .events = POLLIN}, .count = 1};

	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		if (poll(s.fds, (nfds_t)s.count, -1) < 0)
			continue;
		for (int i = s.count - 1; i > 0; i--)
			if (s.fds[i].revents && server_serve(&s, i))
				server_close(&s, i);
		if (s.fds[0].revents)
			server_accept(&s);
	}
}

/* The address of the server, or any for the one that listens. */
static socklen_t address(int family, bool any, struct sockaddr_storage *to)
{
	struct sockaddr_in6 *in6 = (void *)to;
	struct sockaddr_in *in4 = (void *)to;

	memset(to, 0, sizeof(*to));
	if (family == 4) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons(SERVER_PORT);
		if (!any)
			inet_pton(AF_INET, TOPO_SERVER_V4, &in4->sin_addr);
		return sizeof(*in4);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(SERVER_PORT);
	if (!any)
		inet_pton(AF_INET6, TOPO_SERVER_V6, &in6->sin6_addr);
	return sizeof(*in6);
}

static int server_listen(int family)
{
	struct sockaddr_storage any;
	socklen_t length = address(family, true, &any);
	int err, one = 1,
		 fd = socket(family == 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&any, length) || listen(fd, MAX_STREAMS)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* Its pid, or -errno. The socket belongs to the namespace in which it was made. */
static pid_t server_start(const struct topo *t, int home)
{
	int listener, err = ns_enter(t->isp_fd);
	pid_t pid;

	if (err)
		return err;
	listener = server_listen(t->family);
	ns_enter(home);
	if (listener < 0)
		return listener;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		server_run(listener);
	}
	err = pid < 0 ? -errno : pid;
	close(listener);
	return err;
}

/* ---- client ---- */

/* A connected socket in the namespace of the caller, or -errno. */
static int client_connect(int family, enum wish wish)
{
	struct sockaddr_storage server;
	socklen_t length = address(family, false, &server);
	struct timeval timeout = {.tv_sec = CONNECT_TIMEOUT_S};
	char word = (char)wish;
	int err, one = 1,
		 fd = socket(family == 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (struct sockaddr *)&server, length) || write(fd, &word, 1) != 1) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* Reads what has come on all streams until the time is over. Bytes, or -errno. */
static int64_t drain(struct pollfd *fds, int count, uint64_t until_ns)
{
	static char sink[CHUNK];
	int64_t sum = 0;
	ssize_t got;

	while (now_ns() < until_ns) {
		if (poll(fds, (nfds_t)count, 100) < 0)
			return -errno;
		for (int i = 0; i < count; i++) {
			if (!fds[i].revents)
				continue;
			got = recv(fds[i].fd, sink, sizeof(sink), MSG_DONTWAIT);
			if (got == 0 || (got < 0 && errno != EAGAIN))
				return got ? -errno : -ECONNRESET;
			sum += got > 0 ? got : 0;
		}
	}
	return sum;
}

/* ns per kilobyte over so many streams, or < 0. */
static double bulk(int family, int streams)
{
	struct pollfd fds[MAX_STREAMS];
	int64_t bytes = 0;
	uint64_t start = 0, end = 0;
	int count = 0, err = 0;

	while (!err && count < streams) {
		fds[count] =
			(struct pollfd){.fd = client_connect(family, WISH_BULK), .events = POLLIN};
		err = fds[count].fd < 0 ? fds[count].fd : 0;
		count += !err;
	}
	if (!err) {
		bytes = drain(fds, count, now_ns() + RAMP_UP_NS);
		start = now_ns();
		if (bytes >= 0)
			bytes = drain(fds, count, start + BULK_NS);
		end = now_ns();
	}
	for (int i = 0; i < count; i++)
		close(fds[i].fd);
	return !err && bytes > 0 ? (double)(end - start) * 1000 / (double)bytes : -1;
}

static int request(int fd)
{
	char data[REQUEST_BYTES] = {0};
	ssize_t got, have = 0;

	if (write(fd, data, sizeof(data)) != sizeof(data))
		return -EIO;
	while (have < REQUEST_BYTES) {
		got = read(fd, data, sizeof(data));
		if (got <= 0)
			return -EIO;
		have += got;
	}
	return 0;
}

static int requests(int family, struct stream_times *out)
{
	double *times = calloc(REQUEST_MAX, sizeof(*times));
	int count = 0, fd = client_connect(family, WISH_ECHO), err = fd < 0 ? fd : 0;
	uint64_t start, end;

	if (!err && !times)
		err = -ENOMEM;
	start = now_ns();
	while (!err && now_ns() - start < RAMP_UP_NS)
		err = request(fd);
	start = now_ns();
	for (end = start; !err && end < start + REQUEST_NS + RAMP_UP_NS && count < REQUEST_MAX;) {
		uint64_t sent = now_ns();

		err = request(fd);
		end = now_ns();
		times[count++] = (double)(end - sent);
	}
	if (!err && count < 100)
		err = -ETIME;
	if (!err) {
		qsort(times, (size_t)count, sizeof(*times), compare_double);
		out->p50_ns = times[count / 2];
		out->p99_ns = times[count - 1 - count / 100];
	}
	if (fd >= 0)
		close(fd);
	free(times);
	return err;
}

/* The generator's CPU is not theirs. */
static void unpin(cpu_set_t *old)
{
	cpu_set_t all;

	sched_getaffinity(0, sizeof(*old), old);
	memset(&all, 0xff, sizeof(all));
	sched_setaffinity(0, sizeof(all), &all);
}

int streams_measure(
	const struct topo *t, const struct options *o, struct stream_times *out, char *why)
{
	int err, home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	cpu_set_t old;
	pid_t server;

	(void)o;
	*out = (struct stream_times){-1, -1, -1, -1};
	if (home < 0)
		return -errno;
	unpin(&old);
	signal(SIGPIPE, SIG_IGN);
	server = server_start(t, home);
	err = server < 0 ? server : ns_enter(t->lan_fd);
	if (!err) {
		out->bulk1_ns = bulk(t->family, 1);
		out->bulk32_ns = bulk(t->family, MAX_STREAMS);
		err = requests(t->family, out);
		if (!err && (out->bulk1_ns < 0 || out->bulk32_ns < 0))
			err = -EIO;
	}
	if (err)
		snprintf(why, BENCH_WHY, "TCP: %s", strerror(-err));
	ns_enter(home);
	close(home);
	if (server > 0) {
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
	}
	sched_setaffinity(0, sizeof(old), &old);
	return err;
}
