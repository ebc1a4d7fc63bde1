#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Does this build work on this kernel at all? A LAN, two WANs, few connections: the programs load, WANs are shared, NAT
# fits, the fast path takes packets, inbound connections are answered by their WAN, detach leaves nothing. It takes little time, so that it runs where a machine is
# emulated.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip tc nft nsenter jq curl ethtool
modprobe -qa veth bridge nf_conntrack nf_tables nft_masq nft_ct nft_chain_nat 2>/dev/null

COUNT=24
ATTACH=(attach --lan lan0 --wan 'wan1,wan2')

# Sources that the servers saw, with the number of connections each.
connect() {
	lan 1 "$LABTOOL" connect "$@" --count $COUNT --timeout-ms 5000 2>"$T_DIR/err" |
		awk '$1 == "FAIL" { print; next } { n[$5]++ } END { for (s in n) print n[s], s }' | sort -k 2
}

# spread DST PORTS PROTO ADDRESS...: all are answered, each WAN carries some, by its own address.
spread() {
	local dst=$1 ports=$2 proto=$3 got
	shift 3
	got=$(connect --proto "$proto" --dst "$dst" --port "$ports")
	t_assert_eq "$(awk '{ print $2 }' <<<"$got" | paste -sd' ')" "$*" "sources of $proto"
	t_assert_eq "$(awk '{ n += $1 } END { print n }' <<<"$got")" $COUNT "answered $proto"
}

# reached ADDRESS: of connections from the internet to a forwarded port there, how many are answered and by whom they are.
reached() {
	inet "$LABTOOL" connect --proto tcp --dst "$1" --port 8080 --count $COUNT --timeout-ms 5000 2>"$T_DIR/err" |
		awk '$1 == "FAIL" { print; next } $1 == $5 { n++ } END { print n + 0 }'
}

fast_packets() {
	stat_of '[.wans[].fastpath_packets] | add'
}

# downloads FAMILY-ADDRESS: a megabyte is whole, and most of its packets take the fast path.
downloads() {
	local before
	before=$(fast_packets)
	t_assert_eq "$(lan 1 curl -s -m 60 "http://$1/bytes/1048576" | wc -c)" 1048576 "bytes from $1"
	t_assert "the fast path has taken $(($(fast_packets) - before)) packets of it" test $(($(fast_packets) - before)) -ge 20
}

# takes MODE: attaches with the fast path there, or skips it where the kernel cannot.
takes() {
	t_assert_status 0 pcc "${ATTACH[@]}" --fastpath "$1" || return 1
	[[ $(pcc status --json | jq -c '[.lan[].fastpath, .wans[].fastpath] | unique') == "[\"$1\"]" ]] && return 0
	t_fail "not $1 but $(pcc status --json | jq -c '[.lan[], .wans[] | [.fastpath, .fastpath_reason]] | unique')"
	return 1
}

lab_up --isps 2 --hosts 1 --lan port --no-offload
rt_state >"$T_DIR/clean"

t_begin 'attach loads the programs and turns the fast path on in tc'
takes tc || head -n 20 "$T_DIR/err"

t_begin 'connections are spread over both WANs, each by its own address'
spread "$SERVERS4" "$TCP_PORTS" tcp 198.18.1.2 198.18.2.2
spread "$SERVERS6" "$TCP_PORTS" tcp 2001:db8:1::2 2001:db8:2::2
spread "$SERVERS4" "$UDP_PORTS" udp 198.18.1.2 198.18.2.2
t_assert_eq "$(leaks_total)" 0 'packets with an address of another ISP'

t_begin 'conns shows them'
t_assert_eq "$(pcc conns --json | jq 'length > 0')" true 'there are connections'

t_begin 'downloads are whole, on the fast path in tc'
downloads 203.0.113.1
downloads '[2001:db8:ffff::1]'

t_begin 'the fast path moves to XDP, and carries there'
if takes xdp; then
	spread "$SERVERS4" "$TCP_PORTS" tcp 198.18.1.2 198.18.2.2
	downloads 203.0.113.2
	downloads '[2001:db8:ffff::2]'
	t_assert_eq "$(leaks_total)" 0 'packets with an address of another ISP'
fi

t_begin 'inbound connections, to a port that an administrator forwards, are answered by the WAN that they came in by'
forward_8080 20
before=$(counter_of inbound)
for i in 1 2; do
	t_assert_eq "$(reached "198.18.$i.2")" $COUNT "answered by wan$i, IPv4"
	t_assert_eq "$(reached "2001:db8:$i::2")" $COUNT "answered by wan$i, IPv6"
done
t_assert_eq "$(($(counter_of inbound) - before))" $((4 * COUNT)) 'connections pinned to the WAN that they came in by'
t_assert_eq "$(leaks_total)" 0 'packets with an address of another ISP'
rt nft delete table inet portforward

t_begin 'connections of the router itself are spread where that is asked for'
t_assert_status 0 pcc "${ATTACH[@]}" --fastpath tc --router-connections
t_assert_status 0 rt curl -s -m 20 -o "$T_DIR/own" http://203.0.113.3/
t_assert_eq "$(<"$T_DIR/own")" "$(grep -xE '198\.18\.[12]\.2' "$T_DIR/own")" 'source of an own connection'

t_begin 'detach leaves nothing'
t_assert_status 0 pcc detach
same_as "$T_DIR/clean" rt_state
