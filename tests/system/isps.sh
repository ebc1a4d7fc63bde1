#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# isps.sh: what the router is plugged into, as namespaces: the ISPs isp1 and isp2 behind wan1 and wan2, both with the
# server 203.0.113.10 (2001:db8:ff::10), and the host 192.168.77.10 behind lan0. isp2 gives addresses by DHCP.
#
# /etc/pcc-late on the router may say what comes late: "wan1 10" is a card that is plugged in 10 s after this
# has run, "dhcp 5" a DHCP server that begins then.
set -eu
export PATH=/usr/sbin:/usr/bin LC_ALL=C

late() {
	[[ ! -e /etc/pcc-late ]] || awk -v what="$1" '$1 == what { print $2 }' /etc/pcc-late
}

# in_ns NAME COMMAND...
in_ns() {
	nsenter --net="/run/netns/$1" -- "${@:2}"
}

plug() { # NS INNER OUTER
	ip link add "$3" type veth peer name "$2" netns "$1"
	in_ns "$1" ip link set dev "$2" up
}

isp() { # NUMBER
	ip netns add "isp$1"
	in_ns "isp$1" ip link set lo up
	in_ns "isp$1" ip address add 203.0.113.10/32 dev lo
	in_ns "isp$1" ip address add 2001:db8:ff::10/128 dev lo nodad
	in_ns "isp$1" /checkout/build/labtool serve --tcp 7000 --udp 7000 &
}

link() { # NUMBER
	plug "isp$1" eth0 "wan$1"
	in_ns "isp$1" ip address add "198.18.$1.1/24" dev eth0
	in_ns "isp$1" ip address add "2001:db8:$1::1/64" dev eth0 nodad
}

dhcp() {
	in_ns isp2 dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file= --port=0 --interface=eth0 --bind-interfaces \
		--dhcp-range=198.18.2.50,198.18.2.50,1h --dhcp-option=3,198.18.2.1 --dhcp-leasefile=/run/isp2.leases
}

later() { # WHAT COMMAND...
	local s
	s=$(late "$1")
	if [[ -n $s ]]; then
		(sleep "$s" && "${@:2}") &
	else
		"${@:2}"
	fi
}

host() {
	ip netns add host
	in_ns host ip link set lo up
	plug host eth0 lan0
	in_ns host ip address add 192.168.77.10/24 dev eth0
	in_ns host ip address add fd77::10/64 dev eth0 nodad
	in_ns host ip route add default via 192.168.77.1
	in_ns host ip -6 route add default via fd77::1
}

modprobe veth
isp 1
isp 2
later wan1 link 1
later wan2 link 2
host
later dhcp dhcp &
