#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# More connections than the map has room for: traffic flows, and those that stand keep their WAN.
#
# alone: fifty thousand packets a second must all arrive

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip nft nsenter jq

COUNT=50
FLOWS=100000
SOCKETS=16000

lab_up --isps 3 --hosts 1

# The server sees a connection whose source changes as another one, and the connection breaks.
flood_and_look() {
	local wans before
	t_assert_status 0 pcc attach --lan br0 --wan wan1,wan2,wan3 --max-conns 1024
	t_assert_eq "$(pcc status --json | jq .max_conns)" 1024 max_conns
	leaks_reset
	hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port "$TCP_PORTS" --count $COUNT --interval-ms 200
	hold_unharmed $COUNT
	wans=$(hold_report | jq -c '[.connections[].seen] | unique | length')
	t_assert_eq "$wans" 6 'source addresses of them all'
	# From here on the hash would give many of them another WAN: only what is remembered keeps them.
	t_assert_status 0 pcc wan set wan1 --weight 9
	t_assert_eq "$(udp_query 203.0.113.5 "$SINK_PORT" RESET)" '0 0' 'sink after RESET'
	before=$(now_ms)
	lan 1 "$LABTOOL" blast --dst 203.0.113.5 --port "$SINK_PORT" --count $FLOWS --flows $SOCKETS \
		--rate 50000 --sport-base 10000 >"$T_DIR/blast"
	t_assert_eq "$(jq .sent "$T_DIR/blast")" $FLOWS 'packets sent'
	echo "     $FLOWS packets in $(($(now_ms) - before)) ms, $(jq .dropped "$T_DIR/blast") dropped by the host's device and sent again"
}

# Devices of the path that have dropped what they were to send, and how many: "lan1/eth0 12,...".
devices_dropped() {
	local ns
	for ns in lan1 rt isp1 isp2 isp3; do
		in_lab $ns ip -j -s link show |
			jq -r --arg ns $ns '.[] | select(.stats64.tx.dropped > 0) | "\($ns)/\(.ifname) \(.stats64.tx.dropped)"'
	done | paste -sd,
}

t_begin "$FLOWS packets of $SOCKETS UDP flows on a map of 1024: they all arrive"
flood_and_look
# What the host's device dropped never came to the router, and blast has sent it again: so not one is missing.
arrived() {
	ARRIVED=$(udp_query 203.0.113.5 "$SINK_PORT" COUNT)
	[[ $ARRIVED == "$FLOWS "* ]]
}
eventually arrived
t_assert_eq "${ARRIVED% *}" $FLOWS "packets arrived (dropped by devices: $(devices_dropped))"
t_assert_eq "$(leaks_total)" 0 leaks
t_assert_le "$(pcc conns --json | jq length)" 1024 'connections remembered'

t_begin "$COUNT connections that stand survive it, and keep their WAN"
hold_unharmed $COUNT

t_begin "$FLOWS connection attempts with addresses of their own: the same"
lan 1 "$LABTOOL" synflood --dst "$SERVERS4" --port 6000-6999 --count $FLOWS --src-base 192.168.77.100 \
	--src-count 100 --sport-base 1024 --rate 40000 >"$T_DIR/flood"
t_assert_eq "$(jq .sent "$T_DIR/flood")" $FLOWS 'SYNs sent'
hold_unharmed $COUNT
t_assert_eq "$(leaks_total)" 0 leaks

t_begin 'new connections come about during a flood, through every WAN'
spawn lan1 "$LABTOOL" synflood --dst "$SERVERS4" --port 6000-6999 --count 60000 --src-base 192.168.77.100 \
	--src-count 100 --sport-base 1024 --rate 20000
flood=$SPAWNED
t_assert_eq "$(lan 1 "$LABTOOL" connect --dst "$SERVERS4" --port "$TCP_PORTS" --count 300 2>"$T_DIR/err" |
	awk '$1 == "FAIL" { print; next } { print $5 }' | sort -u | paste -sd' ')" \
	'198.18.1.2 198.18.2.2 198.18.3.2' 'sources'
t_assert 'the flood ends' eventually process_gone "$flood"
hold_unharmed $COUNT

t_begin 'after the flood a connection is remembered again'
t_assert_eq "$(lan 1 "$LABTOOL" connect --dst 203.0.113.1 --port 7000 --sport-base 45678 2>/dev/null | wc -l)" 1 connected
t_assert_eq "$(pcc conns --json --sport 45678 | jq length)" 1 'entries of it'
hold_unharmed $COUNT
t_assert_eq "$(hold_stop | jq -c '[.alive, .broken]')" "[$COUNT,0]" 'alive, broken'
t_assert_status 0 pcc detach
