// SPDX-License-Identifier: GPL-2.0-only
/*
 * TCP through the stacks of both ends: the server is a process on the ISPs' side; the client is
 * this process, on the LAN's side. The connections stay open. On each the client sends requests of
 * one size, and the server answers with as many bytes as the request asks for.
 *
 * What makes the rate a stable one: a congestion control that does not pace, fixed socket buffers,
 * no slow start after a pause, and threads that stay on their CPU.
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
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench.h"

#define SERVER_PORT 5201
#define CHUNK (256 * 1024)
#define BUFFER_BYTES (512 * 1024)
#define CONNECT_TIMEOUT_S 5
/* Nothing comes for so long: the connection does not work. */
#define STALL_MS 2000
#define CONGESTION_CONTROL "reno"
/* Other work on the machine waits. */
#define PRIORITY (-20)

union request {
	uint64_t answer_bytes;
	char bytes[64];
};

struct streams {
	const struct topo *topo;
	pid_t server;
	struct pollfd fds[STREAMS_MAX]; /* connected in the LAN host */
	int count;
};

static char chunk[CHUNK];

/* ---- server ---- */

struct server {
	struct pollfd fds[STREAMS_MAX + 1]; /* the listener, then the connections */
	uint64_t left[STREAMS_MAX + 1];	    /* bytes to send */
	int count;
};

/* Before connecting and listening, because the buffers decide the window scale. */
static void socket_prepare(int fd)
{
	int one = 1, bytes = BUFFER_BYTES;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, CONGESTION_CONTROL,
		sizeof(CONGESTION_CONTROL) - 1);
}

static void server_accept(struct server *s)
{
	int fd = accept4(s->fds[0].fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (s->count > STREAMS_MAX) {
		close(fd);
		return;
	}
	s->fds[s->count] = (struct pollfd){.fd = fd, .events = POLLIN};
	s->left[s->count++] = 0;
}

static void server_close(struct server *s, int i)
{
	close(s->fds[i].fd);
	s->count--;
	s->fds[i] = s->fds[s->count];
	s->left[i] = s->left[s->count];
}

/* Returns 0, or -1 when the connection has ended. */
static int server_serve(struct server *s, int i)
{
	union request request;
	ssize_t got;

	if (s->left[i] == 0) {
		got = read(s->fds[i].fd, &request, sizeof(request));
		if (got != sizeof(request))
			return got < 0 && errno == EAGAIN ? 0 : -1;
		s->left[i] = request.answer_bytes;
	}
	got = write(s->fds[i].fd, chunk, s->left[i] < CHUNK ? s->left[i] : CHUNK);
	if (got < 0 && errno != EAGAIN)
		return -1;
	s->left[i] -= got > 0 ? (uint64_t)got : 0;
	s->fds[i].events = s->left[i] ? POLLOUT : POLLIN;
	return 0;
}

static void server_run(int listener)
{
	static struct server s;

	s.fds[0] = (struct pollfd){.fd = listener, .events = POLLIN};
	s.count = 1;
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
	socket_prepare(fd);
	if (bind(fd, (struct sockaddr *)&any, length) || listen(fd, STREAMS_MAX)) {
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

	if (!err)
		err = sysctl_write("/proc/sys/net/ipv4/tcp_slow_start_after_idle", "0");
	if (err)
		return err;
	listener = server_listen(t->family);
	ns_enter(home);
	if (listener < 0)
		return listener;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpriority(PRIO_PROCESS, 0, PRIORITY);
		server_run(listener);
	}
	err = pid < 0 ? -errno : pid;
	close(listener);
	return err;
}

/* ---- client ---- */

/* A connected socket in the namespace of the caller, or -errno. */
static int client_connect(int family)
{
	struct sockaddr_storage server;
	socklen_t length = address(family, false, &server);
	struct timeval timeout = {.tv_sec = CONNECT_TIMEOUT_S};
	int err, fd = socket(family == 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	socket_prepare(fd);
	if (connect(fd, (struct sockaddr *)&server, length)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static int client_ask(int fd, uint64_t answer_bytes)
{
	union request request = {.answer_bytes = answer_bytes};

	return write(fd, &request, sizeof(request)) == sizeof(request) ? 0 : -EIO;
}

/* Bytes read, or -errno. */
static ssize_t client_read(int fd, uint64_t most)
{
	static char sink[CHUNK];
	ssize_t got = recv(fd, sink, most < CHUNK ? most : CHUNK, MSG_DONTWAIT);

	if (got > 0)
		return got;
	if (got == 0)
		return -ECONNRESET;
	return errno == EAGAIN ? 0 : -errno;
}

/* Reads so many bytes from each of the first streams. */
static int client_drain(struct streams *s, int count, uint64_t bytes_each)
{
	uint64_t left[STREAMS_MAX];
	int open = count, ready;
	ssize_t got;

	for (int i = 0; i < count; i++) {
		left[i] = bytes_each;
		s->fds[i].events = POLLIN;
	}
	while (open > 0) {
		ready = poll(s->fds, (nfds_t)count, STALL_MS);
		if (ready <= 0)
			return ready ? -errno : -ETIME;
		for (int i = 0; i < count; i++) {
			if (!s->fds[i].revents || !left[i])
				continue;
			got = client_read(s->fds[i].fd, left[i]);
			if (got < 0)
				return (int)got;
			left[i] -= (uint64_t)got;
			if (!left[i]) {
				s->fds[i].events = 0;
				open--;
			}
		}
	}
	return 0;
}

static void pin(pid_t pid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(pid, sizeof(set), &set);
}

static void place(const struct streams *s, int server_cpu, int client_cpu)
{
	pin(s->server, server_cpu);
	pin(0, client_cpu);
}

double streams_bulk(
	struct streams *s, int count, uint64_t bytes, int server_cpu, int client_cpu, char *why)
{
	uint64_t start, end, each = bytes / (uint64_t)count;
	int err = 0;

	place(s, server_cpu, client_cpu);
	setpriority(PRIO_PROCESS, 0, PRIORITY);
	start = now_ns();
	for (int i = 0; i < count && !err; i++)
		err = client_ask(s->fds[i].fd, each);
	if (!err)
		err = client_drain(s, count, each);
	end = now_ns();
	setpriority(PRIO_PROCESS, 0, 0);
	if (!err)
		return (double)(end - start) * 1000 / (double)(each * (uint64_t)count);
	snprintf(why, BENCH_WHY, "TCP, %d streams: %s", count, strerror(-err));
	return -1;
}

static int exchange(int fd)
{
	union request answer;
	int err = client_ask(fd, sizeof(answer));

	if (!err && recv(fd, &answer, sizeof(answer), MSG_WAITALL) != sizeof(answer))
		err = -EIO;
	return err;
}

int streams_exchanges(struct streams *s, int count, int server_cpu, int client_cpu,
	struct exchange_times *out, char *why)
{
	double *times = calloc((size_t)count, sizeof(*times));
	int err = times ? 0 : -ENOMEM;

	place(s, server_cpu, client_cpu);
	setpriority(PRIO_PROCESS, 0, PRIORITY);
	for (int i = 0; i < count && !err; i++) {
		uint64_t start = now_ns();

		err = exchange(s->fds[0].fd);
		times[i] = (double)(now_ns() - start);
	}
	setpriority(PRIO_PROCESS, 0, 0);
	if (!err) {
		qsort(times, (size_t)count, sizeof(*times), compare_double);
		out->p50_ns = times[count / 2];
		out->p99_ns = times[count - 1 - count / 100];
	} else {
		snprintf(why, BENCH_WHY, "TCP, requests: %s", strerror(-err));
	}
	free(times);
	return err;
}

int streams_open(struct streams **out, const struct topo *t, char *why)
{
	struct streams *s = calloc(1, sizeof(*s));
	int fd, err, home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	*out = NULL;
	err = home < 0 ? -errno : s ? 0 : -ENOMEM;
	if (err)
		goto out;
	signal(SIGPIPE, SIG_IGN);
	s->topo = t;
	s->server = server_start(t, home);
	err = s->server < 0 ? s->server : ns_enter(t->lan_fd);
	while (!err && s->count < STREAMS_MAX) {
		fd = client_connect(t->family);
		err = fd < 0 ? fd : 0;
		if (!err)
			s->fds[s->count++] = (struct pollfd){.fd = fd, .events = POLLIN};
	}
	ns_enter(home);
	if (!err)
		*out = s;
out:
	if (err) {
		snprintf(why, BENCH_WHY, "TCP: %s", strerror(-err));
		streams_close(s);
	}
	if (home >= 0)
		close(home);
	return err;
}

void streams_close(struct streams *s)
{
	if (!s)
		return;
	for (int i = 0; i < s->count; i++)
		close(s->fds[i].fd);
	if (s->server > 0) {
		kill(s->server, SIGKILL);
		waitpid(s->server, NULL, 0);
	}
	free(s);
}
