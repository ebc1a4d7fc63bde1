#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A soak: many connections that carry checked data all the time, others that come and go, while the
# place of the fast path is switched, and a WAN is added, weighted, drained and deleted. No connection
# of another WAN breaks, no ISP sees another's source, and the counters are what both ends have counted.
#
# SOAK_S: seconds (10; 300 for a real one). SOAK_CONNS: connections that are held (10000).
#
# alone: ten thousand connections take all processors

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip nft nsenter jq conntrack clang ethtool

SOAK_S=${SOAK_S:-10}
SOAK_CONNS=${SOAK_CONNS:-10000}
ATTACH=(attach --lan lan0 --classifier both-addresses-and-ports --max-conns 262144)
# Each connection speaks so rarely that all of them together send 2000 times a second.
INTERVAL_MS=$((SOAK_CONNS / 2 > 100 ? SOAK_CONNS / 2 : 100))

# What a careful router has, as in test_noleak: on a WAN that was deleted the router's own answers to late
# packets would go by the main table.
careful() {
	rt nft -f - <<-'END'
	table inet firewall {
		counter invalid { }
		chain forward {
			type filter hook forward priority filter;
			iifname "lan0" ct state invalid counter name invalid drop
			ct state invalid drop
		}
		chain output {
			type filter hook output priority filter;
			oifname != "wan3" ip saddr 198.18.3.2 drop
			oifname != "wan3" ip6 saddr 2001:db8:3::2 drop
		}
	}
	END
}

# What the ends see of the LAN's connections: the ISPs what comes from the customer, lan1 what comes in.
count_at_ends() {
	local i
	for i in 1 2 3; do
		isp "$i" nft -f - <<-'END'
		table inet ends {
			counter seen { }
			chain in {
				type filter hook prerouting priority raw
				iifname cust ip daddr 203.0.113.0/24 counter name seen
				iifname cust ip6 daddr 2001:db8:ffff::/64 counter name seen
			}
		}
		END
	done
	lan 1 nft -f - <<-'END'
	table inet ends {
		counter seen { }
		chain in {
			type filter hook prerouting priority raw
			iifname eth0 ip saddr 203.0.113.0/24 counter name seen
			iifname eth0 ip6 saddr 2001:db8:ffff::/64 counter name seen
		}
	}
	END
}

# end_of NS: "PACKETS BYTES", of the network layer.
end_of() {
	in_lab "$1" nft -j list counter inet ends seen |
		jq -r '.nftables[].counter | select(.) | "\(.packets) \(.bytes)"'
}

# All count frames as they come: no GRO. XDP sends only to a peer that has it, or XDP of its own.
no_gro() {
	local i
	for i in lan0 wan1 wan2 wan3; do rt ethtool -K "$i" gro off; done
	cat >"$T_DIR/pass.c" <<-'END'
	__attribute__((section("xdp"), used)) int pass(void *ctx) { return 2; }
	END
	clang -O2 -target bpf -c "$T_DIR/pass.c" -o "$T_DIR/pass.o" || t_bail 'clang'
	lan 1 ip link set dev eth0 xdpdrv obj "$T_DIR/pass.o" sec xdp
	lan 1 ethtool -K eth0 gro off
	for i in 1 2 3; do
		isp "$i" ip link set dev cust xdpdrv obj "$T_DIR/pass.o" sec xdp
		isp "$i" ethtool -K cust gro off
	done
}

# dropped IF: frames that a device of the router could not send.
dropped() {
	rt ip -s -s -j link show "$1" | jq '.[0].stats64.tx | .dropped + .errors'
}

# What the firewall has dropped of the LAN's packets: with --fastpath off they are counted before.
invalid() {
	rt nft -j list counter inet firewall invalid | jq '[.nftables[].counter | select(.) | .packets] | add'
}

# Have the ends seen nothing for a while? What is under way would be counted by one and not yet by the other.
quiet() {
	local was=${SEEN:-}
	SEEN=$(end_of isp1)$(end_of isp2)$(end_of lan1)
	[[ $SEEN == "$was" ]] || {
		sleep 0.3
		return 1
	}
}

# numbers: what both ends and the product have counted since the start.
numbers() {
	local i p b tx=0 txb=0 rx rxb SEEN=''
	eventually quiet || t_fail 'the traffic does not end'
	for i in 1 2; do
		read -r p b < <(end_of "isp$i")
		tx=$((tx + p))
		txb=$((txb + b))
	done
	read -r rx rxb < <(end_of lan1)
	# The product counts the Ethernet header too.
	echo "ends tx $tx $((txb + 14 * tx)) rx $rx $((rxb + 14 * rx))"
	echo "dropped tx $(($(dropped wan1) + $(dropped wan2) + $(invalid))) 0 rx $(dropped lan0) 0"
	# shellcheck disable=SC2016
	stat_of '([.wans[] | select(.name != "wan3")] | map(.tx_packets, .tx_bytes)) as $t |
		"pcc tx \($t[0] + $t[2]) \($t[1] + $t[3]) rx \([.buckets[].rx_packets] | add) \([.buckets[].rx_bytes] | add)"'
}

# agree BEFORE AFTER SLACK: between two sets of numbers the product has counted what the ends have, and
# what a device between them could not hold. SLACK: packets that were under way while the place of
# counting changed, each way. What differs is in $T_DIR/differs.
agree() {
	paste -d' ' "$1" "$2" | awk -v slack="$3" '
		{ tx[$1] = $10 - $3; txb[$1] = $11 - $4; rx[$1] = $13 - $6; rxb[$1] = $14 - $7 }
		function off(what, got, ends, drops, limit) {
			if (got < ends - limit || got > ends + drops + limit)
				printf "%s: %d counted, %d seen by the ends, %d dropped\n", what, got, ends, drops
		}
		END {
			off("packets to the WANs", tx["pcc"], tx["ends"], tx["dropped"], slack)
			off("packets to the LAN", rx["pcc"], rx["ends"], rx["dropped"], slack)
			off("bytes to the WANs", txb["pcc"], txb["ends"], tx["dropped"] * 1514, slack * 1514)
			off("bytes to the LAN", rxb["pcc"], rxb["ends"], rx["dropped"] * 1514, slack * 1514)
			printf "     %d packets to the WANs, %d to the LAN, dropped %d and %d, difference %d and %d\n", tx["ends"],
				rx["ends"], tx["dropped"], rx["dropped"], tx["pcc"] - tx["ends"], rx["pcc"] - rx["ends"] >"/dev/stderr"
		}' >"$T_DIR/differs" 2>"$T_DIR/summary"
	[[ ! -s $T_DIR/differs ]]
}

# agree_soon SLACK: the same, since $T_DIR/before. On a machine that is busy a pause may look like the end of
# the traffic: looked at again, a few times. What was not counted, or lost, is not made good by that.
agree_soon() {
	local turn
	for turn in 1 2 3 4 5; do
		((turn == 1)) || sleep 1
		numbers >"$T_DIR/after"
		! agree "$T_DIR/before" "$T_DIR/after" "$1" || break
	done
	cat "$T_DIR/summary"
	[[ ! -s $T_DIR/differs ]] || t_fail "$(paste -sd';' "$T_DIR/differs")"
}

churn_start() {
	local worker
	WORKERS=()
	# shellcheck disable=SC2016
	for worker in \
		'while :; do "$0" connect --proto tcp --dst "$1" --port 7004-7007 --count 100 --timeout-ms 800; sleep 0.2; done' \
		'while :; do "$0" connect --proto udp --dst "$1" --port 7004-7007 --count 100 --timeout-ms 800; sleep 0.2; done'; do
		spawn lan1 bash -c "trap 'exit 0' TERM; $worker" "$LABTOOL" "$SERVERS4,$SERVERS6"
		WORKERS+=("$SPAWNED")
	done
}

churn_stop() {
	local pid
	for pid in "${WORKERS[@]}"; do stop "$pid"; done
}

# The changes, over and over: what a command says and, for an attach, where the fast path is then.
changes() {
	cat <<-'END'
	mode tc
	wan add wan3
	mode xdp
	wan set wan3 --weight 9
	mode off
	wan set wan3 --state drain
	mode xdp
	wan del wan3
	mode tc
	wan set wan1 --weight 5
	mode xdp
	wan set wan1 --weight 1
	mode auto
	wan add wan3*4
	conns flush --wan wan3
	mode xdp
	wan set wan3 --state down
	wan set wan3 --state up
	wan del wan3
	END
}

WITH3=''

# change WORDS...: done; a new attach names the WANs that are there at that moment.
change() {
	if [[ $1 == mode ]]; then
		pcc "${ATTACH[@]}" --wan "wan1,wan2$WITH3" --fastpath "$2" >"$T_DIR/out" 2>"$T_DIR/err"
		return
	fi
	pcc "$@" >"$T_DIR/out" 2>"$T_DIR/err" || return
	case "$*" in
	'wan add'*) WITH3=,$3 ;;
	'wan del'*) WITH3='' ;;
	*--weight*) [[ $3 != wan3 ]] || WITH3=",wan3*$5" ;;
	esac
}

# New connections of the present moment: each succeeds, whatever was changed before.
newcomers() {
	local failed
	failed=$(lan 1 "$LABTOOL" connect --dst "$SERVERS4,$SERVERS6" --port 7008-7011 --count 100 --timeout-ms 2000 2>/dev/null |
		grep -c FAIL)
	((failed == 0)) || t_fail "after '$1': $failed of 100 new connections failed"
}

# held_went_on: all connections have carried data since HELD_BEFORE (a file).
held_went_on() {
	hold_report >"$T_DIR/held"
	jq -en --slurpfile a "$1" --slurpfile b "$T_DIR/held" '
		[range($a[0].connections | length) | $b[0].connections[.].bytes > $a[0].connections[.].bytes] | all' >/dev/null
}

lab_up --isps 3 --hosts 1 --host-addrs 4 --lan port --no-offload
no_gro
careful
change mode xdp || t_bail "attach: $(<"$T_DIR/err")"

t_begin "$SOAK_CONNS connections stand on two WANs, and data flows in all of them"
count_at_ends
numbers >"$T_DIR/before"
hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port 7000-7003 --count "$SOAK_CONNS" --rate 4000 --interval-ms $INTERVAL_MS \
	--timeout-ms 20000 --src-base 192.168.77.100,fd77::100 --src-count 4
eventually hold_is ".alive == $SOAK_CONNS" || t_bail "not all stand: $(hold_report | jq -c '[.alive, .broken, .connecting]')"
hold_report >"$T_DIR/begin"

t_begin "for $SOAK_S s WANs come and go and the fast path changes its place: every new connection succeeds"
churn_start
start=$SECONDS
rounds=0
while ((SECONDS - start < SOAK_S)); do
	while read -ra words && ((SECONDS - start < SOAK_S)); do
		change "${words[@]}" </dev/null || t_fail "${words[*]}: $(head -n 1 "$T_DIR/err")"
		newcomers "${words[*]}"
		rounds=$((rounds + 1))
	done < <(changes)
done
churn_stop
echo "     $rounds changes"

t_begin 'no connection broke, all go on, and no packet had a foreign source'
poll_until $((INTERVAL_MS / 1000 + 60)) held_went_on "$T_DIR/begin" || t_fail 'a connection carries no data'
t_assert_eq "$(jq -c '[.alive, .broken]' "$T_DIR/held")" "[$SOAK_CONNS,0]" 'alive, broken'
t_assert_eq "$(leaks_total)" 0 "packets that ISPs dropped for their source$("$LAB_SH" leaks --name "$LAB" --sources | sed 's/^/ /' | paste -sd,)"
t_assert_eq "$(counter_of leak)" 0 'counter leak'

t_begin 'what is counted is what both ends have counted'
hold_stop >"$T_DIR/held"
t_assert_eq "$(jq -c '[.alive, .broken]' "$T_DIR/held")" "[$SOAK_CONNS,0]" 'alive, broken at the end'
agree_soon $((rounds / 50 + 2))
echo "     longest silence $(jq .max_gap_ms "$T_DIR/held") ms, every connection speaks each $INTERVAL_MS ms"

for mode in off tc xdp; do
	t_begin "$mode: nothing is switched: every packet and byte is counted once, as both ends have counted"
	change mode $mode || t_fail "attach: $(<"$T_DIR/err")"
	numbers >"$T_DIR/before"
	hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port 7000-7003 --count 1000 --rate 4000 --interval-ms 200
	newcomers "mode $mode"
	t_assert 'all stand' eventually hold_is '.alive == 1000'
	sleep 1
	hold_stop >/dev/null
	agree_soon 0
done
t_assert_status 0 pcc detach
