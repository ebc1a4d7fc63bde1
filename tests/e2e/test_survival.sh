#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Connections that exist outlive everything that does not concern their own WAN: the first attach,
# changes of the configuration, and commands that are killed.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip nft nsenter jq bpftool

COUNT=200
KILLS=${KILLS:-36}

lab_up --isps 4 --hosts 1
rt ip link add lan9 type veth peer name lan9p
rt ip link set lan9 up
rt ip link set lan9p up

# seen_by_wan: how many connections each WAN has, "wan1 wan2 ..." in the words of the servers.
seen_by_wan() {
	hold_report | jq -c '[.connections[].seen | sub("^198[.]18[.]"; "") | sub("^2001:db8:"; "") | .[0:1]] |
		group_by(.) | map({(.[0]): length}) | add'
}

# changes: runs commands from stdin; after each none of the connections is harmed.
changes() {
	local words failed=0
	while read -ra words; do
		t_assert_status 0 pcc "${words[@]}"
		hold_unharmed $COUNT || {
			echo "	after ${words[*]}"
			((++failed < 3)) || return
		}
	done
}

t_begin "$COUNT connections through somebody's own masquerade survive the first attach"
plain_masquerade
hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port "$TCP_PORTS" --count $COUNT --interval-ms 100
hold_unharmed $COUNT
t_assert_eq "$(seen_by_wan)" "{\"1\":$COUNT}" 'connections by WAN'
t_assert_status 0 pcc attach --lan br0 --wan wan1,wan2,wan3
hold_unharmed $COUNT
t_assert_eq "$(pcc conns --json | jq -c '[.[] | select(.proto == "tcp") | .wan] | group_by(.) |
	map({(.[0]): length}) | add')" "{\"wan1\":$COUNT}" 'connections that were adopted'
t_assert_eq "$(lan 1 "$LABTOOL" connect --dst "$SERVERS4" --port "$TCP_PORTS" --count 100 2>/dev/null |
	awk '{ print $5 }' | sort -u | paste -sd' ')" '198.18.1.2 198.18.2.2 198.18.3.2' 'new ones'
t_assert_eq "$(hold_stop | jq -c '[.alive, .broken]')" "[$COUNT,0]" 'at the end'

t_begin 'new ones stand on all the WANs'
t_assert_status 0 pcc attach --lan br0 --wan wan1,wan2,wan3
hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port "$TCP_PORTS" --count $COUNT --interval-ms 100
hold_unharmed $COUNT
wans=$(seen_by_wan)
for wan in 1 2 3; do
	t_assert "wan$wan has connections: $wans" jq -en --argjson w "$wans" ".w = \$w | .w[\"$wan\"] > 30" >/dev/null
done

t_begin 'they survive changes of other WANs and LANs, and of weights'
changes <<-'END'
	wan add wan4
	wan set wan1 --weight 20
	wan set wan2 --weight 255
	wan set wan4 --state drain
	wan set wan3 --state drain
	wan set wan3 --state up
	lan add lan9
	lan del lan9
	wan set wan4 --state down
	wan del wan4
END
t_assert_eq "$(seen_by_wan)" "$wans" 'connections by WAN'

t_begin 'they survive attach with other options'
changes <<-'END'
	attach --lan br0 --wan wan1,wan2,wan3
	attach --lan br0 --wan wan1,wan2,wan3
	attach --lan br0 --wan wan1,wan2,wan3 --classifier both-addresses-and-ports
	attach --lan br0 --wan wan3,wan2,wan1 --classifier src-port --seed 7
	attach --lan br0 --wan wan1*9,wan2*9,wan3*9 --scheme modulo
	attach --lan br0 --wan wan1*255,wan2*255,wan3*255,wan4*255 --scheme modulo
	attach --lan br0 --wan wan1,wan2,wan3 --buckets 4096
	attach --lan br0 --wan wan1,wan2,wan3 --buckets 16384
	attach --lan br0 --wan wan1,wan2,wan3 --buckets 64
	attach --lan br0 --wan wan1,wan2,wan3 --max-conns 2048
	attach --lan br0 --wan wan1,wan2,wan3 --max-conns 65536
	attach --lan br0 --wan wan1,wan2,wan3 --fastpath off
	attach --lan br0 --wan wan1,wan2,wan3 --fastpath tc
	attach --lan br0,lan9 --wan wan1,wan2,wan3 --fastpath auto
	attach --lan br0 --wan wan1,wan2,wan3 --no-nat
	attach --lan br0 --wan wan1,wan2,wan3
END
t_assert_eq "$(seen_by_wan)" "$wans" 'connections by WAN'
t_assert_eq "$(pcc conns --json | jq '[.[] | select(.proto == "tcp" and .dport >= 7000 and .dport < 7016 and .wan != "")] |
	length >= '$COUNT)" true 'they are remembered'

# The program that runs on the LAN uses the maps that are pinned: what a command writes is what counts.
maps_agree() {
	local pins used missing
	pins=$(printf "map show pinned $BPFFS/pccbpf/%s\n" pcc_{conns,buckets,stats,wans,meta,ifaces} |
		bpftool batch file - | sed -n 's/^\([0-9]*\): .* name .*/\1/p')
	used=$(bpftool link show pinned "$BPFFS/pccbpf/link_in_$BR0" | sed -n 's/.* prog \([0-9]*\).*/\1/p')
	used=$(bpftool prog show id "$used" | sed -n 's/.*map_ids //p' | tr ',' '\n')
	missing=$(grep -vxF "$used" <<<"$pins")
	t_assert_eq "$(wc -w <<<"$pins") $missing" '6 ' 'maps that are pinned, and those of them that are not in use'
}
BR0=$(rt_ifindex br0)

t_begin "they survive $KILLS commands killed at random moments; the next command repairs"
BASE='attach --lan br0 --wan wan1,wan2,wan3'
# The command that is killed, and the one that must make it good.
victims=(
	"$BASE|$BASE"
	"$BASE --buckets 4096|$BASE --buckets 4096"
	"$BASE --buckets 4096 --max-conns 8192|$BASE"
	"wan add wan4|wan add wan4"
	"wan set wan2 --weight 3|wan set wan2 --weight 1"
	"wan del wan4|$BASE"
	"lan add lan9|lan add lan9"
	"$BASE,wan4 --max-conns 4096|$BASE --max-conns 65536"
)
read -ra words <<<"$BASE --max-conns 65536"
t_assert_status 0 pcc "${words[@]}"
killed=0
size=0
wrong=0
for ((i = 0; i < KILLS && wrong < 4; i++)); do
	IFS='|' read -r victim repair <<<"${victims[i % ${#victims[@]}]}"
	if [[ $victim == 'wan del'* ]]; then
		t_assert_status 0 pcc wan add wan4
	fi
	read -ra words <<<"$victim"
	# How long the command takes grows and shrinks with the machine: one undisturbed sets the span.
	span=90
	[[ $victim != *--buckets* && $victim != *--max-conns* ]] || span=450
	delay=$((RANDOM % span))
	pcc_start "${words[@]}"
	sleep "$(printf '0.%03d' $delay)"
	process_gone "$PCC_PID" || killed=$((killed + 1))
	pcc_kill
	read -ra words <<<"$repair"
	before=$T_STATE
	t_assert_status 0 pcc "${words[@]}"
	maps_agree
	t_assert_eq "$(pcc status --json | jq -c '[.lan[].hook, .wans[].hook] | unique')" '["tcx"]' hooks
	hold_is ".alive == $COUNT and .broken == 0" || hold_unharmed $COUNT
	if [[ $T_STATE != "$before" ]]; then
		echo "	'$victim' killed after $delay ms, then '$repair'"
		wrong=$((wrong + 1))
	fi
done
hold_unharmed $COUNT
t_assert_eq "$(seen_by_wan)" "$wans" 'connections by WAN'
t_assert "only $killed commands were still at work when they were killed" test $killed -ge $((KILLS / 3))
echo "     $killed of $KILLS were at work when they were killed"

t_begin 'they survive a re-attach that is killed at each step of exchanging its maps; it is repaired'
# Needs strace, to kill at a given step.
kill_in_exchange() {
	local n status before renames=rename,renameat,renameat2
	# The N-th pin that takes its place is the last thing that the command does.
	for ((n = 1; n <= 40; n++)); do
		size=$((size == 4096 ? 8192 : 4096))
		read -ra words <<<"$BASE --buckets $((size * 2)) --max-conns $size"
		status=0
		{
			rt strace -f -qq -o /dev/null -e "trace=$renames" -e "inject=$renames:signal=KILL:when=$n" \
				"$PCCBPF" "${words[@]}" --bpffs "$BPFFS/pccbpf" || status=$?
		} >/dev/null 2>&1
		((status)) || break
		before=$T_STATE
		((n % 2)) || read -ra words <<<"$BASE --max-conns $size"
		t_assert_status 0 pcc "${words[@]}"
		maps_agree
		hold_is ".alive == $COUNT and .broken == 0" || hold_unharmed $COUNT
		if [[ $T_STATE != "$before" ]]; then
			echo "	killed at rename $n, then '${words[*]}'"
			break
		fi
	done
	t_assert "killed at $((n - 1)) steps only" test $n -gt 3
	echo "     killed at $((n - 1)) steps"
}
if command -v strace >/dev/null; then
	kill_in_exchange
else
	t_skip 'needs strace'
fi

t_begin 'none broke, and none was silent for a second'
last=$(hold_stop)
t_assert_eq "$(jq -c '[.alive, .broken]' <<<"$last")" "[$COUNT,0]" 'alive, broken'
t_assert_ms "$(jq .max_gap_ms <<<"$last")" 1500 'longest silence'

t_begin 'connections of the WAN that the main table prefers survive detach, after seconds of the fast path'
t_assert_status 0 pcc attach --lan br0 --wan wan1
hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port "$TCP_PORTS" --count 50 --interval-ms 50
carried() {
	hold_is '.alive == 50 and ([.connections[].bytes] | min) > 2000'
}
t_assert 'they carry data' eventually carried
t_assert_status 0 pcc detach
hold_unharmed 50
read -ra words <<<"$BASE"
t_assert_status 0 pcc "${words[@]}"
hold_unharmed 50
t_assert_eq "$(hold_stop | jq -c '[.alive, .broken]')" '[50,0]' 'alive, broken'

t_begin 'what the killed commands left is gone after a last repair and detach'
read -ra words <<<"$BASE"
t_assert_status 0 pcc "${words[@]}"
t_assert_eq "$(rt ip rule show | grep -c 'lookup 104')" 0 'rules of wan4'
t_assert_eq "$(rt ip route show table 104 2>/dev/null)" '' 'routes of wan4'
t_assert_eq "$(find "$BPFFS/pccbpf" -name '*_new' -o -name "link_*_$(rt_ifindex wan4)" | wc -l)" 0 \
	'pins of a killed command, or of wan4'
t_assert_status 0 pcc detach
t_assert_eq "$(rt nft list tables)" 'table inet labnat' 'nft tables'
t_assert_eq "$(rt ip rule show | grep -c 'proto 172')" 0 rules
t_assert 'the pin directory' test ! -e "$BPFFS/pccbpf"
