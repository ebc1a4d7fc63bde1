#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# clsact.sh: on a kernel without tcx (before 6.6), where programs are filters of clsact qdiscs: what is attached
# is found again by every process, the daemon is at rest, libbpf says nothing, and a qdisc that has no room for
# us costs its own WAN only.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../lib.sh"

require_root
require_tools ip tc nft nsenter jq bpftool
read -r MAJOR MINOR < <(uname -r | sed -E 's/^([0-9]+)\.([0-9]+).*/\1 \2/')
((MAJOR * 100 + MINOR < 606)) || skip_all "this kernel ($(uname -r)) has tcx"
modprobe -qa veth bridge nf_conntrack nf_conntrack_netlink # of which parameters come

ATTACH=(attach --lan br0 --wan 'wan1,wan2')

hooks_are() {
	[[ $(pcc status --json | jq -c '[.lan[].hook, .wans[].hook]') == "$1" ]]
}

# quiet SECONDS: the daemon says nothing, and uses less than a hundredth of a core.
quiet() {
	local before
	: >"$DAEMON_LOG"
	before=$(awk '{ printf "%d", $1 / 1000000 }' "/proc/$DAEMON_PID/schedstat")
	sleep "$1"
	t_assert_eq "$(<"$DAEMON_LOG")" '' "what the daemon says within $1 s"
	CPU=$(($(awk '{ printf "%d", $1 / 1000000 }' "/proc/$DAEMON_PID/schedstat") - before))
}

lab_up --isps 2 --hosts 1
rt_state >"$T_DIR/before"

t_begin 'attach, status and detach do not have libbpf speak of qdiscs that are not there'
export PCCBPF_DEBUG=1
t_assert_status 0 pcc "${ATTACH[@]}"
cp "$T_DIR/err" "$T_DIR/said"
t_assert_status 0 pcc status
cat "$T_DIR/err" >>"$T_DIR/said"
t_assert_status 0 pcc detach
cat "$T_DIR/err" >>"$T_DIR/said"
unset PCCBPF_DEBUG
t_assert_eq "$(grep -c . "$T_DIR/said")" 0 "lines like '$(head -n 1 "$T_DIR/said")'"
same_as "$T_DIR/before" rt_state

t_begin 'the second attach finds the programs of the first: it has nothing to do'
t_assert_status 0 pcc "${ATTACH[@]}"
t_assert 'hooks' hooks_are '["clsact","clsact","clsact"]'
rt_ids >"$T_DIR/ids"
t_assert_status 0 pcc "${ATTACH[@]}" --dry-run
t_assert_eq "$(<"$T_DIR/out")" 'nothing to do' 'its plan'
t_assert_status 0 pcc "${ATTACH[@]}"
same_as "$T_DIR/ids" rt_ids

t_begin 'the daemon adopts them and is at rest: no word, and hardly any time of the processor'
cat >"$DAEMON_CONF" <<-'CONF'
	lan: [br0]
	wans: [{interface: wan1}, {interface: wan2}]
CONF
t_assert_status 0 pcc apply "$DAEMON_CONF"
rt_ids >"$T_DIR/ids"
daemon_start || t_bail 'no daemon'
sleep 1
quiet 8
# Emulated, a core is some thirty times slower; a daemon that repairs all the time uses a fifth of it and more.
t_assert_le "$CPU" 800 'time of the processor in 8 s (ms)'
same_as "$T_DIR/ids" rt_ids

t_begin 'a program that somebody takes off is put back, once'
rt tc qdisc del dev wan1 clsact
t_assert 'hooks' poll_until 5 hooks_are '["clsact","clsact","clsact"]'
sleep 1
quiet 3
stop "$DAEMON_PID"
t_assert_status 0 pcc detach
same_as "$T_DIR/before" rt_state

t_begin "a WAN whose qdisc 'ingress' has no room for us is of no use, and the other one does the work"
rt tc qdisc add dev wan2 ingress
t_assert_status 0 pcc "${ATTACH[@]}"
t_assert 'it says so' grep -q "wan2: its qdisc 'ingress' has no egress side" "$T_DIR/err"
t_assert 'hooks' hooks_are '["clsact","clsact","none"]'
lan 1 "$LABTOOL" connect --dst "$SERVERS4,$SERVERS6" --port 7000-7003 --count 24 --timeout-ms 3000 >"$T_DIR/lines" 2>/dev/null
t_assert_eq "$(grep -c ' 198\.18\.1\.2 \| 2001:db8:1::2 ' "$T_DIR/lines") of $(wc -l <"$T_DIR/lines")" '24 of 24' 'by wan1'

t_begin 'so it is with the daemon, which says why, and takes the WAN as soon as there is room'
daemon_start || t_bail 'no daemon'
t_assert 'down, with the reason' poll_until 10 daemon_said "^pccbpf: wan2 .*down: its qdisc 'ingress' has no egress side"
sleep 1
quiet 3
rt tc qdisc del dev wan2 ingress
t_assert 'up' poll_until 10 daemon_said '^pccbpf: wan2 down -> up'
t_assert 'hooks' hooks_are '["clsact","clsact","clsact"]'
stop "$DAEMON_PID"
t_assert_status 0 pcc detach
