# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2207
#
# Completion of pccbpf for bash. `pccbpf complete WORD...` prints what the last word can be, from the
# program's own tables. So the completion matches the installed program, and has the names of existing interfaces.

_pccbpf() {
	local words=() cur line i
	COMPREPLY=()
	# bash takes --option=value for three words
	for ((i = 1; i <= COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} != = ]]; then
			words+=("${COMP_WORDS[i]}")
		elif ((i == COMP_CWORD)); then
			words+=('')
		fi
	done
	cur=${words[-1]:-}
	while IFS= read -r line; do
		case $line in
		:nospace) compopt -o nospace 2>/dev/null ;;
		:files)
			compopt -o filenames 2>/dev/null
			COMPREPLY+=($(compgen -f -- "$cur"))
			;;
		:directories)
			compopt -o filenames 2>/dev/null
			COMPREPLY+=($(compgen -d -- "$cur"))
			;;
		:programs) COMPREPLY+=($(compgen -c -- "$cur")) ;;
		*) COMPREPLY+=("${line%%$'\t'*}") ;; # behind the tab is what it means
		esac
	done < <("${1:-pccbpf}" complete "${words[@]}" 2>/dev/null)
}

complete -F _pccbpf pccbpf
