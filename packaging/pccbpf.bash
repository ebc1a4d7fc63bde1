# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2207
#
# Completion of pccbpf for bash. It asks `pccbpf help`, which is made from the program's own tables of commands and
# options; so it knows what the installed program knows.

# The options that take a value, with the values' names: "--wan WAN[,WAN]"; those without a value: "--json".
# A choice has its words behind it: "--scheme SCHEME consistent modulo".
_pccbpf_options() {
	# shellcheck disable=SC2086
	pccbpf help $1 2>/dev/null | awk '
		function flush() {
			if (option == "")
				return
			choices = ""
			if (match(text, /one of [a-z0-9, -]+/)) {
				choices = substr(text, RSTART + 7, RLENGTH - 7)
				gsub(/,/, "", choices)
			}
			print option " " value " " choices
			option = ""
		}
		/^  -h, --help/ { flush(); print "--help"; exit }
		/^  --/ { flush(); option = $1; value = $2 ~ /^[A-Z]/ ? $2 : ""; text = ""
			sub(/^  --[a-z0-9-]+ ?/, "") }
		option != "" { sub(/^ +/, " "); text = text $0 }'
}

_pccbpf_commands() {
	pccbpf help 2>/dev/null | awk '
		/^Options/ { exit }
		/^  [a-z]/ { sub(/^  /, ""); sub(/  .*/, ""); gsub(/ [A-Z[][^ ]*/, ""); print }'
}

# Names of interfaces, of WANs that are attached.
_pccbpf_values() {
	case $1 in
	lan) ls /sys/class/net 2>/dev/null ;;
	wan) pccbpf wan list --json 2>/dev/null | sed -n 's/.*"name": "\([^"]*\)".*/\1/p' ;;
	esac
}

# _pccbpf_value VALUE CHOICES: candidates for the value of an option.
_pccbpf_value() {
	local list=''
	case $1 in
	FILE) COMPREPLY=($(compgen -f -- "$cur")) ;;
	DIR) COMPREPLY=($(compgen -d -- "$cur")) ;;
	*IF\]* | WAN*) # a list: what is before the last comma stays
		[[ $cur != *,* ]] || list=${cur%,*},
		COMPREPLY=($(compgen -P "$list" -W "$(_pccbpf_values lan)" -- "${cur##*,}"))
		compopt -o nospace 2>/dev/null
		;;
	IF) COMPREPLY=($(compgen -W "$(_pccbpf_values wan)" -- "$cur")) ;;
	*) COMPREPLY=($(compgen -W "$2" -- "$cur")) ;;
	esac
}

# The command that the words before the cursor name, one word or two, into $command; how many of them there are
# behind it into $nth. Words of options and their values are none.
_pccbpf_command() {
	local commands=$1 word i
	command='' nth=0
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [[ $word == -* ]]; then
			continue
		elif [[ -z $command ]]; then
			command=$word
		elif grep -qxF -- "$command $word" <<<"$commands"; then
			command+=" $word"
		else
			nth=$((nth + 1))
		fi
	done
}

_pccbpf() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} commands command nth option value choices
	COMPREPLY=()
	commands=$(_pccbpf_commands)
	_pccbpf_command "$commands"
	if [[ -z $command ]]; then
		COMPREPLY=($(compgen -W "${commands//$'\n'/ } --help --version" -- "$cur"))
		return
	fi
	while read -r option value choices; do
		if [[ $option == "$prev" && -n $value ]]; then
			_pccbpf_value "$value" "$choices"
			return
		fi
	done < <(_pccbpf_options "$command")
	if [[ $cur == -* ]]; then
		COMPREPLY=($(compgen -W "$(_pccbpf_options "$command" | cut -d' ' -f1)" -- "$cur"))
		return
	fi
	case $command in
	wan | lan | show) COMPREPLY=($(compgen -W "$(sed -n "s/^$command //p" <<<"$commands")" -- "$cur")) ;;
	conns) COMPREPLY=($(compgen -W flush -- "$cur")) ;;
	'wan set' | 'wan del') ((nth)) || _pccbpf_value IF ;;
	'wan add' | 'lan add' | 'lan del') ((nth)) || COMPREPLY=($(compgen -W "$(_pccbpf_values lan)" -- "$cur")) ;;
	check | apply) ((nth)) || _pccbpf_value FILE ;;
	use)
		if ((nth == 0)); then
			_pccbpf_value IF
		elif ((nth == 1)); then
			COMPREPLY=($(compgen -c -- "$cur"))
		fi
		;;
	help) COMPREPLY=($(compgen -W "$(cut -d' ' -f1 <<<"$commands")" -- "$cur")) ;;
	esac
}

complete -F _pccbpf pccbpf
