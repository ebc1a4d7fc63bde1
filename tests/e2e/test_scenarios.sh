#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What can go wrong with an ISP, one after the other, under traffic: how soon the daemon knows, which
# connections end, and that the other WANs lose no packet. docs/FAILOVER.md has the table of a long run.
#
# SCENARIOS_FLAP_S, SCENARIOS_QUIET_S: how long links flap, and how long it is quiet under load (16, 12;
# 180 and 600 for a real run).
# SCENARIOS_TABLE=FILE: the rows of the table, too.
#
# alone: a machine under full load is one of them

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip nft nsenter jq python3 ethtool
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
FLAP_S=${SCENARIOS_FLAP_S:-16}
QUIET_S=${SCENARIOS_QUIET_S:-12}
COUNT=60

# Frames as on a wire: what forwards them in user space cannot send larger ones.
lab_up --isps 3 --hosts 1 --no-offload
spawn inet "$HERE/dnsd.py" "$T_DIR/dns.ready" 203.0.113.3
eventually test -s "$T_DIR/dns.ready" || t_bail 'no DNS server'

# An ISP's IPv6 address must outlive its link.
for k in 1 2 3; do
	isp $k bash -c 'echo 1 >/proc/sys/net/ipv6/conf/cust/keep_addr_on_down'
done

# conf: the usual health of all WANs in HEALTH, and what single ones have instead: OWN[wan1]='quorum: 3'.
TARGETS='targets: [203.0.113.1, "tcp://203.0.113.2:7000", "dns://203.0.113.3/example.test"]'
HEALTH="$TARGETS, hold: 1s, hold-max: 1s"
declare -A OWN=()
WAN_LIST='wan1 wan2 wan3'
conf() {
	local wan
	echo "lan: [br0]" >"$DAEMON_CONF"
	echo "wans:" >>"$DAEMON_CONF"
	for wan in $WAN_LIST; do
		echo "  - {interface: $wan, health: {${OWN[$wan]:-$HEALTH}}}"
	done >>"$DAEMON_CONF"
}

reload() {
	conf
	: >"$DAEMON_LOG"
	kill -HUP "$DAEMON_PID"
	t_assert 'the file is read' eventually daemon_said '^pccbpf: reload: '
	: >"$DAEMON_LOG"
}

# anew: a daemon without a memory of losses and holds, which would take their time to go.
anew() {
	conf
	stop "$DAEMON_PID"
	daemon_start || t_bail 'no daemon'
	t_assert 'all are used again' eventually all_up
}

# ---------------------------------------------------------------- traffic and what became of it

# Datagrams of 30 flows, 500 a second, and TCP connections that say something now and then.
traffic_start() {
	rm -f "$T_DIR/stream.ready"
	spawn_to "$T_DIR/stream" lan1 "$HERE/stream.py" "$T_DIR/stream.ready" 203.0.113.5 "$UDP_PORT" 30 60
	STREAM_PID=$SPAWNED
	hold_start lan1 --dst "$SERVERS4" --port "$TCP_PORTS" --count $COUNT --interval-ms "${1:-1000}" --timeout-ms 20000
	eventually hold_is ".alive == $COUNT" || t_fail 'not all connections stand'
	eventually test -s "$T_DIR/stream.ready" || t_fail 'no datagrams'
	sleep 1 # the fast path has learned them
}

# traffic_stop WAN...: these may lose something; sets LOST_THERE, BROKEN_THERE, LOST_ELSE, BROKEN_ELSE, GAP_MS.
traffic_stop() {
	local sick tcp
	sick=$(printf '198.18.%s.2\n' "${@#wan}" | jq -Rn '[inputs]')
	tcp=$(hold_stop)
	stop "$STREAM_PID"
	read -r LOST_THERE LOST_ELSE GAP_MS < <(jq -r --argjson s "$sick" '
		(map(select(.seen[0] as $a | $s | index($a)))) as $sick | (. - $sick) as $well |
		"\([$sick[] | .sent - .got] | add // 0) \([$well[] | .sent - .got] | add // 0) \([$sick[].gap_ms] | max // 0)"' \
		"$T_DIR/stream")
	read -r ON_THERE BROKEN_THERE BROKEN_ELSE < <(jq -r --argjson s "$sick" '
		(.connections | map(select(.seen as $a | $s | index($a)))) as $sick | (.connections - $sick) as $well |
		"\($sick | length) \([$sick[] | select(.error)] | length) \([$well[] | select(.error)] | length)"' <<<"$tcp")
	t_assert_eq "$LOST_ELSE" 0 'datagrams lost on the other WANs'
	t_assert_eq "$BROKEN_ELSE" 0 'connections of the other WANs that ended'
}

# row WHAT MS: for the table.
row() {
	local line
	line="| $1 | $2 | $BROKEN_THERE of $ON_THERE | $GAP_MS ms | $BROKEN_ELSE | $LOST_ELSE |"
	echo "     $line"
	[[ -z ${SCENARIOS_TABLE:-} ]] || echo "$line" >>"$SCENARIOS_TABLE"
}

all_up() {
	[[ $(pcc wan list --json | jq -r '[.[].state] | unique | join(" ")') == up ]]
}

# fails WHAT WAN LIMIT BREAK MEND: the WAN goes down in time, its connections end, then it comes back.
fails() {
	local what=$1 wan=$2 limit=$3 break_it=$4 mend_it=$5
	traffic_start
	: >"$DAEMON_LOG"
	eval "$break_it"
	within_ms "$limit" "$what" daemon_said "^pccbpf: $wan [a-z]+ -> down: "
	t_assert 'its clients are told' eventually daemon_said '^pccbpf: reset: '
	sleep 0.3
	traffic_stop "$wan"
	t_assert_eq "$BROKEN_THERE" "$ON_THERE" 'connections of that WAN that ended'
	row "$what" "$TOOK_MS ms"
	eval "$mend_it"
	t_assert 'it is used again' eventually all_up
}

# holds_out WHAT WAN LIMIT STATE BREAK MEND: the WAN becomes STATE, and no connection of it ends.
holds_out() {
	local what=$1 wan=$2 limit=$3 state=$4 break_it=$5 mend_it=$6
	traffic_start
	: >"$DAEMON_LOG"
	eval "$break_it"
	within_ms "$limit" "$what" daemon_said "^pccbpf: $wan up -> $state: "
	sleep 2
	t_assert_eq "$(grep -- '-> down' "$DAEMON_LOG")" '' 'changes to down'
	traffic_stop "$wan"
	t_assert_eq "$BROKEN_THERE" 0 'connections of that WAN that ended'
	row "$what" "$state after $TOOK_MS ms"
	eval "$mend_it"
	anew
}

# stays WHAT SECONDS BREAK MEND: nothing happens to any WAN.
stays() {
	local what=$1 seconds=$2 break_it=$3 mend_it=$4
	traffic_start
	: >"$DAEMON_LOG"
	eval "$break_it"
	sleep "$seconds"
	t_assert_eq "$(grep -c '^pccbpf: wan' "$DAEMON_LOG")" 0 'changes of states'
	traffic_stop wan1
	t_assert_eq "$BROKEN_THERE $LOST_THERE" '0 0' 'connections of that WAN that ended, datagrams lost'
	row "$what" "no change in $seconds s"
	eval "$mend_it"
}

# nft_in ISP RULES: a table of what goes wrong; mended ISP takes it away.
nft_in() {
	isp "$1" nft "add table inet dead { $2; }"
}

mended() {
	isp "$1" nft delete table inet dead
}

forward_drop() {
	nft_in "$1" "chain f { type filter hook forward priority -10; $2; }"
}

# Nothing comes in from the customer, not even a question for the gateway's address.
gateway_dead() {
	isp "$1" nft 'add table netdev gone { chain in { type filter hook ingress device cust priority 0; policy drop; }; }'
}

conf
daemon_start || t_bail 'no daemon'

t_begin 'the link fails: down within 0.5 s; only its connections end'
fails 'link down' wan1 500 'isp 1 ip link set cust down' 'isp 1 ip link set cust up'

t_begin "the ISP's uplink is dead, its gateway answers: down within 3 s"
fails 'uplink dead behind a live gateway' wan2 3000 'forward_drop 2 drop' 'mended 2'

t_begin 'the gateway is dead, the link is up: down within 3 s'
fails 'gateway dead behind a live link' wan3 3000 'gateway_dead 3' 'isp 3 nft delete table netdev gone'

t_begin '30 % loss: degraded, not down'
holds_out '30 % loss' wan1 40000 degraded "forward_drop 1 'iifname cust numgen random mod 100 < 30 drop'" 'mended 1'

t_begin '800 ms of latency: degraded, not down'
slow_down() {
	rm -f "$T_DIR/slow.ready"
	spawn isp2 "$HERE/slowlink.py" "$T_DIR/slow.ready" cust 800 198.18.2.1
	# shellcheck disable=SC2034 # to be ended by the word that mends
	SLOW_PID=$SPAWNED
	eventually test -s "$T_DIR/slow.ready" || t_fail 'slowlink.py does not start'
	forward_drop 2 'iifname cust meta nfproto ipv4 drop'
}
holds_out '800 ms latency' wan2 20000 degraded slow_down "mended 2; stop \"\$SLOW_PID\""

t_begin 'DNS alone fails, one target of three is dead: with the usual quorum nothing happens'
stays 'DNS alone dead, quorum 1' 5 "forward_drop 1 'udp dport 53 drop'" 'mended 1'
stays 'one dead target of three' 5 "forward_drop 1 'ip daddr 203.0.113.1 icmp type echo-request drop'" 'mended 1'

t_begin 'DNS alone fails where every target must answer: degraded while others get answers, without traffic down'
OWN[wan1]="$HEALTH, quorum: 3"
sleep 2 # the target that was dead has answered again
reload
holds_out 'DNS alone dead, quorum 3' wan1 4000 degraded "forward_drop 1 'udp dport 53 drop'" 'mended 1'
: >"$DAEMON_LOG"
forward_drop 1 'udp dport 53 drop'
within_ms 4000 'without traffic' daemon_said '^pccbpf: wan1 [a-z]+ -> down: too few targets answer: 2 of 3, 3 needed; not dns:'
mended 1
t_assert 'it is used again' eventually all_up
OWN=()

t_begin 'without targets: the gateway is dead, and the kernel says so: down within 0.5 s of its word'
TARGETS_BEFORE=$HEALTH
HEALTH='hold: 1s, hold-max: 1s'
reload
traffic_start
spawn_to "$T_DIR/neigh" rt ip monitor neigh dev wan2
gateway_dead 2
eventually grep -q '^198.18.2.1 .*FAILED' "$T_DIR/neigh" || t_fail 'the kernel does not find out'
within_ms 500 'after the neighbour entry has failed' daemon_said '^pccbpf: wan2 [a-z]+ -> down: the gateway does not answer'
t_assert 'its clients are told' eventually daemon_said '^pccbpf: reset: '
traffic_stop wan2
row "gateway's neighbour entry fails, no targets" "$TOOK_MS ms after it"
stop "$SPAWNED"
isp 2 nft delete table netdev gone
t_assert 'it is used again' eventually all_up
HEALTH=$TARGETS_BEFORE

t_begin 'renumbering: the new address and gateway are in use within 1 s; other WANs notice nothing'
reload
isp 3 ip addr add 198.18.203.1/24 dev cust
isp 3 ip route replace 198.18.203.0/24 dev cust
inet ip route add 198.18.203.0/24 via 10.100.3.2
isp 3 nft insert rule inet lab spoofed4 ip saddr 198.18.203.0/24 accept
traffic_start
: >"$DAEMON_LOG"
rt ip addr flush dev wan3 scope global
rt ip addr add 198.18.203.2/24 dev wan3
rt ip route add default via 198.18.203.1 dev wan3 metric 103
renumbered() {
	[[ $(rt ip route show table 103 default | head -n 1) == 'default via 198.18.203.1 dev wan3 proto 172 '* &&
		$(rt ip rule show pref 10103) == *'from 198.18.203.2 lookup 103'* ]]
}
within_ms 1000 renumbering renumbered
sleep 1.5 # each connection says something
t_assert_eq "$(grep -- '-> down' "$DAEMON_LOG")" '' 'changes to down'
traffic_stop wan3
row 'renumbering (address and gateway)' "$TOOK_MS ms"
rt ip addr flush dev wan3 scope global
rt ip addr add 198.18.3.2/24 dev wan3
rt ip route add default via 198.18.3.1 dev wan3 metric 103
t_assert 'back again' eventually all_up

t_begin 'a point-to-point device that is made anew (PPP) is in use within 1 s; other WANs notice nothing'
if [[ -c /dev/net/tun ]]; then
	WAN_LIST='wan1 wan2 wan3 tun0'
	OWN[tun0]='targets: [10.9.1.1]'
	reload
	traffic_start
	: >"$DAEMON_LOG"
	for turn in 1 2; do
		spawn_to "$T_DIR/tunlink$turn" inet /usr/bin/python3 "$HERE/tunlink.py" "$LAB-rt" tun0 "$LAB-inet" tun1
		eventually grep -q ready "$T_DIR/tunlink$turn" || t_fail 'the tun devices do not come up'
		inet ip addr add 10.9.1.1 peer 10.9.1.2 dev tun1
		inet ip link set tun1 up
		rt ip addr add 10.9.1.2 peer 10.9.1.1 dev tun0
		rt ip link set tun0 up
		within_ms 1000 "turn $turn" daemon_said '^pccbpf: tun0 down -> up'
		: >"$DAEMON_LOG"
		((turn == 2)) || stop "$SPAWNED"
		((turn == 2)) || within_ms 1000 'gone' daemon_said '^pccbpf: tun0 up -> down: the interface is missing'
	done
	traffic_stop none
	row 'PPP-like device made anew' "$TOOK_MS ms"
	stop "$SPAWNED"
	t_assert 'it is gone' eventually wan_is tun0 down
	WAN_LIST='wan1 wan2 wan3'
	OWN=()
	reload
else
	t_skip 'no /dev/net/tun'
fi

t_begin "an uplink and a link that flap, 2 s each way, for $FLAP_S s: at most 3 changes of state each"
HEALTH=$TARGETS
reload
traffic_start
: >"$DAEMON_LOG"
for ((i = 0; i < FLAP_S; i += 4)); do
	forward_drop 1 drop
	isp 2 ip link set cust down
	sleep 2
	mended 1
	isp 2 ip link set cust up
	sleep 2
done
changes=$(grep -cE '^pccbpf: wan1 [a-z]+ -> (up|down|degraded)' "$DAEMON_LOG")
same=$(grep -cE '^pccbpf: wan1 ([a-z]+) -> \1:' "$DAEMON_LOG")
t_assert_le $((changes - same)) 3 'changes of the uplink'
changes2=$(grep -cE '^pccbpf: wan2 [a-z]+ -> (up|down|degraded)' "$DAEMON_LOG")
same2=$(grep -cE '^pccbpf: wan2 ([a-z]+) -> \1:' "$DAEMON_LOG")
t_assert_le $((changes2 - same2)) 3 'changes of the link'
traffic_stop wan1 wan2
row "flapping 2 s / 2 s for $FLAP_S s, uplink and link" "$((changes - same)) and $((changes2 - same2)) changes"
HEALTH="$TARGETS, hold: 1s, hold-max: 1s"
anew

t_begin 'kill -9 of the daemon under load: nothing is lost, the next one adopts within 1 s'
traffic_start 100
kill -KILL "$DAEMON_PID"
eventually process_gone "$DAEMON_PID"
rm -f "$LAB_RUN/$LAB/pids/$DAEMON_PID"
sleep 1
start=$(now_ms)
daemon_start || t_bail 'no daemon'
TOOK_MS=$(($(now_ms) - start))
t_assert_ms "$TOOK_MS" 1000 adopted
t_assert 'it says that it adopted' daemon_said 'ready: adopted'
sleep 1
traffic_stop wan1
t_assert_eq "$BROKEN_THERE $LOST_THERE" '0 0' 'of the first WAN'
row 'kill -9 of the daemon' "adopted $TOOK_MS ms after the start"

t_begin "$QUIET_S s under full load: no false alarm"
traffic_start 100
: >"$DAEMON_LOG"
before=$(awk '{ printf "%d", $1 / 1000000 }' "/proc/$DAEMON_PID/schedstat")
# As many new connections as there is CPU for.
spawn lan1 bash -c "trap 'kill \$!; wait; exit' TERM
	while :; do $LABTOOL connect --dst '$SERVERS4' --port '$TCP_PORTS' --count 2000 --parallel 50 >/dev/null 2>&1 & wait; done"
LOAD_PID=$SPAWNED
sleep "$QUIET_S"
cpu=$(awk -v s="$QUIET_S" -v b="$before" '{ printf "%.1f", ($1 / 1000000 - b) / s / 10 }' "/proc/$DAEMON_PID/schedstat")
stop "$LOAD_PID"
new=$(stat_of '[.wans[].new_connections] | add')
t_assert_eq "$(grep -c '^pccbpf: ' "$DAEMON_LOG")" 0 "events: $(head -n 3 "$DAEMON_LOG")"
traffic_stop wan1
t_assert_eq "$BROKEN_THERE $LOST_THERE" '0 0' 'of the first WAN'
row "quiet for $QUIET_S s under full load" "no event; $new connections, the daemon used $cpu % of a core"

stop "$DAEMON_PID"
t_assert_status 0 pcc detach
