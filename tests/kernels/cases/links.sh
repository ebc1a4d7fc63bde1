#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# links.sh [KIND...]: pccbpf over every kind of link that people have, as a WAN and as the LAN, in each mode of the fast path. Made for
# the virtual machine of boot.sh, whose kernels have all of them; what a kernel lacks is skipped.
#
#   links.sh              all kinds of tests/kernels/links/kinds.sh
#   SHORT=1 links.sh      VLAN, PPPoE and WireGuard, half of the checks
#   ROLES='wan lan' MODES='off xdp auto tc'     some of them only
#   OUT=DIR               a table DIR/links.tsv: kernel, link, role, mode, result
#   KERNEL=NAME           what the table calls this kernel
#
# LAN host - lan0 [router] wan1 - ISP 1 - server, and wan2 - ISP 2 - the same server. One of lan0 and wan1 is replaced by the link in
# question. Both ISPs drop, and count, what has a source that is not their customer's.

# limit: 3000

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../lib.sh"
# shellcheck source=tests/kernels/links/kinds.sh
. "$ROOT/tests/kernels/links/kinds.sh"

require_root
require_tools ip tc bridge nft nsenter jq curl ethtool ping
KERNEL=${KERNEL:-$(uname -r)}
OUT=${OUT:-}
SHORT=${SHORT:-}
SPORT=20000 # of the next connections
SHARE_MIN=80

# ---------------------------------------------------------------- the table

# begin WHAT: a check of this kind, role and mode.
begin() {
	t_begin "$KIND as $ROLE, $MODE: $1"
}

# row RESULT: what the table says of this kind, role and mode. FAIL counts more, if a check has failed since $FAILED_BEFORE.
row() {
	local result=$1
	t_end
	((T_FAILED == FAILED_BEFORE)) || result=FAIL
	[[ -z $OUT ]] || printf '%s\t%s\t%s\t%s\t%s\n' "$KERNEL" "$KIND" "$ROLE" "$MODE" "$result" >>"$OUT/links.tsv"
	FAILED_BEFORE=$T_FAILED
}

# ---------------------------------------------------------------- the lab

isp_filter() {
	cat <<-TABLE
	table inet links {
		counter leaks { }
		set foreign4 { type ifname . ipv4_addr . ipv4_addr; size 64; flags dynamic; }
		set foreign6 { type ifname . ipv6_addr . ipv6_addr; size 64; flags dynamic; }
		chain sources {
			type filter hook prerouting priority raw;
			iifname { "core", "lo" } accept
			ip saddr != { 198.18.$1.0/24, 172.31.1.0/24 } add @foreign4 { iifname . ip saddr . ip daddr } counter name leaks drop
			ip6 saddr != { 2001:db8:$1::/64, fe80::/10, ::/128 } add @foreign6 { iifname . ip6 saddr . ip6 daddr } counter name leaks drop
		}
	}
	TABLE
}

lab_start() {
	local k
	lab_up --isps 2 --hosts 1 --lan port --no-offload
	for k in 1 2; do
		isp $k nft delete table inet lab
		isp_filter $k | isp $k nft -f -
	done
	rt nft -f - <<-'TABLE'
	table ip inward {
		chain pre {
			type nat hook prerouting priority dstnat;
			ip daddr { 198.18.1.0/24, 198.18.2.0/24 } tcp dport 8080 dnat to 192.168.77.11:7000
		}
	}
	TABLE
	rt ip link add spare type veth peer name spare netns "$LAB-lan1"
	rt ip link set spare up
	spawn lan1 "$LABTOOL" serve --tcp 7000
}

links_leaked() {
	local k
	for k in 1 2; do
		isp $k nft list counter inet links leaks
	done | awk '$1 == "packets" { n += $2 } END { print n + 0 }'
}

links_leaks() {
	local k
	for k in 1 2; do
		isp $k nft list table inet links | tr -d '\n\t' | grep -o 'elements = {[^}]*}' | sed "s/^/isp$k /"
	done | paste -sd' '
}

# give DEVICE ADDRESS4 ADDRESS6, bare DEVICE: lines for `ip -batch`: it is up, has these global addresses ("-" for none); none at all.
give() {
	echo "link set $1 up"
	[[ $2 == - ]] || echo "addr replace $2 dev $1"
	[[ $3 == - ]] || echo "addr replace $3 dev $1 nodad"
}

bare() {
	echo "addr flush dev $1 scope global"
	echo "link set $1 nomaster up"
}

# batch NS: of lines on the input.
batch() {
	in_lab "$1" ip -force -batch -
}

serves() {
	[[ $FAMILIES == *$1* ]]
}

# What the family serves, or "-".
if_serves() {
	if serves "$1"; then echo "$2"; else echo -; fi
}

# The router's addresses and defaults on $DEV.
router_addresses() {
	if [[ $ROLE == lan ]]; then
		give "$DEV" 192.168.77.1/24 fd77::1/64
		return
	fi
	if [[ $KIND == pppoe ]]; then
		give "$DEV" - 2001:db8:1::2/64
		echo "route replace default dev $DEV metric 100"
	else
		give "$DEV" "$(if_serves 4 198.18.1.2/24)" "$(if_serves 6 2001:db8:1::2/64)"
		! serves 4 || echo "route replace default via 198.18.1.1 dev $DEV metric 100"
	fi
	! serves 6 || echo "route replace default via 2001:db8:1::1 dev $DEV metric 100"
}

# Those of the second WAN on $1.
second_addresses() {
	give "$1" 198.18.2.2/24 2001:db8:2::2/64
	echo "route replace default via 198.18.2.1 dev $1 metric 200"
	echo "route replace default via 2001:db8:2::1 dev $1 metric 200"
}

second_modem() {
	bare wan2 | batch rt
	second_addresses mac2 | batch rt
	bare cust | batch isp2
	give modem 198.18.2.1/24 2001:db8:2::1/64 | batch isp2
	W2=mac2
}

host_addresses() {
	give "$1" 192.168.77.11/24 fd77::11/64
	echo "route replace default via 192.168.77.1 dev $1"
	echo "route replace default via fd77::1 dev $1"
}

# Of the peer, when its device is there: that of PPPoE comes with the call.
peer_addresses() {
	if [[ $ROLE == lan ]]; then
		host_addresses "$DEV" | batch lan1
	elif [[ $KIND == pppoe ]]; then
		poll_until 10 pppoe_device isp1
		give "$PPP_DEV" - 2001:db8:1::1/64 | batch isp1
	else
		give "$DEV" "$(if_serves 4 198.18.1.1/24)" "$(if_serves 6 2001:db8:1::1/64)" | batch isp1
	fi
}

router_link() {
	if [[ $ROLE == lan ]]; then
		"end_$KIND" router rt lan0 lan1 eth0 || return 1
		LAN=$DEV
	else
		"end_$KIND" router rt wan1 isp1 cust || return 1
		W1=$DEV
	fi
	router_addresses | batch rt
}

peer_link() {
	if [[ $ROLE == lan ]]; then
		"end_$KIND" peer lan1 eth0 rt lan0
	else
		"end_$KIND" peer isp1 cust rt wan1
	fi || return 1
	[[ $KIND == pppoe ]] || peer_addresses
}

# link_start: the link in question stands, in place of wan1 or lan0.
link_start() {
	W1=wan1 W2=wan2 LAN=lan0
	if [[ $ROLE == lan ]]; then
		bare lan0 | batch rt
		bare eth0 | batch lan1
	else
		bare wan1 | batch rt
		bare cust | batch isp1
	fi
	peer_link || return 1
	router_link || return 1
	[[ $KIND != pppoe ]] || peer_addresses
	[[ $KIND != macvlan || $ROLE != wan ]] || second_modem
}

# The router's end is made anew: another ifindex, and for PPPoE another address.
link_again() {
	if [[ $KIND == pppoe ]]; then pppoe_gone router; else link_gone rt; fi
	if [[ $ROLE == lan ]]; then bare lan0; else bare wan1; fi | batch rt
	router_link || return 1
	[[ $KIND != pppoe ]] || peer_addresses
	[[ $KIND != macvlan || $ROLE != wan ]] || second_modem
}

# What others have of us is over with the link: neighbours would try the MAC of the old one for ten seconds.
link_stop() {
	local ns dev
	pcc detach >/dev/null 2>&1
	if [[ $KIND == pppoe ]]; then
		pppoe_gone router
		pppoe_gone peer
	fi
	for ns in rt isp1 lan1; do
		link_gone $ns
	done
	rt ip link del wire2 2>/dev/null
	{
		for dev in wan1 wan2 lan0; do bare $dev; done
		give lan0 192.168.77.1/24 fd77::1/64
		give wan1 198.18.1.2/24 2001:db8:1::2/64
		echo 'route replace default via 198.18.1.1 dev wan1 metric 100'
		echo 'route replace default via 2001:db8:1::1 dev wan1 metric 100'
		second_addresses wan2
	} | batch rt
	for ns in 1 2; do
		{
			bare cust
			give cust 198.18.$ns.1/24 2001:db8:$ns::1/64
		} | batch isp$ns
	done
	{
		bare eth0
		host_addresses eth0
	} | batch lan1
	for ns in rt isp1 isp2 lan1; do
		in_lab "$ns" ip neigh flush all
	done
}

# ---------------------------------------------------------------- traffic

destinations() {
	case $FAMILIES in
	4) echo "$SERVERS4" ;;
	6) echo "$SERVERS6" ;;
	*) echo "$SERVERS4,$SERVERS6" ;;
	esac
}

# ports: sets PORTS for the next connections: other ones each time, the same in each run.
ports() {
	PORTS=$SPORT
	SPORT=$((SPORT + 100))
	((SPORT < 60000)) || SPORT=20000
}

# opened COUNT [TIMEOUT_MS]: opens connections; sets SEEN1, SEEN2, FOREIGN, FAILED: by whose addresses they were seen.
opened() {
	ports
	lan 1 "$LABTOOL" connect --dst "$(destinations)" --port 7000 --count "$1" --timeout-ms "${2:-8000}" \
		--sport-base "$PORTS" --rst >"$T_DIR/opened" 2>/dev/null
	read -r SEEN1 SEEN2 FOREIGN FAILED < <(awk '
		$1 == "FAIL" { failed++; next }
		$5 ~ /^198\.18\.1\./ || $5 ~ /^2001:db8:1:/ { one++; next }
		$5 ~ /^198\.18\.2\./ || $5 ~ /^2001:db8:2:/ { two++; next }
		{ foreign++ }
		END { print one + 0, two + 0, foreign + 0, failed + 0 }' "$T_DIR/opened")
}

# both_used: of 20 connections none fails, and each WAN has some.
both_used() {
	opened 20 2000
	((FAILED == 0 && FOREIGN == 0 && SEEN1 >= 2 && SEEN2 >= 2))
}

# wan_numbers: of both WANs: packets, and those of the fast path.
wan_numbers() {
	stat_of "[.wans[] | select(.name == (\"$W1\", \"$W2\"))] | sort_by(.name != \"$W1\") | map(.tx_packets + .rx_packets, .fastpath_packets) | join(\" \")"
}

# busy COUNT SECONDS SIZE: connections that carry much, both ways, every byte checked, for that long once they stand. Sets BUSY (JSON)
# and SHARE1, SHARE2: percent of the packets of each WAN that the fast path took meanwhile.
busy() {
	local a1 f1 a2 f2 b1 g1 b2 g2 end
	ports
	hold_start lan1 --dst "$(destinations)" --port 7000 --count "$1" --size "$3" --interval-ms 20 \
		--timeout-ms 8000 --sport-base "$PORTS"
	poll_until 8 hold_is "[.connections[] | select(.bytes >= $3)] | length == $1" || t_fail 'not all connections carry something'
	read -r a1 f1 a2 f2 < <(wan_numbers)
	end=$(($(now_ms) + $2 * 1000))
	while (($(now_ms) < end)); do sleep 0.1; done
	read -r b1 g1 b2 g2 < <(wan_numbers)
	BUSY=$(hold_stop)
	SHARE1=$((b1 > a1 ? (g1 - f1) * 100 / (b1 - a1) : -1))
	SHARE2=$((b2 > a2 ? (g2 - f2) * 100 / (b2 - a2) : -1))
}

# bytes_of K: that connections of WAN K carried.
bytes_of() {
	jq "[.connections[] | select(.seen | startswith(\"198.18.$1.\") or startswith(\"2001:db8:$1:\")) | .bytes] | add // 0" <<<"$BUSY"
}

# ---------------------------------------------------------------- checks of a mode

attach() {
	pcc attach --lan "$LAN" --wan "$W1,$W2" --seed 7 --fastpath "$MODE" >"$T_DIR/out" 2>"$T_DIR/err"
}

# look: sets SAID_WAN and SAID_LAN, where the fast path of the two is and why, as status has them.
look() {
	local status
	status=$(pcc status --json | jq -r '(.lan + .wans)[] | "\(.name) \(.fastpath): \(.fastpath_reason)"')
	SAID_WAN=$(sed -n "s/^$W1 //p" <<<"$status")
	SAID_LAN=$(sed -n "s/^$LAN //p" <<<"$status")
}

check_spread() {
	begin 'connections are spread over both, with the right source'
	opened 40
	t_assert_eq "$FAILED $FOREIGN" '0 0' "connections that failed, of foreign source: $(grep -m 2 FAIL "$T_DIR/opened" | paste -sd' ')"
	((SEEN1 >= 8 && SEEN2 >= 8)) || t_fail "$SEEN1 by $W1, $SEEN2 by $W2"
}

check_inbound() {
	local got
	serves 4 || return 0
	begin 'who comes from outside is answered by the same WAN'
	got=$(inet "$LABTOOL" connect --dst "$ADDRESS1,198.18.2.2" --port 8080 --count 6 --timeout-ms 5000 2>/dev/null |
		grep -cv FAIL)
	t_assert_eq "$got" 6 'connections to a forwarded port'
}

# The connections that were busy, with their packets, and whether the fast path has them now.
slow_ones() {
	pcc conns --json | jq -r --argjson first "$PORTS" '.[] | select(.sport >= $first and .sport < $first + 100) |
		"\(.dst) \(.wan) \(.tx_packets)/\(.rx_packets)\(if .fastpath then "" else " slow" end)"' | paste -sd,
}

check_bulk() {
	begin 'what is carried is whole, and most of it takes the fast path'
	busy 10 2 8000
	t_assert_eq "$(jq -c '[.alive, .broken]' <<<"$BUSY")" '[10,0]' 'connections alive, broken'
	(($(bytes_of 1) > 30000)) || t_fail "$(bytes_of 1) bytes by $W1"
	(($(bytes_of 2) > 30000)) || t_fail "$(bytes_of 2) bytes by $W2"
	RESULT="ok: ${SAID_WAN%%:*}, $SHARE1 %"
	if [[ $SAID_WAN == off:* || $SAID_LAN == off:* ]]; then
		((SHARE1 >= 10)) || t_fail "only $SHARE1 % of $W1 in the fast path ($SAID_WAN; $SAID_LAN)"
	else
		((SHARE1 >= SHARE_MIN && SHARE2 >= SHARE_MIN)) ||
			t_fail "only $SHARE1 % of $W1 and $SHARE2 % of $W2 in the fast path ($SAID_WAN; $SAID_LAN): $(slow_ones)"
	fi
}

# What auto is to say of the device: the kind's own reason.
auto_says() {
	case $KIND in
	wireguard | gre | over | ipip | sit) echo 'tc: a device without link-layer header has no XDP here' ;;
	vlan | qinq | pppoe | fq_codel) echo 'tc: auto takes XDP for hardware only, this is of kind veth' ;;
	brvlan) echo 'tc: no native XDP on a device of kind bridge' ;;
	bond | macvlan) echo "tc: no native XDP on a device of kind $KIND" ;;
	cake | htb | netem) echo "tc: XDP would pass by the qdisc $KIND" ;;
	ifb) echo 'off: the ingress .* would not see what it takes' ;;
	esac
}

check_auto() {
	local said=$SAID_WAN
	[[ $ROLE == wan ]] || said=$SAID_LAN
	begin 'status says where the fast path is, and why'
	[[ $said =~ ^$(auto_says) ]] || t_fail "'$said', expected '$(auto_says)'"
	[[ $KIND != ifb ]] || IFB_BEFORE=$(ifb_packets)
}

ifb_packets() {
	rt ip -j -s link show dev ifb4dev | jq '.[0].stats64.rx.packets'
}

check_shaped() {
	local seen
	[[ $KIND == ifb ]] || return 0
	begin 'the shaper of downloads sees them'
	seen=$(($(ifb_packets) - IFB_BEFORE))
	((seen > 300)) || t_fail "$seen packets went through the ifb"
}

check_leaks() {
	begin 'nobody got packets of a foreign source'
	t_assert_eq "$(links_leaked)" 0 "packets that ISPs dropped for their source ($(links_leaks))"
	t_assert_eq "$(counter_of leak)" 0 'counter leak'
}

check_mode() {
	MODE=$1
	RESULT=ok
	begin 'attach takes the link'
	attach || {
		t_fail "$(head -n 2 "$T_DIR/err" | paste -sd' ')"
		row FAIL
		return
	}
	ADDRESS1=$(rt ip -4 -o addr show dev "$W1" | awk '{ sub(/\/.*/, "", $4); print $4; exit }')
	look
	[[ $MODE != auto ]] || check_auto
	check_spread
	[[ $MODE == xdp ]] || check_inbound
	# What auto takes is tc here, which is looked at, but for the shaper that keeps it away.
	if [[ $MODE == tc || $MODE == xdp || ($MODE == auto && $KIND == ifb) ]]; then
		check_bulk
		[[ $MODE != auto ]] || check_shaped
	elif [[ $MODE == auto ]]; then
		[[ $ROLE == wan ]] || SAID_WAN=$SAID_LAN
		RESULT="ok: $SAID_WAN"
	fi
	check_leaks
	row "$RESULT"
}

# ---------------------------------------------------------------- packets of the link's size

whole() {
	[[ $(lan 1 curl -s -m 20 -o /dev/null -w '%{size_download}' "$1") == 300000 ]]
}

# Everything by the link: what does not fit it is fragmented, or its sender is told, or the user clamps the MSS where the ISP
# keeps that to itself.
check_mtu() {
	local mtu out
	MODE=mtu
	[[ $ROLE == wan ]] || return 0
	mtu=$(link_field "$KIND" 4)
	begin "a WAN of $mtu bytes: large pings arrive, too large ones are told, transfers are whole"
	pcc wan set "$W2" --state drain >/dev/null 2>&1 || t_fail 'wan set --state drain'
	t_assert_eq "$(rt ip -j link show "$W1" | jq '.[0].mtu')" "$mtu" "MTU of $W1"
	if serves 4; then
		out=$(lan 1 ping -c 3 -i 0.2 -W 3 -s 3000 203.0.113.3)
		t_assert 'fragments of a ping of 3000 bytes' grep -q ' 0% packet loss' <<<"$out"
		out=$(lan 1 ping -c 3 -i 0.2 -W 3 -M 'do' -s 1472 203.0.113.6 2>&1)
		if ((mtu < 1500)); then
			t_assert "told mtu $mtu: $(paste -sd' ' <<<"$out")" grep -q "mtu *= *$mtu" <<<"$out"
		else
			t_assert 'a ping of 1500 bytes' grep -q ' 0% packet loss' <<<"$out"
		fi
		t_assert 'a download' whole http://203.0.113.2/bytes/300000
	fi
	! serves 6 || t_assert 'a download, IPv6' whole 'http://[2001:db8:ffff::2]/bytes/300000'
	((mtu == 1500)) || check_clamp
	pcc wan set "$W2" --state up >/dev/null 2>&1 || t_fail 'wan set --state up'
	row "ok: $mtu"
}

check_clamp() {
	begin 'with the MSS clamped, also past an ISP that tells nobody'
	isp 1 nft 'add chain inet links quiet { type filter hook output priority 0; }'
	isp 1 nft 'add rule inet links quiet icmp type destination-unreachable drop'
	isp 1 nft 'add rule inet links quiet icmpv6 type packet-too-big drop'
	rt nft 'add table inet clamp { chain f { type filter hook forward priority mangle; tcp flags syn tcp option maxseg size set rt mtu; }; }'
	! serves 4 || t_assert 'a download' whole http://203.0.113.7/bytes/300000
	! serves 6 || t_assert 'a download, IPv6' whole 'http://[2001:db8:ffff::7]/bytes/300000'
	rt nft delete table inet clamp
	isp 1 nft delete chain inet links quiet
}

# ---------------------------------------------------------------- the device is made anew

check_again() {
	local before start took
	MODE=anew
	case $KIND in cake | fq_codel | htb | netem | ifb) return 0 ;; esac
	printf 'lan: [%s]\nwans:\n  - interface: %s\n  - interface: %s\n' "$LAN" "$W1" "$W2" >"$DAEMON_CONF"
	begin 'under the daemon the device is made anew, and is balanced again'
	daemon_start || {
		row FAIL
		return
	}
	before=$(ids)
	link_again || t_fail 'the link does not come back'
	start=$(now_ms)
	poll_until 20 both_used || t_fail "after 20 s: $SEEN1 by $W1, $SEEN2 by $W2, $FAILED failed: $(tail -n 3 "$DAEMON_LOG" | paste -sd' ')"
	took=$(($(now_ms) - start))
	[[ $(ids) != "$before" ]] || t_fail 'it is the same device, with the same address'
	busy 8 2 4000
	t_assert_eq "$(jq -c '[.alive, .broken]' <<<"$BUSY")" '[8,0]' 'connections alive, broken'
	((SHARE1 >= 50 && SHARE2 >= 50)) || t_fail "only $SHARE1 % of $W1 and $SHARE2 % of $W2 in the fast path"
	stop "$DAEMON_PID"
	check_leaks
	row "ok: after $((took / 1000)).$((took % 1000 / 100)) s"
}

# ids: what tells the device from the one before.
ids() {
	if [[ $ROLE == lan ]]; then
		rt ip -o link show "$LAN" | cut -d: -f1
	else
		echo "$(rt ip -o link show "$W1" | cut -d: -f1) $([[ $KIND != pppoe ]] || rt ip -4 -o addr show "$W1" | awk '{ print $4 }')"
	fi
}

# A cable of the bond: the other takes over, no connection breaks.
check_bond() {
	local peer=$1
	MODE=failover
	begin 'the active cable of the bond is pulled, and the connections go on'
	hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port 7000 --count 8 --interval-ms 50
	poll_until 10 hold_is '.alive == 8' || t_fail 'the connections do not open'
	in_lab "$peer" ip link set wire2 up
	rt ip link set "$(active_port bond0)" down
	hold_unharmed 8
	hold_stop >/dev/null
	rt ip link set wan1 up
	rt ip link set lan0 up
	rt ip link set wire2 up
	row ok
}

active_port() {
	rt ip -d -j link show "$1" | jq -r '.[0].linkinfo.info_data.active_slave'
}

# ---------------------------------------------------------------- one link

# The WAN, or LAN, is taken out: nothing of it is left.
check_removal() {
	local dev=$W1
	[[ $ROLE == wan ]] || dev=$LAN
	MODE=removed
	begin 'taken out, it has nothing of ours'
	t_assert_status 0 pcc attach --lan "$OTHER_LAN" --wan "$([[ $ROLE == wan ]] && echo "$W2" || echo wan1,wan2)" --seed 7
	t_assert_eq "$(rt ip -4 route show table all proto 172 | grep -cw "dev $dev")" 0 'IPv4 routes'
	t_assert_eq "$(rt ip -6 route show table all proto 172 | grep -cw "dev $dev")" 0 'IPv6 routes'
	t_assert_eq "$(find "$BPFFS/pccbpf" -name "link_*_$(rt_ifindex "$dev")" | wc -l)" 0 'links of programs'
	t_assert_eq "$(for side in ingress egress; do rt tc filter show dev "$dev" $side; done | grep -c pcc_)" 0 filters
	t_assert_eq "$(rt nft list table inet pccbpf | grep -cw "\"$dev\"")" 0 'mentions in the NAT table'
	row ok
}

# What the kind needs that is no module: programs.
tools_there() {
	local tool tools=()
	case $KIND in
	pppoe) tools=(pppd pppoe-server) ;;
	wireguard) tools=(wg) ;;
	esac
	for tool in "${tools[@]}"; do
		command -v "$tool" >/dev/null || {
			MISSING="no $tool"
			return 1
		}
	done
}

modules_there() {
	local list=$1 module
	for module in ${list//,/ }; do
		modprobe -q "$module" || [[ -e /sys/module/$module ]] || {
			MISSING="no $module in this kernel"
			return 1
		}
	done
}

# link KIND ROLE MODE...
link() {
	local mode
	KIND=$1 ROLE=$2 FAMILIES=$(link_field "$1" 3)
	shift 2
	MODE=all
	begin 'the link stands'
	{ tools_there && modules_there "$(link_field "$KIND" 5)"; } || {
		t_skip "$MISSING"
		row "skip: $MISSING"
		return
	}
	link_start || {
		t_fail 'it cannot be made'
		row FAIL
		link_stop
		return
	}
	for mode in "$@"; do
		check_mode "$mode"
	done
	[[ -n $SHORT ]] || check_mtu
	[[ -n $SHORT && $KIND != pppoe ]] || check_again
	[[ $KIND != bond ]] || check_bond "$([[ $ROLE == lan ]] && echo lan1 || echo isp1)"
	OTHER_LAN=$LAN
	[[ $ROLE == wan ]] || OTHER_LAN=spare
	check_removal
	link_stop
}

# ---------------------------------------------------------------- VRF

# refused WHAT: attach says no, and that a VRF is why.
refused() {
	begin "$1: refused, with the reason"
	if attach; then
		t_fail 'attach takes it'
	else
		t_assert "$(cat "$T_DIR/err")" grep -q 'VRF.*nomaster' "$T_DIR/err"
	fi
	row "refused: $(sed 's/^pccbpf: //' "$T_DIR/err" | paste -sd' ')"
}

# Rules of a VRF come before ours: marks would choose nothing.
check_vrf() {
	KIND=vrf FAMILIES=46 MODE=auto LAN=lan0 W1=wan1 W2=wan2
	ROLE=all
	begin 'the link stands'
	modules_there vrf || {
		t_skip "$MISSING"
		row "skip: $MISSING"
		return
	}
	new_link rt vrf9 type vrf table 309
	ROLE=wan
	rt ip link set wan1 master vrf9
	rt ip route add default via 198.18.1.1 dev wan1 table 309
	refused 'one of the WANs is in it'
	W1=vrf9 ROLE='wan itself'
	refused 'it is a WAN itself'
	W1=wan1
	ROLE='lan and wan'
	rt ip link set wan2 master vrf9
	rt ip route add default via 198.18.2.1 dev wan2 table 309 metric 200
	rt ip link set lan0 master vrf9
	refused 'LAN and WANs are in it'
	link_stop
	new_link rt vrf9 type vrf table 309
	ROLE=lan
	rt ip link set lan0 master vrf9
	refused 'the LAN is in it'
	link_stop
	check_vrf_daemon
	link_stop
	rt ip -4 rule del pref 1000
	rt ip -6 rule del pref 1000
}

check_vrf_daemon() {
	ROLE=wan MODE=daemon
	begin 'a WAN that is put into it under the daemon is down, with the reason'
	t_assert_status 0 pcc attach --lan lan0 --wan wan1,wan2 --seed 7
	new_link rt vrf9 type vrf table 309
	printf 'lan: [lan0]\nwans:\n  - interface: wan1\n  - interface: wan2\n' >"$DAEMON_CONF"
	daemon_start || return
	rt ip link set wan1 master vrf9
	poll_until 10 wan_is wan1 down || t_fail "wan1 is $(wan_state wan1)"
	grep -q 'wan1.*VRF' "$DAEMON_LOG" || t_fail "the log: $(tail -n 2 "$DAEMON_LOG" | paste -sd' ')"
	rt ip link set wan1 nomaster
	{
		give wan1 198.18.1.2/24 2001:db8:1::2/64
		echo 'route replace default via 198.18.1.1 dev wan1 metric 100'
	} | batch rt
	poll_until 20 wan_is wan1 up || t_fail "after it was taken out wan1 is $(wan_state wan1)"
	stop "$DAEMON_PID"
	row 'ok: down while it is in'
}

# ---------------------------------------------------------------- all

# WireGuard switches this one off for good.
state() {
	rt_state | grep -v conf/all/send_redirects
}

main() {
	local kind role roles modes
	read -ra modes <<<"${MODES:-off xdp auto tc}"
	FAILED_BEFORE=0
	[[ -z $OUT ]] || mkdir -p "$OUT"
	modprobe -aq nf_conntrack veth
	# The modules of tunnels put a device that nobody uses into each namespace.
	t_defer sysctl -q "net.core.fb_tunnels_only_for_init_net=$(sysctl -n net.core.fb_tunnels_only_for_init_net)"
	sysctl -q net.core.fb_tunnels_only_for_init_net=1
	lab_start
	KIND=all ROLE=all MODE=all
	state >"$T_DIR/before"
	[[ -z $SHORT ]] || modes=(tc xdp)
	while read -r kind roles _; do
		[[ -n $kind && $kind != vrf ]] || continue
		(($#)) && [[ " $* " != *" $kind "* ]] && continue
		[[ -z $SHORT || $kind == vlan || $kind == pppoe || $kind == wireguard ]] || continue
		for role in ${roles//,/ }; do
			[[ -z $SHORT || $role == wan || $kind == vlan ]] || continue
			[[ " ${ROLES:-wan lan} " == *" $role "* ]] || continue
			link "$kind" "$role" "${modes[@]}"
		done
	done <<<"$LINK_KINDS"
	[[ -n $SHORT || ($# != 0 && " $* " != *' vrf '*) ]] || check_vrf
	KIND=all ROLE=all MODE=all
	begin 'detach leaves nothing'
	t_assert_status 0 pcc attach --lan lan0 --wan wan1,wan2 --seed 7
	t_assert_status 0 pcc detach
	same_as "$T_DIR/before" state
}

main "$@"
