#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# boot.sh [OPTION...] KERNEL COMMAND [ARGUMENT...]: runs a command under another kernel, as root of a
# virtual machine that shares this checkout, and exits with its status.
#
# The machine sees /usr and /etc of this one and the checkout through 9p, read-only; what it writes goes to its
# own memory and is gone with it, except for what it puts into /out, which is --out of this machine. So nothing
# is copied and a boot takes seconds. KERNEL is the name of a directory that fetch.sh has made below
# build/kernels. Where it has a file `arch` with the word arm64 in it the machine is one of that kind, and needs --root.
#
#   --timeout S    end the machine after S seconds (default 600); exit status 124
#   --memory MB    default 2048
#   --cpus N       default 1: emulated processors slow each other down
#   --out DIR      what the command writes to /out (default: nowhere)
#   --nic DEVICE   two more network cards of that kind, tied back to back by a bridge of this machine; may be repeated.
#                  virtio-net-pci,mq=on,vectors=6 has two queues. The cards of the first pair have the MACs
#                  52:54:00:00:01:01 and :02, of the second 52:54:00:00:02:01 and :02
#   --icount       a clock that counts instructions, one a nanosecond, whatever else this machine does
#   --qemu ARG     one more argument for qemu; may be repeated
#   --root DIR     a root file system of its own instead of this machine's /usr and /etc
#   --disk IMAGE   boots the system on this image (ext4, read and written) with its own systemd, which runs COMMAND
#                  as one of its services, in /checkout, once it has started; status 250 asks for a reboot, and for
#                  COMMAND again after it
#   --give FILE    a copy of FILE is /control/NAME there; may be repeated
#
# KVM is used where it works: a /dev/kvm that opens may still not run a guest, so it is tried once.
# shellcheck disable=SC2317 # the trap calls clean_up
set -uo pipefail
export LC_ALL=C

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
KERNELS=${PCC_KERNELS:-$ROOT/build/kernels}
MODULES=(virtio_pci virtio_mmio virtio_blk 9p 9pnet_virtio overlay ext4) # what the first file systems need

TIMEOUT_S=600
MEMORY_MB=2048
CPUS=1
OUT=''
ICOUNT=false
NICS=()
EXTRA=()
QEMU=(qemu-system-x86_64)
CONSOLE=ttyS0
CPU=max
GUEST_ROOT=/
DISK=''
GIVEN=()
WORK=''
QEMU_PID=''

stop() {
	echo "boot.sh: $*" >&2
	exit 2
}

clean_up() {
	local status=$?
	trap - EXIT
	[[ -z $QEMU_PID ]] || kill "$QEMU_PID" 2>/dev/null
	[[ -z $WORK ]] || rm -rf "$WORK"
	exit "$status"
}

options() {
	while [[ ${1:-} == --* ]]; do
		case $1 in
		--timeout) TIMEOUT_S=$2 && shift ;;
		--memory) MEMORY_MB=$2 && shift ;;
		--cpus) CPUS=$2 && shift ;;
		--out) OUT=$2 && shift ;;
		--root) GUEST_ROOT=$2 && shift ;;
		--disk) DISK=$2 && shift ;;
		--give) GIVEN+=("$2") && shift ;;
		--nic) NICS+=("$2") && shift ;;
		--qemu) EXTRA+=("$2") && shift ;;
		--icount) ICOUNT=true ;;
		*) stop "$1: no such option" ;;
		esac
		shift
	done
	(($# >= 2)) || stop "usage: boot.sh [OPTION...] KERNEL COMMAND [ARGUMENT...]"
	KERNEL=$KERNELS/$1
	shift
	COMMAND=("$@")
	[[ -e $KERNEL/vmlinuz ]] || stop "$KERNEL: no kernel there; fetch.sh gets it"
	[[ $(cat "$KERNEL/arch" 2>/dev/null) == arm64 ]] || return 0
	[[ $GUEST_ROOT != / ]] || stop "$KERNEL: for another kind of machine, which needs --root"
	QEMU=(qemu-system-aarch64 -machine virt)
	CONSOLE=ttyAMA0
	CPU=cortex-a72 # as in routers: without the atomic instructions of later ones
}

# The initramfs of a kernel: busybox, the modules above with what they need, and our init. Made once.
initramfs() {
	local dir=$KERNEL/initramfs release name file
	release=$(<"$KERNEL/release")
	local lock
	# Its name tells what it was made of: several checkouts may share the kernels.
	INITRAMFS=$KERNEL/initramfs-$(cat "$HERE/init" "$HERE/boot.sh" | cksum | cut -d' ' -f1).gz
	exec {lock}>"$KERNEL/lock" && flock "$lock" # another machine may start at this moment
	[[ -e $INITRAMFS ]] && {
		exec {lock}>&-
		return
	}
	rm -rf "$dir"
	mkdir -p "$dir"/{bin,proc,sys,dev,mnt,new,modules}
	name=$(command -v busybox)
	[[ ! -e $KERNEL/arch ]] || name=$GUEST_ROOT/bin/busybox
	cp "$name" "$dir/bin/busybox"
	cp "$HERE/init" "$dir/init"
	chmod 755 "$dir/init"
	for name in "${MODULES[@]}"; do
		modprobe -d "$KERNEL" -S "$release" --show-depends "$name" 2>/dev/null
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r file; do
		name=$(basename "${file%.xz}")
		if [[ $file == *.xz ]]; then
			xz -dc "$file" >"$dir/modules/$name"
		else
			cp "$file" "$dir/modules/$name"
		fi
		echo "$name" >>"$dir/modules/order"
	done
	(cd "$dir" && find . | cpio -o -H newc --quiet | gzip -1 >"$INITRAMFS.new") || stop 'initramfs: cpio failed'
	mv "$INITRAMFS.new" "$INITRAMFS"
	rm -rf "$dir"
	exec {lock}>&-
}

# Does KVM run a guest here? One that only starts our init, which switches off at once, says so.
kvm_works() {
	local answer=$KERNELS/kvm
	[[ -w /dev/kvm && ! -e $KERNEL/arch ]] || return 1
	[[ -e $answer ]] || {
		if timeout 5 qemu-system-x86_64 -accel kvm -display none -serial none -monitor none \
			-kernel "$KERNEL/vmlinuz" -initrd "$INITRAMFS" -m 512 -no-reboot \
			-append 'panic=-1 pcc.probe quiet' >/dev/null 2>"$WORK/kvm.log" && [[ ! -s $WORK/kvm.log ]]; then
			echo yes
		else
			echo no
		fi >"$answer"
	}
	[[ $(<"$answer") == yes ]]
}

# share TAG PATH OPTIONS: a directory of this machine, with neither commas nor spaces in its name.
share() {
	echo "-fsdev local,id=$1,path=$2,security_model=none,multidevs=remap$3 -device virtio-9p-pci,fsdev=$1,mount_tag=$1"
}

# What runs qemu where it has network cards: a network namespace that goes with it, and in it a bridge for each pair of
# taps. The taps carry packets as virtio does, checksums to be completed and segments to be cut included.
# shellcheck disable=SC2016
BRIDGES='
	cd /proc/sys/net || exit 1
	for file in ipv6/conf/{all,default}/disable_ipv6; do [[ ! -e $file ]] || echo 1 >"$file"; done
	p=0
	while [[ $1 != -- ]]; do
		p=$((p + 1))
		ip link add "pair$p" type bridge forward_delay 0 stp_state 0 mcast_snooping 0 && ip link set "pair$p" up || exit 1
		queues=
		[[ $1 != *mq=on* ]] || queues=multi_queue
		for b in 1 2; do
			ip tuntap add "n$p$b" mode tap vnet_hdr $queues && ip link set "n$p$b" master "pair$p" up || exit 1
		done
		shift
	done
	for file in bridge/bridge-nf-call-*; do [[ ! -e $file ]] || echo 0 >"$file"; done
	shift
	exec "$@"'

nics() {
	local nic p=0 b queues
	for nic in "${NICS[@]}"; do
		p=$((p + 1))
		queues=''
		[[ $nic != *mq=on* ]] || queues=,queues=2
		for b in 1 2; do
			echo "-netdev tap,id=n$p$b,ifname=n$p$b,script=no,downscript=no,vhost=off$queues"
			echo "-device $nic,netdev=n$p$b,mac=52:54:00:00:0$p:0$b"
		done
	done
}

boot() {
	local accel cpu args=() within=() words=()
	if $ICOUNT; then
		# A processor with ERMS counts one instruction for each byte of rep movsb; Nehalem has none.
		accel='tcg' cpu='Nehalem'
		args+=(-icount 'shift=0,sleep=off')
	elif kvm_works; then
		accel='kvm' cpu='host'
	else
		accel=tcg,thread=multi,tb-size=512 cpu=$CPU
	fi
	# shellcheck disable=SC2046,SC2207 # the words are ours and have no spaces, but for paths, see share()
	args+=($(share top "$GUEST_ROOT" ,readonly=on) $(share checkout "$ROOT" ,readonly=on)
		$(share kernel "$KERNEL" ,readonly=on) $(share control "$WORK/control" ''))
	[[ -z $OUT ]] || {
		mkdir -p "$OUT"
		# shellcheck disable=SC2046,SC2207
		args+=($(share out "$(cd "$OUT" && pwd)" ''))
	}
	if [[ -n $DISK ]]; then
		args+=(-drive "file=$DISK,if=virtio,format=${DISK##*.},cache=unsafe" -action reboot=reset)
	else
		args+=(-no-reboot)
	fi
	if ((${#NICS[@]})); then
		within=(unshare --net -- bash -c "$BRIDGES" bash "${NICS[@]}" --)
		read -rd '' -a words < <(nics)
		args+=("${words[@]}")
	fi
	timeout -k 5 "$TIMEOUT_S" "${within[@]}" "${QEMU[@]}" -accel "$accel" -cpu "$cpu" -smp "$CPUS" -m "$MEMORY_MB" \
		-display none -monitor none -nodefaults -serial file:"$WORK/console" \
		-device virtio-serial -chardev file,id=log,path="$WORK/log" -device virtserialport,chardev=log,name=log \
		-device virtio-rng-pci -kernel "$KERNEL/vmlinuz" -initrd "$INITRAMFS" \
		-append "console=$CONSOLE quiet loglevel=4 panic=-1 oops=panic mitigations=off pcc.out=${OUT:+1} pcc.disk=${DISK:+1} random.trust_cpu=on" \
		"${args[@]}" "${EXTRA[@]}" </dev/null >"$WORK/qemu.log" 2>&1 &
	QEMU_PID=$!
}

# What the guest is to do, as a script: the words as they are, and this checkout's path in it.
hand_over() {
	mkdir -p "$WORK/control"
	printf '%q ' "${COMMAND[@]}" >"$WORK/control/command"
	printf '%s' "$ROOT" >"$WORK/control/checkout"
	((${#GIVEN[@]} == 0)) || cp "${GIVEN[@]}" "$WORK/control/" || exit 2
}

main() {
	local status
	options "$@"
	WORK=$(mktemp -d "${TMPDIR:-/tmp}/pcc-boot.XXXXXX") || exit 2
	trap clean_up EXIT
	trap 'exit 130' INT TERM HUP
	: >"$WORK/log"
	hand_over
	initramfs
	boot
	tail -n +1 -s 0.2 -f "$WORK/log" --pid "$QEMU_PID" 2>/dev/null
	wait "$QEMU_PID"
	status=$?
	QEMU_PID=''
	((status != 124 && status != 137)) || {
		echo "boot.sh: the machine was ended after $TIMEOUT_S seconds"
		tail -n 5 "$WORK/console"
		exit 124
	}
	[[ -s $WORK/control/status ]] || {
		echo "boot.sh: the machine stopped without an answer"
		tail -n 40 "$WORK/console" "$WORK/qemu.log"
		exit 2
	}
	exit "$(<"$WORK/control/status")"
}

main "$@"
