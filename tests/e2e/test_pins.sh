#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Pins that are damaged, of another version or of another network namespace: every command refuses
# them and changes nothing. What is not ours in the directory stays.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip nft nsenter jq bpftool perl

lab_up --isps 3 --hosts 1
DIR=$BPFFS/pccbpf
ATTACH=(attach --lan br0 --wan 'wan1,wan2')
rt_state >"$T_DIR/clean"

one_line() {
	local text
	text=$(<"$T_DIR/err")
	[[ $text =~ ^pccbpf:\ [^:]+:\ [^$'\n']*\ \([^$'\n']+\)$ ]] ||
		t_fail "$1 says '$text', which is not one line 'pccbpf: OBJECT: CAUSE (HINT)'"
}

CHANGES='attach --lan br0 --wan wan1,wan2
detach
wan set wan1 --weight 9'
EVERYTHING="$CHANGES
attach --lan br0 --wan wan1,wan2 --dry-run
attach --lan br0 --wan wan1,wan3 --max-conns 4096
detach --dry-run
wan add wan3
wan del wan2
wan list
lan add wan3
lan del br0
status
status --json
stats
conns
conns flush --all
explain 192.168.77.11:4000 203.0.113.1:80"

# refused TEXT COMMANDS: each ends with 1 and one line that has TEXT, and all together change nothing.
refused() {
	local words
	rt_state >"$T_DIR/before"
	rt_ids >"$T_DIR/ids" 2>/dev/null
	while read -ra words; do
		t_assert_status 1 pcc "${words[@]}"
		one_line "${words[*]}"
		[[ $(<"$T_DIR/err") == *"$1"* ]] || t_fail "${words[*]}: '$1' is not in: $(<"$T_DIR/err")"
		t_assert_eq "$(<"$T_DIR/out")" '' "${words[*]}: stdout"
	done <<<"$2"
	same_as "$T_DIR/ids" rt_ids 2>/dev/null && same_as "$T_DIR/before" rt_state
}

# Gives the sysctls the values in $T_DIR/clean.
restore_sysctls() {
	local path value
	while IFS=: read -r path value; do
		[[ $path != /proc/sys/* || $(rt cat "$path") == "$value" ]] ||
			rt sh -c "echo '$value' >$path"
	done < <(diff "$T_DIR/clean" <(rt_state) | sed -n 's/^< //p')
}

# Damaged pins are cleared away, and the router is as before attach. What is left is not counted again.
cleared() {
	t_assert_status 0 pcc detach --force
	t_assert_eq "$(<"$T_DIR/err")" '' 'warnings'
	same_as "$T_DIR/clean" rt_state && return
	restore_sysctls
	[[ ! -d $DIR ]] || rmdir "$DIR"
}

for map in pcc_conns pcc_sysctls pcc_meta; do
	t_begin "$map is missing"
	t_assert_status 0 pcc "${ATTACH[@]}"
	rm "$DIR/$map"
	refused "$map" "$([[ $map == pcc_conns ]] && echo "$EVERYTHING" || echo "$CHANGES")"
	[[ $map != pcc_sysctls ]] || {
		# The values before attach are lost with it: the test gives them back.
		t_assert_status 0 pcc detach --force
		restore_sysctls
	}
	cleared
done

for prog in pcc_lan_in pcc_wan_out; do
	t_begin "the program $prog is missing"
	t_assert_status 0 pcc "${ATTACH[@]}"
	rm "$DIR/$prog"
	refused "$prog" "$CHANGES"
	cleared
done

# replaced NAME TYPE KEY VALUE ENTRIES: puts another map at the place of one of ours.
replaced() {
	rm "$DIR/$1"
	bpftool map create "$DIR/$1" type "$2" key "$3" value "$4" entries "$5" name "${1:0:15}"
}

while read -r name type key value entries; do
	t_begin "$name is a $type of key $key, value $value, $entries entries"
	t_assert_status 0 pcc "${ATTACH[@]}"
	replaced "$name" "$type" "$key" "$value" "$entries"
	refused "$name" "$CHANGES"
	cleared
done <<-'END'
	pcc_conns lru_hash 40 64 1024
	pcc_conns hash 40 72 1024
	pcc_wans array 4 64 8
	pcc_meta array 4 8 1
	pcc_stats percpu_array 4 16 2048
	pcc_wire_out hash 4 16 256
END

t_begin 'a program stands where a map should be'
t_assert_status 0 pcc "${ATTACH[@]}"
mv "$DIR/pcc_local" "$DIR/other_map"
mv "$DIR/pcc_wan_in" "$DIR/pcc_local"
refused pcc_local "$CHANGES"
rm "$DIR/other_map"
cleared

# meta_set OFFSET BYTE: writes one byte of the only value of pcc_meta.
meta_set() {
	local bytes
	mapfile -t bytes < <(bpftool -j map dump pinned "$DIR/pcc_meta" | jq -r '.[0].value[]')
	bytes[$1]=$2
	bpftool map update pinned "$DIR/pcc_meta" key 0 0 0 0 value "${bytes[@]}"
}

while read -r offset byte text what; do
	t_begin "pcc_meta has $what"
	t_assert_status 0 pcc "${ATTACH[@]}"
	meta_set "$offset" "$byte"
	refused "$text" "$([[ $text == ABI ]] && echo "$EVERYTHING" || echo "$CHANGES")"
	cleared
done <<-'END'
	0 0x55 magic another magic
	4 0x63 ABI another ABI version
	12 0x07 pcc_meta another size of connections
	36 0x09 pcc_meta an active half that does not exist
END

t_begin 'pcc_meta has another ABI version, which had another set of maps'
t_assert_status 0 pcc "${ATTACH[@]}"
meta_set 4 0x63
rm "$DIR/pcc_leased"
refused ABI "$EVERYTHING"
cleared

# Maps that came without a new number, as docs/ABI.md has it.
younger() {
	t_assert_status 0 pcc "${ATTACH[@]}"
	rt_ids | grep -w 'pcc_conns\|pcc_flows' >"$T_DIR/ids"
	rm "$DIR/pcc_wire_in" "$DIR/pcc_wire_out"
}

t_begin 'pins of an older build of this ABI: read as they are, the next change adds the maps that it had not, and detach clears'
younger
t_assert_status 0 pcc status
t_assert_status 0 pcc conns
t_assert 'nothing was made by looking' test ! -e "$DIR/pcc_wire_in"
t_assert_status 0 pcc wan set wan1 --weight 9
t_assert 'both maps' test -e "$DIR/pcc_wire_in" -a -e "$DIR/pcc_wire_out"
rt_ids | grep -w 'pcc_conns\|pcc_flows' >"$T_DIR/ids.after"
t_assert 'connections and leases are in the same maps' cmp -s "$T_DIR/ids" "$T_DIR/ids.after"
t_assert_status 0 pcc detach
same_as "$T_DIR/clean" rt_state
younger
t_assert_status 0 pcc detach
same_as "$T_DIR/clean" rt_state

t_begin 'what the detach of such a build leaves is nobody'\''s: status says that nothing is attached, attach and detach take it away'
for words in 'attach --lan br0 --wan wan1,wan2' detach; do
	mkdir "$DIR"
	bpftool map create "$DIR/pcc_wire_in" type hash key 16 value 4 entries 256 name pcc_wire_in
	bpftool map create "$DIR/pcc_wire_out" type hash key 4 value 32 entries 256 name pcc_wire_out
	t_assert_eq "$(pcc status)" 'not attached' 'status'
	# shellcheck disable=SC2086
	pcc $words >/dev/null 2>&1
	[[ $words == detach ]] || t_assert_status 0 pcc detach
	same_as "$T_DIR/clean" rt_state
	[[ ! -d $DIR ]] || rm -r "$DIR"
done

# Names that stand in the debugging information of one kind of object each.
t_begin 'a build that differs only in the programs of XDP, of next hops, at connect() or at sockets loads its own'
t_assert_status 0 pcc "${ATTACH[@]}"
for name in xdp_is_ours pcc_neigh_done own_choose pcc_asked_out6; do
	other=$T_DIR/pccbpf-$name
	perl -pe "s/$name/${name^^}/g" "$PCCBPF" >"$other"
	chmod +x "$other"
	t_assert "$name is somewhere" test "$(grep -c "${name^^}" "$other")" -gt 0
	PCCBPF=$other t_assert_status 0 pcc "${ATTACH[@]}" --dry-run
	t_assert "$name: loads its programs" grep -q '^bpf: load the programs' "$T_DIR/out"
done
t_assert_eq "$(pcc "${ATTACH[@]}" --dry-run)" 'nothing to do' 'the plan of the same build'
t_assert_status 0 pcc detach
same_as "$T_DIR/clean" rt_state

t_begin 'a WAN in pcc_wans has impossible values'
t_assert_status 0 pcc "${ATTACH[@]}"
mapfile -t bytes < <(bpftool -j map lookup pinned "$DIR/pcc_wans" key 1 0 0 0 | jq -r '.value[]')
bytes[0]=0x77
bpftool map update pinned "$DIR/pcc_wans" key 1 0 0 0 value "${bytes[@]}"
refused pcc_wans "$CHANGES"
cleared

t_begin 'the pins of another network namespace are refused there, and stay'
t_assert_status 0 pcc "${ATTACH[@]}"
rt_ids >"$T_DIR/ids"
rt_state >"$T_DIR/before"
while read -ra words; do
	t_assert_status 1 isp 1 "$PCCBPF" "${words[@]}" --bpffs "$DIR"
	one_line "${words[*]}"
	t_assert "${words[*]} says: $(<"$T_DIR/err")" grep -q 'network namespace' "$T_DIR/err"
done <<-'END'
	attach --lan core --wan cust@198.18.1.2
	detach
	detach --dry-run
	wan del wan1
	wan set wan1 --state down
	status
	stats --json
	conns
	conns flush --all
END
same_as "$T_DIR/ids" rt_ids
same_as "$T_DIR/before" rt_state
t_assert_status 0 pcc status

t_begin "foreign files in the directory survive detach, and with them the directory"
bpftool map create "$DIR/mine" type array key 4 value 4 entries 1 name mine
mkdir "$DIR/sub"
bpftool map create "$DIR/sub/pcc_conns" type array key 4 value 4 entries 1 name mine2
t_assert_status 0 pcc status
t_assert_status 0 pcc wan add wan3
t_assert_status 0 pcc detach
t_assert_eq "$(cd "$DIR" && find . -mindepth 1 | sort | paste -sd' ')" './mine ./sub ./sub/pcc_conns' 'what is left'
t_assert_status 0 pcc "${ATTACH[@]}"
t_assert_status 0 pcc detach --force
t_assert_eq "$(cd "$DIR" && find . -mindepth 1 | sort | paste -sd' ')" './mine ./sub ./sub/pcc_conns' 'after --force'
rm "$DIR/mine" "$DIR/sub/pcc_conns"
rmdir "$DIR/sub" "$DIR"

t_begin 'detach --force where nothing is attached changes nothing'
t_assert_status 0 pcc detach --force
same_as "$T_DIR/clean" rt_state
