# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
#
# lib.sh: for the stages of guest.sh, which run in the virtual machine. Tests as in tests/lib.sh; traffic of the host
# behind the router; what pccbpf has put into the kernel.

# shellcheck source=tests/lib.sh
. /checkout/tests/lib.sh

SERVER=203.0.113.10
SERVER6=2001:db8:ff::10
CONFIG=/etc/pccbpf/pccbpf.yaml
STATE=/var/lib/pcc-system # survives a reboot

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
	local until=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < until)) || return 1
		sleep 0.2
	done
}

# in_host COMMAND...: on the host behind lan0.
in_host() {
	nsenter --net=/run/netns/host -- "$@"
}

service() { # PROPERTY
	systemctl show -P "$1" pccbpf
}

service_is() { # STATE
	[[ $(service ActiveState) == "$1" ]]
}

# All WANs named are up, with a gateway of both families.
wans_up() {
	local wan
	for wan in "$@"; do
		pccbpf wan list --json | jq -e --arg w "$wan" 'any(.[]; .name == $w and .state == "up" and
			(.gateway // "") != "" and (.gateway6 // "") != "")' >/dev/null || return 1
	done
}

# What pccbpf has put into the kernel, a line each. A parameter of conntrack that is 0 is as good as one that is not there:
# the module is loaded by attach, and stays.
ours() {
	ip rule show
	ip -6 rule show
	ip route show table all proto 172
	ip -6 route show table all proto 172
	nft list tables
	find /sys/fs/bpf -mindepth 1 2>/dev/null
	tc qdisc show | grep clsact
	sysctl -a 2>/dev/null | grep -E 'accept_local|src_valid_mark|ignore_routes_with_linkdown|fwmark|tcp_be_liberal|ignore_invalid_rst' |
		grep -v 'nf_conntrack_.* = 0$'
} 2>/dev/null

our_routes() {
	ip rule show
	ip -6 rule show
	ip route show table all proto 172
	ip -6 route show table all proto 172
}

# sources 4|6: the source addresses that the server sees of 24 new connections of the host, a line each; "failed" where one
# does not stand.
sources() {
	local server=$SERVER
	[[ $1 == 4 ]] || server=$SERVER6
	in_host "$LABTOOL" connect --dst "$server" --port 7000 --count 24 --timeout-ms 20000 2>/dev/null |
		awk '{ print $1 == "FAIL" ? "failed" : $5 }' | sort -u | paste -sd' '
}

# balanced WHEN: new connections of both families go out by both WANs, each with that WAN's address.
balanced() {
	t_assert_eq "$(sources 4)" '198.18.1.2 198.18.2.50' "$1: sources, IPv4"
	t_assert_eq "$(sources 6)" '2001:db8:1::2 2001:db8:2::2' "$1: sources, IPv6"
	[[ $T_STATE != failed ]] || {
		pccbpf stats --json | jq -c .counters
		pccbpf explain '[fd77::10]:40000' "[$SERVER6]:7000"
		pccbpf explain '[fd77::10]:40001' "[$SERVER6]:7000"
		ip -6 rule
		ip -6 route show table all proto 172
	} 2>&1 | sed 's/^/     /'
}

# traffic_start: 12 TCP connections that carry data all the time, and 8 UDP flows with numbered datagrams.
traffic_start() {
	rm -f /run/hold.ready /run/stream.ready
	nsenter --net=/run/netns/host -- "$LABTOOL" hold --dst "$SERVER,$SERVER6" --port 7000 --count 12 --interval-ms 100 --timeout-ms 20000 \
		--ready /run/hold.ready >/run/hold.out 2>&1 &
	HOLD=$!
	nsenter --net=/run/netns/host -- python3 /checkout/tests/e2e/stream.py /run/stream.ready "$SERVER" 7000 8 200 >/run/stream.out 2>&1 &
	STREAM=$!
	wait_for 60 test -e /run/hold.ready -a -e /run/stream.ready || t_fail 'the traffic does not begin'
	sleep 2
}

# traffic_stop_tcp WHAT: no TCP connection broke.
traffic_stop_tcp() {
	kill -TERM "$HOLD" "$STREAM"
	wait "$HOLD" "$STREAM"
	t_assert_eq "$(jq -c '[.alive, .broken]' /run/hold.out)" '[12,0]' "$1: TCP connections alive, broken"
}

# traffic_stop WHAT: no connection broke, no datagram of any flow was lost, no flow saw another source.
traffic_stop() {
	traffic_stop_tcp "$1"
	t_assert_eq "$(jq -c 'map(select(.sent != .got))' /run/stream.out)" '[]' "$1: flows that lost datagrams"
	same_sources "$1"
}

# traffic_stop_gap WHAT MS: no flow of datagrams waited for an answer for longer than that, or saw another source. TCP may
# break: while the kernel translates nothing the router's own TCP gets what is for the host, and resets it.
traffic_stop_gap() {
	kill -TERM "$HOLD" "$STREAM"
	wait "$HOLD" "$STREAM"
	t_assert_le "$(jq -c 'map(.gap_ms) | max' /run/stream.out)" "$2" "$1: time without an answer (ms)"
	same_sources "$1"
}

same_sources() {
	t_assert_eq "$(jq -c 'all(.[]; (.seen | length) == 1 and .sent > 20)' /run/stream.out)" true "$1: each flow keeps its source"
}

# restarted N: systemd has started another daemon at least N times, and that one is ready.
restarted() {
	(($(service NRestarts) >= $1)) && service_is active
}

weight_is() { # WAN WEIGHT
	[[ $(pccbpf wan list --json | jq ".[] | select(.name == \"$1\") | .weight") == "$2" ]]
}

networkd_done() {
	! networkctl list --no-legend wan1 wan2 lan0 | grep -v configured | grep -q .
}

same_routes() { # FILE
	diff "$1" <(our_routes) >/run/difference
}

same_ours() { # FILE
	diff "$1" <(ours)
}

# Identities of the pins of our programs: another program is another pin.
programs() {
	find /sys/fs/bpf/pccbpf ! -name 'pcc_wire_*' \( -name 'pcc_*_in' -o -name 'pcc_*_out' \) -printf '%f %i\n' | sort | paste -sd' '
}

# All files of the system, without those that anything writes at any time.
files() {
	find / -xdev \( -path /var/log -o -path /var/cache -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path "$STATE" -o \
		-path /run -o -path /tmp -o -path /var/tmp -o -path /root -o -path /var/lib/NetworkManager -o \
		-path '/etc/NetworkManager/*' -o -path '/etc/systemd/system/*' ! -name '*pccbpf*' -o -name '*.pyc' -o -name __pycache__ -o \
		-path /var/lib/systemd/timers -o -path /var/lib/systemd/linger -o -path /var/lib/systemd/network \) -prune -o -print | sort
}

# complete_for WORDS...: what completion makes of the last of them.
complete_for() {
	# shellcheck disable=SC2016
	bash -c '. /usr/share/bash-completion/completions/pccbpf
		COMP_WORDS=(pccbpf "$@") COMP_CWORD=$#
		_pccbpf pccbpf
		printf "%s\n" "${COMPREPLY[@]}"' bash "$@" | paste -sd' '
}
