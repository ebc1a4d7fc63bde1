#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Errors: status, one line that says what is wrong and what to do, and nothing changed. And the JSON
# of every reading command.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

require_root
require_tools ip nft nsenter jq setpriv unshare

lab_up --isps 3 --hosts 1
DIR=$BPFFS/pccbpf
# An interface without any gateway, one with an address but no gateway, and one that is no Ethernet.
rt ip -batch - <<-'END'
	link add bare0 type veth peer name bare1
	link set bare0 up
	link set bare1 up
	link add nogw0 type veth peer name nogw1
	link set nogw0 up
	link set nogw1 up
	addr add 198.51.100.2/24 dev nogw0
END

# error STATUS PATTERN COMMAND...: one line on stderr, `pccbpf: OBJECT: CAUSE (HINT)`, that matches.
error() {
	local status=$1 pattern=$2
	shift 2
	t_assert_status "$status" "$@"
	t_assert_eq "$(wc -l <"$T_DIR/err")" 1 "${*##*/}: lines on stderr ($(head -n 2 "$T_DIR/err"))"
	t_assert "${*##*/} says '$(<"$T_DIR/err")', which is not 'pccbpf: OBJECT: CAUSE (HINT)'" \
		grep -qE '^pccbpf: [^:]+: [^ ].* \([^ ].*\)$' "$T_DIR/err"
	t_assert "${*##*/} says '$(<"$T_DIR/err")', without '$pattern'" grep -qE -- "$pattern" "$T_DIR/err"
	t_assert_eq "$(<"$T_DIR/out")" '' "${*##*/}: stdout"
}

# table: lines STATUS|PATTERN|WORDS, of which none changes anything.
table() {
	local status pattern line words
	rt_state >"$T_DIR/before"
	rt_ids >"$T_DIR/ids" 2>/dev/null
	while IFS='|' read -r status pattern line; do
		read -ra words <<<"$line"
		error "$status" "$pattern" pcc "${words[@]}"
	done
	same_as "$T_DIR/before" rt_state
	same_as "$T_DIR/ids" rt_ids 2>/dev/null
}

t_begin 'what is wrong with attach is said before anything is done'
table <<-'END'
	1|'eth9'|attach --lan eth9 --wan wan1,wan2
	1|'eth9'|attach --lan br0 --wan wan1,eth9
	2|'wan1'|attach --lan br0,wan1 --wan wan1,wan2
	2|'br0'|attach --lan br0 --wan br0,wan2
	2|'wan1'|attach --lan br0 --wan wan1,wan1
	2|'br0'|attach --lan br0,br0 --wan wan1
	2|'0'|attach --lan br0 --wan wan1*0,wan2
	2|'256'|attach --lan br0 --wan wan1*256,wan2
	2|'x'|attach --lan br0 --wan wan1*x,wan2
	2|'-1'|attach --lan br0 --wan wan1*-1,wan2
	2|'1x'|attach --lan br0 --wan wan1*1x,wan2
	2|'198.18.1'|attach --lan br0 --wan wan1@198.18.1,wan2
	2|'198.18.1.999'|attach --lan br0 --wan wan1@198.18.1.999,wan2
	2|'gw'|attach --lan br0 --wan wan1@gw,wan2
	2|'fe80::g'|attach --lan br0 --wan wan1@198.18.1.1@fe80::g,wan2
	1|'198.18.1.2'|attach --lan br0 --wan wan1@198.18.1.2,wan2
	1|'192.168.77.1'|attach --lan br0 --wan wan1@192.168.77.1,wan2
	1|'203.0.113.1'|attach --lan br0 --wan wan1@203.0.113.1,wan2
	1|'2001:db8:1::2'|attach --lan br0 --wan wan1@2001:db8:1::2,wan2
	1|bare0.*@|attach --lan br0 --wan bare0
	1|nogw0.*@|attach --lan br0 --wan nogw0,bare0
	1|lo|attach --lan br0 --wan wan1,lo
	2|--lan|attach --wan wan1,wan2
	2|--wan|attach --lan br0
	2|--lan|attach --lan
	2|empty word|attach --lan br0 --wan wan1,,wan2
	2|'averyveryverylongname'|attach --lan br0 --wan averyveryverylongname
	2|'src-adress'.*src-address|attach --lan br0 --wan wan1 --classifier src-adress
	2|'moduloo'.*modulo|attach --lan br0 --wan wan1 --scheme moduloo
	2|'63'|attach --lan br0 --wan wan1 --buckets 63
	2|'16385'|attach --lan br0 --wan wan1 --buckets 16385
	2|'0xzz'|attach --lan br0 --wan wan1 --seed 0xzz
	2|'4294967296'|attach --lan br0 --wan wan1 --seed 4294967296
	2|'fast'|attach --lan br0 --wan wan1 --fastpath fast
	2|'0xf0f'|attach --lan br0 --wan wan1 --mark-mask 0xf0f
	2|'0'|attach --lan br0 --wan wan1 --mark-mask 0
	2|'maybe'|attach --lan br0 --wan wan1 --nat6 maybe
	2|'1023'|attach --lan br0 --wan wan1 --max-conns 1023
	2|'x'|attach --lan br0 --wan wan1 --wait x
	2|'now'|attach --lan br0 --wan wan1 now
	2|--lan|attach --lan br0 --lan br1 --wan wan1
	2|'--buckest'.*'--buckets'|attach --lan br0 --wan wan1 --buckest 64
	2|'--json'|attach --lan br0 --wan wan1 --json
END

t_begin 'a mark mask without room for the WANs is refused'
table <<-'END'
	2|'0x100'|attach --lan br0 --wan wan1,wan2,wan3 --mark-mask 0x100
END

t_begin 'a 65th WAN is refused'
names=$(seq -s, -f 'w%g' 65)
table <<<"2|'w65'|attach --lan br0 --wan $names"

t_begin 'unknown commands and options, with what was meant'
table <<-'END'
	2|'atach'.*'attach'|atach --lan br0
	2|'statsu'.*'stat|statsu
	2|'wan ad'.*'wan add'|wan ad wan3
	2|wan add.*wan del|wan
	2|'frobnicate'|frobnicate
	2|'wan del'|wan rm wan1
	2|'wan list'|wan ls
	2|'-v' is not known|-v
	2|'src-address'|attach --lan br0 --wan wan1,wan2 --classifier src
	2|'--jsn'.*'--json'|status --jsn
	2|IF|wan del
	2|'wan2'|wan del wan1 wan2
	2|--all|conns flush
	2|'10.0.0'|conns --src 10.0.0
	2|'33'|conns --src 10.0.0.0/33
	2|'tpc'|conns --proto tpc
	2|'65536'|conns --sport 65536
	2|DST|explain 10.0.0.1
	2|'10.0.0.x'|explain 10.0.0.x 203.0.113.1
	2|'tpc'|explain 10.0.0.1 203.0.113.1 tpc
	2|'0'|stats --watch --interval 0
END

t_begin 'commands that need something attached say so'
table <<-'END'
	1|not attached|wan add wan1
	1|not attached|wan del wan1
	1|not attached|wan set wan1 --weight 2
	4|not attached|wan list
	1|not attached|lan add br0
	1|not attached|lan del br0
	4|not attached|stats
	4|not attached|conns
	1|not attached|conns flush --all
	4|not attached|explain 192.168.77.11:1 203.0.113.1:80
END
t_assert_status 4 pcc status
t_assert_eq "$(<"$T_DIR/out")" 'not attached' status
t_assert_eq "$(pcc status --json | jq -c '[.attached, .lan, .wans, (.version | type)]')" '[false,[],[],"string"]' 'status --json'

t_begin 'output that cannot be written is a failure'
for words in help 'help attach' version 'version --json' 'status --json'; do
	read -ra words <<<"$words"
	t_assert_eq "$(rt "$PCCBPF" "${words[@]}" 2>&1 >/dev/full | grep -c 'cannot be written')" 1 "${words[*]}"
	rt "$PCCBPF" "${words[@]}" >/dev/full 2>&1 && t_fail "${words[*]}: status 0"
done
t_assert_eq "$(rt "$PCCBPF" version --json | jq -c '[(.version | type), (.abi_version | type)]')" '["string","number"]' 'version --json'

t_begin 'a megabyte of brackets is refused at once'
head -c 1000000 /dev/zero | tr '\0' '[' >"$T_DIR/deep.yaml"
start=$(now_ms)
t_assert_status 1 rt "$PCCBPF" check "$T_DIR/deep.yaml"
t_assert "it says $(<"$T_DIR/err")" grep -q '/deep.yaml:1:17: .* more than 16 deep (' "$T_DIR/err"
t_assert_ms $(($(now_ms) - start)) 1000 'to refuse it'

t_begin 'an interface name that is not UTF-8 is refused'
error 2 'not UTF-8' rt "$PCCBPF" attach --lan "$(printf 'br\xff0')" --wan wan1,wan2

t_begin 'without a BPF file system the mount command is the hint'
mkdir "$T_DIR/plain"
rt_state >"$T_DIR/before"
error 1 "'$T_DIR/plain/pccbpf'.*mount -t bpf" rt "$PCCBPF" attach --lan br0 --wan wan1,wan2 --bpffs "$T_DIR/plain/pccbpf"
error 1 "'$T_DIR/plain'.*mount -t bpf" rt "$PCCBPF" attach --lan br0 --wan wan1,wan2 --bpffs "$T_DIR/plain"
error 1 "'/etc'.*mount -t bpf bpf /sys/fs/bpf," rt "$PCCBPF" attach --lan br0 --wan wan1,wan2 --bpffs /etc
error 1 "too long" rt "$PCCBPF" status --bpffs "/sys/fs/bpf/$(printf 'a%.0s' {1..300})"
error 1 "/nonexistent" rt "$PCCBPF" attach --lan br0 --wan wan1,wan2 --bpffs /nonexistent/sub/pccbpf
t_assert_eq "$(find "$T_DIR/plain" -mindepth 1)" '' 'what is in the directory'
same_as "$T_DIR/before" rt_state

t_begin 'who is not root is told so'
chmod 755 "$T_DIR"
cp "$PCCBPF" "$T_DIR/pccbpf"
for words in 'attach --lan br0 --wan wan1,wan2' 'status' 'wan add wan3' 'detach' 'conns'; do
	read -ra words <<<"$words"
	error 1 root rt setpriv --reuid 65534 --regid 65534 --clear-groups "$T_DIR/pccbpf" "${words[@]}" --bpffs "$DIR"
done
t_assert_status 0 rt setpriv --reuid 65534 --regid 65534 --clear-groups "$T_DIR/pccbpf" help attach
same_as "$T_DIR/before" rt_state

t_begin 'a kernel without BTF is named as the cause'
# shellcheck disable=SC2016
error 1 'btf.*CONFIG_DEBUG_INFO_BTF' rt unshare -m sh -c 'mount -t tmpfs tmpfs /sys/kernel/btf && exec "$@"' sh \
	"$PCCBPF" attach --lan br0 --wan wan1,wan2 --bpffs "$DIR"
same_as "$T_DIR/before" rt_state

t_begin 'a gateway that does not answer is a warning, not an error'
t_assert_status 0 pcc attach --lan br0 --wan wan1@198.18.1.77,wan2
t_assert_eq "$(grep -vc 'checksums to be completed' "$T_DIR/err")" 1 'lines on stderr, but for what XDP has to say of a veth'
t_assert "it says $(<"$T_DIR/err")" grep -qE '^pccbpf: (warning: )?wan1: .*198.18.1.77.* \(.*\)$' "$T_DIR/err"
t_assert_eq "$(pcc status --json | jq -r '.wans[0].gateway')" 198.18.1.77 gateway
t_assert_status 0 pcc attach --lan br0 --wan wan1,wan2
t_assert_eq "$(<"$T_DIR/err")" '' 'warnings with the right one'

t_begin 'what is wrong with a change is said before anything is done'
table <<-'END'
	1|'eth9'|wan add eth9
	2|'br0'|wan add br0
	2|'0'|wan add wan3*0
	2|'256'|wan add wan3*256
	2|'x'|wan add wan3*x
	1|'198.18.3.2'|wan add wan3@198.18.3.2
	1|'10.1.1.1'|wan add wan3@10.1.1.1
	1|bare0.*@|wan add bare0
	1|nogw0.*@|wan add nogw0
	1|'wan3'|wan del wan3
	1|'eth9'|wan del eth9
	1|'wan3'|wan set wan3 --weight 2
	2|--weight|wan set wan1
	2|'0'|wan set wan1 --weight 0
	2|'256'|wan set wan1 --weight 256
	2|'x'|wan set wan1 --weight x
	2|'dwon'.*down|wan set wan1 --state dwon
	2|'198.18.1'|wan set wan1 --gateway 198.18.1
	1|'198.18.1.2'|wan set wan1 --gateway 198.18.1.2
	1|'10.1.1.1'|wan set wan1 --gateway 10.1.1.1
	2|'wan1'|lan add wan1
	1|'eth9'|lan add eth9
	1|'br0'|lan del br0
	1|'wan1'|lan del wan1
	1|--mark-mask|attach --lan br0 --wan wan1,wan2 --mark-mask 0xff0000
	1|--table-base|attach --lan br0 --wan wan1,wan2 --table-base 300
	1|--rule-pref|attach --lan br0 --wan wan1,wan2 --rule-pref 300
	1|'wan3'|conns --wan wan3
	1|'wan3'|conns flush --wan wan3
END
t_assert_status 0 pcc wan del wan2
t_begin 'the last WAN stays'
table <<<"1|'wan1'.*last|wan del wan1"
t_assert_status 0 pcc wan add wan2

# ---------------------------------------------------------------- JSON

# shape FILTER COMMAND...: the JSON satisfies the filter.
shape() {
	local filter=$1 file=$T_DIR/json wrong
	shift
	t_assert_status 0 pcc "$@" --json
	cp "$T_DIR/out" "$file"
	jq -e . "$file" >/dev/null 2>&1 || {
		t_fail "$*: no JSON"
		return
	}
	# The filter gives the paths of what is wrong.
	wrong=$(jq -c "
		def check(fields): . as \$o | fields | to_entries[] | (\$o[.key] | type) as \$type |
			select(.value | split(\"|\") | index(\$type) | not) | \"\(.key) is \(\$type), not \(.value)\";
		def one_of(values): . as \$v | select([values[] == \$v] | any | not) | \"'\(\$v)' is none of \(values)\";
		$filter" "$file" 2>&1 | head -n 5)
	t_assert_eq "$wrong" '' "$* --json"
}

t_begin 'the JSON of every reading command is valid and has every field'
hold_start lan1 --dst "$SERVERS4,$SERVERS6" --port "$TCP_PORTS" --count 20 --interval-ms 100
hold_unharmed 20
t_assert_status 0 pcc wan add wan3@198.18.3.1*5
WAN_FIELDS='check({name: "string", id: "number", state: "string", weight: "number", mark: "string", table: "number",
	gateway: "string|null", gateway6: "string|null", buckets: "number", buckets6: "number", share: "number",
	hook: "string", fastpath: "string"}),
	(.state | one_of(["up", "drain", "down"])), (.hook | one_of(["tcx", "clsact"])),
	(.fastpath | one_of(["xdp", "tc", "off"])), (.mark | select(test("^0x[0-9a-f]+$") | not))'
shape 'check({attached: "boolean", version: "string", classifier: "string", scheme: "string", buckets: "number",
	seed: "number", mark_mask: "string", lan: "array", wans: "array"}),
	(.lan[] | check({name: "string", hook: "string", fastpath: "string"}), (.hook | one_of(["tcx", "clsact"])),
		(.fastpath | one_of(["xdp", "tc", "off"]))),
	(.wans[] | '"$WAN_FIELDS"'),
	(select((.wans | length) != 3 or (.lan | length) != 1) | "not 3 WANs and 1 LAN"),
	(select((([.wans[].share] | add) - 1 | fabs) > 0.000001) | "shares do not add up to 1"),
	(select(([.wans[].buckets] | add) != .buckets) | "buckets do not add up")' status
shape 'type | select(. != "array" and . != "object")' wan list
shape '(if type == "array" then . else .wans end)[] | '"$WAN_FIELDS" wan list
COUNTS='tx_packets: "number", tx_bytes: "number", rx_packets: "number", rx_bytes: "number", new_connections: "number"'
for options in '' --buckets; do
	read -ra words <<<"stats $options"
	shape 'check({wans: "array", counters: "object"}), (.wans[] | check({name: "string", '"$COUNTS"', fastpath_packets: "number",
			rx_errors: "number", syn_sent: "number", syn_answered: "number", rtt_sum_us: "number"})),
		(.buckets // [] | .[] | check({family: "number", bucket: "number", wan: "string", '"$COUNTS"'}),
			(.family | one_of([4, 6]))),
		(.counters[] | select(type != "number"))' "${words[@]}"
done
t_assert_eq "$(jq '.buckets | length' "$T_DIR/json")" 2048 'buckets of both families'
shape '(select(length < 20) | "too few"), (.[] | check({proto: "string", src: "string", sport: "number", dst: "string",
	dport: "number", wan: "string", bucket: "number", origin: "string", age_s: "number", idle_s: "number",
	tx_packets: "number", tx_bytes: "number", rx_packets: "number", rx_bytes: "number", fastpath: "boolean"}),
	(.origin | one_of(["lan", "wan"])))' conns
EXPLAIN='check({classifier: "string", hash: "number", bucket: "number", wan: "string", mark: "string", table: "number",
	gateway: "string|null", pinned: "boolean", verdict: "string", reason: "string"}),
	(.verdict | one_of(["balance", "bypass", "none"]))'
shape "$EXPLAIN" explain 192.168.77.11:4000 203.0.113.1:80
shape "$EXPLAIN, (.verdict | one_of([\"bypass\"]))" explain 192.168.77.11:4000 192.168.77.1:22
shape "$EXPLAIN" explain fd77::11 2001:db8:ffff::1 icmpv6
shape "$EXPLAIN" explain '[fd77::11]:5000' '[2001:db8:ffff::1]:53' udp
hold_stop >/dev/null

t_begin 'filters that match nothing give an empty list'
t_assert_eq "$(pcc conns --json --src 10.99.0.0/16)" '[]' conns

t_begin 'status 3 says that a WAN is down, by declaration or by its link'
t_assert_status 0 pcc status
t_assert_status 0 pcc wan set wan3 --state down
t_assert_status 3 pcc status
t_assert_status 3 pcc status --json
t_assert_eq "$(jq -r '.wans[] | select(.name == "wan3") | .state' "$T_DIR/out")" down state
t_assert_status 0 pcc wan set wan3 --state up
rt ip link set wan2 down
t_assert_status 3 pcc status
rt ip link set wan2 up
t_assert_status 0 pcc detach

t_begin '64 WANs fit, a 65th is refused when it is added'
lab_up --isps 1 --hosts 1 --no-v6
for i in $(seq 2 65); do
	echo "link add w$i type veth peer name p$i"
	echo "link set w$i up"
	echo "link set p$i up"
	echo "addr add 10.50.$i.2/24 dev w$i"
	echo "route add default via 10.50.$i.1 dev w$i metric $((1000 + i))"
done | rt ip -batch -
spec=wan1$(seq -s '' -f ',w%g' 2 64)
t_assert_status 0 pcc attach --lan br0 --wan "$spec"
t_assert_eq "$(pcc status --json | jq -c '[(.wans | length), ([.wans[].buckets] | unique)]')" '[64,[16]]' 'WANs, buckets of each'
table <<<"2|'w65'|wan add w65"
t_assert_status 0 pcc wan del w64
t_assert_status 0 pcc wan add w65
t_assert_status 0 pcc detach
t_assert_eq "$(rt ip rule show | grep -c 'proto 172')" 0 'rules left'
