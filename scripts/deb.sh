#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# deb.sh [--out DIR] [--version V] [--edit COMMAND]: builds the Debian package out of a copy of this checkout, so that
# nothing is written beside the sources, and shows it to lintian. The package is in DIR (default: build/deb).
#
#   --version V      not that of debian/changelog
#   --edit COMMAND   run in the copy before it is built: for packages that the tests want to be different
set -euo pipefail
export LC_ALL=C

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
OUT=$ROOT/build/deb
VERSION=''
EDIT=''

copy() {
	rm -rf "$OUT"
	mkdir -p "$OUT/src"
	(cd "$ROOT" && scripts/sources.sh | while read -r file; do [[ ! -e $file ]] || echo "$file"; done | cpio -pdm --quiet "$OUT/src")
	cd "$OUT/src"
	[[ -z $VERSION ]] || sed -i "1s/([^)]*)/($VERSION)/" debian/changelog
	[[ -z $EDIT ]] || bash -c "$EDIT"
}

main() {
	local wanted
	while (($#)); do
		case $1 in
		--out) OUT=$2 ;;
		--version) VERSION=$2 ;;
		--edit) EDIT=$2 ;;
		*)
			echo "deb.sh: $1: no such option" >&2
			exit 2
			;;
		esac
		shift 2
	done
	copy
	wanted=$(dpkg-checkbuilddeps 2>&1) || {
		echo "deb.sh: ${wanted#*error: } (apt-get install them, or: make deps)" >&2
		exit 1
	}
	dpkg-buildpackage -us -uc -b >"$OUT/build.log" 2>&1 || {
		tail -n 30 "$OUT/build.log" >&2
		echo "deb.sh: the build failed: $OUT/build.log" >&2
		exit 1
	}
	cd "$OUT"
	rm -rf src
	rm -f ./*-dbgsym_*
	if command -v lintian >/dev/null; then
		lintian --allow-root --fail-on error,warning ./pccbpf_*.deb
	else
		echo 'deb.sh: lintian is missing, so nobody has looked at the package' >&2
	fi
	ls "$OUT"/pccbpf_*.deb
}

main "$@"
