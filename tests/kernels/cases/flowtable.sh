#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# flowtable.sh: a flowtable of the user's own (`flow add @ft`) beside pccbpf. What it takes unseen is said and
# counted, no connection leaves by another WAN than its own, and a WAN that goes takes its offloaded
# connections with it. Made for the virtual machine of boot.sh; skipped where the kernel has no flowtables.
#
#   flowtable.sh [PART...]    port, later, itself, vlan; all by default

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../lib.sh"

require_root
require_tools ip nft nsenter jq conntrack bpftool python3
[[ -e /dev/fd ]] || ln -s /proc/self/fd /dev/fd
for module in veth bridge 8021q nf_conntrack nf_conntrack_netlink nft_ct nft_chain_nat nft_masq nft_fib_inet \
	nf_flow_table nf_flow_table_inet nft_flow_offload cls_bpf sch_ingress; do
	modprobe -q "$module" # built in is as good
done

COUNT=10
BOTH=203.0.113.1,2001:db8:ffff::1
HOLD=(--dst "$BOTH" --port 7000 --count "$COUNT" --interval-ms 60)

# flowtable DEVICES [FLAGS]: the user's; flowtable_gone: no more.
flowtable() {
	rt nft -f - <<-END
		table inet user {
			flowtable ft {
				hook ingress priority filter
				devices = { $1 }
				${2:-counter}
			}
			chain forward {
				type filter hook forward priority filter
				meta l4proto { tcp, udp } flow add @ft
			}
		}
	END
}

flowtable_gone() {
	rt nft delete table inet user
}

# status_of JQ
status_of() {
	pcc status --json | jq -r "$1"
}

# offloaded_is N: so many connections of all WANs.
offloaded_is() {
	[[ $(status_of '[.wans[].offloaded] | add') == "$1" ]]
}

# unseen_over N: more packets of them were not seen.
unseen_over() {
	(($(status_of '[.wans[].offloaded_unseen_packets] | add') > $1))
}

# entries WAN: of conntrack, that have the NAT address of the WAN.
entries() {
	{
		rt conntrack -L -f ipv4
		rt conntrack -L -f ipv6
	} 2>/dev/null | grep -cE "dst=($(wan_address 4 "$1")|$(wan_address 6 "$1")) "
}

# sent_by ISP: packets that this customer's line has brought.
sent_by() {
	isp "$1" cat /sys/class/net/cust/statistics/rx_packets 2>/dev/null ||
		isp "$1" ip -s -j link show cust | jq '.[0].stats64.rx.packets'
}

# Between two looks nothing but a few neighbour packets came by ISP 1's line.
quiet_since() {
	(($(sent_by 1) - $1 < 8))
}

inbound_offloaded() {
	[[ $(pcc conns --json --origin wan | jq -c '[.[] | select(.offloaded) | .wan]') == '["wan2","wan2","wan2"]' ]]
}

plain_offloaded() {
	(($(rt conntrack -L 2>/dev/null | grep -c OFFLOAD) >= COUNT / 2))
}

new_lab() {
	lab_up --isps 2 --hosts 1 "$@"
	rt sysctl -qw net.netfilter.nf_conntrack_acct=1
}

# attach_to LAN MODE: stderr in $T_DIR/err. What earlier tests left in conntrack is forgotten.
attach_to() {
	rt conntrack -F 2>/dev/null
	t_assert_status 0 pcc attach --lan "$1" --wan wan1,wan2 --fastpath "$2"
}

# on_own_wan: each connection of hold is where `conns` says it is.
on_own_wan() {
	hold_report | jq -r '.connections[] | select(.alive) | "\(.sport) \(.seen)"' | sort >"$T_DIR/seen"
	pcc conns --json | jq -r '.[] | "\(.sport) \(.src) \(.wan)"' |
		awk '{ n = substr($3, 4); print $1, $2 ~ /:/ ? "2001:db8:" n "::2" : "198.18." n ".2" }' | sort >"$T_DIR/said"
	t_assert 'there are connections' test -s "$T_DIR/seen"
	t_assert_eq "$(comm -23 "$T_DIR/seen" "$T_DIR/said" | head -n 3)" '' \
		'connections that are on another WAN than conns says'
}

# sports_of WAN: source ports of hold's connections on it, as a list for jq.
sports_of() {
	hold_report | jq -c --arg a "$(wan_address 4 "$1")" --arg b "$(wan_address 6 "$1")" \
		'[.connections[] | select(.seen == $a or .seen == $b) | .sport]'
}

# all_broken SPORTS, none_broken SPORTS
all_broken() {
	hold_is "[.connections[] | select(.sport as \$s | $1 | index(\$s)) | .alive] | any | not"
}

none_broken() {
	hold_is "[.connections[] | select(.sport as \$s | $1 | index(\$s)) | .alive] | all"
}

# lets_go: wan1 goes down: nothing of what was offloaded is sent by it any more, and no connection of wan2
# notices. Leaves wan1 up again.
lets_go() {
	local first second before
	first=$(sports_of wan1)
	second=$(sports_of wan2)
	t_assert 'connections on wan1' test "$first" != '[]'
	t_assert_status 0 pcc wan set wan1 --state down
	t_assert_eq "$(entries wan1)" 0 'conntrack entries of wan1'
	before=$(sent_by 1)
	t_assert 'connections of wan1 are reset' poll_until 20 all_broken "$first"
	t_assert 'packets leave by wan1 still' quiet_since "$before"
	t_assert 'connections of wan2 are whole' none_broken "$second"
	t_assert_eq "$(leaks_total)" 0 'packets with the source of another WAN'
	t_assert_status 0 pcc wan set wan1 --state up
}

# ---------------------------------------------------------------- the port of a bridge

part_port() {
	rt_state >"$T_DIR/state"
	t_begin 'without a flowtable nothing is said of one'
	attach_to br0 auto
	t_assert_eq "$(grep -c flowtable "$T_DIR/err")" 0 'warnings'
	t_assert_eq "$(status_of '[.lan[], .wans[] | .flowtable] | unique | join(",")')" '' 'flowtable in status'
	t_assert_eq "$(status_of '[.lan[], .wans[] | .flowtable_unseen] | any')" false 'flowtable_unseen'
	t_assert_status 0 pcc detach

	flowtable 'lan1, wan1, wan2'
	t_begin 'a flowtable on the port of the bridge: attach warns, and status says where it takes packets'
	attach_to br0 auto
	t_assert 'attach warns' grep -q "br0: the flowtable 'inet user ft' takes established connections at lan1" \
		"$T_DIR/err"
	t_assert_eq "$(status_of '.lan[0] | "\(.flowtable), \(.flowtable_device), \(.flowtable_unseen)"')" \
		'inet user ft, lan1, true' 'br0 in status'
	t_assert_eq "$(status_of '.wans[0] | "\(.flowtable), \(.flowtable_device), \(.flowtable_unseen)"')" \
		'inet user ft, wan1, false' 'wan1 in status'
	t_assert 'status says what to do' grep -q 'name br0 in its devices in place of lan1' <(pcc status)

	t_begin 'what it takes is counted: connections by WAN, and their packets that pccbpf has not seen'
	hold_start lan1 "${HOLD[@]}"
	t_assert 'all are offloaded' poll_until 30 offloaded_is $COUNT
	t_assert_eq "$(pcc conns --json | jq '[.[] | select(.offloaded)] | length')" $COUNT 'offloaded in conns'
	t_assert 'packets not seen are counted' poll_until 30 unseen_over $((20 * COUNT))
	t_assert 'status prints it' grep -qE '^wan[12]: [0-9]+ connections? (is|are) offloaded to a flowtable; pccbpf has not seen' <(pcc status)
	hold_unharmed $COUNT
	on_own_wan

	t_begin 'a WAN that goes down takes its offloaded connections with it, and no others'
	lets_go
	hold_stop >/dev/null

	t_begin 'the same where pccbpf has forgotten a connection that it has not seen for long'
	hold_start lan1 "${HOLD[@]}"
	t_assert 'all are offloaded' poll_until 30 offloaded_is $COUNT
	bpftool map dump pinned "$BPFFS/pccbpf/pcc_conns" -j | jq -r '.[].key | join(" ")' |
		sed "s|^|map delete pinned $BPFFS/pccbpf/pcc_conns key hex |; s/ 0x/ /g" |
		bpftool batch file - >/dev/null
	t_assert_eq "$(pcc conns --json | jq length)" 0 'remembered connections'
	t_assert_eq "$(status_of '[.wans[].offloaded] | add')" $COUNT \
		'offloaded connections, told by their addresses'
	lets_go
	hold_stop >/dev/null

	t_begin 'inbound through the WAN that is not the default: offloaded, and answered by it'
	rt nft add table inet forwards
	rt nft add chain inet forwards pre '{ type nat hook prerouting priority dstnat; }'
	rt nft add rule inet forwards pre iifname wan2 meta nfproto ipv4 tcp dport 8080 dnat ip to 192.168.77.11
	spawn lan1 "$LABTOOL" serve --tcp 8080 --ready "$T_DIR/serve.ready"
	t_assert 'the server starts' poll_until 10 test -s "$T_DIR/serve.ready"
	hold_start inet --dst 198.18.2.2 --port 8080 --count 3 --interval-ms 60
	t_assert 'they are offloaded, on wan2' poll_until 30 inbound_offloaded
	hold_unharmed 3
	t_assert_eq "$(leaks_total)" 0 'packets with the source of another WAN'
	hold_stop >/dev/null
	rt nft delete table inet forwards

	t_begin 'a change of routes moves no offloaded connection to another WAN'
	hold_start lan1 "${HOLD[@]}"
	t_assert 'all are offloaded' poll_until 30 offloaded_is $COUNT
	rt ip route add 192.0.2.0/24 via 198.18.1.1
	rt ip -6 route add 2001:db8:77::/48 via 2001:db8:1::1
	hold_unharmed $COUNT
	on_own_wan
	rt ip route del 192.0.2.0/24
	rt ip -6 route del 2001:db8:77::/48
	t_assert 'all are offloaded again' poll_until 30 offloaded_is $COUNT
	hold_unharmed $COUNT

	t_begin 'wan del: nothing leaves by that WAN any more'
	first=$(sports_of wan1)
	t_assert_status 0 pcc wan del wan1
	before=$(sent_by 1)
	t_assert 'its connections are reset' poll_until 20 all_broken "$first"
	t_assert 'packets leave by wan1 still' quiet_since "$before"
	t_assert_eq "$(leaks_total)" 0 'packets with the source of another WAN'
	hold_stop >/dev/null

	t_begin 'detach leaves the router as it was, and the flowtable works on'
	t_assert_status 0 pcc detach
	flowtable_gone
	same_as "$T_DIR/state" rt_state
	plain_masquerade
	flowtable 'lan1, wan1, wan2'
	hold_start lan1 "${HOLD[@]}"
	t_assert 'connections are offloaded' poll_until 30 plain_offloaded
	hold_unharmed $COUNT
	hold_stop >/dev/null
	rt nft delete table inet labnat
	flowtable_gone
}

# ---------------------------------------------------------------- a flowtable that comes later

part_later() {
	t_begin 'the daemon tells of a flowtable that comes later, and of its end'
	cat >"$DAEMON_CONF" <<-'END'
		lan: [br0]
		wans: [{interface: wan1}, {interface: wan2}]
	END
	: >"$DAEMON_LOG"
	# shellcheck disable=SC2016
	DAEMON_PID=$("$LAB_SH" spawn --name "$LAB" rt bash -c 'exec "$@" 2>>"$0"' "$DAEMON_LOG" \
		"$PCCBPF" daemon --config "$DAEMON_CONF" --bpffs "$BPFFS/pccbpf")
	t_assert 'it starts' poll_until 60 daemon_said '^pccbpf: ready:'
	: >"$DAEMON_LOG"
	flowtable 'lan1, wan1, wan2'
	t_assert 'it tells' poll_until 20 daemon_said \
		"^pccbpf: flowtable: takes connections before pccbpf sees them: br0 \(at lan1, 'inet user ft'\)"
	: >"$DAEMON_LOG"
	flowtable_gone
	t_assert 'it tells of the end' poll_until 20 daemon_said '^pccbpf: flowtable: none takes any'
	stop "$DAEMON_PID"
	t_assert_status 0 pcc detach
}

# ---------------------------------------------------------------- the bridge itself

part_itself() {
	t_begin 'a flowtable on the interfaces themselves: no warning, every packet is seen and counted, the fast path comes first'
	flowtable 'br0, wan1, wan2'
	attach_to br0 tc
	t_assert_eq "$(grep -c flowtable "$T_DIR/err")" 0 'warnings'
	t_assert_eq "$(status_of '.lan[0] | "\(.flowtable_device), \(.flowtable_unseen)"')" 'br0, false' \
		'br0 in status'
	hold_start lan1 "${HOLD[@]}"
	t_assert 'all are offloaded' poll_until 30 offloaded_is $COUNT
	hold_unharmed $COUNT
	sleep 2
	t_assert_eq "$(status_of '[.wans[].offloaded_unseen_packets] | add')" 0 'packets not seen'
	share=$(stat_of '([.wans[].fastpath_packets] | add) * 100 / ([.wans[] | .tx_packets + .rx_packets] | add) | floor')
	((share > 60)) || t_fail "only $share % took the fast path"
	on_own_wan

	t_begin '... and its WAN lets go of a connection on the fast path and in the flowtable'
	lets_go
	hold_stop >/dev/null

	t_begin 'without the fast path the flowtable forwards, and what it forwards is counted to the packet'
	t_assert_status 0 pcc attach --lan br0 --wan wan1,wan2 --fastpath off
	read -r sent answered _ < <(lan 1 python3 "$ROOT/tests/e2e/talk.py" 203.0.113.3 7003 41000 300 200)
	t_assert_eq "$sent $answered" '300 300' 'datagrams sent, answered'
	t_assert_eq "$(pcc conns --json --sport 41000 --proto udp | jq -r '.[] | "\(.tx_packets) \(.rx_packets) \(.offloaded)"')" \
		'300 300 true' 'conns: packets to the WAN, to the LAN, offloaded'
	t_assert_status 0 pcc detach
	flowtable_gone
}

# ---------------------------------------------------------------- a VLAN

part_vlan() {
	t_begin 'a flowtable on the device below a VLAN takes its connections unseen, and is said to'
	rt ip link add link lan1 name lan1.7 type vlan id 7
	rt ip addr add 192.168.78.1/24 dev lan1.7
	rt ip link set lan1.7 up
	lan 1 ip link add link eth0 name eth0.7 type vlan id 7
	lan 1 ip addr add 192.168.78.11/24 dev eth0.7
	lan 1 ip link set eth0.7 up
	lan 1 ip route replace default via 192.168.78.1
	rt ip link set lan1 nomaster
	flowtable 'lan1, wan1, wan2'
	attach_to lan1.7 tc
	t_assert 'attach warns' grep -q "lan1.7: the flowtable 'inet user ft' takes established connections at lan1" "$T_DIR/err"
	hold_start lan1 --dst 203.0.113.1 --port 7000 --count 16 --interval-ms 60
	t_assert 'they are offloaded' poll_until 30 offloaded_is 16
	t_assert 'packets not seen are counted' poll_until 30 unseen_over 40
	hold_unharmed 16
	lets_go
	hold_stop >/dev/null
	t_assert_status 0 pcc detach
}

new_lab --lan bridge
if ! flowtable 'lan1, wan1, wan2' 2>/dev/null; then
	skip_all 'the kernel has no flowtables'
fi
flowtable_gone
(($#)) || set -- port later itself vlan
for part in "$@"; do
	"part_$part"
done
