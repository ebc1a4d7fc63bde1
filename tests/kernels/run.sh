#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh [OPTION...] [KERNEL...]: the cases of tests/kernels/cases under Debian's kernels, each in a virtual machine of its
# own, and a table of them. Without a KERNEL: all that apt serves here (see fetch.sh).
#
#   --short        what continuous integration runs: a choice of cases, each in its short form
#   --case NAME    only this case; may be repeated
#   --kind NAME    only this kind of link, in the case `links`; may be repeated
#   --docs         writes the tables into docs/TESTING.md: of each case, and each kind of link, what its last run found
#
# Output of each goes to build/logs/kernels/KERNEL-CASE.log, what the cases write to build/kernels/out/KERNEL/CASE, rows of links to
# build/kernels/out/KERNEL/links.tsv, where those of kinds that did not run stay. JOBS machines run at a time
# (default: one a processor). The last line is "N passed, N failed, N skipped"; exit status 1 if any failed.
#
# A case may name the machine that it needs in a line "# guest: OPTIONS of boot.sh", the time that it may take in a line
# "# limit: SECONDS", and "# short: no" if the short form leaves it out.
set -uo pipefail
export LC_ALL=C

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
KERNELS_DIR=${PCC_KERNELS:-$ROOT/build/kernels}
LOGS=$ROOT/build/logs/kernels
OUT=$ROOT/build/kernels/out
DOCS=$ROOT/docs/TESTING.md
JOBS=${JOBS:-$(nproc)}

SHORT=''
WRITE_DOCS=false
CASES=()
KERNELS=()
KINDS=() # none: all

options() {
	while (($#)); do
		case $1 in
		--short) SHORT=1 ;;
		--docs) WRITE_DOCS=true ;;
		--kind) KINDS+=("$2") && shift ;;
		--case) CASES+=("$2") && shift ;;
		--*)
			echo "run.sh: $1: no such option" >&2
			exit 2
			;;
		*) KERNELS+=("$1") ;;
		esac
		shift
	done
	((${#KERNELS[@]})) || mapfile -t KERNELS < <("$HERE/fetch.sh")
	((${#CASES[@]})) || mapfile -t CASES < <(cases)
}

# about CASE KEY: what the case says of itself in a line "# KEY: ..."
about() {
	sed -n "s/^# $2: //p" "$HERE/cases/$1.sh" | head -n 1
}

cases() {
	local file name
	for file in "$HERE"/cases/*.sh; do
		name=$(basename "$file" .sh)
		[[ -n $SHORT && $(about "$name" short) == no ]] || echo "$name"
	done
}

# one KERNEL CASE: runs it; the result is in the log.
one() {
	local kernel=$1 case=$2 log=$LOGS/$1-$2.log start=$SECONDS limit guest status
	local out=$OUT/$1/$2 args=()
	[[ $case != links ]] || args=("${KINDS[@]}")
	limit=$(about "$case" limit)
	read -ra guest <<<"$(about "$case" guest)"
	rm -rf "$out"
	"$HERE/boot.sh" --timeout "${limit:-1800}" --out "$out" "${guest[@]}" "$kernel" \
		env KERNEL="$kernel" OUT=/out SHORT="$SHORT" bash "tests/kernels/cases/$case.sh" "${args[@]}" >"$log" 2>&1 </dev/null
	status=$?
	[[ ! -s $out/links.tsv ]] || keep_rows "$out/links.tsv" "$OUT/$kernel/links.tsv"
	echo "exit status $status, $((SECONDS - start)) seconds" >>"$log"
}

# keep_rows NEW ALL: the rows of NEW in the place of those of the same kinds of links in ALL.
keep_rows() {
	touch "$2"
	awk -F '\t' 'FNR == NR { new[$2]; row[++n] = $0; next } !($2 in new)
		END { for (i = 1; i <= n; i++) print row[i] }' "$1" "$2" >"$2.new" && mv "$2.new" "$2"
}

# result KERNEL CASE: "PASSED FAILED SKIPPED SECONDS STATUS" out of the log. What has no closing line has failed.
result() {
	awk '
		/^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped\r?$/ { p = $1; f = $3; s = $5; seen = 1 }
		/^exit status / { status = $3 + 0; seconds = $4 }
		END {
			if (!seen || (status != 0 && f == 0) || p + f + s == 0)
				f++
			print p + 0, f + 0, s + 0, seconds + 0, status + 0
		}' "$LOGS/$1-$2.log"
}

run_all() {
	local kernel case pids=()
	for case in "${CASES[@]}"; do
		for kernel in "${KERNELS[@]}"; do
			while (($(jobs -rp | wc -l) >= JOBS)); do
				wait -n
			done
			one "$kernel" "$case" &
			pids+=($!)
		done
	done
	wait "${pids[@]}"
}

# rows_counted FILE: how many rows passed (a refusal with its reason is what is asked for), failed, were skipped.
rows_counted() {
	awk -F '\t' '$5 ~ /FAIL/ { f++; next } $5 ~ /^skip/ { s++; next } { p++ } END { print p + 0, f + 0, s + 0 }' "$1"
}

# The table of cases, for people and for the document alike. Of the links: rows of the table of links.
table() {
	local kernel case p f s seconds status
	printf '| case |'
	printf ' Linux %s |' "${KERNELS[@]}"
	printf '\n| --- |'
	printf ' --- |%.0s' "${KERNELS[@]}"
	echo
	for case in "${CASES[@]}"; do
		printf '| %s |' "$case"
		for kernel in "${KERNELS[@]}"; do
			if [[ ! -e $LOGS/$kernel-$case.log ]]; then
				printf ' not run |'
				continue
			fi
			read -r p f s seconds status < <(result "$kernel" "$case")
			[[ $case != links || ! -e $OUT/$kernel/links.tsv ]] || read -r p f s < <(rows_counted "$OUT/$kernel/links.tsv")
			printf ' %s |' "$( ((f)) && echo "**$f failed**, " )$p passed$( ((s)) && echo ", $s skipped" )"
		done
		echo
	done
}

# Link, role and mode against kernels, out of the lines "KERNEL LINK ROLE MODE RESULT" that the cases left, with tabs.
links_table() {
	local files=("$OUT"/*/links.tsv)
	[[ -e ${files[0]} ]] || return 0
	awk -F '\t' -v kernels="${KERNELS[*]}" '
		NF >= 5 {
			at = $2 " | " $3 " | " $4
			if (!(at in order)) {
				order[at] = ++n
				name[n] = at
			}
			r[at, $1] = r[at, $1] ~ /FAIL/ ? r[at, $1] : $5
		}
		END {
			k = split(kernels, list, " ")
			printf "| link | as | fast path |"
			for (i = 1; i <= k; i++)
				printf " Linux %s |", list[i]
			printf "\n| --- | --- | --- |"
			for (i = 1; i <= k; i++)
				printf " --- |"
			print ""
			for (j = 1; j <= n; j++) {
				printf "| %s |", name[j]
				for (i = 1; i <= k; i++)
					printf " %s |", ((name[j], list[i]) in r) ? r[name[j], list[i]] : "not run"
				print ""
			}
		}' "${files[@]}"
}

# Between the two marks in the document.
write_docs() {
	local kernel
	SHORT=''
	mapfile -t CASES < <(cases)
	mapfile -t KERNELS < <("$HERE/fetch.sh")
	{
		sed '/<!-- tables begin -->/q' "$DOCS"
		printf '\n'
		for kernel in "${KERNELS[@]}"; do
			# shellcheck disable=SC2016
			printf 'Linux %s: `%s`.\n' "$kernel" "$(<"$KERNELS_DIR/$kernel/package")"
		done
		printf '\n'
		table
		printf '\n'
		links_table
		printf '\n'
		sed -n '/<!-- tables end -->/,$p' "$DOCS"
	} >"$DOCS.new" && mv "$DOCS.new" "$DOCS"
}

main() {
	local kernel case p f s seconds status passed=0 failed=0 skipped=0
	options "$@"
	((${#KERNELS[@]})) || exit 1
	"$HERE/fetch.sh" "${KERNELS[@]}" >/dev/null || exit 1
	mkdir -p "$LOGS"
	run_all
	for case in "${CASES[@]}"; do
		for kernel in "${KERNELS[@]}"; do
			read -r p f s seconds status < <(result "$kernel" "$case")
			passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
			printf '%-4s %-6s %-14s %3d passed, %d failed, %d skipped, %d s\n' \
				"$( ((f)) && echo FAIL || echo ok )" "$kernel" "$case" "$p" "$f" "$s" "$seconds"
			grep -aE '^skip' "$LOGS/$kernel-$case.log" | sed 's/^/     /'
			((f == 0)) || grep -aE '^FAIL|^boot.sh' "$LOGS/$kernel-$case.log" | head -n 20 | sed 's/^/     /'
		done
	done
	echo
	table
	echo
	links_table
	! $WRITE_DOCS || write_docs
	echo
	echo "$passed passed, $failed failed, $skipped skipped"
	exit $((failed != 0))
}

main "$@"
