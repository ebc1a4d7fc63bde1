#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The probes of a WAN, in both families: what each kind makes of each answer, and that a probe leaves
# by its WAN or not at all. The counters that say how a WAN does without any probe.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip nft nsenter jq python3

PROBETOOL=${PROBETOOL:-$ROOT/build/probetool}
WAN=wan1
MARK=0x100
GOOD=(203.0.113.1 2001:db8:ffff::1
	tcp://203.0.113.2:7000 'tcp://[2001:db8:ffff::2]:7000'
	dns://203.0.113.3/example.test 'dns://[2001:db8:ffff::3]/example.test'
	http://203.0.113.4/ 'http://[2001:db8:ffff::4]/')

lab_up --isps 2 --hosts 1
spawn inet "$ROOT/tests/e2e/dnsd.py" "$T_DIR/dns.ready" 203.0.113.3 2001:db8:ffff::3
eventually test -s "$T_DIR/dns.ready" || t_bail 'no DNS server'

# probe_start OPTIONS TARGET...: in the background, through WAN. probe_stop ends it.
probe_start() {
	PROBE_FILE=$T_DIR/probe.$RANDOM$RANDOM
	spawn_to "$PROBE_FILE" rt "$PROBETOOL" --interval 200 --timeout 500 "${PROBE_OPTIONS[@]}" "$WAN" "$MARK" "$@"
	PROBE_PID=$SPAWNED
}
PROBE_OPTIONS=()

probe_stop() {
	stop "$PROBE_PID"
	t_assert_eq "$(awk '$1 == "end" { print $3 }' "$PROBE_FILE")" 0 'files left open'
}

# outcomes_of TARGET [COUNT]: what its last probes came to.
outcomes_of() {
	awk -v t="$1" '$1 == "probe" && $2 == t { print $3 }' "$PROBE_FILE" | tail -n "${2:-1}" | sort -u | paste -sd,
}

# probed COUNT TARGET...: each has ended so many probes.
probed() {
	local n=$1 target
	shift
	for target in "$@"; do
		(($(grep -cF "probe $target " "$PROBE_FILE") >= n)) || return 1
	done
}

# all_are OUTCOME TARGET...
all_are() {
	local want=$1 target
	shift
	for target in "$@"; do
		[[ $(outcomes_of "$target") == "$want" ]] || return 1
	done
}

state_is() {
	[[ $(awk '$1 == "state" { s = $3 } END { print s }' "$PROBE_FILE") == "$1" ]]
}

# elsewhere: packets that left by wan2, but for what the kernel sends on any link.
elsewhere() {
	awk '$1 == "wan2" && $2 !~ /^fe80:/ { n += $3 } END { print n + 0 }'
}

# isp_dies ISP WHAT: loses its uplink; the link stays up and the gateway answers for itself.
isp_dies() {
	isp "$1" nft "add table inet dead; add chain inet dead f { type filter hook forward priority -1; $2 }"
}

clock_ms() {
	awk '{ printf "%d", $1 * 1000 }' /proc/uptime
}

t_begin 'without pccbpf: every kind is answered in both families, by its WAN alone'
sniff_start rt wan1,wan2
probe_start "${GOOD[@]}"
t_assert 'each is probed three times' eventually probed 3 "${GOOD[@]}"
probe_stop
sniff_stop >"$T_DIR/sources"
for target in "${GOOD[@]}"; do
	t_assert_eq "$(outcomes_of "$target" 100)" ok "$target"
done
t_assert_eq "$(elsewhere <"$T_DIR/sources")" 0 'packets on wan2'
for source in 198.18.1.2 2001:db8:1::2; do
	t_assert "$source on wan1: $(<"$T_DIR/sources")" grep -q "^wan1 $source " "$T_DIR/sources"
done
t_assert_eq "$(awk '$1 == "probe" && ($4 != 1 || $5 != 0 || $6 < 1 || $6 > 400000)' "$PROBE_FILE" | head -n 1)" '' \
	'a probe with more than one try, or an odd time'

t_begin 'what each kind makes of another answer'
rows=(
	'tcp://203.0.113.2:9 refused'
	'tcp://[2001:db8:ffff::2]:9 refused'
	'dns://203.0.113.3/fail.test refused'
	'dns://203.0.113.3/nobody.test refused'
	'dns://203.0.113.5/example.test refused'
	'http://203.0.113.4:9/ refused'
	'http://203.0.113.4/generate_204 portal'
	'http://203.0.113.4/#expect=204 portal'
	'http://203.0.113.4/nothing#expect=404 ok'
	'tcp://203.0.113.77:80 lost'
	'dns://203.0.113.3/silent.test lost'
	'203.0.113.77 lost'
	'2001:db8:ffff::77 lost'
)
for ((i = 0; i < ${#rows[@]}; i += 8)); do
	mapfile -t targets < <(printf '%s\n' "${rows[@]:i:8}" | cut -d' ' -f1)
	probe_start "${targets[@]}"
	t_assert 'each is probed twice' eventually probed 2 "${targets[@]}"
	probe_stop
	while read -r target want; do
		t_assert_eq "$(outcomes_of "$target" 100)" "$want" "$target"
	done < <(printf '%s\n' "${rows[@]:i:8}")
done

t_begin 'attached: the same, and no probe is balanced or remembered'
t_assert_status 0 pcc attach --lan br0 --wan wan1,wan2
sniff_start rt wan1,wan2
probe_start "${GOOD[@]}"
t_assert 'each is probed three times' eventually probed 3 "${GOOD[@]}"
for target in "${GOOD[@]}"; do
	t_assert_eq "$(outcomes_of "$target" 100)" ok "$target"
done
t_assert_eq "$(sniff_stop | elsewhere)" 0 'packets on wan2'
t_assert_eq "$(pcc conns --json | jq length)" 0 'remembered connections'
t_assert_eq "$(stat_of '[.counters.new, .counters.leak, (.wans[] | .tx_packets, .rx_packets)] | add')" 0 \
	'counted as traffic or as leaks'

t_begin 'no route to the outside on this WAN: nothing leaves by the other one'
rt ip route del default dev wan1
rt ip -6 route del default dev wan1
rt ip route flush table 101
rt ip -6 route flush table 101
sniff_start rt wan1,wan2
t_assert 'every probe is lost' eventually all_are lost "${GOOD[@]}"
t_assert 'down' eventually state_is down
t_assert_eq "$(sniff_stop | elsewhere)" 0 'packets on wan2'
probe_stop
pcc detach >/dev/null || t_fail detach

t_begin 'not attached either: bound to the device, it has no way out'
sniff_start rt wan1,wan2
probe_start "${GOOD[@]}"
t_assert 'every probe is lost' eventually all_are lost "${GOOD[@]}"
t_assert_eq "$(sniff_stop | elsewhere)" 0 'packets on wan2'

t_begin 'the route is back, the link goes and comes: it probes again'
rt ip route add default via 198.18.1.1 dev wan1 metric 101
rt ip -6 route add default via 2001:db8:1::1 dev wan1 metric 101
t_assert 'answered' eventually all_are ok "${GOOD[@]:0:1}" "${GOOD[@]:2:1}" "${GOOD[@]:4:1}" "${GOOD[@]:6:1}"
rt ip link set wan1 down
t_assert 'every probe is lost' eventually all_are lost "${GOOD[@]}"
rt ip link set wan1 up
rt ip addr add 2001:db8:1::2/64 dev wan1 nodad 2>/dev/null
rt ip route replace default via 198.18.1.1 dev wan1 metric 101
rt ip -6 route replace default via 2001:db8:1::1 dev wan1 metric 101
t_assert 'answered' eventually all_are ok "${GOOD[@]}"
probe_stop

# down_at FILE: when it went down, in ms.
down_at() {
	awk '$1 == "state" { print $2; exit }' "$1"
}

t_begin 'ISPs without uplink behind live gateways are found within 3 s, by the defaults'
PROBE_OPTIONS=(--interval 500 --timeout 1000)
probe_start "${GOOD[@]}"
files=("$PROBE_FILE")
pids=("$PROBE_PID")
WAN=wan2 MARK=0x200 probe_start "${GOOD[@]}"
files+=("$PROBE_FILE")
pids+=("$PROBE_PID")
for PROBE_FILE in "${files[@]}"; do
	t_assert 'answered' eventually probed 1 "${GOOD[@]}"
done
from=$(clock_ms)
isp_dies 1 'policy drop;'
isp_dies 2 'reject with icmpx no-route;'
for PROBE_FILE in "${files[@]}"; do
	t_assert 'down' eventually state_is down
	t_assert_ms $(($(down_at "$PROBE_FILE") - from)) 3000
done
isp 1 nft delete table inet dead
isp 2 nft delete table inet dead
for i in 0 1; do
	PROBE_FILE=${files[i]}
	PROBE_PID=${pids[i]}
	t_assert 'answered again' eventually all_are ok "${GOOD[@]}"
	probe_stop
	t_assert_eq "$(grep '^state' "$PROBE_FILE" | cut -d' ' -f3-)" 'down targets' 'changes'
done
PROBE_OPTIONS=()

neigh_state() {
	[[ $(rt ip neigh show 198.18.1.1 dev wan1) == *$1* ]]
}

t_begin 'a gateway that is gone is found when asked; what somebody has set is left alone'
t_assert_status 0 rt "$PROBETOOL" --ask wan1 198.18.1.1
t_assert 'it is there' eventually neigh_state REACHABLE
isp 1 nft 'add table arp dead; add chain arp dead i { type filter hook input priority 0; policy drop; }'
t_assert_status 0 rt "$PROBETOOL" --ask wan1 198.18.1.1
t_assert 'it is gone' eventually neigh_state FAILED
isp 1 nft delete table arp dead
t_assert_status 0 rt "$PROBETOOL" --ask wan1 198.18.1.1
t_assert 'it is back' eventually neigh_state REACHABLE
mac=$(rt ip -j neigh show 198.18.1.1 dev wan1 | jq -r '.[0].lladdr')
rt ip neigh replace 198.18.1.1 lladdr "$mac" dev wan1 nud permanent
t_assert_status 0 rt "$PROBETOOL" --ask wan1 198.18.1.1
t_assert 'permanent' neigh_state PERMANENT
rt ip neigh del 198.18.1.1 dev wan1

# signs: requests, answered ones, whether their time is plausible, whether there were ICMP errors.
signs() {
	stat_of '[.wans[]] | "\(map(.syn_sent) | add) \(map(.syn_answered) | add) \(map(.rx_errors) | add > 0)"'
}

t_begin 'requests, answers and errors are counted per WAN'
t_assert_status 0 pcc attach --lan br0 --wan wan1,wan2
lan 1 "$LABTOOL" connect --dst "$SERVERS4,$SERVERS6" --port "$TCP_PORTS" --count 100 >/dev/null 2>&1
t_assert_eq "$(signs)" '100 100 false' 'sent, answered, errors'
t_assert 'mean time below 200 ms' test "$(stat_of '.wans[0] | .rtt_sum_us / .syn_answered < 200000')" = true
isp_dies 1 'reject with icmpx no-route;'
isp_dies 2 'reject with icmpx no-route;'
lan 1 "$LABTOOL" connect --dst "$SERVERS4" --port "$TCP_PORTS" --count 10 --timeout-ms 300 >/dev/null 2>&1
t_assert_eq "$(signs)" '110 100 true' 'sent, answered, errors'
pcc detach >/dev/null || t_fail detach
