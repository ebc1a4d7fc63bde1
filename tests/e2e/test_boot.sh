#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A router that boots with a cable out, or whose links, addresses and gateways come later, balances over what
# there is: what one interface cannot have stops no other one, with and without the daemon.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip tc nft nsenter jq unshare

HOOK=$(uname -r | awk -F. '{ print ($1 * 100 + $2 < 606) ? "clsact" : "tcx" }')
ATTACH=(attach --lan br0 --wan 'wan1,wan2,wan3')

# wans_seen: the WANs that 48 new connections take, half of them IPv6, each with "4" or "6"; all must succeed.
wans_seen() {
	lan 1 "$LABTOOL" connect --dst "$SERVERS4,$SERVERS6" --port 7000-7007 --count 48 --timeout-ms 2000 --rst \
		2>/dev/null >"$T_DIR/lines"
	t_assert_eq "$(grep -c '^FAIL' "$T_DIR/lines") of $(wc -l <"$T_DIR/lines")" '0 of 48' 'connections that failed'
	awk '$1 != "FAIL" { print $5 }' "$T_DIR/lines" |
		sed -E 's/^198\.18\.([0-9]+)\.2$/wan\1:4/; s/^2001:db8:([0-9]+)::2$/wan\1:6/' | sort -u | paste -sd' '
}

sees() {
	[[ $(wans_seen) == "$*" ]]
}

# cable out|in I: of wanI
cable() {
	if [[ $1 == out ]]; then
		isp "$2" ip link set cust down
	else
		isp "$2" ip link set cust up
		isp "$2" ip -6 addr replace "2001:db8:$2::1/64" dev cust nodad
	fi
	eventually carrier_is "wan$2" "$([[ $1 == out ]] && echo false || echo true)" || t_fail "the carrier of wan$2"
}

# settings I: gives wanI its addresses and defaults, as a network manager does; unsettle I takes them.
settings() {
	rt ip link set "wan$1" up
	rt ip addr replace "198.18.$1.2/24" dev "wan$1"
	rt ip -6 addr replace "2001:db8:$1::2/64" dev "wan$1" nodad
	rt ip route replace default via "198.18.$1.1" dev "wan$1" metric $(($1 * 100))
	rt ip -6 route replace default via "2001:db8:$1::1" dev "wan$1" metric $(($1 * 100))
}
unsettle() {
	rt ip addr flush dev "wan$1" scope global
	rt ip -6 route flush dev "wan$1" default 2>/dev/null
}

# warned WAN WORDS: the last command did.
warned() {
	t_assert "it warns of $1: $2 (it says: $(<"$T_DIR/err"))" grep -q "^pccbpf: warning: $1: $2" "$T_DIR/err"
}

link_of() {
	pcc wan list --json | jq -r ".[] | select(.name == \"$1\") | .link"
}

nothing_to_do() {
	t_assert_status 0 pcc "${ATTACH[@]}" --dry-run
	t_assert_eq "$(<"$T_DIR/out")" 'nothing to do' 'the plan of the same again'
}

# settled_clean: detach leaves nothing of ours.
settled_clean() {
	t_assert_status 0 pcc detach
	t_assert_eq "$(rt ip rule show | grep -c 'proto 172')$(rt nft list tables | grep -c pccbpf)" 00 'rules and table that are left'
}

lab_up --isps 3 --hosts 1

t_begin 'attach with a cable out: the others have the connections of both families at once'
cable out 2
t_assert_status 0 pcc "${ATTACH[@]}"
warned wan2 'it has no carrier'
t_assert_eq "$(wans_seen)" 'wan1:4 wan1:6 wan3:4 wan3:6' 'WANs seen'
t_assert_eq "$(link_of wan2)" 'no carrier' 'the link in status'
t_assert_status 3 pcc status
nothing_to_do

t_begin 'the cable is put in: its share comes by itself, and there is nothing to do then either'
cable in 2
t_assert 'wan2 has connections' eventually sees wan1:4 wan1:6 wan2:4 wan2:6 wan3:4 wan3:6
t_assert_status 0 pcc status
nothing_to_do
assert_no_leak

t_begin 'a WAN that is attached, and without carrier, gets new addresses: the next attach is no error'
cable out 3
rt ip -6 addr del 2001:db8:3::2/64 dev wan3
rt ip -6 route flush table 103
rt ip -6 addr add 2001:db8:3::2/64 dev wan3 nodad
t_assert_status 0 pcc "${ATTACH[@]}"
cable in 3
t_assert 'wan3 has connections' eventually sees wan1:4 wan1:6 wan2:4 wan2:6 wan3:4 wan3:6
settled_clean

t_begin 'attach with an interface that is down'
rt ip link set wan2 down
t_assert_status 0 pcc "${ATTACH[@]}"
warned wan2 'it is down'
t_assert_eq "$(wans_seen)" 'wan1:4 wan1:6 wan3:4 wan3:6' 'WANs seen'
settings 2
t_assert_status 0 pcc wan set wan2 --state up
t_assert 'wan2 has connections' eventually sees wan1:4 wan1:6 wan2:4 wan2:6 wan3:4 wan3:6
settled_clean

t_begin 'attach with an interface that has no address and no gateway yet'
unsettle 3
t_assert_status 0 pcc "${ATTACH[@]}"
warned wan3 'no gateway was found'
t_assert_eq "$(wans_seen)" 'wan1:4 wan1:6 wan2:4 wan2:6' 'WANs seen'
t_assert_eq "$(link_of wan3)" 'no gateway' 'the link in status'
t_assert_status 3 pcc status
t_assert_status 0 pcc wan set wan1 --weight 2
settings 3
t_assert_status 0 pcc wan set wan1 --weight 1
t_assert 'the next command finds it' eventually sees wan1:4 wan1:6 wan2:4 wan2:6 wan3:4 wan3:6
settled_clean

t_begin 'attach where no WAN has a gateway is an error, and leaves nothing'
for i in 1 2 3; do unsettle $i; done
rt_state >"$T_DIR/before"
t_assert_status 1 pcc "${ATTACH[@]}"
t_assert "it says: $(<"$T_DIR/err")" grep -q '^pccbpf: wan1: no gateway was found (write wan1@GATEWAY)$' "$T_DIR/err"
same_as "$T_DIR/before" rt_state
for i in 1 2 3; do settings $i; done

t_begin 'a WAN whose route the kernel refuses in one family keeps the other, and its place'
rt ip -6 route add blackhole default table 102 metric 1024 # somebody's, where ours is to be
t_assert_status 0 pcc "${ATTACH[@]}"
warned "route 'default via 2001:db8:2::1 dev wan2 .*'" 'the kernel refuses to add it'
t_assert_eq "$(wans_seen)" 'wan1:4 wan1:6 wan2:4 wan3:4 wan3:6' 'WANs seen'
t_assert_eq "$(link_of wan2)" 'no route' 'the link in status'
rt ip -6 route del blackhole default table 102 metric 1024
t_assert_status 0 pcc "${ATTACH[@]}"
t_assert_eq "$(wans_seen)" 'wan1:4 wan1:6 wan2:4 wan2:6 wan3:4 wan3:6' 'WANs seen when it is gone'
settled_clean

# With filters of clsact instead of tcx, a qdisc "ingress" leaves no room for us.
t_begin 'a WAN that cannot have our programs takes no connections; the others do'
export PCCBPF_DISABLE=tcx
rt tc qdisc add dev wan2 ingress
t_assert_status 0 pcc "${ATTACH[@]}"
warned wan2 "its qdisc 'ingress' has no egress side"
t_assert_eq "$(wans_seen)" 'wan1:4 wan1:6 wan3:4 wan3:6' 'WANs seen'
t_assert_eq "$(pcc wan list --json | jq -c '[.[].hook]')" '["clsact","none","clsact"]' 'hooks'
settled_clean
t_assert_status 1 pcc attach --lan br0 --wan wan2
t_assert 'alone it is an error' grep -q "^pccbpf: wan2: its qdisc 'ingress' has no egress side" "$T_DIR/err"
t_assert 'no pins' test ! -e "$BPFFS/pccbpf"

t_begin 'so it is with the daemon, which says why, is quiet, and takes the WAN as soon as there is room'
cat >"$DAEMON_CONF" <<-'CONF'
	lan: [br0]
	wans: [{interface: wan1}, {interface: wan2}, {interface: wan3}]
CONF
daemon_start || t_bail 'no daemon'
t_assert 'down, and why' eventually daemon_said "^pccbpf: wan2 .*down: its qdisc 'ingress' has no egress side"
t_assert_eq "$(pcc wan list --json | jq -r '.[1] | .state + ": " + .reason')" \
	"down: its qdisc 'ingress' has no egress side" 'in status'
sleep 1
: >"$DAEMON_LOG"
sleep 2
t_assert_eq "$(<"$DAEMON_LOG")" '' 'what it says within 2 s'
rt tc qdisc del dev wan2 ingress
within_ms 2000 'up' daemon_said '^pccbpf: wan2 down -> up'
t_assert 'all have connections' eventually sees wan1:4 wan1:6 wan2:4 wan2:6 wan3:4 wan3:6
stop "$DAEMON_PID"
settled_clean
unset PCCBPF_DISABLE

t_begin 'a WAN whose kernel parameters cannot be written takes no connections; the others do'
# shellcheck disable=SC2016
t_assert_status 0 rt unshare -m bash -c '
	mount --make-rprivate /
	file=/proc/sys/net/ipv4/conf/wan3/src_valid_mark
	mount --bind $file $file && mount -o remount,bind,ro $file && exec "$@"' \
	- "$PCCBPF" "${ATTACH[@]}" --bpffs "$BPFFS/pccbpf"
warned net/ipv4/conf/wan3/src_valid_mark 'cannot write this kernel parameter'
t_assert_eq "$(wans_seen)" 'wan1:4 wan1:6 wan2:4 wan2:6' 'WANs seen'
t_assert_status 0 pcc "${ATTACH[@]}"
t_assert_eq "$(wans_seen)" 'wan1:4 wan1:6 wan2:4 wan2:6 wan3:4 wan3:6' 'WANs seen once they can'
settled_clean

t_begin 'the daemon at boot: a WAN without carrier, one without address, one that is not there; it takes what there is'
cable out 2
unsettle 3
cat >"$DAEMON_CONF" <<-'CONF'
	lan: [br0, late0]
	wans: [{interface: wan1}, {interface: wan2}, {interface: wan3}, {interface: late1}]
CONF
daemon_start || t_bail 'no daemon'
t_assert_eq "$(pcc wan list --json | jq -r '.[] | .name + " " + .state + ": " + .reason' | paste -sd,)" \
	"wan1 up: ,wan2 down: no carrier,wan3 down: no gateway was found,late1 down: the interface is missing" 'states'
t_assert_eq "$(wans_seen)" 'wan1:4 wan1:6' 'WANs seen'
cable in 2
settings 3
within_ms 3000 'wan2' wan_is wan2 up
within_ms 3000 'wan3' wan_is wan3 up
t_assert 'all have connections' eventually sees wan1:4 wan1:6 wan2:4 wan2:6 wan3:4 wan3:6
stop "$DAEMON_PID"
settled_clean

t_begin 'the daemon at boot before any interface is there: it starts, and takes each as it comes'
for i in 1 2 3; do
	rt ip link set "wan$i" down
	rt ip link set "wan$i" name "later$i"
done
rt ip link set br0 down
rt ip link set br0 name later0
cat >"$DAEMON_CONF" <<-'CONF'
	lan: [br0]
	wans: [{interface: wan1}, {interface: wan2}, {interface: wan3}]
CONF
daemon_start || t_bail 'no daemon'
t_assert_eq "$(pcc wan list --json | jq -r '[.[].link] | unique | join(",")')" missing 'the links in status'
t_assert 'it says so' daemon_said '^pccbpf: alarm: no WAN is fit'
rt ip link set later0 name br0
rt ip link set br0 up
rt ip -6 addr replace fd77::1/64 dev br0 nodad
for i in 3 1 2; do
	rt ip link set "later$i" name "wan$i"
	settings $i
	within_ms 3000 "wan$i" wan_is "wan$i" up
	[[ $i != 3 ]] || t_assert_eq "$(wans_seen)" 'wan3:4 wan3:6' 'WANs seen with the first'
done
t_assert 'all have connections' eventually sees wan1:4 wan1:6 wan2:4 wan2:6 wan3:4 wan3:6
t_assert_eq "$(pcc status --json | jq -c '[.lan[].hook, .wans[].hook] | unique')" "[\"$HOOK\"]" 'hooks'
stop "$DAEMON_PID"
settled_clean
