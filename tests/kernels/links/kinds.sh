# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# kinds.sh: the kinds of links that links.sh goes through, and how both ends of each are made on a wire of the lab.
#
# A kind NAME is a function end_NAME SIDE NS LOWER PEER_NS PEER_LOWER. SIDE is router or peer. It makes that end in namespace NS on
# the device LOWER, whose other end is PEER_LOWER in PEER_NS, and sets DEV to the device that packets use. link_gone NS takes
# away what was made there. A kind that runs processes has after_NAME too, see pppoe.

# NAME ROLES FAMILIES MTU MODULES. FAMILIES is 4, 6 or 46; MTU is what the kernel gives such a device on a wire of 1500;
# a kind without modules is always there.
LINK_KINDS='
vlan      wan,lan 46 1500 8021q
qinq      wan,lan 46 1500 8021q
brvlan    wan,lan 46 1500 bridge,8021q
pppoe     wan     46 1492 pppoe,ppp_generic
wireguard wan,lan 46 1420 wireguard
gre       wan     46 1476 ip_gre
over      wan     46 1476 ip_gre
ipip      wan     4  1480 ipip
sit       wan     6  1480 sit
bond      wan,lan 46 1500 bonding
macvlan   wan,lan 46 1500 macvlan
ifb       wan,lan 46 1500 ifb,sch_cake,act_mirred,cls_matchall
cake      wan,lan 46 1500 sch_cake
fq_codel  wan     46 1500 sch_fq_codel
htb       wan     46 1500 sch_htb
netem     wan     46 1500 sch_netem
vrf       vrf     46 1500 vrf
'

# link_field NAME COLUMN
link_field() {
	awk -v name="$1" -v column="$2" '$1 == name { print $column }' <<<"$LINK_KINDS"
}

# ---------------------------------------------------------------- making and unmaking

MADE=() # "NS DEVICE" in the order in which they were made

# new_link NS DEVICE WORDS...: `ip link add DEVICE WORDS...`, remembered, and up.
new_link() {
	local ns=$1 dev=$2
	shift 2
	in_lab "$ns" ip link add "$dev" "$@" || return 1
	MADE+=("$ns $dev")
	in_lab "$ns" ip link set "$dev" up
}

# link_gone NS: deletes what was made there, last first, and what was put on the wires.
link_gone() {
	local ns=$1 i entry kept=() dev
	for ((i = ${#MADE[@]} - 1; i >= 0; i--)); do
		entry=${MADE[i]}
		if [[ ${entry% *} == "$ns" ]]; then
			in_lab "$ns" ip link del "${entry#* }" 2>/dev/null
		else
			kept=("$entry" "${kept[@]}")
		fi
	done
	MADE=("${kept[@]}")
	for dev in wan1 lan0 cust eth0; do
		in_lab "$ns" ip link show "$dev" >/dev/null 2>&1 || continue
		in_lab "$ns" tc qdisc del dev "$dev" root 2>/dev/null
		in_lab "$ns" ip link set "$dev" mtu 1500
		[[ $ns == rt ]] || continue
		in_lab rt tc qdisc del dev "$dev" ingress 2>/dev/null
		in_lab rt tc qdisc del dev "$dev" clsact 2>/dev/null
		in_lab rt sysctl -qw "net.ipv4.conf.$dev.arp_ignore=0"
	done
	return 0
}

# plain NS DEVICE...: complete checksums and frames of the wire's size, which is what XDP sees of a card.
plain() {
	local ns=$1 dev
	shift
	for dev in "$@"; do
		in_lab "$ns" ethtool -K "$dev" tx off tso off gso off gro on >/dev/null 2>&1
	done
}

# outer NS LOWER HOST: an address for the outside of a tunnel.
outer() {
	in_lab "$1" ip addr add "172.31.1.$3/24" dev "$2"
}

# ---------------------------------------------------------------- tags

# tags_in_frames NS DEVICE: as on a wire, where XDP sees them.
tags_in_frames() {
	in_lab "$1" ethtool -K "$2" rxvlan off txvlan off rx-vlan-stag-hw-parse off tx-vlan-stag-hw-insert off >/dev/null 2>&1
}

end_vlan() {
	tags_in_frames "$2" "$3"
	DEV=$3.10
	new_link "$2" "$DEV" link "$3" type vlan id 10
}

# A wire carries frames with one tag more than its MTU has.
end_qinq() {
	tags_in_frames "$2" "$3"
	in_lab "$2" ip link set "$3" mtu 1504
	new_link "$2" "$3.100" link "$3" type vlan proto 802.1ad id 100 || return 1
	DEV=$3.100.10
	new_link "$2" "$DEV" mtu 1500 link "$3.100" type vlan id 10
}

# A bridge that filters VLANs: the wire is its trunk, the router has a VLAN device on the bridge.
end_brvlan() {
	[[ $1 == router ]] || {
		end_vlan "$@"
		return
	}
	new_link "$2" br0 type bridge vlan_filtering 1 forward_delay 0 stp_state 0 mcast_snooping 0 || return 1
	in_lab "$2" ip link set "$3" master br0
	in_lab "$2" bridge vlan add vid 10 dev "$3"
	in_lab "$2" bridge vlan add vid 10 dev br0 self
	DEV=br0.10
	new_link "$2" "$DEV" link br0 type vlan id 10
}

# ---------------------------------------------------------------- point-to-point

PPPOE_SERVER=''
PPPOE_CLIENT=''

process_ended() {
	[[ -z $1 ]] || stop "$1"
}

# pppoe_device NS: sets PPP_DEV, the device of the server's last call.
pppoe_device() {
	PPP_DEV=$(in_lab "$1" ip -o link show type ppp | tail -n 1 | awk -F': ' '{ print $2 }')
	[[ -n $PPP_DEV ]] && ppp_has_address "$1" "$PPP_DEV"
}

ppp_has_address() {
	in_lab "$1" ip -4 -o addr show dev "$2" 2>/dev/null | grep -q peer
}

pppoe_hung_up() {
	[[ -z $(in_lab isp1 ip -o link show type ppp) ]]
}

# The server first, then the client, which gets the next of the server's addresses each time it dials.
end_pppoe() {
	DEV=ppp0
	if [[ $1 == peer ]]; then
		cat >"$T_DIR/pppoe-server" <<-'OPTIONS'
		noauth
		nobsdcomp
		nodeflate
		noccp
		lcp-echo-interval 0
		mtu 1492
		mru 1492
		OPTIONS
		spawn_to "$T_DIR/pppoe-server.log" "$2" pppoe-server -F -k -I "$3" -L 198.18.1.1 -R 198.18.1.2 -N 50 \
			-O "$T_DIR/pppoe-server"
		PPPOE_SERVER=$SPAWNED
		return
	fi
	spawn_to "$T_DIR/pppd.log" "$2" pppd plugin rp-pppoe.so "$3" noauth nodetach noipdefault nodefaultroute \
		mtu 1492 mru 1492 nobsdcomp nodeflate noccp lcp-echo-interval 0 unit 0 nodefaultroute
	PPPOE_CLIENT=$SPAWNED
	poll_until 20 ppp_has_address "$2" ppp0 || {
		t_fail "pppd: no address after 20 s: $(tail -n 3 "$T_DIR/pppd.log" | paste -sd' ')"
		return 1
	}
}

# pppoe_gone SIDE: devices go with their processes.
pppoe_gone() {
	if [[ $1 == router ]]; then
		process_ended "$PPPOE_CLIENT"
		PPPOE_CLIENT=''
		poll_until 10 pppoe_hung_up || t_fail 'the PPPoE server does not notice the end of a call'
	else
		process_ended "$PPPOE_SERVER"
		PPPOE_SERVER=''
	fi
}

# Both keys are made once.
end_wireguard() {
	local host=2 other=1
	[[ $1 == router ]] || host=1 other=2
	[[ -e $T_DIR/wg1 ]] || for DEV in 1 2; do (umask 077 && wg genkey >"$T_DIR/wg$DEV"); done
	outer "$2" "$3" $host
	DEV=wg0
	new_link "$2" wg0 type wireguard || return 1
	in_lab "$2" wg set wg0 listen-port 51820 private-key "$T_DIR/wg$host" peer "$(wg pubkey <"$T_DIR/wg$other")" \
		allowed-ips 0.0.0.0/0,::/0 endpoint "172.31.1.$other:51820"
}

# tunnel KIND SIDE NS LOWER: of those that `ip link` makes with two addresses.
tunnel() {
	local host=2 other=1
	[[ $2 == router ]] || host=1 other=2
	outer "$3" "$4" $host
	DEV=${1}1
	new_link "$3" "$DEV" type "$1" local "172.31.1.$host" remote "172.31.1.$other" ttl 64
}

end_gre() {
	tunnel gre "$@"
}

end_ipip() {
	tunnel ipip "$@"
}

end_sit() {
	tunnel sit "$@"
}

# A tunnel whose outside leaves by the other WAN: a VPN that is a WAN of its own.
end_over() {
	local local=198.18.2.2 remote=10.100.1.2
	if [[ $1 == router ]]; then
		in_lab "$2" ip route replace "$remote" via 198.18.2.1 dev wan2
	else
		local=10.100.1.2 remote=198.18.2.2
	fi
	DEV=over1
	new_link "$2" over1 type gre local $local remote $remote ttl 64
}

# ---------------------------------------------------------------- several devices on one wire, several wires

# Active and backup; wire2 is the second wire, made here with its two ends, by the peer, who comes first.
end_bond() {
	[[ $1 == router ]] || {
		in_lab "$2" ip link add wire2 type veth peer name wire2 netns "$LAB-$4"
		plain "$2" wire2
		plain "$4" wire2
	}
	DEV=bond0
	new_link "$2" bond0 type bond mode active-backup miimon 50 || return 1
	in_lab "$2" ip link set bond0 down
	in_lab "$2" ip link set "$3" down
	in_lab "$2" ip link set "$3" master bond0
	in_lab "$2" ip link set wire2 master bond0
	in_lab "$2" ip link set bond0 up
}

# Two modems on one card: the other WAN is another macvlan of the same wire, and its ISP is behind the same switch. The MACs stay when they
# are made anew: neighbours who know another one would first have to find out. The card itself answers no ARP for
# the address of the device on it, and is forgotten: what is sent to its own MAC never comes to that device.
end_macvlan() {
	if [[ $1 == router ]]; then
		DEV=mac1
		in_lab "$2" sysctl -qw "net.ipv4.conf.$3.arp_ignore=1"
		new_link "$2" mac1 link "$3" address 02:00:00:00:00:a1 type macvlan mode bridge || return 1
		[[ $3 == wan1 ]] && new_link "$2" mac2 link "$3" address 02:00:00:00:00:a2 type macvlan mode bridge
		return 0
	fi
	DEV=$3
	in_lab "$2" ip neigh flush dev "$3"
	[[ $3 == cust ]] || return 0
	DEV=switch
	new_link "$2" switch type bridge forward_delay 0 stp_state 0 mcast_snooping 0 || return 1
	in_lab "$2" ip link set cust master switch
	new_link "$2" port2 type veth peer name modem netns "$LAB-isp2" || return 1
	in_lab "$2" ip link set port2 master switch
	plain "$2" port2
	plain isp2 modem
	isp 2 ip link set modem up
}

# ---------------------------------------------------------------- shapers

# shaped SIDE NS LOWER WORDS...: a qdisc at the root of the router's end.
shaped() {
	DEV=$3
	[[ $1 == router ]] || return 0
	in_lab "$2" tc qdisc replace dev "$3" root "${@:4}"
}

end_cake() {
	shaped "$1" "$2" "$3" cake bandwidth 500mbit
}

end_fq_codel() {
	shaped "$1" "$2" "$3" fq_codel
}

end_netem() {
	shaped "$1" "$2" "$3" netem delay 2ms limit 2000
}

end_htb() {
	shaped "$1" "$2" "$3" handle 1: htb default 10 || return 1
	[[ $1 == peer ]] || in_lab "$2" tc class add dev "$3" parent 1: classid 1:10 htb rate 400mbit
}

# SQM: downloads go through an ifb with CAKE, uploads through CAKE.
end_ifb() {
	shaped "$1" "$2" "$3" cake bandwidth 500mbit || return 1
	[[ $1 == router ]] || return 0
	new_link "$2" ifb4dev type ifb || return 1
	in_lab "$2" tc qdisc replace dev ifb4dev root cake bandwidth 500mbit
	# Before tcx ours need a qdisc that has an egress side, too.
	if [[ $(printf '6.6\n%s\n' "$(uname -r)" | sort -V | head -n 1) == 6.6 ]]; then
		in_lab "$2" tc qdisc add dev "$3" handle ffff: ingress
	else
		in_lab "$2" tc qdisc add dev "$3" clsact
	fi
	in_lab "$2" tc filter add dev "$3" ingress protocol all matchall action mirred egress redirect dev ifb4dev
}
