// SPDX-License-Identifier: GPL-2.0-only
#include "xdp.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/pkt_sched.h>
#include <stdio.h>
#include <string.h>
#include <xdp/libxdp.h>

#include "netlink.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include "pccbpf_xdp.skel.h"
#pragma GCC diagnostic pop

/* include/uapi/linux/netdev.h; headers before Linux 6.3 lack it. */
#define NETDEV_FAMILY "netdev"
#define NETDEV_CMD_DEV_GET 1
#define NETDEV_A_DEV_IFINDEX 1
#define NETDEV_A_DEV_XDP_FEATURES 3
#define NETDEV_XDP_REDIRECT 0x2u
#define NETDEV_XDP_NDO_XMIT 0x4u

/* Qdiscs that only queue. Whoever chose another one wants it to see every packet. */
static const char *const plain_qdiscs[] = {"noqueue", "pfifo_fast", "pfifo", "bfifo", "mq",
	"mqprio", "fq", "fq_codel", "sfq", "clsact"};

static int get_family(const struct nlmsghdr *nlh, void *arg)
{
	struct nlattr *attr;

	mnl_attr_for_each(attr, nlh,
		sizeof(struct genlmsghdr)) if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID) *
		(uint16_t *)arg = mnl_attr_get_u16(attr);
	return 0;
}

static int get_features(const struct nlmsghdr *nlh, void *arg)
{
	struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) if (mnl_attr_get_type(attr) ==
								    NETDEV_A_DEV_XDP_FEATURES) *
		(uint64_t *)arg = mnl_attr_get_u64(attr);
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

/* What the driver says of its XDP; 0 where the kernel cannot be asked (before 6.3). */
static uint64_t xdp_features(uint32_t ifindex)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct nlmsghdr *nlh;
	struct pcc_nl nl = {};
	uint64_t features = 0;
	uint16_t family = 0;

	if (pcc_nl_open(&nl, NETLINK_GENERIC))
		return 0;
	nlh = genl_request(buf, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, NETDEV_FAMILY);
	if (!pcc_nl_get(&nl, nlh, get_family, &family) && family) {
		memset(buf, 0, sizeof(buf));
		nlh = genl_request(buf, family, NETDEV_CMD_DEV_GET);
		mnl_attr_put_u32(nlh, NETDEV_A_DEV_IFINDEX, ifindex);
		pcc_nl_get(&nl, nlh, get_features, &features);
	}
	pcc_nl_close(&nl);
	return features;
}

/* The root qdisc, if it is one that shapes or schedules; else "". */
static void shaping_qdisc(uint32_t ifindex, char kind[PCC_QDISC_KIND])
{
	pcc_qdisc_kind(ifindex, TC_H_ROOT, kind);
	for (size_t i = 0; i < sizeof(plain_qdiscs) / sizeof(plain_qdiscs[0]); i++)
		if (!strcmp(kind, plain_qdiscs[i]))
			kind[0] = '\0';
}

static bool no(char why[PCC_XDP_WHY], const char *text, const char *word)
{
	snprintf(why, PCC_XDP_WHY, "%s%s", text, word);
	return false;
}

static struct xdp_program *find_ours(struct xdp_multiprog *mp)
{
	struct xdp_program *prog = NULL;

	if (!mp)
		return NULL;
	if (xdp_multiprog__is_legacy(mp)) {
		prog = xdp_multiprog__main_prog(mp);
		return prog && !strcmp(xdp_program__name(prog), "pcc_fast") ? prog : NULL;
	}
	while ((prog = xdp_multiprog__next_prog(prog, mp)))
		if (!strcmp(xdp_program__name(prog), "pcc_fast"))
			return prog;
	return NULL;
}

static struct xdp_multiprog *multiprog(uint32_t ifindex)
{
	struct xdp_multiprog *mp = xdp_multiprog__get_from_ifindex(ifindex);

	return libxdp_get_error(mp) ? NULL : mp;
}

static int quiet(enum libxdp_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

bool pcc_xdp_present(uint32_t ifindex)
{
	struct xdp_multiprog *mp;
	bool present;

	libxdp_set_print(quiet);
	mp = multiprog(ifindex);
	present = find_ours(mp);
	xdp_multiprog__close(mp);
	return present;
}

/* The program that libxdp's dispatcher runs after ours. */
static bool behind_ours(uint32_t ifindex, char what[PCC_OTHERS_TEXT])
{
	struct xdp_multiprog *mp;
	struct xdp_program *next = NULL;

	libxdp_set_print(quiet);
	mp = multiprog(ifindex);
	if (mp && !xdp_multiprog__is_legacy(mp) && find_ours(mp))
		next = xdp_multiprog__next_prog(find_ours(mp), mp);
	if (next)
		snprintf(what, PCC_OTHERS_TEXT, "XDP program %s", xdp_program__name(next));
	xdp_multiprog__close(mp);
	return next;
}

bool pcc_xdp_others(struct pcc_dp *dp, uint32_t ifindex, char what[PCC_OTHERS_TEXT])
{
	return behind_ours(ifindex, what) ||
	       pcc_hook_others(dp, ifindex, PCC_HOOK_IN, PCC_OTHERS_ALL, what) ||
	       pcc_hook_others(dp, ifindex, PCC_HOOK_OUT, PCC_OTHERS_ALL, what);
}

bool pcc_xdp_wanted(struct pcc_dp *dp, const struct pcc_link *link, enum pcc_fastpath asked,
	char why[PCC_XDP_WHY])
{
	const uint64_t both = NETDEV_XDP_REDIRECT | NETDEV_XDP_NDO_XMIT;
	char what[PCC_OTHERS_TEXT], qdisc[PCC_QDISC_KIND];

	why[0] = '\0';
	if (asked == PCC_FP_OFF || asked == PCC_FP_TC)
		return no(why, "--fastpath ", asked == PCC_FP_OFF ? "off" : "tc");
	if (!pcc_link_is_ethernet(link))
		return no(why, "a device without link-layer header has no XDP here", "");
	if (!strcmp(link->kind, "bridge") && asked == PCC_FP_XDP)
		return true; /* on its ports */
	if (!strcmp(link->kind, "bridge") || !strcmp(link->kind, "vlan") ||
		!strcmp(link->kind, "bond") || !strcmp(link->kind, "macvlan"))
		return no(why, "no native XDP on a device of kind ", link->kind);
	if (asked == PCC_FP_XDP)
		return true;
	shaping_qdisc(link->ifindex, qdisc);
	if (qdisc[0])
		return no(why, "XDP would pass by the qdisc ", qdisc);
	if (pcc_xdp_others(dp, link->ifindex, what))
		return no(why, "XDP would pass by the ", what);
	if (link->kind[0]) /* a peer on this machine leaves checksums to be completed: XDP cannot
			      see that */
		return no(why, "auto takes XDP for hardware only, this is of kind ", link->kind);
	if ((xdp_features(link->ifindex) & both) != both)
		return no(why, "the driver does not say that it can redirect in native XDP", "");
	return true;
}

/* Opens the object on the pinned maps. */
static struct pccbpf_xdp_bpf *open_object(struct pcc_dp *dp)
{
	struct pccbpf_xdp_bpf *skel = pccbpf_xdp_bpf__open();

	if (!skel || !pcc_dp_reuse_maps(dp, skel->obj))
		return skel;
	pccbpf_xdp_bpf__destroy(skel);
	return NULL;
}

int pcc_xdp_attach(struct pcc_dp *dp, uint32_t ifindex, const char *ifname, struct pcc_err *err)
{
	struct pccbpf_xdp_bpf *skel;
	struct xdp_program *prog;
	int ret;

	pcc_xdp_detach(dp, ifindex);
	skel = open_object(dp);
	if (!skel)
		return pcc_err_set(err, -errno, ifname, "the XDP object cannot be opened: %s",
			strerror(errno));
	prog = xdp_program__from_bpf_obj(skel->obj, "xdp.frags");
	ret = libxdp_get_error(prog);
	if (ret)
		goto out;
	ret = xdp_program__attach(prog, ifindex, XDP_MODE_NATIVE, 0);
	if (!ret &&
		bpf_map_update_elem(dp->map_fd[PCC_MAP_XDP_PORTS], &ifindex, &ifindex, BPF_ANY)) {
		ret = -errno;
		xdp_program__detach(prog, ifindex, XDP_MODE_NATIVE, 0);
	}
	xdp_program__close(prog);
out:
	pccbpf_xdp_bpf__destroy(skel);
	return ret ? pcc_err_set(err, ret, ifname, "no native XDP: %s", strerror(-ret)) : 0;
}

int pcc_xdp_detach(struct pcc_dp *dp, uint32_t ifindex)
{
	struct xdp_multiprog *mp;
	struct xdp_program *prog;
	int ret = 0;

	libxdp_set_print(quiet);
	if (dp->map_fd[PCC_MAP_XDP_PORTS] >= 0)
		bpf_map_delete_elem(dp->map_fd[PCC_MAP_XDP_PORTS], &ifindex);
	mp = multiprog(ifindex);
	prog = find_ours(mp);
	if (prog)
		ret = xdp_program__detach(prog, ifindex, XDP_MODE_NATIVE, 0);
	xdp_multiprog__close(mp);
	return ret;
}
