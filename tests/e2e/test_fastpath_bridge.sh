#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A LAN that is a bridge: in tc the fast path runs on the bridge, in XDP on its ports, for frames to the bridge's
# own MAC only. What hosts say to each other is bridged as ever, also by way of the router (hairpin), and a host
# that moves to another port is followed.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip nft bridge nsenter jq python3

# stream.py NAME DESTINATION PORT SOURCE-PORT: a datagram each 5 ms; prints the time of the first, then of
# each answer (ms).
cat >"$T_DIR/stream.py" <<'END'
import select, socket, sys, time
dst, port, sport = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
s = socket.socket(socket.AF_INET6 if ":" in dst else socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", sport))
s.setblocking(False)
print(int(time.time() * 1000), flush=True)
while True:
    try:
        s.sendto(b"x" * 100, (dst, port))
    except OSError:
        pass
    if select.select([s], [], [], 0.005)[0]:
        try:
            s.recv(2048)
            print(int(time.time() * 1000), flush=True)
        except OSError:
            pass
    time.sleep(0.005)
END

# frames.py IF COUNT DESTINATION-MAC SOURCE-MAC SRC SPORT DST DPORT: UDP over IPv4, payload "BRIDGED...".
cat >"$T_DIR/frames.py" <<'END'
import socket, struct, sys
dev, count, to, own, src, sport, dst, dport = sys.argv[1:9]
mac = lambda text: bytes.fromhex(text.replace(":", ""))
data = b"BRIDGED!" * 4
udp = struct.pack("!HHHH", int(sport), int(dport), 8 + len(data), 0) + data
ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 7, 0, 64, 17, 0) + socket.inet_aton(src) + socket.inet_aton(dst)
total = sum(struct.unpack("!10H", ip))
total = (total & 0xFFFF) + (total >> 16)
ip = ip[:10] + struct.pack("!H", ~total & 0xFFFF) + ip[12:]
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((dev, 0))
for _ in range(int(count)):
    s.send(mac(to) + mac(own) + b"\x08\0" + ip + udp)
END

mac_of() {
	in_lab "$1" ip -j link show "$2" | jq -r '.[0].address'
}

fast_of() {
	[[ $(pcc conns --json | jq -c "[.[] | select(.sport == $1) | .fastpath] | [length > 0, all]") == '[true,true]' ]]
}

fast_packets() {
	stat_of '[.wans[].fastpath_packets] | add'
}

watch_frames() {
	in_lab "$1" nft -f - <<-'END'
	table netdev watch {
		counter seen { }
		chain in {
			type filter hook ingress device eth0 priority 0
			meta protocol ip meta l4proto udp @th,64,64 0x4252494447454421 counter name seen
		}
	}
	END
}

seen_by() {
	in_lab "$1" nft -j list counter netdev watch seen | jq '[.nftables[].counter | select(.) | .packets] | add'
}

sees() {
	(($(seen_by "$1") == $2))
}

mode_tests() {
	local mode=$1 xdp=$2 other stream own took before server
	lab_up --isps 2 --hosts 3 "${@:3}"
	rt ip link set br0 address 02:00:00:00:77:01
	# With br_netfilter conntrack sees bridged frames as well, and masquerade ends a connection that leaves
	# elsewhere.
	rt sysctl -qw net.bridge.bridge-nf-call-iptables=0 2>/dev/null

	t_begin "$mode: attach puts XDP on the ports and on the WANs, if at all; status says $mode for the bridge"
	t_assert_status 0 pcc attach --lan br0 --wan wan1,wan2 --fastpath "$mode"
	t_assert_eq "$(pcc status --json | jq -c '[.lan[].fastpath, .wans[].fastpath] | unique')" "[\"$mode\"]" 'status'
	t_assert_eq "$(rt ip -d -j link show | jq -c '[.[] | select(.xdp) | .ifname] | sort')" "$xdp" 'interfaces with XDP'

	t_begin "$mode: connections of hosts behind two ports are fast, both families, and whole"
	spawn_to "$T_DIR/other" lan2 python3 "$T_DIR/stream.py" 203.0.113.2 7000 44002
	other=$SPAWNED
	hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port 7001-7003 --count 60 --interval-ms 30
	hold_unharmed 60
	tcp_fast() {
		[[ $(pcc conns --json | jq -c '[.[] | select(.proto == "tcp") | .fastpath] | [length, all]') == '[60,true]' ]]
	}
	t_assert 'TCP' eventually tcp_fast
	t_assert 'UDP of the other host' eventually fast_of 44002
	before=$(fast_packets)
	more_fast() {
		(($(fast_packets) - before > 2000))
	}
	t_assert 'thousands of packets take the fast path' eventually more_fast
	hold_unharmed 60
	t_assert_eq "$(hold_stop | jq -c '[.alive, .broken]')" '[60,0]' 'alive, broken'
	stop "$other"

	t_begin "$mode: a frame to another MAC than the bridge is bridged, whatever its addresses are"
	spawn_to "$T_DIR/stream" lan1 python3 "$T_DIR/stream.py" 203.0.113.1 7000 44001
	stream=$SPAWNED
	t_assert 'the connection is fast' eventually fast_of 44001
	stop "$stream"
	watch_frames lan2
	watch_frames lan3
	inet nft -f - <<-'END'
	table inet watch {
		counter seen { }
		chain in {
			type filter hook prerouting priority raw
			meta l4proto udp @th,64,64 0x4252494447454421 counter name seen
		}
	}
	END
	seen_by_server() {
		inet nft -j list counter inet watch seen | jq '[.nftables[].counter | select(.) | .packets] | add'
	}
	server_sees() {
		(($(seen_by_server) == $1))
	}
	t_assert_eq "$(probe lan2 ping 192.168.77.11 --timeout-ms 1000)" '192.168.77.11 ok 192.168.77.11' 'echo from host to host'
	before=$(fast_packets)
	own=$(mac_of lan1 eth0)
	lan 1 python3 "$T_DIR/frames.py" eth0 40 "$(mac_of lan2 eth0)" "$own" 192.168.77.11 44001 203.0.113.1 7000
	t_assert "lan2 has its 40 frames: $(seen_by lan2)" eventually sees lan2 40
	t_assert_eq "$(seen_by lan3) $(seen_by_server)" '0 0' 'frames that lan3, the server have seen'
	t_assert_eq "$(($(fast_packets) - before))" 0 'packets that took the fast path'
	# The same to the bridge's MAC: the connection's own.
	lan 1 python3 "$T_DIR/frames.py" eth0 40 02:00:00:00:77:01 "$own" 192.168.77.11 44001 203.0.113.1 7000
	t_assert "the server has 40 packets: $(seen_by_server)" eventually server_sees 40
	t_assert_eq "$(seen_by lan2) $(seen_by lan3)" '40 0' 'frames that lan2, lan3 have seen'

	t_begin "$mode: hosts that speak to each other by the router's WAN address (hairpin) are left to the kernel"
	rt nft -f - <<-'END'
	table ip hairpin {
		chain pre {
			type nat hook prerouting priority dstnat
			iifname "br0" ip daddr 198.18.1.2 tcp dport 8080 dnat to 192.168.77.12:7500
		}
		chain post {
			type nat hook postrouting priority srcnat
			iifname "br0" oifname "br0" masquerade
		}
	}
	END
	spawn lan2 "$LABTOOL" serve --tcp 7500 --bind 192.168.77.12 --ready "$T_DIR/hairpin.$mode"
	server=$SPAWNED
	eventually test -e "$T_DIR/hairpin.$mode" || t_fail 'the server does not start'
	before=$(fast_packets)
	hold_start lan1 --dst 198.18.1.2 --port 8080 --count 20 --interval-ms 20
	hold_unharmed 20
	t_assert_eq "$(hold_stop | jq -c '[.alive, .broken]')" '[20,0]' 'alive, broken'
	t_assert_eq "$(pcc conns --json --dport 8080 | jq -c '[.[] | select(.wan or .fastpath)]')" '[]' 'of them on a WAN, or fast'
	t_assert_eq "$(($(fast_packets) - before))" 0 'packets that took the fast path'
	stop "$server"
	rt nft delete table ip hairpin

	t_begin "$mode: a host that moves to another port is followed within 2.1 s, in both directions"
	# lan3 becomes what lan1 was: its MAC and address.
	spawn_to "$T_DIR/moved" lan1 python3 "$T_DIR/stream.py" 203.0.113.3 7000 44003
	stream=$SPAWNED
	t_assert 'fast' eventually fast_of 44003
	stop "$stream"
	lan 1 ip link set eth0 down
	in_lab lan3 ip link set eth0 address "$own"
	in_lab lan3 ip addr del 192.168.77.13/24 dev eth0
	in_lab lan3 ip addr add 192.168.77.11/24 dev eth0
	in_lab lan3 ip route replace default via 192.168.77.1
	spawn_to "$T_DIR/moved" lan3 python3 "$T_DIR/stream.py" 203.0.113.3 7000 44003
	stream=$SPAWNED
	came() {
		(($(wc -l <"$T_DIR/moved") > 1))
	}
	t_assert 'it is answered' eventually came
	took=$(($(sed -n 2p "$T_DIR/moved") - $(head -n 1 "$T_DIR/moved")))
	t_assert_ms "$took" 2300 'first answer'
	echo "     first answer after $took ms"
	t_assert 'fast again' eventually fast_of 44003
	stop "$stream"
	assert_no_leak

	t_begin "$mode: detach takes XDP off the ports"
	t_assert_status 0 pcc detach
	t_assert_eq "$(rt ip -d -j link show | jq '[.[] | select(.xdp)] | length')" 0 'interfaces with XDP'
}

mode_tests tc '[]'
first=$LAB
mode_tests xdp '["lan1","lan2","lan3","wan1","wan2"]' --no-offload
lab_down "$first"
