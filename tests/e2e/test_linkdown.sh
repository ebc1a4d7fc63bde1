#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A link that goes down costs new connections nothing, without a daemon: the others take them by
# their weights. What was on the dead link fails and does not leak. The link's share comes back.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip nft nsenter jq conntrack python3

WEIGHTS=(0 2 1 3) # of wan1, wan2, wan3
WAN_WORDS='wan1*2,wan2*1,wan3*3'
SPORT=10000

attach() {
	pcc attach --lan br0 --wan "$WAN_WORDS" --classifier both-addresses-and-ports >/dev/null || t_fail 'attach'
}

# open_many PROTO COUNT: half IPv4, half IPv6, new ports each time; sources to $T_DIR/seen, failures to $T_DIR/failed.
open_many() {
	lan 1 "$LABTOOL" connect --proto "$1" --dst "$SERVERS4,$SERVERS6" --port 7000-7015 --count "$2" --timeout-ms 1000 \
		--src-base 192.168.77.100,fd77::100 --src-count 20 --sport-base $SPORT --rst 2>/dev/null >"$T_DIR/lines"
	SPORT=$((SPORT + $2))
	grep -c '^FAIL' "$T_DIR/lines" >"$T_DIR/failed"
	awk '$1 != "FAIL" { print $5 }' "$T_DIR/lines" >>"$T_DIR/seen"
}

# shares_are WAN...: what was seen is spread over exactly these WANs by their weights, in both families.
shares_are() {
	local wan sum=0 family total count
	for wan in "$@"; do sum=$((sum + WEIGHTS[${wan#wan}])); done
	for family in 4 6; do
		total=$(grep -c "$([[ $family == 4 ]] && echo '^198' || echo '^2001')" "$T_DIR/seen")
		for wan in wan1 wan2 wan3; do
			count=$(grep -cx "$(wan_address $family $wan)" "$T_DIR/seen")
			if [[ " $* " == *" $wan "* ]]; then
				within_4_sigma "$count" "$total" "$(awk -v a="${WEIGHTS[${wan#wan}]}" -v b=$sum 'BEGIN { print a / b }')" ||
					t_fail "IPv$family $wan: $count of $total, weight ${WEIGHTS[${wan#wan}]}/$sum"
			else
				t_assert_eq "$count" 0 "IPv$family connections of $wan"
			fi
		done
	done
}

# all_succeed WAN...: the first connections from now on succeed, over these WANs.
all_succeed() {
	local proto got
	: >"$T_DIR/seen"
	for proto in tcp udp; do
		open_many $proto 500
		t_assert_eq "$(<"$T_DIR/failed")" 0 "$proto connections that failed, of 500: $(grep -m 2 '^FAIL' "$T_DIR/lines" | paste -sd,)"
	done
	shares_are "$@"
	got=$(probe lan1 ping "$SERVERS4,$SERVERS6" --id $((SPORT % 50000)) --spread --timeout-ms 500)
	t_assert_eq "$(grep -c ' ok ' <<<"$got")" 16 "echo answers of 16: $(grep -v -m 2 ' ok ' <<<"$got" | paste -sd,)"
}

# is_used WAN FAMILY: does a new connection take the WAN again?
is_used() {
	local dst=$SERVERS4
	(($2 == 4)) || dst=$SERVERS6
	lan 1 "$LABTOOL" connect --proto udp --dst "$dst" --port 7000-7015 --count 60 --timeout-ms 300 2>/dev/null |
		grep -q " $(wan_address "$2" "$1") "
}

link_down() {
	if [[ $1 == carrier ]]; then
		isp "${2#wan}" ip link set cust down
	else
		rt ip link set "$2" down
	fi
	eventually carrier_is "$2" false || t_fail "the carrier of $2 is still there"
}

link_up() {
	local i=${2#wan}
	if [[ $1 == carrier ]]; then
		isp "$i" ip link set cust up
		# What the kernel of the ISP's router forgot with its link, its administrator gives back.
		isp "$i" ip -6 addr replace "2001:db8:$i::1/64" dev cust nodad
	else
		rt ip link set "$2" up
	fi
	eventually carrier_is "$2" true || t_fail "the carrier of $2 is not back"
}

# What a network manager does when it finds the link up again.
network_manager() {
	local i=${1#wan}
	rt ip -6 addr replace "2001:db8:$i::2/64" dev "$1" nodad
	rt ip -4 route replace default via "198.18.$i.1" dev "$1" metric $((i * 100))
	rt ip -6 route replace default via "2001:db8:$i::1" dev "$1" metric $((i * 100))
}

# Connections on the WAN in a report of hold that are alive, and on the others.
alive_on() {
	hold_report | jq -r --arg a "$(wan_address 4 "$1")" --arg b "$(wan_address 6 "$1")" \
		'[.connections[] | select(.alive) | .seen] | map(. == $a or . == $b) | "\(map(select(.)) | length) \(map(select(. | not)) | length)"'
}

dead_and_others() {
	[[ $(alive_on "$1") == "0 $2" ]]
}

link_case() {
	local kind=$1 victim=$2 others wan before proto
	others=()
	for wan in wan1 wan2 wan3; do
		[[ $wan == "$victim" ]] || others+=("$wan")
	done
	lab_up --isps 3 --hosts 1 --host-addrs 20
	attach

	t_begin "$kind of $victim lost: every new connection succeeds at once over the others, by their weights"
	hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port 7000-7003 --count 60 --interval-ms 50 --timeout-ms 1500
	t_assert 'the long-lived connections are alive' eventually hold_is '.alive == 60'
	before=$(alive_on "$victim")
	t_assert_le 2 "${before% *}" "at least, long-lived connections on $victim"
	# The hosts have all talked to each other before: nothing that is remembered of that may lead to the dead link.
	for proto in tcp udp; do
		open_many $proto 500
	done
	sniff_start rt wan1,wan2,wan3
	link_down "$kind" "$victim"
	all_succeed "${others[@]}"

	t_begin "$kind of $victim lost: its connections fail, those of the others live, nothing leaks"
	t_assert "alive on $victim and elsewhere: $before, then $(alive_on "$victim")" eventually dead_and_others "$victim" "${before#* }"
	hold_stop >/dev/null
	t_assert_eq "$(sniff_stop | foreign_sources)" '' 'foreign sources'
	assert_no_leak

	t_begin "$kind of $victim back: its share returns"
	link_up "$kind" "$victim"
	if [[ $kind == link ]]; then
		network_manager "$victim"
		attach
	fi
	t_assert "$victim is used, IPv4" eventually is_used "$victim" 4
	t_assert "$victim is used, IPv6" eventually is_used "$victim" 6
	all_succeed wan1 wan2 wan3
	assert_no_leak
}

link_case carrier wan1
link_case carrier wan2
link_case link wan1
link_case link wan3
