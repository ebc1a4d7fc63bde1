#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# compilers.sh [ROOT...]: builds with the compilers and libraries of Debian 12 and 13 (bookworm, trixie), each in a root of
# its own with nothing in it but what building needs, with warnings as errors; runs the unit tests and the program tests
# there; has Debian's kernels load what came out. A table at the end; exit status 1 if anything failed. Where all of it was
# run, the table is written into docs/PORTABILITY.md.
#
# Everything is below build/: roots, builds (build/portability/ROOT, and ROOT-CLANG with the BPF objects of each compiler),
# logs (build/logs/portability). The first compiler of a root builds everything; the others only the BPF programs and what
# contains them, since the C compiler is the same.
#
# shellcheck disable=SC2317 # steps are called by their name
set -uo pipefail
export LC_ALL=C

# shellcheck source=tests/portability/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

LINUX=(6.1 6.12)
PROGRAMS=(test_prog_lan test_prog_parse test_prog_policy test_prog_wan test_prog_wire)
declare -A RESULT=()
FAILED=0

# step NAME WHAT COMMAND...: its output goes to a log; RESULT[NAME WHAT] is ok or FAIL.
step() {
	local name=$1 what=$2 log=$LOGS/$1-$2.log start=$SECONDS
	shift 2
	if "$@" >"$log" 2>&1 </dev/null; then
		RESULT[$name $what]=ok
	else
		RESULT[$name $what]=FAIL
		FAILED=$((FAILED + 1))
		tail -n 15 "$log" | sed 's/^/     /'
	fi
	printf '%-4s %-14s %-10s %4d s\n' "${RESULT[$name $what]}" "$name" "$what" $((SECONDS - start))
}

build() { # ROOT CLANG TARGET...
	local root=$1 clang=$2
	shift 2
	in_root "$root" make -j"$(nproc)" --no-print-directory "BUILD=build/portability/$root" "CLANG=clang-$clang" "$@"
}

# build_with ROOT CLANG: make sees that the compiler of the BPF programs is another one; a copy of them stays.
build_with() {
	rm -rf "${OUT:?}/$1-$2"
	# shellcheck disable=SC2046
	build "$1" "$2" all $(test_files "$1" "${PROGRAMS[@]}") || return
	mkdir -p "$OUT/$1-$2"
	cp -r "$OUT/$1/bpf" "$OUT/$1-$2/bpf"
}

test_files() { # ROOT NAME...
	printf "build/portability/$1/tests/%s\n" "${@:2}"
}

# tests ROOT NAME...: all that fail are named.
tests() {
	local at=build/portability/$1 root=$1
	shift
	# shellcheck disable=SC2016
	in_root "$root" bash -c 'ip link set lo up 2>/dev/null; failed=0
		for test; do
			timeout 300 "$0/tests/$test" || { echo "$test: exit status $?"; failed=1; }
		done
		exit $failed' "$at" "$@"
}

unit_tests() {
	local file
	for file in "$ROOT"/tests/unit/*/test_*.c; do
		basename "$file" .c
	done
}

one_build() { # ROOT CLANG FIRST
	local name=$1-$2
	step "$name" build build_with "$1" "$2"
	[[ ${RESULT[$name build]} == ok ]] || return
	step "$name" stack "$ROOT/tests/portability/stack.py" --limit 480 "$OUT/$name"/bpf/*.bpf.o
	step "$name" programs tests "$1" "${PROGRAMS[@]}"
	$3 || return 0
	step "$name" rest build "$1" "$2" unit tools bench-build
	# shellcheck disable=SC2046
	step "$name" unit tests "$1" $(unit_tests)
	step "$name" smoke in_root "$1" bash -c "mount --bind build/portability/$1 build && tests/portability/smoke.sh"
}

# What all compilers made, loaded by another kernel: one machine for all.
other_kernel() { # LINUX NAME...
	local linux=$1 name dirs=() log=$LOGS/linux-$1.log
	shift
	for name; do
		dirs+=("build/portability/$name/bpf")
	done
	"$ROOT/tests/kernels/boot.sh" --timeout 580 "$linux" bash tests/portability/load.sh "${dirs[@]}" >"$log" 2>&1
	for name; do
		RESULT[$name load-$linux]=FAIL
		! grep -qx "ok build/portability/$name/bpf" "$log" || RESULT[$name load-$linux]=ok
		[[ ${RESULT[$name load-$linux]} == ok ]] || FAILED=$((FAILED + 1))
	done
	grep -q '^FAIL\|^boot.sh' "$log" && sed 's/^/     /' "$log"
	echo "Linux $linux: see ${log#"$ROOT"/}"
}

# A whole system of that Debian, with what it has built, under another kernel.
other_system() { # LINUX ROOT CLANG
	step "$2-$3" "smoke-$1" "$ROOT/tests/kernels/boot.sh" --timeout 580 --root "$ROOTS/$2" "$1" \
		bash -c "mount --bind build/portability/$2 build && tests/portability/smoke.sh"
}

version() { # ROOT PACKAGE
	# shellcheck disable=SC2016
	chroot "$ROOTS/$1" dpkg-query -W -f '${Version}' "$2" | sed -E 's/^[0-9]+://; s/[-+~].*//'
}

row() { # ROOT CLANG
	local name=$1-$2 what
	printf '| %s | %s | %s | %s | %s |' "$1" "$(version "$1" gcc)" "$(version "$1" libbpf-dev)" "$(version "$1" libxdp-dev)" "$2"
	for what in build stack programs "${LINUX[@]/#/load-}" unit smoke smoke-6.12; do
		printf ' %s |' "${RESULT[$name $what]:-}"
	done
	echo
}

# table "ROOT CLANG"...
table() {
	local here root
	here=$(uname -r | cut -d. -f1,2)
	printf '| Debian | gcc | libbpf | libxdp | clang | builds | stack | program tests, Linux %s |' "$here"
	printf ' loads, Linux %s |' "${LINUX[@]}"
	printf ' unit tests | traffic, Linux %s | traffic, Linux 6.12 |\n' "$here"
	printf '|%s\n' "$(printf ' --- |%.0s' {1..11} "${LINUX[@]}")"
	for root; do
		# shellcheck disable=SC2086
		row $root
	done
}

main() {
	local root clang first all='' names=() rows=()
	require mmdebstrap unshare qemu-system-x86_64
	((${#})) || {
		set -- bookworm trixie
		all=1
	}
	mkdir -p "$OUT" "$LOGS"
	"$ROOT/tests/kernels/fetch.sh" "${LINUX[@]}" >/dev/null || exit 1
	for root; do
		root_make "$root"
		first=true
		for clang in $(compilers "$root"); do
			one_build "$root" "$clang" $first
			first=false
			names+=("$root-$clang")
			rows+=("$root $clang")
		done
		other_system 6.12 "$root" "$clang"
	done
	for linux in "${LINUX[@]}"; do
		other_kernel "$linux" "${names[@]}"
	done
	echo
	table "${rows[@]}"
	[[ -z $all ]] || table "${rows[@]}" | docs_write compilers
	exit $((FAILED != 0))
}

main "$@"
