# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# lib.sh: Debian systems to build in, below build/roots (or $PCC_ROOTS). Needs root and mmdebstrap.
#
# shellcheck disable=SC2034 # who sources it reads them

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
ROOTS=${PCC_ROOTS:-$ROOT/build/roots}
KERNELS=${PCC_KERNELS:-$ROOT/build/kernels}
OUT=$ROOT/build/portability # builds, below the checkout: virtual machines see them
LOGS=$ROOT/build/logs/portability

stop() {
	echo "${0##*/}: $*" >&2
	exit 2
}

# docs_write NAME: standard input goes between the two marks of that name in the document.
docs_write() {
	local docs=$ROOT/docs/PORTABILITY.md
	{
		sed "/<!-- $1 begin -->/q" "$docs"
		printf '\n'
		cat
		printf '\n'
		sed -n "/<!-- $1 end -->/,\$p" "$docs"
	} >"$docs.new" && mv "$docs.new" "$docs"
}

require() {
	local tool
	((EUID == 0)) || stop 'needs root'
	for tool in "$@"; do
		command -v "$tool" >/dev/null || stop "needs $tool (scripts/install-deps.sh --portability)"
	done
}

# What is needed to build, to run the unit tests, and to run smoke.sh.
build_packages() {
	"$ROOT/scripts/install-deps.sh" --print-build
	printf '%s\n' libcmocka-dev libnetfilter-conntrack-dev jq curl ethtool conntrack netbase mount
}

# Libraries with headers, for another architecture.
dev_packages() {
	build_packages | grep -E -- '^(lib|zlib).*-dev$' | grep -vx -e libc6-dev -e linux-libc-dev
}

# The compilers of a root, the one that its packages depend on first.
compilers() {
	case $1 in
	bookworm) echo 14 15 16 19 ;;
	trixie) echo 19 17 18 ;;
	esac
}

# root_spec NAME: sets SUITE, PACKAGES and MORE, options for mmdebstrap.
root_spec() {
	local native
	native=$(dpkg --print-architecture)
	SUITE=bookworm
	MORE=(--variant=apt)
	mapfile -t PACKAGES < <(build_packages)
	case $1 in
	bookworm | trixie)
		# shellcheck disable=SC2046
		mapfile -O ${#PACKAGES[@]} -t PACKAGES < <(printf 'clang-%s\n' $(compilers "$1"))
		SUITE=$1
		;;
	cross) # builds for arm64, and runs here
		PACKAGES+=(crossbuild-essential-arm64)
		mapfile -O ${#PACKAGES[@]} -t PACKAGES < <(dev_packages | sed 's/$/:arm64/')
		MORE+=("--architectures=$native,arm64")
		;;
	arm64) # only unpacked: nothing of it runs here
		mapfile -t PACKAGES < <(dev_packages)
		PACKAGES+=(linux-image-arm64 bash dash coreutils grep sed gawk findutils diffutils hostname mount util-linux
			util-linux-extra procps kmod iproute2 nftables ethtool conntrack jq curl python3-minimal netbase bpftool
			busybox-static base-files base-passwd ncurses-base tcpdump)
		MORE=(--variant=extract --architectures=arm64 --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr)
		;;
	*) stop "$1: no such root" ;;
	esac
}

# What the packages' own scripts would have done, and the kernel to where boot.sh looks for it.
finish_arm64() {
	local root=$1 dir=$KERNELS/6.1-arm64
	ln -sf gawk "$root/usr/bin/awk"
	cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
	cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
	rm -rf "$dir"
	mkdir -p "$dir/lib"
	mv "$root"/boot/vmlinuz-* "$dir/vmlinuz"
	mv "$root/usr/lib/modules" "$dir/lib/modules"
	basename "$dir"/lib/modules/* >"$dir/release"
	echo linux-image-arm64 >"$dir/package"
	echo arm64 >"$dir/arch"
	depmod -b "$dir" "$(<"$dir/release")"
}

# root_make NAME: makes build/roots/NAME, if it is not there with all that it is to have.
root_make() {
	local name=$1 root=$ROOTS/$1 list
	root_spec "$name"
	list="$SUITE ${MORE[*]} ${PACKAGES[*]}"
	[[ -e $root.packages && $(<"$root.packages") == "$list" ]] && return
	echo "making $root" >&2
	mkdir -p "$ROOTS" "$LOGS"
	rm -rf "$root" "$root.packages"
	mmdebstrap "${MORE[@]}" "--include=$(IFS=,; echo "${PACKAGES[*]}")" "$SUITE" "$root" \
		>"$LOGS/root-$name.log" 2>&1 || stop "mmdebstrap failed: $(tail -n 3 "$LOGS/root-$name.log")"
	[[ $name != arm64 ]] || finish_arm64 "$root"
	echo "$list" >"$root.packages"
}

# in_root NAME COMMAND...: in the checkout, which stands at the same place in there. All that it mounts, and what it writes
# to /run and /tmp, ends with it.
in_root() {
	local root=$ROOTS/$1
	shift
	# shellcheck disable=SC2016
	unshare --mount -- bash -c '
		root=$0 checkout=$1
		shift
		mount --rbind /dev "$root/dev" && mount -t proc proc "$root/proc" && mount --rbind /sys "$root/sys" &&
			mount -t tmpfs run "$root/run" && mount -t tmpfs tmp "$root/tmp" && mkdir -p "$root$checkout" &&
			mount --bind "$checkout" "$root$checkout" && exec chroot "$root" bash -c "cd \"\$0\" && exec \"\$@\"" "$checkout" "$@"
		' "$root" "$ROOT" "$@"
}
