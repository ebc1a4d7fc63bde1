#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# PPPoE in XDP: two sessions on real cards, one of them in a VLAN. XDP runs on the cards, takes the headers of data frames off
# and puts them on; what keeps the sessions up goes to pppd; a session that is dialled again is followed.
#
# short: no
# guest: --cpus 2 --nic virtio-net-pci,mq=on,vectors=6 --nic virtio-net-pci,mq=on,vectors=6 --nic virtio-net-pci,mq=on,vectors=6

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../lib.sh"
# shellcheck source=tests/kernels/nics.sh
. "$(dirname "${BASH_SOURCE[0]}")/../nics.sh"

require_root
require_tools ip nft nsenter jq curl python3 ethtool setpriv pppd pppoe-server
modprobe -a virtio_net 8021q pppoe 2>/dev/null
nics_need 1 2 3
[[ -e /proc/net/pppoe ]] || skip_all 'this kernel has no PPPoE'
[[ -e /dev/ppp ]] || mknod /dev/ppp c 108 0

MEGABYTES=${PCC_TEST_MEGABYTES:-20}
SECONDS_MAX=240
CARDS=(lan0 dsl dsl2)
PPP_WORDS=(noauth nobsdcomp nodeflate noccp mtu 1492 mru 1492 lcp-echo-interval 1 lcp-echo-failure 5)

lab_up --lan port --isps 2 --hosts 1
nic_wire 1 lan0
rt ip link del wan1
rt ip link del wan2
nic_move 2 1 rt dsl && nic_move 2 2 isp1 cust
nic_move 3 1 rt dsl2 && nic_move 3 2 isp2 card
rt ip link add link dsl2 name dsl2.7 type vlan id 7 && rt ip link set dsl2.7 up
isp 2 ip link add link card name cust type vlan id 7 && isp 2 ip link set cust up
printf '%s\n' "${PPP_WORDS[@]}" | paste -sd' ' | sed -E 's/ ([a-z])/\n\1/g' >"$T_DIR/pppoe-server"
for i in 1 2; do
	spawn_to "$T_DIR/server$i.log" isp$i pppoe-server -F -k -I cust -L 198.18.$i.1 -R 198.18.$i.2 -N 50 -O "$T_DIR/pppoe-server"
done
www_start $((MEGABYTES * 1000000))

ppp_is_up() {
	[[ -n $(rt ip -4 -o addr show "$1" 2>/dev/null) && -n $(isp "${1#wan}" ip -4 -o addr show type ppp 2>/dev/null) ]]
}

# dial wanI DEVICE: a session, with addresses of both families. Sets CLIENT.
dial() {
	local i=${1#wan} there
	spawn_to "$T_DIR/$1.log" rt pppd plugin rp-pppoe.so "$2" nodetach noipdefault nodefaultroute ifname "$1" unit "$i" "${PPP_WORDS[@]}"
	CLIENT=$SPAWNED
	poll_until 60 ppp_is_up "$1" || {
		t_fail "$1: no session: $(tail -n 3 "$T_DIR/$1.log" | paste -sd' ')"
		return 1
	}
	there=$(isp "$i" ip -o link show type ppp | tail -n 1 | awk -F': ' '{ print $2 }')
	rt ip addr add "2001:db8:$i::2/64" dev "$1" nodad
	isp "$i" ip addr add "2001:db8:$i::1/64" dev "$there" nodad
	rt ip route add default dev "$1" metric $((i * 100))
	rt ip route add default via "2001:db8:$i::1" dev "$1" metric $((i * 100))
}

# with_bounds CAPABILITIES: pcc has no others from now on.
with_bounds() {
	cat >"$T_DIR/bound" <<-END
	#!/bin/bash
	exec setpriv --no-new-privs --bounding-set=$1 $ROOT/build/pccbpf "\$@"
	END
	chmod 755 "$T_DIR/bound"
	PCCBPF=$T_DIR/bound
}

# fast_download: whole, and most of it by the fast path.
fast_download() {
	local before after
	before=$(wans_counted)
	download_whole $SECONDS_MAX
	read -ra after <<<"$(minus "$(wans_counted)" "$before")"
	((after[4] * 10 > (after[0] + after[2]) * 8)) || t_fail "$1: the fast path had ${after[4]} of $((after[0] + after[2])) packets"
}

xdp_devices() {
	rt ip -o link show | grep 'prog/xdp\|xdp.*id' | sed 's/^[0-9]*: //; s/[:@].*//' | sort | paste -sd' '
}

t_begin 'auto takes XDP on the card below a session, and only there'
dial wan1 dsl || t_bail 'no PPPoE'
CLIENT1=$CLIENT
t_assert_status 0 pcc attach --lan lan0 --wan wan1
t_assert_eq "$(fastpath_of lan0) $(fastpath_of wan1)" 'xdp xdp' "fast path: $(fastpath_reason wan1)"
t_assert_eq "$(xdp_devices)" 'dsl lan0' 'devices with XDP'

t_begin "a download of $MEGABYTES MB by PPPoE is whole, and most of it takes the fast path"
fast_download wan1

t_begin 'two sessions, the second in a VLAN: each is known by its pppd'
dial wan2 dsl2.7 || t_bail 'no PPPoE in a VLAN'
CLIENT2=$CLIENT
t_assert_status 0 pcc attach --lan lan0 --wan wan1,wan2
t_assert_eq "$(fastpath_of wan1) $(fastpath_of wan2)" 'xdp xdp' "fast path: $(fastpath_reason wan1), $(fastpath_reason wan2)"
t_assert_eq "$(xdp_devices)" 'dsl dsl2 lan0' 'devices with XDP'

UNIT_CAPS=$(sed -n 's/^CapabilityBoundingSet=//p' "$ROOT/packaging/pccbpf.service.in" | tr 'A-Z ' 'a-z,' | sed 's/cap_/+/g')

t_begin 'who may not ask their pppds says so, and takes tc'
with_bounds "-all,${UNIT_CAPS/,+sys_ptrace/}"
t_assert_status 0 pcc attach --lan lan0 --wan wan1,wan2
for i in 1 2; do
	t_assert_eq "$(fastpath_of wan$i): $(fastpath_reason wan$i)" 'tc: its pppd may not be asked which PPPoE session it has' "wan$i"
done

t_begin 'with the capabilities of the unit both are in XDP again'
with_bounds "-all,$UNIT_CAPS"
t_assert_status 0 pcc attach --lan lan0 --wan wan1,wan2
t_assert_eq "$(fastpath_of wan1) $(fastpath_of wan2)" 'xdp xdp' "fast path: $(fastpath_reason wan1), $(fastpath_reason wan2)"

t_begin 'every packet is counted once, by the WANs as by the ISPs, the fast path is the drivers'\'
for words in '203.0.113.3 28' '2001:db8:ffff::3 48'; do
	# shellcheck disable=SC2086
	flows_counted $words - 24
	flows_redirected
done

t_begin 'a download by the session in a VLAN is whole'
t_assert_status 0 pcc wan set wan1 --state down
fast_download wan2
t_assert_status 0 pcc wan set wan1 --state up

t_begin 'the sessions are the same as at the start: what keeps them up has passed'
t_assert "wan1's pppd runs: $(tail -n 2 "$T_DIR/wan1.log")" test -e "/proc/$CLIENT1"
t_assert "wan2's pppd runs" test -e "/proc/$CLIENT2"

t_begin 'under the daemon a session that is dialled again has XDP again, with its new number'
printf '%s\n' 'lan: [lan0]' 'wans:' '  - {interface: wan1}' '  - {interface: wan2}' >"$DAEMON_CONF"
if daemon_start; then
	before=$(rt cat /proc/net/pppoe | grep -w dsl)
	stop "$CLIENT1"
	t_assert 'wan1 is down' poll_until 20 wan_is wan1 down
	dial wan1 dsl
	CLIENT1=$CLIENT
	[[ $(rt cat /proc/net/pppoe | grep -w dsl) != "$before" ]] || t_fail 'the same session'
	t_assert 'wan1 is up and in XDP again' poll_until 30 wan_in_xdp wan1
	t_assert_status 0 pcc wan set wan2 --state down
	fast_download wan1
	stop "$DAEMON_PID"
fi

t_begin 'after detach no card has a program'
t_assert_status 0 pcc detach
t_assert_eq "$(xdp_devices)" '' 'devices with XDP'

# The servers start processes of their own for each session, which end with it.
hung_up() {
	[[ -z $(lab_strangers "$LAB") ]]
}
stop "$CLIENT1"
stop "$CLIENT2"
poll_until 30 hung_up || t_fail "the sessions do not end: $(lab_strangers "$LAB" | head -n 1)"
t_ok
