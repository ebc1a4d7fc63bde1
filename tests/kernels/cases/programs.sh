#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The BPF programs under this kernel: every suite of tests/prog, with its verifier, its helpers and its conntrack. What tries
# everything tries a sample, since the machine is emulated.
set -uo pipefail
export LC_ALL=C PCC_TEST_SAMPLE=${PCC_TEST_SAMPLE:-31}
cd "$(dirname "${BASH_SOURCE[0]}")/../../.." || exit 1

# Its functions for BPF are there once it is; the product asks for it by itself.
modprobe -a nf_conntrack nf_nat 2>/dev/null

PASSED=0
FAILED=0
SKIPPED=0

suite() {
	local name=$1 log=/tmp/$1.log status=0 p f s
	timeout -k 10 400 "build/tests/$name" >"$log" 2>&1 || status=$?
	read -r p f s < <(awk '
		/^\[  PASSED  \] [0-9]+ test/ { p += $4 }
		/^\[  FAILED  \] [0-9]+ test/ { f += $4 }
		/^\[  SKIPPED \] [0-9]+ test/ { s += $4 }
		END { print p + 0, f + 0, s + 0 }' "$log")
	if ((status != 0 && f == 0 || p + f + s == 0)); then
		f=$((f + 1))
		echo "FAIL $name ended with status $status"
	fi
	if ((f)); then
		echo "FAIL $name: $f of $((p + f + s)) tests"
		grep -aE '^\[  FAILED|^\[  ERROR|^\[   LINE|^libbpf|Too large|verified|^pcc_' "$log" | head -n 40
	else
		echo "ok   $name: $p tests"
		sed -n "s/^skip: /skip $name: /p" "$log"
	fi
	PASSED=$((PASSED + p)) FAILED=$((FAILED + f)) SKIPPED=$((SKIPPED + s))
}

for file in tests/prog/test_*.c; do
	name=$(basename "$file" .c)
	[[ -n ${SHORT:-} && $name == test_fast_packets ]] || suite "$name"
done
echo "$PASSED passed, $FAILED failed, $SKIPPED skipped"
exit $((FAILED != 0))
