// SPDX-License-Identifier: GPL-2.0-only
/* Finds out what an interface adds to its packets on the device below it: VLAN tags, PPPoE. */
#include "kernel/wire.h"
#include "base/array.h"

#include <dirent.h>
#include <errno.h>
#include <linux/if_pppox.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SESSIONS_MAX 64

/* glibc before 2.36 has no functions for these system calls. */
static int pidfd_open(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static int pidfd_getfd(int pidfd, int fd)
{
	return (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
}

/* /proc prints the session id as the kernel keeps it, in network byte order (pppoe_seq_show()). */
size_t pcc_pppoe_read(FILE *in, struct pcc_pppoe *sessions, size_t max)
{
	char line[128];
	unsigned int id, m[6];
	size_t n = 0;

	while (n < max && fgets(line, sizeof(line), in)) {
		struct pcc_pppoe *s = &sessions[n];

		memset(s, 0, sizeof(*s));
		if (sscanf(line, "%8x %2x:%2x:%2x:%2x:%2x:%2x %15s", &id, &m[0], &m[1], &m[2],
			    &m[3], &m[4], &m[5], s->device) != 8 ||
			!id || id > 0xffff)
			continue;
		s->session = (__be16)id;
		for (int i = 0; i < 6; i++)
			s->peer[i] = (uint8_t)m[i];
		n++;
	}
	return n;
}

/*
 * Finds the PPPoE socket among the open files of a process. Returns -EPERM or -EACCES if we may not
 * look at the process: that needs CAP_SYS_PTRACE, unless the process has no more capabilities than
 * we have.
 */
static int session_of_process(pid_t pid, struct pcc_pppoe *session)
{
	char path[64];
	struct dirent *entry;
	int pidfd = pidfd_open(pid), fd, ret;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	ret = dir ? -ENOENT : -errno;
	while (pidfd >= 0 && dir && ret && (entry = readdir(dir))) {
		struct sockaddr_pppox addr = {};
		socklen_t len = sizeof(addr);

		if (entry->d_name[0] == '.')
			continue;
		fd = pidfd_getfd(pidfd, atoi(entry->d_name));
		if (fd < 0) {
			ret = errno == EPERM ? -EPERM : ret;
			continue;
		}
		if (!getsockname(fd, (struct sockaddr *)&addr, &len) &&
			addr.sa_family == AF_PPPOX && addr.sa_protocol == PX_PROTO_OE) {
			memset(session, 0, sizeof(*session));
			session->session = addr.sa_addr.pppoe.sid;
			memcpy(session->peer, addr.sa_addr.pppoe.remote, 6);
			snprintf(session->device, sizeof(session->device), "%.15s",
				addr.sa_addr.pppoe.dev);
			ret = 0;
		}
		close(fd);
	}
	if (dir)
		closedir(dir);
	if (pidfd >= 0)
		close(pidfd);
	return ret;
}

/*
 * Returns the process id of the interface's pppd, which pppd writes to a file; 0 if it is unknown.
 */
static pid_t pppd_of(const char *ifname)
{
	static const char *const dirs[] = {"/run", "/run/pppd", "/var/run"};
	char path[64];
	int pid = 0;

	for (size_t i = 0; !pid && i < COUNT(dirs); i++) {
		FILE *in;

		snprintf(path, sizeof(path), "%s/%s.pid", dirs[i], ifname);
		in = fopen(path, "re");
		if (!in)
			continue;
		if (fscanf(in, "%d", &pid) != 1 || pid <= 0)
			pid = 0;
		fclose(in);
	}
	return pid;
}

/*
 * Finds the session of a ppp interface. The kernel does not say which one it is. If there is only
 * one session and only one ppp interface, they belong together; else the sockets of its pppd tell.
 */
static int session_of(
	const struct pcc_link_list *links, const struct pcc_link *ppp, struct pcc_pppoe *session)
{
	struct pcc_pppoe sessions[SESSIONS_MAX];
	size_t n = 0, nppp = 0;
	FILE *in = fopen("/proc/net/pppoe", "re");
	pid_t pid;
	int ret;

	if (in) {
		n = pcc_pppoe_read(in, sessions, SESSIONS_MAX);
		fclose(in);
	}
	for (size_t i = 0; i < links->n; i++)
		nppp += !strcmp(links->v[i].kind, "ppp");
	if (n == 1 && nppp == 1) {
		*session = sessions[0];
		return 0;
	}
	pid = n ? pppd_of(ppp->name) : 0;
	ret = pid ? session_of_process(pid, session) : -ENOENT;
	if (ret)
		return ret;
	for (size_t i = 0; i < n; i++)
		if (!memcmp(&sessions[i], session, sizeof(*session)))
			return 0;
	/*
	 * The session is that of a later process with the same number, or of another network
	 * namespace.
	 */
	return -ENOENT;
}

static int cannot(const char **why, const char *reason)
{
	if (why)
		*why = reason;
	return -1;
}

static const struct pcc_link *link_named(const struct pcc_link_list *links, const char *name)
{
	for (size_t i = 0; i < links->n; i++)
		if (!strcmp(links->v[i].name, name))
			return &links->v[i];
	return NULL;
}

/*
 * Collects the tags of *link, which is a VLAN, and of the VLANs below it, and sets *link to the
 * device below them. The inner tag comes first.
 */
static int wire_tags(const struct pcc_link_list *links, const struct pcc_link **link,
	struct pcc_wire_out *out, const char **why)
{
	__be16 tpid[2], vid[2];
	int n = 0;

	for (; !strcmp((*link)->kind, "vlan"); n++) {
		const struct pcc_link *below = pcc_link_numbered(links, (*link)->lower_ifindex);

		if (n == 2)
			return cannot(why, "XDP knows two VLAN tags at most");
		if ((*link)->lower_elsewhere || !below)
			return cannot(why, "the device below is in another network namespace");
		if (!(*link)->vlan_proto || !(*link)->vlan_id)
			return cannot(why, "a VLAN without a number");
		tpid[n] = (*link)->vlan_proto;
		vid[n] = htons((*link)->vlan_id);
		*link = below;
	}
	for (int i = 0; i < n; i++) {
		out->wire.tpid[i] = tpid[n - 1 - i];
		out->wire.vid[i] = vid[n - 1 - i];
	}
	out->bytes += 4 * n;
	return 0;
}

int pcc_wire_of(const struct pcc_link_list *links, const struct pcc_link *link,
	struct pcc_wire_out *out, const char **why)
{
	const struct pcc_link *below = link;
	struct pcc_pppoe session;
	int ret;

	memset(out, 0, sizeof(*out));
	out->bytes = 2;
	if (!strcmp(link->kind, "ppp")) {
		ret = session_of(links, link, &session);
		if (ret == -EPERM || ret == -EACCES)
			return cannot(why, "its pppd may not be asked which PPPoE session it has");
		if (ret)
			return cannot(why, "no PPPoE session is known to be its own");
		below = link_named(links, session.device);
		if (!below || !pcc_link_is_ethernet(below))
			return cannot(why, "the device of its PPPoE session is not here");
		out->wire.session = session.session;
		memcpy(out->dmac, session.peer, 6);
		memcpy(out->smac, below->mac, 6);
		out->bytes += 8;
	}
	if (wire_tags(links, &below, out, why))
		return -1;
	if (below != link)
		out->wire.ifindex = below->ifindex;
	out->mtu = below->mtu < 65535 ? (__u16)below->mtu : 65535;
	return 0;
}
