#compdef pccbpf
# SPDX-License-Identifier: GPL-2.0-only
#
# Completion of pccbpf for zsh. `pccbpf complete WORD...` prints what the last word can be, from the
# program's own tables, with the meaning of each.

_pccbpf() {
	local line
	local -a found typed behind
	typed=("${(@Q)words[2,CURRENT]}")
	while IFS= read -r line; do
		case $line in
		:nospace) behind=(-S '') ;;
		:files) _files ;;
		:directories) _files -/ ;;
		:programs) _command_names -e ;;
		*) found+=("${${line//:/\\:}/$'\t'/:}") ;;
		esac
	done < <("$words[1]" complete "${typed[@]}" 2>/dev/null)
	(($#found)) && _describe pccbpf found "${behind[@]}"
}

_pccbpf "$@"
