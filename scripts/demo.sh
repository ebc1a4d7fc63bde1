#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# demo.sh: shows pccbpf on a router with three ISPs, made of network namespaces. Nothing of the host
# is changed. Every claim that is printed is checked; exit status 1 if one of them is not true.
# `make demo` builds what this needs.
#
# Most functions here are called by claim and poll, which shellcheck does not see.
# shellcheck disable=SC2317
set -uo pipefail
export LC_ALL=C

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
LAB_SH=$ROOT/scripts/lab.sh
LABTOOL=$ROOT/build/labtool
PCCBPF=$ROOT/build/pccbpf
NAME=pccdemo-$$
TMP=''
STEP=0
CLAIMS=0
WRONG=0
LAB='' BPFFS='' SERVERS4='' SERVERS6='' TCP_PORTS='' UDP_PORTS='' # of the lab

if [[ -t 1 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
	BOLD=$'\e[1m' DIM=$'\e[2m' GREEN=$'\e[32m' RED=$'\e[31m' OFF=$'\e[0m'
else
	BOLD='' DIM='' GREEN='' RED='' OFF=''
fi

# ---------------------------------------------------------------- telling

step() {
	STEP=$((STEP + 1))
	printf '\n%s%d. %s%s\n' "$BOLD" $STEP "$*" "$OFF"
}

say() {
	printf '   %s\n' "$@"
}

# What the user would type.
typed() {
	printf '   %s$ %s%s\n' "$DIM" "$*" "$OFF"
}

indent() {
	sed 's/^/     /'
}

# claim TEXT COMMAND...: the command succeeds, or the demonstration has failed.
claim() {
	local text=$1
	shift
	CLAIMS=$((CLAIMS + 1))
	if "$@"; then
		printf '   %sok%s   %s\n' "$GREEN" "$OFF" "$text"
	else
		WRONG=$((WRONG + 1))
		printf '   %sNOT TRUE%s   %s\n' "$RED" "$OFF" "$text"
	fi
	return 0
}

stop_here() {
	printf '%sdemo.sh: %s%s\n' "$RED" "$*" "$OFF" >&2
	exit 1
}

equal() {
	[[ $1 == "$2" ]]
}

# jq_is CONDITION FILE
jq_is() {
	jq -e "$@" >/dev/null
}

# within_4_sigma COUNT TOTAL PROBABILITY: a fair draw gives this but once in 16,000 times.
within_4_sigma() {
	awk -v k="$1" -v n="$2" -v p="$3" 'BEGIN { d = k - n * p; exit !(d * d <= 16 * n * p * (1 - p)) }'
}

now_ms() {
	local us=${EPOCHREALTIME/[.,]/}
	echo $((us / 1000))
}

# poll SECONDS COMMAND...
poll() {
	local deadline=$(($(now_ms) + $1 * 1000))
	shift
	until "$@"; do
		(($(now_ms) < deadline)) || return 1
		sleep 0.03
	done
}

# ---------------------------------------------------------------- the lab

in_lab() {
	local ns=$1
	shift
	nsenter --net="/run/netns/$LAB-$ns" -- "$@"
}

pcc() {
	PCCBPF_BPFFS=$BPFFS/pccbpf in_lab rt "$PCCBPF" "$@"
}

# Shows the command and its output.
shown() {
	typed "pccbpf $*"
	pcc "$@" 2>&1 | indent
	return "${PIPESTATUS[0]}"
}

must() {
	shown "$@" || stop_here "pccbpf $* failed"
}

connect() {
	in_lab lan1 "$LABTOOL" connect "$@" 2>/dev/null
}

leaks() {
	"$LAB_SH" leaks --name "$LAB" | awk '$1 == "total" { print $2 }'
}

# by_wan FILE...: of the lines of `connect`, how many the servers saw from which WAN, in one line.
by_wan() {
	awk '
		$1 == "FAIL" { failed++; next }
		match($5, /^(198\.18\.|2001:db8:)[0-9]+/) {
			split($5, part, /[.:]/)
			n["wan" part[3]]++
			total++
		}
		END {
			for (i = 1; i <= 3; i++)
				if (n["wan" i])
					printf "wan%d %d (%.1f %%)   ", i, n["wan" i], 100 * n["wan" i] / total
			printf "failed %d\n", failed
		}' "$@"
}

# seen FILE WAN: how many of them came from that WAN.
seen() {
	awk -v a="198.18.${2#wan}.2" -v b="2001:db8:${2#wan}::2" '$5 == a || $5 == b' "$1" | wc -l
}

# fair SHARE TOTAL FILE WAN...: each WAN got that share of all connections.
fair() {
	local share=$1 total=$2 file=$3 wan
	shift 3
	for wan; do
		within_4_sigma "$(seen "$file" "$wan")" "$total" "$share" || return 1
	done
}

# All that attach changes on the router, and what it might. IPv6 keeps no order among routes.
snapshot() {
	local dev
	in_lab rt ip -4 rule
	in_lab rt ip -6 rule
	in_lab rt ip -4 route show table all
	in_lab rt ip -6 route show table all | sort
	in_lab rt nft list ruleset
	while read -r dev; do
		echo "dev $dev"
		in_lab rt tc qdisc show dev "$dev"
		in_lab rt tc filter show dev "$dev" ingress
		in_lab rt tc filter show dev "$dev" egress
	done < <(in_lab rt ip -br link | awk '{ sub("@.*", "", $1); print $1 }')
	# shellcheck disable=SC2016
	in_lab rt bash -c 'cd /proc/sys/net && grep -rs "" ipv4 ipv6 netfilter core | grep -v nf_conntrack_count | sort'
	echo "pins: $(ls -A "$BPFFS")"
	echo "conntrack marks: $(in_lab rt conntrack -L 2>/dev/null | grep -c 'mark=[1-9]')"
}

prog_gone() {
	! bpftool prog show id "$1" >/dev/null 2>&1
}

progs_gone() {
	local id
	for id; do
		prog_gone "$id" || return 1
	done
}

clean_up() {
	local status=$?
	trap - EXIT
	trap '' INT TERM HUP
	((${#DOWNLOADS[@]} == 0)) || kill "${DOWNLOADS[@]}" 2>/dev/null
	[[ -z $LAB ]] || {
		pcc detach >/dev/null 2>&1
		"$LAB_SH" down --name "$NAME"
	}
	[[ -z $TMP ]] || rm -rf "$TMP"
	exit "$status"
}

# ---------------------------------------------------------------- long-lived connections

hold_start() {
	local pid
	# shellcheck disable=SC2016
	pid=$("$LAB_SH" spawn --name "$LAB" lan1 bash -c 'exec "$@" >"$0"' "$TMP/hold" "$LABTOOL" hold \
		--ready "$TMP/hold.ready" "$@")
	HOLD_PID=$pid
	poll 5 test -s "$TMP/hold.ready" || stop_here "the long-lived connections do not start"
}

hold_lines_over() {
	(($(wc -l <"$TMP/hold") > $1))
}

# The state of the connections, into $TMP/state.
hold_report() {
	local lines
	lines=$(wc -l <"$TMP/hold")
	kill -USR1 "$HOLD_PID" 2>/dev/null && poll 5 hold_lines_over "$lines" || return 1
	tail -n 1 "$TMP/hold" >"$TMP/state"
}

hold_alive() {
	hold_report && [[ $(jq "$1" "$TMP/state") == true ]]
}

hold_end() {
	kill -TERM "$HOLD_PID" 2>/dev/null
	poll 10 process_gone "$HOLD_PID"
}

process_gone() {
	[[ ! -e /proc/$1 ]] || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null
}

# Downloads, each in the background; lines "LOCAL-PORT BYTES CURL-STATUS" in $TMP/downloads.
DOWNLOADS=()
downloads_start() {
	local i
	for ((i = 0; i < $1; i++)); do
		nsenter --net="/run/netns/$LAB-lan2" -- curl -s -o /dev/null --speed-limit 1 --speed-time 2 \
			-w '%{local_port} %{size_download} %{exitcode}\n' \
			"http://203.0.113.$((i % 8 + 1))/slow/$2/$3" >>"$TMP/downloads" &
		DOWNLOADS+=($!)
	done
}

downloads_running() {
	(($(pcc conns --json --src 192.168.77.12 --dport 80 | jq length) >= $1))
}

# ---------------------------------------------------------------- the steps

step_lab() {
	step 'A router with three ISPs'
	"$LAB_SH" up --name "$NAME" --isps 3 --hosts 2 >/dev/null || stop_here 'the lab could not be built'
	LAB=$NAME
	eval "$("$LAB_SH" env --name "$NAME")"
	say '192.168.77.11 (lan1)--+        +-- wan1 198.18.1.2 -- ISP 1 --+' \
		'                      br0 router -- wan2 198.18.2.2 -- ISP 2 --+-- servers' \
		'192.168.77.12 (lan2)--+        +-- wan3 198.18.3.2 -- ISP 3 --+' \
		'Each ISP drops packets whose source address is not of its own network, and counts them.'
	# A port-forward of the user's own, to a server on lan2.
	in_lab rt nft -f - <<-'END'
	table inet portforward {
		chain prerouting {
			type nat hook prerouting priority dstnat;
			iifname "wan*" tcp dport 8080 dnat ip to 192.168.77.12:8080
		}
	}
	END
	"$LAB_SH" spawn --name "$LAB" lan2 "$LABTOOL" serve --http 8080 >/dev/null
	"$LAB_SH" spawn --name "$LAB" rt "$LABTOOL" serve --http 8081 >/dev/null
	poll 5 in_lab rt curl -s -m 1 -o /dev/null http://192.168.77.12:8080/
	snapshot >"$TMP/before"
}

step_attach() {
	step 'One command puts two of them to work'
	must attach --lan br0 --wan wan1,wan2
	must status
}

step_spread() {
	local total
	step 'Thousands of connections, TCP and UDP, IPv4 and IPv6'
	# Source ports by number: of random ones some come twice, and UDP then goes on where it was.
	connect --dst "$SERVERS4" --port "$TCP_PORTS" --count 3000 --sport-base 10000 >"$TMP/tcp4"
	connect --dst "$SERVERS6" --port "$TCP_PORTS" --count 3000 --sport-base 10000 >"$TMP/tcp6"
	connect --dst "$SERVERS4" --port "$UDP_PORTS" --count 3000 --sport-base 20000 --proto udp >"$TMP/udp4"
	connect --dst "$SERVERS6" --port "$UDP_PORTS" --count 3000 --sport-base 20000 --proto udp >"$TMP/udp6"
	cat "$TMP"/{tcp,udp}{4,6} >"$TMP/all"
	say "What the servers saw:"
	printf '     TCP IPv4   %s\n' "$(by_wan "$TMP/tcp4")"
	printf '     TCP IPv6   %s\n' "$(by_wan "$TMP/tcp6")"
	printf '     UDP IPv4   %s\n' "$(by_wan "$TMP/udp4")"
	printf '     UDP IPv6   %s\n' "$(by_wan "$TMP/udp6")"
	total=$(grep -vc '^FAIL' "$TMP/all")
	claim "12,000 connections were made, none failed" equal "$total" 12000
	claim "each WAN got half of them, as near as chance allows" fair 0.5 12000 "$TMP/all" wan1 wan2
	claim "no packet left by an ISP with an address that is not its own" equal "$(leaks)" 0
	typed 'pccbpf stats'
	pcc stats | sed -n '1,3p' | indent
	pcc stats --json >"$TMP/stats"
	claim 'pccbpf counted the connections of each WAN as the servers did' \
		equal "$(jq -c '[.wans[].new_connections]' "$TMP/stats")" \
		"[$(seen "$TMP/all" wan1),$(seen "$TMP/all" wan2)]"
	typed 'pccbpf stats --buckets    # 1024 buckets per family; here how full they are'
	jq -r '.buckets[] | select(.family == 4) | .new_connections' "$TMP/stats" | histogram
}

# How many buckets (lines) have how many connections.
histogram() {
	awk '{ n[$1 > 14 ? 7 : int($1 / 2)]++; sum += $1 }
		END {
			split("0-1 2-3 4-5 6-7 8-9 10-11 12-13 14+", name, " ")
			for (i = 0; i < 8; i++) {
				bar = ""
				for (k = 0; k < n[i] / 8; k++)
					bar = bar "#"
				printf "     %5s connections: %4d buckets %s\n", name[i + 1], n[i], bar
			}
			printf "     on average %.2f\n", sum / NR
		}'
}

# explained SRC DST SPORT PORT: the WAN that explain names; the server's view goes to $TMP/one.
explained() {
	local src=$1 dst=$2 sport=$3 port=$4 wan open='' close=''
	[[ $src == *:* ]] && open='[' close=']'
	wan=$(pcc explain "$open$src$close:$sport" "$open$dst$close:$port" --json | jq -r .wan)
	connect --dst "$dst" --port "$port" --src-base "$src" --sport-base "$sport" --rst >"$TMP/one"
	(($(seen "$TMP/one" "$wan") == 1))
}

explain_many() {
	local i right=0
	for ((i = 1; i <= 10; i++)); do
		explained 192.168.77.11 203.0.113.$((i % 8 + 1)) $((30000 + i * 7)) 7000 && right=$((right + 1))
		explained fd77::11 2001:db8:ffff::$((i % 8 + 1)) $((30000 + i * 7)) 7001 && right=$((right + 1))
	done
	((right == 20))
}

step_explain() {
	local status
	step 'Which WAN would a connection get, and why?'
	must explain 192.168.77.11:30000 203.0.113.5:7000
	explained 192.168.77.11 203.0.113.5 30000 7000
	status=$?
	claim "then it was made, and the server saw it from $(awk '{ print $5 }' "$TMP/one"), that WAN" equal $status 0
	claim 'so it was for 20 more, IPv4 and IPv6' explain_many
}

# The WAN of a hold connection, by the address that the server saw.
JQ_WAN='def wan: (if test(":") then split(":")[2] else split(".")[2] end) | "wan" + .;'

step_add() {
	step 'A third WAN comes while 120 connections and 24 downloads are running'
	hold_start --dst "$SERVERS4,$SERVERS6" --port 7000-7007 --count 120 --interval-ms 50 --reconnect \
		--timeout-ms 4000
	downloads_start 24 800000 100000
	poll 5 hold_alive '.alive == 120 and .broken == 0' || stop_here 'the long-lived connections do not come up'
	poll 5 downloads_running 24 || stop_here 'the downloads do not start'
	pcc conns --json --src 192.168.77.12 --dport 80 | jq -r '.[] | "\(.sport) \(.wan)"' >"$TMP/download-wans"
	must wan add wan3
	connect --dst "$SERVERS4" --port "$TCP_PORTS" --count 3000 >"$TMP/three"
	printf '     new connections   %s\n' "$(by_wan "$TMP/three")"
	claim 'new connections use all three, a third each' fair 0.333333 3000 "$TMP/three" wan1 wan2 wan3
	hold_report
	claim 'all 120 connections that were there run on' \
		equal "$(jq -c '[.alive, ([.connections[] | select(.error)] | length)]' "$TMP/state")" '[120,0]'
	claim 'each of them on the WAN that it had' \
		equal "$(jq -c "$JQ_WAN [.connections[] | .seen | wan] | unique" "$TMP/state")" '["wan1","wan2"]'
}

# broken WAN: how many of its connections had an error.
broken() {
	jq "$JQ_WAN [.connections[] | select((.seen | wan) == \"$1\" and .error)] | length" "$TMP/state"
}

step_down() {
	local start took n2 others
	step 'A WAN is taken out'
	n2=$(jq "$JQ_WAN [.connections[] | select((.seen | wan) == \"wan2\")] | length" "$TMP/state")
	start=$(now_ms)
	must wan set wan2 --state down
	poll 5 hold_alive "$JQ_WAN .alive == 120 and ([.connections[] | select((.seen | wan) == \"wan2\") |
		select(.seen_after)] | length) == $n2" || say 'not all connections came back'
	took=$(($(now_ms) - start))
	claim 'no connection of wan1 broke' equal "$(broken wan1)" 0
	claim "the $n2 connections of wan2 were told at once and came back, all after $took ms" \
		jq_is "$JQ_WAN .alive == 120 and ([.connections[] | select((.seen | wan) == \"wan2\") |
			select(.seen_after and (.seen_after | wan) != \"wan2\")] | length) == $n2 and $took < 2500" \
		"$TMP/state"
	printf '     they are now on   %s\n' "$(jq -r "$JQ_WAN [.connections[] | .seen_after // empty | wan] |
		group_by(.) | map(\"\(.[0]) \(length)\") | join(\"   \")" "$TMP/state")"
	printf '     slowest to reconnect: %d ms\n' "$(jq '[.connections[].reconnect_ms // 0] | max' "$TMP/state")"
	connect --dst "$SERVERS4" --port "$TCP_PORTS" --count 500 >"$TMP/two"
	claim 'new connections use wan1 and wan3 only' \
		equal "$(seen "$TMP/two" wan2) $(grep -vc FAIL "$TMP/two")" '0 500'
	wait "${DOWNLOADS[@]}"
	DOWNLOADS=()
	hold_end
	others=$(awk '$2 != "wan2"' "$TMP/download-wans" | wc -l)
	claim "all $others downloads of wan1 went through to the last byte" equal "$others" \
		"$(awk 'NR == FNR { wan[$1] = $2; next } wan[$1] != "wan2" && $2 == 800000 && $3 == 0' \
			"$TMP/download-wans" "$TMP/downloads" | wc -l)"
	must wan set wan2 --state up
}

# answered PORT: what an outside host gets through each WAN, "wan1 wan2 wan3" if all answer.
answered() {
	local i
	for i in 1 2 3; do
		in_lab inet curl -s -m "$2" --interface 203.0.113.5 -o /dev/null "http://198.18.$i.2:$1/" && echo "wan$i"
	done | paste -sd' '
}

step_inbound() {
	step 'Connections from outside are answered through the WAN that they came in on'
	say 'The port-forward is a rule of your own: iifname "wan*" tcp dport 8080 dnat to 192.168.77.12:8080'
	claim 'an outside host reaches the server on lan2 by the address of every WAN' equal "$(answered 8080 2)" 'wan1 wan2 wan3'
	typed 'pccbpf conns --origin wan'
	pcc conns --origin wan | sed 's/  bucket.*//' | indent
	claim 'and a server on the router itself' equal "$(answered 8081 2)" 'wan1 wan2 wan3'
	claim 'still no packet left by an ISP with an address that is not its own' equal "$(leaks)" 0
}

carrier_is_back() {
	in_lab rt ip link show dev wan1 | grep -q LOWER_UP
}

step_carrier() {
	local lost
	step 'The cable of the main default route is pulled; no daemon is running'
	typed 'ip route show default'
	in_lab rt ip route show default | indent
	lost=$(pcc stats --json | jq .counters.next_best)
	in_lab isp1 ip link set cust down
	connect --dst "$SERVERS4" --port "$TCP_PORTS" --count 1000 >"$TMP/lost"
	connect --dst "$SERVERS6" --port "$TCP_PORTS" --count 1000 >>"$TMP/lost"
	pcc status >"$TMP/status"
	claim 'pccbpf status shows it and exits with 3' equal "$? $(grep -c "no carrier" "$TMP/status")" '3 1'
	printf '     new connections   %s\n' "$(by_wan "$TMP/lost")"
	claim 'all 2000 new connections succeed, on the other WANs' \
		equal "$(seen "$TMP/lost" wan2) $(seen "$TMP/lost" wan1)" "$((2000 - $(seen "$TMP/lost" wan3))) 0"
	lost=$(($(pcc stats --json | jq .counters.next_best) - lost))
	say "$lost of them were wan1's by their bucket and took the next best (counter next_best)"
	in_lab isp1 ip link set cust up
	in_lab isp1 ip addr add 2001:db8:1::1/64 dev cust nodad 2>/dev/null
	poll 3 carrier_is_back
	connect --dst "$SERVERS4" --port "$TCP_PORTS" --count 600 >"$TMP/back"
	claim 'with the cable back wan1 has its third again' fair 0.333333 600 "$TMP/back" wan1 wan2 wan3
}

step_detach() {
	local ids
	step 'Detach leaves nothing behind'
	mapfile -t ids < <(for p in "$BPFFS"/pccbpf/pcc_{lan,wan}_{in,out}; do
		bpftool -j prog show pinned "$p" | jq .id
	done)
	must detach
	snapshot >"$TMP/after"
	diff -u "$TMP/before" "$TMP/after" | grep '^[+-]' | indent
	claim "rules, routes, nftables, qdiscs, filters, $(grep -c '^\(ipv[46]\|core\|netfilter\)/' "$TMP/before") sysctls, pins are as before attach" \
		cmp -s "$TMP/before" "$TMP/after"
	claim "the ${#ids[@]} programs are gone from the kernel" poll 3 progs_gone "${ids[@]}"
}

main() {
	local tool
	((EUID == 0)) || stop_here 'network namespaces need root: sudo make demo'
	[[ -x $PCCBPF && -x $LABTOOL ]] || stop_here 'not built yet: run make demo'
	for tool in ip tc nft jq curl conntrack bpftool nsenter; do
		command -v "$tool" >/dev/null || stop_here "$tool is missing: run make deps"
	done
	TMP=$(mktemp -d "${TMPDIR:-/tmp}/pccbpf-demo.XXXXXX") || exit 1
	trap clean_up EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	step_lab
	step_attach
	step_spread
	step_explain
	step_add
	step_down
	step_inbound
	step_carrier
	step_detach
	printf '\n%s%d claims checked, %d not true, in %d s%s\n' "$BOLD" $CLAIMS $WRONG $SECONDS "$OFF"
	exit $((WRONG != 0))
}

main "$@"
