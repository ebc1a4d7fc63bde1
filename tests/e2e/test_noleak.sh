#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# No packet leaves a WAN with another WAN's source address, whatever happens to the WANs while
# traffic runs: states, weights, WANs deleted and added, links down and up, connections forgotten.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip nft nsenter jq conntrack

# The firewall that every router has: what conntrack cannot place is not forwarded. Without it a
# FIN that comes after its connection was forgotten leaves with the LAN host's own address. And what
# the router itself sends: on a WAN that was deleted its resets of late packets go by the main table.
drop_invalid() {
	rt nft -f - <<-'END'
	table inet firewall {
		chain forward {
			type filter hook forward priority filter;
			ct state invalid drop
		}
		chain output {
			type filter hook output priority filter;
			oifname != "wan1" ip saddr 198.18.1.2 drop
			oifname != "wan1" ip6 saddr 2001:db8:1::2 drop
			oifname != "wan2" ip saddr 198.18.2.2 drop
			oifname != "wan2" ip6 saddr 2001:db8:2::2 drop
		}
	}
	END
}

# Long-lived TCP, new TCP and UDP connections, UDP flows that never end, and connections from outside to
# the WAN that is never deleted (what comes in on a WAN that is not ours is not ours to answer).
traffic_start() {
	local worker
	hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port 7000-7003 --count 60 --interval-ms 30 --reconnect --timeout-ms 800 \
		--src-base 192.168.77.100,fd77::100 --src-count 3
	WORKERS=()
	# shellcheck disable=SC2016
	for worker in \
		'while :; do "$0" connect --proto tcp --dst "$1" --port 7004-7007 --count 50 --timeout-ms 400 --rst; sleep 0.2; done' \
		'while :; do "$0" connect --proto udp --dst "$1" --port 7004-7007 --count 50 --timeout-ms 400; sleep 0.2; done' \
		'exec "$0" blast --dst "$1" --port 7100 --flows 100 --sport-base 9000 --rate 500 --count 1000000'; do
		spawn lan1 bash -c "trap 'exit 0' TERM; $worker" "$LABTOOL" "$SERVERS4,$SERVERS6"
		WORKERS+=("$SPAWNED")
	done
	# shellcheck disable=SC2016
	spawn inet bash -c 'trap "exit 0" TERM
		while :; do "$0" connect --dst "$1" --port 9000 --count 30 --timeout-ms 400; sleep 0.2; done' "$LABTOOL" \
		198.18.3.2,2001:db8:3::2
	WORKERS+=("$SPAWNED")
}

traffic_stop() {
	local pid
	for pid in "${WORKERS[@]}"; do
		stop "$pid"
	done
	hold_stop >"$T_DIR/held"
}

# flows_are JQ: of the sources of the long-lived connections that are alive.
flows_are() {
	[[ $(hold_report | jq "[.connections[] | select(.alive) | .seen_after // .seen] | $1") == true ]]
}

link_restore() {
	rt ip link set wan2 up
	rt ip -6 addr replace 2001:db8:2::2/64 dev wan2 nodad
	rt ip route replace default via 198.18.2.1 dev wan2 metric 200
	rt ip -6 route replace default via 2001:db8:2::1 dev wan2 metric 200
	pcc attach --lan br0 --wan wan1,wan2,wan3 >/dev/null
}

# The changes, in order. Each is done with all the traffic running; poll says when it has been felt.
changes() {
	cat <<-'END'
	pcc wan set wan1 --state down
	pcc wan set wan1 --state up
	pcc wan set wan2 --state drain
	pcc wan set wan2 --state up
	pcc wan set wan3 --weight 7
	pcc wan del wan2
	pcc wan add wan2
	pcc conns flush --all
	isp 3 ip link set cust down
	isp 3 ip link set cust up
	rt ip link set wan2 down
	link_restore
	pcc wan del wan1
	pcc wan add wan1*3
	END
}

packets_total() {
	stat_of '[.wans[].tx_packets] | add'
}

grown_by() {
	(($(packets_total) - $1 >= $2))
}

lab_up --isps 3 --hosts 1 --host-addrs 20
drop_invalid
spawn rt "$LABTOOL" serve --tcp 9000 --ready "$T_DIR/ready"
eventually test -s "$T_DIR/ready" || t_bail 'the service does not start'
pcc attach --lan br0 --wan wan1,wan2,wan3 >/dev/null || t_bail 'attach failed'

t_begin 'the traffic covers all WANs in both families'
traffic_start
sniff_start rt wan1,wan2,wan3
t_assert 'all connections are alive' eventually hold_is '.alive == 60'
t_assert 'six sources' flows_are 'unique | length == 6'

while read -r -a change; do
	t_begin "no foreign source while: ${change[*]}"
	kill -USR1 "$SNIFF_PID"
	"${change[@]}" >"$T_DIR/out" 2>"$T_DIR/err" </dev/null || t_fail "it failed: $(head -n 1 "$T_DIR/err")"
	before=$(packets_total)
	eventually grown_by "$before" 600 || t_fail 'the traffic has stopped'
	case ${change[*]} in
	*'--state down') t_assert 'wan1 has no connection' eventually flows_are 'length > 30 and all(. != "198.18.1.2" and . != "2001:db8:1::2")' ;;
	*'del wan2') t_assert 'wan2 has no connection' eventually flows_are 'length > 30 and all(. != "198.18.2.2" and . != "2001:db8:2::2")' ;;
	esac
	t_assert_eq "$(leaks_total)" 0 "packets that ISPs dropped for their source $("$LAB_SH" leaks --name "$LAB" --sources | paste -sd,)"
	leaks_reset
done < <(changes)

t_begin 'in all that time no WAN has sent a source that is not its own'
traffic_stop
sniff_stop >"$T_DIR/sniffed"
t_assert_eq "$(foreign_sources <"$T_DIR/sniffed")" '' 'foreign sources'
t_assert_eq "$(awk '$2 ~ /^198.18|^2001/ { print $1, $2 }' "$T_DIR/sniffed" | sort -u | wc -l)" 6 'WANs and sources seen'
assert_no_leak
