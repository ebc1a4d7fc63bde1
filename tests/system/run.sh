#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh [SUITE[:KERNEL]...]: the package on a real system. Builds it three times (as it is, a newer version with another
# data plane, and one whose maps are laid out otherwise), installs a fresh Debian SUITE on a disk, boots it under its own systemd in a virtual machine with
# KERNEL, and runs tests/system/guest.sh there. Default: bookworm:6.1 trixie:6.12.
#
# Everything is in build/system; disks are kept and used again while what they are made of is the same. Needs
# mmdebstrap, qemu-system-x86, qemu-utils, busybox-static, cpio and what `make deb` needs. Last line: "N passed, N failed,
# N skipped".
set -uo pipefail
export LC_ALL=C

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
BUILD=$ROOT/build/system
LIMIT_S=${LIMIT_S:-1500}
read -ra STAGES <<<"${STAGES:-}" # fewer of guest.sh's, from the first on
PASSED=0
FAILED=0

stop() {
	echo "run.sh: $*" >&2
	exit 1
}

needed() {
	local tool
	for tool in mmdebstrap qemu-system-x86_64 qemu-img mke2fs dpkg-scanpackages busybox cpio; do
		command -v "$tool" >/dev/null || stop "$tool is missing"
	done
	((EUID == 0)) || stop 'needs root'
}

# What a file is made of, in one word.
sum_of() {
	cat "$@" 2>/dev/null | sha256sum | cut -c1-16
}

# made FILE WORD COMMAND...: runs the command unless FILE was made by it with the same WORD.
made() {
	local file=$1 word=$2
	shift 2
	[[ -e $file && -e $file.made && $(<"$file.made") == "$word" ]] && return
	rm -f "$file.made"
	"$@" || stop "$file cannot be made"
	echo "$word" >"$file.made"
}

package() { # NAME VERSION EDIT
	"$ROOT/scripts/deb.sh" --out "$BUILD/$1.d" --version "$2" --edit "$3" && mv "$BUILD/$1.d"/pccbpf_*.deb "$BUILD/$1.deb"
}

packages() {
	local sources
	sources=$(cd "$ROOT" && sum_of Makefile scripts/deb.sh bpf/* include/* user/*/* packaging/* debian/[a-z]* docs/*)
	made "$BUILD/old.deb" "$sources" package old 0.1.0 :
	made "$BUILD/new.deb" "$sources" package new 0.1.1 'echo "const volatile __u32 pcc_another_build = 1;" >>bpf/pccbpf.bpf.c'
	made "$BUILD/abi.deb" "$sources" package abi 0.2.0 \
		'sed -i "s/^#define PCC_ABI_VERSION .*/#define PCC_ABI_VERSION 999u/" include/pccbpf.h'
}

disk() { # SUITE
	local files
	mapfile -t files < <(find "$HERE/root" -type f | sort)
	made "$BUILD/$1.raw" "$(sum_of "$HERE/root.sh" "${files[@]}") $(dpkg-deb -f "$BUILD/old.deb" Depends)" \
		"$HERE/root.sh" "$1" "$BUILD/old.deb" "$BUILD/$1.raw"
}

run() { # SUITE KERNEL
	local log=$BUILD/$1-$2.log scratch=$BUILD/scratch.$$.qcow2 p f
	echo "== Debian $1, Linux $2"
	PCC_KERNELS=${PCC_KERNELS:-$ROOT/build/kernels} "$ROOT/tests/kernels/fetch.sh" "$2" >/dev/null || stop "no kernel $2"
	disk "$1"
	qemu-img create -q -f qcow2 -F raw -b "$BUILD/$1.raw" "$scratch" || stop 'qemu-img'
	"$ROOT/tests/kernels/boot.sh" --timeout "$LIMIT_S" --memory 1536 --disk "$scratch" --give "$BUILD/old.deb" --give "$BUILD/new.deb" --give "$BUILD/abi.deb" \
		"$2" tests/system/guest.sh "${STAGES[@]}" | tee "$log"
	status=${PIPESTATUS[0]}
	rm -f "$scratch"
	read -r p f < <(awk '/^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ { p += $1; f += $3 } END { print p + 0, f + 0 }' "$log")
	((status == 0 || f)) || f=1
	PASSED=$((PASSED + p)) FAILED=$((FAILED + f))
}

main() {
	local which=("$@") one status
	((${#which[@]})) || which=(bookworm:6.1 trixie:6.12)
	needed
	mkdir -p "$BUILD"
	make -s -C "$ROOT" build/labtool || exit 1
	packages
	for one in "${which[@]}"; do
		case $one in
		*:*) run "${one%:*}" "${one#*:}" ;;
		bookworm) run bookworm 6.1 ;;
		*) run "$one" 6.12 ;;
		esac
	done
	echo; echo "$PASSED passed, $FAILED failed, 0 skipped"
	((FAILED == 0))
}

main "$@"
