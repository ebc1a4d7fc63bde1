// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes a configuration to the maps: WANs, interfaces, wires and addresses, then the bucket
 * tables.
 */
#include "pins/dataplane.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/conf_keys.h"
#include "kernel/sysctl.h"

static void gateway_write(struct pcc_wan *wan, const struct pcc_gateway *gw, enum pcc_family family)
{
	static const uint32_t serves[] = {PCC_WAN_V4, PCC_WAN_V6};
	static const uint32_t given[] = {PCC_WAN_GW4_GIVEN, PCC_WAN_GW6_GIVEN};

	if (gw->source == PCC_GW_NONE || gw->source == PCC_GW_AUTO)
		return;
	wan->flags |= serves[family];
	if (gw->source == PCC_GW_GIVEN)
		wan->flags |= given[family];
	if (gw->source == PCC_GW_ONLINK)
		return;
	if (family == PCC_V4)
		wan->gateway4 = gw->addr.v4.s_addr;
	else
		memcpy(wan->gateway6, &gw->addr.v6, 16);
}

/*
 * Clears the counters of a WAN id that gets a new owner. The packets that the fast path forwarded
 * for the old one are added to the overall counter.
 */
static void wan_stats_clear(struct pcc_dp *dp, uint32_t id)
{
	struct pcc_wan_stats *of_cpus = calloc(dp->ncpus, sizeof(*of_cpus));
	uint64_t *fast = calloc(dp->ncpus, sizeof(*fast));
	uint32_t key = PCC_R_FAST;

	if (of_cpus && fast && !bpf_map_lookup_elem(dp->map_fd[PCC_MAP_WAN_STATS], &id, of_cpus) &&
		!bpf_map_lookup_elem(dp->map_fd[PCC_MAP_COUNTERS], &key, fast)) {
		for (int cpu = 0; cpu < dp->ncpus; cpu++)
			fast[cpu] += of_cpus[cpu].fastpath_packets;
		pcc_dp_map_set(dp, PCC_MAP_COUNTERS, &key, fast);
		memset(of_cpus, 0, (size_t)dp->ncpus * sizeof(*of_cpus));
		pcc_dp_map_set(dp, PCC_MAP_WAN_STATS, &id, of_cpus);
	}
	free(of_cpus);
	free(fast);
}

static int commit_wans(struct pcc_dp *dp, const struct pcc_config *cfg, uint32_t shift)
{
	const struct pcc_wan_cfg *by_id[PCC_WAN_SLOTS] = {};
	int ret;

	for (uint32_t i = 0; i < cfg->nwans; i++)
		by_id[cfg->wans[i].id] = &cfg->wans[i];
	for (uint32_t id = 1; id <= PCC_MAX_WANS; id++) {
		const struct pcc_wan_cfg *from = by_id[id];
		struct pcc_wan wan = {}, old = {};

		bpf_map_lookup_elem(dp->map_fd[PCC_MAP_WANS], &id, &old);
		if (from) {
			wan.state = from->state;
			wan.ifindex = from->ifindex;
			wan.mark = id << shift;
			wan.weight = from->weight;
			wan.table = cfg->table_base + id;
			wan.order = from->order;
			memcpy(wan.name, from->name, sizeof(wan.name));
			gateway_write(&wan, &from->gw[PCC_V4], PCC_V4);
			gateway_write(&wan, &from->gw[PCC_V6], PCC_V6);
			wan.flags |= (from->by_daemon ? PCC_WAN_AUTO : 0) |
				     (from->degraded ? PCC_WAN_DEGRADED : 0) |
				     (from->standby ? PCC_WAN_STANDBY : 0);
			if (strncmp(old.name, wan.name, sizeof(wan.name)))
				wan_stats_clear(dp, id);
		}
		if (!memcmp(&wan, &old, sizeof(wan)))
			continue;
		ret = pcc_dp_map_set(dp, PCC_MAP_WANS, &id, &wan);
		if (ret)
			return ret;
	}
	return 0;
}

static int iface_set(struct pcc_dp *dp, uint32_t ifindex, const struct pcc_iface *iface)
{
	struct pcc_iface value = *iface, old;

	if (!bpf_map_lookup_elem(dp->map_fd[PCC_MAP_IFACES], &ifindex, &old))
		value.flags |= old.flags & PCC_IFACE_QDISC_MADE;
	return pcc_dp_map_set(dp, PCC_MAP_IFACES, &ifindex, &value);
}

/*
 * Removes an interface that is no longer used. The entry of one whose clsact qdisc is ours stays
 * until that qdisc is removed (hooks.c).
 */
static void iface_drop(struct pcc_dp *dp, uint32_t ifindex)
{
	struct pcc_iface iface = {.flags = PCC_IFACE_QDISC_MADE};

	if (pcc_dp_iface_has(dp, ifindex, PCC_IFACE_QDISC_MADE))
		pcc_dp_map_set(dp, PCC_MAP_IFACES, &ifindex, &iface);
	else
		bpf_map_delete_elem(dp->map_fd[PCC_MAP_IFACES], &ifindex);
}

static bool iface_wanted(const struct pcc_config *cfg, uint32_t ifindex)
{
	for (uint32_t i = 0; i < cfg->nlans; i++)
		if (cfg->lans[i].ifindex == ifindex)
			return true;
	for (uint32_t i = 0; i < cfg->nwans; i++)
		if (cfg->wans[i].ifindex == ifindex)
			return true;
	for (uint32_t i = 0; i < cfg->nports; i++)
		if (cfg->ports[i].ifindex == ifindex)
			return true;
	return false;
}

/*
 * Did attach turn accept_local on? Then the data plane must drop the packets that the kernel now
 * accepts because of it.
 */
static bool drops_local_sources(struct pcc_dp *dp, const char *name, bool accept_local)
{
	char path[PCC_SYSCTL_KEY_BYTES], old[32];

	return accept_local &&
	       !pcc_sysctl_if_key(path, sizeof(path), AF_INET, "conf", name, "accept_local") &&
	       !pcc_dp_sysctl_old(dp, path, old) && !strcmp(old, "0");
}

static bool has_ports(const struct pcc_config *cfg, uint32_t bridge_ifindex)
{
	for (uint32_t i = 0; i < cfg->nports; i++)
		if (cfg->ports[i].bridge_ifindex == bridge_ifindex)
			return true;
	return false;
}

static uint8_t wire_flag(const struct pcc_config *cfg, uint32_t ifindex)
{
	return pcc_config_wire(cfg, ifindex) ? PCC_IFACE_WIRE : 0;
}

/* Removes the entries of pcc_wire_in and pcc_wire_out that cfg does not have. */
static void drop_wires(struct pcc_dp *dp, const struct pcc_config *cfg)
{
	uint32_t key, gone[PCC_MAX_WIRES], n = 0, ifindex, *prev = NULL;
	struct pcc_wire wire, old[PCC_MAX_WIRES], *before = NULL;
	const struct pcc_wire_cfg *now;

	while (!bpf_map_get_next_key(dp->map_fd[PCC_MAP_WIRE_IN], before, &wire) &&
		n < PCC_MAX_WIRES) {
		before = &wire;
		if (bpf_map_lookup_elem(dp->map_fd[PCC_MAP_WIRE_IN], &wire, &ifindex))
			continue;
		now = pcc_config_wire(cfg, ifindex);
		if (!now || memcmp(&now->out.wire, &wire, sizeof(wire)))
			old[n++] = wire;
	}
	while (n)
		bpf_map_delete_elem(dp->map_fd[PCC_MAP_WIRE_IN], &old[--n]);
	while (!bpf_map_get_next_key(dp->map_fd[PCC_MAP_WIRE_OUT], prev, &key) &&
		n < PCC_MAX_WIRES) {
		prev = &key;
		if (!pcc_config_wire(cfg, key))
			gone[n++] = key;
	}
	while (n--) {
		bpf_map_delete_elem(dp->map_fd[PCC_MAP_XDP_PORTS], &gone[n]);
		bpf_map_delete_elem(dp->map_fd[PCC_MAP_WIRE_OUT], &gone[n]);
	}
}

/*
 * Writes how our interfaces' packets look on the devices below them. Where XDP sends to a device
 * already, it also sends for the interfaces on top of that device.
 */
static int commit_wires(struct pcc_dp *dp, const struct pcc_config *cfg)
{
	uint32_t there;
	int ret = 0;

	drop_wires(dp, cfg);
	for (uint32_t i = 0; !ret && i < cfg->nwires; i++) {
		const struct pcc_wire_cfg *w = &cfg->wires[i];

		ret = pcc_dp_map_set(dp, PCC_MAP_WIRE_OUT, &w->ifindex, &w->out);
		if (!ret)
			ret = pcc_dp_map_set(dp, PCC_MAP_WIRE_IN, &w->out.wire, &w->ifindex);
		if (!ret && !bpf_map_lookup_elem(
				    dp->map_fd[PCC_MAP_XDP_PORTS], &w->out.wire.ifindex, &there))
			pcc_dp_wire_ports(dp, w->out.wire.ifindex, true);
	}
	return ret;
}

static int commit_ports(struct pcc_dp *dp, const struct pcc_config *cfg)
{
	int ret = 0;

	for (uint32_t i = 0; !ret && i < cfg->nports; i++) {
		struct pcc_iface iface = {
			.role = PCC_ROLE_PORT,
			.master_ifindex = cfg->ports[i].bridge_ifindex,
			.flags = wire_flag(cfg, cfg->ports[i].ifindex),
		};

		memcpy(iface.name, cfg->ports[i].name, sizeof(iface.name));
		ret = iface_set(dp, cfg->ports[i].ifindex, &iface);
	}
	return ret;
}

static int commit_ifaces(struct pcc_dp *dp, const struct pcc_config *cfg)
{
	uint32_t key, gone[256], ngone = 0, *prev = NULL;
	int ret;

	for (uint32_t i = 0; i < cfg->nlans; i++) {
		struct pcc_iface iface = {.role = PCC_ROLE_LAN,
			.order = i,
			.flags = wire_flag(cfg, cfg->lans[i].ifindex)};

		if (!cfg->lans[i].ifindex) /* the interface does not exist yet */
			continue;
		if (cfg->lans[i].l3)
			iface.flags |= PCC_IFACE_L3;
		if (cfg->lans[i].no_fast)
			iface.flags |= PCC_IFACE_NO_FAST;
		if (has_ports(cfg, cfg->lans[i].ifindex))
			iface.flags |= PCC_IFACE_PORTS_LEARN;
		iface.master_ifindex = cfg->lans[i].ifindex;
		memcpy(iface.mac, cfg->lans[i].mac, sizeof(iface.mac));
		if (drops_local_sources(dp, cfg->lans[i].name, cfg->lans[i].accept_local))
			iface.flags |= PCC_IFACE_DROP_LOCAL_SRC;
		memcpy(iface.name, cfg->lans[i].name, sizeof(iface.name));
		ret = iface_set(dp, cfg->lans[i].ifindex, &iface);
		if (ret)
			return ret;
	}
	for (uint32_t i = 0; i < cfg->nwans; i++) {
		struct pcc_iface iface = {.role = PCC_ROLE_WAN,
			.wan_id = cfg->wans[i].id,
			.order = i,
			.flags = wire_flag(cfg, cfg->wans[i].ifindex)};

		if (!cfg->wans[i].ifindex)
			continue;
		if (cfg->wans[i].l3)
			iface.flags |= PCC_IFACE_L3;
		if (cfg->wans[i].no_fast)
			iface.flags |= PCC_IFACE_NO_FAST;
		if (drops_local_sources(dp, cfg->wans[i].name, cfg->wans[i].accept_local))
			iface.flags |= PCC_IFACE_DROP_LOCAL_SRC;
		iface.master_ifindex = cfg->wans[i].ifindex;
		memcpy(iface.mac, cfg->wans[i].mac, sizeof(iface.mac));
		memcpy(iface.name, cfg->wans[i].name, sizeof(iface.name));
		ret = iface_set(dp, cfg->wans[i].ifindex, &iface);
		if (ret)
			return ret;
	}
	ret = commit_ports(dp, cfg);
	if (ret)
		return ret;
	while (!bpf_map_get_next_key(dp->map_fd[PCC_MAP_IFACES], prev, &key) && ngone < 256) {
		prev = &key;
		if (!iface_wanted(cfg, key))
			gone[ngone++] = key;
	}
	while (ngone)
		iface_drop(dp, gone[--ngone]);
	return 0;
}

static int local_cmp(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct pcc_addr));
}

static int commit_locals(struct pcc_dp *dp, const struct pcc_dp_local *locals, uint32_t n)
{
	struct pcc_addr key, *prev = NULL, gone[256];
	struct pcc_dp_local *sorted;
	uint32_t ngone = 0;
	int ret;

	sorted = calloc(n + 1, sizeof(*sorted));
	if (!sorted)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		sorted[i] = locals[i];
		ret = pcc_dp_map_set(dp, PCC_MAP_LOCAL, &locals[i].addr, &locals[i].wan_id);
		if (ret)
			goto out;
	}
	qsort(sorted, n, sizeof(*sorted), local_cmp);
	while (!bpf_map_get_next_key(dp->map_fd[PCC_MAP_LOCAL], prev, &key) && ngone < 256) {
		prev = &key;
		if (!bsearch(&key, sorted, n, sizeof(*sorted), local_cmp))
			gone[ngone++] = key;
	}
	while (ngone)
		bpf_map_delete_elem(dp->map_fd[PCC_MAP_LOCAL], &gone[--ngone]);
	ret = 0;
out:
	free(sorted);
	return ret;
}

static uint32_t meta_flags(const struct pcc_dp *dp, const struct pcc_config *cfg)
{
	return (dp->meta->flags & PCC_META_DIR_MADE) | (dp->dir_made ? PCC_META_DIR_MADE : 0) |
	       pcc_base_meta_flags(cfg) | (cfg->seed_given ? PCC_META_SEED_GIVEN : 0) |
	       (cfg->fastpath == PCC_FP_OFF ? PCC_META_NO_WAN_OUT : 0) |
	       (cfg->fastpath != PCC_FP_OFF && !dp->no_ct ? PCC_META_FASTPATH : 0) |
	       (pcc_answer_mark(cfg) ? PCC_META_ANSWERS : 0) | (cfg->xdp ? PCC_META_XDP : 0) |
	       (cfg->bridged ? PCC_META_BRIDGED : 0) | (dp->no_tcx ? PCC_META_NO_TCX : 0) |
	       (dp->no_ct ? PCC_META_NO_CT : 0);
}

bool pcc_dp_flags_match(const struct pcc_dp *dp, const struct pcc_config *cfg)
{
	return meta_flags(dp, cfg) == dp->meta->flags;
}

static void commit_meta(struct pcc_dp *dp, const struct pcc_config *cfg, uint32_t shift)
{
	struct pcc_meta *m = dp->meta;

	m->bucket_stride = pcc_dp_map_entries(dp->map_fd[PCC_MAP_STATS]) / PCC_FAMILIES;
	m->abi_version = PCC_ABI_VERSION;
	m->tuple_size = sizeof(struct pcc_tuple);
	m->conn_size = sizeof(struct pcc_conn);
	m->wan_size = sizeof(struct pcc_wan);
	m->reasons = PCC_R_MAX;
	m->mark_shift = shift;
	pcc_base_to_meta(cfg, m);
	m->tcp_timeout_ms = cfg->tcp_timeout_ms;
	m->flags = meta_flags(dp, cfg);
	snprintf(m->version, sizeof(m->version), "%s", PCC_VERSION);
}

int pcc_dp_commit(struct pcc_dp *dp, const struct pcc_config *cfg,
	const struct pcc_dp_local *locals, uint32_t nlocals, struct pcc_err *err)
{
	uint32_t shift = __builtin_ctz(cfg->mark_mask);
	int ret;

	commit_meta(dp, cfg, shift);
	ret = commit_wans(dp, cfg, shift);
	if (!ret)
		ret = commit_ifaces(dp, cfg);
	if (!ret)
		ret = commit_wires(dp, cfg);
	if (!ret)
		ret = commit_locals(dp, locals, nlocals);
	if (!ret)
		ret = pcc_dp_commit_tables(dp, cfg);
	if (ret)
		return pcc_err_set(err, ret, "maps", "cannot be written: %s", strerror(-ret));
	return 0;
}
