# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# nics.sh: a lab whose links are real network cards (boot.sh --nic). Source it after tests/lib.sh.

# nic_name PAIR CARD: the interface, which is still where the kernel made it.
nic_name() {
	ip -o link show | awk -v m="$(printf '52:54:00:00:%02d:%02d' "$1" "$2")" -F': ' 'index($0, m) { print $2 }'
}

# nics_need PAIR...: skips the file where one of them is missing.
nics_need() {
	local p
	modprobe -a nf_conntrack veth 2>/dev/null
	poll_until 3 test -n "$(nic_name "$1" 1)"
	for p in "$@"; do
		[[ -n $(nic_name "$p" 1) && -n $(nic_name "$p" 2) ]] || skip_all "needs the network cards of pair $p (boot.sh --nic)"
	done
}

# nic_move PAIR CARD NS NAME: into a namespace of the lab, up.
nic_move() {
	local from
	from=$(nic_name "$1" "$2")
	ip link set "$from" netns "$LAB-$3" name "$4" && in_lab "$3" ip link set "$4" up
}

# nic_wire PAIR wanI|lan0: the link of the lab is that pair from now on.
nic_wire() {
	local pair=$1 name=$2 i
	rt ip link del "$name"
	nic_move "$pair" 1 rt "$name"
	if [[ $name == lan0 ]]; then
		nic_move "$pair" 2 lan1 eth0
	else
		nic_move "$pair" 2 "isp${name#wan}" cust
	fi
	nic_addresses "$name"
}

# nic_addresses wanI|lan0 [DEVICE-HERE DEVICE-THERE]: what the lab has there.
nic_addresses() {
	local i=${1#wan} here=${2:-$1} there=${3:-cust}
	if [[ $1 == lan0 ]]; then
		there=${3:-eth0}
		rt ip addr add 192.168.77.1/24 brd + dev "$here"
		rt ip addr add fd77::1/64 dev "$here" nodad
		lan 1 ip addr add 192.168.77.11/24 brd + dev "$there"
		lan 1 ip addr add fd77::11/64 dev "$there" nodad
		lan 1 ip route add default via 192.168.77.1 dev "$there"
		lan 1 ip route add default via fd77::1 dev "$there" src fd77::11
		return
	fi
	rt ip addr add "198.18.$i.2/24" brd + dev "$here"
	rt ip addr add "2001:db8:$i::2/64" dev "$here" nodad
	isp "$i" ip addr add "198.18.$i.1/24" brd + dev "$there"
	isp "$i" ip addr add "2001:db8:$i::1/64" dev "$there" nodad
	rt ip route add default via "198.18.$i.1" dev "$here" metric $((i * 100))
	rt ip route add default via "2001:db8:$i::1" dev "$here" metric $((i * 100))
}

# nic_sum COUNTER-REGEX DEVICE...: of `ethtool -S` in the router. Drivers have other names before Linux 6.10.
nic_sum() {
	local regex=$1 dev
	shift
	for dev in "$@"; do rt ethtool -S "$dev"; done | awk -v r="^ *($regex): " '$0 ~ r { n += $2 } END { print n + 0 }'
}

# www_start BYTES: a file of random bytes served to everybody at 203.0.113.1:8000; WWW_SUM is its digest.
www_start() {
	mkdir "$T_DIR/www"
	head -c "$1" /dev/urandom >"$T_DIR/www/file"
	WWW_SUM=$(sha256sum <"$T_DIR/www/file")
	spawn inet python3 -m http.server 8000 --directory "$T_DIR/www"
	poll_until 60 inet curl -s -o /dev/null http://203.0.113.1:8000/ || t_bail 'no web server'
}

# download_whole SECONDS [ADDRESS]: what arrives at lan1 is the file. Prints its speed.
download_whole() {
	local start
	start=$(now_ms)
	[[ $(lan 1 curl -s -m "$1" "http://${2:-203.0.113.1}:8000/file" | sha256sum) == "$WWW_SUM" ]] || t_fail "a download is not whole"
	start=$(($(now_ms) - start))
	echo "     $(($(stat -c %s "$T_DIR/www/file") / start)) kB/s" >&2
}

# upload_whole SECONDS: what lan1 sends to 203.0.113.1:8001 arrives there as it was.
upload_whole() {
	local sum=$T_DIR/upload
	rm -f "$sum"
	spawn inet python3 -c '
import hashlib, os, socket, sys
s = socket.create_server(("203.0.113.1", 8001))
open(sys.argv[1] + ".ready", "w").close()
c, h = s.accept()[0], hashlib.sha256()
while data := c.recv(65536):
    h.update(data)
open(sys.argv[1] + ".new", "w").write(h.hexdigest() + "  -\n")
os.rename(sys.argv[1] + ".new", sys.argv[1])' "$sum"
	poll_until 20 test -e "$sum.ready" || return 1
	rm "$sum.ready"
	lan 1 timeout "$1" python3 -c '
import socket, sys
s = socket.create_connection(("203.0.113.1", 8001))
s.sendfile(open(sys.argv[1], "rb"))' "$T_DIR/www/file" || return 1
	poll_until 60 test -e "$sum" && [[ $(<"$sum") == "$WWW_SUM" ]]
}

# flows NS DESTINATION PORT FIRST-SOURCE-PORT FLOWS COUNT SIZE: that many connections of UDP at once, COUNT datagrams in each,
# one after the other, answered by the lab's echo servers. Prints SENT RECEIVED SENT-BYTES RECEIVED-BYTES, of payload.
flows() {
	local ns=$1
	shift
	in_lab "$ns" python3 - "$@" <<-'END'
	import select, socket, sys
	dst, port, sport, n, count, size = sys.argv[1], *map(int, sys.argv[2:7])
	socks, tx, rx, txb, rxb = {}, {}, 0, 0, 0
	for i in range(n):
	    s = socket.socket(socket.AF_INET6 if ":" in dst else socket.AF_INET, socket.SOCK_DGRAM)
	    s.bind(("", sport + i))
	    s.connect((dst, port))
	    socks[s], tx[s] = i, 0
	def send(s):
	    global txb
	    tx[s] += 1
	    txb += s.send(b"x" * size)
	for s in socks:
	    send(s)
	while rx < n * count:
	    ready = select.select(list(socks), [], [], 10)[0]
	    if not ready:
	        break
	    for s in ready:
	        rxb += len(s.recv(65536))
	        rx += 1
	        if tx[s] < count:
	            send(s)
	print(sum(tx.values()), rx, txb, rxb)
	END
}

# isps_count tx|rx start, isps_counted: packets and bytes of UDP port 7003 that the ISPs got from and sent to the customer,
# from the IP header on: "PACKETS BYTES PACKETS BYTES".
isps_count() {
	local i
	for ((i = 1; i <= LAB_ISPS; i++)); do
		isp "$i" nft -f - <<-END
		table inet count {
			counter tx { }
			counter rx { }
			chain in {
				type filter hook prerouting priority raw
				iifname { cust, "cust.*", "ppp*" } udp dport 7003 counter name tx
			}
			chain out {
				type filter hook postrouting priority raw
				oifname { cust, "cust.*", "ppp*" } udp sport 7003 counter name rx
			}
		}
		END
	done
}

isps_counted() {
	local i
	for ((i = 1; i <= LAB_ISPS; i++)); do
		isp "$i" nft -j list counters table inet count
		isp "$i" nft delete table inet count
	done | jq -rs '[.[].nftables[].counter | select(.)] |
		map(select(.name == "tx")) as $t | map(select(.name == "rx")) as $r |
		"\([$t[].packets] | add) \([$t[].bytes] | add) \([$r[].packets] | add) \([$r[].bytes] | add)"'
}

# wans_counted: what the product counted: "TX-PACKETS TX-BYTES RX-PACKETS RX-BYTES FASTPATH-PACKETS".
wans_counted() {
	stat_of '[.wans[] | [.tx_packets, .tx_bytes, .rx_packets, .rx_bytes, .fastpath_packets]] | transpose | map(add) |
		map(tostring) | join(" ")'
}

# fastpath_of DEVICE: where status says that it is.
fastpath_of() {
	pcc status --json | jq -r "(.lan + .wans)[] | select(.name == \"$1\") | .fastpath"
}

# fastpath_reason DEVICE
fastpath_reason() {
	pcc status --json | jq -r "(.lan + .wans)[] | select(.name == \"$1\") | .fastpath_reason"
}

# minus "A..." "B...": the differences of two rows of numbers.
minus() {
	awk -v a="$1" -v b="$2" 'BEGIN { n = split(a, x); split(b, y); for (i = 1; i <= n; i++) printf "%s%d", (i > 1 ? " " : ""), x[i] - y[i] }'
}

# wan_in_xdp WAN: it is up and its fast path is in XDP.
wan_in_xdp() {
	wan_is "$1" up && [[ $(fastpath_of "$1") == xdp ]]
}

REDIRECTS='rx_?(queue_)?[0-9]+_xdp_redirects'

# flows_counted DESTINATION HEADERS FRAME CONNECTIONS: 100 datagrams, and their answers, in each connection. Every packet is counted once,
# by the WANs as by the ends and the ISPs. HEADERS is of IP and UDP, FRAME what the WANs count besides, or "-" where that is not looked
# at. Sets SENT, FAST (packets of the fast path) and BY_DRIVERS (by the drivers of CARDS).
flows_counted() {
	local dst=$1 head=$2 frame=$3 ends after before isps wans
	forget_all
	isps_count
	SENT=$(($4 * 100))
	before=$(wans_counted)
	BY_DRIVERS=$(nic_sum "$REDIRECTS" "${CARDS[@]}")
	read -ra ends <<<"$(flows lan1 "$dst" 7003 42000 "$4" 100 333)"
	read -ra after <<<"$(minus "$(wans_counted)" "$before")"
	isps=$(isps_counted)
	BY_DRIVERS=$(($(nic_sum "$REDIRECTS" "${CARDS[@]}") - BY_DRIVERS))
	FAST=${after[4]}
	t_assert_eq "${ends[0]} ${ends[1]}" "$SENT $SENT" "$dst: datagrams sent, answered"
	if [[ $frame == - ]]; then
		t_assert_eq "${after[0]} ${after[2]}" "$SENT $SENT" "$dst: packets of the WANs, out and in"
	else
		wans="$SENT $((ends[2] + SENT * (head + frame))) $SENT $((ends[3] + SENT * (head + frame)))"
		t_assert_eq "${after[*]:0:4}" "$wans" "$dst: packets and bytes of the WANs, out and in"
	fi
	t_assert_eq "$isps" "$SENT $((ends[2] + SENT * head)) $SENT $((ends[3] + SENT * head))" "$dst: what the ISPs saw"
}

# flows_redirected: of the flows that were counted last.
flows_redirected() {
	t_assert_eq "$FAST" "$BY_DRIVERS" 'packets of the fast path, and what the drivers redirected'
	((FAST * 10 > SENT * 2 * 8)) || t_fail "only $FAST of $((2 * SENT)) packets took the fast path"
}
