#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A WAN without a link layer: a point-to-point tun device beside an Ethernet one. No gateway has to be given,
# connections are spread over both, and the fast path takes off and puts on link-layer headers.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip nsenter jq curl
[[ -x /usr/bin/python3 ]] || t_bail 'python3 is missing'
[[ -c /dev/net/tun ]] || t_bail 'no /dev/net/tun'

HERE=$(dirname "${BASH_SOURCE[0]}")

fast_packets() {
	stat_of '.wans[] | select(.name == "tun0") | .fastpath_packets'
}

lab_up --isps 1 --host-addrs 10
# Started in the namespace of the lab, so that `down` ends it; it enters the two of the devices itself.
spawn_to "$T_DIR/tunlink" inet /usr/bin/python3 "$HERE/tunlink.py" "$LAB-rt" tun0 "$LAB-inet" tun1
tunlink=$SPAWNED
eventually grep -q ready "$T_DIR/tunlink" || t_bail 'the tun devices do not come up'
for side in 'rt tun0 2 1' 'inet tun1 1 2'; do
	read -r ns dev own peer <<<"$side"
	"$ns" ip addr add "10.9.0.$own" peer "10.9.0.$peer" dev "$dev"
	"$ns" ip -6 addr add "fd09::$own/64" dev "$dev" nodad
	"$ns" ip link set "$dev" up
done

t_begin 'a tun WAN is attached without a gateway, on-link, in both families'
t_assert_status 0 pcc attach --lan br0 --wan wan1,tun0
t_assert_eq "$(rt ip -4 route show table 102 | grep -c 'default dev tun0')" 1 'IPv4 default of table 102'
t_assert_eq "$(rt ip -6 route show table 102 | grep -c 'default dev tun0')" 1 'IPv6 default of table 102'
t_assert_eq "$(pcc status --json | jq -c '[.wans[] | .gateway]')" '["198.18.1.1",null]' gateways

t_begin 'a gateway that is given there is not asked: such a device has no neighbours'
t_assert_status 0 pcc attach --lan br0 --wan wan1,tun0@10.9.0.1
t_assert_eq "$(cat "$T_DIR/err")" '' 'warnings of attach'
t_assert_eq "$(pcc status --json | jq -c '[.wans[] | .gateway]')" '["198.18.1.1","10.9.0.1"]' gateways

t_begin 'status says of each kind of device why auto puts the fast path in tc'
t_assert_status 0 pcc attach --lan br0 --wan wan1,tun0 --fastpath auto
t_assert_eq "$(pcc status --json | jq -r '.lan[], .wans[] | "\(.name) \(.fastpath): \(.fastpath_reason)"')" \
	'br0 tc: no native XDP on a device of kind bridge
wan1 tc: auto takes XDP for hardware only, this is of kind veth
tun0 tc: a device without link-layer header has no XDP here' 'status'
t_assert_status 0 pcc attach --lan br0 --wan wan1,tun0

t_begin 'connections are spread over Ethernet and tun, each with the right source'
lan 1 "$LABTOOL" connect --dst "$SERVERS4,$SERVERS6" --port "$TCP_PORT" --count 1000 >"$T_DIR/seen"
t_assert_eq "$(awk '{ print $5 }' "$T_DIR/seen" | sort -u | paste -sd' ')" \
	'10.9.0.2 198.18.1.2 2001:db8:1::2 fd09::2' 'sources that the servers saw'
t_assert 'half of them by tun' within_4_sigma "$(awk '$5 == "10.9.0.2" || $5 == "fd09::2"' "$T_DIR/seen" | wc -l)" 1000 0.5

t_begin 'the fast path carries long connections over the tun device, both ways and families'
hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port "$TCP_PORT" --count 40 --interval-ms 20
busy() {
	pcc stats --json | jq -e '[.wans[] | select(.name == "tun0") | .fastpath_packets >= 500] | all' >/dev/null
}
t_assert 'hundreds of packets of tun0 on the fast path' eventually busy
t_assert 'connections of tun0 are marked fast, in both directions' eventually eval \
	"pcc conns --json --wan tun0 | jq -e '[.[] | select(.fastpath and .tx_packets > 50 and .rx_packets > 50)] | length >= 10' >/dev/null"
t_assert_eq "$(hold_stop | jq -c '[.alive, .broken]')" '[40,0]' 'alive, broken'

t_begin 'UDP too: every datagram is answered, most take the fast path, both families'
over_tun=0
for dst in 203.0.113.1 2001:db8:ffff::1; do
	fast=$(fast_packets)
	for port in 45001 45002 45003 45004 45005 45006; do
		talk=$(lan 1 python3 "$HERE/talk.py" $dst 7003 $port 200 300 | cut -d' ' -f1-3)
		t_assert_eq "$talk" '200 200 60000' "$dst, port $port: datagrams sent, answered, bytes"
	done
	n=$(pcc conns --json --wan tun0 --proto udp --dst $dst | jq length)
	fast=$(($(fast_packets) - fast))
	((fast >= n * 300)) || t_fail "$dst: $fast of $((n * 400)) packets took the fast path"
	over_tun=$((over_tun + n))
done
t_assert "some of the 12 are on tun0: $over_tun" test $over_tun -gt 0

t_begin 'bulk data arrives whole over the tun device'
for i in 1 2 3 4 5 6; do
	t_assert_eq "$(lan 1 curl -s -m 20 -o /dev/null -w '%{size_download}' "http://203.0.113.$i/bytes/2000000")" 2000000 \
		"bytes from 203.0.113.$i"
done

t_begin 'detach takes it off'
t_assert_status 0 pcc detach
t_assert_eq "$(rt ip rule | grep -c 'proto 172')" 0 rules
stop "$tunlink"
