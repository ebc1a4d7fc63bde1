#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The package was installed, three lines were written, the machine was started again: what `make demo` claims is true of
# it, seen from outside the router.
# shellcheck source=tests/system/lib.sh
. /checkout/tests/system/lib.sh
COUNT=300 # connections a family

in_isp() { # NUMBER COMMAND...
	nsenter --net="/run/netns/isp$1" -- "${@:2}"
}

# seen FILE WAN: how many connections the servers saw with that WAN's address.
seen() {
	awk -v a="$(address "$2")" -v b="2001:db8:${2#wan}::2" '$5 == a || $5 == b' "$1" | wc -l
}

address() { # WAN
	case $1 in
	wan1) echo 198.18.1.2 ;;
	wan2) echo 198.18.2.50 ;;
	esac
}

# within_4_sigma COUNT TOTAL: a fair draw between two gives this but once in 16,000 times.
within_4_sigma() {
	awk -v k="$1" -v n="$2" 'BEGIN { d = k - n / 2; exit !(d * d <= 16 * n / 4) }'
}

watch_start() {
	local n
	WATCHES=()
	for n in 1 2; do
		rm -f "/run/watch.$n"
		nsenter --net="/run/netns/isp$n" -- "$LABTOOL" sniff --if eth0 --direction in --duration 900 --ready "/run/watch.$n" \
			>"/run/arrived.$n" 2>&1 &
		WATCHES+=($!)
		wait_for 20 test -e "/run/watch.$n" || t_fail 'nobody watches the ISPs'
	done
}

# foreign: the packets that came to an ISP with a source that is not its own; a line each source. An address is asked for
# from 0.0.0.0, neighbours are asked from link-local addresses, :: is who asks whether an address is taken.
foreign() {
	awk '$2 != "198.18.1.2" && $2 != "2001:db8:1::2" && $2 !~ /^fe80:/ && $2 != "::" { print "isp1", $2, $3 }' /run/arrived.1
	awk '$2 != "198.18.2.50" && $2 != "2001:db8:2::2" && $2 !~ /^fe80:/ && $2 != "::" && $2 != "0.0.0.0" { print "isp2", $2, $3 }' \
		/run/arrived.2
}

arrived() { # NUMBER: packets that came to that ISP
	awk '{ n += $3 } END { print n + 0 }' "/run/arrived.$1"
}

t_begin 'three lines of configuration and a reboot: the service runs, and both WANs are up'
wait_for 150 service_is active || t_bail 'the service does not become active'
t_assert 'both WANs are up' wait_for 60 wans_up wan1 wan2
t_assert_eq "$(grep -c . "$CONFIG") $(service NRestarts)" '3 0' 'lines of the file, restarts of the service'
t_ok

watch_start
t_begin 'new connections get each WAN in equal shares, as the servers see them, and pccbpf counts them like that'
before=$(pccbpf stats --json | jq -c '[.wans[].new_connections]')
for server in $SERVER $SERVER6; do
	in_host "$LABTOOL" connect --dst "$server" --port 7000 --count $COUNT --timeout-ms 20000 --rst
done >/run/all 2>/run/err
wan1=$(seen /run/all wan1) wan2=$(seen /run/all wan2)
echo "     $COUNT connections of IPv4 and of IPv6: $wan1 by wan1, $wan2 by wan2, $(grep -c '^FAIL' /run/all) failed"
t_assert_eq "$((wan1 + wan2)) $(grep -c '^FAIL' /run/all)" "$((2 * COUNT)) 0" 'connections with the address of a WAN, failed'
t_assert 'half each, as near as chance allows' within_4_sigma "$wan1" $((2 * COUNT))
t_assert_eq "$(pccbpf stats --json | jq -c --argjson b "$before" '[[.wans[].new_connections], $b] | transpose | map(.[0] - .[1])')" \
	"[$wan1,$wan2]" 'counted by pccbpf'
t_ok

t_begin 'explain names the WAN that a connection then takes'
right=0
for ((i = 1; i <= 6; i++)); do
	read -r src dst <<<"192.168.77.10 $SERVER"
	from=$src:$((30000 + i)) to=$dst:7000
	((i % 2)) || {
		read -r src dst <<<"fd77::10 $SERVER6"
		from="[$src]:$((30000 + i))" to="[$dst]:7000"
	}
	said=$(pccbpf explain "$from" "$to" --json | jq -r .wan)
	in_host "$LABTOOL" connect --dst "$dst" --port 7000 --src-base "$src" --sport-base $((30000 + i)) --rst >/run/one 2>&1
	(($(seen /run/one "$said") == 1)) && right=$((right + 1))
done
t_assert_eq $right 6 'times that it was so'
t_ok

t_begin 'the fast path takes most packets of connections that carry something, on both WANs'
numbers() {
	pccbpf stats --json | jq -r '[.wans[] | .tx_packets + .rx_packets, .fastpath_packets] | join(" ")'
}
rm -f /run/hold.ready
nsenter --net=/run/netns/host -- "$LABTOOL" hold --dst "$SERVER,$SERVER6" --port 7000 --count 24 --interval-ms 40 --size 256 \
	--timeout-ms 20000 --ready /run/hold.ready >/run/hold.out 2>&1 &
HOLD=$!
wait_for 60 test -e /run/hold.ready || t_fail 'the traffic does not begin'
sleep 3
read -r a1 f1 a2 f2 < <(numbers)
sleep 15
read -r b1 g1 b2 g2 < <(numbers)
kill -TERM $HOLD
wait $HOLD
for n in 1 2; do
	all=$((n == 1 ? b1 - a1 : b2 - a2)) fast=$((n == 1 ? g1 - f1 : g2 - f2))
	share=$((all ? fast * 100 / all : 0))
	echo "     wan$n: $all packets, $share % of them by the fast path"
	t_assert_le 75 "$share" "wan$n: share of the fast path (%)"
done
t_assert_eq "$(jq -c '[.alive, .broken]' /run/hold.out)" '[24,0]' 'connections alive, broken'
t_ok

# The outside host has one address in both ISPs: an answer that leaves by the other WAN finds nobody.
t_begin 'a connection from outside is answered by the WAN that it came in by: a port of the host behind, and the router itself'
nft -f - <<-END
	table ip forwards {
		chain prerouting {
			type nat hook prerouting priority dstnat;
			iifname { "wan1", "wan2" } tcp dport 8080 dnat to 192.168.77.10:8080
		}
	}
END
nsenter --net=/run/netns/host -- "$LABTOOL" serve --tcp 8080 &
servers=($!)
"$LABTOOL" serve --tcp 8081 &
servers+=($!)
sleep 1
for port in 8080 8081; do
	for n in 1 2; do
		in_isp $n "$LABTOOL" connect --dst "$(address wan$n)" --port $port --src-base 203.0.113.10 --count 10 --timeout-ms 20000 \
			>/run/inbound 2>/dev/null
		t_assert_eq "$(grep -vc '^FAIL' /run/inbound)" 10 "port $port by wan$n: connections of 10"
	done
done
kill "${servers[@]}"
nft delete table ip forwards
t_ok

t_begin 'no packet came to an ISP with an address that is not its own'
kill -TERM "${WATCHES[@]}"
wait "${WATCHES[@]}"
t_assert_eq "$(foreign | paste -sd' ')" '' 'ISP, source, packets'
for n in 1 2; do
	t_assert_le 1000 "$(arrived $n)" "packets that were looked at, isp$n"
	echo "     isp$n: $(arrived $n) packets, all of them with its own addresses"
done
t_assert_eq "$(pccbpf stats --json | jq '.counters.leak // 0')" 0 'leaks that pccbpf counted'
t_ok

t_begin 'with the cable of wan1 out all new connections go by wan2; with the cable back both are used'
in_isp 1 ip link set eth0 down
in_host "$LABTOOL" connect --dst "$SERVER" --port 7000 --count 60 --timeout-ms 20000 --rst >/run/one 2>/dev/null
t_assert_eq "$(seen /run/one wan2)" 60 'connections by wan2, of 60'
in_isp 1 ip link set eth0 up
in_isp 1 ip address add 2001:db8:1::1/64 dev eth0 nodad
t_assert 'both WANs are up' wait_for 90 wans_up wan1 wan2
balanced 'with the cable back'
t_ok
