// SPDX-License-Identifier: GPL-2.0-only
/* Reads the configuration back from the maps. */
#include "pins/dataplane.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/conf_keys.h"

/* Reads the next hop of a pinned WAN in one family into the model. */
static void gateway_read(struct pcc_gateway *gw, const struct pcc_wan *wan, enum pcc_family family)
{
	static const uint32_t serves[] = {PCC_WAN_V4, PCC_WAN_V6};
	static const uint32_t given[] = {PCC_WAN_GW4_GIVEN, PCC_WAN_GW6_GIVEN};
	const void *addr = family == PCC_V4 ? (const void *)&wan->gateway4 : wan->gateway6;
	size_t len = family == PCC_V4 ? 4 : 16;
	static const uint8_t none[16];

	if (!(wan->flags & serves[family]))
		gw->source = PCC_GW_NONE;
	else if (!memcmp(addr, none, len))
		gw->source = PCC_GW_ONLINK;
	else
		gw->source = wan->flags & given[family] ? PCC_GW_GIVEN : PCC_GW_FOUND;
	memcpy(&gw->addr, addr, len);
}

static int read_wans(struct pcc_dp *dp, struct pcc_config *cfg, struct pcc_err *err)
{
	for (uint32_t id = 1; id <= PCC_MAX_WANS; id++) {
		struct pcc_wan_cfg *to = &cfg->wans[cfg->nwans];
		struct pcc_wan wan;

		if (bpf_map_lookup_elem(dp->map_fd[PCC_MAP_WANS], &id, &wan))
			return pcc_err_set(err, -errno, "pcc_wans", "%s", strerror(errno));
		if (wan.state == PCC_WAN_UNUSED)
			continue;
		if (wan.state > PCC_WAN_DOWN || !wan.weight || wan.weight > PCC_MAX_WEIGHT ||
			!memchr(wan.name, '\0', sizeof(wan.name)) || !wan.name[0])
			return pcc_err_set(
				err, -EBADF, "pcc_wans", "entry %u holds impossible values", id);
		memset(to, 0, sizeof(*to));
		memcpy(to->name, wan.name, sizeof(to->name));
		to->id = id;
		to->ifindex = wan.ifindex;
		to->weight = wan.weight;
		to->state = wan.state;
		to->order = wan.order;
		to->by_daemon = wan.flags & PCC_WAN_AUTO;
		to->degraded = wan.flags & PCC_WAN_DEGRADED;
		to->standby = wan.flags & PCC_WAN_STANDBY;
		gateway_read(&to->gw[PCC_V4], &wan, PCC_V4);
		gateway_read(&to->gw[PCC_V6], &wan, PCC_V6);
		cfg->nwans++;
	}
	return 0;
}

static int wan_by_order(const void *a, const void *b)
{
	const struct pcc_wan_cfg *x = a, *y = b;

	return x->order < y->order ? -1 : x->order > y->order;
}

struct lan_slot {
	struct pcc_lan_cfg lan;
	uint8_t order;
};

static int lan_by_order(const void *a, const void *b)
{
	const struct lan_slot *x = a, *y = b;

	return (int)x->order - (int)y->order;
}

static int read_lans(struct pcc_dp *dp, struct pcc_config *cfg)
{
	struct lan_slot slots[PCC_MAX_LANS];
	struct pcc_iface iface;
	uint32_t key, *prev = NULL;

	while (cfg->nlans < PCC_MAX_LANS &&
		!bpf_map_get_next_key(dp->map_fd[PCC_MAP_IFACES], prev, &key)) {
		prev = &key;
		if (bpf_map_lookup_elem(dp->map_fd[PCC_MAP_IFACES], &key, &iface) ||
			iface.role != PCC_ROLE_LAN)
			continue;
		memset(&slots[cfg->nlans], 0, sizeof(slots[0]));
		snprintf(slots[cfg->nlans].lan.name, PCC_IFNAMSIZ, "%.15s", iface.name);
		slots[cfg->nlans].lan.ifindex = key;
		slots[cfg->nlans].order = iface.order;
		cfg->nlans++;
	}
	qsort(slots, cfg->nlans, sizeof(slots[0]), lan_by_order);
	for (uint32_t i = 0; i < cfg->nlans; i++)
		cfg->lans[i] = slots[i].lan;
	return 0;
}

static void read_wires(struct pcc_dp *dp, struct pcc_config *cfg)
{
	struct pcc_wire_out out;
	uint32_t key, *prev = NULL;

	cfg->nwires = 0;
	while (!bpf_map_get_next_key(dp->map_fd[PCC_MAP_WIRE_OUT], prev, &key)) {
		prev = &key;
		if (!bpf_map_lookup_elem(dp->map_fd[PCC_MAP_WIRE_OUT], &key, &out))
			pcc_config_wire_add(cfg, key, &out);
	}
}

/* Reads the values that were settled at the commit; going back to this configuration needs them. */
static void read_settled(struct pcc_dp *dp, struct pcc_config *cfg)
{
	uint32_t key, *prev = NULL;
	struct pcc_iface iface;

	for (uint32_t i = 0; i < cfg->nlans; i++) {
		if (bpf_map_lookup_elem(dp->map_fd[PCC_MAP_IFACES], &cfg->lans[i].ifindex, &iface))
			continue;
		memcpy(cfg->lans[i].mac, iface.mac, sizeof(iface.mac));
		cfg->lans[i].l3 = iface.flags & PCC_IFACE_L3;
		cfg->lans[i].no_fast = iface.flags & PCC_IFACE_NO_FAST;
		cfg->lans[i].accept_local = iface.flags & PCC_IFACE_DROP_LOCAL_SRC;
	}
	for (uint32_t i = 0; i < cfg->nwans; i++) {
		if (bpf_map_lookup_elem(dp->map_fd[PCC_MAP_IFACES], &cfg->wans[i].ifindex, &iface))
			continue;
		memcpy(cfg->wans[i].mac, iface.mac, sizeof(iface.mac));
		cfg->wans[i].l3 = iface.flags & PCC_IFACE_L3;
		cfg->wans[i].no_fast = iface.flags & PCC_IFACE_NO_FAST;
		cfg->wans[i].accept_local = iface.flags & PCC_IFACE_DROP_LOCAL_SRC;
	}
	while (cfg->nports < PCC_MAX_PORTS &&
		!bpf_map_get_next_key(dp->map_fd[PCC_MAP_IFACES], prev, &key)) {
		struct pcc_port_cfg *port = &cfg->ports[cfg->nports];

		prev = &key;
		if (bpf_map_lookup_elem(dp->map_fd[PCC_MAP_IFACES], &key, &iface) ||
			iface.role != PCC_ROLE_PORT)
			continue;
		memcpy(port->name, iface.name, sizeof(port->name));
		port->ifindex = key;
		port->bridge_ifindex = iface.master_ifindex;
		cfg->nports++;
	}
	read_wires(dp, cfg);
}

int pcc_dp_config(struct pcc_dp *dp, struct pcc_config *cfg, struct pcc_err *err)
{
	const struct pcc_meta *m = dp->meta;
	int ret;

	memset(cfg, 0, sizeof(*cfg));
	pcc_base_from_meta(cfg, m);
	cfg->seed = m->half[m->active_half & 1].seed;
	cfg->seed_given = m->flags & PCC_META_SEED_GIVEN;
	cfg->tcp_timeout_ms = m->tcp_timeout_ms;
	cfg->xdp = m->flags & PCC_META_XDP;
	cfg->bridged = m->flags & PCC_META_BRIDGED;
	ret = read_wans(dp, cfg, err);
	if (ret)
		return ret;
	qsort(cfg->wans, cfg->nwans, sizeof(cfg->wans[0]), wan_by_order);
	ret = read_lans(dp, cfg);
	if (!ret)
		read_settled(dp, cfg);
	return ret;
}
