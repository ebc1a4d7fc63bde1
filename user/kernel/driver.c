// SPDX-License-Identifier: GPL-2.0-only
/* Asks a device's driver about XDP and VLAN offload, by netlink and ethtool. */
#include "kernel/driver.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/genetlink.h>
#include <linux/if_ether.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/array.h"
#include "kernel/netlink.h"

/* include/uapi/linux/netdev.h; headers before Linux 6.3 lack it. */
#define NETDEV_FAMILY "netdev"
#define NETDEV_CMD_DEV_GET 1
#define NETDEV_A_DEV_IFINDEX 1
#define NETDEV_A_DEV_XDP_FEATURES 3
#define NETDEV_XDP_REDIRECT 0x2u
#define NETDEV_XDP_NDO_XMIT 0x4u

#define FEATURES_MAX 256u /* the most features of `ethtool -k`; Linux 6.18 has 64 */

/*
 * Drivers that can send frames to other devices in native XDP and receive from them, for Linux 6.1
 * and 6.2, where the kernel cannot be asked: those that call xdp_do_redirect() and have an
 * ndo_xdp_xmit in drivers/net of 6.1. The names are those of `ethtool -i`.
 */
static const char *const redirecting[] = {"atlantic", "bnxt_en", "cpsw", "cpsw-switch", "ena",
	"fsl_dpa", "fsl_dpaa2_eth", "fsl_enetc", "funeth", "hv_netvsc", "i40e", "ice", "igb", "igc",
	"ixgbe", "mana", "mlx5_core", "mtk_soc_eth", "mvneta", "mvpp2", "netsec", "qede",
	"rvu-nicpf", "sfc", "sfc_siena", "st_gmac", "st_xgmac", "veth", "vif", "virtio_net"};

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

/* Asks the kernel what the driver says of its XDP (Linux 6.3 and later). */
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

/* Calls an ioctl of ethtool, in the network namespace of the process. */
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
	for (size_t i = 0; !xdp->told && i < COUNT(redirecting); i++)
		if (!strcmp(xdp->name, redirecting[i]))
			xdp->redirects = xdp->takes = true;
}

/*
 * Returns the index of a feature in the kernel's list, or -1 if the kernel has none of that name.
 */
static int feature_place(const char *ifname, const char *feature)
{
	struct {
		struct ethtool_sset_info head;
		__u32 n;
	} set = {.head = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << ETH_SS_FEATURES}};
	struct ethtool_gstrings *names;
	int place = -1;

	if (ethtool(ifname, &set) || !set.head.sset_mask || set.n > FEATURES_MAX)
		return -1;
	names = calloc(1, sizeof(*names) + (size_t)set.n * ETH_GSTRING_LEN);
	if (!names)
		return -1;
	names->cmd = ETHTOOL_GSTRINGS;
	names->string_set = ETH_SS_FEATURES;
	names->len = set.n;
	if (!ethtool(ifname, names))
		for (__u32 i = 0; place < 0 && i < names->len; i++)
			if (!strncmp((const char *)names->data + (size_t)i * ETH_GSTRING_LEN,
				    feature, ETH_GSTRING_LEN))
				place = (int)i;
	free(names);
	return place;
}

static bool has_feature(const char *ifname, const char *feature)
{
	struct {
		struct ethtool_gfeatures head;
		struct ethtool_get_features_block blocks[FEATURES_MAX / 32];
	} now = {.head = {.cmd = ETHTOOL_GFEATURES, .size = FEATURES_MAX / 32}};
	int place = feature_place(ifname, feature);

	return place >= 0 && !ethtool(ifname, &now) && (__u32)place / 32 < now.head.size &&
	       now.blocks[place / 32].active & 1u << place % 32;
}

const char *pcc_driver_strips_vlan(const char *ifname, __be16 proto)
{
	const bool service = proto == htons(ETH_P_8021AD);

	if (!has_feature(ifname, service ? "rx-vlan-stag-hw-parse" : "rx-vlan-hw-parse"))
		return NULL;
	return service ? "rx-vlan-stag-hw-parse" : "rxvlan";
}
