# SPDX-License-Identifier: GPL-2.0-only
#
# functions.awk: prints "FILE FUNCTION LINES" for each function of more than MAX lines (awk -v MAX=60), from the
# line with which its definition opens to its closing brace. The sources have the kernel's style: the braces of a
# function are in the first column, those of a struct or a table are not.

FNR == 1 { first = inside = 0 }
inside {
	if (!/^}/)
		next
	lines = FNR - first + 1
	if (lines > MAX)
		print FILENAME, name, lines
	first = inside = 0
	next
}
/^\{/ {
	inside = first != 0
	next
}
# A blank line, a comment, a macro, a closing brace.
/^[ \t]*$/ || /^[#\/}]/ || /^ \*/ {
	first = 0
	next
}
/^[A-Za-z_]/ {
	if (!first)
		first = FNR
	if ($0 !~ /^SEC\(/ && /\(/) {
		name = $0
		sub(/\(.*/, "", name)
		sub(/.*[ *]/, "", name)
	}
}
/[;}]$/ { first = 0 }
