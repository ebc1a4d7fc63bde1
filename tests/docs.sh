#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# docs.sh: do the documents say what the program does? Names are compared, both ways where that makes
# sense. Needs build/pccbpf and build/pccbpf.8. Last line: "N passed, N failed, N skipped".
#
# shellcheck disable=SC1003,SC2016 # back-slashes and back-quotes are meant as they stand
set -uo pipefail
shopt -s lastpipe # the end of a pipe counts in this shell
export LC_ALL=C

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
PCCBPF=build/pccbpf
MAN=build/pccbpf.8
MAN5=build/pccbpf.yaml.5
ABI=docs/ABI.md
HEADER=include/pccbpf.h
PASSED=0
FAILED=0
SKIPPED=0

# none_of WHAT: standard input has what is wrong, a line each.
none_of() {
	local wrong
	wrong=$(cat)
	if [[ -z $wrong ]]; then
		echo "ok   $1"
		PASSED=$((PASSED + 1))
	else
		echo "FAIL $1"
		printf '%s\n' "$wrong" | sed 's/^/     /'
		FAILED=$((FAILED + 1))
	fi
}

# ---------------------------------------------------------------- names

# "STRUCT FIELD" of the shared structs.
struct_fields() {
	awk '
		/^struct [a-z_]+ \{/ { name = $2 }
		/^\};/ { name = "" }
		name && match($0, /^\t(__[a-z0-9]+|char|struct [a-z_]+) [a-z_0-9]+(\[[^]]*\])?;/) {
			field = $0
			sub(/^\t(struct )?[a-z_0-9]+ /, "", field)
			sub(/[;[].*/, "", field)
			print name, field
		}' $HEADER
}

maps() {
	sed -n 's/^} \(pcc_[a-z_]*\) SEC(".maps").*/\1/p' bpf/maps.bpf.h
}

# Pin names, of maps and programs.
pins() {
	sed -n '/^#define PCC_\(MAPS\|PROGS\)(X)/,/[^\\]$/s/.*X([A-Z_]*, \(pcc_[a-z_]*\)).*/\1/p' user/pins/dataplane.h
}

counters() {
	tr -d '\n\\' <$HEADER | grep -oE 'X\([A-Z_0-9]+,[[:space:]]*"[a-z_0-9]+",[[:space:]]*"' |
		sed 's/^[^"]*"\([^"]*\)".*/\1/'
}

commands() {
	"$PCCBPF" help | awk '
		/^Options/ { exit }
		/^  [a-z]/ {
			sub(/^  /, "")
			sub(/  .*/, "")
			gsub(/ [A-Z[][^ ]*/, "")
			print
		}'
}

options() {
	local command
	commands | while read -r command; do
		# shellcheck disable=SC2086
		"$PCCBPF" help $command
	done | grep -oE '^  (-[a-zA-Z], )?--[a-z0-9-]+' | grep -oE -- '--[a-z0-9-]+' | sort -u
	echo --version
}

# Names of fields in JSON: words before a value where it is made, and the names of the counters.
json_fields() {
	awk '
		/json_(pack|object_set_new)\(|_counter_names\[.*= \{/ { on = 1 }
		on {
			line = $0
			sub(/"\{[^"]*"/, "", line)
			sub(/"\[[^"]*"/, "", line)
			while (match(line, /"[a-z][a-z_0-9]*", */)) {
				word = substr(line, RSTART + 1)
				sub(/".*/, "", word)
				print word
				line = substr(line, RSTART + RLENGTH)
			}
		}
		/;$/ { on = 0 }' user/cli/write_json.c user/pins/stats.c user/cli/cmd_conns.c user/cli/cmd_explain.c |
		grep -vxE 'off|none|masquerade|tc|xdp' | sort -u
}

man_text() {
	MANWIDTH=200 man -l "$MAN" 2>/dev/null | sed 's/.\x08//g'
}

# ---------------------------------------------------------------- checks

check_abi() {
	struct_fields | while read -r name field; do
		grep -q "struct $name\`" $ABI || echo "struct $name is missing"
		awk -v s="struct $name\`" -v f="\`$field\`" '
			index($0, s) { on = 1 }
			on && index($0, f) { found = 1 }
			END { exit !found }' $ABI || echo "$name.$field is missing"
	done | sort -u | none_of 'ABI.md has every field of every struct of the header'
	{
		maps
		pins
	} | sort -u | while read -r name; do
		grep -q "\`$name\`\|^## $name\$" $ABI || echo "$name"
	done | none_of 'ABI.md has every map and every pin'
	maps | while read -r name; do
		grep -qx "## $name" $ABI || echo "$name has no section"
	done | none_of 'every map has a section of its own'
	grep -oE '^## pcc_[a-z_]+' $ABI | cut -c4- | sort | comm -23 - <({
		maps
		sed -n 's/^} \(pcc_[a-z_]*\) SEC(".maps").*/\1/p' bpf/*
	} | sort -u) | none_of 'ABI.md describes no map that is not there'
	sed -n 's/^#define PCC_ABI_VERSION \([0-9]*\)u$/\1/p' $HEADER | while read -r version; do
		grep -q "PCC_ABI_VERSION\`, now $version\\." $ABI || echo "the header has $version"
	done | none_of 'ABI.md names the version of the header'
}

check_man() {
	local text
	text=$(man_text)
	commands | while read -r name; do
		grep -qE "^       $name( |\$)|pccbpf $name" <<<"$text" || echo "$name"
	done | none_of 'pccbpf(8) has every command'
	options | while read -r name; do
		grep -qE -- "(^|[^a-z-])$name([^a-z-]|\$)" <<<"$text" || echo "$name"
	done | none_of 'pccbpf(8) has every option'
	grep -oE -- '--[a-z][a-z0-9-]+' <<<"$text" | sort -u | comm -23 - <(options | sort -u) |
		none_of 'pccbpf(8) has no option that is not there'
	counters | while read -r name; do
		grep -qx ".B $name" "$MAN" || echo "$name"
	done | none_of 'pccbpf(8) has every counter'
	json_fields | while read -r name; do
		grep -qE "(^|[^a-z_])$name([^a-z_]|\$)" <<<"$text" || echo "$name"
	done | none_of 'pccbpf(8) has every field of the JSON output'
	MANWIDTH=80 man -l --warnings=w "$MAN" 2>&1 >/dev/null | none_of 'pccbpf(8) has no error of markup'
}

# Keys of the configuration file.
keys() {
	grep -ohE '(\.name = |HEALTH\(|POLICY\()"[a-z0-9-]+"' user/config/conf_keys.c user/model/base_keys.h | cut -d'"' -f2 | grep -v '^--' | sort -u
}

check_yaml() {
	local text
	text=$(MANWIDTH=200 man -l "$MAN5" 2>/dev/null | sed 's/.\x08//g')
	keys | while read -r name; do
		grep -qE -- "(^|[^a-z-])$name([^a-z-]|\$)" <<<"$text" || echo "$name"
	done | none_of 'pccbpf.yaml(5) has every key'
	sed -n '/^#define PCC_TARGET_KINDS(X)/,/[^\\]$/s/.*X([A-Z]*, \([a-z]*\)).*/\1:/p' user/health/target.h |
		while read -r kind; do
			grep -qF -- "$kind//" <<<"$text" || echo "$kind//"
		done | none_of 'pccbpf.yaml(5) has every kind of target'
	MANWIDTH=80 man -l --warnings=w "$MAN5" 2>&1 >/dev/null | none_of 'pccbpf.yaml(5) has no error of markup'
	sed -n '/^\.SH EXAMPLE/,/^\.EE/p' "$MAN5" | grep -v '^\.' | "$PCCBPF" check - 2>&1 |
		grep -v '^-: fine: ' | none_of 'its example is fine'
}

# Every document of the checkout: README.md, CONTRIBUTING.md, docs/ and the short ones in the folders.
documents() {
	scripts/sources.sh | grep '\.md$'
}

# headings FILE: as the names that a link into a document uses.
headings() {
	sed -n 's/^##* //p' "$1" | tr '[:upper:]' '[:lower:]' | sed 's/[^a-z0-9 _-]//g; s/ /-/g'
}

# "DOCUMENT TARGET" of each link and picture to a file, TARGET as seen from the top of the checkout.
links() {
	local document target path
	documents | while read -r document; do
		grep -ohE '\]\([A-Za-z0-9_./#-]+\)' "$document" | tr -d '()]' | while read -r target; do
			path=${target%%#*}
			path=$(realpath -m --relative-to=. "$(dirname "$document")/${path:-$(basename "$document")}")
			[[ $target != *#* ]] || path+="#${target#*#}"
			echo "$document $path"
		done
	done
}

# Blocks of a document that are a whole configuration file: indented, the first line is "lan:". `examples FILE N`
# prints the Nth; nothing is printed where there are fewer.
examples() {
	awk -v wanted="$2" '
		/^    lan:/ && !on { on = 1; n++ }
		on && !/^    / && !/^$/ { on = 0 }
		on && n == wanted { print substr($0, 5) }' "$1"
}

check_documents() {
	local document n text list
	mapfile -t list < <(documents)
	grep -hE 'pccbpf [a-z]' "${list[@]}" | grep -oE 'pccbpf [a-z]+[^`]*' |
		grep -oE -- '(^| )--[a-z][a-z0-9-]+' | tr -d ' ' | sort -u | comm -23 - <(options | sort -u) |
		none_of 'the documents use no option that is not there'
	grep -ohE '`pccbpf (wan|lan|conns|show) [a-z]+|`pccbpf [a-z]+' "${list[@]}" | cut -c9- | sort -u |
		while read -r name; do
			commands | grep -qxF -e "$name" -e "${name%% *}" || echo "$name"
		done | none_of 'the documents use no command that is not there'
	text=$(<docs/GUIDE.md)
	commands | while read -r name; do
		grep -qE "pccbpf $name([^a-z]|\$)" <<<"$text" || echo "$name"
	done | none_of 'GUIDE.md has every command'
	sed -n '/^## Counters/,/^## [^C]/s/^| `\([a-z_]*\)`.*/\1/p' docs/OPERATIONS.md | sort -u |
		comm -23 - <(counters | sort -u) | none_of 'OPERATIONS.md explains no counter that is not there'
	for document in "${list[@]}"; do
		for ((n = 1; ; n++)); do
			text=$(examples "$document" $n)
			[[ $text ]] || break
			"$PCCBPF" check - <<<"$text" 2>&1 | grep -v '^-: fine: ' | sed "s|^|$document, example $n: |"
		done
	done | none_of 'every configuration file in the documents is fine'
}

check_links() {
	links | while read -r document target; do
		if [[ ! -e ${target%%#*} ]]; then
			echo "$document: ${target%%#*}"
		elif [[ $target == *#* ]]; then
			headings "${target%%#*}" | grep -qxF -e "${target#*#}" || echo "$document: $target"
		fi
	done | none_of 'links of the documents lead somewhere'
	{
		links | awk '$1 == "README.md" || $1 ~ /^docs\// { sub(/#.*/, "", $2); print $2 }'
		find docs -maxdepth 1 -name '*.md'
	} | grep -E '^docs/[A-Za-z]+\.(md|svg)$' | sort -u | while read -r path; do
		grep -qxF "$path" debian/pccbpf.docs || echo "$path"
	done | none_of 'the package has the documents, and the pictures in them'
	while read -r path; do
		[[ -e $path ]] || echo "$path"
	done <debian/pccbpf.docs | none_of 'the package names no document that is not there'
}

# What make would do if nothing were built, and not only whether it knows the name: a .PHONY without a recipe does
# nothing and succeeds.
check_targets() {
	local orders list
	mapfile -t list < <(documents)
	{
		grep -ohE '`make [a-z0-9-]+|^    make [a-z0-9-]+' "${list[@]}" | sed 's/.*make //'
		sed -n 's/^\.PHONY: //p' Makefile bench/bench.mk | tr ' ' '\n'
		grep -ohE 'dh_auto_build -- .*' debian/rules | awk '{ print $NF }'
	} | sort -u | while read -r target; do
		orders=$(make -nB "$target" 2>/dev/null | sed '/Nothing to be done/d')
		[[ $orders ]] || echo "$target"
	done | none_of 'make does something for every target that the documents name'
}

# The front page and the signs in the folders are read by people in a hurry.
check_length() {
	documents | while read -r document; do
		case $document in
		README.md) echo "$document 150" ;;
		*/README.md) echo "$document 15" ;;
		esac
	done | while read -r document limit; do
		n=$(wc -l <"$document")
		((n <= limit)) || echo "$document: $n lines, at most $limit"
	done | none_of 'README.md has at most 150 lines, those of folders 15'
}

# Files and functions that a document names are there: those that were moved or renamed are named anew.
check_names() {
	local files document name
	files=$(scripts/sources.sh)
	for document in docs/DESIGN.md CONTRIBUTING.md; do
		grep -oE '`[a-z_0-9]+\(\)`' $document | tr -d '`()' | sort -u | while read -r name; do
			grep -rh "\b$name(" --include='*.[ch]' bpf user include | grep -qvE '^[[:space:]]*(/?\*|//)' ||
				echo "$document: $name()"
		done
	done | none_of 'functions that DESIGN.md and CONTRIBUTING.md name are in the code'
	for document in docs/DESIGN.md CONTRIBUTING.md bpf/README.md; do
		grep -oE '[A-Za-z0-9_./*-]+\.(c|h|sh|py|txt|md|svg|in)\b' $document | grep -vE 'NAME|PART' | sort -u |
			while read -r name; do
				case $name in
				vmlinux.h) continue ;; # is said not to be needed
				esac
				name=${name#../}
				name=${name//./\\.}
				grep -qE "(^|/)${name//\*/[^/]*}\$" <<<"$files" || echo "$document: ${name//\\/}"
			done
	done | none_of 'files that DESIGN.md, CONTRIBUTING.md and bpf/README.md name are in the tree'
}

# Paths of one machine, notes to oneself, advertising.
check_words() {
	local list
	mapfile -t list < <(documents)
	grep -nIE '/work/|TODO|FIXME|XXX:|[Ss]eamless|[Bb]lazing|cutting.edge|[Rr]evolution|[Pp]owerful|[Oo]bviously' \
		"${list[@]}" docs/* scripts/* Makefile 2>/dev/null | sort -u | none_of 'no word that does not belong'
}

if [[ ! -x $PCCBPF || ! -r $MAN || ! -r $MAN5 ]]; then
	echo "skip the documents: build/pccbpf and its manual pages are missing (make)"
	SKIPPED=1
else
	check_abi
	check_man
	check_yaml
	check_documents
	check_links
	check_names
	check_targets
	check_length
	check_words
fi
echo "$PASSED passed, $FAILED failed, $SKIPPED skipped"
exit $((FAILED != 0))
