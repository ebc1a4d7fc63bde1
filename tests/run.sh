#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh [PATTERN...]: runs the tests, or the suites whose name contains a PATTERN. `make test` builds
# first. Suites, in this order:
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
# Output of each goes to build/logs/SUITE.log, and its end to the screen where it failed. JOBS=N builds
# with N processes. The last line is "N passed, N failed, N skipped"; exit status 1 if any failed.
#
# shellcheck disable=SC2317 # suites are called by their name
set -uo pipefail
export LC_ALL=C

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT" || exit 1
BUILD=$ROOT/build
LOGS=$BUILD/logs
JOBS=${JOBS:-$(nproc)}
UNIT_S=180         # limits, in seconds
PROG_S=400
VALGRIND_S=300
E2E_S=600
KERNEL_S=900
KERNELS=(6.1 6.12)
ALL_S=$((42 * 60)) # what has not begun by then is not run
FASTPATH=${FASTPATH:-}
XDP_TOO=(test_failover test_inbound test_noleak)
ASAN_FLAGS='-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined'

# Whatever a suite starts inherits this mark: so it is found if it is forgotten.
export PCC_TEST_RUN=$$-$RANDOM$RANDOM

PATTERNS=("$@")
PASSED=0
FAILED=0
SKIPPED=0
TABLE=()
CHILD=''
PIDS=() # of the suites: labs have them in their names

# ---------------------------------------------------------------- one suite

wanted() {
	local pattern
	((${#PATTERNS[@]})) || return 0
	for pattern in "${PATTERNS[@]}"; do
		[[ $1 == *$pattern* ]] && return 0
	done
	return 1
}

# counted SUITE PASSED FAILED SKIPPED SECONDS
counted() {
	PASSED=$((PASSED + $2))
	FAILED=$((FAILED + $3))
	SKIPPED=$((SKIPPED + $4))
	TABLE+=("$(printf '%-28s %7d %7d %7d %8d' "$@")")
	(($3 == 0)) && return
	echo "     --- end of ${LOGS#"$ROOT"/}/$(log_name "$1").log ---"
	tail -n 40 "$LOGS/$(log_name "$1").log" | sed 's/^/     /'
}

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

# suite NAME LIMIT COUNTS COMMAND...
suite() {
	local name=$1 limit=$2 counts=$3 log start status p=0 f=0 s=0
	shift 3
	wanted "$name" || return 0
	log=$LOGS/$(log_name "$name").log
	start=$SECONDS
	if ((SECONDS > ALL_S)); then
		echo "not run: more than $ALL_S seconds have passed" >"$log"
		counted "$name" 0 1 0 0
		return
	fi
	printf '%-28s ' "$name"
	# shellcheck disable=SC2016
	timeout -k 30 "$limit" bash -c 'echo $$ >"$0"; exec "$@"' "$LOGS/pid" "$@" >"$log" 2>&1 </dev/null &
	CHILD=$!
	wait $CHILD
	status=$?
	PIDS+=("$(<"$LOGS/pid")")
	CHILD=''
	read -r p f s < <("$counts" "$log" $status) || :
	# What ended in no orderly way has failed, whatever it printed before.
	if ((status != 0 && ${f:-0} == 0)) || [[ -z ${s:-} ]] || ((p + f + s == 0)); then
		f=$((${f:-0} + 1))
		((status == 124 || status == 137)) && echo "ended after $limit seconds" >>"$log"
		echo "exit status $status" >>"$log"
	fi
	printf '%s (%d passed, %d failed, %d skipped, %d s)\n' "$( ((f)) && echo FAIL || echo ok)" \
		"$p" "$f" "$s" $((SECONDS - start))
	counted "$name" "$p" "$f" "$s" $((SECONDS - start))
}

# left_out NAME REASON: a suite that makes no sense or cannot be run.
left_out() {
	wanted "$1" || return 0
	printf '%-28s skip: %s\n' "$1" "$2"
	counted "$1" 0 0 1 0
}

# ---------------------------------------------------------------- the suites

# names DIR SUFFIX: of the tests in it and in its folders.
names() {
	find "tests/$1" -name "test_*.$2" -printf '%f\n' | sort | sed "s/\.$2\$//"
}

run_lint() {
	suite lint 120 script_counts scripts/lint.sh
}

run_unit() {
	local name
	for name in $(names unit c); do
		suite "unit:$name" $UNIT_S cmocka_counts "$BUILD/tests/$name"
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

run_asan() {
	local name any=false
	for name in $(names unit c); do
		wanted "asan:$name" && any=true
	done
	$any || return 0
	if ! build_asan >"$LOGS/asan-build.log" 2>&1; then
		counted asan:build 0 1 0 0
		return
	fi
	for name in $(names unit c); do
		suite "asan:$name" $UNIT_S whole_counts env ASAN_OPTIONS=detect_leaks=1 \
			UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 "$BUILD/asan/tests/$name"
	done
}

run_valgrind() {
	local name
	for name in $(names unit c); do
		if ! command -v valgrind >/dev/null; then
			left_out "valgrind:$name" 'valgrind is missing'
			continue
		fi
		suite "valgrind:$name" $VALGRIND_S whole_counts valgrind -q --error-exitcode=9 --leak-check=full \
			--errors-for-leak-kinds=definite,indirect --suppressions=tests/valgrind.supp "$BUILD/tests/$name"
	done
	for name in $(names prog c); do
		left_out "valgrind:$name" 'valgrind does not know what bpf() writes'
	done
}

run_prog() {
	local name
	suite stack 60 whole_counts tests/portability/stack.py --limit 480 "$BUILD"/bpf/*.bpf.o
	for name in $(names prog c); do
		suite "prog:$name" $PROG_S cmocka_counts "$BUILD/tests/$name"
	done
}

# run_e2e_as FASTPATH NAME: lib.sh reads the variable; empty: as attach chooses.
run_e2e_as() {
	suite "e2e:$2${1:+@$1}" $E2E_S script_counts env "PCC_TEST_FASTPATH=$1" bash "tests/e2e/$2.sh"
}

run_e2e() {
	local name
	for name in $(names e2e sh); do
		run_e2e_as "$FASTPATH" "$name"
	done
	[[ -z $FASTPATH ]] || return 0
	for name in "${XDP_TOO[@]}"; do
		run_e2e_as xdp "$name"
	done
}

# What is missing on this machine is a reason to leave them out, in the runner's own words.
run_kernels() {
	local kernel why=''
	command -v qemu-system-x86_64 >/dev/null || why='qemu-system-x86_64 is missing (scripts/install-deps.sh --kernels)'
	for kernel in "${KERNELS[@]}"; do
		wanted "kernel:$kernel" || continue
		[[ -n $why ]] || tests/kernels/fetch.sh "$kernel" >/dev/null 2>"$LOGS/fetch-$kernel.log" ||
			why="Linux $kernel cannot be fetched: $(tail -n 1 "$LOGS/fetch-$kernel.log")"
		if [[ -n $why ]]; then
			left_out "kernel:$kernel" "$why"
			continue
		fi
		suite "kernel:$kernel" $KERNEL_S script_counts tests/kernels/run.sh --short "$kernel"
	done
}

# ---------------------------------------------------------------- leftovers

# What of the machine's own state the suites must not touch.
machine_state() {
	ip rule 2>/dev/null
	ip -6 rule 2>/dev/null
	nft list tables 2>/dev/null
	tc qdisc show 2>/dev/null | grep clsact
	ls /sys/fs/bpf 2>/dev/null
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
	printf '%-28s %s\n' "$name" "$( ((left)) && echo FAIL || echo ok)"
	counted $name $((left == 0)) $((left != 0)) 0 0
}

# ---------------------------------------------------------------- all

interrupted() {
	trap '' INT TERM HUP
	[[ -z $CHILD ]] || {
		kill -TERM "$CHILD" 2>/dev/null
		wait "$CHILD"
	}
	rm -rf "$TMPDIR"
	echo "interrupted"
	exit 130
}

main() {
	local line
	mkdir -p "$LOGS"
	rm -f "$LOGS"/*.log
	TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/pccbpf-run.XXXXXX") || exit 1
	export TMPDIR
	trap interrupted INT TERM HUP
	machine_state >"$LOGS/machine.before"
	run_lint
	run_unit
	run_asan
	run_valgrind
	run_prog
	suite docs 120 script_counts bash tests/docs.sh
	run_e2e
	run_kernels
	check_leftovers
	printf '\n%-28s %7s %7s %7s %8s\n' SUITE PASSED FAILED SKIPPED SECONDS
	for line in "${TABLE[@]}"; do
		printf '%s\n' "$line"
	done
	printf '%-28s %7d %7d %7d %8d\n\n' total $PASSED $FAILED $SKIPPED $SECONDS
	echo "$PASSED passed, $FAILED failed, $SKIPPED skipped"
	exit $((FAILED != 0))
}

main
