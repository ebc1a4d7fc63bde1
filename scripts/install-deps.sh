#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Installs the Debian 12 packages that building, testing and demonstrating pccbpf needs. Does nothing, and does not touch
# the network, where all of them are installed already.
#   --kernels      also what tests under other kernels need
#   --portability  also what tests in other Debian systems and on arm64 need
#   --print-build  only prints what building needs, one a line
set -euo pipefail

build_packages=(
	gcc make clang llvm libc6-dev linux-libc-dev pkg-config bpftool
	libbpf-dev libxdp-dev libelf-dev zlib1g-dev
	libmnl-dev libnftables-dev libjansson-dev
	libyaml-dev libsystemd-dev
)
run_packages=(iproute2 nftables procps util-linux kmod)
test_packages=(
	libcmocka-dev libnetfilter-conntrack-dev valgrind clang-format cppcheck shellcheck jq python3
	tcpdump ethtool conntrack strace curl man-db zsh
)
# Virtual machines, and what their cases use.
kernels_packages=(
	qemu-system-x86 busybox-static cpio xz-utils ppp pppoe wireguard-tools iputils-ping
)
# Other systems and machines.
portability_packages=(
	mmdebstrap qemu-system-arm
)

missing() {
	local package
	for package in "$@"; do
		dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
			printf '%s\n' "$package"
	done
}

main() {
	local wanted all=("${build_packages[@]}" "${run_packages[@]}" "${test_packages[@]}")
	case ${1:-} in
	--print-build)
		printf '%s\n' "${build_packages[@]}" "${run_packages[@]}"
		return 0
		;;
	--kernels) all+=("${kernels_packages[@]}") ;;
	--portability) all+=("${kernels_packages[@]}" "${portability_packages[@]}") ;;
	esac
	mapfile -t wanted < <(missing "${all[@]}")
	[ ${#wanted[@]} -eq 0 ] && return 0
	if [ "$(id -u)" -ne 0 ]; then
		echo "install-deps: missing packages: ${wanted[*]} (run as root: apt-get install ${wanted[*]})" >&2
		return 1
	fi
	echo "install-deps: installing ${wanted[*]}"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends "${wanted[@]}"
}

main "$@"
