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

#include "config/conf_keys.h"
#include "base/address.h"
#include "model/buckets.h"

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
	pcc_base_from_meta(cfg, m);
	cfg->seed = m->half[m->active_half & 1].seed;
	cfg->seed_given = m->flags & PCC_META_SEED_GIVEN;
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

int pcc_dp_map_set(struct pcc_dp *dp, enum pcc_map map, const void *key, const void *value)
{
	return bpf_map_update_elem(dp->map_fd[map], key, value, BPF_ANY) ? -errno : 0;
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
		pcc_dp_map_set(dp, PCC_MAP_IFACES, &ifindex, &iface);
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
	return pcc_dp_map_set(dp, PCC_MAP_IFACES, &ifindex, &iface);
}

/* A packet that has the tuple: Ethernet, IP, and as much of the next header as the parser reads. */
static size_t explain_packet(
	const struct pcc_tuple *t, const uint8_t mac[6], uint8_t *buf, size_t len)
{
	bool v4 = pcc_addr_is_v4(t->src);
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
