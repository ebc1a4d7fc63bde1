#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Rules and routes of the administrator come before pccbpf's: what they send elsewhere goes there, is remembered there, is no
# leak, and explain says so. The data plane sees some of them only where the packet leaves (before Linux 6.10).

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip nft nsenter jq conntrack

COUNT=24

# went: of the last connections, "WAN COUNT" as the servers saw them.
went() {
	awk '$1 == "FAIL" { n["failed"]++; next }
		match($5, /^(198\.18\.|2001:db8:)[0-9]+/) { split($5, part, /[.:]/); n["wan" part[3]]++; next }
		END { for (w in n) print w, n[w] }' "$T_DIR/out.connect" | sort | paste -sd,
}

# open PROTO PORT: connections of lan1 to that port, from source ports 20000 on.
open() {
	lan 1 "$LABTOOL" connect --proto "$1" --dst "$SERVERS4,$SERVERS6" --port "$2" --count "$COUNT" --sport-base 20000 \
		--timeout-ms 5000 --parallel 8 >"$T_DIR/out.connect" 2>/dev/null
}

# remembered PORT: the WANs that the connections to that port are remembered on; what is left alone is on none.
remembered() {
	pcc conns --json | jq -r ".[] | select(.dport == $1) | .wan" | sort -u | paste -sd,
}

# explained PORT PROTO: verdicts for the same connections of the first server of each family.
explained() {
	local port
	for port in 20000 20001 20002 20003; do
		pcc explain "192.168.77.11:$port" "203.0.113.1:$1" "$2" --json | jq -r '"\(.verdict) \(.wan)"'
		pcc explain "[fd77::11]:$port" "[2001:db8:ffff::1]:$1" "$2" --json | jq -r '"\(.verdict) \(.wan)"'
	done | sort -u | paste -sd,
}

# rule ARGUMENTS: for both families, before pccbpf's.
rule() {
	rt ip rule add pref 100 "$@"
	rt ip -6 rule add pref 100 "$@"
}

rules_gone() {
	while rt ip rule del pref 100 2>/dev/null; do :; done
	while rt ip -6 rule del pref 100 2>/dev/null; do :; done
}

no_leak() {
	t_assert_eq "$(leaks_total)" 0 'packets with a source that is not of their ISP'
	t_assert_eq "$(counter_of leak)" 0 'counter leak'
}

lab_up --isps 2 --hosts 1
rt ip route add default via 198.18.2.1 dev wan2 table 50
rt ip -6 route add default via 2001:db8:2::1 dev wan2 table 50
t_assert 'attach' pcc attach --lan br0 --wan wan1,wan2 >/dev/null 2>&1

for proto in tcp udp; do
	port=$([[ $proto == tcp ]] && echo 7000 || echo 7002)
	t_begin "a rule with a port sends $proto by one WAN: it goes there and is remembered there"
	rule ipproto $proto dport "$port" lookup 50
	open $proto "$port"
	t_assert_eq "$(went)" "wan2 $COUNT" 'what the servers saw'
	on=$(remembered "$port")
	[[ -z $on || $on == wan2 ]] || t_fail "remembered on $on"
	t_assert_eq "$(explained "$port" $proto)" 'bypass ' 'explain'
	no_leak
	rules_gone
done

t_begin 'a rule that forbids: nothing leaves, explain says so'
rule ipproto tcp dport 7004 prohibit
open tcp 7004
t_assert_eq "$(went)" "failed $COUNT" 'what the servers saw'
t_assert_eq "$(explained 7004 tcp)" 'bypass ' 'explain'
no_leak
rules_gone

t_begin 'a route that forbids: nothing leaves, explain says so'
rt ip route add prohibit 203.0.113.0/24
rt ip -6 route add prohibit 2001:db8:ffff::/64
open tcp 7006
t_assert_eq "$(went)" "failed $COUNT" 'what the servers saw'
t_assert_eq "$(explained 7006 tcp)" 'bypass ' 'explain'
t_assert_eq "$(pcc conns --json | jq '[.[] | select(.dport == 7006 and (.wan // "") != "" and (.src | contains(":") | not))] | length')" 0 \
	'connections over IPv4 remembered on a WAN'
no_leak
rt ip route del prohibit 203.0.113.0/24
rt ip -6 route del prohibit 2001:db8:ffff::/64

t_begin 'rules behind those of pccbpf do not decide'
rt ip rule add pref 32000 from 192.168.77.0/24 lookup 50
rt ip -6 rule add pref 32000 from fd77::/64 lookup 50
open tcp 7008
[[ $(went) == wan1*wan2* ]] || t_fail "not over both WANs: $(went)"
no_leak
t_begin 'detach'
t_assert_status 0 pcc detach
