#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What is not balanced stays as the router's own tables have it: the router, the LANs, static and
# connected routes, link-local, multicast. What has no ports, or comes in fragments, or is an ICMP
# error, goes the right way.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip nft nsenter jq conntrack python3 curl

# A second LAN of its own: lan9 of the router to the host lan9, 192.168.88.0/24 and fd88::/64.
second_lan() {
	ip netns add "$LAB-lan9"
	ip link add lan9 netns "$LAB-rt" type veth peer name eth0 netns "$LAB-lan9"
	ip -n "$LAB-rt" -batch - <<-'END'
	link set lan9 up
	addr add 192.168.88.1/24 dev lan9
	addr add fd88::1/64 dev lan9 nodad
	END
	in_lab lan9 sh -c 'echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad; echo 0 >/proc/sys/net/ipv6/conf/all/router_solicitations'
	ip -n "$LAB-lan9" -batch - <<-'END'
	link set lo up
	link set eth0 up
	addr add 192.168.88.19/24 dev eth0
	addr add fd88::19/64 dev eth0 nodad
	route add default via 192.168.88.1
	route add default via fd88::1
	END
}

# lan2 is the router to 10.77.0.0/16 and fd00:77::/64; ISP 1 to 100.64.1.0/24 and fd00:64:1::/64.
static_networks() {
	rt sysctl -qw net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.br0.send_redirects=0
	lan 2 ip addr add 10.77.0.1/32 dev lo
	lan 2 ip addr add fd00:77::1/128 dev lo nodad
	isp 1 ip addr add 100.64.1.1/32 dev lo
	isp 1 ip addr add fd00:64:1::1/128 dev lo nodad
	rt ip -batch - <<-'END'
	route add 10.77.0.0/16 via 192.168.77.12 dev br0
	route add fd00:77::/64 via fd77::12 dev br0
	route add 100.64.1.0/24 via 198.18.1.1 dev wan1
	route add fd00:64:1::/64 via 2001:db8:1::1 dev wan1
	END
}

serve_in() {
	spawn "$1" "$LABTOOL" serve --tcp 7000-7003 --udp 7000-7003 --ready "$T_DIR/ready.$1"
	eventually test -s "$T_DIR/ready.$1" || t_bail "no server in $1"
}

# Counts packets from the LANs that carry a WAN's mark after pcc_lan_in, and where they leave.
watch_marks() {
	rt nft -f - <<-'END'
	table inet watch {
		counter marked { }
		counter wan_5 { }
		counter lan_5 { }
		counter marked_5 { }
		chain pre {
			type filter hook prerouting priority raw;
			iifname { "br0", "lan9" } meta mark & 0xff00 != 0 counter name marked
			iifname { "br0", "lan9" } ip daddr 203.0.113.5 meta mark & 0xff00 != 0 counter name marked_5
			iifname { "br0", "lan9" } ip6 daddr 2001:db8:ffff::5 meta mark & 0xff00 != 0 counter name marked_5
		}
		chain post {
			type filter hook postrouting priority 300;
			oifname "wan*" ip daddr 203.0.113.5 counter name wan_5
			oifname "wan*" ip6 daddr 2001:db8:ffff::5 counter name wan_5
			oifname "br0" ip daddr 203.0.113.5 counter name lan_5
			oifname "br0" ip6 daddr 2001:db8:ffff::5 counter name lan_5
		}
	}
	END
}

watched() {
	rt nft -j list counter inet watch "$1" | jq '.nftables[] | .counter? // empty | .packets'
}

reset_watch() {
	rt nft reset counters table inet watch >/dev/null
}

# tell_sources NS OPTIONS of connect: "COUNT SOURCE" of what the server saw.
tell_sources() {
	local ns=$1
	shift
	in_lab "$ns" "$LABTOOL" connect --timeout-ms 1500 "$@" 2>/dev/null |
		awk '$1 == "FAIL" { print $1, $2; next } { print $5 }' | sort | uniq -c | awk '{ print $1, $2 }' | paste -sd,
}

packets_of_buckets() {
	pcc stats --buckets --json | jq '[.buckets[] | .tx_packets + .rx_packets + .new_connections] | add'
}

lab_up --isps 3 --hosts 2 --host-addrs 20
second_lan
static_networks
for ns in rt lan1 lan2 lan9 isp1 isp2; do serve_in $ns; done
watch_marks
pcc attach --lan br0,lan9 --wan "$WANS" >/dev/null || t_bail 'attach failed'

# ---------------------------------------------------------------- what is left alone

while read -r what ns dst want; do
	t_begin "never balanced, never marked, in no bucket: ${what//_/ }"
	forget_all
	reset_watch
	before=$(packets_of_buckets)
	leak=$(counter_of leak)
	src=192.168.77.11
	[[ $ns == lan1 ]] || src=192.168.88.19
	[[ $dst != *:* ]] || src=fd${src:8:2}::${src##*.}
	for proto in tcp udp; do
		t_assert_eq "$(tell_sources "$ns" --proto $proto --dst "$dst" --port 7000-7003 --count 40 --src-base "$src")" \
			"40 $want" "$proto"
	done
	t_assert_eq "$(watched marked)" 0 'marked packets'
	t_assert_eq "$(packets_of_buckets)" "$before" 'the buckets'
	t_assert_eq "$(conns_table | awk -v dst="$dst" '$4 == dst && $6 != "" && $6 != "null" { print $6 }' | sort | uniq -c | xargs)" '' \
		'WANs in conns'
	t_assert_eq "$(counter_of leak)" "$leak" 'counter leak'
	[[ $dst != *:* ]] || src=[$src] dst=[$dst]
	t_assert_eq "$(pcc explain "$src:4000" "$dst:7000" --json | jq -r .verdict)" bypass explain
done <<'TABLE'
the_router,_IPv4                          lan1 192.168.77.1   192.168.77.11
the_router,_IPv6                          lan1 fd77::1        fd77::11
the_router's_WAN_address,_IPv4            lan1 198.18.2.2     192.168.77.11
the_router's_WAN_address,_IPv6            lan1 2001:db8:2::2  fd77::11
the_router's_address_on_the_other_LAN     lan9 192.168.77.1   192.168.88.19
another_LAN,_IPv4                         lan9 192.168.77.11  192.168.88.19
another_LAN,_IPv6                         lan9 fd77::11       fd88::19
a_network_behind_a_LAN_host,_IPv4         lan9 10.77.0.1      192.168.88.19
a_network_behind_a_LAN_host,_IPv6         lan9 fd00:77::1     fd88::19
a_static_route_through_wan1,_IPv4         lan1 100.64.1.1     198.18.1.2
a_static_route_through_wan1,_IPv6         lan1 fd00:64:1::1   2001:db8:1::2
the_network_of_wan2_itself,_IPv4          lan1 198.18.2.1     198.18.2.2
the_network_of_wan2_itself,_IPv6          lan1 2001:db8:2::1  2001:db8:2::2
TABLE
LEAK_BASE=$(counter_of leak)

t_begin 'link-local addresses and neighbour discovery work, on the LAN and on a WAN'
lladdr() {
	in_lab "$1" ip -6 -j addr show dev "$2" scope link | jq -r '[.[].addr_info[]?.local // empty][0]'
}
before=$(packets_of_buckets)
lan 1 ip neigh flush dev eth0
address=$(lladdr rt br0)
t_assert_eq "$(probe lan1 ping "$address%eth0" --timeout-ms 1500)" "$address%eth0 ok $address" 'LAN to router'
rt ip neigh flush dev wan2
address=$(lladdr isp2 cust)
t_assert_eq "$(probe rt ping "$address%wan2" --timeout-ms 1500)" "$address%wan2 ok $address" 'router to ISP'
address=$(lladdr rt wan2)
t_assert_eq "$(probe isp2 ping "$address%cust" --timeout-ms 1500)" "$address%cust ok $address" 'ISP to router'
t_assert_eq "$(packets_of_buckets)" "$before" 'the buckets'

t_begin 'multicast reaches the router, is not marked and in no bucket'
before=$(packets_of_buckets)
multicast=$(counter_of bypass_multicast)
reset_watch
for group in 224.0.0.251 239.1.2.3 ff02::fb ff05::1:3; do
	spawn_to "$T_DIR/heard" rt "$ROOT/tests/e2e/probe.py" listen $group 5353 br0
	eventually test -s "$T_DIR/heard" || t_fail 'the listener does not start'
	probe lan1 tell $group 5353 eth0 "hello-$group"
	heard() {
		grep -q "hello-$group" "$T_DIR/heard"
	}
	t_assert "$group is heard" eventually heard
	stop "$SPAWNED"
done
t_assert_eq "$(watched marked)" 0 'marked packets'
t_assert_eq "$(packets_of_buckets)" "$before" 'the buckets'
t_assert_le 4 $(($(counter_of bypass_multicast) - multicast)) 'at least: bypass_multicast'

# ---------------------------------------------------------------- routes that change

# One flow of 100 datagrams per second and family, and the router tells where they leave.
# goes lan|wan: nothing leaves by the other side and nothing is wrongly marked, for 0.3 s.
goes() {
	local way=$1 wan lan marked
	GOES_SINCE=$(now_ms)
	reset_watch
	sleep 0.3
	wan=$(watched wan_5) lan=$(watched lan_5) marked=$(watched marked_5)
	case $way in
	lan) ((wan == 0 && marked == 0 && lan > 10)) ;;
	wan) ((lan == 0 && wan > 10 && marked > 10)) ;;
	esac
}

# The look that finds it in effect starts within 2.5 s.
change_takes() {
	local start
	"${@:2}"
	start=$(now_ms)
	eventually goes "$1" ||
		t_fail "$* is not in effect: wan $(watched wan_5) lan $(watched lan_5) marked $(watched marked_5)"
	t_assert_ms $((GOES_SINCE - start)) 2500 "$*"
}

via_lan2() {
	rt ip route "$1" 203.0.113.5/32 via 192.168.77.12 dev br0
	rt ip route "$1" 2001:db8:ffff::5/128 via fd77::12 dev br0
}

t_begin 'a route that is added or removed takes effect within 2.5 s, for flows that exist and for new ones'
forget_all
lan 2 ip addr add 203.0.113.5/32 dev lo
lan 2 ip addr add 2001:db8:ffff::5/128 dev lo nodad
spawn lan9 "$LABTOOL" blast --dst 203.0.113.5,2001:db8:ffff::5 --port "$SINK_PORT" --flows 2 --count 2400 --rate 200 --sport-base 5000
t_assert 'at first the flows leave by a WAN' eventually goes wan
change_takes lan via_lan2 add
t_assert_eq "$(tell_sources lan9 --proto udp --dst 203.0.113.5,2001:db8:ffff::5 --port 7000 --count 20)" \
	'10 192.168.88.19,10 fd88::19' 'new flows, route added'
change_takes wan via_lan2 del
t_assert_eq "$(pcc conns --dst 203.0.113.5 --sport 5000 --json | jq -r '.[0].wan' | grep -c '^wan')" 1 'conns, route removed'
stop "$SPAWNED"
t_assert_eq "$(lan 9 "$LABTOOL" connect --proto udp --dst 203.0.113.5,2001:db8:ffff::5 --port 7000-7015 --count 64 2>/dev/null |
	awk '$5 ~ /^198.18|^2001:db8:[123]:/' | wc -l)" 64 'new flows, route removed'
lan 2 ip addr del 203.0.113.5/32 dev lo
lan 2 ip addr del 2001:db8:ffff::5/128 dev lo
leaks_reset

# ---------------------------------------------------------------- no ports

# Network managers clear the flag of an interface; the kernel forwards by that of all of them.
t_begin 'IPv6 is balanced where it is forwarded, whatever the flag of the LAN itself says'
rt sysctl -qw net.ipv6.conf.br0.forwarding=0
t_assert_eq "$(lan 1 "$LABTOOL" connect --dst "$SERVERS6" --port 7000 --count 60 2>/dev/null |
	awk '{ print $1 == "FAIL" ? "failed" : $5 }' | sort -u | paste -sd' ')" '2001:db8:1::2 2001:db8:2::2 2001:db8:3::2' sources
rt sysctl -qw net.ipv6.conf.br0.forwarding=1
forget_all

t_begin 'pings are spread by addresses, and two pings of one host to one server go the same WAN'
pcc detach >/dev/null
# This classifier has nothing but addresses to go by where there is no port.
pcc attach --lan br0,lan9 --wan "$WANS" --classifier src-port >/dev/null || t_fail 'attach'
LEAK_BASE=0
forget_all
inet ip route add local 203.0.113.0/24 dev lo
for i in $(seq 9 40); do
	echo "addr add 2001:db8:ffff::$i/128 dev lo nodad"
done | inet ip -batch -
dsts=
for i in $(seq 1 40); do dsts+=,203.0.113.$i,2001:db8:ffff::$i; done
t_assert_eq "$(probe lan1 ping "${dsts#,}" --id 100 --spread | grep -c ' ok ')" 80 'answers'
t_assert_eq "$(probe lan1 ping "${dsts#,}" --id 9000 --spread | grep -c ' ok ')" 80 'answers to the second ping'
pings() {
	conns_table --src "$1" | awk '$1 ~ /icmp/ { print $4, $6 }'
}
for src in 192.168.77.11 fd77::11; do
	t_assert_eq "$(pings $src | wc -l)" 80 "pings of $src in conns"
	t_assert_eq "$(pings $src | sort -u | wc -l)" 40 "pairs of server and WAN, $src"
	for wan in wan1 wan2 wan3; do
		count=$(pings $src | sort -u | grep -c "$wan")
		within_4_sigma "$count" 40 0.33333 || t_fail "$src: $wan has $count of 40 servers"
	done
done
assert_no_leak

# ---------------------------------------------------------------- ICMP errors

pcc detach >/dev/null
pcc attach --lan br0,lan9 --wan "$WANS" --classifier both-addresses-and-ports >/dev/null || t_bail 'attach failed'

t_begin 'TTL 1 gets the answer of the router, TTL 2 that of the ISP that the flow uses, TTL 3 that of the server'
for family in 4 6; do
	router=192.168.77.1 server=203.0.113.7 kind=11
	[[ $family == 4 ]] || router=fd77::1 server=2001:db8:ffff::7 kind=3
	t_assert_eq "$(probe lan1 ping $server --ttl 1)" "$server error $kind 0 $router" "IPv$family TTL 1, ping"
	t_assert_eq "$(probe lan1 udp $server 7000 --ttl 1 --sport 6000 | cut -d' ' -f3-5)" "$kind 0 $router" "IPv$family TTL 1, UDP"
	for sport in 6100 6101 6102 6103 6104 6105 6106 6107; do
		from=$(probe lan1 udp $server 7000 --ttl 2 --sport $sport | cut -d' ' -f3-5)
		wan=$(conns_table --dst $server --sport $sport --proto udp | cut -d' ' -f6)
		isp=198.18.${wan#wan}.1
		[[ $family == 4 ]] || isp=2001:db8:${wan#wan}::1
		t_assert_eq "$from" "$kind 0 $isp" "IPv$family TTL 2, sport $sport on $wan"
	done
	t_assert_eq "$(probe lan1 udp $server 7000 --ttl 3 --sport 6200 | cut -d' ' -f1)" ok "IPv$family TTL 3"
done

# port_on WAN SRC DST: a source port whose flow takes that WAN.
port_on() {
	local port
	for ((port = 6400; port < 6500; port++)); do
		if [[ $(pcc explain "$2:$port" "$3:7999" udp --json | jq -r .wan) == "$1" ]]; then
			echo $port
			return
		fi
	done
}

t_begin '"port unreachable" of a server comes back to the LAN host from each WAN'
for wan in wan1 wan2 wan3; do
	port=$(port_on $wan 192.168.77.11 203.0.113.2)
	t_assert_eq "$(probe lan1 udp 203.0.113.2 7999 --sport "$port" | cut -d' ' -f1-5)" 'error ECONNREFUSED 3 3 203.0.113.2' "IPv4 $wan"
	port=$(port_on $wan '[fd77::11]' '[2001:db8:ffff::2]')
	t_assert_eq "$(probe lan1 udp 2001:db8:ffff::2 7999 --sport "$port" | cut -d' ' -f1-5)" 'error ECONNREFUSED 1 4 2001:db8:ffff::2' \
		"IPv6 $wan"
done

t_begin '"unreachable" of the LAN host about its own connection leaves by the WAN of the connection'
# A server's datagram that comes after the LAN host has closed its port: the error goes to the server.
forget_all
for wan in wan1 wan2 wan3; do
	i=${wan#wan}
	port=$(port_on $wan 192.168.77.11 203.0.113.3)
	probe lan1 udp 203.0.113.3 7999 --sport "$port" >/dev/null
	t_assert_eq "$(probe inet udp "198.18.$i.2" "$port" --src 203.0.113.3 --sport 7999 --timeout-ms 1000 | cut -d' ' -f1-5)" \
		"error ECONNREFUSED 3 3 198.18.$i.2" "IPv4 $wan"
	port=$(port_on $wan '[fd77::11]' '[2001:db8:ffff::3]')
	probe lan1 udp 2001:db8:ffff::3 7999 --sport "$port" >/dev/null
	t_assert_eq "$(probe inet udp "2001:db8:$i::2" "$port" --src 2001:db8:ffff::3 --sport 7999 --timeout-ms 1000 | cut -d' ' -f1-5)" \
		"error ECONNREFUSED 1 4 2001:db8:$i::2" "IPv6 $wan"
done
assert_no_leak

t_begin 'path MTU: "too big" comes back from the ISP, and bulk TCP works over each WAN'
for i in 1 2 3; do
	isp $i ip link set core mtu 1400
	inet ip link set "isp$i" mtu 1400
	lan 1 ip route flush cache
	wan=wan$i
	port=$(port_on $wan 192.168.77.11 203.0.113.4)
	t_assert_eq "$(probe lan1 udp 203.0.113.4 7999 --sport "$port" --size 1460 --df | cut -d' ' -f2-4,6)" 'EMSGSIZE 3 4 1400' "IPv4 $wan"
	port=$(port_on $wan '[fd77::11]' '[2001:db8:ffff::4]')
	t_assert_eq "$(probe lan1 udp 2001:db8:ffff::4 7999 --sport "$port" --size 1440 --df | cut -d' ' -f2-4,6)" 'EMSGSIZE 2 0 1400' \
		"IPv6 $wan"
done
# Uploads are the large packets of the LAN, downloads those of the servers. That 36 connections of a family leave
# one of three WANs out happens once in a million runs.
head -c 300000 /dev/zero >"$T_DIR/upload"
for i in $(seq 1 12); do
	for host in 203.0.113.4 '[2001:db8:ffff::4]'; do
		lan 1 ip route flush cache
		lan 1 ip -6 route flush cache
		lan 1 curl -s -m 5 "http://$host/bytes/500000" -o "$T_DIR/got" || t_fail "download from $host: curl $?"
		t_assert_eq "$(wc -c <"$T_DIR/got")" 500000 "download from $host"
	done
done
hold_start lan1 --dst 203.0.113.4,2001:db8:ffff::4 --port 7000-7003 --count 72 --size 4000 --interval-ms 60
t_assert '72 connections carry large packets both ways' eventually hold_is '.alive == 72 and ([.connections[].bytes] | min) > 100000'
t_assert_eq "$(hold_stop | jq -r '[.connections[].seen] | unique | join(" ")')" \
	'198.18.1.2 198.18.2.2 198.18.3.2 2001:db8:1::2 2001:db8:2::2 2001:db8:3::2' 'sources'
for i in 1 2 3; do
	isp $i ip link set core mtu 1500
	inet ip link set "isp$i" mtu 1500
done
lan 1 ip route flush cache
lan 1 ip -6 route flush cache
assert_no_leak

# ---------------------------------------------------------------- fragments

t_begin 'all fragments of a datagram take the WAN of its flow, in both orders and families'
forget_all
for order in normal reverse; do
	for dst in 203.0.113.6 2001:db8:ffff::6; do
		for sport in 7101 7102 7103 7104 7105 7106; do
			got=$(lan 1 "$LABTOOL" frag --dst $dst --port 7000 --sport $sport --size 4000 --order $order --timeout-ms 1500)
			wan=$(conns_table --dst $dst --sport $sport --proto udp | cut -d' ' -f6)
			family=4
			[[ $dst != *:* ]] || family=6
			t_assert_eq "$(cut -d' ' -f5 <<<"$got")" "$(wan_address $family "${wan:-none}")" "$dst $order, sport $sport on $wan"
		done
	done
	forget_all
done
assert_no_leak
