#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Completion for bash knows every command and every option, since it asks the program; needs no rights.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

mkdir "$T_DIR/bin"
ln -s "$PCCBPF" "$T_DIR/bin/pccbpf"
export PATH=$T_DIR/bin:$PATH
COMPREPLY=()
# shellcheck source=packaging/pccbpf.bash
. "$ROOT/packaging/pccbpf.bash"

# candidates WORDS...: for the last of them, sorted, in one line.
candidates() {
	COMP_WORDS=(pccbpf "$@") COMP_CWORD=$#
	_pccbpf 2>/dev/null
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
	commands | tr ' ' '\n'
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
t_ok
