#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Inbound connections, to the router itself and to a port-forwarded LAN server, are answered through
# the WAN that they arrived on, whichever WAN holds the main default route, with reverse path
# filtering off and strict.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip nft nsenter jq conntrack curl

CLIENTS4=203.0.113.1
CLIENTS6=2001:db8:ffff::1

# The port-forwards of an administrator: port 8080 and 8000 of every WAN lead to lan1.
port_forwards() {
	rt nft -f - <<-'END'
	table inet portforward {
		chain pre {
			type nat hook prerouting priority dstnat;
			iifname "wan*" meta nfproto ipv4 tcp dport { 8080, 8000 } dnat ip to 192.168.77.11
			iifname "wan*" meta nfproto ipv4 udp dport 8080 dnat ip to 192.168.77.11
			iifname "wan*" meta nfproto ipv6 tcp dport { 8080, 8000 } dnat ip6 to fd77::11
			iifname "wan*" meta nfproto ipv6 udp dport 8080 dnat ip6 to fd77::11
		}
	}
	END
}

start_services() {
	local ready=$T_DIR/ready.$LAB
	spawn rt "$LABTOOL" serve --tcp 9000-9001 --udp 9000-9001 --ready "$ready.rt"
	spawn lan1 "$LABTOOL" serve --tcp 8080 --udp 8080 --http 8000 --ready "$ready.lan"
	eventually test -s "$ready.rt" || t_bail 'the services of the router do not start'
	eventually test -s "$ready.lan" || t_bail 'the services of the LAN do not start'
}

# default_by WAN: only this WAN has a main default route.
default_by() {
	local i
	for i in 1 2 3; do
		rt ip -4 route del default dev "wan$i" 2>/dev/null
		rt ip -6 route del default dev "wan$i" 2>/dev/null
	done
	i=${1#wan}
	rt ip -4 route add default via "198.18.$i.1" dev "$1" metric 100
	rt ip -6 route add default via "2001:db8:$i::1" dev "$1" metric 100
}

# sources PROTO DST PORT [OPTIONS]: 40 connections from the internet; "COUNT SEEN" per source family.
reach() {
	local proto=$1 dst=$2 port=$3
	shift 3
	inet "$LABTOOL" connect --proto "$proto" --dst "$dst" --port "$port" --count 40 \
		--src-base $CLIENTS4,$CLIENTS6 --src-count 8 --timeout-ms 1500 "$@" 2>/dev/null |
		awk '$1 == "FAIL" { print "failed:", $2; next } $1 != $5 { print "seen from", $5; next } { ok++ } END { print ok + 0 }' |
		sort -u | paste -sd,
}

# Every sysctl of the router's network, but those that the kernel counts with.
sysctls() {
	rt grep -rs . /proc/sys/net/ipv4 /proc/sys/net/ipv6 /proc/sys/net/netfilter /proc/sys/net/core |
		grep -v -E 'count:|secret|random|cookie|/neigh/' | sort
}

# inbound_tests RP DEFAULT-WAN
inbound_tests() {
	local rp=$1 holder=$2 wan family address ping
	for wan in wan1 wan2 wan3; do
		t_begin "rp_filter $rp, default route by $holder: what comes in on $wan is answered through $wan"
		forget_all
		sniff_start rt wan1,wan2,wan3
		for family in 4 6; do
			address=$(wan_address $family $wan)
			t_assert_eq "$(reach tcp "$address" 9000)" 40 "IPv$family TCP to the router"
			t_assert_eq "$(reach udp "$address" 9000)" 40 "IPv$family UDP to the router"
			t_assert_eq "$(reach tcp "$address" 8080)" 40 "IPv$family TCP, port-forward"
			t_assert_eq "$(reach udp "$address" 8080)" 40 "IPv$family UDP, port-forward"
			ping=$(probe inet ping "$address" --count 3 --timeout-ms 1000 | sort | uniq -c | xargs)
			t_assert_eq "$ping" "3 $address ok $address" "IPv$family echo"
			# The ISP's own router is a neighbour on the WAN.
			ping=$(probe "isp${wan#wan}" ping "$address" --timeout-ms 1000)
			t_assert_eq "$ping" "$address ok $address" "IPv$family echo from the ISP's router"
			[[ $family == 4 ]] || address="[$address]"
			t_assert_eq "$(inet curl -s -m 5 "http://$address:8000/bytes/3000000" | wc -c)" 3000000 "IPv$family bytes, port-forward"
		done
		t_assert_eq "$(sniff_stop | awk -v wan=$wan '$2 !~ /^fe80:/ { print $1 == wan ? "own" : $0 }' | sort -u | paste -sd,)" own \
			'answers seen'
		# 40 TCP, 40 UDP and one HTTP connection per family.
		t_assert_eq "$(conns_table --origin wan | awk '{ print $1, $3, $6, $7, $8 }' | sort | uniq -c | xargs)" \
			"2 tcp 8000 $wan -1 wan 80 tcp 8080 $wan -1 wan 80 udp 8080 $wan -1 wan" 'conns of origin wan'
		t_assert_eq "$(conns_table --origin lan | wc -l)" 0 'conns of origin lan'
		assert_no_leak
	done
}

# spoofed WHAT: 20 packets from the first ISP whose source is an address of the router. Dropped they are in any
# case: WHAT is "us", "the kernel" or "either".
spoofed() {
	local before
	before=$(counter_of martian)
	isp 1 "$LABTOOL" synflood --dst "$(wan_address 4 wan1)" --port 9000 --count 20 --src-base 192.168.77.1 \
		--src-count 1 --sport-base 2000 >"$T_DIR/spoofed"
	t_assert_eq "$(jq .sent "$T_DIR/spoofed")" 20 'packets sent'
	martians_are() { (($(counter_of martian) - before == $1)); }
	case $1 in
	us) t_assert 'each is counted as a martian' eventually martians_are 20 ;;
	'the kernel') t_assert 'none is counted as a martian' martians_are 0 ;;
	esac
	t_assert_eq "$(rt conntrack -L -s 192.168.77.1 -d "$(wan_address 4 wan1)" 2>/dev/null | wc -l)" 0 \
		'connections of them'
}

for rp in 0 1; do
	lab_up --isps 3 --hosts 1 --host-addrs 20 --rp-filter $rp
	port_forwards
	start_services
	sysctls >"$T_DIR/sysctls"
	t_begin "rp_filter $rp: attach works"
	t_assert_status 0 pcc attach --lan br0 --wan wan1,wan2,wan3

	default_by wan1
	inbound_tests $rp wan1
	if ((rp)); then
		default_by wan3
		inbound_tests $rp wan3
	fi

	t_begin "rp_filter $rp: connections of the LAN use every WAN"
	for proto in tcp udp; do
		lan 1 "$LABTOOL" connect --proto $proto --dst "$SERVERS4,$SERVERS6" --port 7000-7015 --count 400 --timeout-ms 1500 \
			--src-base 192.168.77.100,fd77::100 --src-count 20 2>/dev/null | awk '$1 == "FAIL" { print $1; next } { print $5 }'
	done | sort | uniq -c >"$T_DIR/seen"
	t_assert_eq "$(awk '{ print $2 }' "$T_DIR/seen" | paste -sd' ')" \
		'198.18.1.2 198.18.2.2 198.18.3.2 2001:db8:1::2 2001:db8:2::2 2001:db8:3::2' 'sources'
	t_assert_eq "$(awk '{ n += $1 } END { print n }' "$T_DIR/seen")" 800 connections

	t_begin "rp_filter $rp: the router's own connections work, and one bound to a WAN's address leaves by that WAN"
	t_assert_eq "$(rt "$LABTOOL" connect --dst "$SERVERS4,$SERVERS6" --port 7000 --count 16 --timeout-ms 1500 2>/dev/null | grep -vc FAIL)" 16 unbound
	for wan in wan1 wan2 wan3; do
		a4=$(wan_address 4 $wan) a6=$(wan_address 6 $wan)
		t_assert_eq "$(rt "$LABTOOL" connect --dst 203.0.113.1,2001:db8:ffff::1 --port 7000 --count 8 --src-base "$a4,$a6" --timeout-ms 1500 2>/dev/null |
			awk '$1 == "FAIL" { print $1, $2; next } { print $5 }' | sort | uniq -c | xargs)" "4 $a4 4 $a6" "bound to $wan"
	done
	assert_no_leak

	t_begin "rp_filter $rp: an address of the router does not come in from an ISP"
	spoofed "$( ((rp)) && echo the kernel || echo us)"
	if ((rp)); then
		rt sh -c 'echo 0 | tee /proc/sys/net/ipv4/conf/*/rp_filter >/dev/null'
		t_assert_status 0 pcc attach --lan br0 --wan wan1,wan2,wan3
		spoofed us
		rt sh -c 'echo 1 | tee /proc/sys/net/ipv4/conf/*/rp_filter >/dev/null'
		t_assert_status 0 pcc attach --lan br0 --wan wan1,wan2,wan3
		t_assert_eq "$(rt cat /proc/sys/net/ipv4/conf/wan1/accept_local)" 0 'accept_local is as it was'
		spoofed either
	fi

	t_begin "rp_filter $rp: detach puts every sysctl back"
	t_assert_status 0 pcc detach
	sysctls >"$T_DIR/sysctls.after"
	t_assert_eq "$(diff "$T_DIR/sysctls" "$T_DIR/sysctls.after" | grep '^[<>]' | paste -sd';')" '' 'sysctls'
	t_assert_eq "$(rt nft list tables | grep -c pccbpf)" 0 'nft tables of ours'
done
