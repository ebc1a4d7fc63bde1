#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shares: the classifier spreads real connections by the weights, what the servers see is what
# explain, conns and stats say, and every packet is counted once.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip nft nsenter jq conntrack

SRC4=192.168.77.100
SRC6=fd77::100
SPORT=20000

# list A B PREFIX: PREFIXa,..,PREFIXb
list() {
	local i s=
	for ((i = $1; i <= $2; i++)); do s+=${s:+,}$3$i; done
	echo "$s"
}

# Many more servers and ports than the lab has by itself: any address of the two networks answers.
more_servers() {
	inet ip route add local 203.0.113.0/24 dev lo
	local i
	for ((i = 1001; i <= 1212; i++)); do
		echo "addr add 2001:db8:ffff::$i/128 dev lo nodad"
	done | inet ip -batch -
	spawn inet "$LABTOOL" serve --tcp 8000-8255 --udp 8000-8255 --ready "$T_DIR/more.$LAB"
	eventually test -s "$T_DIR/more.$LAB" || t_bail 'the servers do not start'
}

# The traffic of a classifier, so that its fields take many values; connection n is
#   source n % SRC_N, then DSTS, then PORTS, source port SPORT + n.
# Sets SRC_N, DSTS (one list per run) and PORTS.
choose_traffic() {
	local i
	SRC_N=150
	DSTS=("$SERVERS4,$SERVERS6")
	PORTS=7000-7015
	case $1 in
	dst-address | dst-address-and-port)
		SRC_N=10
		DSTS=()
		for i in 1 61 121 181; do
			DSTS+=("$(list "$i" $((i + 31)) 203.0.113.),$(list $((1000 + i)) $((1031 + i)) 2001:db8:ffff::)")
		done
		;;
	dst-port)
		SRC_N=2
		DSTS=('203.0.113.1,2001:db8:ffff::1')
		PORTS=8000-8255
		;;
	esac
}

# tuple_of N: the tuple of connection N of the first run, as labtool makes it.
tuple_of() {
	local n=$1 dsts ports
	IFS=, read -ra dsts <<<"${DSTS[0]}"
	ports=$((${PORTS#*-} - ${PORTS%-*} + 1))
	T_DST=${dsts[n / SRC_N % ${#dsts[@]}]}
	T_DPORT=$((${PORTS%-*} + n / SRC_N / ${#dsts[@]} % ports))
	T_SPORT=$((SPORT + n))
	T_SRC=192.168.77.$((100 + n % SRC_N))
	[[ $T_DST != *:* ]] || printf -v T_SRC 'fd77::%x' $((0x100 + n % SRC_N))
}

# explain_sample COUNT STEP PROTO: lines PROTO SRC SPORT DST DPORT WAN BUCKET PINNED VERDICT
explain_sample() {
	local i proto=$3 src dst
	: >"$T_DIR/tuples"
	for ((i = 0; i < $1; i++)); do
		tuple_of $((i * $2))
		src=$T_SRC:$T_SPORT dst=$T_DST:$T_DPORT
		[[ $T_DST != *:* ]] || src=[$T_SRC]:$T_SPORT dst=[$T_DST]:$T_DPORT
		echo "$proto $T_SRC $T_SPORT $T_DST $T_DPORT" >>"$T_DIR/tuples"
		pcc explain "$src" "$dst" "$proto" --json
	done >"$T_DIR/explained"
	jq -r '"\(.wan) \(.bucket) \(.pinned) \(.verdict)"' "$T_DIR/explained" | paste -d' ' "$T_DIR/tuples" -
}

# make_connections COUNT PROTO: half of COUNT per run; lines "PROTO tuple seen" are added to $T_DIR/made.
make_connections() {
	local run=0 dst n=$(($1 / ${#DSTS[@]}))
	for dst in "${DSTS[@]}"; do
		lan 1 "$LABTOOL" connect --proto "$2" --dst "$dst" --port "$PORTS" --count $n --rst \
			--src-base "$SRC4,$SRC6" --src-count $SRC_N --sport-base $((SPORT + run * n)) \
			2>>"$T_DIR/connect.err" | sed "s/^/$2 /" >>"$T_DIR/made"
		run=$((run + 1))
	done
}

# What is wrong between what the servers saw ($T_DIR/made), conns, and the bucket table of stats; then
# lines "key FAMILY WAN COUNT" with the number of different values of the classifier's fields.
compare() {
	jq -r '.buckets[] | "B \(.family) \(.bucket) \(.wan) \(.new_connections) \(.tx_packets) \(.rx_packets)"' "$T_DIR/stats" >"$T_DIR/b"
	sed 's/^/C /' "$T_DIR/conns" >"$T_DIR/c"
	awk -v classifier="$1" '
		function wrong(text) { if (++wrongs <= 3) print "wrong", text }
		function family(addr) { return addr ~ /:/ ? 6 : 4 }
		function key(src, sport, dst, dport) {
			if (classifier == "src-address") return src
			if (classifier == "dst-address") return dst
			if (classifier == "both-addresses") return src " " dst
			if (classifier == "src-port") return sport
			if (classifier == "dst-port") return dport
			if (classifier == "both-ports") return sport " " dport
			if (classifier == "src-address-and-port") return src " " sport
			if (classifier == "dst-address-and-port") return dst " " dport
			return src " " sport " " dst " " dport
		}
		$1 == "B" { wan_of[$2, $3] = $4; news[$2, $3] = $5; tx[$2, $3] = $6; rx[$2, $3] = $7; next }
		$1 == "C" {
			t = $2 " " $3 " " $4 " " $5 " " $6
			if (t in conn) wrong("twice in conns: " t)
			conn[t] = $7
			bucket[t] = $8
			if ($9 != "lan") wrong("origin " $9 ": " t)
			f = family($3)
			seen_new[f, $8]++; seen_tx[f, $8] += $10; seen_rx[f, $8] += $11
			next
		}
		{
			t = $1 " " $2 " " $3 " " $4 " " $5
			if ($2 == "FAIL") { wrong("failed: " $0); next }
			made++
			f = family($2)
			if (!(t in conn)) { wrong("not in conns: " t); next }
			w = conn[t]; i = substr(w, 4)
			own = f == 6 ? "2001:db8:" i "::2" : "198.18." i ".2"
			if ($6 != own) wrong(t " is on " w " and was seen from " $6)
			if (wan_of[f, bucket[t]] != w) wrong(t ": bucket " bucket[t] " of " wan_of[f, bucket[t]] " but on " w)
			k = key($2, $3, $4, $5)
			if ((f, k) in of_key) { if (of_key[f, k] != bucket[t]) wrong("fields " k " in two buckets") }
			else { of_key[f, k] = bucket[t]; keys[f " " w]++ }
		}
		END {
			for (t in conn) conns++
			if (conns != made) wrong(conns " in conns, " made " made")
			for (fb in news) if (news[fb] != seen_new[fb] + 0 || tx[fb] != seen_tx[fb] + 0 || rx[fb] != seen_rx[fb] + 0) {
				split(fb, p, SUBSEP)
				wrong("bucket " p[1] "/" p[2] ": stats " news[fb] " " tx[fb] " " rx[fb] ", conns " seen_new[fb] + 0 " " seen_tx[fb] + 0 " " seen_rx[fb] + 0)
			}
			if (wrongs > 3) print "wrong", wrongs " things in all"
			for (k in keys) print "key", k, keys[k]
		}' "$T_DIR/b" "$T_DIR/c" "$T_DIR/made"
}

# The sum over a WAN's connections in conns is what stats says of the WAN.
compare_wans() {
	awk '{ n[$6]++; tx[$6] += $9; rx[$6] += $10 } END { for (w in n) print w, n[w], tx[w], rx[w] }' "$T_DIR/conns" |
		sort >"$T_DIR/by_wan"
	jq -r '.wans[] | "\(.name) \(.new_connections) \(.tx_packets) \(.rx_packets)"' "$T_DIR/stats" |
		sort | diff "$T_DIR/by_wan" - >"$T_DIR/diff" || t_fail "per WAN, conns < > stats: $(paste -sd' ' "$T_DIR/diff")"
}

# check_shares WEIGHTS: weights like "5 3 1" of wan1 wan2 wan3, of the "key" lines on stdin.
check_shares() {
	local each sum=0 w family wan count i total
	read -ra each <<<"$1"
	for w in "${each[@]}"; do sum=$((sum + w)); done
	local -A keys=() totals=()
	while read -r _ family wan count; do
		keys[$family.$wan]=$count
		totals[$family]=$((${totals[$family]:-0} + count))
	done
	for family in 4 6; do
		total=${totals[$family]:-0}
		for i in "${!each[@]}"; do
			count=${keys[$family.wan$((i + 1))]:-0}
			within_4_sigma "$count" "$total" "$(awk -v a="${each[i]}" -v b=$sum 'BEGIN { print a / b }')" ||
				t_fail "IPv$family: wan$((i + 1)) of weight ${each[i]}/$sum got $count of $total"
		done
	done
}

# wans_with WEIGHTS: the words of attach.
wans_with() {
	local i=0 w s=
	for w in $1; do
		i=$((i + 1))
		s+="${s:+,}wan$i*$w"
	done
	echo "$s"
}

# shares_case WEIGHTS CLASSIFIER SCHEME COUNT SAMPLES
shares_case() {
	local weights=$1 classifier=$2 scheme=$3 count=$4 samples=$5 half=$(($4 / 2)) proto step
	t_begin "$classifier, $scheme, weights ${weights// /:}: $count connections are spread by the weights, as explain, conns and stats say"
	: >"$T_DIR/made"
	choose_traffic "$classifier"
	pcc attach --lan "$LAN_IF" --wan "$(wans_with "$weights")" --classifier "$classifier" --scheme "$scheme" >/dev/null ||
		{ t_fail 'attach'; return; }
	rt conntrack -F >/dev/null 2>&1
	step=$((half / ${#DSTS[@]} / samples))
	for proto in tcp udp; do
		explain_sample $((samples / 2)) $((step * 2)) $proto
	done >"$T_DIR/before"
	make_connections $half tcp
	make_connections $half udp
	conns_table >"$T_DIR/conns"
	pcc stats --buckets --json >"$T_DIR/stats"
	t_assert_eq "$(wc -l <"$T_DIR/made")" "$((half / ${#DSTS[@]} * ${#DSTS[@]} * 2))" 'connections made'
	compare "$classifier" >"$T_DIR/found"
	t_assert_eq "$(grep '^wrong' "$T_DIR/found" | paste -sd';')" '' 'servers, conns and stats'
	check_shares "$weights" < <(grep '^key' "$T_DIR/found")
	compare_wans
	for proto in tcp udp; do
		explain_sample $((samples / 2)) $((step * 2)) $proto
	done >"$T_DIR/after"
	check_explain
	t_assert_eq "$(jq .counters.next_best+.counters.no_wan+.counters.adopted+.counters.from_ctmark+.counters.leak "$T_DIR/stats")" 0 \
		'connections that the hash did not decide'
	t_assert_eq "$(leaks_total)" 0 leaks
	t_assert "detach" pcc detach >/dev/null
}

# Before the connection explain says what conns shows later, not pinned; after it the same, pinned.
check_explain() {
	cut -d' ' -f1-7 "$T_DIR/conns" | sort >"$T_DIR/sorted"
	t_assert_eq "$(cut -d' ' -f1-7 "$T_DIR/before" | sort | comm -23 - "$T_DIR/sorted" | head -n 2 | paste -sd';')" '' \
		'explained before, not so in conns'
	t_assert_eq "$(cut -d' ' -f1-7 "$T_DIR/after" | sort | comm -23 - "$T_DIR/sorted" | head -n 2 | paste -sd';')" '' \
		'explained after, not so in conns'
	t_assert_eq "$(cut -d' ' -f8- "$T_DIR/before" | sort | uniq -c | xargs)" "$samples false balance" 'before'
	t_assert_eq "$(cut -d' ' -f8- "$T_DIR/after" | sort | uniq -c | xargs)" "$samples true balance" 'after'
}

lab_up --isps 5 --hosts 1 --host-addrs 150
more_servers

#           weights     classifier                scheme     count samples
while read -r weights classifier scheme count samples; do
	shares_case "${weights//:/ }" "$classifier" "$scheme" "$count" "$samples"
done <<'TABLE'
1:1       src-address-and-port     consistent 10000 20
5:3       both-addresses-and-ports modulo     10000 20
1:1:1     both-addresses-and-ports consistent 10000 200
5:3:1     src-address-and-port     modulo     10000 20
1:1:1:1:1 src-port                 consistent 10000 20
5:3:1:2:4 dst-address-and-port     modulo     10000 20
5:3:1     src-address              consistent 2400  10
1:1:1     src-address              modulo     2400  10
1:1       dst-address              consistent 2400  10
5:3:1     dst-address              modulo     2400  10
5:3:1:2:4 both-addresses           consistent 2400  10
1:1       both-addresses           modulo     2400  10
5:3       src-port                 modulo     2400  10
1:1       dst-port                 consistent 2400  10
5:3       dst-port                 modulo     2400  10
5:3:1     both-ports               consistent 2400  10
1:1:1:1:1 both-ports               modulo     2400  10
5:3:1     dst-address-and-port     consistent 2400  10
TABLE

# ---------------------------------------------------------------- packets

# own_frames_off NS IF: what the namespace sends of its own by the interface is dropped. What it forwards is not.
own_frames_off() {
	in_lab "$1" nft -f - <<-END
	table inet silent {
		chain out {
			type filter hook output priority filter;
			oifname "$2" drop
		}
	}
	table arp silent {
		chain out {
			type filter hook output priority filter;
			oifname "$2" drop
		}
	}
	END
}

# With permanent neighbours, and with the router and the ISPs silent, nothing but our packets crosses a WAN. The kernel
# would else report its multicast groups (MLD) whenever XDP is attached, and once more within a second.
freeze_links() {
	local i mac
	own_frames_off rt 'wan*'
	for i in 1 2 3 4 5; do
		own_frames_off isp$i cust
		# Entries in use would be probed a few seconds later, link-local ones too.
		rt ip neigh flush dev "wan$i"
		isp $i ip neigh flush dev cust
		mac=$(isp $i ip -j link show cust | jq -r '.[0].address')
		rt ip neigh replace "198.18.$i.1" lladdr "$mac" dev "wan$i" nud permanent
		rt ip neigh replace "2001:db8:$i::1" lladdr "$mac" dev "wan$i" nud permanent
		mac=$(rt ip -j link show "wan$i" | jq -r '.[0].address')
		isp $i ip neigh replace "198.18.$i.2" lladdr "$mac" dev cust nud permanent
		isp $i ip neigh replace "2001:db8:$i::2" lladdr "$mac" dev cust nud permanent
	done
}

# Lines "WAN TX RX" of the interfaces.
iface_packets() {
	rt ip -j -s link show | jq -r '.[] | select(.ifname | startswith("wan")) | "\(.ifname) \(.stats64.tx.packets) \(.stats64.rx.packets)"' | sort
}

stats_packets() {
	stat_of '.wans[] | "\(.name) \(.tx_packets) \(.rx_packets)"' | sort
}

# minus OLD-FILE: the differences of the lines on stdin.
minus() {
	join - "$1" | awk '{ print $1, $2 - $4, $3 - $5 }'
}

sunk() {
	[[ $(stat_of '[.wans[].tx_packets] | add') -ge $1 ]]
}

freeze_links
pcc attach --lan "$LAN_IF" --wan "$WANS" >/dev/null || t_bail 'attach failed'

t_begin 'each LAN packet is counted exactly once, on the WAN that sent it: 20,000 datagrams, both families'
iface_packets >"$T_DIR/iface"
lan 1 "$LABTOOL" blast --dst "203.0.113.5,2001:db8:ffff::5" --port "$SINK_PORT" --count 20000 --flows 500 --rate 40000 \
	--src-base "$SRC4,$SRC6" --src-count 100 --sport-base 30000 >"$T_DIR/blast"
t_assert_eq "$(jq .sent "$T_DIR/blast")" 20000 sent
eventually sunk 20000
stats_packets >"$T_DIR/stats"
t_assert_eq "$(iface_packets | minus "$T_DIR/iface" | cut -d' ' -f1,2 | paste -sd,)" \
	"$(cut -d' ' -f1,2 "$T_DIR/stats" | paste -sd,)" 'interfaces and stats, transmitted'
t_assert_eq "$(awk '{ n += $2 } END { print n }' "$T_DIR/stats")" 20000 'sum of the WANs'
t_assert_eq "$(pcc stats --buckets --json | jq '[.buckets[].tx_packets] | add')" 20000 'sum of the buckets'
t_assert_eq "$(conns_table | awk '{ n += $9 } END { print n }')" 20000 'sum of the connections'
t_assert_eq "$(awk '{ n += $3 } END { print n }' "$T_DIR/stats")" 0 'received'

t_begin 'each packet from a WAN is counted exactly once: TCP and UDP with answers, both families'
iface_packets >"$T_DIR/iface"
for proto in tcp udp; do
	lan 1 "$LABTOOL" connect --proto $proto --dst "$SERVERS4,$SERVERS6" --port 7000-7015 --count 3000 \
		--src-base "$SRC4,$SRC6" --src-count 100 --sport-base 40000 >/dev/null 2>"$T_DIR/err" ||
		t_fail "$proto: $(<"$T_DIR/err")"
done
# The last FINs are still on their way when connect ends, and each number is read at a moment of its own.
same_packets() {
	stats_packets | minus "$T_DIR/stats" >"$T_DIR/s"
	iface_packets | minus "$T_DIR/iface" >"$T_DIR/i"
	cmp -s "$T_DIR/s" "$T_DIR/i" || return 1
	received=$(stat_of '[.wans[].rx_packets] | add')
	by_bucket=$(pcc stats --buckets --json | jq '[.buckets[].rx_packets] | add')
	by_conn=$(conns_table | awk '{ n += $10 } END { print n }')
	[[ $by_bucket == "$received" && $by_conn == "$received" ]]
}
eventually same_packets
t_assert_eq "$(paste -sd, "$T_DIR/s")" "$(paste -sd, "$T_DIR/i")" 'stats and interfaces'
t_assert_le 12000 "$(awk '{ n += $3 } END { print n }' "$T_DIR/s")" 'at least, received'
t_assert_eq "${by_bucket:-}" "${received:-}" 'received, buckets and WANs'
t_assert_eq "${by_conn:-}" "${received:-}" 'received, connections and WANs'
assert_no_leak

# ---------------------------------------------------------------- seeds

# The sources that servers saw of 400 fixed tuples, in a fixed order.
mapping() {
	lan 1 "$LABTOOL" connect --proto udp --dst "$SERVERS4,$SERVERS6" --port 7000-7015 --count 400 \
		--src-base "$SRC4,$SRC6" --src-count 100 --sport-base 50000 2>/dev/null | sort | cut -d' ' -f1-5
}

seeded() {
	pcc detach >/dev/null
	rt conntrack -F >/dev/null 2>&1
	pcc attach --lan "$LAN_IF" --wan wan1,wan2,wan3 "$@" >/dev/null || t_fail "attach $*"
	mapping
}

t_begin 'the same seed gives the same mapping on two routers, another seed another one'
seeded --seed 77 >"$T_DIR/a"
seeded --seed 78 >"$T_DIR/b"
seeded --seed 77 --scheme modulo >"$T_DIR/c"
t_assert_eq "$(wc -l <"$T_DIR/a")" 400 'answers'
differ=$(comm -13 "$T_DIR/a" "$T_DIR/b" | wc -l)
within_4_sigma "$differ" 400 0.6667 || t_fail "seeds 77 and 78: $differ of 400 on another WAN, 267 expected"
lab_up --isps 3 --hosts 1 --host-addrs 150 --lan port
seeded --seed 77 >"$T_DIR/d"
t_assert_eq "$(comm -3 "$T_DIR/a" "$T_DIR/d" | wc -l)" 0 'different, consistent'
seeded --seed 77 --scheme modulo >"$T_DIR/e"
t_assert_eq "$(comm -3 "$T_DIR/c" "$T_DIR/e" | wc -l)" 0 'different, modulo'

t_begin 'without --seed every attach draws its own'
seeded >"$T_DIR/f"
first=$(pcc status --json | jq .seed)
seeded >"$T_DIR/g"
t_assert "seed $first is drawn again" test "$(pcc status --json | jq .seed)" != "$first"
differ=$(comm -13 "$T_DIR/f" "$T_DIR/g" | wc -l)
within_4_sigma "$differ" 400 0.6667 || t_fail "$differ of 400 on another WAN, 267 expected"
t_assert 'detach' pcc detach >/dev/null
