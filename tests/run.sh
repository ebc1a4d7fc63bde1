#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh [PATTERN...]: runs the tests, or the suites whose name contains a PATTERN. `make test` builds
# first. Suites:
#
#   lint              scripts/lint.sh
#   unit:NAME         build/tests/NAME of tests/unit/FOLDER/NAME.c
#   asan:NAME         the same, built with the address and undefined behaviour sanitizers
#   valgrind:NAME     the same, under valgrind
#   stack             what the BPF programs need of it, by the oldest kernel's count
#   prog:NAME         build/tests/NAME of tests/prog/NAME.c: the BPF programs
#   docs              tests/docs.sh
#   e2e:NAME          tests/e2e/NAME.sh: real traffic in network namespaces
#   e2e:NAME@xdp      the same with attach --fastpath xdp: a choice of them, or, with FASTPATH=xdp (or tc, off) in
#                     the environment, all of them in that mode only
#   kernel:N          tests/kernels/run.sh --short N: Debian's kernels 6.1 and 6.12 in virtual machines
#   leftovers         what the suites have left on the machine
#
# Suites run side by side, in three groups: those that only compute, JOBS at a time; the end-to-end tests, each of
# which has namespaces of its own, E2E_JOBS at a time, beside the virtual machines, which take what processor time
# is left; and those that measure rates or times and so want the machine for themselves, one at a time. An
# end-to-end test says that it is one of these, and why, in a line "# alone: REASON" of its head.
#
# Output of each goes to build/logs/SUITE.log. A line is printed when a suite ends, with how many of all have ended
# and the minutes that have passed; at the end comes a table, and after it what has failed. The last line is "N
# passed, N failed, N skipped"; exit status 1 if any failed. There is no limit to the whole: whoever wants one sends
# SIGTERM. Then what runs is ended, what has not begun counts as failed, and all of that is printed.
#
# shellcheck disable=SC2317 # suites are called by their name
set -uo pipefail
export LC_ALL=C

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT" || exit 1
BUILD=$ROOT/build
LOGS=$BUILD/logs
JOBS=${JOBS:-$(nproc)}
E2E_JOBS=${E2E_JOBS:-$((JOBS + 1))} # most of the time they wait
# Limits of a suite, in seconds: ten times of what it takes, so that it ends where it hangs, and not where a machine is slow.
UNIT_S=600
PROG_S=1200
VALGRIND_S=1200
E2E_S=1800
KERNEL_S=5400
KERNELS=(6.1 6.12)
FASTPATH=${FASTPATH:-}
XDP_TOO=(test_failover test_inbound test_noleak)
ASAN_FLAGS='-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined'
STILL_S=60 # how often it is said what runs if nothing ends

# Whatever a suite starts inherits this mark: so it is found if it is forgotten.
export PCC_TEST_RUN=$$-$RANDOM$RANDOM

PATTERNS=("$@")
PASSED=0
FAILED=0
SKIPPED=0
TABLE=()
FAILURES=() # names of the suites that failed
PIDS=()     # of the suites: labs have them in their names

# Of each suite, by its number:
NAME=()
GROUP=()   # compute, e2e, guest, alone
LIMIT=()   # seconds
COUNTS=()  # the function that reads its log
COMMAND=() # words, quoted
BEGAN=()   # seconds
SKIP=()    # why it is left out
ENDED=0    # so many suites
declare -A RUNNING=() # process id: number
CLOCK=''   # the process that wakes us when nothing has ended for a while

# ---------------------------------------------------------------- lists of suites

wanted() {
	local pattern
	((${#PATTERNS[@]})) || return 0
	for pattern in "${PATTERNS[@]}"; do
		[[ $1 == *$pattern* ]] && return 0
	done
	return 1
}

# suite GROUP NAME LIMIT COUNTS COMMAND...: to be run with its group.
suite() {
	wanted "$2" || return 0
	GROUP+=("$1")
	NAME+=("$2")
	LIMIT+=("$3")
	COUNTS+=("$4")
	SKIP+=('')
	BEGAN+=('')
	shift 4
	COMMAND+=("$(printf '%q ' "$@")")
}

# left_out NAME REASON: a suite that makes no sense or cannot be run.
left_out() {
	suite compute "$1" 0 '' true
	wanted "$1" && SKIP[-1]=$2
	return 0
}

# ---------------------------------------------------------------- results

log_name() {
	echo "${1/:/-}"
}

# Sums of cmocka's closing lines.
cmocka_counts() {
	awk '
		/^\[  PASSED  \] [0-9]+ test/ { p += $4 }
		/^\[  FAILED  \] [0-9]+ test/ { f += $4 }
		/^\[  SKIPPED \] [0-9]+ test/ { s += $4 }
		END { print p + 0, f + 0, s + 0 }' "$1"
}

# The closing line of the scripts.
script_counts() {
	sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' "$1" | tail -n 1
}

# The whole program is one test: how it ended is all that counts.
whole_counts() {
	echo "$(($2 == 0)) $(($2 != 0)) 0"
}

passed_time() {
	printf '%d:%02d' $((SECONDS / 60)) $((SECONDS % 60))
}

# counted NAME PASSED FAILED SKIPPED SECONDS [REASON]: prints its line.
counted() {
	local word=ok
	PASSED=$((PASSED + $2))
	FAILED=$((FAILED + $3))
	SKIPPED=$((SKIPPED + $4))
	TABLE+=("$(printf '%-28s %7d %7d %7d %8d' "${@:1:5}")")
	((ENDED++))
	[[ -z ${6:-} ]] || word="skip: $6"
	(($3 == 0)) || word=FAIL
	printf '%3d of %d, %5s  %-28s %s' $ENDED $((${#NAME[@]} + 1)) "$(passed_time)" "$1" "$word"
	[[ -n ${6:-} ]] || printf ' (%d passed, %d failed, %d skipped, %d s)' "${@:2:4}"
	echo
	(($3 == 0)) && return
	FAILURES+=("$1")
	what_failed "$1" 10
}

# what_failed NAME LINES: what its log says of it.
what_failed() {
	local log
	log=$LOGS/$(log_name "$1").log
	{
		grep -aE '^ *FAIL|^\[ +(FAILED|ERROR)|ERROR:|^ended |^not run|^error|: error' "$log" || tail -n 5 "$log"
	} 2>/dev/null | cut -c1-300 | head -n "$2" | sed 's/^ */     /'
}

# result NUMBER STATUS: of a suite that has ended.
result() {
	local name=${NAME[$1]} status=$2 log p=0 f=0 s=0
	log=$LOGS/$(log_name "$name").log
	PIDS+=("$(cat "$log.pid" 2>/dev/null)")
	rm -f "$log.pid"
	read -r p f s < <("${COUNTS[$1]}" "$log" "$status") || :
	# What ended in no orderly way has failed, whatever it printed before.
	if ((status != 0 && ${f:-0} == 0)) || [[ -z ${s:-} ]] || ((p + f + s == 0)); then
		f=$((${f:-0} + 1))
		((status == 124 || status == 137)) && echo "ended after ${LIMIT[$1]} seconds" >>"$log"
		echo "exit status $status" >>"$log"
	fi
	counted "$name" "${p:-0}" "$f" "${s:-0}" $((SECONDS - BEGAN[$1]))
}

# ---------------------------------------------------------------- running them

start() {
	local log command nice=()
	eval "command=(${COMMAND[$1]})"
	log=$LOGS/$(log_name "${NAME[$1]}").log
	[[ ${GROUP[$1]} != guest ]] || nice=(nice -n 10)
	BEGAN[$1]=$SECONDS
	# shellcheck disable=SC2016
	"${nice[@]}" timeout -k 60 "${LIMIT[$1]}" bash -c 'echo $$ >"$0"; exec "$@"' "$log.pid" "${command[@]}" >"$log" 2>&1 </dev/null &
	RUNNING[$!]=$1
}

wind_clock() {
	[[ -z $CLOCK ]] || stop_clock
	sleep $STILL_S &
	CLOCK=$!
}

stop_clock() {
	kill "$CLOCK" 2>/dev/null
	wait "$CLOCK" 2>/dev/null
	CLOCK=''
}

still_running() {
	local pid names=()
	for pid in "${!RUNNING[@]}"; do
		names+=("${NAME[${RUNNING[$pid]}]} since $((SECONDS - BEGAN[${RUNNING[$pid]}])) s")
	done
	printf '%3d of %d, %5s  running: %s\n' $ENDED $((${#NAME[@]} + 1)) "$(passed_time)" "$(printf '%s\n' "${names[@]}" | sort | paste -sd, | sed 's/,/, /g')"
}

# one_ends: waits for one of those that run.
one_ends() {
	local pid status
	while :; do
		wait -n -p pid
		status=$?
		[[ -n ${pid:-} ]] || return
		if [[ $pid == "$CLOCK" ]]; then
			CLOCK=''
			still_running
			wind_clock
		elif [[ -n ${RUNNING[$pid]:-} ]]; then
			result "${RUNNING[$pid]}" $status
			unset "RUNNING[$pid]"
			wind_clock
			return
		fi
	done
}

# running GROUP: how many of it do.
running() {
	local pid n=0
	for pid in "${!RUNNING[@]}"; do
		[[ ${GROUP[${RUNNING[$pid]}]} != "$1" ]] || n=$((n + 1))
	done
	echo $n
}

# run_group GROUP WIDTH: starts all of the group; returns when fewer than WIDTH of it run and none is left to start.
run_group() {
	local i
	for i in "${!NAME[@]}"; do
		[[ ${GROUP[i]} == "$1" ]] || continue
		if [[ -n ${SKIP[i]} ]]; then
			BEGAN[i]=$SECONDS
			counted "${NAME[i]}" 0 0 1 0 "${SKIP[i]}"
			continue
		fi
		while (($(running "$1") >= $2)); do one_ends; done
		start "$i"
	done
}

all_end() {
	while ((${#RUNNING[@]})); do one_ends; done
}

# ---------------------------------------------------------------- the suites

# names DIR SUFFIX: of the tests in it and in its folders.
names() {
	find "tests/$1" -name "test_*.$2" -printf '%f\n' | sort | sed "s/\.$2\$//"
}

list_unit() {
	local name
	for name in $(names unit c); do
		suite compute "unit:$name" $UNIT_S cmocka_counts "$BUILD/tests/$name"
	done
}

# The sanitized objects live in a build tree of their own; what BPF needs is not built twice.
build_asan() {
	local targets=() name
	for name in $(names unit c); do
		targets+=("$BUILD/asan/tests/$name")
	done
	make -j "$JOBS" --no-print-directory BUILD="$BUILD/asan" CFLAGS="$ASAN_FLAGS" "${targets[@]}"
}

list_asan() {
	local name any=false
	for name in $(names unit c); do
		wanted "asan:$name" && any=true
	done
	$any || return 0
	echo "building with sanitizers"
	if ! build_asan >"$LOGS/asan-build.log" 2>&1; then
		NAME+=(asan:build) GROUP+=(none)
		counted asan:build 0 1 0 $SECONDS
		return
	fi
	for name in $(names unit c); do
		suite compute "asan:$name" $UNIT_S whole_counts env ASAN_OPTIONS=detect_leaks=1 \
			UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 "$BUILD/asan/tests/$name"
	done
}

list_valgrind() {
	local name
	for name in $(names unit c); do
		if ! command -v valgrind >/dev/null; then
			left_out "valgrind:$name" 'valgrind is missing'
			continue
		fi
		suite compute "valgrind:$name" $VALGRIND_S whole_counts valgrind -q --error-exitcode=9 --leak-check=full \
			--errors-for-leak-kinds=definite,indirect --suppressions=tests/valgrind.supp "$BUILD/tests/$name"
	done
	for name in $(names prog c); do
		left_out "valgrind:$name" 'valgrind does not know what bpf() writes'
	done
}

list_prog() {
	local name
	suite compute stack $UNIT_S whole_counts tests/portability/stack.py --limit 480 "$BUILD"/bpf/*.bpf.o
	for name in $(names prog c); do
		suite compute "prog:$name" $PROG_S cmocka_counts "$BUILD/tests/$name"
	done
}

# list_e2e_as FASTPATH NAME: lib.sh reads the variable; empty: as attach chooses.
list_e2e_as() {
	local group=e2e
	! grep -q '^# alone: ' "tests/e2e/$2.sh" || group=alone
	suite $group "e2e:$2${1:+@$1}" $E2E_S script_counts env "PCC_TEST_FASTPATH=$1" bash "tests/e2e/$2.sh"
}

list_e2e() {
	local name
	for name in $(names e2e sh); do
		list_e2e_as "$FASTPATH" "$name"
	done
	[[ -z $FASTPATH ]] || return 0
	for name in "${XDP_TOO[@]}"; do
		list_e2e_as xdp "$name"
	done
}

# What is missing on this machine is a reason to leave them out, in the runner's own words.
list_kernels() {
	local kernel why
	for kernel in "${KERNELS[@]}"; do
		wanted "kernel:$kernel" || continue
		why=''
		if ! command -v qemu-system-x86_64 >/dev/null; then
			why='qemu-system-x86_64 is missing (scripts/install-deps.sh --kernels)'
		else
			tests/kernels/fetch.sh "$kernel" >/dev/null 2>"$LOGS/fetch-$kernel.log" ||
				why="Linux $kernel cannot be fetched: $(tail -n 1 "$LOGS/fetch-$kernel.log")"
		fi
		if [[ -n $why ]]; then
			left_out "kernel:$kernel" "$why"
			continue
		fi
		suite guest "kernel:$kernel" $KERNEL_S script_counts env JOBS=1 tests/kernels/run.sh --short "$kernel"
	done
}

# ---------------------------------------------------------------- leftovers

# What of the machine's own state the suites must not touch.
machine_state() {
	ip rule 2>/dev/null
	ip -6 rule 2>/dev/null
	nft list tables 2>/dev/null
	tc qdisc show 2>/dev/null | grep clsact
	# Directories and *.debug come with the mount, and with the first command that looks.
	find /sys/fs/bpf -type f ! -name '*.debug' 2>/dev/null | sort
	return 0
}

# Processes that carry our mark; this shell and its children of the moment do not count.
forgotten_processes() {
	local proc pid
	for proc in /proc/[0-9]*; do
		pid=${proc#/proc/}
		[[ $pid != "$$" && $pid != "$BASHPID" ]] || continue
		grep -qsz "^PCC_TEST_RUN=$PCC_TEST_RUN\$" "$proc/environ" || continue
		[[ $(ps -o ppid= -p "$pid" 2>/dev/null | tr -d ' ') != "$$" ]] || continue
		[[ $(ps -o ppid= -p "$pid" 2>/dev/null | tr -d ' ') != "$BASHPID" ]] || continue
		echo "process $pid: $(tr '\0' ' ' <"$proc/cmdline" 2>/dev/null)"
	done 2>/dev/null
}

# Names that our suites gave: labs are called pcct-PID-N.
named_leftovers() {
	local pid
	for pid in "${PIDS[@]}"; do
		[[ -n $pid ]] || continue
		find /run/netns /run/pccbpf-lab -maxdepth 1 -name "*-$pid-*" 2>/dev/null | sed 's/^/left: /'
		grep -o " [^ ]*-$pid-[^ ]* " /proc/self/mounts | sed 's/^/mounted:/'
	done
}

check_leftovers() {
	local name=leftovers log=$LOGS/leftovers.log left
	{
		find "$TMPDIR" -mindepth 1 -maxdepth 1 | sed 's/^/left: /'
		named_leftovers
		forgotten_processes
		machine_state >"$LOGS/machine.after"
		diff "$LOGS/machine.before" "$LOGS/machine.after" | grep '^[<>]'
	} >"$log" 2>&1
	rm -rf "$TMPDIR"
	left=$(wc -l <"$log")
	sed -i 's/^/FAIL /' "$log"
	counted $name $((left == 0)) $((left != 0)) 0 0
}

# ---------------------------------------------------------------- all

# The table, then what failed: of a long output the end is what is looked at.
print_all() {
	local name
	printf '\n%-28s %7s %7s %7s %8s\n' SUITE PASSED FAILED SKIPPED SECONDS
	printf '%s\n' "${TABLE[@]}"
	printf '%-28s %7d %7d %7d %8d\n' total $PASSED $FAILED $SKIPPED $SECONDS
	for name in "${FAILURES[@]}"; do
		printf '\nFAIL %s (build/logs/%s.log)\n' "$name" "$(log_name "$name")"
		what_failed "$name" $((${#FAILURES[@]} > 4 ? 4 : 12))
	done
	echo
	echo "$PASSED passed, $FAILED failed, $SKIPPED skipped"
}

# Ends what runs; what has not begun has failed.
interrupted() {
	local pid i
	trap '' INT TERM HUP
	stop_clock
	echo "ended by a signal after $(passed_time)"
	for pid in "${!RUNNING[@]}"; do kill -TERM "$pid" 2>/dev/null; done
	for pid in "${!RUNNING[@]}"; do
		wait "$pid"
		result "${RUNNING[$pid]}" $?
	done
	for i in "${!NAME[@]}"; do
		[[ -z ${BEGAN[i]} && ${GROUP[i]} != none ]] || continue
		echo "not run: ended by a signal after $(passed_time)" >"$LOGS/$(log_name "${NAME[i]}").log"
		counted "${NAME[i]}" 0 1 0 0
	done
	check_leftovers
	print_all
	exit 130
}

main() {
	mkdir -p "$LOGS"
	rm -f "$LOGS"/*.log "$LOGS"/*.pid
	TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/pccbpf-run.XXXXXX") || exit 1
	export TMPDIR
	trap interrupted INT TERM HUP
	machine_state >"$LOGS/machine.before"
	suite compute lint $UNIT_S script_counts scripts/lint.sh
	list_prog
	list_unit
	list_asan
	list_valgrind
	suite compute docs $UNIT_S script_counts bash tests/docs.sh
	list_e2e
	list_kernels
	echo "${#NAME[@]} suites"
	wind_clock
	run_group compute "$JOBS"
	all_end
	run_group guest ${#KERNELS[@]}
	run_group e2e "$E2E_JOBS"
	all_end
	run_group alone 1
	all_end
	stop_clock
	check_leftovers
	print_all
	exit $((FAILED != 0))
}

main
