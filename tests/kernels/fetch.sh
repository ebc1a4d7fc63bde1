#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# fetch.sh [NAME...]: gets Debian's kernels for boot.sh, through apt, into build/kernels/NAME, and prints the names. What is
# there is not fetched again. Without a NAME: all that apt serves here.
#
#   6.1     what Debian 12 installs (linux-image-amd64)
#   6.12    Debian 13's, which Debian 12 has in its security archive and in backports
#   X.Y     any other series that apt knows
set -euo pipefail
export LC_ALL=C

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
KERNELS=${PCC_KERNELS:-$ROOT/build/kernels}

# The images of all series that apt serves, newest last: "SERIES PACKAGE". The unsigned ones are the same kernels.
images() {
	apt-cache search --names-only '^linux-image-[0-9.+a-z-]*-amd64$' | awk '{ print $1 }' |
		grep -vE -- '-(cloud|rt)-|-(cloud|rt)$|dbg|unsigned' | grep -E '^linux-image-[0-9]+\.[0-9]+\.[0-9]' |
		sort -V | sed -E 's/^linux-image-([0-9]+\.[0-9]+)\..*$/\1 &/'
}

# newest SERIES: its newest package
newest() {
	images | awk -v s="$1" '$1 == s { p = $2 } END { print p }'
}

fetch() {
	local name=$1 package=$2 dir=$KERNELS/$1 work release
	[[ -e $dir/package && $(<"$dir/package") == "$package" ]] && return
	work=$(mktemp -d "$KERNELS/fetch.XXXXXX")
	(cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$package") >&2
	dpkg -x "$work"/*.deb "$work/root"
	rm -rf "$work/root/usr/share/doc" "$dir"
	mkdir -p "$dir/lib"
	mv "$work"/root/boot/vmlinuz-* "$dir/vmlinuz"
	mv "$work"/root/*/modules "$dir/lib/modules" 2>/dev/null || mv "$work"/root/usr/lib/modules "$dir/lib/modules"
	release=$(basename "$dir"/lib/modules/[0-9]*)
	rm -rf "$work"
	depmod -b "$dir" "$release"
	echo "$release" >"$dir/release"
	echo "$package" >"$dir/package"
}

main() {
	local names=("$@") name package
	mkdir -p "$KERNELS"
	((${#names[@]})) || mapfile -t names < <(images | awk '{ print $1 }' | sort -uV)
	((${#names[@]})) || {
		echo 'fetch.sh: apt knows no kernel images (apt-get update?)' >&2
		exit 1
	}
	for name in "${names[@]}"; do
		package=$(newest "$name")
		[[ -n $package || -e $KERNELS/$name/package ]] || {
			echo "fetch.sh: apt serves no Linux $name" >&2
			exit 1
		}
		[[ -z $package ]] || fetch "$name" "$package"
		echo "$name"
	done
}

main "$@"
