#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# attach and detach leave no trace, doing it twice changes nothing, and a command that fails, is
# killed or meets another one leaves the router as it was, or can be taken back.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip tc nft nsenter jq bpftool conntrack flock

# What of the programs and links with these ids still exists.
objects_left() {
	local kind id
	while read -r kind id; do
		bpftool "$kind" show id "$id" >/dev/null 2>&1 && echo "$kind $id"
	done
	return 0
}

# The ids of what is attached: "prog N" and "link N".
objects() {
	local pin
	for pin in "$BPFFS"/pccbpf/link_* "$BPFFS"/pccbpf/pcc_{lan,wan}_{in,out}; do
		case ${pin##*/} in
		link_\*) ;;
		link_*) echo "link $(bpftool -j link show pinned "$pin" | jq .id)" ;;
		*) echo "prog $(bpftool -j prog show pinned "$pin" | jq .id)" ;;
		esac
	done
}

# The kernel frees programs a moment after the last reference has gone.
objects_gone() {
	[[ -z $(objects_left <"$T_DIR/objects") ]]
}

hooks() {
	pcc status --json | jq -r '[.lan[].hook, .wans[].hook] | unique | join(" ")'
}

# detach gives back the state of $T_DIR/clean. If not, what is left is not counted again.
detach_clean() {
	objects >"$T_DIR/objects"
	t_assert_status 0 pcc detach
	same_as "$T_DIR/clean" rt_state || rt_state >"$T_DIR/clean"
	t_assert "programs or links are left: $(objects_left <"$T_DIR/objects" | paste -sd,)" \
		eventually objects_gone
}

lab_up --isps 3 --hosts 2
# A second LAN, a second gateway that answers, and sysctls that differ from their defaults.
rt ip link add lan9 type veth peer name lan9p
rt ip link set lan9 up
rt ip link set lan9p up
isp 2 ip addr add 198.18.2.9/24 dev cust
isp 2 ip addr add 2001:db8:2::9/64 dev cust nodad
rt bash -c '
	echo 1 >/proc/sys/net/ipv4/conf/wan1/src_valid_mark
	echo 1 >/proc/sys/net/ipv4/fwmark_reflect
	echo 2 >/proc/sys/net/ipv4/conf/wan2/rp_filter'
plain_masquerade
WAN12='--lan br0 --wan wan1,wan2'
read -ra ATTACH <<<"attach $WAN12"

for mode in tcx clsact; do
	rt_state >"$T_DIR/clean"
	if [[ $mode == clsact ]]; then
		export PCCBPF_DISABLE=tcx
	fi
	t_begin "$mode: attach and detach leave no trace"
	t_assert_status 0 pcc "${ATTACH[@]}"
	t_assert_eq "$(hooks)" $mode hooks
	rt_state >"$T_DIR/attached"
	t_assert 'attach did something' test -n "$(diff "$T_DIR/clean" "$T_DIR/attached")"
	t_assert_eq "$(lan 1 "$LABTOOL" connect --dst "$SERVERS4" --port "$TCP_PORTS" --count 64 |
		awk '{ print $5 }' | sort -u | paste -sd' ')" '198.18.1.2 198.18.2.2' 'sources seen'
	detach_clean

	t_begin "$mode: the whole of a life leaves no trace"
	t_assert_status 0 pcc "${ATTACH[@]}" --mark-mask 0xff0000 --table-base 1000 --rule-pref 500
	t_assert_status 0 pcc wan add wan3
	t_assert_status 0 pcc lan add lan9
	t_assert_status 0 pcc wan set wan2 --gateway 198.18.2.9
	t_assert_status 0 pcc wan set wan1 --state down
	t_assert_status 0 pcc wan del wan1
	t_assert_status 0 pcc attach --lan br0,lan9 --wan wan1,wan3 --buckets 4096 --max-conns 4096 \
		--mark-mask 0xff0000 --table-base 1000 --rule-pref 500
	t_assert_status 0 pcc lan del lan9
	detach_clean

	t_begin "$mode: detach of nothing changes nothing"
	t_assert_status 0 pcc detach
	same_as "$T_DIR/clean" rt_state

	t_begin "$mode: attach again changes nothing, not even a handle"
	t_assert_status 0 pcc "${ATTACH[@]}"
	same_as "$T_DIR/attached" rt_state
	rt_ids >"$T_DIR/ids"
	t_assert_status 0 pcc "${ATTACH[@]}"
	same_as "$T_DIR/attached" rt_state
	same_as "$T_DIR/ids" rt_ids

	t_begin "$mode: every command again changes nothing"
	while read -ra words; do
		t_assert_status 0 pcc "${words[@]}"
		rt_ids >"$T_DIR/ids"
		rt_state >"$T_DIR/once"
		pcc "${words[@]}" >/dev/null 2>&1
		same_as "$T_DIR/ids" rt_ids || echo "	after ${words[*]}"
		same_as "$T_DIR/once" rt_state || echo "	after ${words[*]}"
	done <<-'END'
		wan add wan3*2
		wan set wan3 --weight 3
		wan set wan2 --gateway 198.18.2.9@2001:db8:2::9
		wan set wan3 --state drain
		wan set wan3 --state down
		wan set wan3 --state up
		lan add lan9
		conns flush --all
		lan del lan9
		wan del wan3
	END

	t_begin "$mode: --dry-run of every command changes nothing"
	rt_ids >"$T_DIR/ids"
	rt_state >"$T_DIR/once"
	while read -ra words; do
		t_assert_status 0 pcc "${words[@]}" --dry-run
		same_as "$T_DIR/ids" rt_ids || echo "	after ${words[*]}"
		same_as "$T_DIR/once" rt_state || echo "	after ${words[*]}"
	done <<-'END'
		attach --lan br0,lan9 --wan wan1,wan3 --classifier both-addresses --buckets 8192
		wan add wan3
		wan del wan2
		wan set wan1 --weight 7 --state drain
		wan set wan1 --state down
		lan add lan9
		detach
	END
	detach_clean
	t_assert_status 0 pcc "${ATTACH[@]}" --dry-run
	same_as "$T_DIR/clean" rt_state
done
unset PCCBPF_DISABLE
rt_state >"$T_DIR/clean"
pcc "${ATTACH[@]}" >/dev/null
rt_state >"$T_DIR/attached"
pcc detach

status_now() {
	pcc status --json 2>&1 | sed 's/^ *//'
}

# fail_everywhere COMMAND...: makes step 1, 2, 3 ... fail until the command succeeds. After every
# failure the router is as before.
fail_everywhere() {
	local step status wrong=0
	rt_state >"$T_DIR/before"
	status_now >"$T_DIR/status"
	for ((step = 1; step <= 100; step++)); do
		status=0
		PCCBPF_FAIL_AT=$step pcc "$@" >/dev/null 2>"$T_DIR/err" || status=$?
		((status)) || break
		t_assert_eq "$status $(grep -c "^pccbpf: .*step $step fails as asked" "$T_DIR/err")" '1 1' \
			"$*: status, message at step $step"
		same_as "$T_DIR/before" rt_state && same_as "$T_DIR/status" status_now && continue
		echo "	$*, step $step"
		# What is broken stays so, most likely.
		if ((++wrong == 2)); then
			pcc "$@" >/dev/null
			return
		fi
	done
	t_assert_eq "$status" 0 "$* after $step steps"
	t_assert "$*: more than one step" test $step -gt 1
	echo "     $*: $((step - 1)) steps"
}

hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port "$TCP_PORTS" --count 40 --interval-ms 100
t_begin 'attach that fails at any step leaves nothing, and harms no connection'
fail_everywhere "${ATTACH[@]}"
same_as "$T_DIR/attached" rt_state
t_assert_status 0 pcc attach --lan br0 --wan wan1,wan2,wan3
hold_unharmed 40
hold_stop >/dev/null
t_assert_status 0 pcc wan del wan3

hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port "$TCP_PORTS" --count 40 --interval-ms 100
t_begin 'a change that fails at any step is undone, and harms no connection'
fail_everywhere wan add wan3
fail_everywhere lan add lan9
fail_everywhere wan set wan2 --gateway 198.18.2.9@2001:db8:2::9
fail_everywhere wan set wan1 --weight 5
fail_everywhere lan del lan9
hold_unharmed 40
hold_stop >/dev/null

# How often the connection that broke most often did so.
times_broken() {
	hold_report | jq '[.connections[].reconnects // 0] | max'
}

# Each of the last steps that fails is a moment in which one can be met; nobody is met by most of them.
broke_seldom() {
	BROKE=$(times_broken)
	((BROKE >= 1 && BROKE <= 4))
}

t_begin 'wan del and --state down that fail at any step are undone, and harm no connection'
hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port "$TCP_PORTS" --count 60 --interval-ms 100 --reconnect
t_assert 'connections on every WAN' hold_is \
	'[.connections[].seen | capture("(18[.]|db8:)(?<wan>[123])").wan] | unique == ["1", "2", "3"]'
fail_everywhere wan set wan1 --state down
t_assert_eq "$(hold_report | jq '[.connections[] | select(.reconnects and (.seen | test("18.1.2|db8:1:") | not))] |
	length')" 0 "connections of other WANs that broke with wan1"
eventually broke_seldom || t_fail "times that one broke: $BROKE"
t_assert_status 0 pcc wan set wan1 --state up
hold_stop >/dev/null
hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port "$TCP_PORTS" --count 60 --interval-ms 100 --reconnect
fail_everywhere wan del wan3
# Those of wan3 itself may break when a step fails after the maps were switched: undoing brings the WAN back,
# not what was sent by another one meanwhile.
eventually broke_seldom || t_fail "times that one broke: $BROKE"
t_assert_eq "$(hold_report | jq '[.connections[] | select(.reconnects and (.seen | test("18.3.2|db8:3:") | not))] |
	length')" 0 "connections of other WANs that broke with wan3"
hold_stop >/dev/null
detach_clean

t_begin 'an interrupted attach: status says so, detach clears it away, attach works again'
# Kills attach as soon as there is a pin of that name; it may be through by then: again.
interrupted() {
	local turn deadline
	for ((turn = 0; turn < 20; turn++)); do
		deadline=$((SECONDS + 30))
		pcc_start "${ATTACH[@]}"
		until [[ -e $1 ]] || ((SECONDS > deadline)); do :; done
		pcc_kill
		pcc status >/dev/null 2>&1
		(($? != 1)) || return 0 # 4: it had not begun
		pcc detach
	done
	t_fail "attach could not be killed in time"
}
for pin in pcc_meta pcc_lan_in link_in_; do
	[[ $pin != link_* ]] || pin+=$(rt_ifindex wan1)
	interrupted "$BPFFS/pccbpf/$pin"
	t_assert_status 1 pcc status
	t_assert "status says: $(<"$T_DIR/err")" grep -q '^pccbpf: .*interrupted.*(pccbpf detach' "$T_DIR/err"
	t_assert_status 1 pcc wan add wan3
	t_assert "wan add says: $(<"$T_DIR/err")" grep -q '^pccbpf: .*interrupted' "$T_DIR/err"
	t_assert_status 0 pcc detach
	same_as "$T_DIR/clean" rt_state || rt rmdir "$BPFFS/pccbpf"
	interrupted "$BPFFS/pccbpf/$pin"
	t_assert_status 0 pcc "${ATTACH[@]}"
	same_as "$T_DIR/attached" rt_state
	detach_clean
done

t_begin 'an interrupted detach can be repeated'
for name in "table inet pccbpf" "pcc_meta"; do
	t_assert_status 0 pcc "${ATTACH[@]}"
	pcc_start detach
	if [[ $name == pcc_meta ]]; then
		magic() {
			[[ $(bpftool -j map lookup pinned "$BPFFS/pccbpf/pcc_meta" key 0 0 0 0 2>/dev/null |
				jq -r '.value[0]') == 0x00 ]]
		}
		eventually magic
	else
		nat_gone() {
			! rt nft list table inet pccbpf >/dev/null 2>&1
		}
		eventually nat_gone
	fi
	pcc_kill
	t_assert_status 0 pcc detach
	same_as "$T_DIR/clean" rt_state || rt_state >"$T_DIR/clean"
done

t_begin 'from tcx to clsact and back under traffic: the traffic flows, none leaks'
t_assert_status 0 pcc "${ATTACH[@]}"
t_assert_eq "$(udp_query 203.0.113.5 "$SINK_PORT" RESET)" '0 0' 'sink after RESET'
leaks_reset
spawn_to "$T_DIR/blast" lan1 "$LABTOOL" blast --dst 203.0.113.5 --port "$SINK_PORT" --count 24000 \
	--flows 100 --rate 8000 --sport-base 20000
blast=$SPAWNED
for mode in clsact tcx clsact tcx; do
	PCCBPF_DISABLE=$([[ $mode == tcx ]] || echo tcx) t_assert_status 0 pcc "${ATTACH[@]}"
	t_assert_eq "$(hooks)" $mode hooks
done
t_assert 'the traffic outlasted the changes' test -e "/proc/$blast"
t_assert 'blast ends' eventually process_gone "$blast"
# The kernel stops a device for a moment when it gets or loses a clsact qdisc (qdisc_graft()): what is sent then
# is lost, whoever asks for it: milliseconds, more on a machine that is busy. With tcx nothing is.
sink_nearly() {
	local n
	n=$(udp_query 203.0.113.5 "$SINK_PORT" COUNT) && ((${n%% *} >= $1))
}
t_assert "of 24000 packets arrived: $(udp_query 203.0.113.5 "$SINK_PORT" COUNT)" \
	eventually sink_nearly $((24000 - 60 * $(slowness) / 100))
t_assert_eq "$(leaks_total)" 0 leaks
detach_clean

t_begin 'without conntrack kfuncs nftables marks the connections, and wan del releases them'
export PCCBPF_DISABLE=conntrack
t_assert_status 0 pcc attach --lan br0 --wan wan1,wan2,wan3
hold_start lan1 --dst "$SERVERS4" --port "$TCP_PORTS" --count 60 --interval-ms 100 --reconnect
hold_unharmed 60
for i in 1 2 3; do
	marked=$(rt conntrack -L -p tcp --state ESTABLISHED -m $((i << 8))/0xff00 2>/dev/null | grep -c "dst=198.18.$i.2 ")
	t_assert_eq "$marked" "$(hold_report | jq --arg a "198.18.$i.2" '[.connections[] | select(.seen == $a)] | length')" \
		"connections with the mark of wan$i"
	t_assert "wan$i has some" test "$marked" -gt 0
done
t_assert_status 0 pcc wan del wan3
# Those of wan3, counted last above, notice with their next packet.
t_assert 'all are back' eventually hold_is ".alive == 60 and ([.connections[] | select(.reconnects)] | length) == $marked"
t_assert_eq "$(hold_stop | jq -c '[.connections[] | select(.reconnects) | .seen] | unique')" '["198.18.3.2"]' \
	'those that had to come back'
t_assert_eq "$(rt conntrack -L -m 768/0xff00 2>/dev/null | wc -l)" 0 'entries with the mark of wan3'
detach_clean
unset PCCBPF_DISABLE

t_begin 'after detach no connection carries a mark of ours'
t_assert_status 0 pcc "${ATTACH[@]}"
hold_start lan1 --dst "$SERVERS4" --port "$TCP_PORTS" --count 20 --interval-ms 100
hold_unharmed 20
marked=$(rt conntrack -L 2>/dev/null | grep -c 'mark=[1-9]')
t_assert "some carry one before ($marked)" test "$marked" -ge 10
t_assert_status 0 pcc detach
t_assert_eq "$(rt conntrack -L 2>/dev/null | grep -c 'mark=[1-9]')" 0 'entries with a mark'
hold_stop >/dev/null

t_begin 'twenty commands at once: all end, and the router is what one of them makes of it'
t_assert_status 0 pcc "${ATTACH[@]}"
pids=()
for i in 1 2 3 4; do
	for words in "wan set wan1 --weight $i" 'wan add wan3' "wan set wan2 --weight $((5 - i))" \
		'wan del wan3' 'status --json'; do
		read -ra words <<<"$words"
		pcc_start "${words[@]}"
		pids+=("$PCC_PID")
	done
done
bad=0
for pid in "${pids[@]}"; do
	wait "$pid"
	(($? <= 1)) || bad=$((bad + 1))
done
t_assert_eq $bad 0 'commands that ended with more than 1'
pcc wan del wan3 >/dev/null 2>&1
t_assert_status 0 pcc "${ATTACH[@]}"
same_as "$T_DIR/attached" rt_state

t_begin '--wait 0 does not wait for another command, reading does not need to'
exec {lock}<"$BPFFS/pccbpf"
flock -n $lock || t_fail 'the lock is taken'
rt_ids >"$T_DIR/ids"
for words in 'wan set wan1 --weight 9' 'wan add wan3' 'lan add lan9' 'conns flush --all' detach "attach $WAN12"; do
	read -ra words <<<"$words"
	t_assert_status 1 pcc "${words[@]}" --wait 0
	t_assert "${words[*]} says: $(<"$T_DIR/err")" grep -q '^pccbpf: lock: another pccbpf command .*(.*--wait' "$T_DIR/err"
done
t_assert_status 0 pcc status
t_assert_status 0 pcc conns
same_as "$T_DIR/ids" rt_ids
start=$(now_ms)
t_assert_status 1 pcc wan set wan1 --weight 9 --wait 1
took=$(($(now_ms) - start))
t_assert_le 900 "$took" 'the least time of --wait 1 (ms)'
t_assert_ms "$took" 2999 '--wait 1'
exec {lock}<&-
t_assert_status 0 pcc wan set wan1 --weight 9
detach_clean
