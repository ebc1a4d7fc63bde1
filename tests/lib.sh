# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# lib.sh: what the end-to-end tests have in common. Source it; it sets an EXIT trap that ends the
# last test, undoes what was deferred, checks that nothing is left and prints the summary.
#
#   . "$(dirname "$0")/../lib.sh"
#   require_root
#   lab_up --isps 2                     # a lab of its own; sets LAB RT INET BPFFS WANS ...
#   t_begin 'a sentence that says which property is shown'
#   t_assert_eq "$(lan 1 ...)" 198.18.1.2 'source seen'
#
# A test ends at the next t_begin; it has passed if nothing failed in it. t_ok is optional.
# Exit status: 0, or 1 if a test failed. Last line: "N passed, N failed, N skipped".

set -u
export LC_ALL=C

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
LAB_SH=$ROOT/scripts/lab.sh
LABTOOL=${LABTOOL:-$ROOT/build/labtool}
PCCBPF=${PCCBPF:-$ROOT/build/pccbpf}
LAB_RUN=/run/pccbpf-lab

T_PASSED=0
T_FAILED=0
T_SKIPPED=0
T_NAME=''
T_STATE=''
T_DEFERRED=()
T_LABS=0
T_PID=$BASHPID
T_DIR=$(mktemp -d "${TMPDIR:-/tmp}/pccbpf-test-$$.XXXXXX")

# ---------------------------------------------------------------- tests

# Ends the test that is running.
t_end() {
	[[ -n $T_NAME ]] || return 0
	case $T_STATE in
	failed) T_FAILED=$((T_FAILED + 1)) ;;
	skipped) T_SKIPPED=$((T_SKIPPED + 1)) ;;
	*)
		T_PASSED=$((T_PASSED + 1))
		echo "ok   $T_NAME"
		;;
	esac
	T_NAME=''
	T_STATE=''
}

t_begin() {
	t_end
	T_NAME=$1
	T_STATE=running
}

t_ok() {
	t_end
}

# t_fail REASON: the test goes on, so that one run shows all that is wrong. With what a daemon has said last.
t_fail() {
	echo "FAIL ${T_NAME:-(outside of a test)}: $*"
	[[ ! -s ${DAEMON_LOG:-} ]] || grep -v ' hook ' "$DAEMON_LOG" | tail -n 8 | sed 's/^/     it says: /'
	if [[ -n $T_NAME ]]; then
		T_STATE=failed
	else
		T_FAILED=$((T_FAILED + 1))
	fi
	return 0
}

# t_skip REASON: ends the test; what it still does is not counted, so leave it after this.
t_skip() {
	[[ $T_STATE == failed ]] || T_STATE=skipped
	echo "skip $T_NAME: $*"
	t_end
}

# t_assert_eq ACTUAL EXPECTED [WHAT]
t_assert_eq() {
	[[ $1 == "$2" ]] && return 0
	t_fail "${3:-value}: got '$1', expected '$2'"
	return 1
}

# t_assert WHAT COMMAND...: the command succeeds.
t_assert() {
	local what=$1
	shift
	"$@" && return 0
	t_fail "$what"
	return 1
}

# t_assert_status EXPECTED COMMAND...: the exit status; output goes to $T_DIR/out and $T_DIR/err.
t_assert_status() {
	local expected=$1 status=0
	shift
	"$@" >"$T_DIR/out" 2>"$T_DIR/err" || status=$?
	[[ $status == "$expected" ]] && return 0
	t_fail "'$*': exit status $status, expected $expected: $(head -n 3 "$T_DIR/err")"
	return 1
}

# t_assert_le VALUE LIMIT [WHAT]: integers.
t_assert_le() {
	(($1 <= $2)) && return 0
	t_fail "${3:-value}: $1 is more than $2"
	return 1
}

# t_bail REASON: the rest of the file makes no sense.
t_bail() {
	t_fail "$*"
	exit 1
}

# t_defer COMMAND...: done at the end, last one first.
t_defer() {
	T_DEFERRED+=("$(printf '%q ' "$@")")
}

t_finish() {
	local status=$? i
	[[ $BASHPID == "$T_PID" ]] || return 0
	trap - EXIT
	trap '' INT TERM HUP
	# A script that ended early, by an error or a signal, has not shown what it was to show.
	if ((status != 0)) && [[ $T_STATE != failed && $T_FAILED == 0 ]]; then
		t_fail "ended early with status $status"
	fi
	t_end
	for ((i = ${#T_DEFERRED[@]} - 1; i >= 0; i--)); do
		eval "${T_DEFERRED[i]}" || t_fail "clean-up: ${T_DEFERRED[i]}"
	done
	rm -rf "$T_DIR"
	echo "$T_PASSED passed, $T_FAILED failed, $T_SKIPPED skipped"
	exit $((T_FAILED != 0))
}
trap t_finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Ends the file, as skipped, where it cannot run.
skip_all() {
	t_begin "${0##*/}"
	t_skip "$*"
	exit 0
}

require_root() {
	((EUID == 0)) || skip_all "needs root"
}

# require_tools NAME...
require_tools() {
	local tool
	for tool in "$@"; do
		command -v "$tool" >/dev/null || skip_all "needs $tool"
	done
}

# ---------------------------------------------------------------- time and numbers

now_ms() {
	local us=${EPOCHREALTIME/[.,]/}
	echo $((us / 1000))
}

# poll_until SECONDS COMMAND...: repeats the command until it succeeds; 1 when the time is over.
poll_until() {
	local deadline
	deadline=$(($(now_ms) + $(awk -v s="$1" 'BEGIN { printf "%d", s * 1000 }')))
	shift
	until "$@"; do
		(($(now_ms) < deadline)) || return 1
		sleep 0.03
	done
}

# eventually COMMAND...: the same, for what must come, however slow or busy the machine is. How soon it comes is
# not asked here: that is for within_ms. After the first that did not come, the rest is waited for less.
PATIENCE_S=60
eventually() {
	poll_until "$PATIENCE_S" "$@" && return
	PATIENCE_S=$((PATIENCE_S > 20 ? PATIENCE_S / 2 : 10))
	return 1
}

# slowness: of this machine at this moment, in percent of one that has nothing else to do; 100 at least. Told by how long
# it takes to start a process, forty times: 33 ms where the limits of these tests were found.
slowness() {
	local i start ms
	start=$(now_ms)
	for ((i = 0; i < 40; i++)); do /bin/true; done
	ms=$(($(now_ms) - start))
	echo $((ms > 33 ? ms * 100 / 33 : 100))
}

# t_assert_ms TOOK LIMIT [WHAT]: times, in ms. A machine that is three times as slow has three times as long.
t_assert_ms() {
	local slow
	(($1 > $2)) || return 0
	slow=$(slowness)
	if (($1 * 100 <= $2 * slow)); then
		echo "     ${3:-time}: $1 ms are more than $2; this machine takes $slow % of the usual time"
		return 0
	fi
	t_fail "${3:-time}: $1 ms are more than $2 (this machine takes $slow % of the usual time)"
	return 1
}

# within_4_sigma COUNT TOTAL PROBABILITY: a fair draw gives this but once in 16,000 times.
within_4_sigma() {
	awk -v k="$1" -v n="$2" -v p="$3" 'BEGIN {
		d = k - n * p
		exit !(d * d <= 16 * n * p * (1 - p))
	}'
}

# ---------------------------------------------------------------- the lab

# lab_use NAME: the lab that rt, lan, inet, isp and pcc mean from now on.
lab_use() {
	local env
	env=$("$LAB_SH" env --name "$1") || return 1
	eval "$env"
}

# lab_up [OPTIONS of lab.sh up]: a new lab, removed and checked at the end. Where the suite runs in
# XDP, its packets look as on a wire.
lab_up() {
	local name
	T_LABS=$((T_LABS + 1))
	name=pcct-$$-$T_LABS
	[[ ${PCC_TEST_FASTPATH:-} != xdp || " $* " == *' --no-offload '* ]] || set -- --no-offload "$@"
	t_defer lab_down "$name"
	"$LAB_SH" up --name "$name" "$@" >/dev/null || t_bail "lab.sh up failed"
	lab_use "$name"
}

# Processes inside the lab's namespaces that `down` will not end because it did not start them.
lab_strangers() {
	local name=$1 ns inodes=' ' pid inode
	for ns in "/run/netns/$name"-*; do
		[[ -e $ns ]] && inodes+="net:[$(stat -Lc %i "$ns")] "
	done
	[[ $inodes != ' ' ]] || return 0
	for pid in /proc/[0-9]*; do
		inode=$(readlink "$pid/ns/net" 2>/dev/null) || continue
		[[ $inodes == *" $inode "* ]] || continue
		pid=${pid#/proc/}
		[[ -e $LAB_RUN/$name/pids/$pid ]] || echo "process $pid: $(tr '\0' ' ' <"/proc/$pid/cmdline")"
	done 2>/dev/null
	return 0
}

# What of a lab is still there: one line each.
lab_leftovers() {
	local name=$1 path
	for path in "/run/netns/$name"-*; do
		[[ ! -e $path ]] || echo "namespace ${path##*/}"
	done
	grep -o " $LAB_RUN/$name/[^ ]* " /proc/self/mounts | sed 's/^/mount/'
	[[ ! -e $LAB_RUN/$name ]] || echo "directory $LAB_RUN/$name"
	return 0
}

# lab_down NAME: removes it; anything left, or started and forgotten, is a failure.
lab_down() {
	local name=$1 left pids pid
	[[ -e $LAB_RUN/$name || -n $(lab_leftovers "$name") ]] || return 0
	left=$(lab_strangers "$name")
	[[ -z $left ]] || t_fail "lab $name: still running: $left"
	pids=$(cat "$LAB_RUN/$name"/pids/* 2>/dev/null)
	"$LAB_SH" down --name "$name" || t_fail "lab $name: down failed"
	rm -rf "$(run_dir "$LAB_RUN/$name/bpf/pccbpf")" # of a daemon that was not followed by detach
	left=$(lab_leftovers "$name")
	[[ -z $left ]] || t_fail "lab $name: left behind: $left"
	while read -r pid _; do
		[[ -z $pid ]] || ! lab_is_labtool "$pid" || t_fail "lab $name: process $pid is left"
	done <<<"$pids"
}

lab_is_labtool() {
	[[ $(readlink "/proc/$1/exe" 2>/dev/null) == "$LABTOOL" ]]
}

# in_lab NS COMMAND...: NS is rt, inet, lan1, isp2 ...
in_lab() {
	local ns=$1
	shift
	nsenter --net="/run/netns/$LAB-$ns" -- "$@"
}

rt() {
	in_lab rt "$@"
}

inet() {
	in_lab inet "$@"
}

# lan K COMMAND...
lan() {
	local k=$1
	shift
	in_lab "lan$k" "$@"
}

# isp K COMMAND...
isp() {
	local k=$1
	shift
	in_lab "isp$k" "$@"
}

# fastpath_words COMMAND [OPTIONS]: what PCC_TEST_FASTPATH (tc, xdp, off) adds to an attach that does not
# say by itself where the fast path is to be: FASTPATH_WORDS.
fastpath_words() {
	FASTPATH_WORDS=()
	[[ -n ${PCC_TEST_FASTPATH:-} && ${1:-} == attach && " $* " != *' --fastpath'* ]] || return 0
	FASTPATH_WORDS=(--fastpath "$PCC_TEST_FASTPATH")
}

# pcc COMMAND [OPTIONS]: the product in the router, with the lab's own pins.
pcc() {
	fastpath_words "$@"
	rt "$PCCBPF" "$@" "${FASTPATH_WORDS[@]}" --bpffs "$BPFFS/pccbpf"
}

# spawn_to FILE NS COMMAND...: in the background, output to FILE. The process id is in SPAWNED.
# `lab_down` ends it; `stop` ends it sooner.
spawn_to() {
	local file=$1 ns=$2
	shift 2
	[[ $file == /dev/null ]] || : >"$file" # at once: who waits for words in it must not find old ones
	# shellcheck disable=SC2016
	SPAWNED=$("$LAB_SH" spawn --name "$LAB" "$ns" bash -c 'exec "$@" >"$0"' "$file" "$@")
}

spawn() {
	spawn_to /dev/null "$@"
}

process_gone() {
	[[ ! -e /proc/$1 ]] || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null
}

# stop PID: SIGTERM to a spawned process, waits for its end.
stop() {
	[[ -e $LAB_RUN/$LAB/pids/$1 ]] || {
		t_fail "stop $1: not a process of lab $LAB"
		return 1
	}
	process_gone "$1" || kill -TERM "$1"
	eventually process_gone "$1" || {
		t_fail "process $1 does not end"
		return 1
	}
	rm -f "$LAB_RUN/$LAB/pids/$1"
}

# sniff_start NS IF[,IF] [OPTIONS]: counts source addresses; sniff_stop prints "IF SOURCE COUNT".
sniff_start() {
	local ns=$1 ifs=$2
	shift 2
	SNIFF_FILE=$T_DIR/sniff.$RANDOM$RANDOM
	spawn "$ns" "$LABTOOL" sniff --if "$ifs" --out "$SNIFF_FILE" --ready "$SNIFF_FILE.ready" "$@"
	SNIFF_PID=$SPAWNED
	eventually test -s "$SNIFF_FILE.ready" || t_fail "sniff does not start"
}

sniff_stop() {
	stop "$SNIFF_PID"
	cat "$SNIFF_FILE"
}

# hold_start NS OPTIONS of labtool hold: long-lived connections, sets HOLD_PID. hold_report prints
# their state as JSON, hold_stop ends them and prints the last report. One at a time.
hold_start() {
	local ns=$1
	shift
	HOLD_FILE=$T_DIR/hold.$RANDOM$RANDOM
	spawn_to "$HOLD_FILE" "$ns" "$LABTOOL" hold --ready "$HOLD_FILE.ready" "$@"
	HOLD_PID=$SPAWNED
	# A signal that comes before it is expected would end the process.
	eventually test -s "$HOLD_FILE.ready" || t_fail "hold does not start"
}

hold_lines_over() {
	(($(wc -l <"$HOLD_FILE") > $1))
}

hold_report() {
	local lines
	lines=$(wc -l <"$HOLD_FILE")
	kill -USR1 "$HOLD_PID" 2>/dev/null && eventually hold_lines_over "$lines" || return 1
	tail -n 1 "$HOLD_FILE"
}

# hold_is JQ-CONDITION: of the present state.
hold_is() {
	[[ $(hold_report | jq "$1" 2>/dev/null) == true ]]
}

hold_stop() {
	stop "$HOLD_PID"
	tail -n 1 "$HOLD_FILE"
}

# The masquerade that people without a load balancer have.
plain_masquerade() {
	rt nft -f - <<-'END'
	table inet labnat {
		chain post {
			type nat hook postrouting priority srcnat;
			oifname "wan*" masquerade
		}
	}
	END
}

# udp_query ADDRESS PORT WORD: one datagram from lan1, prints the answer.
udp_query() {
	# shellcheck disable=SC2016
	lan 1 bash -c 'exec 3<>"/dev/udp/$0/$1"; printf %s "$2" >&3; timeout 10 head -n 1 <&3' "$@"
}

# forward_8080 SECONDS: the port-forward of an administrator, TCP port 8080 of every WAN to a server on lan1, which starts in that time.
forward_8080() {
	rt nft -f - <<-'END'
	table inet portforward {
		chain pre {
			type nat hook prerouting priority dstnat;
			iifname "wan*" meta nfproto ipv4 tcp dport 8080 dnat ip to 192.168.77.11
			iifname "wan*" meta nfproto ipv6 tcp dport 8080 dnat ip6 to fd77::11
		}
	}
	END
	spawn lan1 "$LABTOOL" serve --tcp 8080 --ready "$T_DIR/ready"
	poll_until "$1" test -s "$T_DIR/ready" || t_bail 'the server of the LAN does not start'
}

# carrier_is DEVICE true|false: of the router.
carrier_is() {
	[[ $(rt ip -j link show "$1" | jq -r '.[0].flags | contains(["LOWER_UP"])') == "$2" ]]
}

# ---------------------------------------------------------------- states to compare

# rt_state: what a command could leave behind in the router, one line each, without what changes by
# itself. Pins are names only; numbers that the kernel gives are in rt_ids.
rt_state() {
	# shellcheck disable=SC2016
	rt bash -c '
		ip -d link show | sed -E "s/[a-z_]*timer +[0-9.]+//g; s/(prog\/xdp) id [0-9]+ name ([^ ]+).*/\1 \2/; s/^/link: /"
		tc qdisc show | sed "s/^/qdisc: /"
		for side in ingress egress; do
			ip -br link show | sed "s/[@ ].*/ $side/; s/^/filter show dev /" |
				tc -force -batch - 2>/dev/null |
				sed -E "s/:\\[[0-9]+\\]//; s/ id [0-9]+//; s/^/filter $side: /"
		done
		for family in -4 -6; do
			ip $family rule show | sed "s/^/rule $family: /"
			ip $family route show table all | sed -E "s/ expires [0-9]+sec//; s/^/route $family: /" | sort
		done
		nft list ruleset | sed "s/^/nft: /"
		grep -rs . /proc/sys/net/ipv4 /proc/sys/net/ipv6 /proc/sys/net/netfilter |
			grep -v -e nf_conntrack_count: -e nf_conntrack_max: | sort
		find "$0" -mindepth 1 -printf "pin: %P %y %m\n" | sort' "$BPFFS"
}

# rt_ids: what has a number that would change if it were made anew: rules of nft, links, programs,
# maps and pins. With what the maps say about WANs, interfaces and buckets, and the epoch.
rt_ids() {
	local pin
	rt nft -a list ruleset
	rt ip -o -d link show | grep -o 'prog/xdp id [0-9]*'
	find "$BPFFS" -mindepth 1 -printf '%P %i\n' | sort
	for pin in "$BPFFS"/pccbpf/*; do
		case ${pin##*/} in
		link_*) echo "link show pinned $pin" ;;
		pcc_wire_* | pcc_meta | pcc_wans | pcc_ifaces | pcc_buckets | pcc_local | pcc_sysctls) echo "map dump pinned $pin" ;;
		pcc_*_in | pcc_*_out) echo "prog show pinned $pin" ;;
		esac
	done | bpftool batch file - | grep -v processed
}

# rt_ifindex IF: of an interface of the router.
rt_ifindex() {
	rt ip -o link show "$1" | cut -d: -f1
}

# same_as FILE COMMAND...: the command prints what FILE holds; else the difference is a failure.
same_as() {
	local file=$1 diff
	shift
	diff=$(diff -U0 "$file" <("$@") | grep '^[-+][^-+]') || return 0
	t_fail "$* differs: $(head -n 6 <<<"$diff" | paste -sd'|')"
	return 1
}

# pcc_start COMMAND...: pcc in the background, as one process: PCC_PID. pcc_kill ends it with -9.
pcc_start() {
	fastpath_words "$@"
	nsenter --net="/run/netns/$LAB-rt" -- "$PCCBPF" "$@" "${FASTPATH_WORDS[@]}" --bpffs "$BPFFS/pccbpf" >/dev/null 2>&1 &
	PCC_PID=$!
}

pcc_kill() {
	{
		kill -KILL "$PCC_PID"
		wait "$PCC_PID"
	} 2>/dev/null
	return 0
}

# Every connection carries more data than in HOLD_BEFORE, which is a report.
hold_went_on() {
	HOLD_AFTER=$(hold_report) && jq -en --argjson a "$HOLD_BEFORE" --argjson b "$HOLD_AFTER" '
		[range($a.connections | length) | $b.connections[.].bytes > $a.connections[.].bytes] | all' \
		>/dev/null
}

# hold_unharmed COUNT: none of the connections broke, and each goes on carrying data. A TCP
# connection whose source address changes is another one to its server, and breaks.
hold_unharmed() {
	HOLD_BEFORE=$(hold_report) || {
		t_fail 'hold does not report'
		return 1
	}
	eventually hold_went_on || t_fail 'a connection carries no data'
	t_assert_eq "$(jq -c '[.alive, .broken]' <<<"$HOLD_AFTER")" "[$1,0]" 'connections alive, broken'
}

# ---------------------------------------------------------------- leaks

# leaks_total: packets that all ISPs together have dropped for a foreign source address.
leaks_total() {
	"$LAB_SH" leaks --name "$LAB" | awk '$1 == "total" { print $2 }'
}

leaks_reset() {
	"$LAB_SH" leaks --name "$LAB" --reset
}

# ---------------------------------------------------------------- the product's numbers

# probe NS COMMAND...: pings, hop limits, ICMP errors, multicast; see probe.py.
probe() {
	local ns=$1
	shift
	in_lab "$ns" "$ROOT/tests/e2e/probe.py" "$@"
}

# wan_address 4|6 WAN: the masqueraded source of that WAN in the lab.
wan_address() {
	if (($1 == 4)); then
		echo "198.18.${2#wan}.2"
	else
		echo "2001:db8:${2#wan}::2"
	fi
}

# Forgets all connections, in conntrack and in the product; the counters stay.
forget_all() {
	rt conntrack -F >/dev/null 2>&1
	pcc conns flush --all >/dev/null || t_fail 'conns flush --all'
}

# stat_of JQ: of `stats --json`.
stat_of() {
	pcc stats --json | jq -r "$1"
}

# counter_of NAME
counter_of() {
	stat_of ".counters.$1"
}

# new_of WAN: its new connections; new_total: those of all buckets.
new_of() {
	stat_of ".wans[] | select(.name == \"$1\") | .new_connections"
}

new_total() {
	stat_of '[.buckets[].new_connections] | add'
}

# conns_table [FILTERS]: lines PROTO SRC SPORT DST DPORT WAN BUCKET ORIGIN TX RX
# shellcheck disable=SC2120
conns_table() {
	pcc conns --json "$@" | jq -r '.[] | "\(.proto) \(.src) \(.sport) \(.dst) \(.dport) \(.wan) \(.bucket) \(.origin) \(.tx_packets) \(.rx_packets)"'
}

# No ISP saw a source that is not its customer's, and no packet left with another WAN's mark since
# LEAK_BASE was counted.
LEAK_BASE=0
assert_no_leak() {
	t_assert_eq "$(leaks_total)" 0 "packets that ISPs dropped for their source$("$LAB_SH" leaks --name "$LAB" --sources | sed 's/^/ /' | paste -sd,)"
	t_assert_eq "$(counter_of leak)" "$LEAK_BASE" 'counter leak'
}

# foreign_sources: reads sniff_stop's lines, prints those whose source is not that WAN's own.
foreign_sources() {
	awk '{
		i = substr($1, 4)
		if ($2 == "198.18." i ".2" || $2 == "2001:db8:" i "::2" || $2 ~ /^fe80:/ || $2 == "::" || $2 == "0.0.0.0")
			next
		print
	}' | paste -sd,
}

# ---------------------------------------------------------------- the daemon

# run_dir PINS: the daemon's runtime directory. Its name has a hash of that of the pins (FNV-1a).
run_dir() {
	local i hash=$((0x811c9dc5))
	for ((i = 0; i < ${#1}; i++)); do
		hash=$(((hash ^ $(printf '%d' "'${1:i:1}")) * 0x01000193 & 0xffffffff))
	done
	printf '/run/pccbpf/%s-%08x' "${1##*/}" "$hash"
}

# daemon_start: with the configuration in $DAEMON_CONF, its log in $DAEMON_LOG; sets DAEMON_PID.
DAEMON_CONF=$T_DIR/pccbpf.yaml
DAEMON_LOG=$T_DIR/daemon.log
daemon_start() {
	: >"$DAEMON_LOG"
	# shellcheck disable=SC2016,SC2034
	DAEMON_PID=$("$LAB_SH" spawn --name "$LAB" rt bash -c 'exec "$@" 2>>"$0"' "$DAEMON_LOG" \
		"$PCCBPF" daemon --config "$DAEMON_CONF" --bpffs "$BPFFS/pccbpf")
	eventually daemon_said '^pccbpf: ready:' || {
		t_fail "the daemon does not start: $(head -n 3 "$DAEMON_LOG")"
		return 1
	}
}

# daemon_said REGEX: since the log was last emptied (: >"$DAEMON_LOG").
daemon_said() {
	grep -qE -- "$1" "$DAEMON_LOG"
}

# wan_state WAN: as status has it.
wan_state() {
	pcc wan list --json | jq -r ".[] | select(.name == \"$1\") | .state"
}

wan_is() {
	[[ $(wan_state "$1") == "$2" ]]
}

# within_ms LIMIT WHAT COMMAND...: the command succeeds in time. Prints nothing; sets TOOK_MS.
within_ms() {
	local limit=$1 what=$2 start
	shift 2
	TOOK_MS=0
	start=$(now_ms)
	eventually "$@" || {
		t_fail "$what: not at all"
		return 1
	}
	TOOK_MS=$(($(now_ms) - start))
	t_assert_ms "$TOOK_MS" "$limit" "$what"
}
