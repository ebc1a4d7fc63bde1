#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Configuration files: apply does what they say and no more, connections stay where they are, what
# runs can be printed as a file, and what is not confirmed is taken back.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip nft nsenter jq bpftool python3 strace

COUNT=12
CONF=$T_DIR/pccbpf.yaml

lab_up --isps 3 --hosts 1

# weights: "wan1=1 wan2=2", as attached.
weights() {
	pcc wan list --json 2>/dev/null | jq -r '[.[] | "\(.name)=\(.weight)"] | join(" ")'
}

weights_are() {
	[[ $(weights) == "$1" ]]
}

not_attached() {
	! pcc wan list >/dev/null 2>&1
}

# waiter: the process that waits for a confirmation.
waiter() {
	bpftool -j map dump pinned "$BPFFS/pccbpf/pcc_confirm" 2>/dev/null |
		jq -r '.[0].value | map(ltrimstr("0x")) | .[19] + .[18] + .[17] + .[16]' |
		sed 's/^/0x/' | xargs -r printf '%d\n'
}

conf_two() {
	cat <<-'END'
	lan: [br0]
	defaults:
	  health: {targets: [203.0.113.1], interval: 1s}
	wans:
	  - interface: wan1
	    name: fibre
	  - interface: wan2
	    gateway: 198.18.2.1
	groups:
	  - {name: both, wans: [fibre, wan2]}
	END
}

rt_state >"$T_DIR/clean"
conf_two >"$CONF"

t_begin 'apply attaches what the file says'
t_assert_status 0 pcc apply "$CONF" --dry-run
t_assert 'a dry run attaches nothing' not_attached
t_assert_status 0 pcc apply "$CONF"
t_assert_eq "$(weights)" 'wan1=1 wan2=1' weights
t_assert_eq "$(lan 1 "$LABTOOL" connect --dst 203.0.113.1 --port "$TCP_PORTS" --count 60 2>/dev/null |
	awk '{ print $5 }' | sort -u | paste -sd' ')" '198.18.1.2 198.18.2.2' 'sources seen'

t_begin 'applying the same again changes nothing'
rt_ids >"$T_DIR/ids"
t_assert_status 0 pcc apply "$CONF" --dry-run
t_assert_eq "$(<"$T_DIR/out")" 'nothing to do' plan
t_assert_status 0 pcc apply "$CONF"
same_as "$T_DIR/ids" rt_ids

t_begin 'what is for the daemon alone is seen by a dry run, too'
sed 's/interval: 1s/interval: 2s/' "$CONF" >"$T_DIR/other.yaml"
t_assert_status 0 pcc apply "$T_DIR/other.yaml" --dry-run
t_assert_eq "$(<"$T_DIR/out")" 'config: keep names, health, groups, policies, hooks' plan

hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port "$TCP_PORTS" --count $COUNT --interval-ms 100

t_begin 'a weight that changes moves no open connection'
sed -i 's/^    gateway: .*/&\n    weight: 3/' "$CONF"
t_assert_status 0 pcc apply "$CONF" --dry-run
t_assert 'the plan is more than nothing' grep -q '^maps: ' "$T_DIR/out"
t_assert_status 0 pcc apply "$CONF"
t_assert_eq "$(weights)" 'wan1=1 wan2=3' weights
hold_unharmed $COUNT

t_begin 'three lines are one more ISP'
sed -i 's/^groups:/  - interface: wan3\n    gateway: 198.18.3.1\n    weight: 2\n&/' "$CONF"
t_assert_status 0 pcc apply "$CONF"
t_assert_eq "$(weights)" 'wan1=1 wan2=3 wan3=2' weights
t_assert 'the new WAN is used' eventually bash -c "[[ \$('$LAB_SH' exec --name '$LAB' lan1 '$LABTOOL' \
	connect --dst 203.0.113.1 --port $TCP_PORTS --count 20 2>/dev/null) == *198.18.3.2* ]]"
hold_unharmed $COUNT

t_begin 'a WAN keeps the state that it was given by hand'
t_assert_status 0 pcc wan set wan3 --state drain
t_assert_status 0 pcc apply "$CONF"
t_assert_eq "$(pcc wan list --json | jq -r '.[2].state')" drain state
t_assert_status 0 pcc wan set wan3 --state up

t_begin 'what runs, with what was changed by hand, is a file that changes nothing'
t_assert_status 0 pcc wan set wan1 --weight 5
t_assert_status 0 pcc wan del wan3
rt_ids | grep -v '^pccbpf/pcc_conf ' >"$T_DIR/ids"
pcc show config >"$T_DIR/shown.yaml"
t_assert_eq "$(grep -c -e 'name: fibre' -e 'weight: 5' -e 'interval: 1s' -e 'wans: \[fibre, wan2\]' \
	-e wan3 "$T_DIR/shown.yaml")" 5 'lines of the file'
t_assert_status 0 pcc check "$T_DIR/shown.yaml"
t_assert_status 0 pcc apply - --dry-run <"$T_DIR/shown.yaml"
t_assert_eq "$(<"$T_DIR/out")" 'nothing to do' plan
t_assert_status 0 pcc apply - <"$T_DIR/shown.yaml"
same_as "$T_DIR/ids" eval "rt_ids | grep -v '^pccbpf/pcc_conf '"
same_as "$T_DIR/shown.yaml" pcc show config
t_assert_status 0 pcc apply - --dry-run < <(pcc show config --json)
t_assert_eq "$(<"$T_DIR/out")" 'nothing to do' 'plan of the JSON form'

t_begin 'a file with an error leaves everything as it is'
rt_ids >"$T_DIR/ids"
conf_two >"$T_DIR/good.yaml"
while IFS='|' read -r edit place words; do
	sed "$edit" "$T_DIR/good.yaml" >"$T_DIR/bad.yaml"
	t_assert_status 1 pcc apply "$T_DIR/bad.yaml"
	t_assert_eq "$(<"$T_DIR/err")" "pccbpf: $place$words" "error of $edit"
	[[ $place == *bad.yaml* ]] || continue
	t_assert_status 1 pcc check "$T_DIR/bad.yaml"
	t_assert_eq "$(<"$T_DIR/err")" "pccbpf: $place$words" "check of $edit"
done <<END
s/wans:$/wanz:/|$T_DIR/bad.yaml:4:1: |'wanz' is not a key (did you mean 'wans'?)
s/interval: 1s/interval: 1/|$T_DIR/bad.yaml:3:46: |interval: '1' has no unit (write a duration from 100ms to 1h, as in 500ms, 10s, 5m, 1h)
s/\[fibre, wan2\]/[fiber, wan2]/|$T_DIR/bad.yaml:10:25: |'fiber' is no WAN (did you mean 'fibre'?)
s/198.18.2.1/198.18.3.1/|wan2: |the gateway '198.18.3.1' is not on a network of this interface (\`ip addr show dev wan2\` lists them)
s/br0/br7/|interface: |'br7' does not exist (\`ip link\` lists the interfaces)
END
same_as "$T_DIR/ids" rt_ids
same_as "$T_DIR/shown.yaml" pcc show config

t_begin 'what is not confirmed is taken back, though the terminal was lost'
t_assert_status 0 rt "$ROOT/tests/e2e/terminal.py" "$PCCBPF" apply "$CONF" --confirm 3 --bpffs "$BPFFS/pccbpf"
t_assert_eq "$(weights)" 'wan1=1 wan2=3 wan3=2' 'weights before'
t_assert 'show config says so' grep -q '^# taken back in [123] s unless it is confirmed$' <(pcc show config)
t_assert_status 1 pcc apply "$T_DIR/good.yaml"
t_assert "another apply is refused: $(<"$T_DIR/err")" \
	grep -q "^pccbpf: apply: the configuration before this one waits [123] s more to be confirmed" "$T_DIR/err"
t_assert 'the configuration before is back' eventually weights_are 'wan1=5 wan2=3'
t_assert 'nothing waits any more' eventually test ! -e "$BPFFS/pccbpf/pcc_confirm"
same_as "$T_DIR/shown.yaml" pcc show config
hold_unharmed $COUNT

t_begin 'what is confirmed stays, and its process ends'
t_assert_status 0 pcc apply "$CONF" --confirm 60
pid=$(waiter)
t_assert "process $pid waits" test -d "/proc/$pid"
t_assert_eq "$(readlink "/proc/$pid/fd/0" "/proc/$pid/fd/2" | sort -u)" /dev/null 'what it has open'
t_assert_status 0 pcc confirm
t_assert_eq "$(<"$T_DIR/out")" confirmed 'says'
t_assert 'its process ends' eventually process_gone "$pid"
t_assert_eq "$(weights)" 'wan1=1 wan2=3 wan3=2' weights
t_assert_status 1 pcc confirm
t_assert 'nothing to confirm a second time' grep -q 'nothing waits to be confirmed' "$T_DIR/err"

t_begin 'asked to end, the process goes back at once; killed, it leaves what is'
t_assert_status 0 pcc apply "$T_DIR/good.yaml" --confirm 60
kill -TERM "$(waiter)"
t_assert 'the configuration before is back' eventually weights_are 'wan1=1 wan2=3 wan3=2'
t_assert 'nothing waits any more' eventually test ! -e "$BPFFS/pccbpf/pcc_confirm"
t_assert_status 0 pcc apply "$T_DIR/good.yaml" --confirm 60
pid=$(waiter)
kill -KILL "$pid"
t_assert 'its process is gone' eventually process_gone "$pid"
t_assert_status 0 pcc confirm
t_assert 'confirm says so' grep -q 'was gone: it stays' "$T_DIR/err"
t_assert_eq "$(weights)" 'wan1=1 wan2=1' weights

t_begin 'an apply that fails with --confirm leaves no process, one that is killed amid is undone'
t_assert_status 1 rt env PCCBPF_FAIL_AT=3 "$PCCBPF" apply "$CONF" --confirm 60 --bpffs "$BPFFS/pccbpf"
t_assert 'it failed as asked' grep -q PCCBPF_FAIL_AT "$T_DIR/err"
t_assert_eq "$(weights)" 'wan1=1 wan2=1' weights
t_assert 'nothing waits' test ! -e "$BPFFS/pccbpf/pcc_confirm"
# Killed when all is done but the last of it: as if the machine that ssh came from were gone.
t_assert_status 137 rt strace -qqo /dev/null -e trace=/^rename -e inject=/^rename:signal=KILL \
	"$PCCBPF" apply "$CONF" --confirm 60 --bpffs "$BPFFS/pccbpf"
t_assert 'undone at once' eventually weights_are 'wan1=1 wan2=1'
t_assert 'and then nothing waits' test ! -e "$BPFFS/pccbpf/pcc_confirm"
hold_unharmed $COUNT
t_assert_eq "$(hold_stop | jq -c '[.alive, .broken]')" "[$COUNT,0]" 'alive, broken'

t_begin 'where nothing was attached, taking back is detaching'
t_assert_status 0 pcc detach
same_as "$T_DIR/clean" rt_state
t_assert_status 0 pcc apply "$CONF" --confirm 1
t_assert_eq "$(weights)" 'wan1=1 wan2=3 wan3=2' weights
t_assert 'detached' eventually test ! -e "$BPFFS/pccbpf/pcc_meta" # which goes last
same_as "$T_DIR/clean" rt_state
t_assert_status 4 pcc show config

t_begin 'the example is fine'
t_assert_status 0 pcc check "$ROOT/docs/examples/pccbpf.yaml"
