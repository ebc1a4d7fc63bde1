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
# An ISP's IPv6 address must outlive its link, or its IPv6 gateway does not answer any more and the WAN is degraded.
for k in 1 2 3; do
	isp $k bash -c 'echo 1 >/proc/sys/net/ipv6/conf/cust/keep_addr_on_down'
done

# conf [FAILBACK]: wan3 is a backup; the others have that failback policy. wan1 has targets.
TARGETS='targets: [203.0.113.1, "tcp://203.0.113.2:7000"], interval: 500ms, rise: 1, '
conf() {
	local wan
	{
		echo "lan: [br0]"
		echo "wans:"
		for wan in 1 2 3; do
			cat <<-END
			  - interface: wan$wan
			    tier: $((wan == 3 ? 2 : 1))
			    failback: ${1:-stay}
			    health: {${TARGETS}hold: 500ms, hold-max: 500ms}
			END
			TARGETS=
		done
	} >"$DAEMON_CONF"
}

# uplink dead|alive K...: what an ISP's customers send is lost behind its gateway, which still answers.
uplink() {
	local how=$1 k
	shift
	for k in "$@"; do
		if [[ $how == dead ]]; then
			isp "$k" nft 'add table inet dead { chain f { type filter hook forward priority -10; policy drop; }; }'
		else
			isp "$k" nft delete table inet dead
		fi
	done
}

of_wan() {
	jq --arg w "$1" '[.connections[] | select(.seen == "198.18.\($w).2" or .seen == "2001:db8:\($w)::2")]' <<<"$2"
}

# idle_up: connections that carry nothing, over wan1 and wan2.
idle_up() {
	hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port "$TCP_PORTS" --count $COUNT --interval-ms 60000
	eventually hold_is ".alive == $COUNT"
	BEFORE=$(hold_report)
	on1=$(of_wan 1 "$BEFORE" | jq length)
	t_assert "wan1 has $on1 of them" test "$on1" -ge 8
}

# ended_on WAN COUNT: that many of its connections.
ended_on() {
	[[ $(of_wan "$1" "$(hold_report)" | jq '[.[] | select(.alive | not)] | length') == "$2" ]]
}

# others_unharmed: of wan2's idle connections none ended.
others_unharmed() {
	t_assert 'no connection of wan2 ended' ended_on 2 0
}

conf
t_begin 'the daemon attaches what its file says; the backup stands by'
daemon_start || t_bail "no daemon"
t_assert_eq "$(pcc wan list --json | jq -c '[.[] | [.name, .state]]')" \
	'[["wan1","up"],["wan2","up"],["wan3","standby"]]' states
t_assert_status 0 pcc status

t_begin 'link down: out of use within 0.5 s; its idle clients are told, the others notice nothing'
idle_up
: >"$DAEMON_LOG"
isp 1 ip link set cust down
within_ms 500 'wan1 is down' daemon_said '^pccbpf: wan1 up -> down: no carrier'
within_ms 1500 "all $on1 connections of wan1 ended" ended_on 1 "$on1"
others_unharmed
t_assert 'the log counts them' eventually daemon_said "^pccbpf: reset: $on1 connections were reset, 0 "
t_assert_status 3 pcc status
hold_stop >/dev/null

t_begin 'its new connections go to the other WAN of its tier; none to the backup'
sources() {
	lan 1 "$LABTOOL" connect --dst "$SERVERS4" --port "$TCP_PORTS" --count 100 2>/dev/null | awk '{ print $5 }' | sort -u | paste -sd' '
}
t_assert_eq "$(sources)" 198.18.2.2 sources
t_assert_eq "$(pcc wan list --json | jq -r '.[0].reason')" 'no carrier' 'reason in status'

t_begin 'link up: in use again after its hold; what moved stays'
hold_start lan1 --dst "$SERVERS4" --port "$TCP_PORTS" --count 30 --interval-ms 100
eventually hold_is '.alive == 30'
isp 1 ip link set cust up
t_assert 'wan1 is up' eventually wan_is wan1 up
t_assert_eq "$(sources)" '198.18.1.2 198.18.2.2' sources
hold_unharmed 30
hold_stop >/dev/null

t_begin 'uplink dead behind a live link: out of use within 3 s; the other WAN loses no packet'
idle_up
port_on() { # a source port whose connections leave by that WAN
	local port
	for ((port = 50000; port < 50064; port++)); do
		[[ $(pcc explain "192.168.77.11:$port" "203.0.113.5:$UDP_PORT" udp --json | jq -r .wan) == "$1" ]] && echo "$port" && return
	done
}
port=$(port_on wan2)
# One datagram after the other, each answered: 500 lines a turn, but for what is lost.
# shellcheck disable=SC2016
spawn_to "$T_DIR/answers" lan1 bash -c 'until [[ -e $0 ]]; do "$@" 2>/dev/null; echo turn; done' "$T_DIR/enough" \
	"$LABTOOL" connect --proto udp --dst 203.0.113.5 --port "$UDP_PORT" --sport-base "$port" --sport-count 1 \
	--count 500 --parallel 1 --timeout-ms 1000
asker=$SPAWNED
: >"$DAEMON_LOG"
uplink dead 1
within_ms 3000 'wan1 is down' daemon_said '^pccbpf: wan1 [a-z]+ -> down: too few targets answer'
within_ms 1500 "all $on1 connections of wan1 ended" ended_on 1 "$on1"
others_unharmed
hold_stop >/dev/null
t_assert_eq "$(sources)" 198.18.2.2 sources
touch "$T_DIR/enough"
t_assert 'the questions end' eventually process_gone "$asker"
turns=$(grep -c '^turn' "$T_DIR/answers")
t_assert "there were $turns turns" test "$turns" -ge 3
t_assert_eq "$(grep -c ' 198.18.2.2' "$T_DIR/answers")" $((500 * turns)) 'answers through wan2'

t_begin 'the whole tier is dead: the backup is used; when the tier is back, its connections are kept'
: >"$DAEMON_LOG"
isp 2 ip link set cust down
within_ms 500 'wan3 is up' daemon_said '^pccbpf: wan3 standby -> up'
t_assert_eq "$(sources)" 198.18.3.2 sources
hold_start lan1 --dst "$SERVERS4" --port "$TCP_PORTS" --count 20 --interval-ms 100
eventually hold_is '.alive == 20'
uplink alive 1
isp 2 ip link set cust up
t_assert 'the backup stands by' eventually wan_is wan3 standby
t_assert 'wan1, wan2 are in use' eventually eval "[[ \$(sources) == '198.18.1.2 198.18.2.2' ]]"
hold_unharmed 20
t_assert_eq "$(sources)" '198.18.1.2 198.18.2.2' 'sources of new ones'
hold_stop >/dev/null

t_begin 'SIGHUP with other health: links alone decide'
conf
kill -HUP "$DAEMON_PID"
t_assert 'the file is read' eventually daemon_said '^pccbpf: reload: '

t_begin 'all are dead: the last set stays in use, nothing is flushed, there is an alarm'
hold_start lan1 --dst "$SERVERS4" --port "$TCP_PORTS" --count 20 --interval-ms 60000
eventually hold_is '.alive == 20'
: >"$DAEMON_LOG"
isp 1 ip link set cust down
isp 2 ip link set cust down
t_assert 'wan3 is used' eventually wan_is wan3 up
isp 3 ip link set cust down
t_assert 'alarm' eventually daemon_said '^pccbpf: alarm: '
t_assert_eq "$(wan_state wan3)" up 'state of the last one'
t_assert_eq "$(pcc wan list --json | jq -r '.[2].share')" 1 'its share'
isp 3 ip link set cust up
t_assert 'alarm is over' eventually daemon_said '^pccbpf: alarm-over: '
hold_stop >/dev/null

t_begin 'failback kill: the backup is emptied when the tier is back'
conf kill
kill -HUP "$DAEMON_PID"
t_assert 'the file is read' eventually daemon_said '^pccbpf: reload: '
hold_start lan1 --dst "$SERVERS4" --port "$TCP_PORTS" --count 20 --interval-ms 100 --reconnect
t_assert 'all are on the backup' eventually hold_is '.alive == 20 and ([.connections[].seen] | unique == ["198.18.3.2"])'
isp 1 ip link set cust up
isp 2 ip link set cust up
t_assert 'all are on the tier' eventually hold_is \
	'.alive == 20 and ([.connections[].seen_after] | unique | . == ["198.18.1.2", "198.18.2.2"])'
t_assert_eq "$(wan_state wan3)" standby 'state of the backup'
t_assert_status 0 pcc status
hold_stop >/dev/null

t_begin 'failback drain: the backup keeps its connections and gets no new ones'
conf drain
: >"$DAEMON_LOG"
kill -HUP "$DAEMON_PID"
t_assert 'the file is read' eventually daemon_said '^pccbpf: reload: '
isp 1 ip link set cust down
isp 2 ip link set cust down
t_assert 'wan3 is used' eventually wan_is wan3 up
hold_start lan1 --dst "$SERVERS4" --port "$TCP_PORTS" --count 20 --interval-ms 100
eventually hold_is '.alive == 20'
isp 1 ip link set cust up
isp 2 ip link set cust up
t_assert 'the backup stands by' eventually wan_is wan3 standby
t_assert 'wan1, wan2 are in use' eventually eval "[[ \$(sources) == '198.18.1.2 198.18.2.2' ]]"
hold_unharmed 20
t_assert_eq "$(hold_report | jq -r '[.connections[].seen] | unique | join(" ")')" 198.18.3.2 'where they are'
hold_stop >/dev/null

t_begin 'drain and down by hand stay, up gives the WAN back to the daemon'
t_assert_status 0 pcc wan set wan1 --state down
t_assert 'the daemon takes note' eventually daemon_said '^pccbpf: wan1 .*: set by hand$'
read_again() { daemon_said 'reload: .* in force'; }
: >"$DAEMON_LOG"
kill -HUP "$DAEMON_PID"
t_assert 'the file is read again' eventually read_again
t_assert_eq "$(wan_state wan1)" down 'state after a reload'
t_assert_status 0 pcc wan set wan1 --state up
t_assert 'the daemon takes note' eventually wan_is wan1 up
stop "$DAEMON_PID"
t_assert_status 0 pcc detach
