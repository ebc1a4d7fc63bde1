// SPDX-License-Identifier: GPL-2.0-only
/* The tables of keys; conf_key.c has the code that works on a row. */
#include "config/conf_keys.h"

#include "config/conf_read.h"
#include "config/conf_write.h"
#include "health/target.h"

_Static_assert(offsetof(struct pcc_conf, base) == 0, "members of pcc_config are the file's");

const struct pcc_key pcc_base_keys[] = {
#define X(sym, type, member, def, option, ...)                                                     \
	[PCC_BASE_##sym] = {PCC_KEY_OF(pcc_config, member), __VA_ARGS__},
	PCC_BASE_KEYS(X)
#undef X
};

static const struct pcc_key health_keys[] = {
	{.name = "targets",
		.kind = PCC_KEY_LIST,
		.help = "What is asked, see `TARGETS`; each by this WAN alone. Without targets the "
			"link and the gateway's neighbour entry decide.",
		.max = PCC_MAX_TARGETS,
		.begin = pcc_begin_targets,
		.read = pcc_read_target,
		.write = pcc_write_targets},
#define HEALTH(key, of, member, ...)                                                               \
	{                                                                                          \
		.name = key, .kind = PCC_KEY_##of, PCC_KEY_OF(pcc_health_cfg, member), __VA_ARGS__ \
	}
	HEALTH("quorum", NUMBER, quorum, .min = 1, .max = PCC_MAX_TARGETS,
		.help = "Targets that must answer."),
	HEALTH("interval", DURATION, interval_ms, .min = 100, .max = 3600000,
		.help = "From one probe of a target to the next."),
	HEALTH("timeout", DURATION, timeout_ms, .min = 10, .max = 60000,
		.help = "How long an answer may take. A probe asks up to five times within it."),
	HEALTH("fall", NUMBER, fall, .min = 1, .max = 100,
		.help = "Lost probes in a row after which a target has failed."),
	HEALTH("rise", NUMBER, rise, .min = 1, .max = 100,
		.help = "Answered probes in a row after which it is good again."),
	HEALTH("loss", PERCENT, loss_percent, .max = 100,
		.help = "Where more probes than this are lost the WAN is degraded: it gets half "
			"its weight. 100% is never."),
	HEALTH("latency", DURATION, latency_ms, .max = 60000,
		.help = "Where answers take longer than this the WAN is degraded, too. 0 is "
			"never."),
	HEALTH("hold", DURATION, hold_ms, .max = 86400000,
		.help = "How long a WAN that fell stays down at least; doubled whenever it falls "
			"again soon."),
	HEALTH("hold-max", DURATION, hold_max_ms, .max = 86400000,
		.help = "The longest that this becomes."),
	{},
};

/*
 * The number of rows at the beginning of the WANs' table that the template `defaults` does not
 * have.
 */
#define PCC_WAN_OWN_KEYS 4

static const struct pcc_key wan_keys[] = {
	{.name = "interface",
		.kind = PCC_KEY_TEXT,
		.help = "The interface that leads to the ISP.",
		.required = "name the interface that leads to the ISP",
		.read = pcc_read_interface,
		.text = pcc_text_interface},
	{.name = "name",
		.kind = PCC_KEY_TEXT,
		.help = "Another name for it, for groups and policies.",
		.read = pcc_read_wan_name,
		.text = pcc_text_wan_name},
	{.name = "gateway",
		.kind = PCC_KEY_TEXT,
		.help = "The ISP's router; `auto` (the default) looks for it, `none` leaves the "
			"family out.",
		.read = pcc_read_gateway,
		.text = pcc_text_gateway},
	{.name = "gateway6",
		.kind = PCC_KEY_TEXT,
		.help = "The same for IPv6.",
		.read = pcc_read_gateway,
		.text = pcc_text_gateway6},
	{.name = "weight",
		.kind = PCC_KEY_NUMBER,
		.help = "Its share relative to the other WANs.",
		.min = 1,
		.max = PCC_MAX_WEIGHT,
		PCC_KEY_OF(pcc_wan_file, base.weight)},
	{.name = "tier",
		.kind = PCC_KEY_NUMBER,
		.help = "A tier is used while no WAN of a lower one is fit.",
		.min = 1,
		.max = PCC_MAX_TIER,
		PCC_KEY_OF(pcc_wan_file, more.tier)},
	{.name = "failback",
		.kind = PCC_KEY_KEYWORD,
		.help = "What becomes of connections on the tiers behind when a WAN of this tier is "
			"fit again: they `stay`, or these tiers get no new ones at all, also not from "
			"policies (`drain`), or they are cut (`kill`, for lines that cost by the "
			"byte).",
		.names = pcc_failback_names,
		PCC_KEY_OF(pcc_wan_file, more.failback)},
	{.name = "health",
		.kind = PCC_KEY_MAP,
		.help = "How the daemon tells whether it works, see `HEALTH`.",
		.keys = health_keys,
		PCC_KEY_OF(pcc_wan_file, more.health),
		.read = pcc_read_health},
	{},
};

static const struct pcc_key group_keys[] = {
	{.name = "name",
		.kind = PCC_KEY_TEXT,
		.help = "For policies.",
		.required = "policies need it",
		.read = pcc_read_group_name,
		.text = pcc_text_group_name},
	{.name = "wans",
		.kind = PCC_KEY_LIST,
		.help = "The names of its WANs.",
		.max = PCC_MAX_WANS,
		.required = "a group has at least one WAN",
		.read = pcc_read_group_wan,
		.write = pcc_write_group_wans},
	{},
};

/* Policies are read in this order, as some keys refer to those before them. */
static const struct pcc_key policy_keys[] = {
#define POLICY(key, member, words)                                                                 \
	{                                                                                          \
		.name = key, .kind = PCC_KEY_TEXT, .help = words,                                  \
		.read = pcc_read_policy_##member, .text = pcc_text_policy_##member                 \
	}
	POLICY("name", name, "For counters and `pccbpf explain`."),
	POLICY("source", source, "A prefix of the LAN's side."),
	POLICY("destination", destination, "A prefix of the other side."),
	POLICY("destination-file", destination_file,
		"A file of prefixes, one a line, instead of a destination; at most 64 files with "
		"131072 prefixes together. It is read when the configuration is."),
	POLICY("protocol", protocol, "A name or a number."),
	POLICY("source-port", source_port, "One, or a range as 1000-2000."),
	POLICY("destination-port", destination_port, "One, or a range."),
	POLICY("dscp", dscp, "0 to 63, or a name as ef, af41, cs1."),
	POLICY("lan", lan, "The LAN interface that it comes from."),
	{.name = "use",
		.kind = PCC_KEY_TEXT,
		.help = "A WAN, a group, `bypass` (left to the main routing table), or `reject` "
			"(dropped).",
		.required = "a WAN, a group, bypass or reject",
		.read = pcc_read_policy_use,
		.text = pcc_text_policy_use},
	POLICY("strict", strict,
		"`true`: where no WAN of it is usable the connection is dropped, instead of spread "
		"over all WANs."),
	POLICY("sticky", sticky,
		"`source` or `source+site`: further connections of the source, or of the source to "
		"the same /24 (IPv6: /48), get the same WAN."),
	POLICY("sticky-time", sticky_time, "Since the last new connection. Default: 1h."),
	{},
};

static const struct pcc_key hook_keys[] = {
	{.name = "run",
		.kind = PCC_KEY_TEXT,
		.help = "An absolute path.",
		.required = "the program to start, as in run: /etc/pccbpf/hook",
		.read = pcc_read_hook_run,
		.text = pcc_text_hook_run},
	{.name = "timeout",
		.kind = PCC_KEY_DURATION,
		.help = "After this time it is killed.",
		.min = 100,
		.max = 3600000,
		PCC_KEY_OF(pcc_hook_conf, timeout_ms)},
	{},
};

const struct pcc_key pcc_file_keys[] = {
	{.name = "lan",
		.kind = PCC_KEY_LIST,
		.help = "LAN interfaces.",
		.max = PCC_MAX_LANS,
		.required = "at least one LAN interface, as in lan: [br0]",
		.too_many = "put some into one bridge",
		.read = pcc_read_lan,
		.write = pcc_write_lans},
#define X(sym, type, member, def, option, ...) {PCC_KEY_OF(pcc_config, member), __VA_ARGS__},
	PCC_BASE_KEYS(X)
#undef X
		{.name = "exclusions",
			.kind = PCC_KEY_LIST,
			.help = "Destinations, as prefixes, that are left to the main routing table.",
			.max = PCC_MAX_EXCLUSIONS,
			.read = pcc_read_exclusion,
			.write = pcc_write_exclusions},
	{.name = "defaults",
		.kind = PCC_KEY_MAP,
		.help = "What all WANs have in common: `weight`, `tier`, `failback`, `health`. A WAN "
			"that says something else has its own way.",
		.keys = wan_keys + PCC_WAN_OWN_KEYS,
		.read = pcc_read_template,
		.write = pcc_write_nothing},
	{.name = "wans",
		.kind = PCC_KEY_MAPS,
		.help = "The WANs, see `WANS`.",
		.keys = wan_keys,
		.max = PCC_MAX_WANS,
		.required = "at least one, as in wans: [{interface: eth1}]",
		.too_many = "leave some out",
		.read = pcc_read_wan,
		.write = pcc_write_wans},
	{.name = "groups",
		.kind = PCC_KEY_MAPS,
		.help = "WANs that policies name together, see `GROUPS`.",
		.keys = group_keys,
		.max = PCC_MAX_GROUPS,
		.read = pcc_read_group,
		.write = pcc_write_groups},
	{.name = "policies",
		.kind = PCC_KEY_MAPS,
		.help = "Rules for new connections, see `POLICIES`.",
		.keys = policy_keys,
		.max = PCC_MAX_POLICIES,
		.begin = pcc_begin_policies,
		.read = pcc_read_policy,
		.write = pcc_write_policies},
	{.name = "hooks",
		.kind = PCC_KEY_MAPS,
		.help = "Programs that the daemon runs for each event, see `HOOKS`.",
		.keys = hook_keys,
		.max = PCC_MAX_HOOKS,
		.read = pcc_read_hook,
		.write = pcc_write_hooks},
	{},
};
