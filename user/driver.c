// SPDX-License-Identifier: GPL-2.0-only
#include "driver.h"

#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/genetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"

/* include/uapi/linux/netdev.h; headers before Linux 6.3 lack it. */
#define NETDEV_FAMILY "netdev"
#define NETDEV_CMD_DEV_GET 1
#define NETDEV_A_DEV_IFINDEX 1
#define NETDEV_A_DEV_XDP_FEATURES 3
#define NETDEV_XDP_REDIRECT 0x2u
#define NETDEV_XDP_NDO_XMIT 0x4u

/*
 * Drivers that can send in native XDP, and be sent to, in Linux 6.1 and 6.2, which do not tell:
 * those with XDP_REDIRECT and ndo_xdp_xmit below drivers/net of 6.1. The names are those of
 * `ethtool -i`.
 */
static const char *const redirecting[] = {"atlantic", "bnxt_en", "cpsw", "cpsw-switch", "ena",
	"fsl_dpa", "fsl_dpaa2_eth", "fsl_enetc", "fsl_enetc_vf", "hv_netvsc", "i40e", "ice", "igb",
	"igc", "ixgbe", "mlx5_core", "mtk_soc_eth", "mvneta", "mvpp2", "netsec", "qede",
	"rvu_nicpf", "sfc", "st_gmac", "st_xgmac", "veth", "vif", "virtio_net"};

static int get_family(const struct nlmsghdr *nlh, void *arg)
{
	struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
			*(uint16_t *)arg = mnl_attr_get_u16(attr);
	}
	return 0;
}

struct features {
	uint64_t bits;
	bool told;
};

static int get_features(const struct nlmsghdr *nlh, void *arg)
{
	struct features *features = arg;
	struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(attr) != NETDEV_A_DEV_XDP_FEATURES)
			continue;
		features->bits = mnl_attr_get_u64(attr);
		features->told = true;
	}
	return 0;
}

static struct nlmsghdr *genl_request(char *buf, uint16_t type, uint8_t cmd)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = type;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = 1;
	return nlh;
}

/* What the driver says of its XDP, where the kernel can be asked (6.3). */
static void xdp_features(uint32_t ifindex, struct features *features)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct nlmsghdr *nlh;
	struct pcc_nl nl = {};
	uint16_t family = 0;

	memset(features, 0, sizeof(*features));
	if (pcc_nl_open(&nl, NETLINK_GENERIC))
		return;
	nlh = genl_request(buf, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, NETDEV_FAMILY);
	if (!pcc_nl_get(&nl, nlh, get_family, &family) && family) {
		memset(buf, 0, sizeof(buf));
		nlh = genl_request(buf, family, NETDEV_CMD_DEV_GET);
		mnl_attr_put_u32(nlh, NETDEV_A_DEV_IFINDEX, ifindex);
		pcc_nl_get(&nl, nlh, get_features, features);
	}
	pcc_nl_close(&nl);
}

/* One of the ioctls of ethtool, in the network namespace that the process is in. */
static int ethtool(const char *ifname, void *data)
{
	struct ifreq ifr = {};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret;

	if (fd < 0)
		return -1;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	ifr.ifr_data = data;
	ret = ioctl(fd, SIOCETHTOOL, &ifr);
	close(fd);
	return ret;
}

void pcc_driver_xdp(uint32_t ifindex, const char *ifname, struct pcc_driver_xdp *xdp)
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	struct features features;

	memset(xdp, 0, sizeof(*xdp));
	if (!ethtool(ifname, &info))
		snprintf(xdp->name, sizeof(xdp->name), "%.31s", info.driver);
	xdp_features(ifindex, &features);
	xdp->told = features.told;
	xdp->redirects = features.bits & NETDEV_XDP_REDIRECT;
	xdp->takes = features.bits & NETDEV_XDP_NDO_XMIT;
	for (size_t i = 0; !xdp->told && i < sizeof(redirecting) / sizeof(redirecting[0]); i++)
		if (!strcmp(xdp->name, redirecting[i]))
			xdp->redirects = xdp->takes = true;
}

bool pcc_driver_strips_vlan(const char *ifname)
{
	struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};

	return !ethtool(ifname, &flags) && flags.data & ETH_FLAG_RXVLAN;
}
