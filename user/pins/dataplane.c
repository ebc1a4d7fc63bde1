// SPDX-License-Identifier: GPL-2.0-only
/* What is read from the maps and written to them. */
#include "pins/dataplane.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/buckets.h"
#include "pins/policy_maps.h"
#include "kernel/sysctl.h"

#define BATCH 8192

static const char *const reason_names[PCC_R_MAX] = {
#define X(sym, name, text) [PCC_R_##sym] = name,
	PCC_REASONS(X)
#undef X
};

static const char *const reason_texts[PCC_R_MAX] = {
#define X(sym, name, text) [PCC_R_##sym] = text,
	PCC_REASONS(X)
#undef X
};

const char *pcc_reason_name(enum pcc_reason reason)
{
	return reason < PCC_R_MAX ? reason_names[reason] : "?";
}

const char *pcc_reason_text(enum pcc_reason reason)
{
	return reason < PCC_R_MAX ? reason_texts[reason] : "?";
}

/* Next hop of a pinned WAN in one family, as the model has it. */
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

/* What was settled when this was committed: needed to go back to it. */
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
	cfg->classifier = m->classifier;
	cfg->scheme = m->scheme;
	cfg->buckets = m->buckets;
	cfg->seed = m->half[m->active_half & 1].seed;
	cfg->seed_given = m->flags & PCC_META_SEED_GIVEN;
	cfg->fastpath = m->fastpath;
	cfg->mark_mask = m->mark_mask;
	cfg->table_base = m->table_base;
	cfg->rule_pref = m->rule_pref;
	cfg->nat4 = m->flags & PCC_META_NAT4;
	cfg->nat6 = m->flags & PCC_META_NAT6;
	cfg->own = m->flags & PCC_META_OWN;
	cfg->max_conns = m->max_conns;
	cfg->tcp_timeout_ms = m->tcp_timeout_ms;
	cfg->xdp = m->flags & PCC_META_XDP;
	ret = read_wans(dp, cfg, err);
	if (ret)
		return ret;
	qsort(cfg->wans, cfg->nwans, sizeof(cfg->wans[0]), wan_by_order);
	ret = read_lans(dp, cfg);
	if (!ret)
		read_settled(dp, cfg);
	return ret;
}

static int map_set(struct pcc_dp *dp, enum pcc_map map, const void *key, const void *value)
{
	return bpf_map_update_elem(dp->map_fd[map], key, value, BPF_ANY) ? -errno : 0;
}

/* What the fast path forwarded for the WAN that had the id stays in the sum over all. */
static void wan_stats_clear(struct pcc_dp *dp, uint32_t id)
{
	struct pcc_wan_stats *of_cpus = calloc(dp->ncpus, sizeof(*of_cpus));
	uint64_t *fast = calloc(dp->ncpus, sizeof(*fast));
	uint32_t key = PCC_R_FAST;

	if (of_cpus && fast && !bpf_map_lookup_elem(dp->map_fd[PCC_MAP_WAN_STATS], &id, of_cpus) &&
		!bpf_map_lookup_elem(dp->map_fd[PCC_MAP_COUNTERS], &key, fast)) {
		for (int cpu = 0; cpu < dp->ncpus; cpu++)
			fast[cpu] += of_cpus[cpu].fastpath_packets;
		map_set(dp, PCC_MAP_COUNTERS, &key, fast);
		memset(of_cpus, 0, (size_t)dp->ncpus * sizeof(*of_cpus));
		map_set(dp, PCC_MAP_WAN_STATS, &id, of_cpus);
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
		ret = map_set(dp, PCC_MAP_WANS, &id, &wan);
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
	return map_set(dp, PCC_MAP_IFACES, &ifindex, &value);
}

/* An interface that is given up; one whose qdisc is ours is forgotten with that (hooks.c). */
static void iface_drop(struct pcc_dp *dp, uint32_t ifindex)
{
	struct pcc_iface iface = {.flags = PCC_IFACE_QDISC_MADE};

	if (pcc_dp_iface_has(dp, ifindex, PCC_IFACE_QDISC_MADE))
		map_set(dp, PCC_MAP_IFACES, &ifindex, &iface);
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

/* Did attach set accept_local, where it was off? Then the data plane must drop what it made pass.
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

/* Entries of pcc_wire_in and pcc_wire_out that cfg does not have go. */
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

void pcc_dp_wire_ports(struct pcc_dp *dp, uint32_t carrier_ifindex, bool on)
{
	uint32_t key, *prev = NULL;
	struct pcc_wire_out out;

	while (!bpf_map_get_next_key(dp->map_fd[PCC_MAP_WIRE_OUT], prev, &key)) {
		prev = &key;
		if (bpf_map_lookup_elem(dp->map_fd[PCC_MAP_WIRE_OUT], &key, &out) ||
			out.wire.ifindex != carrier_ifindex)
			continue;
		if (on)
			bpf_map_update_elem(
				dp->map_fd[PCC_MAP_XDP_PORTS], &key, &carrier_ifindex, BPF_ANY);
		else
			bpf_map_delete_elem(dp->map_fd[PCC_MAP_XDP_PORTS], &key);
	}
}

/* What stands on the wires below our interfaces; XDP sends there where it sends already. */
static int commit_wires(struct pcc_dp *dp, const struct pcc_config *cfg)
{
	uint32_t there;
	int ret = 0;

	drop_wires(dp, cfg);
	for (uint32_t i = 0; !ret && i < cfg->nwires; i++) {
		const struct pcc_wire_cfg *w = &cfg->wires[i];

		ret = map_set(dp, PCC_MAP_WIRE_OUT, &w->ifindex, &w->out);
		if (!ret)
			ret = map_set(dp, PCC_MAP_WIRE_IN, &w->out.wire, &w->ifindex);
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

		if (!cfg->lans[i].ifindex) /* has not appeared yet */
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
		ret = map_set(dp, PCC_MAP_LOCAL, &locals[i].addr, &locals[i].wan_id);
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

/*
 * A degraded WAN counts half. The consistent table depends on ratios only, so all weights are
 * doubled there; for modulo that would give other buckets, so the half is rounded up.
 */
static uint32_t weight_now(const struct pcc_config *cfg, const struct pcc_wan_cfg *wan)
{
	if (cfg->scheme == PCC_SCHEME_MODULO)
		return wan->degraded ? (wan->weight + 1) / 2 : wan->weight;
	return wan->degraded ? wan->weight : 2 * wan->weight;
}

uint32_t pcc_dp_members(const struct pcc_config *cfg, enum pcc_family family, uint64_t among,
	bool standby, struct pcc_bucket_member members[PCC_MAX_WANS])
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < cfg->nwans; i++) {
		const struct pcc_wan_cfg *wan = &cfg->wans[i];

		if (!(among >> (wan->id - 1) & 1) || wan->state != PCC_WAN_UP ||
			(wan->standby && !standby) || !pcc_wan_serves(wan, family))
			continue;
		memset(&members[n], 0, sizeof(members[n]));
		memcpy(members[n].name, wan->name, sizeof(members[n].name));
		members[n].id = wan->id;
		members[n].weight = weight_now(cfg, wan);
		members[n].order = wan->order;
		n++;
	}
	return n;
}

/* The bucket table of one family over the WANs that are up and serve it. */
static int family_table(
	const struct pcc_config *cfg, enum pcc_family family, uint8_t *table, uint32_t *n)
{
	struct pcc_bucket_member members[PCC_MAX_WANS];
	uint32_t count = pcc_dp_members(cfg, family, UINT64_MAX, false, members);

	return pcc_bucket_table(members, count, cfg->scheme, cfg->buckets, table, n);
}

static int write_table(struct pcc_dp *dp, uint32_t base, const uint8_t *table, uint32_t n)
{
	uint32_t *keys = calloc(n, sizeof(*keys)), *values = calloc(n, sizeof(*values));
	uint32_t count = n;
	int ret = 0;

	if (!keys || !values) {
		ret = -ENOMEM;
		goto out;
	}
	for (uint32_t i = 0; i < n; i++) {
		keys[i] = base + i;
		values[i] = table[i];
	}
	if (n && bpf_map_update_batch(dp->map_fd[PCC_MAP_BUCKETS], keys, values, &count, NULL))
		ret = -errno;
out:
	free(keys);
	free(values);
	return ret;
}

static uint32_t classifier_fields(uint32_t classifier)
{
	static const uint32_t fields[] = {
#define X(sym, name, f) f,
		PCC_CLASSIFIERS(X)
#undef X
	};

	return classifier < sizeof(fields) / sizeof(fields[0]) ? fields[classifier] : fields[0];
}

/* Where the next half goes: the upper or the lower half of the map, whichever is not in use. */
static uint32_t next_base(const struct pcc_dp *dp, uint32_t *room)
{
	uint32_t entries = pcc_dp_map_entries(dp->map_fd[PCC_MAP_BUCKETS]);

	*room = entries / 4;
	return dp->meta->half[dp->meta->active_half & 1].base[PCC_V4] < entries / 2 ? entries / 2
										    : 0;
}

/* Fills the half that is not active and switches to it. */
int pcc_dp_commit_tables(struct pcc_dp *dp, const struct pcc_config *cfg)
{
	uint32_t half = !(dp->meta->active_half & 1), n, room, base = next_base(dp, &room);
	struct pcc_half next = {
		.fields = classifier_fields(cfg->classifier),
		.seed = cfg->seed,
	};
	uint8_t table[PCC_MAX_BUCKETS];
	int ret;

	for (int family = 0; family < PCC_FAMILIES; family++) {
		ret = family_table(cfg, family, table, &n);
		if (ret)
			return ret;
		if (n > room)
			return -ENOSPC;
		next.base[family] = base + family * room;
		ret = write_table(dp, next.base[family], table, n);
		if (ret)
			return ret;
		next.nbuckets[family] = n;
	}
	ret = pcc_policy_write(dp, cfg, half);
	if (ret)
		return ret;
	dp->meta->half[half] = next;
	__atomic_store_n(&dp->meta->active_half, half, __ATOMIC_RELEASE);
	__atomic_add_fetch(&dp->meta->epoch, 1, __ATOMIC_RELEASE);
	return 0;
}

static uint32_t meta_flags(const struct pcc_dp *dp, const struct pcc_config *cfg)
{
	return (dp->meta->flags & PCC_META_DIR_MADE) | (dp->dir_made ? PCC_META_DIR_MADE : 0) |
	       (cfg->nat4 ? PCC_META_NAT4 : 0) | (cfg->nat6 ? PCC_META_NAT6 : 0) |
	       (cfg->seed_given ? PCC_META_SEED_GIVEN : 0) |
	       (cfg->fastpath == PCC_FP_OFF ? PCC_META_NO_WAN_OUT : 0) |
	       (cfg->fastpath != PCC_FP_OFF && !dp->no_ct ? PCC_META_FASTPATH : 0) |
	       (cfg->own ? PCC_META_OWN : 0) | (cfg->xdp ? PCC_META_XDP : 0) |
	       (dp->no_tcx ? PCC_META_NO_TCX : 0) | (dp->no_ct ? PCC_META_NO_CT : 0);
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
	m->mark_mask = cfg->mark_mask;
	m->mark_shift = shift;
	m->buckets = cfg->buckets;
	m->classifier = cfg->classifier;
	m->scheme = cfg->scheme;
	m->fastpath = cfg->fastpath;
	m->table_base = cfg->table_base;
	m->rule_pref = cfg->rule_pref;
	m->max_conns = cfg->max_conns;
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

uint32_t pcc_dp_buckets(struct pcc_dp *dp, enum pcc_family family, uint8_t *table)
{
	uint32_t half = dp->meta->active_half & 1;
	uint32_t n = dp->meta->half[half].nbuckets[family];
	uint32_t base = dp->meta->half[half].base[family];

	if (n > PCC_MAX_BUCKETS)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t key = base + i, value = 0;

		bpf_map_lookup_elem(dp->map_fd[PCC_MAP_BUCKETS], &key, &value);
		table[i] = value;
	}
	return n;
}

void pcc_dp_iface_qdisc_gone(struct pcc_dp *dp, uint32_t ifindex)
{
	struct pcc_iface iface;

	if (bpf_map_lookup_elem(dp->map_fd[PCC_MAP_IFACES], &ifindex, &iface))
		return;
	iface.flags &= ~PCC_IFACE_QDISC_MADE;
	if (iface.role)
		map_set(dp, PCC_MAP_IFACES, &ifindex, &iface);
	else
		bpf_map_delete_elem(dp->map_fd[PCC_MAP_IFACES], &ifindex);
}

bool pcc_dp_iface_has(struct pcc_dp *dp, uint32_t ifindex, uint8_t flag)
{
	struct pcc_iface iface;

	return !bpf_map_lookup_elem(dp->map_fd[PCC_MAP_IFACES], &ifindex, &iface) &&
	       iface.flags & flag;
}

void pcc_dp_new_epoch(struct pcc_dp *dp)
{
	__atomic_add_fetch(&dp->meta->epoch, 1, __ATOMIC_RELEASE);
}

int pcc_dp_percpu_sum(struct pcc_dp *dp, enum pcc_map map, uint32_t key, uint64_t *sum, size_t n)
{
	uint64_t *values = calloc((size_t)dp->ncpus * n, sizeof(*values));
	int ret = 0;

	if (!values)
		return -ENOMEM;
	memset(sum, 0, n * sizeof(*sum));
	if (bpf_map_lookup_elem(dp->map_fd[map], &key, values))
		ret = -errno;
	for (int cpu = 0; !ret && cpu < dp->ncpus; cpu++)
		for (size_t i = 0; i < n; i++)
			sum[i] += values[cpu * n + i];
	free(values);
	return ret;
}

int pcc_dp_wan_stats(struct pcc_dp *dp, uint32_t wan_id, struct pcc_wan_stats *sum)
{
	return pcc_dp_percpu_sum(dp, PCC_MAP_WAN_STATS, wan_id, (uint64_t *)sum, sizeof(*sum) / 8);
}

int pcc_dp_bucket_stats(
	struct pcc_dp *dp, enum pcc_family family, uint32_t bucket, struct pcc_bucket_stats *sum)
{
	return pcc_dp_percpu_sum(dp, PCC_MAP_STATS, family * dp->meta->bucket_stride + bucket,
		(uint64_t *)sum, sizeof(*sum) / 8);
}

int pcc_dp_counter(struct pcc_dp *dp, enum pcc_reason reason, uint64_t *sum)
{
	int ret = pcc_dp_percpu_sum(dp, PCC_MAP_COUNTERS, reason, sum, 1);

	/* The fast path counts its packets once, with the WAN. */
	for (uint32_t id = 0; !ret && reason == PCC_R_FAST && id < PCC_WAN_SLOTS; id++) {
		struct pcc_wan_stats wan;

		ret = pcc_dp_wan_stats(dp, id, &wan);
		*sum += ret ? 0 : wan.fastpath_packets;
	}
	return ret;
}

uint64_t pcc_dp_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* Passes one batch to fn and deletes what it asks for. */
static int conns_batch(struct pcc_dp *dp, const struct pcc_tuple *keys,
	const struct pcc_conn *values, uint32_t n, pcc_conn_fn fn, void *arg)
{
	for (uint32_t i = 0; i < n; i++) {
		int ret = fn(&keys[i], &values[i], arg);

		if (ret < 0)
			return ret;
		if (ret > 0)
			bpf_map_delete_elem(dp->map_fd[PCC_MAP_CONNS], &keys[i]);
	}
	return 0;
}

int pcc_dp_conns(struct pcc_dp *dp, pcc_conn_fn fn, void *arg, struct pcc_err *err)
{
	struct pcc_tuple *keys = calloc(BATCH, sizeof(*keys));
	struct pcc_conn *values = calloc(BATCH, sizeof(*values));
	uint32_t cursor = 0, next = 0, n;
	void *from = NULL;
	int ret = 0, end = 0;

	if (!keys || !values)
		ret = -ENOMEM;
	while (!ret && !end) {
		n = BATCH;
		if (bpf_map_lookup_batch(
			    dp->map_fd[PCC_MAP_CONNS], from, &next, keys, values, &n, NULL)) {
			if (errno != ENOENT) {
				ret = -errno;
				break;
			}
			end = 1;
		}
		ret = conns_batch(dp, keys, values, n, fn, arg);
		cursor = next;
		from = &cursor;
	}
	free(keys);
	free(values);
	if (ret)
		pcc_err_set(err, ret, "pcc_conns", "cannot be read: %s", strerror(-ret));
	return ret;
}

static void sysctl_key(struct pcc_sysctl_key *key, const char *path)
{
	memset(key, 0, sizeof(*key));
	snprintf(key->path, sizeof(key->path), "%s", path);
}

int pcc_dp_sysctl_remember(struct pcc_dp *dp, const char *path, const char *value)
{
	struct pcc_sysctl_old old = {};
	struct pcc_sysctl_key key;

	sysctl_key(&key, path);
	snprintf(old.value, sizeof(old.value), "%s", value);
	if (bpf_map_update_elem(dp->map_fd[PCC_MAP_SYSCTLS], &key, &old, BPF_NOEXIST) &&
		errno != EEXIST)
		return -errno;
	return 0;
}

int pcc_dp_sysctl_old(struct pcc_dp *dp, const char *path, char value[32])
{
	struct pcc_sysctl_old old;
	struct pcc_sysctl_key key;

	sysctl_key(&key, path);
	if (bpf_map_lookup_elem(dp->map_fd[PCC_MAP_SYSCTLS], &key, &old))
		return -errno;
	snprintf(value, 32, "%.31s", old.value);
	return 0;
}

int pcc_dp_sysctl_forget(struct pcc_dp *dp, const char *path)
{
	struct pcc_sysctl_key key;

	sysctl_key(&key, path);
	return bpf_map_delete_elem(dp->map_fd[PCC_MAP_SYSCTLS], &key) ? -errno : 0;
}

int pcc_dp_sysctl_next(struct pcc_dp *dp, const char *prev, char path[96])
{
	struct pcc_sysctl_key key, next;

	sysctl_key(&key, prev);
	if (bpf_map_get_next_key(dp->map_fd[PCC_MAP_SYSCTLS], prev[0] ? &key : NULL, &next))
		return -errno;
	snprintf(path, 96, "%.95s", next.path);
	return 0;
}

int pcc_dp_iface_flag(struct pcc_dp *dp, uint32_t ifindex, uint8_t flag)
{
	struct pcc_iface iface = {};

	bpf_map_lookup_elem(dp->map_fd[PCC_MAP_IFACES], &ifindex, &iface);
	iface.flags |= flag;
	return map_set(dp, PCC_MAP_IFACES, &ifindex, &iface);
}

/* A packet that has the tuple: Ethernet, IP, and as much of the next header as the parser reads. */
static size_t explain_packet(
	const struct pcc_tuple *t, const uint8_t mac[6], uint8_t *buf, size_t len)
{
	bool v4 = !t->src[0] && !t->src[1] && t->src[2] == htonl(0xffff);
	size_t l3 = ETH_HLEN, l4 = l3 + (v4 ? sizeof(struct iphdr) : sizeof(struct ip6_hdr));
	struct ethhdr eth = {.h_proto = htons(v4 ? ETH_P_IP : ETH_P_IPV6)};

	memset(buf, 0, len);
	memcpy(eth.h_dest, mac, ETH_ALEN);
	memcpy(buf, &eth, sizeof(eth));
	if (v4) {
		struct iphdr ip = {.version = 4,
			.ihl = 5,
			.ttl = 64,
			.protocol = t->proto,
			.tot_len = htons(len - ETH_HLEN),
			.saddr = t->src[3],
			.daddr = t->dst[3]};

		memcpy(buf + l3, &ip, sizeof(ip));
	} else {
		struct ip6_hdr ip6 = {};

		ip6.ip6_flow = htonl(6u << 28);
		ip6.ip6_plen = htons(len - l4);
		ip6.ip6_nxt = t->proto;
		ip6.ip6_hops = 64;
		memcpy(&ip6.ip6_src, t->src, 16);
		memcpy(&ip6.ip6_dst, t->dst, 16);
		memcpy(buf + l3, &ip6, sizeof(ip6));
	}
	if (t->proto == IPPROTO_ICMP || t->proto == IPPROTO_ICMPV6) {
		buf[l4] = t->proto == IPPROTO_ICMP ? 8 : 128;
		memcpy(buf + l4 + 4, &t->sport, 2);
		return len;
	}
	memcpy(buf + l4, &t->sport, 2);
	memcpy(buf + l4 + 2, &t->dport, 2);
	if (t->proto == IPPROTO_TCP)
		buf[l4 + 13] =
			0x10; /* ACK: a known connection is recognised by its conntrack entry */
	return len;
}

int pcc_dp_explain(struct pcc_dp *dp, uint32_t lan_ifindex, const uint8_t mac[6],
	const struct pcc_tuple *tuple, struct pcc_dp_verdict *verdict, struct pcc_err *err)
{
	struct __sk_buff in = {.ifindex = lan_ifindex}, out = {};
	uint8_t packet[ETH_HLEN + 40 + 20];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet,
		.data_size_in = explain_packet(tuple, mac, packet, sizeof(packet)), .ctx_in = &in,
		.ctx_size_in = sizeof(in), .ctx_out = &out, .ctx_size_out = sizeof(out),
		.repeat = 1);

	if (bpf_prog_test_run_opts(dp->prog_fd[PCC_PROG_EXPLAIN], &opts))
		return pcc_err_set(err, -errno, "explain", "the kernel refused the test packet: %s",
			strerror(errno));
	memset(verdict, 0, sizeof(*verdict));
	verdict->bucket = PCC_NO_BUCKET;
	verdict->reason = opts.retval;
	if (opts.retval)
		return 0;
	verdict->hash = out.cb[0];
	verdict->bucket = out.cb[1];
	verdict->wan_id = out.cb[2];
	verdict->reason = out.cb[3];
	verdict->pinned = out.cb[4] & 0xff;
	verdict->policy = out.cb[4] >> 8;
	return 0;
}
