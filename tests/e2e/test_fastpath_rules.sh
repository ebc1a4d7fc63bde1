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

LIMIT_MS=2200 # 2.1 s, and what it takes to see it
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
	poll_until 6 fell_silent "$1" || {
		t_fail "$1: packets still pass $(($(now_ms) - $2)) ms later"
		return
	}
	took=$(($(last_answer "$1") - $2))
	TOOK+=" $1 ${took} ms"
	((took <= LIMIT_MS)) || t_fail "$1: packets passed for $took ms"
}

answers_again() {
	(($(now_ms) - $(last_answer "$1") < 100))
}

# longest_gap NAME SINCE: the longest time without an answer (ms).
longest_gap() {
	awk -v since="$2" '$1 >= since { if (last && $1 - last > gap) gap = $1 - last; last = $1 } END { print gap + 0 }' "$T_DIR/stream.$1"
}

# timeouts PORT: seconds that conntrack gives the TCP connections to that port, the least one.
least_timeout() {
	rt conntrack -L -p tcp --dport "$1" 2>/dev/null | awk '/ESTABLISHED/ { print $3 }' | sort -n | head -n 1
}

entries() {
	rt conntrack -L -p tcp --dport "$1" 2>/dev/null | grep -c ESTABLISHED
}

mode_tests() {
	local mode=$1 start gap mac wan t
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
	t_assert 'all are fast' poll_until 5 streams_fast 42001 42002 42003 42004 42005 42006
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
	t_assert 'another stream goes on' answers_again free
	echo "     $mode:$TOOK"
	rt nft flush chain inet fw forward
	rt ip route del blackhole 203.0.113.4/32
	rt ip -6 route del blackhole 2001:db8:ffff::4/128
	for t in drop4 drop6 route4 route6 ct; do
		t_assert "$t goes on after it is undone" poll_until 5 answers_again "$t"
	done
	for t in drop4 drop6 route4 route6 ct; do stream_stop "$t"; done

	t_begin "$mode: a rule stops an answer's way too, and TCP"
	hold_start lan1 --dst "$SERVERS6,$SERVERS4" --port 7008-7009 --count 20 --interval-ms 30 --timeout-ms 30000
	hold_unharmed 20
	tcp_fast() {
		[[ $(pcc conns --json | jq -c '[.[] | select(.proto == "tcp" and .dport == 7008) | .fastpath] | [length > 0, all]') == '[true,true]' ]]
	}
	t_assert 'fast' poll_until 4 tcp_fast
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
	t_assert 'packets are counted' poll_until 2 is_seen
	start=$(now_ms)
	rt nft add rule inet fw forward tcp sport 7008 drop
	while (($(now_ms) - start < LIMIT_MS)); do sleep 0.02; done
	before=$(seen)
	sleep 0.5
	t_assert_eq "$(seen)" "$before" "answers seen $LIMIT_MS ms after the rule and 0.5 s later"
	rt nft delete table inet fw
	lan 1 nft delete table inet watch
	hold_stop >/dev/null

	t_begin "$mode: a next hop that changes its MAC is followed within 2.1 s"
	# The stream's WAN, whichever it is.
	wan=$(pcc conns --json | jq -r '.[] | select(.sport == 42006) | .wan')
	t_assert 'fast' poll_until 4 streams_fast 42006
	start=$(now_ms)
	mac=02:00:00:aa:bb:0${wan#wan}
	isp "${wan#wan}" ip link set dev cust address "$mac"
	rt ip neigh replace "198.18.${wan#wan}.1" lladdr "$mac" dev "$wan" nud reachable
	rt ip neigh replace "2001:db8:${wan#wan}::1" lladdr "$mac" dev "$wan" nud reachable
	sleep 2.6
	t_assert 'it goes on' poll_until 3 answers_again free
	gap=$(longest_gap free "$start")
	((gap <= LIMIT_MS)) || t_fail "no answer for $gap ms"
	echo "     $mode: $gap ms without an answer"

	t_begin "$mode: a WAN that is set down carries not one packet once the command has returned"
	hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port 7010-7013 --count 60 --interval-ms 20
	hold_unharmed 60
	t_assert 'fast' poll_until 4 streams_fast 42006
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
	carried() {
		isp "${wan#wan}" nft -j list counter inet watch seen | jq '[.nftables[].counter | select(.) | .packets] | add'
	}
	carries() {
		(($(carried) > 0))
	}
	t_assert 'packets are seen' poll_until 3 carries
	t_assert_status 0 pcc wan set "$wan" --state down
	before=$(carried)
	sleep 0.7
	t_assert_eq "$(carried)" "$before" "packets that $wan has carried"
	isp "${wan#wan}" nft delete table inet watch
	t_assert 'the stream goes on by the other' poll_until 3 answers_again free
	hold_stop >/dev/null
	t_assert_status 0 pcc wan set "$wan" --state up
	stream_stop free

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
	assert_no_leak
	t_assert_status 0 pcc detach
}

lab_up --isps 2 --hosts 1 --lan port
first=$LAB
mode_tests tc
lab_up --isps 2 --hosts 1 --lan port --no-offload
lab_down "$first"
mode_tests xdp
