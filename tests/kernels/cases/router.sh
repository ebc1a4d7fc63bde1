#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The whole product under this kernel, on a router with two ISPs: attach, shares, NAT, inbound connections, the fast path in tc
# and XDP, failover with the daemon, detach and nothing left. Few packets: the machine is emulated, so the deadlines
# are long, and what is slow is no failure.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../lib.sh"

require_root
require_tools ip nft nsenter jq conntrack

COUNT=${COUNT:-40}
WAIT_S=30

# spread PROTO: connections of lan1 to servers of both families, "WAN COUNT" as the servers saw them.
spread() {
	lan 1 "$LABTOOL" connect --proto "$1" --dst "$SERVERS4,$SERVERS6" --port "$TCP_PORTS" --count "$COUNT" \
		--sport-base 20000 --timeout-ms 8000 --parallel 8 2>/dev/null >"$T_DIR/spread"
	awk '$1 == "FAIL" { n["failed"]++; next }
		match($5, /^(198\.18\.|2001:db8:)[0-9]+/) { split($5, part, /[.:]/); n["wan" part[3]]++; next }
		{ n["stranger"]++ }
		END { for (w in n) print w, n[w] }' "$T_DIR/spread" | sort
}

# both_wans TEXT: all connections came through, some by each WAN.
both_wans() {
	[[ $(awk '{ s += $2 } END { print s + 0 }' <<<"$1") == "$COUNT" && $(wc -l <<<"$1") == 2 &&
		$1 == wan1* && $1 == *wan2* ]]
}

check_spread() {
	local proto seen
	for proto in tcp udp; do
		t_begin "$1: $COUNT $proto connections over both WANs in both families, with each WAN's own address"
		seen=$(spread $proto)
		t_assert "what the servers saw: ${seen//$'\n'/, }" both_wans "$seen"
		t_assert_eq "$(leaks_total)" 0 'packets with a source that is not of their ISP'
	done
}

check_inbound() {
	local i dst
	t_begin "$1: connections from outside are answered by the WAN that they came in on"
	for i in 1 2; do
		for dst in "198.18.$i.2" "2001:db8:$i::2"; do
			inet "$LABTOOL" connect --dst "$dst" --port 8080 --count 4 --timeout-ms 8000 >"$T_DIR/in" 2>&1
			t_assert_eq "$(awk '$1 == $5 { n++ } END { print n + 0 }' "$T_DIR/in")" 4 "answers from $dst"
		done
	done
}

fast_packets() {
	pcc stats --json | jq '[.wans[].fastpath_packets] | add'
}

# Long connections: all but their first packets take the fast path.
check_fast() {
	local mode=$1 before after total
	t_begin "$mode: established connections take the fast path"
	before=$(fast_packets)
	hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port "$TCP_PORTS" --count 8 --interval-ms 100 --timeout-ms 20000
	poll_until $WAIT_S fast_packets_over $((before + 400)) || t_fail "only $(($(fast_packets) - before)) packets in $WAIT_S s"
	t_assert 'all connections are alive' hold_is '.alive == 8 and .broken == 0'
	after=$(fast_packets)
	total=$(pcc conns --json | jq '[.[] | select(.dport >= 7000 and .tx_packets > 30) | .tx_packets + .rx_packets] | add')
	echo "     $mode: $((after - before)) of $total packets"
	hold_stop >/dev/null
	t_assert_eq "$(leaks_total)" 0 'packets with a source that is not of their ISP'
}

fast_packets_over() {
	(($(fast_packets) > $1))
}

check_mode() {
	local mode=$1
	t_begin "$mode: attach"
	t_assert_status 0 pcc attach --lan br0 --wan wan1,wan2 --fastpath "$mode"
	grep -v '^pccbpf: warning' "$T_DIR/err" | grep . && t_fail "attach says: $(head -n 3 "$T_DIR/err")"
	t_begin "$mode: attach once more changes nothing"
	t_assert_eq "$(pcc attach --lan br0 --wan wan1,wan2 --fastpath "$mode" --dry-run 2>&1)" 'nothing to do' 'the plan'
	check_spread "$mode"
	check_inbound "$mode"
	[[ $mode == off ]] || check_fast "$mode"
	t_begin "$mode: detach leaves nothing"
	t_assert_status 0 pcc detach
	rt_state >"$T_DIR/after"
	t_assert "the router is not as it was: $(diff "$T_DIR/before" "$T_DIR/after" | head -n 5)" \
		cmp -s "$T_DIR/before" "$T_DIR/after"
}

new_by_wan2() {
	local seen
	seen=$(spread tcp)
	[[ $seen == "wan2 $COUNT" ]]
}

# With br_netfilter, which docker loads, conntrack and NAT see a frame of the LAN before the bridge's tc does.
check_with_br_netfilter() {
	local call=/proc/sys/net/bridge/bridge-nf-call-iptables mode
	t_begin 'br_netfilter is off till here, and on from here'
	if [[ -e $call ]]; then
		t_skip 'it was on from the start'
	else
		modprobe br_netfilter || t_fail 'there is no module br_netfilter'
		t_assert_eq "$(rt cat $call)" 1 "$call"
		rt_state >"$T_DIR/before"
		for mode in off tc xdp; do
			check_mode "$mode"
		done
	fi
}

# The cable of WAN 1 is pulled and put back under the daemon.
check_failover() {
	t_begin 'daemon: a WAN that loses its carrier is out, what is new goes by the other'
	pcc attach --lan br0 --wan wan1,wan2 >/dev/null 2>&1 || t_fail 'attach failed'
	printf 'lan: [br0]\nwans: [{interface: wan1}, {interface: wan2}]\n' >"$DAEMON_CONF"
	daemon_start || return
	isp 1 ip link set cust down
	poll_until $WAIT_S wan_is wan1 down || t_fail "wan1 is $(wan_state wan1)"
	t_assert 'new connections do not all go by wan2' new_by_wan2
	t_assert_eq "$(leaks_total)" 0 'packets with a source that is not of their ISP'
	t_begin 'daemon: a WAN whose cable is back takes new connections again'
	isp 1 ip link set cust up
	isp 1 ip -6 addr replace 2001:db8:1::1/64 dev cust nodad # went with the carrier
	poll_until $((2 * WAIT_S)) wan_is wan1 up || t_fail "wan1 is $(wan_state wan1)"
	stop "$DAEMON_PID"
	check_spread daemon
	t_begin 'daemon: detach leaves nothing'
	t_assert_status 0 pcc detach
}

main() {
	local mode
	lab_up --isps 2 --hosts 1 --no-offload
	forward_8080 $WAIT_S
	# What the first attach has the kernel load stays: sysctls of conntrack, chains. So the state to return to is taken after it.
	pcc attach --lan br0 --wan wan1,wan2 --fastpath off >/dev/null 2>&1 && pcc detach >/dev/null 2>&1
	rt_state >"$T_DIR/before"
	for mode in off tc xdp; do
		check_mode $mode
	done
	check_with_br_netfilter
	check_failover
}

main
