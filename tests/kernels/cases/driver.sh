#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A real driver: virtio-net with two queues and two processors, with all of its offloads. auto takes XDP there and says why
# where it does not; XDP, tc and both mixed carry a download whole, and every packet is counted once, on whatever queue.
#
# short: no
# guest: --cpus 2 --nic virtio-net-pci,mq=on,vectors=6 --nic virtio-net-pci,mq=on,vectors=6 --nic virtio-net-pci,mq=on,vectors=6 --nic virtio-net-pci,ctrl_guest_offloads=off

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../lib.sh"
# shellcheck source=tests/kernels/nics.sh
. "$(dirname "${BASH_SOURCE[0]}")/../nics.sh"

require_root
require_tools ip nft nsenter jq curl python3 ethtool
modprobe virtio_net 2>/dev/null
nics_need 1 2 3 4

MEGABYTES=${PCC_TEST_MEGABYTES:-100}
SECONDS_MAX=240
CARDS=(lan0 wan1 wan2)
DROPS='[rt]x_?(queue_)?[0-9]+_(xdp_)?(xdp_tx_drops|xdp_drops|drops)'

lab_up --lan port --isps 3 --hosts 1
nic_wire 1 lan0
nic_wire 2 wan1
nic_wire 3 wan2
www_start $((MEGABYTES * 1000000))

t_begin 'auto takes XDP on cards whose driver redirects, tc on a veth, and says why'
t_assert_status 0 pcc attach --lan lan0 --wan wan1,wan2,wan3
t_assert_eq "$(fastpath_of lan0) $(fastpath_of wan1) $(fastpath_of wan2) $(fastpath_of wan3)" 'xdp xdp xdp tc' 'fast path'
t_assert_eq "$(fastpath_reason wan3)" 'auto takes XDP for hardware only, this is of kind veth' 'reason'

t_begin 'mixed: a download from a WAN in tc to a LAN in XDP is whole'
for w in wan1 wan2; do t_assert_status 0 pcc wan set $w --state down; done
download_whole $SECONDS_MAX
for w in wan1 wan2; do t_assert_status 0 pcc wan set $w --state up; done
t_assert_status 0 pcc wan del wan3

# queues: packets that the LAN's two queues have redirected.
queues() {
	echo "$(nic_sum 'rx_?(queue_)?0_xdp_redirects' lan0) $(nic_sum 'rx_?(queue_)?1_xdp_redirects' lan0)"
}

# counts DESTINATION HEADERS MODE: so many connections that both queues have some.
counts() {
	local drops before q
	drops=$(nic_sum "$DROPS" "${CARDS[@]}")
	before=$(queues)
	flows_counted "$1" "$2" 14 32
	if [[ $3 == xdp ]]; then
		flows_redirected
		read -ra q <<<"$(minus "$(queues)" "$before")"
		((q[0] > 100 && q[1] > 100)) || t_fail "$1: one queue did all the work: ${q[*]}"
	fi
	t_assert_eq "$(nic_sum "$DROPS" "${CARDS[@]}")" "$drops" "$1: packets that the driver dropped"
}

for mode in auto xdp tc; do
	as=$mode
	[[ $mode != auto ]] || as=xdp
	t_begin "$mode: both queues forward, and every packet is counted once, by the WANs as by the ends and the driver"
	t_assert_status 0 pcc attach --lan lan0 --wan wan1,wan2 --fastpath $mode
	t_assert_eq "$(fastpath_of lan0) $(fastpath_of wan1) $(fastpath_of wan2)" "$as $as $as" 'fast path'
	counts 203.0.113.3 28 $as
	counts 2001:db8:ffff::3 48 $as

	t_begin "$mode: a download of $MEGABYTES MB is whole, and most of it takes the fast path"
	before=$(wans_counted)
	download_whole $SECONDS_MAX
	read -ra after <<<"$(minus "$(wans_counted)" "$before")"
	((after[4] * 10 > (after[0] + after[2]) * 8)) || t_fail "the fast path had ${after[4]} of $((after[0] + after[2])) packets"
	((after[3] > MEGABYTES * 1000000)) || t_fail "${after[3]} bytes counted"
done

# offloads WORDS...: of all cards, where they can be changed.
offloads() {
	local i d
	for i in 1 2; do isp $i ethtool -K cust "$@" >/dev/null 2>&1; done
	for d in lan0 wan1 wan2; do rt ethtool -K $d "$@" >/dev/null 2>&1; done
	lan 1 ethtool -K eth0 "$@" >/dev/null 2>&1
}

# What the card, or the kernel, made of the segments is one packet, of up to 64 kB; without that none is larger than the wire's.
t_begin 'tc, and GRO by the card and by the kernel: aggregates are forwarded, and counted as one packet; without them frames are'
head -c 10000000 /dev/urandom >"$T_DIR/www/file"
WWW_SUM=$(sha256sum <"$T_DIR/www/file")
for words in 'gro on' 'rx-gro-hw off' 'gro off' 'gro on rx-gro-hw on'; do
	# shellcheck disable=SC2086
	offloads $words
	before=$(wans_counted)
	download_whole $SECONDS_MAX
	read -ra after <<<"$(minus "$(wans_counted)" "$before")"
	if [[ $words == 'gro off' ]]; then
		((after[3] <= after[2] * 1514)) || t_fail "$words: ${after[3]} bytes in ${after[2]} packets"
	else
		((after[3] > after[2] * 1600)) || t_fail "$words: no aggregates: ${after[3]} bytes in ${after[2]} packets"
	fi
done

t_begin 'XDP, and the cards'\'' offloads switched off and on under it: downloads are whole'
t_assert_status 0 pcc attach --lan lan0 --wan wan1,wan2 --fastpath xdp
for words in 'tx off' 'tso off gso off' 'gro off' 'tx on tso on gso on gro on'; do
	# shellcheck disable=SC2086
	offloads $words
	download_whole $SECONDS_MAX
done

t_begin 'LAN in XDP, WAN with a shaper: auto leaves that one in tc and says why, the download is whole'
modprobe sch_htb 2>/dev/null
if rt tc qdisc add dev wan1 root handle 1: htb default 1 2>/dev/null; then
	rt tc class add dev wan1 parent 1: classid 1:1 htb rate 1gbit
	t_assert_status 0 pcc attach --lan lan0 --wan wan1 --fastpath auto
	t_assert_eq "$(fastpath_of lan0) $(fastpath_of wan1)" 'xdp tc' 'fast path'
	t_assert_eq "$(fastpath_reason wan1)" 'XDP would pass by the qdisc htb' 'reason'
	download_whole $SECONDS_MAX
	rt tc qdisc del dev wan1 root
else
	t_skip 'this kernel has no HTB'
fi

t_begin 'a driver that refuses XDP, as its offloads cannot be switched off: tc, with a reason, and the download is whole'
nic_wire 4 wan3
t_assert_status 0 pcc attach --lan lan0 --wan wan3 --fastpath auto
t_assert_eq "$(fastpath_of lan0) $(fastpath_of wan3)" 'xdp tc' 'fast path'
t_assert_eq "$(fastpath_reason wan3)" 'the driver refused native XDP' 'reason'
download_whole $SECONDS_MAX

t_begin 'after detach nothing of it is on the cards'
t_assert_status 0 pcc detach
t_assert_eq "$(rt ip -o link show | grep -c 'prog/xdp')" 0 'XDP programs'
t_ok
