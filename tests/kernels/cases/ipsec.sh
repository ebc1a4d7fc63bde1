#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# ipsec.sh: a tunnel between the LAN and a site behind ISP 1, by IPsec policies (no device, no route of its own), beside
# pccbpf: nothing that a policy takes leaves or comes in outside of the tunnel, with the remote net in `exclusions` and
# balanced as any other, from the WAN's first address and from a second one, in both families, with each fast path. Made for the
# virtual machine of boot.sh; skipped where the kernel has no ESP.
#
#   ipsec.sh [MODE...]    off, tc, xdp; all by default
#
# short: no

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../lib.sh"

require_root
require_tools ip nft nsenter jq conntrack python3
[[ -e /dev/fd ]] || ln -s /proc/self/fd /dev/fd
for module in veth bridge nf_conntrack nf_conntrack_netlink nft_ct nft_chain_nat nft_masq nft_fib_inet cls_bpf \
	sch_ingress xfrm_user esp4 esp6 authenc echainiv; do
	modprobe -q "$module" # built in is as good
done

COUNT=12 # connections
PATIENCE_S=90
SITE=10.20.0.1,fd20::1
CRYPT=(auth 'hmac(sha256)' 0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
	enc 'cbc(aes)' 0x00112233445566778899aabbccddeeff)

# tunnel_end NS OURS THEIRS OUTER_OURS OUTER_THEIRS SPI_OUT SPI_IN [WORDS]: one end of a tunnel; WORDS are for the state
# of what leaves.
tunnel_end() {
	local ns=$1 from=$2 to=$3 left=$4 right=$5 out=$6 in=$7 dir
	in_lab "$ns" ip xfrm state add src "$left" dst "$right" proto esp spi "$out" mode tunnel "${CRYPT[@]}" "${@:8}" &&
		in_lab "$ns" ip xfrm state add src "$right" dst "$left" proto esp spi "$in" mode tunnel "${CRYPT[@]}" || return 1
	in_lab "$ns" ip xfrm policy add src "$from" dst "$to" dir out tmpl src "$left" dst "$right" proto esp mode tunnel
	for dir in in fwd; do
		in_lab "$ns" ip xfrm policy add src "$to" dst "$from" dir $dir tmpl src "$right" dst "$left" proto esp mode tunnel
	done
}

# tunnels HOST [WORDS]: both families, from that host number in WAN 1's network. With the mark of WAN 1 as its output-mark
# the outside of the tunnel leaves by WAN 1 whatever WAN the connection inside has.
tunnels() {
	local host=$1
	tunnel_end rt 192.168.77.0/24 10.20.0.0/24 "198.18.1.$host" 203.0.113.1 0x101 0x102 "${@:2}" &&
		tunnel_end inet 10.20.0.0/24 192.168.77.0/24 203.0.113.1 "198.18.1.$host" 0x102 0x101 &&
		tunnel_end rt fd77::/64 fd20::/64 "2001:db8:1::$host" 2001:db8:ffff::1 0x201 0x202 "${@:2}" &&
		tunnel_end inet fd20::/64 fd77::/64 2001:db8:ffff::1 "2001:db8:1::$host" 0x202 0x201
}

no_tunnels() {
	local ns
	for ns in rt inet; do
		in_lab $ns ip xfrm policy flush
		in_lab $ns ip xfrm state flush
	done
}

# The site is in inet. What comes by a customer's line for the site, or from it, in clear is counted by the ISP.
site_up() {
	local i
	inet ip addr add 10.20.0.1/32 dev lo
	inet ip -6 addr add fd20::1/128 dev lo nodad
	inet ip route add 192.168.77.0/24 via 10.100.1.2 dev isp1 src 10.20.0.1
	inet ip -6 route add fd77::/64 via fd00:100:1::2 dev isp1 src fd20::1
	rt ip addr add 198.18.1.3/24 dev wan1
	rt ip -6 addr add 2001:db8:1::3/64 dev wan1 nodad preferred_lft 0
	for i in 1 2; do
		isp $i nft -f - <<-'END'
		table inet clear {
			counter out { }
			counter in { }
			counter tunnel { }
			chain pre {
				type filter hook prerouting priority -400
				iifname "cust" ip daddr 10.20.0.0/24 counter name out
				iifname "cust" ip6 daddr fd20::/64 counter name out
				iifname "core" ip daddr 192.168.77.0/24 counter name in
				iifname "core" ip6 daddr fd77::/64 counter name in
				iifname "cust" meta l4proto esp counter name tunnel
			}
		}
		END
	done
	lan 1 nft -f - <<-'END'
	table inet strangers {
		counter seen { }
		chain pre {
			type filter hook prerouting priority -400
			ip dscp 63 counter name seen
			ip6 dscp 63 counter name seen
		}
	}
	END
}

# counted NS NAME: packets. ISPs: of both together.
counted() {
	in_lab "$1" nft -j list counters | jq "[.nftables[].counter | select(.name == \"$2\") | .packets] | add"
}

in_clear() {
	echo $(($(counted isp1 out) + $(counted isp2 out) + $(counted isp1 in) + $(counted isp2 in)))
}

counters_reset() {
	local ns
	for ns in isp1 isp2 lan1; do
		in_lab $ns nft reset counters >/dev/null
	done
}

attach() {
	printf 'lan: [br0]\nfastpath: %s\nwans: [{interface: wan1}, {interface: wan2}]\n%s\n' "$1" "$2" >"$T_DIR/attach.yaml"
	pcc apply "$T_DIR/attach.yaml" >/dev/null 2>"$T_DIR/err" || t_fail "attach: $(head -n 3 "$T_DIR/err")"
}

# reach PROTO: of COUNT connections of lan1 to the site in both families, how many were answered.
reach() {
	lan 1 "$LABTOOL" connect --proto "$1" --dst $SITE --port 7000 --count $COUNT --sport-base 20000 --timeout-ms 8000 \
		--parallel 4 2>/dev/null | grep -vc FAIL
}

# strangers: somebody in ISP 1's network sends frames of the connections that go on in the tunnel.
strangers() {
	local mac line sport
	mac=$(rt ip -j link show wan1 | jq -r '.[0].address')
	while read -r line sport; do
		case $line in
		*:*) isp 1 "$ROOT/tests/e2e/plain.py" cust "$mac" fd20::1 7000 fd77::11 "$sport" 20 ;;
		*) isp 1 "$ROOT/tests/e2e/plain.py" cust "$mac" 10.20.0.1 7000 192.168.77.11 "$sport" 20 ;;
		esac
	done < <(rt conntrack -L -f ipv4 2>/dev/null | sed -n 's/.*src=\(192.168.77.11\) dst=10.20.0.1 sport=\([0-9]*\) .*/\1 \2/p'
		rt conntrack -L -f ipv6 2>/dev/null | sed -n 's/.*src=\(fd77::11\) dst=fd20::1 sport=\([0-9]*\) .*/\1 \2/p')
}

# check_mode MODE EXCLUSIONS WHAT
check_mode() {
	local what="$1, $3"
	attach "$1" "$2"
	t_begin "$what: nothing that the policy takes leaves in clear, and all arrives"
	forget_all
	counters_reset
	t_assert_eq "$(reach tcp)" $COUNT 'TCP connections'
	t_assert_eq "$(reach udp)" $COUNT 'UDP exchanges'
	t_assert_eq "$(in_clear)" 0 'packets in clear'
	t_assert 'nothing went through the tunnel' test "$(counted isp1 tunnel)" -gt $COUNT
	t_begin "$what: the same while connections go on, and nobody outside can join in"
	hold_start lan1 --dst $SITE --port 7000 --count 8 --interval-ms 50 --timeout-ms 20000 --sport-base 30000
	eventually hold_is '.alive == 8 and ([.connections[].bytes] | min) > 3000' || t_fail "$(hold_report | head -c 300)"
	strangers
	t_assert 'the connections go on' hold_is '.alive == 8 and .broken == 0'
	t_assert_eq "$(counted lan1 seen)" 0 'packets of strangers in the LAN'
	t_assert_eq "$(in_clear)" 0 'packets in clear'
	hold_stop >/dev/null
	pcc detach >/dev/null || t_fail 'detach'
}

main() {
	local mode host modes=("$@")
	((${#modes[@]})) || modes=(off tc xdp)
	lab_up --isps 2 --hosts 1 --no-offload
	site_up
	tunnels 2 || skip_all 'the kernel has no ESP'
	t_begin 'before attach: the tunnel works'
	t_assert_eq "$(reach tcp)" $COUNT 'TCP connections'
	t_assert_eq "$(in_clear)" 0 'packets in clear'
	for mode in "${modes[@]}"; do
		no_tunnels
		tunnels 2 output-mark 0x100 mask 0xff00 || t_fail 'tunnels'
		check_mode "$mode" '' 'balanced'
		no_tunnels
		tunnels 3 || t_fail 'tunnels'
		check_mode "$mode" 'exclusions: [10.20.0.0/24, "fd20::/64"]' "excluded, a tunnel from the WAN's second address"
	done
}

main "$@"
