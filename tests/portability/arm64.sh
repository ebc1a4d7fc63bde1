#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# arm64.sh [CASE...]: cross-builds for arm64, with warnings as errors, and runs the product there: a virtual machine like a
# router (Cortex-A72) with Debian 12 and its kernel 6.1 for arm64. A CASE is smoke, or one of tests/kernels/cases;
# without one: smoke and programs.
#
# The machine is emulated, some 20 times slower than this one; the root file system is only unpacked, so nothing of the
# other architecture runs here. Logs go to build/logs/portability.
set -uo pipefail
export LC_ALL=C

# shellcheck source=tests/portability/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

LIMIT_S=1500

build() {
	in_root cross make -j"$(nproc)" --no-print-directory BUILD=build/portability/arm64 CC=aarch64-linux-gnu-gcc \
		all unit tools bench-build >"$LOGS/arm64-build.log" 2>&1 ||
		{
			tail -n 20 "$LOGS/arm64-build.log"
			stop 'the build failed'
		}
	"$ROOT/tests/portability/stack.py" "$OUT"/arm64/bpf/*.bpf.o >/dev/null || stop 'too much stack'
}

# one CASE: in a machine of its own, where build/ is the build for it.
one() {
	local script=tests/kernels/cases/$1.sh log=$LOGS/arm64-$1.log status
	[[ $1 != smoke ]] || script=tests/portability/smoke.sh
	"$ROOT/tests/kernels/boot.sh" --timeout $LIMIT_S --root "$ROOTS/arm64" 6.1-arm64 bash -c \
		"mount --bind build/portability/arm64 build && exec env SHORT=1 KERNEL=6.1-arm64 bash $script" >"$log" 2>&1 </dev/null
	status=$?
	printf '%-4s arm64 %-10s %s\n' "$( ((status)) && echo FAIL || echo ok)" "$1" "$(grep -a ' passed, ' "$log" | tail -n 1)"
	((status == 0)) || grep -aE '^FAIL|^boot.sh' "$log" | sed 's/^/     /'
	return $status
}

main() {
	local case failed=0
	require mmdebstrap unshare qemu-system-aarch64
	((${#})) || set -- smoke programs
	mkdir -p "$OUT" "$LOGS" "$KERNELS"
	root_make cross
	root_make arm64
	build
	for case; do
		one "$case" || failed=1
	done
	exit $failed
}

main "$@"
