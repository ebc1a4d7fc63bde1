#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What happens to connections when their WAN is taken away: `wan del` and `wan set --state down`.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip nft nsenter jq conntrack

COUNT=120
INTERVAL=200
# A connection ends within a second of the client's next packet, which is at most INTERVAL away.
GAP_LIMIT=$((1000 + INTERVAL))

lab_up --isps 3 --hosts 1
t_begin 'the connections stand on three WANs'
t_assert_status 0 pcc attach --lan br0 --wan wan1,wan2,wan3

# Entries of other people: no mark, marks outside of our mask, with and without a WAN's mark inside.
# ct_add PORT MARK
ct_add() {
	rt conntrack -I -p udp -s 192.168.77.250 -d 203.0.113.99 --sport "$1" --dport 9 -r 203.0.113.99 \
		-q 192.168.77.250 --reply-port-src 9 --reply-port-dst "$1" -t 600 -m "$2" >/dev/null 2>&1
}

ct_ports() {
	rt conntrack -L -p udp -s 192.168.77.250 2>/dev/null | grep -o 'sport=[0-9]* dport=9 ' | grep -o '[0-9]* dport' |
		cut -d' ' -f1 | sort | paste -sd' '
}

ct_add_all() {
	ct_add 41000 0
	ct_add 41100 $((0x100))
	ct_add 41200 $((0x200))
	ct_add 41300 $((0x300))
	ct_add 41301 $((0x70300))
	ct_add 41302 $((0x70000))
	ct_add 41303 $((0x3))
	ct_add 41304 $((0x1300))
}

# established WAN: entries of connections that stand.
established() {
	rt conntrack -L -p tcp --state ESTABLISHED -m $(($1 << 8))/0xff00 2>/dev/null | wc -l
}

of_wan() {
	jq --arg w "$1" '[.connections[] | select(.seen == "198.18.\($w).2" or .seen == "2001:db8:\($w)::2")]' <<<"$2"
}

hold_up() {
	hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port "$TCP_PORTS" --count $COUNT --interval-ms $INTERVAL --reconnect
	hold_unharmed $COUNT
	before=$(hold_report)
	for wan in 1 2 3; do
		n[wan]=$(of_wan $wan "$before" | jq length)
		t_assert "wan$wan has ${n[wan]} connections" test "${n[wan]}" -ge 15
	done
}

# gone_from WAN: its connections were cut and are back elsewhere; the others did not notice.
gone_from() {
	local wan=$1 last other
	t_assert 'all are back' eventually hold_is ".alive == $COUNT and .reconnected == ${n[wan]}"
	last=$(hold_report)
	t_assert_eq "$(jq -c '[.alive, .broken, .reconnected]' <<<"$last")" "[$COUNT,${n[wan]},${n[wan]}]" \
		'alive, broken, reconnected'
	t_assert_eq "$(of_wan "$wan" "$last" | jq -c '[.[] | select(.reconnects == 1)] | length')" "${n[wan]}" \
		'those of the WAN that came back once'
	t_assert_eq "$(of_wan "$wan" "$last" | jq -c --arg w "$wan" \
		'[.[] | select(.seen_after | test("^198.18.\($w)[.]|^2001:db8:\($w):"))] | length')" 0 \
		'those that came back through the same WAN'
	t_assert_ms "$(of_wan "$wan" "$last" | jq '[.[].max_gap_ms] | max')" $GAP_LIMIT 'their longest silence'
	for other in 1 2 3; do
		((other == wan)) || t_assert_eq "$(of_wan $other "$last" | jq -c \
			'[length, ([.[] | select(.alive and (.reconnects | not))] | length)]')" \
			"[${n[other]},${n[other]}]" "those of wan$other, and of them unharmed"
	done
}

# Handshakes without data, and datagrams that nobody answers, not even by an ICMP error, which would be reason to mark
# them: conntrack entries without a mark.
inet ip route add blackhole 203.0.113.99/32
young_open() {
	# shellcheck disable=SC2016 # for the other bash
	spawn_to "$T_DIR/young" lan1 bash -c 'for ((i = 0; i < 30; i++)); do
		exec {fd}<>/dev/tcp/203.0.113.1/'"$HTTP_PORT"' && exec {fd}<>/dev/tcp/2001:db8:ffff::1/'"$HTTP_PORT"'
		exec {fd}<>/dev/udp/203.0.113.99/9 && echo >&$fd
	done; echo opened; exec sleep 600'
	YOUNG_PID=$SPAWNED
	eventually grep -q opened "$T_DIR/young" || t_fail "$(cat "$T_DIR/young")"
}

# young FAMILY PROTO: how many of wan3 have no mark, by the address that NAT gave them.
young() {
	rt conntrack -L -f "ipv$1" -p "$2" -m 0/0xff00 2>/dev/null | grep -c " dst=$(wan_address "$1" wan3) "
}

for how in 'wan del wan3' 'wan set wan3 --state down'; do
	t_begin "$how: connections too young to be marked in conntrack are forgotten there, too"
	young_open
	for kind in '4 tcp' '6 tcp' '4 udp'; do
		read -ra words <<<"$kind"
		t_assert "unmarked through wan3, IPv$kind: $(young "${words[@]}")" test "$(young "${words[@]}")" -ge 2
	done
	read -ra words <<<"$how"
	t_assert_status 0 pcc "${words[@]}"
	for kind in '4 tcp' '6 tcp' '4 udp'; do
		read -ra words <<<"$kind"
		t_assert_eq "$(young "${words[@]}")" 0 "of them, IPv$kind"
	done
	stop "$YOUNG_PID"
	if [[ $how == *del* ]]; then
		t_assert_status 0 pcc wan add wan3
	else
		t_assert_status 0 pcc wan set wan3 --state up
	fi
done

declare -a n
for how in 'wan del wan3' 'wan set wan3 --state down'; do
	t_begin "$how: its connections end and come back elsewhere, the others do not notice"
	hold_up
	ct_add_all
	t_assert_eq "$(ct_ports)" '41000 41100 41200 41300 41301 41302 41303 41304' 'entries of other people'
	kept1=$(established 1)
	kept2=$(established 2)
	read -ra words <<<"$how"
	t_assert_status 0 pcc "${words[@]}"
	t_assert_eq "$(rt conntrack -L -m 0x300/0xff00 2>/dev/null | wc -l)" 0 'entries with the mark of wan3'
	gone_from 3

	t_begin "$how: exactly the conntrack entries with its mark are deleted"
	t_assert_eq "$(ct_ports)" '41000 41100 41200 41302 41303 41304' 'entries that stay'
	t_assert_eq "$(($(established 1) >= kept1)) $(($(established 2) >= kept2))" '1 1' 'connections of wan1, wan2'
	t_assert_eq "$(pcc conns --json | jq '[.[] | select(.wan == "wan3")] | length')" 0 'remembered for wan3'
	rt conntrack -D -p udp -s 192.168.77.250 >/dev/null 2>&1

	t_begin "$how: no packet leaves by it, none with a foreign source by the others"
	leaks_reset
	sniff_start rt wan1,wan2,wan3
	t_assert_eq "$(lan 1 "$LABTOOL" connect --dst "$SERVERS4,$SERVERS6" --port "$TCP_PORTS" --count 300 2>/dev/null |
		awk '{ print $5 }' | sort -u | paste -sd' ')" '198.18.1.2 198.18.2.2 2001:db8:1::2 2001:db8:2::2' sources
	t_assert_eq "$(sniff_stop | awk '$1 == "wan3"' | grep -vc ' fe80:')" 0 'sources on wan3'
	t_assert_eq "$(leaks_total)" 0 leaks
	last=$(hold_stop)
	t_assert_eq "$(jq .alive <<<"$last")" $COUNT alive

	t_begin "$how: when it is back, new connections get its share, older ones stay"
	hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port "$TCP_PORTS" --count $COUNT --interval-ms $INTERVAL
	hold_unharmed $COUNT
	if [[ $how == *del* ]]; then
		t_assert_status 0 pcc wan add wan3
	else
		t_assert_status 3 pcc status
		t_assert_status 0 pcc wan set wan3 --state up
	fi
	t_assert_status 0 pcc status
	share=$(lan 1 "$LABTOOL" connect --dst "$SERVERS4" --port "$TCP_PORTS" --count 900 2>/dev/null |
		awk '$5 == "198.18.3.2"' | wc -l)
	t_assert "$share of 900 new ones through wan3" within_4_sigma "$share" 900 0.333333
	hold_unharmed $COUNT
	hold_stop >/dev/null
done

t_begin 'drain: connections stay, new ones go elsewhere'
hold_up
t_assert_status 0 pcc wan set wan2 --state drain
t_assert_eq "$(lan 1 "$LABTOOL" connect --dst "$SERVERS4,$SERVERS6" --port "$TCP_PORTS" --count 300 2>/dev/null |
	awk '{ print $5 }' | sort -u | paste -sd' ')" '198.18.1.2 198.18.3.2 2001:db8:1::2 2001:db8:3::2' 'sources of new ones'
hold_unharmed $COUNT
t_assert_eq "$(of_wan 2 "$(hold_report)" | jq '[.[] | select(.alive and (.reconnects | not))] | length')" "${n[2]}" \
	'connections of wan2'

t_begin 'two WANs down, one left: it carries everything'
t_assert_status 0 pcc wan set wan1 --state down
t_assert_status 0 pcc wan set wan2 --state down
through_wan3() {
	hold_is ".alive == $COUNT and
		([.connections[] | .seen_after // .seen] | unique == [\"198.18.3.2\", \"2001:db8:3::2\"])"
}
t_assert 'all connections are on wan3' eventually through_wan3
t_assert_eq "$(hold_stop | jq .alive)" $COUNT alive
t_assert_status 3 pcc status
t_assert_status 0 pcc wan set wan1 --state up
t_assert_status 0 pcc wan set wan2 --state up

# In a lab of its own: the clients of connections that were cut repeat their FINs for minutes, which are untracked.
t_assert_status 0 pcc detach
first=$LAB
lab_up --isps 3 --hosts 1
lab_down "$first"
t_assert_status 0 pcc attach --lan br0 --wan wan1,wan2,wan3

# With br_netfilter conntrack has seen a frame, and closed the connection, before the bridge's tc sees it.
open_on_servers() {
	inet ss -Htn state established "sport = :$TCP_PORT" | wc -l
}
untracked() {
	pcc stats --json | jq .counters.untracked
}
BR_NF=/proc/sys/net/bridge/bridge-nf-call
for call in 0 1; do
	t_begin "resets of LAN clients reach the servers, br_netfilter $call"
	[[ -e $BR_NF-iptables ]] || { t_skip 'br_netfilter is not loaded'; continue; }
	rt sh -c "echo $call >$BR_NF-iptables && echo $call >$BR_NF-ip6tables"
	before=$(untracked) open=$(open_on_servers)
	t_assert_eq "$(lan 1 "$LABTOOL" connect --dst "$SERVERS4,$SERVERS6" --port "$TCP_PORT" --count 60 --rst \
		2>/dev/null | grep -vc FAIL)" 60 connections
	none_more() { (($(open_on_servers) <= open)); }
	t_assert "no server keeps one of them open" eventually none_more
	t_assert_eq "$(untracked)" "$before" 'untracked'
done
t_assert_status 0 pcc detach
