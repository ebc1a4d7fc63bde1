#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# NAT leaves alone what is not ours to translate. A rule of the user's own at priority srcnat decides, loaded before or after
# ours, also after ours are loaded anew: an address of the WAN that he chose (1:1), and public addresses of LAN hosts that
# stay as they are (a routed /29). What is excluded from balancing is masqueraded where it leaves. An upgrade from the
# version whose rules stood at the user's own priority lets nothing through untranslated. Both families, TCP and UDP, with
# each fast path.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip nft nsenter jq conntrack

N=8 # connections of each family

# lan1 has a public address of each family besides its own, out of a prefix that ISP 1 routes to the router.
PUBLIC4=198.51.100.9
PUBLIC6=2001:db8:f00::9

routed_prefix() {
	lan 1 ip addr add $PUBLIC4/29 dev eth0
	lan 1 ip -6 addr add $PUBLIC6/64 dev eth0 nodad
	rt ip addr add 198.51.100.14/29 dev br0
	rt ip -6 addr add 2001:db8:f00::1/64 dev br0 nodad
	isp 1 ip route add 198.51.100.8/29 via 198.18.1.2
	isp 1 ip -6 route add 2001:db8:f00::/64 via 2001:db8:1::2
	inet ip route add 198.51.100.8/29 via 10.100.1.2
	inet ip -6 route add 2001:db8:f00::/64 via fd00:100:1::2
	isp 1 nft insert rule inet lab customer ip saddr 198.51.100.8/29 accept
	isp 1 nft insert rule inet lab customer ip6 saddr 2001:db8:f00::/64 accept
}

second_addresses() {
	local i
	for i in 1 2; do
		rt ip addr add 198.18.$i.7/24 dev wan$i
		rt ip -6 addr add 2001:db8:$i::7/64 dev wan$i nodad preferred_lft 0
	done
}

# The user's: lan1 has the WAN's second address outside, and its public addresses stay.
own_rules() {
	rt nft -f - <<-'END'
	table inet own {
		chain post {
			type nat hook postrouting priority srcnat
			ip saddr 198.51.100.8/29 snat ip to ip saddr
			ip6 saddr 2001:db8:f00::/64 snat ip6 to ip6 saddr
			oifname "wan1" ip saddr 192.168.77.11 snat ip to 198.18.1.7
			oifname "wan2" ip saddr 192.168.77.11 snat ip to 198.18.2.7
			oifname "wan1" ip6 saddr fd77::11 snat ip6 to 2001:db8:1::7
			oifname "wan2" ip6 saddr fd77::11 snat ip6 to 2001:db8:2::7
		}
	}
	END
}

own_rules_gone() {
	rt nft delete table inet own
}

# attach MODE: the public prefix belongs to ISP 1.
attach() {
	cat >"$T_DIR/nat.yaml" <<-END
	lan: [br0]
	fastpath: $1
	seed: 3
	wans: [{interface: wan1}, {interface: wan2}]
	exclusions: [203.0.113.8/32, "2001:db8:ffff::8/128"]
	policies:
	  - {name: public4, source: 198.51.100.8/29, use: wan1, strict: true}
	  - {name: public6, source: "2001:db8:f00::/64", use: wan1, strict: true}
	END
	pcc apply "$T_DIR/nat.yaml" >/dev/null 2>"$T_DIR/err" || t_fail "apply: $(head -n 3 "$T_DIR/err")"
}

# seen PROTO SOURCE DST: of N connections, the sources that the server saw, with how many.
seen() {
	lan 1 "$LABTOOL" connect --proto "$1" --src-base "$2" --src-count 1 --dst "$3" --port 7000 --count $N \
		--sport-base 20000 --timeout-ms 3000 --parallel 4 2>/dev/null |
		awk '{ print $1 == "FAIL" ? "failed" : $5 }' | sort -u | paste -sd,
}

# lasting SOURCE DST: TCP that goes on long enough for the fast path; sources that were seen, and none broke.
lasting() {
	lan 1 "$LABTOOL" hold --src-base "$1" --src-count 1 --dst "$2" --port 7000 --count 4 --sport-base 30000 \
		--interval-ms 50 --duration 3 2>/dev/null | jq -r '"\([.connections[].seen] | unique | join(",")) \(.broken)"'
}

own_rules_win() {
	local proto
	t_begin "$1: the user's own rules decide"
	forget_all
	for proto in tcp udp; do
		t_assert_eq "$(seen $proto 192.168.77.11 203.0.113.1)" 198.18.1.7,198.18.2.7 "IPv4 $proto, 1:1"
		t_assert_eq "$(seen $proto fd77::11 2001:db8:ffff::1)" 2001:db8:1::7,2001:db8:2::7 "IPv6 $proto, 1:1"
		t_assert_eq "$(seen $proto $PUBLIC4 203.0.113.1)" $PUBLIC4 "IPv4 $proto, a public address"
		t_assert_eq "$(seen $proto $PUBLIC6 2001:db8:ffff::1)" $PUBLIC6 "IPv6 $proto, a public address"
	done
	t_assert_eq "$(leaks_total)" 0 'packets with a source that is not of their ISP'
}

lasting_ones() {
	t_begin "$1: connections that go on keep the addresses that the user gave them"
	t_assert_eq "$(lasting 192.168.77.11 203.0.113.1)" '198.18.1.7,198.18.2.7 0' 'IPv4, 1:1'
	t_assert_eq "$(lasting fd77::11 2001:db8:ffff::1)" '2001:db8:1::7,2001:db8:2::7 0' 'IPv6, 1:1'
	t_assert_eq "$(lasting $PUBLIC4 203.0.113.1)" "$PUBLIC4 0" 'IPv4, a public address'
	t_assert_eq "$(lasting $PUBLIC6 2001:db8:ffff::1)" "$PUBLIC6 0" 'IPv6, a public address'
	t_assert_eq "$(leaks_total)" 0 'packets with a source that is not of their ISP'
}

excluded() {
	t_begin "$1: without a rule of the user's what is excluded has the address of the WAN that main chose"
	forget_all
	for proto in tcp udp; do
		t_assert_eq "$(seen $proto 192.168.77.11 203.0.113.8)" 198.18.1.2 "IPv4 $proto"
		t_assert_eq "$(seen $proto fd77::11 2001:db8:ffff::8)" 2001:db8:1::2 "IPv6 $proto"
	done
	t_assert_eq "$(leaks_total)" 0 'packets with a source that is not of their ISP'
}

# The table as the version before wrote it: at the user's priority, and known by another text.
table_of_before() {
	{
		echo 'delete table inet pccbpf'
		rt nft list table inet pccbpf | sed 's/priority srcnat + 1/priority srcnat/; s/comment "pccbpf [0-9a-f]*"/comment "pccbpf 0"/'
	} | rt nft -f -
}

upgrade() {
	local i
	t_begin 'an upgrade from rules at priority srcnat lets nothing through untranslated'
	attach off
	spawn lan1 "$LABTOOL" blast --dst "$SERVERS4,$SERVERS6" --port 7000-7015 --flows 60000 --count 100000000 --rate 8000
	for ((i = 0; i < 15; i++)); do
		table_of_before || t_fail 'the table of before'
		t_assert_eq "$(rt nft list table inet pccbpf | grep -c 'priority srcnat;')" 1 'chains at priority srcnat'
		attach off
		t_assert_eq "$(rt nft list table inet pccbpf | grep -c 'postrouting priority srcnat + 1;')" 1 'chains behind it'
		[[ $(leaks_total) == 0 ]] || break
	done
	stop "$SPAWNED"
	t_assert_eq "$(leaks_total)" 0 'packets with a source that is not of their ISP'
	pcc detach >/dev/null || t_fail 'detach'
}

lab_up --isps 2 --hosts 1 --no-offload
routed_prefix
second_addresses
for mode in off tc xdp; do
	own_rules
	attach $mode
	own_rules_win "fast path $mode, loaded before ours"
	own_rules_gone
	excluded "fast path $mode"
	own_rules
	own_rules_win "fast path $mode, loaded after ours"
	lasting_ones "fast path $mode"
	rt nft delete table inet pccbpf
	attach $mode
	own_rules_win "fast path $mode, ours loaded anew"
	pcc detach >/dev/null || t_fail 'detach'
	own_rules_gone
done
upgrade
