#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Other people's programs, tables, rules, routes and sysctls on the same router: they stay, and they
# go on working. So do other instances of pccbpf.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip tc nft nsenter jq bpftool clang gcc

# ---------------------------------------------------------------- a program of somebody else

cat >"$T_DIR/count.bpf.c" <<-'END'
	#include <linux/bpf.h>
	#include <bpf/bpf_helpers.h>
	struct {
		__uint(type, BPF_MAP_TYPE_ARRAY);
		__uint(max_entries, 1);
		__type(key, __u32);
		__type(value, __u64);
	} seen SEC(".maps");
	SEC("tc") int count(struct __sk_buff *skb)
	{
		__u32 zero = 0;
		__u64 *n = bpf_map_lookup_elem(&seen, &zero);

		if (n)
			__sync_fetch_and_add(n, 1);
		return -1; /* TC_ACT_UNSPEC, TCX_NEXT */
	}
	char _license[] SEC("license") = "GPL";
END
# tcx IFINDEX 46|47 PROGRAM-PIN LINK-PIN: libbpf 1.1 has no name for it.
cat >"$T_DIR/tcx.c" <<-'END'
	#include <bpf/bpf.h>
	#include <stdlib.h>
	int main(int argc, char **argv)
	{
		int fd;

		if (argc != 5)
			return 2;
		fd = bpf_link_create(bpf_obj_get(argv[3]), atoi(argv[1]), atoi(argv[2]), NULL);
		return fd < 0 || bpf_obj_pin(fd, argv[4]);
	}
END
t_begin 'the foreign program can be built'
t_assert clang clang -g -O2 -target bpf "-I/usr/include/$(gcc -print-multiarch)" -c "$T_DIR/count.bpf.c" -o "$T_DIR/count.o" ||
	exit 1
t_assert gcc gcc -O1 "$T_DIR/tcx.c" -o "$T_DIR/tcx" -lbpf || exit 1

# foreign_load NAME: pinned in $BPFFS/foreign/NAME, its counter in NAME_seen. Pins cannot have dots.
foreign_load() {
	mkdir -p "$BPFFS/foreign"
	bpftool prog load "$T_DIR/count.o" "$BPFFS/foreign/$1" type classifier pinmaps "$BPFFS/foreign/maps" \
		2>"$T_DIR/err" &&
		mv "$BPFFS/foreign/maps/seen" "$BPFFS/foreign/$1_seen"
}

# foreign_on HOW IF SIDE: attaches a program of its own there, as tcx or in clsact at a preference.
foreign_on() {
	local how=$1 dev=$2 side=$3 name=$2_$3_$1 point=46
	[[ $side == in ]] || point=47
	foreign_load "$name" || t_fail "cannot load $name"
	if [[ $how == tcx* ]]; then
		rt "$T_DIR/tcx" "$(rt_ifindex "$dev")" $point "$BPFFS/foreign/$name" \
			"$BPFFS/foreign/${name}_link" || t_fail "cannot attach $name"
		return
	fi
	rt tc qdisc add dev "$dev" clsact 2>/dev/null
	rt tc filter add dev "$dev" "${side}gress" pref "${how#cls}" bpf direct-action \
		object-pinned "$BPFFS/foreign/$name" || t_fail "cannot attach $name"
}

# What each of them has counted, one line each.
foreign_seen() {
	printf 'map dump pinned %s\n' "$BPFFS"/foreign/*_seen | bpftool batch file - |
		sed -n 's/.*"value": *\([0-9]*\).*/\1/p'
}

# all_see WHAT COUNT: 50 connections pass all the foreign programs, of which there are that many.
all_see() {
	local before after i
	mapfile -t before < <(foreign_seen)
	t_assert_eq "$(lan 1 "$LABTOOL" connect --dst "$SERVERS4,$SERVERS6" --port "$TCP_PORTS" --count 50 2>/dev/null | wc -l)" 50 \
		"$1: connections"
	mapfile -t after < <(foreign_seen)
	t_assert_eq "${#after[@]}" "$2" "$1: foreign programs"
	for i in "${!after[@]}"; do
		t_assert "$1: program $i sees packets" test $((after[i] - before[i])) -ge 20
	done
}

# seen_at IF: what the foreign programs at the ingress of IF have counted, in one line.
seen_at() {
	printf 'map dump pinned %s\n' "$BPFFS/foreign/$1"_in_*_seen | bpftool batch file - |
		sed -n 's/.*"value": *\([0-9]*\).*/\1/p' | paste -sd' '
}

# see_the_same IF BEFORE: since then all of them have counted as many packets, and not few.
see_the_same() {
	SEEN=$(seen_at "$1")
	awk -v a="$2" -v b="$SEEN" 'BEGIN {
		n = split(a, x); split(b, y)
		for (i = 1; i <= n; i++)
			if (y[i] - x[i] != y[1] - x[1])
				exit 1
		exit !(n == 4 && y[1] - x[1] > 300)
	}'
}

lab_up --isps 3 --hosts 2
ATTACH=(attach --lan br0 --wan 'wan1,wan2')
plain_masquerade

for mode in tcx clsact; do
	[[ $mode == tcx ]] || export PCCBPF_DISABLE=tcx
	t_begin "$mode: programs that were there before attach see the packets and stay"
	for dev in br0 wan1; do
		for side in in e; do
			foreign_on cls1 $dev $side
			foreign_on tcx1 $dev $side
		done
	done
	all_see 'before attach' 8
	rt_state >"$T_DIR/clean"
	t_assert_status 0 pcc "${ATTACH[@]}"
	all_see attached 8

	t_begin "$mode: so do programs that come after it, before and behind ours"
	for dev in br0 wan1; do
		for side in in e; do
			foreign_on cls40000 $dev $side
			foreign_on tcx2 $dev $side
		done
	done
	all_see attached 16
	t_assert_status 0 pcc wan add wan3
	t_assert_status 0 pcc wan set wan3 --state down
	t_assert_status 0 pcc wan del wan3
	t_assert_status 0 pcc "${ATTACH[@]}" --buckets 4096
	all_see 'after changes' 16
	filters=$(for side in ingress egress; do
		rt tc filter show dev br0 $side
		rt tc filter show dev wan1 $side
	done | grep -c 'pref [0-9]* bpf chain 0 handle .* direct-action .*name count')
	t_assert_eq "$filters" 8 'foreign filters'

	t_begin "$mode: those behind ours see each packet of established connections, too: auto leaves what arrives to the kernel"
	t_assert_status 0 pcc "${ATTACH[@]}" --buckets 4096 --fastpath auto
	behind='program count'
	[[ $mode == tcx ]] || behind='filter bpf, pref 40000'
	t_assert_eq "$(pcc status --json | jq -c '[.lan[0], .wans[0] | [.fastpath, .fastpath_reason]] | unique')" \
		"[[\"off\",\"the ingress $behind would not see what it takes\"]]" 'status of br0, wan1'
	t_assert_eq "$(pcc status --json | jq -r '.wans[1].fastpath')" tc 'status of wan2'
	was=$(seen_at br0)
	hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port 7001-7003 --count 20 --interval-ms 20
	hold_unharmed 20
	eventually see_the_same br0 "$was"
	hold_stop >/dev/null
	t_assert "programs at the ingress of br0: was $was, now $SEEN" eventually see_the_same br0 "$was"
	t_assert_status 0 pcc detach
	all_see 'after detach' 16

	t_begin "$mode: a qdisc that has other people's filters stays, one of ours goes"
	# wan1 and br0 had a clsact of their owner; wan2 had none.
	t_assert_eq "$(rt tc qdisc show | grep -c 'clsact')" 2 'clsact qdiscs'
	t_assert_status 0 pcc "${ATTACH[@]}"
	foreign_on cls5 wan2 in
	all_see 'on wan2 too' 17
	t_assert_status 0 pcc detach
	t_assert_eq "$(rt tc filter show dev wan2 ingress | grep -c 'pref 5 bpf .*name count')" 1 'filter on wan2'
	rm -r "$BPFFS/foreign"
	for dev in br0 wan1 wan2; do rt tc qdisc del dev $dev clsact; done
done
unset PCCBPF_DISABLE

t_begin 'a filter of somebody else in our place: attach refuses, with a hint, and leaves it alone'
foreign_load taken
rt tc qdisc add dev br0 clsact
rt tc filter add dev br0 ingress pref 28771 handle 1 bpf direct-action object-pinned "$BPFFS/foreign/taken"
rt_state >"$T_DIR/clean"
PCCBPF_DISABLE=tcx t_assert_status 1 pcc "${ATTACH[@]}"
t_assert "it says: $(<"$T_DIR/err")" grep -qE '^pccbpf: br0: .*28771.* \(.*tc filter del.*\)$' "$T_DIR/err"
same_as "$T_DIR/clean" rt_state
rt tc qdisc del dev br0 clsact
rm -r "$BPFFS/foreign"

t_begin 'the qdisc "ingress" would run our egress programs at ingress: without tcx that WAN stays out, with a hint, and no other'
rt tc qdisc add dev wan1 ingress
rt_state >"$T_DIR/clean"
PCCBPF_DISABLE=tcx t_assert_status 0 pcc "${ATTACH[@]}"
t_assert "it says: $(<"$T_DIR/err")" grep -qE '^pccbpf: warning: wan1: .*no egress side \(.*tc qdisc add dev wan1 clsact.*\)$' "$T_DIR/err"
t_assert_eq "$(rt tc filter show dev wan1 ingress)" '' 'filters of wan1'
lan 1 "$LABTOOL" connect --dst "$SERVERS4,$SERVERS6" --port "$TCP_PORTS" --count 64 --sport-base 30000 \
	>"$T_DIR/by" 2>/dev/null
t_assert_eq "$(awk '{ print $1 == "FAIL" ? "failed" : $5 }' "$T_DIR/by" | sort -u | paste -sd' ')" '198.18.2.2 2001:db8:2::2' \
	'the addresses that the servers saw'
t_assert_eq "$(leaks_total)" 0 'packets with a source that is not of their ISP'
pcc status >"$T_DIR/status"
t_assert "status says: $(<"$T_DIR/status")" grep -q '^wan1: .*it takes no connections' "$T_DIR/status"
t_assert_eq "$(pcc status --json | jq -c '[.wans[].share]')" '[0,1]' 'shares that status tells'
t_assert_status 0 pcc detach
same_as "$T_DIR/clean" rt_state
t_assert_status 0 pcc "${ATTACH[@]}"
t_assert_status 0 pcc detach
same_as "$T_DIR/clean" rt_state
rt tc qdisc del dev wan1 ingress

t_begin "other people's tables, rules, routes and sysctls stay, through a whole life"
rt nft -f - <<-'END'
	table ip mine {
		chain prerouting {
			type nat hook prerouting priority dstnat;
			iifname "wan1" tcp dport 8022 dnat to 192.168.77.11
		}
		chain postrouting {
			type nat hook postrouting priority srcnat;
			oifname "tun0" masquerade
		}
	}
	table inet pccbpf_not {
		chain forward {
			type filter hook forward priority filter;
			tcp dport 9999 drop
		}
	}
END
rt ip -batch - <<-'END'
	rule add pref 9000 from 10.9.9.0/24 table 101
	rule add pref 10001 fwmark 0x1/0xff table 201
	rule add pref 10050 to 10.8.0.0/16 table main
	rule add pref 20000 fwmark 0x100/0xff00 table 201 protocol static
	route add 10.77.0.0/16 via 198.18.1.1 table 101 proto static
	route add 10.78.0.0/16 via 198.18.2.1 table 102 proto static
	route add default via 198.18.3.1 metric 500 table 103 proto static
	route add default via 198.18.3.1 table 201 proto static
END
rt ip -6 rule add pref 10002 from fd99::/64 table 102
rt ip -6 route add 2001:db8:77::/48 via 2001:db8:1::1 table 101 proto static
rt sh -c 'cd /proc/sys/net/ipv4 && echo 1 >tcp_fwmark_accept && echo 1 >conf/wan2/src_valid_mark &&
	echo 2 >conf/wan1/rp_filter && echo 1 >conf/wan3/rp_filter && echo 1 >conf/wan1/ignore_routes_with_linkdown'
rt_state >"$T_DIR/clean"
# Everything that was there is still there.
still_there() {
	local gone
	gone=$(comm -23 <(grep -E '^(nft|rule|route|qdisc|filter)' "$T_DIR/clean" | sort) <(rt_state | sort))
	t_assert_eq "$gone" '' "$1: gone"
}
while read -ra words; do
	t_assert_status 0 pcc "${words[@]}"
	still_there "${words[*]}"
done <<-'END'
	attach --lan br0 --wan wan1,wan2
	attach --lan br0 --wan wan1,wan2
	wan add wan3
	wan set wan3 --state down
	wan del wan3
	wan set wan1 --weight 3
	attach --lan br0 --wan wan2,wan3
	attach --lan br0 --wan wan1,wan2
END
t_assert_eq "$(inet curl -s -m 3 -o /dev/null -w '%{http_code}' http://203.0.113.1/)" 200 'the servers answer'
t_assert_status 0 pcc detach
same_as "$T_DIR/clean" rt_state

t_begin 'a sysctl that somebody sets again while attached is theirs'
t_assert_status 0 pcc "${ATTACH[@]}"
rt sh -c 'echo 2 >/proc/sys/net/ipv4/conf/wan3/rp_filter; echo 0 >/proc/sys/net/ipv4/tcp_syncookies'
sed -e 's|conf/wan3/rp_filter:1$|conf/wan3/rp_filter:2|' -e 's|tcp_syncookies:.*|tcp_syncookies:0|' "$T_DIR/clean" \
	>"$T_DIR/changed"
t_assert_status 0 pcc detach
same_as "$T_DIR/changed" rt_state
rt_state >"$T_DIR/clean"

# ---------------------------------------------------------------- other instances

for mode in tcx clsact; do
	[[ $mode == tcx ]] || export PCCBPF_DISABLE=tcx
	t_begin "$mode: a second instance in the same namespace is refused, and detaches nothing"
	t_assert_status 0 pcc "${ATTACH[@]}"
	rt_state >"$T_DIR/attached"
	rt_ids >"$T_DIR/ids"
	for words in 'attach --lan br0 --wan wan1,wan2' 'attach --lan br0 --wan wan3' 'attach --lan lan1 --wan wan3' \
		detach 'detach --force'; do
		read -ra words <<<"$words"
		t_assert_status 1 rt "$PCCBPF" "${words[@]}" --bpffs "$BPFFS/second"
		t_assert "${words[*]} says: $(<"$T_DIR/err")" grep -qE '^pccbpf: [^:]+: .*another pin directory.* \(.*--bpffs' "$T_DIR/err"
		same_as "$T_DIR/attached" rt_state && same_as "$T_DIR/ids" rt_ids && continue
		echo "	after ${words[*]}"
		rt "$PCCBPF" detach --force --bpffs "$BPFFS/second" >/dev/null 2>&1
		pcc "${ATTACH[@]}" >/dev/null 2>&1
		break
	done
	t_assert_status 0 pcc detach
	same_as "$T_DIR/clean" rt_state
done
unset PCCBPF_DISABLE

t_begin 'two instances in two namespaces do not see each other'
first=$LAB
t_assert_status 0 pcc "${ATTACH[@]}"
rt_state >"$T_DIR/attached"
rt_ids >"$T_DIR/ids"
lab_up --isps 2 --hosts 1
second=$LAB
rt_state >"$T_DIR/clean2"
t_assert_status 0 pcc attach --lan br0 --wan 'wan1*1,wan2*3' --classifier src-port
t_assert_eq "$(pcc status --json | jq -c '[.classifier, [.wans[].weight]]')" '["src-port",[1,3]]' 'the second'
t_assert_eq "$(lan 1 "$LABTOOL" connect --dst "$SERVERS4" --port "$TCP_PORTS" --count 40 2>/dev/null | wc -l)" 40 \
	'connections in the second'
lab_use "$first"
same_as "$T_DIR/attached" rt_state
same_as "$T_DIR/ids" rt_ids
t_assert_eq "$(pcc status --json | jq -c .classifier)" '"src-address-and-port"' 'the first'
t_assert_eq "$(pcc conns --json | jq length)" 0 'connections in the first'
lab_use "$second"
t_assert_status 0 pcc detach
same_as "$T_DIR/clean2" rt_state
lab_use "$first"
same_as "$T_DIR/attached" rt_state
t_assert_eq "$(lan 1 "$LABTOOL" connect --dst "$SERVERS4" --port "$TCP_PORTS" --count 40 2>/dev/null | wc -l)" 40 \
	'connections in the first'
t_assert_status 0 pcc detach
same_as "$T_DIR/clean" rt_state
