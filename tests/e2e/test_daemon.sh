#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The daemon at rest and with a network that changes under it: adoption, repair, renumbering, devices
# that are made anew, monitor, hooks, SIGHUP, its end.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip nft nsenter jq python3
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ISPS=8

lab_up --isps $ISPS --hosts 1

# What the hook was told: a line an event. slow: a second script that never ends.
cat >"$T_DIR/hook" <<END
#!/bin/sh
echo "\$PCCBPF_EVENT \$PCCBPF_WAN \$PCCBPF_OLD \$PCCBPF_NEW: \$PCCBPF_REASON" >>$T_DIR/hooked
END
cat >"$T_DIR/slow" <<END
#!/bin/sh
trap '' TERM
echo \$\$ >>$T_DIR/slow.pids
sleep 5
END
chmod +x "$T_DIR/hook" "$T_DIR/slow"
: >"$T_DIR/hooked"

# conf WAN...: with TARGETS, health by one target each.
TARGETS=true
conf() {
	local wan
	{
		echo "lan: [br0]"
		echo "hooks:"
		echo "  - {run: $T_DIR/hook, timeout: 2s}"
		echo "  - {run: $T_DIR/slow, timeout: 300ms}"
		echo "wans:"
		for wan in "$@"; do
			echo "  - interface: $wan"
			$TARGETS || continue
			echo "    health: {targets: [203.0.113.${wan#wan}], hold: 500ms}"
		done
	} >"$DAEMON_CONF"
}

# cpu_ms: that the daemon has used.
cpu_ms() {
	awk '{ printf "%d", $1 / 1000000 }' "/proc/$DAEMON_PID/schedstat"
}

# The sequence of numbers that changes with every change to the maps.
epoch() {
	bpftool map dump pinned "$BPFFS/pccbpf/pcc_meta" | grep -o '"epoch": [0-9]*'
}

ALL=$(seq -s' ' -f 'wan%g' 1 $ISPS)
# shellcheck disable=SC2086
conf $ALL

t_begin 'what is attached is adopted: no rule, link, program or map is touched'
t_assert_status 0 pcc apply "$DAEMON_CONF" || t_bail "no attach"
rt_ids >"$T_DIR/ids"
hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port "$TCP_PORTS" --count 40 --interval-ms 100
daemon_start || t_bail "no daemon"
t_assert 'it says that it adopted' daemon_said 'ready: adopted'
same_as "$T_DIR/ids" rt_ids
hold_unharmed 40

t_begin 'there is one daemon for a pin directory'
t_assert_status 1 pcc daemon --config "$DAEMON_CONF"
t_assert 'it says so' grep -q 'one is running' "$T_DIR/err"

t_begin 'kill -9 under load: nothing is lost, the next one adopts it within 1 s'
kill -KILL "$DAEMON_PID"
eventually process_gone "$DAEMON_PID"
rm -f "$LAB_RUN/$LAB/pids/$DAEMON_PID"
xargs -r kill -KILL <"$T_DIR/slow.pids" 2>/dev/null # scripts of the one that could not end them
hold_unharmed 40
: >"$T_DIR/slow.pids"
start=$(now_ms)
daemon_start || t_bail "no daemon"
t_assert_ms $(($(now_ms) - start)) 1000 adopted
same_as "$T_DIR/ids" rt_ids
hold_unharmed 40

t_begin 'what others remove is put back within 1 s; what is theirs stays'
rt nft add table ip theirs
rt ip rule add pref 9000 from 198.51.100.1 lookup 300
rt ip route add 198.51.100.0/24 via 198.18.1.1
rt ip route show table 101 >"$T_DIR/routes"
rt ip rule show >"$T_DIR/rules"
routes_back() { rt ip route show table 101 | cmp -s - "$T_DIR/routes"; }
rules_back() { rt ip rule show | cmp -s - "$T_DIR/rules"; }
nat_back() { rt nft list table inet pccbpf >/dev/null 2>&1; }
hooks_back() { [[ $(pcc wan list --json | jq -r '.[0].hook') == tcx ]]; }
while IFS='|' read -r what command back; do
	: >"$DAEMON_LOG"
	eval "rt $command"
	within_ms 1000 "$what" daemon_said '^pccbpf: repair: '
	t_assert "$what" eventually eval "$back"
done <<'END'
the nft table|nft delete table inet pccbpf|nat_back
a rule|ip rule del pref 10001|rules_back
all rules of a WAN|bash -c 'ip rule del pref 10001; ip rule del pref 10101'|rules_back
a table|ip route flush table 101|routes_back
programs|rm "$BPFFS/pccbpf/link_in_$(rt_ifindex wan1)" "$BPFFS/pccbpf/link_out_$(rt_ifindex wan1)"|hooks_back
END
t_assert 'their nft table' rt nft list table ip theirs >/dev/null
t_assert_eq "$(rt ip rule show pref 9000 | wc -l) $(rt ip route show 198.51.100.0/24 | wc -l)" '1 1' 'their rule, route'
rt ip rule del pref 9000
rt ip route del 198.51.100.0/24

t_begin 'after a flush of the rule set the NAT table is missing for some milliseconds only'
spawn_to "$T_DIR/gaps" rt "$HERE/nftgap.py" "$T_DIR/listening" 600
gaps=$SPAWNED
eventually test -e "$T_DIR/listening"
gaps_are() { (($(awk '$1 > 0' "$T_DIR/gaps" | wc -l) == $1)); }
for turn in 1 2 3 4 5 6; do
	rt nft flush ruleset
	t_assert "the table is back after flush $turn" eventually gaps_are $turn
	sleep 0.5 # the daemon has looked at what it did itself
done
stop "$gaps"
# Of a few times the best: what is measured is the daemon, not its neighbours.
t_assert_eq "$(awk '$1 > 0' "$T_DIR/gaps" | wc -l)" 6 'times that it was missing'
t_assert_ms "$(awk '$1 > 0' "$T_DIR/gaps" | sort -n | awk 'NR == 1 { printf "%d", $1 }')" 30 'shortest gap'

t_begin 'what was not heard, as there was too much to hear, is put back within 1 s all the same'
# Others than before: while the table is missing the kernel translates nothing, and resets what servers answer.
hold_stop >/dev/null
hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port "$TCP_PORTS" --count 40 --interval-ms 100
hold_unharmed 40
: >"$DAEMON_LOG"
rt ip rule show >"$T_DIR/rules"
sleep 0.7 # what it has heard it has looked at
kill -STOP "$DAEMON_PID"
for ((i = 0; i < 30000; i++)); do
	echo "route add unreachable 10.$((i / 250 / 250)).$((i / 250 % 250)).$((i % 250)) table 999"
done >"$T_DIR/routes999"
rt ip -batch "$T_DIR/routes999"
rt ip rule del pref 10001 # of this the socket of the daemon has no room any more
kill -CONT "$DAEMON_PID"
rule_back() { [[ $(rt ip rule show pref 10001) == *'lookup 101'* ]]; }
within_ms 1000 'the rule' rule_back
rt ip route flush table 999
hold_unharmed 40
hold_stop >/dev/null

t_begin "at rest with $ISPS WANs: below 0.5 % of a core and 10 MB, and nothing is changed"
before=$(epoch)
# Of a few times the best: what is measured is the daemon, not its neighbours.
best=100
for _ in 1 2 3 4 5 6 7 8; do
	cpu=$(cpu_ms)
	sleep 2
	cpu=$(($(cpu_ms) - cpu))
	((cpu >= best)) || best=$cpu
	((best > 10)) || break
done
t_assert_le "$best" 10 'CPU time in 2 s (ms)'
t_assert_eq "$(epoch)" "$before" epoch
t_assert_le "$(awk '/^VmRSS/ { print $2 }' "/proc/$DAEMON_PID/status")" 10240 'RSS (KB)'

t_begin 'monitor: the states at first, then what changes, for people and as JSON'
pcc_monitor() {
	rt timeout 60 "$PCCBPF" monitor --bpffs "$BPFFS/pccbpf" "$@"
}
pcc_monitor >"$T_DIR/lines" 2>/dev/null &
lines=$!
pcc_monitor --json >"$T_DIR/json" 2>/dev/null &
json=$!
t_assert 'states' eventually eval "[[ \$(grep -c ' wan[1-8] up\$' '$T_DIR/lines') == 8 ]]"
isp 2 ip link set cust down
t_assert 'a line' eventually grep -qE '^20[0-9-]*T[0-9:.]*Z wan2 up -> down: no carrier$' "$T_DIR/lines"
object_there() {
	jq -e -s 'map(select(.event == "wan" and .wan == "wan2" and .old == "up" and .new == "down"
		and .reason == "no carrier")) | length == 1' "$T_DIR/json" >/dev/null 2>&1
}
t_assert 'an object' eventually object_there
isp 2 ip link set cust up

t_begin 'hooks: each event, in order; one that is too slow is killed and holds nothing up'
t_assert 'the hook was told' eventually grep -qx 'wan wan2 up down: no carrier' "$T_DIR/hooked"
t_assert 'the slow one was ended' eventually daemon_said "hook $T_DIR/slow: ended after 300 ms"
slow_gone() {
	local pid
	for pid in $(head -n 1 "$T_DIR/slow.pids"); do process_gone "$pid" || return 1; done
}
t_assert 'it is gone' eventually slow_gone

t_begin 'SIGHUP: a bad file changes nothing, a good one only what differs'
echo 'nonsense: [' >>"$DAEMON_CONF"
kill -HUP "$DAEMON_PID"
t_assert 'it says so' eventually daemon_said '^pccbpf: error: .*the old configuration stays in force'
t_assert_eq "$(pcc wan list --json | jq length)" 8 'WANs with the bad file'
TARGETS=false
: >"$DAEMON_LOG"
conf wan1 wan2
echo 'mark-mask: 0xff0000' >>"$DAEMON_CONF"
kill -HUP "$DAEMON_PID"
t_assert 'so it is with what cannot change' eventually daemon_said '^pccbpf: error: .*the old configuration stays'
t_assert_eq "$(pcc wan list --json | jq length)" 8 'WANs'
conf wan1 wan2 tun0
kill -HUP "$DAEMON_PID"
t_assert 'it is in force' eventually daemon_said '^pccbpf: reload: '
t_assert_eq "$(pcc wan list --json | jq -c '[.[] | [.name, .state, .reason]] | .[2]')" \
	'["tun0","down","the interface is missing"]' 'a WAN that is not there'

# The addresses of wan1 go, and come back. The kernel takes the routes with them.
addresses_go() {
	rt ip addr del 198.18.1.2/24 dev wan1
	rt ip addr del 2001:db8:1::2/64 dev wan1
}
addresses_come() {
	rt ip addr add 198.18.1.2/24 dev wan1
	rt ip addr add 2001:db8:1::2/64 dev wan1 nodad
}
pinned() { pcc conns --json | jq '[.[] | select(.wan == "wan1")] | length'; }

t_begin 'addresses that are gone for a moment take no WAN down, and no connection is given up; new ones go elsewhere meanwhile'
: >"$DAEMON_LOG"
hold_start lan1 --dst "$SERVERS4" --port "$TCP_PORTS" --count 24 --interval-ms 100
rt ip route show table 101 >"$T_DIR/routes"
was=$(pinned)
t_assert 'there are some' [ "$was" -gt 4 ]
start=$(now_ms)
addresses_go
no_way() { ! rt ip route show table 101 | grep -q '^default via'; }
t_assert 'no route meanwhile' eventually no_way
sleep 0.5 # less than what takes a WAN down
addresses_come
took=$(($(now_ms) - start))
within_ms 1000 'its routes' routes_back
if ((took < 1900)); then
	t_assert_eq "$(pinned)" "$was" 'connections of wan1'
	t_assert_eq "$(grep -cE 'wan1 up -> down|reset: [1-9]' "$DAEMON_LOG")" 0 'falls and resets in the log'
else
	t_skip "the machine took $took ms to take the addresses and give them back"
fi
t_assert_eq "$(pcc wan list --json | jq -r '.[0] | .gateway + " " + .gateway6')" '198.18.1.1 2001:db8:1::1' gateways
hold_stop >/dev/null

t_begin 'addresses that stay away take it down, after 2 s'
fit() { ! wan_is "$1" down; }
t_assert 'another WAN is fit' eventually fit wan2
: >"$DAEMON_LOG"
start=$(now_ms)
addresses_go
t_assert 'down' eventually daemon_said 'wan1 up -> down: the interface has no address'
took=$(($(now_ms) - start))
t_assert_le 1900 "$took" 'not before (ms)'
t_assert_ms "$took" 2900 'soon after'
addresses_come
rt ip route add default via 198.18.1.1 dev wan1 metric 101
rt ip -6 route add default via 2001:db8:1::1 dev wan1 metric 101
within_ms 1000 'up again' daemon_said 'wan1 down -> up'

t_begin 'renumbering: address and gateway, followed within 1 s'
isp 1 ip addr add 198.18.201.1/24 dev cust
: >"$DAEMON_LOG"
rt ip addr flush dev wan1 scope global
rt ip addr add 198.18.201.2/24 dev wan1
rt ip route add default via 198.18.201.1 dev wan1 metric 100
followed() {
	[[ $(rt ip route show table 101 default | head -n 1) == 'default via 198.18.201.1 dev wan1 proto 172 '* &&
		$(rt ip rule show pref 10101) == *'from 198.18.201.2 lookup 101'* ]]
}
within_ms 1000 'new gateway' followed
t_assert_eq "$(pcc wan list --json | jq -r '.[0] | .state + " " + .gateway')" 'up 198.18.201.1' 'state, gateway'
t_assert_eq "$(rt ip rule show | grep -c '198.18.1.2')" 0 'rules of the old address'

t_begin 'IPv6 by router advertisement: the gateway is found, its address gets its rule, within 1 s; when both go it is out of use after 2 s'
rt bash -c 'cd /proc/sys/net/ipv6/conf/wan2 && echo 2 >accept_ra && echo 1 >autoconf'
rt ip -6 addr flush dev wan2 scope global
rt ip -6 route flush dev wan2 proto boot
rt ip -6 route flush default dev wan2
ra_gone() { [[ $(pcc wan list --json | jq -r '.[1].gateway6') == null ]]; }
within_ms 4000 'no IPv6' ra_gone
link_local=$(isp 2 ip -6 -o addr show dev cust scope link | awk '{ sub("/.*", "", $4); print $4 }')
ra_there() {
	[[ $(pcc wan list --json | jq -r '.[1].gateway6') == "$link_local" &&
		$(rt ip -6 rule show pref 10102) == *'from 2001:db8:202:'*' lookup 102'* &&
		$(rt ip -6 route show table 102) == *"default via $link_local dev wan2"* ]]
}
isp 2 "$HERE/ra.py" cust 2001:db8:202::
within_ms 1000 'IPv6' ra_there
# 2001:db8:202::/64 as the first words of a key, as a little-endian machine shows them.
local_has() { bpftool map dump pinned "$BPFFS/pccbpf/pcc_local" | tr -d ' \n' | grep -qE "\"a\":\[3087860000,514,"; }
t_assert 'the map of local addresses follows' local_has
rt ip -6 addr flush dev wan2 scope global
rt ip -6 route flush default dev wan2
within_ms 4000 'no IPv6' ra_gone

t_begin 'a point-to-point device that comes, goes and comes again is followed within 1 s'
[[ -c /dev/net/tun ]] || t_skip 'no /dev/net/tun'
for turn in 1 2; do
	spawn_to "$T_DIR/tunlink$turn" inet /usr/bin/python3 "$HERE/tunlink.py" "$LAB-rt" tun0 "$LAB-inet" tun1
	tunlink=$SPAWNED
	eventually grep -q ready "$T_DIR/tunlink$turn" || t_bail 'the tun devices do not come up'
	rt ip addr add "10.9.$turn.2" peer "10.9.$turn.1" dev tun0
	rt ip link set tun0 up
	on_tun() {
		[[ $(rt ip route show table 103 2>/dev/null) == *'default dev tun0'* && $(wan_state tun0) == up &&
			$(rt ip rule show) == *"from 10.9.$turn.2 lookup 103"* &&
			$(pcc wan list --json | jq -r '.[] | select(.name == "tun0") | .hook') == tcx ]]
	}
	within_ms 1000 "turn $turn" daemon_said '^pccbpf: tun0 down -> up'
	t_assert "turn $turn" eventually on_tun
	: >"$DAEMON_LOG"
	stop "$tunlink"
	within_ms 1000 "turn $turn: gone" daemon_said '^pccbpf: tun0 up -> down: the interface is missing'
	t_assert "turn $turn: gone" wan_is tun0 down
done
t_assert_eq "$(find "$BPFFS/pccbpf" -name 'link_in_*' -o -name 'link_out_*' | wc -l)" 6 'links of LAN, wan1, wan2'

t_begin 'detach is not undone; attach by hand is adopted'
t_assert_status 0 pcc detach
t_assert 'it takes note' eventually daemon_said '^pccbpf: detached: '
: >"$DAEMON_LOG"
t_assert_status 0 pcc attach --lan br0 --wan wan1,wan2
t_assert 'adopted' eventually daemon_said '^pccbpf: ready: adopted'

t_begin 'SIGTERM: the data plane stays, and detach leaves nothing of either'
rt_ids >"$T_DIR/ids"
t_assert 'the runtime directory' test -S "$(run_dir "$BPFFS/pccbpf")/monitor"
stop "$DAEMON_PID"
same_as "$T_DIR/ids" rt_ids
wait "$lines" "$json" 2>/dev/null
t_assert_status 0 pcc detach
t_assert 'no runtime directory' test ! -e "$(run_dir "$BPFFS/pccbpf")"

t_begin 'who hears of a look can ask for its reasons: they are written before it is told'
# The log is a pipe that is full: the daemon waits in the first word of what it tells.
mkfifo "$T_DIR/pipe"
exec {pipe}<>"$T_DIR/pipe"
dd if=/dev/zero of="$T_DIR/pipe" bs=4096 oflag=nonblock status=none 2>/dev/null
conf wan1 wan2 tun0
# shellcheck disable=SC2016
spawn rt bash -c 'exec "$@" 2>"$0"' "$T_DIR/pipe" "$PCCBPF" daemon --config "$DAEMON_CONF" --bpffs "$BPFFS/pccbpf" {pipe}>&-
DAEMON_PID=$SPAWNED
reason_there() {
	[[ $(pcc wan list --json 2>/dev/null | jq -r '.[2].reason') == 'the interface is missing' ]]
}
t_assert 'the reason of what is not told yet' eventually reason_there
cat "$T_DIR/pipe" >"$DAEMON_LOG" {pipe}>&- &
reader=$!
t_assert 'it is told' eventually daemon_said '^pccbpf: tun0 new -> down: the interface is missing$'
stop "$DAEMON_PID"
exec {pipe}>&-
wait "$reader"
t_assert_status 0 pcc detach
