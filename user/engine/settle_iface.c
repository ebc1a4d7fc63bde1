// SPDX-License-Identifier: GPL-2.0-only
/* Settles one interface: its number, its kind of link, its gateways. */
#include "engine/settle_iface.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
#include <string.h>

#include "base/address.h"
#include "kernel/gateway.h"

static int unknown_interface(const char *name, struct pcc_err *err)
{
	pcc_err_set(err, -ENODEV, "interface", "'%s' does not exist", name);
	return pcc_err_hint(err, -ENODEV, "`ip link` lists the interfaces");
}

/* Returns an IPv4 sysctl of an interface; 0 if it does not exist. */
static long sysctl_of(const char *ifname, const char *name)
{
	char path[PCC_SYSCTL_KEY_BYTES];
	long value = 0;

	if (pcc_sysctl_if_key(path, sizeof(path), AF_INET, "conf", ifname, name) ||
		pcc_sysctl_read_int(path, &value, NULL))
		return 0;
	return value;
}

/*
 * Does the kernel look up source addresses of what arrives on the interface only to find the
 * router's own addresses?
 */
static bool nobody_validates(const char *ifname)
{
	return !sysctl_of("all", "rp_filter") && !sysctl_of(ifname, "rp_filter") &&
	       !sysctl_of("all", "accept_local");
}

/*
 * Refuses VRFs and their members: the kernel's rule for VRFs (1000: from all lookup [l3mdev-table])
 * comes before our rules, so the mark of a WAN would have no effect.
 */
static int check_vrf(
	const struct pcc_link *link, const struct pcc_observed *now, struct pcc_err *err)
{
	const struct pcc_link *master = pcc_observed_link(now, link->master_ifindex);

	if (!strcmp(link->kind, "vrf")) {
		pcc_err_set(err, -EOPNOTSUPP, link->name,
			"it is a VRF; its rule decides before the marks of WANs");
		return pcc_err_hint(err, -EOPNOTSUPP,
			"name the interface itself, after `ip link set INTERFACE nomaster`");
	}
	if (!master || strcmp(master->kind, "vrf") != 0)
		return 0;
	pcc_err_set(err, -EOPNOTSUPP, link->name,
		"it is in the VRF %s, whose rule decides before the marks of WANs", master->name);
	return pcc_err_hint(err, -EOPNOTSUPP, "`ip link set %s nomaster` takes it out", link->name);
}

int pcc_settle_lan(const struct pcc_config *old, struct pcc_lan_cfg *lan,
	const struct pcc_observed *now, struct pcc_err *err)
{
	const struct pcc_link *link = pcc_observed_link_named(now, lan->name);
	const struct pcc_lan_cfg *was = old ? pcc_config_find_lan(old, lan->name) : NULL;

	lan->accept_local = nobody_validates(lan->name);
	lan->l3 = link && !pcc_link_is_ethernet(link);
	if (link)
		memcpy(lan->mac, link->mac, sizeof(lan->mac));
	if (link)
		lan->ifindex = link->ifindex;
	else if (was)
		lan->ifindex = was->ifindex;
	else
		return unknown_interface(lan->name, err);
	return link ? check_vrf(link, now, err) : 0;
}

/*
 * Checks a gateway that the user gave: it must not be the router itself, and must be on the WAN's
 * network.
 */
static int check_given(const struct pcc_wan_cfg *wan, enum pcc_family f,
	const struct pcc_observed *now, struct pcc_err *err)
{
	size_t len = f == PCC_V4 ? 4 : 16;
	char text[INET6_ADDRSTRLEN];
	bool connected = false, any = false;

	inet_ntop(pcc_af[f], &wan->gw[f].addr, text, sizeof(text));
	for (size_t i = 0; i < now->addrs.n; i++) {
		const struct pcc_ifaddr *a = &now->addrs.v[i];
		const uint8_t *net = a->has_peer ? a->peer.bytes : a->addr.bytes;
		const uint8_t *gw = (const uint8_t *)&wan->gw[f].addr;

		if (a->family != pcc_af[f])
			continue;
		if (!memcmp(a->addr.bytes, gw, len)) {
			pcc_err_set(err, -EINVAL, wan->name,
				"the gateway '%s' is an address of this router", text);
			return pcc_err_hint(err, -EINVAL, "give the ISP's address");
		}
		if (a->ifindex != wan->ifindex)
			continue;
		any = true;
		if (pcc_ip_in_prefix(gw, net, a->prefixlen))
			connected = true;
	}
	if (connected || !any)
		return 0;
	pcc_err_set(err, -EINVAL, wan->name,
		"the gateway '%s' is not on a network of this interface", text);
	return pcc_err_hint(err, -EINVAL, "`ip addr show dev %s` lists them", wan->name);
}

static int settle_gateway(struct pcc_session *s, const struct pcc_link *link,
	struct pcc_wan_cfg *wan, enum pcc_family f, const struct pcc_wan_cfg *was,
	struct pcc_err *err)
{
	struct pcc_gateway found = {};
	int ret;

	if (wan->gw[f].source != PCC_GW_AUTO)
		return 0;
	wan->gw[f].source = PCC_GW_NONE;
	ret = pcc_gateway_find(&s->nl, link, pcc_af[f], "", &found, err);
	if (!ret || ret == -ENOENT)
		wan->gw[f] = found;
	/* A gateway that was found is kept when its default route disappears with the link. */
	if (wan->gw[f].source == PCC_GW_NONE && was && pcc_wan_serves(was, f)) {
		wan->gw[f] = was->gw[f];
		return 0;
	}
	if (f == PCC_V6 && ret == -ENOENT)
		return 0;
	return ret;
}

int pcc_settle_wan(struct pcc_session *s, const struct pcc_config *old, struct pcc_wan_cfg *wan,
	const struct pcc_observed *now, struct pcc_err *err)
{
	const struct pcc_link *link = pcc_observed_link_named(now, wan->name);
	const struct pcc_wan_cfg *was = old ? pcc_config_find_wan_const(old, wan->name) : NULL;
	int ret = 0;

	if (!link && !was)
		return unknown_interface(wan->name, err);
	wan->ifindex = link ? link->ifindex : was->ifindex;
	wan->l3 = link && !pcc_link_is_ethernet(link);
	if (wan->gw[PCC_V4].source == PCC_GW_NONE && wan->gw[PCC_V6].source == PCC_GW_NONE)
		wan->gw[PCC_V4].source = wan->gw[PCC_V6].source = PCC_GW_AUTO;
	wan->accept_local = nobody_validates(wan->name);
	if (link)
		memcpy(wan->mac, link->mac, sizeof(wan->mac));
	if (!link) { /* the interface is gone; everything but the link stays as it was */
		for (int f = 0; f < PCC_FAMILIES; f++)
			if (wan->gw[f].source == PCC_GW_AUTO)
				wan->gw[f] = was->gw[f];
		return 0;
	}
	if (link->flags & IFF_LOOPBACK) {
		pcc_err_set(err, -EINVAL, "WAN", "'%s' is the loopback interface", wan->name);
		return pcc_err_hint(err, -EINVAL, "name an interface that leads to an ISP");
	}
	ret = check_vrf(link, now, err);
	for (int f = 0; !ret && f < PCC_FAMILIES; f++) {
		if (wan->gw[f].source == PCC_GW_GIVEN)
			ret = check_given(wan, f, now, err);
		else if (f == PCC_V4 && wan->gw[PCC_V6].source == PCC_GW_GIVEN &&
			 settle_gateway(s, link, wan, f, was, NULL))
			wan->gw[f].source = PCC_GW_NONE; /* an IPv6-only WAN, as the user wants */
		else
			ret = settle_gateway(s, link, wan, f, was, err);
	}
	if (ret)
		return ret;
	if (pcc_wan_serves(wan, PCC_V4) || pcc_wan_serves(wan, PCC_V6))
		return 0;
	pcc_err_set(err, -ENOENT, wan->name, "no gateway was found");
	return pcc_err_hint(err, -ENOENT, "write %s@GATEWAY", wan->name);
}
