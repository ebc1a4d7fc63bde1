#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The lab itself, without pccbpf: what the other tests stand on must be right.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip nft nsenter jq curl ethtool

# seen_sources OUTPUT-OF-CONNECT: the distinct source addresses the servers saw.
seen_sources() {
	awk '$1 == "FAIL" { print; next } { print $5 }' | sort -u | paste -sd' '
}

connect() {
	lan 1 "$LABTOOL" connect "$@" 2>/dev/null
}

lab_up --isps 3 --hosts 2 --host-addrs 4
first_lab=$LAB

t_begin 'the router finds a default route per ISP, wan1 first, for both families'
t_assert_eq "$(rt ip -4 route show default | awk '{ print $3, $5, $7 }' | paste -sd,)" \
	'198.18.1.1 wan1 100,198.18.2.1 wan2 200,198.18.3.1 wan3 300' 'IPv4'
t_assert_eq "$(rt ip -6 route show default | awk '{ print $3, $5, $7 }' | paste -sd,)" \
	'2001:db8:1::1 wan1 100,2001:db8:2::1 wan2 200,2001:db8:3::1 wan3 300' 'IPv6'

t_begin 'the bpffs belongs to the lab alone'
t_assert_eq "$(stat -f -c %T "$BPFFS")" bpf_fs 'file system'

t_begin 'without NAT an ISP drops the packets of the LAN and counts each of them'
t_assert_status 1 lan 1 "$LABTOOL" connect --proto udp --dst "$SERVERS4" --port "$UDP_PORTS" \
	--count 37 --timeout-ms 100
t_assert_status 1 lan 1 "$LABTOOL" connect --proto udp --dst "$SERVERS6" --port "$UDP_PORTS" \
	--count 11 --timeout-ms 100
t_assert_eq "$("$LAB_SH" leaks --name "$LAB" | paste -sd,)" \
	'isp1 37 11,isp2 0 0,isp3 0 0,total 48' 'leaks'
t_assert_eq "$("$LAB_SH" leaks --name "$LAB" --sources | paste -sd,)" \
	'isp1 192.168.77.11,isp1 fd77::11' 'their sources'
leaks_reset
t_assert_eq "$(leaks_total)" 0 'leaks after the reset'

plain_masquerade

t_begin 'TCP, UDP and HTTP reach every server through wan1, with its address'
t_assert_eq "$(connect --dst "$SERVERS4" --port "$TCP_PORTS" --count 128 | seen_sources)" 198.18.1.2 TCPv4
t_assert_eq "$(connect --dst "$SERVERS6" --port "$TCP_PORTS" --count 128 | seen_sources)" 2001:db8:1::2 TCPv6
t_assert_eq "$(connect --proto udp --dst "$SERVERS4" --port "$UDP_PORTS" --count 128 | seen_sources)" \
	198.18.1.2 UDPv4
t_assert_eq "$(connect --proto udp --dst "$SERVERS6" --port "$UDP_PORTS" --count 128 | seen_sources)" \
	2001:db8:1::2 UDPv6
t_assert_eq "$(lan 2 curl -s -m 5 http://203.0.113.2/)" 198.18.1.2 HTTPv4
t_assert_eq "$(lan 2 curl -s -m 5 'http://[2001:db8:ffff::2]/')" 2001:db8:1::2 HTTPv6
t_assert_eq "$(lan 2 curl -s -m 5 http://203.0.113.2/bytes/1234567 | wc -c)" 1234567 'HTTP body'
t_assert_eq "$(leaks_total)" 0 leaks

t_begin 'HTTP is slow when asked to be'
start=$(now_ms)
t_assert_eq "$(lan 2 curl -s -m 5 http://203.0.113.2/slow/50000/100000 | wc -c)" 50000 'HTTP body'
t_assert_le 450 $(($(now_ms) - start)) 'the least time (ms)'

t_begin 'connections use the source addresses and ports that were asked for'
want=$(printf '192.168.77.10%d %d 203.0.113.1 7000 198.18.1.2 %d\n' 0 30000 30000 1 30001 30001 \
	2 30002 30002 3 30003 30003 0 30004 30004)
got=$(connect --dst 203.0.113.1 --port 7000 --count 5 --src-base 192.168.77.100 --src-count 4 \
	--sport-base 30000 --rst | sort -k2n)
t_assert_eq "$got" "$want" tuples
got=$(connect --dst 2001:db8:ffff::1 --port 7000 --src-base fd77::103 --sport-base 30000 --rst)
t_assert_eq "$got" 'fd77::103 30000 2001:db8:ffff::1 7000 2001:db8:1::2 30000' 'IPv6 tuple'

t_begin 'a refused connection is a FAIL line with its reason and status 1'
t_assert_status 1 lan 1 "$LABTOOL" connect --dst 203.0.113.1 --port 6999 --sport-base 31000
t_assert_eq "$(<"$T_DIR/out")" 'FAIL ECONNREFUSED 192.168.77.11 31000 203.0.113.1 6999' line

t_begin '10,000 connections are made in a few seconds, all tuples different'
start=$(now_ms)
connect --dst "$SERVERS4" --port "$TCP_PORTS" --count 10000 --src-base 192.168.77.100 --src-count 4 \
	--sport-base 20000 >"$T_DIR/many"
t_assert_ms $(($(now_ms) - start)) 10000
t_assert_eq "$(grep -c ' 198.18.1.2 ' "$T_DIR/many")" 10000 connections
t_assert_eq "$(cut -d' ' -f1-4 "$T_DIR/many" | sort -u | wc -l)" 10000 tuples

t_begin 'blast, sink and sniff count the same packets'
before=$(udp_query 203.0.113.5 "$SINK_PORT" RESET)
t_assert_eq "$before" '0 0' 'sink after RESET'
sniff_start rt wan1,wan2,wan3
lan 1 "$LABTOOL" blast --dst 203.0.113.5 --port "$SINK_PORT" --count 5000 --flows 50 --size 22 \
	--sport-base 40000 --rate 50000 >"$T_DIR/blast"
t_assert_eq "$(jq .sent "$T_DIR/blast")" 5000 sent
sink_has() {
	[[ $(udp_query 203.0.113.5 "$SINK_PORT" COUNT) == "$1" ]]
}
t_assert 'the sink counts 5000 packets' eventually sink_has '5000 110000'
queries=$(sniff_stop | awk '$1 != "wan1" || $2 != "198.18.1.2" { print "foreign:", $0; next } { print $3 - 5000 }')
# Each of the few queries is one more packet of the same source.
[[ $queries =~ ^[1-9][0-9]?$ ]] || t_fail "sniffed: '$queries'"

t_begin 'a datagram in fragments arrives, in both orders, and so does the answer'
for order in normal reverse; do
	t_assert_eq "$(lan 1 "$LABTOOL" frag --dst 203.0.113.4 --port 7000 --sport 5001 --size 4000 --order $order)" \
		'192.168.77.11 5001 203.0.113.4 7000 198.18.1.2 5001' "IPv4 $order"
	t_assert_eq "$(lan 1 "$LABTOOL" frag --dst 2001:db8:ffff::4 --port 7000 --sport 5001 --size 4000 --order $order)" \
		'fd77::11 5001 2001:db8:ffff::4 7000 2001:db8:1::2 5001' "IPv6 $order"
done

t_begin 'synflood sends what it says, from that many sources'
sniff_start rt br0 --direction in
lan 1 "$LABTOOL" synflood --dst 203.0.113.6 --port 6000 --count 400 --src-base 192.168.77.200 --src-count 40 \
	>"$T_DIR/syn"
t_assert_eq "$(jq -c '[.sent, .failed]' "$T_DIR/syn")" '[400,0]' report
t_assert_eq "$(sniff_stop | awk '$2 ~ /^192.168.77.2[0-3]/ { n++; k += $3 } END { print n, k }')" '40 400' seen

t_begin 'long-lived connections stay alive, their bytes are intact'
hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port 7000-7003 --count 32 --interval-ms 50 --reconnect \
	--timeout-ms 1500
t_assert 'all are alive' eventually hold_is '.alive == 32 and ([.connections[].bytes] | min) > 640'
t_assert_eq "$(hold_report | jq -c '[.broken, ([.connections[].seen] | unique)]')" \
	'[0,["198.18.1.2","2001:db8:1::2"]]' 'broken, seen'

t_begin 'when the link is cut they break, come back through wan2, and say so'
rt ip link set wan1 down
t_assert 'all are back' eventually hold_is '.alive == 32 and .reconnected == 32'
last=$(hold_stop)
t_assert_eq "$(jq -c '[.alive, .broken, ([.connections[].seen_after] | unique)]' <<<"$last")" \
	'[32,32,["198.18.2.2","2001:db8:2::2"]]' 'alive, broken, seen after'
t_assert_eq "$(jq '.max_gap_ms > 0 and .max_gap_ms < 10000' <<<"$last")" true 'gap'

t_begin 'two labs with the same addresses stand side by side'
lab_up --isps 1 --hosts 3 --lan port --no-v6 --no-defaults --no-offload --rp-filter 2
t_assert_eq "$("$LAB_SH" list | grep -c "^pcct-$$-")" 2 'labs in the list'
t_assert_eq "$(rt ip route show default)" '' 'default routes of the second'
t_assert_eq "$(rt cat /proc/sys/net/ipv4/conf/wan1/rp_filter)" 2 rp_filter
t_assert_eq "$(rt ip -6 addr show scope global)" '' 'IPv6 addresses'
t_assert_eq "$LAN_IF $(rt ip -br link show type bridge)" 'lan0 ' 'LAN interface'
t_assert_eq "$(rt ethtool -k lan0 | grep -c -E '^(tcp-segmentation-offload: off|generic-receive-offload: on)')" 2 \
	'offloads'
rt ip route add default via 198.18.1.1
plain_masquerade
for host in 1 2 3; do
	t_assert_eq "$(lan $host "$LABTOOL" connect --dst 203.0.113.1 --port 7000 2>"$T_DIR/err" | cut -d' ' -f1,5)" \
		"192.168.77.1$host 198.18.1.2" "lan$host"
done
second_lab=$LAB
lab_use "$first_lab"
t_assert_eq "$(connect --dst 203.0.113.1 --port 7000 | seen_sources)" 198.18.2.2 'the first still works'

t_begin 'down leaves nothing, spares what it did not start, and can be repeated'
nsenter --net="/run/netns/$INET" -- sleep 60 &
own=$!
# It is ours once it has entered the namespace.
inside() {
	[[ $(readlink "/proc/$own/ns/net") == "net:[$(stat -Lc %i "/run/netns/$INET")]" ]]
}
t_assert 'the process is inside' eventually inside
t_assert_eq "$(lab_strangers "$LAB" | wc -l)" 1 'strangers'
server=$(head -qn 1 "$LAB_RUN/$LAB"/pids/* | cut -d' ' -f1 | head -n 1)
t_assert 'the pid file names the server' lab_is_labtool "$server"
t_assert_status 0 "$LAB_SH" down --name "$LAB"
t_assert_eq "$(lab_leftovers "$LAB")" '' leftovers
t_assert 'the server has ended' process_gone "$server"
t_assert 'a process that it did not start lives' kill -0 "$own"
kill "$own"
wait "$own" 2>/dev/null
t_assert_status 0 "$LAB_SH" down --name "$LAB"
t_assert_eq "$(nsenter --net="/run/netns/$second_lab-rt" ip -br link show wan1 | awk '{ print $2 }')" UP \
	'the other lab'

t_begin 'up that fails half-way leaves nothing'
t_assert_status 1 env LABTOOL=/bin/false "$LAB_SH" up --name "pcct-$$-bad" --isps 2
t_assert_eq "$(lab_leftovers "pcct-$$-bad")" '' leftovers

t_begin 'a name can be used only once, and a failing second up leaves the first alone'
t_assert_status 1 "$LAB_SH" up --name "$second_lab"
t_assert_eq "$(<"$T_DIR/err")" "lab.sh: '$second_lab': exists (lab.sh down --name $second_lab removes it)" message
lab_use "$second_lab"
t_assert_eq "$(lan 1 curl -s -m 5 http://203.0.113.8/)" 198.18.1.2 'the lab of that name'

t_begin 'wrong words are usage errors'
for words in 'up --isps 65' 'up --isps 0' 'up --lan ring' 'up --name a/b' 'up --hosts' 'frobnicate' 'up --x'; do
	# shellcheck disable=SC2086
	t_assert_status 2 "$LAB_SH" $words
done
for words in 'connect --dst 1.2.3 --port 1' 'connect --port 1' 'connect --dst 1.2.3.4 --port 65536' \
	'blast --dst 1.2.3.4 --port 1 --count -1' 'sniff --if nosuch0' 'hold --rst' 'serve' 'frobnicate'; do
	# shellcheck disable=SC2086
	t_assert_status 2 "$LABTOOL" $words
done
