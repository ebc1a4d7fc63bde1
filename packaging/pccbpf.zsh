#compdef pccbpf
# SPDX-License-Identifier: GPL-2.0-only
#
# Completion of pccbpf for zsh. `pccbpf complete WORD...` says what can stand in the place of the last word, out of the
# program's own tables, with what each means.

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
