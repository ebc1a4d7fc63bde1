#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# modules.sh: on a kernel that has conntrack and NAT as modules, freshly booted: what is needed is loaded by
# asking for it, the fast path is on with the first attach, and comes on by itself when the modules come later.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../lib.sh"

require_root
require_tools ip nft nsenter jq modprobe
CT_MODULES=(nf_conntrack nf_conntrack_netlink)

loaded() {
	grep -q "^$1 " /proc/modules
}

# The kernel's own helper, which it starts to load a module: with none it loads nothing.
HELPER=$(</proc/sys/kernel/modprobe)
forbid() { echo /bin/false >/proc/sys/kernel/modprobe; }
allow() { echo "$HELPER" >/proc/sys/kernel/modprobe; }

modinfo nf_conntrack 2>/dev/null | grep -q '^filename:.*\.ko' || skip_all 'conntrack is no module of this kernel'
! loaded nf_conntrack || skip_all 'nf_conntrack is loaded already: for a machine that was booted just now'
modprobe -a veth bridge
t_defer allow

# What an attach leaves loaded, until nothing of conntrack is.
unload() {
	local module
	for module in nft_ct nft_masq nft_chain_nat nf_nat nf_conntrack_netlink nf_conntrack; do
		loaded $module && modprobe -r $module 2>/dev/null
	done
	! loaded nf_conntrack
}

fastpath_is() {
	[[ $(pcc status --json | jq -c '[.conntrack_kfuncs, .lan[].fastpath, .wans[].fastpath] | unique') == "$1" ]]
}

fast_packets() {
	stat_of '[.wans[].fastpath_packets] | add'
}

fast_packets_over() {
	(($(fast_packets) > $1))
}

# The fast path takes what it is to take: some hundred packets on a few connections.
takes_packets() {
	hold_start lan1 --dst "$SERVERS4" --port 7000 --count 4 --interval-ms 20
	poll_until 10 fast_packets_over 100 || t_fail "the fast path has taken $(fast_packets) packets"
	hold_stop >/dev/null
}

# quiet SECONDS: the daemon says nothing.
quiet() {
	: >"$DAEMON_LOG"
	sleep "$1"
	t_assert_eq "$(<"$DAEMON_LOG")" '' "what the daemon says within $1 s"
}

lab_up --isps 2 --hosts 1
ATTACH=(attach --lan br0 --wan 'wan1,wan2')

t_begin 'attach --dry-run loads nothing, and says what attach will load'
t_assert_status 0 pcc "${ATTACH[@]}" --dry-run
t_assert 'the line' grep -qx "modprobe -a ${CT_MODULES[*]}" "$T_DIR/out"
t_assert 'not loaded' eval '! loaded nf_conntrack'

t_begin 'attach has the kernel load conntrack before it asks for its functions: the fast path is on at once'
t_assert_status 0 pcc "${ATTACH[@]}"
t_assert_eq "$(<"$T_DIR/err")" '' 'warnings'
t_assert "the fast path is on: $(pcc status)" fastpath_is '[true,"tc"]'
for module in "${CT_MODULES[@]}"; do t_assert "$module" loaded "$module"; done
t_assert_eq "$(pcc status --json | jq .max_conns)" "$(rt cat /proc/sys/net/netfilter/nf_conntrack_max)" 'max_conns'
takes_packets

t_begin 'the second attach has nothing to do'
t_assert_status 0 pcc "${ATTACH[@]}" --dry-run
t_assert_eq "$(<"$T_DIR/out")" 'nothing to do' 'its plan'
t_assert_status 0 pcc detach

t_begin 'modules that the kernel may not load at boot: attached without a fast path, which says why'
unload || t_bail 'conntrack cannot be unloaded'
modprobe -qa sch_ingress cls_bpf
forbid
cat >"$DAEMON_CONF" <<-'CONF'
	lan: [br0]
	nat: false
	wans: [{interface: wan1}, {interface: wan2}]
CONF
daemon_start || t_bail 'no daemon'
t_assert "off: $(pcc status)" fastpath_is '[false,"off"]'
quiet 3

t_begin 'when they come, the daemon turns the fast path on by itself, and is at rest then'
modprobe nf_conntrack
t_assert "on: $(pcc status)" poll_until 60 fastpath_is '[true,"tc"]'
poll_until 20 daemon_said '^pccbpf: follow:' || t_fail "it says: $(<"$DAEMON_LOG")"
sleep 1
quiet 3
t_assert_status 0 pcc "${ATTACH[@]}" --no-nat --dry-run
# The table for answers stays wanted: no module of nftables may be loaded here.
t_assert_eq "$(<"$T_DIR/out")" 'nft replace table inet pccbpf' 'the plan of attach'
stop "$DAEMON_PID"

t_begin 'without nf_conntrack_netlink connections cannot be asked for: that is a warning of what would, no failure'
t_assert_status 0 pcc wan set wan2 --state down
t_assert 'it says so' grep -q '^pccbpf: warning: connection tracking: .*modprobe nf_conntrack_netlink' "$T_DIR/err"
t_assert_status 0 pcc detach
t_assert 'it says so' grep -q '^pccbpf: warning: connection tracking: .*modprobe nf_conntrack_netlink' "$T_DIR/err"
t_assert 'no pins' test ! -e "$BPFFS/pccbpf"
allow
