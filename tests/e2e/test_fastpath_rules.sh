#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The kernel stays the authority over connections on the fast path, in tc and in XDP: a firewall rule,
# a route, a neighbour or a conntrack entry that changes takes effect within the lease (2 s and 100 ms),
# a WAN that is set down at once, and conntrack's timeouts stay what they are.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip nft nsenter jq python3 conntrack

LEASE_MS=2100
SEEN_MS=100 # what it takes to see it
ATTACH=(attach --lan lan0 --wan 'wan1,wan2' --classifier both-addresses-and-ports)

# A stream of datagrams, one each 4 ms, each of them answered by the server. Writes to its output the
# time of each answer (ms).
cat >"$T_DIR/stream.py" <<'END'
import select, socket, sys, time
dst, port, sport = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
s = socket.socket(socket.AF_INET6 if ":" in dst else socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", sport))
s.connect((dst, port))
s.setblocking(False)
due = time.monotonic()
while True:
    due += 0.004
    try:
        s.send(b"x" * 100)
    except OSError:
        pass
    while True:
        wait = due - time.monotonic()
        if not select.select([s], [], [], max(wait, 0))[0]:
            break
        try:
            s.recv(2048)
            print(int(time.time() * 1000), flush=True)
        except OSError:
            pass
END

# One end of a connection that is closed by halves. `server PORT` answers each message; told that no more
# comes, it sends 200 of 100 bytes and closes. `client PORT SECONDS` plays for that time, says that no more comes, and
# reads to the end. Both print when no more came, or comes (ms); the client what it got after that, too.
cat >"$T_DIR/half.py" <<'END'
import socket, sys, time
def now():
    return int(time.time() * 1000)
def server(port):
    listener = socket.create_server(("203.0.113.7", port))
    print("ready", flush=True)
    c, _ = listener.accept()
    while data := c.recv(100):
        c.sendall(data)
    print(now(), flush=True)
    for _ in range(200):
        c.sendall(b"z" * 100)
        time.sleep(0.005)
    c.close()
    time.sleep(3)
def client(port, seconds):
    c = socket.create_connection(("203.0.113.7", port))
    c.settimeout(5)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        c.sendall(b"x" * 50)
        got = 0
        while got < 50:
            got += len(c.recv(100))
        time.sleep(0.01)
    print(now(), flush=True)
    c.shutdown(socket.SHUT_WR)
    got = 0
    while data := c.recv(65536):
        got += len(data)
    print(got, flush=True)
if sys.argv[1] == "server":
    server(int(sys.argv[2]))
else:
    client(int(sys.argv[2]), float(sys.argv[3]))
END

declare -A STREAM_PID=()

# stream_start NAME DESTINATION PORT SOURCE-PORT
stream_start() {
	spawn_to "$T_DIR/stream.$1" lan1 python3 "$T_DIR/stream.py" "$2" "$3" "$4"
	STREAM_PID[$1]=$SPAWNED
}

stream_stop() {
	stop "${STREAM_PID[$1]}"
}

last_answer() {
	tail -n 1 "$T_DIR/stream.$1"
}

# stream_is_fast SOURCE-PORT...: conns says that these are on the fast path.
streams_fast() {
	local ports
	ports=$(printf '%s\n' "$@" | jq -sc 'sort')
	[[ $(pcc conns --json | jq -c --argjson p "$ports" \
		'[.[] | select(.proto == "udp" and .fastpath) | .sport] | unique | map(select(. as $s | $p | index($s)))') == "$ports" ]]
}

# fell_silent NAME: no answer for the last 600 ms.
fell_silent() {
	(($(now_ms) - $(last_answer "$1") > 600))
}

# silent_within NAME START: the last answer came within the limit after START.
silent_within() {
	local took
	eventually fell_silent "$1" || {
		t_fail "$1: packets still pass $(($(now_ms) - $2)) ms later"
		return
	}
	took=$(($(last_answer "$1") - $2))
	TOOK+=" $1 ${took} ms"
	t_assert_ms $((took - LEASE_MS)) $SEEN_MS "$1: packets that pass after the lease"
}

answers_again() {
	(($(now_ms) - $(last_answer "$1") < 100))
}

# longest_gap NAME SINCE: the longest time without an answer (ms).
longest_gap() {
	awk -v since="$2" '$1 >= since { if (last && $1 - last > gap) gap = $1 - last; last = $1 } END { print gap + 0 }' "$T_DIR/stream.$1"
}

# next_hops_move: the ISPs' gateways get other MACs, and tell their neighbours, as one that takes over
# does. GAP: the longest time that a stream had no answer (ms).
MACS=0
next_hops_move() {
	local start i t gap
	start=$(now_ms)
	for i in 1 2; do
		isp $i ip link set dev cust address "02:00:00:aa:$((MACS + 10)):0$i"
	done
	MACS=$((MACS + 1))
	sleep 2.6 # a lease and more
	GAP=0
	for t in free free6; do
		t_assert "$t goes on" eventually answers_again $t
		gap=$(longest_gap $t "$start")
		((gap <= GAP)) || GAP=$gap
	done
}

carried() {
	isp "${wan#wan}" nft -j list counter inet watch seen | jq '[.nftables[].counter | select(.) | .packets] | add'
}

carries() {
	(($(carried) > 0))
}

# carries_nothing_after 'COMMAND' 'OPTIONS': given the WAN that has the stream now (wan) while connections run.
carries_nothing_after() {
	local before
	hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port 7010-7013 --count 60 --interval-ms 20
	hold_unharmed 60
	t_assert 'fast' eventually streams_fast 42006
	wan=$(pcc conns --json | jq -r '.[] | select(.sport == 42006) | .wan')
	isp "${wan#wan}" nft -f - <<-'END'
	table inet watch {
		counter seen { }
		chain in {
			type filter hook prerouting priority raw
			# The router itself resets what servers still send there.
			iifname cust tcp flags & rst == 0 counter name seen
			iifname cust meta l4proto udp counter name seen
		}
	}
	END
	# What it answers from the address of a WAN that is deleted goes by the main table.
	rt nft -f - <<-END
	table inet careful
	delete table inet careful
	table inet careful {
		chain output {
			type filter hook output priority filter
			oifname != "$wan" ip saddr $(wan_address 4 "$wan") drop
			oifname != "$wan" ip6 saddr $(wan_address 6 "$wan") drop
		}
	}
	END
	t_assert 'packets are seen' eventually carries
	# shellcheck disable=SC2086
	t_assert_status 0 pcc $1 "$wan" ${2:-}
	before=$(carried)
	sleep 0.7
	t_assert_eq "$(carried)" "$before" "packets that $wan has carried after $1"
	isp "${wan#wan}" nft delete table inet watch
	t_assert 'the stream goes on by the other' eventually answers_again free
	hold_stop >/dev/null
}

# timeouts PORT: seconds that conntrack gives the TCP connections to that port, the least one.
least_timeout() {
	rt conntrack -L -p tcp --dport "$1" 2>/dev/null | awk '/ESTABLISHED/ { print $3 }' | sort -n | head -n 1
}

entries() {
	rt conntrack -L -p tcp --dport "$1" 2>/dev/null | grep -c ESTABLISHED
}

# The ids of the entries of the two UDP flows.
udp_entries() {
	rt conntrack -L -p udp -o id 2>/dev/null | sed -n 's/.* sport=4201[12] .* id=\([0-9]*\).*/\1/p' | sort | paste -sd' '
}

# Conntrack keeps ESTABLISHED, but for 10 s only, after a RST whose sequence number is not the one that
# it waits for: it has not seen the acknowledgements that took the fast path.
no_open_entry() {
	! rt conntrack -L -p tcp --dport "$1" 2>/dev/null | awk '/ESTABLISHED/ && $3 > 10 { open = 1 } END { exit !open }'
}

# A server that sends all the time and never reads: when it is killed the kernel resets the connection.
cat >"$T_DIR/server.py" <<'END'
import socket, sys, time
listener = socket.create_server(("203.0.113.7", int(sys.argv[1])))
print("ready", flush=True)
conn, _ = listener.accept()
while True:
    conn.sendall(b"y" * 100)
    time.sleep(0.02)
END

# A connection that speaks all the time; prints the error that ends it, and when (ms).
cat >"$T_DIR/client.py" <<'END'
import errno, select, socket, sys, time
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
s.setblocking(False)
while True:
    try:
        s.send(b"x" * 100)
        if select.select([s], [], [], 0.02)[0] and not s.recv(65536):
            raise OSError(errno.EPIPE, "")
        time.sleep(0.02)
    except BlockingIOError:
        pass
    except OSError as err:
        print(errno.errorcode[err.errno], int(time.time() * 1000), flush=True)
        break
END

mode_tests() {
	local mode=$1 start own wan t watch before server client half what when
	local -A starts=()
	rt sysctl -qw net.netfilter.nf_conntrack_tcp_timeout_established=4000
	t_assert_status 0 pcc "${ATTACH[@]}" --fastpath "$mode"
	t_assert_eq "$(pcc status --json | jq -c '[.lan[].fastpath, .wans[].fastpath] | unique')" "[\"$mode\"]" 'status'

	t_begin "$mode: a drop rule, a route, a deleted conntrack entry take effect within 2.1 s"
	TOOK=''
	stream_start drop4 203.0.113.1 7001 42001
	stream_start drop6 2001:db8:ffff::1 7001 42002
	stream_start route4 203.0.113.4 7004 42003
	stream_start route6 2001:db8:ffff::4 7004 42004
	stream_start ct 203.0.113.5 7005 42005
	stream_start free 203.0.113.6 7006 42006
	stream_start free6 2001:db8:ffff::6 7006 42007
	t_assert 'all are fast' eventually streams_fast 42001 42002 42003 42004 42005 42006 42007
	rt nft -f - <<-'END'
	table inet fw {
		chain forward {
			type filter hook forward priority filter
			udp dport 7005 ct state new drop
		}
	}
	END
	sleep 2.3
	t_assert 'all go on' streams_fast 42001 42002 42003 42004 42005 42006
	# Each from when its command has returned.
	rt nft add rule inet fw forward udp dport 7001 drop
	starts[drop4]=$(now_ms)
	starts[drop6]=${starts[drop4]}
	rt ip route add blackhole 203.0.113.4/32
	starts[route4]=$(now_ms)
	rt ip -6 route add blackhole 2001:db8:ffff::4/128
	starts[route6]=$(now_ms)
	rt conntrack -D -p udp --orig-port-src 42005 >/dev/null 2>&1 || t_fail 'conntrack -D'
	starts[ct]=$(now_ms)
	for t in "${!starts[@]}"; do silent_within "$t" "${starts[$t]}"; done
	t_assert 'another stream goes on' eventually answers_again free
	echo "     $mode:$TOOK"
	rt nft flush chain inet fw forward
	rt ip route del blackhole 203.0.113.4/32
	rt ip -6 route del blackhole 2001:db8:ffff::4/128
	for t in drop4 drop6 route4 route6 ct; do
		t_assert "$t goes on after it is undone" eventually answers_again "$t"
	done
	for t in drop4 drop6 route4 route6 ct; do stream_stop "$t"; done

	t_begin "$mode: a rule stops an answer's way too, and TCP"
	hold_start lan1 --dst "$SERVERS6,$SERVERS4" --port 7008-7009 --count 20 --interval-ms 30 --timeout-ms 30000
	hold_unharmed 20
	tcp_fast() {
		[[ $(pcc conns --json | jq -c '[.[] | select(.proto == "tcp" and .dport == 7008) | .fastpath] | [length > 0, all]') == '[true,true]' ]]
	}
	t_assert 'fast' eventually tcp_fast
	lan 1 nft -f - <<-'END'
	table inet watch {
		counter seen { }
		chain in {
			type filter hook prerouting priority raw
			tcp sport 7008 counter name seen
		}
	}
	END
	seen() {
		lan 1 nft -j list counter inet watch seen | jq '[.nftables[].counter | select(.) | .packets] | add'
	}
	is_seen() {
		(($(seen) > 0))
	}
	t_assert 'packets are counted' eventually is_seen
	start=$(now_ms)
	rt nft add rule inet fw forward tcp sport 7008 drop
	while (($(now_ms) - start < LEASE_MS + SEEN_MS)); do sleep 0.02; done
	before=$(seen)
	sleep 0.5
	t_assert_eq "$(seen)" "$before" "answers seen $((LEASE_MS + SEEN_MS)) ms after the rule and 0.5 s later"
	rt nft delete table inet fw
	lan 1 nft delete table inet watch
	hold_stop >/dev/null

	t_begin "$mode: next hops that change their MAC are followed as the kernel follows, IPv4 and IPv6"
	t_assert_status 0 pcc "${ATTACH[@]}" --fastpath off
	next_hops_move
	own=$GAP
	t_assert_status 0 pcc "${ATTACH[@]}" --fastpath "$mode"
	t_assert 'fast' eventually streams_fast 42006 42007
	sleep 1 # of the lease
	next_hops_move
	echo "     $mode: $GAP ms without an answer, $own ms without the fast path"
	t_assert_ms $((GAP - own)) 100 'longer without an answer than without the fast path'
	t_assert 'fast again' eventually streams_fast 42006 42007
	stream_stop free6

	t_begin "$mode: a WAN that is set down, or deleted, carries not one packet once the command has returned"
	carries_nothing_after 'wan set' '--state down'
	t_assert_status 0 pcc wan set "$wan" --state up
	carries_nothing_after 'wan del'
	t_assert_status 0 pcc wan add "$wan"
	rt nft delete table inet careful
	stream_stop free

	# Watched while the next test waits: busy and idle UDP, and a connection that is reset late.
	rt sysctl -qw net.netfilter.nf_conntrack_udp_timeout_stream=3
	stream_start busy4 203.0.113.1 7001 42011
	stream_start busy6 2001:db8:ffff::1 7001 42012
	t_assert 'fast' eventually streams_fast 42011 42012
	spawn_to "$T_DIR/destroyed" rt conntrack -E -e DESTROY -p udp
	watch=$SPAWNED
	before=$(udp_entries)
	spawn_to "$T_DIR/ready.$mode" inet python3 "$T_DIR/server.py" 7301
	server=$SPAWNED
	eventually grep -qs ready "$T_DIR/ready.$mode" || t_fail 'the server does not start'
	spawn_to "$T_DIR/client.$mode" lan1 python3 "$T_DIR/client.py" 203.0.113.7 7301
	client=$SPAWNED

	spawn_to "$T_DIR/half.s.$mode" inet python3 "$T_DIR/half.py" server 7302
	eventually grep -qs ready "$T_DIR/half.s.$mode" || t_fail 'the server does not start'
	half=("$SPAWNED")
	spawn_to "$T_DIR/half.ct.$mode" rt conntrack -E -e UPDATES -p tcp --orig-port-dst 7302
	half+=("$SPAWNED")
	spawn_to "$T_DIR/half.c.$mode" lan1 python3 "$T_DIR/half.py" client 7302 4.7
	half+=("$SPAWNED")
	half_is_fast() {
		[[ $(pcc conns --json | jq -c '[.[] | select(.dport == 7302) | .fastpath]') == '[true]' ]]
	}
	t_assert 'fast' eventually half_is_fast

	t_begin "$mode: conntrack's timeout of a TCP connection stays the established one, and outlives an idle time"
	rt sysctl -qw net.netfilter.nf_conntrack_tcp_timeout_unacknowledged=2
	rt sysctl -qw net.netfilter.nf_conntrack_tcp_timeout_max_retrans=2
	hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port 7014-7015 --count 30 --interval-ms 20
	hold_unharmed 30
	sleep 2.3
	t_assert_eq "$(($(least_timeout 7014) > 3900))" 1 "the least timeout while busy is $(least_timeout 7014) s"
	kill -STOP "$HOLD_PID"
	sleep 4
	t_assert_eq "$(($(entries 7014) + $(entries 7015)))" 30 'conntrack entries after 4 s of silence'
	kill -CONT "$HOLD_PID"
	hold_unharmed 30
	hold_stop >/dev/null
	no_entries() {
		(($(entries 7014) + $(entries 7015) == 0))
	}
	t_assert 'those that ended have no established entry' eventually no_entries

	t_begin "$mode: a UDP flow with traffic keeps its conntrack entry, an idle one loses it"
	t_assert_eq "$(wc -w <<<"$before") $(udp_entries)" "2 $before" 'entries, and their ids after some seconds'
	t_assert_eq "$(grep -c 'sport=4201[12]' "$T_DIR/destroyed")" 0 'their entries that were destroyed'
	t_assert 'they are fast' streams_fast 42011 42012
	stream_stop busy4
	stream_stop busy6
	no_udp_entries() {
		[[ -z $(udp_entries) ]]
	}
	t_assert 'idle, they have no entry after 3 s' eventually no_udp_entries
	stop "$watch"
	rt sysctl -qw net.netfilter.nf_conntrack_udp_timeout_stream=120

	t_begin "$mode: a FIN after seconds of the fast path is there at once, and the other half goes on to its end"
	half_ended() {
		(($(wc -l <"$T_DIR/half.c.$mode") == 2))
	}
	t_assert 'it ends' eventually half_ended
	read -r when <"$T_DIR/half.c.$mode"
	t_assert_ms $(($(tail -n 1 "$T_DIR/half.s.$mode") - when)) 300 'the server was told'
	t_assert_eq "$(tail -n 1 "$T_DIR/half.c.$mode")" 20000 'bytes that came after it'
	t_assert_eq "$(grep -oE '(FIN|TIME)_WAIT|CLOSE_WAIT|LAST_ACK' "$T_DIR/half.ct.$mode" | uniq | paste -sd' ')" \
		'FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT' "conntrack's states of it"
	t_assert_eq "$(pcc conns --json | jq -c '[.[] | select(.dport == 7302) | .fastpath]')" '[false]' 'fast'
	for t in "${half[@]}"; do stop "$t"; done

	t_begin "$mode: a server that is killed after seconds of the fast path: the client gets ECONNRESET at once"
	t_assert_eq "$(pcc conns --json | jq -c '[.[] | select(.dport == 7301) | .fastpath]')" '[true]' 'fast'
	start=$(now_ms)
	kill -KILL "$server"
	t_assert 'it ends' eventually grep -qs E "$T_DIR/client.$mode"
	read -r what when <"$T_DIR/client.$mode"
	t_assert_eq "$what" ECONNRESET 'what the client got'
	t_assert_ms $((${when:-0} - start)) 1000 'it ends'
	stop "$client"
	t_assert 'conntrack has closed it' eventually no_open_entry 7301
	assert_no_leak
	t_assert_status 0 pcc detach
}

# They tell it by themselves (RFC 5227, RFC 4861).
isps_tell() {
	local i
	for i in 1 2; do isp $i sysctl -qw net.ipv4.conf.cust.arp_notify=1 net.ipv6.conf.cust.ndisc_notify=1; done
}

lab_up --isps 2 --hosts 1 --lan port
isps_tell
first=$LAB
mode_tests tc
lab_up --isps 2 --hosts 1 --lan port --no-offload
isps_tell
lab_down "$first"
mode_tests xdp
