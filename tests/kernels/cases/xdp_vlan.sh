#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# VLANs in XDP: LAN and WANs are VLANs of real cards, one of them in another VLAN. XDP runs on the cards, takes tags off and
# puts them on; every packet is counted once, downloads are whole, and where a card hides the tags it stays in tc.
#
# short: no
# guest: --cpus 2 --nic virtio-net-pci,mq=on,vectors=6 --nic virtio-net-pci,mq=on,vectors=6 --nic virtio-net-pci,mq=on,vectors=6 --nic vmxnet3

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../lib.sh"
# shellcheck source=tests/kernels/nics.sh
. "$(dirname "${BASH_SOURCE[0]}")/../nics.sh"

require_root
require_tools ip nft nsenter jq curl python3 ethtool
modprobe -a virtio_net vmxnet3 8021q 2>/dev/null
nics_need 1 2 3 4

MEGABYTES=${PCC_TEST_MEGABYTES:-20}
SECONDS_MAX=240
CARDS=(trunk uplink qinq)

# vlan NS BELOW NAME ID [WORDS]: a VLAN interface, up.
vlan() {
	in_lab "$1" ip link add link "$2" name "$3" type vlan id "$4" "${@:5}" && in_lab "$1" ip link set "$3" up
}

lab_up --lan port --isps 4 --hosts 1
for link in lan0 wan1 wan2 wan3 wan4; do rt ip link del $link; done
nic_move 1 1 rt trunk && nic_move 1 2 lan1 card
nic_move 2 1 rt uplink && nic_move 2 2 isp1 card
nic_move 3 1 rt qinq && nic_move 3 2 isp3 card
nic_move 4 1 rt hides && nic_move 4 2 isp4 card
vlan rt trunk lan0 10 && vlan lan1 card eth0 10
# Two ISPs behind one switch: the VLAN of the second is another namespace's.
vlan rt uplink wan1 20 && vlan isp1 card cust 20
vlan rt uplink wan2 30 && vlan isp1 card second 30 && isp 1 ip link set second netns "$LAB-isp2" name cust && isp 2 ip link set cust up
vlan rt qinq outer 100 protocol 802.1ad && vlan rt outer wan3 7
vlan isp3 card outer 100 protocol 802.1ad && vlan isp3 outer cust 7
vlan rt hides wan4 40 && vlan isp4 card cust 40
for link in lan0 wan1 wan2 wan3 wan4; do nic_addresses $link; done
www_start $((MEGABYTES * 1000000))

t_begin 'auto takes XDP on the cards below VLANs'
t_assert_status 0 pcc attach --lan lan0 --wan wan1,wan2,wan3 || t_bail 'no attach'
for link in lan0 wan1 wan2 wan3; do t_assert_eq "$(fastpath_of $link)" xdp "fast path of $link: $(fastpath_reason $link)"; done
t_assert_eq "$(rt ip -o link show | grep 'prog/xdp\|xdp.*id' | sed 's/^[0-9]*: //; s/[:@].*//' | sort | paste -sd' ')" 'qinq trunk uplink' 'devices with XDP'

t_begin 'every packet through VLANs is counted once, by the WANs as by the ISPs, the fast path is the drivers'\'
for words in '203.0.113.3 28' '2001:db8:ffff::3 48'; do
	# shellcheck disable=SC2086
	flows_counted $words 14 24
	flows_redirected
done

t_begin "a download of $MEGABYTES MB by each VLAN is whole, and most of it takes the fast path"
for one in 1 2 3; do
	for i in 1 2 3; do t_assert_status 0 pcc wan set wan$i --state "$( ((i == one)) && echo up || echo down)"; done
	before=$(wans_counted)
	download_whole $SECONDS_MAX
	read -ra after <<<"$(minus "$(wans_counted)" "$before")"
	((after[4] * 10 > (after[0] + after[2]) * 8)) || t_fail "wan$one: the fast path had ${after[4]} of $((after[0] + after[2])) packets"
done
for i in 1 2 3; do t_assert_status 0 pcc wan set wan$i --state up; done

# Frames with two tags are longer than the card's MTU and one tag, which the kernel drops where XDP sends them.
t_begin 'uploads with full-sized packets are whole, by one tag and by two'
for one in 1 3; do
	for i in 1 2 3; do t_assert_status 0 pcc wan set wan$i --state "$( ((i == one)) && echo up || echo down)"; done
	t_assert "wan$one: pings of 1500 bytes" lan 1 ping -q -c 5 -i 0.2 -W 5 -M 'do' -s 1472 203.0.113.1
	t_assert_eq "$(flows lan1 203.0.113.3 7003 43000 4 50 1472 | cut -d' ' -f1,2)" '200 200' "wan$one: datagrams of 1500 bytes sent, answered"
	upload_whole $SECONDS_MAX || t_fail "wan$one: an upload is not whole"
done
for i in 1 2 3; do t_assert_status 0 pcc wan set wan$i --state up; done

t_begin 'a VLAN with a priority map keeps it: auto leaves it in tc, the others on the card stay in XDP'
rt ip link set wan2 type vlan egress 0:5
t_assert_status 0 pcc attach --lan lan0 --wan wan1,wan2,wan3 || t_bail 'no attach'
t_assert_eq "$(fastpath_of lan0) $(fastpath_of wan1) $(fastpath_of wan2)" 'xdp xdp tc' 'fast path'
t_assert_eq "$(fastpath_reason wan2)" "XDP would pass by the VLAN's egress-qos-map" 'reason'
download_whole $SECONDS_MAX
rt ip link set wan2 type vlan egress 0:0

t_begin 'a VLAN that is made anew has XDP again, with the new number'
cat >"$DAEMON_CONF" <<-END
lan: [lan0]
wans:
  - {interface: wan1}
  - {interface: wan3}
END
if daemon_start; then
	rt ip link del wan1
	isp 1 ip link del cust
	vlan rt uplink wan1 21 && vlan isp1 card cust 21
	nic_addresses wan1
	isp 1 ip route replace default via 10.100.1.1 dev core
	t_assert 'wan1 is up and in XDP again' poll_until 20 wan_in_xdp wan1
	t_assert_status 0 pcc wan set wan3 --state down
	before=$(wans_counted)
	download_whole $SECONDS_MAX
	read -ra after <<<"$(minus "$(wans_counted)" "$before")"
	((after[4] * 10 > (after[0] + after[2]) * 8)) || t_fail "the fast path had ${after[4]} of $((after[0] + after[2])) packets"
	stop "$DAEMON_PID"
fi

t_begin 'a card that takes tags out of frames: tc, and the reason says what to do'
t_assert_status 0 pcc attach --lan lan0 --wan wan4
t_assert_eq "$(fastpath_of lan0) $(fastpath_of wan4)" 'xdp tc' 'fast path'
t_assert_eq "$(fastpath_reason wan4)" 'XDP would not see VLAN tags until ethtool -K hides rxvlan off' 'reason'
download_whole $SECONDS_MAX

t_begin 'the same with --fastpath xdp, on a veth too'
rt ip link add veth1 type veth peer name veth1p
rt ip link set veth1 up && rt ip link set veth1p up && vlan rt veth1 wan5 50
rt ip addr add 198.18.5.2/24 dev wan5
t_assert_status 0 pcc attach --lan lan0 --wan wan4,wan5@198.18.5.1 --fastpath xdp
t_assert_eq "$(fastpath_reason wan4)" 'XDP would not see VLAN tags until ethtool -K hides rxvlan off' 'reason'
t_assert_eq "$(fastpath_reason wan5)" 'XDP would not see VLAN tags until ethtool -K veth1 rxvlan off' 'reason of the veth'
rt ethtool -K veth1 rxvlan off
t_assert_status 0 pcc attach --lan lan0 --wan wan4,wan5@198.18.5.1 --fastpath xdp
t_assert_eq "$(fastpath_of wan5)" xdp 'a veth that leaves tags in the frames'
vlan rt veth1 service 60 protocol 802.1ad
t_assert_status 0 pcc attach --lan lan0 --wan wan4,wan5@198.18.5.1 --fastpath xdp
t_assert_eq "$(fastpath_of wan5)" tc 'the veth with a service tag'
t_assert_eq "$(fastpath_reason wan5)" 'XDP would not see VLAN tags until ethtool -K veth1 rx-vlan-stag-hw-parse off' 'reason with a service tag'
t_assert_status 0 pcc attach --lan lan0 --wan wan4

t_begin 'and with that card'\''s offload off: XDP where its driver can, the download is whole'
rt ethtool -K hides rxvlan off
t_assert_status 0 pcc attach --lan lan0 --wan wan4
if [[ $(fastpath_of wan4) == xdp ]]; then
	download_whole $SECONDS_MAX
else
	echo "     tc: $(fastpath_reason wan4)"
	t_assert_eq "$(fastpath_reason wan4)" 'before Linux 6.3 only known drivers get XDP from auto, not vmxnet3' 'reason'
fi

t_begin 'after detach no card has a program'
t_assert_status 0 pcc detach
t_assert_eq "$(rt ip -o link show | grep -c 'prog/xdp')" 0 'XDP programs'
t_ok
