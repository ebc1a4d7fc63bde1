#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# insns.sh [KERNEL...]: instructions per packet of the ways to balance, under Debian's kernels in a virtual machine
# whose clock counts instructions (qemu -icount): other work on the machine makes it slower, but no figure
# different. The kernels come from tests/kernels/fetch.sh, 6.1 and 6.12 unless named. Prints a table, and writes
# $PCC_INSNS_JSON (build/bench/insns.json).
#
# An instruction is not a nanosecond: a cache miss counts as one. It says what a path does, not how long a
# processor waits for memory meanwhile.
set -uo pipefail
export LC_ALL=C

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
JSON=${PCC_INSNS_JSON:-$ROOT/build/bench/insns.json}
TIMEOUT_S=${PCC_INSNS_TIMEOUT_S:-1500}
VARIANTS=plain,ecmp-masq,nft-pcc,nft-flowtable,mwan3,bare-tc,bare-xdp,pccbpf-off,pccbpf-tc,pccbpf-xdp
FLOWS=128
PACKETS=4000
ROUNDS=3
# What iproute2 and nft do not load by themselves everywhere.
MODULES='veth nf_conntrack nf_conntrack_netlink nf_tables nft_ct nft_hash nft_fib_inet nft_numgen nft_chain_nat nft_masq
	nf_flow_table nf_flow_table_inet nft_flow_offload sch_ingress cls_bpf'

WORK=$(mktemp -d "${TMPDIR:-/tmp}/pcc-insns.XXXXXX") || exit 1
trap 'rm -rf "$WORK"' EXIT
trap 'exit 130' INT TERM HUP

# measure KERNEL: its rows into $WORK/KERNEL.json.
measure() {
	local kernel=$1 status=0
	mkdir -p "$WORK/$kernel"
	# shellcheck disable=SC2016
	"$ROOT/tests/kernels/boot.sh" --icount --timeout "$TIMEOUT_S" --out "$WORK/$kernel" "$kernel" bash -c '
		for module in $0; do modprobe -q "$module"; done
		[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
		build/bench/pccbench rate "$@" --json /tmp/rate.json
		status=$?
		cp /tmp/rate.json /out/ && sync
		exit $status' "$MODULES" --variants "$VARIANTS" --flows $FLOWS --packets $PACKETS --rounds $ROUNDS \
		--max-conns 16384 >"$WORK/log" 2>&1 || status=$?
	[[ -s $WORK/$kernel/rate.json ]] || {
		echo "insns.sh: $kernel: no result" >&2
		tail -n 20 "$WORK/log" >&2
		return 1
	}
	((status == 0)) || sed "s/^/insns.sh: $kernel: /" "$WORK/log" >&2
	return $status
}

# One JSON out of those of the kernels: nanoseconds of that clock are instructions.
merge() {
	jq -n --argjson flows $FLOWS --argjson packets $PACKETS '{
		unit: "instructions per packet, generator and sink included",
		flows: $flows, packets: $packets,
		kernels: [inputs | {
			kernel: (input_filename | split("/")[-2]), release: .kernel,
			variants: [.results[] | {variant, insns: (.ns | if . then round else null end),
				reason: (.reason // null), ratio_nft_pcc, fast_share}]}]}' "$@"
}

# The table: a row a variant, a column a kernel, and how many times nft PCC's instructions are that.
print_table() {
	jq -r '[.kernels[] | .kernel] as $names |
		(["instructions per packet"] + ($names | map(., "nft PCC / it")) | @tsv),
		(.kernels as $k | $k[0].variants | to_entries[] | .key as $i |
			[.value.variant] + ($k | map(.variants[$i] | (.insns // "-"),
				(if .ratio_nft_pcc then .ratio_nft_pcc * 100 | round / 100 else "-" end))) | @tsv)' "$JSON" |
		column -t -s $'\t'
}

main() {
	local kernel files=() failed=0
	(($#)) || set -- 6.1 6.12
	[[ -x $ROOT/build/bench/pccbench ]] || {
		echo 'insns.sh: make bench-build first' >&2
		exit 1
	}
	for kernel in "$@"; do
		measure "$kernel" || failed=1
		[[ ! -s $WORK/$kernel/rate.json ]] || files+=("$WORK/$kernel/rate.json")
	done
	((${#files[@]})) || exit 1
	merge "${files[@]}" >"$JSON.new" && mv "$JSON.new" "$JSON"
	print_table
	exit $failed
}

main "$@"
