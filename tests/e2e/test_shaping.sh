#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A shaper on a WAN shapes what the fast path in tc forwards as it shapes the kernel's packets, and
# `--fastpath auto` does not choose XDP there, which would pass it by.
#
# alone: rates are measured

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip tc nsenter jq python3

# discard.py PORT SECONDS: takes what comes on TCP connections for that time from the first byte on,
# but counts only after half a second, when queues are full. Prints "SOURCE-ADDRESS BITS-PER-SECOND".
cat >"$T_DIR/discard.py" <<'END'
import collections, select, socket, sys, time
port, seconds = int(sys.argv[1]), float(sys.argv[2])
listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
print("ready", flush=True)
peers, taken, begin = {}, collections.Counter(), None
while begin is None or time.monotonic() < begin + seconds:
    for s in select.select([listener, *peers], [], [], 0.05)[0]:
        if s is listener:
            conn, peer = s.accept()
            peers[conn] = peer[0].replace("::ffff:", "")
            continue
        n = len(s.recv(1 << 18))
        if not n:
            del peers[s]
            continue
        begin = begin or time.monotonic()
        if time.monotonic() > begin + 0.5:
            taken[peers[s]] += n
took = time.monotonic() - begin - 0.5
for peer, n in sorted(taken.items()):
    print(peer, int(n * 8 / took))
END

# pour.py PORT SECONDS COUNT ADDRESS...: COUNT connections, in turn to the addresses, as fast as it goes.
cat >"$T_DIR/pour.py" <<'END'
import select, socket, sys, time
port, seconds, count = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
where = sys.argv[4:]
conns = [socket.create_connection((where[i % len(where)], port)) for i in range(count)]
for c in conns:
    c.setblocking(False)
end = time.monotonic() + seconds
while conns and time.monotonic() < end:
    for c in select.select([], conns, [], 0.1)[1]:
        try:
            c.send(b"x" * 65536)
        except BlockingIOError:
            pass
        except OSError:
            conns.remove(c)
END

# upload PORT: 12 connections of both families from the LAN; "SOURCE RATE" of each in $T_DIR/rates.
upload() {
	local server
	spawn_to "$T_DIR/rates" inet python3 "$T_DIR/discard.py" "$1" 3
	server=$SPAWNED
	eventually grep -qs ready "$T_DIR/rates" || t_fail 'the server does not start'
	lan 1 python3 "$T_DIR/pour.py" "$1" 3.2 12 203.0.113.1 2001:db8:ffff::1
	eventually process_gone "$server" || t_fail 'the server does not end'
	stop "$server"
}

# rate_of WAN: bits per second of payload, both families.
rate_of() {
	awk -v a="$(wan_address 4 "$1")" -v b="$(wan_address 6 "$1")" \
		'$1 == a || $1 == b { sum += $2 } END { print sum + 0 }' "$T_DIR/rates"
}

# shaped WAN MBIT: the payload is what the shaper leaves of it, with headers off, and not much less. A few
# per cent more are what waited in the server's receive buffers when it began to count.
shaped() {
	local rate
	rate=$(rate_of "$1")
	RATES+=" $1 $((rate / 1000)) of ${2}000 kbit/s"
	((rate <= $2 * 1050000 && rate >= $2 * 800000)) || t_fail "$1: $rate bit/s through a shaper of $2 Mbit/s"
}

# What the shaper says that it has sent, in bytes.
qdisc_bytes() {
	rt tc -s -j qdisc show dev "$1" root | jq '[.[] | select(.root) | .bytes] | add'
}

fast_packets() {
	stat_of '[.wans[].fastpath_packets] | add'
}

all_packets() {
	stat_of '[.wans[] | .tx_packets + .rx_packets] | add'
}

lab_up --isps 2 --hosts 1 --lan port
rt tc qdisc add dev wan1 root handle 1: htb default 10
rt tc class add dev wan1 parent 1: classid 1:10 htb rate 20mbit ceil 20mbit burst 15k quantum 15000
rt tc qdisc add dev wan2 root tbf rate 40mbit burst 32k latency 60ms

t_begin 'auto does not choose XDP on a WAN that has a shaper, and status says so'
t_assert_status 0 pcc attach --lan lan0 --wan wan1,wan2 --classifier both-addresses-and-ports --fastpath auto
t_assert_eq "$(pcc status --json | jq -c '[.wans[] | [.fastpath, .fastpath_reason]]')" \
	'[["tc","XDP would pass by the qdisc htb"],["tc","XDP would pass by the qdisc tbf"]]' 'status --json'
t_assert_eq "$(pcc status | grep -c 'XDP would pass by the qdisc')" 2 'lines of status'
t_assert_eq "$(rt ip -d -j link show | jq '[.[] | select(.xdp)] | length')" 0 'XDP programs'

port=7400
for mode in off tc; do
	t_begin "--fastpath $mode: HTB and TBF shape uploads to their rates"
	t_assert_status 0 pcc attach --lan lan0 --wan wan1,wan2 --classifier both-addresses-and-ports --fastpath "$mode"
	fast=$(fast_packets)
	all=$(all_packets)
	sent=$(qdisc_bytes wan1)
	RATES=''
	upload $((port++))
	shaped wan1 20
	shaped wan2 40
	echo "     $mode:$RATES"
	share=$((($(fast_packets) - fast) * 100 / ($(all_packets) - all + 1)))
	if [[ $mode == off ]]; then
		t_assert_eq "$share" 0 'share of the fast path'
	else
		((share > 80)) || t_fail "only $share % of the packets took the fast path"
	fi
	# All of it went through the shaper: 20 Mbit/s for 3 s and a bit.
	sent=$(($(qdisc_bytes wan1) - sent))
	((sent > 6000000 && sent < 11000000)) || t_fail "the shaper of wan1 has sent $sent bytes"
done
assert_no_leak
t_assert_status 0 pcc detach

t_begin 'the shapers are still there'
t_assert_eq "$(rt tc qdisc show | awk '/ root / && /htb|tbf/ { print $2, $5 }' | paste -sd,)" 'htb wan1,tbf wan2' qdiscs
