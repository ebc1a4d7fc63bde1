// SPDX-License-Identifier: GPL-2.0-only
/* The configuration as data: defaults, validation, WAN ids, look-ups. */
#include "model/model.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/err.h"

/* Tables 253 to 255 are the kernel's own (RT_TABLE_DEFAULT, _MAIN, _LOCAL). */
#define FIRST_RESERVED_TABLE 253u
#define LAST_RESERVED_TABLE 255u

void pcc_config_defaults(struct pcc_config *cfg)
{
	memset(cfg, 0, sizeof(*cfg));
#define X(sym, type, member, def, ...) cfg->member = def;
	PCC_BASE_KEYS(X)
#undef X
}

uint32_t pcc_mark_shift(uint32_t mask)
{
	return mask ? (uint32_t)__builtin_ctz(mask) : 0;
}

uint32_t pcc_answer_mark(const struct pcc_config *cfg)
{
	uint32_t top = cfg->mark_mask & ~(cfg->mark_mask >> 1);

	for (uint32_t i = 0; i < cfg->nwans; i++)
		if (cfg->wans[i].id << pcc_mark_shift(cfg->mark_mask) & top)
			return 0;
	return top;
}

bool pcc_wan_serves(const struct pcc_wan_cfg *wan, enum pcc_family family)
{
	enum pcc_gw_source source = wan->gw[family].source;

	return source == PCC_GW_GIVEN || source == PCC_GW_FOUND || source == PCC_GW_ONLINK;
}

enum pcc_wan_state pcc_wan_asked(const struct pcc_wan_cfg *wan)
{
	return wan->by_daemon ? PCC_WAN_UP : wan->state;
}

const struct pcc_wan_cfg *pcc_config_find_wan_const(const struct pcc_config *cfg, const char *name)
{
	for (uint32_t i = 0; i < cfg->nwans; i++)
		if (strcmp(cfg->wans[i].name, name) == 0)
			return &cfg->wans[i];
	return NULL;
}

struct pcc_wan_cfg *pcc_config_find_wan(struct pcc_config *cfg, const char *name)
{
	return (struct pcc_wan_cfg *)pcc_config_find_wan_const(cfg, name);
}

const struct pcc_wan_cfg *pcc_config_find_wan_id(const struct pcc_config *cfg, uint32_t id)
{
	for (uint32_t i = 0; id && i < cfg->nwans; i++)
		if (cfg->wans[i].id == id)
			return &cfg->wans[i];
	return NULL;
}

const struct pcc_wire_cfg *pcc_config_wire(const struct pcc_config *cfg, uint32_t ifindex)
{
	for (uint32_t i = 0; i < cfg->nwires; i++)
		if (cfg->wires[i].ifindex == ifindex)
			return &cfg->wires[i];
	return NULL;
}

uint32_t pcc_config_carrier(const struct pcc_config *cfg, uint32_t ifindex)
{
	const struct pcc_wire_cfg *wire = pcc_config_wire(cfg, ifindex);

	return wire ? wire->out.wire.ifindex : ifindex;
}

void pcc_config_wire_add(struct pcc_config *cfg, uint32_t ifindex, const struct pcc_wire_out *out)
{
	uint32_t i = cfg->nwires;

	if (!out->wire.ifindex || i == PCC_MAX_WIRES || pcc_config_wire(cfg, ifindex))
		return;
	for (; i && cfg->wires[i - 1].ifindex > ifindex; i--)
		cfg->wires[i] = cfg->wires[i - 1];
	cfg->wires[i].ifindex = ifindex;
	cfg->wires[i].out = *out;
	cfg->nwires++;
}

/* Copies a WAN's state: what the user asked for, and what the daemon made of it. */
static void copy_state(struct pcc_wan_cfg *to, const struct pcc_wan_cfg *from)
{
	to->state = from->state;
	to->by_daemon = from->by_daemon;
	to->degraded = from->degraded;
	to->standby = from->standby;
}

void pcc_config_keep_states(struct pcc_config *cfg, const struct pcc_config *old)
{
	for (uint32_t i = 0; i < cfg->nwans; i++) {
		const struct pcc_wan_cfg *was = pcc_config_find_wan_const(old, cfg->wans[i].name);

		if (was)
			copy_state(&cfg->wans[i], was);
	}
}

const struct pcc_lan_cfg *pcc_config_find_lan(const struct pcc_config *cfg, const char *name)
{
	for (uint32_t i = 0; i < cfg->nlans; i++)
		if (strcmp(cfg->lans[i].name, name) == 0)
			return &cfg->lans[i];
	return NULL;
}

int pcc_config_assign_ids(struct pcc_config *cfg, const struct pcc_config *prev)
{
	bool used[PCC_WAN_SLOTS] = {false};
	uint32_t next = 1;

	if (cfg->nwans > PCC_MAX_WANS)
		return -ENOSPC;
	for (uint32_t i = 0; i < cfg->nwans; i++) {
		const struct pcc_wan_cfg *old =
			prev ? pcc_config_find_wan_const(prev, cfg->wans[i].name) : NULL;
		uint32_t id = old ? old->id : 0;

		if (id > PCC_MAX_WANS || used[id])
			id = 0;
		cfg->wans[i].id = id;
		used[id] = id != 0;
	}
	for (uint32_t i = 0; i < cfg->nwans; i++) {
		if (cfg->wans[i].id)
			continue;
		while (used[next])
			next++;
		cfg->wans[i].id = next;
		used[next] = true;
	}
	return 0;
}

static int in_range(
	const char *object, uint32_t value, uint32_t min, uint32_t max, struct pcc_err *err)
{
	if (value >= min && value <= max)
		return 0;
	pcc_err_set(err, -EINVAL, object, "'%" PRIu32 "' is out of range", value);
	return pcc_err_hint(err, -EINVAL, "write a number from %" PRIu32 " to %" PRIu32, min, max);
}

static int validate_lans(const struct pcc_config *cfg, struct pcc_err *err)
{
	if (cfg->nlans == 0) {
		pcc_err_set(err, -EINVAL, "--lan", "no LAN interface");
		return pcc_err_hint(err, -EINVAL, "at least one, as in --lan br0");
	}
	if (cfg->nlans > PCC_MAX_LANS) {
		pcc_err_set(err, -EINVAL, "--lan", "'%s' is number %u, there can be %u LANs",
			cfg->lans[PCC_MAX_LANS - 1].name, cfg->nlans, PCC_MAX_LANS);
		return pcc_err_hint(err, -EINVAL, "put some into one bridge");
	}
	for (uint32_t i = 0; i < cfg->nlans; i++)
		if (pcc_config_find_lan(cfg, cfg->lans[i].name) != &cfg->lans[i]) {
			pcc_err_set(
				err, -EINVAL, "--lan", "'%s' is there twice", cfg->lans[i].name);
			return pcc_err_hint(err, -EINVAL, "name it once");
		}
	return 0;
}

/*
 * Checks the id of one WAN, if it has one: unique, inside the mark mask, and its routing table not
 * one of the kernel's.
 */
static int validate_id(
	const struct pcc_config *cfg, const struct pcc_wan_cfg *wan, struct pcc_err *err)
{
	uint32_t max = cfg->mark_mask >> pcc_mark_shift(cfg->mark_mask);
	uint32_t table = cfg->table_base + wan->id;

	if (wan->id == 0)
		return 0;
	if (wan->id > PCC_MAX_WANS || pcc_config_find_wan_id(cfg, wan->id) != wan)
		return pcc_err_set(
			err, -EINVAL, wan->name, "id %" PRIu32 " is not usable", wan->id);
	if (wan->id > max) {
		pcc_err_set(err, -EINVAL, "--mark-mask",
			"0x%" PRIx32 " has room for %" PRIu32 " WANs, '%s' has id %" PRIu32,
			cfg->mark_mask, max, wan->name, wan->id);
		return pcc_err_hint(err, -EINVAL, "use a wider mask");
	}
	if (table >= FIRST_RESERVED_TABLE && table <= LAST_RESERVED_TABLE) {
		pcc_err_set(err, -EINVAL, "--table-base",
			"%" PRIu32 " gives '%s' table %" PRIu32 ", which the kernel uses itself",
			cfg->table_base, wan->name, table);
		return pcc_err_hint(err, -EINVAL, "use a base from %u to %u or from %u", 1u,
			FIRST_RESERVED_TABLE - PCC_MAX_WANS - 1, LAST_RESERVED_TABLE);
	}
	return 0;
}

static int validate_wans(const struct pcc_config *cfg, struct pcc_err *err)
{
	uint32_t max = cfg->mark_mask >> pcc_mark_shift(cfg->mark_mask);
	int ret;

	if (cfg->nwans == 0) {
		pcc_err_set(err, -EINVAL, "--wan", "no WAN interface");
		return pcc_err_hint(err, -EINVAL, "at least one, as in --wan eth1,eth2");
	}
	if (cfg->nwans > PCC_MAX_WANS) {
		pcc_err_set(err, -EINVAL, "--wan", "'%s' is number %u, there can be %u WANs",
			cfg->wans[PCC_MAX_WANS].name, PCC_MAX_WANS + 1, PCC_MAX_WANS);
		return pcc_err_hint(err, -EINVAL, "leave some out");
	}
	for (uint32_t i = 0; i < cfg->nwans; i++) {
		const struct pcc_wan_cfg *wan = &cfg->wans[i];

		if (pcc_config_find_wan_const(cfg, wan->name) != wan) {
			pcc_err_set(err, -EINVAL, "--wan", "'%s' is there twice", wan->name);
			return pcc_err_hint(err, -EINVAL,
				"name it once; %s*2 gives it twice the share", wan->name);
		}
		if (pcc_config_find_lan(cfg, wan->name)) {
			pcc_err_set(err, -EINVAL, "--wan", "'%s' is a LAN and cannot be a WAN too",
				wan->name);
			return pcc_err_hint(err, -EINVAL, "name it in --lan or in --wan");
		}
		if (wan->state < PCC_WAN_UP || wan->state > PCC_WAN_DOWN)
			return pcc_err_set(err, -EINVAL, wan->name, "no valid state");
		ret = in_range(wan->name, wan->weight, 1, PCC_MAX_WEIGHT, err);
		if (!ret)
			ret = validate_id(cfg, wan, err);
		if (ret)
			return ret;
	}
	if (cfg->nwans > max) {
		pcc_err_set(err, -EINVAL, "--mark-mask",
			"0x%" PRIx32 " has room for %" PRIu32 " WANs, there are %" PRIu32,
			cfg->mark_mask, max, cfg->nwans);
		return pcc_err_hint(err, -EINVAL, "use a wider mask");
	}
	return 0;
}

static int validate_numbers(const struct pcc_config *cfg, struct pcc_err *err)
{
	uint32_t field = cfg->mark_mask >> pcc_mark_shift(cfg->mark_mask);
	int ret;

	if (field < 3 || (field & (field + 1)) != 0) {
		pcc_err_set(err, -EINVAL, "--mark-mask", "0x%" PRIx32 " is not a usable mask",
			cfg->mark_mask);
		return pcc_err_hint(
			err, -EINVAL, "at least two bits, all next to each other, as in 0xff00");
	}
	ret = in_range("--buckets", cfg->buckets, PCC_MIN_BUCKETS, PCC_MAX_BUCKETS, err);
	if (!ret)
		ret = in_range("--table-base", cfg->table_base, 1, PCC_MAX_TABLE_BASE, err);
	if (!ret)
		ret = in_range("--rule-pref", cfg->rule_pref, 1, PCC_MAX_RULE_PREF, err);
	return ret;
}

/*
 * Does the modulo scheme's table fit? PCC_MAX_BUCKETS is chosen so that weights in range always
 * fit; this check fails only if one of the two limits is changed.
 */
static int validate_modulo(const struct pcc_config *cfg, struct pcc_err *err)
{
	uint32_t sum = 0;

	if (cfg->scheme != PCC_SCHEME_MODULO)
		return 0;
	for (uint32_t i = 0; i < cfg->nwans; i++)
		sum += cfg->wans[i].weight;
	if (sum <= PCC_MAX_BUCKETS)
		return 0;
	return pcc_err_set(err, -EINVAL, "--scheme",
		"modulo needs a sum of weights of at most %u, it is %" PRIu32, PCC_MAX_BUCKETS,
		sum);
}

int pcc_config_validate(const struct pcc_config *cfg, struct pcc_err *err)
{
	int ret = validate_lans(cfg, err);

	if (!ret)
		ret = validate_numbers(cfg, err);
	if (!ret)
		ret = validate_wans(cfg, err);
	if (!ret)
		ret = validate_modulo(cfg, err);
	return ret;
}
