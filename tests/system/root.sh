#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# root.sh SUITE PACKAGE IMAGE: a disk with a fresh Debian SUITE (bookworm, trixie), set up as a router by
# tests/system/root, with systemd-networkd, NetworkManager and nftables. pccbpf is not on it; what PACKAGE depends on
# is not installed, but the disk has an apt source with it, so that apt can do it there without a network.
set -euo pipefail
export LC_ALL=C

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SUITE=$1
PACKAGE=$2
IMAGE=$3
PACKAGES=(systemd-sysv udev dbus nftables iproute2 procps kmod jq python3 dnsmasq-base network-manager man-db apt-utils)

# What PACKAGE depends on, and what systems have beside it.
depends() {
	dpkg-deb -f "$PACKAGE" Depends Recommends | sed 's/^[A-Za-z]*: //; s/([^)]*)//g' | tr ',' '\n' | awk '{ print $1 }'
}

# mmdebstrap's apt is to be as patient with its mirror as this machine's.
apt_options() {
	apt-config dump Acquire | grep -E '^Acquire::(Check-|http::|https::|Retries)'
}

bootstrap() {
	local options=() option include
	while read -r option; do
		options+=("--aptopt=$option")
	done < <(apt_options)
	include=$(IFS=,; echo "${PACKAGES[*]}")
	# shellcheck disable=SC2016
	mmdebstrap --quiet --skip=cleanup/apt --dpkgopt=force-unsafe-io --variant=minbase --include="$include" "${options[@]}" \
		--customize-hook='chroot "$1" apt-get install -qq --download-only --no-install-recommends '"$(depends | paste -sd' ')" \
		--customize-hook='mkdir -p "$1/srv/debs" && mv "$1"/var/cache/apt/archives/*.deb "$1/srv/debs/"' \
		--customize-hook='cd "$1/srv/debs" && dpkg-scanpackages -m . >Packages 2>/dev/null' \
		--customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/etc/apt/sources.list*' \
		--customize-hook='echo "deb [trusted=yes] file:/srv/debs ./" >"$1/etc/apt/sources.list"' \
		--customize-hook='chroot "$1" apt-get update -qq' \
		"$SUITE" "$WORK/root"
}

main() {
	WORK=$(mktemp -d "$(dirname "$IMAGE")/root.XXXXXX")
	trap 'rm -rf "$WORK"' EXIT
	trap 'exit 130' INT TERM
	bootstrap
	cp -r "$HERE/root/." "$WORK/root/"
	# Not the first boot of this system, at which systemd would enable whatever is there.
	echo 0123456789abcdef0123456789abcdef >"$WORK/root/etc/machine-id"
	echo router >"$WORK/root/etc/hostname"
	systemctl --root="$WORK/root" --quiet enable systemd-networkd nftables pcc-isps
	systemctl --root="$WORK/root" --quiet disable NetworkManager NetworkManager-wait-online systemd-networkd-wait-online
	# What only costs time here.
	systemctl --root="$WORK/root" --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
		man-db.timer fstrim.timer e2scrub_reap.service getty@tty1.service serial-getty@ttyS0.service
	rm -f "$IMAGE.new"
	mke2fs -q -t ext4 -O ^has_journal -d "$WORK/root" "$IMAGE.new" 3G
	mv "$IMAGE.new" "$IMAGE"
}

main
