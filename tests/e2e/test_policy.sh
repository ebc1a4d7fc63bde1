#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Policies with real connections: where each rule sends them, what it counts, what happens when its WAN
# is down. Connections of the router itself: `use`, and spread by the same rules.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip nft nsenter jq

CONF=$T_DIR/pccbpf.yaml
N=60

lab_up --isps 3 --hosts 1
printf '# a list\n203.0.113.5\n2001:db8:ffff::5/128\n' >"$T_DIR/prefixes"

conf() {
	cat <<-END
	lan: [br0]
	seed: 7
	router-connections: ${1:-false}
	wans:
	  - {interface: wan1, name: fibre}
	  - {interface: wan2}
	  - {interface: wan3}
	groups:
	  - {name: two, wans: [fibre, wan2]}
	  - {name: all, wans: [fibre, wan2, wan3]}
	policies:
	  - {name: one, destination: 203.0.113.1, protocol: tcp, use: wan2}
	  - {name: one6, destination: "2001:db8:ffff::1", use: wan2}
	  - {name: port, protocol: udp, destination-port: 7001-7003, use: wan3}
	  - {name: two, destination: 203.0.113.2, use: two}
	  - {name: never, destination: 203.0.113.3, use: reject}
	  - {name: alone, destination: 203.0.113.4, use: bypass}
	  - {name: list, destination-file: $T_DIR/prefixes, use: wan3, strict: true}
	  - {name: sticky, destination: 203.0.113.6, use: all, sticky: source}
	END
}

# went TARGET [PROTO [PORTS]]: sources that the server saw, for N connections.
went() {
	lan 1 "$LABTOOL" connect --dst "$1" --proto "${2:-tcp}" --port "${3:-$TCP_PORTS}" --count $N --timeout-ms 700 2>/dev/null |
		awk '$1 != "FAIL" { print $5 }' | sort -u | paste -sd' '
}

hits_of() {
	stat_of ".policies[] | select(.name == \"$1\") | .connections"
}

conf >"$CONF"
t_begin 'each rule sends its connections where it says, the rest is spread'
t_assert_status 0 pcc apply "$CONF"
while IFS='|' read -r rule sources args; do
	# shellcheck disable=SC2086
	t_assert_eq "$(went $args)" "$sources" "$rule: $args"
	[[ $rule == none ]] || t_assert_eq "$(hits_of "$rule")" $N "connections of $rule"
done <<END
one|198.18.2.2|203.0.113.1
one6|2001:db8:2::2|2001:db8:ffff::1
port|198.18.3.2|203.0.113.7 udp 7001-7003
two|198.18.1.2 198.18.2.2|203.0.113.2
list|198.18.3.2|203.0.113.5
none|198.18.1.2|203.0.113.4
none||203.0.113.3
none|198.18.1.2 198.18.2.2 198.18.3.2|203.0.113.7
END
t_assert 'the rejected ones are counted' test "$(stat_of '.policies[] | select(.name == "never") | .dropped_packets')" -ge $N
t_assert_eq "$(went 2001:db8:ffff::5)" 2001:db8:3::2 'the list, IPv6'

t_begin 'a sticky rule gives all connections of a source one WAN, though another would be their hash'
t_assert_eq "$(went 203.0.113.6 | wc -w)" 1 'sources'

t_begin 'explain names the rule'
for row in '203.0.113.1:80 one wan2' '203.0.113.3:80 never ' '203.0.113.5:80 list wan3' '203.0.113.7:80 null wan'; do
	read -r dst rule wan <<<"$row"
	got=$(pcc explain 192.168.77.11:4000 "$dst" --json | jq -r '"\(.policy) \(.wan)"')
	t_assert "$dst: $got" test "${got#"$rule $wan"}" != "$got"
done

t_begin 'a WAN that is down: its rule falls back to all, a strict one lets nothing through'
t_assert_status 0 pcc wan set wan2 --state down
t_assert_status 0 pcc wan set wan3 --state down
t_assert_eq "$(went 203.0.113.1)" 198.18.1.2 'the rule that may fall back'
t_assert 'it is counted' test "$(counter_of policy_fallback)" -ge $N
t_assert_eq "$(went 203.0.113.5)" '' 'the strict rule'
t_assert 'it is counted' test "$(counter_of policy_no_wan)" -ge $N
t_assert_status 0 pcc wan set wan2 --state up
t_assert_status 0 pcc wan set wan3 --state up

t_begin 'rules that are inserted and taken out harm no connection, and counters go with the name'
hold_start lan1 --dst "$SERVERS4" --port "$TCP_PORTS" --count 8 --interval-ms 100 --sport-base 30000 --sport-count 8
eventually hold_is '.alive >= 7' # one goes to the server that is rejected
before=$(hits_of two)
sed 's/^policies:/&\n  - {name: first, source: 10.0.0.0\/8, use: reject}/; /name: sticky/d' "$CONF" >"$T_DIR/other.yaml"
t_assert_status 0 pcc apply "$T_DIR/other.yaml"
t_assert_eq "$(hits_of two)" "$before" 'connections of two'
t_assert_eq "$(stat_of '[.policies[].name] | join(" ")')" 'first one one6 port two never alone list' rules
alive=$(hold_report | jq .alive)
t_assert_eq "$alive" 7 'connections that live'
hold_stop >/dev/null

# from_router DST: sources that the server saw of the router's own connections.
from_router() {
	rt "$LABTOOL" connect --dst "$1" --port "$TCP_PORTS" --count $N --timeout-ms 700 2>/dev/null |
		awk '$1 != "FAIL" { print $5 }' | sort | uniq -c | awk '{ print $2 "=" $1 }' | paste -sd' '
}

[[ $(findmnt -nt cgroup2) ]] || {
	t_begin 'connections of the router itself'
	t_skip 'cgroup version 2 is not mounted'
	exit 0
}

t_begin 'use: a command and what it starts leave by one WAN'
seen=$(pcc_use() { rt "$PCCBPF" use --bpffs "$BPFFS/pccbpf" "$@"; }
	pcc_use wan3 bash -c "'$LABTOOL' connect --dst 203.0.113.7,2001:db8:ffff::7 --port $TCP_PORTS --count 20" |
		awk '$1 != "FAIL" { print $5 }' | sort -u | paste -sd' ')
t_assert_eq "$seen" '198.18.3.2 2001:db8:3::2' sources
t_assert_status 5 rt "$PCCBPF" use --bpffs "$BPFFS/pccbpf" wan3 sh -c 'exit 5'
t_assert_status 127 rt "$PCCBPF" use --bpffs "$BPFFS/pccbpf" wan3 /no/such/command
t_assert_status 125 rt "$PCCBPF" use --bpffs "$BPFFS/pccbpf" wan9 true
no_groups() { [[ ! $(find /sys/fs/cgroup -maxdepth 6 -name "pccbpf-use-*" -newer "$CONF" 2>/dev/null) ]]; }
t_assert 'no group is left' eventually no_groups

t_begin "the router's own connections follow the main table, unless they shall be spread"
t_assert_eq "$(from_router 203.0.113.7)" "198.18.1.2=$N" 'sources'
conf true >"$CONF"
t_assert_status 0 pcc apply "$CONF"
t_assert_eq "$(from_router 203.0.113.7 | wc -w)" 3 'sources'
t_assert_eq "$(from_router 2001:db8:ffff::7 | wc -w)" 3 'sources, IPv6'
t_assert_eq "$(stat_of .counters.leak)" 0 'leaks'

t_begin 'by the same policies; what has an address, a mark or a device of its own, and what is near, is left alone'
t_assert_eq "$(from_router 203.0.113.1)" "198.18.2.2=$N" 'one'
t_assert_eq "$(from_router 203.0.113.2 | wc -w)" 2 'two'
t_assert_eq "$(from_router 203.0.113.3)" '' 'never'
t_assert_eq "$(from_router 203.0.113.4)" "198.18.1.2=$N" 'alone'
t_assert_eq "$(rt "$LABTOOL" connect --dst 203.0.113.7 --port "$TCP_PORT" --count 10 --src-base 198.18.3.2 2>/dev/null |
	awk '$1 != "FAIL" { print $5 }' | sort -u)" 198.18.3.2 'with an address of its own'
t_assert_eq "$(rt "$PCCBPF" use --bpffs "$BPFFS/pccbpf" wan2 "$LABTOOL" connect --dst 203.0.113.7 --port "$TCP_PORT" --count 10 |
	awk '$1 != "FAIL" { print $5 }' | sort -u)" 198.18.2.2 'of use'
near() { [[ $(probe rt ping "$1" --timeout-ms 1500) == "$1 ok $1" ]]; }
for near in 192.168.77.11 198.18.1.1 198.18.3.1 127.0.0.1 fd77::11; do
	t_assert "$near" near "$near"
done

t_begin 'a WAN that is down gets none of them; switched off, and detached, all is as before'
t_assert_status 0 pcc wan set wan3 --state down
t_assert_eq "$(from_router 203.0.113.7 | tr ' ' '\n' | cut -d= -f1 | paste -sd' ')" '198.18.1.2 198.18.2.2' sources
t_assert_status 0 pcc wan set wan3 --state up
t_assert_status 0 pcc apply "$CONF" --dry-run
t_assert_eq "$(<"$T_DIR/out")" 'nothing to do' 'plan of the same again'
t_assert 'show config has it' grep -q '^router-connections: true' <(pcc show config)
conf false >"$CONF"
t_assert_status 0 pcc apply "$CONF"
t_assert_eq "$(from_router 203.0.113.7)" "198.18.1.2=$N" 'sources'
t_assert_eq "$(find "$BPFFS/pccbpf" -name 'link_connect*' | wc -l)" 0 'links'
t_assert_status 0 pcc attach --lan br0 --wan wan1,wan2,wan3 --router-connections
t_assert_eq "$(from_router 203.0.113.8 | wc -w)" 3 'sources'
t_assert_status 0 pcc detach
t_assert_eq "$(from_router 203.0.113.7)" "198.18.1.2=$N" 'sources'
