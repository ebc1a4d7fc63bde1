#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What real hosts see where a connection on the fast path sends something that is the kernel's: a hop
# limit that ends at the router, packets longer than the egress's MTU, FTP, and other people's packets
# with the connection's addresses. In tc and in XDP.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip nft nsenter jq curl python3 conntrack ethtool

# One UDP socket that plays with its peer, then sends what the router must answer. Prints a line each.
cat >"$T_DIR/udp_edges.py" <<'END'
import os, select, socket, struct, sys
dst, port, sport, mtu = sys.argv[1], *map(int, sys.argv[2:5])
v6 = ":" in dst
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
level = socket.IPPROTO_IPV6 if v6 else socket.IPPROTO_IP
s.setsockopt(level, 25 if v6 else 11, 1)  # RECVERR
s.setsockopt(level, 23 if v6 else 10, 3)  # MTU_DISCOVER: PMTUDISC_PROBE
s.bind(("", sport))
s.connect((dst, port))
def play(n):
    got = 0
    for _ in range(n):
        s.send(b"p" * 50)
        if select.select([s], [], [], 1)[0]:
            got += len(s.recv(2048)) > 0
    return got
def answer(what, data):
    s.send(data)
    p = select.poll()
    p.register(s, select.POLLIN)
    for _, event in p.poll(2000):
        if event & select.POLLERR:
            _, anc, _, _ = s.recvmsg(2048, 512, 0x2000)
            number, _, kind, code, _, info, _ = struct.unpack("=IBBBBII", anc[0][2][:16])
            who = anc[0][2][16:]
            who = socket.inet_ntop(socket.AF_INET6, who[8:24]) if v6 else socket.inet_ntop(socket.AF_INET, who[4:8])
            s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            return print(what, kind, code, who, info)
        return print(what, "answered", len(s.recv(2048)))
    print(what, "nothing")
hops = (level, 16 if v6 else socket.IP_TTL)
print("before", play(60))
s.setsockopt(*hops, 1)
answer("hops", b"h" * 50)
s.setsockopt(*hops, 64)
print("between", play(30))
head = 48 if v6 else 28
# The answer is as long, and meets the small MTU further out first: then the server has to learn.
for _ in range(3):
    answer("fits", b"f" * (mtu - head))
answer("long", b"l" * (mtu + 1 - head))
print("after", play(60))
END

# A TCP connection that first plays with the echo server, then sends much, and checks what comes back.
cat >"$T_DIR/tcp_bulk.py" <<'END'
import select, socket, sys
dst, port, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
s = socket.create_connection((dst, port), timeout=10)
f = s.makefile("rb")
f.readline()
for i in range(60):
    s.sendall(b"%09d\n" % i)
    assert f.readline() == b"%09d\n" % i
data = b"".join(b"%09d\n" % i for i in range(size // 10))
s.setblocking(False)
sent, back = 0, b""
while len(back) < len(data):
    r, w, _ = select.select([s], [s] if sent < len(data) else [], [], 10)
    if not r and not w:
        break
    if w:
        sent += s.send(data[sent:sent + 100000])
    if r:
        got = s.recv(1 << 20)
        if not got:
            break
        back += got
mss = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
print("whole" if back == data else "%d of %d" % (len(back), len(data)), mss)
END

# frames.py IF COUNT DESTINATION-MAC SRC SPORT DST DPORT: UDP frames with a payload of their own.
cat >"$T_DIR/frames.py" <<'END'
import socket, struct, sys
dev, count, mac, src, sport, dst, dport = sys.argv[1:8]
v6 = ":" in src
family = socket.AF_INET6 if v6 else socket.AF_INET
a, b = socket.inet_pton(family, src), socket.inet_pton(family, dst)
data = b"FORGED" * 5
udp = struct.pack("!HHHH", int(sport), int(dport), 8 + len(data), 0) + data
def fold(x):
    x += b"\0" * (len(x) % 2)
    total = sum(struct.unpack("!%dH" % (len(x) // 2), x))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
check = fold(a + b + struct.pack("!HH", 17, len(udp)) + udp) or 0xFFFF
udp = udp[:6] + struct.pack("!H", check) + udp[8:]
if v6:
    ip = struct.pack("!IHBB", 6 << 28, len(udp), 17, 64) + a + b
else:
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 7, 0, 64, 17, 0) + a + b
    ip = ip[:10] + struct.pack("!H", fold(ip)) + ip[12:]
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((dev, 0))
frame = bytes.fromhex(mac.replace(":", "")) + b"\x02\0\0\0\x66\x66" + (b"\x86\xdd" if v6 else b"\x08\0") + ip + udp
for _ in range(int(count)):
    s.send(frame)
END

# An FTP server and client, as far as active mode goes. The client says how it went.
cat >"$T_DIR/ftp.py" <<'END'
import ipaddress, re, socket, sys
def server(bind, port):
    l = socket.create_server((bind, port), family=socket.AF_INET6 if ":" in bind else socket.AF_INET)
    print("ready", flush=True)
    c, _ = l.accept()
    c.settimeout(10)
    f = c.makefile("rwb")
    def say(text):
        f.write(text + b"\r\n")
        f.flush()
    say(b"220 ready")
    for line in f:
        line = line.strip()
        four = re.fullmatch(rb"PORT (\d+),(\d+),(\d+),(\d+),(\d+),(\d+)", line)
        six = re.fullmatch(rb"EPRT \|2\|([0-9a-f:]+)\|(\d+)\|", line)
        if four:
            n = [int(x) for x in four.groups()]
            to = ".".join(map(str, n[:4])), n[4] * 256 + n[5]
        elif six:
            to = str(ipaddress.ip_address(six[1].decode())), int(six[2])
        else:
            say(b"200 " + line)
            continue
        say(b"200 to " + to[0].encode())
        d = socket.create_connection(to, timeout=10, source_address=(bind, 0))
        d.sendall(b"d" * 400000)
        d.close()
        say(b"226 sent")
def client(dst, port, own):
    s = socket.create_connection((dst, port), timeout=10)
    f = s.makefile("rwb")
    def ask(text):
        f.write(text + b"\r\n")
        f.flush()
        return f.readline().strip()
    f.readline()
    good = sum(ask(b"NOOP %d" % i) == b"200 NOOP %d" % i for i in range(20))
    l = socket.create_server((own, 51221), family=socket.AF_INET6 if ":" in own else socket.AF_INET)
    l.settimeout(10)
    if ":" in own:
        told = ask(b"EPRT |2|%s|51221|" % own.encode())
    else:
        told = ask(b"PORT %s,200,21" % own.replace(".", ",").encode())
    d, _ = l.accept()
    d.settimeout(10)
    got = 0
    while True:
        n = len(d.recv(1 << 18))
        if not n:
            break
        got += n
    done = f.readline().strip()
    good += sum(ask(b"NOOP %d" % i) == b"200 NOOP %d" % i for i in range(200))
    print(good, told.decode().split()[-1], got, done.decode().split()[0], flush=True)
    sys.stdin.readline()  # the connection stays until it has been looked at
if sys.argv[1] == "server":
    server(sys.argv[2], int(sys.argv[3]))
else:
    client(sys.argv[2], int(sys.argv[3]), sys.argv[4])
END

# rt_mac IF: of an interface of the router.
rt_mac() {
	rt ip -j link show "$1" | jq -r '.[0].address'
}

# fast_of SPORT: does conns say that all connections from that port are on the fast path?
fast_of() {
	[[ $(pcc conns --json | jq -c "[.[] | select(.sport == $1) | .fastpath] | [length > 0, all]") == '[true,true]' ]]
}

wan_of() {
	pcc conns --json | jq -r "[.[] | select(.sport == $1) | .wan] | first"
}

fast_packets() {
	stat_of '[.wans[].fastpath_packets] | add'
}

mtu_is() {
	local i
	for i in 1 2; do
		rt ip link set "wan$i" mtu "$1"
		isp $i ip link set cust mtu "$1"
	done
}

udp_edges() {
	local mode=$1 sport=43001 dst router before
	mtu_is 1400
	for dst in 203.0.113.1 2001:db8:ffff::1; do
		router=192.168.77.1
		[[ $dst != *:* ]] || router=fd77::1
		before=$(fast_packets)
		lan 1 python3 "$T_DIR/udp_edges.py" "$dst" 7001 $sport 1400 >"$T_DIR/edges"
		t_assert_eq "$(sed -n 's/^\(before\|between\|after\) //p' "$T_DIR/edges" | paste -sd' ')" '60 30 60' "$dst: datagrams answered"
		if [[ $dst == *:* ]]; then
			t_assert_eq "$(grep hops "$T_DIR/edges")" "hops 3 0 $router 0" "$dst: hop limit 1"
			t_assert_eq "$(grep long "$T_DIR/edges")" "long 2 0 $router 1400" "$dst: 1401 bytes"
		else
			t_assert_eq "$(grep hops "$T_DIR/edges")" "hops 11 0 $router 0" "$dst: TTL 1"
			t_assert_eq "$(grep long "$T_DIR/edges")" "long 3 4 $router 1400" "$dst: 1401 bytes"
		fi
		t_assert "$dst: 1400 bytes are answered" grep -q '^fits answered' "$T_DIR/edges"
		t_assert "$dst: it is on the fast path" fast_of $sport
		(($(fast_packets) - before > 200)) || t_fail "$dst: only $(($(fast_packets) - before)) packets were fast"
		((sport++))
	done
}

# mss FAMILY MTU: what TCP makes of it, with time stamps.
mss() {
	echo $(($2 - ($1 == 4 ? 20 : 40) - 32))
}

tcp_adapts() {
	local dst family before
	for dst in 203.0.113.2 2001:db8:ffff::2; do
		family=4
		[[ $dst != *:* ]] || family=6
		before=$(fast_packets)
		t_assert_eq "$(lan 1 python3 "$T_DIR/tcp_bulk.py" "$dst" 7000 3000000)" "whole $(mss $family 1400)" \
			"$dst: 3 MB sent through an MTU of 1400 and back, segment size"
		(($(fast_packets) - before > 100)) || t_fail "$dst: only $(($(fast_packets) - before)) packets were fast"
	done
	mtu_is 1500
	rt ip link set "$LAN_IF" mtu 1300
	for dst in 203.0.113.3 '[2001:db8:ffff::3]'; do
		before=$(fast_packets)
		t_assert_eq "$(lan 1 curl -s -m 20 -o /dev/null -w '%{size_download}' "http://$dst/bytes/3000000")" 3000000 \
			"$dst: bytes of a download through an MTU of 1300"
		(($(fast_packets) - before > 50)) || t_fail "$dst: only $(($(fast_packets) - before)) packets were fast"
	done
	rt ip link set "$LAN_IF" mtu 1500
}

# Packets with our payload that NS has seen.
forged_count() {
	in_lab "$1" nft -j list counter inet forged seen | jq '[.nftables[].counter | select(.) | .packets] | add'
}

forged_watch() {
	in_lab "$1" nft -f - <<-'END'
	table inet forged {
		counter seen { }
		chain in {
			type filter hook prerouting priority raw
			meta l4proto udp @th,64,32 0x464f5247 counter name seen
		}
	}
	END
}

# A connection of the LAN; whoever sits on a WAN sends packets with its addresses to the router. The
# router does what careful ones do: what comes from where no answer would go is dropped.
forgers() {
	local sport=43101 dst src wan other i before family
	rt nft -f - <<-'END'
	table inet careful {
		chain pre {
			type filter hook prerouting priority raw
			iifname "wan*" meta l4proto udp fib saddr . mark . iif oif missing drop
		}
	}
	END
	forged_watch inet
	forged_watch lan1
	for dst in 203.0.113.1 2001:db8:ffff::1; do
		src=192.168.77.11
		family=4
		[[ $dst != *:* ]] || src=fd77::11 family=6
		lan 1 python3 "$T_DIR/udp_edges.py" "$dst" 7001 $sport 1400 >"$T_DIR/edges"
		t_assert "$dst: it is on the fast path" fast_of $sport
		wan=$(wan_of $sport)
		before=$(fast_packets)
		for i in 1 2; do
			isp $i python3 "$T_DIR/frames.py" cust 50 "$(rt_mac "wan$i")" "$src" $sport "$dst" 7001
		done
		# What would be an answer, on the other WAN.
		other=$((3 - ${wan#wan}))
		isp $other python3 "$T_DIR/frames.py" cust 50 "$(rt_mac "wan$other")" "$dst" 7001 \
			"$(wan_address "$family" "wan$other")" $sport
		# And to another MAC than the router's.
		lan 1 python3 "$T_DIR/frames.py" eth0 50 02:00:00:0f:0f:0f "$src" $sport "$dst" 7001
		sleep 0.2
		t_assert_eq "$(forged_count inet)" 0 "$dst: forged packets that the server's net has seen"
		t_assert_eq "$(forged_count lan1)" 0 "$dst: forged packets that the LAN host has seen"
		t_assert_eq "$(($(fast_packets) - before))" 0 "$dst: packets that took the fast path"
		# The same frames by the right way do pass: they are valid.
		lan 1 python3 "$T_DIR/frames.py" eth0 50 "$(rt_mac "$LAN_IF")" "$src" $sport "$dst" 7001
		arrived() { (($(forged_count inet) == 50)); }
		t_assert "$dst: the host's own 50 packets pass: $(forged_count inet)" eventually arrived
		inet nft reset counters table inet forged >/dev/null
		lan 1 nft reset counters table inet forged >/dev/null
		((sport++))
	done
	inet nft delete table inet forged
	lan 1 nft delete table inet forged
	rt nft delete table inet careful
}

ftp() {
	local dst own server answer family port=2121
	rt nft -f - 2>"$T_DIR/err" <<-'END' || return 1
	table inet helpers {
		ct helper ftp-test { type "ftp" protocol tcp; }
		chain pre {
			type filter hook prerouting priority filter
			tcp dport { 2121, 2122 } ct helper set "ftp-test"
		}
	}
	END
	for dst in 203.0.113.1 2001:db8:ffff::1; do
		own=192.168.77.11
		family=4
		[[ $dst != *:* ]] || own=fd77::11 family=6
		spawn_to "$T_DIR/ftp" inet python3 "$T_DIR/ftp.py" server "$dst" $port
		server=$SPAWNED
		eventually grep -qs ready "$T_DIR/ftp" || t_fail 'the FTP server does not start'
		mkfifo "$T_DIR/go"
		# Not lan(): its function would be a shell that keeps the other end open.
		nsenter --net="/run/netns/$LAB-lan1" -- python3 "$T_DIR/ftp.py" client "$dst" $port "$own" \
			<"$T_DIR/go" >"$T_DIR/ftp.client" 2>&1 &
		exec 8>"$T_DIR/go"
		eventually test -s "$T_DIR/ftp.client" || t_fail "$dst: the FTP client does not end"
		read -r answer <"$T_DIR/ftp.client"
		t_assert_eq "$answer" "220 $(wan_address $family "$(pcc conns --json |
			jq -r "[.[] | select(.dport == $port) | .wan] | first")") 400000 226" \
			"$dst: lines answered, address that the server was told, bytes, end"
		t_assert_eq "$(pcc conns --json | jq -c "[.[] | select(.dport == $port) | .fastpath]")" '[false]' \
			"$dst: the control connection is on the fast path"
		exec 8>&-
		wait $!
		rm "$T_DIR/go"
		stop "$server"
		((port++))
	done
	rt nft delete table inet helpers
}

mode_tests() {
	local mode=$1
	t_assert_status 0 pcc attach --lan "$LAN_IF" --wan wan1,wan2 --fastpath "$mode"
	t_assert_eq "$(pcc status --json | jq -c '[.lan[].fastpath, .wans[].fastpath] | unique')" "[\"$mode\"]" 'status'

	t_begin "$mode: a hop limit of 1 and what exceeds the MTU are answered by the router, the connection goes on"
	udp_edges "$mode"
	assert_no_leak

	t_begin "$mode: TCP adapts to a smaller MTU of the WAN, and of the LAN"
	tcp_adapts
	assert_no_leak

	t_begin "$mode: who forges a connection's addresses, or the MAC, gets nothing through"
	forgers
	assert_no_leak

	t_begin "$mode: FTP in active mode, translated: the control connection stays with the kernel"
	ftp || t_skip "no ct helper objects: $(head -n 1 "$T_DIR/err")"
	assert_no_leak
	t_assert_status 0 pcc detach
}

lab_up --isps 2 --hosts 1 --lan port
first=$LAB
mode_tests tc
lab_up --isps 2 --hosts 1 --lan port --no-offload
lab_down "$first"
mode_tests xdp

t_begin 'xdp: what a driver takes no frames for leaves by tc, status says so, and a later attach sees that it takes them'
# A veth takes frames from XDP while its peer has XDP or GRO.
send_said() {
	pcc status --json | jq -c '[(.lan + .wans)[] | select(.fastpath_reason | test("driver takes no frames")) | .name]'
}
fast_over() {
	(($(stat_of '.wans[0].fastpath_packets') > $1))
}
isp 1 ethtool -K cust gro off >/dev/null
t_assert_status 0 pcc attach --lan "$LAN_IF" --wan wan1,wan2 --fastpath xdp
t_assert_eq "$(send_said)" '["wan1"]' 'interfaces that take none'
hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port "$TCP_PORTS" --count 12 --interval-ms 20
t_assert 'connections by wan1 take the fast path' eventually fast_over 200
t_assert_eq "$(pcc attach --lan "$LAN_IF" --wan wan1,wan2 --fastpath xdp --dry-run 2>/dev/null)" 'nothing to do' 'the plan'
isp 1 ethtool -K cust gro on >/dev/null
t_assert_eq "$(pcc attach --lan "$LAN_IF" --wan wan1,wan2 --fastpath xdp --dry-run 2>/dev/null)" \
	'maps: XDP sends to wan1, if its driver takes that now' 'the plan with GRO at the peer'
t_assert_status 0 pcc attach --lan "$LAN_IF" --wan wan1,wan2 --fastpath xdp
t_assert_eq "$(send_said)" '[]' 'interfaces that take none, with GRO at the peer'
fast=$(stat_of '.wans[0].fastpath_packets')
t_assert 'and go on' eventually fast_over $((fast + 200))
t_assert 'no connection is lost' hold_is '.alive == 12 and .broken == 0'
hold_stop >/dev/null
assert_no_leak
t_assert_status 0 pcc detach
