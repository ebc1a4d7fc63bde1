#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The daemon takes dead WANs out of use: how soon, what their clients notice, that others do not.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip nft nsenter jq

COUNT=60

lab_up --isps 3 --hosts 1

# conf [LINE]...: wan3 is a backup; lines are added to it.
conf() {
	local target wan
	{
		echo "lan: [br0]"
		echo "wans:"
		for wan in 1 2 3; do
			target=203.0.113.$wan
			cat <<-END
			  - interface: wan$wan
			    health: {targets: [$target, "tcp://$target:$TCP_PORT"], quorum: 1, interval: 500ms, hold: 500ms, rise: 1}
			END
		done
		printf '%s\n' "    tier: 2" "$@"
	} >"$DAEMON_CONF"
}

of_wan() {
	jq --arg w "$1" '[.connections[] | select(.seen == "198.18.\($w).2" or .seen == "2001:db8:\($w)::2")]' <<<"$2"
}

# idle_up: connections that carry nothing, over wan1 and wan2.
idle_up() {
	hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port "$TCP_PORTS" --count $COUNT --interval-ms 60000
	poll_until 5 hold_is ".alive == $COUNT"
	BEFORE=$(hold_report)
	on1=$(of_wan 1 "$BEFORE" | jq length)
	t_assert "wan1 has $on1 of them" test "$on1" -ge 15
}

broken_is() {
	hold_is ".broken == $1"
}

# others_unharmed: of wan2's idle connections none ended.
others_unharmed() {
	t_assert_eq "$(of_wan 2 "$(hold_report)" | jq '[.[] | select(.alive | not)] | length')" 0 'ended connections of wan2'
}

conf
t_begin 'the daemon attaches what its file says; the backup stands by'
daemon_start
t_assert_eq "$(pcc wan list --json | jq -c '[.[] | [.name, .state]]')" \
	'[["wan1","up"],["wan2","up"],["wan3","standby"]]' states
t_assert_status 0 pcc status

t_begin 'link down: out of use within 0.5 s; its idle clients are told, the others notice nothing'
idle_up
: >"$DAEMON_LOG"
isp 1 ip link set cust down
within_ms 500 'wan1 is down' daemon_said '^pccbpf: wan1 up -> down: no carrier'
within_ms 1500 "all $on1 connections of wan1 ended" broken_is "$on1"
others_unharmed
t_assert 'the log counts them' poll_until 3 daemon_said "^pccbpf: reset: $on1 connections were reset, 0 "
t_assert_status 3 pcc status
hold_stop >/dev/null
cat "$DAEMON_LOG"
