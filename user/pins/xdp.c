// SPDX-License-Identifier: GPL-2.0-only
/* Decides which interfaces can have XDP, and attaches pcc_fast there through libxdp. */
#include "pins/xdp.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <stdio.h>
#include <string.h>
#include <xdp/libxdp.h>

#include "base/array.h"
#include "kernel/driver.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include "pccbpf_wire.skel.h"
#include "pccbpf_xdp.skel.h"
#pragma GCC diagnostic pop

/* Qdiscs that only queue. Whoever has configured another one wants it to see every packet. */
static const char *const plain_qdiscs[] = {"noqueue", "pfifo_fast", "pfifo", "bfifo", "mq",
	"mqprio", "fq", "fq_codel", "sfq", "clsact"};

/* Writes the kind of the root qdisc to kind if it shapes or schedules, else "". */
static void shaping_qdisc(uint32_t ifindex, char kind[PCC_QDISC_KIND])
{
	pcc_qdisc_kind(ifindex, TC_H_ROOT, kind);
	for (size_t i = 0; i < COUNT(plain_qdiscs); i++)
		if (!strcmp(kind, plain_qdiscs[i]))
			kind[0] = '\0';
}

static bool no(char why[PCC_XDP_WHY], const char *text, const char *word)
{
	snprintf(why, PCC_XDP_WHY, "%s%s", text, word);
	return false;
}

/* Our programs. The second one can also handle VLAN tags and PPPoE. */
#define PLAIN "pcc_fast"
#define WIRE "pcc_fast_wire"

static bool is_ours(const struct xdp_program *prog)
{
	const char *name = prog ? xdp_program__name(prog) : "";

	return !strcmp(name, PLAIN) || !strcmp(name, WIRE);
}

static struct xdp_program *find_ours(struct xdp_multiprog *mp)
{
	struct xdp_program *prog = NULL;

	if (!mp)
		return NULL;
	if (xdp_multiprog__is_legacy(mp)) {
		prog = xdp_multiprog__main_prog(mp);
		return is_ours(prog) ? prog : NULL;
	}
	while ((prog = xdp_multiprog__next_prog(prog, mp)))
		if (is_ours(prog))
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

bool pcc_xdp_knows_wires(uint32_t ifindex)
{
	struct xdp_multiprog *mp;
	struct xdp_program *prog;
	bool knows;

	libxdp_set_print(quiet);
	mp = multiprog(ifindex);
	prog = find_ours(mp);
	knows = prog && !strcmp(xdp_program__name(prog), WIRE);
	xdp_multiprog__close(mp);
	return knows;
}

/* Finds the program that libxdp's dispatcher runs after ours. */
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

/*
 * Can the driver redirect frames? Whether it also takes redirected frames is known only once it
 * runs XDP, as many drivers (virtio_net, i40e) report that only then.
 */
static bool driver_redirects(const struct pcc_link *link, char why[PCC_XDP_WHY])
{
	struct pcc_driver_xdp xdp;

	pcc_driver_xdp(link->ifindex, link->name, &xdp);
	if (xdp.redirects)
		return true;
	if (xdp.told)
		return no(why, "no redirecting in native XDP, says the driver ", xdp.name);
	return no(why, "before Linux 6.3 only known drivers get XDP from auto, not ", xdp.name);
}

/*
 * Does the card remove VLAN tags? XDP would then see the frames of VLANs without a tag and take
 * them for frames of the device itself. Returns the name of the feature for `ethtool -K`, or NULL.
 */
static const char *hides_vlans(const struct pcc_link_list *links, const struct pcc_link *below)
{
	const char *word = NULL;

	for (size_t i = 0; !word && i < links->n; i++) {
		const struct pcc_link *link = &links->v[i];

		if (!strcmp(link->kind, "vlan") && link->lower_ifindex == below->ifindex &&
			!link->lower_elsewhere)
			word = pcc_driver_strips_vlan(below->name, link->vlan_proto);
	}
	return word;
}

/*
 * Would everything that other people have configured on the device still see the packets if XDP
 * forwarded them? If not, why says what would not.
 */
static bool passes_none(struct pcc_dp *dp, const struct pcc_link *link, char why[PCC_XDP_WHY])
{
	char what[PCC_OTHERS_TEXT], qdisc[PCC_QDISC_KIND];

	shaping_qdisc(link->ifindex, qdisc);
	if (qdisc[0])
		return no(why, "XDP would pass by the qdisc ", qdisc);
	if (pcc_xdp_others(dp, link->ifindex, what))
		return no(why, "XDP would pass by the ", what);
	return true;
}

/* Can the device run XDP at all? below is the interface itself or the device below it. */
static bool can_run(const struct pcc_link_list *links, const struct pcc_link *below,
	enum pcc_fastpath asked, char why[PCC_XDP_WHY])
{
	const char *hides;

	if (!pcc_link_is_ethernet(below))
		return no(why, "a device without link-layer header has no XDP here", "");
	if (!strcmp(below->kind, "bridge") && asked == PCC_FP_XDP)
		return true; /* XDP runs on the bridge's ports */
	if (!strcmp(below->kind, "bridge") || !strcmp(below->kind, "bond") ||
		!strcmp(below->kind, "macvlan"))
		return no(why, "no native XDP on a device of kind ", below->kind);
	/* For other kinds `auto` gives the reason that they are not hardware. */
	hides = asked == PCC_FP_XDP || !below->kind[0] ? hides_vlans(links, below) : NULL;
	if (hides)
		snprintf(why, PCC_XDP_WHY, "XDP would not see VLAN tags until ethtool -K %s %s off",
			below->name, hides);
	return !hides;
}

bool pcc_xdp_wanted(struct pcc_dp *dp, const struct pcc_link_list *links,
	const struct pcc_link *link, enum pcc_fastpath asked, struct pcc_wire_out *wire,
	char why[PCC_XDP_WHY])
{
	const struct pcc_link *below = link;
	const char *reason = "";

	why[0] = '\0';
	memset(wire, 0, sizeof(*wire));
	if (asked == PCC_FP_OFF || asked == PCC_FP_TC)
		return no(why, "--fastpath ", asked == PCC_FP_OFF ? "off" : "tc");
	if (pcc_wire_of(links, link, wire, &reason))
		return no(why, reason, "");
	if (wire->wire.ifindex)
		below = pcc_link_numbered(links, wire->wire.ifindex);
	if (!below || !can_run(links, below, asked, why))
		return false;
	if (below != link && !strcmp(below->kind, "bridge"))
		return no(why, "no native XDP on a device of kind ", below->kind);
	if (asked == PCC_FP_XDP)
		return true;
	if (link->vlan_qos)
		return no(why, "XDP would pass by the VLAN's egress-qos-map", "");
	if (!passes_none(dp, link, why) || (below != link && !passes_none(dp, below, why)))
		return false;
	/* A peer on the same machine leaves checksums incomplete, which XDP cannot see. */
	if (below->kind[0])
		return no(why, "auto takes XDP for hardware only, this is of kind ", below->kind);
	return driver_redirects(below, why);
}

const void *pcc_xdp_object(size_t *len)
{
	return pccbpf_xdp_bpf__elf_bytes(len);
}

const void *pcc_xdp_wire_object(size_t *len)
{
	return pccbpf_wire_bpf__elf_bytes(len);
}

/* Opens the object so that it uses the pinned maps. Returns NULL with errno set on an error. */
static struct bpf_object *open_object(struct pcc_dp *dp, bool wire)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = wire ? WIRE : PLAIN);
	struct bpf_object *obj;
	const void *bytes;
	size_t n;
	int ret;

	bytes = wire ? pcc_xdp_wire_object(&n) : pcc_xdp_object(&n);
	obj = bpf_object__open_mem(bytes, n, &opts);
	if (!obj)
		return NULL;
	ret = pcc_dp_reuse_maps(dp, obj);
	if (!ret)
		return obj;
	bpf_object__close(obj);
	errno = -ret;
	return NULL;
}

/* Attaches through libxdp, beside other people's programs. */
static int attach_beside(struct bpf_object *obj, uint32_t ifindex)
{
	struct xdp_program *prog = xdp_program__from_bpf_obj(obj, "xdp.frags");
	int ret = libxdp_get_error(prog);

	if (ret)
		return ret;
	ret = xdp_program__attach(prog, ifindex, XDP_MODE_NATIVE, 0);
	xdp_program__close(prog);
	return ret;
}

/*
 * Attaches our program alone. Used if the kernel refuses it in libxdp's dispatcher
 * (pccbpf_wire.bpf.c).
 */
static int attach_alone(struct bpf_object *obj, uint32_t ifindex)
{
	struct bpf_program *prog = bpf_object__next_program(obj, NULL);
	int ret = prog ? bpf_object__load(obj) : -ENOENT;

	return ret ? ret
		   : bpf_xdp_attach((int)ifindex, bpf_program__fd(prog),
			     XDP_FLAGS_DRV_MODE | XDP_FLAGS_UPDATE_IF_NOEXIST, NULL);
}

static int attach_how(struct pcc_dp *dp, uint32_t ifindex, bool wire, bool alone)
{
	struct bpf_object *obj = open_object(dp, wire);
	int ret;

	if (!obj)
		return errno ? -errno : -EINVAL;
	ret = alone ? attach_alone(obj, ifindex) : attach_beside(obj, ifindex);
	bpf_object__close(obj);
	return ret;
}

/*
 * Does the driver take redirected frames? If it says that it does not, the kernel would drop them.
 */
static bool driver_takes(uint32_t ifindex, const char *ifname)
{
	struct pcc_driver_xdp xdp;

	pcc_driver_xdp(ifindex, ifname, &xdp);
	return !xdp.told || xdp.takes;
}

bool pcc_xdp_sends(struct pcc_dp *dp, uint32_t ifindex)
{
	uint32_t to;

	return !bpf_map_lookup_elem(dp->map_fd[PCC_MAP_XDP_PORTS], &ifindex, &to);
}

bool pcc_xdp_sends_right(struct pcc_dp *dp, uint32_t ifindex, const char *ifname)
{
	return pcc_xdp_sends(dp, ifindex) == driver_takes(ifindex, ifname);
}

static void send_no_more(struct pcc_dp *dp, uint32_t ifindex)
{
	bpf_map_delete_elem(dp->map_fd[PCC_MAP_XDP_PORTS], &ifindex);
	pcc_dp_wire_ports(dp, ifindex, false);
}

int pcc_xdp_send_to(struct pcc_dp *dp, uint32_t ifindex, const char *ifname)
{
	if (!driver_takes(ifindex, ifname)) {
		send_no_more(dp, ifindex);
		return 0;
	}
	if (bpf_map_update_elem(dp->map_fd[PCC_MAP_XDP_PORTS], &ifindex, &ifindex, BPF_ANY))
		return -errno;
	pcc_dp_wire_ports(dp, ifindex, true);
	return 0;
}

int pcc_xdp_attach(struct pcc_dp *dp, uint32_t ifindex, const char *ifname, struct pcc_err *err)
{
	uint32_t key;
	bool wire = !bpf_map_get_next_key(dp->map_fd[PCC_MAP_WIRE_OUT], NULL, &key);
	int ret;

	pcc_xdp_detach(dp, ifindex);
	ret = attach_how(dp, ifindex, wire, false);
	if (ret && wire)
		ret = attach_how(dp, ifindex, wire, true);
	if (!ret) {
		ret = pcc_xdp_send_to(dp, ifindex, ifname);
		if (ret)
			pcc_xdp_detach(dp, ifindex);
	}
	return ret ? pcc_err_set(err, ret, ifname, "no native XDP: %s", strerror(-ret)) : 0;
}

int pcc_xdp_detach(struct pcc_dp *dp, uint32_t ifindex)
{
	struct xdp_multiprog *mp;
	struct xdp_program *prog;
	int ret = 0;

	libxdp_set_print(quiet);
	if (dp->map_fd[PCC_MAP_XDP_PORTS] >= 0)
		send_no_more(dp, ifindex);
	mp = multiprog(ifindex);
	prog = find_ours(mp);
	if (prog)
		ret = xdp_program__detach(prog, ifindex, XDP_MODE_NATIVE, 0);
	xdp_multiprog__close(mp);
	return ret;
}
