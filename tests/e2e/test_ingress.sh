#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Somebody else's filter at the ingress of a WAN: the usual way to shape downloads redirects what arrives to
# an ifb device and shapes there. The fast path would send packets on before that. With `--fastpath auto`
# what arrives there is the kernel's, and the rate holds; where tc or XDP was asked for, it is warned.
#
# alone: rates are measured

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip tc nsenter jq python3

MBIT=20
ATTACH=(attach --lan lan0 --wan 'wan1,wan2' --classifier both-addresses-and-ports)

# pull.py SECONDS COUNT ADDRESS...: COUNT downloads, in turn from the addresses, for that time. Prints bits per
# second of payload, without the first 0.7 s, in which queues fill. Payload is text that never ends.
cat >"$T_DIR/pull.py" <<'END'
import select, socket, sys, time
seconds, count = float(sys.argv[1]), int(sys.argv[2])
where = sys.argv[3:]
conns = []
for i in range(count):
    c = socket.create_connection((where[i % len(where)], 80), timeout=5)
    c.sendall(b"GET /bytes/1000000000 HTTP/1.0\r\n\r\n")
    conns.append(c)
begin = time.monotonic()
taken = 0
while time.monotonic() < begin + seconds:
    for c in select.select(conns, [], [], 0.05)[0]:
        n = len(c.recv(1 << 18))
        if time.monotonic() > begin + 0.7:
            taken += n
print(int(taken * 8 / (seconds - 0.7)))
END

# download SECONDS: bits per second of 8 downloads of both families. wan2 takes no new connections.
download() {
	lan 1 python3 "$T_DIR/pull.py" "$1" 8 203.0.113.1 203.0.113.2 2001:db8:ffff::1 2001:db8:ffff::2
}

# shape_on IF: as the usual scripts do, with the qdisc named ingress.
shape_on() {
	rt tc qdisc add dev "$1" ingress
	rt tc filter add dev "$1" parent ffff: protocol all prio 10 u32 match u32 0 0 \
		action mirred egress redirect dev ifb0
}

shape_off() {
	rt tc qdisc del dev "$1" ingress
}

# shaped RATE WHAT: what a shaper of $MBIT leaves of it, and what the client had waited for when the time began.
shaped() {
	echo "     $2: $(($1 / 1000)) of ${MBIT}000 kbit/s"
	(($1 <= MBIT * 1150000 && $1 >= MBIT * 750000)) || t_fail "$2: $1 bit/s through a shaper of $MBIT Mbit/s"
}

# What wan1 has forwarded on the fast path, and to the ISP.
fast_packets() {
	stat_of '.wans[] | select(.name == "wan1") | .fastpath_packets'
}

tx_packets() {
	stat_of '.wans[] | select(.name == "wan1") | .tx_packets'
}

# says WAN: "MODE|REASON|PASSES BY" of status.
says() {
	pcc status --json | jq -r ".wans[] | select(.name == \"$1\") | \"\(.fastpath)|\(.fastpath_reason)|\(.fastpath_passes_by)\""
}

VETH='auto takes XDP for hardware only, this is of kind veth'
KEPT='the ingress filter u32, pref 10 would not see what it takes'

# Shaping at 20 Mbit/s by segments of 64 KB would be coarse.
lab_up --isps 2 --hosts 1 --lan port
rt ip link add ifb0 type ifb || skip_all 'no ifb'
rt ip link set ifb0 up
rt tc qdisc add dev ifb0 root handle 1: htb default 10
rt tc class add dev ifb0 parent 1: classid 1:10 htb rate ${MBIT}mbit ceil ${MBIT}mbit burst 15k quantum 15000
shape_on wan1

t_begin 'auto: attach and status say that what arrives on a WAN with an ingress filter is left to the kernel'
pcc "${ATTACH[@]}" --fastpath auto >/dev/null 2>"$T_DIR/err" || t_fail "attach: $(<"$T_DIR/err")"
t_assert "attach says: $(<"$T_DIR/err")" \
	grep -qxF "pccbpf: warning: wan1: what arrives there does not take the fast path: $KEPT" "$T_DIR/err"
t_assert_eq "$(says wan1)" "off|$KEPT|" 'status of wan1'
t_assert_eq "$(says wan2)" "tc|$VETH|" 'status of wan2'
t_assert_eq "$(pcc status | grep -cF "WAN wan1: fast path off: $KEPT")" 1 'lines of status'
t_assert_eq "$(pcc "${ATTACH[@]}" --fastpath auto --dry-run 2>&1)" 'nothing to do' 'attach again'

t_begin 'auto: downloads are shaped, and what goes the other way is fast'
t_assert_status 0 pcc wan set wan2 --state drain
fast=$(fast_packets)
tx=$(tx_packets)
shaped "$(download 2.7)" 'auto'
fast=$(($(fast_packets) - fast))
tx=$(($(tx_packets) - tx))
((fast * 10 > tx * 7 && fast <= tx)) || t_fail "$fast packets took the fast path, of $tx to the ISP"
assert_no_leak

for mode in tc xdp; do
	t_begin "$mode: as asked: attach and status warn"
	pcc "${ATTACH[@]}" --fastpath $mode >/dev/null 2>"$T_DIR/err" || t_fail "attach: $(<"$T_DIR/err")"
	t_assert "attach warns: $(<"$T_DIR/err")" grep -qxF \
		"pccbpf: warning: wan1: the filter u32, pref 10 does not see what the fast path forwards (--fastpath auto leaves what arrives there to the kernel)" \
		"$T_DIR/err"
	t_assert_eq "$(pcc status --json | jq -r '.wans[0] | "\(.fastpath)|\(.fastpath_passes_by)"')" \
		"$mode|filter u32, pref 10" 'status of wan1'
	t_assert_eq "$(pcc status --json | jq -r '.wans[1].fastpath_passes_by')" '' 'status of wan2'
	t_assert_eq "$(pcc status | grep -c '^wan1: the filter u32, pref 10 does not see')" 1 'lines of status'
	[[ $mode == tc ]] || continue
	rate=$(download 2)
	((rate > MBIT * 2000000)) || t_fail "$rate bit/s: the filter has seen it; then nothing here shows anything"
	echo "     tc: $((rate / 1000)) kbit/s pass by the filter"
done

t_begin 'a filter that comes while a download runs: status says what to do, attach does it at once'
shape_off wan1
t_assert_status 0 pcc "${ATTACH[@]}" --fastpath auto
t_assert_eq "$(says wan1)" "tc|$VETH|" 'status of wan1 without a filter'
spawn lan1 python3 "$T_DIR/pull.py" 600 8 203.0.113.1 203.0.113.2 2001:db8:ffff::1 2001:db8:ffff::2
sleep 1
shape_on wan1
t_assert_eq "$(says wan1)" 'tc|XDP would pass by the filter u32, pref 10|filter u32, pref 10' 'status of wan1'
t_assert "status says what to do" grep -qF 'attach again: what arrives there is then left to the kernel' <(pcc status)
t_assert_status 0 pcc "${ATTACH[@]}" --fastpath auto
t_assert_eq "$(says wan1)" "off|$KEPT|" 'status of wan1 after attach'
# From now on: what the shaper has sent is what the client gets.
sent() {
	rt tc -s -j qdisc show dev ifb0 root | jq '[.[] | select(.root) | .bytes] | add'
}
received() {
	lan 1 ip -s -j link show eth0 | jq '.[0].stats64.rx.bytes'
}
# Each number is read at a moment of its own: where somebody was kept waiting between two of them, once more.
window() {
	local before shaper start
	start=$(now_ms)
	before=$(received)
	shaper=$(sent)
	sleep 1
	GOT=$(($(received) - before))
	SHAPER=$(($(sent) - shaper))
	MS=$(($(now_ms) - start))
	((GOT <= MBIT * 165 * MS && GOT <= SHAPER * 11 / 10 && GOT >= SHAPER * 8 / 10))
}
window || window || window ||
	t_fail "$GOT bytes for the client, $SHAPER through the shaper, in $MS ms"
echo "     $((GOT / 1000)) kB for the client, $((SHAPER / 1000)) kB through the shaper in $MS ms"
stop "$SPAWNED"

t_begin 'the filter goes: status says it, attach puts the fast path in use again'
shape_off wan1
t_assert_eq "$(says wan1)" 'off|an ingress filter that is gone now: attach again|' 'status of wan1'
t_assert_status 0 pcc "${ATTACH[@]}" --fastpath auto
t_assert_eq "$(says wan1)" "tc|$VETH|" 'status of wan1'
fast=$(fast_packets)
rate=$(download 1.5)
((rate > MBIT * 2000000)) || t_fail "only $rate bit/s"
assert_no_leak

t_begin "uploads, shaped at the LAN's ingress: connections are balanced all the same"
t_assert_status 0 pcc wan set wan2 --state up
shape_on lan0
t_assert_status 0 pcc "${ATTACH[@]}" --fastpath auto
t_assert_eq "$(pcc status --json | jq -r '.lan[0] | "\(.fastpath)|\(.fastpath_reason)"')" "off|$KEPT" 'status of lan0'
hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port "$TCP_PORTS" --count 60 --interval-ms 20
hold_unharmed 60
one_way() {
	# What comes back is on the fast path, what goes out is not.
	[[ $(pcc conns --json | jq -c '[.[] | select(.proto == "tcp") | .wan] | unique') == '["wan1","wan2"]' ]] &&
		pcc stats --json | jq -e '[.wans[] | .fastpath_packets > 100] | all' >/dev/null
}
t_assert 'both WANs have connections, and what comes back is fast' eventually one_way
t_assert_eq "$(hold_stop | jq -c '[.alive, .broken]')" '[60,0]' 'alive, broken'
assert_no_leak
t_assert_status 0 pcc detach
t_assert_eq "$(rt tc filter show dev lan0 parent ffff: | grep -c 'mirred (Egress Redirect to device ifb0)')" 1 \
	'the filter after detach'

t_begin 'the daemon sees filters come and go, and does the same without being asked'
shape_off lan0
printf '%s\n' 'lan: [lan0]' 'fastpath: auto' 'wans:' '  - interface: wan1' '  - interface: wan2' >"$DAEMON_CONF"
daemon_start
t_assert_eq "$(says wan1)" "tc|$VETH|" 'status of wan1'
kept_away() {
	[[ $(says wan1) == "$1"* ]]
}
shape_on wan1
within_ms 1000 'the filter is seen' kept_away "off|$KEPT"
shape_off wan1
within_ms 1000 'that it is gone is seen' kept_away "tc|$VETH"
stop "$DAEMON_PID"
t_assert_status 0 pcc detach
