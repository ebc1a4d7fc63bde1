#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What came in through a WAN is answered through that WAN, wherever the routes to the client lead and whichever
# interface the server is behind: clients in another WAN's own network and behind a static route by another WAN,
# asking the router, a port-forwarded server of the LAN (with its address kept, and masqueraded), and one in a network
# that is not a LAN of ours. TCP, UDP and echo, both families, with each fast path, with br_netfilter off and on.
# Services of the router that are bound to no address, too: their answers come from the address that was asked.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip nft nsenter jq conntrack python3

N=6 # connections of each kind

# A network beside the LAN, as docker's is: a bridge with a server behind it, 10.9.0.2 and fd09::2.
dmz_up() {
	local ns=$LAB-dmz
	ip netns add "$ns"
	t_defer ip netns del "$ns"
	rt ip link add dmz0 type bridge
	ip -n "$LAB-rt" link add dmzp type veth peer name eth0 netns "$ns"
	rt ip link set dmzp master dmz0 up
	rt ip link set dmz0 up
	rt ip addr add 10.9.0.1/24 dev dmz0
	rt ip -6 addr add fd09::1/64 dev dmz0 nodad
	ip -n "$ns" link set lo up
	ip -n "$ns" link set eth0 up
	ip -n "$ns" addr add 10.9.0.2/24 dev eth0
	ip -n "$ns" -6 addr add fd09::2/64 dev eth0 nodad
	ip -n "$ns" route add default via 10.9.0.1
	ip -n "$ns" -6 route add default via fd09::1
}

# Port 8080 leads to lan1, 8081 to lan1 and is masqueraded towards it, 8082 to the network beside the LAN.
port_forwards() {
	rt nft -f - <<-'END'
	table inet portforward {
		chain pre {
			type nat hook prerouting priority dstnat;
			iifname "wan*" meta nfproto ipv4 meta l4proto { tcp, udp } th dport { 8080, 8081 } dnat ip to 192.168.77.11
			iifname "wan*" meta nfproto ipv6 meta l4proto { tcp, udp } th dport { 8080, 8081 } dnat ip6 to fd77::11
			iifname "wan*" meta nfproto ipv4 meta l4proto { tcp, udp } th dport 8082 dnat ip to 10.9.0.2
			iifname "wan*" meta nfproto ipv6 meta l4proto { tcp, udp } th dport 8082 dnat ip6 to fd09::2
		}
		chain post {
			type nat hook postrouting priority srcnat;
			oifname "br0" ct status dnat meta l4proto { tcp, udp } th dport 8081 masquerade
		}
	}
	END
}

start_services() {
	local ready=$T_DIR/ready.$LAB
	spawn rt "$LABTOOL" serve --tcp 9000 --udp 9000 --ready "$ready.rt"
	spawn rt python3 "$ROOT/tests/e2e/wild.py" 9001 9002 "$ready.wild"
	spawn lan1 "$LABTOOL" serve --tcp 8080-8081 --udp 8080-8081 --ready "$ready.lan"
	spawn dmz "$LABTOOL" serve --tcp 8082 --udp 8082 --ready "$ready.dmz"
	for who in rt wild lan dmz; do
		eventually test -s "$ready.$who" || t_bail "the services of $who do not start"
	done
}

# Clients: 198.18.1.1 is in WAN 1's own network, 203.0.113.7 behind a static route by WAN 1, 203.0.113.8 behind the
# defaults only.
client_ns() {
	case $1 in
	neighbour) echo isp1 ;;
	*) echo inet ;;
	esac
}

client_address() {
	case $1-$2 in
	neighbour-4) echo 198.18.1.1 ;;
	neighbour-6) echo 2001:db8:1::1 ;;
	static-4) echo 203.0.113.7 ;;
	static-6) echo 2001:db8:ffff::7 ;;
	plain-4) echo 203.0.113.8 ;;
	plain-6) echo 2001:db8:ffff::8 ;;
	esac
}

# reach CLIENT FAMILY PROTO WAN PORT: N connections to that WAN's address, how many were answered. The client's
# ports are the same by each WAN.
reach() {
	in_lab "$(client_ns "$1")" "$LABTOOL" connect --proto "$3" --dst "$(wan_address "$2" "$4")" --port "$5" --count $N \
		--src-base "$(client_address "$1" "$2")" --src-count 1 --sport-base 20000 --timeout-ms 1500 2>/dev/null |
		grep -vc FAIL
}

# lasting CLIENT FAMILY WAN PORT: TCP that carries data for 4 s: what is asked again every two seconds finds the
# same WAN.
lasting() {
	local out
	out=$(in_lab "$(client_ns "$1")" "$LABTOOL" hold --dst "$(wan_address "$2" "$3")" --port "$4" --count 3 --size 64 \
		--src-base "$(client_address "$1" "$2")" --src-count 1 --sport-base 21000 --interval-ms 100 --duration 4 2>/dev/null)
	jq -c '[.alive, .broken]' <<<"$out"
}

declare -A SERVICES=([9000]='the router' [9001]='the router, bound to no address'
	[9002]='the router, by a socket of both families' [8080]='a server of the LAN' [8081]='a server of the LAN, masqueraded'
	[8082]='a server beside the LAN')

situations() {
	local client family port proto wan
	for client in neighbour static plain; do
		t_begin "$1: a client ($client) is answered by the WAN that it asked"
		forget_all
		for family in 4 6; do
			for wan in wan1 wan2; do
				for port in 9000 8080 8081 8082 9001 9002; do
					for proto in tcp udp; do
						[[ $proto$port != tcp900[12] ]] || continue
						t_assert_eq "$(reach $client $family $proto $wan $port)" $N "IPv$family $proto to ${SERVICES[$port]} by $wan"
					done
				done
				t_assert_eq "$(probe "$(client_ns $client)" ping "$(wan_address $family $wan)" --src "$(client_address $client $family)" \
					--count 3 --timeout-ms 1500 | grep -c ' ok ')" 3 "IPv$family echo by $wan"
			done
		done
		assert_no_leak
	done
	t_begin "$1: connections that last are answered by their WAN"
	for family in 4 6; do
		for port in 9000 8080 8081 8082; do
			lasting neighbour $family wan2 $port >"$T_DIR/lasting.$family.$port" &
		done
	done
	wait
	for family in 4 6; do
		for port in 9000 8080 8081 8082; do
			t_assert_eq "$(<"$T_DIR/lasting.$family.$port")" '[3,0]' "IPv$family to ${SERVICES[$port]}"
		done
	done
	assert_no_leak
}

for nf in 0 1; do
	lab_up --isps 2 --hosts 1 --no-offload
	rt test -d /proc/sys/net/bridge || {
		((nf)) && t_begin 'br_netfilter on' && t_skip 'the kernel has no br_netfilter' && continue
	}
	rt sh -c "for f in /proc/sys/net/bridge/bridge-nf-call-*; do echo $nf >\$f; done" 2>/dev/null
	dmz_up
	port_forwards
	start_services
	rt ip route add 203.0.113.7 via 198.18.1.1
	rt ip -6 route add 2001:db8:ffff::7 via 2001:db8:1::1
	for mode in off tc xdp; do
		pcc attach --lan br0 --wan wan1,wan2 --fastpath $mode >/dev/null || t_bail 'attach failed'
		situations "br_netfilter $nf, fast path $mode"
		pcc detach >/dev/null || t_fail 'detach'
	done
done

# The programs of answers: how many links there are, and how many warnings the last command had.
asked_links() { find "$BPFFS/pccbpf" -name 'link_asked*' | wc -l; }
asked_warnings() { grep -c '^pccbpf: warning: answers of UDP services: .* (' "$T_DIR/err"; }
asked_is() { [[ $(asked_links) == "$1" ]]; }

t_begin 'where no program can be at the control groups one warning says so, and all else is attached'
ATTACH=(attach --lan br0 --wan 'wan1,wan2')
printf 'lan: [br0]\nwans:\n  - interface: wan1\n  - interface: wan2\n' >"$DAEMON_CONF"
export PCCBPF_DISABLE=cgroup
t_assert_status 0 pcc "${ATTACH[@]}"
t_assert_eq "$(asked_warnings) $(asked_links)" '1 0' 'warnings, links'
forget_all
t_assert_eq "$(reach neighbour 4 udp wan2 9000) $(reach neighbour 4 udp wan1 9001)" "$N $N" 'what does not need them'
t_assert_eq "$(reach neighbour 4 udp wan2 9001)" 0 'what does'
t_assert_status 0 pcc wan set wan1 --weight 2
t_assert_eq "$(asked_links)" 0 'links after another command'
daemon_start || t_bail 'no daemon'
sleep 3 # it looks once a second
t_assert_eq "$(grep -c repair "$DAEMON_LOG")" 0 'repairs by the daemon'
stop "$DAEMON_PID"
unset PCCBPF_DISABLE
forget_all

t_begin 'once they can be the next command attaches them; the daemon puts them back; detach takes them away'
t_assert_status 0 pcc "${ATTACH[@]}"
t_assert_eq "$(asked_warnings) $(asked_links)" '0 3' 'warnings, links'
t_assert_eq "$(pcc "${ATTACH[@]}" --dry-run)" 'nothing to do' 'the same again'
t_assert_eq "$(reach neighbour 4 udp wan2 9001)" $N 'answered'
daemon_start || t_bail 'no daemon'
rm "$BPFFS/pccbpf/link_asked_out4"
t_assert 'put back' eventually asked_is 3
t_assert_eq "$(reach neighbour 4 udp wan2 9001)" $N 'answered'
stop "$DAEMON_PID"
t_assert_status 0 pcc detach
t_assert_eq "$(find "$BPFFS" -name 'link_asked*' | wc -l)" 0 'links after detach'
