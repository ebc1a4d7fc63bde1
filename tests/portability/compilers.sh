#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# compilers.sh [ROOT...]: builds with the compilers and libraries of Debian 12 and 13 (bookworm, trixie), each in a root of
# its own with nothing in it but what building needs, with warnings as errors; runs the unit tests and the program tests
# there; has Debian's kernels load what came out. A table at the end; exit status 1 if anything failed.
#
# Everything is below build/: roots, builds (build/portability/ROOT-CLANG), logs (build/logs/portability).
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
	in_root "$root" make -j"$(nproc)" --no-print-directory "BUILD=build/portability/$root-$clang" "CLANG=clang-$clang" "$@"
}

# tests ROOT CLANG NAME...: all that fail are named.
tests() {
	local at=build/portability/$1-$2 root=$1
	shift 2
	# shellcheck disable=SC2016
	in_root "$root" bash -c 'ip link set lo up 2>/dev/null; failed=0
		for test; do
			timeout 300 "$0/tests/$test" || { echo "$test: exit status $?"; failed=1; }
		done
		exit $failed' "$at" "$@"
}

unit_tests() {
	local file
	for file in "$ROOT"/tests/unit/test_*.c; do
		basename "$file" .c
	done
}

one_build() { # ROOT CLANG FIRST
	local name=$1-$2
	step "$name" build build "$1" "$2" all unit tools
	[[ ${RESULT[$name build]} == ok ]] || return
	step "$name" stack "$ROOT/tests/portability/stack.py" "$OUT/$name"/bpf/*.bpf.o
	step "$name" programs tests "$1" "$2" "${PROGRAMS[@]}"
	$3 || return 0
	step "$name" bench build "$1" "$2" bench-build
	# shellcheck disable=SC2046
	step "$name" unit tests "$1" "$2" $(unit_tests)
	step "$name" smoke in_root "$1" bash -c "mount --bind build/portability/$name build && tests/portability/smoke.sh"
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
		RESULT[$name $linux]=FAIL
		! grep -qx "ok build/portability/$name/bpf" "$log" || RESULT[$name $linux]=ok
		[[ ${RESULT[$name $linux]} == ok ]] || FAILED=$((FAILED + 1))
	done
	grep -q '^FAIL\|^boot.sh' "$log" && sed 's/^/     /' "$log"
	echo "Linux $linux: see ${log#"$ROOT"/}"
}

# A build for Debian 13 in a whole system of its own kind under another kernel.
other_system() { # LINUX ROOT CLANG
	step "$2-$3" "smoke-$1" "$ROOT/tests/kernels/boot.sh" --timeout 580 --root "$ROOTS/$2" "$1" \
		bash -c "mount --bind build/portability/$2-$3 build && tests/portability/smoke.sh"
}

version() { # ROOT PACKAGE
	# shellcheck disable=SC2016
	chroot "$ROOTS/$1" dpkg-query -W -f '${Version}' "$2" | sed -E 's/^[0-9]+://; s/[-+~].*//'
}

row() { # ROOT CLANG
	local name=$1-$2 what
	printf '| %s | %s | %s | %s | %s |' "$1" "$(version "$1" gcc)" "$(version "$1" libbpf-dev)" "$(version "$1" libxdp-dev)" "$2"
	for what in build unit programs stack smoke "${LINUX[@]}"; do
		printf ' %s |' "${RESULT[$name $what]:-}"
	done
	echo
}

main() {
	local root clang first names=() rows=()
	require mmdebstrap unshare qemu-system-x86_64
	((${#})) || set -- bookworm trixie
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
	done
	for linux in "${LINUX[@]}"; do
		other_kernel "$linux" "${names[@]}"
	done
	for root; do
		clang=$(compilers "$root")
		other_system 6.12 "$root" "${clang%% *}"
	done
	echo
	echo '| Debian | gcc | libbpf | libxdp | clang | build | unit | programs, here | stack | smoke, here |' \
		"$(printf 'loads: Linux %s | ' "${LINUX[@]}")"
	echo "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | $(printf -- '--- | %.0s' "${LINUX[@]}")"
	for root in "${rows[@]}"; do
		# shellcheck disable=SC2086
		row $root
	done
	exit $((FAILED != 0))
}

main "$@"
