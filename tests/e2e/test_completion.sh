#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Completion for bash and zsh knows every command, every option, every interface, since it asks the program. The first
# part calls the function of bash and needs no rights; then real shells are typed into, on a router of the lab.
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

HERE=$(dirname "${BASH_SOURCE[0]}")
mkdir "$T_DIR/bin"
ln -s "$PCCBPF" "$T_DIR/bin/pccbpf"
export PATH=$T_DIR/bin:$PATH
COMPREPLY=()
# shellcheck source=packaging/pccbpf.bash
. "$ROOT/packaging/pccbpf.bash"

# candidates WORDS...: for the last of them, sorted, in one line.
candidates() {
	COMP_WORDS=(pccbpf "$@") COMP_CWORD=$#
	_pccbpf pccbpf 2>/dev/null
	printf '%s\n' "${COMPREPLY[@]}" | sort -u | paste -sd' '
}

commands() {
	"$PCCBPF" help | awk '/^Options/ { exit } /^  [a-z]/ { sub(/^  /, ""); sub(/  .*/, ""); gsub(/ [A-Z[][^ ]*/, ""); print }'
}

options() { # WORDS of a command
	"$PCCBPF" help "$@" | grep -oE '^  (-h, )?--[a-z0-9-]+' | grep -oE -- '--[a-z0-9-]+' | sort -u | paste -sd' '
}

t_begin 'every command is offered'
t_assert_eq "$(candidates '')" "$({
	commands | cut -d' ' -f1
	printf '%s\n' --help --version
} | sort -u | paste -sd' ')" 'first word'
for group in wan lan show; do
	t_assert_eq "$(candidates $group '')" "$(commands | sed -n "s/^$group //p" | sort | paste -sd' ')" "$group"
done
t_assert_eq "$(candidates conns '')" flush conns

t_begin 'every option of every command is offered, and no other'
mapfile -t all < <(commands)
for command in "${all[@]}"; do
	read -ra words <<<"$command"
	t_assert_eq "$(candidates "${words[@]}" --)" "$(options "${words[@]}")" "$command"
done
t_assert_eq "$(candidates attach --lan br0 --sch)" --scheme 'a beginning'

t_begin 'values are offered where there is a choice'
t_assert_eq "$(candidates attach --fastpath '')" 'auto off tc xdp' --fastpath
t_assert_eq "$(candidates attach --scheme mo)" modulo --scheme
t_assert_eq "$(candidates attach --classifier '' | wc -w)" 9 --classifier
t_assert_eq "$(candidates wan set eth9 --state '')" 'down drain up' --state
t_assert_eq "$(candidates attach --lan l)" lo --lan
t_assert_eq "$(candidates attach --wan eth9,l)" eth9,lo 'a list'
t_assert_eq "$(cd "$ROOT/docs/examples" && candidates check pcc)" pccbpf.yaml 'a file'
t_assert_eq "$(candidates conns --bpffs "$ROOT/pack")" "$ROOT/packaging" 'a directory'
t_assert_eq "$(candidates use lo true-or-fals)" '' 'no such program'
t_assert_eq "$(candidates use lo mkfif)" mkfifo 'a program'
t_assert_eq "$(candidates attach --lan lo --la)" '' 'an option that is there already'
t_assert_eq "$(candidates attach --lan lo,l)" '' 'an interface that is in the list already'
t_assert_eq "$(candidates help wan d)" del 'a topic of help'
t_assert_eq "$(candidates complet)" '' 'what only shells ask is not offered'

t_begin 'what is offered comes with its meaning, that of help'
t_assert_eq "$(pccbpf complete wan d)" $'del\tgive up a WAN' 'a command'
t_assert_eq "$(pccbpf complete conns --json | cut -f2)" "$(pccbpf help conns | sed -n 's/^  --json  *//p')" 'an option'
t_ok

require_root
require_tools ip nsenter python3
lab_up --isps 3
t_assert_status 0 pcc attach --lan br0 --wan wan1,wan2

# on_router COMMAND...: with the lab's pins in the environment.
on_router() {
	rt env PCCBPF_BPFFS="$BPFFS/pccbpf" "$@"
}

# typed SHELL KEYS...: the words on the command line of that shell, on the router, after the KEYS.
typed() {
	on_router python3 "$HERE/typed.py" "$1" "$ROOT/packaging/pccbpf.$1" "${@:2}"
}

t_begin 'the WANs and LANs that are attached are offered, and no other'
t_assert_eq "$(on_router "$PCCBPF" complete wan del '' | paste -sd' ')" 'wan1 wan2' 'WANs'
t_assert_eq "$(on_router "$PCCBPF" complete lan del '' | paste -sd' ')" br0 'LANs'
t_assert_eq "$(rt "$PCCBPF" complete wan del --bpffs "$BPFFS/pccbpf" '' | paste -sd' ')" 'wan1 wan2' '--bpffs'
t_assert_eq "$(rt "$PCCBPF" complete wan del --bpffs "$BPFFS/none" '')" '' 'nothing is attached'
t_ok

for shell in bash zsh; do
	if ! command -v $shell >/dev/null; then
		t_begin "$shell completes what is typed"
		t_skip "$shell is not installed"
		continue
	fi
	typed $shell 'pccbpf att\t' 'pccbpf wa\tse\twan2 --sta\tdr\t' 'pccbpf attach --scheme=mo\t' \
		'pccbpf wan set \t' 'pccbpf wan add wan3\t' 'pccbpf lan del \t' 'pccbpf use wan2 mkfif\t' \
		'pccbpf attach --lan br0 --wan wan1,wan3\t' 'pccbpf check /etc/host.con\t' >"$T_DIR/typed" 2>&1
	line=0
	while IFS='|' read -r words what; do
		line=$((line + 1))
		t_begin "$shell completes $what"
		t_assert_eq "$(sed -n ${line}p "$T_DIR/typed")" "$words" 'words'
		t_ok
	done <<-'END'
		<pccbpf><attach>|a command
		<pccbpf><wan><set><wan2><--state><drain>|commands of two words, an option and its choice
		<pccbpf><attach><--scheme=modulo>|a choice behind =
		<pccbpf><wan><set><wan>|the WANs that are attached, as far as they are the same
		<pccbpf><wan><add><wan3>|an interface that is not attached
		<pccbpf><lan><del><br0>|the only LAN that is attached
		<pccbpf><use><wan2><mkfifo>|a program of the machine
		<pccbpf><attach><--lan><br0><--wan><wan1,wan3>|a list
		<pccbpf><check></etc/host.conf>|a file
	END
done
