#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# load.sh DIRECTORY...: does the verifier of this kernel take the BPF objects there? A line a directory: "ok DIRECTORY", or
# "FAIL DIRECTORY" and what it says.
set -uo pipefail
export LC_ALL=C

modprobe -q nf_conntrack # its functions for BPF are in the module
bpffs=$(mktemp -d)
mount -t bpf bpf "$bpffs" || exit 2
failed=0
for dir; do
	said=$(for object in "$dir"/*.bpf.o; do
		mkdir "$bpffs/pins"
		bpftool prog loadall "$object" "$bpffs/pins" >"$bpffs.log" 2>&1 || {
			echo "     ${object##*/}:"
			tail -n 8 "$bpffs.log" | sed 's/^/     /'
		}
		rm -rf "$bpffs/pins"
	done)
	echo "$([[ -z $said ]] && echo ok || echo FAIL) $dir"
	[[ -z $said ]] || {
		echo "$said"
		failed=1
	}
done
umount "$bpffs"
rm -rf "$bpffs" "$bpffs.log"
exit $failed
