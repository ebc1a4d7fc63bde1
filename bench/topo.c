// SPDX-License-Identifier: GPL-2.0-only
/*
 * The topology: namespaces pccb-OWNER-lan, -router and -isp. All ISP ends stand in one namespace:
 * their XDP sinks act before its stack, so it makes no difference and 64 of them are cheap.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/netlink.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "bench.h"
#include "frame.h"

static const char *const ns_names[] = {"lan", "router", "isp"};

static void ns_name(char *text, size_t size, pid_t owner, const char *which, int number)
{
	snprintf(text, size, "pccb-%d-%s%d", (int)owner, which, number);
}

static int ns_create(pid_t owner, const char *which, int number, int *fd, char *why)
{
	char name[40], path[64];
	char *argv[] = {"ip", "netns", "add", name, NULL};

	ns_name(name, sizeof(name), owner, which, number);
	if (run_in(-1, NULL, argv, why))
		return -EIO;
	snprintf(path, sizeof(path), "/run/netns/%s", name);
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? -errno : 0;
}

void topo_gateway(const struct topo *t, int i, char *text, size_t size)
{
	if (t->family == 4)
		snprintf(text, size, "100.64.%d.1", i + 1);
	else
		snprintf(text, size, "fd64:%x::1", i + 1);
}

static void write_links(FILE *f, const struct topo *t, pid_t owner)
{
	fprintf(f,
		"link set lo up\n"
		"link add lan0 address 02:00:00:00:%02x:00 type veth peer name g0 "
		"address 02:00:00:00:%02x:00 netns pccb-%d-lan%d\n",
		MAC_ROUTER_LAN, MAC_LAN, (int)owner, t->number);
	for (int i = 1; i <= t->wans; i++)
		fprintf(f,
			"link add wan%d address 02:00:00:00:%02x:%02x type veth peer name isp%d "
			"address 02:00:00:00:%02x:%02x netns pccb-%d-isp%d\n",
			i, MAC_ROUTER_WAN, i, i, MAC_ISP, i, (int)owner, t->number);
}

static void write_addresses(FILE *f, const struct topo *t)
{
	bool v4 = t->family == 4;
	char gateway[64];

	fprintf(f, "link set lan0 up\naddr add %s dev lan0%s\n",
		v4 ? "10.1.255.254/16" : "fd01::ffff:1/64", v4 ? "" : " nodad");
	for (unsigned int i = 0; i < FLOW_HOSTS; i++)
		fprintf(f, v4 ? "neigh add 10.1.1.%u" : "neigh add fd01::1:%x", i),
			fprintf(f, " lladdr 02:00:00:00:%02x:00 dev lan0 nud permanent\n", MAC_LAN);
	for (int i = 1; i <= t->wans; i++) {
		topo_gateway(t, i - 1, gateway, sizeof(gateway));
		fprintf(f, "link set wan%d up\n", i);
		if (v4)
			fprintf(f, "addr add 100.64.%d.2/24 dev wan%d\n", i, i);
		else
			fprintf(f, "addr add fd64:%x::2/64 dev wan%d nodad\n", i, i);
		fprintf(f, "neigh add %s lladdr 02:00:00:00:%02x:%02x dev wan%d nud permanent\n",
			gateway, MAC_ISP, i, i);
		fprintf(f, "route add default via %s dev wan%d metric %d\n", gateway, i, 100 + i);
	}
}

static int ip_batch(int netns_fd, int family, struct text *t, char *why)
{
	char *argv[] = {"ip", family == 4 ? "-4" : "-6", "-batch", "-", NULL};

	return run_in(netns_fd, text_get(t), argv, why) ? -EIO : 0;
}

static int links_up(int netns_fd, const char *prefix, int first, int last, char *why)
{
	struct text t;
	int err = text_open(&t);

	if (err)
		return err;
	for (int i = first; i <= last; i++)
		fprintf(t.file, "link set %s%d up\n", prefix, i);
	err = ip_batch(netns_fd, 4, &t, why);
	text_free(&t);
	return err;
}

static int offload_set(const char *ifname, uint32_t command, uint32_t on)
{
	struct ethtool_value value = {.cmd = command, .data = on};
	struct ifreq request;
	int err = 0, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	memset(&request, 0, sizeof(request));
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", ifname);
	request.ifr_data = (void *)&value;
	if (ioctl(fd, SIOCETHTOOL, &request))
		err = -errno;
	close(fd);
	return err;
}

/* GRO gives the device NAPI, without which it cannot receive XDP frames. */
static int gro_on(const char *ifname)
{
	return offload_set(ifname, ETHTOOL_SGRO, 1);
}

static int router_sysctls(int family)
{
	static const char *const v4[][2] = {
		{"/proc/sys/net/ipv4/ip_forward", "1"},
		{"/proc/sys/net/ipv4/conf/all/rp_filter", "0"},
		{"/proc/sys/net/ipv4/conf/default/rp_filter", "0"},
		{"/proc/sys/net/ipv6/conf/default/accept_ra", "0"},
	};
	static const char *const v6[][2] = {
		{"/proc/sys/net/ipv6/conf/all/forwarding", "1"},
		{"/proc/sys/net/ipv6/conf/default/forwarding", "1"},
		{"/proc/sys/net/ipv6/conf/default/accept_dad", "0"},
		{"/proc/sys/net/ipv6/conf/default/accept_ra", "0"},
	};
	int err = 0;

	for (int i = 0; i < 4 && !err; i++)
		err = family == 4 ? sysctl_write(v4[i][0], v4[i][1])
				  : sysctl_write(v6[i][0], v6[i][1]);
	return err;
}

static int router_finish(struct topo *t)
{
	char name[IF_NAMESIZE];
	int err;

	t->router_lan_ifindex = (int)if_nametoindex("lan0");
	err = gro_on("lan0");
	for (int i = 0; i < t->wans && !err; i++) {
		snprintf(name, sizeof(name), "wan%d", i + 1);
		t->router_wan_ifindex[i] = (int)if_nametoindex(name);
		err = gro_on(name);
	}
	return err;
}

static int isp_ifindexes(struct topo *t)
{
	char name[IF_NAMESIZE];

	for (int i = 0; i < t->wans; i++) {
		snprintf(name, sizeof(name), "isp%d", i + 1);
		t->isp_ifindex[i] = (int)if_nametoindex(name);
	}
	return 0;
}

static int router_configure(struct topo *t, pid_t owner, char *why)
{
	struct text links, addresses = {0};
	int err = text_open(&links);

	if (!err)
		err = text_open(&addresses);
	if (err)
		goto out;
	write_links(links.file, t, owner);
	write_addresses(addresses.file, t);
	err = ip_batch(t->router_fd, 4, &links, why);
	if (!err)
		err = links_up(t->lan_fd, "g", 0, 0, why);
	if (!err)
		err = links_up(t->isp_fd, "isp", 1, t->wans, why);
	if (!err)
		err = ip_batch(t->router_fd, t->family, &addresses, why);
out:
	text_free(&links);
	text_free(&addresses);
	return err;
}

int topo_create(struct topo *t, pid_t owner, int number, int wans, int family, char *why)
{
	int err, home, *fds[] = {&t->lan_fd, &t->router_fd, &t->isp_fd};

	*t = (struct topo){.lan_fd = -1,
		.router_fd = -1,
		.isp_fd = -1,
		.number = number,
		.wans = wans,
		.family = family};
	why[0] = '\0';
	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0)
		return -errno;
	for (int i = 0; i < 3; i++) {
		err = ns_create(owner, ns_names[i], number, fds[i], why);
		if (err)
			goto out;
	}
	err = ns_enter(t->router_fd);
	if (!err)
		err = router_sysctls(family);
	if (!err)
		err = router_configure(t, owner, why);
	if (!err)
		err = router_finish(t);
	if (!err)
		err = ns_enter(t->isp_fd);
	if (!err)
		err = isp_ifindexes(t);
	if (!err)
		err = ns_enter(t->lan_fd);
	if (!err)
		t->lan_ifindex = (int)if_nametoindex("g0");
out:
	if (err && !why[0])
		snprintf(why, BENCH_WHY, "cannot build the topology: %s", strerror(-err));
	ns_enter(home);
	close(home);
	return err;
}

static void write_host_lan(FILE *f, bool v4)
{
	fprintf(f, v4 ? "addr add 10.1.1.1/16 dev g0\nroute add default via 10.1.255.254\n"
		      : "addr add fd01::1:1/64 dev g0 nodad\nroute add default via fd01::ffff:1\n");
}

static void write_host_isp(FILE *f, const struct topo *t)
{
	bool v4 = t->family == 4;
	char gateway[64];

	fprintf(f,
		v4 ? "link set lo up\naddr add %s/32 dev lo\n"
		   : "link set lo up\naddr add %s/128 dev lo nodad\n",
		v4 ? TOPO_SERVER_V4 : TOPO_SERVER_V6);
	for (int i = 1; i <= t->wans; i++) {
		topo_gateway(t, i - 1, gateway, sizeof(gateway));
		fprintf(f, "addr add %s/%d dev isp%d%s\n", gateway, v4 ? 24 : 64, i,
			v4 ? "" : " nodad");
	}
	/* For what comes without NAT. */
	fprintf(f, v4 ? "route add 10.1.0.0/16 via 100.64.1.2\n"
		      : "route add fd01::/64 via fd64:1::2\n");
}

static int host_offloads(const char *ifname, bool plain_frames)
{
	int err = gro_on(ifname);

	if (!err && plain_frames) {
		err = offload_set(ifname, ETHTOOL_STXCSUM, 0);
		if (!err)
			err = offload_set(ifname, ETHTOOL_SGSO, 0);
		/* Goes with the checksum where it is a feature of its own. */
		offload_set(ifname, ETHTOOL_STSO, 0);
	}
	return err;
}

static int isp_host_devices(const struct topo *t, bool plain_frames)
{
	char name[IF_NAMESIZE];
	int err = 0;

	if (t->family == 4)
		err = sysctl_write("/proc/sys/net/ipv4/conf/all/rp_filter", "0");
	for (int i = 1; i <= t->wans && !err; i++) {
		snprintf(name, sizeof(name), "isp%d", i);
		err = host_offloads(name, plain_frames);
	}
	return err;
}

int topo_add_hosts(const struct topo *t, bool plain_frames, char *why)
{
	int err, home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct text lan, isp = {0};

	if (home < 0)
		return -errno;
	err = text_open(&lan);
	if (!err)
		err = text_open(&isp);
	if (err)
		goto out;
	write_host_lan(lan.file, t->family == 4);
	write_host_isp(isp.file, t);
	err = ip_batch(t->lan_fd, t->family, &lan, why);
	if (!err)
		err = ip_batch(t->isp_fd, t->family, &isp, why);
	if (!err)
		err = ns_enter(t->lan_fd);
	if (!err)
		err = host_offloads("g0", plain_frames);
	if (!err)
		err = ns_enter(t->isp_fd);
	if (!err)
		err = isp_host_devices(t, plain_frames);
out:
	if (err && !why[0])
		snprintf(why, BENCH_WHY, "hosts: %s", strerror(-err));
	ns_enter(home);
	close(home);
	text_free(&lan);
	text_free(&isp);
	return err;
}

void topo_flush_conntrack(const struct topo *t)
{
	struct {
		struct nlmsghdr header;
		struct nfgenmsg family;
	} request = {
		.header = {.nlmsg_len = sizeof(request),
			.nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
		.family = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0},
	};
	int fd, home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	char answer[256];

	if (home < 0)
		return;
	if (ns_enter(t->router_fd) == 0) {
		fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
		if (fd >= 0) {
			if (send(fd, &request, sizeof(request), 0) > 0)
				(void)!recv(fd, answer, sizeof(answer), 0);
			close(fd);
		}
		ns_enter(home);
	}
	close(home);
}

static void namespaces_delete(pid_t owner, int number)
{
	char name[40], path[64];
	char *argv[] = {"ip", "netns", "del", name, NULL};

	for (int i = 0; i < 3; i++) {
		ns_name(name, sizeof(name), owner, ns_names[i], number);
		snprintf(path, sizeof(path), "/run/netns/%s", name);
		if (access(path, F_OK) == 0)
			run_in(-1, NULL, argv, NULL);
	}
}

void topo_clean(pid_t owner)
{
	for (int number = 0; number < BENCH_MAX_STANDS; number++)
		namespaces_delete(owner, number);
}

void topo_destroy(struct topo *t, pid_t owner)
{
	int *fds[] = {&t->lan_fd, &t->router_fd, &t->isp_fd};

	if (t->router_fd >= 0)
		topo_flush_conntrack(t);
	for (int i = 0; i < 3; i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
	namespaces_delete(owner, t->number);
}
